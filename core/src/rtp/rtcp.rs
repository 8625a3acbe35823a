//! RTCP (RFC 3550 6): compound packets read in place, receiver reports written.

use alloc::vec::Vec;
use core::fmt;

use super::packet::{u16_at, u32_at};

/// Report blocks that fit one packet (RFC 3550 6.4.1: 5 bits).
pub const MAX_REPORT_BLOCKS: usize = 31;
/// Octets of text that fit one SDES item (RFC 3550 6.5).
pub const MAX_SDES_TEXT: usize = 255;
/// Packets of one compound that are looked at.
pub const MAX_COMPOUND: usize = 64;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const APPLICATION: u8 = 204;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;
const SDES_CNAME: u8 = 1;
/// Formats of payload-specific feedback.
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA_REQUEST: u8 = 4;
const BLOCK_OCTETS: usize = 24;

/// Whether a datagram on a port that carries both is RTCP (RFC 5761 4: packet types 192 to 223), and could be: the first
/// packet ends within it.
pub fn is_rtcp(bytes: &[u8]) -> bool {
    let (Some(&first), Some(&kind), Some(words)) = (bytes.first(), bytes.get(1), u16_at(bytes, 2)) else {
        return false;
    };
    first >> 6 == 2 && (192..=223).contains(&kind) && (usize::from(words) + 1) * 4 <= bytes.len()
}

/// Why a datagram is not RTCP (RFC 3550 A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpError {
    /// Shorter than a header.
    TooShort,
    /// The version is not 2.
    Version,
    /// The first packet's type is none of RTCP's.
    Type,
    /// A length goes beyond the end.
    Length,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than an RTCP header",
            Self::Version => "not RTCP version 2",
            Self::Type => "not a packet type of RTCP",
            Self::Length => "RTCP packet beyond the end",
        })
    }
}

/// The packets of a compound, in order. The first one is known to be whole; one that is not ends the list.
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a> {
    rest: &'a [u8],
    left: usize,
}

/// Reads a datagram as a compound packet. More tolerant than RFC 3550 A.2: the first packet need not be a report (RFC
/// 5506), and what follows a damaged one is lost, not what came before it.
pub fn parse(bytes: &[u8]) -> Result<Compound<'_>, RtcpError> {
    let first = *bytes.first().ok_or(RtcpError::TooShort)?;
    let kind = *bytes.get(1).ok_or(RtcpError::TooShort)?;
    let words = u16_at(bytes, 2).ok_or(RtcpError::TooShort)?;
    if first >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    if !(192..=223).contains(&kind) {
        return Err(RtcpError::Type);
    }
    if (usize::from(words) + 1) * 4 > bytes.len() {
        return Err(RtcpError::Length);
    }
    Ok(Compound { rest: bytes, left: MAX_COMPOUND })
}

impl<'a> Iterator for Compound<'a> {
    type Item = Report<'a>;

    fn next(&mut self) -> Option<Report<'a>> {
        loop {
            let (packet, rest) = split_packet(self.rest)?;
            self.left = self.left.checked_sub(1)?;
            self.rest = rest;
            if let Some(report) = packet.report() {
                return Some(report);
            }
        }
    }
}

/// One packet of a compound: its header's parts and its body without padding.
struct Piece<'a> {
    count: u8,
    kind: u8,
    body: &'a [u8],
}

fn split_packet(bytes: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let (first, kind) = (*bytes.first()?, *bytes.get(1)?);
    let end = (usize::from(u16_at(bytes, 2)?) + 1) * 4;
    let (packet, rest) = bytes.split_at_checked(end)?;
    let mut body = packet.get(4..)?;
    if first & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        body = body.get(..body.len().checked_sub(padding)?)?;
    }
    (first >> 6 == 2).then_some((Piece { count: first & 0x1f, kind, body }, rest))
}

impl<'a> Piece<'a> {
    /// `None` for a packet too short for its type.
    fn report(&self) -> Option<Report<'a>> {
        let body = self.body;
        Some(match self.kind {
            SENDER_REPORT => Report::Sender(SenderReport {
                ssrc: u32_at(body, 0)?,
                ntp: u64::from(u32_at(body, 4)?) << 32 | u64::from(u32_at(body, 8)?),
                rtp: u32_at(body, 12)?,
                packets: u32_at(body, 16)?,
                octets: u32_at(body, 20)?,
                blocks: Blocks::new(body.get(24..)?, self.count),
            }),
            RECEIVER_REPORT => {
                Report::Receiver { ssrc: u32_at(body, 0)?, blocks: Blocks::new(body.get(4..)?, self.count) }
            }
            SOURCE_DESCRIPTION => Report::Description(Chunks { rest: body, left: self.count }),
            GOODBYE => Report::Goodbye(Ssrcs(body.get(..usize::from(self.count) * 4)?)),
            APPLICATION => Report::Application { ssrc: u32_at(body, 0)? },
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK => Report::Feedback { ssrc: u32_at(body, 0)? },
            EXTENDED_REPORT => Report::Extended { ssrc: u32_at(body, 0)?, blocks: body.get(4..)? },
            other => Report::Other(other),
        })
    }
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report<'a> {
    /// SR (RFC 3550 6.4.1).
    Sender(SenderReport<'a>),
    /// RR (RFC 3550 6.4.2).
    Receiver {
        /// Who reports.
        ssrc: u32,
        /// On whom.
        blocks: Blocks<'a>,
    },
    /// SDES (RFC 3550 6.5).
    Description(Chunks<'a>),
    /// BYE (RFC 3550 6.6).
    Goodbye(Ssrcs<'a>),
    /// APP (RFC 3550 6.7).
    Application {
        /// Who sends it.
        ssrc: u32,
    },
    /// Feedback (RFC 4585 6.1).
    Feedback {
        /// Who sends it.
        ssrc: u32,
    },
    /// XR (RFC 3611).
    Extended {
        /// Who reports.
        ssrc: u32,
        /// Report blocks, unread.
        blocks: &'a [u8],
    },
    /// A type that we do not know; skipped as RFC 3550 6.1 asks.
    Other(u8),
}

/// A sender's own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// Its wall clock, NTP format.
    pub ntp: u64,
    /// The same moment as an RTP timestamp.
    pub rtp: u32,
    /// Packets it sent.
    pub packets: u32,
    /// Payload octets it sent.
    pub octets: u32,
    /// What it says of those it hears.
    pub blocks: Blocks<'a>,
}

/// Report blocks of an SR or RR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn new(body: &'a [u8], count: u8) -> Self {
        let wanted = usize::from(count) * BLOCK_OCTETS;
        Self(body.get(..wanted.min(body.len())).unwrap_or(&[]))
    }

    /// Each whole block.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + 'a {
        self.0.chunks_exact(BLOCK_OCTETS).filter_map(ReportBlock::parse)
    }
}

/// The sources that say goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssrcs<'a>(&'a [u8]);

impl<'a> Ssrcs<'a> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + 'a {
        self.0.chunks_exact(4).filter_map(|c| u32_at(c, 0))
    }
}

/// Chunks of an SDES packet: a source and its CNAME. Other items are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Iterator for Chunks<'a> {
    /// The source and its CNAME, if the chunk has one.
    type Item = (u32, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let ssrc = u32_at(self.rest, 0)?;
        let mut at = 4;
        let mut cname = None;
        while let Some(&item) = self.rest.get(at).filter(|&&item| item != 0) {
            let length = usize::from(*self.rest.get(at + 1)?);
            let text = self.rest.get(at + 2..at + 2 + length)?;
            if item == SDES_CNAME {
                cname = Some(text);
            }
            at += 2 + length;
        }
        // At least one null octet ends the items, up to the next 32-bit boundary (RFC 3550 6.5).
        let end = (at / 4 + 1) * 4;
        self.rest = self.rest.get(end..).unwrap_or(&[]);
        Some((ssrc, cname))
    }
}

/// What a receiver says of one source (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the beginning; 24 bits, signed.
    pub cumulative_lost: i32,
    /// Highest sequence number with its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter, in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last SR's NTP timestamp, or 0.
    pub last_sr: u32,
    /// Time since that SR, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let loss = u32_at(bytes, 4)?;
        Some(Self {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (loss >> 24) as u8,
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sr: u32_at(bytes, 16)?,
            delay_since_last_sr: u32_at(bytes, 20)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0x00ff_ffff;
        let loss = u32::from(self.fraction_lost) << 24 | lost;
        for word in [self.ssrc, loss, self.highest_sequence, self.jitter, self.last_sr, self.delay_since_last_sr] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// Appends an RR: our report on `blocks` (the first 31 of them).
pub fn encode_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: impl Iterator<Item = ReportBlock>) {
    let start = begin(out, RECEIVER_REPORT);
    out.extend_from_slice(&ssrc.to_be_bytes());
    let mut count = 0_u8;
    for block in blocks.take(MAX_REPORT_BLOCKS) {
        block.encode(out);
        count += 1;
    }
    finish(out, start, count);
}

/// Appends an SDES with our CNAME (cut to what an item holds).
pub fn encode_description(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let start = begin(out, SOURCE_DESCRIPTION);
    out.extend_from_slice(&ssrc.to_be_bytes());
    let text = cname.as_bytes();
    let text = text.get(..text.len().min(MAX_SDES_TEXT)).unwrap_or(&[]);
    out.extend_from_slice(&[SDES_CNAME, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    out.extend_from_slice(text);
    out.push(0);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    finish(out, start, 1);
}

/// Appends a BYE for one of our sources.
pub fn encode_goodbye(out: &mut Vec<u8>, ssrc: u32) {
    let start = begin(out, GOODBYE);
    out.extend_from_slice(&ssrc.to_be_bytes());
    finish(out, start, 1);
}

/// Appends a PLI (RFC 4585 6.3.1): pictures of the source `theirs` are damaged.
pub fn encode_picture_loss(out: &mut Vec<u8>, ours: u32, theirs: u32) {
    let start = begin(out, PAYLOAD_FEEDBACK);
    [ours, theirs].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    finish(out, start, PICTURE_LOSS);
}

/// Appends a FIR (RFC 5104 4.3.1): the source `theirs` is to send a whole picture. `sequence` tells requests apart.
pub fn encode_full_intra_request(out: &mut Vec<u8>, ours: u32, theirs: u32, sequence: u8) {
    let start = begin(out, PAYLOAD_FEEDBACK);
    [ours, 0, theirs, u32::from(sequence) << 24].iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    finish(out, start, FULL_INTRA_REQUEST);
}

fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80, kind, 0, 0]);
    start
}

/// Fills in count and length once the packet is whole.
fn finish(out: &mut [u8], start: usize, count: u8) {
    let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX);
    if let Some([first, _, high, low]) = out.get_mut(start..start + 4) {
        *first = 0x80 | count & 0x1f;
        [*high, *low] = words.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: 7,
            fraction_lost: 25,
            cumulative_lost: -3,
            highest_sequence: 0x0001_ffff,
            jitter: 11,
            last_sr: 0x1234_5678,
            delay_since_last_sr: 65_536,
        }
    }

    #[test]
    fn what_we_write_we_read() {
        let mut out = Vec::new();
        encode_receiver_report(&mut out, 0xaabb_ccdd, [block(), block()].into_iter());
        encode_description(&mut out, 0xaabb_ccdd, "siprec@192.0.2.1");
        encode_goodbye(&mut out, 0xaabb_ccdd);
        assert_eq!(out.len() % 4, 0);
        let reports: Vec<_> = parse(&out).unwrap().collect();
        let [Report::Receiver { ssrc, blocks }, Report::Description(chunks), Report::Goodbye(bye)] = reports[..] else {
            panic!("{reports:?}");
        };
        assert_eq!(ssrc, 0xaabb_ccdd);
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [block(), block()]);
        assert_eq!(chunks.collect::<Vec<_>>(), [(0xaabb_ccdd, Some(&b"siprec@192.0.2.1"[..]))]);
        assert_eq!(bye.iter().collect::<Vec<_>>(), [0xaabb_ccdd]);
    }

    #[test]
    fn a_cname_of_any_length_ends_in_a_null() {
        for length in 0..300 {
            let mut out = Vec::new();
            encode_description(&mut out, 1, &"x".repeat(length));
            assert_eq!(out.last(), Some(&0), "{length}");
            assert_eq!(out.len() % 4, 0);
            let Some(Report::Description(mut chunks)) = parse(&out).unwrap().next() else { panic!() };
            assert_eq!(chunks.next().unwrap().1.unwrap().len(), length.min(MAX_SDES_TEXT));
            assert_eq!(chunks.next(), None);
        }
    }

    #[test]
    fn a_sender_report_is_read() {
        let mut bytes = vec![0x80, 200, 0, 6];
        for word in [9_u32, 0x83aa_7e80, 0x8000_0000, 160, 50, 8_000] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend([0x80, 77, 0, 0]);
        let mut compound = parse(&bytes).unwrap();
        let Some(Report::Sender(sr)) = compound.next() else { panic!() };
        assert_eq!((sr.ssrc, sr.ntp, sr.rtp), (9, 0x83aa_7e80_8000_0000, 160));
        assert_eq!((sr.packets, sr.octets), (50, 8_000));
        assert_eq!(compound.next(), Some(Report::Other(77)));
        assert_eq!(compound.next(), None);
    }

    #[test]
    fn what_follows_a_damaged_packet_is_lost_but_not_what_came_before() {
        let mut out = Vec::new();
        encode_receiver_report(&mut out, 1, core::iter::empty());
        out.extend([0x80, 202, 0, 9, 1, 2]);
        assert_eq!(parse(&out).unwrap().count(), 1);
    }

    #[test]
    fn rtp_is_not_taken_for_rtcp() {
        assert!(!is_rtcp(&[0x80, 0x88, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!is_rtcp(&[0x80, 200, 0, 9, 0, 0, 0, 0]));
        assert!(is_rtcp(&[0x80, 203, 0, 1, 0, 0, 0, 0]));
        assert_eq!(parse(&[0x80, 8, 0, 0]).unwrap_err(), RtcpError::Type);
        assert_eq!(parse(&[0x80, 200, 0, 1]).unwrap_err(), RtcpError::Length);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 4..200), kind in 199_u8..209) {
            bytes[0] |= 0x80;
            bytes[0] &= 0xbf;
            bytes[1] = kind;
            bytes[2] = 0;
            for report in parse(&bytes).into_iter().flatten() {
                match report {
                    Report::Sender(sr) => drop(sr.blocks.iter().count()),
                    Report::Receiver { blocks, .. } => drop(blocks.iter().count()),
                    Report::Description(chunks) => drop(chunks.count()),
                    Report::Goodbye(bye) => drop(bye.iter().count()),
                    Report::Application { .. } | Report::Feedback { .. } | Report::Extended { .. } | Report::Other(_) => {}
                }
            }
        }
    }
}
