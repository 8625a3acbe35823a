//! A recording that is there is made again where keys came later that open packets of it.
//!
//! ```text
//! new files as .part -> (turn of changes) -> signatures of both sheets -> names of the files -> sheet -> its signature alone
//!   -> outbox -> catalog row
//! ```
//! Only while its session's journal is in `live`: all keys that may come have come when that is put away. The files keep their names,
//! so copies in targets are replaced by the next delivery. Told from the disk, as all of finishing: the sheet of before says what
//! was sealed, and it is all done again; the new one with the row of before says that outbox and catalog are to be told.

use siprec_core::render::{Plan, Sidecar};

use super::{FinishError, Finisher, Source};
use crate::archive::catalog::Row;
use crate::archive::disk::read_range;
use crate::archive::erase_order;
use crate::archive::lock::change_turn;
use crate::archive::notes::Notes;
use crate::archive::receipt::turn;
use crate::archive::recordings;

/// What came of a recording that has ended.
#[derive(Debug)]
pub(super) enum Done {
    /// It was rendered, or put into the catalog.
    Made(Box<Sidecar>),
    /// It was there, and is better now.
    MadeAgain(Box<Sidecar>),
    /// It is what it was.
    Present {
        /// Packets of it that are kept sealed.
        sealed: u64,
    },
}

impl Finisher {
    /// What is left to be done of a recording that is there, and in the catalog.
    pub(super) fn look_again(&self, source: &Source<'_>, row: &Row, there: Sidecar) -> Result<Done, FinishError> {
        let day = row.folder().to_owned();
        let is_told = there.files.first().is_none_or(|file| file.sha256 == row.sha256);
        if !is_told {
            // A crash came before anybody was.
            self.files(&self.data.join(&day)).sign_alone(&there)?;
            return self.tell(source, there, &day);
        }
        let sealed = there.proof.sealed;
        let present = Ok(Done::Present { sealed });
        if sealed == 0 || !source.unsealer.opens() {
            return present;
        }
        let mut plan = self.plan(source, there.id, there.rendition)?;
        if plan.sidecar.proof.sealed >= sealed || self.is_held(&there, &day) {
            return present;
        }
        let folder = self.data.join(&day);
        let files = self.files(&folder);
        files.prepare(&mut plan, &|take| self.entries(source, take))?;
        match self.switch(plan, &there, &day)? {
            Some(sidecar) => self.tell(source, sidecar, &day),
            None => present,
        }
    }

    /// The new files and the new sheet take effect, unless the recording is held, ordered to be erased or changed by now.
    fn switch(&self, plan: Plan, there: &Sidecar, day: &str) -> Result<Option<Sidecar>, FinishError> {
        let folder = self.data.join(day);
        let sheet = recordings::sheet(&folder, there.id);
        let failure = |source| FinishError::Disk { path: sheet.clone(), source };
        let _changes = change_turn(self.disk.beneath(), &self.data).map_err(failure)?;
        let is_ordered = erase_order::is_ordered(&*self.disk, &self.data, there.id).map_err(failure)?;
        let files = self.files(&folder);
        if is_ordered || self.is_held(there, day) || !self.disk.exists(&sheet).map_err(failure)? {
            files.discard(&plan);
            return Ok(None);
        }
        // Whoever changes the receipt waits, and looks at the new sheet then.
        let turn = turn(&*self.disk, &sheet).map_err(failure)?;
        let before = read_range(&*turn, 0, usize::MAX).map_err(failure)?;
        if self.whole(day, there.id).as_ref() != Some(there) {
            files.discard(&plan);
            return Ok(None);
        }
        files.put(plan, &before).map(Some)
    }

    /// Outbox and catalog are told of what it is now.
    fn tell(&self, source: &Source<'_>, sidecar: Sidecar, day: &str) -> Result<Done, FinishError> {
        if let Some(intake) = &self.intake {
            intake.renew(sidecar.id, Some(source.journal.session()), day)?;
        }
        self.enter(&sidecar, day)?;
        Ok(Done::MadeAgain(Box::new(sidecar)))
    }

    /// Whether somebody wants it as it is. A key opens it all the same, by `siprec export --as`.
    fn is_held(&self, there: &Sidecar, day: &str) -> bool {
        let sheet = recordings::sheet(&self.data.join(day), there.id);
        let notes = Notes::or_held(&*self.disk, &sheet, there.id);
        let Some(hold) = notes.holds.first() else { return false };
        tracing::warn!(
            recording = %there.id,
            hold = hold.reason,
            "keys came for packets of a recording that is under a legal hold: it stays as it is; `siprec export --as wav` opens them"
        );
        true
    }
}
