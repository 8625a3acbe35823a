//! What every answer of ours carries, and what the first error of several is (RFC 3261 8.2, RFC 7866 6.2).

use super::*;

const SDP: &str = "Content-Type: application/sdp\r\n";

#[test]
fn each_2xx_of_a_dialog_tells_who_we_are_and_what_we_speak() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = call.request("INVITE", &headers, &body);
    let mut answers = bench.send(&invite);
    call.to_tag = answers[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let reinvite = call.request("INVITE", SDP, &sdp("inactive"));
    answers.extend(bench.send(&reinvite));
    let ack = call.repeat("ACK", "", "");
    bench.send(&ack);
    let update = call.request("UPDATE", SDP, &sdp("sendonly"));
    answers.extend(bench.send(&update));
    assert_eq!(statuses(&answers), [200, 200, 200]);
    for answer in &answers {
        assert!(answer.header("Contact").unwrap().ends_with(";+sip.srs"), "RFC 7866 6.2");
        assert!(answer.header("Allow").unwrap().contains("UPDATE"), "RFC 3311 5.1");
        assert!(answer.header("Accept").unwrap().contains("application/rs-metadata+xml"), "RFC 9806 2");
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/sdp"),
            "RFC 5621 9: a description and nothing else"
        );
        assert_eq!(answer.header("Require"), None, "RFC 3261 8.2.4: nothing that was not offered");
        assert_eq!(answer.to_tag(), Some(call.to_tag.as_str()));
    }
}

#[test]
fn an_answer_repeats_whose_request_it_answers() {
    let mut bench = Bench::new();
    let call = Call::new("a").request(
        "OPTIONS",
        "v: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKb\r\nVia: SIP/2.0/UDP c;branch=z9hG4bKc\r\n",
        "",
    );
    let answer = &bench.send(&call)[0];
    let vias: Vec<_> = answer.headers_all("Via").map(|via| via.split(";branch=").nth(1).unwrap().to_string()).collect();
    assert!(vias[0].starts_with("z9hG4bKa1OPTIONS") && vias[1..] == ["z9hG4bKb", "z9hG4bKc"], "{vias:?}");
    assert!(answer.header("From").unwrap().ends_with(";tag=src-a"));
    assert_eq!((answer.call_id(), answer.header("CSeq")), (Some("a"), Some("1 OPTIONS")));
}

#[test]
fn the_100_and_the_200_are_of_one_dialog() {
    let mut bench = Bench::new();
    bench.hold_ports = true;
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body);
    assert!(bench.send(&invite).is_empty());
    let trying = bench.pass(Duration::from_millis(250));
    assert_eq!((statuses(&trying), trying[0].to_tag()), ([100].to_vec(), None));
    let at = |port| SocketAddr::new("127.0.0.1".parse().unwrap(), port);
    let opened = bench.opened.clone();
    let mut sent = Vec::new();
    for (session, port, _) in opened {
        let rtp = 10_000 + 2 * port.0;
        sent.extend(bench.input(Input::PortOpened { session, port, rtp: at(rtp), rtcp: at(rtp + 1) }));
    }
    assert_eq!(statuses(&sent), [200]);
    assert_eq!(
        (trying[0].header("From"), trying[0].header("Call-ID")),
        (sent[0].header("From"), sent[0].header("Call-ID"))
    );
    let again = bench.send(&invite);
    assert!(again.iter().all(|m| m.to_tag() == sent[0].to_tag()), "an INVITE again is the same dialog");
}

#[test]
fn of_several_faults_the_first_in_the_rfcs_order_is_told() {
    let mut bench = Bench::new();
    let every = "Require: x-unheard\r\nContent-Type: application/foo\r\n";
    for (n, (method, headers, status)) in [
        ("MESSAGE", every, 405),
        ("INVITE", every, 420),
        ("INVITE", "Require: siprec\r\nContent-Type: application/foo\r\n", 415),
    ]
    .into_iter()
    .enumerate()
    {
        let request = Call::new(&format!("n{n}")).request(method, headers, "x");
        let answers = bench.send(&request);
        assert_eq!(statuses(&answers), [status], "{method} {headers}");
    }
    let foreign =
        Call::new("b").request("INVITE", every, "x").replace("INVITE sip:srs@127.0.0.1:5060", "INVITE nobody:knows");
    assert_eq!(statuses(&bench.send(&foreign)), [416], "RFC 3261 8.2.2 comes before 8.2.2.3");
}

#[test]
fn an_indication_of_recording_is_for_phones_and_not_for_us() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let asked = Call::new("a").request("INVITE", &headers.replace("siprec", "siprec, record-aware"), &body);
    let answers = bench.send(&asked);
    assert_eq!((statuses(&answers), answers[0].header("Unsupported")), ([420].to_vec(), Some("record-aware")));
    let told = format!("Supported: record-aware\r\n{headers}");
    let flagged = body.replace("a=label:1\r\n", "a=record:off\r\na=recordpref:off\r\na=label:1\r\n");
    let invite = Call::new("b").request("INVITE", &told, &flagged.replace("t=0 0\r\n", "t=0 0\r\na=record:paused\r\n"));
    let answers = bench.send(&invite);
    assert_eq!(statuses(&answers), [200]);
    assert_eq!(String::from_utf8_lossy(&answers[0].body).matches("a=recvonly").count(), 2);
    assert!(!String::from_utf8_lossy(&answers[0].body).contains("a=record"));
    assert!(bench.settings.iter().all(|settings| settings.stream.paused.is_none()));
}

#[test]
fn our_requests_go_where_the_newest_contact_says() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let update = call
        .request("UPDATE", "", "")
        .replace("Contact: <sip:src@127.0.0.2:5070>", "Contact: <sip:moved@127.0.0.3:5071>");
    assert_eq!(statuses(&bench.send(&update)), [200]);
    let session = bench.session();
    let sent = bench.input(Input::Order(Order::Stop(session)));
    assert_eq!((methods(&sent), sent[0].uri()), (["BYE".to_string()].to_vec(), Some("sip:moved@127.0.0.3:5071")));
}

#[test]
fn an_offer_that_cannot_be_met_is_488_with_a_warning_and_changes_nothing() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let before = bench.settings.len();
    let unknown =
        sdp("sendonly").replace("RTP/AVP 8 101", "RTP/AVP 99").replace("rtpmap:8 PCMA/8000", "rtpmap:99 x-own/8000");
    for method in ["INVITE", "UPDATE"] {
        let request = call.request(method, SDP, &unknown);
        let answers = bench.send(&request);
        assert_eq!(statuses(&answers), [488], "{method}");
        assert!(answers[0].header("Warning").is_some_and(|w| w.starts_with("399 ")), "{method}");
        let ack = call.repeat("ACK", "", "");
        bench.send(&ack);
    }
    assert_eq!((bench.settings.len(), bench.closed.len(), bench.srs.sessions()), (before, 0, 1));
}

#[test]
fn a_tag_is_never_given_twice() {
    let mut bench = Bench::new();
    let mut tags = alloc::collections::BTreeSet::new();
    for n in 0..500 {
        let request = Call::new(&format!("c{n}")).request("OPTIONS", "", "");
        let tag = bench.send(&request)[0].to_tag().unwrap().to_string();
        assert_eq!(tag.len(), 16, "64 bits; RFC 3261 19.3 asks for 32");
        assert!(tags.insert(tag));
    }
}

#[test]
fn an_offer_that_meets_ours_is_491_and_may_come_again() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    let ours = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    assert_eq!(methods(&ours), ["INVITE"]);
    let theirs = call.request("INVITE", SDP, &sdp("sendonly"));
    assert_eq!(statuses(&bench.send(&theirs)), [491], "RFC 3261 14.2");
    let ack = call.repeat("ACK", "", "");
    bench.send(&ack);
    bench.send(&respond(&ours[0], 200, SDP, &sdp("inactive")));
    let again = call.request("INVITE", SDP, &sdp("sendonly"));
    assert_eq!(statuses(&bench.send(&again)), [200]);
}

#[test]
fn our_offers_have_as_many_lines_as_theirs_and_a_higher_version() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly").replace("m=audio 30002", "m=audio 0"), &metadata("s1"));
    let invite = call.request("INVITE", &headers, &body);
    let answer = bench.send(&invite)[0].clone();
    call.to_tag = answer.to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let session = bench.session();
    let ours = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    let text = String::from_utf8_lossy(&ours[0].body).into_owned();
    assert_eq!((text.matches("m=audio").count(), text.matches("m=audio 0 ").count()), (2, 1), "{text}");
    assert_eq!(version(&ours[0]), version(&answer) + 1);
    assert!(ours[0].header("Contact").unwrap().ends_with(";+sip.srs"), "RFC 7866 6.2");
}
