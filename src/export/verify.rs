//! `siprec export --verify`: whether recordings are what their server signed, told without server, catalog or journal.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use siprec_core::render::{FileBefore, FileSheet, Recompressed, Sidecar};
use siprec_core::seed::RecordingId;

use super::digest::{BLOCK, digest};
use super::entries;
use super::vcon::{self, is_vcon};
use crate::archive::disk::RealDisk;
use crate::archive::proof_key::PublicKey;
use crate::archive::recordings::{self, StoredFile};
use crate::archive::soundness::{descent_fault, file_fault, is_plain_name, signature_fault};

/// Public keys are looked for so many folders up: `YYYY/MM/DD`, `recordings`, the data directory.
const FOLDERS_UP: usize = 6;

/// What to verify, by what.
#[derive(Debug, Clone)]
pub struct Check {
    /// Folders with recordings in them, sheets, vCons, or files of recordings.
    pub paths: Vec<PathBuf>,
    /// Whose signatures are trusted; empty: keys that lie beside the recordings.
    pub public_keys: Vec<PathBuf>,
    /// One JSON object a recording.
    pub json: bool,
}

/// Verifies, and tells of each recording on standard output.
///
/// # Errors
/// A path or key that cannot be read, nothing to verify, or anything that does not verify.
pub fn verify(check: &Check) -> anyhow::Result<()> {
    verify_to(check, &mut io::BufWriter::new(io::stdout().lock()))
}

fn verify_to(check: &Check, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut sheets = Vec::new();
    for path in &check.paths {
        let known = sheets.len();
        find(path, &mut sheets)?;
        ensure!(
            sheets.len() > known,
            "{}: there is no recording's sheet (ID.json) or vCon (.vcon.json) here",
            path.display()
        );
    }
    let keys = keys(check)?;
    let (mut sound, mut at_fault, mut block) = (0_u64, 0_u64, vec![0; BLOCK]);
    for path in &sheets {
        let (faults, descent) = match is_vcon(path) {
            true => (vcon::faults(path, &keys), None),
            false => faults(path, &keys, &mut block),
        };
        match faults.is_empty() {
            true => sound += 1,
            false => at_fault += 1,
        }
        if check.json {
            let mut line = serde_json::json!({ "path": path, "ok": faults.is_empty(), "faults": faults });
            if let (Some(descent), Some(line)) = (&descent, line.as_object_mut()) {
                line.insert("recompressed".to_owned(), descent.json());
            }
            writeln!(out, "{line}")?;
        } else if faults.is_empty() {
            writeln!(out, "ok     {}", path.display())?;
            for line in descent.iter().flat_map(Descent::words) {
                writeln!(out, "       {line}")?;
            }
        } else {
            writeln!(out, "FAULT  {}: {}", path.display(), faults.join("; "))?;
        }
    }
    if !check.json {
        writeln!(out, "{sound} verified, {at_fault} at fault")?;
    }
    out.flush()?;
    if at_fault > 0 {
        bail!("{at_fault} of {} recordings do not verify", sound + at_fault);
    }
    Ok(())
}

/// The sheets and vCons at `path`: below it, itself, or those that list it as a file of theirs.
fn find(path: &Path, sheets: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let about = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if about.is_dir() {
        for entry in entries(path)? {
            let is_folder = fs::symlink_metadata(&entry).is_ok_and(|about| about.is_dir());
            if is_folder || is_sheet(&entry) || is_vcon(&entry) {
                find(&entry, sheets)?;
            }
        }
    } else if is_sheet(path) || is_vcon(path) {
        sheets.push(path.to_owned());
    } else {
        let lists = |sheet: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let sidecar = recordings::read_sidecar(&RealDisk, sheet).ok();
            sidecar.is_some_and(|(_, sidecar)| {
                sidecar.files.iter().any(|file| {
                    Some(file.name.as_str()) == name || file.sealed.as_ref().map(|sealed| sealed.name.as_str()) == name
                })
            })
        };
        let beside = entries(folder_of(path))?.into_iter().filter(|entry| is_sheet(entry));
        sheets.extend(beside.filter(lists));
    }
    Ok(())
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_sheet(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.extension().is_some_and(|extension| extension == "json")
        && stem.is_some_and(|stem| stem.parse::<RecordingId>().is_ok())
}

/// The keys that were given, or that lie in the paths' folders or above them.
fn keys(check: &Check) -> anyhow::Result<Vec<PublicKey>> {
    if !check.public_keys.is_empty() {
        return check.public_keys.iter().map(|path| PublicKey::read(path)).collect();
    }
    let mut keys = Vec::new();
    for path in &check.paths {
        let path = fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?;
        for folder in path.ancestors().filter(|folder| folder.is_dir()).take(FOLDERS_UP) {
            let is_key = |path: &PathBuf| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("siprec-proof") && name.ends_with(".pub")
            };
            // A folder above may be nobody's to read.
            let found = entries(folder).unwrap_or_default().into_iter().filter(is_key);
            keys.extend(found.map(|path| PublicKey::read(&path)).collect::<anyhow::Result<Vec<_>>>()?);
        }
    }
    ensure!(
        !keys.is_empty(),
        "there is no siprec-proof.pub beside the recordings: give the server's with --public-key"
    );
    Ok(keys)
}

/// What the files of a recording were made of.
struct Descent(Recompressed);

impl Descent {
    fn words(&self) -> Vec<String> {
        let Recompressed { at, lossless, files, sheet_sha256, .. } = &self.0;
        let how = if *lossless { "each sample as it was" } else { "lossy: the samples are gone" };
        let of = |file: &FileBefore| format!("made of {}, SHA-256 {}", file.name, file.sha256);
        let last = format!("at {at} ({how}); the sheet of before, SHA-256 {sheet_sha256}, is in the sheet, and signed");
        files.iter().map(of).chain([last]).collect()
    }

    fn json(&self) -> serde_json::Value {
        let Recompressed { at, lossless, files, sheet_sha256, .. } = &self.0;
        let files = files
            .iter()
            .map(|file| serde_json::json!({ "name": file.name, "bytes": file.bytes, "sha256": file.sha256 }));
        let files: Vec<_> = files.collect();
        serde_json::json!({ "at": at, "lossless": lossless, "files": files, "sheet_sha256": sheet_sha256 })
    }
}

/// What is wrong with the recording of a sheet; nothing, if it is what was signed. And what its files were made of.
fn faults(path: &Path, keys: &[PublicKey], block: &mut [u8]) -> (Vec<String>, Option<Descent>) {
    let (text, sidecar): (Vec<u8>, Sidecar) = match recordings::read_sidecar(&RealDisk, path) {
        Ok(read) => read,
        Err(error) => return (vec![error.to_string()], None),
    };
    let signature = signature_fault(&RealDisk, path, &text, keys);
    let mut faults: Vec<String> = signature.iter().map(ToString::to_string).collect();
    faults.extend(descent_fault(&sidecar, keys).map(|fault| fault.to_string()));
    faults.extend(sidecar.files.iter().filter_map(|file| fault_of(folder_of(path), file, block)));
    (faults, sidecar.recompressed.map(Descent))
}

fn fault_of(folder: &Path, file: &FileSheet, block: &mut [u8]) -> Option<String> {
    if !is_plain_name(&file.name) {
        return Some(format!("it names a file \"{}\" in another folder", file.name));
    }
    match &file.sealed {
        // In the archive itself; a copy that was exported is plain. Either is what was signed.
        Some(sealed) if is_plain_name(&sealed.name) && !folder.join(&file.name).exists() => {
            let sealed = StoredFile { name: &sealed.name, bytes: sealed.bytes, sha256: &sealed.sha256 };
            fault_as(folder, sealed, block)
        }
        Some(_) | None => {
            fault_as(folder, StoredFile { name: &file.name, bytes: file.bytes, sha256: &file.sha256 }, block)
        }
    }
}

/// What is wrong with a file that should be so.
fn fault_as(folder: &Path, file: StoredFile<'_>, block: &mut [u8]) -> Option<String> {
    file_fault(file, digest(&RealDisk, &folder.join(file.name), block)).map(|fault| fault.to_string())
}
