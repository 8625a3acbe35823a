//! What a trace is asked for.

use std::path::PathBuf;

use siprec_core::seed::SessionId;
use siprec_core::trace::Filter;

use crate::config::Config;

/// What to read, what of it, and how to show it.
#[derive(Debug)]
pub struct Options {
    /// Captures, journals, folders of them, files with one message; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Instead of them, a running server.
    pub server: Option<Server>,
    /// For sealed journals, and for the answer that the server would give.
    pub config: Config,
    /// Which calls.
    pub filter: Filter,
    /// How they are shown.
    pub show: Show,
    /// As JSON, an object a line.
    pub json: bool,
    /// Keys of TLS connections, as NSS writes them (SSLKEYLOGFILE).
    pub keylog: Option<PathBuf>,
    /// In colour.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// Packets of what matches go here.
    pub write: Option<PathBuf>,
    /// Progress may be shown.
    pub progress: bool,
}

/// A running server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its API.
    pub url: String,
    /// What shows it who asks.
    pub token: Option<String>,
    /// These sessions alone, or recordings of these ids; all that goes on, where there are none.
    pub sessions: Vec<SessionId>,
}

/// How calls are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Each call's head, ladder, lines and streams.
    Ladder,
    /// A line a message.
    List,
    /// Messages in full.
    Messages,
    /// All that is known of each stream.
    Rtp,
    /// A sequence diagram for Mermaid.
    Mermaid,
    /// The ladder as a picture.
    Svg,
    /// What is wrong with INVITEs.
    Lint,
}
