//! SIP over TCP: accepted and connected streams, each with a task that reads and one that writes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use siprec_core::sip::ConnectionId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::arrivals::Arrival;

/// Messages that may wait for a slow peer; a peer that is slower loses its stream.
const WRITE_QUEUE: usize = 256;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// How long a peer may take to accept a stream of ours.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// It is open: its id, our end, their end.
    Opened(ConnectionId, SocketAddr, SocketAddr),
    /// Bytes arrived.
    Bytes(ConnectionId, Vec<u8>),
    /// It is closed, or could not be opened.
    Closed(ConnectionId),
}

/// All streams of the server.
pub(super) struct Streams {
    writers: HashMap<ConnectionId, mpsc::Sender<Vec<u8>>>,
    next: u64,
    events: mpsc::Sender<Arrival>,
}

impl Streams {
    /// No streams yet; what happens on them goes to `events`.
    pub(super) fn new(events: mpsc::Sender<Arrival>) -> Self {
        Self { writers: HashMap::new(), next: 0, events }
    }

    /// A peer connected.
    pub(super) fn accept(&mut self, stream: TcpStream) -> Option<StreamEvent> {
        let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        let id = self.name();
        let queue = self.register(id);
        run(id, stream, queue, self.events.clone());
        Some(StreamEvent::Opened(id, local, remote))
    }

    /// Opens a stream to `remote` and sends `bytes` on it.
    pub(super) fn connect(&mut self, local: SocketAddr, remote: SocketAddr, bytes: Vec<u8>) {
        let id = self.name();
        let queue = self.register(id);
        let events = self.events.clone();
        self.send(id, bytes);
        tokio::spawn(async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(local, remote)).await;
            match connected {
                Ok(Ok(stream)) => {
                    let local = stream.local_addr().unwrap_or(local);
                    let _ = events.send(Arrival::Stream(StreamEvent::Opened(id, local, remote))).await;
                    run(id, stream, queue, events);
                }
                Ok(Err(_)) | Err(_) => {
                    let _ = events.send(Arrival::Stream(StreamEvent::Closed(id))).await;
                }
            }
        });
    }

    /// Whether a stream of that id is open.
    pub(super) fn is_open(&self, id: ConnectionId) -> bool {
        self.writers.contains_key(&id)
    }

    /// Queues bytes for a peer. One that does not read loses its stream.
    pub(super) fn send(&mut self, id: ConnectionId, bytes: Vec<u8>) {
        if let Some(writer) = self.writers.get(&id)
            && writer.try_send(bytes).is_err()
        {
            self.close(id);
        }
    }

    /// Closes a stream after what is queued is written.
    pub(super) fn close(&mut self, id: ConnectionId) {
        self.writers.remove(&id);
    }

    fn name(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId(self.next)
    }

    fn register(&mut self, id: ConnectionId) -> mpsc::Receiver<Vec<u8>> {
        let (writer, queue) = mpsc::channel(WRITE_QUEUE);
        self.writers.insert(id, writer);
        queue
    }
}

/// Listens on `address`; IPv6 takes IPv6 only.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = (|| {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM.nonblocking().cloexec(),
            Some(socket2::Protocol::TCP),
        )?;
        // Streams of before a restart linger in TIME_WAIT and must not keep us from listening.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        TcpListener::from_std(socket.into())
    })();
    bound.with_context(|| {
        format!(
            "cannot listen on tcp {address} (is another server running there? see `ss -ltnp`; server.address sets it)"
        )
    })
}

async fn connect(local: SocketAddr, remote: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(remote).await
}

fn run(id: ConnectionId, stream: TcpStream, queue: mpsc::Receiver<Vec<u8>>, events: mpsc::Sender<Arrival>) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    tokio::spawn(write(writer, queue));
    tokio::spawn(read(id, reader, events));
}

async fn read(id: ConnectionId, mut stream: OwnedReadHalf, events: mpsc::Sender<Arrival>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                if events.send(Arrival::Stream(StreamEvent::Bytes(id, chunk[..n].to_vec()))).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = events.send(Arrival::Stream(StreamEvent::Closed(id))).await;
}

async fn write(mut stream: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}
