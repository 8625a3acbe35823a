//! A trace as JSON: an object a line, by `type`: `message`, `session`, `stream`. Names are stable; what is added later is
//! added beside them. `docs/trace.md` tells what they mean.

use serde::Serialize;
use siprec_core::codec;
use siprec_core::sip::StartLine;
use siprec_core::time::Wall;
use siprec_core::trace::{Call, Line, Side, State, Story, Stream, Traced, party};
use siprec_core::vendor::CallIds;

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
pub(super) struct MessageLine<'a> {
    number: usize,
    at: String,
    transport: String,
    from: String,
    to: String,
    call_id: &'a str,
    method: &'a str,
    uri: Option<&'a str>,
    status: Option<u16>,
    reason: Option<&'a str>,
    cseq: Option<u32>,
    from_tag: Option<&'a str>,
    to_tag: Option<&'a str>,
    branch: Option<&'a str>,
    sdp: bool,
    metadata: bool,
    /// Number of the message that this one is again.
    again: Option<usize>,
    /// Number of the request that this one answers, and after how long.
    answers: Option<usize>,
    after_ms: Option<f64>,
}

impl<'a> MessageLine<'a> {
    pub(super) fn of(story: &Story, place: usize, message: &'a Traced) -> Self {
        let (uri, reason) = match &message.start {
            StartLine::Request { uri, .. } => (Some(uri.as_str()), None),
            StartLine::Response { reason, .. } => (None, Some(reason.as_str())),
        };
        let request = message.answers.and_then(|request| story.messages.get(request));
        Self {
            number: place + 1,
            at: message.at.rfc3339(),
            transport: message.transport.to_string().to_lowercase(),
            from: message.from.to_string(),
            to: message.to.to_string(),
            call_id: &message.call_id,
            method: message.about(),
            uri,
            status: message.status(),
            reason,
            cseq: message.cseq.as_ref().map(|cseq| cseq.number),
            from_tag: message.from_tag.as_deref(),
            to_tag: message.to_tag.as_deref(),
            branch: message.branch.as_deref(),
            sdp: message.has_sdp,
            metadata: message.has_metadata,
            again: message.again.map(|place| place + 1),
            answers: message.answers.map(|place| place + 1),
            after_ms: request.map(|request| ms(message.at.nanos_since(request.at) / 1_000)),
        }
    }

    /// With the numbers of another count, by the places of this one.
    #[cfg(feature = "api")]
    pub(super) fn numbered(mut self, numbers: &[usize]) -> Self {
        let other = |number: usize| numbers.get(number - 1).copied();
        self.number = other(self.number).unwrap_or(self.number);
        self.again = self.again.and_then(other);
        self.answers = self.answers.and_then(other);
        self
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "session")]
pub(super) struct SessionLine<'a> {
    call_id: &'a str,
    recording: bool,
    method: &'a str,
    caller: String,
    callee: String,
    caller_address: String,
    callee_address: String,
    transport: String,
    began_at: String,
    answered_at: Option<String>,
    last_at: String,
    state: &'static str,
    status: Option<u16>,
    ended_by: Option<&'static str>,
    messages: usize,
    retransmissions: u64,
    dialogs: Vec<Dialog<'a>>,
    vendor: Option<&'a str>,
    product: Option<&'a str>,
    linked: Vec<&'a str>,
    ids: &'a CallIds,
    communication_sessions: Vec<CommunicationSession<'a>>,
    participants: Vec<Person<'a>>,
    lines: Vec<MediaLine>,
    updates: Vec<Updated<'a>>,
    silences: Vec<Silent>,
}

#[derive(Serialize)]
struct Dialog<'a> {
    from_tag: &'a str,
    to_tag: &'a str,
}

#[derive(Serialize)]
struct CommunicationSession<'a> {
    id: &'a str,
    sip_session_ids: &'a [String],
    group: Option<&'a str>,
    active: bool,
}

#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    aor: Option<&'a str>,
    name: Option<&'a str>,
    labels: Vec<&'a str>,
    present: bool,
}

#[derive(Serialize)]
struct MediaLine {
    line: usize,
    media: String,
    label: Option<String>,
    caller: Option<End>,
    callee: Option<End>,
}

#[derive(Serialize)]
struct End {
    address: Option<String>,
    direction: &'static str,
    protocol: String,
    formats: Vec<String>,
}

#[derive(Serialize)]
struct Updated<'a> {
    message: usize,
    partial: bool,
    changes: Vec<Changed<'a>>,
}

#[derive(Serialize)]
struct Changed<'a> {
    change: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Silent {
    sender: Option<&'static str>,
    line: Option<usize>,
    code: &'static str,
    text: String,
}

impl<'a> SessionLine<'a> {
    pub(super) fn of(story: &'a Story, place: usize, call: &'a Call) -> Self {
        let ended_by = if let State::Ended(side) = call.state { Some(name(side)) } else { None };
        let silent = |s: siprec_core::trace::Silence| Silent {
            sender: s.sender.map(name),
            line: s.line.map(|line| line + 1),
            code: s.code,
            text: s.text,
        };
        Self {
            call_id: &call.id,
            recording: call.is_recording(),
            method: &call.method,
            caller: party(call.caller.as_ref()),
            callee: party(call.callee.as_ref()),
            caller_address: call.caller_address.to_string(),
            callee_address: call.callee_address.to_string(),
            transport: call.transport.to_string().to_lowercase(),
            began_at: call.began_at.rfc3339(),
            answered_at: call.answered_at.map(Wall::rfc3339),
            last_at: call.last_at.rfc3339(),
            state: call.state.name(),
            status: call.state.status(),
            ended_by,
            messages: call.messages.len(),
            retransmissions: call.retransmissions,
            dialogs: call.dialogs.iter().map(|(from_tag, to_tag)| Dialog { from_tag, to_tag }).collect(),
            vendor: call.vendor.as_ref().map(|vendor| vendor.vendor.as_str()),
            product: call.vendor.as_ref().map(|vendor| vendor.product.as_str()),
            linked: call.linked.iter().filter_map(|l| Some(story.calls.get(*l)?.id.as_str())).collect(),
            ids: &call.ids,
            communication_sessions: communication_sessions(call),
            participants: people(call),
            lines: (0..call.media.count()).map(|line| media_line(call, line)).collect(),
            updates: updates(call),
            silences: story.silences(place).into_iter().map(silent).collect(),
        }
    }
}

fn communication_sessions(call: &Call) -> Vec<CommunicationSession<'_>> {
    let sessions = call.recording.iter().flat_map(|recording| &recording.snapshot.sessions);
    let told = sessions.map(|session| CommunicationSession {
        id: &session.id,
        sip_session_ids: &session.sip_session_ids,
        group: session.group.as_deref(),
        active: session.is_active(),
    });
    told.collect()
}

fn people(call: &Call) -> Vec<Person<'_>> {
    let Some(recording) = &call.recording else { return Vec::new() };
    let people = recording.snapshot.participants.iter().map(|participant| Person {
        id: &participant.id,
        aor: participant.names.first().map(|name| name.aor.as_str()),
        name: participant.names.iter().find_map(|name| name.display.as_deref()),
        labels: recording.snapshot.labels_of(participant, None),
        present: participant.is_present(),
    });
    people.collect()
}

fn updates(call: &Call) -> Vec<Updated<'_>> {
    let updates = call.recording.iter().flat_map(|recording| &recording.updates);
    let told = updates.map(|update| Updated {
        message: update.message + 1,
        partial: update.partial,
        changes: update.changes.iter().map(|c| Changed { change: c.kind.name(), text: &c.text }).collect(),
    });
    told.collect()
}

fn media_line(call: &Call, line: usize) -> MediaLine {
    let (caller, callee) = (call.media.line(Side::Caller, line), call.media.line(Side::Callee, line));
    let end = |line: &Line| End {
        address: line.address().map(|address| address.to_string()),
        direction: line.media.direction.as_str(),
        protocol: line.media.proto.clone(),
        formats: line.media.formats.iter().map(|f| format!("{} {}", f.payload_type, codec::name(f))).collect(),
    };
    MediaLine {
        line: line + 1,
        media: caller.or(callee).map(|line| line.media.kind.clone()).unwrap_or_default(),
        label: caller.and_then(|line| line.media.label.clone()),
        caller: caller.map(end),
        callee: callee.map(end),
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "stream")]
pub(super) struct StreamLine<'a> {
    call_id: Option<&'a str>,
    sender: Option<&'static str>,
    line: Option<usize>,
    label: Option<&'a str>,
    from: String,
    to: String,
    ssrc: String,
    codec: Option<String>,
    payload_types: Vec<TypeLine>,
    first_at: String,
    last_at: String,
    packets: u64,
    expected: u64,
    lost: u64,
    late: u64,
    duplicates: u64,
    strays: u64,
    restarts: u32,
    octets: u64,
    jitter_ms: f64,
    max_jitter_ms: f64,
    mos: Option<f64>,
    level_dbfs: Option<i16>,
    gap_count: u64,
    gaps: Vec<GapLine>,
    dtmf: Vec<DigitLine>,
    srtp: Option<SrtpLine>,
}

#[derive(Serialize)]
struct TypeLine {
    payload_type: u8,
    codec: Option<String>,
    packets: u64,
    in_description: bool,
}

#[derive(Serialize)]
struct GapLine {
    from: String,
    to: String,
    missing: u16,
}

#[derive(Serialize)]
struct DigitLine {
    at: String,
    key: char,
    duration_ms: u32,
}

#[derive(Serialize)]
struct SrtpLine {
    opened: u64,
    refused: u64,
    without_key: u64,
}

impl<'a> StreamLine<'a> {
    pub(super) fn of(story: &'a Story, stream: &Stream) -> Self {
        let figures = stream.figures();
        let call = stream.line.and_then(|at| story.calls.get(at.call));
        let sender = stream.line.map(|at| at.side.other());
        let described = stream.line.and_then(|at| call?.media.line(at.side.other(), at.line));
        let kinds = stream.types.iter().map(|kind| TypeLine {
            payload_type: kind.payload_type,
            codec: kind.format.as_ref().map(codec::name),
            packets: kind.packets,
            in_description: kind.told,
        });
        let gap = |gap: &siprec_core::trace::Gap| GapLine {
            from: gap.from.rfc3339(),
            to: gap.to.rfc3339(),
            missing: gap.missing,
        };
        let digit = |digit: &siprec_core::trace::Digit| DigitLine {
            at: digit.at.rfc3339(),
            key: digit.key,
            duration_ms: digit.duration_ms,
        };
        let secured = stream.secured;
        Self {
            call_id: call.map(|call| call.id.as_str()),
            sender: sender.map(name),
            line: stream.line.map(|at| at.line + 1),
            label: described.and_then(|line| line.media.label.as_deref()),
            from: stream.from.to_string(),
            to: stream.to.to_string(),
            ssrc: format!("{:08x}", figures.ssrc),
            codec: stream.format().map(codec::name),
            payload_types: kinds.collect(),
            first_at: figures.first_at.rfc3339(),
            last_at: figures.last_at.rfc3339(),
            packets: figures.received,
            expected: figures.expected,
            lost: figures.lost,
            late: figures.late,
            duplicates: figures.duplicates,
            strays: figures.strays,
            restarts: figures.restarts,
            octets: figures.octets,
            jitter_ms: ms(i64::from(figures.jitter_us)),
            max_jitter_ms: ms(i64::from(figures.max_jitter_us)),
            mos: stream.rating().map(|rating| f64::from(rating.mos_hundredths) / 100.0),
            level_dbfs: stream.loudness.dbfs(),
            gap_count: stream.gap_count,
            gaps: stream.gaps.iter().map(gap).collect(),
            dtmf: stream.digits.iter().map(digit).collect(),
            srtp: secured.expected.then_some(SrtpLine {
                opened: secured.opened,
                refused: secured.refused,
                without_key: secured.without_key,
            }),
        }
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}

/// Microseconds as milliseconds; what is beyond a float's 53 bits is no time of a capture.
#[allow(clippy::cast_precision_loss)]
fn ms(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}
