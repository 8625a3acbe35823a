//! What export prints: an aligned table for people, JSON lines for scripts.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::copy::Outcome;
use super::superseded::Dealt;
use crate::archive::catalog::{Person, Row};

/// Rows that decide how wide the columns are; later ones are cut to fit, so that a million need no memory.
const MEASURED: usize = 256;

/// A caller's name is cut beyond this.
const MAX_CELL: usize = 30;

const HEADER: [&str; 7] = ["STARTED (UTC)", "LENGTH", "CALLER", "CALLEE", "STATE", "FAULTS", "ID"];

/// Prints all `rows`.
pub(super) fn list<E: Into<anyhow::Error>>(
    rows: impl Iterator<Item = Result<Row, E>>,
    json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    if json {
        for row in rows {
            serde_json::to_writer(&mut *out, &row.map_err(Into::into)?).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    table(rows, out)
}

fn table<E: Into<anyhow::Error>>(mut rows: impl Iterator<Item = Result<Row, E>>, out: &mut dyn Write) -> Result<()> {
    let first: Vec<Row> = rows.by_ref().take(MEASURED).collect::<Result<_, E>>().map_err(Into::into)?;
    if first.is_empty() {
        writeln!(out, "no recording matches")?;
        return Ok(());
    }
    let mut widths = HEADER.map(str::len);
    for row in &first {
        for (width, cell) in widths.iter_mut().zip(cells(row)) {
            *width = (*width).max(cell.chars().count().min(MAX_CELL));
        }
    }
    write_line(&HEADER.map(str::to_owned), &widths, out)?;
    let (mut count, mut length_ms) = (0_u64, 0_u64);
    for row in first.into_iter().map(Ok).chain(rows) {
        let row: Row = row.map_err(Into::into)?;
        count += 1;
        length_ms = length_ms.saturating_add(row.duration_ms);
        write_line(&cells(&row), &widths, out)?;
    }
    let noun = if count == 1 { "recording" } else { "recordings" };
    writeln!(out, "{count} {noun}, {} in all", length(length_ms))?;
    Ok(())
}

fn cells(row: &Row) -> [String; 7] {
    let started = row.started_at.rfc3339();
    [
        started.get(..19).unwrap_or(&started).replace('T', " "),
        length(row.duration_ms),
        who(row.caller.as_ref()),
        who(row.callee.as_ref()),
        row.state.clone(),
        row.quality.faults.to_string(),
        row.id.to_string(),
    ]
}

fn write_line(cells: &[String; 7], widths: &[usize; 7], out: &mut dyn Write) -> io::Result<()> {
    let last = cells.len() - 1;
    for (index, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        match index {
            _ if index == last => writeln!(out, "{cell}")?,
            1 | 5 => write!(out, "{cell:>width$}  ")?,
            _ => write!(out, "{:<width$}  ", cut(cell, width))?,
        }
    }
    Ok(())
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A name comes from the wire: what would move the cursor or change colours is not printed.
fn who(person: Option<&Person>) -> String {
    let label = person.map_or("-", |person| person.label());
    label.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn length(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "<[PathBuf]>::is_empty")]
    superseded: &'a [PathBuf],
    #[serde(skip_serializing_if = "<[PathBuf]>::is_empty")]
    pruned: &'a [PathBuf],
}

/// Prints what became of a recording that was to be copied, as a JSON line.
pub(super) fn outcome(row: &Row, result: &Result<Dealt>, out: &mut dyn Write) -> io::Result<()> {
    let mut line = Line { row, outcome: "failed", error: None, superseded: &[], pruned: &[] };
    match result {
        Ok(dealt) => {
            line.outcome = match dealt.outcome {
                Outcome::Copied => "copied",
                Outcome::Present => "present",
            };
            (line.superseded, line.pruned) = (&dealt.superseded, &dealt.pruned);
        }
        Err(error) => line.error = Some(format!("{error:#}")),
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_to_the_second() {
        assert_eq!(length(0), "0:00:00");
        assert_eq!(length(59_500), "0:01:00");
        assert_eq!(length(3_600_000 * 30 + 61_000), "30:01:01");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let person = Person { aor: None, name: Some("a\x1b[2Jb\n".to_owned()) };
        assert_eq!(who(Some(&person)), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(who(None), "-");
        let person = Person { aor: Some("sip:bob@example.com".to_owned()), name: Some(String::new()) };
        assert_eq!(who(Some(&person)), "bob@example.com");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(cut("Müller", 6), "Müller");
        assert_eq!(cut("Müllerin", 6), "Mülle…");
    }
}
