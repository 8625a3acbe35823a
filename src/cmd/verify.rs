//! `siprec archive verify`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use super::search::{id, since};
use super::settings::Settings;
use crate::policy::catalog_address;
use crate::upkeep::{self, Verification};
use crate::{sealing, targets};

const EXAMPLES: &str = "Examples:
  siprec archive verify
  siprec archive verify --since 7d --deep --json
  siprec archive verify --mend 01a2261c-e420-7449-9e54-e09ba50d0382";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only these recordings
    #[arg(value_name = "ID", value_parser = id)]
    ids: Vec<RecordingId>,
    /// Only those that started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Wall>,
    /// Open what is sealed as well, and fetch what storage targets have instead of asking for its length and checksum
    #[arg(long)]
    deep: bool,
    /// Put right what can be: rows of the catalog, files that a target has, objects that a target lacks. Nothing is removed; a
    /// damaged file is kept as NAME.damaged
    #[arg(long)]
    mend: bool,
    /// The server's siprec-proof.pub, from a place that you trust, instead of the one in the data directory
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Print one JSON object for each thing that is wrong, and one with the sums
    #[arg(long)]
    json: bool,
    /// Show no progress, on a terminal either
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let Args { ids, since, deep, mend, public_key, json, quiet, settings } = args;
    let config = settings.sources(Vec::new()).load()?.config;
    upkeep::verify(&Verification {
        shared_catalog: catalog_address(&config).context("metadata.connection")?,
        disk: sealing::reading_disk(&config.archive.seal)?,
        targets: targets::targets(&config)?,
        data: config.archive.data_dir,
        since,
        ids,
        deep,
        mend,
        public_key,
        json,
        progress: !quiet && std::io::stderr().is_terminal(),
    })
}
