//! A YAML document as a tree in which every key and value knows its line.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::fmt;

/// A value of the document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A text, number, truth value or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Placed>),
    /// A section: its keys in order.
    Map(Vec<Key>),
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) line: u64,
    pub(super) node: Node,
}

/// A key of a section, where it stands, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) value: Placed,
}

/// Why a document cannot be read.
#[derive(Debug, PartialEq)]
pub(super) struct SyntaxError {
    pub(super) line: Option<u64>,
    pub(super) text: String,
}

/// Reads one document. An empty one is an empty section.
pub(super) fn read(text: &str) -> Result<Placed, SyntaxError> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let document: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map(|at| at.line());
        // The position is told beside the text, once.
        SyntaxError { line, text: plain(&error.to_string()) }
    })?;
    let mut root = placed(document);
    if root.node == Node::Scalar(Value::Null) {
        root.node = Node::Map(Vec::new());
    }
    Ok(root)
}

impl Placed {
    /// The value without its lines.
    pub(super) fn to_value(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Node::Map(keys) => Value::Object(keys.iter().map(|key| (key.name.clone(), key.value.to_value())).collect()),
        }
    }
}

fn placed(spanned: Spanned<Node>) -> Placed {
    Placed { line: spanned.referenced.line(), node: spanned.value }
}

/// The first line of a message, without a leading `error: line 3 column 5: `.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let rest = first.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(first, |(_, rest)| rest);
    rest.to_string()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Node>>()? {
            items.push(placed(item));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Node>>()? {
            keys.push(Key { line: key.referenced.line(), name: key.value, value: placed(value) });
        }
        Ok(Node::Map(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_lines() {
        let root =
            read("# a comment\nserver:\n  address: \":5060\"\n\nmedia:\n  codecs:\n    - G.711\n    - opus\n").unwrap();
        let Node::Map(keys) = root.node else { panic!("no map") };
        assert_eq!(keys.iter().map(|k| (k.name.as_str(), k.line)).collect::<Vec<_>>(), [("server", 2), ("media", 5)]);
        let Node::Map(media) = &keys[1].value.node else { panic!("no map") };
        let Node::List(codecs) = &media[0].value.node else { panic!("no list") };
        assert_eq!(codecs.iter().map(|c| c.line).collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn scalars_keep_their_kinds() {
        let value = read("{a: 1, b: \"1\", c: true, d: ~, e: 10000-20000, f: yes, g: 1.5, h: -2}").unwrap().to_value();
        let wanted = serde_json::json!({"a": 1, "b": "1", "c": true, "d": null, "e": "10000-20000", "f": "yes", "g": 1.5, "h": -2});
        assert_eq!(value, wanted);
    }

    #[test]
    fn an_empty_document_is_an_empty_section() {
        for text in ["", "\n", "# nothing\n", "---\n"] {
            assert_eq!(read(text).unwrap().node, Node::Map(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn errors_have_a_line() {
        assert_eq!(read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err().line, Some(3));
        let twice = read("a: 1\na: 2\n").unwrap_err();
        assert_eq!((twice.line, twice.text.contains("duplicate")), (Some(2), true), "{}", twice.text);
    }
}
