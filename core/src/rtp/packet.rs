//! One RTP packet, read in place (RFC 3550 5.1). Nothing here knows of streams.

use core::fmt;

/// Octets of the fixed header (RFC 3550 5.1).
pub const HEADER_LENGTH: usize = 12;

/// An RTP packet, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The marker bit: the start of a talkspurt or the end of a picture.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in the payload type's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources.
    pub csrcs: Csrcs<'a>,
    /// The header extension, if there is one (RFC 3550 5.3.1).
    pub extension: Option<Extension<'a>>,
    /// The payload, padding stripped.
    pub payload: &'a [u8],
}

/// The list of contributing sources: 0 to 15 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Csrcs<'a>(&'a [u8]);

impl<'a> Csrcs<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, as sent.
    pub fn iter(&self) -> impl Iterator<Item = u32> + 'a {
        self.0.chunks_exact(4).filter_map(|c| u32_at(c, 0))
    }
}

/// A header extension: its profile's 16 bits and its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Defined by profile; 0xBEDE and 0x1000 to 0x100F are those of RFC 8285.
    pub profile: u16,
    /// Whole 32-bit words.
    pub data: &'a [u8],
}

/// Why a datagram is not an RTP packet (RFC 3550 A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than a fixed header.
    TooShort,
    /// The version is not 2.
    Version,
    /// The CSRC list goes beyond the end.
    CsrcList,
    /// The header extension goes beyond the end.
    Extension,
    /// The padding's length is 0 or more than there is.
    Padding,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than an RTP header",
            Self::Version => "not RTP version 2",
            Self::CsrcList => "CSRC list beyond the end",
            Self::Extension => "header extension beyond the end",
            Self::Padding => "impossible padding",
        })
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet (RFC 3550 5.1, checks of A.1 that need no stream).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let (header, rest) = bytes.split_at_checked(HEADER_LENGTH).ok_or(RtpError::TooShort)?;
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = header else {
            return Err(RtpError::TooShort);
        };
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let csrc_octets = usize::from(first & 0x0f) * 4;
        let (csrcs, rest) = rest.split_at_checked(csrc_octets).ok_or(RtpError::CsrcList)?;
        let (extension, rest) = if first & 0x10 == 0 { (None, rest) } else { split_extension(rest)? };
        let payload = if first & 0x20 == 0 { rest } else { strip_padding(rest)? };
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            csrcs: Csrcs(csrcs),
            extension,
            payload,
        })
    }
}

/// RFC 3550 5.3.1: 16 bits of profile, 16 bits of length in words, the words.
fn split_extension(rest: &[u8]) -> Result<(Option<Extension<'_>>, &[u8]), RtpError> {
    let (head, rest) = rest.split_at_checked(4).ok_or(RtpError::Extension)?;
    let &[p0, p1, l0, l1] = head else { return Err(RtpError::Extension) };
    let octets = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(octets).ok_or(RtpError::Extension)?;
    Ok((Some(Extension { profile: u16::from_be_bytes([p0, p1]), data }), rest))
}

/// RFC 3550 5.1: the last octet counts the padding, itself included.
fn strip_padding(rest: &[u8]) -> Result<&[u8], RtpError> {
    let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
    let keep = rest.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
    rest.get(..keep).ok_or(RtpError::Padding)
}

/// The big-endian 32 bits at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

/// The big-endian 16 bits at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn a_plain_packet_is_read() {
        let bytes = [0x80, 0x88, 0xff, 0xfe, 0, 0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3];
        let p = Packet::parse(&bytes).unwrap();
        assert!(p.marker);
        assert_eq!((p.payload_type, p.sequence, p.timestamp, p.ssrc), (8, 0xfffe, 0x1234, 0xdead_beef));
        assert_eq!(p.payload, [1, 2, 3]);
        assert!(p.csrcs.is_empty() && p.extension.is_none());
    }

    #[test]
    fn csrcs_extension_and_padding_are_taken_off() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 15, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        for i in 0..15_u32 {
            bytes.extend(i.to_be_bytes());
        }
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([7, 7, 0, 0, 3]);
        let p = Packet::parse(&bytes).unwrap();
        assert_eq!(p.csrcs.iter().collect::<Vec<_>>(), (0..15).collect::<Vec<_>>());
        assert_eq!(p.csrcs.len(), 15);
        assert_eq!(p.extension, Some(Extension { profile: 0xbede, data: &[9, 9, 9, 9] }));
        assert_eq!(p.payload, [7, 7]);
    }

    #[test]
    fn an_empty_extension_is_legal() {
        let bytes = [0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 0, 5];
        assert_eq!(Packet::parse(&bytes).unwrap().payload, [5]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let head = |first: u8| [first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!(Packet::parse(&head(0x80)[..11]), Err(RtpError::TooShort));
        assert_eq!(Packet::parse(&head(0x40)), Err(RtpError::Version));
        assert_eq!(Packet::parse(&head(0x81)), Err(RtpError::CsrcList));
        assert_eq!(Packet::parse(&head(0x90)), Err(RtpError::Extension));
        assert_eq!(Packet::parse(&head(0xa0)), Err(RtpError::Padding));
        let mut padded = head(0xa0).to_vec();
        padded.extend([1, 2, 0]);
        assert_eq!(Packet::parse(&padded), Err(RtpError::Padding));
        padded.extend([255]);
        assert_eq!(Packet::parse(&padded), Err(RtpError::Padding));
    }

    #[test]
    fn padding_may_be_all_there_is() {
        let bytes = [0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 3];
        assert!(Packet::parse(&bytes).unwrap().payload.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            if let Ok(p) = Packet::parse(&bytes) {
                proptest::prop_assert!(p.payload.len() + HEADER_LENGTH <= bytes.len());
            }
        }
    }
}
