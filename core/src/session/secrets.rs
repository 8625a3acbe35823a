//! Blanking secrets in a message that is kept or shown, at equal length, so that Content-Length and every offset stay true.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::media::Digits;
use crate::media::dtmf::{KeyBody, KeyForm, key_bodies};
use crate::rtp::event::MASKED;
use crate::sip::lines::lines;
use crate::text::{position, starts_with};

/// What a secret's bytes become.
const BLANK: u8 = b'x';

/// Blanks SDES keys (`a=crypto: ... inline:`, RFC 4568), `k=` lines (RFC 8866 5.12) and what proves a password
/// in Authorization and Proxy-Authorization (RFC 3261 20.7, 20.28).
#[must_use]
pub fn blank_secrets(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    if !lines(message).any(may_hold_a_secret) {
        return out;
    }
    let mut lines = out.split_mut(|byte| *byte == b'\n');
    let mut scheme = None;
    for line in lines.by_ref() {
        if line.iter().all(u8::is_ascii_whitespace) {
            break;
        }
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let value = if folded { Some(line) } else { credentials(line, &mut scheme) };
        if let (Some(scheme), Some(value)) = (scheme, value) {
            blank_proof(scheme, value);
        }
    }
    lines.for_each(key_line);
    out
}

/// A session description with its keys blanked.
pub(super) fn blank_keys(description: &[u8]) -> Vec<u8> {
    let mut out = description.to_vec();
    out.split_mut(|byte| *byte == b'\n').for_each(key_line);
    out
}

fn key_line(line: &mut [u8]) {
    if starts_with(line, b"a=crypto:") {
        inline_keys(line);
    } else if starts_with(line, b"k=") {
        blank(line.get_mut(2..).unwrap_or_default());
    }
}

/// Whether a line, wherever it stands, begins as those do that hold secrets.
fn may_hold_a_secret(line: &[u8]) -> bool {
    match line {
        [b'a' | b'A', ..] => starts_with(line, b"a=crypto:") || starts_with(line, b"authorization"),
        [b'p' | b'P', ..] => starts_with(line, b"proxy-authorization"),
        [b'k' | b'K', ..] => starts_with(line, b"k="),
        _ => false,
    }
}

/// A message without the digits that it tells of (as INFO does, in whatever body or part: [`crate::media::dtmf`]), at equal
/// length; every other as it is.
#[must_use]
pub fn without_digits(message: &[u8], digits: Digits) -> Cow<'_, [u8]> {
    let bodies = if digits == Digits::Keep { Vec::new() } else { key_bodies(message) };
    if bodies.is_empty() {
        return Cow::Borrowed(message);
    }
    let mut out = message.to_vec();
    for KeyBody { form, octets } in bodies {
        let body = out.get_mut(octets).unwrap_or_default();
        match form {
            KeyForm::Event if digits == Digits::Mask => {
                if let Some(code) = body.first_mut() {
                    *code = MASKED;
                }
            }
            // Any octet may be part of it.
            KeyForm::Event => body.fill(BLANK),
            KeyForm::Opaque | KeyForm::Bare => blank(body),
            KeyForm::Relay | KeyForm::Nortel => body.split_mut(|byte| *byte == b'\n').for_each(|line| {
                let value = line.iter().position(|byte| *byte == b'=').map_or(0, |equals| equals + 1);
                if digits == Digits::Drop || !starts_with(line.trim_ascii_start(), b"duration") {
                    blank(line.get_mut(value..).unwrap_or_default());
                }
            }),
        }
    }
    Cow::Owned(out)
}

/// How a header proves that its sender knows a password.
#[derive(Clone, Copy)]
enum Scheme {
    /// By the parameter `response`; the others are open (RFC 7616 3.4).
    Digest,
    /// By all that follows the scheme's name: Basic, Bearer and whatever else there is.
    Other,
}

/// What follows the scheme's name, where the line is an Authorization or a Proxy-Authorization; `scheme` becomes its scheme,
/// or none for another header.
fn credentials<'a>(line: &'a mut [u8], scheme: &mut Option<Scheme>) -> Option<&'a mut [u8]> {
    *scheme = None;
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_mut_checked(colon)?;
    let name = name.trim_ascii();
    if !name.eq_ignore_ascii_case(b"authorization") && !name.eq_ignore_ascii_case(b"proxy-authorization") {
        return None;
    }
    let start = value.iter().skip(1).position(|byte| !byte.is_ascii_whitespace())? + 1;
    let value = value.get_mut(start..)?;
    *scheme = Some(if starts_with(value, b"digest") { Scheme::Digest } else { Scheme::Other });
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(0);
    value.get_mut(end..)
}

fn blank_proof(scheme: Scheme, value: &mut [u8]) {
    match scheme {
        Scheme::Other => blank(value),
        Scheme::Digest => {
            let Some(at) = position(value, b"response=") else { return };
            let proof = value.get_mut(at + b"response=".len()..).unwrap_or_default();
            let end = proof.iter().position(|byte| *byte == b',').unwrap_or(proof.len());
            blank(proof.get_mut(..end).unwrap_or_default());
        }
    }
}

/// Each key up to its lifetime (`|`), the next key (`;`) or the next parameter. Its padding stays: a replay must find a key
/// of the same length there.
fn inline_keys(mut line: &mut [u8]) {
    while let Some(at) = position(line, b"inline:") {
        let rest = line.get_mut(at + b"inline:".len()..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'|' | b';' | b' ' | b'\t' | b'\r')).unwrap_or(rest.len());
        let (key, rest) = rest.split_at_mut(end);
        let digits = key.iter().position(|byte| *byte == b'=').unwrap_or(key.len());
        blank(key.get_mut(..digits).unwrap_or_default());
        line = rest;
    }
}

/// Blanks all but white space and quotes.
fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'"') {
        *byte = BLANK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::String;

    #[test]
    fn digits_of_an_info_go_and_nothing_else() {
        let info = |kind: &str, body: &str| alloc::format!("INFO sip:a SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}");
        let kept = |message: &str, digits| String::from_utf8(without_digits(message.as_bytes(), digits).into_owned());
        let relay = info("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
        let body = |message: &str, digits| kept(message, digits).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&relay, Digits::Keep), "Signal=5\r\nDuration=160\r\n");
        assert_eq!(body(&relay, Digits::Mask), "Signal=x\r\nDuration=160\r\n");
        assert_eq!(body(&relay, Digits::Drop), "Signal=x\r\nDuration=xxx\r\n");
        assert_eq!(body(&info("Application/DTMF", "7"), Digits::Mask), "x");
        let other = info("application/media_control+xml", "a=5");
        assert_eq!(body(&other, Digits::Drop), "a=5");
        // RFC 3261 7.5: line ends before a message mean nothing.
        assert_eq!(
            kept(&alloc::format!("\r\n{relay}"), Digits::Mask).unwrap(),
            alloc::format!("\r\n{}", relay.replace("=5", "=x"))
        );
    }

    #[test]
    fn digits_of_parts_and_of_other_vendors_go_as_well() {
        let info = |kind: &str, body: &[u8]| {
            [alloc::format!("INFO sip:a SIP/2.0\r\nContent-Type: {kind}\r\n\r\n").as_bytes(), body].concat()
        };
        let body = |message: &[u8], digits| {
            let kept = without_digits(message, digits).into_owned();
            assert_eq!(kept.len(), message.len());
            kept.get(message.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..).unwrap().to_vec()
        };
        let part =
            b"--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n--b\r\n\r\n5\r\n--b--";
        let masked =
            b"--b\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=x\r\nDuration=160\r\n--b\r\n\r\n5\r\n--b--";
        assert_eq!(body(&info("multipart/mixed;boundary=b", part), Digits::Mask), masked);
        let nortel = info("application/vnd.nortelnetworks.digits", b"y=Digits\r\nd=5\r\n");
        assert_eq!(body(&nortel, Digits::Mask), b"y=xxxxxx\r\nd=x\r\n");
        let event = info("audio/telephone-event", &[10, 0x8a, 3, 0x20]);
        assert_eq!(body(&event, Digits::Mask), [255, 0x8a, 3, 0x20]);
        assert_eq!(body(&event, Digits::Drop), *b"xxxx");
        assert_eq!(body(&event, Digits::Keep), [10, 0x8a, 3, 0x20]);
    }

    fn blanked(message: &str) -> String {
        let bytes = blank_secrets(message.as_bytes());
        assert_eq!(bytes.len(), message.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn keys_of_srtp_are_blanked_and_their_parameters_stay() {
        let body = "INVITE sip:a SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:4;inline:bW9yZQ==|2^20|2:4 UNENCRYPTED_SRTCP\r\nk=base64:c2VjcmV0\r\n";
        let wanted = "INVITE sip:a SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxxxxxx|2^20|1:4;inline:xxxxxx==|2^20|2:4 UNENCRYPTED_SRTCP\r\nk=xxxxxxxxxxxxxxx\r\n";
        assert_eq!(blanked(body), wanted);
    }

    #[test]
    fn credentials_are_blanked_folded_or_not() {
        let head = "INVITE sip:a SIP/2.0\nProxy-Authorization : Digest username=\"a\", realm=\"b\",\r\n response=\"0123abcd\", qop=auth\r\nauthorization: Basic YTpi\r\nAuthorization: Bearer ey.J=\r\nFrom: <sip:a>\r\n\r\nresponse=stays";
        let wanted = "INVITE sip:a SIP/2.0\nProxy-Authorization : Digest username=\"a\", realm=\"b\",\r\n response=\"xxxxxxxx\", qop=auth\r\nauthorization: Basic xxxx\r\nAuthorization: Bearer xxxxx\r\nFrom: <sip:a>\r\n\r\nresponse=stays";
        assert_eq!(blanked(head), wanted);
    }

    #[test]
    fn anything_else_stays() {
        assert_eq!(blanked("Authorization:"), "Authorization:");
        let message = "REGISTER sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKk=1\r\nX: inline:abc response=\"1\"\r\n\r\na=key:inline:abc\r\n";
        assert_eq!(blanked(message), message);
    }
}
