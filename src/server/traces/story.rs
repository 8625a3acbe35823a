//! What has begun and not ended, and the spans of what has.
//!
//! ```text
//! recording session ------------------------------------     SessionStarted .. SessionEnded; alarms and pauses are its events
//!   recording   -------------------------------------------- RecordingStarted .. Recorded
//!     render                                             --- SessionEnded .. Recorded, NotRecorded
//!     store                                                 ---- Recorded .. Stored, one a target
//!     render again                                              - RecordedAgain, of no length
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use siprec_core::entry::EndCause;
use siprec_core::seed::{RecordingId, SessionId};
use siprec_core::time::Wall;

use crate::server::live::{LiveEvent, Told};

/// Alarms and pauses that are told of one session.
const MAX_EVENTS: usize = 128;
/// Recordings that were made and wait for a target: the oldest are told no more of.
const MAX_WAITING: usize = 4_096;

/// What has begun.
#[derive(Debug)]
pub(super) struct Story {
    sessions: HashMap<SessionId, Session>,
    recordings: HashMap<RecordingId, Recording>,
    /// Recordings that wait for their targets, the oldest first.
    waiting: VecDeque<RecordingId>,
    /// Storage targets that each recording goes to.
    targets: usize,
    ended: Vec<SpanData>,
}

#[derive(Debug, Default)]
struct Session {
    attributes: Vec<KeyValue>,
    events: SpanEvents,
    recordings: Vec<RecordingId>,
}

#[derive(Debug)]
struct Recording {
    session: SessionId,
    begun: Wall,
    communication_session: Option<String>,
    /// When its session ended.
    over: Option<Wall>,
    made: Option<Wall>,
    /// Targets that have it.
    stored: usize,
}

/// A span that is made.
struct Ended {
    session: SessionId,
    /// Its own id, and that of the span it is part of.
    id: SpanId,
    parent: SpanId,
    name: &'static str,
    from: Wall,
    to: Wall,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Story {
    /// One of a server whose recordings go to so many storage targets.
    pub(super) fn new(targets: usize) -> Self {
        let (sessions, recordings) = (HashMap::new(), HashMap::new());
        Self { sessions, recordings, waiting: VecDeque::new(), targets, ended: Vec::new() }
    }

    /// The spans of what has ended since this was asked the last time.
    pub(super) fn ended(&mut self) -> Vec<SpanData> {
        std::mem::take(&mut self.ended)
    }

    /// Takes in what has happened.
    pub(super) fn take(&mut self, told: &Told) {
        match &told.event {
            LiveEvent::SessionStarted { session, src, streams, vendor } => {
                let mut attributes = vec![
                    KeyValue::new("network.peer.address", src.ip().to_string()),
                    KeyValue::new("network.peer.port", i64::from(src.port())),
                    KeyValue::new("siprec.streams", integer(*streams)),
                ];
                attributes.extend(vendor.iter().map(|vendor| KeyValue::new("siprec.src.vendor", vendor.clone())));
                self.sessions.entry(*session).or_default().attributes = attributes;
            }
            LiveEvent::SessionEnded { session, cause } => self.session_ended(*session, *cause, told.at),
            LiveEvent::Alarm { session, alarm, label, raised, .. } => {
                let name = if *raised { "alarm raised" } else { "alarm cleared" };
                self.note(*session, name, told.at, ("siprec.alarm", word(alarm)), label.as_deref());
            }
            LiveEvent::StreamPaused { session, label, cause, .. } => {
                let name = if cause.is_some() { "stream paused" } else { "stream resumed" };
                self.note(*session, name, told.at, ("siprec.cause", word(cause)), label.as_deref());
            }
            LiveEvent::RecordingStarted { session, recording, communication_session } => {
                self.sessions.entry(*session).or_default().recordings.push(*recording);
                let begun = Recording {
                    session: *session,
                    begun: told.at,
                    communication_session: communication_session.clone(),
                    over: None,
                    made: None,
                    stored: 0,
                };
                self.recordings.insert(*recording, begun);
            }
            LiveEvent::Recorded { session, recording, duration_ms } => {
                self.recorded(*session, *recording, *duration_ms, told.at);
            }
            LiveEvent::NotRecorded { session, recording, why } => {
                let over = recording.and_then(|recording| self.recordings.get(&recording)?.over).unwrap_or(told.at);
                let parent = recording.map_or_else(|| span_of(session.0), |recording| span_of(recording.0));
                let status = Status::error(why.clone());
                self.end(Ended {
                    session: *session,
                    id: part_of(parent, &("render", told.number)),
                    parent,
                    name: "render",
                    from: over,
                    to: told.at,
                    attributes: Vec::new(),
                    status,
                });
            }
            LiveEvent::RecordedAgain { session, recording, opened, sealed } => {
                self.rendered_again(*session, *recording, (*opened, *sealed), told);
            }
            LiveEvent::Stored { recording, target } => self.stored(*recording, target, told.at),
            // Tags are people's words: no trace tells them.
            LiveEvent::SessionTagged { .. }
            | LiveEvent::ServerAlarm { .. }
            | LiveEvent::Acknowledged { .. }
            | LiveEvent::Draining
            | LiveEvent::Quality(_) => {}
        }
    }

    fn note(
        &mut self,
        session: SessionId,
        name: &'static str,
        at: Wall,
        (key, value): (&'static str, String),
        label: Option<&str>,
    ) {
        let events = &mut self.sessions.entry(session).or_default().events;
        if events.events.len() >= MAX_EVENTS {
            events.dropped_count += 1;
            return;
        }
        let mut attributes = vec![KeyValue::new(key, value)];
        attributes.extend(label.map(|label| KeyValue::new("siprec.label", label.to_owned())));
        events.events.push(Event::new(name, time(at), attributes, 0));
    }

    fn session_ended(&mut self, session: SessionId, cause: EndCause, at: Wall) {
        // One that began before this process did says with its id when that was.
        let Session { mut attributes, events, recordings } = self.sessions.remove(&session).unwrap_or_default();
        for recording in recordings {
            if let Some(recording) = self.recordings.get_mut(&recording) {
                recording.over = Some(at);
            }
        }
        let word = word(&cause);
        attributes.push(KeyValue::new("siprec.end_cause", word.clone()));
        let is_fault =
            matches!(cause, EndCause::SrcGone | EndCause::DialogUnknown | EndCause::SessionExpired | EndCause::Failed);
        self.end(Ended {
            session,
            id: span_of(session.0),
            parent: SpanId::INVALID,
            name: "recording session",
            from: session.made_at(),
            to: at,
            attributes,
            status: if is_fault { Status::error(word) } else { Status::Unset },
        });
        if let Some(span) = self.ended.last_mut() {
            span.events = events;
        }
    }

    fn recorded(&mut self, session: SessionId, id: RecordingId, duration_ms: u64, at: Wall) {
        let begun = self.recordings.get_mut(&id);
        let (from, over, communication_session) = match begun {
            Some(begun) if begun.made.is_some() => return,
            Some(begun) => {
                begun.made = Some(at);
                (begun.begun, begun.over, begun.communication_session.take())
            }
            None => (id.made_at(), None, None),
        };
        let mut attributes = vec![
            KeyValue::new("siprec.recording.id", id.to_string()),
            KeyValue::new("siprec.recording.duration_ms", i64::try_from(duration_ms).unwrap_or(i64::MAX)),
        ];
        attributes.extend(communication_session.map(|id| KeyValue::new("siprec.communication_session.id", id)));
        let (own, parent) = (span_of(id.0), span_of(session.0));
        let status = Status::Unset;
        self.end(Ended { session, id: own, parent, name: "recording", from, to: at, attributes, status });
        if let Some(from) = over {
            let (id, attributes) = (part_of(own, &"render"), Vec::new());
            let status = Status::Unset;
            self.end(Ended { session, id, parent: own, name: "render", from, to: at, attributes, status });
        }
        if self.targets == 0 {
            self.recordings.remove(&id);
            return;
        }
        self.waiting.push_back(id);
        while self.waiting.len() > MAX_WAITING {
            let oldest = self.waiting.pop_front();
            oldest.and_then(|oldest| self.recordings.remove(&oldest));
        }
    }

    /// The session is over as a rule: a span of its own tells it, not an event of the session's.
    fn rendered_again(&mut self, session: SessionId, id: RecordingId, (opened, sealed): (u64, u64), told: &Told) {
        let packets = |key, count| KeyValue::new(key, i64::try_from(count).unwrap_or(i64::MAX));
        let parent = span_of(id.0);
        self.end(Ended {
            session,
            id: part_of(parent, &("render again", told.number)),
            parent,
            name: "render again",
            from: told.at,
            to: told.at,
            attributes: vec![packets("siprec.packets.opened", opened), packets("siprec.packets.sealed", sealed)],
            status: Status::Unset,
        });
    }

    fn stored(&mut self, id: RecordingId, target: &str, at: Wall) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let (Some(from), session) = (recording.made, recording.session) else { return };
        recording.stored += 1;
        if recording.stored >= self.targets {
            self.recordings.remove(&id);
        }
        let parent = span_of(id.0);
        self.end(Ended {
            session,
            id: part_of(parent, &("store", target)),
            parent,
            name: "store",
            from,
            to: at,
            attributes: vec![KeyValue::new("siprec.storage.target", target.to_owned())],
            status: Status::Unset,
        });
    }

    fn end(&mut self, ended: Ended) {
        let Ended { session, id, parent, name, from, to, mut attributes, status } = ended;
        attributes.push(KeyValue::new("siprec.session.id", session.to_string()));
        let trace = TraceId::from_bytes(session.0.to_be_bytes());
        self.ended.push(SpanData {
            span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: if parent == SpanId::INVALID { SpanKind::Server } else { SpanKind::Internal },
            name: name.into(),
            start_time: time(from),
            end_time: time(to).max(time(from)),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("siprec").build(),
        });
    }
}

/// The span of what has that id: the half of it that is random.
fn span_of(id: u128) -> SpanId {
    let [.., a, b, c, d, e, f, g, h] = id.to_be_bytes();
    SpanId::from_bytes([a, b, c, d, e, f, g, h])
}

/// A span within another, the same whenever it is asked for.
fn part_of(parent: SpanId, what: &impl Hash) -> SpanId {
    let mut hasher = DefaultHasher::new();
    (parent.to_bytes(), what).hash(&mut hasher);
    // Never zero, which means none.
    SpanId::from_bytes((hasher.finish() | 1).to_be_bytes())
}

fn time(at: Wall) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(at.0).unwrap_or(0))
}

/// A name as the API has it.
fn word(of: &impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::entry::Alarm;

    const SESSION: SessionId = SessionId(0x0190_0000_0000_7000_8000_0000_0000_0001);
    const RECORDING: RecordingId = RecordingId(0x0190_0000_0000_7000_8000_0000_0000_0002);

    fn after(story: &mut Story, seconds: i64, event: LiveEvent) -> Vec<SpanData> {
        let begun = SESSION.made_at().0;
        story.take(&Told { number: 1, at: Wall(begun + seconds * 1_000_000_000), event });
        story.ended()
    }

    fn lasted(span: &SpanData) -> u64 {
        span.end_time.duration_since(span.start_time).unwrap().as_secs()
    }

    #[test]
    fn each_target_is_a_span_and_nothing_is_kept_when_all_have_it() {
        let mut story = Story::new(2);
        after(
            &mut story,
            0,
            LiveEvent::RecordingStarted { session: SESSION, recording: RECORDING, communication_session: None },
        );
        after(&mut story, 60, LiveEvent::SessionEnded { session: SESSION, cause: EndCause::Bye });
        after(&mut story, 62, LiveEvent::Recorded { session: SESSION, recording: RECORDING, duration_ms: 60_000 });
        let stored = |target: &str| LiveEvent::Stored { recording: RECORDING, target: target.into() };
        let first = after(&mut story, 65, stored("s3"));
        let second = after(&mut story, 72, stored("azure"));
        assert_eq!((first[0].name.as_ref(), lasted(&first[0]), lasted(&second[0])), ("store", 3, 10));
        assert_eq!(first[0].parent_span_id, span_of(RECORDING.0));
        assert_ne!(first[0].span_context.span_id(), second[0].span_context.span_id());
        assert!(story.recordings.is_empty() && story.sessions.is_empty());
    }

    #[test]
    fn a_session_of_which_only_the_end_is_heard_began_when_its_id_says() {
        let mut story = Story::new(0);
        let spans = after(&mut story, 30, LiveEvent::SessionEnded { session: SESSION, cause: EndCause::SrcGone });
        assert_eq!((spans.len(), lasted(&spans[0])), (1, 30));
        assert_eq!(spans[0].status, Status::error("src_gone"));
    }

    #[test]
    fn alarms_are_events_of_the_session_and_so_many_at_most() {
        let mut story = Story::new(0);
        for _ in 0..MAX_EVENTS + 5 {
            let alarm = LiveEvent::Alarm {
                session: SESSION,
                alarm: Alarm::NoRtp,
                port: None,
                label: Some("1".into()),
                raised: true,
            };
            assert!(after(&mut story, 5, alarm).is_empty());
        }
        let spans = after(&mut story, 9, LiveEvent::SessionEnded { session: SESSION, cause: EndCause::Bye });
        let events = &spans[0].events;
        assert_eq!((events.events.len(), events.dropped_count), (MAX_EVENTS, 5));
        assert_eq!(events.events[0].attributes[0], KeyValue::new("siprec.alarm", "no_rtp"));
    }

    #[test]
    fn what_is_made_again_is_told_of_the_recording_and_nothing_is_kept() {
        let mut story = Story::new(0);
        let again = LiveEvent::RecordedAgain { session: SESSION, recording: RECORDING, opened: 40, sealed: 2 };
        let spans = after(&mut story, 90, again);
        assert_eq!((spans[0].name.as_ref(), lasted(&spans[0])), ("render again", 0));
        assert_eq!(spans[0].parent_span_id, span_of(RECORDING.0));
        assert_eq!(spans[0].attributes[0], KeyValue::new("siprec.packets.opened", 40));
        assert!(story.recordings.is_empty() && story.sessions.is_empty());
    }

    #[test]
    fn what_could_not_be_made_is_a_fault() {
        let mut story = Story::new(0);
        let failed =
            LiveEvent::NotRecorded { session: SESSION, recording: Some(RECORDING), why: "the disk is full".into() };
        let spans = after(&mut story, 3, failed);
        assert_eq!((spans[0].name.as_ref(), &spans[0].status), ("render", &Status::error("the disk is full")));
    }
}
