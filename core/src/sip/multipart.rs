//! Bodies of several parts (RFC 2046 5.1, RFC 5621), as SRCs really write them.
//!
//! Borne: blanks behind a delimiter, no closing delimiter, text before the first, bare line feeds, parts without
//! header fields, wrong lengths in them; a boundary that is not named, or not as the body has it; parts whose types are
//! missing or wrong, which are known by what they hold. Not taken for a delimiter: a line that merely begins like one.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::header::Header;
use super::lines::line_feed;
use super::message::Message;
use super::params::{Params, separator_at, split};
use super::transfer::{decode_base64, decode_quoted_printable};

/// The most parts that are read of a body, nested ones counted; more are an error.
pub const MAX_PARTS: usize = 64;

/// The type of session descriptions.
const SDP: &str = "application/sdp";

/// How deep multiparts may nest; a deeper one is kept as one part.
pub const MAX_DEPTH: usize = 8;

/// The longest boundary; RFC 2046 5.1.1 allows 70.
pub const MAX_BOUNDARY: usize = 256;

/// One part, its transfer encoding undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// With its parameters; `text/plain` where the part names none (RFC 2046 5.1), empty for a whole body of no type.
    pub content_type: String,
    /// Content-Disposition with its parameters.
    pub disposition: Option<String>,
    /// Content-ID without its brackets.
    pub content_id: Option<String>,
    /// A Content-Encoding (gzip) that is not undone here: the content cannot be read.
    pub coding: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

impl Part {
    /// Whether its type is `media_type`, parameters aside.
    pub fn is(&self, media_type: &str) -> bool {
        is_type(&self.content_type, media_type)
    }

    /// Whether it is a session description: it begins like one, or its type says so and it does not begin like XML.
    pub fn is_sdp(&self) -> bool {
        let is_named = self.is(SDP);
        match self.coding {
            Some(_) => is_named,
            None => begins_sdp(&self.body) || (is_named && !begins_xml(&self.body)),
        }
    }

    /// Whether who cannot read it has to refuse the message: yes, unless `handling=optional` (RFC 5621 8, RFC 3261
    /// 20.11).
    pub fn is_required(&self) -> bool {
        let params = self.disposition.as_deref().and_then(|value| value.split_once(';')).map_or("", |(_, rest)| rest);
        !Params::parse(params).get("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional"))
    }
}

/// Why a body has no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartError {
    /// Content-Type names no boundary (RFC 2046 5.1.1).
    NoBoundary,
    /// The boundary is longer than [`MAX_BOUNDARY`].
    LongBoundary,
    /// The boundary does not occur in the body.
    NoDelimiter,
    /// There are more than [`MAX_PARTS`].
    TooManyParts,
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBoundary => "Multipart Without Boundary",
            Self::LongBoundary => "Multipart Boundary Too Long",
            Self::NoDelimiter => "Multipart Boundary Not in Body",
            Self::TooManyParts => "Too Many Body Parts",
        })
    }
}

impl core::error::Error for MultipartError {}

/// The parts of a body, in order, nested ones in the place of what holds them. A body that is no multipart is one
/// part; an empty one is none.
pub fn parts(content_type: &str, body: &[u8]) -> Result<Vec<Part>, MultipartError> {
    let mut found = Vec::new();
    if is_multipart(content_type) {
        take_apart(content_type, body, 1, &mut found)?;
    } else if !body.is_empty() {
        let content_type = content_type.trim().to_owned();
        found.push(Part { content_type, disposition: None, content_id: None, coding: None, body: body.to_vec() });
    }
    Ok(found)
}

impl Message {
    /// The parts of its body, as [`parts`] has them; a body in one piece has the message's own header fields. What the body
    /// is, it shows itself where its type is missing or wrong.
    ///
    /// # Errors
    /// What [`parts`] fails with.
    pub fn parts(&self) -> Result<Vec<Part>, MultipartError> {
        let content_type = self.content_type().unwrap_or_default();
        if self.is_multipart() {
            let named = if is_multipart(content_type) { content_type } else { UNNAMED };
            match parts(named, &self.body) {
                // A multipart in name only.
                Err(MultipartError::NoBoundary | MultipartError::NoDelimiter)
                    if begins_known(&self.body) && !begins_parts(&self.body) => {}
                found => return found,
            }
        }
        let named = if is_multipart(content_type) { "" } else { content_type };
        let mut found = parts(named, &self.body)?;
        if let Some(whole) = found.first_mut() {
            whole.disposition = self.header("Content-Disposition").map(ToOwned::to_owned);
            whole.coding = self.coding().map(ToOwned::to_owned);
            if named.is_empty() && begins_sdp(&whole.body) {
                SDP.clone_into(&mut whole.content_type);
            }
        }
        Ok(found)
    }

    /// Whether its body has parts, whatever its type says.
    pub fn is_multipart(&self) -> bool {
        let content_type = self.content_type().unwrap_or_default();
        is_multipart(content_type) || (self.coding().is_none() && begins_parts(&self.body))
    }

    /// What of its Content-Encoding is not undone here.
    pub fn coding(&self) -> Option<&str> {
        self.headers.all("Content-Encoding").find(|coding| is_foreign(coding))
    }
}

/// RFC 3261 20.12: `identity`, or nothing, is what can be read.
fn is_foreign(coding: &str) -> bool {
    !coding.trim().is_empty() && !coding.trim().eq_ignore_ascii_case("identity")
}

/// Whether a body of this type is one we can make something of: SDP, metadata (by both of its names, RFC 7866 9 and
/// its forerunners), a multipart.
pub fn is_understood(content_type: &str) -> bool {
    is_multipart(content_type)
        || [SDP, "application/rs-metadata+xml", "application/rs-metadata"]
            .iter()
            .any(|known| is_type(content_type, known))
}

/// Whether a body shows that it is one we can make something of, whatever its type: SDP, parts, XML of a recording.
pub fn begins_known(body: &[u8]) -> bool {
    // With either capital.
    let is_recording = || memchr::memmem::find(body, b"ecording").is_some();
    begins_sdp(body) || begins_parts(body) || (begins_xml(body) && is_recording())
}

/// What stands before anything that means something is passed over: a byte order mark, blanks, NUL bytes.
fn beginning(body: &[u8]) -> &[u8] {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    body.get(start.unwrap_or(body.len())..).unwrap_or_default()
}

fn begins_sdp(body: &[u8]) -> bool {
    beginning(body).starts_with(b"v=0")
}

fn begins_xml(body: &[u8]) -> bool {
    beginning(body).starts_with(b"<")
}

fn begins_parts(body: &[u8]) -> bool {
    let start = beginning(body);
    start.starts_with(b"--") && first_delimiter(start).is_some_and(|(at, _)| at == 0)
}

/// The boundary that a multipart's Content-Type names.
pub fn boundary_of(content_type: &str) -> Option<String> {
    if is_multipart(content_type) { boundary(content_type).ok() } else { None }
}

/// The type of a multipart that has none, or another.
pub(super) const UNNAMED: &str = "multipart/*";

/// Whether a body of this type has parts.
pub fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

fn is_type(content_type: &str, media_type: &str) -> bool {
    content_type.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(media_type)
}

fn take_apart(content_type: &str, body: &[u8], depth: usize, found: &mut Vec<Part>) -> Result<(), MultipartError> {
    for piece in pieces(content_type, body)?.pieces {
        let part = read_part(piece);
        if is_multipart(&part.content_type) && part.coding.is_none() && depth < MAX_DEPTH {
            let before = found.len();
            match take_apart(&part.content_type, &part.body, depth + 1, found) {
                Ok(()) => continue,
                Err(MultipartError::TooManyParts) => return Err(MultipartError::TooManyParts),
                // It costs only itself.
                Err(MultipartError::NoBoundary | MultipartError::LongBoundary | MultipartError::NoDelimiter) => {
                    found.truncate(before);
                }
            }
        }
        if found.len() >= MAX_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        found.push(part);
    }
    Ok(())
}

/// How Content-Type names a boundary otherwise than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundaryFlaw {
    /// In single quotes, which RFC 2046 5.1.1 takes for a part of it.
    Quotes,
    /// In another case than the body.
    Case,
    /// Not at all: there is no Content-Type, or another one.
    Unnamed,
    /// As something that the body has not.
    Other,
}

/// A body that was cut.
pub(crate) struct Pieces<'a> {
    /// As the body has it.
    pub(crate) boundary: String,
    pub(super) flaw: Option<BoundaryFlaw>,
    pub(super) pieces: Vec<&'a [u8]>,
}

/// Cuts a body at the boundary that is named; if the body has none of it, at what must have been meant.
pub(crate) fn pieces<'a>(content_type: &str, body: &'a [u8]) -> Result<Pieces<'a>, MultipartError> {
    let (wrong, named) = match boundary(content_type) {
        Ok(named) => (MultipartError::NoDelimiter, named),
        // Who says that it is a multipart must name its boundary (RFC 2046 5.1.1); what says nothing is what it holds.
        Err(MultipartError::NoBoundary) if content_type == UNNAMED => {
            return guess(MultipartError::NoBoundary, BoundaryFlaw::Unnamed, body);
        }
        Err(error) => return Err(error),
    };
    match cut(named.as_bytes(), body) {
        Ok(pieces) => return Ok(Pieces { boundary: named, flaw: None, pieces }),
        Err(MultipartError::NoDelimiter) => {}
        Err(error) => return Err(error),
    }
    let bare = named.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let bare = bare.map(str::trim).filter(|bare| !bare.is_empty()).unwrap_or(&named);
    let Some(spelt) = spelling(bare, body) else { return guess(wrong, BoundaryFlaw::Other, body) };
    let flaw = if spelt == bare { BoundaryFlaw::Quotes } else { BoundaryFlaw::Case };
    let pieces = cut(spelt.as_bytes(), body)?;
    Ok(Pieces { boundary: spelt, flaw: Some(flaw), pieces })
}

/// Cuts a body at what its first delimiter must be.
fn guess(error: MultipartError, flaw: BoundaryFlaw, body: &[u8]) -> Result<Pieces<'_>, MultipartError> {
    let (_, boundary) = first_delimiter(body).ok_or(error)?;
    let pieces = cut(boundary.as_bytes(), body)?;
    Ok(Pieces { boundary, flaw: Some(flaw), pieces })
}

/// Where the first line stands that can be a delimiter, and its boundary: `--`, some text, and behind it a header field
/// or an empty line.
fn first_delimiter(body: &[u8]) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let length = line_feed(rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(length);
        let text = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end).unwrap_or_default();
        let next = after.get(..line_feed(after).unwrap_or(after.len())).unwrap_or_default().trim_ascii();
        let opens = !after.is_empty() && (next.is_empty() || next.contains(&b':'));
        if opens && (1..=MAX_BOUNDARY).contains(&text.len()) && !text.ends_with(b"--") {
            return Some((at, core::str::from_utf8(text).ok()?.to_owned()));
        }
        at += length;
    }
    None
}

/// How the body's first delimiter of `boundary` spells it, its case aside.
fn spelling(boundary: &str, body: &[u8]) -> Option<String> {
    body.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
        let spelt = line.strip_prefix(b"--")?.get(..boundary.len())?;
        let is_it = spelt.eq_ignore_ascii_case(boundary.as_bytes()) && judge(spelt, line) != Line::Text;
        is_it.then(|| core::str::from_utf8(spelt).ok()).flatten().map(ToOwned::to_owned)
    })
}

fn boundary(content_type: &str) -> Result<String, MultipartError> {
    let at = separator_at(content_type, b';').ok_or(MultipartError::NoBoundary)?;
    let params = content_type.get(at..).unwrap_or("");
    let value = split(params, b';')
        .filter_map(|piece| piece.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim())
        .ok_or(MultipartError::NoBoundary)?;
    let boundary = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or(quoted).replace('\\', ""),
        None => value.to_owned(),
    };
    match boundary.trim_end().len() {
        0 => Err(MultipartError::NoBoundary),
        1..=MAX_BOUNDARY => Ok(boundary.trim_end().to_owned()),
        _ => Err(MultipartError::LongBoundary),
    }
}

/// What a line is to a multipart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Text,
    Delimiter,
    Close,
}

/// RFC 2046 5.1.1: `--`, the boundary, perhaps `--`, blanks, and nothing else.
pub(crate) fn judge(boundary: &[u8], line: &[u8]) -> Line {
    let Some(rest) = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary)) else { return Line::Text };
    let (rest, kind) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, Line::Close),
        None => (rest, Line::Delimiter),
    };
    if rest.trim_ascii().is_empty() { kind } else { Line::Text }
}

/// The bytes of each part. The line end before a delimiter is the delimiter's.
fn cut<'a>(boundary: &[u8], body: &'a [u8]) -> Result<Vec<&'a [u8]>, MultipartError> {
    let mut pieces = Vec::new();
    let mut part_start = None;
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let line_len = line_feed(rest).map_or(rest.len(), |end| end + 1);
        let kind = judge(boundary, rest.get(..line_len).unwrap_or_default());
        if kind != Line::Text {
            if let Some(start) = part_start {
                let piece = body.get(start..at).unwrap_or_default();
                let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
                pieces.push(piece.strip_suffix(b"\r").unwrap_or(piece));
            }
            part_start = Some(at + line_len);
            if pieces.len() > MAX_PARTS {
                return Err(MultipartError::TooManyParts);
            }
        }
        at += line_len;
        if kind == Line::Close {
            return Ok(pieces);
        }
    }
    // Not closed: the body's end ends the last part.
    let start = part_start.ok_or(MultipartError::NoDelimiter)?;
    pieces.push(body.get(start..).unwrap_or_default());
    Ok(pieces)
}

/// Header fields up to the empty line, then content.
fn read_part(piece: &[u8]) -> Part {
    let mut part = Part {
        content_type: "text/plain".to_owned(),
        disposition: None,
        content_id: None,
        coding: None,
        body: Vec::new(),
    };
    let mut encoding = String::new();
    let (fields, content) = read_fields(piece);
    for field in &fields {
        match field.name.as_ref() {
            "Content-Type" => part.content_type.clone_from(&field.value),
            "Content-Disposition" => part.disposition = Some(field.value.clone()),
            "Content-ID" => {
                let id = field.value.trim_start_matches('<').trim_end_matches('>');
                part.content_id = Some(id.to_owned());
            }
            "Content-Encoding" if is_foreign(&field.value) => part.coding = Some(field.value.clone()),
            "Content-Transfer-Encoding" => encoding = field.value.to_ascii_lowercase(),
            // Content-Length of a part is often wrong, and never needed.
            _ => {}
        }
    }
    part.body = match encoding.as_str() {
        "base64" => decode_base64(content),
        "quoted-printable" => decode_quoted_printable(content),
        _ => content.to_vec(),
    };
    part
}

pub(super) fn read_fields(piece: &[u8]) -> (Vec<Header>, &[u8]) {
    let mut fields: Vec<Header> = Vec::new();
    let mut rest = piece;
    while !rest.is_empty() {
        let line_len = line_feed(rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(line_len);
        let is_fold = matches!(line.first(), Some(b' ' | b'\t'));
        let line = line.trim_ascii();
        if line.is_empty() {
            return (fields, after);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        match (is_fold, fields.last_mut(), colon) {
            (true, Some(last), _) => {
                let blank = if last.value.is_empty() { "" } else { " " };
                last.append(&alloc::format!("{blank}{}", String::from_utf8_lossy(line)));
            }
            (_, _, Some(colon)) => {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                fields.push(Header::from_bytes(name.trim_ascii(), value));
            }
            // No header fields and no empty line: content from here on.
            (_, _, None) => return (fields, rest),
        }
        rest = after;
    }
    (fields, rest)
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
