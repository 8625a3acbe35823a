//! What a request carries: its SDP, its metadata, and whether it is a recording session at all.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::legacy;
use crate::sip::Method;
use crate::sip::check::Rejection;
use crate::sip::message::Message;
use crate::sip::multipart;

/// The bodies that a recorder reads, wherever in the message they stood.
#[derive(Debug, Default)]
pub struct Bodies {
    /// The session description.
    pub sdp: Option<Vec<u8>>,
    /// Metadata parts (type, content), in order.
    pub metadata: Vec<(String, Vec<u8>)>,
}

/// What a part is to us.
enum Meaning {
    Sdp,
    Metadata,
    Unknown,
}

impl Bodies {
    /// Reads the body of `message`. Refuses only what leaves nothing usable, or what the SRC itself says must be
    /// understood (RFC 5621 8).
    ///
    /// # Errors
    /// The refusal.
    pub fn read(message: &Message) -> Result<Self, Rejection> {
        let mut bodies = Self::default();
        if message.body.is_empty() {
            return Ok(bodies);
        }
        let content_type = message.header("Content-Type").unwrap_or("application/sdp");
        if !is_type(content_type, "multipart/") {
            let disposition = message.header("Content-Disposition");
            let encoding = message.header("Content-Encoding");
            if encoding.is_some_and(|e| !e.trim().is_empty() && !e.trim().eq_ignore_ascii_case("identity")) {
                return Err(Rejection::new(415, "Unsupported Content-Encoding", "RFC 3261 8.2.3"));
            }
            if !bodies.take(content_type, disposition, message.body.clone()) && !is_optional(disposition) {
                return Err(Rejection::new(415, "Unsupported Media Type", "RFC 3261 8.2.3"));
            }
            return Ok(bodies);
        }
        let parts = multipart::parts(content_type, &message.body)
            .map_err(|_| Rejection::new(400, "Bad Multipart Body", "RFC 2046 5.1"))?;
        let mut refused = false;
        for part in parts {
            let disposition = part.disposition.clone();
            let known = bodies.take(&part.content_type, disposition.as_deref(), part.body);
            refused |= !known && is_required(disposition.as_deref());
        }
        if refused {
            return Err(Rejection::new(415, "Unsupported Media Type", "RFC 5621 8"));
        }
        Ok(bodies)
    }

    /// Takes what a request says in a dialect of before SIPREC for the metadata that it stands for, if it has no other.
    /// `is_beside`: another dialog tells of the rest of the call.
    pub(super) fn translate(&mut self, message: &Message, is_beside: bool) -> bool {
        if !self.metadata.is_empty() || is_recording_session(message, self) {
            return false;
        }
        let said = legacy::metadata(message, self.sdp.as_deref(), is_beside);
        self.metadata.extend(said);
        !self.metadata.is_empty()
    }

    /// Whether the part was one of ours.
    fn take(&mut self, content_type: &str, disposition: Option<&str>, body: Vec<u8>) -> bool {
        match meaning(content_type, disposition) {
            Meaning::Sdp if self.sdp.is_none() => self.sdp = Some(body),
            Meaning::Sdp => {}
            Meaning::Metadata => self.metadata.push((content_type.to_string(), body)),
            Meaning::Unknown => return false,
        }
        true
    }
}

/// Whether a request is the INVITE of a recording session.
pub fn is_siprec_invite(message: &Message) -> bool {
    message.method() == Some(&Method::Invite)
        && Bodies::read(message).is_ok_and(|bodies| is_recording_session(message, &bodies))
}

/// Whether an INVITE is a recording session's: one of the signs that real SRCs give (RFC 7866 6.2 wants two of them).
pub(super) fn is_recording_session(message: &Message, bodies: &Bodies) -> bool {
    requires_siprec(message) || is_tagged(message) || !bodies.metadata.is_empty()
}

/// Whether Require has the option tag.
pub(super) fn requires_siprec(message: &Message) -> bool {
    message.require().iter().any(|tag| tag.eq_ignore_ascii_case("siprec"))
}

/// Whether Contact has the feature tag, in one of the spellings that there are.
pub(super) fn is_tagged(message: &Message) -> bool {
    message.headers_all("Contact").any(|contact| {
        let contact = contact.to_ascii_lowercase();
        let parameter = |p: &str| matches!(p.split('=').next().map(str::trim), Some("+sip.src" | "+sip-src" | "src"));
        contact.split([';', '>']).skip(1).any(parameter)
    })
}

fn meaning(content_type: &str, disposition: Option<&str>) -> Meaning {
    let recording = disposition.is_some_and(|d| is_type(d, "recording-session"));
    if is_type(content_type, "application/sdp") {
        Meaning::Sdp
    } else if is_type(content_type, "application/rs-metadata")
        || (recording && (content_type.contains("xml") || content_type.trim().is_empty()))
    {
        Meaning::Metadata
    } else {
        Meaning::Unknown
    }
}

/// Prefix comparison: parameters and `+xml` may follow.
fn is_type(value: &str, wanted: &str) -> bool {
    value.trim_start().get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
}

fn handling(disposition: Option<&str>) -> Option<&str> {
    disposition?.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("handling").then(|| value.trim().trim_matches('"'))
    })
}

fn is_optional(disposition: Option<&str>) -> bool {
    handling(disposition).is_some_and(|h| h.eq_ignore_ascii_case("optional"))
}

fn is_required(disposition: Option<&str>) -> bool {
    handling(disposition).is_some_and(|h| h.eq_ignore_ascii_case("required"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn invite(headers: &str, body: &str) -> Message {
        let length = body.len();
        let text = format!(
            "INVITE sip:srs@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:srs@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        Message::parse_datagram(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_unknown_body_is_refused_unless_it_is_optional() {
        let unknown = invite("Content-Type: application/foo\r\n", "x");
        assert_eq!(Bodies::read(&unknown).unwrap_err().status, 415);
        let optional = invite("Content-Type: application/foo\r\nContent-Disposition: x;handling=optional\r\n", "x");
        assert!(Bodies::read(&optional).unwrap().sdp.is_none());
    }

    #[test]
    fn an_unknown_part_is_refused_only_where_the_src_insists() {
        let body = |disposition: &str| {
            format!(
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/gtd\r\n{disposition}\r\nx\r\n--b--\r\n"
            )
        };
        let header = "Content-Type: multipart/mixed;boundary=b\r\n";
        assert_eq!(Bodies::read(&invite(header, &body(""))).unwrap().sdp.as_deref(), Some(&b"v=0"[..]));
        let insisted = body("Content-Disposition: signal;handling=required\r\n");
        assert_eq!(Bodies::read(&invite(header, &insisted)).unwrap_err().status, 415);
    }

    #[test]
    fn every_sign_of_siprec_counts_and_an_ordinary_invite_has_none() {
        let signs = [
            "Require: siprec\r\n",
            "Contact: <sip:a@b>;+sip.src\r\n",
            "Contact: <sip:a@b> ; +SIP.SRC=\"TRUE\"\r\n",
            "Contact: <sip:a@b>;src\r\n",
            "Contact: <sip:a@b;+sip.src>\r\n",
        ];
        for sign in signs {
            assert!(is_recording_session(&invite(sign, ""), &Bodies::default()), "{sign}");
        }
        let plain = "Contact: <sip:src@b>;isfocus\r\nSupported: siprec\r\n";
        assert!(!is_recording_session(&invite(plain, ""), &Bodies::default()));
    }
}
