//! One recording, rendered again from its journal into the folder of its day.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use siprec_core::node_key::NodeKey;
use siprec_core::render::{Detail, Rendition, Sidecar};

use super::copy::Outcome;
use super::digest::{BLOCK, digest};
use super::entries;
use super::source::{Archive, Found};
use super::stop::{Interrupted, Stop};
use super::unpack;
use crate::archive::disk::Disk as _;
use crate::archive::finish::{FinishError, Form, render_again};
use crate::archive::recordings;

/// How recordings are rendered again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rendering<'r> {
    pub(super) archive: &'r Archive,
    /// Unwraps the journals' keys of SRTP.
    pub(super) node_key: Option<&'r NodeKey>,
    /// What their sheets do not tell.
    pub(super) leave_out: &'r [Detail],
    /// What is to be told beside.
    pub(super) warnings: &'r Mutex<Vec<u8>>,
    pub(super) stop: &'r Stop,
}

impl Rendering<'_> {
    /// Renders a recording below `to`; not again where a sheet there tells of the same.
    pub(super) fn render(self, to: &Path, found: &Found, form: Form) -> Result<Outcome> {
        let target = to.join(&found.day);
        let disk = self.archive.disk.beneath();
        if let (Form::Audio(rendition), Ok(there)) =
            (form, recordings::whole(disk, &target.join(format!("{}.json", found.sidecar.id))))
            && is_same(&there, &found.sidecar, rendition)
        {
            return Ok(Outcome::Present);
        }
        let own = std::path::absolute(&found.sheet)?;
        ensure!(
            Some(std::path::absolute(&target)?.as_path()) != own.parent(),
            "{} is the archive itself: give --to another folder",
            to.display()
        );
        let disk = &*self.archive.disk;
        let render = |folder: &Path| {
            let keys = (self.archive.data.as_path(), self.node_key);
            let (sidecar, leave_out) = (&found.sidecar, self.leave_out);
            match render_again(disk, keys, sidecar, form, leave_out, (folder, self.stop.flag())) {
                Err(FinishError::Stopped) => Err(Interrupted.into()),
                result => {
                    let made = result.with_context(|| format!("cannot render to {}", target.display()))?;
                    self.warn(&made);
                    Ok(())
                }
            }
        };
        match form {
            Form::Audio(rendition) => {
                match render(&target) {
                    // Of FLAC each sample is still to be had.
                    Err(error) if is_gone(&error) && unpack::is_possible(&found.sidecar, rendition) => {
                        unpack::unpack(self.archive, found, &target, self.stop)?;
                    }
                    rendered => rendered?,
                }
                Ok(Outcome::Copied)
            }
            // Nothing in these tells whether they are of this journal: they are made, and compared.
            Form::Sheet | Form::Packets => {
                let aside = Aside(target.join(format!(".{}.again", found.sidecar.id)));
                render(&aside.0)?;
                aside.take_over(self.archive, &target)
            }
        }
    }
}

impl Rendering<'_> {
    /// Tells where something cannot be heard for want of our own key.
    fn warn(self, made: &Sidecar) {
        if made.proof.node_key_missing {
            let (id, sealed, data) = (made.id, made.proof.sealed, self.archive.data.display());
            let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
            // Writing to memory does not fail.
            let _ = writeln!(
                warnings,
                "siprec: recording {id}: {sealed} SRTP packets stay sealed: {data}/node.key, which unwraps their keys, is missing or \
                 another one"
            );
        }
    }
}

/// Whether there is no journal to render from.
fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(FinishError::JournalGone { .. }))
}

/// Whether the sheet `there` is what rendering the recording of `sidecar` again would give.
pub(super) fn is_same(there: &Sidecar, sidecar: &Sidecar, rendition: Rendition) -> bool {
    there.id == sidecar.id
        && there.rendition == rendition
        && there.siprec == env!("CARGO_PKG_VERSION")
        && there.journal == sidecar.journal
}

/// A folder beside what is there; gone when this is dropped.
struct Aside(PathBuf);

impl Aside {
    /// Moves its files, which are whole, to where others of the same content are not yet.
    fn take_over(&self, archive: &Archive, target: &Path) -> Result<Outcome> {
        let disk = archive.disk.beneath();
        let mut block = vec![0; BLOCK];
        let mut outcome = Outcome::Present;
        for made in entries(&self.0)? {
            let there = target.join(made.file_name().unwrap_or_default());
            let fresh = digest(disk, &made, &mut block)?;
            if digest(disk, &there, &mut block).is_ok_and(|found| found == fresh) {
                continue;
            }
            let moved = disk.rename(&made, &there).and_then(|()| disk.sync_dir(target));
            moved.with_context(|| format!("cannot rename to {}", there.display()))?;
            outcome = Outcome::Copied;
        }
        Ok(outcome)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left of it would only take room, and is written over by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}
