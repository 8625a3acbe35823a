//! The progress bar, for whoever watches; nothing for a pipe.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};

use crate::archive::catalog::{Catalog, CatalogError, Filter};

/// Bytes done of bytes to do, rate and time left.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// A bar over all that `filter` means, or, if nobody is `watched`, nothing.
    pub(super) fn start(watched: bool, catalog: &Catalog, filter: &Filter) -> Result<Self, CatalogError> {
        if !watched {
            return Ok(Self(None));
        }
        let mut bytes = 0;
        for row in catalog.select(filter.clone()) {
            bytes += row?.bytes;
        }
        let bar = ProgressBar::new(bytes);
        let template = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Ok(Self(Some(bar)))
    }

    /// So many bytes more are done.
    pub(super) fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }

    /// Prints with the bar out of the way.
    pub(super) fn suspend(&self, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
