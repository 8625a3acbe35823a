//! Packets that arrived and were dropped here are told at once, and written down.

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
