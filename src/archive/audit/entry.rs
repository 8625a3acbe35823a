//! One entry: what is told of an act, and its line.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use super::origin::Origin;
use crate::archive::proof_key::{ProofKey, PublicKey};
use crate::archive::recordings::{hexadecimal, octets};

/// No line is longer: details are cut before.
pub(super) const MAX_LINE: usize = 64 << 10;
/// `prev` of the first entry.
pub(super) const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Details of an entry beyond these are left out.
const MAX_DETAILS: usize = 32;
/// A text is cut beyond so many octets.
const MAX_TEXT: usize = 1024;
/// What a line's signature stands between.
const SIGNATURE_FROM: &[u8] = b",\"signature\":\"";
const SIGNATURE_TO: &[u8] = b"\"}\n";
/// Hexadecimal digits of an Ed25519 signature.
const SIGNATURE_DIGITS: usize = 128;

/// What can be done. Names are stable: scripts look for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A copy was handed out, or a run of `export` began or ended.
    Exported,
    /// Somebody listened to a live session.
    Heard,
    /// A recording was erased by order.
    Erased,
    /// A recording was erased by its age.
    Expired,
    /// A recording may not be erased until it is released.
    Held,
    /// A hold was lifted.
    Released,
    /// What is noted with a recording was changed.
    Tagged,
    /// A session's media is kept no longer.
    Paused,
    /// It is kept again.
    Resumed,
    /// A session, one of its streams, or the server itself was stopped.
    Stopped,
    /// The server was started, or a session was asked for.
    Started,
    /// The server takes no new sessions and stops after the last.
    Drained,
    /// Keys were wrapped by another master key.
    Rewrapped,
    /// A master key was made.
    KeyMade,
    /// The catalog was made anew.
    Rebuilt,
    /// Recordings were verified, and mended if that was asked for.
    Verified,
    /// What failed to be stored is tried again.
    Retried,
    /// The configuration that is in force from now on.
    Configured,
    /// Somebody took note of an alarm.
    Acknowledged,
    /// A recording's files were replaced by smaller ones.
    Recompressed,
    /// Somebody began to use the API.
    LoggedIn,
    /// Requests to the API were refused.
    Refused,
}

impl Action {
    /// All of them, in the order of this type.
    pub const ALL: [Self; 22] = [
        Self::Exported,
        Self::Heard,
        Self::Erased,
        Self::Expired,
        Self::Held,
        Self::Released,
        Self::Tagged,
        Self::Paused,
        Self::Resumed,
        Self::Stopped,
        Self::Started,
        Self::Drained,
        Self::Rewrapped,
        Self::KeyMade,
        Self::Rebuilt,
        Self::Verified,
        Self::Retried,
        Self::Configured,
        Self::Acknowledged,
        Self::Recompressed,
        Self::LoggedIn,
        Self::Refused,
    ];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Heard => "heard",
            Self::Erased => "erased",
            Self::Expired => "expired",
            Self::Held => "held",
            Self::Released => "released",
            Self::Tagged => "tagged",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Stopped => "stopped",
            Self::Started => "started",
            Self::Drained => "drained",
            Self::Rewrapped => "rewrapped",
            Self::KeyMade => "key_made",
            Self::Rebuilt => "rebuilt",
            Self::Verified => "verified",
            Self::Retried => "retried",
            Self::Configured => "configured",
            Self::Acknowledged => "acknowledged",
            Self::Recompressed => "recompressed",
            Self::LoggedIn => "logged_in",
            Self::Refused => "refused",
        }
    }
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    action: Action,
    recording: Option<RecordingId>,
    session: Option<SessionId>,
    detail: BTreeMap<String, String>,
    origin: Option<Origin>,
}

impl Act {
    /// An act that is about no recording yet.
    pub fn new(action: Action) -> Self {
        Self { action, recording: None, session: None, detail: BTreeMap::new(), origin: None }
    }

    /// It is about this recording.
    #[must_use]
    pub fn recording(mut self, id: RecordingId) -> Self {
        self.recording = Some(id);
        self
    }

    /// It is about this session, if it is about any.
    #[must_use]
    pub fn session(mut self, id: impl Into<Option<SessionId>>) -> Self {
        self.session = id.into();
        self
    }

    /// With this detail. Never a number, a name of a party, or a key.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        if self.detail.len() < MAX_DETAILS {
            self.detail.insert(name.to_owned(), cut(&value.to_string()));
        }
        self
    }

    /// Somebody else did it than who writes it down: a user of the API.
    #[must_use]
    pub fn by(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1.
    pub seq: u64,
    /// When, by the machine's clock; RFC 3339.
    pub at: String,
    /// Who did it.
    pub who: String,
    /// From where.
    pub from: String,
    /// The name of an [`Action`]; a later version may know more of them.
    pub action: String,
    /// Which recording it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingId>,
    /// Which session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
    /// SHA-256 of the line before, without its end, in hexadecimal.
    pub prev: String,
    /// Ed25519 over the line as it is without this field, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

impl Entry {
    pub(super) fn of(act: Act, origin: &Origin, (seq, at, prev): (u64, Wall, &str)) -> Self {
        let Origin { who, from } = act.origin.as_ref().unwrap_or(origin);
        Self {
            seq,
            at: at.rfc3339(),
            who: cut(who),
            from: cut(from),
            action: act.action.name().to_owned(),
            recording: act.recording,
            session: act.session,
            detail: act.detail,
            prev: prev.to_owned(),
            signature: String::new(),
        }
    }

    /// Its line, signed, with the line's end.
    pub(super) fn line(&self, key: &ProofKey) -> io::Result<Vec<u8>> {
        signed(serde_json::to_vec(self)?, key)
    }

    /// What a line says, if it is one that was signed by who has the other half of `key`.
    pub(super) fn read(line: &[u8], key: &PublicKey) -> Result<Self, &'static str> {
        let entry: Self = serde_json::from_slice(line).map_err(|_| "it is no entry: it was damaged or written over")?;
        let sound = is_signed(line, key);
        sound.then_some(entry).ok_or("its signature is not of it: it was changed, or signed by another key")
    }
}

/// The line of a JSON object that was written without spaces: a signature over it is its last field.
pub(super) fn signed(mut object: Vec<u8>, key: &ProofKey) -> io::Result<Vec<u8>> {
    let signature = hexadecimal(&key.sign(&object)?);
    object.pop();
    object.extend_from_slice(SIGNATURE_FROM);
    object.extend_from_slice(signature.as_bytes());
    object.extend_from_slice(SIGNATURE_TO);
    Ok(object)
}

/// Whether a line ends in a signature over the rest of it.
pub(super) fn is_signed(line: &[u8], key: &PublicKey) -> bool {
    let parts = || {
        let rest = line.strip_suffix(SIGNATURE_TO)?;
        let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(SIGNATURE_DIGITS)?)?;
        let mut object = rest.strip_suffix(SIGNATURE_FROM)?.to_vec();
        object.push(b'}');
        Some((object, octets(digits)?))
    };
    parts().is_some_and(|(object, signature)| key.verifies(&object, &signature))
}

/// SHA-256 of a line, its end left out, in hexadecimal.
pub(super) fn digest(line: &[u8]) -> String {
    hexadecimal(&Sha256::digest(line.strip_suffix(b"\n").unwrap_or(line)))
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text).to_owned()
}
