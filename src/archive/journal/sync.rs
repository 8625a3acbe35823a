//! The thread that makes journals durable. The disk may take its time here: nobody waits for it.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::log;
use super::open::Dirty;
use super::thread::STALL;
use super::writer::Progress;
use crate::archive::disk::{Disk, DiskFile};

/// Behind a log, one journal in so many is made durable in each round.
pub(super) const TURNS: usize = 8;

/// Threads that sync at the same time. (2,000 files of 23 KiB on ext4: one thread 410 ms, 8 threads 170 ms; see
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
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) number: u64,
    pub(super) files: Vec<Dirty>,
    /// Folders with new names, beside those of the files.
    pub(super) names: Vec<PathBuf>,
    /// All jobs up to this ticket are written, and what they wrote is in this round or in one before it.
    pub(super) ticket: u64,
    /// There is a log, which has it all.
    pub(super) is_logged: bool,
    /// The logs as they are.
    pub(super) logs: Vec<LoggedSoFar>,
    /// All journals whose turn it was are in `files`, if they were not durable.
    pub(super) turns: Range<usize>,
    /// Logs that are not written any more.
    pub(super) over: Vec<PathBuf>,
}

/// A log, as long as it was then.
#[derive(Debug)]
pub(super) struct LoggedSoFar {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) length: u64,
}

/// What is still to be made durable, and what goes when it is.
#[derive(Debug, Default)]
struct Unsynced {
    files: Vec<Dirty>,
    names: BTreeSet<PathBuf>,
    logs: Vec<LoggedSoFar>,
    /// How much of which log is durable, of the one that is written.
    logged: (PathBuf, u64),
    turns: Turns,
}

/// Whose turn has come since when, and the logs that wait for everybody's.
#[derive(Debug, Default)]
struct Turns {
    /// Turns that were taken in rounds whose files are not all durable yet.
    taken: Vec<(usize, u64)>,
    /// The last round in which all of a turn's journals were made durable.
    done: [u64; TURNS],
    /// Logs that are not written any more, and the round before which that was.
    over: Vec<(PathBuf, u64)>,
}

impl Turns {
    /// All of the turns taken is durable: a log goes when everybody has had a turn since.
    fn are_done(&mut self, disk: &dyn Disk) {
        for (turn, round) in self.taken.drain(..) {
            if let Some(done) = self.done.get_mut(turn) {
                *done = round;
            }
        }
        let all = self.done.iter().copied().min().unwrap_or(0);
        self.over.retain(|(path, since)| {
            if *since > all {
                return true;
            }
            let removed = log::remove(disk, path);
            if let Err(error) = &removed {
                tracing::warn!(%error, log = %path.display(), "a log that nobody needs cannot be removed");
            }
            removed.is_err()
        });
    }
}

/// Makes each round durable until the writer is gone. What fails is tried with the next round.
pub(super) fn run(disk: &Arc<dyn Disk>, rounds: &Receiver<Round>, progress: &Progress) {
    let synced = &progress.synced;
    let mut unsynced = Unsynced::default();
    while let Ok(round) = rounds.recv() {
        let began = Instant::now();
        let is_logged = round.is_logged;
        // While the disk stalled, rounds have piled up: they are one.
        let ticket = std::iter::once(round).chain(rounds.try_iter()).fold(0, |_, round| unsynced.take(round));
        unsynced.sync_logs(disk);
        if is_logged && unsynced.logs.is_empty() {
            synced.durable.fetch_max(ticket, Ordering::Release);
        }
        unsynced.sync_each();
        unsynced.sync_names(disk);
        let took = began.elapsed();
        let left = unsynced.files.len() + unsynced.names.len();
        if left == 0 {
            unsynced.turns.are_done(&**disk);
            if !is_logged {
                synced.durable.fetch_max(ticket, Ordering::Release);
            }
        }
        synced.failed.store((left + unsynced.logs.len()) as u64, Ordering::Relaxed);
        synced.last_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        synced.rounds.fetch_add(1, Ordering::Release);
        if took > STALL {
            progress.stalled("sync", took);
        }
    }
}

impl Unsynced {
    /// Adds a round; its ticket.
    fn take(&mut self, mut round: Round) -> u64 {
        self.names.extend(round.files.iter_mut().flat_map(|dirty| std::mem::take(&mut dirty.new_names)));
        self.names.extend(round.names);
        self.files.append(&mut round.files);
        self.logs.append(&mut round.logs);
        self.turns.taken.extend(round.turns.map(|turn| (turn, round.number)));
        self.turns.over.extend(round.over.into_iter().map(|path| (path, round.number)));
        round.ticket
    }

    /// The logs first: with them all is durable that was written.
    fn sync_logs(&mut self, disk: &Arc<dyn Disk>) {
        let logged = &mut self.logged;
        self.logs.retain(|log| {
            let is_new = logged.0 != log.path;
            if !is_new && logged.1 >= log.length {
                return false;
            }
            let folder = log.path.parent().unwrap_or(Path::new(""));
            let done = log.file.sync_data().and_then(|()| if is_new { disk.sync_dir(folder) } else { Ok(()) });
            match done {
                Ok(()) => *logged = (log.path.clone(), log.length),
                Err(error) => tracing::error!(%error, log = %log.path.display(), "the log cannot be made durable"),
            }
            logged.0 != log.path || logged.1 < log.length
        });
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
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
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
