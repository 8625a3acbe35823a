//! What is seen of a capture, of the state alone.
//!
//! ```text
//!  siprec trace  day.pcap                                  a recording session and its call
//!   Ladder   Messages   Metadata        (or the filter, or the title of what is read)
//!  rows, and beside them on a wide screen what the chosen one is about
//!  keys
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::columns;
use super::opened::{Opened, Part};
use super::reading::{self, Reading};
use super::state::{Overlay, State};
use crate::tui::frame;
use crate::tui::state::Purpose;
use crate::tui::theme::Theme;
use crate::tui::view::pen::{self, paint, put, put_right};
use crate::tui::view::{overlay, rows, screen};

/// All keys.
const HELP: &[(&str, &str)] = &[
    ("", "Everywhere"),
    ("j k, arrows", "down, up; the wheel too"),
    ("g G, Home End", "first, last"),
    ("Ctrl-D Ctrl-U", "half a page down, up"),
    ("PgDn PgUp", "a page down, up"),
    ("click", "choose; on what is chosen: open it"),
    ("S", "save what is seen as SVG or text, for a ticket"),
    ("Ctrl-Z", "to the shell; fg comes back"),
    ("q, Ctrl-C", "quit"),
    ("", "Calls"),
    ("R", "a recording session; ┌ │ └ join what is of it"),
    ("·", "others that belong to it are filtered out"),
    ("!", "less audio than there should be: see its ladder"),
    ("/", "filter as you type: names, numbers, addresses, ids,"),
    (" ", "methods, states, vendor, recording; all words of it"),
    ("Esc", "show all again"),
    ("o, O", "order by the next column; the other way round"),
    ("click on a head", "order by it; once more: the other way round"),
    ("Enter", "look at the call, and those that belong to it"),
    ("", "Call"),
    ("l m d", "its ladder; its messages; what its metadata changed"),
    ("Left Right, [ ]", "the same, one after the other; Tab too"),
    ("n p", "the next message or stream, the one before"),
    ("< >", "left, right, where rows are wider than the screen"),
    ("Enter", "read the message; all that is known of the stream"),
    ("Esc, h", "back to the calls"),
    ("", "Message, stream"),
    ("j k ...", "scroll"),
    ("n p", "the next one, the one before"),
    ("Esc, q, h", "back to the call"),
    ("", "Keys and passwords in messages are blanked."),
    ("", "↳ begins what did not fit in its line."),
    ("", "+ - ~ in the ladder: what a metadata document added, took away, changed."),
    ("", "═══ is a stream of RTP, from its first packet on."),
    ("", "MOS is an estimate (ITU-T G.107) from codec, loss and bursts."),
    ("", "Times are UTC."),
];

/// Where what is, while a call is looked at.
pub(super) struct Areas {
    /// Rows of a part.
    pub(super) rows: Rect,
    /// What the chosen row is about, on a wide screen.
    pub(super) preview: Option<Rect>,
    /// What is read in full.
    pub(super) whole: Rect,
}

/// Of a screen of this size.
pub(super) fn areas(size: (u16, u16)) -> Areas {
    let body = frame::areas(size).body;
    let whole = Rect { x: 1, width: body.width.saturating_sub(2), ..body };
    if !frame::is_wide(size) {
        return Areas { rows: body, preview: None, whole };
    }
    let rows = Rect { width: body.width * 3 / 5, ..body };
    let preview = Rect { x: rows.width + 1, width: body.width - rows.width - 1, ..body };
    Areas { rows, preview: Some(preview), whole }
}

/// Where the title of a part is.
pub(super) fn part(part: Part) -> Rect {
    let mut x = 1;
    for known in Part::ALL {
        // Blanks round it.
        let width = u16::try_from(known.title().len()).unwrap_or(0) + 2;
        if known == part {
            return Rect { x, y: 1, width, height: 1 };
        }
        x += width + 1;
    }
    Rect::default()
}

pub(super) fn draw(state: &State, theme: &Theme, buffer: &mut Buffer) {
    let area = buffer.area;
    paint(buffer, area, theme.plain);
    if screen::is_too_small(theme, buffer) {
        return;
    }
    let size = (area.width, area.height);
    let frame::Areas { tabs, tools, body, status } = frame::areas(size);
    title(state, theme, tabs, buffer);
    match &state.opened {
        None => {
            columns::tools(state, theme, tools, buffer);
            columns::draw(state, theme, body, buffer);
        }
        Some(Opened { reading: Some(reading), .. }) => read(state, reading, theme, tools, buffer),
        Some(opened) => call(state, opened, theme, tools, buffer),
    }
    match &state.notice {
        Some(notice) => screen::notice(notice, theme, status, buffer),
        None => screen::keys(&keys(state), theme, status, buffer),
    }
    match &state.overlay {
        Some(Overlay::Help(top)) => overlay::help(HELP, *top, theme, buffer),
        Some(Overlay::Picture(typed)) => overlay::prompt(Purpose::Picture.label(), typed, theme, buffer),
        None => {}
    }
}

/// What was read, and what of it is looked at.
fn title(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let used = put(buffer, (1, area.y), area.width, "siprec trace", theme.accent) + 3;
    let right = match &state.opened {
        Some(opened) => opened.title(&state.story),
        None => format!("{} messages, {} RTP streams", state.story.messages.len(), state.story.streams.len()),
    };
    let width = u16::try_from(pen::width(&right)).unwrap_or(u16::MAX).min(area.width * 2 / 3);
    let at = area.right().saturating_sub(width + 1);
    put_right(buffer, (at, area.y), width, &right, theme.head);
    put(buffer, (used, area.y), at.saturating_sub(used + 1), &state.name, theme.dim);
}

fn call(state: &State, opened: &Opened, theme: &Theme, tools: Rect, buffer: &mut Buffer) {
    for known in Part::ALL {
        let place = part(known);
        let style = if known == opened.part { theme.tab } else { theme.dim };
        put(buffer, (place.x, place.y), place.width, &format!(" {} ", known.title()), style);
    }
    let scroll = opened.scroll();
    let place = format!("{} of {} ", scroll.at() + 1, scroll.count());
    put_right(buffer, (tools.x, tools.y), tools.width, &place, theme.dim);
    let areas = areas((buffer.area.width, buffer.area.height));
    if scroll.is_empty() {
        let none = match opened.part {
            Part::Metadata => "no message of it brought recording metadata",
            Part::Ladder | Part::Messages => "it has no messages",
        };
        put(buffer, (areas.rows.x + 2, areas.rows.y + 1), areas.rows.width, none, theme.dim);
        return;
    }
    rows::draw(scroll, theme, areas.rows, buffer);
    if let Some(area) = areas.preview {
        preview(state, opened, theme, area, buffer);
    }
}

/// What the chosen row is about, as far as there is room.
fn preview(state: &State, opened: &Opened, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let subject = opened.scroll().subject();
    let below = frame::below_title(area);
    let read = reading::rows(&state.story, subject, usize::from(below.width));
    let title = if read.len() > usize::from(below.height) { "Enter shows all of it" } else { "Enter reads it" };
    if !read.is_empty() {
        pen::title(buffer, area, title, theme.head);
    }
    for (line, row) in read.iter().take(usize::from(below.height)).enumerate() {
        let y = below.y + u16::try_from(line).unwrap_or(0);
        rows::put_row(row, theme, Rect { y, height: 1, ..below }, buffer);
    }
}

fn read(state: &State, reading: &Reading, theme: &Theme, tools: Rect, buffer: &mut Buffer) {
    let area = areas((buffer.area.width, buffer.area.height)).whole;
    let height = usize::from(area.height);
    let top = reading.cursor.at.min(reading.last_top(height));
    let place = match reading.rows.len() {
        all if all > height => format!(" {}-{} of {all} ", top + 1, (top + height).min(all)),
        _ => String::new(),
    };
    let width = u16::try_from(pen::width(&place)).unwrap_or(0);
    put_right(buffer, (tools.x, tools.y), tools.width, &place, theme.dim);
    if let Some(title) = reading::title(&state.story, reading.subject) {
        let room = Rect { x: tools.x + 1, width: tools.width.saturating_sub(width + 1), ..tools };
        rows::put_row(&title, theme, room, buffer);
    }
    for (line, row) in reading.rows.iter().skip(top).take(height).enumerate() {
        let y = area.y + u16::try_from(line).unwrap_or(0);
        rows::put_row(row, theme, Rect { y, height: 1, ..area }, buffer);
    }
}

fn keys(state: &State) -> Vec<(&'static str, &'static str)> {
    if state.is_typing {
        return vec![("Enter", "keep the filter"), ("Esc", "show all"), ("Up/Down", "choose")];
    }
    let of_view = match &state.opened {
        None => vec![("Enter", "open"), ("/", "filter"), ("o/O", "order"), ("S", "picture"), ("q", "quit")],
        Some(opened) if opened.reading.is_some() => {
            vec![("Esc", "back"), ("n/p", "next, before"), ("j/k", "scroll"), ("S", "picture")]
        }
        Some(opened) => {
            let mut keys = vec![("Esc", "back"), ("Enter", "read"), ("n/p", "next, before"), ("l m d", "part")];
            if opened.scroll().is_wider(areas(state.size).rows.width) {
                keys.push(("< >", "left, right"));
            }
            [keys, vec![("S", "picture"), ("q", "quit")]].concat()
        }
    };
    [vec![("?", "help")], of_view].concat()
}
