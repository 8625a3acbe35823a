//! The files that a command line names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::archive::sealed::is_sealed;

/// Folders stand for the captures and segments in them, by name: a journal is a folder.
pub(crate) fn segments_of_folders(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let listed = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut inside: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
        let is_capture = |file: &Path| file.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
        inside.retain(|file| {
            is_capture(file) || is_sealed(file) && is_capture(Path::new(file.file_stem().unwrap_or_default()))
        });
        inside.sort();
        if inside.is_empty() {
            bail!("{}: no .pcap or .pcapng in this folder", path.display());
        }
        files.extend(inside);
    }
    Ok(files)
}

/// Octets of all the files; none where one is no file.
pub(crate) fn total_bytes(files: &[PathBuf]) -> Option<u64> {
    files.iter().map(|path| path.metadata().ok().filter(|m| m.is_file()).map(|m| m.len())).sum()
}
