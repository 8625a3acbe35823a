//! What of receivers and senders goes into a checkpoint: counters and indices, never a key.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Packets that a master key has protected, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyUse {
    /// Of SRTP.
    pub srtp: u64,
    /// Of SRTCP.
    pub srtcp: u64,
}

/// How far a source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Its SSRC.
    pub ssrc: u32,
    /// The highest index seen. For SRTP the rollover counter stands above the lower 16 bits, which are the sequence number.
    pub index: u64,
    /// Which of the newest 64 were seen: bit `n` for the index `n` below the highest. What is older counts as seen.
    pub recent: u64,
}

/// A receiver without its keys, which are kept elsewhere, and sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReceiverState {
    /// Sources of SRTP.
    pub sources: Vec<SourceState>,
    /// Sources of SRTCP.
    pub reporters: Vec<SourceState>,
    /// SSRCs that are still to come, and their rollover counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<(u32, u32)>,
    /// The use of each master key, in the order of the keys.
    pub keys: Vec<KeyUse>,
}

/// A sender of reports without its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SenderState {
    /// The SRTCP indices below this one may have been used.
    pub reserved: u32,
}
