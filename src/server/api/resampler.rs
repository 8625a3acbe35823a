//! Another sampling rate, a piece at a time: for who listens live, where streams of several rates are heard together.
//!
//! Each sample is a sum of those around it, weighted by a sinc under a Hann window, whose pass band ends below the lower
//! rate's half. It is for ears: recordings are made by integers (`render::resample`).

use std::f32::consts::PI;

/// Samples around one, on each side, at the lower of both rates.
const HALF: usize = 12;

/// From one rate to another.
#[derive(Debug, Clone)]
pub(super) struct Resampler {
    /// Samples of the input that an output sample goes on by.
    step: f64,
    /// Part of the input's band that passes.
    cutoff: f32,
    /// Samples on each side of one that make it.
    reach: usize,
    /// Input that is still needed; the first is `reach` before the next output's.
    kept: Vec<f32>,
    /// The next output sample's place after `kept[reach]`.
    position: f64,
}

impl Resampler {
    pub(super) fn new(from: u32, to: u32) -> Self {
        let (from, to) = (from.max(1), to.max(1));
        let ratio = f64::from(to) / f64::from(from);
        let cutoff = if to < from { 0.92 * ratio } else { 0.96 };
        let reach = (HALF as f64 / cutoff.min(1.0)).ceil() as usize;
        Self { step: ratio.recip(), cutoff: cutoff as f32, reach, kept: vec![0.0; reach], position: 0.0 }
    }

    /// Takes the next samples and appends what they become; what their successors have a say in comes with those.
    pub(super) fn take(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if (self.step - 1.0).abs() < f64::EPSILON {
            out.extend_from_slice(samples);
            return;
        }
        self.kept.extend(samples.iter().map(|&sample| f32::from(sample)));
        loop {
            let whole = self.position.floor() as usize;
            let Some(around) = self.kept.get(whole..=whole + 2 * self.reach) else { break };
            let fraction = (self.position - whole as f64) as f32;
            let sum: f32 =
                around.iter().zip(0_u16..).map(|(sample, n)| sample * self.weight(f32::from(n) - fraction)).sum();
            out.push(sum.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
            self.position += self.step;
        }
        let done = (self.position.floor() as usize).min(self.kept.len());
        self.kept.drain(..done);
        self.position -= done as f64;
    }

    /// The weight of a sample at `place`, of which `reach` is the centre.
    fn weight(&self, place: f32) -> f32 {
        let reach = self.reach as f32;
        let off = place - reach;
        if off.abs() >= reach {
            return 0.0;
        }
        let x = PI * off * self.cutoff;
        let sinc = if x.abs() < 1e-6 { 1.0 } else { x.sin() / x };
        self.cutoff * sinc * (0.5 + 0.5 * (PI * off / reach).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, count: usize) -> Vec<i16> {
        let sample =
            |n: usize| (8_000.0 * (2.0 * std::f64::consts::PI * hertz * n as f64 / f64::from(rate)).sin()) as i16;
        (0..count).map(sample).collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        (energy / samples.len() as f64).sqrt()
    }

    fn resampled(from: u32, to: u32, hertz: f64) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to);
        let mut out = Vec::new();
        for piece in tone(hertz, from, from as usize).chunks(from as usize / 50) {
            resampler.take(piece, &mut out);
        }
        out
    }

    #[test]
    fn a_tone_stays_a_tone_of_its_level_and_length() {
        for (from, to) in
            [(8_000, 16_000), (16_000, 8_000), (8_000, 48_000), (48_000, 8_000), (44_100, 16_000), (8_000, 8_000)]
        {
            let out = resampled(from, to, 1_000.0);
            let missing = i64::from(to) - out.len() as i64;
            assert!((0..=i64::from(to) / 100).contains(&missing), "{from} to {to}: {missing} are missing");
            let level = rms(&out[out.len() / 4..out.len() / 2]) / (8_000.0 / 2f64.sqrt());
            assert!((0.97..1.03).contains(&level), "{from} to {to}: {level}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let out = resampled(48_000, 8_000, 6_000.0);
        assert!(rms(&out[500..]) < 60.0, "{}", rms(&out[500..]));
    }
}
