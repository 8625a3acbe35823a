//! Which recordings are meant: the filters of a query, or of a JSON body.

use axum::http::StatusCode;
use serde::Deserialize;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;
use utoipa::IntoParams;

use super::asked::{self, with_values};
use super::problem::Problem;
use crate::archive::catalog::Filter;
use crate::archive::selection::{Bound, in_order, moment};
use crate::config::Span;

/// Recordings of a page at most.
pub(super) const MAX_PAGE: u16 = 1_000;

/// Which recordings; what is not given lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Started then or later: `2026-11-23T09:30:00Z`, `2026-11-23`, `yesterday` (days are UTC), or how long ago: `2h`, `7d`. Also
    /// `start_date`.
    #[serde(alias = "start_date")]
    since: Option<String>,
    /// Started before then; a day is included as a whole. Also `end_date`.
    #[serde(alias = "end_date")]
    until: Option<String>,
    /// Part of the caller's address, name or number, however it is written.
    #[param(pattern = "[^ ]")]
    caller: Option<String>,
    /// The same of who was called.
    #[param(pattern = "[^ ]")]
    callee: Option<String>,
    /// The same of anybody who took part.
    #[param(pattern = "[^ ]")]
    participant: Option<String>,
    /// The last digits of the number of anybody who took part: two at least.
    #[param(pattern = "^[-+. ()/]*([0-9][-+. ()/]*){2,}$")]
    number_ends: Option<String>,
    /// Words in names, addresses, ids and labels, in any order and case; `mül*` stands for all that begins so.
    text: Option<String>,
    /// An id of the call as any vendor writes it: all recordings that have it.
    #[param(pattern = "[^ ]")]
    call: Option<String>,
    /// With a stream of this label.
    #[param(pattern = "[^ ]")]
    label: Option<String>,
    /// By an SRC of this vendor, or with this in its product's name.
    #[param(pattern = "[^ ]")]
    vendor: Option<String>,
    /// How it ended: `complete` or `interrupted`.
    #[param(inline)]
    state: Option<State>,
    /// At least so long: `10s`, `5m`, `1h`.
    min_duration: Option<String>,
    /// At most so long.
    max_duration: Option<String>,
    /// With at least so much of its packets lost on the way, percent.
    min_loss: Option<String>,
    /// Whose proof sheet shows a fault.
    #[param(default = false)]
    faulty: bool,
    /// With this tag.
    tag: Option<String>,
    /// Under a legal hold.
    #[param(default = false)]
    held: bool,
    /// So many at most, the latest.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<u16>,
    /// Where the page begins: `next` of the one before.
    #[param(pattern = "^[0-9a-f]{16}$")]
    after: Option<String>,
}

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// All of it is there.
    Complete,
    /// It was cut short.
    Interrupted,
}

/// The filters of a JSON body.
pub(super) fn read_search(body: &[u8]) -> Result<Search, Problem> {
    asked::read(body)
}

impl Search {
    /// This, and what it leaves open as `other` has it.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            since: self.since.or(other.since),
            until: self.until.or(other.until),
            caller: self.caller.or(other.caller),
            callee: self.callee.or(other.callee),
            participant: self.participant.or(other.participant),
            number_ends: self.number_ends.or(other.number_ends),
            text: self.text.or(other.text),
            call: self.call.or(other.call),
            label: self.label.or(other.label),
            vendor: self.vendor.or(other.vendor),
            state: self.state.or(other.state),
            min_duration: self.min_duration.or(other.min_duration),
            max_duration: self.max_duration.or(other.max_duration),
            min_loss: self.min_loss.or(other.min_loss),
            faulty: self.faulty || other.faulty,
            tag: self.tag.or(other.tag),
            held: self.held || other.held,
            limit: self.limit.or(other.limit),
            after: self.after.or(other.after),
        }
    }

    /// The place after which the page begins.
    pub(super) fn after(&self) -> Result<Option<i64>, Problem> {
        let wrong = || Problem::bad_request("after: give `next` of the page before");
        let place = |text: &String| match text.len() {
            16 => u64::from_str_radix(text, 16).map(u64::cast_signed).map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        self.after.as_ref().map(place).transpose()
    }

    /// As the catalog is asked.
    pub(super) fn filter(self, now: Wall) -> Result<Filter, Problem> {
        if self.limit.is_some_and(|limit| limit == 0 || limit > MAX_PAGE) {
            return Err(Problem::bad_request(format!("limit: from 1 to {MAX_PAGE}")));
        }
        with_values(&[
            ("caller", &self.caller),
            ("callee", &self.callee),
            ("participant", &self.participant),
            ("call", &self.call),
            ("label", &self.label),
            ("vendor", &self.vendor),
        ])?;
        let length = |name: &str, text: Option<String>| {
            text.map(|text| parsed::<Span>(name, &text).map(|Span(length)| length)).transpose()
        };
        let time = |name: &str, text: Option<String>, bound| {
            let read = |text: String| moment(&text, bound, now).map_err(|error| wrong(name, &error));
            text.map(read).transpose()
        };
        let state = |state| match state {
            State::Complete => "complete",
            State::Interrupted => "interrupted",
        };
        let (since, until) = (time("since", self.since, Bound::Since)?, time("until", self.until, Bound::Until)?);
        in_order(since, until).map_err(Problem::bad_request)?;
        Ok(Filter {
            since,
            until,
            caller: self.caller,
            callee: self.callee,
            participant: self.participant,
            number_ends: self.number_ends.map(|text| parsed("number_ends", &text)).transpose()?,
            text: self.text.map(|text| parsed("text", &text)).transpose()?,
            call: self.call,
            label: self.label,
            vendor: self.vendor,
            state: self.state.map(state),
            min_duration: length("min_duration", self.min_duration)?,
            max_duration: length("max_duration", self.max_duration)?,
            min_loss: self.min_loss.map(|text| parsed("min_loss", &text)).transpose()?,
            faulty: self.faulty,
            tag: self.tag.map(|text| parsed("tag", &text)).transpose()?,
            held: self.held,
            wav: false,
            any_tag: None,
            node: None,
            ids: Vec::<RecordingId>::new(),
            limit: None,
        })
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| wrong(name, &error))
}

fn wrong(name: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_795_403_601_042_000_000);

    #[test]
    fn the_guides_body_is_a_search() {
        let body = br#"{"start_date": "2024-01-01", "end_date": "2024-01-31", "caller": "+1234567890", "limit": 100}"#;
        let filter = read_search(body).unwrap().filter(NOW).unwrap();
        assert_eq!(filter.since.unwrap().rfc3339(), "2024-01-01T00:00:00.000Z");
        assert_eq!(filter.until.unwrap().rfc3339(), "2024-02-01T00:00:00.000Z");
        assert_eq!(filter.caller.as_deref(), Some("+1234567890"));
    }

    #[test]
    fn what_stands_in_the_query_counts_before_the_body() {
        let query = Search { caller: Some("a".into()), ..Search::default() };
        let body = Search { caller: Some("b".into()), callee: Some("c".into()), ..Search::default() };
        let both = query.or(body);
        assert_eq!((both.caller.as_deref(), both.callee.as_deref()), (Some("a"), Some("c")));
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        for (search, said) in [
            (Search { since: Some("whenever".into()), ..Search::default() }, "since: "),
            (Search { since: Some("1h".into()), until: Some("2h".into()), ..Search::default() }, "is later than until"),
            (Search { min_duration: Some("long".into()), ..Search::default() }, "min_duration: "),
            (Search { tag: Some("two words".into()), ..Search::default() }, "tag: "),
            (Search { caller: Some(" ".into()), ..Search::default() }, "caller: "),
            (Search { limit: Some(1001), ..Search::default() }, "limit: "),
        ] {
            let problem = search.filter(NOW).unwrap_err();
            assert_eq!(problem.status(), 400);
            assert!(format!("{problem:?}").contains(said), "{problem:?}");
        }
        assert!(Search { after: Some("zz".into()), ..Search::default() }.after().is_err());
        assert!(read_search(br#"{"colour": "red"}"#).is_err());
        assert!(read_search(br#"["2024-01-01"]"#).is_err(), "by their order");
    }
}
