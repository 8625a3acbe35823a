//! Copies of files that the archive has replaced since (`archive.recompress_after`): they lie beside those of today in a folder that is
//! exported into again and again. They are told, and removed where that was asked for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use siprec_core::render::{FileBefore, Sidecar};

use super::copy::Outcome;
use super::digest::{BLOCK, digest};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::soundness::is_plain_name;

/// What was done for a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dealt {
    /// What became of it.
    pub(super) outcome: Outcome,
    /// Copies of files of before, below where copies go, that are there still.
    pub(super) superseded: Vec<PathBuf>,
    /// Those that were removed.
    pub(super) pruned: Vec<PathBuf>,
}

impl From<Outcome> for Dealt {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, superseded: Vec::new(), pruned: Vec::new() }
    }
}

/// Looks for such copies beside those of a recording, which are all there now, in the folder `day` below `to`; removes them if `prunes`:
/// only what is, octet by octet, what was recompressed.
///
/// # Errors
/// The disk's.
pub(super) fn look(outcome: Outcome, sidecar: &Sidecar, (to, day): (&Path, &Path), prunes: bool) -> Result<Dealt> {
    let mut dealt = Dealt::from(outcome);
    let folder = to.join(day);
    for before in sidecar.recompressed.iter().flat_map(|known| &known.files) {
        let is_of_today = sidecar.files.iter().any(|file| file.name == before.name);
        let path = folder.join(&before.name);
        let is_there = || fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() == before.bytes);
        if is_of_today || !is_plain_name(&before.name) || !is_there() {
            continue;
        }
        if prunes && is_same(&path, before)? {
            let removed = RealDisk.remove_file(&path).and_then(|()| RealDisk.sync_dir(&folder));
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
            dealt.pruned.push(day.join(&before.name));
        } else {
            dealt.superseded.push(day.join(&before.name));
        }
    }
    Ok(dealt)
}

fn is_same(path: &Path, before: &FileBefore) -> Result<bool> {
    let (bytes, sha256) =
        digest(&RealDisk, path, &mut vec![0; BLOCK]).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes == before.bytes && sha256.eq_ignore_ascii_case(&before.sha256))
}
