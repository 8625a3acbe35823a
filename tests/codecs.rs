//! Our decoders beside others: ffmpeg's for G.722 and GSM (bit for bit), L16 (and sox's), iLBC and G.729, libopus for Opus, libbcg729 for
//! G.729 (by the ratio of signal to difference). What is encoded is a sweep with a melody and noise over it, by an encoder that is
//! not ours; there is none for iLBC, whose frames are kept in `testdata`.

use std::path::Path;
use std::process::Command;

use siprec_core::codec::{Coding, Decoder, State};
use siprec_core::sdp::Format;

/// Ten seconds of a falling and rising voice-like tone, with noise and silence in it.
const SOURCE: &str = "aevalsrc='(0.25*sin(2*PI*(180+60*sin(2*PI*0.7*t))*t)+0.15*sin(2*PI*(900+500*sin(2*PI*0.3*t))*t)\
    +0.04*(random(0)-0.5))*(0.55+0.45*sin(2*PI*1.7*t))*gt(mod(t,3),0.4)':d=10:s=48000";

/// The same with a room's noise under it, for encoders that do not send silence.
const ROOM: &str = "aevalsrc='(0.25*sin(2*PI*(180+60*sin(2*PI*0.7*t))*t)+0.15*sin(2*PI*(900+500*sin(2*PI*0.3*t))*t))\
    *gt(mod(t,3),1.5)+0.02*(random(0)-0.5)':d=12:s=48000";

/// Runs ffmpeg; its absence fails the test.
fn ffmpeg(folder: &Path, arguments: &[&str]) {
    let run = Command::new("ffmpeg").current_dir(folder).args(["-v", "error", "-y"]).args(arguments).output();
    let output = run.expect("ffmpeg is needed: `make peers`");
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn decoder(encoding: &'static str, clock_rate: u32, channels: u8) -> Decoder {
    let format = Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels, fmtp: None };
    match Coding::of(&format) {
        Coding::Audio(decoder) => decoder,
        other @ (Coding::Inaudible | Coding::Unknown) => panic!("{encoding}: {other:?}"),
    }
}

fn state(encoding: &'static str, clock_rate: u32, channels: u8, sample_rate: u32) -> State {
    decoder(encoding, clock_rate, channels).state(sample_rate).expect("a decoder with memory")
}

fn samples(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).expect("ffmpeg wrote it");
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Signal over difference, dB; what is shorter is compared as far as it goes.
fn snr(signal: &[i16], ours: &[i16]) -> f64 {
    let square = |x: i32| f64::from(x) * f64::from(x);
    let energy: f64 = signal.iter().map(|&s| square(s.into())).sum();
    let difference: f64 = signal.iter().zip(ours).map(|(&a, &b)| square(i32::from(a) - i32::from(b))).sum();
    10.0 * (energy / difference.max(1e-9)).log10()
}

#[test]
fn g722_is_ffmpegs_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    ffmpeg(folder.path(), &["-f", "lavfi", "-i", SOURCE, "-ar", "16000", "-c:a", "g722", "-f", "g722", "a.g722"]);
    ffmpeg(folder.path(), &["-f", "g722", "-i", "a.g722", "-f", "s16le", "a.raw"]);
    let (coded, theirs) =
        (std::fs::read(folder.path().join("a.g722")).expect("coded"), samples(&folder.path().join("a.raw")));
    let mut ours = Vec::new();
    let mut state = state("G722", 8_000, 1, 16_000);
    coded.chunks(160).for_each(|packet| state.decode(packet, &mut ours));
    assert!(ours.len() > 150_000 && theirs.len() >= ours.len() - 320, "{} {}", ours.len(), theirs.len());
    let differ = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert_eq!(differ, None, "of {} samples", ours.len());
}

#[test]
fn gsm_is_ffmpegs_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    ffmpeg(folder.path(), &["-f", "lavfi", "-i", SOURCE, "-ar", "8000", "-c:a", "libgsm", "-f", "gsm", "a.gsm"]);
    ffmpeg(folder.path(), &["-c:a", "gsm", "-f", "gsm", "-i", "a.gsm", "-f", "s16le", "a.raw"]);
    let (coded, theirs) =
        (std::fs::read(folder.path().join("a.gsm")).expect("coded"), samples(&folder.path().join("a.raw")));
    let mut ours = Vec::new();
    let mut state = state("GSM", 8_000, 1, 8_000);
    coded.chunks(33).for_each(|packet| state.decode(packet, &mut ours));
    assert!(ours.len() > 75_000 && theirs.len() >= ours.len() - 320, "{} {}", ours.len(), theirs.len());
    assert_eq!(ours.iter().zip(&theirs).position(|(a, b)| a != b), None, "of {} samples", ours.len());
}

/// Frames and a signature in front, as RFC 3952 4.1 has them in a file; see `testdata/ilbc/README.md`.
fn ilbc_frames(mode: u32, octets: usize) -> (String, Vec<Vec<u8>>) {
    let path = format!("{}/testdata/ilbc/{mode}-ms.lbc", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).expect("coded");
    let frames = bytes.strip_prefix(format!("#!iLBC{mode}\n").as_bytes()).expect("a signature");
    (path, frames.chunks(octets).map(<[u8]>::to_vec).collect())
}

#[test]
fn ilbc_is_ffmpegs_within_rounding() {
    let folder = tempfile::tempdir().expect("a folder");
    for (mode, octets) in [(20, 38), (30, 50)] {
        let (path, frames) = ilbc_frames(mode, octets);
        ffmpeg(folder.path(), &["-i", &path, "-f", "s16le", "a.raw"]);
        let theirs = samples(&folder.path().join("a.raw"));
        // Their decoder has no enhancer (RFC 3951 4.6), and so not its delay.
        let mut state = decoder("iLBC", 8_000, 1).plain_state(8_000).expect("a decoder with memory");
        let mut ours = Vec::new();
        frames.iter().for_each(|frame| state.decode(frame, &mut ours));
        assert_eq!(ours.len(), theirs.len());
        let ratio = snr(&theirs, &ours);
        println!("{mode} ms: {ratio:.1} dB");
        assert!(ratio >= 28.0, "{mode} ms: {ratio:.1} dB");
    }
}

/// The packets of an Ogg file (RFC 3533), its two headers left out.
fn ogg_packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet, mut at) = (Vec::new(), Vec::new(), 0);
    while bytes[at..].starts_with(b"OggS") {
        let segments = usize::from(bytes[at + 26]);
        let mut data = at + 27 + segments;
        for &lacing in &bytes[at + 27..at + 27 + segments] {
            packet.extend_from_slice(&bytes[data..data + usize::from(lacing)]);
            data += usize::from(lacing);
            if lacing < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        at = data;
        if at >= bytes.len() {
            break;
        }
    }
    packets.split_off(2)
}

#[test]
fn opus_is_libopus_by_at_least_60_db() {
    let folder = tempfile::tempdir().expect("a folder");
    // Speech at low rates (SILK, hybrid) and music (CELT); one channel and two; frames of 10, 20 and 60 ms.
    let modes: [(&str, &[&str]); 6] = [
        ("SILK NB", &["-ac", "1", "-ar", "8000", "-b:a", "12k", "-application", "voip"]),
        ("SILK WB", &["-ac", "1", "-ar", "16000", "-b:a", "20k", "-application", "voip"]),
        ("SILK 60 ms", &["-ac", "1", "-ar", "16000", "-b:a", "16k", "-application", "voip", "-frame_duration", "60"]),
        ("hybrid", &["-ac", "1", "-ar", "48000", "-b:a", "28k", "-application", "voip"]),
        ("CELT", &["-ac", "1", "-ar", "48000", "-b:a", "64k", "-application", "lowdelay", "-frame_duration", "10"]),
        ("stereo", &["-ac", "2", "-ar", "48000", "-b:a", "64k", "-application", "audio"]),
    ];
    for (name, options) in modes {
        let mut arguments = vec!["-f", "lavfi", "-i", SOURCE, "-c:a", "libopus"];
        arguments.extend_from_slice(options);
        arguments.extend_from_slice(&["-f", "ogg", "a.opus"]);
        ffmpeg(folder.path(), &arguments);
        let coded = std::fs::read(folder.path().join("a.opus")).expect("coded");
        let skip = usize::from(u16::from_le_bytes([coded[28 + 10], coded[28 + 11]]));
        ffmpeg(folder.path(), &["-c:a", "libopus", "-i", "a.opus", "-ac", "1", "-f", "s16le", "-ar", "48000", "a.raw"]);
        let theirs = samples(&folder.path().join("a.raw"));
        let mut ours = Vec::new();
        let mut state = state("opus", 48_000, 2, 48_000);
        ogg_packets(&coded).iter().for_each(|packet| state.decode(packet, &mut ours));
        let ratio = snr(&theirs, ours.get(skip..).unwrap_or_default());
        println!("{name}: {ratio:.1} dB, {} of {} samples", ours.len(), theirs.len());
        assert!(ours.len() >= theirs.len() && ratio >= 60.0, "{name}: {ratio:.1} dB");
    }
}

#[test]
fn l16_is_what_ffmpeg_and_sox_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for (rate, channels) in [(8_000, 1), (16_000, 2), (44_100, 1), (44_100, 2), (48_000, 2)] {
        let (rate_text, channels_text) = (rate.to_string(), channels.to_string());
        let raw = ["-ar", &rate_text, "-ac", &channels_text];
        // Two channels that differ.
        let source = format!("{SOURCE},pan=stereo|c0=c0|c1=-0.5*c0");
        let mut arguments = vec!["-f", "lavfi", "-i", &source];
        arguments.extend(raw.iter().chain(&["-f", "s16be", "a.l16"]));
        ffmpeg(folder.path(), &arguments);
        let mut arguments = vec!["-f", "s16be"];
        arguments.extend(raw.iter().chain(&["-i", "a.l16", "-f", "s16le", "ffmpeg.raw"]));
        ffmpeg(folder.path(), &arguments);
        let sox =
            ["-t", "raw", "-e", "signed", "-b", "16", "-B", "-r", &rate_text, "-c", &channels_text, "a.l16", "-t"];
        let run = Command::new("sox").current_dir(folder.path()).args(sox).args(["raw", "-L", "sox.raw"]).status();
        assert!(run.expect("sox is needed: `make peers`").success());
        let theirs = samples(&folder.path().join("ffmpeg.raw"));
        assert!(theirs == samples(&folder.path().join("sox.raw")), "{rate}/{channels}: the judges agree");
        let width = usize::from(channels);
        let means = |frame: &[i16]| frame.iter().map(|&s| i32::from(s)).sum::<i32>() / i32::from(channels);
        let expected: Vec<i16> = theirs.chunks(width).map(|frame| means(frame) as i16).collect();
        let (decoder, mut ours) = (decoder("L16", rate, channels), Vec::new());
        let coded = std::fs::read(folder.path().join("a.l16")).expect("coded");
        for packet in coded.chunks(rate as usize / 100 * 2 * width) {
            assert_eq!(decoder.ticks(packet) as usize, packet.len() / 2 / width);
            decoder.decode(packet, &mut ours);
        }
        assert!(ours.len() >= rate as usize * 9 && ours.iter().any(|&sample| sample > 3_000));
        assert!(ours == expected, "{rate}/{channels}");
    }
}

/// Nothing but white noise: no pitch, and a flat spectrum.
const WHITE: &str = "aevalsrc='0.4*(random(0)-0.5)':d=10:s=8000";

/// Frames and their decoding by libbcg729 (a peer of the tests only), from a source at 8 kHz.
fn g729_of_a_peer(folder: &Path, source: &str, dtx: bool) -> (Vec<Vec<u8>>, Vec<i16>) {
    ffmpeg(folder, &["-f", "lavfi", "-i", source, "-ar", "8000", "-f", "s16le", "in.raw"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/bcg729.py");
    let mut command = Command::new("python3");
    command.current_dir(folder).arg(script).args(["in.raw", "frames", "out.raw"]).args(dtx.then_some("dtx"));
    let output = command.output().expect("python3 is needed: `make peers`");
    assert!(output.status.success(), "libbcg729 is needed (`make peers`): {}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(folder.join("frames")).expect("frames");
    let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((&length, tail)) = rest.split_first() {
        let (frame, tail) = tail.split_at(length.into());
        frames.push(frame.to_vec());
        rest = tail;
    }
    (frames, samples(&folder.join("out.raw")))
}

#[test]
fn g729_is_like_two_other_decoders() {
    let folder = tempfile::tempdir().expect("a folder");
    let (frames, theirs) = g729_of_a_peer(folder.path(), SOURCE, false);
    let mut ours = Vec::new();
    let mut state = state("G729", 8_000, 1, 8_000);
    frames.iter().for_each(|frame| state.decode(frame, &mut ours));
    assert_eq!(ours.len(), theirs.len());
    let annex_a = snr(&theirs, &ours);
    std::fs::write(folder.path().join("a.g729"), frames.concat()).expect("written");
    ffmpeg(folder.path(), &["-c:a", "g729", "-f", "g729", "-i", "a.g729", "-f", "s16le", "ffmpeg.raw"]);
    let main_body = snr(&samples(&folder.path().join("ffmpeg.raw")), &ours);
    let of_theirs = snr(&samples(&folder.path().join("ffmpeg.raw")), &theirs);
    println!(
        "G.729: {annex_a:.1} dB to libbcg729 (Annex A), {main_body:.1} dB to ffmpeg; these two: {of_theirs:.1} dB"
    );
    assert!(annex_a >= 30.0, "{annex_a:.1} dB to libbcg729");
    assert!(main_body >= of_theirs - 3.0, "{main_body:.1} dB to ffmpeg, they themselves {of_theirs:.1} dB");
}

/// The difference to ffmpeg is the postfilter: ffmpeg has the main body's, we have Annex A's. What is done before it is the same, since the
/// difference goes where a postfilter has little to do; and it is smaller than what the postfilter itself changes.
#[test]
fn g729_differs_from_ffmpeg_by_the_postfilter() {
    let folder = tempfile::tempdir().expect("a folder");
    let beside = |source: &str| {
        let (frames, _) = g729_of_a_peer(folder.path(), source, false);
        std::fs::write(folder.path().join("a.g729"), frames.concat()).expect("written");
        ffmpeg(folder.path(), &["-c:a", "g729", "-f", "g729", "-i", "a.g729", "-f", "s16le", "ffmpeg.raw"]);
        let theirs = samples(&folder.path().join("ffmpeg.raw"));
        let decoded = |mut state: State| {
            let mut out = Vec::new();
            frames.iter().for_each(|frame| state.decode(frame, &mut out));
            out
        };
        let decoder = decoder("G729", 8_000, 1);
        let ours = decoded(decoder.state(8_000).expect("a decoder with memory"));
        let plain = decoded(decoder.plain_state(8_000).expect("a decoder with memory"));
        (snr(&theirs, &ours), snr(&theirs, &plain), snr(&ours, &plain))
    };
    for (name, source, least) in [("voice", SOURCE, 19.0), ("white noise", WHITE, 30.0)] {
        let (filtered, plain, by_filter) = beside(source);
        println!(
            "{name}: {filtered:.1} dB to ffmpeg, {plain:.1} dB without postfilter, which changes {by_filter:.1} dB"
        );
        assert!(filtered >= least, "{name}: {filtered:.1} dB");
        assert!(
            filtered >= plain + 2.0 && filtered >= by_filter + 2.0,
            "{name}: {filtered:.1} {plain:.1} {by_filter:.1}"
        );
    }
}

#[test]
fn g729_comfort_noise_is_as_loud_as_another_decoders() {
    let folder = tempfile::tempdir().expect("a folder");
    let (frames, theirs) = g729_of_a_peer(folder.path(), ROOM, true);
    let mut ours = Vec::new();
    let mut state = state("G729", 8_000, 1, 8_000);
    for frame in &frames {
        if frame.is_empty() { assert!(state.conceal(80, None, &mut ours)) } else { state.decode(frame, &mut ours) }
    }
    let level = |samples: &[i16]| {
        let noise = samples.chunks(80).zip(&frames).filter(|(_, frame)| frame.len() == 2).flat_map(|(part, _)| part);
        let squares: Vec<f64> = noise.map(|&s| f64::from(s) * f64::from(s)).collect();
        10.0 * (squares.iter().sum::<f64>() / squares.len() as f64).log10()
    };
    let sid = frames.iter().filter(|frame| frame.len() == 2).count();
    println!("{sid} frames of noise; {:.1} dB, theirs {:.1} dB", level(&ours), level(&theirs));
    assert!(sid > 3 && (level(&ours) - level(&theirs)).abs() < 3.0, "{sid}: {} {}", level(&ours), level(&theirs));
}

#[test]
fn a_lost_opus_packet_comes_back_from_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let fec = ["-ac", "1", "-ar", "16000", "-b:a", "24k", "-application", "voip", "-fec", "1", "-packet_loss", "30"];
    let mut arguments = vec!["-f", "lavfi", "-i", SOURCE, "-c:a", "libopus"];
    arguments.extend(fec.iter().chain(&["-f", "ogg", "a.opus"]));
    ffmpeg(folder.path(), &arguments);
    let packets = ogg_packets(&std::fs::read(folder.path().join("a.opus")).expect("coded"));
    let mut whole = Vec::new();
    let mut state_of_all = state("opus", 48_000, 2, 48_000);
    packets.iter().for_each(|packet| state_of_all.decode(packet, &mut whole));
    let made = |lost: usize, with_next: bool| {
        let (mut out, mut state) = (Vec::new(), state("opus", 48_000, 2, 48_000));
        packets[..lost].iter().for_each(|packet| state.decode(packet, &mut out));
        let next = with_next.then(|| packets[lost + 1].as_slice());
        assert!(state.conceal(960, next, &mut out));
        snr(&whole[lost * 960..(lost + 1) * 960], &out[lost * 960..])
    };
    // Where the encoder thought it worth while.
    let places: Vec<usize> = (20..480).step_by(9).filter(|&lost| whole[lost * 960] != 0).collect();
    let mean = |with_next: bool| places.iter().map(|&lost| made(lost, with_next)).sum::<f64>() / places.len() as f64;
    let (recovered, concealed) = (mean(true), mean(false));
    println!(
        "mean of {} lost packets: {recovered:.1} dB with the next packet, {concealed:.1} dB without",
        places.len()
    );
    assert!(recovered > concealed + 3.0, "{recovered:.1} {concealed:.1}");
}

/// Every tenth packet lost; what libopus makes of the rest, beside what we do.
#[test]
fn lost_opus_packets_sound_as_from_libopus() {
    let folder = tempfile::tempdir().expect("a folder");
    let voip = ["-ac", "1", "-application", "voip", "-packet_loss", "30"];
    let modes: [(&str, &[&str], &str); 4] = [
        ("SILK, concealed", &["-ar", "16000", "-b:a", "24k"], "plc"),
        ("SILK, from the next packet", &["-ar", "16000", "-b:a", "24k", "-fec", "1"], "fec"),
        ("hybrid, concealed", &["-ar", "48000", "-b:a", "28k"], "plc"),
        ("CELT, concealed", &["-ar", "48000", "-b:a", "64k", "-application", "lowdelay"], "plc"),
    ];
    for (name, options, way) in modes {
        let mut arguments = vec!["-f", "lavfi", "-i", SOURCE, "-c:a", "libopus"];
        arguments.extend(voip.iter().chain(options).chain(&["-f", "ogg", "a.opus"]));
        ffmpeg(folder.path(), &arguments);
        let mut packets = ogg_packets(&std::fs::read(folder.path().join("a.opus")).expect("coded"));
        packets.iter_mut().skip(15).step_by(10).for_each(Vec::clear);
        let short = |packet: &Vec<u8>| u16::try_from(packet.len()).expect("a packet").to_le_bytes();
        let file: Vec<u8> = packets.iter().flat_map(|packet| short(packet).into_iter().chain(packet.clone())).collect();
        std::fs::write(folder.path().join("packets"), file).expect("written");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/libopus.py");
        let run =
            Command::new("python3").current_dir(folder.path()).arg(script).args(["packets", "a.raw", way]).output();
        let output = run.expect("python3 is needed: `make peers`");
        assert!(
            output.status.success(),
            "libopus is needed (`make peers`): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let theirs = samples(&folder.path().join("a.raw"));
        let (mut ours, mut state) = (Vec::new(), state("opus", 48_000, 2, 48_000));
        for (n, packet) in packets.iter().enumerate() {
            let next = packets.get(n + 1).filter(|_| way == "fec").map(Vec::as_slice);
            if packet.is_empty() {
                assert!(state.conceal(960, next, &mut ours))
            } else {
                state.decode(packet, &mut ours)
            }
        }
        assert_eq!(ours.len(), theirs.len());
        let lost = |samples: &[i16]| -> Vec<i16> {
            let parts = samples.chunks(960).zip(&packets).filter(|(_, packet)| packet.is_empty());
            parts.flat_map(|(part, _)| part.to_vec()).collect()
        };
        let (all, made) = (snr(&theirs, &ours), snr(&lost(&theirs), &lost(&ours)));
        println!("{name}: {all:.1} dB, of what was made up {made:.1} dB");
        assert!(all >= 55.0 && made >= 55.0, "{name}: {all:.1} dB, {made:.1} dB");
    }
}
