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

pub mod archive;
pub mod cmd;
pub mod config;
pub mod export;
pub mod logging;
pub mod policy;
pub mod replay;
pub mod server;
pub mod sip_trace;

pub use config::Config;
pub use server::{Live, LiveEvent, MAX_LISTENERS, Orders, Server, Sound, StreamSecond, Tap, Told, Watch, Watched};
