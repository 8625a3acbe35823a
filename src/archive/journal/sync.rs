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

/// Threads that sync at the same time, where each file is synced on its own.
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
    /// Files and folders that could not be made durable.
    pub(super) failed: AtomicU64,
}

/// Makes each round durable until the writer is gone.
pub(super) fn run(disk: &Arc<dyn Disk>, data: &Path, rounds: &Receiver<Vec<Dirty>>, progress: &Progress) {
    let own_file_system = disk.is_own_file_system(data).unwrap_or(false);
    let mut names = BTreeSet::new();
    while let Ok(mut round) = rounds.recv() {
        // While the disk stalled, rounds have piled up: they are one.
        round.extend(rounds.try_iter().flatten());
        let began = Instant::now();
        names.extend(round.iter_mut().flat_map(|dirty| std::mem::take(&mut dirty.new_names)));
        if own_file_system && round.len() >= MANY_FILES {
            sync_all(disk, data, &round, &mut names, &progress.synced);
        } else {
            sync_each(&round, &progress.synced);
            sync_names(disk, &mut names, &progress.synced);
        }
        let took = began.elapsed();
        progress.synced.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        progress.synced.rounds.fetch_add(1, Ordering::Release);
        if took > STALL {
            progress.stalled("sync", took);
        }
    }
}

fn sync_all(disk: &Arc<dyn Disk>, data: &Path, round: &[Dirty], names: &mut BTreeSet<PathBuf>, synced: &Synced) {
    match disk.sync_file_system(data) {
        Ok(()) => {
            round.iter().for_each(Dirty::is_synced);
            names.clear();
        }
        Err(error) => {
            synced.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "journals cannot be made durable");
        }
    }
}

/// Side by side: a file system's journal takes several with one commit.
fn sync_each(round: &[Dirty], synced: &Synced) {
    let share = round.len().div_ceil(SIDE_BY_SIDE).max(FEW_FILES);
    std::thread::scope(|scope| {
        let mut shares = round.chunks(share);
        let own = shares.next().unwrap_or_default();
        for share in shares {
            scope.spawn(move || sync_files(share, synced));
        }
        sync_files(own, synced);
    });
}

fn sync_files(files: &[Dirty], synced: &Synced) {
    for dirty in files {
        match dirty.file.sync_data() {
            Ok(()) => dirty.is_synced(),
            Err(error) => {
                synced.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "a journal cannot be made durable");
            }
        }
    }
}

/// Inner folders first: a name is durable only with those above it. What fails is tried with the next round.
fn sync_names(disk: &Arc<dyn Disk>, names: &mut BTreeSet<PathBuf>, synced: &Synced) {
    for folder in std::mem::take(names).into_iter().rev() {
        match disk.sync_dir(&folder) {
            // A short session's folder may have been put away already, which made it durable.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                synced.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, folder = %folder.display(), "a journal's name cannot be made durable");
                names.insert(folder);
            }
            Ok(()) | Err(_) => {}
        }
    }
}
