//! Requests that are refused, repeated, overtaken or strange.

use super::*;

#[test]
fn requests_without_a_dialog_are_answered_as_the_rfc_says() {
    let mut bench = Bench::new();
    let mut call = Call::new("x");
    for (method, status) in [("OPTIONS", 200), ("BYE", 481), ("REGISTER", 405), ("FOO", 501), ("MESSAGE", 405)] {
        let request = call.request(method, "", "");
        let answers = bench.send(&request);
        assert_eq!(statuses(&answers), [status], "{method}");
        assert!(answers[0].to_tag().is_some(), "{method}: RFC 3261 8.2.6.2");
        if status != 481 {
            assert!(answers[0].header("Allow").is_some_and(|a| a.contains("INVITE")), "{method}");
        }
    }
    call.to_tag = "nobody".to_string();
    for method in ["INVITE", "UPDATE", "INFO", "OPTIONS"] {
        let request = call.request(method, "", "");
        assert_eq!(statuses(&bench.send(&request)), [481], "{method}");
    }
    assert_eq!(bench.srs.sessions(), 0);
}

#[test]
fn an_ordinary_invite_is_refused_unless_the_peer_is_a_legacy_recorder() {
    let headers = "Content-Type: application/sdp\r\n";
    let ordinary = |call: &mut Call| call.request("INVITE", headers, &sdp("sendrecv")).replace(";+sip.src", "");
    let mut bench = Bench::new();
    assert_eq!(statuses(&bench.send(&ordinary(&mut Call::new("a")))), [403]);
    let legacy = Rules { legacy: true, ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [peers::local("cucm", legacy)].to_vec(), ..policy() });
    assert_eq!(statuses(&bench.send(&ordinary(&mut Call::new("a")))), [200]);
}

#[test]
fn an_ordinary_caller_who_reads_no_sdp_is_told_so_and_an_src_is_answered_all_the_same() {
    let legacy = Rules { legacy: true, ..Rules::default() };
    let mut bench = Bench::with(Policy { peers: [peers::local("cucm", legacy)].to_vec(), ..policy() });
    let (accept, status) = (
        ["text/plain", "text/plain, image/*", "text/plain, Application/SDP;level=1", "application/*", "*/*;q=0.1", ""],
        [406, 406, 200, 200, 200, 200],
    );
    for (n, (accept, status)) in accept.into_iter().zip(status).enumerate() {
        let headers = format!("Accept: {accept}\r\nContent-Type: application/sdp\r\n");
        let ordinary =
            Call::new(&format!("o{n}")).request("INVITE", &headers, &sdp("sendrecv")).replace(";+sip.src", "");
        let answers = bench.send(&ordinary);
        assert_eq!(statuses(&answers), [status], "{accept}");
        assert_eq!(answers[0].header("Warning").is_some(), status == 406, "RFC 4475 3.3.15");
        let recording = Call::new(&format!("r{n}")).request("INVITE", &headers, &sdp("sendonly"));
        assert_eq!(statuses(&bench.send(&recording)), [200], "{accept}");
    }
}

#[test]
fn over_capacity_the_peer_hears_its_refusal_and_running_calls_go_on() {
    let mut bench = Bench::with(Policy { max_sessions: 1, ..policy() });
    let mut first = Call::set_up(&mut bench, "a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("b").request("INVITE", &headers, &body);
    let answers = bench.send(&invite);
    assert_eq!(statuses(&answers), [503]);
    assert_eq!(answers[0].header("Retry-After"), Some("5"));
    let bye = first.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    bench.input(Input::Pressure(Some("Disk Full")));
    let invite = Call::new("c").request("INVITE", &headers, &body);
    assert_eq!(statuses(&bench.send(&invite)), [503]);
    bench.input(Input::Pressure(None));
    Call::set_up(&mut bench, "d");
}

#[test]
fn without_ports_the_invite_is_refused_and_nothing_is_left() {
    let mut bench = Bench::new();
    bench.refuse_ports = true;
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body);
    assert_eq!(statuses(&bench.send(&invite)), [503]);
    assert_eq!(bench.srs.sessions(), 0);
    assert!(bench.kept.is_empty() && bench.begun.is_empty());
}

#[test]
fn a_retransmitted_invite_is_one_call_and_a_merged_one_is_refused() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body);
    assert_eq!(statuses(&bench.send(&invite)), [200]);
    bench.send(&invite);
    assert_eq!(bench.srs.sessions(), 1);
    let merged = invite.replace("branch=z9hG4bKa", "branch=z9hG4bKother");
    assert_eq!(statuses(&bench.send(&merged)), [482]);
}

#[test]
fn a_cancel_before_the_answer_ends_the_call_and_after_it_changes_nothing() {
    let mut bench = Bench::new();
    bench.hold_ports = true;
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = call.request("INVITE", &headers, &body);
    assert!(statuses(&bench.send(&invite)).iter().all(|s| *s < 200));
    let cancel = call.request("CANCEL", "", "");
    assert_eq!(statuses(&bench.send(&cancel)), [200, 487]);
    assert_eq!(bench.srs.sessions(), 0);
    assert_eq!(bench.closed.len(), 2);

    let mut bench = Bench::new();
    let call = Call::set_up(&mut bench, "b");
    let mut late = Call::new("b");
    late.cseq = call.cseq;
    let cancel = late.request("CANCEL", "", "");
    assert_eq!(statuses(&bench.send(&cancel)), [200]);
    assert_eq!(bench.srs.sessions(), 1);
}

#[test]
fn the_200_is_retransmitted_until_the_ack_and_without_one_an_alarm_is_raised() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let mut call = Call::new("a");
    let invite = call.request("INVITE", &headers, &body);
    call.to_tag = bench.send(&invite)[0].to_tag().unwrap().to_string();
    let again = bench.pass(Duration::from_secs(4));
    assert_eq!(statuses(&again), [200, 200, 200], "after 0.5, 1.5 and 3.5 s");
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    assert!(bench.pass(Duration::from_secs(10)).is_empty());

    let mut bench = Bench::new();
    let invite = Call::new("b").request("INVITE", &headers, &body);
    bench.send(&invite);
    let session = bench.session();
    for _ in 0..8 {
        bench.pass(Duration::from_secs(5));
        bench.heard(session, 0);
        bench.heard(session, 1);
    }
    let no_ack = |e: &Event| matches!(e, Event::Alarm { alarm: crate::entry::Alarm::NoAck, raised: true, .. });
    assert!(bench.events().iter().any(no_ack));
    assert!(bench.ended.is_empty(), "audio flows: the call goes on");
}

#[test]
fn an_older_cseq_is_refused_and_an_unacceptable_offer_leaves_the_session_as_it_was() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    call.cseq += 10;
    let options = call.request("OPTIONS", "", "");
    assert_eq!(statuses(&bench.send(&options)), [200]);
    call.cseq -= 5;
    let old = call.request("UPDATE", "", "");
    assert_eq!(statuses(&bench.send(&old)), [500]);
    // The first INVITE's number, in a transaction of its own: no retransmission, and no offer.
    let (headers, body) = multipart(&sdp("inactive"), &metadata("s1"));
    let first = call.cseq;
    call.cseq = 0;
    let late = call.request("INVITE", &headers, &body).replace("z9hG4bK", "z9hG4bKlate");
    assert_eq!((late.contains("CSeq: 1 INVITE"), statuses(&bench.send(&late))), (true, [500].to_vec()));
    call.cseq = first;
    call.cseq += 20;
    let before = bench.settings.len();
    let bad = call.request("INVITE", "Content-Type: application/sdp\r\n", "this is no SDP");
    assert_eq!(statuses(&bench.send(&bad)), [488]);
    assert_eq!(bench.settings.len(), before);
    assert_eq!(bench.srs.sessions(), 1);
}

#[test]
fn a_bye_without_to_tag_is_understood_and_one_with_a_wrong_tag_is_not() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let tag = core::mem::replace(&mut call.to_tag, "wrong".to_string());
    let wrong = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&wrong)), [481]);
    assert_ne!(tag, "wrong");
    call.to_tag.clear();
    let lenient = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&lenient)), [200]);
    assert_eq!(bench.srs.sessions(), 0);
}

#[test]
fn tcp_is_framed_answered_on_its_stream_and_a_ping_gets_its_pong() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let id = ConnectionId(7);
    bench.connect(id, SRC.parse().unwrap(), false);
    let bytes = [b"\r\n\r\n", invite.as_bytes()].concat();
    for chunk in bytes.chunks(7) {
        bench.srs.handle_input(bench.now, Input::Bytes { connection: id, bytes: chunk });
    }
    let mut sends = Vec::new();
    loop {
        while let Some(output) = bench.srs.poll_output() {
            if let Output::Send { flow, bytes, .. } = output {
                sends.push((flow, bytes));
            } else if let Output::OpenPort { session, port, .. } = output {
                bench.open(session, port, None);
            }
        }
        if bench.srs.sessions() == 1 && sends.len() >= 2 {
            break;
        }
        assert!(sends.len() < 3);
    }
    assert_eq!(sends[0].1, b"\r\n");
    assert!(sends[1].1.starts_with(b"SIP/2.0 200"));
    assert!(sends.iter().all(|(flow, _)| flow.connection == Some(id)));
}

#[test]
fn a_bye_ends_the_call_whatever_it_requires() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let update = call.request("UPDATE", "Require: foo,, FOO, siprec\r\n", "");
    let refused = bench.send(&update);
    assert_eq!((refused[0].status(), refused[0].header("Unsupported")), (Some(420), Some("foo")));
    let bye = call.request("BYE", "Require: foo\r\nProxy-Require: bar\r\n", "");
    assert_eq!(statuses(&bench.send(&bye)), [200]);
    assert_eq!(bench.srs.sessions(), 0);
}

#[test]
fn option_tags_in_any_case_are_understood_and_supported_ones_refuse_nothing() {
    for headers in [
        "Require: SIPREC,,Timer, siprec ,\r\nProxy-Require: foo\r\n",
        "Require: siprec;x=y\r\nRequire:\r\nk: foo, bar\r\n",
        "Require: siprec timer\r\n",
        "Require: siprec\r\nSession-Expires: abc\r\nMin-SE: -1\r\nRSeq: x\r\nk: timer\r\n",
        "Require: siprec\r\nx: 99999999999999999999;refresher\r\nMin-SE: 99999999999999999999\r\nk: timer\r\n",
        "Require: siprec\r\nx:  ;refresher=\r\nMin-SE: ;\r\nk: timer\r\nMax-Forwards: -70\r\n",
    ] {
        let mut bench = Bench::new();
        let (_, body) = multipart(&sdp("sendonly"), &metadata("s1"));
        let more = format!("{headers}Content-Type: multipart/mixed;boundary=bb\r\n");
        let invite = Call::new("a").request("INVITE", &more, &body);
        assert_eq!(statuses(&bench.send(&invite)), [200], "{headers}");
    }
}
