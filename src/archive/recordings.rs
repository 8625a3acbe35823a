//! Where recordings lie: `recordings/YYYY/MM/DD/<id>.wav` and, beside it, the sidecar `<id>.json`.
//!
//! A sidecar stands under its name only when all files that it lists do, whole: that is what makes it the truth
//! about a recording, and the catalog a copy of it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use siprec_core::render::{FileBefore, FileSheet, Sidecar};
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use super::catalog::{BadSidecar, Catalog, CatalogError, Record};
use super::disk::{Disk, read_range};
use super::notes::{NOTES, Notes};
use super::proof_key::SIGNATURE;
use super::receipt::Receipt;

/// The recordings' folder in the data directory.
pub const FOLDER: &str = "recordings";

/// What a recording's id is followed by in the name of its wrapped data key.
pub const KEY: &str = ".key";

/// A larger sidecar is not read: 64 MiB is a call of days with thousands of gaps and metadata updates.
pub(super) const MAX_SIDECAR: u64 = 64 << 20;

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

/// Octets of hexadecimal digits; none where they are something else.
pub fn octets(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks(2).map(|pair| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?)).collect()
}

/// Where the sheet of a recording lies whose files are in `folder`.
pub fn sheet(folder: &Path, recording: RecordingId) -> PathBuf {
    folder.join(format!("{recording}.json"))
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

/// The sidecar at `path`, if there is one and all its files are whole beside it, or were released because a storage target
/// has them.
pub fn whole(disk: &dyn Disk, path: &Path) -> Result<Sidecar, SidecarError> {
    let (_, sidecar) = read_sidecar(disk, path)?;
    let receipt = Receipt::read(disk, path).map_err(|source| SidecarError::Io { path: path.to_owned(), source })?;
    for file in stored_files(&sidecar) {
        let found = disk.beneath().open_read(&path.with_file_name(file.name)).and_then(|found| found.length());
        let is_there = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => receipt.as_ref().is_some_and(|r| r.has(file)),
            found => found.ok() == Some(file.bytes),
        };
        if !is_there {
            return Err(SidecarError::FileMissing { path: path.to_owned(), file: file.name.to_owned() });
        }
    }
    Ok(sidecar)
}

/// A file of a recording as it lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFile<'s> {
    /// Its name beside the sidecar.
    pub name: &'s str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'s str,
}

/// The files that a sheet vouches for, as they lie on the disk: sealed ones as they are sealed. The sheet itself and what
/// lies beside it ([`companions`]) are not among them.
pub fn stored_files(sidecar: &Sidecar) -> impl Iterator<Item = StoredFile<'_>> {
    sidecar.files.iter().map(stored_file)
}

/// One of them.
pub fn stored_file(file: &FileSheet) -> StoredFile<'_> {
    match &file.sealed {
        Some(sealed) => StoredFile { name: &sealed.name, bytes: sealed.bytes, sha256: &sealed.sha256 },
        None => StoredFile { name: &file.name, bytes: file.bytes, sha256: &file.sha256 },
    }
}

/// The name under which a file of before a recompression lay on the disk.
pub fn name_before(file: &FileBefore) -> String {
    file.sealed.as_ref().map_or(&file.name, |sealed| &sealed.name).clone()
}

/// The small files of a recording, which no sheet gives a digest of, in the order in which a copy is to get them: the key of
/// sealed files, which may be wrapped anew at any time, the signature and the notes, which need not be there, and last the
/// sheet.
pub fn companions(sidecar: &Sidecar) -> Vec<String> {
    let key = sidecar.files.iter().any(|file| file.sealed.is_some()).then(|| format!("{}{KEY}", sidecar.id));
    let sheet = format!("{}.json", sidecar.id);
    key.into_iter().chain([format!("{sheet}{SIGNATURE}"), format!("{sheet}{NOTES}"), sheet]).collect()
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

/// Makes the catalog anew from the sidecars below `data`; `read` is told of each.
pub fn rebuild(
    disk: &dyn Disk,
    data: &Path,
    catalog: &Catalog,
    read: &mut dyn FnMut(),
) -> Result<Rebuilt, CatalogError> {
    let mut rebuilt = Rebuilt::default();
    // Looked for only when the catalog asks for the first: what it has forgotten by then is on the disk by then.
    let sidecars = std::iter::once(()).flat_map(|()| Sidecars::of(disk, data));
    let records = sidecars.filter_map(|(path, day)| {
        read();
        match record(disk, &path, &day) {
            Ok(record) => Some(record),
            Err(error) => {
                rebuilt.left_out += 1;
                if rebuilt.damaged.len() < MAX_NAMED {
                    rebuilt.damaged.push(error.to_string());
                }
                None
            }
        }
    });
    let recordings = catalog.rebuild(records)?;
    rebuilt.recordings = recordings;
    Ok(rebuilt)
}

/// Has the catalog tell what lies at `sheet`, in the day folder `day`.
///
/// # Errors
/// A sheet that says nothing, or the catalog's.
pub fn renew(disk: &dyn Disk, catalog: &Catalog, sheet: &Path, day: &str) -> Result<(), RenewError> {
    Ok(catalog.put(&record(disk, sheet, day)?)?)
}

/// Why a row was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The sheet's fault.
    #[error(transparent)]
    Sheet(#[from] SidecarError),
    /// The catalog's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The catalog of `data`, for the one who writes. One that is empty beside sidecars (it was lost, or moved away) is
/// rebuilt from them.
pub fn open_catalog(disk: &dyn Disk, data: &Path) -> Result<(Catalog, Option<Rebuilt>), CatalogError> {
    let catalog = Catalog::open(data)?;
    let rebuilt = refill(disk, data, &catalog)?;
    Ok((catalog, rebuilt))
}

/// Puts all that lies below `data` into a catalog that knows nothing of it yet. None: there was nothing to do.
pub fn refill(disk: &dyn Disk, data: &Path, catalog: &Catalog) -> Result<Option<Rebuilt>, CatalogError> {
    if !catalog.is_new()? {
        return Ok(None);
    }
    let rebuilt = rebuild(disk, data, catalog, &mut || {})?;
    Ok((rebuilt.recordings + rebuilt.left_out > 0).then_some(rebuilt))
}

/// What the catalog keeps of the recording whose sheet lies at `path`, in the day folder `day`.
pub(super) fn record(disk: &dyn Disk, path: &Path, day: &str) -> Result<Record, SidecarError> {
    let sidecar = whole(disk, path)?;
    let notes = Notes::begun(disk, path, &sidecar).unwrap_or_else(|_| Notes::or_held(disk, path, sidecar.id));
    let record = Record::of(&sidecar, day).map_err(|source| SidecarError::Content { path: path.to_owned(), source })?;
    Ok(record.noted(&notes))
}

/// All sidecars, oldest day first: path, and day folder as [`day_folder`] writes it. Holds one day's names at a time.
#[derive(Debug)]
pub struct Sidecars<'d> {
    disk: &'d dyn Disk,
    data: PathBuf,
    /// Days still to come, the next one last.
    days: Vec<String>,
    /// Sidecars of the day still to come, the next one last.
    names: Vec<String>,
    day: String,
}

impl<'d> Sidecars<'d> {
    /// Those below `data`.
    pub fn of(disk: &'d dyn Disk, data: &Path) -> Self {
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
