//! The recorder without sockets and clocks: the same core and the same ports, driven by the times of a file.

use std::collections::HashMap;
use std::net::SocketAddr;

use siprec_core::entry::{Entry, Event, Kind, PortIndex, Protected};
use siprec_core::journal::encoder;
use siprec_core::media::{MediaReport, Port, PortSettings};
use siprec_core::seed::{Seed, SessionId};
use siprec_core::session::{Input, Kept, Output, Policy, Srs};
use siprec_core::time::{Monotonic, Now, Wall};

use crate::archive::journal::Writer;
use crate::archive::scribe::{Blocks, Scribe};

/// Media of a session that is handed to the journal's writer at once.
const SLAB_BYTES: usize = 64 << 10;
/// How often the core is told that a port was heard, in nanoseconds of the file's time.
const HEARD_EVERY_NS: i64 = 1_000_000_000;

/// A port that the core wants opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) session: SessionId,
    pub(super) port: PortIndex,
    pub(super) m_line: u16,
    /// The address and ports known from before, after a restart.
    pub(super) before: Option<(u16, u16)>,
}

/// What is known of a packet beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// It came on the RTCP port, or a journal says that it is RTCP.
    pub(super) rtcp: bool,
    /// A journal holds it.
    pub(super) judged: bool,
    /// As a journal has it.
    pub(super) protected: Option<Protected>,
}

/// The recorder, its ports and what it writes.
pub(super) struct Offline {
    pub(super) srs: Srs,
    scribe: Scribe,
    writer: Writer,
    ports: HashMap<(SessionId, PortIndex), Receiving>,
    media: HashMap<SessionId, Vec<u8>>,
    /// Ports asked for, to be answered with [`Offline::input`].
    pub(super) wanted: Vec<Wanted>,
    /// What the core sent since it was last taken.
    pub(super) sent: Vec<Vec<u8>>,
    /// Sessions whose journal is whole.
    pub(super) over: Vec<SessionId>,
    checkpoints: HashMap<SessionId, Vec<u8>>,
    start: Option<Wall>,
    /// A journal holds what arrived before a session's end behind it: sessions end when all is read.
    keeps_late: bool,
    ending: Vec<SessionId>,
}

struct Receiving {
    port: Port,
    told: Option<Wall>,
}

impl Offline {
    pub(super) fn new(policy: Policy, seed: Seed, writer: Writer) -> Self {
        Self {
            srs: Srs::new(policy, seed),
            scribe: Scribe::default(),
            writer,
            ports: HashMap::new(),
            media: HashMap::new(),
            wanted: Vec::new(),
            sent: Vec::new(),
            over: Vec::new(),
            checkpoints: HashMap::new(),
            start: None,
            keeps_late: false,
            ending: Vec::new(),
        }
    }

    /// One that replays a journal.
    pub(super) fn of_a_journal(self) -> Self {
        Self { keeps_late: true, ..self }
    }

    /// The file's time on both clocks. The monotonic one starts an hour in, so that nothing is before it.
    pub(super) fn now(&mut self, at: Wall) -> Now {
        const HOUR_NS: i64 = 3_600_000_000_000;
        let start = *self.start.get_or_insert(at);
        let since = u64::try_from(at.nanos_since(start).saturating_add(HOUR_NS)).unwrap_or(0);
        Now { monotonic: Monotonic(since), wall: at }
    }

    /// Wakes the core at each of its deadlines up to `at`.
    pub(super) fn advance(&mut self, at: Wall) {
        let end = self.now(at);
        while let Some((due, _)) = self.srs.next_timeout().filter(|(due, _)| *due <= end.monotonic) {
            let wall = Wall(end.wall.0 - i64::try_from(end.monotonic.since(due).as_nanos()).unwrap_or(0));
            self.take(Now { monotonic: due, wall }, Input::Timeout);
        }
    }

    /// Wakes the core if a deadline has passed, at `at` itself: when a journal tells when it woke.
    pub(super) fn wake(&mut self, at: Wall) {
        let now = self.now(at);
        if self.srs.next_timeout().is_some_and(|(due, _)| due <= now.monotonic) {
            self.take(now, Input::Timeout);
        }
    }

    /// The core takes something in at `at`.
    pub(super) fn input(&mut self, at: Wall, input: Input<'_>) {
        let now = self.now(at);
        self.take(now, input);
    }

    fn take(&mut self, now: Now, input: Input<'_>) {
        self.srs.handle_input(now, input);
        self.carry_out(now);
    }

    /// Does what the core wants.
    pub(super) fn carry_out(&mut self, now: Now) {
        while let Some(output) = self.srs.poll_output() {
            self.output(now, output);
        }
        for blocks in self.scribe.take() {
            self.flush_media(blocks.session);
            self.writer.hand_over_waiting(blocks);
        }
    }

    fn output(&mut self, now: Now, output: Output) {
        match output {
            Output::Send { bytes, .. } => self.sent.push(bytes),
            Output::OpenPort { session, port, m_line, wanted, .. } => {
                self.wanted.push(Wanted { session, port, m_line, before: wanted });
            }
            Output::UpdatePort { session, settings } => {
                let index = settings.stream.port;
                // What a journal holds is plain already.
                let settings = if self.keeps_late { PortSettings { srtp: None, ..settings } } else { settings };
                self.scribe.name_port(session, index, settings.stream.label.as_deref());
                match self.ports.get_mut(&(session, index)) {
                    Some(receiving) => {
                        receiving.port.update(settings, now);
                    }
                    None => {
                        let receiving = Receiving { port: Port::new(settings, now), told: None };
                        self.ports.insert((session, index), receiving);
                    }
                }
                self.unseal((session, index));
            }
            Output::ClosePort { session, port } if !self.keeps_late => {
                self.ports.remove(&(session, port));
            }
            Output::Begin { at, header, ports } => self.scribe.begin(at, &header, &ports),
            // What a journal says of keys is taken over as it stands: the messages that brought them are blanked.
            Output::Keep { kept: Kept::Event(Event::SrtpKeys { .. } | Event::SrtcpReserved { .. }), .. }
                if self.keeps_late => {}
            Output::Keep { session, at, kept } => {
                self.scribe.keep(session, at, &kept);
                if let Kept::Checkpoint(json) = kept {
                    self.checkpoints.insert(session, json);
                }
            }
            Output::SessionEnded { session, .. } if self.keeps_late => self.ending.push(session),
            Output::SessionEnded { session, .. } => self.end(session),
            Output::Tell(tell) => tracing::debug!(?tell),
            // Nobody shakes hands with a recording: its packets are plain, or their keys are kept.
            Output::ExpectDtls { .. }
            | Output::ClosePort { .. }
            | Output::Reserve { .. }
            | Output::RecordingEnded { .. }
            | Output::CloseConnection { .. }
            | Output::Framed { .. } => {}
        }
    }

    fn end(&mut self, session: SessionId) {
        if !self.scribe.knows(session) {
            return;
        }
        for blocks in self.scribe.take() {
            self.flush_media(blocks.session);
            self.writer.hand_over_waiting(blocks);
        }
        self.flush_media(session);
        self.scribe.forget(session);
        self.media.remove(&session);
        self.checkpoints.remove(&session);
        self.writer.close(session);
        self.over.push(session);
    }

    /// Packets that waited for a key, as if they came just then.
    fn unseal(&mut self, id: (SessionId, PortIndex)) {
        let mut packet = Vec::new();
        let is = Arrived { rtcp: false, judged: false, protected: None };
        while let Some((at, from)) = self.ports.get_mut(&id).and_then(|r| r.port.poll_sealed(&mut packet)) {
            self.take_packet(at, id, from, &packet, is);
        }
    }

    /// An RTP or RTCP packet arrived at a port. One that a journal holds was judged when it arrived, and is kept.
    pub(super) fn packet(
        &mut self,
        at: Wall,
        id: (SessionId, PortIndex),
        from: SocketAddr,
        payload: &[u8],
        is: Arrived,
    ) {
        self.take_packet(at, id, from, payload, is);
        self.unseal(id);
    }

    fn take_packet(&mut self, at: Wall, id: (SessionId, PortIndex), from: SocketAddr, payload: &[u8], is: Arrived) {
        let rtcp = is.rtcp;
        let Some(receiving) = self.ports.get_mut(&id) else { return };
        let (session, port) = id;
        let to = receiving.port.settings().stream.local;
        let verdict = match rtcp {
            true => receiving.port.handle_rtcp(at, from, payload),
            false => receiving.port.handle_rtp(at, from, payload),
        };
        let slab = self.media.entry(session).or_default();
        let mut is_rtcp = rtcp;
        match receiving.port.kept(verdict, rtcp, from, payload) {
            Some(Kind::Rtp { port, from, to, packet, protected }) => {
                let protected = is.protected.or(protected);
                encoder::entry(slab, &Entry { at, kind: Kind::Rtp { port, from, to, packet, protected } });
            }
            Some(kind) => {
                is_rtcp = true;
                encoder::entry(slab, &Entry { at, kind });
            }
            None if is.judged && rtcp => {
                let kind = Kind::Rtcp { port, outbound: false, from, to, packet: payload };
                encoder::entry(slab, &Entry { at, kind });
            }
            None if is.judged => {
                let kind = Kind::Rtp { port, from, to, packet: payload, protected: is.protected };
                encoder::entry(slab, &Entry { at, kind });
            }
            None => return,
        }
        let mut reports = Vec::new();
        let due = !is_rtcp && receiving.told.is_none_or(|told| at.nanos_since(told) >= HEARD_EVERY_NS);
        while let Some(event) = receiving.port.poll_event() {
            reports.push(MediaReport { session, event: Some(event), statistics: receiving.port.statistics() });
        }
        if due {
            receiving.told = Some(at);
            if reports.is_empty() {
                reports.push(MediaReport { session, event: None, statistics: receiving.port.statistics() });
            }
        }
        if slab.len() >= SLAB_BYTES {
            self.flush_media(session);
        }
        for report in &reports {
            self.input(at, Input::Media(report));
        }
    }

    /// Appends a packet to its session's journal.
    pub(super) fn keep_media(&mut self, session: SessionId, entry: &Entry<'_>) {
        let slab = self.media.entry(session).or_default();
        encoder::entry(slab, entry);
        if slab.len() >= SLAB_BYTES {
            self.flush_media(session);
        }
    }

    fn flush_media(&mut self, session: SessionId) {
        let Some(slab) = self.media.get_mut(&session).filter(|slab| !slab.is_empty()) else { return };
        let bytes = std::mem::take(slab);
        self.writer.hand_over_waiting(Blocks { session, segment: None, checkpoint_at: None, bytes });
    }

    /// The session's last checkpoint, as kept.
    pub(super) fn checkpoint(&self, session: SessionId) -> Option<&[u8]> {
        self.checkpoints.get(&session).map(Vec::as_slice)
    }

    /// Everything is read: sessions that ended are closed. Waits until all that was handed over is written.
    pub(super) fn settle(&mut self) {
        for session in std::mem::take(&mut self.ending) {
            self.end(session);
        }
        self.writer.wait_written();
    }
}
