//! `siprec serve` from start to stop.
//!
//! ```text
//! sockets are bound -> directory is locked -> live sessions are restored -> "ready" -> arrivals, until a signal
//! ```
//! What can fail fails before anything is said to be ready, and leaves nothing half started.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use siprec_core::session::{Input, Order};
use siprec_core::time::Monotonic;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

use super::arrivals::{self, Arrival};
use super::datagrams::Datagrams;
use super::live::LiveEvent;
use super::media::News;
use super::orders::Wish;
use super::signalling::Signalling;
use super::tls::{Shown, Tls, TlsThread};
use super::{Options, banner, housekeeping, lookout, recovery, streams};
use crate::config::{Config, Loaded};
use crate::limits::{Descriptors, StallMemory};
use crate::listening::all_of;

/// Disk space and the pool's state are looked at this often.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// What was kept out is summed up this often.
const KEPT_OUT: Duration = Duration::from_secs(60);
/// Old journals are looked for this often.
const PRUNING: Duration = Duration::from_secs(3600);
/// What was ordered to be erased is looked for this often.
const ERASING: Duration = Duration::from_secs(5);
/// Arrivals that are taken in one go before deadlines are looked at.
const BURST: usize = 64;

/// What the signalling thread is woken by.
pub(super) struct Wakers {
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    pub(super) media: mpsc::UnboundedReceiver<News>,
    pub(super) written: Arc<Notify>,
}

/// Sockets that were bound before anything else was touched.
pub(super) struct Bound {
    pub(super) datagrams: Vec<Arc<Datagrams>>,
    pub(super) listeners: Vec<StdListener>,
    pub(super) tls_listeners: Vec<StdListener>,
    pub(super) tls: Option<Tls>,
    tls_thread: Option<TlsThread>,
    #[cfg(feature = "api")]
    api: super::api::Bound,
}

impl Bound {
    /// The certificates that are shown to who connects.
    fn shown(&self) -> Vec<Shown> {
        let of_sip = self.tls.as_ref().map(Tls::shown);
        #[cfg(feature = "api")]
        let of_api = self.api.shown();
        #[cfg(not(feature = "api"))]
        let of_api = None;
        of_sip.into_iter().chain(of_api).collect()
    }
}

/// Serves until SIGTERM or SIGINT; or, after SIGUSR1, until the last session has ended.
///
/// # Errors
/// Whatever keeps the server from starting.
pub fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(options))
}

async fn serve(mut options: Options) -> anyhow::Result<()> {
    let began = Instant::now();
    let config = options.loaded.config.clone();
    let descriptors = Descriptors::raise(u64::from(config.server.max_connections))?;
    let sessions = u64::from(config.server.max_connections).min(u64::from(config.media.port_range.two_leg_sessions()));
    let stall = StallMemory::of(sessions);
    let mut signals = Signals::new()?;
    let bound = bind(&config)?;
    let (queue, arrivals) = mpsc::channel(arrivals::QUEUE);
    let (mut signalling, mut wakers, recovered) = recovery::start(&options, &bound, stall, queue.clone(), arrivals)?;
    for socket in &bound.datagrams {
        tokio::spawn(arrivals::receive(Arc::clone(socket), queue.clone()));
    }
    let addresses = Addresses::of(&bound);
    signalling.lookout.watch_certificates(bound.shown());
    for listener in bound.listeners {
        tokio::spawn(arrivals::accept(TcpListener::from_std(listener)?, queue.clone()));
    }
    if let Some(tls) = &bound.tls {
        for listener in bound.tls_listeners {
            tls.listen(listener, queue.clone());
        }
    }
    #[cfg(feature = "api")]
    let (api, configuration) = serve_api(bound.api, &signalling, &options)?;
    #[cfg(feature = "api")]
    let on_reload = |loaded: &Loaded| configuration.set(loaded);
    #[cfg(not(feature = "api"))]
    let on_reload = |_: &Loaded| {};
    banner::print(&config, &addresses, (descriptors, stall), &recovered, began.elapsed())?;
    signalling.finishing.renderers().submit_all();
    let stopped = turn(&mut signalling, &mut wakers, &mut signals, &mut options, &on_reload).await;
    #[cfg(feature = "api")]
    drop(api);
    signalling.stop(stopped.as_ref().copied().unwrap_or("an error")).await;
    drop(bound.tls_thread);
    stopped.map(drop)
}

/// Serves the API. Dropped, it ends; a reload has to be told to what comes with it.
#[cfg(feature = "api")]
fn serve_api(
    bound: super::api::Bound,
    signalling: &Signalling,
    options: &Options,
) -> anyhow::Result<(super::api::Serving, super::api::Configuration)> {
    let configuration = super::api::Configuration::new(&options.loaded);
    let config = &options.loaded.config;
    let webhooks = if config.webhooks.is_empty() {
        None
    } else {
        let queue = super::webhooks::Queue::open(&signalling.data)?;
        Some(super::webhooks::Webhooks::new(config, queue, Arc::clone(&signalling.catalog)))
    };
    let served = super::api::Served {
        webhooks,
        fetched: Arc::new(super::api::FetchedFiles::default()),
        drawings: Arc::new(super::api::Drawings::default()),
        makers: super::api::Makers::default(),
        renderings: super::api::Renderings::default(),
        disk: Arc::clone(&signalling.disk),
        data: signalling.data.clone(),
        catalog: Arc::clone(&signalling.catalog),
        erasing: Arc::clone(signalling.eraser.erasing()),
        orders: options.desk.orders(),
        live: options.desk.live().clone(),
        auth: Arc::new(super::api::Auth::new(signalling.auditing.pen())),
        pen: signalling.auditing.pen(),
        alarms: signalling.alarms.clone(),
        meters: signalling.meters.clone(),
        events: Arc::new(super::api::EventLog::new()),
        configuration: configuration.clone(),
    };
    Ok((super::api::serve(bound, served)?, configuration))
}

/// Where the server listens, for the banner.
pub(super) struct Addresses {
    pub(super) udp: Vec<SocketAddr>,
    pub(super) tcp: Vec<SocketAddr>,
    pub(super) tls: Vec<SocketAddr>,
    /// The API.
    pub(super) api: Vec<SocketAddr>,
    /// Whose certificate TLS shows.
    pub(super) certificate: Option<String>,
}

impl Addresses {
    fn of(bound: &Bound) -> Self {
        Self {
            udp: bound.datagrams.iter().map(|socket| socket.bound()).collect(),
            tcp: bound.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
            tls: bound.tls_listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
            #[cfg(feature = "api")]
            api: bound.api.addresses(),
            #[cfg(not(feature = "api"))]
            api: Vec::new(),
            certificate: bound.tls.as_ref().map(Tls::words),
        }
    }
}

/// Reads what TLS needs, then binds UDP, TCP and TLS.
fn bind(config: &Config) -> anyhow::Result<Bound> {
    let server = &config.server;
    let (tls, tls_thread) = Tls::start(config)?.unzip();
    let mut bound = Bound {
        datagrams: Vec::new(),
        listeners: Vec::new(),
        tls_listeners: Vec::new(),
        tls,
        tls_thread,
        #[cfg(feature = "api")]
        api: super::api::bind(config)?,
    };
    for address in all_of(server.address) {
        bound.datagrams.push(Arc::new(Datagrams::bind(address, server.dscp)?));
        bound.listeners.push(streams::listen(address, "server.address", server.dscp)?);
    }
    if let Some(tls) = &mut bound.tls {
        for address in all_of(server.tls.address) {
            bound.tls_listeners.push(streams::listen(address, "server.tls.address", server.dscp)?);
        }
        tls.bound_to(&bound.tls_listeners);
    }
    Ok(bound)
}

/// The signals that are orders.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    drain: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            reload: of(SignalKind::hangup())?,
            drain: of(SignalKind::user_defined1())?,
        })
    }
}

/// The loop: whatever comes first is taken in. What ended it.
async fn turn(
    signalling: &mut Signalling,
    wakers: &mut Wakers,
    signals: &mut Signals,
    options: &mut Options,
    on_reload: &dyn Fn(&Loaded),
) -> anyhow::Result<&'static str> {
    let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
    let mut pruning = tokio::time::interval(PRUNING);
    let mut erasing = tokio::time::interval(ERASING);
    let mut kept_out = tokio::time::interval(KEPT_OUT);
    let mut draining = false;
    let mut desk = std::mem::take(&mut options.desk);
    let live = desk.live().clone();
    loop {
        let wait = until(signalling);
        tokio::select! {
            biased;
            () = wakers.written.notified() => signalling.wake(),
            Some(arrival) = wakers.arrivals.recv() => {
                signalling.arrival(arrival);
                for _ in 1..BURST {
                    let Ok(arrival) = wakers.arrivals.try_recv() else { break };
                    signalling.arrival(arrival);
                }
                signalling.wake();
            }
            Some(wish) = desk.next() => {
                signalling.auditing.wished(&wish);
                match wish {
                    Wish::Order(order) => signalling.order(order),
                    #[cfg(feature = "api")]
                    Wish::Ordered(order, _) => signalling.order(order),
                    Wish::Record(uri) => desk.look_up(signalling, uri),
                    Wish::Listen { session, wire, .. } => signalling.workers.listen(session, wire),
                    #[cfg(feature = "api")]
                    Wish::Begin(begin, reply) => signalling.begin_own(&begin.0, reply),
                    Wish::Show(show) => show.answer(signalling, draining),
                    Wish::ShutDown => return Ok("order"),
                }
            }
            Some(news) = wakers.media.recv() => {
                signalling.media_news(news);
                signalling.wake();
            }
            () = tokio::time::sleep(wait) => signalling.wake(),
            _ = pruning.tick() => housekeeping::tidy(signalling, options, true),
            _ = erasing.tick() => housekeeping::tidy(signalling, options, false),
            _ = housekeeping.tick() => housekeeping::look(signalling, options),
            _ = kept_out.tick() => housekeeping::tell_kept_out(signalling),
            _ = signals.terminate.recv() => return Ok("SIGTERM"),
            _ = signals.interrupt.recv() => return Ok("SIGINT"),
            _ = signals.reload.recv() => {
                housekeeping::reload(signalling, options);
                on_reload(&options.loaded);
            }
            _ = signals.drain.recv() => {
                draining = true;
                tracing::info!(sessions = signalling.srs.sessions(), "draining: no new sessions; stops when the last has ended and is made");
                signalling.auditing.wished(&Wish::Order(Order::Drain(true)));
                signalling.order(Order::Drain(true));
                live.publish(LiveEvent::Draining);
            }
        }
        signalling.speak_with_itself();
        // Who takes a machine away takes what was not made with it.
        if draining && signalling.srs.sessions() == 0 && signalling.finishing.is_idle() {
            tracing::info!("drained");
            return Ok("drained");
        }
    }
}

/// How long nothing is due.
fn until(signalling: &mut Signalling) -> Duration {
    const LONG: Duration = Duration::from_secs(3600);
    let Some(deadline) = signalling.deadline() else { return LONG };
    let now: Monotonic = signalling.now().monotonic;
    deadline.since(now)
}

impl Signalling {
    /// Good manners before the end: what is known is written, what has arrived is kept, nobody is sent a BYE. The
    /// next start goes on.
    async fn stop(mut self, why: &str) {
        const PATIENCE: Duration = Duration::from_secs(5);
        const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
        self.input(Input::Order(Order::Checkpoint));
        // Nobody is left to send what waits a moment for the journal: the 200 to the last BYE of a drain.
        self.release(Monotonic(u64::MAX));
        self.streams.finish(WRITTEN_WITHIN).await;
        let rhythm = self.lookout.save(&self.disk, &self.data);
        self.workers.stop();
        self.writer.stop(PATIENCE);
        lookout::wait(&rhythm);
        self.auditing.stop(why);
    }
}

/// The data directory as an absolute path: it is told, and kept in journals.
pub(super) fn data_dir(config: &Config) -> anyhow::Result<PathBuf> {
    let path = &config.archive.data_dir;
    std::path::absolute(path).with_context(|| format!("archive.data_dir: {} is no path", path.display()))
}
