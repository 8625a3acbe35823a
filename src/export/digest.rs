//! Sizes and digests of files, a block at a time.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::archive::disk::Disk;
use crate::archive::{self, recordings};

/// Bytes read at a time.
pub(super) const BLOCK: usize = 256 * 1024;

/// What has been read so far.
#[derive(Clone, Default)]
pub(super) struct Digested {
    bytes: u64,
    hash: Sha256,
}

impl Digested {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    /// Its size, and its SHA-256 in hexadecimal.
    pub(super) fn finish(self) -> (u64, String) {
        (self.bytes, recordings::hexadecimal(&self.hash.finalize()))
    }
}

/// A file's size and SHA-256, read by way of `block`.
pub(super) fn digest(disk: &dyn Disk, path: &Path, block: &mut [u8]) -> io::Result<(u64, String)> {
    let (bytes, hash) = archive::digest::digest(&*disk.open_read(path)?, block)?;
    Ok((bytes, recordings::hexadecimal(&hash.finalize())))
}
