//! What carries the SRC's messages: a UDP socket, or a TCP connection that is made again when it breaks, and a listener
//! for those the server makes.

use super::message::find;
use super::{Inner, Transport, lock};
use crate::tls::{Ends, Pipe};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// How often a reader looks whether its SRC is still there.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Link {
    pub(crate) transport: Transport,
    pub(crate) server: SocketAddr,
    socket: Socket,
    tls: Option<Ends>,
    /// Where a UDP SRC takes streams as well: RFC 3261 18.1.1 has both on one port.
    beside: Option<TcpListener>,
    /// Connections that the server made.
    pub(crate) accepted: Arc<AtomicU64>,
    owner: Weak<Inner>,
}

enum Socket {
    /// And the TCP port of the same number, where nobody listens: else the server's large requests (RFC 3261 18.1.1) would
    /// come to a stranger, who listens there by chance.
    Udp(UdpSocket, Option<socket2::Socket>),
    Tcp {
        listener: TcpListener,
        stream: Mutex<Option<Pipe>>,
        generation: Arc<AtomicU64>,
    },
}

impl Link {
    pub(crate) fn new(server: SocketAddr, transport: Transport, tls: Option<Ends>, owner: Weak<Inner>) -> Self {
        let any_port = SocketAddr::new(server.ip(), 0);
        let socket = match transport {
            Transport::Udp => loop {
                let socket = UdpSocket::bind(any_port).unwrap();
                let tcp =
                    socket2::Socket::new(socket2::Domain::for_address(any_port), socket2::Type::STREAM, None).unwrap();
                if tcp.bind(&socket.local_addr().unwrap().into()).is_ok() {
                    break Socket::Udp(socket, Some(tcp));
                }
            },
            Transport::Tcp | Transport::Tls => Socket::Tcp {
                listener: TcpListener::bind(any_port).unwrap(),
                stream: Mutex::default(),
                generation: Arc::default(),
            },
        };
        Self { transport, server, socket, tls, beside: None, accepted: Arc::default(), owner }
    }

    /// Over UDP, and takes streams on the same port.
    pub(crate) fn udp_and_tcp(server: SocketAddr, owner: Weak<Inner>) -> Self {
        let mut link = Self::new(server, Transport::Udp, None, owner);
        if let Socket::Udp(_, tcp) = &mut link.socket {
            let tcp = tcp.take().unwrap();
            tcp.listen(8).unwrap();
            link.beside = Some(tcp.into());
        }
        link
    }

    /// Starts the readers.
    pub(crate) fn listen(&self) {
        let owner = self.owner.clone();
        match &self.socket {
            Socket::Udp(socket, _) => {
                let socket = socket.try_clone().unwrap();
                spawn("src-udp", move || read_datagrams(&socket, &owner));
            }
            Socket::Tcp { listener, .. } => self.accept(listener),
        }
        if let Some(listener) = &self.beside {
            self.accept(listener);
        }
    }

    fn accept(&self, listener: &TcpListener) {
        let owner = self.owner.clone();
        let listener = listener.try_clone().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (tls, accepted) = (self.tls.clone(), self.accepted.clone());
        spawn("src-listen", move || {
            while owner.strong_count() > 0 {
                if let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(false).unwrap();
                    accepted.fetch_add(1, Ordering::SeqCst);
                    let (owner, tls) = (owner.clone(), tls.clone());
                    spawn("src-accepted", move || {
                        let pipe = match &tls {
                            Some(ends) => Pipe::server(stream, ends),
                            None => Ok(Pipe::Plain(stream)),
                        };
                        if let Ok(pipe) = pipe {
                            read_stream(pipe, &owner);
                        }
                    });
                } else {
                    crate::pause(LOOK);
                }
            }
        });
    }

    /// The address requests leave from, for Via.
    pub(crate) fn local(&self) -> SocketAddr {
        match &self.socket {
            Socket::Udp(socket, _) => socket.local_addr().unwrap(),
            Socket::Tcp { stream, .. } => {
                lock(stream).as_ref().and_then(|s| s.local_addr().ok()).unwrap_or_else(|| self.contact())
            }
        }
    }

    /// Where the server's requests are awaited.
    pub(crate) fn contact(&self) -> SocketAddr {
        match &self.socket {
            Socket::Udp(socket, _) => socket.local_addr().unwrap(),
            Socket::Tcp { listener, .. } => listener.local_addr().unwrap(),
        }
    }

    /// Sends; says on which connection, if it left at all.
    pub(crate) fn send(&self, bytes: &[u8]) -> Option<u64> {
        match &self.socket {
            Socket::Udp(socket, _) => socket.send_to(bytes, self.server).ok().map(|_| 0),
            Socket::Tcp { stream, generation, .. } => {
                let mut slot = lock(stream);
                if slot.is_none() {
                    *slot = self.connect(generation);
                }
                // Asked before writing: a connection that ends meanwhile may still take the bytes.
                let current = generation.load(Ordering::SeqCst);
                let sent = slot.as_mut()?.write_all(bytes).is_ok();
                if !sent {
                    *slot = None;
                }
                sent.then_some(current)
            }
        }
    }

    /// Which connection is in use.
    pub(crate) fn generation(&self) -> Option<u64> {
        match &self.socket {
            Socket::Udp(..) => Some(0),
            Socket::Tcp { generation, .. } => Some(generation.load(Ordering::SeqCst)),
        }
    }

    fn connect(&self, generation: &Arc<AtomicU64>) -> Option<Pipe> {
        let stream = TcpStream::connect_timeout(&self.server, Duration::from_secs(2)).ok()?;
        stream.set_nodelay(true).ok()?;
        let stream = match &self.tls {
            Some(ends) => Pipe::client(stream, ends).ok()?,
            None => Pipe::Plain(stream),
        };
        let (reader, owner, generation) = (stream.try_clone().ok()?, self.owner.clone(), generation.clone());
        let local = stream.local_addr().ok()?;
        spawn("src-tcp", move || {
            read_stream(reader, &owner);
            generation.fetch_add(1, Ordering::SeqCst);
            if let Some(inner) = owner.upgrade() {
                inner.link.hang_up(local);
            }
        });
        Some(stream)
    }

    /// Ends the connection in use.
    pub(crate) fn hang_up_now(&self) {
        if let Socket::Tcp { stream, .. } = &self.socket
            && let Some(pipe) = lock(stream).take()
        {
            let _ = pipe.tcp().shutdown(std::net::Shutdown::Both);
        }
    }

    /// Lets go of the connection that ended, if it is still the one in use.
    fn hang_up(&self, local: SocketAddr) {
        if let Socket::Tcp { stream, .. } = &self.socket {
            let mut slot = lock(stream);
            if slot.as_ref().is_some_and(|s| s.local_addr().is_ok_and(|a| a == local)) {
                *slot = None;
            }
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.into()).spawn(body).unwrap();
}

fn read_datagrams(socket: &UdpSocket, owner: &Weak<Inner>) {
    socket.set_read_timeout(Some(LOOK)).unwrap();
    let mut buffer = vec![0; 65_536];
    while owner.strong_count() > 0 {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(inner) = owner.upgrade() else { return };
        inner.receive(&buffer[..length], &mut |reply| {
            let _ = socket.send_to(reply, from);
        });
    }
}

fn read_stream(mut stream: Pipe, owner: &Weak<Inner>) {
    stream.tcp().set_read_timeout(Some(LOOK)).unwrap();
    let mut reply_on = stream.try_clone().unwrap();
    let (mut held, mut buffer) = (Vec::new(), vec![0; 65_536]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => held.extend_from_slice(&buffer[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        let Some(inner) = owner.upgrade() else { return };
        while let Some(message) = next_message(&mut held) {
            inner.receive(&message, &mut |reply| {
                let _ = reply_on.write_all(reply);
            });
        }
    }
}

/// Takes one whole message off the front (RFC 3261 18.3), leading line ends thrown away (7.5).
pub fn next_message(held: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blank = held.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    held.drain(..blank);
    let head = find(held, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&held[..head]).to_ascii_lowercase();
    let length = text.split("\r\n").find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let whole = head + length.unwrap_or(0);
    (held.len() >= whole).then(|| held.drain(..whole).collect())
}
