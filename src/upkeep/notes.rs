//! Holds and tags.

use std::io::{self, Write};

use anyhow::bail;
use serde::Serialize;

use super::{counted, who, write_with};
use crate::archive::audit::{Act, Witness};
use crate::archive::catalog::Filter;
use crate::archive::notes::{Hold, Tag};
use crate::erasing::Erasing;
use crate::noting::{self, Change};

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'l> {
    recording: String,
    changed: bool,
    tags: Vec<&'l str>,
    holds: &'l [Hold],
}

/// Notes a change of all recordings here that `filter` means, and prints a line for each.
///
/// # Errors
/// None is meant, or some could not be changed: those are named.
pub fn note(erasing: &Erasing, filter: Filter, change: &Change, json: bool) -> anyhow::Result<()> {
    let (rows, elsewhere) = erasing.select(filter)?;
    super::tell_elsewhere(elsewhere)?;
    if rows.is_empty() {
        bail!("no recording matches");
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut changed, mut failed) = (0_usize, 0_usize);
    let mut witness = Witness::new(erasing.data());
    for row in &rows {
        match noting::note(erasing, row, std::slice::from_ref(change), &who()) {
            Ok((notes, is_new)) => {
                changed += usize::from(is_new);
                if is_new {
                    write_with(&mut witness, Act::new(change.action()).recording(row.id).session(row.session_id))?;
                }
                if json {
                    let tags = notes.tags.iter().map(Tag::as_str).collect();
                    let line = Line { recording: row.id.to_string(), changed: is_new, tags, holds: &notes.holds };
                    serde_json::to_writer(&mut out, &line)?;
                    out.write_all(b"\n")?;
                }
            }
            Err(error) => {
                failed += 1;
                writeln!(io::stderr(), "siprec: {}: {error:#}", row.id)?;
            }
        }
    }
    if !json {
        let word = match change {
            Change::Hold(_) => "held",
            Change::Release(_) => "released",
            Change::Tag(..) => "tagged anew",
        };
        writeln!(out, "{} {word}, {} so already", counted(changed), rows.len() - changed - failed)?;
    }
    out.flush()?;
    if failed > 0 {
        bail!("{failed} of {} as they were", counted(rows.len()));
    }
    Ok(())
}
