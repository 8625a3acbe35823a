//! The postfilter of G.729 Annex A (A.4.2) and the high-pass filter behind it (4.2.5).
//!
//! ```text
//! speech -> A(z/0.55) -> long-term -> tilt -> 1/A(z/0.7) -> gain control -> high-pass, x 2 -> samples
//! ```

use super::lsp::Predictor;
use super::{MAX_DELAY, ORDER, SUBFRAME, clip, synthesize};

/// 0.55 and 0.7 to the powers of 1 to 10, Q15.
const NUMERATOR: [i32; ORDER] = [18_022, 9_912, 5_451, 2_998, 1_649, 907, 499, 274, 151, 83];
const DENOMINATOR: [i32; ORDER] = [22_938, 16_057, 11_240, 7_868, 5_508, 3_856, 2_699, 1_889, 1_322, 925];
/// Delays around the pitch that are tried.
const AROUND: usize = 3;
/// Share of the tilt that is undone, Q15.
const TILT: i64 = 26_214;
/// Samples of the impulse response that tell the tilt.
const RESPONSE: usize = 22;
/// How much of the last sample's gain stays, Q15.
const GAIN_MEMORY: i64 = 29_491;
/// High-pass: coefficients of x and y, Q13.
const ZEROS: i64 = 7_699;
const POLES: [i64; 2] = [15_836, -7_667];

/// What the filters remember.
#[derive(Debug, Clone)]
pub(super) struct Postfilter {
    /// The last samples of speech.
    speech: [i32; ORDER],
    /// Residuals, newest last.
    residual: [i32; MAX_DELAY + SUBFRAME],
    tilt: i32,
    formant: [i32; ORDER],
    /// Q12.
    gain: i64,
    inputs: [i64; 2],
    outputs: [i64; 2],
}

impl Default for Postfilter {
    fn default() -> Self {
        Self {
            speech: [0; ORDER],
            residual: [0; MAX_DELAY + SUBFRAME],
            tilt: 0,
            formant: [0; ORDER],
            gain: 1 << 12,
            inputs: [0; 2],
            outputs: [0; 2],
        }
    }
}

impl Postfilter {
    /// Filters a subframe of speech whose pitch delay is `delay`.
    pub(super) fn run(&mut self, speech: &[i32; SUBFRAME], a: &Predictor, delay: usize) -> [i16; SUBFRAME] {
        let (numerator, denominator) = (weigh(a, &NUMERATOR), weigh(a, &DENOMINATOR));
        self.residual.copy_within(SUBFRAME.., 0);
        let past = |n: usize, i: usize| n.checked_sub(i).map_or_else(|| self.speech[ORDER + n - i], |at| speech[at]);
        let mut residual = [0; SUBFRAME];
        for (n, out) in residual.iter_mut().enumerate() {
            let sum: i32 = (1..=ORDER).map(|i| numerator[i] * past(n, i)).sum();
            *out = clip(speech[n] + ((sum + 0x800) >> 12));
        }
        self.residual[MAX_DELAY..].copy_from_slice(&residual);
        self.speech.copy_from_slice(&speech[SUBFRAME - ORDER..]);
        let mut filtered = self.long_term(delay);
        self.undo_tilt(&mut filtered, &numerator, &denominator);
        let filtered = synthesize(&filtered, &denominator, &mut self.formant).0;
        self.level(speech, &filtered).map(|sample| self.high_pass(sample))
    }

    /// The high-pass filter alone.
    pub(super) fn pass(&mut self, speech: &[i32; SUBFRAME]) -> [i16; SUBFRAME] {
        speech.map(|sample| self.high_pass(sample.into()))
    }

    /// A.4.2.1: adds what the residual was a pitch period ago, where they are alike.
    fn long_term(&self, delay: usize) -> [i32; SUBFRAME] {
        let now = &self.residual[MAX_DELAY..];
        let last = (delay + AROUND).min(MAX_DELAY);
        let first = if last == MAX_DELAY { MAX_DELAY - 2 * AROUND } else { delay.saturating_sub(AROUND) };
        let before = |delay: usize| &self.residual[MAX_DELAY - delay..MAX_DELAY - delay + SUBFRAME];
        let product =
            |a: &[i32], b: &[i32]| -> i64 { a.iter().zip(b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum() };
        let mut best = (i64::MIN, first);
        for delay in first..=last {
            let across = product(now, before(delay));
            if across > best.0 {
                best = (across, delay);
            }
        }
        let (across, old) = (best.0, before(best.1));
        let (energy, energy_now) = (product(old, old), product(now, now));
        let mut out = [0; SUBFRAME];
        out.copy_from_slice(now);
        let square = i128::from(across) * i128::from(across);
        if across <= 0 || square * 2 < i128::from(energy) * i128::from(energy_now) {
            return out;
        }
        // 1 / (1 + g / 2) of the one, the rest of the other; g is at most 1.
        let across = across.min(energy);
        let share = 2 * (energy << 15) / (2 * energy + across).max(1);
        for (sample, &old) in out.iter_mut().zip(old) {
            *sample = ((i64::from(*sample) * share + i64::from(old) * ((1 << 15) - share)) >> 15) as i32;
        }
        out
    }

    /// A.4.2.3, by the first coefficient of the impulse response of the formant filter.
    fn undo_tilt(&mut self, signal: &mut [i32; SUBFRAME], numerator: &Predictor, denominator: &Predictor) {
        let mut impulse = [0; SUBFRAME];
        impulse[..=ORDER].copy_from_slice(numerator);
        let response = synthesize(&impulse, denominator, &mut [0; ORDER]).0;
        let of = |lag: usize| -> i64 {
            (0..RESPONSE - lag).map(|n| i64::from(response[n]) * i64::from(response[n + lag])).sum()
        };
        let (energy, next) = (of(0).max(1), of(1));
        let share = if next > 0 { (next * TILT / energy).min(TILT) } else { 0 };
        for sample in signal {
            let tilted = i64::from(*sample) - ((share * i64::from(self.tilt)) >> 15);
            self.tilt = *sample;
            *sample = clip(tilted as i32);
        }
    }

    /// A.4.2.4: as loud as it was.
    fn level(&mut self, before: &[i32; SUBFRAME], after: &[i32; SUBFRAME]) -> [i64; SUBFRAME] {
        let energy = |signal: &[i32]| -> u64 { signal.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum() };
        let (wanted, is) = (energy(before), energy(after));
        let target = if is == 0 { 0 } else { ((u128::from(wanted) << 24) / u128::from(is)).isqrt() };
        let target = i64::try_from(target.min(8 << 12)).unwrap_or(0);
        after.map(|sample| {
            self.gain = (self.gain * GAIN_MEMORY + target * ((1 << 15) - GAIN_MEMORY)) >> 15;
            i64::from(clip(((i64::from(sample) * self.gain) >> 12) as i32))
        })
    }

    /// 4.2.5: 100 Hz, second order; twice as loud.
    fn high_pass(&mut self, sample: i64) -> i16 {
        let zeros = ZEROS * (sample - 2 * self.inputs[0] + self.inputs[1]);
        let poles = ((self.outputs[0] * POLES[0]) >> 13) + ((self.outputs[1] * POLES[1]) >> 13);
        let out = (zeros + poles).clamp(-(1 << 29), 1 << 29);
        self.inputs = [sample, self.inputs[0]];
        self.outputs = [out, self.outputs[0]];
        clip(((out + 0x800) >> 12) as i32) as i16
    }
}

fn weigh(a: &Predictor, powers: &[i32; ORDER]) -> Predictor {
    let mut out = *a;
    out.iter_mut().skip(1).zip(powers).for_each(|(a, power)| *a = (*a * power + 0x4000) >> 15);
    out
}
