//! GSM full rate (ETSI EN 300 961, GSM 06.10), decoder: 33 octets are 160 samples at 8 kHz (RFC 3551 4.5.8).
//!
//! ```text
//! frame -> grid of pulses -> + long-term prediction -> short-term filter (lattice) -> de-emphasis -> samples
//! ```
//! Bit-exact. A frame that did not come is made of the one before, as GSM 06.11 6 tells by example.

use alloc::vec::Vec;

/// Octets of a frame: four bits of signature, then 260 of parameters (RFC 3551 4.5.8.1).
pub(super) const FRAME_BYTES: usize = 33;
/// Samples of a frame.
pub(super) const FRAME_SAMPLES: usize = 160;
const SUBFRAME: usize = 40;
const SUBFRAMES: usize = 4;
const PULSES: usize = 13;
const ORDER: usize = 8;
const MAX_LAG: usize = 120;
const MIN_LAG: usize = 40;
/// Bits of each logarithmic area ratio.
const LAR_BITS: [u32; ORDER] = [6, 6, 5, 5, 4, 4, 3, 3];
/// Logarithmic area ratios: offset, smallest code, inverse slope (table 4.1).
const LAR_B: [i16; ORDER] = [0, 0, 2048, -2560, 94, -1792, -341, -1144];
const LAR_MIC: [i16; ORDER] = [-32, -32, -16, -16, -8, -8, -4, -4];
const LAR_INVA: [i16; ORDER] = [13_107, 13_107, 13_107, 13_107, 19_223, 17_476, 31_454, 29_708];
/// Gain of the long-term predictor (table 4.3b).
const QLB: [i16; 4] = [3277, 11_469, 21_299, 32_767];
/// Normalized direct mantissa (table 4.6).
const FAC: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];
/// First samples of a frame over which its area ratios are mixed with those before, in quarters of the new.
const MIXING: [(usize, i16); 4] = [(13, 1), (27, 2), (40, 3), (FRAME_SAMPLES, 4)];
const DE_EMPHASIS: i16 = 28_180;
/// What each further frame that is made of the last one takes off its block amplitude (GSM 06.11 6.1).
const FADE: u8 = 4;

/// A decoder's memory.
#[derive(Debug, Clone)]
pub(super) struct Gsm {
    /// Reconstructed short-term residual: what the long-term predictor looks back to, then the subframe.
    residual: [i16; MAX_LAG + SUBFRAME],
    lag: usize,
    ratios: [i16; ORDER],
    lattice: [i16; ORDER + 1],
    emphasis: i16,
    last: Option<Frame>,
    /// Frames made of `last` since it came.
    repeated: u8,
}

/// A frame's parameters.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    ratios: [i16; ORDER],
    subframes: [Subframe; SUBFRAMES],
}

#[derive(Debug, Clone, Copy, Default)]
struct Subframe {
    lag: usize,
    gain: usize,
    grid: usize,
    amplitude: u8,
    pulses: [i16; PULSES],
}

impl Default for Gsm {
    fn default() -> Self {
        Self {
            residual: [0; MAX_LAG + SUBFRAME],
            lag: MIN_LAG,
            ratios: [0; ORDER],
            lattice: [0; ORDER + 1],
            emphasis: 0,
            last: None,
            repeated: 0,
        }
    }
}

impl Gsm {
    /// Appends 160 samples a frame; what is no whole frame is left out.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        for bytes in payload.as_chunks::<FRAME_BYTES>().0 {
            let frame = Frame::parse(bytes);
            self.synthesize(&frame, out);
            self.last = Some(frame);
            self.repeated = 0;
        }
    }

    /// Appends a frame made of the last one, fainter each time.
    pub(super) fn conceal(&mut self, out: &mut Vec<i16>) {
        let Some(mut frame) = self.last else {
            out.resize(out.len() + FRAME_SAMPLES, 0);
            return;
        };
        for subframe in &mut frame.subframes {
            subframe.amplitude = subframe.amplitude.saturating_sub(FADE * self.repeated);
        }
        self.repeated = self.repeated.saturating_add(1).min(u8::MAX / FADE);
        self.synthesize(&frame, out);
    }

    fn synthesize(&mut self, frame: &Frame, out: &mut Vec<i16>) {
        let mut residual = [0; FRAME_SAMPLES];
        for (subframe, part) in frame.subframes.iter().zip(residual.as_chunks_mut::<SUBFRAME>().0) {
            *part = self.excite(subframe);
        }
        let mut from = 0;
        for (to, quarters) in MIXING {
            let mut reflection = [0; ORDER];
            for (r, (&new, &old)) in reflection.iter_mut().zip(frame.ratios.iter().zip(&self.ratios)) {
                *r = reflect(mix(old, new, quarters));
            }
            for &sample in residual.get(from..to).unwrap_or_default() {
                let speech = self.filter(&reflection, sample);
                self.emphasis = mult_r(self.emphasis, DE_EMPHASIS).saturating_add(speech);
                out.push(self.emphasis.saturating_add(self.emphasis) & !7);
            }
            from = to;
        }
        self.ratios = frame.ratios;
    }

    /// Pulses and long-term prediction (4.3.1, 4.3.2): the residual of a subframe.
    fn excite(&mut self, subframe: &Subframe) -> [i16; SUBFRAME] {
        let mut pulses = [0; SUBFRAME];
        for (place, pulse) in pulses.iter_mut().skip(subframe.grid).step_by(3).zip(subframe.amplitudes()) {
            *place = pulse;
        }
        if (MIN_LAG..=MAX_LAG).contains(&subframe.lag) {
            self.lag = subframe.lag;
        }
        let gain = QLB[subframe.gain & 3];
        self.residual.copy_within(SUBFRAME.., 0);
        for (k, pulse) in pulses.iter_mut().enumerate() {
            *pulse = pulse.saturating_add(mult_r(gain, self.residual[MAX_LAG + k - self.lag]));
            self.residual[MAX_LAG + k] = *pulse;
        }
        pulses
    }

    /// The short-term synthesis filter (4.3.5).
    fn filter(&mut self, reflection: &[i16; ORDER], residual: i16) -> i16 {
        let mut sample = residual;
        for (i, &r) in reflection.iter().enumerate().rev() {
            sample = sample.saturating_sub(mult_r(r, self.lattice[i]));
            self.lattice[i + 1] = self.lattice[i].saturating_add(mult_r(r, sample));
        }
        self.lattice[0] = sample;
        sample
    }
}

impl Frame {
    fn parse(bytes: &[u8; FRAME_BYTES]) -> Self {
        let mut bits = Bits { bytes, at: 4 };
        let mut frame = Self::default();
        for (i, ratio) in frame.ratios.iter_mut().enumerate() {
            *ratio = area_ratio(i, i16::from(bits.take(LAR_BITS[i])));
        }
        for subframe in &mut frame.subframes {
            subframe.lag = usize::from(bits.take(7));
            subframe.gain = usize::from(bits.take(2));
            subframe.grid = usize::from(bits.take(2));
            subframe.amplitude = bits.take(6);
            for pulse in &mut subframe.pulses {
                *pulse = i16::from(bits.take(3));
            }
        }
        frame
    }
}

impl Subframe {
    /// Inverse quantization of the pulses (4.2.15 to 4.2.17).
    fn amplitudes(&self) -> impl Iterator<Item = i16> {
        let coded = i16::from(self.amplitude);
        let exponent = if coded > 15 { (coded >> 3) - 1 } else { 0 };
        let mut mantissa = coded - (exponent << 3);
        let mut exponent = exponent;
        if mantissa == 0 {
            (exponent, mantissa) = (-4, 7);
        } else {
            while mantissa <= 7 {
                mantissa = mantissa << 1 | 1;
                exponent -= 1;
            }
            mantissa -= 8;
        }
        let factor = FAC[usize::from(mantissa.unsigned_abs() & 7)];
        let shift = 6 - exponent;
        let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
        self.pulses.into_iter().map(move |pulse| mult_r(factor, ((pulse << 1) - 7) << 12).saturating_add(half) >> shift)
    }
}

/// From the octets of a frame, most significant bit first.
struct Bits<'b> {
    bytes: &'b [u8; FRAME_BYTES],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> u8 {
        let mut value = 0;
        for _ in 0..count {
            let octet = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            value = value << 1 | octet >> (7 - self.at % 8) & 1;
            self.at += 1;
        }
        value
    }
}

/// The `i`th logarithmic area ratio of its code (4.2.8).
fn area_ratio(i: usize, code: i16) -> i16 {
    let ratio = (code + LAR_MIC[i]) << 10;
    let ratio = mult_r(LAR_INVA[i], ratio.saturating_sub(LAR_B[i] << 1));
    ratio.saturating_add(ratio)
}

/// Area ratios between two frames (table 4.7).
fn mix(old: i16, new: i16, quarters: i16) -> i16 {
    match quarters {
        1 => (old >> 2).saturating_add(new >> 2).saturating_add(old >> 1),
        2 => (old >> 1).saturating_add(new >> 1),
        3 => (old >> 2).saturating_add(new >> 2).saturating_add(new >> 1),
        _ => new,
    }
}

/// The reflection coefficient of an area ratio (4.2.10).
fn reflect(ratio: i16) -> i16 {
    let size = ratio.saturating_abs();
    let size = match size {
        ..11_059 => size << 1,
        11_059..20_070 => size + 11_059,
        _ => (size >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -size } else { size }
}

/// Product of fractions, rounded.
fn mult_r(a: i16, b: i16) -> i16 {
    let product = (i32::from(a) * i32::from(b) + 16_384) >> 15;
    i16::try_from(product).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_the_last_frame_fades() {
        let mut gsm = Gsm::default();
        let mut out = Vec::new();
        let mut frame = [0x5a_u8; FRAME_BYTES];
        frame[0] = 0xda;
        for _ in 0..5 {
            gsm.decode(&frame, &mut out);
        }
        let energy = |samples: &[i16]| samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum::<i64>();
        let sent = energy(&out[4 * FRAME_SAMPLES..]);
        out.clear();
        (0..40).for_each(|_| gsm.conceal(&mut out));
        assert_eq!(out.len(), 40 * FRAME_SAMPLES);
        assert!(sent > 0 && energy(&out[39 * FRAME_SAMPLES..]) * 100 < sent);
    }

    #[test]
    fn any_octets_are_samples() {
        let mut gsm = Gsm::default();
        let mut out = Vec::new();
        let mut seed = 1_u32;
        for _ in 0..2_000 {
            let mut payload = [0; 70];
            for octet in &mut payload {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *octet = seed.to_be_bytes()[0];
            }
            out.clear();
            gsm.decode(&payload, &mut out);
            assert_eq!(out.len(), 2 * FRAME_SAMPLES);
        }
    }
}
