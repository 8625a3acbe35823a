//! How much faster than ours a source's clock runs, told while it sends: the packets that were delayed least, of the first ten
//! seconds and of the newest, and what lies between them. Good to some ppm after minutes; the sheet, which looks at all
//! packets afterwards, is better.

use crate::time::Wall;

/// The fastest packet is sought in so much time, nanoseconds.
const WINDOW_NANOS: i64 = 10_000_000_000;
/// Clocks that are compared over less tell of jitter, not of skew, nanoseconds.
const LEAST_SPAN_NANOS: i64 = 60_000_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const MILLION: i64 = 1_000_000;

/// A source's clock beside ours.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Skew {
    /// Transit time of the first packet, ticks; all others are told from it.
    origin: Option<i64>,
    window_began: Wall,
    fastest: Option<Fastest>,
    first: Option<Fastest>,
    newest: Option<Fastest>,
}

/// The packet that came through fastest in its window.
#[derive(Debug, Clone, Copy)]
struct Fastest {
    at: Wall,
    /// Transit time beyond the first packet's, ticks.
    delay: i32,
}

impl Skew {
    /// A packet whose arrival less its timestamp is `transit`, in ticks of its clock, modulo 2^32.
    pub(super) fn push(&mut self, at: Wall, transit: i64) {
        let origin = *self.origin.get_or_insert(transit);
        let delay = (transit.wrapping_sub(origin) & 0xffff_ffff) as u32 as i32;
        let packet = Fastest { at, delay };
        let Some(fastest) = self.fastest else {
            (self.window_began, self.fastest) = (at, Some(packet));
            return;
        };
        if at.nanos_since(self.window_began) < WINDOW_NANOS {
            if delay < fastest.delay {
                self.fastest = Some(packet);
            }
            return;
        }
        self.newest = Some(fastest);
        self.first = self.first.or(self.newest);
        (self.window_began, self.fastest) = (at, Some(packet));
    }

    /// Parts per million, positive where the source's clock is the faster one; none where too little came to tell.
    pub(super) fn ppm(&self, rate: u32) -> Option<i32> {
        let (first, newest) = (self.first?, self.newest?);
        let span = newest.at.nanos_since(first.at);
        if span < LEAST_SPAN_NANOS || rate == 0 {
            return None;
        }
        let grown = i64::from(newest.delay) - i64::from(first.delay);
        let nanos = i128::from(grown) * i128::from(NANOS_PER_SECOND) / i128::from(rate);
        i32::try_from(-nanos * i128::from(MILLION) / i128::from(span)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms for so many seconds, of a clock so much faster, delayed by up to 30 ms.
    fn told(seconds: i64, ppm: i64) -> Option<i32> {
        let mut skew = Skew::default();
        for n in 0..seconds * 50 {
            let spoken = n * 20_000_000;
            let jitter = (n * 7_919 % 31) * 1_000_000;
            let at = Wall(spoken - spoken / MILLION * ppm + jitter);
            let ticks = i128::from(at.0) * 8_000 / i128::from(NANOS_PER_SECOND);
            skew.push(at, i64::try_from(ticks).unwrap() - i64::from((n * 160) as u32));
        }
        skew.ppm(8_000)
    }

    #[test]
    fn a_fast_clock_and_a_slow_one_are_told_through_jitter() {
        for ppm in [0, 50, 200, -200] {
            let told = told(300, ppm).unwrap();
            assert!((i64::from(told) - ppm).abs() <= 5, "{told} of {ppm}");
        }
    }

    #[test]
    fn a_minute_is_not_enough_to_tell() {
        assert_eq!(told(60, 200), None);
    }
}
