//! `siprec doctor`: whether this machine is as the configuration needs it, and what to do where it is not.
//!
//! ```text
//! facts (sockets, /proc, files, targets, database) -> judgement (a pure function of facts) -> Check -> report
//! ```
//! Nothing is changed: what has to be tried (a write, an object in a target) is taken away again. It runs beside a server, and
//! what that server holds is its own good right.

mod access;
mod certificates;
mod check;
mod clock;
mod configuration;
mod database;
mod disk;
mod firewall;
mod kernel;
mod mount;
mod ports;
mod report;
mod running;
mod sealing;
mod sockets;
mod storage;

use crate::config::{Faults, Loaded};

pub use certificates::{Held, Presented};
pub use check::{Check, Verdict};
pub use report::Form;

use report::Report;
use running::Running;

/// What is to be examined, and how it is told.
pub struct Examination {
    /// The configuration, or why it cannot be read.
    pub loaded: Result<Loaded, Faults>,
    /// What the server's own code says of it, for a configuration that can be read.
    pub server: OfServer,
    /// How it is told.
    pub form: Form,
}

/// What only the server's code knows.
#[derive(Default)]
pub struct OfServer {
    /// The certificates that it would show.
    pub certificates: Vec<Presented>,
    /// By how many nanoseconds the machine's clock is ahead of the one that recordings go by; none before the first start in
    /// this boot.
    pub clock_offset: Option<i64>,
    /// How many keys the issuer of tokens has, or why they cannot be had; none where no token is taken.
    pub issuer: Option<Result<usize, String>>,
}

/// Looks at everything and tells it, line by line.
///
/// # Errors
/// Something failed, which is told by then; or it cannot be told.
pub fn run(examination: Examination) -> anyhow::Result<()> {
    let Examination { loaded, server, form } = examination;
    let mut report = Report::new(form);
    let faults = match &loaded {
        Ok(loaded) => configuration::examine(loaded),
        Err(faults) => configuration::unreadable(faults),
    };
    report.tell(faults)?;
    if let Ok(Loaded { config, .. }) = &loaded {
        let running = Running::at(&config.archive.data_dir);
        report.tell(vec![running.check()])?;
        report.tell(ports::examine(config, &running))?;
        report.tell(firewall::examine(config))?;
        report.tell(kernel::examine(config, &running))?;
        report.tell(clock::examine(config, server.clock_offset))?;
        report.tell(disk::examine(config))?;
        report.tell(storage::examine(config))?;
        report.tell(database::examine(config))?;
        report.tell(certificates::examine(config, server.certificates))?;
        report.tell(sealing::examine(config))?;
        report.tell(access::examine(config, server.issuer))?;
    }
    report.end()
}
