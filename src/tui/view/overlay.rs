//! What lies above a view: help, questions, lines to be typed, texts to be read.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget as _};

use super::pen::{put, put_all, width};
use crate::tui::cursor::Typed;
use crate::tui::frame;
use crate::tui::state::{Overlay, State};
use crate::tui::theme::Theme;

/// All keys.
const HELP: [(&str, &str); 44] = [
    ("", "Everywhere"),
    ("1 2 3 4, Tab", "Sessions, Session, Recordings, System"),
    ("j k, arrows", "down, up; the wheel too"),
    ("g G, Home End", "first, last"),
    ("Ctrl-D Ctrl-U", "half a page down, up"),
    ("PgDn PgUp", "a page down, up"),
    ("click", "choose; on what is chosen: open it"),
    ("S", "save what is seen as SVG or text, for a ticket"),
    ("Ctrl-Z", "to the shell; fg comes back"),
    ("q, Ctrl-C", "quit"),
    ("", "Sessions"),
    ("/", "filter as you type: names, numbers, ids, SRC, vendor, codec, tags, paused"),
    ("Esc", "show all again"),
    ("o, O", "order by the next column; the other way round"),
    ("Enter", "look at the session"),
    ("p, r", "pause, resume: nothing of a paused session reaches the disk"),
    ("s", "stop it with BYE, after a question"),
    ("t", "tag its recordings; -name takes a tag away"),
    ("l", "listen: by a program, into a file or a pipe; again: no more"),
    ("", "Session"),
    ("Left Right, [ ]", "legs, metadata, events, SIP"),
    ("j k", "choose a message or an event; < > left, right"),
    ("Enter", "read the message"),
    ("p r s t l", "as in Sessions"),
    ("Esc", "back"),
    ("", "Recordings"),
    ("/", "search; Enter asks"),
    ("  words", "in names, addresses, ids and labels; mül* begins so"),
    ("  4711", "three digits or more: a number ends so"),
    ("  since: until:", "2h, 7d, yesterday, 2026-11-23, 2026-11-23T09:30:00Z"),
    ("  who: caller:", "part of a name, an address, a number; also callee:"),
    ("  min: max: loss:", "30s, 5m; percent of packets lost"),
    ("  call: label: tag:", "an id of the call; a label; a tag; also vendor:, state:"),
    ("  faulty held", "with faults in the proof sheet; under a legal hold"),
    ("Enter", "its proof sheet and waveform"),
    ("w", "save its audio to a file"),
    ("t", "tag it; -name takes a tag away"),
    ("R", "search again"),
    ("", "System"),
    ("j k", "choose an alarm"),
    ("a", "acknowledge it: others see that you are at it"),
    ("Enter", "look at its session"),
    ("", "Levels are dB of full scale from -60; green: somebody talks."),
    ("", "MOS is an estimate (ITU-T G.107) from codec, loss and bursts."),
];

pub(super) fn draw(state: &State, shown: &Overlay, theme: &Theme, buffer: &mut Buffer) {
    match shown {
        Overlay::Help(top) => help(&HELP, *top, theme, buffer),
        Overlay::Confirm { question, warning, .. } => {
            let inner = dialog(state.size, width(question).max(width(warning)), 4, theme, buffer);
            put(buffer, (inner.x, inner.y), inner.width, question, theme.warn);
            put(buffer, (inner.x, inner.y + 1), inner.width, warning, theme.plain);
            let answers = [("y", theme.accent), (" yes   ", theme.plain), ("n", theme.accent), (" no", theme.plain)];
            put_all(buffer, Rect { y: inner.y + 3, height: 1, ..inner }, answers);
        }
        Overlay::Prompt { purpose, typed } => prompt(purpose.label(), typed, theme, buffer),
        Overlay::Text { title, lines, cursor } => {
            let inner = framed(frame::overlay(state.size), title, theme, buffer);
            for (line, text) in lines.iter().skip(cursor.at).take(usize::from(inner.height)).enumerate() {
                let y = inner.y + u16::try_from(line).unwrap_or(0);
                put(buffer, (inner.x, y), inner.width, text, theme.plain);
            }
        }
    }
}

/// A line to be typed.
pub(in crate::tui) fn prompt(label: &str, typed: &Typed, theme: &Theme, buffer: &mut Buffer) {
    let inner = dialog((buffer.area.width, buffer.area.height), 76, 3, theme, buffer);
    put(buffer, (inner.x, inner.y), inner.width, label, theme.head);
    // The end of what is typed is what matters.
    let room = usize::from(inner.width).saturating_sub(1);
    let skipped = typed.0.chars().count().saturating_sub(room);
    let seen: String = typed.0.chars().skip(skipped).collect();
    let line = |line: u16| Rect { y: inner.y + line, height: 1, ..inner };
    put_all(buffer, line(1), [(seen.as_str(), theme.accent), ("▏", theme.plain)]);
    let keys = [("Enter", theme.accent), (" do it   ", theme.dim), ("Esc", theme.accent), (" leave it", theme.dim)];
    put_all(buffer, line(2), keys);
}

/// Keys and what they do, from one of them on; an empty key begins a part.
pub(in crate::tui) fn help(keys: &[(&str, &str)], top: usize, theme: &Theme, buffer: &mut Buffer) {
    let whole = frame::overlay((buffer.area.width, buffer.area.height));
    let height = whole.height.min(u16::try_from(keys.len()).unwrap_or(u16::MAX).saturating_add(2));
    let area = Rect { width: whole.width.min(100), height, ..whole };
    let inner = framed(area, "help: j and k scroll, any other key leaves it", theme, buffer);
    let top = top.min(keys.len().saturating_sub(usize::from(inner.height)));
    for (line, (key, what)) in keys.iter().skip(top).take(usize::from(inner.height)).enumerate() {
        let y = inner.y + u16::try_from(line).unwrap_or(0);
        if key.is_empty() {
            put(buffer, (inner.x, y), inner.width, what, theme.head);
        } else {
            put(buffer, (inner.x + 2, y), 18, key, theme.accent);
            put(buffer, (inner.x + 21, y), inner.width.saturating_sub(21), what, theme.plain);
        }
    }
}

/// A frame in the middle, for so many columns and rows; its inside.
fn dialog((width, height): (u16, u16), columns: usize, rows: u16, theme: &Theme, buffer: &mut Buffer) -> Rect {
    let columns = u16::try_from(columns).unwrap_or(u16::MAX).saturating_add(4).min(width);
    let area =
        Rect { x: (width - columns) / 2, y: height.saturating_sub(rows + 2) / 2, width: columns, height: rows + 2 };
    framed(area, "", theme, buffer)
}

fn framed(area: Rect, title: &str, theme: &Theme, buffer: &mut Buffer) -> Rect {
    // The screen may have shrunk since the state heard of its size.
    let area = area.intersection(buffer.area);
    Clear.render(area, buffer);
    buffer.set_style(area, theme.plain);
    let block = Block::bordered().border_style(theme.head);
    let inner = block.inner(area);
    block.render(area, buffer);
    if !title.is_empty() {
        put(buffer, (area.x + 2, area.y), area.width.saturating_sub(4), &format!(" {title} "), theme.head);
    }
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}
