//! Audio that was released here: fetched from a storage target, verified, and kept open for a moment, since a player asks for a file
//! in many parts. It has no name by then: nothing is left of it when it is closed, or the server is killed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use super::recent::Recent;
use crate::archive::catalog::Row;
use crate::archive::disk::{Disk, DiskFile, RealDisk};
use crate::archive::outbox::restore;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, KEY, StoredFile};
use crate::config::Config;
use crate::targets;

/// Files that were fetched, each by its SHA-256.
#[derive(Debug, Default)]
pub(in crate::server) struct FetchedFiles(Recent<Fetch>);

/// A file that is fetched by whoever asks first; who asks meanwhile waits for that. None where it has come to nothing yet.
type Fetch = Arc<Mutex<Option<Arc<dyn DiskFile>>>>;

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
        let place = self.0.get_or(file.sha256, || Some(Fetch::default())).unwrap_or_default();
        let mut fetched = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*fetched {
            return Ok(Arc::clone(opened));
        }
        match fetch((disk, data, config), row, file) {
            Ok(opened) => Ok(Arc::clone(fetched.insert(opened))),
            Err(error) => {
                self.0.forget(file.sha256);
                Err(error)
            }
        }
    }

    /// Closes a file in a while, if nobody has asked for it until then.
    pub(super) fn forget_later(&self, sha256: &str) {
        self.0.forget_later(sha256, |_| false);
    }
}

fn fetch(
    (disk, data, config): (&dyn Disk, &Path, &Config),
    row: &Row,
    file: StoredFile<'_>,
) -> anyhow::Result<Arc<dyn DiskFile>> {
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
    // It is read after its name is gone.
    Ok(disk.open_read(&path)?)
}
