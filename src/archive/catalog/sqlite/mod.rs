//! The catalog in SQLite: `catalog.sqlite` in the data directory.
//!
//! There is one writer (who holds the data directory's lock) and any number of readers, in any process (WAL).

mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use siprec_core::seed::{RecordingId, SessionId};

use super::conditions::{self, Conditions, Dialect, Value};
use super::select::Page;
use super::{CatalogError, Engine, Filter, Record};

/// The catalog's file in the data directory.
pub const FILE: &str = "catalog.sqlite";

/// How long a reader or the writer waits for the other's lock. WAL lets them pass; only checkpoints may meet.
const BUSY: Duration = Duration::from_secs(5);

/// Memory for pages, as SQLite has it by itself.
const CACHE_KIB: i64 = 2_000;

/// The same while all rows are put in: indexes whose entries come in no order are gone over again and again.
const REBUILD_KIB: i64 = 256 * 1024;

const DIALECT: Dialect = Dialect {
    value: |n| format!("?{n}"),
    holds: |column, value| format!("instr({column}, {value}) > 0"),
    is_in_list: |column, value| format!("{column} IN (SELECT value FROM json_each({value}))"),
    key_is_of: |query| format!("recording.key IN ({query})"),
};

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        let damaged = [ErrorCode::NotADatabase, ErrorCode::DatabaseCorrupt];
        match error.sqlite_error_code() {
            Some(code) if damaged.contains(&code) => Self::Damaged(error),
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Integer(number) => number.to_sql(),
            Self::List(list) => Ok(serde_json::Value::from(list.as_slice()).to_string().into()),
        }
    }
}

/// An open file. A call takes its turn.
#[derive(Debug)]
pub(super) struct Sqlite {
    connection: Mutex<Connection>,
}

impl Sqlite {
    pub(super) fn open(data: &Path) -> Result<Self, CatalogError> {
        let connection = Connection::open(data.join(FILE))?;
        connection.busy_timeout(BUSY)?;
        schema::check(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A row is promised only after it is on the disk: the journal is put away next.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Self::prepare(connection, schema::migrate)
    }

    pub(super) fn read_only(data: &Path) -> Result<Self, CatalogError> {
        let path = data.join(FILE);
        if !path.exists() {
            return Err(CatalogError::Missing);
        }
        let wal = data.join(format!("{FILE}-wal"));
        match Self::read_only_as(&uri(&path, "")) {
            // A reader, too, needs a file beside it that it may not make here (a read-only mount, somebody else's
            // directory). Without a log nobody writes, and it can do without.
            Err(CatalogError::Sqlite(error))
                if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
                    && !wal.exists() =>
            {
                Self::read_only_as(&uri(&path, "?immutable=1"))
            }
            result => result,
        }
    }

    /// Whether each page is what it should be; values of indexes are not compared.
    pub(super) fn look_through(&self) -> Result<(), CatalogError> {
        let connection = self.connection();
        let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said == "ok" {
            return Ok(());
        }
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(CatalogError::Damaged(rusqlite::Error::SqliteFailure(corrupt, Some(said))))
    }

    pub(super) fn beside(data: &Path) -> Result<Self, CatalogError> {
        let path = data.join(FILE);
        if !path.exists() {
            return Err(CatalogError::Missing);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Self::prepare(connection, Self::is_of_this_version)
    }

    fn is_of_this_version(connection: &mut Connection) -> Result<(), CatalogError> {
        match schema::check(connection)? {
            0 => Err(CatalogError::Missing),
            found if found < schema::VERSION => Err(CatalogError::Older { found, known: schema::VERSION }),
            _ => Ok(()),
        }
    }

    fn read_only_as(uri: &[u8]) -> Result<Self, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(OsStr::from_bytes(uri), flags)?;
        connection.busy_timeout(BUSY)?;
        Self::prepare(connection, Self::is_of_this_version)
    }

    pub(super) fn temporary() -> Result<Self, CatalogError> {
        Self::prepare(Connection::open("")?, schema::migrate)
    }

    fn prepare(
        mut connection: Connection,
        check: fn(&mut Connection) -> Result<(), CatalogError>,
    ) -> Result<Self, CatalogError> {
        connection.pragma_update(None, "foreign_keys", true)?;
        // Names that were erased are not to be found in the file.
        connection.pragma_update(None, "secure_delete", true)?;
        check(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked here has left no transaction open: they roll back when they are dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Sqlite {
    fn put(&self, record: &Record) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        rows::insert(&transaction, record)?;
        transaction.commit()?;
        Ok(())
    }

    fn remove(&self, id: RecordingId) -> Result<bool, CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let was_there = rows::remove(&transaction, &id.to_string())?;
        transaction.commit()?;
        Ok(was_there)
    }

    fn scrub(&self) -> Result<(), CatalogError> {
        // What is deleted is overwritten; the log that still has it is what remains.
        self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn rebuild(&self, records: &mut dyn Iterator<Item = Record>) -> Result<u64, CatalogError> {
        let mut connection = self.connection();
        connection.pragma_update(None, "cache_size", -REBUILD_KIB)?;
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO search (search) VALUES ('delete-all')", [])?;
        transaction.execute("DELETE FROM recording", [])?;
        let mut count = 0;
        for record in records {
            rows::insert(&transaction, &record)?;
            count += 1;
        }
        transaction.commit()?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.release_memory()?;
        Ok(count)
    }

    fn page(&self, filter: &Filter, after: Option<i64>, want: usize) -> Result<Page, CatalogError> {
        let (sql, values) = page_query(filter, after, want);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(rusqlite::params_from_iter(values))?;
        let mut page = Page::default();
        while let Some(row) = found.next()? {
            page.last = Some(row.get("key")?);
            page.rows.push(rows::read(row)?);
        }
        Ok(page)
    }

    fn count(&self) -> Result<u64, CatalogError> {
        let count: i64 = self.connection().query_row("SELECT count(*) FROM recording", [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    fn is_new(&self) -> Result<bool, CatalogError> {
        Ok(self.connection().query_row("SELECT NOT EXISTS (SELECT 1 FROM recording)", [], |row| row.get(0))?)
    }

    fn faults_of(&self, session: SessionId) -> Result<(u64, u64), CatalogError> {
        let sql = "SELECT count(*), coalesce(sum(faults), 0) FROM recording WHERE session_id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (recordings, faults) = self.connection().query_row(sql, [session.to_string()], read)?;
        Ok((recordings.cast_unsigned(), faults.cast_unsigned()))
    }
}

/// The query for a page. Where the index of terms can help, it leads: its rows come latest first, and no more of them are
/// looked at than the page needs. Where ids leave but a few rows, they do.
fn page_query(filter: &Filter, after: Option<i64>, want: usize) -> (String, Vec<Value>) {
    let mut conditions = Conditions::of(filter, &DIALECT);
    let keys = conditions::keys(filter, after);
    let index_query = conditions::index_query(filter, " AND ", " OR ").filter(|_| !conditions.is_narrow);
    let (tables, key) = match index_query {
        Some(query) => {
            let query = conditions.bind(query);
            conditions.and(format!("search MATCH {query}"));
            ("search CROSS JOIN recording ON recording.key = search.rowid", "search.rowid")
        }
        None => ("recording", "recording.key"),
    };
    conditions.within(key, &keys);
    let limit = conditions.bind(i64::try_from(want).unwrap_or(i64::MAX));
    let (columns, condition) = (rows::COLUMNS, conditions.sql());
    let sql = format!("SELECT {columns}, key FROM {tables} WHERE {condition} ORDER BY {key} DESC LIMIT {limit}");
    (sql, conditions.values)
}

/// `file:` and the path, with what means something in a URI escaped.
fn uri(path: &Path, query: &str) -> Vec<u8> {
    let mut uri = b"file:".to_vec();
    // Two slashes at the front would begin a host.
    if path.is_absolute() {
        uri.extend(b"//");
    }
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => uri.extend(format!("%{byte:02X}").bytes()),
            _ => uri.push(byte),
        }
    }
    uri.extend(query.bytes());
    uri
}
