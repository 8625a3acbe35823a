//! SRTP and SRTCP (RFC 3711, 6188, 7714): packets made plain and packets protected, in place.
//!
//! ```text
//! datagram -> Receiver::unprotect        -> Plain { length, index } -> rtp::Packet
//!          -> Receiver::unprotect_report -> PlainReport             -> rtp::rtcp
//! our RTCP -> Sender::protect_report     -> datagram                  our RTP -> Sender::protect
//! ```
//! A packet is authenticated before anything else comes of it: what is forged, replayed or under a lost key is an error,
//! leaves its bytes as they were and no trace in the receiver. The rollover counter of each source can be read and set, and a
//! [`ReceiverState`] carries all of them over a crash. Keys come from `sdp::crypto` (or from DTLS), and are wiped when
//! dropped.

mod cipher;
mod derivation;
mod keys;
mod receiver;
mod sender;
mod sources;
mod state;
mod window;
#[cfg(test)]
mod tests;

pub use receiver::{MAX_SEARCHED, MAX_TRIALS, Plain, PlainReport, Receiver, SEARCHED_AT_ONCE};
pub use sender::{REPORTS_RESERVED, Sender};
pub use sources::MAX_SOURCES;
pub use state::{KeyUse, ReceiverState, SenderState, SourceState};
pub use window::{REPORT_WINDOW, WINDOW};

use core::fmt;

use crate::rtp::packet::{HEADER_LENGTH, u16_at, u32_at};

/// Why a packet is neither made plain nor protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// The peer's packet: too short for its headers, its tag and its MKI, or not version 2.
    Malformed,
    /// The peer's packet: no master key has its MKI.
    UnknownMki,
    /// The peer's packet: forged, damaged, or under another key or rollover counter.
    Unauthentic,
    /// The peer's packet: seen before, or its like was sent before.
    Replayed,
    /// The peer's packet: so far behind that nobody knows whether it was seen.
    TooOld,
    /// The master key's lifetime is over (RFC 3711 9.2), or its packets have no index left.
    KeyExpired,
    /// There are [`MAX_SOURCES`] sources under this key.
    TooManySources,
    /// Ours: no SRTCP index is reserved for the report.
    NotReserved,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not an SRTP packet",
            Self::UnknownMki => "no master key has this MKI",
            Self::Unauthentic => "authentication failed",
            Self::Replayed => "replayed",
            Self::TooOld => "too old for the replay window",
            Self::KeyExpired => "the key's lifetime is over: its owner must re-key",
            Self::TooManySources => "too many sources under one master key",
            Self::NotReserved => "no SRTCP index is reserved",
        })
    }
}

/// What of an RTP packet is never encrypted, read so far as SRTP needs it.
#[derive(Debug, Clone, Copy)]
struct Head {
    ssrc: u32,
    sequence: u16,
    /// Where the payload begins: behind CSRCs and header extension (RFC 3711 3.1).
    payload_at: usize,
}

impl Head {
    fn read(packet: &[u8]) -> Option<Self> {
        let first = *packet.first().filter(|first| **first >> 6 == 2)?;
        let csrcs_end = HEADER_LENGTH + usize::from(first & 0x0f) * 4;
        let payload_at = match first & 0x10 {
            0 => csrcs_end,
            _ => csrcs_end + 4 + usize::from(u16_at(packet, csrcs_end + 2)?) * 4,
        };
        let head = Self { ssrc: u32_at(packet, 8)?, sequence: u16_at(packet, 2)?, payload_at };
        (payload_at <= packet.len()).then_some(head)
    }
}
