//! What people type to say when: RFC 3339, a day, `yesterday`, or how long ago. Days are those of UTC, like the
//! folders that recordings lie in.

use siprec_core::time::Wall;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Which end of a range a text stands for: a day given as its beginning means 00:00, as its end the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `--since`.
    Since,
    /// `--until`.
    Until,
}

/// The text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no time: say 2026-11-23T09:30:00Z, 2026-11-23, today, yesterday, or how long ago: 90s, 15m, 2h, 7d, 4w"
)]
pub struct NotATime(String);

/// Nothing can be between the ends of a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("since ({}) is later than until ({}): nothing lies between them", .since.rfc3339(), .until.rfc3339())]
pub struct Backwards {
    since: Wall,
    until: Wall,
}

/// Whether a range can hold anything: who gives its ends in the wrong order finds nothing, and would take it for an answer.
///
/// # Errors
/// It cannot.
pub fn in_order(since: Option<Wall>, until: Option<Wall>) -> Result<(), Backwards> {
    match since.zip(until) {
        Some((since, until)) if since > until => Err(Backwards { since, until }),
        Some(_) | None => Ok(()),
    }
}

/// The moment that `text` means at `now`. All before the moment is before the range's bound, all from it on is after.
pub fn moment(text: &str, bound: Bound, now: Wall) -> Result<Wall, NotATime> {
    let text = text.trim();
    let today = Wall(now.0 - now.0.rem_euclid(DAY));
    let day = match text {
        "now" => return Ok(now),
        "today" => Some(today),
        "yesterday" => Some(Wall(today.0 - DAY)),
        _ => date(text),
    };
    let found = match (day, bound) {
        (Some(day), Bound::Since) => Some(day),
        (Some(day), Bound::Until) => day.0.checked_add(DAY).map(Wall),
        (None, _) => ago(text, now).or_else(|| date_time(text)),
    };
    found.ok_or_else(|| NotATime(text.to_owned()))
}

/// `2h`, `1d12h`: so long before `now`.
fn ago(text: &str, now: Wall) -> Option<Wall> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?.chars().next()?;
        let length = match unit {
            's' => SECOND,
            'm' => 60 * SECOND,
            'h' => 3600 * SECOND,
            'd' => DAY,
            'w' => 7 * DAY,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(length)?)?;
        rest = rest.get(digits + unit.len_utf8()..)?;
    }
    (!text.is_empty()).then(|| now.0.checked_sub(total).map(Wall))?
}

/// `2026-11-23`: its first moment.
fn date(text: &str) -> Option<Wall> {
    let mut fields = text.split('-');
    let (year, month, day) = (number(fields.next()?, 4)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    if fields.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil date: H. Hinnant, "chrono-compatible low-level date algorithms".
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let at = Wall(days.checked_mul(DAY)?);
    // The 31st of a month of 30 days is another day.
    (at.date() == (year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)).then_some(at)
}

/// RFC 3339, with `Z` or an offset; without one it is UTC.
pub fn date_time(text: &str) -> Option<Wall> {
    let day = date(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(end) => (rest.get(..end)?, rest.get(end..)?),
        None => (rest, "Z"),
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = whole.split(':');
    let (hour, minute) = (number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    let second = fields.next().map_or(Some(0), |text| number(text, 2))?;
    // 60: a leap second (RFC 3339 5.7) is the next one's beginning.
    if fields.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = hour * 3600 + minute * 60 + second - offset_seconds(offset)?;
    day.0.checked_add(seconds * SECOND)?.checked_add(nanos(fraction)?).map(Wall)
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn nanos(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    digits.parse().ok()
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T03:13:21.042Z
    const NOW: Wall = Wall(1_795_403_601_042_000_000);

    #[test]
    fn every_form_means_its_moment() {
        for (text, bound, expected) in [
            ("2026-11-23T03:13:21.042Z", Bound::Since, "2026-11-23T03:13:21.042Z"),
            ("2026-11-23t04:13:21.042+01:00", Bound::Since, "2026-11-23T03:13:21.042Z"),
            ("2026-11-22T22:43:21-04:30", Bound::Since, "2026-11-23T03:13:21.000Z"),
            ("2026-11-23 03:13", Bound::Until, "2026-11-23T03:13:00.000Z"),
            ("2016-12-31T23:59:60Z", Bound::Since, "2017-01-01T00:00:00.000Z"),
            ("2026-11-01", Bound::Since, "2026-11-01T00:00:00.000Z"),
            ("2026-11-30", Bound::Until, "2026-12-01T00:00:00.000Z"),
            ("2024-02-29", Bound::Since, "2024-02-29T00:00:00.000Z"),
            ("today", Bound::Since, "2026-11-23T00:00:00.000Z"),
            ("yesterday", Bound::Since, "2026-11-22T00:00:00.000Z"),
            ("yesterday", Bound::Until, "2026-11-23T00:00:00.000Z"),
            ("now", Bound::Until, "2026-11-23T03:13:21.042Z"),
            ("2h", Bound::Since, "2026-11-23T01:13:21.042Z"),
            ("1d12h", Bound::Until, "2026-11-21T15:13:21.042Z"),
            ("7d", Bound::Since, "2026-11-16T03:13:21.042Z"),
            ("7d", Bound::Until, "2026-11-16T03:13:21.042Z"),
            ("90m", Bound::Since, "2026-11-23T01:43:21.042Z"),
            ("90m", Bound::Until, "2026-11-23T01:43:21.042Z"),
            ("today", Bound::Until, "2026-11-24T00:00:00.000Z"),
            ("1969-12-31", Bound::Since, "1969-12-31T00:00:00.000Z"),
        ] {
            assert_eq!(moment(text, bound, NOW).map(Wall::rfc3339).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "h",
            "2",
            "2x",
            "-2h",
            "99999999999999999999d",
            "9999999999w",
            "2026-13-01",
            "2026-02-29",
            "2026-11-31",
            "2026-11-23T",
            "2026-11-23T24:00:00Z",
            "2026-11-23T03:13:21.Z",
            "2026-11-23T03:13:21+0100",
            "26-11-23",
            "9999-99-99",
            "tomorrowish",
            "2026-11-2é",
            "２h",
            "2026-11-23T03:13:21Zz",
        ] {
            assert!(moment(text, Bound::Since, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_has_its_ends_in_their_order() {
        let at = |text, bound| Some(moment(text, bound, NOW).unwrap());
        let (early, late) = (at("2h", Bound::Since), at("1h", Bound::Until));
        assert!(in_order(early, late).is_ok() && in_order(early, early).is_ok() && in_order(late, None).is_ok());
        let day = (at("today", Bound::Since), at("today", Bound::Until));
        assert!(in_order(day.0, day.1).is_ok(), "a day is a range");
        let said = in_order(late, early).unwrap_err().to_string();
        assert_eq!(
            said,
            "since (2026-11-23T02:13:21.042Z) is later than until (2026-11-23T01:13:21.042Z): nothing lies between them"
        );
    }

    #[test]
    fn far_years_do_not_overflow() {
        assert!(moment("9999-12-31", Bound::Until, NOW).is_err());
        assert!(moment("0000-01-01", Bound::Since, NOW).is_err());
    }
}
