//! `siprec archive`: what is done to a data directory as a whole.

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{audit, keeping, rebuild, verify};
use crate::archive::audit::{Act, Action as Deed};
use crate::archive::disk::RealDisk;
use crate::archive::sealed::{self, Standing};
use crate::beside;
use crate::sealing;
use crate::upkeep;

const EXAMPLES: &str = "\
Examples:
  siprec archive verify --since 7d                       is all that is held what it was?
  siprec archive hold --call 4711 --reason 'case 17'     nothing of it is deleted
  siprec archive outbox                                  what waits for storage targets, and why";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What waits for storage targets, and why; beside a running server or without one
    #[command(
        after_help = "Examples:\n  siprec archive outbox\n  siprec archive outbox --retry\n  siprec archive outbox --json | jq .waiting"
    )]
    Outbox {
        /// Have what failed tried again now
        #[arg(long)]
        retry: bool,
        /// Print one JSON object a target, then one a recording that failed
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Recordings that could not be made, and why; beside a running server or without one
    #[command(after_help = "Examples:\n  siprec archive unfinished\n  siprec archive unfinished --retry")]
    Unfinished {
        /// Have them tried again now
        #[arg(long)]
        retry: bool,
        /// Print one JSON object a session
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Keep recordings from being deleted, whatever rule or order there is; a server may run
    Hold(keeping::Hold),
    /// End holds
    Release(keeping::Release),
    /// Put tags on recordings, or take them off; a server may run
    Tag(keeping::TagArgs),
    /// Erase recordings for good: here, in their journals, in the catalog and in all storage targets, with a signed
    /// certificate for each; a server may run
    Erase(keeping::Erase),
    /// Erase what is older than storage.retention_days and storage.retention say, as a server does by itself
    Expire(keeping::Expire),
    /// Replace WAV files that are old enough by FLAC or Opus, here and in all storage targets, with sheets that prove what they
    /// were made of; as a server does by itself with archive.recompress_after. A server may run
    Recompress(keeping::Recompress),
    /// Make a master key for archive.seal
    #[command(after_help = "Example:\n  siprec archive new-key /etc/siprec/master.key")]
    NewKey {
        /// Write it to this file, readable by its owner alone, instead of printing it
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// After a change of the master key: wrap all keys by the new one. No audio is touched; a server may run
    #[command(after_help = "Example:\n  siprec archive rewrap --config /etc/siprec/siprec.yaml")]
    Rewrap {
        #[command(flatten)]
        settings: Settings,
    },
    /// Make the catalog anew from the proof sheets in the data directory, whose server must not run
    Rebuild(rebuild::Args),
    /// Whether all that is held is what it was: sheets, files, targets, catalog, journals, audit log; beside a running server or
    /// without one
    Verify(verify::Args),
    /// Who did what to which recording: the audit log, listed or checked
    Audit(audit::Args),
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::NewKey { file, settings } => new_key(file.as_deref(), &settings),
        Action::Rewrap { settings } => rewrap(&settings),
        Action::Hold(args) => keeping::hold(args),
        Action::Release(args) => keeping::release(args),
        Action::Tag(args) => keeping::tag(args),
        Action::Erase(args) => keeping::erase(args),
        Action::Expire(args) => keeping::expire(args),
        Action::Recompress(args) => keeping::recompress(args),
        Action::Rebuild(args) => rebuild::run(args),
        Action::Verify(args) => verify::run(args),
        Action::Audit(args) => audit::run(args),
        Action::Outbox { retry, json, settings } => {
            let data = settings.sources(Vec::new()).load()?.config.archive.data_dir;
            upkeep::outbox(&data, retry, json)
        }
        Action::Unfinished { retry, json, settings } => {
            let data = settings.sources(Vec::new()).load()?.config.archive.data_dir;
            upkeep::unfinished(&data, retry, json)
        }
    }
}

fn new_key(file: Option<&Path>, settings: &Settings) -> anyhow::Result<()> {
    let key = sealed::new_key()?;
    // A key may be made before there is a data directory, or a configuration that can be read: then there is no log either.
    if let Ok(loaded) = settings.sources(Vec::new()).load() {
        let to = file.map_or_else(|| "standard output".to_owned(), |file| file.display().to_string());
        upkeep::write_down(&loaded.config.archive.data_dir, Act::new(Deed::KeyMade).with("to", to))?;
    }
    let Some(path) = file else {
        let mut out = std::io::stdout();
        out.write_all(key.as_bytes())?;
        return Ok(out.write_all(b"\n")?);
    };
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut out = open.with_context(|| format!("cannot make {}", path.display()))?;
    out.write_all(key.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.sync_all()?)
}

fn rewrap(settings: &Settings) -> anyhow::Result<()> {
    let config = settings.sources(Vec::new()).load()?.config;
    let data = &config.archive.data_dir;
    beside::is_there(data)?;
    let masters = sealing::master_keys(&config.archive.seal)?;
    let current =
        masters.current().context("archive.seal: there is no master key to wrap keys by: set master_key_file")?;
    if sealed::standing(&RealDisk, data, &masters)? == Standing::Unsealed {
        bail!("nothing was sealed in {} yet", data.display());
    }
    let done = sealed::rewrap(&RealDisk, data, &masters).with_context(|| format!("in {}", data.display()))?;
    for failed in &done.failed {
        writeln!(std::io::stderr(), "siprec: {failed}")?;
    }
    let (wrapped, others) = (done.wrapped, done.current);
    let act = Act::new(Deed::Rewrapped).with("master_key", current.id());
    upkeep::write_down(data, act.with("wrapped", wrapped).with("failed", done.failures))?;
    writeln!(std::io::stdout(), "{wrapped} keys wrapped by master key {}, {others} were already", current.id())?;
    ensure!(
        done.failures == 0,
        "{} keys are still as they were: leave the master key of before where it is",
        done.failures
    );
    upkeep::queue_changed(data)
}
