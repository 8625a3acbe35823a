//! Audio that was released here: fetched from a storage target, verified, and kept for a while, since a player asks for a file
//! in many parts.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use crate::archive::catalog::Row;
use crate::archive::disk::{Disk, DiskFile, RealDisk};
use crate::archive::outbox::restore;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, KEY, StoredFile};
use crate::config::Config;
use crate::targets;

/// Files that are kept, the ones asked for last.
const KEPT: usize = 8;

/// Files that were fetched, each by its SHA-256.
#[derive(Debug, Default)]
pub(in crate::server) struct FetchedFiles(Mutex<VecDeque<(String, Fetch)>>);

/// A file that is fetched by whoever asks first; who asks meanwhile waits for that. None where it has come to nothing yet.
type Fetch = Arc<Mutex<Option<Arc<Aside>>>>;

/// A folder that only this user can look into; gone with what is in it when this is dropped.
#[derive(Debug)]
pub(super) struct Aside(PathBuf);

impl Aside {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut octets = [0; 8];
        rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty())?;
        let path = std::env::temp_dir().join(format!("siprec-api-{:016x}", u64::from_ne_bytes(octets)));
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left of it would only take room in the folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl FetchedFiles {
    /// Opens a file of the recording of `row` that is not here any more, as it was before it was sealed.
    ///
    /// # Errors
    /// No storage target has it, or none that has it can be reached.
    pub(super) fn open(
        &self,
        (disk, data, config): (&dyn Disk, &Path, &Config),
        row: &Row,
        file: StoredFile<'_>,
    ) -> anyhow::Result<Arc<dyn DiskFile>> {
        let place = self.place(file.sha256);
        let mut fetched = place.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = match &*fetched {
            Some(aside) => Arc::clone(aside),
            None => match fetch((data, config), row, file) {
                Ok(aside) => Arc::clone(fetched.insert(Arc::new(aside))),
                Err(error) => {
                    self.lock().retain(|(known, _)| known != file.sha256);
                    return Err(error);
                }
            },
        };
        Ok(disk.open_read(&aside.path().join(file.name))?)
    }

    /// The place of a file, which is the last to go then.
    fn place(&self, sha256: &str) -> Fetch {
        let mut kept = self.lock();
        let known = kept.iter().position(|(known, _)| known == sha256).and_then(|place| kept.remove(place));
        let (sha256, fetch) = known.unwrap_or_else(|| (sha256.to_owned(), Fetch::default()));
        kept.push_back((sha256, Arc::clone(&fetch)));
        let excess = kept.len().saturating_sub(KEPT);
        // Whoever reads one of these has it open.
        kept.drain(..excess);
        fetch
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Fetch)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetch((data, config): (&Path, &Config), row: &Row, file: StoredFile<'_>) -> anyhow::Result<Aside> {
    let targets = targets::targets(config)?;
    let sheet = recordings::sheet(&data.join(row.folder()), row.id);
    let receipt = Receipt::read(&RealDisk, &sheet)?;
    let aside = Aside::new().context("there is no room for what is fetched (TMPDIR says where)")?;
    let key = sheet.with_file_name(format!("{}{KEY}", row.id));
    if key.exists() {
        std::fs::copy(&key, aside.path().join(format!("{}{KEY}", row.id)))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = aside.path().join(file.name);
    runtime.block_on(restore(&RealDisk, &targets, receipt.as_ref(), file, &path))?;
    Ok(aside)
}
