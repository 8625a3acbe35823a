//! One call: its INVITE, its changes one after the other, its end.
//!
//! ```text
//! Calling -- 2xx --> Established -- end --> Leaving -- response --> Over
//!    |  \- 3xx, 401, 407, 422, 491: once more        (BYE of theirs, refusals, silence: Over at once)
//!    \-- any other refusal --> Over
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::answer::{description_of, mismatch};
use super::outcome::{End, Output};
use super::plan::{Body, Change, Plan};
use super::{ALLOW, CallNumber, Context, contact, with_bodies};
use crate::sdp::{Description, Direction};
use crate::session::{MAX_REDIRECTS, SHORTEST_INTERVAL};
use crate::sip::dialog::{Dialog, is_sips};
use crate::sip::digest::Login;
use crate::sip::message::Message;
use crate::sip::transaction::ClientKey;
use crate::sip::{Flow, Method, Transport};
use crate::time::Monotonic;

/// Times that one request is made again: challenges, intervals too small, offers that crossed.
const MAX_TRIES: u8 = 6;
/// Changes that wait for the one under way.
const MAX_WAITING: usize = 64;
/// Characters of a Warning that are told.
const MAX_WARNING: usize = 300;
/// After a 491: we own the Call-ID, so later than the server (RFC 3261 14.1), and by so much at random.
const CROSSED: Duration = Duration::from_millis(2100);
const CROSSED_SPREAD_MS: u64 = 1900;

/// What a call is reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// Of a request that crossed one of theirs.
    Again,
    /// Of the session's refresh.
    Refresh,
    /// Of the session's end, if nobody refreshed it.
    Expire,
}

impl Alarm {
    pub(super) const ALL: [Self; 3] = [Self::Again, Self::Refresh, Self::Expire];
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Calling,
    Established,
    Leaving,
    Over,
}

/// A request of ours that waits for its response.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Without Via.
    request: Message,
    purpose: Purpose,
    tries: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Invite,
    Change(Box<Change>),
    Prack,
    Bye,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: CallNumber,
    pub(super) plan: Plan,
    pub(super) dialog: Dialog,
    pub(super) flow: Flow,
    pub(super) phase: Phase,
    pub(super) session_id: u64,
    pub(super) version: u64,
    pub(super) began: Monotonic,
    /// Our INVITE or offer that is under way.
    pub(super) busy: Option<ClientKey>,
    /// The ACK of their INVITE brings an answer.
    pub(super) answer_in_ack: bool,
    /// Session timer: what is asked for or was granted, seconds.
    pub(super) interval: Option<u32>,
    pub(super) min_se: u32,
    pub(super) peer_refreshes: bool,
    login: Option<Login>,
    /// The answer that a reliable provisional response brought (RFC 3262 5).
    early_answer: Option<Description>,
    /// RSeq of the last one acknowledged.
    last_rseq: u32,
    redirects: u8,
    waiting: VecDeque<Change>,
    /// To be sent when [`Alarm::Again`] comes.
    again: Option<Asked>,
    updates: bool,
    wants_end: bool,
}

impl Call {
    pub(super) fn new(
        number: CallNumber,
        call_id: String,
        tag: String,
        flow: Flow,
        plan: Plan,
        login: Option<Login>,
        session_id: u64,
    ) -> Self {
        Self {
            number,
            dialog: Dialog::calling(call_id, tag, &plan.from, &plan.uri),
            plan,
            flow,
            phase: Phase::Calling,
            session_id,
            version: 0,
            began: Monotonic(0),
            busy: None,
            answer_in_ack: false,
            interval: None,
            min_se: SHORTEST_INTERVAL,
            peer_refreshes: false,
            login,
            early_answer: None,
            last_rseq: 0,
            redirects: 0,
            waiting: VecDeque::new(),
            again: None,
            updates: false,
            wants_end: false,
        }
    }

    /// The INVITE (RFC 7866 6.1.1, 7.1.1, 9.1).
    pub(super) fn invite(&mut self, ctx: &mut Context<'_>) {
        let metadata = self.plan.metadata.clone();
        let request = self.offer(Method::Invite, metadata.as_ref(), ctx).with("Supported", "100rel");
        self.ask(Asked { request, purpose: Purpose::Invite, tries: 0 }, ctx);
    }

    /// A request with an offer, and metadata if there is some: labels that metadata speaks of stand in an offer of the
    /// same request (RFC 7866 9.1).
    fn offer(&mut self, method: Method, metadata: Option<&Body>, ctx: &mut Context<'_>) -> Message {
        self.version += 1;
        let sdp = self.plan.description(&self.flow, self.session_id, self.version);
        let request = self.dialog.request(method);
        let request = request
            .with("Contact", contact(&self.flow, self.dialog.secure))
            .with("Require", "siprec")
            .with("Supported", "timer")
            .with("Allow", ALLOW)
            .with("Accept", "application/sdp, application/rs-metadata")
            .with("User-Agent", ctx.settings.product.clone());
        let request = self.ask_for_timer(request);
        with_bodies(request, Some(sdp), metadata, &ctx.random.token())
    }

    /// Sends a request in a transaction of its own, signed if we were asked to.
    fn ask(&mut self, mut asked: Asked, ctx: &mut Context<'_>) {
        if let Some(login) = &mut self.login {
            login.sign(&mut asked.request, &ctx.random.token());
        }
        let flow = self.route();
        let (branch, sent_by) = (ctx.branch(), flow.local.to_string());
        let key = ctx.transactions.request(ctx.now.monotonic, &flow, asked.request.clone(), branch, &sent_by);
        if matches!(asked.purpose, Purpose::Invite | Purpose::Change(_)) {
            self.busy = Some(key);
        }
        ctx.asked.insert(key, (self.number, asked));
    }

    /// The same request with a CSeq of its own.
    fn ask_again(&mut self, mut asked: Asked, ctx: &mut Context<'_>) {
        let method = asked.request.method().cloned().unwrap_or(Method::Invite);
        self.dialog.local_cseq = self.dialog.local_cseq.saturating_add(1);
        asked.request.headers.set("CSeq", format!("{} {method}", self.dialog.local_cseq));
        asked.tries += 1;
        self.ask(asked, ctx);
    }

    /// Over datagrams, where the dialog says; a stream is kept.
    fn route(&self) -> Flow {
        let hop =
            self.dialog.next_hop().filter(|_| self.flow.transport == Transport::Udp && self.phase != Phase::Calling);
        let remote = hop.and_then(|hop| hop.socket_addr()).filter(|to| to.is_ipv4() == self.flow.local.is_ipv4());
        Flow { remote: remote.unwrap_or(self.flow.remote), ..self.flow.clone() }
    }

    pub(super) fn response(&mut self, key: ClientKey, mut asked: Asked, response: &Message, ctx: &mut Context<'_>) {
        let status = response.status().unwrap_or(0);
        if status < 200 {
            return self.provisional(&asked, response, ctx);
        }
        if self.busy == Some(key) {
            self.busy = None;
        }
        let may_try = asked.tries < MAX_TRIES && !self.wants_end || asked.purpose == Purpose::Bye;
        match status {
            200..=299 => return self.accepted(key, asked, response, ctx),
            401 | 407 if may_try && self.login.as_mut().is_some_and(|login| login.take_challenge(response)) => {
                return self.ask_again(asked, ctx);
            }
            422 if may_try && self.too_small(response) => {
                asked.request.headers.remove("Session-Expires");
                asked.request.headers.remove("Min-SE");
                asked.request = self.ask_for_timer(asked.request);
                return self.ask_again(asked, ctx);
            }
            491 if may_try => {
                let spread = Duration::from_millis(ctx.random.next_u64() % CROSSED_SPREAD_MS);
                ctx.alarms.set((self.number, Alarm::Again), ctx.now.monotonic.after(CROSSED + spread));
                self.again = Some(asked);
                return;
            }
            300..=399 if asked.purpose == Purpose::Invite && !self.wants_end && self.redirects < MAX_REDIRECTS => {
                if let Some(to) = response.contacts().into_iter().find(|contact| contact.uri.is_sip()) {
                    self.redirects += 1;
                    self.again = Some(asked);
                    self.dialog.remote_target = to.uri.to_string();
                    let uri = self.dialog.remote_target.clone();
                    ctx.out.push_back(Output::Redirected { call: self.number, uri });
                    return;
                }
            }
            _ => {}
        }
        self.refused(&asked, response, ctx);
    }

    /// Of provisional responses only a reliable one is answered (RFC 3262 4).
    fn provisional(&mut self, asked: &Asked, response: &Message, ctx: &mut Context<'_>) {
        let reliable = response.require().iter().any(|tag| tag.eq_ignore_ascii_case("100rel"));
        let rseq = response.header("RSeq").and_then(|value| value.trim().parse::<u32>().ok());
        let (Some(rseq), Some(cseq)) = (rseq.filter(|_| reliable), response.cseq()) else { return };
        if asked.purpose != Purpose::Invite || rseq <= self.last_rseq {
            return;
        }
        self.last_rseq = rseq;
        if let Some(answer) = description_of(response) {
            self.early_answer = Some(answer);
        }
        let mut early = self.dialog.clone();
        early.confirm(response);
        let request = early.request(Method::Prack).with("RAck", format!("{rseq} {} INVITE", cseq.number));
        self.dialog.local_cseq = early.local_cseq;
        self.ask(Asked { request, purpose: Purpose::Prack, tries: 0 }, ctx);
    }

    fn accepted(&mut self, key: ClientKey, asked: Asked, response: &Message, ctx: &mut Context<'_>) {
        if response.cseq().is_some_and(|cseq| cseq.method == Method::Invite) {
            if self.phase == Phase::Calling {
                self.dialog.confirm(response);
                self.phase = Phase::Established;
                let after = ctx.now.monotonic.since(self.began);
                ctx.out.push_back(Output::Answered { call: self.number, after });
            } else {
                self.dialog.refresh_target(response);
            }
            let ack = self.dialog.ack(response.cseq().map_or(0, |cseq| cseq.number));
            let (flow, branch) = (self.route(), ctx.branch());
            ctx.transactions.send_ack(&key, &flow, ack, &branch, &flow.local.to_string());
        }
        match asked.purpose {
            Purpose::Prack => return,
            Purpose::Bye => return self.over(End::Ours, ctx),
            Purpose::Invite | Purpose::Change(_) => {}
        }
        self.updates |= response.headers_all("Allow").any(|method| method.eq_ignore_ascii_case("UPDATE"));
        self.timer_granted(response, ctx);
        let answer = description_of(response).or_else(|| self.early_answer.take());
        match answer {
            Some(answer) => match mismatch(&self.plan.lines, &answer) {
                Some(how) => return self.broken(how, ctx),
                None => self.take_description(&answer, ctx),
            },
            None => return self.broken("a 2xx without an answer to our offer (RFC 3261 13.2.1)".to_string(), ctx),
        }
        self.proceed(ctx);
    }

    fn refused(&mut self, asked: &Asked, response: &Message, ctx: &mut Context<'_>) {
        let status = response.status().unwrap_or(0);
        let retry_after = response.header("Retry-After").and_then(|value| {
            let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        let warning = response.header("Warning").and_then(|value| {
            // warn-code, warn-agent, text (RFC 3261 20.43).
            let (_, quoted) = value.split_once('"')?;
            let text = quoted.rsplit_once('"').map_or(quoted, |(text, _)| text);
            Some(text.chars().filter(|c| !c.is_control()).take(MAX_WARNING).collect())
        });
        if matches!(status, 401 | 407) {
            let what = match &self.login {
                None => "the server asks for a user and a password (--user)",
                Some(_) => "the server does not take this user and password, or none of its algorithms is known",
            };
            ctx.tell(self.number, what);
        }
        let end = End::Refused { status, reason: response.reason().to_string(), retry_after, warning };
        match asked.purpose {
            Purpose::Bye => self.over(End::Ours, ctx),
            Purpose::Invite if self.wants_end => self.over(End::Cancelled, ctx),
            Purpose::Invite => self.over(end, ctx),
            // RFC 3261 12.2.1.2: the dialog is gone, or its other side is.
            Purpose::Change(_) if matches!(status, 408 | 481) => self.over(end, ctx),
            Purpose::Change(_) => {
                // The session goes on as it was (RFC 3261 14.1).
                ctx.tell(self.number, format!("a change was refused: {end}"));
                self.proceed(ctx);
            }
            Purpose::Prack => ctx.tell(self.number, format!("a PRACK was refused: {end}")),
        }
    }

    /// Nothing came, or the connection went.
    pub(super) fn unanswered(&mut self, asked: &Asked, ctx: &mut Context<'_>) {
        match asked.purpose {
            Purpose::Prack => {}
            Purpose::Bye => self.over(End::Ours, ctx),
            Purpose::Invite if self.wants_end => self.over(End::Cancelled, ctx),
            // RFC 3261 12.2.1.2: as if 408 had come.
            Purpose::Invite | Purpose::Change(_) => self.over(End::Unanswered, ctx),
        }
    }

    pub(super) fn redirect(&mut self, flow: Option<Flow>, ctx: &mut Context<'_>) {
        let Some(mut asked) = self.again.take() else { return };
        let Some(flow) = flow.filter(|_| !self.wants_end) else { return self.over(End::Unanswered, ctx) };
        self.flow = flow;
        let uri = self.dialog.remote_target.clone();
        self.dialog.secure = is_sips(&uri);
        let mut request = Message::request(Method::Invite, uri);
        request.headers = asked.request.headers;
        request.body = asked.request.body;
        request.headers.set("Contact", contact(&self.flow, self.dialog.secure));
        asked.request = request;
        self.ask_again(asked, ctx);
    }

    /// A change, now or when the one under way is done.
    pub(super) fn change(&mut self, change: Change, ctx: &mut Context<'_>) {
        if self.phase == Phase::Leaving || self.waiting.len() >= MAX_WAITING {
            return;
        }
        self.waiting.push_back(change);
        self.proceed(ctx);
    }

    /// The next thing that waits.
    fn proceed(&mut self, ctx: &mut Context<'_>) {
        if self.phase != Phase::Established || self.busy.is_some() || self.again.is_some() {
            return;
        }
        if self.wants_end {
            return self.bye(ctx);
        }
        let Some(change) = self.waiting.pop_front() else { return };
        let is_spoken = matches!(change, Change::Metadata(_) | Change::Snapshot | Change::Refresh);
        let metadata = match &change {
            Change::Hold | Change::Resume => {
                let direction = if change == Change::Hold { Direction::Inactive } else { Direction::SendOnly };
                self.plan.lines.iter_mut().for_each(|line| line.direction = direction);
                None
            }
            Change::Metadata(document) => {
                self.plan.document.take_in((**document).clone());
                Some(Body::of(document))
            }
            Change::Offer { lines, metadata } => {
                self.plan.lines.clone_from(lines);
                if let Some(body) = metadata
                    && let Some(document) = crate::metadata::parse(&body.content_type, &body.bytes).document
                {
                    self.plan.document.take_in(document);
                }
                metadata.clone()
            }
            Change::Snapshot => Some(self.plan.snapshot()),
            Change::Refresh => None,
        };
        let method = if is_spoken && self.updates { Method::Update } else { Method::Invite };
        let request = self.offer(method, metadata.as_ref(), ctx);
        self.ask(Asked { request, purpose: Purpose::Change(Box::new(change)), tries: 0 }, ctx);
    }

    pub(super) fn alarm(&mut self, alarm: Alarm, ctx: &mut Context<'_>) {
        match alarm {
            Alarm::Again => {
                if let Some(asked) = self.again.take() {
                    if self.wants_end && self.phase == Phase::Established {
                        return self.bye(ctx);
                    }
                    self.ask_again(asked, ctx);
                }
            }
            Alarm::Refresh => self.refresh(ctx),
            Alarm::Expire => {
                ctx.tell(self.number, "the server did not refresh the session in time (RFC 4028 10)");
                self.end(ctx);
            }
        }
    }

    /// Ends the call as it has to be ended where it is.
    pub(super) fn end(&mut self, ctx: &mut Context<'_>) {
        self.wants_end = true;
        match self.phase {
            Phase::Calling => match self.busy {
                Some(key) => ctx.transactions.cancel(ctx.now.monotonic, &key),
                None => self.over(End::Cancelled, ctx),
            },
            Phase::Established => self.bye(ctx),
            Phase::Leaving | Phase::Over => {}
        }
    }

    fn bye(&mut self, ctx: &mut Context<'_>) {
        self.phase = Phase::Leaving;
        let request = self.dialog.request(Method::Bye).with("User-Agent", ctx.settings.product.clone());
        self.ask(Asked { request, purpose: Purpose::Bye, tries: 0 }, ctx);
    }

    fn broken(&mut self, how: String, ctx: &mut Context<'_>) {
        self.bye(ctx);
        self.over(End::Broken(how), ctx);
    }

    pub(super) fn over(&mut self, end: End, ctx: &mut Context<'_>) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            ctx.out.push_back(Output::Over { call: self.number, end });
        }
    }
}
