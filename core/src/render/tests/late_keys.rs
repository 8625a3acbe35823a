//! Keys that come long after the packets they are for: a real port makes the journal, and the renderer opens what it could not.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::call::*;
use crate::entry::{Digits, Event, Kind, PortIndex, Protected, SegmentHeader, Stream};
use crate::journal::FORMAT_VERSION;
use crate::media::{self, Port, PortSettings, Protection};
use crate::node_key::NodeKey;
use crate::render::{GapCause, Sidecar};
use crate::sdp::crypto::{Crypto, Encryption, InlineKey, MasterKey, Suite};
use crate::seed::{Seed, SessionId};
use crate::srtp::{Sender, SenderState};
use crate::time::{Monotonic, Now, Wall};

const SESSION: SessionId = SessionId(77);
const PACKET: i64 = 20 * MS;

/// The SRC's line with key number `n`.
fn line(n: u8) -> Crypto {
    Crypto::offer(1, MasterKey::new(Suite::AesCm128HmacSha1_80, &[n; 30]).unwrap().into())
}

/// The same, good for so many packets.
fn line_for(n: u8, packets: u64) -> Crypto {
    let key: InlineKey = line(n).keys[0].clone();
    Crypto::offer(1, InlineKey { lifetime: Some(packets), ..key })
}

fn sender(n: u8) -> Sender {
    Sender::new(&line(n).keys[0], Encryption::default()).unwrap()
}

/// Line 0 of a call through a port of ours, into a journal.
struct Recorder {
    call: Call,
    port: Port,
    settings: PortSettings,
}

impl Recorder {
    fn new(digits: Digits) -> Self {
        let mut call = Call { node_key: Some(NodeKey::new(&[5; 32])), ..Call::default() };
        let header = SegmentHeader {
            version: "1".into(),
            format: FORMAT_VERSION,
            session: SESSION,
            segment: 1,
            seed: Seed([0; 32]),
            anchor: (Monotonic(0), Wall(ZERO)),
            boot: String::new(),
            config: Arc::default(),
        };
        call.event(-3 * MS, Event::Segment(header));
        call.items.extend(Call::new().items);
        call.event(-2 * MS, Event::Stream(Stream { digits, ..stream(0) }));
        let stream = Stream { digits, ..stream(0) };
        let settings = PortSettings { stream, srtp: Some(protection(&[])), ..media::tests::settings() };
        Self { call, port: Port::new(settings.clone(), now(ZERO)), settings }
    }

    /// The SRC tells a key, so many ns from t = 0.
    fn key(&mut self, at: i64, line: &Crypto) {
        let text = format!("t {}\n", line.encode());
        let wrapped = NodeKey::new(&[5; 32]).wrap(format!("srtp {SESSION} 0").as_bytes(), text.as_bytes());
        self.call.event(at, Event::SrtpKeys { port: PortIndex(0), suite: Some(line.suite), wrapped });
        self.settings.srtp = Some(protection(&line.keys));
        self.port.update(self.settings.clone(), now(ZERO + at));
        self.try_again();
    }

    fn try_again(&mut self) {
        let mut packet = Vec::new();
        while let Some((at, _)) = self.port.poll_sealed(&mut packet) {
            self.arrive(at.0, &packet);
        }
    }

    fn arrive(&mut self, at: i64, packet: &[u8]) {
        let from = address(9, 20_000);
        let verdict = self.port.handle_rtp(Wall(at), from, packet);
        let Some(Kind::Rtp { packet, protected, .. }) = self.port.kept(verdict, false, from, packet) else { return };
        let bytes = packet.to_vec();
        let item = match protected {
            Some(Protected::Authentic { index }) => Item::Authentic { port: 0, bytes, index },
            Some(Protected::Sealed) => Item::Sealed { port: 0, bytes },
            other @ (Some(Protected::Opened { .. }) | None) => panic!("{other:?}"),
        };
        self.call.items.push((at, item));
    }

    /// Packets `from` to `to` of line 0 under a key.
    fn say(&mut self, sender: &mut Sender, from: i64, to: i64) {
        for (at, packet) in protected(sender, from, to) {
            self.arrive(at, &packet);
            self.try_again();
        }
    }

    /// Sealed packets in the journal that the port never opened.
    fn left_sealed(&self) -> usize {
        let marks = |wanted: fn(&Item) -> Option<&Vec<u8>>| {
            let of = move |(at, item): &(i64, Item)| wanted(item).map(|bytes| (*at, bytes[2..4].to_vec()));
            self.call.items.iter().filter_map(of).collect::<Vec<_>>()
        };
        let plain = marks(|item| if let Item::Authentic { bytes, .. } = item { Some(bytes) } else { None });
        let sealed = marks(|item| if let Item::Sealed { bytes, .. } = item { Some(bytes) } else { None });
        sealed.iter().filter(|mark| !plain.contains(mark)).count()
    }

    fn render(self, seconds: i64) -> Rendered {
        self.call.render(seconds * SECOND)
    }
}

fn now(at: i64) -> Now {
    Now { monotonic: Monotonic(u64::try_from(at - ZERO).unwrap()), wall: Wall(at) }
}

fn protection(keys: &[InlineKey]) -> Arc<Protection> {
    Arc::new(Protection::new(keys.to_vec(), None, Encryption::default(), SenderState::default()))
}

fn protected(sender: &mut Sender, from: i64, to: i64) -> Vec<(i64, Vec<u8>)> {
    let seal = |(at, item)| {
        let Item::Packet { mut bytes, .. } = item else { panic!() };
        sender.protect(&mut bytes).unwrap();
        (at, bytes)
    };
    Leg::new(0).packets(0, to).into_iter().skip(usize::try_from(from).unwrap()).map(seal).collect()
}

/// The same line without SRTP.
fn plain(packets: i64, seconds: i64) -> Rendered {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, packets));
    call.render(seconds * SECOND)
}

/// All but the names of what was done.
fn assert_whole(done: &Rendered, packets: i64, seconds: i64) {
    assert!(done.files == plain(packets, seconds).files, "the audio is another");
    let (proof, packets) = (&done.plan.sidecar.proof, u64::try_from(packets).unwrap());
    assert_eq!((proof.packets_received, proof.packets_lost), (packets, 0));
    assert_eq!(proof.gaps, []);
}

fn sealed_gaps(sheet: &Sidecar) -> u64 {
    let gaps = sheet.proof.gaps.iter().filter(|gap| gap.cause == GapCause::Sealed);
    gaps.filter_map(|gap| gap.packets).sum()
}

/// Under key 1 as far as packet 200, then under key 2, which is told at packet `told`.
fn rekeyed(told: i64, packets: i64) -> Recorder {
    let mut recorder = Recorder::new(Digits::Keep);
    recorder.key(0, &line(1));
    recorder.say(&mut sender(1), 0, 200);
    let mut sender = sender(2);
    recorder.say(&mut sender, 200, told);
    recorder.key(told * PACKET + LEAD - 10 * MS, &line(2));
    recorder.say(&mut sender, told, packets);
    recorder
}

#[test]
fn a_key_told_fourteen_seconds_after_it_was_used_loses_nothing() {
    let recorder = rekeyed(900, 1_000);
    assert!((300..400).contains(&recorder.left_sealed()), "{}: the port opens seven seconds", recorder.left_sealed());
    let done = recorder.render(21);
    assert_whole(&done, 1_000, 21);
    assert_eq!(done.plan.sidecar.proof.opened_late, 700);
    assert!(done.findings().contains("700 SRTP packets came before their key"), "{}", done.findings());
    assert!(!done.findings().contains("sealed"), "{}", done.findings());
}

#[test]
fn a_key_told_when_the_call_is_over_opens_all_of_it() {
    let mut recorder = rekeyed(900, 900);
    assert!(recorder.left_sealed() > 300);
    recorder
        .call
        .event(18 * SECOND + 500 * MS, Event::Alarm { alarm: crate::entry::Alarm::NoRtp, port: None, raised: true });
    let done = recorder.render(21);
    assert_whole(&done, 900, 21);
}

#[test]
fn without_the_nodes_key_what_the_port_did_not_open_stays_sealed() {
    for node_key in [None, Some(NodeKey::new(&[6; 32]))] {
        let mut recorder = rekeyed(900, 1_000);
        let left = u64::try_from(recorder.left_sealed()).unwrap();
        recorder.call.node_key = node_key;
        let done = recorder.render(21);
        let proof = &done.plan.sidecar.proof;
        assert_eq!((proof.packets_lost, proof.opened_late), (left, 700 - left));
        assert_eq!(sealed_gaps(&done.plan.sidecar), left);
        // Whose fault it is: the SRC has told its keys.
        assert_eq!((proof.sealed, proof.node_key_missing), (left, true));
        assert!(done.findings().contains(&format!("{left} SRTP packets are kept sealed")), "{}", done.findings());
        assert!(done.findings().contains("node.key, which unwraps them, is missing"), "{}", done.findings());
        assert!(!done.findings().contains("under no"), "{}", done.findings());
    }
}

/// Nothing was ever authentic, and the stream is hours or years old: its counter is told by nothing.
#[test]
fn a_rollover_counter_that_nothing_tells_is_searched_for() {
    for rollovers in [0_u32, 70, 5_000] {
        let mut recorder = Recorder::new(Digits::Keep);
        let mut sender = sender(1);
        // As far as the round before the leg's first packet.
        for sequence in (0..rollovers).flat_map(|_| [0_u16, 30_000, 60_000]) {
            let mut packet = Vec::from([0x80, 8]);
            packet.extend(sequence.to_be_bytes());
            packet.extend([0; 4]);
            packet.extend((0x1000_u32).to_be_bytes());
            packet.extend([0; 160]);
            sender.protect(&mut packet).unwrap();
        }
        recorder.say(&mut sender, 0, 500);
        assert_eq!(recorder.left_sealed(), 500);
        recorder.key(11 * SECOND, &line(1));
        let done = recorder.render(12);
        assert_whole(&done, 500, 12);
        assert_eq!(done.plan.sidecar.proof.opened_late, 500, "{rollovers}");
    }
}

#[test]
fn a_key_whose_lifetime_is_over_opens_nothing_more() {
    let mut recorder = Recorder::new(Digits::Keep);
    recorder.key(0, &line_for(1, 300));
    recorder.say(&mut sender(1), 0, 400);
    assert_eq!(recorder.left_sealed(), 100);
    let done = recorder.render(10);
    assert_eq!((done.plan.sidecar.proof.packets_received, done.plan.sidecar.proof.opened_late), (300, 0));
    assert_eq!(sealed_gaps(&done.plan.sidecar), 100);
    assert_eq!((done.plan.sidecar.proof.sealed, done.plan.sidecar.proof.node_key_missing), (100, false));
    // Nor is more opened late than it has left.
    let mut recorder = Recorder::new(Digits::Keep);
    let mut sender = sender(1);
    recorder.say(&mut sender, 0, 400);
    recorder.key(8 * SECOND + LEAD - 10 * MS, &line_for(1, 500));
    recorder.say(&mut sender, 400, 600);
    let done = recorder.render(13);
    assert_eq!(done.plan.sidecar.proof.packets_received, 500);
}

#[test]
fn what_was_not_to_be_kept_whole_is_not_opened() {
    for digits in [Digits::Mask, Digits::Drop] {
        let mut recorder = Recorder::new(digits);
        let sealed = protected(&mut sender(1), 0, 500);
        for (at, packet) in &sealed {
            recorder.arrive(*at, packet);
        }
        assert_eq!(recorder.left_sealed(), 0, "a port keeps none");
        // Were there any all the same.
        for (at, bytes) in sealed {
            recorder.call.items.push((at, Item::Sealed { port: 0, bytes }));
        }
        recorder.key(11 * SECOND, &line(1));
        recorder.call.items.retain(|(_, item)| !matches!(item, Item::Authentic { .. }));
        let done = recorder.render(12);
        let proof = &done.plan.sidecar.proof;
        assert_eq!((proof.packets_received, proof.opened_late), (0, 0), "{digits:?}");
        assert_eq!(sealed_gaps(&done.plan.sidecar), 500);
    }
}

/// Forged packets are never opened and keep nothing else sealed; what the network doubled is opened once.
#[test]
fn a_flood_of_forged_packets_keeps_nothing_sealed() {
    let mut recorder = Recorder::new(Digits::Keep);
    recorder.key(0, &line(1));
    recorder.say(&mut sender(1), 0, 200);
    let forged: Vec<(i64, Vec<u8>)> = (0..8)
        .flat_map(|n| protected(&mut sender(66), 200, 900).into_iter().map(move |(at, p)| (at - n * MS, p)))
        .collect();
    let genuine = protected(&mut sender(2), 200, 900);
    for (at, bytes) in forged.iter().chain(&genuine).chain(&genuine[..100]) {
        recorder.call.items.push((*at, Item::Sealed { port: 0, bytes: bytes.clone() }));
    }
    recorder.key(18 * SECOND + LEAD, &line(2));
    let done = recorder.render(20);
    assert!(done.files == plain(900, 20).files, "the audio is another");
    let proof = &done.plan.sidecar.proof;
    assert_eq!((proof.packets_received, proof.packets_lost, proof.opened_late), (900, 0, 700));
    assert!(done.findings().contains("5600 SRTP packets were under no key"), "{}", done.findings());
}
