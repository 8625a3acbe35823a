//! The head of a request: line ends, lengths, what every request needs, and what makes it a recording session's.

use alloc::string::String;

use crate::deviation::{Deviations, codes, quote};
use crate::session::is_siprec_invite;
use crate::sip::{Message, Method, NameAddr, Transport};

/// A datagram may be larger than the path's MTU from here on (RFC 3261 18.1.1).
const SAFE_DATAGRAM: usize = 1300;
/// What branches begin with (RFC 3261 8.1.1.7).
const COOKIE: &str = "z9hG4bK";
/// The feature tag of an SRC (RFC 7866 11.2.1), and what it has been mistaken for.
const FEATURE_TAG: &str = "+sip.src";
const MISSPELT: &[&str] = &["src", "+sip-src", "sip.src"];

pub(super) fn inspect(message: &Message, bytes: &[u8], transport: Transport, deviations: &mut Deviations) {
    let Some(method) = message.method() else { return };
    framing(message, bytes, transport, deviations);
    if message.header("Max-Forwards").is_none() {
        deviations.add(&codes::NO_MAX_FORWARDS, format_args!("there is no Max-Forwards"));
    }
    if let Some(via) = message.via_top()
        && !via.branch().is_some_and(|branch| branch.len() > COOKIE.len() && branch.starts_with(COOKIE))
    {
        let branch = via.branch().unwrap_or_default();
        deviations.add(&codes::NO_BRANCH, format_args!("the topmost Via's branch is '{}'", quote(branch)));
    }
    numbers(message, deviations);
    let is_secure = |uri: &str| uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"));
    let uses_sips = message.uri().is_some_and(is_secure)
        || message.contacts().iter().any(|contact| contact.uri.scheme.eq_ignore_ascii_case("sips"));
    if uses_sips && transport != Transport::Tls {
        deviations.add(&codes::SIPS_IN_CLEAR, format_args!("a sips URI came over {transport}"));
    }
    if *method == Method::Bye && message.to_tag().is_none() {
        deviations.add(&codes::BYE_WITHOUT_TO_TAG, format_args!("the BYE's To has no tag"));
    }
    if *method == Method::Invite {
        contact(message, deviations);
        if message.to_tag().is_none() {
            beginning(message, deviations);
        }
    }
}

/// Header fields that are numbers; what stands behind a semicolon is not.
fn numbers(message: &Message, deviations: &mut Deviations) {
    for (name, most) in [
        ("Max-Forwards", 255),
        ("Session-Expires", u64::from(u32::MAX)),
        ("Min-SE", u64::from(u32::MAX)),
        ("RSeq", u64::from(u32::MAX)),
    ] {
        let Some(value) = message.header(name) else { continue };
        let number = value.split(';').next().unwrap_or_default().trim();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || number.parse().is_ok_and(|n: u64| n > most) || number.len() > 20 {
            deviations.add(&codes::BAD_NUMBER, format_args!("{name}: {}", quote(value)));
        }
    }
}

/// What only the bytes tell.
fn framing(message: &Message, bytes: &[u8], transport: Transport, deviations: &mut Deviations) {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let mut head_len = 0;
    let (mut is_bare, mut announced) = (false, None);
    let mut has_nul = false;
    // Line ends before a message are none of it (RFC 3261 7.5).
    let mut has_begun = false;
    for line in lines.by_ref() {
        head_len += line.len();
        let text = line.trim_ascii();
        if text.is_empty() && has_begun {
            break;
        }
        let is_field = has_begun && !matches!(line.first(), Some(b' ' | b'\t'));
        if is_field && !text.contains(&b':') {
            let text = String::from_utf8_lossy(text);
            deviations.add(&codes::HEADER_WITHOUT_COLON, format_args!("no colon in: {}", quote(&text)));
        }
        has_nul |= text.contains(&0);
        has_begun |= !text.is_empty();
        is_bare |= has_begun && line.ends_with(b"\n") && !line.ends_with(b"\r\n");
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            let value = text.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default();
            announced = Some(core::str::from_utf8(value).ok().and_then(|value| value.trim().parse::<usize>().ok()));
        }
    }
    if has_nul {
        deviations.add(&codes::NUL_BYTES, format_args!("a NUL byte stands in the head"));
    }
    if is_bare {
        deviations.add(&codes::BARE_LINE_FEEDS, format_args!("lines of the head end with LF alone"));
    }
    if announced.is_none() {
        deviations.add(&codes::NO_CONTENT_LENGTH, format_args!("there is no Content-Length"));
    }
    let surplus = bytes.len().saturating_sub(head_len).saturating_sub(message.body.len());
    if let Some(announced) = announced.flatten().filter(|announced| *announced > message.body.len()) {
        let there = message.body.len();
        deviations.add(&codes::SHORT_BODY, format_args!("Content-Length is {announced}, the body {there} octets"));
    }
    if announced.is_some() && surplus > 0 {
        let announced = message.body.len();
        let told = format_args!("Content-Length is {announced}, and {surplus} octets more are there");
        deviations.add(&codes::SURPLUS_AFTER_BODY, told);
    }
    if transport == Transport::Udp && bytes.len() > SAFE_DATAGRAM {
        deviations.add(&codes::LARGE_DATAGRAM, format_args!("{} octets in a datagram", bytes.len()));
    }
}

fn contact(message: &Message, deviations: &mut Deviations) {
    let mut values = message.headers_all("Contact");
    let Some(value) = values.next() else {
        deviations.add(&codes::NO_CONTACT, format_args!("there is no Contact"));
        return;
    };
    let more = values.count();
    if more > 0 {
        deviations.add(&codes::SEVERAL_CONTACTS, format_args!("there are {} Contacts", more + 1));
    }
    let closed = value.contains('>') && value.matches('<').count() == 1;
    let is_bare = !value.contains('<');
    if NameAddr::parse(value).is_err() || (is_bare && value.contains([';', '?'])) || (!is_bare && !closed) {
        deviations.add(&codes::CONTACT_FORM, format_args!("Contact: {}", quote(value)));
    }
}

/// The INVITE that begins a session.
fn beginning(message: &Message, deviations: &mut Deviations) {
    if !is_siprec_invite(message) {
        deviations.add(&codes::NOT_SIPREC, format_args!("neither Require: siprec, nor a feature tag, nor metadata"));
    }
    if !message.require().iter().any(|tag| tag.eq_ignore_ascii_case("siprec")) {
        deviations.add(&codes::NO_REQUIRE_SIPREC, format_args!("Require does not list siprec"));
    }
    let contacts = message.contacts();
    if let Some(value) = contacts.iter().find_map(|contact| contact.params.get(FEATURE_TAG)) {
        if value.eq_ignore_ascii_case("FALSE") {
            deviations.add(&codes::SRC_TAG_FALSE, format_args!("Contact has {FEATURE_TAG}=\"FALSE\""));
        }
        return;
    }
    let misspelt = |contact: &NameAddr| MISSPELT.iter().find(|name| contact.anywhere(name).is_some()).copied();
    if contacts.iter().any(|contact| contact.uri.params.has(FEATURE_TAG)) {
        deviations.add(&codes::SRC_TAG_IN_URI, format_args!("{FEATURE_TAG} stands inside the Contact's brackets"));
    } else if let Some(name) = contacts.iter().find_map(misspelt) {
        deviations.add(&codes::SRC_TAG_MISSPELT, format_args!("Contact has ;{name} in place of ;{FEATURE_TAG}"));
    } else {
        deviations.add(&codes::NO_SRC_TAG, format_args!("Contact has no {FEATURE_TAG}"));
    }
}
