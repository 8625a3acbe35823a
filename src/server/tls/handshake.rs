//! Shaking hands: in time, not too many at once, and whatever fails is told.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::CommonState;
use rustls::pki_types::ServerName;
use siprec_core::session::{Network, site};
use siprec_core::sip::PeerCertificate;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::judge::{Called, Judge};
use super::material::Material;
use super::reason;

/// A peer has this long, from connecting to the end of the handshake.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at one time with those who are known by their address, and as many with all others; who comes
/// beyond is hung up on.
const MAX_PENDING: usize = 512;
/// Of those with others, with one address (of IPv6: one /64).
const MAX_PENDING_EACH: usize = 64;
/// Failures that are told in a second; the others are counted.
const MAX_TOLD_A_SECOND: u32 = 20;
/// Bytes that are looked at to see whether it is TLS at all.
const FIRST_BYTES: usize = 64;

/// A stream whose handshake is done.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// What the peer showed, and we accepted.
    pub(crate) certificate: Option<PeerCertificate>,
}

/// Of each address, how many are under way.
type Counts = HashMap<IpAddr, usize>;

/// Handshakes under way, and what is told of those that fail.
pub(super) struct Handshakes {
    known: RwLock<Vec<Network>>,
    of_known: Arc<Semaphore>,
    of_others: Arc<Semaphore>,
    of_each: Arc<Mutex<Counts>>,
    told: Mutex<Told>,
    untold: AtomicU64,
}

struct Told {
    since: Instant,
    lines: u32,
}

impl Default for Handshakes {
    fn default() -> Self {
        let told = Mutex::new(Told { since: Instant::now(), lines: 0 });
        let semaphore = || Arc::new(Semaphore::new(MAX_PENDING));
        let (known, of_each) = Default::default();
        Self { known, of_known: semaphore(), of_others: semaphore(), of_each, told, untold: AtomicU64::new(0) }
    }
}

impl Handshakes {
    /// Whose handshakes others cannot keep from being done, from now on.
    pub(super) fn know(&self, networks: Vec<Network>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = networks;
    }

    /// A turn for one more, to be held while it lasts; none when there are too many.
    pub(super) fn begin(&self, remote: SocketAddr) -> Option<Turn> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.iter().any(|network| network.holds(remote.ip()));
        drop(known);
        let turns = if is_known { &self.of_known } else { &self.of_others };
        let Ok(permit) = Arc::clone(turns).try_acquire_owned() else {
            self.failed(remote, &format!("{MAX_PENDING} handshakes are under way already"));
            return None;
        };
        if is_known {
            return Some(Turn { _permit: permit, of_each: None });
        }
        let site = site(remote.ip());
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_each.entry(site).or_default();
        if *count >= MAX_PENDING_EACH {
            drop(of_each);
            self.failed(remote, &format!("{MAX_PENDING_EACH} handshakes with this address are under way already"));
            return None;
        }
        *count += 1;
        Some(Turn { _permit: permit, of_each: Some((Arc::clone(&self.of_each), site)) })
    }

    fn failed(&self, remote: SocketAddr, why: &str) {
        let tell = self.told.lock().unwrap_or_else(PoisonError::into_inner).may_tell(Instant::now());
        if !tell {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let untold = self.untold.swap(0, Ordering::Relaxed);
        if untold > 0 {
            tracing::warn!(handshakes = untold, "TLS: more handshakes failed, too many to tell");
        }
        tracing::warn!(%remote, "TLS: no connection: {why}");
    }
}

/// A handshake under way.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    of_each: Option<(Arc<Mutex<Counts>>, IpAddr)>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((of_each, site)) = &self.of_each else { return };
        let mut of_each = of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_each.get_mut(site) {
            *count -= 1;
            if *count == 0 {
                of_each.remove(site);
            }
        }
    }
}

impl Told {
    fn may_tell(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, lines: 0 };
        }
        self.lines += 1;
        self.lines <= MAX_TOLD_A_SECOND
    }
}

/// With a client that connected.
pub(super) async fn accept(
    handshakes: &Handshakes,
    material: &Material,
    stream: TcpStream,
    remote: SocketAddr,
) -> Option<Secured> {
    let begun = async {
        let mut first = [0; FIRST_BYTES];
        let length = stream.peek(&mut first).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err("it hung up without a word (a health check of the port?)".to_owned());
        }
        let first = first.get(..length).unwrap_or_default();
        if let Some(other) = material.section.not_tls(first) {
            return Err(other.to_owned());
        }
        let (config, judge) = material.for_client().map_err(|error| error.to_string())?;
        let shaken = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        let stream = shaken.map_err(|error| {
            material.section.says(&match reason::too_old(first) {
                Some(version) => reason::of_old(version, material.min_version),
                None => reason::of(&error, judge.refused(), material.min_version),
            })
        })?;
        Ok((TlsStream::from(stream), judge))
    };
    settle(handshakes, remote, timeout(HANDSHAKE_TIMEOUT, begun).await)
}

/// With a server that we connected to.
pub(super) async fn connect(
    handshakes: &Handshakes,
    material: &Material,
    stream: TcpStream,
    called: Called,
) -> Option<Secured> {
    let remote = stream.peer_addr().ok()?;
    let begun = async {
        // A name that cannot be one in DNS is not shown; the certificate has to be for it all the same.
        let shown = called.name.clone().and_then(|name| ServerName::try_from(name).ok());
        let shown = shown.unwrap_or_else(|| ServerName::from(called.address));
        let (config, judge) = material.for_server(called).map_err(|error| error.to_string())?;
        let shaken = TlsConnector::from(Arc::new(config)).connect(shown, stream).await;
        let stream = shaken.map_err(|error| reason::of(&error, judge.refused(), material.min_version))?;
        Ok((TlsStream::from(stream), judge))
    };
    settle(handshakes, remote, timeout(HANDSHAKE_TIMEOUT, begun).await)
}

type Shaken = Result<(TlsStream<TcpStream>, Arc<Judge>), String>;

fn settle(
    handshakes: &Handshakes,
    remote: SocketAddr,
    shaken: Result<Shaken, tokio::time::error::Elapsed>,
) -> Option<Secured> {
    match shaken {
        Ok(Ok((stream, judge))) => {
            let local = stream.get_ref().0.local_addr().ok()?;
            let certificate = judge.accepted();
            let state: &CommonState = stream.get_ref().1;
            let names = certificate.as_ref().map(|certificate| certificate.names.join(" "));
            let (version, suite) = (state.protocol_version(), state.negotiated_cipher_suite().map(|s| s.suite()));
            tracing::debug!(%remote, ?version, ?suite, ?names, "TLS: connected");
            Some(Secured { stream, local, remote, certificate })
        }
        Ok(Err(why)) => {
            handshakes.failed(remote, &why);
            None
        }
        Err(_) => {
            let seconds = HANDSHAKE_TIMEOUT.as_secs();
            handshakes.failed(remote, &format!("its handshake was not done within {seconds} s"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_told_in_few_lines() {
        let begun = Instant::now();
        let mut told = Told { since: begun, lines: 0 };
        let said = (0..1000).filter(|_| told.may_tell(begun)).count();
        assert_eq!(said, 20);
        assert!(told.may_tell(begun + Duration::from_secs(1)));
    }

    #[test]
    fn who_comes_beyond_the_limit_is_hung_up_on() {
        let handshakes = Handshakes::default();
        let known = Network { address: [198, 51, 100, 0].into(), prefix: 24 };
        handshakes.know(vec![known]);
        let remote = |host: usize| SocketAddr::from(([192, 0, 2, u8::try_from(host).unwrap()], 5061));
        let mut turns: Vec<_> = (0..2 * MAX_PENDING).filter_map(|_| handshakes.begin(remote(1))).collect();
        assert_eq!(turns.len(), MAX_PENDING_EACH, "of one address");
        turns.extend(
            (2..200)
                .flat_map(|host| (0..MAX_PENDING_EACH).map(move |_| host))
                .filter_map(|host| handshakes.begin(remote(host))),
        );
        assert_eq!(turns.len(), MAX_PENDING, "of all");
        let peer = SocketAddr::from(([198, 51, 100, 7], 40_000));
        let peers: Vec<_> = (0..MAX_PENDING).map_while(|_| handshakes.begin(peer)).collect();
        assert_eq!(peers.len(), MAX_PENDING, "a site that is known is not kept out by a crowd");
        assert!(handshakes.begin(peer).is_none() && handshakes.begin(remote(1)).is_none());
        drop((turns, peers));
        assert!(handshakes.begin(remote(1)).is_some() && handshakes.of_each.lock().unwrap().is_empty());
    }
}
