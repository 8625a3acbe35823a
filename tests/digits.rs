//! Digits that must not be kept (`media.dtmf`) never reach the disk, neither those of RTP nor those of INFO.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::net::UdpSocket;
use std::time::Duration;
use support::raw::{Draft, Raw};
use support::server::Setup;
use support::src::Transport;
use support::src::body::Body;
use support::{files_below, pcap, recordings};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
const EVENT_TYPE: u8 = 101;

/// A call in which 4, 7 and 1 are pressed, as events; and 4 by INFO. The recording, and all events as they were kept.
fn call(dtmf: &str) -> (recordings::Recording, Vec<Vec<u8>>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.pcap");
    let mut server = Setup::default()
        .set(&format!("media.dtmf={dtmf}"))
        .arg("--sip-trace-file")
        .arg(trace.to_str().unwrap())
        .start();
    let raw = Raw::new(server.sip, Transport::Udp);
    let invite = Draft::invite(&raw);
    raw.send(&invite.bytes());
    let answer = raw.must_answer();
    raw.send(&invite.within(&raw, &answer, "ACK").bytes());
    let socket = UdpSocket::bind((server.sip.ip(), 0)).unwrap();
    for (sequence, code) in [(1, 4), (2, 7), (3, 1)] {
        let mut packet = vec![0x80, EVENT_TYPE, 0, sequence, 0, 0, sequence, 0, 0, 0, 0, 9];
        packet.extend([code, 0x8a, 3, 0x20]);
        socket.send_to(&packet, (server.sip.ip(), answer.media()[0].port)).unwrap();
    }
    let bytes = b"Signal=4\r\nDuration=160\r\n".to_vec();
    let body = Some(Body { content_type: "application/dtmf-relay".into(), bytes });
    let info = Draft { body, ..invite.within(&raw, &answer, "INFO") };
    assert_eq!(raw.ask(&info).status(), 200);
    assert_eq!(raw.ask(&Draft { cseq: 3, ..invite.within(&raw, &answer, "BYE") }).status(), 200);
    let recording = recordings::wait(&server.data, answer.header("Call-ID").unwrap(), RENDERED_WITHIN);
    // The trace is whole once its writer is gone.
    server.terminate();
    let journal = files_below(&server.data.join("journals"));
    let journal: Vec<_> = journal.iter().filter(|p| p.extension().is_some_and(|e| e == "pcapng")).collect();
    let kept = journal.iter().flat_map(|file| pcap::read(file).unwrap());
    let kept = kept.filter(|d| d.interface.starts_with("rtp")).map(|d| d.payload[12..].to_vec()).collect();
    let told = |file: &std::path::Path| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(8).any(|w| w == b"Signal=4")
    };
    let told = journal.iter().any(|file| told(file)) || told(&trace);
    (recording, kept, told)
}

fn listed(recording: &recordings::Recording) -> Vec<Option<&str>> {
    recording.list("/digits").iter().map(|d| d["digit"].as_str()).collect()
}

#[test]
fn kept_they_are_listed() {
    let (recording, kept, told) = call("keep");
    assert_eq!(listed(&recording), [Some("4"), Some("7"), Some("1"), Some("4")]);
    assert!(kept.contains(&vec![7, 0x8a, 3, 0x20]) && told);
}

#[test]
fn masked_only_their_times_are_known() {
    let (recording, kept, told) = call("mask");
    assert_eq!(listed(&recording), [None; 4]);
    assert_eq!(kept, vec![vec![255, 0x8a, 3, 0x20]; 3]);
    assert!(!told);
    assert_eq!(recording.number("/proof/packets_lost"), Some(0));
}

#[test]
fn dropped_there_is_nothing_of_them() {
    let (recording, kept, told) = call("drop");
    assert!(recording.list("/digits").iter().all(|d| d["digit"].is_null()));
    assert_eq!(kept, vec![Vec::<u8>::new(); 3]);
    assert!(!told);
    assert_eq!(recording.number("/proof/packets_lost"), Some(0));
}
