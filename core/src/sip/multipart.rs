//! Bodies of several parts (RFC 2046 5.1, RFC 5621), as SRCs really write them.
//!
//! Borne: blanks behind a delimiter, no closing delimiter, text before the first, bare line feeds, parts without
//! header fields, wrong lengths in them; a boundary that is not named as the body has it. Not taken for a
//! delimiter: a line that merely begins like one.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::header::Header;
use super::lines::line_feed;
use super::message::Message;
use super::params::{Params, separator_at, split};

/// The most parts that are read of a body, nested ones counted; more are an error.
pub const MAX_PARTS: usize = 64;

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
    /// The parts of its body, as [`parts`] has them; a body in one piece has the message's own header fields. One of no
    /// said type is SDP if it looks like it.
    ///
    /// # Errors
    /// What [`parts`] fails with.
    pub fn parts(&self) -> Result<Vec<Part>, MultipartError> {
        let content_type = self.content_type().unwrap_or_default();
        let mut found = parts(content_type, &self.body)?;
        if let Some(whole) = found.first_mut().filter(|_| !is_multipart(content_type)) {
            whole.disposition = self.header("Content-Disposition").map(ToOwned::to_owned);
            whole.coding = self.coding().map(ToOwned::to_owned);
            if content_type.is_empty() && whole.body.trim_ascii_start().starts_with(b"v=") {
                "application/sdp".clone_into(&mut whole.content_type);
            }
        }
        Ok(found)
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
        || ["application/sdp", "application/rs-metadata+xml", "application/rs-metadata"]
            .iter()
            .any(|known| is_type(content_type, known))
}

/// The boundary that a multipart's Content-Type names.
pub fn boundary_of(content_type: &str) -> Option<String> {
    if is_multipart(content_type) { boundary(content_type).ok() } else { None }
}

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
}

/// A body that was cut.
pub(super) struct Pieces<'a> {
    /// As the body has it.
    pub(super) boundary: String,
    pub(super) flaw: Option<BoundaryFlaw>,
    pub(super) pieces: Vec<&'a [u8]>,
}

/// Cuts a body at the boundary that is named; if the body has none of it, at what must have been meant.
pub(super) fn pieces<'a>(content_type: &str, body: &'a [u8]) -> Result<Pieces<'a>, MultipartError> {
    let with = |boundary: String, flaw| {
        let pieces = cut(boundary.as_bytes(), body)?;
        Ok(Pieces { boundary, flaw, pieces })
    };
    let named = boundary(content_type)?;
    match cut(named.as_bytes(), body) {
        Ok(pieces) => return Ok(Pieces { boundary: named, flaw: None, pieces }),
        Err(MultipartError::NoDelimiter) => {}
        Err(error) => return Err(error),
    }
    let bare = named.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let bare = bare.map(str::trim).filter(|bare| !bare.is_empty()).unwrap_or(&named);
    let spelt = spelling(bare, body).ok_or(MultipartError::NoDelimiter)?;
    let flaw = if spelt == bare { BoundaryFlaw::Quotes } else { BoundaryFlaw::Case };
    with(spelt, Some(flaw))
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
pub(super) enum Line {
    Text,
    Delimiter,
    Close,
}

/// RFC 2046 5.1.1: `--`, the boundary, perhaps `--`, blanks, and nothing else.
pub(super) fn judge(boundary: &[u8], line: &[u8]) -> Line {
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

/// RFC 2045 6.8; what is not of the alphabet is passed over.
fn decode_base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in text {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    out
}

/// RFC 2045 6.7; a broken escape stays as it is.
fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return out,
            [b'=', b'\r', b'\n', after @ ..] | [b'=', b'\n', after @ ..] => after,
            [b'=', high, low, after @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    after
                }
                _ => {
                    out.push(b'=');
                    rest.get(1..).unwrap_or_default()
                }
            },
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;
    use proptest::{collection, sample};

    fn bodies(content_type: &str, body: &str) -> Vec<(String, String)> {
        let found = parts(content_type, body.as_bytes()).unwrap();
        found.into_iter().map(|p| (p.content_type, String::from_utf8(p.body).unwrap())).collect()
    }

    fn pair(content_type: &str, body: &str) -> (String, String) {
        (content_type.to_owned(), body.to_owned())
    }

    #[test]
    fn text_around_and_blanks_behind_delimiters_are_nothing() {
        let body = "\r\nThis is MIME.\r\n--b \t\r\nContent-Type:application/sdp\r\nContent-Length: 9999\r\n\r\nv=0\r\n\r\n\
                    --b\r\nContent-Type: application/rs-metadata+xml; x=y\r\n\r\n<a/>\r\n--b-- \r\n--b\r\n\r\nnot this";
        let expected = [pair("application/sdp", "v=0\r\n"), pair("application/rs-metadata+xml; x=y", "<a/>")];
        assert_eq!(bodies("multipart/mixed; boundary=b", body), expected);
        assert_eq!(bodies("Multipart/Mixed;foo=bar;BOUNDARY=\"b\" ", &body.replace("\r\n", "\n"))[1], expected[1]);
    }

    #[test]
    fn a_line_that_begins_like_a_delimiter_is_text() {
        let body = "--foo\r\n\r\n--foobar\r\n--foo--bar\r\n --foo\r\nx--foo\r\n--foo--\r\n";
        assert_eq!(
            bodies("multipart/mixed;boundary=foo", body),
            [pair("text/plain", "--foobar\r\n--foo--bar\r\n --foo\r\nx--foo")]
        );
    }

    #[test]
    fn the_last_part_need_not_be_closed() {
        let body = "--b\r\nContent-Type: a/b\r\n\r\none\r\n--b\r\nno header here\r\nline\r\n";
        assert_eq!(
            bodies("multipart/mixed;boundary=b", body),
            [pair("a/b", "one"), pair("text/plain", "no header here\r\nline\r\n")]
        );
        assert_eq!(bodies("multipart/mixed;boundary=b", "--b\r\nContent-Type: a/b\r\n\r\none\r\n--b").len(), 2);
        assert_eq!(
            bodies("multipart/mixed;boundary=b", "--b\r\n\r\n--b\r\n--b--"),
            [pair("text/plain", ""), pair("text/plain", "")]
        );
    }

    #[test]
    fn quoted_boundaries_have_any_character() {
        let body = "--a b=;\"c\r\n\r\nx\r\n--a b=;\"c--";
        assert_eq!(
            bodies("multipart/mixed; x=\";boundary=no\"; boundary=\"a b=;\\\"c\"", body),
            [pair("text/plain", "x")]
        );
    }

    #[test]
    fn nested_parts_come_in_their_place() {
        let body = "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n\
                    --bb--\r\n--b\r\nContent-Type: multipart/mixed\r\n\r\nno boundary\r\n--b--";
        let expected = [pair("text/plain", "one"), pair("text/plain", "two"), pair("multipart/mixed", "no boundary")];
        assert_eq!(bodies("multipart/mixed;boundary=b", body), expected);
    }

    #[test]
    fn transfer_encodings_are_undone() {
        let body = "--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\nPGE+w7\r\n48L2E+Cg==\r\n\
                    --b\r\nContent-Transfer-Encoding:\r\n quoted-printable\r\n\r\na=3D=C3=\r\n=bc=zz=\r\n--b--";
        let found = bodies("multipart/mixed;boundary=b", body);
        assert_eq!(found[0].1, "<a>þ</a>\n");
        assert_eq!(found[1].1, "a=ü=zz=");
    }

    #[test]
    fn header_fields_of_a_part_are_read() {
        let body =
            "--b\r\nContent-Disposition: signal;\r\n handling=Optional\r\nContent-ID: <x@y>\r\nc: a/b\r\n\r\n\r\n--b--";
        let found = parts("multipart/mixed;boundary=b", body.as_bytes()).unwrap();
        assert!(!found[0].is_required() && found[0].is("A/B"));
        assert_eq!(found[0].content_id.as_deref(), Some("x@y"));
        assert_eq!(found[0].disposition.as_deref(), Some("signal; handling=Optional"));
        assert!(found[0].body.is_empty());
    }

    #[test]
    fn a_body_that_is_no_multipart_is_one_part() {
        assert_eq!(bodies(" application/rs-metadata ", "<a/>"), [pair("application/rs-metadata", "<a/>")]);
        assert_eq!(bodies("application/sdp", ""), []);
        assert!(is_understood("Application/SDP;charset=x") && !is_understood("application/sdpx"));
    }

    #[test]
    fn what_cannot_be_cut_is_an_error() {
        let of = |content_type: &str, body: &str| parts(content_type, body.as_bytes());
        assert_eq!(of("multipart/mixed", "-b\r\nx--b\r\n"), Err(MultipartError::NoBoundary));
        assert_eq!(of("multipart/mixed;boundary=", "--  \r\n"), Err(MultipartError::NoBoundary));
        assert_eq!(of("multipart/mixed;boundary=b", "--c\r\n"), Err(MultipartError::NoDelimiter));
        assert_eq!(of("multipart/mixed;boundary=b", ""), Err(MultipartError::NoDelimiter));
        let long = format!("multipart/mixed;boundary={}", "b".repeat(MAX_BOUNDARY + 1));
        assert_eq!(of(&long, "--b"), Err(MultipartError::LongBoundary));
        let many = "--b\r\n\r\nx\r\n".repeat(MAX_PARTS);
        assert_eq!(of("multipart/mixed;boundary=b", &many).map(|parts| parts.len()), Ok(MAX_PARTS));
        let many = "--b\r\n\r\nx\r\n".repeat(MAX_PARTS + 1);
        assert_eq!(of("multipart/mixed;boundary=b", &many), Err(MultipartError::TooManyParts));
    }

    #[test]
    fn a_boundary_is_found_that_is_not_named_as_the_body_has_it() {
        let body = "--Bo'und\r\nContent-Type: a/b\r\n\r\none\r\n--Bo'und\r\n\r\n--bo'und\r\n--Bo'und--\r\n";
        let expected = [pair("a/b", "one"), pair("text/plain", "--bo'und")];
        for (parameter, flaw) in [
            (";boundary=Bo'und", None),
            (";boundary=\"Bo'und\"", None),
            (";boundary='Bo'und'", Some(BoundaryFlaw::Quotes)),
            (";boundary=BO'UND", Some(BoundaryFlaw::Case)),
            (";boundary='BO'UND'", Some(BoundaryFlaw::Case)),
        ] {
            let content_type = format!("multipart/mixed{parameter}");
            assert_eq!(bodies(&content_type, body), expected, "{parameter}");
            assert_eq!(pieces(&content_type, body.as_bytes()).map(|found| found.flaw).ok(), Some(flaw), "{parameter}");
        }
        // Quotation marks that the body has as well are a part of it.
        assert_eq!(bodies("multipart/mixed;boundary='b'", "--'b'\r\n\r\n--b\r\n--'b'--"), [pair("text/plain", "--b")]);
        let other = |boundary: &str| parts(&format!("multipart/mixed;boundary={boundary}"), body.as_bytes());
        for boundary in ["Bo'un", "Bo'undx", "''", "'"] {
            assert_eq!(other(boundary), Err(MultipartError::NoDelimiter), "{boundary}");
        }
        // One that is not named is not guessed: what is no delimiter could be taken for one.
        assert_eq!(parts("multipart/mixed;charset=utf-8", body.as_bytes()), Err(MultipartError::NoBoundary));
    }

    #[test]
    fn what_is_compressed_is_known_by_its_coding_and_not_taken_apart() {
        let body = "--b\r\nContent-Encoding: gzip\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n\
                    --b\r\nContent-Encoding: Identity\r\n\r\ny\r\n--b--";
        let found = parts("multipart/mixed;boundary=b", body.as_bytes()).unwrap();
        let codings: Vec<_> = found.iter().map(|part| part.coding.as_deref()).collect();
        assert_eq!(codings, [Some("gzip"), None]);
        assert!(found[0].is("multipart/mixed"));
        let message = |head: &str, body: &str| {
            let text = format!("INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{head}\r\n{body}");
            Message::parse_datagram(text.as_bytes()).unwrap()
        };
        let whole = message("e: identity, gzip\r\nContent-Type: a/b\r\nContent-Disposition: x\r\n", "y");
        let part = whole.parts().unwrap().remove(0);
        assert_eq!(
            (part.coding.as_deref(), part.disposition.as_deref(), &*part.body),
            (Some("gzip"), Some("x"), &b"y"[..])
        );
        assert_eq!(message("", "\r\nv=0").parts().unwrap()[0].content_type, "application/sdp");
        assert_eq!(message("", "<v=0").parts().unwrap()[0].content_type, "");
        assert_eq!(message("", "").parts(), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn nothing_is_in_the_parts_that_is_not_in_the_body(
            named in sample::select(&["", ";boundary=b", ";boundary='b'", ";boundary=B", ";boundary=\"b b\""]),
            pieces in collection::vec(sample::select(PIECES), 0..60),
        ) {
            let body = pieces.concat();
            let content_type = format!("multipart/mixed{named}");
            let Ok(found) = parts(&content_type, body.as_bytes()) else { return Ok(()) };
            prop_assert!(found.len() <= MAX_PARTS);
            prop_assert!(found.iter().map(|part| part.body.len()).sum::<usize>() <= body.len());
            prop_assert!(found.iter().all(|part| body.contains(&*String::from_utf8_lossy(&part.body))));
            prop_assert!(super::super::survey::survey(&content_type, body.as_bytes()).is_ok());
        }
    }

    const PIECES: &[&str] = &[
        "--b",
        "--B",
        "--'b'",
        "--b b",
        "--",
        "-",
        "\r\n",
        "\n",
        " ",
        "x",
        ":",
        "Content-Type: multipart/mixed",
        ";boundary=b",
        ";boundary='B'",
        "Content-Encoding: gzip",
    ];

    #[test]
    fn nesting_ends() {
        let mut body = "x".to_owned();
        for depth in (0..20).rev() {
            body = format!("--b{depth}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n{body}", depth + 1);
        }
        let found = parts("multipart/mixed;boundary=b0", body.as_bytes()).unwrap();
        assert_eq!((found.len(), found[0].is("multipart/mixed")), (1, true));
    }
}
