//! SIP over TLS in a capture, made plain with the keys that OpenSSL's client has written down: what it said with the
//! server, and what two strangers say to each other in cipher suites that the server does not speak.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::server::Setup;
use support::tls::{Ca, Wanted, openssl, options};
use support::tshark::{self, Capture};
use support::{TempDir, becomes_true};

/// Exit code, standard output and standard error.
fn trace(arguments: &[&str], file: &Path) -> (Option<i32>, String, String) {
    let mut siprec = Command::new(env!("CARGO_BIN_EXE_siprec"));
    let done = siprec.arg("trace").args(arguments).arg(file).output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn a_key_log_opens_what_openssl_and_the_server_said() {
    if !tshark::present() {
        return;
    }
    let scratch = TempDir::new("trace-tls");
    let own = Ca::new(scratch.path(), "ca").issue("srs", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
    let server = Setup::default()
        .set("server.tls.enabled=true")
        .set(&format!("server.tls.cert_file={}", own.cert.display()))
        .set(&format!("server.tls.key_file={}", own.key.display()))
        .start();
    for version in ["-tls1_2", "-tls1_3"] {
        let (wire, keys) = (scratch.path().join("wire.pcap"), scratch.path().join("keys"));
        let capture = Capture::start(&wire, &format!("tcp port {}", server.tls.port()));
        let said = openssl(server.tls, &[version, "-keylogfile", keys.to_str().unwrap()], &options(server.tls));
        assert!(said.contains("SIP/2.0 200"), "{said}");
        let Some(file) = capture.stop() else { return };
        let (code, list, errors) = trace(&["--list", "--keylog", keys.to_str().unwrap()], &file);
        assert!(list.contains("OPTIONS") && list.contains("200") && list.contains("TLS"), "{version}: {list}{errors}");
        assert_eq!(code, Some(0));

        let (code, list, _) = trace(&["--list"], &file);
        assert!(code == Some(1) && !list.contains("OPTIONS"), "{version} without its keys: {list}");
        std::fs::write(&keys, format!("CLIENT_RANDOM {} {}\n", "ab".repeat(32), "cd".repeat(48))).unwrap();
        let (code, _, errors) = trace(&["--list", "--keylog", keys.to_str().unwrap()], &file);
        assert!(code == Some(1) && errors.contains("the key log has no"), "{version}: {errors}");
    }
}

/// What OpenSSL calls the suites of TLS 1.2 with AES-CBC.
const CBC: [&str; 16] = [
    "AES128-SHA",
    "AES256-SHA",
    "AES128-SHA256",
    "AES256-SHA256",
    "DHE-RSA-AES128-SHA",
    "DHE-RSA-AES256-SHA",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
];
/// And those that seal and authenticate at once.
const AEAD: [&str; 23] = [
    "AES128-CCM",
    "AES256-CCM",
    "AES128-CCM8",
    "AES256-CCM8",
    "DHE-RSA-AES128-CCM",
    "DHE-RSA-AES256-CCM",
    "DHE-RSA-AES128-CCM8",
    "DHE-RSA-AES256-CCM8",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES128-CCM8",
    "ECDHE-ECDSA-AES256-CCM8",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];
const TLS_13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:\
                      TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// `openssl s_server` with every suite that it knows, which answers each request.
struct Stranger {
    child: Child,
    at: SocketAddr,
    input: Arc<Mutex<ChildStdin>>,
    dir: PathBuf,
}

impl Stranger {
    fn start(dir: &Path) -> Self {
        for (name, kind) in [("rsa", "rsa:2048"), ("ec", "ec -pkeyopt ec_paramgen_curve:P-256")] {
            let command =
                format!("req -x509 -nodes -newkey {kind} -keyout {name}.key -out {name}.pem -subj /CN=stranger");
            let made = Command::new("openssl").args(command.split(' ')).current_dir(dir).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let command = "s_server -accept 127.0.0.1:0 -cert rsa.pem -key rsa.key -dcert ec.pem -dkey ec.key";
        let mut child = Command::new("openssl")
            .args(command.split(' '))
            .args(["-cipher", "ALL:@SECLEVEL=0", "-ciphersuites", TLS_13])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = Arc::new(Mutex::new(child.stdin.take().unwrap()));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let at =
            output.by_ref().lines().map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
        let writer = Arc::clone(&input);
        std::thread::spawn(move || Self::answer(output, &writer));
        Self { child, at: at.unwrap(), input, dir: dir.into() }
    }

    /// One whose connections are captured, in `wire.pcap`.
    fn captured(dir: &Path) -> (Self, Capture) {
        let stranger = Self::start(dir);
        let capture = Capture::start(&dir.join("wire.pcap"), &format!("tcp port {}", stranger.at.port()));
        (stranger, capture)
    }

    /// By the line that ends a request's head ([`options`] has it last).
    fn answer(output: BufReader<ChildStdout>, input: &Mutex<ChildStdin>) {
        let mut call_id = String::new();
        for line in output.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if let Some(id) = line.trim().strip_prefix("Call-ID: ") {
                id.clone_into(&mut call_id);
            } else if line.starts_with("Content-Length: 0") {
                let answer = format!(
                    "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKo\r\nFrom: <sip:a@b>;tag=a\r\n\
                     To: <sip:c@d>;tag=b\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                );
                let _ = input.lock().unwrap().write_all(answer.as_bytes());
            }
        }
    }

    fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    fn request(&self, call_id: &str) -> String {
        options(self.at).replacen("o@a", call_id, 1)
    }

    /// What a client is told on its command line to speak a suite, and to keep its keys.
    fn client<'a>(keys: &'a Path, suite: &'a str) -> Vec<&'a str> {
        let keys = ["-keylogfile", keys.to_str().unwrap(), "-tlsextdebug"];
        let suite =
            if suite.starts_with("TLS_") { ["-tls1_3", "-ciphersuites", suite] } else { ["-tls1_2", "-cipher", suite] };
        [keys, suite].concat()
    }

    /// A request in a connection of its own, which is answered; and all that the client says.
    fn ask(&self, call_id: &str, suite: &str, more: &[&str]) -> String {
        let (keys, lax) = (self.keys(), format!("{suite}:@SECLEVEL=0"));
        let spoken = if suite.starts_with("TLS_") { suite } else { &lax };
        let said = openssl(self.at, &[&Self::client(&keys, spoken), more].concat(), &self.request(call_id));
        assert!(said.contains("SIP/2.0 200"), "{suite}: {said}");
        assert!(said.contains(&format!("Cipher is {suite}\n")), "{suite}: {said}");
        said
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Methods and status codes of each Call-ID, and what went to standard error.
fn messages(file: &Path, keys: &Path) -> (BTreeMap<String, Vec<String>>, String) {
    let (_, lines, errors) = trace(&["--json", "--messages", "--keylog", keys.to_str().unwrap()], file);
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for line in lines.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["transport"], "tls", "{line}");
        let what = message["status"].as_u64().map_or("request".to_owned(), |status| status.to_string());
        found.entry(message["call_id"].as_str().unwrap().to_owned()).or_default().push(what);
    }
    (found, errors)
}

#[test]
fn what_two_strangers_say_is_read_in_every_suite_that_is_named() {
    if !tshark::present() {
        return;
    }
    let scratch = TempDir::new("trace-suites");
    let (stranger, capture) = Stranger::captured(scratch.path());
    let mut asked = Vec::new();
    for suite in CBC {
        for (name, more, is_encrypted_first) in [("etm", &[][..], true), ("no-etm", &["-no_etm"][..], false)] {
            asked.push(format!("{suite}@{name}"));
            let said = stranger.ask(asked.last().unwrap(), suite, more);
            assert_eq!(said.contains("\"encrypt-then-mac\""), is_encrypted_first, "{suite}: {said}");
        }
    }
    for suite in AEAD.into_iter().chain(TLS_13.split(':')) {
        asked.push(format!("{suite}@aead"));
        stranger.ask(asked.last().unwrap(), suite, &[]);
    }
    let Some(file) = capture.stop() else { return };
    let (found, errors) = messages(&file, &stranger.keys());
    for call_id in &asked {
        let both = found.get(call_id).map(|both| both.join(" "));
        assert_eq!(both.as_deref(), Some("request 200"), "{call_id}: {errors}");
    }
    assert_eq!((found.len(), errors.as_str()), (asked.len(), ""));
}

#[test]
fn sessions_that_are_resumed_or_negotiated_anew_are_read() {
    if !tshark::present() {
        return;
    }
    let scratch = TempDir::new("trace-resumed");
    let (stranger, capture) = Stranger::captured(scratch.path());
    for (call_id, more) in [("ticket", &["-reconnect"][..]), ("session", &["-reconnect", "-no_ticket"])] {
        let said = stranger.ask(call_id, "AES128-SHA", more);
        assert_eq!(said.matches("Reused, ").count(), 5, "{said}");
    }
    let begun = logged(&stranger.keys());
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &stranger.at.to_string()])
        .args(Stranger::client(&stranger.keys(), "ECDHE-RSA-AES256-SHA384"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut input, output) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut answered = || lines.any(|line| line.contains("SIP/2.0 200"));
    input.write_all(stranger.request("before").as_bytes()).unwrap();
    assert!(answered());
    // It takes a letter at the start of what it reads for an order: a new handshake. The answer was read before it.
    stranger.input.lock().unwrap().write_all(b"r\n").unwrap();
    assert!(becomes_true(ANSWERED_WITHIN, || logged(&stranger.keys()) == begun + 2), "no new handshake");
    input.write_all(stranger.request("after").as_bytes()).unwrap();
    assert!(answered());
    drop(input);
    client.wait().unwrap();
    let Some(file) = capture.stop() else { return };
    let (found, errors) = messages(&file, &stranger.keys());
    assert_eq!(errors, "");
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["after", "before", "session", "ticket"]);
    assert!(found.values().all(|both| both.join(" ") == "request 200"), "{found:?}");
}

/// Handshakes whose keys are in a log.
fn logged(keys: &Path) -> usize {
    std::fs::read_to_string(keys).unwrap().matches("CLIENT_RANDOM ").count()
}

#[test]
fn a_record_with_a_bit_that_is_not_its_own_is_told_and_never_shown() {
    if !tshark::present() {
        return;
    }
    let scratch = TempDir::new("trace-damaged");
    let stranger = Stranger::start(scratch.path());
    for (name, more) in [("etm", &[][..]), ("no-etm", &["-no_etm"])] {
        let wire = scratch.path().join(name);
        let capture = Capture::start(&wire, &format!("tcp port {}", stranger.at.port()));
        stranger.ask(name, "AES128-SHA", more);
        let Some(file) = capture.stop() else { return };
        let whole = std::fs::read(&file).unwrap();
        let request = whole.windows(3).position(|head| head == [23, 3, 3]).unwrap();
        let length = usize::from(u16::from_be_bytes([whole[request + 3], whole[request + 4]]));
        let damaged = scratch.path().join("damaged.pcap");
        let (inside, outside) = ((0..5 + length).step_by(11), (24..whole.len()).step_by(101));
        for at in inside.map(|at| request + at).chain(outside) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&damaged, &bytes).unwrap();
            let (code, list, errors) = trace(&["--list", "--keylog", stranger.keys().to_str().unwrap()], &damaged);
            assert!(matches!(code, Some(0 | 1)) && !errors.contains("panicked"), "{at}: {errors}");
            if (request + 5..request + 5 + length).contains(&at) {
                let told = "a record of TLS_RSA_WITH_AES_128_CBC_SHA does not open with the key of the log";
                assert!(errors.contains(told) && !list.contains("OPTIONS"), "{at}: {list}{errors}");
            }
        }
    }
}

#[test]
fn a_key_log_that_is_none_is_told() {
    let scratch = TempDir::new("trace-keys");
    let file = scratch.path().join("keys");
    std::fs::write(&file, "these are no keys\n").unwrap();
    let (code, _, error) = trace(&["--keylog", file.to_str().unwrap()], &file);
    assert!(code == Some(1) && error.contains("--keylog") && error.contains("keys"), "{error}");
}
