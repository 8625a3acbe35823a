//! What documents say of times, as intervals by our clock.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::snapshot::Interval;
use crate::time::Wall;

/// An `associate-time` and a `disassociate-time`: without the second it goes on.
pub(super) type Statement<'a> = (Option<&'a str>, Option<&'a str>);

pub(super) fn statement<'a>(from: &'a Option<String>, to: &'a Option<String>) -> Statement<'a> {
    (from.as_deref(), to.as_deref())
}

/// Brings `intervals` to what one document says of them. One statement without an end is enough to go on.
pub(super) fn settle(intervals: &mut Vec<Interval>, said: &[Statement<'_>], at: Wall) {
    let going_on = said.iter().find(|(_, to)| to.is_none());
    for (from, to) in said.iter().filter(|(_, to)| to.is_some()) {
        let told = |i: &Interval| i.said_to.as_deref() == *to && (from.is_none() || i.said_from.as_deref() == *from);
        if intervals.iter().any(told) {
            continue;
        }
        let open = intervals.iter_mut().find(|i| i.is_open());
        match open.filter(|i| going_on.is_none() || (from.is_some() && i.said_from.as_deref() == *from)) {
            Some(open) => {
                open.to = Some(at);
                open.said_to = to.map(ToString::to_string);
            }
            None => {
                let (said_from, said_to) = (from.map(ToString::to_string), to.map(ToString::to_string));
                append(intervals, Interval { from: at, to: Some(at), said_from, said_to });
            }
        }
    }
    match going_on {
        Some(_) if intervals.iter().any(Interval::is_open) => {}
        Some((from, _)) => {
            let said_from = from.map(ToString::to_string);
            append(intervals, Interval { from: at, to: None, said_from, said_to: None });
        }
        None if said.is_empty() => {}
        None => {
            close_all(intervals, at, said.last().and_then(|(_, to)| *to));
        }
    }
}

/// Whether two stretches have time in common; one without length has its moment.
pub(super) fn overlap(one: (Wall, Option<Wall>), other: (Wall, Option<Wall>)) -> bool {
    let begins_within = |begin: Wall, (from, to): (Wall, Option<Wall>)| {
        from <= begin && to.is_none_or(|to| begin < to || (begin == from && begin == to))
    };
    begins_within(one.0, other) || begins_within(other.0, one)
}

/// Adds to a list that mostly stays at one: there is no room for more until more comes.
pub(super) fn append<T>(list: &mut Vec<T>, item: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(item);
}

/// Closes what is open; whether anything was.
pub(super) fn close_all(intervals: &mut [Interval], at: Wall, said_to: Option<&str>) -> bool {
    let mut closed = false;
    for interval in intervals.iter_mut().filter(|i| i.is_open()) {
        interval.to = Some(at);
        interval.said_to = said_to.map(ToString::to_string);
        closed = true;
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(documents: &[&[Statement<'_>]]) -> Vec<(i64, Option<i64>)> {
        let mut intervals = Vec::new();
        for (at, said) in (1i64..).zip(documents) {
            settle(&mut intervals, said, Wall(at));
        }
        intervals.iter().map(|i| (i.from.0, i.to.map(|to| to.0))).collect()
    }

    #[test]
    fn each_statement_counts_once() {
        let (on, off) = ((Some("a"), None), (Some("a"), Some("b")));
        assert_eq!(spans(&[&[on], &[on], &[]]), [(1, None)]);
        assert_eq!(spans(&[&[on], &[off], &[off]]), [(1, Some(2))]);
        assert_eq!(spans(&[&[off], &[off]]), [(1, Some(1))]);
        let again = (Some("c"), None);
        assert_eq!(spans(&[&[on], &[off, again], &[off, again]]), [(1, Some(2)), (2, None)]);
        assert_eq!(spans(&[&[on], &[(None, Some("b"))], &[again], &[(None, Some("b"))]]), [(1, Some(2)), (3, Some(4))]);
    }
}
