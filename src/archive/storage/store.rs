//! A file from the disk to a target: read and checked here, sent whole or in parts, checked there.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::{Checksum, ErrorKind, Part, Sums, Target, TargetError};
use crate::archive::disk::{DiskFile, read_range};
use crate::archive::recordings::hexadecimal;

/// A file up to this size is put at once; a larger one in parts of it. 5 MiB is the least that S3 takes.
pub const PART_BYTES: u64 = 8 << 20;
/// S3 and Google take 10,000 parts at most: larger files have larger parts.
const MAX_PARTS: u64 = 9_000;
/// Parts are whole multiples of this.
const PART_UNIT: u64 = 1 << 20;

/// A file that is to be stored.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// Where it is, for people.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal, where a sheet says it: another content is not stored.
    pub sha256: Option<String>,
}

/// A file that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// How it is known that the target has it.
    pub verified: Verified,
    /// Whether it had to be sent: it may have been there.
    pub sent: bool,
}

/// How it was checked that a target has what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// By the target's own length and checksum.
    Checksum,
    /// It was read back.
    ReadBack,
}

/// An object of several parts that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unfinished {
    /// As the target calls it.
    pub upload: String,
    /// SHA-256 of the file it is of, in hexadecimal.
    pub sha256: String,
    /// Length of its parts.
    pub part_bytes: u64,
    /// What the target answered for each part that it has.
    pub parts: Vec<(u32, String)>,
}

/// Remembers objects of several parts over a crash; each call returns once it is on the disk.
pub trait Parts: Send + Sync {
    /// The object under `key` that was begun.
    fn unfinished(&self, key: &str) -> Result<Option<Unfinished>, Box<dyn Error + Send + Sync>>;
    /// It was begun, or has one part more.
    fn remember(&self, key: &str, unfinished: &Unfinished) -> Result<(), Box<dyn Error + Send + Sync>>;
    /// It is complete or was given up.
    fn forget(&self, key: &str) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The local file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The local file is not what its sheet says: it must not get into a target.
    #[error(
        "{} is damaged: its SHA-256 is {found}, its sheet says {expected}: render it again from its journal, or bring it back \
         from a copy",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// As the sheet has it.
        expected: String,
        /// As it is.
        found: String,
    },
    /// The target's fault.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target took it and has something else.
    #[error("{url} has something else than was sent: {what}")]
    Differs {
        /// The target.
        url: String,
        /// What is different.
        what: String,
    },
    /// What must be remembered cannot be.
    #[error("the outbox: {0}")]
    Memory(Box<dyn Error + Send + Sync>),
}

/// Stores a file under `key`: it is there, verified, when this returns. `slots` bound what is under way in memory;
/// `again` says that an earlier try may have got through, so that what is there already is not sent twice.
pub async fn store(
    target: &dyn Target,
    key: &str,
    source: &Source,
    memory: &dyn Parts,
    slots: &Semaphore,
    again: bool,
) -> Result<Stored, StoreError> {
    let read = Arc::new(Read::read(source).await?);
    let known = memory.unfinished(key).map_err(StoreError::Memory)?;
    if (again || known.is_some())
        && let Some(verified) = present(target, key, &read).await?
    {
        if let Some(known) = known {
            give_up(target, key, &known, memory).await?;
        }
        return Ok(read.stored(verified, false));
    }
    let object = Object { target, key, read: &read, memory, slots };
    let told = match &read.whole {
        Some(content) => {
            let _slot = slots.acquire().await;
            target.put(key, content.clone(), read.sums()).await?
        }
        None => {
            object.in_parts(known, again).await?;
            None
        }
    };
    let verified =
        if told == Some(read.checksum()) { Some(Verified::Checksum) } else { present(target, key, &read).await? };
    let differs = || StoreError::Differs { url: target.url(""), what: "it is another length or content".to_owned() };
    let verified = verified.ok_or_else(differs)?;
    memory.forget(key).map_err(StoreError::Memory)?;
    Ok(read.stored(verified, true))
}

/// An object of several parts, under way.
struct Object<'a> {
    target: &'a dyn Target,
    key: &'a str,
    read: &'a Arc<Read>,
    memory: &'a dyn Parts,
    slots: &'a Semaphore,
}

impl Object<'_> {
    async fn in_parts(&self, known: Option<Unfinished>, again: bool) -> Result<(), StoreError> {
        let unfinished = self.begin(known, again).await?;
        let upload = unfinished.upload.clone();
        let result = self.send(unfinished).await;
        if let Err(StoreError::Target(TargetError { kind: ErrorKind::NoUpload, .. })) = &result {
            // It was there too long, or somebody cleared it away: the next try begins another.
            self.memory.forget(self.key).map_err(StoreError::Memory)?;
        }
        let parts = result?;
        self.target.complete(self.key, &upload, parts).await?;
        Ok(())
    }

    /// The upload that goes on, or a new one.
    async fn begin(&self, known: Option<Unfinished>, again: bool) -> Result<Unfinished, StoreError> {
        let sha256 = self.read.sha256_text();
        if let Some(known) = known {
            if known.sha256 == sha256 && known.part_bytes == self.read.part_bytes {
                return Ok(known);
            }
            give_up(self.target, self.key, &known, self.memory).await?;
        }
        if again {
            // A crash between the target's answer and our memory of it leaves one that nobody would ever complete.
            for upload in self.target.unfinished(self.key).await? {
                self.target.abort(self.key, &upload).await?;
            }
        }
        let upload = self.target.begin(self.key, &sha256).await?;
        let part_bytes = self.read.part_bytes;
        let begun = Unfinished { upload, sha256, part_bytes, parts: Vec::new() };
        self.memory.remember(self.key, &begun).map_err(StoreError::Memory)?;
        Ok(begun)
    }

    /// Sends what is missing; the answers for all parts, in order.
    async fn send(&self, unfinished: Unfinished) -> Result<Vec<String>, StoreError> {
        let has = |number: u32| unfinished.parts.iter().any(|(known, _)| *known == number);
        let missing: Vec<u32> = (0..self.read.parts()).filter(|number| !has(*number)).collect();
        let upload = unfinished.upload.clone();
        let sending = missing.into_iter().map(|number| self.send_part(number, &upload));
        let mut sent = stream::iter(sending).buffer_unordered(self.read.parts() as usize);
        let mut known = unfinished;
        while let Some(answer) = sent.try_next().await? {
            known.parts.push(answer);
            self.memory.remember(self.key, &known).map_err(StoreError::Memory)?;
        }
        known.parts.sort_unstable();
        Ok(known.parts.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn send_part(&self, number: u32, upload: &str) -> Result<(u32, String), StoreError> {
        let _slot = self.slots.acquire().await;
        let part = Read::part(self.read, number).await?;
        Ok((number, self.target.part(self.key, upload, part).await?))
    }
}

async fn give_up(target: &dyn Target, key: &str, known: &Unfinished, memory: &dyn Parts) -> Result<(), StoreError> {
    match target.abort(key, &known.upload).await {
        Err(error) if error.kind != ErrorKind::NoUpload => return Err(error.into()),
        Ok(()) | Err(_) => {}
    }
    memory.forget(key).map_err(StoreError::Memory)
}

/// Whether the target has this content under this key, and how that is known.
async fn present(target: &dyn Target, key: &str, read: &Read) -> Result<Option<Verified>, StoreError> {
    let Some(found) = target.look(key).await? else { return Ok(None) };
    if found.bytes != read.bytes {
        return Ok(None);
    }
    // A checksum that differs may be of another kind (S3's tag of an object under KMS is no MD5): the content decides.
    if found.checksum == Some(read.checksum()) {
        return Ok(Some(Verified::Checksum));
    }
    let mut digest = Sha256::new();
    fetch(target, key, read.bytes, |bytes| {
        digest.update(bytes);
        Ok(())
    })
    .await?;
    Ok((digest.finalize().as_slice() == read.sha256).then_some(Verified::ReadBack))
}

/// What a file is to a target that stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// The checksum that a target such as S3 gives of it.
    pub checksum: Checksum,
}

/// Reads a file, a part at a time.
///
/// # Errors
/// The disk's.
pub fn content(file: Arc<dyn DiskFile>) -> io::Result<Content> {
    let read = Read::now(file, PathBuf::new())?;
    Ok(Content { bytes: read.bytes, sha256: read.sha256_text(), checksum: read.checksum() })
}

/// Reads an object of `bytes` octets from its beginning to its end, in pieces.
pub async fn fetch(
    target: &dyn Target,
    key: &str,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), StoreError> {
    let mut offset = 0;
    while offset < bytes {
        let piece = target.read(key, offset, PART_BYTES.min(bytes - offset)).await?;
        let differs = || StoreError::Differs {
            url: target.url(""),
            what: format!("it ends after {offset} octets, {bytes} are expected"),
        };
        if piece.is_empty() {
            return Err(differs());
        }
        take(&piece).map_err(|source| StoreError::Local { path: PathBuf::from(key), source })?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// A file as it was read first: what all of it must be.
#[derive(Debug)]
struct Read {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
    part_bytes: u64,
    sha256: [u8; 32],
    /// MD5 of each part; of the whole where it is put at once.
    md5: Vec<[u8; 16]>,
    /// All of it, where it is put at once.
    whole: Option<Bytes>,
}

impl Read {
    async fn read(source: &Source) -> Result<Self, StoreError> {
        let (file, path) = (Arc::clone(&source.file), source.path.clone());
        let failure = |why| StoreError::Local { path: source.path.clone(), source: why };
        let read = blocking(move || Self::now(file, path)).await.map_err(failure)?;
        match &source.sha256 {
            Some(expected) if !expected.eq_ignore_ascii_case(&read.sha256_text()) => Err(StoreError::Damaged {
                path: source.path.clone(),
                expected: expected.clone(),
                found: read.sha256_text(),
            }),
            Some(_) | None => Ok(read),
        }
    }

    fn now(file: Arc<dyn DiskFile>, path: PathBuf) -> io::Result<Self> {
        let bytes = file.length()?;
        let part_bytes = bytes.div_ceil(MAX_PARTS).next_multiple_of(PART_UNIT).max(PART_BYTES);
        let (mut whole, mut md5, mut sha256) = (None, Vec::new(), Sha256::new());
        let mut offset = 0;
        while offset < bytes || md5.is_empty() {
            let part = read_range(&*file, offset, usize::try_from(part_bytes).unwrap_or(usize::MAX))?;
            if part.len() as u64 != part_bytes.min(bytes - offset) {
                return Err(io::Error::other("it became shorter while it was read"));
            }
            md5.push(md5_beside(&mut sha256, &part));
            offset += part.len() as u64;
            whole = (bytes <= PART_BYTES).then(|| Bytes::from(part));
        }
        Ok(Self { path, file, bytes, part_bytes, sha256: sha256.finalize().into(), md5, whole })
    }

    /// A part, read once more: the target checks it against the digest of before.
    async fn part(read: &Arc<Self>, number: u32) -> Result<Part, StoreError> {
        let (content, offset) = (Arc::clone(read), u64::from(number) * read.part_bytes);
        let failure = |source| StoreError::Local { path: read.path.clone(), source };
        let length = read.part_bytes.min(read.bytes.saturating_sub(offset));
        let limit = usize::try_from(length).unwrap_or(usize::MAX);
        let octets = blocking(move || read_range(&*content.file, offset, limit)).await.map_err(failure)?;
        if octets.len() as u64 != length {
            return Err(failure(io::Error::other("it became shorter while it was sent")));
        }
        let md5 = read.md5.get(number as usize).copied().unwrap_or_default();
        Ok(Part { number, offset, content: octets.into(), md5 })
    }

    fn parts(&self) -> u32 {
        u32::try_from(self.md5.len()).unwrap_or(u32::MAX)
    }

    fn sums(&self) -> Sums {
        Sums { md5: self.md5.first().copied().unwrap_or_default(), sha256: self.sha256 }
    }

    /// The checksum that a target such as S3 gives of it.
    fn checksum(&self) -> Checksum {
        match &self.whole {
            Some(_) => Checksum::Md5(self.sums().md5),
            None => Checksum::OfParts(Md5::digest(self.md5.concat()).into(), self.parts()),
        }
    }

    fn sha256_text(&self) -> String {
        hexadecimal(&self.sha256)
    }

    fn stored(&self, verified: Verified, sent: bool) -> Stored {
        Stored { bytes: self.bytes, sha256: self.sha256_text(), verified, sent }
    }
}

/// MD5 of octets that `sha256` takes in as well. A block for the one, then a block for the other: a processor with instructions for
/// SHA-256 does the two side by side, in a sixth less time.
fn md5_beside(sha256: &mut Sha256, octets: &[u8]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for block in octets.chunks(64) {
        sha256.update(block);
        md5.update(block);
    }
    md5.finalize().into()
}

/// Does what may wait for a disk away from the threads that must not.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
