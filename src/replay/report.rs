//! What a replay prints: progress on a terminal, then a row, or a line of JSON, a recording.

use std::io::{self, Read, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use siprec_core::render::Sidecar;
use siprec_core::seed::SessionId;

use crate::archive::finish::Finisher;
use crate::capture::reading;

/// Collects what is printed at the end.
pub(super) struct Report {
    json: bool,
    progress: ProgressBar,
    began: Instant,
    audio: Duration,
    rows: Vec<[String; 7]>,
}

impl Report {
    pub(super) fn new(json: bool, progress: bool, bytes: Option<u64>) -> Self {
        let bar = reading(progress, bytes);
        Self { json, progress: bar, began: Instant::now(), audio: Duration::ZERO, rows: Vec::new() }
    }

    /// Counts what is read of a file.
    pub(super) fn count(&self, file: Box<dyn Read>) -> impl Read + use<> {
        self.progress.wrap_read(file)
    }

    /// Makes the recordings of sessions and notes a row for each.
    pub(super) fn recordings(&mut self, sessions: Vec<SessionId>, finisher: &Finisher) -> anyhow::Result<()> {
        let mut failures = Vec::new();
        let count = sessions.len();
        for session in sessions {
            let finished = finisher.finish(session);
            failures.extend(finished.failed.into_iter().map(|(_, error)| error.to_string()));
            if finished.present > 0 {
                failures.push(format!(
                    "session {session}: {} of its recordings are in this data directory already; give --data-dir another folder to have them twice",
                    finished.present
                ));
            }
            for sidecar in &finished.recordings {
                self.recording(sidecar)?;
            }
        }
        if count == 0 {
            bail!(
                "no call in it: no INVITE with an answer that names audio streams (is SIP encrypted, or in another capture?)"
            );
        }
        if !failures.is_empty() {
            bail!("{}", failures.join("; "));
        }
        Ok(())
    }

    fn recording(&mut self, sidecar: &Sidecar) -> anyhow::Result<()> {
        self.audio += Duration::from_millis(sidecar.duration_ms);
        if self.json {
            let line = serde_json::to_string(sidecar)?;
            return match writeln!(io::stdout(), "{line}") {
                // Recordings are made whether somebody reads along or not.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written.context("standard output"),
            };
        }
        let party =
            |party: &Option<siprec_core::render::Party>| party.as_ref().map_or("-".to_owned(), |p| p.aor.clone());
        let seconds = sidecar.duration_ms / 1000;
        let proof = &sidecar.proof;
        self.rows.push([
            sidecar.id.to_string(),
            sidecar.started_at.clone(),
            format!("{}:{:02}.{:03}", seconds / 60, seconds % 60, sidecar.duration_ms % 1000),
            party(&sidecar.caller),
            party(&sidecar.callee),
            proof.packets_received.to_string(),
            proof.packets_lost.to_string(),
        ]);
        Ok(())
    }

    /// Prints the table.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.progress.finish_and_clear();
        if self.json || self.rows.is_empty() {
            return Ok(());
        }
        let header = ["RECORDING", "STARTED", "LENGTH", "CALLER", "CALLEE", "PACKETS", "LOST"].map(str::to_owned);
        let widths: Vec<usize> = (0..header.len())
            .map(|i| self.rows.iter().chain([&header]).map(|row| row[i].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = io::stdout().lock();
        for row in [&header].into_iter().chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        let took = self.began.elapsed();
        let times = self.audio.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let (count, plural) = (self.rows.len(), if self.rows.len() == 1 { "" } else { "s" });
        writeln!(out, "{count} recording{plural} in {took:.2?}, {times:.0} times as fast as life")?;
        Ok(())
    }
}
