//! The calls of a capture as a table: filtered as one types, sorted when somebody says so. Calls that belong together stand
//! together, whatever it is sorted by.

use std::collections::BTreeMap;

use siprec_core::metadata::Participant;
use siprec_core::sip::NameAddr;
use siprec_core::trace::{Call, State, Story, party, person};

use crate::tui::cursor::Cursor;

/// Why a call has no audio, where its state says so already, and what is no fault.
const TOLD_ALREADY: [&str; 3] = ["refused", "cancelled", "paused"];

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Time,
    Method,
    From,
    To,
    State,
    Messages,
    Streams,
}

impl Sort {
    pub(super) const ALL: [Self; 7] =
        [Self::Time, Self::Method, Self::From, Self::To, Self::State, Self::Messages, Self::Streams];

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|known| *known == self).unwrap_or(0);
        Self::ALL.get(place + 1).copied().unwrap_or(Self::Time)
    }

    /// As the table's head has it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Time => "TIME",
            Self::Method => "METHOD",
            Self::From => "FROM",
            Self::To => "TO",
            Self::State => "STATE",
            Self::Messages => "MSGS",
            Self::Streams => "RTP",
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The call, by its place; none of the streams that no description names.
    pub(super) call: Option<usize>,
    /// The group that it is in, by its place.
    pub(super) group: usize,
    /// Why there is no audio: how many reasons, once somebody has looked.
    pub(super) faults: Option<usize>,
    /// All that a filter looks at, in lower case.
    words: String,
}

/// Where a row stands among those of its group that are shown next to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// It belongs to nobody.
    Alone,
    /// The others are not shown.
    Hidden,
    First,
    Middle,
    Last,
}

/// All calls, and which of them are shown.
#[derive(Debug)]
pub(super) struct CallTable {
    lines: Vec<Line>,
    groups: Vec<Vec<usize>>,
    /// Lines that are shown, in their order.
    order: Vec<usize>,
    /// Lines that are of calls, and how many of those are shown.
    calls: usize,
    shown_calls: usize,
    filter: String,
    pub(super) sort: Sort,
    pub(super) reversed: bool,
    pub(super) cursor: Cursor,
}

impl CallTable {
    /// Of these calls; `strays`: there are streams of no call.
    pub(super) fn new(story: &Story, calls: &[usize], strays: bool) -> Self {
        let groups = story.groups(calls);
        let mut is_listed = vec![false; story.calls.len()];
        for &call in calls {
            if let Some(slot) = is_listed.get_mut(call) {
                *slot = true;
            }
        }
        let mut lines = Vec::with_capacity(calls.len() + 1);
        for (group, members) in groups.iter().enumerate() {
            for &place in members.iter().filter(|place| is_listed.get(**place).is_some_and(|listed| *listed)) {
                let words = story.calls.get(place).map(words).unwrap_or_default();
                lines.push(Line { call: Some(place), group, faults: None, words });
            }
        }
        if strays {
            let words = "rtp streams of no call".to_owned();
            lines.push(Line { call: None, group: groups.len(), faults: Some(0), words });
        }
        let mut table = Self {
            lines,
            groups,
            order: Vec::new(),
            calls: calls.len(),
            shown_calls: 0,
            filter: String::new(),
            sort: Sort::Time,
            reversed: false,
            cursor: Cursor::default(),
        };
        table.arrange(story);
        table
    }

    /// Brings the order up to date; what is chosen stays chosen.
    fn arrange(&mut self, story: &Story) {
        let chosen = self.order.get(self.cursor.at).copied();
        let wanted: Vec<&str> = self.filter.split_whitespace().collect();
        let is_meant = |line: &Line| wanted.iter().all(|word| line.words.contains(word));
        let mut groups: BTreeMap<usize, (Key, Vec<usize>)> = BTreeMap::new();
        for (place, line) in self.lines.iter().enumerate().filter(|(_, line)| is_meant(line)) {
            let key = key(story, line, self.sort);
            match groups.get_mut(&line.group) {
                Some((first, places)) => {
                    places.push(place);
                    if key < *first {
                        *first = key;
                    }
                }
                None => drop(groups.insert(line.group, (key, vec![place]))),
            }
        }
        let mut groups: Vec<(Key, Vec<usize>)> = groups.into_values().collect();
        groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        if self.reversed {
            groups.reverse();
        }
        self.order = groups.into_iter().flat_map(|(_, places)| places).collect();
        let is_call = |place: &&usize| self.lines.get(**place).is_some_and(|line| line.call.is_some());
        self.shown_calls = self.order.iter().filter(is_call).count();
        self.cursor.at = chosen.and_then(|chosen| self.order.iter().position(|place| *place == chosen)).unwrap_or(0);
    }

    /// Sorts by the next column.
    pub(super) fn sort_by_next(&mut self, story: &Story) {
        (self.sort, self.reversed) = (self.sort.next(), false);
        self.arrange(story);
    }

    /// Sorts by this column; the other way round, where it is by this one already.
    pub(super) fn sort_by(&mut self, sort: Sort, story: &Story) {
        self.reversed = self.sort == sort && !self.reversed;
        self.sort = sort;
        self.arrange(story);
    }

    /// The other way round.
    pub(super) fn reverse(&mut self, story: &Story) {
        self.reversed = !self.reversed;
        self.arrange(story);
    }

    /// Shows only those that have all words of it.
    pub(super) fn set_filter(&mut self, filter: &str, story: &Story) {
        self.filter = filter.to_lowercase();
        self.arrange(story);
    }

    /// Looks for faults of those that are seen.
    pub(super) fn look(&mut self, story: &Story, rows: usize) {
        for place in self.order.iter().skip(self.cursor.top).take(rows) {
            let Some(line) = self.lines.get_mut(*place).filter(|line| line.faults.is_none()) else { continue };
            let silences = line.call.map(|call| story.silences(call)).unwrap_or_default();
            line.faults = Some(silences.iter().filter(|silence| !TOLD_ALREADY.contains(&silence.code)).count());
        }
    }

    /// Of those that are shown, so many from one on, and how each stands to its neighbours.
    pub(super) fn shown(&self, from: usize, count: usize) -> impl Iterator<Item = (&Line, Link)> {
        let places = self.order.iter().enumerate().skip(from).take(count);
        places.filter_map(|(nth, place)| Some((self.lines.get(*place)?, self.link(nth))))
    }

    fn link(&self, nth: usize) -> Link {
        let group_of = |nth: usize| self.order.get(nth).and_then(|place| self.lines.get(*place)).map(|line| line.group);
        let group = group_of(nth);
        let is_same = |nth: Option<usize>| nth.is_some_and(|nth| group_of(nth) == group);
        match (is_same(nth.checked_sub(1)), is_same(Some(nth + 1))) {
            (false, true) => Link::First,
            (true, true) => Link::Middle,
            (true, false) => Link::Last,
            (false, false) if group.and_then(|group| self.groups.get(group)).is_some_and(|group| group.len() > 1) => {
                Link::Hidden
            }
            (false, false) => Link::Alone,
        }
    }

    /// How many rows are shown.
    pub(super) fn shown_count(&self) -> usize {
        self.order.len()
    }

    /// How many calls are shown, and of how many.
    pub(super) fn calls(&self) -> (usize, usize) {
        (self.shown_calls, self.calls)
    }

    /// The chosen one.
    pub(super) fn chosen(&self) -> Option<&Line> {
        self.shown(self.cursor.at, 1).next().map(|(line, _)| line)
    }

    /// Calls that belong together with that of a line, by their places; none of streams of no call.
    pub(super) fn group_of(&self, line: &Line) -> &[usize] {
        self.groups.get(line.group).map_or(&[], Vec::as_slice)
    }
}

/// What two groups are compared by: numbers come before texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
    Nothing,
}

fn key(story: &Story, line: &Line, by: Sort) -> Key {
    let Some((place, call)) = line.call.and_then(|place| Some((place, story.calls.get(place)?))) else {
        return Key::Nothing;
    };
    let most_first = |count: usize| Key::Number(-i64::try_from(count).unwrap_or(i64::MAX));
    match by {
        Sort::Time => Key::Number(call.began_at.0),
        Sort::Method => Key::Text(call.method.clone()),
        Sort::From => Key::Text(parties(call).0.to_lowercase()),
        Sort::To => Key::Text(parties(call).1.to_lowercase()),
        Sort::State => Key::Number(rank(&call.state)),
        Sort::Messages => most_first(call.messages.len()),
        Sort::Streams => most_first(story.stream_places(place).count()),
    }
}

/// The worst first.
fn rank(state: &State) -> i64 {
    match state {
        State::Refused(_) => 0,
        State::Transaction(Some(400..)) => 1,
        State::Trying | State::Ringing(_) | State::Transaction(None) => 2,
        State::Cancelled => 3,
        State::Within => 4,
        State::Established => 5,
        State::Ended(_) => 6,
        State::Transaction(Some(_)) => 7,
    }
}

/// A state in few columns.
pub(super) fn state_word(state: &State) -> String {
    match state {
        State::Transaction(None) => "no answer".to_owned(),
        State::Transaction(Some(status)) => format!("answered {status}"),
        State::Refused(status) => format!("refused {status}"),
        State::Ringing(status) => format!("ringing {status}"),
        State::Trying | State::Established | State::Cancelled | State::Ended(_) | State::Within => {
            state.name().to_owned()
        }
    }
}

/// Who talks: the first of whom a recording session's metadata tells and the others, else who called and was called.
pub(super) fn parties(call: &Call) -> (String, String) {
    let people = call.recording.as_ref().map_or(&[][..], |recording| recording.snapshot.participants.as_slice());
    let names: Vec<String> = people.iter().map(name).collect();
    match names.split_first() {
        Some((first, others)) => (first.clone(), others.join(", ")),
        None => (called(call.caller.as_ref()), called(call.callee.as_ref())),
    }
}

/// A participant's name, else the user of the address.
fn name(participant: &Participant) -> String {
    let name = participant.names.iter().find_map(|name| name.display.as_deref()).filter(|name| !name.is_empty());
    let aor = participant.names.first().map_or("", |name| name.aor.as_str());
    let user = || aor.split_once(':').map_or(aor, |(_, rest)| rest).split('@').next().unwrap_or_default();
    name.unwrap_or_else(user).to_owned()
}

/// Who stands in From or To: by name and user, else by host.
fn called(address: Option<&NameAddr>) -> String {
    let Some(address) = address else { return "?".to_owned() };
    let user = address.uri.user.as_deref().unwrap_or_default();
    match (address.display.as_deref().unwrap_or_default(), user) {
        ("", "") => address.uri.host.to_string(),
        ("", user) => user.to_owned(),
        (name, "") => name.to_owned(),
        (name, user) => format!("{name} {user}"),
    }
}

fn words(call: &Call) -> String {
    let mut words = vec![call.id.clone(), call.method.clone(), state_word(&call.state), call.transport.to_string()];
    words.extend([call.caller.as_ref(), call.callee.as_ref()].map(party));
    words.extend([call.caller_address, call.callee_address].map(|address| address.to_string()));
    words.extend(call.vendor.as_ref().map(|vendor| vendor.product.clone()));
    if let Some(recording) = &call.recording {
        words.push("recording session".to_owned());
        words.extend(recording.snapshot.sessions.iter().map(|session| session.id.clone()));
        words.extend(recording.snapshot.participants.iter().map(person));
    }
    words.join("\n").to_lowercase()
}
