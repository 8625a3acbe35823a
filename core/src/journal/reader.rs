//! Bytes of a segment to entries, as they come, whatever they are.
//!
//! A reader never fails: what is broken is counted and skipped, to the next custom block whose checksum is right.
//!
//! ```text
//! push(bytes) .. next() -> Entry, Entry, .. None -> push more | finish() -> next() .. None: over -> damage()
//! ```

use alloc::vec::Vec;

use super::block::{self, Block, NoBlock, Shape};
use super::format::Mark;
use crate::entry::Entry;

/// A consumed front of the buffer is given back when it is larger than this.
const COMPACT_AT: usize = 256 << 10;

/// What was wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damage {
    /// Bytes of the end that are no whole block: a write was cut off.
    pub torn: u64,
    /// Other bytes that are no block.
    pub garbage: u64,
    /// Whole blocks whose content or checksum is broken.
    pub blocks: u64,
    /// Marks that do not vouch for what stands before them: something there was changed, in length or content.
    pub marks: u64,
    /// Whole blocks of a later version, or of another program. No fault.
    pub unknown: u64,
}

impl Damage {
    /// Whether more is wrong than an end that was cut off.
    pub fn is_serious(&self) -> bool {
        self.garbage > 0 || self.blocks > 0 || self.marks > 0
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            torn: self.torn + other.torn,
            garbage: self.garbage + other.garbage,
            blocks: self.blocks + other.blocks,
            marks: self.marks + other.marks,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// Reads one segment. A new segment needs a new reader.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// First byte of the buffer that is not consumed.
    start: usize,
    /// Offset in the file of that byte.
    offset: u64,
    /// Checksum of the file since `covered_from`.
    crc: crc32fast::Hasher,
    covered_from: u64,
    /// Offset at which an unbroken run of garbage began.
    lost_at: Option<u64>,
    finished: bool,
    damage: Damage,
    last_mark: Option<Mark>,
}

impl Reader {
    /// A reader at the start of a segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Feeds on. Then call [`Self::next`] until `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start >= COMPACT_AT || self.start == self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// No more bytes will come. Then call [`Self::next`] until `None`.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next entry; `None` if more bytes are needed, or if it is over.
    #[allow(clippy::should_implement_trait, reason = "the entry borrows from the reader")]
    pub fn next(&mut self) -> Option<Entry<'_>> {
        let (shape, from, to) = loop {
            let bytes = self.buffer.get(self.start..).unwrap_or_default();
            if bytes.is_empty() {
                return None;
            }
            match block::read(bytes) {
                Ok((read, length)) => {
                    let from = self.start;
                    if let Some(shape) = self.take(read, length) {
                        break (shape, from, from + length);
                    }
                }
                Err(NoBlock::Incomplete) if !self.finished => return None,
                Err(NoBlock::Incomplete | NoBlock::Damaged) => {
                    if !self.skip() {
                        return None;
                    }
                }
            }
        };
        Some(shape.entry(self.buffer.get(from..to).unwrap_or_default()))
    }

    /// What was wrong so far.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// Offset in the file of what is read next.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The last mark that was right.
    pub fn last_mark(&self) -> Option<Mark> {
        self.last_mark
    }

    /// Consumes a whole block.
    fn take(&mut self, read: Block, length: usize) -> Option<Shape> {
        if let Some(at) = self.lost_at.take() {
            self.damage.garbage += self.offset - at;
        }
        if let Block::Mark(_, mark) = &read {
            let right = mark.from == self.covered_from && mark.crc == self.crc.clone().finalize();
            if right {
                self.last_mark = Some(*mark);
            } else {
                self.damage.marks += 1;
            }
        }
        self.consume(length);
        match read {
            Block::Entry(shape) => return Some(shape),
            Block::Mark(..) => {
                self.crc = crc32fast::Hasher::new();
                self.covered_from = self.offset;
            }
            Block::Structure => {}
            Block::Unknown => self.damage.unknown += 1,
            Block::Broken => self.damage.blocks += 1,
        }
        None
    }

    /// Skips garbage up to the next block that is surely one, or may become one. `false`: more bytes are needed, or
    /// it is over.
    fn skip(&mut self) -> bool {
        let at = *self.lost_at.get_or_insert(self.offset);
        let bytes = self.buffer.get(self.start..).unwrap_or_default();
        let found =
            (4..bytes.len()).step_by(4).find_map(|i| match block::is_ours(bytes.get(i..).unwrap_or_default()) {
                Ok(true) => Some((i, true)),
                Ok(false) => None,
                Err(NoBlock::Damaged) => None,
                Err(NoBlock::Incomplete) => (!self.finished).then_some((i, false)),
            });
        if let Some((length, sure)) = found {
            self.consume(length);
            return sure;
        }
        if self.finished {
            self.damage.torn += self.offset - at + bytes.len() as u64;
            self.lost_at = None;
            self.consume(bytes.len());
        }
        false
    }

    fn consume(&mut self, length: usize) {
        let bytes = self.buffer.get(self.start..self.start + length).unwrap_or_default();
        self.crc.update(bytes);
        self.start += length;
        self.offset += length as u64;
    }
}
