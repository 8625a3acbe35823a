//! RFC 4475's torture, message by message: what it has an element do, and what the server answers over UDP and over TCP. The
//! messages are our own (`testdata/sip/rfc4475.txt`), each with the quirk of the one whose name it has.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::net::SocketAddr;

use siprec_core::seed::Seed;
use siprec_core::session::{Input, Output, Policy, Srs};
use siprec_core::sip::{ConnectionId, Message, Transport};
use siprec_core::time::{Monotonic, Now, Wall};

const MESSAGES: &str = include_str!("../../testdata/sip/rfc4475.txt");
const SDP: &str = "v=0\r\no=ann 1 1 IN IP4 192.0.2.95\r\ns=-\r\nc=IN IP4 192.0.2.95\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 12\r\nm=video 4002 RTP/AVP 31\r\na=rtpmap:31 LPC";
const STREAM: ConnectionId = ConnectionId(1);
/// It is said nothing.
const SILENCE: &[u16] = &[];

/// One message: name, section of RFC 4475, the answers to a datagram, to a stream, and why.
type Row = (&'static str, &'static str, &'static [u16], &'static [u16], &'static str);

/// Calls are taken from everybody here, so that what is well-formed can be told from what is not: a recorder refuses what is
/// no recording session, whatever shape it has.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("wsinv", "3.1.1.1", &[481], &[481], "well-formed; its To has a tag and the dialog is unknown (RFC 3261 12.2.2)"),
    ("intmeth", "3.1.1.2", &[501], &[501], "endpoints generate a 501"),
    ("esc01", "3.1.1.3", &[200], &[200], "a parser must accept it"),
    ("escnull", "3.1.1.4", &[405], &[405], "well-formed; this is no registrar (RFC 3261 8.2.1)"),
    ("esc02", "3.1.1.5", &[501], &[501], "an endpoint would reject it with a 501"),
    ("lwsdisp", "3.1.1.6", &[200], &[200], "elements should accept it"),
    ("longreq", "3.1.1.7", &[200], &[200], "well-formed"),
    ("dblreq", "3.1.1.8", &[405], &[405, 200], "the rest of a datagram is noise; in a stream it is the next message (RFC 3261 18.3)"),
    ("semiuri", "3.1.1.9", &[200], &[200], "receiving elements accept it"),
    ("transports", "3.1.1.10", &[200], &[200], "processed as if all were UDP"),
    ("mpart01", "3.1.1.11", &[405], &[405], "well-formed; MESSAGE is not served outside of a dialog (RFC 3261 8.2.1)"),
    ("unreason", "3.1.1.12", SILENCE, SILENCE, "well-formed, and a response to nothing that was asked"),
    ("noreason", "3.1.1.13", SILENCE, SILENCE, "well-formed, and a response to nothing that was asked"),
    ("badinv01", "3.1.2.1", &[400], &[400], "should respond with a 400"),
    ("clerr", "3.1.2.2", &[400], SILENCE, "a stream is waited for; those that say nothing whole are closed after a while"),
    ("ncl", "3.1.2.3", &[400], &[400], "should respond with an error; the stream is lost track of"),
    ("scalar02", "3.1.2.4", &[400], &[400], "should respond with a 400 for its CSeq"),
    ("scalarlg", "3.1.2.5", SILENCE, SILENCE, "will simply discard it"),
    ("quotbal", "3.1.2.6", &[400], &[400], "should return a 400"),
    ("ltgtruri", "3.1.2.7", &[400], &[400], "reasonable always to reject it with a 400"),
    ("lwsruri", "3.1.2.8", &[400], &[400], "should respond with a 400"),
    ("lwsstart", "3.1.2.9", &[400], &[400], "acceptable to reject it"),
    ("trws", "3.1.2.10", &[400], &[400], "acceptable to reject it"),
    ("escruri", "3.1.2.11", &[400], &[400], "acceptable to reject it with a 400"),
    ("baddate", "3.1.2.12", &[200], &[200], "an element that does not use Date should not reject it"),
    ("regbadct", "3.1.2.13", &[405], &[405], "this is no registrar, whatever the Contact (RFC 3261 8.2.1)"),
    ("badaspec", "3.1.2.14", &[400], &[400], "reasonable to reject it with a 400"),
    ("baddn", "3.1.2.15", &[200], &[200], "may be liberal; nothing of it is passed on"),
    ("badvers", "3.1.2.16", &[505], &[505], "should respond with a 505"),
    ("mismatch01", "3.1.2.17", &[400], &[400], "will respond with a 400"),
    ("mismatch02", "3.1.2.18", &[501], &[501], "should respond with a 501, which is better than a 400"),
    ("bigcode", "3.1.2.19", SILENCE, SILENCE, "should simply drop it"),
    ("badbranch", "3.2.1", &[200], &[200], "could fall back to the identifiers of RFC 2543"),
    ("insuf", "3.3.1", &[400], &[400], "ideally responds with a 400"),
    ("unkscm", "3.3.2", &[416], &[416], "will reject it with a 416"),
    ("novelsc", "3.3.3", &[416], &[416], "appropriate where the scheme is never accepted"),
    ("unksm2", "3.3.4", &[405], &[405], "well-formed; the 400 is a registrar's, which this is not (RFC 3261 8.2.1)"),
    ("bext01", "3.3.5", &[420], &[420], "will respond with a 420"),
    ("invut", "3.3.6", &[415], &[415], "an endpoint would reject it with a 415"),
    ("regaut01", "3.3.7", &[405], &[405], "a 405 is appropriate where there is no registrar"),
    ("multi01", "3.3.8", &[400], &[400], "would respond with a 400"),
    ("mcl01", "3.3.9", &[400], &[400], "should respond with an error; the stream is lost track of"),
    ("bcast", "3.3.10", SILENCE, SILENCE, "an endpoint should simply discard it"),
    ("zeromf", "3.3.11", &[200], &[200], "an endpoint processes it as if Max-Forwards were positive"),
    ("cparam01", "3.3.12", &[405], &[405], "this is no registrar (RFC 3261 8.2.1)"),
    ("cparam02", "3.3.13", &[405], &[405], "this is no registrar (RFC 3261 8.2.1)"),
    ("regescrt", "3.3.14", &[405], &[405], "this is no registrar (RFC 3261 8.2.1)"),
    ("sdp01", "3.3.15", &[406], &[406], "could respond with a 406 and a Warning"),
    ("inv2543", "3.4.1", &[200], &[400], "should be accepted; in a stream nobody knows its end without Content-Length (RFC 3261 18.3)"),
];

#[test]
fn every_message_is_answered_as_its_section_says() {
    let messages = messages();
    assert!(TABLE.iter().map(|row| row.0).eq(messages.keys()), "one row a message, in the same order");
    let mut wrong = Vec::new();
    for (name, section, datagram, stream, why) in TABLE {
        for (transport, expected) in [(Transport::Udp, datagram), (Transport::Tcp, stream)] {
            let answers = Server::new(transport).send(&messages[name]);
            let statuses: Vec<u16> = answers.iter().filter_map(Message::status).collect();
            if statuses != *expected {
                wrong.push(format!("{name} ({section}) over {transport}: {statuses:?} instead of {expected:?}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), TABLE.len(), wrong.join("\n"));
}

#[test]
fn what_is_well_formed_is_read_whole() {
    let messages = messages();
    let read = |name: &str| Message::parse_datagram(&messages[name]).unwrap();
    let wsinv = read("wsinv");
    assert_eq!((wsinv.to_tag(), wsinv.from_tag()), (Some("77torture"), Some("9a8b7c")));
    assert_eq!((wsinv.headers_all("Via").count(), wsinv.cseq().unwrap().number), (3, 12));
    assert_eq!(wsinv.header("NewlyInventedField"), Some("a value that goes on"));
    assert_eq!((wsinv.header("FieldOfOddValue"), wsinv.header("Subject")), (Some(";;,,;;,;"), Some("")));
    assert_eq!(read("intmeth").from_tag(), Some("_word~1'+`*%!-."));
    assert_eq!(read("esc02").contacts().len(), 2, "C%6Fntact is another field");
    assert_eq!(read("dblreq").body, b"");
    assert_eq!(read("longreq").headers_all("Via").count(), 13);
    let mpart01 = read("mpart01");
    let parts = mpart01.parts().unwrap();
    assert_eq!((parts.len(), parts[1].body.len()), (2, 16), "NUL and CRLF are octets like others");
    assert_eq!(read("unreason").reason(), "= 2**3 * 5**2 \u{445}\u{43e}\u{440}\u{43e}\u{448}\u{43e}");
    assert_eq!((read("noreason").status(), read("noreason").reason()), (Some(100), ""));
    assert_eq!(read("bcast").headers_all("Via").count(), 2);
}

#[test]
fn a_tortuous_invite_without_a_dialog_is_a_call() {
    let text = String::from_utf8(messages()["wsinv"].clone()).unwrap();
    let outside = text.replace(";   tag    = 77torture", "");
    assert_eq!(Server::new(Transport::Udp).statuses(outside.as_bytes()), [200]);
    assert_eq!(Server::new(Transport::Tcp).statuses(outside.as_bytes()), [200]);
}

#[test]
fn refusals_say_what_the_rfc_has_them_say() {
    let messages = messages();
    let answer = |name: &str| Server::new(Transport::Udp).send(&messages[name]).remove(0);
    assert!(
        answer("intmeth").header("Allow").unwrap().contains("INVITE"),
        "3.1.1.2: listing the methods they understand"
    );
    assert_eq!(
        answer("bext01").header("Unsupported"),
        Some("nobodyDoesThis, norThisEither"),
        "3.3.5: those of its role"
    );
    assert!(answer("invut").header("Accept").unwrap().contains("application/sdp"), "RFC 3261 8.2.3");
    assert!(answer("sdp01").header("Warning").unwrap().starts_with("399 "), "3.3.15");
    let sdp01 = answer("sdp01");
    assert_eq!((sdp01.body.as_slice(), sdp01.header("Content-Type")), (&b""[..], None), "no SDP");
    assert_eq!(answer("transports").headers_all("Via").count(), 5);
    assert_eq!(answer("intmeth").header("CSeq"), Some("77122385 !odd-Method42_*+`.%indeed'~"));
}

#[test]
fn a_recorder_takes_none_of_their_calls() {
    let messages = messages();
    for (name, _, datagram, ..) in TABLE {
        let is_call = messages[name].starts_with(b"INVITE ") && *datagram == [200];
        let refused = if is_call { &[403] } else { *datagram };
        let statuses = Server::under(Policy::default(), Transport::Udp).statuses(&messages[name]);
        // RFC 7866 6.2: they are for no recorder. What may be taken or not is asked only of what is.
        assert!(statuses == refused || (*name == "sdp01" && statuses == [403]), "{name}: {statuses:?}");
    }
}

/// A server that hears one message.
struct Server {
    srs: Srs,
    transport: Transport,
    next_port: u16,
}

const NOW: Now = Now { monotonic: Monotonic(0), wall: Wall(0) };

impl Server {
    fn new(transport: Transport) -> Self {
        let mut policy = Policy::default();
        policy.rules.legacy = true;
        Self::under(policy, transport)
    }

    fn under(policy: Policy, transport: Transport) -> Self {
        Self { srs: Srs::new(policy, Seed([7; 32])), transport, next_port: 10_000 }
    }

    fn statuses(&mut self, bytes: &[u8]) -> Vec<u16> {
        self.send(bytes).iter().filter_map(Message::status).collect()
    }

    /// All it sends, in order.
    fn send(&mut self, bytes: &[u8]) -> Vec<Message> {
        let [local, remote]: [SocketAddr; 2] = ["192.0.2.1:5060", "192.0.2.95:5060"].map(|at| at.parse().unwrap());
        if self.transport == Transport::Udp {
            return self.input(Input::Datagram { local, remote, bytes });
        }
        let transport = self.transport;
        let opened =
            Input::ConnectionOpened { id: STREAM, transport, local, remote, certificate: None, accepted: true };
        let mut sent = self.input(opened);
        // As it comes over a network: not all at once.
        for piece in bytes.chunks(500) {
            sent.extend(self.input(Input::Bytes { connection: STREAM, bytes: piece }));
        }
        sent
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Message> {
        self.srs.handle_input(NOW, input);
        let mut sent = Vec::new();
        while let Some(output) = self.srs.poll_output() {
            if let Output::Send { bytes, .. } = output {
                sent.push(Message::parse_datagram(&bytes).unwrap());
            } else if let Output::OpenPort { session, port, .. } = output {
                let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
                let (rtp, rtcp) = (at(self.next_port), at(self.next_port + 1));
                self.next_port += 2;
                self.srs.handle_input(NOW, Input::PortOpened { session, port, rtp, rtcp });
            }
        }
        sent
    }
}

/// The messages by name, in the order of the table.
fn messages() -> Messages {
    // The line end before a name is the one of the message before: of its body, or the empty line of its head.
    let by_name = MESSAGES.trim_end().split("\n== ").skip(1);
    Messages(by_name.map(|message| message.split_once('\n').unwrap()).map(|(n, text)| (n, filled_in(text))).collect())
}

struct Messages(Vec<(&'static str, Vec<u8>)>);

impl Messages {
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

impl std::ops::Index<&str> for Messages {
    type Output = Vec<u8>;

    fn index(&self, name: &str) -> &Vec<u8> {
        &self.0.iter().find(|(known, _)| *known == name).unwrap().1
    }
}

/// The octets of a message as it is written in the file.
fn filled_in(text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n") + "\r\n";
    let octets = fill(text.as_bytes());
    let body = octets.windows(4).position(|window| window == b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    let length = (octets.len() - body).to_string();
    let mut filled = Vec::new();
    let mut rest = octets.as_slice();
    while let Some(at) = rest.windows(8).position(|window| window == b"{length}") {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(length.as_bytes());
        rest = &rest[at + 8..];
    }
    filled.extend_from_slice(rest);
    filled
}

/// `{00}`, `{20*long}`, `{SDP}` and `{SDP length}`.
fn fill(mut text: &[u8]) -> Vec<u8> {
    let mut filled = Vec::new();
    while let Some((first, after)) = text.split_first() {
        let inner = (*first == b'{').then(|| after.iter().position(|byte| *byte == b'}')).flatten();
        let inner = inner.and_then(|end| std::str::from_utf8(&after[..end]).ok());
        let octets = match inner {
            Some("SDP") => Some(SDP.as_bytes().to_vec()),
            Some("SDP length") => Some((SDP.len() + 2).to_string().into_bytes()),
            Some(hex) if hex.len() == 2 => u8::from_str_radix(hex, 16).ok().map(|octet| vec![octet]),
            Some(other) => {
                other.split_once('*').and_then(|(times, what)| Some(what.repeat(times.parse().ok()?).into()))
            }
            None => None,
        };
        match (octets, inner) {
            (Some(octets), Some(inner)) => {
                filled.extend_from_slice(&octets);
                text = &after[inner.len() + 1..];
            }
            _ => {
                filled.push(*first);
                text = after;
            }
        }
    }
    filled
}
