//! Ctrl-C and SIGTERM: what is under way is given up where it is, and nothing of it is left under a final name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether to stop. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    flag: Arc<AtomicBool>,
    told: watch::Receiver<bool>,
    /// A receiver whose sender is gone would say that it was told.
    _teller: Arc<watch::Sender<bool>>,
}

/// The operator stopped it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

impl Stop {
    pub(super) fn new() -> (Self, Arc<watch::Sender<bool>>) {
        let (teller, told) = watch::channel(false);
        let teller = Arc::new(teller);
        (Self { flag: Arc::default(), told, _teller: Arc::clone(&teller) }, teller)
    }

    /// At the first SIGINT or SIGTERM. (A process that hangs all the same is ended by SIGKILL or SIGQUIT.)
    ///
    /// # Errors
    /// The system's, where it gives no thread or handler.
    pub(super) fn on_signals() -> Result<Self> {
        let (stop, teller) = Self::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let flag = Arc::clone(&stop.flag);
        let wait = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
            teller.send_replace(true);
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("no thread to wait for Ctrl-C")?;
        Ok(stop)
    }

    /// Whether it was told.
    pub(super) fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// For who looks at a flag himself.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// # Errors
    /// [`Interrupted`], once it was told.
    pub(super) fn check(&self) -> Result<(), Interrupted> {
        if self.is_set() { Err(Interrupted) } else { Ok(()) }
    }

    /// What comes of `work`, or [`Interrupted`] as soon as it is told.
    pub(super) async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut told = self.told.clone();
        tokio::select! {
            result = work => result,
            _ = told.wait_for(|told| *told) => Err(Interrupted.into()),
        }
    }
}

#[cfg(test)]
impl Stop {
    /// Nobody tells it but the test.
    pub(super) fn by_hand() -> (Self, impl Fn()) {
        let (stop, teller) = Self::new();
        let flag = Arc::clone(&stop.flag);
        (stop, move || {
            flag.store(true, Ordering::Relaxed);
            teller.send_replace(true);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_given_up() {
        let (stop, set) = Stop::by_hand();
        assert!(stop.check().is_ok());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(stop.or(async { Ok(7) })).unwrap(), 7);
        set();
        let given_up = runtime.block_on(stop.or(std::future::pending::<Result<()>>())).unwrap_err();
        assert!(given_up.is::<Interrupted>() && stop.check().is_err());
    }
}
