//! How loud a file's channels are and who talks when, from the samples as they are written.
//!
//! ```text
//! blocks of samples -> windows of 20 ms -> peak, energy, clipping, talk -> Levels
//! ```

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::sheet::ChannelName;
use super::tones::{Tone, Tones};
use crate::codec::level::{CLIPPED, TALK_DBFS, dbfs, mean_square};

/// Windows a second.
const WINDOWS: u32 = 50;
const WINDOW_MS: u64 = 1_000 / WINDOWS as u64;
/// Pauses of talk that are no longer are talk: words have gaps.
const HANGOVER_WINDOWS: u8 = 10;
const CHANNELS: usize = 2;
/// So much talk on one leg and none on the other is no conversation.
const ONE_WAY_MS: u64 = 10_000;
/// Channels that are so alike hold one voice.
const ALIKE_PERCENT: u8 = 95;
/// One sample of talk in so many may be clipped.
const CLIPPED_SHARE: u64 = 200;

/// What is heard in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Left, right.
    pub channels: Vec<ChannelLevels>,
    /// Both talked.
    pub both_talk_ms: u64,
    /// Nobody did.
    pub silence_ms: u64,
    /// How alike the channels are while somebody talks, percent: 100 is the same audio. None where nobody talked.
    pub alike_percent: Option<u8>,
    /// Keys in the audio of left and right; `Sidecar::heard` lists them among the digits.
    #[serde(skip)]
    pub tones: [Vec<Tone>; CHANNELS],
}

/// What is heard in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLevels {
    /// Left or right.
    pub channel: ChannelName,
    /// The loudest sample, dB of full scale; none of a channel of zeros.
    pub peak_dbfs: Option<i16>,
    /// Mean level of its talk, dB of full scale; none where nobody talked.
    pub talk_dbfs: Option<i16>,
    /// How long somebody talked.
    pub talk_ms: u64,
    /// Samples as loud as the codec goes.
    pub clipped_samples: u64,
}

/// What an operator should know of two legs that are heard in a pair of channels.
pub(super) fn judge(
    legs: &[(String, &ChannelLevels)],
    alike_percent: Option<u8>,
    sample_rate: u32,
    duration_ms: u64,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, channel) in legs {
        let others_talk = legs.iter().any(|(other, of)| other != name && of.talk_ms >= ONE_WAY_MS);
        if channel.talk_ms == 0 && others_talk {
            findings.push(format!("one-way audio: nobody is heard on {name}, though packets came"));
        } else if channel.talk_ms == 0 && duration_ms >= ONE_WAY_MS {
            findings.push(format!("nobody is heard on {name}, though packets came"));
        }
        if channel.clipped_samples * CLIPPED_SHARE > channel.talk_ms * u64::from(sample_rate) / 1_000 {
            findings.push(format!("{name} is clipped: it was too loud before it came here"));
        }
    }
    if legs.len() == CHANNELS && alike_percent.is_some_and(|percent| percent >= ALIKE_PERCENT) {
        let names: Vec<&str> = legs.iter().map(|(name, _)| name.as_str()).collect();
        findings.push(format!("{} hold the same audio: the legs are not separate", names.join(" and ")));
    }
    findings
}

/// Takes the samples of a file in order.
#[derive(Debug)]
pub struct Meter {
    /// Frames of a window.
    length: usize,
    /// Frames of the window at hand.
    held: usize,
    window: Window,
    sides: [Side; CHANNELS],
    tones: [Tones; CHANNELS],
    windows: u64,
    both: u64,
    neither: u64,
    /// Sums of products over windows in which somebody talks: left, right, across; divided by the window's length.
    products: (u64, u64, i64),
}

/// Sums over a window.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    squares: [u64; CHANNELS],
    across: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Side {
    peak: u16,
    clipped: u64,
    /// Mean squares of the windows with talk, summed.
    energy: u64,
    loud_windows: u64,
    talk_windows: u64,
    hangover: u8,
}

impl Meter {
    /// Of a file of interleaved stereo.
    pub fn new(sample_rate: u32) -> Self {
        Self {
            length: usize::try_from(sample_rate / WINDOWS).unwrap_or(1).max(1),
            held: 0,
            window: Window::default(),
            sides: [Side::default(); CHANNELS],
            tones: [Tones::new(sample_rate), Tones::new(sample_rate)],
            windows: 0,
            both: 0,
            neither: 0,
            products: (0, 0, 0),
        }
    }

    /// Takes the next samples, whole frames.
    pub fn take(&mut self, mut samples: &[i16]) {
        for (side, tones) in self.tones.iter_mut().enumerate() {
            tones.take(samples.as_chunks::<CHANNELS>().0, side);
        }
        while !samples.is_empty() {
            let frames = (self.length - self.held).min(samples.len().div_ceil(CHANNELS));
            let (now, later) = samples.split_at((frames * CHANNELS).min(samples.len()));
            self.add(now);
            self.held += frames;
            if self.held == self.length {
                self.end_window();
            }
            samples = later;
        }
    }

    fn add(&mut self, samples: &[i16]) {
        let (mut squares, mut across, mut peaks, mut clipped) = ([0_u64; 2], 0_i64, [0_u16; 2], [0_u32; 2]);
        for &[left, right] in samples.as_chunks::<CHANNELS>().0 {
            let (l, r) = (i32::from(left), i32::from(right));
            squares[0] += u64::from((l * l).cast_unsigned());
            squares[1] += u64::from((r * r).cast_unsigned());
            across += i64::from(l * r);
            peaks = [peaks[0].max(left.unsigned_abs()), peaks[1].max(right.unsigned_abs())];
            clipped[0] += u32::from(left.unsigned_abs() >= CLIPPED);
            clipped[1] += u32::from(right.unsigned_abs() >= CLIPPED);
        }
        self.window.across += across;
        for (channel, side) in self.sides.iter_mut().enumerate() {
            self.window.squares[channel] += squares[channel];
            side.peak = side.peak.max(peaks[channel]);
            side.clipped += u64::from(clipped[channel]);
        }
    }

    fn end_window(&mut self) {
        let length = self.length as u64;
        let Window { squares, across } = core::mem::take(&mut self.window);
        self.held = 0;
        self.windows += 1;
        let means = squares.map(|sum| sum / length);
        let mut talks = [false; CHANNELS];
        for ((side, mean), talk) in self.sides.iter_mut().zip(means).zip(&mut talks) {
            let loud = mean >= mean_square(TALK_DBFS);
            if loud {
                side.energy += mean;
                side.loud_windows += 1;
            }
            side.hangover = if loud { HANGOVER_WINDOWS } else { side.hangover.saturating_sub(1) };
            *talk = side.hangover > 0;
            side.talk_windows += u64::from(*talk);
        }
        self.both += u64::from(talks == [true, true]);
        self.neither += u64::from(talks == [false, false]);
        if talks != [false, false] {
            self.products.0 += means[0];
            self.products.1 += means[1];
            self.products.2 += across / i64::try_from(length).unwrap_or(1);
        }
    }

    /// What was heard.
    pub fn finish(mut self) -> Levels {
        if self.held > 0 {
            self.end_window();
        }
        let channel = |(side, name): (&Side, ChannelName)| ChannelLevels {
            channel: name,
            peak_dbfs: dbfs(u64::from(side.peak) * u64::from(side.peak)),
            talk_dbfs: side.energy.checked_div(side.loud_windows).and_then(dbfs),
            talk_ms: side.talk_windows * WINDOW_MS,
            clipped_samples: side.clipped,
        };
        let (left, right, across) = self.products;
        Levels {
            channels: self.sides.iter().zip([ChannelName::Left, ChannelName::Right]).map(channel).collect(),
            both_talk_ms: self.both * WINDOW_MS,
            silence_ms: self.neither * WINDOW_MS,
            alike_percent: alike(left, right, across).filter(|_| self.neither < self.windows),
            tones: self.tones.map(Tones::finish),
        }
    }
}

/// The square of the channels' correlation, percent, of channels of which neither is silent.
fn alike(left: u64, right: u64, across: i64) -> Option<u8> {
    if left == 0 || right == 0 {
        return Some(0);
    }
    let across = u128::from(across.unsigned_abs());
    u8::try_from(across * across * 100 / (u128::from(left) * u128::from(right))).ok().map(|percent| percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// A square wave of `level`, or silence, for so many ms on either side.
    fn levels(parts: &[(u32, i16, i16)]) -> Levels {
        let mut samples = Vec::new();
        for &(ms, left, right) in parts {
            for n in 0..ms * RATE / 1_000 {
                let sign = |level: i16, period: u32| if n % period < period / 2 { level } else { -level };
                samples.extend([sign(left, 8), sign(right, 10)]);
            }
        }
        let mut meter = Meter::new(RATE);
        // In pieces that do not fall together with windows.
        samples.chunks(334).for_each(|piece| meter.take(piece));
        meter.finish()
    }

    #[test]
    fn levels_are_those_of_square_waves() {
        let levels = levels(&[(1_000, 3_277, 32_767)]);
        assert_eq!((levels.channels[0].peak_dbfs, levels.channels[0].talk_dbfs), (Some(-20), Some(-20)));
        assert_eq!((levels.channels[1].peak_dbfs, levels.channels[1].talk_dbfs), (Some(0), Some(0)));
        assert_eq!((levels.channels[0].clipped_samples, levels.channels[1].clipped_samples), (0, 8_000));
    }

    #[test]
    fn talk_ends_a_little_after_it_fell_silent() {
        let levels = levels(&[(1_000, 3_000, 0), (1_000, 0, 0), (500, 3_000, 3_000), (1_000, 100, 0)]);
        assert_eq!(levels.channels[0].talk_ms, 1_000 + 180 + 500 + 180);
        assert_eq!(levels.channels[1].talk_ms, 500 + 180);
        assert_eq!((levels.both_talk_ms, levels.silence_ms), (680, 820 + 820));
    }

    #[test]
    fn the_same_audio_is_known_at_another_level_and_two_voices_are_not_taken_for_one() {
        let mut meter = Meter::new(RATE);
        let same: Vec<i16> = (0..8_000_i16).flat_map(|n| [(n % 37) * 200 - 3_600, (n % 37) * 50 - 900]).collect();
        meter.take(&same);
        assert_eq!(meter.finish().alike_percent, Some(100));
        let two = levels(&[(1_000, 3_000, 3_000)]);
        assert!(two.alike_percent < Some(10), "{two:?}");
        assert_eq!(levels(&[(1_000, 3_000, 0)]).alike_percent, Some(0));
        assert_eq!(levels(&[(1_000, 0, 0)]).alike_percent, None);
    }

    #[test]
    fn silence_has_no_level() {
        let levels = levels(&[(100, 0, 1)]);
        assert_eq!((levels.channels[0].peak_dbfs, levels.channels[0].talk_dbfs), (None, None));
        assert_eq!(levels.channels[1].peak_dbfs, Some(-90));
    }
}
