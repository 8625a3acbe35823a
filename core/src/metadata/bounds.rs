//! How much a snapshot remembers. It is written into the journal with each update, and a persistent recording
//! session never ends.

use alloc::collections::BTreeSet;
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
        let known: BTreeSet<&str> = self.participants.iter().map(|p| p.id.as_str()).collect();
        self.sessions.iter_mut().for_each(|s| s.people.retain(|id| known.contains(id.as_str())));
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
                + texts(&s.people)
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

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::time::Wall;
    use alloc::format;

    fn weight(elements: &str) -> usize {
        let text = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode>{elements}</recording>"
        );
        let mut snapshot = Snapshot::default();
        snapshot.apply(&parse("application/rs-metadata+xml", text.as_bytes()).document.unwrap(), Wall(1));
        snapshot.weight()
    }

    #[test]
    fn every_text_weighs_what_it_holds() {
        assert_eq!(weight(""), 0);
        let ten = "0123456789";
        for (elements, grows_by) in [
            ("<session session_id='S*'/>", 10),
            ("<session session_id='S'><sipSessionID>x*</sipSessionID></session>", 10),
            ("<participant participant_id='p*'/>", 10),
            // Verbatim, and normalised.
            ("<participant participant_id='p'><nameID aor='sip:a*@b'/></participant>", 20),
            ("<participant participant_id='p'><nameID aor='sip:a@b'><name>n*</name></nameID></participant>", 10),
            ("<stream stream_id='s*'><label>1</label></stream>", 10),
            ("<stream stream_id='s'><label>1*</label></stream>", 10),
            ("<group group_id='g*'/>", 10),
            // Verbatim, and as a field.
            ("<x xmlns='v'>x*</x>", 20),
            // Verbatim, as its namespace, and once more in the other's.
            ("<participant participant_id='p'><x xmlns='v*'>y</x></participant>", 20),
            (
                "<participant participant_id='p'/><participantstreamassoc participant_id='p'><send>s*</send></participantstreamassoc>",
                10,
            ),
            (
                "<participant participant_id='p'/><participantstreamassoc participant_id='p'><recv>s*</recv></participantstreamassoc>",
                10,
            ),
        ] {
            let (short, long) = (weight(&elements.replace('*', "")), weight(&elements.replace('*', ten)));
            assert_eq!(long - short, grows_by, "{elements}");
        }
    }

    #[test]
    fn every_element_weighs_something_of_its_own() {
        // Its id, itself, and the interval in which it is there.
        assert_eq!(weight("<session session_id='S'/>"), 1 + 2 * ELEMENT_WEIGHT);
        assert_eq!(weight("<group group_id='g'/>"), 1 + ELEMENT_WEIGHT);
        let named = "<participant participant_id='p'><nameID aor='sip:a@b'/></participant>";
        assert_eq!(weight(named) - weight("<participant participant_id='p'/>"), 7 + 3 + ELEMENT_WEIGHT);
    }

    #[test]
    fn what_is_forgotten_is_counted() {
        let mut list: Vec<usize> = (0..40).collect();
        assert_eq!((trim(&mut list), list.len(), list[0], list[1]), (7, MAX_HISTORY + 1, 0, 8));
        let mut few: Vec<usize> = (0..=MAX_HISTORY).collect();
        assert_eq!((trim(&mut few), few.len()), (0, MAX_HISTORY + 1));
        let list = |of: &str| format!("[{}]", [of; 40].join(","));
        let (former, interval) = ("{\"names\":[],\"until\":1}", "{\"from\":1,\"until\":2}");
        let membership = format!("{{\"session\":\"S\",\"intervals\":{},\"params\":[]}}", list(interval));
        let contribution = "{\"send\":[],\"recv\":[],\"interval\":{\"from\":1,\"until\":null}}";
        let participant = format!(
            "{{\"id\":\"p\",\"names\":[],\"former\":{},\"intervals\":[],\"memberships\":[{membership}],\
             \"contributions\":{},\"extensions\":[]}}",
            list(former),
            list(contribution)
        );
        let participant: Participant = serde_json::from_str(&participant).unwrap();
        let mut snapshot = Snapshot { participants: [participant].into(), ..Snapshot::default() };
        snapshot.stay_in_bounds();
        assert_eq!(snapshot.forgotten, 3 * 7);
    }
}
