//! How much a snapshot remembers. It is written into the journal with each update, and a persistent recording
//! session never ends.

use alloc::string::String;
use alloc::vec::Vec;

use super::document::{Extension, NameId};
use super::snapshot::{Contribution, Interval, Participant, Session, Snapshot, Stream};

/// Closed intervals kept of one element: its first, and its latest.
pub const MAX_HISTORY: usize = 32;
/// Elements of one kind that are over and still kept.
const MAX_PAST: usize = 128;
/// Names of one participant.
const MAX_NAMES: usize = 16;
/// Octets of text, roughly. Beyond it the past is forgotten, and partial documents are not taken in.
const MAX_WEIGHT: usize = 256 * 1024;
/// What an element weighs besides its texts.
const ELEMENT_WEIGHT: usize = 64;

impl Snapshot {
    /// Whether another partial document may be folded in.
    pub(super) fn has_room(&self) -> bool {
        self.weight() <= MAX_WEIGHT
    }

    /// Forgets the oldest of what is over, as far as needed.
    pub(super) fn stay_in_bounds(&mut self) {
        let mut forgotten = 0;
        for participant in &mut self.participants {
            participant.names.truncate(MAX_NAMES);
            forgotten += trim(&mut participant.former);
            forgotten += trim(&mut participant.intervals) + trim(&mut participant.contributions);
            for membership in &mut participant.memberships {
                forgotten += trim(&mut membership.intervals);
            }
            forgotten += trim(&mut participant.memberships);
        }
        forgotten += self.sessions.iter_mut().map(|s| trim(&mut s.intervals)).sum::<usize>();
        forgotten += self.streams.iter_mut().map(|s| trim(&mut s.bindings)).sum::<usize>();
        let past = if self.has_room() { MAX_PAST } else { 0 };
        forgotten += forget(&mut self.sessions, past, Session::is_active);
        forgotten += forget(&mut self.participants, past, Participant::is_present);
        forgotten += forget(&mut self.streams, past, Stream::is_active);
        let sessions = &self.sessions;
        self.groups.retain(|g| g.disassociated.is_none() || sessions.iter().any(|s| s.group.as_ref() == Some(&g.id)));
        forgotten += trim_by(&mut self.groups, MAX_PAST);
        self.forgotten = self.forgotten.saturating_add(u32::try_from(forgotten).unwrap_or(u32::MAX));
    }

    fn weight(&self) -> usize {
        let extensions = |list: &[Extension]| list.iter().map(extension_weight).sum::<usize>();
        let intervals = |list: &[Interval]| list.len() * ELEMENT_WEIGHT;
        let sessions = self.sessions.iter().map(|s| {
            texts(&s.sip_session_ids)
                + extensions(&s.extensions)
                + intervals(&s.intervals)
                + s.id.len()
                + ELEMENT_WEIGHT
        });
        let participants = self.participants.iter().map(|p| {
            let memberships = p.memberships.iter().map(|m| m.session.len() + intervals(&m.intervals) + ELEMENT_WEIGHT);
            let contribution = |c: &Contribution| texts(&c.send) + texts(&c.recv) + ELEMENT_WEIGHT;
            p.id.len()
                + p.names.iter().chain(p.former.iter().flat_map(|f| &f.names)).map(name_weight).sum::<usize>()
                + extensions(&p.extensions)
                + intervals(&p.intervals)
                + memberships.sum::<usize>()
                + p.contributions.iter().map(contribution).sum::<usize>()
                + ELEMENT_WEIGHT
        });
        let streams = self.streams.iter().map(|s| {
            let bindings = s.bindings.iter().map(|b| {
                [&b.label, &b.session, &b.mode].into_iter().flatten().map(String::len).sum::<usize>() + ELEMENT_WEIGHT
            });
            s.id.len() + bindings.sum::<usize>() + extensions(&s.extensions) + ELEMENT_WEIGHT
        });
        let groups = self.groups.iter().map(|g| g.id.len() + extensions(&g.extensions) + ELEMENT_WEIGHT);
        let elements = sessions.chain(participants).chain(streams).chain(groups);
        elements.sum::<usize>() + extensions(&self.extensions)
    }
}

/// Keeps the first and the latest of `list`, [`MAX_HISTORY`] closed ones and an open one; returns how many went.
fn trim<T>(list: &mut Vec<T>) -> usize {
    trim_by(list, MAX_HISTORY + 1)
}

fn trim_by<T>(list: &mut Vec<T>, most: usize) -> usize {
    let surplus = list.len().saturating_sub(most);
    if surplus > 0 {
        list.drain(1..=surplus);
    }
    surplus
}

/// Removes the oldest elements that are over, until `most` of them are left.
fn forget<T>(list: &mut Vec<T>, most: usize, goes_on: fn(&T) -> bool) -> usize {
    let past = list.iter().filter(|element| !goes_on(element)).count();
    let surplus = past.saturating_sub(most);
    let mut left = surplus;
    if surplus > 0 {
        list.retain(|element| {
            let goes = left > 0 && !goes_on(element);
            left -= usize::from(goes);
            !goes
        });
    }
    surplus
}

fn texts(list: &[String]) -> usize {
    list.iter().map(String::len).sum()
}

fn name_weight(name: &NameId) -> usize {
    name.aor.len() + name.normalised.len() + name.display.as_ref().map_or(0, String::len) + ELEMENT_WEIGHT
}

fn extension_weight(extension: &Extension) -> usize {
    let fields = extension.fields.iter().map(|(path, value)| path.len() + value.len());
    extension.xml.len()
        + extension.name.len()
        + extension.namespace.len()
        + texts(&extension.namespaces)
        + fields.sum::<usize>()
}
