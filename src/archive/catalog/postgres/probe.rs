//! What a PostgreSQL server is like, for who asks before a server runs on it. Nothing is made there.

use super::connection::{CALL_LIMIT, Connection};
use super::{Address, PostgresError, schema};

/// A server that answered, and let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its version, in its own words.
    pub version: String,
    /// The same as a number: 150004 is 15.4.
    pub number: i64,
    /// The version of TLS that it is spoken to by; none in clear.
    pub tls: Option<String>,
    /// Whether it keeps every name.
    pub is_utf8: bool,
    /// The version of the catalog's tables, and the one that this siprec writes; 0: there are none yet.
    pub schema: (i64, i64),
    /// Whether our user may make tables.
    pub may_create: bool,
}

impl Address {
    /// Asks it.
    ///
    /// # Errors
    /// Why nobody answers, or nobody is let in.
    pub fn probe(&self) -> Result<Probed, PostgresError> {
        const SQL: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::bigint, \
            (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), \
            current_setting('server_encoding') = 'UTF8', has_database_privilege(current_database(), 'CREATE')";
        Connection::open(self)?.run(CALL_LIMIT, async |client| {
            let row = client.query_typed_one(SQL, &[]).await?;
            Ok(Probed {
                version: row.try_get(0)?,
                number: row.try_get(1)?,
                tls: row.try_get(2)?,
                is_utf8: row.try_get(3)?,
                schema: (schema::version(client).await?, schema::VERSION),
                may_create: row.try_get(4)?,
            })
        })
    }
}
