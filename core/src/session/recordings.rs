//! Which recordings a session holds: one a communication session, or one for the recording session itself as long
//! as the metadata names none.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::limits::{MAX_OPEN_RECORDINGS, ORPHAN_AUDIO};
use crate::entry::{EndCause, Event};
use crate::metadata::Snapshot;
use crate::seed::{Random, RecordingId};
use crate::time::Wall;

/// What a session knows of who is recorded where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The metadata as of now.
    pub(super) snapshot: &'a Snapshot,
    /// Of the streams that have a port, in the offer's order.
    pub(super) labels: &'a [Option<&'a str>],
}

/// The recordings of a session that have begun and not ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recordings {
    open: Vec<OpenRecording>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_ended: Option<Wall>,
}

/// A recording that has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenRecording {
    id: RecordingId,
    communication_session: Option<String>,
    /// When its communication session ended: what still comes on its lines is of it, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over_since: Option<Wall>,
}

impl Recordings {
    /// The first recording of a session begins with our answer, whatever the metadata says.
    pub(super) fn begin(&mut self, known: Known<'_>, now: Wall, random: &mut Random) -> Vec<Event> {
        let mut events = self.follow(known, now, random);
        if self.open.is_empty() {
            events.push(self.start(None, now, random));
        }
        events
    }

    /// Follows the metadata: a communication session that begins has a recording, one that has ended has one less. One
    /// with nobody in it waits until somebody is, as long as another is being recorded.
    pub(super) fn follow(&mut self, known: Known<'_>, now: Wall, random: &mut Random) -> Vec<Event> {
        let snapshot = known.snapshot;
        let active = snapshot.active_sessions();
        let (peopled, empty): (Vec<&str>, Vec<&str>) =
            active.iter().map(|session| session.id.as_str()).partition(|id| snapshot.is_peopled(id));
        for open in &mut self.open {
            let is_over = open.communication_session.as_deref().is_some_and(|id| snapshot.is_over(id));
            open.over_since = is_over.then(|| open.over_since.unwrap_or(now));
        }
        let mut events = Vec::new();
        for &id in peopled.iter().chain(&empty) {
            let waits = |open: &OpenRecording| open.communication_session.is_some() && open.over_since.is_none();
            if empty.contains(&id) && self.open.iter().any(waits) {
                continue;
            }
            if self.open.iter().any(|open| open.communication_session.as_deref() == Some(id)) {
                continue;
            }
            if let Some(unnamed) = self.open.iter_mut().find(|open| open.communication_session.is_none()) {
                unnamed.communication_session = Some(id.to_string());
                events.push(Event::RecordingBound { recording: unnamed.id, communication_session: id.to_string() });
                continue;
            }
            if self.open.len() >= MAX_OPEN_RECORDINGS {
                events.extend(self.close_oldest_over(now));
            }
            if self.open.len() < MAX_OPEN_RECORDINGS {
                events.push(self.start(Some(id.to_string()), now, random));
            }
        }
        if self.open.iter().all(|open| open.over_since.is_none()) {
            return events;
        }
        let takers = self.takers(known);
        let heard = |place: usize| takers.iter().any(|line| line.contains(&place));
        let done = self.open.iter().enumerate().filter(|(place, open)| open.over_since.is_some() && !heard(*place));
        let done: Vec<RecordingId> = done.map(|(_, open)| open.id).collect();
        events.extend(done.into_iter().map(|id| self.close(id, now)));
        events
    }

    /// Those that have begun and not ended, each with its communication session's id.
    pub(super) fn open(&self) -> impl Iterator<Item = (RecordingId, Option<&str>)> {
        self.open.iter().map(|open| (open.id, open.communication_session.as_deref()))
    }

    /// Whether what is heard now is in a recording, whatever the line: as long as there is one session at most.
    pub(super) fn take_all(&self, snapshot: &Snapshot) -> bool {
        snapshot.sessions.len() < 2 && !self.open.is_empty()
    }

    /// RTP was heard on a line (its place in `known.labels`): if no recording takes it, and none took it when it came, one
    /// begins.
    pub(super) fn heard(&mut self, known: Known<'_>, line: usize, at: Wall, random: &mut Random) -> Option<Event> {
        if self.last_ended.is_some_and(|ended| at <= ended) || self.open.len() >= MAX_OPEN_RECORDINGS {
            return None;
        }
        let is_taken = self.takers(known).get(line).is_none_or(|takers| !takers.is_empty());
        (!is_taken).then(|| self.start(None, at, random))
    }

    /// When [`Recordings::due`] is to be called.
    pub(super) fn deadline(&self) -> Option<Wall> {
        self.open.iter().filter_map(|open| Some(open.over_since?.after(ORPHAN_AUDIO))).min()
    }

    /// Ends the recordings whose communication session has been over for long enough.
    pub(super) fn due(&mut self, now: Wall) -> Vec<Event> {
        let is_due = |open: &&OpenRecording| open.over_since.is_some_and(|since| since.after(ORPHAN_AUDIO) <= now);
        let due: Vec<RecordingId> = self.open.iter().filter(is_due).map(|open| open.id).collect();
        due.into_iter().map(|id| self.close(id, now)).collect()
    }

    /// The session is over: so is every recording.
    pub(super) fn end_all(&mut self, cause: EndCause) -> Vec<Event> {
        let cause = |open: &OpenRecording| match open.over_since {
            Some(_) => EndCause::CommunicationSessionEnded,
            None => cause,
        };
        self.open.drain(..).map(|open| Event::RecordingEnded { recording: open.id, cause: cause(&open) }).collect()
    }

    fn takers(&self, known: Known<'_>) -> Vec<Vec<usize>> {
        let open: Vec<Option<&str>> = self.open.iter().map(|open| open.communication_session.as_deref()).collect();
        known.snapshot.takers(known.labels, &open)
    }

    fn close_oldest_over(&mut self, now: Wall) -> Option<Event> {
        let over = self.open.iter().filter_map(|open| Some((open.over_since?, open.id)));
        let (_, oldest) = over.min_by_key(|(since, _)| *since)?;
        Some(self.close(oldest, now))
    }

    fn close(&mut self, recording: RecordingId, now: Wall) -> Event {
        self.open.retain(|open| open.id != recording);
        self.last_ended = Some(now);
        Event::RecordingEnded { recording, cause: EndCause::CommunicationSessionEnded }
    }

    fn start(&mut self, communication_session: Option<String>, now: Wall, random: &mut Random) -> Event {
        let id = RecordingId::new(now, random);
        self.open.push(OpenRecording { id, communication_session: communication_session.clone(), over_since: None });
        Event::RecordingStarted { recording: id, communication_session }
    }
}
