//! Packets of a source whose decoder remembers: they wait here for those before them, as long as these may still come.

use alloc::vec::Vec;

use super::holes::WAIT_NS;
use super::order::Place;
use super::track::Heard;

/// Packets that wait, and their octets, at most.
const MAX_PACKETS: usize = 1_024;
const MAX_BYTES: usize = 512 << 10;

/// A packet that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    at: i64,
    sequence: i64,
    bytes: usize,
    pub(super) what: T,
}

/// The queue of a source.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// By sequence number.
    waiting: Vec<Waiting<T>>,
    bytes: usize,
    next: Option<i64>,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the next one.
    Now,
    /// It has to wait.
    Wait,
    /// It has been here, or comes after its turn.
    Never,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), bytes: 0, next: None }
    }
}

impl<T> Queue<T> {
    /// Whose turn it is. After [`Turn::Now`] the packet counts as taken; ask [`Queue::pop`] for those that follow it.
    pub(super) fn turn(&mut self, heard: &Heard<'_>) -> Turn {
        let sequence = heard.sequence;
        match heard.place {
            Place::Duplicate => Turn::Never,
            Place::First | Place::Restart => self.take(sequence),
            Place::Late | Place::Next { .. } => match self.next {
                Some(next) if sequence < next => Turn::Never,
                Some(next) if sequence > next => Turn::Wait,
                Some(_) | None => self.take(sequence),
            },
        }
    }

    fn take(&mut self, sequence: i64) -> Turn {
        self.next = Some(sequence + 1);
        Turn::Now
    }

    /// Lets a packet wait.
    pub(super) fn push(&mut self, at: i64, sequence: i64, bytes: usize, what: T) {
        let place = self.waiting.partition_point(|waiting| waiting.sequence < sequence);
        self.waiting.insert(place, Waiting { at, sequence, bytes, what });
        self.bytes += bytes;
    }

    /// The next packet whose turn has come by `now`.
    pub(super) fn pop(&mut self, now: i64) -> Option<T> {
        let first = self.waiting.first()?;
        let is_next = self.next.is_none_or(|next| first.sequence <= next);
        let full = self.waiting.len() > MAX_PACKETS || self.bytes > MAX_BYTES;
        let waited = |waiting: &Waiting<T>| now.saturating_sub(waiting.at) >= WAIT_NS;
        if !is_next && !full && !self.waiting.iter().any(waited) {
            return None;
        }
        let first = self.waiting.remove(0);
        self.bytes -= first.bytes;
        self.next = Some(first.sequence + 1);
        Some(first.what)
    }
}
