//! `siprec export`.

use clap::ArgGroup;
use siprec_core::seed::{NotAnId, RecordingId};
use siprec_core::time::Wall;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::settings::Settings;
use crate::archive::catalog::Filter;
use crate::archive::selection::{Bound, moment};
use crate::export;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["to", "dry_run"]).required(true).multiple(true))]
pub(super) struct Args {
    /// Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only list what matches
    #[arg(long)]
    dry_run: bool,
    /// Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Wall>,
    /// Started before then; a day is included as a whole
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Wall>,
    /// Part of the caller's address, name or number, however it is written
    #[arg(long, value_name = "TEXT")]
    caller: Option<String>,
    /// An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// The recording of this id; repeatable
    #[arg(long = "id", value_name = "ID", value_parser = id)]
    ids: Vec<RecordingId>,
    /// At most so many, the latest
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let config = args.settings.sources(Vec::new()).load()?.config;
    let limit = args.limit;
    export::run(&export::Options {
        data: config.archive.data_dir,
        filter: Filter {
            since: args.since,
            until: args.until,
            caller: args.caller,
            call: args.call,
            ids: args.ids,
            limit,
        },
        to: args.to,
        dry_run: args.dry_run,
        json: args.json,
        progress: std::io::stderr().is_terminal(),
    })
}

fn id(text: &str) -> Result<RecordingId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

fn since(text: &str) -> Result<Wall, String> {
    moment(text, Bound::Since, now()).map_err(|error| error.to_string())
}

fn until(text: &str) -> Result<Wall, String> {
    moment(text, Bound::Until, now()).map_err(|error| error.to_string())
}

fn now() -> Wall {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}
