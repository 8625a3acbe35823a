//! What `replay` is told by its caller.

use crate::config::Config;
use std::path::PathBuf;

/// What `replay` is told by its caller.
#[derive(Debug, Clone)]
pub struct Options {
    /// pcap and pcapng files, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The configuration in effect, the data directory among it.
    pub config: Config,
    /// One JSON object a recording instead of a table.
    pub json: bool,
    /// Whether progress is shown, on standard error.
    pub progress: bool,
}
