//! One recording session: a SIPREC dialog with an SRC, its streams and its journal.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::calling::Calling;
use super::journalling::{self, keep};
use super::keys::Keyring;
use super::legacy::TRANSLATED;
use super::offer::Pending;
use super::own_address;
use super::own_requests::OwnRequests;
use super::recordings::Known;
use super::swapped;
use super::talk;
use super::watch::{self, Watch};
use super::{Checkpoint, Outbox, Output, Policy, Tell};
use crate::deviation::{Deviations, codes};
use crate::entry::{Alarm, EndCause, Event, PortIndex, SourceChange, SrtpRefusals};
use crate::media::{MediaReport, PortEvent, SrtpStatistics};
use crate::metadata::{self, DataMode, Deviation};
use crate::node_key::NodeKey;
use crate::seed::{Random, Seed, SessionId};
use crate::sip::message::Message;
use crate::sip::transaction::{ClientKey, ServerKey, Transactions};
use crate::sip::{Flow, Method, Transport, Uri};
use crate::time::{Now, Wall};

/// Why packets of a stream are missing that had arrived.
const KERNEL_DROPPED: &str = "the kernel's buffer of the stream was full";
/// Sets the generator of branches apart from the session's other one.
const BRANCHES: u8 = 0x5a;

/// What a session's methods may use of the server.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) policy: &'a Policy,
    pub(super) transactions: &'a mut Transactions,
    pub(super) requests: &'a mut BTreeMap<ClientKey, (SessionId, Purpose)>,
    /// What keys are drawn from, and what they are wrapped with.
    pub(super) secrets: &'a mut Random,
    pub(super) node_key: &'a NodeKey,
    pub(super) out: &'a mut Outbox,
}

impl Context<'_> {
    /// For the keys of a session.
    pub(super) fn keyring(&mut self, session: SessionId) -> Keyring<'_> {
        Keyring { random: self.secrets, node: self.node_key, session }
    }

    pub(super) fn respond(&mut self, key: &ServerKey, response: Message) {
        self.transactions.respond(self.now.monotonic, key, response);
    }
}

/// Why we sent a request of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Is the SRC still there?
    Probe,
    /// An INVITE within the dialog: our ports changed, a pause, a refresh.
    Offer,
    /// A refreshing UPDATE (RFC 4028).
    Refresh,
    /// An UPDATE that asks for a snapshot (RFC 7866 9.2).
    Snapshot,
    /// An INFO that asks for a whole picture (RFC 5168).
    Picture,
    /// The INVITE of a session that we begin.
    Record,
    /// The session is over; nobody waits for the answer.
    Bye,
}

/// A dialog with an SRC.
pub(super) struct RecordingSession {
    /// What the server knows it by: the session's id, or one of its own where another dialog was before it.
    pub(super) key: SessionId,
    pub(super) state: Checkpoint,
    pub(super) random: Random,
    /// An INVITE or UPDATE that waits for ports.
    pub(super) pending: Option<Box<Pending>>,
    pub(super) watch: Watch,
    /// For branches and waits, apart from `random`: a replay, which sends less, must still make the same ids.
    pub(super) branches: Random,
    pub(super) own: OwnRequests,
    /// Our first INVITE is under way.
    pub(super) calling: Option<Box<Calling>>,
    /// The deadline that is set.
    pub(super) armed: Option<Wall>,
    /// Ports of before the restart are being bound.
    restoring: Option<Restoring>,
}

#[derive(Default)]
struct Restoring {
    gap_from: Wall,
    rebooted: bool,
    /// Ports that come back under another number, if at all: the SRC must be told.
    moved: BTreeSet<PortIndex>,
    /// Another dialog of the session begins the journal's next segment.
    beside: bool,
    /// Another node wrapped the keys: the SRC must tell its own once more.
    keys_lost: bool,
}

impl RecordingSession {
    /// A session whose first INVITE is being answered.
    pub(super) fn new(state: Checkpoint) -> Self {
        let Seed(seed) = state.header.seed;
        let (random, branches) = (Random::new(Seed(seed)), Random::new(Seed(seed.map(|byte| byte ^ BRANCHES))));
        Self {
            key: state.session(),
            state,
            random,
            branches,
            pending: None,
            watch: Watch::default(),
            own: OwnRequests::default(),
            calling: None,
            armed: None,
            restoring: None,
        }
    }

    /// A session of before a restart. Its ports are asked for by number.
    pub(super) fn restore(state: Checkpoint, gap_from: Wall, rebooted: bool, ctx: &mut Context<'_>) -> Self {
        let mut session = Self::new(state);
        session.restoring = Some(Restoring { gap_from, rebooted, ..Restoring::default() });
        let id = session.id();
        let keys_lost = !session.open_secrets(ctx);
        if let Some(restoring) = session.restoring.as_mut() {
            restoring.keys_lost = keys_lost;
        }
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

    /// Keeps a message that came or went, at once if there is a journal.
    pub(super) fn keep_message(&mut self, at: Wall, flow: &Flow, outbound: bool, bytes: &[u8], out: &mut Outbox) {
        if self.has_begun() {
            journalling::keep_message(self.id(), at, flow, outbound, bytes, out);
        } else if let Some(calling) = self.calling.as_mut() {
            calling.keep(at, flow, outbound, bytes);
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
        if let Some(restoring) = &self.restoring {
            if !restoring.beside {
                self.finish_restore(ctx);
            }
        } else if self.calling.is_some() {
            self.answer_in_ack(ctx);
        } else if let Some(pending) = self.pending.take() {
            self.answer(*pending, ctx);
        }
    }

    /// Asks for ports of before a restart; another dialog of the session begins the journal's next segment.
    pub(super) fn restore_beside(&mut self, ctx: &mut Context<'_>) {
        let keys_lost = !self.open_secrets(ctx);
        self.restoring = Some(Restoring { beside: true, keys_lost, ..Restoring::default() });
        self.state.streams.reopen(self.id(), ctx.now.wall, ctx.out);
    }

    /// Whether its ports are there, and that has yet to be.
    pub(super) fn waits_beside(&self) -> bool {
        self.restoring.as_ref().is_some_and(|restoring| restoring.beside) && self.state.streams.is_ready()
    }

    pub(super) fn go_on_beside(&mut self, ctx: &mut Context<'_>) {
        self.finish_restore(ctx);
    }

    /// What stood wrapped in the checkpoint. `false`: another node wrapped it, and keys are lost. What comes is kept sealed
    /// until the SRC answers an offer of ours with its own.
    fn open_secrets(&mut self, ctx: &mut Context<'_>) -> bool {
        let session = self.id();
        let keyring = ctx.keyring(session);
        let streams = self.state.streams.unwrap_keys(&keyring);
        let described = self.state.described.open(&keyring) & self.state.last_invite.sdp.open(&keyring);
        if !streams || !described {
            ctx.out.push_back(Output::Tell(Tell::KeysLost { session }));
        }
        streams
    }

    fn finish_restore(&mut self, ctx: &mut Context<'_>) {
        let Some(restoring) = self.restoring.take() else { return };
        self.state.raised.restored();
        let (id, now) = (self.id(), ctx.now);
        if !restoring.beside {
            journalling::begin_segment(&self.state, now, ctx.out);
            let gap = Event::Gap { from: restoring.gap_from, to: now.wall, rebooted: restoring.rebooted };
            keep(id, now.wall, gap, ctx.out);
        }
        if restoring.keys_lost {
            self.agree_on_keys(None, ctx);
        }
        self.state.streams.publish(id, now.wall, ctx.out);
        self.state.streams.reserve_anew(id, now.wall, ctx.out);
        journalling::checkpoint(&self.state, now, ctx.out);
        self.state.streams.grant_all(id, ctx.out);
        if !restoring.moved.is_empty() || restoring.keys_lost {
            self.offer_change(ctx);
        }
    }

    /// Takes over a request's metadata.
    pub(super) fn take_metadata(&mut self, parts: &[(String, Vec<u8>)], ctx: &mut Context<'_>) {
        for (content_type, body) in parts {
            let parsed = metadata::parse(content_type, body);
            let mut deviations = if content_type == TRANSLATED { Vec::new() } else { parsed.deviations };
            self.state.peer.called_metadata(content_type);
            let is_first = self.state.snapshot.updates == 0;
            let mode = parsed.document.as_ref().map(|document| document.mode);
            let folded =
                parsed.document.map(|document| Arc::make_mut(&mut self.state.snapshot).apply(&document, ctx.now.wall));
            if let Some(reason) = why_ask(mode, is_first, folded.as_deref().unwrap_or_default()) {
                self.want_snapshot(reason);
                if !self.state.peer.update {
                    deviations.extend(cannot_ask());
                }
            } else if mode == Some(DataMode::Complete) {
                self.snapshot_came();
            }
            deviations.extend(folded.unwrap_or_default());
            let event = Event::Metadata { snapshot: Arc::clone(&self.state.snapshot), deviations };
            keep(self.id(), ctx.now.wall, event, ctx.out);
        }
        if self.state.answered.is_some() && !parts.is_empty() {
            self.follow_recordings(false, ctx);
        }
    }

    /// Recordings begin and end as the metadata says; one begins in any case, where this is the session's `first` word.
    pub(super) fn follow_recordings(&mut self, first: bool, ctx: &mut Context<'_>) {
        let labels = self.state.streams.labels();
        let known = Known { snapshot: &self.state.snapshot, labels: &labels };
        let (recordings, now) = (&mut self.state.recordings, ctx.now.wall);
        let events = match first {
            true => recordings.begin(known, now, &mut self.random),
            false => recordings.follow(known, now, &mut self.random),
        };
        self.keep_recordings(events, ctx);
    }

    /// Recordings whose communication session is over end when their lines have been quiet for long enough.
    pub(super) fn close_recordings(&mut self, ctx: &mut Context<'_>) {
        let events = self.state.recordings.due(ctx.now.wall);
        if !events.is_empty() {
            self.keep_recordings(events, ctx);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
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
            if change != SourceChange::Stranger {
                self.ask_for_picture(port, ctx);
            }
        }
        if let Some(srtp) = &report.statistics.srtp {
            self.srtp(port, srtp, ctx);
        }
        let loss = watch::losing(&mut self.state.streams, ctx.now.wall, &report.statistics);
        let mut alarms: Vec<_> = loss.map(|raised| (Alarm::Loss, port, raised)).into_iter().collect();
        let (dropped, dropping) = watch::dropping(&mut self.state.streams, ctx.now.wall, &report.statistics);
        if dropped > 0 {
            self.dropped(Some(port), dropped, KERNEL_DROPPED.into(), ctx);
        }
        alarms.extend(dropping.map(|raised| (Alarm::Dropped, port, raised)));
        let strange = watch::strangers(&mut self.state.streams, ctx.now.wall, &report.statistics);
        alarms.extend(strange.map(|raised| (Alarm::Stranger, port, raised)));
        if let Some(raised) = self.state.streams.at_disk.judge(ctx.now.wall, 0) {
            self.alarm(Alarm::Dropped, None, raised, ctx);
        }
        if report.event.is_none() {
            alarms.extend(talk::judge(&mut self.state.streams, &report.statistics));
            alarms.extend(swapped::judge(&mut self.state.streams, &report.statistics));
            let jitter = watch::jittering(&mut self.state.streams, &report.statistics);
            alarms.extend(jitter.map(|raised| (Alarm::Jitter, port, raised)));
        }
        if !alarms.is_empty() {
            alarms.into_iter().for_each(|(alarm, port, raised)| self.alarm(alarm, Some(port), raised, ctx));
            // What is raised must be cleared, whoever goes on with the call.
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
        let Some(last) = report.statistics.last_at else { return };
        if watch::heard(&mut self.state.streams, port, last) {
            self.alarm(Alarm::NoRtp, Some(port), false, ctx);
        }
        if let Some(event) = self.heard(port, last) {
            keep(id, last, event, ctx.out);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
    }

    /// No audio without a recording.
    fn heard(&mut self, port: PortIndex, at: Wall) -> Option<Event> {
        // Asked at each report: in nearly all sessions there is nothing to find out.
        if self.state.recordings.take_all(&self.state.snapshot) {
            return None;
        }
        let line = self.state.streams.live().position(|live| live.port() == port)?;
        let labels = self.state.streams.labels();
        let known = Known { snapshot: &self.state.snapshot, labels: &labels };
        self.state.recordings.heard(known, line, at, &mut self.random)
    }

    fn srtp(&mut self, port: PortIndex, told: &SrtpStatistics, ctx: &mut Context<'_>) {
        let (id, now) = (self.id(), ctx.now.wall);
        let news = self.state.streams.heard_srtp(id, port, now, told, ctx.out);
        // A call whose packets flow is never ended by us, whoever can hear them.
        if news.flows && watch::heard(&mut self.state.streams, port, now) {
            self.alarm(Alarm::NoRtp, Some(port), false, ctx);
        }
        if let Some(raised) = news.undecryptable {
            self.alarm(Alarm::Undecryptable, Some(port), raised, ctx);
        }
        if let Some(refusals) = news.refused {
            self.srtp_refused(port, refusals, ctx);
        }
        if news.reserved {
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
            self.state.streams.grant(id, port, ctx.out);
        }
    }

    /// Tells and keeps what SRTP refused.
    fn srtp_refused(&mut self, port: PortIndex, refusals: SrtpRefusals, ctx: &mut Context<'_>) {
        let session = self.id();
        ctx.out.push_back(Output::Tell(Tell::SrtpRefused { session, port, refusals }));
        keep(session, ctx.now.wall, Event::SrtpRefused { port, refusals }, ctx.out);
    }

    /// Packets reached us and could not be kept.
    pub(super) fn dropped(&mut self, port: Option<PortIndex>, packets: u64, cause: String, ctx: &mut Context<'_>) {
        keep(self.id(), ctx.now.wall, Event::Dropped { port, packets, cause }, ctx.out);
    }

    /// The same, and the writer of the journal writes it down.
    pub(super) fn dropped_by_disk(&mut self, packets: u64, ctx: &mut Context<'_>) {
        if let Some(raised) = self.state.streams.at_disk.judge(ctx.now.wall, packets) {
            self.alarm(Alarm::Dropped, None, raised, ctx);
        }
    }

    /// Pauses until it `ends`, or resumes, by order. What the SRC makes of being told changes nothing of what is kept.
    pub(super) fn pause(&mut self, paused: bool, tell_src: bool, ends: Option<Wall>, ctx: &mut Context<'_>) {
        if !self.has_begun() {
            return;
        }
        let told = paused && (tell_src || self.state.pause_told);
        let is_same = self.state.streams.paused_by_operator == paused && told == self.state.pause_told;
        if core::mem::replace(&mut self.state.pause_ends, ends) == ends && is_same {
            return;
        }
        if !is_same {
            self.state.streams.pause(paused, ctx.now.wall);
            self.state.streams.publish(self.id(), ctx.now.wall, ctx.out);
            if core::mem::replace(&mut self.state.pause_told, told) != told {
                self.offer_change(ctx);
            }
        }
        journalling::checkpoint(&self.state, ctx.now, ctx.out);
    }

    /// Keeps what is paused again, if its time is over.
    pub(super) fn end_pause(&mut self, ctx: &mut Context<'_>) {
        if self.state.pause_ends.is_some_and(|ends| ends <= ctx.now.wall) {
            self.pause(false, false, None, ctx);
        }
    }

    /// Nothing more is wanted of a stream, and the SRC is told (RFC 7866 7.2: an offer with port 0).
    pub(super) fn take_back(&mut self, port: PortIndex, ctx: &mut Context<'_>) {
        let id = self.id();
        if self.has_begun() && self.state.streams.take_back(id, port, ctx.now.wall, ctx.out) {
            self.offer_change(ctx);
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
        }
    }

    /// It is answered `inactive` and nothing of it is kept until an order resumes it (RFC 7866 7.2).
    pub(super) fn hold_off(&mut self) {
        self.state.streams.paused_by_operator = true;
        self.state.pause_told = true;
    }

    /// Looks at the media; asks the SRC whether it is there if nothing comes.
    pub(super) fn look(&mut self, ctx: &mut Context<'_>) {
        self.clear_alarms_of_gone(ctx);
        let silent = watch::silences(&mut self.state.streams, ctx.now.wall, ctx.policy.rtp_timeout);
        if !silent.is_empty() {
            silent.into_iter().for_each(|port| self.alarm(Alarm::NoRtp, Some(port), true, ctx));
            journalling::checkpoint(&self.state, ctx.now, ctx.out);
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
        self.lost(status, ctx)
    }

    /// Tells and keeps an alarm.
    pub(super) fn alarm(&mut self, alarm: Alarm, port: Option<PortIndex>, raised: bool, ctx: &mut Context<'_>) {
        let session = self.id();
        self.state.raised.note(alarm, port, ctx.now.wall, raised);
        ctx.out.push_back(Output::Tell(Tell::Alarm { session, alarm, port, raised }));
        keep(session, ctx.now.wall, Event::Alarm { alarm, port, raised }, ctx.out);
    }

    /// Sends a request of ours within the dialog.
    pub(super) fn send(&mut self, request: Message, purpose: Purpose, ctx: &mut Context<'_>) {
        let flow = self.outgoing_flow();
        self.send_over(&flow, request, purpose, ctx);
    }

    /// Sends a request of ours over `flow`.
    pub(super) fn send_over(
        &mut self,
        flow: &Flow,
        request: Message,
        purpose: Purpose,
        ctx: &mut Context<'_>,
    ) -> ClientKey {
        let branch = alloc::format!("z9hG4bK{}", self.branches.token());
        let sent_by = own_address::sent_by(flow, ctx.policy);
        let key = ctx.transactions.request(ctx.now.monotonic, flow, request, branch, &sent_by);
        ctx.requests.insert(key, (self.key, purpose));
        key
    }

    /// Where a request of ours goes: the dialog's next hop where that is an address, else where requests come from.
    pub(super) fn outgoing_flow(&self) -> Flow {
        let mut flow = self.state.flow.clone();
        // A `sip` URI without a port, of a dialog that came over TLS: it stays there.
        let default = (flow.transport == Transport::Tls).then(|| flow.transport.default_port());
        let with_port = |hop: Uri| Uri { port: hop.port.or(default), ..hop };
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
        if self.has_begun() {
            for (port, refusals) in self.state.streams.refusals_at_end(now.wall) {
                self.srtp_refused(port, refusals, ctx);
            }
        }
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

/// Why a document calls for a snapshot (RFC 7866 9.2), if it does: it cannot be folded into what is known.
fn why_ask(mode: Option<DataMode>, is_first: bool, flaws: &[Deviation]) -> Option<&'static str> {
    const DANGLING: [&str; 4] = ["snapshot-full", "unknown-session", "unknown-participant", "unknown-stream"];
    match mode {
        None => Some("the metadata could not be read"),
        Some(DataMode::Partial) if is_first => Some("a partial update came before any snapshot"),
        Some(DataMode::Partial) if flaws.iter().any(|flaw| DANGLING.contains(&flaw.code.as_str())) => {
            Some("a partial update names what is not known")
        }
        Some(DataMode::Partial | DataMode::Complete) => None,
    }
}

fn cannot_ask() -> Vec<Deviation> {
    let mut told = Deviations::default();
    told.add(&codes::NO_UPDATE, format_args!("a snapshot is missing and cannot be asked for: Allow has no UPDATE"));
    told.0
}
