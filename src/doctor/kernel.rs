//! What the server asks of the kernel: room for packets that wait, open files, memory.

use std::fs;
use std::io;

use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use super::check::Check;
use super::running::Running;
use crate::config::Config;
use crate::limits::{Descriptors, MEDIA_BUFFER_BYTES, SIP_BUFFER_BYTES, StallMemory, bytes};

const AREA: &str = "kernel";

pub(super) fn examine(config: &Config, running: &Running) -> Vec<Check> {
    let sessions = u64::from(config.server.max_connections);
    let carried = sessions.min(u64::from(config.media.port_range.two_leg_sessions()));
    vec![
        buffer("buffer of a media socket", MEDIA_BUFFER_BYTES, granted(MEDIA_BUFFER_BYTES)),
        buffer("buffer of a SIP socket", SIP_BUFFER_BYTES, granted(SIP_BUFFER_BYTES)),
        files(limit_of(running, carried), carried),
        memory(StallMemory::of(carried).seconds_if_short()),
    ]
}

/// How much of `wanted` the kernel grants a socket, as the server asks for it.
fn granted(wanted: usize) -> io::Result<usize> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    if setsockopt(&socket, sockopt::RcvBufForce, &wanted).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &wanted)?;
    }
    // The kernel books twice what was asked for, to keep its own records in.
    Ok(getsockopt(&socket, sockopt::RcvBuf)? / 2)
}

fn buffer(subject: &str, wanted: usize, granted: io::Result<usize>) -> Check {
    let told = |size: usize| bytes(size as u64);
    let remedy = format!("sysctl -w net.core.rmem_max={SIP_BUFFER_BYTES} (and into /etc/sysctl.d)");
    match granted {
        Ok(size) if size >= wanted => Check::ok(AREA, subject, format!("{} as asked for", told(wanted))),
        Ok(size) => {
            let seen = format!("{} instead of {}: packets are lost in shorter stalls", told(size), told(wanted));
            Check::warning(AREA, subject, seen, remedy)
        }
        Err(error) => Check::warning(AREA, subject, format!("cannot tell: {error}"), remedy),
    }
}

/// Open files that the server may have: the one that runs, or one that is started from here.
fn limit_of(running: &Running, sessions: u64) -> Option<(u64, bool)> {
    let of_process = |pid: u32| hard_limit(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?);
    if let Some(limit) = running.pid.and_then(of_process) {
        return Some((limit, true));
    }
    // Raised as a server does that is started from here; it is this process's own.
    Some((Descriptors::raise(sessions).ok()?.limit, false))
}

/// From `/proc/PID/limits`.
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// `limit`: how many open files, and whether that is the running server's own limit.
fn files(limit: Option<(u64, bool)>, sessions: u64) -> Check {
    const SUBJECT: &str = "open files";
    let Some((limit, is_servers)) = limit else {
        return Check::warning(AREA, SUBJECT, "cannot tell", "look at `ulimit -Hn` as the server's user");
    };
    let needed = Descriptors::needed(sessions);
    let whose = if is_servers { "the server that runs" } else { "a server that is started from here" };
    match (Descriptors { needed, limit }).sessions_if_short() {
        None => Check::ok(AREA, SUBJECT, format!("{limit} for {whose}, {needed} needed for {sessions} sessions")),
        Some(short) => {
            let seen = format!("{limit} for {whose}: enough for {short} of {sessions} sessions");
            let remedy = format!(
                "set LimitNOFILE={needed} in the unit (or ulimit -n {needed}), or lower server.max_connections"
            );
            if short == 0 {
                Check::failed(AREA, SUBJECT, seen, remedy)
            } else {
                Check::warning(AREA, SUBJECT, seen, remedy)
            }
        }
    }
}

/// `short`: how many seconds the disk may stall, where that is less than ten.
fn memory(short: Option<u64>) -> Check {
    const SUBJECT: &str = "memory for a disk that stalls";
    match short {
        None => Check::ok(AREA, SUBJECT, "ten seconds of all sessions"),
        Some(seconds) => Check::warning(
            AREA,
            SUBJECT,
            format!("{seconds} seconds of all sessions, not ten"),
            "add memory, or lower server.max_connections",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    #[test]
    fn a_small_buffer_is_a_warning_with_the_sysctl() {
        assert_eq!(buffer("b", 4096, Ok(4096)).verdict, Fine);
        let check = buffer("b", 4 << 20, Ok(212_992));
        assert_eq!(check.verdict, Warning);
        assert!(check.seen.starts_with("208.0 KiB instead of 4.0 MiB"), "{check:?}");
        assert_eq!(check.remedy.as_deref(), Some("sysctl -w net.core.rmem_max=4194304 (and into /etc/sysctl.d)"));
        assert_eq!(buffer("b", 1, Err(io::ErrorKind::Other.into())).verdict, Warning);
        assert!(granted(4096).unwrap() >= 4096);
    }

    #[test]
    fn too_few_files_warn_and_none_for_calls_fail() {
        assert_eq!(files(Some((20_000, false)), 2_500).verdict, Fine);
        let check = files(Some((8_000, true)), 2_500);
        assert_eq!(check.verdict, Warning);
        assert_eq!(check.seen, "8000 for the server that runs: enough for 780 of 2500 sessions");
        assert!(check.remedy.unwrap().contains("LimitNOFILE=16596"));
        assert_eq!(files(Some((1024, false)), 2_500).verdict, Failed);
        assert_eq!(files(None, 1).verdict, Warning);
    }

    #[test]
    fn limits_of_a_process_are_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(hard_limit(text), Some(524_288));
        assert_eq!(hard_limit(&text.replace("524288", "unlimited")), Some(u64::MAX));
        assert_eq!(hard_limit("Max open files 1"), None);
        assert!(limit_of(&Running::made_up(Some(std::process::id()), None), 1).is_some_and(|(_, servers)| servers));
    }

    #[test]
    fn little_memory_is_told() {
        assert_eq!((memory(None).verdict, memory(Some(4)).verdict), (Fine, Warning));
    }
}
