//! The data directory's lock: one process writes at a time.
//!
//! The kernel holds it (`flock`) and lets go when the process ends, however it ends; the pid in the file is only
//! for the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile};

/// The lock's file in the data directory.
pub const FILE: &str = "lock";

/// What a pid takes at most; whatever else stands in the file is not ours.
const MAX_PID_TEXT: u64 = 20;

/// Why the directory is not ours to write in.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("data directory {} is in use by another siprec{}", .data.display(), pid_text(.pid.as_deref()))]
    Held {
        /// The directory.
        data: PathBuf,
        /// The process that holds it, if it could be read.
        pid: Option<String>,
    },
    /// It cannot be made or opened.
    #[error("cannot lock data directory {}", .data.display())]
    Io {
        /// The directory.
        data: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The lock, for as long as this lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock of `data`, making the directory if it is not there. Never waits.
    pub fn take(data: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { data: data.to_owned(), source };
        std::fs::create_dir_all(data).map_err(io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(data.join(FILE)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { data: data.to_owned(), pid: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The process that holds the lock of `data`, as the kernel lists it; none where nobody does, or where it cannot be told. Nothing is
/// locked for it: a server that starts this moment must not meet somebody who only asks.
pub fn holder(data: &Path) -> Option<u32> {
    let mut file = File::open(data.join(FILE)).ok()?;
    let inode = file.metadata().ok()?.ino();
    let pid = read_pid(&mut file)?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().any(|line| is_lock(line, &pid, inode)).then(|| pid.parse().ok()).flatten()
}

/// `1: FLOCK  ADVISORY  WRITE 707 fe:00:1234 0 EOF`: of that process, on that file.
fn is_lock(line: &str, pid: &str, inode: u64) -> bool {
    let mut words = line.split_whitespace().skip(1);
    let is_flock = words.next() == Some("FLOCK");
    let holds = words.nth(2) == Some(pid);
    let file = words.next().and_then(|file| file.rsplit(':').next()?.parse::<u64>().ok());
    is_flock && holds && file == Some(inode)
}

/// Its file in the data directory.
const CHANGES: &str = "changes.lock";

/// Its file in the data directory.
const RECOMPRESSIONS: &str = "recompress.lock";

/// Whose turn it is to hold, release, tag or erase: servers and command lines take them one at a time. Waits.
///
/// # Errors
/// It cannot be made or opened.
pub fn change_lock(data: &Path) -> Result<File, LockError> {
    wait_for(data, CHANGES)
}

/// The same turn, on a disk that may be another than the machine's.
///
/// # Errors
/// The disk's.
pub fn change_turn(disk: &dyn Disk, data: &Path) -> io::Result<Arc<dyn DiskFile>> {
    let path = data.join(CHANGES);
    if !disk.exists(&path)? {
        match disk.create_new(&path) {
            // Another one was faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    let turn = disk.open_read(&path)?;
    turn.lock()?;
    Ok(turn)
}

/// Whose turn it is to recompress a recording: one at a time, whoever asked for it. Waits. It is taken before that of changes.
///
/// # Errors
/// As [`change_lock`].
pub fn recompress_lock(data: &Path) -> Result<File, LockError> {
    wait_for(data, RECOMPRESSIONS)
}

fn wait_for(data: &Path, name: &str) -> Result<File, LockError> {
    let io = |source| LockError::Io { data: data.to_owned(), source };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(data.join(name)).map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(MAX_PID_TEXT).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())).then(|| pid.to_owned())
}

fn pid_text(pid: Option<&str>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_holds_it_and_gets_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let first = DirectoryLock::take(&data).unwrap();
        let error = DirectoryLock::take(&data).unwrap_err().to_string();
        assert!(error.ends_with(&format!("in use by another siprec (pid {})", std::process::id())), "{error}");
        drop(first);
        drop(DirectoryLock::take(&data).unwrap());
    }

    #[test]
    fn a_holder_is_told_by_the_kernels_list() {
        let line = "3: FLOCK  ADVISORY  WRITE 707 fe:00:1234 0 EOF";
        assert!(is_lock(line, "707", 1234));
        assert!(!is_lock(line, "70", 1234) && !is_lock(line, "707", 123));
        assert!(!is_lock("3: POSIX  ADVISORY  WRITE 707 fe:00:1234 0 EOF", "707", 1234) && !is_lock("", "707", 1234));
    }

    #[test]
    fn what_stands_in_the_file_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DirectoryLock::take(folder.path()).unwrap();
        std::fs::write(folder.path().join(FILE), "\x1b[31mnonsense").unwrap();
        let error = DirectoryLock::take(folder.path()).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: None, .. }), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = DirectoryLock::take(&path).unwrap_err().to_string();
        assert!(error.starts_with("cannot lock data directory"), "{error}");
    }
}
