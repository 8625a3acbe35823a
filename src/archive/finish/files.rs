//! Writing a recording's files: everything under temporary names first, then the renames, in the order that leaves
//! the truth on the disk wherever it is cut.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use siprec_core::entry::Entry;
use siprec_core::render::{self, Levels, Meter, Plan, Sidecar, wav};

use super::FinishError;
use crate::archive::disk::{Disk, DiskFile};
use crate::archive::recordings;

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
}

impl Files<'_> {
    /// Mixes and writes the files of `plan`, whose sidecar is complete but for their digests. All of it is on the
    /// disk, under its final names, when this returns.
    pub(super) fn write(&self, mut plan: Plan, entries: &Entries<'_>) -> Result<Sidecar, FinishError> {
        self.disk.create_dir_all(self.folder).map_err(|source| self.failure("", source))?;
        for index in 0..plan.files.len() {
            let (sha256, levels) = self.write_audio(&plan, index, entries)?;
            plan.sidecar.heard(index, levels);
            let Some(sheet) = plan.sidecar.files.get_mut(index) else { continue };
            sheet.sha256 = sha256;
        }
        for (sheet, file) in plan.sidecar.files.iter_mut().zip(&plan.files) {
            sheet.bytes = file.wav().file_bytes();
        }
        let sidecar = plan.sidecar;
        let sheet_name = format!("{}.json", sidecar.id);
        let recording = sidecar.id;
        let mut text = serde_json::to_vec_pretty(&sidecar)
            .map_err(|why| FinishError::Sheet { recording, why: why.to_string() })?;
        text.push(b'\n');
        self.write_sheet(&sheet_name, &text)?;
        for file in &plan.files {
            self.rename(&file.name)?;
        }
        // The audio's name has to be on the disk before the sidecar's can be.
        self.sync_folder()?;
        self.rename(&sheet_name)?;
        self.sync_folder()?;
        Ok(sidecar)
    }

    /// One audio file under its temporary name, synced. Returns its SHA-256 and what is heard in it.
    fn write_audio(&self, plan: &Plan, index: usize, entries: &Entries<'_>) -> Result<(String, Levels), FinishError> {
        let Some(file) = plan.files.get(index) else { return Ok((String::new(), Meter::new(1).finish())) };
        let name = &file.name;
        let mut sink = Sink {
            file: self.create(name).map_err(|source| self.failure(name, source))?,
            hash: Sha256::new(),
            waiting: file.wav().header(),
            written: 0,
        };
        let mut meter = Meter::new(file.sample_rate);
        render::mix(plan, index, entries, |samples| {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FinishError::Stopped);
            }
            meter.take(samples);
            wav::append_samples(&mut sink.waiting, samples);
            if sink.waiting.len() < WRITE_BLOCK {
                return Ok(());
            }
            sink.flush().map_err(|source| self.failure(name, source))
        })?;
        sink.flush().and_then(|()| sink.file.sync_data()).map_err(|source| self.failure(name, source))?;
        let planned = file.wav().file_bytes();
        if sink.written != planned {
            return Err(FinishError::Length { name: name.clone(), planned, written: sink.written });
        }
        Ok((recordings::hexadecimal(&sink.hash.finalize()), meter.finish()))
    }

    fn write_sheet(&self, name: &str, text: &[u8]) -> Result<(), FinishError> {
        let write = || {
            let file = self.create(name)?;
            file.write_at(0, text)?;
            file.sync_data()
        };
        write().map_err(|source| self.failure(name, source))
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

/// A file that is hashed as it is written.
struct Sink {
    file: Arc<dyn DiskFile>,
    hash: Sha256,
    waiting: Vec<u8>,
    written: u64,
}

impl Sink {
    fn flush(&mut self) -> io::Result<()> {
        self.hash.update(&self.waiting);
        self.file.write_at(self.written, &self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}
