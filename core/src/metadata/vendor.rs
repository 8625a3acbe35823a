//! Vendors' data: kept verbatim, and flat for whoever knows a key.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::Extension;
use super::parse::{Reader, filled};
use super::tree::Node;

/// Octets of a key.
const MAX_PATH: usize = 256;

impl<'a> Reader<'a, '_> {
    pub(super) fn extend_document(&mut self, node: &Node<'a>) {
        let extension = self.extension(node);
        self.document.extensions.push(extension);
    }

    /// What stands in `node` besides the elements `known` to its kind.
    pub(super) fn extensions(&self, node: &Node<'a>, known: &[&str]) -> Vec<Extension> {
        let foreign = |child: &&Node<'a>| !self.is_ours(child) || !known.iter().any(|name| child.is(name));
        self.tree.elements(node).filter(foreign).map(|child| self.extension(child)).collect()
    }

    fn extension(&self, node: &Node<'a>) -> Extension {
        let mut fields = Vec::new();
        self.fields(node, "", &mut fields);
        Extension {
            name: node.name().to_string(),
            namespace: node.namespace.to_string(),
            parent: filled(node.attribute(&["parent"])),
            xml: self.tree.raw(node).to_string(),
            fields,
        }
    }

    fn fields(&self, node: &Node<'a>, path: &str, fields: &mut Vec<(String, String)>) {
        let here = match (node.is("extensiondata"), path.is_empty()) {
            (true, _) => path.to_string(),
            (false, true) => node.name().to_string(),
            (false, false) => format!("{path}/{}", node.name()),
        };
        let attributes = node.attributes().map(|a| {
            let name = a.name.rsplit(':').next().unwrap_or(a.name);
            (format!("{here}/@{name}"), a.value.to_string())
        });
        let mut own: Vec<(String, String)> = attributes.collect();
        let mut children = self.tree.elements(node).peekable();
        if children.peek().is_none() {
            own.push((here.clone(), self.tree.text_of(node)));
        }
        own.retain(|(path, _)| path.len() <= MAX_PATH);
        own.truncate(self.fields_left.get());
        self.fields_left.set(self.fields_left.get() - own.len());
        fields.extend(own);
        for child in children {
            if self.fields_left.get() > 0 && here.len() <= MAX_PATH {
                self.fields(child, &here, fields);
            }
        }
    }
}
