//! Recompressing by hand what is old enough.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rustix::process::geteuid;
use serde::Serialize;
use siprec_core::seed::RecordingId;

use super::{counted, start_outbox, write_with};
use crate::archive::audit::Witness;
use crate::archive::disk::Disk;
use crate::archive::lock::DirectoryLock;
use crate::archive::outbox::Settings;
use crate::archive::recompress::Compression;
use crate::recompressing::{Candidate, Due, Outcome, Progress, Recompressing};
use crate::wall;

/// What is still to be done is looked at this often.
const LOOK: Duration = Duration::from_millis(200);
/// So long it is waited for targets without anything happening; then the rest is a server's.
const PATIENCE: Duration = Duration::from_secs(30);
/// Recordings in one go.
const AT_ONCE: usize = 1_000_000;

/// Which recordings, and how to say what was done.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What ended so long ago.
    pub older_than: Duration,
    /// What it becomes.
    pub to: Compression,
    /// Only say what would be done, and what waits.
    pub dry_run: bool,
    /// Print JSON lines.
    pub json: bool,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'l> {
    Planned { would_recompress: RecordingId, bytes: u64 },
    Done { recompressed: RecordingId, to: &'l str, bytes_before: u64, bytes: u64 },
    Failed { recording: RecordingId, error: &'l str },
    Waits { recording: RecordingId, waits: &'l str },
}

/// Recompresses what is old enough, and goes on with what was begun.
///
/// # Errors
/// Something could not be recompressed, or is still waited for: what, and why.
pub fn recompress(
    recompressing: &Recompressing,
    targets: Option<Settings>,
    disk: Arc<dyn Disk>,
    manner: Manner,
) -> anyhow::Result<()> {
    let about = recompressing.data().metadata()?;
    ensure!(
        manner.dry_run || about.uid() == geteuid().as_raw(),
        "{} is another user's: give the command as that user, or its server cannot change what is made here",
        recompressing.data().display()
    );
    let due = recompressing.due(manner.to, manner.older_than, (wall::now(), true), AT_ONCE)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if !manner.json {
        writeln!(out, "WAV, and old enough: {}", counted(due.recordings.len()))?;
        for (count, why) in [(due.held, "under a legal hold"), (due.failed, "they would become larger")] {
            if count > 0 {
                writeln!(out, "stay, {why}: {count}")?;
            }
        }
    }
    if manner.dry_run {
        list(recompressing, &due, &mut out, manner.json)?;
        return Ok(out.flush()?);
    }
    let failed = carry_out(recompressing, &due, &mut out, manner)?;
    let waiting = follow(recompressing, targets, disk)?;
    for (recording, why) in &waiting {
        tell_waits(&mut out, *recording, why, manner.json)?;
    }
    out.flush()?;
    ensure!(failed == 0, "as they were: {}", counted(failed));
    if !waiting.is_empty() {
        bail!(
            "recompressed, and what is left of before goes by siprec serve as soon as that can be done: {}",
            counted(waiting.len())
        );
    }
    Ok(())
}

/// What would be done, and what was begun before.
fn list(recompressing: &Recompressing, due: &Due, out: &mut impl Write, json: bool) -> anyhow::Result<()> {
    for Candidate { recording, bytes, .. } in &due.recordings {
        match json {
            true => line(out, &Line::Planned { would_recompress: *recording, bytes: *bytes })?,
            false => writeln!(out, "{recording}  {bytes} bytes")?,
        }
    }
    for (recording, why) in recompressing.begun()? {
        tell_waits(out, recording, &why, json)?;
    }
    Ok(())
}

/// Recompresses them; how many are what they were.
fn carry_out(recompressing: &Recompressing, due: &Due, out: &mut impl Write, manner: Manner) -> anyhow::Result<usize> {
    let mut failed = 0;
    let mut witness = Witness::new(recompressing.data());
    for which in &due.recordings {
        match recompressing.recompress(which, manner.to, wall::now()) {
            Ok(outcome) => {
                done(out, which, outcome, manner.json)?;
                write_with(&mut witness, outcome.act(which))?;
            }
            Err(error) => {
                failed += 1;
                let (recording, error) = (which.recording, error.to_string());
                match manner.json {
                    true => line(out, &Line::Failed { recording, error: &error })?,
                    false => writeln!(io::stderr(), "siprec: {recording}: {error}")?,
                }
            }
        }
        out.flush()?;
    }
    Ok(failed)
}

/// Goes on until nothing of before is left, or nothing happens any more; what is left, and why.
fn follow(
    recompressing: &Recompressing,
    targets: Option<Settings>,
    disk: Arc<dyn Disk>,
) -> anyhow::Result<BTreeMap<RecordingId, String>> {
    // Where no server runs, storage targets are our business.
    let lock = DirectoryLock::take(recompressing.data());
    let mut outbox = None;
    let (mut last, mut known) = (Instant::now(), usize::MAX);
    let mut waits = BTreeMap::new();
    loop {
        let mut unstored = 0;
        for (recording, progress) in recompressing.go_on(wall::now())? {
            match progress {
                Progress::Unstored(why) => {
                    unstored += 1;
                    waits.insert(recording, why);
                }
                Progress::Waits(why) => drop(waits.insert(recording, why)),
                // What is what it was has been told.
                Progress::Done | Progress::Before(_) => drop(waits.remove(&recording)),
            }
        }
        // A server may have brought some to their end.
        let begun: BTreeSet<RecordingId> = recompressing.begun()?.into_iter().map(|(recording, _)| recording).collect();
        waits.retain(|recording, _| begun.contains(recording));
        if unstored < known {
            (last, known) = (Instant::now(), unstored);
        }
        if unstored > 0
            && outbox.is_none()
            && lock.is_ok()
            && let Some(settings) = targets.as_ref()
        {
            outbox = Some(start_outbox(recompressing.data(), Arc::clone(&disk), settings)?);
        }
        if unstored == 0 || last.elapsed() > PATIENCE {
            return Ok(waits);
        }
        std::thread::park_timeout(LOOK);
    }
}

fn done(out: &mut impl Write, which: &Candidate, outcome: Outcome, json: bool) -> anyhow::Result<()> {
    let Outcome { before, after, .. } = outcome;
    let (recompressed, to) = (which.recording, outcome.format_name());
    if json {
        return line(out, &Line::Done { recompressed, to, bytes_before: before, bytes: after });
    }
    Ok(writeln!(out, "{recompressed}  {to}  {before} -> {after} bytes")?)
}

fn tell_waits(out: &mut impl Write, recording: RecordingId, waits: &str, json: bool) -> anyhow::Result<()> {
    match json {
        true => line(out, &Line::Waits { recording, waits }),
        false => Ok(writeln!(out, "waits  {recording}: {waits}")?),
    }
}

fn line(out: &mut impl Write, value: &Line<'_>) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(out.write_all(b"\n")?)
}
