//! SDP (RFC 8866) and offer/answer (RFC 3264).

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A payload type and what it means (RFC 8866 6.6, RFC 3551 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name in its registered spelling: `PCMA`, `L16`, `telephone-event`.
    pub encoding: String,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Channels, 1 where the rtpmap names none.
    pub channels: u8,
    /// `a=fmtp`, as offered.
    pub fmtp: Option<String>,
}
