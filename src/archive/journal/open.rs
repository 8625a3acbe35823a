//! A segment that is being written: where it ends, what of it is marked.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use siprec_core::journal::{Mark, encoder};
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use super::log::Log;
use crate::archive::disk::DiskFile;

/// What is logged waits for its journal until there is so much of it, or its turn comes. More would make writes rarer
/// still, but a session costs this memory.
const WAITING_BYTES: usize = 16 << 10;
/// Memory that grew beyond this, for a large message, is given back.
const MOST_WAITING_BYTES: usize = 2 * WAITING_BYTES;

/// A live session's newest segment.
#[derive(Debug)]
pub(super) struct OpenSegment {
    file: Arc<dyn DiskFile>,
    /// Its place in the log: whose it is, and which one. None where nothing is logged.
    logged_as: Option<(SessionId, u32)>,
    /// Folders whose entries are new and not yet durable.
    new_names: Vec<PathBuf>,
    /// In the log, and not in the file yet.
    waiting: Vec<u8>,
    /// Nothing waits any more: the session is over.
    is_closed: bool,
    /// With what waits.
    length: u64,
    /// End of the last mark.
    marked: u64,
    sum: crc32fast::Hasher,
    checkpoint: Option<u64>,
    /// The latest time written, for marks.
    latest: Wall,
    /// So much is on the disk itself, as far as the sync thread has come.
    synced: Arc<AtomicU64>,
}

/// What the sync thread makes durable.
#[derive(Debug)]
pub(super) struct Dirty {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) new_names: Vec<PathBuf>,
    /// It is durable.
    pub(super) done: bool,
    length: u64,
    synced: Arc<AtomicU64>,
}

impl Dirty {
    /// A file that nobody writes any more, of a life before this one.
    pub(super) fn left_behind(file: Arc<dyn DiskFile>) -> Self {
        Self { file, new_names: Vec::new(), done: false, length: 0, synced: Arc::default() }
    }

    /// It is durable now.
    pub(super) fn is_synced(&mut self) {
        self.done = true;
        self.synced.fetch_max(self.length, Ordering::Relaxed);
    }
}

impl OpenSegment {
    /// A new file, in folders that are not durable yet.
    pub(super) fn new(file: Arc<dyn DiskFile>, logged_as: Option<(SessionId, u32)>, new_names: Vec<PathBuf>) -> Self {
        Self {
            file,
            logged_as,
            new_names,
            waiting: Vec::new(),
            is_closed: false,
            length: 0,
            marked: 0,
            sum: crc32fast::Hasher::new(),
            checkpoint: None,
            latest: Wall(0),
            synced: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Appends whole blocks, or nothing of them: to the log, where there is one, else to the file.
    ///
    /// # Errors
    /// The disk's: it is full, or broken. To be tried again.
    pub(super) fn append(&mut self, bytes: &[u8], checkpoint_at: Option<u32>, log: Option<&mut Log>) -> io::Result<()> {
        self.put(bytes, log)?;
        if let Some(at) = checkpoint_at {
            self.checkpoint = Some(self.length - bytes.len() as u64 + u64::from(at));
        }
        self.latest = self.latest.max(encoder::latest_in(bytes).unwrap_or_default());
        self.sum.update(bytes);
        Ok(())
    }

    /// Vouches for what was written since the last mark. Nothing to do is no error.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn mark(&mut self, log: Option<&mut Log>) -> io::Result<()> {
        if self.length == self.marked {
            return Ok(());
        }
        let mark = Mark {
            from: self.marked,
            crc: self.sum.clone().finalize(),
            checkpoint: self.checkpoint,
            synced: self.synced.load(Ordering::Relaxed),
        };
        let mut bytes = Vec::new();
        encoder::mark(&mut bytes, self.latest, &mark);
        self.put(&bytes, log)?;
        self.marked = self.length;
        self.sum = crc32fast::Hasher::new();
        Ok(())
    }

    /// What is to be made durable, if anything is.
    pub(super) fn dirty(&mut self) -> Option<Dirty> {
        if self.synced.load(Ordering::Relaxed) >= self.written() && self.new_names.is_empty() {
            return None;
        }
        Some(Dirty {
            file: Arc::clone(&self.file),
            new_names: std::mem::take(&mut self.new_names),
            done: false,
            length: self.written(),
            synced: Arc::clone(&self.synced),
        })
    }

    /// Writes what waits into the file. Nothing to do is no error.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        write_whole(&*self.file, self.written(), &self.waiting)?;
        self.waiting.clear();
        if self.waiting.capacity() > MOST_WAITING_BYTES {
            self.waiting.shrink_to(WAITING_BYTES);
        }
        Ok(())
    }

    /// The session is over: from now on everything goes straight into the file too.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.is_closed = true;
        Ok(())
    }

    /// Length of the file.
    fn written(&self) -> u64 {
        self.length - self.waiting.len() as u64
    }

    fn put(&mut self, bytes: &[u8], log: Option<&mut Log>) -> io::Result<()> {
        match (log, self.logged_as) {
            (Some(log), Some((session, segment))) => {
                if self.waiting.len() + bytes.len() > WAITING_BYTES {
                    self.write_out()?;
                }
                log.push(session, segment, self.length, bytes);
                self.waiting.extend_from_slice(bytes);
            }
            (None, _) | (_, None) => write_whole(&*self.file, self.length, bytes)?,
        }
        self.length += bytes.len() as u64;
        if self.is_closed {
            // Where it fails, the log has it, and its turn will come.
            let _ = self.write_out();
        }
        Ok(())
    }
}

/// Writes all of `bytes`, or cuts off what a write that failed has left.
fn write_whole(file: &dyn DiskFile, at: u64, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    file.write_at(at, bytes).inspect_err(|_| {
        // If even that fails, the next try overwrites it, and a reader takes it for a torn end.
        let _ = file.set_len(at);
    })
}
