//! What one document changes of an element, and what it leaves.

use alloc::format;
use alloc::vec::Vec;

use crate::metadata::document;
use crate::metadata::snapshot::Snapshot;
use crate::time::Wall;

/// Bob, who sends on one of two streams.
fn call() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let elements = "<session session_id='S'/><participant participant_id='bob'><nameID aor='sip:bob@example.com'/></participant>\
        <participantsessionassoc participant_id='bob' session_id='S'/>\
        <stream stream_id='s1' session_id='S'><label>1</label></stream>\
        <stream stream_id='s2' session_id='S'><label>2</label></stream>\
        <participantstreamassoc participant_id='bob'><send>s1</send></participantstreamassoc>";
    snapshot.apply(&document("complete", elements), Wall(10));
    snapshot
}

#[test]
fn a_group_is_kept_where_a_partial_update_names_none_and_goes_where_a_complete_one_does() {
    let mut snapshot = Snapshot::default();
    let mut apply = |mode: &str, group: &str| {
        snapshot.apply(&document(mode, &format!("<session session_id='S'>{group}</session>")), Wall(1));
        snapshot.sessions[0].group.clone()
    };
    assert_eq!(apply("complete", "<group-ref>g1</group-ref>").as_deref(), Some("g1"));
    assert_eq!(apply("partial", "").as_deref(), Some("g1"));
    assert_eq!(apply("partial", "<group-ref>g2</group-ref>").as_deref(), Some("g2"));
    assert_eq!(apply("complete", ""), None);
}

#[test]
fn who_comes_under_another_address_is_remembered_as_whom_he_was() {
    let mut snapshot = call();
    let named = |aor: &str| format!("<participant participant_id='bob'><nameID aor='{aor}'/></participant>");
    snapshot.apply(&document("partial", &named("sip:carol@example.com")), Wall(20));
    let bob = snapshot.participant("bob").unwrap();
    let former: Vec<_> = bob.former.iter().map(|former| (former.names[0].aor.as_str(), former.until)).collect();
    assert_eq!(former, [("sip:bob@example.com", Wall(20))]);
    assert_eq!(bob.names[0].aor, "sip:carol@example.com");
    // The same address once more is the same person.
    snapshot.apply(&document("partial", &named("sip:carol@example.com")), Wall(30));
    assert_eq!(snapshot.participant("bob").unwrap().former.len(), 1);
}

#[test]
fn what_a_participant_receives_is_known_until_it_is_said_otherwise() {
    let mut snapshot = call();
    let assoc = |what: &str| format!("<participantstreamassoc participant_id='bob'>{what}</participantstreamassoc>");
    snapshot.apply(&document("partial", &assoc("<send>s1</send><recv>s2</recv>")), Wall(20));
    assert_eq!(snapshot.participant("bob").unwrap().receives(), ["s2"]);
    snapshot.apply(&document("partial", &assoc("<send>s1</send>")), Wall(30));
    assert!(snapshot.participant("bob").unwrap().receives().is_empty());
}
