//! SIP out of a capture's TLS connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use siprec_core::sip::framing::{Frame, Framer};

use super::{Connection, End, KeyLog, Trouble};
use crate::capture::{Reassembly, Segment};

/// Connections that are followed at a time; beyond, all are forgotten.
const MAX_CONNECTIONS: usize = 8_192;
/// Connections whose trouble is remembered.
const MAX_TROUBLES: usize = 1_024;

/// Follows the connections of a capture that speak TLS.
pub struct TlsStreams {
    keys: Arc<KeyLog>,
    segments: Reassembly,
    connections: HashMap<(SocketAddr, SocketAddr), Followed>,
    troubles: Vec<(SocketAddr, SocketAddr, Trouble)>,
}

struct Followed {
    connection: Connection,
    framers: [Framer; 2],
    is_told: bool,
}

impl TlsStreams {
    /// With the keys of a log.
    pub fn new(keys: KeyLog) -> Self {
        let segments = Reassembly::default();
        Self { keys: Arc::new(keys), segments, connections: HashMap::new(), troubles: Vec::new() }
    }

    /// Takes a segment and gives the messages that it completes. One of a connection that does not speak TLS is passed over.
    /// `syn`: it begins a connection.
    pub fn push(&mut self, from: SocketAddr, to: SocketAddr, sequence: u32, syn: bool, payload: &[u8]) -> Vec<Vec<u8>> {
        let (ends, end) = if from <= to { ((from, to), End::A) } else { ((to, from), End::B) };
        // A content type, and the version's first octet (RFC 8446 5.1).
        let begins = matches!(payload.first_chunk(), Some([20..=23, 3]));
        let is_known = self.connections.contains_key(&ends);
        if !is_known && !begins {
            return Vec::new();
        }
        let in_order = self.segments.push(from, to, Segment { sequence, syn, fin: false, payload: payload.to_vec() });
        if !is_known && self.connections.len() >= MAX_CONNECTIONS {
            self.connections.clear();
        }
        if in_order.restarted && is_known {
            self.connections.remove(&ends);
        }
        let new = || Followed {
            connection: Connection::new(Arc::clone(&self.keys)),
            framers: [Framer::default(), Framer::default()],
            is_told: false,
        };
        let followed = self.connections.entry(ends).or_insert_with(new);
        followed.connection.push(end, &in_order.bytes);
        let messages = followed.messages();
        if let Some(trouble) = followed.connection.trouble().filter(|_| !followed.is_told) {
            if self.troubles.len() < MAX_TROUBLES {
                self.troubles.push((ends.0, ends.1, trouble.clone()));
            }
            followed.is_told = true;
        }
        messages
    }

    /// The connections that could not be read, or not to their end, and why.
    pub fn troubles(&self) -> &[(SocketAddr, SocketAddr, Trouble)] {
        &self.troubles
    }
}

impl Followed {
    fn messages(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for (end, framer) in [End::A, End::B].into_iter().zip(&mut self.framers) {
            framer.push(&self.connection.take(end));
            while let Some(frame) = framer.next() {
                match frame {
                    Frame::Message(bytes) => messages.push(bytes),
                    Frame::Ping => {}
                    Frame::Broken(_) => *framer = Framer::default(),
                }
            }
        }
        messages
    }
}

impl std::fmt::Debug for TlsStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsStreams({} connections)", self.connections.len())
    }
}
