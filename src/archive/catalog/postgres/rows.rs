//! Rows as PostgreSQL keeps them. Many go in by one statement, as JSON: what is far away is asked seldom.

use std::collections::BTreeMap;

use serde::Serialize;
use siprec_core::time::Wall;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Row as Found, Transaction};

use super::super::place::{Place, millis};
use super::super::record::{Person, Quality, Record, Row, Searched, search_number, search_text, tag_lines, tags_of};
use super::super::terms;
use super::PostgresError;

/// The columns of a row, in the order that [`read`] takes them.
pub(super) const COLUMNS: &str = "key, id, session_id, call_id, communication_session, call_group, started_at, ended_at, \
    duration_ms, state, ended_by, caller_aor, caller_name, callee_aor, callee_name, path, bytes, sha256, \
    packets_received, packets_expected, packets_lost, packets_dropped, gaps, gap_ms, pauses, faults, vendor, product, node, tags, held";

/// How often places are looked for that nobody has; each time one of a millisecond is found to be taken.
const MAX_TRIES: usize = 1000;

/// A row of `SELECT` [`COLUMNS`]: its key, and what it says.
pub(super) fn read(row: &Found) -> Result<(i64, Row), PostgresError> {
    let text = |index: usize| row.try_get::<_, Option<String>>(index);
    let filled = |index: usize| text(index).map(Option::unwrap_or_default);
    let number = |index: usize| row.try_get::<_, i64>(index);
    let count = |index: usize| number(index).map(i64::cast_unsigned);
    let time = |index: usize| number(index).map(|ms| Wall(ms.saturating_mul(1_000_000)));
    let person = |index: usize| -> Result<Option<Person>, tokio_postgres::Error> {
        let person = Person { aor: text(index)?, name: text(index + 1)? };
        Ok((person != Person::default()).then_some(person))
    };
    let no_id = |_| PostgresError::Failed { why: "a row's id is not one of siprec's".to_owned() };
    let found = Row {
        id: filled(1)?.parse().map_err(no_id)?,
        session_id: text(2)?.map(|id| id.parse().map_err(no_id)).transpose()?,
        call_id: filled(3)?,
        communication_session: text(4)?,
        group: text(5)?,
        started_at: time(6)?,
        ended_at: time(7)?,
        duration_ms: count(8)?,
        state: filled(9)?,
        ended_by: filled(10)?,
        caller: person(11)?,
        callee: person(13)?,
        vendor: text(26)?,
        product: text(27)?,
        path: filled(15)?,
        bytes: count(16)?,
        sha256: filled(17)?,
        quality: Quality {
            packets_received: count(18)?,
            packets_expected: count(19)?,
            packets_lost: count(20)?,
            packets_dropped: count(21)?,
            gaps: count(22)?,
            gap_ms: count(23)?,
            pauses: count(24)?,
            faults: count(25)?,
        },
        tags: tags_of(&filled(29)?),
        held: row.try_get(30)?,
        node: text(28)?,
    };
    Ok((number(0)?, found))
}

/// The rows that a plan of `EXPLAIN (FORMAT JSON)` expects of each table that it reads, in the order of the query.
pub(super) fn planned(plan: &Found) -> Result<Vec<u64>, PostgresError> {
    let Raw(json) = plan.try_get(0)?;
    let plan: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    Ok(plan.pointer("/0/Plan").map(expected).unwrap_or_default())
}

fn expected(node: &serde_json::Value) -> Vec<u64> {
    let rows = node.get("Relation Name").and(node.get("Plan Rows")).and_then(serde_json::Value::as_f64);
    let below = node.get("Plans").and_then(serde_json::Value::as_array).into_iter().flatten().flat_map(expected);
    rows.map(|rows| rows as u64).into_iter().chain(below).collect()
}

/// JSON as it comes.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::JSON
    }
}

/// A row of `recording`, by the names of its columns.
#[derive(Serialize)]
struct RecordingRow<'r> {
    key: i64,
    id: String,
    node: &'r str,
    session_id: Option<String>,
    call_id: &'r str,
    communication_session: Option<&'r str>,
    call_group: Option<&'r str>,
    started_at: i64,
    ended_at: i64,
    duration_ms: i64,
    state: &'r str,
    ended_by: &'r str,
    caller_aor: Option<&'r str>,
    caller_name: Option<&'r str>,
    caller_search: String,
    caller_number: String,
    callee_aor: Option<&'r str>,
    callee_name: Option<&'r str>,
    callee_search: String,
    callee_number: String,
    people_search: String,
    people_number: String,
    words: String,
    vendor: Option<&'r str>,
    product: Option<&'r str>,
    product_search: String,
    path: &'r str,
    bytes: i64,
    sha256: &'r str,
    packets_received: i64,
    packets_expected: i64,
    packets_lost: i64,
    packets_dropped: i64,
    gaps: i64,
    gap_ms: i64,
    pauses: i64,
    faults: i64,
    tags: String,
    held: bool,
}

impl<'r> RecordingRow<'r> {
    fn of(record: &'r Record, node: &'r str, place: Place) -> Self {
        let row = &record.row;
        let Searched { people_search, people_number, words, product_search } = Searched::of(record);
        let aor = |person: &'r Option<Person>| person.as_ref().and_then(|person| person.aor.as_deref());
        let name = |person: &'r Option<Person>| person.as_ref().and_then(|person| person.name.as_deref());
        let text = |person: &Option<Person>| search_text(&person.clone().unwrap_or_default());
        let number = |person: &Option<Person>| search_number(&person.clone().unwrap_or_default());
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            key: place.0,
            id: row.id.to_string(),
            node,
            session_id: row.session_id.map(|session| session.to_string()),
            call_id: &row.call_id,
            communication_session: row.communication_session.as_deref(),
            call_group: row.group.as_deref(),
            started_at: millis(row.started_at),
            ended_at: millis(row.ended_at),
            duration_ms: count(row.duration_ms),
            state: &row.state,
            ended_by: &row.ended_by,
            caller_aor: aor(&row.caller),
            caller_name: name(&row.caller),
            caller_search: text(&row.caller),
            caller_number: number(&row.caller),
            callee_aor: aor(&row.callee),
            callee_name: name(&row.callee),
            callee_search: text(&row.callee),
            callee_number: number(&row.callee),
            people_search,
            people_number,
            words,
            vendor: row.vendor.as_deref(),
            product: row.product.as_deref(),
            product_search,
            path: &row.path,
            bytes: count(row.bytes),
            sha256: &row.sha256,
            packets_received: count(row.quality.packets_received),
            packets_expected: count(row.quality.packets_expected),
            packets_lost: count(row.quality.packets_lost),
            packets_dropped: count(row.quality.packets_dropped),
            gaps: count(row.quality.gaps),
            gap_ms: count(row.quality.gap_ms),
            pauses: count(row.quality.pauses),
            faults: count(row.quality.faults),
            tags: tag_lines(&row.tags),
            held: row.held,
        }
    }
}

/// What hangs on the rows of a statement.
#[derive(Default, Serialize)]
struct Hanging<'r> {
    participant: Vec<ParticipantRow<'r>>,
    sip_session_id: Vec<SipSessionIdRow<'r>>,
    correlation: Vec<CorrelationRow<'r>>,
    stream: Vec<StreamRow<'r>>,
    search: Vec<SearchRow>,
}

#[derive(Serialize)]
struct ParticipantRow<'r> {
    recording: i64,
    id: &'r str,
    aor: Option<&'r str>,
    name: Option<&'r str>,
}

#[derive(Serialize)]
struct SipSessionIdRow<'r> {
    recording: i64,
    value: &'r str,
}

#[derive(Serialize)]
struct CorrelationRow<'r> {
    recording: i64,
    field: &'r str,
    value: &'r str,
    search: String,
}

#[derive(Serialize)]
struct StreamRow<'r> {
    recording: i64,
    port: u16,
    label: Option<&'r str>,
    codecs: &'r str,
    rendered: bool,
}

/// Terms are ASCII letters and digits: with blanks between them they are the text of a tsvector.
#[derive(Serialize)]
struct SearchRow {
    recording: i64,
    terms: String,
}

impl<'r> Hanging<'r> {
    fn add(&mut self, record: &'r Record, place: Place) {
        let recording = place.0;
        self.participant.extend(record.participants.iter().map(|(id, person)| {
            let (aor, name) = (person.aor.as_deref(), person.name.as_deref());
            ParticipantRow { recording, id, aor, name }
        }));
        self.sip_session_id.extend(record.sip_session_ids.iter().map(|value| SipSessionIdRow { recording, value }));
        self.correlation.extend(record.call.iter().map(|(field, value)| {
            let search = value.to_lowercase();
            CorrelationRow { recording, field, value, search }
        }));
        self.stream.extend(record.streams.iter().map(|stream| StreamRow {
            recording,
            port: stream.port,
            label: stream.label.as_deref(),
            codecs: &stream.codecs,
            rendered: stream.rendered,
        }));
        let terms = terms::of(record).into_iter().collect::<Vec<_>>().join(" ");
        self.search.push(SearchRow { recording, terms });
    }
}

const INSERT: &str = "
WITH put AS (
    INSERT INTO recording SELECT * FROM json_populate_recordset(NULL::recording, $1::text::json)
    ON CONFLICT DO NOTHING RETURNING key),
hanging AS (SELECT $2::text::json AS rows),
a AS (INSERT INTO participant SELECT child.* FROM hanging, json_populate_recordset(NULL::participant, rows -> 'participant')
    AS child JOIN put ON put.key = child.recording),
b AS (INSERT INTO sip_session_id SELECT child.* FROM hanging,
    json_populate_recordset(NULL::sip_session_id, rows -> 'sip_session_id') AS child JOIN put ON put.key = child.recording),
c AS (INSERT INTO correlation SELECT child.* FROM hanging, json_populate_recordset(NULL::correlation, rows -> 'correlation')
    AS child JOIN put ON put.key = child.recording),
d AS (INSERT INTO stream SELECT child.* FROM hanging, json_populate_recordset(NULL::stream, rows -> 'stream')
    AS child JOIN put ON put.key = child.recording),
e AS (INSERT INTO search SELECT child.* FROM hanging, json_populate_recordset(NULL::search, rows -> 'search')
    AS child JOIN put ON put.key = child.recording)
SELECT key FROM put";

/// Puts `records` in, in place of what stood there under their ids.
pub(super) async fn insert(transaction: &Transaction<'_>, node: &str, records: &[Record]) -> Result<(), PostgresError> {
    // The last of an id counts.
    let by_id: BTreeMap<_, _> = records.iter().map(|record| (record.row.id, record)).collect();
    let mut waiting: Vec<(Place, &Record)> =
        by_id.values().map(|record| (Place::of(record.row.started_at, record.row.id), *record)).collect();
    for _ in 0..MAX_TRIES {
        if waiting.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = waiting.iter().map(|(_, record)| record.row.id.to_string()).collect();
        let delete = "DELETE FROM recording WHERE id = ANY($1)";
        transaction.query_typed(delete, &[(&ids, Type::TEXT_ARRAY)]).await?;
        // Two of one place: one goes now, the other looks for a place of its own.
        let going: BTreeMap<Place, &Record> = waiting.iter().copied().collect();
        let rows: Vec<_> = going.iter().map(|(place, record)| RecordingRow::of(record, node, *place)).collect();
        let mut hanging = Hanging::default();
        going.iter().for_each(|(place, record)| hanging.add(record, *place));
        let (rows, hanging) = (json(&rows)?, json(&hanging)?);
        let put = transaction.query_typed(INSERT, &[(&rows, Type::TEXT), (&hanging, Type::TEXT)]).await?;
        let put = put.iter().map(|row| row.try_get(0).map(Place)).collect::<Result<Vec<Place>, _>>()?;
        waiting.retain(|(place, record)| {
            let is_put = put.contains(place) && going.get(place).is_some_and(|went| went.row.id == record.row.id);
            !is_put
        });
        waiting.iter_mut().for_each(|(place, _)| *place = place.next());
    }
    Err(PostgresError::Failed { why: "no place is free for a recording among those of its millisecond".to_owned() })
}

/// JSON without the character that PostgreSQL cannot keep.
fn json(value: &impl Serialize) -> Result<String, PostgresError> {
    let text = serde_json::to_string(value).map_err(|error| PostgresError::Failed { why: error.to_string() })?;
    Ok(without_nul(&text))
}

/// `\u0000` as the replacement character; `\\u0000` is a backslash and stays.
fn without_nul(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        clean.push_str(before);
        rest = match escape.strip_prefix("\\u0000") {
            Some(after) => {
                clean.push('\u{fffd}');
                after
            }
            None => {
                // A backslash and what it escapes, which is ASCII.
                let (pair, after) = escape.split_at_checked(2).unwrap_or((escape, ""));
                clean.push_str(pair);
                after
            }
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nul_is_replaced() {
        let text = "a\0b\\u0000\\\0\"\n é";
        let json = json(&text).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text.replace('\0', "\u{fffd}"));
    }
}
