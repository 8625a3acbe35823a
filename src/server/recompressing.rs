//! What is recompressed beside the server: a few recordings every few seconds, on a thread that is nicer than all others, while
//! nothing waits to be rendered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use siprec_core::time::Wall;

use super::auditing::Pen;
use super::erasing::is_trusted;
use super::turn::Turn;
use crate::archive::recompress::{Compression, RecompressError};
use crate::config::ArchiveConfig;
use crate::recompressing::{Candidate, Due, Progress, Recompressing};

/// Niceness of the thread: everything else comes first.
const NICENESS: i32 = 19;
/// Recordings found in one go; the next hour goes on.
const AT_ONCE: usize = 10_000;
/// None is begun after so long: what waits to be rendered is looked at again.
const TURN: Duration = Duration::from_secs(5);
/// So many may wait for storage targets, each twice on this disk, before another is begun.
const MAX_UNSTORED: usize = 64;

/// What recompresses, one recording at a time.
#[derive(Debug)]
pub(super) struct Job {
    work: Arc<Work>,
    turn: Turn,
    /// Recordings that are old enough are still to be looked for.
    is_to_find: AtomicBool,
}

#[derive(Debug)]
struct Work {
    recompressing: Recompressing,
    pen: Pen,
    waiting: Mutex<VecDeque<Candidate>>,
}

/// When it is looked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Now.
    pub(super) now: Wall,
    /// Look for recordings that are old enough.
    pub(super) finds: bool,
    /// Nothing waits to be rendered.
    pub(super) idle: bool,
}

impl Job {
    /// Each recording is written down with `pen`.
    pub(super) fn new(recompressing: Recompressing, pen: Pen) -> Self {
        let work = Work { recompressing, pen, waiting: Mutex::default() };
        Self { work: Arc::new(work), turn: Turn::default(), is_to_find: AtomicBool::new(false) }
    }

    /// Goes on with what was begun, and begins some more, as `archive` says.
    pub(super) fn go_on(&self, look: Look, archive: &ArchiveConfig) {
        // What is asked for while it is busy is done the next time.
        self.is_to_find.fetch_or(look.finds, Ordering::AcqRel);
        let Some(turn) = self.turn.take() else { return };
        let look = Look { finds: self.is_to_find.swap(false, Ordering::AcqRel), ..look };
        let work = Arc::clone(&self.work);
        let (after, to) = (archive.recompress_after.map(|after| after.0), archive.recompress_to);
        let run = move || {
            // On Linux this is the thread's own.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            work.run(look, after, to);
            drop(turn);
        };
        if let Err(error) = std::thread::Builder::new().name("recompress".into()).spawn(run) {
            tracing::warn!(%error, "nothing is recompressed now; tried again");
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.work.recompressing.stop();
    }
}

impl Work {
    fn run(&self, look: Look, after: Option<Duration>, to: Compression) {
        let began = Instant::now();
        let unstored = self.settle(look.now, after.is_some());
        let Some(after) = after else {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return;
        };
        if look.finds {
            self.find(look.now, after, to);
        }
        if !look.idle || unstored >= MAX_UNSTORED {
            return;
        }
        while began.elapsed() < TURN {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(candidate) = next else { return };
            self.recompress(&candidate, to, look.now);
        }
    }

    /// Goes on with what was begun; how many wait for storage targets.
    fn settle(&self, now: Wall, goes_on: bool) -> usize {
        let all = match self.recompressing.go_on(now) {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!(%error, "what was recompressed is not brought to its end; tried again");
                return 0;
            }
        };
        let mut unstored = 0;
        for (recording, progress) in all {
            match progress {
                Progress::Done => tracing::debug!(%recording, "nothing of before is left"),
                Progress::Unstored(why) => {
                    unstored += 1;
                    tracing::debug!(%recording, why, "recompressed, and its files of before stay for now");
                }
                Progress::Waits(why) => tracing::debug!(%recording, why, "something of before stays for now"),
                Progress::Before(_) if !goes_on => self.recompressing.forget(recording),
                Progress::Before(_) => {}
            }
        }
        unstored
    }

    fn find(&self, now: Wall, after: Duration, to: Compression) {
        // Samples that are gone do not come back: that is not done by the word of a clock that may have leapt.
        if to == Compression::Opus && !is_trusted(self.recompressing.disk(), self.recompressing.data(), now) {
            tracing::info!("nothing becomes Opus before the clock has been steady for a day");
            return;
        }
        let Due { recordings, held, failed } = match self.recompressing.due(to, after, (now, false), AT_ONCE) {
            Ok(due) => due,
            Err(error) => return tracing::warn!(%error, "nothing is recompressed now; tried again in an hour"),
        };
        if !recordings.is_empty() || failed > 0 {
            tracing::info!(
                recordings = recordings.len(),
                held,
                failed,
                "recordings are old enough to be recompressed (archive.recompress_after)"
            );
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = recordings.into();
    }

    fn recompress(&self, which: &Candidate, to: Compression, now: Wall) {
        let recording = which.recording;
        match self.recompressing.recompress(which, to, now) {
            Ok(outcome) => {
                let (before, after) = (outcome.before, outcome.after);
                tracing::info!(%recording, before, after, "recompressed");
                self.pen.tell(outcome.act(which));
            }
            Err(error @ (RecompressError::Live | RecompressError::Unstored | RecompressError::Held(_))) => {
                tracing::debug!(%recording, %error, "not recompressed yet");
            }
            Err(error @ (RecompressError::Erased | RecompressError::NoGain { .. })) => {
                tracing::info!(%recording, %error, "not recompressed");
            }
            Err(error) => tracing::warn!(%recording, %error, "not recompressed; tried again later"),
        }
    }
}
