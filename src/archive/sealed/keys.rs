//! Master keys, and the key files that they have wrapped.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use siprec_core::sealed::{BadKey, DataKey, KEY, KEY_FILE, Kind, MasterId, MasterKey, NONCE};
use siprec_core::seed::RecordingId;
use zeroize::Zeroizing;

use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::recordings::KEY as KEY_SUFFIX;

/// Digits of an id: `8-4-4-4-12`.
const ID_DIGITS: usize = 36;

/// Fills an array with octets that nobody can guess.
///
/// # Errors
/// A machine without a source of them.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| io::Error::other("this machine gives no random octets"))?;
    Ok(octets)
}

/// The recording that a file's name begins with, if it does.
fn recording(name: &str) -> Option<&str> {
    name.get(..ID_DIGITS).filter(|id| id.parse::<RecordingId>().is_ok())
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// What a file's end says: recordings are wholes, journals and their logs are streams.
pub(super) fn kind(path: &Path) -> Kind {
    if recording(file_name(path)).is_some() { Kind::Whole } else { Kind::Stream }
}

/// Where the key of a sealed file lies: beside it, one for all files of a recording, one for each segment of a journal.
pub fn key_path(path: &Path) -> PathBuf {
    let name = file_name(path);
    let stem = recording(name).unwrap_or_else(|| name.split('.').next().unwrap_or(name));
    path.with_file_name(format!("{stem}{KEY_SUFFIX}"))
}

/// The master keys at hand: the one that new keys are wrapped with, and those of before.
#[derive(Debug, Default)]
pub struct MasterKeys {
    current: Option<MasterKey>,
    previous: Vec<MasterKey>,
}

impl MasterKeys {
    /// These.
    pub fn new(current: Option<MasterKey>, previous: Vec<MasterKey>) -> Self {
        Self { current, previous }
    }

    /// The one that new keys are wrapped with.
    pub fn current(&self) -> Option<&MasterKey> {
        self.current.as_ref()
    }

    /// The data key of a key file, and whether the current master key has wrapped it.
    ///
    /// # Errors
    /// None of the keys at hand has, or it was changed since.
    pub fn unwrap(&self, file: &[u8]) -> Result<(DataKey, bool), BadKey> {
        let mut why = None;
        for (index, master) in self.current.iter().chain(&self.previous).enumerate() {
            match master.unwrap(file) {
                Ok(key) => return Ok((key, index == 0 && self.current.is_some())),
                Err(error @ BadKey::Changed) => return Err(error),
                Err(error) => why = Some(error),
            }
        }
        let wrapped_by = || siprec_core::sealed::wrapped_by(file).map_or(BadKey::Malformed, BadKey::Other);
        Err(why.unwrap_or_else(wrapped_by))
    }

    /// The data key in the key file at `path`.
    ///
    /// # Errors
    /// `PermissionDenied` where another master key is needed, `InvalidData` where the file is gone or damaged; else the disk's.
    pub(super) fn read(&self, disk: &dyn Disk, path: &Path) -> io::Result<DataKey> {
        let file = match disk.open_read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = format!("{} is gone: without it, what lies beside it stays sealed", path.display());
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
            file => file?,
        };
        let octets = read_range(&*file, 0, KEY_FILE + 1)?;
        self.unwrap(&octets).map(|(key, _)| key).map_err(|why| self.refusal(path, why))
    }

    fn refusal(&self, path: &Path, why: BadKey) -> io::Error {
        match why {
            BadKey::Other(id) => io::Error::new(ErrorKind::PermissionDenied, self.other(path, id)),
            BadKey::Malformed | BadKey::Changed => {
                io::Error::new(ErrorKind::InvalidData, format!("{}: {why}: give back a copy of it", path.display()))
            }
        }
    }

    /// What is said where the wrong master key is at hand.
    pub(super) fn other(&self, path: &Path, id: MasterId) -> String {
        let at_hand = match &self.current {
            Some(current) => format!("archive.seal has {}", current.id()),
            None => "archive.seal has none".to_owned(),
        };
        let path = path.display();
        format!(
            "{path} is wrapped by master key {id}, and {at_hand}: set it as archive.seal.master_key, or among archive.seal.previous_keys"
        )
    }

    /// The key for a new file at `path`: that of its recording, else a new one, whose file is to be synced with it.
    pub(super) fn for_new(&self, disk: &dyn Disk, path: &Path) -> io::Result<(DataKey, Option<Arc<dyn DiskFile>>)> {
        let (place, kind) = (key_path(path), kind(path));
        if disk.exists(&place)? {
            match self.read(disk, &place) {
                // A journal's key that was cut off by a crash before anything was sealed under it.
                Err(error) if error.kind() == ErrorKind::InvalidData && kind == Kind::Stream => {}
                read => return Ok((read?, None)),
            }
        }
        let key = Zeroizing::new(random::<KEY>()?);
        let file = self.wrap(&DataKey::new(key.clone()))?;
        if kind == Kind::Whole {
            disk.replace(&place, &file)?;
            return Ok((DataKey::new(key), None));
        }
        let out = if disk.exists(&place)? { disk.open_append(&place)? } else { disk.create_new(&place)? };
        out.write_at(0, &file)?;
        out.set_len(file.len() as u64)?;
        Ok((DataKey::new(key), Some(out)))
    }

    /// A key file for `key`, by the current master key.
    pub(super) fn wrap(&self, key: &DataKey) -> io::Result<[u8; KEY_FILE]> {
        let nothing = || io::Error::new(ErrorKind::PermissionDenied, "archive.seal.master_key is not set");
        let master = self.current.as_ref().ok_or_else(nothing)?;
        let nonce = random::<NONCE>()?;
        master.wrap(key, nonce).ok_or_else(|| io::Error::other("a key cannot be wrapped"))
    }
}
