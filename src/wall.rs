//! The machine's wall clock, for what goes by the calendar and decides nothing of a call.

use std::time::SystemTime;

use siprec_core::time::Wall;

/// Now.
pub(crate) fn now() -> Wall {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    now().0 / 1_000_000
}
