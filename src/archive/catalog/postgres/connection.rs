//! One connection, for one thread at a time: what the client library does asynchronously is waited for here, never longer
//! than it may take.

use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::Client;

use super::{Address, PostgresError};

/// A connection with its handshakes.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// A search or a row; the server is told to give up a little earlier.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(30);

/// What each connection is told first. Tables stand in a schema of their own. Without scans of whole tables, a plan that
/// was made while the tables were small, or that statistics mislead, is at worst a detour. Nothing here is worth several processes.
const SETTINGS: &str = "SET search_path TO siprec; SET enable_seqscan TO off; SET max_parallel_workers_per_gather TO 0; \
    SET statement_timeout TO 25000; SET lock_timeout TO 10000; \
    SET client_min_messages TO warning; SET synchronous_commit TO on";

/// An open connection.
pub(super) struct Connection {
    /// Always there, until this is dropped.
    runtime: Option<Runtime>,
    client: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn open(address: &Address) -> Result<Self, PostgresError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| PostgresError::Unreachable { address: address.to_string(), why: error.to_string() })?;
        let tls = address.tls()?;
        let client = runtime.block_on(async {
            let opened = async {
                let (client, connection) = address.config.connect(tls).await?;
                // It ends with the client; what breaks it is told to whoever asks next.
                tokio::spawn(connection);
                client.batch_execute(SETTINGS).await?;
                Ok(client)
            };
            match tokio::time::timeout(CONNECT_LIMIT, opened).await {
                Ok(Ok(client)) => Ok(client),
                Ok(Err(error)) => Err(PostgresError::of_connecting(address, &error)),
                Err(_) => Err(PostgresError::silent(address)),
            }
        })?;
        Ok(Self { runtime: Some(runtime), client })
    }

    /// Does `work`, which may take `limit`.
    pub(super) fn run<T>(
        &mut self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let Self { runtime: Some(runtime), client } = self else { return Err(PostgresError::Busy) };
        runtime.block_on(async {
            let work = pin!(work(client));
            tokio::time::timeout(limit, work).await.unwrap_or(Err(PostgresError::Slow))
        })
    }

    /// Whether it can be used again.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may be dropped where nobody may wait, inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
