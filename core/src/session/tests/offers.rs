//! Offers in odd places: delayed, crossing, of ours; PRACK, UPDATE, INFO and what else comes within a dialog.

use super::*;
use crate::entry::{Alarm, PauseCause};

const SDP: &str = "Content-Type: application/sdp\r\n";

/// A call whose INVITE had no SDP, up to our 200.
fn delayed(bench: &mut Bench, id: &str) -> Call {
    let mut call = Call::new(id);
    let headers = "Require: siprec\r\nContent-Type: application/rs-metadata+xml\r\n";
    let answers = bench.send(&call.request("INVITE", headers, &metadata("s1")));
    call.to_tag = answers[0].to_tag().unwrap().to_string();
    call
}

#[test]
fn an_ack_without_an_answer_is_told_and_what_comes_is_recorded() {
    let mut bench = Bench::new();
    let mut call = delayed(&mut bench, "a");
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let told = |e: &Event| matches!(e, Event::Alarm { alarm: Alarm::NoAnswer, raised: true, .. });
    assert!(bench.events().iter().any(told));
    assert!(bench.closed.is_empty() && bench.settings.iter().all(|s| s.stream.paused.is_none()));
}

#[test]
fn what_the_answer_in_the_ack_rejects_is_closed_and_may_come_back() {
    let mut bench = Bench::new();
    let mut call = delayed(&mut bench, "a");
    let ack = call.request("ACK", SDP, &sdp("sendonly").replace("m=audio 30002", "m=audio 0"));
    bench.send(&ack);
    assert_eq!(bench.closed, [(bench.session(), PortIndex(1))]);
    let session = bench.session();
    let all = sdp("sendonly").replace("m=audio 30000", "m=audio 0").replace("m=audio 30002", "m=audio 0");
    let mut other = delayed(&mut bench, "b");
    let ack = other.request("ACK", SDP, &all);
    bench.send(&ack);
    assert_eq!(bench.closed.len(), 3);
    assert_eq!(bench.srs.sessions(), 2, "an SRC may have nothing to send yet");
    assert_ne!(bench.session(), session);
    let back = call.request("INVITE", SDP, &sdp("sendonly"));
    assert!(String::from_utf8_lossy(&bench.send(&back)[0].body).contains("m=audio 10004"));
}

#[test]
fn a_re_invite_without_sdp_is_offered_what_there_is_under_its_old_version() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let hold = call.request("INVITE", SDP, &sdp("inactive"));
    let held = version(&bench.send(&hold)[0]);
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let empty = call.request("INVITE", "", "");
    let offer = bench.send(&empty);
    let text = String::from_utf8_lossy(&offer[0].body).into_owned();
    assert_eq!((text.matches("a=recvonly").count(), version(&offer[0])), (2, held + 1), "{text}");
    // Until its answer is there, theirs must wait (RFC 3311 5.2).
    let update = call.request("UPDATE", SDP, &sdp("sendonly"));
    assert_eq!(statuses(&bench.send(&update)), [491]);
    call.cseq -= 1;
    let ack = call.request("ACK", SDP, &sdp("sendonly"));
    bench.send(&ack);
    assert_eq!(bench.settings.last().unwrap().stream.paused, None);
    call.cseq += 1;
    let again = call.request("INVITE", "", "");
    assert_eq!(version(&bench.send(&again)[0]), held + 1, "nothing has changed");
}

#[test]
fn what_crosses_an_unfinished_offer_waits_and_what_has_no_offer_does_not() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    bench.hold_ports = true;
    let three = format!("{}m=audio 30004 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n", sdp("sendonly"));
    let slow = call.request("INVITE", SDP, &three);
    assert!(bench.send(&slow).is_empty());
    let update = call.request("UPDATE", SDP, &sdp("sendonly"));
    let refused = bench.send(&update);
    assert_eq!(statuses(&refused), [500]);
    assert!(refused[0].header("Retry-After").unwrap().parse::<u32>().unwrap() <= 10);
    let empty = call.request("UPDATE", "Content-Type: application/rs-metadata+xml\r\n", &metadata("s1"));
    let answered = bench.send(&empty);
    assert_eq!((statuses(&answered), answered[0].body.len()), ([200].to_vec(), 0));
    let (session, at) = (bench.session(), |port| SocketAddr::new("127.0.0.1".parse().unwrap(), port));
    let late = bench.input(Input::PortOpened { session, port: PortIndex(2), rtp: at(10_004), rtcp: at(10_005) });
    assert_eq!(statuses(&late), [200]);
}

#[test]
fn a_bye_and_a_cancel_find_the_re_invite_that_waits() {
    let three = format!("{}m=audio 30004 RTP/AVP 8\r\na=label:3\r\na=sendonly\r\n", sdp("sendonly"));
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    bench.hold_ports = true;
    let slow = call.request("INVITE", SDP, &three);
    bench.send(&slow);
    let cancel = call.repeat("CANCEL", "", "");
    assert_eq!(statuses(&bench.send(&cancel)), [200, 487]);
    assert_eq!(bench.srs.sessions(), 1, "a cancelled re-INVITE ends no call");
    let slow = call.request("INVITE", SDP, &three);
    bench.send(&slow);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&bench.send(&bye)), [200, 487], "RFC 3261 15.1.2");
    assert_eq!(bench.srs.sessions(), 0);
}

#[test]
fn reliable_provisional_responses_are_met_by_sending_none() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = call.request("INVITE", &headers.replace("siprec", "siprec, 100rel"), &body);
    let answers = bench.send(&invite);
    assert_eq!(statuses(&answers), [200], "RFC 3262 3: not refused, and nothing to acknowledge");
    call.to_tag = answers[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let prack = call.request("PRACK", "RAck: 1 1 INVITE\r\n", "");
    assert_eq!(statuses(&bench.send(&prack)), [481], "RFC 3262 3: none is unmatched");
}

#[test]
fn within_a_dialog_each_method_has_its_answer() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    for (method, headers, status) in [
        ("OPTIONS", "", 200),
        ("INFO", "", 200),
        ("INFO", "Info-Package: conference\r\n", 469),
        ("UPDATE", "", 200),
        ("REFER", "Refer-To: <sip:carol@c>\r\n", 405),
        ("SUBSCRIBE", "Event: dialog\r\n", 405),
        ("NOTIFY", "Event: refer\r\n", 405),
        ("MESSAGE", "", 405),
        ("DANCE", "", 501),
    ] {
        let request = call.request(method, headers, "");
        let answers = bench.send(&request);
        assert_eq!(statuses(&answers), [status], "{method}");
        if matches!(status, 405 | 501) {
            assert!(answers[0].header("Allow").is_some_and(|allow| allow.contains("UPDATE")), "{method}");
        }
        if status == 469 {
            assert_eq!(answers[0].header("Recv-Info"), Some(""));
        }
    }
    assert_eq!(bench.srs.sessions(), 1);
}

#[test]
fn a_pause_is_told_to_the_src_where_the_order_says_so() {
    let mut bench = Bench::new();
    let call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    let paused = |bench: &Bench| bench.settings.last().unwrap().stream.paused;
    assert!(bench.input(Input::Order(Order::Pause { session, tell_src: false, at_most: None })).is_empty());
    assert_eq!(paused(&bench), Some(PauseCause::Operator));
    let sent = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    assert_eq!(methods(&sent), ["INVITE"]);
    assert_eq!(String::from_utf8_lossy(&sent[0].body).matches("a=inactive").count(), 2);
    // Resumed before the SRC has answered: one offer at a time.
    assert!(bench.input(Input::Order(Order::Resume(session))).is_empty());
    assert_eq!(paused(&bench), None);
    let more = bench.send(&respond(&sent[0], 200, SDP, &sdp("inactive")));
    assert_eq!(methods(&more), ["ACK", "INVITE"]);
    assert_eq!(paused(&bench), Some(PauseCause::Inactive), "as the SRC has it, until it answers again");
    assert_eq!(String::from_utf8_lossy(&more[1].body).matches("a=recvonly").count(), 2);
    assert_eq!(version(&more[1]), version(&sent[0]) + 1);
    bench.send(&respond(&more[1], 200, SDP, &sdp("sendonly")));
    assert_eq!(paused(&bench), None);
    let _ = call;
}

#[test]
fn a_paused_src_that_offers_meanwhile_is_answered_inactive() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    let sent = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    bench.send(&respond(&sent[0], 200, SDP, &sdp("inactive")));
    let offer = call.request("INVITE", SDP, &sdp("sendonly"));
    let answer = bench.send(&offer);
    assert_eq!(String::from_utf8_lossy(&answer[0].body).matches("a=inactive").count(), 2);
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let resumed = bench.input(Input::Order(Order::Resume(session)));
    assert_eq!(methods(&resumed), ["INVITE"]);
    assert_eq!(
        bench.settings.last().unwrap().stream.paused,
        None,
        "recorded at once, whatever the SRC takes to answer"
    );
}

#[test]
fn glare_is_waited_out_and_a_refused_pause_still_keeps_nothing() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    let sent = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    assert_eq!(methods(&bench.send(&respond(&sent[0], 491, "", ""))), ["ACK"]);
    let again = bench.pass(Duration::from_millis(2_001));
    assert_eq!(methods(&again), ["INVITE"]);
    bench.send(&respond(&again[0], 488, "", ""));
    assert!(bench.pass(Duration::from_secs(5)).is_empty());
    assert_eq!(bench.settings.last().unwrap().stream.paused, Some(PauseCause::Operator));
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

#[test]
fn a_stream_is_taken_back_by_an_offer_with_port_0() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    let taken = bench.input(Input::Order(Order::TakeBack { session, port: PortIndex(1) }));
    assert_eq!((methods(&taken), &*bench.closed), (["INVITE".to_string()].to_vec(), &[(session, PortIndex(1))][..]));
    let offer = body(&taken[0]);
    assert!(
        offer.contains("m=audio 10000 RTP/AVP 8 101\r\n") && offer.contains("m=audio 0 RTP/AVP 8 101\r\n"),
        "{offer}"
    );
    let told = |e: &Event| matches!(e, Event::Stream(stream) if stream.paused == Some(PauseCause::TakenBack));
    assert!(bench.events().iter().any(told));
    let closed = sdp("sendonly").replace("m=audio 30002", "m=audio 0");
    bench.send(&respond(&taken[0], 200, SDP, &closed));
    assert_eq!(bench.settings.last().unwrap().stream.paused, None, "the other one goes on");
    // An SRC that offers it all the same is told again; once it has closed its line, another stream may have that.
    for (offered, ports) in
        [(sdp("sendonly"), ["10000", "0"]), (closed, ["10000", "0"]), (sdp("sendonly"), ["10000", "10004"])]
    {
        let reinvite = call.request("INVITE", SDP, &offered);
        let answer = body(&bench.send(&reinvite)[0]);
        let found: Vec<_> = answer.lines().filter_map(|l| l.strip_prefix("m=audio ")?.split(' ').next()).collect();
        assert_eq!(found, ports);
        let ack = call.request("ACK", "", "");
        bench.send(&ack);
    }
    assert!(bench.input(Input::Order(Order::TakeBack { session, port: PortIndex(9) })).is_empty());
}

#[test]
fn who_is_held_off_is_answered_inactive_and_offered_recvonly_when_resumed() {
    let mut bench = Bench::new();
    bench.input(Input::Order(Order::HoldOff(true)));
    let mut call = Call::new("a");
    let (headers, both) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = call.request("INVITE", &headers, &both);
    let ok = bench.send(&invite).remove(0);
    assert_eq!((ok.status(), body(&ok).matches("a=inactive").count()), (Some(200), 2));
    assert!(bench.settings.iter().all(|settings| settings.stream.paused == Some(PauseCause::Operator)));
    call.to_tag = ok.to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    bench.input(Input::Order(Order::HoldOff(false)));
    let session = bench.session();
    let ready = bench.input(Input::Order(Order::Resume(session)));
    assert_eq!(methods(&ready), ["INVITE"]);
    assert_eq!(body(&ready[0]).matches("a=recvonly").count(), 2);
    bench.send(&respond(&ready[0], 200, SDP, &sdp("sendonly")));
    assert_eq!(bench.settings.last().unwrap().stream.paused, None);
    Call::set_up(&mut bench, "b");
    assert_eq!(bench.settings.last().unwrap().stream.paused, None, "the next is taken at once");
}

#[test]
fn a_large_offer_goes_over_tcp_and_as_a_datagram_to_who_takes_no_stream() {
    let mut bench = Bench::new();
    let mut call = Call::new("a");
    let line = |n: u16| format!("m=audio {} RTP/AVP 8\r\na=label:{n}\r\na=sendonly\r\n", 30_000 + 2 * n);
    let lines: String = (0..16).map(line).collect();
    let offer = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n{lines}");
    let invite = call.request("INVITE", &format!("Require: siprec\r\n{SDP}"), &offer);
    call.to_tag = bench.send(&invite)[0].to_tag().unwrap().to_string();
    let ack = call.request("ACK", "", "");
    bench.send(&ack);
    let session = bench.session();
    let via = |message: &Message| message.header("Via").unwrap()[..12].to_string();
    let over_tcp = bench.input(Input::Order(Order::Pause { session, tell_src: true, at_most: None }));
    assert_eq!((methods(&over_tcp), via(&over_tcp[0])), (["INVITE".to_string()].to_vec(), "SIP/2.0/TCP ".to_string()));
    let over_udp = bench.input(Input::NoStream { remote: SRC.parse().unwrap() });
    assert_eq!((methods(&over_udp), via(&over_udp[0])), (["INVITE".to_string()].to_vec(), "SIP/2.0/UDP ".to_string()));
    assert_eq!(over_udp[0].body, over_tcp[0].body);
    let acknowledged = bench.send(&respond(&over_udp[0], 200, SDP, &offer.replace("sendonly", "inactive")));
    assert_eq!(methods(&acknowledged), ["ACK"]);
}
