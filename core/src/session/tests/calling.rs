//! Recording sessions that the SRS begins (RFC 7866 6.2, 7.2).

use super::*;

const SDP: &str = "Contact: <sip:src@127.0.0.2:5070>;+sip.src\r\nRequire: siprec\r\nContent-Type: application/sdp\r\n";

fn flow() -> Flow {
    Flow { transport: Transport::Udp, local: SRS.parse().unwrap(), remote: SRC.parse().unwrap(), connection: None }
}

fn called(bench: &mut Bench) -> Message {
    let uri = format!("sip:src@{SRC}");
    let sent = bench.input(Input::Order(Order::Record { uri, flow: flow() }));
    assert_eq!(methods(&sent), ["INVITE"]);
    sent[0].clone()
}

fn with_metadata() -> (String, String) {
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    (format!("Contact: <sip:src@127.0.0.2:5070>;+sip.src\r\n{headers}"), body)
}

#[test]
fn the_src_offers_in_its_200_and_our_answer_is_in_the_ack() {
    let mut bench = Bench::new();
    let invite = called(&mut bench);
    assert!(invite.body.is_empty() && invite.require().contains(&"siprec"));
    assert!(invite.header("Contact").unwrap().ends_with(";+sip.srs"));
    assert!(bench.kept.is_empty(), "no journal yet");
    bench.send(&respond(&invite, 180, "", ""));
    let (headers, body) = with_metadata();
    let ok = respond(&invite, 200, &headers, &body);
    let sent = bench.send(&ok);
    assert_eq!(methods(&sent), ["ACK"]);
    let answer = String::from_utf8_lossy(&sent[0].body).into_owned();
    assert!(answer.contains("m=audio 10000 ") && answer.matches("a=recvonly").count() == 2, "{answer}");
    assert_eq!(bench.send(&ok)[0].body, sent[0].body, "the 200 again, the ACK again");
    assert!(is_sip(&bench.kept[0].2, "INVITE ") && is_sip(&bench.kept[2].2, "SIP/2.0 200"));
    assert!(
        bench
            .events()
            .iter()
            .any(|e| matches!(e, Event::RecordingStarted { communication_session: Some(cs), .. } if cs == "s1"))
    );

    let mut call = Call::new(invite.call_id().unwrap());
    call.to_tag = invite.from_tag().unwrap().to_string();
    let of_the_src = |text: String| text.replace(&format!("tag=src-{}", invite.call_id().unwrap()), "tag=src");
    let hold = of_the_src(call.request("INVITE", "Content-Type: application/sdp\r\n", &sdp("inactive")));
    assert_eq!(statuses(&bench.send(&hold)), [200]);
    let mut next = Bench::new();
    next.now = bench.now;
    next.srs.restore(next.now, bench.last_checkpoint(), 2, bench.now.wall, false);
    next.drain();
    let bye = of_the_src(call.request("BYE", "", ""));
    assert_eq!(statuses(&next.send(&bye)), [200], "after a restart too");
    assert_eq!(next.ended, [(bench.session(), EndCause::Bye)]);
}

#[test]
fn what_comes_to_nothing_leaves_nothing() {
    for (status, headers, body, expected) in [
        (603, "", "", ["ACK"].to_vec()),
        (420, "Unsupported: siprec\r\n", "", ["ACK"].to_vec()),
        (302, "Contact: <sip:a.name.example.com>\r\n", "", ["ACK"].to_vec()),
        (200, "Contact: <sip:src@127.0.0.2:5070>\r\n", "", ["ACK", "BYE"].to_vec()),
        (200, SDP, "v=0\r\nm=audio 9 RTP/AVP 99\r\n", ["ACK", "BYE"].to_vec()),
    ] {
        let mut bench = Bench::new();
        let invite = called(&mut bench);
        let sent = bench.send(&respond(&invite, status, headers, body));
        assert_eq!(methods(&sent), expected, "{status}");
        assert_eq!(bench.srs.sessions(), 0, "{status}");
        assert!(bench.begun.is_empty() && bench.kept.is_empty(), "{status}");
    }
    let mut bench = Bench::new();
    called(&mut bench);
    bench.pass(Duration::from_secs(33));
    assert_eq!(bench.srs.sessions(), 0, "no answer at all");
    bench.refuse_ports = true;
    let invite = called(&mut bench);
    assert_eq!(methods(&bench.send(&respond(&invite, 200, SDP, &sdp("sendonly")))), ["ACK", "BYE"]);
    assert_eq!(bench.srs.sessions(), 0, "no port free");
}

#[test]
fn a_redirection_is_followed_and_glare_is_waited_out() {
    let mut bench = Bench::new();
    let invite = called(&mut bench);
    let sent = bench.send(&respond(&invite, 302, "Contact: <sip:other@127.0.0.3:5072>\r\n", ""));
    assert_eq!(methods(&sent), ["ACK", "INVITE"]);
    assert_eq!(sent[1].uri(), Some("sip:other@127.0.0.3:5072"));
    assert_eq!(sent[1].cseq().unwrap().number, 2);
    assert_eq!(methods(&bench.send(&respond(&sent[1], 491, "", ""))), ["ACK"]);
    assert!(bench.pass(Duration::from_millis(2_000)).is_empty(), "RFC 3261 14.1: not before 2.1 s");
    let again = bench.pass(Duration::from_millis(2_100));
    assert_eq!(again[0].cseq().unwrap().number, 3);
    assert_eq!(methods(&bench.send(&respond(&again[0], 200, SDP, &sdp("sendonly")))), ["ACK"]);
    assert_eq!(bench.begun.len(), 1);
}

#[test]
fn a_call_that_nobody_wants_any_more_is_cancelled_and_one_too_many_is_ended() {
    let mut bench = Bench::new();
    let invite = called(&mut bench);
    let session = bench.srs.session_ids()[0];
    assert!(
        bench.input(Input::Order(Order::Stop(session))).is_empty(),
        "RFC 3261 9.1: not before a provisional response"
    );
    assert_eq!(methods(&bench.send(&respond(&invite, 180, "", ""))), ["CANCEL"]);
    // Too late: it was answered meanwhile.
    assert_eq!(methods(&bench.send(&respond(&invite, 200, SDP, &sdp("sendonly")))), ["ACK", "BYE"]);
    assert_eq!(bench.srs.sessions(), 0);

    let mut bench = Bench::new();
    let invite = called(&mut bench);
    bench.send(&respond(&invite, 200, SDP, &sdp("sendonly")));
    let forked = respond(&invite, 200, SDP, &sdp("sendonly")).replace("tag=src", "tag=another");
    assert_eq!(methods(&bench.send(&forked)), ["ACK", "BYE"]);
    assert_eq!(bench.srs.sessions(), 1);
    let sent = bench.input(Input::Order(Order::Stop(bench.session())));
    assert_eq!(methods(&sent), ["BYE"]);
    assert_eq!(sent[0].uri(), Some("sip:src@127.0.0.2:5070"));
    assert_eq!(bench.ended, [(bench.session(), EndCause::Operator)]);
}

#[test]
fn two_byes_that_cross_end_one_session_and_one_that_is_not_answered_as_well() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let sent = bench.input(Input::Order(Order::Stop(bench.session())));
    let theirs = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&theirs)), [200]);
    assert!(bench.send(&respond(&sent[0], 481, "", "")).is_empty());
    assert_eq!(bench.ended.len(), 1);

    let mut bench = Bench::new();
    Call::set_up(&mut bench, "b");
    bench.input(Input::Order(Order::Stop(bench.session())));
    let again = bench.pass(Duration::from_secs(40));
    assert!(again.len() >= 9 && again.iter().all(|m| methods(core::slice::from_ref(m)) == ["BYE"]), "RFC 3261 17.1.2");
    assert_eq!((bench.ended.len(), bench.srs.sessions()), (1, 0));
    assert!(bench.pass(Duration::from_secs(60)).is_empty());
}

#[test]
fn an_src_that_hangs_up_before_our_ack_leaves_nothing() {
    let mut bench = Bench::new();
    bench.hold_ports = true;
    let invite = called(&mut bench);
    assert!(bench.send(&respond(&invite, 200, SDP, &sdp("sendonly"))).is_empty(), "the ports are being opened");
    let mut call = Call::new(invite.call_id().unwrap());
    call.to_tag = invite.from_tag().unwrap().to_string();
    let of_the_src = |text: String| text.replace(&format!("tag=src-{}", invite.call_id().unwrap()), "tag=src");
    let early = of_the_src(call.request("UPDATE", "", ""));
    assert_eq!(statuses(&bench.send(&early)), [500]);
    let bye = of_the_src(call.request("BYE", "", ""));
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    assert_eq!((bench.srs.sessions(), bench.closed.len()), (0, 2));
    assert!(bench.begun.is_empty());
}

#[test]
fn a_server_that_is_full_asks_nobody() {
    let mut bench = Bench::new();
    bench.input(Input::Order(Order::Drain(true)));
    for uri in [format!("sip:src@{SRC}"), "tel:+1555".to_string()] {
        assert!(bench.input(Input::Order(Order::Record { uri, flow: flow() })).is_empty());
        bench.input(Input::Order(Order::Drain(false)));
    }
    assert_eq!(bench.srs.sessions(), 0);
}
