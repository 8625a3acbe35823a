//! `siprec export --server`: what a running server has, by its API, is what its disk has.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use support::recordings;
use support::server::{Server, Setup, binary, must_run};
use support::{TempDir, files_below};

const SOON: Duration = Duration::from_secs(20);

fn export(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["export", "--server", &format!("http://{}", server.api)]).args(arguments);
    command.env_remove("SIPREC_TOKEN").output().unwrap()
}

#[track_caller]
fn must_export(server: &Server, arguments: &[&str]) -> String {
    let output = export(server, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Names below a folder, and what they hold.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    let mut all: Vec<_> = files_below(folder).iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect();
    all.sort();
    all.retain(|(name, _)| !name.ends_with(".pub"));
    all
}

#[test]
fn what_is_copied_is_what_the_disk_has() {
    let (server, folder) = (Setup::default().sealed().start(), TempDir::new("served"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    recordings::of_a_second(&server, SOON);
    let far = folder.path().join("far");
    let to = far.to_str().unwrap();
    let master = format!("archive.seal.master_key={}", support::server::MASTER_KEY);
    assert_eq!(must_export(&server, &["--to", to]).trim(), "2 copied, 0 already there, 0 failed");
    assert_eq!(must_export(&server, &["--to", to]).trim(), "0 copied, 2 already there, 0 failed");
    let near = folder.path().join("near");
    must_run(&server.data, &[master], &format!("export --to {}", near.display()));
    assert_eq!(content(&far), content(&near));
    let key = server.data.join("siprec-proof.pub");
    let verified = Command::new(binary()).args(["export", "--verify", to, "--public-key"]).arg(key).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    let listed = must_export(&server, &["--dry-run", "--json", "--id", recording.id()]);
    let row: serde_json::Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(row["id"], recording.id());
    let none = must_export(&server, &["--dry-run", "--since", "2020-01-01", "--until", "2020-01-02", "--caller", "x"]);
    assert_eq!(none.trim(), "no recording matches");
    let heard = export(&server, &["--id", recording.id(), "--to", "-"]);
    assert_eq!(&heard.stdout[..4], b"RIFF");
}

/// To the octet what is made beside the data directory, though it is sealed there.
#[test]
fn a_vcon_is_the_same_wherever_it_is_made() {
    let (server, folder) = (Setup::default().sealed().start(), TempDir::new("served-vcon"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let master = format!("archive.seal.master_key={}", support::server::MASTER_KEY);
    for (place, audio) in [("inline", &[][..]), ("external", &["--vcon-audio", "external"])] {
        let (far, near) = (folder.path().join(place).join("far"), folder.path().join(place).join("near"));
        let arguments = [&["--as", "vcon", "--to", far.to_str().unwrap()], audio].concat();
        assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed");
        assert_eq!(must_export(&server, &arguments).trim(), "0 copied, 1 already there, 0 failed");
        let near_to = format!("export --as vcon --to {} {}", near.display(), audio.join(" "));
        must_run(&server.data, std::slice::from_ref(&master), near_to.trim());
        let made = content(&far);
        assert!(made.iter().any(|(name, _)| name.ends_with(&format!("{}.vcon.json", recording.id()))), "{place}");
        assert_eq!(made, content(&near), "{place}");
    }
    let shown = export(&server, &["--id", recording.id(), "--as", "vcon", "--to", "-"]);
    assert!(shown.stdout.starts_with(b"{\"vcon\":"), "{}", String::from_utf8_lossy(&shown.stderr));
}

const LAYOUTS: [&str; 3] = ["stereo", "mono", "separate"];
const FORMATS: [(&str, &str); 4] = [("wav", "wav"), ("wav-g711", "wav"), ("flac", "flac"), ("opus", "opus")];

/// To the octet what is rendered beside the data directory, sheets as well, though all is sealed there; and the server writes down
/// what left.
#[test]
fn each_layout_and_form_is_the_same_wherever_it_is_rendered() {
    let (server, folder) = (Setup::default().sealed().start(), TempDir::new("served-layouts"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let master = format!("archive.seal.master_key={}", support::server::MASTER_KEY);
    for (layout, (form, end)) in LAYOUTS.into_iter().flat_map(|layout| FORMATS.map(|format| (layout, format))) {
        let place = folder.path().join(layout).join(form);
        let (far, near) = (place.join("far"), place.join("near"));
        let arguments = ["--as", form, "--layout", layout, "--to", far.to_str().unwrap()];
        assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed", "{arguments:?}");
        assert_eq!(must_export(&server, &arguments).trim(), "0 copied, 1 already there, 0 failed", "{arguments:?}");
        let near_to = format!("export --as {form} --layout {layout} --to {}", near.display());
        must_run(&server.data, std::slice::from_ref(&master), &near_to);
        let made = content(&far);
        let files: Vec<_> = made.iter().filter(|(name, _)| name.ends_with(&format!(".{end}"))).collect();
        assert_eq!((made.len(), files.len()), if layout == "separate" { (3, 2) } else { (2, 1) }, "{layout} {form}");
        assert!(files.iter().all(|(_, octets)| octets.len() > 100), "{layout} {form}");
        assert_eq!(made, content(&near), "{layout} {form}");
    }
    // What is damaged there is had again.
    let far = folder.path().join("mono/flac/far");
    let file = files_below(&far).into_iter().find(|path| path.extension().is_some_and(|end| end == "flac")).unwrap();
    std::fs::write(&file, "half").unwrap();
    let arguments = ["--as", "flac", "--layout", "mono", "--to", far.to_str().unwrap()];
    assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed");
    assert_eq!(content(&far), content(&far.with_file_name("near")));
    let heard = export(&server, &["--id", recording.id(), "--as", "wav", "--layout", "mono", "--to", "-"]);
    assert_eq!(&heard.stdout[..4], b"RIFF");
    let several = export(&server, &["--id", recording.id(), "--as", "wav", "--layout", "separate", "--to", "-"]);
    assert!(String::from_utf8_lossy(&several.stderr).contains("it has 2 files"));
    let audit = std::fs::read_to_string(server.data.join("audit.log")).unwrap();
    let left = audit.lines().filter(|line| {
        line.contains("\"exported\"") && line.contains("\"as\":\"rendered\"") && line.contains(recording.id())
    });
    // Four forms of four files, one of them again, and one and two on standard output.
    assert_eq!(left.count(), 16 + 1 + 3, "{audit}");
}

#[test]
fn a_layout_that_is_not_given_is_the_servers() {
    let (server, folder) = (Setup::default().set("recording.layout=mono").start(), TempDir::new("served-mono"));
    recordings::of_a_second(&server, SOON);
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    let arguments = ["--as", "flac", "--to", far.to_str().unwrap()];
    assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed");
    assert_eq!(must_export(&server, &arguments).trim(), "0 copied, 1 already there, 0 failed");
    let mono = "recording.layout=mono".to_owned();
    must_run(&server.data, &[mono], &format!("export --as flac --to {}", near.display()));
    assert_eq!(content(&far), content(&near));
}

/// A recording of which nothing is left to render from, its file recompressed to FLAC.
#[test]
fn without_its_journal_it_is_had_as_far_as_it_can_be() {
    let (server, folder) = (Server::start(), TempDir::new("served-gone"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let journal = server.data.join(recording.text("/journal/path"));
    assert!(support::becomes_true(SOON, || journal.exists()), "{}", server.tail());
    let wav = std::fs::read(recording.path.with_extension("wav")).unwrap();
    must_run(&server.data, &[], "archive recompress --older-than 0s");
    std::fs::remove_dir_all(journal).unwrap();
    let (far, near) = (folder.path().join("far"), folder.path().join("near"));
    let arguments = ["--as", "wav", "--to", far.to_str().unwrap()];
    assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed");
    assert_eq!(must_export(&server, &arguments).trim(), "0 copied, 1 already there, 0 failed");
    must_run(&server.data, &[], &format!("export --as wav --to {}", near.display()));
    assert_eq!(content(&far), content(&near));
    assert!(content(&far).iter().any(|(name, octets)| name.ends_with(".wav") && *octets == wav));
    // Here, the server makes it of the FLAC; beside the data directory it cannot be had.
    let opus = folder.path().join("opus");
    let arguments = ["--as", "opus", "--to", opus.to_str().unwrap()];
    assert_eq!(must_export(&server, &arguments).trim(), "1 copied, 0 already there, 0 failed");
    assert_eq!(must_export(&server, &arguments).trim(), "0 copied, 1 already there, 0 failed");
    let made = content(&opus);
    assert!(made.len() == 1 && made[0].1.starts_with(b"OggS"), "{made:?}");
    for refused in [["--as", "opus", "--layout", "mono"], ["--as", "wav-g711", "--layout", "stereo"]] {
        let output = export(&server, &[&refused[..], &["--to", opus.to_str().unwrap()]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains("archive.keep_journal"), "{refused:?}: {text}");
    }
}

/// A folder that is exported into every night, over the API and beside the data directory.
#[test]
fn what_recompression_has_left_behind_is_told_and_removed_where_that_is_asked_for() {
    let (server, folder) = (Server::start(), TempDir::new("nightly"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let near = folder.path().join("near");
    let beside = |more: &str| must_run(&server.data, &[], format!("export --to {} {more}", near.display()).trim());
    let far = folder.path().join("far");
    let over = |more: &[&str]| must_export(&server, &[&["--to", far.to_str().unwrap()], more].concat());
    assert_eq!(
        (beside("").trim(), over(&[]).trim()),
        ("1 copied, 0 already there, 0 failed", "1 copied, 0 already there, 0 failed")
    );
    must_run(&server.data, &[], "archive recompress --older-than 0s");

    let told = "1 copied, 0 already there, 0 failed; 1 file of before recompression still there";
    assert_eq!((beside("").trim(), over(&[]).trim()), (told, told));
    let told = told.replace("1 copied, 0", "0 copied, 1");
    assert_eq!((beside("").trim(), over(&[]).trim()), (&*told, &*told), "each night");
    let wav = content(&near).into_iter().find_map(|(name, _)| name.ends_with(".wav").then_some(name)).unwrap();
    let line = |text: String| serde_json::from_str::<serde_json::Value>(text.trim()).unwrap();
    let named = serde_json::json!([wav]);
    for told in [line(beside("--json")), line(over(&["--json"]))] {
        assert_eq!((&told["outcome"], &told["superseded"], told.get("pruned")), (&"present".into(), &named, None));
    }
    // A file of that name and length that is another is nobody's to remove.
    let copy = std::fs::read(near.join(&wav)).unwrap();
    let mut other = copy.clone();
    other[100] ^= 1;
    for at in [&near, &far] {
        std::fs::write(at.join(&wav), &other).unwrap();
    }
    assert_eq!((beside("--prune").trim(), over(&["--prune"]).trim()), (&*told, &*told));
    for at in [&near, &far] {
        assert!(std::fs::read(at.join(&wav)).unwrap() == other);
        std::fs::write(at.join(&wav), &copy).unwrap();
    }
    for told in [line(beside("--prune --json")), line(over(&["--prune", "--json"]))] {
        assert_eq!((&told["pruned"], told.get("superseded")), (&named, None));
    }
    assert_eq!(content(&near), content(&far));
    let ends: Vec<_> =
        content(&near).into_iter().filter_map(|(name, _)| Some(name.split_once('.')?.1.to_owned())).collect();
    assert_eq!(ends, ["flac", "json", "json.sig"]);
    assert_eq!(beside("--prune").trim(), "0 copied, 1 already there, 0 failed");
    // The archive's own files are no copies.
    std::fs::write(recording.path.with_extension("wav"), &copy).unwrap();
    let own = server.data.join("recordings");
    must_run(&server.data, &[], &format!("export --prune --to {}", own.display()));
    assert!(recording.path.with_extension("wav").exists());
}

#[test]
fn other_forms_are_had_and_what_cannot_be_is_told() {
    let (server, folder) = (Server::start(), TempDir::new("served-forms"));
    let (_, recording) = recordings::of_a_second(&server, SOON);
    for (form, end, begins) in [("pcap", "pcapng", &b"\x0a\x0d\x0d\x0a"[..]), ("json", "json", b"{")] {
        let to = folder.path().join(form);
        must_export(&server, &["--as", form, "--to", to.to_str().unwrap()]);
        let all = content(&to);
        assert_eq!(all.len(), 1, "{form}: {all:?}");
        assert!(all[0].0.ends_with(&format!("{}.{end}", recording.id())) && all[0].1.starts_with(begins), "{form}");
    }
    must_run(&server.data, &[], &format!("export --as pcap --to {}", folder.path().join("near").display()));
    assert_eq!(content(&folder.path().join("pcap")), content(&folder.path().join("near")));
    let to = folder.path().join("x");
    let to = to.to_str().unwrap();
    for (arguments, said) in [
        (&["--as", "vcon", "--sign", "--to", to][..], "--sign: not over --server"),
        (&["--prune", "--to", "-"], "--prune: only of a folder"),
        (&["--id", "01a2287a-4bab-7e19-982e-8c887adffaaf", "--to", to], "404"),
    ] {
        let output = export(&server, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(said), "{arguments:?}: {text}");
    }
    // Those that begin like this machine are others.
    for far in
        ["http://192.0.2.1", "http://localhost.example.com", "http://127.example.com", "http://localhost@192.0.2.1"]
    {
        let mut command = Command::new(binary());
        let refused = command.args(["export", "--server", far, "--token", "x", "--dry-run"]).output().unwrap();
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no https: URL"), "{far}");
    }
}
