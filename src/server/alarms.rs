//! Alarms that are raised: of sessions, as the core tells them, and of the server itself. Each is told once when it is raised
//! and once when it is over; who takes note of one in between is remembered with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use siprec_core::entry::{Alarm, PortIndex};
use siprec_core::seed::SessionId;
use siprec_core::time::Wall;

use super::live::{Live, LiveEvent};
use crate::wall;

/// What is watched of the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServerAlarm {
    /// Less than twice `archive.min_free` is left on the disk.
    DiskLow,
    /// Less than `archive.min_free` is left: new sessions are refused.
    DiskFull,
    /// The disk does not keep up: new sessions are refused.
    DiskSlow,
    /// A storage target does not do what it is asked.
    StorageDown,
    /// A recording has waited for a storage target for too long.
    StorageLate,
    /// A recording cannot be made of its journal.
    NotRecorded,
    /// A recording has waited to be made of its journal for too long.
    RenderLate,
    /// A certificate of ours ends soon, or is over.
    CertificateExpires,
    /// The machine's clock was stepped away from the one that recordings go by.
    ClockOff,
    /// A peer that is usually busy at this time of the week has no sessions.
    PeerSilent,
}

/// What an alarm is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// A session, or one of its streams.
    Session(SessionId, Alarm, Option<PortIndex>),
    /// The server; the target, peer or certificate.
    Server(ServerAlarm, Option<String>),
}

impl Of {
    /// What kind it is: `one_way`, `disk_full`.
    pub(super) fn name(&self) -> String {
        let value = match self {
            Self::Session(_, alarm, _) => serde_json::to_value(alarm),
            Self::Server(alarm, _) => serde_json::to_value(alarm),
        };
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// What it is called: the same as long as it is raised, and when it comes again.
    pub(super) fn id(&self) -> String {
        let name = self.name();
        match self {
            Self::Session(session, _, port) => {
                let port = port.map(|port| format!("-{}", port.0)).unwrap_or_default();
                format!("{session}-{name}{port}")
            }
            Self::Server(_, subject) => {
                let subject = subject.iter().map(|subject| format!("-{subject}")).collect::<String>();
                format!("{name}{subject}")
            }
        }
    }
}

/// An alarm that is raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) since: Wall,
    /// What is wrong, in words; empty of a session's, whose names say it.
    pub(super) detail: String,
    /// Who has taken note of it, and when.
    pub(super) acknowledged: Option<(String, Wall)>,
}

/// Those of a session: of ten thousand sessions, each is asked for its own.
fn of_session(raised: &BTreeMap<Of, Raised>, session: SessionId) -> impl Iterator<Item = (&Of, &Raised)> {
    // The first that there is, in the order of `Alarm`.
    let first = Of::Session(session, Alarm::NoRtp, None);
    raised.range(first..).take_while(move |(of, _)| matches!(of, Of::Session(known, ..) if *known == session))
}

/// The alarms that are raised. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Alarms {
    raised: Arc<Mutex<BTreeMap<Of, Raised>>>,
    live: Live,
}

impl Alarms {
    pub(super) fn new(live: Live) -> Self {
        Self { raised: Arc::default(), live }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Of, Raised>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An alarm of a session was raised or is over; whoever calls tells it.
    pub(super) fn session(&self, at: Wall, of: Of, is_raised: bool) {
        let mut raised = self.lock();
        if is_raised {
            let fresh = Raised { since: at, detail: String::new(), acknowledged: None };
            raised.entry(of).or_insert(fresh);
        } else {
            raised.remove(&of);
        }
    }

    /// A session is over, and its alarms with it.
    pub(super) fn session_ended(&self, session: SessionId) {
        let mut raised = self.lock();
        let ids: Vec<Of> = of_session(&raised, session).map(|(of, _)| of.clone()).collect();
        ids.iter().for_each(|of| drop(raised.remove(of)));
    }

    /// What is raised of a session, since when.
    pub(super) fn of_session(&self, session: SessionId) -> Vec<(Alarm, Option<PortIndex>, Wall)> {
        let raised = self.lock();
        let of_session = of_session(&raised, session).filter_map(|(of, raised)| match of {
            Of::Session(_, alarm, port) => Some((*alarm, *port, raised.since)),
            Of::Server(..) => None,
        });
        of_session.collect()
    }

    /// How it stands with the server: `wrong` says what is; none: nothing. Told where it changes; whether it did.
    pub(super) fn server(&self, alarm: ServerAlarm, subject: Option<&str>, wrong: Option<String>) -> bool {
        let of = Of::Server(alarm, subject.map(str::to_owned));
        let (is_raised, detail) = (wrong.is_some(), wrong.unwrap_or_default());
        {
            let mut raised = self.lock();
            if raised.contains_key(&of) == is_raised {
                if let Some(known) = raised.get_mut(&of) {
                    known.detail = detail;
                }
                return false;
            }
            if is_raised {
                let fresh = Raised { since: wall::now(), detail: detail.clone(), acknowledged: None };
                raised.insert(of, fresh);
            } else {
                raised.remove(&of);
            }
        }
        let subject = subject.map(str::to_owned);
        self.live.publish(LiveEvent::ServerAlarm { alarm, subject, detail, raised: is_raised });
        true
    }

    /// How it stands with all subjects of a kind: what is wrong with each; nothing with those that are not named. Changes are
    /// logged, too.
    pub(super) fn server_all(&self, alarm: ServerAlarm, wrong: BTreeMap<String, String>) {
        let known = {
            let raised = self.lock();
            let of_kind = raised.range(Of::Server(alarm, None)..).map_while(|(of, _)| match of {
                Of::Server(kind, subject) if *kind == alarm => Some(subject.clone()),
                Of::Server(..) | Of::Session(..) => None,
            });
            of_kind.flatten().collect::<Vec<_>>()
        };
        for subject in known.iter().filter(|subject| !wrong.contains_key(*subject)) {
            if self.server(alarm, Some(subject), None) {
                tracing::info!(?alarm, subject, "alarm cleared");
            }
        }
        for (subject, wrong) in wrong {
            if self.server(alarm, Some(&subject), Some(wrong.clone())) {
                tracing::warn!(?alarm, subject, "alarm: {wrong}");
            }
        }
    }

    /// Somebody takes note of the alarm of this id; none of one that is not raised.
    #[cfg(feature = "api")]
    pub(super) fn acknowledge(&self, id: &str, by: &str) -> Option<(Of, Raised)> {
        let mut all = self.lock();
        let (of, raised) = all.iter_mut().find(|(of, _)| of.id() == id)?;
        let is_news = raised.acknowledged.is_none();
        raised.acknowledged.get_or_insert_with(|| (by.to_owned(), wall::now()));
        let found = (of.clone(), raised.clone());
        drop(all);
        if is_news {
            self.live.publish(LiveEvent::Acknowledged { alarm: id.to_owned(), by: by.to_owned() });
        }
        Some(found)
    }

    /// All that are raised.
    #[cfg(feature = "api")]
    pub(super) fn all(&self) -> Vec<(Of, Raised)> {
        self.lock().iter().map(|(of, raised)| (of.clone(), raised.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::live::Watched;
    use crate::server::orders::Desk;

    #[test]
    fn an_alarm_of_the_server_is_told_when_it_changes() {
        let desk = Desk::default();
        let mut watch = desk.live().watch_changes();
        let alarms = Alarms::new(desk.live().clone());
        let down = |wrong: Option<&str>| alarms.server(ServerAlarm::StorageDown, Some("far"), wrong.map(str::to_owned));
        down(None);
        down(Some("refused"));
        down(Some("timed out"));
        assert_eq!(alarms.all()[0].1.detail, "timed out");
        assert_eq!(alarms.all()[0].0.id(), "storage_down-far");
        down(None);
        assert!(alarms.all().is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for expected in [(true, "refused"), (false, "")] {
            let Watched::Told(told) = runtime.block_on(watch.next()) else { panic!("nothing told") };
            let LiveEvent::ServerAlarm { raised, detail, .. } = told.event else { panic!("{told:?}") };
            assert_eq!((raised, detail.as_str()), expected);
        }
    }

    #[test]
    fn of_several_subjects_those_that_are_not_named_are_right_again() {
        let alarms = Alarms::new(Desk::default().live().clone());
        let wrong = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "late".to_owned())).collect();
        alarms.server(ServerAlarm::StorageDown, Some("far"), Some("refused".to_owned()));
        let ids = |alarms: &Alarms| alarms.all().iter().map(|(of, _)| of.id()).collect::<Vec<_>>();
        alarms.server_all(ServerAlarm::StorageLate, wrong(&["far", "near"]));
        assert_eq!(ids(&alarms), ["storage_down-far", "storage_late-far", "storage_late-near"]);
        alarms.server_all(ServerAlarm::StorageLate, wrong(&["near"]));
        assert_eq!(ids(&alarms), ["storage_down-far", "storage_late-near"]);
    }

    #[test]
    fn who_takes_note_is_remembered_until_it_is_over() {
        let alarms = Alarms::new(Desk::default().live().clone());
        let (session, at) = (SessionId(7), Wall(1));
        let of = Of::Session(session, Alarm::OneWay, Some(PortIndex(1)));
        alarms.session(at, of.clone(), true);
        assert_eq!(alarms.of_session(session), [(Alarm::OneWay, Some(PortIndex(1)), at)]);
        let id = of.id();
        assert!(id.ends_with("-one_way-1"), "{id}");
        assert!(alarms.acknowledge("other", "eve").is_none());
        alarms.acknowledge(&id, "ann").unwrap();
        let (_, raised) = alarms.acknowledge(&id, "bob").unwrap();
        assert_eq!(raised.acknowledged.unwrap().0, "ann");
        alarms.session_ended(session);
        assert!(alarms.all().is_empty());
    }
}
