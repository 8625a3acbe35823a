//! What the sheet repeats of the signalling: who called us, from where, and each metadata document as it came.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::sheet::{RawMetadata, RecordingSession};
use crate::metadata;
use crate::sip::{Message, Method, Transport, multipart};
use crate::time::Wall;

/// Documents that a sheet repeats, and their bytes in all; the journal holds the others.
const MAX_DOCUMENTS: usize = 1000;
const MAX_DOCUMENT_BYTES: usize = 8 << 20;

/// The signalling of a session, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Signalling {
    pub(super) session: RecordingSession,
    /// The SRC's address.
    pub(super) src: Option<SocketAddr>,
    pub(super) metadata: Vec<RawMetadata>,
    bytes: usize,
}

impl Signalling {
    /// Takes a message that we received: the SRC's INVITE, or its 2xx to ours, says who it is.
    pub(super) fn inbound(&mut self, at: Wall, transport: Transport, from: SocketAddr, message: &[u8]) {
        let Ok(message) = Message::parse_datagram(message) else { return };
        let accepts = matches!(message.status(), Some(200..=299));
        let of_response = message.cseq().filter(|_| accepts).map(|cseq| cseq.method);
        let Some(method) = message.method().cloned().or(of_response) else { return };
        if self.src.is_none() && method == Method::Invite {
            self.src = Some(from);
            self.session.src = from.to_string();
            self.session.transport = Some(transport);
            self.session.call_id = message.call_id().unwrap_or_default().to_string();
            let product = message.header("User-Agent").or_else(|| message.header("Server"));
            self.session.user_agent = product.map(ToString::to_string);
        }
        let Some(content_type) = message.content_type() else { return };
        let method = method.to_string();
        for part in multipart::parts(content_type, &message.body).unwrap_or_default() {
            if metadata::is_metadata_type(&part.content_type) {
                self.keep(at, &method, part.content_type, &part.body);
            }
        }
    }

    fn keep(&mut self, at: Wall, method: &str, content_type: String, body: &[u8]) {
        let bytes = self.bytes.saturating_add(body.len());
        let raw = String::from_utf8_lossy(body).into_owned();
        // A retransmitted request is an entry of its own, and no news.
        if self.metadata.last().is_some_and(|last| last.raw == raw && last.method == method) {
            return;
        }
        if self.metadata.len() < MAX_DOCUMENTS && bytes <= MAX_DOCUMENT_BYTES {
            self.bytes = bytes;
            self.metadata.push(RawMetadata { at: at.rfc3339(), method: method.into(), content_type, raw });
        }
    }
}
