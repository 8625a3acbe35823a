//! `siprec export --as vcon`: what others than us read in it: a JSON schema check and a JWS library in Python, OpenSSL, SHA-2.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use support::made_up::{file, record};
use support::objects::{S3, python};
use support::recordings;
use support::server::{Server, Setup, must_run, run};
use support::src::{Call, Src};
use support::studio::Plan;
use support::{TempDir, files_below, lacking};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);

/// Reads a vCon by the rules of draft-ietf-vcon-vcon-core-04, knowing nothing of siprec; a signed one by joserfc, by the
/// certificate that it carries. Prints the audio's digests.
const READER: &str = r#"
import base64, hashlib, json, re, sys
def b64(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
document = json.load(open(sys.argv[1]))
if "payload" in document:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from joserfc import jws
    from joserfc.jwk import OKPKey
    [signature] = document["signatures"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature["header"]["x5c"][0]))
    raw = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    pem = certificate.public_key().public_bytes(*raw)
    assert pem == open(sys.argv[2], "rb").read(), "the certificate is of the proof key"
    certificate.verify_directly_issued_by(certificate)
    key = OKPKey.import_key(pem)
    # (joserfc knows neither large payloads nor the draft's uuid.)
    registry = jws.JWSRegistry(algorithms=["EdDSA"], strict_check_header=False)
    registry.max_payload_length = 1 << 30
    verified = jws.deserialize_json(document, key, registry=registry)
    header, document = signature["header"], json.loads(verified.payload)
    assert header["uuid"] == document["uuid"] and "alg" in json.loads(b64(signature["protected"]))
assert set(document) <= {"vcon", "uuid", "created_at", "parties", "dialog", "attachments"}, set(document)
assert document["vcon"] == "0.4.0"
assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", document["uuid"])
time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
assert time.fullmatch(document["created_at"])
people = len(document["parties"])
for party in document["parties"]:
    assert set(party) <= {"tel", "sip", "name", "validation", "type"}, party
def known(index): assert isinstance(index, int) and 0 <= index < people, index
digests = []
for dialog in document["dialog"]:
    assert dialog["type"] == "recording" and time.fullmatch(dialog["start"]) and dialog["duration"] > 0
    assert dialog["mediatype"] in ("audio/x-wav", "audio/ogg", "audio/flac")
    for channel in dialog["parties"] if isinstance(dialog["parties"], list) else [dialog["parties"]]:
        for index in channel if isinstance(channel, list) else [channel]:
            if index is not None: known(index)
    for event in dialog.get("party_history", []):
        known(event["party"]); assert event["event"] in ("join", "drop") and time.fullmatch(event["time"])
    if "body" in dialog:
        assert dialog["encoding"] == "base64url" and "=" not in dialog["body"] and "url" not in dialog
        audio = b64(dialog["body"])
        if len(sys.argv) > 3:
            assert len(dialog["parties"]) == int.from_bytes(audio[22:24], "little"), "a party a channel"
    else:
        import os
        audio = open(os.path.join(os.path.dirname(sys.argv[1]), dialog["filename"]), "rb").read()
        hashed = base64.urlsafe_b64encode(hashlib.sha512(audio).digest()).rstrip(b"=").decode()
        assert dialog["content_hash"] == "sha512-" + hashed
        assert dialog["url"].endswith(dialog["filename"])
    digests.append(hashlib.sha256(audio).hexdigest())
for attachment in document["attachments"]:
    known(attachment["party"]); assert attachment["dialog"] < len(document["dialog"])
    assert time.fullmatch(attachment["start"]) and attachment["encoding"] in ("none", "base64url")
sheet = next(a for a in document["attachments"] if a["purpose"] == "proof sheet")
assert [f["sha256"] for f in json.loads(sheet["body"])["files"]] == digests, "the sheet is of this audio"
print(" ".join(digests))
"#;

/// What the reader says of a vCon; none where Python's libraries are lacking and may be.
#[track_caller]
fn read(vcon: &Path, key: &Path, more: &[&str]) -> Option<String> {
    let python = python();
    if !python.exists() {
        lacking(&format!("{} is not there: run `make peers`", python.display()));
        return None;
    }
    let output = Command::new(python).args(["-c", READER]).arg(vcon).arg(key).args(more).output().unwrap();
    assert!(output.status.success(), "{}: {}", vcon.display(), String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn vcons(below: &Path) -> Vec<PathBuf> {
    files_below(below).into_iter().filter(|path| path.to_string_lossy().ends_with(".vcon.json")).collect()
}

/// A call of three seconds, recorded by a running server: the data directory and the recording's id.
fn recorded(server: &Server) -> (PathBuf, String) {
    let call = Call::new(&Src::udp(server.sip), 0);
    call.must_invite();
    call.talk(&Plan::seconds(3.0));
    call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    (server.data.clone(), recording.id().to_owned())
}

#[test]
fn a_real_call_is_read_by_others_and_verifies_without_the_server() {
    let server = Server::start();
    let (data, id) = recorded(&server);
    let house = TempDir::new("house");
    let out = house.path().join("out");
    let export = |more: &str| must_run(&data, &[], &format!("export --as vcon --to {}{more}", out.display()));
    assert_eq!(export(" --sign"), "1 copied, 0 already there, 0 failed\n");
    let [signed] = vcons(&out).try_into().unwrap();
    let whole = std::fs::read(&signed).unwrap();
    assert_eq!(export(" --sign"), "0 copied, 1 already there, 0 failed\n");
    let key = data.join("siprec-proof.pub");
    let Some(digests) = read(&signed, &key, &["stereo"]) else { return };
    let wav =
        files_below(&data.join("recordings")).into_iter().find(|path| path.ends_with(format!("{id}.wav"))).unwrap();
    assert_eq!(digests, recordings::sha256(&std::fs::read(wav).unwrap()));
    verified_by_openssl(&signed, &key, house.path());

    let verify = |paths: &str| {
        let mut command = Command::new(support::server::binary());
        command.args(["export", "--verify", paths, "--public-key"]).arg(&key).output().unwrap()
    };
    let path = signed.display().to_string();
    let told = verify(&path);
    assert!(told.status.success() && said(&told).contains("1 verified, 0 at fault"), "{}", said(&told));
    assert!(verify(&out.display().to_string()).status.success(), "found below a folder");
    let mut changed = whole.clone();
    let at = whole.len() / 2;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(&signed, &changed).unwrap();
    let told = verify(&path);
    assert!(told.status.code() == Some(1) && said(&told).contains("FAULT"), "{}", said(&told));
    assert_eq!(export(" --sign"), "1 copied, 0 already there, 0 failed\n", "what is changed is made again");
    assert!(std::fs::read(&signed).unwrap() == whole, "the same octets");

    // Unsigned, with its metadata as the SRC sent it.
    export("");
    let plain: Value = serde_json::from_slice(&std::fs::read(&signed).unwrap()).unwrap();
    let metadata = &plain["attachments"][0];
    assert_eq!(metadata["mediatype"], "application/rs-metadata+xml");
    assert!(metadata["body"].as_str().unwrap().contains("<recording"));
    assert!(said(&verify(&path)).contains("it was not signed: siprec export --as vcon --sign signs"));
    read(&signed, &key, &["stereo"]).unwrap();
}

/// `openssl pkeyutl` over what RFC 7515 5.1 says is signed.
fn verified_by_openssl(signed: &Path, key: &Path, folder: &Path) {
    use base64::Engine as _;
    let jws: Value = serde_json::from_slice(&std::fs::read(signed).unwrap()).unwrap();
    let (message, signature) = (folder.join("message"), folder.join("signature"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let by = &jws["signatures"][0];
    std::fs::write(&message, format!("{}.{}", text(&by["protected"]), text(&jws["payload"]))).unwrap();
    let octets = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text(&by["signature"])).unwrap();
    std::fs::write(&signature, octets).unwrap();
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(key);
    let Ok(output) = command.arg("-in").arg(&message).arg("-sigfile").arg(&signature).output() else {
        lacking("openssl is not installed");
        return;
    };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn sealed_recordings_and_audio_beside_it() {
    let server = Setup::default().sealed().start();
    let (data, id) = recorded(&server);
    let house = TempDir::new("house");
    let out = house.path().join("out");
    let settings = [format!("archive.seal.master_key={}", support::server::MASTER_KEY)];
    let export = |more: &str| {
        must_run(&data, &settings, &format!("export --as vcon --sign --jobs 1 --to {}{more}", out.display()))
    };
    assert_eq!(export(" --vcon-audio https://archive.example/calls/"), "1 copied, 0 already there, 0 failed\n");
    assert_eq!(export(" --vcon-audio https://archive.example/calls"), "0 copied, 1 already there, 0 failed\n");
    let [path] = vcons(&out).try_into().unwrap();
    assert!(std::fs::read(path.with_file_name(format!("{id}.wav"))).unwrap().starts_with(b"RIFF"), "it is opened");
    let key = data.join("siprec-proof.pub");
    if read(&path, &key, &[]).is_none() {
        return;
    }
    assert!(must_run(&data, &[], &format!("export --dry-run --id {id}")).contains(&id));
    let verify = || Command::new(support::server::binary()).args(["export", "--verify"]).arg(&path).output().unwrap();
    assert!(verify().status.success(), "{}", said(&verify()));
    std::fs::write(path.with_file_name(format!("{id}.wav")), "another").unwrap();
    assert!(said(&verify()).contains(&format!("{id}.wav is changed")), "{}", said(&verify()));
    assert_eq!(export(""), "1 copied, 0 already there, 0 failed\n");
    read(&path, &key, &["stereo"]).unwrap();
}

#[test]
fn to_a_bucket_from_a_bucket_and_to_standard_output() {
    let Some(s3) = S3::start() else { return };
    s3.turn_versions_on();
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let all: Vec<String> = (1..=5).map(|n| record(&data, n, 100_000 + n as usize)).collect();
    let settings: Vec<String> =
        S3::settings_at(s3.port).into_iter().filter(|set| !set.starts_with("storage.type")).collect();
    let export = |more: &str| must_run(&data, &settings, &format!("export --as vcon --to {more}"));
    assert_eq!(export("s3://recs/vcons --jobs 3"), "5 copied, 0 already there, 0 failed\n");
    let versions = s3.versions();
    assert_eq!(export("s3://recs/vcons --jobs 3"), "0 copied, 5 already there, 0 failed\n");
    assert_eq!(s3.versions(), versions, "a second run sends nothing");
    let objects = s3.objects();
    for id in &all {
        let stored = &objects[&format!("vcons/2026/03/09/{id}.vcon.json")];
        let vcon: Value = serde_json::from_slice(stored).unwrap();
        assert_eq!(vcon["uuid"].as_str().unwrap().len(), 36);
        let stdout = run(&data, &settings, &format!("export --as vcon --to - --id {id}"));
        assert!(stdout.stdout == *stored, "{}", String::from_utf8_lossy(&stdout.stderr));
    }
    let whole = std::fs::read(file(&data, &all[0], ".wav")).unwrap();
    let out = house.path().join("out");
    export(&out.display().to_string());
    let vcon = vcons(&out).into_iter().find(|path| path.to_string_lossy().contains(&all[0])).unwrap();
    let Some(digests) = read(&vcon, Path::new("none"), &[]) else { return };
    assert_eq!(digests, recordings::sha256(&whole));
}

#[test]
fn what_does_not_go_together_is_said() {
    let house = TempDir::new("house");
    let data = house.path().join("data");
    let id = record(&data, 1, 100);
    for (arguments, words) in [
        ("--as wav --sign --to x", "--sign and --vcon-audio are for --as vcon"),
        ("--as vcon --layout mono --to x", "a vCon has the recording's own audio"),
        ("--as vcon --vcon-audio external --to -", "--to - has no place for audio beside the vCon"),
        ("--as vcon --sign --to -", "siprec-proof.key to sign with: the server makes it at its first start"),
    ] {
        let output = run(&data, &[], &format!("export {arguments} --id {id}"));
        assert!(output.status.code() == Some(1) && said(&output).contains(words), "{arguments}: {}", said(&output));
    }
    let output = run(&data, &[], "export --as vcon --vcon-audio http://x --to y");
    assert!(output.status.code() == Some(2) && said(&output).contains("say inline, external"), "{}", said(&output));
}
