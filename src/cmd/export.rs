//! `siprec export`.

use clap::ArgGroup;
use siprec_core::render::{FileFormat, Layout, Rendition};
use siprec_core::seed::{NotAnId, RecordingId};
use siprec_core::time::Wall;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::settings::Settings;
use crate::archive::catalog::Filter;
use crate::archive::finish::Form;
use crate::archive::selection::{Bound, moment};
use crate::export;
use crate::policy::details;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["to", "dry_run"]).required(true).multiple(true))]
pub(super) struct Args {
    /// Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Render again from the journal, in this form, instead of copying
    #[arg(long = "as", value_name = "FORM", requires = "to")]
    form: Option<As>,
    /// How voices are laid out in files that are rendered again; as recording.layout has it where it is not given
    #[arg(long, value_name = "LAYOUT", requires = "form")]
    layout: Option<Voices>,
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

/// What `--as` can be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum As {
    /// 16-bit samples in WAV
    Wav,
    /// G.711 in WAV as it came, where all of a file is of one law
    WavG711,
    /// FLAC
    Flac,
    /// Opus in Ogg
    Opus,
    /// The proof sheet alone
    Json,
    /// Signalling and packets, for Wireshark
    Pcap,
}

/// What `--layout` can be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Voices {
    /// Caller left, callee right
    Stereo,
    /// Everybody in one channel
    Mono,
    /// A file a participant
    Separate,
}

impl As {
    fn with(self, layout: Layout) -> Form {
        let audio = |format| Form::Audio(Rendition { layout, format });
        match self {
            Self::Wav => audio(FileFormat::Wav),
            Self::WavG711 => audio(FileFormat::WavG711),
            Self::Flac => audio(FileFormat::Flac),
            Self::Opus => audio(FileFormat::Opus),
            Self::Json => Form::Sheet,
            Self::Pcap => Form::Packets,
        }
    }
}

impl From<Voices> for Layout {
    fn from(voices: Voices) -> Self {
        match voices {
            Voices::Stereo => Self::Stereo,
            Voices::Mono => Self::Mono,
            Voices::Separate => Self::Separate,
        }
    }
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
        form: args.form.map(|form| form.with(args.layout.map_or(config.recording.layout, Layout::from))),
        leave_out: details(&config.archive.leave_out),
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
