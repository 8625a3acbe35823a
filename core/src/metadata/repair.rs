//! What of a document can be seen only when all of it is read: ids that are written in two ways, ids that two elements
//! share, streams that are named by their label.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::{Document, ParticipantElement};
use super::snapshot::Snapshot;
use crate::deviation::{Deviations, codes, quote};

/// Repairs what a document alone tells. Most have nothing to repair, and cost no more than to see that.
pub(super) fn repair(document: &mut Document, deviations: &mut Deviations) {
    if has_twins(document.participants.iter().map(|p| p.id.as_str())) {
        participants_of_one_id(document, deviations);
    }
    if has_twins(document.streams.iter().map(|s| s.id.as_str()).filter(|id| !id.is_empty())) {
        streams_of_one_id(document, deviations);
    }
    if dangles(document) {
        Ids::of_document(document).renew_references(document, deviations);
        by_label(document, deviations);
    }
}

/// Elements of one kind up to which they are compared one by one, without a list of their own.
const FEW: usize = 8;

fn has_twins<'i>(ids: impl Iterator<Item = &'i str> + Clone) -> bool {
    let mut rest = ids.clone();
    if ids.clone().nth(FEW).is_none() {
        return { ids }.any(|id| {
            rest.next();
            rest.clone().any(|other| other == id)
        });
    }
    let mut sorted: Vec<&str> = ids.collect();
    sorted.sort_unstable();
    sorted.array_windows::<2>().any(|[one, other]| one == other)
}

/// Whether anything refers to what the document does not define, or may: many ids are not looked at here.
fn dangles(document: &Document) -> bool {
    let counts = [document.participants.len(), document.sessions.len(), document.streams.len(), document.groups.len()];
    if counts.iter().any(|count| *count > FEW) {
        return true;
    }
    let person = |id: &String| id.is_empty() || document.participants.iter().any(|p| p.id == *id);
    let session = |id: &String| id.is_empty() || document.sessions.iter().any(|s| s.id == *id);
    let stream = |id: &String| id.is_empty() || document.streams.iter().any(|s| s.id == *id);
    let group = |id: &String| id.is_empty() || document.groups.iter().any(|g| g.id == *id);
    let (mut on_streams, mut in_sessions) = (document.participant_streams.iter(), document.participant_sessions.iter());
    !(on_streams.all(|a| person(&a.participant) && a.send.iter().chain(&a.recv).all(stream))
        && in_sessions.all(|a| person(&a.participant) && session(&a.session))
        && document.session_recordings.iter().all(|a| session(&a.session))
        && document.streams.iter().filter_map(|s| s.session.as_ref()).all(session)
        && document.sessions.iter().filter_map(|s| s.group.as_ref()).all(group))
}

impl Document {
    /// The same with ids as `snapshot` has them, where only their spelling differs; none where nothing does.
    pub(super) fn in_the_words_of(&self, snapshot: &Snapshot, deviations: &mut Deviations) -> Option<Self> {
        if snapshot.updates == 0 {
            return None;
        }
        let ids = Ids::of_snapshot(snapshot);
        let mut document = self.clone();
        let mut is_changed = false;
        let mut renew = |kind: &Kind, id: &mut String| is_changed |= kind.renew(id, deviations);
        document.participants.iter_mut().for_each(|p| renew(&ids.participants, &mut p.id));
        document.sessions.iter_mut().for_each(|s| renew(&ids.sessions, &mut s.id));
        document.streams.iter_mut().for_each(|s| renew(&ids.streams, &mut s.id));
        document.groups.iter_mut().for_each(|g| renew(&ids.groups, &mut g.id));
        is_changed |= ids.renew_references(&mut document, deviations);
        is_changed.then_some(document)
    }
}

/// Ids of one kind, and how each looks without what may differ in its spelling; none for one that two have in common.
#[derive(Default)]
struct Kind {
    exact: BTreeSet<String>,
    bare: BTreeMap<String, Option<String>>,
}

impl Kind {
    fn new<'i>(ids: impl Iterator<Item = &'i String>) -> Self {
        let mut kind = Self::default();
        for id in ids.filter(|id| !id.is_empty()) {
            if kind.exact.insert(id.clone()) {
                kind.bare.entry(bare(id)).and_modify(|known| *known = None).or_insert_with(|| Some(id.clone()));
            }
        }
        kind
    }

    /// Writes `id` as the id that it means and is not.
    fn renew(&self, id: &mut String, deviations: &mut Deviations) -> bool {
        if id.is_empty() || self.exact.contains(id) {
            return false;
        }
        let Some(known) = self.bare.get(&bare(id)).and_then(Option::as_ref) else { return false };
        deviations
            .add(&codes::ID_SPELLING, format_args!("'{}' and '{}' are taken for one id", quote(id), quote(known)));
        id.clone_from(known);
        true
    }
}

struct Ids {
    participants: Kind,
    sessions: Kind,
    streams: Kind,
    groups: Kind,
}

impl Ids {
    fn of_document(document: &Document) -> Self {
        Self {
            participants: Kind::new(document.participants.iter().map(|p| &p.id)),
            sessions: Kind::new(document.sessions.iter().map(|s| &s.id)),
            streams: Kind::new(document.streams.iter().map(|s| &s.id)),
            groups: Kind::new(document.groups.iter().map(|g| &g.id)),
        }
    }

    fn of_snapshot(snapshot: &Snapshot) -> Self {
        Self {
            participants: Kind::new(snapshot.participants.iter().map(|p| &p.id)),
            sessions: Kind::new(snapshot.sessions.iter().map(|s| &s.id)),
            streams: Kind::new(snapshot.streams.iter().map(|s| &s.id)),
            groups: Kind::new(snapshot.groups.iter().map(|g| &g.id)),
        }
    }

    /// Writes what associations refer to as it is defined; whether anything was written otherwise.
    fn renew_references(&self, document: &mut Document, deviations: &mut Deviations) -> bool {
        let mut is_changed = false;
        let mut renew = |kind: &Kind, id: &mut String| is_changed |= kind.renew(id, deviations);
        document.sessions.iter_mut().filter_map(|s| s.group.as_mut()).for_each(|id| renew(&self.groups, id));
        document.streams.iter_mut().filter_map(|s| s.session.as_mut()).for_each(|id| renew(&self.sessions, id));
        document.session_recordings.iter_mut().for_each(|a| renew(&self.sessions, &mut a.session));
        for assoc in &mut document.participant_sessions {
            renew(&self.participants, &mut assoc.participant);
            renew(&self.sessions, &mut assoc.session);
        }
        for assoc in &mut document.participant_streams {
            renew(&self.participants, &mut assoc.participant);
            assoc.send.iter_mut().chain(&mut assoc.recv).for_each(|id| renew(&self.streams, id));
        }
        is_changed
    }
}

/// An id without what may differ in its spelling: blanks, braces, quotation marks, `urn:uuid:`, padding, case, and the
/// dashes of a UUID.
fn bare(id: &str) -> String {
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '<' | '>' | '(' | ')' | '"' | '\'');
    let lower: String = id.chars().filter(|c| !is_mark(*c)).map(|c| c.to_ascii_lowercase()).collect();
    let rest = lower.strip_prefix("urn:").unwrap_or(&lower);
    let rest = rest.strip_prefix("uuid:").unwrap_or(rest).trim_end_matches('=');
    let digits: String = rest.chars().filter(|c| *c != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_uuid { digits } else { rest.to_string() }
}

/// Participants of one id: one element where they can be one, and two people where they have two addresses; associations
/// are then shared out in their order.
fn participants_of_one_id(document: &mut Document, deviations: &mut Deviations) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut twins: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut merged: Vec<ParticipantElement> = Vec::with_capacity(document.participants.len());
    for mut participant in core::mem::take(&mut document.participants) {
        let Some(first) = known.get(&participant.id).and_then(|place| merged.get_mut(*place)) else {
            known.insert(participant.id.clone(), merged.len());
            merged.push(participant);
            continue;
        };
        let id = participant.id.clone();
        deviations.add(&codes::ID_USED_TWICE, format_args!("two participants have the id '{}'", quote(&id)));
        let address = |p: &ParticipantElement| p.names.first().map(|name| name.normalised.clone());
        if first.names.is_empty() || participant.names.is_empty() || address(first) == address(&participant) {
            if first.names.is_empty() {
                first.names = participant.names;
            }
            first.extensions.extend(participant.extensions);
            continue;
        }
        let ids = twins.entry(id.clone()).or_insert_with(|| [id.clone()].into());
        participant.id = format!("{id}#{}", ids.len() + 1);
        ids.push(participant.id.clone());
        merged.push(participant);
    }
    document.participants = merged;
    if twins.is_empty() {
        return;
    }
    let in_order = |ids: &mut dyn Iterator<Item = &mut String>| {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for id in ids {
            let Some(twins) = twins.get(id) else { continue };
            let place = places.entry(id.clone()).or_default();
            if let Some(twin) = twins.get(*place % twins.len()) {
                *place += 1;
                id.clone_from(twin);
            }
        }
    };
    in_order(&mut document.participant_sessions.iter_mut().map(|assoc| &mut assoc.participant));
    in_order(&mut document.participant_streams.iter_mut().map(|assoc| &mut assoc.participant));
}

/// Streams of one id and different labels are different streams: who sends on them is told in their order.
fn streams_of_one_id(document: &mut Document, deviations: &mut Deviations) {
    let mut twins: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut labels: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for stream in document.streams.iter_mut().filter(|stream| !stream.id.is_empty()) {
        let known = labels.entry(stream.id.clone()).or_default();
        let is_other = !known.is_empty() && stream.label.is_some() && !known.contains(&stream.label);
        known.push(stream.label.clone());
        let ids = twins.entry(stream.id.clone()).or_insert_with(|| [stream.id.clone()].into());
        if is_other {
            deviations.add(&codes::ID_USED_TWICE, format_args!("two streams have the id '{}'", quote(&stream.id)));
            stream.id = format!("{}#{}", stream.id, ids.len() + 1);
            ids.push(stream.id.clone());
        }
    }
    twins.retain(|_, ids| ids.len() > 1);
    if twins.is_empty() {
        return;
    }
    let mut share = |of: fn(&mut super::ParticipantStreamAssoc) -> &mut Vec<String>, from: usize| {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for id in document.participant_streams.iter_mut().flat_map(of) {
            let Some(ids) = twins.get(id) else { continue };
            let place = places.entry(id.clone()).or_insert(from);
            if let Some(twin) = ids.get(*place % ids.len()) {
                *place += 1;
                id.clone_from(twin);
            }
        }
    };
    // Who sends on the first receives the second.
    share(|assoc| &mut assoc.send, 0);
    share(|assoc| &mut assoc.recv, 1);
}

/// A send or recv that is no stream's id, but the label of one, means that stream.
fn by_label(document: &mut Document, deviations: &mut Deviations) {
    let ids: BTreeSet<&str> = document.streams.iter().map(|stream| stream.id.as_str()).collect();
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    for stream in document.streams.iter().filter(|stream| !stream.id.is_empty()) {
        if let Some(label) = &stream.label {
            labels.entry(label).or_insert(&stream.id);
        }
    }
    for assoc in &mut document.participant_streams {
        for id in assoc.send.iter_mut().chain(&mut assoc.recv).filter(|id| !ids.contains(id.as_str())) {
            if let Some(stream) = labels.get(id.as_str()) {
                deviations.add(&codes::SEND_BY_LABEL, format_args!("'{}' is the label of a stream", quote(id)));
                *id = stream.to_string();
            }
        }
    }
}
