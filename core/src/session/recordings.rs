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

/// The recordings of a session that have begun and not ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recordings {
    open: Vec<OpenRecording>,
    last_ended: Option<Wall>,
}

/// A recording that has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenRecording {
    id: RecordingId,
    communication_session: Option<String>,
}

impl Recordings {
    /// The first recording of a session begins with our answer, whatever the metadata says.
    pub(super) fn begin(&mut self, snapshot: &Snapshot, now: Wall, random: &mut Random) -> Vec<Event> {
        let mut events = self.follow(snapshot, now, random);
        if self.open.is_empty() {
            events.push(self.start(None, now, random));
        }
        events
    }

    /// Follows the metadata: a communication session that begins has a recording, one that has ended has one less. One
    /// with nobody in it waits until somebody is, as long as another is being recorded.
    pub(super) fn follow(&mut self, snapshot: &Snapshot, now: Wall, random: &mut Random) -> Vec<Event> {
        let active = snapshot.active_sessions();
        let (peopled, empty): (Vec<&str>, Vec<&str>) =
            active.iter().map(|session| session.id.as_str()).partition(|id| snapshot.is_peopled(id));
        let is_over = |open: &OpenRecording| {
            open.communication_session
                .as_deref()
                .is_some_and(|id| snapshot.session(id).is_some_and(|session| !session.is_active()))
        };
        let mut events = Vec::new();
        for &id in peopled.iter().chain(&empty) {
            let waits = |open: &OpenRecording| open.communication_session.is_some() && !is_over(open);
            if empty.contains(&id) && self.open.iter().any(waits) {
                continue;
            }
            if self.open.iter().any(|open| open.communication_session.as_deref() == Some(id)) {
                continue;
            }
            if let Some(unnamed) = self.open.iter_mut().find(|open| open.communication_session.is_none()) {
                unnamed.communication_session = Some(id.to_string());
                events.push(Event::RecordingBound { recording: unnamed.id, communication_session: id.to_string() });
            } else if self.open.len() < MAX_OPEN_RECORDINGS {
                events.push(self.start(Some(id.to_string()), now, random));
            }
        }
        let ended: Vec<RecordingId> = self.open.iter().filter(|open| is_over(open)).map(|open| open.id).collect();
        self.open.retain(|open| !ended.contains(&open.id));
        for recording in ended {
            self.last_ended = Some(now);
            events.push(Event::RecordingEnded { recording, cause: EndCause::CommunicationSessionEnded });
        }
        events
    }

    /// RTP was heard: if no recording is open and the last one's end is not the reason, one begins.
    pub(super) fn heard(&mut self, at: Wall, random: &mut Random) -> Option<Event> {
        let tail = self.last_ended.is_some_and(|ended| at <= ended.after(ORPHAN_AUDIO));
        (self.open.is_empty() && !tail).then(|| self.start(None, at, random))
    }

    /// The session is over: so is every recording.
    pub(super) fn end_all(&mut self, cause: EndCause) -> Vec<Event> {
        self.open.drain(..).map(|open| Event::RecordingEnded { recording: open.id, cause }).collect()
    }

    fn start(&mut self, communication_session: Option<String>, now: Wall, random: &mut Random) -> Event {
        let id = RecordingId::new(now, random);
        self.open.push(OpenRecording { id, communication_session: communication_session.clone() });
        Event::RecordingStarted { recording: id, communication_session }
    }
}
