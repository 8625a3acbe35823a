//! Journals on the disk: live sessions' segments, written as they happen.
//!
//! ```text
//! signalling, media workers -> Blocks -> queue (bounded, two lanes) -> "journal" thread -> log/00000001.log   each round
//!                                                                           |              live/<session>/000001.pcapng
//!                                                                           |                  16 KiB at a time
//!                                                                     "journal-sync" thread: the log durable, at most a
//!                                                                           second behind; journals in turns
//! ```
//!
//! A server has a log in front of its journals: one file takes a round of every session with one write, and one sync a
//! second makes it durable, where thousands of files would take as many of each. Journals follow in larger pieces, an
//! eighth of them is made durable each second, and a log goes when all journals have what it holds. A replay, which
//! nobody waits for and which can be done again, writes its journals straight.
//!
//! A producer never waits for the disk: when the queue is half full new sessions are refused
//! ([`Writer::is_under_pressure`]), when it is full packets are dropped, counted, and the count is written down as
//! soon as there is room. After a crash [`catch_up`] puts into the journals what only the log has, and [`Live::tidy`]
//! cuts torn ends and marks the rest; what is written next begins a new segment.

mod catch_up;
mod inspect;
mod live;
mod log;
mod open;
mod queue;
mod sync;
mod thread;
mod writer;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod tests;

pub use catch_up::{CaughtUp, catch_up, is_logged};
pub use inspect::{Inspected, PutAway, inspect};
pub use live::{Found, Live};
pub use writer::{Figures, OnWritten, Stall, Writer};

use std::path::{Path, PathBuf};

use siprec_core::seed::SessionId;

use super::sealed::{self, SUFFIX};

/// Where live journals lie, from the data directory on.
pub const LIVE: &str = "journals/live";

/// Where journals lie that were put away, by day.
pub(super) const FOLDER: &str = "journals";

/// Where the journal of a session lies in the end, from the data directory on.
pub fn put_away_path(session: SessionId) -> String {
    let (year, month, day) = session.made_at().date();
    format!("{FOLDER}/{year:04}/{month:02}/{day:02}/{session}")
}

fn live_folder(data: &Path) -> PathBuf {
    data.join(LIVE)
}

fn session_folder(data: &Path, session: SessionId) -> PathBuf {
    live_folder(data).join(session.to_string())
}

fn segment_name(segment: u32, seals: bool) -> String {
    sealed::named(&format!("{segment:06}.pcapng"), seals)
}

fn segment_number(name: &str) -> Option<u32> {
    name.strip_suffix(SUFFIX).unwrap_or(name).strip_suffix(".pcapng")?.parse().ok()
}

/// Whether a file of this name in a journal's folder is a segment of it, sealed or plain.
pub(super) fn is_segment(name: &str) -> bool {
    segment_number(name).is_some()
}
