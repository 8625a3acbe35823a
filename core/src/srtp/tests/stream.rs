//! Long streams: loss, reordering, wraps, checkpoints, late joins, re-keying.

use alloc::vec::Vec;

use super::*;
use crate::srtp::{MAX_SOURCES, MAX_TRIALS, ReceiverState, SrtpError, WINDOW};

/// Packets `from..to` of a stream as a network delivers them: one in fifty lost, one in ten up to forty places late.
fn delivered(random: &mut Random, from: u64, to: u64) -> Vec<u64> {
    let mut order = Vec::new();
    for number in from..to {
        let drawn = random.next_u32();
        if !drawn.is_multiple_of(50) {
            let late = if (drawn / 50).is_multiple_of(10) { u64::from(drawn / 500 % 40) } else { 0 };
            order.push((number + late, number));
        }
    }
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

/// The stream's packets `numbers`, under the index that each has.
fn take(receiver: &mut Receiver, sent: &[Vec<u8>], from: u64, numbers: &[u64]) {
    for number in numbers {
        let mut packet = sent[(number - from) as usize].clone();
        let plain = receiver.unprotect(&mut packet).unwrap_or_else(|error| panic!("packet {number}: {error}"));
        assert_eq!(plain.index, *number);
        assert!(packet[..plain.length] == rtp(SSRC, *number), "packet {number} is another");
    }
}

#[test]
fn two_hundred_thousand_packets_over_three_wraps_come_out_whole_and_go_on_after_a_crash() {
    const FIRST: u64 = 30_000;
    const CRASH: u64 = FIRST + 200_000;
    const LAST: u64 = CRASH + 3_000;
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let sent: Vec<_> = (FIRST..LAST).map(|number| protected(&mut sender, rtp(SSRC, number))).collect();
    let mut random = Random::new(Seed([4; 32]));
    take(&mut receiver, &sent, FIRST, &delivered(&mut random, FIRST, CRASH));
    assert_eq!((receiver.rollover_counter(SSRC), sender.rollover_counter(SSRC)), (Some(3), Some(3)));

    let kept = serde_json::to_vec(&receiver.state()).unwrap();
    let state: ReceiverState = serde_json::from_slice(&kept).unwrap();
    let mut resumed = Receiver::resume(&[key_of(Suite::AesCm128HmacSha1_80, 1)], Encryption::default(), &state);
    assert_eq!(resumed.state(), state);
    take(&mut resumed, &sent, FIRST, &delivered(&mut random, CRASH, LAST));
    let mut old = sent[201_000].clone();
    assert_eq!(resumed.unprotect(&mut old), Err(SrtpError::TooOld));
}

#[test]
fn every_suite_carries_packets_and_reports() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for number in [65_534, 65_535, 65_536, 65_540] {
            let mut packet = protected(&mut sender, rtp(SSRC, number));
            assert_ne!(packet[12..172], rtp(SSRC, number)[12..172], "{suite}");
            let tag = if suite.is_aead() {
                16
            } else if suite.name().ends_with("32") {
                4
            } else {
                10
            };
            assert_eq!(packet.len(), 172 + tag, "{suite}");
            let plain = receiver.unprotect(&mut packet).unwrap();
            assert_eq!((&packet[..plain.length], plain.index), (rtp(SSRC, number).as_slice(), number));
            let mut packet = report(&mut sender);
            assert_eq!(packet.len(), rtcp(SSRC).len() + 4 + if suite.is_aead() { 16 } else { 10 }, "{suite}");
            let plain = receiver.unprotect_report(&mut packet).unwrap();
            assert_eq!(packet[..plain.length], rtcp(SSRC));
            assert!(plain.encrypted);
        }
    }
}

#[test]
fn late_packets_of_the_last_round_are_known_as_such() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let mut sent: Vec<_> = (65_500..65_560).map(|number| protected(&mut sender, rtp(SSRC, number))).collect();
    let late = sent.remove(35);
    assert_eq!(receiver.unprotect(&mut late.clone()).unwrap().index, 65_535);
    for packet in &sent {
        receiver.unprotect(&mut packet.clone()).unwrap();
    }
    assert_eq!(receiver.rollover_counter(SSRC), Some(1));
    for again in [&late, &sent[0], &sent[58]] {
        assert_eq!(receiver.unprotect(&mut again.clone()), Err(SrtpError::Replayed));
    }
}

#[test]
fn a_gap_of_almost_half_a_round_is_bridged() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    for number in [0, 1, 32_768, 65_535, 98_000, 130_000] {
        let mut packet = protected(&mut sender, rtp(SSRC, number));
        assert_eq!(receiver.unprotect(&mut packet).unwrap().index, number);
    }
}

#[test]
fn a_stream_that_began_long_ago_is_joined_by_trial() {
    for suite in [Suite::AesCm128HmacSha1_32, Suite::AeadAes256Gcm] {
        let (mut sender, mut receiver) = pair(suite);
        let numbers = (0..=u64::from(MAX_TRIALS) * 65_536).step_by(30_000);
        let sent: Vec<_> = numbers.map(|number| (number, protected(&mut sender, rtp(SSRC, number)))).collect();
        let (last, beyond) = sent.iter().partition::<Vec<_>, _>(|(number, _)| *number < u64::from(MAX_TRIALS) << 16);
        assert!(
            beyond.iter().all(|(_, packet)| receiver.unprotect(&mut packet.clone()) == Err(SrtpError::Unauthentic))
        );
        let (number, packet) = last[last.len() - 2];
        assert_eq!(receiver.unprotect(&mut packet.clone()).unwrap().index, *number);
        let (number, packet) = last[last.len() - 1];
        assert_eq!(receiver.unprotect(&mut packet.clone()).unwrap().index, *number, "and the next needs no trial");
    }
}

#[test]
fn trials_end_with_the_first_confirmed_source_and_begin_again_in_doubt() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let mut far = Vec::new();
    for number in (0..400_000).step_by(20_000) {
        far = protected(&mut sender, rtp(7, number));
    }
    for number in 0..2 {
        receiver.unprotect(&mut protected(&mut sender, rtp(SSRC, number))).unwrap();
    }
    assert_eq!(receiver.unprotect(&mut far.clone()), Err(SrtpError::Unauthentic), "a new source begins at 0");
    receiver.expect(7, 4);
    assert_eq!(receiver.unprotect(&mut far).unwrap().index >> 16, 5, "said by other means, if not quite");

    for number in (2..200_000).step_by(20_000) {
        far = protected(&mut sender, rtp(SSRC, number));
    }
    assert_eq!(
        receiver.unprotect(&mut far.clone()),
        Err(SrtpError::Unauthentic),
        "a confirmed source's counter stands"
    );
    receiver.doubt(SSRC);
    assert_eq!(receiver.unprotect(&mut far).unwrap().index, 180_002);
}

#[test]
fn a_receiver_back_after_hours_finds_the_counter_again() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let mut packet = Vec::new();
    for number in (0..1_000_000).step_by(25_000) {
        packet = protected(&mut sender, rtp(SSRC, number));
        if number < 100_000 {
            receiver.unprotect(&mut packet.clone()).unwrap();
        }
    }
    let keys = [key_of(Suite::AeadAes128Gcm, 1)];
    let mut resumed = Receiver::resume(&keys, Encryption::default(), &receiver.state());
    assert_eq!(resumed.unprotect(&mut packet).unwrap().index, 975_000);
}

#[test]
fn under_new_keys_a_source_may_go_on_or_begin_anew() {
    for onward in [true, false] {
        let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
        let new = key_of(Suite::AesCm256HmacSha1_80, 9);
        let mut renewed = Sender::new(&new, Encryption::default()).unwrap();
        for number in (0..=6_000_000).step_by(30_000) {
            receiver.unprotect(&mut protected(&mut sender, rtp(SSRC, number))).unwrap();
            if onward {
                protected(&mut renewed, rtp(SSRC, number));
            }
        }
        let mut other = receiver.rekeyed(&[new], Encryption::default());
        let mut packet = protected(&mut renewed, rtp(SSRC, 6_000_001));
        let wanted = if onward { 6_000_001 } else { 6_000_001 & 0xffff };
        assert_eq!(receiver.unprotect(&mut packet.clone()), Err(SrtpError::Unauthentic));
        assert_eq!(other.unprotect(&mut packet).unwrap().index, wanted);
        let mut late = protected(&mut sender, rtp(SSRC, 6_000_001));
        assert_eq!(receiver.unprotect(&mut late).unwrap().index, 6_000_001, "the old receiver takes what is late");
    }
}

#[test]
fn sources_are_bounded_and_only_the_unconfirmed_make_room() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let confirm = |receiver: &mut Receiver, ssrc: u32, packets: u64| {
        let sender = &mut Sender::new(&key_of(Suite::AesCm128HmacSha1_80, 1), Encryption::default()).unwrap();
        (0..packets).try_for_each(|n| receiver.unprotect(&mut protected(sender, rtp(ssrc, n))).map(|_| ()))
    };
    for ssrc in 0..MAX_SOURCES as u32 {
        confirm(&mut receiver, ssrc, if ssrc == 5 { 1 } else { 2 }).unwrap();
    }
    confirm(&mut receiver, 1_000, 2).unwrap();
    assert_eq!(receiver.rollover_counter(5), None);
    assert_eq!(receiver.sources.iter().count(), MAX_SOURCES);
    assert_eq!(confirm(&mut receiver, 1_001, 1), Err(SrtpError::TooManySources));
    receiver.forget(0);
    confirm(&mut receiver, 1_001, 1).unwrap();

    for ssrc in 0..MAX_SOURCES as u32 {
        protected(&mut sender, rtp(ssrc, 0));
    }
    assert_eq!(sender.protect(&mut rtp(SSRC, 0)), Err(SrtpError::TooManySources));
}

#[test]
fn the_window_reaches_back_as_far_as_it_says() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let sent: Vec<_> = (0..=WINDOW).map(|number| protected(&mut sender, rtp(SSRC, number))).collect();
    receiver.unprotect(&mut sent[WINDOW as usize].clone()).unwrap();
    assert_eq!(receiver.unprotect(&mut sent[1].clone()).unwrap().index, 1);
    receiver.unprotect(&mut sent[2].clone()).unwrap();
    assert_eq!(receiver.unprotect(&mut sent[0].clone()), Err(SrtpError::TooOld));
}

#[test]
fn a_copy_under_another_key_has_the_indices_of_the_original_in_whatever_order_it_came() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let other = key_of(suite, 2);
        let mut copier = Sender::new(&other, Encryption::default()).unwrap();
        let mut judge = Receiver::new(&[other], Encryption::default());
        let sent: Vec<_> = (65_530..65_540).map(|number| protected(&mut sender, rtp(SSRC, number))).collect();
        for place in [0, 2, 1, 3, 7, 6, 5, 4, 9, 8] {
            let mut packet = sent[place].clone();
            let plain = receiver.unprotect(&mut packet).unwrap();
            packet.truncate(plain.length);
            let original = packet.clone();
            copier.protect_at(&mut packet, plain.index).unwrap();
            let copied = judge.unprotect(&mut packet).unwrap();
            assert_eq!((copied.index, &packet[..copied.length]), (plain.index, &original[..]), "{suite}");
        }
        let mut told = report(&mut sender);
        let plain = receiver.unprotect_report(&mut told).unwrap();
        told.truncate(plain.length);
        copier.protect_report_at(&mut told, plain.index).unwrap();
        let copied = judge.unprotect_report(&mut told).unwrap();
        assert_eq!((copied.index, told.get(..copied.length)), (plain.index, Some(&rtcp(SSRC)[..])), "{suite}");
    }
}
