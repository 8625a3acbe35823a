//! Files with keys in the data directory: written whole or not at all, and secret ones for their owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context as _, ensure};

/// For the server's user alone.
pub const SECRET: u32 = 0o600;
/// For everybody to read.
pub const PUBLIC: u32 = 0o644;

/// What others than its owner must not be allowed.
const OTHERS: u32 = 0o077;

/// A file with a secret key, if there is one.
///
/// # Errors
/// It cannot be read, or others than its owner can.
pub fn open_secret(path: &Path) -> anyhow::Result<Option<File>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mode = file.metadata()?.mode();
    ensure!(mode & OTHERS == 0, "{}: others than its owner may read it: chmod 600", path.display());
    Ok(Some(file))
}

/// Writes the file `name` of the directory `data`, in place of one that is there; it is on the disk when this returns.
///
/// # Errors
/// The disk's; what was there before is there still.
pub fn place(data: &Path, name: &str, mode: u32, octets: &[u8]) -> io::Result<()> {
    let temporary = data.join(format!("{name}.new"));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&temporary, data.join(name))?;
    File::open(data)?.sync_all()
}
