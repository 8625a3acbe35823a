//! Where the configuration has siprec listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::{Config, ListenAddress};

/// An address that the server binds, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    /// The key of the configuration that sets it.
    pub(crate) key: &'static str,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// All addresses of SIP, SIP over TLS and the API.
pub(crate) fn addresses(config: &Config) -> Vec<Listening> {
    let mut found = Vec::new();
    let mut add = |transport, address, key| {
        found.extend(all_of(address).into_iter().map(|address| Listening { transport, address, key }));
    };
    add(Transport::Udp, config.server.address, "server.address");
    add(Transport::Tcp, config.server.address, "server.address");
    if config.server.tls.enabled {
        add(Transport::Tcp, config.server.tls.address, "server.tls.address");
    }
    if cfg!(feature = "api") && config.api.enabled {
        add(Transport::Tcp, config.api.address, "api.address");
    }
    found
}

/// An address without an IP is all local addresses of both families. A machine without IPv6 has IPv4 only.
pub(crate) fn all_of(address: ListenAddress) -> Vec<SocketAddr> {
    let ips: Vec<IpAddr> = match address.ip {
        Some(ip) => vec![ip],
        None if has_ipv6() => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
        None => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, address.port)).collect()
}

/// The address that this machine would send from: a connected UDP socket knows it, and nothing is sent.
pub(crate) fn outgoing_address() -> Option<IpAddr> {
    // 192.0.2.0/24 is for documentation (RFC 5737): it follows the default route.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
