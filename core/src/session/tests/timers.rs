//! Session timers (RFC 4028), in both roles and over a restart.

use super::*;
use crate::entry::Alarm;

const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE\r\n";

/// Audio on both streams, second by second. What was sent, retransmissions apart.
fn talk(bench: &mut Bench, session: SessionId, seconds: u64) -> Vec<Message> {
    let before = bench.sent.len();
    for _ in 0..seconds {
        bench.heard(session, 0);
        bench.heard(session, 1);
        bench.pass(Duration::from_secs(1));
    }
    let mut sent = bench.sent[before..].to_vec();
    sent.dedup_by(|later, first| later.header("Via") == first.header("Via"));
    sent
}

/// A server whose SRC is held to the RFCs.
fn strict() -> Policy {
    let peer = super::peers::local("strict", Rules { strict_dialogs: true, ..Rules::default() });
    Policy { peers: [peer].to_vec(), ..policy() }
}

fn alarms(bench: &Bench, wanted: Alarm) -> Vec<bool> {
    let told = |e: Event| if let Event::Alarm { alarm, raised, .. } = e { Some((alarm, raised)) } else { None };
    bench
        .events()
        .into_iter()
        .filter_map(told)
        .filter(|(alarm, _)| *alarm == wanted)
        .map(|(_, raised)| raised)
        .collect()
}

#[test]
fn the_200_says_who_refreshes_and_too_short_an_interval_is_refused() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", "Supported: timer\r\nSession-Expires: 600\r\n", &metadata("s1"));
    let ok = bench.sent.iter().find(|m| m.status() == Some(200)).unwrap();
    assert_eq!(ok.header("Session-Expires"), Some("600;refresher=uac"));
    assert!(ok.require().contains(&"timer"));

    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", "Session-Expires: 600\r\n", &metadata("s1"));
    let ok = bench.sent.iter().find(|m| m.status() == Some(200)).unwrap();
    assert_eq!((ok.header("Session-Expires"), ok.require().len()), (Some("600;refresher=uas"), 0));

    let session_timers = SessionTimers { min_se: 900, interval: None };
    let mut bench = Bench::with(Policy { session_timers, ..policy() });
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let headers = format!("Supported: timer\r\nSession-Expires: 600\r\n{headers}");
    let answers = bench.send(&Call::new("a").request("INVITE", &headers, &body));
    assert_eq!((statuses(&answers), answers[0].header("Min-SE")), ([422].to_vec(), Some("900")));
    assert_eq!(bench.srs.sessions(), 0);
}

#[test]
fn our_refresh_is_an_update_without_body_and_goes_on_for_ever() {
    let mut bench = Bench::new();
    let more = format!("{UPDATES}Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    Call::set_up_with(&mut bench, "a", &more, &metadata("s1"));
    let session = bench.session();
    let settings = bench.settings.len();
    for _ in 0..4 {
        let sent = talk(&mut bench, session, 46);
        assert_eq!(methods(&sent), ["UPDATE"]);
        assert!(sent[0].body.is_empty());
        assert_eq!(sent[0].header("Session-Expires"), Some("90;refresher=uac"));
        assert!(sent[0].supports("timer") && sent[0].header("Contact").unwrap().ends_with("+sip.srs"));
        bench.send(&respond(&sent[0], 200, "Require: timer\r\nSession-Expires: 90;refresher=uac\r\n", ""));
    }
    assert_eq!(bench.settings.len(), settings, "no port hears of it");
    assert!(alarms(&bench, Alarm::SessionExpired).is_empty());
}

#[test]
fn an_src_that_forgets_the_timer_in_its_200_is_refreshed_all_the_same() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", &format!("{UPDATES}Session-Expires: 90\r\n"), &metadata("s1"));
    let session = bench.session();
    for _ in 0..2 {
        let sent = talk(&mut bench, session, 46);
        assert_eq!(methods(&sent), ["UPDATE"]);
        bench.send(&respond(&sent[0], 200, "", ""));
    }
    assert!(alarms(&bench, Alarm::SessionExpired).is_empty());
}

#[test]
fn an_src_without_update_is_refreshed_by_the_same_offer() {
    let mut bench = Bench::new();
    let more = "Allow: INVITE, ACK, BYE\r\nSession-Expires: 90\r\n";
    let call = Call::set_up_with(&mut bench, "a", more, &metadata("s1"));
    let session = bench.session();
    let described = bench.sent.iter().find(|m| m.status() == Some(200)).unwrap().body.clone();
    let (settings, events) = (bench.settings.len(), bench.events().len());
    let sent = talk(&mut bench, session, 46);
    assert_eq!(methods(&sent), ["INVITE"]);
    assert_eq!(sent[0].body, described, "the same description, its version too");
    // While it is unanswered, no other offer may be made (RFC 3261 14.2).
    let mut glare = Call { id: call.id, to_tag: call.to_tag, cseq: call.cseq };
    let reinvite = glare.request("INVITE", "Content-Type: application/sdp\r\n", &sdp("inactive"));
    assert_eq!(statuses(&bench.send(&reinvite)), [491]);
    let answers = bench.send(&respond(
        &sent[0],
        200,
        "Session-Expires: 90;refresher=uac\r\nContent-Type: application/sdp\r\n",
        &sdp("sendonly"),
    ));
    assert_eq!(methods(&answers), ["ACK"]);
    assert_eq!((bench.settings.len(), bench.events().len()), (settings, events), "nothing has changed");
}

#[test]
fn a_refused_refresh_is_tried_again_as_the_refusal_says() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", &format!("{UPDATES}Session-Expires: 90\r\n"), &metadata("s1"));
    let session = bench.session();
    let first = talk(&mut bench, session, 46);
    let again = bench.send(&respond(&first[0], 422, "Min-SE: 120\r\n", ""));
    assert_eq!(again[0].header("Session-Expires"), Some("120;refresher=uac"));
    assert_eq!(again[0].header("Min-SE"), Some("120"));
    assert!(bench.send(&respond(&again[0], 491, "", "")).is_empty());
    let again = talk(&mut bench, session, 3);
    assert_eq!(methods(&again), ["UPDATE"], "RFC 3261 14.1: within 2 s");
    let again = bench.send(&respond(&again[0], 501, "", ""));
    assert_eq!(methods(&again), ["INVITE"], "what takes no UPDATE takes an INVITE");
    bench.send(&respond(&again[0], 503, "Retry-After: 4\r\n", ""));
    let again = talk(&mut bench, session, 5);
    assert_eq!(methods(&again), ["INVITE"]);
    bench.send(&respond(&again[0], 488, "", ""));
    assert_eq!(methods(&talk(&mut bench, session, 12)), ["INVITE"], "later");
    assert_eq!(bench.srs.sessions(), 1);
}

#[test]
fn a_missed_refresh_ends_no_call_whose_rtp_flows() {
    let more = "Supported: timer\r\nSession-Expires: 90\r\n";
    let mut bench = Bench::new();
    let mut call = Call::set_up_with(&mut bench, "a", more, &metadata("s1"));
    let session = bench.session();
    assert!(talk(&mut bench, session, 200).is_empty());
    assert_eq!(alarms(&bench, Alarm::SessionExpired), [true]);
    let update = call.request("UPDATE", more, "");
    assert_eq!(bench.send(&update)[0].header("Session-Expires"), Some("90;refresher=uac"));
    assert_eq!(alarms(&bench, Alarm::SessionExpired), [true, false]);

    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "b", more, &metadata("s1"));
    let sent = bench.pass(Duration::from_secs(61));
    assert!(methods(&sent).contains(&"BYE".to_string()), "nothing comes, and nobody refreshes");
    assert_eq!(bench.ended, [(bench.session(), EndCause::SessionExpired)]);

    let mut bench = Bench::with(strict());
    Call::set_up_with(&mut bench, "c", more, &metadata("s1"));
    let session = bench.session();
    assert_eq!(methods(&talk(&mut bench, session, 70))[0], "BYE", "as the RFC has it");
}

#[test]
fn an_src_that_knows_no_dialog_is_lost_only_when_it_is_silent() {
    let more = format!("{UPDATES}Session-Expires: 90\r\n");
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", &more, &metadata("s1"));
    let session = bench.session();
    let sent = talk(&mut bench, session, 46);
    bench.send(&respond(&sent[0], 481, "", ""));
    assert_eq!((bench.srs.sessions(), alarms(&bench, Alarm::DialogLost)), (1, [true].to_vec()));

    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "b", &more, &metadata("s1"));
    let sent = bench.pass(Duration::from_secs(46));
    let update = sent.iter().find(|m| m.method().is_some_and(|m| m.as_str() == "UPDATE")).unwrap().clone();
    bench.send(&respond(&update, 481, "", ""));
    assert_eq!(bench.ended, [(bench.session(), EndCause::DialogUnknown)]);
}

#[test]
fn the_timer_survives_a_restart() {
    let mut bench = Bench::new();
    let more = format!("{UPDATES}Session-Expires: 90\r\n");
    let mut call = Call::set_up_with(&mut bench, "a", &more, &metadata("s1"));
    bench.pass(Duration::from_secs(20));
    let mut next = Bench::new();
    next.now = Now { monotonic: Monotonic(5), wall: bench.now.wall.after(Duration::from_secs(1)) };
    next.srs.restore(next.now, bench.last_checkpoint(), 2, bench.now.wall, false);
    next.drain();
    let session = bench.session();
    assert!(talk(&mut next, session, 23).is_empty());
    assert_eq!(methods(&talk(&mut next, session, 2)), ["UPDATE"], "45 s after the 200");
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&next.send(&bye)), [200]);
}

#[test]
fn without_an_ack_a_silent_call_ends_and_a_strict_peers_too() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    bench.send(&Call::new("a").request("INVITE", &headers, &body));
    let sent = bench.pass(Duration::from_secs(33));
    assert!(methods(&sent).contains(&"BYE".to_string()));
    assert_eq!(bench.ended, [(bench.session(), EndCause::SrcGone)]);

    let mut bench = Bench::with(strict());
    bench.send(&Call::new("b").request("INVITE", &headers, &body));
    let session = bench.session();
    assert!(methods(&talk(&mut bench, session, 33)).contains(&"BYE".to_string()), "RFC 3261 13.3.1.4");
}
