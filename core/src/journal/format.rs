//! The numbers of the format, and the payload of a mark. The picture is in the module's documentation above.

use crate::entry::PortIndex;
use crate::sip::Transport;

/// Section Header Block.
pub(super) const BLOCK_SECTION: u32 = 0x0A0D_0D0A;
/// Interface Description Block.
pub(super) const BLOCK_INTERFACE: u32 = 1;
/// Enhanced Packet Block.
pub(super) const BLOCK_PACKET: u32 = 6;
/// Custom Block that other tools may copy.
pub(super) const BLOCK_CUSTOM: u32 = 0x0000_0BAD;
/// What a section's byte order is told by.
pub(super) const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// Raw IP, version 4 or 6 by its first nibble.
pub(super) const LINK_TYPE_RAW: u16 = 101;

pub(super) const OPTION_END: u16 = 0;
pub(super) const OPTION_SECTION_APPLICATION: u16 = 4;
pub(super) const OPTION_INTERFACE_NAME: u16 = 2;
pub(super) const OPTION_INTERFACE_RESOLUTION: u16 = 9;
pub(super) const OPTION_PACKET_FLAGS: u16 = 2;
/// Octets of a private enterprise that other tools may copy.
pub(super) const OPTION_CUSTOM_BINARY: u16 = 2989;
/// Octets of a packet's options at most, their end included.
pub(super) const MAX_OPTIONS: usize = 20;
/// What SRTP said of a packet: the first octet of its custom option. The last six are its index.
pub(super) const PROTECTED_AUTHENTIC: u8 = 1;
pub(super) const PROTECTED_SEALED: u8 = 2;
/// `epb_flags`, bits 0 and 1: 2 = outbound.
pub(super) const FLAGS_OUTBOUND: u32 = 2;
/// `if_tsresol`: 10 to the power of -9 s.
pub(super) const RESOLUTION_NANOSECONDS: u8 = 9;

/// Private enterprise number reserved for examples (RFC 5612).
pub(super) const ENTERPRISE: u32 = 32_473;
pub(super) const MAGIC: &[u8; 6] = b"siprec";
/// Version of the layout of a custom block.
pub(super) const LAYOUT: u8 = 1;
pub(super) const KIND_EVENT: u8 = 1;
pub(super) const KIND_CHECKPOINT: u8 = 2;
pub(super) const KIND_MARK: u8 = 3;

/// Type and total length in front, total length behind.
pub(super) const FRAME: usize = 12;
/// Bytes of a packet block before the packet.
pub(super) const PACKET_HEADER: usize = 28;
/// Where a custom block's checksum begins.
pub(super) const CUSTOM_CHECKED: usize = 12;
/// Where its time stands.
pub(super) const CUSTOM_TIME: usize = 20;
/// Bytes of a custom block before the payload.
pub(super) const CUSTOM_HEADER: usize = 32;
/// Checksum and total length.
pub(super) const CUSTOM_TRAILER: usize = 8;

pub(super) const IPV4_HEADER: usize = 20;
pub(super) const IPV6_HEADER: usize = 40;
pub(super) const UDP_HEADER: usize = 8;
pub(super) const PROTOCOL_UDP: u8 = 17;

/// Largest payload of a packet: what UDP over IPv4 can carry (RFC 768, RFC 791 3.1).
pub const MAX_DATAGRAM: usize = 65_507;
/// Largest payload: an event's JSON, or a checkpoint.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Longest label that is written into an interface's name, in bytes.
pub(super) const MAX_LABEL: usize = 128;
/// Largest block of any kind.
pub(super) const MAX_BLOCK: usize = MAX_PAYLOAD + CUSTOM_HEADER + CUSTOM_TRAILER + 3;
/// Largest block that is no custom block: a packet with its flags, with room for what others may add.
pub(super) const MAX_PLAIN_BLOCK: usize = 65_536 + 1_024;

/// Bytes of a mark's payload.
pub(super) const MARK_PAYLOAD: usize = 32;
/// Bytes of a mark's block.
pub const MARK_SIZE: usize = CUSTOM_HEADER + MARK_PAYLOAD + CUSTOM_TRAILER;
const NO_CHECKPOINT: u64 = u64::MAX;

/// Vouches for the bytes of a segment between `from` and its own block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Offset in the file of the first byte vouched for: the end of the mark before, or 0.
    pub from: u64,
    /// CRC-32 (IEEE) of the bytes from there to the mark.
    pub crc: u32,
    /// Offset of the last checkpoint's block in this file, if there is one.
    pub checkpoint: Option<u64>,
    /// So many bytes of the file were known to be on the disk itself when the mark was made.
    pub synced: u64,
}

impl Mark {
    pub(super) fn to_bytes(self) -> [u8; MARK_PAYLOAD] {
        let mut bytes = [0; MARK_PAYLOAD];
        bytes[0..8].copy_from_slice(&self.from.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.checkpoint.unwrap_or(NO_CHECKPOINT).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MARK_PAYLOAD {
            return None;
        }
        let checkpoint = u64_at(bytes, 8)?;
        Some(Self {
            from: u64_at(bytes, 0)?,
            crc: u32_at(bytes, 24)?,
            checkpoint: (checkpoint != NO_CHECKPOINT).then_some(checkpoint),
            synced: u64_at(bytes, 16)?,
        })
    }
}

/// What the packets of an interface are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Sip(Transport),
    Rtp(PortIndex),
    Rtcp(PortIndex),
}

impl Interface {
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Sip(Transport::Udp) => 0,
            Self::Sip(Transport::Tcp) => 1,
            Self::Sip(Transport::Tls) => 2,
            Self::Rtp(port) => 3 + 2 * u32::from(port.0),
            Self::Rtcp(port) => 4 + 2 * u32::from(port.0),
        }
    }

    pub(super) fn from_id(id: u32) -> Option<Self> {
        Some(match id {
            0 => Self::Sip(Transport::Udp),
            1 => Self::Sip(Transport::Tcp),
            2 => Self::Sip(Transport::Tls),
            _ => {
                let port = PortIndex(u16::try_from((id - 3) / 2).ok()?);
                if id % 2 == 1 { Self::Rtp(port) } else { Self::Rtcp(port) }
            }
        })
    }
}

/// Zero bytes up to the next multiple of four.
pub(super) const fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u16_be_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_ids_go_both_ways() {
        for id in 0..200 {
            assert_eq!(Interface::from_id(id).map(Interface::id), Some(id));
        }
        assert_eq!(Interface::Rtcp(PortIndex(u16::MAX)).id(), 4 + 2 * 65_535);
        assert_eq!(Interface::from_id(5 + 2 * 65_535), None);
        assert_eq!(Interface::from_id(u32::MAX), None);
    }

    #[test]
    fn a_mark_survives_its_bytes() {
        for checkpoint in [None, Some(0), Some(77)] {
            let mark = Mark { from: 3 << 33, crc: 0xdead_beef, checkpoint, synced: 12 };
            assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        assert_eq!(Mark::from_bytes(&[0; 31]), None);
    }
}
