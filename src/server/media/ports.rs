//! Pairs of UDP ports, even for RTP and odd for RTCP (RFC 3550 11): first in, first out, with a rest between two uses, so
//! that what a hung sender still sends to an old call never reaches a new one.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, setsockopt, socket, sockopt};
use siprec_core::time::Monotonic;

use crate::config::Dscp;
use crate::limits::MEDIA_BUFFER_BYTES;
use crate::server::dscp::mark;

/// How long a pair rests after its release.
pub const QUARANTINE: Duration = Duration::from_secs(30);
/// Pairs that are tried before a port is refused, where others of the machine hold some of the range.
const MAX_ATTEMPTS: usize = 64;

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// All are in use or rest.
    #[error("no free pair of media ports: {in_use} in use, {resting} rest (media.port_range sets how many there are)")]
    None {
        /// Pairs of live streams.
        in_use: usize,
        /// Pairs in quarantine.
        resting: usize,
    },
    /// The system refused.
    #[error("media port {port} on {ip}: {source}")]
    Bind {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
        /// What the system said.
        source: Errno,
    },
}

/// Both sockets of a stream.
#[derive(Debug)]
pub struct BoundPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    ports: (u16, u16),
}

impl BoundPair {
    /// The port for RTP: even.
    pub fn rtp_port(&self) -> u16 {
        self.ports.0
    }

    /// The port for RTCP: the next one.
    pub fn rtcp_port(&self) -> u16 {
        self.ports.1
    }

    /// The sockets: RTP, RTCP.
    pub fn into_sockets(self) -> (UdpSocket, UdpSocket) {
        (self.rtp, self.rtcp)
    }
}

/// The range of ports, and which of its pairs are free.
#[derive(Debug)]
pub struct Ports {
    /// Where sockets are bound; unspecified: on every address of the family.
    bind_to: Option<IpAddr>,
    dscp: Dscp,
    free: VecDeque<u16>,
    resting: VecDeque<(Monotonic, u16)>,
    in_use: HashSet<u16>,
}

impl Ports {
    /// All whole pairs of the range. Sockets are bound on every local address, or on `bind_to` alone.
    pub fn new(range: RangeInclusive<u16>, bind_to: Option<IpAddr>) -> Self {
        let (first, last) = (*range.start(), *range.end());
        let free = (first..last).filter(|port| port % 2 == 0 && *port != 0).collect();
        Self { bind_to, dscp: Dscp::default(), free, resting: VecDeque::new(), in_use: HashSet::new() }
    }

    /// What is sent from its pairs is marked so.
    pub fn marked(self, dscp: Dscp) -> Self {
        Self { dscp, ..self }
    }

    /// How many pairs there are in all.
    pub fn capacity(&self) -> usize {
        self.free.len() + self.resting.len() + self.in_use.len()
    }

    /// How many pairs could be bound now.
    pub fn available(&mut self, now: Monotonic) -> usize {
        self.end_rests(now);
        self.free.len()
    }

    /// Binds the pair that was free for longest, of the family of `local`, the address the SRC reached.
    ///
    /// # Errors
    /// No pair is free, or the system refuses for another reason than that somebody else has the port.
    pub fn bind(&mut self, local: IpAddr, now: Monotonic) -> Result<BoundPair, PortError> {
        self.end_rests(now);
        for _ in 0..MAX_ATTEMPTS {
            let Some(port) = self.free.pop_front() else { break };
            match bind_pair(self.address(local), port, self.dscp) {
                Ok(pair) => {
                    self.in_use.insert(port);
                    return Ok(pair);
                }
                Err(PortError::Bind { source: Errno::EADDRINUSE, .. }) => self.free.push_back(port),
                Err(error) => {
                    self.free.push_front(port);
                    return Err(error);
                }
            }
        }
        Err(PortError::None { in_use: self.in_use.len(), resting: self.resting.len() })
    }

    /// Binds a certain pair again: that of a session of before a restart.
    ///
    /// # Errors
    /// Somebody has it, or the address is gone.
    pub fn bind_again(&mut self, local: IpAddr, rtp_port: u16) -> Result<BoundPair, PortError> {
        let ip = self.address(local);
        if self.in_use.contains(&rtp_port) {
            return Err(PortError::Bind { ip, port: rtp_port, source: Errno::EADDRINUSE });
        }
        let pair = bind_pair(ip, rtp_port, self.dscp)?;
        // After a restart it is among the first: a search ends soon.
        if let Some(at) = self.free.iter().position(|port| *port == rtp_port) {
            self.free.remove(at);
        }
        self.resting.retain(|(_, port)| *port != rtp_port);
        self.in_use.insert(rtp_port);
        Ok(pair)
    }

    /// A pair's sockets are closed: it rests from now on.
    pub fn release(&mut self, rtp_port: u16, now: Monotonic) {
        if self.in_use.remove(&rtp_port) {
            self.resting.push_back((now.after(QUARANTINE), rtp_port));
        }
    }

    fn end_rests(&mut self, now: Monotonic) {
        while let Some((_, port)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            self.free.push_back(port);
        }
    }

    fn address(&self, local: IpAddr) -> IpAddr {
        match (self.bind_to, local) {
            (Some(ip), _) => ip,
            (None, IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (None, IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

fn bind_pair(ip: IpAddr, port: u16, dscp: Dscp) -> Result<BoundPair, PortError> {
    let ports = (port, port.saturating_add(1));
    let bound =
        |port| bind_socket(SocketAddr::new(ip, port), dscp).map_err(|source| PortError::Bind { ip, port, source });
    Ok(BoundPair { rtp: bound(ports.0)?, rtcp: bound(ports.1)?, ports })
}

/// A media socket: IPv6 only where it is IPv6, never shared with another process, each packet stamped by the kernel.
fn bind_socket(address: SocketAddr, dscp: Dscp) -> Result<UdpSocket, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    raise_buffer(&fd)?;
    mark(&fd, address.is_ipv4(), dscp);
    setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
    match address {
        SocketAddr::V4(v4) => bind(fd.as_raw_fd(), &SockaddrIn::from(v4))?,
        SocketAddr::V6(v6) => bind(fd.as_raw_fd(), &SockaddrIn6::from(v6))?,
    }
    Ok(UdpSocket::from(fd))
}

/// Beyond the machine's limit where we may, up to it where not.
fn raise_buffer(fd: &impl AsFd) -> Result<(), Errno> {
    if setsockopt(fd, sockopt::RcvBufForce, &MEDIA_BUFFER_BYTES).is_ok() {
        return Ok(());
    }
    setsockopt(fd, sockopt::RcvBuf, &MEDIA_BUFFER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn seconds(n: u64) -> Monotonic {
        Monotonic(n * 1_000_000_000)
    }

    #[test]
    fn pairs_are_even_and_come_back_after_their_rest_in_their_order() {
        let mut ports = Ports::new(41_001..=41_007, Some(LOCAL));
        assert_eq!(ports.capacity(), 3);
        let a = ports.bind(LOCAL, seconds(0)).unwrap();
        assert_eq!((a.rtp_port(), a.rtcp_port()), (41_002, 41_003));
        let b = ports.bind(LOCAL, seconds(0)).unwrap();
        let c = ports.bind(LOCAL, seconds(0)).unwrap();
        assert!(matches!(ports.bind(LOCAL, seconds(0)), Err(PortError::None { in_use: 3, resting: 0 })));
        drop((a, b, c));
        ports.release(41_004, seconds(1));
        ports.release(41_002, seconds(2));
        ports.release(41_002, seconds(3));
        assert_eq!(ports.available(seconds(30)), 0);
        assert_eq!(ports.bind(LOCAL, seconds(31)).unwrap().rtp_port(), 41_004);
        assert_eq!(ports.bind(LOCAL, seconds(32)).unwrap().rtp_port(), 41_002);
        assert_eq!(ports.capacity(), 3);
    }

    #[test]
    fn what_somebody_else_has_is_passed_over() {
        let other = UdpSocket::bind((LOCAL, 41_103)).unwrap();
        let mut ports = Ports::new(41_102..=41_107, Some(LOCAL));
        assert_eq!(ports.bind(LOCAL, seconds(0)).unwrap().rtp_port(), 41_104);
        assert!(matches!(ports.bind_again(LOCAL, 41_102), Err(PortError::Bind { port: 41_103, .. })));
        drop(other);
        assert_eq!(ports.bind_again(LOCAL, 41_102).unwrap().rtp_port(), 41_102);
        assert!(ports.bind_again(LOCAL, 41_102).is_err());
        assert_eq!(ports.available(seconds(0)), 1);
    }

    #[test]
    fn what_leaves_is_marked() {
        let ef = "EF".parse().unwrap();
        let mut ports = Ports::new(41_302..=41_303, None).marked(ef);
        let (rtp, rtcp) = ports.bind(LOCAL, seconds(0)).unwrap().into_sockets();
        for socket in [&rtp, &rtcp] {
            assert_eq!(socket2::SockRef::from(socket).tos_v4().unwrap(), 0xb8);
        }
        let mut ports = Ports::new(41_304..=41_305, None).marked(ef);
        if let Ok(pair) = ports.bind(Ipv6Addr::LOCALHOST.into(), seconds(0)) {
            assert_eq!(socket2::SockRef::from(&pair.into_sockets().1).tclass_v6().unwrap(), 0xb8);
        }
    }

    #[test]
    fn both_families_may_use_one_number() {
        let mut v4 = Ports::new(41_202..=41_203, None);
        let mut v6 = Ports::new(41_202..=41_203, None);
        let a = v4.bind(LOCAL, seconds(0)).unwrap();
        // A machine without IPv6 has nothing to show here.
        if let Ok(b) = v6.bind(Ipv6Addr::LOCALHOST.into(), seconds(0)) {
            assert_eq!(a.rtp_port(), b.rtp_port());
        }
    }
}
