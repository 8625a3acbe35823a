//! Session descriptions, line by line.

use super::codings::{from_base64, to_base64};
use super::scan::{self, ID, NUMBER, TEXT, VALUE, text};
use super::uri::{self, host};
use super::walk::Walk;
use super::words::is_plain_session_name;
use crate::vendor;

/// Attributes whose value is of the protocol: their numbers are payload types, ports, clocks and sources.
const PLAIN: [&str; 39] = [
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
    "minptime",
    "label",
    "sendonly",
    "recvonly",
    "sendrecv",
    "inactive",
    "mid",
    "group",
    "setup",
    "connection",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "rtcp-xr",
    "ssrc-group",
    "extmap",
    "extmap-allow-mixed",
    "framerate",
    "framesize",
    "imageattr",
    "silencesupp",
    "direction",
    "curr",
    "des",
    "conf",
    "ice-lite",
    "ice-options",
    "end-of-candidates",
    "content",
    "quality",
    "orient",
    "type",
    "charset",
    "msid-semantic",
];

/// Walks over a description.
pub(super) fn description(walk: &mut Walk<'_>, content: &[u8]) {
    content.split_inclusive(|byte| *byte == b'\n').for_each(|whole| line(walk, whole));
}

/// One line with its end.
pub(super) fn line(walk: &mut Walk<'_>, whole: &[u8]) {
    let shown = whole.trim_ascii_end();
    let start = shown.len() - shown.trim_ascii_start().len() + 2;
    match shown.trim_ascii_start().split_at_checked(2) {
        Some((&[letter, b'='], value)) => {
            walk.keep(shown.get(..start).unwrap_or_default());
            match letter.to_ascii_lowercase() {
                b'v' | b't' | b'r' | b'z' | b'b' | b'm' => walk.keep(value),
                b'o' => origin(walk, value),
                b's' => session_name(walk, value),
                b'i' => scan::name(walk, value),
                b'c' => connection(walk, value),
                b'u' => text(walk, value, VALUE),
                b'e' => email(walk, value),
                b'p' => text(walk, value, NUMBER),
                b'k' => walk.keep(b"prompt"),
                b'a' => attribute(walk, value),
                _ => text(walk, value, TEXT),
            }
        }
        _ => text(walk, shown, TEXT),
    }
    walk.keep(whole.get(shown.len()..).unwrap_or_default());
}

/// Each word of a line, and its place; blanks stay.
pub(super) fn words(walk: &mut Walk<'_>, value: &[u8], mut each: impl FnMut(&mut Walk<'_>, usize, &[u8])) {
    let mut place = 0;
    for run in value.chunk_by(|a, b| a.is_ascii_whitespace() == b.is_ascii_whitespace()) {
        if run.first().is_some_and(u8::is_ascii_whitespace) {
            walk.keep(run);
        } else {
            each(walk, place, run);
            place += 1;
        }
    }
}

/// `user id version IN IP4 host` (RFC 8866 5.2): id and version are told apart by who compares them, and are no numbers.
fn origin(walk: &mut Walk<'_>, value: &[u8]) {
    words(walk, value, |walk, place, word| match place {
        0 if core::str::from_utf8(word).is_ok_and(vendor::is_products) => text(walk, word, ID),
        0 => uri::user(walk, word),
        1 | 2 => walk.loose(word),
        3 | 4 => walk.keep(word),
        5 => uri::host_and_port(walk, word),
        _ => text(walk, word, TEXT),
    });
}

fn session_name(walk: &mut Walk<'_>, value: &[u8]) {
    if is_plain_session_name(value) || core::str::from_utf8(value).is_ok_and(vendor::is_products) {
        text(walk, value, ID);
    } else {
        scan::name(walk, value);
    }
}

/// `IN IP4 host/ttl` (RFC 8866 5.7).
fn connection(walk: &mut Walk<'_>, value: &[u8]) {
    words(walk, value, |walk, place, word| {
        let end = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
        let (site, ttl) = word.split_at(end);
        if place < 2 {
            walk.keep(word);
        } else {
            host(walk, site);
            walk.keep(ttl);
        }
    });
}

/// `address (name)` or `name <address>` (RFC 8866 5.6).
fn email(walk: &mut Walk<'_>, value: &[u8]) {
    let open = value.iter().position(|byte| *byte == b'(');
    let close = memchr::memrchr(b')', value);
    let (Some(open), Some(close)) = (open, close.filter(|close| open.is_some_and(|open| open < *close))) else {
        text(walk, value, VALUE);
        return;
    };
    text(walk, value.get(..open).unwrap_or_default(), VALUE);
    walk.keep(b"(");
    scan::name(walk, value.get(open + 1..close).unwrap_or_default());
    walk.keep(b")");
    text(walk, value.get(close + 1..).unwrap_or_default(), VALUE);
}

fn attribute(walk: &mut Walk<'_>, value: &[u8]) {
    let end = value.iter().position(|byte| *byte == b':').map_or(value.len(), |colon| colon + 1);
    let (label, value) = value.split_at(end);
    walk.keep(label);
    let label =
        core::str::from_utf8(label.strip_suffix(b":").unwrap_or(label)).unwrap_or_default().to_ascii_lowercase();
    match label.as_str() {
        "crypto" => crypto(walk, value),
        "key-mgmt" => {
            words(walk, value, |walk, place, word| if place == 0 { walk.keep(word) } else { secret(walk, word) })
        }
        "ice-pwd" | "ice-ufrag" => letters(walk, value),
        "fingerprint" => {
            words(walk, value, |walk, place, word| if place == 0 { walk.keep(word) } else { pairs(walk, word) })
        }
        "rtcp" => words(walk, value, |walk, place, word| if place < 3 { walk.keep(word) } else { host(walk, word) }),
        "candidate" | "remote-candidates" => words(walk, value, candidate),
        "ssrc" => {
            words(walk, value, |walk, place, word| if place == 0 { walk.keep(word) } else { text(walk, word, VALUE) })
        }
        plain if PLAIN.contains(&plain) => walk.keep(value),
        _ => text(walk, value, VALUE),
    }
}

/// RFC 8839 5.1: foundation, component, transport, priority, address, port ...
fn candidate(walk: &mut Walk<'_>, _: usize, word: &[u8]) {
    if uri::address(word).is_some() || super::words::is_like_host(word) {
        host(walk, word);
    } else if word.iter().all(u8::is_ascii_digit) {
        walk.keep(word);
    } else {
        text(walk, word, ID);
    }
}

/// `tag suite inline:key|lifetime|mki` (RFC 4568): another key of the same length.
fn crypto(walk: &mut Walk<'_>, value: &[u8]) {
    let mut rest = value;
    while let Some(at) = crate::text::position(rest, b"inline:").map(|at| at + b"inline:".len()) {
        let (before, behind) = rest.split_at(at);
        walk.keep(before);
        let end = behind.iter().position(|byte| b"|; \t".contains(byte)).unwrap_or(behind.len());
        let (key, more) = behind.split_at(end);
        secret(walk, key);
        rest = more;
    }
    walk.keep(rest);
}

/// A secret in base64.
fn secret(walk: &mut Walk<'_>, shown: &[u8]) {
    match from_base64(shown) {
        Some(octets) => walk.keep(&to_base64(&walk.octets(super::SECRET, &octets), shown)),
        None => letters(walk, shown),
    }
}

/// Letters, as many as there were.
fn letters(walk: &mut Walk<'_>, shown: &[u8]) {
    let octets = walk.octets(b"letters", shown);
    let other: alloc::vec::Vec<u8> = octets.into_iter().map(|octet| b'a' + octet % 26).collect();
    walk.keep(&other);
}

/// Pairs of hexadecimal digits with colons between them.
fn pairs(walk: &mut Walk<'_>, shown: &[u8]) {
    let digits: alloc::vec::Vec<u8> = shown.iter().copied().filter(u8::is_ascii_hexdigit).collect();
    let Some(octets) = super::codings::from_hex(&digits) else {
        letters(walk, shown);
        return;
    };
    let other = super::codings::to_hex(&walk.octets(b"fingerprint", &octets), b"A");
    let shown: alloc::vec::Vec<&[u8]> = other.chunks(2).collect();
    walk.keep(&shown.join(&b':'));
}
