//! Keys pressed in the audio itself (ITU-T Q.23): two tones at a time, found by what a file's samples and the tones have in common.
//!
//! A block of 13 ms is a key when two tones, one low and one high, stand 9 dB out of the other six, are no more than 9 dB
//! apart, and hold most of the block's energy. Three blocks in a row with the same key are one, which speech hardly does.
//! Every second block is looked at until one may be a key. Integers only.

use alloc::vec::Vec;

use super::resample::sine_of_half_turns;

/// Samples of a block, at 8 kHz.
const BLOCK: usize = 106;
/// The rate that tones are looked for at, Hz; each sample there is the mean of what a file has in that time.
const RATE: u32 = 8_000;
const TONES: [u32; 8] = [697, 770, 852, 941, 1209, 1336, 1477, 1633];
/// A cosine and a sine of each, over a block, of 2^14.
static WAVES: [[[i16; BLOCK]; 2]; TONES.len()] = waves();
const WAVE_BITS: u32 = 14;
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Blocks are brought to so many bits, so that 32 hold the sums.
const PEAK: u16 = 511;
/// Quieter than this is no key: -36 dB of full scale.
const LEAST_PEAK: u16 = 520;
/// By how much tones stand out, and how far they may be apart (8 is 9 dB).
const STANDS_OUT: i64 = 8;
const APART: i64 = 8;
/// Share of a block's energy that its two tones hold, tenths.
const SHARE_TENTHS: i64 = 6;
/// Blocks that make a key, and blocks without it that end it.
const LEAST_BLOCKS: u32 = 3;
/// Blocks that are muted as a key: one that a machine sends may be 40 ms.
const LEAST_MUTED_BLOCKS: u32 = 2;
const ENDING_BLOCKS: u32 = 2;
/// Keys that are listed, a channel.
const MAX_LISTED: usize = 1_000;

/// A key in the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub digit: char,
    /// From the file's beginning.
    pub at_ms: u64,
    /// How long, to a block.
    pub duration_ms: u64,
}

/// Looks for keys in one channel.
#[derive(Debug, Clone)]
pub(super) struct Tones {
    /// Blocks in a row that make a key.
    least: u32,
    /// Of the file, Hz.
    sample_rate: u32,
    /// What a block's next sample is made of so far: samples times their time, and that time, of which a second has
    /// [`RATE`] times `sample_rate`.
    sum: i64,
    summed: u32,
    block: [i16; BLOCK],
    held: usize,
    before: [i16; BLOCK],
    /// Blocks so far.
    blocks: u64,
    /// Whether the block before was looked at.
    looked: bool,
    at_hand: Option<AtHand>,
    ended: Option<(u64, u64)>,
    found: Vec<Tone>,
}

#[derive(Debug, Clone, Copy)]
struct AtHand {
    digit: char,
    first: u64,
    blocks: u32,
    without: u32,
}

impl Tones {
    pub(super) fn new(sample_rate: u32) -> Self {
        Self {
            least: LEAST_BLOCKS,
            sample_rate: sample_rate.max(1),
            sum: 0,
            summed: 0,
            block: [0; BLOCK],
            held: 0,
            before: [0; BLOCK],
            blocks: 0,
            looked: false,
            at_hand: None,
            ended: None,
            found: Vec::new(),
        }
    }

    /// For who mutes keys: it finds shorter ones too, and with them now and then a piece of a voice.
    pub(super) fn wary(sample_rate: u32) -> Self {
        Self { least: LEAST_MUTED_BLOCKS, ..Self::new(sample_rate) }
    }

    /// The file's sample with which block `number` begins.
    pub(super) fn begin_of(&self, number: u64) -> usize {
        let ticks = number.saturating_mul(BLOCK as u64).saturating_mul(self.sample_rate.into());
        usize::try_from(ticks / u64::from(RATE)).unwrap_or(usize::MAX)
    }

    /// From which block on a key is heard now.
    pub(super) fn key_at_hand(&self) -> Option<u64> {
        self.at_hand.filter(|hand| hand.blocks >= self.least).map(|hand| hand.first)
    }

    /// First block and the one after the last, of the key that ended last.
    pub(super) fn last_key(&self) -> Option<(u64, u64)> {
        self.ended
    }

    /// Takes the next samples of channel `side`.
    pub(super) fn take(&mut self, frames: &[[i16; 2]], side: usize) {
        if self.sample_rate != RATE {
            self.take_averaged(frames, side);
            return;
        }
        let mut frames = frames;
        while !frames.is_empty() {
            let (now, later) = frames.split_at((BLOCK - self.held).min(frames.len()));
            for (sample, frame) in self.block.iter_mut().skip(self.held).zip(now) {
                *sample = frame[side & 1];
            }
            self.held += now.len();
            if self.held == BLOCK {
                self.end_block();
                self.held = 0;
            }
            frames = later;
        }
    }

    fn take_averaged(&mut self, frames: &[[i16; 2]], side: usize) {
        for frame in frames {
            // A sample of the file lasts RATE, one of a block lasts `sample_rate`: a sample across the border belongs to both.
            let mut left = RATE;
            while left > 0 {
                let part = left.min(self.sample_rate - self.summed);
                self.sum += i64::from(frame[side & 1]) * i64::from(part);
                self.summed += part;
                left -= part;
                if self.summed == self.sample_rate {
                    self.end_sample();
                }
            }
        }
    }

    fn end_sample(&mut self) {
        self.block[self.held] = i16::try_from(self.sum / i64::from(self.sample_rate)).unwrap_or(0);
        (self.sum, self.summed) = (0, 0);
        self.held += 1;
        if self.held == BLOCK {
            self.end_block();
            self.held = 0;
        }
    }

    /// The keys that were pressed.
    pub(super) fn finish(mut self) -> Vec<Tone> {
        self.end_key();
        self.found
    }

    fn end_block(&mut self) {
        let number = self.blocks;
        self.blocks += 1;
        if self.at_hand.is_none() && self.looked {
            self.looked = false;
            self.before = self.block;
            return;
        }
        let key = key(&self.block);
        if let (Some(digit), None, false) = (key, self.at_hand, self.looked) {
            // It may have begun in the block that was passed over.
            if number > 0 && self::key(&self.before) == Some(digit) {
                self.at_hand = Some(AtHand { digit, first: number - 1, blocks: 1, without: 0 });
            }
        }
        self.looked = true;
        self.before = self.block;
        match (&mut self.at_hand, key) {
            (Some(hand), Some(digit)) if hand.digit == digit => {
                hand.blocks += 1 + hand.without;
                hand.without = 0;
            }
            (Some(hand), _) if hand.without + 1 < ENDING_BLOCKS => hand.without += 1,
            (Some(_), _) => {
                self.end_key();
                self.at_hand = key.map(|digit| AtHand { digit, first: number, blocks: 1, without: 0 });
            }
            (None, Some(digit)) => self.at_hand = Some(AtHand { digit, first: number, blocks: 1, without: 0 }),
            (None, None) => {}
        }
    }

    fn end_key(&mut self) {
        let Some(hand) = self.at_hand.take() else { return };
        if hand.blocks < self.least {
            return;
        }
        self.ended = Some((hand.first, hand.first + u64::from(hand.blocks)));
        if self.found.len() < MAX_LISTED {
            let ms = |blocks: u64| blocks * BLOCK as u64 * 1_000 / u64::from(RATE);
            self.found.push(Tone { digit: hand.digit, at_ms: ms(hand.first), duration_ms: ms(hand.blocks.into()) });
        }
    }
}

/// The key that a block is, if it is one.
fn key(block: &[i16; BLOCK]) -> Option<char> {
    let peak = block.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    if peak < LEAST_PEAK {
        return None;
    }
    let shift = (peak / PEAK + 1).next_power_of_two().trailing_zeros();
    let mut samples = [0_i16; BLOCK];
    for (sample, wide) in samples.iter_mut().zip(block) {
        *sample = wide >> shift;
    }
    let energy = i64::from(product(&samples, &samples));
    let mut powers = [0_i64; TONES.len()];
    for (power, waves) in powers.iter_mut().zip(&WAVES) {
        *power = waves.iter().map(|wave| i64::from(product(&samples, wave) >> WAVE_BITS).pow(2)).sum();
    }
    let (low, row) = strongest(&powers[..4])?;
    let (high, column) = strongest(&powers[4..])?;
    let whole = energy * i64::try_from(BLOCK).unwrap_or(1) / 2;
    let holds = (low + high) * 10 >= whole * SHARE_TENTHS;
    (holds && low <= high * APART && high <= low * APART).then(|| KEYS[row][column])
}

/// Within 32 bits, since samples have ten and waves fifteen.
fn product(a: &[i16; BLOCK], b: &[i16; BLOCK]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// Each wave is turned on by an angle a sample; made by the compiler.
#[expect(clippy::cast_possible_truncation, reason = "waves are within -1 and 1")]
const fn waves() -> [[[i16; BLOCK]; 2]; TONES.len()] {
    let mut waves = [[[0; BLOCK]; 2]; TONES.len()];
    let unit = (1 << WAVE_BITS) as f64;
    let mut tone = 0;
    while tone < TONES.len() {
        let half_turns = TONES[tone] as f64 * 2.0 / RATE as f64;
        let (cosine, sine) = (sine_of_half_turns(0.5 - half_turns), sine_of_half_turns(half_turns));
        let (mut c, mut s, mut n) = (1.0, 0.0, 0);
        while n < BLOCK {
            (waves[tone][0][n], waves[tone][1][n]) = ((c * unit) as i16, (s * unit) as i16);
            (c, s) = (c * cosine - s * sine, s * cosine + c * sine);
            n += 1;
        }
        tone += 1;
    }
    waves
}

/// The strongest of four, if it stands out of the others.
fn strongest(powers: &[i64]) -> Option<(i64, usize)> {
    let (index, &power) = powers.iter().enumerate().max_by_key(|&(_, power)| *power)?;
    let alone = powers.iter().enumerate().all(|(other, &weaker)| other == index || weaker * STANDS_OUT < power);
    (alone && power > 0).then_some((power, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

    /// `ms` of two tones, each of `level` of full scale.
    fn tones(low: f64, high: f64, ms: u32, level: f64, rate: u32) -> Vec<i16> {
        let wave = |f: f64, n: u32| (f64::from(n) * f / f64::from(rate) * std::f64::consts::TAU).sin();
        (0..ms * rate / 1_000).map(|n| ((wave(low, n) + wave(high, n)) * level * 32_767.0) as i16).collect()
    }

    fn found(samples: &[i16], rate: u32) -> Vec<(char, u64, u64)> {
        let mut tones = Tones::new(rate);
        let frames: Vec<[i16; 2]> = samples.iter().map(|&sample| [0, sample]).collect();
        frames.chunks(333).for_each(|part| tones.take(part, 1));
        tones.finish().iter().map(|tone| (tone.digit, tone.at_ms, tone.duration_ms)).collect()
    }

    #[test]
    fn every_key_is_found_at_any_place_of_a_block() {
        for rate in [8_000, 16_000, 48_000, 44_100, 22_050, 11_025, 96_000, 12_000, 6_000] {
            for (row, keys) in KEYS.iter().enumerate() {
                for (column, &digit) in keys.iter().enumerate() {
                    let lead = (row * 37 + column * 11) as u32;
                    let mut samples = alloc::vec![0; (lead * rate / 1_000) as usize];
                    samples.extend(tones(LOW[row], HIGH[column], 70, 0.1, rate));
                    samples.extend(alloc::vec![0; rate as usize / 10]);
                    let keys = found(&samples, rate);
                    assert_eq!(keys.len(), 1, "{digit} at {rate}: {keys:?}");
                    let (got, at, duration) = keys[0];
                    assert!(got == digit && at.abs_diff(lead.into()) <= 27, "{digit} at {rate}: {keys:?}, {lead}");
                    assert!((39..=80).contains(&duration), "{duration}");
                }
            }
        }
    }

    #[test]
    fn a_little_off_tune_and_noisy_is_a_key_and_far_off_is_none() {
        let mut seed = 1_u32;
        let mut noisy = tones(LOW[1] * 1.012, HIGH[2] * 0.988, 90, 0.1, 8_000);
        for sample in &mut noisy {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += (seed >> 22) as i16 - 512;
        }
        noisy.extend([0; 800]);
        assert_eq!(found(&noisy, 8_000).iter().map(|key| key.0).collect::<Vec<_>>(), ['6']);
        for (low, high) in [(LOW[0] * 1.06, HIGH[0]), (440.0, 480.0), (697.0, 770.0), (350.0, 440.0)] {
            assert_eq!(found(&tones(low, high, 500, 0.1, 8_000), 8_000), [], "{low} {high}");
        }
    }

    #[test]
    fn a_voice_is_no_key() {
        // Harmonics of a gliding pitch, as vowels have them, with many at the keys' frequencies on the way.
        let (mut phase, mut samples) = (0.0_f64, Vec::new());
        for n in 0..8_000 * 60 {
            let t = f64::from(n) / 8_000.0;
            phase += (140.0 + 60.0 * (t * 1.3).sin() + 25.0 * (t * 7.1).sin()) / 8_000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..14).map(|k| (f64::from(k) * phase).sin() / f64::from(1 + (k - 5_i32).abs())).sum();
            samples.push((voice * 4_000.0) as i16);
        }
        assert_eq!(found(&samples, 8_000), []);
        assert_eq!(found(&samples, 44_100), []);
    }
}
