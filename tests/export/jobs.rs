//! Several recordings at a time: all of them, in order, and what ends it early.

use std::fs;
use std::process::Command;

use siprec_core::seed::RecordingId;

use crate::house::{FRIDAY, HOUR, House, tree};

#[test]
fn however_many_at_a_time_all_is_copied_and_told_in_order() {
    let house = House::new();
    let all: Vec<u128> = (1..=60).collect();
    for &n in &all {
        house.record(n, FRIDAY + i64::try_from(n).unwrap() * HOUR, "sip:a@b", None);
    }
    let damaged = house.path("data/recordings/2026/11/20").join(format!("{}.wav", RecordingId(7)));
    fs::write(&damaged, "short").unwrap();
    let latest_first = house.ids("");
    for jobs in [1, 3, 64] {
        let said = house.export(&format!("--to out{jobs} --jobs {jobs} --json"));
        assert_eq!(said.code, 1, "{}", said.err);
        let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<u128> =
            lines.iter().map(|line| line["id"].as_str().unwrap().parse::<RecordingId>().unwrap().0).collect();
        assert_eq!(told, latest_first, "{jobs} jobs");
        let failed: Vec<&serde_json::Value> = lines.iter().filter(|line| line["outcome"] == "failed").collect();
        assert!(failed.len() == 1 && failed[0]["error"].as_str().unwrap().contains("is damaged"), "{failed:?}");
        let copied = tree(&house.path(&format!("out{jobs}")));
        assert_eq!(copied.len(), 2 * 59);
        assert!(copied == tree(&house.path("out1")));
    }
    assert_eq!(house.export("--to out --jobs 0").code, 2);
}

#[test]
fn what_every_recording_would_meet_ends_it_with_one_line() {
    let house = House::new();
    for n in 1..=40 {
        house.record(n, FRIDAY, "sip:a@b", None);
    }
    // A disk of its own that has room for a few of them.
    fs::create_dir(house.path("small")).unwrap();
    let small = house.path("small").display().to_string();
    let script = format!("mount -t tmpfs -o size=256k none {small} && exec \"$0\" export --data-dir data --to {small}");
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script, env!("CARGO_BIN_EXE_siprec")]).current_dir(house.path(""));
    let Ok(output) = command.output() else { return support::lacking("unshare is not installed") };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("unshare:") || text.contains("mount:") {
        return support::lacking("no user namespaces here");
    }
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("every other would meet the same; a next run goes on from there"), "{text}");
    assert!(text.contains("No space left"), "{text}");
}

#[test]
fn ctrl_c_leaves_no_half_file_and_the_next_run_goes_on() {
    let house = House::new();
    for n in 1..=300 {
        house.record(n, FRIDAY, "sip:a@b", None);
    }
    let mut child = house.command(&["export", "--data-dir", "data", "--to", "out", "--json", "--jobs", "2"]);
    let mut child = child.spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut lines, &mut first).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().cast_signed()), nix::sys::signal::SIGINT).unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut lines, &mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = 1 + rest.lines().count();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told < 300, "it was too fast for this test");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text, format!("siprec: interrupted after {told} recordings; a next run goes on from there\n"));
    let of_data = tree(&house.path("data/recordings"));
    for (path, octets) in tree(&house.path("out")) {
        assert!(of_data.get(&path) == Some(&octets), "{}", path.display());
    }
    let said = house.export("--to out");
    let present: usize = said.out.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(present >= told, "{} after {told}", said.out);
    assert!(tree(&house.path("out")) == of_data);
    assert_eq!(house.export("--to out").out, "0 copied, 300 already there, 0 failed\n");
}
