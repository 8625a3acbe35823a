//! The server as an SRC sees it: bytes in, bytes out, ports opened at once, a clock of the test's own.

mod bodies;
mod calling;
mod calls;
mod crowd;
mod dialogs;
mod dtls;
mod joined;
mod lines;
mod incidents;
mod lines_at_fault;
mod losing;
mod offers;
mod peers;
mod portrait;
mod responses;
mod restart;
mod secure;
mod srtp;
mod snapshots;
mod tags;
mod talk;
mod timers;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::*;
use crate::entry::Kind;
use crate::media::PortStatistics;
use crate::seed::Seed;
use crate::sip::message::Message;
use crate::time::Now;

pub(super) const SRS: &str = "127.0.0.1:5060";
pub(super) const SRC: &str = "127.0.0.2:5070";

/// Port numbers known from before a restart.
type Known = Option<(u16, u16)>;

/// A server, its clock and all that it put out.
pub(super) struct Bench {
    pub(super) srs: Srs,
    pub(super) now: Now,
    pub(super) kept: Vec<(SessionId, Wall, Kept)>,
    pub(super) sent: Vec<Message>,
    pub(super) opened: Vec<(SessionId, PortIndex, Known)>,
    pub(super) closed: Vec<(SessionId, PortIndex)>,
    /// Indices of SRTCP that were granted.
    pub(super) reserved: Vec<(PortIndex, u32)>,
    pub(super) settings: Vec<PortSettings>,
    /// Handshakes of DTLS that may come: the port, whether its RTCP socket, the association, with whom we begin.
    pub(super) expected: Vec<(u16, bool, Association, Option<SocketAddr>)>,
    pub(super) begun: Vec<SegmentHeader>,
    pub(super) ended_recordings: Vec<RecordingId>,
    pub(super) ended: Vec<(SessionId, EndCause)>,
    /// Streams that were closed.
    pub(super) closed_streams: Vec<ConnectionId>,
    /// What was told of who was kept out.
    pub(super) told: Vec<Tell>,
    /// Ports that are not to be had.
    pub(super) refuse_ports: bool,
    /// Ports asked for, and not opened by themselves.
    pub(super) hold_ports: bool,
}

pub(crate) fn policy() -> Policy {
    Policy {
        product: "siprec/test".to_string(),
        version: "test".to_string(),
        boot: "boot-1".to_string(),
        max_sessions: 10,
        rules: Rules { refusal: Refusal { retry_after_seconds: Some(5), ..Refusal::default() }, ..Rules::default() },
        probes: true,
        ..Policy::default()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(policy())
    }

    pub(super) fn with(policy: Policy) -> Self {
        let now = Now { monotonic: Monotonic(1_000_000_000), wall: Wall(1_800_000_000_000_000_000) };
        Self {
            srs: Srs::new(policy, Seed([9; 32])),
            now,
            kept: Vec::new(),
            sent: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            reserved: Vec::new(),
            settings: Vec::new(),
            expected: Vec::new(),
            begun: Vec::new(),
            ended_recordings: Vec::new(),
            ended: Vec::new(),
            closed_streams: Vec::new(),
            told: Vec::new(),
            refuse_ports: false,
            hold_ports: false,
        }
    }

    /// Sends a datagram from the SRC and gives what came back.
    pub(super) fn send(&mut self, message: &str) -> Vec<Message> {
        let (local, remote) = (SRS.parse().unwrap(), SRC.parse().unwrap());
        self.input(Input::Datagram { local, remote, bytes: message.as_bytes() })
    }

    pub(super) fn input(&mut self, input: Input<'_>) -> Vec<Message> {
        let before = self.sent.len();
        self.srs.handle_input(self.now, input);
        self.drain();
        self.sent[before..].to_vec()
    }

    /// Lets time pass, waking the server at each of its deadlines.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Message> {
        let before = self.sent.len();
        let end = self.now.monotonic.after(time);
        while let Some((at, _)) = self.srs.next_timeout().filter(|(at, _)| *at <= end) {
            self.advance_to(at.max(self.now.monotonic));
            self.srs.handle_input(self.now, Input::Timeout);
            self.drain();
        }
        self.advance_to(end);
        self.sent[before..].to_vec()
    }

    fn advance_to(&mut self, at: Monotonic) {
        let by = at.since(self.now.monotonic);
        self.now = Now { monotonic: at, wall: self.now.wall.after(by) };
    }

    fn drain(&mut self) {
        while let Some(output) = self.srs.poll_output() {
            match output {
                Output::Send { bytes, .. } => self.sent.extend(Message::parse_datagram(&bytes).ok()),
                Output::OpenPort { session, port, wanted, .. } => {
                    self.opened.push((session, port, wanted));
                    if !self.hold_ports {
                        self.open(session, port, wanted);
                    }
                }
                Output::UpdatePort { settings, .. } => self.settings.push(settings),
                Output::ExpectDtls { port, is_rtcp, association, begin_with, .. } => {
                    self.expected.push((port.0, is_rtcp, association, begin_with));
                }
                Output::Reserve { port, reserved, .. } => self.reserved.push((port, reserved.reserved)),
                Output::ClosePort { session, port } => self.closed.push((session, port)),
                Output::Begin { header, .. } => self.begun.push(header),
                Output::Keep { session, at, kept } => self.kept.push((session, at, kept)),
                Output::RecordingEnded { recording, .. } => self.ended_recordings.push(recording),
                Output::SessionEnded { session, cause } => self.ended.push((session, cause)),
                Output::Tell(tell @ (Tell::KeptOut { .. } | Tell::Secured { .. } | Tell::NotSecured { .. })) => {
                    self.told.push(tell)
                }
                Output::CloseConnection { id } => self.closed_streams.push(id),
                Output::Framed { .. } | Output::Tell(_) => {}
            }
        }
    }

    fn open(&mut self, session: SessionId, port: PortIndex, wanted: Option<(u16, u16)>) {
        let (rtp, rtcp) = wanted.unwrap_or((10_000 + 2 * port.0, 10_001 + 2 * port.0));
        let at = |port| SocketAddr::new("127.0.0.1".parse().unwrap(), port);
        let input = if self.refuse_ports {
            Input::PortRefused { session, port, why: "taken".to_string() }
        } else {
            Input::PortOpened { session, port, rtp: at(rtp), rtcp: at(rtcp) }
        };
        self.srs.handle_input(self.now, input);
    }

    /// A TCP stream of ours (`accepted`: of theirs) to `remote`.
    pub(super) fn connect(&mut self, id: ConnectionId, remote: SocketAddr, accepted: bool) {
        let (transport, local) = (Transport::Tcp, SRS.parse().unwrap());
        self.input(Input::ConnectionOpened { id, transport, local, remote, certificate: None, accepted });
    }

    pub(super) fn heard(&mut self, session: SessionId, port: u16) {
        let statistics = self.statistics(port);
        self.input(Input::Media(&MediaReport { session, event: None, statistics }));
    }

    /// Of a port that heard a packet just now.
    pub(super) fn statistics(&self, port: u16) -> PortStatistics {
        let nothing = PortStatistics::of(PortIndex(port));
        PortStatistics { packets: 1, octets: 172, last_at: Some(self.now.wall), ..nothing }
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let event = |kept: &Kept| if let Kept::Event(event) = kept { Some(event.clone()) } else { None };
        self.kept.iter().filter_map(|(_, _, kept)| event(kept)).collect()
    }

    pub(super) fn last_checkpoint(&self) -> Checkpoint {
        let json = |kept: &Kept| if let Kept::Checkpoint(json) = kept { Some(json.clone()) } else { None };
        let newest = self.kept.iter().rev().find_map(|(_, _, kept)| json(kept)).unwrap();
        Checkpoint::read(&newest).unwrap()
    }

    pub(super) fn session(&self) -> SessionId {
        self.begun.last().unwrap().session
    }
}

/// A call as an SRC makes it.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) to_tag: String,
    pub(super) cseq: u32,
}

impl Call {
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_string(), to_tag: String::new(), cseq: 0 }
    }

    pub(super) fn request(&mut self, method: &str, headers: &str, body: &str) -> String {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
        }
        self.repeat(method, headers, body)
    }

    /// The same CSeq again.
    pub(super) fn repeat(&self, method: &str, headers: &str, body: &str) -> String {
        let Self { id, to_tag, cseq } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        // A CANCEL has its INVITE's branch; an ACK of a 2xx its own.
        let kind = if method == "CANCEL" { "INVITE" } else { method };
        format!(
            "{method} sip:srs@{SRS} SIP/2.0\r\nVia: SIP/2.0/UDP {SRC};branch=z9hG4bK{id}{cseq}{kind};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:src@{SRC}>;tag=src-{id}\r\nTo: <sip:srs@{SRS}>{tag}\r\nCall-ID: {id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:src@{SRC}>;+sip.src\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// INVITE with two streams and metadata, its 200 acknowledged.
    pub(super) fn set_up(bench: &mut Bench, id: &str) -> Self {
        Self::set_up_with(bench, id, "", &metadata("s1"))
    }

    /// The same with header fields and metadata of the test's own.
    pub(super) fn set_up_with(bench: &mut Bench, id: &str, more: &str, metadata: &str) -> Self {
        let mut call = Self::new(id);
        let (headers, body) = multipart(&sdp("sendonly"), metadata);
        let invite = call.request("INVITE", &format!("{more}{headers}"), &body);
        let answers = bench.send(&invite);
        let ok = answers.iter().find(|m| m.status() == Some(200)).expect("a 200");
        call.to_tag = ok.to_tag().unwrap().to_string();
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
        call
    }
}

pub(super) fn sdp(direction: &str) -> String {
    let line = |label: u16, port: u16| {
        format!(
            "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=label:{label}\r\na={direction}\r\n"
        )
    };
    format!(
        "v=0\r\no=SRC 77 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n{}{}",
        line(1, 30_000),
        line(2, 30_002)
    )
}

pub(super) fn metadata(session: &str) -> String {
    let stream = |n: u8| format!("<stream stream_id=\"st{n}\" session_id=\"{session}\"><label>{n}</label></stream>");
    let participant = |n: u8| {
        format!(
            "<participant participant_id=\"p{n}\"><nameID aor=\"sip:100{n}@example.com\"><name>Party {n}</name></nameID></participant>"
        )
    };
    let sends =
        |n: u8| format!("<participantstreamassoc participant_id=\"p{n}\"><send>st{n}</send></participantstreamassoc>");
    let joins = |n: u8| format!("<participantsessionassoc participant_id=\"p{n}\" session_id=\"{session}\"/>");
    format!(
        "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>\
         <session session_id=\"{session}\"/>{}{}{}{}{}{}{}{}</recording>",
        participant(1),
        participant(2),
        stream(1),
        stream(2),
        joins(1),
        joins(2),
        sends(1),
        sends(2)
    )
}

pub(super) fn multipart(sdp: &str, metadata: &str) -> (String, String) {
    let headers = "Require: siprec\r\nContent-Type: multipart/mixed;boundary=bb\r\n".to_string();
    let body = format!(
        "--bb\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--bb\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{metadata}\r\n--bb--\r\n"
    );
    (headers, body)
}

/// The version of a description of ours.
pub(super) fn version(message: &Message) -> u64 {
    let text = String::from_utf8(message.body.clone()).unwrap();
    let origin = text.lines().find(|l| l.starts_with("o=")).unwrap().to_string();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

/// An answer of the SRC's to a request of ours.
pub(super) fn respond(request: &Message, status: u16, headers: &str, body: &str) -> String {
    let mut response = Message::response(status, "As Asked", request);
    if response.to_tag().is_none() {
        response.set_to_tag("src");
    }
    let text = String::from_utf8(response.encode()).unwrap();
    let head = text.split("Content-Length").next().unwrap().to_string();
    format!("{head}{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The requests among messages, by method.
pub(super) fn methods(messages: &[Message]) -> Vec<String> {
    messages.iter().filter_map(|m| m.method().map(|method| method.as_str().to_string())).collect()
}

pub(super) fn statuses(messages: &[Message]) -> Vec<u16> {
    messages.iter().filter_map(Message::status).collect()
}

/// A kept message's own words, to see that an entry can be made of it.
pub(super) fn is_sip(kept: &Kept, starts: &str) -> bool {
    let Kept::Sip { transport, outbound, from, to, message } = kept else { return false };
    let kind = Kind::Sip { transport: *transport, outbound: *outbound, from: *from, to: *to, message };
    matches!(kind, Kind::Sip { message, .. } if message.starts_with(starts.as_bytes()))
}
