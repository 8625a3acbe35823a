//! `siprec archive rebuild`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::settings::{Settings, load};
use crate::archive::audit::{Act, Action};
use crate::archive::catalog::{self, Catalog, CatalogError};
use crate::archive::disk::RealDisk;
use crate::archive::lock::DirectoryLock;
use crate::archive::node_id;
use crate::archive::recordings::{self, Rebuilt};
use crate::beside;
use crate::config::Config;
use crate::policy::catalog_address;
use crate::{sealing, upkeep};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  siprec archive rebuild --data-dir /var/lib/siprec")]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Show no progress, on a terminal either
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'r> {
    recordings: u64,
    left_out: u64,
    /// The first hundred of those left out, in words.
    damaged: &'r [String],
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let config = load(&args.settings.sources(Vec::new()))?.config;
    let data = &config.archive.data_dir;
    beside::is_there(data)?;
    let _lock = DirectoryLock::take(data).context("stop its server, and start it again after")?;
    let disk = sealing::reading_disk(&config.archive.seal)?;
    let catalog = open(&config, data)?;
    let bar = watched(!args.quiet && io::stderr().is_terminal());
    let rebuilt = recordings::rebuild(&*disk, data, &catalog, &mut || bar.inc(1));
    bar.finish_and_clear();
    let rebuilt = rebuilt?;
    let act = Act::new(Action::Rebuilt).with("recordings", rebuilt.recordings).with("left_out", rebuilt.left_out);
    upkeep::write_down(data, act)?;
    report(&rebuilt, args.json)
}

/// The catalog that is to be made anew. A damaged file is laid aside.
fn open(config: &Config, data: &Path) -> anyhow::Result<Catalog> {
    if let Some(address) = catalog_address(config).context("metadata.connection")? {
        return Ok(Catalog::shared(address, &node_id::load(&RealDisk, data)?));
    }
    match Catalog::open(data) {
        Err(CatalogError::Damaged(why)) => {
            let aside = format!("{}.damaged", catalog::FILE);
            writeln!(io::stderr(), "siprec: {} is damaged ({why}) and is kept as {aside}", catalog::FILE)?;
            for end in ["", "-wal", "-shm"] {
                let (from, to) = (data.join(format!("{}{end}", catalog::FILE)), data.join(format!("{aside}{end}")));
                match std::fs::rename(&from, &to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).with_context(|| format!("cannot rename {}", from.display()));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            Ok(Catalog::open(data)?)
        }
        result => Ok(result?),
    }
}

/// Sheets read, for whoever watches.
fn watched(is_watched: bool) -> ProgressBar {
    if !is_watched {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} proof sheets read, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

fn report(rebuilt: &Rebuilt, json: bool) -> anyhow::Result<()> {
    let Rebuilt { recordings, left_out, damaged } = rebuilt;
    let mut out = io::stdout().lock();
    if json {
        let report = Report { recordings: *recordings, left_out: *left_out, damaged };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{recordings} recordings are in the catalog")?;
        for why in damaged {
            writeln!(io::stderr(), "siprec: {why}")?;
        }
    }
    if *left_out > 0 {
        bail!("{left_out} proof sheets are left out: what is wrong with them is said above");
    }
    Ok(())
}
