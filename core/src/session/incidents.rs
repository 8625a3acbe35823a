//! What must not happen at all, counted in packets: some that arrived were dropped here, by the kernel, whose buffer of a stream
//! was full, or for want of a disk that keeps up; or a stranger sends to a stream's port. It is told at once.

use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// An alarm is over when nothing happened for so long, nanoseconds.
const QUIET_NANOS: i64 = 10_000_000_000;

/// How often it happened, and whether that is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incidents {
    total: u64,
    /// When it last happened, while the alarm stands.
    last: Option<Wall>,
}

impl Incidents {
    /// It never happened.
    pub(super) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// All packets so far are `total`: how much of it is news. A total that fell is of another port (a restart of
    /// ours).
    pub(super) fn grown_to(&mut self, total: u64) -> u64 {
        let before = core::mem::replace(&mut self.total, total);
        total.checked_sub(before).unwrap_or(total)
    }

    /// There were `news` packets since this was asked last: whether an alarm is raised or over.
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
    fn an_alarm_stands_until_nothing_happened_for_ten_seconds() {
        let mut incidents = Incidents::default();
        let second = |n: i64| Wall(n * 1_000_000_000);
        assert_eq!((incidents.grown_to(0), incidents.judge(second(0), 0)), (0, None));
        assert_eq!((incidents.grown_to(7), incidents.judge(second(1), 7)), (7, Some(true)));
        assert_eq!((incidents.grown_to(9), incidents.judge(second(2), 2)), (2, None));
        assert_eq!(incidents.judge(second(11), 0), None);
        assert_eq!(incidents.judge(second(12), 0), Some(false));
        assert_eq!(incidents.judge(second(40), 0), None);
        assert_eq!(incidents.grown_to(3), 3, "the port began anew");
    }
}
