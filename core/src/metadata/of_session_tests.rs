//! Several communication sessions in one recording session: none knows the others' people, order, labels or ids.

use super::super::document::Document;
use super::super::parse;
use super::*;
use alloc::format;
use alloc::string::ToString;

fn document(mode: &str, elements: &str) -> Document {
    let text = format!(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>{mode}</datamode>{elements}</recording>"
    );
    parse("application/rs-metadata+xml", text.as_bytes()).document.unwrap()
}

fn told(snapshot: &mut Snapshot, at: i64, mode: &str, elements: &str) {
    snapshot.apply(&document(mode, elements), Wall(at));
}

/// Two people of a session, the first on the first of the labels; associations, or none.
fn call(session: &str, people: [&str; 2], labels: [&str; 2], associated: bool) -> String {
    let mut elements = format!("<session session_id='{session}'/>");
    for id in people {
        elements += &format!("<participant participant_id='{id}'><nameID aor='sip:{id}@h'/></participant>");
        if associated {
            elements += &format!("<participantsessionassoc participant_id='{id}' session_id='{session}'/>");
        }
    }
    for (id, label) in people.iter().zip(labels) {
        elements += &format!("<stream stream_id='s{label}' session_id='{session}'><label>{label}</label></stream>");
        elements +=
            &format!("<participantstreamassoc participant_id='{id}'><send>s{label}</send></participantstreamassoc>");
    }
    elements
}

const OVER: &str = "<stop-time>2026-01-02T03:09:05Z</stop-time>";

fn people(snapshot: &Snapshot, session: &str) -> String {
    let label = |p: &&Participant| format!("{}:{}", p.id, snapshot.labels_of(p, Some(session)).join("+"));
    snapshot.participants_of(session).iter().map(label).collect::<Vec<_>>().join(" ")
}

fn ends(snapshot: &Snapshot, session: &str) -> String {
    let (caller, callee) = snapshot.caller_callee(Some(session), &[]);
    [caller, callee].map(|p| p.map(|p| p.id.clone()).unwrap_or_default()).join(">")
}

#[test]
fn calls_in_a_row_have_their_own_people_order_labels_and_times() {
    for associated in [true, false] {
        let mut snapshot = Snapshot::default();
        told(&mut snapshot, 10, "complete", &call("one", ["alice", "bob"], ["1", "2"], associated));
        told(&mut snapshot, 20, "partial", &format!("<session session_id='one'>{OVER}</session>"));
        assert_eq!(people(&snapshot, "one"), "alice:1 bob:2", "associated: {associated}");
        // Alice is called now, on the other line.
        told(&mut snapshot, 30, "partial", &call("two", ["erin", "alice"], ["1", "2"], associated));
        told(&mut snapshot, 40, "partial", &format!("<session session_id='two'>{OVER}</session>"));
        told(&mut snapshot, 50, "complete", &call("three", ["alice", "bob"], ["1", "2"], associated));
        assert_eq!(people(&snapshot, "two"), "erin:1 alice:2", "associated: {associated}");
        assert_eq!((ends(&snapshot, "one"), ends(&snapshot, "two")), ("alice>bob".into(), "erin>alice".into()));
        assert_eq!(
            (people(&snapshot, "three"), ends(&snapshot, "three")),
            ("alice:1 bob:2".into(), "alice>bob".into())
        );
        let alice = snapshot.participant("alice").unwrap();
        let stay = |session| snapshot.stay(alice, Some(session)).map(|(from, to)| (from.0, to.map(|to| to.0)));
        assert_eq!(
            (stay("one"), stay("two")),
            (Some((10, Some(20))), Some((30, Some(40)))),
            "associated: {associated}"
        );
        assert_eq!(stay("three"), Some((50, None)));
    }
}

#[test]
fn calls_side_by_side_have_their_own_people_though_somebody_is_in_both() {
    for associated in [true, false] {
        let mut snapshot = Snapshot::default();
        told(&mut snapshot, 10, "complete", &call("left", ["trader", "bob"], ["1", "2"], associated));
        let right = call("right", ["carol", "trader"], ["3", "4"], associated);
        let right = right.replace("<send>s4</send>", "<send>s1</send><send>s4</send>");
        told(&mut snapshot, 20, "partial", &right);
        assert_eq!(people(&snapshot, "left"), "trader:1 bob:2", "associated: {associated}");
        assert_eq!(people(&snapshot, "right"), "carol:3 trader:4", "associated: {associated}");
        assert_eq!((ends(&snapshot, "left"), ends(&snapshot, "right")), ("trader>bob".into(), "carol>trader".into()));
    }
}

#[test]
fn known_people_are_in_the_order_of_their_associations() {
    let mut snapshot = Snapshot::default();
    told(&mut snapshot, 10, "complete", &call("one", ["alice", "bob"], ["1", "2"], true));
    let joins = |id: &str| format!("<participantsessionassoc participant_id='{id}' session_id='two'/>");
    let carol = "<participant participant_id='carol'/>";
    told(
        &mut snapshot,
        20,
        "partial",
        &format!("<session session_id='two'/>{carol}{}{}", joins("bob"), joins("carol")),
    );
    assert_eq!(ends(&snapshot, "two"), "bob>carol");
    // Somebody described before there was a session is in it when it comes.
    let mut snapshot = Snapshot::default();
    told(&mut snapshot, 10, "complete", "<participant participant_id='a'/><participant participant_id='b'/>");
    told(&mut snapshot, 20, "partial", "<session session_id='S'/>");
    assert_eq!(ends(&snapshot, "S"), "a>b");
}

#[test]
fn vendors_data_is_the_sessions_in_whose_document_it_stood() {
    let number = |number: &str| format!("<v xmlns='v'><callingPartyNumber>{number}</callingPartyNumber></v>");
    let mut snapshot = Snapshot::default();
    told(&mut snapshot, 10, "complete", &(call("one", ["alice", "bob"], ["1", "2"], true) + &number("bob")));
    told(&mut snapshot, 20, "partial", &call("two", ["bob", "carol"], ["3", "4"], true));
    assert_eq!((ends(&snapshot, "one"), ends(&snapshot, "two")), ("bob>alice".into(), "bob>carol".into()));
    told(&mut snapshot, 30, "partial", &("<session session_id='two'/>".to_string() + &number("carol")));
    assert_eq!((ends(&snapshot, "one"), ends(&snapshot, "two")), ("bob>alice".into(), "carol>bob".into()));
    // What is over has nothing to say any more.
    told(&mut snapshot, 40, "partial", &format!("<session session_id='one'>{OVER}</session>"));
    assert_eq!((ends(&snapshot, "one"), snapshot.extensions.len()), ("bob>alice".into(), 2));
    told(&mut snapshot, 50, "partial", "");
    assert_eq!(snapshot.extensions.len(), 1);
}

#[test]
fn who_comes_back_is_described_anew() {
    let marked = |id: &str| {
        format!("<participant participant_id='{id}'><e xmlns='v'><callingParty>true</callingParty></e></participant>")
    };
    let mut snapshot = Snapshot::default();
    told(&mut snapshot, 10, "complete", &(call("one", ["alice", "bob"], ["1", "2"], true)));
    told(&mut snapshot, 11, "partial", &marked("bob"));
    told(&mut snapshot, 20, "partial", &format!("<session session_id='one'>{OVER}</session>"));
    assert_eq!(ends(&snapshot, "one"), "bob>alice");
    told(&mut snapshot, 30, "partial", &call("two", ["carol", "bob"], ["1", "2"], true));
    assert_eq!(ends(&snapshot, "two"), "carol>bob", "the mark was of another call");
}
