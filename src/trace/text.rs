//! What people read: ladders with their calls, lists, full messages, RTP reports.

use std::io::{self, Write};

use siprec_core::session::blank_secrets;
use siprec_core::trace::{Call, Filter, Row, Story, Style, Traced, head, lines, message_row, sheet, stream_rows};

use super::paint::Painter;

/// Calls by groups that belong together: head, ladder, lines and streams, and what else is `told` of each.
pub(super) fn ladders<W: Write>(
    story: &Story,
    calls: &[usize],
    (filter, width): (&Filter, usize),
    told: &dyn Fn(&Call) -> Vec<Row>,
    painter: &mut Painter<W>,
) -> io::Result<()> {
    for (nth, group) in story.groups(calls).into_iter().enumerate() {
        if nth > 0 {
            painter.gap()?;
        }
        painter.rows(&sheet(story, &group, filter, width))?;
        for &other in &group {
            painter.rows(&story.calls.get(other).map(told).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A line a message.
pub(super) fn list<W: Write>(messages: &[(usize, &Traced)], painter: &mut Painter<W>) -> io::Result<()> {
    for (place, message) in messages {
        painter.row(&message_row(*place, message))?;
    }
    Ok(())
}

/// Messages in full; secrets in them are blanked.
pub(super) fn messages<W: Write>(messages: &[(usize, &Traced)], painter: &mut Painter<W>) -> io::Result<()> {
    for (nth, (place, message)) in messages.iter().enumerate() {
        if nth > 0 {
            painter.gap()?;
        }
        painter.row(&message_row(*place, message))?;
        painter.gap()?;
        painter.text(&String::from_utf8_lossy(&blank_secrets(&message.bytes)))?;
    }
    Ok(())
}

/// Streams by their calls, with all that is known of them; then those of no call.
pub(super) fn rtp<W: Write>(
    story: &Story,
    calls: &[usize],
    others: bool,
    told: &dyn Fn(&Call) -> Vec<Row>,
    painter: &mut Painter<W>,
) -> io::Result<()> {
    for &call in calls {
        let mut rows = lines(story, call, true);
        rows.extend(story.calls.get(call).map(told).unwrap_or_default());
        if !rows.is_empty() {
            if let Some(title) = head(story, call).first() {
                painter.row(title)?;
            }
            painter.rows(&rows)?;
        }
    }
    let strays: Vec<usize> = strays(story).collect();
    if others && !strays.is_empty() {
        painter.row(&Row::of("Streams that no description of the capture names", Style::Heading))?;
        for place in strays {
            if let Some(stream) = story.streams.get(place) {
                painter.rows(&stream_rows(stream, place, true))?;
            }
        }
    }
    Ok(())
}

/// Streams of no call.
pub(super) fn strays(story: &Story) -> impl Iterator<Item = usize> {
    story.streams.iter().enumerate().filter(|(_, stream)| stream.line.is_none()).map(|(place, _)| place)
}
