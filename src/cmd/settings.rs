//! The flags that set configuration, shared by the subcommands that read it.

use anyhow::bail;
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

use crate::config::{Flag, Loaded, Severity, Sources, notices};

/// Configuration: file < environment (SIPREC_SERVER__ADDRESS) < flags.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Read this configuration file (YAML)
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Set a key of the configuration, as server.address=:5070; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    assignments: Vec<(String, String)>,
    /// Keep journals, recordings and the catalog here (archive.data_dir)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

impl Settings {
    /// Where the configuration comes from, `more` flags on top.
    pub(super) fn sources(&self, more: Vec<Flag>) -> Sources {
        let mut flags: Vec<Flag> = self
            .assignments
            .iter()
            .map(|(key, value)| Flag { name: format!("--set {key}"), key: key.clone(), value: value.clone() })
            .collect();
        flags.extend(self.data_dir.iter().map(|value| flag("--data-dir", "archive.data_dir", value)));
        flags.extend(more);
        Sources::of_process(self.config.clone(), flags)
    }
}

/// A flag that stands for a key.
pub(super) fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag { name: name.into(), key: key.into(), value: value.into() }
}

/// Reads the configuration, says on standard error what is to be said, and fails on what cannot be honoured.
pub(super) fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    let loaded = sources.load()?;
    let mut errors = Vec::new();
    for notice in notices(&loaded) {
        match notice.severity {
            Severity::Warning => writeln!(std::io::stderr(), "siprec: {notice}")?,
            Severity::Error => errors.push(notice.text),
        }
    }
    if errors.is_empty() { Ok(loaded) } else { bail!(errors.join("\n")) }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as server.address=:5070")?;
    Ok((key.trim().to_string(), value.to_string()))
}
