//! A call from INVITE to BYE, and what the journal has of it.

use super::*;

#[test]
fn a_call_is_answered_kept_and_ended() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let ok = bench.sent.iter().find(|m| m.status() == Some(200)).unwrap().clone();
    let answer = String::from_utf8(ok.body.clone()).unwrap();
    assert_eq!(ok.header("Content-Type"), Some("application/sdp"));
    assert!(ok.header("Contact").unwrap().ends_with(";+sip.srs"));
    assert_eq!(answer.matches("a=recvonly").count(), 2, "{answer}");
    assert!(answer.contains("m=audio 10000 RTP/AVP 8 101") && answer.contains("m=audio 10002 "), "{answer}");
    assert!(answer.find("a=label:1").unwrap() < answer.find("a=label:2").unwrap());

    assert!(is_sip(&bench.kept[0].2, "INVITE "), "the journal begins with the INVITE");
    assert!(bench.kept.iter().any(|(_, _, kept)| is_sip(kept, "SIP/2.0 200")));
    assert!(bench.kept.iter().any(|(_, _, kept)| is_sip(kept, "ACK ")));
    let events = bench.events();
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Answered)).count(), 1);
    let started: Vec<_> = events.iter().filter(|e| matches!(e, Event::RecordingStarted { .. })).collect();
    assert!(matches!(started[..], [Event::RecordingStarted { communication_session: Some(cs), .. }] if cs == "s1"));

    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    assert_eq!(bench.ended, [(bench.session(), EndCause::Bye)]);
    assert_eq!(bench.ended_recordings.len(), 1);
    assert_eq!(bench.closed.len(), 2);
    assert_eq!(bench.srs.sessions(), 0);
    assert!(matches!(bench.events().last(), Some(Event::Ended { cause: EndCause::Bye })));
    // The BYE again: absorbed; in a new transaction: what it asks for is done.
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    let again = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&again)), [200]);
    assert_eq!(bench.ended.len(), 1);
}

#[test]
fn the_same_seed_and_input_give_the_same_output() {
    let run = || {
        let mut bench = Bench::new();
        let mut call = Call::set_up(&mut bench, "a");
        bench.pass(Duration::from_secs(12));
        let bye = call.request("BYE", "", "");
        bench.send(&bye);
        bench.kept
    };
    assert_eq!(run(), run());
}

#[test]
fn pause_and_resume_reach_the_port_and_keep_it() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    for (direction, expected) in [("inactive", Some(crate::entry::PauseCause::Inactive)), ("sendonly", None)] {
        let (headers, body) = multipart(&sdp(direction), &metadata("s1"));
        let reinvite = call.request("INVITE", &headers, &body);
        let answers = bench.send(&reinvite);
        assert_eq!(statuses(&answers), [200]);
        let wanted = if direction == "inactive" { "a=inactive" } else { "a=recvonly" };
        assert!(String::from_utf8_lossy(&answers[0].body).contains(wanted));
        assert_eq!(bench.settings.last().unwrap().stream.paused, expected);
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
    }
    assert_eq!(bench.opened.len(), 2, "no port was opened again");
    assert!(bench.closed.is_empty());
}

#[test]
fn the_answer_version_rises_with_each_description_that_differs() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let first = version(bench.sent.iter().find(|m| m.status() == Some(200)).unwrap());
    for (direction, rise) in [("sendonly", 0), ("inactive", 1), ("inactive", 1), ("sendonly", 2)] {
        let reinvite = call.request("INVITE", "Content-Type: application/sdp\r\n", &sdp(direction));
        assert_eq!(version(&bench.send(&reinvite)[0]), first + rise, "{direction}");
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
    }
}

#[test]
fn a_stream_that_is_removed_is_closed_and_a_new_one_gets_a_port_of_its_own() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let one_removed = sdp("sendonly").replace("m=audio 30002", "m=audio 0");
    let reinvite = call.request("INVITE", "Content-Type: application/sdp\r\n", &one_removed);
    let answer = bench.send(&reinvite);
    assert!(String::from_utf8_lossy(&answer[0].body).contains("m=audio 0 RTP/AVP 8 101"));
    assert_eq!(bench.closed, [(bench.session(), PortIndex(1))]);
    let back = call.request("INVITE", "Content-Type: application/sdp\r\n", &sdp("sendonly"));
    bench.send(&back);
    assert_eq!(bench.opened.last().unwrap().1, PortIndex(2));
}

#[test]
fn an_invite_without_sdp_gets_our_offer_and_its_ack_brings_the_answer() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let invite =
        call.request("INVITE", "Require: siprec\r\nContent-Type: application/rs-metadata+xml\r\n", &metadata("s1"));
    let answers = bench.send(&invite);
    assert_eq!(statuses(&answers), [200]);
    let offer = String::from_utf8(answers[0].body.clone()).unwrap();
    assert_eq!(offer.matches("a=recvonly").count(), 2, "{offer}");
    assert!(offer.contains("a=label:1") && offer.contains("a=label:2"));
    call.to_tag = answers[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "Content-Type: application/sdp\r\n", &sdp("sendonly"));
    bench.send(&ack);
    let stream = &bench.settings.last().unwrap().stream;
    assert_eq!(stream.remote, Some("127.0.0.2:30002".parse().unwrap()));
    assert_eq!(stream.formats[0].encoding, "PCMA");
}

#[test]
fn a_second_communication_session_is_a_second_recording() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s2"));
    let reinvite = call.request("INVITE", &headers, &body);
    bench.send(&reinvite);
    let events = bench.events();
    assert_eq!(events.iter().filter(|e| matches!(e, Event::RecordingStarted { .. })).count(), 2);
    assert_eq!(bench.ended_recordings.len(), 1, "the first ended, the session goes on");
    assert!(bench.ended.is_empty());
}

#[test]
fn an_empty_second_communication_session_waits_until_somebody_is_in_it() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let begun = |bench: &Bench| bench.events().iter().filter(|e| matches!(e, Event::RecordingStarted { .. })).count();
    let xml = "Content-Type: application/rs-metadata+xml\r\n";
    let both = metadata("s1").replace("<session ", "<session session_id=\"s0\"/><session ");
    bench.send(&call.request("UPDATE", xml, &both));
    assert_eq!((begun(&bench), bench.ended_recordings.len()), (1, 0));
    let joins = "<participantsessionassoc participant_id=\"p1\" session_id=\"s0\"/></recording>";
    bench.send(&call.request("UPDATE", xml, &both.replace("</recording>", joins)));
    assert_eq!((begun(&bench), bench.ended_recordings.len()), (2, 0), "now somebody is in it");
    // Where nothing else goes on, an empty one is recorded.
    let empty = metadata("s1").replace("session_id=\"s1\"/>", "session_id=\"s9\"/>");
    bench.send(&call.request("UPDATE", xml, &empty));
    assert_eq!((begun(&bench), bench.ended_recordings.len()), (3, 2));
}

#[test]
fn metadata_in_an_info_or_a_message_is_taken() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let xml = "Content-Type: text/xml\r\nContent-Disposition: recording-session\r\n";
    let named = |bench: &Bench, name: &str| {
        let snapshot = |e: Event| if let Event::Metadata { snapshot, .. } = e { Some(snapshot) } else { None };
        let snapshot = bench.events().into_iter().rev().find_map(snapshot);
        snapshot.is_some_and(|s| s.participants[0].names[0].display.as_deref() == Some(name))
    };
    for (method, name) in [("INFO", "Zoe"), ("MESSAGE", "Yves")] {
        let told = call.request(method, xml, &metadata("s1").replace("Party 1", name));
        assert_eq!(statuses(&bench.send(&told)), [200], "{method}");
        assert!(named(&bench, name), "{method}");
    }
    // Without metadata an INFO is done, a MESSAGE is none of ours.
    let keys = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(statuses(&bench.send(&call.request("INFO", keys, "Signal=1"))), [200]);
    let refused = bench.send(&call.request("MESSAGE", "Content-Type: text/plain\r\n", "hello"));
    assert_eq!((statuses(&refused), refused[0].header("Allow").is_some()), ([405].to_vec(), true));
    let zipped = bench.send(&call.request("INFO", &format!("{xml}Content-Encoding: gzip\r\n"), "x"));
    assert_eq!((statuses(&zipped), zipped[0].header("Accept-Encoding")), ([415].to_vec(), Some("identity")));
}

#[test]
fn metadata_that_comes_later_names_the_recording_that_had_no_name() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let invite = call.request("INVITE", "Require: siprec\r\nContent-Type: application/sdp\r\n", &sdp("sendonly"));
    call.to_tag = bench.send(&invite)[0].to_tag().unwrap().to_string();
    let update = call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata("s1"));
    let answers = bench.send(&update);
    assert_eq!(statuses(&answers), [200]);
    assert!(answers[0].body.is_empty(), "no SDP in, no SDP out");
    let events = bench.events();
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::RecordingBound { communication_session, .. } if communication_session == "s1"))
    );
    assert!(bench.ended_recordings.is_empty());
}

#[test]
fn broken_metadata_costs_itself_only() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly"), "<recording><oops");
    let invite = call.request("INVITE", &headers, &body);
    assert_eq!(statuses(&bench.send(&invite)), [200]);
    let flagged = |e: &Event| matches!(e, Event::Metadata { deviations, .. } if !deviations.is_empty());
    assert!(bench.events().iter().any(flagged));
}

#[test]
fn silence_is_alarmed_then_asked_about_and_an_src_that_is_gone_is_ended() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    bench.pass(Duration::from_secs(20));
    bench.heard(session, 0);
    let quiet = bench.pass(Duration::from_secs(20));
    assert!(quiet.is_empty(), "one stream is heard: nobody is asked");
    let raised = |e: &Event| matches!(e, Event::Alarm { raised: true, port: Some(PortIndex(1)), .. });
    assert!(bench.events().iter().any(raised));
    let asked = bench.pass(Duration::from_secs(25));
    assert!(asked.iter().any(|m| m.method() == Some(&crate::sip::Method::Options)), "{asked:?}");
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.ended, [(session, EndCause::SrcGone)]);
}

#[test]
fn an_src_that_answers_with_anything_but_481_is_there() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    for round in 0..3 {
        let asked = bench.pass(Duration::from_secs(45));
        let probe = asked.iter().find(|m| m.method() == Some(&crate::sip::Method::Options)).expect("a probe");
        let answer = Message::response(405, "Method Not Allowed", probe).encode();
        bench.send(core::str::from_utf8(&answer).unwrap());
        assert!(bench.ended.is_empty(), "round {round}");
    }
}

/// The session `id` as over, in an UPDATE.
fn stop(call: &mut Call, id: &str) -> String {
    let going_on = format!("<session session_id=\"{id}\"/>");
    let over = format!("<session session_id=\"{id}\"><stop-time>2026-11-23T00:00:00Z</stop-time></session>");
    call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata(id).replace(&going_on, &over))
}

fn started(bench: &Bench) -> usize {
    bench.events().iter().filter(|e| matches!(e, Event::RecordingStarted { .. })).count()
}

#[test]
fn rtp_after_the_last_recording_begins_a_recording_of_its_own() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    bench.send(&stop(&mut call, "s1"));
    bench.pass(Duration::from_secs(1));
    bench.heard(session, 0);
    assert_eq!((started(&bench), bench.ended_recordings.len()), (1, 0), "the tail of a call is of it");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ended_recordings.len(), 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(started(&bench), 1);
    bench.heard(session, 0);
    bench.heard(session, 1);
    assert_eq!(started(&bench), 2);
    // A call that begins is what was heard.
    let next = metadata("s2");
    bench.send(&call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &next));
    assert!(bench.events().iter().any(|e| matches!(e, Event::RecordingBound { .. })));
    assert_eq!(started(&bench), 2);
}

#[test]
fn a_call_that_takes_over_the_lines_ends_the_one_before_at_once() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    bench.send(&stop(&mut call, "s1"));
    bench.pass(Duration::from_millis(500));
    assert!(bench.ended_recordings.is_empty());
    bench.send(&call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata("s2")));
    assert_eq!((started(&bench), bench.ended_recordings.len()), (2, 1));
    bench.heard(session, 0);
    bench.pass(Duration::from_secs(5));
    bench.heard(session, 0);
    assert_eq!((started(&bench), bench.ended_recordings.len()), (2, 1));
}
