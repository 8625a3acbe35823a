//! Searching: a filter, and rows that come page by page, so that a million cost no more memory than a hundred.

use std::collections::VecDeque;

use super::filter::Filter;
use super::{Catalog, CatalogError, Row};

/// Rows read at a time.
const PAGE: usize = 256;

/// Rows that were read together.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    /// The key of the last row: the next page begins after it.
    pub(super) last: Option<i64>,
}

/// The matching rows, latest first. A row that comes in while this is read may or may not be seen; none is seen twice.
#[derive(Debug)]
pub struct Selection<'c> {
    catalog: &'c Catalog,
    filter: Filter,
    page: VecDeque<Row>,
    after: Option<i64>,
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
        let page = self.catalog.engine.page(&self.filter, self.after, want)?;
        self.done = page.rows.len() < want;
        self.after = page.last.or(self.after);
        self.page = page.rows.into();
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
