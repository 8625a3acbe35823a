//! The log as a command line keeps it: what a command did counts whether or not that can be written down, but not in silence.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use rustix::process::geteuid;

use super::{Act, Audit, FILE};
use crate::archive::disk::RealDisk;
use crate::archive::proof_key;

/// Writes down what a command does.
#[derive(Debug)]
pub struct Witness {
    /// None where there is nothing to write in: no server of a version that keeps a log ever ran on the directory.
    audit: Option<Audit>,
    /// Why nothing can be written; told with the next entry.
    trouble: Option<String>,
    /// Said once, however many entries are not written.
    told: bool,
}

impl Witness {
    /// For who runs this process, in the data directory `data`.
    pub fn new(data: &Path) -> Self {
        if !data.join(FILE).exists() && !data.join(proof_key::FILE).exists() {
            return Self { audit: None, trouble: None, told: false };
        }
        match Self::open(data) {
            Ok(audit) => Self { audit: Some(audit), trouble: None, told: false },
            Err(error) => Self { audit: None, trouble: Some(format!("{error:#}")), told: false },
        }
    }

    fn open(data: &Path) -> anyhow::Result<Audit> {
        // Made by root it would be root's, and the server could not write in it.
        let is_ours = || Ok::<_, io::Error>(data.metadata()?.uid() == geteuid().as_raw());
        ensure!(
            data.join(FILE).exists() || is_ours()?,
            "there is no {FILE} in {}: the server makes it when it starts, or its user does",
            data.display()
        );
        Audit::of_command_line(Arc::new(RealDisk), data)
    }

    /// Writes an entry; it is on the disk when this returns. The answer is for standard error: that something is not in the
    /// log, and why; said once.
    #[must_use]
    pub fn write(&mut self, act: Act) -> Option<String> {
        if let Some(Err(error)) = self.audit.as_ref().map(|audit| audit.append(act)) {
            self.trouble = Some(error.to_string());
        }
        let why = self.trouble.as_ref().filter(|_| !self.told)?;
        self.told = true;
        Some(format!("WARNING: this is not in the audit log: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::audit::{Action, Lines};
    use crate::archive::proof_key::ProofKey;

    #[test]
    fn what_cannot_be_written_is_said_once_and_where_nothing_is_kept_nothing_is_said() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Witness::new(data.path()).write(Act::new(Action::Rebuilt)), None);
        assert!(!data.path().join(FILE).exists());
        drop(ProofKey::load(data.path()).unwrap());
        assert_eq!(Witness::new(data.path()).write(Act::new(Action::Rebuilt)), None);
        assert_eq!(Lines::open(&RealDisk, data.path()).unwrap().unwrap().count(), 1);
        std::fs::remove_file(data.path().join(proof_key::FILE)).unwrap();
        let mut witness = Witness::new(data.path());
        let said = witness.write(Act::new(Action::Rebuilt)).unwrap();
        assert!(said.contains("not in the audit log: there is no siprec-proof.key"), "{said}");
        assert_eq!(witness.write(Act::new(Action::Rebuilt)), None);
    }
}
