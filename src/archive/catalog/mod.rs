//! The catalog: what recordings there are, to be searched. SQLite in the data directory, or PostgreSQL.
//!
//! It is derived: whatever stands in it was taken from sidecars, and [`Catalog::rebuild`] takes it from them again.
//!
//! ```text
//! Record -> Engine::put        row, what hangs on it, terms of the index of texts
//! Filter -> Engine::page       conditions (the same SQL but for a few words), terms -> Row
//! ```

mod conditions;
mod filter;
mod number;
mod place;
mod postgres;
mod record;
mod select;
mod sqlite;
mod terms;

use std::path::Path;

use siprec_core::seed::{RecordingId, SessionId};

pub use filter::{Filter, LastDigits, PerTenThousand, Words};
pub use number::number_of;
pub use postgres::{Address, BadAddress, PostgresError, Probed};
pub use record::{BadSidecar, Person, Quality, Record, Row, StreamRow};
pub use select::Selection;
pub use sqlite::FILE;

use select::Page;

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
    /// PostgreSQL's, or on the way there.
    #[error(transparent)]
    Postgres(PostgresError),
    /// The disk, a lock, memory.
    #[error("catalog.sqlite: {0}")]
    Sqlite(rusqlite::Error),
}

/// Looks through the whole of the catalog in `data`, whether a server runs there or not; how many recordings it has.
///
/// # Errors
/// None, or one that is damaged, foreign or of another version.
pub fn look_through(data: &Path) -> Result<u64, CatalogError> {
    let sqlite = sqlite::Sqlite::read_only(data)?;
    sqlite.look_through()?;
    sqlite.count()
}

/// What keeps rows and finds them.
trait Engine: std::fmt::Debug + Send + Sync {
    /// Puts a recording in, in place of what stood there under its id. Kept for good when this returns.
    fn put(&self, record: &Record) -> Result<(), CatalogError>;

    /// Takes a recording of this data directory out; whether it was there.
    fn remove(&self, id: RecordingId) -> Result<bool, CatalogError>;

    /// Makes nothing be left of removed rows in files of ours, as far as nobody reads them now.
    fn scrub(&self) -> Result<(), CatalogError>;

    /// Puts `records` in, in place of all that stood there of this data directory; readers see the old until it is done.
    fn rebuild(&self, records: &mut dyn Iterator<Item = Record>) -> Result<u64, CatalogError>;

    /// At most `want` rows that `filter` means, latest first, of those that come after the row of key `after`.
    fn page(&self, filter: &Filter, after: Option<i64>, want: usize) -> Result<Page, CatalogError>;

    /// How many recordings there are.
    fn count(&self) -> Result<u64, CatalogError>;

    /// Whether it was never made of what lies in this data directory.
    fn is_new(&self) -> Result<bool, CatalogError>;

    /// How many recordings of a session there are, and how many faults they show.
    fn faults_of(&self, session: SessionId) -> Result<(u64, u64), CatalogError>;
}

/// An open catalog. Threads may share it.
#[derive(Debug)]
pub struct Catalog {
    engine: Box<dyn Engine>,
}

impl Catalog {
    /// The catalog in the data directory `data`, for the one who writes (and holds the directory's lock); made, or
    /// migrated, if need be.
    pub fn open(data: &Path) -> Result<Self, CatalogError> {
        Ok(Self { engine: Box::new(sqlite::Sqlite::open(data)?) })
    }

    /// The catalog in `data`, to be written beside a server that may run there: it is neither made nor migrated.
    pub fn beside(data: &Path) -> Result<Self, CatalogError> {
        Ok(Self { engine: Box::new(sqlite::Sqlite::beside(data)?) })
    }

    /// The catalog in `data`, to be read, whether a server runs there or not.
    pub fn read_only(data: &Path) -> Result<Self, CatalogError> {
        Ok(Self { engine: Box::new(sqlite::Sqlite::read_only(data)?) })
    }

    /// A catalog that is gone when it is closed; SQLite puts it in a temporary file when it grows.
    pub fn temporary() -> Result<Self, CatalogError> {
        Ok(Self { engine: Box::new(sqlite::Sqlite::temporary()?) })
    }

    /// The catalog in PostgreSQL, for the server that is known there as `node`. Nobody is asked yet: what cannot be done
    /// now fails, and may be tried again. Its calls wait, so they are not for asynchronous code.
    pub fn shared(address: Address, node: &str) -> Self {
        Self { engine: Box::new(postgres::Postgres::writer(address, node.to_owned())) }
    }

    /// The same, only to be read.
    pub fn shared_read_only(address: Address, node: &str) -> Self {
        Self { engine: Box::new(postgres::Postgres::reader(address, node.to_owned())) }
    }

    /// Puts a recording in, in place of what stood there under its id. Kept for good when this returns.
    pub fn put(&self, record: &Record) -> Result<(), CatalogError> {
        self.engine.put(record)
    }

    /// Takes a recording of this data directory out; whether it was there. Gone for good when this returns.
    pub fn remove(&self, id: RecordingId) -> Result<bool, CatalogError> {
        self.engine.remove(id)
    }

    /// Makes nothing be left of removed rows in files of ours, as far as nobody reads them now; in PostgreSQL that is its
    /// vacuum's.
    pub fn scrub(&self) -> Result<(), CatalogError> {
        self.engine.scrub()
    }

    /// Makes all of it that is of this data directory anew from `records`; readers see the old until it is done. Returns
    /// how many.
    pub fn rebuild(&self, records: impl IntoIterator<Item = Record>) -> Result<u64, CatalogError> {
        self.engine.rebuild(&mut records.into_iter())
    }

    /// At most `want` rows that `filter` means, latest first, of those that come after the place `after`; and the place from
    /// which the next page goes on, none where there is nothing behind this one.
    ///
    /// # Errors
    /// The engine's.
    pub fn page(
        &self,
        filter: &Filter,
        after: Option<i64>,
        want: usize,
    ) -> Result<(Vec<Row>, Option<i64>), CatalogError> {
        let page = self.engine.page(filter, after, want)?;
        let next = page.last.filter(|_| page.rows.len() == want);
        Ok((page.rows, next))
    }

    /// The recording of that id.
    pub fn find(&self, id: RecordingId) -> Result<Option<Row>, CatalogError> {
        self.select(Filter { ids: vec![id], ..Filter::default() }).next().transpose()
    }

    /// Whether it can be asked.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.engine.is_new().map(drop)
    }

    /// How many recordings there are.
    pub fn count(&self) -> Result<u64, CatalogError> {
        self.engine.count()
    }

    /// Whether it was never made of what lies in this data directory.
    pub fn is_new(&self) -> Result<bool, CatalogError> {
        self.engine.is_new()
    }

    /// How many recordings of a session there are, and how many faults they show.
    pub fn faults_of(&self, session: SessionId) -> Result<(u64, u64), CatalogError> {
        self.engine.faults_of(session)
    }
}
