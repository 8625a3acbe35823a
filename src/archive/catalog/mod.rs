//! The catalog: what recordings there are, to be searched. SQLite, in `catalog.sqlite`.
//!
//! It is derived: whatever stands in it was taken from sidecars, and [`Catalog::rebuild`] takes it from them again.
//! There is one writer (who holds the data directory's lock) and any number of readers, in any process (WAL).

mod filter;
mod number;
mod row;
mod schema;
mod select;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use siprec_core::seed::{RecordingId, SessionId};

pub use filter::{Filter, LastDigits, PerTenThousand};
pub use number::number_of;
pub use row::{BadSidecar, Person, Quality, Record, Row, StreamRow};
pub use select::Selection;

/// The catalog's file in the data directory.
pub const FILE: &str = "catalog.sqlite";

/// How long a reader or the writer waits for the other's lock. WAL lets them pass; only checkpoints may meet.
const BUSY: Duration = Duration::from_secs(5);

/// What is wrong with a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Somebody ran a later version on this directory.
    #[error(
        "catalog.sqlite is of a newer siprec (schema {found}; this one knows {known}): run that version, or move the \
         file away, and it is made anew from the sidecars"
    )]
    Newer {
        /// The file's version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A later version has not run here yet, and a reader may not migrate.
    #[error("catalog.sqlite is of an older siprec (schema {found}; this one reads {known})")]
    Older {
        /// The file's version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Not ours.
    #[error("catalog.sqlite is some other program's database: move it away, and a catalog is made in its place")]
    Foreign,
    /// Not SQLite, or broken.
    #[error("catalog.sqlite is damaged ({0}): move it away, and it is made anew from the sidecars")]
    Damaged(rusqlite::Error),
    /// There is none.
    #[error("there is no catalog.sqlite")]
    Missing,
    /// The disk, a lock, memory.
    #[error("catalog.sqlite: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        let damaged = [ErrorCode::NotADatabase, ErrorCode::DatabaseCorrupt];
        match error.sqlite_error_code() {
            Some(code) if damaged.contains(&code) => Self::Damaged(error),
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

/// An open catalog. Threads may share it: a call takes its turn.
#[derive(Debug)]
pub struct Catalog {
    connection: Mutex<Connection>,
}

impl Catalog {
    /// The catalog in the data directory `data`, for the one who writes; made, or migrated, if need be.
    pub fn open(data: &Path) -> Result<Self, CatalogError> {
        let connection = Connection::open(data.join(FILE))?;
        connection.busy_timeout(BUSY)?;
        schema::check(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A row is promised only after it is on the disk: the journal is put away next.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Self::prepare(connection, schema::migrate)
    }

    /// The catalog in `data`, to be read, whether a server runs there or not.
    pub fn read_only(data: &Path) -> Result<Self, CatalogError> {
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

    fn read_only_as(uri: &[u8]) -> Result<Self, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(OsStr::from_bytes(uri), flags)?;
        connection.busy_timeout(BUSY)?;
        Self::prepare(connection, |connection| match schema::check(connection)? {
            0 => Err(CatalogError::Missing),
            found if found < schema::VERSION => Err(CatalogError::Older { found, known: schema::VERSION }),
            _ => Ok(()),
        })
    }

    /// A catalog that is gone when it is closed; SQLite puts it in a temporary file when it grows.
    pub fn temporary() -> Result<Self, CatalogError> {
        Self::prepare(Connection::open("")?, schema::migrate)
    }

    fn prepare(
        mut connection: Connection,
        check: fn(&mut Connection) -> Result<(), CatalogError>,
    ) -> Result<Self, CatalogError> {
        connection.pragma_update(None, "foreign_keys", true)?;
        check(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked here has left no transaction open: they roll back when they are dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a recording in, in place of what stood there under its id. On the disk when this returns.
    pub fn put(&self, record: &Record) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        insert(&transaction, record)?;
        transaction.commit()?;
        Ok(())
    }

    /// Makes the whole catalog anew from `records`; readers see the old one until it is done. Returns how many.
    pub fn rebuild(&self, records: impl IntoIterator<Item = Record>) -> Result<u64, CatalogError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM recording", [])?;
        let mut count = 0;
        for record in records {
            insert(&transaction, &record)?;
            count += 1;
        }
        transaction.commit()?;
        Ok(count)
    }

    /// The recording of that id.
    pub fn find(&self, id: RecordingId) -> Result<Option<Row>, CatalogError> {
        self.select(Filter { ids: vec![id], ..Filter::default() }).next().transpose()
    }

    /// How many recordings there are.
    pub fn count(&self) -> Result<u64, CatalogError> {
        let count: i64 = self.connection().query_row("SELECT count(*) FROM recording", [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// How many recordings of a session there are, and how many faults they show.
    pub fn faults_of(&self, session: SessionId) -> Result<(u64, u64), CatalogError> {
        let sql = "SELECT count(*), coalesce(sum(faults), 0) FROM recording WHERE session_id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (recordings, faults) = self.connection().query_row(sql, [session.to_string()], read)?;
        Ok((recordings.cast_unsigned(), faults.cast_unsigned()))
    }
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

fn insert(connection: &Connection, record: &Record) -> Result<(), CatalogError> {
    let row = &record.row;
    let id = row.id.to_string();
    connection.prepare_cached("DELETE FROM recording WHERE id = ?1")?.execute([&id])?;
    let (caller, callee) = (row.caller.clone().unwrap_or_default(), row.callee.clone().unwrap_or_default());
    let quality = &row.quality;
    connection
        .prepare_cached(
            "INSERT INTO recording VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
             ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)",
        )?
        .execute(params![
            id,
            row.session_id.map(|session| session.to_string()),
            row.call_id,
            row.communication_session,
            row.group,
            row::millis(row.started_at),
            row::millis(row.ended_at),
            row.duration_ms.cast_signed(),
            row.state,
            row.ended_by,
            caller.aor,
            caller.name,
            search_text(&caller),
            search_number(&caller),
            callee.aor,
            callee.name,
            search_text(&callee),
            search_number(&callee),
            row.path,
            row.bytes.cast_signed(),
            row.sha256,
            quality.packets_received.cast_signed(),
            quality.packets_expected.cast_signed(),
            quality.packets_lost.cast_signed(),
            quality.packets_dropped.cast_signed(),
            quality.gaps.cast_signed(),
            quality.gap_ms.cast_signed(),
            quality.pauses.cast_signed(),
            quality.faults.cast_signed(),
            row.vendor,
            row.product,
        ])?;
    insert_children(connection, &id, record)
}

fn insert_children(connection: &Connection, id: &str, record: &Record) -> Result<(), CatalogError> {
    let mut statement = connection.prepare_cached("INSERT INTO participant VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (participant, person) in &record.participants {
        let (text, number) = (search_text(person), search_number(person));
        statement.execute(params![id, participant, person.aor, person.name, text, number])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO sip_session_id VALUES (?1, ?2)")?;
    for value in &record.sip_session_ids {
        statement.execute(params![id, value])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO correlation VALUES (?1, ?2, ?3, ?4)")?;
    for (field, value) in &record.call {
        statement.execute(params![id, field, value, value.to_lowercase()])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO stream VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for stream in &record.streams {
        statement.execute(params![id, stream.port, stream.label, stream.codecs, stream.rendered])?;
    }
    Ok(())
}

fn search_text(person: &Person) -> String {
    let (aor, name) = (person.aor.as_deref().unwrap_or_default(), person.name.as_deref().unwrap_or_default());
    format!("{aor}\n{name}").to_lowercase()
}

fn search_number(person: &Person) -> String {
    person.aor.as_deref().and_then(number_of).unwrap_or_default()
}
