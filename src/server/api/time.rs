//! Times in JSON: RFC 3339 in UTC, with milliseconds.

use serde::Serializer;
use siprec_core::time::Wall;

pub(super) fn one<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.rfc3339())
}

pub(super) fn optional<S: Serializer>(at: &Option<Wall>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => one(at, serializer),
        None => serializer.serialize_none(),
    }
}
