//! Receipts: `<id>.json.stored`, beside a recording's sheet, says which targets have it. It outlives the audio here: with it,
//! audio that was released is known to be elsewhere, and where.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use siprec_core::seed::RecordingId;

use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::json_file;
use crate::archive::recordings::StoredFile;
use crate::archive::storage::Verified;

/// What follows the name of a sheet in the name of its receipt.
const EXTENSION: &str = "stored";
/// Version of the receipt's format.
const FORMAT: u32 = 1;
/// A larger one is none.
const MAX_BYTES: usize = 1 << 20;

/// Which targets have a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of this form.
    pub format: u32,
    /// The recording.
    pub recording: RecordingId,
    /// The targets that have all of it.
    pub targets: Vec<Delivery>,
}

/// A target that has a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name in the configuration.
    pub target: String,
    /// When the last file was verified there; RFC 3339.
    pub stored_at: String,
    /// All files: audio, and what lies beside it, the sheet last.
    pub files: Vec<Delivered>,
    /// Keys under which it still has what it had of the recording before, which is to be erased there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<String>,
}

/// A file that a target has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Its name beside the sheet.
    pub name: String,
    /// Its key in the target.
    pub key: String,
    /// Where that is, as people write it.
    pub url: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// How it was checked.
    pub verified: Verified,
}

impl Receipt {
    /// One of a recording that nobody has yet.
    pub fn new(recording: RecordingId) -> Self {
        Self { format: FORMAT, recording, targets: Vec::new() }
    }

    /// The receipt beside the sheet at `sheet`, if there is one.
    ///
    /// # Errors
    /// The disk's; one that is no receipt is `InvalidData`.
    pub fn read(disk: &dyn Disk, sheet: &Path) -> io::Result<Option<Self>> {
        json_file::read(disk, &path(sheet), (FORMAT, MAX_BYTES))
    }

    /// Puts it beside the sheet, whole, in place of the one before.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, sheet: &Path) -> io::Result<()> {
        disk.replace(&path(sheet), &json_file::text(self)?)
    }

    /// Changes the receipt of the sheet at `sheet`, or the empty one of a recording that has none, whole. Who changes it in
    /// another process at the same time waits for his turn.
    ///
    /// # Errors
    /// As [`Receipt::read`] and [`Receipt::write`].
    pub fn change(
        disk: &dyn Disk,
        sheet: &Path,
        recording: RecordingId,
        change: impl FnOnce(&mut Self),
    ) -> io::Result<()> {
        let _turn = turn(disk, sheet)?;
        let mut receipt = Self::read(disk, sheet)?.unwrap_or_else(|| Self::new(recording));
        change(&mut receipt);
        receipt.write(disk, sheet)
    }

    /// Takes in that a target has it, in place of what was known of that target. Objects that it had, and that are none of those
    /// any more, are remembered until they are erased.
    pub fn deliver(&mut self, mut delivery: Delivery) {
        for known in self.targets.extract_if(.., |known| known.target == delivery.target) {
            delivery.superseded.extend(known.superseded);
            delivery.superseded.extend(known.files.into_iter().map(|file| file.key));
        }
        delivery.superseded.retain(|key| delivery.files.iter().all(|file| file.key != *key));
        delivery.superseded.sort_unstable();
        delivery.superseded.dedup();
        self.targets.push(delivery);
    }

    /// Takes in that a target has nothing more of what it had before under these keys.
    pub fn forget(&mut self, target: &str, keys: &[String]) {
        for delivery in self.targets.iter_mut().filter(|delivery| delivery.target == target) {
            delivery.superseded.retain(|key| !keys.contains(key));
        }
    }

    /// Takes in that a target does not have these files as they were stored there.
    pub fn lacks(&mut self, target: &str, names: &[String]) {
        for delivery in self.targets.iter_mut().filter(|delivery| delivery.target == target) {
            delivery.files.retain(|file| !names.contains(&file.name));
        }
    }

    /// What `target` has of it.
    pub fn by(&self, target: &str) -> Option<&Delivery> {
        self.targets.iter().find(|delivery| delivery.target == target)
    }

    /// Whether a target has the very file that a sheet tells of.
    pub fn has(&self, file: StoredFile<'_>) -> bool {
        self.targets.iter().any(|delivery| delivery.has(file))
    }
}

impl Delivery {
    /// Whether the very file that a sheet tells of is there.
    pub fn has(&self, file: StoredFile<'_>) -> bool {
        self.find(file).is_some()
    }

    /// The very file that a sheet tells of, as it is there.
    pub fn find(&self, file: StoredFile<'_>) -> Option<&Delivered> {
        let same = |known: &Delivered| known.bytes == file.bytes && known.sha256.eq_ignore_ascii_case(file.sha256);
        self.files.iter().find(|known| known.name == file.name && same(known))
    }
}

/// Whose turn it is to change what lies beside the sheet at `sheet`, or the sheet: it is locked until this is dropped.
///
/// # Errors
/// The disk's.
pub(super) fn turn(disk: &dyn Disk, sheet: &Path) -> io::Result<Arc<dyn DiskFile>> {
    let text = |file: &dyn DiskFile| read_range(file, 0, usize::MAX);
    loop {
        let turn = disk.open_read(sheet)?;
        turn.lock()?;
        // Where it was replaced while we waited, those who come now lock another file.
        if text(&*turn)? == text(&*disk.open_read(sheet)?)? {
            return Ok(turn);
        }
    }
}

/// Where the receipt of a sheet lies.
fn path(sheet: &Path) -> PathBuf {
    sheet.with_added_extension(EXTENSION)
}
