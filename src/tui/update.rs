//! What happens to the state when something comes.

use super::answers::{self, Happened};
use super::cursor::Cursor;
use super::event::{Ask, Effect, Event, Told};
use super::frame;
use super::ladder::Ladder;
use super::metrics::Counters;
use super::state::{Link, MAX_EVENTS, Opened, OpenedRecording, Pane, State, Tab};
use super::wants::Kind;
use crate::api_answers::{Session, Signalling};

/// Everything is asked for again after so long, whether or not an event said so, milliseconds.
const ANYWAY: i64 = 30_000;
/// How often figures are asked for while they are seen, milliseconds.
const FIGURES: i64 = 2_000;
/// Columns of a drawing.
pub(super) const POINTS: u16 = 200;

impl State {
    /// Takes in what came at `now` (milliseconds since 1970); what is to be done about it.
    pub(super) fn update(&mut self, now: i64, event: Event) -> Vec<Effect> {
        self.now = now;
        let is_tick = matches!(event, Event::Tick);
        let mut effects = match event {
            Event::Key(key) => self.key(&key),
            Event::Pasted(text) => self.pasted(&text),
            Event::Click(column, row) => self.click(column, row),
            Event::Wheel(rows) => self.wheel(rows),
            Event::Size(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Event::Tick => self.tick(),
            Event::Ended => vec![Effect::Quit],
            Event::Continued => Vec::new(),
            Event::Suspended => vec![Effect::Suspend],
            Event::Told(told) => self.told(told),
        };
        self.table.arrange(&self.histories, is_tick);
        self.fit();
        effects.extend(self.asked().into_iter().map(Effect::Ask));
        effects
    }

    fn tick(&mut self) -> Vec<Effect> {
        if self.notice.as_ref().is_some_and(|notice| notice.until <= self.now) {
            self.notice = None;
        }
        if self.link == Link::Live {
            self.wants.want_after(Kind::Sessions, ANYWAY, self.now);
            self.wants.want_after(Kind::Alarms, ANYWAY, self.now);
        }
        Vec::new()
    }

    /// Every cursor in its list, every list in sight.
    fn fit(&mut self) {
        let page = usize::from(frame::table_rows(self.size).height);
        self.table.cursor.fit(self.table.shown_count(), page);
        self.recordings.cursor.fit(self.recordings.rows.len(), page);
        let alarms = usize::from(frame::below_title(frame::system(self.size).alarms).height);
        self.system.alarm.fit(self.system.alarms.len(), alarms);
        let (sip, events) = (frame::sip(self.size), self.events_page());
        let count = self.opened.as_ref().map_or(0, |opened| self.events_of(&opened.session.id).count());
        if let Some(opened) = &mut self.opened {
            opened.ladder.fit(sip.width, sip.height);
            opened.events.fit(count, events);
        }
    }

    /// Events that are seen at a time in the Session view.
    pub(super) fn events_page(&self) -> usize {
        let wide = || frame::below_title(frame::session(self.size).events);
        let area = if frame::is_wide(self.size) { wide() } else { frame::pane(self.size) };
        usize::from(area.height)
    }

    /// What has to be asked now.
    fn asked(&mut self) -> Vec<Ask> {
        if self.link != Link::Live {
            return Vec::new();
        }
        let now = self.now;
        if self.tab == Tab::System {
            self.wants.want_after(Kind::Metrics, FIGURES, now);
            self.wants.want_after(Kind::Peers, 2 * FIGURES, now);
            if !self.wants.is_known(Kind::Ports) {
                self.wants.want(Kind::Ports);
            }
        }
        if self.tab == Tab::Recordings && self.recordings.number == 0 {
            return self.search();
        }
        let opened = self.opened.as_ref().map(|opened| opened.session.id.clone());
        let ask = |kind| match kind {
            Kind::Sessions => Some(Ask::Sessions),
            Kind::Alarms => Some(Ask::Alarms),
            Kind::Peers => Some(Ask::Peers),
            Kind::Metrics => Some(Ask::Metrics),
            Kind::Ports => Some(Ask::Ports),
            Kind::Signalling => opened.clone().map(Ask::Signalling),
        };
        self.wants.due(now).into_iter().filter_map(ask).collect()
    }

    /// Something came from the server.
    fn told(&mut self, told: Told) -> Vec<Effect> {
        match told {
            Told::Connected => self.connected(),
            Told::Lost(why, again) => self.lost(why, again),
            Told::Missed => self.want_all(),
            Told::Happened(event) => self.happened(*event),
            Told::Seconds(seconds) => {
                seconds.iter().for_each(|second| self.histories.take(second));
                self.table.figures_changed();
            }
            Told::Sessions(sessions) => self.sessions(sessions),
            Told::Signalling(session, signalling) => self.signalling(&session, signalling),
            Told::Alarms(alarms) => {
                self.wants.answered(Kind::Alarms, self.now);
                self.system.alarms = alarms;
            }
            Told::Peers(peers) => {
                self.wants.answered(Kind::Peers, self.now);
                self.system.peers = peers;
            }
            Told::Metrics(text) => {
                self.wants.answered(Kind::Metrics, self.now);
                self.system.figures.take(Counters::read(self.now, &text));
            }
            Told::Ports(range) => {
                self.wants.answered(Kind::Ports, self.now);
                self.system.ports = Some(range);
            }
            Told::Page(number, page) => self.page(number, page),
            Told::Sheet(id, sheet) => {
                if let Some(opened) = self.opened_recording(&id) {
                    opened.sheet = Some(sheet);
                }
            }
            Told::Peaks(id, peaks) => {
                if let Some(opened) = self.opened_recording(&id) {
                    opened.peaks = Ok(peaks);
                }
            }
            Told::NoPeaks(id, why) => {
                if let Some(opened) = self.opened_recording(&id) {
                    opened.peaks = Err(why);
                }
            }
            Told::Done(what) => {
                self.say(what);
                self.wants.want(Kind::Sessions);
                self.wants.want(Kind::Alarms);
            }
            Told::Tagged(id, tag, is_added, what) => {
                self.say(what);
                self.tagged(&id, &tag, is_added);
            }
            Told::Failed(ask, why) => self.failed(&ask, &why),
            Told::Heard(octets) => {
                if let Some((_, heard)) = &mut self.heard {
                    *heard = octets;
                }
            }
            Told::HeardOut(why) => {
                self.heard = None;
                self.say(why);
            }
        }
        Vec::new()
    }

    fn connected(&mut self) {
        if matches!(self.link, Link::Lost { .. }) {
            self.say("connected again");
        }
        self.link = Link::Live;
        self.wants.forget();
        self.want_all();
        self.wants.want(Kind::Signalling);
    }

    fn want_all(&mut self) {
        self.wants.want(Kind::Sessions);
        self.wants.want(Kind::Alarms);
    }

    fn lost(&mut self, why: String, again: u64) {
        let again = self.now.saturating_add_unsigned(again);
        let since = match &self.link {
            Link::Lost { since, .. } => *since,
            Link::Connecting | Link::Live => self.now,
        };
        self.link = Link::Lost { why, since, again };
        self.wants.forget();
    }

    fn happened(&mut self, event: Happened) {
        match event.kind.as_str() {
            "session.ended" => {
                let session = event.session.clone().unwrap_or_default();
                self.table.ended(&session);
                if let Some(opened) = self.opened.as_mut().filter(|opened| opened.session.id == session) {
                    opened.ended = Some(event.text("cause"));
                }
                self.wants.want(Kind::Alarms);
            }
            "server.alarm" | "alarm.acknowledged" => self.wants.want(Kind::Alarms),
            "session.alarm" => self.want_all(),
            kind if kind.starts_with("session.") || kind.starts_with("stream.") || kind == "recording.started" => {
                self.wants.want(Kind::Sessions);
            }
            _ => {}
        }
        if self.opened.as_ref().is_some_and(|opened| Some(&opened.session.id) == event.session.as_ref()) {
            self.wants.want(Kind::Signalling);
        }
        self.events.push_back(event);
        if self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    fn sessions(&mut self, sessions: Vec<Session>) {
        self.wants.answered(Kind::Sessions, self.now);
        if let Some(opened) = &mut self.opened {
            match sessions.iter().find(|session| session.id == opened.session.id) {
                Some(session) => (opened.session, opened.ended) = (session.clone(), None),
                None if opened.ended.is_none() => opened.ended = Some("over".to_owned()),
                None => {}
            }
        }
        self.table.take(sessions);
        let (ids, opened) = (self.table.ids(), self.opened.as_ref().map(|opened| opened.session.id.as_str()));
        self.histories.keep(|session| ids.contains(session) || opened == Some(session));
    }

    fn signalling(&mut self, session: &str, signalling: Signalling) {
        self.wants.answered(Kind::Signalling, self.now);
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.session.id == session) {
            opened.ladder.take(signalling);
        }
    }

    fn failed(&mut self, ask: &Ask, why: &str) {
        if let Some(kind) = Kind::of(ask) {
            self.wants.answered(kind, self.now);
        }
        // Whose word it is stands above; what is wrong has to fit on the line.
        let said = why.strip_prefix(&self.manner.server).and_then(|rest| rest.strip_prefix(" says "));
        let why = said.unwrap_or(why).to_owned();
        match ask {
            // Who may not know of ports or of others' alarms sees what else there is.
            Ask::Ports | Ask::Peers | Ask::Metrics | Ask::Signalling(_) => {}
            Ask::Page(number, ..) => {
                if *number == self.recordings.number {
                    (self.recordings.wrong, self.recordings.is_asked) = (Some(why), false);
                }
            }
            Ask::Listen(..) => {
                self.heard = None;
                self.complain(why);
            }
            Ask::Sessions
            | Ask::Alarms
            | Ask::Sheet(_)
            | Ask::Peaks(..)
            | Ask::Order(..)
            | Ask::Acknowledge(_)
            | Ask::Tag(..)
            | Ask::TagSession(..)
            | Ask::SaveAudio(..)
            | Ask::StopListening => self.complain(why),
        }
    }

    /// What is listed has the tag, too.
    fn tagged(&mut self, id: &str, tag: &str, is_added: bool) {
        let row = self.recordings.rows.iter_mut().find(|row| row.id.to_string() == id);
        let (Some(row), Ok(tag)) = (row, tag.parse()) else { return };
        if is_added {
            row.tags.insert(tag);
        } else {
            row.tags.remove(&tag);
        }
    }

    fn page(&mut self, number: u64, page: answers::Page) {
        let recordings = &mut self.recordings;
        if number != recordings.number {
            return;
        }
        recordings.rows.extend(page.recordings);
        (recordings.next, recordings.is_asked) = (page.next, false);
    }

    fn opened_recording(&mut self, id: &str) -> Option<&mut OpenedRecording> {
        self.recordings.opened.as_mut().filter(|opened| opened.id == id)
    }

    /// Looks at a session.
    pub(super) fn open(&mut self, session: Session) {
        self.opened = Some(Opened {
            session,
            ended: None,
            ladder: Ladder::default(),
            pane: Pane::Legs,
            events: Cursor::default(),
        });
        self.tab = Tab::Session;
        self.wants.want_at_once(Kind::Signalling);
    }

    /// Asks the search that is typed.
    pub(super) fn search(&mut self) -> Vec<Ask> {
        let recordings = &mut self.recordings;
        recordings.number += 1;
        (recordings.cursor, recordings.next, recordings.opened) = (Cursor::default(), None, None);
        recordings.rows.clear();
        match super::search::query(&recordings.typed.0) {
            Ok(query) => {
                (recordings.wrong, recordings.is_asked) = (None, true);
                vec![Ask::Page(recordings.number, query, None)]
            }
            Err(why) => {
                (recordings.wrong, recordings.is_asked) = (Some(why), false);
                Vec::new()
            }
        }
    }

    /// Asks the next page, where there is one and the end of this one is near.
    pub(super) fn next_page(&mut self) -> Vec<Effect> {
        const NEAR: usize = 20;
        let recordings = &mut self.recordings;
        let is_near = recordings.cursor.at + NEAR >= recordings.rows.len();
        if recordings.is_asked || !is_near {
            return Vec::new();
        }
        let Some(next) = recordings.next.take() else { return Vec::new() };
        let Ok(query) = super::search::query(&recordings.typed.0) else { return Vec::new() };
        recordings.is_asked = true;
        vec![Effect::Ask(Ask::Page(recordings.number, query, Some(next)))]
    }
}

impl Happened {
    /// A field, as people read it; empty where there is none.
    pub(super) fn text(&self, field: &str) -> String {
        match self.more.get(field) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}
