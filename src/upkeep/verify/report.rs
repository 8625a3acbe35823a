//! What is found, as people and scripts are told.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use siprec_core::seed::RecordingId;

/// What can be wrong. Names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// A sheet that cannot be read, or is of another recording.
    SheetDamaged,
    /// A sheet without its signature.
    SignatureMissing,
    /// A sheet that is not what was signed.
    SignatureWrong,
    /// A sheet that does not prove what its files were made of.
    DescentWrong,
    /// A file that neither lies here nor in a target.
    FileMissing,
    /// A file that is not what its sheet says.
    FileDamaged,
    /// The key of sealed files.
    KeyMissing,
    /// A sealed file that does not open to what its sheet says.
    FileUnopenable,
    /// A receipt that cannot be read.
    ReceiptDamaged,
    /// Notes that cannot be read: they count as a hold.
    NotesDamaged,
    /// A target does not have what the receipt says.
    ObjectMissing,
    /// A target has something else.
    ObjectDamaged,
    /// A target cannot be asked.
    ObjectUnchecked,
    /// A target does not have all of it, and it does not wait for it.
    NotQueued,
    /// The catalog does not know a recording.
    RowMissing,
    /// The catalog says something else than the sheet.
    RowDiffers,
    /// The catalog knows a recording that has no sheet.
    RowWithoutSheet,
    /// There is no catalog that can be asked.
    CatalogUnreadable,
    /// A recording that was asked for is nowhere.
    Unknown,
    /// A journal has broken blocks, or cannot be read.
    JournalDamaged,
    /// The audit log is not what was written.
    AuditLog,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) recording: Option<RecordingId>,
    pub(super) fault: Fault,
    /// In words, with the file or target.
    pub(super) what: String,
    /// How it was put right.
    pub(super) mended: Option<String>,
    /// Why it was not, where that was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_mended: Option<String>,
}

impl Finding {
    pub(super) fn new(fault: Fault, what: String) -> Self {
        Self { recording: None, fault, what, mended: None, not_mended: None }
    }

    pub(super) fn about(mut self, recording: RecordingId) -> Self {
        self.recording = Some(recording);
        self
    }

    /// Takes in what became of the try to put it right.
    pub(super) fn tried(&mut self, result: anyhow::Result<String>) {
        match result {
            Ok(how) => self.mended = Some(how),
            Err(why) => self.not_mended = Some(format!("{why:#}")),
        }
    }
}

/// How much was looked at, and how much is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counts {
    /// Recordings that were looked at.
    pub(super) recordings: u64,
    /// Those with something wrong.
    pub(super) at_fault: u64,
    /// Things that are wrong, or were.
    pub(super) faults: u64,
    /// Of those, what was put right.
    pub(super) mended: u64,
    /// Journals that were read.
    pub(super) journals: u64,
    /// Entries of the audit log that are as they were written.
    pub(super) audit_entries: u64,
    /// Erased recordings of which a target's provider keeps copies still (soft delete).
    pub(super) kept: u64,
    /// When the last of those copies goes, as far as that is known; RFC 3339.
    pub(super) kept_until: Option<String>,
}

/// Tells, and counts.
pub(super) struct Report {
    json: bool,
    bar: ProgressBar,
    counts: Counts,
}

impl Report {
    pub(super) fn start(json: bool, watched: bool, expected: Option<u64>) -> Self {
        let bar = match expected {
            _ if !watched => ProgressBar::hidden(),
            Some(expected) => ProgressBar::new(expected),
            None => ProgressBar::new_spinner(),
        };
        let template = match expected {
            Some(_) => "{bar:30} {human_pos} of {human_len} recordings, {per_sec}, {eta} left",
            None => "{spinner} {human_pos} recordings, {per_sec}, {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { json, bar, counts: Counts::default() }
    }

    /// A recording was looked at.
    pub(super) fn recording(&mut self, findings: Vec<Finding>) -> io::Result<()> {
        self.bar.inc(1);
        self.counts.recordings += 1;
        self.counts.at_fault += u64::from(!findings.is_empty());
        findings.iter().try_for_each(|finding| self.tell(finding))
    }

    /// A journal was read.
    pub(super) fn journal(&mut self) {
        self.counts.journals += 1;
    }

    /// So many entries of the audit log are sound.
    pub(super) fn audit_entries(&mut self, entries: u64) {
        self.counts.audit_entries = entries;
    }

    /// Copies of a recording that was erased are kept, until then.
    pub(super) fn kept(&mut self, until: Option<String>) {
        self.counts.kept += 1;
        self.counts.kept_until = self.counts.kept_until.take().max(until);
    }

    pub(super) fn tell(&mut self, finding: &Finding) -> io::Result<()> {
        self.counts.faults += 1;
        self.counts.mended += u64::from(finding.mended.is_some());
        let line = if self.json { serde_json::to_string(finding)? } else { words(finding) };
        self.bar.suspend(|| writeln!(io::stdout(), "{line}"))
    }

    pub(super) fn end(self) -> io::Result<Counts> {
        self.bar.finish_and_clear();
        let Counts { recordings, at_fault, faults, mended, journals, audit_entries, kept, kept_until } = &self.counts;
        let line = if self.json {
            serde_json::to_string(&serde_json::json!({ "summary": self.counts }))?
        } else {
            let until = kept_until.as_deref().map(|until| format!(", the last until {until}")).unwrap_or_default();
            let kept = match kept {
                0 => String::new(),
                kept => format!("; of {kept} erased recordings soft delete may keep copies in a target{until}"),
            };
            format!(
                "{recordings} recordings verified, {at_fault} at fault; {journals} journals and {audit_entries} entries of the \
                 audit log read; {faults} faults, {mended} mended{kept}"
            )
        };
        writeln!(io::stdout(), "{line}")?;
        Ok(self.counts)
    }
}

fn words(finding: &Finding) -> String {
    let Finding { recording, what, mended, not_mended, .. } = finding;
    let whose = recording.map(|id| format!("{id}: ")).unwrap_or_default();
    match (mended, not_mended) {
        (Some(how), _) => format!("MENDED {whose}{what}: {how}"),
        (None, Some(why)) => format!("FAULT  {whose}{what}; not mended: {why}"),
        (None, None) => format!("FAULT  {whose}{what}"),
    }
}
