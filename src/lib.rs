//! siprec: a SIPREC session recording server and its operator's toolkit.
//!
//! The binary is a thin shell round this library. The shells (`server`, `replay` ...) use the core and never one another;
//! only `cmd` calls shells.

pub mod cmd;
pub mod config;
pub mod logging;
pub mod replay;
pub mod server;
pub mod sip_trace;

pub use config::Config;
