//! The archive: what a search found, and the recording that is looked at: its proof sheet and its waveform.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use siprec_core::render::{Party, Sidecar};

use super::pen::{hundredths, length, octets, paint, put, put_all, put_right, title};
use crate::archive::catalog::Row;
use crate::tui::answers::{Peaks, name};
use crate::tui::frame;
use crate::tui::state::{OpenedRecording, State, Typing};
use crate::tui::theme::Theme;

/// Rows of a channel's waveform.
const WAVE_ROWS: u16 = 3;

pub(super) fn draw(state: &State, theme: &Theme, tools: Rect, body: Rect, buffer: &mut Buffer) {
    search(state, theme, tools, buffer);
    let is_wide = frame::is_wide(state.size);
    match &state.recordings.opened {
        Some(opened) if is_wide => {
            let left = Rect { width: body.width / 2, ..body };
            list(state, theme, left, buffer);
            let right = Rect { x: left.right() + 1, width: body.width - left.width - 1, ..body };
            sheet(state, opened, theme, right, buffer);
        }
        Some(opened) => sheet(state, opened, theme, body, buffer),
        None => list(state, theme, body, buffer),
    }
}

fn search(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let recordings = &state.recordings;
    let is_typed = state.typing == Typing::Search;
    let caret = if is_typed { "▏" } else { "" };
    let (text, style) = match (recordings.typed.0.is_empty(), is_typed) {
        (true, false) => (" / search, for example: alice since:2h number:4711 min:30s faulty".to_owned(), theme.dim),
        _ => (format!(" / {}{caret}", recordings.typed.0), theme.accent),
    };
    let used = put(buffer, (area.x, area.y), area.width, &text, style);
    let more = if recordings.next.is_some() { ", and more" } else { "" };
    let (right, style) = match (&recordings.wrong, recordings.is_asked) {
        (Some(why), _) => (format!("{why} "), theme.bad),
        (None, true) => ("searching ... ".to_owned(), theme.dim),
        (None, false) => {
            let count = recordings.rows.len();
            let noun = if count == 1 { "recording" } else { "recordings" };
            (format!("{count} {noun}{more} "), theme.dim)
        }
    };
    put_right(buffer, (area.x + used + 1, area.y), area.width.saturating_sub(used + 1), &right, style);
}

/// What stands in a row, from left to right: title, columns, whether to the right.
const COLUMNS: [(&str, u16, bool); 7] = [
    ("STARTED (UTC)", 19, false),
    ("LENGTH", 8, true),
    ("CALLER", 0, false),
    ("CALLEE", 0, false),
    ("LOSS%", 6, true),
    ("FAULTS", 6, true),
    ("MARKS", 8, false),
];

fn list(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let fixed: u16 = COLUMNS.iter().map(|(_, width, _)| width + 1).sum();
    let name_width = area.width.saturating_sub(fixed + 1) / 2;
    let cells = |y: u16, texts: [(&str, Style); 7], buffer: &mut Buffer| {
        let mut x = area.x + 1;
        for ((_, width, is_right), (text, style)) in COLUMNS.iter().zip(texts) {
            let width = if *width == 0 { name_width } else { *width };
            if *is_right {
                put_right(buffer, (x, y), width, text, style);
            } else {
                put(buffer, (x, y), width, text, style);
            }
            x += width + 1;
        }
    };
    cells(area.y, COLUMNS.map(|(title, _, _)| (title, theme.head)), buffer);
    let (rows, cursor) = (frame::table_rows(state.size), state.recordings.cursor);
    let shown = state.recordings.rows.iter().enumerate().skip(cursor.top).take(usize::from(rows.height));
    for (line, (place, row)) in shown.enumerate() {
        let y = rows.y + u16::try_from(line).unwrap_or(0);
        let texts = texts(row);
        let loss = loss(row);
        let fault = if row.quality.faults > 0 { theme.bad } else { theme.plain };
        let [started, long, caller, callee, lost, faults, marks] = &texts;
        let styled = [
            (started.as_str(), theme.dim),
            (long, theme.plain),
            (caller, theme.plain),
            (callee, theme.plain),
            (lost, theme.loss(loss)),
            (faults, fault),
            (marks, theme.accent),
        ];
        cells(y, styled, buffer);
        if place == cursor.at {
            paint(buffer, Rect { y, height: 1, ..area }, theme.chosen);
        }
    }
    if state.recordings.rows.is_empty() && !state.recordings.is_asked && state.recordings.wrong.is_none() {
        put(buffer, (area.x + 2, rows.y + 1), area.width, "no recording matches", theme.dim);
    }
}

fn loss(row: &Row) -> Option<u64> {
    (row.quality.packets_lost * 10_000).checked_div(row.quality.packets_expected)
}

fn texts(row: &Row) -> [String; 7] {
    let started = row.started_at.rfc3339();
    let day_and_time: String = started.chars().take(19).map(|char| if char == 'T' { ' ' } else { char }).collect();
    let mut marks: Vec<String> = row.tags.iter().map(|tag| tag.to_string()).collect();
    if row.held {
        marks.insert(0, "held".to_owned());
    }
    if row.state != "complete" {
        marks.insert(0, "cut".to_owned());
    }
    let faults = if row.quality.faults == 0 { "-".to_owned() } else { row.quality.faults.to_string() };
    [
        day_and_time,
        length(row.duration_ms.cast_signed()),
        name(row.caller.as_ref()).to_owned(),
        name(row.callee.as_ref()).to_owned(),
        hundredths(loss(row)),
        faults,
        marks.join(" "),
    ]
}

/// A recording: waveform above, sheet below.
fn sheet(state: &State, opened: &OpenedRecording, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    title(buffer, area, &format!("recording {}", opened.id), theme.head);
    let mut y = area.y + 1;
    match &opened.peaks {
        Ok(peaks) => {
            for channel in 0..peaks.channels.len().min(2) {
                let wave = Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: WAVE_ROWS };
                waveform(peaks, channel, theme, wave, buffer);
                y += WAVE_ROWS;
            }
            let end = length(peaks.duration_ms.cast_signed());
            put(buffer, (area.x + 1, y), 8, "0:00", theme.dim);
            put_right(buffer, (area.x + 1, y), area.width.saturating_sub(2), &end, theme.dim);
        }
        Err(why) => drop(put(buffer, (area.x + 1, y), area.width.saturating_sub(2), why, theme.dim)),
    }
    y += 2;
    let row = state.recordings.rows.iter().find(|row| row.id.to_string() == opened.id);
    let lines = match &opened.sheet {
        Some(sheet) => lines(sheet, row, theme),
        None => vec![("its proof sheet is on its way".to_owned(), theme.dim)],
    };
    let page = usize::from(area.bottom().saturating_sub(y));
    let top = opened.top.min(lines.len().saturating_sub(page));
    for (line, (text, style)) in lines.iter().skip(top).take(page).enumerate() {
        let y = y + u16::try_from(line).unwrap_or(0);
        put(buffer, (area.x + 1, y), area.width.saturating_sub(2), text, *style);
    }
}

/// A channel, its loudest sample of each column as a bar from the middle.
fn waveform(peaks: &Peaks, channel: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(columns) = peaks.channels.get(channel).filter(|columns| !columns.is_empty()) else { return };
    let steps = usize::from(area.height) * 8;
    for x in 0..area.width {
        let from = usize::from(x) * columns.len() / usize::from(area.width);
        let to = ((usize::from(x) + 1) * columns.len() / usize::from(area.width)).max(from + 1);
        let loudest = columns.get(from..to.min(columns.len())).unwrap_or_default();
        let loudest =
            loudest.iter().map(|[least, most]| least.unsigned_abs().max(most.unsigned_abs())).max().unwrap_or(0);
        let mut filled = usize::from(loudest) * steps / usize::from(i16::MIN.unsigned_abs());
        for row in (0..area.height).rev() {
            let here = filled.min(8);
            filled -= here;
            let char = match here {
                0 if row + 1 == area.height => '▁',
                0 => ' ',
                _ => super::pen::spark(Some(here as f32 / 8.0 - 0.01)),
            };
            let style = if channel == 0 { theme.accent } else { theme.good };
            put(buffer, (area.x + x, area.y + row), 1, char.encode_utf8(&mut [0; 4]), style);
        }
    }
    let side = if peaks.channels.len() == 1 {
        ""
    } else if channel == 0 {
        "left"
    } else {
        "right"
    };
    put_all(buffer, area, [(side, theme.dim)]);
}

fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

/// The sheet in words.
fn lines(sheet: &Sidecar, row: Option<&Row>, theme: &Theme) -> Vec<(String, Style)> {
    let mut lines = about(sheet, row, theme);
    streams(sheet, theme, &mut lines);
    let at = |millis: u64| length(millis.cast_signed());
    for gap in &sheet.proof.gaps {
        let label = gap.label.as_deref().unwrap_or("all");
        let text = format!("gap {}-{} on {label}: {}", at(gap.from_ms), at(gap.to_ms), word(gap.cause));
        lines.push((text, theme.bad));
    }
    for pause in &sheet.proof.pauses {
        let label = pause.label.as_deref().unwrap_or("all");
        let text = format!("pause {}-{} on {label}: {}", at(pause.from_ms), at(pause.to_ms), word(pause.cause));
        lines.push((text, theme.warn));
    }
    lines.extend(sheet.proof.findings.iter().map(|finding| (finding.clone(), theme.warn)));
    for file in &sheet.files {
        let (size, channels, rate) = (octets(file.bytes as f64), file.channels, file.sample_rate);
        lines.push((format!("{}: {size}, {channels} channels of {rate} Hz", file.name), theme.plain));
        lines.push((format!("  SHA-256 {}", file.sha256), theme.dim));
    }
    lines
}

/// Who, when, how it ended.
fn about(sheet: &Sidecar, row: Option<&Row>, theme: &Theme) -> Vec<(String, Style)> {
    let named = |party: &Party| match &party.name {
        Some(name) => format!("{name} <{}>", party.aor),
        None => party.aor.clone(),
    };
    let party = |party: &Option<Party>| party.as_ref().map_or_else(|| "unknown".to_owned(), named);
    let (state, long) = (word(sheet.state), length(sheet.duration_ms.cast_signed()));
    let ended = sheet.ended_by.map_or_else(|| "nothing said so".to_owned(), word);
    let session = &sheet.recording_session;
    let mut lines = vec![
        (format!("{} -> {}", party(&sheet.caller), party(&sheet.callee)), theme.accent),
        (format!("{state}, {long} long, from {}", sheet.started_at), theme.plain),
        (format!("ended by: {ended}; Call-ID {}", session.call_id), theme.dim),
    ];
    if let Some(agent) = &session.user_agent {
        lines.push((format!("SRC {}: {agent}", session.src), theme.dim));
    }
    let tags: Vec<String> = row.iter().flat_map(|row| row.tags.iter().map(|tag| tag.to_string())).collect();
    if !tags.is_empty() {
        lines.push((format!("tags: {}", tags.join(" ")), theme.accent));
    }
    if row.is_some_and(|row| row.held) {
        lines.push(("under a legal hold".to_owned(), theme.warn));
    }
    lines
}

/// What was received, and how it sounds.
fn streams(sheet: &Sidecar, theme: &Theme, lines: &mut Vec<(String, Style)>) {
    let proof = &sheet.proof;
    let (received, expected) = (proof.packets_received, proof.packets_expected);
    let text = format!(
        "packets: {received} of {expected} received, {} lost, {} dropped here",
        proof.packets_lost, proof.dropped
    );
    lines.push((text, if proof.packets_lost + proof.dropped > 0 { theme.warn } else { theme.good }));
    for stream in &sheet.streams {
        let label = stream.label.as_deref().unwrap_or("-");
        let heard = format!("stream {label}: {}, {}", stream.codecs.join(" "), word(stream.channel));
        lines.push((heard, theme.plain));
        for source in &stream.sources {
            let mos = hundredths(source.quality.as_ref().map(|quality| u64::from(quality.mos_hundredths)));
            let (jitter, lost) = (source.jitter_us as f64 / 1e3, source.lost);
            let from = format!("  {} from {}: {} packets", source.ssrc, source.from, source.packets);
            lines.push((format!("{from}, {lost} lost, jitter {jitter:.1} ms, MOS {mos}"), theme.dim));
        }
        if let Some(why) = &stream.why_not {
            lines.push((format!("  not heard: {why}"), theme.warn));
        }
    }
}
