//! Rows of the core's (ladders, sheets, reports) onto cells.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use siprec_core::trace::Row;

use super::pen::{paint, put_all};
use crate::tui::scroll::Scroll;
use crate::tui::theme::Theme;

/// Those that are seen, the chosen one marked.
pub(in crate::tui) fn draw(scroll: &Scroll, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    for (line, (place, row)) in scroll.seen(usize::from(area.height)).enumerate() {
        let line = Rect { y: area.y + u16::try_from(line).unwrap_or(0), height: 1, ..area };
        put_from(row, scroll.left(), theme, line, buffer);
        if place == scroll.at() {
            paint(buffer, line, theme.chosen);
        }
    }
}

/// One of them.
pub(in crate::tui) fn put_row(row: &Row, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    put_from(row, 0, theme, area, buffer);
}

/// One of them, without its first characters.
fn put_from(row: &Row, left: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut skipped = left;
    let words = row.cells.iter().map(|cell| {
        let length = cell.text.chars().count();
        let skip = skipped.min(length);
        skipped -= skip;
        let from = cell.text.char_indices().nth(skip).map_or(cell.text.len(), |(at, _)| at);
        (cell.text.get(from..).unwrap_or_default(), theme.of_row(cell.style))
    });
    put_all(buffer, area, words);
}
