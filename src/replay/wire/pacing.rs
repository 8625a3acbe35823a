//! How far from its time a packet left: counts in steps of 10 microseconds, so that all of them can be kept.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
