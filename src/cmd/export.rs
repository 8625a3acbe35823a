//! `siprec export`.

use clap::ArgGroup;
use siprec_core::render::{FileFormat, Layout, Rendition};
use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::search::Search;
use super::settings::Settings;
use crate::archive::finish::Form;
use crate::export;
use crate::policy::details;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["to", "dry_run", "verify"]).required(true).multiple(true))]
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
    /// Tell whether recordings are what their server signed: below a folder, of a sheet, or of a file; needs no server.
    /// Repeatable
    #[arg(long, value_name = "PATH", conflicts_with_all = ["to", "dry_run"])]
    verify: Vec<PathBuf>,
    /// The server's siprec-proof.pub, from a place that you trust; repeatable. Without it, keys beside the recordings count,
    /// which only tell that all belongs together
    #[arg(long = "public-key", value_name = "FILE", requires = "verify")]
    public_keys: Vec<PathBuf>,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
    /// Last: its heading goes on for whatever follows.
    #[command(flatten)]
    search: Search,
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
    if !args.verify.is_empty() {
        return export::verify(&export::Check { paths: args.verify, public_keys: args.public_keys, json: args.json });
    }
    let config = args.settings.sources(Vec::new()).load()?.config;
    export::run(&export::Options {
        data: config.archive.data_dir,
        filter: args.search.filter(),
        to: args.to,
        form: args.form.map(|form| form.with(args.layout.map_or(config.recording.layout, Layout::from))),
        leave_out: details(&config.archive.leave_out),
        dry_run: args.dry_run,
        json: args.json,
        progress: std::io::stderr().is_terminal(),
    })
}
