//! The thread that makes journals durable. The disk may take its time here: nobody waits for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::open::Dirty;
use super::thread::STALL;
use super::writer::Progress;
use crate::archive::disk::Disk;

/// From so many files on, one sync of a file system of our own is cheaper than one of each.
const MANY_FILES: usize = 8;

/// Threads that sync at the same time, where each file is synced on its own. (2,000 files of 23 KiB on ext4: one thread
/// 410 ms, 8 threads 170 ms, syncfs 120 ms, which would wait for everybody else's files as well. See
/// `benches/journal.rs`.)
const SIDE_BY_SIDE: usize = 8;
/// So few files are not worth a thread.
const FEW_FILES: usize = 8;

/// What the thread has done.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// Rounds that are complete.
    pub(super) rounds: AtomicU64,
    /// Microseconds of the last one.
    pub(super) last_micros: AtomicU64,
    /// Files and folders that the last round could not make durable.
    pub(super) failed: AtomicU64,
    /// All jobs up to this ticket are on the disk itself.
    pub(super) durable: AtomicU64,
}

/// What the writer hands over each second.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) files: Vec<Dirty>,
    /// All jobs up to this ticket are written, and what they wrote is in this round or in one before it.
    pub(super) ticket: u64,
}

/// What is still to be made durable.
#[derive(Debug, Default)]
struct Unsynced {
    files: Vec<Dirty>,
    names: BTreeSet<PathBuf>,
}

/// Makes each round durable until the writer is gone. What fails is tried with the next round.
pub(super) fn run(disk: &Arc<dyn Disk>, data: &Path, rounds: &Receiver<Round>, progress: &Progress) {
    let own_file_system = disk.is_own_file_system(data).unwrap_or(false);
    let mut unsynced = Unsynced::default();
    while let Ok(round) = rounds.recv() {
        // While the disk stalled, rounds have piled up: they are one.
        let ticket = std::iter::once(round).chain(rounds.try_iter()).fold(0, |_, mut round| {
            unsynced.names.extend(round.files.iter_mut().flat_map(|dirty| std::mem::take(&mut dirty.new_names)));
            unsynced.files.append(&mut round.files);
            round.ticket
        });
        let began = Instant::now();
        if own_file_system && unsynced.files.len() >= MANY_FILES {
            unsynced.sync_all(disk, data);
        } else {
            unsynced.sync_each();
            unsynced.sync_names(disk);
        }
        let took = began.elapsed();
        let synced = &progress.synced;
        let left = unsynced.files.len() + unsynced.names.len();
        if left == 0 {
            synced.durable.fetch_max(ticket, Ordering::Release);
        }
        synced.failed.store(left as u64, Ordering::Relaxed);
        synced.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        synced.rounds.fetch_add(1, Ordering::Release);
        if took > STALL {
            progress.stalled("sync", took);
        }
    }
}

impl Unsynced {
    fn sync_all(&mut self, disk: &Arc<dyn Disk>, data: &Path) {
        match disk.sync_file_system(data) {
            Ok(()) => {
                self.files.drain(..).for_each(|mut dirty| dirty.is_synced());
                self.names.clear();
            }
            Err(error) => tracing::error!(%error, "journals cannot be made durable"),
        }
    }

    /// Side by side: a file system's journal takes several with one commit.
    fn sync_each(&mut self) {
        let share = self.files.len().div_ceil(SIDE_BY_SIDE).max(FEW_FILES);
        std::thread::scope(|scope| {
            let mut shares = self.files.chunks_mut(share);
            let own = shares.next().unwrap_or_default();
            for share in shares {
                scope.spawn(|| sync_files(share));
            }
            sync_files(own);
        });
        self.files.retain(|dirty| !dirty.done);
    }

    /// Inner folders first: a name is durable only with those above it.
    fn sync_names(&mut self, disk: &Arc<dyn Disk>) {
        for folder in std::mem::take(&mut self.names).into_iter().rev() {
            match disk.sync_dir(&folder) {
                // A short session's folder may have been put away already, which made it durable.
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::error!(%error, folder = %folder.display(), "a journal's name cannot be made durable");
                    self.names.insert(folder);
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

fn sync_files(files: &mut [Dirty]) {
    for dirty in files {
        match dirty.file.sync_data() {
            Ok(()) => dirty.is_synced(),
            Err(error) => tracing::error!(%error, "a journal cannot be made durable"),
        }
    }
}
