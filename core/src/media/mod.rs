//! Media: one port's worth of streams, without its sockets.
//!
//! ```text
//! datagram -> Port::handle_rtp | handle_rtcp -> Verdict (kept as RTP, as RTCP, or why not) -> Port::kept
//!             Port::poll_event   -> a source appeared
//!             Port::report       -> RTCP to send, and where to
//!             Port::statistics   -> figures of the port and of each source
//! ```
//!
//! A port keeps all that arrives on it and says whom it belongs to: the stream's source (first sender, or who took over
//! from it) or a stranger. What it does not do: order, decide on silence, and decode more than a sample of what comes. Nothing here allocates a packet; a
//! new source may.

mod digits;
pub mod dtmf;
mod hearing;
mod latch;
mod pictures;
mod port;
mod protection;
mod report;
mod second;
mod sources;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

pub use crate::entry::Digits;
use crate::entry::{PortIndex, SourceChange, Stream};
use crate::rtp::SourceStatistics;
use crate::sdp::Feedback;
use crate::seed::SessionId;
use crate::time::Wall;

pub use hearing::{Heard, PRINTS};
pub use latch::SILENCE;
pub use port::{MAX_JUNK_PER_SECOND, MAX_PACKETS_PER_SECOND, MAX_STRANGER_PACKETS_PER_SECOND, Port};
pub use protection::{
    MAX_SEALED_OCTETS, MAX_SEALED_PACKETS, MAX_SEALED_PER_SECOND, MAX_STRANGER_TRIALS_PER_SECOND,
    MAX_TRIALS_PER_SECOND, Protection, SrtpStatistics,
};
pub use second::Second;
pub use sources::{MAX_NEW_SOURCES_PER_SECOND, MAX_SOURCES};

/// What a port needs to know of its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortSettings {
    /// What it receives.
    pub stream: Stream,
    /// Our synchronisation source, in reports.
    pub ssrc: u32,
    /// Our canonical name (RFC 3550 6.5.1).
    pub cname: String,
    /// Where the SRC wants RTCP, if it says so.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share the RTP socket (RFC 5761).
    pub rtcp_mux: bool,
    /// From which the moments of our reports are drawn.
    pub seed: u64,
    /// The keys, where it is SRTP. They are never written down with the rest.
    #[serde(skip)]
    pub srtp: Option<Arc<Protection>>,
    /// Handshakes of DTLS come on its sockets as well.
    #[serde(default)]
    pub dtls: bool,
    /// How a whole picture may be asked for.
    #[serde(default, skip_serializing_if = "Feedback::is_none")]
    pub feedback: Feedback,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written down as what its socket is for.
    Keep,
    /// It is written down as RTP, and what had to go is gone.
    KeepEdited,
    /// It came on an RTP socket, is RTCP, and is written down as such.
    KeepAsRtcp,
    /// It is written down as it came: no key that is known made it.
    KeepSealed,
    /// It is not written down.
    Discard(Why),
}

/// Why a datagram is not written down. Each is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The stream is paused: what is not to be recorded never reaches the disk.
    Paused,
    /// Neither RTP nor RTCP, and more of it in this second than is kept.
    Junk,
    /// More packets in this second than the port takes of its source, or of strangers.
    Flood,
    /// SRTP that is forged, that came again, or that is written down already and still waits for a key.
    Srtp,
}

/// What a port tells of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortEvent {
    /// A source appeared, or took over (then it may have been told as a stranger before: same `ssrc` and `from`).
    Source {
        /// Arrival of the packet that says so.
        at: Wall,
        /// RTP synchronisation source.
        ssrc: u32,
        /// Its address.
        from: SocketAddr,
        /// What kind of appearance.
        change: SourceChange,
    },
}

/// Figures of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatistics {
    /// The port.
    pub port: PortIndex,
    /// RTP packets taken, strangers' and duplicates among them.
    pub packets: u64,
    /// Their octets, headers included.
    pub octets: u64,
    /// RTCP datagrams taken.
    pub rtcp_packets: u64,
    /// RTP and RTCP not kept because of a pause.
    pub dropped_paused: u64,
    /// RTP and RTCP not kept because there was too much of it.
    pub dropped_flood: u64,
    /// Datagrams that are neither RTP nor RTCP, kept or not.
    pub junk: u64,
    /// Datagrams that the kernel dropped because nobody fetched them in time.
    #[serde(default)]
    pub dropped_by_kernel: u64,
    /// RTP packets from other addresses than the stream's source.
    pub strangers: u64,
    /// RTP packets of sources beyond [`MAX_SOURCES`] or [`MAX_NEW_SOURCES_PER_SECOND`]: kept, not told apart.
    pub unattributed: u64,
    /// Where the stream comes from.
    pub source: Option<SocketAddr>,
    /// Arrival of the last RTP packet of the stream's source, paused or not.
    pub last_at: Option<Wall>,
    /// What is known of each source, in order of appearance.
    pub sources: Vec<SourceSummary>,
    /// Of its SRTP.
    #[serde(default)]
    pub srtp: Option<Box<SrtpStatistics>>,
    /// What is heard in it; none of a codec whose packets do not stand for themselves.
    #[serde(default)]
    pub heard: Option<Heard>,
}

impl PortStatistics {
    /// Of a port on which nothing came yet.
    pub fn of(port: PortIndex) -> Self {
        Self {
            port,
            packets: 0,
            octets: 0,
            rtcp_packets: 0,
            dropped_paused: 0,
            dropped_flood: 0,
            junk: 0,
            dropped_by_kernel: 0,
            strangers: 0,
            unattributed: 0,
            source: None,
            last_at: None,
            sources: Vec::new(),
            srtp: None,
            heard: None,
        }
    }
}

/// A source on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// Its address.
    pub from: SocketAddr,
    /// How it appeared last.
    pub change: SourceChange,
    /// Its figures.
    pub statistics: SourceStatistics,
}

/// What a media worker tells the signalling side of one port, seldom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaReport {
    /// The session.
    pub session: SessionId,
    /// What happened, if something did; else it is the regular report.
    pub event: Option<PortEvent>,
    /// Figures at this moment.
    pub statistics: PortStatistics,
}

/// So many a second, by the clock of arrival.
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    second: i64,
    used: u32,
}

impl Budget {
    /// Whether `cost` more are left of `limit`.
    fn has(&self, at: Wall, cost: u32, limit: u32) -> bool {
        let used = if at.0.div_euclid(1_000_000_000) == self.second { self.used } else { 0 };
        used.saturating_add(cost) <= limit
    }

    /// Takes `cost`.
    fn use_up(&mut self, at: Wall, cost: u32) {
        self.take(at, u32::MAX);
        self.used = self.used.saturating_add(cost).saturating_sub(1);
    }

    /// Takes one of `limit`; `false` if this second's are used up.
    fn take(&mut self, at: Wall, limit: u32) -> bool {
        let second = at.0.div_euclid(1_000_000_000);
        if second != self.second {
            *self = Self { second, used: 0 };
        }
        self.used = self.used.saturating_add(1);
        self.used <= limit
    }
}

#[cfg(test)]
pub(crate) mod tests;
