//! Who has no key changes nothing: neither the receiver nor the packet, and there is no panic.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;
use crate::srtp::{ReceiverState, SrtpError};

/// All there is in a receiver but its keys.
fn inside(receiver: &Receiver) -> (ReceiverState, impl PartialEq + core::fmt::Debug + use<>) {
    (receiver.state(), (receiver.sources.clone(), receiver.reporters.clone()))
}

/// A receiver that knows a confirmed source, or none.
fn receiver(suite: Suite, known: bool) -> (Sender, Receiver) {
    let (mut sender, mut receiver) = pair(suite);
    if known {
        for number in 65_530..65_540 {
            receiver.unprotect(&mut protected(&mut sender, rtp(SSRC, number))).unwrap();
            receiver.unprotect_report(&mut report(&mut sender)).unwrap();
        }
    }
    (sender, receiver)
}

fn refused(receiver: &mut Receiver, packet: &[u8]) -> SrtpError {
    let before = inside(receiver);
    let mut bytes = packet.to_vec();
    let error = receiver.unprotect(&mut bytes).expect_err("a forged packet");
    assert_eq!(bytes, packet);
    assert_eq!(inside(receiver), before);
    error
}

fn report_refused(receiver: &mut Receiver, packet: &[u8]) -> SrtpError {
    let before = inside(receiver);
    let mut bytes = packet.to_vec();
    let error = receiver.unprotect_report(&mut bytes).expect_err("a forged report");
    assert_eq!(bytes, packet);
    assert_eq!(inside(receiver), before);
    error
}

#[test]
fn a_packet_with_any_bit_turned_is_refused_and_the_true_one_passes_after_it() {
    for suite in Suite::ALL {
        for known in [true, false] {
            let (mut sender, mut receiver) = receiver(suite, known);
            let packet = protected(&mut sender, rtp(SSRC, 65_540));
            for octet in (0..packet.len()).step_by(if known { 1 } else { 11 }) {
                let mut forged = packet.clone();
                forged[octet] ^= 1 << (octet % 8);
                refused(&mut receiver, &forged);
            }
            assert_eq!(receiver.unprotect(&mut packet.clone()).unwrap().index, if known { 65_540 } else { 4 });
            let packet = report(&mut sender);
            for octet in 0..packet.len() {
                let mut forged = packet.clone();
                forged[octet] ^= 1 << (octet % 8);
                report_refused(&mut receiver, &forged);
            }
            receiver.unprotect_report(&mut packet.clone()).unwrap();
            assert_eq!(report_refused(&mut receiver, &packet), SrtpError::Replayed);
        }
    }
}

#[test]
fn a_truncated_packet_is_refused_at_every_length() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = receiver(suite, true);
        let packet = protected(&mut sender, rtp(SSRC, 65_540));
        for length in 0..packet.len() {
            refused(&mut receiver, &packet[..length]);
        }
        let packet = report(&mut sender);
        for length in 0..packet.len() {
            report_refused(&mut receiver, &packet[..length]);
        }
    }
}

#[test]
fn a_copy_of_the_first_packet_is_a_replay() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let packet = protected(&mut sender, rtp(SSRC, 3));
    receiver.unprotect(&mut packet.clone()).unwrap();
    assert_eq!(refused(&mut receiver, &packet), SrtpError::Replayed);
}

#[test]
fn a_receiver_without_keys_takes_nothing() {
    let (mut sender, _) = pair(Suite::AesCm128HmacSha1_80);
    let mut none = Receiver::new(&[], Encryption::default());
    assert_eq!(refused(&mut none, &protected(&mut sender, rtp(SSRC, 3))), SrtpError::UnknownMki);
    assert_eq!(report_refused(&mut none, &report(&mut sender)), SrtpError::UnknownMki);
}

fn suites() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_change_nothing(
        suite in suites(),
        known: bool,
        first in prop_oneof![Just(0x80_u8), Just(0x90), Just(0x8f), any::<u8>()],
        ours: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (mut sender, mut receiver) = receiver(suite, known);
        let mut bytes: Vec<u8> = bytes;
        if let Some(octet) = bytes.first_mut() {
            *octet = first;
        }
        for at in [4, 8] {
            if let Some(ssrc) = bytes.get_mut(at..at + 4).filter(|_| ours) {
                ssrc.copy_from_slice(&SSRC.to_be_bytes());
            }
        }
        refused(&mut receiver, &bytes);
        report_refused(&mut receiver, &bytes);
        // A sender is fed by us alone, and takes what comes none the less.
        let _ = sender.protect(&mut bytes.clone());
        let _ = sender.protect_report(&mut bytes);
    }

    #[test]
    fn any_state_can_be_resumed(ssrc: u32, index: u64, recent: u64, srtp: u64, rollover: u32, sequence: u16) {
        let sources = Vec::from([crate::srtp::SourceState { ssrc: SSRC, index, recent }]);
        let keys = Vec::from([crate::srtp::KeyUse { srtp, srtcp: srtp }]);
        let state = ReceiverState { sources: sources.clone(), reporters: sources, expected: [(ssrc, rollover)].into(), keys };
        let (mut sender, _) = pair(Suite::AesCm128HmacSha1_80);
        let key = key_of(Suite::AesCm128HmacSha1_80, 1);
        let mut receiver = Receiver::resume(&[key], Encryption::default(), &state);
        let packet = protected(&mut sender, rtp(ssrc, sequence.into()));
        let _ = receiver.unprotect(&mut packet.clone());
        let _ = receiver.unprotect(&mut protected(&mut sender, rtp(SSRC, sequence.into())));
        let _ = receiver.unprotect_report(&mut report(&mut sender));
    }
}
