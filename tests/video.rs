//! What is no audio: pictures, kept as they come and asked for where they are missing; text, read line by line.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use siprec_core::rtp::rtcp;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use support::raw::{Draft, Raw};
use support::recordings;
use support::server::{Server, Setup};
use support::src::body::Body;
use support::src::{Message, Transport};
use support::{files_below, pause, until, wall_now};

const WITHIN: Duration = Duration::from_secs(10);
const SSRC: u32 = 0x00C0_FFEE;

/// A stream of an SRC: its RTP and RTCP sockets.
struct Stream {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    to: SocketAddr,
    sequence: u16,
    timestamp: u32,
}

impl Stream {
    fn new() -> Self {
        let (rtp, rtcp) = (0..100)
            .find_map(|_| {
                let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
                let next = rtp.local_addr().unwrap().port().checked_add(1)?;
                Some((rtp, UdpSocket::bind(("127.0.0.1", next)).ok()?))
            })
            .unwrap();
        rtcp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { rtp, rtcp, to: "127.0.0.1:9".parse().unwrap(), sequence: 100, timestamp: 0 }
    }

    fn port(&self) -> u16 {
        self.rtp.local_addr().unwrap().port()
    }

    fn send(&mut self, payload_type: u8, payload: &[u8]) {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(SSRC.to_be_bytes());
        packet.extend(payload);
        self.rtp.send_to(&packet, self.to).unwrap();
        self.sequence += 1;
        self.timestamp += 3_000;
    }

    /// The format of the next payload-specific feedback.
    fn asked(&self) -> Option<u8> {
        let mut buffer = [0; 2_048];
        until(WITHIN, || {
            let length = self.rtcp.recv(&mut buffer).ok()?;
            feedback(&buffer[..length])
        })
    }
}

/// RFC 4585 6.1: the format of a packet of type 206 in a compound.
fn feedback(mut compound: &[u8]) -> Option<u8> {
    assert!(rtcp::is_rtcp(compound));
    while let [first, kind, high, low, ..] = *compound {
        if kind == 206 {
            return Some(first & 0x1f);
        }
        compound = compound.get(4 * (usize::from(u16::from_be_bytes([high, low])) + 1)..)?;
    }
    None
}

fn invite(server: &Server, lines: &str) -> (Raw, Message) {
    let raw = Raw::new(server.sip, Transport::Udp);
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{lines}");
    let answer = raw.ask(&Draft { body: Some(Body::sdp(sdp)), ..Draft::invite(&raw) });
    assert_eq!(answer.status(), 200, "{}", answer.text());
    raw.follow_up(&answer, "ACK", answer.cseq().0);
    (raw, answer)
}

#[test]
fn video_is_kept_as_it_comes_and_whole_pictures_are_asked_for() {
    let server = Setup::default().set("media.record=[audio, video]").start();
    let mut video = Stream::new();
    let lines = format!(
        "m=video {} RTP/AVPF 96\r\na=rtpmap:96 H264/90000\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack pli\r\na=label:v\r\na=sendonly\r\n",
        video.port()
    );
    let (raw, answer) = invite(&server, &lines);
    assert!(answer.text().contains("a=rtcp-fb:* ccm fir\r\n"), "{}", answer.text());
    video.to = SocketAddr::new([127, 0, 0, 1].into(), answer.media()[0].port);
    video.send(96, &[0x67; 900]);
    assert_eq!(video.asked(), Some(4), "FIR: it begins in the middle of a call");
    pause(Duration::from_millis(1_100));
    video.sequence += 2;
    video.send(96, &[0x41; 900]);
    assert_eq!(video.asked(), Some(1), "PLI: some of a picture is lost");
    raw.follow_up(&answer, "BYE", answer.cseq().0 + 1);
    let recording = recordings::wait(&server.data, answer.call_id(), WITHIN);
    let stream = &recording.list("/streams")[0];
    assert_eq!((stream["label"].as_str(), stream["sources"][0]["packets"].as_u64()), (Some("v"), Some(2)));
    let to = server.scratch().join("exported");
    let mut export = Command::new(env!("CARGO_BIN_EXE_siprec"));
    export.args(["export", "--as", "pcap", "--data-dir"]).arg(&server.data).arg("--to").arg(&to);
    assert!(export.status().unwrap().success());
    let pcap = files_below(&to).into_iter().find(|file| file.extension().is_some_and(|e| e == "pcap" || e == "pcapng"));
    let bytes = std::fs::read(pcap.unwrap()).unwrap();
    assert!(bytes.windows(900).any(|window| window == [0x41; 900]), "the packets themselves");
}

#[test]
fn video_that_is_not_asked_for_is_answered_with_port_0_and_audio_is_recorded() {
    let server = Server::start();
    let lines = "m=audio 40000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\nm=video 40002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=label:2\r\na=sendonly\r\n";
    let (raw, answer) = invite(&server, lines);
    let ports: Vec<bool> = answer.media().iter().map(|media| media.port != 0).collect();
    assert_eq!(ports, [true, false]);
    raw.follow_up(&answer, "BYE", answer.cseq().0 + 1);
}

#[test]
fn text_stands_in_the_sheet_and_a_rest_of_it_is_no_alarm() {
    let server = Setup::default().set("media.rtp_timeout=1s").start();
    let mut text = Stream::new();
    let lines = format!("m=text {} RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\na=label:t\r\na=sendonly\r\n", text.port());
    let (raw, answer) = invite(&server, &lines);
    text.to = SocketAddr::new([127, 0, 0, 1].into(), answer.media()[0].port);
    let began = wall_now();
    for typed in ["Hel", "lo\u{2028}", "Bye\u{2028}"] {
        text.send(98, typed.as_bytes());
        pause(Duration::from_millis(300));
    }
    // Longer than audio may be silent, watched for a moment more.
    pause(Duration::from_secs(3));
    raw.follow_up(&answer, "BYE", answer.cseq().0 + 1);
    let recording = recordings::wait(&server.data, answer.call_id(), WITHIN);
    assert!(wall_now() - began > 3_000_000_000);
    let said: Vec<&str> = recording.list("/text").iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(said, ["Hello", "Bye"], "{}", recording.sheet);
    assert!(recording.list("/proof/alarms").is_empty(), "{:?}", recording.list("/proof/alarms"));
}
