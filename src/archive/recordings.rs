//! Where recordings lie: `recordings/YYYY/MM/DD/<id>.wav` and, beside it, the sidecar `<id>.json`.
//!
//! A sidecar stands under its name only when all files that it lists do, whole: that is what makes it the truth
//! about a recording, and the catalog a copy of it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use siprec_core::render::Sidecar;
use siprec_core::time::Wall;

use super::catalog::{BadSidecar, Catalog, CatalogError, Record};
use super::disk::{Disk, read_range};

/// The recordings' folder in the data directory.
pub const FOLDER: &str = "recordings";

/// A larger sidecar is not read: 64 MiB is a call of days with thousands of gaps and metadata updates.
const MAX_SIDECAR: u64 = 64 << 20;

/// So many damaged sidecars are named when a catalog is rebuilt; the rest are counted.
const MAX_NAMED: usize = 100;

/// The recordings' folder in the data directory `data`.
pub fn folder(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// The folder of a recording that started at `at`, from the data directory on, with `/`.
pub fn day_folder(at: Wall) -> String {
    let (year, month, day) = at.date();
    format!("{FOLDER}/{year:04}/{month:02}/{day:02}")
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Why a sidecar says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// The disk's fault.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The sidecar.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not JSON, or not a sidecar's.
    #[error("{} is damaged: {source}", .path.display())]
    Json {
        /// The sidecar.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Larger than any sidecar.
    #[error("{} is no sidecar: it has {bytes} bytes", .path.display())]
    TooLarge {
        /// The sidecar.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A time in it is none.
    #[error("{} is damaged: {source}", .path.display())]
    Content {
        /// The sidecar.
        path: PathBuf,
        /// What is wrong.
        source: BadSidecar,
    },
    /// It lists a file that is not there, or not as long as it should be.
    #[error("{} has no whole {file} beside it", .path.display())]
    FileMissing {
        /// The sidecar.
        path: PathBuf,
        /// The file.
        file: String,
    },
}

/// Reads a sidecar: its bytes, and what they say.
pub fn read_sidecar(disk: &dyn Disk, path: &Path) -> Result<(Vec<u8>, Sidecar), SidecarError> {
    let io = |source| SidecarError::Io { path: path.to_owned(), source };
    let file = disk.open_read(path).map_err(io)?;
    let bytes = file.length().map_err(io)?;
    if bytes > MAX_SIDECAR {
        return Err(SidecarError::TooLarge { path: path.to_owned(), bytes });
    }
    let text = read_range(&*file, 0, usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(io)?;
    let sidecar =
        serde_json::from_slice(&text).map_err(|source| SidecarError::Json { path: path.to_owned(), source })?;
    Ok((text, sidecar))
}

/// The sidecar at `path`, if there is one and all its files are whole beside it.
pub fn whole(disk: &dyn Disk, path: &Path) -> Result<Sidecar, SidecarError> {
    let (_, sidecar) = read_sidecar(disk, path)?;
    for file in &sidecar.files {
        let found = disk.open_read(&path.with_file_name(&file.name)).and_then(|found| found.length());
        if found.ok() != Some(file.bytes) {
            return Err(SidecarError::FileMissing { path: path.to_owned(), file: file.name.clone() });
        }
    }
    Ok(sidecar)
}

/// What a rebuilt catalog holds, and what could not be put in.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// Recordings in the catalog.
    pub recordings: u64,
    /// Sidecars left out, the first hundred in words.
    pub damaged: Vec<String>,
    /// Sidecars left out.
    pub left_out: u64,
}

/// Makes the catalog anew from the sidecars below `data`.
pub fn rebuild(disk: &dyn Disk, data: &Path, catalog: &Catalog) -> Result<Rebuilt, CatalogError> {
    let mut rebuilt = Rebuilt::default();
    let records = Sidecars::of(disk, data).filter_map(|(path, day)| match record(disk, &path, &day) {
        Ok(record) => Some(record),
        Err(error) => {
            rebuilt.left_out += 1;
            if rebuilt.damaged.len() < MAX_NAMED {
                rebuilt.damaged.push(error.to_string());
            }
            None
        }
    });
    let recordings = catalog.rebuild(records)?;
    rebuilt.recordings = recordings;
    Ok(rebuilt)
}

/// The catalog of `data`, for the one who writes. One that is empty beside sidecars (it was lost, or moved away) is
/// rebuilt from them.
pub fn open_catalog(disk: &dyn Disk, data: &Path) -> Result<(Catalog, Option<Rebuilt>), CatalogError> {
    let catalog = Catalog::open(data)?;
    let is_lost = catalog.count()? == 0 && Sidecars::of(disk, data).next().is_some();
    let rebuilt = if is_lost { Some(rebuild(disk, data, &catalog)?) } else { None };
    Ok((catalog, rebuilt))
}

fn record(disk: &dyn Disk, path: &Path, day: &str) -> Result<Record, SidecarError> {
    let sidecar = whole(disk, path)?;
    Record::of(&sidecar, day).map_err(|source| SidecarError::Content { path: path.to_owned(), source })
}

/// All sidecars, oldest day first: path, and day folder as [`day_folder`] writes it. Holds one day's names at a time.
struct Sidecars<'d> {
    disk: &'d dyn Disk,
    data: PathBuf,
    /// Days still to come, the next one last.
    days: Vec<String>,
    /// Sidecars of the day still to come, the next one last.
    names: Vec<String>,
    day: String,
}

impl<'d> Sidecars<'d> {
    fn of(disk: &'d dyn Disk, data: &Path) -> Self {
        let mut days = vec![FOLDER.to_owned()];
        for digits in [4, 2, 2] {
            let below = |folder: &String| {
                let names = names(disk, &data.join(folder));
                let folder = folder.clone();
                names
                    .into_iter()
                    .filter(move |name| name.len() == digits && name.bytes().all(|b| b.is_ascii_digit()))
                    .map(move |name| format!("{folder}/{name}"))
            };
            days = days.iter().flat_map(below).collect();
        }
        days.reverse();
        Self { disk, data: data.to_owned(), days, names: Vec::new(), day: String::new() }
    }
}

impl Iterator for Sidecars<'_> {
    type Item = (PathBuf, String);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(name) = self.names.pop() {
                return Some((self.data.join(&self.day).join(name), self.day.clone()));
            }
            self.day = self.days.pop()?;
            let names = names(self.disk, &self.data.join(&self.day));
            self.names = names.into_iter().rev().filter(|name| name.ends_with(".json")).collect();
        }
    }
}

/// Names in a folder, sorted; none of a folder that cannot be read, or is not there.
fn names(disk: &dyn Disk, folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = disk.list(folder).unwrap_or_default().into_iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names
}
