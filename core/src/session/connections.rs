//! From bytes to messages: datagrams, and streams whose messages are put together (RFC 3261 18.3).

use alloc::borrow::ToOwned;

use super::limits::{MAX_BREAKS, MAX_CONNECTIONS};
use super::secrets::without_digits;
use super::srs::Srs;
use super::{Output, Tell};
use crate::long_key::LongKey;
use crate::sip::framing::{Frame, Framer};
use crate::sip::message::{Message, ParseError, is_keep_alive};
use crate::sip::{ConnectionId, Flow, PeerCertificate};
use crate::time::{Monotonic, Now};

/// A stream that is open.
pub(super) struct Connection {
    framer: Framer,
    pub(super) flow: Flow,
    /// What the peer showed in the TLS handshake.
    certificate: Option<PeerCertificate>,
    /// How often its bytes could not be followed.
    breaks: u8,
    /// When something whole was heard last, or it was opened.
    pub(super) heard: Monotonic,
    /// Nothing whole was ever heard.
    pub(super) is_silent: bool,
    /// Its peer connected, and is nobody we know.
    pub(super) is_strange: bool,
    /// It is among the counted.
    pub(super) is_counted: bool,
    /// Requests beyond its sender's rate.
    pub(super) excess: u32,
}

impl Srs {
    pub(super) fn connection_opened(
        &mut self,
        now: Now,
        flow: Flow,
        certificate: Option<PeerCertificate>,
        accepted: bool,
    ) {
        let Some(id) = flow.connection else { return };
        let is_full = self.connections.len() >= MAX_CONNECTIONS;
        let connection = Connection {
            framer: Framer::default(),
            flow: flow.clone(),
            certificate,
            breaks: 0,
            heard: now.monotonic,
            is_silent: true,
            is_strange: false,
            is_counted: false,
            excess: 0,
        };
        self.connections.insert(id, connection);
        // By its certificate it may be a peer.
        let is_strange = accepted && !self.is_peer(&flow);
        let stays = !is_full && self.admits_connection(now, &flow) && (!is_strange || self.finds_room(now, &flow));
        match self.connections.get_mut(&id).filter(|_| stays) {
            Some(connection) => (connection.is_strange, connection.is_counted) = (is_strange, is_strange),
            None => self.close_stream(now, id),
        }
    }

    /// What the peer at the other end of a stream showed.
    pub(super) fn certificate_of(&self, flow: &Flow) -> Option<&PeerCertificate> {
        self.connections.get(&flow.connection?)?.certificate.as_ref()
    }

    pub(super) fn connection_closed(&mut self, now: Now, id: ConnectionId) {
        self.leaves_crowd(id);
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
                    self.heard_on(now, id, None);
                    self.out.push_back(Output::Send { flow, bytes: b"\r\n".to_vec(), after_keep: false });
                }
                Some(Frame::Broken(error)) => {
                    self.cannot_read(now, &flow, error);
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
            self.close_stream(now, id);
        }
    }

    fn message(&mut self, now: Now, flow: &Flow, bytes: &[u8]) {
        if !self.admits_bytes(now, flow, bytes) {
            return;
        }
        let message = match Message::parse_datagram(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.cannot_read(now, flow, error);
                return;
            }
        };
        if !self.admits(now, flow, &message) {
            return;
        }
        let call_id = flow.connection.and_then(|_| message.call_id().map(ToOwned::to_owned));
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
        if let Some(id) = flow.connection {
            self.heard_on(now, id, call_id.as_deref());
        }
    }

    /// What cannot be read is answered where it can be, within its sender's rate.
    fn cannot_read(&mut self, now: Now, flow: &Flow, error: ParseError) {
        if !self.admits_unreadable(now, flow) {
            return;
        }
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
