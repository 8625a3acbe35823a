//! Recompressing: a recording's WAV files become FLAC or Opus, and its sheet proves of which files they were made.
//!
//! ```text
//! order (on the disk) -> files encoded as .part, read back, compared
//!   -> their names -> .json.sig of both sheets -> .json -> .json.sig of the new one     (the switch)
//!   -> outbox -> catalog row -> (all targets have it) files of before removed here -> objects of before in targets
//!   -> order removed
//! ```
//! The rename of the sheet is what counts: before it the recording is what it was, afterwards what it becomes, and whole either
//! way. Each step may be done twice, so a crash anywhere is mended by [`Recompressor::settle`].
//!
//! This holds no lock: who prepares or settles has the [lock of recompressions](super::lock::recompress_lock), who switches or
//! settles that of [changes](super::lock::change_lock), too.

mod order;
mod recode;
mod settle;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use siprec_core::render::{FileCoding, FileFormat, Recompressed, SIDECAR_FORMAT, Sidecar};
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use super::catalog::{Catalog, CatalogError};
use super::disk::{Disk, read_range};
use super::erase_order;
use super::finish::{sheet_text, tags};
use super::journal::LIVE;
use super::lock::LockError;
use super::notes::Notes;
use super::outbox::{Queue, QueueError};
use super::proof_key::{ProofKey, signature_path};
use super::receipt::turn;
use super::recordings::{self, MAX_SIDECAR, RenewError, SidecarError, StoredFile, hexadecimal, stored_file};
use super::soundness::{FileFault, SignatureFault, is_plain_name, signature_fault};
use super::storage::StoreError;
use recode::{PART, Place, Recoded};

pub use order::{FOLDER, RecompressOrder, ordered};
pub use settle::{Settled, erase_objects};

/// What WAV files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// FLAC: each sample stays what it was.
    #[default]
    Flac,
    /// Opus in Ogg: much smaller, and the samples are gone.
    Opus,
}

impl Compression {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Opus => "opus",
        }
    }

    /// What the files of `sidecar` become: Opus has no place for some rates, which become FLAC.
    fn coding(self, sidecar: &Sidecar) -> (FileCoding, FileFormat) {
        let takes = sidecar.files.iter().all(|file| FileCoding::Opus.takes_rate(file.sample_rate));
        if self == Self::Opus && takes {
            (FileCoding::Opus, FileFormat::Opus)
        } else {
            (FileCoding::Flac, FileFormat::Flac)
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Flac, Self::Opus]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| format!("`{text}` is neither flac nor opus"))
    }
}

/// Why a recording is not recompressed; it is what it was.
#[derive(Debug, thiserror::Error)]
pub enum RecompressError {
    /// It is being erased.
    #[error("it is being erased")]
    Erased,
    /// Somebody holds it.
    #[error("it is under a legal hold ({0}): `siprec archive release` ends it")]
    Held(String),
    /// Its journal is not put away.
    #[error("its recording session goes on, or has just ended")]
    Live,
    /// A storage target does not have it yet.
    #[error("a storage target does not have it yet: see `siprec archive outbox`")]
    Unstored,
    /// Its files are something else.
    #[error("its files are not WAV")]
    NotWav,
    /// It would not get smaller.
    #[error("it would become larger: {after} octets instead of {before}")]
    NoGain {
        /// Octets as they are.
        before: u64,
        /// As they would be.
        after: u64,
    },
    /// Its sheet cannot be vouched for.
    #[error("its sheet cannot be vouched for anew: {0}")]
    Signature(SignatureFault),
    /// Its sheet cannot be read.
    #[error(transparent)]
    Sheet(#[from] SidecarError),
    /// It is of a later version, names files elsewhere, or would become too long.
    #[error("its sheet {0}")]
    Unfit(&'static str),
    /// Somebody else has changed it meanwhile.
    #[error("its sheet was changed meanwhile: it is tried again")]
    Changed,
    /// A file of it is not what its sheet says.
    #[error("{0}: see `siprec archive verify`")]
    File(FileFault),
    /// What was written is not what it was made of: our fault.
    #[error("{name}: {what}; nothing was replaced")]
    Differs {
        /// The file.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What was released here cannot be had.
    #[error("it cannot be fetched: {0}")]
    Fetch(StoreError),
    /// The disk's fault.
    #[error("{}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new sheet cannot be written down or signed: our fault.
    #[error("the new sheet: {0}")]
    Text(String),
    /// The catalog's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The row cannot be written.
    #[error(transparent)]
    Row(#[from] RenewError),
    /// The outbox's fault.
    #[error(transparent)]
    Outbox(#[from] QueueError),
    /// Others change something, and go on doing so.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// What recompresses below a data directory.
#[derive(Debug, Clone, Copy)]
pub struct Recompressor<'r> {
    /// Carries it out.
    pub disk: &'r dyn Disk,
    /// The data directory.
    pub data: &'r Path,
    /// The catalog, to be written.
    pub catalog: &'r Catalog,
    /// The outbox's queue, where there is or was a storage target.
    pub queue: Option<&'r Queue>,
    /// What sheets are signed with.
    pub proof_key: &'r ProofKey,
    /// The storage targets that are set up.
    pub targets: &'r [String],
    /// Set when nothing is to go on.
    pub stop: &'r AtomicBool,
}

/// Fetches a file that was released here, from a target to its place beside the sheet.
pub type Fetch<'f> = &'f mut dyn FnMut(&Path, StoredFile<'_>) -> Result<(), StoreError>;

/// A recording whose new files lie beside the old ones, under temporary names, compared.
#[derive(Debug)]
pub struct Prepared {
    recording: RecordingId,
    day: String,
    /// The sheet as it is.
    before: Vec<u8>,
    /// The sheet as it becomes.
    sidecar: Sidecar,
    /// Octets of audio before.
    bytes_before: u64,
}

impl Prepared {
    /// The sheet as it becomes.
    pub fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// Octets of audio before and afterwards.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_before, self.sidecar.files.iter().map(|file| file.bytes).sum())
    }
}

impl Recompressor<'_> {
    /// Writes the new files of a recording whose sheet lies in `day`, under temporary names. Nothing of it changes yet.
    ///
    /// # Errors
    /// It must not be recompressed, or cannot be.
    pub fn prepare(
        &self,
        recording: RecordingId,
        day: &str,
        to: Compression,
        now: Wall,
        fetch: Fetch<'_>,
    ) -> Result<Prepared, RecompressError> {
        let folder = self.data.join(day);
        let sheet = recordings::sheet(&folder, recording);
        let (before, sidecar) = self.fit(recording, &sheet)?;
        let known = RecompressOrder::read(self.disk, self.data, recording).map_err(|source| self.failure(source))?;
        let session = sidecar.recording_session.id;
        let order = known.unwrap_or_else(|| RecompressOrder::new(recording, session, day, to));
        RecompressOrder { to, larger: false, waits: None, due_at: None, ..order }
            .write(self.disk, self.data)
            .map_err(|source| self.failure(source))?;
        let (coding, format) = to.coding(&sidecar);
        let place = Place { disk: self.disk, folder: &folder, stop: self.stop };
        let mut made = Vec::new();
        for file in &sidecar.files {
            let path = folder.join(stored_file(file).name);
            let is_here = self.disk.exists(&path).map_err(|source| RecompressError::Disk { path, source })?;
            if !is_here {
                fetch(&sheet, stored_file(file)).map_err(RecompressError::Fetch)?;
            }
            made.push(place.recode(file, coding, &tags(&sidecar))?);
        }
        let bytes_before = sidecar.files.iter().map(|file| file.bytes).sum();
        let sidecar = self.next_sheet((&before, sidecar), made, format, now, &sheet)?;
        let prepared = Prepared { recording, day: day.to_owned(), before, sidecar, bytes_before };
        let (before, after) = prepared.bytes();
        if after >= before { Err(RecompressError::NoGain { before, after }) } else { Ok(prepared) }
    }

    /// The sheet of a recording that may be recompressed: its octets, and what they say.
    fn fit(&self, recording: RecordingId, sheet: &Path) -> Result<(Vec<u8>, Sidecar), RecompressError> {
        self.check_free(recording, sheet)?;
        let (text, sidecar) = recordings::read_sidecar(self.disk, sheet)?;
        let live = |session: &_| self.disk.exists(&self.data.join(LIVE).join(format!("{session}")));
        let session = sidecar.recording_session.id;
        if session.as_ref().map(live).transpose().map_err(|source| self.failure(source))?.unwrap_or(false) {
            return Err(RecompressError::Live);
        }
        if sidecar.format != SIDECAR_FORMAT || sidecar.id != recording {
            return Err(RecompressError::Unfit("is of another version, or of another recording"));
        }
        let is_wav = |coding| matches!(coding, FileCoding::Pcm16 | FileCoding::ALaw | FileCoding::MuLaw);
        if sidecar.files.is_empty() || !sidecar.files.iter().all(|file| is_wav(file.coding) && file.format == "wav") {
            return Err(RecompressError::NotWav);
        }
        if !sidecar.files.iter().all(|file| is_plain_name(&file.name) && is_plain_name(stored_file(file).name)) {
            return Err(RecompressError::Unfit("names files in another folder"));
        }
        match signature_fault(self.disk, sheet, &text, &[self.proof_key.public()]) {
            Some(fault) => Err(RecompressError::Signature(fault)),
            None => Ok((text, sidecar)),
        }
    }

    /// Nobody wants it as it is, or gone.
    fn check_free(&self, recording: RecordingId, sheet: &Path) -> Result<(), RecompressError> {
        if erase_order::is_ordered(self.disk, self.data, recording).map_err(|source| self.failure(source))? {
            return Err(RecompressError::Erased);
        }
        if let Some(hold) = Notes::or_held(self.disk, sheet, recording).holds.first() {
            return Err(RecompressError::Held(hold.reason.clone()));
        }
        if self.queue.map(|queue| queue.has(recording)).transpose()?.unwrap_or(false) {
            return Err(RecompressError::Unstored);
        }
        Ok(())
    }

    /// The sheet that follows: all that the one before said, the new files, and what they were made of.
    fn next_sheet(
        &self,
        (before, mut sidecar): (&[u8], Sidecar),
        made: Vec<Recoded>,
        format: FileFormat,
        now: Wall,
        sheet: &Path,
    ) -> Result<Sidecar, RecompressError> {
        let text = |error: &dyn fmt::Display| RecompressError::Text(error.to_string());
        let (files, was): (Vec<_>, Vec<_>) = made.into_iter().map(|made| (made.file, made.before)).unzip();
        let lossless = format == FileFormat::Flac;
        // The key that signed it is at hand: the same octets come again.
        let signature = self.proof_key.sign(before).map_err(|error| text(&error))?;
        if !lossless {
            sidecar.proof.findings.push(format!(
                "recompressed to Opus at {}: the audio is no longer the samples that were recorded, whose digests stand under \
                 \"recompressed\"",
                now.rfc3339()
            ));
        }
        sidecar.files = files;
        sidecar.rendition.format = format;
        sidecar.recompressed = Some(Recompressed {
            at: now.rfc3339(),
            siprec: env!("CARGO_PKG_VERSION").to_owned(),
            lossless,
            files: was,
            sheet: String::from_utf8(before.to_vec()).map_err(|error| text(&error))?,
            sheet_sha256: hexadecimal(&Sha256::digest(before)),
            signature: hexadecimal(&signature),
        });
        let length = sheet_text(&sidecar).map_err(|error| text(&error))?.len() as u64;
        if length > MAX_SIDECAR {
            return Err(RecompressError::Unfit("would become too long with the one of before in it"));
        }
        tracing::debug!(sheet = %sheet.display(), length, "a new sheet");
        Ok(sidecar)
    }

    /// The new files and the new sheet take effect; the old files stay until [`Recompressor::settle`] has done the rest.
    ///
    /// # Errors
    /// It must not be recompressed any more, or the disk's. Where the sheet is the old one, it is what it was.
    pub fn switch(&self, prepared: &Prepared) -> Result<(), RecompressError> {
        let folder = self.data.join(&prepared.day);
        let sheet = recordings::sheet(&folder, prepared.recording);
        self.check_free(prepared.recording, &sheet)?;
        let failure = |source| RecompressError::Disk { path: sheet.clone(), source };
        // Whoever changes the receipt waits, and looks at the new sheet then.
        let turn = turn(self.disk, &sheet).map_err(failure)?;
        if read_range(&*turn, 0, usize::MAX).map_err(failure)? != prepared.before {
            return Err(RecompressError::Changed);
        }
        for file in &prepared.sidecar.files {
            let path = folder.join(stored_file(file).name);
            self.disk.rename(&path.with_added_extension(PART), &path).map_err(failure)?;
        }
        let text = sheet_text(&prepared.sidecar).map_err(|error| RecompressError::Text(error.to_string()))?;
        let sign = |text: &[u8]| self.proof_key.sign(text).map_err(failure);
        let (old, new) = (sign(&prepared.before)?, sign(&text)?);
        let signature = signature_path(&sheet);
        // This syncs the folder: the files' names are on the disk before the sheet's can be.
        self.disk.replace(&signature, &[&old[..], &new[..]].concat()).map_err(failure)?;
        self.disk.replace(&sheet, &text).map_err(failure)?;
        self.disk.replace(&signature, &new).map_err(failure)
    }

    fn failure(&self, source: io::Error) -> RecompressError {
        RecompressError::Disk { path: self.data.to_owned(), source }
    }
}
