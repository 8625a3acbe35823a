//! The log read from its beginning: to be listed, and to be checked. One line is held at a time.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::entry::{Entry, MAX_LINE, NO_LINE, digest};
use super::head::Head;
use super::{FILE, LOST};
use crate::archive::disk::{Disk, DiskFile, Reading};
use crate::archive::proof_key::PublicKey;

/// The lines of a log, with what each says; none where it says nothing.
#[derive(Debug)]
pub struct Lines {
    input: io::Take<BufReader<Reading>>,
    /// Octets up to which the log is read.
    left: u64,
}

/// A line as it stands in the log, its end included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<u8>);

impl Line {
    /// What it says, signed or not; none if it is no entry.
    pub fn entry(&self) -> Option<Entry> {
        serde_json::from_slice(&self.0).ok()
    }

    /// Whether it has no end: the log is torn there, or somebody is writing.
    pub fn is_torn(&self) -> bool {
        !self.0.ends_with(b"\n")
    }
}

impl Lines {
    /// Of the log in `data`, as it is now; none where nothing was written yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(disk: &dyn Disk, data: &Path) -> io::Result<Option<Self>> {
        open(disk, data)?.map(|file| file.length().map(|length| Self::of(file, length))).transpose()
    }

    fn of(file: Arc<dyn DiskFile>, length: u64) -> Self {
        Self { input: BufReader::new(Reading::of(file)).take(0), left: length }
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    /// A line that is longer than any of ours comes in pieces, none of which is an entry.
    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        self.input.set_limit(self.left.min(MAX_LINE as u64));
        match self.input.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(count) => {
                self.left -= count as u64;
                Some(Ok(Line(line)))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

fn open(disk: &dyn Disk, data: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
    match disk.open_read(&data.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Entries that are as they were written, up to the first fault.
    pub entries: u64,
    /// Octets that a crash left behind the last one; no fault: nobody was told that they were written.
    pub torn: u64,
    /// The first fault, if there is one.
    pub fault: Option<Fault>,
}

/// Why a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line where it shows, counted from 1.
    pub line: u64,
    /// What it means.
    pub what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{FILE}:{}: {}", self.line, self.what)
    }
}

/// Checks the log in `data`: each line's signature and number, that each follows the one before, and that it ends as its head
/// says. `each` is shown the entries that are sound.
///
/// # Errors
/// The disk's.
pub fn check(disk: &dyn Disk, data: &Path, key: &PublicKey, each: &mut dyn FnMut(&Entry)) -> io::Result<Checked> {
    // Under the lock, log and head are of the same moment. What is appended afterwards is not looked at.
    let (lines, head) = {
        let log = open(disk, data)?;
        if let Some(log) = &log {
            log.lock()?;
        }
        let lines = match &log {
            Some(log) => {
                open(disk, data)?.map(|file| Ok::<_, io::Error>(Lines::of(file, log.length()?))).transpose()?
            }
            None => None,
        };
        (lines, Head::read(disk, data, key))
    };
    let head = match head {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error.to_string()),
        head => Ok(head?),
    };
    let mut walk = Walk::new(head.as_ref().ok().and_then(Option::as_ref), key);
    for line in lines.into_iter().flatten() {
        if !walk.step(&line?, each) {
            break;
        }
    }
    if walk.checked.fault.is_none() {
        walk.checked.fault = match &head {
            Err(why) => Some(walk.fault(why.clone())),
            Ok(head) => walk.against(head.as_ref()).map(|what| walk.fault(what)),
        };
    }
    Ok(walk.checked)
}

struct Walk<'w> {
    head: Option<&'w Head>,
    key: &'w PublicKey,
    /// Lines that were looked at.
    lines: u64,
    /// Of the last one.
    seq: u64,
    hash: String,
    /// Whether the line of the head's entry is the one that the head tells of.
    meets_head: bool,
    checked: Checked,
}

impl<'w> Walk<'w> {
    fn new(head: Option<&'w Head>, key: &'w PublicKey) -> Self {
        let hash = NO_LINE.to_owned();
        Self { head, key, lines: 0, seq: 0, hash, meets_head: false, checked: Checked::default() }
    }

    /// Looks at the next line; whether there is sense in going on.
    fn step(&mut self, whole: &Line, each: &mut dyn FnMut(&Entry)) -> bool {
        let Line(line) = whole;
        self.lines += 1;
        let entry = match Entry::read(line, self.key).map_err(str::to_owned).and_then(|entry| self.follows(entry)) {
            Ok(entry) => entry,
            Err(_) if self.may_be_torn(whole) => {
                self.checked.torn += line.len() as u64;
                return true;
            }
            Err(what) => {
                self.checked.fault = Some(Fault { line: self.lines, what });
                return false;
            }
        };
        if self.checked.torn > 0 {
            self.checked.fault = Some(Fault { line: self.lines, what: "what stands before it is no entry".to_owned() });
            return false;
        }
        (self.seq, self.hash) = (entry.seq, digest(line));
        self.meets_head |= self.head.is_some_and(|head| head.seq == self.seq && head.hash == self.hash);
        self.checked.entries += 1;
        each(&entry);
        true
    }

    /// Whether all entries that anybody was told of are behind us, so that a crash may have left what is no entry.
    fn may_be_torn(&self, line: &Line) -> bool {
        self.head.map_or(self.lines == 1 && line.entry().is_none(), |head| self.seq >= head.seq)
    }

    fn follows(&self, entry: Entry) -> Result<Entry, String> {
        let next = self.seq + 1;
        if entry.seq > next {
            return Err(format!("entries {next} to {} are missing before it", entry.seq - 1));
        }
        if entry.seq < next {
            return Err(format!("it is entry {} where {next} is due: it was put there again", entry.seq));
        }
        if let Some(lost) = entry.detail.get(LOST) {
            return Err(format!("when entry {} was written, something was missing before it: {lost}", entry.seq));
        }
        if entry.prev != self.hash {
            return Err("it does not follow the line before, which was changed or put in its place".to_owned());
        }
        Ok(entry)
    }

    /// What the head says against the log.
    fn against(&self, head: Option<&Head>) -> Option<String> {
        match head {
            None if self.seq <= 1 => None,
            None => Some("audit.head is gone: entries may have been cut off here".to_owned()),
            Some(head) if head.seq > self.seq => {
                Some(format!("entries {} to {} are missing: the log was cut off here", self.seq + 1, head.seq))
            }
            Some(head) if head.seq + 1 < self.seq => {
                Some(format!("audit.head tells of entry {} as the last: it was put back to an older one", head.seq))
            }
            Some(head) if !self.meets_head => {
                Some(format!("entry {} is not the one that audit.head tells of", head.seq))
            }
            Some(_) => None,
        }
    }

    /// A fault after the last entry.
    fn fault(&self, what: String) -> Fault {
        Fault { line: self.seq + 1, what }
    }
}
