//! How many requests a caller may make: so many a second, and what was saved up in two of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A caller may save up requests for so long.
const SAVED_UP: Duration = Duration::from_secs(2);
/// Callers that are counted; beyond that, whoever asked longest ago is forgotten.
const MAX_CALLERS: usize = 16_384;

/// By caller, when all that it has asked would have been due at its rate (GCRA, ITU-T I.371).
#[derive(Debug)]
pub(super) struct Rates<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq + Clone> Rates<K> {
    /// Counts a request of `caller`; the time to wait where it is too many. A rate of 0 is none.
    pub(super) fn count(&self, caller: K, rate: u32, now: Instant) -> Result<(), Duration> {
        let Some(interval) = Duration::from_secs(1).checked_div(rate) else { return Ok(()) };
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= MAX_CALLERS && !due.contains_key(&caller) {
            due.retain(|_, at| *at > now);
            let first = due.iter().min_by_key(|(_, at)| **at).map(|(caller, _)| caller.clone());
            if let Some(first) = first.filter(|_| due.len() >= MAX_CALLERS) {
                due.remove(&first);
            }
        }
        let next = due.get(&caller).map_or(now, |at| (*at).max(now)) + interval;
        let ahead = next.saturating_duration_since(now);
        match ahead.checked_sub(SAVED_UP.max(interval)) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                due.insert(caller, next);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_worth_pass_and_then_its_share() {
        let (rates, begun) = (Rates::default(), Instant::now());
        let passed = |caller: u32, after_ms: u64| {
            let now = begun + Duration::from_millis(after_ms);
            (0..100).filter(|_| rates.count(caller, 10, now).is_ok()).count()
        };
        assert_eq!((passed(1, 0), passed(2, 0)), (20, 20), "each caller for itself");
        assert_eq!(passed(1, 500), 5);
        assert_eq!(rates.count(1, 10, begun + Duration::from_millis(500)), Err(Duration::from_millis(100)));
        assert_eq!(passed(1, 60_000), 20, "no more is saved up");
        assert!((0..1000).all(|_| rates.count(3, 0, begun).is_ok()), "no limit");
        let slow: Rates<u32> = Rates::default();
        assert_eq!((slow.count(1, 1, begun), slow.count(1, 1, begun)), (Ok(()), Ok(())));
        assert!(slow.count(1, 1, begun).is_err());
    }

    #[test]
    fn a_crowd_takes_no_more_memory() {
        let (rates, now) = (Rates::default(), Instant::now());
        (0..MAX_CALLERS + 100).for_each(|caller| rates.count(caller, 1, now).unwrap());
        assert_eq!(rates.0.lock().unwrap().len(), MAX_CALLERS);
    }
}
