//! URIs and their parts.

use core::net::IpAddr;

use super::codings::from_percent;
use super::originals::Kind;
use super::scan::{self, MAX_SPAN, MIN_SHORT, NUMBER, TEXT, VALUE, is_number, lone_user, parse_address};
use super::walk::Walk;
use super::words::{is_nobodys_host, is_withheld};
use crate::vendor;

/// Schemes, and whether an authority (`//host/path`) follows.
const SCHEMES: [(&str, bool); 15] = [
    ("sip:", false),
    ("sips:", false),
    ("tel:", false),
    ("im:", false),
    ("pres:", false),
    ("mailto:", false),
    ("h323:", false),
    ("callto:", false),
    ("xmpp:", false),
    ("http://", true),
    ("https://", true),
    ("ws://", true),
    ("wss://", true),
    ("ldap://", true),
    ("rtsp://", true),
];

/// The scheme that a text begins with, and whether an authority follows.
pub(super) fn scheme(text: &[u8]) -> Option<(&'static str, bool)> {
    SCHEMES
        .into_iter()
        .find(|(scheme, _)| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme.as_bytes())))
}

/// A URI at the beginning of `rest`: its length. Between `<` and `>` it goes up to that.
pub(super) fn uri(walk: &mut Walk<'_>, rest: &[u8], before: Option<u8>) -> Option<usize> {
    let (name, has_authority) = scheme(rest)?;
    let closing = rest.iter().take(MAX_SPAN).position(|byte| matches!(byte, b'>' | b'\r' | b'\n'));
    let closing = closing.filter(|end| before == Some(b'<') && rest.get(*end) == Some(&b'>'));
    let end = closing.unwrap_or_else(|| {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"<>\",'".contains(byte);
        rest.iter().position(ends).unwrap_or(rest.len())
    });
    let (shown, body) = rest.get(..end)?.split_at_checked(name.len())?;
    walk.keep(shown);
    if has_authority {
        authority(walk, body);
    } else {
        opaque(walk, body, name.eq_ignore_ascii_case("tel:"));
    }
    Some(end)
}

/// `user@host/path?query`.
fn authority(walk: &mut Walk<'_>, body: &[u8]) {
    let end = body.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(body.len());
    let (site, path) = body.split_at(end);
    address_spec(walk, site);
    // Segments one by one: a path is no host.
    for (n, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if n > 0 {
            walk.loose(b"/");
        }
        scan::text(walk, segment, scan::ID);
    }
}

/// What follows `sip:` and the like.
fn opaque(walk: &mut Walk<'_>, body: &[u8], is_number_only: bool) {
    let question = body.iter().position(|byte| *byte == b'?').unwrap_or(body.len());
    let (main, headers) = body.split_at(question);
    // A parameter behind the host may hold an `@`, and so may a user: it is the last one before what is behind the first.
    let first = main.iter().position(|byte| *byte == b'@').unwrap_or(main.len());
    let behind = main.iter().skip(first).position(|byte| *byte == b';').map_or(main.len(), |at| first + at);
    let at = memchr::memrchr(b'@', main.get(..behind).unwrap_or_default());
    if let Some(at) = at {
        let (info, behind) = (main.get(..at).unwrap_or_default(), main.get(at + 1..).unwrap_or_default());
        user_info(walk, info, behind);
    } else {
        let end = main.iter().position(|byte| *byte == b';').unwrap_or(main.len());
        let (first, params) = main.split_at(end);
        if is_number_only || is_number(first, MIN_SHORT) {
            user(walk, first)
        } else {
            host_and_port(walk, first)
        }
        scan::text(walk, params, TEXT);
    }
    scan::text(walk, headers, VALUE);
}

/// `user;param:password@host:port;param`, without the scheme.
fn user_info(walk: &mut Walk<'_>, info: &[u8], behind: &[u8]) {
    let end = behind.iter().position(|byte| *byte == b';').unwrap_or(behind.len());
    let (site, params) = behind.split_at(end);
    let whole = [info, b"@", site].concat();
    if core::str::from_utf8(&whole).is_ok_and(vendor::is_products) {
        walk.keep(&whole);
    } else {
        let end = info.iter().position(|byte| matches!(byte, b';' | b':')).unwrap_or(info.len());
        let (name, more) = info.split_at(end);
        user(walk, name);
        match more.split_first() {
            Some((b':', password)) if !password.is_empty() => walk.keep(b":secret"),
            Some(_) => scan::text(walk, more, NUMBER),
            None => {}
        }
        walk.keep(b"@");
        host_and_port(walk, site);
    }
    scan::text(walk, params, TEXT);
}

/// `user@host` or `host`, without a scheme.
fn address_spec(walk: &mut Walk<'_>, site: &[u8]) {
    match memchr::memrchr(b'@', site) {
        Some(at) => user_info(walk, site.get(..at).unwrap_or_default(), site.get(at + 1..).unwrap_or_default()),
        None => host_and_port(walk, site),
    }
}

/// An address of record without a scheme, or with one: as metadata has it.
pub(super) fn address_of_record(walk: &mut Walk<'_>, shown: &[u8]) {
    let inner = shown.trim_ascii();
    let start = shown.len() - shown.trim_ascii_start().len();
    walk.loose(shown.get(..start).unwrap_or_default());
    if inner.starts_with(b"\"") || inner.contains(&b'<') || scheme(inner).is_some() {
        scan::text(walk, inner, VALUE);
    } else {
        let end = inner.iter().position(|byte| b";? \t\r\n".contains(byte)).unwrap_or(inner.len());
        let (main, params) = inner.split_at(end);
        match memchr::memrchr(b'@', main) {
            Some(_) => address_spec(walk, main),
            None if address(main).is_some() || super::words::is_like_host(main) => host_and_port(walk, main),
            None => user(walk, main),
        }
        scan::text(walk, params, VALUE);
    }
    walk.loose(shown.get(start + inner.len()..).unwrap_or_default());
}

/// A user: a number, an address or a name.
pub(super) fn user(walk: &mut Walk<'_>, shown: &[u8]) {
    let plain = from_percent(shown);
    let text = plain.as_deref().unwrap_or(shown);
    if is_withheld(text) || core::str::from_utf8(text).is_ok_and(vendor::is_products) {
        walk.keep(shown);
    } else if let Some(found) = address(text) {
        walk.address(found, text);
    } else if is_number(text, MIN_SHORT) {
        number(walk, text, plain.is_some());
    } else if is_number(text, 0) {
        // A short code, which tells nobody.
        walk.keep(shown);
    } else {
        lone_user(walk, text);
    }
}

/// A number, its characters as percent signs where they were so.
fn number(walk: &mut Walk<'_>, text: &[u8], escaped: bool) {
    if !escaped {
        walk.number(text);
        return;
    }
    let other = walk.within(|inner| inner.number(text)).unwrap_or_default();
    walk.keep(&super::codings::to_percent(&other));
}

/// A host and what follows its colon.
pub(super) fn host_and_port(walk: &mut Walk<'_>, site: &[u8]) {
    if let Some(taken) = literal(walk, site) {
        walk.loose(site.get(taken..).unwrap_or_default());
        return;
    }
    if address(site).is_some() {
        host(walk, site);
        return;
    }
    let end = site.iter().position(|byte| !is_of_host(*byte)).unwrap_or(site.len());
    let (name, port) = site.split_at(end);
    host(walk, name);
    match port.split_first() {
        Some((b':', digits)) if digits.iter().all(u8::is_ascii_digit) && digits.len() <= 5 => walk.keep(port),
        Some((first, rest)) => {
            walk.loose(&[*first]);
            scan::text(walk, rest, TEXT);
        }
        None => {}
    }
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'%') || byte >= 0x80
}

/// A host without its port.
pub(super) fn host(walk: &mut Walk<'_>, shown: &[u8]) {
    if let Some(found) = address(shown) {
        walk.address(found, shown);
    } else if shown.is_empty() || is_nobodys_host(shown) || is_withheld(shown) {
        walk.keep(shown);
    } else {
        walk.original(Kind::Host, shown);
    }
}

/// `[IPv6]` at the beginning of `rest`: its length.
pub(super) fn literal(walk: &mut Walk<'_>, rest: &[u8]) -> Option<usize> {
    /// The longest address, and a zone.
    const LONGEST: usize = 64;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == b']').filter(|_| rest.first() == Some(&b'['))?;
    let inner = rest.get(1..end)?;
    let found = address(inner)?;
    walk.keep(b"[");
    walk.address(found, inner);
    walk.keep(b"]");
    Some(end + 1)
}

/// An address, without its zone (RFC 4007 11).
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let end = text.iter().position(|byte| *byte == b'%').unwrap_or(text.len());
    parse_address(text.get(..end)?)
}
