//! Trees: repairs, limits, and a strict parser as the oracle for what is well-formed.

use super::*;
use alloc::format;
use proptest::prelude::*;

/// The tree in brackets, names resolved, without blanks: ours has none that merely indent.
fn shape(tree: &Tree<'_>, node: &Node<'_>) -> String {
    let mut attributes: Vec<_> = tree.attributes(node).map(|a| format!(" {}={}", a.local, a.value)).collect();
    attributes.sort();
    let mut out = format!("({}|{}{}:", node.namespace, node.name(), attributes.concat());
    for child in tree.children(node) {
        match child {
            Child::Text(text) => out.extend(text.split_whitespace()),
            Child::Element(index) => out.push_str(&shape(tree, &tree.nodes[*index])),
        }
    }
    out + ")"
}

fn ours(text: &str) -> (String, usize) {
    let mut deviations = Deviations::default();
    let tree = Tree::read(text, &mut deviations).unwrap();
    (tree.root().map(|root| shape(&tree, root)).unwrap_or_default(), deviations.0.len())
}

fn oracle(node: roxmltree::Node<'_, '_>) -> String {
    let name = node.tag_name();
    let mut attributes: Vec<_> = node.attributes().map(|a| format!(" {}={}", a.name(), a.value())).collect();
    attributes.sort();
    let mut out = format!("({}|{}{}:", name.namespace().unwrap_or(""), name.name(), attributes.concat());
    for child in node.children() {
        if child.is_text() {
            out.extend(child.text().unwrap_or("").split_whitespace());
        } else if child.is_element() {
            out.push_str(&oracle(child));
        }
    }
    out + ")"
}

#[test]
fn unescaped_names_come_out_as_meant() {
    for (inner, expected) in [
        ("Tom & Jerry <b>", "Tom & Jerry <b>"),
        ("<Bob> and <Ann>", "<Bob> and <Ann>"),
        ("x <b>y</c>", "x <b>y</c>"),
        ("x <sip:bob> y", "x <sip:bob> y"),
        ("x <participant> y", "x <participant> y"),
        ("<i>x</i>", "x"),
    ] {
        let text = format!("<recording><participant><name>{inner}</name></participant></recording>");
        let mut deviations = Deviations::default();
        let tree = Tree::read(&text, &mut deviations).unwrap();
        let participant = tree.child(tree.root().unwrap(), "participant").unwrap();
        assert_eq!(tree.text_of(tree.child(participant, "name").unwrap()), expected);
        assert!(!tree.truncated);
    }
}

#[test]
fn structure_without_end_is_closed() {
    let (shape, deviations) =
        ours("<recording><participant id='1'><nameID aor='a'></participant><stream/></recording>");
    assert_eq!(shape, "(|recording:(|participant id=1:(|nameID aor=a:))(|stream:))");
    assert_eq!(deviations, 1);
    let (shape, _) = ours("<r><vendor><stream/></r>");
    assert_eq!(shape, "(|r:<vendor>(|stream:))");
    assert_eq!(ours("<a><b>x").0, "(|a:(|b:x))");
}

#[test]
fn an_end_tag_in_another_case_ends_its_element() {
    let (shape, deviations) = ours("<recording><Participant><name>x</Name></participant><stream/></Recording>");
    assert_eq!((shape.as_str(), deviations), ("(|recording:(|Participant:(|name:x))(|stream:))", 1));
    // The one in the same case, if there is one.
    assert_eq!(ours("<a><A>x</a>").0, "(|a:<A>x)");
    assert_eq!(ours("<r><b></c></r>").0, "(|r:<b></c>)");
}

#[test]
fn namespaces_have_scopes() {
    let text = "<t:a xmlns:t='u'><b xmlns='v'><c/></b><d/><t:e xmlns:t='w'/><t:f/></t:a>";
    assert_eq!(ours(text).0, "(u|a:(v|b:(v|c:))(|d:)(w|e:)(u|f:))");
}

#[test]
fn a_document_type_ends_it() {
    let mut deviations = Deviations::default();
    assert_eq!(Tree::read("<!DOCTYPE a []><a/>", &mut deviations).err(), Some(HasDoctype));
    assert_eq!(Tree::read("<a><!DOCTYPE a []></a>", &mut deviations).err(), Some(HasDoctype));
}

#[test]
fn limits_hold() {
    let deep = "<a>".repeat(10_000);
    let mut deviations = Deviations::default();
    let tree = Tree::read(&deep, &mut deviations).unwrap();
    assert!(tree.truncated && tree.nodes.len() == MAX_DEPTH);
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    assert_eq!(Tree::read(&wide, &mut deviations).unwrap().nodes.len(), MAX_ELEMENTS);
}

const PIECES: &[&str] = &[
    "<a",
    ">",
    "</a>",
    " b=",
    "'",
    "\"",
    "&",
    "amp;",
    "<!--",
    "-->",
    "<name>",
    "</name>",
    "<recording>",
    "ü",
    "/>",
    "<![CDATA[",
    "]]>",
    "<?x",
    "?>",
    "xmlns:p",
    "=''",
    "&#x41;",
    "&eacute;",
    " b=c",
    "</A>",
    "\r\n",
    "<!DOCTYPE",
];

fn xml() -> impl Strategy<Value = String> {
    let name = "[a-c]{1,2}";
    let text = prop_oneof![
        "[a-z \n]{0,6}",
        Just("&amp;&#65;&lt;".into()),
        Just("<![CDATA[<&>]]>".into()),
        Just("<!-- c -->".into())
    ];
    let attribute = "( x='[a-z >\n]{0,5}')?( xmlns=\"u[0-9]\")?( xmlns:p='v')?";
    let leaf = (name, attribute, text).prop_map(|(n, a, t)| format!("<{n}{a}>{t}</{n}>"));
    leaf.prop_recursive(4, 40, 4, move |inner| {
        (name, attribute, proptest::collection::vec(inner, 0..4))
            .prop_map(|(n, a, c)| format!("<{n}{a}>{}</{n}>", c.concat()))
    })
}

proptest! {
    #[test]
    fn well_formed_documents_read_as_a_strict_parser_reads_them(text in xml()) {
        let strict = roxmltree::Document::parse(&text).unwrap();
        prop_assert_eq!(ours(&text), (oracle(strict.root_element()), 0));
    }

    #[test]
    fn never_panics(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        let _ = Tree::read(&pieces.concat(), &mut Deviations::default());
    }
}
