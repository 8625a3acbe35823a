//! The writer's own thread: jobs to files, session by session.
//!
//! A write that fails keeps its place: what is queued behind it of the same session waits with it and is tried again
//! in order; other sessions go on. As all that waits counts against the queue's bound, a disk that stays full or broken
//! ends in drops that are counted, never in memory without end.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use siprec_core::entry::{Entry, Event, Kind};
use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;

use super::open::{Dirty, OpenSegment};
use super::queue::{Job, Jobs, Queue};
use super::sync::Round;
use super::writer::{OnWritten, Progress};
use super::{live_folder, segment_name, session_folder};
use crate::archive::disk::Disk;
use crate::archive::scribe::Blocks;

/// A write that failed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Media that nobody woke us for are written within this.
const NAP: Duration = Duration::from_millis(10);
/// A closed journal still takes what a worker hands over late.
const LATE: Duration = Duration::from_secs(5);
/// A write that takes longer is a stall.
pub(super) const STALL: Duration = Duration::from_secs(1);

/// The writer's own.
pub(super) struct Thread {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) data: PathBuf,
    pub(super) queue: Arc<Queue>,
    pub(super) progress: Arc<Progress>,
    pub(super) on_written: OnWritten,
    pub(super) to_sync: Sender<Round>,
    pub(super) sync_every: Duration,
    pub(super) work: Work,
}

/// What the thread has in hand.
#[derive(Debug)]
pub(super) struct Work {
    segments: HashMap<SessionId, OpenSegment>,
    /// Journals that are over, and since when: their files are open a little longer.
    closed: VecDeque<(Instant, SessionId)>,
    /// Files that nobody writes any more and that are not synced yet.
    left_behind: Vec<Dirty>,
    /// Jobs that the disk did not take yet, by session, in order.
    failed: HashMap<SessionId, VecDeque<(u64, Job)>>,
    /// Their tickets.
    failed_tickets: BTreeSet<u64>,
    last_try: Instant,
    last_sync: Instant,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            segments: HashMap::new(),
            closed: VecDeque::new(),
            left_behind: Vec::new(),
            failed: HashMap::new(),
            failed_tickets: BTreeSet::new(),
            last_try: Instant::now(),
            last_sync: Instant::now(),
        }
    }
}

impl Thread {
    pub(super) fn run(mut self) {
        let mut newest = 0;
        // The last ticket of signalling that overtook media.
        let mut ahead = 0;
        loop {
            let patience = if ahead > newest { Duration::ZERO } else { NAP.min(self.sync_every) };
            let (signalling, jobs) = self.queue.take(patience);
            let last = |jobs: &Jobs| jobs.back().map_or(0, |(ticket, _)| *ticket);
            // Nothing that has a lower ticket waits any more, once these are done.
            let all = [newest, ahead, last(&signalling), last(&jobs)].into_iter().max().unwrap_or_default();
            let some = all > newest;
            let mut stop = false;
            self.take_signalling(signalling);
            for (ticket, job) in jobs {
                ahead = ahead.max(self.take_signalling(self.queue.take_signalling()));
                stop |= matches!(job, Job::Stop);
                self.take(ticket, job);
                self.tell_written(ticket);
            }
            newest = all;
            let retried = self.work.last_try.elapsed() >= RETRY_AFTER && self.try_again();
            if some || retried {
                self.tell_written(newest);
                self.tell();
            }
            if self.work.last_sync.elapsed() >= self.sync_every {
                self.sync();
            }
            if stop {
                break;
            }
        }
        self.last_tries(newest);
        self.sync();
        self.progress.end();
    }

    /// Does what signalling wants done, and says so at once. The last ticket of it.
    fn take_signalling(&mut self, jobs: Jobs) -> u64 {
        let Some((newest, _)) = jobs.back() else { return 0 };
        let newest = *newest;
        for (ticket, job) in jobs {
            self.take(ticket, job);
        }
        self.progress.signalling.fetch_max(self.but_for_failed(newest), Ordering::Release);
        self.tell();
        newest
    }

    /// After the last job: what failed is tried until it is written, or given up.
    fn last_tries(&mut self, newest: u64) {
        while !self.work.failed.is_empty() && !self.progress.giving_up.load(Ordering::Relaxed) {
            std::thread::park_timeout(RETRY_AFTER);
            self.try_again();
        }
        self.tell_written(newest);
    }

    /// All up to this ticket is written, but for what failed.
    fn tell_written(&self, newest: u64) {
        let written = self.but_for_failed(newest);
        self.progress.written.fetch_max(written, Ordering::Release);
        self.progress.signalling.fetch_max(written, Ordering::Release);
    }

    fn but_for_failed(&self, newest: u64) -> u64 {
        self.work.failed_tickets.first().map_or(newest, |first| newest.min(first.saturating_sub(1)))
    }

    fn tell(&self) {
        self.progress.announce();
        (self.on_written)();
    }

    fn take(&mut self, ticket: u64, job: Job) {
        let session = match &job {
            Job::Write(blocks) => blocks.session,
            Job::Close(session) => *session,
            Job::Stop => return,
        };
        if let Some(queue) = self.work.failed.get_mut(&session) {
            queue.push_back((ticket, job));
            self.work.failed_tickets.insert(ticket);
        } else if let Err((job, error)) = self.carry_out(job) {
            self.work.failed.entry(session).or_default().push_back((ticket, job));
            self.work.failed_tickets.insert(ticket);
            self.work.last_try = Instant::now();
            if !self.progress.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%session, %error, "the disk does not take a journal; it is tried again, new sessions are refused");
            }
        }
    }

    /// Tries what failed. Whether anything was written.
    fn try_again(&mut self) -> bool {
        self.work.last_try = Instant::now();
        let mut some = false;
        for (session, mut jobs) in std::mem::take(&mut self.work.failed) {
            while let Some((ticket, job)) = jobs.pop_front() {
                if let Err((job, _)) = self.carry_out(job) {
                    jobs.push_front((ticket, job));
                    break;
                }
                self.work.failed_tickets.remove(&ticket);
                some = true;
            }
            if !jobs.is_empty() {
                self.work.failed.insert(session, jobs);
            }
        }
        if self.work.failed.is_empty() && self.progress.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk takes the journals again");
        }
        some
    }

    /// Does a job, or gives back what remains of it.
    fn carry_out(&mut self, job: Job) -> Result<(), (Job, io::Error)> {
        let began = Instant::now();
        let done = match job {
            Job::Write(mut blocks) => match self.write(&mut blocks) {
                Ok(()) => {
                    self.queue.done(blocks);
                    Ok(())
                }
                Err(error) => Err((Job::Write(blocks), error)),
            },
            Job::Close(session) => match self.work.segments.get_mut(&session).map_or(Ok(()), OpenSegment::mark) {
                Ok(()) => {
                    self.work.closed.push_back((Instant::now(), session));
                    Ok(())
                }
                Err(error) => Err((Job::Close(session), error)),
            },
            Job::Stop => Ok(()),
        };
        let took = began.elapsed();
        if took > STALL {
            self.progress.stalled("write", took);
        }
        done
    }

    fn write(&mut self, blocks: &mut Blocks) -> io::Result<()> {
        if let Some(segment) = blocks.segment {
            self.begin(blocks.session, segment)?;
            blocks.segment = None;
        }
        let Some(open) = self.work.segments.get_mut(&blocks.session) else {
            // Of a session that was refused for want of room, or that has long been over.
            self.queue.drop_blocks(blocks);
            return Ok(());
        };
        if let Some(drops) = self.queue.drops(blocks.session) {
            let mut bytes = Vec::new();
            let event = Event::Dropped { packets: drops.packets, cause: "the disk did not keep up".into() };
            encoder::entry(&mut bytes, &Entry { at: drops.at, kind: Kind::Event(event) });
            open.append(&bytes, None)?;
            self.queue.drops_are_told(blocks.session, drops);
        }
        open.append(&blocks.bytes, blocks.checkpoint_at)
    }

    /// Opens a new segment. What was open is marked and left to the sync thread.
    fn begin(&mut self, session: SessionId, segment: u32) -> io::Result<()> {
        let folder = session_folder(&self.data, session);
        let mut new_names = vec![folder.clone()];
        match self.work.segments.get_mut(&session) {
            Some(old) => old.mark()?,
            None => {
                if !self.disk.exists(&folder)? {
                    self.disk.create_dir(&folder)?;
                }
                new_names.push(live_folder(&self.data));
                // A session of an earlier life: what that left may not be durable yet.
                let left = folder.join(segment_name(segment.saturating_sub(1)));
                if segment > 1 && self.disk.exists(&left)? {
                    self.work.left_behind.push(Dirty::left_behind(self.disk.open_append(&left)?));
                }
            }
        }
        let file = self.create(&folder, segment)?;
        let old = self.work.segments.insert(session, OpenSegment::new(file, new_names));
        self.work.left_behind.extend(old.and_then(|mut old| old.dirty()));
        Ok(())
    }

    /// A new, empty file; under the next free number where there is one that holds something.
    fn create(&self, folder: &std::path::Path, segment: u32) -> io::Result<Arc<dyn crate::archive::disk::DiskFile>> {
        let mut number = segment;
        loop {
            let path = folder.join(segment_name(number));
            match self.disk.create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let file = self.disk.open_append(&path)?;
                    if file.length()? == 0 {
                        return Ok(file);
                    }
                    number += 1;
                }
                made => return made,
            }
        }
    }

    /// Marks all that is unmarked and hands it to the sync thread.
    fn sync(&mut self) {
        self.work.last_sync = Instant::now();
        let mut round = std::mem::take(&mut self.work.left_behind);
        for segment in self.work.segments.values_mut() {
            // A mark that fails is tried in the next round.
            let _ = segment.mark();
            round.extend(segment.dirty());
        }
        while let Some((_, session)) = self.work.closed.pop_front_if(|(since, _)| since.elapsed() >= LATE) {
            self.work.segments.remove(&session);
            self.queue.forget(session);
        }
        let ticket = self.progress.written.load(Ordering::Relaxed);
        if !round.is_empty() || self.progress.synced.durable.load(Ordering::Relaxed) < ticket {
            let _ = self.to_sync.send(Round { files: round, ticket });
        }
    }
}
