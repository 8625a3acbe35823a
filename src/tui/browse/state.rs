//! All that is known while a capture is looked through; what is seen is made of it alone.

use ratatui::buffer::Buffer;
use siprec_core::trace::{Filter, Story};

use super::calls::CallTable;
use super::opened::Opened;
use super::{Capture, view};
use crate::tui::cursor::Typed;
use crate::tui::event::{Effect, Event};
use crate::tui::frame;
use crate::tui::running::Shown;
use crate::tui::state::Notice;
use crate::tui::theme::Theme;

/// What lies above the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Overlay {
    Help(usize),
    /// Where a picture of what is seen goes.
    Picture(Typed),
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    /// What was read, in words.
    pub(super) name: String,
    pub(super) story: Story,
    pub(super) filter: Filter,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    pub(super) size: (u16, u16),
    pub(super) table: CallTable,
    /// The table's filter as it is typed, and whether it is being typed.
    pub(super) typed: Typed,
    pub(super) is_typing: bool,
    pub(super) opened: Option<Opened>,
    pub(super) overlay: Option<Overlay>,
    pub(super) notice: Option<Notice>,
}

impl State {
    /// The list of calls.
    pub(super) fn new(capture: Capture, size: (u16, u16), now: i64) -> Self {
        let Capture { name, story, filter } = capture;
        // Streams of no call are shown where nothing but calls is asked for.
        let strays = filter.is_empty() && story.streams.iter().any(|stream| stream.line.is_none());
        let table = CallTable::new(&story, &filter.calls(&story), strays);
        let typed = Typed::default();
        let mut state = Self {
            name,
            story,
            filter,
            now,
            size,
            table,
            typed,
            is_typing: false,
            opened: None,
            overlay: None,
            notice: None,
        };
        state.fit();
        state
    }

    /// Every cursor in its list, every list in sight.
    fn fit(&mut self) {
        let rows = usize::from(frame::table_rows(self.size).height);
        self.table.cursor.fit(self.table.shown_count(), rows);
        self.table.look(&self.story, rows);
        let areas = view::areas(self.size);
        if let Some(opened) = &mut self.opened {
            let room = (areas.rows.width, areas.rows.height);
            opened.fit(&self.story, &self.filter, room, areas.whole.width);
        }
    }

    /// Looks at the chosen call.
    pub(super) fn open(&mut self) {
        let Some(line) = self.table.chosen() else { return };
        let width = usize::from(view::areas(self.size).rows.width);
        let calls: &[usize] = if line.call.is_some() { self.table.group_of(line) } else { &[] };
        self.opened = Some(Opened::new(&self.story, &self.filter, calls, width));
    }

    pub(super) fn refilter(&mut self) {
        self.table.set_filter(&self.typed.0, &self.story);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.notice = Some(Notice::new(text.to_owned(), false, self.now));
    }
}

impl Shown for State {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn update(&mut self, now: i64, event: Event) -> Vec<Effect> {
        self.now = now;
        let effects = match event {
            Event::Key(key) => self.key(&key),
            Event::Pasted(text) => self.pasted(&text),
            Event::Click(column, row) => self.click(column, row),
            Event::Wheel(rows) => self.wheel(rows),
            Event::Size(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Event::Tick => {
                self.notice.take_if(|notice| notice.until <= now);
                Vec::new()
            }
            Event::Ended => vec![Effect::Quit],
            Event::Suspended => vec![Effect::Suspend],
            Event::Continued | Event::Told(_) => Vec::new(),
        };
        self.fit();
        effects
    }

    fn shows_time(&self) -> bool {
        self.notice.is_some()
    }

    fn tell(&mut self, text: String, is_bad: bool) {
        self.notice = Some(Notice::new(text, is_bad, self.now));
    }

    fn draw(&self, theme: &Theme, buffer: &mut Buffer) {
        view::draw(self, theme, buffer);
    }
}
