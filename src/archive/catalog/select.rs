//! Searching: a filter, and rows that come page by page, so that a million cost no more memory than a hundred.

use std::collections::VecDeque;

use rusqlite::types::Value;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;
use siprec_core::vendor::search_forms;

use super::row::{self, COLUMNS, Row, millis};
use super::{Catalog, CatalogError, number_of};

/// Rows read at a time.
const PAGE: usize = 256;

/// Which recordings are meant; what is not set lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Started then or later.
    pub since: Option<Wall>,
    /// Started before then.
    pub until: Option<Wall>,
    /// Part of the caller's address or name, in any case; or of the number, however it is written.
    pub caller: Option<String>,
    /// An id of the call, as any vendor writes it; or of the recording session, the communication session, the group.
    pub call: Option<String>,
    /// One of these; all, if empty.
    pub ids: Vec<RecordingId>,
    /// At most so many: the latest.
    pub limit: Option<u64>,
}

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
        let (condition, mut values) = conditions(&self.filter, self.after.as_ref());
        values.push(integer(want));
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

fn conditions(filter: &Filter, after: Option<&(i64, String)>) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    if let Some(since) = filter.since {
        conditions.push(format!("started_at >= {}", bind(Value::Integer(ceil_millis(since)))));
    }
    if let Some(until) = filter.until {
        conditions.push(format!("started_at < {}", bind(Value::Integer(ceil_millis(until)))));
    }
    if let Some((at, id)) = after {
        let (at, id) = (bind(Value::Integer(*at)), bind(Value::Text(id.clone())));
        conditions.push(format!("(started_at, id) < ({at}, {id})"));
    }
    if let Some(caller) = &filter.caller {
        let text = bind(Value::Text(caller.to_lowercase()));
        let mut either = format!("instr(caller_search, {text}) > 0");
        if let Some(number) = number_of(caller) {
            either += &format!(" OR instr(caller_number, {}) > 0", bind(Value::Text(number)));
        }
        conditions.push(format!("({either})"));
    }
    if let Some(call) = &filter.call {
        let forms = serde_json::Value::from(search_forms(call)).to_string();
        let (forms, call) = (bind(Value::Text(forms)), bind(Value::Text(call.trim().to_owned())));
        conditions.push(format!(
            "(id IN (SELECT recording FROM correlation WHERE search IN (SELECT value FROM json_each({forms}))) \
             OR id IN (SELECT recording FROM sip_session_id WHERE value = {call}) \
             OR call_id = {call} OR communication_session = {call} OR call_group = {call})"
        ));
    }
    if !filter.ids.is_empty() {
        let list: Vec<String> = filter.ids.iter().map(|id| format!("\"{id}\"")).collect();
        let list = bind(Value::Text(format!("[{}]", list.join(","))));
        conditions.push(format!("id IN (SELECT value FROM json_each({list}))"));
    }
    (conditions.join(" AND "), values)
}

/// A start is kept in whole milliseconds; a bound between two of them means the later.
fn ceil_millis(at: Wall) -> i64 {
    millis(Wall(at.0.saturating_add(999_999)))
}

fn integer(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
