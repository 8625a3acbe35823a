//! Documents that are not as the schema has them, class by class: each is read as what it means, and told.

use super::super::{Document, Snapshot, parse};
use crate::time::Wall;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const NS: &str = "urn:ietf:params:xml:ns:recording:1";

fn read(text: &str) -> (Option<Document>, Vec<String>) {
    let parsed = parse("application/rs-metadata+xml", text.as_bytes());
    (parsed.document, parsed.deviations.into_iter().map(|deviation| deviation.code).collect())
}

fn document(elements: &str) -> String {
    format!("<recording xmlns='{NS}'><datamode>complete</datamode>{elements}</recording>")
}

/// Who is in which session and sends on which label: `S: ann>1 ben>2`.
fn told(text: &str) -> (String, Vec<String>) {
    let (document, mut codes) = read(text);
    let mut snapshot = Snapshot::default();
    let Some(document) = document else { return (String::new(), codes) };
    codes.extend(snapshot.apply(&document, Wall(1)).into_iter().map(|deviation| deviation.code));
    (words(&snapshot), codes)
}

fn words(snapshot: &Snapshot) -> String {
    let mut all = Vec::new();
    for session in snapshot.active_sessions() {
        let person = |p: &&super::super::Participant| {
            let name = p.names.first().map(|n| n.normalised.split('@').next().unwrap_or("").to_string());
            format!("{}>{}", name.unwrap_or_default(), snapshot.labels_of(p, Some(&session.id)).join("+"))
        };
        let people: Vec<String> = snapshot.participants_of(&session.id).iter().map(person).collect();
        all.push(format!("{}: {}", session.id, people.join(" ")));
    }
    all.join("; ")
}

const SESSION: &str = "<session session_id='S'/>";
const PEOPLE: &str = "<participant participant_id='a'><nameID aor='sip:ann@h'/></participant>\
                      <participant participant_id='b'><nameID aor='sip:ben@h'/></participant>";
const JOINS: &str = "<participantsessionassoc participant_id='a' session_id='S'/>\
                     <participantsessionassoc participant_id='b' session_id='S'/>";
const STREAMS: &str = "<stream stream_id='x' session_id='S'><label>1</label></stream>\
                       <stream stream_id='y' session_id='S'><label>2</label></stream>";
const SENDS: &str = "<participantstreamassoc participant_id='a'><send>x</send><recv>y</recv></participantstreamassoc>\
                     <participantstreamassoc participant_id='b'><send>y</send><recv>x</recv></participantstreamassoc>";
const EXPECTED: &str = "S: ann>1 ben>2";

fn whole() -> String {
    [SESSION, PEOPLE, JOINS, STREAMS, SENDS].concat()
}

/// The whole document with pieces replaced.
fn with(changes: &[(&str, &str)]) -> String {
    let mut text = document(&whole());
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

#[track_caller]
fn assert_read(text: &str, code: &str) {
    let (found, codes) = told(text);
    assert_eq!(found, EXPECTED, "{text}\n{codes:?}");
    assert!(code.is_empty() || codes.iter().any(|known| known == code), "{code} is not among {codes:?}\n{text}");
}

#[test]
fn what_stands_elsewhere_is_read_where_it_stands() {
    let person = |id: &str, name: &str, inner: &str| {
        format!("<participant participant_id='{id}'><nameID aor='sip:{name}@h'/>{inner}</participant>")
    };
    let sends = |stream: &str| format!("<participantstreamassoc><send>{stream}</send></participantstreamassoc>");
    let in_person = |stream: &str| format!("<participantsessionassoc session_id='S'/>{}", sends(stream));
    let stream = |id: &str, label: &str, inner: &str| {
        format!("<stream stream_id='{id}' session_id='S'><label>{label}</label>{inner}</stream>")
    };
    let both = |inner: fn(&str, &str) -> String| [inner("x", "a"), inner("y", "b")].concat();
    for elements in [
        // Associations in their participant; in their session; in one another; in the stream.
        [SESSION, STREAMS, &person("a", "ann", &in_person("x")), &person("b", "ben", &in_person("y"))].concat(),
        [PEOPLE, STREAMS, &format!("<session session_id='S'>{}{SENDS}</session>", JOINS.replace(" session_id='S'", ""))].concat(),
        [SESSION, PEOPLE, STREAMS, &both(|stream, person| format!("<participantsessionassoc participant_id='{person}' session_id='S'><participantstreamassoc><send>{stream}</send></participantstreamassoc></participantsessionassoc>"))].concat(),
        [SESSION, PEOPLE, JOINS, &stream("x", "1", "<participantstreamassoc participant_id='a'/>"), &stream("y", "2", "<participantstreamassoc participant_id='b'/>")].concat(),
        // All in the session; streams in who sends them; people in their streams.
        format!("<session session_id='S'>{PEOPLE}{STREAMS}{SENDS}</session>"),
        [SESSION, JOINS, &person("a", "ann", &stream("x", "1", "")), &person("b", "ben", &stream("y", "2", ""))].concat(),
        [SESSION, JOINS, &stream("x", "1", &person("a", "ann", "")), &stream("y", "2", &person("b", "ben", ""))].concat(),
        // In a group; in elements that only stand around others; in another recording.
        format!("<group group_id='g'>{SESSION}{PEOPLE}{JOINS}</group>{STREAMS}{SENDS}"),
        format!("<sessions>{SESSION}</sessions><participants>{PEOPLE}</participants><streams>{STREAMS}</streams><associations>{JOINS}{SENDS}</associations>"),
        format!("<recording>{}</recording>", whole()),
        // Names in an association.
        [SESSION, STREAMS, SENDS, &JOINS.replace("'a' session_id='S'/>", "'a' session_id='S'><nameID aor='sip:ann@h'/></participantsessionassoc>").replace("'b' session_id='S'/>", "'b' session_id='S'><nameID aor='sip:ben@h'/></participantsessionassoc>")].concat(),
    ] {
        assert_read(&document(&elements), "misplaced-element");
    }
}

#[test]
fn attributes_may_be_elements_and_elements_attributes() {
    let as_elements = [
        "<session><session_id>S</session_id></session>",
        "<participant><participant_id>a</participant_id><nameID><aor>sip:ann@h</aor></nameID></participant>",
        "<participant><participantId>b</participantId><nameID><aor>sip:ben@h</aor></nameID></participant>",
        "<participantsessionassoc><participant_id>a</participant_id><session_id>S</session_id></participantsessionassoc>",
        "<participantsessionassoc><participant>b</participant><session>S</session></participantsessionassoc>",
        "<stream><stream_id>x</stream_id><session_id>S</session_id><label>1</label></stream>",
        "<stream><id>y</id><session>S</session><label>2</label></stream>",
        "<participantstreamassoc><participant_id>a</participant_id><send>x</send></participantstreamassoc>",
        "<participantstreamassoc><participant>b</participant><send><stream_id>y</stream_id></send></participantstreamassoc>",
    ];
    assert_read(&document(&as_elements.concat()), "attribute-as-element");
    for changes in [
        &[("'S'><label>1</label></stream>", "'S' label='1'/>"), ("'S'><label>2</label></stream>", "'S' label='2'/>")][..],
        &[("'a'><send>x</send><recv>y</recv></participantstreamassoc>", "'a' send='x' recv='y'/>")],
        &[("<send>x</send>", "<send stream_id='x'/>"), ("<send>y</send>", "<send id='y'/>")],
        &[("session_id='S'/><participant ", "session_id='S' start-time='2026-01-01T00:00:00Z'/><participant ")],
        &[("<datamode>complete</datamode>", ""), ("<recording ", "<recording datamode='complete' ")],
    ] {
        assert_read(&with(changes), "element-as-attribute");
    }
    let (found, _) =
        read(&with(&[("<datamode>complete</datamode>", ""), ("<recording ", "<recording dataMode='partial' ")]));
    assert_eq!(found.map(|document| document.mode), Some(super::super::DataMode::Partial));
}

#[test]
fn names_are_known_however_they_are_spelt() {
    for changes in [
        &[
            ("participantsessionassoc", "ParticipantSessionAssoc"),
            ("participantstreamassoc", "participant-stream-assoc"),
        ][..],
        &[("<stream ", "<Stream "), ("</stream>", "</Stream>"), ("label>", "LABEL>")],
        &[("nameID", "name_id"), ("<send>", "<Send>"), ("</send>", "</Send>")],
    ] {
        assert_read(&with(changes), "element-spelling");
    }
    assert_read(
        &with(&[("participant_id", "participantID"), ("session_id", "SessionId"), ("stream_id", "stream-id")]),
        "id-attribute",
    );
}

#[test]
fn any_namespace_or_none_and_any_root_will_do() {
    let bare = |text: &str| text.replace(&format!(" xmlns='{NS}'"), "");
    let plain = document(&whole());
    let prefixed = |prefix: &str| {
        let text = plain.replace("</", "\u{1}").replace('<', &format!("<{prefix}:"));
        text.replace('\u{1}', &format!("</{prefix}:")).replace("xmlns=", &format!("xmlns:{prefix}="))
    };
    for (text, code) in [
        (bare(&plain), "namespace"),
        (plain.replace(NS, "urn:nobody:knows"), "namespace"),
        (plain.replace("recording:1", "RECORDING:1"), "namespace"),
        (prefixed("rs"), ""),
        (bare(&prefixed("rs")).replace(&format!(" xmlns:rs='{NS}'"), ""), "namespace"),
        // The root's namespace is not its children's.
        (plain.replace("<session ", "<session xmlns='' ").replace("<participant ", "<participant xmlns='' "), ""),
        (with(&[("<participant ", "<q:participant "), ("</participant>", "</q:participant>")]), ""),
        (
            prefixed("q").replace("q:recording", "recording").replace("xmlns:q=", "xmlns='urn:other' xmlns:q="),
            "namespace",
        ),
        (
            prefixed("q")
                .replace("q:recording", "recording")
                .replace(NS, "urn:x")
                .replace("<recording ", &format!("<recording xmlns='{NS}' ")),
            "namespace",
        ),
        (plain.replace("recording", "rs-metadata"), "root-name"),
        (format!("<metadata>{plain}</metadata>"), "root-name"),
        (
            format!(
                "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>{plain}</s:Body></s:Envelope>"
            ),
            "root-name",
        ),
    ] {
        assert_read(&text, code);
    }
}

#[test]
fn ids_are_one_though_they_are_written_in_two_ways() {
    for changes in [
        &[("participant_id='a'><send>", "participant_id='{a}'><send>")][..],
        &[("<send>x</send>", "<send> urn:uuid:x </send>")],
        &[("stream stream_id='x'", "stream stream_id='{X}'")],
        &[("<session session_id='S'", "<session session_id='s'"), ("S: ", "s: ")][..1],
    ] {
        let (found, codes) = told(&with(changes));
        assert_eq!(found.to_uppercase(), EXPECTED.to_uppercase(), "{changes:?} {codes:?}");
        assert!(codes.contains(&"id-spelling".to_string()), "{codes:?}");
    }
    let uuid =
        "<participant participant_id='{6F9619FF-8B86-D011-B42D-00C04FC964FF}'><nameID aor='sip:ann@h'/></participant>";
    let text = with(&[
        ("<participant participant_id='a'><nameID aor='sip:ann@h'/></participant>", uuid),
        ("participant_id='a'", "participant_id='6f9619ff8b86d011b42d00c04fc964ff'"),
    ]);
    assert_read(&text, "id-spelling");
    // An update is told in the words of before; what two ids may mean, neither is taken for.
    let mut snapshot = Snapshot::default();
    snapshot.apply(&read(&document(&whole())).0.unwrap(), Wall(1));
    let update = format!(
        "<recording xmlns='{NS}'><datamode>partial</datamode><participantstreamassoc participant_id='{{A}}'><send>Y</send></participantstreamassoc></recording>"
    );
    let codes = snapshot.apply(&read(&update).0.unwrap(), Wall(2));
    assert!(codes.iter().any(|d| d.code == "id-spelling"), "{codes:?}");
    assert_eq!((snapshot.participants.len(), snapshot.senders("2").len()), (2, 2));
    let twice = with(&[("<send>x</send>", "<send>{X}</send>"), ("stream_id='y'", "stream_id='X '")]);
    assert!(!told(&twice).0.contains("ann>1+2"));
}

#[test]
fn streams_may_be_named_by_their_labels() {
    assert_read(
        &with(&[
            ("<send>x<", "<send>1<"),
            ("<send>y<", "<send>2<"),
            ("<recv>x<", "<recv>1<"),
            ("<recv>y<", "<recv>2<"),
        ]),
        "send-by-label",
    );
}

#[test]
fn who_shares_an_id_is_two_people_with_two_addresses_and_one_with_one() {
    assert_read(&with(&[("participant_id='b'", "participant_id='a'")]), "id-used-twice");
    assert_read(
        &with(&[("stream_id='y'", "stream_id='x'"), ("<send>y<", "<send>x<"), ("<recv>y<", "<recv>x<")]),
        "id-used-twice",
    );
    assert_read(&document(&(whole() + "<participant participant_id='a'/>" + SESSION)), "id-used-twice");
    assert_read(&document(&[SESSION, PEOPLE, PEOPLE, JOINS, STREAMS, STREAMS, SENDS].concat()), "id-used-twice");
}

#[test]
fn what_has_no_id_is_known_by_its_address_or_by_what_it_stands_in() {
    let (found, codes) = told(&document(
        "<session><sipSessionID>S</sipSessionID></session><participant><nameID aor='sip:ann@h'/></participant><participant><nameID><name>Ben</name></nameID></participant>",
    ));
    assert!(found.starts_with("S: ann> "), "{found}");
    assert!(codes.contains(&"element-without-id".to_string()));
    let (found, _) = read(&document(&format!(
        "<session session_id='S'><sessionrecordingassoc><associate-time>2026-01-01T00:00:00Z</associate-time></sessionrecordingassoc></session>{PEOPLE}"
    )));
    assert_eq!(found.unwrap().session_recordings[0].session, "S");
}

#[test]
fn an_update_that_forgot_to_say_so_ends_nothing() {
    let mut snapshot = Snapshot::default();
    snapshot.apply(&read(&document(&whole())).0.unwrap(), Wall(1));
    let hold = format!("<recording xmlns='{NS}'><participantstreamassoc participant_id='a'/></recording>");
    let codes = snapshot.apply(&read(&hold).0.unwrap(), Wall(2));
    assert!(codes.iter().any(|d| d.code == "datamode-missing"), "{codes:?}");
    assert_eq!((words(&snapshot).as_str(), snapshot.senders("1").len(), snapshot.senders("2").len()), (EXPECTED, 0, 1));
    // With its session it is what it says by saying nothing (RFC 7865 5.1.2), and so is an empty one.
    snapshot.apply(&read(&format!("<recording xmlns='{NS}'/>")).0.unwrap(), Wall(3));
    assert!(snapshot.active_sessions().is_empty());
}

#[test]
fn what_stands_where_a_time_is_not_known_ends_nothing() {
    for time in ["null", "0", "N/A", "-", "0001-01-01T00:00:00Z", "0000-00-00T00:00:00", "1970-01-01T00:00:00Z", " "] {
        let stop = format!("<session session_id='S'><stop-time>{time}</stop-time></session>");
        assert_read(&with(&[(SESSION, &stop)]), "");
        let leave = format!("'S'><disassociate-time>{time}</disassociate-time></participantsessionassoc>");
        assert_read(&document(&[SESSION, PEOPLE, &JOINS.replace("'S'/>", &leave), STREAMS, SENDS].concat()), "");
    }
    let stop = "<session session_id='S'><stop-time>today</stop-time></session>";
    assert_eq!(told(&with(&[(SESSION, stop)])).0, "", "what is no time still says that it is over");
}

#[test]
fn vendors_data_stays_vendors_data() {
    let data = "<x:extensiondata xmlns:x='urn:x'><x:participant><x:nameID aor='sip:eve@h'/></x:participant></x:extensiondata>\
                <extensiondata><participant participant_id='e'><nameID aor='sip:eve@h'/></participant></extensiondata>\
                <x:stream xmlns:x='urn:x' stream_id='z'/>";
    assert_read(&document(&(whole() + data)), "");
    let (found, _) = read(&with(&[("'sip:ann@h'/>", &format!("'sip:ann@h'/>{data}"))]));
    let found = found.unwrap();
    assert_eq!((found.participants.len(), found.streams.len(), found.participants[0].extensions.len()), (2, 2, 3));
}
