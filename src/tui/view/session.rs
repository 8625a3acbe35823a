//! One session: who, its legs over time, its metadata as a tree, what happened, its SIP ladder. Side by side on a wide screen, one
//! at a time on a narrow one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pen::{clip, hundredths, length, meter, paint, put, put_all, spark, tenths, title};
use super::rows;
use super::sessions::{state_style, state_word};
use crate::api_answers::{Session, Stream};
use crate::archive::catalog::Person;
use crate::tui::answers::{clock, millis, name};
use crate::tui::frame::{self, below_title};
use crate::tui::history::{History, SECONDS, fill};
use crate::tui::state::{Opened, Pane, State};
use crate::tui::theme::Theme;

/// Rows of a leg: what it is, its level and its scores over time.
const LEG_ROWS: u16 = 5;

pub(super) fn draw(state: &State, theme: &Theme, tools: Rect, body: Rect, buffer: &mut Buffer) {
    let Some(opened) = &state.opened else {
        put(buffer, (body.x + 2, body.y + 1), body.width, "no session is chosen: 1 shows them", theme.dim);
        return;
    };
    who(state, opened, theme, tools, buffer);
    facts(&opened.session, theme, Rect { height: 1, ..body }, buffer);
    let bar = Rect { y: body.y + 1, height: 1, ..body };
    if frame::is_wide(state.size) {
        let areas = frame::session(state.size);
        legs(state, opened, theme, areas.legs, buffer);
        title(buffer, areas.people, "metadata", theme.head);
        people(&opened.session, theme, below_title(areas.people), buffer);
        title(buffer, areas.events, "events, gaps and pauses", theme.head);
        events(state, opened, theme, below_title(areas.events), buffer);
        sip(opened, theme, areas.sip, buffer);
        return;
    }
    let mut x = bar.x + 1;
    for pane in Pane::ALL {
        let style = if pane == opened.pane { theme.tab } else { theme.dim };
        x += put(buffer, (x, bar.y), bar.width, &format!(" {} ", pane.title()), style) + 1;
    }
    let area = frame::pane(state.size);
    match opened.pane {
        Pane::Legs => legs(state, opened, theme, area, buffer),
        Pane::People => people(&opened.session, theme, area, buffer),
        Pane::Events => events(state, opened, theme, area, buffer),
        Pane::Sip => sip(opened, theme, area, buffer),
    }
}

fn sip(opened: &Opened, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if opened.ladder.scroll.is_empty() {
        put(buffer, (area.x + 2, area.y + 1), area.width, "no SIP message is there yet", theme.dim);
    }
    rows::draw(&opened.ladder.scroll, theme, area, buffer);
}

/// State, time, parties.
fn who(state: &State, opened: &Opened, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let session = &opened.session;
    let (word, style) = match &opened.ended {
        Some(why) => (format!("ENDED ({})", why.replace('_', " ")), theme.warn),
        None => (state_word(session).to_owned(), state_style(session, theme)),
    };
    let started = session.started_at.as_deref().and_then(millis);
    let time = match (&opened.ended, started) {
        (None, Some(started)) => length(state.now - started),
        (Some(_), _) | (None, None) => String::new(),
    };
    let parties = format!("  {} -> {}", name(session.caller.as_ref()), name(session.callee.as_ref()));
    let alarms: Vec<String> = session.alarms.iter().map(|alarm| alarm.alarm.replace('_', " ")).collect();
    let alarms = if alarms.is_empty() { String::new() } else { format!("  {}", alarms.join(", ")) };
    let until =
        session.pause_ends_at.as_deref().map(|ends| format!("  paused until {}", clock(ends))).unwrap_or_default();
    let tags = if session.tags.is_empty() { String::new() } else { format!("  tags: {}", session.tags.join(" ")) };
    let words = [
        (" ", theme.plain),
        (&word, style),
        ("  ", theme.plain),
        (&time, theme.plain),
        (&parties, theme.accent),
        (&alarms, theme.bad),
        (&until, theme.warn),
        (&tags, theme.accent),
    ];
    put_all(buffer, area, words);
}

/// SRC, peer, transport, ids.
fn facts(session: &Session, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let src = match &session.src {
        Some(src) => format!(" {src} over {}", session.transport),
        None => " begun over the API, without SIP".to_owned(),
    };
    let maker = session.vendor.as_deref().map(|vendor| format!(", {vendor}")).unwrap_or_default();
    let peer = session.peer.as_deref().map(|peer| format!(", peer {peer}")).unwrap_or_default();
    let since = session.started_at.as_deref().map(|at| format!(", since {}", clock(at))).unwrap_or_default();
    let id = format!("  {}", session.id);
    let words = [&src, &maker, &peer, &since, &id];
    put_all(buffer, area, words.into_iter().map(|word| (word.as_str(), theme.dim)));
}

fn legs(state: &State, opened: &Opened, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let session = &opened.session;
    for (place, stream) in session.streams.iter().enumerate() {
        let y = area.y + u16::try_from(place).unwrap_or(u16::MAX / LEG_ROWS).saturating_mul(LEG_ROWS);
        if y + LEG_ROWS > area.bottom() + 1 {
            let more = format!(" and {} more", session.streams.len() - place);
            put(buffer, (area.x, area.bottom() - 1), area.width, &more, theme.dim);
            return;
        }
        let history = state.histories.stream(&session.id, stream.number);
        leg(stream, history, theme, Rect { y, height: LEG_ROWS.min(area.bottom() - y), ..area }, buffer);
    }
    if session.streams.is_empty() {
        put(buffer, (area.x + 2, area.y + 1), area.width, "it has no streams", theme.dim);
    }
}

/// ```text
///  1  label 1  alice                     PCMA/8000  srtp  192.0.2.10:4000 -> :10000
///     level  ████████▌···········  -18 dB    50 packets/s
///     MOS 4.41   loss 0.00 %   jitter 2.3 ms
///     ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
/// ```
fn leg(stream: &Stream, history: Option<&History>, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    const METER: usize = 20;
    let who: Vec<&str> = stream.speakers.iter().map(Person::label).collect();
    let who = if who.is_empty() { stream.media.clone() } else { who.join(", ") };
    let label = stream.label.as_deref().map(|label| format!("label {label}  ")).unwrap_or_default();
    let codec = history.and_then(|history| history.codec.clone());
    let codec = codec.or_else(|| stream.codecs.first().cloned()).unwrap_or_default();
    let srtp = match (&stream.suite, stream.srtp) {
        (Some(suite), true) => format!("  {suite}"),
        (None, true) => "  SRTP, no key yet".to_owned(),
        (_, false) => String::new(),
    };
    let from = stream.remote.map_or_else(|| "?".to_owned(), |remote| remote.to_string());
    let port = stream.local.map(|local| local.port().to_string()).unwrap_or_default();
    let path = format!("  {codec}{srtp}  {from} -> :{port}");
    let paused = stream.paused.as_deref().map(|why| format!("  paused: {}", why.replace('_', " "))).unwrap_or_default();
    let number = format!(" {}  ", stream.number + 1);
    let row = |line: u16| Rect { y: area.y + line, height: 1, ..area };
    let words = [
        (number.as_str(), theme.head),
        (&label, theme.dim),
        (&who, theme.accent),
        (&path, theme.dim),
        (&paused, theme.warn),
    ];
    put_all(buffer, row(0), words);
    let Some((history, last)) = history.and_then(|history| Some((history, history.last()?))) else {
        put(buffer, (area.x + 4, area.y + 1), area.width - 4, "nothing is known of it yet", theme.dim);
        return;
    };
    let bar = meter(fill(last.level, METER * 8), METER);
    let level = last.level.map_or_else(|| "-".to_owned(), |level| format!("{level} dB"));
    let talks = if last.talks { theme.good } else { theme.dim };
    let rate = format!("  {level:>7}  {:>4} packets/s", last.packets);
    put_all(buffer, row(1), [("    level ", theme.dim), (&bar, talks), (&rate, theme.plain)]);
    let (mos, loss) = (hundredths(last.mos.map(u64::from)), hundredths(history.loss()));
    let (loss, jitter) = (format!("{loss} %"), format!("{} ms", tenths(Some(last.jitter))));
    let words = [
        ("    MOS ", theme.dim),
        (&mos, theme.mos(last.mos)),
        ("   loss ", theme.dim),
        (&loss, theme.loss(history.loss())),
        ("   jitter ", theme.dim),
        (&jitter, theme.jitter(Some(last.jitter))),
    ];
    put_all(buffer, row(2), words);
    over_time(history, theme, row(3), buffer);
}

/// Levels in the row of one leg, coloured by how it sounded: a gap of packets is a gap here.
fn over_time(history: &History, theme: &Theme, row: Rect, buffer: &mut Buffer) {
    const BEGINS: u16 = 4;
    let seconds = SECONDS.min(usize::from(row.width.saturating_sub(BEGINS + 1)));
    for (place, moment) in history.last_ones(seconds).enumerate() {
        let x = row.x + BEGINS + u16::try_from(place).unwrap_or(0);
        let level = (moment.packets > 0).then(|| fill(moment.level, 8) as f32 / 8.0);
        let (char, style) = match level {
            Some(level) => (spark(Some(level)), theme.mos(moment.mos)),
            None => ('.', theme.dim),
        };
        put(buffer, (x, row.y), 1, char.encode_utf8(&mut [0; 4]), style);
    }
}

/// Session, recordings, streams, people.
fn people(session: &Session, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    for (line, (text, style)) in tree(session, theme).iter().enumerate() {
        let y = area.y + u16::try_from(line).unwrap_or(u16::MAX);
        if y >= area.bottom() {
            return;
        }
        put(buffer, (area.x + 1, y), area.width - 1, text, *style);
    }
}

fn tree(session: &Session, theme: &Theme) -> Vec<(String, Style)> {
    let address = |person: &Person| {
        let aor = person.aor.clone().unwrap_or_default();
        person
            .name
            .as_ref()
            .filter(|name| !name.is_empty())
            .map_or_else(|| aor.clone(), |name| format!("{name} <{aor}>"))
    };
    let mut lines = vec![(format!("recording session {}", session.id), theme.accent)];
    lines.push((format!("├ Call-ID {}", session.call_id), theme.dim));
    if !session.tags.is_empty() {
        lines.push((format!("├ tags {}", session.tags.join(" ")), theme.accent));
    }
    for recording in &session.recordings {
        lines.push((format!("├ recording {}", recording.id), theme.plain));
        if let Some(of) = &recording.communication_session {
            lines.push((format!("│ └ communication session {of}"), theme.dim));
        }
    }
    for (role, person) in [("caller", &session.caller), ("callee", &session.callee)] {
        if let Some(person) = person {
            lines.push((format!("├ {role} {}", address(person)), theme.plain));
        }
    }
    let last = session.streams.len().saturating_sub(1);
    for (place, stream) in session.streams.iter().enumerate() {
        let (branch, rail) = if place == last { ("└", " ") } else { ("├", "│") };
        let label = stream.label.as_deref().unwrap_or("without a label");
        let codecs = stream.codecs.join(", ");
        lines.push((format!("{branch} stream {} {} {label}: {codecs}", stream.number + 1, stream.media), theme.plain));
        for (place, speaker) in stream.speakers.iter().enumerate() {
            let branch = if place + 1 == stream.speakers.len() { "└" } else { "├" };
            lines.push((format!("{rail} {branch} from {}", address(speaker)), theme.accent));
        }
    }
    lines
}

fn events(state: &State, opened: &Opened, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let (top, at) = (opened.events.top, opened.events.at);
    let shown = state.events_of(&opened.session.id).skip(top).take(usize::from(area.height));
    let mut rows = 0;
    for (line, event) in shown.enumerate() {
        let y = area.y + u16::try_from(line).unwrap_or(0);
        let (text, style) = super::system::told(event, theme);
        put(buffer, (area.x + 1, y), 8, clock(&event.at), theme.dim);
        put(buffer, (area.x + 11, y), area.width - 11, &clip(&text, usize::from(area.width - 11)), style);
        if top + line == at && opened.pane == Pane::Events {
            paint(buffer, Rect { y, height: 1, ..area }, theme.chosen);
        }
        rows += 1;
    }
    if rows == 0 {
        put(buffer, (area.x + 2, area.y), area.width, "nothing is remembered of it", theme.dim);
    }
}
