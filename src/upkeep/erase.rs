//! Erasing what was asked for, or what has expired.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde::Serialize;
use siprec_core::seed::RecordingId;

use super::{counted, start_outbox, who, write_with};
use crate::archive::audit::{Act, Action, Witness};
use crate::archive::catalog::{Filter, Person, Row};
use crate::archive::disk::Disk;
use crate::archive::erase_order::Cause;
use crate::archive::erasure::{Certificate, Progress, certificate, certificate_path};
use crate::archive::lock::DirectoryLock;
use crate::archive::outbox::Settings;
use crate::erasing::Erasing;
use crate::wall;

/// What is still to be done is looked at this often.
const LOOK: Duration = Duration::from_millis(200);
/// So long it is waited for targets and a server; then the rest is theirs.
const PATIENCE: Duration = Duration::from_secs(30);
/// Recordings that expire in one go.
const AT_ONCE: usize = 100_000;

/// How to go about it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Only say what would be erased.
    pub dry_run: bool,
    /// Do not ask.
    pub yes: bool,
    /// Print JSON lines.
    pub json: bool,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'l> {
    Planned { would_erase: &'l Row, reason: &'l str },
    Erased(&'l Certificate),
    Waits { recording: RecordingId, waits: &'l str },
}

/// Erases the recordings here that `filter` means, for `reason`.
///
/// # Errors
/// None is meant, one is held, or something of them is still there in the end: what, and why.
pub fn erase(
    erasing: &Erasing,
    filter: Filter,
    reason: &str,
    targets: Option<Settings>,
    disk: Arc<dyn Disk>,
    manner: Manner,
) -> anyhow::Result<()> {
    let (rows, elsewhere) = erasing.select(filter)?;
    super::tell_elsewhere(elsewhere)?;
    ensure!(!rows.is_empty(), "no recording matches");
    let held = rows.iter().filter(|row| row.held).count();
    ensure!(held == 0 || manner.dry_run, "{held} of {} are under a legal hold: nothing was erased", rows.len());
    let wanted = rows.into_iter().map(|row| (reason.to_owned(), row)).collect();
    carry_out(erasing, (Action::Erased, wanted), targets, disk, manner)
}

/// Erases all whose time is over.
///
/// # Errors
/// As [`erase`]; that there is none is no failure.
pub fn expire(erasing: &Erasing, targets: Option<Settings>, disk: Arc<dyn Disk>, manner: Manner) -> anyhow::Result<()> {
    let expired = erasing.expired(wall::now(), AT_ONCE)?;
    let wanted: Vec<_> = expired.rows.into_iter().map(|(place, row)| (erasing.reason(place), row)).collect();
    if !manner.json {
        let mut out = io::stdout();
        writeln!(out, "expired: {}", counted(wanted.len()))?;
        for (count, why) in [(expired.held, "under a legal hold"), (expired.unstored, "waiting for a storage target")] {
            if count > 0 {
                writeln!(out, "stay, {why}: {count}")?;
            }
        }
    }
    if wanted.is_empty() { Ok(()) } else { carry_out(erasing, (Action::Expired, wanted), targets, disk, manner) }
}

fn carry_out(
    erasing: &Erasing,
    (action, wanted): (Action, Vec<(String, Row)>),
    targets: Option<Settings>,
    disk: Arc<dyn Disk>,
    manner: Manner,
) -> anyhow::Result<()> {
    if manner.dry_run || !manner.yes {
        list(&wanted, manner.json)?;
    }
    if manner.dry_run {
        return Ok(());
    }
    if !manner.yes {
        confirm(wanted.len())?;
    }
    let mut failed = 0_usize;
    let mut ordered = Vec::new();
    let mut witness = Witness::new(erasing.data());
    for (reason, row) in wanted {
        let cause = Cause { by: who(), reason, ordered_at: wall::now().rfc3339() };
        match erasing.order(&row, cause) {
            Ok(()) => {
                ordered.push(row.id);
                write_with(&mut witness, Act::new(action).recording(row.id).session(row.session_id))?;
            }
            Err(error) => {
                failed += 1;
                writeln!(io::stderr(), "siprec: {error}")?;
            }
        }
    }
    let waiting = follow(erasing, ordered, targets, disk, manner.json)?;
    ensure!(failed == 0, "not erased: {}", counted(failed));
    if waiting > 0 {
        bail!(
            "erased here, and what is left of them by siprec serve as soon as that can be done: {}",
            counted(waiting)
        );
    }
    Ok(())
}

/// Goes on until nothing is left of `ordered`, or nothing happens any more; how many are left.
fn follow(
    erasing: &Erasing,
    mut ordered: Vec<RecordingId>,
    targets: Option<Settings>,
    disk: Arc<dyn Disk>,
    json: bool,
) -> anyhow::Result<usize> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut last = Instant::now();
    // Where no server runs, storage targets are our business.
    let lock = DirectoryLock::take(erasing.data());
    let mut outbox = None;
    loop {
        let mut waits = Vec::new();
        for (recording, progress) in erasing.go_on(wall::now())? {
            match progress {
                Progress::Done(certificate) if ordered.contains(&recording) => {
                    last = Instant::now();
                    ordered.retain(|known| *known != recording);
                    done(&mut out, erasing, &certificate, json)?;
                }
                Progress::Done(_) => {}
                Progress::Waits(why) if ordered.contains(&recording) => waits.push((recording, why)),
                Progress::Waits(_) => {}
            }
        }
        // Those that a server has brought to their end meanwhile.
        let is_left = |known: &RecordingId| waits.iter().any(|(recording, _)| recording == known);
        for recording in ordered.iter().filter(|known| !is_left(known)) {
            if let Some(certificate) = certificate(&*disk, erasing.data(), *recording)? {
                done(&mut out, erasing, &certificate, json)?;
            }
        }
        ordered.retain(is_left);
        out.flush()?;
        if ordered.is_empty() {
            return Ok(0);
        }
        if outbox.is_none()
            && lock.is_ok()
            && let Some(settings) = targets.as_ref()
        {
            outbox = Some(start_outbox(erasing.data(), Arc::clone(&disk), settings)?);
        }
        if last.elapsed() > PATIENCE || (lock.is_ok() && outbox.is_none()) {
            for (recording, why) in &waits {
                tell_waits(&mut out, *recording, why, json)?;
            }
            out.flush()?;
            return Ok(ordered.len());
        }
        std::thread::park_timeout(LOOK);
    }
}

fn list(wanted: &[(String, Row)], json: bool) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (reason, row) in wanted {
        if json {
            serde_json::to_writer(&mut out, &Line::Planned { would_erase: row, reason })?;
            out.write_all(b"\n")?;
            continue;
        }
        let name = |person: &Option<Person>| person.as_ref().map_or("?", Person::label).to_owned();
        let seconds = row.duration_ms / 1000;
        let (from, to, held) = (name(&row.caller), name(&row.callee), if row.held { ", held" } else { "" });
        writeln!(out, "{}  {}  {seconds} s  {from} -> {to}  ({reason}{held})", row.id, row.started_at)?;
    }
    Ok(out.flush()?)
}

fn confirm(count: usize) -> anyhow::Result<()> {
    let mut input = io::stdin();
    ensure!(input.is_terminal(), "give --yes to erase {} without being asked", counted(count));
    write!(io::stderr(), "Erase {} for good, here and in all storage targets? Type yes: ", counted(count))?;
    let mut answer = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(&mut input), &mut answer)?;
    ensure!(answer.trim() == "yes", "nothing was erased");
    Ok(())
}

fn done(out: &mut impl Write, erasing: &Erasing, certificate: &Certificate, json: bool) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, &Line::Erased(certificate))?;
        return Ok(out.write_all(b"\n")?);
    }
    let path = certificate_path(erasing.data(), certificate.recording);
    writeln!(out, "erased {}: {}", certificate.recording, path.display())?;
    for there in &certificate.targets {
        if let Some(kept) = &there.kept {
            writeln!(out, "       in {}: {}", there.target, kept.why)?;
        }
    }
    Ok(())
}

fn tell_waits(out: &mut impl Write, recording: RecordingId, waits: &str, json: bool) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, &Line::Waits { recording, waits })?;
        return Ok(out.write_all(b"\n")?);
    }
    Ok(writeln!(out, "waits  {recording}: {waits}")?)
}
