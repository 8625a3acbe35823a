//! Recording sessions that we begin (RFC 7866 6.2, 7.2): an INVITE without SDP, the SRC's offer in its 2xx, our answer
//! in the ACK.
//!
//! ```text
//! Order::Record -> INVITE -> 2xx with offer -> ports -> ACK with answer: the journal begins, t = 0
//!                        \-> 3xx: once more, to there. 491: later. Anything else: told, and over
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::journalling::{self, keep};
use super::limits::{MAX_EARLY_MESSAGES, MAX_REDIRECTS};
use super::offer::read_offer;
use super::own_address;
use super::peers::Asker;
use super::reading::Bodies;
use super::recording_session::{Context, Purpose, RecordingSession};
use super::session_timer::Asked;
use super::srs::Srs;
use super::{Checkpoint, Output, Tell};
use crate::entry::{EndCause, Event};
use crate::metadata::Snapshot;
use crate::sdp::dtls::Side;
use crate::sdp::{Decision, Description};
use crate::seed::{Random, SessionId};
use crate::sip::check::{ACCEPT, ALLOW};
use crate::sip::dialog::Dialog;
use crate::sip::message::Message;
use crate::sip::transaction::ClientKey;
use crate::sip::uri::Uri;
use crate::sip::{Flow, Method, Transport};
use crate::time::{Now, Wall};

/// Our INVITE is under way.
#[derive(Debug, Default)]
pub(super) struct Calling {
    /// It, for a CANCEL.
    key: Option<ClientKey>,
    redirects: u8,
    /// Nobody wants the session any more.
    cancelled: bool,
    /// After a 491: when to try again.
    again_at: Option<Wall>,
    /// What was said so far, for the journal that begins with our ACK.
    early: Vec<Early>,
    /// The SRC's 2xx, while its ports are opened.
    accepted: Option<Accepted>,
}

#[derive(Debug)]
struct Early {
    at: Wall,
    flow: Flow,
    outbound: bool,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Accepted {
    key: ClientKey,
    response: Message,
    bodies: Bodies,
    offer: Description,
    decision: Decision,
}

impl Calling {
    /// When the INVITE is to be sent again.
    pub(super) fn deadline(&self) -> Option<Wall> {
        self.again_at
    }

    pub(super) fn keep(&mut self, at: Wall, flow: &Flow, outbound: bool, bytes: &[u8]) {
        if self.early.len() < MAX_EARLY_MESSAGES {
            self.early.push(Early { at, flow: flow.clone(), outbound, bytes: bytes.to_vec() });
        }
    }
}

impl Srs {
    /// Asks the SRC at `uri` for a recording session.
    pub(super) fn record(&mut self, now: Now, uri: &str, flow: Flow) {
        let full = if self.draining {
            Some("draining")
        } else if self.sessions.len() >= self.policy.max_sessions {
            Some("too many sessions")
        } else {
            self.pressure
        };
        let unusable = match Uri::parse(uri) {
            Ok(uri) if uri.is_sip() && uri.headers.is_none() => None,
            Ok(_) | Err(_) => Some("not a SIP address"),
        };
        if let Some(reason) = full.or(unusable) {
            let reason = reason.to_string();
            self.out.push_back(Output::Tell(Tell::NotEstablished { remote: flow.remote, status: None, reason }));
            return;
        }
        let seed = self.draw_seed();
        let mut random = Random::new(seed);
        let id = SessionId::new(now.wall, &mut random);
        let call_id = format!("{}@{}", random.token(), flow.local.ip());
        let whom = Asker { address: flow.remote.ip(), certificate: None, user_agent: None };
        let peer_row = self.policy.peer_for(&whom).map(|peer| peer.name.clone());
        let mut header = journalling::header(&self.policy, id, 1, seed, now);
        header.tag(&self.policy.rules_of(peer_row.as_deref()).tags);
        let description_id = random.next_u64() >> 1;
        let from = format!("<sip:srs@{}>", own_address::sent_by(&flow, &self.policy));
        let dialog = Dialog::calling(call_id.clone(), random.token(), &from, uri);
        let mut state = Checkpoint::new(header, dialog, flow, Snapshot::default(), description_id);
        state.initiated = true;
        state.peer_row = peer_row;
        let mut session = RecordingSession::new(state);
        session.calling = Some(Box::default());
        self.add(now, call_id, session);
        self.with_session(now, id, |session, ctx| session.call(ctx));
    }

    /// The final response to the INVITE of a session that we begin.
    pub(super) fn called(
        &mut self,
        now: Now,
        id: SessionId,
        key: &ClientKey,
        response: Option<&Message>,
        flow: Option<&Flow>,
    ) {
        self.with_session(now, id, |session, ctx| match response {
            Some(response) if matches!(response.status(), Some(200..=299)) => {
                if let Some(flow) = flow {
                    session.state.flow = flow.clone();
                }
                session.accepted(key, response, ctx);
            }
            _ => session.not_accepted(response, ctx),
        });
    }

    /// A 2xx of another branch of a forked INVITE of ours, or one that nobody waits for any more: that dialog is
    /// acknowledged and ended (RFC 3261 13.2.2.4).
    pub(super) fn unwanted_dialog(&mut self, now: Now, key: &ClientKey, response: &Message, flow: &Flow) {
        let is_2xx = matches!(response.status(), Some(200..=299));
        let Some(cseq) = response.cseq().filter(|cseq| is_2xx && cseq.method == Method::Invite) else { return };
        let ids = response.call_id().map(|call_id| self.sessions_of_call(call_id).to_vec()).unwrap_or_default();
        if ids.iter().any(|id| self.sessions.get(id).is_some_and(|s| s.state.dialog.matches(response))) {
            return;
        }
        let invite = Message::request(Method::Invite, "").with("CSeq", format!("{} INVITE", cseq.number));
        let mut dialog = Dialog::established(&invite, response);
        let (ack, bye) = (dialog.ack(cseq.number), dialog.request(Method::Bye));
        let sent_by = own_address::sent_by(flow, &self.policy);
        let branches = [self.random.token(), self.random.token()].map(|token| format!("z9hG4bK{token}"));
        let [for_ack, for_bye] = branches;
        self.transactions.send_ack(key, flow, ack, &for_ack, &sent_by);
        self.transactions.request(now.monotonic, flow, bye, for_bye, &sent_by);
    }
}

impl RecordingSession {
    /// Sends the INVITE (RFC 7866 6.2, 7.2): Require: siprec, our feature tag, no SDP.
    pub(super) fn call(&mut self, ctx: &mut Context<'_>) {
        let mut request = self.state.dialog.request(Method::Invite);
        request.headers.push("Contact", self.contact(ctx));
        request.headers.push("Require", "siprec");
        request.headers.push("Supported", "timer");
        request.headers.push("Allow", ALLOW);
        request.headers.push("Accept", ACCEPT);
        request.headers.push("User-Agent", ctx.policy.product.clone());
        if let Some(interval) = ctx.policy.session_timers.interval {
            request.headers.push("Session-Expires", format!("{}", interval.max(self.state.peer.min_se)));
        }
        let flow = self.state.flow.clone();
        let key = self.send_over(&flow, request, Purpose::Record, ctx);
        if let Some(calling) = self.calling.as_mut() {
            calling.key = Some(key);
            calling.again_at = None;
        }
    }

    /// Nobody wants the session any more. `true`: its INVITE is being cancelled, its final response is waited for.
    pub(super) fn cancel_call(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some(calling) = self.calling.as_mut() else { return false };
        let Some(key) = calling.key.filter(|_| calling.again_at.is_none()) else { return false };
        calling.cancelled = true;
        ctx.transactions.cancel(ctx.now.monotonic, &key);
        true
    }

    /// A 2xx: the dialog is there, its offer is looked at.
    fn accepted(&mut self, key: &ClientKey, response: &Message, ctx: &mut Context<'_>) {
        let Some(calling) = self.calling.as_mut().filter(|calling| calling.accepted.is_none()) else { return };
        let cancelled = calling.cancelled;
        self.state.dialog.confirm(response);
        self.state.peer.learn(response);
        let offer = match Bodies::read(response) {
            _ if cancelled => Err("cancelled".to_string()),
            Err(rejection) => Err(rejection.reason.to_string()),
            Ok(bodies) => match read_offer(&bodies, &self.answer_policy(ctx)) {
                Ok(Some((offer, decision))) => Ok((bodies, offer, decision)),
                Ok(None) => Err("the SRC's 2xx offers no media (RFC 7866 7.2)".to_string()),
                Err(rejection) => Err(format!("the SRC's offer: {}", rejection.reason)),
            },
        };
        match offer {
            Err(reason) => self.decline(key, response, reason, ctx),
            Ok((bodies, offer, decision)) => {
                let (id, local, now) = (self.id(), self.state.flow.local.ip(), ctx.now.wall);
                self.state.streams.apply(id, &decision.media, local, now, &mut self.random, ctx.out);
                let accepted = Accepted { key: *key, response: response.clone(), bodies, offer, decision };
                if let Some(calling) = self.calling.as_mut() {
                    calling.accepted = Some(accepted);
                }
                if self.state.streams.is_ready() {
                    self.answer_in_ack(ctx);
                }
            }
        }
    }

    /// Ports are there: our answer leaves in the ACK, and the recording begins.
    pub(super) fn answer_in_ack(&mut self, ctx: &mut Context<'_>) {
        let Some(accepted) = self.calling.as_mut().and_then(|calling| calling.accepted.take()) else { return };
        let cancelled = self.calling.as_ref().is_some_and(|calling| calling.cancelled);
        let Accepted { key, response, bodies, offer, decision } = accepted;
        if cancelled {
            self.decline(&key, &response, "cancelled".to_string(), ctx);
            return;
        }
        if self.state.streams.live().next().is_none() && offer.media.iter().any(|media| media.port != 0) {
            self.decline(&key, &response, "no media port is free".to_string(), ctx);
            return;
        }
        let (id, now) = (self.id(), ctx.now);
        let early = self.calling.take().map(|calling| calling.early).unwrap_or_default();
        journalling::begin_segment(&self.state, now, ctx.out);
        for Early { at, flow, outbound, bytes } in &early {
            journalling::keep_message(id, *at, flow, *outbound, bytes, ctx.out);
        }
        self.state.answered = Some(now.wall);
        let _ = self.state.streams.agree_on_dtls(&decision.media, Side::Answerer, &mut self.random);
        self.state.streams.agree(&decision.media, &mut ctx.keyring(id));
        self.state.streams.publish(id, now.wall, ctx.out);
        let sdp = self.describe_answer(&offer, &decision, ctx);
        self.acknowledge(&key, &response, Some(sdp), ctx);
        let timer = Asked::of(&response).granted(now.wall);
        self.set_timer(timer, ctx);
        keep(id, now.wall, Event::Answered, ctx.out);
        self.take_first_metadata(&bodies, ctx);
        journalling::checkpoint(&self.state, now, ctx.out);
        self.ask_for_snapshot(ctx);
        self.tell_started(response, ctx);
    }

    /// The dialog is of no use: acknowledged, and ended (RFC 3261 13.2.2.4).
    fn decline(&mut self, key: &ClientKey, response: &Message, reason: String, ctx: &mut Context<'_>) {
        self.acknowledge(key, response, None, ctx);
        let bye = self.state.dialog.request(Method::Bye);
        self.send(bye, Purpose::Bye, ctx);
        self.give_up(response.status(), reason, ctx);
    }

    fn not_accepted(&mut self, response: Option<&Message>, ctx: &mut Context<'_>) {
        let status = response.and_then(Message::status);
        let cancelled = self.calling.as_ref().is_some_and(|calling| calling.cancelled);
        let elsewhere = response.filter(|_| matches!(status, Some(300..=399)) && !cancelled);
        if elsewhere.is_some_and(|response| self.redirect(response)) {
            self.call(ctx);
            return;
        }
        if status == Some(491) && !cancelled {
            let wait = Duration::from_millis(10 * (210 + u64::from(self.branches.next_u32() % 190)));
            if let Some(calling) = self.calling.as_mut() {
                calling.again_at = Some(ctx.now.wall.after(wait));
            }
            return;
        }
        let reason = match (response, cancelled) {
            (_, true) => "cancelled".to_string(),
            (None, false) => "no answer".to_string(),
            (Some(response), false) => response.reason().to_string(),
        };
        self.give_up(status, reason, ctx);
    }

    /// RFC 3261 8.1.3.4: the first Contact of a 3xx that can be reached without a name service.
    fn redirect(&mut self, response: &Message) -> bool {
        let flow = &mut self.state.flow;
        // What is secure does not go on in clear.
        let suits = |uri: &Uri| flow.transport != Transport::Tls || uri.transport() == Transport::Tls;
        let reachable = |uri: &Uri| uri.socket_addr().filter(|at| at.is_ipv4() == flow.local.is_ipv4() && suits(uri));
        let contacts = response.contacts();
        let Some((uri, remote)) = contacts.iter().find_map(|c| Some((&c.uri, reachable(&c.uri)?))) else {
            return false;
        };
        let Some(calling) = self.calling.as_mut().filter(|calling| calling.redirects < MAX_REDIRECTS) else {
            return false;
        };
        calling.redirects += 1;
        (flow.remote, flow.transport, flow.connection) = (remote, uri.transport(), None);
        self.state.dialog.remote_target = uri.to_string();
        true
    }

    fn give_up(&mut self, status: Option<u16>, reason: String, ctx: &mut Context<'_>) {
        let remote = self.state.flow.remote;
        ctx.out.push_back(Output::Tell(Tell::NotEstablished { remote, status, reason }));
        self.state.ended = Some(EndCause::Failed);
    }
}
