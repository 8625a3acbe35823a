//! An open sealed file: written and read as if it were plain.
//!
//! What is appended becomes chunks of its own. What is written over is sealed again in its place, with new nonces; a cut in
//! the middle of a chunk makes it shorter. So whatever a disk can do with a plain file it can do with a sealed one, and a
//! write that was cut off is what it is there: a torn end.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use siprec_core::sealed::{End, HEADER, Kind, NONCE, append};

use super::Buffers;
use super::cipher::RingCipher;
use super::keys::random;
use super::reading::{Chunks, Open};
use crate::archive::disk::DiskFile;

/// A sealed file.
#[derive(Debug)]
pub(super) struct SealedFile {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    cipher: RingCipher,
    kind: Kind,
    buffers: Arc<Buffers>,
    /// Its new key, until it is durable.
    unsynced_key: Mutex<Option<Arc<dyn DiskFile>>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    end: End,
    /// The chunk that was read last.
    open: Option<Open>,
}

impl SealedFile {
    /// A file that has its header and nothing else.
    pub(super) fn begin(
        path: &Path,
        file: Arc<dyn DiskFile>,
        cipher: RingCipher,
        kind: Kind,
        key_file: Option<Arc<dyn DiskFile>>,
        buffers: &Arc<Buffers>,
    ) -> Self {
        Self {
            file,
            path: path.to_owned(),
            cipher,
            kind,
            buffers: Arc::clone(buffers),
            unsynced_key: Mutex::new(key_file),
            state: Mutex::new(State { end: End::EMPTY, open: None }),
        }
    }

    /// A file that was there. Who will read it will begin with its end; who writes keeps no more in memory than it takes.
    pub(super) fn open(self, to_read: bool) -> io::Result<Self> {
        let last = self.chunks(End::EMPTY).find_last()?;
        let end = last.as_ref().map_or(End::EMPTY, |open| open.chunk.end());
        *self.state() = State { end, open: last.filter(|_| to_read) };
        Ok(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chunks(&self, end: End) -> Chunks<'_> {
        Chunks { file: &*self.file, path: &self.path, cipher: &self.cipher, kind: self.kind, end }
    }

    /// Seals `plain` behind `end` and writes it; where it ends then.
    fn write_behind(&self, end: End, plain: &[u8], last: bool) -> io::Result<End> {
        let mut buffer = self.buffers.take();
        let nonce = || random::<NONCE>().ok();
        let sealed = append(&self.cipher, end, plain, last, nonce, &mut buffer);
        let written = match sealed {
            Some(after) => self.file.write_at(end.position, &buffer).map(|()| after),
            None => Err(io::Error::other(format!("{} cannot be sealed: no random octets", self.path.display()))),
        };
        self.buffers.give_back(buffer);
        written
    }

    /// The chunk with the octet at `offset`, decrypted.
    fn bring(&self, state: &mut State, offset: u64) -> io::Result<()> {
        if state.open.as_ref().is_some_and(|open| open.covers(offset)) {
            return Ok(());
        }
        let before = state.open.take();
        state.open = Some(self.chunks(state.end).find(offset, before)?);
        Ok(())
    }

    /// Writes over what is there, which is at least as long.
    fn write_over(&self, state: &mut State, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.bring(state, offset)?;
            let Some(mut open) = state.open.take() else { break };
            let (chunk, within) = (open.chunk, open.within(offset).ok_or_else(|| self.no_chunk(offset))?);
            let place = open.content.get_mut(within..).unwrap_or_default();
            let (now, later) = bytes.split_at(place.len().min(bytes.len()));
            place.iter_mut().zip(now).for_each(|(place, octet)| *place = *octet);
            let before = End { position: chunk.position, plain: chunk.offset };
            self.write_behind(before, &open.content, chunk.last)?;
            (offset, bytes) = (offset + now.len() as u64, later);
        }
        Ok(())
    }

    /// Makes `length` octets of content the last.
    fn cut(&self, state: &mut State, length: u64) -> io::Result<()> {
        if length == 0 {
            (state.end, state.open) = (End::EMPTY, None);
        } else if length < state.end.plain {
            self.bring(state, length - 1)?;
            let Some(open) = state.open.take() else { return Ok(()) };
            let kept = open.within(length - 1).and_then(|last| open.content.get(..=last));
            let kept = kept.ok_or_else(|| self.no_chunk(length))?;
            let before = End { position: open.chunk.position, plain: open.chunk.offset };
            let whole = length == open.chunk.end().plain;
            state.end = if whole { open.chunk.end() } else { self.write_behind(before, kept, false)? };
        }
        self.file.set_len(state.end.position)
    }

    fn no_chunk(&self, offset: u64) -> io::Error {
        let why = format!("{} is damaged at {offset}: nothing can be written there", self.path.display());
        io::Error::new(ErrorKind::InvalidData, why)
    }
}

impl DiskFile for SealedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let Some(over) = state.end.plain.checked_sub(offset) else {
            let why = format!("{} ends at {}: nothing is written behind that", self.path.display(), state.end.plain);
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        };
        let over = usize::try_from(over).unwrap_or(usize::MAX).min(bytes.len());
        let (over, behind) = bytes.split_at(over);
        self.write_over(&mut state, offset, over)?;
        if !behind.is_empty() {
            state.end = self.write_behind(state.end, behind, false)?;
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let mut read = 0;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let at = offset + read as u64;
            if at >= state.end.plain {
                break;
            }
            self.bring(&mut state, at)?;
            read += state.open.as_ref().map_or(0, |open| open.copy(at, rest));
        }
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut key = self.unsynced_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = key.as_ref() {
            file.sync_data()?;
            *key = None;
        }
        drop(key);
        self.file.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if length > state.end.plain {
            let why = format!("{} ends at {} and cannot be made longer", self.path.display(), state.end.plain);
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        self.cut(&mut state, length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state().end.plain)
    }

    fn end(&self) -> io::Result<()> {
        if self.kind == Kind::Stream {
            return Ok(());
        }
        let mut state = self.state();
        state.end = self.write_behind(state.end, &[], true)?;
        Ok(())
    }
}

/// A journal's file that a crash left without a whole header: there is nothing in it.
#[derive(Debug)]
pub(super) struct NothingYet;

impl DiskFile for NothingYet {
    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!("a file of less than {HEADER} octets was opened to be read"),
        ))
    }

    fn read_at(&self, _offset: u64, _into: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.write_at(length, &[])
    }

    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }
}
