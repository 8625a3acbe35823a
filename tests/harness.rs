//! The harness under test: a judge that passes everything proves nothing, so each fault it must see is shown to it; and
//! the SRC is held against the smallest recorder there is.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::time::{Duration, Instant};
use support::fake::Fake;
use support::recordings::parse_time;
use support::src::{Call, Src, lock};
use support::studio::{LegLog, Plan, Sent, Transcript};
use support::voice::{self, PACKET, TONES, Voice, linear, tone_hz};
use support::wav::{Allow, Audio, Tones, judge, level};
use support::{becomes_true, wall_now};

const PACKETS: u32 = 250;
const LEAD: usize = 311;

/// A call of two legs that was sent without any accident.
fn flawless(call: usize) -> Transcript {
    let start = 1_800_000_000_000_000_000;
    let packets: Vec<Sent> = (0..PACKETS)
        .map(|number| Sent {
            number,
            ssrc: 7,
            sequence: u16::try_from(number).unwrap(),
            at: start + i64::from(number) * 20_000_000,
            copies: 1,
        })
        .collect();
    let leg = LegLog { plan: Plan { packets: PACKETS, ..Plan::default() }, packets };
    Transcript { call, start, legs: vec![leg.clone(), leg], bye_at: None }
}

/// Its true recording.
fn true_audio(call: usize) -> Audio {
    let channel = |leg| {
        let voice = Voice::new(call, leg, PACKETS * PACKET).samples(0, PACKETS * PACKET);
        std::iter::repeat_n(0, LEAD).chain(voice.into_iter().map(linear)).collect()
    };
    Audio { rate: 8000, channels: vec![channel(0), channel(1)] }
}

fn verdict(audio: Audio, transcript: &Transcript) -> Vec<String> {
    let started_at = transcript.start - 38_875_000;
    judge(&[audio], started_at, transcript, &Allow::default()).faults
}

#[test]
fn a_true_recording_has_no_faults() {
    for call in [0, 1, 2, 17, 49, 62] {
        assert_eq!(verdict(true_audio(call), &flawless(call)), Vec::<String>::new(), "call {call}");
    }
}

#[test]
fn every_tone_is_told_from_every_other() {
    for tone in 0..TONES {
        let (call, leg) = (tone / 3, tone % 3);
        if voice::tone_of(call, leg) != tone {
            continue;
        }
        let quiet = Voice::new(call, leg, 0).samples(0, 2000);
        let heard: Vec<i16> = quiet.into_iter().map(linear).collect();
        for other in (0..TONES).filter(|o| *o != tone) {
            let db = level(&heard, tone_hz(other));
            assert!(db < -52.0, "{} Hz shows at {} Hz with {db:.1} dB", tone_hz(tone), tone_hz(other));
        }
    }
}

#[test]
fn each_fault_is_seen() {
    let faulty = |what: &str, spoil: &dyn Fn(&mut Audio)| {
        let mut audio = true_audio(5);
        spoil(&mut audio);
        assert!(!verdict(audio, &flawless(5)).is_empty(), "not seen: {what}");
    };
    faulty("legs swapped", &|a| a.channels.swap(0, 1));
    faulty("a leg 2 ms late", &|a| a.channels[1].splice(0..0, [0; 16]).for_each(drop));
    faulty("both legs 100 ms late", &|a| a.channels.iter_mut().for_each(|c| c.splice(0..0, [0; 800]).for_each(drop)));
    faulty("20 ms missing", &|a| a.channels.iter_mut().for_each(|c| drop(c.drain(20_000..20_160))));
    faulty("20 ms at the end missing twice", &|a| a.channels.iter_mut().for_each(|c| c.truncate(c.len() - 330)));
    faulty("half a second too long", &|a| a.channels.iter_mut().for_each(|c| c.extend([0; 4000])));
    faulty("a click missing", &|a| {
        let click = LEAD + voice::clicks(5, PACKETS * PACKET)[2] as usize;
        a.channels[0][click..click + 80].fill(0);
    });
    faulty("a click too many", &|a| a.channels[1][LEAD + 100..LEAD + 110].fill(30_000));
    faulty("-45 dB of another call", &|a| {
        let other = Voice::new(9, 1, 0).samples(0, PACKETS * PACKET);
        for (mine, theirs) in a.channels[0][LEAD..].iter_mut().zip(other) {
            *mine += linear(theirs) / 16;
        }
    });
    faulty("silence", &|a| a.channels.iter_mut().for_each(|c| c.fill(0)));
    faulty("300 ppm too slow", &|a| {
        for channel in &mut a.channels {
            for n in (0..channel.len()).step_by(3333).rev() {
                channel.insert(n, 0);
            }
        }
    });
    faulty("mono", &|a| a.channels.truncate(1));
}

#[test]
fn what_was_lost_is_not_asked_for() {
    let mut transcript = flawless(3);
    let click = voice::clicks(3, PACKETS * PACKET)[1];
    for number in click / PACKET..=(click + 79) / PACKET {
        transcript.legs[0].packets[number as usize].copies = 0;
    }
    let mut audio = true_audio(3);
    assert!(!verdict(audio.clone(), &transcript).is_empty(), "a click nobody sent was heard and nobody wondered");
    let from = LEAD + (click / PACKET * PACKET) as usize;
    audio.channels[0][from..from + 320].fill(0);
    assert_eq!(verdict(audio, &transcript), Vec::<String>::new());
}

#[test]
fn a_pause_that_leaks_is_seen() {
    let transcript = flawless(4);
    let pause = transcript.start + 1_500_000_000..transcript.start + 3_500_000_000;
    let allow = Allow { silent: vec![pause], ..Allow::default() };
    let report = judge(&[true_audio(4)], transcript.start - 38_875_000, &transcript, &allow);
    assert!(report.faults.iter().any(|f| f.contains("cannot have been heard")), "{:?}", report.faults);
}

#[test]
fn a_leg_with_a_fast_clock_is_judged_by_its_clock() {
    let mut transcript = flawless(6);
    transcript.legs.iter_mut().for_each(|l| l.plan.skew_ppm = 200);
    let allow = Allow { tones: Tones::Some, ..Allow::default() };
    let faults = judge(&[true_audio(6)], transcript.start - 38_875_000, &transcript, &allow).faults;
    assert_eq!(faults, Vec::<String>::new(), "5 s at 200 ppm are 1 ms");
    transcript.legs.iter_mut().for_each(|l| l.plan.skew_ppm = 2000);
    let faults = judge(&[true_audio(6)], transcript.start - 38_875_000, &transcript, &allow).faults;
    assert!(!faults.is_empty(), "10 ms of drift were not seen");
}

#[test]
fn the_log_is_what_was_sent() {
    let fake = Fake::start(0, 1);
    let src = Src::udp(fake.address);
    let call = Call::new(&src, 1);
    assert_eq!(call.must_invite().status(), 200);
    call.talk(&Plan { loss: 0.1, duplicate: 0.1, reorder: 0.1, seed: 3, ..Plan::seconds(2.0) });
    let transcript = call.finish();
    let due: usize = transcript.legs.iter().flat_map(|l| &l.packets).map(|p| usize::from(p.copies)).sum();
    assert!(becomes_true(Duration::from_secs(5), || lock(&fake.heard).packets.len() == due), "not all arrived");
    let heard = lock(&fake.heard);
    for (leg, port) in transcript.legs.iter().zip(call.ports()) {
        assert_eq!(leg.packets.len(), 100);
        let lost = leg.packets.iter().filter(|p| p.copies == 0).count();
        assert!((1..30).contains(&lost), "{lost} lost of 100 at 10 %");
        for sent in leg.packets.iter().filter(|p| p.copies > 0) {
            let is_it =
                |bytes: &[u8]| bytes[2..4] == sent.sequence.to_be_bytes() && bytes[8..12] == sent.ssrc.to_be_bytes();
            let came: Vec<_> = heard.packets.iter().filter(|(to, bytes, _)| *to == port && is_it(bytes)).collect();
            assert_eq!(came.len(), usize::from(sent.copies), "packet {}", sent.number);
            assert!((came[0].2 - sent.at).abs() < 50_000_000, "came {} ns after it was sent", came[0].2 - sent.at);
        }
    }
}

#[test]
fn requests_are_repeated_until_answered_and_acks_as_often_as_asked_for() {
    let fake = Fake::start(1, 3);
    let src = Src::udp(fake.address);
    let call = Call::new(&src, 2);
    let begun = Instant::now();
    call.must_invite();
    assert!(begun.elapsed() >= Duration::from_millis(450), "the first INVITE was lost; T1 is 500 ms");
    let acks = || lock(&fake.heard).requests.iter().filter(|r| *r == "1 ACK").count();
    assert!(becomes_true(Duration::from_secs(5), || acks() >= 2), "a repeated 200 was not ACKed: {}", acks());
    assert_eq!(call.bye().unwrap().status(), 200);
    assert!(src.seen(call.call_id()).len() >= 3);
}

#[test]
fn tcp_calls_share_a_connection() {
    let fake = Fake::start(0, 1);
    let src = Src::tcp(fake.address);
    let calls: Vec<Call> = (0..3).map(|n| Call::new(&src, n)).collect();
    for call in &calls {
        call.must_invite();
        call.talk(&Plan::seconds(0.2));
    }
    for call in &calls {
        call.finish();
    }
    let heard = lock(&fake.heard);
    assert_eq!(heard.requests.iter().filter(|r| r.ends_with("BYE")).count(), 3);
    assert_eq!(heard.packets.len(), 60);
}

#[test]
fn times_are_those_of_the_calendar() {
    assert_eq!(parse_time("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(parse_time("2000-02-29T00:00:00.000Z"), Some(951_782_400_000_000_000));
    assert_eq!(parse_time("2026-11-23T03:13:21.042Z"), Some(1_795_403_601_042_000_000));
    assert_eq!(parse_time("yesterday"), None);
    assert!(wall_now() > 1_700_000_000_000_000_000);
}

#[test]
fn a_capture_and_tshark_agree_with_the_log() {
    if !support::tshark::present() {
        return;
    }
    let dir = support::TempDir::new("capture");
    let fake = Fake::start(0, 1);
    let filter = format!("udp and host {}", fake.address.ip());
    // On a busy machine a capture may lose packets, and says so: then it proves nothing, and is made again.
    let captured = (0..3).find_map(|n| {
        let src = Src::udp(fake.address);
        let call = Call::new(&src, 1);
        let capture = support::tshark::Capture::start(&dir.path().join(format!("lo-{n}.pcap")), &filter);
        call.must_invite();
        call.talk(&Plan { loss: 0.05, ..Plan::seconds(2.0) });
        let transcript = call.finish();
        capture.stop().map(|file| (file, transcript))
    });
    let (file, transcript) = captured.expect("three captures lost packets");
    let streams = support::tshark::rtp_streams(&file, fake.address.port());
    let seen: Vec<_> = support::pcap::read(&file).unwrap().iter().filter_map(support::pcap::Datagram::rtp).collect();
    for leg in &transcript.legs {
        let arrived: Vec<&Sent> = leg.packets.iter().filter(|p| p.copies > 0).collect();
        let stream = streams.iter().find(|s| s.ssrc == arrived[0].ssrc).expect("tshark does not see the stream");
        assert_eq!(usize::try_from(stream.packets).unwrap(), arrived.len());
        let (first, last) = (arrived[0].number, arrived[arrived.len() - 1].number);
        assert_eq!(stream.lost, i64::from(last - first + 1) - i64::try_from(arrived.len()).unwrap());
        assert!(arrived.iter().all(|p| seen.contains(&(p.ssrc, p.sequence))), "the capture lacks a packet");
    }
    assert_eq!(support::tshark::complaints(&file, fake.address.port()), Vec::<String>::new());
    assert!(support::tshark::sip_lines(&file, fake.address.port()).iter().any(|l| l.starts_with("BYE")));
}

#[test]
fn sipp_speaks_with_the_voice_it_is_given() {
    if !support::sipp::present() {
        return;
    }
    let dir = support::TempDir::new("sipp");
    let fake = Fake::start(0, 1);
    let run = support::sipp::Run { calls: 1, rate: 1, packets: 100, voice: 7, tcp: false };
    support::sipp::record(fake.address, &run, dir.path()).unwrap();
    let heard = lock(&fake.heard);
    let said: Vec<u8> = heard.packets.iter().flat_map(|(_, bytes, _)| bytes[12..].to_vec()).collect();
    assert!(said.len() >= 15_000, "{} bytes of audio", said.len());
    let voice = Voice::new(7, 0, 100 * PACKET).samples(0, 100 * PACKET);
    assert!(said.iter().zip(&voice).all(|(a, b)| a == b), "SIPp sent another audio than it was given");
}

#[test]
fn a_namespace_of_our_own_has_loopback() {
    support::namespace::inside(support::namespace::Own::Network, "a_namespace_of_our_own_has_loopback", || {
        assert!(std::net::TcpListener::bind("127.0.0.1:5060").is_ok());
        let socket = std::net::UdpSocket::bind("[::1]:5060").unwrap();
        assert!(socket.send_to(b"x", "[::1]:5060").is_ok());
        assert!(socket.send_to(b"x", "192.0.2.1:9").is_err(), "something can leave this machine");
    });
}
