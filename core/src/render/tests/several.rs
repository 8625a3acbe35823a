//! Several communication sessions in one recording session: each recording's sheet knows its own; and what metadata and
//! SDP say against each other at each offer, answer and update.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::call::{RECORDING, stream};
use super::signalling::{OTHER, Session, line, two_streams};
use crate::entry::{EndCause, Event};
use crate::render::Sidecar;

/// Two people of a session, the first on the first of the labels.
fn call(session: &str, people: [&str; 2], labels: [&str; 2]) -> String {
    let mut elements = format!("<session session_id='{session}'/>");
    for id in people {
        elements += &format!("<participant participant_id='{id}'><nameID aor='sip:{id}@h'/></participant>");
        elements += &format!("<participantsessionassoc participant_id='{id}' session_id='{session}'/>");
    }
    for (id, label) in people.iter().zip(labels) {
        elements += &format!("<stream stream_id='s{label}' session_id='{session}'><label>{label}</label></stream>");
        elements += &sends(id, &format!("s{label}"));
    }
    elements
}

fn sends(id: &str, stream: &str) -> String {
    format!("<participantstreamassoc participant_id='{id}'><send>{stream}</send></participantstreamassoc>")
}

fn senders(sheet: &Sidecar) -> Vec<String> {
    sheet.streams.iter().map(|stream| stream.participants.join("+")).collect()
}

fn codes(sheet: &Sidecar) -> Vec<&str> {
    sheet.proof.deviations.iter().map(|deviation| deviation.code.as_str()).collect()
}

fn texts<'s>(sheet: &'s Sidecar, code: &str) -> Vec<&'s str> {
    let found = sheet.proof.deviations.iter().filter(|deviation| deviation.code == code);
    found.map(|deviation| deviation.text.as_str()).collect()
}

/// A session whose first call is OTHER's, and whose second, by re-INVITE, is RECORDING's; or the other way round.
fn transfer(ours_is_first: bool) -> Sidecar {
    let mut session = Session::new();
    let (first, second) = if ours_is_first { (RECORDING, OTHER) } else { (OTHER, RECORDING) };
    session.offer("INVITE", "X-Call-Sid: one\r\n", &[line("1"), line("2")], &call("cs1", ["ann", "ben"], ["1", "2"]));
    two_streams(&mut session);
    session.starts(first, Some("cs1"));
    session.offer("INVITE", "X-Call-Sid: two\r\n", &[line("1"), line("2")], &call("cs2", ["eve", "ann"], ["1", "2"]));
    session.starts(second, Some("cs2"));
    session.event(Event::RecordingEnded { recording: first, cause: EndCause::CommunicationSessionEnded });
    session.sheet()
}

#[test]
fn a_transfer_leaves_each_recording_its_own_people_ids_and_documents() {
    let first = transfer(true);
    assert_eq!((senders(&first), first.participants.len()), (["ann", "ben"].map(String::from).into(), 2));
    assert_eq!(first.call.get("jambonz_call_sid"), ["one"]);
    let second = transfer(false);
    assert_eq!(senders(&second), ["eve", "ann"]);
    let labels: Vec<_> = second.participants.iter().map(|p| (p.id.as_str(), p.labels.join("+"))).collect();
    assert_eq!(labels, [("eve", "1".to_string()), ("ann", "2".to_string())]);
    assert_eq!(second.caller.as_ref().map(|caller| caller.aor.as_str()), Some("sip:eve@h"));
    assert_eq!((second.call.get("jambonz_call_sid"), second.metadata.len()), (&["two".to_string()][..], 1));
    assert!(!second.proof.findings.iter().any(|finding| finding.contains("swapped")), "{:?}", second.proof.findings);
    assert_eq!(second.participants[1].joined_at, second.participants[0].joined_at, "in this call, not in the first");
}

#[test]
fn who_is_only_in_the_other_call_of_a_stream_is_nobody_of_this_one() {
    let mut session = Session::new();
    let elements = call("cs1", ["ann", "ben"], ["1", "2"])
        + "<session session_id='cs2'/><participant participant_id='eve'/>\
           <participantsessionassoc participant_id='eve' session_id='cs2'/>\
           <participantsessionassoc participant_id='ann' session_id='cs2'/>"
        + &sends("eve", "s1");
    session.offer("INVITE", "X-Call-Sid: both\r\n", &[line("1"), line("2")], &elements);
    two_streams(&mut session);
    session.starts(OTHER, Some("cs2"));
    session.starts(RECORDING, Some("cs1"));
    let sheet = session.sheet();
    assert_eq!(senders(&sheet), ["ann", "ben"], "eve is heard, and is of the other call");
    assert_eq!(sheet.call.get("jambonz_call_sid"), ["both"]);
}

#[test]
fn what_a_later_offer_or_update_contradicts_is_named() {
    let mut session = Session::new();
    session.offer("INVITE", "", &[line("1"), line("2")], &call("cs", ["ann", "ben"], ["1", "2"]));
    session.answer(&[10_000, 10_002]);
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    // An offer without metadata: a line that no stream has, one that is closed though its stream goes on.
    session.offer("INVITE", "", &[line("1"), (0, "2", "sendonly"), line("3")], "");
    session.answer(&[10_000, 0, 10_004]);
    session.event(Event::Stream(stream(2)));
    // Another one, whose labels changed places.
    session.offer("INVITE", "", &[line("3"), (0, "2", "sendonly"), line("1")], "");
    session.answer(&[10_000, 0, 10_004]);
    // Updates: a label that no line has, another such, a stream that nobody ever sent on.
    let update = |label: &str| format!("<stream stream_id='s{label}' session_id='cs'><label>{label}</label></stream>");
    session.partial("UPDATE", &update("7"));
    session.partial(
        "UPDATE",
        &("<stream stream_id='s7' session_id='cs'><label>8</label></stream>".to_string() + &update("3")),
    );
    let sheet = session.sheet();
    assert_eq!(texts(&sheet, "label-unknown-to-metadata"), ["no stream has the label 3"]);
    assert_eq!(texts(&sheet, "stream-on-closed-line"), ["a stream has the label 2, whose m-line has port 0"]);
    assert_eq!(texts(&sheet, "labels-swapped"), ["m-lines 1 and 3 have each other's labels now"]);
    assert_eq!(texts(&sheet, "label-unknown-to-sdp"), ["no m-line has the label 7", "no m-line has the label 8"]);
    assert_eq!(texts(&sheet, "stream-without-sender"), ["nobody sends on the stream with the label 3"]);
}

#[test]
fn senders_are_judged_by_what_was_before() {
    let mut session = Session::new();
    session.offer("INVITE", "", &[line("1"), line("2")], &call("cs", ["ann", "ben"], ["1", "2"]));
    session.answer(&[10_000, 10_002]);
    two_streams(&mut session);
    session.starts(RECORDING, Some("cs"));
    // Hold is no contradiction.
    session.partial("UPDATE", "<participantstreamassoc participant_id='ann'/>");
    session.partial("UPDATE", &sends("ann", "s1"));
    let quiet = session.offer_codes();
    assert!(!quiet.iter().any(|code| code.contains("sender") || code.contains("label")), "{quiet:?}");
    session.partial("UPDATE", &(sends("ann", "s2") + &sends("ben", "s1")));
    session.partial("UPDATE", &(sends("ann", "s1") + &sends("ben", "s1")));
    let sheet = session.sheet();
    assert_eq!(texts(&sheet, "labels-swapped"), ["the metadata gives labels 1 and 2 each other's participants now"]);
    assert_eq!(texts(&sheet, "several-senders"), ["2 participants send on label 1, which is no mix"]);
    assert_eq!(texts(&sheet, "stream-without-sender"), [""; 0], "ben has sent on it");
}

#[test]
fn a_mix_is_no_contradiction() {
    for (people, streams, mode, is_told) in [
        (&["ann", "ben"][..], &["1"][..], "", false),
        (&["ann", "ben", "cat"], &["1", "2"], "", false),
        (&["ann", "ben"], &["1", "2"], "<mode>mixed</mode>", false),
        (&["ann", "ben"], &["1", "2"], "", true),
        (&["ann", "ben", "cat"], &["1", "2"], "<mode>Separate</mode>", true),
    ] {
        let mut elements = "<session session_id='cs'/>".to_string();
        for id in people {
            elements += &format!("<participant participant_id='{id}'/>");
            elements += &format!("<participantsessionassoc participant_id='{id}' session_id='cs'/>");
            elements += &sends(id, "s1");
        }
        for label in streams {
            elements += &format!("<stream stream_id='s{label}' session_id='cs'><label>{label}</label>{mode}</stream>");
        }
        let mut session = Session::new();
        session.offer("INVITE", "", &[line("1"), line("2")], &elements);
        two_streams(&mut session);
        session.starts(RECORDING, Some("cs"));
        let sheet = session.sheet();
        assert_eq!(codes(&sheet).contains(&"several-senders"), is_told, "{people:?} {streams:?} {mode}");
    }
}
