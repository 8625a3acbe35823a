//! Metadata documents of the flows' own, element by element (RFC 7865 9).

#![allow(dead_code, reason = "each test crate uses its own part of this module")]

use std::fmt::Write as _;
use support::src::body::base64;

/// A document that is being written: what is said first stands first within its kind.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    mode: &'static str,
    groups: String,
    sessions: String,
    participants: String,
    streams: String,
    associations: String,
}

/// The id of what is called `name` here: base64 of 16 octets (RFC 7865 6.10).
pub(crate) fn id(name: &str) -> String {
    base64(format!("{name:->16.16}").as_bytes())
}

impl Document {
    pub(crate) fn complete() -> Self {
        Self::new("complete")
    }

    pub(crate) fn partial() -> Self {
        Self::new("partial")
    }

    fn new(mode: &'static str) -> Self {
        let [groups, sessions, participants, streams, associations] = Default::default();
        Self { mode, groups, sessions, participants, streams, associations }
    }

    pub(crate) fn group(mut self, group: &str) -> Self {
        write!(self.groups, "<group group_id=\"{}\"/>", id(group)).unwrap();
        self
    }

    pub(crate) fn session(mut self, session: &str, group: Option<&str>) -> Self {
        let group = group.map(|group| format!("<group-ref>{}</group-ref>", id(group))).unwrap_or_default();
        write!(self.sessions, "<session session_id=\"{}\">{group}</session>", id(session)).unwrap();
        self
    }

    pub(crate) fn ends(mut self, session: &str) -> Self {
        let session = id(session);
        write!(
            self.sessions,
            "<session session_id=\"{session}\"><reason cause=\"16\" protocol=\"Q.850\">cleared</reason>\
             <stop-time>2026-01-02T03:09:05Z</stop-time></session>"
        )
        .unwrap();
        self
    }

    pub(crate) fn stream(mut self, stream: &str, session: &str, label: usize) -> Self {
        let (stream, session) = (id(stream), id(session));
        write!(self.streams, "<stream stream_id=\"{stream}\" session_id=\"{session}\"><label>{label}</label></stream>")
            .unwrap();
        self
    }

    /// A participant, in the session from now on.
    pub(crate) fn joins(mut self, person: &str, session: &str) -> Self {
        let (person_id, session) = (id(person), id(session));
        if !self.participants.contains(&person_id) {
            write!(
                self.participants,
                "<participant participant_id=\"{person_id}\"><nameID aor=\"{}\"><name xml:lang=\"en\">{person}</name>\
                 </nameID></participant>",
                aor(person)
            )
            .unwrap();
        }
        write!(
            self.associations,
            "<participantsessionassoc participant_id=\"{person_id}\" session_id=\"{session}\">\
             <associate-time>2026-01-02T03:04:05Z</associate-time></participantsessionassoc>"
        )
        .unwrap();
        self
    }

    pub(crate) fn leaves(mut self, person: &str, session: &str) -> Self {
        let (person, session) = (id(person), id(session));
        write!(
            self.associations,
            "<participantsessionassoc participant_id=\"{person}\" session_id=\"{session}\">\
             <disassociate-time>2026-01-02T03:06:05Z</disassociate-time></participantsessionassoc>"
        )
        .unwrap();
        self
    }

    /// What the participant sends and receives from now on.
    pub(crate) fn sends(mut self, person: &str, sends: &[&str], receives: &[&str]) -> Self {
        write!(self.associations, "<participantstreamassoc participant_id=\"{}\">", id(person)).unwrap();
        for stream in sends {
            write!(self.associations, "<send>{}</send>", id(stream)).unwrap();
        }
        for stream in receives {
            write!(self.associations, "<recv>{}</recv>", id(stream)).unwrap();
        }
        self.associations += "</participantstreamassoc>";
        self
    }

    pub(crate) fn xml(&self) -> String {
        let Self { mode, groups, sessions, participants, streams, associations } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\
             <datamode>{mode}</datamode>{groups}{sessions}{participants}{streams}{associations}</recording>\r\n"
        )
    }
}

/// Two people in `session`, each with a stream: the first on label 1.
pub(crate) fn two_parties(session: &str, group: Option<&str>, people: [&str; 2]) -> Document {
    let document = group.map_or_else(Document::complete, |group| Document::complete().group(group));
    let [one, two] = people;
    document
        .session(session, group)
        .joins(one, session)
        .joins(two, session)
        .stream("stream-1", session, 1)
        .stream("stream-2", session, 2)
        .sends(one, &["stream-1"], &["stream-2"])
        .sends(two, &["stream-2"], &["stream-1"])
}

/// The address of whom a document calls `person`.
pub(crate) fn aor(person: &str) -> String {
    format!("sip:{person}@example.com")
}
