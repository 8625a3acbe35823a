//! What is read in full: a message, its secrets blanked, or all that is known of a stream.

use siprec_core::session::blank_secrets;
use siprec_core::trace::{Cell, Row, Story, Style, Subject, message_row, stream_rows};

use crate::tui::cursor::Cursor;
use crate::tui::view::pen;

/// It, laid out for a width.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) subject: Subject,
    pub(super) rows: Vec<Row>,
    pub(super) width: usize,
    /// What is moved is what is seen, not a chosen row.
    pub(super) cursor: Cursor,
}

impl Reading {
    /// None of what is nothing.
    pub(super) fn of(story: &Story, subject: Subject, width: usize) -> Option<Self> {
        let rows = rows(story, subject, width);
        (!rows.is_empty()).then(|| Self { subject, rows, width, cursor: Cursor::default() })
    }

    /// Has this room from now on.
    pub(super) fn fit(&mut self, story: &Story, width: usize, height: usize) {
        if std::mem::replace(&mut self.width, width) != width {
            self.rows = rows(story, self.subject, width);
        }
        self.cursor.fit(self.last_top(height) + 1, height);
    }

    /// Moves as a key says; whether the key says so.
    pub(super) fn key(&mut self, key: &str, height: usize) -> bool {
        self.cursor.key(key, self.last_top(height) + 1, height)
    }

    /// The first row that is seen where the last one is, too.
    pub(super) fn last_top(&self, height: usize) -> usize {
        self.rows.len().saturating_sub(height)
    }
}

/// What it is, in a line.
pub(super) fn title(story: &Story, subject: Subject) -> Option<Row> {
    let mut row = match subject {
        Subject::None => return None,
        Subject::Message(place) => message_row(place, story.messages.get(place)?),
        Subject::Stream(place) => stream_rows(story.streams.get(place)?, place, false).into_iter().next()?,
    };
    // What puts it in line with others is not for a row that stands alone.
    if let Some(first) = row.cells.first_mut() {
        first.text = first.text.trim_start().to_owned();
    }
    Some(row)
}

/// All of it, in rows that are no wider than that.
pub(super) fn rows(story: &Story, subject: Subject, width: usize) -> Vec<Row> {
    let rows = match subject {
        Subject::None => Vec::new(),
        Subject::Message(place) => message(story, place),
        Subject::Stream(place) => stream(story, place),
    };
    rows.into_iter().flat_map(|row| wrapped(row, width)).collect()
}

fn message(story: &Story, place: usize) -> Vec<Row> {
    let Some(message) = story.messages.get(place) else { return Vec::new() };
    let octets = blank_secrets(&message.bytes);
    let text = String::from_utf8_lossy(&octets);
    let line = |(nth, line): (usize, &str)| {
        let style = if nth == 0 { message.style() } else { Style::Plain };
        Row::about(Subject::Message(place)).with(line.trim_end().replace('\t', "    "), style)
    };
    text.lines().enumerate().map(line).collect()
}

fn stream(story: &Story, place: usize) -> Vec<Row> {
    let Some(stream) = story.streams.get(place) else { return Vec::new() };
    let mut rows = stream_rows(stream, place, true);
    if let Some(at) = stream.line {
        let of_line = story.silences(at.call).into_iter();
        let of_line =
            of_line.filter(|silence| (silence.sender, silence.line) == (Some(at.side.other()), Some(at.line)));
        rows.extend(of_line.map(|silence| Row::of(format!("      ! {}", silence.text), Style::Warning)));
    }
    rows
}

/// A row in as many as it needs, parted behind a blank where there is one. Those after the first begin with an arrow, so that nobody
/// takes them for lines of their own.
pub(super) fn wrapped(row: Row, width: usize) -> Vec<Row> {
    const GOES_ON: &str = "↳ ";
    let text = row.text();
    let lead = text.chars().take_while(|char| *char == ' ').count().min(width / 4);
    let least = lead + pen::width(GOES_ON) + 2;
    if pen::width(&text) <= width || width < least {
        return vec![row];
    }
    let chars: Vec<(char, Style)> =
        row.cells.iter().flat_map(|cell| cell.text.chars().map(|char| (char, cell.style))).collect();
    let (mut rows, mut rest) = (Vec::new(), chars.as_slice());
    while !rest.is_empty() {
        let mut next = Row::about(row.subject);
        let mut room = width;
        if !rows.is_empty() {
            next.cells.push(Cell { text: format!("{:lead$}{GOES_ON}", ""), style: Style::Faint });
            room -= lead + pen::width(GOES_ON);
        }
        let (here, later) = rest.split_at(fitting(rest, room));
        for run in here.chunk_by(|(_, one), (_, other)| one == other) {
            let style = run.first().map_or(Style::Plain, |(_, style)| *style);
            next.cells.push(Cell { text: run.iter().map(|(char, _)| *char).collect(), style });
        }
        rows.push(next);
        rest = later;
    }
    rows
}

/// How many of these characters stand in so many columns: up to the last blank, where that is not far.
fn fitting(chars: &[(char, Style)], columns: usize) -> usize {
    let (mut used, mut buffer) = (0, [0; 4]);
    let fits = chars.iter().take_while(|(char, _)| {
        used += pen::width(char.encode_utf8(&mut buffer));
        used <= columns
    });
    let most = fits.count().max(1);
    if most == chars.len() {
        return most;
    }
    let blank = chars.iter().take(most).rposition(|(char, _)| *char == ' ').map_or(0, |at| at + 1);
    if blank > most / 2 { blank } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_and_says_so() {
        let texts = |row: &Row, width| wrapped(row.clone(), width).iter().map(Row::text).collect::<Vec<_>>();
        let row = Row::of("abcde", Style::Heading).with("fghij日本", Style::Plain);
        assert_eq!(texts(&row, 6), ["abcdef", "↳ ghij", "↳ 日本"]);
        assert_eq!((texts(&row, 14).len(), texts(&row, 3).len()), (1, 1), "it fits; there is no room for an arrow");
        let styles: Vec<Style> = wrapped(row, 6)[0].cells.iter().map(|cell| cell.style).collect();
        assert_eq!(styles, [Style::Heading, Style::Plain]);
        let words = Row::of("  no RTP came to 192.0.2.1", Style::Warning);
        assert_eq!(texts(&words, 16), ["  no RTP came ", "  ↳ to 192.0.2.1"]);
    }
}
