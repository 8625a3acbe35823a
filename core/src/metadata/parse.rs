//! A metadata body as a [`Document`]: every dialect is read as what it means.
//!
//! Elements are known by their local name if they are of the root's namespace or of a recording one; all else is a
//! vendor's data and is kept as it stands.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;

use super::document::{DataMode, Dialect, Document};
use super::elements::Within;
use super::repair::repair;
use super::text::decode;
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
pub(super) const TOP_LEVEL: &[&str] = &[
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
    let Some(root) = recording(&tree) else {
        deviations.add(&codes::NO_DOCUMENT, format_args!("no element in: {}", quote(text.trim())));
        return None;
    };
    if root.is("requestsnapshot") {
        deviations.add(&codes::SNAPSHOT_REQUEST, format_args!("an SRC has nothing to ask an SRS for"));
        return None;
    }
    let mut reader = Reader {
        tree: &tree,
        root,
        every_namespace: false,
        deviations,
        document: Document::default(),
        fields_left: Cell::new(MAX_FIELDS),
    };
    reader.root(root);
    let mut document = reader.document;
    repair(&mut document, deviations);
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

/// The element that is the document: the root, or the recording in what was put around it.
fn recording<'t, 'a>(tree: &'t Tree<'a>) -> Option<&'t Node<'a>> {
    let root = tree.root()?;
    let has_objects = tree.elements(root).any(|node| TOP_LEVEL.iter().any(|name| node.is(name)));
    let within = || tree.all().iter().find(|node| is_recording_name(node.name()));
    if is_recording_name(root.name()) || has_objects { Some(root) } else { within().or(Some(root)) }
}

/// Whether a root of this name, its prefix aside, holds metadata.
pub(super) fn is_recording_name(local: &str) -> bool {
    ["recording", "recording_metadata"].iter().any(|known| local.eq_ignore_ascii_case(known))
}

/// Reads elements into a document.
pub(super) struct Reader<'a, 'd> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) root: &'a Node<'a>,
    /// Nothing was of a namespace of ours: names are all there is.
    pub(super) every_namespace: bool,
    pub(super) deviations: &'d mut Deviations,
    pub(super) document: Document,
    /// Fields of vendors' data that may still be kept.
    pub(super) fields_left: Cell<usize>,
}

impl<'a> Reader<'a, '_> {
    fn root(&mut self, root: &'a Node<'a>) {
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
        let outer = self.tree.root().map_or("", |outer| outer.name());
        if outer != "recording" {
            self.deviations.add(&codes::ROOT_NAME, format_args!("the root is <{}>", quote(outer)));
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
        self.spelling();
        self.document.mode_is_left_out = true;
        if let Some(mode) = filled(self.tree.attribute(root, &["datamode"])) {
            self.element_as_attribute("datamode", root);
            self.mode(&mode);
        }
        self.below(root, &Within::default());
        if self.document.is_empty() {
            // Elements of ours under a namespace that nobody knows, and under no other.
            self.every_namespace = true;
            let foreign = core::mem::take(&mut self.document.extensions);
            let left = self.fields_left.replace(MAX_FIELDS);
            self.below(root, &Within::default());
            if self.document.is_empty() {
                self.document.extensions = foreign;
                self.fields_left.set(left);
            } else {
                self.deviations.add(&codes::NAMESPACE, format_args!("elements of other namespaces than {NAMESPACE}"));
            }
        }
    }

    /// Tells of the first element of ours that is not spelt as the schema has it.
    fn spelling(&mut self) {
        let tree = self.tree;
        let is_misspelt = |node: &&'a Node<'a>| node.is_misspelt() && !node.is("datamode") && self.is_ours(node);
        if let Some(node) = tree.all().iter().find(is_misspelt) {
            let told = format_args!("<{}>", quote(node.name()));
            self.deviations.add(&codes::ELEMENT_SPELLING, told);
        }
    }

    pub(super) fn is_ours(&self, node: &Node<'_>) -> bool {
        let namespace = &*node.namespace;
        Rc::ptr_eq(&self.root.namespace, &node.namespace)
            || namespace.is_empty()
            || namespace == self.document.dialect.namespace
            || FAMILY.iter().any(|known| namespace.starts_with(known))
            || (node.is_known() && (self.every_namespace || node.is_undeclared()))
    }

    pub(super) fn data_mode(&mut self, node: &Node<'a>) {
        let value = self.text_of(node);
        if node.name() != "datamode" || value.bytes().any(|b| b.is_ascii_uppercase()) {
            self.deviations.add(&codes::DATAMODE_SPELLING, format_args!("<{}>{}", quote(node.name()), quote(&value)));
        }
        self.mode(&value);
    }

    fn mode(&mut self, value: &str) {
        self.document.mode_is_left_out = false;
        match value.to_ascii_lowercase().as_str() {
            "complete" => self.document.mode = DataMode::Complete,
            "partial" => self.document.mode = DataMode::Partial,
            _ => {
                self.deviations.add(&codes::DATAMODE_VALUE, format_args!("'{}', read as partial", quote(value)));
                self.document.mode = DataMode::Partial;
            }
        }
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
