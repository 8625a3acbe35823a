//! What happens, as JSON: remembered for who comes back, and handed to who listens.
//!
//! ```text
//! Live -> text, once -> ring of the last events -> who resumes
//!                    -> broadcast             -> each listener; one that lags hears how many it missed
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use siprec_core::seed::SessionId;
use tokio::sync::broadcast;

use crate::server::live::{LiveEvent, StreamSecond, Told, Watch, Watched};
use crate::server::own_src::OwnSrc;
use crate::wall;

/// Events that are remembered; seconds of streams are not among them.
const REMEMBERED: usize = 8_192;
/// Events that a listener may be behind.
const BEHIND: usize = 1_024;

/// An event as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) number: u64,
    /// By which a listener goes on after it.
    pub(super) id: Arc<str>,
    /// `session.started`, `quality` ...
    pub(super) kind: &'static str,
    /// The session that it is about, if it is about one.
    pub(super) session: Option<SessionId>,
    pub(super) text: Arc<str>,
}

/// What happened since the server began.
#[derive(Debug)]
pub(in crate::server) struct EventLog {
    /// Tells this run of the server from others: numbers begin anew with each.
    run: String,
    ring: Mutex<Ring>,
    sender: broadcast::Sender<Written>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Written>,
    /// The number of the newest event that is not remembered any more.
    forgotten: u64,
}

/// Where a listener goes on.
#[derive(Debug)]
pub(super) struct Resumed {
    /// What it has not heard, as far as it is remembered.
    pub(super) before: Vec<Written>,
    /// Whether there was more.
    pub(super) is_torn: bool,
    /// What happens from then on.
    pub(super) after: broadcast::Receiver<Written>,
}

impl EventLog {
    pub(in crate::server) fn new() -> Self {
        Self { run: format!("{:x}", wall::now_ms()), ring: Mutex::default(), sender: broadcast::channel(BEHIND).0 }
    }

    /// Takes in what happens, until the server stops.
    pub(super) async fn follow(self: Arc<Self>, mut watch: Watch) {
        loop {
            match watch.next().await {
                Watched::Told(told) => self.take(&told),
                // It reads at once what is there: only a machine that stands still gets here.
                Watched::Missed(count) => {
                    tracing::warn!(count, "the API missed events: who listens is not told of them")
                }
                Watched::Over => return,
            }
        }
    }

    fn take(&self, told: &Told) {
        let written = self.written(told);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if written.kind != QUALITY {
            ring.events.push_back(written.clone());
            if ring.events.len() > REMEMBERED {
                ring.forgotten = ring.events.pop_front().map_or(0, |event| event.number);
            }
        }
        // Within the lock, so that who resumes misses none and hears none twice.
        let _ = self.sender.send(written);
    }

    /// From the event of the id `after` on; from now on, where there is none.
    pub(super) fn resume(&self, after: Option<&str>) -> Resumed {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(after) = after else { return Resumed { before: Vec::new(), is_torn: false, after: receiver } };
        let number = after.strip_prefix(self.run.as_str()).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
        let from = number.unwrap_or(0);
        let before = ring.events.iter().filter(|event| event.number > from).cloned().collect();
        Resumed { before, is_torn: number.is_none_or(|number| number < ring.forgotten), after: receiver }
    }

    fn written(&self, told: &Told) -> Written {
        let (kind, session, fields) = fields(&told.event);
        let id = format!("{}-{}", self.run, told.number);
        let mut object = Map::new();
        object.insert("id".into(), id.as_str().into());
        object.insert("at".into(), told.at.rfc3339().into());
        object.insert("type".into(), kind.into());
        object.extend(session.map(|session| ("session".to_owned(), session.to_string().into())));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        Written { number: told.number, id: id.into(), kind, session, text: Value::Object(object).to_string().into() }
    }
}

/// The kind of events that are not remembered.
pub(super) const QUALITY: &str = "quality";

/// The others.
pub(super) const KINDS: [&str; 14] = [
    "session.started",
    "session.ended",
    "session.alarm",
    "session.tagged",
    "stream.paused",
    "stream.resumed",
    "recording.started",
    "recording.completed",
    "recording.remade",
    "recording.failed",
    "recording.stored",
    "server.alarm",
    "server.draining",
    "alarm.acknowledged",
];

/// Its kind, its session, and what else it says.
pub(in crate::server) fn fields(event: &LiveEvent) -> (&'static str, Option<SessionId>, Value) {
    match event {
        LiveEvent::SessionStarted { session, src, streams, vendor } => {
            let src = (!OwnSrc::is_at(src.ip())).then_some(src);
            ("session.started", Some(*session), json!({ "src": src, "streams": streams, "vendor": vendor }))
        }
        LiveEvent::SessionEnded { session, cause } => ("session.ended", Some(*session), json!({ "cause": cause })),
        LiveEvent::Alarm { session, alarm, port, label, raised } => (
            "session.alarm",
            Some(*session),
            json!({ "alarm": alarm, "stream": port.map(|port| port.0), "label": label, "raised": raised }),
        ),
        LiveEvent::StreamPaused { session, port, label, cause } => {
            let kind = if cause.is_some() { "stream.paused" } else { "stream.resumed" };
            (kind, Some(*session), json!({ "stream": port.0, "label": label, "cause": cause }))
        }
        LiveEvent::RecordingStarted { session, recording, communication_session } => {
            let fields = json!({ "recording": recording, "communication_session": communication_session });
            ("recording.started", Some(*session), fields)
        }
        LiveEvent::SessionTagged { session, added, removed } => {
            ("session.tagged", Some(*session), json!({ "added": added, "removed": removed }))
        }
        LiveEvent::Recorded { session, recording, duration_ms } => {
            ("recording.completed", Some(*session), json!({ "recording": recording, "duration_ms": duration_ms }))
        }
        LiveEvent::RecordedAgain { session, recording, opened, sealed } => {
            let fields = json!({ "recording": recording, "opened": opened, "sealed": sealed });
            ("recording.remade", Some(*session), fields)
        }
        LiveEvent::NotRecorded { session, recording, why } => {
            ("recording.failed", Some(*session), json!({ "recording": recording, "why": why }))
        }
        LiveEvent::Stored { recording, target } => {
            ("recording.stored", None, json!({ "recording": recording, "target": target }))
        }
        LiveEvent::ServerAlarm { alarm, subject, detail, raised } => {
            let fields = json!({ "alarm": alarm, "subject": subject, "detail": detail, "raised": raised });
            ("server.alarm", None, fields)
        }
        LiveEvent::Acknowledged { alarm, by } => ("alarm.acknowledged", None, json!({ "alarm": alarm, "by": by })),
        LiveEvent::Draining => ("server.draining", None, json!({})),
        LiveEvent::Quality(seconds) => {
            (QUALITY, None, json!({ "streams": seconds.iter().map(second).collect::<Vec<_>>() }))
        }
    }
}

/// A second of a stream. What cannot be told is left out.
pub(super) fn second(of: &StreamSecond) -> Value {
    let second = &of.second;
    let mut value = json!({
        "session": of.session,
        "stream": second.port.0,
        "label": of.label,
        "codec": second.encoding,
        "packets": second.packets,
        "expected": second.expected,
        "lost": second.lost,
        "jitter_us": second.jitter_us,
        "mos": second.mos_hundredths.map(|mos| f64::from(mos) / 100.0),
        "level_dbfs": second.level_dbfs,
        "talks": second.talks,
        "both_talk": of.both_talk,
        "clipped_permille": second.clipped_permille,
        "round_trip_us": second.round_trip_us,
        "clock_skew_ppm": second.clock_skew_ppm,
    });
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use siprec_core::entry::EndCause;
    use siprec_core::seed::RecordingId;
    use siprec_core::time::Wall;

    fn told(number: u64) -> Told {
        Told { number, at: Wall(0), event: LiveEvent::SessionEnded { session: SessionId(1), cause: EndCause::Bye } }
    }

    #[test]
    fn who_comes_back_hears_what_it_missed_once() {
        let log = EventLog::new();
        (1..=5).for_each(|number| log.take(&told(number)));
        let id = format!("{}-3", log.run);
        let mut resumed = log.resume(Some(&id));
        assert!(!resumed.is_torn);
        let numbers: Vec<u64> = resumed.before.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [4, 5]);
        log.take(&told(6));
        assert_eq!(resumed.after.try_recv().unwrap().number, 6);
        assert!(log.resume(None).before.is_empty());
    }

    #[test]
    fn who_was_away_for_too_long_is_told_so() {
        let log = EventLog::new();
        let many = REMEMBERED as u64 + 10;
        (1..=many).for_each(|number| log.take(&told(number)));
        assert!(log.resume(Some(&format!("{}-3", log.run))).is_torn);
        assert!(!log.resume(Some(&format!("{}-{}", log.run, many - 5))).is_torn);
        let other = log.resume(Some("19a-7"));
        assert!(other.is_torn && other.before.len() == REMEMBERED, "of another run of the server");
    }

    #[test]
    fn what_is_told_is_of_a_kind_that_can_be_asked_for() {
        for event in [
            LiveEvent::Draining,
            LiveEvent::SessionEnded { session: SessionId(1), cause: EndCause::Bye },
            LiveEvent::SessionTagged { session: SessionId(1), added: Vec::new(), removed: Vec::new() },
            LiveEvent::Acknowledged { alarm: String::new(), by: String::new() },
            LiveEvent::Stored { recording: RecordingId(1), target: String::new() },
            LiveEvent::RecordedAgain { session: SessionId(1), recording: RecordingId(1), opened: 1, sealed: 0 },
        ] {
            assert!(KINDS.contains(&fields(&event).0));
        }
    }

    #[test]
    fn an_event_is_json_with_an_id() {
        let log = EventLog::new();
        let text = log.written(&told(9)).text;
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["type"], &value["cause"]), (&json!("session.ended"), &json!("bye")));
        assert_eq!(value["id"], format!("{}-9", log.run));
    }
}
