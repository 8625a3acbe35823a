//! What there is to show of a session that is going on: who, on which lines, recorded where.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Bound;

use super::checkpoint::Checkpoint;
use super::recording_session::RecordingSession;
use super::srs::Srs;
use super::streams::Live;
use crate::entry::Stream;
use crate::metadata::Snapshot;
use crate::sdp::crypto::Suite;
use crate::seed::{RecordingId, SessionId};
use crate::sip::Transport;
use crate::time::Wall;
use crate::vendor::CallIds;

/// A session as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    /// The session.
    pub session: SessionId,
    /// Call-ID of its dialog; of the first, where there are two.
    pub call_id: String,
    /// The SRC's address.
    pub src: SocketAddr,
    /// What its signalling comes over.
    pub transport: Transport,
    /// The row of the table of peers that it is under.
    pub peer: Option<String>,
    /// When our 2xx left: zero of its timeline. None of one that is not answered yet.
    pub answered: Option<Wall>,
    /// We asked the SRC for it.
    pub initiated: bool,
    /// An operator has paused it, or it was held off.
    pub paused: bool,
    /// When that pause ends by itself.
    pub pause_ends: Option<Wall>,
    /// What vendors call the call.
    pub call: CallIds,
    /// What its recordings are tagged with, those that go on and those to come.
    pub tags: Vec<String>,
    /// Recordings that have begun and not ended, each with its communication session's id.
    pub recordings: Vec<(RecordingId, Option<String>)>,
    /// Its streams, in the offer's order.
    pub streams: Vec<PortraitStream>,
    /// The metadata as folded so far.
    pub snapshot: Arc<Snapshot>,
}

/// A stream of a [`Portrait`].
#[derive(Debug, Clone, PartialEq)]
pub struct PortraitStream {
    /// What was agreed on.
    pub stream: Stream,
    /// The last packet, or the moment from which packets are expected.
    pub heard: Wall,
    /// Whether it is SRTP.
    pub is_protected: bool,
    /// Its suite, once there is a key of the SRC's.
    pub suite: Option<Suite>,
}

impl Srs {
    /// A session as it is now.
    pub fn portrait(&self, session: SessionId) -> Option<Portrait> {
        let mut dialogs = self.dialogs_of(session).into_iter().filter_map(|key| self.sessions.get(&key));
        let mut portrait = portrait(dialogs.next()?);
        for beside in dialogs {
            portrait.streams.extend(beside.state.streams.live().map(stream));
        }
        Some(portrait)
    }

    /// How many sessions there are under each row of the table of peers; none: under no row.
    pub fn sessions_by_peer(&self) -> BTreeMap<Option<String>, usize> {
        let mut by_peer = BTreeMap::new();
        for (_, dialog) in self.sessions.iter().filter(|(key, dialog)| self.first_of(dialog.id()) == **key) {
            *by_peer.entry(dialog.state.peer_row.clone()).or_insert(0) += 1;
        }
        by_peer
    }

    /// The row of the table of peers that a session is under.
    pub fn peer_of(&self, session: SessionId) -> Option<&str> {
        self.sessions.get(&self.first_of(session))?.state.peer_row.as_deref()
    }

    /// The session whose dialog has this Call-ID; the newest, where there are several.
    pub fn session_called(&self, call_id: &str) -> Option<SessionId> {
        let key = self.sessions_of_call(call_id).last()?;
        self.sessions.get(key).map(|dialog| dialog.id())
    }

    /// At most `limit` sessions as they are now, in the order of their ids, of those that come after `after`.
    pub fn portraits(&self, after: Option<SessionId>, limit: usize) -> Vec<Portrait> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_this_range = self.sessions.range((from, Bound::Unbounded));
        // A second dialog has a key of its own, and is told of with the first.
        let first =
            of_this_range.filter(|(key, dialog)| self.first_of(dialog.id()) == **key).map(|(_, dialog)| dialog.id());
        first.take(limit).filter_map(|session| self.portrait(session)).collect()
    }
}

fn portrait(dialog: &RecordingSession) -> Portrait {
    let state = &dialog.state;
    Portrait {
        session: dialog.id(),
        call_id: state.dialog.call_id.clone(),
        src: state.flow.remote,
        transport: state.flow.transport,
        peer: state.peer_row.clone(),
        answered: state.answered,
        initiated: state.initiated,
        paused: state.streams.paused_by_operator,
        pause_ends: state.pause_ends,
        call: call(state),
        tags: state.tags.clone(),
        recordings: state.recordings.open().map(|(id, of)| (id, of.map(ToString::to_string))).collect(),
        streams: state.streams.live().map(stream).collect(),
        snapshot: Arc::clone(&state.snapshot),
    }
}

fn call(state: &Checkpoint) -> CallIds {
    let mut ids = state.call.clone();
    ids.snapshot(&state.snapshot, None);
    ids
}

fn stream(live: &Live) -> PortraitStream {
    let protection = live.settings.srtp.as_ref();
    PortraitStream {
        stream: live.stream().clone(),
        heard: live.heard,
        is_protected: protection.is_some() || live.dtls.is_some(),
        suite: protection.and_then(|protection| protection.theirs.last()).map(|key| key.key.suite()),
    }
}
