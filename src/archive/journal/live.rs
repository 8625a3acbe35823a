//! What a server finds of its predecessor's live sessions: read from the tails, whatever their length.

use std::io;
use std::path::Path;

use siprec_core::entry::{Event, Kind};
use siprec_core::journal::Reader;
use siprec_core::journal::recover::{self, NeedsMore, Tail};
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use super::{live_folder, segment_number};
use crate::archive::disk::{Disk, read_range};

/// Read first of a segment's end: with a mark a second, two seconds of a two-leg session of G.711.
const TAIL_BYTES: usize = 64 << 10;
/// A checkpoint is smaller.
const CHECKPOINT_BYTES: usize = 1 << 20;
/// Of a segment's beginning: its header.
const HEAD_BYTES: usize = 64 << 10;

/// A session in `journals/live`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose journal it is.
    pub session: SessionId,
    /// Its last checkpoint (JSON), from the newest segment that has one.
    pub checkpoint: Option<Vec<u8>>,
    /// When something was last written, as far as it is trusted.
    pub last_entry: Wall,
    /// The next segment's number.
    pub next_segment: u32,
    /// The machine was restarted since.
    pub rebooted: bool,
}

/// The live journals of a data directory.
#[derive(Debug)]
pub struct Live;

impl Live {
    /// Finds every live session. A journal that can't be read is passed over, and told.
    ///
    /// # Errors
    /// The folder itself can't be read.
    pub fn scan(disk: &dyn Disk, data: &Path, boot: &str) -> io::Result<Vec<Found>> {
        let folder = live_folder(data);
        if !disk.exists(&folder)? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for listed in disk.list(&folder)? {
            let Some(session) = listed.name.parse().ok().filter(|_| listed.is_dir) else { continue };
            match look(disk, &folder.join(&listed.name), session, boot) {
                Ok(session) => found.push(session),
                Err(error) => tracing::error!(%session, %error, "a journal cannot be read"),
            }
        }
        found.sort_by_key(|found| found.session);
        Ok(found)
    }
}

fn look(disk: &dyn Disk, folder: &Path, session: SessionId, boot: &str) -> io::Result<Found> {
    let mut segments: Vec<(u32, String)> = Vec::new();
    for listed in disk.list(folder)? {
        segments.extend(segment_number(&listed.name).map(|number| (number, listed.name)));
    }
    segments.sort_unstable();
    let next_segment = segments.last().map_or(1, |(number, _)| number + 1);
    let mut found = Found { session, checkpoint: None, last_entry: Wall(0), next_segment, rebooted: false };
    for (_, name) in segments.iter().rev() {
        let path = folder.join(name);
        let file = disk.open_read(&path)?;
        let rebooted = boot_of(&read_range(&*file, 0, HEAD_BYTES)?).is_some_and(|then| then != boot);
        found.rebooted |= rebooted;
        let length = file.length()?;
        let tail = tail_of(length, !rebooted, |limit| read_range(&*file, length.saturating_sub(limit as u64), limit))?;
        found.last_entry = found.last_entry.max(tail.last_at.unwrap_or_default());
        if let Some(offset) = tail.checkpoint {
            found.checkpoint = checkpoint(&read_range(&*file, offset, CHECKPOINT_BYTES)?);
            break;
        }
    }
    Ok(found)
}

/// Judges a segment by as much of its end as that takes.
fn tail_of(
    length: u64,
    trust_unmarked: bool,
    mut read_end: impl FnMut(usize) -> io::Result<Vec<u8>>,
) -> io::Result<Tail> {
    let mut limit = TAIL_BYTES;
    loop {
        match recover::tail(&read_end(limit)?, length, trust_unmarked) {
            Ok(tail) => return Ok(tail),
            Err(NeedsMore) if limit as u64 >= length => return Ok(Tail::default()),
            Err(NeedsMore) => limit *= 4,
        }
    }
}

/// The boot that the segment's header names.
fn boot_of(head: &[u8]) -> Option<String> {
    let mut reader = Reader::new();
    reader.push(head);
    if let Kind::Event(Event::Segment(header)) = reader.next()?.kind { Some(header.boot) } else { None }
}

/// The checkpoint at the start of `bytes`.
fn checkpoint(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new();
    reader.push(bytes);
    if let Kind::Checkpoint(json) = reader.next()?.kind { Some(json.to_vec()) } else { None }
}
