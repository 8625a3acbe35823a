//! Sessions of which a recording could not be made: `unfinished/<session>.json` says why, until it could. Their journals stay in
//! `journals/live`, and it is tried again by itself; this is for people, who can mend the cause and have it tried at once.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use super::disk::Disk;
use super::finish::FinishError;
use super::json_file::Folder;

/// The folder in the data directory.
const FOLDER: &str = "unfinished";
/// Somebody wants all of them tried at once.
const AGAIN: &str = "again";
/// Version of the files' format.
const FORMAT: u32 = 1;
/// A larger one is none.
const MAX_BYTES: usize = 1 << 20;
const NOTES: Folder = Folder { name: FOLDER, newest: FORMAT, max_bytes: MAX_BYTES };
/// Recordings of a session that are named.
const MAX_NAMED: usize = 100;

/// A session of which a recording could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct Unfinished {
    /// Of this form.
    pub format: u32,
    /// The session.
    #[cfg_attr(feature = "api", schema(value_type = String, format = Uuid))]
    pub session: SessionId,
    /// When it failed first; RFC 3339.
    pub since: String,
    /// When it failed last; RFC 3339.
    pub last: String,
    /// How often.
    pub tries: u32,
    /// What failed.
    pub failed: Vec<FailedRecording>,
}

/// A recording that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct FailedRecording {
    /// Which; none where it is the whole session.
    #[cfg_attr(feature = "api", schema(value_type = Option<String>, format = Uuid))]
    pub recording: Option<RecordingId>,
    /// Why.
    pub why: String,
}

/// Notes what failed of a session, or that nothing did.
///
/// # Errors
/// The disk's: then nobody is told but the log.
pub fn note(
    disk: &dyn Disk,
    data: &Path,
    session: SessionId,
    failed: &[(Option<RecordingId>, FinishError)],
    now: Wall,
) -> io::Result<()> {
    if failed.is_empty() {
        let path = NOTES.path(data, session);
        return if disk.exists(&path)? { disk.remove_file(&path) } else { Ok(()) };
    }
    let before: Option<Unfinished> = NOTES.read(disk, data, session).unwrap_or_default();
    let named = failed.iter().take(MAX_NAMED);
    let unfinished = Unfinished {
        format: FORMAT,
        session,
        since: before.as_ref().map_or_else(|| now.rfc3339(), |before| before.since.clone()),
        last: now.rfc3339(),
        tries: before.map_or(1, |before| before.tries.saturating_add(1)),
        failed: named.map(|(recording, why)| FailedRecording { recording: *recording, why: why.to_string() }).collect(),
    };
    NOTES.write(disk, data, session, &unfinished)
}

/// At most `limit` of them, in the order of their sessions; a note that is damaged is left out.
///
/// # Errors
/// The disk's.
pub fn list(disk: &dyn Disk, data: &Path, limit: usize) -> io::Result<Vec<Unfinished>> {
    let mut sessions: Vec<SessionId> = NOTES.ids(disk, data)?;
    sessions.sort_unstable();
    Ok(sessions.iter().filter_map(|id| NOTES.read(disk, data, id).ok().flatten()).take(limit).collect())
}

/// Has all of them tried again, by the server that runs or starts next.
///
/// # Errors
/// The disk's.
pub fn ask_again(disk: &dyn Disk, data: &Path) -> io::Result<()> {
    disk.create_dir_all(&data.join(FOLDER))?;
    disk.replace(&data.join(FOLDER).join(AGAIN), b"")
}

/// The sessions that are to be tried again, if somebody wants that; asked once, it is done.
///
/// # Errors
/// The disk's.
pub fn take_asked(disk: &dyn Disk, data: &Path) -> io::Result<Vec<SessionId>> {
    let asked = data.join(FOLDER).join(AGAIN);
    if !disk.exists(&asked)? {
        return Ok(Vec::new());
    }
    disk.remove_file(&asked)?;
    Ok(list(disk, data, usize::MAX)?.into_iter().map(|unfinished| unfinished.session).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::FakeDisk;

    #[test]
    fn what_fails_is_noted_until_it_does_not() {
        let (disk, data, session) = (FakeDisk::new(0), Path::new("/d"), SessionId(7));
        let failed = || vec![(Some(RecordingId(9)), FinishError::Stopped)];
        note(&disk, data, session, &[], Wall(0)).unwrap();
        assert!(list(&disk, data, 10).unwrap().is_empty());
        note(&disk, data, session, &failed(), Wall(0)).unwrap();
        note(&disk, data, session, &failed(), Wall(60_000_000_000)).unwrap();
        let all = list(&disk, data, 10).unwrap();
        let [unfinished] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((unfinished.tries, unfinished.failed[0].why.as_str()), (2, "stopped"));
        assert_eq!(
            (unfinished.since.as_str(), unfinished.last.as_str()),
            ("1970-01-01T00:00:00.000Z", "1970-01-01T00:01:00.000Z")
        );
        assert!(take_asked(&disk, data).unwrap().is_empty());
        ask_again(&disk, data).unwrap();
        assert_eq!(take_asked(&disk, data).unwrap(), [session]);
        assert!(take_asked(&disk, data).unwrap().is_empty(), "asked once");
        note(&disk, data, session, &[], Wall(0)).unwrap();
        assert!(list(&disk, data, 10).unwrap().is_empty());
    }
}
