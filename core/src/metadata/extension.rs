//! Vendors' data: kept verbatim, and flat for whoever knows a key.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::document::Extension;
use super::parse::{Reader, filled, short};
use super::tree::Node;

/// Octets of a key.
const MAX_PATH: usize = 256;
/// Namespaces kept of one extension beside its own.
const MAX_NAMESPACES: usize = 4;

impl<'a> Reader<'a, '_> {
    pub(super) fn extend_document(&mut self, node: &Node<'a>) {
        let extension = self.extension(node);
        self.document.extensions.push(extension);
    }

    /// What stands in `node` besides the elements `known` to its kind and objects of their own.
    pub(super) fn extensions(&self, node: &Node<'a>, known: &[&str]) -> Vec<Extension> {
        let is_known = |child: &&Node<'a>| self.is_ours(child) && known.iter().any(|name| child.is(name));
        let foreign = |child: &&Node<'a>| !is_known(child) && !self.is_object(child) && !self.is_wrapper(child);
        self.tree.elements(node).filter(foreign).map(|child| self.extension(child)).collect()
    }

    fn extension(&self, node: &Node<'a>) -> Extension {
        let mut fields = Vec::new();
        self.fields(node, "", &mut fields);
        let mut namespaces = Vec::new();
        self.namespaces(node, &node.namespace, &mut namespaces);
        Extension {
            name: node.name().to_string(),
            namespace: node.namespace.to_string(),
            namespaces,
            parent: filled(self.tree.attribute(node, &["parent"])),
            xml: self.tree.raw(node).to_string(),
            fields,
        }
    }

    /// Namespaces in `node` beside `own` and the document's, each once.
    fn namespaces(&self, node: &Node<'a>, own: &str, found: &mut Vec<String>) {
        for uri in self.tree.declared(node).chain(core::iter::once(&*node.namespace)) {
            let known = uri.is_empty() || uri == own || uri == self.document.dialect.namespace;
            if !known && found.len() < MAX_NAMESPACES && !found.iter().any(|other| other == uri) {
                found.push(short(uri));
            }
        }
        for child in self.tree.elements(node) {
            if found.len() < MAX_NAMESPACES {
                self.namespaces(child, own, found);
            }
        }
    }

    fn fields(&self, node: &Node<'a>, path: &str, fields: &mut Vec<(String, String)>) {
        let here = match (node.is("extensiondata"), path.is_empty()) {
            (true, _) => path.to_string(),
            (false, true) => node.name().to_string(),
            (false, false) => format!("{path}/{}", node.name()),
        };
        let attributes = self.tree.attributes(node).map(|a| (format!("{here}/@{}", a.local), a.value.to_string()));
        let mut own: Vec<(String, String)> = attributes.collect();
        let mut children = self.tree.elements(node).peekable();
        if children.peek().is_none() {
            own.push((here.clone(), self.tree.text_of(node).into_owned()));
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
