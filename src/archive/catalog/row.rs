//! What the catalog knows of a recording. All of it stands in the recording's sidecar.

use rusqlite::types::Type;
use serde::{Serialize, Serializer};
use siprec_core::render::{self, GapCause, Party, Sidecar, StreamSheet};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use siprec_core::vendor;

use crate::archive::selection::date_time;

/// One recording, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The recording's id.
    pub id: RecordingId,
    /// The recording session it was recorded in.
    pub session_id: Option<SessionId>,
    /// Call-ID of the recording session.
    pub call_id: String,
    /// The communication session's id, where the metadata names one.
    pub communication_session: Option<String>,
    /// The communication session group's id.
    pub group: Option<String>,
    /// Zero of the recording's timeline.
    #[serde(serialize_with = "rfc3339")]
    pub started_at: Wall,
    /// Its end.
    #[serde(serialize_with = "rfc3339")]
    pub ended_at: Wall,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// `complete` or `interrupted`.
    pub state: String,
    /// What ended it, as the sidecar says.
    pub ended_by: String,
    /// Who called.
    pub caller: Option<Person>,
    /// Who was called.
    pub callee: Option<Person>,
    /// Who made the SRC, where it shows: `oracle`, `cisco`.
    pub vendor: Option<String>,
    /// The SRC's product.
    pub product: Option<String>,
    /// The recording's file, from the data directory on, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// How well it was received.
    pub quality: Quality,
}

/// Somebody whom the metadata names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Person {
    /// Address of record.
    pub aor: Option<String>,
    /// Display name.
    pub name: Option<String>,
}

impl Person {
    /// Name and address as a list shows them: the name, else the address without its scheme.
    pub fn label(&self) -> &str {
        let aor = self.aor.as_deref().unwrap_or_default();
        let bare = aor.split_once(':').map_or(aor, |(_, rest)| rest);
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(bare)
    }
}

/// The proof sheet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Quality {
    /// RTP packets that arrived.
    pub packets_received: u64,
    /// RTP packets that were sent, by their sequence numbers.
    pub packets_expected: u64,
    /// The difference.
    pub packets_lost: u64,
    /// Packets that arrived and could not be kept.
    pub packets_dropped: u64,
    /// Times when nothing was recorded because of us: a crash, a reboot, a stall. (Loss on the way is in packets.)
    pub gaps: u64,
    /// Their length together.
    pub gap_ms: u64,
    /// Times when nothing was to be recorded.
    pub pauses: u64,
    /// What the journal may help to mend or to explain: gaps, drops, an interrupted end, streams received and not
    /// rendered, no audio at all. As long as there is one, the journal is kept.
    pub faults: u64,
}

/// A [`Row`] with what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The recording.
    pub row: Row,
    /// Everybody in it: id in the metadata, person.
    pub participants: Vec<(String, Person)>,
    /// RFC 7989 session ids.
    pub sip_session_ids: Vec<String>,
    /// What vendors call the call: field and value. Without those that link nothing.
    pub call: Vec<(String, String)>,
    /// What was received.
    pub streams: Vec<StreamRow>,
}

/// A stream of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// Its port in the session.
    pub port: u16,
    /// Its label.
    pub label: Option<String>,
    /// `PCMA/8000`, separated by blanks.
    pub codecs: String,
    /// Whether it can be heard in the file.
    pub rendered: bool,
}

/// A sidecar's time cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is \"{text}\", which is no RFC 3339 time")]
pub struct BadSidecar {
    field: &'static str,
    text: String,
}

impl Record {
    /// What the catalog keeps of `sidecar`, which lies in `folder` (from the data directory on, with `/`).
    pub fn of(sidecar: &Sidecar, folder: &str) -> Result<Self, BadSidecar> {
        let time = |field, text: &str| date_time(text).ok_or_else(|| BadSidecar { field, text: text.to_owned() });
        let session = sidecar.communication_session.as_ref();
        let file = sidecar.files.first();
        let name = file.map_or_else(|| format!("{}.json", sidecar.id), |file| file.name.clone());
        let row = Row {
            id: sidecar.id,
            session_id: sidecar.recording_session.id,
            call_id: sidecar.recording_session.call_id.clone(),
            communication_session: session.map(|session| session.id.clone()),
            group: session.and_then(|session| session.group.clone()),
            started_at: time("started_at", &sidecar.started_at)?,
            ended_at: time("ended_at", &sidecar.ended_at)?,
            duration_ms: sidecar.duration_ms,
            state: word(&sidecar.state),
            ended_by: sidecar.ended_by.as_ref().map(word).unwrap_or_default(),
            caller: sidecar.caller.as_ref().map(Person::from),
            callee: sidecar.callee.as_ref().map(Person::from),
            vendor: sidecar.recording_session.vendor.as_ref().map(|profile| profile.vendor.clone()),
            product: sidecar.recording_session.vendor.as_ref().map(|profile| profile.product.clone()),
            path: format!("{folder}/{name}"),
            bytes: file.map_or(0, |file| file.bytes),
            sha256: file.map(|file| file.sha256.clone()).unwrap_or_default(),
            quality: Quality::of(sidecar),
        };
        let person = |person: &render::Participant| {
            (person.id.clone(), Person { aor: Some(person.aor.clone()), name: person.name.clone() })
        };
        Ok(Self {
            row,
            participants: sidecar.participants.iter().map(person).collect(),
            sip_session_ids: session.map(|session| session.sip_session_ids.clone()).unwrap_or_default(),
            call: call(sidecar),
            streams: sidecar.streams.iter().map(StreamRow::from).collect(),
        })
    }
}

fn call(sidecar: &Sidecar) -> Vec<(String, String)> {
    let linking = sidecar.call.iter().filter(|(field, _)| vendor::links(field));
    linking.map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
}

impl Quality {
    fn of(sidecar: &Sidecar) -> Self {
        let proof = &sidecar.proof;
        let ours: Vec<_> = proof.gaps.iter().filter(|gap| gap.cause != GapCause::Loss).collect();
        let unheard = sidecar.streams.iter().filter(|stream| !stream.rendered && !stream.sources.is_empty()).count();
        let silent = !sidecar.streams.iter().any(|stream| stream.rendered);
        let interrupted = sidecar.state == render::State::Interrupted;
        let faults = ours.len() + unheard + [proof.dropped > 0, silent, interrupted].iter().filter(|&&is| is).count();
        Self {
            packets_received: proof.packets_received,
            packets_expected: proof.packets_expected,
            packets_lost: proof.packets_lost,
            packets_dropped: proof.dropped,
            gaps: ours.len() as u64,
            gap_ms: ours.iter().map(|gap| gap.to_ms.saturating_sub(gap.from_ms)).sum(),
            pauses: proof.pauses.len() as u64,
            faults: faults as u64,
        }
    }
}

impl From<&Party> for Person {
    fn from(party: &Party) -> Self {
        Self { aor: Some(party.aor.clone()), name: party.name.clone() }
    }
}

impl From<&StreamSheet> for StreamRow {
    fn from(stream: &StreamSheet) -> Self {
        Self {
            port: stream.port,
            label: stream.label.clone(),
            codecs: stream.codecs.join(" "),
            rendered: stream.rendered,
        }
    }
}

/// An enum's name as the sidecar writes it.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

/// The columns of [`Row`], in the order that [`read`] takes them.
pub(super) const COLUMNS: &str = "id, session_id, call_id, communication_session, call_group, started_at, ended_at, \
    duration_ms, state, ended_by, caller_aor, caller_name, callee_aor, callee_name, path, bytes, sha256, \
    packets_received, packets_expected, packets_lost, packets_dropped, gaps, gap_ms, pauses, faults, vendor, product";

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
    })
}

/// Milliseconds, as columns hold times.
pub(super) fn millis(at: Wall) -> i64 {
    at.0.div_euclid(1_000_000)
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

fn rfc3339<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
