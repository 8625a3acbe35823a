//! MKIs, lifetimes, what is left unencrypted, and indices that are never used twice.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::sdp::crypto::Mki;
use crate::srtp::{REPORTS_RESERVED, SenderState, SrtpError};

fn marked(suite: Suite, seed: u8, mki: &str) -> InlineKey {
    InlineKey { mki: Mki::parse(mki), ..key_of(suite, seed) }
}

#[test]
fn the_mki_says_which_key_and_the_counter_goes_on_over_a_change() {
    for suite in [Suite::AesCm128HmacSha1_32, Suite::AeadAes256Gcm] {
        for length in [1, 4, 128] {
            let keys: Vec<_> = [1, 2].map(|n| marked(suite, n, &alloc::format!("{n}:{length}"))).to_vec();
            let encryption = Encryption::default();
            let mut receiver = Receiver::new(&keys, encryption);
            let mut senders: Vec<_> = keys.iter().map(|key| Sender::new(key, encryption).unwrap()).collect();
            for number in (0..200_000).step_by(10_000) {
                // The sender keeps one counter whichever key it uses (RFC 3711 3.2.1).
                let [mut first, mut second] = [0, 1].map(|n| protected(&mut senders[n], rtp(SSRC, number)));
                let (key, packet) = if number < 100_000 { (0, &mut first) } else { (1, &mut second) };
                let plain = receiver.unprotect(packet).unwrap();
                assert_eq!((plain.index, plain.key, plain.length), (number, key, 172));
                assert_eq!(packet[..172], rtp(SSRC, number));
            }
            let plain = receiver.unprotect_report(&mut report(&mut senders[1])).unwrap();
            assert_eq!((plain.key, plain.length), (1, rtcp(SSRC).len()));
            let stranger = marked(suite, 3, &alloc::format!("3:{length}"));
            let mut packet = protected(&mut Sender::new(&stranger, encryption).unwrap(), rtp(SSRC, 200_000));
            assert_eq!(receiver.unprotect(&mut packet), Err(SrtpError::UnknownMki));
        }
    }
}

#[test]
fn nothing_passes_once_the_lifetime_is_over() {
    let key = InlineKey { lifetime: Some(4), ..key_of(Suite::AesCm128HmacSha1_80, 1) };
    let encryption = Encryption::default();
    let mut unlimited = Sender::new(&key_of(Suite::AesCm128HmacSha1_80, 1), encryption).unwrap();
    let mut receiver = Receiver::new(core::slice::from_ref(&key), encryption);
    for number in 0..3 {
        receiver.unprotect(&mut protected(&mut unlimited, rtp(SSRC, number))).unwrap();
    }
    let mut resumed = Receiver::resume(core::slice::from_ref(&key), encryption, &receiver.state());
    resumed.unprotect(&mut protected(&mut unlimited, rtp(SSRC, 3))).unwrap();
    let mut packet = protected(&mut unlimited, rtp(SSRC, 4));
    assert_eq!(resumed.unprotect(&mut packet), Err(SrtpError::KeyExpired));
    assert_eq!(resumed.unprotect_report(&mut report(&mut unlimited)), Err(SrtpError::KeyExpired));

    let mut sender = Sender::new(&key, encryption).unwrap();
    for _ in 0..4 {
        report(&mut sender);
    }
    sender.reserve(SenderState { reserved: 100 });
    assert_eq!(sender.protect_report(&mut rtcp(SSRC)), Err(SrtpError::KeyExpired));
    assert_eq!(sender.protect(&mut rtp(SSRC, 0)), Err(SrtpError::KeyExpired), "whichever protocol comes first");
}

#[test]
fn the_last_report_of_a_key_has_the_last_index() {
    let key = key_of(Suite::AeadAes128Gcm, 1);
    let nearly = SenderState { reserved: (1 << 31) - 2 };
    let mut sender = Sender::resume(&key, Encryption::default(), nearly).unwrap();
    let mut receiver = Receiver::new(&[key], Encryption::default());
    for index in [(1 << 31) - 2, (1 << 31) - 1] {
        assert_eq!(receiver.unprotect_report(&mut report(&mut sender)).unwrap().index, index);
    }
    assert_eq!(sender.protect_report(&mut rtcp(SSRC)), Err(SrtpError::KeyExpired));
    assert_eq!(sender.reservation_due(), None);
}

#[test]
fn an_index_is_used_once_crash_or_not() {
    let key = key_of(Suite::AesCm128HmacSha1_80, 1);
    let mut receiver = Receiver::new(core::slice::from_ref(&key), Encryption::default());
    let mut sender = Sender::new(&key, Encryption::default()).unwrap();
    let unreserved = rtcp(SSRC);
    let mut packet = unreserved.clone();
    assert_eq!(sender.protect_report(&mut packet), Err(SrtpError::NotReserved));
    assert_eq!(packet, unreserved);
    let mut used = Vec::new();
    let mut kept = SenderState::default();
    for crash in [3, 1, 200, 0, 700] {
        for _ in 0..crash {
            if let Some(state) = sender.reservation_due() {
                kept = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                sender.reserve(kept);
            }
            let mut packet = rtcp(SSRC);
            sender.protect_report(&mut packet).unwrap();
            used.push(receiver.unprotect_report(&mut packet).unwrap().index);
        }
        assert_eq!(sender.state(), kept);
        sender = Sender::resume(&key, Encryption::default(), kept).unwrap();
        assert_eq!(sender.protect(&mut rtp(SSRC, 1)), Err(SrtpError::NotReserved));
    }
    assert!(used.is_sorted_by(|a, b| a < b));
    assert!(used.iter().all(|index| *index < kept.reserved));
    assert!(kept.reserved < 904 + 5 * REPORTS_RESERVED);
}

#[test]
fn a_sender_never_repeats_a_sequence_number() {
    let (mut sender, _) = pair(Suite::AeadAes128Gcm);
    protected(&mut sender, rtp(SSRC, 65_530));
    protected(&mut sender, rtp(SSRC, 65_546));
    for number in [65_546, 65_545, 65_530, 65_520] {
        let mut packet = rtp(SSRC, number);
        assert_eq!(sender.protect(&mut packet), Err(SrtpError::Replayed));
        assert_eq!(packet, rtp(SSRC, number));
    }
    protected(&mut sender, rtp(SSRC, 65_547));
}

#[test]
fn what_is_agreed_to_stay_clear_is_authenticated_all_the_same() {
    let encryption = Encryption { srtp: false, srtcp: false };
    for suite in Suite::ALL {
        let key = key_of(suite, 1);
        let mut sender = Sender::new(&key, encryption).unwrap();
        let mut receiver = Receiver::new(&[key], encryption);
        let mut packet = protected(&mut sender, rtp(SSRC, 1));
        assert_eq!(packet[..172], rtp(SSRC, 1), "{suite}");
        packet[100] ^= 1;
        assert_eq!(receiver.unprotect(&mut packet), Err(SrtpError::Unauthentic));
        packet[100] ^= 1;
        assert_eq!(receiver.unprotect(&mut packet).unwrap().length, 172);
        let mut packet = report(&mut sender);
        assert_eq!(packet[..rtcp(SSRC).len()], rtcp(SSRC), "{suite}");
        packet[10] ^= 1;
        let forged = packet.clone();
        assert_eq!(receiver.unprotect_report(&mut packet), Err(SrtpError::Unauthentic));
        assert_eq!(packet, forged);
        packet[10] ^= 1;
        let plain = receiver.unprotect_report(&mut packet).unwrap();
        assert_eq!((plain.length, plain.encrypted), (rtcp(SSRC).len(), false));
    }
}

#[test]
fn headers_stay_clear_up_to_the_end_of_the_extension() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    let mut plain = rtp(SSRC, 1);
    plain[0] = 0x92;
    plain.splice(12..12, [0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
    let mut packet = protected(&mut sender, plain.clone());
    assert_eq!(packet[..28], plain[..28]);
    assert_ne!(packet[28..40], plain[28..40]);
    let length = receiver.unprotect(&mut packet).unwrap().length;
    assert_eq!(packet[..length], plain);
}

#[test]
fn no_key_is_printed() {
    let (sender, receiver) = pair(Suite::AesCm128HmacSha1_80);
    let key = key_of(Suite::AesCm128HmacSha1_80, 1);
    let octets = alloc::format!("{:?}", key.key.octets());
    let shown = alloc::format!("{sender:?} {receiver:?} {key:?}");
    assert!(!shown.contains(&octets[1..20]) && !shown.contains(key.key.to_base64().as_str()));
    assert_eq!(key.key.suite().to_string(), "AES_CM_128_HMAC_SHA1_80");
    assert!(shown.contains("MasterKey(AES_CM_128_HMAC_SHA1_80, ..)"));
}
