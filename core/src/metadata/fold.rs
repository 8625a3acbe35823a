//! Folding documents into a snapshot (RFC 7865 8.2, RFC 7866 9.2).
//!
//! ```text
//! partial:  named elements are merged by id, the rest stays      what a participant sends is replaced whole
//! complete: the same, and what is not named is over              nothing is deleted, its interval is closed
//! ```
//! `disassociate-time` and `stop-time` end things in both. Our own clock says when.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::{DataMode, Document, Extension, ParticipantSessionAssoc, ParticipantStreamAssoc, StreamElement};
use super::intervals::{Statement, append, close_all, settle, statement};
use super::renew::merge_extensions;
use super::snapshot::{Binding, Interval, Participant, Session, Snapshot, Stream};
use crate::deviation::{Deviation, Deviations, codes, quote};
use crate::time::Wall;

/// Elements of one kind in a snapshot.
const MAX_ELEMENTS: usize = 512;

impl Snapshot {
    /// Folds `document`, received at `at`, into the snapshot. Returns what in it refers to nothing known.
    pub fn apply(&mut self, document: &Document, at: Wall) -> Vec<Deviation> {
        let mut deviations = Deviations::default();
        let respelt = document.in_the_words_of(self, &mut deviations);
        let document = respelt.as_ref().unwrap_or(document);
        if document.mode == DataMode::Partial && !self.has_room() {
            deviations
                .add(&codes::SNAPSHOT_FULL, format_args!("too much is going on to take in another partial document"));
            return deviations.0;
        }
        let complete = document.mode == DataMode::Complete && !self.is_update(document, &mut deviations);
        if self.updates == 0 && document.is_empty() {
            deviations.add(&codes::NOBODY_DESCRIBED, format_args!("the first document describes nothing"));
        }
        self.updates = self.updates.saturating_add(1);
        self.dialect.clone_from(&document.dialect);
        self.sends_are_named |= document.participant_streams.iter().any(|assoc| !assoc.send.is_empty());
        if self.updates == 1 {
            self.participants.reserve_exact(document.participants.len().min(MAX_ELEMENTS));
            self.streams.reserve_exact(document.streams.len().min(MAX_ELEMENTS));
        }
        let mut fold = Fold {
            snapshot: self,
            document,
            at,
            complete,
            in_sessions: sorted(&document.participant_sessions, |assoc| &assoc.participant),
            on_streams: sorted(&document.participant_streams, |assoc| &assoc.participant),
            left: Vec::new(),
            deviations: &mut deviations,
        };
        fold.groups();
        fold.sessions();
        fold.participants();
        fold.streams();
        fold.contributions();
        fold.people();
        fold.end_sessions();
        fold.extensions();
        self.tell_empty_session(&mut deviations);
        self.stay_in_bounds();
        deviations.0
    }

    /// Whether a document that does not say so tells of a change alone: it names people or streams, and not the session
    /// that they are in.
    fn is_update(&self, document: &Document, deviations: &mut Deviations) -> bool {
        let names_sessions = !document.sessions.is_empty() || !document.session_recordings.is_empty();
        let is_update = document.mode_is_left_out
            && !names_sessions
            && !document.is_empty()
            && self.sessions.iter().any(Session::is_active);
        if is_update {
            deviations.add(&codes::DATAMODE_MISSING, format_args!("no datamode and no session: read as partial"));
        }
        is_update
    }
}

struct Fold<'a> {
    snapshot: &'a mut Snapshot,
    document: &'a Document,
    at: Wall,
    complete: bool,
    /// Associations by participant, those of one in the document's order.
    in_sessions: Vec<&'a ParticipantSessionAssoc>,
    on_streams: Vec<&'a ParticipantStreamAssoc>,
    /// Participants whom the document says to have left.
    left: Vec<&'a str>,
    deviations: &'a mut Deviations,
}

impl<'a> Fold<'a> {
    fn groups(&mut self) {
        for group in &self.document.groups {
            let is_full = self.snapshot.groups.len() >= MAX_ELEMENTS;
            match self.snapshot.groups.iter_mut().find(|known| known.id == group.id) {
                Some(known) => {
                    known.associated = group.associated.clone().or(known.associated.take());
                    known.disassociated = group.disassociated.clone().or(known.disassociated.take());
                    merge_extensions(&mut known.extensions, &group.extensions, self.complete);
                }
                None if is_full => {}
                None => self.snapshot.groups.push(group.clone()),
            }
        }
    }

    fn sessions(&mut self) {
        for element in &self.document.sessions {
            let recorded = self.document.session_recordings.iter().filter(|assoc| assoc.session == element.id);
            let mut said: Vec<Statement<'a>> = recorded.map(|a| statement(&a.associated, &a.disassociated)).collect();
            let (complete, at) = (self.complete, self.at);
            let Some((session, is_new)) = self.session_mut(&element.id) else { continue };
            if !element.sip_session_ids.is_empty() || complete {
                session.sip_session_ids.clone_from(&element.sip_session_ids);
            }
            if !element.reasons.is_empty() {
                session.reasons.clone_from(&element.reasons);
            }
            if element.group.is_some() || complete {
                session.group.clone_from(&element.group);
            }
            merge_extensions(&mut session.extensions, &element.extensions, complete);
            // The session's own times outrank its association; to be named at all says that it goes on.
            if element.stopped.is_some() {
                said = [statement(&element.started, &element.stopped)].to_vec();
            } else if said.is_empty() && (is_new || complete) {
                said.push(statement(&element.started, &None));
            }
            settle(&mut session.intervals, &said, at);
        }
        for assoc in &self.document.session_recordings {
            if self.document.sessions.iter().any(|s| s.id == assoc.session) {
                continue;
            }
            let at = self.at;
            if let Some((session, is_new)) = self.session_mut(&assoc.session) {
                settle(&mut session.intervals, &[statement(&assoc.associated, &assoc.disassociated)], at);
                if is_new {
                    self.deviations.add(
                        &codes::UNKNOWN_SESSION,
                        format_args!("session '{}' is not described", quote(&assoc.session)),
                    );
                }
            }
        }
        if self.complete {
            let document = self.document;
            for session in &mut self.snapshot.sessions {
                let named = document.sessions.iter().any(|s| s.id == session.id)
                    || document.session_recordings.iter().any(|a| a.session == session.id);
                if !named {
                    close_all(&mut session.intervals, self.at, None);
                }
            }
        }
    }

    fn session_mut(&mut self, id: &str) -> Option<(&mut Session, bool)> {
        let known = self.snapshot.sessions.iter().position(|s| s.id == id);
        let place = match known {
            Some(place) => place,
            None if self.snapshot.sessions.len() >= MAX_ELEMENTS => {
                self.too_many("sessions");
                return None;
            }
            None => {
                let session = Session {
                    id: id.to_string(),
                    sip_session_ids: Vec::new(),
                    reasons: Vec::new(),
                    group: None,
                    intervals: Vec::new(),
                    people: Vec::new(),
                    extensions: Vec::new(),
                };
                append(&mut self.snapshot.sessions, session);
                self.snapshot.sessions.len() - 1
            }
        };
        Some((self.snapshot.sessions.get_mut(place)?, known.is_none()))
    }

    fn participants(&mut self) {
        for element in &self.document.participants {
            let (complete, at) = (self.complete, self.at);
            let Some((participant, _)) = self.participant_mut(&element.id) else { continue };
            if !element.names.is_empty() || complete {
                participant.rename(&element.names, at);
            }
            // Who comes back is described anew: what vendors said of it before was of another call.
            let is_back = !participant.is_present();
            merge_extensions(&mut participant.extensions, &element.extensions, complete || is_back);
        }
        self.memberships();
        for id in self.named_participants() {
            self.presence(id);
        }
        if self.complete {
            let named = self.named_participants();
            for participant in &mut self.snapshot.participants {
                if !named.contains(&participant.id.as_str()) {
                    participant.leave(self.at);
                }
            }
        }
    }

    /// Ids of all participants whom the document names in any way, each once.
    fn named_participants(&self) -> Vec<&'a str> {
        let document = self.document;
        let elements = document.participants.iter().map(|p| &p.id);
        let in_sessions = document.participant_sessions.iter().map(|a| &a.participant);
        let on_streams = document.participant_streams.iter().map(|a| &a.participant);
        let mut ids: Vec<&'a str> = elements.chain(in_sessions).chain(on_streams).map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn memberships(&mut self) {
        let document = self.document;
        let mut settled: BTreeSet<(&str, String)> = BTreeSet::new();
        for assoc in &document.participant_sessions {
            let session = self.resolve_session(&assoc.session);
            let key = (assoc.participant.as_str(), session);
            if settled.contains(&key) {
                continue;
            }
            let theirs = of(&self.in_sessions, &assoc.participant, |assoc| &assoc.participant).iter();
            let same = theirs.filter(|other| other.session == assoc.session || other.session == key.1);
            let said: Vec<Statement<'_>> = same.map(|a| statement(&a.associated, &a.disassociated)).collect();
            let at = self.at;
            if let Some((participant, _)) = self.participant_mut(key.0) {
                participant.membership(&key.1, &said, &assoc.params, at);
                merge_extensions(&mut participant.extensions, &assoc.extensions, false);
            }
            settled.insert(key);
        }
        if self.complete {
            for participant in &mut self.snapshot.participants {
                let Participant { id, memberships, .. } = participant;
                for membership in memberships.iter_mut().filter(|m| m.intervals.iter().any(Interval::is_open)) {
                    if !settled.contains(&(id.as_str(), membership.session.clone())) {
                        close_all(&mut membership.intervals, self.at, None);
                    }
                }
            }
        }
    }

    /// Whether the participant `id`, whom the document names, is there.
    fn presence(&mut self, id: &'a str) {
        let document = self.document;
        let assocs = of(&self.in_sessions, id, |assoc| &assoc.participant).to_vec();
        let has_assocs = !assocs.is_empty();
        let said_from = assocs.iter().find_map(|a| a.associated.clone());
        let listed = document.participants.iter().any(|p| p.id == id);
        let on_streams = of(&self.on_streams, id, |assoc| &assoc.participant);
        let sends = on_streams.iter().any(|a| !a.send.is_empty());
        let (at, complete) = (self.at, self.complete);
        // BroadWorks names a leaver in a partial document by a participant that sends nothing.
        let silent = !complete && document.dialect.sends_in_participants && listed && !sends;
        let Some((participant, is_new)) = self.participant_mut(id) else { return };
        let in_a_session = participant.memberships.iter().any(|m| m.intervals.iter().any(Interval::is_open));
        let all_ended = has_assocs && assocs.iter().all(|a| a.disassociated.is_some()) && !in_a_session;
        if all_ended || (silent && !is_new) {
            let said_to = assocs.iter().filter_map(|a| a.disassociated.clone()).next_back();
            if is_new {
                append(&mut participant.intervals, Interval { from: at, to: None, said_from, said_to: None });
            }
            close_all(&mut participant.intervals, at, said_to.as_deref());
            participant.leave(at);
            self.left.push(id);
        } else if !participant.is_present() && (is_new || complete || has_assocs || sends) {
            append(&mut participant.intervals, Interval { from: at, to: None, said_from, said_to: None });
        }
        if is_new && !listed {
            self.deviations
                .add(&codes::UNKNOWN_PARTICIPANT, format_args!("participant '{}' is not described", quote(id)));
        }
    }

    /// The participant, and whether it has just become known.
    fn participant_mut(&mut self, id: &str) -> Option<(&mut Participant, bool)> {
        let known = self.snapshot.participants.iter().position(|p| p.id == id);
        let place = match known {
            Some(place) => place,
            None if self.snapshot.participants.len() >= MAX_ELEMENTS => {
                self.too_many("participants");
                return None;
            }
            None => {
                self.snapshot.participants.push(Participant {
                    id: id.to_string(),
                    names: Vec::new(),
                    former: Vec::new(),
                    intervals: Vec::new(),
                    memberships: Vec::new(),
                    contributions: Vec::new(),
                    extensions: Vec::new(),
                });
                self.snapshot.participants.len() - 1
            }
        };
        // Known only from this document: it has no interval yet.
        let participant = self.snapshot.participants.get_mut(place)?;
        let is_new = participant.intervals.is_empty();
        Some((participant, is_new))
    }

    /// The session an association means. CUBE once puts the participant's id there: what is not known is the only
    /// session that goes on.
    fn resolve_session(&mut self, id: &str) -> String {
        if !id.is_empty() && self.snapshot.session(id).is_some() {
            return id.to_string();
        }
        let active = self.snapshot.active_sessions();
        let only = match active.as_slice() {
            [session] => session.id.clone(),
            _ => id.to_string(),
        };
        if !id.is_empty() {
            self.deviations.add(&codes::UNKNOWN_SESSION, format_args!("'{}' is the id of no session", quote(id)));
        }
        only
    }

    fn streams(&mut self) {
        for element in &self.document.streams {
            self.stream(element);
        }
        if self.complete {
            let document = self.document;
            for stream in &mut self.snapshot.streams {
                if !document.streams.iter().any(|element| is_same_stream(element, stream)) {
                    stream.close(self.at);
                }
            }
        }
    }

    fn stream(&mut self, element: &'a StreamElement) {
        let at = self.at;
        if !element.id.is_empty() && element.label.is_some() {
            // The stream that had no id yet has one now.
            let nameless = |s: &&mut Stream| s.id.is_empty() && s.label() == element.label.as_deref();
            self.snapshot.streams.iter_mut().filter(nameless).for_each(|stream| stream.close(at));
        }
        let place = match self.snapshot.streams.iter().position(|known| is_same_stream(element, known)) {
            Some(place) => place,
            None if self.snapshot.streams.len() >= MAX_ELEMENTS => return self.too_many("streams"),
            None => {
                let stream = Stream { id: element.id.clone(), bindings: Vec::new(), extensions: Vec::new() };
                self.snapshot.streams.push(stream);
                self.snapshot.streams.len() - 1
            }
        };
        let Some(stream) = self.snapshot.streams.get_mut(place) else { return };
        merge_extensions(&mut stream.extensions, &element.extensions, self.complete);
        let last = stream.bindings.last();
        let kept = |new: &Option<String>, old: fn(&Binding) -> &Option<String>| {
            new.clone().or_else(|| last.and_then(|b| old(b).clone()))
        };
        let label = kept(&element.label, |b| &b.label);
        let session = kept(&element.session, |b| &b.session);
        let mode = kept(&element.mode, |b| &b.mode);
        let same =
            last.is_some_and(|b| b.interval.is_open() && b.label == label && b.session == session && b.mode == mode);
        if !same {
            stream.close(at);
            let interval = Interval { from: at, to: None, said_from: None, said_to: None };
            append(&mut stream.bindings, Binding { label, session, mode, interval });
        }
        if element.disassociated.is_some() {
            stream.close(at);
        }
    }

    fn contributions(&mut self) {
        for id in self.named_participants() {
            let assocs = of(&self.on_streams, id, |assoc| &assoc.participant).to_vec();
            for stream in assocs.iter().flat_map(|a| a.send.iter().chain(&a.recv)) {
                if !self.snapshot.streams.iter().any(|s| s.id == *stream) {
                    self.deviations
                        .add(&codes::UNKNOWN_STREAM, format_args!("'{}' is the id of no stream", quote(stream)));
                }
            }
            let (at, complete, has_left) = (self.at, self.complete, self.left.contains(&id));
            let Some((participant, _)) = self.participant_mut(id) else { continue };
            if has_left || (assocs.is_empty() && complete) {
                participant.contribute(&[], at);
            } else if !assocs.is_empty() {
                participant.contribute(&assocs, at);
            }
            for assoc in assocs {
                merge_extensions(&mut participant.extensions, &assoc.extensions, false);
            }
        }
    }

    /// Notes who is in which session: in the order of the participants' elements, which was right with every vendor seen;
    /// of associations where somebody has no element, being known already.
    fn people(&mut self) {
        let document = self.document;
        let elements = || document.participants.iter().map(|p| p.id.as_str());
        let described: BTreeSet<&str> = elements().collect();
        let on_streams = document.participant_streams.iter().map(|a| a.participant.as_str());
        let unbound = |p: &&Participant| p.is_present() && !p.memberships.iter().any(|m| m.is_open());
        let unbound: Vec<String> = self.snapshot.participants.iter().filter(unbound).map(|p| p.id.clone()).collect();
        self.snapshot.note_people(|session| {
            let assocs =
                || document.participant_sessions.iter().filter(|a| a.session == session || a.session.is_empty());
            let members = || assocs().map(|a| a.participant.as_str());
            let first: Vec<&str> =
                if members().all(|id| described.contains(id)) { elements().collect() } else { members().collect() };
            let all = first.into_iter().chain(elements()).chain(members()).chain(on_streams.clone());
            let mut seen = BTreeSet::new();
            all.chain(unbound.iter().map(String::as_str)).filter(|id| seen.insert(*id)).collect()
        });
    }

    /// Who was in a session that is over has left it, and its streams carry nothing.
    fn end_sessions(&mut self) {
        if self.snapshot.sessions.iter().all(Session::is_active) {
            return;
        }
        let over = self.snapshot.sessions.iter().filter(|s| !s.is_active());
        let over: BTreeSet<String> = over.map(|s| s.id.clone()).collect();
        let at = self.at;
        // People without associations go with the session that they were in, unless another has them now.
        let ended_now = |s: &&Session| !s.is_active() && s.intervals.last().is_some_and(|last| last.to == Some(at));
        let theirs = self.snapshot.sessions.iter().filter(ended_now).flat_map(|s| &s.people);
        let mut gone: BTreeSet<String> = theirs.cloned().collect();
        let elsewhere = self.snapshot.sessions.iter().filter(|s| s.is_active()).flat_map(|s| &s.people);
        elsewhere.for_each(|id| {
            gone.remove(id);
        });
        for participant in &mut self.snapshot.participants {
            let mut ended = gone.contains(&participant.id);
            for membership in participant.memberships.iter_mut().filter(|m| over.contains(&m.session)) {
                ended |= close_all(&mut membership.intervals, at, None);
            }
            if ended && !participant.memberships.iter().any(|m| m.is_open()) {
                participant.leave(at);
            }
        }
        for stream in &mut self.snapshot.streams {
            let session = stream.binding().and_then(|b| b.session.as_ref());
            if session.is_some_and(|session| over.contains(session)) {
                stream.close(at);
            }
        }
    }

    /// Vendors' data beside the elements. Of one session's document it is that session's, named as parent or not; when
    /// the session is over, so is the data.
    fn extensions(&mut self) {
        let document = self.document;
        let snapshot = &mut *self.snapshot;
        if document.extensions.is_empty() && snapshot.extensions.is_empty() {
            return;
        }
        let (sessions, at) = (&snapshot.sessions, self.at);
        let was_over = |s: &Session| !s.is_active() && s.intervals.last().is_some_and(|last| last.to < Some(at));
        let is_past = |parent: &str| sessions.iter().any(|s| s.id == parent && was_over(s));
        snapshot.extensions.retain(|extension| !extension.parent.as_deref().is_some_and(is_past));
        let mut named =
            document.sessions.iter().map(|s| &s.id).chain(document.session_recordings.iter().map(|a| &a.session));
        let named = named.next().filter(|first| named.all(|other| other == *first));
        let mut active = sessions.iter().filter(|s| s.is_active()).map(|s| &s.id);
        let only = active.next().filter(|_| document.sessions.is_empty() && active.next().is_none());
        let owner = named.or(only).cloned();
        let owned = |extension: &Extension| {
            let parent = extension.parent.clone().or_else(|| owner.clone());
            Extension { parent, ..extension.clone() }
        };
        let new: Vec<Extension> = document.extensions.iter().map(owned).collect();
        merge_extensions(&mut snapshot.extensions, &new, self.complete);
    }

    fn too_many(&mut self, kind: &str) {
        let told = format_args!("more than {MAX_ELEMENTS} {kind}; the rest is dropped");
        self.deviations.add(&codes::TOO_MANY_ELEMENTS, told);
    }
}

/// `assocs` by the participant that `whose` tells; those of one stay in their order.
fn sorted<T>(assocs: &[T], whose: fn(&T) -> &String) -> Vec<&T> {
    let mut sorted: Vec<&T> = assocs.iter().collect();
    sorted.sort_by(|a, b| whose(a).cmp(whose(b)));
    sorted
}

/// Those of `id` among what [`sorted`] made.
fn of<'s, 'a, T>(sorted: &'s [&'a T], id: &str, whose: fn(&T) -> &String) -> &'s [&'a T] {
    let from = sorted.partition_point(|assoc| whose(assoc).as_str() < id);
    let rest = sorted.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|assoc| whose(assoc) == id)).unwrap_or_default()
}

/// An empty id is no reference: such a stream is known by its label.
fn is_same_stream(element: &StreamElement, stream: &Stream) -> bool {
    element.id == stream.id && (!element.id.is_empty() || element.label.as_deref() == stream.label())
}

#[cfg(test)]
#[path = "fold_tests.rs"]
pub(super) mod tests;
