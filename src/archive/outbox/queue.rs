//! What is to be stored where, on the disk: `outbox.sqlite`.
//!
//! It holds what remains to be done. What was done stands in the receipts, so a queue that is lost is made anew from those.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use serde::Serialize;
use siprec_core::seed::{RecordingId, SessionId};

use crate::archive::storage::Unfinished;
use crate::archive::versioned::{Unfit, Versioned};

/// The queue's file in the data directory.
const FILE: &str = "outbox.sqlite";

/// "sipo" tells it from any other SQLite file.
const OUTBOX: Versioned = Versioned {
    application_id: 0x7369_706f,
    steps: &[|file| file.execute_batch(include_str!("0001.sql")), |file| file.execute_batch(include_str!("0002.sql"))],
};
const VERSION: i64 = OUTBOX.version();
const SET_UP: &str = "SELECT name FROM target";
/// How long one process waits for another's lock.
const BUSY: Duration = Duration::from_secs(5);

/// What is wrong with the outbox.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Somebody ran a later version on this directory.
    #[error("outbox.sqlite is of a newer siprec (schema {found}; this one knows {VERSION}): run that version")]
    Newer {
        /// The file's version.
        found: i64,
    },
    /// Not ours.
    #[error("outbox.sqlite is some other program's database: move it away, and an outbox is made in its place")]
    Foreign,
    /// There is none.
    #[error("there is no outbox.sqlite: no storage target was ever set up here")]
    Missing,
    /// The disk, a lock, damage.
    #[error(
        "outbox.sqlite: {0}; if it is damaged, stop the server and move it away: it is made anew from the receipts"
    )]
    Sqlite(#[from] rusqlite::Error),
}

impl From<Unfit> for QueueError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Newer(found) => Self::Newer { found },
            Unfit::Foreign => Self::Foreign,
            Unfit::Sqlite(error) => Self::Sqlite(error),
        }
    }
}

/// The queue. Threads may share it: a call takes its turn, and what it changed is on the disk when it returns.
#[derive(Debug)]
pub struct Queue {
    connection: Mutex<Connection>,
}

/// A recording that is to be stored in a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The recording.
    pub recording: RecordingId,
    /// The folder of its files, from the data directory on, with `/`.
    pub day: String,
    /// When it was queued; milliseconds since 1970.
    pub queued_ms: i64,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Something of it may be there already.
    pub again: bool,
    /// It is to be erased there.
    pub erase: bool,
}

/// How a target stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// Its name.
    pub target: String,
    /// Recordings that it does not have yet, or that are to be erased there.
    pub waiting: u64,
    /// Of those, recordings that are to be erased there.
    pub erasing: u64,
    /// Of those, recordings that were tried in vain.
    pub failing: u64,
    /// When the one that waits longest was queued; milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// What the last one that failed met with.
    pub last_error: Option<String>,
}

/// What became of the targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Those that are set up no longer, and how many recordings they lack.
    pub gone: Vec<(String, u64)>,
    /// Those to which what was there before them has not been queued.
    pub new: Vec<String>,
}

/// A recording that could not be stored so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The target.
    pub target: String,
    /// The recording.
    pub recording: String,
    /// It is not to be stored there, but to be erased.
    pub erase: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was queued; milliseconds since 1970.
    pub queued_ms: i64,
    /// When it is tried next; milliseconds since 1970.
    pub due_ms: i64,
    /// Why not.
    pub error: String,
}

impl Queue {
    /// The queue in the data directory `data`, made if need be.
    ///
    /// # Errors
    /// A file that is damaged, foreign or too new; the disk's.
    pub fn open(data: &Path) -> Result<Self, QueueError> {
        let mut connection = Connection::open(data.join(FILE))?;
        connection.busy_timeout(BUSY)?;
        OUTBOX.check(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What is queued is promised: the catalog's row comes next.
        connection.pragma_update(None, "synchronous", "FULL")?;
        OUTBOX.migrate(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The queue in `data` as another process uses it: to be looked at, and to have its items tried again.
    ///
    /// # Errors
    /// As [`Queue::open`]; [`QueueError::Missing`] where there is none.
    pub fn open_beside(data: &Path) -> Result<Self, QueueError> {
        let path = data.join(FILE);
        if !path.exists() {
            return Err(QueueError::Missing);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        match OUTBOX.check(&connection)? {
            0 => return Err(QueueError::Missing),
            VERSION => {}
            // Its server has not been started since this siprec came. What is new takes nothing from it.
            _ => OUTBOX.migrate(&mut connection)?,
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The same, where there is one.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn existing(data: &Path) -> Result<Option<Self>, QueueError> {
        match Self::open_beside(data) {
            Err(QueueError::Missing) => Ok(None),
            queue => queue.map(Some),
        }
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked here has left no transaction open: they roll back when they are dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a recording for each of `targets` that it does not wait for already; `again` where something of it may be
    /// there.
    pub fn add(
        &self,
        targets: &[String],
        recording: RecordingId,
        session: Option<SessionId>,
        day: &str,
        (now_ms, again): (i64, bool),
    ) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO item (target, recording, session, day, queued_ms, due_ms, again) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) ON CONFLICT DO NOTHING",
            )?;
            let (recording, session) = (recording.to_string(), session.map(|session| session.to_string()));
            for target in targets {
                insert.execute(params![target, recording, session, day, now_ms, again])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// A recording became another: it is to be stored in each of `targets` anew, also where it waits or is being stored as it was.
    pub fn renew(
        &self,
        targets: &[String],
        recording: RecordingId,
        session: Option<SessionId>,
        day: &str,
        now_ms: i64,
    ) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        {
            // Whoever stores it as it was goes by the time at which that was queued.
            let mut insert = transaction.prepare_cached(
                "INSERT INTO item (target, recording, session, day, queued_ms, due_ms, again) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1) ON CONFLICT DO UPDATE SET \
                 queued_ms = max(excluded.queued_ms, queued_ms + 1), due_ms = excluded.due_ms, attempts = 0, again = 1, \
                 error = NULL WHERE erase = 0",
            )?;
            let (recording, session) = (recording.to_string(), session.map(|session| session.to_string()));
            for target in targets {
                insert.execute(params![target, recording, session, day, now_ms])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Items of a target that are due, the longest due first, without those that are being stored.
    pub fn due(&self, target: &str, now_ms: i64, busy: &[RecordingId], limit: usize) -> Result<Vec<Item>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT recording, day, queued_ms, attempts, again, erase FROM item WHERE target = ?1 AND due_ms <= ?2 \
             ORDER BY due_ms LIMIT ?3",
        )?;
        let most = i64::try_from(busy.len() + limit).unwrap_or(i64::MAX);
        let rows = select.query_map(params![target, now_ms, most], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?;
        let mut items = Vec::new();
        for row in rows {
            let (recording, day, queued_ms, attempts, again, erase) = row?;
            if let Ok(recording) = recording.parse()
                && !busy.contains(&recording)
                && items.len() < limit
            {
                items.push(Item { recording, day, queued_ms, attempts, again, erase });
            }
        }
        Ok(items)
    }

    /// When an item of a target is due next; milliseconds since 1970.
    pub fn next_due(&self, target: &str) -> Result<Option<i64>, QueueError> {
        let sql = "SELECT min(due_ms) FROM item WHERE target = ?1";
        Ok(self.connection().query_row(sql, [target], |row| row.get(0))?)
    }

    /// A target has a recording. With the last one it is held here no longer than it has to be.
    pub fn stored(&self, target: &str, item: &Item, now_ms: i64) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let recording = item.recording.to_string();
        // One that is to be erased meanwhile stays, and one that became another.
        let sql = "DELETE FROM item WHERE target = ?1 AND recording = ?2 AND erase = 0 AND queued_ms <= ?3";
        transaction.execute(sql, params![target, recording, item.queued_ms])?;
        let sql = "INSERT INTO held SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM item WHERE recording = ?1) \
                   ON CONFLICT DO UPDATE SET stored_ms = excluded.stored_ms";
        transaction.execute(sql, params![recording, item.day, now_ms])?;
        Ok(transaction.commit()?)
    }

    /// A recording could not be stored: how often that was so, when it is tried next, and why not.
    pub fn failed(
        &self,
        target: &str,
        recording: RecordingId,
        (attempts, due_ms): (u32, i64),
        error: &str,
    ) -> Result<(), QueueError> {
        let sql = "UPDATE item SET attempts = ?3, due_ms = ?4, error = ?5 WHERE target = ?1 AND recording = ?2";
        self.connection().execute(sql, params![target, recording.to_string(), attempts, due_ms, error])?;
        Ok(())
    }

    /// Nothing is left to be stored: the recording's sheet is gone.
    pub fn drop_item(&self, target: &str, recording: RecordingId) -> Result<(), QueueError> {
        let sql = "DELETE FROM item WHERE target = ?1 AND recording = ?2 AND erase = 0";
        self.connection().execute(sql, params![target, recording.to_string()])?;
        Ok(())
    }

    /// What the last try met with to store a recording in a target, or to erase it there.
    pub fn error_of(&self, target: &str, recording: RecordingId) -> Result<Option<String>, QueueError> {
        let sql = "SELECT error FROM item WHERE target = ?1 AND recording = ?2";
        let found = self.connection().query_row(sql, params![target, recording.to_string()], |row| row.get(0));
        Ok(found.optional()?.flatten())
    }

    /// Whether a recording waits for a target.
    pub fn is_queued(&self, target: &str, recording: RecordingId) -> Result<bool, QueueError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM item WHERE target = ?1 AND recording = ?2)";
        Ok(self.connection().query_row(sql, [target, &recording.to_string()], |row| row.get(0))?)
    }

    /// Has all that failed tried again now. How many.
    pub fn retry(&self, now_ms: i64) -> Result<usize, QueueError> {
        Ok(self.connection().execute("UPDATE item SET due_ms = ?1 WHERE attempts > 0 AND due_ms > ?1", [now_ms])?)
    }

    /// Whether a recording waits for a target.
    pub fn has(&self, recording: RecordingId) -> Result<bool, QueueError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM item WHERE recording = ?1)";
        Ok(self.connection().query_row(sql, [recording.to_string()], |row| row.get(0))?)
    }

    /// Whether a recording of a session waits for a target.
    pub fn waits(&self, session: SessionId) -> Result<bool, QueueError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM item WHERE session = ?1)";
        Ok(self.connection().query_row(sql, [session.to_string()], |row| row.get(0))?)
    }

    /// How each target stands that anything waits for.
    pub fn backlog(&self) -> Result<Vec<Backlog>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT target, count(*), sum(erase), sum(attempts > 0), min(queued_ms), \
                 (SELECT error FROM item AS last WHERE last.target = item.target AND error IS NOT NULL \
                  ORDER BY due_ms DESC LIMIT 1) \
             FROM item GROUP BY target ORDER BY target",
        )?;
        let rows = select.query_map([], |row| {
            Ok(Backlog {
                target: row.get(0)?,
                waiting: row.get::<_, i64>(1)?.cast_unsigned(),
                erasing: row.get::<_, i64>(2)?.cast_unsigned(),
                failing: row.get::<_, i64>(3)?.cast_unsigned(),
                oldest_ms: row.get(4)?,
                last_error: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many recordings each target lacks that were queued before `before_ms`, and when the oldest was.
    pub fn late(&self, before_ms: i64) -> Result<Vec<(String, u64, i64)>, QueueError> {
        let connection = self.connection();
        // What is to be erased may wait for years, under a lock of the target's.
        let sql =
            "SELECT target, count(*), min(queued_ms) FROM item WHERE erase = 0 AND queued_ms <= ?1 GROUP BY target";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select
            .query_map([before_ms], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Recordings that were tried in vain, the oldest first; `limit` of them.
    pub fn failures(&self, limit: usize) -> Result<Vec<Failure>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT target, recording, erase, attempts, queued_ms, due_ms, coalesce(error, '') FROM item WHERE attempts > 0 \
             ORDER BY queued_ms LIMIT ?1",
        )?;
        let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(Failure {
                target: row.get(0)?,
                recording: row.get(1)?,
                erase: row.get(2)?,
                attempts: row.get(3)?,
                queued_ms: row.get(4)?,
                due_ms: row.get(5)?,
                error: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Recordings that all targets had before `before_ms`, the longest held first.
    pub fn held(&self, before_ms: i64, limit: usize) -> Result<Vec<(RecordingId, String)>, QueueError> {
        let connection = self.connection();
        let sql = "SELECT recording, day FROM held WHERE stored_ms <= ?1 ORDER BY stored_ms LIMIT ?2";
        let mut select = connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = select.query_map(params![before_ms, limit], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut held = Vec::new();
        for row in rows {
            let (recording, day) = row?;
            held.extend(recording.parse().ok().map(|recording| (recording, day)));
        }
        Ok(held)
    }

    /// A recording's audio is here no longer, or has to stay.
    pub fn released(&self, recording: RecordingId) -> Result<(), QueueError> {
        self.connection().execute("DELETE FROM held WHERE recording = ?1", [recording.to_string()])?;
        Ok(())
    }

    /// Leaves targets that are not among `names` out of account; what waited for them waits no longer.
    pub fn set_targets(&self, names: &[String], now_ms: i64) -> Result<Changes, QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut known = strings(&transaction, "SELECT name FROM target UNION SELECT target FROM item WHERE erase = 0")?;
        let set_up = strings(&transaction, SET_UP)?;
        let new = names.iter().filter(|name| !set_up.contains(name)).cloned().collect();
        known.retain(|name| !names.contains(name));
        let mut gone = Vec::new();
        for name in known {
            // What is to be erased there waits for it to be set up again. What waited for it alone may be all that is to be stored.
            let sql = "INSERT INTO held SELECT recording, day, ?2 FROM item AS gone WHERE target = ?1 AND erase = 0 AND NOT EXISTS \
                       (SELECT 1 FROM item WHERE recording = gone.recording AND target <> ?1) ON CONFLICT DO NOTHING";
            transaction.execute(sql, params![name, now_ms])?;
            let items = transaction.execute("DELETE FROM item WHERE target = ?1 AND erase = 0", [&name])?;
            transaction.execute("DELETE FROM upload WHERE target = ?1", [&name])?;
            transaction.execute("DELETE FROM target WHERE name = ?1", [&name])?;
            gone.push((name, items as u64));
        }
        transaction.commit()?;
        Ok(Changes { gone, new })
    }

    /// All recordings from before a target was set up are queued for it.
    pub fn target_is_set_up(&self, name: &str) -> Result<(), QueueError> {
        self.connection().execute("INSERT INTO target VALUES (?1) ON CONFLICT DO NOTHING", [name])?;
        Ok(())
    }

    /// The targets to which all that was there before them was queued.
    pub fn set_up(&self) -> Result<Vec<String>, QueueError> {
        Ok(strings(&self.connection(), SET_UP)?)
    }

    /// The object of several parts that was begun under a key.
    pub fn upload(&self, target: &str, key: &str) -> Result<Option<Unfinished>, QueueError> {
        let sql = "SELECT unfinished FROM upload WHERE target = ?1 AND key = ?2";
        let found = self.connection().query_row(sql, [target, key], |row| row.get::<_, String>(0)).optional()?;
        // One that cannot be read is begun anew, and swept away by the target's own list.
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Remembers one.
    pub fn set_upload(&self, target: &str, key: &str, unfinished: &Unfinished) -> Result<(), QueueError> {
        let text = serde_json::to_string(unfinished).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO upload VALUES (?1, ?2, ?3)";
        self.connection().execute(sql, params![target, key, text])?;
        Ok(())
    }

    /// Forgets one.
    pub fn forget_upload(&self, target: &str, key: &str) -> Result<(), QueueError> {
        self.connection().execute("DELETE FROM upload WHERE target = ?1 AND key = ?2", [target, key])?;
        Ok(())
    }
}

fn strings(connection: &Connection, sql: &str) -> Result<Vec<String>, rusqlite::Error> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}
