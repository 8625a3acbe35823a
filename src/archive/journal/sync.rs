//! The thread that makes journals durable. The disk may take its time here: nobody waits for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::open::Dirty;
use crate::archive::disk::Disk;

/// From so many files on, one sync of a file system of our own is cheaper than one of each.
const MANY_FILES: usize = 8;
/// A sync that takes longer is told.
const SLOW: Duration = Duration::from_secs(1);

/// What the thread has done.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// Rounds that are complete.
    pub(super) rounds: AtomicU64,
    /// Microseconds of the last one.
    pub(super) last_micros: AtomicU64,
}

/// Makes each round durable until the writer is gone.
pub(super) fn run(disk: &Arc<dyn Disk>, data: &Path, rounds: &Receiver<Vec<Dirty>>, synced: &Synced) {
    let own_file_system = disk.is_own_file_system(data).unwrap_or(false);
    while let Ok(round) = rounds.recv() {
        let began = Instant::now();
        round_trip(disk, data, own_file_system, round);
        let took = began.elapsed();
        synced.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        synced.rounds.fetch_add(1, Ordering::Release);
        if took > SLOW {
            tracing::warn!(seconds = took.as_secs_f32(), "the disk is slow to make journals durable");
        }
    }
}

fn round_trip(disk: &Arc<dyn Disk>, data: &Path, own_file_system: bool, round: Vec<Dirty>) {
    if own_file_system && round.len() >= MANY_FILES {
        match disk.sync_file_system(data) {
            Ok(()) => round.iter().for_each(Dirty::is_synced),
            Err(error) => tracing::error!(%error, "journals cannot be made durable"),
        }
        return;
    }
    let mut names: BTreeSet<PathBuf> = BTreeSet::new();
    for dirty in round {
        match dirty.file.sync_data() {
            Ok(()) => dirty.is_synced(),
            Err(error) => tracing::error!(%error, "a journal cannot be made durable"),
        }
        names.extend(dirty.new_names);
    }
    // Inner folders first: a name is durable only with those above it.
    for folder in names.iter().rev() {
        match disk.sync_dir(folder) {
            // A short session's folder may have been put away already.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%error, folder = %folder.display(), "a journal's name cannot be made durable");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
