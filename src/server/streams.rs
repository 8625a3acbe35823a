//! SIP over TCP and TLS: accepted and connected streams, each with a task that reads and one that writes.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use anyhow::Context as _;
use siprec_core::sip::{ConnectionId, PeerCertificate, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::arrivals::Arrival;
use super::dscp::mark;
use super::tls::{Secured, Tls};
use crate::config::Dscp;

/// Messages that may wait for a slow peer; a peer that is slower loses its stream.
const WRITE_QUEUE: usize = 256;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 << 10;
/// A stream on which nothing was heard for so long is asked after by the kernel: of a peer that is gone nothing is left.
const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// How long a peer may take to accept a stream of ours.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long peers are waited for that do not do their part: else they would hold their sockets for ever.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until a message is taken in.
    write: Duration,
    /// Until the other end of a stream is closed, too.
    linger: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { write: Duration::from_secs(30), linger: Duration::from_secs(2) }
    }
}

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// It is open.
    Opened {
        id: ConnectionId,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        certificate: Option<PeerCertificate>,
        /// They connected, not we.
        accepted: bool,
    },
    /// Bytes arrived.
    Bytes(ConnectionId, Vec<u8>),
    /// It is closed.
    Closed(ConnectionId),
    /// It could not be opened.
    NotOpened { id: ConnectionId, transport: Transport, remote: SocketAddr },
}

/// All streams of the server.
pub(super) struct Streams {
    writers: HashMap<ConnectionId, mpsc::Sender<Vec<u8>>>,
    /// Streams that we opened, by whom they lead to: the next request goes out on the same one (RFC 5923).
    to: HashMap<(Transport, SocketAddr), ConnectionId>,
    next: u64,
    events: mpsc::Sender<Arrival>,
    tls: Option<Tls>,
    dscp: Dscp,
    patience: Patience,
    /// Every queue has a copy: the other end hears when the last is gone.
    unwritten: mpsc::Sender<()>,
    all_written: mpsc::Receiver<()>,
}

/// What waits to be written to a stream.
struct Queue {
    messages: mpsc::Receiver<Vec<u8>>,
    patience: Patience,
    _unwritten: mpsc::Sender<()>,
}

impl Streams {
    /// No streams yet; what happens on them goes to `events`.
    pub(super) fn new(events: mpsc::Sender<Arrival>, tls: Option<Tls>, dscp: Dscp) -> Self {
        let (unwritten, all_written) = mpsc::channel(1);
        let (writers, to, patience) = Default::default();
        Self { writers, to, next: 0, events, tls, dscp, patience, unwritten, all_written }
    }

    /// TLS, where it is spoken.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// A peer connected.
    pub(super) fn accept(&mut self, stream: TcpStream) -> Option<StreamEvent> {
        let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        let id = self.name();
        let queue = self.register(id);
        run_plain(id, stream, queue, self.events.clone());
        Some(StreamEvent::Opened { id, transport: Transport::Tcp, local, remote, certificate: None, accepted: true })
    }

    /// A peer connected over TLS.
    pub(super) fn accept_secured(&mut self, secured: Secured) -> Option<StreamEvent> {
        let tls = self.tls.clone()?;
        let id = self.name();
        let queue = self.register(id);
        let event = opened(id, &secured, true);
        run_secured(&tls, id, secured, queue, self.events.clone());
        Some(event)
    }

    /// Sends `bytes` to `remote`, on the stream that we opened to it, or on a new one.
    pub(super) fn connect(&mut self, transport: Transport, local: SocketAddr, remote: SocketAddr, bytes: Vec<u8>) {
        if let Some(id) = self.to.get(&(transport, remote)).copied()
            && self.is_open(id)
        {
            self.send(id, bytes);
            return;
        }
        let id = self.name();
        let queue = self.register(id);
        self.to.insert((transport, remote), id);
        self.send(id, bytes);
        let (events, dscp) = (self.events.clone(), self.dscp);
        match (transport, self.tls.clone()) {
            (Transport::Tls, Some(tls)) => {
                let runtime = tls.runtime().clone();
                runtime.spawn(connect_secured(tls, id, (local, remote, dscp), queue, events));
            }
            (Transport::Tls, None) => {
                // Of a session that began while TLS was on. Nothing that was secure goes out in clear.
                tracing::warn!(%remote, "server.tls is off: an SRC that speaks TLS cannot be reached");
                self.close(id);
            }
            (Transport::Udp | Transport::Tcp, _) => {
                tokio::spawn(connect_plain(id, (local, remote, dscp), queue, events));
            }
        }
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
        self.to.retain(|_, known| *known != id);
    }

    fn name(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId(self.next)
    }

    fn register(&mut self, id: ConnectionId) -> Queue {
        let (writer, messages) = mpsc::channel(WRITE_QUEUE);
        self.writers.insert(id, writer);
        Queue { messages, patience: self.patience, _unwritten: self.unwritten.clone() }
    }

    /// The server stops: every stream is closed once what is queued for it is written, or `patience` is over.
    pub(super) async fn finish(mut self, patience: Duration) {
        self.writers.clear();
        drop(self.unwritten);
        let written = async { while self.all_written.recv().await.is_some() {} };
        if tokio::time::timeout(patience, written).await.is_err() {
            tracing::debug!("some peers did not take the last that was written to them");
        }
    }
}

/// Listens on `address`, which `key` of the configuration names; IPv6 takes IPv6 only. What is accepted is marked as it.
pub(super) fn listen(address: SocketAddr, key: &str, dscp: Dscp) -> anyhow::Result<StdListener> {
    let bound = (|| {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM.nonblocking().cloexec(),
            Some(socket2::Protocol::TCP),
        )?;
        // Streams of before a restart linger in TIME_WAIT and must not keep us from listening.
        socket.set_reuse_address(true)?;
        mark(&socket, address.is_ipv4(), dscp);
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        std::io::Result::Ok(socket.into())
    })();
    bound.with_context(|| {
        format!("cannot listen on tcp {address} (is another server running there? see `ss -ltnp`; {key} sets it)")
    })
}

/// Connects, within the time that a peer has for it.
pub(super) async fn connect_in_time(local: SocketAddr, remote: SocketAddr, dscp: Dscp) -> std::io::Result<TcpStream> {
    tokio::time::timeout(CONNECT_TIMEOUT, connect(local, remote, dscp)).await?
}

async fn connect(local: SocketAddr, remote: SocketAddr, dscp: Dscp) -> std::io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    mark(&socket, remote.is_ipv4(), dscp);
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(remote).await
}

type Ends = (SocketAddr, SocketAddr, Dscp);

async fn connect_plain(id: ConnectionId, (local, remote, dscp): Ends, queue: Queue, events: mpsc::Sender<Arrival>) {
    let Ok(stream) = connect_in_time(local, remote, dscp).await else {
        let _ = events.send(Arrival::Stream(StreamEvent::NotOpened { id, transport: Transport::Tcp, remote })).await;
        return;
    };
    let local = stream.local_addr().unwrap_or(local);
    let transport = Transport::Tcp;
    let opened = StreamEvent::Opened { id, transport, local, remote, certificate: None, accepted: false };
    let _ = events.send(Arrival::Stream(opened)).await;
    run_plain(id, stream, queue, events);
}

async fn connect_secured(
    tls: Tls,
    id: ConnectionId,
    (local, remote, dscp): Ends,
    queue: Queue,
    events: mpsc::Sender<Arrival>,
) {
    let Some(secured) = tls.connect(local, remote, dscp).await else {
        let _ = events.send(Arrival::Stream(StreamEvent::NotOpened { id, transport: Transport::Tls, remote })).await;
        return;
    };
    let _ = events.send(Arrival::Stream(opened(id, &secured, false))).await;
    run_secured(&tls, id, secured, queue, events);
}

fn opened(id: ConnectionId, secured: &Secured, accepted: bool) -> StreamEvent {
    let Secured { local, remote, certificate, .. } = secured;
    let certificate = certificate.clone();
    StreamEvent::Opened { id, transport: Transport::Tls, local: *local, remote: *remote, certificate, accepted }
}

fn run_plain(id: ConnectionId, stream: TcpStream, queue: Queue, events: mpsc::Sender<Arrival>) {
    let _ = stream.set_nodelay(true);
    keep_alive(&stream);
    let (reader, writer) = stream.into_split();
    let (closing, closed) = oneshot::channel();
    let linger = queue.patience.linger;
    tokio::spawn(write(writer, queue, closing));
    tokio::spawn(read(id, reader, events, closed, linger));
}

fn keep_alive(stream: &TcpStream) {
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 8);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive);
}

/// Its tasks run where its handshake did: what encrypts is not on the signalling thread.
fn run_secured(tls: &Tls, id: ConnectionId, secured: Secured, queue: Queue, events: mpsc::Sender<Arrival>) {
    let _ = secured.stream.get_ref().0.set_nodelay(true);
    keep_alive(secured.stream.get_ref().0);
    let (reader, writer) = tokio::io::split(secured.stream);
    let (closing, closed) = oneshot::channel();
    let linger = queue.patience.linger;
    tls.runtime().spawn(write(writer, queue, closing));
    tls.runtime().spawn(read(id, reader, events, closed, linger));
}

/// Reads until the peer closes its end, or has not done so some time after we closed ours.
async fn read(
    id: ConnectionId,
    mut stream: impl AsyncRead + Unpin,
    events: mpsc::Sender<Arrival>,
    closed: oneshot::Receiver<()>,
    linger: Duration,
) {
    let mut over = std::pin::pin!(async {
        let _ = closed.await;
        tokio::time::sleep(linger).await;
    });
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            read = stream.read(&mut chunk) => read,
            () = &mut over => break,
        };
        match read {
            Ok(0) => break,
            Err(error) => {
                tracing::debug!(stream = id.0, %error, "a stream broke");
                break;
            }
            Ok(n) => {
                if events.send(Arrival::Stream(StreamEvent::Bytes(id, chunk[..n].to_vec()))).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = events.send(Arrival::Stream(StreamEvent::Closed(id))).await;
}

/// Writes what is queued until the stream is closed; `closing` is dropped then, and the reader hears of it.
async fn write(mut stream: impl AsyncWrite + Unpin, mut queue: Queue, closing: oneshot::Sender<()>) {
    while let Some(bytes) = queue.messages.recv().await {
        let written = async {
            stream.write_all(&bytes).await?;
            // TLS holds back what it has encrypted until it is flushed.
            stream.flush().await
        };
        if !tokio::time::timeout(queue.patience.write, written).await.is_ok_and(|written| written.is_ok()) {
            return;
        }
    }
    let _ = tokio::time::timeout(queue.patience.write, stream.shutdown()).await;
    drop(closing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_streams_are_marked_as_their_listener() {
        let listener = listen(([127, 0, 0, 1], 0).into(), "test", "CS3".parse().unwrap()).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(socket2::SockRef::from(&accepted).tos_v4().unwrap(), 0x60);
    }

    fn impatient(events: mpsc::Sender<Arrival>) -> Streams {
        let shortest = Duration::from_millis(1);
        let patience = Patience { write: shortest, linger: shortest };
        Streams { patience, ..Streams::new(events, None, Dscp::default()) }
    }

    /// A stream that a client opened and neither reads from nor closes.
    async fn opened_by_a_client(streams: &mut Streams) -> (TcpStream, ConnectionId) {
        let listener = listen(([127, 0, 0, 1], 0).into(), "test", Dscp::default()).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let Some(StreamEvent::Opened { id, accepted: true, .. }) = streams.accept(accepted) else {
            panic!("no stream")
        };
        (client, id)
    }

    #[tokio::test]
    async fn what_we_close_is_gone_though_its_peer_holds_on() {
        let (events, mut arrivals) = mpsc::channel(8);
        let mut streams = impatient(events);
        let (_client, id) = opened_by_a_client(&mut streams).await;
        streams.close(id);
        let closed = arrivals.recv().await;
        assert!(matches!(closed, Some(Arrival::Stream(StreamEvent::Closed(gone))) if gone == id), "{closed:?}");
    }

    #[tokio::test]
    async fn who_does_not_read_is_left() {
        let (events, mut arrivals) = mpsc::channel(8);
        let mut streams = impatient(events);
        let (_client, id) = opened_by_a_client(&mut streams).await;
        for _ in 0..WRITE_QUEUE {
            streams.send(id, vec![b'x'; 60_000]);
        }
        let closed = arrivals.recv().await;
        assert!(matches!(closed, Some(Arrival::Stream(StreamEvent::Closed(gone))) if gone == id), "{closed:?}");
    }
}
