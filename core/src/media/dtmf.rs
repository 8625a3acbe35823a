//! Where a message tells of keys that were pressed: bodies, and parts of bodies, of the types that vendors send in INFO.
//!
//! It looks at bytes, not at a parsed message: what must not be written down is to be found in what cannot be read, too.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use crate::rtp::event::TelephoneEvent;
use crate::sip::lines::line_feed;
use crate::text::{position, starts_with};

/// Bodies of a message that are looked at.
const MAX_BODIES: usize = 32;
/// Octets of the longest signal, `10` or `flash` among them.
const MAX_SIGNAL: usize = 8;

/// How a body tells of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// Lines `Signal=5` and `Duration=160` (application/dtmf-relay).
    Relay,
    /// The bare key (application/dtmf).
    Bare,
    /// Lines `p=Digit-Collection`, `d=5` (application/vnd.nortelnetworks.digits).
    Nortel,
    /// Octets of RFC 4733 (audio/telephone-event).
    Event,
    /// Another type by whose name it tells of keys, or one that is compressed: nobody knows where in it they stand.
    Opaque,
}

/// A body, or a part of one, that tells of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBody {
    /// How.
    pub form: KeyForm,
    /// Where in the message.
    pub octets: Range<usize>,
}

/// The bodies of a message that tell of keys, whatever its method; line ends before it are passed over (RFC 3261 7.5).
pub fn key_bodies(message: &[u8]) -> Vec<KeyBody> {
    let start = message.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(message.len());
    let mut walk = Walk { head: Some(Head::default()), open: None, is_outermost: true, found: Vec::new() };
    let mut at = start;
    while at < message.len() && walk.found.len() < MAX_BODIES {
        let rest = message.get(at..).unwrap_or_default();
        let length = line_feed(rest).map_or(rest.len(), |end| end + 1);
        if !walk.line(at, at + length, rest.get(..length).unwrap_or_default()) {
            break;
        }
        at += length;
    }
    walk.close(message.len());
    walk.found
}

/// The signal (`5`, `*`, `x` where it was blanked) and how long, in milliseconds, of the first key that a body tells of.
pub fn pressed(form: KeyForm, body: &[u8]) -> Option<(String, i64)> {
    if form == KeyForm::Event {
        let event = TelephoneEvent::parse(body)?;
        let signal = event.digit().map_or_else(|| "x".to_string(), |digit| digit.to_string());
        return Some((signal, i64::from(event.duration) / 8));
    }
    let text = core::str::from_utf8(body).ok()?;
    let value = |names: &[&str]| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            names.iter().any(|name| key.trim().eq_ignore_ascii_case(name)).then(|| value.trim())
        })
    };
    let signal = match form {
        KeyForm::Relay => value(&["Signal"])?,
        KeyForm::Nortel => value(&["d", "d_1", "digits"])?,
        KeyForm::Bare => value(&["Signal"]).unwrap_or(text.trim()),
        KeyForm::Event | KeyForm::Opaque => return None,
    };
    let duration = value(&["Duration"]).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    (1..=MAX_SIGNAL).contains(&signal.len()).then(|| (named(signal).to_string(), duration))
}

/// Codes of RFC 4733 that are written as numbers, as keys.
fn named(signal: &str) -> &str {
    match signal {
        "10" => "*",
        "11" => "#",
        "12" => "A",
        "13" => "B",
        "14" => "C",
        "15" => "D",
        other => other,
    }
}

/// The lines of a message, and where they stand.
struct Walk {
    /// The head of the message or of a part, while it goes on.
    head: Option<Head>,
    /// The body at hand, if it tells of keys.
    open: Option<(KeyForm, usize)>,
    is_outermost: bool,
    found: Vec<KeyBody>,
}

/// What a head says of its body.
#[derive(Debug, Default)]
struct Head {
    content_type: Vec<u8>,
    is_compressed: bool,
    /// The line at hand goes on with Content-Type.
    in_type: bool,
}

impl Walk {
    /// Takes a line with its end. `false`: the rest needs no look.
    fn line(&mut self, from: usize, to: usize, line: &[u8]) -> bool {
        if let Some(head) = &mut self.head {
            if !line.iter().all(u8::is_ascii_whitespace) {
                head.line(line);
                return true;
            }
            self.open = head.form().map(|form| (form, to));
            self.head = None;
            // A body that tells of keys from its first line on has no parts.
            let is_whole = core::mem::replace(&mut self.is_outermost, false) && self.open.is_some();
            return !is_whole;
        }
        if line.starts_with(b"--") {
            // The line's end before a delimiter is the delimiter's (RFC 2046 5.1.1).
            self.close(from);
            self.head = Some(Head::default());
        } else if self.open.is_none() && begins_signal(line) {
            // Its type is missing, or says something else.
            self.open = Some((KeyForm::Relay, from));
        }
        true
    }

    fn close(&mut self, to: usize) {
        if let Some((form, from)) = self.open.take() {
            self.found.push(KeyBody { form, octets: from..to.max(from) });
        }
    }
}

impl Head {
    fn line(&mut self, line: &[u8]) {
        let is_folded = line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t'));
        let value = if is_folded {
            if self.in_type { line } else { return }
        } else {
            let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii();
            self.in_type = name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c");
            let is_coding = name.eq_ignore_ascii_case(b"content-encoding")
                || name.eq_ignore_ascii_case(b"e")
                || name.eq_ignore_ascii_case(b"content-transfer-encoding");
            let coding = value.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii();
            let is_plain =
                [&b"identity"[..], b"7bit", b"8bit", b"binary", b""].iter().any(|c| coding.eq_ignore_ascii_case(c));
            self.is_compressed |= is_coding && !is_plain;
            if !self.in_type {
                return;
            }
            value.strip_prefix(b":").unwrap_or_default()
        };
        if self.content_type.is_empty() {
            self.content_type.extend_from_slice(value.trim_ascii());
        }
    }

    fn form(&self) -> Option<KeyForm> {
        let ends = |octet: &u8| *octet == b';' || octet.is_ascii_whitespace();
        let kind = self.content_type.split(ends).next().unwrap_or_default();
        let holds = |word: &[u8]| position(kind, word).is_some();
        let form = match kind {
            kind if kind.eq_ignore_ascii_case(b"application/dtmf-relay") => KeyForm::Relay,
            kind if kind.eq_ignore_ascii_case(b"application/dtmf") => KeyForm::Bare,
            kind if kind.eq_ignore_ascii_case(b"application/vnd.nortelnetworks.digits") => KeyForm::Nortel,
            kind if kind.eq_ignore_ascii_case(b"audio/telephone-event") => KeyForm::Event,
            _ if holds(b"dtmf") || holds(b"digits") || holds(b"telephone-event") || holds(b"kpml-response") => {
                KeyForm::Opaque
            }
            _ => return None,
        };
        Some(if self.is_compressed { KeyForm::Opaque } else { form })
    }
}

fn begins_signal(line: &[u8]) -> bool {
    let rest = line.trim_ascii_start();
    starts_with(rest, b"signal") && rest.get(6..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forms and bodies.
    fn found(message: &[u8]) -> Vec<(KeyForm, Vec<u8>)> {
        let bodies = key_bodies(message).into_iter();
        bodies.map(|body| (body.form, message.get(body.octets).unwrap().to_vec())).collect()
    }

    fn of(kind: &str, body: &str) -> Option<(String, i64)> {
        let message = alloc::format!("\r\n\r\nINFO sip:a SIP/2.0\r\nc:\r\n {kind}\r\n\r\n{body}");
        let bodies = found(message.as_bytes());
        assert!(bodies.len() <= 1, "{bodies:?}");
        bodies.first().and_then(|(form, body)| pressed(*form, body))
    }

    #[test]
    fn every_form_is_read() {
        let five = Some(("5".to_string(), 160));
        assert_eq!(of("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), five);
        assert_eq!(of("Application/DTMF-Relay; x=y", "signal= 5\nduration = 160"), five);
        assert_eq!(of("text/plain", "Signal=5\r\nDuration=160\r\n"), five);
        assert_eq!(of("application/dtmf", "#\r\n"), Some(("#".to_string(), 0)));
        assert_eq!(of("application/dtmf", "a long text"), None);
        assert_eq!(of("application/dtmf-relay", "Signal=11\r\n"), Some(("#".to_string(), 0)));
        assert_eq!(of("text/plain", "5"), None);
        let nortel = "p=Digit-Collection\r\ny=Digits\r\nd=9\r\n";
        assert_eq!(of("application/vnd.nortelnetworks.digits", nortel), Some(("9".to_string(), 0)));
        assert_eq!(of("audio/telephone-event", "\x0a\x0a\x05\x00"), Some(("*".to_string(), 160)));
        assert_eq!(of("application/x-dtmf-thing", "5"), None);
    }

    #[test]
    fn parts_are_found_wherever_they_stand_and_others_are_left() {
        let part = |kind: &str, body: &str| alloc::format!("--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
        let parts = [
            part("text/plain", "5"),
            part("application/dtmf-relay", "Signal=5\r\nDuration=160"),
            part("multipart/mixed;boundary=c", "--c\r\nContent-Type: application/dtmf\r\n\r\n7\r\n--c--"),
        ];
        let head = "INFO sip:a SIP/2.0\r\nAccept: application/dtmf\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n";
        let message = alloc::format!("{head}{}--b--\r\n", parts.concat());
        let wanted = [(KeyForm::Relay, b"Signal=5\r\nDuration=160\r\n".to_vec()), (KeyForm::Bare, b"7\r\n".to_vec())];
        assert_eq!(found(message.as_bytes()), wanted);
        let sdp = "INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\na=rtpmap:101 telephone-event/8000\r\n";
        assert_eq!(found(sdp.as_bytes()), []);
        let packed = "INFO sip:a SIP/2.0\r\nContent-Encoding: gzip\r\nContent-Type: application/dtmf\r\n\r\nzip";
        assert_eq!(found(packed.as_bytes()), [(KeyForm::Opaque, b"zip".to_vec())]);
        for nothing in [&b""[..], b"\r\n\r\n", b"INFO", b"\r\n\r\n\r\n--"] {
            assert_eq!(found(nothing), []);
        }
    }
}
