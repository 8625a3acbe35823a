//! What each request asks of the server, and its answer (RFC 3261 8.2, 12.2.2).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::legacy::Bridge;
use super::offer::FirstInvite;
use super::own_address;
use super::reading::{Bodies, foreign_coding};
use super::recording_session::RecordingSession;
use super::session_timer::Asked;
use super::srs::Srs;
use super::{Checkpoint, journalling};
use crate::entry::EndCause;
use crate::metadata::Snapshot;
use crate::seed::{Random, SessionId};
use crate::sip::check::{ACCEPT, ALLOW, Rejection, check};
use crate::sip::dialog::{Dialog, is_sips};
use crate::sip::message::Message;
use crate::sip::transaction::{Incoming, ServerKey};
use crate::sip::{Flow, Method, Transport};
use crate::time::Now;

impl Srs {
    pub(super) fn incoming(&mut self, now: Now, flow: &Flow, incoming: Incoming, bytes: &[u8]) {
        match incoming {
            Incoming::Request { key, message } => self.request(now, flow, &key, message, bytes),
            Incoming::MergedRequest { key, message } => {
                self.reject(now, flow, &key, &message, &Rejection::new(482, "Loop Detected", "RFC 3261 8.2.2.2"));
            }
            Incoming::Ack { message } => {
                if let Some(id) = self.session_of(&message) {
                    self.with_session(now, id, |session, ctx| session.acknowledged(&message, ctx));
                }
            }
            Incoming::Cancel { key, invite, message } => self.cancel(now, flow, &key, invite.as_ref(), &message),
            Incoming::Response { key, message } => self.answered(now, &key, Some(&message), Some(flow)),
        }
    }

    fn request(&mut self, now: Now, flow: &Flow, key: &ServerKey, message: Message, bytes: &[u8]) {
        if let Err(rejection) = check(&message) {
            self.reject(now, flow, key, &message, &rejection);
            return;
        }
        let session = self.session_of(&message).filter(|_| is_in_dialog(&message));
        if session.is_some_and(|id| self.must_be_secure(id, flow)) {
            let rejection = Rejection::new(403, "TLS Required", "RFC 7866 12, RFC 3261 26.4.4");
            self.reject(now, flow, key, &message, &rejection);
            return;
        }
        if let Some(id) = session {
            self.in_dialog(now, flow, id, key, message);
            return;
        }
        if message.to_tag().is_some() {
            self.unknown_dialog(now, flow, key, &message);
            return;
        }
        match message.method() {
            Some(Method::Invite) => self.invite(now, flow, key, message, bytes),
            Some(Method::Options) => self.options(now, flow, key, &message),
            _ => self.unknown_dialog(now, flow, key, &message),
        }
    }

    /// Whether a request that came in clear should have come over TLS as its dialog's first did: it is one of `sips:`, or
    /// its peer must. What was begun in clear is ended in clear.
    fn must_be_secure(&self, session: SessionId, flow: &Flow) -> bool {
        if flow.transport == Transport::Tls || self.policy.adopt_foreign_tags {
            return false;
        }
        self.sessions.get(&session).is_some_and(|session| {
            let state = &session.state;
            let required = self.policy.rules_of(state.peer_row.as_deref()).require_tls;
            state.flow.transport == Transport::Tls && (state.dialog.secure || required)
        })
    }

    fn reject(&mut self, now: Now, flow: &Flow, key: &ServerKey, message: &Message, rejection: &Rejection) {
        self.tell_refused(flow.remote, rejection.status, &format!("{} ({})", rejection.reason, rejection.section));
        let mut response = rejection.response(message);
        match rejection.status {
            405 | 501 => response.headers.set("Allow", ALLOW),
            415 => {
                response.headers.set("Accept", ACCEPT);
                response.headers.set("Accept-Encoding", "identity");
            }
            _ => {}
        }
        self.tag_and_respond(now, key, response);
    }

    fn tag_and_respond(&mut self, now: Now, key: &ServerKey, mut response: Message) {
        if response.to_tag().is_none() {
            let tag = self.random.token();
            response.set_to_tag(&tag);
        }
        self.respond(now, key, response);
    }

    fn unknown_dialog(&mut self, now: Now, flow: &Flow, key: &ServerKey, message: &Message) {
        let ended = message.call_id().and_then(|call_id| self.recently_ended.get(call_id));
        let bye = message.method() == Some(&Method::Bye);
        if bye && ended.is_some_and(|tag| message.to_tag().is_none_or(|to| to == tag)) {
            // The BYE of a dialog that ended just now, perhaps before a restart: what it asks for is done.
            self.respond(now, key, Message::response(200, "OK", message));
            return;
        }
        let rejection = Rejection::new(481, "Call/Transaction Does Not Exist", "RFC 3261 12.2.2");
        self.reject(now, flow, key, message, &rejection);
    }

    fn options(&mut self, now: Now, flow: &Flow, key: &ServerKey, message: &Message) {
        let (status, reason) = match self.judge_options(message, flow) {
            Ok(judged) => judged,
            Err(rejection) => {
                self.reject(now, flow, key, message, &rejection);
                return;
            }
        };
        let mut response = Message::response(status, reason, message);
        response.headers.push("Contact", own_address::contact(flow, message.uri().is_some_and(is_sips), &self.policy));
        response.headers.push("Allow", ALLOW);
        response.headers.push("Accept", ACCEPT);
        response.headers.push("Accept-Encoding", "identity");
        response.headers.push("Supported", "siprec");
        response.headers.push("Server", self.policy.product.clone());
        self.tag_and_respond(now, key, response);
    }

    fn invite(&mut self, now: Now, flow: &Flow, key: &ServerKey, message: Message, bytes: &[u8]) {
        if let Some(id) = self.retransmitted_over_a_restart(&message) {
            self.with_session(now, id, |session, ctx| session.answer_again(key, &message, ctx));
            return;
        }
        let (bodies, peer) = match self.judge(now, &message, flow) {
            Ok(judged) => judged,
            Err(rejection) => {
                self.reject(now, flow, key, &message, &rejection);
                return;
            }
        };
        let session = self.session_to_join(&message, peer.as_deref());
        let seed = session.and_then(|session| self.draw_seed_of(session)).unwrap_or_else(|| self.draw_seed());
        let mut random = Random::new(seed);
        let id = SessionId::new(now.wall, &mut random);
        let dialog = Dialog::accept(&message, random.token());
        let call_id = dialog.call_id.clone();
        let mut header = journalling::header(&self.policy, id, 1, seed, now);
        header.tag(&self.policy.rules_of(peer.as_deref()).tags);
        // RFC 8866 5.2: a number of its own; 63 bits so that every reader can hold it.
        let description_id = random.next_u64() >> 1;
        let mut state = Checkpoint::new(header, dialog, flow.clone(), Snapshot::default(), description_id);
        state.bridge = Bridge::of(&message).filter(|_| self.policy.rules_of(peer.as_deref()).legacy);
        state.peer_row = peer;
        let mut dialog = RecordingSession::new(state);
        if let Some(session) = session {
            self.join(&mut dialog, session);
        }
        if self.holds_off {
            dialog.hold_off();
        }
        self.add(now, call_id, dialog);
        let first = FirstInvite { flow: flow.clone(), at: now.wall, bytes: bytes.to_vec() };
        let considered =
            self.with_session(now, id, |session, ctx| session.consider(*key, message, bodies, Some(first), ctx));
        if let Some(Err(refused)) = considered {
            self.reject(now, flow, key, &refused.0, &refused.1);
            self.end_unanswered(now, id, EndCause::Failed);
        }
    }

    fn retransmitted_over_a_restart(&self, message: &Message) -> Option<SessionId> {
        let ids = self.sessions_of_call(message.call_id()?);
        ids.iter().copied().find(|id| {
            self.sessions.get(id).is_some_and(|session| {
                session.has_begun()
                    && message.from_tag() == session.state.dialog.remote_tag.as_deref()
                    && message.cseq().map(|cseq| cseq.number) == Some(session.state.last_invite.cseq)
            })
        })
    }

    fn in_dialog(&mut self, now: Now, flow: &Flow, id: SessionId, key: &ServerKey, message: Message) {
        let is_repeat = |s: &RecordingSession| {
            let number = message.cseq().map(|cseq| cseq.number);
            // After a later request it is out of order, whatever it once was (RFC 3261 12.2.2).
            message.method() == Some(&Method::Invite)
                && number == Some(s.state.last_invite.cseq)
                && number == s.state.dialog.remote_cseq
        };
        let judged = self.with_session(now, id, |session, ctx| {
            session.watch.is_alive(ctx.now);
            session.state.flow = flow.clone();
            if is_repeat(session) {
                session.answer_again(key, &message, ctx);
                return Ok(true);
            }
            session.state.dialog.check_cseq(&message).map(|()| false)
        });
        match judged {
            Some(Ok(false)) => {}
            Some(Ok(true)) | None => return,
            Some(Err(rejection)) => {
                self.reject(now, flow, key, &message, &rejection);
                return;
            }
        }
        match message.method() {
            Some(Method::Invite | Method::Update) => self.reoffer(now, flow, id, key, message),
            Some(Method::Bye) => self.bye(now, id, key, &message),
            // RFC 6086 4.2.2: we take no Info-Packages, and say so. An INFO without one is of older times: done.
            Some(Method::Info) if message.header("Info-Package").is_some() => {
                let mut rejection = Rejection::new(469, "Bad Info Package", "RFC 6086 4.2.2");
                rejection.headers.push(("Recv-Info", String::new()));
                self.reject(now, flow, key, &message, &rejection);
            }
            Some(Method::Info | Method::Message) => self.told_beside(now, flow, id, key, &message),
            Some(Method::Options) => {
                self.with_session(now, id, |session, ctx| {
                    let response = session.ok(&message, ctx);
                    ctx.respond(key, response);
                });
            }
            _ => {
                let rejection = Rejection::new(481, "Call/Transaction Does Not Exist", "RFC 3262 3");
                self.reject(now, flow, key, &message, &rejection);
            }
        }
    }

    fn reoffer(&mut self, now: Now, flow: &Flow, id: SessionId, key: &ServerKey, message: Message) {
        let too_small = Asked::of(&message).too_small(self.policy.session_timers);
        let bodies = match too_small.map_or_else(|| Bodies::read(&message), Err) {
            Ok(bodies) => bodies,
            Err(rejection) => {
                self.reject(now, flow, key, &message, &rejection);
                return;
            }
        };
        let considered = self.with_session(now, id, |session, ctx| {
            if let Some(rejection) = session.glare(&message, &bodies) {
                return Err(Box::new((message, rejection)));
            }
            session.state.dialog.refresh_target(&message);
            session.consider(*key, message, bodies, None, ctx)
        });
        if let Some(Err(refused)) = considered {
            self.reject(now, flow, key, &refused.0, &refused.1);
        }
    }

    /// An INFO or a MESSAGE: what metadata it has is taken (RFC 7866 9.1 knows of INVITE and UPDATE only). An INFO without
    /// is done, whatever is in it; a MESSAGE without is none of ours.
    fn told_beside(&mut self, now: Now, flow: &Flow, id: SessionId, key: &ServerKey, message: &Message) {
        if let Some(rejection) = foreign_coding(message).filter(|_| !message.body.is_empty()) {
            self.reject(now, flow, key, message, &rejection);
            return;
        }
        let metadata = Bodies::read(message).map(|bodies| bodies.metadata).unwrap_or_default();
        if metadata.is_empty() && message.method() == Some(&Method::Message) {
            let rejection = Rejection::new(405, "Method Not Allowed", "RFC 3261 8.2.1");
            self.reject(now, flow, key, message, &rejection);
            return;
        }
        self.with_session(now, id, |session, ctx| {
            session.take_metadata(&metadata, ctx);
            let response = session.ok(message, ctx);
            ctx.respond(key, response);
        });
    }

    fn bye(&mut self, now: Now, id: SessionId, key: &ServerKey, message: &Message) {
        let unanswered = self.with_session(now, id, |session, ctx| {
            if let Ok(bodies) = Bodies::read(message) {
                session.take_metadata(&bodies.metadata, ctx);
            }
            let response = session.response(200, "OK", message);
            ctx.respond(key, response);
            // RFC 3261 15.1.2: what is pending is answered 487.
            session.pending.take().map(|pending| {
                let response = session.response(487, "Request Terminated", &pending.request);
                ctx.respond(&pending.key, response);
                pending.first.is_some()
            })
        });
        match unanswered.flatten() {
            Some(true) => self.end_unanswered(now, id, EndCause::Bye),
            Some(false) | None => self.end(now, id, EndCause::Bye, false),
        }
    }

    fn cancel(&mut self, now: Now, flow: &Flow, key: &ServerKey, invite: Option<&ServerKey>, message: &Message) {
        let Some(invite) = invite else {
            self.unknown_dialog(now, flow, key, message);
            return;
        };
        self.tag_and_respond(now, key, Message::response(200, "OK", message));
        let ids: Vec<SessionId> = message.call_id().map(|c| self.sessions_of_call(c).to_vec()).unwrap_or_default();
        for id in ids {
            let cancelled = self.with_session(now, id, |session, ctx| {
                let pending = session.pending.take_if(|pending| pending.key == *invite)?;
                let response = session.response(487, "Request Terminated", &pending.request);
                ctx.respond(invite, response);
                Some(pending.first.is_some())
            });
            if cancelled.flatten() == Some(true) {
                self.end_unanswered(now, id, EndCause::Cancel);
            }
        }
    }

    /// Forgets a session that was never answered: there is nothing of it on disk.
    fn end_unanswered(&mut self, now: Now, id: SessionId, cause: EndCause) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state.ended = Some(cause);
        }
        self.with_session(now, id, |_, _| ());
    }
}

impl RecordingSession {
    /// Why an INVITE or UPDATE must wait: an offer of ours, or of theirs, has no answer yet (RFC 3261 14.2, RFC 3311
    /// 5.2).
    fn glare(&mut self, request: &Message, bodies: &Bodies) -> Option<Rejection> {
        if self.calling.is_some() {
            let mut early = Rejection::new(500, "Not Yet Established", "RFC 3311 5.2");
            early.headers.push(("Retry-After", String::from("1")));
            return Some(early);
        }
        let is_invite = request.method() == Some(&Method::Invite);
        if !is_invite && bodies.sdp.is_none() {
            return None;
        }
        let unanswered = self.own.unacknowledged && self.state.last_invite.awaits_answer;
        if self.own.is_inviting() || unanswered {
            return Some(Rejection::new(491, "Request Pending", "RFC 3311 5.2"));
        }
        self.pending.as_ref()?;
        let mut busy = Rejection::new(500, "Request Pending", "RFC 3261 14.2");
        busy.headers.push(("Retry-After", format!("{}", self.branches.next_u32() % 11)));
        Some(busy)
    }
}

/// Whether a request may belong to a dialog: it has a To tag, or is one that SRCs send without (BYE).
fn is_in_dialog(message: &Message) -> bool {
    message.to_tag().is_some() || message.method() == Some(&Method::Bye)
}
