//! The list of calls.
//!
//! ```text
//!      TIME     METHOD    FROM          TO            STATE         MSGS   RTP
//!  ┌ R 14:13:20 INVITE    Ann           Bob, Cho      ended           11   2
//!  └   14:13:20 INVITE    Ann 4711      4712          ended            7   2 !
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use siprec_core::trace::{Call, State as CallState};

use super::calls::{Line, Link, Sort, parties, state_word};
use super::state::State;
use crate::tui::frame;
use crate::tui::theme::Theme;
use crate::tui::view::pen::{paint, put, put_right};

/// `09:29:00`, and before it `2026-11-30 ` on a screen that is as wide as this.
const CLOCK: u16 = 8;
const DAY: u16 = 11;
const DATED: u16 = 130;

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Whether it is a recording session, and which rows belong together.
    Mark,
    By(Sort),
    Addresses,
    CallId,
}

/// Of a table of this width: what, and how many columns.
fn columns(width: u16) -> Vec<(Cell, u16)> {
    // The narrowest screen that a column is on; no width is a share of what is left.
    const ALL: [(Cell, u16, u16); 10] = [
        (Cell::Mark, 3, 0),
        (Cell::By(Sort::Time), CLOCK, 0),
        (Cell::By(Sort::Method), 9, 0),
        (Cell::By(Sort::From), 0, 0),
        (Cell::By(Sort::To), 0, 0),
        (Cell::Addresses, 43, 130),
        (Cell::CallId, 36, 190),
        (Cell::By(Sort::State), 12, 0),
        (Cell::By(Sort::Messages), 5, 0),
        (Cell::By(Sort::Streams), 5, 0),
    ];
    let shown = || ALL.iter().filter(|(_, _, from)| width >= *from);
    // A blank before each, and one at the end.
    let fixed: u16 = shown().map(|(_, width, _)| width + 1).sum();
    let left = width.saturating_sub(fixed + 1);
    let date = if width >= DATED { DAY } else { 0 };
    let left = left.saturating_sub(date);
    let share = |cell: &Cell, width: u16| match cell {
        Cell::By(Sort::Time) => width + date,
        Cell::By(Sort::From) => left / 2,
        Cell::By(Sort::To) => left - left / 2,
        Cell::Mark | Cell::By(_) | Cell::Addresses | Cell::CallId => width,
    };
    shown().map(|(cell, width, _)| (*cell, share(cell, *width))).collect()
}

/// What the list is sorted by by a click on its head.
pub(super) fn sort_at(width: u16, x: u16) -> Option<Sort> {
    let mut end = 1;
    for (cell, width) in columns(width) {
        end += width + 1;
        if x < end {
            return Sort::ALL.into_iter().find(|sort| Cell::By(*sort) == cell);
        }
    }
    None
}

impl Cell {
    fn title(self) -> &'static str {
        match self {
            Self::Mark => "",
            Self::By(sort) => sort.title(),
            Self::Addresses => "ADDRESSES",
            Self::CallId => "CALL-ID",
        }
    }

    fn is_right(self) -> bool {
        [Sort::Messages, Sort::Streams].map(Cell::By).contains(&self)
    }
}

/// The filter, how many are shown, and by what they are sorted.
pub(super) fn tools(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let table = &state.table;
    let is_plain = state.typed.0.is_empty() && !state.is_typing;
    let caret = if state.is_typing { "▏" } else { "" };
    let filter = if is_plain { " / filter".to_owned() } else { format!(" / {}{caret}", state.typed.0) };
    put(buffer, (area.x, area.y), area.width, &filter, if is_plain { theme.dim } else { theme.accent });
    let (shown, all) = table.calls();
    let count = if shown == all { format!("{all}") } else { format!("{shown} of {all}") };
    let way = if table.reversed { ", reversed" } else { "" };
    let right = format!("{count} calls, by {}{way} ", table.sort.title().to_lowercase());
    let width = u16::try_from(right.len()).unwrap_or(area.width).min(area.width);
    put_right(buffer, (area.right() - width, area.y), width, &right, theme.dim);
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let columns = columns(area.width);
    let mut x = area.x + 1;
    for (cell, width) in &columns {
        let style = if *cell == Cell::By(state.table.sort) { theme.accent } else { theme.head };
        write(buffer, (x, area.y), *width, *cell, cell.title(), style);
        x += width + 1;
    }
    let rows = frame::table_rows((area.width, buffer.area.height));
    let shown = state.table.shown(state.table.cursor.top, usize::from(rows.height));
    for (place, (line, link)) in shown.enumerate() {
        let y = rows.y + u16::try_from(place).unwrap_or(0);
        row(state, line, link, theme, (&columns, y), buffer);
        if state.table.cursor.top + place == state.table.cursor.at {
            paint(buffer, Rect { y, height: 1, ..rows }, theme.chosen);
        }
    }
    if state.table.shown_count() == 0 {
        put(buffer, (rows.x + 2, rows.y + 1), rows.width, "no call has all of these words: Esc shows all", theme.dim);
    }
}

fn write(buffer: &mut Buffer, at: (u16, u16), width: u16, cell: Cell, text: &str, style: Style) {
    if cell.is_right() {
        put_right(buffer, at, width, text, style);
    } else {
        put(buffer, at, width, text, style);
    }
}

fn row(
    state: &State,
    line: &Line,
    link: Link,
    theme: &Theme,
    (columns, y): (&[(Cell, u16)], u16),
    buffer: &mut Buffer,
) {
    let Some((place, call)) = line.call.and_then(|place| Some((place, state.story.calls.get(place)?))) else {
        let strays = state.story.streams.iter().filter(|stream| stream.line.is_none()).count();
        let streams = if strays == 1 { "stream" } else { "streams" };
        let text = format!("{strays} RTP {streams} that no description of the capture names");
        put(buffer, (5, y), buffer.area.width, &text, theme.media);
        return;
    };
    let (from, to) = parties(call);
    let faults = line.faults.unwrap_or(0);
    let mut x = 1;
    for (cell, width) in columns {
        let (text, style) = match cell {
            Cell::Mark => (format!("{} {}", bracket(link), if call.is_recording() { "R" } else { "" }), theme.accent),
            Cell::By(Sort::Time) => (began(call, *width), theme.dim),
            Cell::By(Sort::Method) => (call.method.clone(), theme.plain),
            Cell::By(Sort::From) => (from.clone(), theme.plain),
            Cell::By(Sort::To) => (to.clone(), theme.plain),
            Cell::Addresses => (format!("{} > {}", call.caller_address, call.callee_address), theme.dim),
            Cell::CallId => (call.id.clone(), theme.dim),
            Cell::By(Sort::State) => (state_word(&call.state), state_style(call, theme)),
            Cell::By(Sort::Messages) => (call.messages.len().to_string(), theme.plain),
            Cell::By(Sort::Streams) => {
                let streams = state.story.stream_places(place).count();
                let mark = if faults > 0 { "!" } else { " " };
                (format!("{streams} {mark}"), if faults > 0 { theme.bad } else { theme.media })
            }
        };
        write(buffer, (x, y), *width, *cell, &text, style);
        x += width + 1;
    }
}

/// When it began, as far as there is room.
fn began(call: &Call, columns: u16) -> String {
    let at = call.began_at.rfc3339();
    let from = if columns > CLOCK { 0 } else { usize::from(DAY) };
    at.get(from..usize::from(DAY + CLOCK)).unwrap_or_default().replace('T', " ")
}

fn bracket(link: Link) -> char {
    match link {
        Link::Alone => ' ',
        Link::Hidden => '·',
        Link::First => '┌',
        Link::Middle => '│',
        Link::Last => '└',
    }
}

fn state_style(call: &Call, theme: &Theme) -> Style {
    match call.state {
        CallState::Refused(_) => theme.bad,
        CallState::Transaction(Some(300..) | None)
        | CallState::Trying
        | CallState::Ringing(_)
        | CallState::Cancelled
        | CallState::Within => theme.warn,
        CallState::Established | CallState::Ended(_) | CallState::Transaction(Some(_)) => theme.good,
    }
}
