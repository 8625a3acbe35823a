//! A full disk: new calls are refused while there is still room for those that run, nothing is spoilt, and it gets better
//! by itself.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without ends it, with its place")]

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::namespace::{Own, inside};
use support::server::{Server, Setup};
use support::src::{Call, Src};
use support::studio::Plan;
use support::wav::{self, Allow};
use support::{TempDir, assert_no_faults, becomes_true, recordings, wall_now};

const DISK: &str = "size=96m";
const MIN_FREE: &str = "archive.min_free=32MiB";
/// How soon the server must notice.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);
const RENDERED_WITHIN: Duration = Duration::from_secs(60);

/// A disk of 96 MB, in this test's own mount table.
fn small_disk(at: &Path) {
    let path = CString::new(at.as_os_str().as_bytes()).unwrap();
    let size = CString::new(DISK).unwrap();
    // SAFETY: all strings end with NUL and outlive the call.
    let done = unsafe { libc::mount(c"tmpfs".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, size.as_ptr().cast()) };
    assert_eq!(done, 0, "mount: {}", std::io::Error::last_os_error());
}

/// Fills the disk until only `leave` bytes are free.
fn fill(dir: &Path, leave: u64) -> PathBuf {
    let path = dir.join("filler");
    let mut file = File::create(&path).unwrap();
    let free = free_bytes(dir);
    let chunk = vec![0xAA; 1 << 16];
    let mut left = free.saturating_sub(leave);
    while left > 0 {
        let n = chunk.len().min(usize::try_from(left).unwrap());
        if file.write_all(&chunk[..n]).is_err() {
            break;
        }
        left -= u64::try_from(n).unwrap();
    }
    path
}

fn free_bytes(dir: &Path) -> u64 {
    let path = CString::new(dir.as_os_str().as_bytes()).unwrap();
    // SAFETY: `path` ends with NUL, `facts` is a valid statvfs for the call.
    unsafe {
        let mut facts: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(path.as_ptr(), &raw mut facts), 0);
        facts.f_bavail * facts.f_frsize
    }
}

/// Tries calls until one is answered so.
fn answers(src: &Src, status: u16) -> bool {
    becomes_true(NOTICED_WITHIN, || {
        let call = Call::new(src, 60);
        let answer = call.invite().unwrap();
        if answer.status() == 200 {
            assert_eq!(call.bye().unwrap().status(), 200);
        }
        answer.status() == status
    })
}

/// The recording of a call that could not be kept for a while.
fn faults(server: &Server, call: &Call, allow: &Allow) -> Vec<String> {
    let transcript = call.finish();
    let recording = recordings::wait(&server.data, call.call_id(), RENDERED_WITHIN);
    let mut faults = recording.file_faults();
    faults.extend(recording.journal_faults(&transcript, &allow.blind));
    faults.extend(wav::judge(&recording.audio().unwrap(), recording.started_at(), &transcript, allow).faults);
    faults
}

#[test]
fn new_calls_are_refused_before_the_disk_is_full() {
    inside(Own::Mounts, "new_calls_are_refused_before_the_disk_is_full", || {
        let dir = TempDir::new("small-disk");
        small_disk(dir.path());
        let server = Setup::default().data(&dir.path().join("data")).set(MIN_FREE).start();
        let src = Src::udp(server.sip);
        let running = Call::new(&src, 0);
        running.must_invite();
        running.talk(&Plan::seconds(20.0));
        assert!(answers(&src, 200), "there is room, and it refuses");
        let filler = fill(dir.path(), 8 << 20);
        assert!(answers(&src, 503), "less than min_free is left, and it accepts");
        std::fs::remove_file(filler).unwrap();
        assert!(answers(&src, 200), "there is room again, and it still refuses");
        assert_no_faults(&faults(&server, &running, &Allow::default()));
        server.assert_never_panicked();
    });
}

#[test]
fn a_disk_that_is_really_full_spoils_nothing() {
    inside(Own::Mounts, "a_disk_that_is_really_full_spoils_nothing", || {
        let dir = TempDir::new("full-disk");
        small_disk(dir.path());
        let mut server = Setup::default().data(&dir.path().join("data")).set(MIN_FREE).start();
        let src = Src::tcp(server.sip);
        let calls: Vec<Call> = (0..4).map(|n| Call::new(&src, n)).collect();
        for call in &calls {
            call.must_invite();
            call.talk(&Plan::seconds(14.0));
        }
        support::pause(Duration::from_secs(2));
        let from = wall_now() - 2_000_000_000;
        let filler = fill(dir.path(), 0);
        support::pause(Duration::from_secs(4));
        assert!(server.lives(), "a full disk ended it:\n{}", server.tail());
        std::fs::remove_file(filler).unwrap();
        let to = wall_now() + 2_000_000_000;
        assert!(answers(&src, 200), "there is room again, and it still refuses");
        // What fits is kept; what did not may be missing, but nothing may be in the wrong place.
        let window = from..to;
        let allow = Allow { blind: vec![window], ..Allow::default() };
        let told: Vec<String> = calls.iter().flat_map(|c| faults(&server, c, &allow)).collect();
        assert_no_faults(&told);
        server.kill();
        server.restart();
        assert_eq!(recordings::all(&server.data).iter().filter(|r| !r.file_faults().is_empty()).count(), 0);
        server.assert_never_panicked();
    });
}
