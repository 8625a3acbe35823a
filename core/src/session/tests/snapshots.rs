//! Snapshot requests (RFC 7866 9.2): when, how, and when not.

use super::*;

const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE\r\n";
const XML: &str = "Content-Type: application/rs-metadata+xml\r\n";

fn partial(session: &str) -> String {
    metadata(session).replace("complete", "partial")
}

fn joins_unknown() -> String {
    "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>partial</datamode>\
     <participantsessionassoc participant_id=\"p9\" session_id=\"s9\"/></recording>"
        .to_string()
}

fn codes(bench: &Bench) -> Vec<String> {
    let codes = |e: Event| if let Event::Metadata { deviations, .. } = e { deviations } else { Vec::new() };
    bench.events().into_iter().flat_map(codes).map(|d| d.code).collect()
}

#[test]
fn a_partial_before_any_snapshot_is_recorded_and_a_whole_one_is_asked_for() {
    let mut bench = Bench::new();
    let mut call = Call::set_up_with(&mut bench, "a", UPDATES, &partial("s1"));
    let asked: Vec<Message> = bench.sent.iter().filter(|m| m.is_request()).cloned().collect();
    assert_eq!(methods(&asked), ["UPDATE"], "after the ACK, not in the 200");
    let request = &asked[0];
    assert_eq!(request.header("Content-Type"), Some("application/rs-metadata+xml"), "as the SRC calls it");
    assert_eq!(request.header("Content-Disposition"), Some("recording-session"));
    assert!(
        String::from_utf8_lossy(&request.body)
            .contains("<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\"")
    );
    bench.send(&respond(request, 200, "", ""));
    // The snapshot comes in a request of its own.
    let snapshot = call.request("UPDATE", XML, &metadata("s2"));
    assert_eq!(statuses(&bench.send(&snapshot)), [200]);
    let last = bench
        .events()
        .into_iter()
        .rev()
        .find_map(|e| if let Event::Metadata { snapshot, .. } = e { Some(snapshot) } else { None });
    assert_eq!(last.unwrap().active_sessions()[0].id, "s2");
    assert!(bench.pass(Duration::from_secs(29)).is_empty());
}

#[test]
fn what_cannot_be_folded_is_asked_for_seldom_and_not_for_ever() {
    let mut bench = Bench::new();
    let mut call = Call::set_up_with(&mut bench, "a", UPDATES, &metadata("s1"));
    let mut asked = 0;
    for _ in 0..12 {
        let update = call.request("UPDATE", XML, &joins_unknown());
        bench.send(&update);
        bench.heard(bench.session(), 0);
        bench.heard(bench.session(), 1);
        bench.pass(Duration::from_secs(10));
    }
    for request in bench.sent.clone().iter().filter(|m| m.is_request()) {
        asked += 1;
        bench.send(&respond(request, 200, "", ""));
    }
    let kinds = methods(&bench.sent);
    let first: Vec<&String> = kinds.iter().filter(|kind| *kind == "UPDATE").collect();
    assert!(asked >= 3 && first.len() < 12 * 3, "{kinds:?}");
    let branches: alloc::collections::BTreeSet<String> =
        bench.sent.iter().filter(|m| m.is_request()).filter_map(|m| Some(m.via_top()?.branch()?.to_string())).collect();
    assert_eq!(branches.len(), usize::from(MAX_SNAPSHOT_TRIES), "retransmissions apart");
}

#[test]
fn an_src_that_takes_no_update_is_not_asked_and_that_is_flagged() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", "Allow: INVITE, ACK, BYE\r\n", &partial("s1"));
    assert!(bench.sent.iter().all(|m| !m.is_request()));
    assert!(codes(&bench).contains(&"no-update".to_string()));
    let order = Order::RequestSnapshot(bench.session());
    assert!(bench.input(Input::Order(order)).is_empty());
}

#[test]
fn an_ordinary_phone_system_is_not_asked_for_siprec() {
    let peer = super::peers::local("legacy", Rules { legacy: true, ..Rules::default() });
    let mut bench = Bench::with(Policy { peers: [peer].to_vec(), ..policy() });
    let mut call = Call::new("a");
    let plain = |text: String| text.replace(";+sip.src", "");
    let invite = plain(call.request("INVITE", "Content-Type: application/sdp\r\n", &sdp("sendrecv")));
    call.to_tag = bench.send(&invite)[0].to_tag().unwrap().to_string();
    bench.send(&plain(call.request("ACK", "", "")));
    let sent = bench.input(Input::Order(Order::Pause { session: bench.session(), tell_src: true, at_most: None }));
    assert_eq!((methods(&sent), sent[0].require().len()), (["INVITE".to_string()].to_vec(), 0));
}

#[test]
fn an_order_asks_at_once_and_a_dialog_that_is_gone_is_noticed() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", UPDATES, &metadata("s1"));
    let session = bench.session();
    let sent = bench.input(Input::Order(Order::RequestSnapshot(session)));
    assert_eq!(methods(&sent), ["UPDATE"]);
    assert!(codes(&bench).iter().all(|code| code != "no-update"));
    bench.heard(session, 0);
    bench.send(&respond(&sent[0], 481, "", ""));
    let lost = |e: &Event| matches!(e, Event::Alarm { alarm: crate::entry::Alarm::DialogLost, .. });
    assert!(bench.events().iter().any(lost) && bench.ended.is_empty());
}
