//! SQLite files of ours: told from any other program's by their `application_id`, brought up to date by steps.
//!
//! The version stands in SQLite's `user_version`; a step is never changed once it was released, only followed.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// What leads from one version to the next.
pub(crate) type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// A kind of file.
#[derive(Debug)]
pub(crate) struct Versioned {
    /// Four letters that no other program's files have.
    pub(crate) application_id: i32,
    /// From version n to n + 1, from the empty file on.
    pub(crate) steps: &'static [Step],
}

/// Why a file is not one that can be worked on.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// A later siprec made it, of this version.
    Newer(i64),
    /// Some other program's.
    Foreign,
    /// It cannot be read.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Versioned {
    /// The version that this siprec writes.
    pub(crate) const fn version(&self) -> i64 {
        self.steps.len() as i64
    }

    /// The file's version, if it is of this kind (or empty) and not of a later siprec than this.
    pub(crate) fn check(&self, connection: &Connection) -> Result<i64, Unfit> {
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if found > self.version() && application == self.application_id {
            return Err(Unfit::Newer(found));
        }
        if application != self.application_id && (tables > 0 || found != 0) {
            return Err(Unfit::Foreign);
        }
        Ok(found)
    }

    /// Brings the file to [`Versioned::version`].
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<(), Unfit> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = self.check(&transaction)?;
        for step in self.steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
            step(&transaction)?;
        }
        if found < self.version() {
            transaction.pragma_update(None, "application_id", self.application_id)?;
            transaction.pragma_update(None, "user_version", self.version())?;
        }
        Ok(transaction.commit()?)
    }
}
