//! The signalling thread: sockets, deadlines and news in, one core, its orders carried out.
//!
//! ```text
//! datagrams, streams, media news, written journal, orders --> Srs --> send | bind | workers | scribe -> journal writer
//! ```
//! It decides nothing: what is decided stands in `siprec_core::session`.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use siprec_core::entry::{Event, PortIndex};
use siprec_core::media::Digits;
use siprec_core::seed::SessionId;
use siprec_core::session::{DtlsKeys, Input, Kept, Order, Output, Secured, Srs, without_digits};
use siprec_core::sip::{Flow, Transport};
use siprec_core::srtp::SenderState;
use siprec_core::time::{Monotonic, Now};
use tokio::sync::oneshot;

use super::alarms::Alarms;
use super::answering::Answering;
use super::arrivals::Arrival;
use super::auditing::Auditing;
use super::clock::{Clock, StepWatch};
use super::datagrams::Datagrams;
use super::erasing::Eraser;
use super::finishing::Finishing;
use super::live::Board;
use super::lookout::Lookout;
use super::media::dtls::{Act, Component, Dtls, Keys};
use super::media::ports::{BoundPair, Ports};
use super::media::{News, Workers};
use super::meters::Meters;
use super::own_src::OwnSrc;
use super::recompressing::Job;
use super::shared_catalog::Asking;
use super::sip_watch::SipTap;
use super::streams::{StreamEvent, Streams};
use super::told;
use crate::archive::catalog::Catalog;
use crate::archive::disk::Disk;
use crate::archive::journal::Writer;
use crate::archive::lock::DirectoryLock;
use crate::archive::outbox::Outbox;
use crate::archive::scribe::Scribe;
use crate::archive::space::Space;
use crate::sip_trace::SipTrace;

/// A response waits this long for the journal at most: a disk that stalls must not hold the SRC back, and a machine that is
/// busy must not make a kill forget a dialog that its SRC knows.
const HELD_AT_MOST: Duration = Duration::from_millis(40);

/// All that the signalling thread owns.
pub(super) struct Signalling {
    pub(super) srs: Srs,
    pub(super) clock: Clock,
    pub(super) datagrams: Vec<Arc<Datagrams>>,
    pub(super) streams: Streams,
    pub(super) ports: Ports,
    pub(super) workers: Workers,
    pub(super) dtls: Dtls,
    pub(super) writer: Arc<Writer>,
    pub(super) scribe: Scribe,
    pub(super) finishing: Finishing,
    /// What brings recordings to the storage targets, where there are any.
    pub(super) storage: Option<Outbox>,
    /// What is erased beside the calls.
    pub(super) eraser: Eraser,
    /// What is recompressed beside the calls.
    pub(super) recompression: Job,
    pub(super) auditing: Auditing,
    pub(super) board: Board,
    pub(super) alarms: Alarms,
    pub(super) meters: Meters,
    pub(super) lookout: Lookout,
    pub(super) answering: Answering,
    /// The SRC of sessions without SIP.
    pub(super) own_src: OwnSrc,
    pub(super) trace: Option<SipTrace>,
    /// Tells whoever watches of each message.
    pub(super) sip: SipTap,
    /// What of digits is shown.
    pub(super) digits: Digits,
    pub(super) advertised_media: Option<IpAddr>,
    /// Pairs that are bound and wait for their settings.
    pub(super) bound: HashMap<(SessionId, PortIndex), BoundPair>,
    /// What the core wanted sent since its outputs were last drained.
    pub(super) outgoing: Vec<(Flow, Vec<u8>, bool)>,
    /// Messages that wait for the journal: not before this ticket is written, or this moment has come.
    pub(super) held: VecDeque<Held>,
    /// Answers of this thread to the core, to be given once its outputs are drained.
    pub(super) answers: VecDeque<Answer>,
    /// Indices of SRTCP that may be used once this ticket is on the disk itself.
    pub(super) reservations: VecDeque<(u64, SessionId, PortIndex, SenderState)>,
    /// Who is to be told once this ticket is written.
    pub(super) confirmations: VecDeque<(u64, oneshot::Sender<()>)>,
    /// The newest ticket of the journal.
    pub(super) ticket: u64,
    pub(super) steps: StepWatch,
    pub(super) space: Space,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) catalog: Arc<Catalog>,
    /// Asks PostgreSQL, where that has the catalog, until it answers.
    pub(super) _asking: Option<Asking>,
    pub(super) data: PathBuf,
    pub(super) boot: String,
    /// Why new sessions are refused, as the core was told.
    pub(super) pressure: Option<&'static str>,
    /// The data directory's, for as long as the server lives.
    pub(super) _lock: DirectoryLock,
}

/// A message that waits for the journal.
pub(super) struct Held {
    ticket: u64,
    until: Monotonic,
    flow: Flow,
    bytes: Vec<u8>,
}

/// What became of an order of the core.
pub(super) enum Answer {
    Opened { session: SessionId, port: PortIndex, rtp: SocketAddr, rtcp: SocketAddr },
    Refused { session: SessionId, port: PortIndex, why: String },
}

impl Signalling {
    /// Both clocks, now.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Something came in: the core takes it, and what it wants is done.
    pub(super) fn input(&mut self, input: Input<'_>) {
        let now = self.now();
        self.srs.handle_input(now, input);
        self.carry_out(now);
    }

    /// Something arrived.
    pub(super) fn arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { local, remote, bytes } => self.datagram(local, remote, &bytes),
            Arrival::Accepted(stream) => {
                if let Some(event) = self.streams.accept(stream) {
                    self.stream_event(event);
                }
            }
            Arrival::Secured(secured) => {
                if let Some(event) = self.streams.accept_secured(*secured) {
                    self.stream_event(event);
                }
            }
            Arrival::Stream(event) => self.stream_event(event),
        }
    }

    /// A datagram arrived on a SIP socket.
    fn datagram(&mut self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) {
        if OwnSrc::is_at(remote.ip()) {
            return;
        }
        self.show(false, Transport::Udp, remote, local, bytes);
        self.answering.came(bytes, Instant::now());
        self.input(Input::Datagram { local, remote, bytes });
    }

    /// Something happened on a stream.
    fn stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { id, transport, local, remote, certificate, accepted } => {
                self.input(Input::ConnectionOpened { id, transport, local, remote, certificate, accepted });
            }
            StreamEvent::Bytes(id, bytes) => {
                self.answering.came(&bytes, Instant::now());
                self.input(Input::Bytes { connection: id, bytes: &bytes });
            }
            StreamEvent::Closed(id) => {
                self.streams.close(id);
                self.input(Input::ConnectionClosed { id });
            }
            StreamEvent::NotOpened { id, transport, remote } => {
                self.streams.close(id);
                self.input(Input::ConnectionClosed { id });
                if transport == Transport::Tcp {
                    self.input(Input::NoStream { remote });
                }
            }
        }
    }

    /// A media worker has news.
    pub(super) fn media_news(&mut self, news: News) {
        match news {
            News::Reports(reports) => {
                self.board.reports(self.now().wall, &reports);
                for report in &reports {
                    self.input(Input::Media(report));
                }
                self.workers.give_back(reports);
            }
            News::Flushed { session } => self.finishing.flushed(session, &self.writer),
            News::Closed { report, rtp_port } => {
                let now = self.now();
                self.ports.release(rtp_port, now.monotonic);
                self.board.ended(report.session, &report.statistics);
                self.input(Input::Media(&report));
            }
            News::Dtls(act) => self.handshake(act),
            News::Failed { session, port, rtp_port, why } => {
                tracing::error!(%session, stream = port.0, why, "a stream cannot be received");
                let now = self.now();
                self.ports.release(rtp_port, now.monotonic);
                self.board.closed(session, port);
                self.input(Input::PortRefused { session, port, why });
            }
        }
    }

    /// A handshake of DTLS was done, or came to nothing.
    fn handshake(&mut self, came_of_it: Act) {
        match came_of_it {
            Act::Done { component: Component { session, port, is_rtcp }, association, peer, keys } => {
                let Keys { theirs, ours, version } = *keys;
                let keys = DtlsKeys { theirs, ours, version };
                self.input(Input::Secured(Secured { session, port, is_rtcp, association, peer, keys }));
            }
            Act::Refused { component: Component { session, port, .. }, peer, why } => {
                self.input(Input::NotSecured { session, port, peer, why: why.to_string() });
            }
            // These leave from the ports' own sockets.
            Act::Send { .. } => {}
        }
    }

    /// Whether the machine's clock was stepped; entries go on without the step, and say so.
    pub(super) fn look_at_clock(&mut self) {
        if let Some(by_ns) = self.steps.check(&self.clock) {
            tracing::warn!(
                by_ms = by_ns / 1_000_000,
                "the machine's clock was stepped; recordings go on without the step"
            );
            self.input(Input::ClockStep { by_ns });
        }
    }

    /// An order of a signal or, later, of the API.
    pub(super) fn order(&mut self, order: Order) {
        self.input(Input::Order(order));
    }

    /// The next moment at which something is due.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let core = self.srs.next_timeout().map(|(at, _)| at);
        let held = self.held.front().map(|held| held.until);
        [core, held].into_iter().flatten().min()
    }

    /// Time has passed, or the journal has been written.
    pub(super) fn wake(&mut self) {
        let now = self.now();
        if self.srs.next_timeout().is_some_and(|(at, _)| at <= now.monotonic) {
            self.srs.handle_input(now, Input::Timeout);
            self.carry_out(now);
        }
        self.release(now.monotonic);
        self.finishing.written(&self.writer);
    }

    /// Carries out what the core wants until it wants nothing more, then hands the journal's blocks over.
    pub(super) fn carry_out(&mut self, now: Now) {
        loop {
            while let Some(output) = self.srs.poll_output() {
                self.output(now, output);
            }
            let Some(answer) = self.answers.pop_front() else { break };
            let input = match answer {
                Answer::Opened { session, port, rtp, rtcp } => Input::PortOpened { session, port, rtp, rtcp },
                Answer::Refused { session, port, why } => Input::PortRefused { session, port, why },
            };
            self.srs.handle_input(now, input);
        }
        self.hand_over();
        self.send_outgoing(now);
        self.finishing.ask(&self.workers);
        self.release(now.monotonic);
    }

    pub(super) fn hand_over(&mut self) {
        for blocks in self.scribe.take() {
            self.ticket = self.writer.hand_over(blocks);
        }
    }

    pub(super) fn output(&mut self, now: Now, output: Output) {
        match output {
            Output::Send { flow, bytes, after_keep } => self.outgoing.push((flow, bytes, after_keep)),
            Output::CloseConnection { id } => self.streams.close(id),
            Output::Framed { flow, bytes } => self.show(false, flow.transport, flow.remote, flow.local, &bytes),
            Output::OpenPort { session, port, local, wanted, .. } => {
                let answer = self.open_port(now, session, port, local, wanted);
                self.answers.push_back(answer);
            }
            Output::UpdatePort { session, settings } => {
                let port = settings.stream.port;
                self.scribe.name_port(session, port, settings.stream.label.as_deref());
                self.board.stream(now.wall, session, &settings.stream);
                // The port's name must be on its way to the journal before its packets are.
                self.hand_over();
                match self.bound.remove(&(session, port)) {
                    Some(pair) => self.workers.add(session, settings, pair),
                    None => self.workers.update(session, settings),
                }
            }
            Output::Reserve { session, port, reserved } => {
                self.hand_over();
                self.reservations.push_back((self.ticket, session, port, reserved));
            }
            Output::ClosePort { session, port } => {
                if let Some(pair) = self.bound.remove(&(session, port)) {
                    self.ports.release(pair.rtp_port(), now.monotonic);
                    self.board.closed(session, port);
                }
                for is_rtcp in [false, true] {
                    self.dtls.forget(Component { session, port, is_rtcp });
                }
                self.workers.close(session, port);
            }
            Output::ExpectDtls { session, port, is_rtcp, association, begin_with } => {
                self.dtls.expect(Component { session, port, is_rtcp }, association, begin_with);
            }
            Output::Begin { at, header, ports } => self.scribe.begin(at, &header, &ports),
            Output::Keep { session, at, kept } => {
                self.sip.kept(session, &kept);
                self.board.kept(at, session, &kept);
                self.scribe.keep(session, at, &kept);
                if matches!(kept, Kept::Event(Event::SrtpKeys { .. })) {
                    self.finishing.key_came(session);
                }
            }
            Output::RecordingEnded { session, recording: _ } => self.finishing.note(session, false),
            Output::SessionEnded { session, cause: _ } => {
                if self.scribe.knows(session) {
                    self.hand_over();
                    self.scribe.forget(session);
                    self.finishing.note(session, true);
                }
            }
            Output::Tell(tell) => {
                told::tell(&tell);
                self.board.tell(now.wall, &tell);
                self.note_for_lookout(now.wall, &tell);
            }
        }
    }

    fn open_port(
        &mut self,
        now: Now,
        session: SessionId,
        port: PortIndex,
        local: IpAddr,
        wanted: Option<(u16, u16)>,
    ) -> Answer {
        let pair = match wanted {
            Some((rtp, _)) => self.ports.bind_again(local, rtp),
            None => self.ports.bind(local, now.monotonic),
        };
        match pair {
            Ok(pair) => {
                let address = self.advertised_media.unwrap_or(local);
                let (rtp, rtcp) = (pair.rtp_port(), pair.rtcp_port());
                self.bound.insert((session, port), pair);
                let (rtp, rtcp) = (SocketAddr::new(address, rtp), SocketAddr::new(address, rtcp));
                Answer::Opened { session, port, rtp, rtcp }
            }
            Err(error) => Answer::Refused { session, port, why: error.to_string() },
        }
    }

    /// Sends what the core wanted sent, once all that it wanted kept is written: the end of a session too, so that no
    /// BYE is answered and then forgotten.
    fn send_outgoing(&mut self, now: Now) {
        for (flow, bytes, after_keep) in std::mem::take(&mut self.outgoing) {
            if !after_keep || self.writer.written_of_signalling() >= self.ticket {
                self.send_now(&flow, bytes);
            } else {
                let until = now.monotonic.after(HELD_AT_MOST);
                self.held.push_back(Held { ticket: self.ticket, until, flow, bytes });
            }
        }
    }

    /// Sends what has waited for the journal long enough.
    pub(super) fn release(&mut self, now: Monotonic) {
        let written = self.writer.written_of_signalling();
        while let Some(held) = self.held.pop_front_if(|held| held.ticket <= written || held.until <= now) {
            self.send_now(&held.flow, held.bytes);
        }
        self.sip.tell();
        self.grant();
        while let Some((_, to)) = self.confirmations.pop_front_if(|(ticket, _)| *ticket <= written) {
            // Who has stopped waiting need not know.
            let _ = to.send(());
        }
    }

    /// Tells when all that was kept so far is written.
    pub(super) fn tell_when_written(&mut self, to: oneshot::Sender<()>) {
        self.confirmations.push_back((self.ticket, to));
        self.release(self.now().monotonic);
    }

    /// Indices of SRTCP are used once no crash of the machine can make us forget it: no nonce ever comes twice.
    fn grant(&mut self) {
        if self.reservations.is_empty() {
            return;
        }
        let durable = self.writer.durable();
        while let Some((_, session, port, reserved)) = self.reservations.pop_front_if(|(ticket, ..)| *ticket <= durable)
        {
            self.workers.reserve(session, port, reserved);
        }
    }

    fn send_now(&mut self, flow: &Flow, bytes: Vec<u8>) {
        self.answering.leaves(&bytes, Instant::now(), &self.meters);
        self.show(true, flow.transport, flow.local, flow.remote, &bytes);
        if OwnSrc::is_at(flow.remote.ip()) {
            return self.tell_own_src(flow.local, &bytes);
        }
        match (flow.transport, flow.connection) {
            (Transport::Udp, _) => self.send_datagram(flow, &bytes),
            (Transport::Tcp | Transport::Tls, Some(id)) if self.streams.is_open(id) => self.streams.send(id, bytes),
            (Transport::Tcp | Transport::Tls, _) => {
                self.streams.connect(flow.transport, flow.local, flow.remote, bytes);
            }
        }
    }

    fn send_datagram(&self, flow: &Flow, bytes: &[u8]) {
        let of_family = |socket: &&Arc<Datagrams>| {
            let bound = socket.bound();
            bound.is_ipv4() == flow.remote.is_ipv4() && bound.port() == flow.local.port()
        };
        let Some(socket) = self.datagrams.iter().find(of_family) else { return };
        if let Err(error) = socket.send(flow.local, flow.remote, bytes) {
            tracing::warn!(remote = %flow.remote, %error, "a SIP message could not be sent");
        }
    }

    /// Shows a message to whoever looks.
    fn show(&mut self, outbound: bool, transport: Transport, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(trace) = &self.trace {
            let shown = without_digits(bytes, self.digits);
            trace.message(self.clock.now().wall, outbound, transport, from, to, &shown);
        }
        self.show_watchers(outbound, transport, (from, to), bytes);
    }

    /// Shows a message to those alone who watch from elsewhere.
    pub(super) fn show_watchers(
        &mut self,
        outbound: bool,
        transport: Transport,
        ends: (SocketAddr, SocketAddr),
        bytes: &[u8],
    ) {
        if self.sip.is_watched() {
            let at = self.clock.now().wall;
            self.sip.message((at, outbound), transport, ends, bytes, self.digits);
        }
    }
}
