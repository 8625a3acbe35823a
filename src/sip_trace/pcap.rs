//! A classic pcap with nanoseconds, of raw IP packets. Messages of TCP and TLS are shown as UDP too: one packet a
//! message, in clear, which Wireshark dissects with no stream to put together.

use siprec_core::time::Wall;
use std::net::{IpAddr, SocketAddr};

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const LINKTYPE_RAW: u32 = 101;
const PROTOCOL_UDP: u8 = 17;
const TIME_TO_LIVE: u8 = 64;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
/// The most a packet holds in either version of IP: its length has 16 bits. A longer message is cut.
const MAX_MESSAGE: usize = 65_535 - IPV4_HEADER - UDP_HEADER;

/// The file's header.
pub(super) fn header(out: &mut Vec<u8>) {
    out.extend(MAGIC_NANOSECONDS.to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(4u16.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend((u32::from(u16::MAX) + u32::try_from(IPV6_HEADER).unwrap_or(0)).to_le_bytes());
    out.extend(LINKTYPE_RAW.to_le_bytes());
}

/// One message as a packet.
pub(super) fn packet(out: &mut Vec<u8>, at: Wall, from: SocketAddr, to: SocketAddr, message: &[u8]) {
    let message = message.get(..MAX_MESSAGE).unwrap_or(message);
    let udp_length = UDP_HEADER + message.len();
    let (from, to) = same_family(from, to);
    let ip_length = if from.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
    let seconds = at.0.div_euclid(1_000_000_000);
    let nanoseconds = at.0.rem_euclid(1_000_000_000);
    out.extend(u32::try_from(seconds).unwrap_or(0).to_le_bytes());
    out.extend(u32::try_from(nanoseconds).unwrap_or(0).to_le_bytes());
    let length = u32::try_from(ip_length + udp_length).unwrap_or(0);
    out.extend(length.to_le_bytes());
    out.extend(length.to_le_bytes());
    let udp_length = u16::try_from(udp_length).unwrap_or(u16::MAX);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let start = out.len();
            out.extend([0x45, 0]);
            out.extend((udp_length + 20).to_be_bytes());
            out.extend([0, 0, 0x40, 0, TIME_TO_LIVE, PROTOCOL_UDP, 0, 0]);
            out.extend(source.octets());
            out.extend(destination.octets());
            let sum = checksum(&[out.get(start..).unwrap_or_default()]);
            if let Some(field) = out.get_mut(start + 10..start + 12) {
                field.copy_from_slice(&sum.to_be_bytes());
            }
            // A checksum of zero means none was made (RFC 768).
            udp(out, from.port(), to.port(), udp_length, 0, message);
        }
        (source, destination) => {
            let (source, destination) = (v6(source), v6(destination));
            out.extend([0x60, 0, 0, 0]);
            out.extend(udp_length.to_be_bytes());
            out.extend([PROTOCOL_UDP, TIME_TO_LIVE]);
            out.extend(source);
            out.extend(destination);
            // IPv6 wants one (RFC 8200 8.1), over a pseudo-header as well.
            let tail = [0, PROTOCOL_UDP];
            let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
            let length = udp_length.to_be_bytes();
            let sum = checksum(&[&source, &destination, &tail, &length, &ports, &length, message]);
            udp(out, from.port(), to.port(), udp_length, if sum == 0 { u16::MAX } else { sum }, message);
        }
    }
}

fn udp(out: &mut Vec<u8>, from: u16, to: u16, length: u16, checksum: u16, message: &[u8]) {
    for field in [from, to, length, checksum] {
        out.extend(field.to_be_bytes());
    }
    out.extend(message);
}

/// Both addresses in one version of IP: mapped ones as what they are.
fn same_family(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    (canonical(from), canonical(to))
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The internet checksum (RFC 1071) over parts, each of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u64::from(*pair.first().unwrap_or(&0)) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_checksum_is_that_of_a_known_packet() {
        // RFC 1071's method on the example of Wikipedia's "IPv4 header checksum", sum 0xb861.
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
            0x00, 0xc7,
        ];
        assert_eq!(checksum(&[&header]), 0xb861);
    }

    #[test]
    fn a_message_longer_than_a_packet_is_cut() {
        let mut out = Vec::new();
        let a = "192.0.2.1:1".parse().unwrap();
        packet(&mut out, Wall(0), a, a, &vec![b'x'; 70_000]);
        assert_eq!(out.len(), 16 + 65_535);
    }
}
