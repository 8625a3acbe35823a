//! `siprec archive audit`.

use std::path::PathBuf;

use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

use super::search::{id, in_order, since, until};
use super::settings::Settings;
use crate::archive::audit::Action;
use crate::upkeep::{self, Listing};

const EXAMPLES: &str = "Examples:
  siprec archive audit --since 7d --action exported
  siprec archive audit --recording 01a2261c-e420-7449-9e54-e09ba50d0382 --json
  siprec archive audit --verify --public-key /safe/siprec-proof.pub";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Entries of then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Wall>,
    /// Entries of before then; a day is included as a whole
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Wall>,
    /// Of this action (exported, erased, held ...); repeatable
    #[arg(long = "action", value_name = "ACTION", value_parser = action)]
    actions: Vec<Action>,
    /// About the recording of this id; repeatable
    #[arg(long = "recording", value_name = "ID", value_parser = id)]
    recordings: Vec<RecordingId>,
    /// Check that all of the log is as it was written and nothing is missing, instead of listing it
    #[arg(long, conflicts_with_all = ["since", "until", "actions", "recordings"])]
    verify: bool,
    /// The server's siprec-proof.pub, from a place that you trust, instead of the one in the data directory
    #[arg(long, value_name = "FILE", requires = "verify")]
    public_key: Option<PathBuf>,
    /// Print one JSON object an entry; with --verify one in all
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let Args { since, until, actions, recordings, verify, public_key, json, settings } = args;
    in_order(since, until)?;
    let data = settings.sources(Vec::new()).load()?.config.archive.data_dir;
    upkeep::audit(&Listing { data, since, until, actions, recordings, verify, public_key, json })
}

fn action(text: &str) -> Result<Action, String> {
    let known = || Action::ALL.map(Action::name).join(", ");
    Action::ALL
        .into_iter()
        .find(|action| action.name() == text)
        .ok_or_else(|| format!("there is no action \"{text}\": there are {}", known()))
}
