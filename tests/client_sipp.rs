//! `siprec replay --to` against SIPp, which shares no code with us, as the recording server: its scenarios
//! `testdata/sipp/srs-*.xml` look at each request. tshark has the last word on what was on the wire.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::sipp::{self, Called, Carrier};
use support::tshark::{self, Capture};
use support::{TempDir, becomes_true};

/// SIPp ends within.
const SOON: Duration = Duration::from_secs(20);

/// SIPp as a server for one call, and a socket for RTP beside it.
struct Srs {
    sipp: Child,
    at: SocketAddr,
    scratch: PathBuf,
    sink: UdpSocket,
}

impl Srs {
    /// Plays `testdata/sipp/NAME.xml`, its keys filled in.
    fn start(name: &str, tcp: bool, keys: &[(&str, &str)], scratch: &Path) -> Self {
        let at = Called::address();
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = sink.local_addr().unwrap().port().to_string();
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/sipp/{name}.xml"));
        // SIPp's own -key does not reach a status line.
        let text = [&[("sink", port.as_str())], keys]
            .concat()
            .iter()
            .fold(std::fs::read_to_string(scenario).unwrap(), |text, (key, value)| {
                text.replace(&format!("[{key}]"), value)
            });
        std::fs::write(scratch.join("scenario.xml"), text).unwrap();
        let mut command = Command::new("sipp");
        command.args(["-sf", "scenario.xml"]).args(["-i", "127.0.0.1", "-p", &at.port().to_string(), "-m", "1"]);
        command.args(["-t", if tcp { "t1" } else { "u1" }, "-nostdin", "-timeout", "60s", "-timeout_error"]);
        command.args(["-trace_err", "-trace_msg", "-message_file", "messages", "-trace_logs", "-log_file", "log"]);
        let screen = std::fs::File::create(scratch.join("screen")).unwrap();
        let sipp = command.current_dir(scratch).stdin(Stdio::null()).stdout(screen).stderr(Stdio::null()).spawn();
        let mut srs = Self { sipp: sipp.unwrap(), at, scratch: scratch.into(), sink };
        let carrier = if tcp { Carrier::Tcp } else { Carrier::Udp };
        assert!(sipp::listens_soon(&mut srs.sipp, at, carrier), "SIPp does not listen: {}", srs.told());
        srs
    }

    /// Runs `siprec replay --to` it: exit code and report; then SIPp must be content.
    fn called(mut self, transport: &str, arguments: &[&str]) -> (i32, Value, Heard) {
        let to = format!("sip:{}{transport}", self.at);
        let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
        command.args(["replay", "--json", "--to", &to]).args(arguments).args(["--set", "logging.level=warn"]);
        command.env("SIPREC_REPLAY_PASSWORD", "let me in");
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
        // A scenario that was left in the middle would wait on.
        let ended = becomes_true(SOON, || self.sipp.try_wait().unwrap().is_some());
        let content = ended && self.sipp.wait().unwrap().success();
        assert!(content, "SIPp is not content: {}\n{report}\n{errors}", self.told());
        self.sink.set_nonblocking(true).unwrap();
        let packets = std::iter::from_fn(|| self.sink.recv(&mut [0; 2048]).ok()).count();
        let read = |name: &str| std::fs::read_to_string(self.scratch.join(name)).unwrap_or_default();
        (output.status.code().unwrap(), report, Heard { messages: read("messages"), log: read("log"), packets })
    }

    fn told(&self) -> String {
        let errors = support::files_below(&self.scratch).into_iter().filter(|p| p.to_string_lossy().contains("errors"));
        let errors: String = errors.map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect();
        format!("{errors}\n{}", std::fs::read_to_string(self.scratch.join("messages")).unwrap_or_default())
    }
}

impl Drop for Srs {
    fn drop(&mut self) {
        let _ = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}

/// What SIPp saw.
struct Heard {
    messages: String,
    log: String,
    /// At the socket for RTP, as many as it holds.
    packets: usize,
}

/// A call with a hold and a metadata update: 100 and 180 first, then all that the scenario asks for.
fn held_and_changed(tcp: bool) {
    if !sipp::present() || !tshark::present() {
        return;
    }
    let scratch = TempDir::new("client-hold");
    let srs = Srs::start("srs-hold", tcp, &[], scratch.path());
    let (sip, media) = (srs.at.port(), srs.sink.local_addr().unwrap().port());
    let capture = Capture::start(&scratch.path().join("wire.pcap"), &format!("port {sip} or udp port {media}"));
    let flow = ["--hold", "500ms,400ms", "--transfer", "1300ms", "--duration", "1800ms"];
    let (code, report, heard) = srs.called(if tcp { ";transport=tcp" } else { "" }, &flow);
    assert_eq!((code, &report["ends"]), (0, &json!({ "ended by us": 1 })), "{report}");
    assert_eq!(report["remarks"], json!({}), "{report}");
    assert!(report["answer_ms"]["p50"].as_f64().unwrap() >= 250.0, "by the 200, not by the 180: {report}");
    let sent = report["rtp"]["packets"].as_u64().unwrap();
    let paused = report["rtp"]["paused"].as_u64().unwrap();
    assert!((100..=150).contains(&sent) && (20..=60).contains(&paused), "1.4 s of two legs: {report}");
    assert!(heard.packets as u64 >= sent, "{} of {sent}", heard.packets);
    let Some(file) = capture.stop() else { return };
    support::assert_no_faults(&tshark::doubts(&file, sip, "sip or sdp or mime_multipart or rtp or rtcp"));
    let requests: Vec<String> =
        tshark::sip_lines(&file, sip).into_iter().filter(|l| !l.starts_with("SIP/2.0")).collect();
    let methods: Vec<&str> = requests.iter().filter_map(|line| line.split(' ').next()).collect();
    let expected = ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"];
    assert_eq!(methods, expected, "{requests:?}");
}

#[test]
fn a_strict_server_is_content_over_udp() {
    held_and_changed(false);
}

#[test]
fn a_strict_server_is_content_over_tcp() {
    held_and_changed(true);
}

/// Calls a server that challenges; what it saw.
fn challenged(algorithm: &str) -> Heard {
    let scratch = TempDir::new("client-digest");
    let srs = Srs::start("srs-digest", false, &[("algorithm", algorithm)], scratch.path());
    let (code, report, heard) = srs.called("", &["--user", "sbc", "--duration", "300ms"]);
    assert_eq!((code, &report["ends"]), (0, &json!({ "ended by us": 1 })), "{report}");
    heard
}

#[test]
fn a_challenge_of_md5_is_answered_as_sipp_computes_it() {
    if sipp::present() {
        let heard = challenged("MD5");
        assert!(heard.log.contains("verified: true"), "{}\n{}", heard.log, heard.messages);
    }
}

/// SIPp knows no SHA-256: RFC 7616 3.4.1, from the header field that SIPp logged.
#[test]
fn a_challenge_of_sha_256_is_answered_as_rfc_7616_has_it() {
    if !sipp::present() {
        return;
    }
    let heard = challenged("SHA-256");
    let answers: Vec<&str> = heard.messages.lines().filter_map(|line| line.strip_prefix("Authorization: ")).collect();
    let methods = ["INVITE", "BYE"];
    assert_eq!(answers.len(), methods.len(), "{}", heard.messages);
    for (answer, method) in answers.into_iter().zip(methods) {
        let of = |name: &str| {
            let (_, rest) = answer.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{name}: {answer}"));
            rest.trim_start_matches('"').split(['"', ',']).next().unwrap().trim().to_owned()
        };
        let hash = |text: &str| Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let who = hash("sbc:recorders:let me in");
        let what = hash(&format!("{method}:{}", of("uri")));
        let response = [who, of("nonce"), of(" nc"), of("cnonce"), "auth".into(), what].join(":");
        assert_eq!(of("response"), hash(&response), "{method}: {answer}");
        assert_eq!((of("algorithm").as_str(), of("realm").as_str()), ("SHA-256", "recorders"));
    }
}

#[test]
fn refusals_are_acknowledged_and_reported_with_their_reasons() {
    if !sipp::present() {
        return;
    }
    let refusals = [
        ("503 Service Unavailable", "Retry-After: 30 (too many calls)", "503 Service Unavailable (Retry-After: 30 s)"),
        (
            "488 Not Acceptable Here",
            "Warning: 305 srs.example.com \"no codec in common\"",
            "488 Not Acceptable Here: no codec in common",
        ),
        ("486 Busy Here", "Server: sipp", "486 Busy Here"),
    ];
    for (status, line, reported) in refusals {
        let scratch = TempDir::new("client-refused");
        let srs = Srs::start("srs-refuse", false, &[("status", status), ("line", line)], scratch.path());
        let (code, report, _) = srs.called("", &[]);
        assert_eq!((code, &report["ends"]), (1, &json!({ reported: 1 })), "{report}");
        assert_eq!(report["calls"], json!({ "started": 1, "answered": 0, "failed": 1 }));
    }
}

/// Without a name nobody is claimed to be: the 401 is the end, and says what to do.
#[test]
fn a_challenge_without_a_user_is_reported() {
    if !sipp::present() {
        return;
    }
    let scratch = TempDir::new("client-unknown");
    let line = "WWW-Authenticate: Digest realm=\"recorders\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256";
    let keys = [("status", "401 Unauthorized"), ("line", line)];
    let (code, report, _) = Srs::start("srs-refuse", false, &keys, scratch.path()).called("", &[]);
    assert_eq!((code, &report["ends"]), (1, &json!({ "401 Unauthorized": 1 })), "{report}");
    assert_eq!(report["remarks"], json!({ "the server asks for a user and a password (--user)": 1 }));
}
