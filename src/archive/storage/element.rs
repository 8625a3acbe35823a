//! XML that S3, Azure and Google answer with.

use roxmltree::Node;

/// The text of the first child of that name, in whatever namespace; none where there is no such child, or nothing in it.
pub(super) fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.tag_name().name() == name)?.text()
}
