//! `siprec export`.

use anyhow::Context as _;
use clap::ArgGroup;
use siprec_core::render::{FileFormat, Layout, Rendition};
use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::search::Search;
use super::settings::Settings;
use crate::archive::finish::Form;
use crate::config::Config;
use crate::export::{self, AudioPlace, To, Vcon, What};
use crate::policy::{catalog_address, details};
use crate::sealing;
use crate::targets;

const EXAMPLES: &str = "\
Examples:
  Listed, since yesterday:   siprec export --dry-run --since yesterday
  Copied to a bucket:        siprec export --since yesterday --to s3://bucket/calls --jobs 8
  By a number, as Opus:      siprec export --number-ends 4711 --as opus --to out
  Signed vCons:              siprec export --as vcon --sign --to out
  Are they what was signed?  siprec export --verify out --public-key siprec-proof.pub
  From a server far away:    siprec export --server https://srs.example.com --to out
  Listen to one:             siprec export --id ID --to - | aplay";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("what").args(["to", "dry_run", "verify"]).required(true).multiple(true))]
pub(super) struct Args {
    /// Copy recordings and their sidecars here, verified, keeping YYYY/MM/DD: a folder, s3://BUCKET/PREFIX,
    /// az://ACCOUNT/CONTAINER/PREFIX or gs://BUCKET/PREFIX (as storage has it), or - for the audio of one on standard output
    #[arg(long, value_name = "DIR|URL|-")]
    to: Option<String>,
    /// Not a copy, but this form: rendered again from the journal, or (vcon) audio and proof sheet in one file
    #[arg(long = "as", value_name = "FORM", requires = "to")]
    form: Option<As>,
    /// Sign vCons with the server's proof key (JWS, Ed25519)
    #[arg(long, requires = "form")]
    sign: bool,
    /// Where the audio of vCons is: inline, external (in files beside them, named and hashed), or the https:// URL that
    /// those files can be had under
    #[arg(long, value_name = "WHERE", requires = "form", default_value = "inline", value_parser = audio_place)]
    vcon_audio: AudioPlace,
    /// So many recordings at a time, up to 64; by default as many as there are processors, 8 at most. What is printed is in
    /// the catalog's order however many there are
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: Option<u8>,
    /// How voices are laid out in files that are rendered again; as recording.layout has it where it is not given
    #[arg(long, value_name = "LAYOUT", requires = "form")]
    layout: Option<Voices>,
    /// Remove from the folder what is left there of recordings that the archive has recompressed since: files that their sheets
    /// name as those of before, where they are still these to the octet. Without it they stay, and are told
    #[arg(long, requires = "to", conflicts_with = "form")]
    prune: bool,
    /// Only list what matches
    #[arg(long)]
    dry_run: bool,
    /// Tell whether recordings are what their server signed: below a folder, of a sheet, of a file, or signed vCons; needs no server.
    /// Repeatable
    #[arg(long, value_name = "PATH", conflicts_with_all = ["to", "dry_run"])]
    verify: Vec<PathBuf>,
    /// The server's siprec-proof.pub, from a place that you trust; repeatable. Without it, keys beside the recordings count,
    /// which only tell that all belongs together
    #[arg(long = "public-key", value_name = "FILE", requires = "verify")]
    public_keys: Vec<PathBuf>,
    /// From a running server, by its API, instead of the data directory: http://127.0.0.1:8080, https://srs.example.com
    #[arg(long, value_name = "URL", conflicts_with = "verify")]
    server: Option<String>,
    /// What shows that server who asks: an API key, or a token of its issuer; SIPREC_TOKEN says the same, unseen by other users
    #[arg(long, value_name = "TOKEN", requires = "server")]
    token: Option<String>,
    /// Print one JSON object a recording
    #[arg(long)]
    json: bool,
    /// Show no progress, on a terminal either
    #[arg(long, short)]
    quiet: bool,
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
    /// A vCon (draft-ietf-vcon-vcon-core): who spoke when, audio, metadata and proof sheet, in JSON
    Vcon,
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

/// None of a vCon, which is not rendered.
fn form(form: As, layout: Layout) -> Option<Form> {
    let audio = |format| Some(Form::Audio(Rendition { layout, format }));
    match form {
        As::Wav => audio(FileFormat::Wav),
        As::WavG711 => audio(FileFormat::WavG711),
        As::Flac => audio(FileFormat::Flac),
        As::Opus => audio(FileFormat::Opus),
        As::Json => Some(Form::Sheet),
        As::Pcap => Some(Form::Packets),
        As::Vcon => None,
    }
}

fn audio_place(text: &str) -> Result<AudioPlace, String> {
    match text {
        "inline" => Ok(AudioPlace::Inline),
        "external" => Ok(AudioPlace::Beside),
        url if url.starts_with("https://") && url.len() > "https://".len() => {
            Ok(AudioPlace::Url(url.trim_end_matches('/').to_owned()))
        }
        _ => Err("say inline, external, or the https:// URL that the audio can be had under".to_owned()),
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

fn destination(config: &Config, to: String) -> anyhow::Result<To> {
    if to == "-" {
        return Ok(To::Stdout);
    }
    Ok(match targets::of_url(config, &to).context("--to")? {
        Some((target, prefix)) => To::Target(target.into(), prefix),
        None => To::Folder(to.into()),
    })
}

impl Args {
    /// What becomes of recordings; `layout` where none is given.
    fn what(&self, layout: Layout) -> anyhow::Result<What> {
        let of_vcon = self.sign || self.vcon_audio != AudioPlace::Inline;
        let form = match self.form {
            Some(asked) => form(asked, self.layout.map_or(layout, Layout::from)),
            None => return Ok(What::Copy),
        };
        if let Some(form) = form {
            anyhow::ensure!(!of_vcon, "--sign and --vcon-audio are for --as vcon");
            return Ok(What::Render(form));
        }
        anyhow::ensure!(self.layout.is_none(), "--layout: a vCon has the recording's own audio, as it is");
        let to_stdout = self.to.as_deref() == Some("-");
        let is_inline = self.vcon_audio == AudioPlace::Inline;
        anyhow::ensure!(!to_stdout || is_inline, "--vcon-audio: --to - has no place for audio beside the vCon");
        Ok(What::Vcon(Vcon { audio: self.vcon_audio.clone(), sign: self.sign }))
    }
}

/// Whether to prune, which is for folders alone.
fn prunes(asked: bool, to: Option<&To>) -> anyhow::Result<bool> {
    match to {
        Some(To::Target(..) | To::Stdout) if asked => {
            anyhow::bail!(
                "--prune: only of a folder: what a bucket keeps, and for how long, is for its lifecycle rules"
            )
        }
        Some(To::Folder(_)) | Some(To::Target(..) | To::Stdout) | None => Ok(asked),
    }
}

/// By default.
fn jobs() -> usize {
    const MOST: usize = 8;
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST)
}

#[cfg(feature = "api")]
fn run_served(args: Args, config: &Config, url: String) -> anyhow::Result<()> {
    let layout = args.layout.map(Layout::from);
    let what = args.what(config.recording.layout)?;
    let to = if args.dry_run { None } else { args.to.map(|to| destination(config, to)).transpose()? };
    let prunes = prunes(args.prune, to.as_ref())?;
    let token = super::token::token(args.token);
    let (filter, progress) = (args.search.filter()?, !args.quiet && std::io::stderr().is_terminal());
    let jobs = args.jobs.map_or_else(jobs, usize::from);
    export::run_served(&export::ServedOptions {
        url,
        token,
        filter,
        to,
        what,
        layout,
        jobs,
        prunes,
        json: args.json,
        progress,
    })
}

#[cfg(not(feature = "api"))]
fn run_served(_: Args, _: &Config, _: String) -> anyhow::Result<()> {
    anyhow::bail!("--server: this build has no API (feature `api`)")
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    if !args.verify.is_empty() {
        return export::verify(&export::Check { paths: args.verify, public_keys: args.public_keys, json: args.json });
    }
    let config = args.settings.sources(Vec::new()).load()?.config;
    if let Some(url) = args.server.clone() {
        return run_served(args, &config, url);
    }
    let what = args.what(config.recording.layout)?;
    // A dry run asks nobody.
    let to = if args.dry_run { None } else { args.to.map(|to| destination(&config, to)).transpose()? };
    let prunes = prunes(args.prune, to.as_ref())?;
    export::run(&export::Options {
        shared_catalog: catalog_address(&config).context("metadata.connection")?,
        disk: sealing::reading_disk(&config.archive.seal)?,
        leave_out: details(&config.archive.leave_out),
        data: config.archive.data_dir.clone(),
        targets: export::Targets::new(move || targets::targets(&config)),
        filter: args.search.filter()?,
        to,
        what,
        jobs: args.jobs.map_or_else(jobs, usize::from),
        prunes,
        dry_run: args.dry_run,
        json: args.json,
        progress: !args.quiet && std::io::stderr().is_terminal(),
    })
}
