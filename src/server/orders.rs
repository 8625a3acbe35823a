//! Orders to a running server, from the program that it is a part of.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::Context as _;
use siprec_core::entry::PortIndex;
use siprec_core::seed::SessionId;
use siprec_core::session::Order;
use siprec_core::sip::{Flow, Transport, Uri};
use tokio::sync::mpsc;

use super::live::Live;
use super::media::Wire;
#[cfg(feature = "api")]
use super::own_src::{Begin, Reply};
use super::showing::Show;
use super::signalling::Signalling;
use crate::archive::audit::Origin;

/// Gives orders to a server, from any thread. An order to a server that has stopped does nothing.
#[derive(Debug, Clone)]
pub struct Orders(mpsc::UnboundedSender<Wish>);

/// What an [`Orders`] passes on.
#[derive(Debug)]
pub(super) enum Wish {
    /// As it is, for the core.
    Order(Order),
    /// The same, by order of who is known to the API.
    #[cfg(feature = "api")]
    Ordered(Order, Origin),
    /// A recording session with the SRC of this address; its name is yet to be looked up.
    Record(String),
    /// A session's packets go to a listener as well.
    Listen { session: SessionId, wire: Wire, origin: Option<Origin> },
    /// A session without SIP, by order of who is known to the API.
    #[cfg(feature = "api")]
    Begin(Box<(Begin, Origin)>, Reply),
    /// Somebody wants to see how things are.
    Show(Show),
    /// The server stops as it does at SIGTERM.
    ShutDown,
}

impl Orders {
    /// Asks the SRC at `uri` for a recording session (RFC 7866 6.2): `sip:src@192.0.2.7;transport=tcp`. What became of
    /// it stands in the log.
    pub fn record(&self, uri: &str) {
        self.wish(Wish::Record(uri.to_owned()));
    }

    /// Keeps nothing of a session's media from now on. With `tell_src` the SRC is asked to stop sending as well.
    pub fn pause(&self, session: SessionId, tell_src: bool) {
        self.wish(Wish::Order(Order::Pause { session, tell_src, at_most: None }));
    }

    /// Keeps a paused session's media again.
    pub fn resume(&self, session: SessionId) {
        self.wish(Wish::Order(Order::Resume(session)));
    }

    /// Records nothing more of one stream of a session, for good: its SRC is told by a re-INVITE that closes its m-line. Its
    /// number is that of [`Live`]'s events.
    pub fn take_back(&self, session: SessionId, stream: PortIndex) {
        self.wish(Wish::Order(Order::TakeBack { session, port: stream }));
    }

    /// From now on (`true`) new sessions are answered `inactive`, and nothing of them is kept, each until
    /// [`Orders::resume`] asks its SRC to send; or they are taken as usual again.
    pub fn hold_off(&self, holds_off: bool) {
        self.wish(Wish::Order(Order::HoldOff(holds_off)));
    }

    /// Ends a session with BYE.
    pub fn stop(&self, session: SessionId) {
        self.wish(Wish::Order(Order::Stop(session)));
    }

    /// Asks a session's SRC for a full snapshot of its metadata (RFC 7866 9.2).
    pub fn request_snapshot(&self, session: SessionId) {
        self.wish(Wish::Order(Order::RequestSnapshot(session)));
    }

    /// Stops the server; its sessions go on when it is started again.
    pub fn shut_down(&self) {
        self.wish(Wish::ShutDown);
    }

    pub(super) fn wish(&self, wish: Wish) {
        let _ = self.0.send(wish);
    }
}

/// Where the wishes arrive.
#[derive(Debug)]
pub struct Desk {
    wishes: mpsc::UnboundedReceiver<Wish>,
    orders: Orders,
    live: Live,
}

impl Default for Desk {
    fn default() -> Self {
        let (sender, wishes) = mpsc::unbounded_channel();
        let orders = Orders(sender);
        Self { wishes, live: Live::new(orders.clone()), orders }
    }
}

impl Desk {
    /// Leads here.
    pub(super) fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// What happens here.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// The next wish; never none, since the desk holds a sender itself.
    pub(super) async fn next(&mut self) -> Option<Wish> {
        self.wishes.recv().await
    }

    /// Looks up whom `uri` names, then gives the order.
    pub(super) fn look_up(&self, signalling: &Signalling, uri: String) {
        let clear: Vec<SocketAddr> = signalling.datagrams.iter().map(|socket| socket.bound()).collect();
        let secure = signalling.streams.tls().map(|tls| (tls.clone(), tls.bound().to_vec()));
        let orders = self.orders();
        tokio::spawn(async move {
            let ends = Ends { clear: &clear, secure: secure.as_ref().map(|(_, bound)| bound.as_slice()) };
            match flow_to(&uri, ends).await {
                Ok((flow, name)) => {
                    if let Some(((tls, _), name)) = secure.zip(name) {
                        tls.expect_name(flow.remote, name);
                    }
                    orders.wish(Wish::Order(Order::Record { uri, flow }));
                }
                Err(error) => tracing::warn!("an SRC cannot be asked for a recording session: {error:#}"),
            }
        });
    }
}

/// Where we listen: what is reached from there can reach us.
#[derive(Debug, Clone, Copy)]
struct Ends<'a> {
    clear: &'a [SocketAddr],
    /// None where TLS is off.
    secure: Option<&'a [SocketAddr]>,
}

/// How the SRC of `uri` is reached: the first of its addresses in a family that we listen in; and the name that its
/// certificate has to be for, where the URI tells one.
async fn flow_to(uri: &str, ends: Ends<'_>) -> anyhow::Result<(Flow, Option<String>)> {
    let parsed = Uri::parse(uri).ok().filter(Uri::is_sip).context("its address is not a SIP URI")?;
    let transport = parsed.transport();
    let bound = match transport {
        Transport::Udp | Transport::Tcp => ends.clear,
        Transport::Tls => ends.secure.context("it is reached over TLS, which is off: set server.tls.enabled")?,
    };
    let name = (transport == Transport::Tls && parsed.ip().is_none()).then(|| parsed.host.clone());
    let remotes: Vec<SocketAddr> = match parsed.socket_addr() {
        Some(address) => vec![address],
        None => {
            let port = parsed.port.unwrap_or_else(|| transport.default_port());
            let found = tokio::net::lookup_host((parsed.host.as_str(), port)).await;
            found.context("its name is not known")?.collect()
        }
    };
    let reach = |remote: &SocketAddr| {
        let ours = bound.iter().find(|ours| ours.is_ipv4() == remote.is_ipv4())?;
        let ip = if ours.ip().is_unspecified() { address_towards(*remote)? } else { ours.ip() };
        let local = SocketAddr::new(ip, ours.port());
        Some(Flow { transport, local, remote: *remote, connection: None })
    };
    let flow = remotes.iter().find_map(reach).context("no address of it can be reached from here")?;
    Ok((flow, name))
}

/// The address that the machine would send from: the kernel's routes know.
fn address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(uri: &str, bound: &str, secure: Option<&str>) -> anyhow::Result<(Flow, Option<String>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let secure = secure.map(|secure| [secure.parse().unwrap()]);
        let ends = Ends { clear: &[bound.parse().unwrap()], secure: secure.as_ref().map(|secure| secure.as_slice()) };
        runtime.block_on(flow_to(uri, ends))
    }

    fn flow(uri: &str, bound: &str) -> Option<Flow> {
        reached(uri, bound, None).ok().map(|(flow, _)| flow)
    }

    #[test]
    fn over_tls_it_is_reached_from_where_tls_listens_and_shows_the_name_that_was_called() {
        let over_tls = |uri| reached(uri, "127.0.0.1:5060", Some("127.0.0.1:5061")).unwrap();
        let (flow, name) = over_tls("sips:src@127.0.0.1");
        assert_eq!((flow.transport, flow.local.port(), flow.remote.port()), (Transport::Tls, 5061, 5061));
        assert_eq!(name, None);
        assert_eq!(over_tls("sip:src@localhost:5071;transport=tls").1.as_deref(), Some("localhost"));
        assert_eq!(over_tls("sip:src@localhost").1, None, "nothing is shown in clear");
        let off = reached("sips:src@127.0.0.1", "127.0.0.1:5060", None).unwrap_err();
        assert!(off.to_string().contains("server.tls.enabled"), "{off}");
    }

    #[test]
    fn an_src_is_reached_from_an_address_that_it_can_answer_to() {
        let found = flow("sip:src@127.0.0.1:5070;transport=tcp", "0.0.0.0:5060").unwrap();
        assert_eq!((found.transport, found.local), (Transport::Tcp, "127.0.0.1:5060".parse().unwrap()));
        assert_eq!(found.remote, "127.0.0.1:5070".parse().unwrap());
        assert_eq!(flow("sip:localhost", "127.0.0.1:5060").unwrap().remote.port(), 5060);
        for uri in ["tel:+1555", "sip:src@[::1]", "src"] {
            assert!(flow(uri, "127.0.0.1:5060").is_none(), "{uri}");
        }
    }
}
