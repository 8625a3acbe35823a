//! Calls that are followed: of each as much as tells whether it is wanted, who is in it, and what a message answers.
//!
//! A capture is read to its end before it is told; what goes on has none. So of each call the last messages are kept, as long as one of
//! them may come again or be answered, and of the others what they said of names, ids and addresses.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use anyhow::Result;
use serde::Deserialize;
use siprec_core::sip::NameAddr;
use siprec_core::time::Wall;
use siprec_core::trace::{Call, Filter, Line, Side, Story, Trace, Traced, party};

use crate::api_answers::{Message, Session};
use crate::archive::catalog::Person;

/// Messages that are kept of a call.
const RECENT: usize = 32;
/// A message is neither answered nor sent again after so long (RFC 3261 17: 64 T1, of both of its ends).
const AGE_NS: i64 = 64_000_000_000;
/// Names, ids, or addresses that are remembered of a call.
const KNOWN: usize = 256;
/// Messages between two looks at which calls are over.
const SWEEP: usize = 256;

/// A message as it comes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SipEvent {
    pub(super) session: Option<String>,
    #[serde(flatten)]
    pub(super) message: Message,
}

/// All calls that are followed.
pub(super) struct Calls {
    filter: Filter,
    /// Sessions that are wanted; all, where none is named.
    sessions: BTreeSet<String>,
    /// By Call-ID.
    calls: HashMap<String, Known>,
    /// Messages so far.
    count: usize,
}

/// What is known of a call.
#[derive(Debug, Default)]
struct Known {
    session: Option<String>,
    /// Who is in it, in few words.
    parties: String,
    names: BTreeSet<String>,
    ids: BTreeSet<String>,
    addresses: BTreeSet<SocketAddr>,
    recent: VecDeque<Recent>,
    last_at: Wall,
    is_over: bool,
}

#[derive(Debug)]
struct Recent {
    number: usize,
    at: Wall,
    message: Message,
}

/// A message that is wanted.
pub(super) struct Seen {
    /// The last messages of its call, and it.
    pub(super) story: Story,
    pub(super) place: usize,
    /// Their numbers, by their places.
    pub(super) numbers: Vec<usize>,
    pub(super) session: Option<String>,
    pub(super) parties: String,
}

impl Seen {
    pub(super) fn message(&self) -> Option<&Traced> {
        self.story.messages.get(self.place)
    }
}

/// What became of a message.
pub(super) enum Taken {
    Wanted(Box<Seen>),
    Unwanted,
    /// It cannot be read: why.
    Unreadable(String),
}

impl Calls {
    pub(super) fn new(filter: Filter, sessions: impl IntoIterator<Item = String>) -> Self {
        Self { filter, sessions: sessions.into_iter().collect(), calls: HashMap::new(), count: 0 }
    }

    /// What the server says of a session that goes on.
    pub(super) fn know(&mut self, session: &Session) {
        let known = self.calls.entry(session.call_id.clone()).or_default();
        known.session = Some(session.id.clone());
        let people: Vec<&Person> = [&session.caller, &session.callee].into_iter().flatten().collect();
        known.name_parties(people.into_iter().map(Person::label));
        for person in session.people() {
            known.names.extend([&person.aor, &person.name].into_iter().flatten().map(|name| name.to_lowercase()));
        }
        known.ids.extend(session.recordings.iter().filter_map(|recording| recording.communication_session.clone()));
        known.addresses.extend(session.streams.iter().flat_map(|stream| [stream.local, stream.remote]).flatten());
    }

    /// A session is over: what is left of it is soon forgotten. Whether those that are wanted are all over.
    pub(super) fn ended(&mut self, session: &str) -> bool {
        let of_it = |known: &&mut Known| known.session.as_deref() == Some(session);
        self.calls.values_mut().filter(of_it).for_each(|known| known.is_over = true);
        self.sessions.remove(session) && self.sessions.is_empty()
    }

    /// A message came by.
    pub(super) fn take(&mut self, event: SipEvent) -> Result<Taken> {
        let at = event.message.at()?;
        self.count += 1;
        if self.count.is_multiple_of(SWEEP) {
            self.calls.retain(|_, known| !known.is_forgotten(at));
        }
        let alone = story(std::iter::once((at, &event.message)));
        let Some(message) = alone.messages.first() else {
            let reason = alone.unreadable.first().map_or("it is empty", |unreadable| unreadable.reason.as_str());
            return Ok(Taken::Unreadable(reason.to_owned()));
        };
        let call_id = message.call_id.clone();
        let known = self.calls.entry(call_id.clone()).or_default();
        known.session = event.session.or_else(|| known.session.take());
        let (story, numbers) = known.take(Recent { number: self.count, at, message: event.message });
        let place = numbers.iter().position(|number| *number == self.count).unwrap_or_default();
        let Some(message) = story.messages.get(place) else { return Ok(Taken::Unwanted) };
        let Some(known) = self.calls.get(&call_id).filter(|known| self.is_wanted(known, message)) else {
            return Ok(Taken::Unwanted);
        };
        let (session, parties) = (known.session.clone(), known.parties.clone());
        Ok(Taken::Wanted(Box::new(Seen { story, place, numbers, session, parties })))
    }

    fn is_wanted(&self, known: &Known, message: &Traced) -> bool {
        let filter = &self.filter;
        let is_session = || known.session.as_ref().is_some_and(|session| self.sessions.contains(session));
        let is_call = |wanted: &String| message.call_id == *wanted || known.ids.contains(wanted);
        let is_party = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            known.names.iter().any(|name| name.contains(&wanted))
        };
        let is_at = |wanted: &siprec_core::trace::Place| {
            [message.from, message.to].iter().chain(&known.addresses).any(|address| wanted.is(*address))
        };
        // That peers ask whether the server is there is of no call.
        let asks = || message.about() == "OPTIONS" && !filter.methods.iter().any(|m| m.eq_ignore_ascii_case("OPTIONS"));
        (self.sessions.is_empty() || is_session())
            && (filter.calls.is_empty() || filter.calls.iter().any(is_call))
            && (filter.parties.is_empty() || filter.parties.iter().any(is_party))
            && (filter.addresses.is_empty() || filter.addresses.iter().any(is_at))
            && filter.message(message)
            && (known.session.is_some() || !asks())
    }
}

impl Known {
    /// Takes a message; the story of the last ones, and their numbers by their places.
    fn take(&mut self, recent: Recent) -> (Story, Vec<usize>) {
        let at = recent.at;
        self.last_at = self.last_at.max(at);
        self.recent.push_back(recent);
        while self.recent.len() > RECENT || self.recent.front().is_some_and(|first| at.nanos_since(first.at) > AGE_NS) {
            self.recent.pop_front();
        }
        // As a story sorts them.
        self.recent.make_contiguous().sort_by_key(|recent| recent.at);
        let story = story(self.recent.iter().map(|recent| (recent.at, &recent.message)));
        if let Some(call) = story.calls.first() {
            self.learn(call);
        }
        (story, self.recent.iter().map(|recent| recent.number).collect())
    }

    /// What the last messages say of the call.
    fn learn(&mut self, call: &Call) {
        let snapshot = call.recording.as_ref().map(|recording| &recording.snapshot);
        let people = || snapshot.into_iter().flat_map(|snapshot| &snapshot.participants);
        let lower = |text: &str| text.to_lowercase();
        let dialog = [party(call.caller.as_ref()), party(call.callee.as_ref())];
        let mut names: Vec<String> = dialog.iter().map(|name| lower(name)).collect();
        for name in people().flat_map(|person| &person.names) {
            names.extend([lower(&name.aor), lower(&name.normalised)]);
            names.extend(name.display.as_deref().map(lower));
        }
        put(&mut self.names, names);
        put(&mut self.ids, snapshot.into_iter().flat_map(|snapshot| &snapshot.sessions).map(|s| s.id.clone()));
        let lines = [Side::Caller, Side::Callee].into_iter().flat_map(|side| call.media.lines(side));
        put(&mut self.addresses, lines.filter_map(Line::address));
        let person = |(aor, display): (&str, Option<&str>)| {
            let person = Person { aor: Some(aor.to_owned()), name: display.map(str::to_owned) };
            person.label().to_owned()
        };
        let present: Vec<String> = people()
            .filter(|person| person.is_present())
            .filter_map(|of| of.names.first())
            .map(|name| person((&name.aor, name.display.as_deref())))
            .collect();
        if !present.is_empty() {
            self.name_parties(present.iter().map(String::as_str));
        } else if self.parties.is_empty() {
            let of = |address: &NameAddr| {
                let uri = party(Some(&NameAddr { display: None, ..address.clone() }));
                person((&uri, address.display.as_deref()))
            };
            let ends: Vec<String> = [&call.caller, &call.callee].into_iter().flatten().map(of).collect();
            self.name_parties(ends.iter().map(String::as_str));
        }
    }

    fn name_parties<'a>(&mut self, labels: impl Iterator<Item = &'a str>) {
        let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
        if let [first, second, more @ ..] = labels.as_slice() {
            let more = if more.is_empty() { String::new() } else { format!(" +{}", more.len()) };
            self.parties = format!("{first} - {second}{more}");
        } else if let [only] = labels.as_slice() {
            (*only).clone_into(&mut self.parties);
        }
    }

    /// Whether nothing can come any more that it would be needed for.
    fn is_forgotten(&self, now: Wall) -> bool {
        (self.is_over || self.session.is_none()) && now.nanos_since(self.last_at) > AGE_NS
    }
}

/// Remembers some more, as long as they are not too many.
fn put<T: Ord>(known: &mut BTreeSet<T>, more: impl IntoIterator<Item = T>) {
    let room = KNOWN.saturating_sub(known.len());
    known.extend(more.into_iter().take(room));
}

fn story<'a>(messages: impl Iterator<Item = (Wall, &'a Message)>) -> Story {
    let mut trace = Trace::default();
    for (at, message) in messages {
        trace.signalling(at, message.transport(), message.from, message.to, message.message.as_bytes());
    }
    trace.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: &str = "192.0.2.1:5060";
    const SRS: &str = "192.0.2.2:5060";

    fn event(second: i64, first: &str, (call, cseq): (&str, &str), session: Option<&str>) -> SipEvent {
        let (from, to) = if first.starts_with("SIP/2.0") { (SRS, SRC) } else { (SRC, SRS) };
        let message = format!(
            "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{}\r\nFrom: \"Ann\" <sip:ann@h>;tag=1\r\nTo: <sip:bob@h>\r\n\
             Call-ID: {call}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n",
            cseq.replace(' ', "")
        );
        let at = Wall(second * 1_000_000_000).rfc3339();
        let message =
            Message { at, transport: "udp".into(), from: from.parse().unwrap(), to: to.parse().unwrap(), message };
        SipEvent { session: session.map(str::to_owned), message }
    }

    fn invite(second: i64, call: &str, session: Option<&str>) -> SipEvent {
        event(second, "INVITE sip:bob@h SIP/2.0", (call, "1 INVITE"), session)
    }

    fn seen(calls: &mut Calls, event: SipEvent) -> Option<Seen> {
        match calls.take(event).unwrap() {
            Taken::Wanted(seen) => Some(*seen),
            Taken::Unwanted | Taken::Unreadable(_) => None,
        }
    }

    fn calls(filter: Filter) -> Calls {
        Calls::new(filter, Vec::new())
    }

    #[test]
    fn a_message_knows_what_it_answers_its_session_and_who_is_in_it() {
        let mut calls = calls(Filter::default());
        assert!(seen(&mut calls, invite(1, "other", None)).is_some());
        let first = seen(&mut calls, invite(1, "c", None)).unwrap();
        assert_eq!((first.numbers.as_slice(), first.session), ([2].as_slice(), None));
        let ok = seen(&mut calls, event(2, "SIP/2.0 200 OK", ("c", "1 INVITE"), Some("s"))).unwrap();
        let answers = ok.message().unwrap().answers.map(|place| ok.numbers[place]);
        assert_eq!((answers, ok.session.as_deref(), ok.parties.as_str()), (Some(2), Some("s"), "Ann - bob@h"));
        let late = seen(&mut calls, event(900, "BYE sip:bob@h SIP/2.0", ("c", "2 BYE"), None)).unwrap();
        assert_eq!((late.session.as_deref(), late.numbers.len()), (Some("s"), 1), "what is old is not kept");
    }

    #[test]
    fn filters_hold_for_what_was_known_before_too() {
        let session: Session = serde_json::from_value(serde_json::json!({
            "id": "s", "call_id": "c", "caller": {"aor": "tel:+4930123", "name": null}, "callee": {"aor": "sip:x@h", "name": "Xenia"},
            "recordings": [{"id": "r", "communication_session": "cs-1"}], "streams": [{"number": 1, "local": "192.0.2.9:10000"}],
        }))
        .unwrap();
        let shown = |filter: Filter| {
            let mut calls = calls(filter);
            calls.know(&session);
            seen(&mut calls, event(1, "INFO sip:bob@h SIP/2.0", ("c", "7 INFO"), Some("s"))).is_some()
        };
        let party = |text: &str| Filter { parties: vec![text.into()], ..Filter::default() };
        assert!(shown(party("xenia")) && shown(party("4930")) && shown(party("ann")) && !shown(party("carla")));
        let call = |id: &str| Filter { calls: vec![id.into()], ..Filter::default() };
        assert!(shown(call("c")) && shown(call("cs-1")) && !shown(call("d")));
        let at = |place: &str| Filter { addresses: vec![place.parse().unwrap()], ..Filter::default() };
        assert!(shown(at("192.0.2.9")) && shown(at("192.0.2.1:5060")) && !shown(at("192.0.2.3")));
        let method = |name: &str| Filter { methods: vec![name.into()], ..Filter::default() };
        assert!(shown(method("info")) && !shown(method("INVITE")));
    }

    #[test]
    fn questions_whether_the_server_is_there_are_for_who_asks_for_them() {
        let options = || event(1, "OPTIONS sip:srs SIP/2.0", ("o", "1 OPTIONS"), None);
        assert!(seen(&mut calls(Filter::default()), options()).is_none());
        assert!(seen(&mut calls(Filter { methods: vec!["options".into()], ..Filter::default() }), options()).is_some());
    }

    #[test]
    fn sessions_that_are_named_are_followed_to_their_end_and_what_is_over_is_forgotten() {
        let mut calls = Calls::new(Filter::default(), ["s".to_owned()]);
        assert!(seen(&mut calls, invite(1, "c", Some("s"))).is_some());
        assert!(seen(&mut calls, invite(1, "d", Some("t"))).is_none());
        assert!(!calls.ended("t") && calls.ended("s"));
        for second in 0..300 {
            seen(&mut calls, invite(200 + second, "e", Some("u")));
        }
        assert_eq!(calls.calls.keys().collect::<Vec<_>>(), ["e"]);
        assert!(calls.calls["e"].recent.len() <= RECENT);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut broken = invite(1, "c", None);
        broken.message.message = "INVITE nonsense".into();
        assert!(matches!(calls(Filter::default()).take(broken).unwrap(), Taken::Unreadable(_)));
    }
}
