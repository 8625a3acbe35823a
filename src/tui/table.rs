//! The live sessions as a table: filtered as one types, sorted when they have changed and never while drawing.

use std::collections::HashSet;

use super::answers::{millis, name};
use super::cursor::Cursor;
use super::history::Histories;
use crate::api_answers::Session;

/// More rows than these are sorted once a second, however often something changes.
const SORTED_AT_ONCE: usize = 500;

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Since,
    State,
    Caller,
    Callee,
    Src,
    Vendor,
    Loss,
    Jitter,
    Mos,
}

impl Sort {
    pub(super) const ALL: [Self; 9] = [
        Self::Since,
        Self::State,
        Self::Caller,
        Self::Callee,
        Self::Src,
        Self::Vendor,
        Self::Loss,
        Self::Jitter,
        Self::Mos,
    ];

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|known| *known == self).unwrap_or(0);
        Self::ALL.get(place + 1).copied().unwrap_or(Self::Since)
    }

    /// As the table's head has it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Since => "TIME",
            Self::State => "STATE",
            Self::Caller => "CALLER",
            Self::Callee => "CALLEE",
            Self::Src => "SRC",
            Self::Vendor => "VENDOR",
            Self::Loss => "LOSS",
            Self::Jitter => "JITTER",
            Self::Mos => "MOS",
        }
    }
}

/// A session, and what is asked of it for each row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) session: Session,
    /// Milliseconds since 1970.
    pub(super) started: Option<i64>,
    /// All that a filter looks at, in lower case.
    words: String,
}

/// The table.
#[derive(Debug)]
pub(super) struct SessionTable {
    lines: Vec<Line>,
    /// Places in `lines`, of those that are shown, as they are shown.
    order: Vec<usize>,
    pub(super) sort: Sort,
    /// Against the order that a column has by itself.
    pub(super) reversed: bool,
    filter: String,
    pub(super) cursor: Cursor,
    gone: HashSet<String>,
    is_stale: bool,
}

impl Default for SessionTable {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            order: Vec::new(),
            sort: Sort::Since,
            reversed: false,
            filter: String::new(),
            cursor: Cursor::default(),
            gone: HashSet::new(),
            is_stale: false,
        }
    }
}

impl SessionTable {
    /// The sessions as they are now.
    pub(super) fn take(&mut self, sessions: Vec<Session>) {
        let line = |session: Session| {
            let started = session.started_at.as_deref().and_then(millis);
            Line { started, words: words(&session), session }
        };
        let chosen = self.chosen().map(|line| line.session.id.clone());
        self.lines = sessions.into_iter().map(line).collect();
        self.gone.clear();
        self.arrange_around(chosen, &Histories::default(), true);
        self.is_stale = true;
    }

    /// A session is over.
    pub(super) fn ended(&mut self, session: &str) {
        self.gone.insert(session.to_owned());
        self.is_stale = true;
    }

    /// Figures have changed.
    pub(super) fn figures_changed(&mut self) {
        self.is_stale |= [Sort::Loss, Sort::Jitter, Sort::Mos].contains(&self.sort);
    }

    /// Brings the order up to date, where it is not; large tables only at a `tick`.
    pub(super) fn arrange(&mut self, histories: &Histories, is_tick: bool) {
        if self.is_stale && (is_tick || self.lines.len() <= SORTED_AT_ONCE) {
            let chosen = self.chosen().map(|line| line.session.id.clone());
            self.arrange_around(chosen, histories, false);
        }
    }

    /// The chosen session stays chosen; where it is gone, the one in its place is.
    fn arrange_around(&mut self, chosen: Option<String>, histories: &Histories, is_new: bool) {
        self.is_stale = false;
        if !self.gone.is_empty() {
            let gone = std::mem::take(&mut self.gone);
            self.lines.retain(|line| !gone.contains(&line.session.id));
        }
        let wanted: Vec<&str> = self.filter.split_whitespace().collect();
        let is_meant = |line: &Line| wanted.iter().all(|word| line.words.contains(word));
        let meant = self.lines.iter().enumerate().filter(|(_, line)| is_meant(line)).map(|(place, _)| place);
        self.order = meant.collect();
        if !is_new {
            self.sort(histories);
        }
        let place = chosen.and_then(|chosen| self.shown(0, usize::MAX).position(|line| line.session.id == chosen));
        if let Some(place) = place {
            self.cursor.at = place;
        }
    }

    fn sort(&mut self, histories: &Histories) {
        let (lines, by) = (&self.lines, self.sort);
        let key = |place: &usize| lines.get(*place).map(|line| key(line, by, histories));
        self.order.sort_by_cached_key(key);
        if self.reversed {
            self.order.reverse();
        }
    }

    /// Sorts by the next column.
    pub(super) fn sort_by_next(&mut self) {
        (self.sort, self.reversed, self.is_stale) = (self.sort.next(), false, true);
    }

    /// Sorts by this column; the other way round, where it is by this one already.
    pub(super) fn sort_by(&mut self, sort: Sort) {
        self.reversed = self.sort == sort && !self.reversed;
        (self.sort, self.is_stale) = (sort, true);
    }

    /// The other way round.
    pub(super) fn reverse(&mut self) {
        (self.reversed, self.is_stale) = (!self.reversed, true);
    }

    /// Shows only those that have all words of it.
    pub(super) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.to_lowercase();
        self.is_stale = true;
    }

    /// The order is due at once: somebody waits for it.
    pub(super) fn arrange_now(&mut self, histories: &Histories) {
        let chosen = self.chosen().map(|line| line.session.id.clone());
        self.arrange_around(chosen, histories, false);
    }

    /// Of those that are shown, in their order, so many from one on.
    pub(super) fn shown(&self, from: usize, count: usize) -> impl Iterator<Item = &Line> {
        self.order.iter().skip(from).take(count).filter_map(|place| self.lines.get(*place))
    }

    /// How many are shown.
    pub(super) fn shown_count(&self) -> usize {
        self.order.len()
    }

    /// How many there are, shown or not.
    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// How many are paused.
    pub(super) fn paused(&self) -> usize {
        self.lines.iter().filter(|line| line.session.paused).count()
    }

    /// Streams of all of them.
    pub(super) fn streams(&self) -> usize {
        self.lines.iter().map(|line| line.session.streams.len()).sum()
    }

    /// The chosen one.
    pub(super) fn chosen(&self) -> Option<&Line> {
        self.shown(self.cursor.at, 1).next()
    }

    /// One of them.
    pub(super) fn find(&self, session: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.session.id == session)
    }

    /// All ids.
    pub(super) fn ids(&self) -> HashSet<&str> {
        self.lines.iter().map(|line| line.session.id.as_str()).collect()
    }
}

/// What two rows are compared by: numbers come before texts, the worst first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
    Nothing,
}

fn key(line: &Line, by: Sort, histories: &Histories) -> Key {
    let session = &line.session;
    let number = |number: Option<i64>| number.map_or(Key::Nothing, Key::Number);
    let text = |text: &str| if text.is_empty() || text == "-" { Key::Nothing } else { Key::Text(text.to_lowercase()) };
    let worst = || histories.worst(&session.id);
    match by {
        Sort::Since => number(line.started.map(|started| -started)),
        Sort::State => Key::Number(if !session.alarms.is_empty() { 0 } else { 2 - i64::from(session.paused) }),
        Sort::Caller => text(name(session.caller.as_ref())),
        Sort::Callee => text(name(session.callee.as_ref())),
        Sort::Src => text(session.peer.as_deref().unwrap_or(session.origin())),
        Sort::Vendor => text(session.vendor.as_deref().unwrap_or_default()),
        Sort::Loss => number(worst().loss.map(|loss| -loss.cast_signed())),
        Sort::Jitter => number(worst().jitter.map(|jitter| -i64::from(jitter))),
        Sort::Mos => number(worst().mos.map(i64::from)),
    }
}

fn words(session: &Session) -> String {
    let mut words =
        vec![session.id.clone(), session.call_id.clone(), session.origin().to_owned(), session.transport.clone()];
    for person in [&session.caller, &session.callee].into_iter().flatten() {
        words.extend(person.aor.clone());
        words.extend(person.name.clone());
    }
    words.extend(session.peer.clone());
    words.extend(session.vendor.clone());
    words.extend(session.tags.iter().cloned());
    words.push(session.codecs());
    words.push(session.srtp().to_owned());
    words.push(if session.paused { "paused" } else { "recording" }.to_owned());
    words.extend(session.alarms.iter().map(|alarm| alarm.alarm.clone()));
    words.join("\n").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::catalog::Person;

    fn session(id: &str, caller: &str, started: u32) -> Session {
        let caller = Some(Person { aor: Some(format!("sip:{caller}@example.com")), name: None });
        let started_at = Some(format!("2026-11-30T02:{started:02}:00.000Z"));
        Session { id: id.into(), caller, started_at, ..Session::default() }
    }

    fn table() -> SessionTable {
        let mut table = SessionTable::default();
        table.take(vec![session("1", "carol", 5), session("2", "Alice", 7), session("3", "bob", 6)]);
        table.arrange(&Histories::default(), false);
        table
    }

    fn ids(table: &SessionTable) -> Vec<&str> {
        table.shown(0, usize::MAX).map(|line| line.session.id.as_str()).collect()
    }

    #[test]
    fn the_newest_is_first_and_each_column_sorts() {
        let (mut table, histories) = (table(), Histories::default());
        assert_eq!(ids(&table), ["2", "3", "1"]);
        table.sort_by(Sort::Caller);
        table.arrange(&histories, false);
        assert_eq!(ids(&table), ["2", "3", "1"]);
        table.sort_by(Sort::Caller);
        table.arrange(&histories, false);
        assert_eq!(ids(&table), ["1", "3", "2"]);
        table.sort_by_next();
        assert_eq!((table.sort, table.reversed), (Sort::Callee, false));
    }

    #[test]
    fn a_filter_wants_all_its_words_in_any_case() {
        let mut table = table();
        for (filter, found) in
            [("ALICE", vec!["2"]), ("example b", vec!["3"]), ("nobody", vec![]), ("", vec!["2", "3", "1"])]
        {
            table.set_filter(filter);
            table.arrange_now(&Histories::default());
            assert_eq!(ids(&table), found, "{filter}");
        }
    }

    #[test]
    fn who_is_chosen_stays_chosen() {
        let mut table = table();
        table.cursor.at = 1;
        table.take(vec![session("4", "dave", 9), session("1", "carol", 5), session("3", "bob", 6)]);
        table.arrange(&Histories::default(), false);
        assert_eq!(table.chosen().map(|line| line.session.id.as_str()), Some("3"));
        table.ended("3");
        table.arrange(&Histories::default(), false);
        assert_eq!(ids(&table), ["4", "1"]);
    }

    #[test]
    fn ten_thousand_are_sorted_once_a_second_and_not_while_drawing() {
        let mut table = SessionTable::default();
        table.take((0..10_000).map(|n| session(&n.to_string(), "x", n % 60)).collect());
        table.arrange(&Histories::default(), true);
        table.ended("5");
        table.arrange(&Histories::default(), false);
        assert_eq!(table.shown_count(), 10_000, "not between ticks");
        table.arrange(&Histories::default(), true);
        assert_eq!(table.shown_count(), 9_999);
        assert_eq!(table.shown(9_990, 40).count(), 9);
    }
}
