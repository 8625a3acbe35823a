//! In which way the index of terms is asked: not at all, at once, or for a window of time after the other, from the latest on.
//!
//! It gives rows in no order. A term that many have is found sooner without it, by going through the recordings from the latest on;
//! of what few have, all are fetched and sorted. Between them stands what a few thousand of a million have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::terms::Clause;
use super::{PostgresError, rows};

/// One in so many rows matches: no index is needed.
const MANY: f64 = 100.0;
/// Of no more, all are looked at at once.
const FEW: f64 = 500.0;
/// The first window should have so many times what is wanted.
const AMPLE: f64 = 2.0;
/// Each window is so much longer than the one before.
const LONGER: i64 = 4;
/// Terms of one text are found together, so the rarest of them say what all would, and cost less.
const TELLING: usize = 2;
/// What so large a share of the rows has narrows nothing down.
const COMMON: f64 = 0.15;

/// What is left to be looked through.
#[derive(Debug)]
pub(super) struct Windows {
    /// What the index is asked for.
    pub(super) query: String,
    keys: Range<i64>,
    length: i64,
}

impl Windows {
    /// Of the rows that are there; none where the index is not needed, or has no term for what is asked.
    pub(super) async fn of(
        client: &Client,
        clauses: &[Clause],
        keys: &Range<i64>,
        want: usize,
    ) -> Result<Option<Self>, PostgresError> {
        if clauses.is_empty() {
            return Ok(None);
        }
        let (counts, all) = counts(client, clauses).await?;
        let (query, matching) = telling(clauses, &counts, all);
        if matching * MANY > all && matching > FEW {
            return Ok(None);
        }
        let ends = "SELECT coalesce(min(key), 0), coalesce(max(key), 0) FROM recording";
        let ends = client.query_typed_one(ends, &[]).await?;
        let there = ends.try_get::<_, i64>(0)?..ends.try_get::<_, i64>(1)?.saturating_add(1);
        Ok(Some(Self::between(query, &there, keys, (matching, want))))
    }

    fn between(query: String, there: &Range<i64>, asked: &Range<i64>, (matching, want): (f64, usize)) -> Self {
        let keys = there.start.max(asked.start)..there.end.min(asked.end);
        let all = there.end.saturating_sub(there.start);
        let share = want as f64 * AMPLE / matching.max(1.0);
        let length = if matching <= FEW || share >= 1.0 { all } else { (all as f64 * share) as i64 };
        Self { query, keys, length: length.max(1) }
    }

    /// The next, before those that were there.
    pub(super) fn next_one(&mut self) -> Option<Range<i64>> {
        if self.keys.is_empty() {
            return None;
        }
        let start = self.keys.end.saturating_sub(self.length).max(self.keys.start);
        let window = start..self.keys.end;
        self.keys.end = start;
        self.length = self.length.saturating_mul(LONGER);
        Some(window)
    }
}

/// How many rows have each of the terms, and how many there are, by the server's statistics.
async fn counts<'c>(client: &Client, clauses: &'c [Clause]) -> Result<(BTreeMap<&'c str, f64>, f64), PostgresError> {
    let terms: BTreeSet<&String> = clauses.iter().flatten().flatten().collect();
    let one = |place: usize| format!("SELECT 1 FROM search WHERE terms @@ ${place}::text::tsquery UNION ALL ");
    let each: String = (1..=terms.len()).map(one).collect();
    let values: Vec<(&(dyn ToSql + Sync), Type)> = terms.iter().map(|term| (*term as _, Type::TEXT)).collect();
    let guess = format!("EXPLAIN (FORMAT JSON) {each} SELECT 1 FROM search");
    let planned = rows::planned(&client.query_typed_one(&guess, &values).await?)?;
    let all = planned.get(terms.len()).map_or(1.0, |all| *all as f64);
    Ok((terms.into_iter().map(String::as_str).zip(planned.iter().map(|count| *count as f64)).collect(), all))
}

/// What the index is asked for, and how many rows that should find: clauses are thought to have nothing to do with one another.
/// What is common is left to the conditions, where something else is not.
fn telling(clauses: &[Clause], counts: &BTreeMap<&str, f64>, all: f64) -> (String, f64) {
    let mut asked: Vec<(String, f64)> = clauses.iter().map(|clause| rarest(clause, counts, all)).collect();
    asked.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let kept = 1 + asked.iter().skip(1).take_while(|(_, share)| *share < COMMON).count();
    asked.truncate(kept);
    let matching = asked.iter().map(|(_, share)| share).product::<f64>() * all;
    (asked.into_iter().map(|(query, _)| query).collect::<Vec<_>>().join(" & "), matching)
}

/// A clause by its rarest terms, and the share of rows that it should find.
fn rarest(clause: &Clause, counts: &BTreeMap<&str, f64>, all: f64) -> (String, f64) {
    let count = |term: &&String| counts.get(term.as_str()).copied().unwrap_or(all);
    let (mut either, mut found) = (Vec::new(), 0.0);
    for terms in clause {
        let mut terms: Vec<&String> = terms.iter().collect();
        terms.sort_by(|one, other| count(one).total_cmp(&count(other)));
        terms.truncate(TELLING);
        found += terms.first().map_or(all, count);
        either.push(format!("({})", terms.iter().map(|term| term.as_str()).collect::<Vec<_>>().join(" & ")));
    }
    (format!("({})", either.join(" | ")), (found / all.max(1.0)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut windows: Windows) -> Vec<(i64, i64)> {
        std::iter::from_fn(|| windows.next_one()).map(|window| (window.start, window.end)).collect()
    }

    #[test]
    fn windows_follow_one_another_to_the_first_key_and_leave_out_none() {
        let windows = |matching| Windows::between(String::new(), &(0..1_000), &(i64::MIN..i64::MAX), (matching, 50));
        assert_eq!(all(windows(1_000.0)), [(900, 1_000), (500, 900), (0, 500)]);
        assert_eq!(all(windows(500.0)), [(0, 1_000)]);
        assert_eq!(all(windows(0.0)), [(0, 1_000)]);
        let asked = Windows::between(String::new(), &(0..1_000), &(100..400), (1_000.0, 50));
        assert_eq!(all(asked), [(300, 400), (100, 300)]);
    }

    #[test]
    fn where_nothing_is_there_nothing_is_asked() {
        let windows = |asked: Range<i64>| Windows::between(String::new(), &(0..1), &asked, (0.0, 50));
        assert_eq!(all(windows(5..9)), []);
        assert_eq!(all(windows(i64::MIN..i64::MAX)), [(0, 1)]);
    }

    #[test]
    fn the_rarest_terms_of_a_text_are_asked_for_and_clauses_narrow_one_another() {
        let terms = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let counts = BTreeMap::from([("a", 500.0), ("b", 20.0), ("c", 40.0), ("n", 60.0), ("f", 100.0)]);
        let both = vec![terms("a b c"), terms("n")];
        let (query, matching) = telling(&[vec![terms("f")], both.clone()], &counts, 1_000.0);
        assert_eq!(query, "((b & c) | (n)) & ((f))");
        assert!((matching - 8.0).abs() < 1e-9, "{matching}");
        // What half of them have is for the conditions.
        let (query, matching) = telling(&[vec![terms("a")], both], &counts, 1_000.0);
        assert_eq!(query, "((b & c) | (n))");
        assert!((matching - 80.0).abs() < 1e-9, "{matching}");
        assert_eq!(telling(&[vec![terms("a")]], &counts, 1_000.0), ("((a))".to_owned(), 500.0));
    }
}
