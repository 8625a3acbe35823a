//! A segment that is being written: where it ends, what of it is marked.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use siprec_core::journal::{Mark, encoder};
use siprec_core::time::Wall;

use crate::archive::disk::DiskFile;

/// A live session's newest segment.
#[derive(Debug)]
pub(super) struct OpenSegment {
    file: Arc<dyn DiskFile>,
    /// Folders whose entries are new and not yet durable.
    new_names: Vec<PathBuf>,
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
    pub(super) fn new(file: Arc<dyn DiskFile>, new_names: Vec<PathBuf>) -> Self {
        Self {
            file,
            new_names,
            length: 0,
            marked: 0,
            sum: crc32fast::Hasher::new(),
            checkpoint: None,
            latest: Wall(0),
            synced: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Appends whole blocks, or nothing of them.
    ///
    /// # Errors
    /// The disk's: it is full, or broken. To be tried again.
    pub(super) fn append(&mut self, bytes: &[u8], checkpoint_at: Option<u32>) -> io::Result<()> {
        self.put(bytes)?;
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
    pub(super) fn mark(&mut self) -> io::Result<()> {
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
        self.put(&bytes)?;
        self.marked = self.length;
        self.sum = crc32fast::Hasher::new();
        Ok(())
    }

    /// What is to be made durable, if anything is.
    pub(super) fn dirty(&mut self) -> Option<Dirty> {
        if self.synced.load(Ordering::Relaxed) >= self.length && self.new_names.is_empty() {
            return None;
        }
        Some(Dirty {
            file: Arc::clone(&self.file),
            new_names: std::mem::take(&mut self.new_names),
            done: false,
            length: self.length,
            synced: Arc::clone(&self.synced),
        })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_at(self.length, bytes) {
            // What a failed write left is cut off; if even that fails, the next try overwrites it, and a reader takes
            // it for a torn end.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}
