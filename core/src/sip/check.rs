//! What a request is refused for before anybody looks at what it wants (RFC 3261 8.2, RFC 4475).

use alloc::string::String;
use alloc::vec::Vec;

use super::address::Parts;
use super::message::Message;
use super::params::Params;
use super::uri::{Pieces, Via};
use super::{Method, multipart};

/// The methods we serve, as `Allow` lists them.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK";

/// The option tags we understand in `Require` (RFC 3261 8.2.2.3). `100rel` is met by never sending what it is about:
/// a provisional response but 100 (RFC 3262 3).
pub const UNDERSTOOD_OPTIONS: &[&str] = &["siprec", "timer", "100rel"];

/// Tags that a 420 names at most.
const MAX_UNSUPPORTED: usize = 32;

/// The option tags that concern our peers, as `Supported` lists them. `siprec` is not among them: RFC 7866 11.1.1.
pub const SUPPORTED: &str = "timer";

/// The bodies we read, as `Accept` lists them.
pub const ACCEPT: &str = "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";

/// Why a request is refused, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The response's status.
    pub status: u16,
    /// Its reason phrase.
    pub reason: &'static str,
    /// Where the rule stands.
    pub section: &'static str,
    /// Header fields that the response needs (`Allow`, `Unsupported`, `Accept`).
    pub headers: Vec<(&'static str, String)>,
}

impl Rejection {
    /// Without further header fields.
    pub const fn new(status: u16, reason: &'static str, section: &'static str) -> Self {
        Self { status, reason, section, headers: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The response to `request`, its To tag still to be set.
    pub fn response(&self, request: &Message) -> Message {
        let mut response = Message::response(self.status, self.reason, request);
        for (name, value) in &self.headers {
            response.headers.push(name, value.clone());
        }
        response
    }
}

/// Judges a request in the order of RFC 3261 8.2: header fields every request needs, method, Request-URI, required
/// extensions, content. What we do not need may be as wrong as it likes (8.2.2). A response passes.
pub fn check(request: &Message) -> Result<(), Rejection> {
    let (Some(method), Some(uri)) = (request.method(), request.uri()) else { return Ok(()) };
    needed_headers(request, method)?;
    let scheme = request_uri(uri)?;
    known_method(method, request.to_tag().is_some())?;
    if !["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(Rejection::new(416, "Unsupported URI Scheme", "RFC 3261 8.2.2.1"));
    }
    required_options(request, method)?;
    content(request, method)
}

/// RFC 3261 8.1.1, 7.3.1: what occurs once, occurs once.
fn needed_headers(request: &Message, method: &Method) -> Result<(), Rejection> {
    let bad = |reason, section| Err(Rejection::new(400, reason, section));
    for (name, missing, doubled) in [
        ("From", "Missing From", "Several From"),
        ("To", "Missing To", "Several To"),
        ("Call-ID", "Missing Call-ID", "Several Call-ID"),
        ("CSeq", "Missing CSeq", "Several CSeq"),
    ] {
        let mut fields = request.headers.fields(name);
        if fields.next().is_none_or(|field| field.value.is_empty()) {
            return bad(missing, "RFC 3261 8.1.1");
        }
        if fields.next().is_some() {
            return bad(doubled, "RFC 4475 3.3.8");
        }
    }
    if request.headers.fields("Via").next().is_none() {
        return bad("Missing Via", "RFC 3261 8.1.1");
    }
    // Elements that are nothing but blanks count here: `Via: SIP/2.0/UDP a;;,;,,` is RFC 4475 3.1.2.1.
    let mut vias = request.headers.fields("Via").flat_map(|field| super::params::split(&field.value, b','));
    if !vias.all(Via::is_valid) {
        return bad("Bad Via", "RFC 3261 20.42");
    }
    for (name, reason, section) in [("From", "Bad From", "RFC 3261 20.20"), ("To", "Bad To", "RFC 3261 20.39")] {
        let parts = Parts::of(request.header(name).unwrap_or(""));
        if !parts.well_formed || Pieces::of(parts.uri).is_err() {
            return bad(reason, section);
        }
    }
    match request.cseq() {
        None => bad("Bad CSeq", "RFC 3261 20.16"),
        // Of a method that nobody here knows, that is what is told (RFC 4475 3.1.2.18).
        Some(cseq) if cseq.method != *method && !matches!(method, Method::Other(_)) => {
            bad("CSeq Method Does Not Match", "RFC 3261 8.1.1.5")
        }
        Some(_) => Ok(()),
    }
}

/// RFC 3261 19.1.1: no brackets, blanks or header fields in a Request-URI. Yields the scheme.
fn request_uri(uri: &str) -> Result<&str, Rejection> {
    match Pieces::of(uri) {
        Ok(uri) if uri.headers.is_some() => Err(Rejection::new(400, "Header Fields in Request-URI", "RFC 3261 19.1.1")),
        Ok(uri) => Ok(uri.scheme),
        Err(_) => Err(Rejection::new(400, "Bad Request-URI", "RFC 3261 7.1")),
    }
}

fn is_xml(content_type: &str) -> bool {
    let bare = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    bare.ends_with("/xml") || bare.ends_with("+xml")
}

/// RFC 3261 8.2.1, 21.5.2: methods we know of and do not serve are not allowed here, others are not implemented. A
/// MESSAGE within a dialog is looked at: some SRCs send metadata in one.
fn known_method(method: &Method, is_tagged: bool) -> Result<(), Rejection> {
    match method {
        Method::Message if is_tagged => Ok(()),
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Update
        | Method::Info
        | Method::Prack => Ok(()),
        Method::Register | Method::Message | Method::Subscribe | Method::Notify | Method::Refer | Method::Publish => {
            Err(Rejection::new(405, "Method Not Allowed", "RFC 3261 8.2.1").with("Allow", ALLOW))
        }
        Method::Other(_) => Err(Rejection::new(501, "Not Implemented", "RFC 3261 21.5.2").with("Allow", ALLOW)),
    }
}

/// RFC 3261 8.2.2.3; never for CANCEL and ACK, nor for BYE: whatever it requires, the call is over.
fn required_options(request: &Message, method: &Method) -> Result<(), Rejection> {
    if matches!(method, Method::Ack | Method::Cancel | Method::Bye) {
        return Ok(());
    }
    let understood = |tag: &&str| UNDERSTOOD_OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let mut unknown: Vec<&str> = Vec::new();
    for tag in request.option_tags("Require").filter(|tag| !understood(tag)) {
        if unknown.len() < MAX_UNSUPPORTED && !unknown.iter().any(|known| known.eq_ignore_ascii_case(tag)) {
            unknown.push(tag);
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Rejection::new(420, "Bad Extension", "RFC 3261 8.2.2.3").with("Unsupported", unknown.join(", ")))
}

/// RFC 3261 8.2.3: a body that must be understood and is not. Parts of a multipart body are not looked at here.
/// Only where a body bears on what is asked: nobody is kept from hanging up.
fn content(request: &Message, method: &Method) -> Result<(), Rejection> {
    if request.body.is_empty() || !matches!(method, Method::Invite | Method::Update) {
        return Ok(());
    }
    let disposition = request.header("Content-Disposition").and_then(|value| value.split_once(';'));
    let params = Params::parse(disposition.map_or("", |(_, params)| params));
    if params.get("handling").is_some_and(|handling| handling.eq_ignore_ascii_case("optional")) {
        return Ok(());
    }
    if request.headers.all("Content-Encoding").any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let refused = Rejection::new(415, "Unsupported Content-Encoding", "RFC 3261 8.2.3");
        return Err(refused.with("Accept-Encoding", "identity"));
    }
    match request.content_type() {
        // Under another name there may be what we read, which only its content tells: who reads it decides.
        Some(content_type)
            if !multipart::is_understood(content_type)
                && !is_xml(content_type)
                && !multipart::begins_known(&request.body) =>
        {
            Err(Rejection::new(415, "Unsupported Media Type", "RFC 3261 8.2.3").with("Accept", ACCEPT))
        }
        // A body of no said type is taken for what it looks like.
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a good request of which one thing is changed.
    fn verdict(from: &str, to: &str) -> u16 {
        let good = "INVITE sip:srs@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:f@b>;tag=1\r\n\
                    To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nv=0";
        assert!(good.contains(from), "{from}");
        let message = Message::parse_datagram(good.replace(from, to).as_bytes()).unwrap();
        check(&message).map_or_else(|rejection| rejection.status, |()| 200)
    }

    #[test]
    fn what_every_request_needs() {
        assert_eq!(verdict("INVITE", "INVITE"), 200);
        for (from, to) in [
            ("Via:", "X-Via:"),
            ("z9hG4bKx", "z9hG4bKx,"),
            ("From:", "X-From:"),
            ("To:", "X-To:"),
            ("Call-ID: c", "Call-ID:"),
            ("CSeq: 1 INVITE", "CSeq: 1 BYE"),
            ("CSeq: 1", "CSeq: 36893488147419103232"),
            ("Call-ID: c", "Call-ID: c\r\ni: d"),
            ("To:", "t: <sip:c@d>\r\nTo:"),
            ("<sip:a@b>", "\"Mr. <sip:a@b>"),
            ("<sip:a@b>", "< sip:a@b>"),
            ("<sip:a@b>", "a@b"),
            ("sip:srs@example.com", "<sip:srs@example.com>"),
            ("sip:srs@example.com", "sip:srs@example.com?Route=x"),
            ("sip:srs@example.com", "sip:srs@"),
            ("sip:srs@example.com", "srs"),
        ] {
            assert_eq!(verdict(from, to), 400, "{to}");
        }
    }

    #[test]
    fn what_is_not_needed_may_be_wrong() {
        for (from, to) in [
            ("Call-ID:", "Date: never\r\nMax-Forwards: many\r\nContact: \"x\r\nExpires: -\r\nRoute: <\r\nCall-ID:"),
            ("<sip:a@b>", "isbn:2983792873"),
            ("<sip:f@b>;tag=1", "Bell, Alexander <sip:f@b>"),
            ("Call-ID:", "Proxy-Require: foo\r\nAccept: text/plain\r\nCall-ID:"),
            ("Content-Type: application/sdp\r\n", ""),
            ("sip:srs", "tel:+1"),
        ] {
            assert_eq!(verdict(from, to), 200, "{to}");
        }
    }

    #[test]
    fn methods_schemes_and_content() {
        assert_eq!(verdict("INVITE", "REGISTER"), 405);
        assert_eq!(verdict("INVITE", "FOO"), 501);
        assert_eq!(verdict("INVITE", "invite"), 501);
        assert_eq!(verdict("INVITE sip", "FOO sip"), 501, "RFC 4475 3.1.2.18: whatever its CSeq");
        assert_eq!(verdict("INVITE sip", "OPTIONS sip"), 400);
        assert_eq!(verdict("sip:srs@example.com", "http://example.com"), 416);
        assert_eq!(verdict("application/sdp\r\n\r\nv=0", "application/foo\r\n\r\nfoo"), 415);
        assert_eq!(verdict("application/sdp", "application/foo"), 200, "it is what it holds");
        assert_eq!(verdict("application/sdp", "Text/XML; charset=utf-8"), 200);
        assert_eq!(
            verdict("application/sdp", "application/foo\r\nContent-Disposition: session; handling=optional"),
            200
        );
        assert_eq!(verdict("Content-Type:", "Content-Encoding: gzip\r\nContent-Type:"), 415);
        assert_eq!(verdict("Content-Type:", "e: identity\r\nContent-Type:"), 200);
    }

    #[test]
    fn a_405_tells_what_is_allowed_and_a_420_what_is_not() {
        let text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: sip:f@b\r\nTo: sip:a@b\r\nCall-ID: c\r\n\
                    CSeq: 1 OPTIONS\r\nRequire: siprec, Foo,, ,foo\r\nRequire: TIMER,bar;x=y Foo\r\nProxy-Require: one\r\n\
                    Supported: two\r\nRequire:\r\n\r\n";
        let request = Message::parse_datagram(text.as_bytes()).unwrap();
        let response = check(&request).unwrap_err().response(&request);
        assert_eq!((response.status(), response.header("Unsupported")), (Some(420), Some("Foo, bar")));
        let known = text.replace("Foo", "SipRec").replace("foo", "siprec").replace("bar;x=y", "100REL");
        assert_eq!(
            check(&Message::parse_datagram(known.as_bytes()).unwrap()),
            Ok(()),
            "in any case, twice, with empty items"
        );
        let request = Message::parse_datagram(text.replace("OPTIONS", "MESSAGE").as_bytes()).unwrap();
        let response = check(&request).unwrap_err().response(&request);
        assert_eq!((response.status(), response.header("Allow")), (Some(405), Some(ALLOW)));
        for method in ["CANCEL", "ACK", "BYE"] {
            let request = Message::parse_datagram(text.replace("OPTIONS", method).as_bytes()).unwrap();
            assert_eq!(check(&request), Ok(()), "{method}");
        }
    }

    #[test]
    fn allow_lists_what_is_served() {
        for method in ALLOW.split(", ") {
            assert_eq!(verdict("INVITE", method), 200, "{method}");
        }
        assert_eq!(ALLOW.split(", ").count(), 8);
    }
}
