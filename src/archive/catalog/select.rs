//! Searching: a filter, and rows that come page by page, so that a million cost no more memory than a hundred.

use std::collections::VecDeque;

use rusqlite::types::Value;

use super::filter::Filter;
use super::row::{self, COLUMNS, Row, millis};
use super::{Catalog, CatalogError};

/// Rows read at a time.
const PAGE: usize = 256;

/// The matching rows, latest first. A row that comes in while this is read may or may not be seen; none is seen twice.
#[derive(Debug)]
pub struct Selection<'c> {
    catalog: &'c Catalog,
    filter: Filter,
    page: VecDeque<Row>,
    /// Start (milliseconds) and id of the last row read: the next page begins after it.
    after: Option<(i64, String)>,
    left: u64,
    done: bool,
}

impl Catalog {
    /// The recordings that `filter` means.
    pub fn select(&self, filter: Filter) -> Selection<'_> {
        let left = filter.limit.unwrap_or(u64::MAX);
        Selection { catalog: self, filter, page: VecDeque::new(), after: None, left, done: false }
    }
}

impl Selection<'_> {
    fn turn_page(&mut self) -> Result<(), CatalogError> {
        let want = PAGE.min(usize::try_from(self.left).unwrap_or(PAGE));
        let (condition, mut values) = self.filter.conditions(self.after.as_ref());
        values.push(Value::Integer(i64::try_from(want).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT {COLUMNS} FROM recording WHERE {condition} ORDER BY started_at DESC, id DESC LIMIT ?{}",
            values.len()
        );
        let connection = self.catalog.connection();
        let mut statement = connection.prepare_cached(&sql)?;
        for row in statement.query_map(rusqlite::params_from_iter(values), row::read)? {
            self.page.push_back(row?);
        }
        self.done = self.page.len() < want;
        if let Some(last) = self.page.back() {
            self.after = Some((millis(last.started_at), last.id.to_string()));
        }
        Ok(())
    }
}

impl Iterator for Selection<'_> {
    type Item = Result<Row, CatalogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if self.page.is_empty()
            && !self.done
            && let Err(why) = self.turn_page()
        {
            self.left = 0;
            return Some(Err(why));
        }
        let row = self.page.pop_front()?;
        self.left -= 1;
        Some(Ok(row))
    }
}
