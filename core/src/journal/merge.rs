//! Entries in the order of their time.
//!
//! Signalling and media come from two threads, so a journal is only nearly ordered: what a worker hands over after
//! 20 ms stands behind a message that arrived later. A window of [`MERGE_WINDOW`] straightens that out, across the
//! boundaries of segments too, if all of a session's segments are pushed in their order. What is later still comes out
//! as soon as it can, out of order.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::block::Shape;
use crate::entry::Entry;
use crate::time::Wall;

/// How far apart in time two entries can be and still be put in order.
pub const MERGE_WINDOW: Duration = Duration::from_secs(2);
/// The window gives way when it holds more than this.
const MAX_HELD: usize = 32 << 20;
/// What an entry weighs besides its bytes.
const ENTRY_WEIGHT: usize = 256;
/// Buffers kept for the next entries, and the size up to which one is worth it.
const MAX_SPARE: usize = 4_096;
const MAX_SPARE_SIZE: usize = 4_096;

/// Puts entries in order: push some, pop until `None`, and at the end [`Self::finish`] and pop the rest.
#[derive(Debug, Default)]
pub struct Merge {
    waiting: BinaryHeap<Reverse<Waiting>>,
    newest: Wall,
    pushed: u64,
    held: usize,
    finished: bool,
    /// What was popped last: its bytes are lent out.
    lent: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Waiting {
    order: (Wall, u64),
    shape: Shape,
    bytes: Vec<u8>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl Merge {
    /// An empty window.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an entry in, copied. Then call [`Self::pop`] until `None`.
    pub fn push(&mut self, entry: Entry<'_>) {
        let (shape, from) = Shape::of(entry);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(from);
        self.held += bytes.len() + ENTRY_WEIGHT;
        if self.pushed == 0 || shape.at > self.newest {
            self.newest = shape.at;
        }
        self.waiting.push(Reverse(Waiting { order: (shape.at, self.pushed), shape, bytes }));
        self.pushed += 1;
    }

    /// No more entries will come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next entry, if nothing that may still come belongs before it.
    pub fn pop(&mut self) -> Option<Entry<'_>> {
        let Reverse(oldest) = self.waiting.peek()?;
        let due = oldest.order.0.after(MERGE_WINDOW) <= self.newest;
        if !(due || self.finished || self.held > MAX_HELD) {
            return None;
        }
        let Reverse(oldest) = self.waiting.pop()?;
        self.held -= oldest.bytes.len() + ENTRY_WEIGHT;
        let mut returned = core::mem::replace(&mut self.lent, oldest.bytes);
        if self.spare.len() < MAX_SPARE && returned.capacity() <= MAX_SPARE_SIZE {
            returned.clear();
            self.spare.push(returned);
        }
        Some(oldest.shape.entry(&self.lent))
    }
}
