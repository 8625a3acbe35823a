//! Whether a recording's files are those that its server vouched for: the signature of the sheet, length and SHA-256 of the
//! rest. Told without catalog, journal or server.

use std::io;
use std::path::{Component, Path};

use sha2::{Digest as _, Sha256};
use siprec_core::render::{FileBefore, FileSheet, Sidecar};

use super::disk::{Disk, read_range};
use super::proof_key::{PublicKey, signature_path};
use super::recordings::{StoredFile, hexadecimal, octets};

/// Longer than any signature.
const MAX_SIGNATURE: usize = 4096;
/// Of Ed25519.
const SIGNATURE_BYTES: usize = 64;

/// What is wrong with a signature.
#[derive(Debug, thiserror::Error)]
pub enum SignatureFault {
    /// There is none.
    #[error("it was not signed, or its .json.sig is gone")]
    Missing,
    /// It is of something else.
    #[error("the signature is not of this sheet by any of the keys")]
    Wrong,
    /// The disk's.
    #[error("its signature cannot be read: {0}")]
    Unreadable(io::Error),
}

/// What is wrong with the signature of the sheet at `path`, which reads `text`; nothing if one of `keys` made it. While a sheet is
/// replaced, the signatures of both lie there, one behind the other.
pub fn signature_fault(disk: &dyn Disk, path: &Path, text: &[u8], keys: &[PublicKey]) -> Option<SignatureFault> {
    match disk.open_read(&signature_path(path)).and_then(|file| read_range(&*file, 0, MAX_SIGNATURE)) {
        Ok(octets) if signatures(&octets).any(|one| keys.iter().any(|key| key.verifies(text, one))) => None,
        Ok(_) => Some(SignatureFault::Wrong),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(SignatureFault::Missing),
        Err(error) => Some(SignatureFault::Unreadable(error)),
    }
}

/// One signature, or two while a sheet is replaced.
fn signatures(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let each = if octets.len() == 2 * SIGNATURE_BYTES { SIGNATURE_BYTES } else { octets.len().max(1) };
    octets.chunks(each)
}

/// What is wrong with what a sheet says of the files that its own were made of.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescentFault {
    /// The sheet of before is not the one whose digest is named.
    #[error("the sheet of before has SHA-256 {found}, {expected} is named")]
    Digest {
        /// Its SHA-256.
        found: String,
        /// What is named.
        expected: String,
    },
    /// Its signature is of something else.
    #[error("the signature of the sheet of before is not by any of the keys")]
    Signature,
    /// It says nothing.
    #[error("the sheet of before is none: {0}")]
    Sheet(String),
    /// Its files are others.
    #[error("the sheet of before tells of other files than those that were replaced")]
    Files,
    /// Something else was changed with them.
    #[error("the sheet says something else of the recording than the one of before")]
    Content,
}

/// What is wrong with the proof that the files of `sidecar` were made of those of the sheet before it; nothing if they are as
/// they were rendered.
pub fn descent_fault(sidecar: &Sidecar, keys: &[PublicKey]) -> Option<DescentFault> {
    let known = sidecar.recompressed.as_ref()?;
    let found = hexadecimal(&Sha256::digest(&known.sheet));
    if found != known.sheet_sha256 {
        return Some(DescentFault::Digest { found, expected: known.sheet_sha256.clone() });
    }
    let signature = octets(known.signature.as_bytes()).unwrap_or_default();
    if !keys.iter().any(|key| key.verifies(known.sheet.as_bytes(), &signature)) {
        return Some(DescentFault::Signature);
    }
    let before: Sidecar = match serde_json::from_str(&known.sheet) {
        Ok(before) => before,
        Err(error) => return Some(DescentFault::Sheet(error.to_string())),
    };
    let is_of = |(was, file): (&FileBefore, &FileSheet)| {
        (&was.name, was.bytes, &was.sha256, was.coding, &was.sealed)
            == (&file.name, file.bytes, &file.sha256, file.coding, &file.sealed)
    };
    let are_as_many = known.files.len() == before.files.len() && sidecar.files.len() == before.files.len();
    if !are_as_many || !known.files.iter().zip(&before.files).all(is_of) {
        return Some(DescentFault::Files);
    }
    let mut rest = sidecar.clone();
    (rest.files, rest.rendition, rest.recompressed) = (before.files.clone(), before.rendition, None);
    rest.proof.findings.truncate(before.proof.findings.len());
    (rest != before).then_some(DescentFault::Content)
}

/// What is wrong with a file that a sheet tells of; each says the file's name.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It is not there.
    #[error("{0} is gone")]
    Gone(String),
    /// It is longer or shorter.
    #[error("{name} has {found} bytes, its sheet says {expected}")]
    Length {
        /// The file.
        name: String,
        /// Its length.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// Its content is another.
    #[error("{name} is changed: SHA-256 {found}, its sheet says {expected}")]
    Changed {
        /// The file.
        name: String,
        /// Its SHA-256.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The disk's.
    #[error("{name} cannot be read: {why}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        why: io::Error,
    },
}

/// What is wrong with a file that should be so and was `found` with that length and SHA-256.
pub fn file_fault(file: StoredFile<'_>, found: io::Result<(u64, String)>) -> Option<FileFault> {
    let name = file.name.to_owned();
    match found {
        Ok((bytes, sha256)) if bytes == file.bytes && sha256.eq_ignore_ascii_case(file.sha256) => None,
        Ok((found, _)) if found != file.bytes => Some(FileFault::Length { name, found, expected: file.bytes }),
        Ok((_, found)) => Some(FileFault::Changed { name, found, expected: file.sha256.to_owned() }),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Some(FileFault::Gone(name)),
        Err(why) => Some(FileFault::Unreadable { name, why }),
    }
}

/// Whether a name stays in its folder.
pub fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}
