//! A port whose packets are SRTP.

use alloc::sync::Arc;

use super::*;
use crate::entry::Protected;
use crate::media::protection::{MAX_SEALED_OCTETS, MAX_SEALED_PACKETS, MAX_STRANGER_TRIALS_PER_SECOND};
use crate::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use crate::srtp::{Receiver, Sender as Srtp, SenderState};

const SRC: &str = "198.51.100.7:4000";
const STRANGER: &str = "203.0.113.66:9";
const SSRC: u32 = 0xabcd;

fn key(n: u8) -> InlineKey {
    MasterKey::new(Suite::AesCm128HmacSha1_80, &[n; 30]).unwrap().into()
}

fn protection(theirs: &[u8], ours: u8) -> Option<Arc<Protection>> {
    let theirs = theirs.iter().map(|n| key(*n)).collect();
    let sender = SenderState { reserved: 256 };
    Some(Arc::new(Protection::new(theirs, Some(key(ours)), Encryption::default(), sender)))
}

fn secure(theirs: &[u8]) -> PortSettings {
    let mut settings = PortSettings { srtp: protection(theirs, 99), ..settings() };
    settings.stream.remote = Some(address(SRC));
    settings
}

fn sender(n: u8) -> Srtp {
    Srtp::new(&key(n), Encryption::default()).unwrap()
}

fn protected(sender: &mut Srtp, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(SSRC, sequence);
    sender.protect(&mut packet).unwrap();
    packet
}

/// What is kept of a packet, and what SRTP said of it.
fn kept(port: &mut Port, at: i64, from: &str, packet: &[u8]) -> Option<(Vec<u8>, Option<Protected>)> {
    let verdict = port.handle_rtp(Wall(at), address(from), packet);
    match port.kept(verdict, false, address(from), packet)? {
        Kind::Rtp { packet, protected, .. } => Some((packet.to_vec(), protected)),
        other @ (Kind::Sip { .. } | Kind::Rtcp { .. } | Kind::Event(_) | Kind::Checkpoint(_)) => panic!("{other:?}"),
    }
}

/// What is kept of packets that waited for a key.
fn unsealed(port: &mut Port) -> Vec<(i64, Vec<u8>)> {
    let (mut packet, mut found) = (Vec::new(), Vec::new());
    while let Some((at, from)) = port.poll_sealed(&mut packet) {
        let verdict = port.handle_rtp(at, from, &packet);
        if let Some(Kind::Rtp { packet, .. }) = port.kept(verdict, false, from, &packet) {
            found.push((at.0, packet.to_vec()));
        }
    }
    found
}

fn srtp_of(port: &Port) -> SrtpStatistics {
    *port.statistics().srtp.unwrap()
}

#[test]
fn packets_are_kept_plain_with_their_index() {
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(1);
    for (n, sequence) in [65_534, 65_535, 0, 1].into_iter().enumerate() {
        let packet = protected(&mut sender, sequence);
        assert_ne!(packet[12..172], rtp(SSRC, sequence)[12..]);
        let index = u64::from(sequence) + if n > 1 { 1 << 16 } else { 0 };
        let wanted = (rtp(SSRC, sequence), Some(Protected::Authentic { index }));
        assert_eq!(kept(&mut port, 20_000_000 * i64::try_from(n).unwrap(), SRC, &packet), Some(wanted));
    }
    let statistics = port.statistics();
    assert_eq!((statistics.packets, statistics.source), (4, Some(address(SRC))));
    assert_eq!(srtp_of(&port).receiver.sources[0].index >> 16, 1);
}

#[test]
fn a_forged_packet_is_counted_and_never_latched_on_nor_kept() {
    let mut port = Port::new(secure(&[1]), now(0));
    let forged = protected(&mut sender(2), 7);
    assert_eq!(kept(&mut port, 0, STRANGER, &forged), None);
    let statistics = port.statistics();
    assert_eq!((statistics.source, statistics.packets, statistics.strangers), (None, 0, 0));
    assert_eq!(srtp_of(&port).unauthentic, 1);
    let genuine = protected(&mut sender(1), 7);
    assert!(kept(&mut port, 2, SRC, &genuine).is_some());
    // The same again proves nothing, wherever it comes from.
    assert_eq!(kept(&mut port, 3, STRANGER, &genuine), None);
    assert_eq!((srtp_of(&port).replayed, port.statistics().source), (1, Some(address(SRC))));
}

#[test]
fn a_flood_of_forged_packets_is_not_tried_beyond_its_budget_and_the_stream_is_heard_all_the_same() {
    let mut port = Port::new(secure(&[1]), now(0));
    let forged = protected(&mut sender(2), 7);
    for _ in 0..1_000 {
        assert_eq!(kept(&mut port, 1, STRANGER, &forged), None);
    }
    let figures = srtp_of(&port);
    assert_eq!(figures.unauthentic + figures.untried, 1_000);
    assert!(figures.unauthentic <= u64::from(MAX_STRANGER_TRIALS_PER_SECOND) / 64, "{figures:?}");
    assert!(kept(&mut port, 2, SRC, &protected(&mut sender(1), 7)).is_some());
    // From the stream's own address, which anybody can write: its packets are waited for, and lose nothing by it.
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(1);
    let (mut genuine, mut heard) = (8, 0);
    for n in 0..10_000 {
        kept(&mut port, 2, SRC, &forged);
        if n % 100 == 0 {
            let packet = protected(&mut sender, genuine);
            heard += usize::from(kept(&mut port, 2, SRC, &packet).is_some_and(|(kept, _)| kept == rtp(SSRC, genuine)));
            genuine += 1;
        }
    }
    assert_eq!(heard, 100);
}

#[test]
fn a_late_key_loses_nothing() {
    let mut port = Port::new(secure(&[1]), now(0));
    let (mut old, mut new) = (sender(1), sender(2));
    for n in 0..10 {
        assert!(kept(&mut port, i64::from(n), SRC, &protected(&mut old, n)).is_some());
    }
    for n in 10..40 {
        let packet = protected(&mut new, n);
        assert_eq!(kept(&mut port, i64::from(n), SRC, &packet), Some((packet.clone(), Some(Protected::Sealed))));
    }
    assert_eq!((port.statistics().packets, srtp_of(&port).sealed), (10, 30));
    port.update(secure(&[2]), now(1));
    let wanted: Vec<_> = (10..40).map(|n| (i64::from(n), rtp(SSRC, n))).collect();
    assert_eq!(unsealed(&mut port), wanted);
    assert_eq!((port.statistics().packets, srtp_of(&port).unsealed), (40, 30));
    // What was under way under the old key is still taken, for a while.
    assert!(kept(&mut port, 41, SRC, &protected(&mut old, 41)).is_some());
    assert!(kept(&mut port, 42, SRC, &protected(&mut new, 42)).is_some());
    assert!(kept(&mut port, 11 * SECOND, SRC, &protected(&mut new, 43)).is_some());
    let late = protected(&mut old, 44);
    assert_eq!(kept(&mut port, 12 * SECOND, SRC, &late).unwrap().1, Some(Protected::Sealed));
}

#[test]
fn a_stream_of_months_is_found_within_its_budget_beside_a_confirmed_one_too() {
    for confirmed in [false, true] {
        let mut port = Port::new(secure(&[1]), now(0));
        let mut sender = sender(1);
        if confirmed {
            for sequence in 0..3 {
                assert!(kept(&mut port, 0, SRC, &protected(&mut sender, sequence)).is_some());
            }
        }
        // 2,000 rounds of sequence numbers: a month of 50 packets a second. Its sender has another SSRC.
        const AGED: u32 = 0x1234;
        let mut aged = |index: u64| {
            let mut packet = rtp(AGED, u16::try_from(index & 0xffff).unwrap());
            sender.protect(&mut packet).unwrap();
            packet
        };
        (0..2_000 << 16).step_by(30_000).for_each(|index| drop(aged(index)));
        let (begin, mut found, mut opened) = (2_000 << 16, None, Vec::new());
        for n in 0..150_u64 {
            let at = i64::try_from(n).unwrap() * SECOND / 50;
            let packet = aged(begin + n);
            if let Some((_, Some(Protected::Authentic { index }))) = kept(&mut port, at, SRC, &packet) {
                assert_eq!(index, begin + n);
                found = found.or(Some(n));
                opened.push(at);
            }
            opened.extend(unsealed(&mut port).into_iter().map(|(at, _)| at));
        }
        assert!(found.is_some_and(|n| n <= 40), "{found:?}");
        opened.sort_unstable();
        assert_eq!(opened.len(), 150, "and what came before is heard as well");
    }
}

#[test]
fn what_is_refused_is_counted_by_what_was_wrong() {
    let refused = |port: &Port| srtp_of(port).refused;
    let mut port = Port::new(secure(&[]), now(0));
    kept(&mut port, 1, SRC, &protected(&mut sender(1), 1));
    assert_eq!((refused(&port).without_key, refused(&port).wrong_key), (1, 0));
    port.update(secure(&[1]), now(1));
    kept(&mut port, 2, SRC, &protected(&mut sender(2), 2));
    kept(&mut port, 3, STRANGER, &protected(&mut sender(2), 3));
    let counted = refused(&port);
    assert_eq!((counted.without_key, counted.wrong_key, counted.forged, counted.expired), (1, 1, 1, 0));
    let mut limited = (*protection(&[1], 99).unwrap()).clone();
    limited.theirs[0].lifetime = Some(2);
    let mut port = Port::new(PortSettings { srtp: Some(Arc::new(limited)), ..secure(&[1]) }, now(0));
    let mut sender = sender(1);
    (0..5).for_each(|n| drop(kept(&mut port, i64::from(n), SRC, &protected(&mut sender, n))));
    assert_eq!((refused(&port).expired, srtp_of(&port).authentic), (3, 2));
}

#[test]
fn what_came_before_any_key_is_heard_when_there_is_one() {
    let mut settings = secure(&[]);
    settings.stream.remote = None;
    let mut port = Port::new(settings, now(0));
    let mut sender = sender(1);
    assert_eq!(kept(&mut port, 1, SRC, &protected(&mut sender, 1)).unwrap().1, Some(Protected::Sealed));
    assert!(port.protect(&mut Vec::from([0x80, 201, 0, 1, 0, 0, 0, 1])));
    port.update(secure(&[1]), now(1));
    assert_eq!(unsealed(&mut port), [(1, rtp(SSRC, 1))]);
}

#[test]
fn the_same_keys_again_keep_the_rollover_counter_and_a_lost_one_is_found() {
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(1);
    for sequence in [65_000, 65_535, 1, 32_000, 64_000, 100] {
        assert!(kept(&mut port, 0, SRC, &protected(&mut sender, sequence)).is_some());
    }
    let mut settings = secure(&[1]);
    settings.stream.formats = [].into();
    port.update(settings, now(1));
    assert!(kept(&mut port, 1, SRC, &protected(&mut sender, 101)).is_some());
    // Minutes of silence that were a round and a half: the first packets fail, and are heard in the end.
    for sequence in [32_000, 64_000, 20_000] {
        protected(&mut sender, sequence);
    }
    let mut heard = Vec::new();
    for n in 0..20_i64 {
        let sequence = 20_001 + u16::try_from(n).unwrap();
        heard.extend(
            kept(&mut port, SECOND + n, SRC, &protected(&mut sender, sequence))
                .filter(|(_, protected)| *protected != Some(Protected::Sealed))
                .map(|(packet, _)| packet),
        );
        heard.extend(unsealed(&mut port).into_iter().map(|(_, packet)| packet));
    }
    heard.sort();
    assert_eq!(heard, (20_001..20_021).map(|sequence| rtp(SSRC, sequence)).collect::<Vec<_>>());
}

#[test]
fn nothing_sealed_is_kept_in_a_pause_nor_where_digits_are_not() {
    let mut paused = secure(&[1]);
    paused.stream.paused = Some(PauseCause::Inactive);
    let mut port = Port::new(paused, now(0));
    let mut sender = sender(2);
    assert_eq!(kept(&mut port, 1, SRC, &protected(&mut sender, 1)), None);
    port.update(secure(&[2]), now(1));
    assert!(unsealed(&mut port).is_empty());
    let masked = |theirs| {
        let mut settings = secure(theirs);
        settings.stream.digits = Digits::Mask;
        settings
    };
    let mut port = Port::new(masked(&[1]), now(0));
    assert_eq!(kept(&mut port, 1, SRC, &protected(&mut sender, 2)), None);
    port.update(masked(&[2]), now(1));
    assert_eq!(unsealed(&mut port), [(1, rtp(SSRC, 2))], "kept in memory it was");
}

#[test]
fn sealed_packets_are_bounded() {
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(2);
    let length = protected(&mut sender, 0).len();
    for n in 1..2_000 {
        kept(&mut port, i64::from(n), SRC, &protected(&mut sender, n));
    }
    port.update(secure(&[2]), now(1));
    let found = unsealed(&mut port);
    assert_eq!(found.len(), MAX_SEALED_OCTETS / length);
    for n in 0..1_000 {
        kept(&mut port, i64::from(n), SRC, &rtp(9, n)[..22]);
    }
    port.update(secure(&[3]), now(1));
    let mut waiting = 0;
    while port.poll_sealed(&mut Vec::new()).is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, MAX_SEALED_PACKETS);
    assert_eq!(found.last().unwrap().0, 1_999, "the newest are worth most");
}

#[test]
fn reports_are_opened_and_sent_protected_and_only_with_reserved_indices() {
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(1);
    kept(&mut port, 1, SRC, &protected(&mut sender, 1));
    let plain = sender_report(SSRC, 1 << 32);
    let mut report = plain.clone();
    sender.reserve(SenderState { reserved: 9 });
    sender.protect_report(&mut report).unwrap();
    let verdict = port.handle_rtcp(Wall(2), address(SRC), &report);
    let Some(Kind::Rtcp { packet, .. }) = port.kept(verdict, true, address(SRC), &report) else {
        panic!("{verdict:?}")
    };
    assert_eq!(packet, plain);
    assert_eq!(port.handle_rtcp(Wall(2), address(SRC), &report), Verdict::Discard(Why::Srtp), "it came again");
    assert_eq!(port.handle_rtcp(Wall(3), address(SRC), &plain), Verdict::Discard(Why::Srtp), "anybody can write it");
    let mut receiver = Receiver::new(&[key(99)], Encryption::default());
    let mut ours = Vec::new();
    for index in 0..300_u32 {
        ours.clear();
        port.report(now(6), &mut ours).unwrap();
        let length = ours.len();
        if !port.protect(&mut ours) {
            assert_eq!(index, 256, "no more than was reserved");
            break;
        }
        let opened = receiver.unprotect_report(&mut ours).unwrap();
        assert_eq!((opened.index, opened.length), (index, length));
        assert_eq!(srtp_of(&port).reservation_due.is_some(), index + 1 >= 128);
    }
    let due = srtp_of(&port).reservation_due.unwrap();
    assert_eq!(due.reserved, 512);
    port.reserve(due);
    ours.clear();
    port.report(now(7), &mut ours);
    assert!(port.protect(&mut ours));
    assert_eq!(receiver.unprotect_report(&mut ours).unwrap().index, 256);
}

#[test]
fn after_a_restart_it_goes_on_where_it_was() {
    let mut port = Port::new(secure(&[1]), now(0));
    let mut sender = sender(1);
    for sequence in [1, 30_000, 60_000, 20_000, 50_000, 10_000] {
        kept(&mut port, 0, SRC, &protected(&mut sender, sequence));
    }
    let state = srtp_of(&port).receiver;
    let mut before = (*protection(&[1], 99).unwrap()).clone();
    (before.receiver, before.resumed) = (state, true);
    let mut port = Port::new(PortSettings { srtp: Some(Arc::new(before)), ..secure(&[]) }, now(0));
    let packet = protected(&mut sender, 12_000);
    let wanted = (rtp(SSRC, 12_000), Some(Protected::Authentic { index: 2 << 16 | 12_000 }));
    assert_eq!(kept(&mut port, 1, SRC, &packet), Some(wanted));
    let mut ours = Vec::new();
    port.report(now(6), &mut ours);
    assert!(!port.protect(&mut ours), "what was reserved may have been used");
    port.reserve(SenderState { reserved: 512 });
    assert!(port.protect(&mut ours));
    let opened = Receiver::new(&[key(99)], Encryption::default()).unprotect_report(&mut ours).unwrap();
    assert_eq!(opened.index, 256);
}
