//! Bytes to messages, tolerantly (RFC 3261 7, 25; RFC 4475): line ends are CRLF or LF, names may be compact and blanks
//! may stand before their colon, values may be folded, lines that are no header field are passed over.
//!
//! One pass over the head, whatever is in it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Method;
use super::header::{Header, Headers};
use super::lines::line_feed;
use super::message::{MAX_HEADERS, MAX_MESSAGE, Message, ParseError, StartLine};

/// What is wrong, before it is known whether it can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    status: u16,
    reason: &'static str,
    section: &'static str,
}

const fn fault(status: u16, reason: &'static str, section: &'static str) -> Fault {
    Fault { status, reason, section }
}

const NOT_SIP: Fault = fault(400, "Not a SIP Message", "RFC 3261 7");
const BAD_REQUEST_LINE: Fault = fault(400, "Bad Request-Line", "RFC 3261 7.1");
const BAD_STATUS_LINE: Fault = fault(400, "Bad Status-Line", "RFC 3261 7.2");
const BAD_VERSION: Fault = fault(505, "Version Not Supported", "RFC 3261 21.5.6");
const BAD_LENGTH: Fault = fault(400, "Bad Content-Length", "RFC 3261 20.14");
const LENGTHS_DIFFER: Fault = fault(400, "Content-Lengths Differ", "RFC 4475 3.3.9");
const SHORT_BODY: Fault = fault(400, "Body Shorter Than Content-Length", "RFC 3261 18.3");
const TOO_MANY_HEADERS: Fault = fault(400, "Too Many Header Fields", "RFC 3261 21.4.1");
pub(super) const NO_LENGTH: Fault = fault(400, "Missing Content-Length", "RFC 3261 18.3");
pub(super) const TOO_LARGE: Fault = fault(513, "Message Too Large", "RFC 3261 21.5.7");

/// Octets that a datagram's body may be short of what Content-Length says: lengths are counted wrong by a few (a last line
/// end, a NUL, characters for octets), and a datagram has an end of its own.
const FORGIVEN_SHORTFALL: usize = 16;

/// A head, read as far as it can be.
pub(super) struct Head {
    start: Result<StartLine, (Fault, Option<Method>)>,
    headers: Headers,
    overfull: bool,
    /// As announced.
    pub(super) content_length: Result<Option<usize>, Fault>,
    /// Where the body begins.
    pub(super) len: usize,
}

impl Head {
    /// Reads up to the empty line, or to the end if there is none.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let mut lines = Lines { bytes, at: skipped };
        let start = lines.next().map_or(Err((NOT_SIP, None)), start_line);
        let mut head =
            Self { start, headers: Headers(Vec::with_capacity(24)), overfull: false, content_length: Ok(None), len: 0 };
        let mut field: Option<(&[u8], Cow<'_, [u8]>)> = None;
        while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
            if matches!(line.first(), Some(b' ' | b'\t')) {
                if let Some((_, value)) = &mut field {
                    unfold(value, line);
                }
                continue;
            }
            head.keep(field.take());
            field = line.iter().position(|&byte| byte == b':').map(|colon| {
                let (name, value) = line.split_at(colon);
                (name.trim_ascii(), Cow::Borrowed(value.get(1..).unwrap_or_default().trim_ascii()))
            });
        }
        head.keep(field);
        head.len = lines.at;
        head
    }

    fn keep(&mut self, field: Option<(&[u8], Cow<'_, [u8]>)>) {
        let Some((name, value)) = field.filter(|(name, _)| !name.is_empty()) else { return };
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            self.announce(value.trim_ascii());
        } else if self.headers.0.len() >= MAX_HEADERS {
            self.overfull = true;
        } else if value.contains(&b'\r') || name.contains(&b'\r') {
            let blank = |text: &[u8]| -> Vec<u8> {
                text.iter().map(|&byte| if byte == b'\r' { b' ' } else { byte }).collect::<Vec<u8>>()
            };
            self.headers.0.push(Header::from_bytes(blank(name).trim_ascii(), blank(&value).trim_ascii()));
        } else {
            self.headers.0.push(Header::from_bytes(name, value.trim_ascii()));
        }
    }

    /// Notes a Content-Length. A second one has to say the same (RFC 4475 3.3.9).
    fn announce(&mut self, digits: &[u8]) {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            self.content_length = Err(BAD_LENGTH);
            return;
        }
        let value =
            digits.iter().fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
        match self.content_length {
            Ok(None) => self.content_length = Ok(Some(value)),
            Ok(Some(before)) if before != value => self.content_length = Err(LENGTHS_DIFFER),
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// The error, with what of the request an answer needs.
    pub(super) fn refuse(self, fault: Fault) -> ParseError {
        let start = match self.start {
            Ok(start) => Some(start),
            Err((_, method)) => method.map(|method| StartLine::Request { method, uri: String::new() }),
        };
        let headers = self.headers;
        let message = start.map(|start| Message { start, headers, body: Vec::new() });
        let answerable = message.filter(|message| {
            message.method().is_some_and(|method| *method != Method::Ack) && message.via_top().is_some()
        });
        let Fault { status, reason, section } = fault;
        ParseError { status, reason, answerable: answerable.map(Box::new), section }
    }
}

/// Reads a whole message under the rules for datagrams.
pub(super) fn message(bytes: &[u8]) -> Result<Message, ParseError> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Head::read(bytes.get(..MAX_MESSAGE).unwrap_or_default()).refuse(TOO_LARGE));
    }
    let head = Head::read(bytes);
    if let Err((fault, _)) = head.start {
        return Err(head.refuse(fault));
    }
    if head.overfull {
        return Err(head.refuse(TOO_MANY_HEADERS));
    }
    let rest = bytes.get(head.len..).unwrap_or_default();
    let body = match head.content_length {
        Ok(None) => rest,
        Ok(Some(len)) => match rest.get(..len) {
            Some(body) => body,
            None if len - rest.len() <= FORGIVEN_SHORTFALL && !rest.is_empty() => rest,
            None => return Err(head.refuse(SHORT_BODY)),
        },
        Err(fault) => return Err(head.refuse(fault)),
    };
    match head.start {
        Ok(start) => Ok(Message { start, headers: head.headers, body: body.to_vec() }),
        Err((fault, _)) => Err(Head { start: Err((fault, None)), ..head }.refuse(fault)),
    }
}

/// Lines without their ends.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = line_feed(rest);
        self.at += end.map_or(rest.len(), |end| end + 1);
        let line = rest.get(..end.unwrap_or(rest.len()))?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Joins a continuation line with one blank (RFC 3261 7.3.1).
fn unfold(value: &mut Cow<'_, [u8]>, line: &[u8]) {
    let value = value.to_mut();
    if !value.is_empty() {
        value.push(b' ');
    }
    value.extend_from_slice(line.trim_ascii());
}

fn start_line(line: &[u8]) -> Result<StartLine, (Fault, Option<Method>)> {
    let text = String::from_utf8_lossy(line);
    if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return status_line(&text).ok_or((BAD_STATUS_LINE, None));
    }
    let version = text.split_ascii_whitespace().next_back().unwrap_or("");
    let Some(number) = version.get(..4).filter(|v| v.eq_ignore_ascii_case("SIP/")).and(version.get(4..)) else {
        return Err((NOT_SIP, None));
    };
    let name = text.split([' ', '\t']).next().unwrap_or("");
    if !is_token(name) {
        return Err((BAD_REQUEST_LINE, None));
    }
    let method = Method::from(name);
    let mut pieces = text.split(' ').skip(1);
    let (Some(uri), Some(last), None) = (pieces.next(), pieces.next(), pieces.next()) else {
        return Err((BAD_REQUEST_LINE, Some(method)));
    };
    if uri.is_empty() || uri.contains(['\t', '\r']) || last != version {
        return Err((BAD_REQUEST_LINE, Some(method)));
    }
    if number == "2.0" {
        return Ok(StartLine::Request { method, uri: String::from(uri) });
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_version = number.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor));
    Err((if is_version { BAD_VERSION } else { BAD_REQUEST_LINE }, Some(method)))
}

fn status_line(text: &str) -> Option<StartLine> {
    let (version, rest) = text.split_once(' ')?;
    let (digits, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_status = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let status = digits.parse().ok().filter(|status| is_status && (100..700).contains(status))?;
    version.eq_ignore_ascii_case("SIP/2.0").then(|| StartLine::Response { status, reason: reason.replace('\r', " ") })
}

/// RFC 3261 25.1.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const NEEDED: &str =
        "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:f@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\n";

    fn parse(text: &str) -> Result<Message, ParseError> {
        message(text.as_bytes())
    }

    fn status(start: &str) -> (u16, bool) {
        match parse(&format!("{start}\r\n{NEEDED}CSeq: 1 INVITE\r\n\r\n")) {
            Ok(message) => (message.status().unwrap_or(200), false),
            Err(error) => (error.status, error.answerable.is_some()),
        }
    }

    #[test]
    fn start_lines() {
        for (start, expected) in [
            ("INVITE sip:a@b SIP/2.0", (200, false)),
            ("INVITE sip:a@b sip/2.0", (200, false)),
            ("SIP/2.0 486 Busy Here", (486, false)),
            ("SIP/2.0 486", (486, false)),
            ("SIP/2.0 4860 Busy", (400, false)),
            ("SIP/2.0 099 Busy", (400, false)),
            ("SIP/3.0 200 OK", (400, false)),
            ("INVITE  sip:a@b SIP/2.0", (400, true)),
            ("INVITE sip:a@b SIP/2.0 ", (400, true)),
            ("INVITE sip:a@b; lr SIP/2.0", (400, true)),
            ("INVITE\tsip:a@b SIP/2.0", (400, true)),
            ("INVITE SIP/2.0", (400, true)),
            ("IN(VITE sip:a@b SIP/2.0", (400, false)),
            ("INVITE sip:a@b SIP/2", (400, true)),
            ("INVITE sip:a@b SIP/7.0", (505, true)),
            ("ACK sip:a@b SIP/7.0", (505, false)),
            ("GET / HTTP/1.1", (400, false)),
            ("", (400, false)),
        ] {
            assert_eq!(status(start), expected, "{start}");
        }
    }

    #[test]
    fn folds_blanks_and_broken_lines() {
        let text = "\r\n\n OPTIONS sip:a@b SIP/2.0\r\n";
        assert!(parse(text).is_err(), "a line that begins with a blank is no start line");
        let text = "\r\nOPTIONS sip:a@b SIP/2.0\n folded onto nothing\nTO :\r\n sip:a@b ;\r\n\ttag = 1\r\nno colon\r\n : x\r\n\
                    s\t:\r\nX-A:b:c \r\n Y\rZ:a\rb\r\n\r\nbody";
        let message = parse(text).unwrap();
        let fields: Vec<_> = message.headers.iter().map(|h| (&*h.name, h.value.as_str())).collect();
        assert_eq!(fields, [("To", "sip:a@b ; tag = 1"), ("Subject", ""), ("X-A", "b:c Y Z:a b")]);
        assert_eq!(message.body, b"body");
    }

    #[test]
    fn a_line_without_colon_ends_the_field_before_it() {
        let message = parse("OPTIONS sip:a@b SIP/2.0\r\nA: b\r\nno colon\r\n fold\r\nC: d").unwrap();
        assert!(message.headers.iter().map(|h| &*h.value).eq(["b", "d"]));
    }

    #[test]
    fn lengths() {
        let body = |length: &str| {
            let parsed = parse(&format!("INVITE sip:a@b SIP/2.0\r\n{NEEDED}{length}\r\n\r\n12345"));
            parsed.map(|m| m.body.len()).map_err(|e| (e.status, e.answerable.is_some()))
        };
        assert_eq!(body("X: y"), Ok(5));
        assert_eq!(body("l : 3"), Ok(3));
        assert_eq!(body("Content-Length:\r\n 005"), Ok(5));
        assert_eq!(body("l: 3\r\nContent-Length: 3"), Ok(3));
        assert_eq!((body("l: 6"), body("l: 21")), (Ok(5), Ok(5)), "short by a few");
        for length in ["l: 22", "l: -1", "l:", "l: 3, 3", "l: 3\r\nl: 4", "l: 4\r\nl: x\r\nl: 4"] {
            assert_eq!(body(length), Err((400, true)), "{length}");
        }
        assert_eq!(body("Content-Length: 99999999999999999999999999"), Err((400, true)));
    }

    #[test]
    fn what_may_not_be_answered_is_not_answerable() {
        for text in [
            "ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nl: 9\r\n\r\n",
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nl: 9\r\n\r\n",
            "BYE sip:a@b SIP/2.0\r\nl: 9\r\n\r\n",
        ] {
            assert_eq!(parse(text).map_err(|error| error.answerable), Err(None), "{text}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let head = format!("INVITE sip:a@b SIP/2.0\r\n{NEEDED}");
        let mut bytes = head.clone().into_bytes();
        bytes.resize(MAX_MESSAGE, b'x');
        assert_eq!(message(&bytes).map(|_| ()), Ok(()));
        bytes.push(b'x');
        let error = message(&bytes).unwrap_err();
        assert_eq!((error.status, error.answerable.is_some()), (513, true));
        let crowd = |count: usize| parse(&format!("{head}{}\r\n", "a: b\r\n".repeat(count - 4)));
        assert_eq!(crowd(MAX_HEADERS).map(|m| m.headers.iter().count()), Ok(MAX_HEADERS));
        assert_eq!(crowd(MAX_HEADERS + 1).map_err(|e| e.status), Err(400));
    }

    #[test]
    fn bytes_that_are_not_utf8_go_back_as_they_came() {
        let mut bytes =
            b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: \"M\xfcller\" <sip:f@b>;tag=1\r\n".to_vec();
        bytes.extend_from_slice(b"To: \xe9 <sip:a@b>\r\n\r\n");
        let request = message(&bytes).unwrap();
        assert_eq!(request.from_tag(), Some("1"));
        let mut response = Message::response(200, "OK", &request);
        response.set_to_tag("2");
        let sent = response.encode();
        let has = |needle: &[u8]| sent.windows(needle.len()).any(|window| window == needle);
        assert!(has(b"From: \"M\xfcller\" <sip:f@b>;tag=1\r\n"));
        assert!(has(b"To: \xe9 <sip:a@b>;tag=2\r\n"));
    }

    #[test]
    fn a_header_of_commas_costs_its_length() {
        let text = format!("INVITE sip:a@b SIP/2.0\r\nVia: {}\r\n\r\n", ",".repeat(65_000));
        let message = parse(&text).unwrap();
        assert_eq!(message.headers_all("Via").count(), 0);
        assert_eq!(message.via_top(), None);
        let error = crate::sip::check::check(&message).unwrap_err();
        assert_eq!(error.status, 400);
        for filler in ["\r\n ", "<", "\"", ";", "\\"] {
            let text = format!("INVITE sip:a@b SIP/2.0\r\n{NEEDED}m: {}\r\n\r\n", filler.repeat(60_000 / filler.len()));
            let _ = parse(&text).map(|message| message.contacts());
        }
    }
}
