//! The writer's own thread: jobs to the log and to files, session by session.
//!
//! What a round brings is gathered and logged with one write; only then is it said to be written. While the log cannot be
//! written nothing else is done, as nothing else could be: the queue fills.
//!
//! A write that fails keeps its place: what is queued behind it of the same session waits with it and is tried again
//! in order; other sessions go on. As all that waits counts against the queue's bound, a disk that stays full or broken
//! ends in drops that are counted, never in memory without end.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use siprec_core::entry::{Entry, Event, Kind};
use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;

use super::catch_up::CaughtUp;
use super::log::{Log, OpenLog};
use super::open::{Dirty, OpenSegment};
use super::queue::{Job, Jobs, Queue};
use super::sync::{LoggedSoFar, Round, TURNS};
use super::writer::{OnWritten, Progress};
use super::{live_folder, segment_name, session_folder};
use crate::archive::disk::{Disk, DiskFile};
use crate::archive::scribe::Blocks;

/// A write that failed is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Media that nobody woke us for are written within this.
const NAP: Duration = Duration::from_millis(10);
/// A closed journal still takes what a worker hands over late.
const LATE: Duration = Duration::from_secs(5);
/// So much is logged with one write, where more has piled up.
const BATCH_BYTES: usize = 1 << 20;
/// A log is no longer, and no older, in rounds of syncs.
const LOG_BYTES: u64 = 64 << 20;
const LOG_ROUNDS: u64 = TURNS as u64;
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
    log: Option<Log>,
    /// Of what is gathered for the log.
    unlogged: Vec<(u64, Blocks)>,
    /// The round in which the log's file was begun.
    log_since: u64,
    /// What the next round is to make durable beside the journals.
    next: Round,
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
    pub(super) fn new(log: Option<(Log, CaughtUp)>) -> Self {
        let (log, caught_up) = log.map_or((None, CaughtUp::default()), |(log, caught_up)| (Some(log), caught_up));
        let next = Round { number: 1, names: caught_up.folders, over: caught_up.logs, ..Round::default() };
        Self {
            log,
            unlogged: Vec::new(),
            log_since: 0,
            next,
            segments: HashMap::new(),
            closed: VecDeque::new(),
            left_behind: caught_up.files.into_iter().map(Dirty::left_behind).collect(),
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
        let mut jobs = Jobs::new();
        loop {
            let patience = if ahead > newest { Duration::ZERO } else { NAP.min(self.sync_every) };
            let signalling = self.queue.take(patience, &mut jobs);
            let last = |jobs: &Jobs| jobs.back().map_or(0, |(ticket, _)| *ticket);
            // Nothing that has a lower ticket waits any more, once these are done.
            let all = [newest, ahead, last(&signalling), last(&jobs)].into_iter().max().unwrap_or_default();
            let some = all > newest;
            let mut stop = false;
            self.take_signalling(signalling);
            for (ticket, job) in jobs.drain(..) {
                ahead = ahead.max(self.take_signalling(self.queue.take_signalling()));
                stop |= matches!(job, Job::Stop);
                self.take(ticket, job);
                if self.work.log.as_ref().is_none_or(|log| log.gathered() >= BATCH_BYTES) {
                    self.write_log();
                    self.tell_written(ticket);
                }
            }
            self.write_log();
            newest = all;
            let retried = self.work.last_try.elapsed() >= RETRY_AFTER.min(self.sync_every) && self.try_again();
            self.write_log();
            if some || retried {
                self.tell_written(newest);
                self.tell();
            }
            if self.work.last_sync.elapsed() >= self.sync_every {
                self.sync(false);
            }
            if stop {
                break;
            }
        }
        self.last_tries(newest);
        self.sync(true);
        self.progress.end();
    }

    /// Does what signalling wants done, and says so at once. The last ticket of it.
    fn take_signalling(&mut self, jobs: Jobs) -> u64 {
        let Some((newest, _)) = jobs.back() else { return 0 };
        let newest = *newest;
        for (ticket, job) in jobs {
            self.take(ticket, job);
        }
        self.write_log();
        self.progress.signalling.fetch_max(self.but_for_failed(newest), Ordering::Release);
        self.tell();
        newest
    }

    /// After the last job: what failed is tried until it is written, or given up.
    fn last_tries(&mut self, newest: u64) {
        while !self.work.failed.is_empty() && !self.progress.giving_up.load(Ordering::Relaxed) {
            std::thread::park_timeout(RETRY_AFTER.min(self.sync_every));
            self.try_again();
            self.write_log();
        }
        self.tell_written(newest);
    }

    /// Logs what is gathered, however long that takes; unless the disk is given up.
    fn write_log(&mut self) {
        let Some(log) = &mut self.work.log else { return };
        let began = Instant::now();
        while let Err(error) = log.write() {
            if !self.progress.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the disk does not take the journals; it is tried again, new sessions are refused");
            }
            if self.progress.giving_up.load(Ordering::Relaxed) {
                self.work.failed_tickets.extend(self.work.unlogged.drain(..).map(|(ticket, _)| ticket));
                return;
            }
            std::thread::park_timeout(RETRY_AFTER.min(self.sync_every));
        }
        for (_, blocks) in self.work.unlogged.drain(..) {
            self.queue.done(blocks);
        }
        self.is_taken_again();
        let took = began.elapsed();
        if took > STALL {
            self.progress.stalled("write", took);
        }
    }

    /// If nothing is left that the disk did not take, says so once.
    fn is_taken_again(&self) {
        if self.work.failed.is_empty() && self.progress.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk takes the journals again");
        }
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
            Job::Flush(session) | Job::Close(session) => *session,
            Job::Stop => return,
        };
        if let Some(queue) = self.work.failed.get_mut(&session) {
            queue.push_back((ticket, job));
            self.work.failed_tickets.insert(ticket);
        } else if let Err((job, error)) = self.carry_out(ticket, job) {
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
                if let Err((job, _)) = self.carry_out(ticket, job) {
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
        self.is_taken_again();
        some
    }

    /// Does a job, or gives back what remains of it.
    fn carry_out(&mut self, ticket: u64, job: Job) -> Result<(), (Job, io::Error)> {
        let began = Instant::now();
        let done = match job {
            Job::Write(mut blocks) => match self.write(&mut blocks) {
                Ok(()) if self.work.log.is_some() => {
                    self.work.unlogged.push((ticket, blocks));
                    Ok(())
                }
                Ok(()) => {
                    self.queue.done(blocks);
                    Ok(())
                }
                Err(error) => Err((Job::Write(blocks), error)),
            },
            Job::Flush(session) => match self.work.segments.get_mut(&session).map_or(Ok(()), OpenSegment::write_out) {
                Ok(()) => Ok(()),
                Err(error) => Err((Job::Flush(session), error)),
            },
            Job::Close(session) => match self.close(session) {
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

    fn close(&mut self, session: SessionId) -> io::Result<()> {
        let Some(segment) = self.work.segments.get_mut(&session) else { return Ok(()) };
        segment.mark(self.work.log.as_mut())?;
        segment.close()
    }

    fn write(&mut self, blocks: &mut Blocks) -> io::Result<()> {
        if let Some(segment) = blocks.segment {
            self.begin(blocks.session, segment)?;
            blocks.segment = None;
        }
        let log = &mut self.work.log;
        let Some(open) = self.work.segments.get_mut(&blocks.session) else {
            // Of a session that was refused for want of room, or that has long been over.
            self.queue.drop_blocks(blocks);
            return Ok(());
        };
        if let Some(drops) = self.queue.drops(blocks.session) {
            let mut bytes = Vec::new();
            let event = Event::Dropped { port: None, packets: drops.packets, cause: "the disk did not keep up".into() };
            encoder::entry(&mut bytes, &Entry { at: drops.at, kind: Kind::Event(event) });
            open.append(&bytes, None, log.as_mut())?;
            self.queue.drops_are_told(blocks.session, drops);
        }
        open.append(&blocks.bytes, blocks.checkpoint_at, log.as_mut())
    }

    /// Opens a new segment. What was open is marked and left to the sync thread.
    fn begin(&mut self, session: SessionId, segment: u32) -> io::Result<()> {
        let folder = session_folder(&self.data, session);
        let mut new_names = vec![folder.clone()];
        match self.work.segments.get_mut(&session) {
            Some(old) => {
                old.mark(self.work.log.as_mut())?;
                old.write_out()?;
            }
            None => {
                if !self.disk.exists(&folder)? {
                    self.disk.create_dir(&folder)?;
                }
                new_names.push(live_folder(&self.data));
            }
        }
        let (file, number) = self.create(&folder, segment)?;
        let logged_as = self.work.log.is_some().then_some((session, number));
        let old = self.work.segments.insert(session, OpenSegment::new(file, logged_as, new_names));
        self.work.left_behind.extend(old.and_then(|mut old| old.dirty()));
        Ok(())
    }

    /// A new, empty file, and its number: the next free one where there is one that holds something.
    fn create(&self, folder: &Path, segment: u32) -> io::Result<(Arc<dyn DiskFile>, u32)> {
        let mut number = segment;
        loop {
            let path = folder.join(segment_name(number, self.disk.seals()));
            match self.disk.create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match self.disk.open_append(&path) {
                        Ok(file) if file.length()? == 0 => return Ok((file, number)),
                        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                        // It holds something, or what a crash has made unreadable.
                        Ok(_) | Err(_) => number += 1,
                    }
                }
                made => return made.map(|file| (file, number)),
            }
        }
    }

    /// Marks all that is unmarked and hands the log, and the journals whose turn it is, to the sync thread. In the last
    /// round it is everybody's turn.
    fn sync(&mut self, is_last: bool) {
        let work = &mut self.work;
        let mut whole = true;
        work.last_sync = Instant::now();
        let mut round = std::mem::take(&mut work.next);
        let number = round.number;
        work.next.number = number + 1;
        round.is_logged = work.log.is_some();
        round.files = std::mem::take(&mut work.left_behind);
        let turn = usize::try_from(number % TURNS as u64).unwrap_or(0);
        round.turns = if is_last { 0..TURNS } else { turn..turn + 1 };
        for (session, segment) in &mut work.segments {
            // A mark that fails is tried in the next round.
            let _ = segment.mark(work.log.as_mut());
            if round.is_logged && !round.turns.contains(&turn_of(*session)) {
                continue;
            }
            whole &= segment.write_out().is_ok();
            round.files.extend(segment.dirty());
        }
        while let Some((_, session)) = work.closed.pop_front_if(|(since, _)| since.elapsed() >= LATE) {
            let Some(mut segment) = work.segments.remove(&session) else { continue };
            if segment.write_out().is_err() {
                whole = false;
                work.segments.insert(session, segment);
                work.closed.push_back((Instant::now(), session));
                continue;
            }
            round.files.extend(segment.dirty());
            self.queue.forget(session);
        }
        if !whole {
            round.turns = 0..0;
        }
        self.write_log();
        self.pass_log_on(&mut round, is_last);
        round.ticket = self.progress.written.load(Ordering::Relaxed);
        let is_durable = self.progress.synced.durable.load(Ordering::Relaxed) >= round.ticket;
        if round.is_logged || !round.files.is_empty() || !is_durable {
            let _ = self.to_sync.send(round);
        }
    }

    /// The log is to be made durable too, and goes on in another file where this one is long or old.
    fn pass_log_on(&mut self, round: &mut Round, is_last: bool) {
        let Some(log) = &mut self.work.log else { return };
        let so_far =
            |log: &OpenLog| LoggedSoFar { path: log.path.clone(), file: Arc::clone(&log.file), length: log.length };
        round.logs.extend(log.open().map(so_far));
        let is_old = is_last || round.number >= self.work.log_since + LOG_ROUNDS;
        if is_old || log.open().is_some_and(|open| open.length >= LOG_BYTES) {
            self.work.log_since = round.number;
            round.over.extend(log.close().map(|log| log.path));
        }
    }
}

/// In which rounds a journal is made durable behind a log: it is one in so many, by the random bits of its id.
fn turn_of(session: SessionId) -> usize {
    usize::try_from(session.0 % TURNS as u128).unwrap_or(0)
}
