//! The body of a request: its parts, and how they are told apart.

use crate::deviation::{Deviations, codes, quote};
use crate::metadata::{Mark, is_metadata, mark};
use crate::sip::multipart::{BoundaryFlaw, MultipartError, Part, is_multipart, is_understood};
use crate::sip::survey::survey;
use crate::sip::{Message, Method};

pub(super) fn inspect(message: &Message, deviations: &mut Deviations) {
    let begins = message.method() == Some(&Method::Invite) && message.to_tag().is_none();
    let content_type = message.content_type().unwrap_or_default();
    if content_type.is_empty() && !message.body.is_empty() {
        deviations.add(&codes::NO_CONTENT_TYPE, format_args!("a body of {} octets has no type", message.body.len()));
    }
    if let Some(coding) = message.coding().filter(|_| !message.body.is_empty()) {
        deviations.add(&codes::CONTENT_ENCODING, format_args!("the body is sent in {}", quote(coding)));
        return;
    }
    let found = match message.parts() {
        Ok(found) => found,
        Err(error) => {
            let code = match error {
                MultipartError::NoBoundary | MultipartError::LongBoundary => &codes::NO_BOUNDARY,
                MultipartError::NoDelimiter => &codes::NO_DELIMITER,
                MultipartError::TooManyParts => &codes::TOO_MANY_PARTS,
            };
            deviations.add(code, format_args!("{error}: {}", quote(content_type)));
            return;
        }
    };
    if message.is_multipart() {
        let is_named = is_multipart(content_type);
        if !is_named && !content_type.is_empty() {
            let told = format_args!("a body of several parts is called {}", quote(content_type));
            deviations.add(&codes::BODY_TYPE, told);
        }
        delimiters(if is_named { content_type } else { "multipart/mixed" }, &message.body, is_named, deviations);
    }
    for part in found.iter().filter(|part| !part.content_type.is_empty() || is_metadata(part)) {
        judge(part, deviations);
    }
    several(message, &found, deviations);
    if begins {
        missing(&found, deviations);
    }
}

/// What stands there more than once, and what stands where it should not.
fn several(message: &Message, found: &[Part], deviations: &mut Deviations) {
    let count = |is_one: fn(&Part) -> bool| found.iter().filter(|part| is_one(part)).count();
    let (sdps, documents) = (count(is_sdp), count(is_metadata));
    if sdps > 1 {
        deviations.add(&codes::SDP_TWICE, format_args!("{sdps} session descriptions"));
    }
    if documents > 1 {
        deviations.add(&codes::METADATA_TWICE, format_args!("{documents} metadata parts"));
    }
    if documents > 0
        && let Some(method @ (Method::Info | Method::Message | Method::Options)) = message.method()
    {
        deviations.add(&codes::METADATA_METHOD, format_args!("the metadata came in {method}"));
    }
}

fn is_sdp(part: &Part) -> bool {
    part.is_sdp()
}

/// What the INVITE that begins a session should bring, readable.
fn missing(found: &[Part], deviations: &mut Deviations) {
    let has = |is_one: fn(&Part) -> bool| found.iter().any(|part| part.coding.is_none() && is_one(part));
    if !has(is_sdp) {
        deviations.add(&codes::NO_OFFER, format_args!("the INVITE has no SDP"));
    }
    if !has(is_metadata) {
        deviations.add(&codes::NO_METADATA, format_args!("the INVITE has no metadata"));
    }
}

fn delimiters(content_type: &str, body: &[u8], is_named: bool, deviations: &mut Deviations) {
    let Ok(found) = survey(content_type, body) else {
        deviations.add(&codes::BODY_TYPE, format_args!("{} has no parts", quote(content_type)));
        return;
    };
    if found.preamble > 0 {
        deviations.add(&codes::PREAMBLE, format_args!("{} octets before the first delimiter", found.preamble));
    }
    match found.flaw {
        Some(BoundaryFlaw::Quotes | BoundaryFlaw::Case) => {
            let told = format_args!("the body has another spelling than {}", quote(content_type));
            deviations.add(&codes::BOUNDARY_SPELLING, told);
        }
        Some(BoundaryFlaw::Unnamed | BoundaryFlaw::Other) if is_named => {
            let told = format_args!("the body's boundary is not in {}", quote(content_type));
            deviations.add(&codes::BOUNDARY_GUESSED, told);
        }
        Some(BoundaryFlaw::Unnamed | BoundaryFlaw::Other) | None => {}
    }
    if found.is_padded {
        deviations.add(&codes::DELIMITER_PADDING, format_args!("blanks behind a delimiter"));
    }
    if !found.is_closed {
        deviations.add(&codes::NO_CLOSING_DELIMITER, format_args!("the last part is not closed"));
    }
    for part in &found.parts {
        if part.content_type.is_none() {
            deviations.add(&codes::PART_WITHOUT_TYPE, format_args!("a part of {} octets has no type", part.octets));
        }
        if let Some(length) = part.length.as_deref()
            && length.parse() != Ok(part.octets)
        {
            let told = format_args!("a part's Content-Length is {}, its content {}", quote(length), part.octets);
            deviations.add(&codes::PART_LENGTH, told);
        }
        let plain = ["", "7bit", "8bit", "binary"];
        let encoding = part.encoding.as_deref().unwrap_or_default();
        if !plain.iter().any(|known| encoding.eq_ignore_ascii_case(known)) {
            deviations.add(&codes::PART_ENCODING, format_args!("a part is sent in {}", quote(encoding)));
        }
    }
}

fn judge(part: &Part, deviations: &mut Deviations) {
    let disposition = part.disposition.as_deref().unwrap_or_default();
    let mark = mark(part);
    if let Some(coding) = part.coding.as_deref().filter(|_| mark.is_some() || is_sdp(part)) {
        let told = format_args!("a part of type {} is sent in {}", quote(&part.content_type), quote(coding));
        deviations.add(&codes::CONTENT_ENCODING, told);
    }
    if let Some(mark) = mark {
        if mark != Mark::Type {
            let told = format_args!("metadata of type '{}' is known by {}", quote(&part.content_type), mark.words());
            deviations.add(&codes::METADATA_TYPE, told);
        }
        let named = disposition.split(';').next().unwrap_or_default().trim();
        if !named.eq_ignore_ascii_case("recording-session") {
            deviations
                .add(&codes::METADATA_DISPOSITION, format_args!("the metadata's disposition is '{}'", quote(named)));
        }
    } else if is_sdp(part) {
        if !part.is("application/sdp") && !part.content_type.is_empty() {
            let told = format_args!("a session description is called {}", quote(&part.content_type));
            deviations.add(&codes::BODY_TYPE, told);
        }
    } else if !is_understood(&part.content_type) {
        let lower = disposition.to_ascii_lowercase();
        if lower.contains("handling=required") || lower.contains("handling=\"required\"") {
            deviations.add(&codes::UNKNOWN_REQUIRED_PART, format_args!("a part of type {}", quote(&part.content_type)));
        } else if part.is_required() {
            deviations.add(&codes::UNKNOWN_PART, format_args!("a part of type {}", quote(&part.content_type)));
        }
    }
}
