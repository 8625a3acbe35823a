//! What waits to be written: bounded in bytes, because a disk may stall and memory may not.
//!
//! Signalling has a lane of its own, which the writer empties before each of the jobs of the other: an answer waits for
//! its own checkpoint, never for a round of other people's media. Within a lane the order is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use siprec_core::journal::encoder;
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use crate::archive::scribe::Blocks;

/// One part in so many is kept for signalling: a checkpoint is worth more than a packet.
const RESERVED: usize = 8;
/// A producer's buffer. What does not fit goes into another; one that grew, for a large packet, is not kept.
pub(super) const BUFFER_BYTES: usize = 4 << 10;
/// Buffers that are there from the start, and that are kept.
const FIRST_BUFFERS: usize = 1 << 10;
const SPARE_BUFFERS: usize = 8 << 10;
/// Jobs that fit a lane without its growing, which a media worker would have to wait for: a second of a thousand streams.
const FIRST_JOBS: usize = 8 << 10;
/// Lanes that grew beyond so many jobs, while the disk stalled, give their memory back.
const LANE_JOBS: usize = 64 << 10;

/// A thing for the writer to do.
#[derive(Debug)]
pub(super) enum Job {
    Write(Blocks),
    /// What there is of the session's journal is to be read from its file.
    Flush(SessionId),
    /// The session's journal is over.
    Close(SessionId),
    /// Write what waits, then end.
    Stop,
}

/// Packets that were dropped, and the time of the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drops {
    pub(super) packets: u64,
    /// Slabs they came in; also those that held no packet.
    blocks: u64,
    pub(super) at: Wall,
}

/// Jobs in the order of their tickets.
pub(super) type Jobs = VecDeque<(u64, Job)>;

#[derive(Debug, Default)]
struct Inner {
    signalling: Jobs,
    jobs: Jobs,
    bytes: usize,
    ticket: u64,
    drops: HashMap<SessionId, Drops>,
    /// Packets dropped that nobody has asked for yet.
    untold: HashMap<SessionId, u64>,
    dropped_packets: u64,
    spare: Vec<Vec<u8>>,
    stopped: bool,
}

/// Jobs from several producers to one writer, in order.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    inner: Mutex<Inner>,
    /// There is something in the lane of signalling.
    has_signalling: AtomicBool,
    filled: Condvar,
    emptied: Condvar,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::new(Inner {
                jobs: Jobs::with_capacity(FIRST_JOBS),
                spare: (0..FIRST_BUFFERS).map(|_| new_buffer()).collect(),
                ..Inner::default()
            }),
            has_signalling: AtomicBool::new(false),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Queues blocks of signalling ahead of all media and wakes the writer; their ticket. Blocks that do not fit are
    /// dropped and counted.
    pub(super) fn push_ahead(&self, blocks: Blocks) -> u64 {
        let ticket = self.put(Job::Write(blocks), self.capacity, |inner| &mut inner.signalling);
        self.has_signalling.store(true, Ordering::Release);
        self.wake();
        ticket
    }

    /// Queues a job behind all others and wakes the writer; the job's ticket.
    pub(super) fn push(&self, job: Job) -> u64 {
        let ticket = self.put(job, self.capacity, |inner| &mut inner.jobs);
        self.wake();
        ticket
    }

    /// Queues media, which leave the reserve alone, and lets the writer sleep until it is woken or thinks of it. Blocks
    /// that do not fit are dropped and counted.
    pub(super) fn push_quietly(&self, blocks: Blocks) -> u64 {
        self.put(Job::Write(blocks), self.capacity - self.capacity / RESERVED, |inner| &mut inner.jobs)
    }

    /// There is something to write.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
    }

    fn put(&self, job: Job, limit: usize, lane: impl FnOnce(&mut Inner) -> &mut Jobs) -> u64 {
        let mut inner = self.lock();
        let bytes = size(&job);
        if inner.stopped || (bytes > 0 && inner.bytes + bytes > limit) {
            if let Job::Write(blocks) = job {
                inner.drop_blocks(&blocks);
            }
            return inner.ticket;
        }
        inner.bytes += bytes;
        inner.ticket += 1;
        let ticket = inner.ticket;
        lane(&mut inner).push_back((ticket, job));
        ticket
    }

    /// Queues a job when there is room for it: for producers that can wait, as a replay.
    pub(super) fn push_waiting(&self, job: Job) -> u64 {
        let bytes = size(&job);
        let mut inner = self.lock();
        while !inner.stopped && inner.bytes > 0 && inner.bytes + bytes > self.capacity {
            self.wake();
            inner = self.emptied.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        drop(inner);
        self.push(job)
    }

    /// Takes all that waits, waiting `patience` at most for there to be something: what of signalling, and into `jobs`,
    /// which is empty, the rest.
    pub(super) fn take(&self, patience: Duration, jobs: &mut Jobs) -> Jobs {
        if jobs.capacity() > LANE_JOBS {
            jobs.shrink_to(0);
        }
        // It is the workers' next.
        jobs.reserve(FIRST_JOBS);
        let is_empty = |inner: &mut Inner| inner.jobs.is_empty() && inner.signalling.is_empty();
        let waited = self.filled.wait_timeout_while(self.lock(), patience, is_empty);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut inner.jobs, jobs);
        self.signalling_of(&mut inner)
    }

    /// Takes what of signalling has come since.
    pub(super) fn take_signalling(&self) -> Jobs {
        match self.has_signalling.load(Ordering::Acquire) {
            true => self.signalling_of(&mut self.lock()),
            false => Jobs::new(),
        }
    }

    fn signalling_of(&self, inner: &mut Inner) -> Jobs {
        self.has_signalling.store(false, Ordering::Relaxed);
        std::mem::take(&mut inner.signalling)
    }

    /// A job is done: its bytes no longer count, its buffer is for the producers.
    pub(super) fn done(&self, blocks: Blocks) {
        let mut buffer = blocks.bytes;
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_sub(buffer.len());
        if inner.spare.len() < SPARE_BUFFERS && buffer.capacity() == BUFFER_BYTES {
            buffer.clear();
            inner.spare.push(buffer);
        }
        drop(inner);
        self.emptied.notify_all();
    }

    /// An empty buffer, used before if there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_else(new_buffer)
    }

    /// Blocks that nobody can write: their session's journal is over, or never began.
    pub(super) fn drop_blocks(&self, blocks: &Blocks) {
        self.lock().drop_blocks(blocks);
    }

    /// What was dropped of a session and is not written down yet.
    pub(super) fn drops(&self, session: SessionId) -> Option<Drops> {
        self.lock().drops.get(&session).copied()
    }

    /// So much of what was dropped is written down now.
    pub(super) fn drops_are_told(&self, session: SessionId, told: Drops) {
        let mut inner = self.lock();
        if let Some(drops) = inner.drops.get_mut(&session) {
            drops.packets = drops.packets.saturating_sub(told.packets);
            drops.blocks = drops.blocks.saturating_sub(told.blocks);
            if drops.blocks == 0 {
                inner.drops.remove(&session);
            }
        }
    }

    /// Packets dropped of each session since this was asked last.
    pub(super) fn take_drops(&self) -> HashMap<SessionId, u64> {
        std::mem::take(&mut self.lock().untold)
    }

    /// Nobody will ask for the session's drops any more.
    pub(super) fn forget(&self, session: SessionId) {
        self.lock().drops.remove(&session);
    }

    /// Bytes that wait, and packets dropped since the start.
    pub(super) fn figures(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.bytes, inner.dropped_packets)
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.lock().bytes > self.capacity / 2
    }

    pub(super) fn newest_ticket(&self) -> u64 {
        self.lock().ticket
    }

    /// Nothing more is taken.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_buffer() -> Vec<u8> {
    Vec::with_capacity(BUFFER_BYTES)
}

fn size(job: &Job) -> usize {
    match job {
        Job::Write(blocks) => blocks.bytes.len(),
        Job::Flush(_) | Job::Close(_) | Job::Stop => 0,
    }
}

impl Inner {
    fn drop_blocks(&mut self, blocks: &Blocks) {
        let packets = encoder::packets_in(&blocks.bytes);
        let noted = self.drops.entry(blocks.session).or_insert(Drops { packets: 0, blocks: 0, at: Wall(0) });
        noted.packets += packets;
        noted.blocks += 1;
        noted.at = noted.at.max(encoder::latest_in(&blocks.bytes).unwrap_or_default());
        self.dropped_packets += packets;
        if packets > 0 {
            *self.untold.entry(blocks.session).or_default() += packets;
        }
    }
}
