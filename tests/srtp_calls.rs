//! SRTP over the wire: foreign senders (GStreamer over libsrtp, ffmpeg, webrtc-srtp) against the real binary; re-keys,
//! forgers, a crash late in a stream, a capture. What is kept is what was said, octet for octet, and no key is anywhere.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

#[path = "srtp_calls/options.rs"]
mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::src::body::{Body, base64};
use support::src::{Call, Direction, Message, Src, Transport};
use support::tls::{Ca, Wanted};
use support::tshark::{self, Capture};
use support::{Rng, TempDir, becomes_true, files_below, pause, pcap};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);
/// Octets of G.711 in a packet.
const PACKET: usize = 160;
/// The sequence number that streams begin with: their rollover counter rises soon.
const FIRST: u16 = 65_500;

/// A suite by its name, the octets of its key and of its salt, and its name with webrtc-srtp.
struct Suite(&'static str, usize, usize, ProtectionProfile);

const SUITES: [Suite; 6] = [
    Suite("AES_CM_128_HMAC_SHA1_80", 16, 14, ProtectionProfile::Aes128CmHmacSha1_80),
    Suite("AES_CM_128_HMAC_SHA1_32", 16, 14, ProtectionProfile::Aes128CmHmacSha1_32),
    Suite("AES_256_CM_HMAC_SHA1_80", 32, 14, ProtectionProfile::Aes256CmHmacSha1_80),
    Suite("AES_256_CM_HMAC_SHA1_32", 32, 14, ProtectionProfile::Aes256CmHmacSha1_32),
    Suite("AEAD_AES_128_GCM", 16, 12, ProtectionProfile::AeadAes128Gcm),
    Suite("AEAD_AES_256_GCM", 32, 12, ProtectionProfile::AeadAes256Gcm),
];

/// Key and salt of a leg.
#[derive(Clone)]
struct Key {
    suite: usize,
    octets: Vec<u8>,
}

impl Key {
    fn new(suite: usize, seed: u64) -> Self {
        let mut rng = Rng(seed);
        let length = SUITES[suite].1 + SUITES[suite].2;
        Self { suite, octets: (0..length).map(|_| rng.number().to_le_bytes()[0]).collect() }
    }

    fn text(&self) -> String {
        base64(&self.octets)
    }

    fn hex(&self) -> String {
        self.octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn line(&self) -> String {
        format!("a=crypto:3 {} inline:{}\r\n", SUITES[self.suite].0, self.text())
    }

    fn context(&self) -> Context {
        let (key, salt) = self.octets.split_at(SUITES[self.suite].1);
        Context::new(key, salt, SUITES[self.suite].3, None, None).unwrap()
    }
}

/// The call's next offer, each leg under its key.
fn offer(call: &Call, keys: &[Key]) -> String {
    let plain = call.offer_sdp(&vec![Direction::SendOnly; keys.len()]).replace("RTP/AVP", "RTP/SAVP");
    let mut pieces = plain.split("a=label:");
    let mut out = pieces.next().unwrap().to_owned();
    for (piece, key) in pieces.zip(keys) {
        out += &format!("{}a=label:{piece}", key.line());
    }
    out
}

/// Sets a call up under these keys; our keys in the server's answer.
fn set_up(call: &Call, keys: &[Key]) -> Vec<Key> {
    let answer = call.invite_with(&Body::both(&offer(call, keys), &call.metadata.complete())).unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.start);
    call.acknowledge(&answer);
    answered(&answer, keys)
}

fn rekey(call: &Call, keys: &[Key]) -> Vec<Key> {
    let answer = call.invite_with(&Body::sdp(offer(call, keys))).unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.start);
    call.acknowledge(&answer);
    answered(&answer, keys)
}

/// The server's keys: the tag and suite of the offer's line, and a key of its own.
fn answered(answer: &Message, offered: &[Key]) -> Vec<Key> {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let lines: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("a=crypto:")).collect();
    assert_eq!(lines.len(), offered.len(), "{body}");
    let key = |(line, offered): (&&str, &Key)| {
        let text = line.strip_prefix(&format!("3 {} inline:", SUITES[offered.suite].0)).expect(line);
        assert_ne!(text, offered.text());
        Key { suite: offered.suite, octets: octets(text) }
    };
    lines.iter().zip(offered).map(key).collect()
}

fn octets(base64: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in base64.bytes().filter(|digit| *digit != b'=') {
        bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|known| *known == digit).unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    out
}

/// What a stream says: octets of A-law that no silence looks like.
fn speech(seed: u64, packets: usize) -> Vec<u8> {
    let mut rng = Rng(seed);
    (0..packets * PACKET).map(|_| rng.number().to_le_bytes()[0]).collect()
}

/// RTP payloads of a leg as the journal has them, by their place in the stream, `FIRST` being the first.
fn kept(recording: &Recording, leg: usize) -> BTreeMap<u16, Vec<u8>> {
    kept_in(&recording.segments(), leg)
}

fn kept_in(segments: &[PathBuf], leg: usize) -> BTreeMap<u16, Vec<u8>> {
    let mut out = BTreeMap::new();
    for datagram in segments.iter().flat_map(|segment| pcap::read(segment).unwrap()) {
        let (interface, rtp) = (datagram.interface.clone(), datagram.rtp());
        if let (true, Some((_, sequence))) = (interface.starts_with(&format!("rtp {leg}")), rtp) {
            out.insert(sequence.wrapping_sub(FIRST), datagram.payload[12..].to_vec());
        }
    }
    out
}

fn assert_said(recording: &Recording, leg: usize, said: &[u8], what: &str) {
    let kept = kept(recording, leg);
    let places: Vec<u16> = kept.keys().copied().collect();
    let expected: Vec<u16> = (0..u16::try_from(said.len() / PACKET).unwrap()).collect();
    assert_eq!(places, expected, "{what}: packets");
    assert!(kept.into_values().flatten().eq(said.iter().copied()), "{what}: payloads");
}

/// None of these keys stands in what the server wrote: journals, sidecars, catalog, trace, log.
fn assert_secret(server: &Server, more: &[&Path], keys: &[Key]) {
    let mut files = files_below(&server.data);
    files.extend(more.iter().map(|path| path.to_path_buf()));
    let mut texts: Vec<(String, Vec<u8>)> =
        files.iter().map(|file| (file.display().to_string(), std::fs::read(file).unwrap_or_default())).collect();
    texts.push(("the log".into(), server.log().into_bytes()));
    for key in keys {
        for (name, text) in &texts {
            let holds = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
            let shown =
                holds(key.text().trim_end_matches('=').as_bytes()) || holds(&key.octets) || holds(key.hex().as_bytes());
            assert!(!shown, "a key stands in {name}");
        }
    }
}

fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        support::lacking(&format!("{tool} is not installed"));
    }
    there
}

fn has_gstreamer() -> bool {
    has("gst-launch-1.0") && {
        let there =
            |element: &&str| Command::new("gst-inspect-1.0").args(["--exists", element]).status().unwrap().success();
        let elements = ["rawaudioparse", "rtppcmapay", "srtpenc", "udpsink"];
        let missing = elements.iter().find(|element| !there(element));
        missing.into_iter().for_each(|element| support::lacking(&format!("GStreamer has no {element}")));
        missing.is_none()
    }
}

/// GStreamer sends a file of A-law at its pace, protected by libsrtp.
fn gstreamer(key: &Key, file: &Path, to: SocketAddr) -> std::process::Output {
    let (cipher, auth) = match SUITES[key.suite].0 {
        "AES_CM_128_HMAC_SHA1_80" => ("aes-128-icm", "hmac-sha1-80"),
        "AES_CM_128_HMAC_SHA1_32" => ("aes-128-icm", "hmac-sha1-32"),
        "AES_256_CM_HMAC_SHA1_80" => ("aes-256-icm", "hmac-sha1-80"),
        "AES_256_CM_HMAC_SHA1_32" => ("aes-256-icm", "hmac-sha1-32"),
        "AEAD_AES_128_GCM" => ("aes-128-gcm", "null"),
        _ => ("aes-256-gcm", "null"),
    };
    let pipeline = format!(
        "filesrc location={} ! rawaudioparse use-sink-caps=false format=alaw sample-rate=8000 num-channels=1 \
         ! rtppcmapay min-ptime=20000000 max-ptime=20000000 ssrc=4711 seqnum-offset={FIRST} \
         ! srtpenc key={} rtp-cipher={cipher} rtp-auth={auth} rtcp-cipher={cipher} rtcp-auth={auth} \
         ! udpsink host={} port={} sync=true",
        file.display(),
        key.hex(),
        to.ip(),
        to.port()
    );
    Command::new("gst-launch-1.0").arg("-q").args(pipeline.split_whitespace()).output().unwrap()
}

#[test]
fn libsrtp_is_heard_in_every_suite_octet_for_octet() {
    if !has_gstreamer() || !tshark::present() {
        return;
    }
    let dir = TempDir::new("libsrtp");
    let ca = Ca::new(dir.path(), "ca");
    let own = ca.issue("server", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
    let sbc = ca.issue("sbc", &Wanted { dns: &["sbc.example.com"], ..Wanted::default() });
    let trace = dir.path().join("sip.pcap");
    let server = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .set("media.require_srtp=true")
        .set("logging.level=trace")
        .arg("--sip-trace-file")
        .arg(trace.to_str().unwrap())
        .start();
    let src = Src::tls(server.tls, &sbc);
    let mut secrets = Vec::new();
    let calls: Vec<(Call, Key, Vec<u8>)> = (0..SUITES.len())
        .map(|suite| {
            let call = Call::with_legs(&src, suite, 1);
            let key = Key::new(suite, 77 + suite as u64);
            secrets.extend(set_up(&call, std::slice::from_ref(&key)));
            secrets.push(key.clone());
            (call, key, speech(5 + suite as u64, 120))
        })
        .collect();
    std::thread::scope(|scope| {
        for (call, key, said) in &calls {
            let file = dir.path().join(format!("{}.alaw", key.suite));
            std::fs::write(&file, said).unwrap();
            let to = SocketAddr::new(server.sip.ip(), call.ports()[0]);
            scope.spawn(move || {
                let output = gstreamer(key, &file, to);
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            });
        }
    });
    for (call, key, said) in &calls {
        pause(Duration::from_millis(20));
        call.bye().unwrap();
        let suite = SUITES[key.suite].0;
        let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        assert_said(&recording, 0, said, suite);
        let source = recording.sources().into_iter().next().unwrap().1;
        assert_eq!((source.packets, source.lost), (120, 0), "{suite}");
        let journal = recording.segments().remove(0);
        assert_eq!(tshark::complaints(&journal, server.tls.port()), Vec::<String>::new(), "{suite}");
        let streams = tshark::rtp_streams(&journal, server.tls.port());
        assert!(
            streams.iter().any(|stream| (stream.ssrc, stream.packets, stream.lost) == (4711, 120, 0)),
            "{streams:?}"
        );
    }
    assert_secret(&server, &[&trace], &secrets);
    // A line that nobody can hear is refused as it would be in plain.
    let plain = Call::new(&src, 9);
    assert_eq!(plain.invite().unwrap().status(), 488);
    server.assert_never_panicked();
}

#[test]
fn ffmpeg_is_heard_octet_for_octet() {
    if !has("ffmpeg") {
        return;
    }
    let dir = TempDir::new("ffmpeg");
    let server = Setup::default().set("media.sdes_over_clear=true").start();
    let src = Src::udp(server.sip);
    for suite in [0, 1] {
        let call = Call::with_legs(&src, suite, 1);
        let key = Key::new(suite, 40 + suite as u64);
        set_up(&call, std::slice::from_ref(&key));
        let said = speech(9, 50);
        let file = dir.path().join("said.alaw");
        std::fs::write(&file, &said).unwrap();
        let to = format!("srtp://{}:{}?pkt_size=172", server.sip.ip(), call.ports()[0]);
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-re", "-f", "alaw", "-ar", "8000", "-ac", "1", "-i"])
            .arg(&file)
            .args(["-c", "copy", "-f", "rtp", "-seq", &FIRST.to_string(), "-srtp_out_suite", SUITES[suite].0])
            .args(["-srtp_out_params", &key.text(), &to])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        pause(Duration::from_millis(20));
        call.bye().unwrap();
        let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        let kept: Vec<u8> = kept(&recording, 0).into_values().flatten().collect();
        assert_eq!(kept, said, "{}", SUITES[suite].0);
    }
    server.assert_never_panicked();
}

/// A leg of ours: what it says goes out under a key, packet by packet.
struct Leg<'a> {
    call: &'a Call,
    number: usize,
    key: Key,
    context: Context,
}

impl<'a> Leg<'a> {
    fn new(call: &'a Call, number: usize, key: &Key) -> Self {
        Self { call, number, key: key.clone(), context: key.context() }
    }

    fn under(&mut self, key: &Key) {
        (self.key, self.context) = (key.clone(), key.context());
    }

    fn packet(&mut self, place: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend((u32::from(FIRST) + place).to_be_bytes().into_iter().skip(2));
        packet.extend((place * 160).to_be_bytes());
        packet.extend(u32::try_from(self.number + 1).unwrap().to_be_bytes());
        packet.extend(payload);
        self.context.encrypt_rtp(&packet).unwrap().to_vec()
    }

    fn send(&mut self, server: &Server, place: u32, payload: &[u8]) {
        let packet = self.packet(place, payload);
        let to = SocketAddr::new(server.sip.ip(), self.call.ports()[self.number]);
        self.call.legs()[self.number].rtp.send_to(&packet, to).unwrap();
    }

    /// All of it, 2 ms a packet.
    fn say(&mut self, server: &Server, first: u32, said: &[u8]) {
        for (place, payload) in (first..).zip(said.chunks(PACKET)) {
            self.send(server, place, payload);
            pause(Duration::from_millis(2));
        }
    }
}

#[test]
fn keys_over_clear_signalling_are_refused_unless_that_is_opted_into() {
    let key = Key::new(0, 1);
    for (mut server, taken) in
        [(Setup::default().start(), false), (Setup::default().set("media.sdes_over_clear=true").start(), true)]
    {
        for transport in [Transport::Udp, Transport::Tcp] {
            let call = Call::with_legs(&Src::new(server.sip, transport), 0, 1);
            let keys = std::slice::from_ref(&key);
            let answer = call.invite_with(&Body::both(&offer(&call, keys), &call.metadata.complete())).unwrap();
            call.acknowledge(&answer);
            let warning = answer.header("Warning").unwrap_or_default();
            if taken {
                assert_eq!((answer.status(), answered(&answer, keys).len()), (200, 1), "{}", answer.text());
                call.bye().unwrap();
            } else {
                assert_eq!(answer.status(), 488, "{}", answer.text());
                assert!(warning.contains("sdes_over_clear"), "{warning}");
                assert!(!answer.text().contains("a=crypto"), "no key of ours is shown either");
            }
        }
        // Whoever asks the log finds out why; the keys are not in it.
        assert_eq!(server.log().contains("status=488"), !taken, "{}", server.tail());
        assert!(!server.log().contains(&key.text()));
        assert!(server.lives());
    }
}

/// Where there is something else to record, it is recorded, and the sheet says what is not.
#[test]
fn a_line_under_keys_that_anybody_can_read_is_left_out_and_the_sheet_says_why() {
    let server = Setup::default().start();
    let call = Call::new(&Src::udp(server.sip), 1);
    let key = Key::new(0, 1);
    let plain = call.offer_sdp(&[Direction::SendOnly; 2]);
    let second = plain.rfind("RTP/AVP").unwrap();
    let line = plain.rfind("a=label:").unwrap();
    let sdp = format!("{}RTP/SAVP{}{}{}", &plain[..second], &plain[second + 7..line], key.line(), &plain[line..]);
    let answer = call.invite_with(&Body::both(&sdp, &call.metadata.complete())).unwrap();
    assert_eq!(answer.status(), 200);
    call.acknowledge(&answer);
    let ports: Vec<bool> = answer.media().iter().map(|media| media.port != 0).collect();
    assert_eq!(ports, [true, false]);
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), Duration::from_secs(20));
    let deviations = recording.list("/proof/deviations");
    let told = deviations.iter().find(|deviation| deviation["code"] == "media-not-recorded");
    assert!(told.is_some(), "{deviations:?}");
    assert!(!recording.sheet.to_string().contains(&key.text()));
}

#[test]
fn a_late_key_a_forger_and_our_reports() {
    let server = Setup::default().set("media.sdes_over_clear=true").start();
    let src = Src::udp(server.sip);
    let call = Call::with_legs(&src, 0, 1);
    let keys = [Key::new(0, 1), Key::new(4, 2)];
    let ours = set_up(&call, &keys[..1]);
    // Somebody else is first, and knows no key.
    let forger = std::net::UdpSocket::bind("127.0.0.66:0").unwrap();
    let to = SocketAddr::new(server.sip.ip(), call.ports()[0]);
    let mut stranger = Leg::new(&call, 0, &Key::new(0, 666));
    for place in 0..200 {
        forger.send_to(&stranger.packet(place, &[0x55; PACKET]), to).unwrap();
    }
    let said = speech(3, 150);
    let (before, late) = said.split_at(50 * PACKET);
    let (late, after) = late.split_at(40 * PACKET);
    let mut leg = Leg::new(&call, 0, &keys[0]);
    leg.say(&server, 0, before);
    // The stream has its new key already, the server has it not.
    leg.under(&keys[1]);
    leg.say(&server, 50, late);
    let again = rekey(&call, &keys[1..]);
    assert_ne!(again[0].octets, ours[0].octets);
    leg.say(&server, 90, after);
    // RFC 3550 6.2: the first report leaves within some seconds.
    let mut reports = Vec::new();
    assert!(
        becomes_true(SOON, || {
            reports.extend(call.legs()[0].rtcp_received());
            !reports.is_empty()
        }),
        "no report came"
    );
    let plain = again[0].context().decrypt_rtcp(&reports[0]).or_else(|_| ours[0].context().decrypt_rtcp(&reports[0]));
    let plain = plain.expect("under the key of the server's answer");
    assert_eq!((plain[1], plain[0] & 0x1f), (201, 1), "a report on one source");
    assert_ne!(plain[8..], reports[0][8..plain.len()]);
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    assert_said(&recording, 0, &said, "over the re-key");
    let source = recording.sources().into_iter().next().unwrap().1;
    assert_eq!((recording.sources().len(), source.packets, source.lost), (1, 150, 0), "sealed packets count once");
    assert_secret(&server, &[], &[&keys[..], &ours, &again].concat());
    server.assert_never_panicked();
}

#[test]
fn a_stream_goes_on_after_a_crash_far_into_its_life_and_its_journal_replays_to_the_same_bytes() {
    let mut server = Setup::default().set("media.sdes_over_clear=true").start();
    let src = Src::udp(server.sip);
    let call = Call::new(&src, 0);
    let keys = [Key::new(2, 11), Key::new(5, 12)];
    let ours = set_up(&call, &keys);
    let mut legs = [Leg::new(&call, 0, &keys[0]), Leg::new(&call, 1, &keys[1])];
    let said = speech(21, 60);
    // One leg is at packet 200,000, the other beyond what trial alone would find: its counter is in the checkpoint or nowhere.
    let begins = [200_000_u32, 100 << 16];
    for (leg, begin) in legs.iter_mut().zip(begins) {
        for place in (0..begin).step_by(30_000) {
            leg.send(&server, place, &[0x55; PACKET]);
            pause(Duration::from_millis(1));
        }
        leg.say(&server, begin, &said[..20 * PACKET]);
    }
    // A checkpoint is written every ten seconds.
    pause(Duration::from_millis(11_500));
    server.kill();
    server.restart();
    for (leg, begin) in legs.iter_mut().zip(begins) {
        leg.say(&server, begin + 20, &said[20 * PACKET..40 * PACKET]);
    }
    assert_eq!(
        rekey(&call, &keys).iter().map(|key| &key.octets).collect::<Vec<_>>(),
        [&ours[0].octets, &ours[1].octets]
    );
    for (leg, begin) in legs.iter_mut().zip(begins) {
        leg.say(&server, begin + 40, &said[40 * PACKET..]);
    }
    pause(Duration::from_millis(50));
    call.bye().unwrap();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    for (leg, begin) in begins.into_iter().enumerate() {
        let kept = kept(&recording, leg);
        for (place, payload) in (begin..).zip(said.chunks(PACKET)) {
            let place = (place & 0xffff) as u16;
            assert_eq!(kept.get(&place).map(Vec::as_slice), Some(payload), "leg {leg}, packet {place}");
        }
    }
    assert_secret(&server, &[], &[&keys[..], &ours].concat());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(server.data.join("node.key")).unwrap());
    assert_eq!(mode & 0o777, 0o600);

    let again = server.scratch().join("again");
    let output = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .args(["replay", "--data-dir"])
        .arg(&again)
        .args(recording.segments())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replayed = recordings::all(&again);
    let digests =
        |recording: &Recording| recording.list("/files").iter().map(|file| file["sha256"].clone()).collect::<Vec<_>>();
    assert_eq!(replayed.len(), 1);
    assert_eq!(digests(&replayed[0]), digests(&recording), "the same bytes");
    server.assert_never_panicked();
}

#[test]
fn a_capture_with_its_keys_in_the_open_is_decrypted_offline() {
    if !tshark::present() {
        return;
    }
    let server = Setup::default().set("media.sdes_over_clear=true").start();
    let dir = TempDir::new("sdes-capture");
    let src = Src::udp(server.sip);
    let keys = [Key::new(0, 31), Key::new(4, 32), Key::new(1, 33)];
    let (said, captured) = (0..3)
        .find_map(|n| {
            let capture = Capture::start(&dir.path().join(format!("lo-{n}.pcap")), &server.filter());
            let call = Call::with_legs(&src, n, 1);
            set_up(&call, &keys[..1]);
            let said = speech(50, 100);
            let mut leg = Leg::new(&call, 0, &keys[0]);
            leg.say(&server, 0, &said[..50 * PACKET]);
            rekey(&call, &keys[1..2]);
            leg.under(&keys[1]);
            leg.say(&server, 50, &said[50 * PACKET..]);
            call.bye().unwrap();
            capture.stop().map(|file| (said, file))
        })
        .expect("three captures lost packets");
    let again = dir.path().join("again");
    let replay = |extra: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
        command.args(["replay", "--data-dir"]).arg(&again).args(extra).arg(&captured).output().unwrap()
    };
    let output = replay(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replayed = recordings::all(&again);
    assert_eq!(replayed.len(), 1);
    assert_said(&replayed[0], 0, &said, "from the capture");
}
