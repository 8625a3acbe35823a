//! `siprec trace --server`, of the real binary: calls of a running server shown as captures are, and followed as they go on.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use support::http::Client;
use support::recordings;
use support::server::{Server, Setup, binary, new_key};
use support::src::{Call, Direction, Src};
use support::studio::Plan;
use support::terminal::Terminal;
use support::{becomes_true, process, until};

const SOON: Duration = Duration::from_secs(30);
/// What keys of SRTP end with, as an offer has them.
const KEY: &str = "0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

/// What a run came to.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["trace", "--server", &format!("http://{}", server.api)]).args(arguments);
    command.env_remove("NO_COLOR").env_remove("SIPREC_TOKEN").stdin(Stdio::null());
    command
}

fn trace(server: &Server, arguments: &[&str]) -> Said {
    let output = command(server, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// What a run that goes well prints.
#[track_caller]
fn shown(server: &Server, arguments: &[&str]) -> String {
    let said = trace(server, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
    said.out
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The id of a call's session.
fn session(server: &Server, call: &Call) -> String {
    let client = Client::new(server.api);
    let shown = client.get(&format!("/api/v1/sessions?call={}", call.call_id())).must(200);
    shown["sessions"][0]["id"].as_str().unwrap().to_owned()
}

/// A `trace --follow` that runs.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Arc<Mutex<String>>,
}

impl Following {
    /// Once it follows.
    #[track_caller]
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut child = command(server, &[&["--follow"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let said = Arc::new(Mutex::new(String::new()));
        let (err, into) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                into.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let following = Self { child, lines, said };
        following.must_say("siprec: following http://");
        following
    }

    #[track_caller]
    fn must_say(&self, words: &str) {
        let says = || self.said.lock().unwrap().contains(words);
        assert!(becomes_true(SOON, says), "{words}: {}", self.said.lock().unwrap());
    }

    /// The next line that is none of a retransmission: on a busy machine there are some.
    #[track_caller]
    fn next(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("no line: {}", self.said.lock().unwrap()));
            if !is_again(&line) {
                return line;
            }
        }
    }

    /// Lines up to one that has these words.
    #[track_caller]
    fn until(&self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(words)) {
            lines.push(self.next());
        }
        lines
    }

    /// How it ends at Ctrl-C, and what it printed until then that was not looked at.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        process::signal(self.child.id(), 2);
        let ended = until(SOON, || self.child.try_wait().unwrap());
        (ended.unwrap(), self.lines.iter().filter(|line| !is_again(line)).collect())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a line of `--follow` says that it is: `INVITE +sdp`.
fn title(line: &str) -> String {
    let rest = line.split_once("  UDP  ").map_or("", |(_, rest)| rest);
    rest.split("  ").next().unwrap_or_default().to_owned()
}

fn is_again(line: &str) -> bool {
    title(line).ends_with(" again")
}

/// A server that takes keys of SRTP in clear signalling.
fn with_keys_in_clear() -> Server {
    Setup::default().set("media.sdes_over_clear=true").start()
}

/// Offers SRTP with keys that end with [`KEY`], one a line.
fn secured(mut call: Call) -> Call {
    call.bend_offer = Box::new(|offer| {
        let (mut out, mut begins) = (String::new(), ["a", "b"].into_iter());
        for line in offer.lines() {
            out += &format!("{}\r\n", line.replace("RTP/AVP", "RTP/SAVP"));
            if line.starts_with("m=audio") {
                let begin = begins.next().unwrap();
                out += &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{begin}{KEY}\r\n");
            }
        }
        out
    });
    call
}

#[test]
fn what_a_server_records_now_is_shown_as_a_capture_is() {
    let server = with_keys_in_clear();
    let (src, other) = (Src::udp(server.sip), Src::tcp(server.sip));
    let (one, two) = (Call::new(&src, 1), secured(Call::new(&other, 2)));
    one.must_invite();
    two.must_invite();
    two.reinvite(&[Direction::Inactive; 2]).unwrap();

    let ladders = shown(&server, &[]);
    for words in
        [one.call_id(), two.call_id(), "INVITE +sdp +metadata", "Server: session", "stream 0", "label 1", "Alice 1"]
    {
        assert!(ladders.contains(words), "{words}: {ladders}");
    }
    assert!(ladders.contains("not over so far"), "{ladders}");
    assert!(!ladders.contains("no RTP"), "what is not seen is not missing: {ladders}");
    assert!(ladders.contains("SRTP AES_CM_128_HMAC_SHA1_80"), "{ladders}");

    let count = |arguments: &[&str]| {
        let all = lines(&shown(&server, &[&["--list", "--json"], arguments].concat()));
        all.iter().filter(|line| line["again"].is_null()).count()
    };
    // The journal is a moment behind the wire.
    assert!(becomes_true(SOON, || count(&["--method", "ACK"]) == 3), "{}", shown(&server, &["--list"]));
    assert_eq!(count(&["--call", one.call_id()]), 3, "INVITE, 200, ACK: {}", shown(&server, &["--list"]));
    assert_eq!(count(&["--party", "1011"]), count(&["--call", one.call_id()]));
    assert_eq!(count(&["--party", "alice 2"]), count(&["--call", two.call_id()]));
    assert_eq!(count(&["--address", &other.contact().ip().to_string()]), count(&[]));
    assert_eq!(count(&["--status", "2xx"]), 3);
    assert_eq!(count(&["--session", &session(&server, &two)]), count(&["--call", two.call_id()]));
    for (arguments, words) in [
        (["--status", "4xx"], "no call matches"),
        (["--since", "2100-01-01"], "no call matches"),
        (["--call", "nobody's"], "no call matches"),
    ] {
        let said = trace(&server, &arguments);
        assert!(said.code == Some(1) && said.err.contains(words), "{arguments:?}: {said:?}");
    }

    let told = lines(&shown(&server, &["--json", "--call", two.call_id()]));
    let of = |kind: &str| told.iter().find(|line| line["type"] == kind).unwrap();
    assert_eq!(
        (&of("session")["state"], &of("session")["silences"]),
        (&"established".into(), &Value::Array(Vec::new()))
    );
    assert_eq!((&of("live")["call_id"], &of("live")["id"]), (&two.call_id().into(), &session(&server, &two).into()));
    let messages = shown(&server, &["--messages"]);
    assert!(messages.contains("inline:xxxx") && !messages.contains(KEY), "{messages}");

    one.talk(&Plan::seconds(5.0));
    let rtp = shown(&server, &["--rtp", "--call", one.call_id()]);
    assert!(rtp.contains("in the last second") && rtp.contains(", 0 lost, jitter "), "{rtp}");
    let mut here = Command::new(binary());
    here.args(["trace", "--server", "--list", "--set", &format!("api.address={}", server.api)]);
    assert_eq!(here.output().unwrap().stdout, shown(&server, &["--list"]).into_bytes(), "the server of this machine");
    assert!(shown(&server, &["--mermaid"]).starts_with("sequenceDiagram"));
    assert!(shown(&server, &["--svg"]).starts_with("<svg"));
    assert!(shown(&server, &["--lint", "--call", one.call_id()]).contains("answer: 200"));
    let written = server.scratch().join("one.pcapng");
    shown(&server, &["--call", one.call_id(), "--write", written.to_str().unwrap()]);
    let output = Command::new(binary()).args(["trace", "--list"]).arg(&written).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().filter(|line| !line.contains(" again ")).count(), 3, "{listed}");
    for call in [&one, &two] {
        call.bye().unwrap();
    }
    server.assert_never_panicked();
}

#[test]
fn a_session_that_is_over_has_its_signalling_and_a_recording_its_packets_too() {
    let server = Server::start();
    let none = trace(&server, &[]);
    assert!(none.code == Some(1) && none.err.contains("no session is being recorded now"), "{none:?}");
    let (call, recording) = recordings::of_a_second(&server, SOON);
    let over = recording.text("/recording_session/id");
    let ladder = shown(&server, &["--session", over]);
    assert!(ladder.contains("BYE") && ladder.contains(", over") && !ladder.contains("no RTP"), "{ladder}");
    assert!(becomes_true(SOON, || Client::new(server.api)
        .get(&format!("/api/v1/recordings/{}", recording.id()))
        .status
        == 200));
    let hint = format!("--session {}", recording.id());
    assert!(shown(&server, &["--session", over]).contains(&hint), "the way to its RTP");
    let told = lines(&shown(&server, &["--session", recording.id(), "--json"]));
    let streams: Vec<&Value> = told.iter().filter(|line| line["type"] == "stream").collect();
    assert_eq!(streams.len(), 2, "{told:?}");
    assert!(streams.iter().all(|stream| stream["packets"] == 50 && stream["call_id"] == call.call_id()), "{streams:?}");
    let nobody = "01a2287a-4bab-7e19-982e-8c887adffaaf";
    let said = trace(&server, &["--session", nobody]);
    assert!(said.code == Some(1) && said.err.contains(nobody) && said.err.contains("archive.keep_journal"), "{said:?}");
}

#[test]
fn a_call_is_followed_from_its_beginning_and_one_that_goes_on_from_where_it_is() {
    let server = with_keys_in_clear();
    let src = Src::udp(server.sip);
    let before = secured(Call::new(&src, 1));
    before.must_invite();
    let all = Following::start(&server, &[]);
    let of_the_second = Following::start(&server, &["--party", "bob 2", "--json"]);
    let whole = Following::start(&server, &["--messages", "--session", &session(&server, &before)]);
    assert!(all.said.lock().unwrap().contains("where 1 session goes on"));

    // Nobody's call, and a peer that asks whether the server is there, which is of no call.
    src.options().unwrap();
    let stray = Call::new(&src, 7);
    assert_eq!(stray.send_request("BYE", None).unwrap().status(), 481);
    let stray = all.until("481");
    assert_eq!(stray.len(), 2, "{stray:?}");
    assert!(title(&stray[1]).starts_with("481 ") && stray[1].contains("  -       "), "{stray:?}");

    let call = secured(Call::new(&src, 2));
    call.must_invite();
    let begun: Vec<String> = all.until("  ACK  ").iter().map(|line| title(line)).collect();
    assert_eq!(begun.first().map(String::as_str), Some("INVITE +sdp +metadata"), "{begun:?}");
    assert!(begun.iter().any(|title| title.starts_with("200 ") && title.ends_with("(INVITE) +sdp")), "{begun:?}");
    before.reinvite(&[Direction::Inactive; 2]).unwrap();
    let again = all.until("  ACK  ");
    assert!(again[0].contains("INVITE +sdp") && again[0].contains("Alice 1 - Bob 1"), "{again:?}");
    let id = session(&server, &before);
    assert!(again.iter().all(|line| line.contains(&id[id.len() - 8..])), "{again:?}");
    call.bye().unwrap();
    let ended: Vec<String> = all.until("(BYE)").iter().map(|line| title(line)).collect();
    assert_eq!(ended, ["BYE", "200 OK (BYE)"]);

    let told: Vec<Value> =
        of_the_second.until("\"BYE\",\"uri\":null").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.iter().all(|line| line["call_id"] == call.call_id() && line["type"] == "message"), "{told:?}");
    assert!(told.iter().all(|line| line["session"].is_string()), "{told:?}");
    let answer = told.iter().find(|line| line["status"] == 200).unwrap();
    assert_eq!(answer["answers"], told[0]["number"], "{told:?}");

    before.bye().unwrap();
    // What was named is over, and so is following it.
    let text = whole.lines.iter().collect::<Vec<_>>().join("\n");
    assert!(text.contains("a=inactive") && text.contains("inline:xxxx") && !text.contains(KEY), "{text}");
    assert!(text.contains("200 OK (BYE)") && !text.contains(call.call_id()), "{text}");
    assert_eq!(all.until("(BYE)").iter().map(|line| title(line)).collect::<Vec<_>>(), ["BYE", "200 OK (BYE)"]);
    let (status, rest) = all.end();
    assert!(status.success() && rest.is_empty(), "{status}: {rest:?}");
    server.assert_never_panicked();
}

#[test]
fn filters_choose_what_is_followed() {
    let server = Server::start();
    let src = Src::udp(server.sip);
    let refusals = Following::start(&server, &["--status", "4xx"]);
    let questions = Following::start(&server, &["--method", "options"]);
    let elsewhere = Following::start(&server, &["--address", "192.0.2.9"]);
    let call = Call::new(&src, 1);
    call.must_invite();
    src.options().unwrap();
    let stray = Call::new(&src, 7);
    stray.send_request("BYE", None).unwrap();
    assert!(refusals.next().contains("481 "));
    assert_eq!(title(&questions.next()), "OPTIONS");
    assert!(title(&questions.next()).starts_with("200 "));
    call.bye().unwrap();
    for following in [refusals, questions, elsewhere] {
        let (status, rest) = following.end();
        assert!(status.success() && rest.is_empty(), "{rest:?}");
    }
}

#[test]
fn a_server_that_is_lost_is_followed_again_once_it_is_there() {
    let mut server = Server::start();
    let call = Call::new(&Src::udp(server.sip), 1);
    call.must_invite();
    let following = Following::start(&server, &["--party", "alice"]);
    server.kill();
    following.must_say("trying again in");
    server.restart();
    following.must_say("is there again: what went by meanwhile is missing");
    call.reinvite(&[Direction::Inactive; 2]).unwrap();
    let lines = following.until("  ACK  ");
    assert!(lines[0].contains("Alice 1 - Bob 1"), "{lines:?}");
    let named = Following::start(&server, &["--session", &session(&server, &call)]);
    server.kill();
    named.must_say("trying again in");
    server.restart();
    call.bye().unwrap();
    // Whether it came back before the end or after: there is nothing left to follow.
    let mut named = named;
    assert!(until(SOON, || named.child.try_wait().unwrap()).unwrap().success());
}

/// A server that answers however much it is asked.
fn without_limits() -> Server {
    let keys = ["server.rate_limit.unknown", "server.rate_limit.unknown_together", "api.rate_limit"];
    keys.iter().fold(Setup::default(), |setup, key| setup.set(&format!("{key}=0"))).start()
}

/// Asks the server so often whether it is there, with a body that fills the buffers between it and whoever follows; each is answered.
#[track_caller]
fn flood(server: &Server, count: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.sip).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let (own, body) = (socket.local_addr().unwrap(), "x".repeat(16 << 10));
    let mut answer = vec![0; 64 << 10];
    for number in 1..=count {
        let text = format!(
            "OPTIONS sip:srs@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bKflood{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:src@{own}>;tag=flood\r\nTo: <sip:srs@{0}>\r\nCall-ID: flood@{own}\r\nCSeq: {number} OPTIONS\r\n\
             Contact: <sip:src@{own}>\r\nContent-Type: text/plain\r\nContent-Length: {1}\r\n\r\n{body}",
            server.sip,
            body.len()
        );
        socket.send(text.as_bytes()).unwrap();
        socket.recv(&mut answer).unwrap_or_else(|error| panic!("OPTIONS {number} is not answered: {error}"));
    }
}

#[test]
fn who_is_held_up_is_told_how_many_messages_it_missed() {
    const COUNT: usize = 3_000;
    let server = without_limits();
    let following = Following::start(&server, &["--method", "OPTIONS"]);
    process::signal(following.child.id(), libc::SIGSTOP);
    flood(&server, COUNT);
    process::signal(following.child.id(), libc::SIGCONT);
    following.must_say(" messages went by faster than they were taken: they are missing\n");
    let missed = || -> usize {
        let said = following.said.lock().unwrap();
        let counts = said.lines().filter_map(|line| line.split_once(" messages went by")?.0.rsplit(' ').next());
        counts.map(|count| count.parse::<usize>().unwrap()).sum()
    };
    // Each message is shown or counted, and so is its answer.
    let mut seen = 0;
    let all_are_told = || {
        seen += following.lines.try_iter().inspect(|line| assert!(line.contains("OPTIONS"), "{line}")).count();
        seen + missed() >= 2 * COUNT
    };
    assert!(becomes_true(SOON, all_are_told), "{}", missed());
    assert_eq!(seen + missed(), 2 * COUNT);
    assert!(seen >= 2_048, "{seen} were shown, {} were missed", missed());
    flood(&server, 1);
    assert_eq!([title(&following.next()), title(&following.next())], ["OPTIONS", "200 OK (OPTIONS)"]);
    let (status, rest) = following.end();
    assert!(status.success() && rest.is_empty(), "{status}: {rest:?}");
    server.assert_never_panicked();
}

#[test]
fn who_missed_the_end_of_what_it_follows_asks_and_ends() {
    let server = without_limits();
    let src = Src::udp(server.sip);
    let calls: Vec<Call> = (1..=3).map(|number| Call::new(&src, number)).collect();
    calls.iter().for_each(|call| drop(call.must_invite()));
    let [one, two, other] = [0, 1, 2].map(|index| session(&server, &calls[index]));
    let mut following = Following::start(&server, &["--session", &one, "--session", &two]);
    process::signal(following.child.id(), libc::SIGSTOP);
    flood(&server, 1_500);
    calls[0].bye().unwrap();
    calls[1].bye().unwrap();
    // More events than the server keeps for a listener.
    let client = Client::new(server.api);
    for _ in 0..600 {
        client.post(&format!("/api/v1/sessions/{other}/pause"), "").must(200);
        client.post(&format!("/api/v1/sessions/{other}/resume"), "").must(200);
    }
    process::signal(following.child.id(), libc::SIGCONT);
    following.must_say(": events were missed: trying again in 500 ms\n");
    assert!(until(SOON, || following.child.try_wait().unwrap()).unwrap().success(), "{:?}", following.said);
    calls[2].bye().unwrap();
    server.assert_never_panicked();
}

#[test]
fn calls_of_a_running_server_are_looked_through_by_keys() {
    let server = with_keys_in_clear();
    let src = Src::udp(server.sip);
    let (one, two) = (secured(Call::new(&src, 1)), Call::new(&src, 2));
    one.must_invite();
    two.must_invite();
    let listed =
        || trace(&server, &["--list", "--method", "ACK"]).out.lines().filter(|l| !l.contains(" again")).count();
    assert!(becomes_true(SOON, || listed() == 2), "the journal is a moment behind the wire");
    let terminal = Terminal::open(120, 60);
    let run = |more: &str| {
        let url = format!("http://{}", server.api);
        terminal.run(&format!("{} trace -i --server {url} {more}", binary().display()));
        terminal.must_show(&["siprec trace", &url]);
    };
    run("");
    terminal.must_show(&["2 calls, by time", "Alice 1", "Bob 1", "Alice 2"]);
    terminal.keys(&["/"]);
    terminal.type_in(one.call_id());
    terminal.keys(&["Enter"]);
    terminal.must_show(&["1 of 2 calls"]);
    terminal.keys(&["Enter"]);
    terminal.must_show(&[
        "INVITE +sdp +metadata",
        "200 OK (INVITE) +sdp",
        "ACK",
        "label 2  Bob 1 <sip:1011@example.com>",
    ]);
    // What is not seen is not missing.
    assert!(!terminal.seen().contains("no RTP"), "{}", terminal.seen());
    terminal.keys(&["Enter"]);
    terminal.must_show(&["INVITE sip:", " SIP/2.0", "inline:xxxx", one.call_id()]);
    terminal.keys(&["G"]);
    terminal.must_show(&["</recording>"]);
    assert!(!terminal.seen().contains(KEY), "{}", terminal.seen());
    terminal.keys(&["q", "d"]);
    terminal.must_show(&["complete", "Alice 1"]);
    terminal.keys(&["q"]);
    terminal.must_be_restored();
    // What goes on later is not seen by who looks already, but by who comes anew.
    one.bye().unwrap();
    let is_over = || !shown(&server, &["--list"]).contains(one.call_id());
    assert!(becomes_true(SOON, is_over));
    run(&format!("--session {}", session(&server, &two)));
    terminal.must_show(&["1 call", "Alice 2"]);
    terminal.keys(&["q"]);
    terminal.must_be_restored();
    // Without a call there is nothing to look through.
    two.bye().unwrap();
    assert!(becomes_true(SOON, || trace(&server, &["--list"]).code == Some(1)));
    terminal.run(&format!("{} trace -i --server http://{}", binary().display(), server.api));
    terminal.must_show(&["no session is being recorded now"]);
    server.assert_never_panicked();
}

#[test]
fn who_may_not_is_told_what_it_takes() {
    let roles = "auth.roles=[{name: agent, permissions: [read]}, {name: admin, permissions: [read, manage]}]";
    let ((agent, row), (admin, other)) = (new_key("--name agent --role agent"), new_key("--name admin --role admin"));
    let server = Setup::default().set(roles).set(&format!("auth.api_keys=[{row}, {other}]")).start();
    let (call, recording) = recordings::of_a_second(&server, SOON);
    let live = Call::new(&Src::udp(server.sip), 4);
    live.must_invite();
    assert!(shown(&server, &["--token", &admin, "--list"]).contains(live.call_id()));
    for more in [&[][..], &["--follow"]] {
        let nobody = trace(&server, more);
        assert!(nobody.code == Some(1) && nobody.err.contains("give --token, or SIPREC_TOKEN"), "{nobody:?}");
        let agent = trace(&server, &[&["--token", &agent], more].concat());
        assert!(agent.code == Some(1) && agent.err.contains("needs the permission `manage`"), "{agent:?}");
    }
    let client = Client::new(server.api).bearer(&admin);
    assert!(becomes_true(SOON, || client.get(&format!("/api/v1/recordings/{}", recording.id())).status == 200));
    let packets = trace(&server, &["--token", &admin, "--session", recording.id()]);
    assert!(packets.code == Some(1) && packets.err.contains("needs the permission `export`"), "{packets:?}");
    assert_eq!(Client::new(server.api).bearer(&agent).websocket("/ws/events?sip=true").err(), Some(403));
    drop(call);
    live.bye().unwrap();
}

#[test]
fn sip_is_told_to_nobody_who_did_not_ask_and_without_keys_to_who_did() {
    let server = with_keys_in_clear();
    let client = Client::new(server.api);
    let mut all = client.websocket("/ws/events").unwrap();
    let mut sip = client.websocket("/ws/events?sip=true&types=session.ended").unwrap();
    let call = secured(Call::new(&Src::udp(server.sip), 3));
    call.must_invite();
    call.talk(&Plan::seconds(0.5));
    call.wait();
    call.bye().unwrap();
    let told = all.until(|event| event["type"] == "session.ended");
    assert!(told.iter().all(|event| event["type"] != "sip" && !event.to_string().contains("SIP/2.0")), "{told:?}");
    let told = sip.until(|event| {
        event["type"] == "sip"
            && event["start_line"] == "SIP/2.0 200 OK"
            && event["message"].as_str().unwrap().contains("BYE")
    });
    assert!(!told.iter().any(|event| event.to_string().contains(KEY)), "{told:?}");
    let invite =
        told.iter().find(|event| event["start_line"].as_str().is_some_and(|line| line.starts_with("INVITE"))).unwrap();
    assert!(invite["message"].as_str().unwrap().contains("inline:xxxx"), "{invite}");
    assert_eq!((&invite["outbound"], &invite["transport"]), (&false.into(), &"udp".into()));
    let of_session = told.iter().filter(|event| event["type"] == "sip").all(|event| event["session"].is_string());
    assert!(of_session, "{told:?}");
}

#[test]
fn it_says_what_it_cannot_do_and_a_reader_that_goes_away_is_no_failure() {
    let output = Command::new(binary()).args(["trace", "--follow", "call.pcap"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2)
            && said.contains("--follow is for a running server")
            && said.contains("--server"),
        "{said}"
    );
    let output = Command::new(binary()).args(["trace", "--follow", "--server", "http://127.0.0.1:1"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("it cannot be reached"), "{said}");

    let server = Server::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command(&server, &["--follow"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // Nothing has to come for it to notice.
    let ended = until(SOON, || child.try_wait().unwrap());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(ended.unwrap().success() && !said.contains("roken pipe"), "{said}");
}
