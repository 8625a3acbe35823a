//! What comes to the terminal's state, and what it wants done: the whole traffic between what decides and what touches anything.
//!
//! ```text
//! keyboard, mouse, size --\                                 /--> Frame (drawn from the state alone)
//! clock, signals ----------+--> Event --> State::update --> +
//! server (REST, events) --/                                 \--> Effect --> server, files, terminal
//! ```

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use siprec_core::render::Sidecar;

use super::answers::{Alarm, Happened, Page, Peaks, Peer, Second};
use crate::api_answers::{Session, Signalling};

/// Something came.
#[derive(Debug)]
pub(super) enum Event {
    /// A key, by its name: `a`, `Q`, `up`, `enter`, `ctrl-d`.
    Key(String),
    /// Text that was pasted.
    Pasted(String),
    /// A click, at column and row.
    Click(u16, u16),
    /// The wheel: rows, down where positive.
    Wheel(isize),
    /// The terminal has this size now.
    Size(u16, u16),
    /// A second is over.
    Tick,
    /// SIGTERM and the like: come to an end.
    Ended,
    /// SIGTSTP: stand still until somebody says SIGCONT.
    Suspended,
    /// SIGCONT: somebody said so.
    Continued,
    /// From the server.
    Told(Told),
}

/// What the server tells, or what came of an order.
#[derive(Debug)]
pub(super) enum Told {
    /// It answers; events come from now on.
    Connected,
    /// It does not answer any more; why, and when it is tried again, milliseconds from now.
    Lost(String, u64),
    Happened(Box<Happened>),
    Seconds(Vec<Second>),
    /// Events were missed: everything has to be asked anew.
    Missed,
    Sessions(Vec<Session>),
    Signalling(String, Signalling),
    Alarms(Vec<Alarm>),
    Peers(Vec<Peer>),
    /// `/metrics`, as text.
    Metrics(String),
    /// `media.port_range`, where it may be known.
    Ports(String),
    /// A page of the search of this number.
    Page(u64, Page),
    /// A recording's proof sheet.
    Sheet(String, Box<Sidecar>),
    Peaks(String, Peaks),
    /// There is none to be drawn, and why.
    NoPeaks(String, String),
    /// An order was carried out, in words.
    Done(String),
    /// A recording got (`true`) or lost a tag; in words.
    Tagged(String, String, bool, String),
    /// Something could not be had or done.
    Failed(Ask, String),
    /// What is listened to: octets of audio so far.
    Heard(u64),
    /// Nothing is listened to any more: why.
    HeardOut(String),
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Ask(Ask),
    /// Write what is seen there, as SVG or, where it ends so, as text.
    Save(PathBuf),
    Suspend,
    Quit,
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Sessions,
    Signalling(String),
    Alarms,
    Peers,
    Metrics,
    Ports,
    /// A page: the search's number, its query, and where the page begins.
    Page(u64, Vec<(&'static str, String)>, Option<String>),
    Sheet(String),
    /// A drawing of so many columns.
    Peaks(String, u16),
    Order(Order, String),
    Acknowledge(String),
    /// A recording gets (`true`) or loses a tag.
    Tag(String, String, bool),
    /// What a session records, now and later, gets (`true`) or loses a tag.
    TagSession(String, String, bool),
    /// A recording's audio to a file.
    SaveAudio(String, PathBuf),
    /// A session's audio, as it comes.
    Listen(String, Ear),
    StopListening,
}

/// Where a session's audio goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ear {
    /// A file that is made, or a named pipe that is there.
    File(PathBuf),
    /// A program with its arguments, which gets WAV on its standard input.
    Player(Vec<String>),
}

impl Ear {
    /// As it is typed: `| aplay -q -` is a program, all else a file.
    pub(super) fn of(text: &str) -> Self {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        text.strip_prefix('|')
            .map(words)
            .filter(|words| !words.is_empty())
            .map_or_else(|| Self::File(text.into()), Self::Player)
    }
}

impl std::fmt::Display for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Player(words) => f.write_str(words.first().map_or("", String::as_str)),
        }
    }
}

/// An order about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Pause,
    Resume,
    Stop,
}

impl Order {
    /// As the API's path has it.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }

    /// What it came to.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused: nothing of it reaches the disk",
            Self::Resume => "resumed: it is recorded again",
            Self::Stop => "stopped: BYE is sent, its recordings are finished",
        }
    }
}

const NAMES: [(KeyCode, &str); 15] = [
    (KeyCode::Enter, "enter"),
    (KeyCode::Esc, "esc"),
    (KeyCode::Tab, "tab"),
    (KeyCode::BackTab, "backtab"),
    (KeyCode::Backspace, "backspace"),
    (KeyCode::Up, "up"),
    (KeyCode::Down, "down"),
    (KeyCode::Left, "left"),
    (KeyCode::Right, "right"),
    (KeyCode::Home, "home"),
    (KeyCode::End, "end"),
    (KeyCode::PageUp, "pageup"),
    (KeyCode::PageDown, "pagedown"),
    (KeyCode::Delete, "delete"),
    (KeyCode::F(1), "?"),
];

/// A key by its name; none of those that mean nothing here.
pub(super) fn key_name(key: KeyEvent) -> Option<String> {
    if let KeyCode::Char(char) = key.code {
        let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        return Some(if is_ctrl { format!("ctrl-{}", char.to_ascii_lowercase()) } else { char.to_string() });
    }
    NAMES.iter().find(|(code, _)| *code == key.code).map(|(_, name)| (*name).to_owned())
}

/// What a mouse does, where it means something here.
pub(super) fn of_mouse(mouse: MouseEvent) -> Option<Event> {
    const ROWS: isize = 3;
    if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
        return Some(Event::Click(mouse.column, mouse.row));
    }
    let rows = [(MouseEventKind::ScrollDown, ROWS), (MouseEventKind::ScrollUp, -ROWS)];
    rows.iter().find(|(kind, _)| *kind == mouse.kind).map(|(_, rows)| Event::Wheel(*rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names() {
        for (code, modifiers, name) in [
            (KeyCode::Char('j'), KeyModifiers::NONE, Some("j")),
            (KeyCode::Char('G'), KeyModifiers::SHIFT, Some("G")),
            (KeyCode::Char('d'), KeyModifiers::CONTROL, Some("ctrl-d")),
            (KeyCode::PageDown, KeyModifiers::NONE, Some("pagedown")),
            (KeyCode::F(1), KeyModifiers::NONE, Some("?")),
            (KeyCode::CapsLock, KeyModifiers::NONE, None),
        ] {
            assert_eq!(key_name(KeyEvent::new(code, modifiers)).as_deref(), name);
        }
    }

    #[test]
    fn a_click_is_where_it_is_and_the_wheel_goes_three_rows() {
        let mouse = |kind| MouseEvent { kind, column: 7, row: 3, modifiers: KeyModifiers::NONE };
        assert!(matches!(of_mouse(mouse(MouseEventKind::Down(MouseButton::Left))), Some(Event::Click(7, 3))));
        assert!(matches!(of_mouse(mouse(MouseEventKind::ScrollUp)), Some(Event::Wheel(-3))));
        assert!(of_mouse(mouse(MouseEventKind::Moved)).is_none());
    }
}
