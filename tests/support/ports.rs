//! Ports for the servers under test: below the kernel's ephemeral range (so that a restarted server finds its ports free)
//! and never the same for two tests, in whatever process they run.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST_PORT: u16 = 11_000;
const PORTS_PER_SLOT: u16 = 300;
const SLOTS: u16 = 70;

/// A run of ports held for as long as this lives.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    count: u16,
    _locks: Vec<File>,
}

impl Ports {
    /// Enough for `sessions` sessions of two legs that follow one another without a port being used twice.
    pub fn for_sessions(sessions: u16) -> Self {
        Self::slots((sessions.saturating_mul(4).saturating_add(20)).div_ceil(PORTS_PER_SLOT))
    }

    fn slots(wanted: u16) -> Self {
        super::until(Duration::from_secs(300), || Self::try_slots(wanted)).expect("no free ports for five minutes")
    }

    fn try_slots(wanted: u16) -> Option<Self> {
        let mut locks = Vec::new();
        for slot in 0..SLOTS {
            match lock(slot) {
                Some(file) => locks.push(file),
                None => locks.clear(),
            }
            if locks.len() == usize::from(wanted) {
                let first = FIRST_PORT + (slot + 1 - wanted) * PORTS_PER_SLOT;
                return Some(Self { first, count: wanted * PORTS_PER_SLOT, _locks: locks });
            }
        }
        None
    }

    /// For SIP.
    pub fn sip(&self) -> u16 {
        self.first
    }

    /// For SIP over TLS.
    pub fn tls(&self) -> u16 {
        self.first + 1
    }

    /// For the API.
    pub fn api(&self) -> u16 {
        self.first + 2
    }

    /// First and last port for media, as `media.port_range` takes them.
    pub fn media(&self) -> (u16, u16) {
        (self.first + 10, self.first + self.count - 1)
    }
}

/// A port that no other test takes, for a peer of another make: below the ephemeral range, too, where no connection takes it
/// between its being found free and its being listened on.
pub fn single() -> u16 {
    static TAKEN: Mutex<Option<(Ports, u16)>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (ports, given) =
        taken.take().filter(|(ports, given)| *given < ports.count).unwrap_or_else(|| (Ports::slots(1), 0));
    let port = ports.first + given;
    *taken = Some((ports, given + 1));
    port
}

fn lock(slot: u16) -> Option<File> {
    let dir: PathBuf = std::env::temp_dir().join("siprec-test-ports");
    std::fs::create_dir_all(&dir).ok()?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(slot.to_string())).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}
