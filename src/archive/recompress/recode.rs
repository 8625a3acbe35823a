//! One audio file becomes another: hashed as it is read, encoded under a temporary name, read back and compared.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::Digest as _;
use siprec_core::render::{FileBefore, FileCoding, FilePlan, FileSheet, SealedSheet};

use super::RecompressError;
use crate::archive::decode::Decoder;
use crate::archive::digest::digest;
use crate::archive::disk::{Disk, DiskFile, Reading};
use crate::archive::finish::Sink;
use crate::archive::recordings::{StoredFile, hexadecimal, stored_file};
use crate::archive::sealed::named;
use crate::archive::soundness::file_fault;

/// What temporary names end in.
pub(super) const PART: &str = "part";
/// Octets that are hashed at a time.
const BLOCK: usize = 256 * 1024;

/// What a file became.
#[derive(Debug)]
pub(super) struct Recoded {
    /// The file that is there now, under its temporary name.
    pub(super) file: FileSheet,
    /// What it was made of.
    pub(super) before: FileBefore,
}

/// Where files lie, and when to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    /// Carries it out.
    pub(super) disk: &'p dyn Disk,
    /// The recording's day.
    pub(super) folder: &'p Path,
    /// Set when nothing is to go on.
    pub(super) stop: &'p AtomicBool,
}

impl Place<'_> {
    /// Makes a file of `coding` of the one that `sheet` tells of, which is here. It has its temporary name, and is durable.
    pub(super) fn recode(
        self,
        sheet: &FileSheet,
        coding: FileCoding,
        tags: &[(&'static str, String)],
    ) -> Result<Recoded, RecompressError> {
        self.check(sheet)?;
        let plan = FilePlan::recoded(sheet, coding);
        // What was sealed is not laid open.
        let name = named(&plan.name, self.disk.seals() || sheet.sealed.is_some());
        let part = self.folder.join(format!("{name}.{PART}"));
        let failure = |source| RecompressError::Disk { path: part.clone(), source };
        let create = || {
            if self.disk.exists(&part)? {
                self.disk.remove_file(&part)?;
            }
            self.disk.create_new(&part)
        };
        let mut sink = Sink::new(0, &plan, create().map_err(failure)?, tags);
        let samples =
            self.samples(sheet, &self.folder.join(stored_file(sheet).name), &mut |samples| sink.take(samples))?;
        let (bytes, sha256) = sink.finish().map_err(failure)?;
        let sealed = match name == plan.name {
            true => None,
            false => {
                let (bytes, sha256) =
                    sums(&*self.disk.beneath().open_read(&part).map_err(failure)?).map_err(failure)?;
                Some(SealedSheet { name, bytes, sha256 })
            }
        };
        let file = FileSheet {
            name: plan.name,
            bytes,
            sha256,
            format: coding.format().to_owned(),
            coding,
            sealed,
            ..sheet.clone()
        };
        self.compare(&file, &part, &samples)?;
        let before = FileBefore {
            name: sheet.name.clone(),
            bytes: sheet.bytes,
            sha256: sheet.sha256.clone(),
            coding: sheet.coding,
            sealed: sheet.sealed.clone(),
            samples_sha256: samples,
        };
        Ok(Recoded { file, before })
    }

    /// The file is what its sheet says, as it lies and as it opens.
    fn check(self, sheet: &FileSheet) -> Result<(), RecompressError> {
        let path = self.folder.join(stored_file(sheet).name);
        let found = self.disk.beneath().open_read(&path).and_then(|file| sums(&*file));
        if let Some(fault) = file_fault(stored_file(sheet), found) {
            return Err(RecompressError::File(fault));
        }
        let plain = StoredFile { name: &sheet.name, bytes: sheet.bytes, sha256: &sheet.sha256 };
        let fault = sheet.sealed.as_ref().and_then(|_| {
            let found = self.disk.open_read(&path).and_then(|file| sums(&*file));
            file_fault(plain, found)
        });
        fault.map_or(Ok(()), |fault| Err(RecompressError::File(fault)))
    }

    /// Gives the samples of a file to `take`; their SHA-256.
    fn samples(
        self,
        sheet: &FileSheet,
        path: &Path,
        take: &mut dyn FnMut(&[i16]) -> io::Result<()>,
    ) -> Result<String, RecompressError> {
        let failure = |source| RecompressError::Disk { path: path.to_owned(), source };
        let input = Reading::of(self.disk.open_read(path).map_err(failure)?);
        let mut decoder = Decoder::open(sheet, input).map_err(failure)?.ok_or(RecompressError::NotWav)?;
        decoder
            .each(&mut |samples| {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(io::Error::other("it was stopped"));
                }
                take(samples)
            })
            .map_err(failure)
    }

    /// What was written can be read back: of FLAC, its samples are the same; of Opus, its octets are those that were written.
    fn compare(self, file: &FileSheet, part: &Path, samples: &str) -> Result<(), RecompressError> {
        let differs = |what| RecompressError::Differs { name: file.name.clone(), what };
        if file.coding == FileCoding::Flac {
            let found = self.samples(file, part, &mut |_| Ok(()))?;
            return if found == samples { Ok(()) } else { Err(differs("its samples are others")) };
        }
        let failure = |source| RecompressError::Disk { path: part.to_owned(), source };
        let found = self.disk.open_read(part).and_then(|out| sums(&*out)).map_err(failure)?;
        if found == (file.bytes, file.sha256.clone()) { Ok(()) } else { Err(differs("it is not what was written")) }
    }
}

/// Length and SHA-256 of a file.
fn sums(file: &dyn DiskFile) -> io::Result<(u64, String)> {
    let (bytes, hash) = digest(file, &mut vec![0; BLOCK])?;
    Ok((bytes, hexadecimal(&hash.finalize())))
}
