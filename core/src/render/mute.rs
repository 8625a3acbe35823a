//! Keys in the audio that must not be told (`media.dtmf`): muted in what is rendered. The journal has the audio as it came.
//!
//! ```text
//! block of a pair -> held back for 80 ms -> block without keys
//!                 \-> tones: which blocks of 13 ms are a key
//! ```

use alloc::vec::Vec;

use super::tones::{Tone, Tones};

const CHANNELS: usize = 2;
/// Blocks that are held back: a key is known two blocks after the one it may have begun in, and is muted from the block before.
const HELD_BLOCKS: u64 = 6;

/// Mutes keys in a pair of channels, each for itself.
#[derive(Debug)]
pub(super) struct Mute {
    sides: [Tones; CHANNELS],
    /// Frames of a block, whole ones.
    block: usize,
    /// Frames that are held back.
    kept: usize,
    held: Vec<i16>,
    /// The frame that the first of those held is.
    base: usize,
    out: Vec<i16>,
}

impl Mute {
    /// For audio of this rate.
    pub(super) fn new(sample_rate: u32) -> Self {
        let tones = Tones::wary(sample_rate);
        let block = tones.begin_of(1).max(1);
        let kept = tones.begin_of(HELD_BLOCKS) + 1;
        Self { sides: [tones.clone(), tones], block, kept, held: Vec::new(), base: 0, out: Vec::new() }
    }

    /// Takes the next interleaved samples and gives those that are final.
    pub(super) fn take(&mut self, mut samples: &[i16]) -> &[i16] {
        self.out.clear();
        let step = self.block * CHANNELS;
        while !samples.is_empty() {
            // A block at a time: no key is over before it was looked at.
            let (now, later) = samples.split_at(step.min(samples.len()));
            self.held.extend_from_slice(now);
            for (side, tones) in self.sides.iter_mut().enumerate() {
                tones.take(now.as_chunks::<CHANNELS>().0, side);
            }
            self.mute();
            let free = self.held.len().saturating_sub(self.kept * CHANNELS);
            self.out.extend(self.held.drain(..free));
            self.base += free / CHANNELS;
            samples = later;
        }
        &self.out
    }

    /// What is still held, when there is no more.
    pub(super) fn finish(&mut self) -> &[i16] {
        self.out.clear();
        self.out.append(&mut self.held);
        &self.out
    }

    /// The keys that were heard.
    pub(super) fn tones(self) -> [Vec<Tone>; CHANNELS] {
        self.sides.map(Tones::finish)
    }

    fn mute(&mut self) {
        let Self { sides, held, base, .. } = self;
        for (side, tones) in sides.iter().enumerate() {
            let ended = tones.last_key().map(|(first, end)| (first, Some(end)));
            for (first, end) in ended.into_iter().chain(tones.key_at_hand().map(|first| (first, None))) {
                // It began and ended within a block.
                let from = tones.begin_of(first.saturating_sub(1)).saturating_sub(*base);
                let to = end.map_or(usize::MAX, |end| tones.begin_of(end + 1).saturating_sub(*base));
                let frames = held.as_chunks_mut::<CHANNELS>().0;
                let to = to.min(frames.len());
                for frame in frames.get_mut(from.min(to)..to).unwrap_or_default() {
                    frame[side] = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of full scale.
    const LEVEL: f64 = 0.1;

    fn wave(frequency: f64, n: usize, rate: usize) -> f64 {
        (n as f64 * frequency / rate as f64 * std::f64::consts::TAU).sin() * LEVEL * 32_767.0
    }

    #[test]
    fn a_key_is_gone_and_what_stands_beside_it_is_not() {
        for rate in [8_000_usize, 16_000, 48_000, 44_100, 11_025] {
            for (length_ms, piece) in [(40, 160), (55, 333), (100, 8_000), (700, 1)] {
                let at = |ms: usize| ms * rate / 1_000;
                let (key, around) = (at(500)..at(500 + length_ms), at(40));
                // A voice's tone on both sides, and 9 on the left.
                let frames = (0..rate * 2).map(|n| {
                    let voice = wave(300.0, n, rate) as i16;
                    let digit = (wave(852.0, n, rate) + wave(1_477.0, n, rate)) as i16;
                    [if key.contains(&n) { digit } else { voice }, voice]
                });
                let samples: Vec<i16> = frames.flatten().collect();
                let mut mute = Mute::new(u32::try_from(rate).unwrap());
                let mut out = Vec::new();
                samples.chunks(piece * CHANNELS).for_each(|piece| out.extend_from_slice(mute.take(piece)));
                out.extend_from_slice(mute.finish());
                assert_eq!(out.len(), samples.len());
                let (before, after) = (out.as_chunks::<2>().0, samples.as_chunks::<2>().0);
                for (n, (now, was)) in before.iter().zip(after).enumerate() {
                    assert_eq!(now[1], was[1], "the other side stays");
                    match n {
                        n if key.contains(&n) => assert_eq!(now[0], 0, "{rate} Hz, {length_ms} ms: frame {n}"),
                        n if n + around < key.start || n > key.end + around => assert_eq!(now[0], was[0]),
                        _ => {}
                    }
                }
                assert_eq!(mute.tones()[0].iter().map(|tone| tone.digit).collect::<Vec<_>>(), ['9']);
            }
        }
    }
}
