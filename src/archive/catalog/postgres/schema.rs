//! The catalog's tables in PostgreSQL, in a schema of their own, and the steps that bring an older catalog to them.
//!
//! The version stands in the table `version`; a step is never changed once it was released, only followed.

use std::time::Duration;

use tokio_postgres::Client;

use super::connection::Connection;
use super::{Address, PostgresError};

/// What leads from version n to version n + 1, from nothing on.
const MIGRATIONS: &[&str] = &[include_str!("0001.sql"), include_str!("0002.sql")];

/// The version that this siprec writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Tables of a million rows may be made anew.
const MIGRATION_LIMIT: Duration = Duration::from_secs(3600);

/// A check, which may wait for a migration of another server's.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// "sipr": who holds this lock migrates.
const LOCK: i64 = 0x7369_7072;

/// Brings the database to [`VERSION`]. Servers that start together do it one after the other.
pub(super) fn migrate(connection: &mut Connection, address: &Address) -> Result<(), PostgresError> {
    connection.run(MIGRATION_LIMIT, async |client| {
        check_encoding(client, address).await?;
        if version(client).await? == VERSION {
            return Ok(());
        }
        let transaction = client.transaction().await?;
        let begin = format!(
            "SET LOCAL statement_timeout TO 0; SET LOCAL lock_timeout TO 0; SELECT pg_advisory_xact_lock({LOCK})"
        );
        transaction.batch_execute(&begin).await?;
        let found = version(transaction.client()).await?;
        refuse_newer(found, address)?;
        if found == 0 {
            let begin = "CREATE SCHEMA IF NOT EXISTS siprec; CREATE TABLE version (number bigint NOT NULL); \
                         INSERT INTO version VALUES (0)";
            transaction.batch_execute(begin).await?;
        }
        for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.batch_execute(step).await?;
        }
        transaction.batch_execute(&format!("UPDATE version SET number = {VERSION}")).await?;
        Ok(transaction.commit().await?)
    })
}

/// Whether a reader understands what is there.
pub(super) fn check_to_read(connection: &mut Connection, address: &Address) -> Result<(), PostgresError> {
    connection.run(CHECK_LIMIT, async |client| {
        client.batch_execute("SET default_transaction_read_only TO on").await?;
        let found = version(client).await?;
        refuse_newer(found, address)?;
        if found < VERSION {
            return Err(PostgresError::Older { address: address.to_string(), found, known: VERSION });
        }
        Ok(())
    })
}

fn refuse_newer(found: i64, address: &Address) -> Result<(), PostgresError> {
    if found > VERSION {
        return Err(PostgresError::Newer { address: address.to_string(), found, known: VERSION });
    }
    Ok(())
}

/// The version of the tables; 0: there are none.
pub(super) async fn version(client: &Client) -> Result<i64, PostgresError> {
    // Not to_regclass: it may answer from what the session looked up before another server made the table.
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'siprec' AND tablename = 'version')";
    let exists = client.query_typed_one(sql, &[]).await?;
    if !exists.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = client.query_typed_one("SELECT number FROM siprec.version", &[]).await?;
    Ok(row.try_get(0)?)
}

async fn check_encoding(client: &Client, address: &Address) -> Result<(), PostgresError> {
    let encoding: String = client.query_typed_one("SHOW server_encoding", &[]).await?.try_get(0)?;
    if encoding != "UTF8" {
        return Err(PostgresError::Encoding { address: address.to_string(), encoding });
    }
    Ok(())
}
