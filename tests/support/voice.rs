//! What a leg says: a soft tone of its own, and loud clicks at times that never repeat, the same on all legs of a call.
//! A leg that is swapped, mixed with another, stretched or misplaced shows by one or the other.

use super::Rng;
use std::f64::consts::TAU;

/// Samples a second of G.711.
pub const RATE: u32 = 8000;
/// Samples in a packet of 20 ms.
pub const PACKET: u32 = 160;
/// Length of a click, samples.
pub const CLICK: u32 = 80;
/// Tones that can be told apart: multiples of 16 Hz, so that a window of 1/4 s tells them exactly.
pub const TONES: usize = 190;
const FIRST_HZ: u32 = 304;
const STEP_HZ: u32 = 16;
const LEGS_MOST: usize = 3;
/// Amplitude of a tone: -20.8 dB of full scale.
pub const TONE_AMPLITUDE: f64 = 3000.0;
const CLICK_AMPLITUDE: f64 = 28_000.0;
const CLICK_HZ: f64 = 2000.0;

/// The n-th tone's frequency.
pub fn tone_hz(tone: usize) -> u32 {
    FIRST_HZ + STEP_HZ * u32::try_from(tone % TONES).unwrap()
}

/// Which tone is a leg's own, among 63 calls at a time.
pub fn tone_of(call: usize, leg: usize) -> usize {
    assert!(leg < LEGS_MOST);
    (call * LEGS_MOST + leg) % (TONES - TONES % LEGS_MOST)
}

/// Where the clicks of a call begin, in samples since its first packet.
pub fn clicks(call: usize, samples: u32) -> Vec<u32> {
    let mut rng = Rng(0x00C1_1C4B + u64::try_from(call).unwrap() * 7919);
    let mut at = 2800 + u32::try_from(rng.below(900)).unwrap();
    let mut out = Vec::new();
    while at + 2 * CLICK < samples {
        out.push(at);
        at += 4000 + u32::try_from(rng.below(6400)).unwrap();
    }
    out
}

/// A leg's samples, as A-law bytes.
#[derive(Debug, Clone)]
pub struct Voice {
    tone: Vec<u8>,
    click: Vec<u8>,
    clicks: Vec<u32>,
}

impl Voice {
    pub fn new(call: usize, leg: usize, samples: u32) -> Self {
        Self {
            tone: (0..RATE)
                .map(|i| alaw(wave(TONE_AMPLITUDE, f64::from(tone_hz(tone_of(call, leg))), i, 0.0)))
                .collect(),
            click: (0..CLICK).map(|i| alaw(wave(CLICK_AMPLITUDE, CLICK_HZ, i, 2.07))).collect(),
            clicks: clicks(call, samples),
        }
    }

    /// `count` samples from the sample `first` on.
    pub fn samples(&self, first: u32, count: u32) -> Vec<u8> {
        let before = self.clicks.partition_point(|c| *c < first + count);
        let quiet = before.checked_sub(1).is_none_or(|last| self.clicks[last] + CLICK <= first);
        if quiet {
            let from = (first % RATE) as usize;
            return self.tone.iter().cycle().skip(from).take(count as usize).copied().collect();
        }
        (first..first + count)
            .map(|at| {
                let before = self.clicks.partition_point(|c| *c <= at);
                let into_click = before.checked_sub(1).map(|i| at - self.clicks[i]).filter(|n| *n < CLICK);
                match into_click {
                    Some(n) => self.click[n as usize],
                    None => self.tone[(at % RATE) as usize],
                }
            })
            .collect()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "amplitudes are below 32768")]
fn wave(amplitude: f64, hz: f64, i: u32, phase: f64) -> i16 {
    (amplitude * (TAU * hz * f64::from(i) / f64::from(RATE) + phase).sin()).round() as i16
}

/// 16-bit linear to A-law (ITU-T G.711).
pub fn alaw(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0u8, !sample) } else { (0x80, sample) };
    let size = u16::try_from(size >> 3).unwrap();
    let segment = u8::try_from((size >> 4).checked_ilog2().unwrap_or(0)).unwrap();
    let step = (size >> segment.max(1)) & 0x0F;
    (sign | segment << 4 | u8::try_from(step).unwrap()) ^ 0x55
}

/// A-law to 16-bit linear, the middle of the step.
pub fn linear(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 0x0F));
    let size = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) };
    if code & 0x80 == 0 { -size } else { size }
}
