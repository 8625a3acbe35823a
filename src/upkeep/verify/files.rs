//! The files of a recording as they lie here.

use std::io;
use std::path::Path;

use sha2::Digest as _;
use siprec_core::render::{FileSheet, Sidecar};

use super::mend;
use super::recording::Case;
use super::report::{Fault, Finding};
use crate::archive::decode::Decoder;
use crate::archive::digest::digest;
use crate::archive::disk::{Disk, Reading};
use crate::archive::recordings::{KEY, companions, hexadecimal, stored_file, stored_files};
use crate::archive::soundness::{FileFault, file_fault};
use crate::archive::storage::{Content, content};

/// Bytes of an opened file that are read at a time.
const BLOCK: usize = 256 * 1024;

/// Looks at each file that the sheet vouches for, and at the small ones beside it.
pub(super) fn look(case: &mut Case<'_>, sidecar: &Sidecar) {
    key(case, sidecar);
    for (sheet, file) in sidecar.files.iter().zip(stored_files(sidecar)) {
        let found = read(case, file.name);
        let fault =
            file_fault(file, found.as_ref().map(sums).map_err(|error| io::Error::new(error.kind(), error.to_string())));
        let kind = match fault {
            Some(FileFault::Gone(_)) if case.was_released(file) => continue,
            Some(FileFault::Gone(_)) => Fault::FileMissing,
            Some(_) => Fault::FileDamaged,
            None => {
                case.local.extend(found.ok().map(|content| (file.name.to_owned(), content)));
                if let Some(what) = unheard(case, sidecar, sheet) {
                    case.take(Finding::new(Fault::DescentWrong, what), |_| {
                        anyhow::bail!("it lies here as it was signed: it is not what it was made of")
                    });
                }
                if let Some(what) = unopenable(case, sheet) {
                    let finding = Finding::new(Fault::FileUnopenable, what);
                    case.take(finding, |_| {
                        anyhow::bail!("it lies here as it was signed: it is the key that does not fit")
                    });
                }
                continue;
            }
        };
        let what = fault.map(|fault| fault.to_string()).unwrap_or_default();
        case.take(Finding::new(kind, what), |case| mend::file(case, file));
    }
    for name in companions(sidecar) {
        let found = read(case, &name).ok();
        case.local.extend(found.map(|content| (name, content)));
    }
}

fn sums(content: &Content) -> (u64, String) {
    (content.bytes, content.sha256.clone())
}

/// A file as it lies: sealed ones are not opened.
pub(super) fn read(case: &Case<'_>, name: &str) -> io::Result<Content> {
    content(case.inspector.options.disk.beneath().open_read(&case.sheet.with_file_name(name))?)
}

/// The wrapped key, without which nobody opens what is sealed.
fn key(case: &mut Case<'_>, sidecar: &Sidecar) {
    let is_sealed = sidecar.files.iter().any(|file| file.sealed.is_some());
    let name = format!("{}{KEY}", sidecar.id);
    if is_sealed && !case.inspector.options.disk.exists(&case.sheet.with_file_name(&name)).unwrap_or(true) {
        let what = format!("{name} is gone: without it nobody opens its audio");
        case.take(Finding::new(Fault::KeyMissing, what), |case| mend::small(case, &[name]));
    }
}

/// Why a sealed file does not open to what the sheet says, where that is to be known.
fn unopenable(case: &Case<'_>, file: &FileSheet) -> Option<String> {
    let sealed = file.sealed.as_ref().filter(|_| case.inspector.options.deep)?;
    let path = case.sheet.with_file_name(&sealed.name);
    match plain(&*case.inspector.options.disk, &path) {
        Ok((bytes, sha256)) if bytes == file.bytes && sha256.eq_ignore_ascii_case(&file.sha256) => None,
        Ok(_) => Some(format!("{} opens to something else than its sheet says", sealed.name)),
        Err(error) => Some(format!("{} does not open: {error}", sealed.name)),
    }
}

/// Why a file is not what it was made of, where each sample is to be the same and that is to be known.
fn unheard(case: &Case<'_>, sidecar: &Sidecar, file: &FileSheet) -> Option<String> {
    let known = sidecar.recompressed.as_ref().filter(|known| known.lossless && case.inspector.options.deep)?;
    let index = sidecar.files.iter().position(|other| other.name == file.name)?;
    let before = known.files.get(index)?;
    let disk = &*case.inspector.options.disk;
    let name = stored_file(file).name;
    let read = || {
        let input = Reading::of(disk.open_read(&case.sheet.with_file_name(name))?);
        Decoder::open(file, input)?.map(|mut decoder| decoder.each(&mut |_| Ok(()))).transpose()
    };
    match read() {
        Ok(Some(samples)) if samples != before.samples_sha256 => {
            Some(format!("{name} holds other samples than {} did", before.name))
        }
        // What does not open is told by itself.
        Ok(_) | Err(_) if file.sealed.is_some() => None,
        Ok(_) => None,
        Err(error) => Some(format!("{name}: {error}")),
    }
}

/// Length and SHA-256 of a file as it is when it is opened.
fn plain(disk: &dyn Disk, path: &Path) -> io::Result<(u64, String)> {
    let (bytes, hash) = digest(&*disk.open_read(path)?, &mut vec![0; BLOCK])?;
    Ok((bytes, hexadecimal(&hash.finalize())))
}
