//! Concealment of lost samples by repeating the last pitch periods (ITU-T G.711 Appendix I), at any sampling rate and
//! in integers.
//!
//! ```text
//! ... before ~~~~\______________ gap ______________/~~~~ after ...
//!      | pitch  |  1, 2, 3 periods, fading to 60 ms |
//!               ^ mixed over a quarter of a period ^
//! ```
//! The Appendix delays its output by 3.75 ms to mix into what came before; here that is at hand.

use alloc::vec::Vec;

/// Faded out by then, ms.
pub const LONGEST_MS: u32 = 60;
/// Parts of 10 ms, of which each but the first loses a fifth.
const PART_MS: u32 = 10;
const FADE_PARTS: i64 = 5;
/// Pitch from 66 to 200 Hz.
const SHORTEST_PITCH_MS: u32 = 5;
const LONGEST_PITCH_MS: u32 = 15;
/// What is compared to find the pitch.
const TEMPLATE_MS: u32 = 20;
/// Periods that are repeated at most: one in the first part, two in the second, three from then on.
const PERIODS: usize = 3;
/// By which the mixing at the end grows with each part.
const GROWTH_MS: u32 = 4;
const ONE: i64 = 1 << 15;

/// Fills `gap` from the samples `before` it, and mixes its ends into `before` and `after`. Does nothing where too little
/// came before; what is later than [`LONGEST_MS`] in the gap is left as it is, and so is `after` then.
pub fn bridge(before: &mut [i16], gap: &mut [i16], after: &mut [i16], sample_rate: u32) {
    let Some(mut speech) = Speech::new(before, sample_rate) else { return };
    speech.mix_into(before);
    let part = samples(PART_MS, sample_rate);
    let mut parts = 0;
    for out in gap.chunks_mut(part).take(usize::try_from(LONGEST_MS / PART_MS).unwrap_or(0)) {
        speech.part(parts, out, part);
        parts += 1;
    }
    if gap.len() > samples(LONGEST_MS, sample_rate) || parts == 0 {
        return;
    }
    let growth = samples(GROWTH_MS, sample_rate) * (parts - 1);
    let length = (speech.overlap + growth).min(part).min(after.len());
    let gain = gain(parts - 1);
    for (n, sample) in after.iter_mut().take(length).enumerate() {
        let made = i64::from(speech.next()) * gain / ONE;
        *sample = mix(made, i64::from(*sample), n + 1, length);
    }
}

/// Samples before a gap that [`bridge`] looks at, at most.
pub fn reach(sample_rate: u32) -> usize {
    let pitch = samples(LONGEST_PITCH_MS, sample_rate);
    pitch * PERIODS + pitch / 4
}

/// Periods that are repeated.
struct Speech {
    /// The last samples before the gap, unmixed.
    history: Vec<i16>,
    /// The same with its last quarter period mixed into the beginning of the first repeated one.
    looped: Vec<i16>,
    pitch: usize,
    overlap: usize,
    /// Periods in the loop, and the place in it.
    periods: usize,
    at: usize,
}

impl Speech {
    fn new(before: &[i16], sample_rate: u32) -> Option<Self> {
        let history = before.get(before.len().saturating_sub(reach(sample_rate))..)?.to_vec();
        let (shortest, longest) = (samples(SHORTEST_PITCH_MS, sample_rate), samples(LONGEST_PITCH_MS, sample_rate));
        let template = samples(TEMPLATE_MS, sample_rate);
        if history.len() < template + longest || shortest == 0 {
            return None;
        }
        let step = usize::try_from(sample_rate / 4_000).unwrap_or(1).max(1);
        let pitch = pitch(&history, shortest, longest, template, step);
        let mut speech =
            Self { looped: history.clone(), history, pitch, overlap: (pitch / 4).max(1), periods: 1, at: 0 };
        speech.close_loop();
        Some(speech)
    }

    /// Mixes the end of the history into what stands before the loop, so that its end leads into its beginning.
    fn close_loop(&mut self) {
        let end = self.history.len();
        let Some(source) = end.checked_sub(self.pitch * self.periods + self.overlap) else { return };
        for n in 0..self.overlap {
            let (from, to) = (self.history[end - self.overlap + n], self.history[source + n]);
            self.looped[end - self.overlap + n] = mix(i64::from(from), i64::from(to), n + 1, self.overlap);
        }
    }

    fn mix_into(&self, before: &mut [i16]) {
        let (from, end) = (before.len().saturating_sub(self.overlap), self.looped.len());
        for (sample, &mixed) in before.iter_mut().skip(from).zip(self.looped.iter().skip(end - self.overlap)) {
            *sample = mixed;
        }
    }

    fn next(&mut self) -> i16 {
        let length = self.pitch * self.periods;
        let sample = self.looped[self.looped.len() - length + self.at];
        self.at = (self.at + 1) % length;
        sample
    }

    /// The next part of the gap; a whole one has `length` samples.
    fn part(&mut self, number: usize, out: &mut [i16], length: usize) {
        let longer = (1..PERIODS).contains(&number) && self.history.len() >= self.pitch * (number + 1) + self.overlap;
        let mut leaving = Vec::new();
        if longer {
            let at = self.at;
            leaving.extend((0..self.overlap).map(|_| self.next()));
            self.periods = number + 1;
            self.at = at % self.pitch;
            self.close_loop();
        }
        let (from, to) = if number == 0 { (ONE, ONE) } else { (gain(number - 1), gain(number)) };
        for (n, sample) in out.iter_mut().enumerate() {
            let mut made = self.next();
            if let Some(&old) = leaving.get(n) {
                made = mix(i64::from(old), i64::from(made), n + 1, self.overlap);
            }
            let gain = from + (to - from) * ratio(n, length) / ONE;
            *sample = i16::try_from(i64::from(made) * gain / ONE).unwrap_or(0);
        }
    }
}

/// What is left after so many further parts.
fn gain(parts: usize) -> i64 {
    (ONE - ONE * i64::try_from(parts).unwrap_or(FADE_PARTS) / FADE_PARTS).max(0)
}

fn ratio(n: usize, length: usize) -> i64 {
    i64::try_from(n).unwrap_or(0) * ONE / i64::try_from(length).unwrap_or(1).max(1)
}

/// The `n`th of `length` steps from one to the other.
fn mix(from: i64, to: i64, n: usize, length: usize) -> i16 {
    let part = ratio(n, length);
    i16::try_from((from * (ONE - part) + to * part) / ONE).unwrap_or(0)
}

fn samples(ms: u32, sample_rate: u32) -> usize {
    usize::try_from(u64::from(ms) * u64::from(sample_rate) / 1_000).unwrap_or(0)
}

/// The lag at which the end of the history is most like what came before it: coarse first, then to the sample.
fn pitch(history: &[i16], shortest: usize, longest: usize, template: usize, step: usize) -> usize {
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (likeness(history, lag, template, step), lag)).max_by_key(|&(likeness, lag)| (likeness, lag))
    };
    let coarse = best(&mut (shortest..=longest).step_by(step), step).map_or(longest, |(_, lag)| lag);
    let near = coarse.saturating_sub(step - 1).max(shortest)..=(coarse + step - 1).min(longest);
    best(&mut near.into_iter(), 1).map_or(coarse, |(_, lag)| lag)
}

/// The square of the correlation over the energy at `lag`; nothing where they are opposed.
fn likeness(history: &[i16], lag: usize, template: usize, step: usize) -> i128 {
    /// Below this energy, all is silence.
    const LEAST: i64 = 250;
    let end = history.len();
    let new = history.iter().skip(end - template).step_by(step);
    let old = history.iter().skip(end - template - lag).step_by(step);
    let (mut across, mut energy) = (0_i64, 0_i64);
    for (&new, &old) in new.zip(old) {
        across += i64::from(new) * i64::from(old);
        energy += i64::from(old) * i64::from(old);
    }
    if across <= 0 { 0 } else { i128::from(across) * i128::from(across) / i128::from(energy.max(LEAST)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Triangles of `period` samples.
    fn voice(length: usize, period: usize) -> Vec<i16> {
        (0..length).map(|n| (n % period * 12_000 / period) as i16 - 6_000).collect()
    }

    #[test]
    fn a_steady_voice_goes_on_in_its_pitch() {
        for (rate, period) in [(8_000, 61), (16_000, 143), (48_000, 300)] {
            let whole = voice(rate as usize / 5, period);
            let mut heard = whole.clone();
            let (from, length) = (rate as usize / 10, rate as usize / 100);
            heard[from..from + length].fill(0);
            let (before, rest) = heard.split_at_mut(from);
            let (gap, after) = rest.split_at_mut(length);
            bridge(before, gap, after, rate);
            let worst = heard.iter().zip(&whole).map(|(a, b)| i32::from(*a).abs_diff(i32::from(*b))).max();
            assert!(worst.unwrap() < 120, "{rate} Hz: {worst:?} of 12000");
        }
    }

    #[test]
    fn a_long_gap_fades_out_in_60_ms_and_the_rest_is_left() {
        let mut before = voice(800, 80);
        let mut gap = alloc::vec![0; 1_000];
        let mut after = voice(160, 80);
        bridge(&mut before, &mut gap, &mut after, 8_000);
        let peak = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
        let peaks: Vec<u16> = gap.chunks(80).map(peak).collect();
        assert!(peaks[0] > 5_500 && peaks[..7].windows(2).all(|pair| pair[1] <= pair[0] + 100), "{peaks:?}");
        assert!(peaks[5] < 1_300 && peaks[6..].iter().all(|&peak| peak == 0), "{peaks:?}");
        assert_eq!(after, voice(160, 80));
    }

    #[test]
    fn too_little_before_is_left_alone_and_silence_stays() {
        let mut gap = [0; 80];
        bridge(&mut voice(200, 80), &mut gap, &mut [], 8_000);
        assert_eq!(gap, [0; 80]);
        bridge(&mut [0; 800], &mut gap, &mut [0; 80], 8_000);
        assert_eq!(gap, [0; 80]);
        bridge(&mut [], &mut [], &mut [], 8_000);
    }
}
