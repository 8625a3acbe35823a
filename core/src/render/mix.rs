//! Pass 2: the entries once more become the samples of one file.
//!
//! ```text
//!   arrival - LATE_NS                       arrival
//!  ------|----------------------------------|---------
//!  final | late and reordered packets still | what comes next
//! ```
//!
//! A packet's place depends on its timestamp alone, so its order of arrival does not matter, and a second copy
//! writes what is there already. A packet fills the samples from its own start to its end on our clock: where that
//! is a sample more or less than it holds (drift, another rate) it is interpolated, else it is copied as it is.

use alloc::vec::Vec;

use super::lanes::Seat;
use super::plan::Plan;
use super::scope::Scope;
use super::sheet::ChannelName;
use super::track::{Audio, Tracker};
use crate::entry::{Entry, Event, Kind, PortIndex, Protected};

/// Packets that come later than this after their place are left out.
const LATE_NS: i64 = 2_000_000_000;
/// Room ahead of the last arrival: the longest packet, and clocks that are not straight.
const AHEAD_NS: i64 = 3_000_000_000;
/// Seconds handed out at a time.
const BLOCK_SECONDS: u32 = 2;
/// Blocks handed out between two moves of the window.
const WINDOW_BLOCKS: usize = 6;
/// A packet is stretched to no more than so many times its samples.
const MAX_STRETCH: usize = 64;
const CHANNELS: usize = 2;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Pass 2: takes the same entries as pass 1, in the same order, and gives the samples of one file.
#[derive(Debug)]
pub struct Mixer<'p> {
    plan: &'p Plan,
    file: usize,
    sample_rate: i64,
    frames: i64,
    scope: Scope,
    tracker: Tracker,
    /// Interleaved samples; those of frame `base` are at `start`, and what was handed out lies before.
    window: Vec<i16>,
    base: i64,
    start: usize,
    block: usize,
    /// Samples that have to lie in the window after `start`.
    room: usize,
    /// Frames before this one do not change any more.
    settled: i64,
    decoded: Vec<i16>,
    /// First frame and channel of what was decoded, while blocks before it are still to be handed out.
    waiting: Option<(i64, ChannelName)>,
}

impl<'p> Mixer<'p> {
    /// A mixer of `plan.files[file]`; of no samples if there is no such file.
    pub fn new(plan: &'p Plan, file: usize) -> Self {
        let (rate, frames) = plan.files.get(file).map_or((1, 0), |file| (file.sample_rate.max(1), file.frames));
        let sample_rate = i64::from(rate);
        let block = usize::try_from(rate.saturating_mul(BLOCK_SECONDS)).unwrap_or(1);
        let ahead = usize::try_from((LATE_NS + AHEAD_NS) / NANOS_PER_SECOND * sample_rate).unwrap_or(0);
        let room = (ahead + block) * CHANNELS;
        Self {
            plan,
            file,
            sample_rate,
            frames: i64::try_from(frames).unwrap_or(i64::MAX),
            scope: Scope::new(plan.recording),
            tracker: Tracker::default(),
            window: alloc::vec![0; room + WINDOW_BLOCKS * block * CHANNELS],
            base: 0,
            start: 0,
            block,
            room,
            settled: 0,
            decoded: Vec::new(),
            waiting: None,
        }
    }

    /// Takes the next entry. Call [`Mixer::poll_block`] until `None` afterwards.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        let at = entry.at.0;
        match &entry.kind {
            Kind::Rtp { protected: Some(Protected::Sealed), .. } => {}
            Kind::Rtp { port, from, packet, .. } => {
                self.settled = self.settled.max(self.frame(at.saturating_sub(LATE_NS)).min(self.frames));
                if let Some(heard) = self.tracker.packet(at, *port, *from, packet)
                    && let Some(audio) = &heard.audio
                    && let Some(seat) = self.seat(*port, heard.source)
                {
                    self.place(audio, seat.channel);
                }
            }
            Kind::Event(event) => {
                self.scope.event(at, event);
                match event {
                    Event::Stream(stream) => self.tracker.stream(stream),
                    Event::Source { port, ssrc, from, change } => self.tracker.appeared(*port, *ssrc, *from, *change),
                    Event::Segment(_)
                    | Event::Answered
                    | Event::Metadata { .. }
                    | Event::RecordingStarted { .. }
                    | Event::RecordingBound { .. }
                    | Event::RecordingEnded { .. }
                    | Event::SrtpKeys { .. }
                    | Event::SrtcpReserved { .. }
                    | Event::Gap { .. }
                    | Event::Dropped { .. }
                    | Event::ClockStep { .. }
                    | Event::DiskStalled { .. }
                    | Event::Alarm { .. }
                    | Event::Ended { .. } => {}
                }
            }
            Kind::Sip { .. } | Kind::Rtcp { .. } | Kind::Checkpoint(_) => {}
        }
    }

    /// Says that there are no more entries. Call [`Mixer::poll_block`] until `None` afterwards.
    pub fn finish(&mut self) {
        self.settled = self.frames;
    }

    /// The next interleaved samples, when a block of them is final.
    pub fn poll_block(&mut self) -> Option<&[i16]> {
        let block = i64::try_from(self.block).unwrap_or(i64::MAX);
        let ready = self.settled.saturating_sub(self.base).min(block);
        if ready <= 0 || (ready < block && self.settled < self.frames) {
            if let Some((from, channel)) = self.waiting.take() {
                self.write(from, channel);
            }
            return None;
        }
        let samples = usize::try_from(ready).unwrap_or(0) * CHANNELS;
        if self.window.len() - self.start < self.room {
            self.move_window();
        }
        let from = self.start;
        self.start += samples;
        self.base += ready;
        self.window.get(from..self.start)
    }

    /// Makes room at the end: what is still to be handed out goes to the front, silence behind it.
    fn move_window(&mut self) {
        self.window.copy_within(self.start.., 0);
        let kept = self.window.len() - self.start;
        if let Some(emptied) = self.window.get_mut(kept..) {
            emptied.fill(0);
        }
        self.start = 0;
    }

    /// Where a source is heard in this file, now.
    fn seat(&self, port: PortIndex, source: usize) -> Option<Seat> {
        let seat = (*self.plan.seats.get(source)?)?;
        (seat.file == self.file && self.scope.takes(port)).then_some(seat)
    }

    /// The frame at nanosecond `at`, to the nearest; negative before t = 0.
    fn frame(&self, at: i64) -> i64 {
        let since = at.saturating_sub(self.plan.zero);
        let (seconds, rest) = (since.div_euclid(NANOS_PER_SECOND), since.rem_euclid(NANOS_PER_SECOND));
        let part = (rest * self.sample_rate + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        seconds.saturating_mul(self.sample_rate).saturating_add(part)
    }

    /// Writes a packet's samples to where they belong.
    fn place(&mut self, audio: &Audio<'_>, channel: ChannelName) {
        let clocks = &self.plan.clocks;
        let played = clocks.played_at(audio.epoch, audio.from).zip(clocks.played_at(audio.epoch, audio.to));
        let Some((from, to)) = played else { return };
        let (from, to) = (self.frame(from), self.frame(to));
        let Ok(length) = usize::try_from(to.saturating_sub(from)) else { return };
        self.waiting = None;
        if length == audio.payload.len() && self.copy(from, audio, channel) {
            return;
        }
        self.decoded.clear();
        audio.decoder.decode(audio.payload, &mut self.decoded);
        if length > self.decoded.len().saturating_mul(MAX_STRETCH) {
            return;
        }
        if length != self.decoded.len() {
            stretch(&mut self.decoded, length);
        }
        let room = i64::try_from((self.window.len() - self.start) / CHANNELS).unwrap_or(0);
        if to.saturating_sub(self.base) > room {
            self.waiting = Some((from, channel));
        } else {
            self.write(from, channel);
        }
    }

    /// The usual case, straight into the window: one channel, one byte a sample, all of it in the window.
    fn copy(&mut self, from: i64, audio: &Audio<'_>, channel: ChannelName) -> bool {
        let right = match channel {
            ChannelName::Left => 0,
            ChannelName::Right => 1,
            ChannelName::Both | ChannelName::None => return false,
        };
        let Ok(start) = usize::try_from(from.saturating_sub(self.base)) else { return false };
        let first = start.saturating_mul(CHANNELS).saturating_add(self.start);
        let end = first.saturating_add(audio.payload.len().saturating_mul(CHANNELS));
        let Some(frames) = self.window.get_mut(first..end) else { return false };
        let slots = frames.chunks_exact_mut(CHANNELS).map(|frame| &mut frame[right]);
        audio.decoder.decode_bytes(audio.payload, slots)
    }

    /// Writes what was decoded, as far as it lies in the window.
    fn write(&mut self, from: i64, channel: ChannelName) {
        let Ok(skip) = usize::try_from(self.base.saturating_sub(from).max(0)) else { return };
        let Ok(start) = usize::try_from(from.saturating_sub(self.base).max(0)) else { return };
        let samples = self.decoded.get(skip..).unwrap_or_default();
        let first = start.saturating_mul(CHANNELS).saturating_add(self.start);
        let room = self.window.get_mut(first..).unwrap_or_default();
        let frames = room.chunks_exact_mut(CHANNELS).zip(samples);
        match channel {
            ChannelName::Left => frames.for_each(|(frame, &sample)| frame[0] = sample),
            ChannelName::Right => frames.for_each(|(frame, &sample)| frame[1] = sample),
            ChannelName::Both => frames.for_each(|(frame, &sample)| frame.fill(sample)),
            ChannelName::None => {}
        }
    }
}

/// Makes `length` samples of those there are, on straight lines between them.
fn stretch(samples: &mut Vec<i16>, length: usize) {
    let held = samples.len();
    let Some(&last) = samples.last() else { return };
    // Each sample of the old grid stands in the middle of its share of the new one.
    samples.push(last);
    let source = core::mem::take(samples);
    samples.reserve(length);
    let (old, new) = (i64::try_from(held).unwrap_or(1), i64::try_from(length).unwrap_or(1));
    for index in 0..new {
        let position = ((2 * index + 1) * old - new).max(0);
        let (whole, part) = (position / (2 * new), position % (2 * new));
        let at = usize::try_from(whole).unwrap_or(0).min(held - 1);
        let (a, b) = (i64::from(source[at]), i64::from(source[at + 1]));
        samples.push(i16::try_from(a + (b - a) * part / (2 * new)).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn stretching_keeps_lines_straight() {
        let mut ramp: Vec<i16> = (0..160).map(|n| n * 100).collect();
        stretch(&mut ramp, 161);
        assert_eq!(ramp.len(), 161);
        assert!(ramp.windows(2).all(|pair| (0..=100).contains(&(pair[1] - pair[0]))));
        stretch(&mut ramp, 320);
        assert!(ramp.len() == 320 && ramp.windows(2).all(|pair| (0..=51).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn twice_the_rate_is_twice_the_samples() {
        let mut samples = vec![0, 400];
        stretch(&mut samples, 4);
        assert_eq!(samples, [0, 100, 300, 400]);
        stretch(&mut samples, 0);
        assert!(samples.is_empty());
    }
}
