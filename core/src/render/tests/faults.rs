//! What the network and the machine do: loss, reordering, copies, jitter, stalls, crashes, nothing at all.

use super::call::{Call, Item, LEAD, Leg, MS, SECOND, ZERO, clicks, format, stream};
use crate::entry::{EndCause, Event, PortIndex, SrtpRefusals, Stream};
use crate::render::sheet::{ClockStep, DiskStall};
use crate::render::{GapCause, SilenceCause, State};
use crate::seed::{Random, Seed};
use crate::time::Wall;
use alloc::vec::Vec;

fn all(_: i64) -> bool {
    true
}

#[test]
fn lost_packets_move_no_other() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    let mut random = Random::new(Seed([9; 32]));
    let mut lost = alloc::vec![];
    for (k, packet) in (0_i64..).zip(leg.packets(0, 1_000)) {
        if k > 0 && k < 999 && random.next_u64().is_multiple_of(50) || (300..310).contains(&k) {
            lost.push(k);
        } else {
            call.add(alloc::vec![packet]);
        }
    }
    call.add(Leg::new(1).packets(0, 1_000));
    let done = call.render(20 * SECOND + 60 * MS);
    let packet_of = |sample: i64| sample / 160;
    let whole = |click: i64| !lost.contains(&packet_of(click)) && !lost.contains(&packet_of(click + 79));
    let torn = |click: i64| lost.contains(&packet_of(click)) != lost.contains(&packet_of(click + 79));
    assert!(!clicks(20).into_iter().any(torn), "the seed tears no click");
    done.assert_clicks(0, &leg, 20, 70_000, whole);
    let proof = &done.plan.sidecar.proof;
    assert_eq!((proof.packets_lost, proof.packets_expected), (lost.len() as u64, 2_000));
    let gap = &proof.gaps[0];
    assert!(gap.cause == GapCause::Loss && gap.from_ms <= 6_040 && gap.to_ms >= 6_240 && gap.packets >= Some(10));
    assert_eq!(proof.gaps.len(), 1);
}

#[test]
fn reordering_copies_and_jitter_change_nothing() {
    let mut call = Call::new();
    let legs = [Leg { jitter: 30 * MS, ..Leg::new(0) }, Leg { jitter: 30 * MS, ..Leg::new(1) }];
    for leg in &legs {
        for (k, (at, item)) in (0_i64..).zip(leg.packets(0, 1_500)) {
            if k % 7 == 0 {
                call.add(alloc::vec![(at + 3 * MS, item.clone())]);
            }
            let late = if k % 50 == 3 { 900 * MS } else { 0 };
            call.add(alloc::vec![(at + late, item)]);
        }
    }
    let done = call.render(31 * SECOND);
    for (channel, leg) in legs.iter().enumerate() {
        done.assert_clicks(channel, leg, 30, 4 * MS, all);
    }
    let source = &done.plan.sidecar.streams[0].sources[0];
    assert_eq!((source.packets, source.lost, source.duplicates), (1_500, 0, 215));
    assert!(source.late >= 30);
    assert!(done.plan.sidecar.proof.gaps.is_empty());
}

#[test]
fn a_stalled_network_is_no_new_clock() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    for (at, item) in leg.packets(0, 1_000) {
        let since = at - ZERO;
        // 400 ms without a packet, then all at once.
        let held = (8 * SECOND..8 * SECOND + 400 * MS).contains(&since);
        call.add(alloc::vec![(if held { ZERO + 8 * SECOND + 400 * MS } else { at }, item)]);
    }
    call.add(Leg::new(1).packets(0, 1_000));
    let done = call.render(20 * SECOND + 60 * MS);
    done.assert_clicks(0, &leg, 20, 70_000, all);
    assert_eq!(done.plan.sidecar.proof.packets_lost, 0);
}

#[test]
fn a_crash_is_a_gap_and_moves_nothing() {
    for skew in [0, 120] {
        let mut call = Call::new();
        let legs = [Leg { skew, ..Leg::new(0) }, Leg::new(1)];
        let (from, to) = (8 * SECOND + 111 * MS, 75 * SECOND + 77 * MS);
        for leg in &legs {
            let kept = leg.packets(0, 6_000).into_iter().filter(|(at, _)| at - ZERO < from || at - ZERO > to);
            call.add(kept.collect());
        }
        call.event(to, Event::Gap { from: Wall(ZERO + from), to: Wall(ZERO + to), rebooted: false });
        let done = call.render(120 * SECOND + 60 * MS);
        for (channel, leg) in legs.iter().enumerate() {
            done.assert_clicks(channel, leg, 120, MS, |click| {
                let heard = leg.heard_at(click) - ZERO;
                heard < from - 20 * MS || heard > to + 40 * MS
            });
        }
        let proof = &done.plan.sidecar.proof;
        assert_eq!(proof.gaps.len(), 1);
        assert_eq!((proof.gaps[0].cause, proof.gaps[0].from_ms, proof.gaps[0].to_ms), (GapCause::Crash, 8_111, 75_077));
        assert!(proof.silences.is_empty() && proof.packets_lost > 6_000);
    }
}

#[test]
fn what_the_disk_refused_is_a_stall() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    call.add(
        leg.packets(0, 500).into_iter().filter(|(at, _)| !(5 * SECOND..6 * SECOND).contains(&(at - ZERO))).collect(),
    );
    call.event(6 * SECOND, Event::Dropped { port: None, packets: 50, cause: "the disk stalled".into() });
    let done = call.render(10 * SECOND + 60 * MS);
    let proof = &done.plan.sidecar.proof;
    assert_eq!((proof.gaps[0].cause, proof.gaps[0].packets, proof.dropped), (GapCause::Stall, Some(50), 50));
    assert!(done.findings().contains("50 packets arrived and could not be kept: the disk stalled"));
}

#[test]
fn what_the_kernel_dropped_is_an_overflow_of_that_stream_alone() {
    let mut call = Call::new();
    for leg in 0..2 {
        let packets = Leg::new(leg).packets(0, 500).into_iter();
        call.add(packets.filter(|(at, _)| !(5 * SECOND..6 * SECOND).contains(&(at - ZERO))).collect());
    }
    let cause = "the kernel's buffer of the stream was full";
    call.event(6 * SECOND, Event::Dropped { port: Some(PortIndex(1)), packets: 50, cause: cause.into() });
    let proof = call.render(10 * SECOND + 60 * MS).plan.sidecar.proof;
    let causes: alloc::vec::Vec<_> = proof.gaps.iter().map(|gap| (gap.label.as_deref().unwrap(), gap.cause)).collect();
    assert_eq!(causes, [("2", GapCause::Overflow), ("1", GapCause::Loss)]);
    assert_eq!(proof.dropped, 50);
}

#[test]
fn silence_has_its_reason_in_words() {
    let mut call = Call::new();
    call.event(-MS, Event::Stream(Stream { formats: [format(96, "AMR", 8_000)].into(), ..stream(1) }));
    call.add(Leg { payload_type: 96, ..Leg::new(1) }.packets(0, 200));
    let done = call.render(4 * SECOND + 60 * MS);
    let sheet = &done.plan.sidecar;
    assert_eq!(
        sheet.streams[0].why_not.as_deref(),
        Some("no packet ever arrived on 10000 (label 1): check the firewall between 192.0.2.9 and here")
    );
    assert_eq!(sheet.streams[1].why_not.as_deref(), Some("captured, not rendered: no decoder for AMR/8000"));
    assert_eq!((sheet.streams[1].rendered, sheet.proof.packets_received), (false, 200));
    assert_eq!(sheet.proof.findings.len(), 2);
    assert_eq!(sheet.proof.silences[0].cause, SilenceCause::NeverStarted);
    assert_eq!((done.milliseconds(), sheet.files.len()), (4_060, 1));
    assert!(done.files[0].iter().all(|&sample| sample == 0));
}

#[test]
fn an_src_that_is_gone_leaves_no_long_tail() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 250));
    call.event(60 * SECOND, Event::Ended { cause: EndCause::SrcGone });
    let done = call.through();
    assert_eq!((done.milliseconds(), done.plan.sidecar.state), (5_040, State::Interrupted));
    assert_eq!(done.plan.sidecar.ended_by, Some(EndCause::SrcGone));
}

#[test]
fn a_session_without_an_answer_has_an_empty_file() {
    let mut call = Call::new();
    call.items.retain(|(_, item)| !matches!(item, Item::Event(Event::Answered)));
    call.event(0, Event::Ended { cause: EndCause::Cancel });
    let done = call.through();
    assert_eq!(done.milliseconds(), 1);
    assert!(done.findings().contains("never answered"));
}

#[test]
fn garbage_on_the_ports_costs_only_itself() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    call.add(leg.packets(0, 500));
    let mut random = Random::new(Seed([5; 32]));
    for n in 0..3_000 {
        let mut bytes: alloc::vec::Vec<u8> =
            (0..random.next_u64() % 60).map(|_| random.next_u64().to_be_bytes()[0]).collect();
        if n % 2 == 0 && bytes.len() > 12 {
            // RTP of the call's own source, with impossible numbers.
            bytes[0] = 0x80;
            bytes[1] = 8;
            bytes[8..12].copy_from_slice(&0xdead_0000_u32.wrapping_add(n % 90).to_be_bytes());
        }
        call.items.push((ZERO + LEAD + i64::from(n) * 3 * MS, Item::Packet { port: 1, bytes }));
    }
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &leg, 10, 70_000, all);
    assert_eq!(clicks(10).len(), done.onsets(0).len());
    assert!(done.findings().contains("not RTP"));
}

#[test]
fn the_same_entries_give_the_same_bytes() {
    let make = || {
        let mut call = Call::new();
        call.add(Leg { jitter: 20 * MS, skew: 80, ..Leg::new(0) }.packets(0, 500));
        call.add(Leg { jitter: 9 * MS, ..Leg::new(1) }.packets(0, 500));
        call.render(10 * SECOND + 60 * MS)
    };
    let (a, b) = (make(), make());
    assert_eq!(a.files, b.files);
    assert_eq!(serde_json::to_string(&a.plan.sidecar).unwrap(), serde_json::to_string(&b.plan.sidecar).unwrap());
}

#[test]
fn what_befell_the_machine_stands_in_the_sheet() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 500));
    call.event(2 * SECOND, Event::DiskStalled { took_ms: 1_700 });
    call.event(3 * SECOND, Event::ClockStep { by_ns: -SECOND });
    call.event(4 * SECOND, Event::Dropped { port: None, packets: 7, cause: "the disk did not keep up".into() });
    let proof = call.render(10 * SECOND).plan.sidecar.proof;
    assert_eq!(proof.disk_stalls, [DiskStall { until_ms: 2_000, took_ms: 1_700 }]);
    assert_eq!(proof.clock_steps, [ClockStep { at_ms: 3_000, by_ns: -SECOND }]);
    assert_eq!(proof.dropped, 7);
}

/// The packets as they came, under a key that nobody told.
fn sealed(packets: Vec<(i64, Item)>) -> Vec<(i64, Item)> {
    let seal = |(at, item)| match item {
        Item::Packet { port, bytes } => (at, Item::Sealed { port, bytes }),
        other @ (Item::Sealed { .. } | Item::Authentic { .. } | Item::Report { .. } | Item::Event(_)) => (at, other),
    };
    packets.into_iter().map(seal).collect()
}

#[test]
fn what_srtp_refused_is_said_in_words_and_is_no_silence_of_the_network() {
    let refused = |refusals: SrtpRefusals| Event::SrtpRefused { port: PortIndex(1), refusals };
    let told = |refusals: Option<SrtpRefusals>| {
        let mut call = Call::new();
        call.add(Leg::new(0).packets(0, 500));
        call.add(sealed(Leg::new(1).packets(0, 500)));
        for event in refusals.into_iter().map(refused) {
            call.event(SECOND, event.clone());
            call.event(2 * SECOND, event);
        }
        let done = call.render(11 * SECOND);
        let gaps: Vec<_> = done.plan.sidecar.proof.gaps.iter().map(|gap| (gap.cause, gap.packets)).collect();
        assert_eq!(gaps, [(GapCause::Sealed, Some(500))]);
        let why = done.plan.sidecar.streams[1].why_not.clone().unwrap();
        assert!(done.findings().contains(&why), "{}", done.findings());
        why
    };
    let none = SrtpRefusals::default();
    let agreed = "under none of the keys that were agreed on";
    assert_eq!(told(None), alloc::format!("500 SRTP packets on label 2: {agreed}"));
    let wrong = told(Some(SrtpRefusals { wrong_key: 250, ..none }));
    assert!(wrong.starts_with(&alloc::format!("500 SRTP packets on label 2: {agreed}: the SRC's media")), "{wrong}");
    assert!(told(Some(SrtpRefusals { without_key: 1, ..none })).contains("no key of the SRC's was known"));
    let both = told(Some(SrtpRefusals { expired: 3, forged: 2, ..none }));
    assert!(
        both.starts_with("6 SRTP packets on label 2: the key's lifetime is over: the SRC must re-key; 4 "),
        "{both}"
    );
    assert!(both.contains("forged"), "{both}");
}

#[test]
fn a_hole_of_sealed_packets_is_not_the_networks() {
    let mut call = Call::new();
    let mut sent = Leg::new(0).packets(0, 500);
    let late = sealed(sent.splice(200..300, []).collect());
    call.add(sent);
    call.add(late);
    let done = call.render(10 * SECOND);
    let gaps: Vec<_> = done.plan.sidecar.proof.gaps.iter().map(|gap| (gap.cause, gap.packets)).collect();
    assert_eq!(gaps, [(GapCause::Sealed, Some(100))]);
}
