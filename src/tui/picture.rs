//! What is seen, for a ticket: as text, or as SVG with its colours.

use std::fmt::Write as _;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use ratatui::text::Span;

/// A cell, units of the picture.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const PAPER: &str = "#101418";
const INK: &str = "#d8dee4";

/// A name for the file: what is seen, and when.
pub(super) fn name(what: &str, now: i64) -> String {
    let stamp = siprec_core::time::Wall(now * 1_000_000).rfc3339();
    let stamp: String = stamp.chars().take(19).filter(|char| char.is_ascii_alphanumeric()).collect();
    format!("siprec-{what}-{stamp}Z.svg")
}

/// As a file of this name has it: `.txt` is text, all else SVG.
pub(super) fn of(buffer: &Buffer, path: &Path) -> String {
    let is_text = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("txt"));
    if is_text { text(buffer) } else { svg(buffer) }
}

/// Lines without blanks at their ends.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in rows(buffer) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content.chunks(usize::from(buffer.area.width.max(1)))
}

/// What a run of cells looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ink {
    fore: &'static str,
    back: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
    is_underlined: bool,
}

impl Ink {
    fn of(cell: &Cell) -> Self {
        let (fore, back) = (colour(cell.fg), colour(cell.bg));
        let (fore, back) = if cell.modifier.contains(Modifier::REVERSED) {
            (back.unwrap_or(PAPER), Some(fore.unwrap_or(INK)))
        } else {
            (fore.unwrap_or(INK), back)
        };
        let has = |modifier| cell.modifier.contains(modifier);
        let (is_bold, is_dim) = (has(Modifier::BOLD), has(Modifier::DIM));
        Self { fore, back, is_bold, is_dim, is_underlined: has(Modifier::UNDERLINED) }
    }
}

/// None of the terminal's own.
fn colour(colour: Color) -> Option<&'static str> {
    const COLOURS: [(Color, &str); 16] = [
        (Color::Black, "#000000"),
        (Color::Red, "#e5534b"),
        (Color::Green, "#57ab5a"),
        (Color::Yellow, "#c69026"),
        (Color::Blue, "#6cb6ff"),
        (Color::Magenta, "#b083f0"),
        (Color::Cyan, "#39c5cf"),
        (Color::Gray, "#909dab"),
        (Color::DarkGray, "#636e7b"),
        (Color::LightRed, "#ff938a"),
        (Color::LightGreen, "#6bc46d"),
        (Color::LightYellow, "#daaa3f"),
        (Color::LightBlue, "#6cb6ff"),
        (Color::LightMagenta, "#dcbdfb"),
        (Color::LightCyan, "#56d4dd"),
        (Color::White, "#ffffff"),
    ];
    COLOURS.iter().find(|(known, _)| *known == colour).map(|(_, text)| *text)
}

fn svg(buffer: &Buffer) -> String {
    let (width, height) = (f64::from(buffer.area.width) * WIDTH, f64::from(buffer.area.height) * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" height=\"{height:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n"
    );
    for (y, row) in rows(buffer).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, other| Ink::of(one) == Ink::of(other)) {
            if let Some(first) = run.first() {
                write_run(&mut svg, Ink::of(first), run, (x as f64 * WIDTH, y as f64 * HEIGHT));
            }
            x += run.len();
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn write_run(svg: &mut String, ink: Ink, run: &[Cell], (x, y): (f64, f64)) {
    let width = run.len() as f64 * WIDTH;
    // Writing to a String does not fail.
    if let Some(back) = ink.back {
        let _ =
            writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{back}\"/>");
    }
    let bold = if ink.is_bold { " font-weight=\"bold\"" } else { "" };
    let dim = if ink.is_dim { " opacity=\"0.65\"" } else { "" };
    let underlined = if ink.is_underlined { " text-decoration=\"underline\"" } else { "" };
    let (baseline, fore) = (y + HEIGHT * 0.76, ink.fore);
    for (column, columns, word) in words(run) {
        let (x, width) = (x + column as f64 * WIDTH, columns as f64 * WIDTH);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{width:.1}\" fill=\"{fore}\"{bold}{dim}{underlined}>{}</text>",
            escaped(&word)
        );
    }
}

/// Words with their first columns and how many they have: browsers make one blank of several, and none of those at an end.
fn words(run: &[Cell]) -> Vec<(usize, usize, String)> {
    let mut words: Vec<(usize, usize, String)> = Vec::new();
    let mut column = 0;
    while let Some(cell) = run.get(column) {
        let symbol = cell.symbol();
        let columns = Span::raw(symbol).width().max(1);
        if !symbol.trim().is_empty() {
            match words.last_mut().filter(|(from, length, _)| from + length == column) {
                Some((_, length, word)) => {
                    *length += columns;
                    word.push_str(symbol);
                }
                None => words.push((column, columns, symbol.to_owned())),
            }
        }
        column += columns;
    }
    words
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn buffer() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "a <b> & c", Style::new().fg(Color::Red));
        buffer.set_string(0, 1, "x", Style::new().add_modifier(Modifier::REVERSED));
        buffer
    }

    #[test]
    fn text_is_what_is_read() {
        assert_eq!(of(&buffer(), Path::new("a.TXT")), "a <b> & c\nx\n");
    }

    #[test]
    fn a_picture_is_xml_that_has_texts_and_colours() {
        let svg = of(&buffer(), Path::new("a.svg"));
        for (x, length, word) in
            [("0.0", "8.4", "a"), ("16.8", "25.2", "&lt;b&gt;"), ("50.4", "8.4", "&amp;"), ("67.2", "8.4", "c")]
        {
            let text = format!("<text x=\"{x}\" y=\"12.9\" textLength=\"{length}\" fill=\"#e5534b\">{word}</text>");
            assert!(svg.contains(&text), "{text} is not in {svg}");
        }
        assert!(svg.contains(&format!("height=\"17\" fill=\"{INK}\"/>")), "{svg}");
        assert_eq!((svg.matches("<text").count(), svg.matches("</svg>").count()), (5, 1));
    }

    #[test]
    fn blanks_are_places_and_wide_characters_have_two() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(1, 0, "a  田中 b", Style::new());
        let word = |from, columns, word: &str| (from, columns, word.to_owned());
        assert_eq!(words(&buffer.content), [word(1, 1, "a"), word(4, 4, "田中"), word(9, 1, "b")]);
    }
}
