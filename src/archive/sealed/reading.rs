//! Finding chunks: the end of a file, the chunk of an octet, and what is left where something is damaged.
//!
//! A whole is given out as it was sealed or not at all. A stream is a journal, whose reader can go on behind a hole: what of
//! it is not authentic is zero, is told, and costs no more than itself, since blocks begin where they always do.

use std::io::{self, ErrorKind};
use std::path::Path;

use siprec_core::sealed::{self, BLOCK, Chunk, End, HEAD, Kind, MOST_CONTENT, start};

use super::cipher::RingCipher;
use crate::archive::disk::{DiskFile, read_range};

/// A chunk that is authentic.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) chunk: Chunk,
    pub(super) content: Vec<u8>,
    /// From here on up to its content nothing could be read.
    from: u64,
}

impl Open {
    /// Whether it tells what is at `offset`.
    pub(super) fn covers(&self, offset: u64) -> bool {
        self.from <= offset && offset < self.chunk.end().plain
    }

    /// Where in its content that is.
    pub(super) fn within(&self, offset: u64) -> Option<usize> {
        let within = usize::try_from(offset.checked_sub(self.chunk.offset)?).ok()?;
        (within < self.content.len()).then_some(within)
    }

    /// Copies what it has from `offset` on, zeroes for what could not be read.
    pub(super) fn copy(&self, offset: u64, into: &mut [u8]) -> usize {
        if let Some(hole) = self.chunk.offset.checked_sub(offset).filter(|hole| *hole > 0) {
            let length = usize::try_from(hole).unwrap_or(usize::MAX).min(into.len());
            into.get_mut(..length).unwrap_or_default().fill(0);
            return length;
        }
        let rest = self.within(offset).and_then(|within| self.content.get(within..)).unwrap_or_default();
        let length = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..length), rest.get(..length)) {
            into.copy_from_slice(rest);
        }
        length
    }
}

/// What of `octets`, which lie at `first` in a file, lies at `position` and behind.
fn within(octets: &[u8], first: u64, position: u64) -> Option<&[u8]> {
    octets.get(usize::try_from(position.checked_sub(first)?).ok()?..)
}

/// What of them follows a chunk's head.
fn content<'o>(octets: &'o [u8], first: u64, chunk: &Chunk) -> Option<&'o [u8]> {
    within(octets, first, chunk.position)?.get(HEAD..usize::try_from(chunk.size()).ok()?)
}

/// The chunks of a file up to its end.
pub(super) struct Chunks<'f> {
    pub(super) file: &'f dyn DiskFile,
    pub(super) path: &'f Path,
    pub(super) cipher: &'f RingCipher,
    pub(super) kind: Kind,
    pub(super) end: End,
}

impl Chunks<'_> {
    /// The last authentic chunk of the file, with which it ends; none of a stream that has none.
    ///
    /// # Errors
    /// The disk's; of a whole, that it does not end as it was ended.
    pub(super) fn find_last(&self) -> io::Result<Option<Open>> {
        let length = self.file.length()?;
        let mut found = None;
        for block in (0..=length.saturating_sub(1) / BLOCK).rev() {
            found = self.last_of(block, length)?;
            if found.is_some() || self.kind == Kind::Whole {
                break;
            }
        }
        let is_whole = |open: &Open| open.chunk.last && open.chunk.end().position == length;
        if self.kind == Kind::Whole && !found.as_ref().is_some_and(is_whole) {
            return Err(self.damaged("its end is cut off or changed"));
        }
        Ok(found)
    }

    /// The last authentic chunk of a block. Those before it are not looked at: a start has thousands of files to open.
    fn last_of(&self, block: u64, limit: u64) -> io::Result<Option<Open>> {
        let (first, octets) = self.block(block, limit)?;
        let mut chunks = Vec::new();
        let mut position = first;
        while let Some(chunk) = within(&octets, first, position).and_then(|rest| Chunk::read(position, rest)) {
            chunks.push(chunk);
            position = start(chunk.end().position);
            if position / BLOCK != block {
                break;
            }
        }
        let open = |chunk: Chunk| self.open(chunk, content(&octets, first, &chunk)?.to_vec());
        Ok(chunks.into_iter().rev().find_map(open))
    }

    /// The octets of a block up to `limit`, and where its first chunk begins, which they begin with.
    fn block(&self, block: u64, limit: u64) -> io::Result<(u64, Vec<u8>)> {
        let first = start(block * BLOCK);
        let last = ((block + 1) * BLOCK).min(limit);
        let octets = read_range(self.file, first, usize::try_from(last.saturating_sub(first)).unwrap_or(0))?;
        Ok((first, octets))
    }

    /// Gives the authentic chunks of a block, of which no octet is behind `limit`, until one is not wanted.
    fn authentic(&self, block: u64, limit: u64, wanted: &mut dyn FnMut(Open) -> bool) -> io::Result<()> {
        let (first, octets) = self.block(block, limit)?;
        let mut position = first;
        while let Some(chunk) = within(&octets, first, position).and_then(|rest| Chunk::read(position, rest)) {
            if let Some(rest) = content(&octets, first, &chunk)
                && let Some(open) = self.open(chunk, rest.to_vec())
                && !wanted(open)
            {
                break;
            }
            position = start(chunk.end().position);
            if position / BLOCK != block {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, chunk: Chunk, mut rest: Vec<u8>) -> Option<Open> {
        let length = sealed::open(self.cipher, &chunk, &mut rest)?.len();
        rest.truncate(length);
        Some(Open { chunk, content: rest, from: chunk.offset })
    }

    /// The chunk with the octet at `offset`, which is before the end. `before` is what was read last.
    pub(super) fn find(&self, offset: u64, before: Option<Open>) -> io::Result<Open> {
        let next = before.map(|open| open.chunk.end()).filter(|end| end.plain == offset);
        let mut buffer = Vec::new();
        if let Some(end) = next
            && let Some(open) = self.load(start(end.position), &mut buffer)?
            && open.chunk.offset == offset
            && open.covers(offset)
        {
            self.check_gap(end.position, open.chunk.position)?;
            return Ok(open);
        }
        if let Some(position) = self.place(offset)?
            && let Some(open) = self.load(position, &mut buffer)?
            && open.covers(offset)
        {
            return Ok(open);
        }
        match self.kind {
            Kind::Whole => Err(self.damaged(&format!("octet {offset} of its content is not as it was sealed"))),
            Kind::Stream => self.behind_damage(offset),
        }
    }

    /// Nobody may hide anything between two chunks of a whole.
    fn check_gap(&self, from: u64, to: u64) -> io::Result<()> {
        if self.kind == Kind::Stream || from == to {
            return Ok(());
        }
        let gap = read_range(self.file, from, usize::try_from(to - from).unwrap_or(0))?;
        if gap.iter().all(|octet| *octet == 0) {
            Ok(())
        } else {
            Err(self.damaged("something stands between two chunks"))
        }
    }

    /// The chunk at `position`, if there is an authentic one.
    fn load(&self, position: u64, buffer: &mut Vec<u8>) -> io::Result<Option<Open>> {
        let Some(chunk) = self.head(position)? else { return Ok(None) };
        buffer.resize(usize::try_from(chunk.size()).unwrap_or(0).saturating_sub(HEAD), 0);
        let read = self.file.read_at(position + HEAD as u64, buffer)?;
        Ok(if read == buffer.len() { self.open(chunk, std::mem::take(buffer)) } else { None })
    }

    fn head(&self, position: u64) -> io::Result<Option<Chunk>> {
        let mut head = [0; HEAD];
        let read = self.file.read_at(position, &mut head)?;
        Ok(if read == HEAD { Chunk::read(position, &head) } else { None })
    }

    /// Where the chunk with the octet at `offset` should begin, by the heads of blocks, then of chunks; none where they make
    /// no sense. They are not checked: what is found there is.
    fn place(&self, offset: u64) -> io::Result<Option<u64>> {
        let before =
            |block: u64| Ok::<_, io::Error>(self.head(start(block * BLOCK))?.map(|chunk| chunk.offset <= offset));
        // Blocks hold no more than this, so it is in this one or in one that follows.
        let (mut low, behind) = (offset / MOST_CONTENT, self.end.position.saturating_sub(1) / BLOCK + 1);
        let (mut high, mut step) = (low + 1, 1);
        while high < behind {
            match before(high)? {
                Some(true) => low = high,
                Some(false) => break,
                None => return Ok(None),
            }
            high += step;
            step *= 2;
        }
        high = high.min(behind);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match before(middle)? {
                Some(true) => low = middle,
                Some(false) => high = middle,
                None => return Ok(None),
            }
        }
        let mut position = start(low * BLOCK);
        while position < self.end.position && position / BLOCK == low {
            let Some(chunk) = self.head(position)? else { return Ok(None) };
            if chunk.offset <= offset && offset < chunk.end().plain {
                return Ok(Some(position));
            }
            position = start(chunk.end().position);
        }
        Ok(None)
    }

    /// The first authentic chunk that ends behind `offset`, all of which before it is lost.
    fn behind_damage(&self, offset: u64) -> io::Result<Open> {
        let mut found = None;
        for block in offset / MOST_CONTENT..=self.end.position / BLOCK {
            self.authentic(block, self.end.position, &mut |open| {
                if open.chunk.end().plain > offset {
                    found = Some(open);
                }
                found.is_none()
            })?;
            if let Some(open) = found {
                let lost = open.chunk.offset.saturating_sub(offset);
                tracing::error!(file = %self.path.display(), offset, lost, "a sealed journal is damaged: what is not authentic is left out");
                return Ok(Open { from: offset.min(open.chunk.offset), ..open });
            }
        }
        Err(self.damaged(&format!("nothing of it can be read from octet {offset} of its content on")))
    }

    fn damaged(&self, why: &str) -> io::Error {
        let text = format!("{} is damaged: {why}", self.path.display());
        io::Error::new(ErrorKind::InvalidData, text)
    }
}
