//! How a file gets to a folder: under a temporary name, synced, renamed, its folder synced. Under its final name it is whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::digest::{Digested, digest};
use crate::archive::disk::{Appender, Disk};

/// Octets handed to the disk at a time.
const WRITE_BLOCK: usize = 256 * 1024;

/// The name that `name` has until it is whole.
pub(super) fn temporary(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.part"))
}

/// What is written to a temporary file: hashed on its way.
pub(in crate::export) struct Writing {
    out: io::BufWriter<Appender>,
    digested: Digested,
}

impl Writing {
    /// Size and SHA-256 of what came so far.
    pub(super) fn so_far(&self) -> (u64, String) {
        self.digested.clone().finish()
    }

    /// Hands all that came so far to the disk, and gives the file to read.
    pub(super) fn file(&mut self) -> io::Result<&Appender> {
        self.out.flush()?;
        Ok(self.out.get_ref())
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.digested.take(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Places the file `name` in `folder`: `write` makes it, what is on the disk then is read back and compared, and only then it
/// gets its name. Whatever fails leaves nothing under that name, nor under the temporary one.
///
/// # Errors
/// The writer's own, the disk's, or that it reads back otherwise.
pub(super) fn place(
    disk: &dyn Disk,
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut Writing) -> Result<()>,
) -> Result<()> {
    let part = temporary(folder, name);
    if let Err(error) = fill(disk, &part, write) {
        // What is left of it would only take room; a next run overwrites it in any case.
        let _ = disk.remove_file(&part);
        // What the writer has to say for itself names what it is about.
        let is_bare = error.is::<io::Error>();
        return Err(if is_bare {
            error.context(format!("cannot write {}", folder.join(name).display()))
        } else {
            error
        });
    }
    let target = folder.join(name);
    let named = disk.rename(&part, &target).and_then(|()| disk.sync_dir(folder));
    named.with_context(|| format!("cannot rename to {}", target.display()))
}

fn fill(disk: &dyn Disk, part: &Path, write: impl FnOnce(&mut Writing) -> Result<()>) -> Result<()> {
    if disk.exists(part)? {
        disk.remove_file(part)?;
    }
    let file = disk.create_new(part)?;
    let out = io::BufWriter::with_capacity(WRITE_BLOCK, Appender::at_end(file)?);
    let mut writing = Writing { out, digested: Digested::default() };
    write(&mut writing)?;
    writing.file()?.file().sync_data()?;
    let written = writing.digested.finish();
    let read = digest(disk, part, &mut vec![0; WRITE_BLOCK])?;
    anyhow::ensure!(
        written == read,
        "{} reads back otherwise than it was written: does the disk fail?",
        part.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::{FakeDisk, Loss, read_range};

    const FOLDER: &str = "/out";

    fn content(disk: &FakeDisk, name: &str) -> Option<Vec<u8>> {
        let file = disk.open_read(&Path::new(FOLDER).join(name)).ok()?;
        Some(read_range(&*file, 0, 1 << 20).unwrap())
    }

    fn placed(disk: &FakeDisk, text: &[u8]) -> Result<()> {
        place(disk, Path::new(FOLDER), "a.wav", |out| Ok(out.write_all(text)?))
    }

    #[test]
    fn wherever_the_machine_stops_a_name_is_old_or_new_and_whole() {
        for crash in 1.. {
            let disk = FakeDisk::new(crash);
            disk.create_dir_all(Path::new(FOLDER)).unwrap();
            placed(&disk, b"old").unwrap();
            disk.crash_at(disk.operations() + crash);
            let result = placed(&disk, b"newer");
            let done = !disk.is_crashed();
            disk.crash();
            disk.restart(Loss::Power);
            let found = content(&disk, "a.wav").unwrap();
            assert!(found == b"newer" || (found == b"old" && !done), "after {crash}: {found:?}");
            assert!(done == result.is_ok());
            placed(&disk, b"again").unwrap();
            assert_eq!(content(&disk, "a.wav").unwrap(), b"again", "a left over is no hindrance");
            if done {
                return;
            }
        }
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let disk = FakeDisk::new(1);
        disk.create_dir_all(Path::new(FOLDER)).unwrap();
        let failed = place(&disk, Path::new(FOLDER), "a.wav", |out| {
            out.write_all(b"half")?;
            anyhow::bail!("no more")
        });
        assert_eq!(format!("{:#}", failed.unwrap_err()), "no more");
        disk.set_capacity(Some(2));
        let full = placed(&disk, b"more than there is room for").unwrap_err();
        assert_eq!(super::super::trouble::reach(&full), super::super::trouble::Reach::All, "{full:#}");
        assert_eq!(disk.list(Path::new(FOLDER)).unwrap(), []);
    }
}
