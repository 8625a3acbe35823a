//! What is done to packets on purpose is done as much as was asked for, and what is reported was sent.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use siprec_core::seed::Seed;

use super::*;

const PTIME_NS: u64 = PTIME_MS as u64 * 1_000_000;
const PACKETS: u64 = 10_000;

fn stream(impairments: Impairments) -> Stream {
    let leg = Leg::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
    let source = Source::Made { payloads: vec![vec![0xd5; 160]].into(), payload_type: 8 };
    Stream::new(leg, source, impairments, Random::new(Seed([7; 32])), 0, 1.0)
}

/// Sends to `rtp` and reports to `rtcp`.
fn towards(rtp: &UdpSocket, rtcp: &UdpSocket) -> Destination {
    let at = |socket: &UdpSocket| socket.local_addr().ok();
    Destination { rtp: at(rtp), rtcp: at(rtcp), sends: true, key: None, their_key: None }
}

fn sink() -> UdpSocket {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    sink.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    sink
}

/// How much later than due each packet is sent, ms; none of those that are lost.
fn delays(impairments: Impairments) -> Vec<Option<f64>> {
    let (rtp, rtcp) = (sink(), sink());
    let mut stream = stream(impairments);
    stream.aim(towards(&rtp, &rtcp));
    let delay = |at: u64, step: Step| match step {
        Step::Now(_) => Some(0.0),
        Step::Later(later, _) => Some((later - at) as f64 / 1e6),
        Step::Nothing => None,
    };
    (0..PACKETS).map(|n| delay(n * PTIME_NS, stream.step(n * PTIME_NS))).collect()
}

#[test]
fn jitter_is_even_up_to_what_was_asked_for() {
    // Less than a packet's time, so that none waits for the one before.
    let delays = delays(Impairments { jitter: Duration::from_millis(18), ..Impairments::default() });
    let delays: Vec<f64> = delays.into_iter().flatten().collect();
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let most = delays.iter().copied().fold(0.0, f64::max);
    assert!((8.7..9.3).contains(&mean) && (17.5..18.0).contains(&most), "mean {mean}, most {most} ms");
}

#[test]
fn jitter_beyond_a_packets_time_keeps_the_order() {
    let delays = delays(Impairments { jitter: Duration::from_millis(60), ..Impairments::default() });
    let left: Vec<f64> = delays.iter().enumerate().map(|(n, delay)| n as f64 * 20.0 + delay.unwrap()).collect();
    assert!(left.is_sorted());
    assert!(delays.iter().flatten().any(|&delay| delay > 55.0) && delays.iter().flatten().all(|&delay| delay < 60.0));
}

#[test]
fn so_many_packets_are_lost_and_so_many_come_behind_the_next_one() {
    let delays = delays(Impairments { loss: 0.05, reorder: 0.1, ..Impairments::default() });
    let lost = delays.iter().filter(|delay| delay.is_none()).count();
    let behind = delays.iter().flatten().filter(|&&delay| (delay - 30.0).abs() < 0.001).count();
    assert!((430..570).contains(&lost), "{lost} of {PACKETS}");
    assert!((870..1_030).contains(&behind), "{behind} of the others");
    assert!(delays.iter().flatten().all(|&delay| delay == 0.0 || delay > 20.0), "one and a half packets, or none");
}

#[test]
fn a_fast_clock_is_due_earlier_by_its_skew() {
    for (ppm, expected_ms) in [(0.0, 200_000.0), (200.0, 199_960.008), (-200.0, 200_040.008)] {
        let mut stream = stream(Impairments { skew_ppm: ppm, ..Impairments::default() });
        (0..PACKETS).for_each(|n| drop(stream.step(n)));
        let due = stream.due().unwrap() as f64 / 1e6;
        assert!((due - expected_ms).abs() < 0.01, "{due} ms at {ppm} ppm");
    }
}

#[test]
fn a_sender_report_tells_what_was_sent_and_not_what_was_lost_on_purpose() {
    let (rtp, rtcp) = (sink(), sink());
    let mut stream = stream(Impairments { loss: 0.5, ..Impairments::default() });
    stream.aim(towards(&rtp, &rtcp));
    for n in 0..200 {
        if let Step::Now(packet) = stream.step(n * PTIME_NS) {
            stream.send(&packet);
        }
    }
    stream.report(1_795_403_601_042_000_000, false);
    let mut buffer = [0; 1_500];
    let length = rtcp.recv(&mut buffer).unwrap();
    let Some(Report::Sender(report)) = rtcp::parse(&buffer[..length]).unwrap().next() else { panic!("no report") };
    assert!((60..140).contains(&report.packets), "{report:?}");
    assert_eq!(u64::from(report.packets), 200 - stream.sent.lost_on_purpose);
    assert_eq!(report.octets, report.packets * 160);
}

#[test]
fn an_ended_line_makes_nothing_new() {
    let (rtp, rtcp) = (sink(), sink());
    let mut stream = stream(Impairments::default());
    stream.aim(towards(&rtp, &rtcp));
    assert!(stream.due().is_some());
    stream.end();
    assert_eq!(stream.due(), None);
}
