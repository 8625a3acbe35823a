//! What a data directory is called where several servers share a catalog: `node.id`, made at the first start and never
//! changed. A copy of the directory is the same node: only one of them may run.

use std::io;
use std::path::Path;

use super::disk::{Disk, read_range};
use super::{node, recordings};

/// The file's name in the data directory.
pub const FILE: &str = "node.id";

/// 64 bits, in hexadecimal.
const DIGITS: usize = 16;

/// The id of the data directory `data`, made if there is none.
///
/// # Errors
/// The disk's, or a file that holds something else.
pub fn load(disk: &dyn Disk, data: &Path) -> io::Result<String> {
    if let Some(id) = open(disk, data)? {
        return Ok(id);
    }
    let seed = node::fresh_seed()?;
    let id = recordings::hexadecimal(seed.0.get(..DIGITS / 2).unwrap_or_default());
    disk.replace(&data.join(FILE), format!("{id}\n").as_bytes())?;
    Ok(id)
}

/// The id, if there is one.
///
/// # Errors
/// The disk's, or a file that holds something else.
pub fn open(disk: &dyn Disk, data: &Path) -> io::Result<Option<String>> {
    let path = data.join(FILE);
    if !disk.exists(&path)? {
        return Ok(None);
    }
    let bytes = read_range(&*disk.open_read(&path)?, 0, DIGITS + 2)?;
    let text = String::from_utf8_lossy(&bytes);
    let id = text.trim();
    if id.len() != DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let remedy = "write into it the `node` of this server's rows in the catalog, or remove it and run siprec archive rebuild";
        let why = format!("{} is not {DIGITS} hexadecimal digits: {remedy}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::RealDisk;

    #[test]
    fn an_id_is_made_once_and_a_damaged_one_is_told() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(open(&RealDisk, data.path()).unwrap(), None);
        let id = load(&RealDisk, data.path()).unwrap();
        assert_eq!(load(&RealDisk, data.path()).unwrap(), id);
        assert_eq!(open(&RealDisk, data.path()).unwrap(), Some(id.clone()));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load(&RealDisk, other.path()).unwrap(), id);
        std::fs::write(data.path().join(FILE), "what?").unwrap();
        assert!(load(&RealDisk, data.path()).unwrap_err().to_string().contains("node.id is not 16"));
    }
}
