//! Signalling's sockets: one for datagrams, one connection a server, as an SBC has them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustls::pki_types::ServerName;
use siprec_core::sip::framing::{Frame, Framer};
use siprec_core::sip::{ConnectionId, Flow, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;

use super::options::Tls;
use super::tls;

/// A connection that is not there by then is given up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(8);
/// The answer to a keep-alive (RFC 5626 4.4.1).
const PONG: &[u8] = b"\r\n";

/// What arrived.
pub(super) enum Arrived {
    /// A message.
    Message(Flow, Vec<u8>),
    /// A connection is gone, and why.
    Closed(ConnectionId, String),
}

/// The sockets.
pub(super) struct Links {
    local: Option<IpAddr>,
    /// The names that servers were looked up by: what their certificates are for (RFC 5922 7.2).
    hosts: HashMap<SocketAddr, String>,
    tls: Tls,
    connector: Option<TlsConnector>,
    udp: Option<(Arc<UdpSocket>, SocketAddr)>,
    connections: HashMap<ConnectionId, Connection>,
    next: u64,
    arrived: UnboundedSender<Arrived>,
    arrivals: UnboundedReceiver<Arrived>,
}

struct Connection {
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    writer: UnboundedSender<Vec<u8>>,
}

impl Links {
    pub(super) fn new(local: Option<IpAddr>, tls: Tls) -> Self {
        let (arrived, arrivals) = unbounded_channel();
        Self {
            local,
            hosts: HashMap::new(),
            tls,
            connector: None,
            udp: None,
            connections: HashMap::new(),
            next: 0,
            arrived,
            arrivals,
        }
    }

    /// What makes connections of TLS; certificates are read the first time.
    pub(super) fn connector(&mut self) -> anyhow::Result<TlsConnector> {
        let connector = match self.connector.take() {
            Some(connector) => connector,
            None => tls::connector(&self.tls)?,
        };
        Ok(self.connector.insert(connector).clone())
    }

    /// A flow to `remote`, which was found by the name `host`, its socket there.
    pub(super) async fn towards(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
        host: &str,
    ) -> anyhow::Result<Flow> {
        self.hosts.entry(remote).or_insert_with(|| host.trim_matches(['[', ']']).to_owned());
        self.flow(transport, remote).await
    }

    async fn flow(&mut self, transport: Transport, remote: SocketAddr) -> anyhow::Result<Flow> {
        if transport == Transport::Udp {
            let local = self.udp(remote).await.context("a UDP socket")?;
            return Ok(Flow { transport, local, remote, connection: None });
        }
        let mut known = self.connections.iter();
        if let Some((id, c)) = known.find(|(_, c)| c.transport == transport && c.remote == remote) {
            return Ok(Flow { transport, local: c.local, remote, connection: Some(*id) });
        }
        let connecting = tokio::time::timeout(CONNECT_PATIENCE, self.connect(transport, remote)).await;
        let in_time = connecting.unwrap_or_else(|_| Err(anyhow!("nothing came for {} s", CONNECT_PATIENCE.as_secs())));
        let (id, local) = in_time.with_context(|| format!("no {transport} connection to {remote}"))?;
        Ok(Flow { transport, local, remote, connection: Some(id) })
    }

    /// Sends; what cannot be sent is lost, as on any wire.
    pub(super) async fn send(&mut self, flow: &Flow, bytes: Vec<u8>) {
        if flow.transport == Transport::Udp {
            if let Some((socket, _)) = &self.udp
                && let Err(error) = socket.send_to(&bytes, flow.remote).await
            {
                tracing::debug!(%error, "a datagram could not be sent");
            }
            return;
        }
        let id = match flow.connection.filter(|id| self.connections.contains_key(id)) {
            Some(id) => Some(id),
            None => self.flow(flow.transport, flow.remote).await.ok().and_then(|flow| flow.connection),
        };
        let writer = id.and_then(|id| self.connections.get(&id)).map(|connection| &connection.writer);
        let lost = writer.is_none_or(|writer| writer.send(bytes).is_err());
        if let Some(id) = flow.connection.filter(|_| lost) {
            let _ = self.arrived.send(Arrived::Closed(id, "it is gone, and there is no other".to_owned()));
        }
    }

    /// What arrives next.
    pub(super) async fn next(&mut self) -> Option<Arrived> {
        let arrived = self.arrivals.recv().await;
        if let Some(Arrived::Closed(id, _)) = &arrived {
            self.connections.remove(id);
        }
        arrived
    }

    async fn udp(&mut self, remote: SocketAddr) -> io::Result<SocketAddr> {
        if let Some((_, local)) = &self.udp {
            return Ok(*local);
        }
        let local = match self.local {
            Some(local) => local,
            None => towards(remote)?,
        };
        let socket = Arc::new(UdpSocket::bind(SocketAddr::new(local, 0)).await?);
        let local = socket.local_addr()?;
        let (reader, arrived) = (Arc::clone(&socket), self.arrived.clone());
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                // An ICMP error of something sent before: the next datagram may come all the same.
                let Ok((length, remote)) = reader.recv_from(&mut buffer).await else { continue };
                let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
                if arrived.send(Arrived::Message(flow, buffer[..length].to_vec())).is_err() {
                    return;
                }
            }
        });
        self.udp = Some((socket, local));
        Ok(local)
    }

    async fn connect(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
    ) -> anyhow::Result<(ConnectionId, SocketAddr)> {
        let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(local) = self.local {
            socket.bind(SocketAddr::new(local, 0)).with_context(|| format!("--local {local}"))?;
        }
        let stream = socket.connect(remote).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        self.next += 1;
        let id = ConnectionId(self.next);
        let flow = Flow { transport, local, remote, connection: Some(id) };
        let (writer, outgoing) = unbounded_channel();
        match transport {
            Transport::Tls => {
                let host = self.hosts.get(&remote).cloned().unwrap_or_else(|| remote.ip().to_string());
                let name = ServerName::try_from(host).context("the server's name")?;
                let stream = self.connector()?.connect(name, stream).await.map_err(tls::explain)?;
                self.carry(flow, stream, outgoing);
            }
            Transport::Tcp | Transport::Udp => self.carry::<TcpStream>(flow, stream, outgoing),
        }
        self.connections.insert(id, Connection { transport, local, remote, writer });
        Ok((id, local))
    }

    fn carry<S>(&self, flow: Flow, stream: S, outgoing: UnboundedReceiver<Vec<u8>>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        tokio::spawn(carry(flow, stream, outgoing, self.arrived.clone()));
    }
}

/// Reads and writes a connection until it ends.
async fn carry<S>(flow: Flow, stream: S, mut outgoing: UnboundedReceiver<Vec<u8>>, arrived: UnboundedSender<Arrived>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut framer, mut buffer) = (Framer::new(), vec![0; 16_384]);
    let why = 'open: loop {
        tokio::select! {
            read = reader.read(&mut buffer) => {
                let length = match read {
                    Ok(0) => break 'open "closed by the server".to_owned(),
                    Ok(length) => length,
                    Err(error) => break 'open error.to_string(),
                };
                framer.push(&buffer[..length]);
                while let Some(frame) = framer.next() {
                    match frame {
                        Frame::Message(bytes) => drop(arrived.send(Arrived::Message(flow.clone(), bytes))),
                        Frame::Ping => {
                            if let Err(error) = writer.write_all(PONG).await {
                                break 'open error.to_string();
                            }
                        }
                        Frame::Broken(_) => break 'open "what came is not SIP".to_owned(),
                    }
                }
            }
            bytes = outgoing.recv() => {
                let Some(bytes) = bytes else { break 'open "no longer needed".to_owned() };
                if let Err(error) = write(&mut writer, &bytes).await {
                    break 'open error.to_string();
                }
            }
        }
    };
    if let Some(id) = flow.connection {
        let _ = arrived.send(Arrived::Closed(id, why));
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// The address of ours that packets to `remote` leave from.
pub(super) fn towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let probe = std::net::UdpSocket::bind(any)?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}
