//! Streams of a session as one sound, as they come: each packet where it arrived, a frame as soon as all who speak have given
//! theirs, and without those who do not when it gets late.
//!
//! ```text
//! stream 0  ---[p][p][p]----            next frame: given out when both are there,
//! stream 1  -[p][p][p]------                         or LATE after its end
//!             ^ cursor
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use siprec_core::entry::PortIndex;
use siprec_core::time::Wall;

use super::resampler::Resampler;
use crate::server::live::Sound;

/// Length of a frame.
pub(super) const FRAME: Duration = Duration::from_millis(20);
/// A frame is not waited for longer than this after its end.
const LATE: Duration = Duration::from_millis(30);
/// Who has not been heard for so long is not waited for.
const QUIET: Duration = Duration::from_millis(100);
/// A stream whose packets come so far from where they should be is placed anew.
const OFF: Duration = Duration::from_millis(150);
/// So much of a stream is held at most.
const HELD: Duration = Duration::from_secs(2);

/// Puts streams together.
#[derive(Debug)]
pub(super) struct Mix {
    rate: u32,
    /// The beginning of sample 0.
    origin: Option<Wall>,
    /// The first sample of the next frame.
    cursor: i64,
    streams: BTreeMap<PortIndex, Track>,
}

/// One stream's samples that are still to be heard.
#[derive(Debug)]
struct Track {
    ssrc: u32,
    rate: u32,
    resampler: Resampler,
    /// The source's position that comes next.
    position: u64,
    /// Where the first of `samples` stands.
    start: i64,
    samples: Vec<i16>,
    last: Wall,
}

/// Twenty milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// When its first sample arrived, or should have.
    pub(super) at: Wall,
    pub(super) samples: Vec<i16>,
}

impl Mix {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, origin: None, cursor: 0, streams: BTreeMap::new() }
    }

    fn samples_of(&self, length: Duration) -> i64 {
        i64::try_from(length.as_micros()).unwrap_or(0) * i64::from(self.rate) / 1_000_000
    }

    /// The place of a moment.
    fn place(&self, origin: Wall, at: Wall) -> i64 {
        at.nanos_since(origin) / 1_000 * i64::from(self.rate) / 1_000_000
    }

    /// Takes what was heard. A packet's end is where it arrived.
    pub(super) fn take(&mut self, sound: &Sound) {
        let length =
            Duration::from_micros(sound.samples.len() as u64 * 1_000_000 / u64::from(sound.sample_rate.max(1)));
        let began = Wall(sound.at.0 - i64::try_from(length.as_nanos()).unwrap_or(0));
        let origin = *self.origin.get_or_insert(began);
        let (place, off, held) = (self.place(origin, began), self.samples_of(OFF), self.samples_of(HELD));
        let rate = self.rate;
        let fresh = || Track {
            ssrc: sound.ssrc,
            rate: sound.sample_rate,
            resampler: Resampler::new(sound.sample_rate, rate),
            position: sound.position,
            start: place,
            samples: Vec::new(),
            last: sound.at,
        };
        let track = self.streams.entry(sound.port).or_insert_with(fresh);
        if track.ssrc != sound.ssrc || track.rate != sound.sample_rate || sound.position < track.position {
            // What came before is heard first.
            let (start, samples) = (track.start, std::mem::take(&mut track.samples));
            *track = Track { start, samples, ..fresh() };
        }
        // What was lost, or not sent, is silence.
        let skipped = sound.position - track.position;
        let skipped =
            i64::try_from(skipped).unwrap_or(i64::MAX).saturating_mul(i64::from(rate)) / i64::from(track.rate.max(1));
        let expected = track.end().saturating_add(skipped);
        let begins = if (expected - place).abs() > off { place } else { expected };
        if begins >= track.end() {
            let silence = usize::try_from((begins - track.end()).min(held)).unwrap_or(0);
            if track.samples.is_empty() {
                track.start = begins;
            } else {
                track.samples.resize(track.samples.len() + silence, 0);
            }
        }
        track.resampler.take(&sound.samples, &mut track.samples);
        track.position = sound.position + sound.samples.len() as u64;
        track.last = sound.at;
        let excess = track.samples.len().saturating_sub(usize::try_from(held).unwrap_or(0));
        track.drop_first(excess);
    }

    /// The next frame, if it is due at `now`.
    pub(super) fn frame(&mut self, now: Wall) -> Option<Frame> {
        let origin = self.origin?;
        let count = self.samples_of(FRAME);
        let end = self.cursor + count;
        let at = |place: i64| Wall(origin.0 + place * 1_000_000_000 / i64::from(self.rate.max(1)));
        let is_awaited = |track: &Track| track.end() < end && track.last.after(QUIET) > now;
        let is_late = at(end).after(LATE) <= now;
        let has_any = self.streams.values().any(|track| track.end() >= end);
        if !(is_late || has_any && !self.streams.values().any(is_awaited)) {
            return None;
        }
        let mut sums = vec![0_i32; usize::try_from(count).unwrap_or(0)];
        for track in self.streams.values_mut() {
            track.add(self.cursor, &mut sums);
        }
        let clip = |sum: i32| i16::try_from(sum).unwrap_or(if sum < 0 { i16::MIN } else { i16::MAX });
        let frame = Frame { at: at(self.cursor), samples: sums.into_iter().map(clip).collect() };
        self.cursor = end;
        Some(frame)
    }
}

impl Track {
    fn end(&self) -> i64 {
        self.start.saturating_add(i64::try_from(self.samples.len()).unwrap_or(0))
    }

    /// Adds what stands from `from` on, and forgets it.
    fn add(&mut self, from: i64, sums: &mut [i32]) {
        self.drop_first(usize::try_from(from - self.start).unwrap_or(0));
        let skip = usize::try_from(self.start - from).unwrap_or(0);
        for (sum, sample) in sums.iter_mut().skip(skip).zip(&self.samples) {
            *sum += i32::from(*sample);
        }
        self.drop_first(usize::try_from(from + sums.len() as i64 - self.start).unwrap_or(0));
    }

    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.samples.len());
        self.samples.drain(..count);
        self.start += i64::try_from(count).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn sound(port: u16, arrived_ms: i64, position: u64, value: i16) -> Sound {
        Sound {
            port: PortIndex(port),
            label: None,
            ssrc: u32::from(port),
            at: Wall(arrived_ms * MS),
            sample_rate: 8_000,
            position,
            samples: vec![value; 160],
        }
    }

    fn frames(mix: &mut Mix, now_ms: i64) -> Vec<Frame> {
        std::iter::from_fn(|| mix.frame(Wall(now_ms * MS))).collect()
    }

    #[test]
    fn both_are_heard_together_as_soon_as_both_are_there() {
        let mut mix = Mix::new(8_000);
        mix.take(&sound(0, 20, 0, 100));
        mix.take(&sound(1, 20, 0, 10));
        let heard = frames(&mut mix, 21);
        assert_eq!(heard, [Frame { at: Wall(0), samples: vec![110; 160] }]);
        mix.take(&sound(0, 40, 160, 100));
        assert!(frames(&mut mix, 41).is_empty(), "the other is awaited");
        mix.take(&sound(1, 45, 160, 10));
        assert_eq!(
            frames(&mut mix, 46)[0].samples,
            vec![110; 160],
            "a packet that comes 5 ms late stands where it belongs"
        );
    }

    #[test]
    fn who_is_silent_holds_nobody_up() {
        let mut mix = Mix::new(8_000);
        mix.take(&sound(0, 20, 0, 100));
        mix.take(&sound(1, 20, 0, 10));
        frames(&mut mix, 21);
        mix.take(&sound(0, 40, 160, 100));
        assert!(frames(&mut mix, 60).is_empty());
        assert_eq!(frames(&mut mix, 70)[0].samples, vec![100; 160], "30 ms after its end it is late");
        for n in 3..9 {
            mix.take(&sound(0, n * 20, (n as u64 - 1) * 160, 100));
            frames(&mut mix, n * 20 + 31);
        }
        mix.take(&sound(0, 180, 8 * 160, 100));
        assert_eq!(frames(&mut mix, 181).len(), 1, "after 100 ms nobody waits for the other");
    }

    #[test]
    fn what_is_lost_is_silence_of_its_length() {
        let mut mix = Mix::new(8_000);
        mix.take(&sound(0, 20, 0, 100));
        mix.take(&sound(0, 60, 320, 50));
        let heard: Vec<i16> = frames(&mut mix, 61).into_iter().flat_map(|frame| frame.samples).collect();
        assert_eq!(heard, [vec![100; 160], vec![0; 160], vec![50; 160]].concat());
    }

    #[test]
    fn a_source_that_begins_anew_goes_on_behind_the_one_before() {
        let mut mix = Mix::new(8_000);
        mix.take(&sound(0, 20, 0, 100));
        let mut other = sound(0, 40, 0, 7);
        other.ssrc = 99;
        mix.take(&other);
        let heard: Vec<i16> = frames(&mut mix, 41).into_iter().flat_map(|frame| frame.samples).collect();
        assert_eq!(heard, [vec![100; 160], vec![7; 160]].concat());
    }
}
