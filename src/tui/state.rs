//! All that the terminal knows; what is seen is made of it alone.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use siprec_core::render::Sidecar;

use super::answers::{Alarm, Happened, Peaks, Peer};
use super::cursor::{Cursor, Typed};
use super::event::{Ask, Effect, Event};
use super::history::Histories;
use super::ladder::Ladder;
use super::metrics::Figures;
use super::running::Shown;
use super::table::SessionTable;
use super::theme::Theme;
use super::view;
use super::wants::Wants;
use crate::api_answers::Session;
use crate::archive::catalog::Row;

/// Events that are remembered.
pub(super) const MAX_EVENTS: usize = 2_000;

/// The views that keys and tabs lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Sessions,
    Session,
    Recordings,
    System,
}

impl Tab {
    pub(super) const ALL: [Self; 4] = [Self::Sessions, Self::Session, Self::Recordings, Self::System];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Sessions => "Sessions",
            Self::Session => "Session",
            Self::Recordings => "Recordings",
            Self::System => "System",
        }
    }
}

/// How it stands with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// It was not reached yet.
    Connecting,
    Live,
    /// It does not answer: why, since when, and when it is tried again (milliseconds since 1970).
    Lost {
        why: String,
        since: i64,
        again: i64,
    },
}

/// What lies above the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Overlay {
    Help(usize),
    /// A question that `y` or Enter answers with yes.
    Confirm {
        question: String,
        warning: &'static str,
        ask: Ask,
    },
    /// A line to be typed.
    Prompt {
        purpose: Purpose,
        typed: Typed,
    },
    /// A text to be read.
    Text {
        title: String,
        lines: Vec<String>,
        cursor: Cursor,
    },
}

/// What a line is typed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A picture of what is seen.
    Picture,
    /// A recording's audio.
    Audio(String),
    /// A session's audio as it comes.
    Listen(String),
    /// A tag for a recording.
    Tag(String),
    /// A tag for what a session records.
    TagSession(String),
}

impl Purpose {
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Picture => "Save what is seen to (.svg, or .txt for plain text)",
            Self::Audio(_) => "Save the audio to",
            Self::Listen(_) => {
                "Listen by a program (| aplay -q -), or into a file or pipe (.wav, else raw 16-bit little-endian)"
            }
            Self::Tag(_) | Self::TagSession(_) => "Tag it (-name takes a tag away)",
        }
    }
}

/// Where `/` is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    Nowhere,
    /// The sessions' filter.
    Filter,
    /// The recordings' search.
    Search,
}

/// A part of the Session view, where they do not fit side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Legs,
    People,
    Events,
    Sip,
}

impl Pane {
    pub(super) const ALL: [Self; 4] = [Self::Legs, Self::People, Self::Events, Self::Sip];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Legs => "Legs",
            Self::People => "Metadata",
            Self::Events => "Events",
            Self::Sip => "SIP",
        }
    }
}

/// The session that is looked at.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) session: Session,
    /// Why it is over.
    pub(super) ended: Option<String>,
    pub(super) ladder: Ladder,
    pub(super) pane: Pane,
    /// In its events.
    pub(super) events: Cursor,
}

/// The search of recordings, and what it found.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    pub(super) typed: Typed,
    /// Why the search cannot be asked.
    pub(super) wrong: Option<String>,
    /// Answers to an earlier search are not for this one.
    pub(super) number: u64,
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<String>,
    pub(super) is_asked: bool,
    pub(super) cursor: Cursor,
    /// The proof sheet of the recording that is looked at.
    pub(super) opened: Option<OpenedRecording>,
}

/// A recording that is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpenedRecording {
    pub(super) id: String,
    pub(super) sheet: Option<Box<Sidecar>>,
    pub(super) peaks: Result<Peaks, String>,
    /// In its sheet.
    pub(super) top: usize,
}

/// The server itself.
#[derive(Debug, Default)]
pub(super) struct System {
    pub(super) figures: Figures,
    pub(super) peers: Vec<Peer>,
    pub(super) alarms: Vec<Alarm>,
    pub(super) alarm: Cursor,
    /// `media.port_range`.
    pub(super) ports: Option<String>,
}

/// A word to the operator, until when (milliseconds since 1970).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_bad: bool,
    pub(super) until: i64,
}

impl Notice {
    /// To be seen for some seconds.
    pub(super) fn new(text: String, is_bad: bool, now: i64) -> Self {
        const SHOWN_MS: i64 = 8_000;
        Self { text, is_bad, until: now + SHOWN_MS }
    }
}

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// The server's URL.
    pub(super) server: String,
    pub(super) read_only: bool,
    /// What plays sound here, with its arguments, if anything does.
    pub(super) player: Option<String>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) manner: Manner,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) size: (u16, u16),
    pub(super) link: Link,
    pub(super) tab: Tab,
    pub(super) overlay: Option<Overlay>,
    pub(super) typing: Typing,
    pub(super) notice: Option<Notice>,
    pub(super) table: SessionTable,
    /// The sessions' filter as it is typed.
    pub(super) filter: Typed,
    pub(super) histories: Histories,
    pub(super) opened: Option<Opened>,
    pub(super) recordings: Recordings,
    pub(super) system: System,
    /// What happened, the newest last.
    pub(super) events: VecDeque<Happened>,
    /// Octets of a session that are listened to.
    pub(super) heard: Option<(String, u64)>,
    pub(super) wants: Wants,
}

impl State {
    /// Before anything came.
    pub(super) fn new(manner: Manner, size: (u16, u16), now: i64) -> Self {
        Self {
            manner,
            now,
            size,
            link: Link::Connecting,
            tab: Tab::Sessions,
            overlay: None,
            typing: Typing::Nowhere,
            notice: None,
            table: SessionTable::default(),
            filter: Typed::default(),
            histories: Histories::default(),
            opened: None,
            recordings: Recordings::default(),
            system: System::default(),
            events: VecDeque::new(),
            heard: None,
            wants: Wants::default(),
        }
    }

    /// Tells the operator something for some seconds.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::new(text.into(), false, self.now));
    }

    /// Tells the operator what is wrong.
    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::new(text.into(), true, self.now));
    }

    /// Alarms of which nobody has taken note.
    pub(super) fn fresh_alarms(&self) -> usize {
        self.system.alarms.iter().filter(|alarm| alarm.acknowledged_by.is_none()).count()
    }

    /// Events of a session, the newest first.
    pub(super) fn events_of<'a>(&'a self, session: &'a str) -> impl Iterator<Item = &'a Happened> {
        self.events.iter().rev().filter(move |event| event.session.as_deref() == Some(session))
    }

    /// The recording that the cursor is on.
    pub(super) fn chosen_recording(&self) -> Option<&Row> {
        self.recordings.rows.get(self.recordings.cursor.at)
    }

    /// The session that orders are about: the one that is looked at, or that the cursor is on.
    pub(super) fn meant_session(&self) -> Option<&Session> {
        match self.tab {
            Tab::Session => self.opened.as_ref().filter(|opened| opened.ended.is_none()).map(|opened| &opened.session),
            Tab::Sessions => self.table.chosen().map(|line| &line.session),
            Tab::Recordings | Tab::System => None,
        }
    }
}

impl Shown for State {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn update(&mut self, now: i64, event: Event) -> Vec<Effect> {
        Self::update(self, now, event)
    }

    fn shows_time(&self) -> bool {
        let shows_sessions = match self.tab {
            Tab::Sessions => self.table.shown_count() > 0,
            Tab::Session => self.opened.as_ref().is_some_and(|opened| opened.ended.is_none()),
            Tab::Recordings | Tab::System => false,
        };
        shows_sessions || self.notice.is_some() || matches!(self.link, Link::Lost { .. })
    }

    fn tell(&mut self, text: String, is_bad: bool) {
        self.notice = Some(Notice::new(text, is_bad, self.now));
    }

    fn draw(&self, theme: &Theme, buffer: &mut Buffer) {
        view::draw(self, theme, buffer);
    }
}
