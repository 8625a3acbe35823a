//! One recording session: a SIPREC dialog with an SRC, its streams and its journal.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::journalling::{self, keep};
use super::offer::Pending;
use super::own_address;
use super::watch::{self, Watch};
use super::{Checkpoint, Outbox, Output, Policy, Tell};
use crate::entry::{Alarm, EndCause, Event, PortIndex};
use crate::media::{MediaReport, PortEvent};
use crate::metadata;
use crate::seed::{Random, SessionId};
use crate::sip::message::Message;
use crate::sip::transaction::{ClientKey, ServerKey, Transactions};
use crate::sip::{Flow, Method, Transport, Uri};
use crate::time::{Now, Wall};

/// What a session's methods may use of the server.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) policy: &'a Policy,
    pub(super) transactions: &'a mut Transactions,
    pub(super) requests: &'a mut BTreeMap<ClientKey, (SessionId, Purpose)>,
    pub(super) out: &'a mut Outbox,
}

impl Context<'_> {
    pub(super) fn respond(&mut self, key: &ServerKey, response: Message) {
        self.transactions.respond(self.now.monotonic, key, response);
    }
}

/// Why we sent a request of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Is the SRC still there?
    Probe,
    /// Our ports changed (after a restart).
    Reinvite,
    /// The session is over; nobody waits for the answer.
    Bye,
}

/// A dialog with an SRC.
pub(super) struct RecordingSession {
    pub(super) state: Checkpoint,
    pub(super) random: Random,
    /// An INVITE or UPDATE that waits for ports.
    pub(super) pending: Option<Pending>,
    pub(super) watch: Watch,
    /// Ports of before the restart are being bound.
    restoring: Option<Restoring>,
}

struct Restoring {
    gap_from: Wall,
    rebooted: bool,
    /// Ports that come back under another number, if at all: the SRC must be told.
    moved: BTreeSet<PortIndex>,
}

impl RecordingSession {
    /// A session whose first INVITE is being answered.
    pub(super) fn new(state: Checkpoint) -> Self {
        let random = Random::new(state.header.seed);
        Self { state, random, pending: None, watch: Watch::default(), restoring: None }
    }

    /// A session of before a restart. Its ports are asked for by number.
    pub(super) fn restore(state: Checkpoint, gap_from: Wall, rebooted: bool, ctx: &mut Context<'_>) -> Self {
        let mut session = Self::new(state);
        session.restoring = Some(Restoring { gap_from, rebooted, moved: BTreeSet::new() });
        let id = session.id();
        session.state.streams.reopen(id, ctx.now.wall, ctx.out);
        if session.state.streams.is_ready() {
            session.finish_restore(ctx);
        }
        session
    }

    pub(super) fn id(&self) -> SessionId {
        self.state.session()
    }

    /// Whether the journal has begun: the first INVITE was answered.
    pub(super) fn has_begun(&self) -> bool {
        self.state.answered.is_some() && self.restoring.is_none()
    }

    /// Keeps a message that came or went, once there is a journal.
    pub(super) fn keep_message(&self, at: Wall, flow: &Flow, outbound: bool, bytes: &[u8], out: &mut Outbox) {
        if self.has_begun() {
            journalling::keep_message(self.id(), at, flow, outbound, bytes, out);
        }
    }

    /// A port was bound.
    pub(super) fn port_opened(&mut self, port: PortIndex, rtp: SocketAddr, rtcp: SocketAddr, ctx: &mut Context<'_>) {
        self.state.streams.opened(port, rtp, rtcp);
        self.go_on_when_ready(ctx);
    }

    /// A port is not to be had. After a restart another number will do; otherwise the m-line stays unrecorded.
    pub(super) fn port_refused(&mut self, port: PortIndex, ctx: &mut Context<'_>) {
        let id = self.id();
        let again = self.restoring.as_mut().is_some_and(|restoring| restoring.moved.insert(port));
        if again && self.state.streams.ask_again(id, port, ctx.out) {
            return;
        }
        self.state.streams.refused(port);
        self.go_on_when_ready(ctx);
    }

    fn go_on_when_ready(&mut self, ctx: &mut Context<'_>) {
        if !self.state.streams.is_ready() {
            return;
        }
        if self.restoring.is_some() {
            self.finish_restore(ctx);
        } else if let Some(pending) = self.pending.take() {
            self.answer(pending, ctx);
        }
    }

    fn finish_restore(&mut self, ctx: &mut Context<'_>) {
        let Some(restoring) = self.restoring.take() else { return };
        let (id, now) = (self.id(), ctx.now);
        journalling::begin_segment(&self.state, now, ctx.out);
        let gap = Event::Gap { from: restoring.gap_from, to: now.wall, rebooted: restoring.rebooted };
        keep(id, now.wall, gap, ctx.out);
        self.state.streams.publish(id, now.wall, ctx.out);
        journalling::checkpoint(&self.state, now, ctx.out);
        if !restoring.moved.is_empty() {
            self.send_reinvite(ctx);
        }
    }

    /// Takes over a request's metadata.
    pub(super) fn take_metadata(&mut self, parts: &[(String, Vec<u8>)], ctx: &mut Context<'_>) {
        for (content_type, body) in parts {
            let parsed = metadata::parse(content_type, body);
            let mut deviations = parsed.deviations;
            if let Some(document) = &parsed.document {
                deviations.extend(self.state.snapshot.apply(document, ctx.now.wall));
            }
            let event = Event::Metadata { snapshot: self.state.snapshot.clone(), deviations };
            keep(self.id(), ctx.now.wall, event, ctx.out);
        }
        if self.state.answered.is_some() && !parts.is_empty() {
            let events = self.state.recordings.follow(&self.state.snapshot, ctx.now.wall, &mut self.random);
            self.keep_recordings(events, ctx);
        }
    }

    /// Keeps what became of recordings and says which are whole.
    pub(super) fn keep_recordings(&mut self, events: Vec<Event>, ctx: &mut Context<'_>) {
        let session = self.id();
        for event in events {
            let ended = if let Event::RecordingEnded { recording, .. } = &event { Some(*recording) } else { None };
            keep(session, ctx.now.wall, event, ctx.out);
            if let Some(recording) = ended {
                ctx.out.push_back(Output::RecordingEnded { session, recording });
            }
        }
    }

    /// A media worker's word on a port.
    pub(super) fn media(&mut self, report: &MediaReport, ctx: &mut Context<'_>) {
        let (id, port) = (self.id(), report.statistics.port);
        if let Some(PortEvent::Source { ssrc, from, change, at }) = report.event {
            keep(id, at, Event::Source { port, ssrc, from, change }, ctx.out);
        }
        let Some(last) = report.statistics.last_at else { return };
        if watch::heard(&mut self.state.streams, port, last) {
            self.alarm(Alarm::NoRtp, Some(port), false, ctx);
        }
        if let Some(event) = self.state.recordings.heard(last, &mut self.random) {
            keep(id, last, event, ctx.out);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
    }

    /// Packets reached us and could not be kept.
    pub(super) fn dropped(&mut self, packets: u64, cause: String, ctx: &mut Context<'_>) {
        keep(self.id(), ctx.now.wall, Event::Dropped { packets, cause }, ctx.out);
    }

    /// Pauses or resumes by order.
    pub(super) fn pause(&mut self, paused: bool, ctx: &mut Context<'_>) {
        if self.state.streams.paused_by_operator != paused && self.has_begun() {
            self.state.streams.pause(paused, ctx.now.wall);
            self.state.streams.publish(self.id(), ctx.now.wall, ctx.out);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
    }

    /// Looks at the media; asks the SRC whether it is there if nothing comes.
    pub(super) fn look(&mut self, ctx: &mut Context<'_>) {
        for port in watch::silences(&mut self.state.streams, ctx.now.wall, ctx.policy.rtp_timeout) {
            self.alarm(Alarm::NoRtp, Some(port), true, ctx);
        }
        if ctx.policy.probes && self.watch.should_probe(&self.state.streams, ctx.now, ctx.policy.rtp_timeout) {
            self.watch.probe_sent();
            let request = self.state.dialog.request(Method::Options);
            self.send(request, Purpose::Probe, ctx);
        }
    }

    /// What the SRC said to a probe (408 where it said nothing): an end cause if it is gone.
    pub(super) fn probe_answered(&mut self, status: u16, ctx: &mut Context<'_>) -> Option<EndCause> {
        self.watch.is_alive(ctx.now);
        let gone = match status {
            481 => EndCause::DialogUnknown,
            408 => EndCause::SrcGone,
            _ => return None,
        };
        if watch::is_silent(&self.state.streams, ctx.now.wall, ctx.policy.rtp_timeout) {
            return Some(gone);
        }
        self.alarm(Alarm::DialogLost, None, true, ctx);
        None
    }

    /// Tells and keeps an alarm.
    pub(super) fn alarm(&mut self, alarm: Alarm, port: Option<PortIndex>, raised: bool, ctx: &mut Context<'_>) {
        let session = self.id();
        ctx.out.push_back(Output::Tell(Tell::Alarm { session, alarm, port, raised }));
        keep(session, ctx.now.wall, Event::Alarm { alarm, port, raised }, ctx.out);
    }

    /// Sends a request of ours within the dialog.
    pub(super) fn send(&mut self, request: Message, purpose: Purpose, ctx: &mut Context<'_>) {
        let flow = self.outgoing_flow();
        let branch = alloc::format!("z9hG4bK{}", self.random.token());
        let sent_by = own_address::sent_by(&flow, ctx.policy);
        let key = ctx.transactions.request(ctx.now.monotonic, &flow, request, branch, &sent_by);
        ctx.requests.insert(key, (self.id(), purpose));
    }

    /// Where a request of ours goes: the dialog's next hop where that is an address, else where requests come from.
    pub(super) fn outgoing_flow(&self) -> Flow {
        let mut flow = self.state.flow.clone();
        // A `sip` URI without a port, of a dialog that came over TLS: it stays there.
        let with_port = |hop: Uri| Uri {
            port: hop.port.or((flow.transport == Transport::Tls).then(|| flow.transport.default_port())),
            ..hop
        };
        if let Some(remote) = self.state.dialog.next_hop().and_then(|hop| with_port(hop).socket_addr())
            && remote.is_ipv4() == flow.local.is_ipv4()
            && flow.connection.is_none()
        {
            flow.remote = remote;
        }
        flow
    }

    /// The session is over: everything that is open is closed, in the journal too.
    pub(super) fn end(&mut self, cause: EndCause, ctx: &mut Context<'_>) {
        let (session, now) = (self.id(), ctx.now);
        self.state.streams.close_all(session, ctx.out);
        if !self.has_begun() {
            ctx.out.push_back(Output::SessionEnded { session, cause });
            return;
        }
        let events = self.state.recordings.end_all(cause);
        self.keep_recordings(events, ctx);
        self.state.ended = Some(cause);
        keep(session, now.wall, Event::Ended { cause }, ctx.out);
        journalling::checkpoint(&self.state, now, ctx.out);
        ctx.out.push_back(Output::Tell(Tell::SessionEnded { session, cause }));
        ctx.out.push_back(Output::SessionEnded { session, cause });
    }
}
