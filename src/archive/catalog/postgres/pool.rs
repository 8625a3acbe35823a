//! A few connections that threads share. One that broke is opened again; while nobody answers, nobody waits: between
//! two tries, all are told at once what the last one found.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::{Address, PostgresError};

/// Connections at one time: more than there are threads that finish recordings, on most machines.
const MAX_OPEN: usize = 4;

/// How long a thread waits for another's connection.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The first rest after a failed try, doubled each time.
const FIRST_REST: Duration = Duration::from_secs(1);

/// Up to this.
const LAST_REST: Duration = Duration::from_secs(30);

/// Makes sure, on the first connection, that the tables are there and as they should be.
type Prepare = fn(&mut Connection, &Address) -> Result<(), PostgresError>;

#[derive(Debug)]
pub(super) struct Pool {
    address: Address,
    prepare: Prepare,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    /// Idle, lent or being opened.
    open: usize,
    is_prepared: bool,
    rest: Option<Rest>,
}

/// What the last try found, and when the next is due.
#[derive(Debug, Clone)]
struct Rest {
    until: Instant,
    length: Duration,
    why: PostgresError,
}

impl Pool {
    pub(super) fn new(address: Address, prepare: Prepare) -> Self {
        Self { address, prepare, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Does `work` on a connection. Work that may be done twice is done again, once, where a connection turns out to have
    /// broken while nobody used it.
    pub(super) fn with<T>(
        &self,
        mut work: impl FnMut(&mut Connection) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        loop {
            let (mut connection, was_idle) = self.take()?;
            let result = work(&mut connection);
            let is_broken = connection.is_closed() || matches!(result, Err(PostgresError::Slow));
            self.give_back((!is_broken).then_some(connection));
            if !(is_broken && was_idle && matches!(result, Err(PostgresError::Broken { .. }))) {
                return result;
            }
        }
    }

    /// Does `work`, which can be done only once, on a connection that was opened for it.
    pub(super) fn with_fresh<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let mut connection = self.open()?;
        work(&mut connection)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, and whether it was idle.
    fn take(&self) -> Result<(Connection, bool), PostgresError> {
        let mut state = self.lock();
        let deadline = Instant::now() + MAX_WAIT;
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok((connection, true));
            }
            if state.open < MAX_OPEN {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(PostgresError::Busy);
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.open += 1;
        drop(state);
        match self.open() {
            Ok(connection) => Ok((connection, false)),
            Err(why) => {
                self.give_back(None);
                Err(why)
            }
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut state = self.lock();
        match connection {
            Some(connection) => state.idle.push(connection),
            // Those that wait here broke with it: the server was started again.
            None => {
                state.open -= 1 + state.idle.len();
                state.idle.clear();
            }
        }
        drop(state);
        self.freed.notify_one();
    }

    /// Opens a connection, unless the last try failed just now.
    fn open(&self) -> Result<Connection, PostgresError> {
        if let Some(rest) = self.lock().rest.as_ref().filter(|rest| rest.until > Instant::now()) {
            return Err(rest.why.clone());
        }
        let opened = Connection::open(&self.address).and_then(|mut connection| {
            if !self.lock().is_prepared {
                (self.prepare)(&mut connection, &self.address)?;
            }
            Ok(connection)
        });
        let mut state = self.lock();
        match &opened {
            Ok(_) => {
                state.is_prepared = true;
                state.rest = None;
            }
            Err(why) => {
                let length = state.rest.as_ref().map_or(FIRST_REST, |rest| (rest.length * 2).min(LAST_REST));
                state.rest = Some(Rest { until: Instant::now() + length, length, why: why.clone() });
            }
        }
        opened
    }
}
