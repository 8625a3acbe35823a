//! What arrives for signalling, from all its sockets in one queue. When the queue is full, the kernel's buffers and
//! TCP's windows hold the peers back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::datagrams::Datagrams;
use super::streams::StreamEvent;
use super::tls::Secured;

/// Arrivals that may wait for the core.
pub(super) const QUEUE: usize = 1024;
/// The largest datagram there is.
const LARGEST_DATAGRAM: usize = 65_535;
/// Pause after an error of the socket itself (no descriptors left), so as not to spin.
pub(super) const AFTER_ERROR: Duration = Duration::from_millis(50);

/// Something that arrived.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A datagram: the address of ours it was sent to, its sender, its payload.
    Datagram { local: SocketAddr, remote: SocketAddr, bytes: Vec<u8> },
    /// A peer connected.
    Accepted(TcpStream),
    /// A peer connected and has shaken hands.
    Secured(Box<Secured>),
    /// Something happened on a stream.
    Stream(StreamEvent),
}

/// Receives datagrams until the queue is gone.
pub(super) async fn receive(socket: Arc<Datagrams>, queue: mpsc::Sender<Arrival>) {
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    loop {
        match socket.receive(&mut buffer).await {
            Ok((length, local, remote)) => {
                let bytes = buffer[..length].to_vec();
                if queue.send(Arrival::Datagram { local, remote, bytes }).await.is_err() {
                    return;
                }
            }
            // An ICMP error of an earlier send is told on the next receive: it is nobody's message.
            Err(error) => {
                tracing::debug!(%error, "udp");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Accepts streams until the queue is gone.
pub(super) async fn accept(listener: TcpListener, queue: mpsc::Sender<Arrival>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if queue.send(Arrival::Accepted(stream)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
}
