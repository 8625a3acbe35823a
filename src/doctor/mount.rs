//! Which file system a path lies on.

use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// As the kernel calls it: `ext4`, `nfs4` ...
    pub(super) kind: String,
    /// Where it is mounted.
    pub(super) at: PathBuf,
    /// Whether nothing may be written there.
    pub(super) is_read_only: bool,
}

/// That of `path`, as `/proc/self/mountinfo` has it: the one mounted last at the deepest folder above it.
pub(super) fn of(path: &Path, mountinfo: &str) -> Option<Mount> {
    let mounts = mountinfo.lines().filter_map(read).filter(|mount| path.starts_with(&mount.at));
    mounts.max_by_key(|mount| mount.at.components().count())
}

/// `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw`.
fn read(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let words: Vec<&str> = place.split(' ').collect();
    let (at, options) = (words.get(4)?, words.get(5)?);
    let mut kind = kind.split(' ');
    let name = kind.next()?;
    let of_system = kind.nth(1).unwrap_or_default();
    let is_read_only = [options, of_system].iter().any(|options| options.split(',').any(|option| option == "ro"));
    Some(Mount { kind: name.to_owned(), at: unescaped(at).into(), is_read_only })
}

/// Blanks stand there as `\040`.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "22 1 0:21 / / rw,relatime - ext4 /dev/vda1 rw\n\
        23 22 0:22 / /var/lib/siprec rw shared:1 - nfs4 nas:/calls rw,vers=4.2\n\
        24 22 0:23 / /mnt/with\\040blank ro - xfs /dev/vdb rw\nnonsense\n";

    #[test]
    fn the_deepest_mount_counts() {
        let of = |path: &str| of(Path::new(path), INFO).unwrap();
        assert_eq!((of("/var/lib").kind.as_str(), of("/var/lib/siprec/a").kind.as_str()), ("ext4", "nfs4"));
        assert_eq!(of("/var/lib/siprec-2").kind, "ext4");
        let blank = of("/mnt/with blank/x");
        assert!(blank.is_read_only && blank.at == Path::new("/mnt/with blank"));
        assert!(super::of(Path::new("/"), "").is_none());
    }
}
