//! The one place where clocks are read: a wall clock that never steps, and how far the machine's own has gone from it.
//!
//! ```text
//! anchor (read once, kept by the caller over restarts of one boot) + CLOCK_MONOTONIC = Now
//! CLOCK_REALTIME - Now.wall = offset: constant, but for a step of the machine's clock
//! kernel's timestamp of a packet (CLOCK_REALTIME) - offset = Wall
//! ```

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use siprec_core::time::{Monotonic, Now, Wall};

/// A change of the offset beyond this is a step; less is what two readings take.
pub const STEP_NANOS: i64 = 20_000_000;
/// Two clocks cannot be read at once. Between the readings the thread may be made to wait: so they are read until one is
/// known to lie this close to the other, or as often as this.
const CLOSE_NANOS: i64 = 20_000;
const READINGS: usize = 8;
/// A reading that is known no better than this says nothing.
const USABLE_NANOS: i64 = 500_000;

/// How far the machine's clock is ahead of ours, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Machine's minus ours.
    nanos: i64,
    /// It may be wrong by as much.
    uncertainty: i64,
}

impl Offset {
    fn is_usable(self) -> bool {
        self.uncertainty <= USABLE_NANOS
    }
}

/// Tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    anchor: Now,
}

impl Clock {
    /// Sets its wall clock by the machine's, once.
    pub fn start() -> Self {
        Self { anchor: Now { monotonic: monotonic(), wall: realtime() } }
    }

    /// Goes on from an anchor of this boot: the timeline of before a restart stays true.
    pub fn resume(anchor: Now) -> Self {
        Self { anchor }
    }

    /// The moment by which the wall clock was set.
    pub fn anchor(&self) -> Now {
        self.anchor
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        let monotonic = monotonic();
        let since =
            i64::try_from(monotonic.0).unwrap_or(i64::MAX) - i64::try_from(self.anchor.monotonic.0).unwrap_or(0);
        Now { monotonic, wall: Wall(self.anchor.wall.0.saturating_add(since)) }
    }

    /// How far the machine's clock is ahead of ours.
    pub fn offset(&self) -> Offset {
        closest(|| (self.now().wall, realtime(), self.now().wall))
    }
}

/// The reading of the machine's clock that ours encloses most closely.
fn closest(mut read: impl FnMut() -> (Wall, Wall, Wall)) -> Offset {
    let mut best = Offset { nanos: 0, uncertainty: i64::MAX };
    for _ in 0..READINGS {
        let (before, machine, after) = read();
        let width = after.nanos_since(before).max(0);
        if width < best.uncertainty {
            best = Offset { nanos: machine.nanos_since(before) - width / 2, uncertainty: width };
        }
        if best.uncertainty <= CLOSE_NANOS {
            break;
        }
    }
    best
}

/// Watches for steps of the machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct StepWatch {
    offset: i64,
}

impl StepWatch {
    /// Steps are those from now on.
    pub fn new(clock: &Clock) -> Self {
        Self { offset: clock.offset().nanos }
    }

    /// How far the machine's clock is ahead of ours, nanoseconds, as far as is known.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Call about once a second: the step since the last call, new minus old in nanoseconds, if there was one.
    pub fn check(&mut self, clock: &Clock) -> Option<i64> {
        self.compare(clock.offset())
    }

    fn compare(&mut self, offset: Offset) -> Option<i64> {
        if !offset.is_usable() {
            return None;
        }
        let step = offset.nanos.saturating_sub(self.offset);
        self.offset = offset.nanos;
        (step.abs() > STEP_NANOS).then_some(step)
    }
}

/// Maps the kernel's timestamps of one round of receiving to our wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Stamps {
    now: Wall,
    last_round: Wall,
    offset: i64,
    /// The offset before a step that came after the last round.
    stepped_from: Option<i64>,
}

impl Stamps {
    /// For a first round.
    pub fn new(clock: &Clock) -> Self {
        let now = clock.now().wall;
        Self { now, last_round: now, offset: clock.offset().nanos, stepped_from: None }
    }

    /// At the start of each round.
    pub fn begin_round(&mut self, now: Now, offset: Offset) {
        self.last_round = self.now;
        self.now = now.wall;
        self.stepped_from = None;
        if offset.is_usable() {
            self.stepped_from = ((offset.nanos - self.offset).abs() > STEP_NANOS).then_some(self.offset);
            self.offset = offset.nanos;
        }
    }

    /// When a packet arrived, by the kernel's timestamp in nanoseconds of CLOCK_REALTIME; now, if it has none.
    pub fn arrival(&self, stamp: Option<i64>) -> Wall {
        let Some(stamp) = stamp else { return self.now };
        let at = Wall(stamp.saturating_sub(self.offset));
        let Some(before) = self.stepped_from else { return at };
        // The clock was stepped between two rounds: of the two readings the one between them is right.
        let as_before = Wall(stamp.saturating_sub(before));
        let between = |w: Wall| w >= self.last_round && w.nanos_since(self.now) <= STEP_NANOS;
        if !between(at) && between(as_before) { as_before } else { at }
    }
}

/// Nanoseconds of a time of the kernel.
pub(crate) fn nanos(time: TimeSpec) -> i64 {
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

fn monotonic() -> Monotonic {
    // These two clocks cannot fail on Linux; if they did, timers would stand still, and nothing else would break.
    Monotonic(clock_gettime(ClockId::CLOCK_MONOTONIC).ok().and_then(|t| u64::try_from(nanos(t)).ok()).unwrap_or(0))
}

fn realtime() -> Wall {
    Wall(clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn exactly(nanos: i64) -> Offset {
        Offset { nanos, uncertainty: 0 }
    }

    fn now(wall: i64) -> Now {
        Now { monotonic: Monotonic(0), wall: Wall(wall) }
    }

    #[test]
    fn it_goes_on_from_its_anchor() {
        let first = Clock::start();
        let again = Clock::resume(first.anchor());
        let (a, b) = (first.now(), again.now());
        assert!(b.wall >= a.wall && b.monotonic >= a.monotonic);
        assert_eq!(
            a.wall.nanos_since(first.anchor().wall),
            i64::try_from(a.monotonic.since(first.anchor().monotonic).as_nanos()).unwrap()
        );
        assert!(first.offset().nanos.abs() < STEP_NANOS);
    }

    #[test]
    fn a_step_is_told_once() {
        let mut watch = StepWatch { offset: 5 };
        assert_eq!(watch.compare(exactly(19 * MS)), None);
        assert_eq!(watch.compare(exactly(1_019 * MS)), Some(1_000 * MS));
        assert_eq!(watch.compare(exactly(1_019 * MS)), None);
        assert_eq!(watch.compare(exactly(-1)), Some(-1_019 * MS - 1));
    }

    #[test]
    fn packets_around_a_step_keep_their_true_time() {
        for step in [3_600_000 * MS, -3_600_000 * MS] {
            let mut stamps = Stamps { now: Wall(0), last_round: Wall(0), offset: 0, stepped_from: None };
            stamps.begin_round(now(20 * MS), exactly(0));
            assert_eq!(stamps.arrival(Some(15 * MS)), Wall(15 * MS));
            // Stepped at 30 ms: one packet stamped before, one after.
            stamps.begin_round(now(40 * MS), exactly(step));
            assert_eq!(stamps.arrival(Some(25 * MS)), Wall(25 * MS));
            assert_eq!(stamps.arrival(Some(35 * MS + step)), Wall(35 * MS));
            stamps.begin_round(now(60 * MS), exactly(step));
            assert_eq!(stamps.arrival(Some(50 * MS + step)), Wall(50 * MS));
            assert_eq!(stamps.arrival(None), Wall(60 * MS));
        }
    }

    #[test]
    fn a_reading_that_was_interrupted_is_made_again() {
        let ahead = 1_000 * MS;
        let mut readings = [(0, 40 * MS), (50 * MS, 9 * MS), (70 * MS, 10_000), (80 * MS, 40 * MS)].into_iter();
        let offset = closest(|| {
            let (before, width) = readings.next().unwrap();
            (Wall(before), Wall(before + ahead), Wall(before + width))
        });
        assert_eq!(offset, Offset { nanos: ahead - 5_000, uncertainty: 10_000 });
        assert_eq!(readings.len(), 1);
    }

    #[test]
    fn a_reading_known_too_badly_is_no_step_and_bends_no_arrival() {
        let vague = Offset { nanos: -19 * MS, uncertainty: 38 * MS };
        let mut stamps = Stamps { now: Wall(0), last_round: Wall(0), offset: 0, stepped_from: None };
        stamps.begin_round(now(20 * MS), vague);
        assert_eq!(stamps.arrival(Some(15 * MS)), Wall(15 * MS));
        let far = Offset { nanos: -56 * MS, uncertainty: 112 * MS };
        let mut watch = StepWatch { offset: 0 };
        assert_eq!(watch.compare(far), None);
        assert_eq!(watch.compare(exactly(0)), None);
    }
}
