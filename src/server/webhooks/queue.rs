//! What is still to be told to webhooks, on the disk: `webhooks.sqlite`.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};

use crate::archive::versioned::{Unfit, Versioned};

/// The file's name in the data directory.
const FILE: &str = "webhooks.sqlite";
/// "sipw" tells it from any other SQLite file.
const WEBHOOKS: Versioned =
    Versioned { application_id: 0x7369_7077, steps: &[|file| file.execute_batch(include_str!("0001.sql"))] };
/// What was told is remembered for so long.
const REMEMBERED_MS: i64 = 30 * 86_400_000;
/// Events that wait for a hook at most: beyond that the oldest are given up.
const MAX_WAITING: i64 = 1_000_000;
/// Dead letters that are kept for each hook.
const MAX_DEAD: i64 = 10_000;

/// The queue. What is put in is on the disk when it returns.
#[derive(Debug)]
pub(in crate::server) struct Queue(Mutex<Connection>);

/// An event for a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) subject: String,
    pub(super) kind: String,
    pub(super) body: String,
    pub(super) queued_ms: i64,
    pub(super) attempts: u32,
}

/// How a hook stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::server) struct Standing {
    pub(in crate::server) waiting: u64,
    pub(in crate::server) oldest_ms: Option<i64>,
    pub(in crate::server) last_error: Option<String>,
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct DeadLetter {
    pub(in crate::server) id: i64,
    pub(in crate::server) kind: String,
    pub(in crate::server) body: String,
    pub(in crate::server) queued_ms: i64,
    pub(in crate::server) attempts: u32,
    pub(in crate::server) error: String,
}

impl Queue {
    /// That in the data directory `data`, made if need be.
    pub(in crate::server) fn open(data: &Path) -> anyhow::Result<Self> {
        Self::of(Connection::open(data.join(FILE))?)
    }

    fn of(mut connection: Connection) -> anyhow::Result<Self> {
        let unfit = |unfit: Unfit| match unfit {
            Unfit::Newer(version) => {
                anyhow::anyhow!("{FILE} is of a newer siprec (schema {version}): run that version")
            }
            Unfit::Foreign => anyhow::anyhow!("{FILE} is some other program's database: move it away"),
            Unfit::Sqlite(error) => anyhow::anyhow!("{FILE}: {error}: if it is damaged, move it away"),
        };
        WEBHOOKS.check(&connection).map_err(unfit)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        WEBHOOKS.migrate(&mut connection).map_err(unfit)?;
        Ok(Self(Mutex::new(connection)))
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self::of(Connection::open_in_memory().unwrap()).unwrap()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an event for each of `hooks`. One of a recording that was queued before is not queued again.
    pub(super) fn add(
        &self,
        hooks: &[&str],
        (subject, kind, body): (&str, &str, &str),
        once: bool,
        now_ms: i64,
    ) -> rusqlite::Result<bool> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        if once {
            let sql = "INSERT OR IGNORE INTO told (recording, kind, at_ms) VALUES (?1, ?2, ?3)";
            if transaction.execute(sql, params![subject, kind, now_ms])? == 0 {
                return Ok(false);
            }
            transaction.execute("DELETE FROM told WHERE at_ms < ?1", [now_ms - REMEMBERED_MS])?;
        }
        for hook in hooks {
            let sql =
                "INSERT INTO event (hook, subject, kind, body, queued_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
            transaction.execute(sql, params![hook, subject, kind, body, now_ms])?;
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Whether a recording's event was queued.
    pub(super) fn was_told(&self, recording: &str, kind: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM told WHERE recording = ?1 AND kind = ?2)";
        self.connection().query_row(sql, [recording, kind], |row| row.get(0))
    }

    /// When an event was queued last.
    pub(super) fn newest_ms(&self) -> rusqlite::Result<Option<i64>> {
        self.connection().query_row("SELECT max(at_ms) FROM told", [], |row| row.get(0))
    }

    /// The next events for a hook that are due, each the oldest of its subject; `busy` subjects are left out.
    pub(super) fn due(&self, hook: &str, now_ms: i64, limit: usize) -> rusqlite::Result<Vec<Item>> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT id, subject, kind, body, queued_ms, attempts FROM event AS item \
             WHERE hook = ?1 AND dead = 0 AND due_ms <= ?2 AND NOT EXISTS \
               (SELECT 1 FROM event AS before WHERE before.hook = ?1 AND before.dead = 0 \
                AND before.subject = item.subject AND before.id < item.id) \
             ORDER BY id LIMIT ?3",
        )?;
        let rows = select.query_map(params![hook, now_ms, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(Item {
                id: row.get(0)?,
                subject: row.get(1)?,
                kind: row.get(2)?,
                body: row.get(3)?,
                queued_ms: row.get(4)?,
                attempts: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    /// When the next event for a hook is due.
    pub(super) fn next_due(&self, hook: &str) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT min(due_ms) FROM event AS item WHERE hook = ?1 AND dead = 0 AND NOT EXISTS \
                   (SELECT 1 FROM event AS before WHERE before.hook = ?1 AND before.dead = 0 \
                    AND before.subject = item.subject AND before.id < item.id)";
        self.connection().query_row(sql, [hook], |row| row.get(0))
    }

    /// The hook has taken it.
    pub(super) fn taken(&self, id: i64) -> rusqlite::Result<()> {
        self.connection().execute("DELETE FROM event WHERE id = ?1", [id]).map(drop)
    }

    /// It has not: tried again at `due_ms`, or given up.
    pub(super) fn failed(&self, item: &Item, error: &str, due_ms: Option<i64>) -> rusqlite::Result<()> {
        let sql = "UPDATE event SET attempts = attempts + 1, error = ?2, due_ms = ?3, dead = ?4 WHERE id = ?1";
        let dead = due_ms.is_none();
        self.connection().execute(sql, params![item.id, error, due_ms.unwrap_or(0), dead]).map(drop)
    }

    /// Gives up what is beyond the limits, of each hook; how many.
    pub(super) fn trim(&self, hook: &str) -> rusqlite::Result<usize> {
        let connection = self.connection();
        let sql = "UPDATE event SET dead = 1, error = coalesce(error, 'too many wait') WHERE hook = ?1 AND dead = 0 AND id <= \
                   (SELECT id FROM event WHERE hook = ?1 AND dead = 0 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        let given_up = connection.execute(sql, params![hook, MAX_WAITING])?;
        let sql = "DELETE FROM event WHERE hook = ?1 AND dead = 1 AND id <= \
                   (SELECT id FROM event WHERE hook = ?1 AND dead = 1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        connection.execute(sql, params![hook, MAX_DEAD])?;
        Ok(given_up)
    }

    /// How a hook stands.
    pub(in crate::server) fn standing(&self, hook: &str) -> rusqlite::Result<Standing> {
        let sql = "SELECT count(*), min(queued_ms), (SELECT error FROM event WHERE hook = ?1 AND error IS NOT NULL \
                   ORDER BY id DESC LIMIT 1) FROM event WHERE hook = ?1 AND dead = 0";
        self.connection().query_row(sql, [hook], |row| {
            let waiting: i64 = row.get(0)?;
            Ok(Standing { waiting: waiting.cast_unsigned(), oldest_ms: row.get(1)?, last_error: row.get(2)? })
        })
    }

    /// The newest that were given up.
    pub(in crate::server) fn dead(&self, hook: &str, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
        let connection = self.connection();
        let sql = "SELECT id, kind, body, queued_ms, attempts, coalesce(error, '') FROM event WHERE hook = ?1 AND dead = 1 \
                   ORDER BY id DESC LIMIT ?2";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map(params![hook, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(DeadLetter {
                id: row.get(0)?,
                kind: row.get(1)?,
                body: row.get(2)?,
                queued_ms: row.get(3)?,
                attempts: row.get(4)?,
                error: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    /// Has all that waits or was given up tried again now; how many were given up.
    pub(in crate::server) fn retry(&self, hook: &str, now_ms: i64) -> rusqlite::Result<usize> {
        let connection = self.connection();
        connection.execute("UPDATE event SET due_ms = ?2 WHERE hook = ?1 AND dead = 0", params![hook, now_ms])?;
        let sql = "UPDATE event SET due_ms = ?2, queued_ms = ?2, dead = 0, attempts = 0 WHERE hook = ?1 AND dead = 1";
        connection.execute(sql, params![hook, now_ms])
    }

    /// Whether there is such an event.
    #[cfg(test)]
    fn holds(&self, id: i64) -> bool {
        let connection = self.connection();
        connection.prepare("SELECT 1 FROM event WHERE id = ?1").unwrap().exists([id]).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(queue: &Queue, subject: &str, kind: &str, now: i64) -> bool {
        queue.add(&["a", "b"], (subject, kind, "{}"), true, now).unwrap()
    }

    #[test]
    fn each_recordings_events_come_one_after_the_other() {
        let queue = Queue::in_memory();
        assert!(add(&queue, "r1", "recording.started", 1) && add(&queue, "r2", "recording.started", 2));
        assert!(add(&queue, "r1", "recording.completed", 3));
        assert!(!add(&queue, "r1", "recording.completed", 4), "a second time");
        let due = |now| queue.due("a", now, 10).unwrap();
        let kinds: Vec<String> = due(9).iter().map(|item| format!("{} {}", item.subject, item.kind)).collect();
        assert_eq!(kinds, ["r1 recording.started", "r2 recording.started"]);
        let first = due(9).remove(0);
        queue.failed(&first, "500", Some(100)).unwrap();
        assert_eq!(due(9).len(), 1, "what comes after one that failed waits for it");
        assert_eq!(queue.next_due("a").unwrap(), Some(2));
        queue.taken(first.id).unwrap();
        assert!(!queue.holds(first.id));
        assert_eq!(due(9)[1].kind, "recording.completed");
        assert_eq!(queue.standing("b").unwrap().waiting, 3, "the other hook has all of it");
    }

    #[test]
    fn what_is_given_up_is_listed_and_holds_nothing_up() {
        let queue = Queue::in_memory();
        add(&queue, "r1", "recording.started", 1);
        add(&queue, "r1", "recording.completed", 2);
        let first = queue.due("a", 9, 10).unwrap().remove(0);
        queue.failed(&first, "404", None).unwrap();
        assert_eq!(queue.due("a", 9, 10).unwrap()[0].kind, "recording.completed");
        assert_eq!(queue.dead("a", 10).unwrap()[0].error, "404");
        assert_eq!(queue.retry("a", 50).unwrap(), 1);
        assert_eq!(queue.due("a", 50, 10).unwrap()[0].kind, "recording.started");
        assert!(queue.was_told("r1", "recording.started").unwrap());
        assert_eq!(queue.newest_ms().unwrap(), Some(2));
    }
}
