//! The metadata as folded over all updates so far: what is now, and what was.
//!
//! Elements stay in the order in which they were first named: it is the best hint of who called whom. An element
//! that is over keeps its closed intervals; how much is remembered is bounded by [`super::MAX_HISTORY`].

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::document::{Dialect, Extension, Group, NameId, Reason};
use crate::deviation::{Deviations, codes, quote};
use crate::time::Wall;

/// Stands in Avaya's first document for a callee who is not known yet.
const PLACEHOLDERS: &[&str] = &["ASBCE@asbce.com"];

/// From when to when, by our clock; what the SRC's said is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// When we were told of its beginning.
    pub from: Wall,
    /// When we were told of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Wall>,
    /// Its beginning, as written by the SRC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_from: Option<String>,
    /// Its end, as written by the SRC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_to: Option<String>,
}

/// A communication session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `session_id`; opaque.
    pub id: String,
    /// SIP session ids (RFC 7989), or Call-IDs.
    pub sip_session_ids: Vec<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When it was recorded here.
    pub intervals: Vec<Interval>,
    /// Ids of all who are or were in it, in the order in which it named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Vendors' data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// Someone who took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// `participant_id`; opaque.
    pub id: String,
    /// Its names, the first as the vendor ranks them.
    pub names: Vec<NameId>,
    /// Whom else the id has meant before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// When it was there.
    pub intervals: Vec<Interval>,
    /// In which sessions, when.
    pub memberships: Vec<Membership>,
    /// What it sent and received, when; the last may be open.
    pub contributions: Vec<Contribution>,
    /// Vendors' data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// Somebody whom a participant's id has meant: a redirected call keeps the id and changes the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The names of then.
    pub names: Vec<NameId>,
    /// When we were told otherwise.
    pub until: Wall,
}

/// A participant in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The session.
    pub session: String,
    /// When.
    pub intervals: Vec<Interval>,
    /// `param` elements: name and value (`isfocus`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
}

/// What a participant sends and receives for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Stream ids it sends on.
    pub send: Vec<String>,
    /// Stream ids it receives.
    pub recv: Vec<String>,
    /// When.
    pub interval: Interval,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// `stream_id`; opaque.
    pub id: String,
    /// Label and session, when; a stream can be bound anew. The last may be open.
    pub bindings: Vec<Binding>,
    /// Vendors' data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// What a stream carries for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The `a=label` of its m-line.
    pub label: Option<String>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `mixed`, `separate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// When.
    pub interval: Interval,
}

/// The state of the metadata.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Communication sessions, in order of appearance.
    pub sessions: Vec<Session>,
    /// Participants, in order of appearance.
    pub participants: Vec<Participant>,
    /// Streams, in order of appearance.
    pub streams: Vec<Stream>,
    /// Vendors' data beside the elements above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
    /// How the last document said things.
    pub dialect: Dialect,
    /// Some document has named who sends what; until then it is guessed by order.
    pub sends_are_named: bool,
    /// Documents folded in.
    pub updates: u32,
    /// Closed intervals and elements forgotten, to stay in bounds.
    pub forgotten: u32,
}

impl Interval {
    pub(super) fn is_open(&self) -> bool {
        self.to.is_none()
    }
}

/// Whether the newest of `intervals` is open.
pub(super) fn is_open(intervals: &[Interval]) -> bool {
    intervals.iter().any(Interval::is_open)
}

impl Session {
    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        is_open(&self.intervals)
    }
}

impl Participant {
    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        is_open(&self.intervals)
    }

    /// When it came first.
    pub fn joined_at(&self) -> Option<Wall> {
        self.intervals.first().map(|i| i.from)
    }

    /// When it left for good; none if it is there.
    pub fn left_at(&self) -> Option<Wall> {
        self.intervals.last().and_then(|i| i.to)
    }

    /// Stream ids it sends on now.
    pub fn sends(&self) -> &[String] {
        self.contribution().map_or(&[], |c| &c.send)
    }

    /// Stream ids it receives now.
    pub fn receives(&self) -> &[String] {
        self.contribution().map_or(&[], |c| &c.recv)
    }

    fn contribution(&self) -> Option<&Contribution> {
        self.contributions.last().filter(|c| c.interval.is_open())
    }

    pub(super) fn is_placeholder(&self) -> bool {
        self.names.iter().any(|n| PLACEHOLDERS.contains(&n.normalised.as_str()))
    }
}

impl Stream {
    /// What it carries now; after its end, what it carried last.
    pub fn binding(&self) -> Option<&Binding> {
        self.bindings.last()
    }

    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        self.binding().is_some_and(|b| b.interval.is_open())
    }

    /// The label of its m-line.
    pub fn label(&self) -> Option<&str> {
        self.binding()?.label.as_deref()
    }
}

impl Snapshot {
    /// Communication sessions that go on.
    pub fn active_sessions(&self) -> Vec<&Session> {
        self.sessions.iter().filter(|s| s.is_active()).collect()
    }

    /// Whether somebody, or a stream, is said to be in this session.
    pub(crate) fn is_peopled(&self, session: &str) -> bool {
        let member = |m: &Membership| m.session == session && is_open(&m.intervals);
        let bound = |s: &Stream| s.is_active() && s.binding().and_then(|b| b.session.as_deref()) == Some(session);
        self.participants.iter().any(|p| p.is_present() && p.memberships.iter().any(member))
            || self.streams.iter().any(bound)
    }

    /// Tells of a session that goes on beside others with nobody in it.
    pub(super) fn tell_empty_session(&self, deviations: &mut Deviations) {
        let active = self.active_sessions();
        if active.len() > 1
            && let Some(empty) = active.iter().find(|session| !self.is_peopled(&session.id))
        {
            let told = format_args!("nobody and no stream is in session '{}'", quote(&empty.id));
            deviations.add(&codes::EMPTY_SESSION, told);
        }
    }

    /// A session by its id.
    pub fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|s| s.id == id)
    }

    /// Whether a session is known, and has ended.
    pub fn is_over(&self, session: &str) -> bool {
        self.session(session).is_some_and(|session| !session.is_active())
    }

    /// A participant by its id.
    pub fn participant(&self, id: &str) -> Option<&Participant> {
        self.participants.iter().find(|p| p.id == id)
    }

    /// The stream of an m-line: the one that goes on, else the last that did. An empty id is no reference, yet the
    /// label counts.
    pub fn stream_by_label(&self, label: &str) -> Option<&Stream> {
        let named = |s: &&Stream| s.label() == Some(label);
        let active = self.streams.iter().find(|s| named(s) && s.is_active());
        active.or_else(|| self.streams.iter().rev().find(named))
    }

    /// Who sends on the stream with this label now; several on a mixed one. As long as no document has named any
    /// sender, the participant in the stream's place is taken.
    pub fn senders(&self, label: &str) -> Vec<&Participant> {
        self.stream_by_label(label).map(|stream| self.senders_of(stream)).unwrap_or_default()
    }

    /// Who sends on `stream` now; see [`Snapshot::senders`].
    pub fn senders_of(&self, stream: &Stream) -> Vec<&Participant> {
        if self.sends_are_named {
            let sends = |p: &&Participant| p.is_present() && p.sends().contains(&stream.id) && !stream.id.is_empty();
            return self.participants.iter().filter(sends).collect();
        }
        let place = self.streams.iter().filter(|s| s.is_active()).position(|s| s == stream);
        let present = |place| self.participants.iter().filter(|p| p.is_present()).nth(place);
        place.and_then(present).into_iter().collect()
    }
}
