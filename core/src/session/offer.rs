//! Offers and answers of a session (RFC 3264, RFC 3261 13 and 14, RFC 3311): theirs, and the few of ours.
//!
//! ```text
//! INVITE, UPDATE -> Pending -> ports are opened -> answer(): journal, checkpoint, 2xx
//! INVITE without SDP -> Pending -> our offer in the 2xx -> ACK with the answer -> acknowledged()
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::admission::busy;
use super::checkpoint::LastInvite;
use super::guarded::Guarded;
use super::journalling::{self, keep};
use super::judge::warning;
use super::legacy::own_label;
use super::limits::{DEFAULT_OFFERED_STREAMS, MAX_M_LINES};
use super::reading::Bodies;
use super::recording_session::{Context, RecordingSession};
use super::session_timer::{Asked, Refresher};
use super::{Shown, Tell, own_address};
use crate::entry::{Alarm, EndCause, Event};
use crate::metadata;
use crate::sdp::dtls::Side;
use crate::sdp::{self, Accepted, AnswerPolicy, Decided, Decision, Description, Direction, LocalMedia, OfferedStream};
use crate::sip::check::{ACCEPT, ALLOW, Rejection, SUPPORTED};
use crate::sip::message::Message;
use crate::sip::transaction::ServerKey;
use crate::sip::{Flow, Method, Transport};

/// A request whose answer waits for ports.
pub(super) struct Pending {
    pub(super) key: ServerKey,
    pub(super) request: Message,
    pub(super) bodies: Bodies,
    /// Their offer; without it our 2xx carries one.
    pub(super) offer: Option<(Description, Decision)>,
    /// The session's first INVITE, as it came and when: its journal has yet to begin.
    pub(super) first: Option<FirstInvite>,
}

/// What of a session's first INVITE is kept once its journal begins.
pub(super) struct FirstInvite {
    pub(super) flow: Flow,
    pub(super) at: crate::time::Wall,
    pub(super) bytes: Vec<u8>,
}

impl RecordingSession {
    /// Looks at what an INVITE or UPDATE offers and asks for the ports that its answer needs.
    ///
    /// # Errors
    /// The request, where what it offers can't be accepted, and why; the session stays as it was (RFC 3261 14.2).
    pub(super) fn consider(
        &mut self,
        key: ServerKey,
        request: Message,
        mut bodies: Bodies,
        first: Option<FirstInvite>,
        ctx: &mut Context<'_>,
    ) -> Result<(), Box<(Message, Rejection)>> {
        let local = self.state.flow.local.ip();
        let (id, now) = (self.id(), ctx.now.wall);
        self.state.peer.learn(&request);
        let policy = self.answer_policy(ctx);
        let mut offer = match read_offer(&bodies, &policy) {
            Ok(offer) => offer,
            Err(rejection) => return Err(Box::new((request, rejection))),
        };
        let is_beside = !self.state.joined.is_empty();
        if ctx.policy.rules_of(self.state.peer_row.as_deref()).legacy && bodies.translate(&request, is_beside) {
            let lines = offer.iter_mut().flat_map(|(_, decision)| &mut decision.media);
            lines.enumerate().for_each(|(line, decided)| {
                decided.label.get_or_insert_with(|| own_label(&request, line));
            });
        }
        if policy.require_srtp
            && policy.clear_keys_refused
            && offer.is_none()
            && request.method() == Some(&Method::Invite)
        {
            let why = "SRTP is required (require_srtp), and keys of ours are not shown over signalling without TLS (sdes_over_clear)";
            return Err(Box::new((request, not_acceptable(why))));
        }
        self.state.streams.digits = ctx.policy.digits;
        if let Some((_, decision)) = &offer {
            self.state.streams.apply(id, &decision.media, local, now, &mut self.random, ctx.out);
        } else if first.is_some() {
            self.state.offered = self.streams_to_offer(&bodies, ctx);
            let decided = as_decided(&self.state.offered);
            self.state.streams.apply(id, &decided, local, now, &mut self.random, ctx.out);
        }
        let pending = Pending { key, request, bodies, offer, first };
        let needs_ports = pending.offer.is_some() || pending.request.method() == Some(&Method::Invite);
        if self.state.streams.is_ready() || !needs_ports {
            self.answer(pending, ctx);
        } else {
            self.pending = Some(Box::new(pending));
        }
        Ok(())
    }

    /// The m-lines of an offer of ours: one a label that the metadata names, two where it names none.
    fn streams_to_offer(&self, bodies: &Bodies, ctx: &Context<'_>) -> Vec<OfferedStream> {
        let mut snapshot = (*self.state.snapshot).clone();
        for (content_type, body) in &bodies.metadata {
            if let Some(document) = &metadata::parse(content_type, body).document {
                let _ = snapshot.apply(document, ctx.now.wall);
            }
        }
        let mut labels: Vec<String> = snapshot.streams.iter().filter_map(|s| s.label()).map(String::from).collect();
        let is_others = |label: &String| self.state.joined.iter().any(|other| other.streams.has_label(label));
        labels.retain(|label| !is_others(label));
        labels.truncate(MAX_M_LINES);
        if labels.is_empty() {
            labels = (1..=DEFAULT_OFFERED_STREAMS).map(|n| n.to_string()).collect();
        }
        let offered = sdp::fresh_offer(&self.answer_policy(ctx), labels.len());
        offered.into_iter().zip(labels).map(|(stream, label)| OfferedStream { label: Some(label), ..stream }).collect()
    }

    /// All ports are there (or known not to be): the answer leaves, the journal knows.
    pub(super) fn answer(&mut self, pending: Pending, ctx: &mut Context<'_>) {
        let Pending { key, request, bodies, offer, first } = pending;
        let (id, now) = (self.id(), ctx.now);
        if first.is_some() && self.state.streams.live().next().is_none() && offer.as_ref().is_some_and(asks_for_media) {
            self.refuse_for_lack_of_ports(&key, &request, ctx);
            return;
        }
        let is_first = first.is_some();
        if let Some(first) = first {
            if !self.has_begun() {
                journalling::begin_segment(&self.state, now, ctx.out);
            }
            journalling::keep_message(id, first.at, &first.flow, false, &first.bytes, ctx.out);
            self.state.answered.get_or_insert(now.wall);
        }
        let is_invite = request.method() == Some(&Method::Invite);
        if is_invite || offer.is_some() {
            self.agree_on_keys(offer.as_ref(), ctx);
            self.state.streams.publish(id, now.wall, ctx.out);
        }
        let timer = Asked::of(&request).grant(self.state.timer.as_ref(), ctx.policy.session_timers, now.wall);
        let sdp = match &offer {
            Some((offer, decision)) => Some(self.describe_answer(offer, decision, ctx)),
            None if is_invite => Some(self.describe_offer(ctx)),
            None => None,
        };
        self.set_timer(timer, ctx);
        let mut response = self.ok(&request, ctx);
        self.tell_timer(&request, &mut response);
        if let Some(sdp) = &sdp {
            response.headers.push("Content-Type", "application/sdp");
            response.body.clone_from(sdp);
        }
        if is_invite {
            // What was just described; another's keys are wrapped once.
            let described = |bytes: &Vec<u8>| self.state.described.as_bytes() == &**bytes;
            let sdp = match sdp {
                Some(sdp) if described(&sdp) => self.state.described.clone(),
                Some(sdp) => Guarded::new(&sdp, &ctx.keyring(id)),
                None => Guarded::default(),
            };
            let cseq = request.cseq().map(|cseq| cseq.number).unwrap_or(0);
            self.state.last_invite = LastInvite { cseq, sdp, awaits_answer: offer.is_none() };
            self.own.unacknowledged = true;
        }
        if is_first {
            keep(id, now.wall, Event::Answered, ctx.out);
            self.take_first_metadata(&bodies, ctx);
        } else {
            self.take_metadata(&bodies.metadata, ctx);
        }
        journalling::checkpoint(&self.state, now, ctx.out);
        ctx.respond(&key, response);
        if !is_invite {
            self.ask_for_snapshot(ctx);
        }
        if is_first {
            self.tell_started(request, ctx);
        }
    }

    /// RFC 4028 9: the interval and who refreshes; an SRC that does must understand it.
    fn tell_timer(&self, request: &Message, response: &mut Message) {
        let Some(timer) = &self.state.timer else { return };
        response.headers.push("Session-Expires", timer.in_response());
        if timer.refresher == Refresher::Src && Asked::of(request).supported {
            response.headers.push("Require", "timer");
        }
    }

    pub(super) fn take_first_metadata(&mut self, bodies: &Bodies, ctx: &mut Context<'_>) {
        let answered = self.state.answered.take();
        self.take_metadata(&bodies.metadata, ctx);
        self.state.answered = answered;
        self.follow_recordings(true, ctx);
    }

    /// The operator's log hears of a session that begins. `message` is the SRC's: its INVITE, or its 2xx to ours.
    pub(super) fn tell_started(&mut self, message: Message, ctx: &mut Context<'_>) {
        self.state.call.message(&message);
        let (remote, streams) = (self.state.flow.remote, self.state.streams.live().count());
        if self.is_joined() {
            let session = self.id();
            ctx.out.push_back(super::Output::Tell(Tell::DialogJoined { session, remote, streams }));
            return;
        }
        let shown = Box::new(Shown { message, snapshot: Arc::clone(&self.state.snapshot) });
        ctx.out.push_back(super::Output::Tell(Tell::SessionStarted { session: self.id(), remote, streams, shown }));
    }

    fn refuse_for_lack_of_ports(&mut self, key: &ServerKey, request: &Message, ctx: &mut Context<'_>) {
        let rejection = busy(&ctx.policy.rules_of(self.state.peer_row.as_deref()).refusal);
        let mut response = rejection.response(request);
        response.set_to_tag(&self.state.dialog.local_tag);
        ctx.respond(key, response);
        self.state.ended = Some(EndCause::Failed);
    }

    /// Keys are agreed on once the answer is sure to leave: an offer that is refused or cancelled changes none.
    pub(super) fn agree_on_keys(&mut self, offer: Option<&(Description, Decision)>, ctx: &mut Context<'_>) {
        let id = self.id();
        match offer {
            Some((_, decision)) => {
                // As the one who answers, we leave no role open.
                let _ = self.state.streams.agree_on_dtls(&decision.media, Side::Answerer, &mut self.random);
                self.state.streams.agree(&decision.media, &mut ctx.keyring(id));
            }
            None => {
                let policy = self.answer_policy(ctx).srtp;
                let offered = &self.state.offered;
                let secure = |line: usize| offered.get(line).is_some_and(|stream| stream.is_by_sdes());
                self.state.streams.offer_keys(&policy, secure, &mut ctx.keyring(id));
            }
        }
    }

    pub(super) fn describe_answer(
        &mut self,
        offer: &Description,
        decision: &Decision,
        ctx: &mut Context<'_>,
    ) -> Vec<u8> {
        let local = self.local_media(ctx);
        self.state.offered = sdp::same_offer(offer, decision, false);
        // An SRC that was asked to stop is not asked to go on by the way (RFC 3264 6.1 lets any offer be answered so).
        let paused = self.state.pause_told.then(|| as_paused(decision));
        let decision = paused.as_ref().unwrap_or(decision);
        self.describe(ctx, |id, version| sdp::encode_answer(offer, decision, &local, id, version))
    }

    /// How offers of this peer, over this transport, are answered.
    pub(super) fn answer_policy(&self, ctx: &Context<'_>) -> AnswerPolicy {
        let rules = ctx.policy.rules_of(self.state.peer_row.as_deref());
        let clear = self.state.flow.transport != Transport::Tls;
        AnswerPolicy {
            require_srtp: rules.require_srtp,
            clear_keys_refused: clear && !rules.sdes_over_clear,
            srtp: rules.srtp.clone(),
            ..ctx.policy.answer.clone()
        }
    }

    /// What we would have: each stream that has a port, received unless the SRC was asked to stop.
    pub(super) fn describe_offer(&mut self, ctx: &mut Context<'_>) -> Vec<u8> {
        let local = self.local_media(ctx);
        let direction = if self.state.pause_told { Direction::Inactive } else { Direction::RecvOnly };
        let as_wanted = |stream: &OfferedStream| OfferedStream { direction, ..stream.clone() };
        let offered: Vec<OfferedStream> = self.state.offered.iter().map(as_wanted).collect();
        self.describe(ctx, |id, version| sdp::encode_offer(&offered, &local, id, version))
    }

    /// A description under the version that it must have: a new one if it differs from the last (RFC 3264 8).
    fn describe(&mut self, ctx: &mut Context<'_>, encode: impl Fn(u64, u64) -> Vec<u8>) -> Vec<u8> {
        let id = self.id();
        let state = &mut self.state;
        if !state.described.is_empty() {
            let same = encode(state.description_id, state.description_version);
            if state.described.as_bytes() == same {
                return same;
            }
        }
        state.description_version += 1;
        let described = encode(state.description_id, state.description_version);
        state.described = Guarded::new(&described, &ctx.keyring(id));
        described
    }

    fn local_media(&self, ctx: &Context<'_>) -> LocalMedia {
        let address: Option<IpAddr> = self.state.streams.live().next().map(|live| live.stream().local.ip());
        LocalMedia {
            address: address.unwrap_or(self.state.flow.local.ip()),
            ports: self.state.streams.answer_ports(),
            crypto: self.state.streams.own_lines(),
            dtls: self.state.streams.own_dtls(ctx.policy.answer.fingerprint.as_ref()),
        }
    }

    /// The ACK of a 2xx; if that 2xx held our offer, it holds the answer.
    pub(super) fn acknowledged(&mut self, ack: &Message, ctx: &mut Context<'_>) {
        self.watch.is_alive(ctx.now);
        if ack.cseq().map(|cseq| cseq.number) != Some(self.state.last_invite.cseq) {
            return;
        }
        self.own.unacknowledged = false;
        let bodies = Bodies::read(ack).unwrap_or_default();
        if core::mem::take(&mut self.state.last_invite.awaits_answer) {
            self.take_answer(&bodies, ctx);
        }
        self.take_metadata(&bodies.metadata, ctx);
        journalling::checkpoint(&self.state, ctx.now, ctx.out);
        self.go_on(ctx);
        self.ask_for_snapshot(ctx);
    }

    /// The SRC's answer to an offer of ours. Without one that can be read, what comes on our ports is kept as it is.
    pub(super) fn take_answer(&mut self, bodies: &Bodies, ctx: &mut Context<'_>) {
        let answer = bodies.sdp.as_deref().and_then(|bytes| Description::parse(bytes).ok());
        let Some(answer) = answer.filter(|answer| answer.media.len() <= MAX_M_LINES) else {
            self.alarm(Alarm::NoAnswer, None, true, ctx);
            return;
        };
        // An answer that rejects every stream is an answer all the same.
        let decision = sdp::decide_each(&answer, &self.answer_policy(ctx));
        let (id, now) = (self.id(), ctx.now.wall);
        self.state.streams.take_answer(id, &decision.media, self.state.pause_told, now, ctx.out);
        if let Err(port) = self.state.streams.agree_on_dtls(&decision.media, Side::Offerer, &mut self.random) {
            self.alarm(Alarm::NoAnswer, Some(port), true, ctx);
        }
        self.state.streams.take_answered_keys(&decision.media, &ctx.keyring(id));
        self.state.streams.publish(id, now, ctx.out);
    }

    /// No ACK came in 64 x T1. Audio that flows is more certain than an ACK: an alarm, and the SRC is asked. An end
    /// cause if nothing flows (RFC 3261 13.3.1.4), or the peer is set strict.
    pub(super) fn no_ack(&mut self, ctx: &mut Context<'_>) -> Option<EndCause> {
        self.own.unacknowledged = false;
        self.state.last_invite.awaits_answer = false;
        self.alarm(Alarm::NoAck, None, true, ctx);
        if ctx.policy.probes && self.may_be_ended(ctx) {
            return Some(EndCause::SrcGone);
        }
        self.go_on(ctx);
        self.ask_for_snapshot(ctx);
        None
    }

    /// The first INVITE, or a re-INVITE, retransmitted over a crash: it gets the answer that it had.
    pub(super) fn answer_again(&mut self, key: &ServerKey, request: &Message, ctx: &mut Context<'_>) {
        let mut response = self.ok(request, ctx);
        self.tell_timer(request, &mut response);
        if !self.state.last_invite.sdp.is_empty() {
            response.headers.push("Content-Type", "application/sdp");
            response.body = self.state.last_invite.sdp.as_bytes().to_vec();
        }
        ctx.respond(key, response);
    }

    /// A response of this dialog without what only 2xx carry.
    pub(super) fn response(&self, status: u16, reason: &str, request: &Message) -> Message {
        let mut response = Message::response(status, reason, request);
        response.set_to_tag(&self.state.dialog.local_tag);
        response
    }

    /// A 200 of this dialog (RFC 3261 13.3.1.4, RFC 7866 6.2).
    pub(super) fn ok(&self, request: &Message, ctx: &Context<'_>) -> Message {
        let mut response = self.response(200, "OK", request);
        response.headers.push("Contact", self.contact(ctx));
        response.headers.push("Allow", ALLOW);
        response.headers.push("Accept", ACCEPT);
        response.headers.push("Supported", SUPPORTED);
        response.headers.push("Server", ctx.policy.product.clone());
        response
    }

    pub(super) fn contact(&self, ctx: &Context<'_>) -> String {
        own_address::contact(&self.state.flow, self.state.dialog.secure, ctx.policy)
    }
}

/// Our own offer, as if the SRC had made it.
fn as_decided(offered: &[OfferedStream]) -> Vec<Decided> {
    let accepted = |stream: &OfferedStream| Accepted {
        formats: stream.formats.clone(),
        direction: stream.direction,
        paused: None,
        proto: stream.proto.clone(),
        rtcp_mux: stream.rtcp_mux,
        remote: None,
        remote_rtcp: None,
        crypto: None,
        dtls: None,
        feedback: stream.feedback,
    };
    let decided = |(m_line, stream): (u16, &OfferedStream)| Decided {
        m_line,
        kind: stream.kind.clone(),
        label: stream.label.clone(),
        accepted: Some(accepted(stream)),
        reason_if_not: None,
    };
    (0..).zip(offered).map(decided).collect()
}

/// The same with every stream paused.
fn as_paused(decision: &Decision) -> Decision {
    let mut paused = decision.clone();
    for accepted in paused.media.iter_mut().filter_map(|media| media.accepted.as_mut()) {
        accepted.direction = Direction::Inactive;
    }
    paused
}

fn asks_for_media((offer, _): &(Description, Decision)) -> bool {
    offer.media.iter().any(|media| media.port != 0)
}

pub(super) fn read_offer(bodies: &Bodies, policy: &AnswerPolicy) -> Result<Option<(Description, Decision)>, Rejection> {
    let Some(bytes) = &bodies.sdp else { return Ok(None) };
    let offer =
        Description::parse(bytes).map_err(|_| Rejection::new(488, "Bad Session Description", "RFC 3261 13.3.1.3"))?;
    if offer.media.len() > MAX_M_LINES {
        return Err(Rejection::new(488, "Too Many Media Lines", "RFC 3264 6"));
    }
    match sdp::decide(&offer, policy) {
        Ok(decision) => Ok(Some((offer, decision))),
        Err(refusal) => Err(not_acceptable(&refusal.reason)),
    }
}

/// A 488 that says why, to a person (RFC 3261 20.43: 399 is a miscellaneous warning).
fn not_acceptable(why: &str) -> Rejection {
    let mut rejection = Rejection::new(488, "Not Acceptable Here", "RFC 3264 6.1");
    rejection.headers.push(("Warning", warning(why)));
    rejection
}
