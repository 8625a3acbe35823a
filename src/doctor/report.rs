//! How checks are told: a line each for people, an object each for programs.

use std::io::{self, Write as _};

use anyhow::ensure;
use serde::Serialize;

use super::check::{Check, Verdict};

/// The form.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Lines.
    Text {
        /// With colours.
        colour: bool,
        /// Only what is not as it should be.
        quiet: bool,
    },
    /// One JSON object a check, then the sums.
    Json,
}

/// How many there are of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
struct Sums {
    ok: usize,
    warnings: usize,
    failed: usize,
}

/// Tells as it goes: some checks take seconds.
pub(super) struct Report {
    form: Form,
    sums: Sums,
}

impl Report {
    pub(super) fn new(form: Form) -> Self {
        Self { form, sums: Sums::default() }
    }

    pub(super) fn tell(&mut self, checks: Vec<Check>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for check in checks {
            match check.verdict {
                Verdict::Ok => self.sums.ok += 1,
                Verdict::Warning => self.sums.warnings += 1,
                Verdict::Failed => self.sums.failed += 1,
            }
            match self.form {
                Form::Json => writeln!(out, "{}", serde_json::to_string(&check)?)?,
                Form::Text { quiet: true, .. } if check.verdict == Verdict::Ok => {}
                Form::Text { colour, .. } => write!(out, "{}", lines(&check, colour))?,
            }
        }
        out.flush()
    }

    /// # Errors
    /// Something failed.
    pub(super) fn end(self) -> anyhow::Result<()> {
        let Sums { ok, warnings, failed } = self.sums;
        let mut out = io::stdout().lock();
        match self.form {
            Form::Json => writeln!(out, "{}", serde_json::json!({ "summary": self.sums }))?,
            Form::Text { quiet: true, .. } => {}
            Form::Text { .. } => writeln!(out, "{ok} ok, {warnings} warnings, {failed} failed")?,
        }
        out.flush()?;
        ensure!(failed == 0, "{failed} of {} checks failed: the remedy of each is told above", ok + warnings + failed);
        Ok(())
    }
}

/// `ok       ports  udp 0.0.0.0:5060: free`, and below it the remedy.
fn lines(check: &Check, colour: bool) -> String {
    let Check { check: area, subject, verdict, seen, remedy } = check;
    let (word, code) = match verdict {
        Verdict::Ok => ("ok", "32"),
        Verdict::Warning => ("warning", "33"),
        Verdict::Failed => ("FAILED", "1;31"),
    };
    let word = format!("{word:<7}");
    let word = if colour { format!("\x1b[{code}m{word}\x1b[0m") } else { word };
    let mut lines = format!("{word}  {area:<13}  {subject}: {seen}\n");
    if let Some(remedy) = remedy {
        lines.push_str(&format!("{:24}-> {remedy}\n", ""));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_verdict_area_and_remedy_and_colour_only_where_it_is_wanted() {
        let check = Check::failed("ports", "udp 0.0.0.0:5060", "taken", "stop it");
        let plain = lines(&check, false);
        assert_eq!(plain, "FAILED   ports          udp 0.0.0.0:5060: taken\n                        -> stop it\n");
        assert!(lines(&check, true).starts_with("\x1b[1;31mFAILED \x1b[0m  ports"));
        assert_eq!(lines(&Check::ok("clock", "kernel", "in step"), false), "ok       clock          kernel: in step\n");
    }
}
