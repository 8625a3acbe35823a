//! What the server answers beside its sessions, and how a session is summed up. A field that an older or a newer server lacks is
//! empty, not an error.

use serde::Deserialize;
use siprec_core::time::Wall;

use crate::api_answers::Session;
use crate::archive::catalog::{Person, Row};
use crate::archive::selection::date_time;

/// Sessions that go on.
#[derive(Debug, Deserialize)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<Session>,
}

/// Alarms that are raised.
#[derive(Debug, Deserialize)]
pub(super) struct Alarms {
    pub(super) alarms: Vec<Alarm>,
}

/// An alarm that is raised.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Alarm {
    pub(super) id: String,
    pub(super) alarm: String,
    pub(super) session: Option<String>,
    pub(super) stream: Option<u16>,
    pub(super) subject: Option<String>,
    pub(super) detail: String,
    pub(super) since: String,
    pub(super) acknowledged_by: Option<String>,
}

/// Peers and their sessions.
#[derive(Debug, Deserialize)]
pub(super) struct Peers {
    pub(super) peers: Vec<Peer>,
}

/// A row of `peers`; without a name, those under none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Peer {
    pub(super) name: Option<String>,
    pub(super) sessions: usize,
    pub(super) addresses: Vec<String>,
    pub(super) vendors: Vec<String>,
}

/// A page of recordings.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) recordings: Vec<Row>,
    pub(super) next: Option<String>,
}

/// A recording as it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Peaks {
    pub(super) duration_ms: u64,
    pub(super) channels: Vec<Vec<[i16; 2]>>,
}

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Happened {
    pub(super) id: String,
    pub(super) at: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) session: Option<String>,
    #[serde(flatten)]
    pub(super) more: serde_json::Map<String, serde_json::Value>,
}

/// A second of streams.
#[derive(Debug, Deserialize)]
pub(super) struct Quality {
    pub(super) streams: Vec<Second>,
}

/// A second of a stream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Second {
    pub(super) session: String,
    pub(super) stream: u16,
    pub(super) codec: Option<String>,
    pub(super) packets: u64,
    pub(super) expected: u64,
    pub(super) lost: u64,
    pub(super) jitter_us: u32,
    pub(super) mos: Option<f32>,
    pub(super) level_dbfs: Option<i16>,
    pub(super) talks: Option<bool>,
}

/// Milliseconds since 1970 of a time that the server writes.
pub(super) fn millis(text: &str) -> Option<i64> {
    date_time(text).map(|Wall(nanos)| nanos / 1_000_000)
}

/// Hours, minutes and seconds of such a time, in UTC, as it stands there.
pub(super) fn clock(text: &str) -> &str {
    text.get(11..19).unwrap_or(text)
}

impl Session {
    /// The codecs of its streams, each once, without their clock rates.
    pub(super) fn codecs(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for codec in self.streams.iter().filter_map(|stream| stream.codecs.first()) {
            let name = codec.split('/').next().unwrap_or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" ")
    }

    /// Where it comes from: its SRC's address, or the API.
    pub(super) fn origin(&self) -> &str {
        self.src.as_deref().unwrap_or("API")
    }

    /// Whether all of its streams are SRTP, some, or none.
    pub(super) fn srtp(&self) -> &'static str {
        let protected = self.streams.iter().filter(|stream| stream.srtp).count();
        match protected {
            0 => "-",
            all if all == self.streams.len() => "srtp",
            _ => "part",
        }
    }
}

/// A person's name or address, or a dash.
pub(super) fn name(person: Option<&Person>) -> &str {
    person.map(Person::label).filter(|label| !label.is_empty()).unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_answers::Stream;

    #[test]
    fn a_session_that_the_api_began_has_no_address() {
        let begun: Session = serde_json::from_str(r#"{"src": null, "transport": "api"}"#).unwrap();
        assert_eq!((begun.src.as_deref(), begun.origin()), (None, "API"));
    }

    #[test]
    fn codecs_are_named_once() {
        let stream = |codec: &str| Stream { codecs: vec![codec.into(), "x/1".into()], ..Stream::default() };
        let session = Session {
            streams: vec![stream("PCMA/8000"), stream("PCMA/8000"), stream("opus/48000")],
            ..Session::default()
        };
        assert_eq!(session.codecs(), "PCMA opus");
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(clock("2026-11-30T02:57:16.123Z"), "02:57:16");
        assert_eq!(clock("soon"), "soon");
        assert_eq!(millis("1970-01-01T00:00:01.500Z"), Some(1_500));
    }
}
