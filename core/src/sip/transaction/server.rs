//! Server transactions: requests of peers and our responses (RFC 3261 17.2, RFC 6026 7.1).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::key::{DialogKey, MatchKey, MergeKey};
use super::{Event, Incoming, ServerKey, TRYING_AFTER, Timer, Transactions};
use crate::sip::message::Message;
use crate::sip::uri::Via;
use crate::sip::{Flow, Method};
use crate::time::Monotonic;

/// Where a server transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerState {
    /// Nothing sent.
    Trying,
    /// A provisional response sent.
    Proceeding,
    /// A final response sent; for an INVITE, a refusal that waits for its ACK.
    Completed,
    /// The refusal's ACK came.
    Confirmed,
    /// A 2xx to an INVITE was sent, and no ACK came.
    Accepted,
    /// A 2xx to an INVITE was sent, and its ACK came.
    Acknowledged,
}

#[derive(Debug)]
pub(super) struct Server {
    is_invite: bool,
    pub(super) state: ServerState,
    match_key: MatchKey,
    merge_key: Option<MergeKey>,
    dialog: Option<DialogKey>,
    cseq: u32,
    /// The tag of our response.
    to_tag: Option<String>,
    /// Where responses go.
    pub(super) flow: Flow,
    /// Where they go when the connection is gone.
    pub(super) fallback: SocketAddr,
    /// What a retransmission is answered with. Before anything was sent: the 100 that may become due.
    response: Vec<u8>,
    interval: Duration,
}

/// Where the response to a request with this stamped Via goes (RFC 3261 18.2.2): back on the connection, else as Via says.
pub(super) fn response_flow(flow: &Flow, via: Option<&Via>) -> Flow {
    if flow.connection.is_some() {
        return flow.clone();
    }
    Flow { remote: fallback(flow, via), ..flow.clone() }
}

/// Where Via says, in the family of our socket: one for both families shows IPv4 peers as IPv6.
fn fallback(flow: &Flow, via: Option<&Via>) -> SocketAddr {
    let address = via.and_then(|via| via.response_address(flow.transport)).unwrap_or(flow.remote);
    match (address, flow.local) {
        (SocketAddr::V4(v4), SocketAddr::V6(_)) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        (SocketAddr::V4(_), SocketAddr::V4(_)) | (SocketAddr::V6(_), _) => address,
    }
}

impl Transactions {
    /// Sends a response. The first final one counts, what follows it is passed over. A 2xx to an INVITE is sent again
    /// until its ACK comes, over TCP and TLS as well (RFC 3261 13.3.1.4).
    pub fn respond(&mut self, now: Monotonic, key: &ServerKey, response: Message) {
        let Some(server) = self.servers.get_mut(key) else { return };
        let Some(status) = response.status() else { return };
        if !matches!(server.state, ServerState::Trying | ServerState::Proceeding) {
            return;
        }
        server.response = response.encode();
        self.outbox.push_back((server.flow.clone(), server.response.clone()));
        self.timers.cancel(&Timer::Trying(*key));
        if status < 200 {
            server.state = ServerState::Proceeding;
            return;
        }
        let reliable = server.flow.transport.is_reliable();
        let patience = self.values.patience();
        server.interval = self.values.t1;
        server.to_tag = response.to_tag().map(ToOwned::to_owned);
        let retransmit_at = now.after(server.interval);
        if !server.is_invite {
            server.state = ServerState::Completed;
            // Timer J.
            if reliable {
                self.end_server(*key);
                return;
            }
            self.finished.push_back(*key);
        } else if status < 300 {
            server.state = ServerState::Accepted;
            if let Some(dialog) = &server.dialog {
                self.unacknowledged.entry(dialog.clone()).or_default().insert(*key);
            }
            self.timers.set(Timer::ServerRetransmit(*key), retransmit_at);
        } else {
            server.state = ServerState::Completed;
            // Timer G.
            if !reliable {
                self.timers.set(Timer::ServerRetransmit(*key), retransmit_at);
            }
        }
        // Timers H, J, L.
        self.timers.set(Timer::ServerEnd(*key), now.after(patience));
    }

    pub(super) fn handle_request(&mut self, now: Monotonic, flow: &Flow, mut message: Message) -> Option<Incoming> {
        let via = message.stamp_via(flow.remote)?;
        let match_key = MatchKey::of(&message, &via)?;
        let known = self.by_match.get(&match_key).copied();
        if message.method() == Some(&Method::Ack) {
            return self.handle_ack(now, known, message);
        }
        if let Some(key) = known {
            self.answer_again(key, flow);
            return None;
        }
        let is_cancel = message.method() == Some(&Method::Cancel);
        let cancelled = is_cancel.then(|| MatchKey::of_cancelled(&message, &via));
        let invite = cancelled.and_then(|key| self.by_match.get(&key).copied());
        let merge_key = MergeKey::of(&message);
        let merged = merge_key.as_ref().is_some_and(|key| self.by_merge.contains_key(key));
        let key = self.open_server(now, flow, (&message, &via), match_key, merge_key.filter(|_| !merged))?;
        Some(if merged {
            Incoming::MergedRequest { key, message }
        } else if is_cancel {
            Incoming::Cancel { key, invite, message }
        } else {
            Incoming::Request { key, message }
        })
    }

    fn open_server(
        &mut self,
        now: Monotonic,
        flow: &Flow,
        (request, via): (&Message, &Via),
        match_key: MatchKey,
        merge_key: Option<MergeKey>,
    ) -> Option<ServerKey> {
        if self.servers.len() >= self.limit && !self.forget_oldest() {
            self.dropped += 1;
            return None;
        }
        let key = ServerKey(self.new_key());
        let is_invite = request.method() == Some(&Method::Invite);
        self.by_match.insert(match_key.clone(), key);
        if let Some(merge_key) = &merge_key {
            self.by_merge.insert(merge_key.clone(), key);
        }
        let mut response = Vec::new();
        if is_invite {
            response = Message::encode_trying(request);
            self.timers.set(Timer::Trying(key), now.after(TRYING_AFTER));
        }
        let fallback = fallback(flow, Some(via));
        let server = Server {
            is_invite,
            state: ServerState::Trying,
            match_key,
            merge_key,
            dialog: if is_invite { DialogKey::of(request) } else { None },
            cseq: request.cseq().map_or(0, |cseq| cseq.number),
            to_tag: None,
            flow: if flow.connection.is_some() { flow.clone() } else { Flow { remote: fallback, ..flow.clone() } },
            fallback,
            response,
            interval: self.values.t1,
        };
        self.servers.insert(key, server);
        Some(key)
    }

    /// Makes room by ending the non-INVITE that was answered first.
    fn forget_oldest(&mut self) -> bool {
        while let Some(key) = self.finished.pop_front() {
            if self.servers.contains_key(&key) {
                self.end_server(key);
                return true;
            }
        }
        false
    }

    /// A retransmitted request. A 2xx to an INVITE goes out by its own timer (RFC 6026 7.1).
    fn answer_again(&mut self, key: ServerKey, flow: &Flow) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        if flow.connection.is_some() {
            server.flow = flow.clone();
        }
        match server.state {
            ServerState::Proceeding | ServerState::Completed => {
                self.outbox.push_back((server.flow.clone(), server.response.clone()));
            }
            ServerState::Trying | ServerState::Confirmed | ServerState::Accepted | ServerState::Acknowledged => {}
        }
    }

    fn handle_ack(&mut self, now: Monotonic, known: Option<ServerKey>, message: Message) -> Option<Incoming> {
        if let Some((key, server)) = known.and_then(|key| Some((key, self.servers.get_mut(&key)?))) {
            match server.state {
                ServerState::Trying | ServerState::Proceeding | ServerState::Confirmed => return None,
                ServerState::Completed => {
                    server.state = ServerState::Confirmed;
                    self.timers.cancel(&Timer::ServerRetransmit(key));
                    // Timer I.
                    if server.flow.transport.is_reliable() {
                        self.end_server(key);
                    } else {
                        self.timers.set(Timer::ServerEnd(key), now.after(self.values.t4));
                    }
                    return None;
                }
                // Some peers send the ACK of a 2xx under the INVITE's branch.
                ServerState::Accepted | ServerState::Acknowledged => self.acknowledge(key),
            }
        }
        if let (Some(dialog), Some(cseq)) = (DialogKey::of(&message), message.cseq()) {
            let waiting = self.unacknowledged.get(&dialog).into_iter().flatten().copied();
            let covered: Vec<ServerKey> =
                waiting.filter(|key| self.is_covered(*key, cseq.number, message.to_tag())).collect();
            for key in covered {
                self.acknowledge(key);
            }
        }
        Some(Incoming::Ack { message })
    }

    /// Whether an ACK is for this 2xx or a later one of its dialog: of two 2xx in quick succession some peers
    /// acknowledge only the newer.
    fn is_covered(&self, key: ServerKey, cseq: u32, to_tag: Option<&str>) -> bool {
        self.servers.get(&key).is_some_and(|server| {
            server.cseq <= cseq && (to_tag.is_none() || server.to_tag.is_none() || server.to_tag.as_deref() == to_tag)
        })
    }

    fn acknowledge(&mut self, key: ServerKey) {
        self.timers.cancel(&Timer::ServerRetransmit(key));
        if let Some(server) = self.servers.get_mut(&key) {
            server.state = ServerState::Acknowledged;
            // Nothing is answered with it any more.
            server.response = Vec::new();
        }
        self.stop_waiting(key);
    }

    fn stop_waiting(&mut self, key: ServerKey) {
        let Some(dialog) = self.servers.get(&key).and_then(|server| server.dialog.as_ref()) else { return };
        if let Some(waiting) = self.unacknowledged.get_mut(dialog) {
            waiting.remove(&key);
            if waiting.is_empty() {
                self.unacknowledged.remove(dialog);
            }
        }
    }

    pub(super) fn send_trying(&mut self, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key).filter(|server| server.state == ServerState::Trying) else {
            return;
        };
        server.state = ServerState::Proceeding;
        self.outbox.push_back((server.flow.clone(), server.response.clone()));
    }

    pub(super) fn retransmit_response(&mut self, now: Monotonic, key: ServerKey) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        if !matches!(server.state, ServerState::Completed | ServerState::Accepted) {
            return;
        }
        self.outbox.push_back((server.flow.clone(), server.response.clone()));
        server.interval = server.interval.saturating_mul(2).min(self.values.t2);
        self.timers.set(Timer::ServerRetransmit(key), now.after(server.interval));
    }

    pub(super) fn end_server(&mut self, key: ServerKey) {
        self.stop_waiting(key);
        let Some(server) = self.servers.remove(&key) else { return };
        for timer in [Timer::Trying(key), Timer::ServerRetransmit(key), Timer::ServerEnd(key)] {
            self.timers.cancel(&timer);
        }
        self.by_match.remove(&server.match_key);
        if let Some(merge_key) = &server.merge_key {
            self.by_merge.remove(merge_key);
        }
        while self.finished.front().is_some_and(|key| !self.servers.contains_key(key)) {
            self.finished.pop_front();
        }
        if server.state == ServerState::Accepted {
            let call_id = server.dialog.as_ref().map_or("", DialogKey::call_id).to_owned();
            self.events.push_back(Event::NoAck { key, call_id, cseq: server.cseq });
        }
    }
}
