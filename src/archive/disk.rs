//! The disk as the archive uses it: few operations, each of which can fail, so that a test can fail each of them.
//!
//! What is to survive the machine is written, then `sync_data`, then its name by `sync_dir` of its folder; nothing less
//! is promised by POSIX. [`RealDisk`] is the machine's; `FakeDisk` (tests, feature `simulation`) forgets.

#[cfg(any(test, feature = "simulation"))]
mod fake;
#[cfg(test)]
pub(in crate::archive) use fake::seeds;
#[cfg(any(test, feature = "simulation"))]
pub use fake::{FakeDisk, Loss};

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file system. All paths are absolute or relative to the process, as with `std::fs`.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a file that is not there yet, to be written and read.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to be written on and read.
    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to be read.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Moves a file or a folder, over a file that is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder whose parent is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable, new and removed ones.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// What a folder holds, by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;
    /// Whether a file or folder is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Bytes that may still be written below `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;
    /// The same disk with all files as they lie there: what is sealed is not opened.
    fn beneath(&self) -> &dyn Disk;
    /// Whether journals and recordings get names under which they are sealed.
    fn seals(&self) -> bool {
        false
    }

    /// Makes a folder and those above it, each made durable in its parent.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || self.exists(path)? {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        self.create_dir_all(parent)?;
        match self.create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir(parent),
        }
    }

    /// Replaces a file (or makes it) so that after any crash it is the old one or the new one, whole: `path` with
    /// `.tmp` behind it is written, made durable, and renamed.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        if self.exists(temporary)? {
            self.remove_file(temporary)?;
        }
        let file = self.create_new(temporary)?;
        file.write_at(0, content)?;
        file.sync_data()?;
        self.rename(temporary, path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("")))
    }
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`. After an error, any part of them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads what there is from `offset` on: less than asked for only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Makes the content durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or grows the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Its length.
    fn length(&self) -> io::Result<u64>;
    /// Waits until no other handle, of this process or another, has the file locked; then this one has, until it is dropped.
    /// Advice only: who does not ask is not held up.
    fn lock(&self) -> io::Result<()> {
        Ok(())
    }
    /// All of a file that is not a journal is written: from now on a reader notices what is cut off from it, where it is sealed.
    fn end(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file's bytes from `offset` on, at most `limit` of them.
pub fn read_range(file: &dyn DiskFile, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
    let available = file.length()?.saturating_sub(offset);
    let mut bytes = vec![0; limit.min(usize::try_from(available).unwrap_or(limit))];
    let read = file.read_at(offset, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name; one that is not UTF-8 is none of ours and is left out of lists.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_dir: bool,
}

/// Writes to a file from an offset on, for who wants [`io::Write`].
#[derive(Debug)]
pub struct Appender {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Appender {
    /// Goes on at the end of the file.
    pub fn at_end(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let offset = file.length()?;
        Ok(Self { file, offset })
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Where the next byte goes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl io::Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file from its beginning, for who wants [`io::Read`].
#[derive(Debug, Clone)]
pub struct Reading {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Reading {
    /// From its beginning.
    pub fn of(file: Arc<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }
}

impl io::Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.offset, into)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// The parent of a bare name is the current folder.
fn folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(folder(path))?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(folder(path))? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                listed.push(Listed { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        listed.sort();
        Ok(listed)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(folder(path))
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(folder(path))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn beneath(&self) -> &dyn Disk {
        self
    }
}

impl DiskFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + read as u64) {
                Ok(0) => break,
                Ok(length) => read += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn lock(&self) -> io::Result<()> {
        loop {
            match Self::lock(self) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}
