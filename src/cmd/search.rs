//! Which recordings a command is about.

use clap::error::ErrorKind;
use siprec_core::seed::{NotAnId, RecordingId};
use siprec_core::time::Wall;

use crate::archive::catalog::{Filter, LastDigits, PerTenThousand, Words};
use crate::archive::notes::Tag;
use crate::archive::selection::{self, Bound, moment};
use crate::config::{Span, nearest};
use crate::wall;

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
    /// Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so
    #[arg(long, value_name = "WORDS")]
    text: Option<Words>,
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
    /// With this tag (`siprec archive tag`)
    #[arg(long, value_name = "TAG")]
    tag: Option<Tag>,
    /// Under a legal hold (`siprec archive hold`)
    #[arg(long)]
    held: bool,
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
    ///
    /// # Errors
    /// The command line's: its range is none.
    pub(super) fn filter(self) -> anyhow::Result<Filter> {
        in_order(self.since, self.until)?;
        let state = |state| match state {
            State::Complete => "complete",
            State::Interrupted => "interrupted",
        };
        Ok(Filter {
            since: self.since,
            until: self.until,
            caller: self.caller,
            callee: self.callee,
            participant: self.participant,
            number_ends: self.number_ends,
            text: self.text,
            call: self.call,
            label: self.label,
            vendor: self.vendor,
            state: self.state.map(state),
            min_duration: self.min_duration.map(|Span(length)| length),
            max_duration: self.max_duration.map(|Span(length)| length),
            min_loss: self.min_loss,
            faulty: self.faulty,
            tag: self.tag,
            any_tag: None,
            held: self.held,
            wav: false,
            node: None,
            ids: self.ids,
            limit: self.limit,
        })
    }
}

/// Refuses a range that can hold nothing, as the command line's fault.
pub(super) fn in_order(since: Option<Wall>, until: Option<Wall>) -> anyhow::Result<()> {
    let judged = selection::in_order(since, until);
    Ok(judged.map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")))?)
}

pub(super) fn id(text: &str) -> Result<RecordingId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

pub(super) fn since(text: &str) -> Result<Wall, String> {
    time(text, Bound::Since)
}

pub(super) fn until(text: &str) -> Result<Wall, String> {
    time(text, Bound::Until)
}

fn time(text: &str, bound: Bound) -> Result<Wall, String> {
    let now = wall::now();
    moment(text, bound, now).map_err(|error| match meant(text, bound, now) {
        Some(meant) => format!("{error}: did you mean `{meant}`?"),
        None => format!("{error}{}", nearest::did_you_mean(text, ["today", "yesterday", "now"].into_iter())),
    })
}

/// A time in words or signs that others write, as it is written here.
fn meant(text: &str, bound: Bound, now: Wall) -> Option<String> {
    const UNITS: [(&str, &str); 14] = [
        ("seconds", "s"),
        ("second", "s"),
        ("secs", "s"),
        ("sec", "s"),
        ("minutes", "m"),
        ("minute", "m"),
        ("mins", "m"),
        ("min", "m"),
        ("hours", "h"),
        ("hour", "h"),
        ("days", "d"),
        ("day", "d"),
        ("weeks", "w"),
        ("week", "w"),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.strip_suffix("ago").unwrap_or(&lower).trim_start_matches('-');
    let units = UNITS.iter().fold(bare.to_owned(), |text, (word, unit)| text.replace(word, unit));
    let length: String = units.chars().filter(|c| !c.is_whitespace()).collect();
    let day = lower.replace(['/', '.'], "-");
    [lower.clone(), length, day].into_iter().find(|other| other != text && moment(other, bound, now).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_said() {
        for (typed, meant) in [
            ("yesterdy", Some("yesterday")),
            ("Yesterday", Some("yesterday")),
            ("toady", Some("today")),
            ("7 days", Some("7d")),
            ("90min", Some("90m")),
            ("90 minutes ago", Some("90m")),
            ("-2h", Some("2h")),
            ("1 week 2 days", Some("1w2d")),
            ("7D", Some("7d")),
            ("2026/11/23", Some("2026-11-23")),
            ("2026.11.23", Some("2026-11-23")),
            ("2026-02-30", None),
            ("whenever", None),
        ] {
            for bound in [Bound::Since, Bound::Until] {
                let said = time(typed, bound).unwrap_err();
                assert!(said.starts_with(&format!("\"{typed}\" is no time: say 2026-11-23T09:30:00Z")), "{said}");
                assert_eq!(said.split('`').nth(1), meant, "{said}");
            }
        }
        assert!(time("7d", Bound::Since).is_ok() && time("yesterday", Bound::Until).is_ok());
    }
}
