//! A session's SIP messages as a ladder between the SRC and the server.
//!
//! ```text
//!               192.0.2.10:5060                    192.0.2.1:5060
//!  02:57:16.123  │ INVITE  sdp metadata                   │
//!                │───────────────────────────────────────>│
//!       +3.1 ms  │                       200 OK INVITE sdp│
//!                │<───────────────────────────────────────│
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::pen::{paint, put, put_right, seconds};
use crate::archive::selection::date_time;
use crate::tui::answers::{Message, Signalling};
use crate::tui::cursor::Cursor;
use crate::tui::theme::Theme;

/// Columns of the times.
const TIMES: u16 = 14;

pub(super) fn draw(signalling: &Signalling, cursor: Cursor, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(first) = signalling.messages.first() else {
        put(buffer, (area.x + 2, area.y + 1), area.width, "no SIP message is there yet", theme.dim);
        return;
    };
    let (src, own) = if first.outbound { (&first.to, &first.from) } else { (&first.from, &first.to) };
    let rails = (area.x + TIMES, area.right().saturating_sub(2));
    let half = (rails.1 - rails.0) / 2;
    put(buffer, (rails.0, area.y), half, &format!("SRC {src}"), theme.head);
    put_right(buffer, (rails.0 + half, area.y), half + 1, &format!("{own} here"), theme.head);
    if signalling.left_out > 0 {
        let text = format!("{} older messages are left out", signalling.left_out);
        put(buffer, (rails.0, area.y + 1), rails.1 - rails.0, &text, theme.dim);
    }
    let rows = usize::from(area.height.saturating_sub(2) / 2);
    let shown = signalling.messages.iter().enumerate().skip(cursor.top).take(rows);
    for (line, (place, message)) in shown.enumerate() {
        let y = area.y + 2 + 2 * u16::try_from(line).unwrap_or(0);
        let before = place.checked_sub(1).and_then(|place| signalling.messages.get(place));
        step(message, before, theme, rails, (area.x, y), buffer);
        if place == cursor.at {
            let row = Rect { x: rails.0, y, width: rails.1 - rails.0 + 1, height: 1 };
            paint(buffer, row, theme.chosen);
        }
    }
}

fn step(
    message: &Message,
    before: Option<&Message>,
    theme: &Theme,
    (left, right): (u16, u16),
    (x, y): (u16, u16),
    buffer: &mut Buffer,
) {
    put_right(buffer, (x, y), TIMES - 2, &time(message, before), theme.dim);
    for y in [y, y + 1] {
        put(buffer, (left, y), 1, "│", theme.dim);
        put(buffer, (right, y), 1, "│", theme.dim);
    }
    let width = right.saturating_sub(left + 1);
    let style = match status(message) {
        None => theme.accent,
        Some(..300) => theme.good,
        Some(..400) => theme.warn,
        Some(_) => theme.bad,
    };
    let text = label(message);
    let line = "─".repeat(usize::from(width).saturating_sub(1));
    if message.outbound {
        put_right(buffer, (left + 1, y), width - 1, &text, style);
        put(buffer, (left + 1, y + 1), width, &format!("<{line}"), style);
    } else {
        put(buffer, (left + 2, y), width - 1, &text, style);
        put(buffer, (left + 1, y + 1), width, &format!("{line}>"), style);
    }
}

/// The clock of the first message, and of others how long after the one before; the clock again where that is long.
fn time(message: &Message, before: Option<&Message>) -> String {
    const LONG: f64 = 10.0;
    let nanos = |message: &Message| date_time(&message.at).map(|wall| wall.0);
    let since = before.and_then(nanos).zip(nanos(message)).map(|(before, at)| (at - before) as f64 / 1e9);
    match since {
        Some(since) if (0.0..LONG).contains(&since) => format!("+{}", seconds(since)),
        _ => message.at.get(11..23).unwrap_or(&message.at).to_owned(),
    }
}

/// Of a response.
fn status(message: &Message) -> Option<u16> {
    message.start_line.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// What it is, whose transaction, and what it brings.
fn label(message: &Message) -> String {
    let what = match message.start_line.strip_prefix("SIP/2.0 ") {
        Some(status) => format!("{status} ({})", field(message, "cseq").rsplit(' ').next().unwrap_or_default()),
        None => message.start_line.split(' ').next().unwrap_or_default().to_owned(),
    };
    let body = message.message.to_ascii_lowercase();
    let brings = [("v=0", "sdp"), ("<recording", "metadata")];
    let brings = brings.iter().filter(|(sign, _)| body.contains(sign)).map(|(_, name)| *name);
    let words: Vec<&str> = std::iter::once(what.trim()).chain(brings).collect();
    words.join("  ")
}

fn field<'a>(message: &'a Message, name: &str) -> &'a str {
    let lines = message.message.lines().take_while(|line| !line.trim().is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_called_by_what_it_is_and_brings() {
        let message = |start: &str, rest: &str| Message {
            start_line: start.into(),
            message: format!("{start}\r\n{rest}"),
            ..Message::default()
        };
        let invite = message("INVITE sip:rec@srs SIP/2.0", "CSeq: 1 INVITE\r\n\r\nv=0\r\n<recording xmlns='x'>");
        assert_eq!((label(&invite), status(&invite)), ("INVITE  sdp  metadata".into(), None));
        let answer = message("SIP/2.0 200 OK", "CSEQ : 7 UPDATE\r\n\r\n");
        assert_eq!((label(&answer), status(&answer)), ("200 OK (UPDATE)".into(), Some(200)));
        let odd = message("SIP/2.0 \u{fc}\u{fc}", "");
        assert_eq!(status(&odd), None);
    }

    #[test]
    fn times_are_told_from_the_message_before() {
        let message = |at: &str| Message { at: at.into(), ..Message::default() };
        let first = message("2026-11-30T02:57:16.123Z");
        assert_eq!(time(&first, None), "02:57:16.123");
        assert_eq!(time(&message("2026-11-30T02:57:16.126Z"), Some(&first)), "+3 ms");
        assert_eq!(time(&message("2026-11-30T02:58:16.126Z"), Some(&first)), "02:58:16.126");
    }
}
