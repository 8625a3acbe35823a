//! What is seen, of the state alone: nothing here asks, waits or remembers.

pub(super) mod overlay;
pub(super) mod pen;
mod recordings;
pub(super) mod rows;
pub(super) mod screen;
mod session;
mod sessions;
mod system;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::pen::{paint, put, put_right};
pub(super) use self::sessions::sort_at;
use super::frame::{self, Areas};
use super::state::{Link, State, Tab, Typing};
use super::theme::Theme;

/// Draws all of it.
pub(super) fn draw(state: &State, theme: &Theme, buffer: &mut Buffer) {
    let area = buffer.area;
    paint(buffer, area, theme.plain);
    if screen::is_too_small(theme, buffer) {
        return;
    }
    let Areas { tabs, tools, body, status } = frame::areas((area.width, area.height));
    head(state, theme, tabs, buffer);
    match state.tab {
        Tab::Sessions => {
            sessions::tools(state, theme, tools, buffer);
            sessions::draw(state, theme, body, buffer);
        }
        Tab::Session => session::draw(state, theme, tools, body, buffer),
        Tab::Recordings => recordings::draw(state, theme, tools, body, buffer),
        Tab::System => system::draw(state, theme, tools, buffer),
    }
    foot(state, theme, status, buffer);
    if let Some(shown) = &state.overlay {
        overlay::draw(state, shown, theme, buffer);
    }
}

fn head(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    put(buffer, (1, 0), area.width, "siprec", theme.accent);
    for tab in Tab::ALL {
        let place = frame::tab(tab);
        let number = Tab::ALL.iter().position(|known| *known == tab).unwrap_or(0) + 1;
        let style = if tab == state.tab { theme.tab } else { theme.dim };
        put(buffer, (place.x, 0), place.width, &format!(" {number} {} ", tab.title()), style);
    }
    let last = frame::tab(Tab::System);
    let from = last.x + last.width + 1;
    let (word, style) = match (&state.link, state.fresh_alarms()) {
        (Link::Connecting, _) => ("connecting".to_owned(), theme.warn),
        (Link::Lost { .. }, _) => ("NO LINK".to_owned(), theme.bad),
        (Link::Live, 0) => (format!("{} live", state.table.count()), theme.good),
        (Link::Live, 1) => (format!("{} live, 1 alarm", state.table.count()), theme.bad),
        (Link::Live, alarms) => (format!("{} live, {alarms} alarms", state.table.count()), theme.bad),
    };
    let word = format!("{word} ");
    let width = u16::try_from(pen::width(&word)).unwrap_or(0).min(area.width - from);
    let at = area.right() - width;
    put(buffer, (at, 0), width, &word, style);
    let host = state.manner.server.split("://").last().unwrap_or_default();
    let room = at.saturating_sub(from + 2);
    // Half a host is none.
    if pen::width(host) <= usize::from(room) {
        put_right(buffer, (from, 0), room, host, theme.dim);
    }
}

/// The link where it is gone, else what was just said, else the keys that work here.
fn foot(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if let Link::Lost { why, since, again } = &state.link {
        let (gone, wait) = (pen::length(state.now - since), (again - state.now).max(0) / 1_000);
        let why = why.strip_prefix(&state.manner.server).unwrap_or(why).trim_start_matches([':', ' ']);
        let text = format!(" no link for {gone}, tried again in {wait} s: {why}");
        put(buffer, (area.x, area.y), area.width, &text, theme.bad);
        return;
    }
    if let Some(notice) = &state.notice {
        return screen::notice(notice, theme, area, buffer);
    }
    let mut right = Vec::new();
    if let Some((_, octets)) = &state.heard {
        right.push(format!("listening: {}", pen::octets(*octets as f64)));
    }
    if state.manner.read_only {
        right.push("read-only".to_owned());
    }
    let right = format!("{} ", right.join(", "));
    let room = area.width.saturating_sub(u16::try_from(pen::width(&right)).unwrap_or(0));
    put_right(buffer, (area.x, area.y), area.width, &right, theme.warn);
    screen::keys(&keys(state), theme, Rect { width: room, ..area }, buffer);
}

fn keys(state: &State) -> Vec<(&'static str, &'static str)> {
    let of_view = match (state.typing, state.tab) {
        (Typing::Filter, _) => return vec![("Enter", "keep the filter"), ("Esc", "show all"), ("Up/Down", "choose")],
        (Typing::Search, _) => return vec![("Enter", "search"), ("Esc", "leave it"), ("Ctrl-U", "clear")],
        (Typing::Nowhere, Tab::Sessions) => {
            vec![("Enter", "open"), ("/", "filter"), ("o/O", "order"), ("p", "pause"), ("r", "resume"), ("s", "stop")]
        }
        (Typing::Nowhere, Tab::Session) => {
            let mut keys = vec![("Esc", "back")];
            if !frame::is_wide(state.size) {
                keys.push(("Left/Right", "part"));
            }
            keys.extend([("p", "pause"), ("r", "resume"), ("s", "stop"), ("t", "tag"), ("l", "listen")]);
            keys.push(("Enter", "message"));
            keys
        }
        (Typing::Nowhere, Tab::Recordings) => {
            vec![("Enter", "open"), ("/", "search"), ("w", "save audio"), ("t", "tag"), ("R", "again")]
        }
        (Typing::Nowhere, Tab::System) => vec![("j/k", "choose"), ("a", "acknowledge"), ("Enter", "its session")],
    };
    [vec![("?", "help")], of_view, vec![("q", "quit"), ("S", "picture")]].concat()
}
