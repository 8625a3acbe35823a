//! Lost packets within speech: where they are concealed, decided alike by both passes.
//!
//! A hole is a step in sequence numbers that timestamps follow: as many packets of audio are missing as the time between
//! them holds. Where time ran on further (silence was not sent), or a pause, an event or the recorder's own absence lies
//! between, nothing is made up. A hole is dealt with once late packets had their time to fill it.

use alloc::vec::Vec;

use super::order::Place;
use super::track::{Audio, Heard};
use crate::codec::{Decoder, LONGEST_MS};
use crate::entry::{Event, PortIndex};

/// Late packets have this long to come.
pub(super) const WAIT_NS: i64 = 2_000_000_000;
/// The longest time that is made up.
pub(super) const LONGEST_NS: i64 = LONGEST_MS as i64 * NANOS_PER_MILLI;
/// Holes that are open at a time.
const MAX_OPEN: usize = 512;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// What is missing between two packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hole {
    pub(super) source: usize,
    pub(super) epoch: usize,
    /// Media time, ns.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) decoder: Decoder,
    found_at: i64,
    /// Sequence numbers before and after.
    between: (i64, i64),
}

/// The end of the newest audio of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    epoch: usize,
    to: i64,
    sequence: i64,
    length: i64,
}

impl End {
    /// After a packet, if speech may go on from there.
    pub(super) fn of(sequence: i64, audio: Option<&Audio<'_>>) -> Option<Self> {
        let audio = audio.filter(|audio| !audio.decoder.is_pause(audio.payload))?;
        let length = audio.to.saturating_sub(audio.from);
        Some(Self { epoch: audio.epoch, to: audio.to, sequence, length })
    }

    /// From where to where audio was lost before a packet.
    pub(super) fn lost_before(&self, sequence: i64, audio: &Audio<'_>) -> Option<(i64, i64)> {
        let missing = sequence.saturating_sub(self.sequence).saturating_sub(1);
        let gap = audio.from.saturating_sub(self.to);
        let length = self.length.max(audio.to.saturating_sub(audio.from));
        let holds = missing.saturating_mul(length).saturating_add(length / 2);
        (audio.epoch == self.epoch && missing > 0 && gap > 0 && gap <= holds).then_some((self.to, audio.from))
    }
}

/// Whether an event says that what follows it does not go on from what was before.
pub(super) fn interrupts(event: &Event, port: Option<PortIndex>) -> bool {
    match event {
        Event::Gap { .. } => true,
        Event::Stream(stream) => stream.paused.is_some() && port == Some(stream.port),
        Event::Segment(_)
        | Event::Answered
        | Event::Metadata { .. }
        | Event::RecordingStarted { .. }
        | Event::RecordingBound { .. }
        | Event::RecordingEnded { .. }
        | Event::Tagged { .. }
        | Event::SrtpKeys { .. }
        | Event::SrtcpReserved { .. }
        | Event::SrtpRefused { .. }
        | Event::Source { .. }
        | Event::Dropped { .. }
        | Event::ClockStep { .. }
        | Event::DiskStalled { .. }
        | Event::Alarm { .. }
        | Event::Ended { .. } => false,
    }
}

/// The holes of a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Holes {
    open: Vec<Hole>,
    /// By source.
    ends: Vec<Source>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Source {
    port: Option<PortIndex>,
    end: Option<End>,
    concealed: i64,
}

impl Holes {
    /// Takes a packet.
    pub(super) fn packet(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>, in_scope: bool) {
        if self.ends.len() <= heard.source {
            self.ends.resize(heard.source + 1, Source::default());
        }
        let Some(source) = self.ends.get_mut(heard.source) else { return };
        match heard.place {
            Place::Late => {
                self.fill(heard);
                return;
            }
            Place::Duplicate => return,
            Place::First | Place::Restart => source.end = None,
            Place::Next { missing: 0 } => {}
            Place::Next { .. } => {
                if let (Some(end), Some(audio)) = (source.end.filter(|_| in_scope), &heard.audio)
                    && let Some((from, to)) = end.lost_before(heard.sequence, audio)
                    && self.open.len() < MAX_OPEN
                {
                    self.open.push(Hole {
                        source: heard.source,
                        epoch: audio.epoch,
                        from,
                        to,
                        decoder: audio.decoder,
                        found_at: at,
                        between: (end.sequence, heard.sequence),
                    });
                }
            }
        }
        source.port = Some(port);
        source.end = End::of(heard.sequence, heard.audio.as_ref()).filter(|_| in_scope);
    }

    /// Takes an event: what was not sent on purpose, or while we were away, is no hole.
    pub(super) fn event(&mut self, event: &Event) {
        for source in self.ends.iter_mut().filter(|source| interrupts(event, source.port)) {
            source.end = None;
        }
    }

    /// The next hole that waited long enough by `now`.
    pub(super) fn due(&mut self, now: i64) -> Option<Hole> {
        let first = self.open.first()?;
        if now.saturating_sub(first.found_at) < WAIT_NS {
            return None;
        }
        let hole = self.open.remove(0);
        if let Some(source) = self.ends.get_mut(hole.source) {
            source.concealed += hole.to.saturating_sub(hole.from).clamp(0, LONGEST_NS);
        }
        Some(hole)
    }

    /// How much of a source's holes was made up.
    pub(super) fn concealed_ms(&self, source: usize) -> u64 {
        let concealed = self.ends.get(source).map_or(0, |source| source.concealed);
        u64::try_from((concealed + NANOS_PER_MILLI / 2) / NANOS_PER_MILLI).unwrap_or(0)
    }

    /// A late packet: its hole ends where it begins, and another begins where it ends.
    fn fill(&mut self, heard: &Heard<'_>) {
        let inside = |hole: &Hole| {
            hole.source == heard.source && hole.between.0 < heard.sequence && heard.sequence < hole.between.1
        };
        let Some(index) = self.open.iter().position(inside) else { return };
        let hole = self.open.remove(index);
        let Some(audio) = heard.audio.as_ref().filter(|audio| audio.epoch == hole.epoch) else { return };
        let before = Hole { to: audio.from, between: (hole.between.0, heard.sequence), ..hole };
        let after = Hole { from: audio.to, between: (heard.sequence, hole.between.1), ..hole };
        let is_hole = |hole: &Hole| hole.between.1 - hole.between.0 > 1 && hole.from < hole.to;
        for part in [after, before].into_iter().filter(is_hole) {
            self.open.insert(index, part);
        }
    }
}
