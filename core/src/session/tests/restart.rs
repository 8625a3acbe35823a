//! A server that was killed, and its successor.

use super::*;
use crate::sip::Method;

/// The successor of `bench`, with what its last checkpoint says.
pub(super) fn successor(bench: &Bench, gap: Duration, hold_ports: bool) -> Bench {
    let mut next = Bench::new();
    let last_entry = bench.now.wall;
    next.now = Now { monotonic: Monotonic(5), wall: last_entry.after(gap) };
    next.srs = Srs::new(policy(), Seed([33; 32]));
    next.hold_ports = hold_ports;
    next.srs.restore(next.now, bench.last_checkpoint(), 2, last_entry, false);
    next.drain();
    next
}

#[test]
fn a_call_goes_on_on_the_same_ports_in_the_same_recording() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let mut next = successor(&bench, Duration::from_millis(300), false);
    let wanted: Vec<_> = next.opened.iter().map(|(_, _, wanted)| *wanted).collect();
    assert_eq!(wanted, [Some((10_000, 10_001)), Some((10_002, 10_003))]);
    assert_eq!(next.begun.len(), 1);
    assert_eq!((next.begun[0].segment, next.begun[0].session), (2, bench.session()));
    assert!(
        matches!(next.events()[0], Event::Gap { from, to, rebooted: false } if to.nanos_since(from) == 300_000_000)
    );
    assert_eq!(next.settings.len(), 2);
    assert!(next.sent.is_empty(), "the SRC notices nothing");

    let (headers, body) = multipart(&sdp("inactive"), &metadata("s1"));
    let reinvite = call.request("INVITE", &headers, &body);
    assert_eq!(statuses(&next.send(&reinvite)), [200]);
    let bye = call.request("BYE", "", "");
    assert_eq!(statuses(&next.send(&bye)), [200]);
    let recordings = |b: &Bench| b.events().iter().filter(|e| matches!(e, Event::RecordingStarted { .. })).count();
    assert_eq!((recordings(&bench), recordings(&next)), (1, 0));
    assert_eq!(next.ended_recordings.len(), 1);
}

#[test]
fn an_invite_whose_200_was_lost_in_the_crash_gets_it_again() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body);
    let first = bench.send(&invite)[0].clone();
    let mut next = successor(&bench, Duration::from_millis(300), false);
    let again = next.send(&invite);
    assert_eq!(statuses(&again), [200]);
    assert_eq!(again[0].body, first.body);
    assert_eq!(again[0].to_tag(), first.to_tag());
    assert_eq!(next.srs.sessions(), 1);
}

#[test]
fn a_bye_that_was_answered_before_the_crash_is_answered_again() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let bye = call.request("BYE", "", "");
    bench.send(&bye);
    let mut next = successor(&bench, Duration::from_millis(300), false);
    assert_eq!(next.srs.sessions(), 0);
    assert_eq!(statuses(&next.send(&bye)), [200]);
    next.pass(Duration::from_secs(70));
    assert_eq!(statuses(&next.send(&bye)), [481], "forgotten in time");
}

#[test]
fn a_port_that_is_gone_is_replaced_and_the_src_is_told() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let mut next = successor(&bench, Duration::from_millis(300), true);
    let session = bench.session();
    next.input(Input::PortRefused { session, port: PortIndex(0), why: "taken".to_string() });
    assert_eq!(next.opened.last().unwrap(), &(session, PortIndex(0), None));
    let at = |port| SocketAddr::new("127.0.0.1".parse().unwrap(), port);
    next.input(Input::PortOpened { session, port: PortIndex(0), rtp: at(12_000), rtcp: at(12_001) });
    let sent = next.input(Input::PortOpened { session, port: PortIndex(1), rtp: at(10_002), rtcp: at(10_003) });
    let reinvite = sent.iter().find(|m| m.method() == Some(&Method::Invite)).expect("a re-INVITE");
    let offer = String::from_utf8_lossy(&reinvite.body).into_owned();
    assert!(offer.contains("m=audio 12000") && offer.contains("m=audio 10002"), "{offer}");
    let mut ok = Message::response(200, "OK", reinvite);
    ok.headers.push("Content-Type", "application/sdp");
    ok.body = sdp("sendonly").into_bytes();
    let answered = next.send(core::str::from_utf8(&ok.encode()).unwrap());
    assert!(answered.iter().any(|m| m.method() == Some(&Method::Ack)));
}

#[test]
fn streams_of_before_are_not_taken_for_new_ones() {
    let mut bench = Bench::new();
    let (headers, body) = multipart(&sdp("sendonly"), &metadata("s1"));
    let invite = Call::new("a").request("INVITE", &headers, &body).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let id = ConnectionId(7);
    let remote = "127.0.0.2:49152".parse().unwrap();
    bench.connect(id, remote, false);
    bench.input(Input::Bytes { connection: id, bytes: invite.as_bytes() });
    let session = bench.session();
    let mut next = successor(&bench, Duration::from_millis(300), false);
    next.srs.handle_input(next.now, Input::Order(Order::Stop(session)));
    let mut flows = Vec::new();
    while let Some(output) = next.srs.poll_output() {
        if let Output::Send { flow, .. } = output {
            flows.push((flow.connection, flow.remote));
        }
    }
    assert_eq!(flows, [(None, SRC.parse().unwrap())], "a new stream, to the Contact");
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused_by_name() {
    // A map of one field.
    let newer = b"\x81\xa7version\x63";
    assert_eq!(Checkpoint::read(newer), Err(CheckpointError::Newer(99)));
    assert!(matches!(Checkpoint::read(b"{"), Err(CheckpointError::Malformed(_))));
}

#[test]
fn what_befalls_the_machine_is_told_to_every_session() {
    let mut bench = Bench::new();
    for id in ["a", "b"] {
        Call::set_up(&mut bench, id);
    }
    bench.input(Input::DiskStalled { took_ms: 1_200 });
    bench.input(Input::ClockStep { by_ns: 5 });
    let told = |wanted: &Event| bench.events().iter().filter(|event| *event == wanted).count();
    assert_eq!((told(&Event::DiskStalled { took_ms: 1_200 }), told(&Event::ClockStep { by_ns: 5 })), (2, 2));
}
