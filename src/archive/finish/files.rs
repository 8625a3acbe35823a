//! Writing a recording's files: everything under temporary names first, then the renames, in the order that leaves
//! the truth on the disk wherever it is cut.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use siprec_core::entry::Entry;
use siprec_core::render::{self, FilePlan, FileSheet, Levels, Plan, SealedSheet, Sidecar};

use super::FinishError;
use crate::archive::digest::digest;
use crate::archive::disk::{Disk, DiskFile, read_range};
use crate::archive::encode::Encoder;
use crate::archive::proof_key::{ProofKey, SIGNATURE};
use crate::archive::recordings;
use crate::archive::sealed::{named, sealed_path};

/// Bytes of samples handed to the disk at a time.
const WRITE_BLOCK: usize = 128 * 1024;

/// What calls its argument with each entry of a journal, in order.
pub(super) type Entries<'e> = dyn Fn(&mut dyn FnMut(&Entry<'_>)) -> Result<(), FinishError> + 'e;

/// Where the files go, and when to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'f> {
    /// Carries it out.
    pub(super) disk: &'f dyn Disk,
    /// The recording's day.
    pub(super) folder: &'f Path,
    /// Set when the server stops.
    pub(super) stop: &'f AtomicBool,
    /// What the sheet is signed with, if it is.
    pub(super) proof_key: Option<&'f ProofKey>,
}

impl Files<'_> {
    /// Mixes and writes the files of `plan`, whose sidecar is complete but for their digests. All of it is on the
    /// disk, under its final names, when this returns.
    pub(super) fn write(&self, mut plan: Plan, entries: &Entries<'_>) -> Result<Sidecar, FinishError> {
        self.prepare(&mut plan, entries)?;
        let sheet = self.folder.join(format!("{}.json", plan.sidecar.id));
        let before = || match self.disk.exists(&sheet)? {
            true => read_range(&*self.disk.open_read(&sheet)?, 0, usize::MAX),
            false => Ok(Vec::new()),
        };
        let before = before().map_err(|source| FinishError::Disk { path: sheet.clone(), source })?;
        self.put(plan, &before)
    }

    /// Mixes and writes the audio files of `plan`, under temporary names.
    pub(super) fn prepare(&self, plan: &mut Plan, entries: &Entries<'_>) -> Result<(), FinishError> {
        self.disk.create_dir_all(self.folder).map_err(|source| self.failure("", source))?;
        for pass in 0..plan.passes() {
            for (pair, levels) in self.write_pass(plan, pass, entries)? {
                plan.heard(pair, &levels);
            }
        }
        Ok(())
    }

    /// The sidecar under its temporary name, and all final names, in place of those of a sheet that read `before`, if there was
    /// one: a signature fits the sheet beside it at any moment.
    pub(super) fn put(&self, plan: Plan, before: &[u8]) -> Result<Sidecar, FinishError> {
        let sidecar = plan.sidecar;
        let sheet_name = format!("{}.json", sidecar.id);
        let text = sheet(&sidecar)?;
        self.write_whole(&sheet_name, &text)?;
        if !before.is_empty() {
            self.sign(&sheet_name, &[before, &text])?;
            self.sync_folder()?;
        }
        for file in &plan.files {
            self.rename(&self.named(&file.name))?;
            self.remove_other(&file.name)?;
        }
        if before.is_empty() {
            self.sign(&sheet_name, &[&text])?;
        }
        // The names of audio and signature have to be on the disk before the sidecar's can be.
        self.sync_folder()?;
        self.rename(&sheet_name)?;
        self.sync_folder()?;
        if !before.is_empty() {
            self.sign(&sheet_name, &[&text])?;
            self.sync_folder()?;
        }
        Ok(sidecar)
    }

    /// The signatures of these texts, one behind the other, beside the sheet of that name.
    fn sign(&self, sheet_name: &str, texts: &[&[u8]]) -> Result<(), FinishError> {
        let Some(key) = self.proof_key else { return Ok(()) };
        let name = format!("{sheet_name}{SIGNATURE}");
        let signatures: io::Result<Vec<_>> = texts.iter().map(|text| key.sign(text)).collect();
        self.write_whole(&name, &signatures.map_err(|source| self.failure(&name, source))?.concat())?;
        self.rename(&name)
    }

    /// The signature of the sheet of `sidecar` alone, where a crash has left the one of before beside it.
    pub(super) fn sign_alone(&self, sidecar: &Sidecar) -> Result<(), FinishError> {
        self.sign(&format!("{}.json", sidecar.id), &[&sheet(sidecar)?])?;
        self.sync_folder()
    }

    /// Removes what [`Files::prepare`] has written.
    pub(super) fn discard(&self, plan: &Plan) {
        for file in &plan.files {
            // What is left of it is written over the next time.
            let _ = self.disk.remove_file(&self.part(&self.named(&file.name)));
        }
    }

    /// The audio files of a pass under their temporary names, synced, their sizes and digests in the sheet. Returns what
    /// is heard in the pairs of channels.
    fn write_pass(
        &self,
        plan: &mut Plan,
        pass: usize,
        entries: &Entries<'_>,
    ) -> Result<Vec<(usize, Levels)>, FinishError> {
        let mut sinks = Vec::new();
        for index in plan.files_of(pass) {
            let Some(file) = plan.files.get(index) else { continue };
            let out = self.create(&self.named(&file.name)).map_err(|source| self.failure(&file.name, source))?;
            sinks.push(Sink::new(index, file, out, &tags(&plan.sidecar)));
        }
        let levels = render::mix(plan, pass, entries, |index, samples| {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FinishError::Stopped);
            }
            let Some(sink) = sinks.iter_mut().find(|sink| sink.index == index) else { return Ok(()) };
            sink.take(samples).map_err(|source| self.failure(&sink.name, source))
        })?;
        for sink in sinks {
            let (index, name, given, planned) = (sink.index, sink.name.clone(), sink.samples, sink.planned);
            if given != planned {
                return Err(FinishError::Length { name, planned, written: given });
            }
            let (bytes, sha256) = sink.finish().map_err(|source| self.failure(&name, source))?;
            if let Some(sheet) = plan.sidecar.files.get_mut(index) {
                (sheet.bytes, sheet.sha256) = (bytes, sha256);
                self.tell_sealed(sheet).map_err(|source| self.failure(&name, source))?;
            }
        }
        Ok(levels)
    }

    /// The name under which an audio file lies on this disk.
    fn named(&self, name: &str) -> String {
        named(name, self.disk.seals())
    }

    /// What anybody can check of a sealed file: its octets as they lie on the disk.
    fn tell_sealed(&self, sheet: &mut FileSheet) -> io::Result<()> {
        if !self.disk.seals() {
            return Ok(());
        }
        let name = self.named(&sheet.name);
        let file = self.disk.beneath().open_read(&self.part(&name))?;
        let sha256 = recordings::hexadecimal(&digest(&*file, &mut vec![0; WRITE_BLOCK])?.1.finalize());
        sheet.sealed = Some(SealedSheet { name, bytes: file.length()?, sha256 });
        Ok(())
    }

    /// A rendering of before `archive.seal` was switched on or off must not stay beside this one.
    fn remove_other(&self, name: &str) -> Result<(), FinishError> {
        let plain = self.folder.join(name);
        let other = if self.disk.seals() { plain } else { sealed_path(&plain) };
        // Nor what a crash has left of one.
        for other in [other.with_added_extension("part"), other] {
            let remove = || if self.disk.exists(&other)? { self.disk.remove_file(&other) } else { Ok(()) };
            remove().map_err(|source| FinishError::Disk { path: other.clone(), source })?;
        }
        Ok(())
    }

    fn write_whole(&self, name: &str, text: &[u8]) -> Result<(), FinishError> {
        let write = || {
            let file = self.create(name)?;
            file.write_at(0, text)?;
            file.sync_data()
        };
        write().map_err(|source| self.failure(name, source))
    }

    /// One file by itself: `write` fills it; then it gets its final name.
    pub(super) fn write_alone(
        &self,
        name: &str,
        write: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> Result<(), FinishError> {
        let filled = || {
            self.disk.create_dir_all(self.folder)?;
            let file = self.create(name)?;
            write(&*file)?;
            file.sync_data()
        };
        filled().map_err(|source| self.failure(name, source))?;
        self.rename(name)?;
        self.sync_folder()
    }

    /// The temporary file of `name`, in place of what a crash left of it.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let part = self.part(name);
        if self.disk.exists(&part)? {
            self.disk.remove_file(&part)?;
        }
        self.disk.create_new(&part)
    }

    fn rename(&self, name: &str) -> Result<(), FinishError> {
        self.disk.rename(&self.part(name), &self.folder.join(name)).map_err(|source| self.failure(name, source))
    }

    fn sync_folder(&self) -> Result<(), FinishError> {
        self.disk.sync_dir(self.folder).map_err(|source| self.failure("", source))
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.part"))
    }

    fn failure(&self, name: &str, source: io::Error) -> FinishError {
        FinishError::Disk { path: self.folder.join(name), source }
    }
}

/// A sidecar's text.
pub(in crate::archive) fn sheet(sidecar: &Sidecar) -> Result<Vec<u8>, FinishError> {
    let failure = |why: serde_json::Error| FinishError::Sheet { recording: sidecar.id, why: why.to_string() };
    let mut text = serde_json::to_vec_pretty(sidecar).map_err(failure)?;
    text.push(b'\n');
    Ok(text)
}

/// What stands in a file beside its audio: which recording it is, and its times.
pub(in crate::archive) fn tags(sidecar: &Sidecar) -> Vec<(&'static str, String)> {
    vec![
        ("RECORDING", sidecar.id.to_string()),
        ("DATE", sidecar.started_at.clone()),
        ("ENDED", sidecar.ended_at.clone()),
    ]
}

/// A file that is hashed as it is written.
pub(in crate::archive) struct Sink {
    index: usize,
    name: String,
    file: Arc<dyn DiskFile>,
    encoder: Option<Encoder>,
    hash: Sha256,
    waiting: Vec<u8>,
    written: u64,
    /// Samples of all channels that came, and that were to come.
    samples: u64,
    planned: u64,
}

impl Sink {
    pub(in crate::archive) fn new(
        index: usize,
        plan: &FilePlan,
        file: Arc<dyn DiskFile>,
        tags: &[(&'static str, String)],
    ) -> Self {
        let (mut encoder, mut waiting) = (Encoder::new(plan, tags), Vec::new());
        encoder.begin(&mut waiting);
        let planned = plan.frames * u64::from(plan.channels);
        Self {
            index,
            name: plan.name.clone(),
            file,
            encoder: Some(encoder),
            hash: Sha256::new(),
            waiting,
            written: 0,
            samples: 0,
            planned,
        }
    }

    pub(in crate::archive) fn take(&mut self, samples: &[i16]) -> io::Result<()> {
        self.samples += samples.len() as u64;
        if let Some(encoder) = &mut self.encoder {
            encoder.take(samples, &mut self.waiting);
        }
        if self.waiting.len() < WRITE_BLOCK { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(&self.waiting);
        self.file.write_at(self.written, &self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// The file's size and SHA-256; all of it is on the disk.
    pub(in crate::archive) fn finish(mut self) -> io::Result<(u64, String)> {
        let patch = self.encoder.take().and_then(|encoder| encoder.finish(&mut self.waiting));
        self.flush()?;
        if let Some(patch) = patch {
            self.file.write_at(patch.offset, &patch.bytes)?;
            // Its beginning has changed.
            (_, self.hash) = digest(&*self.file, &mut vec![0; WRITE_BLOCK])?;
        }
        self.file.end()?;
        self.file.sync_data()?;
        Ok((self.written, recordings::hexadecimal(&self.hash.finalize())))
    }
}
