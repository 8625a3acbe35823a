//! The catalog's tables, and the steps that bring an older catalog to them.

use rusqlite::Connection;

use super::super::CatalogError;
use super::rows;
use crate::archive::versioned::{Unfit, Versioned};

/// "sipr" tells our catalog from any other SQLite file.
const CATALOG: Versioned = Versioned {
    application_id: 0x7369_7072,
    steps: &[
        |file| file.execute_batch(include_str!("0001.sql")),
        |file| file.execute_batch(include_str!("0002.sql")),
        |file| file.execute_batch(include_str!("0003.sql")),
        |file| {
            file.execute_batch(include_str!("0004.sql"))?;
            rows::adopt_old(file)
        },
    ],
};

/// The version that this siprec writes.
pub(super) const VERSION: i64 = CATALOG.version();

impl From<Unfit> for CatalogError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Newer(found) => Self::Newer { found, known: VERSION },
            Unfit::Foreign => Self::Foreign,
            Unfit::Sqlite(error) => error.into(),
        }
    }
}

/// Brings the file to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), CatalogError> {
    Ok(CATALOG.migrate(connection)?)
}

/// The file's version, if it is a catalog (or empty) and not of a later siprec than this.
pub(super) fn check(connection: &Connection) -> Result<i64, CatalogError> {
    Ok(CATALOG.check(connection)?)
}
