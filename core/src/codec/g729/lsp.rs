//! Line spectral frequencies to predictor coefficients (3.2.4 to 3.2.6), for speech and for comfort noise (Annex B).

use super::ORDER;
use super::tables::{COSINE, LSF_FIRST, LSF_PREDICTORS, LSF_SECOND, LSF_SHARES, MA_ORDER, NOISE_FIRST, NOISE_SECOND};

/// Limits of a frequency, and the least distance of two, Q13.
const LEAST: i32 = 40;
const MOST: i32 = 25_681;
const APART: i32 = 321;
/// Least distances of the quantizer's output, first and second time.
const SPREAD: [i32; 2] = [10, 5];
/// Annex B mixes both predictors: 0.6 of one, 0.4 of the other, Q15.
const NOISE_MIX: [i32; 2] = [19_660, 13_107];
/// Before the first frame.
const FIRST_LSP: [i32; ORDER] = [30_000, 26_000, 21_000, 15_000, 8_000, 0, -8_000, -15_000, -21_000, -26_000];

/// Predictor coefficients a(0) to a(10), Q12.
pub(super) type Predictor = [i32; ORDER + 1];

/// What the quantizer remembers.
#[derive(Debug, Clone)]
pub(super) struct Spectrum {
    /// Outputs of the quantizer, newest first, Q13.
    past: [[i32; ORDER]; MA_ORDER],
    lsf: [i32; ORDER],
    lsp: [i32; ORDER],
    predictor: Weights,
}

/// A moving-average predictor, Q15.
#[derive(Debug, Clone, Copy)]
struct Weights {
    past: [[i32; ORDER]; MA_ORDER],
    share: [i32; ORDER],
}

impl Weights {
    fn of_speech(index: usize) -> Self {
        let index = index & 1;
        Self { past: LSF_PREDICTORS[index].map(|row| row.map(i32::from)), share: LSF_SHARES[index].map(i32::from) }
    }

    fn of_noise(index: usize) -> Self {
        let (mut one, other) = (Self::of_speech(0), Self::of_speech(1));
        if index & 1 == 1 {
            let mix = |one: &mut i32, other: &i32| *one = (*one * NOISE_MIX[0] + other * NOISE_MIX[1]) >> 15;
            one.share.iter_mut().zip(&other.share).for_each(|(one, other)| mix(one, other));
            one.past.iter_mut().flatten().zip(other.past.iter().flatten()).for_each(|(one, other)| mix(one, other));
        }
        one
    }
}

impl Default for Spectrum {
    fn default() -> Self {
        let mut even = [0; ORDER];
        (1..).zip(&mut even).for_each(|(n, frequency)| *frequency = (18_717 * n) >> 3);
        Self { past: [even; MA_ORDER], lsf: even, lsp: FIRST_LSP, predictor: Weights::of_speech(0) }
    }
}

impl Spectrum {
    /// A frame of speech: predictor and three indices.
    pub(super) fn speech(&mut self, switch: usize, first: usize, low: usize, high: usize) -> [Predictor; 2] {
        self.predictor = Weights::of_speech(switch);
        self.quantized(first, low, high, &SPREAD)
    }

    /// A frame of comfort noise: predictor and two indices.
    pub(super) fn noise(&mut self, switch: usize, first: usize, second: usize) -> [Predictor; 2] {
        self.predictor = Weights::of_noise(switch);
        let second = NOISE_SECOND.map(|half| usize::from(half[second & 15]));
        self.quantized(usize::from(NOISE_FIRST[first & 31]), second[0], second[1], &SPREAD[..1])
    }

    fn quantized(&mut self, first: usize, low: usize, high: usize, spread: &[i32]) -> [Predictor; 2] {
        let mut output = LSF_FIRST[first & 127].map(i32::from);
        for (n, value) in output.iter_mut().enumerate() {
            let second = if n < ORDER / 2 { low } else { high };
            *value += i32::from(LSF_SECOND[second & 31][n]);
        }
        for &least in spread {
            for n in 1..ORDER {
                let near = (output[n - 1] - output[n] + least) >> 1;
                if near > 0 {
                    output[n - 1] -= near;
                    output[n] += near;
                }
            }
        }
        for (n, frequency) in self.lsf.iter_mut().enumerate() {
            let past = self.predictor.past.iter().zip(&self.past).map(|(weight, past)| weight[n] * past[n]);
            *frequency = (output[n] * self.predictor.share[n] + past.sum::<i32>()) >> 15;
        }
        self.stabilize();
        self.remember(output);
        self.advance()
    }

    /// A frame that did not come: the frequencies stay (4.4.1).
    pub(super) fn repeat(&mut self) -> [Predictor; 2] {
        let mut output = [0; ORDER];
        for (n, value) in output.iter_mut().enumerate() {
            let past = self.predictor.past.iter().zip(&self.past).map(|(weight, past)| weight[n] * past[n]);
            *value = ((self.lsf[n] << 15) - past.sum::<i32>()) / self.predictor.share[n].max(1);
        }
        self.remember(output);
        self.advance()
    }

    fn remember(&mut self, output: [i32; ORDER]) {
        self.past.rotate_right(1);
        self.past[0] = output;
    }

    /// In order, apart, and within limits.
    fn stabilize(&mut self) {
        self.lsf.sort_unstable();
        let mut least = LEAST;
        for frequency in &mut self.lsf {
            *frequency = (*frequency).max(least);
            least = *frequency + APART;
        }
        self.lsf[ORDER - 1] = self.lsf[ORDER - 1].min(MOST);
    }

    /// The predictors of both subframes: between the last frame's frequencies and these, and of these.
    fn advance(&mut self) -> [Predictor; 2] {
        let now = self.lsf.map(cosine);
        let mut between = now;
        between.iter_mut().zip(&self.lsp).for_each(|(new, &old)| *new = (*new >> 1) + (old >> 1));
        self.lsp = now;
        [predictor(&between), predictor(&now)]
    }
}

/// The cosine, Q15, of a frequency in Q13.
fn cosine(frequency: i32) -> i32 {
    let angle = (frequency * 20_861) >> 15;
    let index = ((angle >> 8).clamp(0, 63)) as usize;
    COSINE[index] + (((angle & 0xff) * (COSINE[index + 1] - COSINE[index])) >> 8)
}

/// 3.2.6: of cosines to coefficients.
fn predictor(lsp: &[i32; ORDER]) -> Predictor {
    let half = ORDER / 2;
    let (sums, differences) = (polynomial(lsp, 0), polynomial(lsp, 1));
    let mut a = [4096; ORDER + 1];
    for n in 1..=half {
        let sum = sums[n] + sums[n - 1] + (1 << 10);
        let difference = differences[n] - differences[n - 1];
        a[n] = ((sum + difference) >> 11) as i32;
        a[ORDER + 1 - n] = ((sum - difference) >> 11) as i32;
    }
    a
}

/// The product of 1 - 2 q z + z^2 over every second cosine, Q22.
fn polynomial(lsp: &[i32; ORDER], from: usize) -> [i64; ORDER / 2 + 1] {
    let mut f = [0_i64; ORDER / 2 + 1];
    f[0] = 1 << 22;
    for (i, cosine) in lsp.iter().skip(from).step_by(2).enumerate() {
        let q = i64::from(*cosine);
        // The product so far reads the same from both ends.
        if i > 0 {
            f[i + 1] = f[i - 1];
        }
        for j in (1..=i + 1).rev() {
            let square = if j > 1 { f[j - 2] } else { 0 };
            f[j] += square - ((f[j - 1] * q) >> 14);
        }
    }
    f
}
