//! The sockets of a stream: RTP on an even port, RTCP on the next one (RFC 3550 11), as SBCs have them.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Pairs that are tried before any two ports will do (`a=rtcp` names the second).
const TRIES: usize = 32;

/// RTP and RTCP of one line.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

impl Leg {
    /// Two fresh ports of `address`.
    pub(super) fn bind(address: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(address, 0);
        for _ in 0..TRIES {
            let first = UdpSocket::bind(any)?;
            let port = first.local_addr()?.port();
            // The other port of the pair, and which of them is RTP's.
            let other = UdpSocket::bind(SocketAddr::new(address, port ^ 1));
            if let Ok(other) = other {
                let (rtp, rtcp) = if port.is_multiple_of(2) { (first, other) } else { (other, first) };
                return Self::of(rtp, rtcp);
            }
        }
        Self::of(UdpSocket::bind(any)?, UdpSocket::bind(any)?)
    }

    fn of(rtp: UdpSocket, rtcp: UdpSocket) -> io::Result<Self> {
        rtcp.set_nonblocking(true)?;
        Ok(Self { rtp, rtcp })
    }

    /// The ports of RTP and RTCP.
    pub(super) fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.rtp.local_addr()?.port(), self.rtcp.local_addr()?.port()))
    }
}
