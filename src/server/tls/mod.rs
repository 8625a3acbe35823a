//! SIP over TLS: handshakes on a thread of their own, streams that are ready handed to signalling. The API's TLS is made of the
//! same pieces (`door`), on a runtime of its own.
//!
//! ```text
//! "tls" thread   listener -> Handshake (bounded, in time, judged) -> Secured -> arrivals -> Streams
//!                connect  -> Handshake ---------------------------------------> Streams
//!                Material, read again when its files change
//! ```
//! Signatures take a millisecond of a core: on the signalling thread a crowd of strangers would hold up those who call.

mod certificate;
#[cfg(feature = "api")]
mod door;
mod files;
mod handshake;
mod judge;
mod material;
mod reason;
mod section;

#[cfg(feature = "api")]
pub(super) use door::Door;
pub(super) use handshake::Secured;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use siprec_core::time::Wall;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use self::handshake::Handshakes;
use self::judge::Called;
use self::material::{Material, Stamps};
use self::section::Section;
use super::arrivals::Arrival;
use super::streams;
use crate::config::{Config, Dscp, TlsConfig};
use crate::policy::known_networks;
use crate::wall;

/// The files are looked at this often.
const LOOK: Duration = Duration::from_secs(10);
/// SRCs that were called by name and are remembered.
const MAX_NAMES: usize = 10_000;
/// The certificate's end is looked at each so many looks: once a day.
const LOOKS_A_DAY: u32 = 24 * 360;

/// What is wrong, or soon will be, with what `server.tls` and `api.tls` name; nothing where TLS is off.
///
/// # Errors
/// What would keep the server from starting: one line that names key, file and remedy.
pub fn check(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (section, tls) in [(section::SIP, config.tls()), (section::API, config.api_tls())] {
        if tls.enabled {
            warnings.extend(Material::load(section, &tls)?.warnings(wall::now()));
        }
    }
    Ok(warnings)
}

/// What a certificate file, which can be used, holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whom it is for.
    pub names: Vec<String>,
    /// From when on it counts, and until when.
    pub valid: (Wall, Wall),
    /// Subject and issuer of each certificate in the file, the server's own first.
    pub chain: Vec<(String, String)>,
    /// Who may read the key that should not.
    pub exposed_key: Option<String>,
}

/// What the files of `server.tls` and `api.tls` hold, by the section's name, or what would keep the server from starting; nothing of a
/// section that is off.
pub fn hold(config: &Config) -> Vec<(&'static str, anyhow::Result<Held>)> {
    let sections = [(section::SIP, config.tls()), (section::API, config.api_tls())];
    let on = sections.into_iter().filter(|(_, tls)| tls.enabled);
    on.map(|(section, tls)| (section.name(), Material::load(section, &tls).map(|material| material.held()))).collect()
}

/// TLS of a server. Clones are of the same.
#[derive(Clone)]
pub(super) struct Tls {
    inner: Arc<Inner>,
    runtime: Handle,
    bound: Arc<[SocketAddr]>,
}

struct Inner {
    section: Section,
    config: Mutex<(TlsConfig, Stamps)>,
    material: RwLock<Arc<Material>>,
    handshakes: Handshakes,
    /// Whom SRCs have to be that were called by name.
    names: Mutex<BTreeMap<SocketAddr, String>>,
}

/// The thread of a server's TLS: when this is dropped, listeners and streams are closed and the thread has ended.
pub(super) struct TlsThread {
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for TlsThread {
    fn drop(&mut self) {
        self.ends.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of TLS panicked");
        }
    }
}

impl Tls {
    /// Reads certificates and keys, and starts the thread; nothing listens yet. `None` where TLS is off.
    pub(super) fn start(config: &Config) -> anyhow::Result<Option<(Self, TlsThread)>> {
        let known = known_networks(config);
        let config = &config.tls();
        if !config.enabled {
            return Ok(None);
        }
        let stamps = Stamps::of(config);
        let material = Material::load(section::SIP, config)?;
        let inner = Arc::new(Inner {
            section: section::SIP,
            config: Mutex::new((config.clone(), stamps)),
            material: RwLock::new(Arc::new(material)),
            handshakes: Handshakes::default(),
            names: Mutex::default(),
        });
        inner.handshakes.know(known);
        inner.warn();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let watcher = Arc::clone(&inner);
        let (ends, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("tls".into())
            .spawn(move || runtime.block_on(watch(watcher, ended)))
            .context("the thread of TLS cannot be started")?;
        let thread = TlsThread { ends: Some(ends), thread: Some(thread) };
        Ok(Some((Self { inner, runtime: handle, bound: Arc::default() }, thread)))
    }

    /// Accepts on `listener` from now on; who has shaken hands goes to `queue`.
    pub(super) fn listen(&self, listener: StdListener, queue: mpsc::Sender<Arrival>) {
        let inner = Arc::clone(&self.inner);
        self.runtime.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => inner.accept(listener, queue).await,
                Err(error) => tracing::error!(%error, "SIP over TLS cannot be received"),
            }
        });
    }

    /// Connects to `remote` from our address `local` and shakes hands.
    pub(super) async fn connect(&self, local: SocketAddr, remote: SocketAddr, dscp: Dscp) -> Option<Secured> {
        match streams::connect_in_time(local, remote, dscp).await {
            Ok(stream) => self.inner.connected(stream, remote).await,
            Err(error) => {
                tracing::warn!(%remote, %error, "TLS: an SRC cannot be connected to");
                None
            }
        }
    }

    /// Says where it will listen; clones made before do not know.
    pub(super) fn bound_to(&mut self, listeners: &[StdListener]) {
        self.bound = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    }

    /// Where it listens.
    pub(super) fn bound(&self) -> &[SocketAddr] {
        &self.bound
    }

    /// Who is connected to at `remote` from now on was called by `name`: its certificate may be for that.
    pub(super) fn expect_name(&self, remote: SocketAddr, name: String) {
        let mut names = self.inner.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_NAMES {
            names.pop_first();
        }
        names.insert(remote, name);
    }

    /// Where the tasks of its streams run.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The certificate, whichever is in force.
    pub(super) fn shown(&self) -> Shown {
        Shown(Arc::clone(&self.inner))
    }

    /// For the banner.
    pub(super) fn words(&self) -> String {
        self.inner.material().words()
    }

    /// Takes another configuration, or the same with other files. What cannot be used changes nothing, and is told.
    pub(super) fn reload(&self, config: &Config) {
        self.inner.handshakes.know(known_networks(config));
        self.inner.lock().0 = config.tls();
        self.inner.load_again();
    }
}

/// The certificate that somebody who connects is shown. Clones are of the same.
#[derive(Clone)]
pub(super) struct Shown(Arc<Inner>);

impl Shown {
    /// Where it is configured: `server.tls` or `api.tls`.
    pub(super) fn section(&self) -> &'static str {
        self.0.section.name()
    }

    /// When it ends; none of one that cannot be read.
    pub(super) fn ends(&self) -> Option<Wall> {
        self.0.material().ends()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, (TlsConfig, Stamps)> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.material.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again, if they differ from when they were read last.
    fn look(&self) {
        let changed = {
            let held = self.lock();
            Stamps::of(&held.0) != held.1
        };
        if changed {
            self.load_again();
        }
    }

    fn load_again(&self) {
        let mut held = self.lock();
        // Of before the reading: what changes meanwhile is seen at the next look.
        held.1 = Stamps::of(&held.0);
        match Material::load(self.section, &held.0) {
            Ok(material) => {
                tracing::info!(now = material.words(), "TLS: certificate and key read again; new connections get them");
                *self.material.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
                drop(held);
                self.warn();
            }
            Err(error) => tracing::error!("TLS goes on with the certificate that it has: {error:#}"),
        }
    }

    fn warn(&self) {
        for warning in self.material().warnings(wall::now()) {
            tracing::warn!("{warning}");
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, queue: mpsc::Sender<Arrival>) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.shake(stream, remote, &queue),
                Err(error) => {
                    tracing::warn!(%error, "TLS: a connection could not be accepted");
                    tokio::time::sleep(super::arrivals::AFTER_ERROR).await;
                }
            }
        }
    }

    fn shake(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr, queue: &mpsc::Sender<Arrival>) {
        let Some(turn) = self.handshakes.begin(remote) else { return };
        let (inner, queue) = (Arc::clone(self), queue.clone());
        tokio::spawn(async move {
            let done = handshake::accept(&inner.handshakes, &inner.material(), stream, remote).await;
            drop(turn);
            if let Some(secured) = done {
                let _ = queue.send(Arrival::Secured(Box::new(secured))).await;
            }
        });
    }

    async fn connected(&self, stream: TcpStream, remote: SocketAddr) -> Option<Secured> {
        let name = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&remote).cloned();
        handshake::connect(&self.handshakes, &self.material(), stream, Called { address: remote.ip(), name }).await
    }
}

/// Looks at the files and at the calendar until the server ends.
async fn watch(inner: Arc<Inner>, mut ended: oneshot::Receiver<()>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.tick().await;
    for n in 1_u32.. {
        tokio::select! {
            _ = &mut ended => return,
            _ = looks.tick() => {}
        }
        inner.look();
        if n.is_multiple_of(LOOKS_A_DAY) {
            inner.warn();
        }
    }
}
