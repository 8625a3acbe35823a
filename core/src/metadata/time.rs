//! Times as SRCs write them. RFC 7865 6.9 asks for RFC 3339 with a zone; few keep to it. They are read for display
//! and for lint, never to order anything.

use crate::deviation::{Code, codes};
use crate::time::Wall;

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFlaw {
    /// No zone; taken as UTC.
    NoZone,
    /// A zone without colon: `+0000`.
    ZoneForm,
    /// A small `t` or `z`, or a blank for the `T`.
    Letters,
}

impl TimeFlaw {
    /// The deviation's code and words.
    pub(super) fn words(self) -> (&'static Code, &'static str) {
        match self {
            Self::NoZone => (&codes::TIME_WITHOUT_ZONE, "a time has no zone"),
            Self::ZoneForm => (&codes::TIME_ZONE_FORM, "a time's zone is not written as +hh:mm"),
            Self::Letters => (&codes::TIME_LETTERS, "a time is written without capital T and Z"),
        }
    }
}

/// Reads RFC 3339 and its common misspellings; any number of digits of the second's fraction.
pub fn parse_time(text: &str) -> Option<(Wall, Option<TimeFlaw>)> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, c)| bytes.get(*at) != Some(c)) {
        return None;
    }
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    let (hour, minute, second) = (number(text, 11, 13)?, number(text, 14, 16)?, number(text, 17, 19)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range {
        return None;
    }
    let mut flaw = match bytes.get(10)? {
        b'T' => None,
        b't' | b' ' => Some(TimeFlaw::Letters),
        _ => return None,
    };
    let (nanos, rest) = fraction(text.get(19..)?)?;
    let (offset, zone_flaw) = zone(rest)?;
    flaw = zone_flaw.or(flaw);
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some((Wall(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?), flaw))
}

/// Whether a text stands where a time is not known: `null`, `0`, or the first moment of some calendar.
pub(super) fn is_placeholder(text: &str) -> bool {
    const NOTHING: [&str; 8] = ["null", "nil", "none", "n/a", "unknown", "undefined", "-", "0"];
    const FIRST: [&str; 3] = ["0000-", "0001-01-01", "1970-01-01T00:00:00"];
    let text = text.trim();
    NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word)) || FIRST.iter().any(|first| text.starts_with(first))
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let digits = text.get(from..to)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `.2930000Z` -> nanoseconds and `Z`.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let end = digits.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let nanos = digits.bytes().take(end.min(9)).chain(core::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0i64, |n, digit| n * 10 + i64::from(digit - b'0'));
    (end > 0).then_some(())?;
    Some((nanos, digits.get(end..)?))
}

/// Seconds east of UTC.
fn zone(text: &str) -> Option<(i64, Option<TimeFlaw>)> {
    let sign = match text.as_bytes().first() {
        None => return Some((0, Some(TimeFlaw::NoZone))),
        Some(b'Z') if text.len() == 1 => return Some((0, None)),
        Some(b'z') if text.len() == 1 => return Some((0, Some(TimeFlaw::Letters))),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let (minutes, flaw) = match text.len() {
        6 if text.as_bytes().get(3) == Some(&b':') => (number(text, 4, 6)?, None),
        5 => (number(text, 3, 5)?, Some(TimeFlaw::ZoneForm)),
        3 => (0, Some(TimeFlaw::ZoneForm)),
        _ => return None,
    };
    let hours = number(text, 1, 3)?;
    (hours < 24 && minutes < 60).then_some((sign * (hours * 3600 + minutes * 60), flaw))
}

/// Days from 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn times_of_vendors_are_read() {
        for (text, expected, flaw) in [
            ("2010-12-16T23:41:07Z", "2010-12-16T23:41:07.000Z", None),
            ("2019-05-13T15:32:45.293Z", "2019-05-13T15:32:45.293Z", None),
            ("2019-01-13T14:48:35-05:00", "2019-01-13T19:48:35.000Z", None),
            ("2019-11-12T15:57:37", "2019-11-12T15:57:37.000Z", Some(TimeFlaw::NoZone)),
            ("2024-06-20T15:04:17+0000", "2024-06-20T15:04:17.000Z", Some(TimeFlaw::ZoneForm)),
            ("2024-02-29T00:30:00.1234567+01:00", "2024-02-28T23:30:00.123Z", None),
            ("2024-06-20t15:04:17z", "2024-06-20T15:04:17.000Z", Some(TimeFlaw::Letters)),
        ] {
            let (wall, found) = parse_time(text).unwrap();
            assert_eq!((wall.to_string().as_str(), found), (expected, flaw), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2024-06-20T15:04",
            "2024-06-20T15:04:17+1",
            "2024-06-20T15:04:17.Z",
            "2024-06-20T24:00:00Z",
            "2024-06-20T15:60:00Z",
            "2024-06-20T15:04:61Z",
            "2024-06-32T15:04:17Z",
            "2024-00-20T15:04:17Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[0-9:TtZz+. ü-]{0,40}") {
            let _ = parse_time(&text);
        }
    }
}
