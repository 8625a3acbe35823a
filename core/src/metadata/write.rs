//! Writing metadata documents as RFC 7865 has them: what a session recording client sends.

use alloc::string::String;

use super::document::{
    DataMode, Document, Extension, Group, ParticipantElement, ParticipantSessionAssoc, ParticipantStreamAssoc,
    SessionElement, SessionRecordingAssoc, StreamElement,
};

/// The namespace of RFC 7865.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:recording:1";

/// The document in XML, its elements in the schema's order. What a dialect said otherwise is said in the standard's way;
/// vendors' data is repeated as it came, where it can stand alone.
pub fn write_document(document: &Document) -> String {
    let mut out = Writer(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"));
    out.raw("<recording xmlns=\"").raw(NAMESPACE).raw("\">\r\n");
    let mode = match document.mode {
        DataMode::Complete => "complete",
        DataMode::Partial => "partial",
    };
    out.element("datamode", mode);
    document.groups.iter().for_each(|group| out.group(group));
    document.sessions.iter().for_each(|session| out.session(session));
    document.participants.iter().for_each(|participant| out.participant(participant));
    document.streams.iter().for_each(|stream| out.stream(stream));
    document.session_recordings.iter().for_each(|assoc| out.session_recording(assoc));
    document.participant_sessions.iter().for_each(|assoc| out.participant_session(assoc));
    document.participant_streams.iter().for_each(|assoc| out.participant_stream(assoc));
    out.extensions(&document.extensions);
    out.raw("</recording>\r\n");
    out.0
}

impl Document {
    /// Takes in what `update` says: a complete document replaces all, a partial one the elements that it names.
    pub fn take_in(&mut self, update: Self) {
        if update.mode == DataMode::Complete {
            *self = update;
            return;
        }
        replace(&mut self.groups, update.groups, |a, b| a.id == b.id);
        replace(&mut self.sessions, update.sessions, |a, b| a.id == b.id);
        replace(&mut self.participants, update.participants, |a, b| a.id == b.id);
        replace(&mut self.streams, update.streams, |a, b| a.id == b.id);
        replace(&mut self.session_recordings, update.session_recordings, |a, b| a.session == b.session);
        replace(&mut self.participant_sessions, update.participant_sessions, |a, b| {
            a.participant == b.participant && a.session == b.session
        });
        replace(&mut self.participant_streams, update.participant_streams, |a, b| a.participant == b.participant);
    }
}

fn replace<T>(known: &mut alloc::vec::Vec<T>, updates: alloc::vec::Vec<T>, same: impl Fn(&T, &T) -> bool) {
    for update in updates {
        match known.iter_mut().find(|element| same(element, &update)) {
            Some(element) => *element = update,
            None => known.push(update),
        }
    }
}

/// Whether an element declares the prefixes of all elements in it: those of the document that it came from are gone.
fn stands_alone(xml: &str) -> bool {
    xml.split('<').skip(1).all(|tag| {
        let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '>' || c == '/').next();
        let prefix = name.and_then(|name| name.split_once(':')).map(|(prefix, _)| prefix);
        prefix.is_none_or(|prefix| xml.contains(&alloc::format!("xmlns:{prefix}=")))
    })
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => out.push(' '),
            c => out.push(c),
        }
    }
}

/// Text as XML allows it, between tags and in quotation marks.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    out
}

struct Writer(String);

impl Writer {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn escaped(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.raw("<").raw(name);
        for (attribute, value) in attributes {
            self.raw(" ").raw(attribute).raw("=\"").escaped(value).raw("\"");
        }
        self.raw(">")
    }

    fn close(&mut self, name: &str) {
        self.raw("</").raw(name).raw(">\r\n");
    }

    fn element(&mut self, name: &str, text: &str) {
        self.open(name, &[]).escaped(text).close(name);
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.element(name, text);
        }
    }

    fn extensions(&mut self, extensions: &[Extension]) {
        for extension in extensions.iter().filter(|extension| stands_alone(&extension.xml)) {
            self.raw(&extension.xml).raw("\r\n");
        }
    }

    fn group(&mut self, group: &Group) {
        self.open("group", &[("group_id", &group.id)]);
        self.optional("associate-time", group.associated.as_deref());
        self.optional("disassociate-time", group.disassociated.as_deref());
        self.extensions(&group.extensions);
        self.close("group");
    }

    fn session(&mut self, session: &SessionElement) {
        self.open("session", &[("session_id", &session.id)]);
        session.sip_session_ids.iter().for_each(|id| self.element("sipSessionID", id));
        for reason in &session.reasons {
            let attributes = [("protocol", reason.protocol.as_str()), ("cause", reason.cause.as_str())];
            self.open("reason", &attributes).escaped(&reason.text).close("reason");
        }
        self.optional("group-ref", session.group.as_deref());
        self.optional("start-time", session.started.as_deref());
        self.optional("stop-time", session.stopped.as_deref());
        self.extensions(&session.extensions);
        self.close("session");
    }

    fn participant(&mut self, participant: &ParticipantElement) {
        self.open("participant", &[("participant_id", &participant.id)]);
        for name in &participant.names {
            self.open("nameID", &[("aor", &name.aor)]);
            if let Some(display) = &name.display {
                let lang = name.lang.as_deref().map(|lang| [("xml:lang", lang)]);
                self.open("name", lang.as_ref().map_or(&[], |lang| lang)).escaped(display).close("name");
            }
            self.close("nameID");
        }
        self.extensions(&participant.extensions);
        self.close("participant");
    }

    fn stream(&mut self, stream: &StreamElement) {
        let session = stream.session.as_deref().unwrap_or("");
        self.open("stream", &[("stream_id", &stream.id), ("session_id", session)]);
        self.optional("label", stream.label.as_deref());
        self.extensions(&stream.extensions);
        self.close("stream");
    }

    fn session_recording(&mut self, assoc: &SessionRecordingAssoc) {
        self.open("sessionrecordingassoc", &[("session_id", &assoc.session)]);
        self.optional("associate-time", assoc.associated.as_deref());
        self.optional("disassociate-time", assoc.disassociated.as_deref());
        self.extensions(&assoc.extensions);
        self.close("sessionrecordingassoc");
    }

    fn participant_session(&mut self, assoc: &ParticipantSessionAssoc) {
        let attributes = [("participant_id", assoc.participant.as_str()), ("session_id", assoc.session.as_str())];
        self.open("participantsessionassoc", &attributes);
        self.optional("associate-time", assoc.associated.as_deref());
        self.optional("disassociate-time", assoc.disassociated.as_deref());
        for (name, value) in &assoc.params {
            self.open("param", &[("pname", name), ("pval", value)]).close("param");
        }
        self.extensions(&assoc.extensions);
        self.close("participantsessionassoc");
    }

    fn participant_stream(&mut self, assoc: &ParticipantStreamAssoc) {
        self.open("participantstreamassoc", &[("participant_id", &assoc.participant)]);
        assoc.send.iter().for_each(|id| self.element("send", id));
        assoc.recv.iter().for_each(|id| self.element("recv", id));
        self.optional("associate-time", assoc.associated.as_deref());
        self.optional("disassociate-time", assoc.disassociated.as_deref());
        self.extensions(&assoc.extensions);
        self.close("participantstreamassoc");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NameId, parse};
    use super::*;
    use alloc::string::ToString;

    fn document() -> Document {
        let text = |t: &str| Some(t.to_string());
        Document {
            groups: [Group {
                id: "AQAAAAAAQACAAAAAAAAAAA==".into(),
                associated: text("2026-01-01T00:00:00Z"),
                ..Group::default()
            }]
            .into(),
            sessions: [SessionElement {
                id: "AgAAAAAAQACAAAAAAAAAAA==".into(),
                sip_session_ids: ["ab;remote=cd".to_string()].into(),
                group: text("AQAAAAAAQACAAAAAAAAAAA=="),
                started: text("2026-01-01T00:00:00Z"),
                ..SessionElement::default()
            }]
            .into(),
            participants: [ParticipantElement {
                id: "AwAAAAAAQACAAAAAAAAAAA==".into(),
                names: [NameId::new("sip:a&b@h", text("A <\"b\">"), text("de"))].into(),
                ..ParticipantElement::default()
            }]
            .into(),
            streams: [StreamElement {
                id: "BAAAAAAAQACAAAAAAAAAAA==".into(),
                session: text("AgAAAAAAQACAAAAAAAAAAA=="),
                label: text("1"),
                ..Default::default()
            }]
            .into(),
            session_recordings: [SessionRecordingAssoc {
                session: "AgAAAAAAQACAAAAAAAAAAA==".into(),
                ..Default::default()
            }]
            .into(),
            participant_sessions: [ParticipantSessionAssoc {
                participant: "AwAAAAAAQACAAAAAAAAAAA==".into(),
                session: "AgAAAAAAQACAAAAAAAAAAA==".into(),
                associated: text("2026-01-01T00:00:00Z"),
                ..Default::default()
            }]
            .into(),
            participant_streams: [ParticipantStreamAssoc {
                participant: "AwAAAAAAQACAAAAAAAAAAA==".into(),
                send: ["BAAAAAAAQACAAAAAAAAAAA==".to_string()].into(),
                ..Default::default()
            }]
            .into(),
            ..Document::default()
        }
    }

    #[test]
    fn what_is_written_reads_the_same_and_breaks_no_rule() {
        let written = write_document(&document());
        assert!(roxmltree::Document::parse(&written).is_ok(), "{written}");
        let parsed = parse("application/rs-metadata+xml", written.as_bytes());
        assert_eq!(parsed.deviations, [], "{written}");
        let read = Document { dialect: Default::default(), ..parsed.document.unwrap() };
        assert_eq!(read, document());
    }

    #[test]
    fn vendors_data_is_repeated_where_its_prefixes_are_declared() {
        let with = |xml: &str| Extension { xml: xml.into(), ..Extension::default() };
        let extensions = [with("<v:a xmlns:v=\"urn:v\"><v:b/></v:a>"), with("<apkt:c>x</apkt:c>")].into();
        let written = write_document(&Document { extensions, ..document() });
        assert!(roxmltree::Document::parse(&written).is_ok(), "{written}");
        assert!(written.contains("<v:b/>") && !written.contains("apkt"), "{written}");
    }

    #[test]
    fn what_stands_alone_declares_its_prefixes() {
        for alone in ["<b><c/></b>", "<b>x:y</b>", "<b a='x:y'/>", "<a:b xmlns:a='u'><a:c/><d/></a:b>"] {
            assert!(stands_alone(alone), "{alone}");
        }
        for not in ["<a:b/>", "<a:b></a:b>", "<a:b xmlns:a='u'><c:d/></a:b>", "<b><a:c>x</a:c></b>", "<a:b\nc='d'/>"] {
            assert!(!stands_alone(not), "{not}");
        }
    }

    #[test]
    fn an_update_replaces_what_it_names() {
        let mut whole = document();
        let mut left = document().participant_sessions[0].clone();
        left.disassociated = Some("2026-01-01T00:01:00Z".into());
        let update = Document {
            mode: DataMode::Partial,
            participant_sessions: [left.clone()].into(),
            participants: [ParticipantElement { id: "p2".into(), ..Default::default() }].into(),
            ..Document::default()
        };
        whole.take_in(update);
        assert_eq!((whole.mode, whole.participants.len()), (DataMode::Complete, 2));
        assert_eq!(whole.participant_sessions, [left]);
        whole.take_in(Document::default());
        assert_eq!(whole, Document::default(), "a complete one replaces all");
    }
}
