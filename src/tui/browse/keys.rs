//! What keys, clicks and the wheel do. Which keys work where is also told in `view.rs`.

use std::path::PathBuf;

use ratatui::layout::Position;
use siprec_core::trace::Subject;

use super::opened::Part;
use super::state::{Overlay, State};
use super::{columns, view};
use crate::tui::cursor::Typed;
use crate::tui::event::Effect;
use crate::tui::{frame, picture};

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
        if self.is_typing {
            self.filter_key(key);
            return Vec::new();
        }
        match key {
            "?" => self.overlay = Some(Overlay::Help(0)),
            "S" => self.overlay = Some(Overlay::Picture(Typed(picture::name("trace", self.now)))),
            _ if self.opened.as_ref().is_some_and(|opened| opened.reading.is_some()) => self.reading_key(key),
            "q" => return vec![Effect::Quit],
            _ if self.opened.is_some() => self.opened_key(key),
            _ => self.calls_key(key),
        }
        Vec::new()
    }

    pub(super) fn pasted(&mut self, text: &str) -> Vec<Effect> {
        if let Some(Overlay::Picture(typed)) = &mut self.overlay {
            typed.paste(text);
        } else if self.is_typing {
            self.typed.paste(text);
            self.refilter();
        }
        Vec::new()
    }

    fn calls_key(&mut self, key: &str) {
        let page = usize::from(frame::table_rows(self.size).height);
        let count = self.table.shown_count();
        if self.table.cursor.key(key, count, page) {
            return;
        }
        match key {
            "/" => self.is_typing = true,
            "esc" => {
                self.typed.0.clear();
                self.refilter();
            }
            "o" => self.table.sort_by_next(&self.story),
            "O" => self.table.reverse(&self.story),
            "enter" | "l" | "right" => self.open(),
            _ => {}
        }
    }

    fn filter_key(&mut self, key: &str) {
        match key {
            "enter" => self.is_typing = false,
            "esc" => {
                self.is_typing = false;
                self.typed.0.clear();
                self.refilter();
            }
            "up" => self.table.cursor.go(-1, self.table.shown_count()),
            "down" => self.table.cursor.go(1, self.table.shown_count()),
            _ => {
                if self.typed.key(key) {
                    self.refilter();
                }
            }
        }
    }

    fn opened_key(&mut self, key: &str) {
        let areas = view::areas(self.size);
        let Some(opened) = &mut self.opened else { return };
        if opened.scroll_mut().key(key, usize::from(areas.rows.height)) {
            return;
        }
        let part = opened.part;
        match key {
            "right" | "]" | "tab" => opened.show(part.beside(1)),
            "left" | "[" | "backtab" => opened.show(part.beside(Part::ALL.len() - 1)),
            "l" => opened.show(Part::Ladder),
            "m" => opened.show(Part::Messages),
            "d" => opened.show(Part::Metadata),
            "n" | "p" => opened.scroll_mut().choose_beside(key == "n", |subject| subject != Subject::None),
            "enter" => self.read(),
            "esc" | "h" => self.opened = None,
            _ => {}
        }
    }

    fn read(&mut self) {
        let width = usize::from(view::areas(self.size).whole.width);
        let Some(opened) = &mut self.opened else { return };
        opened.read(&self.story, width);
        if opened.reading.is_none() {
            self.say("this row is of no message and no stream");
        }
    }

    fn reading_key(&mut self, key: &str) {
        let height = usize::from(view::areas(self.size).whole.height);
        let Some(opened) = &mut self.opened else { return };
        if opened.reading.as_mut().is_some_and(|reading| reading.key(key, height)) {
            return;
        }
        match key {
            "n" | "p" => opened.read_beside(&self.story, key == "n"),
            "esc" | "q" | "h" | "left" | "enter" => opened.reading = None,
            _ => {}
        }
    }

    fn overlay_key(&mut self, overlay: Overlay, key: &str) -> Vec<Effect> {
        match overlay {
            Overlay::Help(top) => match key {
                "j" | "down" => self.overlay = Some(Overlay::Help(top + 1)),
                "k" | "up" => self.overlay = Some(Overlay::Help(top.saturating_sub(1))),
                _ => {}
            },
            Overlay::Picture(mut typed) => match key {
                "enter" if typed.0.trim().is_empty() => self.say("nothing was saved"),
                "enter" => return vec![Effect::Save(PathBuf::from(typed.0.trim()))],
                "esc" => {}
                _ => {
                    typed.key(key);
                    self.overlay = Some(Overlay::Picture(typed));
                }
            },
        }
        Vec::new()
    }

    /// A click chooses; a click on what is chosen opens it.
    pub(super) fn click(&mut self, column: u16, row: u16) -> Vec<Effect> {
        if frame::is_small(self.size) {
            return Vec::new();
        }
        if let Some(overlay) = &self.overlay {
            if matches!(overlay, Overlay::Help(_)) {
                self.overlay = None;
            }
            return Vec::new();
        }
        let at = Position { x: column, y: row };
        let areas = view::areas(self.size);
        let Some(opened) = &mut self.opened else {
            return self.click_on_list(at);
        };
        if opened.reading.is_some() {
            return Vec::new();
        }
        if let Some(part) = Part::ALL.into_iter().find(|part| view::part(*part).contains(at)) {
            opened.show(part);
            return Vec::new();
        }
        let is_on_preview = areas.preview.is_some_and(|preview| preview.contains(at));
        let line = usize::from(row.saturating_sub(areas.rows.y));
        let is_on_rows = areas.rows.contains(at);
        if is_on_preview || is_on_rows && opened.scroll_mut().click(line, usize::from(areas.rows.height)) {
            self.read();
        }
        Vec::new()
    }

    fn click_on_list(&mut self, at: Position) -> Vec<Effect> {
        if at.y == frame::areas(self.size).body.y {
            if let Some(sort) = columns::sort_at(self.size.0, at.x) {
                self.table.sort_by(sort, &self.story);
            }
            return Vec::new();
        }
        let rows = frame::table_rows(self.size);
        let place = usize::from(at.y.saturating_sub(rows.y)) + self.table.cursor.top;
        if rows.contains(at) && place < self.table.shown_count() {
            let was = std::mem::replace(&mut self.table.cursor.at, place);
            if was == place {
                self.open();
            }
        }
        Vec::new()
    }

    pub(super) fn wheel(&mut self, rows: isize) -> Vec<Effect> {
        let key = if rows > 0 { "down" } else { "up" };
        (0..rows.unsigned_abs()).flat_map(|_| self.key(key)).collect()
    }
}
