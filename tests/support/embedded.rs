//! The recorder as a part of this program: orders are given through the library's face.

use super::ports::Ports;
use super::src::Src;
use super::{TempDir, becomes_true, until};
use siprec::config::{ByteSize, ListenAddress, PortRange};
use siprec::{Config, Live, Orders, Server};
use siprec_core::seed::SessionId;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

const STARTED_WITHIN: Duration = Duration::from_secs(20);

pub struct Embedded {
    pub sip: SocketAddr,
    /// Listened on where `server.tls.enabled` is set.
    pub tls: SocketAddr,
    pub data: PathBuf,
    pub orders: Orders,
    pub watched: Live,
    thread: Option<JoinHandle<()>>,
    _ports: Ports,
    _temp: TempDir,
}

impl Embedded {
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// With what `set` sets as well.
    #[track_caller]
    pub fn start_with(set: impl FnOnce(&mut Config)) -> Self {
        let (ports, temp) = (Ports::for_sessions(20), TempDir::new("embedded"));
        let (ip, data) = (IpAddr::V4(Ipv4Addr::LOCALHOST), temp.path().join("data"));
        let sip = SocketAddr::new(ip, ports.sip());
        let (first, last) = ports.media();
        let mut config = Config::default();
        config.server.address = ListenAddress { ip: Some(ip), port: sip.port() };
        config.media.port_range = PortRange { first, last };
        config.api.enabled = false;
        config.archive.data_dir = data.clone();
        config.archive.min_free = ByteSize(16 << 20);
        let tls = SocketAddr::new(ip, ports.tls());
        config.server.tls.address = ListenAddress { ip: Some(ip), port: tls.port() };
        set(&mut config);
        let server = Server::new(config);
        let (orders, watched) = (server.orders(), server.live());
        let thread = std::thread::spawn(move || server.start().unwrap());
        let asked = becomes_true(STARTED_WITHIN, || {
            let src = Src::udp(sip);
            !thread.is_finished() && src.options().is_ok_and(|answer| answer.status() == 200)
        });
        assert!(asked, "the server does not answer");
        Self { sip, tls, data, orders, watched, thread: Some(thread), _ports: ports, _temp: temp }
    }

    /// The one session that lives: its journal's name.
    #[track_caller]
    pub fn session(&self) -> SessionId {
        until(STARTED_WITHIN, || self.live().next()).expect("a live session").parse().expect("its id")
    }

    pub fn sessions(&self) -> usize {
        self.live().count()
    }

    fn live(&self) -> impl Iterator<Item = String> {
        let entries = std::fs::read_dir(self.data.join("journals/live")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.orders.shut_down();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
