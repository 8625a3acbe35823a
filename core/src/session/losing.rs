//! Loss that lasts, told while the call runs: what a worker's figures of each second say of a stream's packets.

use serde::{Deserialize, Serialize};

use crate::entry::SourceChange;
use crate::media::PortStatistics;
use crate::time::Wall;

/// Loss is judged over so long, nanoseconds: a burst of a second is heard once, and is no state of the line.
const WINDOW_NANOS: i64 = 5_000_000_000;
/// Fewer packets than these in a window say nothing of a share: comfort noise, a pause, an event.
const LEAST_EXPECTED: u64 = 50;
/// From here on words are missed, percent of the packets: G.711 with concealment falls below a MOS of 4 (G.107).
const RAISED_FROM_PERCENT: u64 = 5;
/// An alarm is over below this, percent: a line at the edge does not tell twelve times a minute.
const CLEARED_BELOW_PERCENT: u64 = 2;

/// What is known of a stream's loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Losing {
    since: Option<Mark>,
    is_raised: bool,
}

/// Figures at the beginning of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at: Wall,
    expected: u64,
    lost: u64,
}

impl Losing {
    /// Nothing was told yet.
    pub(super) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Takes the figures of now: whether an alarm is raised or cleared by them.
    pub(super) fn judge(&mut self, now: Wall, told: &PortStatistics) -> Option<bool> {
        let mark = Mark::of(now, told);
        // Figures that fell are those of another port (a restart of ours), or a source was forgotten.
        let Some(since) = self.since.filter(|since| since.expected <= mark.expected && since.at <= now) else {
            self.since = Some(mark);
            return None;
        };
        let expected = mark.expected - since.expected;
        if now.nanos_since(since.at) < WINDOW_NANOS || expected < LEAST_EXPECTED {
            return None;
        }
        self.since = Some(mark);
        // What came late after all was lost in the window before.
        let lost = mark.lost.saturating_sub(since.lost);
        let is_raised = if self.is_raised {
            lost * 100 >= expected * CLEARED_BELOW_PERCENT
        } else {
            lost * 100 >= expected * RAISED_FROM_PERCENT
        };
        (core::mem::replace(&mut self.is_raised, is_raised) != is_raised).then_some(is_raised)
    }
}

impl Mark {
    /// Of all that the stream's own senders sent; a stranger's loss is nobody's.
    fn of(at: Wall, told: &PortStatistics) -> Self {
        let ours = told.sources.iter().filter(|source| source.change != SourceChange::Stranger);
        let sum = |(expected, lost): (u64, u64), figures: &crate::rtp::SourceStatistics| {
            (expected.saturating_add(figures.expected), lost.saturating_add(figures.lost))
        };
        let (expected, lost) = ours.map(|source| &source.statistics).fold((0, 0), sum);
        Self { at, expected, lost }
    }
}
