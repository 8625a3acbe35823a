//! The thread that writes journals, and its face for the producers.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use siprec_core::entry::{Entry, Event, Kind};
use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use super::open::{Dirty, OpenSegment};
use super::queue::{CAPACITY_BYTES, Job, Queue};
use super::sync::{self, Synced};
use super::{live_folder, segment_name, session_folder};
use crate::archive::disk::Disk;
use crate::archive::scribe::Blocks;

/// Journals are marked and made durable this often: what a power loss may cost is a round and the next.
const SYNC_EVERY: Duration = Duration::from_millis(900);
/// A write that failed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Called on the writer's thread when something has been written.
pub type OnWritten = Arc<dyn Fn() + Send + Sync>;

/// Writes live journals. See the module for who waits for whom.
pub struct Writer {
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How far the writer has come.
#[derive(Debug, Default)]
struct Progress {
    written: AtomicU64,
    failing: AtomicBool,
    giving_up: AtomicBool,
    ended: Mutex<bool>,
    changed: Condvar,
    synced: Synced,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("written", &self.written()).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the threads for journals below `data`.
    ///
    /// # Errors
    /// The folder cannot be made, or there is no thread left.
    pub fn start(disk: Arc<dyn Disk>, data: &Path, on_written: OnWritten) -> io::Result<Self> {
        Self::with_capacity(disk, data, on_written, CAPACITY_BYTES)
    }

    pub(super) fn with_capacity(
        disk: Arc<dyn Disk>,
        data: &Path,
        on_written: OnWritten,
        capacity: usize,
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
            segments: HashMap::new(),
            closed: Vec::new(),
            to_sync,
            last_sync: Instant::now(),
            last_at: Wall(0),
            on_written,
        };
        let writing = std::thread::Builder::new().name("journal".into()).spawn(move || thread.run())?;
        let (data, shared) = (data.to_owned(), Arc::clone(&progress));
        let syncing = move || sync::run(&disk, &data, &rounds, &shared.synced);
        let syncing = std::thread::Builder::new().name("journal-sync".into()).spawn(syncing)?;
        Ok(Self { queue, progress, threads: Mutex::new(vec![writing, syncing]) })
    }

    /// An empty buffer to put blocks into.
    pub fn buffer(&self) -> Vec<u8> {
        self.queue.buffer()
    }

    /// Hands blocks over; never waits. The ticket is written once [`Writer::written`] has come to it.
    pub fn hand_over(&self, blocks: Blocks) -> u64 {
        self.queue.push(Job::Write(blocks))
    }

    /// Hands blocks over, waiting for room: for a producer that nothing drives.
    pub fn hand_over_waiting(&self, blocks: Blocks) -> u64 {
        self.queue.push_waiting(Job::Write(blocks))
    }

    /// The session's journal is over; what was handed over before is written first.
    pub fn close(&self, session: SessionId) -> u64 {
        self.queue.push(Job::Close(session))
    }

    /// The ticket up to which all is in the file system's hands: it survives the end of this process.
    pub fn written(&self) -> u64 {
        self.progress.written.load(Ordering::Acquire)
    }

    /// The ticket given last.
    pub fn newest_ticket(&self) -> u64 {
        self.queue.newest_ticket()
    }

    /// Whether new sessions should be refused: the queue is half full, or the disk does not take what is written.
    pub fn is_under_pressure(&self) -> bool {
        self.progress.failing.load(Ordering::Relaxed) || self.queue.is_half_full()
    }

    /// How long the last sync took.
    pub fn last_sync(&self) -> Duration {
        Duration::from_micros(self.progress.synced.last_micros.load(Ordering::Relaxed))
    }

    /// Waits until all that was handed over is written.
    pub fn wait_written(&self) {
        let newest = self.newest_ticket();
        let ended = self.progress.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.progress.changed.wait_while(ended, |ended| !*ended && self.written() < newest);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes and syncs what was handed over, then ends the threads. A disk that does not take it is given up after
    /// `patience`.
    pub fn stop(&self, patience: Duration) {
        self.queue.push(Job::Stop);
        self.queue.stop();
        let ended = self.progress.ended.lock().unwrap_or_else(PoisonError::into_inner);
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

/// The writer's own.
struct Thread {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    segments: HashMap<SessionId, OpenSegment>,
    /// Of journals that are closed and not yet synced.
    closed: Vec<Dirty>,
    to_sync: Sender<Vec<Dirty>>,
    last_sync: Instant,
    /// The newest entry's time, for marks.
    last_at: Wall,
    on_written: OnWritten,
}

impl Thread {
    fn run(mut self) {
        loop {
            let jobs = self.queue.take(SYNC_EVERY.saturating_sub(self.last_sync.elapsed()));
            let some = !jobs.is_empty();
            let mut stop = false;
            for (ticket, job) in jobs {
                stop |= matches!(job, Job::Stop);
                self.job(job);
                self.progress.written.store(ticket, Ordering::Release);
            }
            if some {
                self.tell();
            }
            if stop || self.last_sync.elapsed() >= SYNC_EVERY {
                self.sync();
            }
            if stop {
                break;
            }
        }
        // The sync thread ends with the last round.
        drop(self.to_sync);
        *self.progress.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.progress.changed.notify_all();
    }

    fn tell(&self) {
        drop(self.progress.ended.lock());
        self.progress.changed.notify_all();
        (self.on_written)();
    }

    fn job(&mut self, job: Job) {
        match job {
            Job::Write(blocks) => {
                self.insist(|thread| thread.write(&blocks));
                self.queue.done(blocks);
            }
            Job::Close(session) => {
                let at = self.last_at;
                self.insist(|thread| thread.segments.get_mut(&session).map_or(Ok(()), |segment| segment.mark(at)));
                self.closed.extend(self.segments.remove(&session).and_then(|mut segment| segment.dirty()));
            }
            Job::Stop => {}
        }
    }

    /// Tries until the disk takes it. Meanwhile the queue grows, and says so.
    fn insist(&mut self, mut work: impl FnMut(&mut Self) -> io::Result<()>) {
        while let Err(error) = work(self) {
            if !self.progress.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the disk does not take the journal; it is tried again, new sessions are refused");
            }
            if self.progress.giving_up.load(Ordering::Relaxed) {
                return;
            }
            std::thread::park_timeout(RETRY_AFTER);
        }
        if self.progress.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk takes the journal again");
        }
    }

    fn write(&mut self, blocks: &Blocks) -> io::Result<()> {
        if let Some(segment) = blocks.segment {
            self.begin(blocks.session, segment)?;
        }
        // Blocks of a session that is closed, or never was: a worker's last ones, of a session that ended.
        let Some(open) = self.segments.get_mut(&blocks.session) else { return Ok(()) };
        if let Some(drops) = self.queue.take_drops(blocks.session) {
            let mut bytes = Vec::new();
            let event = Event::Dropped { packets: drops.packets, cause: "the disk did not keep up".into() };
            encoder::entry(&mut bytes, &Entry { at: drops.at, kind: Kind::Event(event) });
            open.append(&bytes, None)?;
        }
        open.append(&blocks.bytes, blocks.checkpoint_at)?;
        if blocks.segment.is_none() {
            self.last_at = self.last_at.max(first_time(&blocks.bytes).unwrap_or_default());
        }
        Ok(())
    }

    /// Opens a new segment. What was open is marked and left to the sync thread.
    fn begin(&mut self, session: SessionId, segment: u32) -> io::Result<()> {
        let at = self.last_at;
        if let Some(old) = self.segments.get_mut(&session) {
            old.mark(at)?;
        }
        let folder = session_folder(&self.data, session);
        let mut new_names = vec![folder.clone()];
        if !self.disk.exists(&folder)? {
            self.disk.create_dir(&folder)?;
            new_names.push(live_folder(&self.data));
        }
        let path = folder.join(segment_name(segment));
        if self.disk.exists(&path)? {
            // A try before failed after the file was made: it holds nothing.
            self.disk.remove_file(&path)?;
        }
        let file = self.disk.create_new(&path)?;
        let old = self.segments.insert(session, OpenSegment::new(file, new_names));
        self.closed.extend(old.and_then(|mut old| old.dirty()));
        Ok(())
    }

    /// Marks all that is unmarked and hands it to the sync thread.
    fn sync(&mut self) {
        self.last_sync = Instant::now();
        let at = self.last_at;
        let mut round = std::mem::take(&mut self.closed);
        for segment in self.segments.values_mut() {
            // A mark that fails is tried in the next round; the writes themselves insist.
            if segment.mark(at).is_ok() {
                round.extend(segment.dirty());
            }
        }
        if !round.is_empty() {
            let _ = self.to_sync.send(round);
        }
    }
}

/// The time of the first block: near enough for a mark. (The layouts are the journal format's: a packet's time is two
/// halves, a custom block's is one number.)
fn first_time(blocks: &[u8]) -> Option<Wall> {
    const PACKET: u32 = 6;
    let u32_at = |at: usize| Some(u32::from_le_bytes(blocks.get(at..at + 4)?.try_into().ok()?));
    let (low, high) = if u32_at(0)? == PACKET { (u32_at(16)?, u32_at(12)?) } else { (u32_at(20)?, u32_at(24)?) };
    Some(Wall((u64::from(high) << 32 | u64::from(low)).cast_signed()))
}
