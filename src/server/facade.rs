//! The recorder for who embeds it.

use super::{Desk, Live, Options, Orders};
use crate::config::{Config, Loaded, Severity, notices};
use crate::logging;

/// A recorder, as a part of another program.
#[derive(Debug)]
pub struct Server {
    config: Config,
    desk: Desk,
}

impl Server {
    /// A server that will run by `config`. Nothing is opened yet.
    pub fn new(config: Config) -> Self {
        Self { config, desk: Desk::default() }
    }

    /// For giving orders while [`Server::start`] runs: record, pause, resume, hold off, take back, stop, shut down.
    pub fn orders(&self) -> Orders {
        self.desk.orders()
    }

    /// For watching and listening while [`Server::start`] runs.
    pub fn live(&self) -> Live {
        self.desk.live().clone()
    }

    /// Serves until the process is told to stop, or [`Orders::shut_down`] is called. The log is the caller's: whatever
    /// tracing subscriber is installed gets it.
    ///
    /// # Errors
    /// Whatever keeps the server from starting: what of the configuration cannot be honoured, a port in use, a locked folder.
    pub fn start(self) -> anyhow::Result<()> {
        let loaded = Loaded::of(self.config);
        for notice in notices(&loaded) {
            match notice.severity {
                Severity::Error => anyhow::bail!(notice.text),
                Severity::Warning => tracing::warn!("{}", notice.text),
            }
        }
        super::run(Options { loaded, sources: None, log: logging::Handle::none(), sip_trace: None, desk: self.desk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_honoured_does_not_start() {
        let mut config = Config::default();
        config.cluster.enabled = true;
        let error = Server::new(config).start().unwrap_err();
        assert!(error.to_string().starts_with("cluster.enabled: "), "{error}");
    }
}
