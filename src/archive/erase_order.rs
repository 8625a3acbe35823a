//! Orders to erase: `erasing/<id>.json` in the data directory stands as long as anything of a recording is left.
//!
//! It holds all that is needed to find the rest, so that the sheet can go first. It goes last, when the certificate is written.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use siprec_core::render::Sidecar;
use siprec_core::seed::{RecordingId, SessionId};

use super::disk::Disk;
use super::json_file::Folder;
use super::receipt::Receipt;
use super::recordings::{companions, name_before, stored_files};
use super::storage::KeyTemplate;

/// The folder of orders in the data directory.
pub const FOLDER: &str = "erasing";
/// Version of the file's format.
const FORMAT: u32 = 1;
/// A larger one is none: a conference of hundreds has less.
const MAX_BYTES: usize = 16 << 20;
const ORDERS: Folder = Folder { name: FOLDER, newest: FORMAT, max_bytes: MAX_BYTES };

/// Who wants a recording erased, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Who ordered it.
    pub by: String,
    /// Why, in words that name nobody: they stand in the certificate.
    pub reason: String,
    /// When; RFC 3339.
    pub ordered_at: String,
}

/// A file that is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedFile {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal, as it lay on the disk.
    pub sha256: String,
}

/// What a target may have of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The target's name.
    pub target: String,
    /// The keys of its objects there.
    pub keys: Vec<String>,
}

/// A recording that is being erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseOrder {
    /// Of this form.
    pub format: u32,
    /// The recording.
    pub recording: RecordingId,
    /// Its recording session, whose journal has its packets.
    pub session: Option<SessionId>,
    /// The folder of its files, from the data directory on, with `/`.
    pub day: String,
    /// When it began; RFC 3339.
    pub started_at: String,
    /// When it ended; RFC 3339.
    pub ended_at: String,
    /// Who wants it gone.
    pub cause: Cause,
    /// Its audio.
    pub files: Vec<ErasedFile>,
    /// Whether that was sealed, so that without its key nothing of it can be read.
    pub is_sealed: bool,
    /// What targets may have.
    pub targets: Vec<Keys>,
    /// Ports on which it was received: its packets in the journal.
    pub ports: Vec<u16>,
    /// What became of them, once that is done: `removed`, `taken_out`, `not_there`.
    #[serde(default)]
    pub journal: Option<String>,
    /// Recordings that are still in the same journal then.
    #[serde(default)]
    pub neighbours: Vec<RecordingId>,
}

impl EraseOrder {
    /// The order to erase the recording of `sidecar`, which lies in `day`, here and in all targets: those of its receipt, and
    /// those that are set up, which may have something of it that no receipt tells of yet.
    pub fn of(
        sidecar: &Sidecar,
        day: &str,
        receipt: Option<&Receipt>,
        set_up: &[(&str, &KeyTemplate)],
        cause: Cause,
    ) -> Self {
        let files: Vec<_> = stored_files(sidecar).collect();
        // Those of before it was recompressed may be there still.
        let before: Vec<String> = sidecar.recompressed.iter().flat_map(|known| &known.files).map(name_before).collect();
        let names = || {
            let now = files.iter().map(|file| file.name.to_owned()).chain(companions(sidecar));
            now.chain(before.iter().cloned())
        };
        let mut targets: Vec<Keys> = set_up
            .iter()
            .map(|(name, key)| Keys {
                target: (*name).to_owned(),
                keys: names().map(|file| key.key(sidecar, &file)).collect(),
            })
            .collect();
        for delivery in receipt.iter().flat_map(|receipt| &receipt.targets) {
            let keys = delivery.files.iter().map(|file| file.key.clone()).chain(delivery.superseded.iter().cloned());
            match targets.iter_mut().find(|known| known.target == delivery.target) {
                Some(known) => known.keys.extend(keys),
                None => targets.push(Keys { target: delivery.target.clone(), keys: keys.collect() }),
            }
        }
        for known in &mut targets {
            known.keys.sort_unstable();
            known.keys.dedup();
        }
        let erased =
            |file: &super::recordings::StoredFile<'_>| ErasedFile { bytes: file.bytes, sha256: file.sha256.to_owned() };
        Self {
            format: FORMAT,
            recording: sidecar.id,
            session: sidecar.recording_session.id,
            day: day.to_owned(),
            started_at: sidecar.started_at.clone(),
            ended_at: sidecar.ended_at.clone(),
            cause,
            files: files.iter().map(erased).collect(),
            is_sealed: sidecar.files.iter().any(|file| file.sealed.is_some()),
            targets,
            ports: sidecar.streams.iter().map(|stream| stream.port).collect(),
            journal: None,
            neighbours: Vec::new(),
        }
    }

    /// The order to erase `recording`, if there is one.
    ///
    /// # Errors
    /// The disk's; what is no order is `InvalidData`.
    pub fn read(disk: &dyn Disk, data: &Path, recording: RecordingId) -> io::Result<Option<Self>> {
        ORDERS.read(disk, data, recording)
    }

    /// Puts it on the disk: from now on the recording is being erased, whatever happens.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        ORDERS.write(disk, data, self.recording, self)
    }

    /// Takes it off the disk: it is carried out.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        ORDERS.remove(disk, data, self.recording)
    }

    /// The keys that `target` may have.
    pub fn keys_in(&self, target: &str) -> &[String] {
        self.targets.iter().find(|known| known.target == target).map_or(&[], |known| &known.keys)
    }
}

/// Whether `recording` is being erased: nothing is to be made of its journal any more.
///
/// # Errors
/// The disk's.
pub fn is_ordered(disk: &dyn Disk, data: &Path, recording: RecordingId) -> io::Result<bool> {
    disk.exists(&ORDERS.path(data, recording))
}

/// The recordings that are being erased.
///
/// # Errors
/// The disk's.
pub fn ordered(disk: &dyn Disk, data: &Path) -> io::Result<Vec<RecordingId>> {
    ORDERS.ids(disk, data)
}
