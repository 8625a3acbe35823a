//! What the black-box tests are made of: a server under test, an SRC that owes nothing to the server's code, and judges.
//!
//! ```text
//! Server (the binary) <-- SIP -- Src, Call          the sender's log (Transcript)
//!        |            <-- RTP -- studio, one thread --------------|
//!        v                                                        v
//!  recordings, journals --- recordings, pcapng, tshark ---> wav::judge -> faults
//! ```

pub mod browser;
pub mod contact_centre;
pub mod dtls;
pub mod embedded;
pub mod google;
pub mod http;
pub mod issuer;
pub mod fake;
pub mod made_up;
pub mod namespace;
pub mod objects;
pub mod pcap;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod receiver;
pub mod recordings;
pub mod seeded;
pub mod server;
pub mod sipp;
pub mod src;
pub mod studio;
pub mod terminal;
pub mod tls;
pub mod tshark;
pub mod voice;
pub mod wav;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A seeded generator (SplitMix64): the same numbers on every run.
#[derive(Debug, Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, and without, `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    /// From 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are enough")]
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Nanoseconds since 1970: what transcripts, journals and sidecars are compared in.
pub fn wall_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Waits for nothing but time. Prefer [`until`].
#[expect(clippy::disallowed_methods, reason = "a black-box test has no clock to pass in")]
pub fn pause(d: Duration) {
    std::thread::sleep(d);
}

/// Polls `what` until it gives something, at most for `within`.
pub fn until<T>(within: Duration, mut what: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = what() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        pause(Duration::from_millis(20));
    }
}

/// `until` for a yes or no.
pub fn becomes_true(within: Duration, mut what: impl FnMut() -> bool) -> bool {
    until(within, || what().then_some(())).is_some()
}

/// A folder of the test's own, removed unless the test fails.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("siprec-test-{}-{n}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for you to look at: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// All files below a folder, sorted.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Fails with every fault at once, each on a line of its own.
#[track_caller]
pub fn assert_no_faults(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

/// Whether what must not be skipped in CI may be skipped here: only where someone says so.
pub fn must_not_skip() -> bool {
    std::env::var_os("SIPREC_ALLOW_SKIP").is_none()
}

/// Ends a test that lacks something: loud, and a failure unless `SIPREC_ALLOW_SKIP` is set.
pub fn lacking(what: &str) {
    assert!(!must_not_skip(), "cannot run: {what} (SIPREC_ALLOW_SKIP=1 lets this test be skipped)");
    eprintln!("SKIPPED, though it should run: {what}");
}
