//! `siprec archive audit`: the audit log, listed and checked.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use crate::archive::audit::{self, Action, Entry, Fault, Lines};
use crate::archive::disk::RealDisk;
use crate::archive::proof_key::{PUBLIC_FILE, PublicKey};
use crate::archive::selection::date_time;
use crate::beside;

/// Which entries, and what is done with them.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The data directory.
    pub data: PathBuf,
    /// Entries of then or later.
    pub since: Option<Wall>,
    /// Entries of before then.
    pub until: Option<Wall>,
    /// Of one of these; empty: of any.
    pub actions: Vec<Action>,
    /// About one of these; empty: about any, or none.
    pub recordings: Vec<RecordingId>,
    /// Check the whole log instead of listing it, whatever is chosen above.
    pub verify: bool,
    /// By this key instead of the data directory's own.
    pub public_key: Option<PathBuf>,
    /// JSON, an object a line.
    pub json: bool,
}

/// What `--verify --json` prints.
#[derive(Serialize)]
struct Report<'r> {
    ok: bool,
    entries: u64,
    torn_octets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'r str>,
}

/// Lists what the log holds, oldest first, or checks it, on standard output. One entry is held at a time.
///
/// # Errors
/// A log that cannot be read, lines that are no entries, or, with `verify`, anything that is not as it was written.
pub fn audit(listing: &Listing) -> anyhow::Result<()> {
    let data = &listing.data;
    beside::is_there(data)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = if listing.verify { verify(listing, &mut out) } else { list(listing, &mut out) };
    out.flush()?;
    done
}

fn list(listing: &Listing, out: &mut dyn Write) -> anyhow::Result<()> {
    let lines = Lines::open(&RealDisk, &listing.data).with_context(|| log(listing))?;
    let mut unreadable = None;
    for (index, line) in lines.into_iter().flatten().enumerate() {
        let line = line.with_context(|| log(listing))?;
        match line.entry() {
            Some(entry) if listing.means(&entry) => print(&entry, listing.json, out)?,
            Some(_) => {}
            // Somebody is writing, or a crash came: the next entry says so.
            None if line.is_torn() => {}
            None => unreadable = unreadable.or(Some(index + 1)),
        }
    }
    match unreadable {
        Some(line) => bail!("{}:{line}: it is no entry, and is not listed: see archive audit --verify", log(listing)),
        None => Ok(()),
    }
}

fn verify(listing: &Listing, out: &mut dyn Write) -> anyhow::Result<()> {
    let key = PublicKey::read(&listing.public_key.clone().unwrap_or_else(|| listing.data.join(PUBLIC_FILE)))?;
    let checked = audit::check(&RealDisk, &listing.data, &key, &mut |_| {}).with_context(|| log(listing))?;
    let audit::Checked { entries, torn, fault } = &checked;
    if listing.json {
        let (line, what) = (fault.as_ref().map(|fault| fault.line), fault.as_ref().map(|fault| fault.what.as_str()));
        let report = Report { ok: fault.is_none(), entries: *entries, torn_octets: *torn, line, fault: what };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else if fault.is_none() {
        let torn = if *torn > 0 { format!("; a crash left {torn} octets of one more") } else { String::new() };
        writeln!(out, "{entries} entries are as they were written, none is missing{torn}")?;
    }
    match fault {
        Some(Fault { line, what }) => bail!("{}:{line}: {what}", log(listing)),
        None => Ok(()),
    }
}

fn log(listing: &Listing) -> String {
    listing.data.join(audit::FILE).display().to_string()
}

impl Listing {
    fn means(&self, entry: &Entry) -> bool {
        let at = date_time(&entry.at);
        self.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| at.is_some_and(|at| at < until))
            && (self.actions.is_empty() || self.actions.iter().any(|action| action.name() == entry.action))
            && (self.recordings.is_empty() || entry.recording.is_some_and(|id| self.recordings.contains(&id)))
    }
}

/// Texts of an entry are ours or the machine's, but what would move the cursor is not printed all the same.
fn print(entry: &Entry, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(entry)?)?);
    }
    let Entry { seq, at, who, from, action, recording, session, detail, .. } = entry;
    let mut line = format!("{seq}  {at}  {action}");
    if let Some(recording) = recording {
        line.push_str(&format!("  {recording}"));
    }
    if let Some(session) = session {
        line.push_str(&format!("  session {session}"));
    }
    line.push_str(&format!("  by {who} from {from}"));
    for (name, value) in detail {
        line.push_str(&format!("  {name}={value}"));
    }
    let plain: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Ok(writeln!(out, "{plain}")?)
}
