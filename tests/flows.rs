//! The call flows of RFC 8068 and RFC 7866, over UDP and TCP, and what the archive holds afterwards.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "flows/document.rs"]
mod document;
#[path = "flows/story.rs"]
mod story;

use document::{Document, aor, id, two_parties};
use std::time::Duration;
use story::{
    HEARD_WITHIN, assert_ends, assert_mix, assert_people, assert_two, assert_voices, bye, called, invite, labels,
    offer, over_both, packets, people, recordings_of, row, senders, session, speak, update,
};
use support::recordings;
use support::server::Server;
use support::src::body::Body;
use support::src::{Call, Direction, Src};
use support::studio::Plan;
use support::{pause, until};

/// RFC 8068 3.2.1, with two video streams that nobody records.
#[test]
fn a_call_with_audio_and_video() {
    over_both(|server, src| {
        let call = Call::new(src, 0);
        let video = |label: usize| {
            format!(
                "m=video {} RTP/AVPF 96\r\na=rtpmap:96 H264/90000\r\na=label:{label}\r\na=sendonly\r\n",
                40_000 + 2 * label
            )
        };
        let sdp = call.offer_sdp(&[Direction::SendOnly; 2]) + &video(3) + &video(4);
        let document = two_parties("cs-video", None, ["alice", "bob"]).stream("stream-3", "cs-video", 3);
        let answer = call.invite_with(&Body::both(&sdp, &document.xml())).unwrap();
        call.acknowledge(&answer);
        let lines: Vec<(String, bool)> = answer.media().iter().map(|m| (m.kind.clone(), m.port == 0)).collect();
        let expected = [("audio", false), ("audio", false), ("video", true), ("video", true)];
        assert_eq!(lines, expected.map(|(kind, closed)| (kind.to_owned(), closed)));
        speak(&call, 2.0);
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!((session(&recording), people(&recording)), (id("cs-video").as_str(), called(&["alice", "bob"])));
        assert_two(&recording, &call, ["alice", "bob"], [0, 1]);
        assert_eq!(
            (recording.text("/caller/aor"), recording.text("/callee/aor")),
            ("sip:alice@example.com", "sip:bob@example.com")
        );
        let row = row(&recording);
        assert_eq!(row.communication_session.as_deref(), Some(id("cs-video").as_str()));
        assert_eq!(
            (row.call_id.as_str(), row.state.as_str(), row.ended_by.as_str()),
            (call.call_id(), "complete", "bye")
        );
        assert_eq!(row.caller.unwrap().aor.as_deref(), Some("sip:alice@example.com"));
    });
}

/// RFC 8068 3.2.2: who holds sends nothing, says the metadata; the recording session goes on as it was.
#[test]
fn hold_and_resume_by_metadata() {
    over_both(|server, src| {
        let call = Call::new(src, 1);
        let first = invite(&call, &two_parties("cs-hold", None, ["alice", "bob"]));
        call.talk(&Plan::seconds(3.0));
        let held = Document::partial().sends("bob", &[], &[]).sends("alice", &[], &[]);
        let again = offer(&call, &[Direction::SendOnly; 2], &held);
        assert_eq!(again.body, first.body, "nothing has changed but the metadata: the same answer, its version too");
        pause(Duration::from_secs(1));
        update(
            &call,
            &Document::partial().sends("bob", &["stream-2"], &["stream-1"]).sends(
                "alice",
                &["stream-1"],
                &["stream-2"],
            ),
        );
        call.wait();
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!(people(&recording), called(&["alice", "bob"]));
        assert_eq!(packets(&recording), 300, "what arrives is recorded, whoever the SRC says holds");
        assert_two(&recording, &call, ["alice", "bob"], [0, 1]);
        let methods: Vec<&str> = recording.list("/metadata").iter().filter_map(|m| m["method"].as_str()).collect();
        assert_eq!(methods, ["INVITE", "INVITE", "UPDATE"]);
        assert_eq!(recording.list("/proof/pauses").len(), 0);
    });
}

/// RFC 8068 3.2.3: the other party is replaced within the communication session.
#[test]
fn a_transfer_by_re_invite_stays_one_recording() {
    over_both(|server, src| {
        let call = Call::new(src, 2);
        invite(&call, &two_parties("cs-transfer", None, ["alice", "bob"]));
        call.talk(&Plan::seconds(2.5));
        pause(Duration::from_secs(1));
        let transfer = Document::partial().joins("carol", "cs-transfer").leaves("bob", "cs-transfer").sends(
            "carol",
            &["stream-2"],
            &["stream-1"],
        );
        offer(&call, &[Direction::SendOnly; 2], &transfer);
        call.wait();
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_people(&recording, &["alice", "bob", "carol"]);
        assert_ends(&recording, ["alice", "bob"]);
        assert_eq!(
            (senders(&recording, "1"), senders(&recording, "2")),
            (vec![id("alice")], vec![id("bob"), id("carol")])
        );
        assert_eq!(["alice", "bob", "carol"].map(|person| labels(&recording, person)), [["1"], ["2"], ["2"]]);
        assert_voices(&recording, &call, [0, 1]);
        let when = |name: &str, field: &str| {
            let person = recording.list("/participants").iter().find(|p| p["aor"] == aor(name).as_str()).unwrap();
            person[field].as_str().and_then(recordings::parse_time)
        };
        assert!(when("carol", "joined_at").unwrap() > when("alice", "joined_at").unwrap() + 500_000_000);
        assert!(when("bob", "left_at").unwrap() <= when("carol", "joined_at").unwrap());
        assert_eq!(packets(&recording), 250);
    });
}

/// RFC 8068 3.2.3: the referred call is a communication session of its own; the group links the two.
#[test]
fn a_transfer_by_refer_is_a_second_recording_of_the_same_group() {
    over_both(|server, src| {
        let call = Call::new(src, 3);
        invite(&call, &two_parties("cs-before", Some("transfer"), ["alice", "bob"]));
        speak(&call, 1.5);
        offer(&call, &[Direction::SendOnly; 2], &two_parties("cs-after", Some("transfer"), ["alice", "carol"]));
        speak(&call, 1.5);
        let before = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!(
            before.text("/ended_by"),
            "communication_session_ended",
            "finished while the recording session lives"
        );
        bye(&call);
        let both = recordings_of(&server.data, &call, 2);
        assert_eq!((session(&both[0]), people(&both[0])), (id("cs-before").as_str(), called(&["alice", "bob"])));
        assert_eq!((session(&both[1]), people(&both[1])), (id("cs-after").as_str(), called(&["alice", "carol"])));
        assert_two(&both[0], &call, ["alice", "bob"], [0, 1]);
        assert_two(&both[1], &call, ["alice", "carol"], [0, 1]);
        for recording in &both {
            assert_eq!(row(recording).group.as_deref(), Some(id("transfer").as_str()));
            assert_eq!(packets(recording), 150, "{}", recording.path.display());
        }
        assert_eq!(both[1].text("/ended_by"), "bye");
    });
}

/// RFC 8068 3.3: all of a conference on one stream.
#[test]
fn a_conference_is_joined_and_left_on_a_mixed_stream() {
    over_both(|server, src| {
        let call = Call::with_legs(src, 4, 1);
        let mixed = |document: Document| document.sends("alice", &["mix"], &[]).sends("bob", &["mix"], &[]);
        let begin = Document::complete()
            .session("cs-conference", None)
            .joins("alice", "cs-conference")
            .joins("bob", "cs-conference");
        invite(&call, &mixed(begin.stream("mix", "cs-conference", 1)));
        call.talk(&Plan::seconds(3.0));
        pause(Duration::from_secs(1));
        update(&call, &Document::partial().joins("carol", "cs-conference").sends("carol", &["mix"], &[]));
        pause(Duration::from_secs(1));
        update(&call, &Document::partial().leaves("carol", "cs-conference").sends("carol", &[], &[]));
        call.wait();
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_mix(&recording, &call, &["alice", "bob", "carol"]);
        let carol = recording.list("/participants").iter().find(|p| p["aor"] == aor("carol").as_str()).unwrap();
        let time = |field: &str| carol[field].as_str().and_then(recordings::parse_time).unwrap();
        assert!(time("left_at") >= time("joined_at") + 500_000_000);
        assert_eq!(recording.list("/streams").len(), 1);
        assert_eq!(recording.audio().unwrap().len(), 1, "one stream, one file");
        assert_eq!(packets(&recording), 150);
    });
}

/// RFC 8068 3.3.1: one stream for all; who holds neither sends nor hears, and the stream goes on.
#[test]
fn hold_and_resume_on_a_mixed_stream() {
    over_both(|server, src| {
        let call = Call::with_legs(src, 16, 1);
        let both = |document: Document| document.sends("alice", &["mix"], &[]).sends("bob", &["mix"], &[]);
        let begin = Document::complete().session("cs-mixed", None).joins("alice", "cs-mixed").joins("bob", "cs-mixed");
        let first = invite(&call, &both(begin.stream("mix", "cs-mixed", 1)));
        call.talk(&Plan::seconds(3.0));
        pause(Duration::from_secs(1));
        let held = Document::partial().sends("bob", &[], &[]);
        let again = offer(&call, &[Direction::SendOnly], &held);
        assert_eq!(again.body, first.body, "nothing has changed but the metadata");
        pause(Duration::from_secs(1));
        offer(&call, &[Direction::SendOnly], &both(Document::partial()));
        call.wait();
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!(people(&recording), called(&["alice", "bob"]), "who holds has not left");
        assert_eq!((packets(&recording), recording.list("/streams").len()), (150, 1));
        assert_eq!(recording.list("/proof/pauses").len(), 0, "a stream that goes on is not paused");
        let methods: Vec<&str> = recording.list("/metadata").iter().filter_map(|m| m["method"].as_str()).collect();
        assert_eq!(methods, ["INVITE"; 3]);
    });
}

/// RFC 7866 10, RFC 8068 3.4: the recording session is there before, between and after the calls.
#[test]
fn three_calls_in_a_persistent_recording_session() {
    over_both(|server, src| {
        let call = Call::new(src, 5);
        let answer = call.invite_with(&Body::sdp(call.offer_sdp(&[Direction::SendOnly; 2]))).unwrap();
        call.acknowledge(&answer);
        let calls = [("cs-one", ["alice", "bob"]), ("cs-two", ["carol", "dave"]), ("cs-three", ["erin", "alice"])];
        for (number, (name, parties)) in calls.iter().enumerate() {
            update(&call, &two_parties(name, None, *parties));
            speak(&call, 1.5);
            if *name == "cs-two" {
                // RFC 8068 3.4: its end comes in a re-INVITE with metadata and no SDP; ours is the offer then.
                let offered = call.invite_with(&Body::metadata(Document::partial().ends(name).xml())).unwrap();
                assert_eq!(
                    offered.media().iter().filter(|m| m.direction == "recvonly").count(),
                    2,
                    "{}",
                    offered.text()
                );
                let sdp = call.offer_sdp(&[Direction::SendOnly; 2]);
                let (_, ack) = call.compose("ACK", Some(&Body::sdp(sdp)), Some(offered.cseq().0));
                src.send(&ack);
            } else {
                update(&call, &Document::partial().ends(name));
            }
            let finished = recordings_of(&server.data, &call, number + 1);
            assert_eq!(session(finished.last().unwrap()), id(name), "finished with its communication session");
        }
        bye(&call);
        let all = recordings_of(&server.data, &call, 3);
        for (recording, (name, parties)) in all.iter().zip(calls) {
            assert_eq!(session(recording), id(name));
            // Alice calls in the first and is called in the third: each has its own order.
            assert_two(recording, &call, parties, [0, 1]);
            assert_eq!(
                (packets(recording), recording.text("/ended_by")),
                (150, "communication_session_ended"),
                "{name}"
            );
            assert_eq!(row(recording).communication_session.as_deref(), Some(id(name).as_str()));
        }
    });
}

/// RFC 8068 3.5: a turret's two calls, mixed into one stream.
#[test]
fn two_calls_in_one_stream_are_two_recordings_of_one_group() {
    over_both(|server, src| {
        let call = Call::with_legs(src, 6, 1);
        let document = Document::complete()
            .group("turret")
            .session("cs-left", Some("turret"))
            .session("cs-right", Some("turret"))
            .joins("trader", "cs-left")
            .joins("bob", "cs-left")
            .joins("trader", "cs-right")
            .joins("carol", "cs-right")
            .stream("mix", "cs-left", 1)
            .sends("trader", &["mix"], &[])
            .sends("bob", &["mix"], &[])
            .sends("carol", &["mix"], &[]);
        invite(&call, &document);
        speak(&call, 2.0);
        bye(&call);
        let both = recordings_of(&server.data, &call, 2);
        let of = |name: &str| both.iter().find(|r| session(r) == id(name)).unwrap();
        for (name, people) in [("cs-left", ["trader", "bob"]), ("cs-right", ["trader", "carol"])] {
            assert_ends(of(name), people);
            assert_mix(of(name), &call, &people);
        }
        for recording in &both {
            assert_eq!(row(recording).group.as_deref(), Some(id("turret").as_str()));
        }
        // Both are heard in it, so both have it.
        assert_eq!((packets(of("cs-left")), packets(of("cs-right"))), (100, 100));
    });
}

/// The offer in our 200, the answer in the ACK, the metadata in the INVITE alone; the SRC wants its provisional
/// responses reliable (RFC 3262), and gets none.
#[test]
fn a_delayed_offer() {
    over_both(|server, src| {
        let mut call = Call::new(src, 7);
        call.headers = "Require: 100rel\r\n".into();
        let offered =
            call.invite_with(&Body::metadata(two_parties("cs-delayed", None, ["alice", "bob"]).xml())).unwrap();
        assert_eq!(offered.status(), 200, "{}", offered.start);
        let labels: Vec<_> = offered.media().into_iter().filter_map(|m| m.label).collect();
        assert_eq!(labels, ["1", "2"], "one stream a label of the metadata");
        let prack = call.compose_with("PRACK", None, None, "RAck: 1 1 INVITE\r\n");
        assert_eq!(src.request(&prack.0, &prack.1).unwrap().status(), 481);
        let answer = call.offer_sdp(&[Direction::SendOnly; 2]);
        let (_, ack) = call.compose("ACK", Some(&Body::sdp(answer)), Some(offered.cseq().0));
        src.send(&ack);
        speak(&call, 2.0);
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!((session(&recording), people(&recording)), (id("cs-delayed").as_str(), called(&["alice", "bob"])));
        assert_two(&recording, &call, ["alice", "bob"], [0, 1]);
        assert_eq!(packets(&recording), 200);
    });
}

/// RFC 7866 9.2, Figure 3: a partial without a snapshot before it.
#[test]
fn a_snapshot_is_asked_for_by_update_and_applied() {
    over_both(|server, src| {
        let mut call = Call::new(src, 8);
        call.headers = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n".into();
        let partial = Document::partial().joins("bob", "cs-snapshot");
        invite(&call, &partial);
        call.talk(&Plan::seconds(2.0));
        let asked = || src.asked().into_iter().find(|m| m.method() == "UPDATE" && m.call_id() == call.call_id());
        let request = until(HEARD_WITHIN, asked).expect("a snapshot request");
        assert_eq!(request.header("Content-Disposition"), Some("recording-session"));
        assert_eq!(request.header("Content-Type"), Some("application/rs-metadata+xml"));
        assert!(request.text().contains("<requestsnapshot") && !request.text().contains("v=0"), "{}", request.text());
        assert!(request.header("Contact").is_some_and(|contact| contact.contains("+sip.srs")));
        update(&call, &two_parties("cs-snapshot", None, ["alice", "bob"]));
        call.wait();
        bye(&call);
        let recording = recordings_of(&server.data, &call, 1).remove(0);
        assert_eq!((session(&recording), people(&recording)), (id("cs-snapshot").as_str(), called(&["alice", "bob"])));
        assert_two(&recording, &call, ["alice", "bob"], [0, 1]);
        assert_eq!(packets(&recording), 200);
        let updates = src.asked().iter().filter(|m| m.method() == "UPDATE").count();
        assert_eq!(updates, 1, "once is enough");
    });
}

/// RFC 7866 9.2: ids that another SRC has made are no error; they are what links the two.
#[test]
fn two_srcs_record_one_call() {
    let server = Server::start();
    let sources = [Src::udp(server.sip), Src::tcp(server.sip)];
    let document = two_parties("cs-shared", Some("shared"), ["alice", "bob"]);
    let calls = [Call::new(&sources[0], 9), Call::new(&sources[1], 10)];
    for call in &calls {
        invite(call, &document);
        call.talk(&Plan::seconds(2.0));
    }
    for call in &calls {
        call.wait();
        bye(call);
    }
    let recordings = calls.each_ref().map(|call| recordings_of(&server.data, call, 1).remove(0));
    for (call, recording) in calls.iter().zip(&recordings) {
        assert_two(recording, call, ["alice", "bob"], [0, 1]);
    }
    let rows = recordings.each_ref().map(row);
    for row in &rows {
        assert_eq!(row.communication_session.as_deref(), Some(id("cs-shared").as_str()));
        assert_eq!(row.group.as_deref(), Some(id("shared").as_str()));
    }
    assert_ne!(rows[0].id, rows[1].id);
    assert_ne!(rows[0].session_id, rows[1].session_id);
}

/// RFC 4028: who refreshes, and what is too short.
#[test]
fn session_timers_are_agreed_on() {
    over_both(|_, src| {
        for (headers, granted) in [
            ("Supported: timer\r\nSession-Expires: 1800\r\n", Some("1800;refresher=uac")),
            ("Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n", Some("1800;refresher=uas")),
            ("Session-Expires: 1800\r\n", Some("1800;refresher=uas")),
            ("Supported: timer\r\n", None),
        ] {
            let mut call = Call::new(src, 11);
            call.headers = headers.into();
            let answer = call.must_invite();
            assert_eq!(answer.header("Session-Expires"), granted, "{headers}");
            let uac = granted.is_some_and(|granted| granted.ends_with("uac"));
            assert_eq!(answer.header("Require"), uac.then_some("timer"), "{headers}");
            // A refresh without a body changes nothing, and is granted the same.
            let refreshed = call.send_request("UPDATE", None).unwrap();
            assert_eq!((refreshed.status(), refreshed.header("Session-Expires")), (200, granted));
            bye(&call);
        }
        let mut call = Call::new(src, 12);
        call.headers = "Supported: timer\r\nSession-Expires: 60\r\n".into();
        let refused = call.invite().unwrap();
        assert_eq!((refused.status(), refused.header("Min-SE")), (422, Some("90")));
        // The same INVITE with what the 422 asks for (RFC 4028 7.3).
        call.headers = "Supported: timer\r\nSession-Expires: 90\r\nMin-SE: 90\r\n".into();
        assert_eq!(call.must_invite().header("Session-Expires"), Some("90;refresher=uac"));
        bye(&call);
    });
}
