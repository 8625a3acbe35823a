//! A SIP message, or a part of its body: start line, fields, body. It walks over octets, so what is broken is walked over, too.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::body::{self, Described};
use super::scan::{self, ID, TEXT, VALUE, text};
use super::sdp;
use super::uri;
use super::walk::Walk;
use crate::sip::full_name;
use crate::vendor;

/// Fields in which nobody is named, and numbers count.
const PLAIN: [&str; 35] = [
    "CSeq",
    "Max-Forwards",
    "Expires",
    "Min-Expires",
    "Session-Expires",
    "Min-SE",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Transfer-Encoding",
    "Content-Language",
    "MIME-Version",
    "Require",
    "Supported",
    "Unsupported",
    "Proxy-Require",
    "Allow",
    "Allow-Events",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Event",
    "Subscription-State",
    "RSeq",
    "RAck",
    "Timestamp",
    "Date",
    "Privacy",
    "Recv-Info",
    "Info-Package",
    "Priority",
    "Refer-Sub",
    "P-Asserted-Service",
    "P-Early-Media",
    "Request-Disposition",
    "Answer-Mode",
];

/// Fields that hold ids.
const IDS: [&str; 8] =
    ["Call-ID", "In-Reply-To", "Session-ID", "Replaces", "Target-Dialog", "Join", "Content-ID", "SIP-ETag"];

/// Fields with credentials or challenges.
const CREDENTIALS: [&str; 5] =
    ["Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info"];

/// Parts of names of fields whose value is a secret.
const SECRET: [&str; 6] = ["cookie", "password", "passwd", "token", "secret", "api-key"];

/// Parameters of credentials that tell nothing.
const PLAIN_CREDENTIALS: [&str; 6] = ["algorithm", "qop", "nc", "stale", "charset", "userhash"];

/// How a field's value is walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Plain,
    Id,
    Product,
    Organization,
    Name,
    Credentials,
    Secret,
    ContentType,
    ContentLength,
    Via,
    Warning,
    Value,
}

/// A line of a head, perhaps with those that go on with it.
struct Field<'a> {
    name: Cow<'static, str>,
    /// Up to the value.
    head: &'a [u8],
    value: &'a [u8],
    /// What is behind it.
    end: &'a [u8],
}

/// Walks over a message.
pub(super) fn message(walk: &mut Walk<'_>, bytes: &[u8]) {
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let (before, rest) = bytes.split_at(skipped);
    walk.keep(before);
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    let (line, rest) = rest.split_at(end);
    start_line(walk, line);
    entity(walk, rest);
}

fn start_line(walk: &mut Walk<'_>, line: &[u8]) {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        let end = line.iter().enumerate().filter(|(_, byte)| **byte == b' ').nth(1).map_or(line.len(), |(at, _)| at);
        let (status, reason) = line.split_at(end);
        walk.keep(status);
        text(walk, reason, TEXT);
        return;
    }
    let first = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let last = memchr::memrchr(b' ', line.trim_ascii_end()).unwrap_or(first).max(first);
    walk.keep(line.get(..first).unwrap_or_default());
    text(walk, line.get(first..last).unwrap_or_default(), VALUE);
    walk.keep(line.get(last..).unwrap_or_default());
}

/// Fields, an empty line, a body: of a message behind its start line, or of a part.
pub(super) fn entity(walk: &mut Walk<'_>, bytes: &[u8]) {
    let (fields, gap, content) = head(bytes);
    let described = describe(&fields);
    let mut blanked = 0;
    let other = walk.within(|inner| {
        body::body(inner, &described, content);
        blanked = inner.blanked;
    });
    let other = other.unwrap_or_else(|| content.iter().map(|_| b' ').collect());
    for field in &fields {
        walk.keep(field.head);
        value(walk, field, content.len(), other.len());
        walk.keep(field.end);
    }
    walk.keep(gap);
    walk.keep(&other);
}

/// The fields, the empty line, and what follows it.
fn head(bytes: &[u8]) -> (Vec<Field<'_>>, &[u8], &[u8]) {
    let mut fields = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let mut length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        if rest.get(..length).is_some_and(|line| line.iter().all(u8::is_ascii_whitespace)) {
            let (gap, content) = rest.split_at(length);
            return (fields, gap, content);
        }
        while let Some(b' ' | b'\t') = rest.get(length) {
            let more = rest.get(length..).unwrap_or_default();
            let line = memchr::memchr(b'\n', more).map_or(more.len(), |end| end + 1);
            if more.get(..line).is_some_and(|line| line.iter().all(u8::is_ascii_whitespace)) {
                break;
            }
            length += line;
        }
        fields.push(field(rest.get(..length).unwrap_or_default()));
        at += length;
    }
    (fields, &[], &[])
}

fn field(line: &[u8]) -> Field<'_> {
    let colon = line.iter().take_while(|byte| **byte != b'\n').position(|byte| *byte == b':');
    let start = colon.map_or(0, |colon| colon + 1);
    let rest = line.get(start..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let value = rest.get(blanks..).unwrap_or_default().trim_ascii_end();
    let value_at = start + blanks;
    let name = colon.map_or(Cow::Borrowed(""), |colon| full_name(line.get(..colon).unwrap_or_default().trim_ascii()));
    Field {
        name,
        head: line.get(..value_at).unwrap_or_default(),
        value,
        end: line.get(value_at + value.len()..).unwrap_or_default(),
    }
}

fn describe(fields: &[Field<'_>]) -> Described {
    let value = |name: &str| {
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| String::from_utf8_lossy(field.value).into_owned())
    };
    Described {
        content_type: value("Content-Type").unwrap_or_default(),
        transfer: value("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase(),
        coding: value("Content-Encoding").unwrap_or_default().to_ascii_lowercase(),
    }
}

fn treatment(name: &str) -> Treatment {
    let is_among = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "content-type" => Treatment::ContentType,
        "content-length" => Treatment::ContentLength,
        "user-agent" | "server" => Treatment::Product,
        "organization" => Treatment::Organization,
        "subject" => Treatment::Name,
        "identity" => Treatment::Secret,
        "via" => Treatment::Via,
        "warning" => Treatment::Warning,
        _ if is_among(&PLAIN) => Treatment::Plain,
        _ if is_among(&IDS) => Treatment::Id,
        _ if is_among(&CREDENTIALS) => Treatment::Credentials,
        _ if SECRET.iter().any(|part| lower.contains(part)) => Treatment::Secret,
        _ if lower.contains("name") => Treatment::Name,
        _ => Treatment::Value,
    }
}

/// Writes a value. `before` and `after`: octets of the body, as it was and as it became.
fn value(walk: &mut Walk<'_>, field: &Field<'_>, before: usize, after: usize) {
    let value = field.value;
    match treatment(&field.name) {
        Treatment::Plain => walk.keep(value),
        Treatment::Id | Treatment::Product => text(walk, value, ID),
        Treatment::Organization if core::str::from_utf8(value).is_ok_and(vendor::is_products) => text(walk, value, ID),
        Treatment::Organization | Treatment::Name => {
            let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
            if value.contains(&b'<') || inner.is_some_and(|inner| inner.contains(&b'"')) {
                text(walk, value, VALUE);
            } else if let Some(inner) = inner {
                walk.keep(b"\"");
                scan::name(walk, inner);
                walk.keep(b"\"");
            } else {
                scan::name(walk, value);
            }
        }
        Treatment::Credentials => credentials(walk, value),
        Treatment::Secret if value.is_empty() => {}
        Treatment::Secret => walk.keep(b"removed"),
        Treatment::ContentType => content_type(walk, value),
        Treatment::ContentLength => content_length(walk, value, before, after),
        Treatment::Via => via(walk, value),
        Treatment::Warning => sdp::words(walk, value, |walk, place, word| match place {
            0 => walk.keep(word),
            1 => uri::host_and_port(walk, word),
            _ => text(walk, word, VALUE),
        }),
        Treatment::Value => text(walk, value, VALUE),
    }
}

/// `SIP/2.0/UDP host:port;branch=..`: a host with a name of one label shows by its place alone.
fn via(walk: &mut Walk<'_>, value: &[u8]) {
    for (n, element) in value.split(|byte| *byte == b',').enumerate() {
        if n > 0 {
            walk.keep(b",");
        }
        let end = element.iter().position(|byte| *byte == b';').unwrap_or(element.len());
        let (main, params) = element.split_at(end);
        let shown = main.trim_ascii_end();
        let start = shown.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
        let (protocol, site) = shown.split_at(start);
        walk.keep(protocol);
        uri::host_and_port(walk, site);
        walk.keep(main.get(shown.len()..).unwrap_or_default());
        text(walk, params, VALUE);
    }
}

/// One that was right is right; one that was wrong is as wrong as it was.
fn content_length(walk: &mut Walk<'_>, value: &[u8], before: usize, after: usize) {
    let told = core::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<usize>().ok());
    match told {
        Some(told) if before != after => {
            let other = (told + after).saturating_sub(before);
            walk.keep(alloc::format!("{other}").as_bytes());
        }
        Some(_) | None => walk.keep(value),
    }
}

/// The boundary may hold the name of a host: it is written as its delimiters are.
fn content_type(walk: &mut Walk<'_>, value: &[u8]) {
    let at = crate::text::position(value, b"boundary=").map_or(value.len(), |at| at + b"boundary=".len());
    let (plain, boundary) = value.split_at(at);
    walk.keep(plain);
    walk.loose(boundary);
}

/// `Digest username="..", realm="..", response=".."`; of other schemes nothing stays.
fn credentials(walk: &mut Walk<'_>, value: &[u8]) {
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(0);
    let (scheme, rest) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Digest") && !rest.contains(&b'=') {
        walk.keep(scheme);
        walk.keep(b" removed");
        return;
    }
    walk.keep(scheme);
    for (n, piece) in rest.split(|byte| *byte == b',').enumerate() {
        if n > 0 {
            walk.keep(b",");
        }
        let equals = piece.iter().position(|byte| *byte == b'=').map_or(piece.len(), |at| at + 1);
        let (label, value) = piece.split_at(equals);
        walk.keep(label);
        let label = label.strip_suffix(b"=").unwrap_or(label).trim_ascii();
        credential(walk, core::str::from_utf8(label).unwrap_or_default(), value);
    }
}

fn credential(walk: &mut Walk<'_>, label: &str, value: &[u8]) {
    let shown = value.trim_ascii();
    let inner = shown.strip_prefix(b"\"").unwrap_or(shown);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let is_quoted = inner.len() < shown.len();
    if PLAIN_CREDENTIALS.iter().any(|plain| plain.eq_ignore_ascii_case(label)) {
        walk.keep(value);
        return;
    }
    if is_quoted {
        walk.keep(b"\"");
    }
    match label.to_ascii_lowercase().as_str() {
        "username" => uri::address_of_record(walk, inner),
        "uri" | "domain" => text(walk, inner, VALUE),
        "realm" if uri::address(inner).is_some() || super::words::is_like_host(inner) => uri::host(walk, inner),
        "realm" => scan::name(walk, inner),
        _ => {
            let octets = walk.octets(b"credential", inner);
            let digits = super::codings::to_hex(&octets, b"a");
            walk.keep(digits.get(..inner.len()).unwrap_or_default());
        }
    }
    if is_quoted {
        walk.keep(b"\"");
    }
}
