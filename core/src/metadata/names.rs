//! A participant's names and addresses, wherever a dialect has them.

use alloc::string::String;
use alloc::vec::Vec;

use super::document::NameId;
use super::parse::{Reader, filled, short};
use super::tree::Node;
use crate::deviation::{codes, quote};

/// What addresses of record begin with.
const SCHEMES: [&str; 3] = ["sip:", "sips:", "tel:"];

impl<'a> Reader<'a, '_> {
    /// `nameID` elements; else the drafts' `aor` and `name` children.
    pub(super) fn names(&mut self, node: &Node<'a>) -> Vec<NameId> {
        let mut names = Vec::new();
        let name_ids: Vec<_> = self.children(node, "nameID").collect();
        for name_id in name_ids {
            self.name_id(name_id, &mut names);
        }
        if names.is_empty() {
            let name = self.children(node, "name").next();
            let (display, lang) = match name {
                Some(name) => self.display(name),
                None => (filled(self.tree.attribute(node, &["name"])), None),
            };
            let aors = self.texts(node, "aor");
            names.extend(aors.iter().map(|aor| NameId::new(aor, display.clone(), lang.clone())));
            if names.is_empty() && display.is_some() {
                names.push(NameId::new("", display, lang));
            }
        }
        for name in names.iter().filter(|name| !has_scheme(&name.aor)) {
            self.deviations.add(&codes::AOR_FORM, format_args!("'{}' has no scheme", quote(&name.aor)));
        }
        names
    }

    fn name_id(&mut self, node: &'a Node<'a>, names: &mut Vec<NameId>) {
        let aor = filled(self.tree.attribute(node, &["aor"])).or_else(|| self.child_text(node, "aor"));
        let mut aor = aor.unwrap_or_default();
        let elements: Vec<_> = self.children(node, "name").collect();
        let displays: Vec<_> = elements.into_iter().map(|name| self.display(name)).collect();
        if displays.is_empty() {
            let mut own = Some(self.folded(&self.tree.own_text(node))).filter(|text| !text.is_empty());
            if let Some(text) = &own {
                let told = format_args!("'{}' stands in nameID, not in a name within", quote(text));
                self.deviations.add(&codes::NAME_IN_NAME_ID, told);
            }
            if aor.is_empty() {
                aor = own.take_if(|text| has_scheme(text)).unwrap_or_default();
            }
            // An address that stands there twice is no name.
            let own = own.filter(|text| *text != aor);
            names.push(NameId::new(&aor, own, None));
        }
        names.extend(displays.into_iter().map(|(display, lang)| NameId::new(&aor, display, lang)));
    }

    fn display(&mut self, name: &Node<'a>) -> (Option<String>, Option<String>) {
        let text = self.folded(&self.tree.text_of(name));
        ((!text.is_empty()).then_some(text), filled(self.tree.attribute(name, &["lang"])))
    }

    /// A name on one line, with single blanks.
    fn folded(&mut self, text: &str) -> String {
        let text = short(text.trim());
        let is_folded = |pair: &[u8]| pair == b"  " || pair.iter().any(|b| matches!(b, b'\t' | b'\r' | b'\n'));
        if !text.as_bytes().windows(2).any(is_folded) {
            return text;
        }
        self.deviations.add(&codes::NAME_BLANKS, format_args!("a name over lines: '{}'", quote(&text)));
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn has_scheme(text: &str) -> bool {
    let begins = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    SCHEMES.iter().any(begins)
}
