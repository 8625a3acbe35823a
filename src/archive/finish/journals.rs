//! The journals' folders as the finisher needs them: those in `live`, read from the start, and put away by day.

use std::io;
use std::path::{Path, PathBuf};

use siprec_core::entry::Entry;
use siprec_core::journal::{Merge, Reader};
use siprec_core::seed::SessionId;

use crate::archive::disk::Disk;
use crate::archive::journal::{LIVE, put_away_path};

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
        for entry in disk.list(&folder)?.iter().filter(|entry| !entry.is_dir && entry.name.ends_with(".pcapng")) {
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
        let mut block = vec![0; BLOCK];
        for (path, length) in &self.segments {
            let file = self.disk.open_read(path)?;
            let mut reader = Reader::new();
            let mut offset = 0;
            loop {
                let want = usize::try_from(length - offset).unwrap_or(BLOCK).min(BLOCK);
                let count = file.read_at(offset, block.get_mut(..want).unwrap_or_default())?;
                reader.push(block.get(..count).unwrap_or_default());
                offset += count as u64;
                if count == 0 || offset >= *length {
                    reader.finish();
                }
                while let Some(entry) = reader.next() {
                    merge.push(entry);
                    while let Some(entry) = merge.pop() {
                        take(&entry);
                    }
                }
                if count == 0 || offset >= *length {
                    break;
                }
            }
        }
        merge.finish();
        while let Some(entry) = merge.pop() {
            take(&entry);
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
