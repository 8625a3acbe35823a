//! At a start: what the log has and the journals do not have yet is put into them, before anybody looks at them.
//!
//! After the end of our process alone, files are as they were written: only what a journal's file lacks at its end
//! is copied. After the end of the machine, a journal is good as far as the oldest log that is left begins; from there
//! on the log's bytes are put over whatever is there, and what follows them is cut.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siprec_core::seed::SessionId;

use super::live;
use super::log::{LogReader, Logged, logs};
use super::{live_folder, put_away_path, segment_name, session_folder};
use crate::archive::disk::{Disk, DiskFile};

/// What is to be made durable before the logs of the life before can go.
#[derive(Debug, Default)]
pub struct CaughtUp {
    /// Journals that they speak of.
    pub(super) files: Vec<Arc<dyn DiskFile>>,
    /// Folders in which there may be new names.
    pub(super) folders: Vec<PathBuf>,
    /// The logs.
    pub(super) logs: Vec<PathBuf>,
}

/// Brings the journals of `data` up to what was logged. `boot` is this boot's name. Doing it again changes nothing.
///
/// # Errors
/// The disk's. A single journal that cannot be written is told and passed over.
pub fn catch_up(disk: &dyn Disk, data: &Path, boot: &str) -> io::Result<CaughtUp> {
    let mut journals: HashMap<(SessionId, u32), Option<Journal>> = HashMap::new();
    let mut caught_up = CaughtUp::default();
    for (_, path) in logs(disk, data)? {
        if let Some(mut reader) = open_log(disk, &path)? {
            let same_boot = reader.boot == boot;
            while let Some(batch) = reader.next()? {
                for (logged, place) in &batch {
                    let journal = journals
                        .entry((logged.session, logged.segment))
                        .or_insert_with(|| told(logged, Journal::find(disk, data, logged, same_boot)).flatten());
                    if let Some(found) = journal
                        && told(logged, found.take(&reader, logged, *place)).is_none()
                    {
                        *journal = None;
                    }
                }
            }
        }
        caught_up.logs.push(path);
    }
    for ((session, _), journal) in &journals {
        let Some(journal) = journal else { continue };
        if let Err(error) = journal.finish(disk) {
            tracing::error!(%session, %error, "a journal cannot be brought up to what was logged");
        }
        caught_up.files.push(Arc::clone(&journal.file));
        caught_up.folders.extend(journal.path.parent().map(Path::to_owned));
    }
    if !caught_up.files.is_empty() {
        caught_up.folders.push(live_folder(data));
    }
    Ok(caught_up)
}

/// Whether a log still has something of `session`: for some seconds after it was written there it would come back from it.
///
/// # Errors
/// The disk's.
pub fn is_logged(disk: &dyn Disk, data: &Path, session: SessionId) -> io::Result<bool> {
    for (_, path) in logs(disk, data)? {
        let mut reader = match open_log(disk, &path) {
            Ok(Some(reader)) => reader,
            Ok(None) => continue,
            // It went meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        while let Some(batch) = reader.next()? {
            if batch.iter().any(|(logged, _)| logged.session == session) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A log that can be read. What is sealed is on the disk only if its key is: one without was not on the disk yet either.
fn open_log(disk: &dyn Disk, path: &Path) -> io::Result<Option<LogReader>> {
    match disk.open_read(path) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            tracing::error!(%error, "a log cannot be read and is passed over");
            Ok(None)
        }
        file => LogReader::open(file?),
    }
}

/// What fails of one journal is told.
fn told<T>(logged: &Logged, done: io::Result<T>) -> Option<T> {
    done.inspect_err(|error| {
        tracing::error!(session = %logged.session, %error, "a journal cannot be brought up to what was logged");
    })
    .ok()
}

/// A journal's segment that the log speaks of.
#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    same_boot: bool,
    /// It is good up to here.
    good: u64,
    /// Nothing of the log is missing in between.
    whole: bool,
    /// Something was put into it.
    changed: bool,
}

impl Journal {
    /// Opens the segment where it is, or makes it if the end of the machine took it. None of a session that is gone.
    fn find(disk: &dyn Disk, data: &Path, first: &Logged, same_boot: bool) -> io::Result<Option<Self>> {
        let live = session_folder(data, first.session);
        let put_away = data.join(put_away_path(first.session));
        let folder = if disk.exists(&live)? || !disk.exists(&put_away)? { live } else { put_away };
        let named = |seals| folder.join(segment_name(first.segment, seals));
        let mut path = named(disk.seals());
        if !disk.exists(&path)? && disk.exists(&named(!disk.seals()))? {
            path = named(!disk.seals());
        }
        let file = if disk.exists(&path)? {
            match disk.open_append(&path) {
                // The end of the machine took its key, so nothing of it was made durable: the log has all of it.
                Err(error) if error.kind() == ErrorKind::InvalidData && first.offset == 0 => {
                    disk.remove_file(&path)?;
                    disk.create_new(&path)?
                }
                file => file?,
            }
        } else if same_boot || first.offset > 0 {
            // Files are made before they are logged: this one was there, and was removed.
            return Ok(None);
        } else {
            if !disk.exists(&folder)? {
                disk.create_dir(&folder)?;
            }
            disk.create_new(&path)?
        };
        let length = file.length()?;
        // What marks vouch for is durable, whatever logs are left: of those that were removed any may have come back.
        let good = match same_boot {
            true => length,
            false => first.offset.min(length).max(live::vouched(&*file, length)?),
        };
        Ok(Some(Self { path, file, same_boot, good, whole: true, changed: false }))
    }

    fn take(&mut self, reader: &LogReader, logged: &Logged, place: u64) -> io::Result<()> {
        if !self.whole || logged.end() <= self.good {
            return Ok(());
        }
        let bytes = if logged.offset > self.good { None } else { reader.bytes(logged, place)? };
        // What was torn, or never came to the disk, ends what is known of this journal.
        let Some(bytes) = bytes else {
            self.whole = false;
            return Ok(());
        };
        self.file.write_at(logged.offset, &bytes)?;
        self.good = logged.end();
        self.changed = true;
        Ok(())
    }

    /// What the log does not vouch for is cut, and a mark vouches for the rest.
    fn finish(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.same_boot || !self.changed {
            return Ok(());
        }
        if self.file.length()? > self.good {
            self.file.set_len(self.good)?;
        }
        live::vouch(disk, &self.path)
    }
}
