//! What a data directory remembers of the machine: `node.json`. A restart within one boot goes on with the same
//! clock, so that a gap is as long as it was, whatever happened to the machine's date meanwhile.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use siprec_core::seed::Seed;
use siprec_core::time::{Monotonic, Wall};

use super::disk::{Disk, read_range};

/// The file's name in the data directory.
pub const FILE: &str = "node.json";

/// More than the file ever is.
const MAX_BYTES: usize = 4096;

/// The machine's boot and the clock that was begun in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The boot, as the kernel names it.
    pub boot: String,
    /// The same moment on both clocks.
    pub anchor: (Monotonic, Wall),
}

impl Node {
    /// What the directory `data` remembers; nothing where the file is missing or cannot be read: it is only a clock.
    pub fn read(disk: &dyn Disk, data: &Path) -> Option<Self> {
        let file = disk.open_read(&data.join(FILE)).ok()?;
        let bytes = read_range(&*file, 0, MAX_BYTES).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        disk.replace(&data.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}

/// This boot's name. Where the kernel does not tell, every start counts as a boot of its own.
pub fn boot() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    told.map_or_else(|_| format!("unknown-{:?}", std::time::SystemTime::now()), |text| text.trim().to_owned())
}

/// 32 bytes that nobody can guess, from the kernel.
///
/// # Errors
/// A kernel without a random source.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(Seed(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::RealDisk;

    #[test]
    fn a_node_is_remembered_and_a_damaged_file_is_only_forgotten() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Node::read(&RealDisk, data.path()), None);
        let node = Node { boot: boot(), anchor: (Monotonic(5), Wall(7)) };
        node.write(&RealDisk, data.path()).unwrap();
        assert_eq!(Node::read(&RealDisk, data.path()), Some(node));
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(Node::read(&RealDisk, data.path()), None);
        assert_ne!(fresh_seed().unwrap(), fresh_seed().unwrap());
    }
}
