//! The head: with which entry the log ends. A log that is shorter was cut.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::HEAD_FILE;
use super::entry::{digest, is_signed, signed};
use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::proof_key::{ProofKey, PublicKey};

/// Larger than any head.
const MAX_BYTES: usize = 4096;

/// What the log ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// Number of the last entry.
    pub(super) seq: u64,
    /// SHA-256 of its line.
    pub(super) hash: String,
    /// Octets of the log up to its end.
    pub(super) length: u64,
    /// Octets of its line.
    pub(super) line: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    signature: String,
}

impl Head {
    pub(super) fn new(seq: u64, hash: String, length: u64, line: u64) -> Self {
        Self { seq, hash, length, line, signature: String::new() }
    }

    /// Puts it in place of the one before, whole.
    pub(super) fn write(&self, disk: &dyn Disk, data: &Path, key: &ProofKey) -> io::Result<()> {
        disk.replace(&data.join(HEAD_FILE), &signed(serde_json::to_vec(self)?, key)?)
    }

    /// The head in `data`, if there is one; one that nobody signed is `InvalidData`.
    pub(super) fn read(disk: &dyn Disk, data: &Path, key: &PublicKey) -> io::Result<Option<Self>> {
        let path = data.join(HEAD_FILE);
        let file = match disk.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let text = read_range(&*file, 0, MAX_BYTES)?;
        let head = serde_json::from_slice(&text).ok().filter(|_| is_signed(&text, key));
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "audit.head was changed, or signed by another key");
        head.map(Some).ok_or_else(damaged)
    }

    /// Whether the log has the head's entry where the head says.
    pub(super) fn fits(&self, log: &dyn DiskFile) -> io::Result<bool> {
        let start = self.length.saturating_sub(self.line);
        let line = read_range(log, start, usize::try_from(self.line).unwrap_or(0))?;
        Ok(line.ends_with(b"\n") && digest(&line) == self.hash)
    }
}
