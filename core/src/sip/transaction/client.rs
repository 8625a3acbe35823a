//! Client transactions: our requests and their responses (RFC 3261 17.1, RFC 6026 7.2).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::{ClientKey, Event, Incoming, MAX_WITHOUT_TCP, Timer, Transactions};
use crate::sip::message::Message;
use crate::sip::{ConnectionId, Flow, Method, Transport};
use crate::time::Monotonic;

/// A request of more octets is not sent as a datagram, the path's MTU being unknown (RFC 3261 18.1.1).
const LARGEST_DATAGRAM: usize = 1300;

/// Timer D over UDP: longer than any H of the peer's (RFC 3261 17.1.1.2).
const TIMER_D: Duration = Duration::from_secs(32);

/// How long an INVITE of ours may ring; RFC 3261 leaves it to us (16.6: more than 3 minutes).
const RINGING_LIMIT: Duration = Duration::from_secs(190);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientState {
    /// Nothing came ("Calling", for an INVITE).
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came; for an INVITE, a refusal, and our ACK is sent.
    Completed,
    /// A 2xx to an INVITE came.
    Accepted,
}

#[derive(Debug)]
pub(super) struct Client {
    state: ClientState,
    flow: Flow,
    branch: String,
    method: Method,
    /// Without its body: an ACK and a CANCEL are made of it.
    request: Message,
    bytes: Vec<u8>,
    interval: Duration,
    /// A CANCEL waits for the first provisional response (RFC 3261 9.1).
    cancel_wanted: bool,
    /// What a refusal, or the 2xx of a dialog (by its To tag), is acknowledged with, each time it comes.
    ack: Option<(Option<String>, Flow, Vec<u8>)>,
    /// What is sent where no stream can be had.
    instead: Option<Box<Datagram>>,
}

/// A request as it goes over UDP.
#[derive(Debug)]
struct Datagram {
    flow: Flow,
    /// Without its body.
    request: Message,
    bytes: Vec<u8>,
}

impl Transactions {
    /// Sends a request in a transaction of its own; its Via is added here. `branch` begins with `z9hG4bK` and is never
    /// used twice; `sent_by` is our `host:port`. One too large for UDP goes over TCP where that is tried
    /// ([`Transactions::try_tcp`]).
    pub fn request(
        &mut self,
        now: Monotonic,
        flow: &Flow,
        mut request: Message,
        branch: String,
        sent_by: &str,
    ) -> ClientKey {
        request.headers.push_front("Via", via(flow.transport, sent_by, &branch));
        let is_tried = self.tries_tcp && flow.transport == Transport::Udp && !self.without_tcp.contains(&flow.remote);
        let bytes = if is_tried { request.encode() } else { Vec::new() };
        if bytes.len() <= LARGEST_DATAGRAM {
            return self.start_client(now, flow, request, branch);
        }
        let stream = Flow { transport: Transport::Tcp, connection: None, ..flow.clone() };
        let mut over_tcp = request.clone();
        over_tcp.headers.set("Via", via(Transport::Tcp, sent_by, &branch));
        let key = self.start_client(now, &stream, over_tcp, branch);
        request.body = Vec::new();
        if let Some(client) = self.clients.get_mut(&key) {
            client.instead = Some(Box::new(Datagram { flow: flow.clone(), request, bytes }));
        }
        key
    }

    /// Tells that `remote` could not be connected to over TCP: what is large goes to it as datagrams, now and from now on.
    pub fn no_stream_to(&mut self, now: Monotonic, remote: SocketAddr) {
        let waits = |client: &Client| {
            client.state == ClientState::Trying && client.flow.remote == remote && client.instead.is_some()
        };
        let waiting: Vec<ClientKey> = self.clients.iter().filter(|(_, c)| waits(c)).map(|(key, _)| *key).collect();
        for key in waiting {
            let Some(client) = self.clients.get_mut(&key) else { continue };
            let Some(instead) = client.instead.take() else { continue };
            let Datagram { flow, request, bytes } = *instead;
            client.interval = self.values.t1;
            (client.flow, client.request, client.bytes) = (flow.clone(), request, bytes.clone());
            self.outbox.push_back((flow, bytes));
            self.timers.set(Timer::ClientRetransmit(key), now.after(self.values.t1));
            self.timers.set(Timer::ClientEnd(key), now.after(self.values.patience()));
            if self.without_tcp.len() >= MAX_WITHOUT_TCP {
                self.without_tcp.pop_first();
            }
            self.without_tcp.insert(remote);
        }
    }

    /// Sends the ACK of a 2xx, outside of any transaction (RFC 3261 13.2.2.4), and again whenever that 2xx comes
    /// again.
    pub fn send_ack(&mut self, key: &ClientKey, flow: &Flow, mut ack: Message, branch: &str, sent_by: &str) {
        ack.headers.push_front("Via", via(flow.transport, sent_by, branch));
        let bytes = ack.encode();
        if let Some(client) = self.clients.get_mut(key) {
            client.ack = Some((ack.to_tag().map(ToOwned::to_owned), flow.clone(), bytes.clone()));
        }
        self.outbox.push_back((flow.clone(), bytes));
    }

    /// Cancels an INVITE of ours: at once if it is known to have arrived, else as soon as it is (RFC 3261 9.1). Its
    /// final response, 487 if all goes well, still comes.
    pub fn cancel(&mut self, now: Monotonic, key: &ClientKey) {
        let Some(client) = self.clients.get_mut(key) else { return };
        match (client.state, &client.method) {
            (ClientState::Trying, Method::Invite) => client.cancel_wanted = true,
            (ClientState::Proceeding, Method::Invite) => {
                client.cancel_wanted = false;
                let request = follow_up(&client.request, Method::Cancel, client.request.header("To"));
                let (flow, branch) = (client.flow.clone(), client.branch.clone());
                self.start_client(now, &flow, request, branch);
            }
            (ClientState::Completed | ClientState::Accepted, _)
            | (ClientState::Trying | ClientState::Proceeding, _) => {}
        }
    }

    /// Forgets a request of ours: nothing is sent again, and nothing more is heard of it.
    pub fn abandon(&mut self, key: &ClientKey) {
        let Some(client) = self.clients.remove(key) else { return };
        self.by_branch.remove(&(client.branch, client.method));
        self.timers.cancel(&Timer::ClientRetransmit(*key));
        self.timers.cancel(&Timer::ClientEnd(*key));
    }

    fn start_client(&mut self, now: Monotonic, flow: &Flow, mut request: Message, branch: String) -> ClientKey {
        let key = ClientKey(self.new_key());
        let bytes = request.encode();
        request.body = Vec::new();
        let method = request.method().cloned().unwrap_or_else(|| Method::Other(String::new()));
        self.by_branch.insert((branch.clone(), method.clone()), key);
        self.outbox.push_back((flow.clone(), bytes.clone()));
        // Timers A, E and B, F.
        if !flow.transport.is_reliable() {
            self.timers.set(Timer::ClientRetransmit(key), now.after(self.values.t1));
        }
        self.timers.set(Timer::ClientEnd(key), now.after(self.values.patience()));
        let client = Client {
            state: ClientState::Trying,
            flow: flow.clone(),
            branch,
            method,
            request,
            bytes,
            interval: self.values.t1,
            cancel_wanted: false,
            ack: None,
            instead: None,
        };
        self.clients.insert(key, client);
        key
    }

    pub(super) fn handle_response(&mut self, now: Monotonic, message: Message) -> Option<Incoming> {
        // RFC 3261 8.1.3.3: it is on its way to somebody else, perhaps to all (RFC 4475 3.3.10).
        if message.headers_all("Via").nth(1).is_some() {
            return None;
        }
        let via = message.via_top()?;
        let (branch, method) = (via.branch()?.to_owned(), message.cseq()?.method);
        let key = *self.by_branch.get(&(branch, method))?;
        let status = message.status()?;
        let client = self.clients.get_mut(&key)?;
        let wanted = if client.method == Method::Invite {
            self.invite_response(now, key, status, &message)
        } else {
            self.other_response(now, key, status)
        };
        wanted.then_some(Incoming::Response { key, message })
    }

    /// RFC 3261 17.1.1.2, RFC 6026 7.2. Whether the session is to see the response.
    fn invite_response(&mut self, now: Monotonic, key: ClientKey, status: u16, response: &Message) -> bool {
        let Some(client) = self.clients.get_mut(&key) else { return false };
        match (client.state, status) {
            (ClientState::Trying | ClientState::Proceeding, ..200) => {
                client.state = ClientState::Proceeding;
                let cancel = client.cancel_wanted;
                self.timers.cancel(&Timer::ClientRetransmit(key));
                self.timers.set(Timer::ClientEnd(key), now.after(RINGING_LIMIT));
                if cancel {
                    self.cancel(now, &key);
                }
                true
            }
            (ClientState::Trying | ClientState::Proceeding, 200..300) => {
                client.state = ClientState::Accepted;
                self.timers.cancel(&Timer::ClientRetransmit(key));
                // Timer M.
                self.timers.set(Timer::ClientEnd(key), now.after(self.values.patience()));
                true
            }
            (ClientState::Trying | ClientState::Proceeding, _) => {
                client.state = ClientState::Completed;
                let ack = follow_up(&client.request, Method::Ack, response.header("To")).encode();
                self.outbox.push_back((client.flow.clone(), ack.clone()));
                client.ack = Some((None, client.flow.clone(), ack));
                // Timer D.
                let wait = if client.flow.transport.is_reliable() { Duration::ZERO } else { TIMER_D };
                self.finish(now, key, wait);
                true
            }
            (ClientState::Completed, 300..) => {
                self.acknowledge_again(key, None);
                false
            }
            (ClientState::Accepted, 200..300) => !self.acknowledge_again(key, response.to_tag()),
            (ClientState::Completed | ClientState::Accepted, _) => false,
        }
    }

    /// Sends the kept ACK if it is for the response with this To tag.
    fn acknowledge_again(&mut self, key: ClientKey, to_tag: Option<&str>) -> bool {
        let Some((tag, flow, bytes)) = self.clients.get(&key).and_then(|client| client.ack.as_ref()) else {
            return false;
        };
        let same = tag.as_deref() == to_tag;
        if same {
            self.outbox.push_back((flow.clone(), bytes.clone()));
        }
        same
    }

    /// RFC 3261 17.1.2.2. Whether the session is to see the response.
    fn other_response(&mut self, now: Monotonic, key: ClientKey, status: u16) -> bool {
        let Some(client) = self.clients.get_mut(&key) else { return false };
        match (client.state, status) {
            (ClientState::Trying | ClientState::Proceeding, ..200) => {
                client.state = ClientState::Proceeding;
                true
            }
            (ClientState::Trying | ClientState::Proceeding, _) => {
                client.state = ClientState::Completed;
                // Timer K.
                let wait = if client.flow.transport.is_reliable() { Duration::ZERO } else { self.values.t4 };
                self.finish(now, key, wait);
                true
            }
            (ClientState::Completed | ClientState::Accepted, _) => false,
        }
    }

    fn finish(&mut self, now: Monotonic, key: ClientKey, wait: Duration) {
        self.timers.cancel(&Timer::ClientRetransmit(key));
        if wait.is_zero() {
            self.abandon(&key);
        } else {
            self.timers.set(Timer::ClientEnd(key), now.after(wait));
        }
    }

    /// Timers A (doubling) and E (doubling up to T2; T2 once something came).
    pub(super) fn retransmit_request(&mut self, now: Monotonic, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let doubled = client.interval.saturating_mul(2);
        client.interval = match (client.state, &client.method) {
            (ClientState::Trying, Method::Invite) => doubled,
            (ClientState::Trying, _) => doubled.min(self.values.t2),
            (ClientState::Proceeding, _) => self.values.t2,
            (ClientState::Completed | ClientState::Accepted, _) => return,
        };
        self.outbox.push_back((client.flow.clone(), client.bytes.clone()));
        self.timers.set(Timer::ClientRetransmit(key), now.after(client.interval));
    }

    pub(super) fn end_client(&mut self, key: ClientKey) {
        let unanswered = |client: &Client| matches!(client.state, ClientState::Trying | ClientState::Proceeding);
        if self.clients.get(&key).is_some_and(unanswered) {
            self.events.push_back(Event::TimedOut { key });
        }
        self.abandon(&key);
    }

    pub(super) fn clients_failed(&mut self, connection: ConnectionId) {
        let failed = self.clients.iter().filter(|(_, client)| client.flow.connection == Some(connection));
        for key in failed.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end_client(key);
        }
    }
}

fn via(transport: Transport, sent_by: &str, branch: &str) -> String {
    let rport = if transport.is_reliable() { "" } else { ";rport" };
    format!("SIP/2.0/{transport} {sent_by};branch={branch}{rport}")
}

/// The ACK of a refused INVITE (RFC 3261 17.1.1.3) or a CANCEL (9.1): under the INVITE's own Via.
fn follow_up(invite: &Message, method: Method, to: Option<&str>) -> Message {
    let cseq = invite.cseq().map_or(0, |cseq| cseq.number);
    let mut message = Message::request(method.clone(), invite.uri().unwrap_or(""));
    for header in invite.headers.iter().filter(|header| header.name == "Via").take(1) {
        message.headers.push("Via", header.value.clone());
    }
    message.headers.push("Max-Forwards", "70");
    for header in invite.headers.iter().filter(|header| matches!(&*header.name, "From" | "Call-ID" | "Route")) {
        message.headers.push(&header.name, header.value.clone());
    }
    message.headers.push("To", to.unwrap_or(""));
    message.headers.push("CSeq", format!("{cseq} {method}"));
    message
}
