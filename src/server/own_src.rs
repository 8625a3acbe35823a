//! Recording sessions without SIP: the server is their SRC itself, and speaks SIPREC with itself.
//!
//! ```text
//! Begin -> INVITE, offer, metadata -> Srs, as if it had come from OWN_ADDRESS -> 200 -> ACK -> Begun: where media goes
//! ```
//! So such a session is one like any other: journalled, recovered, rendered and replayed by the same code. What the server asks
//! within it (is the SRC there, stop) is answered from the question alone, so it goes on over a restart; only since when it is silent is
//! remembered.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use siprec_core::metadata::{
    Document, Extension, NameId, ParticipantElement, ParticipantSessionAssoc, ParticipantStreamAssoc, SessionElement,
    SessionRecordingAssoc, StreamElement, escaped, write_document,
};
use siprec_core::sdp::Description;
use siprec_core::seed::{Random, SessionId};
use siprec_core::session::Input;
use siprec_core::sip::{Message, Method, Transport};
use tokio::sync::oneshot;

use super::signalling::Signalling;
use crate::policy::{OWN_ADDRESS, VERSION};

/// Nobody listens there; nothing is ever sent there.
const OWN_PORT: u16 = 5060;
/// Questions after silence that are further apart are of another silence.
const IN_A_ROW: Duration = Duration::from_secs(600);
const BOUNDARY: &str = "siprec-own";
/// What is offered, in this order: payload type, rtpmap.
const CODECS: [(u8, &str); 6] = [
    (0, "PCMU/8000"),
    (8, "PCMA/8000"),
    (9, "G722/8000"),
    (18, "G729/8000"),
    (96, "opus/48000/2"),
    (101, "telephone-event/8000"),
];

/// A recording session that somebody wants.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    /// What the call is called.
    pub(super) name: String,
    /// Who speaks on it: each has a stream.
    pub(super) participants: Vec<Participant>,
    /// What else there is to say of it.
    pub(super) fields: Vec<(String, String)>,
    /// The address that media is to be sent to; none: that of SIP, or 127.0.0.1 where that is every one.
    pub(super) media_address: Option<IpAddr>,
}

/// Somebody who speaks.
#[derive(Debug, Clone)]
pub(super) struct Participant {
    /// Address of record.
    pub(super) uri: String,
    /// Display name.
    pub(super) name: Option<String>,
}

/// A session that has begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) session: SessionId,
    /// For each participant, where its media goes.
    pub(super) streams: Vec<BegunStream>,
}

/// Where a participant's media goes.
#[derive(Debug, Clone)]
pub(super) struct BegunStream {
    pub(super) label: String,
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// A description of this stream alone, for who speaks SDP.
    pub(super) sdp: String,
}

/// Why none has begun.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: String,
}

/// Where the answer goes.
pub(super) type Reply = oneshot::Sender<Result<Begun, Refused>>;

/// The SRC that is us.
#[derive(Debug)]
pub(super) struct OwnSrc {
    random: Random,
    /// By Call-ID.
    waiting: HashMap<String, Reply>,
    /// What it says next: to which address of ours.
    says: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Sessions that are silent, by Call-ID: since when, and when that was seen last.
    silent: HashMap<String, (Instant, Instant)>,
    /// A session that is silent for so long is over: whoever began it has gone without a word.
    patience: Duration,
}

impl OwnSrc {
    pub(super) fn new(random: Random, patience: Duration) -> Self {
        Self { random, waiting: HashMap::new(), says: VecDeque::new(), silent: HashMap::new(), patience }
    }

    /// Another patience.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The server asks whether the SRC of a silent session is still there.
    fn is_there(&mut self, call_id: &str, now: Instant) -> bool {
        self.silent.retain(|_, (_, last)| now.duration_since(*last) < IN_A_ROW);
        let (since, last) = self.silent.entry(call_id.to_owned()).or_insert((now, now));
        *last = now;
        now.duration_since(*since) < self.patience
    }

    /// Whether an address is its own: nobody else can have it (RFC 7600), so what comes from there is forged. It says nothing to people.
    pub(super) fn is_at(address: IpAddr) -> bool {
        address.to_canonical() == IpAddr::V4(OWN_ADDRESS)
    }

    fn begin(&mut self, begin: &Begin, local: SocketAddr, reply: Reply) {
        let (call_id, tag, branch) = (self.random.token(), self.random.token(), self.random.token());
        let invite = invite(begin, local, (&call_id, &tag, &branch));
        self.waiting.insert(call_id, reply);
        self.says.push_back((local, invite.encode()));
    }

    /// The server says something to it.
    fn hear(&mut self, local: SocketAddr, octets: &[u8]) -> Option<(Reply, Message)> {
        let message = Message::parse_datagram(octets).ok()?;
        let Some(status) = message.status() else {
            let is_gone = message.method() == Some(&Method::Options)
                && !self.is_there(message.call_id().unwrap_or_default(), Instant::now());
            let answer = match is_gone {
                true => Some(Message::response(481, "Call/Transaction Does Not Exist", &message)),
                false => answer(&message, local),
            };
            self.says.extend(answer.map(|answer| (local, answer.encode())));
            return None;
        };
        let is_invite = message.cseq().is_some_and(|cseq| cseq.method == Method::Invite);
        if status < 200 || !is_invite {
            return None;
        }
        if status < 300 {
            let branch = self.random.token();
            self.says.push_back((local, ack(&message, local, &branch).encode()));
        }
        let reply = self.waiting.remove(message.call_id()?)?;
        Some((reply, message))
    }
}

impl Signalling {
    /// Begins a session whose SRC is the server itself.
    pub(super) fn begin_own(&mut self, begin: &Begin, reply: Reply) {
        let of_family = |socket: &&std::sync::Arc<super::datagrams::Datagrams>| {
            begin.media_address.is_none_or(|ip| ip.is_ipv4() == socket.bound().is_ipv4())
        };
        let Some(bound) = self.datagrams.iter().find(of_family).map(|socket| socket.bound()) else {
            let reason = "media_address: the server listens in no such family of addresses".to_owned();
            let _ = reply.send(Err(Refused { status: 400, reason }));
            return;
        };
        let any = if bound.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { std::net::Ipv6Addr::LOCALHOST.into() };
        let own = if bound.ip().is_unspecified() { any } else { bound.ip() };
        let local = SocketAddr::new(begin.media_address.unwrap_or(own), bound.port());
        self.own_src.begin(begin, local, reply);
        self.speak_with_itself();
    }

    /// The server has sent something to its own SRC.
    pub(super) fn tell_own_src(&mut self, local: SocketAddr, octets: &[u8]) {
        if let Some((reply, response)) = self.own_src.hear(local, octets) {
            // Who has stopped waiting has a session all the same, which it can find and stop.
            let _ = reply.send(self.begun(&response));
        }
    }

    /// What the own SRC says is heard, until it says nothing more.
    pub(super) fn speak_with_itself(&mut self) {
        while let Some((local, octets)) = self.own_src.says.pop_front() {
            let remote = SocketAddr::new(OWN_ADDRESS.into(), OWN_PORT);
            self.show_watchers(false, Transport::Udp, (remote, local), &octets);
            self.input(Input::Datagram { local, remote, bytes: &octets });
        }
    }

    fn begun(&self, response: &Message) -> Result<Begun, Refused> {
        let status = response.status().unwrap_or(500);
        let refused = |reason: &str| Refused { status, reason: reason.to_owned() };
        if status >= 300 {
            return Err(refused(response.reason()));
        }
        let session = response.call_id().and_then(|call_id| self.srs.session_called(call_id));
        let session = session.ok_or_else(|| refused("the session is over already"))?;
        let described = Description::parse(&response.body).map_err(|_| refused("its answer cannot be read"))?;
        let text = String::from_utf8_lossy(&response.body);
        let parts: Vec<&str> = text.split_inclusive("\r\nm=").collect();
        let streams = described.media.iter().enumerate().map(|(index, media)| BegunStream {
            label: media.label.clone().unwrap_or_default(),
            rtp: SocketAddr::new(media.connection.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), media.port),
            rtcp: SocketAddr::new(
                media.connection.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                media.port.saturating_add(1),
            ),
            sdp: alone(&parts, index),
        });
        Ok(Begun { session, streams: streams.collect() })
    }
}

/// The session's part of a description, and one of its streams.
fn alone(parts: &[&str], index: usize) -> String {
    let without_next = |part: &str| part.strip_suffix("m=").unwrap_or(part).to_owned();
    let session = parts.first().map(|part| without_next(part)).unwrap_or_default();
    let media = parts.get(index + 1).map(|part| without_next(part)).unwrap_or_default();
    format!("{session}m={media}")
}

fn own(user: &str, tag: &str) -> String {
    format!("<sip:{user}@{OWN_ADDRESS}>;tag={tag}")
}

fn via(branch: &str) -> String {
    format!("SIP/2.0/UDP {OWN_ADDRESS}:{OWN_PORT};branch=z9hG4bK{branch}")
}

fn invite(begin: &Begin, local: SocketAddr, (call_id, tag, branch): (&str, &str, &str)) -> Message {
    let body = format!(
        "--{BOUNDARY}\r\nContent-Type: application/sdp\r\n\r\n{}--{BOUNDARY}\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{}\r\n--{BOUNDARY}--\r\n",
        offer(begin.participants.len()),
        write_document(&metadata(begin))
    );
    Message::request(Method::Invite, format!("sip:siprec@{local}"))
        .with("Via", via(branch))
        .with("Max-Forwards", "70")
        .with("From", own("api", tag))
        .with("To", format!("<sip:siprec@{local}>"))
        .with("Call-ID", call_id)
        .with("CSeq", "1 INVITE")
        .with("Contact", format!("<sip:api@{OWN_ADDRESS}:{OWN_PORT}>;+sip.src"))
        .with("Require", "siprec")
        .with("Allow", "INVITE, ACK, BYE, OPTIONS, UPDATE")
        .with("User-Agent", format!("siprec-api/{VERSION}"))
        .with_body(&format!("multipart/mixed;boundary={BOUNDARY}"), body.into_bytes())
}

fn ack(response: &Message, local: SocketAddr, branch: &str) -> Message {
    let copy = |name: &str| response.header(name).unwrap_or_default().to_owned();
    let cseq = response.cseq().map_or(1, |cseq| cseq.number);
    Message::request(Method::Ack, format!("sip:siprec@{local}"))
        .with("Via", via(branch))
        .with("Max-Forwards", "70")
        .with("From", copy("From"))
        .with("To", copy("To"))
        .with("Call-ID", copy("Call-ID"))
        .with("CSeq", format!("{cseq} ACK"))
}

/// What it answers to a request of the server's: whatever that is, it is there and does as it is told.
fn answer(request: &Message, local: SocketAddr) -> Option<Message> {
    if request.method() == Some(&Method::Ack) {
        return None;
    }
    let response = Message::response(200, "OK", request)
        .with("Contact", format!("<sip:api@{OWN_ADDRESS}:{OWN_PORT}>;+sip.src"))
        .with("Allow", "INVITE, ACK, BYE, OPTIONS, UPDATE");
    let offer = String::from_utf8_lossy(&request.body);
    if request.method() != Some(&Method::Invite) || !offer.starts_with("v=") {
        return Some(response);
    }
    Some(response.with_body("application/sdp", mirrored(&offer, local).into_bytes()))
}

/// An answer that takes an offer of the server's as it is.
fn mirrored(offer: &str, local: SocketAddr) -> String {
    let line = |line: &str| match line {
        line if line.starts_with("o=") => format!("o=- 1 1 IN IP4 {OWN_ADDRESS}"),
        line if line.starts_with("c=") => format!("c=IN IP4 {OWN_ADDRESS}"),
        "a=recvonly" => "a=sendonly".to_owned(),
        line => match line.strip_prefix("m=audio ").and_then(|rest| rest.split_once(' ')) {
            Some(("0", _)) | None => line.to_owned(),
            Some((_, rest)) => format!("m=audio {} {rest}", local.port().max(1)),
        },
    };
    offer.lines().map(|text| line(text) + "\r\n").collect()
}

fn offer(streams: usize) -> String {
    let types: String = CODECS.iter().map(|(number, _)| format!(" {number}")).collect();
    let maps: String = CODECS.iter().map(|(number, map)| format!("a=rtpmap:{number} {map}\r\n")).collect();
    let mut offer = format!("v=0\r\no=- 1 1 IN IP4 {OWN_ADDRESS}\r\ns=-\r\nc=IN IP4 {OWN_ADDRESS}\r\nt=0 0\r\n");
    for label in 1..=streams {
        // Media comes from wherever it is sent: the port says nothing.
        offer += &format!("m=audio 9 RTP/AVP{types}\r\n{maps}a=fmtp:101 0-16\r\na=sendonly\r\na=label:{label}\r\n");
    }
    offer
}

fn metadata(begin: &Begin) -> Document {
    let participant = |n: usize| format!("participant-{n}");
    let stream = |n: usize| format!("stream-{n}");
    let session = begin.name.clone();
    let all = || begin.participants.iter().enumerate();
    let fields = begin
        .fields
        .iter()
        .map(|(name, value)| format!("<field name=\"{}\">{}</field>", escaped(name), escaped(value)));
    let fields: String = fields.collect();
    let extension = Extension {
        name: "extensiondata".to_owned(),
        parent: Some(session.clone()),
        xml: format!(
            "<extensiondata parent=\"{}\"><fields xmlns=\"urn:siprec:fields\">{fields}</fields></extensiondata>",
            escaped(&session)
        ),
        ..Extension::default()
    };
    Document {
        sessions: vec![SessionElement { id: session.clone(), ..SessionElement::default() }],
        participants: all()
            .map(|(n, who)| ParticipantElement {
                id: participant(n),
                names: vec![NameId::new(&who.uri, who.name.clone(), None)],
                extensions: Vec::new(),
            })
            .collect(),
        streams: all()
            .map(|(n, _)| StreamElement {
                id: stream(n),
                session: Some(session.clone()),
                label: Some((n + 1).to_string()),
                ..StreamElement::default()
            })
            .collect(),
        session_recordings: vec![SessionRecordingAssoc {
            session: session.clone(),
            ..SessionRecordingAssoc::default()
        }],
        participant_sessions: all()
            .map(|(n, _)| ParticipantSessionAssoc {
                participant: participant(n),
                session: session.clone(),
                ..ParticipantSessionAssoc::default()
            })
            .collect(),
        participant_streams: all()
            .map(|(n, _)| ParticipantStreamAssoc {
                participant: participant(n),
                send: vec![stream(n)],
                ..ParticipantStreamAssoc::default()
            })
            .collect(),
        extensions: if begin.fields.is_empty() { Vec::new() } else { vec![extension] },
        ..Document::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::seed::Seed;

    #[test]
    fn who_has_gone_without_a_word_is_gone_after_a_while_of_silence() {
        const MINUTE: Duration = Duration::from_secs(60);
        let (mut src, began) = (OwnSrc::new(Random::new(Seed([7; 32])), 5 * MINUTE), Instant::now());
        let mut at = |minutes: u32| src.is_there("a", began + minutes * MINUTE);
        assert!(at(0) && at(2) && at(4));
        // It was heard again for half an hour.
        assert!(at(34) && at(36));
        assert!(!at(39), "five minutes of silence");
    }

    #[test]
    fn an_offer_of_the_servers_is_answered_as_it_is() {
        let offer = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8\r\n\
                     a=recvonly\r\nm=audio 0 RTP/AVP 8\r\na=inactive\r\n";
        let mirrored = mirrored(offer, "127.0.0.1:5060".parse().unwrap());
        let described = Description::parse(mirrored.as_bytes()).unwrap();
        let ports: Vec<u16> = described.media.iter().map(|media| media.port).collect();
        assert_eq!(ports, [5060, 0]);
        assert!(mirrored.contains("a=sendonly\r\n") && mirrored.contains("a=inactive\r\n"));
    }
}
