//! What must be known to go on with a session after a crash: written to its journal at each change, as MessagePack with
//! named fields: a new field has a default in older checkpoints, and texts are copied, not escaped. What is as it is in most
//! sessions is left out.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Not;
use serde::{Deserialize, Serialize, Serializer};

use super::guarded::Guarded;
use super::legacy::Bridge;
use super::peer::Abilities;
use super::raised::RaisedAlarms;
use super::recordings::Recordings;
use super::session_timer::SessionTimer;
use super::streams::Streams;
use crate::entry::{EndCause, SegmentHeader};
use crate::metadata::Snapshot;
use crate::sdp::OfferedStream;
use crate::seed::SessionId;
use crate::sip::Flow;
use crate::sip::dialog::Dialog;
use crate::time::Wall;
use crate::vendor::CallIds;

/// Version of the fields; a reader refuses what is newer.
const VERSION: u32 = 1;
/// What a checkpoint of two streams and two participants needs.
const ROOM: usize = 6 * 1024;

/// A session's lasting state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    /// The newest segment's header; its configuration is in the segment itself.
    #[serde(serialize_with = "without_config")]
    pub(super) header: SegmentHeader,
    pub(super) dialog: Dialog,
    pub(super) flow: Flow,
    pub(super) streams: Streams,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) recordings: Recordings,
    /// When our first 2xx left.
    pub(super) answered: Option<Wall>,
    /// The last INVITE that was answered with a 2xx, and that answer's SDP: a retransmission gets it again.
    pub(super) last_invite: LastInvite,
    /// Our m-lines, for offers of ours.
    pub(super) offered: Vec<OfferedStream>,
    /// `o=` of our descriptions.
    pub(super) description_id: u64,
    pub(super) description_version: u64,
    /// The row of the table of peers that its INVITE was under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peer_row: Option<String>,
    /// Our last description, offer or answer: what is the same again keeps its version (RFC 3264 8).
    #[serde(default)]
    pub(super) described: Guarded,
    /// RFC 4028.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timer: Option<SessionTimer>,
    #[serde(default)]
    pub(super) peer: Abilities,
    /// The INVITE was ours.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub(super) initiated: bool,
    /// The SRC was asked to stop sending.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub(super) pause_told: bool,
    /// When an operator's pause ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pause_ends: Option<Wall>,
    /// Alarms that stand.
    #[serde(default, skip_serializing_if = "RaisedAlarms::is_empty")]
    pub(super) raised: RaisedAlarms,
    /// What its recordings are tagged with, those that go on and those to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// What its first message and vendors call the call.
    #[serde(default, skip_serializing_if = "CallIds::is_empty")]
    pub(super) call: CallIds,
    /// Which dialog of a phone's bridge this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bridge: Option<Bridge>,
    /// The session's other dialogs, without what all have in common. Set while it is this dialog's turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) joined: Vec<Checkpoint>,
    /// The newest dialogs of the session that are over: the BYE of one may come again over a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ended_beside: Vec<EndedDialog>,
    /// Set once the session is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<EndCause>,
}

/// The newest INVITE of a dialog that has its 2xx.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LastInvite {
    pub(super) cseq: u32,
    pub(super) sdp: Guarded,
    /// Our 2xx held an offer; the ACK holds the answer.
    pub(super) awaits_answer: bool,
}

/// A dialog that is over, while its session is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndedDialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
}

/// Why a checkpoint can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointError {
    /// It is not what it should be.
    Malformed(String),
    /// A newer siprec wrote it.
    Newer(u32),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the checkpoint cannot be read: {why}"),
            Self::Newer(version) => write!(f, "the checkpoint has format {version}; this siprec knows up to {VERSION}"),
        }
    }
}

impl Checkpoint {
    pub(super) fn new(
        header: SegmentHeader,
        dialog: Dialog,
        flow: Flow,
        snapshot: Snapshot,
        description_id: u64,
    ) -> Self {
        Self {
            version: VERSION,
            tags: header.tags(),
            header,
            dialog,
            flow,
            streams: Streams::default(),
            snapshot: Arc::new(snapshot),
            recordings: Recordings::default(),
            answered: None,
            last_invite: LastInvite::default(),
            offered: Vec::new(),
            description_id,
            description_version: 0,
            peer_row: None,
            described: Guarded::default(),
            timer: None,
            peer: Abilities::default(),
            initiated: false,
            pause_told: false,
            pause_ends: None,
            raised: RaisedAlarms::default(),
            call: CallIds::default(),
            bridge: None,
            joined: Vec::new(),
            ended_beside: Vec::new(),
            ended: None,
        }
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// Where the bytes are damaged, or newer than this program.
    pub fn read(bytes: &[u8]) -> Result<Self, CheckpointError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let malformed = |e: rmp_serde::decode::Error| CheckpointError::Malformed(e.to_string());
        let Version { version } = rmp_serde::from_slice(bytes).map_err(malformed)?;
        if version > VERSION {
            return Err(CheckpointError::Newer(version));
        }
        rmp_serde::from_slice(bytes).map_err(malformed)
    }

    /// As the bytes that a journal keeps.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROOM);
        // Writing to memory fails for maps and sequences of unknown length only; there are none.
        if self.serialize(&mut rmp_serde::Serializer::new(&mut out).with_struct_map()).is_err() {
            out.clear();
        }
        out
    }

    /// Whose it is.
    pub fn session(&self) -> SessionId {
        self.header.session
    }

    /// Why the session ended, if it did.
    pub fn ended(&self) -> Option<EndCause> {
        self.ended
    }

    /// The newest segment's header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// The SRC's address.
    pub fn src(&self) -> SocketAddr {
        self.flow.remote
    }
}

fn without_config<S: Serializer>(header: &SegmentHeader, serializer: S) -> Result<S::Ok, S::Error> {
    SegmentHeader { config: Arc::default(), ..header.clone() }.serialize(serializer)
}
