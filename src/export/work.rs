//! One recording, as it was asked for, and to where: what each of the threads does.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use siprec_core::node_key::NodeKey;
use siprec_core::render::Detail;

use super::What;
use super::account::Account;
use super::again::Rendering;
use super::copy::{Copier, Done, Outcome, check_against};
use super::jobs::Work;
use super::progress::Progress;
use super::remote::{Remote, Staging};
use super::source::{Archive, Found};
use super::stop::Stop;
use super::superseded::{self, Dealt};
use super::vcon::{Maker, Signer};
use crate::archive::catalog::Row;

/// What all threads do.
pub(super) struct Task {
    pub(super) archive: Archive,
    pub(super) what: What,
    /// Unwraps the journals' keys of SRTP, where something is rendered.
    pub(super) node_key: Option<NodeKey>,
    /// Whether copies of files that the archive has replaced since are removed.
    pub(super) prunes: bool,
    pub(super) leave_out: Vec<Detail>,
    /// Signs vCons.
    pub(super) signer: Option<Signer>,
    /// What left is written down there.
    pub(super) account: Mutex<Account>,
    /// What that has to say for itself, until somebody can be told.
    pub(super) warnings: Mutex<Vec<u8>>,
    pub(super) stop: Stop,
}

impl Task {
    /// Where what left is written down.
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what could not be written down.
    pub(super) fn warn(&self, err: &mut dyn Write) -> io::Result<()> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        err.write_all(&std::mem::take(&mut *warnings))
    }

    /// Writes down what became of a recording: one that was there already did not leave.
    fn write_down(&self, row: &Row, result: &Result<Dealt>) {
        let whole = match result.as_ref().map(|dealt| dealt.outcome) {
            Ok(Outcome::Present) => return,
            Ok(Outcome::Copied) => true,
            Err(_) => false,
        };
        let mut account = self.account();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to memory does not fail.
        let _ = account.handed_out(row.id, whole, &mut *warnings);
    }

    /// Makes of a recording what was asked for, below the folder that `copier` copies to.
    pub(super) fn make(&self, copier: &mut Copier, (row, found): (&Row, &Found), done: Done<'_>) -> Result<Outcome> {
        match &self.what {
            What::Copy => copier.copy(row, found, done),
            What::Render(form) => {
                let rendering = Rendering {
                    archive: &self.archive,
                    node_key: self.node_key.as_ref(),
                    leave_out: &self.leave_out,
                    warnings: &self.warnings,
                    stop: &self.stop,
                };
                let to = copier.to().to_owned();
                rendering.render(&to, found, *form)
            }
            What::Vcon(vcon) => {
                check_against(row, &found.sidecar)?;
                let signer = self.signer.as_ref();
                let maker = Maker { archive: &self.archive, audio: &vcon.audio, signer, stop: &self.stop };
                let to = copier.to().to_owned();
                maker.make(copier, &to, found, done)
            }
        }
    }
}

/// Where a thread's recordings go.
pub(super) enum Place<'t> {
    /// A folder, shared by all.
    Folder(PathBuf),
    /// A target, by way of a folder of its own.
    Target(&'t Remote, Staging),
}

/// A thread's means.
pub(super) struct Worker<'t> {
    task: &'t Task,
    place: Place<'t>,
    copier: Copier,
    progress: Progress,
}

impl<'t> Worker<'t> {
    pub(super) fn new(task: &'t Task, place: Place<'t>, progress: Progress) -> Self {
        let folder = match &place {
            Place::Folder(folder) => folder.as_path(),
            Place::Target(_, staging) => staging.path(),
        };
        let copier = Copier::new(task.archive.clone(), folder, task.stop.clone());
        Self { task, place, copier, progress }
    }

    fn export(&mut self, row: &Row, done: Done<'_>) -> Result<Dealt> {
        let found = self.task.archive.find(row)?;
        let exported = self.export_as(row, &found, done);
        if exported.is_ok() {
            return exported;
        }
        // Its files may have been replaced by others meanwhile (archive.recompress_after).
        match self.task.archive.find(row) {
            Ok(now) if now.text != found.text => self.export_as(row, &now, done),
            Ok(_) | Err(_) => exported,
        }
    }

    fn export_as(&mut self, row: &Row, found: &Found, done: Done<'_>) -> Result<Dealt> {
        let (remote, staging) = match &self.place {
            Place::Folder(folder) => {
                let outcome = self.task.make(&mut self.copier, (row, found), done)?;
                let own = found.sheet.parent().map(std::path::absolute).transpose()?;
                // What the archive itself has replaced, it removes by itself.
                let is_own = Some(std::path::absolute(folder.join(&found.day))?) == own;
                return match self.task.what == What::Copy && !is_own {
                    true => superseded::look(outcome, &found.sidecar, (folder, &found.day), self.task.prunes),
                    false => Ok(outcome.into()),
                };
            }
            Place::Target(remote, staging) => (remote, staging),
        };
        if self.task.what == What::Copy {
            check_against(row, &found.sidecar)?;
        }
        // What a recording before this one left that could not be sent.
        staging.clear()?;
        if remote.holds(found, &self.task.what)? {
            return Ok(Outcome::Present.into());
        }
        self.task.make(&mut self.copier, (row, found), &mut |_| {})?;
        remote.send(staging).map(Dealt::from)
    }
}

impl Work for Worker<'_> {
    fn work(&mut self, row: &Row) -> Result<Dealt> {
        let progress = self.progress.clone();
        let mut told = 0;
        let result = self.export(row, &mut |bytes| {
            let bytes = bytes.min(row.bytes.saturating_sub(told));
            told += bytes;
            progress.advance(bytes);
        });
        // What was not told of on the way: all of what is rendered, or sent.
        progress.advance(row.bytes.saturating_sub(told));
        self.task.write_down(row, &result);
        result
    }
}
