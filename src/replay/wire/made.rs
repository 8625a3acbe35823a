//! Calls that are made up: their lines, and metadata as RFC 7865 has it.

use siprec_core::metadata::{
    DataMode, Document, NameId, ParticipantElement, ParticipantSessionAssoc, ParticipantStreamAssoc, SessionElement,
    SessionRecordingAssoc, StreamElement,
};
use siprec_core::seed::Random;
use siprec_core::time::Wall;

/// Who is made up to speak.
const NAMES: [&str; 2] = ["Caller", "Callee"];

/// The ids of a made-up call: what its updates speak of.
#[derive(Debug, Clone)]
pub(super) struct Made {
    session: String,
    participants: Vec<String>,
    streams: Vec<String>,
}

/// An id as RFC 7865 6.10 wants it: a UUID in base64, which tells nothing of people.
pub(super) fn id(random: &mut Random) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Version 4, variant 1 (RFC 9562 5.4).
    let high = random.next_u64() & !0xf000 | 0x4000;
    let low = random.next_u64() & !(3 << 62) | 1 << 63;
    let bytes: Vec<u8> = [high.to_be_bytes(), low.to_be_bytes()].concat();
    let mut out = String::with_capacity(24);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let shown = place <= group.len();
            out.push(if shown { char::from(ALPHABET[word >> (18 - 6 * place) & 63]) } else { '=' });
        }
    }
    out
}

impl Made {
    pub(super) fn new(legs: usize, random: &mut Random) -> Self {
        let mut ids = |count: usize| (0..count).map(|_| id(random)).collect::<Vec<_>>();
        let session = ids(1).concat();
        Self { session, participants: ids(legs), streams: ids(legs) }
    }

    /// The complete document: participant n sends stream n and hears the others.
    pub(super) fn document(&self, number: u64, at: Wall, host: &str) -> Document {
        let time = Some(at.rfc3339());
        let participant = |(n, id): (usize, &String)| self.participant(n, id, number, host);
        Document {
            mode: DataMode::Complete,
            sessions: vec![SessionElement {
                id: self.session.clone(),
                started: time.clone(),
                ..SessionElement::default()
            }],
            participants: self.participants.iter().enumerate().map(participant).collect(),
            streams: (self.streams.iter().enumerate())
                .map(|(n, id)| StreamElement {
                    id: id.clone(),
                    session: Some(self.session.clone()),
                    label: Some((n + 1).to_string()),
                    ..StreamElement::default()
                })
                .collect(),
            session_recordings: vec![SessionRecordingAssoc {
                session: self.session.clone(),
                associated: time.clone(),
                ..SessionRecordingAssoc::default()
            }],
            participant_sessions: self.participants.iter().map(|id| self.membership(id, at)).collect(),
            participant_streams: (self.participants.iter().enumerate())
                .map(|(n, id)| self.contribution(n, id, at))
                .collect(),
            ..Document::default()
        }
    }

    /// The last participant leaves and another comes in its place: what has changed.
    pub(super) fn transfer(&mut self, number: u64, at: Wall, host: &str, random: &mut Random) -> Document {
        let Some(place) = self.participants.len().checked_sub(1) else { return Document::default() };
        let fresh = id(random);
        let former = std::mem::replace(&mut self.participants[place], fresh.clone());
        let left = Some(at.rfc3339());
        let mut participant = self.participant(place, &fresh, number, host);
        participant.names = vec![NameId::new(&format!("sip:agent{number}@{host}"), Some("Agent".to_owned()), None)];
        let gone = ParticipantSessionAssoc { disassociated: left.clone(), ..self.membership(&former, at) };
        let silent = ParticipantStreamAssoc { disassociated: left, ..self.contribution(place, &former, at) };
        Document {
            mode: DataMode::Partial,
            participants: vec![participant],
            participant_sessions: vec![
                ParticipantSessionAssoc { associated: None, ..gone },
                self.membership(&fresh, at),
            ],
            participant_streams: vec![
                ParticipantStreamAssoc { associated: None, ..silent },
                self.contribution(place, &fresh, at),
            ],
            ..Document::default()
        }
    }

    fn participant(&self, n: usize, id: &str, number: u64, host: &str) -> ParticipantElement {
        let (name, role) = match NAMES.get(n) {
            Some(name) => ((*name).to_owned(), name.to_lowercase()),
            None => (format!("Party {}", n + 1), format!("party{}", n + 1)),
        };
        let names = vec![NameId::new(&format!("sip:{role}{number}@{host}"), Some(name), None)];
        ParticipantElement { id: id.to_owned(), names, ..ParticipantElement::default() }
    }

    fn membership(&self, participant: &str, at: Wall) -> ParticipantSessionAssoc {
        ParticipantSessionAssoc {
            participant: participant.to_owned(),
            session: self.session.clone(),
            associated: Some(at.rfc3339()),
            ..ParticipantSessionAssoc::default()
        }
    }

    fn contribution(&self, n: usize, participant: &str, at: Wall) -> ParticipantStreamAssoc {
        let others = self.streams.iter().enumerate().filter(|(other, _)| *other != n);
        ParticipantStreamAssoc {
            participant: participant.to_owned(),
            send: self.streams.get(n).cloned().into_iter().collect(),
            recv: others.map(|(_, id)| id.clone()).collect(),
            associated: Some(at.rfc3339()),
            ..ParticipantStreamAssoc::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::metadata::{Snapshot, parse, write_document};
    use siprec_core::seed::Seed;

    #[test]
    fn ids_are_uuids_in_base64_and_differ() {
        let mut random = Random::new(Seed([3; 32]));
        let (a, b) = (id(&mut random), id(&mut random));
        assert!(a != b && a.len() == 24 && a.ends_with("=="), "{a} {b}");
        assert!(a.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
    }

    #[test]
    fn a_made_up_call_and_its_transfer_read_without_deviations() {
        let mut random = Random::new(Seed([3; 32]));
        let mut made = Made::new(2, &mut random);
        let at = Wall(1_795_403_601_042_000_000);
        let mut snapshot = Snapshot::default();
        for (document, people) in [(made.document(7, at, "h"), 2), (made.transfer(7, at, "h", &mut random), 3)] {
            let written = write_document(&document);
            let parsed = parse("application/rs-metadata+xml", written.as_bytes());
            assert_eq!(parsed.deviations, [], "{written}");
            assert_eq!(snapshot.apply(parsed.document.as_ref().unwrap(), at), [], "{written}");
            assert_eq!(snapshot.participants.len(), people, "{written}");
        }
    }
}
