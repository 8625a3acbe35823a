//! A call on one screen: who, when, how it ended; of a recording session label, people, m-line and stream in one line; what its
//! metadata changed; and what is wrong.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::call::{Call, State, party};
use super::differences::person;
use super::filter::Filter;
use super::ladder::{clock, ladder};
use super::message::Traced;
use super::row::{Row, Style, Subject};
use super::sequence::{Sequence, millis};
use super::story::Story;
use super::stream::Stream;
use super::told::{Line, Side};
use crate::codec;

/// Gaps that a report lists in one line.
const GAPS_SHOWN: usize = 5;

/// Calls that belong together: their heads, one ladder of all of them over `width` columns, lines and streams of each.
pub fn sheet(story: &Story, group: &[usize], filter: &Filter, width: usize) -> Vec<Row> {
    let gap = || Row::about(Subject::None);
    let mut rows: Vec<Row> = group.iter().flat_map(|call| head(story, *call)).collect();
    rows.push(gap());
    rows.extend(ladder(&Sequence::of(story, group, filter), width));
    for call in group {
        let lines = lines(story, *call, false);
        if !lines.is_empty() {
            rows.push(gap());
            rows.extend(lines);
        }
    }
    rows
}

/// A message in one row: `1  10:31:02.123  192.0.2.1:5060 > 192.0.2.2:5060  UDP  INVITE +sdp  Call-ID`
pub fn message_row(place: usize, message: &Traced) -> Row {
    let again = message.again.map(|first| format!(" again (as {})", first + 1)).unwrap_or_default();
    Row::about(Subject::Message(place))
        .with(format!("{:>5}  ", place + 1), Style::Faint)
        .with(clock(message.at), Style::Time)
        .with(format!("  {} > {}  {}  ", message.from, message.to, message.transport), Style::Plain)
        .with(format!("{}{again}", message.title()), message.style())
        .with(format!("  {}", message.call_id), Style::Faint)
}

/// What each metadata document of a recording session changed.
pub fn changes(story: &Story, place: usize) -> Vec<Row> {
    let updates = story.calls.get(place).and_then(|call| call.recording.as_ref()).map(|recording| &recording.updates);
    let mut rows = Vec::new();
    for update in updates.into_iter().flatten() {
        let Some(message) = story.messages.get(update.message) else { continue };
        let row = || Row::about(Subject::Message(update.message));
        let what = match (update.partial, update.changes.is_empty()) {
            (_, true) => "nothing is otherwise",
            (true, false) => "partial",
            (false, false) => "complete",
        };
        let title = format!("  {} (message {}): {what}", message.title(), update.message + 1);
        rows.push(row().with(clock(message.at), Style::Time).with(title, Style::Heading));
        rows.extend(
            update.changes.iter().map(|change| row().with(format!("    {}", change.line()), change.kind.style())),
        );
    }
    rows
}

/// The head of a call: two or three rows.
pub fn head(story: &Story, place: usize) -> Vec<Row> {
    let Some(call) = story.calls.get(place) else { return Vec::new() };
    let what = if call.is_recording() { "Recording session" } else { "Call" };
    let mut rows = Vec::from([Row::of(format!("{what} {}", call.id), Style::Heading)]);
    let (caller, callee) = (party(call.caller.as_ref()), party(call.callee.as_ref()));
    rows.push(Row::of(format!("  {caller} to {callee}, {}", call.transport), Style::Plain));
    let lasted = millis(call.last_at.nanos_since(call.began_at));
    let answered = call.answered_at.map(|at| format!(", answered after {}", millis(at.nanos_since(call.began_at))));
    let again = match call.retransmissions {
        0 => String::new(),
        1 => ", 1 retransmission".to_string(),
        more => format!(", {more} retransmissions"),
    };
    let answered = answered.unwrap_or_default();
    // A server that tells of its signalling has no end as a capture has.
    let goes_on = call.state == State::Established && story.is_unseen(call);
    let state = if goes_on { "not over so far".to_string() } else { call.state.words() };
    let text = format!("  {} for {lasted}{answered}, {state}{again}", call.began_at);
    rows.push(Row::of(text, Style::Plain));
    if let Some(vendor) = call.vendor.as_ref().filter(|_| call.is_recording()) {
        rows.push(Row::of(format!("  SRC: {} ({} %)", vendor.product, vendor.confidence), Style::Plain));
    }
    rows.extend(sessions(story, call));
    rows
}

fn sessions(story: &Story, call: &Call) -> Vec<Row> {
    let mut rows = Vec::new();
    for session in call.recording.iter().flat_map(|recording| &recording.snapshot.sessions) {
        let ids = session.sip_session_ids.join(", ");
        let ids = if ids.is_empty() { ids } else { format!(", sipSessionID {ids}") };
        let group = session.group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
        rows.push(Row::of(format!("  Communication session {}{ids}{group}", session.id), Style::Plain));
    }
    for linked in call.linked.iter().filter_map(|linked| story.calls.get(*linked)) {
        let what = if linked.is_recording() { "recording session" } else { "call" };
        rows.push(Row::of(format!("  Belongs together with {what} {}", linked.id), Style::Plain));
    }
    rows
}

/// Label, people, m-line and stream of each line, and why there is no audio. `whole`: with all that is known of a stream.
pub fn lines(story: &Story, place: usize, whole: bool) -> Vec<Row> {
    let Some(call) = story.calls.get(place) else { return Vec::new() };
    let silences = story.silences(place);
    let mut rows = Vec::new();
    for line in 0..call.media.count() {
        for sender in [Side::Caller, Side::Callee] {
            let (from, to) = (call.media.line(sender, line), call.media.line(sender.other(), line));
            let streams: Vec<usize> = story
                .stream_places(place)
                .filter(|nth| {
                    let at = story.streams.get(*nth).and_then(|stream| stream.line);
                    at.is_some_and(|at| (at.side, at.line) == (sender.other(), line))
                })
                .collect();
            let faults: Vec<_> = silences.iter().filter(|s| s.sender == Some(sender) && s.line == Some(line)).collect();
            let sends = from.is_some_and(|from| from.ever(true)) && to.is_none_or(|to| to.ever(false));
            if streams.is_empty() && faults.is_empty() && !sends {
                continue;
            }
            // Whoever looks at the line or at what is wrong with it means its stream.
            let subject = streams.first().map_or(Subject::None, |nth| Subject::Stream(*nth));
            rows.push(Row { subject, ..line_row(call, sender, line, from, to) });
            for nth in streams {
                if let Some(stream) = story.streams.get(nth) {
                    rows.extend(stream_rows(stream, nth, whole));
                }
            }
            let fault = |text: &str| Row::about(subject).with(format!("      ! {text}"), Style::Warning);
            rows.extend(faults.iter().map(|found| fault(&found.text)));
        }
    }
    let of_call = silences.iter().filter(|silence| silence.line.is_none());
    rows.extend(of_call.map(|fault| Row::of(format!("  ! no audio: {}", fault.text), Style::Warning)));
    rows
}

/// `label 1  Alice <sip:alice@example.com>  m-line 1 audio sendonly  192.0.2.1:40000 > 192.0.2.2:10000`
fn line_row(call: &Call, sender: Side, line: usize, from: Option<&Line>, to: Option<&Line>) -> Row {
    let address = |line: Option<&Line>| line.and_then(Line::address).map_or("?".to_string(), |a| a.to_string());
    let described = from.or(to);
    let kind = described.map_or("", |line| line.media.kind.as_str());
    let direction = from.map_or("", |line| line.media.direction.as_str());
    let way = format!("m-line {} {kind} {direction}  {} > {}", line + 1, address(from), address(to));
    let label = from.and_then(|line| line.media.label.as_deref());
    let row = Row::of("  ", Style::Plain);
    let row = match label {
        Some(label) => row.with(format!("label {label}"), Style::Request).with("  ", Style::Plain),
        None => row,
    };
    row.with(who(call, sender, line), Style::Heading).with(format!("  {way}"), Style::Plain)
}

/// Who is heard on a line: by the metadata, else who called or was called.
fn who(call: &Call, sender: Side, line: usize) -> String {
    if let Some(recording) = call.recording.as_ref().filter(|_| sender == Side::Caller) {
        let labels: Vec<Option<&str>> = recording.labels.iter().map(Option::as_deref).collect();
        let people = recording.snapshot.senders_of_lines(&labels).into_iter().nth(line).unwrap_or_default();
        let now: Vec<String> = people.into_iter().map(person).collect();
        if !now.is_empty() {
            return now.join(", ");
        }
        // After the last document nobody may be left: who was heard there counts.
        let label = labels.get(line).copied().flatten();
        let sent = |p: &&crate::metadata::Participant| {
            label.is_some_and(|label| recording.snapshot.labels_of(p, None).contains(&label))
        };
        let was: Vec<String> = recording.snapshot.participants.iter().filter(sent).map(person).collect();
        return if was.is_empty() { "nobody named".to_string() } else { was.join(", ") };
    }
    match (sender, call.is_recording()) {
        (Side::Caller, _) => party(call.caller.as_ref()),
        (Side::Callee, true) => "SRS".to_string(),
        (Side::Callee, false) => party(call.callee.as_ref()),
    }
}

/// The figures of a stream: one row, or all of them.
pub fn stream_rows(stream: &Stream, nth: usize, whole: bool) -> Vec<Row> {
    let figures = stream.figures();
    let row = |text: String, style| Row::about(Subject::Stream(nth)).with(format!("      {text}"), style);
    let codec = stream.format().map_or_else(|| format!("type {}", figures.payload_type), codec::name);
    let mut text = format!("{:08x}  {codec}  {} packets, {} lost", figures.ssrc, figures.received, lost(stream));
    let (ms, tenths) = (figures.jitter_us / 1_000, figures.jitter_us % 1_000 / 100);
    text.push_str(&format!(", jitter {ms}.{tenths} ms"));
    if let Some(rating) = stream.rating() {
        text.push_str(&format!(", MOS {}.{:02}", rating.mos_hundredths / 100, rating.mos_hundredths % 100));
    }
    if let Some(level) = stream.loudness.dbfs() {
        text.push_str(&format!(", {level} dBFS"));
    }
    if !stream.digits.is_empty() {
        text.push_str(&format!(", DTMF {}", stream.keys()));
    }
    let mut rows = Vec::from([row(text, Style::Media)]);
    if whole {
        rows.extend(details(stream).into_iter().map(|text| row(format!("  {text}"), Style::Plain)));
    }
    rows
}

fn lost(stream: &Stream) -> String {
    let figures = stream.figures();
    let thousandths = (figures.lost * 1_000).checked_div(figures.expected).unwrap_or(0);
    if figures.lost == 0 {
        return "0".to_string();
    }
    format!("{} ({}.{} %)", figures.lost, thousandths / 10, thousandths % 10)
}

fn details(stream: &Stream) -> Vec<String> {
    let figures = stream.figures();
    let mut out = Vec::new();
    let lasted = millis(figures.last_at.nanos_since(figures.first_at));
    out.push(format!("{} > {}, {} for {lasted}", stream.from, stream.to, figures.first_at));
    let (late, copies, strays) = (figures.late, figures.duplicates, figures.strays);
    let (ms, tenths) = (figures.max_jitter_us / 1_000, figures.max_jitter_us % 1_000 / 100);
    out.push(format!(
        "expected {}, late {late}, twice {copies}, stray {strays}, restarts {}, greatest jitter {ms}.{tenths} ms",
        figures.expected, figures.restarts
    ));
    let kinds: Vec<String> = stream
        .types
        .iter()
        .map(|kind| {
            let name = kind.format.as_ref().map_or("unknown".to_string(), codec::name);
            let told = if kind.told { "" } else { ", not in the description" };
            format!("{} {name} ({}{told})", kind.payload_type, kind.packets)
        })
        .collect();
    out.push(format!("payload types {}", kinds.join(", ")));
    if stream.gap_count > 0 {
        let shown = stream.gaps.iter().take(GAPS_SHOWN).map(|gap| {
            let took = millis(gap.to.nanos_since(gap.from));
            let missing =
                if gap.missing > 0 { format!(", {} missing", gap.missing) } else { ", nothing missing".into() };
            format!("{} ({took}{missing})", clock(gap.from))
        });
        let shown: Vec<String> = shown.collect();
        let more = if stream.gap_count > GAPS_SHOWN as u64 { ", ..." } else { "" };
        out.push(format!("{} gaps: {}{more}", stream.gap_count, shown.join(", ")));
    }
    for digit in &stream.digits {
        out.push(format!("DTMF {} at {}, {} ms", digit.key, clock(digit.at), digit.duration_ms));
    }
    if let Some(talk) = (stream.loudness.talk * 100).checked_div(stream.loudness.packets) {
        out.push(format!("talk in {talk} % of the {} packets that were listened to", stream.loudness.packets));
    }
    let secured = stream.secured;
    if secured.expected {
        let (opened, refused, without) = (secured.opened, secured.refused, secured.without_key);
        out.push(format!(
            "SRTP, of the packets looked at: opened {opened}, under another key {refused}, without a key {without}"
        ));
    }
    if let Some(sender) = figures.sender {
        out.push(format!("last sender report at {}", clock(sender.at)));
    }
    out
}
