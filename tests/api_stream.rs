//! The audio of a session as it comes, over a WebSocket, in each format.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::http::{Client, Frame, Socket};
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;
use support::voice::{tone_hz, tone_of};
use support::wav::level;
use support::{TempDir, pause};

const HEAD: usize = 12;

/// A call that talks, and a client that may listen to it.
fn talking(server: &Server, index: usize, seconds: f64) -> (Call, Client) {
    let call = Call::new(&Src::udp(server.sip), index);
    call.must_invite();
    call.talk(&Plan::seconds(seconds));
    pause(Duration::from_millis(500));
    (call, Client::new(server.api))
}

#[track_caller]
fn subscribe(client: &Client, said: &Value) -> (Socket, Value) {
    let mut socket = client.websocket("/ws/stream").unwrap();
    socket.say(&said.to_string());
    let Frame::Text(told) = socket.frame() else { panic!("no text first") };
    (socket, told)
}

/// So many frames: number, microseconds, audio.
#[track_caller]
fn frames(socket: &mut Socket, count: usize) -> Vec<(u32, u64, Vec<u8>)> {
    let mut out = Vec::new();
    while out.len() < count {
        match socket.frame() {
            Frame::Binary(octets) => {
                let number = u32::from_be_bytes(octets[..4].try_into().unwrap());
                let micros = u64::from_be_bytes(octets[4..HEAD].try_into().unwrap());
                out.push((number, micros, octets[HEAD..].to_vec()));
            }
            other @ (Frame::Text(_) | Frame::Closed) => panic!("{other:?} after {}", out.len()),
        }
    }
    out
}

fn samples(frames: &[(u32, u64, Vec<u8>)]) -> Vec<i16> {
    let octets = frames.iter().flat_map(|(_, _, audio)| audio.chunks_exact(2));
    octets.map(|pair| i16::from_le_bytes(pair.try_into().unwrap())).collect()
}

/// How loud each leg's tone of a call is in the loudest half of what was heard.
fn tones(heard: &[i16], call: usize) -> [f64; 2] {
    let second = &heard[heard.len() - 8_000..];
    [0, 1].map(|leg| level(second, tone_hz(tone_of(call, leg))))
}

#[test]
fn the_guides_subscription_gets_a_wav_of_all_who_speak_within_50_ms() {
    let server = Server::start();
    let (call, client) = talking(&server, 11, 6.0);
    let said = json!({ "action": "subscribe", "session_id": call.call_id(), "format": "wav" });
    let (mut socket, told) = subscribe(&client, &said);
    assert_eq!((&told["type"], &told["format"], &told["rate"]), (&json!("subscribed"), &json!("wav"), &json!(8_000)));
    let mut behind = Vec::new();
    let mut heard = Vec::new();
    for _ in 0..150 {
        heard.extend(frames(&mut socket, 1));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        // The time is that of the first sample; the last arrived 20 ms later.
        behind.push(now.saturating_sub(heard.last().unwrap().1 + 20_000));
    }
    assert!(heard.iter().enumerate().all(|(n, frame)| frame.0 as usize == n), "a number is left out");
    assert!(heard.windows(2).all(|pair| pair[1].1 - pair[0].1 == 20_000), "20 ms each");
    assert_eq!(&heard[0].2[..4], b"RIFF");
    assert_eq!(heard[0].2[4..8], [0xff; 4], "there is no end yet");
    heard[0].2.drain(..44);
    let [left, right] = tones(&samples(&heard), 11);
    assert!(left > -24.0 && right > -24.0, "both are heard: {left} and {right} dB");
    behind.sort_unstable();
    let (median, ninth) = (behind[75], behind[135]);
    assert!(median < 50_000 && ninth < 500_000, "half within {median} us, nine tenths within {ninth} us");
    call.wait();
    call.bye().unwrap();
    assert_eq!(socket.until(|text| text["type"] == "ended").len(), 1);
}

#[test]
fn one_stream_is_heard_alone_and_ulaw_is_what_came() {
    let server = Server::start();
    let (call, client) = talking(&server, 12, 6.0);
    let of =
        |format: &str| json!({ "action": "subscribe", "session_id": call.call_id(), "format": format, "stream": "2" });
    let (mut socket, told) = subscribe(&client, &of("pcm16"));
    assert_eq!(told["stream"], 1);
    let [first, second] = tones(&samples(&frames(&mut socket, 60)), 12);
    assert!(first < -50.0 && second > -24.0, "only the second: {first} and {second} dB");
    let (mut socket, told) = subscribe(&client, &of("ulaw"));
    assert_eq!(told["rate"], 8_000);
    assert!(frames(&mut socket, 20).iter().all(|(_, _, audio)| audio.len() == 160));
    socket.say(r#"{"action": "unsubscribe"}"#);
    let mut last = socket.frame();
    while let Frame::Binary(_) = last {
        last = socket.frame();
    }
    assert_eq!(last, Frame::Text(json!({ "type": "unsubscribed" })));
    call.wait();
    call.bye().unwrap();
}

/// Opus is judged by another decoder.
#[test]
fn opus_is_opus() {
    let server = Server::start();
    let (call, client) = talking(&server, 13, 6.0);
    let said = json!({ "action": "subscribe", "session_id": call.call_id(), "format": "opus" });
    let (mut socket, _) = subscribe(&client, &said);
    let packets = frames(&mut socket, 120);
    let folder = TempDir::new("opus");
    let file = folder.path().join("live.sdp");
    // Each packet goes to ffmpeg as RTP: it needs no container.
    let port = support::ports::single();
    let sdp = format!(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 111\na=rtpmap:111 opus/48000/2\n"
    );
    std::fs::write(&file, sdp).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-protocol_whitelist", "file,udp,rtp", "-i"]).arg(&file);
    ffmpeg.args(["-t", "1.5", "-f", "s16le", "-ar", "8000", "-ac", "1", "-"]).stdout(Stdio::piped());
    let child = ffmpeg.spawn().unwrap();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (n, (_, _, packet)) in packets.iter().cycle().take(240).enumerate() {
        let head =
            [&[0x80, 111][..], &(n as u16).to_be_bytes(), &(n as u32 * 960).to_be_bytes(), &[0, 0, 0, 9]].concat();
        let _ = sender.send_to(&[&head[..], packet].concat(), ("127.0.0.1", port));
        pause(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let heard = samples(&[(0, 0, output.stdout)]);
    let [left, right] = tones(&heard, 13);
    assert!(left > -26.0 && right > -26.0, "both are heard: {left} and {right} dB of {}", heard.len());
    call.wait();
    call.bye().unwrap();
}

#[test]
fn what_cannot_be_heard_is_told() {
    let server = Setup::default().start();
    let (call, client) = talking(&server, 14, 4.0);
    let id = call.call_id();
    for (said, status, word) in [
        (json!({ "action": "subscribe", "session_id": "call-123456", "format": "wav" }), 404, "no session"),
        (json!({ "action": "subscribe", "session_id": id, "format": "mp3" }), 400, "unknown variant"),
        (json!({ "action": "subscribe", "session_id": id, "stream": "9" }), 404, "no stream 9"),
        (json!({ "action": "dance" }), 400, "unknown variant"),
    ] {
        let (_, told) = subscribe(&client, &said);
        assert_eq!((&told["type"], &told["status"]), (&json!("error"), &json!(status)), "{told}");
        assert!(told["detail"].as_str().unwrap().contains(word), "{told}");
    }
    client.get("/ws/stream").problem(400);
    call.wait();
    call.bye().unwrap();
    server.assert_never_panicked();
}
