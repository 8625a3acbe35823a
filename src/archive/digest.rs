//! The digest of a file that may be larger than memory.

use std::io;

use sha2::{Digest as _, Sha256};

use super::disk::DiskFile;

/// The length of a file, and SHA-256 of its content, read by way of `block`.
///
/// # Errors
/// The disk's.
pub fn digest(file: &dyn DiskFile, block: &mut [u8]) -> io::Result<(u64, Sha256)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    loop {
        let count = file.read_at(length, block)?;
        let Some(octets) = block.get(..count).filter(|octets| !octets.is_empty()) else { return Ok((length, hash)) };
        hash.update(octets);
        length += count as u64;
    }
}
