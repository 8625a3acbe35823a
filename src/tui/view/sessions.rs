//! The live sessions.
//!
//! ```text
//!  STATE     TIME CALLER          CALLEE          SRC          LOSS%  JIT ms  MOS  LEVELS
//!  REC       1:05 alice           bob             acme-sbc      0.00     2.3 4.41  ███▌ ██··
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::pen::{clip, hundredths, length, meter, paint, put, put_right, spark, tenths};
use crate::api_answers::Session;
use crate::tui::answers::name;
use crate::tui::frame;
use crate::tui::history::{Histories, Worst, fill};
use crate::tui::state::{State, Typing};
use crate::tui::table::{Line, Sort};
use crate::tui::theme::Theme;

/// Cells of a leg's meter, and legs that are shown.
const METER: usize = 4;
const LEGS: usize = 2;

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    By(Sort),
    Codec,
    Srtp,
    Trend,
    Levels,
}

/// A column: what, and how wide. None of names and addresses, which share what is left.
struct Column {
    cell: Cell,
    width: u16,
}

/// Of a table of this width.
fn columns(width: u16) -> Vec<Column> {
    // The narrowest screen that a column is on.
    const ALL: [(Cell, u16, u16); 13] = [
        (Cell::By(Sort::State), 5, 0),
        (Cell::By(Sort::Since), 7, 0),
        (Cell::By(Sort::Caller), 0, 0),
        (Cell::By(Sort::Callee), 0, 0),
        (Cell::By(Sort::Src), 0, 0),
        (Cell::By(Sort::Vendor), 12, 120),
        (Cell::Codec, 9, 110),
        (Cell::Srtp, 4, 110),
        (Cell::By(Sort::Loss), 5, 0),
        (Cell::By(Sort::Jitter), 6, 0),
        (Cell::By(Sort::Mos), 4, 0),
        (Cell::Trend, 20, 140),
        (Cell::Levels, 9, 0),
    ];
    let shown = || ALL.iter().filter(|(_, _, from)| width >= *from);
    // A blank before each.
    let fixed: u16 = shown().map(|(_, width, _)| width + 1).sum();
    let left = width.saturating_sub(fixed);
    let wide = |cell: Cell, width: u16| match cell {
        Cell::By(Sort::Caller) => left * 7 / 20,
        Cell::By(Sort::Callee) => left * 7 / 20,
        Cell::By(Sort::Src) => left - 2 * (left * 7 / 20),
        Cell::By(_) | Cell::Codec | Cell::Srtp | Cell::Trend | Cell::Levels => width,
    };
    shown().map(|(cell, width, _)| Column { cell: *cell, width: wide(*cell, *width) }).collect()
}

/// What the table is sorted by by a click on its head.
pub(in crate::tui) fn sort_at(width: u16, x: u16) -> Option<Sort> {
    let mut end = 1;
    for column in columns(width) {
        end += column.width + 1;
        if x < end {
            return Sort::ALL.into_iter().find(|sort| Cell::By(*sort) == column.cell);
        }
    }
    None
}

impl Cell {
    fn is_right(self) -> bool {
        [Sort::Since, Sort::Loss, Sort::Jitter, Sort::Mos].map(Cell::By).contains(&self)
    }

    fn title(self) -> &'static str {
        match self {
            Self::By(Sort::Loss) => "LOSS%",
            Self::By(Sort::Jitter) => "JIT ms",
            Self::By(sort) => sort.title(),
            Self::Codec => "CODEC",
            Self::Srtp => "SRTP",
            Self::Trend => "MOS, LAST 20 s",
            Self::Levels => "LEVELS",
        }
    }
}

/// The sort, the filter and how many are shown.
pub(super) fn tools(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let table = &state.table;
    let is_typed = state.typing == Typing::Filter;
    let caret = if is_typed { "▏" } else { "" };
    let filter = format!(" / {}{caret}", state.filter.0);
    let style = if is_typed || !state.filter.0.is_empty() { theme.accent } else { theme.dim };
    let (shown, all) = (table.shown_count(), table.count());
    let count = if shown == all { format!("{all}") } else { format!("{shown} of {all}") };
    let way = if table.reversed { ", reversed" } else { "" };
    let paused = match table.paused() {
        0 => String::new(),
        paused => format!(" ({paused} paused)"),
    };
    let right = format!("{count} sessions{paused}, by {}{way} ", table.sort.title().to_lowercase());
    let filter = if state.filter.0.is_empty() && !is_typed { " / filter".to_owned() } else { filter };
    put(buffer, (area.x, area.y), area.width, &filter, style);
    let width = u16::try_from(right.len()).unwrap_or(area.width).min(area.width);
    put_right(buffer, (area.right() - width, area.y), width, &right, theme.dim);
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let columns = columns(area.width);
    let mut x = area.x + 1;
    for column in &columns {
        let is_sorted = column.cell == Cell::By(state.table.sort);
        let style = if is_sorted { theme.accent } else { theme.head };
        let write = if column.cell.is_right() { put_right } else { put_left };
        write(buffer, (x, area.y), column.width, column.cell.title(), style);
        x += column.width + 1;
    }
    let rows = frame::table_rows(state.size);
    let cursor = state.table.cursor;
    for (place, line) in state.table.shown(cursor.top, usize::from(rows.height)).enumerate() {
        let y = rows.y + u16::try_from(place).unwrap_or(0);
        row(state, theme, &columns, line, y, buffer);
        if cursor.top + place == cursor.at {
            paint(buffer, Rect { y, height: 1, ..rows }, theme.chosen);
        }
    }
    if state.table.shown_count() == 0 {
        let none =
            if state.table.count() == 0 { "no session is being recorded" } else { "no session matches the filter" };
        put(buffer, (rows.x + 2, rows.y + 1), rows.width, none, theme.dim);
    }
}

fn put_left(buffer: &mut Buffer, at: (u16, u16), columns: u16, text: &str, style: Style) {
    put(buffer, at, columns, text, style);
}

fn row(state: &State, theme: &Theme, columns: &[Column], line: &Line, y: u16, buffer: &mut Buffer) {
    let (session, worst) = (&line.session, state.histories.worst(&line.session.id));
    let mut x = 1;
    for column in columns {
        match column.cell {
            Cell::Levels => levels(&state.histories, session, theme, (x, y), buffer),
            Cell::Trend => trend(&state.histories, session, worst, theme, (x, y), buffer),
            cell @ (Cell::By(_) | Cell::Codec | Cell::Srtp) => {
                let (text, style) = cell_text(cell, line, worst, state.now, theme);
                let write = if cell.is_right() { put_right } else { put_left };
                write(buffer, (x, y), column.width, &text, style);
            }
        }
        x += column.width + 1;
    }
}

fn cell_text(cell: Cell, line: &Line, worst: Worst, now: i64, theme: &Theme) -> (String, Style) {
    let session = &line.session;
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    match cell {
        Cell::By(Sort::State) => (state_word(session).to_owned(), state_style(session, theme)),
        Cell::By(Sort::Since) => {
            (line.started.map_or_else(|| "-".to_owned(), |started| length(now - started)), theme.plain)
        }
        Cell::By(Sort::Caller) => (name(session.caller.as_ref()).to_owned(), theme.plain),
        Cell::By(Sort::Callee) => (name(session.callee.as_ref()).to_owned(), theme.plain),
        Cell::By(Sort::Src) => (session.peer.clone().unwrap_or_else(|| session.origin().to_owned()), theme.dim),
        Cell::By(Sort::Vendor) => (dash(session.vendor.as_deref().unwrap_or_default()), theme.dim),
        Cell::By(Sort::Loss) => (hundredths(worst.loss), theme.loss(worst.loss)),
        Cell::By(Sort::Jitter) => (tenths(worst.jitter), theme.jitter(worst.jitter)),
        Cell::By(Sort::Mos) => (hundredths(worst.mos.map(u64::from)), theme.mos(worst.mos)),
        Cell::Codec => (dash(&session.codecs()), theme.plain),
        Cell::Srtp => (session.srtp().to_owned(), theme.plain),
        Cell::Trend | Cell::Levels => (String::new(), theme.plain),
    }
}

/// What a session's state is called.
pub(super) fn state_word(session: &Session) -> &'static str {
    match (session.alarms.is_empty(), session.paused) {
        (false, _) => "ALARM",
        (true, true) => "PAUSE",
        (true, false) => "REC",
    }
}

pub(super) fn state_style(session: &Session, theme: &Theme) -> Style {
    match (session.alarms.is_empty(), session.paused) {
        (false, _) => theme.bad,
        (true, true) => theme.warn,
        (true, false) => theme.good,
    }
}

fn levels(histories: &Histories, session: &Session, theme: &Theme, (mut x, y): (u16, u16), buffer: &mut Buffer) {
    for stream in session.streams.iter().filter(|stream| stream.media == "audio" || stream.media.is_empty()).take(LEGS)
    {
        let last = histories.stream(&session.id, stream.number).and_then(|history| history.last());
        let bar = meter(fill(last.and_then(|last| last.level), METER * 8), METER);
        let style = if last.is_some_and(|last| last.talks) { theme.good } else { theme.dim };
        put(buffer, (x, y), METER as u16, &clip(&bar, METER), style);
        x += METER as u16 + 1;
    }
}

/// The score of the worst leg, second by second.
fn trend(histories: &Histories, session: &Session, worst: Worst, theme: &Theme, at: (u16, u16), buffer: &mut Buffer) {
    const SECONDS: usize = 20;
    let legs = histories.of(&session.id);
    let bad = legs.iter().min_by_key(|(_, history)| history.last().and_then(|last| last.mos).unwrap_or(u16::MAX));
    let Some((_, history)) = bad else { return };
    let scores: String = history.last_ones(SECONDS).map(|moment| spark(moment.mos.map(score))).collect();
    put(buffer, at, SECONDS as u16, &scores, theme.mos(worst.mos));
}

/// A score of 1 to 4.5, in hundredths, as a part of the whole.
pub(super) fn score(mos: u16) -> f32 {
    (f32::from(mos) - 100.0) / 350.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_width_and_never_more() {
        for width in [80, 100, 119, 140, 200, 400] {
            let columns = columns(width);
            let used: u16 = columns.iter().map(|column| column.width + 1).sum();
            assert_eq!(used, width, "{width}");
            assert!(columns.iter().all(|column| column.width >= 4), "{width}");
        }
        assert_eq!(columns(80).len(), 9);
        assert_eq!(columns(200).len(), 13);
    }
}
