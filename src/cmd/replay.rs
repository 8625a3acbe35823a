//! `siprec replay`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::replay_to;
use super::settings::Settings;
use crate::{logging, replay};

/// Shown below the flags.
const EXAMPLES: &str = "\
Examples:
  siprec replay call.pcap                                    makes recordings of a capture, offline
  siprec replay --to sip:192.0.2.9                           a made-up call of 10 s
  siprec replay call.pcap --to sip:192.0.2.9:5060 --speed 2  a captured call, twice as fast
  siprec replay siprec-data/journals/2026/11/23/SESSION --to sip:192.0.2.9 --config siprec.yaml
  siprec replay --to 'sip:srs;transport=tcp' --wav hello.wav --hold 3s,2s --transfer 6s
  siprec replay --to sips:srs.example.com --tls-ca ca.pem --srtp AEAD_AES_256_GCM
  siprec replay --to sip:srs --calls 2000 --rate 50 --duration 60s --loss 1 --json

Load is put on whoever --to names, without asking: be sure that it is yours.
Exit: 0 all calls went well, 1 some failed, 2 usage. Ctrl-C ends every call with a BYE and reports.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Captures (pcap, pcapng) and journals to replay; - reads standard input
    #[arg(required_unless_present = "to", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Print JSON: an object a recording, or with --to one report
    #[arg(long)]
    json: bool,
    /// Show no progress, on a terminal either
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    wire: replay_to::Wire,
}

pub(super) fn run(mut args: Args) -> anyhow::Result<()> {
    let progress = !args.quiet && std::io::stderr().is_terminal();
    let loaded = args.settings.sources(Vec::new()).load()?;
    logging::start(&loaded.config.logging, false)?;
    if let Some(to) = args.wire.to.take() {
        return replay::wire::run(args.wire.options(
            to,
            args.files,
            loaded.config.archive.seal,
            args.json,
            progress,
        )?);
    }
    replay::run(replay::Options { files: args.files, config: loaded.config, json: args.json, progress })
}
