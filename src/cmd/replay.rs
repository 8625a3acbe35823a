//! `siprec replay`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::settings::Settings;
use crate::{logging, replay};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captures to replay: pcap or pcapng; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let loaded = args.settings.sources(Vec::new()).load()?;
    logging::start(&loaded.config.logging, false)?;
    replay::run(replay::Options {
        files: args.files,
        config: loaded.config,
        json: args.json,
        progress: std::io::stderr().is_terminal(),
    })
}
