//! Connections of the API, in clear or under TLS: so many at a time, heads within limits and in time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use siprec_core::sip::PeerCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use crate::server::tls::Door;

/// A head that is not there by then is not waited for, and a connection on which nothing is asked so long is closed.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// A longer head is refused with 431.
const MAX_HEAD: usize = 32 << 10;
/// Header fields of a request.
const MAX_FIELDS: usize = 64;
/// Requests at one time on a connection of HTTP/2.
const MAX_STREAMS: u32 = 64;
/// Where no connection can be accepted now: descriptors are short.
const RETRY: Duration = Duration::from_millis(100);

/// Connections that may be open at one time.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    /// Three quarters: a proxy is one address, and yet nobody takes all.
    of_one: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Seats {
    pub(super) fn new(connections: usize) -> Self {
        let connections = connections.max(1);
        let of_one = (connections - connections / 4).max(1);
        Self { all: Arc::new(Semaphore::new(connections)), of_one, taken: Arc::default() }
    }

    /// A seat for a connection from there; none, where that address has all that one may have.
    fn sit(&self, from: IpAddr, seat: OwnedSemaphorePermit) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(from).or_default();
        if *count >= self.of_one {
            return None;
        }
        *count += 1;
        Some(Seat { from, taken: Arc::clone(&self.taken), _seat: seat })
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
struct Seat {
    from: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _seat: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.from);
            }
        }
    }
}

/// Accepts connections for ever; through `door`, where it is HTTPS. Who comes when all seats are taken waits in the kernel's queue.
pub(super) async fn accept(listener: TcpListener, router: Router, seats: Seats, door: Option<Door>) {
    loop {
        let Ok(seat) = Arc::clone(&seats.all).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(seat) = seats.sit(peer.ip(), seat) else {
                    tracing::debug!(%peer, "this address has all connections that one may have (api.max_connections)");
                    continue;
                };
                let (router, door) = (router.clone(), door.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match door {
                        None => converse(stream, peer, None, router).await,
                        Some(door) => {
                            if let Some(secured) = door.shake(stream, peer).await {
                                converse(secured.stream, peer, secured.certificate, router).await;
                            }
                        }
                    }
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the API accepts no connection now; tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Answers what is asked on one connection, of who has shown `certificate`.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    certificate: Option<PeerCertificate>,
    router: Router,
) {
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_asked);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        router.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEAD as u32);
    http2.keep_alive_interval(HEAD_WITHIN).keep_alive_timeout(HEAD_WITHIN);
    let mut conversation = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // hyper waits for ever for the octet that tells HTTP/1 from HTTP/2.
    let ended = match tokio::time::timeout(HEAD_WITHIN, &mut conversation).await {
        Ok(ended) => ended,
        Err(_) if is_asked.load(Ordering::Relaxed) => conversation.await,
        Err(_) => return tracing::debug!(%peer, "a connection of the API on which nothing was asked is closed"),
    };
    // A connection that breaks is its peer's affair.
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection of the API ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_a_quarter_to_others() {
        let seats = Seats::new(8);
        let permit = || Arc::clone(&seats.all).try_acquire_owned().unwrap();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut taken: Vec<Seat> = (0..6).map(|_| seats.sit(one, permit()).unwrap()).collect();
        assert!(seats.sit(one, permit()).is_none());
        assert!(seats.sit(other, permit()).is_some());
        taken.pop();
        assert!(seats.sit(one, permit()).is_some(), "one of its own is free again");
        drop(taken);
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
