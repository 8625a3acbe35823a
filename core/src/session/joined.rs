//! Several dialogs of one recording session: the two that a phone's bridge makes of a call (near end, far end).
//!
//! ```text
//! dialog (near) --\                    journal, recordings, metadata, port numbers: the same for both,
//!                  one SessionId  -->  copied to the other after each turn
//! dialog (far)  --/                    what a checkpoint says of the other is lent before each turn
//! ```
//! Each dialog is a [`RecordingSession`] with a key of its own and the session's id, so whatever it keeps is in the one
//! journal. The session begins with the first dialog and is over with the last.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::checkpoint::EndedDialog;
use super::legacy::{Bridge, End};
use super::recording_session::{Context, RecordingSession};
use super::recordings::Recordings;
use super::srs::Srs;
use super::{Checkpoint, Output, Tell, journalling};
use crate::entry::{EndCause, PortIndex};
use crate::seed::{Random, Seed, SessionId};
use crate::sip::message::Message;
use crate::time::Now;

/// Dialogs that are over and whose BYE may come again: a phone's bridge makes one anew at each hold.
const MAX_ENDED_BESIDE: usize = 8;

/// Which dialogs are of which session, where they are more than one or may become so.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Keys by session, in order of their beginning; only of sessions that have had two.
    dialogs: BTreeMap<SessionId, Vec<SessionId>>,
    /// Keys of dialogs that another may join: by peer, call and end.
    bridges: BTreeMap<(Option<String>, Bridge), SessionId>,
}

impl Srs {
    /// The session whose other end an INVITE of this peer brings.
    pub(super) fn session_to_join(&self, message: &Message, peer: Option<&str>) -> Option<SessionId> {
        let bridge = Bridge::of(message).filter(|_| self.policy.rules_of(peer).legacy)?;
        let key = |end: End| (peer.map(String::from), Bridge { end, ..bridge.clone() });
        let other = self.joined.bridges.get(&key(bridge.end.other()))?;
        let taken = self.joined.bridges.contains_key(&key(bridge.end));
        let session = self.sessions.get(other).filter(|other| !taken && other.has_begun())?;
        Some(session.id())
    }

    /// The seed of a dialog that joins `session`: drawn from there, so a replay draws it too.
    pub(super) fn draw_seed_of(&mut self, session: SessionId) -> Option<Seed> {
        let first = self.first_of(session);
        self.sessions.get_mut(&first).map(|session| session.random.seed())
    }

    /// Another dialog of the bridge may find this one.
    pub(super) fn note_bridge(&mut self, key: SessionId) {
        if let Some(session) = self.sessions.get(&key)
            && let Some(bridge) = session.state.bridge.clone()
        {
            self.joined.bridges.entry((session.state.peer_row.clone(), bridge)).or_insert(key);
        }
    }

    /// Makes `dialog`, which is not known yet, one of `session`.
    pub(super) fn join(&mut self, dialog: &mut RecordingSession, session: SessionId) {
        let first = self.first_of(session);
        let Some(other) = self.sessions.get(&first) else { return };
        dialog.state.take_over(&other.state);
        dialog.state.streams.paused_by_operator = other.state.streams.paused_by_operator;
        dialog.state.answered = other.state.answered;
        self.joined.dialogs.entry(session).or_insert_with(|| [first].into()).push(dialog.key);
    }

    /// Brings the other dialogs of a restored session back; their ports are asked for.
    pub(super) fn restore_joined(&mut self, now: Now, session: SessionId, dialogs: Vec<Checkpoint>) {
        for mut state in dialogs {
            let Some(seed) = self.draw_seed_of(session) else { return };
            let call_id = state.dialog.call_id.clone();
            let key = SessionId::new(now.wall, &mut Random::new(seed));
            state.flow.connection = None;
            state.header = journalling::header(&self.policy, key, 1, seed, now);
            let mut dialog = RecordingSession::new(state);
            self.join(&mut dialog, session);
            dialog.restore_beside(&mut self.parts(now).1);
            self.add(now, call_id, dialog);
        }
        self.go_on_beside(now, session);
    }

    /// Once a restored session's journal goes on, so do its other dialogs.
    pub(super) fn go_on_beside(&mut self, now: Now, session: SessionId) {
        let Some(keys) = self.joined.dialogs.get(&session) else { return };
        let begun = keys.iter().any(|key| self.sessions.get(key).is_some_and(|session| session.has_begun()));
        for key in keys.clone() {
            if begun && self.sessions.get(&key).is_some_and(|session| session.waits_beside()) {
                self.with_session(now, key, RecordingSession::go_on_beside);
            }
        }
    }

    /// Keys of the dialogs of a session.
    pub(super) fn dialogs_of(&self, session: SessionId) -> Vec<SessionId> {
        self.joined.dialogs.get(&session).cloned().unwrap_or_else(|| [session].into())
    }

    /// The key of the dialog that speaks for a session.
    pub(super) fn first_of(&self, session: SessionId) -> SessionId {
        self.joined.dialogs.get(&session).and_then(|keys| keys.first()).copied().unwrap_or(session)
    }

    /// The key of the dialog that has a port; of the first where none has (any more).
    pub(super) fn dialog_with(&self, session: SessionId, port: PortIndex) -> SessionId {
        let has = |key: &&SessionId| self.sessions.get(key).is_some_and(|dialog| dialog.state.streams.has(port));
        let keys = self.joined.dialogs.get(&session);
        keys.and_then(|keys| keys.iter().find(has)).copied().unwrap_or_else(|| self.first_of(session))
    }

    /// Ids of the sessions, each once.
    pub(super) fn ids(&self) -> BTreeSet<SessionId> {
        self.sessions.values().map(|session| session.id()).collect()
    }

    /// Before a dialog's turn: it gets to know the others of its session, for the checkpoints that it writes.
    pub(super) fn lend(&mut self, key: SessionId) {
        let Some(others) = self.others_of(key) else { return };
        let state = |other: &SessionId| {
            let other = self.sessions.get(other).filter(|other| other.is_answered())?;
            Some(other.state.alone())
        };
        let joined: Vec<Checkpoint> = others.iter().filter_map(state).collect();
        if let Some(dialog) = self.sessions.get_mut(&key) {
            dialog.state.joined = joined;
        }
    }

    /// After a dialog's turn: what all have in common is as it left it.
    pub(super) fn share(&mut self, key: SessionId) {
        let Some(others) = self.others_of(key) else { return };
        let Some(dialog) = self.sessions.get_mut(&key) else { return };
        dialog.state.joined = Vec::new();
        let Some(dialog) = self.sessions.remove(&key) else { return };
        for other in &others {
            if let Some(other) = self.sessions.get_mut(other) {
                other.state.take_over(&dialog.state);
            }
        }
        self.sessions.insert(key, dialog);
    }

    fn others_of(&self, key: SessionId) -> Option<Vec<SessionId>> {
        if self.joined.dialogs.is_empty() {
            return None;
        }
        let session = self.sessions.get(&key)?.id();
        let mut keys = self.joined.dialogs.get(&session)?.clone();
        keys.retain(|other| *other != key);
        Some(keys)
    }

    /// A dialog is over. `false`: it is its session's last, and so is the session.
    pub(super) fn leave(&mut self, now: Now, key: SessionId, cause: EndCause) -> bool {
        let Some(next) = self.others_of(key).and_then(|others| others.first().copied()) else { return false };
        let (sessions, mut ctx) = self.parts(now);
        let Some(dialog) = sessions.get_mut(&key) else { return false };
        dialog.leave(cause, &mut ctx);
        let (call_id, local_tag) = (dialog.state.dialog.call_id.clone(), dialog.state.dialog.local_tag.clone());
        self.remove(key);
        self.with_session(now, next, |session, ctx| {
            let ended = &mut session.state.ended_beside;
            ended.drain(..(ended.len() + 1).saturating_sub(MAX_ENDED_BESIDE));
            ended.push(EndedDialog { call_id, local_tag });
            if session.has_begun() {
                journalling::checkpoint(&session.state, ctx.now, ctx.out);
            }
        });
        true
    }

    /// Forgets which session a dialog was of. `true`: there is none of it left.
    pub(super) fn unjoin(&mut self, dialog: &RecordingSession) -> bool {
        if let Some(bridge) = dialog.state.bridge.clone() {
            let place = (dialog.state.peer_row.clone(), bridge);
            if self.joined.bridges.get(&place) == Some(&dialog.key) {
                self.joined.bridges.remove(&place);
            }
        }
        let Some(keys) = self.joined.dialogs.get_mut(&dialog.id()) else { return true };
        keys.retain(|key| *key != dialog.key);
        let is_last = keys.is_empty();
        if is_last {
            self.joined.dialogs.remove(&dialog.id());
        }
        is_last
    }
}

impl Checkpoint {
    /// Takes over what all dialogs of a session have in common.
    fn take_over(&mut self, other: &Self) {
        self.header.clone_from(&other.header);
        self.snapshot = Arc::clone(&other.snapshot);
        self.recordings.clone_from(&other.recordings);
        self.tags.clone_from(&other.tags);
        self.ended_beside.clone_from(&other.ended_beside);
        self.streams.follow(&other.streams);
    }

    /// What is this dialog's alone.
    fn alone(&self) -> Self {
        let mut alone = self.clone();
        alone.snapshot = Arc::default();
        alone.recordings = Recordings::default();
        alone.tags = Vec::new();
        alone.ended_beside = Vec::new();
        alone
    }
}

impl RecordingSession {
    /// Whether its INVITE has its 2xx.
    fn is_answered(&self) -> bool {
        self.state.answered.is_some() && self.pending.as_ref().is_none_or(|pending| pending.first.is_none())
    }

    /// Whether another dialog of the session was before it.
    pub(super) fn is_joined(&self) -> bool {
        self.key != self.id()
    }

    /// The dialog is over and its session is not: what it sent ends, the recordings go on.
    fn leave(&mut self, cause: EndCause, ctx: &mut Context<'_>) {
        let (session, now) = (self.id(), ctx.now.wall);
        self.state.streams.leave(session, now, ctx.out);
        ctx.out.push_back(Output::Tell(Tell::DialogEnded { session, cause }));
    }
}
