//! Pass 1: every entry of the session, in order, becomes a [`Plan`]: where each source is heard, how its clock runs,
//! how long the files are, and the proof sheet.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

use super::account::Ledger;
use super::digits::Keys;
use super::epochs::{Clocks, EpochRecord};
use super::finish;
use super::holes::Holes;
use super::lanes::Seat;
use super::layout::{FileCoding, Laid, Pair, Rendition, Take};
use super::ports::PortRecord;
use super::reports::Reports;
use super::scope::Scope;
use super::sheet::{AlarmSheet, ClockStep, DiskStall, FileSheet, Sidecar};
use super::signalling::Signalling;
use super::text::Text;
use super::track::{Heard, Tracker};
use super::wav::{WavCoding, WavFormat};
use crate::deviation::{Code, Deviation, codes};
use crate::entry::{Alarm, Digits, Entry, Event, Kind, PortIndex, Protected, SegmentHeader, retag};
use crate::seed::{RecordingId, SessionId};

/// Gaps, drops, alarms, steps and deviations that are listed, each.
const MAX_LISTED: usize = 1000;

/// Deviations of one code that are listed, where each is of another line.
const MAX_SAME: usize = 16;
/// Those that are: metadata and SDP are judged anew with each of them.
static OF_LINES: [&Code; 9] = [
    &codes::LABELS_DISJOINT,
    &codes::LABEL_UNKNOWN_TO_SDP,
    &codes::LABEL_UNKNOWN_TO_METADATA,
    &codes::LABEL_OF_TWO_STREAMS,
    &codes::LABELS_SWAPPED,
    &codes::STREAM_ON_CLOSED_LINE,
    &codes::STREAM_WITHOUT_LABEL,
    &codes::STREAM_WITHOUT_SENDER,
    &codes::SEVERAL_SENDERS,
];

/// What pass 1 found out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The sidecar, but for sizes and digests of files and the journal's place.
    pub sidecar: Sidecar,
    /// The audio files to be mixed, at least one, in the order of [`Sidecar::files`].
    pub files: Vec<FilePlan>,
    pub(super) laid: Laid,
    pub(super) recording: RecordingId,
    /// t = 0, ns.
    pub(super) zero: i64,
    pub(super) clocks: Clocks,
    /// For so long after its place a packet may come and still be heard, ns.
    pub(super) settled: i64,
    /// By source.
    pub(super) seats: Vec<Option<Seat>>,
    /// What may be told of digits.
    pub(super) digits: Digits,
}

/// An audio file to be mixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    /// Its name beside the sidecar: `<id>.wav`, `<id>-2.wav`; by its coding `.flac`, `.opus`.
    pub name: String,
    /// Hz.
    pub sample_rate: u32,
    /// Two in stereo, else one.
    pub channels: u16,
    /// Samples a channel.
    pub frames: u64,
    /// What its octets are.
    pub coding: FileCoding,
    pub(super) take: Take,
}

impl FilePlan {
    /// A file of the samples that are in the one of `sheet`, in another coding, under that file's name with another end.
    pub fn recoded(sheet: &FileSheet, coding: FileCoding) -> Self {
        let stem = sheet.name.rsplit_once('.').map_or(sheet.name.as_str(), |(stem, _)| stem);
        Self {
            name: format!("{stem}.{}", coding.format()),
            sample_rate: sheet.sample_rate,
            channels: sheet.channels,
            frames: sheet.frames,
            coding,
            take: Take::Everything,
        }
    }

    /// What its WAV header says.
    pub fn wav(&self) -> WavFormat {
        let coding = match self.coding {
            FileCoding::ALaw => WavCoding::ALaw,
            FileCoding::MuLaw => WavCoding::MuLaw,
            FileCoding::Pcm16 | FileCoding::Flac | FileCoding::Opus => WavCoding::Pcm16,
        };
        WavFormat { coding, sample_rate: self.sample_rate, channels: self.channels, frames: self.frames }
    }
}

impl Plan {
    /// Rate and length of a pair of channels; of no samples if there is no such pair.
    pub(super) fn pair(&self, pair: usize) -> Pair {
        self.laid.pairs.get(pair).copied().unwrap_or(Pair { rate: 1, frames: 0 })
    }
}

/// Pass 1: takes every entry of the session, in order.
#[derive(Debug)]
pub struct Planner {
    pub(super) recording: RecordingId,
    pub(super) session: Option<SessionId>,
    pub(super) segments: u32,
    pub(super) scope: Scope,
    pub(super) tracker: Tracker,
    pub(super) ledger: Ledger,
    pub(super) epochs: Vec<EpochRecord>,
    pub(super) ports: BTreeMap<PortIndex, PortRecord>,
    pub(super) signalling: Signalling,
    pub(super) keys: Keys,
    /// What may be told of them: the strictest that held for any of the session's streams.
    pub(super) digits: Digits,
    /// What the recording is tagged with as of now, or as of its end.
    pub(super) tags: Vec<String>,
    pub(super) holes: Holes,
    pub(super) text: Text,
    pub(super) reports: Reports,
    pub(super) notes: Notes,
    /// The last entry of the recording.
    pub(super) last_at: Option<i64>,
}

/// Packets that arrived and could not be kept.
#[derive(Debug)]
pub(super) struct Drops {
    pub(super) at: i64,
    /// None: of any.
    pub(super) port: Option<PortIndex>,
    pub(super) packets: u64,
    pub(super) cause: String,
}

/// Events that the sheet repeats, with their moments in ns.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// From, to, and whether the machine was restarted.
    pub(super) gaps: Vec<(i64, i64, bool)>,
    /// Moment, packets, cause.
    pub(super) drops: Vec<Drops>,
    pub(super) alarms: Vec<(i64, Alarm, Option<PortIndex>, bool)>,
    pub(super) steps: Vec<(i64, i64)>,
    pub(super) stalls: Vec<(i64, u64)>,
    pub(super) deviations: Vec<Deviation>,
    /// Packets that are kept sealed, and packets that were and could be opened.
    pub(super) sealed: u64,
    pub(super) opened_late: u64,
}

impl Planner {
    /// A planner of one recording of the session.
    pub fn new(recording: RecordingId) -> Self {
        Self {
            recording,
            session: None,
            segments: 0,
            scope: Scope::new(recording),
            tracker: Tracker::default(),
            ledger: Ledger::default(),
            epochs: Vec::new(),
            ports: BTreeMap::new(),
            signalling: Signalling::default(),
            keys: Keys::default(),
            digits: Digits::Keep,
            tags: Vec::new(),
            holes: Holes::default(),
            text: Text::default(),
            reports: Reports::default(),
            notes: Notes::default(),
            last_at: None,
        }
    }

    /// Takes the next entry.
    pub fn entry(&mut self, entry: &Entry<'_>) {
        let at = entry.at.0;
        match &entry.kind {
            Kind::Rtp { port, protected: Some(Protected::Sealed), .. } => {
                self.notes.sealed += u64::from(self.scope.is_open());
                if let Some(record) = self.ports.get_mut(port).filter(|_| self.scope.takes(*port)) {
                    record.sealed(at);
                }
            }
            Kind::Rtp { port, from, packet, protected, .. } => {
                if let (Some(Protected::Opened { .. }), Some(record)) = (protected, self.ports.get_mut(port)) {
                    record.opened_late += 1;
                    self.notes.opened_late += u64::from(self.scope.takes(*port));
                }
                if let Some(heard) = self.tracker.packet(at, *port, *from, packet) {
                    self.packet(at, *port, &heard);
                }
            }
            Kind::Sip { transport, outbound, from, message, .. } => {
                if self.scope.ended().is_none() {
                    let deviations = match outbound {
                        true => self.signalling.outbound(message),
                        false => self.signalling.inbound(entry.at, *transport, *from, message),
                    };
                    self.notes.deviate(&deviations);
                    self.notes.deviate(&self.signalling.agreed(self.scope.snapshot()));
                    if !outbound && self.scope.is_open() {
                        self.keys.message(at, message);
                    }
                }
            }
            Kind::Event(event) => self.event(at, event),
            Kind::Rtcp { port, outbound: false, packet, .. } => {
                if self.scope.takes(*port) {
                    self.reports.compound(at, *port, packet);
                }
            }
            Kind::Rtcp { .. } | Kind::Checkpoint(_) => {}
        }
        if self.scope.is_open() {
            self.last_at = Some(self.last_at.map_or(at, |last| last.max(at)));
        }
    }

    /// Ends pass 1.
    pub fn finish(mut self, rendition: Rendition) -> Plan {
        while self.holes.due(i64::MAX).is_some() {}
        finish::finish(&self, rendition)
    }

    fn packet(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>) {
        let in_scope = self.scope.takes(port);
        self.holes.packet(at, port, heard, in_scope);
        while self.holes.due(at).is_some() {}
        if let Some(audio) = &heard.audio {
            if audio.epoch == self.epochs.len() {
                self.epochs.push(EpochRecord::new(heard.source, audio));
            }
            if let Some(epoch) = self.epochs.get_mut(audio.epoch) {
                epoch.packet(at, audio, in_scope);
            }
        }
        if !in_scope {
            self.ledger.pass(heard.source);
            return;
        }
        let record = self.ports.get(&port);
        self.ledger.take(at, port, heard, |since| record.is_some_and(|record| record.was_paused_after(since)));
        if let Some(record) = self.ports.get_mut(&port) {
            record.packet(heard.format);
        }
        if self.is_of_events(port, heard) {
            self.keys.packet(at, port, heard);
        }
        if self.ports.get(&port).is_some_and(|record| record.stream.media.eq_ignore_ascii_case("text")) {
            let format = heard.format.and_then(|format| self.tracker.port(port)?.formats.get(format));
            if let Some(format) =
                format.filter(|format| format.name.starts_with("t140/") || format.name.starts_with("red/"))
            {
                self.text.packet(at, port, heard, format.name.starts_with("red/"));
            }
        }
    }

    fn is_of_events(&self, port: PortIndex, heard: &Heard<'_>) -> bool {
        let format = heard.format.and_then(|format| self.tracker.port(port)?.formats.get(format));
        heard.is_event && format.is_some_and(|format| format.name.starts_with("telephone-event"))
    }

    /// Who sends on the recording's ports, by the metadata as it stands: people of its own communication session alone.
    fn look(&mut self) {
        let (snapshot, own) = (self.scope.snapshot(), self.scope.communication_session());
        if !self.scope.is_open() || own.is_some_and(|id| snapshot.is_over(id)) {
            return;
        }
        let open = self.signalling.lines.open();
        let labels: Vec<Option<&str>> = open.iter().map(|line| line.label).collect();
        let senders = snapshot.senders_of_lines(&labels);
        for (_, port) in self.ports.iter_mut().filter(|(port, _)| self.scope.takes(**port)) {
            let label = port.stream.label.as_deref();
            // In a joined dialog, and in an offer of ours, labels are ours and not of the message.
            let place = open.iter().position(|line| line.m_line == port.stream.m_line && line.label == label);
            let now = match (place.and_then(|place| senders.get(place)), label) {
                (Some(now), _) => now.clone(),
                (None, Some(label)) => snapshot.senders(label),
                (None, None) => continue,
            };
            // Others in it are heard as well, and are nobody of this recording.
            port.is_mixed |= now.len() > 1;
            now.iter()
                .filter(|sender| own.is_none_or(|own| snapshot.is_in(sender, own)))
                .for_each(|sender| port.look(sender));
        }
    }

    fn event(&mut self, at: i64, event: &Event) {
        let over = self.scope.ended().is_some();
        self.scope.event(at, event);
        self.holes.event(event);
        match event {
            Event::Segment(header) => self.segment(header),
            Event::Stream(stream) => {
                self.tracker.stream(stream);
                self.digits = self.digits.max(stream.digits);
                if !over {
                    let record = self.ports.entry(stream.port).or_insert_with(|| PortRecord::new(at, stream));
                    record.update(at, stream);
                    self.look();
                }
            }
            Event::Source { port, ssrc, from, change } => self.tracker.appeared(*port, *ssrc, *from, *change),
            Event::Metadata { snapshot, deviations } if !over => {
                self.look();
                self.notes.deviate(deviations);
                self.notes.deviate(&self.signalling.metadata(snapshot));
            }
            Event::RecordingStarted { recording, .. } if *recording == self.recording => {
                self.signalling.begins();
                self.look();
            }
            Event::RecordingBound { recording, .. } if *recording == self.recording => {
                self.ports.values_mut().for_each(PortRecord::forget_senders);
                self.look();
            }
            Event::RecordingStarted { .. } if !over || self.scope.is_open() => {
                self.signalling.another_begins(self.scope.is_open());
            }
            Event::Gap { from, to, rebooted } if self.scope.is_open() => {
                list(&mut self.notes.gaps, (from.0, to.0, *rebooted));
            }
            Event::Dropped { port, packets, cause } if self.scope.is_open() => {
                list(&mut self.notes.drops, Drops { at, port: *port, packets: *packets, cause: cause.clone() });
            }
            Event::ClockStep { by_ns } if self.scope.is_open() => list(&mut self.notes.steps, (at, *by_ns)),
            Event::DiskStalled { took_ms } if self.scope.is_open() => list(&mut self.notes.stalls, (at, *took_ms)),
            Event::Alarm { alarm, port, raised } if self.scope.is_open() => {
                list(&mut self.notes.alarms, (at, *alarm, *port, *raised));
            }
            Event::SrtpRefused { port, refusals } if !over => {
                if let Some(record) = self.ports.get_mut(port) {
                    record.refused = record.refused.plus(*refusals);
                }
            }
            Event::Tagged { add, remove } if !self.scope.is_closed() => retag(&mut self.tags, add, remove),
            Event::Metadata { .. }
            | Event::Tagged { .. }
            | Event::SrtpRefused { .. }
            | Event::SrtpKeys { .. }
            | Event::SrtcpReserved { .. }
            | Event::Gap { .. }
            | Event::Dropped { .. }
            | Event::ClockStep { .. }
            | Event::DiskStalled { .. }
            | Event::Alarm { .. }
            | Event::Answered
            | Event::RecordingStarted { .. }
            | Event::RecordingBound { .. }
            | Event::RecordingEnded { .. }
            | Event::Ended { .. } => {}
        }
    }

    fn segment(&mut self, header: &SegmentHeader) {
        self.session = self.session.or(Some(header.session));
        self.segments = self.segments.saturating_add(1);
        let digits = header.config.get("media.dtmf").and_then(|digits| Digits::deserialize(digits).ok());
        self.digits = self.digits.max(digits.unwrap_or_default());
        // Those of the first segment: later ones may repeat them, and not know what was ordered since.
        if self.segments == 1 {
            self.tags = header.tags();
        }
    }
}

impl Notes {
    /// The first deviation of each code; where the metadata contradicts the SDP, the first of each line's.
    fn deviate(&mut self, deviations: &[Deviation]) {
        for deviation in deviations {
            let is_of_lines = OF_LINES.iter().any(|code| code.name == deviation.code);
            let mut same = self.deviations.iter().filter(|known| known.code == deviation.code);
            let is_new = match is_of_lines {
                true => same.clone().count() < MAX_SAME && !same.any(|known| known.text == deviation.text),
                false => same.next().is_none(),
            };
            if is_new {
                list(&mut self.deviations, deviation.clone());
            }
        }
    }

    pub(super) fn alarm_sheets(
        &self,
        ms: impl Fn(i64) -> u64,
        label: impl Fn(PortIndex) -> Option<String>,
    ) -> Vec<AlarmSheet> {
        let sheet = |&(at, alarm, port, raised): &(i64, Alarm, Option<PortIndex>, bool)| AlarmSheet {
            at_ms: ms(at),
            alarm,
            label: port.and_then(&label),
            raised,
        };
        self.alarms.iter().map(sheet).collect()
    }

    pub(super) fn step_sheets(&self, ms: impl Fn(i64) -> u64) -> Vec<ClockStep> {
        self.steps.iter().map(|&(at, by_ns)| ClockStep { at_ms: ms(at), by_ns }).collect()
    }

    pub(super) fn stall_sheets(&self, ms: impl Fn(i64) -> u64) -> Vec<DiskStall> {
        self.stalls.iter().map(|&(at, took_ms)| DiskStall { until_ms: ms(at), took_ms }).collect()
    }
}

fn list<T>(items: &mut Vec<T>, item: T) {
    if items.len() < MAX_LISTED {
        items.push(item);
    }
}
