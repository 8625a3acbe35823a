//! The order of a source's packets, as one sees it afterwards: every packet that was kept counts, so unlike a
//! receiver (RFC 3550 A.1) this holds nothing on probation and decides at once.

/// Sequence numbers that are remembered, to tell a late packet from a second copy.
const WINDOW: i64 = 1024;
/// A step ahead that is believed whenever it comes (RFC 3550 A.1).
const MAX_DROPOUT: i64 = 3000;
/// A longer step ahead is believed when at least this much time went by for each packet that is missing.
const MIN_PACKET_NS: i64 = 2_000_000;

/// What a sequence number says about its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The source's first.
    First,
    /// After the highest so far; so many in between are missing, as yet.
    Next { missing: u64 },
    /// One that was missing.
    Late,
    /// A further copy.
    Duplicate,
    /// Far from all before: the source began anew.
    Restart,
}

impl Place {
    /// Whether the packet is the newest of its source.
    pub(super) fn is_newest(self) -> bool {
        match self {
            Self::First | Self::Next { .. } | Self::Restart => true,
            Self::Late | Self::Duplicate => false,
        }
    }
}

/// Sequence numbers seen.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    highest: Option<(i64, i64)>,
    seen: [u64; WINDOW as usize / 64],
}

impl Default for Sequence {
    fn default() -> Self {
        Self { highest: None, seen: [0; WINDOW as usize / 64] }
    }
}

impl Sequence {
    /// Takes a packet that arrived at `at` (ns): its extended sequence number and place. `is_old` says of so many steps back whether
    /// the timestamp went back as far: then it is late, however late.
    pub(super) fn take(&mut self, at: i64, sequence: u16, is_old: impl Fn(i64) -> bool) -> (i64, Place) {
        let Some((highest, before)) = self.highest else {
            return (self.begin(at, i64::from(sequence)), Place::First);
        };
        let step = i64::from(i16::from_be_bytes(sequence.wrapping_sub(low_bits(highest)).to_be_bytes()));
        let extended = highest + step;
        let believed = step < MAX_DROPOUT || step.saturating_mul(MIN_PACKET_NS) <= at.saturating_sub(before);
        if step > 0 && believed {
            for passed in (highest + 1..=extended).take(WINDOW as usize) {
                self.mark(passed, false);
            }
            self.mark(extended, true);
            self.highest = Some((extended, at));
            let missing = u64::try_from(step - 1).unwrap_or(0);
            return (extended, Place::Next { missing });
        }
        if step <= -WINDOW && is_old(step) {
            return (extended, Place::Late);
        }
        if step > 0 || step <= -WINDOW {
            return (self.begin(at, extended), Place::Restart);
        }
        if self.mark(extended, true) { (extended, Place::Duplicate) } else { (extended, Place::Late) }
    }

    fn begin(&mut self, at: i64, extended: i64) -> i64 {
        self.seen = Self::default().seen;
        self.mark(extended, true);
        self.highest = Some((extended, at));
        extended
    }

    /// Sets whether `extended` has been seen, and says whether it had been.
    fn mark(&mut self, extended: i64, now: bool) -> bool {
        let bit = extended.rem_euclid(WINDOW);
        let Some(word) = usize::try_from(bit / 64).ok().and_then(|index| self.seen.get_mut(index)) else {
            return false;
        };
        let mask = 1_u64 << (bit % 64);
        let before = *word & mask != 0;
        *word = if now { *word | mask } else { *word & !mask };
        before
    }
}

fn low_bits(extended: i64) -> u16 {
    u16::try_from(extended.rem_euclid(1 << 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const MS: i64 = 1_000_000;

    fn places(packets: &[(i64, u16)]) -> Vec<(i64, Place)> {
        let mut sequence = Sequence::default();
        packets.iter().map(|&(ms, number)| sequence.take(ms * MS, number, |_| false)).collect()
    }

    #[test]
    fn late_and_double_packets_are_told_apart_over_the_wrap() {
        let got = places(&[(0, 65534), (20, 65535), (60, 1), (61, 0), (62, 0), (63, 65534), (80, 2)]);
        assert_eq!(
            got,
            [
                (65534, Place::First),
                (65535, Place::Next { missing: 0 }),
                (65537, Place::Next { missing: 1 }),
                (65536, Place::Late),
                (65536, Place::Duplicate),
                (65534, Place::Duplicate),
                (65538, Place::Next { missing: 0 }),
            ]
        );
    }

    #[test]
    fn a_long_step_is_believed_only_after_a_long_time() {
        assert_eq!(places(&[(0, 0), (20, 5000)])[1].1, Place::Restart);
        assert_eq!(places(&[(0, 0), (100_000, 5000)])[1].1, Place::Next { missing: 4999 });
        assert_eq!(places(&[(0, 5000), (20, 100)])[1].1, Place::Restart);
    }

    #[test]
    fn what_lies_a_window_back_is_forgotten() {
        let mut sequence = Sequence::default();
        for number in 0..3000_u16 {
            assert!(sequence.take(i64::from(number) * 20 * MS, number, |_| false).1.is_newest());
        }
        assert_eq!(sequence.take(60_000 * MS, 2000, |_| false).1, Place::Duplicate);
        sequence.take(60_000 * MS, 3500, |_| false);
        assert_eq!(sequence.take(60_000 * MS, 3200, |_| false).1, Place::Late);
        assert_eq!(sequence.take(60_001 * MS, 1000, |step| step == -2500).1, Place::Late);
        assert_eq!(sequence.take(60_002 * MS, 1000, |_| false).1, Place::Restart);
    }
}
