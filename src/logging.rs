//! The log: tracing's events as text or JSON, to standard error, standard output or a file, at a level that can be
//! changed while siprec runs.

use anyhow::{Context as _, anyhow};
use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogOutput, LoggingConfig};

/// The target of `--sip-trace`: messages in full, whatever the level of the rest.
pub const SIP_TRACE: &str = "sip_trace";

/// Changes the level of the running log.
#[derive(Debug, Clone)]
pub struct Handle {
    filter: Option<reload::Handle<Targets, Registry>>,
    sip_trace: bool,
}

impl Handle {
    /// For a log that is not ours: its level stays what its owner made it.
    pub fn none() -> Self {
        Self { filter: None, sip_trace: false }
    }

    /// Sets the level from now on. SIP tracing stays as it is.
    ///
    /// # Errors
    /// If the log is gone.
    pub fn set_level(&self, level: LogLevel) -> anyhow::Result<()> {
        let Some(filter) = &self.filter else { return Ok(()) };
        filter.reload(targets(level, self.sip_trace)).map_err(|error| anyhow!("the log's level stays: {error}"))
    }
}

/// Starts the log of this process; once.
///
/// # Errors
/// If the file cannot be opened, or a log runs already.
pub fn start(config: &LoggingConfig, sip_trace: bool) -> anyhow::Result<Handle> {
    let (writer, colours) = writer(&config.output)?;
    let (filter, handle) = reload::Layer::new(targets(config.level, sip_trace));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match config.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let started = Registry::default().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| anyhow!("the log cannot start: {error}"))?;
    Ok(Handle { filter: Some(handle), sip_trace })
}

/// Whether the user wants no colours anywhere (`NO_COLOR`).
pub(crate) fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Where lines go, and whether colours are wanted there (`NO_COLOR`: never).
fn writer(output: &LogOutput) -> anyhow::Result<(BoxMakeWriter, bool)> {
    let wanted = !no_colour();
    Ok(match output {
        LogOutput::Stderr => (BoxMakeWriter::new(std::io::stderr), wanted && std::io::stderr().is_terminal()),
        LogOutput::Stdout => (BoxMakeWriter::new(std::io::stdout), wanted && std::io::stdout().is_terminal()),
        LogOutput::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.with_context(|| format!("logging.output: cannot open {}", path.display()))?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    })
}

fn targets(level: LogLevel, sip_trace: bool) -> Targets {
    let trace = if sip_trace { LevelFilter::TRACE } else { LevelFilter::OFF };
    Targets::new().with_default(filter(level)).with_target(SIP_TRACE, trace)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn sip_tracing_has_a_level_of_its_own() {
        let on = targets(LogLevel::Off, true);
        assert!(on.would_enable(SIP_TRACE, &Level::DEBUG));
        assert!(!on.would_enable("siprec::server", &Level::ERROR));
        let off = targets(LogLevel::Trace, false);
        assert!(!off.would_enable(SIP_TRACE, &Level::ERROR));
        assert!(off.would_enable("siprec::server", &Level::TRACE));
    }
}
