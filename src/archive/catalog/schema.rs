//! The catalog's tables, and the steps that bring an older catalog to them.
//!
//! The version stands in SQLite's `user_version`; a step is never changed once it was released, only followed.

use rusqlite::Connection;

use super::CatalogError;

/// "sipr": tells our catalog from any other SQLite file.
const APPLICATION_ID: i32 = 0x7369_7072;

/// What leads from version n to version n + 1, from the empty file on.
const MIGRATIONS: &[&str] = &[include_str!("0001.sql"), include_str!("0002.sql"), include_str!("0003.sql")];

/// The version that this siprec writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the file to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), CatalogError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = check(&transaction)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < VERSION {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The file's version, if it is a catalog (or empty) and not of a later siprec than this.
pub(super) fn check(connection: &Connection) -> Result<i64, CatalogError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found > VERSION && application == APPLICATION_ID {
        return Err(CatalogError::Newer { found, known: VERSION });
    }
    if application != APPLICATION_ID && (tables > 0 || found != 0) {
        return Err(CatalogError::Foreign);
    }
    Ok(found)
}
