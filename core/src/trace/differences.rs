//! What a metadata document changed: one snapshot held against the one before.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::call::{Difference, DifferenceKind};
use crate::metadata::{Participant, Session, Snapshot, Stream};

/// Differences that are told of one document.
const MAX_DIFFERENCES: usize = 200;

/// What of `after` is otherwise than in `before`.
pub(super) fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    for session in &after.sessions {
        found.session(before.session(&session.id), session);
    }
    for participant in &after.participants {
        found.participant(before.participant(&participant.id), participant);
    }
    for stream in &after.streams {
        let known = before.streams.iter().find(|known| known.id == stream.id && !stream.id.is_empty());
        found.stream(known, stream);
    }
    for participant in &after.participants {
        found.sends(before, after, participant);
    }
    found.0
}

/// A participant's name, and address where it is another.
pub fn person(participant: &Participant) -> String {
    let name = participant.names.iter().find_map(|name| name.display.as_deref()).filter(|name| !name.is_empty());
    let aor = participant.names.first().map_or("", |name| name.aor.as_str());
    match (name, aor) {
        (Some(name), "") => name.to_string(),
        (Some(name), aor) => format!("{name} <{aor}>"),
        (None, "") => format!("participant {}", participant.id),
        (None, aor) => aor.to_string(),
    }
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, kind: DifferenceKind, text: String) {
        if self.0.len() < MAX_DIFFERENCES {
            self.0.push(Difference { kind, text });
        }
    }

    fn session(&mut self, before: Option<&Session>, session: &Session) {
        let was = before.is_some_and(Session::is_active);
        match (was, session.is_active()) {
            (false, true) => {
                let ids = session.sip_session_ids.join(", ");
                let ids = if ids.is_empty() { ids } else { format!(", sipSessionID {ids}") };
                self.add(DifferenceKind::Added, format!("session {}{ids}", session.id));
            }
            (true, false) => {
                let why = session.reasons.last().map(|r| format!(": {} {}", r.cause, r.text)).unwrap_or_default();
                self.add(DifferenceKind::Removed, format!("session {}{}", session.id, why.trim_end()));
            }
            (true, true) | (false, false) => {}
        }
        if let (Some(before), Some(group)) = (before, &session.group)
            && before.group.as_ref() != Some(group)
        {
            self.add(DifferenceKind::Changed, format!("session {}: group {group}", session.id));
        }
    }

    fn participant(&mut self, before: Option<&Participant>, participant: &Participant) {
        let was = before.is_some_and(Participant::is_present);
        match (was, participant.is_present()) {
            (false, true) => self.add(DifferenceKind::Added, person(participant)),
            (true, false) => self.add(DifferenceKind::Removed, person(participant)),
            (true, true) => {
                let before = before.map(person).unwrap_or_default();
                let now = person(participant);
                if before != now {
                    self.add(DifferenceKind::Changed, format!("{before} is now {now}"));
                }
            }
            (false, false) => {}
        }
    }

    fn stream(&mut self, before: Option<&Stream>, stream: &Stream) {
        let label = |stream: &Stream| stream.label().map_or("without a label".to_string(), |l| format!("label {l}"));
        let was = before.is_some_and(Stream::is_active);
        match (was, stream.is_active()) {
            (false, true) => self.add(DifferenceKind::Added, format!("stream {}, {}", stream.id, label(stream))),
            (true, false) => self.add(DifferenceKind::Removed, format!("stream {}, {}", stream.id, label(stream))),
            (true, true) => {
                let before = before.map(label).unwrap_or_default();
                if before != label(stream) {
                    let text = format!("stream {}: {before} is now {}", stream.id, label(stream));
                    self.add(DifferenceKind::Changed, text);
                }
            }
            (false, false) => {}
        }
    }

    fn sends(&mut self, before: &Snapshot, after: &Snapshot, participant: &Participant) {
        let labels = |snapshot: &Snapshot, ids: &[String]| -> Vec<String> {
            let label = |id: &String| {
                let stream = snapshot.streams.iter().find(|stream| stream.id == *id);
                stream.and_then(Stream::label).map_or_else(|| id.clone(), ToString::to_string)
            };
            ids.iter().map(label).collect()
        };
        let was = before.participant(&participant.id).map(|known| labels(before, known.sends())).unwrap_or_default();
        let now = labels(after, participant.sends());
        if was == now || !participant.is_present() {
            return;
        }
        let said = match (was.is_empty(), now.is_empty()) {
            (true, _) => format!("{} sends on label {}", person(participant), now.join(", ")),
            (_, true) => format!("{} sends no more on label {}", person(participant), was.join(", ")),
            (false, false) => {
                format!("{} sends on label {} instead of {}", person(participant), now.join(", "), was.join(", "))
            }
        };
        self.add(DifferenceKind::Changed, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::parse;
    use crate::time::Wall;

    fn apply(snapshot: &mut Snapshot, xml: &str) -> Vec<String> {
        let body = format!("<recording xmlns='urn:ietf:params:xml:ns:recording:1'>{xml}</recording>");
        let document = parse("application/rs-metadata+xml", body.as_bytes()).document.unwrap();
        let before = snapshot.clone();
        snapshot.apply(&document, Wall(1));
        differences(&before, snapshot).into_iter().map(|d| format!("{} {}", d.kind.sign(), d.text)).collect()
    }

    #[test]
    fn who_comes_goes_and_changes_place_is_told() {
        let person = |id: &str, name: &str| {
            format!(
                "<participant participant_id='{id}'><nameID aor='sip:{id}@h'><name>{name}</name></nameID></participant>"
            )
        };
        let stream =
            |id: &str, label: &str| format!("<stream stream_id='{id}' session_id='cs'><label>{label}</label></stream>");
        let sends = |id: &str, stream: &str| {
            format!("<participantstreamassoc participant_id='{id}'><send>{stream}</send></participantstreamassoc>")
        };
        let mut snapshot = Snapshot::default();
        let first = [
            "<datamode>complete</datamode><session session_id='cs'/>",
            &person("a", "Ann"),
            &stream("s1", "1"),
            &sends("a", "s1"),
        ];
        let told = apply(&mut snapshot, &first.concat());
        assert_eq!(
            told,
            ["+ session cs", "+ Ann <sip:a@h>", "+ stream s1, label 1", "~ Ann <sip:a@h> sends on label 1"]
        );
        let second = [
            "<datamode>complete</datamode><session session_id='cs'/>",
            &person("b", "Bob"),
            &stream("s1", "2"),
            &sends("b", "s1"),
        ];
        let told = apply(&mut snapshot, &second.concat());
        let expected = [
            "- Ann <sip:a@h>",
            "+ Bob <sip:b@h>",
            "~ stream s1: label 1 is now label 2",
            "~ Bob <sip:b@h> sends on label 2",
        ];
        assert_eq!(told, expected);
        assert!(apply(&mut snapshot, &second.concat()).is_empty());
    }
}
