//! `siprec archive hold`, `release`, `tag`, `erase`, `expire` and `recompress`.

use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::search::Search;
use super::settings::Settings;
use crate::archive::catalog::Filter;
use crate::archive::disk::Disk;
use crate::archive::notes::Tag;
use crate::archive::recompress::Compression;
use crate::beside;
use crate::config::{Config, Span};
use crate::erasing::Erasing;
use crate::noting::Change;
use crate::recompressing::Recompressing;
use crate::sealing;
use crate::targets;
use crate::upkeep::{self, Manner, Recompression};

/// Which recordings, and how to say what was done.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
    /// Last: its heading goes on for whatever follows.
    #[command(flatten)]
    search: Search,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  siprec archive hold --participant +4930123456 --since 2026-01-01 --reason 'case 17'"
)]
pub(super) struct Hold {
    /// The matter, in your words; a recording may be held for several
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  siprec archive release --held --reason 'case 17'")]
pub(super) struct Release {
    /// End the hold for this matter
    #[arg(long, value_name = "TEXT", required_unless_present = "all")]
    reason: Option<String>,
    /// End all holds
    #[arg(long, conflicts_with = "reason")]
    all: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  siprec archive tag --add complaint --remove new --id 0198c5e2-7b3a-7c11-9d20-5f6b8a1c2d3e"
)]
pub(super) struct TagArgs {
    /// Put this tag on; repeatable
    #[arg(long, value_name = "TAG", required_unless_present = "remove")]
    add: Vec<Tag>,
    /// Take this tag off; repeatable
    #[arg(long, value_name = "TAG")]
    remove: Vec<Tag>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siprec archive erase --participant +4930123456 --reason 'request of 3 March' --dry-run
  siprec archive erase --id 0198c5e2-7b3a-7c11-9d20-5f6b8a1c2d3e --reason 'recorded by mistake' --yes")]
pub(super) struct Erase {
    /// Why, in words that name nobody: they stand in the certificate
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  siprec archive expire --dry-run")]
pub(super) struct Expire {
    #[command(flatten)]
    how: How,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  siprec archive recompress --older-than 30d --dry-run
  siprec archive recompress --older-than 90d --to opus")]
pub(super) struct Recompress {
    /// What ended so long ago or longer: 30d, 12h; as archive.recompress_after has it where it is not given
    #[arg(long, value_name = "AGE")]
    older_than: Option<Span>,
    /// flac (no sample changes) or opus (much smaller, and the samples are gone); as archive.recompress_to has it where it is not
    /// given
    #[arg(long, value_name = "FORMAT")]
    to: Option<Compression>,
    /// Only say what would be recompressed, and what waits
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct How {
    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl How {
    fn manner(self, json: bool) -> Manner {
        Manner { dry_run: self.dry_run, yes: self.yes, json }
    }
}

/// The recordings that are meant. All of them never are by saying nothing.
fn meant(search: Search) -> anyhow::Result<Filter> {
    let filter = search.filter()?;
    ensure!(filter != Filter::default(), "which recordings? Say --id, --participant, --since, --tag ... (see --help)");
    Ok(filter)
}

fn note(which: Which, change: &Change) -> anyhow::Result<()> {
    let config = which.settings.sources(Vec::new()).load()?.config;
    let erasing = Erasing::beside(&config, sealing::reading_disk(&config.archive.seal)?)?;
    upkeep::note(&erasing, meant(which.search)?, change, which.json)
}

pub(super) fn hold(args: Hold) -> anyhow::Result<()> {
    note(args.which, &Change::Hold(args.reason))
}

pub(super) fn release(args: Release) -> anyhow::Result<()> {
    note(args.which, &Change::Release(args.reason))
}

pub(super) fn tag(args: TagArgs) -> anyhow::Result<()> {
    note(args.which, &Change::Tag(args.add, args.remove))
}

pub(super) fn erase(args: Erase) -> anyhow::Result<()> {
    let config = args.which.settings.sources(Vec::new()).load()?.config;
    let filter = meant(args.which.search)?;
    let (erasing, disk) = open(&config)?;
    upkeep::erase(&erasing, filter, &args.reason, targets::outbox(&config)?, disk, args.how.manner(args.which.json))
}

pub(super) fn expire(args: Expire) -> anyhow::Result<()> {
    let config = args.settings.sources(Vec::new()).load()?.config;
    let (erasing, disk) = open(&config)?;
    upkeep::expire(&erasing, targets::outbox(&config)?, disk, args.how.manner(args.json))
}

pub(super) fn recompress(args: Recompress) -> anyhow::Result<()> {
    let config = args.settings.sources(Vec::new()).load()?.config;
    let older_than = args.older_than.or(config.archive.recompress_after);
    let older_than = older_than.context("how old? Say --older-than 30d, or set archive.recompress_after")?.0;
    let data = &config.archive.data_dir;
    beside::is_there(data)?;
    let disk: Arc<dyn Disk> = sealing::disk(&config, data)?;
    let recompressing = Recompressing::beside(&config, Arc::clone(&disk))?;
    let to = args.to.unwrap_or(config.archive.recompress_to);
    let manner = Recompression { older_than, to, dry_run: args.dry_run, json: args.json };
    upkeep::recompress(&recompressing, targets::outbox(&config)?, disk, manner)
}

fn open(config: &Config) -> anyhow::Result<(Erasing, Arc<dyn Disk>)> {
    let data = &config.archive.data_dir;
    beside::is_there(data)?;
    let disk: Arc<dyn Disk> = sealing::disk(config, data)?;
    Ok((Erasing::beside(config, Arc::clone(&disk))?, disk))
}
