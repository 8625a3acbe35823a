//! One stream's port: what arrives on its RTP and RTCP sockets, judged and counted.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::digits::Filter;
use super::hearing::Ear;
use super::latch::{Latch, Sender};
use super::pictures::Pictures;
use super::protection::{Opened, Protection, Secured};
use super::report::Schedule;
use super::sources::Sources;
use super::{Budget, PortEvent, PortSettings, PortStatistics, Verdict, Why};
use crate::entry::{Digits, Kind, Protected};
use crate::rtp::extended::{self, Block};
use crate::rtp::rtcp::{self, Report};
use crate::rtp::{Arrival, Packet, static_clock_rate};
use crate::srtp::SenderState;
use crate::time::{Monotonic, Now, Wall};

/// Packets a second that a port takes of its stream: far above any stream, below what fills a disk unnoticed.
pub const MAX_PACKETS_PER_SECOND: u32 = 20_000;
/// Packets a second that a port takes of strangers, all together.
pub const MAX_STRANGER_PACKETS_PER_SECOND: u32 = 500;
/// Datagrams a second that are kept although they are neither RTP nor RTCP.
pub const MAX_JUNK_PER_SECOND: u32 = 50;
/// An idle stream's way is kept open so often: an agent sends no more often than this (RFC 6263 6).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events that wait to be polled; more are lost (they are told again by the statistics).
const MAX_EVENTS: usize = 64;
/// New SSRCs that a port takes for itself; after that the collisions are a loop (RFC 3550 8.2).
const MAX_COLLISIONS: u8 = 8;
const PAYLOAD_TYPES: usize = 128;

/// One stream's port. Feed it each datagram in order of arrival, then poll its events; send its report when
/// [`Port::next_report`] is due.
#[derive(Debug)]
pub struct Port {
    settings: PortSettings,
    /// Clock rate by payload type; 0 where it is unknown.
    clock_rates: [u32; PAYLOAD_TYPES],
    latch: Latch,
    sources: Sources,
    events: VecDeque<PortEvent>,
    /// All but the sources.
    figures: PortStatistics,
    taken: Budget,
    taken_of_strangers: Budget,
    taken_junk: Budget,
    filter: Filter,
    ear: Ear,
    pictures: Pictures,
    srtp: Option<Box<Secured>>,
    /// Of the last datagram: it was made plain, and what SRTP said of it.
    made_plain: bool,
    protected: Option<Protected>,
    /// Where accepted RTCP came from last.
    rtcp_source: Option<SocketAddr>,
    schedule: Schedule,
    ssrc: u32,
    /// Our last reference time, middle 32 bits: who answers it tells the round trip (RFC 3611 4.4).
    reference: u32,
    /// An SSRC of ours that collided and must say goodbye.
    goodbye: Option<u32>,
    /// A report has left with our SSRC of now.
    is_introduced: bool,
    collisions: u8,
    /// When the way of RTP was last kept open, or began to be.
    kept_alive: Monotonic,
}

impl Port {
    /// A port of which nothing was heard yet.
    pub fn new(settings: PortSettings, now: Now) -> Self {
        let figures = PortStatistics::of(settings.stream.port);
        Self {
            clock_rates: clock_rates(&settings),
            latch: Latch::default(),
            sources: Sources::default(),
            events: VecDeque::new(),
            figures,
            taken: Budget::default(),
            taken_of_strangers: Budget::default(),
            taken_junk: Budget::default(),
            filter: Filter::new(&settings),
            ear: Ear::new(&settings),
            pictures: Pictures::new(settings.feedback),
            srtp: settings.srtp.clone().map(|srtp| Box::new(Secured::new(srtp))),
            made_plain: false,
            protected: None,
            rtcp_source: None,
            schedule: Schedule::new(settings.seed, now.monotonic),
            ssrc: settings.ssrc,
            reference: 0,
            goodbye: None,
            is_introduced: false,
            collisions: 0,
            kept_alive: now.monotonic,
            settings,
        }
    }

    /// Takes new settings (an offer, an order). What was received before must have been handled before.
    pub fn update(&mut self, settings: PortSettings, _now: Now) {
        if self.settings.stream.paused.is_some() && settings.stream.paused.is_none() {
            self.sources.iter_mut().for_each(|source| source.reception.restart());
        }
        if self.settings.ssrc != settings.ssrc {
            self.ssrc = settings.ssrc;
            self.is_introduced = false;
        }
        if self.settings.remote_rtcp != settings.remote_rtcp || self.settings.rtcp_mux != settings.rtcp_mux {
            self.rtcp_source = None;
        }
        let moved = self.settings.stream.remote != settings.stream.remote;
        // Keys of a handshake are not in the settings, and stay.
        if self.settings.srtp != settings.srtp {
            self.secure(settings.srtp.clone(), moved);
        }
        if settings.stream.paused.is_some()
            && let Some(srtp) = self.srtp.as_mut()
        {
            srtp.forget_sealed();
        }
        self.clock_rates = clock_rates(&settings);
        self.filter.update(&settings);
        self.ear.update(&settings);
        self.pictures.update(settings.feedback);
        self.settings = settings;
    }

    /// What the port was told last.
    pub fn settings(&self) -> &PortSettings {
        &self.settings
    }

    /// Takes other keys, or none: its packets are then plain. `moved`: the SRC's sources begin anew. Poll for sealed
    /// packets afterwards.
    pub fn secure(&mut self, keys: Option<Arc<Protection>>, moved: bool) {
        match (keys, self.srtp.as_mut()) {
            (Some(keys), Some(srtp)) => srtp.update(keys, moved),
            (Some(keys), None) => self.srtp = Some(Box::new(Secured::new(keys))),
            (None, _) => self.srtp = None,
        }
    }

    /// Takes a datagram from the RTP socket. Poll for events afterwards, and for sealed packets.
    pub fn handle_rtp(&mut self, at: Wall, from: SocketAddr, packet: &[u8]) -> Verdict {
        (self.made_plain, self.protected) = (false, None);
        // Also without rtcp-mux: no RTP has these types, and there are senders that do it unasked.
        if rtcp::is_rtcp(packet) {
            return match self.handle_rtcp(at, from, packet) {
                Verdict::Keep | Verdict::KeepEdited | Verdict::KeepAsRtcp | Verdict::KeepSealed => Verdict::KeepAsRtcp,
                Verdict::Discard(why) => Verdict::Discard(why),
            };
        }
        let Ok(parsed) = Packet::parse(packet) else { return self.junk(at) };
        let Some(mut srtp) = self.srtp.take() else { return self.handle_plain(at, from, packet, &parsed) };
        let of_stream = self.is_of_stream(from.ip()) || self.is_of_anybody();
        let verdict = match srtp.open(at, from, packet, of_stream, self.paused()) {
            Opened::Plain { index } => {
                (self.made_plain, self.protected) = (true, Some(Protected::Authentic { index }));
                match Packet::parse(srtp.plain()) {
                    Ok(parsed) => self.handle_plain(at, from, srtp.plain(), &parsed),
                    Err(_) => self.junk(at),
                }
            }
            // What may be a digit is not written down.
            Opened::Sealed if self.settings.stream.digits == Digits::Keep => {
                self.protected = Some(Protected::Sealed);
                Verdict::KeepSealed
            }
            Opened::Sealed | Opened::Waiting | Opened::Refused if self.paused() => self.discard(Why::Paused),
            Opened::Sealed | Opened::Waiting | Opened::Refused => self.discard(Why::Srtp),
        };
        self.srtp = Some(srtp);
        verdict
    }

    /// A packet without protection, or out of it.
    fn handle_plain(&mut self, at: Wall, from: SocketAddr, packet: &[u8], parsed: &Packet<'_>) -> Verdict {
        let sender = self.latch.judge(at, from, self.settings.stream.remote);
        if self.paused() {
            return self.discard(Why::Paused);
        }
        if parsed.ssrc == self.ssrc {
            self.collide();
        }
        let within = match sender {
            Sender::Stranger => {
                self.figures.strangers += 1;
                self.taken_of_strangers.take(at, MAX_STRANGER_PACKETS_PER_SECOND)
            }
            Sender::First | Sender::Latched | Sender::TookOver => self.taken.take(at, MAX_PACKETS_PER_SECOND),
        };
        if !within {
            return self.discard(Why::Flood);
        }
        self.figures.packets += 1;
        self.figures.octets += packet.len() as u64;
        let rate = self.clock_rates.get(usize::from(parsed.payload_type)).copied().filter(|&rate| rate > 0);
        let Some((source, change)) = self.sources.find(at, parsed.ssrc, from, sender) else {
            self.figures.unattributed += 1;
            return self.without_digits(packet, parsed);
        };
        let arrival = source.reception.receive(at, parsed, rate);
        if sender != Sender::Stranger {
            self.ear.packet(at, parsed);
            match (change, arrival) {
                (Some(_), _) => self.pictures.begin(parsed.ssrc),
                (None, Arrival::Next { missing: 1.., .. }) => self.pictures.lost(parsed.ssrc),
                (None, _) => {}
            }
        }
        if let Some(change) = change.filter(|_| self.events.len() < MAX_EVENTS) {
            self.events.push_back(PortEvent::Source { at, ssrc: parsed.ssrc, from, change });
        }
        self.without_digits(packet, parsed)
    }

    fn without_digits(&mut self, packet: &[u8], parsed: &Packet<'_>) -> Verdict {
        if self.filter.passes(packet, parsed) { Verdict::Keep } else { Verdict::KeepEdited }
    }

    /// What is written down of the last datagram, of which the port has just said `verdict`: `on_rtcp` tells its socket.
    pub fn kept<'a>(
        &'a self,
        verdict: Verdict,
        on_rtcp: bool,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Option<Kind<'a>> {
        let stream = &self.settings.stream;
        let port = stream.port;
        let to = if on_rtcp { stream.local_rtcp } else { stream.local };
        let plain = self.srtp.as_ref().filter(|_| self.made_plain).map_or(datagram, |srtp| srtp.plain());
        let rtp = |packet| Kind::Rtp { port, from, to, packet, protected: self.protected };
        match verdict {
            Verdict::Keep if on_rtcp => Some(Kind::Rtcp { port, outbound: false, from, to, packet: plain }),
            Verdict::KeepAsRtcp => Some(Kind::Rtcp { port, outbound: false, from, to, packet: plain }),
            Verdict::Keep => Some(rtp(plain)),
            Verdict::KeepEdited => Some(rtp(self.filter.edited())),
            Verdict::KeepSealed => Some(rtp(datagram)),
            Verdict::Discard(_) => None,
        }
    }

    /// A packet of before that a key of now may open, with its time and its sender: pass it to [`Port::handle_rtp`] as if it
    /// came just then. Call until `None` after each batch and each change of keys.
    pub fn poll_sealed(&mut self, packet: &mut Vec<u8>) -> Option<(Wall, SocketAddr)> {
        self.srtp.as_mut()?.poll_sealed(packet)
    }

    /// Takes a datagram from the RTCP socket.
    pub fn handle_rtcp(&mut self, at: Wall, from: SocketAddr, packet: &[u8]) -> Verdict {
        (self.made_plain, self.protected) = (false, None);
        let Some(mut srtp) = self.srtp.take() else { return self.handle_report(at, from, packet) };
        self.made_plain = srtp.open_report(packet);
        let verdict = match self.made_plain {
            true => {
                srtp.heed_goodbyes();
                self.handle_report(at, from, srtp.plain())
            }
            false if !rtcp::is_rtcp(packet) => self.junk(at),
            false if self.paused() => self.discard(Why::Paused),
            false => self.discard(Why::Srtp),
        };
        self.srtp = Some(srtp);
        verdict
    }

    /// RTCP without protection, or out of it.
    fn handle_report(&mut self, at: Wall, from: SocketAddr, packet: &[u8]) -> Verdict {
        let Ok(compound) = rtcp::parse(packet) else { return self.junk(at) };
        let within = if self.is_of_stream(from.ip()) {
            self.rtcp_source = Some(from);
            self.heed(at, compound);
            self.taken.take(at, MAX_PACKETS_PER_SECOND)
        } else {
            self.taken_of_strangers.take(at, MAX_STRANGER_PACKETS_PER_SECOND)
        };
        if self.paused() {
            return self.discard(Why::Paused);
        }
        if !within {
            return self.discard(Why::Flood);
        }
        self.figures.rtcp_packets += 1;
        Verdict::Keep
    }

    /// The kernel dropped so many more datagrams on one of the sockets.
    pub fn dropped_by_kernel(&mut self, datagrams: u64) {
        self.figures.dropped_by_kernel += datagrams;
    }

    /// What happened, oldest first. Call until `None` after each datagram or batch.
    pub fn poll_event(&mut self) -> Option<PortEvent> {
        self.events.pop_front()
    }

    /// Whether a whole picture is needed: [`Port::report`] is then due at [`Port::picture_due`].
    pub fn wants_picture(&self) -> bool {
        self.pictures.is_wanted()
    }

    /// Whether it may be asked for by now.
    pub fn picture_due(&self, now: Wall) -> bool {
        self.pictures.is_due(now)
    }

    /// Where to send an empty datagram from the RTP socket, so that the way of an idle stream stays open in NATs and firewalls
    /// (RFC 6263 4.1, 6): without rtcp-mux nothing of ours ever leaves there. To be asked for with each report.
    pub fn keep_alive(&mut self, now: Now) -> Option<SocketAddr> {
        let is_idle = self.latch.last_at().is_none_or(|at| at.after(KEEP_ALIVE) <= now.wall);
        if self.settings.rtcp_mux || !is_idle || now.monotonic < self.kept_alive.after(KEEP_ALIVE) {
            return None;
        }
        self.kept_alive = now.monotonic;
        self.latch.source().or(self.settings.stream.remote).filter(is_somewhere)
    }

    /// When [`Port::report`] is due. It moves with reports, updates and collisions: ask again after those.
    pub fn next_report(&self) -> Monotonic {
        if self.goodbye.is_some() { Monotonic(0) } else { self.schedule.next() }
    }

    /// Appends a compound RTCP packet to `out` and says where to send it: where media came from, or the negotiated RTCP
    /// address. `None` if there is nowhere yet. Due reports that are not asked for are not made up for.
    pub fn report(&mut self, now: Now, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let start = out.len();
        let target = self.report_target();
        let members = self.sources.len() + 1;
        if target.is_none() {
            self.goodbye = None;
            self.schedule.left(now.monotonic, 0, members);
            return None;
        }
        if let Some(ssrc) = self.goodbye.take() {
            rtcp::encode_receiver_report(out, ssrc, core::iter::empty());
            rtcp::encode_description(out, ssrc, &self.settings.cname);
            rtcp::encode_goodbye(out, ssrc);
            self.schedule.hurry(now.monotonic);
            return target;
        }
        self.encode_report(now, out);
        self.pictures.ask(now.wall, self.ssrc, out);
        self.is_introduced = true;
        self.schedule.left(now.monotonic, out.len() - start, members);
        target
    }

    /// The last report, with a BYE, for a port that closes (RFC 3550 6.3.7). `None` as well where no report ever left: who
    /// was never there must not say goodbye.
    pub fn farewell(&mut self, now: Now, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let target = self.report_target()?;
        if let Some(ssrc) = self.goodbye.take() {
            rtcp::encode_receiver_report(out, ssrc, core::iter::empty());
            rtcp::encode_description(out, ssrc, &self.settings.cname);
            rtcp::encode_goodbye(out, ssrc);
            return Some(target);
        }
        if !core::mem::take(&mut self.is_introduced) {
            return None;
        }
        self.encode_report(now, out);
        rtcp::encode_goodbye(out, self.ssrc);
        Some(target)
    }

    /// RR and SDES (RFC 3550 6.1), on those whom the stream's sender brought.
    fn encode_report(&mut self, now: Now, out: &mut Vec<u8>) {
        let media = self.latch.source();
        let heard = self.sources.iter_mut().filter(|source| Some(source.from) == media);
        let blocks = heard.filter_map(|source| source.reception.report_block(now.wall));
        rtcp::encode_receiver_report(out, self.ssrc, blocks);
        rtcp::encode_description(out, self.ssrc, &self.settings.cname);
        if self.settings.feedback.round_trip {
            self.reference = extended::middle(extended::ntp(now.wall));
            extended::encode_reference(out, self.ssrc, now.wall);
        }
    }

    /// Protects a report of ours, where it must be. `false`: it cannot be sent.
    pub fn protect(&mut self, report: &mut Vec<u8>) -> bool {
        self.srtp.as_mut().is_none_or(|srtp| srtp.protect(report))
    }

    /// What was due by [`super::SrtpStatistics::reservation_due`] is kept where no crash can reach it.
    pub fn reserve(&mut self, kept: SenderState) {
        if let Some(srtp) = self.srtp.as_mut() {
            srtp.reserve(kept);
        }
    }

    /// Figures at this moment.
    pub fn statistics(&self) -> PortStatistics {
        let mut statistics = PortStatistics::of(self.settings.stream.port);
        self.statistics_into(&mut statistics);
        statistics
    }

    /// The same into the memory of earlier ones: nothing is allocated where those had room.
    pub fn statistics_into(&self, into: &mut PortStatistics) {
        let (mut sources, srtp) = (core::mem::take(&mut into.sources), into.srtp.take());
        self.sources.summaries_into(&mut sources);
        let srtp = self.srtp.as_ref().map(|secured| {
            let mut figures = srtp.unwrap_or_default();
            secured.statistics_into(&mut figures);
            figures
        });
        *into = PortStatistics {
            source: self.latch.source(),
            last_at: self.latch.last_at(),
            sources,
            srtp,
            heard: self.ear.heard(),
            ..self.figures.clone()
        };
    }

    /// Whether its packets are protected.
    pub fn is_secured(&self) -> bool {
        self.srtp.is_some()
    }

    fn paused(&self) -> bool {
        self.settings.stream.paused.is_some()
    }

    /// Counts what is neither RTP nor RTCP.
    fn junk(&mut self, at: Wall) -> Verdict {
        self.figures.junk += 1;
        if self.paused() {
            return Verdict::Discard(Why::Paused);
        }
        if self.taken_junk.take(at, MAX_JUNK_PER_SECOND) { Verdict::Keep } else { Verdict::Discard(Why::Junk) }
    }

    fn discard(&mut self, why: Why) -> Verdict {
        match why {
            Why::Paused => self.figures.dropped_paused += 1,
            Why::Flood => self.figures.dropped_flood += 1,
            // Counted by the SRTP.
            Why::Junk | Why::Srtp => {}
        }
        Verdict::Discard(why)
    }

    /// Whether RTCP from there is heeded and answered.
    fn is_of_stream(&self, ip: IpAddr) -> bool {
        let known = [self.latch.source(), self.settings.remote_rtcp, self.settings.stream.remote];
        known.into_iter().flatten().any(|address| address.ip() == ip)
    }

    /// Nobody has said, nor shown, where the stream comes from.
    fn is_of_anybody(&self) -> bool {
        self.latch.source().is_none() && self.settings.stream.remote.is_none()
    }

    fn heed(&mut self, at: Wall, compound: rtcp::Compound<'_>) {
        for report in compound {
            match report {
                Report::Sender(sr) => {
                    self.sources.with_ssrc(sr.ssrc).for_each(|s| s.reception.sender_report(at, sr.ntp, sr.rtp));
                    self.check_ssrc(sr.ssrc);
                }
                Report::Receiver { ssrc, .. } => self.check_ssrc(ssrc),
                Report::Goodbye(ssrcs) => {
                    for ssrc in ssrcs.iter() {
                        self.sources.with_ssrc(ssrc).for_each(|s| s.reception.goodbye(at));
                    }
                }
                Report::Extended { ssrc, blocks } => self.heed_delays(at, ssrc, blocks),
                Report::Description(_) | Report::Application { .. } | Report::Feedback { .. } | Report::Other(_) => {}
            }
        }
    }

    /// The delays that a source tells: of an answer to us, only to our last question.
    fn heed_delays(&mut self, at: Wall, ssrc: u32, blocks: &[u8]) {
        let (mut ours, mut theirs) = (None, None);
        for block in extended::blocks(blocks) {
            match block {
                Block::SinceReference(since) if since.ssrc == self.ssrc && since.last_reference == self.reference => {
                    ours = since.round_trip_us(at).or(ours);
                }
                Block::VoipMetrics { round_trip_ms, .. } => theirs = Some(round_trip_ms),
                Block::SinceReference(_) | Block::Reference { .. } => {}
            }
        }
        self.sources.with_ssrc(ssrc).for_each(|source| source.reception.delay(ours, theirs));
    }

    fn check_ssrc(&mut self, theirs: u32) {
        if theirs == self.ssrc {
            self.collide();
        }
    }

    /// RFC 3550 8.2: somebody else has our SSRC; say goodbye with it and take another.
    fn collide(&mut self) {
        if self.collisions >= MAX_COLLISIONS {
            return;
        }
        self.collisions += 1;
        self.goodbye = Some(self.ssrc);
        self.is_introduced = false;
        self.ssrc = self.schedule.random();
    }

    /// Only where media or heeded RTCP came from, or what was negotiated.
    fn report_target(&self) -> Option<SocketAddr> {
        let media = self.latch.source();
        let target = if self.settings.rtcp_mux {
            media.or(self.settings.remote_rtcp).or(self.settings.stream.remote)
        } else {
            self.rtcp_source.or_else(|| self.unheard_rtcp(media))
        };
        target.filter(is_somewhere)
    }

    /// Where RTCP is expected at as long as none came: as negotiated, unless media comes from another host (a NAT), whose
    /// next port it is then (RFC 3550 11).
    fn unheard_rtcp(&self, media: Option<SocketAddr>) -> Option<SocketAddr> {
        let next_port = media.and_then(|m| Some(SocketAddr::new(m.ip(), m.port().checked_add(1)?)));
        match (self.settings.remote_rtcp, next_port) {
            (Some(negotiated), Some(next_port)) if negotiated.ip() != next_port.ip() => Some(next_port),
            (negotiated, next_port) => negotiated.or(next_port),
        }
    }
}

fn is_somewhere(to: &SocketAddr) -> bool {
    to.port() != 0 && !to.ip().is_unspecified() && !is_group(to.ip())
}

fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

fn clock_rates(settings: &PortSettings) -> [u32; PAYLOAD_TYPES] {
    let mut rates = [0; PAYLOAD_TYPES];
    for (payload_type, rate) in (0_u8..).zip(rates.iter_mut()) {
        *rate = static_clock_rate(payload_type).unwrap_or(0);
    }
    for format in settings.stream.formats.iter() {
        if let Some(rate) = rates.get_mut(usize::from(format.payload_type)) {
            *rate = format.clock_rate;
        }
    }
    rates
}
