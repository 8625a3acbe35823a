//! A recording taken out of the journal of its recording session, as far as no other recording needs it.
//!
//! ```text
//! SESSION -> SESSION.left (all that stays, synced) -> SESSION to SESSION.erased, SESSION.left to SESSION -> SESSION.erased removed
//! ```
//! Done again after a crash, it goes on from whatever of these is there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use siprec_core::entry::{Event, Kind};
use siprec_core::journal::redact::{Redaction, Redactor, Scope};
use siprec_core::journal::{Encoder, encoder};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::session::ORPHAN_AUDIO;

use super::Contents;
use super::journals::Journal;
use crate::archive::disk::{Disk, DiskFile};
use crate::archive::journal::{LIVE, is_logged, put_away_path};
use crate::archive::recordings::KEY;
use crate::archive::sealed::destroy;

/// Audio that comes so long after its recording's end belongs to it.
const LATE_NS: i64 = ORPHAN_AUDIO.as_nanos() as i64;
/// Octets written at a time.
const BLOCK: usize = 256 * 1024;

/// What became of the recording in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InJournal {
    /// There is no journal (any more).
    NotThere,
    /// The journal is gone: no other recording was in it.
    Removed,
    /// The journal is there without it: others are in it.
    TakenOut,
    /// The recording session goes on, or another recording of it is not finished, or it has ended just now.
    Live,
}

/// Takes `erased` out of the journal of `session` below `data`. `kept` are all other recordings of it.
///
/// # Errors
/// The disk's; to be done again.
pub fn take_out(
    disk: &dyn Disk,
    data: &Path,
    session: SessionId,
    erased: Scope,
    kept: Vec<Scope>,
) -> io::Result<InJournal> {
    if disk.exists(&data.join(LIVE).join(session.to_string()))? || is_logged(disk, data, session)? {
        return Ok(InJournal::Live);
    }
    let place = data.join(put_away_path(session));
    let (left, gone) = (place.with_added_extension("left"), place.with_added_extension("erased"));
    if disk.exists(&gone)? {
        // All that stays was written, or nothing was to stay.
        if !disk.exists(&place)? && disk.exists(&left)? {
            disk.rename(&left, &place)?;
            sync_parent(disk, &place)?;
        }
        remove(disk, &gone)?;
        return Ok(if disk.exists(&place)? { InJournal::TakenOut } else { InJournal::Removed });
    }
    if disk.exists(&left)? {
        remove(disk, &left)?;
    }
    let Some(journal) = Journal::open_at(disk, data, session, place.clone())? else { return Ok(InJournal::NotThere) };
    let count = kept.len();
    if count > 0 {
        write_left(disk, &journal, &left, Redaction::new(erased, kept, LATE_NS))?;
    }
    disk.rename(&place, &gone)?;
    if count > 0 {
        disk.rename(&left, &place)?;
    }
    sync_parent(disk, &place)?;
    remove(disk, &gone)?;
    Ok(if count > 0 { InJournal::TakenOut } else { InJournal::Removed })
}

/// The recordings that the journal of `session` tells of, wherever it lies; none where it is not kept.
///
/// # Errors
/// The disk's.
pub fn recordings_in(disk: &dyn Disk, data: &Path, session: SessionId) -> io::Result<Vec<RecordingId>> {
    let place = data.join(put_away_path(session));
    let places = [data.join(LIVE).join(session.to_string()), place.clone(), place.with_added_extension("erased")];
    let mut contents = Contents::default();
    for folder in places {
        if let Some(journal) = Journal::open_at(disk, data, session, folder)? {
            journal.read(&mut |entry| contents.take(entry))?;
        }
    }
    Ok(contents.recordings.into_iter().map(|(recording, _)| recording).collect())
}

fn write_left(disk: &dyn Disk, journal: &Journal<'_>, folder: &Path, mut redaction: Redaction) -> io::Result<()> {
    journal.read(&mut |entry| redaction.note(entry))?;
    let redactor = redaction.done();
    disk.create_dir_all(folder)?;
    let mut out: Option<Segment> = None;
    journal.read_segments(&mut |name, entry| {
        if out.as_ref().is_none_or(|segment| segment.name != name) {
            out.take().map_or(Ok(()), Segment::end)?;
            out = Some(Segment::begin(disk, folder, name)?);
        }
        out.as_mut().map_or(Ok(()), |segment| segment.take(&redactor, entry))
    })?;
    out.map_or(Ok(()), Segment::end)?;
    disk.sync_dir(folder)
}

/// A segment of what stays, being written.
struct Segment {
    name: String,
    file: Arc<dyn DiskFile>,
    written: u64,
    waiting: Vec<u8>,
    message: Vec<u8>,
}

impl Segment {
    fn begin(disk: &dyn Disk, folder: &Path, name: &str) -> io::Result<Self> {
        let file = disk.create_new(&folder.join(name))?;
        Ok(Self { name: name.to_owned(), file, written: 0, waiting: Vec::new(), message: Vec::new() })
    }

    fn take(&mut self, redactor: &Redactor, entry: &siprec_core::entry::Entry<'_>) -> io::Result<()> {
        let mut message = std::mem::take(&mut self.message);
        if let Some(left) = redactor.redact(entry, &mut message) {
            if let Kind::Event(Event::Segment(header)) = &left.kind {
                Encoder::begin(&mut self.waiting, left.at, header, &redactor.streams());
            } else {
                encoder::entry(&mut self.waiting, &left);
            }
        }
        self.message = message;
        if self.waiting.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.written, &self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.end()?;
        self.file.sync_data()
    }
}

/// Removes a folder of segments: keys first, overwritten, so that what is sealed is lost whatever the disk keeps of it.
fn remove(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let names: Vec<String> = disk.list(folder)?.into_iter().map(|entry| entry.name).collect();
    for name in names.iter().filter(|name| name.ends_with(KEY)) {
        destroy(disk, &folder.join(name))?;
    }
    for name in names.iter().filter(|name| !name.ends_with(KEY)) {
        disk.remove_file(&folder.join(name))?;
    }
    disk.remove_dir(folder)?;
    sync_parent(disk, folder)
}

fn sync_parent(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync_dir(path.parent().unwrap_or(Path::new("")))
}
