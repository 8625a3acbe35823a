//! What waits for storage targets.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use siprec_core::time::Wall;

use super::write_down;
use crate::archive::audit::{Act, Action};
use crate::archive::disk::RealDisk;
use crate::archive::outbox::{Backlog, Failure, Queue, QueueError};
use crate::config::Span;
use crate::wall::now_ms;

/// Failures that are listed; the rest are counted with their target.
const MAX_LISTED: usize = 1000;

/// Prints how each target stands and what failed, and why; with `retry` it has that tried again at once, by the server that
/// runs or starts next.
///
/// # Errors
/// An outbox that cannot be read. That there is none is no failure: nothing waits.
pub fn outbox(data: &Path, retry: bool, json: bool) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let queue = match Queue::open_beside(data) {
        Err(why @ QueueError::Missing) => {
            if !json {
                writeln!(out, "{why}")?;
            }
            return Ok(out.flush()?);
        }
        queue => queue.with_context(|| format!("in {}", data.display()))?,
    };
    if retry {
        let tried = queue.retry(now_ms())?;
        write_down(data, Act::new(Action::Retried).with("recordings", tried))?;
        let words = if tried == 1 { "1 recording is".to_owned() } else { format!("{tried} recordings are") };
        if !json {
            writeln!(out, "{words} tried again now")?;
        }
    }
    let (backlog, failures) = (queue.backlog()?, queue.failures(MAX_LISTED)?);
    if json {
        for target in &backlog {
            line(&mut out, target)?;
        }
        for failure in &failures {
            line(&mut out, failure)?;
        }
        return Ok(out.flush()?);
    }
    if backlog.is_empty() {
        writeln!(out, "nothing waits: every recording is in every storage target")?;
    }
    for target in &backlog {
        write_backlog(&mut out, target)?;
    }
    for failure in &failures {
        write_failure(&mut out, failure)?;
    }
    Ok(out.flush()?)
}

/// Has storage targets get what changed after it was stored, and says how much that is; nothing where nothing is stored.
///
/// # Errors
/// An outbox that cannot be read or written.
pub fn queue_changed(data: &Path) -> anyhow::Result<()> {
    let Some(queue) = Queue::existing(data).with_context(|| format!("in {}", data.display()))? else { return Ok(()) };
    let queued = crate::archive::outbox::queue_changed(&RealDisk, data, &queue)?;
    if queued > 0 {
        writeln!(io::stdout(), "the keys of {queued} recordings are to be stored anew in their storage targets")?;
    }
    Ok(())
}

fn line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn write_backlog(out: &mut impl Write, backlog: &Backlog) -> io::Result<()> {
    let Backlog { target, waiting, erasing, failing, oldest_ms, last_error } = backlog;
    let noun = if *waiting == 1 { "recording waits" } else { "recordings wait" };
    let oldest = oldest_ms.map(|at| format!(", the longest for {}", ago(at))).unwrap_or_default();
    let erasing = if *erasing > 0 { format!(", {erasing} of them to be erased there") } else { String::new() };
    writeln!(out, "{target}: {waiting} {noun}{erasing}{oldest}; {failing} failed so far")?;
    match last_error {
        Some(error) => writeln!(out, "  last: {error}"),
        None => Ok(()),
    }
}

fn write_failure(out: &mut impl Write, failure: &Failure) -> io::Result<()> {
    let Failure { target, recording, erase, attempts, queued_ms, due_ms, error } = failure;
    let to = if *erase { "erased in" } else { "to" };
    let due = Wall(due_ms.saturating_mul(1_000_000)).rfc3339();
    writeln!(out, "{recording} {to} {target}: {attempts} tries in {}, next at {due}: {error}", ago(*queued_ms))
}

/// In whole seconds, minutes, hours or days.
fn ago(at_ms: i64) -> String {
    let seconds = u64::try_from(now_ms().saturating_sub(at_ms) / 1000).unwrap_or(0);
    let whole = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    Span(Duration::from_secs(seconds / whole * whole)).to_string()
}
