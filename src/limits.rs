//! What the configuration may need of the machine, file descriptors, memory and room in the kernel: raised, taken, or said.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors of a two-leg session: two pairs of sockets, and its journal.
const PER_SESSION: u64 = 5;
/// Everything else: SIP streams, catalog, logs, render workers.
const BESIDES: u64 = 4096;

/// What the kernel may hold for us a media socket, as far as the machine allows: over two seconds of G.711.
pub(crate) const MEDIA_BUFFER_BYTES: usize = 256 << 10;
/// The same of the sockets for SIP while we are busy: some thousand INVITEs of 3 KiB.
pub(crate) const SIP_BUFFER_BYTES: usize = 4 << 20;

/// What a two-leg session of G.711 brings in the 10 s that a disk may stall (2 x 50 packets a second of 256 octets with
/// what journals add), and a seventh of it, which is kept for signalling.
const STALL_BYTES: u64 = 10 * 2 * 50 * 256 * 8 / 7;
/// So much is always there.
const LEAST_STALL_BYTES: u64 = 64 << 20;

/// What came of raising the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// What `sessions` two-leg sessions need.
    pub(crate) needed: u64,
    /// What there is now.
    pub(crate) limit: u64,
}

impl Descriptors {
    /// Raises the soft limit to what is needed, as far as the hard limit goes.
    pub(crate) fn raise(sessions: u64) -> anyhow::Result<Self> {
        let needed = Self::needed(sessions);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        if soft >= needed {
            return Ok(Self { needed, limit: soft });
        }
        // A privileged process may raise the hard limit as well.
        for (wanted, ceiling) in [(needed, hard.max(needed)), (needed.min(hard), hard)] {
            if setrlimit(Resource::RLIMIT_NOFILE, wanted, ceiling).is_ok() {
                return Ok(Self { needed, limit: wanted });
            }
        }
        Ok(Self { needed, limit: soft })
    }

    /// What `sessions` two-leg sessions need.
    pub(crate) fn needed(sessions: u64) -> u64 {
        sessions.saturating_mul(PER_SESSION).saturating_add(BESIDES)
    }

    /// How many two-leg sessions the limit allows, if that is fewer than were asked for.
    pub(crate) fn sessions_if_short(&self) -> Option<u64> {
        (self.limit < self.needed).then(|| self.limit.saturating_sub(BESIDES) / PER_SESSION)
    }
}

/// Memory in which media wait while the disk stalls. It is used then, not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StallMemory {
    /// What `sessions` two-leg sessions bring in ten seconds.
    needed: u64,
    /// What may be used.
    pub(crate) bytes: u64,
}

impl StallMemory {
    /// For so many sessions: at most half of the memory that the machine, or the control group, has.
    pub(crate) fn of(sessions: u64) -> Self {
        Self::within(sessions, machine_memory())
    }

    fn within(sessions: u64, machine: Option<u64>) -> Self {
        let needed = sessions.saturating_mul(STALL_BYTES).max(LEAST_STALL_BYTES);
        Self { needed, bytes: machine.map_or(needed, |machine| needed.min(machine / 2)) }
    }

    /// How many seconds the disk may stall under all sessions, if that is less than ten.
    pub(crate) fn seconds_if_short(&self) -> Option<u64> {
        (self.bytes < self.needed).then(|| self.bytes.saturating_mul(10) / self.needed)
    }
}

/// Octets of memory that there are for us, if the system says so.
fn machine_memory() -> Option<u64> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|told| {
        let kib = told.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?;
        Some(kib.trim().parse::<u64>().ok()? << 10)
    });
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|told| told.trim().parse().ok());
    total.into_iter().chain(group).min()
}

/// Bytes for people: `12.3 GiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes.saturating_mul(10);
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_of_all_sessions_fit_or_it_is_said_how_many_do() {
        let large = StallMemory::within(2_000, Some(64 << 30));
        assert!((500 << 20..640 << 20).contains(&large.bytes), "{large:?}");
        assert_eq!(large.seconds_if_short(), None);
        let small = StallMemory::within(2_000, Some(512 << 20));
        assert_eq!((small.bytes, small.seconds_if_short()), (256 << 20, Some(4)));
        assert_eq!(StallMemory::within(1, None).bytes, LEAST_STALL_BYTES);
        assert!(machine_memory() > Some(256 << 20));
    }

    #[test]
    fn a_limit_that_is_short_says_for_how_many_sessions_it_is_enough() {
        let short = Descriptors { needed: 54_096, limit: 20_000 };
        assert_eq!(short.sessions_if_short(), Some(3180));
        assert_eq!(Descriptors { needed: 10, limit: 10 }.sessions_if_short(), None);
        assert!(Descriptors::raise(1).unwrap().limit >= 1);
    }

    #[test]
    fn sizes_are_told_in_units_of_people() {
        assert_eq!(bytes(17), "17 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
    }
}
