//! Encryption at rest, from outside: what a sealed server leaves on the disk, who can open it, and who can verify it.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::recordings::{self, Recording};
use support::server::{MASTER_KEY, Server, Setup, binary};
use support::src::{Call, Src};
use support::studio::{Plan, Transcript};
use support::wav::Allow;
use support::{TempDir, assert_no_faults, becomes_true, files_below};

const RENDERED_WITHIN: Duration = Duration::from_secs(30);
const OTHER_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";

/// A run of the binary.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn siprec(data: &Path, arguments: &[&str]) -> Said {
    let (command, rest) = arguments.split_first().unwrap();
    let (command, action) = command.split_once(' ').unwrap_or((command, ""));
    let mut process = Command::new(binary());
    process.arg(command).args(action.split_terminator(' ')).arg("--data-dir").arg(data).args(rest);
    let output = process.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn key(key: &str) -> String {
    format!("archive.seal.master_key={key}")
}

/// A server that sealed a call of two seconds, stopped, and what was sent.
fn sealed() -> (Server, Recording, Transcript) {
    let mut server = Setup::default().sealed().start();
    let call = Call::new(&Src::udp(server.sip), 0);
    call.must_invite();
    call.talk(&Plan::seconds(2.0));
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    recording.segments();
    assert_eq!(server.terminate().code(), Some(0));
    (server, recording, transcript)
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files_below(folder).into_iter().map(name).collect()
}

#[test]
fn what_is_sealed_is_opened_for_who_has_the_key_and_verified_by_anybody() {
    let (server, recording, transcript) = sealed();
    let (data, temp) = (server.data.as_path(), TempDir::new("sealing"));
    let id = recording.id();
    assert_no_faults(&recording.judge(&transcript, &Allow::default()));
    let mut there = names(&data.join("recordings"));
    there.sort();
    assert_eq!(there, [".json", ".json.sig", ".key", ".wav.sealed"].map(|end| format!("{id}{end}")));
    let journals = names(&data.join("journals"));
    assert!(journals.iter().all(|name| name.ends_with(".sealed") || name.ends_with(".key")), "{journals:?}");

    // With the key: the files as if they had never been sealed.
    let out = temp.path().join("recordings");
    let to = out.to_str().unwrap();
    let said = siprec(data, &["export", "--set", &key(MASTER_KEY), "--to", to]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "1 copied, 0 already there, 0 failed\n"), "{}", said.err);
    let copies = recordings::all(temp.path());
    assert_no_faults(&copies[0].judge(&transcript, &Allow::default()));
    assert!(names(&out).contains(&format!("{id}.wav")));
    let said = siprec(data, &["export", "--set", &key(MASTER_KEY), "--as", "pcap", "--to", to]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(names(&out).contains(&format!("{id}.pcapng")));

    // Without it, or with another: which key is missing, and nothing else.
    let none = temp.path().join("none");
    let said = siprec(data, &["export", "--to", none.to_str().unwrap()]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains(".key is wrapped by master key") && said.err.contains("archive.seal has none"),
        "{}",
        said.err
    );
    let said = siprec(data, &["export", "--set", &key(OTHER_KEY), "--as", "flac", "--to", none.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.err.contains("archive.seal.previous_keys"), "{}", said.err);
    assert!(names(&none).iter().all(|name| name.ends_with(".pub")), "{:?}", names(&none));

    // Anybody verifies both.
    let public = data.join("siprec-proof.pub");
    let verify = |path: &Path| {
        let mut process = Command::new(binary());
        process.args(["export", "--verify"]).arg(path).arg("--public-key").arg(&public);
        process.output().unwrap().status.success()
    };
    assert!(verify(&data.join("recordings")) && verify(&out));
    let path = files_below(&data.join("recordings")).into_iter().find(|p| p.extension().is_some_and(|e| e == "sealed"));
    let path = path.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(!verify(&data.join("recordings")), "a flipped bit");
    let said = siprec(data, &["export", "--set", &key(MASTER_KEY), "--to", none.to_str().unwrap()]);
    assert!(said.code == Some(1) && said.err.contains("is damaged"), "{}", said.err);
    assert!(names(&none).iter().all(|name| !name.ends_with(".wav")), "nothing is served that fails its check");
}

#[test]
fn a_sealed_journal_is_played_to_a_server_for_who_has_the_key() {
    let (server, recording, _) = sealed();
    let journal = server.data.join(recording.text("/journal/path"));
    let other = Setup::default().start();
    let temp = TempDir::new("sealing");
    let to = format!("sip:{}", other.sip);
    let play = |more: &[&str]| {
        siprec(temp.path(), &[&["replay", journal.to_str().unwrap(), "--to", &to, "--json"], more].concat())
    };
    let said = play(&[]);
    let needs = [".key is wrapped by master key", "archive.seal has none: set it as archive.seal.master_key"];
    assert!(said.code == Some(1) && needs.iter().all(|words| said.err.contains(words)), "{}", said.err);
    let said = play(&["--set", &key(OTHER_KEY)]);
    assert!(said.code == Some(1) && said.err.contains("archive.seal.previous_keys"), "{}", said.err);

    let said = play(&["--set", &key(MASTER_KEY)]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let all = || recordings::all(&other.data);
    assert!(becomes_true(RENDERED_WITHIN, || !all().is_empty()), "{}", other.tail());
    let played = &all()[0];
    let packets = |recording: &Recording| recording.sheet["proof"]["packets_received"].clone();
    assert!(packets(played).as_u64().is_some_and(|packets| packets > 180), "{}", played.sheet["proof"]);
    assert_eq!(packets(played), packets(&recording), "each packet of the journal");
}

#[test]
fn the_master_key_is_changed_and_the_wrong_one_does_not_start() {
    let (server, recording, transcript) = sealed();
    let (data, temp) = (server.data.as_path(), TempDir::new("sealing"));
    let said = siprec(data, &["serve", "--set", "archive.seal.enabled=true", "--set", &key(OTHER_KEY)]);
    assert!(said.code == Some(1) && said.err.contains("seal.key is wrapped by master key"), "{}", said.err);

    let previous = format!("archive.seal.previous_keys=[\"{MASTER_KEY}\"]");
    let said = siprec(data, &["archive rewrap", "--set", &key(OTHER_KEY)]);
    assert_eq!(said.code, Some(1), "the key of before is missing");
    let said = siprec(data, &["archive rewrap", "--set", &key(OTHER_KEY), "--set", &previous]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("keys wrapped by master key"), "{}", said.out);
    let out = temp.path().join("recordings");
    let said = siprec(data, &["export", "--set", &key(OTHER_KEY), "--to", out.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_no_faults(&recordings::all(temp.path())[0].judge(&transcript, &Allow::default()));
    let said = siprec(data, &["export", "--set", &key(MASTER_KEY), "--to", out.join("x").to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "the key of before opens nothing any more");

    // Its journal is replayed, into a directory that seals under the same key.
    let again = temp.path().join("again");
    let journal = data.join(recording.text("/journal/path"));
    let arguments =
        ["replay", "--json", "--set", &key(OTHER_KEY), "--set", "archive.seal.enabled=true", journal.to_str().unwrap()];
    let said = siprec(&again, &arguments);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(names(&again.join("recordings")).iter().any(|name| name.ends_with(".wav.sealed")));
    let replayed = &recordings::all(&again)[0];
    assert_eq!(replayed.text("/files/0/sha256"), recording.text("/files/0/sha256"), "the same recording");
}

#[test]
fn a_new_key_is_for_its_owner_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = TempDir::new("sealing");
    let path = temp.path().join("master.key");
    let new_key = |path: &Path| Command::new(binary()).args(["archive", "new-key"]).arg(path).output().unwrap();
    assert!(new_key(&path).status.success());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.len() == 65 && text.trim().bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!new_key(&path).status.success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let file = format!("archive.seal.master_key_file={}", path.display());
    let check = |more: &[&str]| {
        let mut process = Command::new(binary());
        process.args(["config", "check", "--set", "archive.seal.enabled=true"]).args(more);
        process.output().unwrap()
    };
    assert!(check(&["--set", &file]).status.success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (more, remedy) in [
        (vec!["--set", file.as_str()], "chmod 600"),
        (vec![], "siprec archive new-key FILE"),
        (vec!["--set", file.as_str(), "--set", "archive.seal.master_key=1"], "leave one"),
        (vec!["--set", "archive.seal.master_key_file=/none/such"], "is not there"),
        (vec!["--set", "archive.seal.master_key_command=[\"false\"]"], "failed"),
    ] {
        let output = check(&more);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && text.contains(remedy), "{more:?}: {text}");
    }
}
