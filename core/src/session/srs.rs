//! The router: from bytes to the session that they are for, from deadlines to the session that they wake.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::admission::Admission;
use super::connections::Connection;
use super::crowd::Crowd;
use super::joined::Joined;
use super::limits::{CHECKPOINT_INTERVAL, SEGMENT_LENGTH};
use super::recording_session::{Context, Purpose, RecordingSession};
use super::watch::Watch;
use super::{Checkpoint, Deadline, Input, Outbox, Output, Policy, Tell, journalling};
use crate::entry::{self, EndCause};
use crate::long_key::LongKey;
use crate::node_key::NodeKey;
use crate::seed::{Random, Seed, SessionId};
use crate::sip::digest::Nonces;
use crate::sip::lines::lines;
use crate::sip::message::Message;
use crate::sip::transaction::{ClientKey, Event, ServerKey, TimerValues, Transactions};
use crate::sip::{ConnectionId, Flow, Method, Transport};
use crate::time::{Now, TimerTable, Wall};

/// How long an ended dialog is remembered: a BYE that is retransmitted over a restart is answered 200.
const ENDED_IS_REMEMBERED: Duration = Duration::from_secs(64);

/// Set the generators of keys apart from the one that sessions' seeds are drawn from: those stand in journals.
const SECRETS: u8 = 0x36;
const UNKEPT: u8 = 0x5c;

/// The session recording server, without IO. See the module for the contract of its calls.
pub struct Srs {
    pub(super) policy: Policy,
    pub(super) random: Random,
    pub(super) transactions: Transactions,
    /// Boxed: a tree moves what it holds.
    pub(super) sessions: BTreeMap<SessionId, Box<RecordingSession>>,
    pub(super) by_call: BTreeMap<LongKey, Vec<SessionId>>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) requests: BTreeMap<ClientKey, (SessionId, Purpose)>,
    pub(super) recently_ended: BTreeMap<String, String>,
    pub(super) joined: Joined,
    pub(super) crowd: Crowd,
    pub(super) timers: TimerTable<Timer>,
    pub(super) out: Outbox,
    /// Replay: the seed of the next session, as its journal tells it.
    pub(super) next_seed: Option<Seed>,
    pub(super) draining: bool,
    /// New sessions are answered `inactive`.
    pub(super) holds_off: bool,
    pub(super) pressure: Option<&'static str>,
    pub(super) admission: Admission,
    pub(super) nonces: Nonces,
    secrets: Random,
    node_key: NodeKey,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The session's state is written.
    Checkpoint(SessionId),
    /// The session's journal goes on in a new segment.
    Segment(SessionId),
    /// The session's media is looked at.
    Watch(SessionId),
    /// The session is to be refreshed, or is over; something is to be sent again.
    Due(SessionId),
    /// Strangers' streams are looked at.
    Streams,
    /// An ended dialog is forgotten.
    Forget(String),
}

impl Timer {
    fn reason(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "checkpoint",
            Self::Segment(_) => "segment",
            Self::Watch(_) => "media watch",
            Self::Due(_) => "session",
            Self::Streams => "streams",
            Self::Forget(_) => "ended dialog",
        }
    }
}

impl Srs {
    /// A server without sessions.
    pub fn new(policy: Policy, seed: Seed) -> Self {
        let mut transactions = Transactions::new(TimerValues::default());
        transactions.try_tcp();
        Self {
            policy,
            random: Random::new(seed),
            transactions,
            sessions: BTreeMap::new(),
            by_call: BTreeMap::new(),
            connections: BTreeMap::new(),
            requests: BTreeMap::new(),
            recently_ended: BTreeMap::new(),
            joined: Joined::default(),
            crowd: Crowd::default(),
            timers: TimerTable::default(),
            out: VecDeque::new(),
            next_seed: None,
            draining: false,
            holds_off: false,
            pressure: None,
            admission: Admission::default(),
            nonces: Nonces::new(seed),
            secrets: Random::new(Seed(seed.0.map(|byte| byte ^ SECRETS))),
            // One that nobody keeps: what it wraps is lost with this server.
            node_key: NodeKey::new(&seed.0.map(|byte| byte ^ UNKEPT)),
        }
    }

    /// Keys are written down wrapped by `key` from now on, and those of before are opened with it.
    pub fn keep_keys_with(&mut self, key: NodeKey) {
        self.node_key = key;
    }

    /// Takes another configuration; running sessions keep what they have negotiated.
    pub fn reconfigure(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Dialogs that are known: sessions, and the second one of some.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Replay: the next session (new or restored) draws from `seed`, so that it makes the ids that it made.
    pub fn seed_next_session(&mut self, seed: Seed) {
        self.next_seed = Some(seed);
    }

    /// Replay: gives a session the tag that another server gave it.
    pub fn adopt_tag(&mut self, session: SessionId, tag: &str) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.state.dialog.local_tag = tag.to_string();
        }
    }

    /// Ids of the sessions that are known.
    pub fn session_ids(&self) -> Vec<SessionId> {
        self.ids().into_iter().collect()
    }

    /// Replay: drops a session without a word, as a crash does. [`Srs::restore`] brings it back.
    pub fn forget(&mut self, session: SessionId) {
        self.dialogs_of(session).into_iter().for_each(|dialog| self.remove(dialog));
    }

    /// Whether a session of this id is known.
    pub fn knows(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&self.first_of(session))
    }

    /// Goes on with a session of before a restart, in segment number `segment` of its journal. `last_entry` is when the
    /// last entry before was made, `rebooted` whether the machine itself was started anew. Asks for its ports.
    pub fn restore(&mut self, now: Now, checkpoint: Checkpoint, segment: u32, last_entry: Wall, rebooted: bool) {
        let call_id = checkpoint.dialog.call_id.clone();
        for ended in &checkpoint.ended_beside {
            self.remember_ended(now, ended.call_id.clone(), ended.local_tag.clone());
        }
        if checkpoint.ended.is_some() {
            self.remember_ended(now, call_id, checkpoint.dialog.local_tag.clone());
            return;
        }
        let id = checkpoint.session();
        let seed = self.draw_seed();
        let mut state = checkpoint;
        // The streams of before are gone, and their numbers will be others'.
        state.flow.connection = None;
        state.header = journalling::header(&self.policy, id, segment, seed, now);
        let joined = state.joined.clone();
        let (_, mut ctx) = self.parts(now);
        let session = RecordingSession::restore(state, last_entry, rebooted, &mut ctx);
        self.add(now, call_id, session);
        self.restore_joined(now, id, joined);
    }

    /// Takes something in. Drain [`Srs::poll_output`] afterwards.
    pub fn handle_input(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Datagram { local, remote, bytes } => {
                let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
                self.datagram(now, &flow, bytes);
            }
            Input::ConnectionOpened { id, transport, local, remote, certificate, accepted } => {
                let flow = Flow { transport, local, remote, connection: Some(id) };
                self.connection_opened(now, flow, certificate, accepted);
            }
            Input::Bytes { connection, bytes } => self.stream_bytes(now, connection, bytes),
            Input::ConnectionClosed { id } => self.connection_closed(now, id),
            Input::NoStream { remote } => self.transactions.no_stream_to(now.monotonic, remote),
            Input::PortOpened { session, port, rtp, rtcp } => {
                let dialog = self.dialog_with(session, port);
                self.with_session(now, dialog, |s, ctx| s.port_opened(port, rtp, rtcp, ctx));
                self.go_on_beside(now, session);
            }
            Input::PortRefused { session, port, why } => {
                let reason = alloc::format!("port {}: {why}", port.0);
                let dialog = self.dialog_with(session, port);
                let remote = self.sessions.get(&dialog).map(|s| s.state.src());
                self.with_session(now, dialog, |s, ctx| s.port_refused(port, ctx));
                self.go_on_beside(now, session);
                if let Some(remote) = remote {
                    self.out.push_back(Output::Tell(Tell::Refused { remote, status: 503, reason }));
                }
            }
            Input::Media(report) => {
                let dialog = self.dialog_with(report.session, report.statistics.port);
                self.with_session(now, dialog, |s, ctx| s.media(report, ctx));
            }
            Input::Secured(done) => {
                self.with_session(now, done.session, |s, ctx| s.secured(done, ctx));
            }
            Input::NotSecured { session, port, peer, why } => {
                self.with_session(now, session, |s, ctx| s.not_secured(port, peer, why, ctx));
            }
            Input::Dropped { session, port, packets, cause } => {
                self.with_session(now, self.first_of(session), |s, ctx| s.dropped(port, packets, cause, ctx));
            }
            Input::DroppedByDisk { session, packets } => {
                self.with_session(now, self.first_of(session), |s, ctx| s.dropped_by_disk(packets, ctx));
            }
            Input::ClockStep { by_ns } => self.keep_in_all(now, &entry::Event::ClockStep { by_ns }),
            Input::DiskStalled { took_ms } => self.keep_in_all(now, &entry::Event::DiskStalled { took_ms }),
            Input::Order(order) => self.order(now, &order),
            Input::Pressure(reason) => self.pressure = reason,
            Input::Timeout => self.timeout(now),
        }
        self.drain_transactions(now);
    }

    /// Something befell the machine: every session's journal tells it.
    fn keep_in_all(&mut self, now: Now, event: &entry::Event) {
        let begun: BTreeSet<SessionId> =
            self.sessions.values().filter(|session| session.has_begun()).map(|session| session.id()).collect();
        for session in begun {
            journalling::keep(session, now.wall, event.clone(), &mut self.out);
        }
    }

    /// The next thing to do. Call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call with [`Input::Timeout`] at the latest, and why.
    pub fn next_timeout(&self) -> Option<Deadline> {
        let own = self.timers.next().map(|(at, timer)| (at, timer.reason()));
        let sip = self.transactions.next_timeout().map(|at| (at, "transaction"));
        [own, sip].into_iter().flatten().min()
    }

    /// The sessions, and what their methods may use of the server.
    pub(super) fn parts(&mut self, now: Now) -> (&mut BTreeMap<SessionId, Box<RecordingSession>>, Context<'_>) {
        let Self { policy, transactions, sessions, requests, out, secrets, node_key, .. } = self;
        (sessions, Context { now, policy, transactions, requests, secrets, node_key, out })
    }

    /// Runs `f` on a session, then sees to what it left behind: an end that it found, its timers.
    pub(super) fn with_session<R>(
        &mut self,
        now: Now,
        id: SessionId,
        f: impl FnOnce(&mut RecordingSession, &mut Context<'_>) -> R,
    ) -> Option<R> {
        self.lend(id);
        let (sessions, mut ctx) = self.parts(now);
        let session = sessions.get_mut(&id)?;
        let result = f(session, &mut ctx);
        if let Some(cause) = session.state.ended
            && !self.leave(now, id, cause)
        {
            // It never came to life: its INVITE was refused.
            let (sessions, mut ctx) = self.parts(now);
            sessions.get_mut(&id)?.end(cause, &mut ctx);
            self.remove(id);
        }
        self.share(id);
        self.arm(now, id);
        Some(result)
    }

    /// Sets the session's own deadline.
    fn arm(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let deadline = session.deadline(self.policy.probes);
        if core::mem::replace(&mut session.armed, deadline) == deadline {
            return;
        }
        match deadline {
            Some(at) => {
                let wait = u64::try_from(at.nanos_since(now.wall)).unwrap_or(0);
                self.timers.set(Timer::Due(id), now.monotonic.after(Duration::from_nanos(wait)));
            }
            None => self.timers.cancel(&Timer::Due(id)),
        }
    }

    /// Ends a session; what is still to be sent for it is journalled first.
    pub(super) fn end(&mut self, now: Now, id: SessionId, cause: EndCause, bye: bool) {
        if bye && self.with_session(now, id, |session, ctx| session.cancel_call(ctx)) == Some(true) {
            return;
        }
        if bye && self.sessions.get(&id).is_some_and(|session| session.has_begun()) {
            self.with_session(now, id, |session, ctx| {
                let request = session.state.dialog.request(Method::Bye);
                session.send(request, Purpose::Bye, ctx);
            });
        }
        self.drain_transactions(now);
        let Some(session) = self.sessions.get(&id) else { return };
        let (call_id, tag) = (session.state.dialog.call_id.clone(), session.state.dialog.local_tag.clone());
        if !self.leave(now, id, cause) {
            let (sessions, mut ctx) = self.parts(now);
            if let Some(session) = sessions.get_mut(&id) {
                session.end(cause, &mut ctx);
            }
            self.remove(id);
        }
        self.remember_ended(now, call_id, tag);
    }

    pub(super) fn add(&mut self, now: Now, call_id: String, session: RecordingSession) {
        let id = session.key;
        self.by_call.entry(call_id.into()).or_default().push(id);
        if !session.is_joined() {
            self.timers.set(Timer::Checkpoint(id), now.monotonic.after(CHECKPOINT_INTERVAL));
            self.timers.set(Timer::Segment(id), now.monotonic.after(SEGMENT_LENGTH));
        }
        self.sessions.insert(id, Box::new(session));
        self.note_bridge(id);
        self.timers.set(Timer::Watch(id), Watch::next_look(now, self.policy.rtp_timeout));
        self.arm(now, id);
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        let call_id = LongKey::of(&session.state.dialog.call_id);
        if let Some(ids) = self.by_call.get_mut(&call_id) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_call.remove(&call_id);
            }
        }
        let of_dialog = [Timer::Watch(id), Timer::Due(id)];
        let of_session = [Timer::Checkpoint(session.id()), Timer::Segment(session.id())];
        let over = self.unjoin(&session).then_some(of_session);
        of_dialog.iter().chain(over.iter().flatten()).for_each(|timer| self.timers.cancel(timer));
    }

    pub(super) fn remember_ended(&mut self, now: Now, call_id: String, local_tag: String) {
        self.timers.set(Timer::Forget(call_id.clone()), now.monotonic.after(ENDED_IS_REMEMBERED));
        self.recently_ended.insert(call_id, local_tag);
    }

    /// The session that a request within a dialog is for.
    pub(super) fn session_of(&self, request: &Message) -> Option<SessionId> {
        let ids = self.by_call.get(&LongKey::of(request.call_id()?))?;
        let exact = ids.iter().find(|id| self.sessions.get(id).is_some_and(|s| s.state.dialog.matches(request)));
        exact
            .or_else(|| {
                // A request without To tag, as some SRCs send BYE; and, replaying, one with another server's tag.
                let lenient = self.policy.adopt_foreign_tags || request.to_tag().is_none();
                let known = |id: &&SessionId| {
                    self.sessions.get(id).is_some_and(|s| request.from_tag() == s.state.dialog.remote_tag.as_deref())
                };
                ids.iter().filter(|_| lenient).find(known)
            })
            .copied()
    }

    pub(super) fn sessions_of_call(&self, call_id: &str) -> &[SessionId] {
        self.by_call.get(&LongKey::of(call_id)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn checkpoint(&mut self, now: Now, session: SessionId) {
        self.with_session(now, self.first_of(session), |session, ctx| {
            if session.has_begun() {
                journalling::checkpoint(&session.state, ctx.now, ctx.out);
            }
        });
    }

    fn timeout(&mut self, now: Now) {
        self.transactions.handle_timeout(now.monotonic);
        while let Some(timer) = self.timers.pop_due(now.monotonic) {
            match timer {
                Timer::Checkpoint(id) => {
                    self.timers.set(Timer::Checkpoint(id), now.monotonic.after(CHECKPOINT_INTERVAL));
                    self.checkpoint(now, id);
                }
                Timer::Segment(id) => {
                    self.timers.set(Timer::Segment(id), now.monotonic.after(SEGMENT_LENGTH));
                    self.with_session(now, self.first_of(id), |session, ctx| {
                        if session.has_begun() {
                            journalling::next_segment(&mut session.state, ctx.policy, ctx.now, ctx.out);
                        }
                    });
                }
                Timer::Watch(id) => {
                    self.timers.set(Timer::Watch(id), Watch::next_look(now, self.policy.rtp_timeout));
                    self.with_session(now, id, |s, ctx| {
                        if s.has_begun() {
                            s.look(ctx)
                        }
                    });
                }
                Timer::Due(id) => {
                    if let Some(cause) = self.with_session(now, id, |session, ctx| session.due(ctx)).flatten() {
                        self.end(now, id, cause, true);
                    }
                }
                Timer::Streams => self.look_at_streams(now),
                Timer::Forget(call_id) => {
                    self.recently_ended.remove(&call_id);
                }
            }
        }
    }

    /// What the transactions want sent, and what became of them.
    pub(super) fn drain_transactions(&mut self, now: Now) {
        loop {
            while let Some((flow, bytes)) = self.transactions.poll_send() {
                let after_keep = self.keep_sent(now.wall, &flow, &bytes);
                self.out.push_back(Output::Send { flow, bytes, after_keep });
            }
            let Some(event) = self.transactions.poll_event() else { return };
            match event {
                Event::NoAck { call_id, .. } => {
                    for id in self.sessions_of_call(&call_id).to_vec() {
                        if let Some(cause) = self.with_session(now, id, |session, ctx| session.no_ack(ctx)).flatten() {
                            self.end(now, id, cause, true);
                        }
                    }
                }
                Event::TimedOut { key } => self.answered(now, &key, None, None),
            }
        }
    }

    fn keep_sent(&mut self, at: Wall, flow: &Flow, bytes: &[u8]) -> bool {
        let Some(call_id) = call_id_of(bytes) else { return false };
        let mut is_ours = false;
        for id in self.by_call.get(&LongKey::of(call_id)).into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(id) {
                is_ours = true;
                session.keep_message(at, flow, true, bytes, &mut self.out);
            }
        }
        is_ours
    }

    /// A request of ours was answered; `None`: it was not.
    pub(super) fn answered(&mut self, now: Now, key: &ClientKey, response: Option<&Message>, flow: Option<&Flow>) {
        let status = response.map_or(408, |response| response.status().unwrap_or(408));
        if status < 200 {
            return;
        }
        let Some((id, purpose)) = self.requests.remove(key).filter(|(id, _)| self.sessions.contains_key(id)) else {
            if let (Some(response), Some(flow)) = (response, flow) {
                self.unwanted_dialog(now, key, response, flow);
            }
            return;
        };
        if purpose == Purpose::Record {
            self.called(now, id, key, response, flow);
            return;
        }
        let gone = self.with_session(now, id, |session, ctx| session.own_answered(purpose, key, status, response, ctx));
        if let Some(cause) = gone.flatten() {
            self.end(now, id, cause, cause != EndCause::DialogUnknown);
        }
    }

    pub(super) fn respond(&mut self, now: Now, key: &ServerKey, response: Message) {
        self.transactions.respond(now.monotonic, key, response);
    }

    /// A seed for a session.
    pub(super) fn draw_seed(&mut self) -> Seed {
        let drawn = self.random.seed();
        self.next_seed.take().unwrap_or(drawn)
    }

    pub(super) fn tell_refused(&mut self, remote: SocketAddr, status: u16, reason: &str) {
        self.out.push_back(Output::Tell(Tell::Refused { remote, status, reason: reason.to_string() }));
    }
}

/// The Call-ID of a message that we wrote: its header field is in the long form, on a line of its own.
fn call_id_of(ours: &[u8]) -> Option<&str> {
    let head = lines(ours).take_while(|line| line.trim_ascii_end() != b"");
    let value = head.into_iter().find_map(|line| line.strip_prefix(b"Call-ID: "))?;
    core::str::from_utf8(value).ok().map(str::trim)
}
