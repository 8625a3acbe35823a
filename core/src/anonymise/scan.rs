//! Texts of any kind: URIs, addresses, numbers, names and what hides them are found wherever they stand.
//!
//! ```text
//! text -> a URI | a name before `<` | a quoted text | ;name=value | [IPv6] | a number with blanks | a word
//! word -> user@host | an address | an id | digits | a host | base64, hexadecimal, percent signs -> text
//! ```

use alloc::vec::Vec;
use core::net::IpAddr;

use super::codings::{from_base64, from_hex, from_percent, is_printable, to_base64, to_hex, to_percent};
use super::ids;
use super::originals::Kind;
use super::sweep::MIN_DIGITS;
use super::uri::{self, host, user};
use super::walk::Walk;
use super::words::{is_like_host, is_withheld};

/// Digits of a number where numbers are expected.
pub(super) const MIN_SHORT: usize = 3;
/// Digits of the longest number, with prefixes and what is dialled behind it.
const MAX_DIGITS: usize = 32;
/// Digits of numbers that are written in groups (E.164 has 15).
const GROUPED: core::ops::RangeInclusive<usize> = 7..=15;
/// Digits within a word, letters beside them, that are taken for a number.
const MIN_EMBEDDED: usize = 7;
/// Octets of text that hexadecimal digits or base64 must have to be looked into.
const MIN_HIDDEN: usize = 5;
/// Octets up to which the end of an address in angle brackets is looked for.
pub(super) const MAX_SPAN: usize = 2_048;
/// Octets up to which the end of a quoted text is looked for.
const MAX_QUOTED: usize = 512;
/// Parameters whose value is a word of the protocol or a count.
const PLAIN_PARAMETERS: [&str; 30] = [
    "transport",
    "user",
    "method",
    "ttl",
    "lr",
    "rport",
    "ob",
    "cause",
    "privacy",
    "screen",
    "party",
    "counter",
    "index",
    "q",
    "expires",
    "refresher",
    "handling",
    "early-only",
    "encoding",
    "purpose",
    "noa",
    "cpc",
    "rn",
    "npdi",
    "isub-encoding",
    "comp",
    "+sip.src",
    "reason",
    "limit",
    "charset",
];

/// What a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    /// What stands before `<` is a name.
    pub(super) names: bool,
    /// Words with dots in them may be hosts, what stands before `@` a user.
    pub(super) hosts: bool,
    /// Three digits are a number.
    pub(super) short: bool,
}

/// A header field's value.
pub(super) const VALUE: Context = Context { names: true, hosts: true, short: false };
/// Any text.
pub(super) const TEXT: Context = Context { names: false, hosts: true, short: false };
/// A text that tells a number, by its name.
pub(super) const NUMBER: Context = Context { names: false, hosts: true, short: true };
/// An id, or the name of a product.
pub(super) const ID: Context = Context { names: false, hosts: false, short: false };

/// Walks over a text.
pub(super) fn text(walk: &mut Walk<'_>, text: &[u8], context: Context) {
    let mut at = 0;
    let mut opens = context.names;
    let mut in_word = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let before = at.checked_sub(1).and_then(|at| text.get(at)).copied();
        let taken = match rest.first() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => white(walk, rest),
            _ if opens && let Some(taken) = name_before_uri(walk, rest) => taken,
            Some(b'"') => quoted(walk, rest, context),
            Some(b';' | b'?' | b'&') => parameter(walk, rest, context),
            Some(b'[') if let Some(taken) = uri::literal(walk, rest) => taken,
            _ if !in_word && let Some(taken) = uri::uri(walk, rest, before) => taken,
            _ if !in_word && let Some(taken) = grouped_number(rest) => {
                walk.number(rest.get(..taken).unwrap_or_default());
                taken
            }
            _ => {
                let taken = rest.iter().position(|byte| !is_of_word(*byte)).unwrap_or(rest.len());
                if taken > 0 {
                    let padding =
                        rest.get(taken..).unwrap_or_default().iter().take_while(|byte| **byte == b'=').count();
                    let taken =
                        if padding <= 2 && (taken + padding).is_multiple_of(4) { taken + padding } else { taken };
                    word(walk, rest.get(..taken).unwrap_or_default(), context);
                    taken
                } else {
                    walk.loose(rest.get(..1).unwrap_or_default());
                    1
                }
            }
        };
        let last = text.get(at..at + taken).and_then(<[u8]>::last).copied().unwrap_or(b' ');
        opens = context.names && (last == b',' || opens && last.is_ascii_whitespace());
        in_word = is_of_word(last) && last != b':';
        at += taken.max(1);
    }
}

/// What words are made of.
fn is_of_word(byte: u8) -> bool {
    !(byte.is_ascii_whitespace() || byte.is_ascii_control() || b"\"'<>;,?&=(){}[]|\\`".contains(&byte))
}

fn white(walk: &mut Walk<'_>, rest: &[u8]) -> usize {
    let length = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    walk.loose(rest.get(..length).unwrap_or_default());
    length
}

/// A display name without quotation marks (RFC 3261 25.1), up to the `<`.
fn name_before_uri(walk: &mut Walk<'_>, rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| b"<\",;:@=\n".contains(byte)).filter(|end| rest.get(*end) == Some(&b'<'))?;
    let shown = rest.get(..end)?;
    let inner = shown.trim_ascii();
    if inner.is_empty() {
        return None;
    }
    name(walk, inner);
    walk.loose(shown.get(inner.len()..)?);
    Some(end)
}

/// A quoted text: a name where an address follows, else text.
fn quoted(walk: &mut Walk<'_>, rest: &[u8], context: Context) -> usize {
    let mut escaped = false;
    let end = rest.iter().take(MAX_QUOTED).skip(1).position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    let Some(end) = end.map(|end| end + 1) else {
        walk.keep(b"\"");
        return 1;
    };
    let inner = rest.get(1..end).unwrap_or_default();
    let follows = rest.get(end + 1..).unwrap_or_default().trim_ascii_start();
    walk.keep(b"\"");
    if context.names && (follows.starts_with(b"<") || uri::scheme(follows).is_some()) {
        name(walk, &without_escapes(inner));
    } else {
        text(walk, inner, Context { names: true, ..context });
    }
    walk.keep(b"\"");
    end + 1
}

fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let keeps = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    };
    text.iter().copied().filter(keeps).collect()
}

/// A name, which may be a number or an address instead.
pub(super) fn name(walk: &mut Walk<'_>, shown: &[u8]) {
    let inner = shown.trim_ascii();
    let start = shown.len() - shown.trim_ascii_start().len();
    walk.loose(shown.get(..start).unwrap_or_default());
    if is_withheld(inner) {
        walk.keep(inner);
    } else if is_number(inner, MIN_SHORT) {
        walk.number(inner);
    } else if uri::scheme(inner).is_some() || inner.contains(&b'@') || uri::address(inner).is_some() {
        text(walk, inner, NUMBER);
    } else {
        walk.name(inner);
    }
    walk.loose(shown.get(start + inner.len()..).unwrap_or_default());
}

/// Whether a text is digits and what separates them, `least` of them at least.
pub(super) fn is_number(text: &[u8], least: usize) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let others = |byte: &u8| byte.is_ascii_digit() || b"+-. ()/*#".contains(byte);
    (least..=MAX_DIGITS).contains(&digits) && text.iter().all(others) && uri::address(text).is_none()
}

/// `;name=` and, where the name tells what it is, its value.
fn parameter(walk: &mut Walk<'_>, rest: &[u8], context: Context) -> usize {
    let body = rest.get(1..).unwrap_or_default();
    let length = body.iter().position(|byte| !is_of_word(*byte) || b":@".contains(byte)).unwrap_or(body.len());
    let label = body.get(..length).unwrap_or_default();
    if body.get(length) != Some(&b'=') || label.is_empty() || is_number(label, MIN_SHORT) {
        walk.keep(rest.get(..1).unwrap_or_default());
        return 1;
    }
    let head = length + 2;
    walk.keep(rest.get(..head).unwrap_or_default());
    let value = rest.get(head..).unwrap_or_default();
    if value.first() == Some(&b'"') {
        return head;
    }
    let end = value.iter().position(|byte| !is_of_word(*byte)).unwrap_or(value.len());
    let value = value.get(..end).unwrap_or_default();
    let label = core::str::from_utf8(label).unwrap_or_default();
    // An address that was glued to it is none of its words.
    let is_word = !value.iter().any(|byte| b"@:.".contains(byte));
    if is_word && PLAIN_PARAMETERS.iter().any(|plain| plain.eq_ignore_ascii_case(label)) {
        walk.keep(value);
        return head + end;
    }
    let tells_host = ["maddr", "received", "phone-context", "host"];
    if tells_host.iter().any(|host| host.eq_ignore_ascii_case(label)) && !is_number(value, 0) {
        uri::host_and_port(walk, value);
        return head + end;
    }
    let tells_number = ["number", "addr", "user", "phone", "ext", "dn", "isub", "postd"];
    let lower = label.to_ascii_lowercase();
    if tells_number.iter().any(|part| lower.contains(part)) {
        text(walk, value, NUMBER);
        return head + end;
    }
    if ["tag", "branch", "boundary"].iter().any(|id| id.eq_ignore_ascii_case(label)) {
        text(walk, value, ID);
        return head + end;
    }
    if context.hosts {
        return head;
    }
    text(walk, value, context);
    head + end
}

/// A number in groups: `+1 (212) 555-0199`. Its length.
fn grouped_number(rest: &[u8]) -> Option<usize> {
    let (mut digits, mut groups, mut group, mut end, mut first) = (0, 0, 0, 0, 0);
    let mut separators = 0;
    for (at, byte) in rest.iter().enumerate() {
        if digits > *GROUPED.end() {
            return None;
        }
        match byte {
            b'0'..=b'9' => {
                groups += usize::from(group == 0);
                (digits, group, end, separators) = (digits + 1, group + 1, at + 1, 0);
                first = if groups == 1 { group } else { first };
            }
            b'+' if at == 0 => {}
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if separators < 2 => {
                (group, separators) = (0, separators + 1);
            }
            _ => break,
        }
    }
    let after = rest.get(end).copied().unwrap_or(b' ');
    let shown = rest.get(..end)?;
    // A date, an address, a range of lines.
    let is_date = first == 4 && (shown.starts_with(b"19") || shown.starts_with(b"20")) && digits == 8;
    let stands_alone = !(after.is_ascii_alphanumeric() || b":@%_=".contains(&after));
    let is_one = groups >= 2 && GROUPED.contains(&digits) && digits >= groups * 2 && stands_alone && !is_date;
    let mut words = shown.split(|byte| *byte == b' ');
    (is_one && !words.any(|word| uri::address(word).is_some())).then_some(end)
}

/// One word.
pub(super) fn word(walk: &mut Walk<'_>, word: &[u8], context: Context) {
    if let Some(address) = uri::address(word) {
        walk.address(address, word);
    } else if ids::id(walk, word) || mac(walk, word) {
    } else if let Some(at) = memchr::memrchr(b'@', word) {
        let (before, behind) = (word.get(..at).unwrap_or_default(), word.get(at + 1..).unwrap_or_default());
        if context.hosts {
            user(walk, before)
        } else {
            pieces(walk, before, b'@', context)
        }
        walk.keep(b"@");
        uri::host_and_port(walk, behind);
    } else if is_number(word, if context.short { MIN_SHORT } else { MIN_DIGITS }) && word != b"-" {
        digits(walk, word);
    } else if let Some(found) = hidden(walk, word) {
        walk.keep(&found);
    } else if word.contains(&b':') {
        with_ports(walk, word, context);
    } else if word.contains(&b'/') {
        pieces(walk, word, b'/', context);
    } else if context.hosts && is_like_host(word) {
        host(walk, word);
    } else {
        let runs = word.chunk_by(|a, b| a.is_ascii_alphanumeric() == b.is_ascii_alphanumeric());
        runs.for_each(|run| run_of_word(walk, run, context));
    }
}

/// Digits, which may be the hexadecimal digits of a number.
fn digits(walk: &mut Walk<'_>, word: &[u8]) {
    let octets = from_hex(word).filter(|octets| is_number(octets, MIN_DIGITS));
    match octets.and_then(|octets| walk.within(|inner| inner.number(&octets))) {
        Some(other) => walk.keep(&to_hex(&other, word)),
        None => walk.number(word),
    }
}

fn pieces(walk: &mut Walk<'_>, word: &[u8], separator: u8, context: Context) {
    for (n, piece) in word.split(|byte| *byte == separator).enumerate() {
        if n > 0 {
            walk.loose(&[separator]);
        }
        self::word(walk, piece, context);
    }
}

/// Words with colons between them: what is a port or a part of a time stays.
fn with_ports(walk: &mut Walk<'_>, word: &[u8], context: Context) {
    for (n, piece) in word.split(|byte| *byte == b':').enumerate() {
        if n > 0 {
            walk.loose(b":");
        }
        if n > 0 && piece.len() <= 5 && piece.iter().all(u8::is_ascii_digit) {
            walk.keep(piece);
        } else {
            self::word(walk, piece, context);
        }
    }
}

/// A run of letters and digits, or of what separates them.
fn run_of_word(walk: &mut Walk<'_>, run: &[u8], context: Context) {
    if !run.first().is_some_and(u8::is_ascii_alphanumeric) {
        walk.loose(run);
        return;
    }
    let least = if context.short { MIN_SHORT } else { MIN_DIGITS };
    if is_number(run, least) {
        digits(walk, run);
        return;
    }
    if let Some(found) = hidden(walk, run) {
        walk.keep(&found);
        return;
    }
    if device(walk, run) {
        return;
    }
    let is_hex = run.iter().all(u8::is_ascii_hexdigit);
    for part in run.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        if !is_hex && part.len() >= MIN_EMBEDDED && is_number(part, MIN_EMBEDDED) {
            walk.number(part);
        } else {
            walk.loose(part);
        }
    }
}

/// Six octets of a network interface: others.
fn mac(walk: &mut Walk<'_>, word: &[u8]) -> bool {
    const PAIRS: usize = 6;
    let separator = word.get(2).copied().unwrap_or(0);
    let digits: Vec<u8> = word.iter().copied().filter(|byte| *byte != separator).collect();
    let octets = from_hex(&digits).filter(|octets| octets.len() == PAIRS);
    let Some(octets) = octets.filter(|_| matches!(separator, b':' | b'-') && word.len() == PAIRS * 3 - 1) else {
        return false;
    };
    let other = to_hex(&walk.octets(b"mac", &octets), word);
    let shown: Vec<&[u8]> = other.chunks(2).collect();
    walk.keep(&shown.join(&separator));
    true
}

/// The octets of a network interface without separators, perhaps behind letters, as telephones are called: `SEP0004F2ABCDEF`.
fn device(walk: &mut Walk<'_>, run: &[u8]) -> bool {
    const DIGITS: usize = 12;
    const LETTERS: usize = 3;
    let Some(start) = run.len().checked_sub(DIGITS).filter(|start| *start <= LETTERS) else { return false };
    let (letters, digits) = run.split_at(start);
    let Some(octets) = from_hex(digits).filter(|_| letters.iter().all(u8::is_ascii_alphabetic)) else { return false };
    walk.keep(letters);
    walk.keep(&to_hex(&walk.octets(b"mac", &octets), digits));
    true
}

/// A text in percent signs, hexadecimal digits or base64, as it became; `None` where the word hides none.
fn hidden(walk: &mut Walk<'_>, word: &[u8]) -> Option<Vec<u8>> {
    if let Some(octets) = from_percent(word) {
        let other = walk.within(|inner| text(inner, &octets, VALUE))?;
        return Some(if other == octets { word.to_vec() } else { to_percent(&other) });
    }
    hex(walk, word).or_else(|| base64(walk, word))
}

/// Hexadecimal digits of a text, or of octets in which something stands that was found.
pub(super) fn hex(walk: &mut Walk<'_>, word: &[u8]) -> Option<Vec<u8>> {
    if word.len() < MIN_HIDDEN * 2 {
        return None;
    }
    let octets = from_hex(word)?;
    let other = inside(walk, &octets)?;
    Some(to_hex(&other, word))
}

fn base64(walk: &mut Walk<'_>, word: &[u8]) -> Option<Vec<u8>> {
    if word.len() < MIN_HIDDEN * 4 / 3 {
        return None;
    }
    let octets = from_base64(word).filter(|octets| octets.len() >= MIN_HIDDEN)?;
    let other = inside(walk, &octets)?;
    Some(to_base64(&other, word))
}

/// What octets became that were hidden; `None` if that is what they were.
fn inside(walk: &mut Walk<'_>, octets: &[u8]) -> Option<Vec<u8>> {
    if is_printable(octets) {
        return walk.within(|inner| text(inner, octets, VALUE)).filter(|other| other != octets);
    }
    walk.overwritten(octets)
}

/// An address in a text, without a zone.
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// An original that is a text of its own: a user without a host.
pub(super) fn lone_user(walk: &mut Walk<'_>, shown: &[u8]) {
    if is_withheld(shown) { walk.keep(shown) } else { walk.original(Kind::User, shown) }
}
