//! RTP and RTCP (RFC 3550): packets as bytes, sequence numbers over wraps, statistics of a source, and how it sounds.
//!
//! ```text
//! bytes -> Packet::parse -> Reception::receive -> Arrival (Next | Late | Duplicate | Suspect | Resync)
//!       -> rtcp::parse   -> Reception::sender_report        Reception::report_block -> rtcp::Encoder
//! ```

pub mod event;
pub mod extended;
pub mod packet;
pub mod quality;
pub mod rtcp;
pub mod sequence;
mod skew;
pub mod stats;

pub use packet::{Packet, RtpError};
pub use sequence::{Arrival, Extender, TimestampExtender};
pub use stats::{Reception, SourceStatistics};

/// The clock rate of a payload type that needs no rtpmap (RFC 3551 6, tables 4 and 5); `None` for a dynamic one.
pub fn static_clock_rate(payload_type: u8) -> Option<u32> {
    match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 => Some(8_000),
        6 | 16 => Some(if payload_type == 6 { 16_000 } else { 11_025 }),
        10 | 11 => Some(44_100),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        17 => Some(22_050),
        _ => None,
    }
}
