//! Frames that did not come (RFC 3951 4.5): the last residual goes on in its pitch, with as much noise as it had, fainter
//! with time, through the last filter.

use super::lpc::Lpc;
use super::{FRACTION, MAX_SAMPLES, ORDER, clip};

/// Fixed point of shares and gains.
const ONE: i64 = 1 << ONE_BITS;
const ONE_BITS: u32 = 14;
/// Samples that are compared in search of the pitch.
const COMPARED: usize = 60;
/// How far the pitch may be from what the enhancer found.
const AROUND: usize = 3;
const LEAST_LAG: usize = 20;
/// A shorter pitch is repeated by two of its cycles.
const SHORT_LAG: usize = 80;
/// Samples made up so far, and the gain beyond them, hundredths.
const FADING: [(usize, i64); 4] = [(1280, 0), (960, 50), (640, 70), (320, 90)];
/// Gain within a frame, by 80 samples, hundredths.
const WITHIN: [i64; 3] = [100, 95, 90];
/// Roots of likeness between which pitch takes over from noise, hundredths.
const NOISE_TO_PITCH: (i64, i64) = (40, 70);
/// Fainter than this (root mean square) it is noise alone.
const FAINT: i64 = 30 << FRACTION;
/// Noise is the residual of so many samples ago, at random.
const NOISE_FROM: u32 = 50;
const NOISE_RANGE: u32 = 70;

/// What frames are made of.
#[derive(Debug)]
pub(super) struct Loss {
    residual: [i32; MAX_SAMPLES],
    lpc: Lpc,
    lag: usize,
    /// How alike the residual's end and its past were, of [`ONE`].
    likeness: i64,
    /// Samples made up since the last frame that came.
    made: usize,
    seed: u32,
}

impl Default for Loss {
    fn default() -> Self {
        Self { residual: [0; MAX_SAMPLES], lpc: [0; ORDER], lag: 120, likeness: 0, made: 0, seed: 777 }
    }
}

impl Loss {
    /// Remembers a frame's residual and last filter.
    pub(super) fn came(&mut self, residual: &[i32], lpc: &Lpc) {
        self.residual[..residual.len()].copy_from_slice(residual);
        (self.lpc, self.made) = (*lpc, 0);
    }

    /// The next residual of `length` samples and its filter; `lag` is the pitch of before.
    pub(super) fn make(&mut self, length: usize, lag: usize) -> ([i32; MAX_SAMPLES], Lpc) {
        let past = &self.residual[..length];
        if self.made == 0 {
            let lags = lag.saturating_sub(AROUND).max(LEAST_LAG)..=(lag + AROUND).min(length - 1);
            let best = lags
                .map(|lag| (lag, Likeness::of(past, lag)))
                .reduce(|best, next| if next.1.is_more_than(&best.1) { next } else { best });
            if let Some((lag, likeness)) = best {
                (self.lag, self.likeness) = (lag, likeness.share());
            }
        }
        self.made = self.made.saturating_add(length);
        let gain = FADING.iter().find(|(samples, _)| self.made > *samples).map_or(100, |&(_, gain)| gain);
        let root = (self.likeness * ONE).isqrt();
        let (from, to) = (NOISE_TO_PITCH.0 * ONE / 100, NOISE_TO_PITCH.1 * ONE / 100);
        let pitch = ((root - from) * ONE / (to - from)).clamp(0, ONE);
        let lag = if self.lag < SHORT_LAG { 2 * self.lag } else { self.lag };

        let (mut noise, mut made) = ([0; MAX_SAMPLES], [0; MAX_SAMPLES]);
        let mut energy = 0;
        for n in 0..length {
            self.seed = self.seed.wrapping_mul(69_069).wrapping_add(1) & 0x7fff_ffff;
            let back = (NOISE_FROM + self.seed % NOISE_RANGE) as usize;
            noise[n] = if n < back { past[length + n - back] } else { noise[n - back] };
            let voiced = if n < lag { past[length + n - lag] } else { made[n - lag] };
            let mixed = (pitch * i64::from(voiced) + (ONE - pitch) * i64::from(noise[n])) >> ONE_BITS;
            made[n] = clip(mixed * gain * WITHIN[(n / 80).min(2)] / 10_000);
            energy += i64::from(made[n]) * i64::from(made[n]);
        }
        if energy < FAINT * FAINT * length as i64 {
            made = noise.map(|sample| clip(i64::from(sample) * gain / 100));
        }
        self.residual = made;
        (made, self.lpc)
    }
}

/// What the end of a residual and what lies `lag` before it have in common.
struct Likeness {
    across: i64,
    old: i64,
    new: i64,
}

impl Likeness {
    fn of(past: &[i32], lag: usize) -> Self {
        let mut likeness = Self { across: 0, old: 0, new: 0 };
        let compared = COMPARED.min(past.len() - lag);
        let (new, old) = (&past[past.len() - compared..], &past[past.len() - compared - lag..]);
        for (&new, &old) in new.iter().zip(old) {
            let (new, old) = (i64::from(new), i64::from(old));
            likeness.across += new * old;
            likeness.old += old * old;
            likeness.new += new * new;
        }
        likeness
    }

    /// By the square of the correlation over the energy of what is older.
    fn is_more_than(&self, other: &Self) -> bool {
        /// So many bits fewer, and the products fit.
        const LESS: u32 = 12;
        let square = |likeness: &Self| i128::from(likeness.across >> LESS).pow(2);
        square(self) * i128::from(other.old >> LESS) > square(other) * i128::from(self.old >> LESS)
    }

    /// The correlation coefficient's size, of [`ONE`].
    fn share(&self) -> i64 {
        let energy = (i128::from(self.old) * i128::from(self.new)).isqrt();
        let share = i128::from(self.across.abs()) * i128::from(ONE) / energy.max(1);
        i64::try_from(share).unwrap_or(ONE).min(ONE)
    }
}
