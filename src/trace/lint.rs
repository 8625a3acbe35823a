//! `--lint`: each INVITE, re-INVITE and UPDATE of an SRC held against the RFCs, and what the server would answer.

use std::io::Write;
use std::net::SocketAddr;

use serde::Serialize;
use siprec_core::deviation::Severity;
use siprec_core::lint::{Report, lint};
use siprec_core::session::Policy;
use siprec_core::sip::{Method, Transport};
use siprec_core::time::Wall;
use siprec_core::trace::{Row, Story, Style, clock};

use super::paint::Painter;

/// A message to be judged.
struct Judged<'a> {
    at: Wall,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    call_id: Option<&'a str>,
    method: &'a str,
    bytes: &'a [u8],
}

/// What was found.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Found {
    /// Messages that were judged.
    pub(super) messages: usize,
    /// Those with errors.
    pub(super) faulty: usize,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "lint")]
struct LintLine<'a> {
    at: String,
    transport: String,
    from: String,
    to: String,
    call_id: Option<&'a str>,
    method: &'a str,
    vendor: Option<&'a str>,
    product: Option<&'a str>,
    confidence: Option<u8>,
    deviations: Vec<DeviationLine<'a>>,
    answer: Option<AnswerLine<'a>>,
    labels: &'a [Option<String>],
    participants: Vec<PersonLine<'a>>,
}

#[derive(Serialize)]
struct DeviationLine<'a> {
    code: &'a str,
    severity: &'a str,
    text: &'a str,
    section: &'a str,
    remedy: &'a str,
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    status: u16,
    reason: &'a str,
    sdp: Option<&'a str>,
}

#[derive(Serialize)]
struct PersonLine<'a> {
    aor: &'a str,
    name: Option<&'a str>,
    labels: &'a [String],
}

/// Judges the messages of these calls, and those that cannot be read.
pub(super) fn judge<W: Write>(
    story: &Story,
    calls: &[usize],
    policy: &Policy,
    json: bool,
    painter: &mut Painter<W>,
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for judged in asked(story, calls) {
        let report = lint(judged.bytes, judged.transport, judged.from, policy);
        let faulty = report.deviations.iter().any(|deviation| deviation.severity == Severity::Error);
        if json {
            painter.text(&serde_json::to_string(&line(&judged, &report))?)?;
        } else {
            if found.messages > 0 {
                painter.gap()?;
            }
            painter.rows(&rows(&judged, &report))?;
        }
        found.messages += 1;
        found.faulty += usize::from(faulty);
    }
    Ok(found)
}

/// What an SRC sent: of recording sessions; of all calls, where none of them looks like one.
fn asked<'a>(story: &'a Story, calls: &[usize]) -> Vec<Judged<'a>> {
    let known = || calls.iter().filter_map(|call| story.calls.get(*call));
    let any_recording = known().any(|call| call.is_recording());
    let mut judged = Vec::new();
    for call in known().filter(|call| call.is_recording() || !any_recording) {
        let first = call.messages.first().and_then(|first| story.messages.get(*first));
        let src_tag = first.and_then(|first| first.from_tag.as_deref());
        for message in call.messages.iter().filter_map(|place| story.messages.get(*place)) {
            let Some(method @ (Method::Invite | Method::Update)) = message.method() else { continue };
            let with_body = *method == Method::Invite || message.has_sdp || message.has_metadata;
            let by_src = message.from_tag.as_deref() == src_tag;
            if message.again.is_none() && with_body && by_src {
                judged.push(Judged {
                    at: message.at,
                    transport: message.transport,
                    from: message.from,
                    to: message.to,
                    call_id: Some(&call.id),
                    method: method.as_str(),
                    bytes: &message.bytes,
                });
            }
        }
    }
    let is_asked = |bytes: &[u8]| [&b"INVITE "[..], b"UPDATE "].iter().any(|start| bytes.starts_with(start));
    judged.extend(story.unreadable.iter().filter(|message| is_asked(&message.bytes)).map(|message| Judged {
        at: message.at,
        transport: message.transport,
        from: message.from,
        to: message.to,
        call_id: None,
        method: if message.bytes.starts_with(b"INVITE") { "INVITE" } else { "UPDATE" },
        bytes: &message.bytes,
    }));
    judged.sort_by_key(|message| message.at);
    judged
}

fn rows(judged: &Judged<'_>, report: &Report) -> Vec<Row> {
    let kind = if report.in_dialog && judged.method == "INVITE" { "re-INVITE" } else { judged.method };
    let call = judged.call_id.unwrap_or("(cannot be read)");
    let title = format!("{kind} at {} from {} to {}, {call}", clock(judged.at), judged.from, judged.to);
    let mut rows = vec![Row::of(title, Style::Heading)];
    let vendor = report.vendor.as_ref().map_or_else(
        || "  vendor: unknown".to_owned(),
        |vendor| format!("  vendor: {} ({} %; {})", vendor.product, vendor.confidence, vendor.signs.join(", ")),
    );
    rows.push(Row::of(vendor, Style::Plain));
    for person in &report.participants {
        let name = person.name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
        let labels = if person.labels.is_empty() { "none".to_owned() } else { person.labels.join(", ") };
        rows.push(Row::of(format!("  participant: {name}<{}>, label {labels}", person.aor), Style::Plain));
    }
    for deviation in &report.deviations {
        let style = match deviation.severity {
            Severity::Error => Style::Failure,
            Severity::Warning => Style::Provisional,
            Severity::Note => Style::Faint,
        };
        let section = &deviation.section;
        let row = Row::of("  ", Style::Plain).with(deviation.severity.as_str(), style);
        rows.push(row.with(format!(" {}: {} ({section})", deviation.code, deviation.text), Style::Plain));
        rows.push(Row::of(format!("      {}", deviation.remedy), Style::Plain));
    }
    if report.deviations.is_empty() {
        rows.push(Row::of("  no deviations", Style::Success));
    }
    let answer = report.answer.as_ref().map_or_else(
        || Row::of("  answer: none may be sent", Style::Failure),
        |answer| {
            let style = if answer.status < 300 { Style::Success } else { Style::Failure };
            Row::of("  answer: ", Style::Plain).with(format!("{} {}", answer.status, answer.reason), style)
        },
    );
    rows.push(answer);
    let sdp = report.answer.iter().filter_map(|answer| answer.sdp.as_deref()).flat_map(str::lines);
    rows.extend(sdp.map(|line| Row::of(format!("      {line}"), Style::Faint)));
    rows
}

fn line<'a>(judged: &Judged<'a>, report: &'a Report) -> LintLine<'a> {
    let deviations = report.deviations.iter().map(|deviation| DeviationLine {
        code: &deviation.code,
        severity: deviation.severity.as_str(),
        text: &deviation.text,
        section: &deviation.section,
        remedy: deviation.remedy,
    });
    let answer = report.answer.as_ref().map(|answer| AnswerLine {
        status: answer.status,
        reason: &answer.reason,
        sdp: answer.sdp.as_deref(),
    });
    let people = report.participants.iter().map(|person| PersonLine {
        aor: &person.aor,
        name: person.name.as_deref(),
        labels: &person.labels,
    });
    LintLine {
        at: judged.at.rfc3339(),
        transport: judged.transport.to_string().to_lowercase(),
        from: judged.from.to_string(),
        to: judged.to.to_string(),
        call_id: judged.call_id,
        method: judged.method,
        vendor: report.vendor.as_ref().map(|vendor| vendor.vendor.as_str()),
        product: report.vendor.as_ref().map(|vendor| vendor.product.as_str()),
        confidence: report.vendor.as_ref().map(|vendor| vendor.confidence),
        deviations: deviations.collect(),
        answer,
        labels: &report.labels,
        participants: people.collect(),
    }
}
