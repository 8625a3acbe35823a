//! Records (RFC 8446 5.1, RFC 5246 6.2.1).

use super::Trouble;

const HEADER: usize = 5;
/// The longest content (RFC 5246 6.2.3: 2^14 and 2,048).
const MAX_CONTENT: usize = (1 << 14) + 2_048;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ChangeCipherSpec,
    Alert,
    Handshake,
    Data,
}

impl Kind {
    pub(super) fn of(octet: u8) -> Option<Self> {
        match octet {
            20 => Some(Self::ChangeCipherSpec),
            21 => Some(Self::Alert),
            22 => Some(Self::Handshake),
            23 => Some(Self::Data),
            _ => None,
        }
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) header: [u8; HEADER],
    pub(super) content: Vec<u8>,
}

/// Cuts a direction into records.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    taken: usize,
}

impl Records {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, Trouble> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [kind, major, _, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let kind = Kind::of(kind).filter(|_| major == 3 && length <= MAX_CONTENT).ok_or(Trouble::NotTls)?;
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let record = Record { kind, header: *header, content: content.to_vec() };
        self.taken += HEADER + length;
        Ok(Some(record))
    }
}
