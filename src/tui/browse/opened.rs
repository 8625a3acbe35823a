//! A call that is looked at, with those that belong to it: its ladder, its messages, what its metadata changed.

use siprec_core::trace::{Filter, Row, Story, Style, Subject, changes, head, message_row, sheet, stream_rows};

use super::reading::{Reading, wrapped};
use crate::tui::scroll::Scroll;

/// What of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Ladder,
    Messages,
    Metadata,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Ladder, Self::Messages, Self::Metadata];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ladder => "Ladder",
            Self::Messages => "Messages",
            Self::Metadata => "Metadata",
        }
    }

    /// The one so many further on.
    pub(super) fn beside(self, by: usize) -> Self {
        let place = Self::ALL.iter().position(|known| *known == self).unwrap_or(0);
        Self::ALL.get((place + by) % Self::ALL.len()).copied().unwrap_or(self)
    }
}

/// Calls that belong together; none, where it is the streams of no call.
#[derive(Debug)]
pub(super) struct Opened {
    calls: Vec<usize>,
    pub(super) part: Part,
    ladder: Scroll,
    messages: Scroll,
    metadata: Scroll,
    /// Of the ladder.
    width: usize,
    /// What of it is read.
    pub(super) reading: Option<Reading>,
}

impl Opened {
    /// Laid out for a ladder of this width.
    pub(super) fn new(story: &Story, filter: &Filter, calls: &[usize], width: usize) -> Self {
        let scroll = |rows: Vec<Row>| {
            let mut scroll = Scroll::of(rows);
            scroll.choose_first();
            scroll
        };
        let ladder = scroll(ladder(story, filter, calls, width));
        let messages = scroll(messages(story, filter, calls));
        let metadata = scroll(metadata(story, calls));
        Self { calls: calls.to_vec(), part: Part::Ladder, ladder, messages, metadata, width, reading: None }
    }

    /// Has this room from now on: its rows, and what is read the whole screen's columns.
    pub(super) fn fit(&mut self, story: &Story, filter: &Filter, (width, height): (u16, u16), whole: u16) {
        let width = usize::from(width);
        if std::mem::replace(&mut self.width, width) != width {
            self.ladder.replace(ladder(story, filter, &self.calls, width));
        }
        self.scroll_mut().fit(usize::from(height));
        if let Some(reading) = &mut self.reading {
            reading.fit(story, usize::from(whole), usize::from(height));
        }
    }

    /// Rows of the part that is shown.
    pub(super) fn scroll(&self) -> &Scroll {
        match self.part {
            Part::Ladder => &self.ladder,
            Part::Messages => &self.messages,
            Part::Metadata => &self.metadata,
        }
    }

    pub(super) fn scroll_mut(&mut self) -> &mut Scroll {
        match self.part {
            Part::Ladder => &mut self.ladder,
            Part::Messages => &mut self.messages,
            Part::Metadata => &mut self.metadata,
        }
    }

    /// Shows another part: what was chosen stays chosen, where it is in there.
    pub(super) fn show(&mut self, part: Part) {
        let subject = self.scroll().subject();
        self.part = part;
        if subject != Subject::None && self.scroll().subject() != subject {
            self.scroll_mut().choose(subject);
        }
    }

    /// Reads what the chosen row is about.
    pub(super) fn read(&mut self, story: &Story, width: usize) {
        self.reading = Reading::of(story, self.scroll().subject(), width);
    }

    /// Reads the next of its kind, or the one before.
    pub(super) fn read_beside(&mut self, story: &Story, forward: bool) {
        let Some(reading) = &self.reading else { return };
        let (subject, width) = (reading.subject, reading.width);
        let scroll = self.scroll_mut();
        scroll.choose_beside(forward, |other| std::mem::discriminant(&other) == std::mem::discriminant(&subject));
        self.read(story, width);
    }

    /// What it is, in a line.
    pub(super) fn title(&self, story: &Story) -> String {
        let Some(first) = self.calls.first().and_then(|call| story.calls.get(*call)) else {
            return "streams of no call".to_owned();
        };
        let recordings = self.calls.iter().filter_map(|call| story.calls.get(*call)).filter(|call| call.is_recording());
        let (recordings, all) = (recordings.count(), self.calls.len());
        match (recordings, all - recordings) {
            (1, 0) => format!("recording session {}", first.id),
            (0, 1) => format!("call {}", first.id),
            (0, calls) => format!("{calls} calls that belong together"),
            (1, 1) => "a recording session and its call".to_owned(),
            (1, calls) => format!("a recording session and {calls} calls"),
            (sessions, 0) => format!("{sessions} recording sessions that belong together"),
            (sessions, calls) => format!("{sessions} recording sessions and {calls} calls"),
        }
    }
}

fn ladder(story: &Story, filter: &Filter, calls: &[usize], width: usize) -> Vec<Row> {
    let mut rows = sheet(story, calls, filter, width);
    if calls.is_empty() {
        rows = vec![Row::of("Streams that no description of the capture names", Style::Heading)];
        let strays = story.streams.iter().enumerate().filter(|(_, stream)| stream.line.is_none());
        rows.extend(strays.flat_map(|(place, stream)| stream_rows(stream, place, false)));
    }
    // A step of a ladder is one row, however wide; what is text goes on below.
    let is_drawn = |row: &Row| row.cells.iter().any(|cell| matches!(cell.style, Style::Lifeline | Style::Host));
    rows.into_iter().flat_map(|row| if is_drawn(&row) { vec![row] } else { wrapped(row, width) }).collect()
}

fn messages(story: &Story, filter: &Filter, calls: &[usize]) -> Vec<Row> {
    let calls = calls.iter().filter_map(|call| story.calls.get(*call));
    let mut places: Vec<usize> = calls.flat_map(|call| call.messages.iter().copied()).collect();
    places.sort_unstable();
    let all = places.into_iter().filter_map(|place| Some((place, story.messages.get(place)?)));
    all.filter(|(_, message)| filter.message(message)).map(|(place, message)| message_row(place, message)).collect()
}

fn metadata(story: &Story, calls: &[usize]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &call in calls {
        let changes = changes(story, call);
        if !changes.is_empty() {
            // Who it is, before what became of it.
            rows.extend(head(story, call).into_iter().take(1));
            rows.extend(changes);
        }
    }
    rows
}
