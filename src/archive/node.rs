//! `node.json`: what this installation is, and when and in which boot it was last started.
//!
//! Readable by its owner only: the key in it is what secrets of journals are wrapped with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siprec_core::seed::Seed;
use siprec_core::time::Now;

/// The file in the data directory.
pub const FILE: &str = "node.json";

/// Larger than any version of it.
const MAX_BYTES: u64 = 64 * 1024;

/// Names the machine's boot (Linux).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Random bytes of the kernel.
const RANDOM: &str = "/dev/urandom";

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Made at first start; wraps keys that are kept.
    pub key: Seed,
    /// The boot in which this run was started.
    pub boot: String,
    /// When: on both clocks.
    pub started: Now,
}

/// The node, and what its last run left.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// As it stands in the file now.
    pub node: Node,
    /// As the run before left it, if there was one.
    pub before: Option<Node>,
    /// Fresh randomness for this run: never written down, never the same.
    pub seed: Seed,
}

impl Started {
    /// Whether the run before was in the same boot: what it had handed to the kernel is on the disk, or will be.
    pub fn is_same_boot(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.boot == self.node.boot)
    }
}

/// Why the node cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The disk, or the kernel.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is there and says nothing; making a new key would lose what the old one wraps.
    #[error("{} is damaged ({source}): put it back from a backup, or move it away for a new node key", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// Reads the node of the data directory `data`, or makes it, and writes down that it was started at `now`. The
/// caller holds the directory's lock.
pub fn start(data: &Path, now: Now) -> Result<Started, NodeError> {
    let boot = read_text(Path::new(BOOT_ID))?.trim().to_owned();
    start_in(data, now, boot)
}

fn start_in(data: &Path, now: Now, boot: String) -> Result<Started, NodeError> {
    let path = data.join(FILE);
    let before: Option<Node> = match fs::exists(&path) {
        Ok(true) => Some(
            serde_json::from_str(&read_text(&path)?)
                .map_err(|source| NodeError::Damaged { path: path.clone(), source })?,
        ),
        Ok(false) => None,
        Err(source) => return Err(NodeError::Io { path, source }),
    };
    let key = match &before {
        Some(before) => before.key,
        None => random()?,
    };
    let node = Node { key, boot, started: now };
    write(data, &node).map_err(|source| NodeError::Io { path, source })?;
    Ok(Started { node, before, seed: random()? })
}

fn write(data: &Path, node: &Node) -> io::Result<()> {
    let part = data.join(format!("{FILE}.part"));
    // One that a crash left behind may have another mode.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    serde_json::to_writer_pretty(&mut file, node)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&part, data.join(FILE))?;
    File::open(data)?.sync_all()
}

fn read_text(path: &Path) -> Result<String, NodeError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    read.map(|_| text).map_err(|source| NodeError::Io { path: path.to_owned(), source })
}

fn random() -> Result<Seed, NodeError> {
    let mut bytes = [0; 32];
    File::open(RANDOM)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map(|()| Seed(bytes))
        .map_err(|source| NodeError::Io { path: RANDOM.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::time::{Monotonic, Wall};
    use std::os::unix::fs::PermissionsExt;

    fn now(second: u64) -> Now {
        Now { monotonic: Monotonic(second * 1_000_000_000), wall: Wall(second.cast_signed() * 1_000_000_000) }
    }

    #[test]
    fn the_key_stays_and_the_rest_is_of_the_last_start() {
        let folder = tempfile::tempdir().unwrap();
        let first = start_in(folder.path(), now(1), "a".to_owned()).unwrap();
        assert!(first.before.is_none() && !first.is_same_boot());
        let second = start_in(folder.path(), now(2), "a".to_owned()).unwrap();
        assert!(second.is_same_boot());
        assert_eq!(second.before, Some(first.node.clone()));
        assert_eq!(second.node.key, first.node.key);
        assert_ne!(second.seed, first.seed);
        let third = start_in(folder.path(), now(3), "b".to_owned()).unwrap();
        assert!(!third.is_same_boot());
        assert_eq!(third.before.unwrap().started, now(2));
    }

    #[test]
    fn only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("node.json.part"), "left by a crash").unwrap();
        start(folder.path(), now(1)).unwrap();
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_one_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(matches!(start(folder.path(), now(1)), Err(NodeError::Damaged { .. })));
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "{");
    }
}
