//! The journals' folders as the finisher needs them: those in `live`, read from the start, and put away by day.

use std::io;
use std::path::{Path, PathBuf};

use siprec_core::entry::Entry;
use siprec_core::journal::{Merge, Reader};
use siprec_core::seed::SessionId;

use crate::archive::disk::{Disk, DiskFile};
use crate::archive::journal::{LIVE, is_segment, put_away_path};

/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;

/// Sessions that have a journal in `live`.
pub(super) fn live(disk: &dyn Disk, data: &Path) -> io::Result<Vec<SessionId>> {
    let folder = data.join(LIVE);
    if !disk.exists(&folder)? {
        return Ok(Vec::new());
    }
    Ok(disk.list(&folder)?.iter().filter(|entry| entry.is_dir).filter_map(|entry| entry.name.parse().ok()).collect())
}

/// A session's journal in `live`.
#[derive(Debug)]
pub(super) struct Journal<'d> {
    disk: &'d dyn Disk,
    data: &'d Path,
    session: SessionId,
    folder: PathBuf,
    segments: Vec<(PathBuf, u64)>,
}

impl<'d> Journal<'d> {
    /// The journal of `session` as long as it is now; none if it is not in `live`.
    pub(super) fn open(disk: &'d dyn Disk, data: &'d Path, session: SessionId) -> io::Result<Option<Self>> {
        Self::open_at(disk, data, session, data.join(LIVE).join(session.to_string()))
    }

    /// The journal of `session` in a folder; none if there is none.
    pub(super) fn open_at(
        disk: &'d dyn Disk,
        data: &'d Path,
        session: SessionId,
        folder: PathBuf,
    ) -> io::Result<Option<Self>> {
        if !disk.exists(&folder)? {
            return Ok(None);
        }
        let mut segments = Vec::new();
        for entry in disk.list(&folder)?.iter().filter(|entry| !entry.is_dir && is_segment(&entry.name)) {
            let path = folder.join(&entry.name);
            let length = disk.open_read(&path)?.length()?;
            segments.push((path, length));
        }
        Ok(Some(Self { disk, data, session, folder, segments }))
    }

    /// Whose it is.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|(_, length)| length).sum()
    }

    /// All entries that it held when it was opened, in the order of their time.
    pub(super) fn read(&self, take: &mut dyn FnMut(&Entry<'_>)) -> io::Result<()> {
        let mut merge = Merge::new();
        for (path, length) in &self.segments {
            read_segment(&*self.disk.open_read(path)?, *length, &mut |reader| {
                while let Some(entry) = reader.next() {
                    merge.push(entry);
                    while let Some(entry) = merge.pop() {
                        take(&entry);
                    }
                }
                Ok(())
            })?;
        }
        merge.finish();
        while let Some(entry) = merge.pop() {
            take(&entry);
        }
        Ok(())
    }

    /// What each of its segments holds: the segment's name, and each of its entries as they lie there.
    pub(super) fn read_segments(&self, take: &mut dyn FnMut(&str, &Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        for (path, length) in &self.segments {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            read_segment(&*self.disk.open_read(path)?, *length, &mut |reader| {
                while let Some(entry) = reader.next() {
                    take(name, &entry)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Moves it to its day's folder.
    pub(super) fn put_away(&self) -> io::Result<()> {
        let target = self.data.join(put_away_path(self.session));
        let day = target.parent().unwrap_or(self.data);
        self.disk.create_dir_all(day)?;
        // A short session's segments may be newer than the last sync of their names.
        self.disk.sync_dir(&self.folder)?;
        self.disk.rename(&self.folder, &target)?;
        self.disk.sync_dir(day)?;
        self.disk.sync_dir(self.folder.parent().unwrap_or(self.data))
    }
}

/// A segment of that length, a block at a time: `drain` takes out what can be read so far.
fn read_segment(
    file: &dyn DiskFile,
    length: u64,
    drain: &mut dyn FnMut(&mut Reader) -> io::Result<()>,
) -> io::Result<()> {
    let (mut reader, mut block, mut offset) = (Reader::new(), vec![0; BLOCK], 0);
    loop {
        let want = usize::try_from(length - offset).unwrap_or(BLOCK).min(BLOCK);
        let count = file.read_at(offset, block.get_mut(..want).unwrap_or_default())?;
        reader.push(block.get(..count).unwrap_or_default());
        offset += count as u64;
        let is_last = count == 0 || offset >= length;
        if is_last {
            reader.finish();
        }
        drain(&mut reader)?;
        if is_last {
            return Ok(());
        }
    }
}
