//! What is shown of sessions that go on.

use super::*;

#[test]
fn a_session_is_shown_as_it_is_now() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    let shown = bench.srs.portrait(session).unwrap();
    assert_eq!((shown.session, shown.call_id.as_str(), shown.paused), (session, "a", false));
    assert_eq!(shown.src, SRC.parse().unwrap());
    assert!(shown.answered.is_some() && !shown.initiated);
    assert!(matches!(&shown.recordings[..], [(_, Some(of))] if of == "s1"), "{:?}", shown.recordings);
    let labels: Vec<_> = shown.streams.iter().map(|line| line.stream.label.as_deref()).collect();
    assert_eq!(labels, [Some("1"), Some("2")]);
    assert!(shown.streams.iter().all(|line| !line.is_protected && line.suite.is_none()));
    assert_eq!(shown.snapshot.participants.len(), 2);
    bench.input(Input::Order(Order::Pause { session, tell_src: false, at_most: None }));
    assert!(bench.srs.portrait(session).unwrap().paused);
    bench.input(Input::Order(Order::Resume(session)));
    assert!(!bench.srs.portrait(session).unwrap().paused);
    bench.input(Input::Order(Order::Stop(session)));
    assert_eq!(bench.srs.portrait(session), None);
}

#[test]
fn sessions_are_shown_page_by_page() {
    let mut bench = Bench::new();
    for id in ["a", "b", "c"] {
        Call::set_up(&mut bench, id);
    }
    let ids =
        |after, limit| -> Vec<_> { bench.srs.portraits(after, limit).iter().map(|shown| shown.session).collect() };
    let all = bench.srs.session_ids();
    assert_eq!(ids(None, 10), all);
    assert_eq!(ids(None, 2), all[..2]);
    assert_eq!(ids(Some(all[1]), 2), all[2..]);
    assert!(ids(Some(all[2]), 2).is_empty());
    assert_eq!(bench.srs.sessions_by_peer(), [(None, 3)].into());
    let called = bench.srs.session_called("b").unwrap();
    assert_eq!(bench.srs.portrait(called).unwrap().call_id, "b");
}

#[test]
fn a_pause_ends_by_itself_if_it_was_told_to() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    let paused = |bench: &Bench| bench.srs.portrait(session).unwrap().paused;
    let pause = |at_most: u64| Order::Pause { session, tell_src: false, at_most: Some(Duration::from_secs(at_most)) };
    bench.input(Input::Order(pause(10)));
    bench.pass(Duration::from_secs(9));
    assert!(paused(&bench));
    // Asked for again: it lasts longer.
    bench.input(Input::Order(pause(10)));
    bench.pass(Duration::from_secs(9));
    assert!(paused(&bench));
    let checkpoint = bench.last_checkpoint();
    bench.pass(Duration::from_secs(1));
    assert!(!paused(&bench));
    assert_eq!(bench.srs.portrait(session).unwrap().pause_ends, None);
    // Over a restart, too; and one that is ended by order does not come back.
    let mut other = Bench::new();
    (other.now.wall, other.now.monotonic) = (bench.now.wall, bench.now.monotonic);
    other.srs.restore(other.now, checkpoint, 2, bench.now.wall, false);
    other.drain();
    other.pass(Duration::from_secs(1));
    assert!(!paused(&other));
    other.input(Input::Order(Order::Pause { session, tell_src: false, at_most: None }));
    other.pass(Duration::from_secs(20));
    assert!(paused(&other));
}

#[test]
fn a_session_is_known_by_what_its_first_message_calls_the_call() {
    let mut bench = Bench::new();
    Call::set_up_with(&mut bench, "a", "Cisco-Guid: 1-2-3-4\r\n", &metadata("s1"));
    let shown = bench.srs.portrait(bench.session()).unwrap();
    assert!(shown.call.iter().any(|(field, _)| field == "cisco_guid"), "{:?}", shown.call);
}
