//! Notes: `<id>.json.notes`, beside a recording's sheet, says what people decided about it afterwards: its tags, and whether
//! a legal hold keeps it. The sheet is signed and never changes; this file is written anew by each change, whole.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use siprec_core::render::Sidecar;
use siprec_core::seed::RecordingId;

use super::disk::Disk;
use super::json_file;

/// What follows the name of a sheet in the name of its notes.
pub const NOTES: &str = ".notes";
/// Version of the file's format.
const FORMAT: u32 = 1;
/// A larger one is none.
const MAX_BYTES: usize = 1 << 20;
/// Characters of a tag.
const MAX_TAG: usize = 64;

/// A word that people put on recordings, in lower case: letters, digits and `- _ . : /`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tag = text.trim().to_lowercase();
        let is_tag = !tag.is_empty()
            && tag.chars().count() <= MAX_TAG
            && tag.chars().all(|c| c.is_alphanumeric() || "-_.:/".contains(c));
        is_tag.then_some(Self(tag)).ok_or_else(|| {
            format!("`{text}` is no tag: give up to {MAX_TAG} letters, digits, or characters of -_.:/ without blanks")
        })
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// Why a recording may not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct Hold {
    /// The matter, in the words of who ordered it; a recording may be held for several.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// Since when; RFC 3339.
    pub since: String,
}

/// What people decided about a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Of this form.
    pub format: u32,
    /// The recording.
    pub recording: RecordingId,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeSet<Tag>,
    /// What holds it.
    #[serde(default)]
    pub holds: Vec<Hold>,
}

impl Notes {
    /// Those of a recording of which nobody has said anything.
    pub fn new(recording: RecordingId) -> Self {
        Self { format: FORMAT, recording, tags: BTreeSet::new(), holds: Vec::new() }
    }

    /// Whether it may not be deleted.
    pub fn is_held(&self) -> bool {
        !self.holds.is_empty()
    }

    /// Holds it, unless it is held for the same reason already; whether anything changed.
    pub fn hold(&mut self, hold: Hold) -> bool {
        let is_new = self.holds.iter().all(|known| known.reason != hold.reason);
        if is_new {
            self.holds.push(hold);
        }
        is_new
    }

    /// Ends the hold for `reason`, or all holds; whether anything changed.
    pub fn release(&mut self, reason: Option<&str>) -> bool {
        let before = self.holds.len();
        self.holds.retain(|hold| reason.is_some_and(|reason| hold.reason != reason));
        self.holds.len() != before
    }

    /// The notes beside the sheet at `sheet`, of the recording `recording`; new ones where there are none.
    ///
    /// # Errors
    /// The disk's; what is no file of notes is `InvalidData`.
    pub fn read(disk: &dyn Disk, sheet: &Path, recording: RecordingId) -> io::Result<Self> {
        let found = json_file::read(disk, &path(sheet), (FORMAT, MAX_BYTES));
        let found = found.map_err(|error| match error.kind() == io::ErrorKind::InvalidData {
            true => io::Error::new(error.kind(), format!("{error}: give back a copy of it; its recording may be held")),
            false => error,
        });
        Ok(found?.unwrap_or_else(|| Self::new(recording)))
    }

    /// The same; of notes that cannot be read it is taken that they hold the recording.
    pub fn or_held(disk: &dyn Disk, sheet: &Path, recording: RecordingId) -> Self {
        Self::read(disk, sheet, recording).unwrap_or_else(|error| {
            let mut notes = Self::new(recording);
            notes.hold(Hold { reason: error.to_string(), by: String::new(), since: String::new() });
            notes
        })
    }

    /// The same, of the recording of `sidecar`; one that was made with tags has notes from its beginning.
    ///
    /// # Errors
    /// The disk's.
    pub fn begun(disk: &dyn Disk, sheet: &Path, sidecar: &Sidecar) -> io::Result<Self> {
        if sidecar.tags.is_empty() || disk.exists(&path(sheet))? {
            return Ok(Self::or_held(disk, sheet, sidecar.id));
        }
        // What is no tag was never one of the configuration's.
        let tags = sidecar.tags.iter().filter_map(|tag| tag.parse().ok()).collect();
        let notes = Self { tags, ..Self::new(sidecar.id) };
        notes.write(disk, sheet)?;
        Ok(notes)
    }

    /// Puts them beside the sheet, whole, in place of those before.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, sheet: &Path) -> io::Result<()> {
        disk.replace(&path(sheet), &json_file::text(self)?)
    }
}

/// Where the notes of a sheet lie.
pub fn path(sheet: &Path) -> PathBuf {
    let mut name = sheet.as_os_str().to_owned();
    name.push(NOTES);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::FakeDisk;

    #[test]
    fn a_tag_is_a_word_in_lower_case() {
        let parse = |text: &str| text.parse::<Tag>().map(String::from);
        assert_eq!(parse(" Case-17/Ä ").unwrap(), "case-17/ä");
        for text in ["", "two words", "a\nb", "a,b", &"x".repeat(MAX_TAG + 1)] {
            assert!(parse(text).unwrap_err().contains("is no tag"), "{text}");
        }
    }

    #[test]
    fn each_matter_holds_by_itself() {
        let mut notes = Notes::new(RecordingId(1));
        let hold = |reason: &str| Hold { reason: reason.into(), by: "me".into(), since: String::new() };
        assert!(notes.hold(hold("a")) && notes.hold(hold("b")) && !notes.hold(hold("a")));
        assert!(notes.release(Some("a")) && !notes.release(Some("a")) && notes.is_held());
        assert!(notes.release(None) && !notes.is_held());
    }

    #[test]
    fn damaged_notes_are_not_taken_for_none() {
        let (disk, sheet) = (FakeDisk::new(0), Path::new("1.json"));
        let read = || Notes::read(&disk, sheet, RecordingId(1));
        assert_eq!(read().unwrap(), Notes::new(RecordingId(1)));
        let mut notes = Notes::new(RecordingId(1));
        notes.tags.insert("a".parse().unwrap());
        notes.write(&disk, sheet).unwrap();
        assert_eq!(read().unwrap(), notes);
        for text in
            [&b"{\"format\": 1,"[..], b"{\"format\": 2, \"recording\": \"00000000-0000-0000-0000-000000000001\"}"]
        {
            disk.replace(&path(sheet), text).unwrap();
            assert_eq!(read().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
