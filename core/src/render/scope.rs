//! Which packets of a session belong to one recording of it: those between its start and its end, on the ports of its
//! communication session. Both passes ask this, entry by entry.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::entry::{EndCause, Event, PortIndex, Stream};
use crate::metadata::{Snapshot, Span};
use crate::seed::RecordingId;
use crate::time::Wall;

/// A recording's extent, up to the last entry.
#[derive(Debug)]
pub(super) struct Scope {
    recording: RecordingId,
    answered: Option<i64>,
    started: Option<i64>,
    ended: Option<(i64, EndCause)>,
    communication_session: Option<String>,
    /// Sessions that the metadata has named so far; one alone owns every stream.
    sessions: BTreeSet<String>,
    labels: BTreeMap<PortIndex, Option<String>>,
    foreign: BTreeSet<PortIndex>,
    /// Ports that were ours at some time while the recording ran, heard or not.
    owned: BTreeSet<PortIndex>,
    snapshot: Arc<Snapshot>,
}

impl Scope {
    pub(super) fn new(recording: RecordingId) -> Self {
        Self {
            recording,
            answered: None,
            started: None,
            ended: None,
            communication_session: None,
            sessions: BTreeSet::new(),
            labels: BTreeMap::new(),
            foreign: BTreeSet::new(),
            owned: BTreeSet::new(),
            snapshot: Arc::default(),
        }
    }

    /// Takes an event of the session, at nanosecond `at`. After the recording's end nothing changes.
    pub(super) fn event(&mut self, at: i64, event: &Event) {
        if self.ended.is_some() {
            return;
        }
        match event {
            Event::Answered => self.answered = self.answered.or(Some(at)),
            Event::RecordingStarted { recording, communication_session } if *recording == self.recording => {
                self.started = self.started.or(Some(at));
                self.communication_session.clone_from(communication_session);
                self.share_out();
            }
            Event::RecordingBound { recording, communication_session } if *recording == self.recording => {
                self.communication_session = Some(communication_session.clone());
                self.share_out();
            }
            Event::RecordingEnded { recording, cause } if *recording == self.recording => self.end(at, *cause),
            Event::Ended { cause } => self.end(at, *cause),
            Event::Stream(Stream { port, label, .. }) => {
                self.labels.insert(*port, label.clone());
                self.share_out();
            }
            Event::Metadata { snapshot, .. } => {
                self.snapshot = Arc::clone(snapshot);
                self.share_out();
            }
            Event::Segment(_)
            | Event::RecordingStarted { .. }
            | Event::RecordingBound { .. }
            | Event::RecordingEnded { .. }
            | Event::Source { .. }
            | Event::SrtpKeys { .. }
            | Event::SrtcpReserved { .. }
            | Event::SrtpRefused { .. }
            | Event::Gap { .. }
            | Event::Dropped { .. }
            | Event::ClockStep { .. }
            | Event::DiskStalled { .. }
            | Event::Alarm { .. } => {}
        }
    }

    /// Whether the recording is running: started and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }

    /// Whether what arrives on `port` now belongs to the recording.
    pub(super) fn takes(&self, port: PortIndex) -> bool {
        self.is_open() && !self.foreign.contains(&port)
    }

    /// Whether `port` is of another communication session, and was so all the time.
    pub(super) fn is_foreign(&self, port: PortIndex) -> bool {
        self.foreign.contains(&port) && !self.owned.contains(&port)
    }

    /// The communication session, once known.
    pub(super) fn communication_session(&self) -> Option<&str> {
        self.communication_session.as_deref()
    }

    /// The metadata as of now.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// From its start to its end.
    pub(super) fn span(&self) -> Span {
        (Wall(self.started.unwrap_or(i64::MIN)), self.ended.map(|(at, _)| Wall(at)))
    }

    /// t = 0: our 200, or the recording's start if that is later. None before both.
    pub(super) fn zero(&self) -> Option<i64> {
        let started = self.started?;
        Some(self.answered.map_or(started, |answered| answered.max(started)))
    }

    /// Whether the dialog was ever answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// When it ended, and why.
    pub(super) fn ended(&self) -> Option<(i64, EndCause)> {
        self.ended
    }

    fn end(&mut self, at: i64, cause: EndCause) {
        if self.started.is_some() {
            self.ended = Some((at, cause));
        }
    }

    /// Finds out anew which ports are another communication session's.
    fn share_out(&mut self) {
        let labels: Vec<Option<&str>> = self.labels.values().map(Option::as_deref).collect();
        let streams = self.snapshot.streams_of_lines(&labels).into_iter();
        let owners: BTreeMap<PortIndex, Vec<&str>> = self
            .labels
            .keys()
            .zip(streams.map(|stream| self.snapshot.sessions_of(stream)))
            .filter(|(_, sessions)| !sessions.is_empty())
            .map(|(port, sessions)| (*port, sessions))
            .collect();
        self.sessions.extend(owners.values().flatten().map(|&owner| String::from(owner)));
        let ours = self.communication_session.as_deref();
        let is_ours = |owners: &[&str]| ours.is_some_and(|ours| owners.contains(&ours));
        if self.started.is_some() {
            self.owned.extend(owners.iter().filter(|(_, owners)| is_ours(owners)).map(|(port, _)| *port));
        }
        let several = self.sessions.len() > 1;
        let foreign = owners.iter().filter(|(_, owners)| several && ours.is_some() && !is_ours(owners));
        self.foreign = foreign.map(|(port, _)| *port).collect();
    }
}
