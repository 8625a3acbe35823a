//! What people read: ladders with their calls, lists, full messages, RTP reports.

use std::io::{self, Write};

use siprec_core::session::blank_secrets;
use siprec_core::trace::{
    Call, Filter, MessageKind, Row, Sequence, Story, Style, Subject, Traced, clock, head, ladder, lines, stream_rows,
};

use super::paint::Painter;

/// Calls by groups that belong together: head, ladder, lines and streams, and what else is `told` of each.
pub(super) fn ladders<W: Write>(
    story: &Story,
    calls: &[usize],
    (filter, width): (&Filter, usize),
    told: &dyn Fn(&Call) -> Vec<Row>,
    painter: &mut Painter<W>,
) -> io::Result<()> {
    let mut shown = vec![false; story.calls.len()];
    let mut first = true;
    for &call in calls {
        let group: Vec<usize> =
            story.group(call).into_iter().filter(|other| !shown.get(*other).copied().unwrap_or(true)).collect();
        if group.is_empty() {
            continue;
        }
        for &other in &group {
            if let Some(slot) = shown.get_mut(other) {
                *slot = true;
            }
        }
        if !std::mem::take(&mut first) {
            painter.gap()?;
        }
        for &other in &group {
            painter.rows(&head(story, other))?;
        }
        painter.gap()?;
        painter.rows(&ladder(&Sequence::of(story, &group, filter), width))?;
        for &other in &group {
            let rows = lines(story, other, false);
            if !rows.is_empty() {
                painter.gap()?;
                painter.rows(&rows)?;
            }
            painter.rows(&story.calls.get(other).map(told).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A line a message.
pub(super) fn list<W: Write>(messages: &[(usize, &Traced)], painter: &mut Painter<W>) -> io::Result<()> {
    for (place, message) in messages {
        painter.row(&line(*place, message))?;
    }
    Ok(())
}

/// Messages in full; secrets in them are blanked.
pub(super) fn messages<W: Write>(messages: &[(usize, &Traced)], painter: &mut Painter<W>) -> io::Result<()> {
    for (nth, (place, message)) in messages.iter().enumerate() {
        if nth > 0 {
            painter.gap()?;
        }
        painter.row(&line(*place, message))?;
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

/// `1  10:31:02.123  192.0.2.1:5060 > 192.0.2.2:5060  UDP  INVITE +sdp  Call-ID`
fn line(place: usize, message: &Traced) -> Row {
    let style = style(message);
    let again = message.again.map(|first| format!(" again (as {})", first + 1)).unwrap_or_default();
    Row::about(Subject::Message(place))
        .with(format!("{:>5}  ", place + 1), Style::Faint)
        .with(clock(message.at), Style::Time)
        .with(format!("  {} > {}  {}  ", message.from, message.to, message.transport), Style::Plain)
        .with(format!("{}{again}", message.title()), style)
        .with(format!("  {}", message.call_id), Style::Faint)
}

/// How a message stands out.
pub(super) fn style(message: &Traced) -> Style {
    match message.kind() {
        _ if message.again.is_some() => Style::Faint,
        MessageKind::Request => Style::Request,
        MessageKind::Provisional => Style::Provisional,
        MessageKind::Success => Style::Success,
        MessageKind::Redirection => Style::Redirection,
        MessageKind::Failure => Style::Failure,
    }
}
