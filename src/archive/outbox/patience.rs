//! How long is waited after a failure, and when a target is left alone.

use std::time::Duration;

/// A target that failed is tried again after this, doubled each time.
const FIRST_OF_TARGET: Duration = Duration::from_secs(1);
/// Up to this: an operator who has mended it sees so soon.
const LAST_OF_TARGET: Duration = Duration::from_secs(120);
/// A recording that failed by itself is tried again after this, doubled each time.
const FIRST_OF_ITEM: Duration = Duration::from_secs(10);
/// Up to this.
const LAST_OF_ITEM: Duration = Duration::from_secs(3600);

/// How long a recording waits that was tried `attempts` times in vain. `random` spreads those that failed together.
pub(super) fn of_item(attempts: u32, random: u32) -> Duration {
    wait(FIRST_OF_ITEM, LAST_OF_ITEM, attempts, random)
}

/// Between half of the doubled wait and all of it.
fn wait(first: Duration, last: Duration, failures: u32, random: u32) -> Duration {
    let full = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(last);
    let half = full / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(millis * u64::from(random) / u64::from(u32::MAX))
}

/// Whether a target is asked at all. One that fails is left alone for a while; then one recording shows whether it is back.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Circuit {
    failures: u32,
    /// Not before; milliseconds since 1970.
    until_ms: i64,
}

impl Circuit {
    /// How many recordings may be under way now, of `most`.
    pub(super) fn allows(&self, now_ms: i64, most: usize) -> usize {
        match self.failures {
            0 => most,
            _ if now_ms < self.until_ms => 0,
            _ => 1,
        }
    }

    /// When it is worth asking again; milliseconds since 1970.
    pub(super) fn next_ms(&self) -> i64 {
        self.until_ms
    }

    /// The target did what it was asked. Whether it had failed before.
    pub(super) fn well(&mut self) -> bool {
        let was_down = self.failures > 0;
        *self = Self::default();
        was_down
    }

    /// The target failed; how long it is left alone, if that was not settled already by another one's failure.
    pub(super) fn failed(&mut self, now_ms: i64, random: u32) -> Option<Duration> {
        if self.failures > 0 && now_ms < self.until_ms {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = wait(FIRST_OF_TARGET, LAST_OF_TARGET, self.failures, random);
        self.until_ms = now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let longest = |attempts| of_item(attempts, u32::MAX).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 40, u32::MAX].map(longest), [10, 20, 40, 2560, 3600, 3600, 3600]);
        assert_eq!(of_item(3, 0), Duration::from_secs(20));
        assert_eq!(of_item(3, u32::MAX / 2).as_secs(), 29);
    }

    #[test]
    fn a_target_that_fails_is_left_alone_and_tried_with_one() {
        let mut circuit = Circuit::default();
        assert_eq!(circuit.allows(0, 4), 4);
        assert_eq!(circuit.failed(0, u32::MAX), Some(Duration::from_secs(1)));
        assert_eq!(circuit.failed(10, 0), None, "the four that were under way fail together");
        assert_eq!([circuit.allows(999, 4), circuit.allows(1000, 4)], [0, 1]);
        assert_eq!(circuit.failed(1000, u32::MAX), Some(Duration::from_secs(2)));
        assert_eq!(circuit.next_ms(), 3000);
        assert!(circuit.well() && !circuit.well());
        assert_eq!(circuit.allows(1001, 4), 4);
    }
}
