//! How loud streams are, of codecs whose decoders remember: what other people's encoders made of a source of a known level.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::capture::{Capture, Sip, rtp, sdp};
use super::{SRC, SRS, folder, json, trace, written};

/// A voice that goes on: a tone with its harmonics, and some noise.
const VOICE: &str =
    "aevalsrc='0.3*sin(2*PI*180*t)+0.15*sin(2*PI*540*t)+0.1*sin(2*PI*1260*t)+0.04*(random(0)-0.5)':d=20:s=48000";
/// One that talks half of the time.
const TURNS: &str =
    "aevalsrc='(0.3*sin(2*PI*180*t)+0.15*sin(2*PI*540*t)+0.1*sin(2*PI*1260*t))*gt(mod(t,2.3),1.15)':d=60:s=48000";
const NOTHING: &str = "anullsrc=r=48000:cl=mono:d=20";

/// A codec as an SRC sends it.
struct Codec {
    name: &'static str,
    payload_type: u8,
    /// Of 20 ms.
    ticks: u32,
    /// A second's samples of what is encoded.
    rate: &'static str,
    packets: fn(&Path) -> Vec<Vec<u8>>,
}

const CODECS: [Codec; 5] = [
    Codec { name: "G722/8000", payload_type: 9, ticks: 160, rate: "16000", packets: g722 },
    Codec { name: "GSM/8000", payload_type: 3, ticks: 160, rate: "8000", packets: gsm },
    Codec { name: "G729/8000", payload_type: 18, ticks: 160, rate: "8000", packets: g729 },
    Codec { name: "opus/48000/2", payload_type: 96, ticks: 960, rate: "48000", packets: opus_of_speech },
    Codec { name: "opus/48000/2", payload_type: 96, ticks: 960, rate: "48000", packets: opus_of_music },
];

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).current_dir(folder).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: make peers"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ffmpeg(folder: &Path, arguments: &[&str]) {
    run(folder, "ffmpeg", &[&["-v", "error", "-y"], arguments].concat());
}

fn pieces(folder: &Path, octets: usize) -> Vec<Vec<u8>> {
    std::fs::read(folder.join("coded")).unwrap().chunks_exact(octets).map(<[u8]>::to_vec).collect()
}

fn g722(folder: &Path) -> Vec<Vec<u8>> {
    ffmpeg(folder, &["-i", "source.wav", "-c:a", "g722", "-f", "g722", "coded"]);
    pieces(folder, 160)
}

fn gsm(folder: &Path) -> Vec<Vec<u8>> {
    ffmpeg(folder, &["-i", "source.wav", "-c:a", "libgsm", "-f", "gsm", "coded"]);
    pieces(folder, 33)
}

/// Two frames of 10 ms a packet; before each stands its length.
fn g729(folder: &Path) -> Vec<Vec<u8>> {
    ffmpeg(folder, &["-i", "source.wav", "-f", "s16le", "source.raw"]);
    let script = format!("{}/tests/support/bcg729.py", env!("CARGO_MANIFEST_DIR"));
    run(folder, "python3", &[&script, "source.raw", "coded", "decoded.raw"]);
    pieces(folder, 22).iter().map(|two| [&two[1..11], &two[12..22]].concat()).collect()
}

fn opus_of_speech(folder: &Path) -> Vec<Vec<u8>> {
    opus(folder, &["-application", "voip", "-b:a", "16k"])
}

fn opus_of_music(folder: &Path) -> Vec<Vec<u8>> {
    opus(folder, &["-application", "audio", "-b:a", "64k"])
}

/// A packet a page, so that each is found without being put together.
fn opus(folder: &Path, how: &[&str]) -> Vec<Vec<u8>> {
    let whole = ["-i", "source.wav", "-c:a", "libopus", "-frame_duration", "20"];
    ffmpeg(folder, &[&whole, how, &["-f", "opus", "-page_duration", "1", "coded"]].concat());
    let (file, mut packets, mut at) = (std::fs::read(folder.join("coded")).unwrap(), Vec::new(), 0);
    // A packet a page (RFC 3533): 26 octets, the number of pieces, their lengths, the packet.
    while at < file.len() {
        let count = usize::from(file[at + 26]);
        let length: usize = file[at + 27..at + 27 + count].iter().map(|&piece| usize::from(piece)).sum();
        at += 27 + count + length;
        packets.push(file[at - length..at].to_vec());
    }
    packets.split_off(2)
}

/// A call whose caller sends what `codec` makes of `source`; and the level of that, dB of full scale.
fn call(folder: &tempfile::TempDir, codec: &Codec, source: &str) -> (std::path::PathBuf, f64) {
    let path = folder.path();
    ffmpeg(path, &["-f", "lavfi", "-i", source, "-ar", codec.rate, "-ac", "1", "source.wav"]);
    ffmpeg(path, &["-i", "source.wav", "-f", "s16le", "source.raw"]);
    let raw = std::fs::read(path.join("source.raw")).unwrap();
    let square = |two: &[u8]| f64::from(i16::from_le_bytes([two[0], two[1]])).powi(2);
    let mean = raw.chunks_exact(2).map(square).sum::<f64>() / (raw.len() / 2) as f64;
    let mut capture = Capture::default();
    let base = Sip { to_tag: "b", ..Sip::default() };
    let number = codec.payload_type;
    let map = format!("a=rtpmap:{number} {}\r\n", codec.name);
    let described =
        |host, port| sdp(host, "RTP/AVP", &[(port, "1", "sendrecv", &map)]).replace(" 8 101", &format!(" {number}"));
    let (offer, answer) = (described("192.0.2.1", 40_000), described("192.0.2.2", 10_000));
    let invite = Sip { first: "INVITE sip:srs@192.0.2.2 SIP/2.0", to_tag: "", body: &offer, ..base };
    capture.udp(0, SRC, SRS, &invite.bytes());
    capture.udp(10, SRS, SRC, &Sip { first: "SIP/2.0 200 OK", body: &answer, ..base }.bytes());
    capture.udp(20, SRC, SRS, &Sip { first: "ACK sip:srs@192.0.2.2 SIP/2.0", cseq: "1 ACK", ..base }.bytes());
    for (payload, n) in (codec.packets)(path).iter().zip(0_u16..) {
        let packet = rtp(number, n, u32::from(n) * codec.ticks, 7, payload);
        capture.udp(100 + u64::from(n) * 20, "192.0.2.1:40000", "192.0.2.2:10000", &packet);
    }
    (written(folder, &mut capture), 10.0 * (mean / f64::from(1 << 30)).log10())
}

fn stream(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["type"] == "stream").unwrap()
}

/// Why the caller is not heard.
fn silence(lines: &[Value]) -> Vec<&str> {
    let all = lines.iter().filter_map(|line| line["silences"].as_array()).flatten();
    all.filter(|silence| silence["sender"] == "caller").filter_map(|silence| silence["code"].as_str()).collect()
}

#[test]
fn how_loud_a_stream_is_is_told_of_codecs_that_remember() {
    let folder = folder();
    for codec in &CODECS {
        for quieter in [0, 24] {
            let (file, level) = call(&folder, codec, &format!("{VOICE},volume=-{quieter}dB"));
            let told = json(&[], &file);
            assert_eq!(stream(&told)["codec"].as_str().map(str::to_lowercase), Some(codec.name.to_lowercase()));
            let heard = stream(&told)["level_dbfs"].as_f64().unwrap_or_else(|| panic!("{}: {told:?}", codec.name));
            println!("{}: {heard} dB, {level:.1} dB were encoded", codec.name);
            assert!((heard - level).abs() <= 1.5, "{}: {heard} dB, {level:.1} dB were encoded", codec.name);
            assert_eq!(silence(&told), [""; 0]);
        }
    }
}

#[test]
fn a_sender_who_is_mute_is_found_whatever_the_codec() {
    let folder = folder();
    for codec in &CODECS {
        let (file, _) = call(&folder, codec, NOTHING);
        let told = json(&[], &file);
        assert_eq!(silence(&told), ["silent"], "{}: {:?}", codec.name, stream(&told)["level_dbfs"]);
    }
}

#[test]
fn how_much_of_it_is_talk_is_told() {
    let folder = folder();
    for codec in &CODECS {
        let (file, _) = call(&folder, codec, TURNS);
        let sheet = trace(&["--rtp"], &[&file]).out;
        let talk = sheet.split("talk in ").nth(1).unwrap_or_else(|| panic!("{}: {sheet}", codec.name));
        let share: u32 = talk.split(' ').next().unwrap().parse().unwrap();
        // Of GSM it is more: after a tone that stops at once it rings for 300 ms, by ffmpeg's decoder too.
        assert!((45..=66).contains(&share), "{}: {talk}", codec.name);
        let heard: u32 = talk.split("of the ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((2_900..3_000).contains(&heard), "{}: all but the beginnings of runs: {talk}", codec.name);
    }
}
