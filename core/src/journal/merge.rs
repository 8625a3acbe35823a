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
    /// Time, number, and the slot: what is sorted is small, what it stands for stays where it is.
    waiting: BinaryHeap<Reverse<(Wall, u64, usize)>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    newest: Wall,
    pushed: u64,
    held: usize,
    finished: bool,
    /// What was popped last: its bytes are lent out.
    lent: Option<usize>,
}

/// An entry that waits, or room for one.
#[derive(Debug, Default)]
struct Slot {
    shape: Option<Shape>,
    bytes: Vec<u8>,
}

impl Merge {
    /// An empty window.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an entry in, copied. Then call [`Self::pop`] until `None`.
    pub fn push(&mut self, entry: Entry<'_>) {
        let (shape, from) = Shape::of(entry);
        if self.pushed == 0 || shape.at > self.newest {
            self.newest = shape.at;
        }
        self.held += from.len() + ENTRY_WEIGHT;
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(Slot::default());
        }
        self.waiting.push(Reverse((shape.at, self.pushed, index)));
        self.pushed += 1;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.bytes.extend_from_slice(from);
            slot.shape = Some(shape);
        }
    }

    /// No more entries will come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next entry, if nothing that may still come belongs before it.
    pub fn pop(&mut self) -> Option<Entry<'_>> {
        let &Reverse((at, _, index)) = self.waiting.peek()?;
        let due = at.after(MERGE_WINDOW) <= self.newest;
        if !(due || self.finished || self.held > MAX_HELD) {
            return None;
        }
        self.waiting.pop();
        self.take_back();
        self.lent = Some(index);
        let slot = self.slots.get_mut(index)?;
        self.held -= slot.bytes.len() + ENTRY_WEIGHT;
        Some(slot.shape.take()?.entry(&slot.bytes))
    }

    /// The slot of what was popped last is free again.
    fn take_back(&mut self) {
        let Some(index) = self.lent.take() else { return };
        let spare = self.free.len() < MAX_SPARE;
        if let Some(slot) = self.slots.get_mut(index) {
            if spare && slot.bytes.capacity() <= MAX_SPARE_SIZE {
                slot.bytes.clear();
            } else {
                slot.bytes = Vec::new();
            }
        }
        self.free.push(index);
    }
}
