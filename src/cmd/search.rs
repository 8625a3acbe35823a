//! Which recordings a command is about.

use std::time::{SystemTime, UNIX_EPOCH};

use siprec_core::seed::{NotAnId, RecordingId};
use siprec_core::time::Wall;

use crate::archive::catalog::{Filter, LastDigits, PerTenThousand};
use crate::archive::selection::{Bound, moment};
use crate::config::Span;

/// All that is given must be true of a recording.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which recordings (all that is given must be true)")]
pub(super) struct Search {
    /// Started then or later: 2026-11-23T09:30:00Z, 2026-11-23, yesterday (days are UTC), or how long ago: 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Wall>,
    /// Started before then; a day is included as a whole
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Wall>,
    /// Part of the caller's address, name or number, however it is written
    #[arg(long, value_name = "TEXT")]
    caller: Option<String>,
    /// The same of who was called
    #[arg(long, value_name = "TEXT")]
    callee: Option<String>,
    /// The same of anybody who took part
    #[arg(long, value_name = "TEXT")]
    participant: Option<String>,
    /// The last digits of the number of anybody who took part
    #[arg(long, value_name = "DIGITS")]
    number_ends: Option<LastDigits>,
    /// An id of the call as any vendor writes it (UCID, Cisco-Guid, Session-ID, group ...): all recordings that have it
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// With a stream of this label
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// By an SRC of this vendor (oracle, cisco ...), or with this in its product's name
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,
    /// How it ended: all of it is there, or it was cut short
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// At least so long: 10s, 5m, 1h
    #[arg(long, value_name = "LENGTH")]
    min_duration: Option<Span>,
    /// At most so long
    #[arg(long, value_name = "LENGTH")]
    max_duration: Option<Span>,
    /// With at least so much of its packets lost on the way: 5, 0.5%
    #[arg(long, value_name = "PERCENT")]
    min_loss: Option<PerTenThousand>,
    /// Whose proof sheet shows a fault
    #[arg(long)]
    faulty: bool,
    /// The recording of this id; repeatable
    #[arg(long = "id", value_name = "ID", value_parser = id)]
    ids: Vec<RecordingId>,
    /// At most so many, the latest
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// What `--state` can be.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum State {
    Complete,
    Interrupted,
}

impl Search {
    /// As the catalog is asked.
    pub(super) fn filter(self) -> Filter {
        let state = |state| match state {
            State::Complete => "complete",
            State::Interrupted => "interrupted",
        };
        Filter {
            since: self.since,
            until: self.until,
            caller: self.caller,
            callee: self.callee,
            participant: self.participant,
            number_ends: self.number_ends,
            call: self.call,
            label: self.label,
            vendor: self.vendor,
            state: self.state.map(state),
            min_duration: self.min_duration.map(|Span(length)| length),
            max_duration: self.max_duration.map(|Span(length)| length),
            min_loss: self.min_loss,
            faulty: self.faulty,
            ids: self.ids,
            limit: self.limit,
        }
    }
}

fn id(text: &str) -> Result<RecordingId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

fn since(text: &str) -> Result<Wall, String> {
    moment(text, Bound::Since, now()).map_err(|error| error.to_string())
}

fn until(text: &str) -> Result<Wall, String> {
    moment(text, Bound::Until, now()).map_err(|error| error.to_string())
}

fn now() -> Wall {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}
