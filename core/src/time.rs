//! Time as the core knows it: passed in, in nanoseconds, never read from a clock.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Nanoseconds on a clock that never steps (its zero means nothing). Timers run on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// This moment and `d` more.
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z. What a journal's entries and a proof sheet carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Wall(pub i64);

impl Wall {
    /// This moment and `d` more.
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Nanoseconds from `earlier` to this moment; negative if this one is earlier.
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Year, month (1-12), day (1-31) in UTC. (Days to civil date: H. Hinnant, "chrono-compatible low-level date
    /// algorithms".)
    pub fn date(self) -> (i64, u32, u32) {
        let days = self.0.div_euclid(NANOS_PER_SECOND * SECONDS_PER_DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-23T03:13:21.042Z`.
    pub fn rfc3339(self) -> String {
        alloc::format!("{self}")
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let second = self.0.div_euclid(NANOS_PER_SECOND).rem_euclid(SECONDS_PER_DAY);
        let millis = self.0.rem_euclid(NANOS_PER_SECOND) / 1_000_000;
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{millis:03}Z")
    }
}

/// One moment, told on both clocks. `wall` is the stepless one: a wall clock read once at start and carried on by
/// the monotonic one, so that a step of the machine's clock never bends a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For timers.
    pub monotonic: Monotonic,
    /// For what is written down.
    pub wall: Wall,
}

/// Deadlines by name. Setting a name again moves its deadline.
#[derive(Debug, Clone)]
pub struct TimerTable<K: Ord + Clone> {
    by_name: BTreeMap<K, Monotonic>,
    by_time: BTreeSet<(Monotonic, K)>,
}

impl<K: Ord + Clone> Default for TimerTable<K> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> TimerTable<K> {
    /// Sets, or moves, the timer `name`.
    pub fn set(&mut self, name: K, at: Monotonic) {
        if let Some(before) = self.by_name.insert(name.clone(), at) {
            if before == at {
                return;
            }
            self.by_time.remove(&(before, name.clone()));
        }
        self.by_time.insert((at, name));
    }

    /// Forgets the timer `name`, if it is set.
    pub fn cancel(&mut self, name: &K) {
        if let Some(at) = self.by_name.remove(name) {
            self.by_time.remove(&(at, name.clone()));
        }
    }

    /// When `name` is due, if it is set.
    pub fn deadline(&self, name: &K) -> Option<Monotonic> {
        self.by_name.get(name).copied()
    }

    /// The earliest deadline and its name.
    pub fn next(&self) -> Option<(Monotonic, &K)> {
        self.by_time.first().map(|(at, name)| (*at, name))
    }

    /// Takes the earliest timer that is due at `now`. Call until `None`.
    pub fn pop_due(&mut self, now: Monotonic) -> Option<K> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(Wall(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Wall(951_782_399_999_000_000).rfc3339(), "2000-02-28T23:59:59.999Z");
        assert_eq!(Wall(951_782_400_000_000_000).date(), (2000, 2, 29));
        assert_eq!(Wall(-1).rfc3339(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Wall(1_795_403_601_042_000_000).rfc3339(), "2026-11-23T03:13:21.042Z");
    }

    #[test]
    fn a_timer_set_again_moves() {
        let mut t = TimerTable::default();
        t.set('a', Monotonic(5));
        t.set('b', Monotonic(3));
        t.set('a', Monotonic(1));
        assert_eq!(t.next(), Some((Monotonic(1), &'a')));
        assert_eq!(t.pop_due(Monotonic(2)), Some('a'));
        assert_eq!(t.pop_due(Monotonic(2)), None);
        t.cancel(&'b');
        assert_eq!(t.next(), None);
    }
}
