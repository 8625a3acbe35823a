//! Small JSON files of a version, such as those beside a sheet: read whole, and replaced whole.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, read_range};

/// What each of them says of itself.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

/// What the file at `path` says, if there is one; `newest` is the last version that is understood.
///
/// # Errors
/// The disk's; one that is damaged, larger than `max_bytes`, or of a later version is `InvalidData`.
pub(super) fn read<T: DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
    (newest, max_bytes): (u32, usize),
) -> io::Result<Option<T>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    let text = read_range(&*disk.open_read(path)?, 0, max_bytes)?;
    let damaged =
        |why: &dyn Display| io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {why}", path.display()));
    let Form { format } = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
    if format > newest {
        return Err(damaged(&format!("its format {format} is of a newer siprec")));
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| damaged(&error))
}

/// The text of such a file.
///
/// # Errors
/// What cannot be written as JSON.
pub(crate) fn text(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// A folder of the data directory with such files, each called by an id.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its name.
    pub(super) name: &'static str,
    /// The last version that is understood.
    pub(super) newest: u32,
    /// A larger file is none.
    pub(super) max_bytes: usize,
}

impl Folder {
    /// Where the file of `id` lies.
    pub(super) fn path(&self, data: &Path, id: impl Display) -> PathBuf {
        data.join(self.name).join(format!("{id}.json"))
    }

    /// What the file of `id` says, if there is one.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        disk: &dyn Disk,
        data: &Path,
        id: impl Display,
    ) -> io::Result<Option<T>> {
        read(disk, &self.path(data, id), (self.newest, self.max_bytes))
    }

    /// Puts the file of `id` on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn write(
        &self,
        disk: &dyn Disk,
        data: &Path,
        id: impl Display,
        value: &impl Serialize,
    ) -> io::Result<()> {
        disk.create_dir_all(&data.join(self.name))?;
        disk.replace(&self.path(data, id), &text(value)?)
    }

    /// Takes the file of `id` off the disk.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn remove(&self, disk: &dyn Disk, data: &Path, id: impl Display) -> io::Result<()> {
        disk.remove_file(&self.path(data, id))?;
        disk.sync_dir(&data.join(self.name))
    }

    /// The ids of which there is a file.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn ids<I: FromStr>(&self, disk: &dyn Disk, data: &Path) -> io::Result<Vec<I>> {
        let folder = data.join(self.name);
        if !disk.exists(&folder)? {
            return Ok(Vec::new());
        }
        let names = disk.list(&folder)?;
        Ok(names.iter().filter_map(|entry| entry.name.strip_suffix(".json")?.parse().ok()).collect())
    }
}
