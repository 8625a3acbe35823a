//! `siprec serve`, and what `siprec` means without a subcommand.

use clap::ValueEnum;
use std::path::PathBuf;

use super::settings::{self, Settings, flag};
use crate::config::{Flag, ListenAddress};
#[cfg(feature = "pprof")]
use crate::profiling;
use crate::sip_trace::SipTrace;
use crate::{logging, server};

const EXAMPLES: &str = "\
Examples:
  siprec serve                              SIP on :5060, everything in ./siprec-data
  siprec serve --config /etc/siprec/siprec.yaml
  siprec serve --set server.address=:5070 --data-dir /srv/calls
  siprec serve --sip-trace-file sip.pcapng  each SIP message in a capture, too

SIGTERM stops (the next start goes on with the calls), SIGUSR1 drains, SIGHUP reloads.
Exit codes: 0 stopped or drained, 1 it could not start or go on, 2 usage.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Log what an engineer wants to know (logging.level: debug)
    #[arg(long)]
    debug: bool,
    /// Log this much (logging.level); wins over --debug
    #[arg(long, value_name = "LEVEL", value_enum, ignore_case = true)]
    log_level: Option<Level>,
    /// Log lines as text or JSON (logging.format)
    #[arg(long, value_name = "FORMAT", value_enum, ignore_case = true)]
    log_format: Option<Format>,
    /// Show each SIP message in the log, secrets blanked
    #[arg(long)]
    sip_trace: bool,
    /// Write each SIP message to a capture that Wireshark opens, secrets blanked
    #[arg(long, value_name = "FILE")]
    sip_trace_file: Option<PathBuf>,
    /// Serve profiles to this machine: http://127.0.0.1:6060/debug/pprof/ (processor time, flame graph, heap)
    #[arg(long)]
    pprof: bool,
    /// Serve them on this loopback address; without an IP, as :6060, it is 127.0.0.1
    #[arg(long, value_name = "ADDRESS", requires = "pprof")]
    pprof_addr: Option<ListenAddress>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let sources = args.settings.sources(args.logging_flags());
    let loaded = settings::load(&sources)?;
    let log = logging::start(&loaded.config.logging, args.sip_trace)?;
    if args.pprof {
        profiles(args.pprof_addr)?;
    }
    let sip_trace = SipTrace::start(args.sip_trace, args.sip_trace_file.as_deref())?;
    server::run(server::Options { loaded, sources: Some(sources), log, sip_trace, desk: server::Desk::default() })
}

#[cfg(feature = "pprof")]
fn profiles(address: Option<ListenAddress>) -> anyhow::Result<()> {
    let address = address.map_or_else(|| profiling::ADDRESS.parse(), Ok)?;
    let bound = profiling::start(address)?;
    tracing::info!("profiles are at http://{bound}/debug/pprof/, for this machine alone");
    Ok(())
}

#[cfg(not(feature = "pprof"))]
fn profiles(_: Option<ListenAddress>) -> anyhow::Result<()> {
    anyhow::bail!("--pprof: this build has no profiling: leave it out, or build with the feature pprof")
}

impl Args {
    fn logging_flags(&self) -> Vec<Flag> {
        let name =
            |value: Option<clap::builder::PossibleValue>| value.map_or_else(String::new, |v| v.get_name().into());
        let mut flags = Vec::new();
        if self.debug {
            flags.push(flag("--debug", "logging.level", "debug"));
        }
        if let Some(level) = self.log_level {
            flags.push(flag("--log-level", "logging.level", &name(level.to_possible_value())));
        }
        if let Some(format) = self.log_format {
            flags.push(flag("--log-format", "logging.format", &name(format.to_possible_value())));
        }
        flags
    }
}
