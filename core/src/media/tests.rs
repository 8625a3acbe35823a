//! A port between a stream's sender, its successors and strangers.

use super::*;
use crate::entry::{Kind, PauseCause};
use crate::rtp::rtcp::{self, Report};
use crate::sdp::Format;
use crate::time::{Monotonic, Now};
mod secure;

use alloc::vec;

const SECOND: i64 = 1_000_000_000;
const OURS: u32 = 0x5a5a_5a5a;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn settings() -> PortSettings {
    let stream = Stream {
        port: PortIndex(0),
        m_line: 0,
        label: Some("1".into()),
        media: "audio".into(),
        formats: [Format { payload_type: 96, encoding: "L16".into(), clock_rate: 16_000, channels: 1, fmtp: None }]
            .into(),
        local: address("192.0.2.1:10000"),
        local_rtcp: address("192.0.2.1:10001"),
        remote: None,
        paused: None,
        digits: Digits::Keep,
    };
    PortSettings {
        stream,
        ssrc: OURS,
        cname: "siprec@test".into(),
        remote_rtcp: None,
        rtcp_mux: false,
        seed: 1,
        srtp: None,
        dtls: false,
        feedback: Feedback::default(),
    }
}

pub(super) fn now(seconds: i64) -> Now {
    Now { monotonic: Monotonic(u64::try_from(seconds * SECOND).unwrap()), wall: Wall(seconds * SECOND) }
}

pub(super) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xd5; 160]);
    packet
}

fn sender_report(ssrc: u32, ntp: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(ntp.to_be_bytes());
    packet.extend([0; 12]);
    packet
}

/// A port and the one who feeds it: packet `n` of a sender arrives `n` x 20 ms after zero.
struct Bench {
    port: Port,
}

impl Bench {
    fn new(settings: PortSettings) -> Self {
        Self { port: Port::new(settings, now(0)) }
    }

    fn send(&mut self, from: &str, ssrc: u32, range: core::ops::Range<u16>) -> Vec<(u32, SourceChange)> {
        let mut changes = vec![];
        for n in range {
            let at = Wall(i64::from(n) * SECOND / 50);
            assert_eq!(self.port.handle_rtp(at, address(from), &rtp(ssrc, n)), Verdict::Keep);
            while let Some(PortEvent::Source { ssrc, change, .. }) = self.port.poll_event() {
                changes.push((ssrc, change));
            }
        }
        changes
    }

    fn report(&mut self, seconds: i64) -> (Option<SocketAddr>, Vec<u8>) {
        let mut out = vec![];
        let to = self.port.report(now(seconds), &mut out);
        (to, out)
    }
}

#[test]
fn the_first_sender_is_the_source_and_its_new_ssrc_is_followed() {
    let mut b = Bench::new(settings());
    assert_eq!(b.send("192.0.2.9:4000", 1, 0..50), [(1, SourceChange::First)]);
    assert_eq!(b.send("192.0.2.9:4000", 2, 50..100), [(2, SourceChange::NewSsrc)]);
    assert_eq!(b.send("192.0.2.9:4000", 1, 100..110), []);
    let s = b.port.statistics();
    assert_eq!((s.packets, s.strangers, s.sources.len()), (110, 0, 2));
    assert_eq!(s.octets, 110 * 172);
    assert_eq!(s.sources[1].statistics.received, 50);
    assert_eq!(s.sources[1].statistics.lost, 0);
    assert_eq!(s.source, Some(address("192.0.2.9:4000")));
    assert_eq!(s.last_at, Some(Wall(109 * SECOND / 50)));
}

#[test]
fn another_sender_at_once_is_a_stranger_kept_apart() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..50);
    assert_eq!(b.send("203.0.113.5:4000", 1, 50..60), [(1, SourceChange::Stranger)]);
    b.send("192.0.2.9:4000", 1, 60..100);
    let s = b.port.statistics();
    assert_eq!((s.strangers, s.source), (10, Some(address("192.0.2.9:4000"))));
    assert_eq!(s.sources[0].statistics.received, 90);
    assert_eq!((s.sources[1].change, s.sources[1].statistics.received), (SourceChange::Stranger, 10));
}

#[test]
fn after_two_seconds_of_silence_the_stranger_takes_over() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..50);
    // The last one came at 0.98 s.
    assert_eq!(b.send("203.0.113.5:4000", 7, 50..149), [(7, SourceChange::Stranger)]);
    assert_eq!(b.send("203.0.113.5:4000", 7, 149..151), [(7, SourceChange::TookOver)]);
    assert_eq!(b.send("192.0.2.9:4000", 1, 151..152), [(1, SourceChange::Stranger)]);
    assert_eq!(b.port.statistics().source, Some(address("203.0.113.5:4000")));
}

#[test]
fn the_negotiated_address_takes_over_at_once() {
    let mut negotiated = settings();
    negotiated.stream.remote = Some(address("192.0.2.9:4000"));
    let mut b = Bench::new(negotiated);
    assert_eq!(b.send("203.0.113.5:4000", 7, 0..10), [(7, SourceChange::First)]);
    assert_eq!(b.send("192.0.2.9:4000", 1, 10..20), [(1, SourceChange::TookOver)]);
    assert_eq!(b.send("203.0.113.5:4000", 7, 20..30), [(7, SourceChange::Stranger)]);
}

#[test]
fn nothing_is_kept_in_a_pause_and_nothing_of_it_is_lost() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..50);
    let mut paused = settings();
    paused.stream.paused = Some(PauseCause::Inactive);
    b.port.update(paused, now(1));
    for n in 50..500 {
        let verdict = b.port.handle_rtp(Wall(i64::from(n) * SECOND / 50), address("192.0.2.9:4000"), &rtp(1, n));
        assert_eq!(verdict, Verdict::Discard(Why::Paused));
    }
    assert_eq!(b.port.handle_rtp(Wall(10 * SECOND), address("192.0.2.9:4000"), b"x"), Verdict::Discard(Why::Paused));
    let rtcp = sender_report(1, 9);
    assert_eq!(b.port.handle_rtcp(Wall(10 * SECOND), address("192.0.2.9:4001"), &rtcp), Verdict::Discard(Why::Paused));
    b.port.update(settings(), now(10));
    assert_eq!(b.send("192.0.2.9:4000", 1, 500..550), []);
    let s = b.port.statistics();
    assert_eq!((s.packets, s.dropped_paused), (100, 451));
    let source = s.sources[0].statistics;
    assert_eq!((source.received, source.expected, source.lost), (100, 100, 0));
    // Reports went on listening: the sender report of the pause is known.
    assert_eq!(source.sender.unwrap().ntp, 9);
}

#[test]
fn a_source_first_heard_in_a_pause_is_first_after_it() {
    let mut paused = settings();
    paused.stream.paused = Some(PauseCause::Operator);
    let mut b = Bench::new(paused);
    b.port.handle_rtp(Wall(0), address("192.0.2.9:4000"), &rtp(1, 0));
    assert_eq!(b.port.poll_event(), None);
    b.port.update(settings(), now(1));
    assert_eq!(b.send("192.0.2.9:4000", 1, 1..3), [(1, SourceChange::First)]);
}

#[test]
fn junk_is_kept_in_bounds_and_never_latched_on() {
    let mut b = Bench::new(settings());
    let mut kept = 0;
    for n in 0..1_000_i64 {
        match b.port.handle_rtp(Wall(n * 1_000_000), address("203.0.113.5:1"), b"\x00\x01stun or worse") {
            Verdict::Keep => kept += 1,
            Verdict::KeepAsRtcp | Verdict::KeepEdited | Verdict::KeepSealed => panic!(),
            Verdict::Discard(why) => assert_eq!(why, Why::Junk),
        }
    }
    assert_eq!(kept, MAX_JUNK_PER_SECOND);
    assert_eq!(b.port.statistics().junk, 1_000);
    assert_eq!(b.port.statistics().source, None);
    assert_eq!(b.port.handle_rtp(Wall(SECOND), address("203.0.113.5:1"), b""), Verdict::Keep);
}

#[test]
fn a_stranger_cannot_flood_nor_push_sources_out() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..1);
    let mut kept = 0;
    for n in 0..2_000_u32 {
        let verdict = b.port.handle_rtp(Wall(i64::from(n)), address("203.0.113.5:4000"), &rtp(100 + n, 0));
        kept += u32::from(verdict == Verdict::Keep);
    }
    assert_eq!(kept, MAX_STRANGER_PACKETS_PER_SECOND);
    for second in 1..9_u32 {
        for n in 0..20 {
            let at = Wall(i64::from(second) * SECOND + i64::from(n));
            b.port.handle_rtp(at, address("192.0.2.9:4000"), &rtp(1, u16::try_from(second * 20 + n).unwrap()));
            b.port.handle_rtp(at, address("203.0.113.5:4000"), &rtp(90_000 + second * 100 + n, 0));
        }
    }
    let s = b.port.statistics();
    assert_eq!(s.sources.len(), MAX_SOURCES);
    assert_eq!((s.sources[0].statistics.ssrc, s.sources[0].statistics.received), (1, 161));
    assert!(s.unattributed > 0 && s.dropped_flood == 1_500);
    let mut events = 0;
    while b.port.poll_event().is_some() {
        events += 1;
    }
    assert!(events <= 64);
    // The stream's own new SSRC finds room: the one silent for longest goes.
    assert_eq!(b.send("192.0.2.9:4000", 3, 900..901), [(3, SourceChange::NewSsrc)]);
    assert_eq!(b.port.statistics().sources.len(), MAX_SOURCES);
}

#[test]
fn rtcp_on_the_rtp_socket_is_kept_as_rtcp() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..1);
    let verdict = b.port.handle_rtp(Wall(SECOND), address("192.0.2.9:4000"), &sender_report(1, 77 << 32));
    assert_eq!(verdict, Verdict::KeepAsRtcp);
    let s = b.port.statistics();
    assert_eq!((s.packets, s.rtcp_packets), (1, 1));
    assert_eq!(s.sources[0].statistics.sender.unwrap().at, Wall(SECOND));
}

#[test]
fn a_strangers_rtcp_is_kept_and_not_heeded() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..1);
    let goodbye = [0x81, 203, 0, 1, 0, 0, 0, 1];
    assert_eq!(b.port.handle_rtcp(Wall(SECOND), address("203.0.113.5:9"), &goodbye), Verdict::Keep);
    assert_eq!(b.port.statistics().sources[0].statistics.bye_at, None);
    assert_eq!(b.port.handle_rtcp(Wall(SECOND), address("192.0.2.9:9"), &goodbye), Verdict::Keep);
    assert_eq!(b.port.statistics().sources[0].statistics.bye_at, Some(Wall(SECOND)));
}

#[test]
fn reports_go_where_media_came_from_or_as_negotiated_and_nowhere_else() {
    let mut b = Bench::new(settings());
    assert_eq!(b.report(1).0, None);
    assert!(b.port.next_report() > now(1).monotonic);
    b.send("192.0.2.9:4000", 1, 0..10);
    assert_eq!(b.report(2).0, Some(address("192.0.2.9:4001")));
    b.port.handle_rtcp(Wall(2 * SECOND), address("203.0.113.5:666"), &sender_report(1, 1));
    assert_eq!(b.report(3).0, Some(address("192.0.2.9:4001")));
    b.port.handle_rtcp(Wall(2 * SECOND), address("192.0.2.9:5555"), &sender_report(1, 1));
    assert_eq!(b.report(4).0, Some(address("192.0.2.9:5555")));

    let target = |remote_rtcp: &str, rtcp_mux: bool, media: Option<&str>| {
        let mut s = settings();
        s.remote_rtcp = Some(address(remote_rtcp));
        s.rtcp_mux = rtcp_mux;
        let mut b = Bench::new(s);
        media.map(|from| b.send(from, 1, 0..1));
        b.report(1).0
    };
    assert_eq!(target("192.0.2.9:7001", false, None), Some(address("192.0.2.9:7001")));
    assert_eq!(target("192.0.2.9:7001", false, Some("192.0.2.9:4000")), Some(address("192.0.2.9:7001")));
    assert_eq!(target("10.0.0.1:7001", false, Some("192.0.2.9:4000")), Some(address("192.0.2.9:4001")));
    assert_eq!(target("192.0.2.9:7001", true, Some("192.0.2.9:4000")), Some(address("192.0.2.9:4000")));
    assert_eq!(target("0.0.0.0:7001", false, None), None);
    assert_eq!(target("224.0.0.1:7001", false, None), None);
    assert_eq!(target("192.0.2.9:0", false, None), None);
}

/// RFC 8866 6.7: what is held is still spoken of, or the SRC takes the recorder for dead.
#[test]
fn a_held_stream_is_reported_on() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..50);
    let mut held = settings();
    held.stream.paused = Some(PauseCause::Inactive);
    b.port.update(held, now(1));
    for second in [10, 20, 60] {
        assert!(b.port.next_report() <= now(second).monotonic, "at {second} s a report is due");
        let (to, bytes) = b.report(second);
        assert_eq!(to, Some(address("192.0.2.9:4001")));
        assert!(!bytes.is_empty());
    }
}

#[test]
fn an_idle_streams_way_is_kept_open_and_a_busy_ones_needs_nothing() {
    let mut b = Bench::new(PortSettings { rtcp_mux: false, ..settings() });
    b.send("192.0.2.9:4000", 1, 0..50);
    assert_eq!(b.port.keep_alive(now(15)), None, "it is heard no longer than 14 s ago");
    for (second, wanted) in [(17, true), (20, false), (31, false), (32, true), (47, true)] {
        let to = b.port.keep_alive(now(second));
        assert_eq!(to, wanted.then(|| address("192.0.2.9:4000")), "{second}");
    }
    b.port.handle_rtp(Wall(60 * SECOND), address("192.0.2.9:4000"), &rtp(1, 50));
    assert_eq!(b.port.keep_alive(now(63)), None);
    // Nobody was heard yet: the way to where the stream is to come from.
    let mut silent = settings();
    silent.stream.remote = Some(address("192.0.2.9:5000"));
    let mut b = Bench::new(PortSettings { rtcp_mux: false, ..silent.clone() });
    assert_eq!((b.port.keep_alive(now(14)), b.port.keep_alive(now(16))), (None, Some(address("192.0.2.9:5000"))));
    // Reports keep that of both open.
    let mut b = Bench::new(PortSettings { rtcp_mux: true, ..silent });
    assert_eq!(b.port.keep_alive(now(60)), None);
    let mut b = Bench::new(PortSettings { rtcp_mux: false, ..settings() });
    b.port.update(PortSettings { rtcp_mux: false, ..nowhere(settings()) }, now(1));
    assert_eq!(b.port.keep_alive(now(60)), None, "there is nowhere to send to");
}

fn nowhere(mut settings: PortSettings) -> PortSettings {
    settings.stream.remote = None;
    settings
}

#[test]
fn a_report_tells_of_the_streams_sources_and_not_of_strangers() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..10);
    b.send("192.0.2.9:4000", 1, 15..20);
    b.send("203.0.113.5:4000", 7, 20..30);
    let (_, bytes) = b.report(1);
    let mut reports = rtcp::parse(&bytes).unwrap();
    let Some(Report::Receiver { ssrc, blocks }) = reports.next() else { panic!() };
    assert_eq!(ssrc, OURS);
    let blocks: Vec<_> = blocks.iter().collect();
    assert_eq!(blocks.len(), 1);
    assert_eq!((blocks[0].ssrc, blocks[0].cumulative_lost, blocks[0].fraction_lost), (1, 5, 64));
    let Some(Report::Description(mut chunks)) = reports.next() else { panic!() };
    assert_eq!(chunks.next(), Some((OURS, Some(&b"siprec@test"[..]))));
    // Nothing new: an empty report keeps the binding alive (RFC 7866 8.1.6).
    let (to, bytes) = b.report(6);
    assert!(to.is_some());
    let Some(Report::Receiver { blocks, .. }) = rtcp::parse(&bytes).unwrap().next() else { panic!() };
    assert_eq!(blocks.iter().count(), 0);
}

#[test]
fn who_takes_our_ssrc_makes_us_say_goodbye_and_take_another() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", OURS, 0..10);
    assert_eq!(b.port.next_report(), Monotonic(0));
    let (_, bytes) = b.report(1);
    let reports: Vec<_> = rtcp::parse(&bytes).unwrap().collect();
    let [Report::Receiver { ssrc: OURS, .. }, Report::Description(_), Report::Goodbye(bye)] = reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(bye.iter().collect::<Vec<_>>(), [OURS]);
    assert_eq!(b.port.next_report(), now(1).monotonic);
    let (_, bytes) = b.report(1);
    let Some(Report::Receiver { ssrc, blocks }) = rtcp::parse(&bytes).unwrap().next() else { panic!() };
    assert_ne!(ssrc, OURS);
    assert_eq!(blocks.iter().next().unwrap().ssrc, OURS);
    assert!(b.port.next_report() > now(3).monotonic);
}

#[test]
fn a_port_that_closes_says_goodbye_once_if_it_was_ever_heard_of() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..50);
    let mut out = Vec::new();
    assert_eq!(b.port.farewell(now(1), &mut out), None, "nothing was ever sent");
    assert!(out.is_empty());
    b.report(1);
    b.send("192.0.2.9:4000", 1, 50..100);
    let to = b.port.farewell(now(3), &mut out);
    assert_eq!(to, Some(address("192.0.2.9:4001")));
    let reports: Vec<_> = rtcp::parse(&out).unwrap().collect();
    let [Report::Receiver { ssrc: OURS, blocks }, Report::Description(_), Report::Goodbye(bye)] = reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(blocks.iter().map(|block| block.ssrc).collect::<Vec<_>>(), [1]);
    assert_eq!(bye.iter().collect::<Vec<_>>(), [OURS]);
    out.clear();
    assert_eq!(b.port.farewell(now(4), &mut out), None, "it has said so");
}

#[test]
fn who_lost_its_ssrc_to_another_says_goodbye_for_the_one_it_used() {
    let mut b = Bench::new(settings());
    b.send("192.0.2.9:4000", 1, 0..2);
    b.report(2);
    b.send("192.0.2.9:4000", OURS, 0..2);
    let mut out = Vec::new();
    assert!(b.port.farewell(now(3), &mut out).is_some());
    let goodbyes: Vec<u32> = rtcp::parse(&out)
        .unwrap()
        .filter_map(|report| if let Report::Goodbye(ssrcs) = report { Some(ssrcs) } else { None })
        .flat_map(|ssrcs| ssrcs.iter().collect::<Vec<_>>())
        .collect();
    assert_eq!(goodbyes, [OURS]);
}

#[test]
fn jitter_takes_the_clock_of_the_payload_type() {
    let jitter = |payload_type: u8, step: u32| {
        let mut b = Bench::new(settings());
        for n in 0..100_u16 {
            let mut packet = rtp(1, n);
            packet[1] = payload_type;
            packet[4..8].copy_from_slice(&(u32::from(n) * step).to_be_bytes());
            b.port.handle_rtp(Wall(i64::from(n) * SECOND / 50), address("192.0.2.9:4000"), &packet);
        }
        b.port.statistics().sources[0].statistics.jitter_us
    };
    assert_eq!(jitter(0, 160), 0);
    assert_eq!(jitter(96, 320), 0);
    assert_ne!(jitter(96, 160), 0);
    // Of an unknown clock nothing is said.
    assert_eq!(jitter(97, 999), 0);
}

proptest::proptest! {
    #[test]
    fn no_datagram_makes_it_panic(datagrams in proptest::collection::vec(
        (proptest::collection::vec(proptest::num::u8::ANY, 0..80), 0_u16..4, proptest::num::i64::ANY), 0..60)) {
        let mut b = Bench::new(settings());
        for (mut bytes, port, at) in datagrams {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            let from = SocketAddr::new([192, 0, 2, 9].into(), port);
            b.port.handle_rtp(Wall(at), from, &bytes);
            b.port.handle_rtcp(Wall(at), from, &bytes);
            let _ = b.report(1);
        }
        let _ = b.port.statistics();
    }
}

#[test]
fn digits_are_masked_or_emptied_before_they_are_kept_and_no_packet_is_lost_by_it() {
    let with = |digits| {
        let mut settings = settings();
        let format = |payload_type, encoding: &'static str| Format {
            payload_type,
            encoding: encoding.into(),
            clock_rate: 8_000,
            channels: 1,
            fmtp: None,
        };
        let more = [format(101, "Telephone-Event"), format(102, "red")];
        settings.stream.formats = settings.stream.formats.iter().cloned().chain(more).collect();
        settings.stream.digits = digits;
        Bench::new(settings)
    };
    // An extension, padding, and the digit 5.
    let head = [&[0xb0, 101][..], &[0; 10], &[0xbe, 0xde, 0, 1, 1, 2, 3, 4]].concat();
    let event = [&head[..], &[5, 0x0a, 1, 0x40, 0, 0, 0, 4]].concat();
    let unpadded = [&[0x90][..], &head[1..]].concat();
    let kept = |digits, packet: &[u8]| {
        let mut b = with(digits);
        let verdict = b.port.handle_rtp(Wall(0), address("192.0.2.9:4000"), packet);
        assert_eq!(b.port.statistics().packets, 1);
        match b.port.kept(verdict, false, address("192.0.2.9:4000"), packet) {
            Some(Kind::Rtp { packet, .. }) if verdict == Verdict::KeepEdited => Some(packet.to_vec()),
            _ => None,
        }
    };
    assert_eq!(kept(Digits::Keep, &event), None);
    let masked = [&unpadded[..], &[255, 0x0a, 1, 0x40]].concat();
    assert_eq!(kept(Digits::Mask, &event), Some(masked));
    assert_eq!(kept(Digits::Drop, &event), Some(unpadded));
    let audio = rtp(1, 1);
    assert_eq!(kept(Digits::Drop, &audio), None);
    // RFC 2198: a block of type 101 before the audio.
    let red = [&[0x80, 102][..], &[0; 10], &[0x80 | 101, 0, 0, 4, 8, 5, 0x8a, 1, 0x40, 0xd5]].concat();
    assert_eq!(kept(Digits::Mask, &red).as_deref(), Some(&red[..12]));
    let plain_red = [&[0x80, 102][..], &[0; 10], &[0x80 | 8, 0, 0, 1, 8, 0xd5, 0xd5]].concat();
    assert_eq!(kept(Digits::Mask, &plain_red), None);
    // A type that nobody has announced: what looks like an event is none that may be kept.
    let stray = |payload_type: u8| [&[0x80, payload_type][..], &[0; 10], &[5, 0x8a, 1, 0x40]].concat();
    assert_eq!(kept(Digits::Mask, &stray(99)), Some([&[0x80, 99][..], &[0; 10], &[255, 0x8a, 1, 0x40]].concat()));
    assert_eq!(kept(Digits::Drop, &stray(99)).as_deref(), Some(&stray(99)[..12]));
    assert_eq!(kept(Digits::Drop, &stray(8)), None, "that is audio, though short");
    let stray_red = [&[0x80, 102][..], &[0; 10], &[0x80 | 99, 0, 0, 4, 8, 5, 0x8a, 1, 0x40, 0xd5]].concat();
    assert_eq!(kept(Digits::Mask, &stray_red).as_deref(), Some(&stray_red[..12]));
    // Events have moved to another type; what is under way under the old one is no less an event, until that is another's.
    let described = |payload_type, encoding: &'static str| {
        let format = Format { payload_type, encoding: encoding.into(), clock_rate: 8_000, channels: 1, fmtp: None };
        let mut settings = settings();
        settings.stream.digits = Digits::Mask;
        settings.stream.formats = settings.stream.formats.iter().cloned().chain([format]).collect();
        settings
    };
    let mut b = Bench::new(described(101, "telephone-event"));
    let long = [&[0x80, 101][..], &[0; 10], &[5, 0x8a, 1, 0x40, 1, 0, 0, 9, 77, 0, 0, 9]].concat();
    let from = address("192.0.2.9:4000");
    for (payload_type, encoding, wanted) in
        [(96, "telephone-event", Verdict::KeepEdited), (101, "G726-32", Verdict::Keep)]
    {
        b.port.update(described(payload_type, encoding), now(1));
        assert_eq!(b.port.handle_rtp(Wall(0), from, &long), wanted, "{encoding}");
    }
}

#[test]
fn whole_pictures_are_asked_for_where_they_begin_and_where_one_is_damaged() {
    let feedback = Feedback { fir: true, pli: true, ..Feedback::default() };
    let mut port = Port::new(PortSettings { feedback, ..settings() }, now(0));
    let mut sequence = 0_u16;
    let mut receive = |port: &mut Port, ssrc: u32, skipped: u16, milliseconds: i64| {
        sequence += 1 + skipped;
        port.handle_rtp(Wall(milliseconds * 1_000_000), address("192.0.2.9:4000"), &rtp(ssrc, sequence));
    };
    let asked = |port: &mut Port, milliseconds: i64| {
        let at = Wall(milliseconds * 1_000_000);
        assert_eq!(port.wants_picture() && port.picture_due(at), port.picture_due(at));
        let mut out = Vec::new();
        port.report(Now { monotonic: Monotonic(0), wall: at }, &mut out);
        let count = rtcp::parse(&out).unwrap().filter(|report| matches!(report, Report::Feedback { .. })).count();
        (count, out)
    };
    receive(&mut port, 7, 0, 0);
    let (count, out) = asked(&mut port, 1);
    assert_eq!(count, 1);
    // RFC 5104 4.3.1: 206, format 4, our SSRC, 0, theirs, number 0.
    let fir = &out[out.len() - 20..];
    assert_eq!((&fir[..4], &fir[8..]), ([0x84, 206, 0, 4].as_slice(), [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0].as_slice()));
    assert_eq!(fir[4..8], OURS.to_be_bytes());
    receive(&mut port, 7, 0, 20);
    assert_eq!(asked(&mut port, 30).0, 0, "nothing is missing");
    receive(&mut port, 7, 2, 40);
    assert_eq!(asked(&mut port, 50).0, 0, "not twice within a second");
    let (count, out) = asked(&mut port, 1_100);
    // RFC 4585 6.3.1: 206, format 1, our SSRC, theirs.
    assert_eq!((count, &out[out.len() - 12..out.len() - 8]), (1, [0x81, 206, 0, 2].as_slice()));
    assert_eq!(out[out.len() - 4..], 7_u32.to_be_bytes());
    receive(&mut port, 8, 0, 3_000);
    let (_, out) = asked(&mut port, 3_010);
    assert_eq!(out[out.len() - 8..], [0, 0, 0, 8, 1, 0, 0, 0], "the next source, request number 1");
}

#[test]
fn nobody_is_asked_for_pictures_who_has_not_offered_it() {
    let mut port = Port::new(settings(), now(0));
    port.handle_rtp(Wall(0), address("192.0.2.9:4000"), &rtp(7, 1));
    port.handle_rtp(Wall(1), address("192.0.2.9:4000"), &rtp(7, 5));
    assert!(!port.wants_picture());
    let (mut only_fir, mut out) = (
        Port::new(PortSettings { feedback: Feedback { fir: true, ..Feedback::default() }, ..settings() }, now(0)),
        Vec::new(),
    );
    for (second, sequence) in [(0, 1), (5, 9)] {
        only_fir.handle_rtp(Wall(second * SECOND), address("192.0.2.9:4000"), &rtp(7, sequence));
        out.clear();
        only_fir.report(now(second), &mut out);
    }
    assert_eq!(out[out.len() - 20], 0x84, "loss, and nothing but FIR was agreed on");
}

#[test]
fn the_round_trip_is_asked_for_where_that_was_agreed_on_and_told_by_the_answer_to_the_last_question() {
    use crate::rtp::extended::{self, Block, SinceReference};
    let feedback = Feedback { round_trip: true, ..Feedback::default() };
    let mut port = Port::new(PortSettings { feedback, ..settings() }, now(0));
    let (from, rtcp_from) = (address("192.0.2.9:4000"), address("192.0.2.9:4001"));
    port.handle_rtp(Wall(0), from, &rtp(7, 1));
    let ask = |port: &mut Port, second: i64| {
        let mut out = Vec::new();
        port.report(now(second), &mut out).unwrap();
        let asked = |report| if let Report::Extended { blocks, .. } = report { Some(blocks) } else { None };
        let blocks = rtcp::parse(&out).unwrap().find_map(asked).expect("a reference time");
        let Some(Block::Reference { ntp }) = extended::blocks(blocks).next() else { panic!() };
        extended::middle(ntp)
    };
    let answer = |port: &mut Port, ms: i64, ssrc: u32, last_reference: u32| {
        let mut out = Vec::new();
        extended::encode_since(&mut out, 7, &SinceReference { ssrc, last_reference, delay: 32_768 });
        port.handle_rtcp(Wall(ms * 1_000_000), rtcp_from, &out);
        port.statistics().sources[0].statistics.round_trip_us
    };
    let first = ask(&mut port, 10);
    assert_eq!(answer(&mut port, 10_540, OURS + 1, first), None, "an answer to somebody else");
    let told = answer(&mut port, 10_540, OURS, first).unwrap();
    assert!((39_900..=40_100).contains(&told), "half a second there, 40 ms on the way: {told}");
    let second = ask(&mut port, 20);
    assert_eq!(answer(&mut port, 20_900, OURS, first), Some(told), "an answer to the question before");
    assert!(answer(&mut port, 20_520, OURS, second).is_some_and(|told| told < 20_100));
    let mut silent = Port::new(settings(), now(0));
    silent.handle_rtp(Wall(0), from, &rtp(7, 1));
    let mut out = Vec::new();
    silent.report(now(10), &mut out).unwrap();
    assert!(!rtcp::parse(&out).unwrap().any(|report| matches!(report, Report::Extended { .. })));
}
