//! One block, read: what stands in it, without a copy and without a lifetime.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Range;

use super::checksum::Sum;
use super::format::{
    BLOCK_CUSTOM, BLOCK_INTERFACE, BLOCK_PACKET, BLOCK_SECTION, BYTE_ORDER_MAGIC, CUSTOM_CHECKED, CUSTOM_HEADER,
    CUSTOM_TRAILER, ENTERPRISE, FLAGS_OUTBOUND, FRAME, IPV4_HEADER, IPV6_HEADER, Interface, KIND_CHECKPOINT,
    KIND_EVENT, KIND_MARK, LAYOUT, MAGIC, MAX_BLOCK, MAX_PLAIN_BLOCK, Mark, OPTION_CUSTOM_BINARY, OPTION_END,
    OPTION_PACKET_FLAGS, PACKET_HEADER, PROTECTED_AUTHENTIC, PROTECTED_SEALED, PROTOCOL_UDP, UDP_HEADER, padding,
    u16_at, u16_be_at, u32_at, u64_at,
};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected};
use crate::sip::Transport;
use crate::time::Wall;

/// What a block is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// An entry, all but its bytes.
    Entry(Shape),
    /// A mark; whether it tells the truth is for those to say who know the bytes before it.
    Mark(Wall, Mark),
    /// Sections and interfaces.
    Structure,
    /// A whole block that is not ours, or of a kind or an event that a later version knows.
    Unknown,
    /// A whole block whose content is broken.
    Broken,
}

/// An [`Entry`] but for its bytes, which are at `bytes` of the block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) at: Wall,
    pub(super) what: What,
    pub(super) bytes: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Sip {
        transport: Transport,
        outbound: bool,
        from: SocketAddr,
        to: SocketAddr,
    },
    Rtp {
        port: PortIndex,
        from: SocketAddr,
        to: SocketAddr,
        protected: Option<Protected>,
    },
    Rtcp {
        port: PortIndex,
        outbound: bool,
        from: SocketAddr,
        to: SocketAddr,
    },
    /// In a box: packets are many, and moved about.
    Event(Box<Event>),
    Checkpoint,
}

impl Shape {
    /// Splits an entry; the range is that of its bytes alone.
    pub(super) fn of<'a>(entry: Entry<'a>) -> (Self, &'a [u8]) {
        let (what, bytes): (What, &[u8]) = match entry.kind {
            Kind::Sip { transport, outbound, from, to, message } => {
                (What::Sip { transport, outbound, from, to }, message)
            }
            Kind::Rtp { port, from, to, packet, protected } => (What::Rtp { port, from, to, protected }, packet),
            Kind::Rtcp { port, outbound, from, to, packet } => (What::Rtcp { port, outbound, from, to }, packet),
            Kind::Event(event) => (What::Event(Box::new(event)), &[]),
            Kind::Checkpoint(json) => (What::Checkpoint, json),
        };
        (Self { at: entry.at, what, bytes: 0..bytes.len() }, bytes)
    }

    /// The entry, its bytes taken from `block`.
    pub(super) fn entry(self, block: &[u8]) -> Entry<'_> {
        let bytes = block.get(self.bytes).unwrap_or_default();
        let kind = match self.what {
            What::Sip { transport, outbound, from, to } => Kind::Sip { transport, outbound, from, to, message: bytes },
            What::Rtp { port, from, to, protected } => Kind::Rtp { port, from, to, packet: bytes, protected },
            What::Rtcp { port, outbound, from, to } => Kind::Rtcp { port, outbound, from, to, packet: bytes },
            What::Event(event) => Kind::Event(*event),
            What::Checkpoint => Kind::Checkpoint(bytes),
        };
        Entry { at: self.at, kind }
    }
}

/// Why there is no whole block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBlock {
    /// It goes on after the bytes at hand, if it is one.
    Incomplete,
    /// It cannot be a block of a journal.
    Damaged,
}

/// The length of the block that `bytes` begins with.
pub(super) fn length(bytes: &[u8]) -> Result<usize, NoBlock> {
    let (Some(kind), Some(total)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else { return Err(NoBlock::Incomplete) };
    let total = usize::try_from(total).map_err(|_| NoBlock::Damaged)?;
    let limit = if kind == BLOCK_CUSTOM { MAX_BLOCK } else { MAX_PLAIN_BLOCK };
    if total < FRAME || !total.is_multiple_of(4) || total > limit {
        return Err(NoBlock::Damaged);
    }
    if bytes.len() < total {
        return Err(NoBlock::Incomplete);
    }
    if u32_at(bytes, total - 4) != u32_at(bytes, 4) { Err(NoBlock::Damaged) } else { Ok(total) }
}

/// Reads the block that `bytes` begins with: what it is, and its length.
pub(super) fn read(bytes: &[u8]) -> Result<(Block, usize), NoBlock> {
    let total = length(bytes)?;
    let block = bytes.get(..total).ok_or(NoBlock::Incomplete)?;
    let read = match u32_at(block, 0) {
        Some(BLOCK_PACKET) => packet(block).map_or(Block::Broken, Block::Entry),
        Some(BLOCK_CUSTOM) => custom(block),
        Some(BLOCK_SECTION) if u32_at(block, 8) != Some(BYTE_ORDER_MAGIC) => return Err(NoBlock::Damaged),
        Some(BLOCK_SECTION | BLOCK_INTERFACE) => Block::Structure,
        _ => Block::Unknown,
    };
    Ok((read, total))
}

/// Whether a custom block of ours begins here, its checksum right.
pub(super) fn is_ours(bytes: &[u8]) -> Result<bool, NoBlock> {
    let kind = bytes.get(..4).ok_or(NoBlock::Incomplete)?;
    if kind != BLOCK_CUSTOM.to_le_bytes() {
        return Ok(false);
    }
    let magic = bytes.get(CUSTOM_CHECKED..CUSTOM_CHECKED + MAGIC.len()).ok_or(NoBlock::Incomplete)?;
    if magic != MAGIC {
        return Ok(false);
    }
    let total = length(bytes)?;
    Ok(bytes.get(..total).is_some_and(checked))
}

fn checked(block: &[u8]) -> bool {
    let end = block.len().saturating_sub(CUSTOM_TRAILER);
    let covered = block.get(CUSTOM_CHECKED..end).unwrap_or_default();
    covered.len() >= CUSTOM_HEADER - CUSTOM_CHECKED && u32_at(block, end) == Some(crc32fast::hash(covered))
}

fn custom(block: &[u8]) -> Block {
    if u32_at(block, 8) != Some(ENTERPRISE) || block.get(CUSTOM_CHECKED..CUSTOM_CHECKED + 6) != Some(MAGIC) {
        return Block::Unknown;
    }
    if !checked(block) {
        return Block::Broken;
    }
    let (Some([kind, layout]), Some(at)) = (block.get(18..20), u64_at(block, 20)) else { return Block::Broken };
    let at = Wall(at.cast_signed());
    let length = u32_at(block, 28).and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let bytes = CUSTOM_HEADER..CUSTOM_HEADER.saturating_add(length);
    let Some(payload) = block.get(bytes.clone()) else { return Block::Broken };
    if bytes.end + padding(length) + CUSTOM_TRAILER != block.len() {
        return Block::Broken;
    }
    match (*layout, *kind) {
        (LAYOUT, KIND_EVENT) => match serde_json::from_slice(payload) {
            Ok(event) => Block::Entry(Shape { at, what: What::Event(Box::new(event)), bytes }),
            Err(_) => Block::Unknown,
        },
        (LAYOUT, KIND_CHECKPOINT) => Block::Entry(Shape { at, what: What::Checkpoint, bytes }),
        (LAYOUT, KIND_MARK) => Mark::from_bytes(payload).map_or(Block::Broken, |mark| Block::Mark(at, mark)),
        _ => Block::Unknown,
    }
}

fn packet(block: &[u8]) -> Option<Shape> {
    let interface = Interface::from_id(u32_at(block, 8)?)?;
    let at = Wall((u64::from(u32_at(block, 12)?) << 32 | u64::from(u32_at(block, 16)?)).cast_signed());
    let captured = usize::try_from(u32_at(block, 20)?).ok()?;
    let options = PACKET_HEADER.checked_add(captured)?.checked_add(padding(captured))?;
    if options + 4 > block.len() {
        return None;
    }
    let ip = block.get(PACKET_HEADER..PACKET_HEADER + captured)?;
    let (from, to, headers) = addresses(ip)?;
    let (outbound, protected) = told_of(block.get(options..block.len() - 4)?);
    let what = match interface {
        Interface::Sip(transport) => What::Sip { transport, outbound, from, to },
        Interface::Rtp(port) => What::Rtp { port, from, to, protected },
        Interface::Rtcp(port) => What::Rtcp { port, outbound, from, to },
    };
    Some(Shape { at, what, bytes: PACKET_HEADER + headers..PACKET_HEADER + captured })
}

/// Sender, receiver and length of the headers of a whole IP packet with UDP in it.
fn addresses(ip: &[u8]) -> Option<(SocketAddr, SocketAddr, usize)> {
    let (from, to, headers): (IpAddr, IpAddr, usize) = match *ip.first()? {
        0x45 => {
            let header = ip.get(..IPV4_HEADER)?;
            if Sum::default().bytes(header).finish() != 0 || usize::from(u16_be_at(ip, 2)?) != ip.len() {
                return None;
            }
            let protocol = *ip.get(9)?;
            let from = Ipv4Addr::from(*ip.get(12..)?.first_chunk::<4>()?);
            let to = Ipv4Addr::from(*ip.get(16..)?.first_chunk::<4>()?);
            (protocol == PROTOCOL_UDP).then_some((from.into(), to.into(), IPV4_HEADER))?
        }
        0x60 => {
            if usize::from(u16_be_at(ip, 4)?) + IPV6_HEADER != ip.len() || *ip.get(6)? != PROTOCOL_UDP {
                return None;
            }
            let from = Ipv6Addr::from(*ip.get(8..)?.first_chunk::<16>()?);
            let to = Ipv6Addr::from(*ip.get(24..)?.first_chunk::<16>()?);
            (from.to_canonical(), to.to_canonical(), IPV6_HEADER)
        }
        _ => return None,
    };
    let udp = ip.get(headers..headers + UDP_HEADER)?;
    if usize::from(u16_be_at(udp, 4)?) + headers != ip.len() {
        return None;
    }
    let (from_port, to_port) = (u16_be_at(udp, 0)?, u16_be_at(udp, 2)?);
    Some((SocketAddr::new(from, from_port), SocketAddr::new(to, to_port), headers + UDP_HEADER))
}

/// What a packet's options say: whether we sent it, and how it was protected.
fn told_of(mut options: &[u8]) -> (bool, Option<Protected>) {
    let (mut outbound, mut protected) = (false, None);
    while let (Some(code), Some(length)) = (u16_at(options, 0), u16_at(options, 2)) {
        let length = usize::from(length);
        match code {
            OPTION_END => break,
            OPTION_PACKET_FLAGS => outbound = u32_at(options, 4).is_some_and(|flags| flags & 3 == FLAGS_OUTBOUND),
            OPTION_CUSTOM_BINARY if length == 12 && u32_at(options, 4) == Some(ENTERPRISE) => {
                protected = options.get(8..).and_then(|data| protection(data.first_chunk()?));
            }
            _ => {}
        }
        let Some(rest) = options.get(4 + length + padding(length)..) else { break };
        options = rest;
    }
    (outbound, protected)
}

fn protection(data: &[u8; 8]) -> Option<Protected> {
    match data.first() {
        Some(&PROTECTED_AUTHENTIC) => {
            Some(Protected::Authentic { index: u64::from_be_bytes(*data) & 0xffff_ffff_ffff })
        }
        Some(&PROTECTED_SEALED) => Some(Protected::Sealed),
        _ => None,
    }
}
