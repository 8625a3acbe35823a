//! What keys do. A key is its name (`j`, `enter`, `ctrl-d`); which keys work where is also told in `view/overlay.rs`.

use std::path::PathBuf;

use siprec_core::trace;

use super::answers::name;
use super::cursor::{Cursor, Typed};
use super::event::{Ask, Ear, Effect, Order};
use super::frame;
use super::picture;
use super::state::{OpenedRecording, Overlay, Pane, Purpose, State, Tab, Typing};
use super::update::POINTS;

impl State {
    pub(super) fn key(&mut self, key: &str) -> Vec<Effect> {
        match key {
            "ctrl-c" => return vec![Effect::Quit],
            "ctrl-z" => return vec![Effect::Suspend],
            _ => {}
        }
        if frame::is_small(self.size) {
            return if key == "q" { vec![Effect::Quit] } else { Vec::new() };
        }
        if let Some(overlay) = self.overlay.take() {
            return self.overlay_key(overlay, key);
        }
        match self.typing {
            Typing::Nowhere => self.command(key),
            Typing::Filter => self.filter_key(key),
            Typing::Search => self.search_key(key),
        }
    }

    pub(super) fn pasted(&mut self, text: &str) -> Vec<Effect> {
        if let Some(Overlay::Prompt { typed, .. }) = &mut self.overlay {
            typed.paste(text);
        } else if self.typing == Typing::Filter {
            self.filter.paste(text);
            self.refilter();
        } else if self.typing == Typing::Search {
            self.recordings.typed.paste(text);
        }
        Vec::new()
    }

    fn command(&mut self, key: &str) -> Vec<Effect> {
        match key {
            "q" => return vec![Effect::Quit],
            "?" => self.overlay = Some(Overlay::Help(0)),
            "1" => self.show(Tab::Sessions),
            "2" => self.show(Tab::Session),
            "3" => self.show(Tab::Recordings),
            "4" => self.show(Tab::System),
            "tab" => self.show_beside(1),
            "backtab" => self.show_beside(Tab::ALL.len() - 1),
            "S" => {
                let file = picture::name(&self.tab.title().to_lowercase(), self.now);
                self.prompt(Purpose::Picture, file);
            }
            _ => {
                return match self.tab {
                    Tab::Sessions => self.sessions_key(key),
                    Tab::Session => self.session_key(key),
                    Tab::Recordings => self.recordings_key(key),
                    Tab::System => self.system_key(key),
                };
            }
        }
        Vec::new()
    }

    /// Goes to a view.
    pub(super) fn show(&mut self, tab: Tab) {
        if tab == Tab::Session && self.opened.is_none() {
            match self.table.chosen().map(|line| line.session.clone()) {
                Some(session) => self.open(session),
                None => self.say("no session is chosen"),
            }
            return;
        }
        self.tab = tab;
    }

    fn show_beside(&mut self, by: usize) {
        let place = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        let mut next = (place + by) % Tab::ALL.len();
        if Tab::ALL.get(next) == Some(&Tab::Session) && self.opened.is_none() && self.table.chosen().is_none() {
            next = (next + by) % Tab::ALL.len();
        }
        if let Some(tab) = Tab::ALL.get(next) {
            self.show(*tab);
        }
    }

    fn prompt(&mut self, purpose: Purpose, text: String) {
        self.overlay = Some(Overlay::Prompt { purpose, typed: Typed(text) });
    }

    fn sessions_key(&mut self, key: &str) -> Vec<Effect> {
        let page = usize::from(frame::table_rows(self.size).height);
        let count = self.table.shown_count();
        if self.table.cursor.key(key, count, page) {
            return Vec::new();
        }
        match key {
            "/" => self.typing = Typing::Filter,
            "esc" => {
                self.filter.0.clear();
                self.refilter();
            }
            "o" => self.table.sort_by_next(),
            "O" => self.table.reverse(),
            "enter" => self.open_chosen(),
            _ => return self.order_key(key),
        }
        Vec::new()
    }

    fn open_chosen(&mut self) {
        if let Some(session) = self.table.chosen().map(|line| line.session.clone()) {
            self.open(session);
        }
    }

    /// Keys that are about a session.
    fn order_key(&mut self, key: &str) -> Vec<Effect> {
        let orders = [("p", Order::Pause), ("r", Order::Resume), ("s", Order::Stop)];
        let Some((_, order)) = orders.into_iter().find(|(known, _)| *known == key) else {
            if key == "l" {
                return self.listen();
            }
            if key == "t" {
                self.tag_session();
            }
            return Vec::new();
        };
        let meant = self.meant_session().map(|session| {
            let who = format!("{} -> {}", name(session.caller.as_ref()), name(session.callee.as_ref()));
            (session.id.clone(), who)
        });
        let Some((id, who)) = meant else {
            self.complain("no session that goes on is chosen");
            return Vec::new();
        };
        if self.is_forbidden() {
            return Vec::new();
        }
        let ask = Ask::Order(order, id);
        if order == Order::Stop {
            let question = format!("Stop recording {who}?");
            let warning = "It ends with BYE and cannot be begun again.";
            self.overlay = Some(Overlay::Confirm { question, warning, ask });
            return Vec::new();
        }
        vec![Effect::Ask(ask)]
    }

    fn tag_session(&mut self) {
        match self.meant_session().map(|session| session.id.clone()) {
            Some(id) if !self.is_forbidden() => self.prompt(Purpose::TagSession(id), String::new()),
            Some(_) => {}
            None => self.complain("no session that goes on is chosen"),
        }
    }

    /// Says so, where nothing may be changed.
    fn is_forbidden(&mut self) -> bool {
        if self.manner.read_only {
            self.complain("--read-only: nothing is changed from here");
        }
        self.manner.read_only
    }

    fn listen(&mut self) -> Vec<Effect> {
        if self.heard.is_some() {
            return vec![Effect::Ask(Ask::StopListening)];
        }
        let Some(id) = self.meant_session().map(|session| session.id.clone()) else {
            self.complain("no session that goes on is chosen");
            return Vec::new();
        };
        let short: String = id.chars().take(8).collect();
        let player = self.manner.player.as_ref().map(|player| format!("| {player}"));
        self.prompt(Purpose::Listen(id), player.unwrap_or_else(|| format!("siprec-{short}.wav")));
        Vec::new()
    }

    fn session_key(&mut self, key: &str) -> Vec<Effect> {
        let (rows, events_page) = (usize::from(frame::sip(self.size).height), self.events_page());
        let is_wide = frame::is_wide(self.size);
        let count = self.opened.as_ref().map_or(0, |opened| self.events_of(&opened.session.id).count());
        let Some(opened) = &mut self.opened else { return Vec::new() };
        let place = Pane::ALL.iter().position(|pane| *pane == opened.pane).unwrap_or(0);
        let pane = |place: usize| Pane::ALL.get(place % Pane::ALL.len()).copied().unwrap_or(Pane::Legs);
        match key {
            "right" | "]" => opened.pane = pane(place + 1),
            "left" | "[" | "h" => opened.pane = pane(place + Pane::ALL.len() - 1),
            "esc" => self.tab = Tab::Sessions,
            "enter" if opened.pane == Pane::Sip || is_wide => self.read_message(),
            _ => {
                let moved = match opened.pane {
                    Pane::Events => opened.events.key(key, count, events_page),
                    Pane::Sip => opened.ladder.scroll.key(key, rows),
                    Pane::Legs | Pane::People => is_wide && opened.ladder.scroll.key(key, rows),
                };
                if !moved {
                    return self.order_key(key);
                }
            }
        }
        Vec::new()
    }

    fn read_message(&mut self) {
        let Some(message) = self.opened.as_ref().and_then(|opened| opened.ladder.message()) else { return };
        let (at, transport) = (trace::clock(message.at), message.transport);
        let title = format!("{at}  {transport}  {} > {}", message.from, message.to);
        // As the server gave it: with its keys blanked.
        let text = String::from_utf8_lossy(&message.bytes);
        let lines = text.lines().map(|line| line.trim_end().replace('\t', "    ")).collect();
        self.overlay = Some(Overlay::Text { title, lines, cursor: Cursor::default() });
    }

    fn recordings_key(&mut self, key: &str) -> Vec<Effect> {
        if let Some(opened) = &mut self.recordings.opened
            && !frame::is_wide(self.size)
        {
            match key {
                "j" | "down" => opened.top += 1,
                "k" | "up" => opened.top = opened.top.saturating_sub(1),
                "esc" | "h" | "left" => self.recordings.opened = None,
                _ => return self.recording_key(key),
            }
            return Vec::new();
        }
        let page = usize::from(frame::table_rows(self.size).height);
        let (count, before) = (self.recordings.rows.len(), self.recordings.cursor.at);
        if self.recordings.cursor.key(key, count, page) {
            let is_other = before != self.recordings.cursor.at;
            let mut effects = self.next_page();
            // Where both stand side by side, the sheet is that of the row.
            if is_other && self.recordings.opened.is_some() {
                effects.extend(self.open_recording());
            }
            return effects;
        }
        match key {
            "/" => self.typing = Typing::Search,
            "esc" if self.recordings.opened.is_some() => self.recordings.opened = None,
            "esc" => {
                self.recordings.typed.0.clear();
                return self.search().into_iter().map(Effect::Ask).collect();
            }
            "R" => return self.search().into_iter().map(Effect::Ask).collect(),
            "enter" => return self.open_recording(),
            _ => return self.recording_key(key),
        }
        Vec::new()
    }

    /// Keys that are about a recording.
    fn recording_key(&mut self, key: &str) -> Vec<Effect> {
        let Some(row) = self.chosen_recording() else { return Vec::new() };
        let (id, end) = (row.id.to_string(), row.path.rsplit_once('.').map_or("wav", |(_, end)| end).to_owned());
        match key {
            "w" => self.prompt(Purpose::Audio(id.clone()), format!("{id}.{end}")),
            "t" if !self.is_forbidden() => self.prompt(Purpose::Tag(id), String::new()),
            _ => {}
        }
        Vec::new()
    }

    fn open_recording(&mut self) -> Vec<Effect> {
        let Some(id) = self.chosen_recording().map(|row| row.id.to_string()) else { return Vec::new() };
        let peaks = Err("drawing ...".to_owned());
        self.recordings.opened = Some(OpenedRecording { id: id.clone(), sheet: None, peaks, top: 0 });
        vec![Effect::Ask(Ask::Sheet(id.clone())), Effect::Ask(Ask::Peaks(id, POINTS))]
    }

    fn system_key(&mut self, key: &str) -> Vec<Effect> {
        let page = usize::from(frame::below_title(frame::system(self.size).alarms).height);
        let count = self.system.alarms.len();
        if self.system.alarm.key(key, count, page) {
            return Vec::new();
        }
        let Some(alarm) = self.system.alarms.get(self.system.alarm.at) else { return Vec::new() };
        let (id, session) = (alarm.id.clone(), alarm.session.clone());
        match key {
            "a" if !self.is_forbidden() => return vec![Effect::Ask(Ask::Acknowledge(id))],
            "enter" => {
                let session = session.and_then(|id| self.table.find(&id)).map(|line| line.session.clone());
                match session {
                    Some(session) => self.open(session),
                    None => self.say("this alarm is of no session that goes on"),
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn filter_key(&mut self, key: &str) -> Vec<Effect> {
        match key {
            "enter" => self.typing = Typing::Nowhere,
            "esc" => {
                self.typing = Typing::Nowhere;
                self.filter.0.clear();
                self.refilter();
            }
            "up" => self.table.cursor.go(-1, self.table.shown_count()),
            "down" => self.table.cursor.go(1, self.table.shown_count()),
            _ => {
                if self.filter.key(key) {
                    self.refilter();
                }
            }
        }
        Vec::new()
    }

    fn refilter(&mut self) {
        self.table.set_filter(&self.filter.0);
        self.table.arrange_now(&self.histories);
    }

    fn search_key(&mut self, key: &str) -> Vec<Effect> {
        match key {
            "enter" => {
                self.typing = Typing::Nowhere;
                return self.search().into_iter().map(Effect::Ask).collect();
            }
            "esc" => self.typing = Typing::Nowhere,
            _ => drop(self.recordings.typed.key(key)),
        }
        Vec::new()
    }

    fn overlay_key(&mut self, overlay: Overlay, key: &str) -> Vec<Effect> {
        let is_left = ["esc", "q"].contains(&key);
        match overlay {
            Overlay::Help(top) => match key {
                "j" | "down" => self.overlay = Some(Overlay::Help(top + 1)),
                "k" | "up" => self.overlay = Some(Overlay::Help(top.saturating_sub(1))),
                _ => {}
            },
            Overlay::Confirm { question, warning, ask } => match key {
                "y" | "Y" | "enter" => return vec![Effect::Ask(ask)],
                "n" | "N" | "esc" | "q" => self.say("nothing was done"),
                _ => self.overlay = Some(Overlay::Confirm { question, warning, ask }),
            },
            Overlay::Prompt { purpose, mut typed } => match key {
                "enter" => return self.prompted(purpose, typed.0.trim()),
                "esc" => {}
                _ => {
                    typed.key(key);
                    self.overlay = Some(Overlay::Prompt { purpose, typed });
                }
            },
            Overlay::Text { title, lines, mut cursor } => {
                let page = usize::from(frame::overlay(self.size).height.saturating_sub(2));
                // What is moved here is what is seen, not a chosen row.
                cursor.key(key, lines.len().saturating_sub(page) + 1, page);
                if !is_left && key != "enter" {
                    self.overlay = Some(Overlay::Text { title, lines, cursor });
                }
            }
        }
        Vec::new()
    }

    /// A line was typed.
    fn prompted(&mut self, purpose: Purpose, text: &str) -> Vec<Effect> {
        if text.is_empty() {
            self.say("nothing was done");
            return Vec::new();
        }
        let path = || PathBuf::from(text);
        let is_added = !text.starts_with('-');
        let tag = text.strip_prefix('-').unwrap_or(text).to_owned();
        vec![match purpose {
            Purpose::Picture => Effect::Save(path()),
            Purpose::Audio(id) => Effect::Ask(Ask::SaveAudio(id, path())),
            Purpose::Listen(id) => {
                self.heard = Some((id.clone(), 0));
                let ear = Ear::of(text);
                let way = if matches!(ear, Ear::Player(_)) { "by" } else { "into" };
                self.say(format!("listening {way} {ear}; l ends it"));
                Effect::Ask(Ask::Listen(id, ear))
            }
            Purpose::Tag(id) => Effect::Ask(Ask::Tag(id, tag, is_added)),
            Purpose::TagSession(id) => Effect::Ask(Ask::TagSession(id, tag, is_added)),
        }]
    }
}
