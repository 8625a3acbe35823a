//! Whether a server runs on this data directory.

use std::path::Path;

use super::check::Check;
use crate::archive::lock;

const AREA: &str = "server";

/// The server of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// Its process, if there is one.
    pub(super) pid: Option<u32>,
    /// Whose process that is.
    pub(super) uid: Option<u32>,
    data: String,
}

impl Running {
    /// As the lock of `data` and the system tell.
    pub(super) fn at(data: &Path) -> Self {
        let pid = lock::holder(data);
        let status = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let uid = status.as_deref().and_then(uid_of);
        Self { pid, uid, data: data.display().to_string() }
    }

    #[cfg(test)]
    pub(super) fn made_up(pid: Option<u32>, uid: Option<u32>) -> Self {
        Self { pid, uid, data: "data".into() }
    }

    pub(super) fn check(&self) -> Check {
        let seen = match self.pid {
            Some(pid) => format!("a server runs on it (pid {pid}): what it holds is counted as free"),
            None => "no server runs on it".to_owned(),
        };
        Check::ok(AREA, &self.data, seen)
    }
}

/// The effective user of a process, from its `status`.
fn uid_of(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::lock::DirectoryLock;

    #[test]
    fn a_server_is_known_by_its_lock() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Running::at(data.path()).pid, None);
        let lock = DirectoryLock::take(data.path()).unwrap();
        let running = Running::at(data.path());
        assert_eq!(running.pid, Some(std::process::id()));
        assert_eq!(running.uid, Some(rustix::process::geteuid().as_raw()));
        assert!(running.check().seen.contains("a server runs"));
        drop(lock);
        assert_eq!(Running::at(data.path()).pid, None, "the pid stands in the file still");
    }
}
