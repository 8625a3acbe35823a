//! `siprec export --verify`: whether recordings are what their server signed, told without server, catalog or journal.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use siprec_core::render::{FileSheet, Sidecar};
use siprec_core::seed::RecordingId;

use super::copy::is_plain_name;
use super::digest::{BLOCK, digest};
use crate::archive::disk::RealDisk;
use crate::archive::proof_key::{PublicKey, SIGNATURE};
use crate::archive::recordings;

/// Public keys are looked for so many folders up: `YYYY/MM/DD`, `recordings`, the data directory.
const FOLDERS_UP: usize = 6;

/// What to verify, by what.
#[derive(Debug, Clone)]
pub struct Check {
    /// Folders with recordings in them, sheets, or files of recordings.
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
        ensure!(sheets.len() > known, "{}: there is no recording's sheet (ID.json) here", path.display());
    }
    let keys = keys(check)?;
    let (mut sound, mut at_fault, mut block) = (0_u64, 0_u64, vec![0; BLOCK]);
    for path in &sheets {
        let faults = faults(path, &keys, &mut block);
        match faults.is_empty() {
            true => sound += 1,
            false => at_fault += 1,
        }
        if check.json {
            let line = serde_json::json!({ "path": path, "ok": faults.is_empty(), "faults": faults });
            writeln!(out, "{line}")?;
        } else if faults.is_empty() {
            writeln!(out, "ok     {}", path.display())?;
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

/// The sheets at `path`: below it, itself, or those that list it as a file of theirs.
fn find(path: &Path, sheets: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let about = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if about.is_dir() {
        for entry in entries(path)? {
            let is_folder = fs::symlink_metadata(&entry).is_ok_and(|about| about.is_dir());
            if is_folder || is_sheet(&entry) {
                find(&entry, sheets)?;
            }
        }
    } else if is_sheet(path) {
        sheets.push(path.to_owned());
    } else {
        let lists = |sheet: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let sidecar = recordings::read_sidecar(&RealDisk, sheet).ok();
            sidecar.is_some_and(|(_, sidecar)| sidecar.files.iter().any(|file| Some(file.name.as_str()) == name))
        };
        let beside = entries(folder_of(path))?.into_iter().filter(|entry| is_sheet(entry));
        sheets.extend(beside.filter(lists));
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_sheet(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.extension().is_some_and(|extension| extension == "json")
        && stem.is_some_and(|stem| stem.parse::<RecordingId>().is_ok())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut entries = list().with_context(|| format!("cannot read {}", folder.display()))?;
    entries.sort();
    Ok(entries)
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

/// What is wrong with the recording of a sheet; nothing, if it is what was signed.
fn faults(path: &Path, keys: &[PublicKey], block: &mut [u8]) -> Vec<String> {
    let (text, sidecar): (Vec<u8>, Sidecar) = match recordings::read_sidecar(&RealDisk, path) {
        Ok(read) => read,
        Err(error) => return vec![error.to_string()],
    };
    let mut signature = path.as_os_str().to_owned();
    signature.push(SIGNATURE);
    let mut faults = match fs::read(&signature) {
        Ok(signature) if keys.iter().any(|key| key.verifies(&text, &signature)) => Vec::new(),
        Ok(_) => vec!["the signature is not of this sheet by any of the keys".to_owned()],
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            vec!["it was not signed, or its .json.sig is gone".to_owned()]
        }
        Err(error) => vec![format!("its signature cannot be read: {error}")],
    };
    faults.extend(sidecar.files.iter().filter_map(|file| fault_of(folder_of(path), file, block)));
    faults
}

fn fault_of(folder: &Path, file: &FileSheet, block: &mut [u8]) -> Option<String> {
    if !is_plain_name(&file.name) {
        return Some(format!("it names a file \"{}\" in another folder", file.name));
    }
    match digest(&folder.join(&file.name), block) {
        Ok((bytes, sha256)) if bytes == file.bytes && sha256.eq_ignore_ascii_case(&file.sha256) => None,
        Ok((bytes, _)) if bytes != file.bytes => {
            Some(format!("{} has {bytes} bytes, its sheet says {}", file.name, file.bytes))
        }
        Ok((_, sha256)) => Some(format!("{} is changed: SHA-256 {sha256}, its sheet says {}", file.name, file.sha256)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("{} is gone", file.name)),
        Err(error) => Some(format!("{} cannot be read: {error}", file.name)),
    }
}
