//! By what a body, or a part of one, is known to be recording metadata: the one place where that is decided.

use super::parse::{MAX_BYTES, is_recording_name};
use super::text::decode;
use super::xml::{Reader, Token, local};
use crate::deviation::Deviations;
use crate::sip::multipart::Part;

/// The type of metadata (RFC 7866 9), and what it begins with where it is RFC 7865's.
const TYPE: &str = "application/rs-metadata";
/// What a recording server may be asked for, and no metadata.
const REQUEST: &str = "application/rs-metadata-request";
/// The disposition of metadata (RFC 7866 9).
const DISPOSITION: &str = "recording-session";

/// By what metadata is known, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Its type: `application/rs-metadata`, with or without `+xml`.
    Type,
    /// A type that only begins like it.
    SimilarType,
    /// XML, or no type that says anything, with the disposition `recording-session`.
    Disposition,
    /// XML whose root is a recording, whatever its type.
    Root,
}

impl Mark {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Type => "its type",
            Self::SimilarType => "the beginning of its type",
            Self::Disposition => "its disposition",
            Self::Root => "its root element",
        }
    }
}

/// The mark by which `part` is metadata; none if it is something else.
pub fn mark(part: &Part) -> Option<Mark> {
    if part.is_sdp() {
        return None;
    }
    let bare = part.content_type.split(';').next().unwrap_or_default().trim();
    let begins = bare.get(..TYPE.len()).is_some_and(|start| start.eq_ignore_ascii_case(TYPE));
    if begins && !bare.eq_ignore_ascii_case(REQUEST) {
        let rest = bare.get(TYPE.len()..).unwrap_or_default();
        let is_known = rest.is_empty() || rest.eq_ignore_ascii_case("+xml");
        return Some(if is_known { Mark::Type } else { Mark::SimilarType });
    }
    let lower = bare.to_ascii_lowercase();
    let is_xml = lower.ends_with("/xml") || lower.ends_with("+xml");
    let named = part.disposition.as_deref().and_then(|d| d.split(';').next()).unwrap_or_default().trim();
    if named.eq_ignore_ascii_case(DISPOSITION) && (is_xml || matches!(lower.as_str(), "" | "text/plain")) {
        return Some(Mark::Disposition);
    }
    (part.coding.is_none() && begins_a_recording(part)).then_some(Mark::Root)
}

/// Whether `part` is metadata.
pub fn is_metadata(part: &Part) -> bool {
    mark(part).is_some()
}

/// Whether the first element is a recording, with any prefix. A document type is not read over.
fn begins_a_recording(part: &Part) -> bool {
    let body = part.body.get(..MAX_BYTES).unwrap_or(&part.body);
    // What is not as it should be is told by who reads the whole.
    let mut deviations = Deviations::default();
    let text = decode(&part.content_type, body, &mut deviations);
    let mut reader = Reader::new(&text);
    loop {
        match reader.next(&mut deviations) {
            Some(Token::Start { name, .. }) => return is_recording_name(local(name)),
            Some(Token::Text(_)) => {}
            Some(Token::End { .. } | Token::Doctype) | None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::vec::Vec;

    fn part(content_type: &str, disposition: Option<&str>, body: &str) -> Part {
        Part {
            content_type: content_type.to_owned(),
            disposition: disposition.map(ToOwned::to_owned),
            content_id: None,
            coding: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn metadata_is_known_by_its_type_its_disposition_or_its_root() {
        let session = Some("Recording-Session; handling=required");
        let root = "\u{feff}<?xml version='1.0'?>\r\n<!-- <x/> --><ns0:Recording xmlns:ns0='x'>";
        for (content_type, disposition, body, expected) in [
            ("Application/RS-Metadata+XML ;x=y", None, "", Some(Mark::Type)),
            ("application/rs-metadata", session, "", Some(Mark::Type)),
            ("application/rs-metadata xml", None, "", Some(Mark::SimilarType)),
            ("application/rs-metadata-request", None, "", None),
            ("text/xml", session, "", Some(Mark::Disposition)),
            ("application/vnd.x+xml;y=z", session, "", Some(Mark::Disposition)),
            ("text/plain", session, "", Some(Mark::Disposition)),
            ("", session, "", Some(Mark::Disposition)),
            ("image/png", session, root, Some(Mark::Root)),
            ("image/png", session, "x", None),
            ("application/rs-metadata", session, "\r\nv=0\r\n", None),
            ("application/sdp", session, "<recording/>", Some(Mark::Root)),
            ("application/sdp", session, "", None),
            ("text/xml;charset=utf-8", None, root, Some(Mark::Root)),
            ("application/XML", Some("session"), root, Some(Mark::Root)),
            ("", None, "<recording/>", Some(Mark::Root)),
            ("text/xml", None, "<recording_metadata>", Some(Mark::Root)),
            ("application/vnd.x+xml", None, root, Some(Mark::Root)),
            ("text/plain", None, root, Some(Mark::Root)),
            ("text/plain", None, "<recordings/>", None),
            ("text/xml", None, "<recordings/>", None),
            ("text/xml", None, "<a><recording/></a>", None),
            ("text/xml", None, "<!DOCTYPE recording><recording/>", None),
            ("text/xml", None, "", None),
        ] {
            assert_eq!(mark(&part(content_type, disposition, body)), expected, "{content_type} {disposition:?} {body}");
        }
        let wide: Vec<u8> = "<recording/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(is_metadata(&Part { body: wide, ..part("text/xml", None, "") }));
    }
}
