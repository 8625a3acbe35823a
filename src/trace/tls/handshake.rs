//! What of the handshake's messages (RFC 8446 4, RFC 5246 7.4) tells which keys are used from where on.

use super::Trouble;

/// Octets of one message; certificates are the longest.
const MAX_MESSAGE: usize = 256 << 10;
const HEADER: usize = 4;
const EXTENSION_ENCRYPT_THEN_MAC: u16 = 22;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;
/// The random of a HelloRetryRequest (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    ClientHello { random: [u8; 32] },
    ServerHello(ServerHello),
    HelloRetry,
    EndOfEarlyData,
    Finished,
    KeyUpdate,
    Other,
}

/// What a server decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) random: [u8; 32],
    pub(super) suite: u16,
    pub(super) version: u16,
    /// With CBC: what is authenticated is encrypted already (RFC 7366), else it is encrypted afterwards.
    pub(super) is_encrypted_first: bool,
}

/// Puts messages together that go over records.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    bytes: Vec<u8>,
    taken: usize,
}

impl Handshakes {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Option<Message>, Trouble> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((&[kind, a, b, c], rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE {
            return Err(Trouble::NotTls);
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = match kind {
            1 => client_hello(body),
            2 => server_hello(body),
            5 => Some(Message::EndOfEarlyData),
            20 => Some(Message::Finished),
            24 => Some(Message::KeyUpdate),
            _ => Some(Message::Other),
        };
        self.taken += HEADER + length;
        message.map(Some).ok_or(Trouble::NotTls)
    }
}

fn client_hello(body: &[u8]) -> Option<Message> {
    Some(Message::ClientHello { random: body.get(2..34)?.try_into().ok()? })
}

fn server_hello(body: &[u8]) -> Option<Message> {
    let u16_at = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let random: [u8; 32] = body.get(2..34)?.try_into().ok()?;
    if random == RETRY {
        return Some(Message::HelloRetry);
    }
    let after_session = 35 + usize::from(*body.get(34)?);
    let suite = u16_at(after_session)?;
    // The suite, a compression method, the length of the extensions.
    let mut at = after_session + 5;
    let mut version = u16_at(0)?;
    let mut is_encrypted_first = false;
    while let (Some(extension), Some(length)) = (u16_at(at), u16_at(at + 2)) {
        match extension {
            EXTENSION_SUPPORTED_VERSIONS => version = u16_at(at + 4)?,
            EXTENSION_ENCRYPT_THEN_MAC => is_encrypted_first = true,
            _ => {}
        }
        at += 4 + usize::from(length);
    }
    Some(Message::ServerHello(ServerHello { random, suite, version, is_encrypted_first }))
}
