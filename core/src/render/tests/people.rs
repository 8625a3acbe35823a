//! What the metadata decides: who is left and right, which lines belong to a recording, what the sheet says of people.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::call::{Call, Item, Leg, MS, RECORDING, SECOND, address, clicks, stream};
use crate::entry::{Event, Stream};
use crate::metadata::{self, Snapshot};
use crate::render::{ChannelName, Party};
use crate::sip::Transport;
use crate::time::Wall;

/// One communication session a pair of lines: `("cs", "1", "2")`; the first of each pair is named first, so it calls.
fn snapshot(sessions: &[(&str, &str, &str)]) -> Snapshot {
    let interval = || metadata::Interval { from: Wall(0), to: None, said_from: None, said_to: None };
    let mut snapshot = Snapshot { sends_are_named: true, ..Snapshot::default() };
    for &(session, caller, callee) in sessions {
        snapshot.sessions.push(metadata::Session {
            id: session.into(),
            sip_session_ids: vec!["ab30".into()],
            reasons: Vec::new(),
            group: Some("group".into()),
            intervals: vec![interval()],
            people: [caller, callee].map(|label| alloc::format!("p{label}")).into(),
            extensions: Vec::new(),
        });
        for label in [caller, callee] {
            let aor = alloc::format!("sip:{label}@example.com");
            snapshot.participants.push(metadata::Participant {
                id: alloc::format!("p{label}"),
                names: vec![metadata::NameId::new(&aor, Some(alloc::format!("Person {label}")), None)],
                former: Vec::new(),
                intervals: vec![interval()],
                memberships: vec![metadata::Membership {
                    session: session.into(),
                    intervals: vec![interval()],
                    params: Vec::new(),
                }],
                contributions: vec![metadata::Contribution {
                    send: vec![alloc::format!("s{label}")],
                    recv: Vec::new(),
                    interval: interval(),
                }],
                extensions: Vec::new(),
            });
            let binding = metadata::Binding {
                label: Some(label.into()),
                session: Some(session.into()),
                mode: None,
                interval: interval(),
            };
            snapshot.streams.push(metadata::Stream {
                id: alloc::format!("s{label}"),
                bindings: vec![binding],
                extensions: Vec::new(),
            });
        }
    }
    snapshot
}

fn describe(call: &mut Call, sessions: &[(&str, &str, &str)]) {
    let snapshot = snapshot(sessions);
    call.event(-3 * MS, Event::Metadata { snapshot: snapshot.into(), deviations: Vec::new() });
}

#[test]
fn the_caller_is_left_though_its_line_is_the_second() {
    let mut call = Call::new();
    describe(&mut call, &[("cs", "2", "1")]);
    call.add(Leg::new(0).packets(0, 250));
    let done = call.render(5 * SECOND + 60 * MS);
    let sheet = &done.plan.sidecar;
    assert_eq!((done.onsets(0).len(), done.onsets(1).len()), (0, clicks(5).len()));
    assert_eq!(sheet.streams[0].channel, ChannelName::Right);
    assert_eq!(sheet.caller, Some(Party { aor: "sip:2@example.com".into(), name: Some("Person 2".into()) }));
    assert_eq!(sheet.callee.as_ref().map(|callee| callee.aor.as_str()), Some("sip:1@example.com"));
    assert_eq!(sheet.streams[0].participants, ["p1"]);
    let session = sheet.communication_session.as_ref().unwrap();
    assert_eq!((session.id.as_str(), session.group.as_deref()), ("cs", Some("group")));
    let caller = &sheet.participants[0];
    assert_eq!((caller.labels.as_slice(), caller.left_at.as_ref()), (["2".to_string()].as_slice(), None));
    assert_eq!(caller.joined_at.as_deref(), Some("1970-01-01T00:00:00.000Z"));
}

#[test]
fn a_recording_has_the_lines_of_its_own_session_only() {
    let mut call = Call::new();
    for port in 2..4 {
        call.event(-2 * MS, Event::Stream(stream(port)));
    }
    describe(&mut call, &[("ours", "1", "2"), ("theirs", "3", "4")]);
    for (_, item) in &mut call.items {
        if let Item::Event(Event::RecordingStarted { communication_session, .. }) = item {
            *communication_session = Some("ours".into());
        }
    }
    for port in 0..4 {
        call.add(Leg::new(port).packets(0, 250));
    }
    let done = call.render(5 * SECOND + 60 * MS);
    let sheet = &done.plan.sidecar;
    assert_eq!((sheet.streams.len(), sheet.proof.packets_received, done.files.len()), (2, 500, 1));
    assert_eq!((sheet.participants.len(), sheet.participants[1].id.as_str()), (2, "p2"));
    done.assert_clicks(1, &Leg::new(1), 5, 70_000, |_| true);
}

#[test]
fn a_line_that_the_next_call_took_over_in_silence_is_still_of_the_first() {
    let mut call = Call::new();
    let starts =
        |session: &str| Event::RecordingStarted { recording: RECORDING, communication_session: Some(session.into()) };
    call.items.retain(|(_, item)| !matches!(item, Item::Event(Event::RecordingStarted { .. })));
    describe(&mut call, &[("first", "1", "2")]);
    call.event(-MS, starts("first"));
    // The next call's metadata comes before the first one's end: one request tells both.
    let next = snapshot(&[("next", "1", "2")]);
    call.event(2 * SECOND, Event::Metadata { snapshot: next.into(), deviations: Vec::new() });
    let sheet = call.render(2 * SECOND).plan.sidecar;
    assert_eq!(sheet.streams.len(), 2);
    assert_eq!(sheet.streams[0].participants, ["p1"]);
}

#[test]
fn a_third_line_goes_to_a_second_file() {
    let mut call = Call::new();
    call.event(-2 * MS, Event::Stream(stream(2)));
    for port in 0..3 {
        call.add(Leg::new(port).packets(0, 250));
    }
    let done = call.render(5 * SECOND + 60 * MS);
    assert_eq!(done.onsets_of(1, 0).len(), clicks(5).len());
    assert_eq!(done.plan.files[1].name, alloc::format!("{RECORDING}-2.wav"));
    assert_eq!((done.plan.sidecar.streams[2].file, done.plan.sidecar.files.len()), (Some(1), 2));
}

#[test]
fn one_line_of_two_senders_is_mixed() {
    let mut call = Call::new();
    let mut both = snapshot(&[("cs", "1", "2")]);
    both.participants[1].contributions[0].send = vec!["s1".into()];
    call.event(-3 * MS, Event::Metadata { snapshot: both.into(), deviations: Vec::new() });
    call.items.retain(|(_, item)| !matches!(item, Item::Event(Event::Stream(Stream { m_line: 1, .. }))));
    call.add(Leg::new(0).packets(0, 250));
    let done = call.render(5 * SECOND + 60 * MS);
    assert_eq!(done.plan.sidecar.streams[0].channel, ChannelName::Both);
    assert_eq!(done.onsets(0), done.onsets(1));
}

#[test]
fn metadata_is_kept_as_it_came_and_once() {
    let mut signalling = super::super::signalling::Signalling::default();
    let body = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n<recording/>\r\n--b--\r\n";
    let invite = alloc::format!(
        "INVITE sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:srs@192.0.2.1>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\nUser-Agent: SBC 1\r\n\
         Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        signalling.inbound(Wall(0), Transport::Udp, address(9, 5060), invite.as_bytes());
    }
    assert_eq!(signalling.metadata.len(), 1);
    assert_eq!(
        (signalling.metadata[0].raw.as_str(), signalling.metadata[0].method.as_str()),
        ("<recording/>", "INVITE")
    );
    assert_eq!((signalling.session.call_id.as_str(), signalling.session.src.as_str()), ("x@y", "192.0.2.9:5060"));
    assert_eq!(signalling.session.user_agent.as_deref(), Some("SBC 1"));
}
