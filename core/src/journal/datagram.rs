//! The IP and UDP headers that a kept datagram gets, so that every reader of captures takes it for what it was.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::checksum::Sum;
use super::format::{IPV4_HEADER, IPV6_HEADER, MAX_DATAGRAM, PROTOCOL_UDP, UDP_HEADER};

/// Room for the headers in either version of IP.
pub(super) const HEADERS_V6: usize = IPV6_HEADER + UDP_HEADER;

const TTL: u8 = 64;
const DONT_FRAGMENT: u16 = 0x4000;

/// Appends `payload` as a raw IP packet (link type 101). What is over [`MAX_DATAGRAM`] is cut off. Addresses mapped into
/// IPv6 are written as IPv4; where only one is IPv4, it is written mapped.
pub fn datagram(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
    let payload = payload.get(..MAX_DATAGRAM).unwrap_or(payload);
    let mut head = [0; HEADERS_V6];
    let length = headers(&mut head, from, to, payload);
    out.extend_from_slice(head.get(..length).unwrap_or_default());
    out.extend_from_slice(payload);
}

/// Writes the headers of `payload` to the beginning of `head`, of zeros, [`HEADERS_V6`] at least; their length.
pub(super) fn headers(head: &mut [u8], from: SocketAddr, to: SocketAddr, payload: &[u8]) -> usize {
    let ports = (from.port(), to.port());
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            ipv4(head, from, to, payload.len());
            // RFC 768: a checksum of 0 says that there is none.
            udp(&mut head[IPV4_HEADER..], ports, payload.len());
            IPV4_HEADER + UDP_HEADER
        }
        (from, to) => {
            let (from, to) = (as_ipv6(from), as_ipv6(to));
            ipv6(head, from, to, payload.len());
            let header = &mut head[IPV6_HEADER..HEADERS_V6];
            udp(header, ports, payload.len());
            // RFC 8200 8.1: the pseudo-header is addresses, length and next header; a sum of 0 is sent as all ones.
            let pseudo = Sum::default().bytes(&from.octets()).bytes(&to.octets()).word(u16::from(PROTOCOL_UDP));
            let sum = pseudo.word(length16(UDP_HEADER + payload.len())).bytes(header).bytes(payload).finish();
            header[6..8].copy_from_slice(&(if sum == 0 { u16::MAX } else { sum }).to_be_bytes());
            HEADERS_V6
        }
    }
}

/// RFC 791 3.1.
fn ipv4(header: &mut [u8], from: Ipv4Addr, to: Ipv4Addr, payload: usize) {
    header[0] = 0x45;
    header[2..4].copy_from_slice(&length16(IPV4_HEADER + UDP_HEADER + payload).to_be_bytes());
    header[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
    header[8] = TTL;
    header[9] = PROTOCOL_UDP;
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = Sum::default().bytes(&header[..IPV4_HEADER]).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 8200 3.
fn ipv6(header: &mut [u8], from: Ipv6Addr, to: Ipv6Addr, payload: usize) {
    header[0] = 0x60;
    header[4..6].copy_from_slice(&length16(UDP_HEADER + payload).to_be_bytes());
    header[6] = PROTOCOL_UDP;
    header[7] = TTL;
    header[8..24].copy_from_slice(&from.octets());
    header[24..40].copy_from_slice(&to.octets());
}

/// RFC 768; the checksum stays 0.
fn udp(header: &mut [u8], ports: (u16, u16), payload: usize) {
    header[0..2].copy_from_slice(&ports.0.to_be_bytes());
    header[2..4].copy_from_slice(&ports.1.to_be_bytes());
    header[4..6].copy_from_slice(&length16(UDP_HEADER + payload).to_be_bytes());
}

fn as_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// Lengths here are bounded by [`MAX_DATAGRAM`].
fn length16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_header_checksum_of_a_packet_comes_out_as_zero_when_summed_with_it() {
        let mut out = Vec::new();
        datagram(&mut out, "192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5080".parse().unwrap(), b"odd");
        assert_eq!((out.len(), Sum::default().bytes(&out[..IPV4_HEADER]).finish()), (31, 0));
        assert_eq!(out[2..4], 31u16.to_be_bytes());
    }

    #[test]
    fn the_checksum_over_ipv6_covers_payload_and_pseudo_header() {
        let mut out = Vec::new();
        datagram(&mut out, "[2001:db8::1]:5060".parse().unwrap(), "[2001:db8::2]:5080".parse().unwrap(), b"odd");
        let pseudo = Sum::default().bytes(&out[8..40]).word(u16::from(PROTOCOL_UDP)).word(11);
        assert_eq!(pseudo.bytes(&out[40..]).finish(), 0);
    }

    #[test]
    fn what_no_datagram_holds_is_cut() {
        let mut out = Vec::new();
        let a = "192.0.2.1:1".parse().unwrap();
        datagram(&mut out, a, a, &vec![b'x'; 70_000]);
        assert_eq!(out.len(), 65_535);
    }
}
