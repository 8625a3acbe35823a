//! Tests that need a network or a mount table of their own run again as a child of `unshare`: nothing a server sends there
//! can leave the machine, and every port is free.

use std::process::Command;

const INSIDE: &str = "SIPREC_TEST_INSIDE";

/// What the test has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// A network with nothing but loopback.
    Network,
    /// A mount table.
    Mounts,
}

/// Runs `body` inside; `test` is the name of the calling test.
#[track_caller]
pub fn inside(own: Own, test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some_and(|t| t == test) {
        if own == Own::Network {
            loopback_up();
        }
        body();
        return;
    }
    let flag = match own {
        Own::Network => "-n",
        Own::Mounts => "-m",
    };
    if !Command::new("unshare").args(as_root()).args([flag, "true"]).status().is_ok_and(|s| s.success()) {
        return super::lacking("unshare is not permitted here: run as root, or allow user namespaces");
    }
    let status = Command::new("unshare")
        .args(as_root())
        .arg(flag)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(INSIDE, test)
        .status()
        .unwrap();
    assert!(status.success(), "{test}, in a namespace of its own, failed: see above");
}

/// A namespace needs a user who may make one: root, or the root of a user namespace.
fn as_root() -> &'static [&'static str] {
    // SAFETY: geteuid(2) cannot fail.
    if unsafe { libc::geteuid() } == 0 { &[] } else { &["-r"] }
}

#[allow(clippy::cast_possible_truncation, reason = "IFF_UP and IFF_RUNNING are 0x41")]
fn loopback_up() {
    // SAFETY: `request` is a valid, zeroed ifreq for both ioctls and outlives them.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l'.cast_signed() as libc::c_char;
        request.ifr_name[1] = b'o'.cast_signed() as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let done = libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request);
        assert_eq!(done, 0, "loopback: {}", std::io::Error::last_os_error());
        libc::close(socket);
    }
}
