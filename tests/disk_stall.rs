//! A disk that takes ten seconds for one write: nothing is lost meanwhile, callers do not notice, and the sheet tells it.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;
use support::wav::Allow;
use support::{assert_no_faults, process, recordings};

const STALL: Duration = Duration::from_secs(10);
const RENDERED_WITHIN: Duration = Duration::from_secs(60);
/// RFC 3261's T1: an answer within it is never asked for again.
const NOTICED: Duration = Duration::from_millis(500);

#[test]
fn a_write_that_takes_ten_seconds_loses_nothing() {
    let server = Setup::default().start();
    let src = Src::udp(server.sip);
    let calls: Vec<Call> = (0..4).map(|n| Call::new(&src, n)).collect();
    for call in &calls {
        call.must_invite();
        call.talk(&Plan::seconds(14.0));
    }
    support::pause(Duration::from_secs(1));
    let during = std::thread::scope(|scope| {
        let stalled = scope.spawn(|| hold_in_a_write(&server, STALL));
        support::pause(Duration::from_secs(3));
        let asked = Instant::now();
        let during = Call::new(&src, 5);
        during.must_invite();
        assert!(asked.elapsed() < NOTICED, "answered after {:?}", asked.elapsed());
        assert!(!stalled.is_finished(), "the disk was not slow");
        during.talk(&Plan::seconds(8.0));
        stalled.join().unwrap();
        during
    });
    for call in calls.iter().chain([&during]) {
        let transcript = call.finish();
        let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
        assert_no_faults(&recording.judge(&transcript, &Allow::default()));
        let stalls = recording.list("/proof/disk_stalls");
        assert!(stalls.iter().any(|stall| stall["took_ms"].as_u64() >= Some(9_000)), "{stalls:?}");
    }
}

/// Stops the journal's writer inside a write, as a disk does that does not answer; the other threads go on.
fn hold_in_a_write(server: &Server, held: Duration) {
    let writer = Pid::from_raw(process::thread(server.pid(), "journal"));
    ptrace::seize(writer, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    ptrace::interrupt(writer).unwrap();
    let stopped = || waitpid(writer, Some(WaitPidFlag::__WALL)).unwrap();
    let mut status = stopped();
    // Each system call stops it twice: as it begins, and as it ends.
    while !(matches!(status, WaitStatus::PtraceSyscall(_)) && is_write(writer)) {
        // A signal that it was stopped at is passed on.
        let signal = if let WaitStatus::Stopped(_, signal) = status { Some(signal) } else { None };
        let signal = signal.filter(|signal| *signal != Signal::SIGTRAP);
        ptrace::syscall(writer, signal).unwrap();
        status = stopped();
    }
    support::pause(held);
    ptrace::detach(writer, None).unwrap();
}

fn is_write(thread: Pid) -> bool {
    let call = ptrace::syscall_info(thread).unwrap();
    // SAFETY: the kernel fills the part of the union that `op` names.
    let number = match call.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => unsafe { call.u.entry.nr },
        _ => return false,
    };
    [libc::SYS_write, libc::SYS_pwrite64, libc::SYS_writev, libc::SYS_pwritev]
        .iter()
        .any(|&known| number == known as u64)
}
