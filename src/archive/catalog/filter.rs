//! Which recordings are meant, and how that is said in SQL.

use std::time::Duration;

use rusqlite::types::Value;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;
use siprec_core::vendor::search_forms;

use super::number_of;
use super::row::millis;

/// As many of a number's last digits as the index has.
const INDEXED_DIGITS: usize = 4;

/// Which recordings are meant; what is not set lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Started then or later.
    pub since: Option<Wall>,
    /// Started before then.
    pub until: Option<Wall>,
    /// Part of the caller's address or name, in any case; or of the number, however it is written.
    pub caller: Option<String>,
    /// The same of who was called.
    pub callee: Option<String>,
    /// The same of anybody who took part.
    pub participant: Option<String>,
    /// The last digits of the number of anybody who took part.
    pub number_ends: Option<LastDigits>,
    /// An id of the call, as any vendor writes it; or of the recording session, the communication session, the group.
    pub call: Option<String>,
    /// The label of a stream that was received.
    pub label: Option<String>,
    /// Who made the SRC: `oracle`, or part of the product's name, in any case.
    pub vendor: Option<String>,
    /// `complete` or `interrupted`.
    pub state: Option<&'static str>,
    /// At least so long.
    pub min_duration: Option<Duration>,
    /// At most so long.
    pub max_duration: Option<Duration>,
    /// At least so much of it was lost on the way.
    pub min_loss: Option<PerTenThousand>,
    /// Those whose sheet shows a fault.
    pub faulty: bool,
    /// One of these; all, if empty.
    pub ids: Vec<RecordingId>,
    /// At most so many: the latest.
    pub limit: Option<u64>,
}

/// Digits at the end of a number; at least two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDigits(String);

impl std::str::FromStr for LastDigits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !"+-. ()/".contains(*c)).collect();
        let is_number = digits.len() >= 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number
            .then_some(Self(digits))
            .ok_or_else(|| format!("`{text}` is no end of a number: give two digits or more"))
    }
}

/// Hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerTenThousand(pub u16);

impl std::str::FromStr for PerTenThousand {
    type Err = String;

    /// A percentage: `5`, `0.5`, `2.5%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            text.trim().trim_end_matches('%').parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
        let hundredths = number.map(|share| (share * 100.0).round() as u16);
        hundredths.map(Self).ok_or_else(|| format!("`{text}` is no percentage: write it as 5, 0.5 or 2.5%"))
    }
}

/// Conditions that are all to hold, and the values that they name.
struct Conditions {
    all: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// A condition on one value, which stands for each `{}`.
    fn with(&mut self, condition: &str, value: impl Into<Value>) {
        let value = self.bind(value);
        self.all.push(condition.replace("{}", &value));
    }

    /// What has `text` in the address or the name, or its digits in the number. Both conditions name their value as `{}`.
    fn person(&mut self, text: &str, by_text: &str, by_number: &str) {
        let value = self.bind(text.to_lowercase());
        let mut either = by_text.replace("{}", &value);
        if let Some(number) = number_of(text) {
            let value = self.bind(number);
            either += &format!(" OR {}", by_number.replace("{}", &value));
        }
        self.all.push(format!("({either})"));
    }
}

impl Filter {
    /// The condition on a row of `recording`, and the values that it names; `after` is start (milliseconds) and id of the row
    /// before.
    pub(super) fn conditions(&self, after: Option<&(i64, String)>) -> (String, Vec<Value>) {
        let mut conditions = Conditions { all: vec!["1".to_owned()], values: Vec::new() };
        if let Some((at, id)) = after {
            let (at, id) = (conditions.bind(*at), conditions.bind(id.clone()));
            conditions.all.push(format!("(started_at, id) < ({at}, {id})"));
        }
        self.times(&mut conditions);
        self.people(&mut conditions);
        self.ids(&mut conditions);
        self.quality(&mut conditions);
        (conditions.all.join(" AND "), conditions.values)
    }

    fn times(&self, conditions: &mut Conditions) {
        let whole = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        if let Some(since) = self.since {
            conditions.with("started_at >= {}", ceil_millis(since));
        }
        if let Some(until) = self.until {
            conditions.with("started_at < {}", ceil_millis(until));
        }
        if let Some(length) = self.min_duration {
            conditions.with("duration_ms >= {}", whole(length));
        }
        if let Some(length) = self.max_duration {
            conditions.with("duration_ms <= {}", whole(length));
        }
    }

    fn people(&self, conditions: &mut Conditions) {
        if let Some(caller) = &self.caller {
            conditions.person(caller, "instr(caller_search, {}) > 0", "instr(caller_number, {}) > 0");
        }
        if let Some(callee) = &self.callee {
            conditions.person(callee, "instr(callee_search, {}) > 0", "instr(callee_number, {}) > 0");
        }
        if let Some(participant) = &self.participant {
            let anybody = |column: &str| {
                format!(
                    "instr(caller_{column}, {{}}) > 0 OR instr(callee_{column}, {{}}) > 0 OR EXISTS (SELECT 1 FROM participant \
                     WHERE recording = recording.id AND instr({column}, {{}}) > 0)"
                )
            };
            conditions.person(participant, &anybody("search"), &anybody("number"));
        }
        if let Some(LastDigits(digits)) = &self.number_ends {
            let ends = match digits.get(digits.len().saturating_sub(INDEXED_DIGITS)..) {
                Some(last) if last.len() == INDEXED_DIGITS => {
                    let last = conditions.bind(last.to_owned());
                    format!("substr(number, -{INDEXED_DIGITS}) = {last} AND ")
                }
                Some(_) | None => String::new(),
            };
            conditions.with(
                &format!("recording.id IN (SELECT recording FROM participant WHERE {ends}number LIKE '%' || {{}})"),
                digits.clone(),
            );
        }
    }

    fn ids(&self, conditions: &mut Conditions) {
        if let Some(call) = &self.call {
            let forms = serde_json::Value::from(search_forms(call)).to_string();
            let (forms, call) = (conditions.bind(forms), conditions.bind(call.trim().to_owned()));
            conditions.all.push(format!(
                "(id IN (SELECT recording FROM correlation WHERE search IN (SELECT value FROM json_each({forms}))) \
                 OR id IN (SELECT recording FROM sip_session_id WHERE value = {call}) \
                 OR call_id = {call} OR communication_session = {call} OR call_group = {call})"
            ));
        }
        if let Some(label) = &self.label {
            let of_stream = "EXISTS (SELECT 1 FROM stream WHERE recording = recording.id AND label = {})";
            conditions.with(of_stream, label.clone());
        }
        if let Some(vendor) = &self.vendor {
            conditions.with("(vendor = {} OR instr(lower(product), {}) > 0)", vendor.to_lowercase());
        }
        if !self.ids.is_empty() {
            let list: Vec<String> = self.ids.iter().map(|id| format!("\"{id}\"")).collect();
            conditions.with("id IN (SELECT value FROM json_each({}))", format!("[{}]", list.join(",")));
        }
    }

    fn quality(&self, conditions: &mut Conditions) {
        if let Some(state) = self.state {
            conditions.with("state = {}", state.to_owned());
        }
        if let Some(PerTenThousand(share)) = self.min_loss {
            conditions
                .with("(packets_expected > 0 AND packets_lost * 10000 >= packets_expected * {})", i64::from(share));
        }
        if self.faulty {
            conditions.all.push("faults > 0".to_owned());
        }
    }
}

/// A start is kept in whole milliseconds; a bound between two of them means the later.
fn ceil_millis(at: Wall) -> i64 {
    millis(Wall(at.0.saturating_add(999_999)))
}
