//! Sessions of which a recording could not be made.

use std::io::{self, Write};
use std::path::Path;

use super::write_down;
use crate::archive::audit::{Act, Action};
use crate::archive::disk::RealDisk;
use crate::archive::unfinished::{ask_again, list};
use crate::beside;

/// Sessions that are listed.
const MAX_LISTED: usize = 10_000;

/// Prints what could not be made, and why; with `retry` it has that tried again at once, by the server that runs or starts next.
///
/// # Errors
/// The disk's. That there is none is no failure.
pub fn unfinished(data: &Path, retry: bool, json: bool) -> anyhow::Result<()> {
    beside::is_there(data)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let all = list(&RealDisk, data, MAX_LISTED)?;
    if retry && !all.is_empty() {
        ask_again(&RealDisk, data)?;
        write_down(data, Act::new(Action::Retried).with("sessions", all.len()))?;
    }
    if json {
        for unfinished in &all {
            serde_json::to_writer(&mut out, unfinished)?;
            out.write_all(b"\n")?;
        }
        return Ok(out.flush()?);
    }
    if all.is_empty() {
        writeln!(out, "nothing failed: each recording that ended is made, or is being made")?;
    }
    for unfinished in &all {
        let (session, since, tries) = (unfinished.session, &unfinished.since, unfinished.tries);
        writeln!(out, "session {session}: failed {tries} times since {since}")?;
        for failed in &unfinished.failed {
            let which = failed.recording.map_or_else(|| "all of it".to_owned(), |id| format!("recording {id}"));
            writeln!(out, "  {which}: {}", failed.why)?;
        }
    }
    if retry && !all.is_empty() {
        writeln!(out, "tried again now, by the server that runs or starts next")?;
    }
    Ok(out.flush()?)
}
