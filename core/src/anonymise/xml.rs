//! Documents of XML, tag by tag, well-formed or not: recording metadata (RFC 7865) in all its dialects, and others.

use super::codings::{from_entities, to_entities};
use super::scan::{self, Context, ID, NUMBER, TEXT, VALUE, text};
use super::uri::address_of_record;
use super::walk::Walk;
use crate::text::{position, starts_with};

/// Octets of a name of an element.
const MAX_NAME: usize = 128;
/// Octets of a person's name within which its end tag is looked for: what is between may hold markup that is none.
const MAX_PERSON: usize = 1_024;

/// Elements and attributes whose content is of the protocol.
const PLAIN: [&str; 16] = [
    "label",
    "mode",
    "datamode",
    "version",
    "lang",
    "type",
    "state",
    "sequence",
    "reason",
    "content",
    "direction",
    "entity-type",
    "media",
    "status",
    "groupseq",
    "calltype",
];

/// What a content is, by the name of its element or attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Plain,
    Id,
    Person,
    Address,
    Number,
    Text,
}

fn content_of(name: &[u8]) -> Content {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
    let local = core::str::from_utf8(&local).unwrap_or_default();
    let has = |parts: &[&str]| parts.iter().any(|part| local.contains(part));
    if PLAIN.contains(&local) || has(&["time", "date"]) || name.starts_with(b"xmlns") {
        Content::Plain
    } else if ["aor", "uri", "requestor", "initiator", "tohdr", "fromhdr"].contains(&local) {
        Content::Address
    } else if local != "nameid" && has(&["name", "display"]) || is_civic(local) {
        Content::Person
    } else if local == "id"
        || local.ends_with("_id")
        || ["session", "group", "recording", "send", "recv"].contains(&local)
    {
        Content::Id
    } else if has(&["number", "phone", "dn", "ani", "ext", "party", "user", "agent", "address"]) {
        Content::Number
    } else {
        Content::Text
    }
}

/// Parts of a location (RFC 5139 3.4, GML): where somebody lives.
fn is_civic(local: &str) -> bool {
    const CIVIC: [&str; 22] = [
        "a1", "a2", "a3", "a4", "a5", "a6", "rd", "sts", "hno", "hns", "lmk", "loc", "flr", "nam", "pc", "unit",
        "room", "seat", "pcn", "pobox", "pos", "poslist",
    ];
    CIVIC.contains(&local)
}

/// Walks over a document.
pub(super) fn document(walk: &mut Walk<'_>, content: &[u8]) {
    let mut at = 0;
    let mut within = Content::Text;
    while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.first() == Some(&b'<') {
            let (taken, opened) = markup(walk, rest);
            at += taken;
            if let Some(opened) = opened {
                within = content_of(opened);
                if within == Content::Person {
                    at += person(walk, opened, content.get(at..).unwrap_or_default());
                    within = Content::Text;
                }
            }
            continue;
        }
        let end = memchr::memchr(b'<', rest).unwrap_or(rest.len());
        let (shown, _) = rest.split_at(end);
        value(walk, within, shown);
        at += end;
    }
}

/// A tag, a comment, a declaration: how long it is, and which element it opens.
fn markup<'a>(walk: &mut Walk<'_>, rest: &'a [u8]) -> (usize, Option<&'a [u8]>) {
    for (start, end) in [(&b"<!--"[..], &b"-->"[..]), (b"<![CDATA[", b"]]>")] {
        if rest.starts_with(start) {
            let length = memchr::memmem::find(rest, end).map_or(rest.len(), |at| at + end.len());
            let inner = rest.get(start.len()..length.saturating_sub(end.len())).unwrap_or_default();
            walk.keep(start);
            text(walk, inner, VALUE);
            walk.keep(rest.get(start.len() + inner.len()..length).unwrap_or_default());
            return (length, None);
        }
    }
    let first = rest.get(1).copied().unwrap_or(b' ');
    if matches!(first, b'?' | b'!') {
        let length = memchr::memchr(b'>', rest).map_or(rest.len(), |at| at + 1);
        walk.loose(rest.get(..length).unwrap_or_default());
        return (length, None);
    }
    let is_end = first == b'/';
    let start = if is_end { 2 } else { 1 };
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(byte) || *byte >= 0x80;
    let named = rest.get(start..).unwrap_or_default();
    let length = named.iter().take(MAX_NAME).take_while(|byte| is_of_name(byte)).count();
    if length == 0 {
        walk.loose(b"<");
        return (1, None);
    }
    walk.keep(rest.get(..start + length).unwrap_or_default());
    let (taken, is_empty) = attributes(walk, rest.get(start + length..).unwrap_or_default());
    let opened = named.get(..length).filter(|_| !is_end && !is_empty);
    (start + length + taken, opened)
}

/// Attributes up to the end of the tag: how long they are, and whether the element is empty.
fn attributes(walk: &mut Walk<'_>, rest: &[u8]) -> (usize, bool) {
    let mut at = 0;
    let mut name: &[u8] = &[];
    let mut start = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'>' => {
                walk.loose(rest.get(start..at).unwrap_or_default());
                walk.keep(b">");
                return (at + 1, at > 0 && rest.get(at - 1) == Some(&b'/'));
            }
            // The tag was never closed.
            b'<' => break,
            b'"' | b'\'' => {
                let before = rest.get(start..=at).unwrap_or_default();
                let label = before.strip_suffix(&[*byte]).unwrap_or(before).trim_ascii_end();
                let label = label.strip_suffix(b"=").unwrap_or(label).trim_ascii();
                name = label.rsplit(u8::is_ascii_whitespace).next().unwrap_or(name);
                walk.keep(before);
                let behind = rest.get(at + 1..).unwrap_or_default();
                let end = memchr::memchr2(*byte, b'\n', behind).filter(|end| behind.get(*end) == Some(byte));
                let end = end.unwrap_or_else(|| memchr::memchr(b'>', behind).unwrap_or(behind.len()));
                value(walk, content_of(name), behind.get(..end).unwrap_or_default());
                at += 1 + end;
                start = at;
                if rest.get(at) == Some(byte) {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    text(walk, rest.get(start..at).unwrap_or_default(), TEXT);
    (at, false)
}

/// A person's name up to the end tag of its element, whatever is in it: how long it is.
fn person(walk: &mut Walk<'_>, element: &[u8], rest: &[u8]) -> usize {
    let near = rest.get(..MAX_PERSON.min(rest.len())).unwrap_or_default();
    let closing = [b"</", element].concat();
    let Some(end) = position(near, &closing) else { return 0 };
    let shown = near.get(..end).unwrap_or_default();
    // Elements within: `<callerName><first>..`.
    if shown.trim_ascii_start().starts_with(b"<") && !starts_with(shown.trim_ascii_start(), b"<![CDATA[") {
        return 0;
    }
    value(walk, Content::Person, shown);
    end
}

/// A text or the value of an attribute, entities read.
fn value(walk: &mut Walk<'_>, content: Content, shown: &[u8]) {
    if content == Content::Plain || shown.iter().all(u8::is_ascii_whitespace) {
        walk.keep(shown);
        return;
    }
    if !shown.contains(&b'&') {
        plain_value(walk, content, shown);
        return;
    }
    let plain = from_entities(shown);
    match walk.within(|inner| plain_value(inner, content, &plain)) {
        Some(other) if other == plain => walk.keep(shown),
        Some(other) => walk.keep(&to_entities(&other)),
        None => walk.blank(shown),
    }
}

fn plain_value(walk: &mut Walk<'_>, content: Content, shown: &[u8]) {
    let context: Context = match content {
        Content::Person => {
            person_name(walk, shown);
            return;
        }
        Content::Address => {
            address_of_record(walk, shown);
            return;
        }
        // An extension may serve as an id.
        Content::Id => Context { short: true, ..ID },
        Content::Number => Context { names: true, ..NUMBER },
        Content::Plain | Content::Text => VALUE,
    };
    text(walk, shown, context);
}

fn person_name(walk: &mut Walk<'_>, shown: &[u8]) {
    let inner = shown.trim_ascii();
    let quoted =
        inner.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).filter(|name| !name.contains(&b'"'));
    match quoted {
        Some(name) => {
            walk.keep(b"\"");
            scan::name(walk, name);
            walk.keep(b"\"");
        }
        None => scan::name(walk, shown),
    }
}
