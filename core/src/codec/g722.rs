//! G.722 (ITU-T Recommendation G.722, 09/2012), decoder at 64 kbit/s: an octet is two samples at 16 kHz.
//!
//! ```text
//! 2 bits -> upper band's quantizer and predictor -> rH --\
//! 6 bits -> lower band's quantizer and predictor -> rL ---+-> mirror filter -> 2 samples
//! ```
//! Names of steps are those of the Recommendation's blocks (6.2). Bit-exact; the RTP payload format has no other mode (RFC 3551 4.5.2).

use alloc::vec::Vec;

/// Lower band: output of the six-bit inverse quantizer, by code word (table 6 with its sign).
const LOW_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];
/// Lower band: output of the four-bit inverse quantizer, which drives the predictor.
const LOW_4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];
/// Upper band: output of the two-bit inverse quantizer.
const HIGH_2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// Lower band: what a code word adds to the logarithmic scale factor (table 10).
const LOW_STEP: [i32; 16] = [-60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60];
/// Upper band: the same.
const HIGH_STEP: [i32; 4] = [798, -214, 798, -214];
/// Inverse logarithm (table 12).
const EXPONENT: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Every second coefficient of the mirror filter; the others are these in reverse (table 11).
const MIRROR: [i32; TAPS] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const TAPS: usize = 12;
/// Limits of the logarithmic scale factors.
const LOW_SCALE_MAX: i32 = 18_432;
const HIGH_SCALE_MAX: i32 = 22_528;

/// A decoder's memory.
#[derive(Debug, Clone)]
pub(super) struct G722 {
    low: Band,
    high: Band,
    sums: [i32; TAPS],
    differences: [i32; TAPS],
}

/// What a band remembers.
#[derive(Debug, Clone)]
struct Band {
    /// Prediction of the next sample.
    s: i32,
    /// The part of it that zeros make.
    sz: i32,
    /// Reconstructed signal, and partially reconstructed one: newest first.
    r: [i32; 2],
    p: [i32; 2],
    /// Poles and zeros of the predictor, and quantized differences.
    a: [i32; 2],
    b: [i32; 6],
    d: [i32; 6],
    /// Scale factor, logarithmic and linear.
    log_scale: i32,
    scale: i32,
}

impl Default for G722 {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), sums: [0; TAPS], differences: [0; TAPS] }
    }
}

impl G722 {
    /// Appends two samples an octet.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        for &octet in payload {
            let (low, high) = (usize::from(octet & 0x3f), usize::from(octet >> 6));
            let r_low = clip_15(self.low.s + ((self.low.scale * LOW_6[low]) >> 15));
            let coarse = low >> 2;
            self.low.adapt((self.low.scale * LOW_4[coarse]) >> 15);
            self.low.rescale(LOW_STEP[coarse], LOW_SCALE_MAX, 8);
            let d_high = (self.high.scale * HIGH_2[high]) >> 15;
            let r_high = clip_15(self.high.s + d_high);
            self.high.adapt(d_high);
            self.high.rescale(HIGH_STEP[high], HIGH_SCALE_MAX, 10);
            out.extend(self.mirror(r_low, r_high));
        }
    }

    /// The receive quadrature mirror filter (5.2.1).
    fn mirror(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.sums.rotate_left(1);
        self.differences.rotate_left(1);
        self.sums[TAPS - 1] = low + high;
        self.differences[TAPS - 1] = low - high;
        let first: i32 = self.differences.iter().zip(MIRROR.iter().rev()).map(|(x, h)| x * h).sum();
        let second: i32 = self.sums.iter().zip(MIRROR).map(|(x, h)| x * h).sum();
        [first, second].map(|sum| saturate(sum >> 11) as i16)
    }
}

impl Band {
    fn new(scale: i32) -> Self {
        Self { s: 0, sz: 0, r: [0; 2], p: [0; 2], a: [0; 2], b: [0; 6], d: [0; 6], log_scale: 0, scale }
    }

    /// RECONS to PREDIC: the next prediction, by a quantized difference.
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);
        self.poles(p);
        self.zeros(d);
        self.p = [p, self.p[0]];
        self.r = [r, self.r[0]];
        let pole = |a: i32, r: i32| (a * saturate(r + r)) >> 15;
        let sp = saturate(pole(self.a[0], self.r[0]) + pole(self.a[1], self.r[1]));
        self.s = saturate(sp + self.sz);
    }

    /// UPPOL2 and UPPOL1.
    fn poles(&mut self, p: i32) {
        let [same, same_before] = self.p.map(|before| (before < 0) == (p < 0));
        let [a1, a2] = self.a;
        let slope = saturate(a1 << 2);
        let slope = if same { (-slope).min(i32::from(i16::MAX)) } else { slope };
        let step = if same_before { 128 } else { -128 };
        let a2 = ((slope >> 7) + step + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        let limit = 15_360 - a2;
        let a1 = saturate((if same { 192 } else { -192 }) + ((a1 * 32_640) >> 15)).clamp(-limit, limit);
        self.a = [a1, a2];
    }

    /// UPZERO and FILTEZ.
    fn zeros(&mut self, d: i32) {
        for (b, before) in self.b.iter_mut().zip(&self.d) {
            let step = if d == 0 { 0 } else { 128 };
            let step = if (*before < 0) == (d < 0) { step } else { -step };
            *b = saturate(step + ((*b * 32_640) >> 15));
        }
        self.d.rotate_right(1);
        self.d[0] = d;
        let sum: i32 = self.b.iter().zip(&self.d).map(|(&b, &d)| (b * saturate(d + d)) >> 15).sum();
        self.sz = saturate(sum);
    }

    /// LOGSCL, SCALEL, LOGSCH and SCALEH.
    fn rescale(&mut self, step: i32, limit: i32, whole: i32) {
        self.log_scale = (((self.log_scale * 32_512) >> 15) + step).clamp(0, limit);
        let part = EXPONENT[(self.log_scale >> 6 & 31) as usize];
        let shift = whole - (self.log_scale >> 11);
        self.scale = (if shift < 0 { part << -shift } else { part >> shift }) << 2;
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

fn clip_15(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_stays_silent_and_noise_stays_in_range() {
        let mut g722 = G722::default();
        let mut out = Vec::new();
        g722.decode(&[0xff; 800], &mut out);
        assert!(out.len() == 1600 && out.iter().all(|sample| sample.unsigned_abs() < 64));
        let mut octet = 7_u8;
        for _ in 0..100_000 {
            octet = octet.wrapping_mul(29).wrapping_add(101);
            out.clear();
            g722.decode(&[octet, octet ^ 0x3c], &mut out);
        }
    }
}
