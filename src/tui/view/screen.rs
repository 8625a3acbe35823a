//! What every screen has: a word where it is too small, what was just said, the keys that work here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pen::{put, put_all, width};
use crate::tui::frame;
use crate::tui::state::Notice;
use crate::tui::theme::Theme;

/// Whether it is too small for anything: then it says so.
pub(in crate::tui) fn is_too_small(theme: &Theme, buffer: &mut Buffer) -> bool {
    let area = buffer.area;
    if !frame::is_small((area.width, area.height)) {
        return false;
    }
    let (width, height) = frame::SMALLEST;
    put(buffer, (0, 0), area.width, &format!("{}x{} is too small:", area.width, area.height), theme.warn);
    put(buffer, (0, 1), area.width, &format!("{width}x{height} at least"), theme.warn);
    put(buffer, (0, 2), area.width, "q quits", theme.dim);
    true
}

/// What was just said.
pub(in crate::tui) fn notice(notice: &Notice, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let style = if notice.is_bad { theme.bad } else { theme.good };
    put(buffer, (area.x, area.y), area.width, &format!(" {}", notice.text), style);
}

/// Keys, and what they do, as many as there is room for: half a key is none.
pub(in crate::tui) fn keys(keys: &[(&str, &str)], theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x;
    for (key, what) in keys {
        let width = u16::try_from(width(key) + width(what) + 3).unwrap_or(u16::MAX);
        if x.saturating_add(width) > area.right() {
            return;
        }
        let place = Rect { x, width, ..area };
        put_all(buffer, place, [(" ", theme.dim), (key, theme.accent), (" ", theme.dim), (what, theme.dim)]);
        x += width;
    }
}
