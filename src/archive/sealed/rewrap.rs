//! Wrapping all keys anew after a change of the master key, and destroying one.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use siprec_core::sealed::{KEY_FILE, wrapped_by};
use siprec_core::seed::RecordingId;

use super::keys::MasterKeys;
use super::master::FILE;
use crate::archive::disk::{Disk, read_range};
use crate::archive::recordings::{self, KEY};

/// Folders with keys in the data directory.
const FOLDERS: [&str; 2] = [recordings::FOLDER, "journals"];
/// Folders below each other at most: `journals/YYYY/MM/DD/<session>`.
const DEPTH: usize = 5;
/// While a server runs, journals move: so often all is looked at again.
const ROUNDS: usize = 5;
/// So many that failed are named.
const MAX_NAMED: usize = 100;

/// What [`rewrap`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewrapped {
    /// Keys that the current master key wraps now.
    pub wrapped: u64,
    /// Keys that it had wrapped already.
    pub current: u64,
    /// Keys that are still as they were, and why; the first hundred in words.
    pub failed: Vec<String>,
    /// All of those.
    pub failures: u64,
}

/// Wraps all keys below `data` by the current master key. No audio is touched; a crash leaves each key as it was or as it
/// is to be, and doing it again does the rest. `seal.key` comes last.
///
/// # Errors
/// A folder that cannot be read.
pub fn rewrap(disk: &dyn Disk, data: &Path, masters: &MasterKeys) -> io::Result<Rewrapped> {
    let mut done = Rewrapped::default();
    for _ in 0..ROUNDS {
        let before = done.wrapped;
        done = Rewrapped { wrapped: before, ..Rewrapped::default() };
        for folder in FOLDERS {
            below(disk, &data.join(folder), masters, DEPTH, &mut done)?;
        }
        if done.wrapped == before {
            break;
        }
    }
    // What the rounds before have wrapped was counted again in the last.
    done.current = done.current.saturating_sub(done.wrapped);
    if done.failures == 0 && disk.exists(&data.join(FILE))? {
        done.wrap(disk, data.join(FILE), masters);
    }
    Ok(done)
}

fn below(disk: &dyn Disk, folder: &Path, masters: &MasterKeys, depth: usize, done: &mut Rewrapped) -> io::Result<()> {
    let listed = match disk.list(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if !disk.exists(folder)? => {
            tracing::debug!(%error, folder = %folder.display(), "a folder was moved");
            return Ok(());
        }
        listed => listed?,
    };
    for entry in listed {
        let path = folder.join(&entry.name);
        if entry.is_dir && depth > 0 {
            below(disk, &path, masters, depth - 1, done)?;
        } else if entry.name.ends_with(KEY) {
            done.wrap(disk, path, masters);
        }
    }
    Ok(())
}

impl Rewrapped {
    fn wrap(&mut self, disk: &dyn Disk, path: PathBuf, masters: &MasterKeys) {
        match wrap_one(disk, &path, masters) {
            Ok(true) => self.wrapped += 1,
            Ok(false) => self.current += 1,
            // Moved or removed meanwhile: the next round finds it where it is.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                self.failures += 1;
                if self.failed.len() < MAX_NAMED {
                    self.failed.push(error.to_string());
                }
            }
        }
    }
}

/// Whether anything had to be done.
fn wrap_one(disk: &dyn Disk, path: &Path, masters: &MasterKeys) -> io::Result<bool> {
    let octets = read_range(&*disk.open_read(path)?, 0, KEY_FILE + 1)?;
    if masters.current().is_some_and(|current| wrapped_by(&octets) == Some(current.id())) {
        return Ok(false);
    }
    let key = masters.read(disk, path)?;
    disk.replace(path, &masters.wrap(&key)?)?;
    Ok(true)
}

/// Destroys the key of a recording in its day's folder: what is sealed under it, and all copies of that, can never be
/// opened again. Copies of the key itself, in backups and at storage targets, have to go by themselves. Whether there was one.
///
/// # Errors
/// The disk's; to be done again.
pub fn shred(disk: &dyn Disk, folder: &Path, recording: RecordingId) -> io::Result<bool> {
    let name = format!("{recording}{KEY}");
    let mut was_there = false;
    // The second is what a crash in the middle of wrapping it anew has left.
    for path in [folder.join(&name), folder.join(format!("{name}.tmp"))] {
        if disk.exists(&path)? {
            destroy(disk, &path)?;
            was_there = true;
        }
    }
    disk.sync_dir(folder)?;
    Ok(was_there)
}

/// Overwrites a key file where it lies, and removes it.
///
/// # Errors
/// The disk's; to be done again.
pub fn destroy(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk.open_append(path)?;
    let length = usize::try_from(file.length()?).unwrap_or(KEY_FILE).max(KEY_FILE);
    file.write_at(0, &vec![0; length])?;
    file.sync_data()?;
    disk.remove_file(path)
}
