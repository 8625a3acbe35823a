//! `siprec tui` in a real terminal (tmux) against a live server with calls: keys go in, screens come out, and what keys say to do is
//! done on the server.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::http::Client;
use support::ports::Ports;
use support::process;
use support::recordings;
use support::server::{Server, Setup, binary, new_key};
use support::src::{Call, Src, set_up};
use support::studio::Plan;
use support::terminal::Terminal;
use support::{TempDir, becomes_true, files_below};

const SOON: Duration = Duration::from_secs(20);

/// Starts the program under test, and waits until it is connected.
#[track_caller]
fn start(terminal: &Terminal, server: &Server, more: &str) {
    terminal.run(&format!("{} tui --server http://{} {more}", binary().display(), server.api));
    terminal.must_show(&["1 Sessions", " live"]);
}

fn sessions(client: &Client) -> Vec<Value> {
    client.get("/api/v1/sessions").must(200)["sessions"].as_array().unwrap().clone()
}

/// Calls that talk for a minute.
fn talk(server: &Server, count: usize) -> Vec<Call> {
    let calls = set_up(&Src::udp(server.sip), count);
    calls.iter().for_each(|call| call.talk(&Plan::seconds(60.0)));
    calls
}

#[test]
fn two_hundred_calls_are_shown_filtered_paused_resumed_and_stopped() {
    let server = Setup::default().sessions(220).start();
    let client = Client::new(server.api);
    let calls = talk(&server, 200);
    let terminal = Terminal::open(200, 60);
    start(&terminal, &server, "");
    terminal.must_show(&["200 live", "200 sessions", "PCMA", "LEVELS"]);
    // Figures of seconds, as they are heard.
    let rated = || terminal.seen().lines().any(|line| line.contains("REC") && line.contains(" 4.4"));
    assert!(becomes_true(SOON, rated), "no scores in\n{}", terminal.seen());

    let wanted = calls[7].call_id().to_owned();
    terminal.keys(&["/"]);
    terminal.type_in(&wanted);
    terminal.must_show(&["1 of 200 sessions"]);
    terminal.keys(&["Enter"]);
    terminal.keys(&["p"]);
    let chosen = || sessions(&client).into_iter().find(|session| session["call_id"] == wanted.as_str());
    let is_paused = || chosen().is_some_and(|session| session["paused"] == true);
    assert!(becomes_true(SOON, is_paused), "it is not paused");
    terminal.must_show(&["PAUSE"]);
    assert_eq!(sessions(&client).iter().filter(|session| session["paused"] == true).count(), 1);
    terminal.keys(&["Enter"]);
    terminal.must_show(&[
        "paused: operator",
        "INVITE",
        "200 OK (INVITE) +sdp after",
        "INVITE +sdp +metadata",
        "+ session",
        "communication session",
    ]);
    terminal.keys(&["r"]);
    assert!(becomes_true(SOON, || !is_paused()), "it is still paused");
    terminal.must_show(&["resumed on stream 1"]);
    terminal.keys(&["t"]);
    terminal.must_show(&["Tag it"]);
    terminal.type_in("VIP");
    terminal.keys(&["Enter"]);
    let is_tagged = || chosen().is_some_and(|session| session["tags"] == serde_json::json!(["vip"]));
    assert!(becomes_true(SOON, is_tagged), "it is not tagged");
    terminal.must_show(&["tags: vip", "tagged vip", "├ tags vip"]);

    terminal.keys(&["s"]);
    terminal.must_show(&["Stop recording"]);
    terminal.keys(&["n"]);
    terminal.must_show(&["nothing was done"]);
    assert_eq!(sessions(&client).len(), 200);
    terminal.keys(&["s"]);
    terminal.must_show(&["Stop recording"]);
    terminal.keys(&["y"]);
    assert!(becomes_true(SOON, || calls[7].ended_by_server()), "no BYE");
    terminal.must_show(&["ENDED (operator)"]);
    terminal.keys(&["Escape"]);
    terminal.must_show(&["0 of 199 sessions"]);
    terminal.keys(&["Escape"]);
    terminal.must_show(&["199 live", "  199 sessions"]);
    terminal.keys(&["q"]);
    terminal.must_be_restored();
    server.assert_never_panicked();
}

#[test]
fn an_alarm_is_acknowledged_as_whoever_the_key_is_of() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let azure = format!(
        "storage.targets=[{{name: far, type: azure, azure: {{account: a, container: c, access_key: 'c2VjcmV0', endpoint: \
         'http://127.0.0.1:{nobody}/a'}}}}]"
    );
    let (key, row) = new_key("--name ops --role admin");
    let server = Setup::default()
        .set(&azure)
        .set("alarms.storage_late=1s")
        .set("auth.roles=[{name: admin, permissions: [read, write, delete, export, manage]}]")
        .set(&format!("auth.api_keys=[{row}]"))
        .start();
    let client = Client::new(server.api).bearer(&key);
    recordings::of_a_second(&server, SOON);
    let alarms = || client.get("/api/v1/alarms").must(200)["alarms"].as_array().unwrap().clone();
    assert!(becomes_true(SOON, || alarms().iter().any(|alarm| alarm["alarm"] == "storage_late")), "{}", server.tail());

    let terminal = Terminal::open(120, 30);
    terminal.run(&format!("{} tui --server http://{}", binary().display(), server.api));
    terminal.must_show(&["NO LINK", "give --token, or SIPREC_TOKEN"]);
    terminal.keys(&["q"]);
    terminal.must_be_restored();
    terminal.run(&format!("export SIPREC_TOKEN={key}; clear"));
    start(&terminal, &server, "");
    terminal.keys(&["4"]);
    terminal.must_show(&["storage late", "1 recordings wait", "disk free", "of them new"]);
    let place = alarms().iter().position(|alarm| alarm["alarm"] == "storage_late").unwrap();
    (0..place).for_each(|_| terminal.keys(&["j"]));
    terminal.keys(&["a"]);
    let is_noted =
        || alarms().iter().any(|alarm| alarm["alarm"] == "storage_late" && alarm["acknowledged_by"].is_string());
    assert!(becomes_true(SOON, is_noted), "{:?}", alarms());
    terminal.must_show(&["noted by"]);
}

#[test]
fn recordings_are_found_looked_at_tagged_and_saved() {
    let server = Server::start();
    let client = Client::new(server.api);
    let (_, recording) = recordings::of_a_second(&server, SOON);
    let path = format!("/api/v1/recordings/{}", recording.id());
    assert!(becomes_true(SOON, || client.get(&path).status == 200), "{}", server.tail());
    let terminal = Terminal::open(80, 24);
    start(&terminal, &server, "--theme mono");
    terminal.keys(&["3"]);
    terminal.must_show(&["1 recording", "STARTED (UTC)"]);
    terminal.keys(&["/"]);
    terminal.type_in("since:2h caller:nobody-of-that-name");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["no recording matches"]);
    terminal.keys(&["Escape"]);
    terminal.must_show(&["1 recording"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&[&format!("recording {}", recording.id()), "packets: 100 of 100 received", "left", "complete"]);
    terminal.keys(&["t"]);
    terminal.must_show(&["Tag it"]);
    terminal.type_in("claim-7");
    terminal.keys(&["Enter"]);
    assert!(becomes_true(SOON, || client.get(&path).must(200)["tags"] == serde_json::json!(["claim-7"])), "no tag");
    terminal.must_show(&["tags: claim-7"]);
    terminal.keys(&["w"]);
    terminal.must_show(&["Save the audio to"]);
    terminal.keys(&["C-u"]);
    terminal.type_in("call.wav");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["saved to call.wav"]);
    let saved = std::fs::read(terminal.folder().join("call.wav")).unwrap();
    assert_eq!(recordings::sha256(&saved), recording.text("/files/0/sha256"));
    terminal.keys(&["S"]);
    terminal.must_show(&["Save what is seen"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&["saved to siprec-recordings-"]);
    let pictures: Vec<_> = files_below(terminal.folder())
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "svg"))
        .collect();
    let picture = std::fs::read_to_string(&pictures[0]).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains(recording.id()), "{picture}");
}

#[test]
fn it_connects_again_by_itself_and_the_terminal_outlives_signals() {
    let mut server = Server::start();
    let calls = talk(&server, 2);
    let terminal = Terminal::open(80, 24);
    start(&terminal, &server, "--read-only");
    terminal.must_show(&["2 live", "read-only"]);
    terminal.keys(&["s"]);
    terminal.must_show(&["--read-only: nothing is changed from here"]);
    server.kill();
    terminal.must_show(&["NO LINK", "tried again in"]);
    server.restart();
    terminal.must_show(&["2 live"]);
    terminal.must_not_show("NO LINK");

    // Ctrl-Z, a word with the shell, and back.
    terminal.keys(&["C-z"]);
    terminal.must_be_restored();
    terminal.run("fg");
    terminal.must_show(&["1 Sessions", "2 live"]);
    assert_eq!(terminal.says("#{alternate_on}"), "1");
    process::signal(terminal.program(), libc::SIGTERM);
    terminal.must_be_restored();
    start(&terminal, &server, "--theme contrast");
    process::signal(terminal.program(), libc::SIGTSTP);
    terminal.must_be_restored();
    terminal.run("fg");
    terminal.must_show(&["2 live"]);
    // Smaller than it can be, and back again.
    assert!(terminal.tmux(&["resize-window", "-x", "60", "-y", "20"]).status.success());
    terminal.must_show(&["60x20 is too small", "80x24 at least"]);
    assert!(terminal.tmux(&["resize-window", "-x", "100", "-y", "30"]).status.success());
    terminal.must_show(&["2 sessions"]);
    terminal.keys(&["C-c"]);
    terminal.must_be_restored();
    calls.iter().for_each(|call| drop(call.bye()));
}

#[test]
fn a_session_is_listened_to_while_it_goes_on() {
    let server = Server::start();
    let calls = talk(&server, 1);
    let terminal = Terminal::open(80, 24);
    start(&terminal, &server, "");
    terminal.must_show(&["1 sessions"]);
    terminal.keys(&["l"]);
    terminal.must_show(&["Listen by a program", "file or pipe", ".wav"]);
    terminal.keys(&["C-u"]);
    terminal.type_in("live.wav");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["listening: "]);
    let path = terminal.folder().join("live.wav");
    let has_a_second = || std::fs::metadata(&path).is_ok_and(|file| file.len() > 16_000);
    assert!(becomes_true(SOON, has_a_second), "nothing is heard: {}", terminal.seen());
    assert_eq!(&std::fs::read(&path).unwrap()[..4], b"RIFF");
    terminal.keys(&["l"]);
    terminal.must_show(&["nothing is listened to any more"]);
    terminal.keys(&["q"]);
    terminal.must_be_restored();

    // Where there is a sound device, it is a program that plays.
    terminal.run("export PULSE_SERVER=unix:/nowhere SDL_AUDIODRIVER=disk SDL_DISKAUDIOFILE=$PWD/played; clear");
    start(&terminal, &server, "");
    terminal.must_show(&["1 sessions"]);
    terminal.keys(&["l"]);
    terminal.must_show(&["Listen by a program", "| "]);
    terminal.keys(&["C-u"]);
    terminal.type_in("| ffplay -nodisp -autoexit -loglevel error -i -");
    terminal.keys(&["Enter"]);
    terminal.must_show(&["listening by ffplay"]);
    let played = terminal.folder().join("played");
    let plays_a_second = || std::fs::metadata(&played).is_ok_and(|file| file.len() > 16_000);
    assert!(becomes_true(SOON, plays_a_second), "nothing is played: {}", terminal.seen());
    terminal.keys(&["l"]);
    terminal.must_show(&["nothing is listened to any more"]);
    calls[0].bye().unwrap();
    terminal.must_show(&["no session is being recorded"]);
}

#[test]
fn it_costs_nothing_while_nothing_happens() {
    let server = Server::start();
    let terminal = Terminal::open(200, 60);
    start(&terminal, &server, "");
    terminal.must_show(&["no session is being recorded"]);
    let program = terminal.program();
    let before = ticks(program);
    support::pause(Duration::from_secs(4));
    let used = ticks(program) - before;
    // Hundredths of a second: 2 % of a core, on a machine that builds beside it.
    assert!(used <= 8, "{used} ticks in 4 s");
}

/// Processor time of a process, hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let output = Command::new(binary()).arg("tui").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(said.contains("no terminal") && said.contains("siprec export") && said.contains("siprec trace"), "{said}");
}

#[test]
fn a_token_does_not_go_in_clear_to_another_machine() {
    let terminal = Terminal::open(80, 24);
    terminal.run(&format!("{} tui --server http://192.0.2.1 --token secret; echo code $?", binary().display()));
    terminal.must_show(&["no https: URL of a host", "code 1"]);
    terminal.must_be_restored();
}

#[test]
fn the_readmes_pictures_are_made_of_a_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (made, ports) = (TempDir::new("pictures"), Ports::for_sessions(60));
    let (first, last) = ports.media();
    let output = Command::new(root.join("docs/pictures/make"))
        .args([&binary(), made.path()])
        .env("SIP_PORT", ports.sip().to_string())
        .env("API_PORT", ports.api().to_string())
        .env("MEDIA_PORTS", format!("{first}-{last}"))
        .env("SETTLE", "3")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for (name, words) in [
        ("sessions", ["live", "PCMA", "LEVELS"]),
        ("session", ["INVITE", "label", "communication"]),
        ("recordings", ["left", "SHA-256", "inactive"]),
        ("trace", ["INVITE +sdp +metadata", "SRS", "+ Agent &lt;sip:"]),
    ] {
        let file = format!("{name}.svg");
        let picture = std::fs::read_to_string(made.path().join(&file)).unwrap();
        assert!(words.iter().all(|word| picture.contains(word)), "{name}: {picture}");
        assert!(picture.trim_end().ends_with("</svg>"), "{name}");
        assert!(root.join("docs/pictures").join(&file).exists(), "{file} is not kept: docs/pictures/make");
        assert!(readme.contains(&format!("docs/pictures/{file}")), "{file} is not in the README");
    }
}
