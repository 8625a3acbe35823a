//! How far from its time a packet left: counts in steps of 10 microseconds, so that all of them can be kept. And what of
//! it is seen while it runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Width of a step.
const STEP_US: u64 = 10;
/// Steps: up to 100 ms; what is later counts in the last.
const STEPS: usize = 10_001;

/// How many packets left so late.
#[derive(Debug, Clone)]
pub(super) struct Lateness {
    steps: Vec<u64>,
    worst: Duration,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { steps: vec![0; STEPS], worst: Duration::ZERO }
    }
}

impl Lateness {
    pub(super) fn add(&mut self, late: Duration) {
        let step = usize::try_from(u64::try_from(late.as_micros()).unwrap_or(u64::MAX) / STEP_US).unwrap_or(STEPS);
        self.steps[step.min(STEPS - 1)] += 1;
        self.worst = self.worst.max(late);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.steps.iter_mut().zip(&other.steps).for_each(|(a, b)| *a += b);
        self.worst = self.worst.max(other.worst);
    }

    /// The lateness that `part` (of 1) of the packets stayed below; none without packets.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    pub(super) fn quantile(&self, part: f64) -> Option<Duration> {
        let total: u64 = self.steps.iter().sum();
        let wanted = ((total as f64 * part).ceil() as u64).max(1);
        let mut sum = 0;
        let found = self.steps.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        found.map(|step| Duration::from_micros((step as u64 + 1) * STEP_US).min(self.worst))
    }

    pub(super) fn worst(&self) -> Duration {
        self.worst
    }
}

/// Counted by all media workers while they run, for the progress line.
#[derive(Debug, Default)]
pub(super) struct Running {
    packets: AtomicU64,
    /// Since it was last looked at, nanoseconds.
    latest: AtomicU64,
}

impl Running {
    pub(super) fn add(&self, packets: u64, latest_ns: u64) {
        if packets > 0 {
            self.packets.fetch_add(packets, Ordering::Relaxed);
            self.latest.fetch_max(latest_ns, Ordering::Relaxed);
        }
    }
}

/// What was seen last: figures that change each 200 ms could not be read, so they are those of a second.
#[derive(Debug)]
pub(super) struct Glimpse {
    at: Instant,
    packets: u64,
    glance: Glance,
}

/// How fast packets leave, and how late.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Glance {
    per_second: f64,
    late: Duration,
}

impl Glimpse {
    pub(super) fn new() -> Self {
        Self { at: Instant::now(), packets: 0, glance: Glance::default() }
    }

    /// The figures of the last whole second.
    #[expect(clippy::cast_precision_loss, reason = "packets of a second")]
    pub(super) fn glance(&mut self, running: &Running, now: Instant) -> Glance {
        const WINDOW: Duration = Duration::from_secs(1);
        let passed = now.duration_since(self.at);
        if passed >= WINDOW {
            let packets = running.packets.load(Ordering::Relaxed);
            let late = Duration::from_nanos(running.latest.swap(0, Ordering::Relaxed));
            self.glance = Glance { per_second: (packets - self.packets) as f64 / passed.as_secs_f64(), late };
            (self.at, self.packets) = (now, packets);
        }
        self.glance
    }
}

impl fmt::Display for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} packets/s, late by {:.1} ms at most", self.per_second, self.late.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_is_of_the_last_second() {
        let (running, mut glimpse) = (Running::default(), Glimpse::new());
        let start = glimpse.at;
        running.add(70, 300_000);
        running.add(30, 1_500_000);
        assert_eq!(glimpse.glance(&running, start + Duration::from_millis(999)), Glance::default());
        let glance = glimpse.glance(&running, start + Duration::from_secs(2));
        assert_eq!(glance.to_string(), "50 packets/s, late by 1.5 ms at most");
        let glance = glimpse.glance(&running, start + Duration::from_secs(3));
        assert_eq!(glance.to_string(), "0 packets/s, late by 0.0 ms at most");
    }

    #[test]
    fn quantiles_are_those_of_the_counts() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.quantile(0.5), None);
        (0..100).for_each(|n| lateness.add(Duration::from_micros(n * 100)));
        assert_eq!(lateness.quantile(0.5), Some(Duration::from_micros(4910)));
        assert_eq!(lateness.quantile(0.99), Some(Duration::from_micros(9810)));
        let mut other = Lateness::default();
        other.add(Duration::from_secs(2));
        lateness.merge(&other);
        assert_eq!(
            (lateness.quantile(1.0), lateness.worst()),
            (Some(Duration::from_micros(100_010)), Duration::from_secs(2))
        );
    }
}
