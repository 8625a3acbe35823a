//! Journals that were put away, looked at as a whole: are their blocks and checksums right.

use std::io;
use std::path::{Path, PathBuf};

use siprec_core::journal::{Damage, Reader};
use siprec_core::seed::SessionId;

use super::{FOLDER, is_segment};
use crate::archive::disk::Disk;

/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;

/// What a journal was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspected {
    /// Files.
    pub segments: u64,
    /// What is wrong with them. A torn end is a crash's, and no fault.
    pub damage: Damage,
}

/// Reads all segments in the folder of a journal, each block with its checksum.
///
/// # Errors
/// The disk's; a sealed segment that cannot be opened.
pub fn inspect(disk: &dyn Disk, folder: &Path) -> io::Result<Inspected> {
    let mut inspected = Inspected::default();
    for entry in disk.list(folder)?.iter().filter(|entry| !entry.is_dir && is_segment(&entry.name)) {
        let path = folder.join(&entry.name);
        let damage =
            segment(disk, &path).map_err(|why| io::Error::new(why.kind(), format!("{}: {why}", entry.name)))?;
        inspected = Inspected { segments: inspected.segments + 1, damage: inspected.damage.and(damage) };
    }
    Ok(inspected)
}

fn segment(disk: &dyn Disk, path: &Path) -> io::Result<Damage> {
    let file = disk.open_read(path)?;
    let (mut reader, mut block, mut offset) = (Reader::new(), vec![0; BLOCK], 0);
    loop {
        let count = file.read_at(offset, &mut block)?;
        reader.push(block.get(..count).unwrap_or_default());
        offset += count as u64;
        if count == 0 {
            reader.finish();
        }
        while reader.next().is_some() {}
        if count == 0 {
            return Ok(reader.damage());
        }
    }
}

/// The folders of journals that were put away, oldest day first: path, day as `YYYY/MM/DD`, session. Holds one day's names at
/// a time.
#[derive(Debug)]
pub struct PutAway<'d> {
    disk: &'d dyn Disk,
    folder: PathBuf,
    /// Days still to come, the next one last.
    days: Vec<String>,
    /// Sessions of the day still to come, the next one last.
    sessions: Vec<SessionId>,
    day: String,
}

impl<'d> PutAway<'d> {
    /// Those below `data`, of the day `since` (`YYYY/MM/DD`) or later.
    pub fn of(disk: &'d dyn Disk, data: &Path, since: Option<&str>) -> Self {
        let folder = data.join(FOLDER);
        let mut days = vec![String::new()];
        for digits in [4, 2, 2] {
            let below = |day: &String| {
                let names = folders(disk, &folder.join(day));
                let numbers = names.filter(|name| name.len() == digits && name.bytes().all(|b| b.is_ascii_digit()));
                let slash = if day.is_empty() { "" } else { "/" };
                numbers.map(|name| format!("{day}{slash}{name}")).collect::<Vec<_>>()
            };
            days = days.iter().flat_map(below).collect();
        }
        days.retain(|day| since.is_none_or(|since| day.as_str() >= since));
        days.sort_unstable_by(|a, b| b.cmp(a));
        Self { disk, folder, days, sessions: Vec::new(), day: String::new() }
    }
}

impl Iterator for PutAway<'_> {
    type Item = (PathBuf, String, SessionId);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(session) = self.sessions.pop() {
                return Some((self.folder.join(&self.day).join(session.to_string()), self.day.clone(), session));
            }
            self.day = self.days.pop()?;
            let names = folders(self.disk, &self.folder.join(&self.day));
            self.sessions = names.filter_map(|name| name.parse().ok()).collect();
            self.sessions.sort_unstable_by_key(|session: &SessionId| std::cmp::Reverse(session.0));
        }
    }
}

/// Names of folders in a folder; none of one that cannot be read, or is not there.
fn folders(disk: &dyn Disk, folder: &Path) -> impl Iterator<Item = String> + use<> {
    disk.list(folder).unwrap_or_default().into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name)
}
