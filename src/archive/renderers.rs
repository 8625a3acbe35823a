//! The render workers: a few niced threads that finish sessions, so that rendering never takes from recording.
//!
//! What is queued are sessions, not recordings: a worker brings a session as far as its journal allows, looking at
//! the disk. So a session asked for twice is done once, and nothing is lost when the queue is full: it is filled
//! again from the disk when it runs empty.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use siprec_core::seed::SessionId;

use super::finish::{Finished, Finisher};

/// Sessions known at most; beyond that they are found on the disk later. More than any server has live.
const MAX_QUEUE: usize = 65_536;

/// A session of which something ended, but whose journal does not say so yet (the writer is 20 ms behind, or the
/// disk stalls), is looked at again after this, doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// Up to this; then it is left to the next call or the next start.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// A session that failed (a full disk, say) is tried again after this, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Up to this.
const LAST_RETRY: Duration = Duration::from_secs(600);

/// Told of each session that was worked on, in the worker's thread.
pub type Report = Arc<dyn Fn(SessionId, &Finished) + Send + Sync>;

/// Asks for sessions from any thread.
#[derive(Debug, Clone)]
pub struct Asker(Arc<Shared>);

impl Asker {
    /// As [`Renderers::submit`].
    pub fn submit(&self, session: SessionId) {
        self.0.lock().submit(session, true, Instant::now());
        self.0.wake.notify_all();
    }
}

/// The workers. They stop, in the middle of a recording if need be, when this is dropped.
#[derive(Debug)]
pub struct Renderers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    finisher: Finisher,
    report: Report,
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("queue", &self.queue).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Queue {
    tasks: BTreeMap<SessionId, Task>,
    /// The tasks that wait, in order.
    waiting: VecDeque<SessionId>,
    /// Sessions with recordings of which packets are sealed: a key that comes may open them.
    sealed: BTreeSet<SessionId>,
    /// Look on the disk when the queue is empty.
    look_on_disk: bool,
    /// A worker looks.
    looking: bool,
    stopping: bool,
}

#[derive(Debug)]
struct Task {
    state: State,
    /// Since when it could be worked on.
    due: Instant,
    /// Somebody said that something ended.
    expected: bool,
    /// The wait before this try, if it is not the first.
    waited: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// `again`: asked for meanwhile.
    Working {
        again: bool,
    },
    Later {
        at: Instant,
        failed: bool,
    },
}

impl Renderers {
    /// Starts `threads` workers (at least one) at niceness `nice`, or the process's own if that is higher. What waits on the disk from an earlier run is to
    /// be asked for by [`Renderers::submit_all`].
    pub fn start(threads: usize, nice: i32, finisher: Finisher, report: Report) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { finisher, report, queue: Mutex::default(), wake: Condvar::new() });
        let mut renderers = Self { shared, threads: Vec::new() };
        for index in 0..threads.max(1) {
            let shared = Arc::clone(&renderers.shared);
            let work = move || {
                // On Linux this is the thread's own. Rendering at full priority is better than none.
                let now = rustix::process::getpriority_process(None).unwrap_or(nice);
                let _ = rustix::process::setpriority_process(None, nice.max(now));
                shared.work();
            };
            renderers.threads.push(std::thread::Builder::new().name(format!("render-{index}")).spawn(work)?);
        }
        Ok(renderers)
    }

    /// Asks for a session of which a recording has ended, or all. Never waits for a worker or the disk.
    pub fn submit(&self, session: SessionId) {
        self.asker().submit(session);
    }

    /// Asks for a session in which keys came, and they are in its journal: it may be that nothing has to be done.
    pub fn look_again(&self, session: SessionId) {
        self.shared.lock().submit(session, false, Instant::now());
        self.shared.wake.notify_all();
    }

    /// Whether a key that comes in a session may open packets of recordings that are made.
    pub fn waits_for_key(&self, session: SessionId) -> bool {
        self.shared.lock().sealed.contains(&session)
    }

    /// As [`Renderers::submit`], for another thread.
    pub fn asker(&self) -> Asker {
        Asker(Arc::clone(&self.shared))
    }

    /// Asks for every session in `journals/live` (at start, once recovery has said which of them go on).
    pub fn submit_all(&self) {
        self.shared.lock().look_on_disk = true;
        self.shared.wake.notify_all();
    }

    /// Sessions that wait or are worked on, and sessions that failed and will be tried again.
    pub fn backlog(&self) -> (usize, usize) {
        let queue = self.shared.lock();
        let failed =
            queue.tasks.values().filter(|task| matches!(task.state, State::Later { failed: true, .. })).count();
        (queue.tasks.len() - failed, failed)
    }

    /// Sessions that have waited, or been worked on, for longer than `limit`, and for how long the first of them has; none where
    /// none has. What failed is not among them.
    pub fn late(&self, limit: Duration) -> Option<(usize, Duration)> {
        self.shared.lock().late(limit, Instant::now())
    }

    /// Waits until there is nothing to do but to try again what failed, or `limit` is over. Returns whether it is so.
    pub fn wait_idle(&self, limit: Duration) -> bool {
        let queue = self.shared.lock();
        let waited = self.shared.wake.wait_timeout_while(queue, limit, |queue| queue.is_busy());
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Renderers {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.finisher.stop();
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(session) = self.take() {
            let finished = self.finisher.finish(session);
            (self.report)(session, &finished);
            self.lock().done(session, &finished, Instant::now());
            self.wake.notify_all();
        }
    }

    /// The next session; waits for one. None: stop.
    fn take(&self) -> Option<SessionId> {
        let mut queue = self.lock();
        loop {
            if queue.stopping {
                return None;
            }
            queue.wake_up(Instant::now());
            if let Some(session) = queue.start_next() {
                return Some(session);
            }
            if std::mem::take(&mut queue.look_on_disk) {
                queue.looking = true;
                drop(queue);
                let found = self.finisher.live_sessions().unwrap_or_default();
                queue = self.lock();
                queue.looking = false;
                for session in found {
                    queue.submit(session, false, Instant::now());
                }
                self.wake.notify_all();
                continue;
            }
            let wait = queue.next_wake().map(|at| at.saturating_duration_since(Instant::now()));
            queue = match wait {
                Some(wait) => self.wake.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Queue {
    fn submit(&mut self, session: SessionId, expected: bool, now: Instant) {
        let known = self.tasks.len();
        match self.tasks.entry(session) {
            Entry::Occupied(mut task) => {
                let task = task.get_mut();
                task.expected |= expected;
                match &mut task.state {
                    State::Waiting => {}
                    State::Working { again } => *again = true,
                    // What failed waits for its time, unless there is something new.
                    State::Later { .. } if !expected => {}
                    State::Later { .. } => {
                        (task.state, task.due) = (State::Waiting, now);
                        self.waiting.push_back(session);
                    }
                }
            }
            Entry::Vacant(_) if known >= MAX_QUEUE => self.look_on_disk = true,
            Entry::Vacant(place) => {
                place.insert(Task { state: State::Waiting, due: now, expected, waited: None });
                self.waiting.push_back(session);
            }
        }
    }

    fn start_next(&mut self) -> Option<SessionId> {
        let session = self.waiting.pop_front()?;
        if let Some(task) = self.tasks.get_mut(&session) {
            task.state = State::Working { again: false };
        }
        Some(session)
    }

    /// Takes a session from a worker's hands and decides whether it comes back.
    fn done(&mut self, session: SessionId, finished: &Finished, now: Instant) {
        if finished.put_away || finished.sealed == 0 {
            self.sealed.remove(&session);
        } else {
            self.sealed.insert(session);
        }
        let Some(mut task) = self.tasks.remove(&session) else { return };
        if task.state == (State::Working { again: true }) {
            return self.submit(session, task.expected, now);
        }
        let failed = !finished.failed.is_empty();
        let nothing_made = finished.recordings.is_empty() && finished.again.is_empty();
        let nothing_found = task.expected && nothing_made && !finished.put_away;
        let wait = |first: Duration| task.waited.map_or(first, |last| last * 2);
        let wait = match (failed, nothing_found) {
            (true, _) => wait(FIRST_RETRY).clamp(FIRST_RETRY, LAST_RETRY),
            (false, true) if wait(FIRST_LOOK) <= LAST_LOOK => wait(FIRST_LOOK),
            (false, _) => return,
        };
        task.state = State::Later { at: now + wait, failed };
        task.waited = Some(wait);
        self.tasks.insert(session, task);
    }

    fn wake_up(&mut self, now: Instant) {
        for (session, task) in &mut self.tasks {
            if matches!(task.state, State::Later { at, .. } if at <= now) {
                (task.state, task.due) = (State::Waiting, now);
                self.waiting.push_back(*session);
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let time = |task: &Task| match task.state {
            State::Later { at, .. } => Some(at),
            State::Waiting | State::Working { .. } => None,
        };
        self.tasks.values().filter_map(time).min()
    }

    fn late(&self, limit: Duration, now: Instant) -> Option<(usize, Duration)> {
        let is_due = |task: &&Task| !matches!(task.state, State::Later { .. });
        let waited = self.tasks.values().filter(is_due).map(|task| now.saturating_duration_since(task.due));
        let late = waited.filter(|waited| *waited > limit);
        late.fold(None, |late, waited| {
            let (count, longest) = late.unwrap_or_default();
            Some((count + 1, waited.max(longest)))
        })
    }

    fn is_busy(&self) -> bool {
        let failed = |task: &Task| matches!(task.state, State::Later { failed: true, .. });
        self.look_on_disk || self.looking || self.tasks.values().any(|task| !failed(task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(1);

    #[test]
    fn a_session_asked_for_twice_is_done_once_and_again_if_it_was_being_done() {
        let mut queue = Queue::default();
        queue.submit(SESSION, true, Instant::now());
        queue.submit(SESSION, true, Instant::now());
        assert_eq!((queue.start_next(), queue.start_next()), (Some(SESSION), None));
        queue.submit(SESSION, true, Instant::now());
        assert_eq!(queue.start_next(), None, "one worker at a time");
        queue.done(SESSION, &put_away(), Instant::now());
        assert_eq!(queue.start_next(), Some(SESSION));
        queue.done(SESSION, &put_away(), Instant::now());
        assert!(!queue.is_busy() && queue.tasks.is_empty());
    }

    #[test]
    fn what_waits_or_is_worked_on_is_late_and_what_failed_is_not() {
        let (mut queue, begun, minute) = (Queue::default(), Instant::now(), Duration::from_secs(60));
        for n in 0..3 {
            queue.submit(SessionId(n), true, begun + minute * u32::try_from(n).unwrap());
        }
        assert_eq!(queue.start_next(), Some(SessionId(0)));
        let late = |queue: &Queue, minutes: u32| queue.late(minute, begun + minute * minutes);
        assert_eq!(
            (late(&queue, 1), late(&queue, 2), late(&queue, 9)),
            (None, Some((1, minute * 2)), Some((3, minute * 9)))
        );
        queue.done(SessionId(0), &failed(), begun + minute * 9);
        assert_eq!(late(&queue, 9), Some((2, minute * 8)));
        // Tried again: it waits from now on.
        queue.wake_up(begun + minute * 10);
        assert_eq!(late(&queue, 11), Some((2, minute * 10)));
    }

    #[test]
    fn what_failed_is_tried_again_ever_more_seldom() {
        let mut queue = Queue::default();
        let mut now = Instant::now();
        queue.submit(SESSION, true, Instant::now());
        let mut waits = Vec::new();
        for _ in 0..10 {
            assert_eq!(queue.start_next(), Some(SESSION));
            queue.done(SESSION, &failed(), now);
            assert!(!queue.is_busy(), "failures do not keep anyone waiting");
            let at = queue.next_wake().unwrap();
            waits.push((at - now).as_secs());
            queue.wake_up(at - Duration::from_millis(1));
            assert_eq!(queue.start_next(), None);
            now = at;
            queue.wake_up(now);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
    }

    #[test]
    fn what_its_journal_does_not_tell_yet_is_looked_at_again_for_a_while() {
        let mut queue = Queue::default();
        let mut now = Instant::now();
        queue.submit(SESSION, true, Instant::now());
        let mut looks = 0;
        while queue.start_next().is_some() {
            looks += 1;
            queue.done(SESSION, &Finished::default(), now);
            let Some(at) = queue.next_wake() else { break };
            assert!(queue.is_busy());
            now = at;
            queue.wake_up(now);
        }
        assert_eq!(looks, 10);
        assert!(queue.tasks.is_empty());

        queue.submit(SESSION, false, Instant::now());
        assert_eq!(queue.start_next(), Some(SESSION));
        queue.done(SESSION, &Finished::default(), now);
        assert!(queue.tasks.is_empty(), "nobody said that anything ended");
    }

    #[test]
    fn more_than_the_queue_holds_is_found_on_the_disk() {
        let mut queue = Queue::default();
        for n in 0..=MAX_QUEUE as u128 {
            queue.submit(SessionId(n), true, Instant::now());
        }
        assert_eq!((queue.tasks.len(), queue.look_on_disk), (MAX_QUEUE, true));
        queue.submit(SessionId(0), true, Instant::now());
        assert_eq!(queue.waiting.len(), MAX_QUEUE);
    }

    #[test]
    fn a_session_waits_for_keys_as_long_as_something_of_it_is_sealed() {
        let mut queue = Queue::default();
        let mut done = |finished: &Finished| {
            queue.submit(SESSION, false, Instant::now());
            assert_eq!(queue.start_next(), Some(SESSION));
            queue.done(SESSION, finished, Instant::now());
            queue.sealed.contains(&SESSION)
        };
        let sealed = || Finished { sealed: 3, ..Finished::default() };
        assert!(done(&sealed()) && !done(&Finished::default()), "opened, all of it");
        assert!(done(&sealed()) && !done(&Finished { put_away: true, ..sealed() }), "none can come any more");
    }

    fn put_away() -> Finished {
        Finished { put_away: true, ..Finished::default() }
    }

    fn failed() -> Finished {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = super::super::finish::FinishError::Journal { session: SESSION, source };
        Finished { failed: vec![(None, error)], ..Finished::default() }
    }
}
