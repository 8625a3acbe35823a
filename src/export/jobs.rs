//! Several recordings at a time: threads that take them as they get free, and what became of them told in the catalog's order.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};

use super::stop::{Interrupted, Stop};
use super::superseded::Dealt;
use super::trouble::{ENOUGH, Reach, reach};
use crate::archive::catalog::Row;

/// Recordings that are begun before the oldest of them is done and told: what keeps memory in bounds, and order.
const WINDOW: u64 = 256;
/// Niceness of who works, or the process's own if that is higher: beside a live server, recording goes first.
const NICE: i32 = 10;

/// What deals with one recording after another, in a thread of its own.
pub(super) trait Work: Send {
    /// Deals with one.
    fn work(&mut self, row: &Row) -> Result<Dealt>;
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// All were dealt with.
    All,
    /// The operator stopped it.
    Interrupted,
    /// By an error that each of the rest would meet, too.
    Early(anyhow::Error),
}

/// What became of a recording; nothing where it was not begun, or given up.
type Done = (u64, Row, Option<Result<Dealt>>);

/// Has each of `rows` dealt with by one of `workers`; `tell` hears of those that were, in the order of `rows`.
///
/// # Errors
/// Those of `rows`, and those of `tell`: then no more are begun, and what is under way is waited for.
pub(super) fn run<W: Work, E: Into<anyhow::Error>>(
    rows: impl Iterator<Item = Result<Row, E>>,
    workers: Vec<W>,
    stop: &Stop,
    tell: &mut dyn FnMut(&Row, &Result<Dealt>) -> Result<()>,
) -> Result<End> {
    let (give, taken) = mpsc::channel::<(u64, Row)>();
    let (done, results) = mpsc::channel::<Done>();
    let (taken, halt) = (Mutex::new(taken), AtomicBool::new(false));
    thread::scope(|scope| {
        for (index, worker) in workers.into_iter().enumerate() {
            let (taken, done, halted) = (&taken, done.clone(), || stop.is_set() || halt.load(Ordering::Relaxed));
            let name = format!("export-{index}");
            let work = move || one_by_one(worker, taken, &done, &halted);
            thread::Builder::new().name(name).spawn_scoped(scope, work)?;
        }
        drop(done);
        // The threads end with it: they are handed nothing any more.
        let halt = &halt;
        Desk { give, results, begun: 0, told: 0, waiting: BTreeMap::new(), in_a_row: 0, early: None, halt }
            .run(rows, stop, tell)
    })
}

fn one_by_one(
    mut worker: impl Work,
    taken: &Mutex<Receiver<(u64, Row)>>,
    done: &Sender<Done>,
    halted: &dyn Fn() -> bool,
) {
    let now = rustix::process::getpriority_process(None).unwrap_or(NICE);
    // On Linux this is the thread's own. What is refused here is only less polite.
    let _ = rustix::process::setpriority_process(None, NICE.max(now));
    loop {
        let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, row)) = next else { return };
        // A fault of ours costs one recording: nobody would hear of a thread that is gone.
        let caught = |worker: &mut _| panic::catch_unwind(AssertUnwindSafe(|| Work::work(worker, &row)));
        let fault = || anyhow!("a fault of siprec (see above); please report it");
        let result = (!halted()).then(|| caught(&mut worker).unwrap_or_else(|_| Err(fault())));
        let result = result.filter(|result| !result.as_ref().is_err_and(anyhow::Error::is::<Interrupted>));
        if done.send((number, row, result)).is_err() {
            return;
        }
    }
}

/// Hands out and takes back.
struct Desk<'h> {
    give: Sender<(u64, Row)>,
    results: Receiver<Done>,
    begun: u64,
    told: u64,
    /// Done before others that were begun earlier.
    waiting: BTreeMap<u64, (Row, Option<Result<Dealt>>)>,
    /// Recordings that failed one after another for what may be everybody's reason.
    in_a_row: u32,
    early: Option<anyhow::Error>,
    /// Tells the threads that what they were handed need not be begun any more.
    halt: &'h AtomicBool,
}

impl Desk<'_> {
    fn run<E: Into<anyhow::Error>>(
        mut self,
        mut rows: impl Iterator<Item = Result<Row, E>>,
        stop: &Stop,
        tell: &mut dyn FnMut(&Row, &Result<Dealt>) -> Result<()>,
    ) -> Result<End> {
        let mut is_open = true;
        loop {
            while is_open && self.begun - self.told < WINDOW {
                is_open = self.early.is_none() && !stop.is_set();
                match is_open.then(|| rows.next()).flatten().transpose().map_err(Into::into)? {
                    Some(row) => {
                        // Somebody takes it as long as the threads live, which is as long as this does.
                        let _ = self.give.send((self.begun, row));
                        self.begun += 1;
                    }
                    None => is_open = false,
                }
            }
            if self.told == self.begun {
                break;
            }
            let Ok((number, row, result)) = self.results.recv() else { break };
            let result = self.judge(result);
            self.waiting.insert(number, (row, result));
            while let Some((row, result)) = self.waiting.remove(&self.told) {
                self.told += 1;
                if let Some(result) = result {
                    tell(&row, &result)?;
                }
            }
        }
        Ok(match self.early {
            Some(error) => End::Early(error),
            None if stop.is_set() => End::Interrupted,
            None => End::All,
        })
    }

    /// An error that concerns all is told once, at the end, and not of each recording that met it.
    fn judge(&mut self, result: Option<Result<Dealt>>) -> Option<Result<Dealt>> {
        let error = match result {
            Some(Err(error)) => error,
            Some(Ok(_)) => {
                self.in_a_row = 0;
                return result;
            }
            None => return None,
        };
        let concerns_all = match reach(&error) {
            Reach::One => return Some(Err(error)),
            Reach::Maybe => {
                self.in_a_row += 1;
                self.in_a_row >= ENOUGH
            }
            Reach::All => true,
        };
        if self.early.is_some() {
            return None;
        }
        if concerns_all {
            self.early = Some(error);
            self.halt.store(true, Ordering::Relaxed);
            return None;
        }
        Some(Err(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::catalog::{CatalogError, Record};
    use crate::archive::storage::{ErrorKind, StoreError, TargetError, fixture};
    use crate::export::copy::Outcome;
    use siprec_core::seed::RecordingId;
    use std::sync::atomic::AtomicU64;
    use std::sync::{Arc, Barrier};

    struct Worker<F>(F);

    impl<F: FnMut(u128) -> Result<Outcome> + Send> Work for Worker<F> {
        fn work(&mut self, row: &Row) -> Result<Dealt> {
            (self.0)(row.id.0).map(Dealt::from)
        }
    }

    fn rows(count: u128) -> impl Iterator<Item = Result<Row, CatalogError>> {
        let row = Record::of(&fixture::sidecar(1), "recordings/2026/03/09").unwrap().row;
        (0..count).map(move |n| Ok(Row { id: RecordingId(n), ..row.clone() }))
    }

    /// How it ended, and whom it told of: the number, and whether it went well.
    fn told<F>(count: u128, workers: Vec<Worker<F>>, stop: &Stop) -> (End, Vec<(u128, bool)>)
    where
        F: FnMut(u128) -> Result<Outcome> + Send,
    {
        let mut told = Vec::new();
        let end = run(rows(count), workers, stop, &mut |row, result| {
            told.push((row.id.0, result.is_ok()));
            Ok(())
        });
        (end.unwrap(), told)
    }

    #[test]
    fn they_run_side_by_side_and_are_told_in_order() {
        let (stop, _set) = Stop::by_hand();
        // None of the first four comes back before all four are begun, and the first is the last of them.
        let (all_begun, others_done) = (Arc::new(Barrier::new(4)), Arc::new(Barrier::new(4)));
        let worker = || {
            let (all_begun, others_done) = (Arc::clone(&all_begun), Arc::clone(&others_done));
            Worker(move |n: u128| {
                if n < 4 {
                    all_begun.wait();
                    others_done.wait();
                }
                if n == 2 { Err(anyhow::anyhow!("damaged")) } else { Ok(Outcome::Copied) }
            })
        };
        let (end, told) = told(1000, (0..4).map(|_| worker()).collect(), &stop);
        assert!(matches!(end, End::All));
        assert_eq!(told, (0..1000).map(|n| (n, n != 2)).collect::<Vec<_>>());
    }

    #[test]
    fn a_fault_of_ours_costs_one_recording() {
        let (stop, _set) = Stop::by_hand();
        let faulty = |n| if n == 3 { panic!("on purpose") } else { Ok(Outcome::Copied) };
        let (end, told) = told(1000, vec![Worker(faulty), Worker(faulty)], &stop);
        assert!(matches!(end, End::All));
        assert_eq!(told, (0..1000).map(|n| (n, n != 3)).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_are_begun_than_the_window_holds() {
        let (stop, _set) = Stop::by_hand();
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        let counting = rows(5000).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut told = 0;
        let present = |_| Ok(Outcome::Present);
        let workers = vec![Worker(present), Worker(present)];
        run(counting, workers, &stop, &mut |_, _| {
            assert!(asked.load(Ordering::Relaxed) - told <= WINDOW);
            told += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(told, 5000);
    }

    #[test]
    fn what_all_would_meet_ends_it_and_is_told_once() {
        let (stop, _set) = Stop::by_hand();
        let refused = |kind| anyhow::Error::from(StoreError::Target(TargetError::new(kind, "refused")));
        let worker = |kind| Worker(move |n| if n < 3 { Ok(Outcome::Copied) } else { Err(refused(kind)) });
        let (end, heard) = told(1000, vec![worker(ErrorKind::Denied)], &stop);
        assert!(matches!(&end, End::Early(error) if error.to_string().contains("credentials")), "{end:?}");
        assert_eq!(heard, [(0, true), (1, true), (2, true)]);
        let (end, heard) = told(1000, vec![worker(ErrorKind::Unreachable)], &stop);
        assert!(matches!(end, End::Early(_)));
        assert_eq!(heard.iter().filter(|(_, ok)| !ok).count(), ENOUGH as usize - 1);
        // With pauses between them they are each recording's own.
        let now_and_then = Worker(|n| if n % 2 == 0 { Ok(Outcome::Copied) } else { Err(refused(ErrorKind::Busy)) });
        assert!(matches!(told(100, vec![now_and_then], &stop), (End::All, heard) if heard.len() == 100));
    }

    #[test]
    fn ctrl_c_begins_nothing_more_and_who_cannot_be_told_ends_it() {
        let (stop, set) = Stop::by_hand();
        let flag = stop.clone();
        let worker = Worker(move |n| {
            if n == 5 {
                set();
                flag.check()?;
            }
            Ok(Outcome::Copied)
        });
        let (end, heard) = told(1000, vec![worker], &stop);
        assert!(matches!(end, End::Interrupted));
        assert_eq!(heard, (0..5).map(|n| (n, true)).collect::<Vec<_>>(), "what was given up is not told");

        let (stop, _set) = Stop::by_hand();
        let copied = |_| Ok(Outcome::Copied);
        let workers = vec![Worker(copied), Worker(copied)];
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let mut closed = Some(closed);
        let error = run(rows(1000), workers, &stop, &mut |_, _| Err(closed.take().unwrap().into())).unwrap_err();
        assert!(error.is::<std::io::Error>());
    }
}
