//! When our receiver reports leave (RFC 3550 6.3, A.7), drawn from a seed so that a run can be repeated.

use core::time::Duration;

use crate::time::Monotonic;

/// RFC 3550 6.2: the least interval before randomisation.
const MINIMUM_NANOS: u64 = 5_000_000_000;
/// RTCP's share of the session bandwidth: 5 % of 64 kbit/s, in octets a second (RFC 3550 6.2).
const RTCP_OCTETS_PER_SECOND: u64 = 400;
/// 1000 / (e - 3/2), which makes up for what randomisation takes away (RFC 3550 A.7).
const COMPENSATION_THOUSANDTHS: u64 = 821;
/// IPv4 and UDP header, which count for the size of a report (RFC 3550 6.2).
const LOWER_HEADERS: u64 = 28;

/// Draws the moments of a port's reports.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    random: SplitMix,
    next: Monotonic,
    average_octets: u64,
    initial: bool,
}

impl Schedule {
    /// The first report is due within half an interval (RFC 3550 6.2).
    pub(super) fn new(seed: u64, now: Monotonic) -> Self {
        let mut schedule = Self { random: SplitMix(seed), next: now, average_octets: 100, initial: true };
        schedule.draw(now, 2);
        schedule
    }

    pub(super) fn next(&self) -> Monotonic {
        self.next
    }

    /// Makes the next report due at once.
    pub(super) fn hurry(&mut self, now: Monotonic) {
        self.next = now;
    }

    /// A report of `octets` left, or there was nowhere to send one (0 octets).
    pub(super) fn left(&mut self, now: Monotonic, octets: usize, members: usize) {
        if octets > 0 {
            // RFC 3550 6.3.3: a sixteenth of the new one.
            self.average_octets = (self.average_octets * 15 + octets as u64 + LOWER_HEADERS) / 16;
            self.initial = false;
        }
        self.draw(now, members);
    }

    /// 32 random bits, for a new SSRC.
    pub(super) fn random(&mut self) -> u32 {
        (self.random.next() >> 32) as u32
    }

    /// RFC 3550 A.7 without reconsideration: nobody's coming or going changes the interval of a group this small.
    fn draw(&mut self, now: Monotonic, members: usize) {
        let minimum = if self.initial { MINIMUM_NANOS / 2 } else { MINIMUM_NANOS };
        let by_bandwidth = self.average_octets * members as u64 * 1_000_000_000 / RTCP_OCTETS_PER_SECOND;
        let interval = by_bandwidth.max(minimum);
        // 0.5 to 1.5 of it, in 1/65536.
        let factor = 32_768 + (self.random.next() >> 48);
        let nanos = u128::from(interval) * u128::from(factor) * u128::from(COMPENSATION_THOUSANDTHS) / 65_536 / 1_000;
        self.next = now.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): enough to spread reports, 8 bytes a port.
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_rfc() {
        let mut schedule = Schedule::new(1, Monotonic(0));
        let first = schedule.next().since(Monotonic(0));
        // Half of 2.5 s, and one and a half of it, over 1.21828.
        assert!(first >= Duration::from_millis(1_026) && first <= Duration::from_millis(3_079), "{first:?}");
        let (mut least, mut most, mut sum) = (Duration::MAX, Duration::ZERO, Duration::ZERO);
        let mut now = schedule.next();
        for _ in 0..2_000 {
            schedule.left(now, 52, 2);
            let interval = schedule.next().since(now);
            (least, most, sum) = (least.min(interval), most.max(interval), sum + interval);
            now = schedule.next();
        }
        assert!(least >= Duration::from_millis(2_052) && least < Duration::from_millis(2_100), "{least:?}");
        assert!(most <= Duration::from_millis(6_158) && most > Duration::from_millis(6_100), "{most:?}");
        let mean = sum / 2_000;
        assert!(mean > Duration::from_millis(3_950) && mean < Duration::from_millis(4_260), "{mean:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same_moments() {
        let draw = |seed| Schedule::new(seed, Monotonic(7)).next();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn many_members_share_the_bandwidth() {
        let mut schedule = Schedule::new(1, Monotonic(0));
        for _ in 0..100 {
            schedule.left(Monotonic(0), 372, 100);
        }
        // 100 members x 400 octets at 400 octets a second: 100 s before randomisation.
        let interval = schedule.next().since(Monotonic(0));
        assert!(interval > Duration::from_secs(38) && interval < Duration::from_secs(124), "{interval:?}");
    }
}
