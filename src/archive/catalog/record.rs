//! What the catalog knows of a recording. All of it stands in the recording's sidecar.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siprec_core::render::{self, GapCause, Party, Sidecar, StreamSheet};
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;
use siprec_core::vendor;

use super::{number_of, terms};
use crate::archive::notes::{Notes, Tag};
use crate::archive::selection::date_time;

/// One recording, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct Row {
    /// The recording's id.
    #[cfg_attr(feature = "api", schema(value_type = String, format = Uuid))]
    pub id: RecordingId,
    /// The recording session it was recorded in.
    #[cfg_attr(feature = "api", schema(value_type = Option<String>, format = Uuid))]
    pub session_id: Option<SessionId>,
    /// Call-ID of the recording session.
    pub call_id: String,
    /// The communication session's id, where the metadata names one.
    pub communication_session: Option<String>,
    /// The communication session group's id.
    pub group: Option<String>,
    /// Zero of the recording's timeline.
    #[serde(serialize_with = "rfc3339", deserialize_with = "of_rfc3339")]
    #[cfg_attr(feature = "api", schema(value_type = String, format = DateTime))]
    pub started_at: Wall,
    /// Its end.
    #[serde(serialize_with = "rfc3339", deserialize_with = "of_rfc3339")]
    #[cfg_attr(feature = "api", schema(value_type = String, format = DateTime))]
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
    /// Tags that somebody has put on it.
    #[cfg_attr(feature = "api", schema(value_type = Vec<String>))]
    pub tags: BTreeSet<Tag>,
    /// Whether it is under a legal hold.
    pub held: bool,
    /// The server that recorded it and has its files, where several share a catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Row {
    /// The folder of its files, from the data directory on, with `/`.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// Somebody whom the metadata names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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
    /// The same with what somebody has noted of it.
    #[must_use]
    pub fn noted(mut self, notes: &Notes) -> Self {
        (self.row.tags, self.row.held) = (notes.tags.clone(), notes.is_held());
        self
    }

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
            tags: BTreeSet::new(),
            held: false,
            node: None,
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
    let searched = sidecar.call.iter().filter(|(field, _)| vendor::is_searched(field));
    searched.map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
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

/// All whom `record` names: who called, who was called, and whoever else the metadata has. One may stand there twice.
pub(super) fn people(record: &Record) -> impl Iterator<Item = &Person> {
    let parties = record.row.caller.iter().chain(&record.row.callee);
    parties.chain(record.participants.iter().map(|(_, person)| person))
}

/// Address and name in lower case, to be searched for a part.
pub(super) fn search_text(person: &Person) -> String {
    let (aor, name) = (person.aor.as_deref().unwrap_or_default(), person.name.as_deref().unwrap_or_default());
    format!("{aor}\n{name}").to_lowercase()
}

/// The number, if the address has one.
pub(super) fn search_number(person: &Person) -> String {
    person.aor.as_deref().and_then(number_of).unwrap_or_default()
}

/// Tags as a row keeps them: a line end before and after each.
pub(super) fn tag_lines(tags: &BTreeSet<Tag>) -> String {
    let lines: String = tags.iter().map(|tag| format!("\n{tag}")).collect();
    if lines.is_empty() { lines } else { lines + "\n" }
}

/// The tags of [`tag_lines`].
pub(super) fn tags_of(lines: &str) -> BTreeSet<Tag> {
    lines.lines().filter_map(|line| line.parse().ok()).collect()
}

/// What stands in a row only to be searched, the same in both engines.
#[derive(Debug)]
pub(super) struct Searched {
    /// [`search_text`] of all people, each with a line end.
    pub(super) people_search: String,
    /// [`search_number`] of all people, each with a line end: that is how the end of a number is told.
    pub(super) people_number: String,
    /// All words, with a blank before and after each.
    pub(super) words: String,
    /// The SRC's product in lower case.
    pub(super) product_search: String,
}

impl Searched {
    pub(super) fn of(record: &Record) -> Self {
        let lines = |field: fn(&Person) -> String| {
            let mut lines: Vec<String> = Vec::new();
            for line in people(record).map(field).filter(|line| !line.is_empty()) {
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            lines.iter().map(|line| format!("{line}\n")).collect()
        };
        let words: String = terms::words_of(record).iter().map(|word| format!(" {word}")).collect();
        Self {
            people_search: lines(search_text),
            people_number: lines(search_number),
            words: words + " ",
            product_search: record.row.product.as_deref().unwrap_or_default().to_lowercase(),
        }
    }
}

fn rfc3339<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn of_rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Wall, D::Error> {
    let text = String::deserialize(deserializer)?;
    date_time(&text).ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is no RFC 3339 time")))
}
