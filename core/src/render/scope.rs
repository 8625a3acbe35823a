//! Which packets of a session belong to one recording of it: those between its start and its end, on the lines that the
//! metadata gives it. Both passes ask this, entry by entry.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::entry::{EndCause, Event, PauseCause, PortIndex, Stream};
use crate::metadata::{Snapshot, Span};
use crate::seed::RecordingId;
use crate::time::Wall;

/// A recording's extent, up to the last entry.
#[derive(Debug)]
pub(super) struct Scope {
    recording: RecordingId,
    answered: Option<i64>,
    started: Option<i64>,
    /// When its communication session ended, or it did. What is known of it stays as it was then.
    ended: Option<(i64, EndCause)>,
    /// Nothing more is of it: what came after the communication session's end came before this.
    closed: bool,
    /// All recordings that have begun and are not closed, with their communication sessions.
    open: BTreeMap<RecordingId, Option<String>>,
    /// Labels of the lines that are not closed.
    labels: BTreeMap<PortIndex, Option<String>>,
    /// Lines that are another recording's.
    foreign: BTreeSet<PortIndex>,
    /// Ports that were ours at some time while the recording ran, heard or not.
    owned: BTreeSet<PortIndex>,
    /// The metadata as of the recording's end, or now.
    snapshot: Arc<Snapshot>,
    current: Arc<Snapshot>,
}

impl Scope {
    pub(super) fn new(recording: RecordingId) -> Self {
        Self {
            recording,
            answered: None,
            started: None,
            ended: None,
            closed: false,
            open: BTreeMap::new(),
            labels: BTreeMap::new(),
            foreign: BTreeSet::new(),
            owned: BTreeSet::new(),
            snapshot: Arc::default(),
            current: Arc::default(),
        }
    }

    /// Takes an event of the session, at nanosecond `at`. After the recording's end nothing changes.
    pub(super) fn event(&mut self, at: i64, event: &Event) {
        if self.closed {
            return;
        }
        match event {
            Event::Answered => self.answered = self.answered.or(Some(at)),
            Event::RecordingStarted { recording, communication_session } => {
                if *recording == self.recording {
                    self.started = self.started.or(Some(at));
                }
                self.open.insert(*recording, communication_session.clone());
                self.share_out();
            }
            Event::RecordingBound { recording, communication_session } => {
                self.open.insert(*recording, Some(communication_session.clone()));
                self.share_out();
            }
            Event::RecordingEnded { recording, cause } if *recording == self.recording => self.close(at, *cause),
            Event::RecordingEnded { recording, .. } => {
                self.open.remove(recording);
                self.share_out();
            }
            Event::Ended { cause } => self.close(at, *cause),
            Event::Stream(Stream { port, label, paused, .. }) => {
                match paused {
                    Some(PauseCause::ZeroPort) => self.labels.remove(port),
                    Some(_) | None => self.labels.insert(*port, label.clone()),
                };
                self.share_out();
            }
            Event::Metadata { snapshot, .. } => {
                self.current = Arc::clone(snapshot);
                self.follow(at);
                self.share_out();
            }
            Event::Segment(_)
            | Event::Tagged { .. }
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

    /// Whether something may still come that is of it: started and not closed.
    pub(super) fn is_open(&self) -> bool {
        self.started.is_some() && !self.closed
    }

    /// Whether it has ended, its last packets too.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether what arrives on `port` now belongs to the recording.
    pub(super) fn takes(&self, port: PortIndex) -> bool {
        self.is_open() && !self.foreign.contains(&port)
    }

    /// Whether `port` is of another recording, and was so all the time.
    pub(super) fn is_foreign(&self, port: PortIndex) -> bool {
        self.foreign.contains(&port) && !self.owned.contains(&port)
    }

    /// The communication session, once known.
    pub(super) fn communication_session(&self) -> Option<&str> {
        self.open.get(&self.recording)?.as_deref()
    }

    /// The metadata as of now, or as of the recording's end.
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

    /// When it, or its communication session, ended, and why.
    pub(super) fn ended(&self) -> Option<(i64, EndCause)> {
        self.ended
    }

    fn close(&mut self, at: i64, cause: EndCause) {
        if self.started.is_some() {
            self.ended = self.ended.or(Some((at, cause)));
            self.closed = true;
        }
    }

    /// Ends with the communication session, whose last packets may still come; goes on if that does.
    fn follow(&mut self, at: i64) {
        let own = self.communication_session();
        let is_over = self.started.is_some() && own.is_some_and(|id| self.current.is_over(id));
        if !is_over || self.ended.is_none() {
            self.snapshot = Arc::clone(&self.current);
        }
        let end = || self.ended.unwrap_or((at, EndCause::CommunicationSessionEnded));
        self.ended = is_over.then(end);
    }

    /// Finds out anew which lines are other recordings'.
    fn share_out(&mut self) {
        let labels: Vec<Option<&str>> = self.labels.values().map(Option::as_deref).collect();
        let open: Vec<Option<&str>> = self.open.values().map(Option::as_deref).collect();
        let Some(own) = self.open.keys().position(|open| *open == self.recording) else { return };
        for (port, takers) in self.labels.keys().zip(self.current.takers(&labels, &open)) {
            if takers.contains(&own) {
                self.foreign.remove(port);
                self.owned.insert(*port);
            } else {
                self.foreign.insert(*port);
            }
        }
    }
}
