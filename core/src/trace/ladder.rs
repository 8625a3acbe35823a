//! The ladder's layout: a sequence to rows of cells, for a width. Nothing is printed here.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::row::{Cell, Row, Style, Subject};
use super::sequence::{Host, Sequence, Step};
use crate::time::Wall;

/// `10:31:02.123 `.
const TIME: usize = 13;
/// Between two lifelines at least: room for `200 OK (INVITE)` and an arrow.
const LEAST_GAP: usize = 24;
/// Left of the first lifeline and right of the last, where hosts' names stand out.
const MARGIN: usize = 11;

/// Lays `sequence` out over `width` columns; wider, where its hosts find no room.
pub fn ladder(sequence: &Sequence, width: usize) -> Vec<Row> {
    if sequence.hosts.is_empty() {
        return Vec::new();
    }
    let layout = Layout::new(sequence.hosts.len(), width);
    let mut rows = Vec::with_capacity(sequence.steps.len() + 4);
    rows.push(layout.names(&sequence.hosts, |host| host.name.clone()));
    if sequence.hosts.iter().any(|host| host.role.is_some()) {
        rows.push(layout.names(&sequence.hosts, |host| host.role.unwrap_or_default().to_string()));
    }
    rows.extend(sequence.steps.iter().map(|step| layout.step(step)));
    rows
}

/// `10:31:02.123` of a moment, UTC.
pub fn clock(at: Wall) -> String {
    at.rfc3339().get(11..23).unwrap_or_default().to_string()
}

struct Layout {
    width: usize,
    /// Where the lifelines stand.
    lines: Vec<usize>,
}

/// A row as it is put together: a character and its style a column.
struct Canvas(Vec<(char, Style)>);

impl Canvas {
    fn put(&mut self, at: usize, text: &str, style: Style) {
        for (slot, char) in self.0.iter_mut().skip(at).zip(text.chars()) {
            *slot = (char, style);
        }
    }

    fn row(mut self, subject: Subject) -> Row {
        while self.0.last().is_some_and(|(char, _)| *char == ' ') {
            self.0.pop();
        }
        let mut row = Row::about(subject);
        for (char, style) in self.0 {
            match row.cells.last_mut() {
                Some(cell) if cell.style == style => cell.text.push(char),
                _ => row.cells.push(Cell { text: String::from(char), style }),
            }
        }
        row
    }
}

impl Layout {
    fn new(hosts: usize, width: usize) -> Self {
        let gaps = hosts.saturating_sub(1).max(1);
        let gap = (width.saturating_sub(TIME + 2 * MARGIN) / gaps).max(LEAST_GAP);
        let lines: Vec<usize> = (0..hosts).map(|host| TIME + MARGIN + host * gap).collect();
        Self { width: lines.last().map_or(width, |last| width.max(last + MARGIN)), lines }
    }

    fn blank(&self) -> Canvas {
        let mut canvas = Canvas(Vec::from_iter(core::iter::repeat_n((' ', Style::Plain), self.width)));
        for line in &self.lines {
            canvas.put(*line, "│", Style::Lifeline);
        }
        canvas
    }

    fn names(&self, hosts: &[Host], text: impl Fn(&Host) -> String) -> Row {
        let mut canvas = Canvas(Vec::from_iter(core::iter::repeat_n((' ', Style::Plain), self.width)));
        let room = self.lines.get(1).zip(self.lines.first()).map_or(self.width, |(second, first)| second - first - 1);
        for (host, line) in hosts.iter().zip(&self.lines) {
            let text = fitted(&text(host), room);
            let at = line.saturating_sub(text.chars().count() / 2).max(TIME);
            // The last one's name ends with the row.
            let at = at.min(self.width.saturating_sub(text.chars().count()));
            canvas.put(at, &text, Style::Host);
        }
        canvas.row(Subject::None)
    }

    fn step(&self, step: &Step) -> Row {
        let Some((from, to)) = step.ends else {
            let indent = format!("{:TIME$}    ", "");
            return Row::about(step.subject)
                .with(indent, Style::Plain)
                .with(fitted(&step.label, usize::MAX), step.style);
        };
        let mut canvas = self.blank();
        canvas.put(0, &clock(step.at), Style::Time);
        let at = |host: usize| self.lines.get(host).copied().unwrap_or(TIME);
        let (left, right) = (at(from.min(to)) + 1, at(from.max(to)));
        if left > right {
            let label = fitted(&step.label, self.width.saturating_sub(left + 1));
            canvas.put(left + 1, &label, step.style);
            return canvas.row(step.subject);
        }
        let room = right - left;
        let label = fitted(&step.label, room.saturating_sub(4));
        let dash = if step.style == Style::Media { "═" } else { "─" };
        let before = (room.saturating_sub(label.chars().count() + 2)) / 2;
        let after = room.saturating_sub(label.chars().count() + 2 + before);
        let mut arrow = format!("{} {label} {}", dash.repeat(before), dash.repeat(after));
        // The head takes the place of the dash next to the lifeline.
        if from <= to {
            arrow.pop();
            arrow.push('>');
        } else {
            arrow.replace_range(..arrow.chars().next().map_or(0, char::len_utf8), "<");
        }
        canvas.put(left, &arrow, step.style);
        canvas.row(step.subject)
    }
}

/// A text of `room` characters at most; control characters become blanks.
fn fitted(text: &str, room: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= room {
        return plain;
    }
    plain.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::net::SocketAddr;

    use crate::sip::Transport;
    use crate::trace::{Filter, Trace};

    fn message(first: &str, cseq: &str) -> String {
        format!(
            "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\n\
             CSeq: {cseq}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn drawn(width: usize) -> Vec<String> {
        let (a, b): (SocketAddr, SocketAddr) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let mut trace = Trace::default();
        let mut put = |ms: i64, from, to, first: &str| {
            let text = message(first, "1 OPTIONS");
            trace.message(Wall(ms * 1_000_000), Transport::Udp, from, to, text.as_bytes());
        };
        put(0, a, b, "OPTIONS sip:b@h SIP/2.0");
        put(500, a, b, "OPTIONS sip:b@h SIP/2.0");
        put(512, b, a, "SIP/2.0 200 OK");
        let story = trace.finish();
        ladder(&Sequence::of(&story, &[0], &Filter::default()), width).iter().map(Row::text).collect()
    }

    #[test]
    fn arrows_go_from_lifeline_to_lifeline_and_say_what_they_are() {
        let drawn = drawn(64);
        assert_eq!(drawn.len(), 4);
        assert_eq!(drawn[0].split_whitespace().collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.2"]);
        for row in &drawn[1..] {
            let lines: Vec<usize> = row.chars().enumerate().filter(|(_, c)| *c == '│').map(|(at, _)| at).collect();
            assert_eq!(lines, [24, 53], "{row}");
        }
        assert!(drawn[1].contains("─ OPTIONS ─") && drawn[1].contains(">│"), "{}", drawn[1]);
        assert!(drawn[2].contains("OPTIONS again"), "{}", drawn[2]);
        assert!(drawn[3].contains("│<") && drawn[3].contains("200 OK"), "{}", drawn[3]);
    }

    #[test]
    fn a_narrow_terminal_gets_a_ladder_that_can_be_read() {
        let narrow = drawn(10);
        assert!(narrow[1].contains("OPTIONS"), "{}", narrow[1]);
        assert!(narrow.iter().all(|row| row.chars().count() <= TIME + 2 * MARGIN + LEAST_GAP));
        assert_eq!(fitted("a\u{1b}b", 9), "a b".to_string());
    }
}
