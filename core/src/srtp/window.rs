//! Which of the newest packet indices were seen (RFC 3711 3.3.2).

use super::SrtpError;

/// Packets of SRTP that the replay window reaches back. RFC 3711 asks for 64. What is late is not too late for a recorder,
/// which plays nothing: 1,024 are 20 s of speech, or a second of video, for 128 octets a source.
pub const WINDOW: u64 = 1024;
/// Packets of SRTCP that the replay window reaches back: minutes, at the least interval of RFC 3550 6.2.
pub const REPORT_WINDOW: u64 = 64;

/// A window of `WORDS * 64` indices behind the highest one seen. Bit `index % size` tells whether `index` was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const SIZE: u64 = WORDS as u64 * 64;

    /// Of a source whose first packet is `index`.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.mark(index);
        window
    }

    /// As [`ReplayWindow::recent`] left it: what is older than its 64 indices counts as seen.
    pub(super) fn resumed(highest: u64, recent: u64) -> Self {
        let mut window = Self { highest, seen: [u64::MAX; WORDS] };
        for back in (0..64).filter(|back| recent >> back & 1 == 0) {
            if let Some(index) = highest.checked_sub(back) {
                window.clear(index);
            }
        }
        window
    }

    /// The highest index seen.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// The newest 64: bit `n` for the index `n` below the highest.
    pub(super) fn recent(&self) -> u64 {
        let seen = |back: &u64| self.highest.checked_sub(*back).is_some_and(|index| self.is_marked(index));
        (0..64).filter(seen).fold(0, |recent, back| recent | 1 << back)
    }

    /// Whether a packet of that index may come.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        match self.highest.checked_sub(index) {
            Some(behind) if behind >= Self::SIZE => Err(SrtpError::TooOld),
            Some(_) if self.is_marked(index) => Err(SrtpError::Replayed),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes an authenticated packet that [`ReplayWindow::check`] let pass.
    pub(super) fn record(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= Self::SIZE {
                self.seen = [0; WORDS];
            } else {
                (self.highest + 1..index).for_each(|skipped| self.clear(skipped));
            }
            self.highest = index;
        }
        self.mark(index);
    }

    fn is_marked(&self, index: u64) -> bool {
        self.seen.get(Self::word(index)).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn mark(&mut self, index: u64) {
        if let Some(word) = self.seen.get_mut(Self::word(index)) {
            *word |= 1 << (index % 64);
        }
    }

    fn clear(&mut self, index: u64) {
        if let Some(word) = self.seen.get_mut(Self::word(index)) {
            *word &= !(1 << (index % 64));
        }
    }

    fn word(index: u64) -> usize {
        // Less than WORDS, so it fits.
        (index / 64 % WORDS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    type Small = ReplayWindow<2>;

    #[test]
    fn what_was_seen_is_known_until_the_window_has_passed_it() {
        let mut window = Small::starting_at(1000);
        assert_eq!(window.check(1000), Err(SrtpError::Replayed));
        assert_eq!(window.check(873), Ok(()));
        assert_eq!(window.check(872), Err(SrtpError::TooOld));
        window.record(1100);
        window.record(1001);
        assert_eq!(window.check(1001), Err(SrtpError::Replayed));
        assert_eq!(window.check(1000), Err(SrtpError::Replayed));
        assert_eq!(window.check(1002), Ok(()));
        window.record(5000);
        assert_eq!(window.check(5000 - 128), Err(SrtpError::TooOld));
        assert_eq!((4873..5000).filter(|index| window.check(*index).is_err()).count(), 0);
    }

    #[test]
    fn the_newest_64_survive_and_what_is_older_counts_as_seen() {
        let mut window = ReplayWindow::<16>::starting_at(10_000);
        window.record(10_003);
        window.record(9_950);
        let resumed = ReplayWindow::<16>::resumed(window.highest(), window.recent());
        let missing: Vec<u64> = (9_900..10_010).filter(|index| resumed.check(*index).is_ok()).collect();
        let expected: Vec<u64> = (9_940..10_010).filter(|index| ![9_950, 10_000, 10_003].contains(index)).collect();
        assert_eq!(missing, expected);
        assert_eq!(ReplayWindow::<1>::resumed(3, 0b1001).recent(), 0b1001);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all_that_came(start in 0_u64..500, steps in prop::collection::vec(0_u64..400, 1..300)) {
            let mut window = Small::starting_at(start);
            let mut came = Vec::from([start]);
            let mut highest = start;
            for step in steps {
                let index = (highest + step).saturating_sub(200);
                let expected = if came.contains(&index) && highest < index + 128 {
                    Err(SrtpError::Replayed)
                } else if index + 128 <= highest {
                    Err(SrtpError::TooOld)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.record(index);
                    came.push(index);
                    highest = highest.max(index);
                }
            }
        }
    }
}
