//! What a request carries: its SDP, its metadata, and whether it is a recording session at all.

use alloc::string::String;
use alloc::vec::Vec;

use super::legacy;
use crate::metadata::is_metadata;
use crate::sip::Method;
use crate::sip::check::Rejection;
use crate::sip::message::Message;
use crate::sip::multipart::Part;

/// The bodies that a recorder reads, wherever in the message they stood.
#[derive(Debug, Default)]
pub struct Bodies {
    /// The session description.
    pub sdp: Option<Vec<u8>>,
    /// Metadata parts (type, content), in order.
    pub metadata: Vec<(String, Vec<u8>)>,
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
        let is_optional = is_optional(message.header("Content-Disposition"));
        match foreign_coding(message) {
            Some(_) if is_optional => return Ok(bodies),
            Some(rejection) => return Err(rejection),
            None => {}
        }
        let parts = message.parts().map_err(|_| Rejection::new(400, "Bad Multipart Body", "RFC 2046 5.1"))?;
        let is_whole = !message.is_multipart();
        let mut refused = false;
        for part in parts {
            let is_required = if is_whole { !is_optional } else { is_required(part.disposition.as_deref()) };
            refused |= !bodies.take(part) && is_required;
        }
        if refused {
            let section = if is_whole { "RFC 3261 8.2.3" } else { "RFC 5621 8" };
            return Err(Rejection::new(415, "Unsupported Media Type", section));
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
    fn take(&mut self, part: Part) -> bool {
        let is_sdp = part.is_sdp();
        if !is_sdp && !is_metadata(&part) {
            return false;
        }
        match part.coding {
            // It cannot be read; the recording goes on without it.
            Some(_) => {}
            None if !is_sdp => self.metadata.push((part.content_type, part.body)),
            None if self.sdp.is_none() => self.sdp = Some(part.body),
            None => {}
        }
        true
    }
}

/// The refusal of a body in a Content-Encoding that is not undone here (RFC 3261 8.2.3, 21.4.13).
pub(super) fn foreign_coding(message: &Message) -> Option<Rejection> {
    message.coding()?;
    let mut rejection = Rejection::new(415, "Unsupported Content-Encoding", "RFC 3261 8.2.3");
    rejection.headers.push(("Accept-Encoding", "identity".into()));
    Some(rejection)
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

/// Whether an answer may be SDP (RFC 3261 20.1). A field that is empty is sent by some who mean nothing by it.
pub(super) fn accepts_sdp(message: &Message) -> bool {
    let takes = |range: &str| {
        let (kind, subtype) = range.split(';').next().unwrap_or_default().trim().split_once('/').unwrap_or_default();
        kind == "*"
            || (kind.eq_ignore_ascii_case("application") && (subtype == "*" || subtype.eq_ignore_ascii_case("sdp")))
    };
    message.headers_all("Accept").any(takes) || message.headers_all("Accept").next().is_none()
}

/// Whether Require has the option tag.
pub(super) fn requires_siprec(message: &Message) -> bool {
    message.require().iter().any(|tag| tag.eq_ignore_ascii_case("siprec"))
}

/// Whether Contact has the feature tag, in one of the spellings that there are. One that is FALSE says the opposite (RFC
/// 3840 9).
pub(super) fn is_tagged(message: &Message) -> bool {
    message.headers_all("Contact").any(|contact| {
        let contact = contact.to_ascii_lowercase();
        let parameter = |p: &str| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            matches!(name.trim(), "+sip.src" | "+sip-src" | "src") && value.trim().trim_matches('"') != "false"
        };
        contact.split([';', '>']).skip(1).any(parameter)
    })
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
    fn metadata_under_another_name_is_metadata() {
        let root = "<?xml version='1.0'?><r:recording xmlns:r='urn:ietf:params:xml:ns:recording:1'/>";
        let read = |headers: &str, body: &str| Bodies::read(&invite(headers, body)).map(|bodies| bodies.metadata.len());
        assert_eq!(read("Content-Type: text/xml\r\n", root), Ok(1));
        assert_eq!(read("Content-Type: application/xml\r\nContent-Disposition: recording-session\r\n", "<x/>"), Ok(1));
        assert_eq!(read("Content-Disposition: recording-session\r\n", root), Ok(1));
        assert_eq!(read("Content-Type: text/xml\r\n", "<x/>").unwrap_err().status, 415);
        let parts = |content_type: &str| {
            format!(
                "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: {content_type}\r\n\r\n{root}\r\n--b--"
            )
        };
        let header = "Content-Type: multipart/mixed;boundary=b\r\n";
        for (content_type, expected) in [("text/xml", 1), ("application/xml;charset=x", 1), ("text/html", 1)] {
            assert_eq!(read(header, &parts(content_type)), Ok(expected), "{content_type}");
        }
    }

    #[test]
    fn what_is_compressed_is_refused_as_a_whole_and_missed_as_a_part() {
        let zipped = "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n";
        let rejection = Bodies::read(&invite(zipped, "x")).unwrap_err();
        assert_eq!((rejection.status, rejection.headers), (415, [("Accept-Encoding", "identity".into())].to_vec()));
        let optional = format!("{zipped}Content-Disposition: session;handling=optional\r\n");
        assert!(Bodies::read(&invite(&optional, "x")).unwrap().sdp.is_none());
        let body = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/rs-metadata\r\n\
                    Content-Encoding: gzip\r\nContent-Disposition: recording-session;handling=required\r\n\r\nx\r\n--b--";
        let bodies = Bodies::read(&invite("Content-Type: multipart/mixed;boundary=b\r\n", body)).unwrap();
        assert_eq!((bodies.sdp.as_deref(), bodies.metadata.len()), (Some(&b"v=0"[..]), 0));
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
        for plain in
            ["Contact: <sip:src@b>;isfocus\r\nSupported: siprec\r\n", "Contact: <sip:a@b>;+sip.src=\"False\"\r\n"]
        {
            assert!(!is_recording_session(&invite(plain, ""), &Bodies::default()), "{plain}");
        }
    }
}
