//! What a filter means, said in SQL: the same conditions for both engines, which differ in a few words.

use std::ops::Range;
use std::time::Duration;

use siprec_core::vendor::search_forms;

use super::filter::{Filter, LastDigits, PerTenThousand, Words};
use super::{number_of, place, terms};

/// The words in which the engines differ.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The place of the n-th value.
    pub(super) value: fn(usize) -> String,
    /// That `column` holds the text `value` somewhere.
    pub(super) holds: fn(column: &str, value: &str) -> String,
    /// That `column` is in the list that is one `value`.
    pub(super) is_in_list: fn(column: &str, value: &str) -> String,
    /// That the row's key is among those of `query`, which are few.
    pub(super) key_is_of: fn(query: &str) -> String,
}

/// A value that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    List(Vec<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

/// Conditions that are all to hold of a row of `recording`, and the values that they name.
#[derive(Debug)]
pub(super) struct Conditions {
    dialect: &'static Dialect,
    all: Vec<String>,
    pub(super) values: Vec<Value>,
    /// Whether one of them, an id, leaves but a few rows, which it finds by an index of its own.
    pub(super) is_narrow: bool,
}

/// The keys of rows that `filter` may mean, and that come after the row of key `after`.
pub(super) fn keys(filter: &Filter, after: Option<i64>) -> Range<i64> {
    let keys = place::between(filter.since, filter.until);
    keys.start..after.map_or(keys.end, |after| after.min(keys.end))
}

impl Conditions {
    /// All of `filter` but its times, which are keys.
    pub(super) fn of(filter: &Filter, dialect: &'static Dialect) -> Self {
        let mut conditions = Self { dialect, all: Vec::new(), values: Vec::new(), is_narrow: false };
        conditions.lengths(filter);
        conditions.people(filter);
        conditions.ids(filter);
        conditions.quality(filter);
        conditions
    }

    /// That the column `key` is in `keys`.
    pub(super) fn within(&mut self, key: &str, keys: &Range<i64>) {
        let (from, to) = (self.bind(keys.start), self.bind(keys.end));
        self.all.push(format!("{key} >= {from} AND {key} < {to}"));
    }

    /// Another condition, whose values are bound already.
    pub(super) fn and(&mut self, condition: String) {
        self.all.push(condition);
    }

    /// A value's name.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        (self.dialect.value)(self.values.len())
    }

    /// As it stands behind `WHERE`.
    pub(super) fn sql(&self) -> String {
        if self.all.is_empty() { "1 = 1".to_owned() } else { self.all.join(" AND ") }
    }

    /// A condition on one value, which stands for each `{}`.
    fn with(&mut self, condition: &str, value: impl Into<Value>) {
        let value = self.bind(value);
        self.all.push(condition.replace("{}", &value));
    }

    fn holds(&mut self, column: &str, text: String) -> String {
        let value = self.bind(text);
        (self.dialect.holds)(column, &value)
    }

    /// Part of an address or a name; or of a number, however it is written.
    fn person(&mut self, who: &str, text: &str) {
        let mut either = self.holds(&format!("{who}_search"), text.to_lowercase());
        if let Some(number) = number_of(text) {
            either += &format!(" OR {}", self.holds(&format!("{who}_number"), number));
        }
        self.all.push(format!("({either})"));
    }

    fn lengths(&mut self, filter: &Filter) {
        let whole = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        if let Some(length) = filter.min_duration {
            self.with("duration_ms >= {}", whole(length));
        }
        if let Some(length) = filter.max_duration {
            self.with("duration_ms <= {}", whole(length));
        }
    }

    fn people(&mut self, filter: &Filter) {
        let parties = [("caller", &filter.caller), ("callee", &filter.callee), ("people", &filter.participant)];
        for (who, text) in parties {
            if let Some(text) = text {
                self.person(who, text);
            }
        }
        if let Some(LastDigits(digits)) = &filter.number_ends {
            let ends = self.holds("people_number", format!("{digits}\n"));
            self.all.push(ends);
        }
        for (word, is_prefix) in filter.text.iter().flat_map(|Words(words)| words) {
            let end = if *is_prefix { "" } else { " " };
            let found = self.holds("words", format!(" {word}{end}"));
            self.all.push(found);
        }
    }

    fn ids(&mut self, filter: &Filter) {
        if let Some(call) = &filter.call {
            let (forms, call) = (self.bind(search_forms(call)), self.bind(call.trim().to_owned()));
            let by_form = (self.dialect.is_in_list)("search", &forms);
            self.all.push((self.dialect.key_is_of)(&format!(
                "SELECT recording FROM correlation WHERE {by_form} \
                 UNION SELECT recording FROM sip_session_id WHERE value = {call} \
                 UNION SELECT key FROM recording WHERE call_id = {call} \
                 UNION SELECT key FROM recording WHERE communication_session = {call} \
                 UNION SELECT key FROM recording WHERE call_group = {call}"
            )));
        }
        if let Some(label) = &filter.label {
            let of_stream = "EXISTS (SELECT 1 FROM stream WHERE stream.recording = recording.key AND label = {})";
            self.with(of_stream, label.clone());
        }
        if let Some(vendor) = &filter.vendor {
            let vendor = vendor.to_lowercase();
            let by_product = self.holds("product_search", vendor.clone());
            let vendor = self.bind(vendor);
            self.all.push(format!("(vendor = {vendor} OR {by_product})"));
        }
        if !filter.ids.is_empty() {
            let ids = self.bind(filter.ids.iter().map(ToString::to_string).collect::<Vec<String>>());
            let by_id = (self.dialect.is_in_list)("id", &ids);
            self.all.push((self.dialect.key_is_of)(&format!("SELECT key FROM recording WHERE {by_id}")));
        }
        self.is_narrow |= filter.call.is_some() || !filter.ids.is_empty();
    }

    fn quality(&mut self, filter: &Filter) {
        if let Some(state) = filter.state {
            self.with("state = {}", state.to_owned());
        }
        if let Some(PerTenThousand(share)) = filter.min_loss {
            self.with("(packets_expected > 0 AND packets_lost * 10000 >= packets_expected * {})", i64::from(share));
        }
        if let Some(tag) = &filter.tag {
            let tagged = self.holds("tags", format!("\n{tag}\n"));
            self.all.push(tagged);
        }
        if let Some(tags) = &filter.any_tag {
            let one = |tag| self.holds("tags", format!("\n{tag}\n"));
            let either: Vec<String> = tags.iter().map(one).collect();
            self.all.push(if either.is_empty() { "1 = 0".to_owned() } else { format!("({})", either.join(" OR ")) });
        }
        if filter.held {
            self.all.push("held".to_owned());
        }
        if filter.wav {
            self.all.push("path LIKE '%.wav'".to_owned());
        }
        if filter.faulty {
            self.all.push("faults > 0".to_owned());
        }
    }
}

/// What the index of texts is asked for, in the words of an engine: of all clauses. None: it cannot help.
pub(super) fn index_query(filter: &Filter, and: &str, or: &str) -> Option<String> {
    let all = |terms: &Vec<String>| format!("({})", terms.join(and));
    let clause = |clause: &terms::Clause| format!("({})", clause.iter().map(all).collect::<Vec<_>>().join(or));
    let query = terms::asked(filter).iter().map(clause).collect::<Vec<_>>().join(and);
    (!query.is_empty()).then_some(query)
}
