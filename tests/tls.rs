//! SIP over TLS at the real binary's port: whole calls, who gets in and who does not (and what the log says of it),
//! certificates that change, and crashes.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::raw::{Draft, Raw};
use support::recordings::{self, Recording};
use support::server::{Server, Setup};
use support::src::{Call, Src, Transport};
use support::studio::Plan;
use support::tls::{Ca, Ends, Identity, Wanted, openssl, options, tunnel};
use support::wav::{Allow, Tones};
use support::{TempDir, assert_no_faults, becomes_true, process, sipp, tshark, wall_now};

const RENDERED_WITHIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);

/// A CA, what it issued to the server, and to one SBC.
struct World {
    dir: TempDir,
    ca: Ca,
    server: Identity,
    sbc: Identity,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new("tls");
        let ca = Ca::new(dir.path(), "ca");
        let server = ca.issue("server", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
        let sbc = ca.issue("sbc", &Wanted { dns: &["sbc-a.example.com"], ..Wanted::default() });
        Self { dir, ca, server, sbc }
    }

    fn setup(&self) -> Setup {
        let set = |key: &str, path: &PathBuf| format!("server.tls.{key}={}", path.display());
        Setup::default()
            .set("server.tls.enabled=true")
            .set(&set("cert_file", &self.server.cert))
            .set(&set("key_file", &self.server.key))
    }

    /// Clients must show a certificate of the CA's.
    fn mutual(&self) -> Setup {
        self.setup()
            .set("server.tls.client_auth=required")
            .set(&format!("server.tls.client_ca_file={}", self.ca.file().display()))
    }
}

/// A call of a second, judged.
fn call(server: &Server, src: &Src, index: usize) -> (Vec<String>, Recording) {
    let call = Call::new(src, index);
    call.must_invite();
    call.talk(&Plan::seconds(1.0));
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    (recording.judge(&transcript, &Allow::default()), recording)
}

/// Whether `openssl s_client` with these options is answered; and all that it printed.
fn asked(server: &Server, options_of_openssl: &[&str]) -> (bool, String) {
    let said = openssl(server.tls, options_of_openssl, &options(server.tls));
    (said.contains("SIP/2.0 200 OK"), said)
}

fn own(identity: &Identity) -> [&str; 4] {
    ["-cert", identity.cert.to_str().unwrap(), "-key", identity.key.to_str().unwrap()]
}

#[test]
fn a_call_over_tls_is_recorded_shown_in_clear_and_replayed() {
    let world = World::new();
    let trace = world.dir.path().join("sip.pcap");
    let server = world.setup().arg("--sip-trace-file").arg(trace.to_str().unwrap()).start();
    let src = Src::tls(server.tls, &world.sbc);
    let (mut faults, recording) = call(&server, &src, 0);
    assert!(src.asked().is_empty());

    let journal = recording.segments().remove(0);
    let fields = |file: &PathBuf, args: &[&str]| {
        let decode = format!("udp.port=={},sip", server.tls.port());
        let output =
            Command::new("tshark").arg("-r").arg(file).args(["-d", &decode, "-T", "fields"]).args(args).output();
        String::from_utf8(output.unwrap().stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let interfaces = fields(&journal, &["-e", "frame.interface_name", "-Y", "sip.Method == INVITE"]);
    assert_eq!(interfaces, ["sip tls"]);
    for file in [&journal, &trace] {
        faults.extend(tshark::complaints(file, server.tls.port()));
        let all = fields(file, &["-e", "sip.CSeq", "-Y", "sip"]);
        assert_eq!(all, ["1 INVITE", "1 INVITE", "1 ACK", "2 BYE", "2 BYE"], "{}", file.display());
    }

    let again = world.dir.path().join("again");
    let output = Command::new(env!("CARGO_BIN_EXE_siprec"))
        .args(["replay", "--data-dir"])
        .arg(&again)
        .args(recording.segments())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replayed = recordings::all(&again);
    assert_eq!(replayed.len(), 1);
    let digest = |recording: &Recording| recording.list("/files")[0]["sha256"].clone();
    assert!(digest(&recording).is_string());
    assert_eq!(digest(&replayed[0]), digest(&recording), "the same bytes");
    assert_no_faults(&faults);
}

#[test]
fn sipp_is_recorded_over_tls_and_over_mutual_tls() {
    if !sipp::present() {
        return;
    }
    let world = World::new();
    for (server, voice) in [(world.setup().start(), 7), (world.mutual().start(), 8)] {
        let scratch = server.scratch().join("sipp");
        std::fs::create_dir_all(&scratch).unwrap();
        let run = sipp::Run { calls: 4, rate: 4, packets: 50, voice, tcp: true };
        assert_eq!(sipp::record(tunnel(server.tls, Ends::with(&world.sbc)), &run, &scratch), Ok(()));
        let done = |all: &Vec<Recording>| all.len() == 4;
        let all = support::until(RENDERED_WITHIN, || Some(recordings::all(&server.data)).filter(done));
        let all = all.unwrap_or_else(|| panic!("{} recordings of 4 calls", recordings::all(&server.data).len()));
        for recording in all {
            assert_eq!(recording.text("/recording_session/transport"), "tls");
            assert_eq!(recording.sources().values().map(|source| source.packets).sum::<usize>(), 50, "{recording:?}");
        }
    }
}

#[test]
fn the_contact_is_of_the_kind_that_the_src_uses() {
    let world = World::new();
    let server = world.setup().start();
    let src = Src::tls(server.tls, &world.sbc);
    let call = Call::new(&src, 0);
    let answer = call.must_invite();
    assert_eq!(answer.contact_uri(), Some(format!("sip:srs@{};transport=tls", server.tls)));
    let directions = [support::src::Direction::SendOnly; 2];
    assert_eq!(call.reinvite(&directions).unwrap().status(), 200);
    assert_eq!(call.bye().unwrap().status(), 200);
    let said = openssl(server.tls, &["-quiet"], &options(server.tls).replacen("sip:", "sips:", 1));
    assert!(said.contains(&format!("Contact: <sips:srs@{}>", server.tls)), "{said}");
}

#[test]
fn openssl_gets_in_by_1_2_and_1_3_and_by_nothing_older() {
    let world = World::new();
    let server = world.setup().start();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let ca = world.ca.file();
        let trusting = ["-CAfile", ca.to_str().unwrap(), "-verify_return_error", version];
        let (answered, said) = asked(&server, &trusting);
        assert!(answered && said.contains(name), "{version}: {said}");
    }
    let (answered, _) = asked(&server, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(!answered);
    server.must_say(&["no version in common", "speaks TLS 1.1 at best; siprec speaks TLS 1.2 and 1.3"]);
    for (cipher, words) in [
        ("AES128-SHA", "no key exchange in common: it must offer ECDHE"),
        ("ECDHE-ECDSA-AES128-SHA", "no cipher suite in common: it must offer ECDHE with AES-GCM"),
    ] {
        assert!(!asked(&server, &["-tls1_2", "-cipher", cipher]).0, "{cipher}");
        server.must_say(&[words]);
    }
    let other = Ca::new(world.dir.path(), "other");
    let other = other.file();
    let (answered, _) = asked(&server, &["-CAfile", other.to_str().unwrap(), "-verify_return_error"]);
    assert!(!answered);
    server.must_say(&["it sent the alert UnknownCA", "install that CA there"]);

    let new_only = world.setup().set("server.tls.min_version=1.3").start();
    assert!(asked(&new_only, &["-tls1_3"]).0);
    assert!(!asked(&new_only, &["-tls1_2"]).0);
    new_only.must_say(&["127.0.0.1", "siprec speaks TLS 1.3 only (server.tls.min_version)"]);
}

#[test]
fn with_mutual_tls_only_those_with_a_right_certificate_get_in() {
    let world = World::new();
    let dir = world.dir.path();
    let stranger_ca = Ca::new(dir, "stranger-ca");
    let stranger = stranger_ca.issue("stranger", &Wanted { dns: &["sbc-a.example.com"], ..Wanted::default() });
    let other = world.ca.issue("other", &Wanted { dns: &["sbc-b.example.com"], ..Wanted::default() });
    let wild = world.ca.issue("wild", &Wanted { dns: &["*.example.com"], ..Wanted::default() });
    let by_uri = world.ca.issue("uri", &Wanted { uris: &["sip:site-7.example.com"], ..Wanted::default() });
    let old =
        world.ca.issue("old", &Wanted { years: Some((2001, 2010)), dns: &["sbc-a.example.com"], ..Wanted::default() });
    let pinned = Identity::self_signed(dir, "pinned", &Wanted { years: Some((2001, 2010)), ..Wanted::default() });
    let unpinned = Identity::self_signed(dir, "unpinned", &Wanted { common_name: Some("sbc"), ..Wanted::default() });
    let server = world
        .mutual()
        .set("server.tls.allowed_names=sbc-a.example.com,site-7.example.com")
        .set(&format!("server.tls.pins={}", pinned.fingerprint))
        .start();

    let (faults, _) = call(&server, &Src::tls(server.tls, &world.sbc), 0);
    assert_no_faults(&faults);
    for version in ["-tls1_2", "-tls1_3"] {
        for (who, identity) in [("by name", &world.sbc), ("by sip URI", &by_uri), ("by pin", &pinned)] {
            let (answered, said) = asked(&server, &[&own(identity)[..], &[version]].concat());
            assert!(answered, "{who}, {version}: {said}");
        }
        assert!(!asked(&server, &[version]).0, "without a certificate, {version}");
        for (who, identity) in [
            ("another's CA", &stranger),
            ("another name", &other),
            ("a wildcard", &wild),
            ("expired", &old),
            ("self-signed", &unpinned),
        ] {
            assert!(!asked(&server, &[&own(identity)[..], &[version]].concat()).0, "{who}, {version}");
        }
    }
    server.must_say(&["it showed no certificate, and server.tls.client_auth is required"]);
    server.must_say(&["none of server.tls.client_ca_file vouches", &stranger.fingerprint, "server.tls.pins"]);
    server.must_say(&["none of server.tls.allowed_names", "names sbc-b.example.com"]);
    server.must_say(&["none of server.tls.allowed_names", "names *.example.com"]);
    server.must_say(&["has expired (valid from 2001-01-01", "to 2010-01-01", &old.fingerprint]);
    server.must_say(&["vouches for its certificate", &unpinned.fingerprint, "subject CN=sbc"]);
}

#[test]
fn peers_are_known_by_their_certificates() {
    let world = World::new();
    let pinned = Identity::self_signed(world.dir.path(), "pinned", &Wanted::default());
    let rows = format!(
        "[{{name: pinned, certificate_fingerprint: \"{}\"}}, {{certificate_name: sbc-a.example.com, allow: false}}]",
        pinned.fingerprint
    );
    let server = world.mutual().set(&format!("peers={rows}")).start();
    let let_in = Call::new(&Src::tls(server.tls, &pinned), 0);
    assert_eq!(let_in.must_invite().status(), 200, "who is named by a fingerprint needs no pin besides");
    assert_eq!(let_in.bye().unwrap().status(), 200);
    let shut_out = Call::new(&Src::tls(server.tls, &world.sbc), 1);
    assert_eq!(shut_out.invite().unwrap().status(), 403);
}

#[test]
fn an_optional_certificate_must_be_right_if_it_is_shown() {
    let world = World::new();
    let stranger = Identity::self_signed(world.dir.path(), "stranger", &Wanted::default());
    let server = world.mutual().set("server.tls.client_auth=optional").start();
    assert!(asked(&server, &[]).0, "without");
    assert!(asked(&server, &own(&world.sbc)).0, "with a right one");
    assert!(!asked(&server, &own(&stranger)).0, "with a wrong one");
}

#[test]
fn who_speaks_something_else_on_the_port_is_told_apart() {
    let world = World::new();
    let server = world.setup().start();
    // Whoever says nothing has ten seconds.
    let silent = TcpStream::connect(server.tls).unwrap();
    let sip = options(server.tls);
    for (bytes, words) in [
        (sip.as_bytes(), "it speaks SIP without TLS"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "it speaks HTTP"),
        (&[0, 1, 2, 3, 4, 5], "what it sent is not TLS"),
    ] {
        let mut stream = TcpStream::connect(server.tls).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(bytes).unwrap();
        let ended = stream.read(&mut [0; 16]);
        assert!(matches!(ended, Ok(0) | Err(_)), "hung up on: {ended:?}");
        server.must_say(&["TLS: no connection", words, "127.0.0.1"]);
    }
    // TLS, at the port for TCP.
    let raw = Raw::new(server.sip, Transport::Tcp);
    raw.send(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    assert!(asked(&server, &[]).0, "nobody else is harmed");
    let silent = silent.local_addr().unwrap().to_string();
    server.must_say(&["its handshake was not done within 10 s", &silent]);
}

#[test]
fn what_is_required_over_tls_is_refused_in_clear() {
    let world = World::new();
    let server = world.setup().set("server.require_tls=true").start();
    for transport in [Transport::Udp, Transport::Tcp] {
        let raw = Raw::new(server.sip, transport);
        let answer = raw.ask(&Draft::invite(&raw));
        assert_eq!((answer.status(), answer.start.contains("TLS Required")), (403, true), "{}", answer.start);
    }
    let call = Call::new(&Src::tls(server.tls, &world.sbc), 0);
    assert_eq!(call.must_invite().status(), 200);
    assert_eq!(call.bye().unwrap().status(), 200);
}

/// Whether a handshake shows this certificate.
fn shows(server: &Server, identity: &Identity) -> bool {
    let said = openssl(server.tls, &["-showcerts"], &options(server.tls));
    let pem = std::fs::read_to_string(&identity.cert).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let shown: String = said.lines().collect();
    shown.contains(&body)
}

#[test]
fn certificates_that_change_are_noticed_by_themselves_and_a_broken_one_changes_nothing() {
    /// They are looked at every ten seconds.
    const NOTICED: Duration = Duration::from_secs(25);
    let world = World::new();
    let server = world.setup().start();
    let files = world.server.clone();
    let kept = Identity { cert: world.dir.path().join("kept.pem"), ..files.clone() };
    std::fs::copy(&files.cert, &kept.cert).unwrap();
    assert!(shows(&server, &kept));
    let says = |words: &str| becomes_true(NOTICED, || server.log().contains(words));
    std::fs::write(&files.cert, "-----BEGIN CERTIFICATE-----\nhalf of it").unwrap();
    assert!(says("TLS goes on with the certificate that it has"), "{}", server.tail());
    assert!(shows(&server, &kept));
    let next = world.ca.issue("next", &Wanted { dns: &["srs.example.com"], ..Wanted::default() });
    std::fs::copy(&next.key, &files.key).unwrap();
    std::fs::copy(&next.cert, &files.cert).unwrap();
    assert!(becomes_true(NOTICED, || shows(&server, &next)), "{}", server.tail());
}

#[test]
fn certificates_change_without_a_restart_and_a_bad_one_changes_nothing() {
    let world = World::new();
    let server = world.setup().start();
    let src = Src::tls(server.tls, &world.sbc);
    let call = Call::new(&src, 0);
    call.must_invite();
    assert!(shows(&server, &world.server));

    // Broken first: a key that is another's.
    let first = world.server.clone();
    let kept = std::fs::read(&first.cert).unwrap();
    let next = world.ca.issue("next", &Wanted { days_left: Some(20), dns: &["srs.example.com"], ..Wanted::default() });
    std::fs::copy(&next.cert, &first.cert).unwrap();
    process::signal(server.pid(), libc::SIGHUP);
    server.must_say(&["TLS goes on with the certificate that it has", "is not the key of the first certificate"]);
    std::fs::write(world.dir.path().join("kept.pem"), kept).unwrap();
    let old = Identity { cert: world.dir.path().join("kept.pem"), ..first.clone() };
    assert!(shows(&server, &old));

    std::fs::copy(&next.key, &first.key).unwrap();
    process::signal(server.pid(), libc::SIGHUP);
    assert!(becomes_true(SOON, || shows(&server, &next)), "the new one:\n{}", server.tail());
    server.must_say(&["WARN", "the certificate expires in 19 days"]);
    // The call of before goes on, on its connection.
    assert_eq!(call.bye().unwrap().status(), 200);
}

#[test]
fn what_is_wrong_with_the_files_is_one_line_before_anything_starts() {
    let world = World::new();
    let check = |set: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siprec"));
        command.args(["config", "check", "--set", "server.max_connections=100", "--set", "server.tls.enabled=true"]);
        command.args(set.iter().flat_map(|set| ["--set", set]));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let with = |cert: &PathBuf, key: &PathBuf| {
        check(&[format!("server.tls.cert_file={}", cert.display()), format!("server.tls.key_file={}", key.display())])
    };
    let (code, said) = with(&world.server.cert, &world.sbc.key);
    assert_eq!(code, Some(1));
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].starts_with("error: server.tls.key_file: "), "{said}");
    let (code, said) = with(&world.dir.path().join("none.pem"), &world.server.key);
    assert!(code == Some(1) && said.contains("error: server.tls.cert_file: cannot read "), "{said}");
    let old = world.ca.issue("old", &Wanted { years: Some((2001, 2010)), ..Wanted::default() });
    let (code, said) = with(&old.cert, &old.key);
    assert!(
        code == Some(0) && said.contains("warning: server.tls.cert_file: the certificate expired on 2010"),
        "{said}"
    );
}

#[test]
fn killed_in_a_call_over_tls_it_goes_on_and_its_bye_comes_on_a_new_connection() {
    let world = World::new();
    let mut server = world.mutual().start();
    let src = Src::tls(server.tls, &world.sbc);
    let call = Call::new(&src, 0);
    call.must_invite();
    call.talk(&Plan::seconds(3.0));
    support::pause(Duration::from_millis(1200));
    let from = wall_now() - 50_000_000;
    server.kill();
    server.restart();
    let blind = from..wall_now();
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let allow = Allow { blind: vec![blind], tones: Tones::Some, ..Allow::default() };
    assert_no_faults(&recording.judge(&transcript, &allow));
    assert_eq!(recording.text("/ended_by"), "bye");
    assert_eq!(recordings::of_call(&server.data, call.call_id()).len(), 1);
}

#[test]
fn without_a_connection_our_own_requests_go_out_over_tls() {
    let world = World::new();
    let mut server = world.mutual().set("media.rtp_timeout=1s").start();
    let src = Src::tls(server.tls, &world.sbc);
    let call = Call::new(&src, 0);
    call.must_invite();
    server.kill();
    server.restart();
    // Nothing is heard: the SRC is asked, on a connection that the server makes, and again on the same one.
    assert!(becomes_true(SOON, || src.asked().len() >= 2), "{:?}\n{}", src.asked(), server.tail());
    for asked in src.asked() {
        assert_eq!(asked.method(), "OPTIONS");
        assert!(asked.header("Via").unwrap().starts_with(&format!("SIP/2.0/TLS {}", server.tls)), "{asked:?}");
    }
    assert_eq!(src.accepted(), 1, "one connection for all of them");
    assert_eq!(call.bye().unwrap().status(), 200);
}

#[test]
fn an_src_that_is_not_who_it_should_be_is_not_connected_to() {
    let world = World::new();
    let impostor = Identity::self_signed(world.dir.path(), "impostor", &Wanted::default());
    let mut server = world.mutual().set("server.tls.client_auth=none").set("media.rtp_timeout=1s").start();
    let src = Src::tls(server.tls, &impostor);
    let call = Call::new(&src, 0);
    call.must_invite();
    server.kill();
    server.restart();
    server.must_say(&["none of server.tls.client_ca_file vouches for its certificate", &impostor.fingerprint]);
    assert!(src.asked().is_empty());
    assert_eq!(call.bye().unwrap().status(), 200);
}
