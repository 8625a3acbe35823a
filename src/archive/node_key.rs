//! `node.key`: the key that wraps all others of a data directory. Made at the first start, readable by its owner alone.
//!
//! Without it nothing of what is recorded is lost, but for two things: a session of before a restart cannot be decrypted
//! further, and packets that are sealed in a journal stay sealed when it is rendered. A copy of it belongs where other keys of the house are kept.

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use siprec_core::node_key::{LENGTH, NodeKey};
use zeroize::Zeroizing;

use super::key_file::{SECRET, open_secret, place};
use super::node::fresh_seed;

/// The file's name in the data directory.
pub const FILE: &str = "node.key";

/// The key of the directory `data`, made if there is none.
///
/// # Errors
/// One that is there and cannot be used: it is never replaced, since what it wraps would be lost.
pub fn load(data: &Path) -> anyhow::Result<NodeKey> {
    open(data)?.map_or_else(|| make(data), Ok)
}

/// The key of the directory `data`, if there is one.
///
/// # Errors
/// One that is there and cannot be used.
pub fn open(data: &Path) -> anyhow::Result<Option<NodeKey>> {
    let path = data.join(FILE);
    let Some(file) = open_secret(&path)? else { return Ok(None) };
    let mut octets = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    file.take(LENGTH as u64 + 1).read_to_end(&mut octets)?;
    let key: Option<&[u8; LENGTH]> = octets.as_slice().try_into().ok();
    let key = key.with_context(|| {
        format!(
            "{}: not {LENGTH} octets: give back the copy of it, or move it away to have a new one made",
            path.display()
        )
    })?;
    Ok(Some(NodeKey::new(key)))
}

fn make(data: &Path) -> anyhow::Result<NodeKey> {
    let octets = Zeroizing::new(fresh_seed()?.0);
    place(data, FILE, SECRET, &*octets).with_context(|| format!("cannot write {}", data.join(FILE).display()))?;
    Ok(NodeKey::new(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn it_is_made_once_for_its_owner_alone_and_never_replaced() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        assert!(open(data.path()).unwrap().is_none() && !path.exists(), "who only reads makes none");
        let wrapped = load(data.path()).unwrap().wrap(b"x", b"secret");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(load(data.path()).unwrap().open(b"x", &wrapped).unwrap().as_slice(), b"secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load(data.path()).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert!(load(data.path()).unwrap_err().to_string().contains("not 32 octets"));
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
