//! A metadata body as a [`Document`]: every dialect is read as what it means.
//!
//! Elements are known by their local name if they are of the root's namespace or of a recording one; all else is a
//! vendor's data and is kept as it stands.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;

use super::document::{
    DataMode, Dialect, Document, Group, ParticipantElement, ParticipantSessionAssoc, ParticipantStreamAssoc, Reason,
    SessionElement, SessionRecordingAssoc, StreamElement,
};
use super::text::decode;
use super::time::parse_time;
use super::tree::{HasDoctype, Node, Tree};
use crate::deviation::{Deviation, Deviations, codes, quote};

/// Bytes of a document that are read.
pub(super) const MAX_BYTES: usize = 65_535;
/// Octets of one text: a name, an id, a time.
const MAX_TEXT: usize = 1024;
/// Key and value pairs kept of all vendors' data of one document.
pub(super) const MAX_FIELDS: usize = 512;
/// Namespaces kept of those that the root declares.
const MAX_DECLARED: usize = 8;
/// Elements of the root.
const TOP_LEVEL: &[&str] = &[
    "participant",
    "stream",
    "participantstreamassoc",
    "participantsessionassoc",
    "session",
    "sessionrecordingassoc",
    "group",
    "datamode",
];
/// The namespace of RFC 7865 5.1.1.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:recording:1";
/// What namespaces of recording metadata begin with, drafts included.
const FAMILY: &[&str] = &["urn:ietf:params:xml:ns:recording", "urn:ietf:params:xml:ns:siprec"];

/// What was read of a body, and what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The document; none if there is nothing to read, or nothing that may be read.
    pub document: Option<Document>,
    /// What is not as it should be.
    pub deviations: Vec<Deviation>,
}

/// Reads a metadata body. Never fails: what can be read is read, and what cannot is told.
///
/// A document type is not read at all, for what may hide in it. A document that is not whole is taken as partial,
/// so that what is missing from it is not taken as over.
pub fn parse(content_type: &str, body: &[u8]) -> Parsed {
    let mut deviations = Deviations::default();
    let document = read(content_type, body, &mut deviations);
    Parsed { document, deviations: deviations.0 }
}

fn read(content_type: &str, body: &[u8], deviations: &mut Deviations) -> Option<Document> {
    let cut = body.len() > MAX_BYTES;
    let mut text = decode(content_type, body.get(..MAX_BYTES).unwrap_or(body), deviations);
    if memchr::memchr(0, text.as_bytes()).is_some() {
        deviations.add(&codes::NUL_BYTES, format_args!("NUL bytes in the metadata are passed over"));
        text = text.replace('\0', "").into();
    }
    let tree = match Tree::read(&text, deviations) {
        Ok(tree) => tree,
        Err(HasDoctype) => {
            deviations.add(&codes::DOCUMENT_TYPE, format_args!("a document type is not read: the document is dropped"));
            return None;
        }
    };
    let Some(root) = tree.root() else {
        deviations.add(&codes::NO_DOCUMENT, format_args!("no element in: {}", quote(text.trim())));
        return None;
    };
    if root.is("requestsnapshot") {
        deviations.add(&codes::SNAPSHOT_REQUEST, format_args!("an SRC has nothing to ask an SRS for"));
        return None;
    }
    let mut reader =
        Reader { tree: &tree, deviations, document: Document::default(), fields_left: Cell::new(MAX_FIELDS) };
    reader.root(root);
    let mut document = reader.document;
    if document.is_empty() && (tree.has_own_text(root) || !is_recording_name(root.name())) {
        deviations.add(&codes::NOTHING_READ, format_args!("nothing known in <{}>", quote(root.name())));
        return None;
    }
    if (tree.truncated || cut) && document.mode == DataMode::Complete {
        deviations.add(&codes::TRUNCATED, format_args!("the document is not whole"));
        document.mode = DataMode::Partial;
    }
    check_ids(&document, deviations);
    Some(document)
}

impl Document {
    /// Whether it describes nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.participants.is_empty()
            && self.streams.is_empty()
            && self.groups.is_empty()
            && self.session_recordings.is_empty()
            && self.participant_sessions.is_empty()
            && self.participant_streams.is_empty()
    }
}

/// Whether a root of this name, its prefix aside, holds metadata.
pub(super) fn is_recording_name(local: &str) -> bool {
    ["recording", "recording_metadata"].iter().any(|known| local.eq_ignore_ascii_case(known))
}

/// Reads elements into a document.
pub(super) struct Reader<'a, 'd> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) deviations: &'d mut Deviations,
    pub(super) document: Document,
    /// Fields of vendors' data that may still be kept.
    pub(super) fields_left: Cell<usize>,
}

impl<'a> Reader<'a, '_> {
    fn root(&mut self, root: &Node<'a>) {
        self.document.dialect = Dialect {
            root: root.name().to_string(),
            namespace: root.namespace.to_string(),
            sends_in_participants: false,
            prefix: root.prefix().to_string(),
            declared: self
                .tree
                .declared(root)
                .filter(|uri| *uri != &*root.namespace)
                .take(MAX_DECLARED)
                .map(short)
                .collect(),
        };
        if root.name() != "recording" {
            self.deviations.add(&codes::ROOT_NAME, format_args!("the root is <{}>", quote(root.name())));
        }
        match root.namespace.strip_prefix("urn:ietf:params:xml:ns:recording:") {
            Some("1") => {}
            Some(_) => self.deviations.add(&codes::UNKNOWN_VERSION, format_args!("{}", quote(&root.namespace))),
            None => {
                self.deviations.add(
                    &codes::NAMESPACE,
                    format_args!("namespace '{}' in place of {NAMESPACE}", quote(&root.namespace)),
                );
            }
        }
        for node in self.tree.elements(root) {
            self.top_level(node);
        }
    }

    fn top_level(&mut self, node: &Node<'a>) {
        if !self.is_ours(node) {
            return self.extend_document(node);
        }
        let known = TOP_LEVEL.iter().find(|name| node.is(name)).copied();
        match known.unwrap_or_default() {
            "datamode" => self.data_mode(node),
            "group" => self.group(node),
            "session" => self.session(node),
            "participant" => self.participant(node, None),
            "stream" => self.stream(node, None),
            "sessionrecordingassoc" => self.session_recording(node),
            "participantsessionassoc" => self.participant_session(node),
            "participantstreamassoc" => self.participant_stream(node),
            _ => self.extend_document(node),
        }
    }

    pub(super) fn is_ours(&self, node: &Node<'_>) -> bool {
        let namespace = &*node.namespace;
        self.tree.root().is_some_and(|root| Rc::ptr_eq(&root.namespace, &node.namespace))
            || namespace.is_empty()
            || namespace == self.document.dialect.namespace
            || FAMILY.iter().any(|known| namespace.starts_with(known))
    }

    fn data_mode(&mut self, node: &Node<'a>) {
        let value = self.text_of(node);
        let lower = value.to_ascii_lowercase();
        if node.name() != "datamode" || value != lower {
            self.deviations.add(&codes::DATAMODE_SPELLING, format_args!("<{}>{}", quote(node.name()), quote(&value)));
        }
        match lower.as_str() {
            "complete" => self.document.mode = DataMode::Complete,
            "partial" => self.document.mode = DataMode::Partial,
            _ => {
                self.deviations.add(&codes::DATAMODE_VALUE, format_args!("'{}', read as partial", quote(&value)));
                self.document.mode = DataMode::Partial;
            }
        }
    }

    fn group(&mut self, node: &Node<'a>) {
        let group = Group {
            id: self.id(node, "group_id", &["groupid", "id"]),
            associated: self.time(node, &["associate-time"]),
            disassociated: self.time(node, &["disassociate-time"]),
            extensions: self.extensions(node, &["associate-time", "disassociate-time"]),
        };
        if self.has_id(&group.id, "group") {
            self.document.groups.push(group);
        }
    }

    fn session(&mut self, node: &Node<'a>) {
        let known = &[
            "sipSessionID",
            "reason",
            "group-ref",
            "start-time",
            "stop-time",
            "end-time",
            "associate-time",
            "disassociate-time",
            "participant",
            "stream",
        ];
        let reference =
            self.child_text(node, "group-ref").or_else(|| filled(self.tree.attribute(node, &["group", "group_id"])));
        let session = SessionElement {
            id: self.id(node, "session_id", &["sessionid", "id", "session"]),
            sip_session_ids: self.texts(node, "sipSessionID").iter().map(|id| without_blanks(id)).collect(),
            reasons: self.children(node, "reason").map(|reason| self.reason(reason)).collect(),
            group: reference,
            started: self.time(node, &["start-time", "associate-time"]),
            stopped: self.time(node, &["stop-time", "end-time", "disassociate-time"]),
            extensions: self.extensions(node, known),
        };
        let id = session.id.clone();
        if self.has_id(&session.id, "session") {
            self.document.sessions.push(session);
        }
        // Not in any draft, but seen: participants and streams inside their session.
        let tree = self.tree;
        for child in tree.elements(node) {
            if child.is("participant") && self.is_ours(child) {
                self.participant(child, Some(&id));
            } else if child.is("stream") && self.is_ours(child) {
                self.stream(child, Some(&id));
            }
        }
    }

    fn reason(&self, node: &Node<'a>) -> Reason {
        Reason {
            protocol: filled(self.tree.attribute(node, &["protocol"])).unwrap_or_else(|| "SIP".to_string()),
            cause: filled(self.tree.attribute(node, &["cause"])).unwrap_or_default(),
            text: self.text_of(node),
        }
    }

    fn participant(&mut self, node: &Node<'a>, session: Option<&str>) {
        let known = &["nameID", "aor", "name", "send", "recv", "associate-time", "disassociate-time"];
        let names = self.names(node);
        let mut id = self.id(node, "participant_id", &["participantid", "id"]);
        if id.is_empty() {
            id = names.first().map(|name| name.aor.clone()).unwrap_or_default();
        }
        if !self.has_id(&id, "participant") {
            return;
        }
        let associated = self.time(node, &["associate-time"]);
        let disassociated = self.time(node, &["disassociate-time"]);
        let session =
            filled(self.tree.attribute(node, &["session", "session_id"])).or(session.map(ToString::to_string));
        if session.is_some() || associated.is_some() || disassociated.is_some() {
            self.document.participant_sessions.push(ParticipantSessionAssoc {
                participant: id.clone(),
                session: session.unwrap_or_default(),
                associated,
                disassociated,
                ..ParticipantSessionAssoc::default()
            });
        }
        let (send, recv) = (self.references(node, "send"), self.references(node, "recv"));
        if !send.is_empty() || !recv.is_empty() {
            self.document.dialect.sends_in_participants = true;
            self.deviations.add(&codes::SEND_IN_PARTICIPANT, format_args!("send and recv stand inside participant"));
            let participant = id.clone();
            let assoc = ParticipantStreamAssoc { participant, send, recv, ..ParticipantStreamAssoc::default() };
            self.document.participant_streams.push(assoc);
        }
        let extensions = self.extensions(node, known);
        self.document.participants.push(ParticipantElement { id, names, extensions });
    }

    fn stream(&mut self, node: &Node<'a>, session: Option<&str>) {
        let known = &["label", "mode", "associate-time", "disassociate-time"];
        let label = self.child_text(node, "label").or_else(|| filled(self.tree.attribute(node, &["label"])));
        let own = filled(self.tree.attribute(node, &["session_id", "sessionid", "session"]));
        let stream = StreamElement {
            id: self.id(node, "stream_id", &["streamid", "id"]),
            session: own.or_else(|| session.map(ToString::to_string)),
            label,
            mode: self.child_text(node, "mode").or_else(|| filled(self.tree.attribute(node, &["mode"]))),
            disassociated: self.time(node, &["disassociate-time"]),
            extensions: self.extensions(node, known),
        };
        // Avaya announces a stream before it has an id: an empty id is no reference, but the label counts.
        if stream.id.is_empty() {
            self.deviations.add(&codes::EMPTY_ID, format_args!("a stream has no id"));
        }
        if stream.label.is_some() || !stream.id.is_empty() {
            self.document.streams.push(stream);
        }
    }

    fn session_recording(&mut self, node: &Node<'a>) {
        let assoc = SessionRecordingAssoc {
            session: self.id(node, "session_id", &["sessionid", "session", "id"]),
            associated: self.time(node, &["associate-time"]),
            disassociated: self.time(node, &["disassociate-time"]),
            extensions: self.extensions(node, &["associate-time", "disassociate-time"]),
        };
        if self.has_id(&assoc.session, "sessionrecordingassoc") {
            self.document.session_recordings.push(assoc);
        }
    }

    fn participant_session(&mut self, node: &Node<'a>) {
        let params = self.children(node, "param").map(|param| {
            let value = filled(self.tree.attribute(param, &["pval", "value"])).unwrap_or_else(|| self.text_of(param));
            (filled(self.tree.attribute(param, &["pname", "name"])).unwrap_or_default(), value)
        });
        let params = params.collect();
        let assoc = ParticipantSessionAssoc {
            participant: self.id(node, "participant_id", &["participantid", "participant"]),
            session: self.id(node, "session_id", &["sessionid", "session"]),
            associated: self.time(node, &["associate-time"]),
            disassociated: self.time(node, &["disassociate-time"]),
            params,
            extensions: self.extensions(node, &["associate-time", "disassociate-time", "param"]),
        };
        if self.has_id(&assoc.participant, "participantsessionassoc") {
            self.document.participant_sessions.push(assoc);
        }
    }

    fn participant_stream(&mut self, node: &Node<'a>) {
        let assoc = ParticipantStreamAssoc {
            participant: self.id(node, "participant_id", &["participantid", "participant"]),
            send: self.references(node, "send"),
            recv: self.references(node, "recv"),
            associated: self.time(node, &["associate-time"]),
            disassociated: self.time(node, &["disassociate-time"]),
            extensions: self.extensions(node, &["associate-time", "disassociate-time", "send", "recv"]),
        };
        if self.has_id(&assoc.participant, "participantstreamassoc") {
            self.document.participant_streams.push(assoc);
        }
    }

    /// The stream ids in elements called `name`: their text, or the drafts' `id` child.
    fn references(&self, node: &Node<'a>, name: &'a str) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for child in self.children(node, name) {
            let mut found = self.texts(child, "id");
            if found.is_empty() {
                found.push(self.text_of(child));
            }
            for id in found {
                if !id.is_empty() && ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// The id that RFC 7865 calls `name`; else what the drafts and vendors call it.
    fn id(&mut self, node: &Node<'a>, name: &str, drafts: &[&str]) -> String {
        if let Some(id) = self.tree.attribute(node, &[name]) {
            return short(id);
        }
        let Some(id) = self.tree.attribute(node, drafts) else { return String::new() };
        self.deviations.add(&codes::ID_ATTRIBUTE, format_args!("<{}> has no {name}", quote(node.name())));
        short(id)
    }

    fn has_id(&mut self, id: &str, element: &str) -> bool {
        if id.is_empty() {
            self.deviations.add(&codes::ELEMENT_WITHOUT_ID, format_args!("<{element}> without an id is dropped"));
        }
        !id.is_empty()
    }

    /// The first time among the children called `names`, as written.
    fn time(&mut self, node: &Node<'a>, names: &[&str]) -> Option<String> {
        let value = names.iter().find_map(|name| self.child_text(node, name))?;
        match parse_time(&value) {
            Some((_, None)) => {}
            Some((_, Some(flaw))) => {
                let (code, words) = flaw.words();
                self.deviations.add(code, format_args!("{words}: {}", quote(&value)));
            }
            None => self.deviations.add(&codes::TIME_FORM, format_args!("'{}' is no time", quote(&value))),
        }
        Some(value)
    }

    pub(super) fn children(&self, node: &Node<'a>, name: &'a str) -> impl Iterator<Item = &'a Node<'a>> {
        self.tree.elements(node).filter(move |child| child.is(name) && self.is_ours(child))
    }

    pub(super) fn child_text(&self, node: &Node<'a>, name: &str) -> Option<String> {
        let text =
            self.tree.elements(node).find(|child| child.is(name) && self.is_ours(child)).map(|c| self.text_of(c));
        text.filter(|text| !text.is_empty())
    }

    pub(super) fn text_of(&self, node: &Node<'a>) -> String {
        short(&self.tree.text_of(node))
    }

    pub(super) fn texts(&self, node: &Node<'a>, name: &'a str) -> Vec<String> {
        self.children(node, name).map(|child| self.text_of(child)).filter(|text| !text.is_empty()).collect()
    }
}

/// A value that says something.
pub(super) fn filled(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(short)
}

/// As much of a text as is kept.
pub(super) fn short(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text).to_string()
}

/// `sipSessionID` is often folded over lines; nothing in it has blanks (RFC 7865 6.3.1).
fn without_blanks(text: &str) -> String {
    if text.bytes().any(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()) {
        return text.chars().filter(|c| !c.is_whitespace()).collect();
    }
    text.to_string()
}

/// One id names one element (RFC 7865 6.10), and is a UUID in base64.
fn check_ids(document: &Document, deviations: &mut Deviations) {
    let groups = document.groups.iter().map(|g| (&g.id, "group"));
    let sessions = document.sessions.iter().map(|s| (&s.id, "session"));
    let participants = document.participants.iter().map(|p| (&p.id, "participant"));
    let streams = document.streams.iter().map(|s| (&s.id, "stream"));
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, kind) in groups.chain(sessions).chain(participants).chain(streams).filter(|(id, _)| !id.is_empty()) {
        if let Some(other) = seen.insert(id, kind) {
            deviations
                .add(&codes::ID_USED_TWICE, format_args!("'{}' is the id of a {other} and of a {kind}", quote(id)));
        }
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        let body = id.strip_suffix("==").unwrap_or("");
        if body.len() != 22 || !body.bytes().all(base64) {
            deviations.add(&codes::ID_FORM, format_args!("'{}' is no UUID in base64", quote(id)));
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
