//! Our SRTP against webrtc-srtp's: the same octets from both, in every suite that both know, and nothing allocated a packet.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use siprec_core::entry::{Entry, PortIndex, Stream};
use siprec_core::journal::encoder;
use siprec_core::media::{Digits, Port, PortSettings, Protection};
use siprec_core::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use siprec_core::seed::{Random, Seed};
use siprec_core::srtp::{Receiver, Sender, SenderState};
use siprec_core::time::{Monotonic, Now, Wall};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

const SUITES: [(Suite, ProtectionProfile); 6] = [
    (Suite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (Suite::AesCm128HmacSha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (Suite::AesCm256HmacSha1_80, ProtectionProfile::Aes256CmHmacSha1_80),
    (Suite::AesCm256HmacSha1_32, ProtectionProfile::Aes256CmHmacSha1_32),
    (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (Suite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];
/// Sequence numbers of a stream, over two wraps, some of them out of order.
const INDICES: [u64; 12] =
    [65_000, 65_001, 65_003, 65_002, 65_535, 65_536, 65_534, 65_537, 98_000, 130_000, 131_072, 131_071];

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; the counter is a plain cell of the thread and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Packets of all shapes: speech, nothing, a picture's part, padding, CSRCs and header extensions.
fn shapes() -> Vec<(u8, Vec<u8>)> {
    // The elements are whole: webrtc-srtp counts them, not the words, to find where a header ends.
    let mut extended = vec![0xbe, 0xde, 0, 2, 0x12, 1, 2, 3, 0x22, 4, 5, 6];
    extended.extend([0x55; 160]);
    let mut all = vec![0, 0, 0, 7, 0, 0, 0, 8, 0xbe, 0xde, 0, 0];
    all.extend([0xaa; 33]);
    let mut padded = vec![1; 37];
    padded.extend([0, 0, 3]);
    vec![
        (0x80, vec![0xd5; 160]),
        (0x80, Vec::new()),
        (0x80, (0..1_400).map(|n| n as u8).collect()),
        (0xa0, padded),
        (0x90, extended),
        (0x92, all),
    ]
}

fn rtp((first, rest): &(u8, Vec<u8>), ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = vec![*first, 0x88];
    packet.extend((index as u16).to_be_bytes());
    packet.extend((index as u32 * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(rest);
    packet
}

/// A receiver report, and one with an SDES behind it.
fn reports(ssrc: u32) -> [Vec<u8>; 2] {
    let mut report = vec![0x80, 201, 0, 1];
    report.extend(ssrc.to_be_bytes());
    let mut compound = report.clone();
    compound.extend([0x81, 202, 0, 3]);
    compound.extend(ssrc.to_be_bytes());
    compound.extend([1, 4, b's', b'r', b's', b'1', 0, 0]);
    [report, compound]
}

fn key_of(suite: Suite, seed: u8) -> InlineKey {
    MasterKey::draw(suite, &mut Random::new(Seed([seed; 32]))).into()
}

fn theirs(key: &InlineKey, profile: ProtectionProfile) -> Context {
    let (rtp, rtcp) = (srtp_replay_protection(64), srtcp_replay_protection(64));
    Context::new(key.key.key(), key.key.salt(), profile, Some(rtp), Some(rtcp)).expect("keys of the right length")
}

#[test]
fn what_we_protect_is_octet_for_octet_what_webrtc_srtp_protects() {
    for (suite, profile) in SUITES {
        let key = key_of(suite, 11);
        let mut ours = Sender::new(&key, Encryption::default()).expect("a key");
        let mut theirs_out = theirs(&key, profile);
        let mut theirs_in = theirs(&key, profile);
        for (ssrc, shape) in (1..).zip(shapes()) {
            for index in [65_534, 65_535, 65_536, 65_600, 98_000, 130_000, 131_072] {
                let plain = rtp(&shape, ssrc, index);
                let mut packet = plain.clone();
                ours.protect(&mut packet).expect("a packet in order");
                assert_eq!(packet, theirs_out.encrypt_rtp(&plain).expect("their packet"), "{suite} {index}");
                assert_eq!(plain, theirs_in.decrypt_rtp(&packet).expect("our packet"), "{suite} {index}");
            }
        }
        // Their first index is 1, ours 0: both are allowed.
        let mut ours = Sender::resume(&key, Encryption::default(), SenderState { reserved: 1 }).expect("a key");
        for _ in 0..100 {
            ours.reserve(ours.reservation_due().unwrap_or_default());
            for plain in reports(7) {
                let mut packet = plain.clone();
                ours.protect_report(&mut packet).expect("a report");
                assert_eq!(packet, theirs_out.encrypt_rtcp(&plain).expect("their report"), "{suite}");
                assert_eq!(plain, theirs_in.decrypt_rtcp(&packet).expect("our report"), "{suite}");
            }
        }
    }
}

#[test]
fn what_webrtc_srtp_protects_we_make_plain() {
    for (suite, profile) in SUITES {
        let key = key_of(suite, 12);
        let mut out = theirs(&key, profile);
        let mut receiver = Receiver::new(std::slice::from_ref(&key), Encryption::default());
        for (ssrc, shape) in (1..).zip(shapes()) {
            let mut sorted = INDICES;
            sorted.sort_unstable();
            let sent =
                sorted.map(|index| (index, out.encrypt_rtp(&rtp(&shape, ssrc, index)).expect("their packet").to_vec()));
            for index in INDICES {
                let (_, packet) = sent.iter().find(|(sent, _)| *sent == index).expect("it was sent");
                let mut packet = packet.clone();
                let plain = receiver.unprotect(&mut packet).unwrap_or_else(|error| panic!("{suite} {index}: {error}"));
                assert_eq!((plain.index, &packet[..plain.length]), (index, rtp(&shape, ssrc, index).as_slice()));
            }
            for (number, report) in (1..).zip(reports(ssrc)) {
                let mut packet = out.encrypt_rtcp(&report).expect("their report").to_vec();
                let plain = receiver.unprotect_report(&mut packet).unwrap_or_else(|error| panic!("{suite}: {error}"));
                assert_eq!((plain.index, plain.encrypted, &packet[..plain.length]), (number, true, report.as_slice()));
            }
        }
    }
}

#[test]
fn a_packet_is_made_plain_and_protected_without_allocating() {
    for suite in Suite::ALL {
        let key = key_of(suite, 13);
        let mut sender = Sender::new(&key, Encryption::default()).expect("a key");
        let mut receiver = Receiver::new(std::slice::from_ref(&key), Encryption::default());
        let shape = (0x80, vec![0xd5; 160]);
        let mut sent: Vec<_> = (65_000..66_000)
            .map(|index| {
                let mut packet = rtp(&shape, 1, index);
                packet.reserve(64);
                packet
            })
            .collect();
        let mut forged = rtp(&shape, 99, 5);
        let (first, rest) = sent.split_first_mut().expect("packets");
        sender.protect(first).expect("a packet");
        receiver.unprotect(first).expect("their first packet makes a source");
        let before = ALLOCATIONS.get();
        for packet in rest.iter_mut() {
            sender.protect(packet).expect("a packet");
        }
        for packet in rest.iter_mut().rev().skip(100).step_by(3) {
            receiver.unprotect(packet).expect("their packet");
        }
        for _ in 0..100 {
            receiver.unprotect(&mut forged).expect_err("forged");
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{suite}");
    }
}

#[test]
fn a_port_keeps_srtp_without_allocating() {
    let key = key_of(Suite::AesCm128HmacSha1_80, 14);
    let mut sender = Sender::new(&key, Encryption::default()).expect("a key");
    let from = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut port = Port::new(settings(&key, from), Now { monotonic: Monotonic(0), wall: Wall(0) });
    let shape = (0x80, vec![0xd5; 160]);
    let mut packet = |index| {
        let mut packet = rtp(&shape, 1, index);
        sender.protect(&mut packet).expect("a packet");
        packet
    };
    let packets: Vec<Vec<u8>> = (65_000..67_000).map(&mut packet).collect();
    let (first, rest) = packets.split_at(10);
    let mut slab = Vec::with_capacity(1 << 20);
    let mut keep = |at: i64, packet: &[u8]| {
        let at = Wall(at * 20_000_000);
        let verdict = port.handle_rtp(at, from, packet);
        let kind = port.kept(verdict, false, from, packet).expect("it is kept");
        encoder::entry(&mut slab, &Entry { at, kind });
    };
    for (at, packet) in (0..).zip(first) {
        keep(at, packet);
    }
    let before = ALLOCATIONS.get();
    for (at, packet) in (10..).zip(rest) {
        keep(at, packet);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(port.statistics().packets, 2_000);
}

fn settings(key: &InlineKey, from: SocketAddr) -> PortSettings {
    let to = SocketAddr::from(([192, 0, 2, 9], 10_000));
    let stream = Stream {
        port: PortIndex(0),
        m_line: 0,
        label: None,
        media: "audio".into(),
        formats: [].into(),
        local: to,
        local_rtcp: to,
        remote: Some(from),
        paused: None,
        digits: Digits::Keep,
    };
    let keys = Protection::new(vec![key.clone()], None, Encryption::default(), SenderState::default());
    PortSettings {
        stream,
        ssrc: 9,
        cname: "srs".into(),
        remote_rtcp: None,
        rtcp_mux: true,
        seed: 1,
        dtls: false,
        feedback: siprec_core::sdp::Feedback::default(),
        srtp: Some(Arc::new(keys)),
    }
}
