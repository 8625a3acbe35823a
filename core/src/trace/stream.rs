//! One RTP stream of a trace: summed, not kept.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::ears::{Due, Ears, LEAST_JUDGED, Turn};
use super::told::{LineAt, Told};
use crate::codec::level::{self, NOTHING_DBFS, TALK_DBFS, mean_square};
use crate::codec::{Coding, Decoder};
use crate::rtp::event::TelephoneEvent;
use crate::rtp::quality::{Impairment, Rating, rate};
use crate::rtp::{Arrival, Packet, Reception, SourceStatistics};
use crate::sdp::{Format, static_format};
use crate::time::Wall;

/// Missing packets in a row that are listed as a gap.
pub const GAP_PACKETS: u16 = 5;
/// Time without a packet that is listed as a gap, nanoseconds.
pub const GAP_NS: i64 = 500_000_000;
/// Gaps that are listed, of a stream.
pub const MAX_GAPS: usize = 100;
/// Digits that are listed, of a stream.
pub const MAX_DIGITS: usize = 500;
/// Payload types that are counted apart, of a stream.
const MAX_TYPES: usize = 16;
/// One packet in so many is listened to, of codecs whose packets stand for themselves; of others see `ears.rs`.
const LOOK_EVERY: u64 = 10;

/// Time in which nothing, or not all, came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last packet before.
    pub from: Wall,
    /// The first one after.
    pub to: Wall,
    /// Packets that are missing; 0 where the sender was silent.
    pub missing: u16,
}

/// A key that was pressed (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// When its first packet came.
    pub at: Wall,
    /// Which.
    pub key: char,
    /// How long, milliseconds, as far as it was told.
    pub duration_ms: u32,
    /// The RTP timestamp of its beginning, by which it is known again.
    timestamp: u32,
}

/// A payload type that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeCount {
    /// The payload type.
    pub payload_type: u8,
    /// Packets of it.
    pub packets: u64,
    /// What it means; none where no description says so.
    pub format: Option<Format>,
    /// A description gave it that meaning, not RFC 3551 alone.
    pub told: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Audible(Decoder),
    /// Its packets need those before them.
    Remembering(Decoder),
    Other,
}

/// How loud it was, by a sample of its packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loudness {
    /// Packets that were listened to.
    pub packets: u64,
    /// Those with talk.
    pub talk: u64,
    /// Those with anything at all.
    pub sounding: u64,
    /// Sum of mean squares.
    energy: u64,
}

impl Loudness {
    /// Mean level, dB of full scale; none where nothing was listened to, or all was digital zero.
    pub fn dbfs(&self) -> Option<i16> {
        level::dbfs(self.energy.checked_div(self.packets)?)
    }
}

/// What SRTP said of the packets that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Secured {
    /// Its description asks for SRTP, and it did not come plain.
    pub expected: bool,
    /// Packets that a key of the description opened.
    pub opened: u64,
    /// Packets that none did.
    pub refused: u64,
    /// Packets for which there was no key.
    pub without_key: u64,
}

/// A stream: packets of one source between two ends.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Whose line it comes to; none where no description of the capture names either end.
    pub line: Option<LineAt>,
    /// It comes to where that line says; else only where it comes from is known.
    pub as_told: bool,
    /// Payload types, in the order in which they came.
    pub types: Vec<TypeCount>,
    /// Gaps, the first ones.
    pub gaps: Vec<Gap>,
    /// All gaps.
    pub gap_count: u64,
    /// Digits, the first ones.
    pub digits: Vec<Digit>,
    /// How loud.
    pub loudness: Loudness,
    /// SRTP.
    pub secured: Secured,
    reception: Reception,
    /// That of [`Told`] at which the payload types were looked up.
    generation: u64,
    count: u64,
    turn: Turn,
}

impl Stream {
    pub(super) fn new(from: SocketAddr, to: SocketAddr, ssrc: u32) -> Self {
        Self {
            from,
            to,
            line: None,
            as_told: false,
            types: Vec::new(),
            gaps: Vec::new(),
            gap_count: 0,
            digits: Vec::new(),
            loudness: Loudness::default(),
            secured: Secured::default(),
            reception: Reception::new(ssrc),
            generation: u64::MAX,
            count: 0,
            turn: Turn::default(),
        }
    }

    /// Its figures.
    pub fn figures(&self) -> SourceStatistics {
        self.reception.statistics()
    }

    /// The format of most of its packets that are no events; that of events, where there is nothing else.
    pub fn format(&self) -> Option<&Format> {
        let sound = self.types.iter().filter(|kind| kind.kind != Kind::Events && kind.format.is_some());
        let main = sound.max_by_key(|kind| kind.packets).or_else(|| self.types.first());
        main?.format.as_ref()
    }

    /// What the E-model says of it (G.107); none of codecs that it has no figures for.
    pub fn rating(&self) -> Option<Rating> {
        let figures = self.figures();
        rate(Impairment::of(&self.format()?.encoding)?, figures.expected, figures.lost, figures.loss_runs)
    }

    /// The digits as a text.
    pub fn keys(&self) -> String {
        self.digits.iter().map(|digit| digit.key).collect()
    }

    /// Whether all that came is telephone events.
    pub(super) fn is_events_only(&self) -> bool {
        !self.types.is_empty() && self.types.iter().all(|kind| kind.kind == Kind::Events)
    }

    /// Whether it was listened to, and there was nothing.
    pub(super) fn is_silent(&self) -> bool {
        let least = if self.turn.is_used() { LEAST_JUDGED } else { 1 };
        self.loudness.packets >= least && self.loudness.sounding == 0
    }

    /// Looks its line up again if something was told since.
    pub(super) fn follow(&mut self, told: &Told) {
        if self.generation == told.generation(self.line.filter(|_| self.as_told)) {
            return;
        }
        if !self.as_told
            && let Some((line, as_told)) = told.line_of(self.from, self.to)
        {
            (self.line, self.as_told) = (Some(line), as_told);
        }
        self.generation = told.generation(self.line.filter(|_| self.as_told));
        for kind in &mut self.types {
            (kind.format, kind.told) = meaning(kind.payload_type, self.line, told);
            kind.kind = Kind::of(kind.format.as_ref());
        }
    }

    /// Counts a packet; says whether its payload is wanted, plain.
    pub(super) fn receive(&mut self, at: Wall, packet: &Packet<'_>, told: &Told) -> bool {
        self.follow(told);
        self.count += 1;
        let place = self.place_of(packet.payload_type, told);
        let kind = place.and_then(|place| self.types.get_mut(place));
        let (rate, wanted) = kind.map_or((None, false), |kind| {
            kind.packets += 1;
            let wanted = match kind.kind {
                Kind::Events => true,
                Kind::Audible(_) => self.count % LOOK_EVERY == 1,
                Kind::Remembering(_) => self.turn.wants(self.count),
                Kind::Other => false,
            };
            (kind.format.as_ref().map(|format| format.clock_rate), wanted)
        });
        let before = (self.reception.last_at(), self.count > 1);
        let arrival = self.reception.receive(at, packet, rate);
        if let (Arrival::Next { missing, .. }, (last, true)) = (arrival, before)
            && (missing >= GAP_PACKETS || at.nanos_since(last) >= GAP_NS)
        {
            self.gap_count += 1;
            if self.gaps.len() < MAX_GAPS {
                self.gaps.push(Gap { from: last, to: at, missing });
            }
        }
        wanted
    }

    /// Listens to a payload that [`Stream::receive`] wanted. `place`: the stream's among all.
    pub(super) fn listen(
        &mut self,
        at: Wall,
        packet: &Packet<'_>,
        samples: &mut Vec<i16>,
        (place, ears): (usize, &mut Ears),
    ) {
        let found = self.types.iter().find(|kind| kind.payload_type == packet.payload_type);
        let Some((kind, rate)) = found.map(|kind| (kind.kind, kind.format.as_ref().map_or(8_000, |f| f.clock_rate)))
        else {
            return;
        };
        match kind {
            Kind::Events => self.event(at, packet, rate),
            Kind::Audible(decoder) => {
                samples.clear();
                decoder.decode(packet.payload, samples);
                self.loudness.take(samples);
            }
            Kind::Remembering(decoder) => {
                let due = Due { place, count: self.count, at, decoder, packet };
                ears.hear(&due, &mut self.turn, &mut self.loudness);
            }
            Kind::Other => {}
        }
    }

    /// Notes what a key of the description said of a packet.
    pub(super) fn secured(&mut self, opened: Option<bool>) {
        self.secured.expected = true;
        match opened {
            Some(true) => self.secured.opened += 1,
            Some(false) => self.secured.refused += 1,
            None => self.secured.without_key += 1,
        }
    }

    /// Notes the sender's own report.
    pub(super) fn sender_report(&mut self, at: Wall, ntp: u64, rtp: u32) {
        self.reception.sender_report(at, ntp, rtp);
    }

    fn event(&mut self, at: Wall, packet: &Packet<'_>, rate: u32) {
        let Some(event) = TelephoneEvent::parse(packet.payload) else { return };
        let Some(key) = event.digit() else { return };
        let duration_ms = u32::from(event.duration).saturating_mul(1_000) / rate.max(1);
        // RFC 4733 2.5.1.2: all packets of an event have its beginning's timestamp.
        let known = self.digits.iter_mut().rev().take(2).find(|digit| digit.timestamp == packet.timestamp);
        if let Some(known) = known {
            known.duration_ms = known.duration_ms.max(duration_ms);
        } else if self.digits.len() < MAX_DIGITS {
            self.digits.push(Digit { at, key, duration_ms, timestamp: packet.timestamp });
        }
    }

    fn place_of(&mut self, payload_type: u8, told: &Told) -> Option<usize> {
        let known = self.types.iter().position(|kind| kind.payload_type == payload_type);
        if known.is_some() || self.types.len() >= MAX_TYPES {
            return known;
        }
        let (format, is_told) = meaning(payload_type, self.line, told);
        let kind = Kind::of(format.as_ref());
        self.types.push(TypeCount { payload_type, packets: 0, format, told: is_told, kind });
        Some(self.types.len() - 1)
    }
}

/// What a payload type means on its way to a line: as the receiver says, else as the sender does, else as RFC 3551 has it.
fn meaning(payload_type: u8, line: Option<LineAt>, told: &Told) -> (Option<Format>, bool) {
    let lines = line.map(|line| [told.line(line), told.sender(line)]).unwrap_or_default();
    let formats = lines.into_iter().flatten().flat_map(|line| &line.media.formats);
    let found = formats.into_iter().find(|format| format.payload_type == payload_type).cloned();
    let is_told = found.is_some();
    (found.or_else(|| static_format(payload_type)), is_told)
}

impl Kind {
    fn of(format: Option<&Format>) -> Self {
        let Some(format) = format else { return Self::Other };
        if format.encoding.eq_ignore_ascii_case("telephone-event") {
            return Self::Events;
        }
        match Coding::of(format) {
            Coding::Audio(decoder) if decoder.is_stateless() => Self::Audible(decoder),
            Coding::Audio(decoder) if !decoder.is_noise() => Self::Remembering(decoder),
            Coding::Audio(_) | Coding::Inaudible | Coding::Unknown => Self::Other,
        }
    }
}

impl Loudness {
    pub(super) fn take(&mut self, samples: &[i16]) {
        let count = samples.len() as u64;
        let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        let Some(square) = sum.checked_div(count) else { return };
        self.packets += 1;
        self.talk += u64::from(square > mean_square(TALK_DBFS));
        self.sounding += u64::from(square > mean_square(NOTHING_DBFS));
        self.energy = self.energy.saturating_add(square);
    }
}
