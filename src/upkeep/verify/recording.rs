//! One recording: its sheet, its files, what targets have of it, and its row.

use std::collections::BTreeMap;
use std::path::PathBuf;

use siprec_core::render::Sidecar;
use siprec_core::seed::{RecordingId, SessionId};

use super::report::{Fault, Finding};
use super::{Inspector, files, is_there, mend, objects};
use crate::archive::catalog::Record;
use crate::archive::notes::Notes;
use crate::archive::outbox::is_all;
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{StoredFile, read_sidecar, stored_files};
use crate::archive::soundness::{SignatureFault, descent_fault, is_plain_name, signature_fault};
use crate::archive::storage::Content;

/// A recording that is looked at.
pub(super) struct Case<'i> {
    pub(super) inspector: &'i Inspector<'i>,
    pub(super) id: RecordingId,
    pub(super) sheet: PathBuf,
    /// The folder of its files, from the data directory on.
    pub(super) day: String,
    /// Its sheet as it was read.
    text: Vec<u8>,
    /// What its sheet says, once that is read and is what was signed.
    pub(super) sidecar: Option<Sidecar>,
    pub(super) receipt: Option<Receipt>,
    /// Files that are here, and whole.
    pub(super) local: BTreeMap<String, Content>,
    findings: Vec<Finding>,
}

impl<'i> Case<'i> {
    pub(super) fn new(inspector: &'i Inspector<'i>, id: RecordingId, sheet: PathBuf, day: String) -> Self {
        let (sidecar, receipt) = (None, None);
        let (text, local, findings) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { inspector, id, sheet, day, text, sidecar, receipt, local, findings }
    }

    /// Looks at all of it, and puts right what can be, if that is wanted; `false` if it is none of those that are asked for, or
    /// was erased meanwhile.
    pub(super) fn look(&mut self) -> bool {
        if self.inspector.is_being_erased(self.id) {
            return false;
        }
        let mut receipt_fault = self.read_receipt();
        match self.read_sheet() {
            Some(finding) => self.take(finding, mend::sheet),
            None if !self.is_asked_for() => return false,
            None => {}
        }
        if let Some(finding) = receipt_fault.take() {
            self.take(finding, mend::receipt);
        }
        if let Some(sidecar) = self.sidecar.clone() {
            if let Some(stranger) = stored_files(&sidecar).find(|file| !is_plain_name(file.name)) {
                let what = format!("its sheet names a file \"{}\" in another folder", stranger.name);
                self.findings.push(Finding::new(Fault::SheetDamaged, what).about(self.id));
                return true;
            }
            if let Err(error) = Notes::read(&*self.inspector.options.disk, &self.sheet, self.id) {
                self.findings.push(Finding::new(Fault::NotesDamaged, error.to_string()).about(self.id));
            }
            if let Some(fault) = descent_fault(&sidecar, std::slice::from_ref(&self.inspector.key)) {
                self.findings.push(Finding::new(Fault::DescentWrong, fault.to_string()).about(self.id));
            }
            files::look(self, &sidecar);
            objects::look(self, &sidecar);
            self.look_at_queue(&sidecar);
            self.look_at_row(&sidecar);
        }
        let is_erased = || self.inspector.is_being_erased(self.id) || !is_there(self.inspector, &self.sheet);
        self.findings.is_empty() || !is_erased()
    }

    /// Whether another sheet took the place of the one that was read: it was recompressed.
    pub(super) fn was_replaced(&self) -> bool {
        let now = read_sidecar(&*self.inspector.options.disk, &self.sheet);
        !self.text.is_empty() && now.is_ok_and(|(text, sidecar)| text != self.text && sidecar.recompressed.is_some())
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// The session it was recorded in.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.sidecar.as_ref()?.recording_session.id
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Takes in something that is wrong; where that is wanted, `put_right` does so, and says how.
    pub(super) fn take(&mut self, finding: Finding, put_right: impl FnOnce(&mut Self) -> anyhow::Result<String>) {
        let mut finding = finding.about(self.id);
        if self.inspector.options.mend {
            finding.tried(mend::in_turn(self, put_right));
        }
        self.findings.push(finding);
    }

    /// Reads the sheet, and what signed it.
    pub(super) fn read_sheet(&mut self) -> Option<Finding> {
        let disk = &*self.inspector.options.disk;
        let (text, sidecar) = match read_sidecar(disk, &self.sheet) {
            Ok(read) => read,
            Err(error) => return Some(Finding::new(Fault::SheetDamaged, error.to_string())),
        };
        if sidecar.id != self.id {
            return Some(Finding::new(
                Fault::SheetDamaged,
                format!("its sheet is of another recording, {}", sidecar.id),
            ));
        }
        let fault = signature_fault(disk, &self.sheet, &text, std::slice::from_ref(&self.inspector.key));
        if !matches!(fault, Some(SignatureFault::Wrong)) {
            self.sidecar = Some(sidecar);
        }
        self.text = text;
        let kind = match &fault {
            Some(SignatureFault::Missing) => Fault::SignatureMissing,
            Some(SignatureFault::Wrong | SignatureFault::Unreadable(_)) | None => Fault::SignatureWrong,
        };
        fault.map(|fault| Finding::new(kind, fault.to_string()))
    }

    /// Whether a file need not lie here, because a target has it. A server may have stored and released it just now.
    pub(super) fn was_released(&mut self, file: StoredFile<'_>) -> bool {
        let is_known = |case: &Self| case.receipt.as_ref().is_some_and(|receipt| receipt.has(file));
        is_known(self) || (self.read_receipt().is_none() && is_known(self))
    }

    fn read_receipt(&mut self) -> Option<Finding> {
        match Receipt::read(&*self.inspector.options.disk, &self.sheet) {
            Ok(receipt) => {
                self.receipt = receipt;
                None
            }
            Err(error) => Some(Finding::new(Fault::ReceiptDamaged, format!("its receipt: {error}"))),
        }
    }

    /// Of the day that is asked for, it may have started before.
    fn is_asked_for(&self) -> bool {
        let started = self.sidecar.as_ref().and_then(|sidecar| Record::of(sidecar, &self.day).ok());
        let since = self.inspector.options.since;
        since.is_none_or(|since| started.is_none_or(|record| record.row.started_at >= since))
    }

    /// Each target that is set up has all of it, or it waits for that.
    fn look_at_queue(&mut self, sidecar: &Sidecar) {
        let inspector = self.inspector;
        if inspector.is_live(self.session()) {
            return;
        }
        let Some(queue) = inspector.queue.get() else { return };
        let set_up = queue.set_up().unwrap_or_default();
        let disk = &*inspector.options.disk;
        let mut lacking = Vec::new();
        for named in inspector.options.targets.iter().filter(|named| set_up.contains(&named.name)) {
            let known = self.receipt.as_ref().and_then(|receipt| receipt.by(&named.name));
            // What cannot be read was told with the files.
            let has_all = known.is_some_and(|known| is_all(disk, &self.sheet, known, sidecar).unwrap_or(true));
            if !has_all && !queue.is_queued(&named.name, self.id).unwrap_or(true) {
                lacking.push(named.name.clone());
            }
        }
        // One that was stored between both looks has a receipt now.
        let now = Receipt::read(disk, &self.sheet).ok().flatten();
        lacking.retain(|name| {
            let known = now.as_ref().and_then(|receipt| receipt.by(name));
            !known.is_some_and(|known| is_all(disk, &self.sheet, known, sidecar).unwrap_or(true))
        });
        for name in lacking {
            let what = format!("{name} does not have all of it, and it does not wait for that");
            self.take(Finding::new(Fault::NotQueued, what), |case| mend::queue(case, &name));
        }
    }

    fn look_at_row(&mut self, sidecar: &Sidecar) {
        let Ok(catalog) = &self.inspector.catalog else { return };
        let record = match Record::of(sidecar, &self.day) {
            Ok(record) => record.noted(&Notes::or_held(&*self.inspector.options.disk, &self.sheet, self.id)),
            Err(bad) => {
                self.findings.push(Finding::new(Fault::SheetDamaged, bad.to_string()).about(self.id));
                return;
            }
        };
        let finding = match catalog.find(self.id) {
            Ok(Some(mut row)) => {
                row.node = None;
                if row == record.row {
                    return;
                }
                Finding::new(Fault::RowDiffers, "the catalog says something else than its sheet".to_owned())
            }
            Ok(None) if self.inspector.is_live(self.session()) => return,
            Ok(None) => Finding::new(Fault::RowMissing, "the catalog does not have it".to_owned()),
            Err(error) => Finding::new(Fault::CatalogUnreadable, error.to_string()),
        };
        self.take(finding, |case| mend::row(case, &record));
    }
}
