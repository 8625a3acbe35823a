//! The body of a request: its parts, and how they are told apart.

use crate::deviation::{Deviations, codes, quote};
use crate::metadata::is_metadata_type;
use crate::sip::multipart::{MultipartError, Part, is_understood, parts};
use crate::sip::survey::survey;
use crate::sip::{Message, Method};

pub(super) fn inspect(message: &Message, deviations: &mut Deviations) {
    let begins = message.method() == Some(&Method::Invite) && message.to_tag().is_none();
    let Some(content_type) = message.content_type() else {
        if !message.body.is_empty() {
            deviations
                .add(&codes::NO_CONTENT_TYPE, format_args!("a body of {} octets has no type", message.body.len()));
        }
        if begins {
            missing(&[], deviations);
        }
        return;
    };
    let found = match parts(content_type, &message.body) {
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
    delimiters(content_type, &message.body, deviations);
    for part in &found {
        judge(part, deviations);
    }
    if begins {
        missing(&found, deviations);
    }
}

/// What the INVITE that begins a session should bring.
fn missing(found: &[Part], deviations: &mut Deviations) {
    if !found.iter().any(|part| part.is("application/sdp")) {
        deviations.add(&codes::NO_OFFER, format_args!("the INVITE has no SDP"));
    }
    if !found.iter().any(|part| is_metadata_type(&part.content_type)) {
        deviations.add(&codes::NO_METADATA, format_args!("the INVITE has no metadata"));
    }
}

fn delimiters(content_type: &str, body: &[u8], deviations: &mut Deviations) {
    let Ok(found) = survey(content_type, body) else { return };
    if found.preamble > 0 {
        deviations.add(&codes::PREAMBLE, format_args!("{} octets before the first delimiter", found.preamble));
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
    if is_metadata_type(&part.content_type) {
        let named = disposition.split(';').next().unwrap_or_default().trim();
        if !named.eq_ignore_ascii_case("recording-session") {
            deviations
                .add(&codes::METADATA_DISPOSITION, format_args!("the metadata's disposition is '{}'", quote(named)));
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
