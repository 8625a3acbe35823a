//! A recording taken out of a journal that others need: its packets, and what names its people.
//!
//! ```text
//! Entry -> Redaction::note (all entries once) -> Redaction::redact -> Entry, changed, or nothing
//! ```
//! Lengths stay, so what is left of a SIP message is read as before. Checkpoints go: they serve a session that goes on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::entry::{Entry, Event, Kind, PortIndex};
use crate::metadata::Snapshot;
use crate::seed::RecordingId;
use crate::time::Wall;

/// Shorter names are in too many words.
const MIN_NAME: usize = 3;

/// A recording's packets: when they came, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The recording.
    pub recording: RecordingId,
    /// From this moment.
    pub from: Wall,
    /// To this one.
    pub to: Wall,
    /// UDP ports of RTP; RTCP's may be the next.
    pub ports: Vec<u16>,
}

impl Scope {
    /// `late_ns`: so long after its end as well.
    fn holds(&self, at: Wall, port: u16, late_ns: i64) -> bool {
        let to = Wall(self.to.0.saturating_add(late_ns));
        self.from <= at && at <= to && self.ports.iter().any(|&known| port == known || port == known + 1)
    }
}

/// What is taken out, and what stays.
#[derive(Debug)]
pub struct Redaction {
    erased: Scope,
    kept: Vec<Scope>,
    late_ns: i64,
    /// Which communication session each recording is of.
    sessions: BTreeMap<RecordingId, String>,
    snapshots: Vec<Arc<Snapshot>>,
    labels: BTreeMap<PortIndex, Option<String>>,
}

/// A [`Redaction`] that has seen all of a journal.
#[derive(Debug)]
pub struct Redactor {
    erased: Scope,
    kept: Vec<Scope>,
    late_ns: i64,
    /// Communication sessions of recordings that stay.
    kept_sessions: BTreeSet<String>,
    /// What names people who are in none of those: the longest first.
    names: Vec<String>,
    labels: BTreeMap<PortIndex, Option<String>>,
}

impl Redaction {
    /// Takes `erased` out and leaves `kept`, which must be all other recordings of the journal. What comes up to `late_ns`
    /// after a recording's end is still its own, where it is in no other.
    pub fn new(erased: Scope, kept: Vec<Scope>, late_ns: i64) -> Self {
        let (sessions, labels) = (BTreeMap::new(), BTreeMap::new());
        Self { erased, kept, late_ns, sessions, snapshots: Vec::new(), labels }
    }

    /// Takes notice of an entry; each of the journal is to be shown once before any is redacted.
    pub fn note(&mut self, entry: &Entry<'_>) {
        match &entry.kind {
            Kind::Event(Event::RecordingStarted { recording, communication_session: Some(session) }) => {
                self.sessions.insert(*recording, session.clone());
            }
            Kind::Event(Event::RecordingBound { recording, communication_session }) => {
                self.sessions.insert(*recording, communication_session.clone());
            }
            Kind::Event(Event::Metadata { snapshot, .. }) => self.snapshots.push(Arc::clone(snapshot)),
            Kind::Event(Event::Stream(stream)) => {
                self.labels.insert(stream.port, stream.label.clone());
            }
            Kind::Rtp { port, .. } | Kind::Rtcp { port, .. } => {
                self.labels.entry(*port).or_default();
            }
            Kind::Sip { .. } | Kind::Event(_) | Kind::Checkpoint(_) => {}
        }
    }

    /// All was shown.
    pub fn done(self) -> Redactor {
        let kept_sessions: Option<BTreeSet<String>> =
            self.kept.iter().map(|scope| self.sessions.get(&scope.recording).cloned()).collect();
        let mut names = BTreeSet::new();
        // One that is of no communication session is of all who are there.
        if let Some(kept) = &kept_sessions {
            let people = |stays: bool| {
                let all = self.snapshots.iter().flat_map(|snapshot| &snapshot.participants);
                all.filter(move |person| is_kept(person, kept) == stays).flat_map(names_of).collect::<BTreeSet<_>>()
            };
            let staying = people(true);
            names = people(false);
            names.retain(|name| !staying.iter().any(|other| other.contains(name.as_str())));
        }
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| core::cmp::Reverse(name.len()));
        let kept_sessions = kept_sessions.unwrap_or_default();
        Redactor {
            erased: self.erased,
            kept: self.kept,
            late_ns: self.late_ns,
            kept_sessions,
            names,
            labels: self.labels,
        }
    }
}

impl Redactor {
    /// All ports of the journal and their labels, for the beginnings of its segments.
    pub fn streams(&self) -> Vec<(PortIndex, Option<&str>)> {
        self.labels.iter().map(|(port, label)| (*port, label.as_deref())).collect()
    }

    /// What is left of an entry and how it is to be kept; nothing of what is the erased recording's alone. `buffer` is the
    /// memory of a message that had to be changed.
    pub fn redact<'e>(&self, entry: &Entry<'e>, buffer: &'e mut Vec<u8>) -> Option<Entry<'e>> {
        let at = entry.at;
        let kind = match &entry.kind {
            Kind::Rtp { to, .. } if self.is_erased(at, &[to.port()]) => return None,
            Kind::Rtcp { from, to, .. } if self.is_erased(at, &[from.port(), to.port()]) => return None,
            Kind::Checkpoint(_) => return None,
            Kind::Sip { transport, outbound, from, to, message } => {
                buffer.clear();
                buffer.extend_from_slice(message);
                self.blank(buffer);
                Kind::Sip { transport: *transport, outbound: *outbound, from: *from, to: *to, message: buffer }
            }
            Kind::Event(Event::Metadata { snapshot, .. }) if !self.names.is_empty() => {
                let snapshot = Arc::new(self.without(snapshot));
                Kind::Event(Event::Metadata { snapshot, deviations: Vec::new() })
            }
            kind @ (Kind::Rtp { .. } | Kind::Rtcp { .. } | Kind::Event(_)) => kind.clone(),
        };
        Some(Entry { at, kind })
    }

    fn is_erased(&self, at: Wall, ports: &[u16]) -> bool {
        let of = |scope: &Scope, late_ns| ports.iter().any(|port| scope.holds(at, *port, late_ns));
        let of_kept = |late_ns| self.kept.iter().any(|scope| of(scope, late_ns));
        !of_kept(0) && (of(&self.erased, 0) || (of(&self.erased, self.late_ns) && !of_kept(self.late_ns)))
    }

    /// Each name in `message` becomes as many `x`.
    fn blank(&self, message: &mut [u8]) {
        for name in &self.names {
            let name = name.as_bytes();
            let mut from = 0;
            while let Some(at) = message.get(from..).and_then(|rest| find(rest, name)) {
                if let Some(found) = message.get_mut(from + at..from + at + name.len()) {
                    found.fill(b'x');
                }
                from += at + name.len();
            }
        }
    }

    /// The metadata without the people and the sessions that do not stay.
    fn without(&self, snapshot: &Snapshot) -> Snapshot {
        let mut left = snapshot.clone();
        left.participants.retain(|person| is_kept(person, &self.kept_sessions));
        left.sessions.retain(|session| self.kept_sessions.contains(&session.id));
        left.extensions.clear();
        left
    }
}

fn is_kept(person: &crate::metadata::Participant, kept: &BTreeSet<String>) -> bool {
    person.memberships.iter().any(|membership| kept.contains(&membership.session))
}

/// What names somebody: addresses, their users, names; as they are, and as XML writes them.
fn names_of(person: &crate::metadata::Participant) -> impl Iterator<Item = String> {
    let former = person.former.iter().flat_map(|former| &former.names);
    let names = person.names.iter().chain(former).flat_map(|name| {
        let bare = name.aor.split_once(':').map_or(name.aor.as_str(), |(_, rest)| rest);
        let user = bare.split(['@', ';']).next().unwrap_or_default();
        [Some(name.aor.as_str()), Some(bare), Some(user), name.display.as_deref()].into_iter().flatten()
    });
    let long: Vec<&str> = names.filter(|name| name.len() >= MIN_NAME).collect();
    let escaped = |name: &&str| name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let all: Vec<String> = long.iter().map(escaped).chain(long.iter().map(ToString::to_string)).collect();
    all.into_iter()
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{self, Membership};
    use alloc::vec;
    use core::net::SocketAddr;

    const ERASED: RecordingId = RecordingId(1);
    const KEPT: RecordingId = RecordingId(2);

    fn scope(recording: RecordingId, from: i64, to: i64, ports: &[u16]) -> Scope {
        Scope { recording, from: Wall(from), to: Wall(to), ports: ports.to_vec() }
    }

    fn person(id: &str, aor: &str, name: &str, session: &str) -> metadata::Participant {
        let names = vec![metadata::NameId::new(aor, Some(name.to_string()), None)];
        let memberships = vec![Membership { session: session.to_string(), intervals: vec![], params: vec![] }];
        metadata::Participant {
            id: id.to_string(),
            names,
            former: vec![],
            intervals: vec![],
            memberships,
            contributions: vec![],
            extensions: vec![],
        }
    }

    fn event(event: Event) -> Entry<'static> {
        Entry { at: Wall(0), kind: Kind::Event(event) }
    }

    fn started(recording: RecordingId, session: &str) -> Entry<'static> {
        event(Event::RecordingStarted { recording, communication_session: Some(session.to_string()) })
    }

    fn metadata() -> Entry<'static> {
        let participants = vec![
            person("a", "sip:+4930111@pbx", "Erna & Co", "gone"),
            person("b", "sip:bert@pbx", "Bert", "stays"),
            person("c", "sip:both@pbx", "Both", "gone"),
            person("c", "sip:both@pbx", "Both", "stays"),
        ];
        let snapshot = Arc::new(Snapshot { participants, ..Snapshot::default() });
        event(Event::Metadata { snapshot, deviations: Vec::new() })
    }

    fn redactor() -> Redactor {
        let mut redaction =
            Redaction::new(scope(ERASED, 100, 200, &[4000, 4002]), vec![scope(KEPT, 150, 300, &[4002, 4004])], 10);
        for entry in [started(ERASED, "gone"), started(KEPT, "stays"), metadata()] {
            redaction.note(&entry);
        }
        redaction.done()
    }

    fn rtp(at: i64, port: u16) -> Entry<'static> {
        let (from, to) = (SocketAddr::from(([192, 0, 2, 1], 9)), SocketAddr::from(([192, 0, 2, 2], port)));
        Entry { at: Wall(at), kind: Kind::Rtp { port: PortIndex(0), from, to, packet: b"rtp", protected: None } }
    }

    #[test]
    fn packets_go_that_are_of_the_erased_recording_alone() {
        let redactor = redactor();
        let stays = |at, port| redactor.redact(&rtp(at, port), &mut Vec::new()).is_some();
        assert!(!stays(100, 4000) && !stays(200, 4000) && !stays(149, 4002), "its own");
        assert!(stays(150, 4002), "heard in both");
        assert!(stays(99, 4000) && stays(211, 4000) && stays(120, 4004), "not its own");
        assert!(!stays(205, 4000), "late");
        let checkpoint = Entry { at: Wall(0), kind: Kind::Checkpoint(b"{}") };
        assert_eq!(redactor.redact(&checkpoint, &mut Vec::new()), None);
    }

    #[test]
    fn names_go_of_people_who_are_in_no_other_recording() {
        let redactor = redactor();
        let text =
            "INVITE sip:srs SIP/2.0\r\nX: +4930111\r\n\r\n<aor>sip:+4930111@pbx</aor>Erna &amp; Co, sip:bert@pbx, Both";
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let transport = crate::sip::Transport::Udp;
        let kind = Kind::Sip { transport, outbound: false, from: address, to: address, message: text.as_bytes() };
        let mut buffer = Vec::new();
        let left = redactor.redact(&Entry { at: Wall(0), kind }, &mut buffer).unwrap();
        let Kind::Sip { message, .. } = left.kind else { panic!("{left:?}") };
        let message = core::str::from_utf8(message).unwrap();
        assert_eq!(message.len(), text.len());
        for name in ["4930111", "Erna"] {
            assert!(!message.contains(name), "{message}");
        }
        assert!(message.contains("sip:bert@pbx, Both") && message.starts_with("INVITE sip:srs"), "{message}");
        let metadata = metadata();
        let mut buffer = Vec::new();
        let left = redactor.redact(&metadata, &mut buffer).unwrap();
        let Kind::Event(Event::Metadata { snapshot, .. }) = left.kind else { panic!("{left:?}") };
        assert_eq!(snapshot.participants.iter().map(|person| person.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn where_one_that_stays_has_no_session_all_names_stay() {
        let mut redaction = Redaction::new(scope(ERASED, 0, 1, &[4000]), vec![scope(KEPT, 2, 3, &[4000])], 0);
        for entry in [started(ERASED, "gone"), metadata()] {
            redaction.note(&entry);
        }
        let metadata = metadata();
        assert_eq!(redaction.done().redact(&metadata, &mut Vec::new()), Some(metadata.clone()));
    }
}
