//! The data directory: whether it can be written, how much room there is, how fast it is, and what it lies on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::check::Check;
use super::mount::{self, Mount};
use crate::archive::disk::{Disk as _, RealDisk};
use crate::archive::space::{Space, SpaceChange};
use crate::config::Config;
use crate::limits::bytes;

const AREA: &str = "disk";
/// The disk is tried for so long, and with so much at most.
const TRIED_FOR: Duration = Duration::from_millis(800);
const TRIED_WITH: u64 = 256 << 20;
/// What is written and synced in one go.
const PIECE: usize = 1 << 20;
/// A sync that takes longer is a disk that stalls.
const SLOW_SYNC: Duration = Duration::from_secs(1);
/// What a two-leg session of G.711 writes a second: 100 packets of 256 octets with what journals add, once to the log and once to
/// its journal.
const SESSION_BYTES: u64 = 2 * 100 * 256;
/// File systems that are gone with the machine's memory.
const VOLATILE: [&str; 2] = ["tmpfs", "ramfs"];
/// File systems at the other end of a network.
const REMOTE: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"];

pub(super) fn examine(config: &Config) -> Vec<Check> {
    let data = &config.archive.data_dir;
    let (folder, is_there) = nearest(data);
    let is_in_the_way = data.exists() && !data.is_dir();
    let tried = if is_in_the_way { Err(io::ErrorKind::NotADirectory.into()) } else { tried(&folder) };
    let mut checks = vec![writable(data, &folder, is_there, &tried)];
    checks.extend(owner(data));
    checks.push(room(config.archive.min_free.0, RealDisk.free_space(&folder)));
    let info = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    checks.push(kind(mount::of(&folder, &info).as_ref()));
    if checks.iter().all(|check| check.verdict != super::Verdict::Failed) {
        let sessions = config.server.max_connections.min(config.media.port_range.two_leg_sessions());
        checks.push(speed(measured(&folder), u64::from(sessions)));
    }
    checks
}

/// The data directory, or the folder that it would be made in; and whether it is there.
fn nearest(data: &Path) -> (PathBuf, bool) {
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let real = |path: &Path| fs::canonicalize(path).ok().filter(|path| path.is_dir());
    if let Some(found) = real(&data) {
        return (found, true);
    }
    let above = data.ancestors().skip(1).find_map(real);
    (above.unwrap_or_else(|| PathBuf::from("/")), false)
}

/// The file that is written and taken away again.
fn trial(folder: &Path) -> PathBuf {
    folder.join(format!(".siprec-doctor-{}", std::process::id()))
}

/// Makes a file, and takes it away.
fn tried(folder: &Path) -> io::Result<()> {
    let path = trial(folder);
    let written =
        OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| file.write_all(b"siprec"));
    // What was not made cannot be taken away.
    let _ = fs::remove_file(&path);
    written
}

fn writable(data: &Path, folder: &Path, is_there: bool, tried: &io::Result<()>) -> Check {
    let subject = data.display().to_string();
    match tried {
        Ok(()) if is_there => Check::ok(AREA, subject, "can be written"),
        Ok(()) => Check::ok(AREA, subject, format!("is not there; the server makes it in {}", folder.display())),
        Err(error) => Check::failed(
            AREA,
            subject,
            format!("it cannot be written in {} by this user: {error}", folder.display()),
            "give it to the server's user (chown), or set archive.data_dir; run siprec doctor as that user",
        ),
    }
}

/// Root may write everywhere, which says nothing of the server's user.
fn owner(data: &Path) -> Option<Check> {
    let owner = fs::metadata(data).ok()?.uid();
    let is_roots = !rustix::process::geteuid().is_root() || owner == 0;
    (!is_roots).then(|| {
        Check::warning(
            AREA,
            data.display().to_string(),
            format!("belongs to user {owner}, and root may write everywhere: that says nothing of the server"),
            format!("run it as the server does: setpriv --reuid={owner} --clear-groups siprec doctor (or sudo -u)"),
        )
    })
}

fn room(min_free: u64, free: io::Result<u64>) -> Check {
    const SUBJECT: &str = "free space";
    const REMEDY: &str = "make room, lower storage.keep_local or storage.retention_days, or set archive.min_free";
    let free = match free {
        Ok(free) => free,
        Err(error) => return Check::warning(AREA, SUBJECT, format!("cannot tell: {error}"), "look at `df`"),
    };
    let seen = format!("{}, archive.min_free is {}", bytes(free), bytes(min_free));
    match Space::new(min_free).update(free) {
        Some(SpaceChange::Short) => Check::failed(AREA, SUBJECT, format!("{seen}: new calls are refused"), REMEDY),
        Some(SpaceChange::Low) => Check::warning(AREA, SUBJECT, seen, REMEDY),
        Some(SpaceChange::Enough) | None => Check::ok(AREA, SUBJECT, seen),
    }
}

fn kind(mount: Option<&Mount>) -> Check {
    const SUBJECT: &str = "file system";
    let Some(Mount { kind, at, is_read_only }) = mount else {
        return Check::warning(
            AREA,
            SUBJECT,
            "cannot tell: the kernel lists none",
            "look at `findmnt -T` of the data directory",
        );
    };
    let seen = format!("{kind}, mounted at {}", at.display());
    if *is_read_only {
        return Check::failed(
            AREA,
            SUBJECT,
            format!("{seen}, read-only"),
            "mount it to be written, or set archive.data_dir",
        );
    }
    if VOLATILE.contains(&kind.as_str()) {
        let remedy = "set archive.data_dir to a disk: what lies in memory is gone with the machine";
        return Check::warning(AREA, SUBJECT, seen, remedy);
    }
    if REMOTE.contains(&kind.as_str()) {
        let remedy =
            "keep the data directory on a disk of this machine, and make the share a storage target (type: local)";
        return Check::warning(AREA, SUBJECT, seen, remedy);
    }
    Check::ok(AREA, SUBJECT, seen)
}

/// What writing with syncs came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    written: u64,
    took: Duration,
    slowest: Duration,
}

/// Writes and syncs pieces for a short time, and takes the file away.
fn measured(folder: &Path) -> io::Result<Measured> {
    let path = trial(folder);
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let done = file.and_then(|file| write(&file));
    // It was made by this run alone.
    let _ = fs::remove_file(&path);
    done
}

fn write(mut file: &File) -> io::Result<Measured> {
    // Not zeroes: some file systems do not write those.
    let piece: Vec<u8> = (0..PIECE).map(|at| at.wrapping_mul(0x9E37_79B9).to_le_bytes()[2]).collect();
    let began = Instant::now();
    let mut measured = Measured { written: 0, took: Duration::ZERO, slowest: Duration::ZERO };
    while measured.took < TRIED_FOR && measured.written < TRIED_WITH {
        let before = Instant::now();
        file.write_all(&piece)?;
        file.sync_data()?;
        measured.slowest = measured.slowest.max(before.elapsed());
        measured.written += PIECE as u64;
        measured.took = began.elapsed();
    }
    Ok(measured)
}

fn speed(measured: io::Result<Measured>, sessions: u64) -> Check {
    const SUBJECT: &str = "speed";
    const REMEDY: &str = "use a faster disk (an SSD of this machine), or lower server.max_connections";
    let Measured { written, took, slowest } = match measured {
        Ok(measured) => measured,
        Err(error) => {
            return Check::failed(AREA, SUBJECT, format!("what is written cannot be made durable: {error}"), REMEDY);
        }
    };
    let a_second = u128::from(written) * 1000 / took.as_millis().max(1);
    let a_second = u64::try_from(a_second).unwrap_or(u64::MAX);
    let needed = sessions.saturating_mul(SESSION_BYTES);
    let (rate, slow) = (bytes(a_second), slowest.as_millis());
    let seen = format!(
        "{rate} a second, each MiB synced; the slowest took {slow} ms; {sessions} sessions of G.711 write {} a second",
        bytes(needed)
    );
    if a_second < needed || slowest > SLOW_SYNC {
        Check::warning(AREA, SUBJECT, seen, REMEDY)
    } else {
        Check::ok(AREA, SUBJECT, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let (found, is_there) = nearest(&data);
        assert_eq!((found.as_path(), is_there), (fs::canonicalize(folder.path()).unwrap().as_path(), false));
        assert!(
            writable(&data, &found, false, &tried(&found)).seen.starts_with("is not there; the server makes it in")
        );
        assert!(measured(&found).unwrap().written > 0);
        assert_eq!(fs::read_dir(&found).unwrap().count(), 0);
        fs::create_dir_all(&data).unwrap();
        assert!(nearest(&data).1);
        let refused = writable(&data, &data, true, &Err(io::ErrorKind::PermissionDenied.into()));
        assert!(refused.verdict == Failed && refused.seen.contains("by this user: "));
    }

    #[test]
    fn room_fails_below_min_free_and_warns_below_twice_that() {
        let of = |free| room(1000, Ok(free)).verdict;
        assert_eq!((of(999), of(1999), of(2000)), (Failed, Warning, Fine));
        assert_eq!(room(1, Err(io::ErrorKind::Other.into())).verdict, Warning);
    }

    #[test]
    fn memory_and_shares_are_warned_of_and_a_read_only_disk_fails() {
        let mount = |kind: &str, is_read_only| Mount { kind: kind.into(), at: "/".into(), is_read_only };
        let of = |kind_, read_only| kind(Some(&mount(kind_, read_only))).verdict;
        assert_eq!(
            (of("ext4", false), of("tmpfs", false), of("nfs4", false), of("xfs", true)),
            (Fine, Warning, Warning, Failed)
        );
        assert_eq!(kind(None).verdict, Warning);
    }

    #[test]
    fn a_slow_disk_is_told_by_what_the_sessions_would_write() {
        let of = |mib: u64, slowest| {
            let measured =
                Measured { written: mib << 20, took: Duration::from_secs(1), slowest: Duration::from_millis(slowest) };
            speed(Ok(measured), 1000)
        };
        assert_eq!((of(200, 9).verdict, of(20, 9).verdict, of(200, 1500).verdict), (Fine, Warning, Warning));
        assert!(
            of(200, 9).seen.starts_with("200.0 MiB a second, each MiB synced; the slowest took 9 ms; 1000 sessions")
        );
        assert_eq!(speed(Err(io::ErrorKind::StorageFull.into()), 1).verdict, Failed);
    }
}
