//! Connections of the API, in clear or under TLS: so many at a time, heads within limits and in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use siprec_core::sip::PeerCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
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
pub(super) struct Seats(Arc<Semaphore>);

impl Seats {
    pub(super) fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections.max(1))))
    }
}

/// Accepts connections for ever; through `door`, where it is HTTPS. Who comes when all seats are taken waits in the kernel's queue.
pub(super) async fn accept(listener: TcpListener, router: Router, seats: Seats, door: Option<Door>) {
    loop {
        let Ok(seat) = Arc::clone(&seats.0).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
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
