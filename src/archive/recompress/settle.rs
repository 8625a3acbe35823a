//! What remains to be done of a recording that was recompressed, or was about to be: told from the disk, not from what was done.
//!
//! | its sheet | what is done |
//! | --- | --- |
//! | of before | the new files go, the recording is what it was |
//! | the new one | signature, row and queue are brought up to it; the old files go when all targets have the new ones |
//! | gone, since it is erased | whatever bears its id goes |
//! | gone, nobody knows why | nothing |

use std::io;
use std::path::Path;

use siprec_core::render::Sidecar;
use siprec_core::seed::RecordingId;

use super::order::RecompressOrder;
use super::{Notes, PART, RecompressError, Recompressor};
use crate::archive::catalog::{Record, Row};
use crate::archive::disk::read_range;
use crate::archive::erase_order;
use crate::archive::erasure;
use crate::archive::outbox::is_all;
use crate::archive::proof_key::signature_path;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{self, stored_files};
use crate::archive::sealed::{SUFFIX, shred};
use crate::archive::soundness::signature_fault;
use crate::archive::storage::{StoreError, Target, erase_whole};
use crate::wall::now_ms;

/// What the names of audio end in, before they are sealed.
const AUDIO: [&str; 3] = [".wav", ".flac", ".opus"];

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is left to be done; the order is gone.
    Done,
    /// It is what it was: it could not be recompressed, for this reason.
    Before(String),
    /// Not all targets have it yet, and none of its files of before went.
    Unstored(String),
    /// Something of before has to stay for now, for this reason.
    Waits(String),
    /// These objects of before are to be erased in targets; then it is to be settled again.
    Erase(Vec<(String, Vec<String>)>),
}

impl Recompressor<'_> {
    /// Goes on with the order for `recording` as far as that can be done here and now.
    ///
    /// # Errors
    /// What cannot be read or written; to be done again.
    pub fn settle(&self, recording: RecordingId) -> Result<Settled, RecompressError> {
        let failure = |source| self.failure(source);
        let Some(order) = RecompressOrder::read(self.disk, self.data, recording).map_err(failure)? else {
            return Ok(Settled::Done);
        };
        let folder = self.data.join(&order.day);
        let sheet = recordings::sheet(&folder, recording);
        let is_ordered = erase_order::is_ordered(self.disk, self.data, recording).map_err(failure)?;
        if !self.disk.exists(&sheet).map_err(failure)? {
            let certificate = erasure::certificate(self.disk, self.data, recording).map_err(failure)?;
            if !is_ordered && certificate.is_none() {
                return Ok(Settled::Waits(format!("its sheet {} is gone", sheet.display())));
            }
            self.remove_erased(&folder, recording)?;
            return self.done(&order);
        }
        if is_ordered {
            return Ok(Settled::Waits("it is being erased".to_owned()));
        }
        let (text, sidecar) = recordings::read_sidecar(self.disk, &sheet)?;
        if sidecar.recompressed.is_none() {
            self.sweep(&folder, &sidecar)?;
            if signature_fault(self.disk, &sheet, &text, &[self.proof_key.public()]).is_none() {
                self.sign(&sheet, &text)?;
            }
            // What failed is remembered.
            return match &order.waits {
                Some(why) => Ok(Settled::Before(why.clone())),
                None => self.done(&order),
            };
        }
        if let Some(fault) = signature_fault(self.disk, &sheet, &text, &[self.proof_key.public()]) {
            return Ok(Settled::Waits(format!("{fault}: see `siprec archive verify`")));
        }
        self.sign(&sheet, &text)?;
        let lacking = self.lacking(&sheet, &sidecar)?;
        self.tell(&order.day, &sheet, &sidecar, &lacking)?;
        self.clear(&order, &sheet, &sidecar, &lacking)
    }

    /// The order goes.
    fn done(&self, order: &RecompressOrder) -> Result<Settled, RecompressError> {
        order.remove(self.disk, self.data).map_err(|source| self.failure(source))?;
        Ok(Settled::Done)
    }

    /// The signature of the sheet of before goes from beside the new one.
    fn sign(&self, sheet: &Path, text: &[u8]) -> Result<(), RecompressError> {
        let path = signature_path(sheet);
        let failure = |source| RecompressError::Disk { path: path.clone(), source };
        let signature = self.proof_key.sign(text).map_err(failure)?;
        let found = self.disk.open_read(&path).and_then(|file| read_range(&*file, 0, usize::MAX)).map_err(failure)?;
        if found == signature { Ok(()) } else { self.disk.replace(&path, &signature).map_err(failure) }
    }

    /// Outbox and catalog are told of the new files, which targets are `lacking`.
    fn tell(&self, day: &str, sheet: &Path, sidecar: &Sidecar, lacking: &[&str]) -> Result<(), RecompressError> {
        for &target in lacking {
            if let Some(queue) = self.queue.filter(|queue| !queue.is_queued(target, sidecar.id).unwrap_or(true)) {
                queue.add(&[target.to_owned()], sidecar.id, sidecar.recording_session.id, day, (now_ms(), true))?;
            }
        }
        let known = self.catalog.find(sidecar.id)?;
        let told = Record::of(sidecar, day).ok().map(|record| record.row);
        let same =
            |known: &Row| told.as_ref().is_some_and(|told| (&told.path, &told.sha256) == (&known.path, &known.sha256));
        if known.as_ref().is_some_and(same) {
            return Ok(());
        }
        Ok(recordings::renew(self.disk, self.catalog, sheet, day)?)
    }

    /// The targets that are set up and do not have all of it.
    fn lacking(&self, sheet: &Path, sidecar: &Sidecar) -> Result<Vec<&str>, RecompressError> {
        let failure = |source| RecompressError::Disk { path: sheet.to_owned(), source };
        let receipt = Receipt::read(self.disk, sheet).map_err(failure)?;
        let has_all = |target: &str| match receipt.as_ref().and_then(|receipt| receipt.by(target)) {
            Some(known) => is_all(self.disk, sheet, known, sidecar).map_err(RecompressError::Fetch),
            None => Ok(false),
        };
        let mut lacking = Vec::new();
        for target in self.targets {
            if !has_all(target)? {
                lacking.push(target.as_str());
            }
        }
        Ok(lacking)
    }

    /// What was before goes, once all that are to have the new files do.
    fn clear(
        &self,
        order: &RecompressOrder,
        sheet: &Path,
        sidecar: &Sidecar,
        lacking: &[&str],
    ) -> Result<Settled, RecompressError> {
        if let Some(hold) = Notes::or_held(self.disk, sheet, sidecar.id).holds.first() {
            let why =
                format!("it came under a legal hold ({}): its files of before stay until it is released", hold.reason);
            return Ok(Settled::Waits(why));
        }
        if !lacking.is_empty() {
            return Ok(Settled::Unstored(format!("it is still to be stored in {}", lacking.join(", "))));
        }
        self.sweep(sheet.parent().unwrap_or(self.data), sidecar)?;
        let receipt = Receipt::read(self.disk, sheet).map_err(|source| self.failure(source))?;
        let (mut erase, mut away) = (Vec::new(), Vec::new());
        for delivery in receipt.iter().flat_map(|receipt| &receipt.targets) {
            let is_set_up = self.targets.contains(&delivery.target);
            if is_set_up && !delivery.superseded.is_empty() {
                erase.push((delivery.target.clone(), delivery.superseded.clone()));
            }
            let has_all = || stored_files(sidecar).all(|file| delivery.has(file));
            let is_left = !delivery.superseded.is_empty() || !has_all();
            if !is_set_up && is_left {
                away.push(delivery.target.as_str());
            }
        }
        if !erase.is_empty() {
            return Ok(Settled::Erase(erase));
        }
        if away.is_empty() {
            return self.done(order);
        }
        Ok(Settled::Waits(format!("{} has its files of before and is not set up any more", away.join(", "))))
    }

    /// Takes in that targets have no more of these objects.
    ///
    /// # Errors
    /// The receipt's.
    pub fn erased(&self, recording: RecordingId, target: &str, keys: &[String]) -> Result<(), RecompressError> {
        let failure = |source| self.failure(source);
        let Some(order) = RecompressOrder::read(self.disk, self.data, recording).map_err(failure)? else {
            return Ok(());
        };
        let sheet = recordings::sheet(&self.data.join(&order.day), recording);
        Receipt::change(self.disk, &sheet, recording, |receipt| receipt.forget(target, keys)).map_err(failure)
    }

    /// Removes the audio of a recording that its sheet does not tell of, and what is left of temporary files.
    fn sweep(&self, folder: &Path, sidecar: &Sidecar) -> Result<(), RecompressError> {
        let id = sidecar.id.to_string();
        let is_audio = |name: &str| {
            let name = name.strip_suffix(PART).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
            let name = name.strip_suffix(SUFFIX).unwrap_or(name);
            AUDIO.iter().any(|end| name.ends_with(end))
        };
        let is_told = |name: &str| stored_files(sidecar).any(|file| file.name == name);
        self.remove(folder, |name| name.starts_with(&id) && is_audio(name) && !is_told(name))
    }

    /// What was written beside an erasure.
    fn remove_erased(&self, folder: &Path, recording: RecordingId) -> Result<(), RecompressError> {
        let failure = |source| RecompressError::Disk { path: folder.to_owned(), source };
        if !self.disk.exists(folder).map_err(failure)? {
            return Ok(());
        }
        shred(self.disk, folder, recording).map_err(failure)?;
        let id = recording.to_string();
        self.remove(folder, |name| name.starts_with(&id))
    }

    fn remove(&self, folder: &Path, is_meant: impl Fn(&str) -> bool) -> Result<(), RecompressError> {
        let failure = |source| RecompressError::Disk { path: folder.to_owned(), source };
        let mut is_changed = false;
        for entry in self.disk.list(folder).map_err(failure)? {
            if !entry.is_dir && is_meant(&entry.name) {
                match self.disk.remove_file(&folder.join(&entry.name)) {
                    // Released by the outbox just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed.map_err(failure)?,
                }
                is_changed = true;
            }
        }
        if is_changed { self.disk.sync_dir(folder).map_err(failure) } else { Ok(()) }
    }
}

/// Removes objects of before in a target, each in all of its versions.
///
/// # Errors
/// The target's: a lock or a policy may keep them.
pub async fn erase_objects(target: &dyn Target, keys: &[String]) -> Result<(), StoreError> {
    for key in keys {
        erase_whole(target, key).await?;
    }
    Ok(())
}
