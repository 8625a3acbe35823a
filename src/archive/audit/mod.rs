//! The audit log, `audit.log` in the data directory: who did what to which recording, when. One JSON object a line.
//!
//! ```text
//! {"seq":7, ..., "prev":"SHA-256 of line 6","signature":"Ed25519 of the line without it"}
//! audit.head: {"seq":7,"hash":"SHA-256 of line 7", ..., "signature":...}
//! ```
//! Lines are only ever added, each made durable before anybody is told that it was written. The chain shows what was changed
//! or taken out of the middle, the head what was cut off the end. What neither can show: a log and a head that were both
//! put back to what they were at some earlier moment. Who must exclude that keeps copies of the head elsewhere.
//!
//! Several processes may append, the server and command lines; each append takes its turn by an advisory lock on the log.

mod entry;
mod head;
mod origin;
mod reader;
#[cfg(test)]
mod tests;
mod witness;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::disk::{Disk, DiskFile, read_range};
use super::proof_key::{ProofKey, PublicKey};
use crate::wall;

pub use entry::{Act, Action, Entry};
pub use origin::Origin;
pub use reader::{Checked, Fault, Line, Lines, check};
pub use witness::Witness;

use entry::{MAX_LINE, NO_LINE, digest};
use head::Head;

/// The log's file in the data directory.
pub const FILE: &str = "audit.log";
/// The head's.
pub const HEAD_FILE: &str = "audit.head";

/// Detail of the first entry after a crash tore one: octets that were cut off.
const TORN: &str = "log_torn";
/// Detail of the first entry after something was found missing, in words. The chain stays broken there.
const LOST: &str = "log_lost";

/// Appends to the log of a data directory. Threads may share it.
#[derive(Debug)]
pub struct Audit {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    key: Arc<ProofKey>,
    public: PublicKey,
    origin: Origin,
}

/// Where the next line goes, and what it follows.
struct End {
    /// Of the last entry; 0 where there is none.
    seq: u64,
    /// Of its line.
    hash: String,
    /// Octets of that line.
    line: u64,
    /// Octets of the log that stay.
    length: u64,
    /// Whether the head does not tell of that entry yet.
    ahead: bool,
    /// Octets after them that a crash left.
    torn: u64,
    /// What was found to be missing.
    lost: Option<String>,
}

impl Audit {
    /// The log of the directory `data`, which is made with the first entry. Entries are signed by `key` and, where they do
    /// not say otherwise, are of `origin`.
    pub fn new(disk: Arc<dyn Disk>, data: &Path, key: Arc<ProofKey>, origin: Origin) -> Self {
        let public = key.public();
        Self { disk, data: data.to_owned(), key, public, origin }
    }

    /// The same for a command line. It never makes the key: one that is not the server's user would lock the server out.
    ///
    /// # Errors
    /// There is no key, or it is not ours to read.
    pub fn of_command_line(disk: Arc<dyn Disk>, data: &Path) -> anyhow::Result<Self> {
        let key = ProofKey::open(data)?.with_context(|| {
            format!("there is no {} in {}: the server makes it when it starts", super::proof_key::FILE, data.display())
        })?;
        Ok(Self::new(disk, data, Arc::new(key), Origin::of_process()))
    }

    /// Appends an entry; it is on the disk when this returns.
    ///
    /// # Errors
    /// The disk's, with the file. The entry may be in the log all the same, or in part; the next one finds out.
    pub fn append(&self, act: Act) -> io::Result<()> {
        self.append_now(act).map_err(|error| {
            let path = self.data.join(FILE);
            let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
            let remedy = if is_denied { ": who writes in it must be allowed to write in its folder, too" } else { "" };
            io::Error::new(error.kind(), format!("{}: {error}{remedy}", path.display()))
        })
    }

    fn append_now(&self, act: Act) -> io::Result<()> {
        let file = self.open()?;
        file.lock()?;
        let mut end = self.end(&*file)?;
        let mut act = act;
        if end.ahead {
            // So that a head is never more than one behind, and one that is gone was there from the second entry on.
            self.write_head(&end)?;
        }
        if end.torn > 0 {
            // An entry that nobody was told of. Its place is taken, so nothing of it may stick out behind the new one.
            file.set_len(end.length)?;
            act = act.with(TORN, end.torn);
        }
        if let Some(lost) = &end.lost {
            act = act.with(LOST, lost);
            end.length += self.end_line(&*file, end.length)?;
        }
        let seq = end.seq + 1;
        let line = Entry::of(act, &self.origin, (seq, wall::now(), &end.hash)).line(&self.key)?;
        file.write_at(end.length, &line)?;
        file.sync_data()?;
        if seq == 1 {
            self.disk.sync_dir(&self.data)?;
        }
        let (length, octets) = (end.length + line.len() as u64, line.len() as u64);
        self.write_head(&End { seq, hash: digest(&line), line: octets, length, ahead: true, torn: 0, lost: None })
    }

    fn write_head(&self, end: &End) -> io::Result<()> {
        let head = Head::new(end.seq, end.hash.clone(), end.length, end.line);
        head.write(&*self.disk, &self.data, &self.key)
    }

    fn open(&self) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.data.join(FILE);
        if !self.disk.exists(&path)? {
            match self.disk.create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
        self.disk.open_append(&path)
    }

    /// Looks at the head and what lies behind it: the cost does not grow with the log.
    fn end(&self, file: &dyn DiskFile) -> io::Result<End> {
        let length = file.length()?;
        let head = match Head::read(&*self.disk, &self.data, &self.public) {
            Ok(Some(head)) => head,
            Ok(None) => return self.end_without_head(file, length, "audit.head was gone"),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return self.end_without_head(file, length, &error.to_string());
            }
            Err(error) => return Err(error),
        };
        let end = End {
            seq: head.seq,
            hash: head.hash.clone(),
            line: head.line,
            length: head.length,
            ahead: false,
            torn: 0,
            lost: None,
        };
        if !head.fits(file)? {
            let lost = format!("the log did not end as audit.head says, with entry {}", head.seq);
            return Ok(End { length, lost: Some(lost), ..end });
        }
        self.behind(file, length, end)
    }

    /// Takes in whole entries behind a head that a crash kept from being written; what follows them is torn.
    fn behind(&self, file: &dyn DiskFile, length: u64, mut end: End) -> io::Result<End> {
        while let Some(line) = line_at(file, end.length)? {
            let Ok(entry) = Entry::read(&line, &self.public) else { break };
            if entry.seq != end.seq + 1 || entry.prev != end.hash {
                break;
            }
            let octets = line.len() as u64;
            let length = end.length + octets;
            end = End { seq: entry.seq, hash: digest(&line), line: octets, length, ahead: true, ..end };
        }
        Ok(End { torn: length - end.length, ..end })
    }

    /// Without a head: there is at most one entry, or the head was taken away.
    fn end_without_head(&self, file: &dyn DiskFile, length: u64, why: &str) -> io::Result<End> {
        let hash = NO_LINE.to_owned();
        let start = End { seq: 0, hash, line: 0, length: 0, ahead: false, torn: 0, lost: None };
        let end = self.behind(file, length, start)?;
        let first_is_torn = end.seq == 0 && length <= MAX_LINE as u64 && !is_entry(&read_range(file, 0, MAX_LINE)?);
        if (end.seq == 1 && end.torn == 0) || first_is_torn {
            return Ok(end);
        }
        let from = length.saturating_sub(MAX_LINE as u64 * 2);
        let tail = read_range(file, from, MAX_LINE * 2)?;
        let mut lines = tail.split_inclusive(|&octet| octet == b'\n').rev();
        let last = lines.find_map(|line| Some((Entry::read(line, &self.public).ok()?.seq, digest(line))));
        let (seq, hash) = last.unwrap_or_else(|| (0, NO_LINE.to_owned()));
        Ok(End { seq, hash, line: 0, length, ahead: false, torn: 0, lost: Some(why.to_owned()) })
    }

    /// Ends a line that was cut, so that what is left of it stays to be looked at; the octets that took.
    fn end_line(&self, file: &dyn DiskFile, length: u64) -> io::Result<u64> {
        let last = read_range(file, length.saturating_sub(1), 1)?;
        if last.is_empty() || last == b"\n" {
            return Ok(0);
        }
        file.write_at(length, b"\n")?;
        Ok(1)
    }
}

/// Whether octets begin with a line that is an entry, whoever signed it: a crash leaves none without a head but the first.
fn is_entry(octets: &[u8]) -> bool {
    let line = octets.split_inclusive(|&octet| octet == b'\n').next().unwrap_or_default();
    line.ends_with(b"\n") && serde_json::from_slice::<Entry>(line).is_ok()
}

/// The whole line that begins at `offset`, with its end; none where there is none, or one longer than any of ours.
fn line_at(file: &dyn DiskFile, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let mut octets = read_range(file, offset, MAX_LINE)?;
    let end = octets.iter().position(|&octet| octet == b'\n');
    Ok(end.map(|end| {
        octets.truncate(end + 1);
        octets
    }))
}
