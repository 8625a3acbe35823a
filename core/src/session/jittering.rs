//! Jitter that lasts, told while the call runs. The recording takes no harm of it, since nothing is late for a journal; whoever
//! talks on that line hears it.

use serde::{Deserialize, Serialize};

use crate::entry::SourceChange;
use crate::media::PortStatistics;

/// From here on the buffers of telephones give up, microseconds.
const RAISED_FROM_US: u32 = 50_000;
/// An alarm is over below this, microseconds.
const CLEARED_BELOW_US: u32 = 25_000;
/// Seconds in a row that raise an alarm or clear it.
const SECONDS: u8 = 5;

/// What is known of a stream's jitter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jittering {
    is_raised: bool,
    /// Seconds in a row that ask for a change.
    seconds: u8,
    #[serde(skip)]
    packets: u64,
}

impl Jittering {
    /// Nothing that must outlive a crash.
    pub(super) fn is_unalarmed(&self) -> bool {
        !self.is_raised
    }

    /// Takes a second's figures: whether an alarm is raised or cleared by them.
    pub(super) fn judge(&mut self, told: &PortStatistics) -> Option<bool> {
        let before = core::mem::replace(&mut self.packets, told.packets);
        let ours = told.sources.iter().filter(|source| source.change != SourceChange::Stranger);
        let newest = ours.max_by_key(|source| source.statistics.last_at)?;
        // Where nothing came, the estimate is that of before.
        if told.packets == before {
            return None;
        }
        let jitter = newest.statistics.jitter_us;
        let asks = if self.is_raised { jitter < CLEARED_BELOW_US } else { jitter >= RAISED_FROM_US };
        self.seconds = if asks { self.seconds + 1 } else { 0 };
        if self.seconds < SECONDS {
            return None;
        }
        *self = Self { is_raised: !self.is_raised, seconds: 0, ..*self };
        Some(self.is_raised)
    }
}
