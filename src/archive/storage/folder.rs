//! A folder as a target: another disk, or a share that is mounted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::store::blocking;
use super::{Checksum, ErrorKind, Found, Part, Removed, Step, Sums, Target, TargetError};
use crate::archive::disk::{Disk as _, RealDisk};

/// What an object is called until it is complete.
const PART: &str = ".part";

/// A folder. It must be there: a share that is not mounted is no empty folder to be filled.
#[derive(Debug)]
pub struct FolderTarget {
    root: PathBuf,
}

impl FolderTarget {
    /// The folder at `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Does `work` on the path of `key`, and of its unfinished form.
    fn step<'a, T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Step<'a, T> {
        let (root, path, part) = (self.root.clone(), self.path(key), self.path(&format!("{key}{PART}")));
        Box::pin(async move {
            let at = root.clone();
            let work = move || if root.is_dir() { work(&path, &part).map(Some) } else { Ok(None) };
            match blocking(work).await {
                Ok(Some(done)) => Ok(done),
                Ok(None) => Err(TargetError::new(ErrorKind::NoBucket, format!("there is no folder {}", at.display()))),
                Err(error) => Err(TargetError::new(kind(&error), format!("{}: {error}", at.display()))),
            }
        })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "there are as many kinds as systems have errors")]
fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::NotFound => ErrorKind::NoUpload,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        _ => ErrorKind::Unreachable,
    }
}

impl Target for FolderTarget {
    fn url(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }

    fn put<'a>(&'a self, key: &'a str, content: Bytes, _: Sums) -> Step<'a, Option<Checksum>> {
        self.step(key, move |path, part| {
            RealDisk.create_dir_all(path.parent().unwrap_or(path))?;
            let mut file = File::create(part)?;
            file.write_all(&content)?;
            finish(&file, part, path)?;
            Ok(None)
        })
    }

    fn begin<'a>(&'a self, key: &'a str, _: &'a str) -> Step<'a, String> {
        self.step(key, |path, part| {
            RealDisk.create_dir_all(path.parent().unwrap_or(path))?;
            File::create(part)?;
            Ok(PART.to_owned())
        })
    }

    fn part<'a>(&'a self, key: &'a str, _: &'a str, part: Part) -> Step<'a, String> {
        self.step(key, move |_, unfinished| {
            let file = OpenOptions::new().write(true).open(unfinished)?;
            file.write_all_at(&part.content, part.offset)?;
            file.sync_data()?;
            Ok(String::new())
        })
    }

    fn complete<'a>(&'a self, key: &'a str, _: &'a str, _: Vec<String>) -> Step<'a, ()> {
        self.step(key, |path, part| finish(&File::open(part)?, part, path))
    }

    fn abort<'a>(&'a self, key: &'a str, _: &'a str) -> Step<'a, ()> {
        self.step(key, |_, part| missing_is(fs::remove_file(part), ()))
    }

    fn unfinished<'a>(&'a self, key: &'a str) -> Step<'a, Vec<String>> {
        self.step(key, |_, part| Ok(if part.exists() { vec![PART.to_owned()] } else { Vec::new() }))
    }

    fn look<'a>(&'a self, key: &'a str) -> Step<'a, Option<Found>> {
        self.step(key, |path, _| {
            let found = fs::metadata(path).map(|found| Some(Found { bytes: found.len(), checksum: None }));
            missing_is(found, None)
        })
    }

    fn erase<'a>(&'a self, key: &'a str) -> Step<'a, Removed> {
        self.step(key, |path, part| {
            missing_is(fs::remove_file(part), ())?;
            let removed = missing_is(fs::remove_file(path).map(|()| 1), 0)?;
            if removed > 0 {
                File::open(path.parent().unwrap_or(path))?.sync_all()?;
            }
            Ok(Removed::whole(removed))
        })
    }

    fn read<'a>(&'a self, key: &'a str, offset: u64, length: u64) -> Step<'a, Bytes> {
        self.step(key, move |path, _| {
            let file = File::open(path)?;
            let there = file.metadata()?.len().saturating_sub(offset).min(length);
            let mut octets = vec![0; usize::try_from(there).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut octets, offset)?;
            Ok(octets.into())
        })
    }
}

/// The object under its name, on the disk.
fn finish(file: &File, part: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(part, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn missing_is<T>(result: io::Result<T>, otherwise: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(otherwise),
        result => result,
    }
}
