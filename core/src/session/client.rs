//! The other side: a session recording client (RFC 7866 6.1, 7.1), as sans-IO as the server. Load generators and tests
//! drive it.
//!
//! ```text
//! shell -> start, change, end, handle_message, handle_timeout -> Client --> poll_output: Send, Media, Answered, Over
//!                                                                  \-> next_timeout
//! ```
//! After each call: [`Client::poll_output`] until `None`, then wait until [`Client::next_timeout`] at most.

mod answer;
mod call;
mod outcome;
mod plan;
mod refresh;
mod theirs;
#[cfg(test)]
mod tests;

pub use outcome::{Destination, End, Output};
pub use plan::{Body, Change, Line, Plan};

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use self::call::{Alarm, Asked, Call, Phase};
use crate::seed::{Random, Seed};
use crate::sip::digest::{Login, Password};
use crate::sip::message::Message;
use crate::sip::transaction::{ClientKey, Event, Incoming, TimerValues, Transactions};
use crate::sip::{ConnectionId, Flow, Method, Transport};
use crate::time::{Monotonic, Now, TimerTable};

/// What a client answers to; `Allow` of its messages.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK";
/// A datagram with a request is no larger where the path's MTU is not known (RFC 3261 18.1.1).
pub const MAX_DATAGRAM: usize = 1300;

/// A call, as the shell numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallNumber(pub u64);

/// How all calls are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `User-Agent`.
    pub product: String,
    /// Whom we say we are when asked.
    pub login: Option<(String, Password)>,
    /// What is asked for as session interval, seconds; `None` asks for no timer.
    pub session_interval: Option<u32>,
    /// RFC 3261's base values.
    pub timers: TimerValues,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            product: "siprec".to_string(),
            login: None,
            session_interval: Some(1800),
            timers: TimerValues::default(),
        }
    }
}

/// A session recording client and all of its calls.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    random: Random,
    transactions: Transactions,
    calls: BTreeMap<CallNumber, Call>,
    by_call_id: BTreeMap<String, CallNumber>,
    asked: BTreeMap<ClientKey, (CallNumber, Asked)>,
    alarms: TimerTable<(CallNumber, Alarm)>,
    out: VecDeque<Output>,
}

impl Client {
    /// Without calls. Tags, branches and ids are drawn from `seed`.
    pub fn new(settings: Settings, seed: Seed) -> Self {
        let transactions = Transactions::new(settings.timers);
        Self {
            settings,
            random: Random::new(seed),
            transactions,
            calls: BTreeMap::new(),
            by_call_id: BTreeMap::new(),
            asked: BTreeMap::new(),
            alarms: TimerTable::default(),
            out: VecDeque::new(),
        }
    }

    /// Sends the INVITE of a call (RFC 7866 7.1). A number is used once.
    pub fn start(&mut self, now: Now, number: CallNumber, flow: Flow, plan: Plan) {
        let call_id = format!("{}@{}", self.random.token(), flow.local.ip());
        let tag = self.random.token();
        let login = self.settings.login.clone().map(|(name, password)| Login::new(name, password));
        let mut call = Call::new(number, call_id.clone(), tag, flow, plan, login, self.random.next_u64() >> 2);
        call.began = now.monotonic;
        call.interval = self.settings.session_interval;
        self.by_call_id.insert(call_id, number);
        self.calls.insert(number, call);
        self.with_call(now, number, Call::invite);
    }

    /// The size of the INVITE that [`Client::start`] would send, roughly: whether it fits into a datagram.
    pub fn invite_size(&self, flow: &Flow, plan: &Plan) -> usize {
        const HEAD: usize = 900;
        plan.description(flow, 0, 1).len() + plan.metadata.as_ref().map_or(0, |body| body.bytes.len()) + HEAD
    }

    /// Changes an established call, once what is under way is done.
    pub fn change(&mut self, now: Now, number: CallNumber, change: Change) {
        self.with_call(now, number, |call, ctx| call.change(change, ctx));
    }

    /// Ends a call: with a BYE, or a CANCEL where it was not answered yet.
    pub fn end(&mut self, now: Now, number: CallNumber) {
        self.with_call(now, number, Call::end);
    }

    /// Where [`Output::Redirected`] led to; `None` where it led nowhere.
    pub fn redirect(&mut self, now: Now, number: CallNumber, flow: Option<Flow>) {
        self.with_call(now, number, |call, ctx| call.redirect(flow, ctx));
    }

    /// A message came.
    pub fn handle_message(&mut self, now: Now, flow: &Flow, bytes: &[u8]) {
        match Message::parse_datagram(bytes) {
            Ok(message) => {
                if let Some(incoming) = self.transactions.handle_message(now.monotonic, flow, message) {
                    self.incoming(now, flow, incoming);
                }
            }
            Err(error) => {
                let tag = self.random.token();
                self.transactions.refuse_unread(flow, error, &tag);
            }
        }
        self.settle(now);
    }

    /// A connection is gone.
    pub fn transport_failed(&mut self, now: Now, connection: ConnectionId) {
        self.transactions.transport_failed(now.monotonic, connection);
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.transactions.handle_timeout(now.monotonic);
        while let Some((number, alarm)) = self.alarms.pop_due(now.monotonic) {
            self.with_call(now, number, |call, ctx| call.alarm(alarm, ctx));
        }
        self.settle(now);
    }

    /// When [`Client::handle_timeout`] is to be called next.
    pub fn next_timeout(&self) -> Option<Monotonic> {
        [self.transactions.next_timeout(), self.alarms.next().map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// The next thing to do or to know.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some((flow, bytes)) = self.transactions.poll_send() {
            return Some(Output::Send { flow, bytes });
        }
        self.out.pop_front()
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    fn incoming(&mut self, now: Now, flow: &Flow, incoming: Incoming) {
        match incoming {
            Incoming::Request { key, message } => self.request(now, &key, &message),
            Incoming::Ack { message } => {
                if let Some(number) = self.call_of(&message) {
                    self.with_call(now, number, |call, ctx| call.acknowledged(&message, ctx));
                }
            }
            // No INVITE waits for an answer of ours: all are answered at once.
            Incoming::Cancel { key, message, .. } => {
                self.respond(now, &key, Message::response(481, "Call/Transaction Does Not Exist", &message));
            }
            Incoming::MergedRequest { key, message } => {
                self.respond(now, &key, Message::response(482, "Loop Detected", &message));
            }
            Incoming::Response { key, message } => self.response(now, flow, key, &message),
        }
    }

    fn respond(&mut self, now: Now, key: &crate::sip::transaction::ServerKey, mut response: Message) {
        response.set_to_tag(&self.random.token());
        self.transactions.respond(now.monotonic, key, response);
    }

    fn response(&mut self, now: Now, flow: &Flow, key: ClientKey, response: &Message) {
        let provisional = matches!(response.status(), Some(..200));
        let known = if provisional { self.asked.get(&key).cloned() } else { self.asked.remove(&key) };
        if let Some((number, asked)) = known {
            self.with_call(now, number, |call, ctx| call.response(key, asked, response, ctx));
        } else if matches!(response.status(), Some(200..=299)) {
            self.another_dialog(now, flow, key, response);
        }
    }

    /// A 2xx of another branch of a forked INVITE: that dialog is acknowledged and ended (RFC 3261 13.2.2.4).
    fn another_dialog(&mut self, now: Now, flow: &Flow, key: ClientKey, response: &Message) {
        let Some(cseq) = response.cseq().filter(|cseq| cseq.method == Method::Invite) else { return };
        let known = self.call_of(response).and_then(|number| self.calls.get(&number));
        if known.is_some_and(|call| call.dialog.matches(response)) {
            return;
        }
        let invite = Message::request(Method::Invite, "").with("CSeq", format!("{} INVITE", cseq.number));
        let mut dialog = crate::sip::dialog::Dialog::established(&invite, response);
        let (ack, bye) = (dialog.ack(cseq.number), dialog.request(Method::Bye));
        let [first, second] = [self.random.token(), self.random.token()].map(|token| format!("z9hG4bK{token}"));
        let sent_by = flow.local.to_string();
        self.transactions.send_ack(&key, flow, ack, &first, &sent_by);
        self.transactions.request(now.monotonic, flow, bye, second, &sent_by);
    }

    fn call_of(&self, message: &Message) -> Option<CallNumber> {
        self.by_call_id.get(message.call_id()?).copied()
    }

    /// What became due in transactions, and calls that are over.
    fn settle(&mut self, now: Now) {
        while let Some(event) = self.transactions.poll_event() {
            match event {
                Event::TimedOut { key } => {
                    if let Some((number, asked)) = self.asked.remove(&key) {
                        self.with_call(now, number, |call, ctx| call.unanswered(&asked, ctx));
                    }
                }
                // Our 2xx to a re-INVITE of theirs: the dialog is to end (RFC 3261 13.3.1.4).
                Event::NoAck { call_id, .. } => {
                    if let Some(number) = self.by_call_id.get(&call_id).copied() {
                        self.with_call(now, number, Call::end);
                    }
                }
            }
        }
    }

    /// Lets a call do something with all that it may use, and forgets it when it is over.
    fn with_call(&mut self, now: Now, number: CallNumber, act: impl FnOnce(&mut Call, &mut Context<'_>)) {
        let Some(mut call) = self.calls.remove(&number) else { return };
        let mut ctx = Context {
            now,
            settings: &self.settings,
            random: &mut self.random,
            transactions: &mut self.transactions,
            asked: &mut self.asked,
            alarms: &mut self.alarms,
            out: &mut self.out,
        };
        act(&mut call, &mut ctx);
        if call.phase == Phase::Over {
            for alarm in Alarm::ALL {
                self.alarms.cancel(&(number, alarm));
            }
            self.by_call_id.remove(&call.dialog.call_id);
        } else {
            self.calls.insert(number, call);
        }
    }
}

/// What a call works with.
struct Context<'a> {
    now: Now,
    settings: &'a Settings,
    random: &'a mut Random,
    transactions: &'a mut Transactions,
    asked: &'a mut BTreeMap<ClientKey, (CallNumber, Asked)>,
    alarms: &'a mut TimerTable<(CallNumber, Alarm)>,
    out: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.random.token())
    }

    fn tell(&mut self, call: CallNumber, what: impl Into<String>) {
        self.out.push_back(Output::Told { call, what: what.into() });
    }
}

/// `application/sdp` and metadata together (RFC 7866 9.1), or the one that there is.
fn with_bodies(message: Message, sdp: Option<Vec<u8>>, metadata: Option<&Body>, boundary: &str) -> Message {
    let (sdp, metadata) = match (sdp, metadata) {
        (None, None) => return message,
        (Some(sdp), None) => return message.with_body("application/sdp", sdp),
        (None, Some(body)) => {
            let message = message.with_body(&body.content_type, body.bytes.clone());
            return message.with("Content-Disposition", "recording-session");
        }
        (Some(sdp), Some(metadata)) => (sdp, metadata),
    };
    let mut bytes = format!("--{boundary}\r\nContent-Type: application/sdp\r\n\r\n").into_bytes();
    bytes.extend_from_slice(&sdp);
    let head = format!(
        "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Disposition: recording-session\r\n\r\n",
        metadata.content_type
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(&metadata.bytes);
    bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    message.with_body(&format!("multipart/mixed;boundary={boundary}"), bytes)
}

/// Contact with the client's feature tag (RFC 7866 6.1.1).
fn contact(flow: &Flow, secure: bool) -> String {
    let (scheme, parameter) = match (secure, flow.transport) {
        (true, _) => ("sips", ""),
        (false, Transport::Udp) => ("sip", ""),
        (false, Transport::Tcp) => ("sip", ";transport=tcp"),
        (false, Transport::Tls) => ("sip", ";transport=tls"),
    };
    format!("<{scheme}:src@{}{parameter}>;+sip.src", flow.local)
}
