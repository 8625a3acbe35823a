//! Elements out of tokens, repaired: what was never closed is text where text belongs, and closed where structure
//! does.

use alloc::borrow::Cow;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::xml::{Attribute, Reader, Token, local};
use crate::deviation::{Deviations, codes, quote};
use crate::text::find_any;

/// Depth of elements; RFC 7865 needs four, vendors' data a few more.
const MAX_DEPTH: usize = 32;
/// Elements of one document.
pub(super) const MAX_ELEMENTS: usize = 4096;
/// What an element takes of a document as SRCs write them, for the first allocation.
const OCTETS_AN_ELEMENT: usize = 48;
/// What an element, or a text between two, takes.
const OCTETS_A_CHILD: usize = 32;

/// Elements that hold others.
const CONTAINERS: &[&str] = &[
    "recording",
    "recording_metadata",
    "group",
    "session",
    "participant",
    "stream",
    "sessionrecordingassoc",
    "participantsessionassoc",
    "participantstreamassoc",
    "nameID",
    "send",
    "recv",
    "extensiondata",
];
/// Elements that hold text.
const TEXTS: &[&str] = &[
    "name",
    "aor",
    "label",
    "mode",
    "datamode",
    "id",
    "sipSessionID",
    "reason",
    "group-ref",
    "param",
    "associate-time",
    "disassociate-time",
    "start-time",
    "stop-time",
    "end-time",
];

/// A document.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    text: &'a str,
    nodes: Vec<Node<'a>>,
    /// Children of all nodes; each node's are a chain.
    links: Vec<Link<'a>>,
    /// Attributes of all nodes.
    attributes: Vec<Attribute<'a>>,
    /// The document is not whole: something at its end is missing, or was not read.
    pub(super) truncated: bool,
}

/// An element.
#[derive(Debug)]
pub(super) struct Node<'a> {
    qualified: &'a str,
    /// Its name without prefix.
    local: &'a str,
    /// The schema's name for it, if it has one.
    known: Option<&'static str>,
    /// Resolved; empty where there is none.
    pub(super) namespace: Rc<str>,
    attributes: Range<usize>,
    /// Its first and its last child.
    children: Option<(usize, usize)>,
    start_tag: Range<usize>,
    end: usize,
}

#[derive(Debug)]
struct Link<'a> {
    child: Child<'a>,
    next: Option<usize>,
}

#[derive(Debug)]
enum Child<'a> {
    Text(Cow<'a, str>),
    Element(usize),
}

/// A document that must not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HasDoctype;

impl<'a> Node<'a> {
    /// Its name without prefix.
    pub(super) fn name(&self) -> &'a str {
        self.local
    }

    /// Whether its local name is `name`; case is forgiven, and so are `-` and `_`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.known.map_or_else(|| is_same_name(self.name(), name), |known| known == name)
    }

    /// Whether the schema or its drafts have an element of this name.
    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Whether they spell it otherwise.
    pub(super) fn is_misspelt(&self) -> bool {
        self.known.is_some_and(|known| known != self.local)
    }

    /// Whether it has a prefix that nobody declared.
    pub(super) fn is_undeclared(&self) -> bool {
        let prefix = self.prefix();
        !prefix.is_empty() && *self.namespace == *prefix
    }

    /// Its prefix; empty where it has none.
    pub(super) fn prefix(&self) -> &'a str {
        prefix(self.qualified, self.local)
    }
}

impl<'a> Tree<'a> {
    /// Builds the tree; the root is the first element, and all else beside it is dropped.
    pub(super) fn read(text: &'a str, deviations: &mut Deviations) -> Result<Self, HasDoctype> {
        let mut builder = Builder {
            tree: Self {
                text,
                nodes: Vec::with_capacity(text.len() / OCTETS_AN_ELEMENT),
                links: Vec::with_capacity(text.len() / OCTETS_A_CHILD),
                attributes: Vec::new(),
                truncated: false,
            },
            open: Vec::with_capacity(MAX_DEPTH),
            scopes: Vec::new(),
            nothing: Rc::from(""),
        };
        let mut reader = Reader::new(text);
        while let Some(token) = reader.next(deviations) {
            if token == Token::Doctype && (builder.tree.nodes.is_empty() || !builder.open.is_empty()) {
                return Err(HasDoctype);
            }
            if !builder.token(token, &reader.attributes, deviations) {
                break;
            }
        }
        builder.tree.attributes = reader.attributes;
        builder.tree.truncated |= reader.truncated || !builder.open.is_empty();
        if builder.tree.truncated {
            deviations.add(&codes::TRUNCATED, format_args!("the document is not whole; what was read is kept"));
        }
        Ok(builder.tree)
    }

    /// The first element.
    pub(super) fn root(&self) -> Option<&Node<'a>> {
        self.nodes.first()
    }

    /// The trimmed value of the first of `names` among a node's attributes, by local name.
    pub(super) fn attribute(&self, node: &Node<'a>, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let mut found = self.attributes(node).filter(|a| is_same_name(a.local, name));
            found.next().map(|a| a.value.trim_ascii())
        })
    }

    /// The namespaces that a node declares.
    pub(super) fn declared(&self, node: &Node<'a>) -> impl Iterator<Item = &str> {
        self.all_attributes(node).iter().filter(|a| is_declaration(a)).map(|a| a.value.trim())
    }

    /// A node's attributes without namespace declarations.
    pub(super) fn attributes(&self, node: &Node<'a>) -> impl Iterator<Item = &Attribute<'a>> {
        self.all_attributes(node).iter().filter(|a| !is_declaration(a))
    }

    fn all_attributes(&self, node: &Node<'a>) -> &[Attribute<'a>] {
        self.attributes.get(node.attributes.clone()).unwrap_or_default()
    }

    /// All elements, in the order of their tags.
    pub(super) fn all(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// An element's elements.
    pub(super) fn elements(&self, node: &Node<'a>) -> impl Iterator<Item = &Node<'a>> {
        self.children(node).filter_map(|child| match child {
            Child::Element(index) => self.nodes.get(*index),
            Child::Text(_) => None,
        })
    }

    fn children(&self, node: &Node<'a>) -> impl Iterator<Item = &Child<'a>> {
        let first = node.children.and_then(|(first, _)| self.links.get(first));
        core::iter::successors(first, |link| self.links.get(link.next?)).map(|link| &link.child)
    }

    /// The first element of `node` with this local name.
    #[cfg(test)]
    fn child(&self, node: &Node<'a>, name: &str) -> Option<&Node<'a>> {
        self.elements(node).find(|child| child.is(name))
    }

    /// All text inside `node`, trimmed.
    pub(super) fn text_of(&self, node: &Node<'a>) -> Cow<'_, str> {
        let mut children = self.children(node);
        match (children.next(), children.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(Child::Text(text)), None) => Cow::Borrowed(text.trim()),
            (Some(_), _) => {
                let mut out = String::new();
                self.collect(node, &mut out);
                Cow::Owned(out.trim().into())
            }
        }
    }

    /// The text of `node` itself, without that of its elements.
    pub(super) fn own_text(&self, node: &Node<'a>) -> String {
        let mut out = String::new();
        for child in self.children(node) {
            if let Child::Text(text) = child {
                out.push_str(text);
            }
        }
        out
    }

    /// Whether `node` itself holds more than white space.
    pub(super) fn has_own_text(&self, node: &Node<'a>) -> bool {
        self.children(node).any(|child| match child {
            Child::Text(text) => !text.trim().is_empty(),
            Child::Element(_) => false,
        })
    }

    /// `node` as it was written.
    pub(super) fn raw(&self, node: &Node<'a>) -> &'a str {
        self.text.get(node.start_tag.start..node.end).unwrap_or("")
    }

    fn collect(&self, node: &Node<'a>, out: &mut String) {
        for child in self.children(node) {
            match child {
                Child::Text(text) => out.push_str(text),
                Child::Element(index) => {
                    if let Some(node) = self.nodes.get(*index) {
                        self.collect(node, out);
                    }
                }
            }
        }
    }
}

/// The tree while it grows.
struct Builder<'a> {
    tree: Tree<'a>,
    /// Open elements, outermost first.
    open: Vec<usize>,
    /// Prefix, namespace, and the depth that declared them.
    scopes: Vec<(&'a str, Rc<str>, usize)>,
    nothing: Rc<str>,
}

impl<'a> Builder<'a> {
    /// Takes a token, and the attributes that were read so far; `false` if no more should be read.
    fn token(&mut self, token: Token<'a>, all: &[Attribute<'a>], deviations: &mut Deviations) -> bool {
        let closed = !self.tree.nodes.is_empty() && self.open.is_empty();
        match token {
            Token::Text(text) if self.open.is_empty() => {
                if !text.trim().is_empty() {
                    deviations.add(&codes::TEXT_OUTSIDE_ROOT, format_args!("{}", quote(text.trim())));
                }
                true
            }
            Token::Text(text) => {
                self.push(Child::Text(text));
                true
            }
            Token::Start { name, .. } if closed => {
                deviations.add(&codes::SECOND_ROOT, format_args!("{} after the root", quote(name)));
                false
            }
            Token::Start { name, attributes, empty, raw } => {
                if self.open.len() >= MAX_DEPTH || self.tree.nodes.len() >= MAX_ELEMENTS {
                    deviations.add(&codes::TOO_LARGE, format_args!("more elements, or deeper ones, than are read"));
                    self.tree.truncated = true;
                    return false;
                }
                let own = all.get(attributes.clone()).unwrap_or_default();
                self.declare(own);
                self.start(name, attributes, empty, raw);
                true
            }
            Token::End { name, raw } => {
                self.end(name, raw, deviations);
                true
            }
            Token::Doctype => false,
        }
    }

    fn push(&mut self, child: Child<'a>) {
        let Some(node) = self.open.last().and_then(|top| self.tree.nodes.get_mut(*top)) else { return };
        let index = self.tree.links.len();
        self.tree.links.push(Link { child, next: None });
        node.children = match node.children {
            None => Some((index, index)),
            Some((first, last)) => {
                if let Some(last) = self.tree.links.get_mut(last) {
                    last.next = Some(index);
                }
                Some((first, index))
            }
        };
    }

    fn declare(&mut self, attributes: &[Attribute<'a>]) {
        let depth = self.open.len();
        for attribute in attributes.iter().filter(|a| is_declaration(a)) {
            let prefix = attribute.name.strip_prefix("xmlns:").unwrap_or("");
            self.scopes.push((prefix, Rc::from(attribute.value.trim()), depth));
        }
    }

    fn start(&mut self, qualified: &'a str, attributes: Range<usize>, empty: bool, raw: Range<usize>) {
        let depth = self.open.len();
        let local = local(qualified);
        let prefix = prefix(qualified, local);
        let declared = self.scopes.iter().rev().find(|(known, ..)| *known == prefix).map(|(_, uri, _)| Rc::clone(uri));
        // A prefix that nobody declared is a namespace of its own.
        let namespace =
            declared.unwrap_or_else(|| if prefix.is_empty() { Rc::clone(&self.nothing) } else { Rc::from(prefix) });
        let index = self.tree.nodes.len();
        self.push(Child::Element(index));
        let end = raw.end;
        self.tree.nodes.push(Node {
            qualified,
            local,
            known: schema_name(local),
            namespace,
            attributes,
            children: None,
            start_tag: raw,
            end,
        });
        if empty {
            self.scopes.retain(|(.., declared)| *declared < depth);
        } else {
            self.open.push(index);
        }
    }

    fn end(&mut self, name: &'a str, raw: Range<usize>, deviations: &mut Deviations) {
        let named = |builder: &Self, same: fn(&str, &str) -> bool| {
            let qualified = |index: &usize| builder.tree.nodes.get(*index).map_or("", |n| n.qualified);
            builder.open.iter().rposition(|index| same(qualified(index), name))
        };
        let place = named(self, |a, b| a == b).or_else(|| named(self, |a, b| local(a) == local(b)));
        let place = place.or_else(|| {
            let place = named(self, |a, b| local(a).eq_ignore_ascii_case(local(b)))?;
            deviations.add(&codes::END_TAG_CASE, format_args!("</{}> ends an element of another case", quote(name)));
            Some(place)
        });
        let Some(place) = place else {
            deviations.add(&codes::UNMATCHED_END, format_args!("</{}>", quote(name)));
            if !is_container(local(name)) && !is_text(local(name)) {
                self.push(Child::Text(Cow::Borrowed(self.tree.text.get(raw).unwrap_or(""))));
            }
            return;
        };
        while self.open.len() > place + 1 {
            self.close_unclosed(raw.start, deviations);
        }
        if let Some(node) = self.open.pop().and_then(|index| self.tree.nodes.get_mut(index)) {
            node.end = raw.end;
        }
        let depth = self.open.len();
        self.scopes.retain(|(.., declared)| *declared < depth);
    }

    /// Ends the innermost element, whose end tag is missing: our own structure is closed, anything else was never
    /// meant as an element and becomes text, its content its parent's.
    fn close_unclosed(&mut self, at: usize, deviations: &mut Deviations) {
        let Some(index) = self.open.pop() else { return };
        let in_text = self.open.last().and_then(|top| self.tree.nodes.get(*top)).is_some_and(|n| is_text(n.name()));
        let Some(node) = self.tree.nodes.get_mut(index) else { return };
        let name = node.name();
        if !in_text && (is_container(name) || is_text(name)) {
            node.end = at;
            deviations.add(&codes::UNCLOSED_ELEMENT, format_args!("<{}> has no end", quote(name)));
            return;
        }
        let tag = self.tree.text.get(node.start_tag.clone()).unwrap_or("");
        deviations.add(&codes::UNESCAPED_LESS_THAN, format_args!("'<' is text in: {}", quote(tag)));
        let content = node.children.take();
        let Some(parent) = self.open.last().and_then(|top| self.tree.nodes.get_mut(*top)) else { return };
        // While it was open nothing was added after it: it is the last child. Its tag takes its place, then its content.
        let Some((first, own)) = parent.children else { return };
        if let Some(link) = self.tree.links.get_mut(own) {
            link.child = Child::Text(Cow::Borrowed(tag));
            link.next = content.map(|(first, _)| first);
        }
        parent.children = Some((first, content.map_or(own, |(_, last)| last)));
    }
}

/// Elements of the schema and of its drafts, as they are spelt there; the most frequent first.
const SCHEMA: &[&str] = &[
    "participant",
    "nameID",
    "name",
    "send",
    "recv",
    "stream",
    "label",
    "associate-time",
    "participantstreamassoc",
    "participantsessionassoc",
    "session",
    "sessionrecordingassoc",
    "group",
    "recording",
    "datamode",
    "aor",
    "id",
    "mode",
    "sipSessionID",
    "group-ref",
    "start-time",
    "disassociate-time",
    "stop-time",
    "end-time",
    "reason",
    "param",
];

/// The schema's name of an element that is called `local`.
fn schema_name(local: &str) -> Option<&'static str> {
    let first = local.as_bytes().first();
    let exact = SCHEMA.iter().filter(|name| name.as_bytes().first() == first).find(|name| **name == local);
    exact.or_else(|| SCHEMA.iter().find(|name| is_same_name(name, local))).copied()
}

/// Whether two names are one but for case, `-` and `_`.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    let first = |name: &str| name.as_bytes().first().map(u8::to_ascii_lowercase);
    // Most names are told apart by this.
    if first(one) != first(other) {
        return false;
    }
    if one.len() == other.len() && one.eq_ignore_ascii_case(other) {
        return true;
    }
    let marks = |name: &str| find_any(name.as_bytes(), [b'-', b'_']).is_some();
    let is_letter = |b: &u8| !matches!(b, b'-' | b'_');
    (marks(one) || marks(other))
        && one
            .bytes()
            .filter(is_letter)
            .map(|b| b.to_ascii_lowercase())
            .eq(other.bytes().filter(is_letter).map(|b| b.to_ascii_lowercase()))
}

fn prefix<'a>(qualified: &'a str, local: &str) -> &'a str {
    qualified.get(..(qualified.len() - local.len()).saturating_sub(1)).unwrap_or_default()
}

fn is_declaration(attribute: &Attribute<'_>) -> bool {
    attribute.name.strip_prefix("xmlns").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn is_container(name: &str) -> bool {
    CONTAINERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_text(name: &str) -> bool {
    TEXTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
