//! Where what is on the screen: of the size alone, so that who draws and who is clicked at agree.
//!
//! ```text
//!  siprec  1 Sessions  2 Session  3 Recordings  4 System              host: 12 sessions, 2 alarms     tabs
//!  filter, sort, search                                                                               tools
//!  the view                                                                                           body
//!  what happened, or the keys that work here                                                          status
//! ```

use ratatui::layout::{Position, Rect};

use super::state::Tab;

/// Smaller is not shown.
pub(super) const SMALLEST: (u16, u16) = (80, 24);
/// From here on parts stand side by side.
const WIDE: (u16, u16) = (150, 40);
/// Before the first tab.
const TABS_FROM: u16 = 9;

/// The screen's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Areas {
    pub(super) tabs: Rect,
    pub(super) tools: Rect,
    pub(super) body: Rect,
    pub(super) status: Rect,
}

/// Of a screen of this size.
pub(super) fn areas((width, height): (u16, u16)) -> Areas {
    let row = |y| Rect { x: 0, y, width, height: 1 };
    let body = Rect { x: 0, y: 2, width, height: height.saturating_sub(3) };
    Areas { tabs: row(0), tools: row(1), body, status: row(height.saturating_sub(1)) }
}

/// Whether it is too small for anything.
pub(super) fn is_small((width, height): (u16, u16)) -> bool {
    width < SMALLEST.0 || height < SMALLEST.1
}

/// Whether parts stand side by side.
pub(super) fn is_wide((width, height): (u16, u16)) -> bool {
    width >= WIDE.0 && height >= WIDE.1
}

/// Where a tab's title is.
pub(super) fn tab(tab: Tab) -> Rect {
    let mut x = TABS_FROM;
    for known in Tab::ALL {
        // Its number, and blanks round it.
        let width = u16::try_from(known.title().len()).unwrap_or(0) + 4;
        if known == tab {
            return Rect { x, y: 0, width, height: 1 };
        }
        x += width + 1;
    }
    Rect::default()
}

/// The tab that is at a place.
pub(super) fn tab_at(column: u16, row: u16) -> Option<Tab> {
    Tab::ALL.into_iter().find(|known| tab(*known).contains(Position { x: column, y: row }))
}

/// Rows of a table with a head, in the body.
pub(super) fn table_rows(size: (u16, u16)) -> Rect {
    let body = areas(size).body;
    Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body }
}

/// The halves of the System view that figures and lists have.
pub(super) struct SystemAreas {
    pub(super) figures: Rect,
    pub(super) alarms: Rect,
    pub(super) events: Rect,
}

/// Of a screen of this size.
pub(super) fn system(size: (u16, u16)) -> SystemAreas {
    let body = areas(size).body;
    if is_wide(size) {
        let figures = Rect { width: body.width / 2, ..body };
        let (x, width) = (figures.width, body.width - figures.width);
        let alarms = Rect { x, width, height: body.height / 3, ..body };
        let events = Rect { x, width, y: body.y + alarms.height, height: body.height - alarms.height };
        return SystemAreas { figures, alarms, events };
    }
    let figures = Rect { height: 10, ..body };
    let rest = body.height.saturating_sub(figures.height);
    let alarms = Rect { y: body.y + figures.height, height: rest / 2 + 1, ..body };
    let events = Rect { y: alarms.y + alarms.height, height: rest.saturating_sub(alarms.height), ..body };
    SystemAreas { figures, alarms, events }
}

/// Rows of a part with a title.
pub(super) fn below_title(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// The parts of the Session view, where they stand side by side.
pub(super) struct SessionAreas {
    pub(super) legs: Rect,
    pub(super) people: Rect,
    pub(super) events: Rect,
    pub(super) sip: Rect,
}

/// Of a wide screen of this size.
pub(super) fn session(size: (u16, u16)) -> SessionAreas {
    let body = areas(size).body;
    let area = Rect { y: body.y + 2, height: body.height.saturating_sub(2), ..body };
    let left = area.width / 2;
    let legs = Rect { width: left, height: area.height / 2, ..area };
    let below = Rect { y: legs.y + legs.height, height: area.height - legs.height, ..legs };
    let people = Rect { height: below.height / 2, ..below };
    let events = Rect { y: people.y + people.height, height: below.height - people.height, ..below };
    let sip = Rect { x: left + 1, width: area.width.saturating_sub(left + 1), ..area };
    SessionAreas { legs, people, events, sip }
}

/// The one part of the Session view that is seen on a narrow screen.
pub(super) fn pane(size: (u16, u16)) -> Rect {
    let body = areas(size).body;
    Rect { y: body.y + 2, height: body.height.saturating_sub(2), ..body }
}

/// Where the SIP ladder of the Session view is.
pub(super) fn sip(size: (u16, u16)) -> Rect {
    if is_wide(size) { session(size).sip } else { pane(size) }
}

/// What lies above the view.
pub(super) fn overlay((width, height): (u16, u16)) -> Rect {
    Rect { x: 2, y: 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_are_where_they_are_clicked() {
        for known in Tab::ALL {
            let area = tab(known);
            assert_eq!(tab_at(area.x, 0), Some(known));
            assert_eq!(tab_at(area.x + area.width - 1, 0), Some(known));
            assert_eq!(tab_at(area.x, 1), None);
        }
        assert_eq!(tab_at(0, 0), None);
    }

    #[test]
    fn parts_do_not_overlap_and_fill_the_body() {
        for size in [SMALLEST, (100, 30), (200, 60)] {
            let body = areas(size).body;
            let parts = system(size);
            let all = [parts.figures, parts.alarms, parts.events];
            assert!(all.iter().all(|part| body.union(*part) == body), "{size:?}");
            assert_eq!(all.iter().map(|part| part.area()).sum::<u32>(), body.area(), "{size:?}");
        }
    }
}
