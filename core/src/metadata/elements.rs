//! Each kind of element, wherever it stands.
//!
//! The schema (RFC 7865 9) has all of them straight below the root, with what they belong to in attributes. Here an
//! element may stand within another, which then is what it belongs to; an attribute may be an element, and an element an
//! attribute.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::{
    Group, ParticipantElement, ParticipantSessionAssoc, ParticipantStreamAssoc, Reason, SessionElement,
    SessionRecordingAssoc, StreamElement,
};
use super::parse::{Reader, TOP_LEVEL, filled, short};
use super::time::{is_placeholder, parse_time};
use super::tree::Node;
use crate::deviation::{codes, quote};

/// What an element stands in.
#[derive(Debug, Clone, Default)]
pub(super) struct Within {
    group: Option<String>,
    session: Option<String>,
    participant: Option<String>,
    stream: Option<String>,
}

/// How an id is called: its attribute, the drafts' and vendors' names for it, the element it names.
struct IdName {
    attribute: &'static str,
    others: &'static [&'static str],
    element: &'static str,
}

const GROUP: IdName = IdName { attribute: "group_id", others: &["id"], element: "group" };
const SESSION: IdName = IdName { attribute: "session_id", others: &["session", "id"], element: "session" };
const PARTICIPANT: IdName =
    IdName { attribute: "participant_id", others: &["participant", "id"], element: "participant" };
const STREAM: IdName = IdName { attribute: "stream_id", others: &["stream", "id"], element: "stream" };

impl<'a> Reader<'a, '_> {
    /// Reads all elements of `node`, known or not.
    pub(super) fn below(&mut self, node: &'a Node<'a>, within: &Within) {
        for child in self.tree.elements(node) {
            if self.is_object(child) {
                self.object(child, within);
            } else if self.is_wrapper(child) {
                self.misplaced(child);
                self.below(child, within);
            } else {
                self.extend_document(child);
            }
        }
    }

    /// Reads the elements of `node` that are objects of their own, and so belong below the root.
    fn misplaced_below(&mut self, node: &'a Node<'a>, within: &Within) {
        for child in self.tree.elements(node) {
            if self.is_object(child) && !self.is_reference(child) {
                self.misplaced(child);
                self.object(child, within);
            } else if self.is_wrapper(child) {
                self.misplaced(child);
                self.misplaced_below(child, within);
            }
        }
    }

    fn object(&mut self, node: &'a Node<'a>, within: &Within) {
        let known = TOP_LEVEL.iter().find(|name| node.is(name)).copied();
        match known.unwrap_or_default() {
            "datamode" => self.data_mode(node),
            "group" => self.group(node, within),
            "session" => self.session(node, within),
            "participant" => self.participant(node, within),
            "stream" => self.stream(node, within),
            "sessionrecordingassoc" => self.session_recording(node, within),
            "participantsessionassoc" => self.participant_session(node, within),
            _ => self.participant_stream(node, within),
        }
    }

    pub(super) fn is_object(&self, node: &Node<'a>) -> bool {
        TOP_LEVEL.iter().any(|name| node.is(name)) && self.is_ours(node)
    }

    /// Whether an unknown element only stands around objects: `<participants>`.
    pub(super) fn is_wrapper(&self, node: &Node<'a>) -> bool {
        let is_known = ["extensiondata", "nameID", "send", "recv", "reason", "param"].iter().any(|name| node.is(name));
        let is_unmarked = node.namespace.is_empty() || node.namespace == self.root.namespace || self.every_namespace;
        !is_known
            && is_unmarked
            && self.tree.elements(node).any(|child| self.is_object(child) || self.is_wrapper(child))
    }

    /// Whether an object's name stands around an id alone: `<session>id</session>`.
    fn is_reference(&self, node: &Node<'a>) -> bool {
        self.tree.attributes(node).next().is_none()
            && self.tree.elements(node).next().is_none()
            && self.tree.has_own_text(node)
    }

    fn misplaced(&mut self, node: &Node<'a>) {
        self.deviations
            .add(&codes::MISPLACED_ELEMENT, format_args!("<{}> stands in another element", quote(node.name())));
    }

    pub(super) fn element_as_attribute(&mut self, name: &str, of: &Node<'a>) {
        let told = format_args!("{name} is an attribute of <{}>", quote(of.name()));
        self.deviations.add(&codes::ELEMENT_AS_ATTRIBUTE, told);
    }

    fn group(&mut self, node: &'a Node<'a>, within: &Within) {
        let group = Group {
            id: self.id(node, &GROUP, None),
            associated: self.time(node, &["associate-time"]),
            disassociated: self.end_time(node, &["disassociate-time"]),
            extensions: self.extensions(node, &["associate-time", "disassociate-time", "group_id", "id"]),
        };
        let id = group.id.clone();
        if self.has_id(&id, "group") {
            self.document.groups.push(group);
        }
        self.misplaced_below(node, &Within { group: filled(Some(&id)), ..within.clone() });
    }

    fn session(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] = &[
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
            "session_id",
            "id",
        ];
        let in_reference = self.references_to(node, &GROUP).into_iter().next();
        let group = self.value(node, "group-ref").or_else(|| filled(self.tree.attribute(node, &["group", "group_id"])));
        let mut sip_session_ids: Vec<String> = self.texts(node, "sipSessionID");
        if let Some(id) = filled(self.tree.attribute(node, &["sipSessionID"])) {
            self.element_as_attribute("sipSessionID", node);
            sip_session_ids.push(id);
        }
        let mut session = SessionElement {
            id: self.id(node, &SESSION, None),
            sip_session_ids: sip_session_ids.iter().map(|id| without_blanks(id)).collect(),
            reasons: self.children(node, "reason").map(|reason| self.reason(reason)).collect(),
            group: group.or(in_reference).or_else(|| within.group.clone()),
            started: self.time(node, &["start-time", "associate-time"]),
            stopped: self.end_time(node, &["stop-time", "end-time", "disassociate-time"]),
            extensions: self.extensions(node, KNOWN),
        };
        if session.id.is_empty()
            && let Some(id) = session.sip_session_ids.first()
        {
            session.id.clone_from(id);
            self.deviations.add(&codes::ELEMENT_WITHOUT_ID, format_args!("<session> is known by its sipSessionID"));
        }
        let id = session.id.clone();
        if self.has_id(&id, "session") {
            self.document.sessions.push(session);
        }
        for participant in self.references_to(node, &PARTICIPANT) {
            let session = id.clone();
            self.document.participant_sessions.push(ParticipantSessionAssoc {
                participant,
                session,
                ..Default::default()
            });
        }
        self.misplaced_below(node, &Within { session: filled(Some(&id)), ..within.clone() });
    }

    fn reason(&self, node: &Node<'a>) -> Reason {
        Reason {
            protocol: filled(self.tree.attribute(node, &["protocol"])).unwrap_or_else(|| "SIP".to_string()),
            cause: filled(self.tree.attribute(node, &["cause"])).unwrap_or_default(),
            text: self.text_of(node),
        }
    }

    fn participant(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] = &[
            "nameID",
            "aor",
            "name",
            "send",
            "recv",
            "associate-time",
            "disassociate-time",
            "participant_id",
            "id",
            "session_id",
        ];
        let names = self.names(node);
        let mut id = self.id(node, &PARTICIPANT, None);
        if id.is_empty() {
            let known = names.first().map(|name| name.aor.clone()).filter(|aor| !aor.is_empty());
            let named = || names.first().and_then(|name| name.display.clone());
            id = known.or_else(named).unwrap_or_default();
            if !id.is_empty() {
                self.deviations.add(&codes::ELEMENT_WITHOUT_ID, format_args!("<participant> is known by its address"));
            }
        }
        if !self.has_id(&id, "participant") {
            return;
        }
        let (associated, disassociated) = self.times(node);
        let own = filled(self.tree.attribute(node, &["session", "session_id"]));
        let own =
            own.or_else(|| self.references_to(node, &SESSION).into_iter().next()).or_else(|| within.session.clone());
        if own.is_some() || associated.is_some() || disassociated.is_some() {
            self.document.participant_sessions.push(ParticipantSessionAssoc {
                participant: id.clone(),
                session: own.unwrap_or_default(),
                associated,
                disassociated,
                ..ParticipantSessionAssoc::default()
            });
        }
        let (mut send, recv) = (self.references(node, "send"), self.references(node, "recv"));
        if !send.is_empty() || !recv.is_empty() {
            self.document.dialect.sends_in_participants = true;
            self.deviations.add(&codes::SEND_IN_PARTICIPANT, format_args!("send and recv stand inside participant"));
        }
        send.extend(within.stream.clone());
        if !send.is_empty() || !recv.is_empty() {
            let participant = id.clone();
            let assoc = ParticipantStreamAssoc { participant, send, recv, ..ParticipantStreamAssoc::default() };
            self.document.participant_streams.push(assoc);
        }
        let extensions = self.extensions(node, KNOWN);
        self.document.participants.push(ParticipantElement { id: id.clone(), names, extensions });
        self.misplaced_below(node, &Within { participant: Some(id), ..within.clone() });
    }

    fn stream(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] =
            &["label", "mode", "associate-time", "disassociate-time", "stream_id", "session_id", "id", "session"];
        let own = filled(self.tree.attribute(node, &["session_id", "sessionid", "session"]));
        let own = own.or_else(|| self.attribute_as_element(node, "session_id"));
        let own = own.or_else(|| self.references_to(node, &SESSION).into_iter().next());
        let stream = StreamElement {
            id: self.id(node, &STREAM, None),
            session: own.or_else(|| within.session.clone()),
            label: self.value(node, "label"),
            mode: self.value(node, "mode"),
            disassociated: self.end_time(node, &["disassociate-time"]),
            extensions: self.extensions(node, KNOWN),
        };
        // Avaya announces a stream before it has an id: an empty id is no reference, but the label counts.
        if stream.id.is_empty() {
            self.deviations.add(&codes::EMPTY_ID, format_args!("a stream has no id"));
        }
        let id = stream.id.clone();
        if let (Some(participant), false) = (within.participant.clone(), id.is_empty()) {
            let assoc = ParticipantStreamAssoc { participant, send: [id.clone()].into(), ..Default::default() };
            self.document.participant_streams.push(assoc);
        }
        for participant in self.references_to(node, &PARTICIPANT).into_iter().filter(|_| !id.is_empty()) {
            let assoc = ParticipantStreamAssoc { participant, send: [id.clone()].into(), ..Default::default() };
            self.document.participant_streams.push(assoc);
        }
        if stream.label.is_some() || !stream.id.is_empty() {
            self.document.streams.push(stream);
        }
        let stream = filled(Some(&id));
        self.misplaced_below(node, &Within { stream, participant: None, ..within.clone() });
    }

    fn session_recording(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] = &["associate-time", "disassociate-time", "session_id", "session", "id"];
        let (associated, disassociated) = self.times(node);
        let session = self.id(node, &SESSION, within.session.as_deref());
        let extensions = self.extensions(node, KNOWN);
        if self.has_id(&session, "sessionrecordingassoc") {
            let assoc = SessionRecordingAssoc { session, associated, disassociated, extensions };
            self.document.session_recordings.push(assoc);
        }
        self.misplaced_below(node, within);
    }

    fn participant_session(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] = &[
            "associate-time",
            "disassociate-time",
            "param",
            "participant_id",
            "session_id",
            "participant",
            "session",
            "nameID",
        ];
        let params = self.children(node, "param").map(|param| {
            let value = filled(self.tree.attribute(param, &["pval", "value"])).unwrap_or_else(|| self.text_of(param));
            (filled(self.tree.attribute(param, &["pname", "name"])).unwrap_or_default(), value)
        });
        let params = params.collect();
        let (associated, disassociated) = self.times(node);
        let assoc = ParticipantSessionAssoc {
            participant: self.reference(node, &PARTICIPANT, within.participant.as_deref()),
            session: self.reference(node, &SESSION, within.session.as_deref()),
            associated,
            disassociated,
            params,
            extensions: self.extensions(node, KNOWN),
        };
        self.names_of(node, &assoc.participant);
        let inner = Within {
            participant: filled(Some(&assoc.participant)),
            session: filled(Some(&assoc.session)),
            ..Within::default()
        };
        if self.has_id(&assoc.participant, "participantsessionassoc") {
            self.document.participant_sessions.push(assoc);
        }
        self.misplaced_below(node, &inner);
    }

    fn participant_stream(&mut self, node: &'a Node<'a>, within: &Within) {
        const KNOWN: &[&str] =
            &["associate-time", "disassociate-time", "send", "recv", "participant_id", "participant", "nameID"];
        let (associated, disassociated) = self.times(node);
        let mut assoc = ParticipantStreamAssoc {
            participant: self.reference(node, &PARTICIPANT, within.participant.as_deref()),
            send: self.references(node, "send"),
            recv: self.references(node, "recv"),
            associated,
            disassociated,
            extensions: self.extensions(node, KNOWN),
        };
        if assoc.send.is_empty() && assoc.recv.is_empty() {
            assoc.send.extend(within.stream.clone());
        }
        self.names_of(node, &assoc.participant);
        let inner = Within {
            participant: filled(Some(&assoc.participant)),
            session: within.session.clone(),
            ..Within::default()
        };
        if self.has_id(&assoc.participant, "participantstreamassoc") {
            self.document.participant_streams.push(assoc);
        }
        self.misplaced_below(node, &inner);
    }

    /// Names that stand in an association are its participant's.
    fn names_of(&mut self, node: &Node<'a>, participant: &str) {
        if participant.is_empty() || self.children(node, "nameID").next().is_none() {
            return;
        }
        let told = format_args!("a nameID stands in <{}>", quote(node.name()));
        self.deviations.add(&codes::MISPLACED_ELEMENT, told);
        let names = self.names(node);
        let element = ParticipantElement { id: participant.to_string(), names, extensions: Vec::new() };
        self.document.participants.push(element);
    }

    /// The stream ids in elements called `name`: their text, or the drafts' `id` child; in an attribute of that name, with
    /// blanks or commas between them.
    fn references(&mut self, node: &Node<'a>, name: &'static str) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        let mut add = |id: String| {
            if !id.is_empty() && ids.last() != Some(&id) {
                ids.push(id);
            }
        };
        let mut is_attribute = false;
        for child in self.children(node, name) {
            let mut found = self.texts(child, "id");
            found.extend(self.texts(child, "stream_id"));
            let inner = self.children(child, "stream").filter_map(|stream| {
                let id = filled(self.tree.attribute(stream, &["stream_id", "id"]));
                id.or_else(|| filled(Some(&self.text_of(stream))))
            });
            found.extend(inner);
            if let Some(id) =
                filled(self.tree.attribute(child, &["stream_id", "id", "stream"])).filter(|_| found.is_empty())
            {
                is_attribute = true;
                found.push(id);
            }
            if found.is_empty() {
                found.push(self.text_of(child));
            }
            found.into_iter().for_each(&mut add);
        }
        if let Some(listed) = self.tree.attribute(node, &[name]) {
            is_attribute |= !listed.is_empty();
            listed.split([' ', ',', ';']).map(|id| short(id.trim())).for_each(&mut add);
        }
        if is_attribute {
            self.element_as_attribute(name, node);
        }
        ids
    }

    /// Ids in leaves that are called as the element they mean: `<session>id</session>`.
    fn references_to(&mut self, node: &Node<'a>, name: &IdName) -> Vec<String> {
        let leaves = self.children(node, name.element).filter(|child| self.is_reference(child));
        let ids: Vec<String> = leaves.map(|child| self.text_of(child)).collect();
        if !ids.is_empty() {
            let told = format_args!("the id of a {} is an element of <{}>", name.element, quote(node.name()));
            self.deviations.add(&codes::ATTRIBUTE_AS_ELEMENT, told);
        }
        ids
    }

    /// What an association refers to, by an attribute, by an element, or by what it stands in.
    fn reference(&mut self, node: &Node<'a>, name: &IdName, within: Option<&str>) -> String {
        if let Some(id) =
            self.tree.attribute(node, &[name.attribute]).or_else(|| self.tree.attribute(node, &[name.element]))
        {
            if self.tree.attributes(node).all(|attribute| attribute.local != name.attribute) {
                self.deviations
                    .add(&codes::ID_ATTRIBUTE, format_args!("<{}> has no {}", quote(node.name()), name.attribute));
            }
            return short(id);
        }
        let by_element = self.attribute_as_element(node, name.attribute);
        let by_element = by_element.or_else(|| self.references_to(node, name).into_iter().next());
        let nested = || {
            let mut nested = self.children(node, name.element);
            nested.find_map(|child| filled(self.tree.attribute(child, &[name.attribute, "id"])))
        };
        by_element.or_else(nested).or_else(|| within.map(ToString::to_string)).unwrap_or_default()
    }

    /// The id of an element of its own; what it stands in, where it has none.
    fn id(&mut self, node: &Node<'a>, name: &IdName, within: Option<&str>) -> String {
        if let Some(attribute) = self.tree.attributes(node).find(|attribute| attribute.local == name.attribute) {
            return short(attribute.value.trim_ascii());
        }
        let found = self.tree.attribute(node, &[name.attribute]).or_else(|| self.tree.attribute(node, name.others));
        if let Some(id) = found.map(short) {
            self.deviations
                .add(&codes::ID_ATTRIBUTE, format_args!("<{}> has no {}", quote(node.name()), name.attribute));
            return id;
        }
        let by_element =
            self.attribute_as_element(node, name.attribute).or_else(|| self.attribute_as_element(node, "id"));
        let alone = || filled(Some(&self.text_of(node))).filter(|_| self.is_reference(node));
        by_element.or_else(alone).or_else(|| within.map(ToString::to_string)).unwrap_or_default()
    }

    fn attribute_as_element(&mut self, node: &Node<'a>, name: &'static str) -> Option<String> {
        let text = self.child_text(node, name)?;
        let told = format_args!("{name} is an element of <{}>", quote(node.name()));
        self.deviations.add(&codes::ATTRIBUTE_AS_ELEMENT, told);
        Some(text)
    }

    /// The text of an element, or of an attribute in its place.
    fn value(&mut self, node: &Node<'a>, name: &'static str) -> Option<String> {
        if let Some(text) = self.child_text(node, name) {
            return Some(text);
        }
        let value = filled(self.tree.attribute(node, &[name]))?;
        self.element_as_attribute(name, node);
        Some(value)
    }

    fn has_id(&mut self, id: &str, element: &str) -> bool {
        if id.is_empty() {
            self.deviations.add(&codes::ELEMENT_WITHOUT_ID, format_args!("<{element}> without an id is dropped"));
        }
        !id.is_empty()
    }

    fn times(&mut self, node: &Node<'a>) -> (Option<String>, Option<String>) {
        (self.time(node, &["associate-time"]), self.end_time(node, &["disassociate-time"]))
    }

    /// A time that ends something: what stands where a time is not known ends nothing.
    fn end_time(&mut self, node: &Node<'a>, names: &[&'static str]) -> Option<String> {
        self.time(node, names).filter(|value| !is_placeholder(value))
    }

    /// The first time among the children called `names`, as written.
    fn time(&mut self, node: &Node<'a>, names: &[&'static str]) -> Option<String> {
        let value = names.iter().find_map(|name| self.value(node, name))?;
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
}

/// `sipSessionID` is often folded over lines; nothing in it has blanks (RFC 7865 6.3.1).
fn without_blanks(text: &str) -> String {
    if text.bytes().any(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()) {
        return text.chars().filter(|c| !c.is_whitespace()).collect();
    }
    text.to_string()
}

#[cfg(test)]
#[path = "elements_tests.rs"]
mod tests;
