//! The calls of a capture, and what each message and packet is to them.
//!
//! ```text
//! SIPREC INVITE  -> the core, as if it had been the SRS; its ports are those of the real SRS's 200
//! ordinary INVITE and its answer -> an SRC's INVITE made of them (plain) -> the core
//! UDP to a port that a 200 named -> that stream
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::entry::{EndCause, PortIndex};
use siprec_core::sdp::Description;
use siprec_core::seed::SessionId;
use siprec_core::session::{Input, Order, is_siprec_invite};
use siprec_core::sip::message::Message;
use siprec_core::sip::{ConnectionId, Method, Transport, multipart};
use siprec_core::time::Wall;

use super::offline::{Arrived, Offline, Wanted};
use super::plain::Plain;
use crate::capture::{Content, Packet, SipStreams, looks_like_sip};

/// How long the real SRS's 200 is waited for before ports are made up, in nanoseconds of the capture's time.
const ANSWER_PATIENCE_NS: i64 = 3_000_000_000;
/// First of the port numbers that are made up where the capture lacks the real ones.
const MADE_UP_PORT: u16 = 40_000;

/// All calls of a capture.
pub(super) struct Calls {
    pub(super) recorder: Offline,
    streams: SipStreams,
    connections: HashMap<(SocketAddr, SocketAddr), ConnectionId>,
    calls: HashMap<String, Call>,
    /// Where a stream is sent to, and whether it is RTCP.
    by_destination: HashMap<SocketAddr, Target>,
    /// Where it comes from: for captures without the answer.
    by_source: HashMap<SocketAddr, Target>,
    last: Wall,
    made_up: u16,
}

type Target = ((SessionId, PortIndex), bool);

struct Call {
    began: Wall,
    src: SocketAddr,
    srs: SocketAddr,
    session: Option<SessionId>,
    /// Ports whose addresses the real SRS's answer will tell.
    waiting: Vec<Wanted>,
    offered: Option<Description>,
    plain: Option<Plain>,
}

impl Calls {
    pub(super) fn new(recorder: Offline) -> Self {
        Self {
            recorder,
            streams: SipStreams::default(),
            connections: HashMap::new(),
            calls: HashMap::new(),
            by_destination: HashMap::new(),
            by_source: HashMap::new(),
            last: Wall::default(),
            made_up: MADE_UP_PORT,
        }
    }

    /// Takes the capture's next packet.
    pub(super) fn packet(&mut self, packet: Packet) {
        // A capture of several interfaces may be out of order by a little; time does not run back for the core.
        let at = packet.at.max(self.last);
        self.last = at;
        self.recorder.advance(at);
        match packet.content {
            Content::Udp(payload) => {
                let target = self.by_destination.get(&packet.to).or_else(|| self.by_source.get(&packet.from));
                if let Some((id, rtcp)) = target.copied() {
                    let is = Arrived { rtcp, judged: false, protected: None };
                    self.recorder.packet(packet.at, id, packet.from, &payload, is);
                } else if looks_like_sip(&payload) {
                    self.message(at, Transport::Udp, packet.from, packet.to, &payload);
                }
            }
            Content::Tcp(segment) => {
                for message in self.streams.push(packet.from, packet.to, segment) {
                    self.message(at, Transport::Tcp, packet.from, packet.to, &message);
                }
            }
        }
    }

    /// The capture ends: so does every call in it.
    pub(super) fn finish(&mut self) {
        self.make_up_ports(Wall(i64::MAX));
        for session in self.recorder.srs.session_ids() {
            self.recorder.input(self.last, Input::Order(Order::End(session, EndCause::CaptureEnded)));
        }
        self.recorder.settle();
    }

    fn message(&mut self, at: Wall, transport: Transport, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Ok(message) = Message::parse_datagram(bytes) else { return };
        let Some(call_id) = message.call_id().map(str::to_owned) else { return };
        self.make_up_ports(at);
        if !self.calls.contains_key(&call_id) {
            if message.method() != Some(&Method::Invite) || message.to_tag().is_some() {
                return;
            }
            let plain = (!is_siprec_invite(&message)).then(|| Plain::new(&message));
            let call = Call {
                began: at,
                src: from,
                srs: to,
                session: None,
                waiting: Vec::new(),
                offered: sdp_of(&message),
                plain,
            };
            self.calls.insert(call_id.clone(), call);
        }
        let Some(call) = self.calls.get(&call_id) else { return };
        if call.plain.is_some() {
            self.plain_message(at, &call_id, from, &message);
        } else if is_from(call, from, to) {
            self.src_sent(at, transport, &call_id, from, to, &message, bytes);
        } else {
            self.srs_sent(at, &call_id, &message);
        }
    }

    /// What the SRC sent goes to the core as it is.
    #[allow(clippy::too_many_arguments)] // a message and its circumstances
    fn src_sent(
        &mut self,
        at: Wall,
        transport: Transport,
        call_id: &str,
        from: SocketAddr,
        to: SocketAddr,
        message: &Message,
        bytes: &[u8],
    ) {
        if message.method() == Some(&Method::Ack) {
            // The ACK of a 200 that the capture lacks: it was given just now.
            self.answer_without_addresses(at, call_id);
        }
        self.deliver(at, transport, from, to, bytes);
        self.collect_wanted(call_id);
    }

    fn deliver(&mut self, at: Wall, transport: Transport, remote: SocketAddr, local: SocketAddr, bytes: &[u8]) {
        if transport == Transport::Udp {
            self.recorder.input(at, Input::Datagram { local, remote, bytes });
            return;
        }
        let next = ConnectionId(u64::try_from(self.connections.len()).unwrap_or(u64::MAX) + 1);
        let known = self.connections.contains_key(&(remote, local));
        let id = *self.connections.entry((remote, local)).or_insert(next);
        if !known {
            self.recorder.input(
                at,
                Input::ConnectionOpened { id, transport, local, remote, certificate: None, accepted: false },
            );
        }
        self.recorder.input(at, Input::Bytes { connection: id, bytes });
    }

    /// Ports that the core wants belong to the call whose message it took last.
    fn collect_wanted(&mut self, call_id: &str) {
        let wanted = std::mem::take(&mut self.recorder.wanted);
        if let Some(call) = self.calls.get_mut(call_id) {
            call.session = wanted.first().map(|w| w.session).or(call.session);
            call.waiting.extend(wanted);
        }
    }

    /// What the real SRS sent tells which ports, which tag, and when.
    fn srs_sent(&mut self, at: Wall, call_id: &str, message: &Message) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let session = call.session;
        if let (Some(Method::Bye), Some(session)) = (message.method(), session) {
            self.recorder.input(at, Input::Order(Order::Stop(session)));
            return;
        }
        let of_invite = message.cseq().is_some_and(|cseq| cseq.method == Method::Invite);
        let (Some(status @ 200..=699), true, Some(session)) = (message.status(), of_invite, session) else { return };
        if status >= 300 {
            for wanted in std::mem::take(&mut call.waiting) {
                let why = format!("the SRS of the capture answered {status}");
                self.recorder.input(at, Input::PortRefused { session, port: wanted.port, why });
            }
            return;
        }
        if let Some(tag) = message.to_tag() {
            self.recorder.srs.adopt_tag(session, tag);
        }
        match sdp_of(message) {
            Some(answer) => self.answer(at, call_id, &answer),
            None => self.answer_without_addresses(at, call_id),
        }
    }

    /// Opens the ports that wait at the addresses of the real answer.
    fn answer(&mut self, at: Wall, call_id: &str, answer: &Description) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        for wanted in std::mem::take(&mut call.waiting) {
            let (session, port) = (wanted.session, wanted.port);
            let media = answer.media.get(usize::from(wanted.m_line)).filter(|media| media.port != 0);
            let Some((media, host)) = media.and_then(|media| Some((media, media.connection?))) else {
                let why = "the SRS of the capture did not take this stream".to_owned();
                self.recorder.input(at, Input::PortRefused { session, port, why });
                continue;
            };
            let rtp = SocketAddr::new(host, media.port);
            let rtcp = match media.rtcp {
                _ if media.rtcp_mux => rtp,
                Some((port, address)) => SocketAddr::new(address.unwrap_or(host), port),
                None => SocketAddr::new(host, media.port.wrapping_add(1)),
            };
            self.by_destination.insert(rtcp, ((session, port), true));
            self.by_destination.insert(rtp, ((session, port), false));
            self.recorder.input(at, Input::PortOpened { session, port, rtp, rtcp });
        }
    }

    /// Opens the ports that wait under made-up numbers; streams are then known by where they come from.
    fn answer_without_addresses(&mut self, at: Wall, call_id: &str) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let host = call.srs.ip();
        for wanted in std::mem::take(&mut call.waiting) {
            let (session, port) = (wanted.session, wanted.port);
            let media = call.offered.as_ref().and_then(|offer| offer.media.get(usize::from(wanted.m_line)));
            if let Some((media, source)) = media.and_then(|media| Some((media, media.connection?))) {
                let rtcp = SocketAddr::new(source, media.port.wrapping_add(1));
                self.by_source.insert(rtcp, ((session, port), true));
                self.by_source.insert(SocketAddr::new(source, media.port), ((session, port), false));
            }
            let rtp = SocketAddr::new(host, self.made_up);
            let rtcp = SocketAddr::new(host, self.made_up + 1);
            self.made_up = self.made_up.checked_add(2).filter(|next| *next < u16::MAX).unwrap_or(MADE_UP_PORT);
            self.recorder.input(at, Input::PortOpened { session, port, rtp, rtcp });
        }
    }

    fn make_up_ports(&mut self, at: Wall) {
        let late = |call: &Call| !call.waiting.is_empty() && at.nanos_since(call.began) > ANSWER_PATIENCE_NS;
        let overdue: Vec<String> = self.calls.iter().filter(|(_, call)| late(call)).map(|(id, _)| id.clone()).collect();
        for call_id in overdue {
            self.answer_without_addresses(self.last, &call_id);
        }
    }

    /// An ordinary call's message: once both sides have said where their media goes, it is recorded as if an SRC had
    /// forked it to us.
    fn plain_message(&mut self, at: Wall, call_id: &str, from: SocketAddr, message: &Message) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let Some(plain) = &mut call.plain else { return };
        let (src, srs) = (call.src, call.srs);
        if let Some(sdp) = sdp_of(message) {
            plain.describe(from.ip() == src.ip() && (from == src || message.is_request()), sdp);
        }
        if plain.ends(message) {
            if let Some(session) = call.session.take() {
                self.recorder.input(at, Input::Order(Order::End(session, EndCause::Bye)));
            }
            return;
        }
        let session = call.session;
        if let Some(session) = session {
            let ports = plain.destinations();
            for (line, addresses) in ports.into_iter().enumerate() {
                let port = PortIndex(u16::try_from(line).unwrap_or(u16::MAX));
                self.listen_at(session, port, addresses);
            }
        } else if let Some(invite) = plain.invite(call_id, src) {
            self.recorder.input(at, Input::Datagram { local: srs, remote: src, bytes: &invite });
            self.collect_wanted(call_id);
            self.open_plain(at, call_id);
        }
    }

    fn open_plain(&mut self, at: Wall, call_id: &str) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let (src, srs) = (call.src, call.srs);
        let destinations = call.plain.as_ref().map(Plain::destinations).unwrap_or_default();
        for wanted in std::mem::take(&mut call.waiting) {
            let (session, port) = (wanted.session, wanted.port);
            let Some(rtp) = destinations.get(usize::from(wanted.m_line)).copied().flatten() else { continue };
            let rtcp = SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
            self.listen_at(session, port, Some(rtp));
            self.recorder.input(at, Input::PortOpened { session, port, rtp, rtcp });
        }
        let sent = std::mem::take(&mut self.recorder.sent);
        let ok = sent.iter().filter_map(|bytes| Message::parse_datagram(bytes).ok()).find(|m| m.status() == Some(200));
        if let Some(ok) = ok {
            let ack = super::plain::acknowledge(&ok, src);
            self.recorder.input(at, Input::Datagram { local: srs, remote: src, bytes: &ack });
        }
    }

    fn listen_at(&mut self, session: SessionId, port: PortIndex, rtp: Option<SocketAddr>) {
        let Some(rtp) = rtp else { return };
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
        self.by_destination.insert(rtcp, ((session, port), true));
        self.by_destination.insert(rtp, ((session, port), false));
    }
}

/// Whether a message of the call came from the SRC's side.
fn is_from(call: &Call, from: SocketAddr, to: SocketAddr) -> bool {
    from == call.src || to == call.srs || (from != call.srs && from.ip() == call.src.ip())
}

/// The session description that a message carries.
fn sdp_of(message: &Message) -> Option<Description> {
    let content_type = message.content_type().unwrap_or("application/sdp");
    let parts = multipart::parts(content_type, &message.body).ok()?;
    let part = parts.into_iter().find(|part| part.is_sdp())?;
    Description::parse(&part.body).ok()
}
