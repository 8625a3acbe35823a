//! Packets that arrived and were dropped here: by the kernel, whose buffer of a stream was full, or for want of a disk that
//! keeps up. Either is ours to mend, so it is told at once.

use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// An alarm is over when nothing was dropped for so long, nanoseconds.
const QUIET_NANOS: i64 = 10_000_000_000;

/// What was dropped, and whether that is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dropping {
    total: u64,
    /// When something was last dropped, while the alarm stands.
    last: Option<Wall>,
}

impl Dropping {
    /// All that was dropped so far is `total`: how much of it is news. A total that fell is of another port (a restart of
    /// ours).
    pub(super) fn grown_to(&mut self, total: u64) -> u64 {
        let before = core::mem::replace(&mut self.total, total);
        total.checked_sub(before).unwrap_or(total)
    }

    /// `news` packets were dropped since this was asked last: whether an alarm is raised or over.
    pub(super) fn judge(&mut self, now: Wall, news: u64) -> Option<bool> {
        if news > 0 {
            return self.last.replace(now).is_none().then_some(true);
        }
        let over = self.last.is_some_and(|last| now.nanos_since(last) >= QUIET_NANOS);
        if over {
            self.last = None;
        }
        over.then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_stands_until_nothing_was_dropped_for_ten_seconds() {
        let mut dropping = Dropping::default();
        let second = |n: i64| Wall(n * 1_000_000_000);
        assert_eq!((dropping.grown_to(0), dropping.judge(second(0), 0)), (0, None));
        assert_eq!((dropping.grown_to(7), dropping.judge(second(1), 7)), (7, Some(true)));
        assert_eq!((dropping.grown_to(9), dropping.judge(second(2), 2)), (2, None));
        assert_eq!(dropping.judge(second(11), 0), None);
        assert_eq!(dropping.judge(second(12), 0), Some(false));
        assert_eq!(dropping.judge(second(40), 0), None);
        assert_eq!(dropping.grown_to(3), 3, "the port began anew");
    }
}
