//! The end of pass 1: seats, lengths and the sheet.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::account::Account;
use super::digits::Pressed;
use super::epochs::Clocks;
use super::lanes::{self, Lane, Role, Seat};
use super::layout::{Laid, Layout, Rendition};
use super::mix::SETTLED_NS;
use super::people::{People, party, role};
use super::plan::{Plan, Planner};
use super::ports::PortRecord;
use super::proof;
use super::sheet::{
    ChannelName, DigitSheet, FileSheet, JournalSheet, QualitySheet, RecordingSession, SIDECAR_FORMAT, Sidecar,
    SourceSheet, State, StreamSheet,
};
use crate::codec::Coding;
use crate::entry::{EndCause, PauseCause, PortIndex, SourceChange};
use crate::rtp::quality::{self, Impairment};
use crate::time::Wall;

/// An end that comes no later after the last audio is not told from it: the call was hung up.
const HANG_UP_NS: i64 = 1_000_000_000;
/// A source beside a port's own gets a channel from so many audible packets on.
const MIN_GUEST_PACKETS: u64 = 50;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// A port of the recording and where its own sources are heard.
#[derive(Debug)]
pub(super) struct Line<'p> {
    pub(super) port: PortIndex,
    pub(super) record: &'p PortRecord,
    /// Indices of its sources.
    pub(super) sources: Vec<usize>,
    pub(super) seat: Option<Seat>,
    /// From its first sample to its last, as rendered.
    pub(super) span: Option<(i64, i64)>,
}

/// What the sheet is written from.
#[derive(Debug)]
pub(super) struct Findings<'p> {
    pub(super) planner: &'p Planner,
    pub(super) lines: Vec<Line<'p>>,
    pub(super) seats: Vec<Option<Seat>>,
    /// t = 0 and the end of the audio, ns.
    pub(super) zero: i64,
    pub(super) end: i64,
    /// By source, parts per million.
    skews: Vec<Option<i64>>,
}

impl Findings<'_> {
    /// Milliseconds from t = 0, within the recording.
    pub(super) fn ms(&self, at: i64) -> u64 {
        let since = at.min(self.end).saturating_sub(self.zero).max(0);
        u64::try_from(since / NANOS_PER_MILLI).unwrap_or(0)
    }
}

/// Makes the plan of all that was read.
pub(super) fn finish(planner: &Planner, rendition: Rendition) -> Plan {
    let clocks = Clocks::fit(&planner.epochs);
    let spans = clocks.spans(&planner.epochs, planner.tracker.sources().len());
    let zero = planner.scope.zero().or(planner.last_at).unwrap_or(0);
    let mut lines = lines(planner);
    let seats = seat_sources(planner, &mut lines, &spans);
    let hosts = (0..seats.len()).filter(|&source| !is_stranger(planner, source));
    let seated = hosts.filter(|&source| seats.get(source).is_some_and(Option::is_some));
    let heard = seated.filter_map(|source| Some((*spans.get(source)?)?.1)).max();
    let end = end(planner, &lines, zero, heard);
    let skews = clocks.skews(&planner.epochs, planner.tracker.sources().len());
    let findings = Findings { planner, lines, seats, zero, end, skews };
    let laid = Laid::out(&findings, rendition);
    let mut sidecar = sidecar(&findings, &laid);
    sidecar.proof.findings.extend(laid.words(&findings));
    let files = laid.files.clone();
    let mut seats = findings.seats;
    if rendition.layout != Layout::Stereo {
        // One channel: who has both is heard once.
        let both = seats.iter_mut().flatten().filter(|seat| seat.channel == ChannelName::Both);
        both.for_each(|seat| seat.channel = ChannelName::Left);
    }
    let settled = clocks.latest(&planner.epochs).saturating_add(SETTLED_NS);
    let (recording, digits) = (planner.recording, planner.digits);
    Plan { sidecar, files, laid, recording, zero, clocks, settled, seats, digits }
}

/// The ports of the recording in the order of m-lines.
fn lines(planner: &Planner) -> Vec<Line<'_>> {
    let closed = |record: &PortRecord| {
        record.pauses.iter().any(|pause| pause.cause == PauseCause::ZeroPort && pause.to.is_none())
            && record.pauses.len() == 1
    };
    let belongs = |(port, record): &(&PortIndex, &PortRecord)| {
        record.packets > 0 || (!planner.scope.is_foreign(**port) && !closed(record))
    };
    let mut lines: Vec<Line<'_>> =
        planner.ports.iter().filter(belongs).map(|(port, record)| line(planner, *port, record)).collect();
    lines.sort_by_key(|line| (line.record.stream.m_line, line.port));
    lines
}

fn line<'p>(planner: &'p Planner, port: PortIndex, record: &'p PortRecord) -> Line<'p> {
    let sources = planner.tracker.sources().iter().enumerate().filter(|(_, source)| source.port == port);
    Line { port, record, sources: sources.map(|(index, _)| index).collect(), seat: None, span: None }
}

fn join(spans: impl Iterator<Item = (i64, i64)>) -> Option<(i64, i64)> {
    spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// What wants a channel, and whose it is.
struct Voice {
    /// Index of its line, where it is the line's own.
    line: Option<usize>,
    sources: Vec<usize>,
    lane: Lane,
}

/// Gives every line and every guest on one a seat; by source.
fn seat_sources(planner: &Planner, lines: &mut [Line<'_>], spans: &[Option<(i64, i64)>]) -> Vec<Option<Seat>> {
    let people = People::of(planner);
    let labels: Vec<Option<String>> = lines.iter().map(|line| line.record.stream.label.clone()).collect();
    let ends = people.ends(&labels);
    let span = |sources: &[usize]| join(sources.iter().filter_map(|&source| *spans.get(source)?));
    let (mut voices, mut guests): (Vec<Voice>, Vec<Voice>) = (Vec::new(), Vec::new());
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.record.is_audio()) {
        let (own, beside) = own_and_beside(planner, line);
        let m_line = line.record.stream.m_line;
        let lane = Lane { role: role(line.record, ends), m_line, span: span(&own) };
        voices.push(Voice { line: Some(index), sources: own, lane });
        for source in beside {
            let sources = alloc::vec![source];
            let role = if is_stranger(planner, source) { Role::Stranger } else { Role::Other };
            guests.push(Voice { line: None, lane: Lane { role, m_line: u16::MAX, span: span(&sources) }, sources });
        }
    }
    voices.append(&mut guests);
    let lanes: Vec<Lane> = voices.iter().map(|voice| voice.lane).collect();
    let mut seats = alloc::vec![None; planner.tracker.sources().len()];
    for (voice, seat) in voices.iter().zip(lanes::seat(&lanes)) {
        for &source in voice.sources.iter().filter(|&&source| spans.get(source).is_some_and(Option::is_some)) {
            if let Some(slot) = seats.get_mut(source) {
                *slot = Some(seat);
            }
        }
        if let Some(line) = voice.line.and_then(|index| lines.get_mut(index)) {
            line.seat = Some(seat);
            line.span = voice.lane.span;
        }
    }
    seats
}

fn is_stranger(planner: &Planner, source: usize) -> bool {
    planner.tracker.sources().get(source).is_some_and(|source| source.change == SourceChange::Stranger)
}

/// The sources that follow one another on the line, and those that speak beside them long enough to be heard.
fn own_and_beside(planner: &Planner, line: &Line<'_>) -> (Vec<usize>, Vec<usize>) {
    let mut first_concurrent = true;
    let (mut own, mut beside) = (Vec::new(), Vec::new());
    for &index in &line.sources {
        let Some(source) = planner.tracker.sources().get(index) else { continue };
        let guest = source.change == SourceChange::Stranger || (source.is_concurrent() && !first_concurrent);
        if !guest {
            first_concurrent &= !source.is_concurrent();
            own.push(index);
        } else if planner.ledger.account(index).is_some_and(|account| account.audible >= MIN_GUEST_PACKETS) {
            beside.push(index);
        }
    }
    (own, beside)
}

/// When the audio ends: with the last sample where the call was hung up or the SRC is gone, else with the recording.
fn end(planner: &Planner, lines: &[Line<'_>], zero: i64, heard: Option<i64>) -> i64 {
    let (ended, cause) = match planner.scope.ended() {
        Some((at, cause)) => (at, Some(cause)),
        None => (planner.last_at.unwrap_or(zero), None),
    };
    let Some(heard) = heard.filter(|&heard| heard > zero) else { return ended.max(zero) };
    let abandoned = match cause {
        Some(
            EndCause::SrcGone
            | EndCause::DialogUnknown
            | EndCause::SessionExpired
            | EndCause::CaptureEnded
            | EndCause::Failed,
        )
        | None => !lines.iter().any(|line| line.record.open_pause().is_some()),
        Some(EndCause::Bye | EndCause::Cancel | EndCause::CommunicationSessionEnded | EndCause::Operator) => false,
    };
    if abandoned || ended.saturating_sub(heard) < HANG_UP_NS { heard } else { ended }
}

fn sidecar(findings: &Findings<'_>, laid: &Laid) -> Sidecar {
    let planner = findings.planner;
    let people = People::of(planner);
    let labels: Vec<Option<String>> = findings.lines.iter().map(|line| line.record.stream.label.clone()).collect();
    let (caller, callee) = people.ends(&labels);
    let heard: Vec<(&str, &[String])> = findings
        .lines
        .iter()
        .filter_map(|line| Some((line.record.stream.label.as_deref()?, line.record.senders.as_slice())))
        .collect();
    let ended_by = planner.scope.ended().map(|(_, cause)| cause);
    let ended = planner.scope.ended().map(|(at, _)| at).or(planner.last_at).unwrap_or(findings.zero);
    // The last words of a communication session come after the metadata of its end.
    let ended_at = match ended_by {
        Some(EndCause::CommunicationSessionEnded) => ended.max(findings.end),
        Some(_) | None => ended,
    };
    Sidecar {
        format: SIDECAR_FORMAT,
        siprec: env!("CARGO_PKG_VERSION").into(),
        id: planner.recording,
        state: state(ended_by),
        started_at: Wall(findings.zero).rfc3339(),
        ended_at: Wall(ended_at).rfc3339(),
        duration_ms: findings.ms(findings.end),
        ended_by,
        recording_session: RecordingSession {
            id: planner.session,
            vendor: planner.signalling.vendor(),
            ..planner.signalling.session.clone()
        },
        communication_session: people.session(),
        call: planner.signalling.call(people.session_id()),
        tags: planner.tags.clone(),
        caller: caller.map(party),
        callee: callee.map(party),
        participants: people.sheets(&heard),
        streams: findings.lines.iter().map(|line| stream(findings, laid, line)).collect(),
        digits: digits(findings),
        text: planner.text.sheets(|at| findings.ms(at), |port| planner.ports.get(&port)?.stream.label.clone()),
        metadata: planner.signalling.metadata.clone(),
        rendition: laid.rendition,
        files: (0..laid.files.len()).filter_map(|file| file_sheet(findings, laid, file)).collect(),
        recompressed: None,
        proof: proof::proof(findings, laid),
        journal: JournalSheet { segments: planner.segments, ..JournalSheet::default() },
    }
}

fn digits(findings: &Findings<'_>) -> Vec<DigitSheet> {
    let label = |port| findings.planner.ports.get(&port).and_then(|record| record.stream.label.clone());
    let sheet = |pressed: &Pressed| DigitSheet {
        at_ms: findings.ms(pressed.at),
        duration_ms: u64::try_from(pressed.duration / NANOS_PER_MILLI).unwrap_or(0),
        digit: pressed.digit.clone().filter(|_| findings.planner.digits.is_keep()),
        label: pressed.port.and_then(label),
        by_info: pressed.port.is_none(),
        in_band: false,
    };
    findings.planner.keys.pressed.iter().map(sheet).collect()
}

fn state(ended_by: Option<EndCause>) -> State {
    match ended_by {
        Some(EndCause::Bye | EndCause::Cancel | EndCause::CommunicationSessionEnded | EndCause::Operator) => {
            State::Complete
        }
        Some(
            EndCause::SrcGone
            | EndCause::DialogUnknown
            | EndCause::SessionExpired
            | EndCause::CaptureEnded
            | EndCause::Failed,
        )
        | None => State::Interrupted,
    }
}

fn file_sheet(findings: &Findings<'_>, laid: &Laid, index: usize) -> Option<FileSheet> {
    let file = laid.files.get(index)?;
    Some(FileSheet {
        name: file.name.clone(),
        bytes: 0,
        sha256: String::new(),
        format: file.coding.format().into(),
        coding: file.coding,
        sample_rate: file.sample_rate,
        channels: file.channels,
        frames: file.frames,
        voices: laid.voices(findings, index),
        levels: None,
        sealed: None,
    })
}

fn stream(findings: &Findings<'_>, laid: &Laid, line: &Line<'_>) -> StreamSheet {
    let place = line.seat.map(|seat| laid.place(seat));
    let described = &line.record.stream;
    let rendered = line.sources.iter().any(|&source| findings.seats.get(source).is_some_and(Option::is_some));
    StreamSheet {
        port: described.local.port(),
        m_line: described.m_line,
        label: described.label.clone(),
        content: findings.planner.signalling.content(described.label.as_deref(), described.m_line),
        channel: place.map_or(ChannelName::None, |(_, channel)| channel),
        file: place.map(|(file, _)| file),
        participants: line.record.senders.clone(),
        codecs: codecs(findings, line),
        sources: line.sources.iter().filter_map(|&source| source_sheet(findings, line, source)).collect(),
        rendered,
        why_not: if rendered { None } else { Some(proof::why_not(findings, line)) },
    }
}

/// Formats seen; those answered, events and comfort noise aside, where no packet came.
fn codecs(findings: &Findings<'_>, line: &Line<'_>) -> Vec<String> {
    let formats = findings.planner.tracker.port(line.port).map_or(&[][..], |track| &track.formats);
    let seen = formats.iter().enumerate().filter(|(index, _)| line.record.packets_of(*index) > 0);
    let seen: Vec<String> = seen.map(|(_, format)| format.name.clone()).collect();
    if !seen.is_empty() {
        return seen;
    }
    formats.iter().filter(|format| format.coding != Coding::Inaudible).map(|format| format.name.clone()).collect()
}

fn source_sheet(findings: &Findings<'_>, line: &Line<'_>, index: usize) -> Option<SourceSheet> {
    let source = findings.planner.tracker.sources().get(index)?;
    let account = findings.planner.ledger.account(index)?;
    Some(SourceSheet {
        ssrc: format!("{:08x}", source.ssrc),
        from: source.from.to_string(),
        packets: account.packets,
        expected: account.expected,
        lost: account.lost(),
        late: account.late,
        concealed_ms: findings.planner.holes.concealed_ms(index),
        duplicates: account.duplicates,
        jitter_us: account.jitter / 1_000,
        clock_skew_ppm: findings.skews.get(index).copied().flatten(),
        reported: findings.planner.reports.sheet(line.port, source.ssrc),
        first_at: Wall(account.first_at?).rfc3339(),
        last_at: Wall(account.last_at).rfc3339(),
        change: source.change,
        quality: impairment(findings, line).and_then(|impairment| quality(impairment, account)),
    })
}

/// What the codec costs in which most of the line's packets came.
fn impairment(findings: &Findings<'_>, line: &Line<'_>) -> Option<Impairment> {
    let formats = &findings.planner.tracker.port(line.port)?.formats;
    let heard = formats.iter().enumerate().filter(|(_, format)| format.coding != Coding::Inaudible);
    let most = heard.max_by_key(|(index, _)| line.record.packets_of(*index)).map(|(_, format)| format)?;
    Impairment::of(most.name.split('/').next()?)
}

fn quality(impairment: Impairment, account: &Account) -> Option<QualitySheet> {
    let rating = quality::rate(impairment, account.expected, account.lost(), account.loss_runs)?;
    let Impairment { codec, ie, bpl_tenths } = impairment;
    Some(QualitySheet {
        mos_hundredths: rating.mos_hundredths,
        r_milli: rating.r_milli,
        burst_ratio_hundredths: rating.burst_ratio_hundredths,
        codec: format!("{codec} (Ie {ie}, Bpl {}.{})", bpl_tenths / 10, bpl_tenths % 10),
    })
}
