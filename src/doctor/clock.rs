//! The clock: whether it is held in step (NTP, PTP), and whether it is the one that recordings go by.

use std::time::Duration;

use nix::libc;

use super::check::Check;
use crate::config::Config;

const AREA: &str = "clock";
/// More than this the kernel cannot vouch for in microseconds: a clock that is held in step over the internet knows better.
const VAGUE_US: i64 = 1_000_000;

pub(super) fn examine(config: &Config, offset: Option<i64>) -> Vec<Check> {
    vec![in_step(state()), of_recordings(offset, config.alarms.clock_off.map(|limit| limit.0))]
}

/// What the kernel says of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    synchronised: bool,
    /// By how much it may be wrong at most, in microseconds.
    max_error_us: i64,
}

/// None where the kernel does not tell.
fn state() -> Option<State> {
    // SAFETY: all fields are integers, for which zeroes are valid; no field asks for a change (`modes` is 0), so the kernel only
    // fills the struct, which lives until the call returns.
    let (said, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    let synchronised = said != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    (said >= 0).then_some(State { synchronised, max_error_us: timex.maxerror })
}

fn in_step(state: Option<State>) -> Check {
    const SUBJECT: &str = "NTP or PTP";
    const REMEDY: &str =
        "run chrony or systemd-timesyncd (timedatectl set-ntp true): times in proof sheets and tokens go by this clock";
    match state {
        None => Check::warning(
            AREA,
            SUBJECT,
            "cannot tell: the kernel does not say",
            "look at `timedatectl` or `chronyc tracking`",
        ),
        Some(State { synchronised: false, .. }) => {
            Check::warning(AREA, SUBJECT, "nobody holds the machine's clock in step", REMEDY)
        }
        Some(State { max_error_us, .. }) if max_error_us > VAGUE_US => {
            let ms = max_error_us / 1000;
            Check::warning(
                AREA,
                SUBJECT,
                format!("in step, but it may be {ms} ms wrong"),
                "look at `chronyc sources`: its servers may be out of reach",
            )
        }
        Some(State { max_error_us, .. }) => {
            Check::ok(AREA, SUBJECT, format!("in step, wrong by {} ms at most", max_error_us.max(0) / 1000))
        }
    }
}

/// `offset`: by how many nanoseconds the machine's clock is ahead; `limit`: of the alarm `clock_off`.
fn of_recordings(offset: Option<i64>, limit: Option<Duration>) -> Check {
    const SUBJECT: &str = "clock of recordings";
    let Some(offset) = offset else {
        return Check::ok(AREA, SUBJECT, "begins with the first start after the machine's");
    };
    let (by, direction) = (offset.unsigned_abs() / 1_000_000, if offset < 0 { "behind" } else { "ahead of" });
    let seen = format!("the machine's is {by} ms {direction} it");
    let is_off = limit.is_some_and(|limit| u128::from(offset.unsigned_abs()) > limit.as_nanos());
    if is_off {
        let remedy = "the machine's clock was stepped: set it back, or restart the machine when calls allow";
        return Check::failed(AREA, SUBJECT, seen, remedy);
    }
    Check::ok(AREA, SUBJECT, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    #[test]
    fn a_clock_that_runs_free_or_is_vague_warns() {
        let of = |synchronised, max_error_us| in_step(Some(State { synchronised, max_error_us })).verdict;
        assert_eq!((of(true, 20_000), of(true, 2_000_000), of(false, 0)), (Fine, Warning, Warning));
        assert!(in_step(None).seen.starts_with("cannot tell"));
        assert!(state().is_none_or(|state| state.max_error_us >= 0));
    }

    #[test]
    fn a_clock_that_was_stepped_fails_beyond_the_alarms_limit() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(of_recordings(None, second).verdict, Fine);
        assert_eq!(of_recordings(Some(-900_000_000), second).verdict, Fine);
        let off = of_recordings(Some(-3_600_000_000_000), second);
        assert!(off.verdict == Failed && off.seen == "the machine's is 3600000 ms behind it", "{off:?}");
        assert_eq!(of_recordings(Some(i64::MIN), None).verdict, Fine);
    }
}
