//! Text onto cells: cut to its width, columns in line, figures with their units.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Columns of a text.
pub(in crate::tui) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// As much of a text as fits, with an ellipsis where not all does.
pub(in crate::tui) fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 0;
    let mut buffer = [0; 4];
    for char in text.chars() {
        let wide = width(char.encode_utf8(&mut buffer));
        if used + wide + 1 > columns {
            break;
        }
        clipped.push(char);
        used += wide;
    }
    if columns > 0 {
        clipped.push('…');
    }
    clipped
}

/// Writes at a place; what comes from calls cannot steer the terminal: the buffer leaves control characters out, and what turns the
/// direction of writing is left out here. The columns that were used.
pub(in crate::tui) fn put(buffer: &mut Buffer, (x, y): (u16, u16), columns: u16, text: &str, style: Style) -> u16 {
    if columns == 0 || !buffer.area.contains((x, y).into()) {
        return 0;
    }
    let columns = columns.min(buffer.area.right() - x);
    let plain: String;
    let turns =
        |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = if text.contains(turns) {
        plain = text.replace(turns, "");
        &plain
    } else {
        text
    };
    let (end, _) = buffer.set_stringn(x, y, clip(text, usize::from(columns)), usize::from(columns), style);
    end - x
}

/// The same, with its end at the end of its columns.
pub(in crate::tui) fn put_right(buffer: &mut Buffer, (x, y): (u16, u16), columns: u16, text: &str, style: Style) {
    let clipped = clip(text, usize::from(columns));
    let blanks = usize::from(columns).saturating_sub(width(&clipped));
    put(buffer, (x + u16::try_from(blanks).unwrap_or(0), y), columns, &clipped, style);
}

/// Words one after the other; where the last ends.
pub(in crate::tui) fn put_all<'a>(
    buffer: &mut Buffer,
    area: Rect,
    words: impl IntoIterator<Item = (&'a str, Style)>,
) -> u16 {
    let mut x = area.x;
    for (word, style) in words {
        x += put(buffer, (x, area.y), area.right().saturating_sub(x), word, style);
    }
    x
}

/// Gives a whole row a style.
pub(in crate::tui) fn paint(buffer: &mut Buffer, row: Rect, style: Style) {
    buffer.set_style(row, style);
}

/// The title of a part, over its whole width.
pub(in crate::tui) fn title(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let line = "─".repeat(usize::from(area.width).saturating_sub(width(text) + 4));
    put(buffer, (area.x, area.y), area.width, &format!("─ {text} {line}"), style);
}

/// `1:02:03`, `4:05`.
pub(in crate::tui) fn length(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Hundredths as a decimal; a dash where there are none.
pub(in crate::tui) fn hundredths(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{}.{:02}", value / 100, value % 100))
}

/// Tenths as a decimal; a dash where there are none.
pub(in crate::tui) fn tenths(value: Option<u16>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{}.{}", value / 10, value % 10))
}

/// Octets, as people say them.
pub(in crate::tui) fn octets(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (value.max(0.0), 0);
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1_024.0, unit + 1);
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    if value < 10.0 && unit != "B" { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Seconds, as people say them.
pub(in crate::tui) fn seconds(value: f64) -> String {
    if value < 0.001 {
        format!("{:.1} ms", value * 1e3)
    } else if value < 1.0 {
        format!("{:.0} ms", value * 1e3)
    } else {
        format!("{value:.1} s")
    }
}

/// A meter of so many cells, filled in steps of an eighth of a cell.
pub(in crate::tui) fn meter(steps: usize, cells: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let (whole, part) = (steps / 8, steps % 8);
    let mut bar = "█".repeat(whole.min(cells));
    if whole < cells {
        bar.push_str(PARTS.get(part).copied().unwrap_or_default());
    }
    let blanks = cells.saturating_sub(width(&bar));
    bar.push_str(&"·".repeat(blanks));
    bar
}

/// A value between 0 and 1 as a column of eight steps; none where there is none.
pub(in crate::tui) fn spark(value: Option<f32>) -> char {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(value) = value else { return ' ' };
    let step = STEPS.iter().enumerate().rev().find(|(step, _)| value * 8.0 >= *step as f32);
    step.map_or('▁', |(_, char)| *char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns_not_by_octets() {
        assert_eq!(clip("alice", 5), "alice");
        assert_eq!(clip("alice", 4), "ali…");
        assert_eq!(clip("日本語", 5), "日本…");
        assert_eq!(clip("日本語", 6), "日本語");
        assert_eq!(clip("x", 0), "");
    }

    #[test]
    fn what_comes_from_a_call_cannot_steer_the_terminal() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        put(&mut buffer, (0, 0), 12, "a\u{1b}[31mb\u{202e}c\r\n", Style::new());
        let seen: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(seen.trim_end(), "a[31mbc");
        assert_eq!(put(&mut buffer, (99, 0), 5, "far", Style::new()), 0);
    }

    #[test]
    fn figures_have_units_and_the_same_width() {
        assert_eq!((length(3_723_999), length(65_000), length(-5)), ("1:02:03".into(), "1:05".into(), "0:00".into()));
        assert_eq!(
            (hundredths(Some(409)), hundredths(None), tenths(Some(23))),
            ("4.09".into(), "-".into(), "2.3".into())
        );
        assert_eq!((octets(999.0), octets(1_536.0), octets(5e10)), ("999 B".into(), "1.5 KiB".into(), "47 GiB".into()));
        assert_eq!((seconds(0.0005), seconds(0.02), seconds(2.0)), ("0.5 ms".into(), "20 ms".into(), "2.0 s".into()));
        assert_eq!((meter(0, 3), meter(12, 3), meter(99, 3)), ("···".into(), "█▌·".into(), "███".into()));
        assert_eq!((spark(None), spark(Some(0.0)), spark(Some(1.0))), (' ', '▁', '█'));
    }
}
