//! The server itself: rates, answer times, ports, disk, what waits for storage, peers; alarms; what happened last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pen::{octets, paint, put, put_all, put_right, seconds, title, width};
use crate::tui::answers::{Happened, clock};
use crate::tui::frame::{self, below_title};
use crate::tui::metrics::Figures;
use crate::tui::state::State;
use crate::tui::theme::Theme;

/// Columns of a figure: its name, its value.
const NAME: u16 = 17;
const VALUE: u16 = 22;

pub(super) fn draw(state: &State, theme: &Theme, tools: Rect, buffer: &mut Buffer) {
    let figures = &state.system.figures.now;
    let version = figures.by_label("build_info").next().map_or("", |(version, _)| version);
    let words = [" siprec ", version, " at ", state.manner.server.as_str()];
    put_all(buffer, tools, words.map(|word| (word, theme.dim)));
    if figures.value("draining") == Some(1.0) {
        put_right(buffer, (tools.x, tools.y), tools.width - 1, "DRAINING: no new sessions are taken", theme.warn);
    } else if figures.value("refusing") == Some(1.0) {
        put_right(buffer, (tools.x, tools.y), tools.width - 1, "REFUSING new sessions", theme.bad);
    }
    let areas = frame::system(state.size);
    draw_figures(state, theme, areas.figures, buffer);
    alarms(state, theme, areas.alarms, buffer);
    events(state, theme, areas.events, buffer);
}

/// A figure: its name, its value, and whether that is well.
type Figure = (&'static str, String, Style);

fn draw_figures(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    title(buffer, area, "figures", theme.head);
    let area = below_title(area);
    if !state.system.figures.is_known() {
        put(
            buffer,
            (area.x + 2, area.y),
            area.width,
            "no figures yet (they need the permission to read metrics)",
            theme.dim,
        );
        return;
    }
    let groups = [calls(state, theme), archive(&state.system.figures, theme)];
    let mut bottom = area.y;
    for (group, figures) in groups.iter().enumerate() {
        let x = area.x + 1 + u16::try_from(group).unwrap_or(0) * (NAME + VALUE);
        for (line, (name, value, style)) in figures.iter().enumerate() {
            let y = area.y + u16::try_from(line).unwrap_or(0);
            if y < area.bottom() {
                put(buffer, (x, y), NAME - 1, name, theme.dim);
                put(buffer, (x + NAME, y), VALUE - 1, value, *style);
                bottom = bottom.max(y + 1);
            }
        }
    }
    let rest = Rect { y: bottom + 1, height: area.bottom().saturating_sub(bottom + 1), ..area };
    if rest.height > 2 {
        peers(state, theme, rest, buffer);
    }
}

fn each_second(figures: &Figures, name: &str) -> String {
    figures.rate(name).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1} /s"))
}

fn calls(state: &State, theme: &Theme) -> Vec<Figure> {
    let figures = &state.system.figures;
    let now = &figures.now;
    let bound = |share| match figures.quantile("invite_answer_seconds", share) {
        None => "-".to_owned(),
        Some(bound) if bound.is_infinite() => "over 2 s".to_owned(),
        Some(bound) => format!("<= {}", seconds(bound)),
    };
    let late = figures.quantile("invite_answer_seconds", 0.99).is_some_and(|bound| bound > 0.05);
    let lost = figures.rate("rtp_lost_packets_total").unwrap_or(0.0);
    let dropped = now.sum("dropped_packets_total");
    vec![
        ("sessions", format!("{:.0}", now.sum("sessions")), theme.accent),
        ("INVITEs", each_second(figures, "invites_total"), theme.plain),
        ("answered, median", bound(0.5), theme.plain),
        ("answered, 99 %", bound(0.99), if late { theme.warn } else { theme.plain }),
        ("RTP packets", each_second(figures, "rtp_packets_total"), theme.plain),
        (
            "RTP octets",
            figures.rate("rtp_bytes_total").map_or_else(|| "-".into(), |rate| format!("{}/s", octets(rate))),
            theme.plain,
        ),
        (
            "lost on the way",
            each_second(figures, "rtp_lost_packets_total"),
            if lost > 0.0 { theme.warn } else { theme.plain },
        ),
        ("dropped here", format!("{dropped:.0}"), if dropped > 0.0 { theme.bad } else { theme.plain }),
        ("ports", ports(state), theme.plain),
    ]
}

/// Media ports that are taken, of those there are: a stream has two.
fn ports(state: &State) -> String {
    let taken = state.table.streams() * 2;
    let range = state.system.ports.as_deref().and_then(|range| range.split_once('-'));
    let all = range.and_then(|(first, last)| {
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (last + 1).checked_sub(first)
    });
    all.map_or_else(|| format!("{taken} taken"), |all| format!("{taken} of {all}"))
}

fn archive(figures: &Figures, theme: &Theme) -> Vec<Figure> {
    let now = &figures.now;
    let value = |name: &str| now.value(name).unwrap_or(0.0);
    let free = now.value("disk_free_bytes").filter(|free| *free >= 0.0);
    let failed: f64 =
        now.by_label("recordings_total").filter(|(result, _)| *result == "failed").map(|(_, count)| count).sum();
    let made = now.sum("recordings_total") - failed;
    let waiting = value("journal_waiting_bytes");
    let cpu =
        figures.rate("process_cpu_seconds_total").map_or_else(|| "-".to_owned(), |cpu| format!("{:.1} %", cpu * 100.0));
    let mut all = vec![
        ("disk free", free.map_or_else(|| "-".to_owned(), octets), theme.plain),
        ("last sync", seconds(value("journal_sync_seconds")), theme.plain),
        ("waits for disk", octets(waiting), if waiting > 64e6 { theme.warn } else { theme.plain }),
        ("recordings made", format!("{made:.0}"), theme.plain),
        ("not made", format!("{failed:.0}"), if failed > 0.0 { theme.bad } else { theme.plain }),
        ("to be made", format!("{:.0}", value("recordings_unfinished")), theme.plain),
        ("processor", cpu, theme.plain),
        ("memory", octets(value("process_resident_memory_bytes")), theme.plain),
    ];
    let outbox: Vec<(&str, f64)> = now.by_label("outbox_recordings").collect();
    let total: f64 = outbox.iter().map(|(_, waiting)| waiting).sum();
    let oldest = now.by_label("outbox_oldest_seconds").map(|(_, age)| age).fold(0.0, f64::max);
    let told = match &outbox[..] {
        [] => "no target".to_owned(),
        [(target, _)] if total == 0.0 => format!("{target}: all stored"),
        [(target, waiting)] => format!("{target}: {waiting:.0} ({})", seconds(oldest)),
        several => format!("{total:.0} in {} ({})", several.len(), seconds(oldest)),
    };
    all.push(("outbox", told, if total > 0.0 { theme.warn } else { theme.plain }));
    all
}

fn peers(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let outbox: Vec<(&str, f64)> = state.system.figures.now.by_label("outbox_recordings").collect();
    let mut y = area.y;
    if outbox.len() > 1 {
        title(buffer, Rect { y, ..area }, "outbox", theme.head);
        y += 1;
        for (target, waiting) in outbox {
            if y < area.bottom() {
                put(buffer, (area.x + 1, y), NAME, target, theme.accent);
                put_right(buffer, (area.x + 1 + NAME, y), 8, &format!("{waiting:.0}"), theme.plain);
                y += 1;
            }
        }
        y += 1;
    }
    if y + 1 >= area.bottom() {
        return;
    }
    title(buffer, Rect { y, ..area }, "peers", theme.head);
    for (line, peer) in state.system.peers.iter().enumerate() {
        let y = y + 1 + u16::try_from(line).unwrap_or(0);
        if y >= area.bottom() {
            return;
        }
        let name = peer.name.as_deref().unwrap_or("(no row)");
        put(buffer, (area.x + 1, y), NAME, name, theme.accent);
        put_right(buffer, (area.x + 1 + NAME, y), 8, &peer.sessions.to_string(), theme.plain);
        let more = format!("{}  {}", peer.vendors.join(", "), peer.addresses.join(", "));
        put(buffer, (area.x + NAME + 12, y), area.width.saturating_sub(NAME + 12), more.trim(), theme.dim);
    }
}

fn alarms(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let all = state.system.alarms.len();
    title(buffer, area, &format!("alarms: {all}, {} of them new", state.fresh_alarms()), theme.head);
    let rows = below_title(area);
    let cursor = state.system.alarm;
    let shown = state.system.alarms.iter().enumerate().skip(cursor.top).take(usize::from(rows.height));
    for (line, (place, alarm)) in shown.enumerate() {
        let y = rows.y + u16::try_from(line).unwrap_or(0);
        let row = Rect { y, height: 1, ..rows };
        let noted = alarm.acknowledged_by.as_deref();
        let style = if noted.is_some() { theme.warn } else { theme.bad };
        put(buffer, (row.x + 1, y), 8, clock(&alarm.since), theme.dim);
        put(buffer, (row.x + 11, y), 20, &alarm.alarm.replace('_', " "), style);
        let session = alarm.session.as_deref().map(|session| format!("session {session}"));
        let stream = alarm.stream.map(|stream| format!(", stream {}", stream + 1)).unwrap_or_default();
        let of = session.or_else(|| alarm.subject.clone()).unwrap_or_default();
        let detail = [format!("{of}{stream}"), alarm.detail.clone()];
        let detail: Vec<&str> = detail.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        let noted = noted.map(|by| format!(" noted by {by} ")).unwrap_or_default();
        let noted_width = u16::try_from(width(&noted)).unwrap_or(0).min(row.width / 3);
        put(buffer, (row.x + 32, y), row.width.saturating_sub(33 + noted_width), &detail.join(": "), theme.plain);
        put_right(buffer, (row.right() - noted_width, y), noted_width, &noted, theme.good);
        if place == cursor.at {
            paint(buffer, row, theme.chosen);
        }
    }
    if all == 0 {
        put(buffer, (rows.x + 2, rows.y), rows.width, "none: all is well", theme.good);
    }
}

fn events(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    title(buffer, area, "what happened, the newest first", theme.head);
    let rows = below_title(area);
    for (line, event) in state.events.iter().rev().take(usize::from(rows.height)).enumerate() {
        let y = rows.y + u16::try_from(line).unwrap_or(0);
        let (text, style) = told(event, theme);
        let short: String = event.session.as_deref().unwrap_or_default().chars().take(13).collect();
        put(buffer, (rows.x + 1, y), 8, clock(&event.at), theme.dim);
        put(buffer, (rows.x + 11, y), 13, &short, theme.dim);
        put(buffer, (rows.x + 26, y), rows.width.saturating_sub(27), &text, style);
    }
}

/// An event in words, and how it is meant.
pub(super) fn told(event: &Happened, theme: &Theme) -> (String, Style) {
    let text = |field: &str| event.text(field);
    let words = |field: &str| text(field).replace('_', " ");
    let raised = event.text("raised") == "true";
    let stream = match event.text("stream").parse::<u32>() {
        Ok(stream) => format!(" on stream {}", stream + 1),
        Err(_) => String::new(),
    };
    match event.kind.as_str() {
        "session.started" => {
            let src = Some(text("src")).filter(|src| !src.is_empty()).unwrap_or_else(|| "the API".to_owned());
            (format!("session began, {} streams, from {src}", text("streams")), theme.plain)
        }
        "session.ended" => (format!("session ended: {}", words("cause")), theme.plain),
        "session.alarm" if raised => (format!("alarm: {}{stream}", words("alarm")), theme.bad),
        "session.alarm" => (format!("over: {}{stream}", words("alarm")), theme.good),
        "session.tagged" => (tagged(event), theme.plain),
        "stream.paused" => (format!("paused{stream}: {}", words("cause")), theme.warn),
        "stream.resumed" => (format!("resumed{stream}"), theme.good),
        "recording.started" => (format!("recording {} began", text("recording")), theme.plain),
        "recording.completed" => {
            let length = text("duration_ms").parse().map_or_else(|_| String::new(), super::pen::length);
            (format!("recording {} made, {length} long", text("recording")), theme.good)
        }
        "recording.remade" => (
            format!("recording {} made again: {} packets more are open", text("recording"), text("opened")),
            theme.good,
        ),
        "recording.failed" => (format!("recording could not be made: {}", text("why")), theme.bad),
        "recording.stored" => (format!("recording {} stored in {}", text("recording"), text("target")), theme.good),
        "server.alarm" if raised => {
            (format!("alarm: {} {}: {}", words("alarm"), text("subject"), text("detail")), theme.bad)
        }
        "server.alarm" => (format!("over: {} {}", words("alarm"), text("subject")), theme.good),
        "alarm.acknowledged" => (format!("{} noted by {}", text("alarm"), text("by")), theme.plain),
        "server.draining" => ("no new sessions are taken: the server drains".to_owned(), theme.warn),
        other => (other.to_owned(), theme.dim),
    }
}

fn tagged(event: &Happened) -> String {
    let list = |field: &str| {
        let tags = event.more.get(field).and_then(serde_json::Value::as_array).into_iter().flatten();
        tags.filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(" ")
    };
    match (list("added"), list("removed")) {
        (added, removed) if removed.is_empty() => format!("tagged {added}"),
        (added, removed) if added.is_empty() => format!("no longer tagged {removed}"),
        (added, removed) => format!("tagged {added}, no longer {removed}"),
    }
}
