//! From messages by time to calls: retransmissions, transactions, dialogs, states, metadata, and which calls belong together.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::call::{Call, RecordingSession, State, Update};
use super::differences::differences;
use super::message::Traced;
use super::told::{CallMedia, Side};
use crate::metadata::{self, DataMode, Snapshot};
use crate::session::{Bodies, is_siprec_invite};
use crate::sip::{Message, Method};
use crate::vendor::{Evidence, links};

/// Dialogs of a call that are told apart.
const MAX_DIALOGS: usize = 32;
/// Calls that one call is linked with at most: what more share is no id of a call.
const MAX_LINKED: usize = 16;

/// Makes calls of messages. The second list has the new place of each of `media`.
pub(super) fn fold(
    messages: &mut [Traced],
    by_call_id: &BTreeMap<String, usize>,
    mut media: Vec<CallMedia>,
) -> (Vec<Call>, Vec<usize>) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut lists: Vec<Vec<usize>> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let call = *places.entry(message.call_id.clone()).or_insert_with(|| {
            lists.push(Vec::new());
            lists.len() - 1
        });
        if let Some(list) = lists.get_mut(call) {
            list.push(place);
        }
    }
    let mut new_places = Vec::from_iter(core::iter::repeat_n(usize::MAX, media.len()));
    let mut calls = Vec::with_capacity(lists.len());
    for list in lists {
        transactions(messages, &list);
        let Some(first) = list.first().and_then(|first| messages.get(*first)) else { continue };
        let told = by_call_id.get(&first.call_id).copied();
        if let Some(place) = told.and_then(|told| new_places.get_mut(told)) {
            *place = calls.len();
        }
        let media = told.and_then(|told| media.get_mut(told)).map(core::mem::take).unwrap_or_default();
        calls.extend(Folding::new(messages, &list, media).map(Folding::finish));
    }
    link(&mut calls);
    (calls, new_places)
}

/// Marks what went by again, and what answers what.
fn transactions(messages: &mut [Traced], list: &[usize]) {
    let mut requests: BTreeMap<(String, String, u32), usize> = BTreeMap::new();
    for (nth, &place) in list.iter().enumerate() {
        let Some(message) = messages.get(place) else { continue };
        let (again, answers) = {
            // A retransmission is the same to the octet (RFC 3261 17.1.1.2), and soon.
            let before = list.get(nth.saturating_sub(RETRANSMITTED_WITHIN)..nth).unwrap_or_default();
            let same = |other: &usize| {
                messages.get(*other).is_some_and(|other| {
                    (other.from, other.to) == (message.from, message.to) && other.bytes == message.bytes
                })
            };
            let again = before.iter().copied().find(same);
            let key = key(message);
            let answers =
                key.as_ref().filter(|_| message.status().is_some()).and_then(|key| requests.get(key).copied());
            if message.method().is_some()
                && again.is_none()
                && let Some(key) = key
            {
                requests.entry(key).or_insert(place);
            }
            (again, answers)
        };
        if let Some(message) = messages.get_mut(place) {
            (message.again, message.answers) = (again, answers);
        }
    }
}

/// Messages of a call that are looked back at for the same one.
const RETRANSMITTED_WITHIN: usize = 64;

/// A transaction (RFC 3261 17.1.3): branch, method, number.
fn key(message: &Traced) -> Option<(String, String, u32)> {
    let cseq = message.cseq.as_ref()?;
    Some((message.branch.clone().unwrap_or_default(), cseq.method.as_str().to_string(), cseq.number))
}

struct Folding<'a> {
    messages: &'a [Traced],
    call: Call,
    snapshot: Snapshot,
    updates: Vec<Update>,
    evidence: Evidence,
    is_recording: bool,
}

impl<'a> Folding<'a> {
    fn new(messages: &'a [Traced], list: &[usize], media: CallMedia) -> Option<Self> {
        let first = list.first().and_then(|place| messages.get(*place))?;
        let whole = first.message();
        let is_request = first.method().is_some();
        let (caller_address, callee_address) = if is_request { (first.from, first.to) } else { (first.to, first.from) };
        let within = !is_request || first.to_tag.is_some();
        let call = Call {
            id: first.call_id.clone(),
            messages: list.to_vec(),
            caller: whole.as_ref().and_then(Message::from),
            callee: whole.as_ref().and_then(Message::to),
            caller_address,
            callee_address,
            transport: first.transport,
            method: first.about().to_string(),
            dialogs: Vec::new(),
            began_at: first.at,
            answered_at: None,
            last_at: first.at,
            state: if within { State::Within } else { State::Trying },
            retransmissions: 0,
            media,
            recording: None,
            linked: Vec::new(),
            ids: crate::vendor::CallIds::default(),
            vendor: None,
        };
        let mut folding = Self {
            messages,
            call,
            snapshot: Snapshot::default(),
            updates: Vec::new(),
            evidence: Evidence::default(),
            is_recording: false,
        };
        for &place in list {
            folding.message(place);
        }
        Some(folding)
    }

    fn message(&mut self, place: usize) {
        let Some(message) = self.messages.get(place) else { return };
        self.call.last_at = self.call.last_at.max(message.at);
        if message.again.is_some() {
            self.call.retransmissions += 1;
            return;
        }
        self.dialog(message);
        self.state(message);
        let is_invite = message.method() == Some(&Method::Invite);
        if !is_invite && !message.has_metadata {
            return;
        }
        let Some(whole) = message.message() else { return };
        if message.method().is_some() {
            self.call.ids.message(&whole);
            self.evidence.message(&whole);
            self.is_recording |= message.has_metadata || is_siprec_invite(&whole);
        }
        for (content_type, body) in Bodies::read(&whole).unwrap_or_default().metadata {
            let Some(document) = metadata::parse(&content_type, &body).document else { continue };
            let before = self.snapshot.clone();
            self.snapshot.apply(&document, message.at);
            let changes = differences(&before, &self.snapshot);
            self.updates.push(Update { message: place, partial: document.mode == DataMode::Partial, changes });
        }
    }

    fn dialog(&mut self, message: &Traced) {
        let (Some(from), Some(to)) = (&message.from_tag, &message.to_tag) else { return };
        // A refusal makes none (RFC 3261 12.1).
        if message.status().is_some_and(|status| status >= 300) || message.about() == "ACK" {
            return;
        }
        let known = |(one, other): &(String, String)| (one == from && other == to) || (one == to && other == from);
        if !self.call.dialogs.iter().any(known) && self.call.dialogs.len() < MAX_DIALOGS {
            self.call.dialogs.push((from.clone(), to.clone()));
        }
    }

    fn state(&mut self, message: &Traced) {
        let is_invite = self.call.is_invite();
        let over = matches!(self.call.state, State::Ended(_) | State::Cancelled);
        if let Some(method) = message.method() {
            if *method == Method::Bye && !over {
                self.call.state = State::Ended(self.side(message));
            } else if *method == Method::Cancel && !over && self.call.answered_at.is_none() {
                self.call.state = State::Cancelled;
            }
            return;
        }
        let (Some(status), about) = (message.status(), message.about()) else { return };
        if !is_invite {
            let first = matches!(self.call.state, State::Trying | State::Transaction(_));
            if first && status >= 200 && about == self.call.method {
                self.call.state = State::Transaction(Some(status));
            }
            return;
        }
        if about != Method::Invite.as_str() || over {
            return;
        }
        match status {
            // What is asked for credentials is tried again.
            ..=199 | 401 | 407 if self.call.answered_at.is_none() => self.call.state = State::Ringing(status),
            200..=299 => {
                self.call.answered_at.get_or_insert(message.at);
                self.call.state = State::Established;
            }
            300.. if self.call.answered_at.is_none() => self.call.state = State::Refused(status),
            _ => {}
        }
    }

    /// Who sent a request.
    fn side(&self, message: &Traced) -> Side {
        let first = self.call.messages.first().and_then(|first| self.messages.get(*first));
        if first.is_some_and(|first| first.from_tag == message.from_tag) { Side::Caller } else { Side::Callee }
    }

    fn finish(self) -> Call {
        let Self { mut call, snapshot, updates, mut evidence, is_recording, .. } = self;
        if call.state == State::Trying && !call.is_invite() {
            call.state = State::Transaction(None);
        }
        call.ids.snapshot(&snapshot, None);
        if is_recording {
            evidence.snapshot(&snapshot);
            let labels = call.media.lines(Side::Caller).iter().map(|line| line.media.label.clone()).collect();
            call.recording = Some(RecordingSession { snapshot, updates, labels });
        }
        call.vendor = evidence.profile();
        call
    }
}

/// Ties calls by the ids that they share, and recording sessions to the calls whose Call-ID or Session-ID they name.
fn link(calls: &mut [Call]) {
    let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, call) in calls.iter().enumerate() {
        let mut ids: Vec<String> =
            call.ids.iter().filter(|(field, _)| links(field)).map(|(_, value)| value.to_ascii_lowercase()).collect();
        ids.push(call.id.to_ascii_lowercase());
        let sessions = call.recording.iter().flat_map(|recording| &recording.snapshot.sessions);
        let named = sessions.flat_map(|session| &session.sip_session_ids);
        // RFC 7989: the two halves of a session id, either of which is enough.
        let halves = named.flat_map(|id| id.split([';', '=', ','])).filter(|half| half.len() >= SHORTEST_ID);
        ids.extend(halves.map(str::to_ascii_lowercase).filter(|half| half.bytes().any(|b| b != b'0')));
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            by_id.entry(id).or_default().push(place);
        }
    }
    for places in by_id.into_values().filter(|places| (2..=MAX_LINKED).contains(&places.len())) {
        for &one in &places {
            let Some(call) = calls.get_mut(one) else { continue };
            let fresh = places.iter().copied().filter(|other| *other != one && !call.linked.contains(other));
            let fresh: Vec<usize> = fresh.take(MAX_LINKED.saturating_sub(call.linked.len())).collect();
            call.linked.extend(fresh);
        }
    }
}

/// Ids that are shorter are nobody's.
const SHORTEST_ID: usize = 6;
