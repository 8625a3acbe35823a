//! SIP over UDP: a socket an address family, which knows the address that a datagram was sent to and answers from it.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Context as _;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage,
    bind, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use tokio::io::Interest;

use super::dscp::mark;
use crate::config::Dscp;
use crate::limits::SIP_BUFFER_BYTES;

/// A bound UDP socket for SIP.
pub(super) struct Datagrams {
    socket: tokio::net::UdpSocket,
    bound: SocketAddr,
}

impl Datagrams {
    /// Binds `address`. An IPv6 socket takes IPv6 only: IPv4 has its own.
    pub(super) fn bind(address: SocketAddr, dscp: Dscp) -> anyhow::Result<Self> {
        let socket = bind_udp(address, dscp).with_context(|| {
            format!("cannot listen on udp {address} (is another server running there? see `ss -lunp`; server.address sets it)")
        })?;
        let bound = socket.local_addr()?;
        Ok(Self { socket: tokio::net::UdpSocket::from_std(socket)?, bound })
    }

    /// The address as bound; a wildcard stays one.
    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Waits for a datagram: its length, the address of ours it was sent to, and its sender's.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, SocketAddr)> {
        let mut ancillary = nix::cmsg_space!(libc::in6_pktinfo);
        let socket = self.socket.as_fd();
        self.socket.async_io(Interest::READABLE, || receive(socket, self.bound, buffer, &mut ancillary)).await
    }

    /// Sends from the address that the peer knows us by. UDP has no promise: a full buffer is an error to be logged.
    pub(super) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let iov = [IoSlice::new(bytes)];
        let to = SockaddrStorage::from(to);
        let fd = self.socket.as_raw_fd();
        let sent = match from.ip() {
            IpAddr::V4(ip) if !ip.is_unspecified() => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                sendmsg(fd, &iov, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::empty(), Some(&to))
            }
            IpAddr::V6(ip) if !ip.is_unspecified() => {
                let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                sendmsg(fd, &iov, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::empty(), Some(&to))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => sendmsg(fd, &iov, &[], MsgFlags::empty(), Some(&to)),
        };
        sent.map(|_| ()).map_err(io::Error::from)
    }
}

fn bind_udp(address: SocketAddr, dscp: Dscp) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Datagram, flags, SockProtocol::Udp)?;
    mark(&fd, address.is_ipv4(), dscp);
    if address.is_ipv4() {
        setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    // The kernel's own limit may be lower; it then takes what it allows.
    if setsockopt(&fd, sockopt::RcvBufForce, &SIP_BUFFER_BYTES).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &SIP_BUFFER_BYTES)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(UdpSocket::from(fd))
}

fn receive(
    socket: BorrowedFd<'_>,
    bound: SocketAddr,
    buffer: &mut [u8],
    ancillary: &mut [u8],
) -> io::Result<(usize, SocketAddr, SocketAddr)> {
    let mut iov = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut iov, Some(ancillary), MsgFlags::empty())?;
    let mut local = bound;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            local.set_ip(IpAddr::V4(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())));
        } else if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
            local.set_ip(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
        }
    }
    let remote = message.address.as_ref().and_then(socket_address).ok_or(io::ErrorKind::InvalidData)?;
    Ok((message.bytes, local, remote))
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::new(IpAddr::V4(a.ip()), a.port()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|a| SocketAddr::new(IpAddr::V6(a.ip()), a.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_datagram_tells_the_address_it_was_sent_to_and_is_answered_from_it() {
        let server = Datagrams::bind("0.0.0.0:0".parse().unwrap(), Dscp::default()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = SocketAddr::new("127.0.0.3".parse().unwrap(), server.bound().port());
        client.send_to(b"hello", to).unwrap();
        let mut buffer = [0; 100];
        let (length, local, remote) = server.receive(&mut buffer).await.unwrap();
        assert_eq!((length, local, remote), (5, to, client.local_addr().unwrap()));
        server.send(local, remote, b"back").unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((length, from), (4, to));
    }
}
