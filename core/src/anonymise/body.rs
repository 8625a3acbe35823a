//! Bodies by what they are.

use alloc::string::String;
use alloc::vec::Vec;

use super::codings::{to_mime_base64, to_quoted_printable};
use super::message;
use super::scan::{TEXT, VALUE, text};
use super::sdp;
use super::walk::Walk;
use super::xml;
use crate::sip::multipart::{self, Line, MAX_PARTS};
use crate::sip::transfer::{decode_base64, decode_quoted_printable};

/// What the fields say of a body.
pub(super) struct Described {
    pub(super) content_type: String,
    /// Content-Transfer-Encoding, in lower case.
    pub(super) transfer: String,
    /// Content-Encoding, in lower case.
    pub(super) coding: String,
}

/// Walks over a body.
pub(super) fn body(walk: &mut Walk<'_>, described: &Described, content: &[u8]) {
    if content.is_empty() {
        return;
    }
    if !matches!(described.coding.as_str(), "" | "identity") {
        walk.blank(content);
        return;
    }
    let coded = match described.transfer.as_str() {
        "base64" => Some(decode_base64(content)),
        "quoted-printable" => Some(decode_quoted_printable(content)),
        _ => None,
    };
    let Some(plain) = coded else {
        plain_body(walk, &described.content_type, content);
        return;
    };
    let Some(other) = walk.within(|inner| plain_body(inner, &described.content_type, &plain)) else {
        walk.blank(content);
        return;
    };
    walk.keep(&if described.transfer == "base64" { to_mime_base64(&other) } else { to_quoted_printable(&other) });
}

fn plain_body(walk: &mut Walk<'_>, content_type: &str, content: &[u8]) {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let start = content.trim_ascii_start();
    if multipart::is_multipart(content_type) {
        parts(walk, content_type, content);
    } else if kind == "application/sdp" || kind.is_empty() && start.starts_with(b"v=") {
        sdp::description(walk, content);
    } else if kind.starts_with("message/sip") {
        message::message(walk, content);
    } else if kind == "audio/telephone-event" {
        // Its digits are others already, see `digits`.
        walk.keep(content);
    } else if core::str::from_utf8(content).is_err() && !is_latin_text(content) {
        walk.blank(content);
    } else if kind.contains("xml") || kind.contains("rs-metadata") || start.starts_with(b"<") {
        xml::document(walk, content);
    } else if kind.is_empty() && start.starts_with(b"--") {
        parts(walk, "multipart/*", content);
    } else if content.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte)) {
        walk.blank(content);
    } else {
        lines(walk, content);
    }
}

/// Whether octets above ASCII are letters of an older alphabet, not a body of another kind.
fn is_latin_text(content: &[u8]) -> bool {
    let others = content.iter().filter(|byte| !byte.is_ascii()).count();
    others * 4 < content.len() && !content.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte))
}

fn lines(walk: &mut Walk<'_>, content: &[u8]) {
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"o=") || line.starts_with(b"c=") || line.starts_with(b"m=") {
            sdp::line(walk, line);
        } else {
            text(walk, line, VALUE);
        }
    }
}

/// The parts of a multipart, with all that is between them.
fn parts(walk: &mut Walk<'_>, content_type: &str, content: &[u8]) {
    let Ok(pieces) = multipart::pieces(content_type, content) else {
        // No part is found, by us or by who receives it: all lines of it may be of any of them.
        sniffed_lines(walk, content);
        return;
    };
    let boundary = pieces.boundary.as_bytes();
    let (mut start, mut at, mut in_part, mut count) = (0, 0, false, 0);
    let mut is_over = false;
    let flush = |walk: &mut Walk<'_>, in_part: bool, piece: &[u8]| {
        let content = piece.strip_suffix(b"\n").unwrap_or(piece);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        if in_part {
            message::entity(walk, content)
        } else {
            text(walk, content, TEXT)
        }
        walk.keep(piece.get(content.len()..).unwrap_or_default());
    };
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let kind = if is_over || count > MAX_PARTS { Line::Text } else { multipart::judge(boundary, line) };
        if kind != Line::Text {
            flush(walk, in_part, content.get(start..at).unwrap_or_default());
            walk.loose(line);
            (start, in_part, count) = (at + line.len(), kind == Line::Delimiter, count + 1);
            is_over = kind == Line::Close;
        }
        at += line.len();
    }
    let rest = content.get(start..).unwrap_or_default();
    if in_part { message::entity(walk, rest) } else { text(walk, rest, TEXT) }
}

fn sniffed_lines(walk: &mut Walk<'_>, content: &[u8]) {
    let mut of_xml: Vec<u8> = Vec::new();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let is_sdp = line.get(1) == Some(&b'=') && line.first().is_some_and(u8::is_ascii_lowercase);
        if is_sdp && of_xml.is_empty() {
            sdp::line(walk, line);
        } else if line.trim_ascii_start().starts_with(b"<") || !of_xml.is_empty() {
            of_xml.extend_from_slice(line);
        } else {
            text(walk, line, VALUE);
        }
    }
    if !of_xml.is_empty() {
        xml::document(walk, &of_xml);
    }
}
