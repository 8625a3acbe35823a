//! One worker: its thread's loop, its ports, what it receives and sends.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use siprec_core::entry::PortIndex;
use siprec_core::media::{MediaReport, Port, PortSettings};
use siprec_core::seed::SessionId;
use siprec_core::time::{Monotonic, Now};

use super::dtls::{Component, Dtls, is_dtls};
use super::ports::BoundPair;
use super::receive::{Datagram, Receiver};
use super::reports::Reports;
use super::slabs::{Place, Slabs};
use super::slot::{Slot, Socket, keep, keep_alive, keep_unsealed, note_drops, pass_on, send_report};
use super::taps::{Taps, Wire};
use super::{LONG_ROUND, MANY_PORTS, News, Order, ROUND, SlabSink, Tell};
use crate::server::clock::{Clock, Stamps};

/// Sockets that one call of epoll tells.
const EVENTS: usize = 1_024;
/// Datagrams of one socket in one go; then the others have their turn.
const SOCKET_TURN: usize = 512;
/// Datagrams of one socket fetched before it closes or its settings change: more than its buffer holds.
const DRAIN: usize = 8_192;
/// Rounds in which nothing comes on a socket of RTP, until it is quiet; one of RTCP is so at once.
const PATIENCE: u8 = 8;
/// Room for a datagram of ours, and for one that waited for a key.
const DATAGRAM: usize = 1_500;
/// How often figures are told.
const FIGURES: Duration = Duration::from_secs(1);
/// Orders carried out between two rounds.
const ORDERS: usize = 256;

/// A socket's name in epoll: slot * 2, and 1 more for RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token(u64);

impl Token {
    fn new(slot: usize, is_rtcp: bool) -> Self {
        Self(slot as u64 * 2 + u64::from(is_rtcp))
    }

    fn slot(self) -> usize {
        usize::try_from(self.0 / 2).unwrap_or(usize::MAX)
    }

    fn is_rtcp(self) -> bool {
        self.0 % 2 == 1
    }

    fn event(self) -> EpollEvent {
        EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, self.0)
    }
}

/// When something is due of a slot.
#[derive(Debug, Clone, Copy)]
struct Due {
    report: Monotonic,
    figures: Monotonic,
}

impl Due {
    /// Of a slot that is free.
    const NEVER: Self = Self { report: Monotonic(u64::MAX), figures: Monotonic(u64::MAX) };
}

/// A worker, made and run on its own thread.
pub(super) struct Worker {
    clock: Clock,
    orders: mpsc::Receiver<Order>,
    wake: Arc<EventFd>,
    tell: Tell,
    epoll: Epoll,
    receiver: Receiver,
    stamps: Stamps,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    slabs: Slabs,
    taps: Taps,
    /// When something is due of each slot; dense, since each round looks at all.
    due: Vec<Due>,
    /// Sockets that epoll has told, once: they are read in each round until they stay empty.
    busy: Vec<Token>,
    reports: Reports,
    rtcp: Vec<u8>,
    /// A report as it is sent, and a packet that waited for a key.
    protected: Vec<u8>,
    sealed: Vec<u8>,
    dtls: Option<Dtls>,
    is_over: bool,
}

impl Worker {
    pub(super) fn new(
        clock: Clock,
        epoll: Epoll,
        orders: mpsc::Receiver<Order>,
        wake: Arc<EventFd>,
        sink: Arc<dyn SlabSink>,
        tell: Tell,
    ) -> Self {
        Self {
            clock,
            orders,
            wake,
            tell,
            epoll,
            receiver: Receiver::new(),
            stamps: Stamps::new(&clock),
            slots: vec![],
            free: vec![],
            slabs: Slabs::new(sink),
            taps: Taps::default(),
            due: vec![],
            busy: vec![],
            reports: Reports::default(),
            rtcp: Vec::with_capacity(DATAGRAM),
            protected: Vec::with_capacity(DATAGRAM),
            sealed: Vec::with_capacity(DATAGRAM),
            dtls: None,
            is_over: false,
        }
    }

    /// Rounds, and orders between them, until told to stop.
    pub(super) fn run(mut self) {
        let mut events = vec![EpollEvent::empty(); EVENTS];
        let mut next_round = self.clock.now().monotonic;
        while !self.is_over {
            self.wait(next_round);
            self.begin();
            self.carry_out_orders();
            let now = self.clock.now();
            if now.monotonic >= next_round {
                self.round(now, &mut events);
                // Behind time, the rounds that were missed are not made up for.
                let round = self.round_length();
                next_round = next_round.after(round).max(now.monotonic.after(round / 4));
            }
        }
    }

    fn round_length(&self) -> Duration {
        if self.slots.len() - self.free.len() < MANY_PORTS { ROUND } else { LONG_ROUND }
    }

    /// Until an order comes, or the next round is due.
    fn wait(&self, until: Monotonic) {
        let left = until.since(self.clock.now().monotonic);
        // Rounded up, so that a wait does not end just before its time.
        let millis = u16::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(millis)).is_ok_and(|ready| ready > 0) {
            let _ = self.wake.read();
        }
    }

    fn begin(&mut self) {
        self.stamps.begin_round(self.clock.now(), self.clock.offset());
    }

    fn round(&mut self, now: Now, events: &mut [EpollEvent]) {
        self.receive_from_busy();
        // More ready sockets than one call tells are told by the next.
        for _ in 0..=self.slots.len() * 2 / EVENTS {
            let ready = self.epoll.wait(events, EpollTimeout::ZERO).unwrap_or(0);
            for event in events.iter().take(ready) {
                self.receive(Token(event.data()), SOCKET_TURN);
                self.busy.push(Token(event.data()));
            }
            if ready < EVENTS {
                break;
            }
        }
        self.tell_what_is_due(now);
        self.hand_over();
    }

    /// Where something comes in nearly every round, a read costs less than to be told that it is worth it. What stays empty
    /// goes back to epoll.
    fn receive_from_busy(&mut self) {
        let mut next = 0;
        while let Some(token) = self.busy.get(next).copied() {
            let fetched = self.receive(token, SOCKET_TURN);
            let is_over = self.socket(token).is_none_or(|socket| socket.is_quiet(fetched));
            if is_over && self.arm(token).is_ok() {
                self.busy.swap_remove(next);
            } else {
                next += 1;
            }
        }
    }

    fn socket(&mut self, token: Token) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(token.slot())?.as_mut()?;
        Some(if token.is_rtcp() { &mut slot.rtcp } else { &mut slot.rtp })
    }

    fn hand_over(&mut self) {
        self.slabs.hand_over_all();
        self.tell_news();
    }

    fn tell_news(&mut self) {
        while let Some(reports) = self.reports.take() {
            (self.tell)(News::Reports(reports));
        }
    }

    /// All that arrived for the session is handed over, and what was found in it is told.
    fn tell_flushed(&mut self, session: SessionId) {
        self.slabs.announce();
        self.tell_news();
        (self.tell)(News::Flushed { session });
    }

    /// Fetches what is in a socket, `limit` datagrams or a few more; how many they were.
    fn receive(&mut self, token: Token, limit: usize) -> usize {
        let Self { slots, receiver, slabs, stamps, dtls, taps, .. } = self;
        let Some(Some(slot)) = slots.get_mut(token.slot()) else { return 0 };
        let Slot { port, place, rtp, rtcp, is_changed, .. } = slot;
        let socket = if token.is_rtcp() { rtcp } else { rtp };
        let mut fetched = 0;
        let mut is_empty = false;
        while !is_empty && fetched < limit {
            let mut each = |datagram: Datagram<'_>| {
                if port.settings().dtls && is_dtls(datagram.bytes) {
                    pass_on(dtls.as_ref(), port, slabs.session(*place), token.is_rtcp(), &datagram);
                    return;
                }
                let at = stamps.arrival(datagram.stamp);
                keep(port, slabs, taps, *place, token.is_rtcp(), at, &datagram);
            };
            let outcome = receiver.batch(&socket.socket, socket.is_ipv4, &mut each);
            // An error of the network counts as one, so that a flood of them ends the turn as well.
            fetched += outcome.datagrams.max(usize::from(!outcome.empty));
            is_empty = outcome.empty;
        }
        if fetched > 0 {
            *is_changed = true;
            let place = *place;
            self.tell_events(token.slot(), place);
            self.hurry(token.slot());
        }
        fetched
    }

    /// A whole picture that is needed is asked for in this round.
    fn hurry(&mut self, index: usize) {
        let Some(Some(slot)) = self.slots.get(index) else { return };
        if !slot.port.wants_picture() {
            return;
        }
        let now = self.clock.now();
        if slot.port.picture_due(now.wall) {
            self.set_report(index, now.monotonic);
        }
    }

    /// What the port found in what it was given, sealed packets among it.
    fn tell_events(&mut self, slot: usize, place: Place) {
        let Some(Some(slot)) = self.slots.get_mut(slot) else { return };
        keep_unsealed(slot, &mut self.slabs, &mut self.taps, &mut self.sealed);
        let Slot { port, .. } = slot;
        while let Some(event) = port.poll_event() {
            let Some(session) = self.slabs.session(place) else { return };
            self.reports.push(session, Some(event), port);
        }
    }

    /// RTCP and figures, each stream's at its own time: no round has the work of all.
    fn tell_what_is_due(&mut self, now: Now) {
        for index in 0..self.due.len() {
            let Some(due) = self.due.get(index).copied() else { return };
            if due.report <= now.monotonic {
                self.send_report(index, now);
            }
            if due.figures <= now.monotonic {
                self.tell_figures(index, now.monotonic);
            }
        }
    }

    fn send_report(&mut self, index: usize, now: Now) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        self.rtcp.clear();
        if let Some(to) = slot.port.report(now, &mut self.rtcp) {
            send_report(slot, &mut self.slabs, now.wall, to, &self.rtcp, &mut self.protected);
        }
        keep_alive(slot, now);
        let next = slot.port.next_report();
        self.set_report(index, next);
    }

    fn tell_figures(&mut self, index: usize, now: Monotonic) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        if !self.reports.has_spare(&slot.port) {
            return;
        }
        if let Some(due) = self.due.get_mut(index) {
            // Behind time, the seconds that were missed are not made up for.
            due.figures = due.figures.after(FIGURES).max(now);
        }
        // A second without a packet is told too; one of a stream that is paused tells nothing.
        if !std::mem::take(&mut slot.is_changed) && slot.port.settings().stream.paused.is_some() {
            return;
        }
        note_drops(slot);
        if let Some(session) = self.slabs.session(slot.place) {
            self.reports.push(session, None, &slot.port);
        }
        // A collision of SSRCs makes a report due earlier.
        let next = slot.port.next_report();
        self.set_report(index, next);
    }

    fn set_report(&mut self, index: usize, at: Monotonic) {
        if let Some(due) = self.due.get_mut(index) {
            due.report = at;
        }
    }

    fn carry_out_orders(&mut self) {
        for _ in 0..ORDERS {
            match self.orders.try_recv() {
                Ok(order) => self.carry_out(order),
                Err(mpsc::TryRecvError::Empty) => return,
                Err(mpsc::TryRecvError::Disconnected) => return self.stop(),
            }
        }
        // More of them wait: no sleep before the next.
        let _ = self.wake.write(1);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Add { session, settings, pair } => self.add(session, *settings, pair),
            Order::Update { session, settings } => {
                if let Some(index) = self.find(session, settings.stream.port) {
                    self.drain(index);
                    let now = self.clock.now();
                    if let Some(Some(slot)) = self.slots.get_mut(index) {
                        self.taps.stream(session, &settings.stream);
                        slot.port.update(*settings, now);
                        let (place, next) = (slot.place, slot.port.next_report());
                        self.set_report(index, next);
                        self.tell_events(index, place);
                    }
                }
            }
            Order::Reserve { session, port, reserved } => {
                if let Some(index) = self.find(session, port)
                    && let Some(Some(slot)) = self.slots.get_mut(index)
                {
                    slot.port.reserve(reserved);
                }
            }
            Order::Close { session, port } => {
                if let Some(index) = self.find(session, port) {
                    self.take_leave(index);
                    self.close(index);
                }
            }
            Order::CloseSession { session } => {
                for index in self.of_session(session) {
                    self.take_leave(index);
                    self.close(index);
                }
                self.taps.forget(session);
                self.tell_flushed(session);
            }
            Order::Flush { session } => {
                for index in self.of_session(session) {
                    self.drain(index);
                    let place = self.slots.get(index).and_then(|slot| slot.as_ref().map(|slot| slot.place));
                    place.into_iter().for_each(|place| self.slabs.hand_over(place));
                }
                self.tell_flushed(session);
            }
            Order::Listen { session, wire } => self.listen(session, wire),
            Order::GiveBack(reports) => self.reports.give_back(reports),
            Order::Protect(dtls) => self.dtls = Some(dtls),
            Order::Send { from, to, datagram } => self.send_handshake(from, to, &datagram),
            Order::FlushAll(_done) => {
                (0..self.slots.len()).for_each(|index| self.drain(index));
                self.hand_over();
            }
            Order::Stop => self.stop(),
        }
    }

    /// Whoever listens to a session that is not there has nothing to wait for.
    fn listen(&mut self, session: SessionId, wire: Wire) {
        let streams = self.of_session(session);
        if streams.is_empty() {
            return;
        }
        self.taps.add(session, wire);
        for slot in streams.into_iter().filter_map(|index| self.slots.get(index)?.as_ref()) {
            self.taps.stream(session, &slot.port.settings().stream);
        }
    }

    /// A datagram of a handshake leaves from the socket at which the peer shakes hands.
    fn send_handshake(&self, from: Component, to: SocketAddr, datagram: &[u8]) {
        let slot = self.find(from.session, from.port).and_then(|index| self.slots.get(index)?.as_ref());
        let Some(slot) = slot else { return };
        if let Err(error) = slot.socket(from.is_rtcp).socket.send_to(datagram, to) {
            tracing::debug!(%to, %error, "a datagram of DTLS was not sent");
        }
    }

    fn stop(&mut self) {
        (0..self.slots.len()).for_each(|index| self.close(index));
        self.hand_over();
        self.is_over = true;
    }

    fn add(&mut self, session: SessionId, settings: PortSettings, pair: BoundPair) {
        let (rtp_port, port_index) = (pair.rtp_port(), settings.stream.port);
        let now = self.clock.now();
        self.taps.stream(session, &settings.stream);
        let index = self.free.pop().unwrap_or(self.slots.len());
        let (rtp, rtcp) = pair.into_sockets();
        if let Err(error) = self.watch(index, &rtp, &rtcp) {
            self.free.push(index);
            (self.tell)(News::Failed { session, port: port_index, rtp_port, why: error.to_string() });
            return;
        }
        let port = Port::new(settings, now);
        let due = Due { report: port.next_report(), figures: now.monotonic.after(FIGURES) };
        self.reports.port_begins(session, &port);
        self.busy.reserve(2 * (self.slots.len() + 1));
        let place = self.slabs.join(session);
        let slot = Slot {
            port,
            place,
            rtp_port,
            rtp: Socket::new(rtp, PATIENCE),
            rtcp: Socket::new(rtcp, 0),
            is_changed: false,
        };
        match (self.slots.get_mut(index), self.due.get_mut(index)) {
            (Some(free), Some(at)) => (*free, *at) = (Some(slot), due),
            (_, _) => {
                self.slots.push(Some(slot));
                self.due.push(due);
            }
        }
    }

    /// Told once, what is in a socket already too; then nothing is told of it, at no cost, until it is armed again.
    fn watch(&self, index: usize, rtp: &UdpSocket, rtcp: &UdpSocket) -> Result<(), Errno> {
        self.epoll.add(rtp, Token::new(index, false).event())?;
        self.epoll.add(rtcp, Token::new(index, true).event())
    }

    fn arm(&self, token: Token) -> Result<(), Errno> {
        let Some(Some(slot)) = self.slots.get(token.slot()) else { return Ok(()) };
        self.epoll.modify(&slot.socket(token.is_rtcp()).socket, &mut token.event())
    }

    /// Fetches all that has arrived on a port.
    fn drain(&mut self, index: usize) {
        self.receive(Token::new(index, false), DRAIN);
        self.receive(Token::new(index, true), DRAIN);
    }

    /// The stream is over: who heard our reports is told. (Not at a stop, after which it goes on.)
    fn take_leave(&mut self, index: usize) {
        self.drain(index);
        let now = self.clock.now();
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        self.rtcp.clear();
        if let Some(to) = slot.port.farewell(now, &mut self.rtcp) {
            send_report(slot, &mut self.slabs, now.wall, to, &self.rtcp, &mut self.protected);
        }
    }

    fn close(&mut self, index: usize) {
        self.drain(index);
        let Some(mut slot) = self.slots.get_mut(index).and_then(Option::take) else { return };
        note_drops(&mut slot);
        if let Some(due) = self.due.get_mut(index) {
            *due = Due::NEVER;
        }
        self.reports.port_ends();
        self.busy.retain(|token| token.slot() != index);
        self.free.push(index);
        let session = self.slabs.session(slot.place);
        let statistics = slot.port.statistics();
        self.slabs.leave(slot.place);
        let rtp_port = slot.rtp_port;
        // Closing takes the sockets out of epoll, and makes the pair free to be bound again.
        drop(slot);
        // What was told of this port before must arrive before its end.
        self.slabs.announce();
        self.tell_news();
        if let Some(session) = session {
            let report = Box::new(MediaReport { session, event: None, statistics });
            (self.tell)(News::Closed { report, rtp_port });
        }
    }

    fn find(&self, session: SessionId, port: PortIndex) -> Option<usize> {
        self.of_session(session).into_iter().find(|&index| {
            self.slots.get(index).and_then(Option::as_ref).is_some_and(|s| s.port.settings().stream.port == port)
        })
    }

    fn of_session(&self, session: SessionId) -> Vec<usize> {
        let is_of = |slot: &Option<Slot>| slot.as_ref().is_some_and(|s| self.slabs.session(s.place) == Some(session));
        self.slots.iter().enumerate().filter(|(_, slot)| is_of(slot)).map(|(index, _)| index).collect()
    }
}
