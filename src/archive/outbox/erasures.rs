//! What the queue knows of erasures: what is to be erased where, and what became of it, until all of it is done.

use rusqlite::params;
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use super::{Queue, QueueError};
use crate::archive::storage::{Kept, Removed};

impl Queue {
    /// A recording is to be erased in each of `targets`, unless it is already, and is no longer to be stored anywhere.
    pub fn order_erasure(
        &self,
        targets: &[&str],
        recording: RecordingId,
        session: Option<SessionId>,
        day: &str,
        now_ms: i64,
    ) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let (recording, session) = (recording.to_string(), session.map(|session| session.to_string()));
        transaction.execute("DELETE FROM held WHERE recording = ?1", [&recording])?;
        transaction.execute("DELETE FROM item WHERE recording = ?1 AND erase = 0", [&recording])?;
        for target in targets {
            let sql = "INSERT INTO item (target, recording, session, day, queued_ms, due_ms, again, erase) \
                       SELECT ?1, ?2, ?3, ?4, ?5, ?5, 1, 1 WHERE NOT EXISTS \
                       (SELECT 1 FROM erased WHERE target = ?1 AND recording = ?2) ON CONFLICT DO NOTHING";
            transaction.execute(sql, params![target, recording, session, day, now_ms])?;
        }
        Ok(transaction.commit()?)
    }

    /// A recording is erased in a target.
    pub fn erased(
        &self,
        target: &str,
        recording: RecordingId,
        now_ms: i64,
        removed: &Removed,
    ) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let recording = recording.to_string();
        let sql = "INSERT INTO erased VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        transaction.execute(sql, params![recording, target, now_ms, removed.objects])?;
        if !removed.kept.is_nothing() {
            let Kept { copies, until, unknown } = &removed.kept;
            let sql = "INSERT INTO kept VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            transaction.execute(sql, params![recording, target, copies, until.map(|until| until.0), unknown])?;
        }
        transaction.execute("DELETE FROM item WHERE target = ?1 AND recording = ?2", params![target, recording])?;
        Ok(transaction.commit()?)
    }

    /// The targets in which a recording is erased: when (milliseconds since 1970), and what became of its objects.
    pub fn erased_in(&self, recording: RecordingId) -> Result<Vec<(String, i64, Removed)>, QueueError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT target, erased_ms, objects, coalesce(copies, 0), until, unknown FROM erased LEFT JOIN kept \
             USING (recording, target) WHERE recording = ?1",
        )?;
        let rows = select.query_map([recording.to_string()], |row| {
            let kept =
                Kept { copies: row.get(3)?, until: row.get::<_, Option<i64>>(4)?.map(Wall), unknown: row.get(5)? };
            Ok((row.get(0)?, row.get(1)?, Removed { objects: row.get(2)?, kept }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Nothing of an erased recording is left to be done.
    pub fn forget_erased(&self, recording: RecordingId) -> Result<(), QueueError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let recording = recording.to_string();
        transaction.execute("DELETE FROM item WHERE recording = ?1", [&recording])?;
        transaction.execute("DELETE FROM erased WHERE recording = ?1", [&recording])?;
        transaction.execute("DELETE FROM kept WHERE recording = ?1", [&recording])?;
        Ok(transaction.commit()?)
    }
}
