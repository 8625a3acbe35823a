//! Rows as SQLite keeps them.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};
use siprec_core::time::Wall;

use super::super::place::{Place, millis};
use super::super::record::{
    Person, Quality, Record, Row, Searched, StreamRow, search_number, search_text, tag_lines, tags_of,
};
use super::super::terms;

/// The columns of [`Row`], in the order that [`read`] takes them.
pub(super) const COLUMNS: &str = "id, session_id, call_id, communication_session, call_group, started_at, ended_at, \
    duration_ms, state, ended_by, caller_aor, caller_name, callee_aor, callee_name, path, bytes, sha256, \
    packets_received, packets_expected, packets_lost, packets_dropped, gaps, gap_ms, pauses, faults, vendor, product, tags, held";

/// A row of `SELECT` [`COLUMNS`].
pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let count = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(Row {
        id: id(row, 0)?,
        session_id: row.get::<_, Option<String>>(1)?.map(|_| id(row, 1)).transpose()?,
        call_id: row.get(2)?,
        communication_session: row.get(3)?,
        group: row.get(4)?,
        started_at: from_millis(row.get(5)?),
        ended_at: from_millis(row.get(6)?),
        duration_ms: count(7)?,
        state: row.get(8)?,
        ended_by: row.get(9)?,
        caller: person(row, 10)?,
        callee: person(row, 12)?,
        vendor: row.get(25)?,
        product: row.get(26)?,
        path: row.get(14)?,
        bytes: count(15)?,
        sha256: row.get(16)?,
        quality: Quality {
            packets_received: count(17)?,
            packets_expected: count(18)?,
            packets_lost: count(19)?,
            packets_dropped: count(20)?,
            gaps: count(21)?,
            gap_ms: count(22)?,
            pauses: count(23)?,
            faults: count(24)?,
        },
        tags: tags_of(&row.get::<_, String>(27)?),
        held: row.get(28)?,
        node: None,
    })
}

fn from_millis(millis: i64) -> Wall {
    Wall(millis.saturating_mul(1_000_000))
}

fn id<T: std::str::FromStr>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T::Err: std::fmt::Display,
{
    let text: String = row.get(index)?;
    text.parse()
        .map_err(|why: T::Err| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.to_string().into()))
}

fn person(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<Person>> {
    let person = Person { aor: row.get(index)?, name: row.get(index + 1)? };
    Ok((person != Person::default()).then_some(person))
}

/// Puts `record` in, in place of what stood there under its id.
pub(super) fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let id = record.row.id.to_string();
    remove(connection, &id)?;
    let mut place = Place::of(record.row.started_at, record.row.id);
    let mut taken = connection.prepare_cached("SELECT 1 FROM recording WHERE key = ?1")?;
    while taken.query_row([place.0], |_| Ok(())).optional()?.is_some() {
        place = place.next();
    }
    insert_row(connection, place.0, &id, record)?;
    insert_children(connection, place.0, record)?;
    let terms: Vec<String> = terms::of(record).into_iter().collect();
    connection
        .prepare_cached("INSERT INTO search (rowid, terms) VALUES (?1, ?2)")?
        .execute(params![place.0, terms.join(" ")])?;
    Ok(())
}

/// Takes out what stands there under `id`, and what hangs on it; whether anything did.
pub(super) fn remove(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
    let mut delete = connection.prepare_cached("DELETE FROM recording WHERE id = ?1 RETURNING key")?;
    let Some(key) = delete.query_row([id], |row| row.get::<_, i64>(0)).optional()? else { return Ok(false) };
    connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([key])?;
    Ok(true)
}

fn insert_row(connection: &Connection, key: i64, id: &str, record: &Record) -> rusqlite::Result<()> {
    let row = &record.row;
    let (caller, callee) = (row.caller.clone().unwrap_or_default(), row.callee.clone().unwrap_or_default());
    let quality = &row.quality;
    let searched = Searched::of(record);
    connection
        .prepare_cached(
            "INSERT INTO recording VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
             ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38)",
        )?
        .execute(params![
            key,
            id,
            row.session_id.map(|session| session.to_string()),
            row.call_id,
            row.communication_session,
            row.group,
            millis(row.started_at),
            millis(row.ended_at),
            row.duration_ms.cast_signed(),
            row.state,
            row.ended_by,
            caller.aor,
            caller.name,
            search_text(&caller),
            search_number(&caller),
            callee.aor,
            callee.name,
            search_text(&callee),
            search_number(&callee),
            searched.people_search,
            searched.people_number,
            searched.words,
            row.vendor,
            row.product,
            searched.product_search,
            row.path,
            row.bytes.cast_signed(),
            row.sha256,
            quality.packets_received.cast_signed(),
            quality.packets_expected.cast_signed(),
            quality.packets_lost.cast_signed(),
            quality.packets_dropped.cast_signed(),
            quality.gaps.cast_signed(),
            quality.gap_ms.cast_signed(),
            quality.pauses.cast_signed(),
            quality.faults.cast_signed(),
            tag_lines(&row.tags),
            row.held,
        ])?;
    Ok(())
}

fn insert_children(connection: &Connection, key: i64, record: &Record) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO participant VALUES (?1, ?2, ?3, ?4)")?;
    for (participant, person) in &record.participants {
        statement.execute(params![key, participant, person.aor, person.name])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO sip_session_id VALUES (?1, ?2)")?;
    for value in &record.sip_session_ids {
        statement.execute(params![key, value])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO correlation VALUES (?1, ?2, ?3, ?4)")?;
    for (field, value) in &record.call {
        statement.execute(params![key, field, value, value.to_lowercase()])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO stream VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for stream in &record.streams {
        statement.execute(params![key, stream.port, stream.label, stream.codecs, stream.rendered])?;
    }
    Ok(())
}

/// Puts in what stood in the tables of schema 3, which are gone then.
pub(super) fn adopt_old(connection: &Connection) -> rusqlite::Result<()> {
    let columns = COLUMNS.replace("tags, held", "'', 0");
    let mut rows = connection.prepare(&format!("SELECT {columns} FROM old_recording"))?;
    for row in rows.query_map([], read)? {
        let row = row?;
        let id = row.id.to_string();
        let mut people = connection.prepare_cached("SELECT id, aor, name FROM old_participant WHERE recording = ?1")?;
        let person = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Person { aor: row.get(1)?, name: row.get(2)? }));
        let mut sessions = connection.prepare_cached("SELECT value FROM old_sip_session_id WHERE recording = ?1")?;
        let mut calls = connection.prepare_cached("SELECT field, value FROM old_correlation WHERE recording = ?1")?;
        let mut streams =
            connection.prepare_cached("SELECT port, label, codecs, rendered FROM old_stream WHERE recording = ?1")?;
        let stream = |row: &rusqlite::Row<'_>| {
            Ok(StreamRow { port: row.get(0)?, label: row.get(1)?, codecs: row.get(2)?, rendered: row.get(3)? })
        };
        let record = Record {
            participants: people.query_map([&id], person)?.collect::<Result<_, _>>()?,
            sip_session_ids: sessions.query_map([&id], |row| row.get(0))?.collect::<Result<_, _>>()?,
            call: calls.query_map([&id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?,
            streams: streams.query_map([&id], stream)?.collect::<Result<_, _>>()?,
            row,
        };
        insert(connection, &record)?;
    }
    drop(rows);
    connection.flush_prepared_statement_cache();
    connection.execute_batch(
        "DROP TABLE old_participant; DROP TABLE old_sip_session_id; DROP TABLE old_correlation; DROP TABLE old_stream; \
         DROP TABLE old_recording;",
    )
}
