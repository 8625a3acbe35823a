//! The command line: one file a subcommand. Only this module knows clap, and only it calls the shells.

mod archive;
mod audit;
mod colour;
mod complete;
mod config;
mod doctor;
mod export;
mod keeping;
mod key;
mod rebuild;
mod replay;
mod replay_to;
mod search;
mod serve;
mod settings;
#[cfg(any(feature = "api", feature = "tui"))]
mod token;
mod trace;
#[cfg(feature = "tui")]
mod tui;
mod verify;

use clap::{CommandFactory as _, Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  siprec --config /etc/siprec/siprec.yaml         record: SIP, RTP and the API as the file says
  siprec doctor --config /etc/siprec/siprec.yaml  is this machine ready for that?
  siprec export --dry-run --since yesterday       what was recorded
  siprec replay --to sip:192.0.2.9                does a recorder answer?

Exit codes of all subcommands: 0 done, 1 failed (or a check found something), 2 usage.";

/// Records SIPREC calls (RFC 7865, RFC 7866). Without a subcommand: serve.
#[derive(Debug, Parser)]
#[command(name = "siprec", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record calls: SIP and RTP in, recordings out
    Serve(serve::Args),
    /// Run captures (pcap, pcapng) through the recorder, offline and faster than life
    Replay(Box<replay::Args>),
    /// Show what captures, journals and running servers hold: SIP ladders, metadata, RTP quality, why there is no audio; lint INVITEs
    Trace(Box<trace::Args>),
    /// Find recordings and copy them, verified
    Export(Box<export::Args>),
    /// Watch a running server from a terminal: sessions, quality, alarms; pause, stop, search the archive
    #[cfg(feature = "tui")]
    Tui(tui::Args),
    /// Look after a data directory: what is kept and erased, what waits for storage, what is damaged, the audit log, catalog, keys
    Archive(Box<archive::Args>),
    /// Check, show or print the configuration
    Config(config::Args),
    /// Whether this machine is as the configuration needs it: ports, firewall, kernel, clock, disk, targets, database, certificates
    Doctor(doctor::Args),
    /// Ids of recordings and sessions, for the completion of shells
    #[command(hide = true)]
    Complete(complete::Args),
}

/// Parses, runs, and turns what came of it into an exit code: 0 done, 1 failed, 2 usage.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help that nobody reads on (a closed pipe) is no failure.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What clap cannot see by itself: options that contradict each other.
            if let Some(usage) = error.downcast_ref::<clap::Error>() {
                let _ = usage.print();
                return ExitCode::from(2);
            }
            for line in format!("{error:#}").lines() {
                let _ = writeln!(std::io::stderr(), "siprec: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Replay(args)) => replay::run(*args),
        Some(Command::Trace(args)) => trace::run(*args),
        Some(Command::Export(args)) => export::run(*args),
        #[cfg(feature = "tui")]
        Some(Command::Tui(args)) => tui::run(args),
        Some(Command::Archive(args)) => archive::run(*args),
        Some(Command::Config(args)) => config::run(args),
        Some(Command::Doctor(args)) => doctor::run(args),
        Some(Command::Complete(args)) => complete::run(args),
    }
}

/// The command line's shape, for shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    kinds.into_iter().any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let broken = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).context("writing");
        assert!(is_broken_pipe(&broken));
        assert!(!is_broken_pipe(&anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::NotFound))));
    }
}
