//! Rows on standard output: in colour where it is wanted, and never with a control character that came off the wire.

use std::io::{self, Write};

use siprec_core::trace::{Row, Style};

/// Prints rows.
pub(super) struct Painter<W> {
    out: W,
    color: bool,
}

impl<W: Write> Painter<W> {
    pub(super) fn new(out: W, color: bool) -> Self {
        Self { out, color }
    }

    /// A line.
    pub(super) fn row(&mut self, row: &Row) -> io::Result<()> {
        for cell in &row.cells {
            let text = shown(&cell.text);
            match code(cell.style).filter(|_| self.color) {
                Some(code) => write!(self.out, "\x1b[{code}m{text}\x1b[0m")?,
                None => write!(self.out, "{text}")?,
            }
        }
        writeln!(self.out)
    }

    /// Lines.
    pub(super) fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        rows.iter().try_for_each(|row| self.row(row))
    }

    /// A text of several lines, as it is but for control characters.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.out, "{}", shown(line)))
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Everything is printed.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Without what a terminal would take for an order.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The terminal's code (ECMA-48 SGR) for a style: the sixteen colours, so that the terminal's own theme holds.
fn code(style: Style) -> Option<&'static str> {
    Some(match style {
        Style::Plain => return None,
        Style::Heading | Style::Host => "1",
        Style::Time | Style::Lifeline | Style::Faint => "2",
        Style::Request => "36",
        Style::Provisional | Style::Changed => "33",
        Style::Success | Style::Added => "32",
        Style::Redirection => "35",
        Style::Failure | Style::Removed => "31",
        Style::Media => "34",
        Style::Warning => "1;31",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(color: bool) -> String {
        let mut out = Vec::new();
        let mut painter = Painter::new(&mut out, color);
        painter.row(&Row::of("a\x1b[2Jb", Style::Failure).with(" c", Style::Plain)).unwrap();
        painter.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_came_off_the_wire_gives_a_terminal_no_orders() {
        assert_eq!(painted(false), "a\u{fffd}[2Jb c\n");
        assert_eq!(painted(true), "\x1b[31ma\u{fffd}[2Jb\x1b[0m c\n");
    }
}
