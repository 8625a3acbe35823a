//! The calls of captures and journals, taken apart for being made again: what the SRC offered and when, its metadata, and
//! the packets of each line. All of a file's media is held in memory.
//!
//! ```text
//! SIPREC INVITE, re-INVITE, UPDATE -> lines, metadata      2xx -> where its packets go      BYE -> the end
//! ordinary call -> as an SRC would tell it (plain)          RTP without SIP -> a line a stream, metadata made up
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use siprec_core::entry::{Event, Kind, PortIndex};
use siprec_core::journal::Reader;
use siprec_core::metadata::{Document, is_metadata, parse};
use siprec_core::rtp::packet::Packet as Rtp;
use siprec_core::rtp::rtcp::is_rtcp;
use siprec_core::sdp::{Description, Direction, Media, static_format};
use siprec_core::seed::Random;
use siprec_core::session::client::{Body, Line};
use siprec_core::session::is_siprec_invite;
use siprec_core::sip::Method;
use siprec_core::sip::message::Message;
use siprec_core::time::Wall;

use super::made::Made;
use super::stream::Recorded;
use crate::capture::{Content, Packet, SipStreams, looks_like_sip};
use crate::replay::plain::Plain;

/// A stream without SIP has at least so many packets.
const STREAM_PACKETS: usize = 10;
/// A call goes on for so long after its last packet where nothing ends it.
const TAIL: Duration = Duration::from_millis(100);
/// Attributes that are ours to write, or that only held on the way of the file's call.
const OURS: [&str; 16] = [
    "rtpmap",
    "fmtp",
    "ptime",
    "rtcp",
    "rtcp-mux",
    "label",
    "sendonly",
    "recvonly",
    "sendrecv",
    "inactive",
    "candidate",
    "ice-ufrag",
    "ice-pwd",
    "ssrc",
    "mid",
    "crypto",
];

/// A call that was found.
pub(super) struct Found {
    /// After the first call of all files.
    pub(super) begins: Duration,
    pub(super) lines: Vec<Line>,
    pub(super) metadata: Option<Body>,
    pub(super) document: Document,
    /// Offers after the first: when after the answer.
    pub(super) changes: Vec<(Duration, Vec<Line>, Option<Body>)>,
    /// Of each line.
    pub(super) packets: Vec<Arc<[Recorded]>>,
    /// From the answer to the BYE.
    pub(super) length: Duration,
    /// Its media is SRTP under keys that its offer holds.
    pub(super) secure: bool,
}

/// A call while the file is read.
struct Building {
    invited: Wall,
    src: SocketAddr,
    offers: Vec<(Wall, Vec<Line>, Option<Body>)>,
    sources: Vec<Option<SocketAddr>>,
    answered: Option<Wall>,
    ended: Option<Wall>,
    packets: Vec<Vec<Heard>>,
    plain: Option<Plain>,
    secure: bool,
}

/// A packet: when, whether it is RTCP, its bytes.
type Heard = (Wall, bool, Vec<u8>);

/// RTP by its ends and its source.
type Strays = HashMap<(SocketAddr, SocketAddr, u32), Vec<Heard>>;

/// A line of a call, and whether the address is RTCP's.
type Target = (String, usize, bool);

/// Reads files.
#[derive(Default)]
pub(super) struct Finder {
    streams: SipStreams,
    calls: HashMap<String, Building>,
    by_destination: HashMap<SocketAddr, Target>,
    by_source: HashMap<SocketAddr, Target>,
    /// RTP that belongs to no call, by its ends and its source.
    strays: Strays,
    /// The call of the journal that is being read, and its ports.
    journal: Option<String>,
    ports: HashMap<PortIndex, usize>,
}

impl Finder {
    /// The next packet of a capture.
    pub(super) fn packet(&mut self, packet: Packet) {
        let Packet { at, from, to, content } = packet;
        match content {
            Content::Udp(payload) => {
                let target = self.by_destination.get(&to).or_else(|| self.by_source.get(&from)).cloned();
                if let Some((call, line, rtcp)) = target {
                    self.media(&call, line, at, rtcp || is_rtcp(&payload), payload);
                } else if looks_like_sip(&payload) {
                    self.message(at, from, to, &payload);
                } else if let Ok(rtp) = Rtp::parse(&payload) {
                    let key = (from, to, rtp.ssrc);
                    self.strays.entry(key).or_default().push((at, false, payload));
                }
            }
            Content::Tcp(segment) => {
                let messages = self.streams.push(from, to, segment);
                messages.iter().for_each(|message| self.message(at, from, to, message));
            }
        }
    }

    /// A segment of a journal.
    pub(super) fn journal(&mut self, mut file: impl std::io::Read) -> anyhow::Result<()> {
        let mut reader = Reader::new();
        let mut chunk = vec![0; 256 << 10];
        loop {
            let read = file.read(&mut chunk)?;
            match read {
                0 => reader.finish(),
                n => reader.push(&chunk[..n]),
            }
            while let Some(entry) = reader.next() {
                let at = entry.at;
                match entry.kind {
                    Kind::Event(Event::Segment(header)) if header.segment == 1 => {
                        self.journal = None;
                        self.ports.clear();
                    }
                    Kind::Event(Event::Stream(stream)) => {
                        self.ports.insert(stream.port, usize::from(stream.m_line));
                    }
                    Kind::Sip { outbound, from, to, message, .. } => {
                        if !outbound && let Ok(message) = Message::parse_datagram(message) {
                            self.journal = self.journal.take().or_else(|| message.call_id().map(str::to_owned));
                        }
                        self.message(at, from, to, message);
                        // Packets are told apart by the journal's ports.
                        self.by_destination.clear();
                        self.by_source.clear();
                    }
                    Kind::Rtp { port, packet, .. } => self.journalled(at, port, false, packet),
                    Kind::Rtcp { port, outbound: false, packet, .. } => self.journalled(at, port, true, packet),
                    Kind::Event(_) | Kind::Rtcp { .. } | Kind::Checkpoint(_) => {}
                }
            }
            if read == 0 {
                break;
            }
        }
        // What a journal keeps is plain, whatever was offered.
        if let Some(call) = self.journal.as_ref().and_then(|id| self.calls.get_mut(id)) {
            call.unprotected();
        }
        let damage = reader.damage();
        if damage.is_serious() {
            anyhow::bail!("the journal is damaged: {damage:?}");
        }
        Ok(())
    }

    fn journalled(&mut self, at: Wall, port: PortIndex, rtcp: bool, packet: &[u8]) {
        if let (Some(call), Some(line)) = (self.journal.clone(), self.ports.get(&port).copied()) {
            self.media(&call, line, at, rtcp, packet.to_vec());
        }
    }

    fn media(&mut self, call: &str, line: usize, at: Wall, rtcp: bool, bytes: Vec<u8>) {
        let Some(call) = self.calls.get_mut(call) else { return };
        if call.packets.len() <= line {
            call.packets.resize_with(line + 1, Vec::new);
        }
        call.packets[line].push((at, rtcp, bytes));
    }

    fn message(&mut self, at: Wall, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse_datagram(bytes) else { return };
        let Some(call_id) = message.call_id().map(str::to_owned) else { return };
        if !self.calls.contains_key(&call_id) {
            if message.method() != Some(&Method::Invite) || message.to_tag().is_some() {
                return;
            }
            let plain = (!is_siprec_invite(&message)).then(|| Plain::new(&message));
            self.calls.insert(call_id.clone(), Building::new(at, from, plain));
        }
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        if call.plain.is_some() {
            for (line, rtp) in call.plain_message(at, from, &call_id, &message) {
                self.by_destination.insert(next_port(rtp), (call_id.clone(), line, true));
                self.by_destination.insert(rtp, (call_id.clone(), line, false));
            }
        } else if message.is_request() {
            call.request(at, from == call.src || to != call.src, &message);
            for (line, source) in call.sources.iter().enumerate() {
                let Some(rtp) = source.filter(|_| call.answered.is_none()) else { continue };
                self.by_source.insert(next_port(rtp), (call_id.clone(), line, true));
                self.by_source.insert(rtp, (call_id.clone(), line, false));
            }
        } else if let Some(answer) = call.response(at, &message) {
            for (line, media) in answer.media.iter().enumerate().filter(|(_, media)| media.port != 0) {
                let Some(host) = media.connection else { continue };
                let rtp = SocketAddr::new(host, media.port);
                let rtcp = match media.rtcp {
                    Some((port, address)) => SocketAddr::new(address.unwrap_or(host), port),
                    None => next_port(rtp),
                };
                self.by_destination.insert(rtcp, (call_id.clone(), line, true));
                self.by_destination.insert(rtp, (call_id.clone(), line, false));
            }
        }
    }

    /// All calls, in order of their beginning. Without one: what RTP there is.
    pub(super) fn calls(self, random: &mut Random) -> Vec<Found> {
        let mut building: Vec<Building> = self.calls.into_values().filter(|call| !call.offers.is_empty()).collect();
        if building.is_empty() {
            building = strays(self.strays, random);
        }
        building.sort_by_key(|call| call.invited);
        let first = building.first().map_or(Wall::default(), |call| call.invited);
        building.into_iter().map(|call| call.found(first)).collect()
    }
}

fn next_port(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1))
}

fn since(at: Wall, earlier: Wall) -> Duration {
    Duration::from_nanos(u64::try_from(at.nanos_since(earlier)).unwrap_or(0))
}

impl Building {
    fn new(at: Wall, src: SocketAddr, plain: Option<Plain>) -> Self {
        Self {
            invited: at,
            src,
            offers: Vec::new(),
            sources: Vec::new(),
            answered: None,
            ended: None,
            packets: Vec::new(),
            plain,
            secure: false,
        }
    }

    fn request(&mut self, at: Wall, by_src: bool, message: &Message) {
        match message.method() {
            Some(Method::Bye | Method::Cancel) => self.ended = self.ended.or(Some(at)),
            Some(Method::Invite | Method::Update) if by_src => self.offer(at, message),
            _ => {}
        }
    }

    fn offer(&mut self, at: Wall, message: &Message) {
        let (sdp, metadata) = bodies(message);
        if sdp.is_none() && metadata.is_none() {
            return;
        }
        let lines = match &sdp {
            Some(sdp) => {
                self.secure |= sdp.media.iter().any(|media| !media.crypto.is_empty());
                let source = |media: &Media| Some(SocketAddr::new(media.connection?, media.port));
                self.sources = sdp.media.iter().map(source).collect();
                sdp.media.iter().enumerate().map(|(n, media)| line(n, media)).collect()
            }
            None => self.offers.last().map(|(_, lines, _)| lines.clone()).unwrap_or_default(),
        };
        // A retransmission, or a second try with credentials, is not another offer.
        let same = self.offers.last().is_some_and(|(_, known, body)| (known, body) == (&lines, &metadata));
        if !same && (self.answered.is_some() || self.offers.is_empty()) {
            self.offers.push((at, lines, metadata));
        }
    }

    fn response(&mut self, at: Wall, message: &Message) -> Option<Description> {
        let of_invite = message.cseq().is_some_and(|cseq| matches!(cseq.method, Method::Invite | Method::Update));
        if !of_invite || !matches!(message.status(), Some(200..=299)) {
            return None;
        }
        self.answered = self.answered.or(Some(at));
        bodies(message).0
    }

    /// An ordinary call's message; where its packets go, once both sides have said so.
    fn plain_message(
        &mut self,
        at: Wall,
        from: SocketAddr,
        call_id: &str,
        message: &Message,
    ) -> Vec<(usize, SocketAddr)> {
        let src = self.src;
        let Some(plain) = &mut self.plain else { return Vec::new() };
        if let Some(sdp) = bodies(message).0 {
            plain.describe(from.ip() == src.ip() && (from == src || message.is_request()), sdp);
        }
        if plain.ends(message) {
            self.ended = self.ended.or(Some(at));
            return Vec::new();
        }
        let destinations =
            plain.destinations().into_iter().enumerate().filter_map(|(line, to)| Some((line, to?))).collect();
        if self.offers.is_empty()
            && let Some(invite) = plain.invite(call_id, src)
            && let Ok(invite) = Message::parse_datagram(&invite)
        {
            self.answered = Some(at);
            self.offer(at, &invite);
        }
        destinations
    }

    /// The same call with nothing encrypted.
    fn unprotected(&mut self) {
        self.secure = false;
        for line in self.offers.iter_mut().flat_map(|(_, lines, _)| lines) {
            line.proto = line.proto.replace("UDP/TLS/", "").replace("SAVP", "AVP");
            line.more.retain(|attribute| {
                !["crypto:", "fingerprint:", "setup:"].iter().any(|name| attribute.starts_with(name))
            });
        }
    }

    fn found(mut self, first: Wall) -> Found {
        let heard = self.packets.iter().flatten().map(|(at, ..)| *at);
        let (begin, last) = (heard.clone().min(), heard.max());
        let answered = self.answered.or(begin).unwrap_or(self.invited);
        let ended = self.ended.unwrap_or_else(|| last.unwrap_or(answered).after(TAIL));
        let (_, lines, metadata) = self.offers.remove(0);
        let read = metadata.as_ref().and_then(|body| parse(&body.content_type, &body.bytes).document);
        let changes = self.offers.into_iter().map(|(at, lines, body)| (since(at, answered), lines, body)).collect();
        let recorded = |(at, rtcp, bytes): Heard| Recorded {
            at: u64::try_from(at.nanos_since(answered)).unwrap_or(0),
            rtcp,
            bytes,
        };
        let mut packets: Vec<Arc<[Recorded]>> =
            self.packets.into_iter().map(|line| line.into_iter().map(recorded).collect()).collect();
        packets.resize_with(packets.len().max(lines.len()), || Arc::new([]));
        Found {
            begins: since(self.invited, first),
            lines,
            metadata,
            document: read.unwrap_or_default(),
            changes,
            packets,
            length: since(ended, answered),
            secure: self.secure,
        }
    }
}

fn bodies(message: &Message) -> (Option<Description>, Option<Body>) {
    let (mut sdp, mut metadata) = (None, None);
    for part in message.parts().unwrap_or_default() {
        if part.is_sdp() {
            sdp = Description::parse(&part.body).ok();
        } else if is_metadata(&part) {
            metadata = Some(Body { content_type: part.content_type, bytes: part.body });
        }
    }
    (sdp, metadata)
}

/// An m-line as it stood, but for what is ours to say. Its port, if it has one, is put in when there is one.
fn line(n: usize, media: &Media) -> Line {
    let silent = media.direction == Direction::RecvOnly || media.host.as_ref().is_some_and(|host| host.is_zero());
    let inactive = media.direction == Direction::Inactive || silent;
    let kept = media.attributes.iter().filter(|(name, _)| !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)));
    let more = kept.map(|(name, value)| value.as_ref().map_or(name.to_string(), |value| format!("{name}:{value}")));
    let keys = media.crypto.iter().map(|crypto| format!("crypto:{}", crypto.as_ref()));
    Line {
        kind: media.kind.clone(),
        proto: media.proto.clone(),
        formats: media.formats.clone(),
        // RFC 7866 7.1.1: each line has one, also where the file's SRC forgot it.
        label: media.label.clone().unwrap_or_else(|| (n + 1).to_string()),
        ptime: media.ptime,
        rtp: media.port,
        rtcp: media.port.saturating_add(1),
        direction: if inactive { Direction::Inactive } else { Direction::SendOnly },
        key: None,
        more: more.chain(keys).collect(),
    }
}

/// Streams without SIP: two between the same ends are one call, any other is a call of its own.
fn strays(strays: Strays, random: &mut Random) -> Vec<Building> {
    let mut streams: Vec<_> = strays.into_iter().filter(|(_, packets)| packets.len() >= STREAM_PACKETS).collect();
    streams.sort_by_key(|(_, packets)| packets.first().map(|(at, ..)| *at));
    let mut calls: Vec<((SocketAddr, SocketAddr), Building)> = Vec::new();
    for ((from, to, _), packets) in streams {
        let Some(at) = packets.first().map(|(at, ..)| *at) else { continue };
        let known = calls.iter_mut().find(|(ends, call)| *ends == (to, from) && call.packets.len() == 1);
        match known {
            Some((_, call)) => call.packets.push(packets),
            None => {
                let call = Building { answered: Some(at), packets: vec![packets], ..Building::new(at, from, None) };
                calls.push(((from, to), call));
            }
        }
    }
    let made = |(_, mut call): ((SocketAddr, SocketAddr), Building)| {
        let lines: Vec<Line> = call.packets.iter().enumerate().map(|(n, packets)| stray_line(n, packets)).collect();
        let document = Made::new(lines.len(), random).document(0, call.invited, "siprec.invalid");
        call.offers.push((call.invited, lines, Some(Body::of(&document))));
        call
    };
    calls.into_iter().map(made).collect()
}

/// A line for a stream that nobody described: its static payload types (RFC 3551 6).
fn stray_line(n: usize, packets: &[Heard]) -> Line {
    let mut formats = Vec::new();
    for payload_type in packets.iter().filter_map(|(.., bytes)| Some(Rtp::parse(bytes).ok()?.payload_type)) {
        if !formats.iter().any(|known: &siprec_core::sdp::Format| known.payload_type == payload_type) {
            formats.extend(static_format(payload_type));
        }
    }
    Line {
        kind: "audio".to_owned(),
        proto: "RTP/AVP".to_owned(),
        formats,
        label: (n + 1).to_string(),
        ptime: None,
        rtp: 1,
        rtcp: 2,
        direction: Direction::SendOnly,
        key: None,
        more: Vec::new(),
    }
}
