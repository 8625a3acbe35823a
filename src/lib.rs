//! siprec: a SIPREC session recording server and its operator's toolkit.
//!
//! The binary is a thin shell round this library. Who embeds a recorder needs two names of it:
//!
//! ```no_run
//! use siprec::{Config, Server};
//!
//! fn main() -> anyhow::Result<()> {
//!     Server::new(Config::default()).start()
//! }
//! ```
//!
//! The shells (`server`, `replay` ...) use the archive and the core and never one another; only `cmd` calls shells. Tests
//! read the sources and hold them to it.

mod any_certificate;
#[cfg(any(feature = "api", feature = "tui"))]
mod api_answers;
#[cfg(any(feature = "api", feature = "tui"))]
mod api_client;
pub mod archive;
pub mod beside;
mod capture;
pub mod cmd;
pub mod config;
pub mod doctor;
pub mod erasing;
#[cfg(any(feature = "api", feature = "tui"))]
mod event_stream;
pub mod export;
#[cfg(any(feature = "api", feature = "tui"))]
mod https;
#[cfg(feature = "api")]
mod ids;
mod limits;
mod listening;
pub mod logging;
pub mod noting;
pub mod policy;
#[cfg(feature = "pprof")]
pub mod profiling;
pub mod recompressing;
pub mod replay;
pub mod sealing;
pub mod server;
pub mod sip_trace;
pub mod targets;
pub mod trace;
#[cfg(feature = "tui")]
pub mod tui;
pub mod upkeep;
mod wall;

pub use config::Config;
pub use server::{
    Live, LiveEvent, MAX_LISTENERS, Orders, Server, ServerAlarm, SipTold, SipWatch, SipWatched, Sound, StreamSecond,
    Tap, Told, Watch, Watched,
};
