//! Entries to blocks. Stateless but for the ports that a segment has named; an RTP packet costs no allocation beyond
//! the growth of the buffer.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::datagram::{HEADERS_V6, headers};
use super::format::{
    BLOCK_CUSTOM, BLOCK_INTERFACE, BLOCK_PACKET, BLOCK_SECTION, BYTE_ORDER_MAGIC, CUSTOM_CHECKED, CUSTOM_HEADER,
    CUSTOM_TIME, CUSTOM_TRAILER, ENTERPRISE, FLAGS_OUTBOUND, FRAME, Interface, KIND_CHECKPOINT, KIND_EVENT, KIND_MARK,
    LAYOUT, LINK_TYPE_RAW, MAGIC, MAX_DATAGRAM, MAX_LABEL, MAX_OPTIONS, MAX_PAYLOAD, Mark, OPTION_CUSTOM_BINARY,
    OPTION_END, OPTION_INTERFACE_NAME, OPTION_INTERFACE_RESOLUTION, OPTION_PACKET_FLAGS, OPTION_SECTION_APPLICATION,
    PACKET_HEADER, PROTECTED_AUTHENTIC, PROTECTED_SEALED, RESOLUTION_NANOSECONDS, padding, u32_at, u64_at,
};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected, SegmentHeader};
use crate::time::Wall;

/// Behind a packet at most: padding, options, and the block's length again.
const PACKET_TAIL: usize = 3 + MAX_OPTIONS + 4;

/// A segment's beginning, and the ports it has named so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    ports: u32,
}

impl Encoder {
    /// Appends all that a segment begins with: section header, [`Event::Segment`], interfaces. Ports that `streams`
    /// leaves out below its highest are named without a label.
    pub fn begin(out: &mut Vec<u8>, at: Wall, header: &SegmentHeader, streams: &[(PortIndex, Option<&str>)]) -> Self {
        section(out, &header.version);
        event(out, at, &Event::Segment(header.clone()));
        for name in ["sip udp", "sip tcp", "sip tls"] {
            interface(out, &[name]);
        }
        let mut encoder = Self { ports: 0 };
        let mut streams: Vec<_> = streams.to_vec();
        streams.sort_by_key(|(port, _)| *port);
        for (port, label) in streams {
            encoder.add_port(out, port, label);
        }
        encoder
    }

    /// Appends the interfaces of a port, and those of lower ports that are not named yet. Nothing if it is known.
    pub fn add_port(&mut self, out: &mut Vec<u8>, port: PortIndex, label: Option<&str>) {
        while self.ports <= u32::from(port.0) {
            let index = alloc::format!("{}", self.ports);
            let label = label.filter(|_| self.ports == u32::from(port.0)).map(shortened);
            for protocol in ["rtp ", "rtcp "] {
                match label {
                    Some(label) => interface(out, &[protocol, &index, " label ", label]),
                    None => interface(out, &[protocol, &index]),
                }
            }
            self.ports += 1;
        }
    }

    /// How many ports are named: port indices below it may be used in entries.
    pub fn ports(&self) -> u32 {
        self.ports
    }
}

/// Octets that the block of a packet takes at most; 0 of what is no packet.
pub fn room(kind: &Kind<'_>) -> usize {
    match kind {
        Kind::Rtp { packet, .. } | Kind::Rtcp { packet, .. } | Kind::Sip { message: packet, .. } => {
            PACKET_HEADER + HEADERS_V6 + packet.len() + PACKET_TAIL
        }
        Kind::Event(_) | Kind::Checkpoint(_) => 0,
    }
}

/// Appends one entry's block. An event or a checkpoint over [`MAX_PAYLOAD`] is not written; [`Event::Dropped`] says so
/// in its place.
pub fn entry(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let at = entry.at;
    match &entry.kind {
        Kind::Rtp { port, from, to, packet: payload, protected } => {
            let options = protected.as_ref().map_or(Options::None, |protected| Options::Protected(*protected));
            packet(out, Interface::Rtp(*port), at, options, (*from, *to), payload);
        }
        Kind::Rtcp { port, outbound, from, to, packet: payload } => {
            packet(out, Interface::Rtcp(*port), at, Options::of(*outbound), (*from, *to), payload);
        }
        Kind::Sip { transport, outbound, from, to, message } => {
            packet(out, Interface::Sip(*transport), at, Options::of(*outbound), (*from, *to), message);
        }
        Kind::Event(e) => event(out, at, e),
        Kind::Checkpoint(json) => sized(out, at, KIND_CHECKPOINT, json),
    }
}

/// Appends a mark.
pub fn mark(out: &mut Vec<u8>, at: Wall, mark: &Mark) {
    custom(out, at, KIND_MARK, &mark.to_bytes());
}

/// How many packets whole blocks hold: what is lost if they are dropped.
pub fn packets_in(blocks: &[u8]) -> u64 {
    whole(blocks).map(|(kind, _)| u64::from(kind == BLOCK_PACKET)).sum()
}

/// The latest time that whole blocks tell.
pub fn latest_in(blocks: &[u8]) -> Option<Wall> {
    let time = |(kind, block): (u32, &[u8])| match kind {
        BLOCK_PACKET => Some(u64::from(u32_at(block, 12)?) << 32 | u64::from(u32_at(block, 16)?)),
        BLOCK_CUSTOM => u64_at(block, CUSTOM_TIME),
        _ => None,
    };
    whole(blocks).filter_map(time).map(|time| Wall(time.cast_signed())).max()
}

/// Blocks of our own making, one by one, by type.
fn whole(mut blocks: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    core::iter::from_fn(move || {
        let (kind, length) = (u32_at(blocks, 0)?, usize::try_from(u32_at(blocks, 4)?).ok()?);
        let (block, rest) = blocks.split_at_checked(length).filter(|_| length >= FRAME)?;
        blocks = rest;
        Some((kind, block))
    })
}

fn event(out: &mut Vec<u8>, at: Wall, event: &Event) {
    // Our events have string keys and no failing `Serialize`: an error cannot be, and would be seen as an empty event.
    let json = serde_json::to_vec(event).unwrap_or_default();
    sized(out, at, KIND_EVENT, &json);
}

fn sized(out: &mut Vec<u8>, at: Wall, kind: u8, json: &[u8]) {
    if json.len() <= MAX_PAYLOAD {
        return custom(out, at, kind, json);
    }
    let cause = alloc::format!("an event or checkpoint of {} bytes is over the journal's limit", json.len());
    let told = serde_json::to_vec(&Event::Dropped { port: None, packets: 0, cause }).unwrap_or_default();
    custom(out, at, KIND_EVENT, &told);
}

fn custom(out: &mut Vec<u8>, at: Wall, kind: u8, payload: &[u8]) {
    let padding = padding(payload.len());
    let total = CUSTOM_HEADER + payload.len() + padding + CUSTOM_TRAILER;
    out.reserve(total);
    let start = out.len();
    out.extend_from_slice(&BLOCK_CUSTOM.to_le_bytes());
    out.extend_from_slice(&length32(total));
    out.extend_from_slice(&ENTERPRISE.to_le_bytes());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[kind, LAYOUT]);
    out.extend_from_slice(&at.0.to_le_bytes());
    out.extend_from_slice(&length32(payload.len()));
    out.extend_from_slice(payload);
    out.extend_from_slice(&[0; 3][..padding]);
    let crc = crc32fast::hash(&out[start + CUSTOM_CHECKED..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&length32(total));
}

fn section(out: &mut Vec<u8>, version: &str) {
    let mut body = Vec::new();
    body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend_from_slice(&1u16.to_le_bytes());
    body.extend_from_slice(&0u16.to_le_bytes());
    body.extend_from_slice(&(-1i64).to_le_bytes());
    option(&mut body, OPTION_SECTION_APPLICATION, &["siprec ", shortened(version)]);
    option(&mut body, OPTION_END, &[]);
    plain(out, BLOCK_SECTION, &body);
}

fn interface(out: &mut Vec<u8>, name: &[&str]) {
    let mut body = Vec::new();
    body.extend_from_slice(&LINK_TYPE_RAW.to_le_bytes());
    body.extend_from_slice(&[0; 6]);
    option(&mut body, OPTION_INTERFACE_NAME, name);
    body.extend_from_slice(&OPTION_INTERFACE_RESOLUTION.to_le_bytes());
    body.extend_from_slice(&1u16.to_le_bytes());
    body.extend_from_slice(&[RESOLUTION_NANOSECONDS, 0, 0, 0]);
    option(&mut body, OPTION_END, &[]);
    plain(out, BLOCK_INTERFACE, &body);
}

fn plain(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&length32(FRAME + body.len()));
    out.extend_from_slice(body);
    out.extend_from_slice(&length32(FRAME + body.len()));
}

/// A pcapng option whose value is a text in pieces.
fn option(out: &mut Vec<u8>, code: u16, value: &[&str]) {
    let length: usize = value.iter().map(|piece| piece.len()).sum();
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
    for piece in value {
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(&[0; 3][..padding(length)]);
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_LABEL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What stands behind a packet.
#[derive(Clone, Copy)]
enum Options {
    None,
    Outbound,
    Protected(Protected),
}

impl Options {
    fn of(outbound: bool) -> Self {
        if outbound { Self::Outbound } else { Self::None }
    }

    /// The option that there is, if any, with the end of options behind it.
    fn write(self, out: &mut [u8]) -> usize {
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        match self {
            Self::None => 0,
            Self::Outbound => {
                put(0, &OPTION_PACKET_FLAGS.to_le_bytes());
                put(2, &4u16.to_le_bytes());
                put(4, &FLAGS_OUTBOUND.to_le_bytes());
                12
            }
            Self::Protected(protected) => {
                let (verdict, index) = match protected {
                    Protected::Authentic { index } | Protected::Opened { index } => (PROTECTED_AUTHENTIC, index),
                    Protected::Sealed => (PROTECTED_SEALED, 0),
                };
                put(0, &OPTION_CUSTOM_BINARY.to_le_bytes());
                put(2, &12u16.to_le_bytes());
                put(4, &ENTERPRISE.to_le_bytes());
                // The index has 48 bits; the verdict stands above it.
                put(8, &(index & 0xffff_ffff_ffff | u64::from(verdict) << 56).to_be_bytes());
                20
            }
        }
    }
}

fn packet(
    out: &mut Vec<u8>,
    interface: Interface,
    at: Wall,
    options: Options,
    (from, to): (SocketAddr, SocketAddr),
    payload: &[u8],
) {
    let kept = payload.get(..MAX_DATAGRAM).unwrap_or(payload);
    let mut head = [0; PACKET_HEADER + HEADERS_V6];
    let headers = headers(&mut head[PACKET_HEADER..], from, to, kept);
    block(out, &mut head[..PACKET_HEADER + headers], interface, at, options, (kept, payload.len()));
}

/// Completes `head` and appends it, what is kept of the payload, and the block's end.
fn block(
    out: &mut Vec<u8>,
    head: &mut [u8],
    interface: Interface,
    at: Wall,
    options: Options,
    (kept, original): (&[u8], usize),
) {
    let headers = head.len() - PACKET_HEADER;
    let padding = padding(headers + kept.len());
    let mut tail = [0; PACKET_TAIL];
    let end = options.write(&mut tail[padding..]) + 4;
    let total = head.len() + kept.len() + padding + end;
    // The bits of an i64, which a reader takes back; before 1970 no packet arrives.
    let time = at.0.cast_unsigned();
    head[0..4].copy_from_slice(&BLOCK_PACKET.to_le_bytes());
    head[4..8].copy_from_slice(&length32(total));
    head[8..12].copy_from_slice(&interface.id().to_le_bytes());
    head[12..16].copy_from_slice(&time.to_le_bytes()[4..]);
    head[16..20].copy_from_slice(&time.to_le_bytes()[..4]);
    head[20..24].copy_from_slice(&length32(headers + kept.len()));
    head[24..28].copy_from_slice(&length32(headers + original));
    tail[padding + end - 4..padding + end].copy_from_slice(&length32(total));
    out.reserve(total);
    out.extend_from_slice(head);
    out.extend_from_slice(kept);
    out.extend_from_slice(&tail[..padding + end]);
}

/// Lengths here are bounded by [`MAX_PAYLOAD`]; the original length of a cut payload may be anything.
fn length32(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}
