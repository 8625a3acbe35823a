//! Rows that are scrolled through: which is chosen, and which are seen. The hosts above a ladder stay in sight for as long as
//! anything of it does.

use std::ops::Range;

use siprec_core::trace::{Row, Style, Subject};

use super::cursor::Cursor;
use super::view::pen::width;

/// Rows, and the place in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scroll {
    rows: Vec<Row>,
    cursor: Cursor,
    /// Columns that are out of sight on the left.
    left: usize,
    /// Columns of the longest row.
    width: usize,
    /// Those that name a ladder's hosts.
    hosts: Range<usize>,
    /// Where that ladder ends.
    end: usize,
}

impl Scroll {
    /// From the first row on.
    pub(super) fn of(rows: Vec<Row>) -> Self {
        let is_host = |row: &&Row| row.cells.iter().any(|cell| cell.style == Style::Host);
        let first = rows.iter().position(|row| is_host(&row)).unwrap_or(rows.len());
        let below = first + rows.iter().skip(first).take_while(is_host).count();
        let end = below + rows.iter().skip(below).take_while(|row| row.subject != Subject::None).count();
        let width = rows.iter().map(|row| row.cells.iter().map(|cell| width(&cell.text)).sum()).max().unwrap_or(0);
        Self { rows, cursor: Cursor::default(), left: 0, width, hosts: first..below, end }
    }

    /// The same laid out anew: one stays where one is.
    pub(super) fn replace(&mut self, rows: Vec<Row>) {
        let subject = self.subject();
        *self = Self { cursor: self.cursor, ..Self::of(rows) };
        if subject != Subject::None && subject != self.subject() {
            self.choose(subject);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The chosen row.
    pub(super) fn at(&self) -> usize {
        self.cursor.at
    }

    /// What the chosen row is about.
    pub(super) fn subject(&self) -> Subject {
        self.rows.get(self.cursor.at).map_or(Subject::None, |row| row.subject)
    }

    /// Chooses the first row that is about it.
    pub(super) fn choose(&mut self, subject: Subject) {
        if let Some(place) = self.rows.iter().position(|row| row.subject == subject) {
            self.cursor.at = place;
        }
    }

    /// Chooses the first row that is about anything.
    pub(super) fn choose_first(&mut self) {
        self.cursor.at = self.rows.iter().position(|row| row.subject != Subject::None).unwrap_or(0);
    }

    /// Chooses the first row of the next thing that is meant, or of the one before.
    pub(super) fn choose_beside(&mut self, forward: bool, is_meant: impl Fn(Subject) -> bool) {
        let before = |place: usize| place.checked_sub(1).and_then(|place| self.rows.get(place)).map(|row| row.subject);
        let begins = |(place, row): &(usize, &Row)| is_meant(row.subject) && before(*place) != Some(row.subject);
        let mut all = self.rows.iter().enumerate().filter(begins).map(|(place, _)| place);
        let at = self.cursor.at;
        let place = if forward { all.find(|place| *place > at) } else { all.take_while(|place| *place < at).last() };
        self.cursor.at = place.unwrap_or(at);
    }

    /// Columns that are out of sight on the left.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Whether there is more than so many columns show.
    pub(super) fn is_wider(&self, columns: u16) -> bool {
        self.width > usize::from(columns)
    }

    /// Moves as a key says; whether the key says so. `height`: rows that there is room for.
    pub(super) fn key(&mut self, key: &str, height: usize) -> bool {
        const COLUMNS: usize = 20;
        match key {
            "<" => self.left = self.left.saturating_sub(COLUMNS),
            ">" if self.left + COLUMNS < self.width => self.left += COLUMNS,
            ">" => {}
            _ => return self.move_to(key, height),
        }
        true
    }

    fn move_to(&mut self, key: &str, height: usize) -> bool {
        self.cursor.key(key, self.rows.len(), height.saturating_sub(self.hosts.len()))
    }

    /// Keeps the chosen row in sight.
    pub(super) fn fit(&mut self, height: usize) {
        self.cursor.fit(self.rows.len(), height);
        let pinned = self.pinned().len();
        if self.cursor.at < self.cursor.top + pinned {
            self.cursor.top = self.cursor.at.saturating_sub(pinned);
        }
    }

    /// Rows that are seen, with their places.
    pub(super) fn seen(&self, height: usize) -> impl Iterator<Item = (usize, &Row)> {
        let (pinned, top) = (self.pinned(), self.cursor.top);
        let below = top + pinned.len()..top + height;
        pinned.chain(below).filter_map(|place| Some((place, self.rows.get(place)?)))
    }

    /// Chooses the row that is seen on a line; whether it was chosen already.
    pub(super) fn click(&mut self, line: usize, height: usize) -> bool {
        let place = self.seen(height).nth(line).map(|(place, _)| place);
        place.is_some_and(|place| std::mem::replace(&mut self.cursor.at, place) == place)
    }

    /// The hosts, where they have gone out of sight and their ladder has not.
    fn pinned(&self) -> Range<usize> {
        let top = self.cursor.top;
        let is_due = top > self.hosts.start && top + self.hosts.len() < self.end;
        if is_due { self.hosts.clone() } else { 0..0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head, two rows of hosts, ten messages of two rows each, and two rows below.
    fn scroll() -> Scroll {
        let mut rows = vec![Row::of("head", Style::Heading), Row::of("a  b", Style::Host), Row::of("SRC", Style::Host)];
        for message in 0..20 {
            rows.push(Row::about(Subject::Message(message / 2)).with(format!("m{message}"), Style::Request));
        }
        rows.push(Row::of("", Style::Plain));
        rows.push(Row::about(Subject::Stream(0)).with("stream", Style::Media));
        Scroll::of(rows)
    }

    fn seen(scroll: &Scroll, height: usize) -> Vec<String> {
        scroll.seen(height).map(|(_, row)| row.text()).collect()
    }

    #[test]
    fn hosts_stay_above_their_ladder_and_the_chosen_row_below_them() {
        let mut scroll = scroll();
        assert_eq!(seen(&scroll, 5), ["head", "a  b", "SRC", "m0", "m1"]);
        for _ in 0..10 {
            assert!(scroll.key("j", 5));
            scroll.fit(5);
        }
        assert_eq!(seen(&scroll, 5), ["a  b", "SRC", "m5", "m6", "m7"]);
        for (up, first) in [(1, "m5"), (2, "m5"), (3, "m4"), (4, "m3")] {
            assert!(scroll.key("k", 5));
            scroll.fit(5);
            assert_eq!(seen(&scroll, 5)[2], first, "{up}");
            assert!(scroll.seen(5).any(|(place, _)| place == scroll.at()), "{up}");
        }
        assert!(scroll.key("g", 5));
        scroll.fit(5);
        assert_eq!(seen(&scroll, 5)[0], "head");
        assert!(scroll.key("G", 4));
        scroll.fit(4);
        assert_eq!(seen(&scroll, 4), ["m18", "m19", "", "stream"], "what is left of the ladder needs no hosts");
    }

    #[test]
    fn a_page_leaves_out_nothing() {
        let mut scroll = scroll();
        let mut read = Vec::new();
        for _ in 0..9 {
            scroll.fit(6);
            read.extend(scroll.seen(6).map(|(place, _)| place));
            assert!(scroll.key("pagedown", 6));
        }
        assert!((0..scroll.count()).all(|place| read.contains(&place)), "{read:?}");
    }

    #[test]
    fn columns_go_out_of_sight_as_far_as_there_are_any() {
        let mut scroll = Scroll::of(vec![Row::of("a".repeat(50), Style::Plain).with("日本", Style::Plain)]);
        for (key, left) in [("<", 0), (">", 20), (">", 40), (">", 40), ("<", 20)] {
            assert!(scroll.key(key, 5));
            assert_eq!(scroll.left(), left, "{key}");
        }
    }

    #[test]
    fn one_goes_from_what_is_told_of_to_the_next() {
        let mut scroll = scroll();
        scroll.choose_first();
        assert_eq!((scroll.at(), scroll.subject()), (3, Subject::Message(0)));
        let anything = |subject| subject != Subject::None;
        scroll.choose_beside(true, anything);
        assert_eq!((scroll.at(), scroll.subject()), (5, Subject::Message(1)));
        scroll.key("j", 5);
        scroll.choose_beside(false, anything);
        assert_eq!(scroll.at(), 5);
        scroll.choose(Subject::Message(9));
        scroll.choose_beside(true, |subject| matches!(subject, Subject::Message(_)));
        assert_eq!(scroll.subject(), Subject::Message(9), "it is the last message");
        scroll.choose_beside(true, anything);
        assert_eq!(scroll.subject(), Subject::Stream(0));
    }

    #[test]
    fn a_click_is_on_what_is_seen_there() {
        let mut scroll = scroll();
        assert!(!scroll.click(4, 5));
        assert_eq!(scroll.subject(), Subject::Message(0));
        assert!(scroll.click(4, 5), "once more opens it");
        scroll.key("G", 5);
        scroll.fit(8);
        scroll.click(0, 8);
        assert_eq!(scroll.at(), 1, "the first line shows the hosts");
        assert!(!scroll.click(90, 8));
    }
}
