//! Where recordings are taken from: the data directory, and the storage targets that have what was released there.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, ensure};

use siprec_core::render::{FileSheet, Sidecar};

use super::copy::day;
use super::stop::Stop;
use super::trouble::NotHere;
use crate::archive::catalog::Row;
use crate::archive::disk::{Disk as _, Reading, RealDisk};
use crate::archive::outbox::{Named, restore};
use crate::archive::proof_key::signature_path;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, KEY, StoredFile, stored_file};
use crate::archive::sealed::SealedDisk;
use crate::archive::soundness::is_plain_name;

/// Makes the storage targets that are set up.
type Make = dyn Fn() -> Result<Vec<Arc<Named>>> + Send + Sync;

/// The storage targets that are set up, made when the first of them is needed: most exports need none.
#[derive(Clone)]
pub struct Targets {
    make: Arc<Make>,
    made: Arc<OnceLock<Vec<Arc<Named>>>>,
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets").field("made", &self.made).finish_non_exhaustive()
    }
}

impl Targets {
    /// Those that `make` makes. It is asked again after it failed.
    pub fn new(make: impl Fn() -> Result<Vec<Arc<Named>>> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), made: Arc::default() }
    }

    fn all(&self) -> Result<&[Arc<Named>]> {
        if self.made.get().is_none() {
            let made = (self.make)().context("what was released here is fetched from the storage targets")?;
            // Somebody else's are as good.
            let _ = self.made.set(made);
        }
        Ok(self.made.get().map(Vec::as_slice).unwrap_or_default())
    }
}

/// A data directory that is read.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// Opens what is sealed.
    pub(super) disk: Arc<SealedDisk>,
    pub(super) data: PathBuf,
    /// Where audio is that was released here.
    pub(super) targets: Targets,
}

/// A recording there.
#[derive(Debug)]
pub(super) struct Found {
    /// `YYYY/MM/DD`.
    pub(super) day: PathBuf,
    /// Where its sheet is.
    pub(super) sheet: PathBuf,
    /// Its sheet, to the octet.
    pub(super) text: Vec<u8>,
    /// The signature of that, if it was signed.
    pub(super) signature: Option<Vec<u8>>,
    /// What it says.
    pub(super) sidecar: Sidecar,
}

/// A file of a recording, opened: as it was before it was sealed. What was fetched for it is gone when this is dropped.
pub(super) struct Audio {
    pub(super) input: Reading,
    /// Where it is read from, for people.
    pub(super) path: PathBuf,
    _fetched: Option<Fetched>,
}

impl Archive {
    /// The recording of `row`. No name in its sheet leads out of its folder.
    pub(super) fn find(&self, row: &Row) -> Result<Found> {
        let day = day(&row.path)?;
        let name = format!("{}.json", row.id);
        let sheet = recordings::folder(&self.data).join(&day).join(&name);
        let (text, signature, sidecar) = loop {
            let (text, sidecar) = recordings::read_sidecar(&*self.disk, &sheet)?;
            let signature = fs::read(signature_path(&sheet)).ok();
            // Where a server replaced both meanwhile, they need not belong together.
            if recordings::read_sidecar(&*self.disk, &sheet)?.0 == text {
                break (text, signature, sidecar);
            }
        };
        ensure!(sidecar.id == row.id, "{name} is of another recording, {}", sidecar.id);
        for file in &sidecar.files {
            let names = [Some(&file.name), file.sealed.as_ref().map(|sealed| &sealed.name)];
            for file in names.into_iter().flatten() {
                ensure!(is_plain_name(file), "{name} names a file \"{file}\" in another folder");
            }
        }
        Ok(Found { day, sheet, text, signature, sidecar })
    }

    /// Opens a file of a recording; what was released here is fetched to a folder below `to` first.
    pub(super) fn open(&self, found: &Found, file: &FileSheet, to: &Path, stop: &Stop) -> Result<Audio> {
        let stored = stored_file(file);
        let mut path = found.sheet.with_file_name(stored.name);
        let mut fetched = None;
        if !self.disk.exists(&path)? {
            let folder = Fetched::fetch(self, found, stored, to, stop)?;
            path = folder.0.join(stored.name);
            fetched = Some(folder);
        }
        let input = self.disk.open_read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Audio { input: Reading::of(input), path, _fetched: fetched })
    }
}

/// A folder that what was fetched lies in as it did in the data directory; gone when this is dropped.
#[derive(Debug)]
struct Fetched(PathBuf);

impl Fetched {
    /// Fetches a file of a recording to a folder below `to`, the key of a sealed one beside it.
    fn fetch(archive: &Archive, found: &Found, file: StoredFile<'_>, to: &Path, stop: &Stop) -> Result<Self> {
        let targets = archive.targets.all()?;
        let id = found.sidecar.id;
        let folder = Self(to.join(format!(".{id}.fetched")));
        fs::create_dir_all(&folder.0).with_context(|| format!("cannot make {}", folder.0.display()))?;
        let key = format!("{id}{KEY}");
        if fs::exists(found.sheet.with_file_name(&key))? {
            fs::copy(found.sheet.with_file_name(&key), folder.0.join(&key))?;
        }
        let receipt = Receipt::read(&RealDisk, &found.sheet)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let path = folder.0.join(file.name);
        let fetched = stop.or(async { Ok(restore(&RealDisk, targets, receipt.as_ref(), file, &path).await?) });
        runtime.block_on(fetched).with_context(|| NotHere(file.name.to_owned()))?;
        Ok(folder)
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // What is left of it would only take room, and is written over by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn targets_are_made_once_and_only_when_they_are_asked_for() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let targets = Targets::new(move || match counted.fetch_add(1, Ordering::Relaxed) {
            0 => anyhow::bail!("no such key"),
            _ => Ok(Vec::new()),
        });
        let other = targets.clone();
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        let said = format!("{:#}", targets.all().unwrap_err());
        assert_eq!(said, "what was released here is fetched from the storage targets: no such key");
        assert!(targets.all().is_ok() && other.all().is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
