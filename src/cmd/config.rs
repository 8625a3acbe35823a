//! `siprec config check|show|example|key`.

use anyhow::bail;
use clap::Subcommand;
use std::io::Write as _;
use std::path::PathBuf;

use super::key;
use super::settings::Settings;
use crate::config::{self, Severity};
use crate::{sealing, server};

const EXAMPLES: &str = "\
Examples:
  siprec config example > siprec.yaml
  siprec config check siprec.yaml
  siprec config show --config siprec.yaml --json | jq '.\"media.port_range\"'";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the configuration as serve does, and say what is wrong with it
    #[command(after_help = "Example:\n  siprec config check /etc/siprec/siprec.yaml --set server.address=:5070")]
    Check {
        /// The file to check; the same as --config
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print each value in effect and where it comes from, secrets masked
    #[command(after_help = "Example:\n  siprec config show --config /etc/siprec/siprec.yaml")]
    Show {
        /// As one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a file with every key at its default
    #[command(after_help = "Example:\n  siprec config example > siprec.yaml")]
    Example,
    /// Make keys for programs that use the API
    #[command(after_help = key::EXAMPLE)]
    Key(key::Args),
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::Check { file, mut settings } => {
            settings.config = file.or(settings.config);
            check(&settings)
        }
        Action::Show { json, settings } => show(&settings, json),
        Action::Example => print(config::EXAMPLE),
        Action::Key(args) => key::run(args),
    }
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    let sources = settings.sources(Vec::new());
    let loaded = sources.load()?;
    let notices = config::notices(&loaded);
    for notice in &notices {
        print(&format!("{notice}\n"))?;
    }
    let errors = notices.iter().filter(|notice| notice.severity == Severity::Error).count();
    let keys = || sealing::master_keys(&loaded.config.archive.seal);
    let files = match errors {
        0 => server::check_tls(&loaded.config).and_then(|told| keys().map(|_| told)),
        _ => Ok(Vec::new()),
    };
    let about_files = files.as_ref().map_or_else(|error| vec![format!("error: {error:#}")], Vec::clone);
    for text in &about_files {
        let severity = if files.is_ok() { "warning: " } else { "" };
        print(&format!("{severity}{text}\n"))?;
    }
    if errors > 0 || files.is_err() {
        bail!("serve would not start with this configuration");
    }
    let quiet = notices.is_empty() && about_files.is_empty();
    print(&format!("configuration is valid{}\n", if quiet { "" } else { ", with the warnings above" }))
}

fn show(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let loaded = settings.sources(Vec::new()).load()?;
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&config::show_json(&loaded))?))
    } else {
        print(&config::show_text(&loaded))
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
