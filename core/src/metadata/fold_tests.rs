//! Folding: flows of RFC 8068 and of vendors, and random walks in which partial documents have to lead to the same
//! state as complete ones.

use super::super::bounds::MAX_HISTORY;
use super::super::parse;
use super::super::tree::MAX_ELEMENTS;
use super::*;
use alloc::format;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const HEAD: &str = "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>";

/// A document of these elements, in the mode `complete` or `partial`.
pub(crate) fn document(mode: &str, elements: &str) -> Document {
    let text = format!("{HEAD}{mode}</datamode>{elements}</recording>");
    parse("application/rs-metadata+xml", text.as_bytes()).document.unwrap()
}

fn participant(id: &str) -> String {
    format!("<participant participant_id='{id}'><nameID aor='sip:{id}@example.com'/></participant>")
}

fn joins(id: &str, session: &str) -> String {
    let times = "<associate-time>2010-12-16T23:41:07Z</associate-time>";
    format!("<participantsessionassoc participant_id='{id}' session_id='{session}'>{times}</participantsessionassoc>")
}

fn leaves(id: &str, session: &str) -> String {
    let times = "<disassociate-time>2010-12-16T23:45:07Z</disassociate-time>";
    format!("<participantsessionassoc participant_id='{id}' session_id='{session}'>{times}</participantsessionassoc>")
}

fn sends(id: &str, streams: &str) -> String {
    let sends: String = streams.split_whitespace().map(|s| format!("<send>{s}</send>")).collect();
    format!("<participantstreamassoc participant_id='{id}'>{sends}</participantstreamassoc>")
}

fn stream(id: &str, session: &str, label: &str) -> String {
    format!("<stream stream_id='{id}' session_id='{session}'><label>{label}</label></stream>")
}

/// Bob and Paul on two streams of session S.
fn basic_call() -> Snapshot {
    let elements = [
        "<session session_id='S'/>".to_string(),
        participant("bob") + &participant("paul"),
        joins("bob", "S") + &joins("paul", "S"),
        stream("s1", "S", "1") + &stream("s2", "S", "2"),
        sends("bob", "s1") + &sends("paul", "s2"),
    ];
    let mut snapshot = Snapshot::default();
    let deviations = snapshot.apply(&document("complete", &elements.concat()), Wall(10));
    assert_eq!(deviations, []);
    snapshot
}

fn senders(snapshot: &Snapshot, label: &str) -> Vec<String> {
    snapshot.senders(label).iter().map(|p| p.id.clone()).collect()
}

#[test]
fn hold_and_resume_by_partial_documents() {
    let mut snapshot = basic_call();
    snapshot.apply(&document("partial", &sends("bob", "")), Wall(20));
    assert_eq!((senders(&snapshot, "1"), senders(&snapshot, "2")), ([].to_vec(), ["paul".to_string()].to_vec()));
    assert!(snapshot.participant("bob").unwrap().is_present());
    snapshot.apply(&document("partial", &sends("bob", "s1")), Wall(30));
    assert_eq!(senders(&snapshot, "1"), ["bob"]);
    let spans: Vec<_> =
        snapshot.participants[0].contributions.iter().map(|c| (c.interval.from.0, c.interval.to)).collect();
    assert_eq!(spans, [(10, Some(Wall(20))), (30, None)]);
    assert_eq!(snapshot.labels_of(&snapshot.participants[0], None), ["1"]);
}

#[test]
fn who_comes_back_is_there_twice() {
    let mut snapshot = basic_call();
    for (seconds, update) in [(20, leaves("paul", "S")), (30, joins("paul", "S")), (40, leaves("paul", "S"))] {
        snapshot.apply(&document("partial", &update), Wall(seconds));
    }
    let spans: Vec<_> = snapshot.participant("paul").unwrap().intervals.iter().map(|i| (i.from.0, i.to)).collect();
    assert_eq!(spans, [(10, Some(Wall(20))), (30, Some(Wall(40)))]);
    assert_eq!(senders(&snapshot, "1"), ["bob"], "what an update does not name stays as it was");
}

#[test]
fn transfer_inside_a_session() {
    let mut snapshot = basic_call();
    let update = leaves("paul", "S") + &participant("carol") + &joins("carol", "S") + &sends("carol", "s2");
    snapshot.apply(&document("partial", &update), Wall(20));
    let paul = snapshot.participant("paul").unwrap();
    assert_eq!((paul.joined_at(), paul.left_at()), (Some(Wall(10)), Some(Wall(20))));
    assert_eq!(paul.intervals[0].said_to.as_deref(), Some("2010-12-16T23:45:07Z"));
    assert_eq!(
        (senders(&snapshot, "1"), senders(&snapshot, "2")),
        (["bob".into()].to_vec(), ["carol".into()].to_vec())
    );
    let (caller, callee) = snapshot.caller_callee(Some("S"), &[]);
    assert_eq!((caller.unwrap().id.as_str(), callee.unwrap().id.as_str()), ("bob", "paul"));
}

#[test]
fn transfer_to_another_session_rebinds_the_streams() {
    let mut snapshot = basic_call();
    let elements = "<session session_id='T'/>".to_string()
        + &participant("bob")
        + &participant("carol")
        + &joins("bob", "T")
        + &joins("carol", "T")
        + &stream("s1", "T", "1")
        + &stream("s2", "T", "2")
        + &sends("bob", "s1")
        + &sends("carol", "s2");
    snapshot.apply(&document("complete", &elements), Wall(20));
    let active: Vec<_> = snapshot.active_sessions().iter().map(|s| s.id.as_str()).collect();
    assert_eq!((active, snapshot.sessions_of(snapshot.stream_by_label("2"))), (["T"].to_vec(), ["T"].to_vec()));
    assert_eq!(snapshot.session("S").unwrap().intervals[0].to, Some(Wall(20)), "closed, not deleted");
    assert!(!snapshot.participant("paul").unwrap().is_present());
    let bob = snapshot.participant("bob").unwrap();
    assert_eq!((bob.intervals.len(), snapshot.is_in(bob, "T"), snapshot.is_in(bob, "S")), (1, true, false));
    assert_eq!(snapshot.session("S").unwrap().people, ["bob", "paul"]);
    assert_eq!(snapshot.stream_by_label("1").unwrap().bindings.len(), 2);
    let called = |session| snapshot.caller_callee(Some(session), &[]).1.map(|p| p.id.as_str());
    assert_eq!((called("S"), called("T")), (Some("paul"), Some("carol")));
}

#[test]
fn a_session_that_stops_takes_its_own_along() {
    let mut snapshot = basic_call();
    let stop = "<session session_id='S'><stop-time>2010-12-16T23:59:07Z</stop-time></session>";
    snapshot.apply(&document("partial", stop), Wall(20));
    assert!(snapshot.active_sessions().is_empty() && snapshot.senders("1").is_empty());
    assert!(snapshot.participants.iter().all(|p| p.left_at() == Some(Wall(20))));
    assert_eq!(snapshot.stream_by_label("1").map(Stream::is_active), Some(false));
    let empty = document("complete", "");
    assert_eq!(snapshot.apply(&empty, Wall(30)), []);
    assert_eq!(snapshot.participants[0].left_at(), Some(Wall(20)), "it ended once");
}

#[test]
fn a_complete_document_may_list_who_has_left() {
    let mut snapshot = basic_call();
    let elements = "<session session_id='S'/>".to_string()
        + &participant("bob")
        + &participant("paul")
        + &joins("bob", "S")
        + &leaves("paul", "S")
        + &stream("s1", "S", "1")
        + &stream("s2", "S", "2")
        + &sends("bob", "s1")
        + &sends("paul", "s2");
    let again = document("complete", &elements);
    snapshot.apply(&again, Wall(20));
    assert!(!snapshot.participant("paul").unwrap().is_present() && senders(&snapshot, "2").is_empty());
    let before = snapshot.clone();
    snapshot.apply(&again, Wall(30));
    assert_eq!(snapshot.participants, before.participants, "saying it again changes nothing");
}

#[test]
fn broadworks_names_a_leaver_without_send() {
    let person =
        |id: &str, send: &str| format!("<participant id='{id}' session='S'><aor>sip:{id}</aor>{send}</participant>");
    let send = "<send><id>x</id></send>";
    let root = |mode: &str, elements: String| {
        let text = format!(
            "<recording_metadata xmlns='urn:ietf:params:xml:ns:siprec'><dataMode>{mode}</dataMode>{elements}</recording_metadata>"
        );
        parse("application/rs-metadata+xml", text.as_bytes()).document.unwrap()
    };
    let first = "<session id='S'/><stream id='x' session='S'><label>1</label><mode>mixed</mode></stream>".to_string();
    let mut snapshot = Snapshot::default();
    snapshot.apply(&root("complete", first + &person("a", send) + &person("b", send)), Wall(10));
    assert_eq!(senders(&snapshot, "1"), ["a", "b"]);
    snapshot.apply(&root("partial", person("a", send) + &person("b", "") + &person("c", send)), Wall(20));
    assert_eq!(senders(&snapshot, "1"), ["a", "c"]);
    assert_eq!(snapshot.participant("b").unwrap().left_at(), Some(Wall(20)));
    snapshot.apply(&root("partial", person("b", send)), Wall(30));
    assert_eq!((senders(&snapshot, "1").len(), snapshot.participants[1].intervals.len()), (3, 2));
}

#[test]
fn avaya_learns_the_callee_later() {
    let stand_in = "<participant participant_id='d'><nameID aor='sip:ASBCE@asbce.com'/></participant>";
    let common = "<session session_id='S'/>".to_string()
        + &participant("a")
        + &joins("a", "S")
        + &sends("a", "x")
        + &stream("x", "S", "10");
    let first = common.clone() + stand_in + &sends("d", "") + &stream("", "S", "20");
    let mut snapshot = Snapshot::default();
    snapshot.apply(&document("complete", &first), Wall(10));
    assert!(snapshot.senders("20").is_empty() && snapshot.stream_by_label("20").is_some());
    let second = common + &participant("b") + &joins("b", "S") + &sends("b", "y") + &stream("y", "S", "20");
    snapshot.apply(&document("partial", &second), Wall(20));
    assert_eq!((senders(&snapshot, "10"), senders(&snapshot, "20")), (["a".into()].to_vec(), ["b".into()].to_vec()));
    let (caller, callee) = snapshot.caller_callee(Some("S"), &[]);
    assert_eq!((caller.unwrap().id.as_str(), callee.unwrap().id.as_str()), ("a", "b"));
}

#[test]
fn without_any_sender_the_order_is_all_there_is() {
    let elements = "<session session_id='S'/>".to_string()
        + &participant("a")
        + &participant("b")
        + &stream("x", "S", "1")
        + &stream("y", "S", "2");
    let mut snapshot = Snapshot::default();
    snapshot.apply(&document("complete", &elements), Wall(10));
    assert_eq!((senders(&snapshot, "1"), senders(&snapshot, "2")), (["a".into()].to_vec(), ["b".into()].to_vec()));
    assert_eq!(snapshot.labels_of(snapshot.participant("b").unwrap(), None), ["2"]);
    let named = basic_call();
    assert_eq!(named.labels_of(named.participant("bob").unwrap(), None), ["1"]);
}

#[test]
fn a_vendors_mark_tells_the_caller() {
    let mut snapshot = basic_call();
    let mark = "<participant participant_id='paul'><e:extensiondata xmlns:e='v'><e:callingParty>true</e:callingParty></e:extensiondata></participant>";
    snapshot.apply(&document("partial", mark), Wall(20));
    let id = |p: Option<&Participant>| p.unwrap().id.clone();
    let (caller, callee) = snapshot.caller_callee(Some("S"), &[]);
    assert_eq!((id(caller), id(callee)), ("paul".to_string(), "bob".to_string()));
    assert_eq!(snapshot.participant("paul").unwrap().names.len(), 1, "a partial element keeps what it does not say");
    let mut snapshot = basic_call();
    let number = "<v xmlns='v'><callingPartyNumber>tel:paul</callingPartyNumber></v>";
    snapshot.apply(&document("partial", number), Wall(20));
    assert_eq!(id(snapshot.caller_callee(None, &[]).0), "paul");
    assert_eq!(id(snapshot.caller_callee(Some("S"), &[]).0), "paul", "what is said of no session is said of each");
}

#[test]
fn a_partial_document_keeps_a_sessions_ids_that_it_does_not_repeat() {
    let mut snapshot = basic_call();
    let ids = |snapshot: &Snapshot| snapshot.session("S").unwrap().sip_session_ids.concat();
    let named = |id: &str| format!("<session session_id='S'><sipSessionID>{id}</sipSessionID></session>");
    snapshot.apply(&document("partial", &named("ab30;remote=47")), Wall(20));
    assert_eq!(ids(&snapshot), "ab30;remote=47");
    snapshot.apply(&document("partial", "<session session_id='S'/>"), Wall(30));
    assert_eq!(ids(&snapshot), "ab30;remote=47");
    snapshot.apply(&document("partial", &named("cd40;remote=47")), Wall(40));
    assert_eq!(ids(&snapshot), "cd40;remote=47");
}

#[test]
fn dangling_references_are_told_and_kept() {
    let mut snapshot = Snapshot::default();
    let told = snapshot.apply(&document("partial", &(sends("x", "nowhere") + &joins("x", "none"))), Wall(1));
    let codes: Vec<_> = told.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["unknown-session", "unknown-participant", "unknown-stream"]);
    assert!(snapshot.participant("x").unwrap().is_present());
    let mut snapshot = basic_call();
    snapshot.apply(&document("partial", &leaves("bob", "bob")), Wall(20));
    assert!(!snapshot.is_in(snapshot.participant("bob").unwrap(), "S"), "the only session was meant");
}

#[test]
fn a_group_is_known_by_its_id_and_keeps_what_is_not_said_again() {
    let session = "<session session_id='S'><group-ref>g</group-ref></session>";
    let group = |inner: &str| format!("<group group_id='g'>{inner}</group>{session}");
    let mut snapshot = Snapshot::default();
    snapshot.apply(&document("complete", &group("<associate-time>2010-12-16T23:41:07Z</associate-time>")), Wall(1));
    snapshot
        .apply(&document("partial", &group("<disassociate-time>2010-12-16T23:45:07Z</disassociate-time>")), Wall(2));
    let times: Vec<_> = snapshot.groups.iter().map(|g| (g.associated.is_some(), g.disassociated.is_some())).collect();
    assert_eq!(times, [(true, true)]);
}

#[test]
fn a_stream_without_an_id_stays_one_until_it_has_one() {
    let session = "<session session_id='S'/>";
    let mut snapshot = Snapshot::default();
    for at in 1..3 {
        snapshot.apply(&document("complete", &format!("{session}{}", stream("", "S", "1"))), Wall(at));
    }
    let bindings = |snapshot: &Snapshot| snapshot.streams.iter().map(|s| s.bindings.len()).collect::<Vec<_>>();
    assert_eq!(bindings(&snapshot), [1]);
    snapshot.apply(&document("partial", &stream("s1", "S", "1")), Wall(3));
    let open: Vec<_> = snapshot.streams.iter().map(|s| (s.id.as_str(), s.bindings[0].interval.is_open())).collect();
    assert_eq!(open, [("", false), ("s1", true)]);
}

#[test]
fn vendors_data_is_one_by_name_namespace_and_parent() {
    let data = |name: &str, space: &str, parent: &str, value: u8| {
        format!("<{name} xmlns='{space}' parent='{parent}'><v>{value}</v></{name}>")
    };
    let mut snapshot = Snapshot::default();
    snapshot.apply(&document("complete", &data("my", "urn:a", "p1", 1)), Wall(1));
    for (other, known) in [(("my", "urn:a", "p2"), 2), (("my", "urn:b", "p1"), 3), (("your", "urn:a", "p1"), 4)] {
        snapshot.apply(&document("partial", &data(other.0, other.1, other.2, 2)), Wall(2));
        assert_eq!(snapshot.extensions.len(), known, "{other:?}");
    }
    snapshot.apply(&document("partial", &data("my", "urn:a", "p1", 9)), Wall(3));
    let mut values: Vec<_> = snapshot.extensions.iter().filter_map(|e| e.field("v")).collect();
    values.sort_unstable();
    assert_eq!(values, ["2", "2", "2", "9"]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut snapshot = basic_call();
    for round in 0..2_000u32 {
        let at = Wall(i64::from(round) + 100);
        let elements =
            format!("<session session_id='S'/><session session_id='S{round}'><stop-time>x</stop-time></session>")
                + &participant("bob")
                + &joins("bob", "S")
                + &sends("bob", if round % 2 == 0 { "s1" } else { "s2" })
                + &participant(&format!("p{round}"))
                + &stream("s1", "S", if round % 2 == 0 { "1" } else { "7" })
                + &format!("<x{round} xmlns='v'>{}</x{round}>", "y".repeat(200));
        snapshot.apply(&document(if round % 3 == 0 { "complete" } else { "partial" }, &elements), at);
    }
    let bob = snapshot.participant("bob").unwrap();
    assert!(bob.contributions.len() <= MAX_HISTORY + 1 && bob.joined_at() == Some(Wall(10)));
    assert!(snapshot.forgotten > 1_000 && snapshot.updates == 2_001);
    let size = serde_json::to_vec(&snapshot).unwrap().len();
    assert!(size < 200_000, "{size}");
    let big = "<x xmlns='v'>".to_string() + &"y".repeat(60_000) + "</x>";
    for round in 0..50 {
        let elements = format!("<participant participant_id='big{round}'>{big}</participant>");
        snapshot.apply(&document("partial", &elements), Wall(9_000));
    }
    assert!(serde_json::to_vec(&snapshot).unwrap().len() < 1_000_000);
    let told = snapshot.apply(&document("partial", &participant("late")), Wall(9_001));
    assert_eq!(told[0].code, "snapshot-full");
    snapshot.apply(&document("complete", &participant("late")), Wall(9_002));
    assert!(snapshot.has_room() && snapshot.participant("late").is_some());
}

#[test]
fn the_largest_documents_are_bounded_and_change_nothing_when_they_come_again() {
    let pieces: [fn(usize) -> String; 4] = [
        |i| format!("<participant participant_id='{i}'/>"),
        |i| format!("<participantsessionassoc participant_id='{i}' session_id='{i}'/>"),
        |i| format!("<participantstreamassoc participant_id='{i}'><send>{i}</send></participantstreamassoc>"),
        |i| format!("<stream stream_id='{i}'><label>{i}</label></stream>"),
    ];
    for piece in pieces {
        let mut elements = String::new();
        for i in 0.. {
            if elements.len() > 65_000 - HEAD.len() {
                break;
            }
            elements += &piece(i);
        }
        let mut snapshot = Snapshot::default();
        let mut apply = |at| {
            snapshot.apply(&document("complete", &elements), Wall(at));
            [snapshot.sessions.len(), snapshot.participants.len(), snapshot.streams.len()]
        };
        let first = apply(1);
        assert!(first.iter().all(|count| *count <= MAX_ELEMENTS), "{first:?}");
        assert_eq!(apply(2), first);
    }
}

/// What is true at a moment: sessions, who is in which of them, what they send.
#[derive(Clone, Default, Debug)]
struct Model {
    sessions: BTreeSet<u8>,
    members: BTreeMap<u8, (u8, BTreeSet<u8>)>,
    labels: BTreeMap<u8, u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Start(u8),
    Stop(u8),
    Join(u8, u8),
    Leave(u8),
    Send(u8, BTreeSet<u8>),
    Label(u8, u8),
}

impl Model {
    /// Takes a step and tells it as a partial document.
    fn step(&mut self, step: &Step) -> String {
        match step {
            Step::Start(s) => {
                let started = self.sessions.insert(*s);
                let assoc = format!("<sessionrecordingassoc session_id='s{s}'/>");
                if started { format!("<session session_id='s{s}'/>{assoc}") } else { String::new() }
            }
            Step::Stop(s) => {
                self.sessions.remove(s);
                self.members.retain(|_, (session, _)| session != s);
                format!("<session session_id='s{s}'><stop-time>2010-12-16T23:59:07Z</stop-time></session>")
            }
            Step::Join(p, s) if self.sessions.contains(s) && !self.members.contains_key(p) => {
                self.members.insert(*p, (*s, BTreeSet::new()));
                participant(&format!("p{p}")) + &joins(&format!("p{p}"), &format!("s{s}"))
            }
            Step::Leave(p) => match self.members.remove(p) {
                Some((s, _)) => leaves(&format!("p{p}"), &format!("s{s}")),
                None => String::new(),
            },
            Step::Send(p, streams) => match self.members.get_mut(p) {
                Some((_, sent)) => {
                    sent.clone_from(streams);
                    sends(&format!("p{p}"), &names(streams))
                }
                None => String::new(),
            },
            Step::Label(stream, label) => {
                self.labels.insert(*stream, *label);
                format!("<stream stream_id='x{stream}'><label>{label}</label></stream>")
            }
            Step::Join(..) => String::new(),
        }
    }

    fn complete(&self) -> String {
        let mut out: String = self.sessions.iter().map(|s| format!("<session session_id='s{s}'/>")).collect();
        for (p, (s, sent)) in &self.members {
            let id = format!("p{p}");
            out += &(participant(&id) + &joins(&id, &format!("s{s}")) + &sends(&id, &names(sent)));
        }
        for (stream, label) in &self.labels {
            out += &format!("<stream stream_id='x{stream}'><label>{label}</label></stream>");
        }
        out
    }
}

fn names(streams: &BTreeSet<u8>) -> String {
    streams.iter().map(|s| format!("x{s} ")).collect()
}

/// A snapshot without what only one of the two ways can know: the SRC's own times, and the order of appearance.
fn told(snapshot: &Snapshot) -> Vec<String> {
    let spans =
        |list: &[Interval]| list.iter().filter(|i| i.to != Some(i.from)).map(|i| (i.from, i.to)).collect::<Vec<_>>();
    let sessions = snapshot.sessions.iter().map(|s| format!("{} {:?}", s.id, spans(&s.intervals)));
    let participants = snapshot.participants.iter().map(|p| {
        let mut memberships: Vec<_> =
            p.memberships.iter().map(|m| format!("{} {:?}", m.session, spans(&m.intervals))).collect();
        memberships.sort();
        let sent: Vec<_> = p.contributions.iter().map(|c| (&c.send, c.interval.from, c.interval.to)).collect();
        format!("{} {:?} {memberships:?} {sent:?}", p.id, spans(&p.intervals))
    });
    let streams = snapshot.streams.iter().map(|s| {
        let bindings: Vec<_> = s.bindings.iter().map(|b| (&b.label, b.interval.from, b.interval.to)).collect();
        format!("{} {bindings:?}", s.id)
    });
    let mut all: Vec<String> = sessions.chain(participants).chain(streams).collect();
    all.sort();
    all
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2u8).prop_map(Step::Start),
        (0..2u8).prop_map(Step::Stop),
        (0..3u8, 0..2u8).prop_map(|(p, s)| Step::Join(p, s)),
        (0..3u8).prop_map(Step::Leave),
        (0..3u8, proptest::collection::btree_set(0..3u8, 0..3)).prop_map(|(p, s)| Step::Send(p, s)),
        (0..3u8, 0..3u8).prop_map(|(s, l)| Step::Label(s, l)),
    ]
}

proptest! {
    #[test]
    fn partial_documents_lead_where_complete_ones_lead(steps in proptest::collection::vec(step(), 1..24)) {
        let (mut model, mut partials, mut completes) = (Model::default(), Snapshot::default(), Snapshot::default());
        for (at, step) in (1i64..).zip(&steps) {
            let change = model.step(step);
            if let Step::Stop(s) = step && !completes.sessions.iter().any(|known| known.id == format!("s{s}")) {
                continue;
            }
            partials.apply(&document("partial", &change), Wall(at));
            completes.apply(&document("complete", &model.complete()), Wall(at));
            prop_assert_eq!(told(&partials), told(&completes), "after {:?}", step);
        }
    }

    #[test]
    fn a_document_twice_is_a_document_once(steps in proptest::collection::vec(step(), 1..12)) {
        let (mut model, mut snapshot) = (Model::default(), Snapshot::default());
        for (at, step) in (1i64..).zip(&steps) {
            let change = document("partial", &model.step(step));
            snapshot.apply(&change, Wall(at));
            let once = told(&snapshot);
            snapshot.apply(&change, Wall(at + 1000));
            prop_assert_eq!(&once, &told(&snapshot));
            snapshot.apply(&document("complete", &model.complete()), Wall(at + 1000));
            prop_assert_eq!(once, told(&snapshot), "the complete document says nothing new");
        }
    }
}
