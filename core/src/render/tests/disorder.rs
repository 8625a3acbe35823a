//! The timeline of senders and networks at their worst: silence that is not sent, timestamps that jump, sources that begin
//! anew, packets out of order and minutes late, reports of clocks that are years off. Each within 5 ms.

use alloc::vec::Vec;

use super::call::{Call, Item, Leg, MS, Rendered, SECOND, ZERO, clicks, format, stream};
use crate::entry::{Event, Stream};

/// As promised.
const TOLERANCE: i64 = 5 * MS;
const SECONDS: i64 = 120;

type Sent = Vec<(i64, Item)>;

/// A leg on a bad network and with a bad clock.
fn leg(port: u16) -> Leg {
    Leg { skew: if port == 0 { 200 } else { -150 }, jitter: 30 * MS, ..Leg::new(port) }
}

/// Two legs, each after `change`, in a call.
fn render(change: impl Fn(&Leg, Sent) -> Sent) -> Rendered {
    let mut call = Call::new();
    for port in 0..2 {
        let leg = leg(port);
        call.add(change(&leg, leg.packets(0, SECONDS * 50)));
    }
    call.render(SECONDS * SECOND + 5 * SECOND)
}

/// Asserts that both channels have each click that begins in a packet of which `sent` says that it was sent.
fn assert_in_time(done: &Rendered, sent: impl Fn(i64) -> bool) {
    for port in 0..2 {
        let (leg, onsets) = (leg(port), done.onsets(usize::from(port)));
        // The first sample of a click, and all of it.
        let wanted: Vec<i64> =
            clicks(SECONDS).into_iter().filter(|click| sent(click / 160) && sent((click + 80) / 160)).collect();
        assert!(wanted.len() > 50, "{}", wanted.len());
        for click in wanted {
            let at = leg.heard_at(click);
            let off = onsets.iter().map(|onset| (onset - at).abs()).min().unwrap_or(i64::MAX);
            assert!(off <= TOLERANCE, "leg {port}: the click at {} ms is {off} ns off", (at - ZERO) / MS);
        }
        assert!(onsets.len() <= clicks(SECONDS).len(), "clicks where none belongs: {}", onsets.len());
    }
}

fn put(item: &mut Item, from: usize, octets: &[u8]) {
    item.edit(|bytes| bytes[from..from + octets.len()].copy_from_slice(octets));
}

#[test]
fn silence_that_is_not_sent_is_as_long_as_it_was() {
    // Talk of 3 s, silence of 2.
    let talks = |k: i64| k % 250 < 150;
    let done = render(|leg, sent| {
        let mut talk: Sent = (0..).zip(sent).filter(|&(k, _)| talks(k)).map(|(_, packet)| packet).collect();
        for (number, (_, item)) in (leg.sequence..=u16::MAX).chain(0..).zip(&mut talk) {
            put(item, 2, &number.to_be_bytes());
        }
        talk
    });
    assert_in_time(&done, talks);
    assert_eq!(done.plan.sidecar.proof.packets_lost, 0);
}

#[test]
fn timestamps_that_jump_move_nothing() {
    let done = render(|leg, mut sent| {
        for (k, (_, item)) in (0_u32..).zip(&mut sent) {
            let jump = [0, 5_000_000, 4_000_000_000, 777][(k / 1_500) as usize];
            put(item, 4, &leg.timestamp.wrapping_add(k * 160).wrapping_add(jump).to_be_bytes());
        }
        sent
    });
    assert_in_time(&done, |_| true);
}

#[test]
fn sources_that_begin_anew_go_on_in_time() {
    let done = render(|leg, mut sent| {
        for (k, (_, item)) in (0_u32..).zip(&mut sent) {
            let life = k / 1_200;
            put(item, 2, &u16::try_from((k + life * 9_999) % 65_536).unwrap().to_be_bytes());
            put(item, 4, &(k * 160).wrapping_add(life.wrapping_mul(1_234_567_890)).to_be_bytes());
            put(item, 8, &(leg.ssrc + life * 0x1_0000).to_be_bytes());
        }
        sent
    });
    assert_in_time(&done, |_| true);
    assert_eq!(done.plan.sidecar.streams[0].sources.len(), 5);
}

#[test]
fn a_clock_of_48_khz_is_as_exact() {
    let mut call = Call::new();
    for port in 0..2 {
        call.event(-MS, Event::Stream(Stream { formats: [format(97, "L16", 48_000)].into(), ..stream(port) }));
        let mut sent = Leg { payload_type: 97, ..leg(port) }.packets(0, SECONDS * 50);
        for (k, (_, item)) in (0_u32..).zip(&mut sent) {
            item.edit(|bytes| {
                let loud = |&code: &u8| if code == 0xaf { 0x60 } else { 0 };
                let samples: Vec<u8> = bytes[12..].iter().flat_map(|code| [loud(code), 0].repeat(6)).collect();
                bytes.truncate(12);
                bytes.extend(samples);
                bytes[4..8].copy_from_slice(&(u32::MAX - 100_000).wrapping_add(k * 960).to_be_bytes());
            });
        }
        call.add(sent);
    }
    let done = call.render(SECONDS * SECOND + 5 * SECOND);
    assert_eq!(done.plan.files[0].sample_rate, 48_000);
    assert_in_time(&done, |_| true);
}

#[test]
fn packets_out_of_order_are_put_in_order() {
    let done = render(|_, mut sent| {
        for (k, (at, _)) in sent.iter_mut().enumerate() {
            *at += if k % 20 == 3 { 150 * MS } else { 0 } + if k % 333 == 100 { 1_500 * MS } else { 0 };
        }
        sent
    });
    assert_in_time(&done, |_| true);
    assert_eq!(done.plan.sidecar.proof.packets_lost, 0);
}

#[test]
fn packets_that_come_half_a_minute_late_are_heard_where_they_belong() {
    let late = |k: i64| k % 500 == 250 && k < 4_500;
    let delayed = |sent: Sent| -> Sent {
        let by = |k: i64| if late(k) { 30 * SECOND } else { 0 };
        (0..).zip(sent).map(|(k, (at, item))| (at + by(k), item)).collect()
    };
    // Each click is in a packet that comes late.
    let done = render(|_, sent| {
        let mut sent = delayed(sent);
        for (k, (_, item)) in (0..).zip(&mut sent).filter(|(k, _)| late(*k)) {
            item.edit(|bytes| bytes[12 + 40..12 + 120].fill(0xaf));
            let _: i64 = k;
        }
        sent
    });
    for port in 0..2 {
        let (leg, onsets) = (leg(port), done.onsets(usize::from(port)));
        for k in (0..4_500).filter(|&k| late(k)) {
            let at = leg.heard_at(k * 160 + 40);
            let near = onsets.iter().map(|onset| (onset - at).abs()).min().unwrap();
            let own = clicks(SECONDS).iter().any(|click| (click - (k * 160 + 40)).abs() < 2_000);
            assert!(near <= TOLERANCE || own, "leg {port}: packet {k} is {near} ns off");
        }
    }
    assert_eq!(done.plan.sidecar.proof.packets_lost, 0);
}

#[test]
fn a_network_that_holds_everything_back_for_minutes_moves_nothing() {
    // From 30 s on nothing came through for a minute; then all came at once.
    let (from, to) = (ZERO + 30 * SECOND, ZERO + 90 * SECOND);
    let done = render(|_, mut sent| {
        for (count, (at, _)) in (0..).zip(sent.iter_mut().filter(|(at, _)| *at >= from)) {
            *at = (to + count * MS / 10).max(*at);
        }
        sent
    });
    assert_in_time(&done, |_| true);
    assert_eq!(done.plan.sidecar.proof.packets_lost, 0);
}

/// A sender report of `unix_s`, by a clock of its own.
fn report(leg: &Leg, unix_s: u32, rtp: u32) -> Vec<u8> {
    let mut bytes = Vec::from([0x80, 200, 0, 6]);
    for word in [leg.ssrc, unix_s.wrapping_add(2_208_988_800), 0, rtp, 9, 9] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

#[test]
fn reports_of_a_clock_that_is_years_off_move_nothing_and_are_told() {
    let plain = render(|_, sent| sent);
    let reported = render(|leg, mut sent| {
        for k in 0_u32..20 {
            let bytes = report(leg, 1_000_000_000 + k * 7, k * 999_999);
            sent.push((ZERO + i64::from(k) * 5 * SECOND, Item::Report { port: leg.port, bytes }));
        }
        sent
    });
    assert_eq!(plain.files, reported.files);
    let source = &reported.plan.sidecar.streams[0].sources[0];
    let sheet = source.reported.unwrap();
    assert_eq!((sheet.sender_reports, sheet.packets_sent), (20, Some(9)));
    assert_eq!(sheet.clock_behind_ms.unwrap() / 1_000, 790_000_000 - 19 * 2);
    assert_eq!(plain.plan.sidecar.streams[0].sources[0].reported, None);
    let skews: Vec<i64> =
        plain.plan.sidecar.streams.iter().map(|stream| stream.sources[0].clock_skew_ppm.unwrap()).collect();
    assert!(skews[0].abs_diff(200) <= 5 && skews[1].abs_diff(-150) <= 5, "{skews:?}");
}

#[test]
fn swapped_legs_are_told_by_whoever_gives_them_away() {
    let findings = |call: Call| call.render(20 * SECOND).findings();
    let straight = || {
        let mut call = Call::new();
        (0..2).for_each(|port| call.add(Leg::new(port).packets(0, 900)));
        call
    };
    assert!(!findings(straight()).contains("swapped"));
    // By their addresses.
    let crossed = findings(Call { crossed: true, ..straight() });
    assert!(crossed.contains("label 1 is sent from the address that the SDP gives for label 2"), "{crossed}");
    // By their sources, from the tenth second on.
    let mut call = Call::new();
    for port in 0..2 {
        call.add(Leg::new(port).packets(0, 500));
        call.add(Leg { ssrc: Leg::new(1 - port).ssrc, ..Leg::new(port) }.packets(500, 900));
    }
    let moved = findings(call);
    assert!(moved.contains("swapped legs: from 10040 ms on, what was heard on label 1"), "{moved}");
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 500));
    call.add(Leg { ssrc: Leg::new(0).ssrc, ..Leg::new(1) }.packets(500, 900));
    let gone = findings(call);
    assert!(gone.contains("went from label 1 to label 2 at 10040 ms"), "{gone}");
}
