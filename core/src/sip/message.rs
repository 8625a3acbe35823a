//! A SIP message (RFC 3261 7): start line, header fields in their order, body.
//!
//! Content-Length is framing and not kept as a field: `body.len()` is the truth, and [`Message::encode`] writes it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use super::header::{Header, Headers};

use super::Method;
use super::address::Parts;
use super::params::separator_at;
use super::parse;
use super::uri::{NameAddr, Via};
use crate::text::{find_any, push_number};
use core::net::SocketAddr;

/// The largest message that is read, head and body: what a datagram can carry (RFC 3261 18.1.1).
pub const MAX_MESSAGE: usize = 65_535;

/// The most header fields that are read; the messages of the largest SBCs have about 50.
pub const MAX_HEADERS: usize = 256;

/// What a 200 of ours has room for at once.
const RESPONSE_HEADERS: usize = 16;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    /// RFC 3261 7.1.
    Request {
        /// What is asked.
        method: Method,
        /// The Request-URI as it came.
        uri: String,
    },
    /// RFC 3261 7.2.
    Response {
        /// 100 to 699.
        status: u16,
        /// Words for people.
        reason: String,
    },
}

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which of both, and what.
    pub start: StartLine,
    /// All fields but Content-Length.
    pub headers: Headers,
    /// The body as it came; empty if there is none.
    pub body: Vec<u8>,
}

/// CSeq (RFC 3261 20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Where in its dialog.
    pub number: u32,
    /// Of which request.
    pub method: Method,
}

/// The bytes are not a message, or not a whole one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What to answer.
    pub status: u16,
    /// Why, as a reason phrase.
    pub reason: &'static str,
    /// As much of the request as an answer needs; `None` if it may not or can't be answered (a response, an ACK, no
    /// Via, not SIP at all).
    pub answerable: Option<Box<Message>>,
    /// Where the rule stands.
    pub section: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.section)
    }
}

impl core::error::Error for ParseError {}

/// Whether a datagram is only a keep-alive (RFC 5626 3.5.1, and the NULs of older devices): nothing to answer.
pub fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

impl Message {
    /// Reads the message that a datagram holds: what follows the body is cut, a body shorter than announced is an
    /// error, and without Content-Length the body goes to the end (RFC 3261 18.3). A [`Frame`](super::framing::Frame)
    /// of a stream is read with it, too.
    pub fn parse_datagram(bytes: &[u8]) -> Result<Self, ParseError> {
        parse::message(bytes)
    }

    /// A request without header fields.
    pub fn request(method: Method, uri: impl Into<String>) -> Self {
        Self::bare(StartLine::Request { method, uri: uri.into() })
    }

    /// A response to `to`: its Via fields (stamped, if `to` came from `Transactions`), From, To, Call-ID and CSeq
    /// (RFC 3261 8.2.6.2), Record-Route where the response can make a dialog (12.1.1), Timestamp in a 100. A tag for
    /// To is for the caller, see [`Message::set_to_tag`].
    pub fn response(status: u16, reason: impl Into<String>, to: &Self) -> Self {
        let mut response = Self::bare(StartLine::Response { status, reason: reason.into() });
        response.headers.0.reserve(RESPONSE_HEADERS);
        response.headers.0.extend(to.echoed(status).cloned());
        response
    }

    /// The bytes of the 100 to `to`, a copy of nothing else on the way: most are never sent.
    pub(super) fn encode_trying(to: &Self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        put(&mut out, &[b"SIP/2.0 100 Trying"]);
        for header in to.echoed(100) {
            put(&mut out, &[header.name.as_bytes(), b": ", header.bytes()]);
        }
        put(&mut out, &[b"Content-Length: 0"]);
        out.extend_from_slice(b"\r\n");
        out
    }

    /// What a response with `status` takes over.
    fn echoed(&self, status: u16) -> impl Iterator<Item = &Header> {
        let makes_dialog = matches!(status, 101..=299)
            && matches!(self.method(), Some(Method::Invite | Method::Subscribe | Method::Refer));
        let mut seen = [false; 4];
        self.headers.iter().filter(move |header| {
            let once = ["From", "To", "Call-ID", "CSeq"].iter().zip(&mut seen).find(|(name, _)| **name == header.name);
            match once {
                Some((_, seen)) => !core::mem::replace(seen, true),
                None => {
                    header.name == "Via"
                        || (makes_dialog && header.name == "Record-Route")
                        || (status == 100 && header.name == "Timestamp")
                }
            }
        })
    }

    fn bare(start: StartLine) -> Self {
        Self { start, headers: Headers::default(), body: Vec::new() }
    }

    /// The bytes to send, with Content-Length. Line ends that crept into values become blanks.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        match &self.start {
            StartLine::Request { method, uri } => {
                put(&mut out, &[method.as_str().as_bytes(), b" ", uri.as_bytes(), b" SIP/2.0"]);
            }
            StartLine::Response { status, reason } => {
                let mut line = String::from("SIP/2.0 ");
                push_number(&mut line, u64::from(*status));
                put(&mut out, &[line.as_bytes(), b" ", reason.as_bytes()]);
            }
        }
        for header in self.headers.iter().filter(|header| header.name != "Content-Length") {
            put(&mut out, &[header.name.as_bytes(), b": ", header.bytes()]);
        }
        let mut length = String::with_capacity(24);
        push_number(&mut length, u64::try_from(self.body.len()).unwrap_or(u64::MAX));
        put(&mut out, &[b"Content-Length: ", length.as_bytes()]);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// Adds a header field, for building.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Sets the body and its Content-Type, for building.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.headers.set("Content-Type", content_type);
        self.body = body;
        self
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        match self.start {
            StartLine::Request { .. } => true,
            StartLine::Response { .. } => false,
        }
    }

    /// A request's method.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// A request's Request-URI.
    pub fn uri(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// A response's status.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The first value of a header field, whole.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Each value of a header field; the elements of lists one by one.
    pub fn headers_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.all(name)
    }

    /// The topmost Via, if it can be read.
    pub fn via_top(&self) -> Option<Via> {
        Via::parse(self.headers.all("Via").next()?).ok()
    }

    /// From, if it can be read.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("From")?).ok()
    }

    /// To, if it can be read.
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("To")?).ok()
    }

    /// The tag of From; RFC 2543 knew requests without.
    pub fn from_tag(&self) -> Option<&str> {
        Parts::of(self.header("From")?).tag()
    }

    /// The tag of To: there is one within dialogs.
    pub fn to_tag(&self) -> Option<&str> {
        Parts::of(self.header("To")?).tag()
    }

    /// Gives To a tag, if it has none yet.
    pub fn set_to_tag(&mut self, tag: &str) {
        if self.to_tag().is_some() {
            return;
        }
        if let Some(to) = self.headers.0.iter_mut().find(|header| header.name == "To") {
            to.append(&alloc::format!(";tag={tag}"));
        }
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<&str> {
        self.header("Call-ID").filter(|id| !id.is_empty())
    }

    /// CSeq, if it can be read (a number below 2^32 and a method).
    pub fn cseq(&self) -> Option<CSeq> {
        let value = self.header("CSeq")?;
        let (number, method) = value.split_at(value.bytes().position(|byte| matches!(byte, b' ' | b'\t'))?);
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let method = method.trim_ascii();
        (!method.is_empty()).then_some(CSeq { number: number.parse().ok()?, method: Method::from(method) })
    }

    /// The contacts that can be read, in order.
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.headers.all("Contact").filter_map(|value| NameAddr::parse(value).ok()).collect()
    }

    /// Record-Route values, in order.
    pub fn record_route(&self) -> Vec<&str> {
        self.headers.all("Record-Route").collect()
    }

    /// A response's reason phrase; nothing of a request.
    pub fn reason(&self) -> &str {
        match &self.start {
            StartLine::Response { reason, .. } => reason,
            StartLine::Request { .. } => "",
        }
    }

    /// Option tags of Require.
    pub fn require(&self) -> Vec<&str> {
        self.option_tags("Require").collect()
    }

    /// The option tags that `name` (Require, Supported) lists: without empty items, and without parameters, which they
    /// have none of (RFC 3261 20.32).
    pub fn option_tags(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.all(name).flat_map(|item| item.split(';').next().unwrap_or("").split_ascii_whitespace())
    }

    /// Whether Supported or Require lists the option `tag`.
    pub fn supports(&self, tag: &str) -> bool {
        self.option_tags("Supported").chain(self.option_tags("Require")).any(|t| t.eq_ignore_ascii_case(tag))
    }

    /// Content-Type with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header("Content-Type").filter(|value| !value.is_empty())
    }

    /// Notes in the topmost Via of a request where it came from (RFC 3261 18.2.1, RFC 3581 4), and returns it; `None` if
    /// there is none that can be read.
    pub fn stamp_via(&mut self, source: SocketAddr) -> Option<Via> {
        let vias = self.headers.0.iter_mut().filter(|header| header.name == "Via");
        for header in vias {
            // RFC 3261 7.3.1: an empty element is none.
            let value = header.value.trim_start_matches([',', ' ', '\t']);
            if value.is_empty() {
                continue;
            }
            let (first, others) = value.split_at(separator_at(value, b',').unwrap_or(value.len()));
            let mut via = Via::parse(first).ok()?;
            if via.stamp(source) {
                let mut stamped = String::with_capacity(value.len() + 48);
                via.write(&mut stamped);
                stamped.push_str(others);
                header.set(stamped);
            }
            return Some(via);
        }
        None
    }
}

/// One line of the head; what would end it early is a blank.
fn put(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    let start = out.len();
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    let line = out.get_mut(start..).unwrap_or_default();
    if find_any(line, [b'\r', b'\n']).is_some() {
        line.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn invite() -> Message {
        let text = "INVITE sip:srs@b SIP/2.0\r\nRecord-Route: <sip:p1;lr>\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport , SIP/2.0/TCP i\r\n\
                    v: SIP/2.0/UDP j\r\nRecord-Route: <sip:p2;lr>, \"x\" <sip:p3;lr>\r\nMax-Forwards: 70\r\nf: \"A\" <sip:a@b>;tag=at\r\n\
                    t: <sip:srs@b>\r\ni: id\r\nCSeq: 7  INVITE\r\nTimestamp: 5\r\nm: <sip:a@h>;+sip.src, <sip:>\r\nRequire: siprec, timer\r\n\
                    k: 100rel\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0surplus";
        Message::parse_datagram(text.as_bytes()).unwrap()
    }

    #[test]
    fn typed_values() {
        let invite = invite();
        assert_eq!(invite.via_top().unwrap().branch(), Some("z9hG4bKx"));
        assert_eq!(invite.headers_all("Via").count(), 3);
        assert_eq!((invite.from_tag(), invite.to_tag(), invite.call_id()), (Some("at"), None, Some("id")));
        assert_eq!(invite.cseq(), Some(CSeq { number: 7, method: Method::Invite }));
        assert_eq!(invite.record_route(), ["<sip:p1;lr>", "<sip:p2;lr>", "\"x\" <sip:p3;lr>"]);
        assert_eq!(invite.contacts().len(), 1, "one cannot be read");
        assert_eq!(invite.require(), ["siprec", "timer"]);
        assert!(invite.supports("100REL") && invite.supports("siprec") && !invite.supports("x"));
        assert_eq!((invite.content_type(), invite.body.as_slice()), (Some("application/sdp"), b"v=0".as_slice()));
    }

    #[test]
    fn a_response_carries_what_it_must() {
        let mut request = invite();
        request.stamp_via("192.0.2.1:4444".parse().unwrap());
        let names = |response: &Message| response.headers.iter().map(|h| h.name.to_string()).collect::<Vec<_>>();
        let mut ok = Message::response(200, "OK", &request).with("Contact", "<sip:me>").with_body("a/b", b"x".to_vec());
        ok.set_to_tag("mine");
        ok.set_to_tag("again");
        let core = ["Via", "Via", "Record-Route", "From", "To", "Call-ID", "CSeq"];
        assert_eq!(names(&ok), [&["Record-Route"], core.as_slice(), &["Contact", "Content-Type"]].concat());
        assert_eq!(
            ok.header("Via"),
            Some("SIP/2.0/UDP h;branch=z9hG4bKx;received=192.0.2.1;rport=4444, SIP/2.0/TCP i")
        );
        assert_eq!(ok.header("To"), Some("<sip:srs@b>;tag=mine"));
        assert_eq!(ok.header("From"), request.header("From"));
        assert_eq!(names(&Message::response(100, "Trying", &request)).last().map(|n| &**n), Some("Timestamp"));
        assert_eq!(names(&Message::response(486, "Busy", &request)).len(), 6);
        let text = String::from_utf8(ok.encode()).unwrap();
        assert!(text.starts_with("SIP/2.0 200 OK\r\nRecord-Route: ") && text.ends_with("Content-Length: 1\r\n\r\nx"));
    }

    #[test]
    fn doubled_fields_are_answered_once() {
        let text = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: a\r\nTo: b\r\nFrom: c\r\nf: d\r\n\r\n";
        let response = Message::response(400, "Several To", &Message::parse_datagram(text.as_bytes()).unwrap());
        assert_eq!((response.headers.fields("To").count(), response.headers.fields("From").count()), (1, 1));
    }

    #[test]
    fn nobody_can_write_a_second_field_into_a_value() {
        let message = Message::request(Method::Bye, "sip:a\r\nX: y").with("Subject", "a\r\nEvil: b");
        let again = Message::parse_datagram(&message.encode());
        assert!(again.is_err(), "the blanks make it a bad request line");
        let response = Message::response(200, "OK\r\nX: y", &message).with("Subject", "a\r\nEvil: b");
        let again = Message::parse_datagram(&response.encode()).unwrap();
        assert_eq!(again.headers.iter().count(), 1);
    }

    #[test]
    fn sequence_numbers_have_32_bits() {
        let cseq = |value: &str| Message::request(Method::Bye, "sip:a").with("CSeq", value).cseq().map(|c| c.number);
        assert_eq!(cseq("0009   BYE"), Some(9));
        assert_eq!(cseq("4294967295 BYE"), Some(u32::MAX));
        for value in ["4294967296 BYE", "+1 BYE", "1", "1 ", "BYE", ""] {
            assert_eq!(cseq(value), None, "{value}");
        }
    }

    #[test]
    fn keep_alives_are_known() {
        assert!(is_keep_alive(b"\r\n\r\n") && is_keep_alive(b"\0\0\0\0") && is_keep_alive(b""));
        assert!(!is_keep_alive(b"\r\nx"));
    }
}
