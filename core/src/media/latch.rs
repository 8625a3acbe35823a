//! Whom a port listens to: the first sender, until it falls silent and another takes over.
//!
//! | sender | latched one is | becomes |
//! | --- | --- | --- |
//! | any, first | none | latched |
//! | the latched one | - | stays |
//! | the negotiated address | another | latched at once |
//! | another | heard within [`SILENCE`] | a stranger |
//! | another | silent for [`SILENCE`] | latched |

use core::net::SocketAddr;
use core::time::Duration;

use crate::time::Wall;

/// After this much silence of the stream's source another sender is its successor (an SBC's switchover), not a stranger.
pub const SILENCE: Duration = Duration::from_secs(2);

const SILENCE_NANOS: i64 = 2_000_000_000;

/// What a packet's sender is to the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// The very first one.
    First,
    /// The stream's source.
    Latched,
    /// The stream's source from this packet on.
    TookOver,
    /// Somebody else.
    Stranger,
}

/// The stream's source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latch {
    source: Option<(SocketAddr, Wall)>,
}

impl Latch {
    /// Judges the sender of a packet. `negotiated` is the address in the SDP.
    pub(super) fn judge(&mut self, at: Wall, from: SocketAddr, negotiated: Option<SocketAddr>) -> Sender {
        let Some((source, last_at)) = &mut self.source else {
            self.source = Some((from, at));
            return Sender::First;
        };
        if *source == from {
            *last_at = at.max(*last_at);
            return Sender::Latched;
        }
        if negotiated != Some(from) && at.nanos_since(*last_at) < SILENCE_NANOS {
            return Sender::Stranger;
        }
        self.source = Some((from, at));
        Sender::TookOver
    }

    /// Where the stream comes from.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        self.source.map(|(from, _)| from)
    }

    /// Arrival of its last packet.
    pub(super) fn last_at(&self) -> Option<Wall> {
        self.source.map(|(_, at)| at)
    }
}
