//! What is not of one recording: rows without a sheet, journals, the audit log.

use std::io;

use anyhow::Result;
use siprec_core::seed::{RecordingId, SessionId};

use super::recording::Case;
use super::report::{Fault, Finding, Report};
use super::{Inspector, mend};
use crate::archive::audit;
use crate::archive::catalog::{Filter, Row};
use crate::archive::disk::Disk as _;
use crate::archive::erasure::certificates;
use crate::archive::journal::{PutAway, inspect};
use crate::archive::receipt::Receipt;
use crate::archive::recordings::{day_folder, sheet as sheet_of};
use crate::wall;

/// Rows of the catalog whose recording has no sheet; `missing` is told of those that have a row.
pub(super) fn rows(inspector: &Inspector<'_>, missing: &mut Vec<RecordingId>, report: &mut Report) -> Result<()> {
    let Ok(catalog) = &inspector.catalog else { return Ok(()) };
    let options = inspector.options;
    let filter =
        Filter { since: options.since, ids: options.ids.clone(), node: inspector.node.clone(), ..Filter::default() };
    for row in catalog.select(filter) {
        let row = row?;
        missing.retain(|id| *id != row.id);
        let day = row.folder();
        let sheet = sheet_of(&options.data.join(day), row.id);
        // Erased while we look: its row is gone, too.
        if sheet.exists() || catalog.find(row.id)?.is_none() || inspector.is_being_erased(row.id) {
            continue;
        }
        report.tell(&without_sheet(inspector, &row, day))?;
    }
    Ok(())
}

/// The sheet may be in a target. The row stays in any case: it may be all that tells of the recording.
fn without_sheet(inspector: &Inspector<'_>, row: &Row, day: &str) -> Finding {
    let sheet = sheet_of(&inspector.options.data.join(day), row.id);
    let what = "the catalog has it, and its sheet is gone; siprec archive rebuild makes a catalog without it";
    let mut finding = Finding::new(Fault::RowWithoutSheet, what.to_owned()).about(row.id);
    if inspector.options.mend {
        let mut case = Case::new(inspector, row.id, sheet.clone(), day.to_owned());
        case.receipt = Receipt::read(&*inspector.options.disk, &sheet).ok().flatten();
        finding.tried(mend::in_turn(&mut case, mend::sheet).map(|how| format!("{how}; verify it again")));
    }
    finding
}

/// Journals that were put away. Those of live sessions are being written; recovery looks after them.
pub(super) fn journals(inspector: &Inspector<'_>, sessions: &[SessionId], report: &mut Report) -> Result<()> {
    let options = inspector.options;
    let since = options.since.map(day_folder);
    let since = since.as_deref().and_then(|day| day.split_once('/')).map(|(_, day)| day);
    for (folder, _, session) in PutAway::of(&*options.disk, &options.data, since) {
        if !options.ids.is_empty() && !sessions.contains(&session) {
            continue;
        }
        let what = match inspect(&*options.disk, &folder) {
            Ok(inspected) if !inspected.damage.is_serious() => {
                report.journal();
                continue;
            }
            Ok(inspected) => {
                report.journal();
                let damage = inspected.damage;
                format!(
                    "{} broken blocks, {} octets of none, {} marks that do not fit",
                    damage.blocks, damage.garbage, damage.marks
                )
            }
            // Its time was over.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => continue,
            Err(error) => error.to_string(),
        };
        report.tell(&Finding::new(Fault::JournalDamaged, format!("journal of session {session}: {what}")))?;
    }
    Ok(())
}

/// Erased recordings of which a target's provider keeps copies still, as their certificates say. Nothing of that can be put right.
pub(super) fn kept(inspector: &Inspector<'_>, report: &mut Report) -> Result<()> {
    let options = inspector.options;
    let now = wall::now();
    for certificate in certificates(options.disk.beneath(), &options.data)? {
        let Ok(certificate) = certificate else { continue };
        let kept = certificate.targets.iter().filter_map(|there| there.kept.as_ref());
        if kept.clone().any(|kept| kept.may_be_there(now)) {
            report.kept(kept.filter_map(|kept| kept.until.clone()).max());
        }
    }
    Ok(())
}

/// The audit log, as `siprec archive audit --verify` does.
pub(super) fn audit_log(inspector: &Inspector<'_>, report: &mut Report) -> Result<()> {
    let options = inspector.options;
    let checked = audit::check(options.disk.beneath(), &options.data, &inspector.key, &mut |_| {})?;
    report.audit_entries(checked.entries);
    match checked.fault {
        Some(fault) => Ok(report.tell(&Finding::new(Fault::AuditLog, fault.to_string()))?),
        None => Ok(()),
    }
}
