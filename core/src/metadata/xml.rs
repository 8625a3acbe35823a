//! XML as tokens, for documents that are not quite XML.
//!
//! Well-formed input gives what XML 1.0 says. An `&` that begins no reference and a `<` that begins no tag are text;
//! a document type is reported and never read, so there are no entities but the five predefined ones, and HTML's names
//! of single characters, which somebody forgot to declare. Each byte is looked at a bounded number of times: a failed tag
//! becomes text as far as it was read, and reading goes on there. A line's end with nothing but blanks up to the next tag
//! is no text.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::entities::named;
use crate::deviation::{Deviations, codes, quote};
use crate::text::{find, find_any};

/// Attributes kept of one element.
const MAX_ATTRIBUTES: usize = 32;
/// What an attribute takes of a document as SRCs write them, for the first allocation.
const OCTETS_AN_ATTRIBUTE: usize = 48;
/// Longest reference, from `&` to `;`.
const MAX_REFERENCE: usize = 12;

/// Which bytes names are made of.
static IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        table[byte] = c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.' | b':') || c >= 0x80;
        byte += 1;
    }
    table
};

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `<name a="b">`, or `<name/>` if `empty`; its attributes are those of [`Reader::attributes`].
    Start { name: &'a str, attributes: Range<usize>, empty: bool, raw: Range<usize> },
    /// `</name>`.
    End { name: &'a str, raw: Range<usize> },
    /// Characters, references resolved.
    Text(Cow<'a, str>),
    /// `<!DOCTYPE`; nothing after it should be read.
    Doctype,
}

/// An attribute, its value unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// The name without its prefix.
    pub(super) local: &'a str,
    pub(super) value: Cow<'a, str>,
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Of all elements so far.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// The document ended inside a tag, a comment or a section.
    pub(super) truncated: bool,
}

/// What a `<` turned out to be.
enum Markup<'a> {
    Token(Token<'a>),
    /// A comment or a processing instruction, skipped.
    Nothing,
    /// No markup: text up to here.
    Literal(usize),
    /// The document ends in it.
    Cut,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, attributes: Vec::with_capacity(text.len() / OCTETS_AN_ATTRIBUTE), truncated: false }
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self, deviations: &mut Deviations) -> Option<Token<'a>> {
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let from = self.at;
            if !rest.starts_with('<') {
                if rest.starts_with(['\r', '\n']) {
                    let next = self.blank_end(from);
                    if self.byte(next) == Some(b'<') {
                        // A line's end and the next one's indentation: half of all texts, and nothing to anybody.
                        self.at = next;
                        continue;
                    }
                }
                self.at += find(rest, b'<').unwrap_or(rest.len());
                return Some(Token::Text(self.unescape(from..self.at, deviations)));
            }
            match self.markup(from, deviations) {
                Markup::Token(token) => return Some(token),
                Markup::Nothing => {}
                Markup::Literal(to) => {
                    let text = self.text.get(from..to).unwrap_or("<");
                    deviations.add(&codes::UNESCAPED_LESS_THAN, format_args!("'<' is text in: {}", quote(text)));
                    self.at = to;
                    return Some(Token::Text(self.unescape(from..to, deviations)));
                }
                Markup::Cut => {
                    self.truncated = true;
                    self.at = self.text.len();
                }
            }
        }
    }

    fn markup(&mut self, from: usize, deviations: &mut Deviations) -> Markup<'a> {
        match self.byte(from + 1) {
            Some(b'/') => return self.end_tag(from),
            Some(b'!' | b'?') => {}
            Some(_) | None => return self.start_tag(from, deviations),
        }
        let rest = self.text.get(from..).unwrap_or("");
        if let Some(comment) = rest.strip_prefix("<!--") {
            return self.skip(from + 4, comment, "-->");
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let end = section.find("]]>");
            self.truncated |= end.is_none();
            self.at = end.map_or(self.text.len(), |end| from + 9 + end + 3);
            let text = section.get(..end.unwrap_or(section.len())).unwrap_or("");
            return Markup::Token(Token::Text(Cow::Borrowed(text)));
        }
        if let Some(instruction) = rest.strip_prefix("<?") {
            return self.skip(from + 2, instruction, "?>");
        }
        if rest.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype")) {
            self.at = self.text.len();
            return Markup::Token(Token::Doctype);
        }
        self.start_tag(from, deviations)
    }

    fn skip(&mut self, from: usize, rest: &str, end: &str) -> Markup<'a> {
        match rest.find(end) {
            Some(at) => {
                self.at = from + at + end.len();
                Markup::Nothing
            }
            None => Markup::Cut,
        }
    }

    fn end_tag(&mut self, from: usize) -> Markup<'a> {
        let name_end = self.name_end(from + 2);
        let close = self.blank_end(name_end);
        match (self.byte(close), name_end > from + 2) {
            (Some(b'>'), true) => {
                self.at = close + 1;
                let name = self.text.get(from + 2..name_end).unwrap_or("");
                Markup::Token(Token::End { name, raw: from..self.at })
            }
            (None, _) => Markup::Cut,
            (Some(_), _) => Markup::Literal(name_end),
        }
    }

    fn start_tag(&mut self, from: usize, deviations: &mut Deviations) -> Markup<'a> {
        let name_end = self.name_end(from + 1);
        if name_end == from + 1 {
            return if self.byte(name_end).is_none() { Markup::Cut } else { Markup::Literal(name_end) };
        }
        let first = self.attributes.len();
        let name = self.text.get(from + 1..name_end).unwrap_or("");
        match self.attributes(name, name_end, deviations) {
            Ok((empty, end)) => {
                self.at = end;
                let attributes = first..self.attributes.len();
                Markup::Token(Token::Start { name, attributes, empty, raw: from..end })
            }
            Err(end) => {
                self.attributes.truncate(first);
                end.map_or(Markup::Cut, |end| Markup::Literal(end.max(name_end)))
            }
        }
    }

    /// Reads attributes up to the tag's end: whether the element is empty, and where the tag ends. Else how far it was read,
    /// or nothing if the document ends in it.
    fn attributes(
        &mut self,
        of: &str,
        from: usize,
        deviations: &mut Deviations,
    ) -> Result<(bool, usize), Option<usize>> {
        let first = self.attributes.len();
        let mut at = from;
        loop {
            let next = self.blank_end(at);
            match self.byte(next) {
                None => return Err(None),
                Some(b'>') => return Ok((false, next + 1)),
                Some(b'/') if self.byte(next + 1) == Some(b'>') => return Ok((true, next + 2)),
                Some(_) => {}
            }
            let (attribute, end) = self.attribute(next, deviations)?;
            at = end;
            let own = self.attributes.get(first..).unwrap_or_default();
            if own.len() >= MAX_ATTRIBUTES || own.iter().any(|known| known.name == attribute.name) {
                deviations.add(&codes::SURPLUS_ATTRIBUTE, format_args!("{} of {of}", quote(attribute.name)));
            } else {
                self.attributes.push(attribute);
            }
        }
    }

    /// `name="value"` and where it ends; else how far it was read, or nothing if the document ends in it.
    fn attribute(&self, from: usize, deviations: &mut Deviations) -> Result<(Attribute<'a>, usize), Option<usize>> {
        let name_end = self.name_end(from);
        let equals = self.blank_end(name_end);
        if name_end == from || self.byte(equals) != Some(b'=') {
            return Err(self.byte(equals).map(|_| name_end));
        }
        let open = self.blank_end(equals + 1);
        let mark = match self.byte(open) {
            Some(mark @ (b'"' | b'\'')) => Some(mark),
            Some(_) => None,
            None => return Err(None),
        };
        let (value, end) = match mark {
            Some(mark) => {
                let close = self.closing(open + 1, mark, deviations).ok_or(None)?;
                (open + 1..close, close + 1)
            }
            None => {
                let end = self.unquoted_end(open)?;
                let name = self.text.get(from..name_end).unwrap_or("");
                deviations.add(
                    &codes::UNQUOTED_ATTRIBUTE,
                    format_args!("the value of {} has no quotation marks", quote(name)),
                );
                (open..end, end)
            }
        };
        let value = self.unescape(value, deviations);
        let value = if find_any(value.as_bytes(), [b'\t', b'\n', b'\r']).is_some() {
            Cow::Owned(value.replace("\r\n", " ").replace(['\t', '\n', '\r'], " "))
        } else {
            value
        };
        let name = self.text.get(from..name_end).unwrap_or("");
        Ok((Attribute { name, local: local(name), value }, end))
    }

    /// Where a value without quotation marks ends: at a blank or with its tag. One with what can be in no such value was
    /// never one: how far it was read.
    fn unquoted_end(&self, from: usize) -> Result<usize, Option<usize>> {
        let rest = self.text.as_bytes().get(from..).unwrap_or(&[]);
        let stops = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'<' | b'"' | b'\'');
        let at = from + rest.iter().position(stops).ok_or(None)?;
        match self.byte(at) {
            Some(b'<' | b'"' | b'\'') => Err(Some(at)),
            Some(b'>') if self.byte(at - 1) == Some(b'/') && at > from => Ok(at - 1),
            _ if at == from => Err(Some(at)),
            _ => Ok(at),
        }
    }

    /// The quotation mark that ends a value. One that no tag could go on after is part of the value.
    fn closing(&self, from: usize, mark: u8, deviations: &mut Deviations) -> Option<usize> {
        let mut at = from;
        loop {
            at += find_any(self.text.as_bytes().get(at..)?, [mark])?;
            let next = self.blank_end(at + 1);
            let name_end = self.name_end(next);
            let equals = self.blank_end(name_end);
            let ends = match (self.byte(next), self.byte(equals)) {
                (None | Some(b'>' | b'/'), _) => true,
                (Some(_), Some(b'=')) if name_end > next => {
                    // Another attribute; one without a blank before it has to have a quoted value.
                    next > at + 1 || matches!(self.byte(self.blank_end(equals + 1)), Some(b'"' | b'\''))
                }
                (Some(_), _) => false,
            };
            if ends {
                return Some(at);
            }
            deviations.add(&codes::UNESCAPED_QUOTE, format_args!("a quotation mark inside an attribute's value"));
            at += 1;
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn blank_end(&self, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or(&[]);
        from + rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(rest.len())
    }

    /// Where the name that begins at `from` ends. Letters beyond ASCII are not told apart.
    fn name_end(&self, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or(&[]);
        let begins = rest.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_' || *b >= 0x80);
        if begins { from + rest.iter().position(|b| !IN_NAME[usize::from(*b)]).unwrap_or(rest.len()) } else { from }
    }

    fn unescape(&self, range: Range<usize>, deviations: &mut Deviations) -> Cow<'a, str> {
        let text = self.text.get(range).unwrap_or("");
        let special = |text: &str| find_any(text.as_bytes(), [b'&', b'\r']);
        if special(text).is_none() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = special(rest) {
            out.push_str(rest.get(..at).unwrap_or(""));
            rest = rest.get(at..).unwrap_or("");
            let (c, length) = if rest.starts_with('\r') {
                ('\n', if rest.starts_with("\r\n") { 2 } else { 1 })
            } else {
                reference(rest).or_else(|| html(rest, deviations)).unwrap_or_else(|| {
                    deviations.add(&codes::UNESCAPED_AMPERSAND, format_args!("'&' is text in: {}", quote(text)));
                    ('&', 1)
                })
            };
            out.push(c);
            rest = rest.get(length..).unwrap_or("");
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// A name without its prefix.
pub(super) fn local(qualified: &str) -> &str {
    // Names are short: byte by byte is faster than a search that is made for long texts.
    let start = qualified.bytes().rposition(|byte| byte == b':').map_or(0, |colon| colon + 1);
    qualified.get(start..).unwrap_or(qualified)
}

/// `&amp;...` -> `&` and 5.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(MAX_REFERENCE).position(|b| b == b';')?;
    let name = text.get(1..end)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok()?,
                None if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok()?,
                Some(_) | None => return None,
            };
            char::from_u32(code).filter(|c| *c >= ' ' || matches!(c, '\t' | '\n' | '\r'))?
        }
    };
    Some((c, end + 1))
}

/// `&eacute;...` -> `é` and 8.
fn html(text: &str, deviations: &mut Deviations) -> Option<(char, usize)> {
    let end = text.bytes().take(MAX_REFERENCE).position(|b| b == b';')?;
    let name = text.get(1..end)?;
    let c = named(name)?;
    deviations.add(&codes::NAMED_ENTITY, format_args!("&{name}; is HTML's"));
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn tokens(text: &str) -> (String, Vec<String>) {
        let mut deviations = Deviations::default();
        let mut reader = Reader::new(text);
        let mut out = String::new();
        while let Some(token) = reader.next(&mut deviations) {
            match token {
                Token::Start { name, attributes, empty, .. } => {
                    let attributes = &reader.attributes[attributes];
                    let attributes: String = attributes.iter().map(|a| format!(",{}={}", a.name, a.value)).collect();
                    out.push_str(&format!("[{name}{attributes}{}]", if empty { "/" } else { "" }));
                }
                Token::End { name, .. } => out.push_str(&format!("[/{name}]")),
                Token::Text(text) => out.push_str(&text),
                Token::Doctype => out.push_str("[!]"),
            }
        }
        if reader.truncated {
            out.push_str("[cut]");
        }
        (out, deviations.0.iter().map(|d| d.code.to_string()).collect())
    }

    #[test]
    fn xml_is_read_as_xml() {
        let text = "<?xml version='1.0'?><!-- <x> --><a:b c='1' d = \"&lt;2&quot;\"\n><![CDATA[<&]]>&#65;&#x1F600;&amp;<e/></a:b >";
        assert_eq!(tokens(text), ("[a:b,c=1,d=<2\"]<&A\u{1f600}&[e/][/a:b]".to_string(), Vec::new()));
    }

    #[test]
    fn what_is_no_markup_is_text() {
        for (text, expected) in [
            ("<n>Tom & Jerry</n>", "[n]Tom & Jerry[/n]"),
            ("<n>a < b && c &foo; &#0; &#xD800;</n>", "[n]a < b && c &foo; &#0; &#xD800;[/n]"),
            ("<n><bob@x.y> <100> <Bob Smith></n>", "[n]<bob@x.y> <100> <Bob Smith>[/n]"),
            ("<n a='x&y' b=\"say \"hi\" you\"c='<d>'/>", "[n,a=x&y,b=say \"hi\" you,c=<d>/]"),
            ("<n></ n></n>", "[n]</ n>[/n]"),
            ("<n a=>", "<n a=>"),
        ] {
            let (out, deviations) = tokens(text);
            assert!(!deviations.is_empty(), "{text}");
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_quotation_mark_ends_a_value_where_the_tag_can_go_on() {
        for (text, expected) in [
            ("<n a=\"x\"b=\"y\">", "[n,a=x,b=y]"),
            ("<n a=\"x\"b=y\">", "[n,a=x\"b=y]"),
            ("<n a=\"1\" =2\">", "[n,a=1\" =2]"),
            ("<n a=\"1\" b\">", "[n,a=1\" b]"),
            ("<n a=\"1\"/>", "[n,a=1/]"),
        ] {
            assert_eq!(tokens(text).0, expected, "{text}");
        }
    }

    #[test]
    fn what_merely_indents_is_no_text() {
        for (text, expected) in [
            ("<a>\r\n\t <b>x\n</b>\n</a>\n", "[a][b]x\n[/b][/a]\n"),
            ("<a> <b/>\n x\n<c/>\n&#10;<d/></a>", "[a] [b/]\n x\n[c/]\n\n[d/][/a]"),
            ("<a>\n\n<![CDATA[\n]]></a>", "[a]\n[/a]"),
        ] {
            assert_eq!(tokens(text), (expected.to_string(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn attributes_without_quotation_marks_and_names_of_html_are_read_and_told() {
        for (text, expected, code) in [
            ("<a b=c/>", "[a,b=c/]", "unquoted-attribute"),
            ("<a b=x+/y== c='d' e = f>", "[a,b=x+/y==,c=d,e=f]", "unquoted-attribute"),
            ("<a b=c\n/>", "[a,b=c/]", "unquoted-attribute"),
            ("<a b=&amp;&eacute;>", "[a,b=&\u{e9}]", "unquoted-attribute"),
            ("<n>Ren&eacute; &Ouml;&lt;</n>", "[n]Ren\u{e9} \u{d6}<[/n]", "named-entity"),
            ("<n a='&uuml;'/>", "[n,a=\u{fc}/]", "named-entity"),
            // Neither.
            ("<n>&eacut; &Eeacute;</n>", "[n]&eacut; &Eeacute;[/n]", "unescaped-ampersand"),
            ("<n><a b=></n>", "[n]<a b=>[/n]", "unescaped-less-than"),
            ("<n><a b=c\"d></n>", "[n]<a b=c\"d>[/n]", "unescaped-less-than"),
            ("<n><a b=<c/></n>", "[n]<a b=[c/][/n]", "unescaped-less-than"),
        ] {
            let (found, codes) = tokens(text);
            assert_eq!(found, expected, "{text}");
            assert!(codes.iter().any(|known| known == code), "{text}: {codes:?}");
        }
        assert_eq!(tokens("<a b=c").0, "[cut]");
    }

    #[test]
    fn a_cut_document_gives_what_was_there() {
        for (text, expected) in [
            ("<a><b c='1", "[a][cut]"),
            ("<a>x<!-- y", "[a]x[cut]"),
            ("<a><![CDATA[x", "[a]x[cut]"),
            ("<a></", "[a][cut]"),
        ] {
            assert_eq!(tokens(text).0, expected, "{text}");
        }
    }

    #[test]
    fn a_document_type_is_reported() {
        assert_eq!(tokens("<!doctype a>").0.chars().take(3).collect::<String>(), "[!]");
    }
}
