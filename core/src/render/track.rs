//! Which source and which epoch a packet belongs to, and where in the source's media time it lies.
//!
//! Both passes run this over the same entries and so agree on every packet. A source is an SSRC on a port; an epoch is
//! a stretch of a source in which timestamps and arrivals go together. A new epoch begins where they part: the source
//! began anew, or held its timestamps during a hold, or the network stalled (then the clock maps of both epochs agree,
//! and are made one).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::clock::on_grid;
use super::order::{Place, Sequence};
use super::pace::Pace;
use crate::codec::{self, Coding, Decoder};
use crate::entry::{PortIndex, SourceChange, Stream};
use crate::rtp::Packet;
use crate::sdp::static_format;

/// Sources of a session that are told apart; packets of further ones are counted together.
const MAX_SOURCES: usize = 1024;
/// Epochs of a session; after that the last one of a source goes on.
const MAX_EPOCHS: usize = 8192;
/// From one packet to the next, delays that differ by more begin a new epoch.
const MAX_DELAY_STEP_NS: i64 = 200_000_000;
/// Within an epoch, delays that differ by more from its first begin a new one.
const MAX_DELAY_DRIFT_NS: i64 = 1_500_000_000;
/// Two sources on one port that take turns so often speak at the same time.
const CONCURRENT_TURNS: u32 = 50;
/// What counts as taking turns: the source's own last packet is no older.
const TURN_NS: i64 = 200_000_000;
/// Until here a source's appearance may still be named otherwise.
const APPEARING_PACKETS: u64 = 10;
const NO_FORMAT: u8 = u8::MAX;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A packet's place in its session.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    /// Index into [`Tracker::sources`].
    pub(super) source: usize,
    /// Extended sequence number.
    pub(super) sequence: i64,
    pub(super) place: Place,
    /// Index into the port's [`PortTrack::formats`].
    pub(super) format: Option<usize>,
    pub(super) timestamp: u32,
    /// RTP clock rate of the format.
    pub(super) clock_rate: u32,
    /// Events and comfort noise: timestamps that stand still, or nearly so.
    pub(super) is_event: bool,
    pub(super) payload: &'a [u8],
    pub(super) audio: Option<Audio<'a>>,
    /// Comfort noise that begins here; it has no length.
    pub(super) noise: Option<Audio<'a>>,
}

/// What of a packet can be heard.
#[derive(Debug)]
pub(super) struct Audio<'a> {
    /// Number of the epoch in the session.
    pub(super) epoch: usize,
    /// Media time of the first sample and of the end, in nanoseconds of the epoch's clock.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) decoder: Decoder,
    pub(super) payload: &'a [u8],
}

/// The sources of a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    ports: BTreeMap<PortIndex, PortTrack>,
    sources: Vec<Source>,
    epochs: usize,
    /// Packets that are not RTP, and packets of sources beyond the limit.
    pub(super) unattributed: u64,
}

/// A port and what its payload types mean.
#[derive(Debug)]
pub(super) struct PortTrack {
    pub(super) formats: Vec<FormatUse>,
    by_payload_type: [u8; 128],
    sources: Vec<usize>,
    newest: Option<usize>,
}

/// A format of a port.
#[derive(Debug, Clone)]
pub(super) struct FormatUse {
    pub(super) name: String,
    pub(super) coding: Coding,
    pub(super) clock_rate: u32,
}

/// An SSRC on a port.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) port: PortIndex,
    pub(super) ssrc: u32,
    pub(super) from: SocketAddr,
    pub(super) change: SourceChange,
    /// How often it took turns with another source of the port.
    turns: u32,
    packets: u64,
    last_at: i64,
    sequence: Sequence,
    pace: Pace,
    epoch: Option<Epoch>,
    previous: Option<Epoch>,
}

impl Source {
    /// Whether it speaks at the same time as another source of its port.
    pub(super) fn is_concurrent(&self) -> bool {
        self.turns >= CONCURRENT_TURNS
    }
}

/// Where a source's timestamps stand.
#[derive(Debug, Clone)]
struct Epoch {
    number: usize,
    clock_rate: u32,
    /// Extended timestamp and media time that go together.
    anchor: (i64, i64),
    /// The timestamp of its newest packet, and that of what follows it.
    highest: i64,
    end: i64,
    first_sequence: i64,
    first_delay: i64,
    delay: i64,
}

impl Epoch {
    fn extend(&self, timestamp: u32) -> i64 {
        let low = u32::try_from(self.highest.rem_euclid(1 << 32)).unwrap_or(0);
        self.highest + i64::from(i32::from_be_bytes(timestamp.wrapping_sub(low).to_be_bytes()))
    }

    /// Whether a timestamp went back as `step` packets of `ticks` do, or further, and not before the epoch.
    fn is_old(&self, timestamp: u32, step: i64, ticks: i64) -> bool {
        let back = self.extend(timestamp) - self.highest;
        ticks > 0 && back <= step.saturating_mul(ticks) && self.highest + back >= self.anchor.0
    }

    fn media(&self, extended: i64) -> i64 {
        self.anchor.1.saturating_add(ticks_to_nanos(extended.saturating_sub(self.anchor.0), self.clock_rate))
    }
}

/// Nanoseconds of `ticks` of a clock.
pub(super) fn ticks_to_nanos(ticks: i64, clock_rate: u32) -> i64 {
    let rate = i64::from(clock_rate.max(1));
    (ticks / rate).saturating_mul(NANOS_PER_SECOND).saturating_add(ticks % rate * NANOS_PER_SECOND / rate)
}

impl Tracker {
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(super) fn port(&self, port: PortIndex) -> Option<&PortTrack> {
        self.ports.get(&port)
    }

    /// A port's formats are now these; payload types that are not named any more keep their meaning.
    pub(super) fn stream(&mut self, stream: &Stream) {
        let port = self.ports.entry(stream.port).or_default();
        for format in stream.formats.iter() {
            port.learn(format);
        }
    }

    /// What media said about a source's appearance.
    pub(super) fn appeared(&mut self, port: PortIndex, ssrc: u32, from: SocketAddr, change: SourceChange) {
        let track = self.ports.entry(port).or_default();
        let known = track.sources.iter().rposition(|&index| self.sources.get(index).is_some_and(|s| s.ssrc == ssrc));
        let source = known.and_then(|at| track.sources.get(at)).and_then(|&index| self.sources.get_mut(index));
        let stranger = |change| change == SourceChange::Stranger;
        match source {
            Some(source) if source.packets <= APPEARING_PACKETS => source.change = change,
            Some(source) if stranger(source.change) == stranger(change) => {}
            Some(_) | None => {
                if self.sources.len() < MAX_SOURCES {
                    track.sources.push(self.sources.len());
                    self.sources.push(Source::new(port, ssrc, from, change));
                }
            }
        }
    }

    /// Takes an RTP packet.
    pub(super) fn packet<'a>(
        &mut self,
        at: i64,
        port: PortIndex,
        from: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<Heard<'a>> {
        let Ok(packet) = Packet::parse(bytes) else {
            self.unattributed += 1;
            return None;
        };
        let track = self.ports.entry(port).or_default();
        let Some(index) = track.source(&mut self.sources, port, packet.ssrc, from) else {
            self.unattributed += 1;
            return None;
        };
        track.take_turn(&mut self.sources, index, at);
        let format = track.format(packet.payload_type);
        let use_of_format = format.and_then(|format| track.formats.get(format));
        let source = self.sources.get_mut(index)?;
        let ticks = match use_of_format.map(|format| format.coding) {
            Some(Coding::Audio(decoder)) => i64::from(decoder.ticks(packet.payload)),
            Some(Coding::Inaudible | Coding::Unknown) | None => 0,
        };
        let epoch = source.epoch.as_ref();
        let is_old = |step| epoch.is_some_and(|epoch| epoch.is_old(packet.timestamp, step, ticks));
        let (extended, place) = source.sequence.take(at, packet.sequence, is_old);
        source.packets += 1;
        source.last_at = at;
        let clock_rate = use_of_format.map_or(0, |format| format.clock_rate);
        let is_event = use_of_format.is_some_and(|format| format.coding == Coding::Inaudible);
        let noise = use_of_format.filter(|format| is_event && format.name.starts_with("CN/"));
        let noise = noise.and_then(|_| source.noise(&packet));
        let audio = match use_of_format.map(|format| format.coding) {
            Some(Coding::Audio(decoder)) => {
                let decoder = source.pace.clock(decoder, &packet, place);
                let frames = i64::from(decoder.ticks(packet.payload));
                let arrival = Arrival { at, sequence: extended, place, timestamp: packet.timestamp, frames };
                source.audio(&arrival, &packet, decoder, &mut self.epochs)
            }
            Some(Coding::Inaudible | Coding::Unknown) | None => None,
        };
        Some(Heard {
            source: index,
            sequence: extended,
            place,
            format,
            timestamp: packet.timestamp,
            clock_rate,
            is_event,
            payload: packet.payload,
            audio,
            noise,
        })
    }
}

impl Default for PortTrack {
    fn default() -> Self {
        Self { formats: Vec::new(), by_payload_type: [NO_FORMAT; 128], sources: Vec::new(), newest: None }
    }
}

impl PortTrack {
    fn learn(&mut self, format: &crate::sdp::Format) {
        let (name, coding) = (codec::name(format), Coding::of(format));
        let known = self.formats.iter().position(|known| known.name == name);
        let index = known.unwrap_or(self.formats.len());
        let (Ok(small), Some(slot)) =
            (u8::try_from(index), self.by_payload_type.get_mut(usize::from(format.payload_type)))
        else {
            return;
        };
        if small == NO_FORMAT {
            return;
        }
        *slot = small;
        if known.is_none() {
            self.formats.push(FormatUse { name, coding, clock_rate: format.clock_rate });
        }
    }

    fn format(&mut self, payload_type: u8) -> Option<usize> {
        let slot = usize::from(payload_type);
        if self.by_payload_type.get(slot) == Some(&NO_FORMAT) {
            self.learn(&static_format(payload_type)?);
        }
        self.by_payload_type.get(slot).filter(|&&index| index != NO_FORMAT).map(|&index| usize::from(index))
    }

    /// The source's index; the latest one where an SSRC came back as somebody else.
    fn source(&mut self, all: &mut Vec<Source>, port: PortIndex, ssrc: u32, from: SocketAddr) -> Option<usize> {
        let is = |index: &usize| all.get(*index).is_some_and(|source| source.ssrc == ssrc);
        if let Some(newest) = self.newest.filter(is) {
            return Some(newest);
        }
        if let Some(known) = self.sources.iter().rev().copied().find(is) {
            return Some(known);
        }
        if all.len() >= MAX_SOURCES {
            return None;
        }
        let change = if self.sources.is_empty() { SourceChange::First } else { SourceChange::NewSsrc };
        self.sources.push(all.len());
        all.push(Source::new(port, ssrc, from, change));
        self.sources.last().copied()
    }

    /// Notes that `index` speaks, and whether another spoke since it last did.
    fn take_turn(&mut self, all: &mut [Source], index: usize, at: i64) {
        if let Some(other) = self.newest.replace(index).filter(|&other| other != index)
            && let Some(source) = all.get_mut(index)
            && source.packets > 0
            && at.saturating_sub(source.last_at) < TURN_NS
        {
            source.turns = source.turns.saturating_add(1);
            if let Some(other) = all.get_mut(other) {
                other.turns = other.turns.saturating_add(1);
            }
        }
    }
}

impl Source {
    fn new(port: PortIndex, ssrc: u32, from: SocketAddr, change: SourceChange) -> Self {
        Self {
            port,
            ssrc,
            from,
            change,
            turns: 0,
            packets: 0,
            last_at: 0,
            sequence: Sequence::default(),
            pace: Pace::default(),
            epoch: None,
            previous: None,
        }
    }

    /// Places an audible packet; none if it is empty, or there are too many epochs.
    fn audio<'a>(
        &mut self,
        arrival: &Arrival,
        packet: &Packet<'a>,
        decoder: Decoder,
        epochs: &mut usize,
    ) -> Option<Audio<'a>> {
        if arrival.frames == 0 {
            return None;
        }
        if let Some(previous) = self.epoch_before(arrival) {
            return Some(previous.audio(previous.extend(arrival.timestamp), arrival.frames, decoder, packet.payload));
        }
        if *epochs < MAX_EPOCHS
            && let Some(next) = self.next_epoch(arrival, decoder.clock_rate, *epochs)
        {
            *epochs += 1;
            self.previous = self.epoch.replace(next);
        }
        let epoch = self.epoch.as_mut().filter(|epoch| epoch.clock_rate == decoder.clock_rate)?;
        let timestamp = epoch.extend(arrival.timestamp);
        if arrival.place.is_newest() {
            epoch.delay = epoch.delay_of(arrival, timestamp);
            epoch.highest = timestamp;
            epoch.end = timestamp.saturating_add(arrival.frames);
        }
        Some(epoch.audio(timestamp, arrival.frames, decoder, packet.payload))
    }

    /// Places comfort noise behind the audio: its timestamp may be anything.
    fn noise<'a>(&self, packet: &Packet<'a>) -> Option<Audio<'a>> {
        let epoch = self.epoch.as_ref()?;
        let timestamp = epoch.extend(packet.timestamp).max(epoch.end);
        Some(epoch.audio(timestamp, 0, Decoder::comfort(epoch.clock_rate), packet.payload))
    }

    /// The epoch before this one, if a packet that comes late belongs to it.
    fn epoch_before(&self, arrival: &Arrival) -> Option<&Epoch> {
        let late = |epoch: &&Epoch| !arrival.place.is_newest() && arrival.sequence < epoch.first_sequence;
        let epoch = self.epoch.as_ref().filter(late)?;
        // Numbers alone do not tell: the first of this epoch may have been overtaken.
        let off = |epoch: &Epoch| epoch.delay_of(arrival, epoch.extend(arrival.timestamp)).abs_diff(epoch.delay);
        self.previous.as_ref().filter(|previous| off(previous) <= off(epoch))
    }

    /// The epoch that begins with this packet, if one does.
    fn next_epoch(&self, arrival: &Arrival, clock_rate: u32, number: usize) -> Option<Epoch> {
        let begins = |media: i64, delay: i64| {
            let timestamp = i64::from(arrival.timestamp);
            let anchor = (timestamp, media);
            let first_sequence = arrival.sequence;
            let end = timestamp.saturating_add(arrival.frames);
            Epoch { number, clock_rate, anchor, highest: timestamp, end, first_sequence, first_delay: delay, delay }
        };
        let length = ticks_to_nanos(arrival.frames, clock_rate);
        let Some(epoch) = &self.epoch else {
            return Some(begins(0, arrival.at.saturating_sub(length)));
        };
        if epoch.clock_rate != clock_rate {
            // Another clock: its media time goes on as if this packet had the delay of the one before.
            // Where the clock was taken for another, only the first packet's delay is true.
            let delay = if self.pace.is_news { epoch.first_delay } else { epoch.delay };
            return Some(begins(on_grid(arrival.at.saturating_sub(delay).saturating_sub(length)), delay));
        }
        let highest = epoch.extend(arrival.timestamp);
        let delay = epoch.delay_of(arrival, highest);
        let apart = delay.abs_diff(epoch.delay) > MAX_DELAY_STEP_NS.unsigned_abs()
            || delay.abs_diff(epoch.first_delay) > MAX_DELAY_DRIFT_NS.unsigned_abs();
        let first_sequence = arrival.sequence;
        (apart && arrival.place.is_newest()).then(|| Epoch {
            number,
            highest,
            first_sequence,
            first_delay: delay,
            delay,
            ..epoch.clone()
        })
    }
}

/// What of a packet decides its epoch.
#[derive(Debug)]
struct Arrival {
    at: i64,
    /// Extended sequence number.
    sequence: i64,
    place: Place,
    timestamp: u32,
    frames: i64,
}

impl Epoch {
    /// Arrival minus the media time of the packet's end.
    fn delay_of(&self, arrival: &Arrival, timestamp: i64) -> i64 {
        arrival.at.saturating_sub(self.media(timestamp.saturating_add(arrival.frames)))
    }

    fn audio<'a>(&self, timestamp: i64, frames: i64, decoder: Decoder, payload: &'a [u8]) -> Audio<'a> {
        let (from, to) = (self.media(timestamp), self.media(timestamp.saturating_add(frames)));
        Audio { epoch: self.number, from, to, decoder, payload }
    }
}
