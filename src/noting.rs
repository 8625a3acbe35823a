//! Noting what people decide about a recording: holds and tags, beside it, in the catalog and in the storage targets.

use anyhow::{Context as _, bail};

use crate::archive::audit::Action;
use crate::archive::catalog::Row;
use crate::archive::lock::change_lock;
use crate::archive::notes::{Hold, Notes, Tag};
use crate::archive::receipt::Receipt;
use crate::archive::recordings;
use crate::erasing::Erasing;
use crate::wall;

/// What is to be noted of a recording.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is held for this matter.
    Hold(String),
    /// It is held no longer: for this matter, or for any.
    Release(Option<String>),
    /// Tags that it gets, and tags that it loses.
    Tag(Vec<Tag>, Vec<Tag>),
}

impl Change {
    /// As the audit log names it. Reasons and tags are words of people: they stand in the notes alone.
    pub fn action(&self) -> Action {
        match self {
            Self::Hold(_) => Action::Held,
            Self::Release(_) => Action::Released,
            Self::Tag(..) => Action::Tagged,
        }
    }
}

/// Notes `changes` of one recording, in this order, which `by` wants; its notes, and whether anything changed.
///
/// # Errors
/// It is not there, or its notes, the catalog or the outbox cannot be written.
pub fn note(erasing: &Erasing, row: &Row, changes: &[Change], by: &str) -> anyhow::Result<(Notes, bool)> {
    let (disk, data) = (erasing.disk(), erasing.data());
    let _turn = change_lock(data)?;
    let day = row.folder();
    let sheet = recordings::sheet(&data.join(day), row.id);
    if !disk.exists(&sheet)? {
        bail!("{} is not there: it is being erased, or was moved away", sheet.display());
    }
    let mut notes = Notes::read(disk, &sheet, row.id)?;
    let before = notes.clone();
    changes.iter().for_each(|change| apply(&mut notes, change, by));
    let is_new = notes != before;
    if is_new {
        notes.write(disk, &sheet)?;
    }
    // Also where nothing changed: a crash may have come in between the last time.
    recordings::renew(disk, erasing.catalog(), &sheet, day).context("the catalog is not told")?;
    let receipt = Receipt::read(disk, &sheet)?;
    if let (Some(queue), Some(receipt), true) = (erasing.queue(), receipt, is_new) {
        let targets: Vec<String> = receipt.targets.iter().map(|known| known.target.clone()).collect();
        queue.add(&targets, row.id, row.session_id, day, (wall::now_ms(), true))?;
    }
    Ok((notes, is_new))
}

fn apply(notes: &mut Notes, change: &Change, by: &str) {
    match change {
        Change::Hold(reason) => {
            let since = wall::now().rfc3339();
            notes.hold(Hold { reason: reason.clone(), by: by.to_owned(), since });
        }
        Change::Release(reason) => {
            notes.release(reason.as_deref());
        }
        Change::Tag(add, remove) => {
            notes.tags.extend(add.iter().cloned());
            notes.tags.retain(|tag| !remove.contains(tag));
        }
    }
}
