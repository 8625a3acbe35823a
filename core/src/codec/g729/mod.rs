//! G.729 (ITU-T Recommendation G.729, 06/2012) decoder: 10 octets are 80 samples at 8 kHz. Annex A's postfilter; streams of
//! the main body, Annex A and Annex B (comfort noise by frames of two octets, RFC 3551 4.5.6) are all decoded.
//!
//! ```text
//! 80 bits -> spectrum -> predictor --------------------\
//!         -> pitch, pulses, gains -> excitation -> synthesis -> postfilter -> samples
//! ```
//! In integers throughout, with the Recommendation's formats (Qn: n bits behind the point) where it rounds; what the
//! reference code clips at 32 bits is carried in 64.

mod lsp;
mod postfilter;
mod tables;

use alloc::vec::Vec;

use self::lsp::{Predictor, Spectrum};
use self::postfilter::Postfilter;
use self::tables::{ENERGY_PREDICTOR, GAIN_FIRST, GAIN_SECOND, LOGARITHM, NOISE_GAIN, POWER, THIRDS};

/// Octets of a frame of speech, and of one that describes comfort noise.
pub(super) const FRAME_BYTES: usize = 10;
pub(super) const NOISE_BYTES: usize = 2;
/// Samples of a frame.
pub(super) const FRAME_SAMPLES: usize = 2 * SUBFRAME;
const SUBFRAME: usize = 40;
const ORDER: usize = 10;
const MIN_DELAY: usize = 20;
const MAX_DELAY: usize = 143;
/// Samples on either side that interpolation needs.
const TAPS: usize = 10;
/// Excitation before the subframe.
const PAST: usize = MAX_DELAY + TAPS + 1;
/// A pulse, Q13.
const PULSE: i32 = 8_192;
/// Limits of the gain by which pulses are repeated in the pitch, Q14 (3.8).
const SHARPNESS: (i32, i32) = (3_277, 13_017);
/// Energy that is predicted without history, Q14 dB: the mean of 30, 10 log 40, and the formats of pulses and gain.
const MEAN_ENERGY: i64 = 32_588 * 64;
/// 10 log10 2, Q13; 1 / (20 log10 2), Q15; 20 log10 2, Q10.
const DECIBEL: i64 = 24_660;
const OCTAVE: i64 = 5_439;
const CORRECTION: i64 = 6_165;
/// Quantized energy before the first frame, and the least after losses; and what each loss takes off; Q10 dB.
const LEAST_ENERGY: i32 = -14_336;
const LOSS_ENERGY: i32 = -4_096;
/// What is left of the gains after a lost frame's subframe: 0.9 of the pitch (Q15), 0.98 of the pulses (Q11) (4.4.2).
const PITCH_LOSS: i32 = 29_491;
const CODE_LOSS: i32 = 2_007;
/// Comfort noise follows a new level by an eighth a frame (B.4.4).
const NOISE_FOLLOWS: i32 = 8;
const FIRST_SEED: u16 = 21_845;
const NOISE_SEED: u16 = 11_111;

/// A decoder's memory.
#[derive(Debug, Clone)]
pub(super) struct G729 {
    spectrum: Spectrum,
    /// Past excitation, then the subframe.
    excitation: [i32; PAST + SUBFRAME],
    speech: [i32; ORDER],
    /// Integer pitch delay of the last subframe.
    delay: usize,
    /// Pitch gain Q14, pulse gain Q1.
    pitch_gain: i32,
    code_gain: i32,
    /// Quantized energies, newest first, Q10 dB.
    energies: [i32; 4],
    seed: u16,
    postfilter: Postfilter,
    /// Without the postfilter.
    is_plain: bool,
    noise: Noise,
}

/// What Annex B remembers.
#[derive(Debug, Clone)]
struct Noise {
    /// Whether the last frame was noise.
    goes_on: bool,
    /// As sent, and as it is now; root mean square, Q3.
    sent: i32,
    level: i32,
    seed: u16,
}

/// A subframe's parameters.
#[derive(Debug, Clone, Copy)]
struct Pulses {
    /// Pitch delay in thirds of a sample.
    thirds: usize,
    places: u32,
    signs: u32,
    /// Indices of the gains; none in a frame that did not come.
    gains: Option<(usize, usize)>,
}

impl Default for G729 {
    fn default() -> Self {
        Self {
            spectrum: Spectrum::default(),
            excitation: [0; PAST + SUBFRAME],
            speech: [0; ORDER],
            delay: MIN_DELAY,
            pitch_gain: 0,
            code_gain: 0,
            energies: [LEAST_ENERGY; 4],
            seed: FIRST_SEED,
            postfilter: Postfilter::default(),
            is_plain: false,
            noise: Noise { goes_on: false, sent: 0, level: 0, seed: NOISE_SEED },
        }
    }
}

/// Frames in a payload.
pub(super) fn frames(payload: &[u8]) -> usize {
    payload.len() / FRAME_BYTES + usize::from(payload.len() % FRAME_BYTES == NOISE_BYTES)
}

/// Whether a payload ends with comfort noise: nothing was sent after it.
pub(super) fn ends_in_noise(payload: &[u8]) -> bool {
    payload.len() % FRAME_BYTES == NOISE_BYTES
}

impl G729 {
    /// Without the postfilter.
    pub(super) fn plain() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    /// Appends 80 samples a frame; what is no whole frame is left out.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        let (speech, rest) = payload.as_chunks::<FRAME_BYTES>();
        for frame in speech {
            self.speech_frame(
                u128::from_be_bytes({
                    let mut bytes = [0; 16];
                    bytes[..FRAME_BYTES].copy_from_slice(frame);
                    bytes
                }),
                out,
            );
        }
        if let &[high, low] = rest {
            let bits = usize::from(u16::from_be_bytes([high, low]));
            let predictors = self.spectrum.noise(bits >> 15, bits >> 10 & 31, bits >> 6 & 15);
            self.noise.sent = NOISE_GAIN[bits >> 1 & 31];
            self.noise_frame(&predictors, out);
        }
    }

    /// Appends a frame in place of one that did not come: noise after noise, else the last one, fainter (4.4).
    pub(super) fn conceal(&mut self, out: &mut Vec<i16>) {
        let predictors = self.spectrum.repeat();
        if self.noise.goes_on {
            self.noise_frame(&predictors, out);
            return;
        }
        for a in &predictors {
            let (places, signs) = (u32::from(self.random()) & 0x1fff, u32::from(self.random()) & 15);
            let pulses = Pulses { thirds: 3 * self.delay, places, signs, gains: None };
            self.subframe(&pulses, a, out);
            self.delay = (self.delay + 1).min(MAX_DELAY);
        }
    }

    fn speech_frame(&mut self, frame: u128, out: &mut Vec<i16>) {
        let mut left = frame;
        let mut take = |count: u32| {
            let value = left >> (128 - count);
            left <<= count;
            value as u32
        };
        let [switch, first, low, high] = [1, 7, 5, 5].map(|count| take(count) as usize);
        let [pitch, parity] = [8, 1].map(&mut take);
        let one = [13, 4, 3, 4].map(&mut take);
        let second_pitch = take(5) as usize;
        let two = [13, 4, 3, 4].map(&mut take);
        let pulses = |thirds: usize, [places, signs, first, second]: [u32; 4]| Pulses {
            thirds,
            places,
            signs,
            gains: Some((first as usize, second as usize)),
        };
        let predictors = self.spectrum.speech(switch, first, low, high);
        self.noise.goes_on = false;
        let sound = (pitch >> 2).count_ones() & 1 != parity;
        let thirds = match pitch as usize {
            _ if !sound => 3 * self.delay,
            pitch @ 0..197 => pitch + 58,
            pitch => 3 * (pitch - 112),
        };
        self.subframe(&pulses(thirds, one), &predictors[0], out);
        let least = self.delay.saturating_sub(5).clamp(MIN_DELAY, MAX_DELAY - 9);
        let thirds = (3 * least + second_pitch).saturating_sub(2);
        self.subframe(&pulses(thirds, two), &predictors[1], out);
    }

    fn subframe(&mut self, pulses: &Pulses, a: &Predictor, out: &mut Vec<i16>) {
        let delay = ((pulses.thirds + 1) / 3).clamp(MIN_DELAY, MAX_DELAY);
        let code = self.code(pulses, delay);
        self.gains(pulses, &code);
        self.excitation.copy_within(SUBFRAME.., 0);
        self.repeat_pitch(pulses.thirds);
        for (n, &pulse) in code.iter().enumerate() {
            let sum = i64::from(self.excitation[PAST + n]) * i64::from(self.pitch_gain)
                + i64::from(pulse) * i64::from(self.code_gain);
            self.excitation[PAST + n] = clip(((sum + 0x2000) >> 14) as i32);
        }
        self.delay = delay;
        self.speak(a, out);
    }

    /// The excitation through the predictor and the postfilter.
    fn speak(&mut self, a: &Predictor, out: &mut Vec<i16>) {
        let now = |excitation: &[i32; PAST + SUBFRAME]| {
            let mut now = [0; SUBFRAME];
            now.copy_from_slice(&excitation[PAST..]);
            now
        };
        let mut memory = self.speech;
        let (mut speech, clipped) = synthesize(&now(&self.excitation), a, &mut memory);
        if clipped {
            // 4.1.6 as the reference code has it: once more with a quarter of the excitation.
            self.excitation.iter_mut().for_each(|sample| *sample >>= 2);
            memory = self.speech;
            speech = synthesize(&now(&self.excitation), a, &mut memory).0;
        }
        self.speech = memory;
        if self.is_plain {
            out.extend(self.postfilter.pass(&speech));
        } else {
            out.extend(self.postfilter.run(&speech, a, self.delay));
        }
    }

    /// 3.8: four pulses, repeated in the pitch; Q13.
    fn code(&self, pulses: &Pulses, delay: usize) -> [i32; SUBFRAME] {
        let mut code = [0; SUBFRAME];
        let last = (pulses.places >> 9) as usize & 15;
        let places = [0, 1, 2].map(|track: usize| track + 5 * ((pulses.places >> (3 * track)) as usize & 7));
        for (n, place) in places.into_iter().chain([3 + 5 * (last >> 1) + (last & 1)]).enumerate() {
            code[place] += if pulses.signs >> n & 1 == 1 { PULSE - 1 } else { -PULSE };
        }
        let sharpness = self.pitch_gain.clamp(SHARPNESS.0, SHARPNESS.1);
        for n in delay..SUBFRAME {
            code[n] = clip(code[n] + ((code[n - delay] * sharpness + 0x2000) >> 14));
        }
        code
    }

    /// 3.9: the gains; after a loss, those before, less (4.4.2).
    fn gains(&mut self, pulses: &Pulses, code: &[i32; SUBFRAME]) {
        let energy = match pulses.gains {
            Some((first, second)) => {
                let (first, second) = (GAIN_FIRST[first & 7], GAIN_SECOND[second & 15]);
                let correction = i32::from(first[1]) + i32::from(second[1]);
                self.pitch_gain = i32::from(first[0]) + i32::from(second[0]);
                self.code_gain = self.predicted_gain(code, correction);
                ((CORRECTION * ((log2(correction as u64) >> 2) - (13 << 13))) >> 13) as i32
            }
            None => {
                self.pitch_gain = (self.pitch_gain * PITCH_LOSS) >> 15;
                self.code_gain = (self.code_gain * CODE_LOSS) >> 11;
                (self.energies.iter().sum::<i32>() >> 2).max(LEAST_ENERGY - LOSS_ENERGY) + LOSS_ENERGY
            }
        };
        self.energies.rotate_right(1);
        self.energies[0] = energy;
    }

    /// 3.9.1: predicted from past energies, times the correction (Q13); Q1.
    fn predicted_gain(&self, code: &[i32; SUBFRAME], correction: i32) -> i32 {
        let energy: u64 = code.iter().map(|&pulse| u64::from(pulse.unsigned_abs()).pow(2)).sum();
        // Q14 dB; the pulses' energy counts twice, as the reference's products do.
        let own = (log2((2 * energy).max(1)) * -DECIBEL) >> 14;
        let past: i64 = self.energies.iter().zip(ENERGY_PREDICTOR).map(|(&e, p)| i64::from(e) * i64::from(p)).sum();
        // Q24, then Q8, then octaves in Q15 and a power of two.
        let decibels = (((MEAN_ENERGY + own) << 10) + 2 * past) >> 16;
        let octaves = (decibels * OCTAVE) >> 8;
        let (whole, part) = (octaves >> 15, octaves & 0x7fff);
        let gain = power2(part) * i64::from(correction);
        let shift = 14 + 13 - 1 - whole;
        let gain = if shift >= 63 {
            0
        } else if shift >= 0 {
            gain >> shift
        } else {
            gain << (-shift).min(16)
        };
        gain.clamp(0, 32_767) as i32
    }

    /// 4.1.3: the excitation a pitch period ago, between samples.
    fn repeat_pitch(&mut self, thirds: usize) {
        let thirds = thirds.clamp(3 * MIN_DELAY - 1, 3 * MAX_DELAY + 1);
        let (whole, fraction) = (thirds / 3, thirds % 3);
        for n in 0..SUBFRAME {
            let at = PAST + n - whole;
            let mut sum = 0x4000_i64;
            for i in 0..TAPS {
                sum += i64::from(self.excitation[at + i]) * i64::from(THIRDS[3 * i + fraction]);
                sum += i64::from(self.excitation[at - 1 - i]) * i64::from(THIRDS[3 * (i + 1) - fraction]);
            }
            self.excitation[PAST + n] = clip((sum >> 15) as i32);
        }
    }

    /// Annex B: noise of the level and spectrum that were sent. Its excitation is white; the Annex mixes pulses into it,
    /// which nobody hears and nothing depends on.
    fn noise_frame(&mut self, predictors: &[Predictor; 2], out: &mut Vec<i16>) {
        let step = (self.noise.sent - self.noise.level) / NOISE_FOLLOWS;
        self.noise.level = if self.noise.goes_on { self.noise.level + step } else { self.noise.sent };
        self.noise.goes_on = true;
        for a in predictors {
            self.excitation.copy_within(SUBFRAME.., 0);
            for n in 0..SUBFRAME {
                // Four uniform numbers are near enough to a normal one; of 2^16 their deviation is 2^16 / sqrt 3.
                let sum: i64 = (0..4).map(|_| i64::from(self.noise.random().cast_signed())).sum();
                let sample = (sum * i64::from(self.noise.level) * 56_756) >> (15 + 16 + 3);
                self.excitation[PAST + n] = clip(sample as i32);
            }
            self.pitch_gain = SHARPNESS.0;
            self.delay = self.delay.max(MIN_DELAY);
            self.speak(a, out);
        }
        self.energies = [LEAST_ENERGY; 4];
    }

    fn random(&mut self) -> u16 {
        next_random(&mut self.seed)
    }
}

impl Noise {
    fn random(&mut self) -> u16 {
        next_random(&mut self.seed)
    }
}

/// 4.4.4.
fn next_random(seed: &mut u16) -> u16 {
    *seed = seed.wrapping_mul(31_821).wrapping_add(13_849);
    *seed
}

/// The filter 1/A(z), whose last outputs are `memory`; and whether it had to clip.
fn synthesize(input: &[i32; SUBFRAME], a: &Predictor, memory: &mut [i32; ORDER]) -> ([i32; SUBFRAME], bool) {
    let mut all = [0; ORDER + SUBFRAME];
    all[..ORDER].copy_from_slice(memory);
    let mut clipped = false;
    for (n, &sample) in input.iter().enumerate() {
        let past: i64 = (1..=ORDER).map(|i| i64::from(a[i]) * i64::from(all[ORDER + n - i])).sum();
        let out = i64::from(sample) + ((0x800 - past) >> 12);
        all[ORDER + n] = out.clamp(-32_768, 32_767) as i32;
        clipped |= i64::from(all[ORDER + n]) != out;
    }
    memory.copy_from_slice(&all[SUBFRAME..]);
    let mut out = [0; SUBFRAME];
    out.copy_from_slice(&all[ORDER..]);
    (out, clipped)
}

/// log2 of a positive number, Q15.
fn log2(value: u64) -> i64 {
    let whole = 63 - i64::from(value.max(1).leading_zeros());
    let mantissa = (value.max(1) << (63 - whole)) >> 48;
    let (index, rest) = ((mantissa >> 10 & 31) as usize, (mantissa & 0x3ff) as i32);
    let part = LOGARITHM[index] + ((rest * (LOGARITHM[index + 1] - LOGARITHM[index])) >> 10);
    (whole << 15) + i64::from(part)
}

/// 2 to the power of a fraction (Q15), Q14.
fn power2(fraction: i64) -> i64 {
    let (index, rest) = ((fraction >> 10 & 31) as usize, (fraction & 0x3ff) as i32);
    i64::from(POWER[index] + ((rest * (POWER[index + 1] - POWER[index])) >> 10))
}

fn clip(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_are_those_of_the_numbers() {
        assert_eq!((log2(1), log2(2), log2(1 << 20)), (0, 1 << 15, 20 << 15));
        assert!((log2(3) - 51_936).abs() < 40 && (power2(16_384) - 23_170).abs() < 3);
    }

    #[test]
    fn any_octets_are_samples_and_loss_fades() {
        let mut g729 = G729::default();
        let mut out = Vec::new();
        let mut seed = 3_u32;
        for round in 0..3_000 {
            let mut payload = [0; 22];
            for octet in &mut payload {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *octet = seed.to_be_bytes()[0];
            }
            out.clear();
            g729.decode(&payload[..round % 23], &mut out);
            assert_eq!(out.len(), frames(&payload[..round % 23]) * FRAME_SAMPLES);
        }
        g729.decode(&[0x55; 10], &mut out);
        out.clear();
        (0..100).for_each(|_| g729.conceal(&mut out));
        let peak = |samples: &[i16]| samples.iter().map(|s| s.unsigned_abs()).max();
        assert!(peak(&out[99 * 80..]) < Some(200), "{:?}", peak(&out[99 * 80..]));
    }
}
