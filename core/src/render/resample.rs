//! Samples between those that there are: a sender's samples at the moments of ours, where its clock or its rate is another.
//!
//! ```text
//!  of the sender   x     x     x     x     x     x     x
//!  ours          |      |      |      |      |      |          each a sum of the 32 samples around it
//! ```
//!
//! The sum's weights are a sinc under a Kaiser window, so that 3 kHz keep their shape as well as 300 Hz. They stand in a table of
//! integers, which the compiler makes: at an integer position the sum is the sample itself, and any machine gives the
//! same bytes.

use alloc::vec::Vec;

/// Samples that make one.
const TAPS: usize = 32;
const HALF: usize = TAPS / 2;
/// Positions between two samples for which there are weights; in between, results are interpolated.
const PHASES: usize = 128;
const PHASE_BITS: u32 = PHASES.trailing_zeros();
/// The kernel's Kaiser window: 80 dB.
const KAISER_BETA: f64 = 8.0;
/// A weight of 1.
const ONE: i16 = 1 << ONE_BITS;
const ONE_BITS: u32 = 14;
/// Bits of a position behind the point.
pub(super) const POSITION_BITS: u32 = 32;
/// What is nearer to a sample than this is that sample: a hundredth of a microsecond and less.
const EXACT: i64 = 1 << (POSITION_BITS - 13);
/// So many samples of what came last have no result yet: those that come next belong to it.
pub(super) const LAG: i64 = 18;
/// Samples that are kept for the results that are still to come.
pub(super) const KEPT: usize = TAPS + 4;

static KERNEL: [[i16; TAPS]; PHASES + 1] = kernel();

/// The samples at `count` positions from `position` on, each `step` after the one before, both in 1 / 2^[`POSITION_BITS`]
/// of a sample. Position 0 is that of `samples[KEPT]`. What lies outside is silence.
pub(super) fn resample(samples: &[i16], position: i64, step: i64, count: usize, out: &mut Vec<i16>) {
    let whole_step = 1 << POSITION_BITS;
    let nearest = (position + whole_step / 2) >> POSITION_BITS;
    let off = (position - (nearest << POSITION_BITS)).abs();
    let drift = (step - whole_step).saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)).saturating_abs();
    if off < EXACT && drift < EXACT {
        let at = |index: usize| Some(nearest + i64::try_from(index).ok()? + KEPT as i64);
        let sample = |index| samples.get(usize::try_from(at(index)?).ok()?).copied();
        out.extend((0..count).map(|index| sample(index).unwrap_or(0)));
        return;
    }
    let mut position = position;
    out.extend((0..count).map(|_| {
        let first = (position >> POSITION_BITS) + KEPT as i64 - (HALF as i64 - 1);
        let fraction = usize::try_from(position & (whole_step - 1)).unwrap_or(0);
        position = position.saturating_add(step);
        let near = usize::try_from(first).ok().and_then(|first| samples.get(first..)?.first_chunk::<TAPS>());
        near.map_or(0, |near| between(near, fraction))
    }));
}

/// The sample at `fraction` (of 2^[`POSITION_BITS`]) after the sixteenth.
fn between(near: &[i16; TAPS], fraction: usize) -> i16 {
    let phase = fraction >> (POSITION_BITS - PHASE_BITS);
    let rest = (fraction >> (POSITION_BITS - PHASE_BITS - 16)) & 0xffff;
    let (before, after) = (i64::from(sum(near, &KERNEL[phase])), i64::from(sum(near, &KERNEL[phase + 1])));
    let value = before + (((after - before) * rest as i64) >> 16);
    let rounded = (value + i64::from(ONE / 2)) >> ONE_BITS;
    i16::try_from(rounded).unwrap_or(if rounded < 0 { i16::MIN } else { i16::MAX })
}

/// No more than 2.5 times full scale: the weights' magnitudes add up to less.
fn sum(near: &[i16; TAPS], weights: &[i16; TAPS]) -> i32 {
    near.iter().zip(weights).map(|(&sample, &weight)| i32::from(sample) * i32::from(weight)).sum()
}

/// Row `p` holds the weights for `p / PHASES` after the sixteenth sample. Its sum is [`ONE`], so that a level stays what it is.
#[expect(clippy::cast_possible_truncation, reason = "weights are within -1 and 1")]
const fn kernel() -> [[i16; TAPS]; PHASES + 1] {
    let mut rows = [[0; TAPS]; PHASES + 1];
    let mut phase = 0;
    while phase <= PHASES / 2 {
        let fraction = phase as f64 / PHASES as f64;
        let sine = sine_of_half_turns(fraction);
        let (mut row, mut total, mut tap) = ([0; TAPS], 0, 0);
        while tap < TAPS {
            let whole = tap as i32 - (HALF as i32 - 1);
            let x = whole as f64 - fraction;
            // sin(pi (n - f)) is sin(pi f), with the sign of -(-1)^n.
            let sinc = if x == 0.0 {
                1.0
            } else if whole % 2 == 0 {
                -sine / (core::f64::consts::PI * x)
            } else {
                sine / (core::f64::consts::PI * x)
            };
            let weight = sinc * window(x / HALF as f64) * ONE as f64;
            row[tap] = if weight < 0.0 { (weight - 0.5) as i16 } else { (weight + 0.5) as i16 };
            total += row[tap];
            tap += 1;
        }
        row[HALF - 1] += ONE - total;
        rows[phase] = row;
        // The same, seen from the next sample.
        let mut tap = 0;
        while tap < TAPS {
            rows[PHASES - phase][TAPS - 1 - tap] = row[tap];
            tap += 1;
        }
        phase += 1;
    }
    rows
}

/// sin(pi x) of x from 0 to 1/2.
pub(super) const fn sine_of_half_turns(x: f64) -> f64 {
    let angle = core::f64::consts::PI * x;
    let (mut sum, mut term, mut n) = (0.0, angle, 1.0);
    while n < 24.0 {
        sum += term;
        term *= -angle * angle / ((n + 1.0) * (n + 2.0));
        n += 2.0;
    }
    sum
}

/// The Kaiser window at `x`, -1 to 1.
const fn window(x: f64) -> f64 {
    let inside = 1.0 - x * x;
    if inside < 0.0 {
        return 0.0;
    }
    let quarter = KAISER_BETA * KAISER_BETA / 4.0;
    bessel(quarter * inside) / bessel(quarter)
}

/// The modified Bessel function I0, of the square of half its argument.
const fn bessel(square: f64) -> f64 {
    let (mut sum, mut term, mut n) = (0.0, 1.0, 1.0);
    while n < 26.0 {
        sum += term;
        term *= square / (n * n);
        n += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: i64 = 1 << POSITION_BITS;

    #[test]
    fn weights_add_up_to_one_and_none_overflows() {
        for row in &KERNEL {
            assert_eq!(row.iter().map(|&weight| i32::from(weight)).sum::<i32>(), i32::from(ONE));
            assert!(row.iter().map(|&weight| i32::from(weight).abs()).sum::<i32>() < 5 * i32::from(ONE) / 2);
        }
        assert_eq!(KERNEL[0][HALF - 1], ONE);
        assert_eq!(KERNEL[PHASES][HALF], ONE);
        // The middle lies as far from one as from the other, but for what rounding left over.
        assert!(KERNEL[PHASES / 2][HALF - 1].abs_diff(KERNEL[PHASES / 2][HALF]) < 5);
    }

    #[test]
    fn at_the_senders_own_moments_nothing_is_changed() {
        let samples: Vec<i16> = (0..400).map(|n: i32| i16::try_from(n * 7_919 % 65_536 - 32_768).unwrap()).collect();
        let mut out = Vec::new();
        resample(&samples, 3 * WHOLE, WHOLE, 200, &mut out);
        assert_eq!(out, samples[KEPT + 3..KEPT + 203]);
        out.clear();
        // Every second one of twice as many.
        resample(&samples, -5 * WHOLE, WHOLE / 2, 200, &mut out);
        let own: Vec<i16> = out.iter().step_by(2).copied().collect();
        assert_eq!(own, samples[KEPT - 5..KEPT + 95]);
    }

    #[test]
    fn what_is_loud_saturates_and_what_is_outside_is_silent() {
        let samples: Vec<i16> = (0..200).map(|n| if n % 8 < 4 { i16::MAX } else { i16::MIN }).collect();
        let mut out = Vec::new();
        resample(&samples, WHOLE / 2, WHOLE, 400, &mut out);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        assert!(out[200..].iter().all(|&sample| sample == 0));
        resample(&[], i64::MIN / 2, i64::MAX, 3, &mut out);
    }
}
