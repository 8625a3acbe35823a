//! What of a snapshot is of one communication session: its people in the order in which it named them, who called whom,
//! and on which labels they were heard. A recording session may hold many of them, one after the other and side by side;
//! none is to know the others' people.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::document::{Extension, NameId};
use super::intervals::overlap;
use super::snapshot::{Binding, Contribution, Interval, Membership, Participant, Session, Snapshot, Stream, is_open};
use crate::time::Wall;

/// From when to when; open where there is no end.
pub type Span = (Wall, Option<Wall>);

impl Snapshot {
    /// Whether `participant` is in `session` now: its associations say so; where it has none to a session that goes on,
    /// the sessions of its streams; without those it is in each.
    pub fn is_in(&self, participant: &Participant, session: &str) -> bool {
        self.is_present_in(participant, session, &self.active_ids())
    }

    fn is_present_in(&self, participant: &Participant, session: &str, active: &BTreeSet<&str>) -> bool {
        let sessions = self.sessions_of_participant(participant, active);
        participant.is_present()
            && active.contains(session)
            && sessions.is_none_or(|sessions| sessions.contains(&session))
    }

    /// Sessions of `active` that a participant is in; none where nothing says in which.
    fn sessions_of_participant<'s>(
        &'s self,
        participant: &'s Participant,
        active: &BTreeSet<&'s str>,
    ) -> Option<BTreeSet<&'s str>> {
        let said = participant.memberships.iter().filter(|m| is_open(&m.intervals)).map(|m| m.session.as_str());
        let said: BTreeSet<&str> = said.filter(|id| active.contains(id)).collect();
        if !said.is_empty() {
            return Some(said);
        }
        let theirs = participant.sends().iter().chain(participant.receives());
        let streams = theirs.filter_map(|id| self.streams.iter().find(|stream| stream.id == *id && stream.is_active()));
        let by_stream: BTreeSet<&str> = streams.filter_map(|stream| stream.binding()?.session.as_deref()).collect();
        let by_stream: BTreeSet<&str> = by_stream.intersection(active).copied().collect();
        (!by_stream.is_empty()).then_some(by_stream)
    }

    fn active_ids(&self) -> BTreeSet<&str> {
        self.sessions.iter().filter(|s| s.is_active()).map(|s| s.id.as_str()).collect()
    }

    /// Notes who of `named` is in which session: in this order, after those who were there before.
    pub(super) fn note_people<'d>(&mut self, named: impl Fn(&str) -> Vec<&'d str>) {
        let active = self.active_ids();
        let mut news: Vec<Vec<String>> = Vec::new();
        for session in &self.sessions {
            let known: BTreeSet<&str> = session.people.iter().map(String::as_str).collect();
            let is_new = |id: &&str| {
                let participant = self.participant(id);
                !known.contains(id)
                    && participant.is_some_and(|participant| {
                        participant.memberships.iter().any(|m| m.session == session.id)
                            || self.is_present_in(participant, &session.id, &active)
                    })
            };
            news.push(named(&session.id).into_iter().filter(is_new).map(String::from).collect());
        }
        for (session, new) in self.sessions.iter_mut().zip(news) {
            session.people.extend(new);
        }
    }

    /// The sessions that are heard on a stream: the one that it names (the only active one where it names none that is
    /// known), and those of people who send on it and are in no other, since a stream can be of several (RFC 7865 6.7).
    pub fn sessions_of(&self, stream: Option<&Stream>) -> Vec<&str> {
        let active = self.active_ids();
        let named = stream.and_then(|s| s.binding()?.session.as_deref()).filter(|id| active.contains(id));
        let only = active.first().copied().filter(|_| active.len() == 1);
        let Some(own) = named.or(only) else { return Vec::new() };
        let senders = stream.map(|stream| self.senders_of(stream)).unwrap_or_default();
        let theirs = senders.iter().filter_map(|sender| self.sessions_of_participant(sender, &active));
        let others: BTreeSet<&str> = theirs.filter(|sessions| !sessions.contains(own)).flatten().collect();
        let is_heard = |id: &&str| *id == own || others.contains(id);
        self.sessions
            .iter()
            .map(|session| session.id.as_str())
            .filter(|id| active.contains(id))
            .filter(is_heard)
            .collect()
    }

    /// Everyone who is or was in `session`, in the order in which it named them.
    pub fn participants_of(&self, session: &str) -> Vec<&Participant> {
        let people = self.session(session).map(|session| session.people.as_slice()).unwrap_or_default();
        people.iter().filter_map(|id| self.participant(id)).collect()
    }

    /// When `participant` was in `session` first, and when last; without a session, when it was there.
    pub fn stay(&self, participant: &Participant, session: Option<&str>) -> Option<Span> {
        let spans = self.stays(participant, session);
        Some((spans.first()?.0, spans.last()?.1))
    }

    /// The stretches for which `participant` was in `session`.
    fn stays(&self, participant: &Participant, session: Option<&str>) -> Vec<Span> {
        let Some(id) = session else { return spans(&participant.intervals) };
        if let Some(said) = participant.memberships.iter().find(|membership| membership.session == id) {
            return spans(&said.intervals);
        }
        let whole = self.session(id).map(|session| spans(&session.intervals)).unwrap_or_default();
        let both = |a: &Span, b: &Span| {
            let to = match (a.1, b.1) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            (a.0.max(b.0), to)
        };
        let theirs = spans(&participant.intervals);
        let pairs = theirs.iter().flat_map(|there| whole.iter().map(move |session| (there, session)));
        pairs
            .filter(|(there, session)| overlap(**there, **session))
            .map(|(there, session)| both(there, session))
            .collect()
    }

    /// Labels of all streams that `participant` sent on in `session` (in any, where none is named), in the order of
    /// streams.
    pub fn labels_of(&self, participant: &Participant, session: Option<&str>) -> Vec<&str> {
        let stays = self.stays(participant, session);
        let mut labels: Vec<&str> = Vec::new();
        for stream in &self.streams {
            let is_guessed = !self.sends_are_named && self.senders_of(stream).contains(&participant);
            for (place, binding) in stream.bindings.iter().enumerate() {
                let sent = |c: &&Contribution| {
                    c.send.contains(&stream.id) && stays.iter().any(|stay| overlap(*stay, span(&c.interval)))
                };
                let is_then = |c: &Contribution| is_bound(stream, place, span(&c.interval));
                let named = participant.contributions.iter().filter(sent).any(is_then);
                let counts = named || (is_guessed && place + 1 == stream.bindings.len());
                let is_heard = session.is_none_or(|session| self.is_heard_on(stream, binding, session));
                if let Some(label) =
                    binding.label.as_deref().filter(|label| counts && is_heard && !labels.contains(label))
                {
                    labels.push(label);
                }
            }
        }
        labels
    }

    /// Whether `session` was heard on `stream` while it was bound so.
    fn is_heard_on(&self, stream: &Stream, binding: &Binding, session: &str) -> bool {
        let Some(own) = binding.session.as_deref().and_then(|own| self.session(own)) else { return true };
        let is_over = own.intervals.last().is_some_and(|last| last.to.is_some());
        let of = |p: &Participant, session: &Session| session.people.contains(&p.id);
        let theirs = self.session(session);
        let only_theirs = |p: &&Participant| theirs.is_some_and(|theirs| of(p, theirs)) && !of(p, own);
        let sent = |p: &Participant| {
            p.contributions
                .iter()
                .any(|c| c.send.contains(&stream.id) && overlap(span(&c.interval), span(&binding.interval)))
        };
        // A stream that nobody bound anew after its session was over goes on for the next.
        let is_next = || is_over && binding.interval.to.is_some_and(|to| self.begins_after(session, to));
        own.id == session || self.participants.iter().filter(only_theirs).any(sent) || is_next()
    }

    fn begins_after(&self, session: &str, at: Wall) -> bool {
        self.session(session).and_then(|session| session.intervals.first()).is_some_and(|first| first.from >= at)
    }

    /// Whether anybody has sent on `stream` since it was bound as it is.
    pub fn was_sent_on(&self, stream: &Stream) -> bool {
        let Some(binding) = stream.binding() else { return false };
        let since = |c: &Contribution| overlap(span(&c.interval), span(&binding.interval));
        let sent = |p: &Participant| p.contributions.iter().any(|c| c.send.contains(&stream.id) && since(c));
        !stream.id.is_empty() && self.participants.iter().any(sent)
    }

    /// Who called whom: in `session`, or among those who send on `labels` where there is none.
    ///
    /// A vendor's own mark decides (Oracle's `callingParty`, a `callingPartyNumber`); else the order in which
    /// participants were named, where it was right with every vendor seen; the order of labels proves nothing.
    /// Who never sent and stand-ins come last.
    pub fn caller_callee(
        &self,
        session: Option<&str>,
        labels: &[Option<String>],
    ) -> (Option<&Participant>, Option<&Participant>) {
        let mut parties: Vec<&Participant> = match session {
            Some(session) => self.participants_of(session),
            None => self.participants.iter().collect(),
        };
        if session.is_none() {
            let on_label = |p: &&Participant| {
                let theirs = self.labels_of(p, None);
                labels.iter().flatten().any(|label| theirs.contains(&label.as_str()))
            };
            if parties.iter().filter(|p| on_label(p)).count() >= 2 {
                parties.retain(|p| on_label(p));
            }
        }
        parties.sort_by_cached_key(|p| (p.is_placeholder(), self.sends_are_named && !self.ever_sent(p, session)));
        let caller = self.marked_caller(session, &parties).unwrap_or(0);
        let callee = if caller == 0 { 1 } else { 0 };
        (parties.get(caller).copied(), parties.get(callee).copied())
    }

    fn ever_sent(&self, participant: &Participant, session: Option<&str>) -> bool {
        let stays = self.stays(participant, session);
        let then = |c: &Contribution| stays.iter().any(|stay| overlap(*stay, span(&c.interval)));
        participant.contributions.iter().any(|c| !c.send.is_empty() && then(c))
    }

    /// The place of the party that a vendor's data marks as the caller.
    fn marked_caller(&self, session: Option<&str>, parties: &[&Participant]) -> Option<usize> {
        let mark = |p: &Participant| p.extensions.iter().find_map(|e| e.field("callingParty")).map(|v| v == "true");
        if let Some(place) = parties.iter().position(|p| mark(p) == Some(true)) {
            return Some(place);
        }
        let own = session.and_then(|session| self.session(session)).into_iter();
        let of_all = self.sessions.iter().filter(|_| session.is_none());
        let of_sessions = own.chain(of_all).flat_map(|session| &session.extensions);
        let beside = self.extensions.iter().filter(|extension| self.is_about(extension, session));
        let number = of_sessions.chain(beside).find_map(|extension| extension.field("callingPartyNumber"))?;
        let wanted = user(&NameId::new(number, None, None).normalised);
        let place = parties.iter().position(|p| p.names.iter().any(|n| user(&n.normalised) == wanted));
        place.filter(|_| !wanted.is_empty())
    }

    /// Whether vendor's data beside the elements is about `session`, or may be: its parent is the session, or somebody
    /// or something in it; one that is not known says nothing.
    pub fn is_about(&self, extension: &Extension, session: Option<&str>) -> bool {
        let (Some(parent), Some(session)) = (extension.parent.as_deref(), session) else { return true };
        if self.session(parent).is_some() {
            return parent == session;
        }
        if self.participant(parent).is_some() {
            return self.session(session).is_some_and(|session| session.people.iter().any(|id| id == parent));
        }
        let stream = self.streams.iter().find(|stream| stream.id == parent);
        stream.is_none_or(|stream| stream.bindings.iter().any(|binding| self.is_heard_on(stream, binding, session)))
    }
}

impl Session {
    /// Whether it went on at some time of `span`.
    pub fn is_within(&self, within: Span) -> bool {
        self.intervals.iter().any(|interval| overlap(span(interval), within))
    }
}

impl Participant {
    /// Whether it was there at some time of `span`.
    pub fn is_within(&self, within: Span) -> bool {
        self.intervals.iter().any(|interval| overlap(span(interval), within))
    }
}

impl Membership {
    pub(super) fn is_open(&self) -> bool {
        is_open(&self.intervals)
    }
}

/// Whether what happened in `then` happened while the binding at `place` held; after the last one's end it still counts.
fn is_bound(stream: &Stream, place: usize, then: Span) -> bool {
    let held = |binding: &Binding| overlap(span(&binding.interval), then);
    match stream.bindings.get(place) {
        Some(binding) if held(binding) => true,
        Some(_) => place + 1 == stream.bindings.len() && !stream.bindings.iter().any(held),
        None => false,
    }
}

fn spans(intervals: &[Interval]) -> Vec<Span> {
    intervals.iter().map(span).collect()
}

fn span(interval: &Interval) -> Span {
    (interval.from, interval.to)
}

/// What stands before the `@`.
fn user(address: &str) -> String {
    address.split('@').next().unwrap_or(address).trim_start_matches('+').into()
}

#[cfg(test)]
#[path = "of_session_tests.rs"]
mod tests;
