//! From bytes to messages: datagrams, and streams whose messages are put together (RFC 3261 18.3).

use super::limits::{MAX_BREAKS, MAX_CONNECTIONS};
use super::secrets::without_digits;
use super::srs::Srs;
use super::{Output, Tell};
use crate::long_key::LongKey;
use crate::sip::framing::{Frame, Framer};
use crate::sip::message::{Message, ParseError, is_keep_alive};
use crate::sip::{ConnectionId, Flow, PeerCertificate};
use crate::time::Now;

/// A stream that is open.
pub(super) struct Connection {
    framer: Framer,
    flow: Flow,
    /// What the peer showed in the TLS handshake.
    certificate: Option<PeerCertificate>,
    /// How often its bytes could not be followed.
    breaks: u8,
}

impl Srs {
    pub(super) fn connection_opened(&mut self, now: Now, flow: Flow, certificate: Option<PeerCertificate>) {
        let Some(id) = flow.connection.filter(|_| self.connections.len() < MAX_CONNECTIONS) else { return };
        self.connections
            .insert(id, Connection { framer: Framer::default(), flow: flow.clone(), certificate, breaks: 0 });
        if !self.admits_connection(now, &flow) {
            self.connections.remove(&id);
            self.out.push_back(Output::CloseConnection { id });
        }
    }

    /// What the peer at the other end of a stream showed.
    pub(super) fn certificate_of(&self, flow: &Flow) -> Option<&PeerCertificate> {
        self.connections.get(&flow.connection?)?.certificate.as_ref()
    }

    pub(super) fn connection_closed(&mut self, now: Now, id: ConnectionId) {
        self.connections.remove(&id);
        self.transactions.transport_failed(now.monotonic, id);
        // What we have to say next goes to where the dialog's Contact points.
        for session in self.sessions.values_mut().filter(|s| s.state.flow.connection == Some(id)) {
            session.state.flow.connection = None;
        }
    }

    pub(super) fn datagram(&mut self, now: Now, flow: &Flow, bytes: &[u8]) {
        if !is_keep_alive(bytes) {
            self.message(now, flow, bytes);
        }
    }

    pub(super) fn stream_bytes(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let met_in_the_middle = connection.framer.pending() > 0;
        connection.framer.push(bytes);
        while let Some(connection) = self.connections.get_mut(&id) {
            let flow = connection.flow.clone();
            match connection.framer.next() {
                None => return,
                Some(Frame::Message(message)) => {
                    if self.policy.show_framed {
                        self.out.push_back(Output::Framed { flow: flow.clone(), bytes: message.clone() });
                    }
                    self.message(now, &flow, &message);
                }
                // RFC 5626 5.4: a double CRLF is answered with one.
                Some(Frame::Ping) => {
                    self.out.push_back(Output::Send { flow, bytes: b"\r\n".to_vec(), after_keep: false });
                }
                Some(Frame::Broken(error)) => {
                    self.cannot_read(&flow, error);
                    self.lost_track(now, id);
                    if met_in_the_middle && begins_a_message(bytes) {
                        self.stream_bytes(now, id, bytes);
                    }
                    return;
                }
            }
        }
    }

    /// A stream's bytes cannot be followed: what waits of them is dropped, and the next segment may begin a message
    /// again (SRCs that count their bodies wrong are worth that). A stream that goes on so is closed.
    fn lost_track(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.breaks += 1;
        connection.framer = Framer::default();
        if connection.breaks >= MAX_BREAKS {
            // The refusal goes out before the stream is closed.
            self.drain_transactions(now);
            self.out.push_back(Output::CloseConnection { id });
            self.connections.remove(&id);
        }
    }

    fn message(&mut self, now: Now, flow: &Flow, bytes: &[u8]) {
        if !self.admits_bytes(now, flow, bytes) {
            return;
        }
        let message = match Message::parse_datagram(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.cannot_read(flow, error);
                return;
            }
        };
        if !self.admits(now, flow, &message) {
            return;
        }
        if let Some(call_id) = message.call_id() {
            let kept = without_digits(bytes, self.policy.digits);
            for id in self.by_call.get(&LongKey::of(call_id)).into_iter().flatten() {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.keep_message(now.wall, flow, false, &kept, &mut self.out);
                }
            }
        }
        if let Some(incoming) = self.transactions.handle_message(now.monotonic, flow, message) {
            self.incoming(now, flow, incoming, bytes);
        }
    }

    fn cannot_read(&mut self, flow: &Flow, error: ParseError) {
        let (status, remote) = (error.status, flow.remote);
        let reason = alloc::format!("{} ({})", error.reason, error.section);
        let tell = match error.answerable {
            Some(_) => Tell::Refused { remote, status, reason },
            None => Tell::Garbage { remote, reason },
        };
        self.out.push_back(Output::Tell(tell));
        let tag = self.random.token();
        self.transactions.refuse_unread(flow, error, &tag);
    }
}

/// Whether bytes begin with the first line of a message.
fn begins_a_message(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    line.starts_with(b"SIP/2.0 ") || line.trim_ascii_end().ends_with(b" SIP/2.0")
}
