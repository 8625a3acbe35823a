//! Where samples are written: each at its moment on our clock.
//!
//! A source whose clock keeps to ours at the file's rate is copied sample by sample. Any other goes through
//! [`resample`]: its packets are linked, so that what is heard at a packet's border is made of both. While its clock holds
//! still that is a copy, too.

use alloc::vec::Vec;

use super::clock::on_grid;
use super::holes::{Hole, LONGEST_NS};
use super::plan::Plan;
use super::resample::{KEPT, LAG, POSITION_BITS, resample};
use super::sheet::ChannelName;
use super::track::Audio;
use super::window::Window;
use crate::codec;

pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Room ahead of the last arrival: the longest packet, and clocks that are not straight.
const AHEAD_NS: i64 = 3_000_000_000;
/// The window is no longer than this, however late packets are: 32 MiB, 17 minutes at 8 kHz.
const MAX_WINDOW_FRAMES: i64 = 8 << 20;
/// Seconds handed out at a time.
const BLOCK_SECONDS: u32 = 2;
/// A packet is stretched to no more than so many times its samples.
const MAX_STRETCH: usize = 64;

/// The samples of a pair of channels that may still change.
#[derive(Debug)]
pub(super) struct Canvas<'p> {
    plan: &'p Plan,
    pub(super) rate: u32,
    /// Frames of the file.
    pub(super) length: i64,
    /// Packets that come later than this after their place are left out, ns.
    pub(super) settled: i64,
    pub(super) window: Window,
    pub(super) decoded: Vec<i16>,
    resampled: Vec<i16>,
    /// First frame, channel and samples of what lies beyond the window until blocks before it are handed out.
    beyond: Vec<(i64, ChannelName, Vec<i16>)>,
}

/// Where a source that is resampled stands.
#[derive(Debug, Default)]
pub(super) struct Link {
    at: Option<Stand>,
    /// Its last samples, [`KEPT`] of them, and room for a packet behind them.
    samples: Vec<i16>,
}

#[derive(Debug, Clone, Copy)]
struct Stand {
    epoch: usize,
    /// Media time of the end of the last packet.
    end: i64,
    channel: ChannelName,
    /// Hz of what is decoded.
    rate: u32,
    /// The next frame to be made.
    frame: i64,
}

impl<'p> Canvas<'p> {
    /// Of pair `file`; of no samples if there is no such pair.
    pub(super) fn new(plan: &'p Plan, file: usize) -> Self {
        let (rate, frames) = {
            let pair = plan.pair(file);
            (pair.rate.max(1), pair.frames)
        };
        let block = usize::try_from(rate.saturating_mul(BLOCK_SECONDS)).unwrap_or(1);
        let length = i64::try_from(frames).unwrap_or(i64::MAX);
        let bound = MAX_WINDOW_FRAMES / i64::from(rate) * NANOS_PER_SECOND;
        let settled = plan.settled.min(bound);
        let ahead = (settled.saturating_add(AHEAD_NS) / NANOS_PER_SECOND + 1).saturating_mul(i64::from(rate));
        let window = Window::new(block, usize::try_from(ahead).unwrap_or(0));
        Self { plan, rate, length, settled, window, decoded: Vec::new(), resampled: Vec::new(), beyond: Vec::new() }
    }

    /// The frame at nanosecond `at`, to the nearest; negative before t = 0.
    pub(super) fn frame(&self, at: i64) -> i64 {
        let rate = i64::from(self.rate);
        let since = at.saturating_sub(self.zero());
        let (seconds, rest) = (since.div_euclid(NANOS_PER_SECOND), since.rem_euclid(NANOS_PER_SECOND));
        let part = (rest * rate + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        seconds.saturating_mul(rate).saturating_add(part)
    }

    /// The moment of frame 0: t = 0, to the nearest sample of a clock that holds still.
    fn zero(&self) -> i64 {
        on_grid(self.plan.zero)
    }

    /// First frame and end of a stretch of media time.
    pub(super) fn frames(&self, epoch: usize, from: i64, to: i64) -> Option<(i64, i64)> {
        let clocks = &self.plan.clocks;
        let (from, to) = clocks.played_at(epoch, from).zip(clocks.played_at(epoch, to))?;
        Some((self.frame(from), self.frame(to)))
    }

    /// Writes a packet that stands for itself to where it belongs.
    pub(super) fn place(&mut self, audio: &Audio<'_>, channel: ChannelName) {
        let Some((from, to)) = self.frames(audio.epoch, audio.from, audio.to) else { return };
        // The usual case, straight into the window: one channel, one byte a sample.
        let length = audio.payload.len();
        if usize::try_from(to.saturating_sub(from)) == Ok(length)
            && let Some(places) = self.window.places(from, length, channel)
            && audio.decoder.decode_bytes(audio.payload, places)
        {
            return;
        }
        self.decoded.clear();
        audio.decoder.decode(audio.payload, &mut self.decoded);
        self.put(from, channel);
    }

    /// Whether a packet has to be played after those before it.
    pub(super) fn wants_order(&self, audio: &Audio<'_>) -> bool {
        !audio.decoder.is_stateless() || audio.decoder.clock_rate != self.rate || self.plan.clocks.bends(audio.epoch)
    }

    /// Decodes what stands for itself to where it belongs, behind what is linked.
    pub(super) fn place_in_order(&mut self, link: &mut Link, audio: &Audio<'_>, channel: ChannelName) {
        if !self.wants_order(audio) {
            self.end(link);
            self.place(audio, channel);
            return;
        }
        self.decoded.clear();
        audio.decoder.decode(audio.payload, &mut self.decoded);
        self.place_decoded(link, audio.decoder.clock_rate, (audio.epoch, audio.from, audio.to), channel);
    }

    /// Writes what was decoded, of `rate`, to a stretch of media time of an epoch.
    pub(super) fn place_decoded(
        &mut self,
        link: &mut Link,
        rate: u32,
        (epoch, from, to): (usize, i64, i64),
        channel: ChannelName,
    ) {
        let stand =
            link.at.filter(|at| at.epoch == epoch && at.end == from && at.channel == channel && at.rate == rate);
        if stand.is_none() {
            self.end(link);
        }
        let Some((first, _)) = self.frames(epoch, from, to) else { return };
        if rate == self.rate && !self.plan.clocks.bends(epoch) {
            self.put(first, channel);
            return;
        }
        if stand.is_none() {
            link.samples.clear();
            link.samples.resize(KEPT, 0);
        }
        let began = stand.map_or(0, |_| -LAG);
        link.samples.extend_from_slice(&self.decoded);
        let held = i64::try_from(self.decoded.len()).unwrap_or(0);
        let stand = stand.unwrap_or(Stand { epoch, end: from, channel, rate, frame: first });
        let next = self.make(&link.samples, &stand, (began, held - LAG), from);
        let old = link.samples.len().saturating_sub(KEPT);
        link.samples.drain(..old);
        link.at = Some(Stand { end: to, frame: next, ..stand });
    }

    /// Ends a link: what comes next does not go on from there.
    pub(super) fn end(&mut self, link: &mut Link) {
        if let Some(stand) = link.at.take() {
            // Silence follows; position 0 is where it begins.
            link.samples.resize(2 * KEPT, 0);
            self.make(&link.samples, &stand, (-LAG, 0), stand.end);
        }
    }

    /// Ends a link whose last sample is heard before frame `until`.
    pub(super) fn end_before(&mut self, until: i64, link: &mut Link) {
        if link.at.is_some_and(|stand| stand.frame < until) {
            self.end(link);
        }
    }

    /// Makes the frames in which samples `from` to `to` (counted from media time `origin`, that of `samples[KEPT]`) are heard.
    /// Returns the frame after them.
    fn make(&mut self, samples: &[i16], stand: &Stand, (from, to): (i64, i64), origin: i64) -> i64 {
        let media = |sample: i64| origin.saturating_add(sample * NANOS_PER_SECOND / i64::from(stand.rate.max(1)));
        let clocks = &self.plan.clocks;
        let walls = clocks.played_at(stand.epoch, media(from)).zip(clocks.played_at(stand.epoch, media(to)));
        let Some((begin, end)) = walls.filter(|(begin, end)| begin < end) else { return stand.frame };
        let next = self.frame(end).max(stand.frame);
        let Ok(count) = usize::try_from(next.min(self.length) - stand.frame) else { return next };
        if count > samples.len().saturating_mul(MAX_STRETCH) {
            return next;
        }
        // In nanoseconds times rate: a frame is no whole number of nanoseconds.
        let rate = i128::from(self.rate);
        let second = i128::from(NANOS_PER_SECOND);
        let since = i128::from(stand.frame) * second - i128::from(begin.saturating_sub(self.zero())) * rate;
        let samples_of = |time: i128| {
            let position = (time * i128::from(to - from)) << POSITION_BITS;
            i64::try_from(position.div_euclid(i128::from(end - begin) * rate)).unwrap_or(i64::MAX)
        };
        let (position, step) = (samples_of(since), samples_of(second));
        self.resampled.clear();
        let position = position.saturating_add(from << POSITION_BITS);
        resample(samples, position, step, count, &mut self.resampled);
        let made = core::mem::take(&mut self.resampled);
        self.resampled = core::mem::replace(&mut self.decoded, made);
        self.put(stand.frame, stand.channel);
        core::mem::swap(&mut self.resampled, &mut self.decoded);
        next
    }

    /// Writes what was decoded from frame `from` on.
    fn put(&mut self, from: i64, channel: ChannelName) {
        let to = from.saturating_add(i64::try_from(self.decoded.len()).unwrap_or(0));
        if to <= self.window.base() || from >= self.length {
            return;
        }
        if self.window.is_beyond(to) {
            self.beyond.push((from, channel, self.decoded.clone()));
        } else {
            self.window.write(from, &self.decoded, channel);
        }
    }

    pub(super) fn write_beyond(&mut self) {
        for (from, channel, samples) in self.beyond.drain(..) {
            self.window.write(from, &samples, channel);
        }
    }

    /// Fills a hole from what is heard before it, unless something else is heard there.
    pub(super) fn bridge(&mut self, hole: &Hole, channel: ChannelName) {
        let longest = hole.from.saturating_add(LONGEST_NS);
        let Some((from, to)) = self.frames(hole.epoch, hole.from, hole.to.min(longest)) else { return };
        let (reach, Ok(gap)) = (codec::reach(self.rate), usize::try_from(to.saturating_sub(from))) else { return };
        // Where the loss goes on there is nothing to lead into.
        let after = if hole.to > longest { 0 } else { usize::try_from(self.rate / 100).unwrap_or(0) };
        let mut samples = core::mem::take(&mut self.decoded);
        samples.clear();
        let begin = from.saturating_sub(i64::try_from(reach).unwrap_or(0));
        let missing = self.window.read(begin, reach + gap + after, channel, &mut samples);
        let before = reach.saturating_sub(missing);
        if samples.len() >= before + gap && self.window.base() <= from {
            let (before_gap, rest) = samples.split_at_mut(before);
            let (in_gap, after_gap) = rest.split_at_mut(gap);
            if in_gap.iter().all(|&sample| sample == 0) {
                codec::bridge(before_gap, in_gap, after_gap, self.rate);
                self.window.write(from.saturating_sub(i64::try_from(before).unwrap_or(0)), &samples, channel);
            }
        }
        self.decoded = samples;
    }
}
