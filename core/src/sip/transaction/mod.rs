//! Transactions (RFC 3261 17 as corrected by RFC 6026): what is sent again, what is answered from memory, and what
//! is passed on.
//!
//! ```text
//! message -> handle_message -> Incoming -> session -> respond | request | send_ack
//! time ----> handle_timeout ------------> Event           |
//! socket <- poll_send <-----------------------------------+
//! ```
//!
//! After each call of a method that takes `now`: [`Transactions::poll_send`] and [`Transactions::poll_event`] until
//! `None`, then [`Transactions::next_timeout`].
//!
//! Bounded: [`MAX_SERVERS`] server transactions, beyond which finished ones are forgotten early and then requests
//! dropped; client transactions are as many as the caller starts, and each ends by itself.

mod client;
mod key;
mod server;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use self::client::Client;
use self::key::{DialogKey, MatchKey, MergeKey};
use self::server::{Server, ServerState};
use super::check::Rejection;
use super::message::{Message, ParseError};
use super::{ConnectionId, Flow, Method};
use crate::time::{Monotonic, TimerTable};

/// The most server transactions kept at a time: 32 s of 1,000 requests a second.
pub const MAX_SERVERS: usize = 32_768;

/// The most peers that are known not to take streams; whoever is forgotten is tried again.
const MAX_WITHOUT_TCP: usize = 1024;

/// An INVITE that is not answered for so long gets a 100 from here (RFC 3261 17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// RFC 3261's base values; all its timers are made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerValues {
    /// Round trip estimate: 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions: 4 s.
    pub t2: Duration,
    /// How long a message may live in the network: 5 s.
    pub t4: Duration,
}

impl Default for TimerValues {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl TimerValues {
    /// 64*T1: timers B, F, H, J, L, M.
    fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// A request of a peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(u64);

/// A request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u64);

/// What a message is to the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A request to answer.
    Request {
        /// To answer with.
        key: ServerKey,
        /// The request, its topmost Via stamped.
        message: Message,
    },
    /// An ACK for a 2xx, or one that belongs to nothing here. It is not answered.
    Ack {
        /// The ACK.
        message: Message,
    },
    /// A CANCEL: to be answered itself, with 200 or 481 (RFC 3261 9.2), and the INVITE with 487.
    Cancel {
        /// The CANCEL's own transaction.
        key: ServerKey,
        /// The INVITE it is about, if it is known. Answering it is without effect once it has its final response.
        invite: Option<ServerKey>,
        /// The CANCEL.
        message: Message,
    },
    /// A response to a request of ours. A retransmitted 2xx comes again only as long as there is no ACK for it.
    Response {
        /// The request.
        key: ClientKey,
        /// The response.
        message: Message,
    },
    /// A request that came before by another way: to be answered 482 (RFC 3261 8.2.2.2).
    MergedRequest {
        /// To answer with.
        key: ServerKey,
        /// The request.
        message: Message,
    },
}

/// What time brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// No ACK came for a 2xx in 64*T1 (RFC 3261 13.3.1.4).
    NoAck {
        /// The INVITE.
        key: ServerKey,
        /// Its Call-ID.
        call_id: String,
        /// Its CSeq number.
        cseq: u32,
    },
    /// No response came, or the connection was lost before one (RFC 3261 8.1.3.1: as if 408 or 503 had come).
    TimedOut {
        /// The request.
        key: ClientKey,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A 100 is due.
    Trying(ServerKey),
    /// G, and the retransmission of a 2xx (RFC 3261 13.3.1.4).
    ServerRetransmit(ServerKey),
    /// H, I, J, L.
    ServerEnd(ServerKey),
    /// A, E.
    ClientRetransmit(ClientKey),
    /// B, D, F, K, M.
    ClientEnd(ClientKey),
}

/// All transactions of an endpoint.
#[derive(Debug)]
pub struct Transactions {
    values: TimerValues,
    limit: usize,
    timers: TimerTable<Timer>,
    servers: BTreeMap<ServerKey, Server>,
    by_match: BTreeMap<MatchKey, ServerKey>,
    by_merge: BTreeMap<MergeKey, ServerKey>,
    /// INVITEs whose 2xx waits for its ACK.
    unacknowledged: BTreeMap<DialogKey, BTreeSet<ServerKey>>,
    /// Answered non-INVITEs, oldest first: what may be forgotten early.
    finished: VecDeque<ServerKey>,
    clients: BTreeMap<ClientKey, Client>,
    by_branch: BTreeMap<(String, Method), ClientKey>,
    /// Requests too large for a datagram are tried over TCP.
    tries_tcp: bool,
    /// Who does not take streams.
    without_tcp: BTreeSet<SocketAddr>,
    next_key: u64,
    dropped: u64,
    outbox: VecDeque<(Flow, Vec<u8>)>,
    events: VecDeque<Event>,
}

impl Transactions {
    /// None yet.
    pub fn new(timers: TimerValues) -> Self {
        Self {
            values: timers,
            limit: MAX_SERVERS,
            timers: TimerTable::default(),
            servers: BTreeMap::new(),
            by_match: BTreeMap::new(),
            by_merge: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            finished: VecDeque::new(),
            clients: BTreeMap::new(),
            by_branch: BTreeMap::new(),
            tries_tcp: false,
            without_tcp: BTreeSet::new(),
            next_key: 0,
            dropped: 0,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Requests too large for a datagram are tried over TCP from now on (RFC 3261 18.1.1), and go as datagrams to who cannot
    /// be connected to ([`Transactions::no_stream_to`]).
    pub fn try_tcp(&mut self) {
        self.tries_tcp = true;
    }

    /// Finds the transaction of a message that came over `flow`. `None`: nothing is left to do, it was a
    /// retransmission (answered from memory), an ACK of a refusal, a stray response, or a request without a readable
    /// Via, which nobody can answer.
    pub fn handle_message(&mut self, now: Monotonic, flow: &Flow, message: Message) -> Option<Incoming> {
        if message.is_request() { self.handle_request(now, flow, message) } else { self.handle_response(now, message) }
    }

    /// Answers what could not be read as a message, if it can be answered: without a transaction, as RFC 3261 8.2.7
    /// allows. `to_tag` should be the same for the same request.
    pub fn refuse_unread(&mut self, flow: &Flow, error: ParseError, to_tag: &str) {
        let Some(mut request) = error.answerable else { return };
        let via = request.stamp_via(flow.remote);
        let mut response = Message::response(error.status, error.reason, &request);
        response.set_to_tag(to_tag);
        self.outbox.push_back((server::response_flow(flow, via.as_ref()), response.encode()));
    }

    /// Refuses a request without a transaction: nothing of it is remembered (RFC 3261 8.2.7). `to_tag` must be the same
    /// for the same request. An ACK is never answered.
    pub fn refuse_stateless(&mut self, flow: &Flow, request: &Message, rejection: &Rejection, to_tag: &str) {
        if request.method() == Some(&Method::Ack) {
            return;
        }
        let mut request = request.clone();
        let via = request.stamp_via(flow.remote);
        let mut response = rejection.response(&request);
        response.set_to_tag(to_tag);
        self.outbox.push_back((server::response_flow(flow, via.as_ref()), response.encode()));
    }

    /// Tells that a connection is gone. Responses still to be sent ask for a new one, to the address of RFC 3261
    /// 18.2.2; requests of ours that it carried fail.
    pub fn transport_failed(&mut self, _now: Monotonic, connection: ConnectionId) {
        for server in self.servers.values_mut().filter(|server| server.flow.connection == Some(connection)) {
            server.flow.connection = None;
            server.flow.remote = server.fallback;
        }
        self.clients_failed(connection);
    }

    /// Does what is due. Call when [`Transactions::next_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Monotonic) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Trying(key) => self.send_trying(key),
                Timer::ServerRetransmit(key) => self.retransmit_response(now, key),
                Timer::ServerEnd(key) => self.end_server(key),
                Timer::ClientRetransmit(key) => self.retransmit_request(now, key),
                Timer::ClientEnd(key) => self.end_client(key),
            }
        }
    }

    /// When [`Transactions::handle_timeout`] is to be called next.
    pub fn next_timeout(&self) -> Option<Monotonic> {
        self.timers.next().map(|(at, _)| at)
    }

    /// The next message to send. A stream's flow without a connection asks for one to be opened.
    pub fn poll_send(&mut self) -> Option<(Flow, Vec<u8>)> {
        self.outbox.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether a request still waits for its final response.
    pub fn is_pending(&self, key: &ServerKey) -> bool {
        self.servers
            .get(key)
            .is_some_and(|server| matches!(server.state, ServerState::Trying | ServerState::Proceeding))
    }

    /// How many transactions there are, server and client.
    pub fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.clients.is_empty()
    }

    /// How many requests were dropped because there were [`MAX_SERVERS`] unfinished ones.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn new_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }
}

#[cfg(test)]
mod tests;
