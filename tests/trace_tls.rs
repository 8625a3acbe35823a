//! SIP over TLS in a capture, made plain with the keys that OpenSSL's client has written down.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::path::Path;
use std::process::Command;
use support::TempDir;
use support::server::Setup;
use support::tls::{Ca, Wanted, openssl, options};
use support::tshark::{self, Capture};

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

#[test]
fn a_key_log_that_is_none_is_told() {
    let scratch = TempDir::new("trace-keys");
    let file = scratch.path().join("keys");
    std::fs::write(&file, "these are no keys\n").unwrap();
    let (code, _, error) = trace(&["--keylog", file.to_str().unwrap()], &file);
    assert!(code == Some(1) && error.contains("--keylog") && error.contains("keys"), "{error}");
}
