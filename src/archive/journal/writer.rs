//! Journals' writer: its face for the producers, and what it tells of itself.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use siprec_core::seed::SessionId;

use super::catch_up::CaughtUp;
use super::live_folder;
use super::log::Log;
use super::queue::{Job, Queue};
use super::sync::{self, Synced};
use super::thread::{Thread, Work};
use crate::archive::disk::Disk;
use crate::archive::scribe::Blocks;

/// Journals are marked and made durable this often: what a power loss may cost is a round and the next.
const SYNC_EVERY: Duration = Duration::from_millis(900);
/// Octets that may wait where the producer waits too.
const REPLAY_BYTES: usize = 64 << 20;
/// Stalls that are remembered until somebody asks.
const MAX_STALLS: usize = 64;

/// Called on the writer's thread when something has been written.
pub type OnWritten = Arc<dyn Fn() + Send + Sync>;

/// Writes live journals. See the module for who waits for whom.
pub struct Writer {
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The disk took longer than a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// `write` or `sync`.
    pub what: &'static str,
    /// How long; it has just ended.
    pub took: Duration,
}

/// How the writer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Bytes that wait to be written.
    pub waiting_bytes: usize,
    /// Packets dropped since the start, because nothing more fitted.
    pub dropped_packets: u64,
    /// The disk does not take something (full, or broken); it is tried again.
    pub failing: bool,
    /// Sync rounds done.
    pub syncs: u64,
    /// How long the last took.
    pub last_sync: Duration,
    /// Files and folders that the last round could not make durable; they are tried again.
    pub failed_syncs: u64,
}

/// How far the writer has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) written: AtomicU64,
    /// The same, of signalling alone.
    pub(super) signalling: AtomicU64,
    pub(super) failing: AtomicBool,
    pub(super) giving_up: AtomicBool,
    ended: Mutex<bool>,
    changed: Condvar,
    pub(super) synced: Synced,
    stalls: Mutex<Vec<Stall>>,
}

impl Progress {
    /// Whoever waits for something to be written looks again.
    pub(super) fn announce(&self) {
        drop(self.ended());
        self.changed.notify_all();
    }

    /// Nothing more will be written.
    pub(super) fn end(&self) {
        *self.ended() = true;
        self.changed.notify_all();
    }

    pub(super) fn stalled(&self, what: &'static str, took: Duration) {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        if stalls.len() < MAX_STALLS {
            stalls.push(Stall { what, took });
        }
    }

    fn ended(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("written", &self.written()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the threads for journals below `data`, each written straight: for who can do it all again.
    ///
    /// # Errors
    /// The folder cannot be made, or there is no thread left.
    pub fn start(disk: Arc<dyn Disk>, data: &Path, on_written: OnWritten) -> io::Result<Self> {
        Self::with(disk, data, None, on_written, REPLAY_BYTES, SYNC_EVERY)
    }

    /// Starts the threads for journals below `data`, with a log in front of them. `boot` is this boot's name,
    /// `caught_up` what [`catch_up`](super::catch_up) made of the logs of the life before; in so many octets of `memory` media
    /// may wait for a disk that stalls.
    ///
    /// # Errors
    /// The folders cannot be made or read, or there is no thread left.
    pub fn with_log(
        disk: Arc<dyn Disk>,
        data: &Path,
        boot: &str,
        caught_up: CaughtUp,
        memory: usize,
        on_written: OnWritten,
    ) -> io::Result<Self> {
        let log = Log::start(Arc::clone(&disk), data, boot)?;
        Self::with(disk, data, Some((log, caught_up)), on_written, memory, SYNC_EVERY)
    }

    pub(super) fn with(
        disk: Arc<dyn Disk>,
        data: &Path,
        log: Option<(Log, CaughtUp)>,
        on_written: OnWritten,
        capacity: usize,
        sync_every: Duration,
    ) -> io::Result<Self> {
        disk.create_dir_all(&live_folder(data))?;
        let queue = Arc::new(Queue::new(capacity));
        let progress = Arc::new(Progress::default());
        let (to_sync, rounds) = channel();
        let thread = Thread {
            disk: Arc::clone(&disk),
            data: data.to_owned(),
            queue: Arc::clone(&queue),
            progress: Arc::clone(&progress),
            on_written,
            to_sync,
            sync_every,
            work: Work::new(log),
        };
        let writing = std::thread::Builder::new().name("journal".into()).spawn(move || thread.run())?;
        let shared = Arc::clone(&progress);
        let syncing = move || sync::run(&disk, &rounds, &shared);
        let syncing = std::thread::Builder::new().name("journal-sync".into()).spawn(syncing)?;
        Ok(Self { queue, progress, threads: Mutex::new(vec![writing, syncing]) })
    }

    /// An empty buffer to put blocks into.
    pub fn buffer(&self) -> Vec<u8> {
        self.queue.buffer()
    }

    /// Hands blocks of signalling over; never waits. They are written ahead of all media that wait: once
    /// [`Writer::written_of_signalling`] has come to the ticket.
    pub fn hand_over(&self, blocks: Blocks) -> u64 {
        self.queue.push_ahead(blocks)
    }

    /// Hands media over; never waits, and does not wake the writer, which finds them within 10 ms.
    pub fn hand_over_quietly(&self, blocks: Blocks) -> u64 {
        self.queue.push_quietly(blocks)
    }

    /// Wakes the writer for what was handed over quietly.
    pub fn wake(&self) {
        self.queue.wake();
    }

    /// Hands blocks over, waiting for room: for a producer that nothing drives.
    pub fn hand_over_waiting(&self, blocks: Blocks) -> u64 {
        self.queue.push_waiting(Job::Write(blocks))
    }

    /// What was handed over of a session before is in its journal's own file, for who reads it, once
    /// [`Writer::written`] has come to the ticket.
    pub fn flush(&self, session: SessionId) -> u64 {
        self.queue.push(Job::Flush(session))
    }

    /// The session's journal is over; what was handed over before is written first.
    pub fn close(&self, session: SessionId) -> u64 {
        self.queue.push(Job::Close(session))
    }

    /// The ticket up to which all is in the file system's hands: it survives the end of this process. What the disk
    /// does not take holds it up.
    pub fn written(&self) -> u64 {
        self.progress.written.load(Ordering::Acquire)
    }

    /// The ticket up to which all of signalling, what [`Writer::hand_over`] took, is in the file system's hands.
    pub fn written_of_signalling(&self) -> u64 {
        self.progress.signalling.load(Ordering::Acquire)
    }

    /// The ticket up to which all is on the disk itself: it survives the end of the machine.
    pub fn durable(&self) -> u64 {
        self.progress.synced.durable.load(Ordering::Acquire)
    }

    /// The ticket given last.
    pub fn newest_ticket(&self) -> u64 {
        self.queue.newest_ticket()
    }

    /// Whether new sessions should be refused: the queue is half full, or the disk does not take what is written.
    pub fn is_under_pressure(&self) -> bool {
        self.progress.failing.load(Ordering::Relaxed) || self.queue.is_half_full()
    }

    /// How it is doing.
    pub fn figures(&self) -> Figures {
        let (waiting_bytes, dropped_packets) = self.queue.figures();
        let synced = &self.progress.synced;
        Figures {
            waiting_bytes,
            dropped_packets,
            failing: self.progress.failing.load(Ordering::Relaxed),
            syncs: synced.rounds.load(Ordering::Acquire),
            last_sync: Duration::from_micros(synced.last_micros.load(Ordering::Relaxed)),
            failed_syncs: synced.failed.load(Ordering::Relaxed),
        }
    }

    /// Stalls of the disk since this was asked last.
    pub fn take_stalls(&self) -> Vec<Stall> {
        std::mem::take(&mut *self.progress.stalls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Packets dropped of each session since this was asked last, because nothing more fitted.
    pub fn take_drops(&self) -> HashMap<SessionId, u64> {
        self.queue.take_drops()
    }

    /// Waits until all that was handed over is written.
    pub fn wait_written(&self) {
        let newest = self.newest_ticket();
        let ended = self.progress.ended();
        let wait = self.progress.changed.wait_while(ended, |ended| !*ended && self.written() < newest);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes and syncs what was handed over, then ends the threads. A disk that does not take it is given up after
    /// `patience`.
    pub fn stop(&self, patience: Duration) {
        self.queue.push(Job::Stop);
        self.queue.stop();
        let ended = self.progress.ended();
        let wait = self.progress.changed.wait_timeout_while(ended, patience, |ended| !*ended);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
        self.progress.giving_up.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(5));
    }
}
