//! The arithmetic of RFC 3550 A.3 and A.8, against a second, plainer computation of it.

use super::*;

const MILLISECOND: i64 = 1_000_000;
const START: Wall = Wall(1_795_403_601_042_000_000);

fn packet(sequence: u16, timestamp: u32) -> Packet<'static> {
    let mut packet = Packet::parse(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2]).unwrap();
    packet.sequence = sequence;
    packet.timestamp = timestamp;
    packet
}

fn at(milliseconds: i64) -> Wall {
    Wall(START.0 + milliseconds * MILLISECOND)
}

#[test]
fn loss_is_counted_as_in_a_3() {
    let mut r = Reception::new(9);
    for i in (0..100_u16).filter(|i| i % 10 != 5) {
        r.receive(at(i64::from(i) * 20), &packet(65_500_u16.wrapping_add(i), u32::from(i) * 160), Some(8_000));
    }
    let s = r.statistics();
    assert_eq!((s.received, s.expected, s.lost, s.late, s.duplicates), (90, 100, 10, 0, 0));
    assert_eq!((s.first_sequence, s.last_sequence), (65_500, 63));
    let block = r.report_block(at(2_000)).unwrap();
    assert_eq!(block.fraction_lost, 25); // 256 * 10 / 100
    assert_eq!(block.cumulative_lost, 10);
    assert_eq!(block.highest_sequence, 65_536 + 63);
    // Nothing since: no block. Then 10 more without loss: fraction 0, cumulative stays.
    assert_eq!(r.report_block(at(2_500)), None);
    for i in 100..110_u16 {
        r.receive(at(i64::from(i) * 20), &packet(65_500_u16.wrapping_add(i), u32::from(i) * 160), Some(8_000));
    }
    let block = r.report_block(at(3_000)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 10));
}

#[test]
fn duplicates_make_the_reported_loss_negative_but_not_ours() {
    let mut r = Reception::new(9);
    for i in 0..10_u16 {
        r.receive(at(i64::from(i) * 20), &packet(i, u32::from(i) * 160), Some(8_000));
        r.receive(at(i64::from(i) * 20), &packet(i, u32::from(i) * 160), Some(8_000));
    }
    let s = r.statistics();
    assert_eq!((s.received, s.lost, s.duplicates, s.octets), (10, 0, 10, 20));
    let block = r.report_block(at(500)).unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -10));
}

#[test]
fn jitter_follows_a_8() {
    // RFC 3550 A.8 as it stands there, on the same arrivals.
    let delays = [0_i64, 5, 1, 30, 0, 0, 12, 3, 3, 40, 7, 0, 0, 1, 25];
    let (mut scaled, mut transit_before) = (0_i64, None);
    let mut r = Reception::new(9);
    for (i, delay) in (0..15_i64).zip(delays.iter().cycle()) {
        let arrival = at(i * 20 + delay);
        let timestamp = 0xffff_ff00_u32.wrapping_add(u32::try_from(i * 160).unwrap());
        r.receive(arrival, &packet(u16::try_from(i).unwrap(), timestamp), Some(8_000));
        let transit = i64::try_from(i128::from(arrival.0) * 8_000 / 1_000_000_000).unwrap() - i * 160;
        if let Some(before) = transit_before {
            let d: i64 = transit - before;
            scaled += d.abs() - ((scaled + 8) >> 4);
        }
        transit_before = Some(transit);
    }
    assert_eq!(i64::from(r.report_block(at(400)).unwrap().jitter), scaled >> 4);
    assert_eq!(i64::from(r.statistics().jitter_us), scaled * 1_000_000 / 16 / 8_000);
}

#[test]
fn even_arrivals_have_no_jitter_even_over_a_timestamp_jump_and_events() {
    let mut r = Reception::new(9);
    for i in 0..50_u16 {
        // The sender's timestamps jump once; five packets share one timestamp (RFC 4733).
        let jump = if i < 20 { 0 } else { 0x4000_0000 };
        let moment = if (30..35).contains(&i) { 30 } else { i };
        r.receive(at(i64::from(i) * 20), &packet(i, jump + u32::from(moment) * 160), Some(8_000));
    }
    assert_eq!((r.statistics().jitter_us, r.statistics().max_jitter_us), (0, 0));
}

#[test]
fn a_restart_by_a_jump_of_sequence_is_no_loss_and_counts_both_packets() {
    let mut r = Reception::new(9);
    for (i, sequence) in (0..).zip([10, 11, 30_000, 30_001, 30_002]) {
        r.receive(at(i * 20), &packet(sequence, 0), None);
    }
    let s = r.statistics();
    assert_eq!((s.received, s.expected, s.lost, s.restarts, s.strays, s.octets), (5, 5, 0, 1, 0, 10));
    r.receive(at(200), &packet(5, 0), None);
    assert_eq!(r.statistics().strays, 1);
}

#[test]
fn what_a_pause_skipped_is_not_lost() {
    let mut r = Reception::new(9);
    r.receive(at(0), &packet(1, 0), Some(8_000));
    r.restart();
    r.receive(at(10_000), &packet(500, 80_000), Some(8_000));
    let s = r.statistics();
    assert_eq!((s.expected, s.lost), (2, 0));
}

#[test]
fn lsr_and_dlsr_come_from_the_last_sender_report() {
    let mut r = Reception::new(9);
    r.receive(at(0), &packet(1, 0), Some(8_000));
    r.sender_report(at(100), 0x1111_2222_3333_4444, 0);
    let block = r.report_block(at(2_600)).unwrap();
    assert_eq!(block.last_sr, 0x2222_3333);
    assert_eq!(block.delay_since_last_sr, 65_536 * 5 / 2);
}

#[test]
fn a_goodbye_is_forgotten_when_the_source_speaks_again() {
    let mut r = Reception::new(9);
    r.receive(at(0), &packet(1, 0), None);
    r.goodbye(at(10));
    assert_eq!(r.statistics().bye_at, Some(at(10)));
    r.receive(at(20), &packet(2, 160), None);
    assert_eq!(r.statistics().bye_at, None);
}
