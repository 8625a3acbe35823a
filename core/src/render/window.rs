//! The stretch of a file that may still change, as interleaved samples.
//!
//! ```text
//!  handed out |  settled, to be handed out | may still change            |
//!             base                         settled                       end
//! ```

use alloc::vec::Vec;

use super::sheet::ChannelName;

/// Channels of every file.
pub(super) const CHANNELS: usize = 2;
/// Blocks handed out between two moves of the samples.
const BLOCKS: usize = 6;

/// Samples of two channels.
#[derive(Debug)]
pub(super) struct Window {
    /// Those of frame `base` are at `start`, and what was handed out lies before.
    samples: Vec<i16>,
    base: i64,
    start: usize,
    /// Frames handed out at a time.
    block: usize,
    /// Samples that have to lie after `start`.
    room: usize,
}

impl Window {
    /// Of blocks of `block` frames, and `ahead` frames after each.
    pub(super) fn new(block: usize, ahead: usize) -> Self {
        let room = (ahead + block) * CHANNELS;
        // Where much is still to come, it is moved as seldom as it is much.
        let spare = (BLOCKS * block).max(ahead / 2) * CHANNELS;
        Self { samples: alloc::vec![0; room + spare], base: 0, start: 0, block, room }
    }

    /// The next block, if as many frames before `settled` remain; of the file's end, what remains.
    pub(super) fn take(&mut self, settled: i64, frames: i64) -> Option<&[i16]> {
        let ready = self.ready(settled, frames)?;
        let samples = usize::try_from(ready).unwrap_or(0) * CHANNELS;
        if self.samples.len() - self.start < self.room {
            self.advance();
        }
        let from = self.start;
        self.start += samples;
        self.base += ready;
        self.samples.get(from..self.start)
    }

    /// Frames of the next block.
    pub(super) fn ready(&self, settled: i64, frames: i64) -> Option<i64> {
        let block = i64::try_from(self.block).unwrap_or(i64::MAX);
        let ready = settled.saturating_sub(self.base).min(block);
        (ready > 0 && (ready == block || settled >= frames)).then_some(ready)
    }

    /// Makes room at the end: what is still to be handed out goes to the front, silence behind it.
    fn advance(&mut self) {
        self.samples.copy_within(self.start.., 0);
        let kept = self.samples.len() - self.start;
        if let Some(emptied) = self.samples.get_mut(kept..) {
            emptied.fill(0);
        }
        self.start = 0;
    }

    /// Whether `frame` lies behind all there is room for.
    pub(super) fn is_beyond(&self, frame: i64) -> bool {
        let room = i64::try_from((self.samples.len() - self.start) / CHANNELS).unwrap_or(0);
        frame.saturating_sub(self.base) > room
    }

    /// The places of `length` samples of one channel from frame `from` on, if all of them lie here.
    pub(super) fn places(
        &mut self,
        from: i64,
        length: usize,
        channel: ChannelName,
    ) -> Option<impl Iterator<Item = &mut i16>> {
        let side = match channel {
            ChannelName::Left => 0,
            ChannelName::Right => 1,
            ChannelName::Both | ChannelName::Mono | ChannelName::None => return None,
        };
        let first = usize::try_from(from.checked_sub(self.base)?).ok()?.checked_mul(CHANNELS)? + self.start;
        let frames = self.samples.get_mut(first..first.checked_add(length.checked_mul(CHANNELS)?)?)?;
        Some(frames.chunks_exact_mut(CHANNELS).map(move |frame| &mut frame[side]))
    }

    /// Writes samples from frame `from` on, as far as they lie here.
    pub(super) fn write(&mut self, from: i64, samples: &[i16], channel: ChannelName) {
        let Ok(skip) = usize::try_from(self.base.saturating_sub(from).max(0)) else { return };
        let Ok(start) = usize::try_from(from.saturating_sub(self.base).max(0)) else { return };
        let samples = samples.get(skip..).unwrap_or_default();
        let first = start.saturating_mul(CHANNELS).saturating_add(self.start);
        let room = self.samples.get_mut(first..).unwrap_or_default();
        let frames = room.chunks_exact_mut(CHANNELS).zip(samples);
        match channel {
            ChannelName::Left => frames.for_each(|(frame, &sample)| frame[0] = sample),
            ChannelName::Right => frames.for_each(|(frame, &sample)| frame[1] = sample),
            ChannelName::Both => frames.for_each(|(frame, &sample)| frame.fill(sample)),
            ChannelName::Mono | ChannelName::None => {}
        }
    }

    /// Up to `length` samples of a channel from frame `from` on, handed out ones too where they are still here; says
    /// how many are missing at the front.
    pub(super) fn read(&self, from: i64, length: usize, channel: ChannelName, out: &mut Vec<i16>) -> usize {
        let here = self.base.saturating_sub(i64::try_from(self.start / CHANNELS).unwrap_or(0));
        let missing = usize::try_from(here.saturating_sub(from).max(0)).unwrap_or(usize::MAX).min(length);
        let first = usize::try_from(from.saturating_sub(here).max(0)).unwrap_or(usize::MAX);
        let side = usize::from(channel == ChannelName::Right);
        let frames = self.samples.get(first.saturating_mul(CHANNELS)..).unwrap_or_default().chunks_exact(CHANNELS);
        out.extend(frames.take(length - missing).map(|frame| frame[side]));
        missing
    }

    /// The first frame that was not handed out.
    pub(super) fn base(&self) -> i64 {
        self.base
    }
}
