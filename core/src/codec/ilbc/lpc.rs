//! From line spectral frequencies to the filters of a frame's subframes, and those filters (RFC 3951 4.1, 4.7, 4.8).

use super::packet::Frame;
use super::tables::{LSF_1, LSF_2, LSF_3, LSF_MEAN};
use super::{FRACTION, MAX_SUBFRAMES, Mode, ORDER, clip};

/// Fixed point of a filter's coefficients.
pub(super) const LPC_BITS: u32 = 24;
const COSINE_BITS: u32 = 30;
/// Least distance of two frequencies, half of it, and their range; radians, Q13 (RFC 3951 3.2.5).
const LEAST_APART: i32 = 319;
const HALF_APART: i32 = 160;
const RANGE: (i32, i32) = (82, 25_723);
/// How much of a subframe's frequencies is the earlier vector's, twelfths; those of 30 ms lie between the frame's own two but for
/// the first.
const EARLIER_20: [i64; 4] = [9, 6, 3, 0];
const EARLIER_30: [i64; MAX_SUBFRAMES] = [6, 12, 8, 4, 0, 0];
const TWELVE: i64 = 12;

/// A filter's denominator without its leading 1; Q24.
pub(super) type Lpc = [i64; ORDER];
/// One vector of frequencies; radians, Q13.
pub(super) type Lsf = [i32; ORDER];

/// The frequencies that a decoder begins with.
pub(super) fn mean() -> Lsf {
    LSF_MEAN.map(i32::from)
}

/// The filters of a frame's subframes; `before` is what the last frame ended with, and becomes what this one ends with.
pub(super) fn filters(frame: &Frame, mode: Mode, before: &mut Lsf) -> [Lpc; MAX_SUBFRAMES] {
    let first = vector(&frame.lsf[..3]);
    let mut filters = [[0; ORDER]; MAX_SUBFRAMES];
    match mode {
        Mode::Ms20 => {
            for (filter, weight) in filters.iter_mut().zip(EARLIER_20) {
                *filter = denominator(before, &first, weight);
            }
            *before = first;
        }
        Mode::Ms30 => {
            let last = vector(&frame.lsf[3..]);
            for (n, (filter, weight)) in filters.iter_mut().zip(EARLIER_30).enumerate() {
                *filter = if n == 0 { denominator(before, &first, weight) } else { denominator(&first, &last, weight) };
            }
            *before = last;
        }
    }
    filters
}

/// A vector of its three parts, its frequencies held apart.
fn vector(indices: &[usize]) -> Lsf {
    let parts: [(&[i16], usize); 3] = [(&LSF_1, 3), (&LSF_2, 3), (&LSF_3, 4)];
    let values =
        parts.iter().zip(indices).flat_map(|(&(book, size), &index)| book.iter().skip(index * size).take(size));
    let mut lsf = [0; ORDER];
    for (lsf, &value) in lsf.iter_mut().zip(values) {
        *lsf = i32::from(value);
    }
    for _ in 0..2 {
        for k in 0..ORDER - 1 {
            if lsf[k + 1] < lsf[k] {
                lsf[k + 1] = lsf[k] + HALF_APART;
            } else if lsf[k + 1] - lsf[k] < LEAST_APART {
                lsf[k] -= HALF_APART;
                lsf[k + 1] += HALF_APART;
            }
            lsf[k] = lsf[k].clamp(RANGE.0, RANGE.1);
        }
    }
    lsf
}

/// A(z), from the two polynomials whose zeros the frequencies are.
fn denominator(earlier: &Lsf, later: &Lsf, weight: i64) -> Lpc {
    let mut cosines = [0; ORDER];
    for (cosine, (&a, &b)) in cosines.iter_mut().zip(earlier.iter().zip(later)) {
        *cosine = cos(((weight * i64::from(a) + (TWELVE - weight) * i64::from(b)) << (COSINE_BITS - 13)) / TWELVE);
    }
    let (p, q) = (polynomial(cosines.iter().step_by(2)), polynomial(cosines.iter().skip(1).step_by(2)));
    let mut lpc = [0; ORDER];
    for (n, a) in lpc.iter_mut().enumerate() {
        *a = (p[n + 1] + p[n] + q[n + 1] - q[n]) / 2;
    }
    lpc
}

/// The product of 1 - 2 cos z^-1 + z^-2 over five cosines.
fn polynomial<'c>(cosines: impl Iterator<Item = &'c i64>) -> [i64; ORDER + 1] {
    let mut product = [0; ORDER + 1];
    product[0] = 1 << LPC_BITS;
    for (k, cosine) in cosines.enumerate() {
        for n in (1..=2 * k + 2).rev() {
            let twice = (product[n - 1] * cosine) >> (COSINE_BITS - 1);
            product[n] += if n > 1 { product[n - 2] } else { 0 } - twice;
        }
    }
    product
}

/// Of 0 to pi, by the series of the sine around a right angle; Q30.
fn cos(angle: i64) -> i64 {
    const HALF_PI: i64 = 1_686_629_713;
    let x = HALF_PI - angle;
    let square = (x * x) >> COSINE_BITS;
    let (mut sum, mut term) = (x, x);
    for n in (2..16).step_by(2) {
        term = -((term * square) >> COSINE_BITS) / (n * (n + 1));
        sum += term;
    }
    sum
}

/// Puts what a filter makes of `excitation` in its place; `memory` is its last samples, the newest first.
pub(super) fn synthesize(excitation: &mut [i32], lpc: &Lpc, memory: &mut [i32; ORDER]) {
    for sample in excitation {
        let past: i64 = lpc.iter().zip(&*memory).map(|(&a, &y)| a * i64::from(y)).sum();
        let made = clip(i64::from(*sample) - (past >> LPC_BITS));
        memory.copy_within(..ORDER - 1, 1);
        memory[0] = made;
        *sample = made;
    }
}

/// The filter of the second order that takes away what is below 60 Hz (RFC 3951 4.8), and the samples' fraction.
#[derive(Debug, Clone, Default)]
pub(super) struct HighPass {
    inputs: [i64; 2],
    outputs: [i64; 2],
}

impl HighPass {
    /// Coefficients; Q28. Its own samples have eight more bits of fraction.
    const BITS: u32 = 28;
    const ZEROS: [i64; 2] = [252_277_201, -504_546_827];
    const POLES: [i64; 2] = [-518_905_466, 251_226_593];
    const MORE: u32 = 8;

    pub(super) fn sample(&mut self, sample: i32) -> i16 {
        let input = i64::from(sample) << Self::MORE;
        let zeros = Self::ZEROS[0] * (input + self.inputs[1]) + Self::ZEROS[1] * self.inputs[0];
        let poles = Self::POLES[0] * self.outputs[0] + Self::POLES[1] * self.outputs[1];
        let output = (zeros - poles) >> Self::BITS;
        self.inputs = [input, self.inputs[0]];
        self.outputs = [output, self.outputs[0]];
        let bits = FRACTION + Self::MORE;
        let rounded = (output + (1 << (bits - 1))) >> bits;
        i16::try_from(rounded).unwrap_or(if rounded < 0 { i16::MIN } else { i16::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_right_to_eight_places() {
        for step in 0..=100_i32 {
            let angle = std::f64::consts::PI * f64::from(step) / 100.0;
            let ours = cos((angle * f64::from(1 << COSINE_BITS)) as i64) as f64 / f64::from(1 << COSINE_BITS);
            assert!((ours - angle.cos()).abs() < 1e-8, "{angle}: {ours}");
        }
    }

    #[test]
    fn filters_of_every_vector_are_stable() {
        let mut frame = Frame::parse(&[0x08; 38], Mode::Ms20).unwrap();
        let mut before = mean();
        for n in 0..2_000 {
            frame.lsf = [n % 64, n * 7 % 128, n * 13 % 128, 0, 0, 0];
            for lpc in &filters(&frame, Mode::Ms20, &mut before)[..4] {
                let (mut memory, mut impulse) = ([0; ORDER], [0; 4_000]);
                impulse[0] = 1 << 20;
                synthesize(&mut impulse, lpc, &mut memory);
                let peak = |part: &[i32]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
                assert!(peak(&impulse[3_900..]) <= peak(&impulse[..100]) / 4, "{n}");
            }
        }
    }
}
