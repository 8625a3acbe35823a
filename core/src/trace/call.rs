//! A call of a trace: the messages of a Call-ID, and what came of them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::row::Style;
use super::told::{CallMedia, Side};
use crate::metadata::Snapshot;
use crate::sip::{Method, NameAddr, Transport};
use crate::time::Wall;
use crate::vendor::{CallIds, Profile};

/// All messages with one Call-ID.
#[derive(Debug, Clone)]
pub struct Call {
    /// `Call-ID`.
    pub id: String,
    /// Its messages, by their places, by time.
    pub messages: Vec<usize>,
    /// From of the first message.
    pub caller: Option<NameAddr>,
    /// To of the first message.
    pub callee: Option<NameAddr>,
    /// Where the first request came from.
    pub caller_address: SocketAddr,
    /// Where it went.
    pub callee_address: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// Method of the first request, as written.
    pub method: String,
    /// Its dialogs: the tags of both sides, in the order in which they came up.
    pub dialogs: Vec<(String, String)>,
    /// First message.
    pub began_at: Wall,
    /// The first 2xx to the INVITE.
    pub answered_at: Option<Wall>,
    /// Last message.
    pub last_at: Wall,
    /// How it stands.
    pub state: State,
    /// Messages that went by again.
    pub retransmissions: u64,
    /// What its descriptions say.
    pub media: CallMedia,
    /// What its metadata says, if it is a recording session.
    pub recording: Option<RecordingSession>,
    /// Other calls that belong to it: the communication sessions of a recording session, and what shares an id with it.
    pub linked: Vec<usize>,
    /// Ids that tie calls together.
    pub ids: CallIds,
    /// Who made the caller, as far as it shows.
    pub vendor: Option<Profile>,
}

/// How a call stands at the end of the capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No INVITE, and nothing else that makes a dialog: its final status, if there was one.
    Transaction(Option<u16>),
    /// No final response yet.
    Trying,
    /// A provisional response came.
    Ringing(u16),
    /// Answered, and not over.
    Established,
    /// Refused.
    Refused(u16),
    /// Taken back before an answer.
    Cancelled,
    /// Over, by a BYE of this side.
    Ended(Side),
    /// The capture begins within it.
    Within,
}

/// What a recording session's metadata told.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingSession {
    /// All of it, folded.
    pub snapshot: Snapshot,
    /// What each document changed.
    pub updates: Vec<Update>,
    /// Streams by time are known by their m-lines: labels in the caller's last description.
    pub labels: Vec<Option<String>>,
}

/// What a metadata document changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The message that brought it, by its place.
    pub message: usize,
    /// The document was a partial one.
    pub partial: bool,
    /// What is otherwise than before.
    pub changes: Vec<Difference>,
}

/// One thing that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What became of it.
    pub kind: DifferenceKind,
    /// In words.
    pub text: String,
}

/// What became of something in the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is new.
    Added,
    /// It is over.
    Removed,
    /// It is otherwise.
    Changed,
}

impl Difference {
    /// Its sign, and what it is.
    pub fn line(&self) -> String {
        alloc::format!("{} {}", self.kind.sign(), self.text)
    }
}

impl DifferenceKind {
    /// As it stands in front of a line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Removed => "-",
            Self::Changed => "~",
        }
    }

    /// How a row shows it.
    pub fn style(self) -> Style {
        match self {
            Self::Added => Style::Added,
            Self::Removed => Style::Removed,
            Self::Changed => Style::Changed,
        }
    }

    /// As it is called in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl State {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Transaction(None) => "no answer".to_string(),
            Self::Transaction(Some(status)) => alloc::format!("answered {status}"),
            Self::Trying => "not answered".to_string(),
            Self::Ringing(status) => alloc::format!("not answered after {status}"),
            Self::Established => "not over at the end of the capture".to_string(),
            Self::Refused(status) => alloc::format!("refused with {status}"),
            Self::Cancelled => "cancelled".to_string(),
            Self::Ended(Side::Caller) => "ended by the caller".to_string(),
            Self::Ended(Side::Callee) => "ended by the callee".to_string(),
            Self::Within => "begun before the capture".to_string(),
        }
    }

    /// As it is called in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Transaction(_) => "transaction",
            Self::Trying => "trying",
            Self::Ringing(_) => "ringing",
            Self::Established => "established",
            Self::Refused(_) => "refused",
            Self::Cancelled => "cancelled",
            Self::Ended(_) => "ended",
            Self::Within => "within",
        }
    }

    /// The status that decided it.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Transaction(status) => *status,
            Self::Ringing(status) | Self::Refused(status) => Some(*status),
            Self::Trying | Self::Established | Self::Cancelled | Self::Ended(_) | Self::Within => None,
        }
    }
}

impl Call {
    /// Whether it began with an INVITE.
    pub fn is_invite(&self) -> bool {
        self.method == Method::Invite.as_str()
    }

    /// Whether it is a recording session (RFC 7866).
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Where a side's messages came from.
    pub fn address(&self, side: Side) -> SocketAddr {
        match side {
            Side::Caller => self.caller_address,
            Side::Callee => self.callee_address,
        }
    }
}

/// `Alice <sip:alice@example.com>`, as far as it is known.
pub fn party(address: Option<&NameAddr>) -> String {
    let Some(address) = address else { return "?".to_string() };
    let uri = &address.uri;
    let user = uri.user.as_ref().map(|user| alloc::format!("{user}@")).unwrap_or_default();
    let plain = alloc::format!("{}:{user}{}", uri.scheme, uri.host);
    match address.display.as_deref().filter(|display| !display.is_empty()) {
        Some(display) => alloc::format!("{display} <{plain}>"),
        None => plain,
    }
}
