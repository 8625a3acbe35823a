//! What a click and the wheel do: a click chooses, a click on what is chosen opens it.

use super::event::Effect;
use super::frame;
use super::state::{Overlay, Pane, State, Tab};
use super::view;
use ratatui::layout::{Position, Rect};

impl State {
    pub(super) fn click(&mut self, column: u16, row: u16) -> Vec<Effect> {
        if frame::is_small(self.size) {
            return Vec::new();
        }
        // What lies above the view goes away by a click, but for what has to be answered.
        if let Some(overlay) = &self.overlay {
            if matches!(overlay, Overlay::Help(_) | Overlay::Text { .. }) {
                self.overlay = None;
            }
            return Vec::new();
        }
        if let Some(tab) = frame::tab_at(column, row) {
            self.show(tab);
            return Vec::new();
        }
        let at = Position { x: column, y: row };
        if self.tab == Tab::Sessions && row == frame::areas(self.size).body.y {
            if let Some(sort) = view::sort_at(self.size.0, column) {
                self.table.sort_by(sort);
            }
            return Vec::new();
        }
        let line = |area: Rect, top: usize| area.contains(at).then(|| usize::from(row - area.y) + top);
        let was_chosen = match self.tab {
            Tab::Sessions => {
                let place = line(frame::table_rows(self.size), self.table.cursor.top);
                choose(place, self.table.shown_count(), &mut self.table.cursor.at)
            }
            Tab::Recordings => {
                let place = line(frame::table_rows(self.size), self.recordings.cursor.top);
                choose(place, self.recordings.rows.len(), &mut self.recordings.cursor.at)
            }
            Tab::System => {
                let area = frame::below_title(frame::system(self.size).alarms);
                choose(line(area, self.system.alarm.top), self.system.alarms.len(), &mut self.system.alarm.at)
            }
            Tab::Session => self.step_at(at),
        };
        if was_chosen { self.key("enter") } else { Vec::new() }
    }

    /// Chooses the row of the ladder at a place; whether it was chosen already.
    fn step_at(&mut self, at: Position) -> bool {
        let (area, is_wide) = (frame::sip(self.size), frame::is_wide(self.size));
        let Some(opened) = self.opened.as_mut().filter(|opened| is_wide || opened.pane == Pane::Sip) else {
            return false;
        };
        area.contains(at) && opened.ladder.scroll.click(usize::from(at.y - area.y), usize::from(area.height))
    }

    pub(super) fn wheel(&mut self, rows: isize) -> Vec<Effect> {
        let key = if rows > 0 { "down" } else { "up" };
        (0..rows.unsigned_abs()).flat_map(|_| self.key(key)).collect()
    }
}

/// Chooses a row; whether it was chosen already.
fn choose(place: Option<usize>, count: usize, chosen: &mut usize) -> bool {
    let Some(place) = place.filter(|place| *place < count) else { return false };
    std::mem::replace(chosen, place) == place
}
