//! Whose time is over: the first rule that fits a recording says how long it is kept.

use std::time::Duration;

use siprec_core::time::Wall;

use crate::archive::catalog::{Catalog, CatalogError, Filter, Row};
use crate::archive::notes::Tag;
use crate::archive::outbox::{Queue, QueueError};

/// How long recordings of some kind are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Which; its times are not used.
    pub which: Filter,
    /// How long after their end; none: for ever.
    pub keep: Option<Duration>,
}

/// What is found by [`expired`].
#[derive(Debug, Default)]
pub struct Expired {
    /// Recordings whose time is over, each with the place of its rule.
    pub rows: Vec<(usize, Row)>,
    /// Whose time is over as well, and which stay because of a legal hold.
    pub held: u64,
    /// The same because a storage target does not have them yet.
    pub unstored: u64,
}

/// Why it cannot be said whose time is over.
#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    /// The catalog's fault.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The outbox's fault.
    #[error(transparent)]
    Outbox(#[from] QueueError),
}

/// The recordings of `node` (all, where the catalog is one's own) whose time is over at `now`; at most `limit` of them.
///
/// # Errors
/// The catalog's or the outbox's.
pub fn expired(
    catalog: &Catalog,
    queue: Option<&Queue>,
    node: Option<&str>,
    rules: &[Rule],
    now: Wall,
    limit: usize,
) -> Result<Expired, ExpireError> {
    let mut found = Expired::default();
    for (place, rule) in rules.iter().enumerate() {
        let Some(keep) = rule.keep else { continue };
        let before = Wall(now.0.saturating_sub(i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX)));
        let filter = |which: &Filter| Filter { node: node.map(str::to_owned), limit: None, ..which.clone() };
        for row in catalog.select(Filter { since: None, until: Some(before), ..filter(&rule.which) }) {
            let row = row?;
            if row.ended_at >= before {
                continue;
            }
            let mut earlier = rules.iter().take(place);
            let fits = |rule: &Rule| {
                // The catalog need not be asked about tags alone.
                let tag = rule.which.tag.as_ref().filter(|_| rule.which == of_tag(rule.which.tag.clone()));
                if let Some(tag) = tag {
                    return Ok(row.tags.contains(tag));
                }
                let filter = Filter { ids: vec![row.id], ..filter(&rule.which) };
                catalog.select(filter).next().transpose().map(|row| row.is_some())
            };
            if earlier.try_fold(false, |so_far, rule| Ok::<_, CatalogError>(so_far || fits(rule)?))? {
                continue;
            }
            if row.held {
                found.held += 1;
            } else if queue.is_some_and(|queue| queue.has(row.id).unwrap_or(true)) {
                found.unstored += 1;
            } else if found.rows.len() < limit {
                found.rows.push((place, row));
            } else {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn of_tag(tag: Option<Tag>) -> Filter {
    Filter { tag, ..Filter::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::catalog::Record;
    use crate::archive::storage::fixture::sidecar;
    use siprec_core::seed::RecordingId;

    const DAY: Duration = Duration::from_secs(86_400);
    /// The fixtures end on 9 March 2026, 14:06:06 UTC.
    const ENDED: i64 = 1_773_065_166_000_000_000;

    fn days(rule: &str, days: u64) -> Rule {
        let tag = rule.parse().ok();
        Rule { which: Filter { tag, ..Filter::default() }, keep: (days > 0).then(|| DAY * days as u32) }
    }

    fn catalog() -> Catalog {
        let catalog = Catalog::temporary().unwrap();
        let tagged: [(u128, &[&str]); 4] = [(1, &[]), (2, &["long"]), (3, &["long", "ever"]), (4, &[])];
        for (id, tags) in tagged {
            let mut record = Record::of(&sidecar(id), "recordings/2026/03/09").unwrap();
            record.row.tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
            record.row.held = id == 4;
            catalog.put(&record).unwrap();
        }
        catalog
    }

    fn found(catalog: &Catalog, queue: Option<&Queue>, rules: &[Rule], day: i64) -> (Vec<(usize, u128)>, u64, u64) {
        let now = Wall(ENDED + day * DAY.as_nanos() as i64);
        let expired = expired(catalog, queue, None, rules, now, 10).unwrap();
        let rows = expired.rows.iter().map(|(rule, row)| (*rule, row.id.0)).collect();
        (rows, expired.held, expired.unstored)
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_holds_keep() {
        let (catalog, rules) = (catalog(), [days("ever", 0), days("long", 10), days("!", 5)]);
        assert_eq!(found(&catalog, None, &rules, 5), (vec![], 0, 0), "not before the last moment is over");
        assert_eq!(found(&catalog, None, &rules, 6), (vec![(2, 1)], 1, 0));
        assert_eq!(found(&catalog, None, &rules, 11), (vec![(1, 2), (2, 1)], 1, 0));
        assert_eq!(found(&catalog, None, &[days("!", 0)], 1000), (vec![], 0, 0), "for ever");
    }

    #[test]
    fn what_a_target_does_not_have_stays() {
        let (catalog, folder) = (catalog(), tempfile::tempdir().unwrap());
        let queue = Queue::open(folder.path()).unwrap();
        queue.add(&["far".to_owned()], RecordingId(1), None, "day", (0, false)).unwrap();
        let rules = [days("!", 5)];
        assert_eq!(found(&catalog, Some(&queue), &rules, 6).2, 1);
        queue.drop_item("far", RecordingId(1)).unwrap();
        assert_eq!(found(&catalog, Some(&queue), &rules, 6).2, 0);
    }
}
