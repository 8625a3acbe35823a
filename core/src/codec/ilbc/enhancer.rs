//! The enhancer (RFC 3951 4.6): each piece of the residual is drawn towards the mean of its like, one to three pitch cycles before
//! and after it, as far as a twentieth of its energy.

use super::tables::{HALVING_FILTER, QUARTERS};
use super::{FRACTION, MAX_SAMPLES, Mode, clip};

/// Samples that are enhanced at a time.
const BLOCK: usize = 80;
const BLOCKS: usize = 8;
const BUFFER: usize = BLOCKS * BLOCK;
/// Blocks for which a frame of 30 ms brings a pitch; one of 20 ms brings one less.
const NEW_BLOCKS: usize = 3;
const OLD_BLOCKS: usize = BLOCKS - NEW_BLOCKS;
/// Lags, at half the rate.
const LAGS: core::ops::Range<usize> = 10..60;
const FIRST_LAG: usize = 40;
/// Cycles on each side.
const CYCLES: usize = 3;
/// How far a piece may be from where the pitch says, and how near to the ends of what is known.
const SLOP: usize = 2;
const OVERHANG: i32 = 2;
/// The middle of a filter between samples.
const MIDDLE: usize = 3;
const TAP_BITS: u32 = 12;
/// Positions are counted in quarters of a sample.
const QUARTER: i32 = 4;
/// Weights of the cycles, by a window of Hann; Q14.
const WEIGHTS: [i64; 2 * CYCLES + 1] = [2399, 8192, 13_985, 0, 13_985, 8192, 2399];
const WEIGHT_BITS: u32 = 14;
/// Share of the energy that may be changed, and what follows of it: a - a^2 / 4, one in so many.
const CHANGED: i128 = 20;
const CHANGED_ROOM: (i128, i128) = (79, 1600);
/// Differences below this share of the energy are none, one in so many.
const NO_DIFFERENCE: i128 = 10_000;
/// Fixed point of gains.
const GAIN_BITS: u32 = 20;

/// The residual of before, and its pitch.
#[derive(Debug)]
pub(super) struct Enhancer {
    buffer: [i32; BUFFER],
    /// Of each block.
    periods: [i32; BLOCKS],
    lag: usize,
    /// Whether the last frame was made up.
    was_made: bool,
}

impl Enhancer {
    pub(super) fn new() -> Self {
        Self { buffer: [0; BUFFER], periods: [FIRST_LAG as i32; BLOCKS], lag: 20, was_made: false }
    }

    /// The pitch that was found last, samples.
    pub(super) fn lag(&self) -> usize {
        self.lag
    }

    /// Takes a frame's residual, and gives as many samples of earlier ones.
    pub(super) fn enhance(&mut self, residual: &[i32], mode: Mode, is_made: bool) -> [i32; MAX_SAMPLES] {
        let length = residual.len();
        self.buffer.copy_within(length.., 0);
        self.buffer[BUFFER - length..].copy_from_slice(residual);
        let first = if mode == Mode::Ms20 { OLD_BLOCKS + 1 } else { OLD_BLOCKS };
        self.find_periods(first);
        if self.was_made {
            self.mend(residual, first, if mode == Mode::Ms20 { BLOCK / 2 } else { BLOCK });
        }
        self.was_made = is_made;
        let begin = BUFFER - length - if mode == Mode::Ms20 { BLOCK / 2 } else { BLOCK };
        let mut out = [0; MAX_SAMPLES];
        for (n, part) in out[..length].as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            *part = self.block(begin + n * BLOCK);
        }
        out
    }

    /// Finds the pitch of each new block, from `first` on, at half the rate.
    fn find_periods(&mut self, first: usize) {
        self.periods.copy_within(BLOCKS - first.., 0);
        const MOST: usize = (NEW_BLOCKS * BLOCK + 2 * LAGS.end) / 2;
        let begin = first * BLOCK - 2 * LAGS.end;
        let mut halved = [0_i64; MOST];
        let count = (BUFFER - begin) / 2;
        for (n, half) in halved[..count].iter_mut().enumerate() {
            let newest = begin + 2 * n + MIDDLE;
            let near = HALVING_FILTER.iter().enumerate().filter_map(|(k, &c)| Some((c, *self.buffer.get(newest - k)?)));
            *half = near.map(|(c, sample)| i64::from(c) * i64::from(sample)).sum::<i64>() >> (TAP_BITS + FRACTION - 3);
        }
        for (period, at) in self.periods[first..].iter_mut().zip((LAGS.end..).step_by(BLOCK / 2)) {
            let block = &halved[at..at + BLOCK / 2];
            let lag = most_alike(block, LAGS, |lag| &halved[at - lag..]);
            *period = 2 * lag as i32;
            self.lag = 2 * lag;
        }
    }

    /// After a loss, blends what was made up last with what the new frame says of it, backwards from its first pitch cycle.
    fn mend(&mut self, residual: &[i32], first: usize, count: usize) {
        let reduced = residual.iter().map(|&sample| i64::from(sample >> (FRACTION - 3)));
        let mut new = [0; MAX_SAMPLES];
        new.iter_mut().zip(reduced).for_each(|(to, sample)| *to = sample);
        let near = usize::try_from(self.periods[first]).unwrap_or(FIRST_LAG);
        let lag = most_alike(&new[..count], near - 1..near + 2, |lag| &new[lag..]);
        self.periods[first - 1] = lag as i32;

        // Backwards: the new cycle, then, where that is too short, what lies before.
        let end = BUFFER - residual.len();
        let mut made = [0_i64; BLOCK];
        for (back, sample) in made[..count].iter_mut().rev().enumerate() {
            *sample = if back < lag { residual[lag - 1 - back] } else { self.buffer[end - 1 - (back - lag)] }.into();
        }
        let old = &mut self.buffer[end - count..end];
        let root = |energy: i64| (energy / count as i64).isqrt();
        let energy_old = root(old.iter().map(|&sample| i64::from(sample).pow(2)).sum());
        let energy_new = root(made[..count].iter().map(|sample| sample.pow(2)).sum());
        if energy_new > 2 * energy_old {
            // Not louder than twice what is there, but for the end, which rises to the new frame.
            const RISE: usize = 10;
            for (n, sample) in made[..count].iter_mut().enumerate() {
                let risen = (n + RISE).saturating_sub(count) as i64;
                let limited = 2 * energy_old * (RISE as i64 - risen) + energy_new * risen;
                *sample = *sample * limited / (energy_new * RISE as i64);
            }
        }
        let whole = count as i64 + 1;
        for (n, (old, &made)) in old.iter_mut().zip(&made).enumerate() {
            let share = count as i64 - n as i64;
            *old = clip((i64::from(*old) * share + made * (whole - share)) / whole);
        }
    }

    /// The block at `begin`, enhanced.
    fn block(&self, begin: usize) -> [i32; BLOCK] {
        let mut own = [0; BLOCK];
        own.copy_from_slice(&self.buffer[begin..begin + BLOCK]);
        let mut around = [0_i64; BLOCK];
        let mut add = |piece: [i32; BLOCK], weight: i64| {
            around.iter_mut().zip(piece).for_each(|(sum, sample)| *sum += weight * i64::from(sample));
        };
        let at = begin as i32 * QUARTER;
        let half = BLOCK as i32 / 2 * QUARTER;
        // Cycles before, each found from the one after it.
        let (mut place, mut block) = (at, self.nearest(at + half - QUARTER / 2, false));
        for &weight in WEIGHTS[..CYCLES].iter().rev() {
            let period = self.periods[block] * QUARTER;
            place -= period;
            block = self.nearest(place + half - period, false);
            if place >= OVERHANG * QUARTER {
                let piece;
                (piece, place) = self.piece(begin, place);
                add(piece, weight);
            }
        }
        let mut place = at;
        for &weight in &WEIGHTS[CYCLES + 1..] {
            place += self.periods[self.nearest(place + half, true)] * QUARTER;
            if place + (BLOCK as i32 + OVERHANG) * QUARTER < BUFFER as i32 * QUARTER {
                let piece;
                (piece, place) = self.piece(begin, place);
                add(piece, weight);
            }
        }
        smooth(&own, &around.map(|sum| sum >> WEIGHT_BITS))
    }

    /// The block whose middle, less its period where `is_less`, is nearest to `place`; the first of equals.
    fn nearest(&self, place: i32, is_less: bool) -> usize {
        let middles = self.periods.iter().enumerate().map(|(n, &period)| {
            let middle = (n * BLOCK + BLOCK / 2) as i32 - if is_less { period } else { 0 };
            (n, (middle * QUARTER - place).abs())
        });
        middles.min_by_key(|&(_, distance)| distance).map_or(0, |(n, _)| n)
    }

    /// What is most like the block at `begin` near `place`, to a quarter of a sample, and where the next cycle is counted from.
    fn piece(&self, begin: usize, place: i32) -> ([i32; BLOCK], i32) {
        let middle = ((place - QUARTER / 2) / QUARTER).max(0) as usize;
        let first = middle.saturating_sub(SLOP);
        let last = (middle + SLOP).min(BUFFER - BLOCK - 1);
        let mut likeness = [0_i64; 2 * SLOP + 1];
        let count = last + 1 - first;
        let own = &self.buffer[begin..begin + BLOCK];
        for (like, from) in likeness[..count].iter_mut().zip(first..) {
            let other = &self.buffer[from..from + BLOCK];
            *like = own.iter().zip(other).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum::<i64>() >> FRACTION;
        }
        let best = finest(&likeness[..count]);
        let begin = first as i32 * QUARTER + best as i32;
        // The sample at or after it, and by how many quarters it is after.
        let whole = first + best.div_ceil(QUARTER as usize);
        let filter = &QUARTERS[whole * QUARTER as usize - begin as usize];
        let mut piece = [0; BLOCK];
        for (n, sample) in piece.iter_mut().enumerate() {
            let near =
                |k: usize| (whole + n + k).checked_sub(MIDDLE).and_then(|at| self.buffer.get(at)).copied().unwrap_or(0);
            let sum: i64 = filter.iter().enumerate().map(|(k, &c)| i64::from(c) * i64::from(near(k))).sum();
            *sample = clip(sum >> TAP_BITS);
        }
        (piece, begin + QUARTER)
    }
}

/// Where among and between `values` the greatest is, in quarters.
fn finest(values: &[i64]) -> usize {
    // With fewer values than taps, the filters' middles are used.
    let half = (values.len() / 2).min(MIDDLE);
    let taps = MIDDLE - half..=MIDDLE + half;
    let mut best = (0, i64::MIN);
    for n in 0..values.len() {
        for (quarter, filter) in QUARTERS.iter().enumerate() {
            let near = |k: usize| (n + half).checked_sub(k).and_then(|at| values.get(at)).copied().unwrap_or(0);
            let value = filter[taps.clone()].iter().enumerate().map(|(k, &c)| i64::from(c) * near(k)).sum();
            if value > best.1 {
                best = (n * QUARTERS.len() + quarter, value);
            }
        }
    }
    best.0
}

/// The lag at which `old` is most like `new`, by the square of the correlation over the energy; the first of equals.
fn most_alike<'s>(new: &[i64], lags: core::ops::Range<usize>, old: impl Fn(usize) -> &'s [i64]) -> usize {
    let mut best = (lags.start, 0_i128, 1_i128);
    for lag in lags {
        let (mut across, mut energy) = (0_i64, 0_i64);
        for (&new, &old) in new.iter().zip(old(lag)) {
            across += new * old;
            energy += old * old;
        }
        let square = i128::from(across.max(0)).pow(2);
        if square * best.2 > best.1 * i128::from(energy) {
            best = (lag, square, energy.into());
        }
    }
    best.0
}

/// `own` with as much of `around` as may be (RFC 3951 4.6.3 to 4.6.5).
fn smooth(own: &[i32; BLOCK], around: &[i64; BLOCK]) -> [i32; BLOCK] {
    let (mut w00, mut w11, mut w10) = (0_i128, 0_i128, 0_i128);
    for (&own, &around) in own.iter().zip(around) {
        let own = i64::from(own);
        (w00, w11, w10) =
            (w00 + i128::from(own * own), w11 + i128::from(around * around), w10 + i128::from(own * around));
    }
    // Energies are counted in whole samples, of which there is one at least.
    let least = 1 << (2 * FRACTION);
    let gain = ((w00 << (2 * GAIN_BITS)) / w11.max(least)).isqrt();
    let scaled = around.map(|around| ((gain * i128::from(around)) >> GAIN_BITS) as i64);
    let error: i128 = own.iter().zip(&scaled).map(|(&own, &scaled)| i128::from(i64::from(own) - scaled).pow(2)).sum();
    let mut out = [0; BLOCK];
    if error * CHANGED <= w00 {
        out.iter_mut().zip(scaled).for_each(|(out, scaled)| *out = clip(scaled));
        return out;
    }
    // Out of bounds: a mixture that changes just so much.
    let (w00, w11, w10) = (w00.max(least) >> FRACTION, w11.max(least) >> FRACTION, w10 >> FRACTION);
    let apart = w11 * w00 - w10 * w10;
    let one = 1_i128 << GAIN_BITS;
    let (a, b) = if apart * NO_DIFFERENCE > w00 * w00 {
        // The root of room / (apart / w00^2), its parts brought to sizes that 127 bits hold.
        let ratio = ((w00 * w00) << GAIN_BITS) / apart;
        let a = (((ratio * CHANGED_ROOM.0) << GAIN_BITS) / CHANGED_ROOM.1).isqrt();
        (a, one - one / (2 * CHANGED) - a * w10 / w00)
    } else {
        (0, one)
    };
    for (out, (&own, &around)) in out.iter_mut().zip(own.iter().zip(around)) {
        *out = clip(((a * i128::from(around) + b * i128::from(own)) >> GAIN_BITS) as i64);
    }
    out
}
