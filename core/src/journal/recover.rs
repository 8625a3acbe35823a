//! What a segment holds that nobody closed: found from its tail, not from all of its bytes.
//!
//! After the end of our process alone, the file is what was written: it is good as far as its blocks go. After the end
//! of the machine, pages may be missing anywhere behind the last sync: it is good as far as an unbroken chain of marks
//! goes that starts where the disk was known to have it all.

use alloc::vec::Vec;

use super::block::{self, Block, What};
use super::format::Mark;
use crate::entry::Event;
use crate::time::Wall;

/// What the tail of a segment tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tail {
    /// The file is good up to here, and should be cut here before anything else is done with it.
    pub intact: u64,
    /// The last mark before that, and its offset.
    pub last_mark: Option<(u64, Mark)>,
    /// Offset of the last checkpoint's block before that, if this segment has one.
    pub checkpoint: Option<u64>,
    /// The latest time of the entries and marks that were seen.
    pub last_at: Option<Wall>,
    /// Whether the session's end was seen among them.
    pub ended: bool,
}

/// The bytes tell too little: read more of the end of the file and ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedsMore;

/// Judges a segment by its last `bytes`, of `file_length` in all. With `trust_unmarked` (the machine has not been
/// restarted since it was written) all whole blocks count, else only what marks vouch for.
///
/// With all of the file in `bytes` there is always an answer.
pub fn tail(bytes: &[u8], file_length: u64, trust_unmarked: bool) -> Result<Tail, NeedsMore> {
    let base = file_length.saturating_sub(bytes.len() as u64);
    let mut walk = Walk::new(bytes, base).ok_or(NeedsMore)?;
    while walk.step() {}
    if trust_unmarked { walk.all() } else { walk.vouched_for() }
}

/// What has been seen up to some offset.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    intact: u64,
    checkpoint: Option<u64>,
    last_at: Option<Wall>,
    ended: bool,
}

/// A mark on the way, and all that was seen up to its end.
#[derive(Debug)]
struct Marked {
    offset: u64,
    mark: Mark,
    /// It vouches for what stands before it, and that was there to be checked.
    right: bool,
    seen: Seen,
}

/// From the first block that is surely one to the end.
struct Walk<'a> {
    bytes: &'a [u8],
    base: u64,
    at: usize,
    /// Where the bytes begin that the next mark covers; not known before the first mark, unless the file is whole.
    covered: Option<usize>,
    seen: Seen,
    marks: Vec<Marked>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], base: u64) -> Option<Self> {
        let (at, covered) = if base == 0 { (0, Some(0)) } else { (next_block(bytes, base, 0)?, None) };
        let seen = Seen { intact: base + at as u64, ..Seen::default() };
        Some(Self { bytes, base, at, covered, seen, marks: Vec::new() })
    }

    /// Takes the next block, or skips to the next one. `false` at the end.
    fn step(&mut self) -> bool {
        let Ok((block, length)) = block::read(self.bytes.get(self.at..).unwrap_or_default()) else {
            let Some(next) = next_block(self.bytes, self.base, self.at + 1) else { return false };
            self.at = next;
            return true;
        };
        let (start, end) = (self.at, self.at + length);
        let offset = self.base + start as u64;
        self.at = end;
        self.seen.intact = self.base + end as u64;
        match block {
            Block::Entry(shape) => {
                self.seen.last_at = self.seen.last_at.max(Some(shape.at));
                match shape.what {
                    What::Checkpoint => self.seen.checkpoint = Some(offset),
                    What::Event(event) => self.seen.ended |= matches!(*event, Event::Ended { .. }),
                    What::Sip { .. } | What::Rtp { .. } | What::Rtcp { .. } => {}
                }
            }
            Block::Mark(at, mark) => {
                self.seen.last_at = self.seen.last_at.max(Some(at));
                self.seen.checkpoint = self.seen.checkpoint.max(mark.checkpoint);
                let right = self.covered.is_some_and(|from| {
                    let covered = self.bytes.get(from..start).unwrap_or_default();
                    mark.from == self.base + from as u64 && mark.crc == crc32fast::hash(covered)
                });
                self.marks.push(Marked { offset, mark, right, seen: self.seen });
                self.covered = Some(end);
            }
            Block::Structure | Block::Unknown | Block::Broken => {}
        }
        true
    }

    /// The answer where all whole blocks count.
    fn all(&self) -> Result<Tail, NeedsMore> {
        // A mark names the last checkpoint before it, or says that there is none.
        if self.base > 0 && self.marks.is_empty() && self.seen.checkpoint.is_none() {
            return Err(NeedsMore);
        }
        Ok(told(self.seen, self.marks.last()))
    }

    /// The answer where only marks count.
    fn vouched_for(&self) -> Result<Tail, NeedsMore> {
        let durable = self.marks.iter().map(|marked| marked.mark.synced).max().unwrap_or(0);
        // What is broken although the disk had it is a fault of the disk: a reader steps over it, nothing is cut.
        let broken = self.marks.iter().position(|marked| !marked.right && marked.offset > durable);
        let good = self.marks.get(..broken.unwrap_or(self.marks.len())).unwrap_or_default();
        match good.last() {
            Some(last) => Ok(told(last.seen, Some(last))),
            None if self.base == 0 => Ok(Tail::default()),
            None => Err(NeedsMore),
        }
    }
}

fn told(seen: Seen, last: Option<&Marked>) -> Tail {
    Tail {
        intact: seen.intact,
        last_mark: last.map(|marked| (marked.offset, marked.mark)),
        checkpoint: seen.checkpoint,
        last_at: seen.last_at,
        ended: seen.ended,
    }
}

/// The first place from `from` on where one of our blocks surely begins. Blocks begin at multiples of four in the file.
fn next_block(bytes: &[u8], base: u64, from: usize) -> Option<usize> {
    let misaligned = usize::try_from((base + from as u64) % 4).unwrap_or(0);
    let first = from + (4 - misaligned) % 4;
    (first..bytes.len()).step_by(4).find(|&at| block::is_ours(bytes.get(at..).unwrap_or_default()) == Ok(true))
}
