//! Sealed files on a disk: encryption at rest (the format is told in `siprec_core::sealed`).
//!
//! ```text
//! archive -> SealedDisk -> name.sealed (AES-256-GCM), its key beside it (wrapped by the master key) -> Disk beneath
//!                     \--> all other names, as they are
//! ```
//!
//! A [`SealedDisk`] seals what gets a name that ends in `.sealed`, and opens it again: above it, a file is what it was before.
//! Whoever makes files that are to be sealed gives them such names, if [`Disk::seals`] says so.
//!
//! | file | key | made |
//! | --- | --- | --- |
//! | `journals/live/<session>/000001.pcapng.sealed` | `000001.key` | with it |
//! | `journals/log/00000001.log.sealed` | `00000001.key` | with it |
//! | `recordings/YYYY/MM/DD/<id>.wav.sealed`, `<id>-2.wav.sealed` | `<id>.key` | durable before them |

mod cipher;
mod file;
mod keys;
mod master;
mod reading;
mod rewrap;
#[cfg(test)]
mod rewrap_tests;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use siprec_core::sealed::{HEADER, Header, Kind};

use super::disk::{Disk, DiskFile, Listed, read_range};
use cipher::RingCipher;
use file::{NothingYet, SealedFile};

pub use keys::{MasterKeys, key_path};
pub use master::{FILE, KeySources, Standing, new_key, stand, standing};
pub use rewrap::{Rewrapped, destroy, rewrap, shred};

/// What the names of sealed files end in.
pub const SUFFIX: &str = ".sealed";
/// What temporary names end in.
const PART: &str = ".part";
/// Buffers that are kept, and how large.
const SPARE_BUFFERS: usize = 4;
const SPARE_BYTES: usize = 2 << 20;

/// Whether a file of this name is sealed, or will be under its final one.
pub fn is_sealed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(PART).unwrap_or(name).ends_with(SUFFIX)
}

/// A disk that seals and opens.
#[derive(Debug)]
pub struct SealedDisk {
    beneath: Arc<dyn Disk>,
    masters: MasterKeys,
    seals: bool,
    buffers: Arc<Buffers>,
}

impl SealedDisk {
    /// Over `beneath`. What is new is sealed if `seals`; what is sealed is opened in any case, with the keys at hand.
    pub fn new(beneath: Arc<dyn Disk>, masters: MasterKeys, seals: bool) -> Self {
        Self { beneath, masters, seals, buffers: Arc::default() }
    }

    /// The master keys at hand.
    pub fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    /// Gives a new, empty file its header, and a key.
    fn begin(&self, path: &Path, file: Arc<dyn DiskFile>) -> io::Result<Arc<dyn DiskFile>> {
        let (key, key_file) = self.masters.for_new(&*self.beneath, path)?;
        let header = Header::new(keys::kind(path), keys::random()?);
        file.write_at(0, header.octets())?;
        let cipher: RingCipher = key.cipher(&header);
        Ok(Arc::new(SealedFile::begin(path, file, cipher, header.kind(), key_file, &self.buffers)))
    }

    fn open(&self, path: &Path, file: Arc<dyn DiskFile>, append: bool) -> io::Result<Arc<dyn DiskFile>> {
        let octets = read_range(&*file, 0, HEADER)?;
        if octets.len() < HEADER && keys::kind(path) == Kind::Stream {
            // A crash came before there was anything in it.
            return if append { self.begin(path, file) } else { Ok(Arc::new(NothingYet)) };
        }
        let no_header = || format!("{} is damaged: it does not begin as a sealed file does", path.display());
        let header = Header::read(&octets).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, no_header()))?;
        let key = self.masters.read(&*self.beneath, &key_path(path))?;
        let cipher: RingCipher = key.cipher(&header);
        let file = SealedFile::begin(path, file, cipher, header.kind(), None, &self.buffers);
        Ok(Arc::new(file.open(!append)?))
    }
}

impl Disk for SealedDisk {
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.beneath.create_new(path)?;
        if is_sealed(path) { self.begin(path, file) } else { Ok(file) }
    }

    fn open_append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.beneath.open_append(path)?;
        if is_sealed(path) { self.open(path, file, true) } else { Ok(file) }
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.beneath.open_read(path)?;
        if is_sealed(path) { self.open(path, file, false) } else { Ok(file) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.beneath.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.beneath.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.beneath.remove_dir(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.beneath.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.beneath.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.beneath.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.beneath.exists(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.beneath.free_space(path)
    }

    fn beneath(&self) -> &dyn Disk {
        &*self.beneath
    }

    fn seals(&self) -> bool {
        self.seals
    }
}

/// Memory to seal in: a file of its own would cost each session more than all else.
#[derive(Debug, Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// The name of `name` on a disk that seals, or does not.
pub fn named(name: &str, seals: bool) -> String {
    if seals { format!("{name}{SUFFIX}") } else { name.to_owned() }
}

/// `path` under the name that it has sealed.
pub fn sealed_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}
