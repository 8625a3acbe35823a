//! How long journals are kept: `archive.keep_journal`, and longer while a sheet of theirs shows a fault.
//!
//! Only journals that were put away are looked at; those of sessions that run, or are not finished, lie in `live`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use crate::archive::catalog::{Catalog, CatalogError};
use crate::archive::disk::Disk;
use crate::archive::outbox::{Queue, QueueError};

/// The folder of journals in the data directory.
const FOLDER: &str = "journals";

const DAY_NANOS: i64 = 86_400_000_000_000;

/// What [`prune`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Journals that are gone.
    pub removed: u64,
    /// Journals old enough to go, kept because a sheet shows a fault.
    pub faulty: u64,
    /// Journals old enough to go, kept because a recording of theirs is not stored everywhere yet.
    pub unstored: u64,
    /// Journals old enough to go, kept because no recording of their session is known.
    pub unknown: u64,
}

/// Why journals could not be pruned; what was removed before is gone.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The disk's fault.
    #[error("cannot prune {}: {source}", .path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The catalog's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The outbox's fault.
    #[error(transparent)]
    Outbox(#[from] QueueError),
}

/// What knows about journals.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// Their recordings, and what faults those show.
    pub catalog: &'k Catalog,
    /// What is not stored everywhere yet, where there are storage targets.
    pub outbox: Option<&'k Queue>,
}

/// Removes journals of days that ended more than `keep` before `now`, but for those of which a sheet shows a fault, those of
/// which a recording is not stored everywhere, and those of which there is no recording: they may be all that is left of a call.
pub fn prune(disk: &dyn Disk, data: &Path, known: Known<'_>, keep: Duration, now: Wall) -> Result<Pruned, PruneError> {
    let mut pruned = Pruned::default();
    let keep = i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX);
    // A session of the day may have gone on into the next.
    let last = Wall(now.0.saturating_sub(keep).saturating_sub(2 * DAY_NANOS)).date();
    let root = data.join(FOLDER);
    for (year, year_folder) in numbered(disk, &root)? {
        for (month, month_folder) in numbered(disk, &year_folder)? {
            for (day, day_folder) in numbered(disk, &month_folder)? {
                if (i64::from(year), month, day) <= last {
                    prune_day(disk, &day_folder, known, &mut pruned)?;
                    remove_if_empty(disk, &day_folder)?;
                }
            }
            remove_if_empty(disk, &month_folder)?;
        }
        remove_if_empty(disk, &year_folder)?;
    }
    Ok(pruned)
}

fn prune_day(disk: &dyn Disk, folder: &Path, known: Known<'_>, pruned: &mut Pruned) -> Result<(), PruneError> {
    for entry in list(disk, folder)? {
        let Ok(session) = entry.parse::<SessionId>() else { continue };
        if let Some(outbox) = known.outbox
            && outbox.waits(session)?
        {
            pruned.unstored += 1;
            continue;
        }
        match known.catalog.faults_of(session)? {
            (0, _) => pruned.unknown += 1,
            (_, 0) => {
                remove(disk, &folder.join(&entry))?;
                pruned.removed += 1;
            }
            (_, _) => pruned.faulty += 1,
        }
    }
    Ok(())
}

/// Removes a journal's folder. A crash leaves the rest of it to the next time.
fn remove(disk: &dyn Disk, folder: &Path) -> Result<(), PruneError> {
    for name in list(disk, folder)? {
        let path = folder.join(name);
        disk.remove_file(&path).map_err(|source| PruneError::Disk { path, source })?;
    }
    disk.remove_dir(folder).map_err(|source| PruneError::Disk { path: folder.to_owned(), source })
}

fn remove_if_empty(disk: &dyn Disk, folder: &Path) -> Result<(), PruneError> {
    if !list(disk, folder)?.is_empty() {
        return Ok(());
    }
    match disk.remove_dir(folder) {
        // Somebody put a journal in meanwhile.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result.map_err(|source| PruneError::Disk { path: folder.to_owned(), source }),
    }
}

/// Folders whose name is a number, in order.
fn numbered(disk: &dyn Disk, folder: &Path) -> Result<Vec<(u32, PathBuf)>, PruneError> {
    let names = list(disk, folder)?;
    let mut found: Vec<_> = names.iter().filter_map(|name| Some((name.parse().ok()?, folder.join(name)))).collect();
    found.sort();
    Ok(found)
}

fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, PruneError> {
    let failure = |source| PruneError::Disk { path: folder.to_owned(), source };
    if !disk.exists(folder).map_err(failure)? {
        return Ok(Vec::new());
    }
    Ok(disk.list(folder).map_err(failure)?.into_iter().map(|entry| entry.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::catalog::{Quality, Record, Row};
    use crate::archive::disk::FakeDisk;
    use siprec_core::seed::RecordingId;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn sound_journals_go_when_they_are_old_and_others_stay() {
        let (disk, catalog) = (FakeDisk::new(0), Catalog::temporary().unwrap());
        let keep_for = |day: &str, session: u128, faults: Option<u64>| {
            let folder = format!("/d/journals/{day}/{}", SessionId(session));
            disk.create_dir_all(Path::new(&folder)).unwrap();
            for name in ["000001.pcapng", "000002.pcapng"] {
                disk.create_new(&Path::new(&folder).join(name)).unwrap();
            }
            if let Some(faults) = faults {
                catalog.put(&record(session, faults)).unwrap();
            }
        };
        keep_for("1970/01/01", 1, Some(0));
        keep_for("1970/01/01", 2, Some(3));
        keep_for("1970/01/01", 3, None);
        keep_for("1970/01/02", 4, Some(0));
        keep_for("1970/01/03", 5, Some(0));
        keep_for("live", 6, Some(0));
        let folder = tempfile::tempdir().unwrap();
        let outbox = Queue::open(folder.path()).unwrap();
        outbox.add(&["far".to_owned()], RecordingId(4), Some(SessionId(4)), "day", (0, false)).unwrap();
        let known = Known { catalog: &catalog, outbox: Some(&outbox) };
        let prune = |days: i64| prune(&disk, Path::new("/d"), known, 7 * DAY, Wall(days * DAY_NANOS)).unwrap();
        assert_eq!(prune(8), Pruned::default());
        assert_eq!(prune(10), Pruned { removed: 1, faulty: 1, unknown: 1, unstored: 1 });
        assert_eq!(names_of(&disk, "/d/journals/1970/01"), ["01", "02", "03"]);
        outbox.drop_item("far", RecordingId(4)).unwrap();
        assert_eq!(prune(10), Pruned { removed: 1, faulty: 1, unknown: 1, unstored: 0 });
        let names = |folder: &str| names_of(&disk, folder);
        assert_eq!(names("/d/journals/1970/01"), ["01", "03"]);
        assert_eq!(names("/d/journals/1970/01/01"), [2, 3].map(|n| SessionId(n).to_string()));
        assert_eq!(names(&format!("/d/journals/1970/01/01/{}", SessionId(2))).len(), 2);
        assert_eq!(prune(1000), Pruned { removed: 1, faulty: 1, unknown: 1, unstored: 0 });
        assert_eq!(names("/d/journals/live").len(), 1);
    }

    #[test]
    fn no_journals_are_no_fault() {
        let (disk, catalog) = (FakeDisk::new(0), Catalog::temporary().unwrap());
        let known = Known { catalog: &catalog, outbox: None };
        assert_eq!(prune(&disk, Path::new("/d"), known, DAY, Wall(0)).unwrap(), Pruned::default());
    }

    fn names_of(disk: &FakeDisk, folder: &str) -> Vec<String> {
        list(disk, Path::new(folder)).unwrap()
    }

    fn record(session: u128, faults: u64) -> Record {
        let row = Row {
            id: RecordingId(session),
            session_id: Some(SessionId(session)),
            call_id: String::new(),
            communication_session: None,
            group: None,
            started_at: Wall(0),
            ended_at: Wall(0),
            duration_ms: 0,
            state: "complete".to_owned(),
            ended_by: "bye".to_owned(),
            caller: None,
            callee: None,
            vendor: None,
            product: None,
            path: String::new(),
            bytes: 0,
            sha256: String::new(),
            quality: Quality { faults, ..Quality::default() },
            tags: Default::default(),
            held: false,
            node: None,
        };
        Record { row, participants: Vec::new(), sip_session_ids: Vec::new(), call: Vec::new(), streams: Vec::new() }
    }
}
