//! A journal of ours, replayed: the same core, the same seed, the same times, so the same recording.
//!
//! What we sent is not fed in: the core sends it again. What was decided outside the core (orders, ports, the
//! moment at which it woke) is taken from the journal.

use std::io::Read;
use std::net::SocketAddr;

use anyhow::bail;
use siprec_core::entry::{EndCause, Entry, Event, Kind, PauseCause, PortIndex, Protected, SegmentHeader, Stream};
use siprec_core::journal::Reader;
use siprec_core::node_key::NodeKey;
use siprec_core::seed::SessionId;
use siprec_core::session::{Checkpoint, Input, Order, rewrap_keys};
use siprec_core::sip::{ConnectionId, Flow, Message, Method, Transport};
use siprec_core::time::Wall;

use super::offline::{Arrived, Offline};

/// Bytes of a journal decoded at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What keys of SRTP are wrapped with in a journal, and in the one that is written.
pub(super) struct Keys {
    /// None: not to be had.
    pub(super) of_journal: Option<NodeKey>,
    pub(super) ours: NodeKey,
}

/// A session that is recorded again.
pub(super) struct Again {
    recorder: Offline,
    /// As the journal names it.
    original: SessionId,
    keys: Keys,
    session: Option<SessionId>,
    streams: Vec<Stream>,
    /// The header of a segment that a restart began, until its gap is read.
    restarted: Option<SegmentHeader>,
    last: Wall,
    /// Entries of the time before our answer, in order: the ports that the answer named are told after it.
    early: Vec<Early>,
}

struct Early {
    at: Wall,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    message: Vec<u8>,
    outbound: bool,
}

impl Again {
    pub(super) fn new(recorder: Offline, original: SessionId, keys: Keys) -> Self {
        let recorder = recorder.of_a_journal();
        Self {
            recorder,
            original,
            keys,
            session: None,
            streams: Vec::new(),
            restarted: None,
            last: Wall::default(),
            early: Vec::new(),
        }
    }

    /// Feeds a segment's entries to the core.
    pub(super) fn replay(&mut self, mut file: impl Read) -> anyhow::Result<()> {
        let mut reader = Reader::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk)?;
            match read {
                0 => reader.finish(),
                n => reader.push(&chunk[..n]),
            }
            while let Some(entry) = reader.next() {
                self.entry(&entry);
            }
            if read == 0 {
                break;
            }
        }
        let damage = reader.damage();
        if damage.is_serious() {
            bail!("the journal is damaged: {damage:?}");
        }
        Ok(())
    }

    /// The journal ends; a session that it left open ends with it.
    pub(super) fn finish(&mut self) {
        self.recorder.srs.session_ids().into_iter().for_each(|session| {
            let order = Order::End(session, EndCause::CaptureEnded);
            self.recorder.input(self.last, Input::Order(order));
        });
        self.recorder.settle();
    }

    /// Sessions that were recorded.
    pub(super) fn sessions(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.recorder.over)
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let at = entry.at;
        self.last = self.last.max(at);
        match &entry.kind {
            // It waits for a key, or was made plain later.
            Kind::Rtp { protected: Some(Protected::Sealed), .. } => self.pass_on(entry),
            Kind::Rtp { port, from, packet, protected, .. } => {
                self.packet(at, *port, *from, packet, Arrived { rtcp: false, judged: true, protected: *protected });
            }
            Kind::Rtcp { port, outbound: false, from, packet, .. } => {
                self.packet(at, *port, *from, packet, Arrived { rtcp: true, judged: true, protected: None });
            }
            Kind::Rtcp { outbound: true, .. } => self.pass_on(entry),
            Kind::Event(Event::SrtpKeys { port, suite, wrapped }) => {
                self.recorder.wake(at);
                let wrapped = self.rewrap(*port, wrapped).unwrap_or_else(|| wrapped.clone());
                let event = Event::SrtpKeys { port: *port, suite: *suite, wrapped };
                self.pass_on(&Entry { at, kind: Kind::Event(event) });
            }
            Kind::Event(Event::SrtcpReserved { .. } | Event::SrtpRefused { .. }) => {
                self.recorder.wake(at);
                self.pass_on(entry);
            }
            Kind::Sip { transport, outbound: false, from, to, message } => {
                self.recorder.wake(at);
                if self.session.is_some() {
                    self.deliver(at, *transport, *from, *to, message);
                } else {
                    let message = message.to_vec();
                    self.early.push(Early {
                        at,
                        transport: *transport,
                        from: *from,
                        to: *to,
                        message,
                        outbound: false,
                    });
                }
            }
            Kind::Sip { outbound: true, transport, from, to, message } if self.session.is_none() => {
                let message = message.to_vec();
                self.early.push(Early { at, transport: *transport, from: *from, to: *to, message, outbound: true });
            }
            Kind::Sip { outbound: true, .. } | Kind::Checkpoint(_) => self.recorder.wake(at),
            Kind::Event(event) => self.event(at, event),
        }
    }

    fn deliver(&mut self, at: Wall, transport: Transport, from: SocketAddr, to: SocketAddr, message: &[u8]) {
        self.feed(at, transport, from, to, message);
        self.open_ports(at);
    }

    fn feed(&mut self, at: Wall, transport: Transport, from: SocketAddr, to: SocketAddr, message: &[u8]) {
        if transport == Transport::Udp {
            self.recorder.input(at, Input::Datagram { local: to, remote: from, bytes: message });
        } else {
            let id = ConnectionId(u64::from(from.port()));
            self.recorder.input(
                at,
                Input::ConnectionOpened { id, transport, local: to, remote: from, certificate: None, accepted: false },
            );
            self.recorder.input(at, Input::Bytes { connection: id, bytes: message });
        }
    }

    fn packet(&mut self, at: Wall, port: PortIndex, from: SocketAddr, packet: &[u8], arrived: Arrived) {
        if let Some(session) = self.session {
            self.recorder.packet(at, (session, port), from, packet, arrived);
        }
    }

    /// So that the new journal's sealed packets can be opened where it lies.
    fn rewrap(&self, port: PortIndex, wrapped: &str) -> Option<String> {
        let from = (self.keys.of_journal.as_ref()?, self.original);
        rewrap_keys(from, (&self.keys.ours, self.session?), port, wrapped)
    }

    /// What is taken over as it stands.
    fn pass_on(&mut self, entry: &Entry<'_>) {
        if let Some(session) = self.session {
            self.recorder.keep_media(session, entry);
        }
    }

    fn event(&mut self, at: Wall, event: &Event) {
        match event {
            Event::Segment(header) if header.segment == 1 => self.recorder.srs.seed_next_session(header.seed),
            Event::Segment(header) => self.restarted = Some(header.clone()),
            Event::Stream(stream) => self.stream(at, stream),
            Event::Answered => self.answered(at),
            Event::Gap { from, to, rebooted } => self.restart(*from, *to, *rebooted),
            Event::Ended { cause } => self.ended(at, *cause),
            Event::Tagged { add, remove } => {
                self.order(at, |session| Order::Tag { session, add: add.clone(), remove: remove.clone() });
            }
            // What befell the machine then is part of the recording.
            Event::ClockStep { by_ns } => self.befell(at, |_| Input::ClockStep { by_ns: *by_ns }),
            Event::DiskStalled { took_ms } => self.befell(at, |_| Input::DiskStalled { took_ms: *took_ms }),
            Event::Dropped { port, packets, cause } if *packets > 0 => {
                let (port, packets, cause) = (*port, *packets, cause.clone());
                self.befell(at, |session| Input::Dropped { session, port, packets, cause });
            }
            Event::Metadata { .. }
            | Event::RecordingStarted { .. }
            | Event::RecordingBound { .. }
            | Event::RecordingEnded { .. }
            | Event::Source { .. }
            | Event::SrtpKeys { .. }
            | Event::SrtcpReserved { .. }
            | Event::SrtpRefused { .. }
            | Event::Dropped { .. }
            | Event::Alarm { .. } => self.recorder.wake(at),
        }
    }

    fn befell(&mut self, at: Wall, input: impl FnOnce(SessionId) -> Input<'static>) {
        if let Some(session) = self.session {
            self.recorder.input(at, input(session));
        }
    }

    /// An end that no message of the journal brings about was an order, or found out by a probe that nobody answers now.
    fn ended(&mut self, at: Wall, cause: EndCause) {
        match cause {
            EndCause::Operator => self.order(at, Order::Stop),
            EndCause::SrcGone
            | EndCause::DialogUnknown
            | EndCause::SessionExpired
            | EndCause::CaptureEnded
            | EndCause::Failed => {
                self.order(at, |session| Order::End(session, cause));
            }
            EndCause::Bye | EndCause::Cancel | EndCause::CommunicationSessionEnded => self.recorder.wake(at),
        }
    }

    fn order(&mut self, at: Wall, order: impl Fn(SessionId) -> Order) {
        if let Some(session) = self.session.filter(|session| self.recorder.srs.knows(*session)) {
            self.recorder.input(at, Input::Order(order(session)));
        }
    }

    /// A port as the journal has it: its addresses for the core's wish, an operator's pause for an order.
    fn stream(&mut self, at: Wall, stream: &Stream) {
        let before = self.streams.iter().find(|known| known.port == stream.port).map(|known| known.paused);
        self.streams.retain(|known| known.port != stream.port);
        self.streams.push(stream.clone());
        let by_operator = |paused: Option<PauseCause>| paused == Some(PauseCause::Operator);
        match (by_operator(before.flatten()), by_operator(stream.paused)) {
            (false, true) => self.order(at, |session| Order::Pause { session, tell_src: false, at_most: None }),
            (true, false) => self.order(at, Order::Resume),
            (true, true) | (false, false) => {}
        }
        if stream.paused == Some(PauseCause::TakenBack) {
            let port = stream.port;
            self.order(at, |session| Order::TakeBack { session, port });
        }
        self.open_ports(at);
    }

    /// All that the first answer needed is known: the INVITE can be taken now, at its own time.
    fn answered(&mut self, at: Wall) {
        let mut begun = false;
        // What was paused before it was answered was held off.
        let is_held = self.streams.iter().any(|stream| stream.paused == Some(PauseCause::Operator));
        if let Some(first) = self.early.first().filter(|_| is_held) {
            self.recorder.input(first.at, Input::Order(Order::HoldOff(true)));
        }
        for early in std::mem::take(&mut self.early) {
            if !early.outbound {
                self.feed(early.at, early.transport, early.from, early.to, &early.message);
            } else if let Some(order) = order_of(&early).filter(|_| !begun) {
                begun = true;
                self.recorder.input(early.at, Input::Order(order));
            }
        }
        self.open_ports(at);
        if is_held {
            self.recorder.input(at, Input::Order(Order::HoldOff(false)));
        }
    }

    /// Answers the core's wishes with the addresses of the journal.
    fn open_ports(&mut self, at: Wall) {
        for wanted in std::mem::take(&mut self.recorder.wanted) {
            self.session.get_or_insert(wanted.session);
            let (session, port) = (wanted.session, wanted.port);
            match self.streams.iter().find(|stream| stream.port == port) {
                Some(stream) => {
                    let (rtp, rtcp) = (stream.local, stream.local_rtcp);
                    self.recorder.input(at, Input::PortOpened { session, port, rtp, rtcp });
                }
                None => self.recorder.wanted.push(wanted),
            }
        }
    }

    /// The server was killed here, and came back.
    fn restart(&mut self, from: Wall, to: Wall, rebooted: bool) {
        let (Some(header), Some(session)) = (self.restarted.take(), self.session) else { return };
        let Some(checkpoint) = self.recorder.checkpoint(session).and_then(|bytes| Checkpoint::read(bytes).ok()) else {
            return;
        };
        self.recorder.srs.forget(session);
        self.recorder.srs.seed_next_session(header.seed);
        let now = self.recorder.now(to);
        self.recorder.srs.restore(now, checkpoint, header.segment, from, rebooted);
        self.recorder.carry_out(now);
        self.open_ports(to);
    }
}

/// The order that an INVITE of ours stands for: a recording session that we asked for.
fn order_of(early: &Early) -> Option<Order> {
    let invite = Message::parse_datagram(&early.message).ok()?;
    let uri = invite.uri().filter(|_| invite.method() == Some(&Method::Invite))?.to_owned();
    let Early { transport, from, to, .. } = *early;
    Some(Order::Record { uri, flow: Flow { transport, local: from, remote: to, connection: None } })
}
