//! `--sip-trace`: (skeleton)

use siprec_core::sip::Transport;
use siprec_core::time::Wall;
use std::net::SocketAddr;

/// A message seen.
#[derive(Debug, Clone)]
pub struct SipTrace;

impl SipTrace {
    /// Starts it, if there is anything to show messages to.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn start(_log: bool, _file: Option<&std::path::Path>) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    /// Shows a message. Never blocks.
    pub fn message(
        &self,
        _at: Wall,
        _outbound: bool,
        _transport: Transport,
        _from: SocketAddr,
        _to: SocketAddr,
        _message: &[u8],
    ) {
    }
}
