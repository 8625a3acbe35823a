//! A recording's audio over the API: in other formats, a channel alone, drawn, and fetched where it was released.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::http::Client;
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::{TempDir, becomes_true};

const SOON: Duration = Duration::from_secs(30);

#[track_caller]
fn recorded(server: &Server, client: &Client) -> (Recording, String) {
    let (_, recording) = recordings::of_a_second(server, SOON);
    let path = format!("/api/v1/recordings/{}", recording.id());
    assert!(becomes_true(SOON, || client.get(&path).status == 200), "{}", server.tail());
    (recording, path)
}

/// The samples of a file, by another decoder.
fn samples(folder: &Path, name: &str, octets: &[u8]) -> Vec<i16> {
    let file = folder.join(name);
    std::fs::write(&file, octets).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    let output = ffmpeg.args(["-v", "error", "-i"]).arg(&file).args(["-f", "s16le", "-"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes(pair.try_into().unwrap())).collect()
}

#[test]
fn it_is_had_in_other_formats_and_a_channel_alone() {
    let (server, folder) = (Server::start(), TempDir::new("formats"));
    let client = Client::new(server.api);
    let (_, path) = recorded(&server, &client);
    let get = |query: &str| client.get(&format!("{path}/audio?{query}"));
    let whole = samples(folder.path(), "a.wav", &get("").body);
    let flac = get("format=flac&download=true");
    assert_eq!((flac.status, flac.field("content-type")), (200, "audio/flac"));
    assert!(
        flac.field("content-disposition").starts_with("attachment; filename=\"")
            && flac.field("content-disposition").ends_with(".flac\"")
    );
    assert_eq!(samples(folder.path(), "a.flac", &flac.body), whole);
    for (channel, place) in [("left", 0), ("right", 1)] {
        let one: Vec<i16> = whole.iter().skip(place).step_by(2).copied().collect();
        assert_eq!(samples(folder.path(), "one.wav", &get(&format!("channel={channel}")).body), one, "{channel}");
        let alone = get(&format!("channel={channel}&format=flac"));
        assert_eq!(samples(folder.path(), "one.flac", &alone.body), one, "{channel}");
    }
    let opus = get("format=opus");
    assert_eq!(opus.field("content-type"), "audio/ogg");
    // 48 kHz, two channels; its first 6.5 ms are dropped by who decodes it.
    let decoded = samples(folder.path(), "a.opus", &opus.body).len();
    assert!(decoded.abs_diff(whole.len() * 6) < 48_000 / 50 * 2, "{decoded} of {}", whole.len() * 6);
    get("format=mp3").problem(400);
    get("file=1").problem(404);
}

#[test]
fn what_was_recorded_as_flac_or_opus_is_had_as_far_as_it_can_be() {
    let folder = TempDir::new("flac");
    let server = Setup::default().set("recording.format=flac").start();
    let client = Client::new(server.api);
    let (_, path) = recorded(&server, &client);
    let flac = client.get(&format!("{path}/audio"));
    let wav = client.get(&format!("{path}/audio?format=wav"));
    assert_eq!((flac.field("content-type"), wav.field("content-type")), ("audio/flac", "audio/wav"));
    assert_eq!(samples(folder.path(), "a.flac", &flac.body), samples(folder.path(), "a.wav", &wav.body));
    let opus = Setup::default().set("recording.format=opus").start();
    let client = Client::new(opus.api);
    let (_, path) = recorded(&opus, &client);
    assert_eq!(&client.get(&format!("{path}/audio")).body[..4], b"OggS");
    assert!(client.get(&format!("{path}/audio?format=wav")).problem(409).contains("recorded as Opus"));
    client.get(&format!("{path}/peaks")).problem(409);
}

#[test]
fn it_is_rendered_again_in_another_layout() {
    let (folder, temporary) = (TempDir::new("layouts"), TempDir::new("temporary"));
    let server = Setup::default().env("TMPDIR", temporary.path().to_str().unwrap()).start();
    let client = Client::new(server.api);
    let (_, path) = recorded(&server, &client);
    let sheet = client.get(&format!("{path}/proof?layout=separate&format=wav-g711"));
    assert_eq!((sheet.status, sheet.field("siprec-rendition")), (200, "layout=separate, format=wav-g711"));
    let told: serde_json::Value = serde_json::from_slice(&sheet.body).unwrap();
    let files = told["files"].as_array().unwrap();
    assert_eq!((files.len(), &told["rendition"]["layout"]), (2, &json!("separate")));
    let whole = samples(folder.path(), "a.wav", &client.get(&format!("{path}/audio")).body);
    for (place, file) in files.iter().enumerate() {
        let of = format!("{path}/audio?layout=separate&format=wav-g711&file={place}");
        let got = client.get(&of);
        assert_eq!((got.status, got.field("content-type")), (200, "audio/wav"));
        assert_eq!(recordings::sha256(&got.body), file["sha256"].as_str().unwrap());
        assert_eq!(got.field("etag").trim_matches('"'), file["sha256"].as_str().unwrap());
        assert!(got.field("content-disposition").contains(file["name"].as_str().unwrap()));
        let wav = client.get(&of.replace("wav-g711", "wav"));
        let one: Vec<i16> = whole.iter().skip(place).step_by(2).copied().collect();
        assert!(samples(folder.path(), "one.wav", &wav.body) == one && wav.body.len() > got.body.len(), "{place}");
        let part = client.with("Range", "bytes=4-7").get(&of);
        assert_eq!((part.status, &*part.body), (206, &got.body[4..8]));
    }
    let tag = sheet.field("etag").to_owned();
    assert_eq!(
        client.with("If-None-Match", &tag).get(&format!("{path}/proof?layout=separate&format=wav-g711")).status,
        304
    );
    assert_eq!(client.with("If-None-Match", &tag).get(&format!("{path}/proof?layout=separate&format=wav")).status, 200);
    // Where nothing is said of one, it is as the recording is, or as it is set up.
    let said = |query: &str| client.get(&format!("{path}/audio?{query}")).field("siprec-rendition").to_owned();
    assert_eq!(said("layout=mono"), "layout=mono, format=wav");
    assert_eq!(said("layout=configured&format=opus"), "layout=stereo, format=opus");
    assert_eq!(said("format=wav-g711"), "layout=stereo, format=wav-g711");
    assert_eq!(said("format=flac"), "");
    for (wrong, status) in [
        ("audio?layout=round", 400),
        ("proof?file=0", 400),
        ("audio?layout=mono&channel=left", 409),
        ("proof?format=flac", 409),
    ] {
        client.get(&format!("{path}/{wrong}")).problem(status);
    }
    client.get(&format!("{path}/audio?layout=mono&file=1")).problem(404);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "open, and without a name");
}

#[test]
fn it_is_drawn() {
    let (server, folder) = (Server::start(), TempDir::new("peaks"));
    let client = Client::new(server.api);
    let (_, path) = recorded(&server, &client);
    let whole = samples(folder.path(), "a.wav", &client.get(&format!("{path}/audio")).body);
    let drawn = client.get(&format!("{path}/peaks?points=10")).must(200);
    assert_eq!(drawn["channels"].as_array().unwrap().len(), 2);
    let frames = whole.len() / 2;
    for (channel, columns) in drawn["channels"].as_array().unwrap().iter().enumerate() {
        for (column, peaks) in columns.as_array().unwrap().iter().enumerate() {
            let of = (0..frames).filter(|frame| frame * 10 / frames == column).map(|frame| whole[frame * 2 + channel]);
            let (least, most) =
                of.fold((i16::MAX, i16::MIN), |(least, most), sample| (least.min(sample), most.max(sample)));
            assert_eq!(*peaks, json!([least, most]), "channel {channel}, column {column}");
        }
    }
    assert_eq!(client.get(&format!("{path}/peaks?points=10")).must(200), drawn);
    assert_eq!(client.get(&format!("{path}/peaks")).must(200)["points"], 800);
    client.get(&format!("{path}/peaks?points=0")).problem(400);
}

#[test]
fn what_was_released_here_is_fetched_and_verified() {
    let far = TempDir::new("far");
    let setup = Setup::default().sealed().set("storage.type=local").set("storage.keep_local=0s");
    let server = setup.set(&format!("storage.local.path={}", far.path().display())).start();
    let client = Client::new(server.api);
    let (_, path) = recorded(&server, &client);
    let released = || client.get(&path).must(200)["files"][0]["here"] == false;
    assert!(becomes_true(SOON, released), "{}", server.tail());
    let shown = client.get(&path).must(200);
    assert_eq!(shown["stored_in"].as_array().unwrap().len(), 1);
    for _ in 0..2 {
        let audio = client.get(&format!("{path}/audio"));
        assert_eq!(recordings::sha256(&audio.body), shown["files"][0]["sha256"].as_str().unwrap());
    }
    let part = client.with("Range", "bytes=44-99").get(&format!("{path}/audio"));
    assert_eq!((part.status, part.body.len()), (206, 56));
    client.get(&format!("{path}/peaks")).must(200);
    // What was fetched is open for the next part, and has no name by which anything of it could stay.
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let open = descriptors.filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.display().to_string()));
    let fetched: Vec<_> = open.filter(|path| path.contains("siprec-api-")).collect();
    assert!(!fetched.is_empty() && fetched.iter().all(|path| path.ends_with(" (deleted)")), "{fetched:?}");
    server.assert_never_panicked();
}
