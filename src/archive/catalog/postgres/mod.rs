//! The catalog in PostgreSQL, which several servers may share. Each row says whose it is.
//!
//! Nothing here waits for the server at start: tables are made when it first answers, and whatever fails until then is
//! tried again by whoever needs it.

mod address;
mod connection;
mod pool;
mod probe;
mod rows;
mod schema;
mod windows;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use siprec_core::seed::{RecordingId, SessionId};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

pub use address::{Address, BadAddress};
pub use probe::Probed;

use self::connection::{CALL_LIMIT, Connection};
use self::pool::Pool;
use self::windows::Windows;
use super::conditions::{self, Conditions, Dialect, Value};
use super::select::Page;
use super::{CatalogError, Engine, Filter, Record, terms};

/// Recordings put in by one statement.
const BATCH: usize = 500;

/// Making the catalog anew, of a million recordings and more.
const REBUILD_LIMIT: Duration = Duration::from_secs(6 * 3600);

const DIALECT: Dialect = Dialect {
    value: |n| format!("${n}"),
    holds: |column, value| format!("strpos({column}, {value}) > 0"),
    is_in_list: |column, value| format!("{column} = ANY({value})"),
    // An array, made first: the plan cannot but look its keys up.
    key_is_of: |query| format!("recording.key = ANY(ARRAY({query}))"),
};

/// What is wrong with a catalog in PostgreSQL.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PostgresError {
    /// It is down, or something is between.
    #[error("PostgreSQL at {address} is not reached ({why})")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system says.
        why: String,
    },
    /// A wrong password or user, or a host that it does not let in.
    #[error(
        "PostgreSQL at {address} lets siprec not in ({why}): correct user and password in metadata.connection, or allow this \
         host in pg_hba.conf"
    )]
    Refused {
        /// Host and port.
        address: String,
        /// What the server says.
        why: String,
    },
    /// There is no such database.
    #[error(
        "PostgreSQL at {address}: {why}: create it (CREATE DATABASE ... OWNER ...), or correct metadata.connection"
    )]
    NoDatabase {
        /// Host and port.
        address: String,
        /// What the server says.
        why: String,
    },
    /// No TLS, or not with whom it should be.
    #[error("TLS with PostgreSQL: {why}: see sslmode and sslrootcert in metadata.connection")]
    Tls {
        /// Why.
        why: String,
    },
    /// Somebody ran a later version on this database.
    #[error(
        "the catalog in PostgreSQL at {address} is of a newer siprec (schema {found}; this one knows {known}): run that \
         version, or name another database in metadata.connection"
    )]
    Newer {
        /// Host and port.
        address: String,
        /// The database's version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// No server has run here yet, or none of this version; a reader may not make tables.
    #[error(
        "the catalog in PostgreSQL at {address} is of an older siprec, or none yet (schema {found}; this one reads {known}): \
         start siprec serve, which makes or migrates it"
    )]
    Older {
        /// Host and port.
        address: String,
        /// The database's version; 0: there are no tables.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database cannot keep every name.
    #[error(
        "the database at {address} is encoded as {encoding} and cannot keep every name: create one with ENCODING 'UTF8' and \
         name it in metadata.connection"
    )]
    Encoding {
        /// Host and port.
        address: String,
        /// As the server says.
        encoding: String,
    },
    /// The user may not.
    #[error("PostgreSQL: {why}: siprec's user must own the database, or have GRANT CREATE on it")]
    Denied {
        /// What the server says.
        why: String,
    },
    /// The connection broke; the next try opens another.
    #[error("PostgreSQL: the connection broke ({why})")]
    Broken {
        /// Why.
        why: String,
    },
    /// No answer in time.
    #[error("PostgreSQL takes longer than it may")]
    Slow,
    /// All connections are in use.
    #[error("PostgreSQL: all connections are in use, and none came free")]
    Busy,
    /// Whatever else the server says.
    #[error("PostgreSQL: {why}")]
    Failed {
        /// What it says.
        why: String,
    },
}

impl PostgresError {
    fn silent(address: &Address) -> Self {
        Self::Unreachable { address: address.to_string(), why: "no answer in time".to_owned() }
    }

    /// What went wrong before there was a connection.
    fn of_connecting(address: &Address, error: &tokio_postgres::Error) -> Self {
        let (why, address) = (said(error), address.to_string());
        let Some(code) = error.code() else {
            let is_tls = why.contains("TLS") || why.contains("certificate") || why.contains("tls");
            return if is_tls { Self::Tls { why } } else { Self::Unreachable { address, why } };
        };
        if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
            Self::Refused { address, why }
        } else if *code == SqlState::INVALID_CATALOG_NAME {
            Self::NoDatabase { address, why }
        } else {
            Self::Unreachable { address, why }
        }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        let why = said(&error);
        let stopped = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
        match error.code() {
            None if error.as_db_error().is_none() => Self::Broken { why },
            Some(code) if stopped.contains(code) => Self::Broken { why },
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::Denied { why },
            Some(code) if *code == SqlState::QUERY_CANCELED => Self::Slow,
            Some(_) | None => Self::Failed { why },
        }
    }
}

/// The error and what caused it, in a line. Values are not in it: only the server's message is told.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}

impl From<PostgresError> for CatalogError {
    fn from(error: PostgresError) -> Self {
        Self::Postgres(error)
    }
}

/// The catalog of one node in a database.
pub(super) struct Postgres {
    pool: Pool,
    node: String,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Postgres {
    /// For a server that writes as `node`. Asks nobody yet.
    pub(super) fn writer(address: Address, node: String) -> Self {
        Self { pool: Pool::new(address, schema::migrate), node }
    }

    /// For who only reads. Asks nobody yet.
    pub(super) fn reader(address: Address, node: String) -> Self {
        Self { pool: Pool::new(address, schema::check_to_read), node }
    }

    fn run<T>(&self, mut work: impl AsyncFnMut(&mut Client) -> Result<T, PostgresError>) -> Result<T, CatalogError> {
        Ok(self.pool.with(|connection: &mut Connection| connection.run(CALL_LIMIT, &mut work))?)
    }
}

impl Engine for Postgres {
    fn put(&self, record: &Record) -> Result<(), CatalogError> {
        self.run(async |client| {
            let transaction = client.transaction().await?;
            rows::insert(&transaction, &self.node, std::slice::from_ref(record)).await?;
            Ok(transaction.commit().await?)
        })
    }

    fn remove(&self, id: RecordingId) -> Result<bool, CatalogError> {
        self.run(async |client| {
            let sql = "DELETE FROM recording WHERE id = $1 AND node = $2 RETURNING key";
            let values: [(&(dyn ToSql + Sync), Type); 2] = [(&id.to_string(), Type::TEXT), (&self.node, Type::TEXT)];
            Ok(!client.query_typed(sql, &values).await?.is_empty())
        })
    }

    fn scrub(&self) -> Result<(), CatalogError> {
        Ok(())
    }

    fn rebuild(&self, records: &mut dyn Iterator<Item = Record>) -> Result<u64, CatalogError> {
        let work = async |client: &mut Client| {
            let transaction = client.transaction().await?;
            transaction.batch_execute("SET LOCAL statement_timeout TO 0").await?;
            let delete = "DELETE FROM recording WHERE node = $1";
            transaction.query_typed(delete, &[(&self.node, Type::TEXT)]).await?;
            let mut count = 0;
            loop {
                let batch: Vec<Record> = (&mut *records).take(BATCH).collect();
                if batch.is_empty() {
                    break;
                }
                rows::insert(&transaction, &self.node, &batch).await?;
                count += batch.len() as u64;
            }
            let known = "INSERT INTO node VALUES ($1) ON CONFLICT (id) DO UPDATE SET made_at = now()";
            transaction.query_typed(known, &[(&self.node, Type::TEXT)]).await?;
            transaction.commit().await?;
            clean_up(client).await;
            Ok(count)
        };
        Ok(self.pool.with_fresh(|connection| connection.run(REBUILD_LIMIT, work))?)
    }

    fn page(&self, filter: &Filter, after: Option<i64>, want: usize) -> Result<Page, CatalogError> {
        self.run(async |client| page(client, filter, after, want).await)
    }

    fn count(&self) -> Result<u64, CatalogError> {
        self.run(async |client| {
            let row = client.query_typed_one("SELECT count(*) FROM recording", &[]).await?;
            Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
        })
    }

    fn is_new(&self) -> Result<bool, CatalogError> {
        self.run(async |client| {
            let sql = "SELECT NOT EXISTS (SELECT 1 FROM node WHERE id = $1)";
            Ok(client.query_typed_one(sql, &[(&self.node, Type::TEXT)]).await?.try_get(0)?)
        })
    }

    fn faults_of(&self, session: SessionId) -> Result<(u64, u64), CatalogError> {
        self.run(async |client| {
            let sql = "SELECT count(*), coalesce(sum(faults), 0)::bigint FROM recording WHERE session_id = $1";
            let row = client.query_typed_one(sql, &[(&session.to_string(), Type::TEXT)]).await?;
            Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get::<_, i64>(1)?.cast_unsigned()))
        })
    }
}

/// After all rows are new: those before are dead, and searches are to be planned by what there is now. Where it cannot be done
/// now the server does it by itself, later.
async fn clean_up(client: &Client) {
    let begin = "SET statement_timeout TO 0".to_owned();
    let tables = ["recording", "search", "participant", "correlation", "sip_session_id", "stream"];
    let vacuum = tables.iter().map(|table| format!("VACUUM (ANALYZE) {table}"));
    for statement in [begin].into_iter().chain(vacuum) {
        if let Err(error) = client.batch_execute(&statement).await {
            tracing::debug!(error = said(&error), statement, "not cleaned up");
        }
    }
}

/// A page of rows, as `filter` asks for. The index of terms gives rows in no order, and what matches a few thousand times in a
/// million would be fetched whole and sorted for the latest fifty: so it is asked for a window of time after the other, from
/// the latest on, each so long that it should be enough.
async fn page(client: &Client, filter: &Filter, after: Option<i64>, want: usize) -> Result<Page, PostgresError> {
    let keys = conditions::keys(filter, after);
    let clauses = if Conditions::of(filter, &DIALECT).is_narrow { Vec::new() } else { terms::asked(filter) };
    let mut page = Page::default();
    let Some(mut windows) = Windows::of(client, &clauses, &keys, want).await? else {
        read(client, filter, (None, &keys), want, &mut page).await?;
        return Ok(page);
    };
    while let Some(window) = windows.next_one() {
        let left = want - page.rows.len();
        read(client, filter, (Some(&windows.query), &window), left, &mut page).await?;
        if page.rows.len() >= want {
            break;
        }
    }
    Ok(page)
}

/// Reads the latest `want` rows of these keys, which the index of terms finds by `query`.
async fn read(
    client: &Client,
    filter: &Filter,
    (query, keys): (Option<&String>, &Range<i64>),
    want: usize,
    page: &mut Page,
) -> Result<(), PostgresError> {
    let mut conditions = Conditions::of(filter, &DIALECT);
    if let Some(node) = &filter.node {
        let node = conditions.bind(node.clone());
        conditions.and(format!("node = {node}"));
    }
    if let Some(query) = query {
        let query = conditions.bind(query.clone());
        let (from, to) = (conditions.bind(keys.start), conditions.bind(keys.end));
        conditions.and((DIALECT.key_is_of)(&format!(
            "SELECT recording FROM search WHERE terms @@ {query}::text::tsquery AND recording >= {from} AND recording < {to}"
        )));
    }
    conditions.within("key", keys);
    let limit = conditions.bind(i64::try_from(want).unwrap_or(i64::MAX));
    let (columns, condition) = (rows::COLUMNS, conditions.sql());
    let sql = format!("SELECT {columns} FROM recording WHERE {condition} ORDER BY key DESC LIMIT {limit}");
    for row in ask(client, &sql, &conditions.values).await? {
        let (key, row) = rows::read(&row)?;
        page.last = Some(key);
        page.rows.push(row);
    }
    Ok(())
}

async fn ask(client: &Client, sql: &str, values: &[Value]) -> Result<Vec<tokio_postgres::Row>, PostgresError> {
    let values: Vec<(&(dyn ToSql + Sync), Type)> = values
        .iter()
        .map(|value| match value {
            Value::Text(text) => (text as _, Type::TEXT),
            Value::Integer(number) => (number as _, Type::INT8),
            Value::List(list) => (list as _, Type::TEXT_ARRAY),
        })
        .collect();
    Ok(client.query_typed(sql, &values).await?)
}
