//! What a server finds of its predecessor's live sessions: read from the tails, whatever their length.
//!
//! Looking changes nothing. [`Live::tidy`] then cuts what is torn or not to be trusted and puts a mark behind the
//! rest, so that from then on every reader sees the same, after any number of restarts.

use std::io;
use std::path::{Path, PathBuf};

use siprec_core::entry::{Event, Kind, SegmentHeader};
use siprec_core::journal::recover::{self, NeedsMore, Tail};
use siprec_core::journal::{MARK_SIZE, Mark, Reader, encoder};
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use super::{live_folder, segment_number};
use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::sealed::{is_sealed, sealed_path};

/// Read first of a segment's end: with a mark a second, more than a second of a two-leg session of G.711.
const TAIL_BYTES: usize = 32 << 10;
/// Read first of a checkpoint, and of a segment's beginning; four times as much when that is too little.
const FIRST_BYTES: usize = 8 << 10;
/// Neither is larger.
const MOST_BYTES: usize = 32 << 20;

/// So few sessions are not worth a thread.
const FEW: usize = 64;

/// What a segment without a reliable byte is called.
const UNRELIABLE: &str = "pcapng.unreliable";

/// A session in `journals/live`.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whose journal it is.
    pub session: SessionId,
    /// The header of the newest segment that has a whole one.
    pub header: Option<SegmentHeader>,
    /// Its last checkpoint, from the newest segment that has one.
    pub checkpoint: Option<Vec<u8>>,
    /// When something was last written, as far as it is trusted.
    pub last_entry: Wall,
    /// The next segment's number.
    pub next_segment: u32,
    /// The machine was restarted since.
    pub rebooted: bool,
    /// Its last entries say that it is over.
    pub ended: bool,
    repairs: Vec<Repair>,
}

/// What a segment's end needs.
#[derive(Debug, Clone, PartialEq)]
struct Repair {
    path: PathBuf,
    /// To be cut here.
    length: u64,
    /// To be put there.
    mark: Option<(Wall, Mark)>,
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
        let sessions: Vec<SessionId> =
            disk.list(&folder)?.iter().filter(|listed| listed.is_dir).filter_map(|l| l.name.parse().ok()).collect();
        let mut found = side_by_side(&sessions, |session| {
            look(disk, &folder.join(session.to_string()), *session, boot).unwrap_or_else(|error| {
                tracing::error!(%session, %error, "a journal cannot be read");
                None
            })
        });
        found.sort_by_key(|found| found.session);
        Ok(found)
    }

    /// Cuts and marks the ends of what was found, before anything else reads or writes there. What fails is told; it
    /// can be done again at the next start.
    pub fn tidy(disk: &dyn Disk, found: &[Found]) {
        side_by_side(found, |found| {
            for repair in &found.repairs {
                if let Err(error) = repair.carry_out(disk) {
                    tracing::warn!(session = %found.session, %error, "the torn end of a journal cannot be repaired");
                }
            }
            None::<()>
        });
    }
}

/// Does the same to many things, on every core where there are enough of them: a start must not take long.
fn side_by_side<T: Sync, R: Send>(things: &[T], each: impl Fn(&T) -> Option<R> + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = things.len().div_ceil(cores).max(FEW);
    std::thread::scope(|scope| {
        let each = &each;
        let mut shares = things.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> =
            shares.map(|s| scope.spawn(move || s.iter().filter_map(each).collect::<Vec<_>>())).collect();
        let mut done: Vec<R> = own.iter().filter_map(each).collect();
        for other in others {
            match other.join() {
                Ok(of_share) => done.extend(of_share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}

impl Repair {
    fn carry_out(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.length == 0 {
            // Nothing of it can be relied on: less than a second, or not even a header. No reader shall take it for
            // more.
            return disk.rename(&self.path, &unreliable(&self.path));
        }
        let file = disk.open_append(&self.path)?;
        if file.length()? > self.length {
            file.set_len(self.length)?;
        }
        let mut bytes = Vec::new();
        if let Some((at, mark)) = &self.mark {
            encoder::mark(&mut bytes, *at, mark);
        }
        file.write_at(self.length, &bytes)
    }
}

/// The name of a segment that has nothing to rely on; one that is sealed is so still.
fn unreliable(segment: &Path) -> PathBuf {
    match is_sealed(segment) {
        true => sealed_path(&segment.with_extension("").with_extension(UNRELIABLE)),
        false => segment.with_extension(UNRELIABLE),
    }
}

/// How far the marks of a segment of another boot vouch for it.
pub(super) fn vouched(file: &dyn DiskFile, length: u64) -> io::Result<u64> {
    Ok(tail(file, length, false)?.0.intact)
}

/// Puts a mark behind all whole blocks of a segment, which are known to be good, and cuts the rest.
pub(super) fn vouch(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk.open_read(path)?;
    let length = file.length()?;
    let (tail, mark) = tail(&*file, length, true)?;
    let mark = mark.map(|mark| (tail.last_at.unwrap_or_default(), mark));
    if tail.intact == length && mark.is_none() {
        return Ok(());
    }
    Repair { path: path.to_owned(), length: tail.intact, mark }.carry_out(disk)
}

fn look(disk: &dyn Disk, folder: &Path, session: SessionId, boot: &str) -> io::Result<Option<Found>> {
    let mut segments: Vec<(u32, String)> = Vec::new();
    for listed in disk.list(folder)? {
        segments.extend(segment_number(&listed.name).map(|number| (number, listed.name)));
    }
    segments.sort_unstable();
    if segments.is_empty() {
        // Made just before the crash, and nothing was written.
        return Ok(None);
    }
    let mut found = Found {
        session,
        header: None,
        checkpoint: None,
        last_entry: Wall(0),
        next_segment: segments.last().map_or(1, |(number, _)| number + 1),
        rebooted: false,
        ended: false,
        repairs: Vec::new(),
    };
    for (_, name) in segments.iter().rev() {
        if found.look_into(disk, folder.join(name), boot)? {
            break;
        }
    }
    Ok(Some(found))
}

impl Found {
    /// Reads a segment, each older than the one before. `true`: the older ones have no more to tell.
    fn look_into(&mut self, disk: &dyn Disk, path: PathBuf, boot: &str) -> io::Result<bool> {
        let file = match disk.open_read(&path) {
            // The end of the machine took its key, and what was sealed under it: its key is the first that is made durable.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%error, "a segment cannot be read and is passed over");
                self.repairs.push(Repair { path, length: 0, mark: None });
                return Ok(false);
            }
            file => file?,
        };
        let length = file.length()?;
        let header = header(&*file)?;
        // A segment that does not even name its boot is not trusted.
        let same_boot = header.as_ref().is_some_and(|header| header.boot == boot);
        self.rebooted |= header.as_ref().is_some_and(|header| header.boot != boot);
        self.header = self.header.take().or(header);
        let (tail, mark) = tail(&*file, length, same_boot)?;
        self.last_entry = self.last_entry.max(tail.last_at.unwrap_or_default());
        self.ended |= tail.ended;
        let is_sound = tail.intact == length && mark.is_none();
        if !is_sound {
            let mark = mark.map(|mark| (tail.last_at.unwrap_or_default(), mark));
            self.repairs.push(Repair { path, length: tail.intact, mark });
        }
        if let Some(offset) = tail.checkpoint.filter(|_| self.checkpoint.is_none()) {
            self.checkpoint = checkpoint(&*file, offset)?;
        }
        // When the machine went down, the segment before may not have been on the disk either.
        Ok(self.checkpoint.is_some() && (same_boot || is_sound))
    }
}

/// Judges a segment by as much of its end as that takes; with the mark that should stand behind it, if it has none.
fn tail(file: &dyn DiskFile, length: u64, trust_unmarked: bool) -> io::Result<(Tail, Option<Mark>)> {
    let mut limit = TAIL_BYTES;
    loop {
        let bytes = read_range(file, length.saturating_sub(limit as u64), limit)?;
        let whole = limit as u64 >= length;
        match recover::tail(&bytes, length, trust_unmarked) {
            Ok(tail) if whole || tail.last_mark.is_some() => {
                let mark = missing_mark(&bytes, length, &tail);
                return Ok((tail, mark));
            }
            Err(NeedsMore) if whole => return Ok((Tail::default(), None)),
            Ok(_) | Err(NeedsMore) => limit = limit.saturating_mul(4),
        }
    }
}

/// A mark for what stands behind the last one. `bytes` are the end of a file of `length`.
fn missing_mark(bytes: &[u8], length: u64, tail: &Tail) -> Option<Mark> {
    let base = length - bytes.len() as u64;
    let (from, synced) = tail.last_mark.map_or((0, 0), |(at, mark)| (at + MARK_SIZE as u64, mark.synced));
    let within = |offset: u64| usize::try_from(offset.checked_sub(base)?).ok();
    let covered = bytes.get(within(from)?..within(tail.intact)?).filter(|covered| !covered.is_empty())?;
    Some(Mark { from, crc: crc32fast::hash(covered), checkpoint: tail.checkpoint, synced })
}

/// The header that a segment begins with.
fn header(file: &dyn DiskFile) -> io::Result<Option<SegmentHeader>> {
    first_entry(file, 0, |kind| match kind {
        Kind::Event(Event::Segment(header)) => Some(header),
        Kind::Event(_) | Kind::Checkpoint(_) | Kind::Sip { .. } | Kind::Rtp { .. } | Kind::Rtcp { .. } => None,
    })
}

/// The checkpoint at `offset`.
fn checkpoint(file: &dyn DiskFile, offset: u64) -> io::Result<Option<Vec<u8>>> {
    first_entry(file, offset, |kind| match kind {
        Kind::Checkpoint(json) => Some(json.to_vec()),
        Kind::Event(_) | Kind::Sip { .. } | Kind::Rtp { .. } | Kind::Rtcp { .. } => None,
    })
}

/// The first entry from `offset` on, if it is what `take` takes.
fn first_entry<T>(file: &dyn DiskFile, offset: u64, take: impl Fn(Kind<'_>) -> Option<T>) -> io::Result<Option<T>> {
    let mut limit = FIRST_BYTES;
    loop {
        let bytes = read_range(file, offset, limit)?;
        let mut reader = Reader::new();
        reader.push(&bytes);
        if let Some(entry) = reader.next() {
            return Ok(take(entry.kind));
        }
        if bytes.len() < limit || limit >= MOST_BYTES {
            return Ok(None);
        }
        limit *= 4;
    }
}
