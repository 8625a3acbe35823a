//! `siprec export`: finds recordings, lists them, and hands out verified copies.
//!
//! ```text
//! catalog -> Row -> listing (table | JSON lines)
//!                \-> copy (temporary name, SHA-256, rename) -> line
//!                \-> again (from the journal, in another form) -> line
//! ```
//! It only reads the data directory, so it works beside a running server and without one.

mod again;
mod copy;
mod digest;
mod listing;
mod progress;
mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use siprec_core::node_key::NodeKey;
use siprec_core::render::Detail;

use crate::archive::catalog::{Catalog, CatalogError, Filter};
use crate::archive::disk::RealDisk;
use crate::archive::finish::Form;
use crate::archive::{node_key, recordings};
use copy::{Copier, Outcome};
use progress::Progress;

pub use verify::{Check, verify};

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Which recordings.
    pub filter: Filter,
    /// Where to; none: only list.
    pub to: Option<PathBuf>,
    /// Render again from the journal in this form; none: copy what there is.
    pub form: Option<Form>,
    /// What a sheet that is rendered again does not tell.
    pub leave_out: Vec<Detail>,
    /// Only list what would be copied.
    pub dry_run: bool,
    /// One JSON object a recording instead of a table.
    pub json: bool,
    /// Whether somebody watches: a progress bar on standard error.
    pub progress: bool,
}

/// Lists or copies, on standard output; what failed is told on standard error.
///
/// # Errors
/// No catalog, or anything that could not be copied.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let stdout = io::stdout().lock();
    run_to(options, &mut io::BufWriter::new(stdout), &mut io::stderr())
}

fn run_to(options: &Options, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<()> {
    let catalog = open(&options.data, err)?;
    match &options.to {
        Some(to) if !options.dry_run => copy_all(options, &catalog, to, out, err)?,
        Some(_) | None => listing::list(catalog.select(options.filter.clone()), options.json, out)?,
    }
    out.flush()?;
    Ok(())
}

/// The catalog; where there is none, one made for the moment from the sidecars.
fn open(data: &Path, err: &mut dyn Write) -> anyhow::Result<Catalog> {
    if !data.is_dir() {
        bail!("there is no data directory {}: give it with --data-dir", data.display());
    }
    match Catalog::read_only(data) {
        Ok(catalog) => Ok(catalog),
        Err(why @ (CatalogError::Missing | CatalogError::Older { .. })) if recordings::folder(data).is_dir() => {
            writeln!(err, "siprec: in {}: {why}; reading the sidecars instead", data.display())?;
            let catalog = Catalog::temporary()?;
            for damaged in recordings::rebuild(&RealDisk, data, &catalog)?.damaged {
                writeln!(err, "siprec: {damaged}")?;
            }
            Ok(catalog)
        }
        Err(CatalogError::Missing) => {
            bail!("nothing was recorded in {} yet: it has neither catalog nor recordings", data.display())
        }
        Err(error) => Err(error).with_context(|| format!("in {}", data.display())),
    }
}

/// What unwraps the journals' keys of SRTP. Who may not read it renders all the same: what is sealed stays so.
fn node_key(data: &Path, err: &mut dyn Write) -> anyhow::Result<Option<NodeKey>> {
    match node_key::open(data) {
        Ok(key) => Ok(key),
        Err(error) => {
            writeln!(err, "siprec: {error:#}: packets that are sealed in journals are not opened")?;
            Ok(None)
        }
    }
}

fn copy_all(
    options: &Options,
    catalog: &Catalog,
    to: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut progress = Progress::start(options.progress, catalog, &options.filter)?;
    let mut copier = Copier::new(&options.data, to)?;
    let node_key = match options.form {
        Some(_) => node_key(&options.data, err)?,
        None => None,
    };
    let (mut copied, mut present, mut failed) = (0_u64, 0_u64, 0_u64);
    for row in catalog.select(options.filter.clone()) {
        let row = row?;
        let result = match options.form {
            None => copier.copy(&row, &mut |bytes| progress.advance(bytes)),
            Some(form) => {
                progress.advance(row.bytes);
                again::render((&options.data, node_key.as_ref()), to, &row, form, &options.leave_out)
            }
        };
        match &result {
            Ok(Outcome::Copied) => copied += 1,
            Ok(Outcome::Present) => present += 1,
            Err(error) => {
                failed += 1;
                progress.suspend(|| writeln!(err, "siprec: {}: {error:#}", row.id))?;
            }
        }
        if options.json {
            progress.suspend(|| listing::outcome(&row, &result, out))?;
        }
    }
    progress.finish();
    if !options.json {
        let done = if options.form.is_some() { "rendered" } else { "copied" };
        writeln!(out, "{copied} {done}, {present} already there, {failed} failed")?;
    }
    out.flush()?;
    if failed > 0 {
        bail!(
            "{failed} of {} recordings could not be {}",
            copied + present + failed,
            if options.form.is_some() { "rendered" } else { "copied" }
        );
    }
    Ok(())
}
