//! Parameters (`;name=value`), and the splitting of lists: what URIs, addresses, Via and media types share.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::text::{find_any, split_once};

/// Room for what takes the place of what is removed: `received` and `rport` of a Via.
const ROOM: usize = 40;

/// Parameters, kept as they were written; looked up by scanning, so that a header of 30,000 semicolons costs no
/// more than its own length.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(String);

impl Params {
    /// From the text behind the first `;` (a leading `;` is allowed).
    pub fn parse(text: &str) -> Self {
        let text = text.trim_ascii();
        Self(String::from(text.strip_prefix(';').unwrap_or(text).trim_ascii()))
    }

    /// The value of `name` without its quotes; empty where it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        find(&self.0, name)
    }

    /// The values of several, in one pass.
    pub(super) fn get_each<const N: usize>(&self, names: [&str; N]) -> [Option<&str>; N] {
        let mut found = [None; N];
        for piece in split(&self.0, b';') {
            for (name, found) in names.iter().zip(&mut found) {
                *found = found.or_else(|| value_of(piece, name));
            }
        }
        found
    }

    /// Whether `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Each name with its value, quotes taken off, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        iterate(&self.0)
    }

    /// Sets `name`, in place of an older value, else at the end. `None` is a name alone.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.remove(name);
        match value {
            Some(value) => self.add(name).push_str(value),
            None => self.name(name),
        }
    }

    /// Adds `name`, which is not there yet, at the end; its value is to be written behind it.
    pub(super) fn add(&mut self, name: &str) -> &mut String {
        self.name(name);
        self.0.push('=');
        &mut self.0
    }

    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(';');
        }
        self.0.push_str(name);
    }

    /// Takes `name` out, each time it is there; whether it was.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_each([name]) != [false]
    }

    /// Takes several out in one pass; which of them were there. Where none was, nothing changes.
    pub(super) fn remove_each<const N: usize>(&mut self, names: [&str; N]) -> [bool; N] {
        let mut found = [false; N];
        let mut kept = String::with_capacity(self.0.len() + ROOM);
        for piece in split(&self.0, b';') {
            let (key, _) = pair(piece);
            if let Some((_, found)) = names.iter().zip(&mut found).find(|(name, _)| key.eq_ignore_ascii_case(name)) {
                *found = true;
            } else if !key.is_empty() {
                if !kept.is_empty() {
                    kept.push(';');
                }
                kept.push_str(piece.trim_ascii());
            }
        }
        if found != [false; N] {
            self.0 = kept;
        }
        found
    }

    /// Adds them to `out` as their `Display` shows them.
    pub(super) fn write(&self, out: &mut String) {
        if !self.0.is_empty() {
            out.push(';');
            out.push_str(&self.0);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As written behind a URI, address or Via: each with its `;`, nothing if there are none.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ";{}", self.0) }
    }
}

/// Looks `name` up in the text of parameters.
pub(super) fn find<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    split(text, b';').find_map(|piece| value_of(piece, name))
}

fn iterate(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    split(text, b';').map(pair).filter(|(name, _)| !name.is_empty())
}

/// The value in `piece` if its name is `name`; empty where it has none.
fn value_of<'a>(piece: &'a str, name: &str) -> Option<&'a str> {
    let piece = piece.trim_ascii_start();
    // Most pieces are another parameter's, and show it at once.
    if !piece.as_bytes().get(..name.len())?.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    let (key, value) = pair(piece);
    key.eq_ignore_ascii_case(name).then(|| value.unwrap_or(""))
}

fn pair(piece: &str) -> (&str, Option<&str>) {
    match split_once(piece, b'=') {
        Some((name, value)) => (name.trim_ascii(), Some(unquote(value.trim_ascii()))),
        None => (piece.trim_ascii(), None),
    }
}

/// Takes one pair of quotes off; escapes inside stay.
pub(super) fn unquote(text: &str) -> &str {
    text.strip_prefix('"').map_or(text, |rest| rest.strip_suffix('"').unwrap_or(rest))
}

/// Pieces of `text` between `separator`s that stand outside quoted strings and angle brackets. One pass.
pub(super) fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

/// See [`split`].
pub(super) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let Some(at) = separator_at(text, self.separator) else {
            self.rest = None;
            return Some(text);
        };
        let (piece, rest) = (text.get(..at), text.get(at + 1..));
        self.rest = rest;
        piece
    }
}

/// Where the first `separator` outside quotes and brackets stands. An opening bracket inside brackets counts as text,
/// and so does a quote there.
pub(super) fn separator_at(text: &str, separator: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += find_any(bytes.get(at..)?, [separator, b'"', b'<'])?;
        match bytes.get(at)? {
            b'"' => at = quote_end(bytes, at + 1)?,
            b'<' => at += find_any(bytes.get(at..)?, [b'>'])? + 1,
            _ => return Some(at),
        }
    }
}

/// Behind the quote that ends the quoted string around `from`.
fn quote_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += find_any(bytes.get(at..)?, [b'"', b'\\'])?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            // What is escaped ends nothing.
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn values_come_without_quotes_and_blanks() {
        let params = Params::parse("; branch = z9hG4bKa ;;Q=\"a;b\\\"c\"; +sip.src");
        assert_eq!(params.get("branch"), Some("z9hG4bKa"));
        assert_eq!(params.get("q"), Some("a;b\\\"c"));
        assert_eq!(params.get("+SIP.SRC"), Some(""));
        assert!(!params.has("sip.src"));
        assert_eq!(params.iter().count(), 3);
    }

    #[test]
    fn setting_replaces() {
        let mut params = Params::parse("rport;branch=x; rport=5");
        params.set("rport", Some("7"));
        params.set("received", Some("::1"));
        assert_eq!(params.to_string(), ";branch=x;rport=7;received=::1");
        params.remove("branch");
        params.remove("rport");
        params.remove("received");
        assert!(params.is_empty());
        assert_eq!(params.to_string(), "");
    }

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let pieces: Vec<&str> = split("\"a,b\" <sip:c,d@e>,\"\\\",\",<sip:f>", b',').collect();
        assert_eq!(pieces, ["\"a,b\" <sip:c,d@e>", "\"\\\",\"", "<sip:f>"]);
        assert_eq!(split("", b',').count(), 1);
        assert_eq!(split(&",".repeat(65_000), b',').count(), 65_001);
    }
}
