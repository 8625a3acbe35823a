//! Journals on the disk: live sessions' segments, written as they happen.
//!
//! ```text
//! signalling, media workers -> Blocks -> queue (bounded, two lanes) -> "journal" thread -> live/<session>/000001.pcapng
//!                                                                           |  marks
//!                                                                     "journal-sync" thread: durable, at most a second behind
//! ```
//!
//! A producer never waits for the disk: when the queue is half full new sessions are refused
//! ([`Writer::is_under_pressure`]), when it is full packets are dropped, counted, and the count is written down as
//! soon as there is room. After a crash [`Live::tidy`] cuts torn ends and marks the rest; what is
//! written next begins a new segment.

mod live;
mod open;
mod queue;
mod sync;
mod thread;
mod writer;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

pub use live::{Found, Live};
pub use writer::{Figures, OnWritten, Stall, Writer};

use std::path::{Path, PathBuf};

use siprec_core::seed::SessionId;

/// Where live journals lie, from the data directory on.
pub const LIVE: &str = "journals/live";

fn live_folder(data: &Path) -> PathBuf {
    data.join(LIVE)
}

fn session_folder(data: &Path, session: SessionId) -> PathBuf {
    live_folder(data).join(session.to_string())
}

fn segment_name(segment: u32) -> String {
    format!("{segment:06}.pcapng")
}

fn segment_number(name: &str) -> Option<u32> {
    name.strip_suffix(".pcapng")?.parse().ok()
}
