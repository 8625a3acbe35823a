//! What the sheet takes out of the kept messages: the vendor, the call's ids, what is not as the RFCs have it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::call::{MS, RECORDING, SECOND, ZERO, stream};
use crate::entry::{EndCause, Entry, Event, Kind, Stream};
use crate::metadata::{self, Snapshot};
use crate::render::{ChannelName, Planner, Rendition, Sidecar};
use crate::seed::RecordingId;
use crate::sip::Transport;
use crate::time::Wall;

/// Another recording of the session.
pub(super) const OTHER: RecordingId = RecordingId(1);

/// Port, label and direction of an m-line.
pub(super) type Offered<'a> = (u16, &'a str, &'a str);

/// An m-line that is sent on.
pub(super) fn line(label: &str) -> Offered<'_> {
    (4000, label, "sendonly")
}

/// A session of entries, its metadata folded as the server folds it.
pub(super) struct Session {
    planner: Planner,
    snapshot: Snapshot,
    at: i64,
    cseq: u32,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { planner: Planner::new(RECORDING), snapshot: Snapshot::default(), at: ZERO, cseq: 0 }
    }

    fn entry(&mut self, kind: Kind<'_>) {
        self.at += MS;
        self.planner.entry(&Entry { at: Wall(self.at), kind });
    }

    pub(super) fn event(&mut self, event: Event) {
        self.entry(Kind::Event(event));
    }

    /// A request of two m-lines, with header fields and metadata.
    fn request(&mut self, method: &str, headers: &str, elements: &str) {
        let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\na=label:1\r\na=content:speaker, main\r\nm=audio 4002 RTP/AVP 8\r\na=content:alt\r\n";
        self.send(method, headers, sdp, ("complete", elements));
    }

    /// A request that describes these lines; with a complete document, if any.
    pub(super) fn offer(&mut self, method: &str, headers: &str, lines: &[Offered<'_>], elements: &str) {
        let mut sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n".to_string();
        for (port, label, direction) in lines {
            sdp += &format!("m=audio {port} RTP/AVP 8\r\na={direction}\r\na=label:{label}\r\n");
        }
        self.send(method, headers, &sdp, ("complete", elements));
    }

    /// A request with a partial document alone.
    pub(super) fn partial(&mut self, method: &str, elements: &str) {
        self.send(method, "", "", ("partial", elements));
    }

    fn send(&mut self, method: &str, headers: &str, sdp: &str, (mode, elements): (&str, &str)) {
        self.cseq += 1;
        let xml = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>{mode}</datamode>{elements}</recording>"
        );
        let mut body = String::new();
        if !sdp.is_empty() {
            body += &format!("--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n");
        }
        if !elements.is_empty() {
            body += &format!("--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{xml}\r\n");
        }
        body += "--b--\r\n";
        let message = format!(
            "{method} sip:srs@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:src@h>;tag=1\r\nTo: <sip:srs@h>\r\nCall-ID: c\r\n\
             CSeq: {} {method}\r\nContact: <sip:src@h>;+sip.src\r\n{headers}Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            self.cseq,
            body.len()
        );
        let (from, to) = (([192, 0, 2, 9], 5060).into(), ([192, 0, 2, 1], 5060).into());
        self.entry(Kind::Sip { transport: Transport::Udp, outbound: false, from, to, message: message.as_bytes() });
        if elements.is_empty() {
            return;
        }
        let parsed = metadata::parse("application/rs-metadata+xml", xml.as_bytes());
        let mut deviations = parsed.deviations;
        deviations.extend(self.snapshot.apply(&parsed.document.unwrap(), Wall(self.at)));
        self.event(Event::Metadata { snapshot: self.snapshot.clone().into(), deviations });
    }

    /// Our answer to the last offer.
    pub(super) fn answer(&mut self, ports: &[u16]) {
        let lines: String = ports.iter().map(|port| format!("m=audio {port} RTP/AVP 8\r\n")).collect();
        self.respond(&self.cseq.to_string(), &lines);
    }

    fn respond(&mut self, cseq: &str, lines: &str) {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}");
        let message = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:src@h>;tag=1\r\nTo: <sip:srs@h>;tag=2\r\nCall-ID: c\r\n\
             CSeq: {cseq} INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        let (to, from) = (([192, 0, 2, 9], 5060).into(), ([192, 0, 2, 1], 5060).into());
        self.entry(Kind::Sip { transport: Transport::Udp, outbound: true, from, to, message: message.as_bytes() });
    }

    /// Codes of what has been found so far.
    pub(super) fn offer_codes(&self) -> Vec<String> {
        self.planner.notes.deviations.iter().map(|deviation| deviation.code.clone()).collect()
    }

    pub(super) fn starts(&mut self, recording: RecordingId, session: Option<&str>) {
        self.event(Event::RecordingStarted { recording, communication_session: session.map(ToString::to_string) });
    }

    pub(super) fn sheet(mut self) -> Sidecar {
        self.at += SECOND;
        self.event(Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
        self.planner.finish(Rendition::default()).sidecar
    }
}

pub(super) fn two_streams(session: &mut Session) {
    for port in 0..2 {
        session.event(Event::Stream(stream(port)));
    }
    session.event(Event::Answered);
}

const GUID: &str = "Cisco-Guid: 2432917800-1464078823-2314850559-1455670872\r\n";
const HEX: &str = "91036128574411e789f9d0ff56c3c658";

#[test]
fn the_vendor_and_the_calls_ids_are_told() {
    let mut session = Session::new();
    session.request("INVITE", &format!("User-Agent: Cisco-SIPGateway/IOS-17\r\n{GUID}"), "<session session_id='cs'><sipSessionID>AB30317F1A784DC48FF824D0D3715D86</sipSessionID><group-ref>g</group-ref></session>");
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    // A later update adds an id, and the document that has it is replaced by one that has not.
    session.request(
        "UPDATE",
        "",
        "<session session_id='cs'><v xmlns='urn:v'><ucid>00FA080001000758A20EFA</ucid></v></session>",
    );
    session.request("UPDATE", "", "<session session_id='cs'/>");
    let sheet = session.sheet();
    let vendor = sheet.recording_session.vendor.unwrap();
    assert_eq!((vendor.vendor.as_str(), vendor.product.as_str()), ("cisco", "Cisco-SIPGateway/IOS-17"));
    assert_eq!(sheet.call.get("cisco_guid"), [HEX]);
    assert_eq!(sheet.call.get("ucid"), ["00001000071487015674"]);
    assert_eq!(sheet.call.get("sip_session_id"), ["ab30317f1a784dc48ff824d0d3715d86"]);
    assert_eq!(sheet.call.get("group"), ["g"]);
}

/// RFC 4796.
#[test]
fn what_a_line_shows_is_told_by_its_label_or_its_place() {
    let mut session = Session::new();
    session.request("INVITE", "", "<session session_id='cs'/>");
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    let sheet = session.sheet();
    let contents: Vec<&[String]> = sheet.streams.iter().map(|stream| stream.content.as_slice()).collect();
    assert_eq!(contents, [&["speaker".to_string(), "main".to_string()][..], &["alt".to_string()]]);
}

#[test]
fn the_next_call_of_a_session_has_its_own_ids() {
    let mut session = Session::new();
    session.request("INVITE", GUID, "<session session_id='first'><group-ref>one</group-ref></session>");
    two_streams(&mut session);
    session.starts(OTHER, Some("first"));
    session.request(
        "UPDATE",
        "X-Genesys-CallUUID: second\r\n",
        "<session session_id='second'><group-ref>two</group-ref></session>",
    );
    session.starts(RECORDING, Some("second"));
    let sheet = session.sheet();
    let ids: Vec<(&str, &str)> = sheet.call.iter().collect();
    assert_eq!(ids, [("genesys_uuid", "second"), ("group", "two")]);
}

#[test]
fn what_is_wrong_with_sip_and_sdp_stands_in_the_sheet() {
    let mut session = Session::new();
    let elements = "<session session_id='cs'/><stream stream_id='s' session_id='cs'><label>other</label></stream>";
    session.request("INVITE", "", elements);
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    let codes: Vec<String> = session.sheet().proof.deviations.into_iter().map(|deviation| deviation.code).collect();
    for code in [
        "no-require-siprec",
        "no-max-forwards",
        "metadata-disposition",
        "label-missing",
        "direction",
        "labels-disjoint",
        "id-form",
    ] {
        assert!(codes.iter().any(|found| found == code), "{code} is not among {codes:?}");
    }
}

#[test]
fn whom_an_id_meant_before_is_told_too() {
    let person = |aor: &str| {
        format!("<session session_id='cs'/><participant participant_id='p'><nameID aor='{aor}'/></participant>")
    };
    let mut session = Session::new();
    session.request("INVITE", "", &person("sip:ann@h"));
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    session.request("UPDATE", "", &person("sip:Ann@h"));
    session.request("UPDATE", "", &person("sip:ben@h"));
    let sheet = session.sheet();
    let people: Vec<(&str, bool)> = sheet.participants.iter().map(|p| (p.aor.as_str(), p.left_at.is_some())).collect();
    assert_eq!(people, [("sip:ann@h", true), ("sip:Ann@h", true), ("sip:ben@h", false)]);
    assert_eq!(sheet.participants[1].left_at, sheet.participants[2].joined_at);
}

#[test]
fn labels_that_nobody_has_leave_the_order() {
    let person = |id: &str| format!("<participant participant_id='{id}'><nameID aor='sip:{id}@h'/></participant>");
    let stream_of = |id: &str, label: &str| {
        format!(
            "<stream stream_id='s{id}' session_id='cs'><label>{label}</label></stream>\
             <participantstreamassoc participant_id='{id}'><send>s{id}</send></participantstreamassoc>"
        )
    };
    let streams = [("ann", "x", "bob", "y"), ("bob", "1", "ann", "7")];
    for ((first, label, second, other), expected) in streams.into_iter().zip([["ann", "bob"], ["bob", "ann"]]) {
        let mut session = Session::new();
        let elements =
            ["<session session_id='cs'/>", &person("ann"), &person("bob"), &stream_of(first, label)].concat();
        session.request("INVITE", "", &(elements + &stream_of(second, other)));
        session.event(Event::Stream(stream(0)));
        session.event(Event::Stream(Stream { label: None, ..stream(1) }));
        session.event(Event::Answered);
        session.starts(RECORDING, Some("cs"));
        let sheet = session.sheet();
        let senders: Vec<&[String]> = sheet.streams.iter().map(|stream| stream.participants.as_slice()).collect();
        assert_eq!(senders, [[expected[0]], [expected[1]]], "{label}");
        assert_eq!(sheet.streams[0].channel == ChannelName::Left, expected[0] == "ann", "who is named first called");
    }
}

#[test]
fn a_line_that_we_answered_with_port_0_is_told() {
    let mut session = Session::new();
    session.request("INVITE", "", "<session session_id='cs'/>");
    for (cseq, first, second) in [("7", 0, 10002), ("1", 10000, 0)] {
        session.respond(cseq, &format!("m=audio {first} RTP/AVP 8\r\nm=audio {second} RTP/AVP 8\r\n"));
    }
    session.event(Event::Stream(stream(0)));
    session.event(Event::Answered);
    session.starts(RECORDING, Some("cs"));
    let deviations = session.sheet().proof.deviations;
    let found: Vec<&str> =
        deviations.iter().filter(|found| found.code == "media-not-recorded").map(|found| found.text.as_str()).collect();
    assert_eq!(found, ["m-line 2 (audio RTP/AVP PCMA/8000) was answered with port 0"]);
}
