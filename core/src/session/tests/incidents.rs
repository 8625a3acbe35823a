//! Packets that arrived and were dropped here are told at once, and written down; strangers on a port are told, too.

use super::*;
use crate::entry::Alarm;

#[test]
fn what_the_kernel_drops_is_written_down_and_an_alarm() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    let told = |bench: &mut Bench, dropped: u64| {
        let statistics = PortStatistics { dropped_by_kernel: dropped, ..bench.statistics(0) };
        bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
        bench.pass(Duration::from_secs(1));
    };
    told(&mut bench, 0);
    told(&mut bench, 40);
    told(&mut bench, 60);
    (0..10).for_each(|_| told(&mut bench, 60));
    let mut dropped = Vec::new();
    let mut alarms = Vec::new();
    for event in bench.events() {
        if let Event::Dropped { port, packets, .. } = event {
            dropped.push((port, packets));
        } else if let Event::Alarm { alarm: Alarm::Dropped, port, raised } = event {
            alarms.push((port, raised));
        }
    }
    assert_eq!(dropped, [(Some(PortIndex(0)), 40), (Some(PortIndex(0)), 20)]);
    assert_eq!(alarms, [(Some(PortIndex(0)), true), (Some(PortIndex(0)), false)]);
}

#[test]
fn what_is_wrong_is_known_after_a_restart_and_over_with_its_stream() {
    let mut bench = Bench::new();
    let mut call = Call::set_up(&mut bench, "a");
    let session = bench.session();
    bench.pass(Duration::from_secs(60));
    let raised: Vec<_> = bench.srs.raised().collect();
    let of: Vec<_> = raised.iter().map(|(of, alarm, port, _)| (*of, *alarm, port.map(|port| port.0))).collect();
    assert_eq!(of, [(session, Alarm::NoRtp, Some(0)), (session, Alarm::NoRtp, Some(1))]);
    bench.input(Input::Order(Order::Checkpoint));
    let mut next = super::restart::successor(&bench, Duration::from_secs(1), false);
    assert_eq!(next.srs.raised().collect::<Vec<_>>(), raised);
    next.pass(Duration::from_secs(1));
    next.heard(session, 0);
    assert_eq!(next.srs.raised().collect::<Vec<_>>(), raised[1..]);
    let (headers, body) = multipart(&sdp("sendonly").replace("m=audio 30002", "m=audio 0"), &metadata("s1"));
    assert_eq!(statuses(&next.send(&call.request("INVITE", &headers, &body))), [200]);
    next.pass(Duration::from_secs(60));
    let of: Vec<_> = next.srs.raised().map(|(_, _, port, _)| port).collect();
    assert!(!of.contains(&Some(PortIndex(1))), "{of:?}");
}

#[test]
fn what_the_disk_did_not_take_is_an_alarm_of_the_session() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    bench.input(Input::DroppedByDisk { session, packets: 5 });
    bench.pass(Duration::from_secs(11));
    bench.heard(session, 0);
    let told = |event| {
        if let Event::Alarm { alarm: Alarm::Dropped, port, raised } = event { Some((port, raised)) } else { None }
    };
    let alarms = bench.events().into_iter().filter_map(told);
    assert_eq!(alarms.collect::<Vec<_>>(), [(None, true), (None, false)]);
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Dropped { .. })), "the writer writes it down");
}

#[test]
fn a_stranger_on_a_port_is_an_alarm_of_its_stream_and_outlives_a_restart() {
    let mut bench = Bench::new();
    Call::set_up(&mut bench, "a");
    let session = bench.session();
    let told = |bench: &mut Bench, strangers: u64| {
        let statistics = PortStatistics { strangers, ..bench.statistics(1) };
        bench.input(Input::Media(&MediaReport { session, event: None, statistics }));
        bench.pass(Duration::from_secs(1));
    };
    let of_strangers = |bench: &Bench| {
        let told = |event| {
            if let Event::Alarm { alarm: Alarm::Stranger, port, raised } = event { Some((port, raised)) } else { None }
        };
        bench.events().into_iter().filter_map(told).collect::<Vec<_>>()
    };
    told(&mut bench, 0);
    assert!(of_strangers(&bench).is_empty());
    told(&mut bench, 3);
    told(&mut bench, 50);
    assert_eq!(of_strangers(&bench), [(Some(PortIndex(1)), true)]);
    let mut next = restart::successor(&bench, Duration::from_millis(300), false);
    (0..11).for_each(|_| told(&mut next, 0));
    assert_eq!(of_strangers(&next), [(Some(PortIndex(1)), false)]);
}
