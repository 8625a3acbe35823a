//! A classic pcap with nanoseconds, of raw IP packets. Messages of TCP and TLS are shown as UDP too: one packet a
//! message, in clear, which Wireshark dissects with no stream to put together.

use siprec_core::journal;
use siprec_core::time::Wall;
use std::net::SocketAddr;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const LINKTYPE_RAW: u32 = 101;
/// Longer than any packet: a datagram's 65,535 bytes and an IPv6 header.
const SNAP_LENGTH: u32 = 65_575;
/// Where a record says how long its packet is, captured and on the wire.
const LENGTHS: std::ops::Range<usize> = 8..16;
const RECORD_HEADER: usize = 16;

/// The file's header.
pub(super) fn header(out: &mut Vec<u8>) {
    out.extend(MAGIC_NANOSECONDS.to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(4u16.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend(SNAP_LENGTH.to_le_bytes());
    out.extend(LINKTYPE_RAW.to_le_bytes());
}

/// One message as a packet.
pub(super) fn packet(out: &mut Vec<u8>, at: Wall, from: SocketAddr, to: SocketAddr, message: &[u8]) {
    let start = out.len();
    let seconds = at.0.div_euclid(1_000_000_000);
    let nanoseconds = at.0.rem_euclid(1_000_000_000);
    out.extend(u32::try_from(seconds).unwrap_or(0).to_le_bytes());
    out.extend(u32::try_from(nanoseconds).unwrap_or(0).to_le_bytes());
    out.extend([0; LENGTHS.end - LENGTHS.start]);
    journal::datagram(out, from, to, message);
    let length = u32::try_from(out.len() - start - RECORD_HEADER).unwrap_or(0).to_le_bytes();
    if let Some(lengths) = out.get_mut(start..).and_then(|record| record.get_mut(LENGTHS)) {
        lengths.copy_from_slice([length, length].as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_its_packets_length() {
        let mut out = Vec::new();
        packet(&mut out, Wall(1), "192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap(), b"OPTIONS");
        assert_eq!(out.len(), RECORD_HEADER + 28 + 7);
        assert_eq!(out[LENGTHS], [35, 0, 0, 0, 35, 0, 0, 0]);
    }
}
