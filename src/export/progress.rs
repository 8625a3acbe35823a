//! The progress bar, for whoever watches; nothing for a pipe.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};

use crate::archive::catalog::{Catalog, CatalogError, Filter};

/// Bytes done of bytes to do by all jobs, recordings done, rate and time left. Clones are the same bar.
#[derive(Debug, Clone)]
pub(super) struct Progress(Option<Bar>);

#[derive(Debug, Clone)]
struct Bar {
    bar: ProgressBar,
    recordings: u64,
}

impl Progress {
    /// A bar over all that `filter` means, or, if nobody is `watched`, nothing.
    pub(super) fn start(watched: bool, catalog: &Catalog, filter: &Filter) -> Result<Self, CatalogError> {
        if !watched {
            return Ok(Self(None));
        }
        let (mut bytes, mut recordings) = (0, 0);
        for row in catalog.select(filter.clone()) {
            bytes += row?.bytes;
            recordings += 1;
        }
        let bar = ProgressBar::new(bytes);
        let template = "{bar:30} {bytes} of {total_bytes}, {msg}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let progress = Self(Some(Bar { bar, recordings }));
        progress.count(0);
        Ok(progress)
    }

    /// A bar over nobody knows how much.
    #[cfg(feature = "api")]
    pub(super) fn of_some(watched: bool) -> Self {
        let bar = || {
            let bar = ProgressBar::no_length();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes}, {msg}, {bytes_per_sec}") {
                bar.set_style(style);
            }
            Bar { bar, recordings: 0 }
        };
        Self(watched.then(bar))
    }

    /// So many bytes more are done.
    pub(super) fn advance(&self, bytes: u64) {
        if let Some(Bar { bar, .. }) = &self.0 {
            bar.inc(bytes);
        }
    }

    /// So many recordings are done.
    pub(super) fn count(&self, done: u64) {
        if let Some(Bar { bar, recordings }) = &self.0 {
            let of = if *recordings == 0 { String::new() } else { format!(" of {recordings}") };
            bar.set_message(format!("{done}{of} recordings"));
        }
    }

    /// Prints with the bar out of the way.
    pub(super) fn suspend(&self, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match &self.0 {
            Some(Bar { bar, .. }) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(self) {
        if let Some(Bar { bar, .. }) = self.0 {
            bar.finish_and_clear();
        }
    }
}
