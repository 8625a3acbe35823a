//! The linter as the tests of these folders use it: a message of their own, over a policy that allows what the default allows.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]

use siprec_core::lint::{Report, lint};
use siprec_core::session::Policy;
use siprec_core::sip::Transport;

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8\r\na=sendonly\r\na=label:1\r\nm=audio 4002 RTP/AVP 8\r\na=sendonly\r\na=label:2\r\n";

/// Two parties, one on each label.
pub const METADATA: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>\
    <session session_id=\"s\"/>\
    <participant participant_id=\"pa\"><nameID aor=\"sip:ann@example.com\"><name>Ann</name></nameID></participant>\
    <participant participant_id=\"pb\"><nameID aor=\"sip:ben@example.com\"><name>Ben</name></nameID></participant>\
    <stream stream_id=\"s1\" session_id=\"s\"><label>1</label></stream>\
    <stream stream_id=\"s2\" session_id=\"s\"><label>2</label></stream>\
    <participantstreamassoc participant_id=\"pa\"><send>s1</send><recv>s2</recv></participantstreamassoc>\
    <participantstreamassoc participant_id=\"pb\"><send>s2</send><recv>s1</recv></participantstreamassoc>\
    </recording>\r\n";

pub fn policy() -> Policy {
    Policy { product: "siprec/test".into(), ..Policy::default() }
}

/// A message of which pieces are replaced; `LENGTH` becomes the body's length.
pub fn changed(head: &str, body: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let (mut head, mut body) = (head.to_owned(), body.to_owned());
    for (from, to) in changes {
        assert!(head.contains(from) || body.contains(from), "{from:?} is not there");
        head = head.replace(from, to);
        body = body.replace(from, to);
    }
    let head = head.replace("LENGTH", &body.len().to_string());
    [head, body].concat().into_bytes()
}

pub const HEAD: &str = "INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKq\r\n\
    Max-Forwards: 70\r\nFrom: <sip:src@192.0.2.9>;tag=1\r\nTo: <sip:srs@192.0.2.1>\r\nCall-ID: quirk\r\nCSeq: 5 INVITE\r\n\
    Contact: <sip:src@192.0.2.9>;+sip.src\r\nRequire: siprec\r\nContent-Type: multipart/mixed;boundary=b\r\n\
    Content-Length: LENGTH\r\n\r\n";

/// The body of an INVITE: SDP and metadata.
pub fn body() -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{METADATA}\r\n--b--\r\n"
    )
}

/// An INVITE with changes.
pub fn invite(changes: &[(&str, &str)]) -> Vec<u8> {
    changed(HEAD, &body(), changes)
}

pub fn report(bytes: &[u8]) -> Report {
    lint(bytes, Transport::Udp, "192.0.2.9:5060".parse().unwrap(), &policy())
}

pub fn status(report: &Report) -> u16 {
    report.answer.as_ref().map_or(0, |answer| answer.status)
}

/// `name<aor>labels`, one a participant.
pub fn people(report: &Report) -> Vec<String> {
    let one = |party: &siprec_core::lint::Party| {
        format!("{}<{}>{}", party.name.as_deref().unwrap_or("-"), party.aor, party.labels.join(","))
    };
    report.participants.iter().map(one).collect()
}
