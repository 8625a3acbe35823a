//! SIP as RFC 3261 has it, at the real binary's sockets.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::net::UdpSocket;
use std::time::Duration;
use support::raw::{Draft, Raw, SOON, via};
use support::recordings;
use support::server::{Server, Setup};
use support::src::body::{Body, Metadata, Person, sdp};
use support::src::{Call, Direction, Src, Transport};
use support::studio::Plan;
use support::wav::{self, Allow};
use support::{assert_no_faults, becomes_true};

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];
const RENDERED_WITHIN: Duration = Duration::from_secs(60);

/// ACKs and ends a session that was answered.
#[track_caller]
fn hang_up(raw: &Raw, invite: &Draft, answer: &support::src::Message) {
    raw.send(&invite.within(raw, answer, "ACK").bytes());
    let bye = raw.ask(&invite.within(raw, answer, "BYE"));
    assert_eq!(bye.status(), 200, "BYE: {}", bye.start);
}

#[test]
fn options_says_what_is_spoken_here() {
    let server = Server::start();
    for transport in BOTH {
        let raw = Raw::new(server.sip, transport);
        let answer = raw.ask(&Draft::new(&raw, "OPTIONS"));
        assert_eq!(answer.status(), 200);
        let allow = answer.all("Allow").collect::<Vec<_>>().join(", ");
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE"] {
            assert!(allow.contains(method), "{method} is not in {allow}");
        }
        assert!(answer.all("Supported").any(|s| s.contains("siprec")), "RFC 7866 6.1: {:?}", answer.headers);
        assert!(answer.to_tag().is_some(), "RFC 3261 8.2.6.2: a tag in To");
    }
}

#[test]
fn what_is_of_no_dialog_is_481() {
    let server = Server::start();
    for transport in BOTH {
        let raw = Raw::new(server.sip, transport);
        for method in ["BYE", "UPDATE", "INFO", "INVITE"] {
            let draft = Draft { to_tag: Some("never-given".into()), ..Draft::new(&raw, method) };
            let answer = raw.ask(&draft);
            assert_eq!(answer.status(), 481, "{method} over {transport:?}");
            raw.send(&draft.within(&raw, &answer, "ACK").bytes());
        }
        let cancel = raw.ask(&Draft::new(&raw, "CANCEL"));
        assert_eq!(cancel.status(), 481, "CANCEL of nothing (RFC 3261 9.2)");
    }
}

#[test]
fn methods_it_does_not_do() {
    let server = Server::start();
    for transport in BOTH {
        let raw = Raw::new(server.sip, transport);
        for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH"] {
            let answer = raw.ask(&Draft::new(&raw, method));
            assert_eq!(answer.status(), 405, "{method} (RFC 3261 8.2.1)");
            assert!(answer.header("Allow").is_some_and(|a| a.contains("INVITE")), "405 tells what is allowed");
        }
        assert_eq!(raw.ask(&Draft::new(&raw, "FROBNICATE")).status(), 501);
    }
}

#[test]
fn an_extension_it_does_not_know_is_420() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let answer = raw.ask(&Draft { more: "Require: x-unheard-of\r\n".into(), ..Draft::new(&raw, "OPTIONS") });
    assert_eq!(answer.status(), 420);
    assert_eq!(answer.header("Unsupported"), Some("x-unheard-of"));
}

#[test]
fn a_request_that_came_by_two_ways_is_482() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let invite = Draft::invite(&raw);
    let first = raw.ask(&invite);
    assert_eq!(first.status(), 200);
    raw.send(&invite.within(&raw, &first, "ACK").bytes());
    let forked = Draft { vias: vec![via(&raw, "the-other-way")], ..invite.clone() };
    let second = raw.ask(&forked);
    assert_eq!(second.status(), 482, "RFC 3261 8.2.2.2");
    raw.send(&Draft { vias: forked.vias.clone(), ..invite.within(&raw, &second, "ACK") }.bytes());
    hang_up(&raw, &invite, &first);
}

#[test]
fn retransmissions_make_one_recording() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let invite = Draft::invite(&raw);
    for _ in 0..3 {
        raw.send(&invite.bytes());
    }
    let answers: Vec<_> =
        raw.everything_for(Duration::from_millis(400)).into_iter().filter(|m| m.status() >= 200).collect();
    assert!(!answers.is_empty());
    let tags: std::collections::BTreeSet<_> = answers.iter().map(|a| (a.status(), a.to_tag())).collect();
    assert_eq!(tags.len(), 1, "one transaction, one answer: {tags:?}");
    raw.send(&invite.within(&raw, &answers[0], "ACK").bytes());
    raw.everything_for(Duration::from_millis(200));
    let bye = invite.within(&raw, &answers[0], "BYE");
    for _ in 0..2 {
        let answer = raw.ask(&bye);
        assert_eq!(answer.status(), 200, "the same BYE again is answered from memory (RFC 3261 17.2.2)");
    }
    recordings::wait(&server.data, &invite.call_id, RENDERED_WITHIN);
    assert_eq!(recordings::all(&server.data).len(), 1);
}

#[test]
fn a_200_is_repeated_until_its_ack() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for transport in BOTH {
            let raw = Raw::new(server.sip, transport);
            scope.spawn(move || {
                let invite = Draft::invite(&raw);
                raw.send(&invite.bytes());
                // RFC 3261 13.3.1.4: after T1, then twice as long each time: 0, 0.5, 1.5 s.
                let answers = raw.everything_for(Duration::from_millis(2500));
                let finals: Vec<_> = answers.iter().filter(|m| m.status() == 200).collect();
                assert_eq!(finals.len(), 3, "{transport:?}: 200s in 2.5 s");
                let apart: Vec<_> = finals.windows(2).map(|w| (w[1].at - w[0].at).as_millis()).collect();
                assert!(
                    (400..800).contains(&apart[0]) && (850..1400).contains(&apart[1]),
                    "{transport:?}: {apart:?} ms"
                );
                raw.send(&invite.within(&raw, finals[0], "ACK").bytes());
                let after = raw.everything_for(Duration::from_millis(2600));
                assert!(after.is_empty(), "{transport:?}: after the ACK came {:?}", after[0].start);
                let bye = raw.ask(&invite.within(&raw, finals[0], "BYE"));
                assert_eq!(bye.status(), 200);
            });
        }
    });
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Tcp);
    let invite = Draft::invite(&raw);
    // Both in one segment: whichever way the INVITE went, both are answered.
    raw.send(&[invite.bytes(), invite.cancel().bytes()].concat());
    let mut answers = [raw.must_answer(), raw.must_answer()];
    answers.sort_by_key(|a| a.cseq().1 == "CANCEL");
    assert_eq!((answers[1].cseq().1, answers[1].status()), ("CANCEL", 200));
    match answers[0].status() {
        200 => hang_up(&raw, &invite, &answers[0]),
        487 => raw.send(&Draft { vias: invite.vias.clone(), ..invite.within(&raw, &answers[0], "ACK") }.bytes()),
        other => panic!("INVITE: {other}"),
    }
}

#[test]
fn responses_go_where_rfc_3581_says() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    // With rport: to where it came from, whatever the Via says.
    let lying = "SIP/2.0/UDP 192.0.2.77:9;branch=z9hG4bK-behind-a-nat;rport".to_owned();
    let answer = raw.ask(&Draft { vias: vec![lying], ..Draft::new(&raw, "OPTIONS") });
    let via = answer.header("Via").unwrap();
    assert!(via.contains(&format!("rport={}", raw.local.port())), "{via}");
    assert!(via.contains(&format!("received={}", raw.local.ip())), "{via}");
    // Without: to the port in Via (RFC 3261 18.2.2).
    let other = Raw::on(UdpSocket::bind((raw.local.ip(), 0)).unwrap(), server.sip);
    let elsewhere = format!("SIP/2.0/UDP {};branch=z9hG4bK-elsewhere", other.local);
    raw.send(&Draft { vias: vec![elsewhere], ..Draft::new(&raw, "OPTIONS") }.bytes());
    assert_eq!(other.must_answer().status(), 200);
}

#[test]
fn routes_and_vias_are_echoed_in_order() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let mut invite = Draft::invite(&raw);
    invite.more +=
        "Record-Route: <sip:127.0.0.1:5091;lr>, <sip:127.0.0.1:5092;lr>\r\nRecord-Route: <sip:127.0.0.1:5093;lr>\r\n";
    invite.vias.push("SIP/2.0/UDP 127.0.0.1:5094;branch=z9hG4bK-behind".into());
    let answer = raw.ask(&invite);
    assert_eq!(answer.status(), 200);
    let routes = answer.all("Record-Route").collect::<Vec<_>>().join(", ").replace(' ', "");
    assert_eq!(routes, "<sip:127.0.0.1:5091;lr>,<sip:127.0.0.1:5092;lr>,<sip:127.0.0.1:5093;lr>", "RFC 3261 12.1.1");
    let vias = answer.all("Via").collect::<Vec<_>>().join(", ");
    let (first, second) = (vias.find(&invite.vias[0][..30]), vias.find("z9hG4bK-behind"));
    assert!(first.is_some() && first < second, "{vias}");
    hang_up(&raw, &invite, &answer);
}

#[test]
fn over_capacity_is_refused_and_then_there_is_room_again() {
    let server = Setup::default().set("server.max_connections=2").start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let invites: Vec<_> = (0..2).map(|_| Draft::invite(&raw)).collect();
    let answers: Vec<_> = invites.iter().map(|i| raw.ask(i)).collect();
    for (invite, answer) in invites.iter().zip(&answers) {
        assert_eq!(answer.status(), 200);
        raw.send(&invite.within(&raw, answer, "ACK").bytes());
    }
    let third = Draft::invite(&raw);
    let refusal = raw.ask(&third);
    assert_eq!(refusal.status(), 503);
    raw.send(&Draft { vias: third.vias.clone(), ..third.within(&raw, &refusal, "ACK") }.bytes());
    hang_up(&raw, &invites[0], &answers[0]);
    let room = becomes_true(SOON, || {
        let invite = Draft::invite(&raw);
        let answer = raw.ask(&invite);
        if answer.status() == 200 {
            hang_up(&raw, &invite, &answer);
        }
        answer.status() == 200
    });
    assert!(room, "no room after a BYE");
}

#[test]
fn tcp_is_framed_by_content_length() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Tcp);
    // A byte at a time.
    for byte in Draft::new(&raw, "OPTIONS").bytes() {
        raw.send(&[byte]);
    }
    assert_eq!(raw.must_answer().status(), 200);
    // Several in a segment, the last one cut.
    let requests: Vec<_> = (0..4).map(|_| Draft::new(&raw, "OPTIONS")).collect();
    let stream: Vec<u8> = requests.iter().flat_map(Draft::bytes).collect();
    let (now, later) = stream.split_at(stream.len() - 7);
    raw.send(now);
    support::pause(Duration::from_millis(100));
    raw.send(later);
    let call_ids: Vec<String> = (0..4).map(|_| raw.must_answer().call_id().to_owned()).collect();
    assert_eq!(call_ids, requests.iter().map(|r| r.call_id.clone()).collect::<Vec<_>>());
    // Line ends before a request are nothing (RFC 3261 7.5); a pair of them asks for a pong (RFC 5626 4.4.1).
    raw.send(b"\r\n\r\n");
    assert_eq!(raw.bytes(SOON).as_deref(), Some(&b"\r\n"[..]));
    // A body that comes later than its head.
    let invite = Draft::invite(&raw);
    let bytes = invite.bytes();
    let (head, body) = bytes.split_at(bytes.len() - invite.body.as_ref().unwrap().bytes.len());
    raw.send(head);
    support::pause(Duration::from_millis(100));
    raw.send(body);
    let answer = raw.must_answer();
    assert_eq!(answer.status(), 200);
    hang_up(&raw, &invite, &answer);
}

#[test]
fn an_invite_of_60_kib_over_udp() {
    let server = Server::start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let mut invite = Draft::invite(&raw);
    let sdp = sdp(raw.local.ip(), &[40_000, 40_002], &[Direction::SendOnly; 2], 1);
    let metadata = Metadata::new(0, 2, &invite.from_tag).complete();
    let fill = 60 * 1024 - invite.bytes().len();
    let padding = format!(
        "<extensiondata><x xmlns=\"urn:x\">{}</x></extensiondata></recording>",
        "0123456789abcde\n".repeat(fill / 16)
    );
    invite.body = Some(Body::both(&sdp, &metadata.replace("</recording>", &padding)));
    assert!(invite.bytes().len() > 60_000);
    let answer = raw.ask(&invite);
    assert_eq!(answer.status(), 200);
    hang_up(&raw, &invite, &answer);
    let recording = recordings::wait(&server.data, &invite.call_id, RENDERED_WITHIN);
    assert_eq!(recording.list("/participants").len(), 2);
}

#[test]
fn metadata_is_taken_from_update_and_bye() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    let person = |name: &str| Person {
        id: format!("id-of-{name}"),
        aor: format!("sip:{name}@example.org"),
        name: name.into(),
        stream: String::new(),
    };
    let update = call.send_request("UPDATE", Some(&Body::metadata(call.metadata.joining(&person("carol"))))).unwrap();
    assert_eq!(update.status(), 200);
    assert!(update.body.is_empty(), "an UPDATE without an offer is answered without SDP");
    call.wait();
    assert_eq!(call.bye_with(Some(&Body::metadata(call.metadata.joining(&person("dave"))))).unwrap().status(), 200);
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    for aor in ["sip:carol@example.org", "sip:dave@example.org", &call.metadata.people[0].aor] {
        assert!(recording.aors().iter().any(|a| a == aor), "{aor} is not among {:?}", recording.aors());
    }
    let methods: Vec<_> = recording.list("/metadata").iter().map(|m| m["method"].as_str().unwrap_or("")).collect();
    assert_eq!(methods, ["INVITE", "UPDATE", "BYE"]);
    assert!(recording.list("/metadata").iter().all(|m| m["raw"].as_str().is_some_and(|r| r.contains("<recording"))));
}

#[test]
fn metadata_is_found_where_it_should_not_be_and_the_sheet_says_so() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    let xml = call.metadata.complete().replace("</participant>", "</Participant>");
    let mut body = Body::both(&call.offer_sdp(&[Direction::SendOnly; 2]), &xml);
    // RFC 2046 5.1.1: boundaries are equal in case as well.
    body.content_type = body.content_type.to_ascii_uppercase();
    let text = String::from_utf8(body.bytes).unwrap();
    body.bytes = text.replace("application/rs-metadata+xml", "text/xml").into_bytes();
    let answer = call.invite_with(&body).unwrap();
    assert_eq!(answer.status(), 200);
    call.acknowledge(&answer);
    call.talk(&Plan::seconds(1.0));
    let carol = Person {
        id: "id-of-carol".into(),
        aor: "sip:carol@example.org".into(),
        name: "carol".into(),
        stream: String::new(),
    };
    let info = call.send_request("INFO", Some(&Body::metadata(call.metadata.joining(&carol)))).unwrap();
    assert_eq!(info.status(), 200);
    call.wait();
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let people = call.metadata.people.iter().map(|person| person.aor.as_str());
    for aor in people.chain([carol.aor.as_str()]) {
        assert!(recording.aors().iter().any(|a| a == aor), "{aor} is not among {:?}", recording.aors());
    }
    let methods: Vec<_> = recording.list("/metadata").iter().map(|m| m["method"].as_str().unwrap_or("")).collect();
    assert_eq!(methods, ["INVITE", "INFO"]);
    let told = recording.list("/proof/deviations");
    for code in ["boundary-spelling", "metadata-type", "end-tag-case", "metadata-method"] {
        assert!(told.iter().any(|deviation| deviation["code"] == code), "{code} is not among {told:?}");
    }
}

#[test]
fn whatever_is_wrong_with_the_xml_the_audio_is_recorded() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let calls: Vec<_> = [
        "<recording><datamode>complete</data",
        "",
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><recording>&e;</recording>",
    ]
    .iter()
    .enumerate()
    .map(|(n, xml)| {
        let call = Call::new(&src, n);
        let body = Body::both(&call.offer_sdp(&[Direction::SendOnly; 2]), xml);
        let answer = call.invite_with(&body).unwrap();
        assert_eq!(answer.status(), 200, "{xml}");
        call.acknowledge(&answer);
        call.talk(&Plan::seconds(3.0));
        call
    })
    .collect();
    for call in calls {
        let transcript = call.finish();
        let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        assert_no_faults(&recording.judge(&transcript, &Allow::default()));
        assert!(!recording.list("/proof/deviations").is_empty(), "the sheet does not tell what was wrong");
        assert!(!recording.sheet.to_string().contains("root:"), "an entity was read from a file");
    }
}

#[test]
fn the_offer_may_come_in_the_200() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    let answer = call.invite_with(&Body::metadata(call.metadata.complete())).unwrap();
    assert_eq!(answer.status(), 200, "RFC 3261 13.2.1: an INVITE without an offer");
    let media = answer.media();
    assert!(
        !media.is_empty() && media.iter().all(|m| m.kind == "audio" && m.direction == "recvonly" && m.port != 0),
        "{}",
        answer.text()
    );
    let directions: Vec<_> =
        media.iter().enumerate().map(|(n, _)| if n < 2 { Direction::SendOnly } else { Direction::ZeroPort }).collect();
    let sdp = call.offer_sdp(&directions[..directions.len().min(2)]);
    let (_, ack) = call.compose("ACK", Some(&Body::sdp(sdp)), Some(answer.cseq().0));
    src.send(&ack);
    call.talk(&Plan::seconds(3.0));
    let mut transcript = call.finish();
    transcript.legs.truncate(media.len());
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let report = wav::judge(&recording.audio().unwrap(), recording.started_at(), &transcript, &Allow::default());
    assert_no_faults(&report.faults);
}

#[test]
fn two_re_invites_at_once_leave_the_call_alive() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    call.must_invite();
    call.talk(&Plan::seconds(2.0));
    let offers = [Direction::Inactive, Direction::SendOnly].map(|d| Body::sdp(call.offer_sdp(&[d; 2])));
    let requests = offers.map(|offer| call.compose("INVITE", Some(&offer), None));
    let asked = requests.map(|(branch, bytes)| src.begin(&branch, &bytes));
    let answers = asked.map(|pending| src.complete(&pending, SOON).unwrap());
    assert_eq!(answers[0].status(), 200);
    assert!(matches!(answers[1].status(), 200 | 491 | 500), "{}", answers[1].start);
    // Only the newer one is ACKed, as OpenSIPS does: it covers the older.
    let newest = answers.iter().rfind(|a| a.status() == 200).unwrap();
    call.acknowledge(newest);
    support::pause(Duration::from_millis(2500));
    let repeated = src.seen(call.call_id()).iter().filter(|s| s.cseq == "2 INVITE" && s.status == 200).count();
    assert!(answers[1].status() != 200 || repeated == 1, "an ACK of the newer covers the older: {repeated} 200s");
    assert_eq!(call.bye().unwrap().status(), 200);
    assert!(!call.ended_by_server());
}
