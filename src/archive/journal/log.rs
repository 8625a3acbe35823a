//! The log in front of the journals: what all of them get, in one file, written once a round and made durable once a
//! second. A journal itself is written in larger pieces and made durable in turns; until then the log has it.
//!
//! ```text
//! file   "SPRCLOG1" | u32 length | the boot's name | batches
//! batch  "SPRB" | u32 entries | u64 bytes | u32 CRC-32 of those two and the index | index | bytes of all entries
//! index  u128 session | u32 segment | u64 offset in it | u32 length | u32 CRC-32        (an entry, little endian all)
//! ```
//!
//! A batch's index comes first, so that who looks for what is missing reads little more than indexes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siprec_core::seed::SessionId;

use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::sealed::{SUFFIX, is_sealed, key_path, named};

/// Where logs lie, from the data directory on.
const LOGS: &str = "journals/log";
const FILE_MAGIC: &[u8; 8] = b"SPRCLOG1";
const BATCH_MAGIC: &[u8; 4] = b"SPRB";
/// Octets of a batch before its index, and of an entry in it.
const HEAD: usize = 20;
const INDEXED: usize = 36;
/// A boot's name is no longer.
const MAX_BOOT: usize = 256;
/// An index is no larger: more entries than a batch can have.
const MAX_INDEX: usize = 64 << 20;

/// The folder of the logs.
pub(super) fn log_folder(data: &Path) -> PathBuf {
    data.join(LOGS)
}

/// The logs that are there, oldest first, with their numbers.
pub(super) fn logs(disk: &dyn Disk, data: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = log_folder(data);
    if !disk.exists(&folder)? {
        return Ok(Vec::new());
    }
    let number = |name: &str| name.strip_suffix(SUFFIX).unwrap_or(name).strip_suffix(".log")?.parse().ok();
    let mut found: Vec<_> =
        disk.list(&folder)?.iter().filter_map(|l| Some((number(&l.name)?, folder.join(&l.name)))).collect();
    found.sort();
    Ok(found)
}

/// Removes a log that nobody needs, and its key. One that is gone already is none of them.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    gone(disk.remove_file(path))?;
    if is_sealed(path) { gone(disk.remove_file(&key_path(path))) } else { Ok(()) }
}

/// Bytes that belong into a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) session: SessionId,
    pub(super) segment: u32,
    /// Where in the segment.
    pub(super) offset: u64,
    pub(super) length: u32,
    crc: u32,
}

impl Logged {
    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.session.0.to_le_bytes());
        into.extend_from_slice(&self.segment.to_le_bytes());
        into.extend_from_slice(&self.offset.to_le_bytes());
        into.extend_from_slice(&self.length.to_le_bytes());
        into.extend_from_slice(&self.crc.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (session, rest) = bytes.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (crc, _) = rest.split_first_chunk()?;
        Some(Self {
            session: SessionId(u128::from_le_bytes(*session)),
            segment: u32::from_le_bytes(*segment),
            offset: u64::from_le_bytes(*offset),
            length: u32::from_le_bytes(*length),
            crc: u32::from_le_bytes(*crc),
        })
    }

    /// Where in the segment it ends.
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }

    /// Whether these are its bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length as usize && crc32fast::hash(bytes) == self.crc
    }
}

/// A log that is being written.
#[derive(Debug)]
pub(super) struct OpenLog {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) length: u64,
}

/// What is logged now: a batch that is gathered, and the file it goes to.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    boot: String,
    next: u64,
    open: Option<OpenLog>,
    head: Vec<u8>,
    bytes: Vec<u8>,
}

impl Log {
    /// Begins behind the logs that are there. The first file is made when there is something to write.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn start(disk: Arc<dyn Disk>, data: &Path, boot: &str) -> io::Result<Self> {
        let folder = log_folder(data);
        disk.create_dir_all(&folder)?;
        let next = logs(&*disk, data)?.last().map_or(1, |(number, _)| number + 1);
        let boot = boot.chars().take(MAX_BOOT / 4).collect();
        Ok(Self { disk, folder, boot, next, open: None, head: vec![0; HEAD], bytes: Vec::new() })
    }

    /// Gathers bytes of a session's segment that belong at `offset` in it.
    pub(super) fn push(&mut self, session: SessionId, segment: u32, offset: u64, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Logged { session, segment, offset, length, crc: crc32fast::hash(bytes) }.write(&mut self.head);
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that are gathered.
    pub(super) fn gathered(&self) -> usize {
        self.bytes.len()
    }

    /// Writes what was gathered, whole or not at all. After an error it is still gathered.
    ///
    /// # Errors
    /// The disk's: full, or broken.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let entries = (self.head.len() - HEAD) / INDEXED;
        if entries == 0 {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        self.head[..4].copy_from_slice(BATCH_MAGIC);
        self.head[4..8].copy_from_slice(&u32::try_from(entries).unwrap_or(u32::MAX).to_le_bytes());
        self.head[8..16].copy_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        let crc = batch_crc(&self.head);
        self.head[16..HEAD].copy_from_slice(&crc.to_le_bytes());
        let head = open.length + self.head.len() as u64;
        let written = open.file.write_at(open.length, &self.head).and_then(|()| open.file.write_at(head, &self.bytes));
        match written {
            Ok(()) => {
                open.length = head + self.bytes.len() as u64;
                self.head.truncate(HEAD);
                self.bytes.clear();
            }
            // A reader takes what is left of it for a torn end, and the next try overwrites it.
            Err(_) => drop(open.file.set_len(open.length)),
        }
        self.open = Some(open);
        written
    }

    fn create(&mut self) -> io::Result<OpenLog> {
        let path = self.folder.join(named(&format!("{:08}.log", self.next), self.disk.seals()));
        let file = match self.disk.create_new(&path) {
            // Made by a try whose header could not be written.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.disk.open_append(&path)?,
            made => made?,
        };
        let mut header = FILE_MAGIC.to_vec();
        header.extend_from_slice(&u32::try_from(self.boot.len()).unwrap_or(0).to_le_bytes());
        header.extend_from_slice(self.boot.as_bytes());
        file.write_at(0, &header)?;
        self.next += 1;
        Ok(OpenLog { path, file, length: header.len() as u64 })
    }

    /// The file that is written, if there is one.
    pub(super) fn open(&self) -> Option<&OpenLog> {
        self.open.as_ref()
    }

    /// Ends the file: what comes next goes to another.
    pub(super) fn close(&mut self) -> Option<OpenLog> {
        self.open.take()
    }
}

/// Of a batch's head with its index, all but the place of the sum itself.
fn batch_crc(head: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head.get(4..16).unwrap_or_default());
    sum.update(head.get(HEAD..).unwrap_or_default());
    sum.finalize()
}

/// Reads a log to where it is torn.
#[derive(Debug)]
pub(super) struct LogReader {
    file: Arc<dyn DiskFile>,
    /// The boot that it was written in.
    pub(super) boot: String,
    at: u64,
}

impl LogReader {
    /// None of a file without a whole header.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn open(file: Arc<dyn DiskFile>) -> io::Result<Option<Self>> {
        let bytes = read_range(&*file, 0, FILE_MAGIC.len() + 4 + MAX_BOOT)?;
        let boot = || {
            let (length, rest) = bytes.strip_prefix(FILE_MAGIC)?.split_first_chunk()?;
            let boot = rest.get(..u32::from_le_bytes(*length) as usize)?;
            Some(str::from_utf8(boot).ok()?.to_owned())
        };
        Ok(boot().map(|boot| Self { file, at: (FILE_MAGIC.len() + 4 + boot.len()) as u64, boot }))
    }

    /// The next batch: its entries, each with the place of its bytes in the log. None at the end.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<(Logged, u64)>>> {
        let mut head = read_range(&*self.file, self.at, HEAD)?;
        let Some((entries, length)) = counts(&head) else { return Ok(None) };
        let index = entries * INDEXED;
        head.extend(read_range(&*self.file, self.at + HEAD as u64, index)?);
        let sum = head.get(16..HEAD).and_then(|sum| sum.first_chunk()).map(|sum| u32::from_le_bytes(*sum));
        if head.len() < HEAD + index || sum != Some(batch_crc(&head)) {
            return Ok(None);
        }
        let mut place = self.at + head.len() as u64;
        self.at = place + length;
        let mut batch = Vec::with_capacity(entries);
        for logged in head.get(HEAD..).unwrap_or_default().chunks_exact(INDEXED).filter_map(Logged::read) {
            batch.push((logged, place));
            place += u64::from(logged.length);
        }
        Ok(Some(batch))
    }

    /// An entry's bytes; none where they are not whole.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn bytes(&self, logged: &Logged, place: u64) -> io::Result<Option<Vec<u8>>> {
        let bytes = read_range(&*self.file, place, logged.length as usize)?;
        Ok(logged.is(&bytes).then_some(bytes))
    }
}

/// Entries of a batch, and the length of their bytes.
fn counts(head: &[u8]) -> Option<(usize, u64)> {
    let rest = head.strip_prefix(BATCH_MAGIC)?;
    let (entries, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let entries = usize::try_from(u32::from_le_bytes(*entries)).ok().filter(|n| n * INDEXED <= MAX_INDEX)?;
    (rest.len() == 4).then_some((entries, u64::from_le_bytes(*length)))
}
