//! Audio that was released here: fetched from a storage target, verified, and kept open for a moment, since a player asks for a file
//! in many parts. It has no name by then: nothing is left of it when it is closed, or the server is killed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
/// How long one is kept that nobody asks for: what is erased is not much longer here.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Files that were fetched.
#[derive(Debug)]
pub(in crate::server) struct FetchedFiles {
    known: Mutex<VecDeque<Known>>,
    kept_for: Duration,
}

impl Default for FetchedFiles {
    fn default() -> Self {
        Self { known: Mutex::default(), kept_for: KEPT_FOR }
    }
}

#[derive(Debug)]
struct Known {
    sha256: String,
    fetch: Fetch,
    /// How often it was asked for.
    asked: u64,
}

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
        let place = self.place(file.sha256);
        let mut fetched = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*fetched {
            return Ok(Arc::clone(opened));
        }
        match fetch((disk, data, config), row, file) {
            Ok(opened) => Ok(Arc::clone(fetched.insert(opened))),
            Err(error) => {
                self.lock().retain(|known| known.sha256 != file.sha256);
                Err(error)
            }
        }
    }

    /// The place of a file, which is the last to go then.
    fn place(&self, sha256: &str) -> Fetch {
        let mut all = self.lock();
        let known = all.iter().position(|known| known.sha256 == sha256).and_then(|place| all.remove(place));
        let mut known = known.unwrap_or_else(|| Known { sha256: sha256.to_owned(), fetch: Fetch::default(), asked: 0 });
        known.asked += 1;
        let fetch = Arc::clone(&known.fetch);
        all.push_back(known);
        let excess = all.len().saturating_sub(KEPT);
        // Whoever reads one of these has it open.
        all.drain(..excess);
        fetch
    }

    /// Closes a file in a while, if nobody has asked for it until then.
    pub(super) fn forget_later(self: &Arc<Self>, sha256: &str) {
        let asked = |known: &Known| (known.sha256 == sha256).then_some(known.asked);
        let Some(so_often) = self.lock().iter().find_map(asked) else { return };
        let (this, sha256) = (Arc::clone(self), sha256.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(this.kept_for).await;
            this.lock().retain(|known| known.sha256 != sha256 || known.asked != so_often);
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_asks_for_any_more_is_closed() {
        let files = Arc::new(FetchedFiles { kept_for: Duration::from_millis(50), ..FetchedFiles::default() });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, b"RIFF").unwrap();
        let opened = RealDisk.open_read(&path).unwrap();
        let is_open = Arc::downgrade(&opened);
        *files.place("a").lock().unwrap() = Some(opened);
        files.forget_later("a");
        // Asked for once more: the first to forget it does not.
        assert!(files.place("a").lock().unwrap().is_some());
        files.forget_later("a");
        files.forget_later("b");
        let gone = async {
            while is_open.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
        assert!(files.lock().is_empty());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let files = FetchedFiles::default();
        (0..KEPT + 3).for_each(|n| drop(files.place(&n.to_string())));
        let kept: Vec<_> = files.lock().iter().map(|known| known.sha256.clone()).collect();
        assert_eq!(kept, (3..KEPT + 3).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
