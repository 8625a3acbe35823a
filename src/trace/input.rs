//! What a trace is read from: files, or a running server.

use std::path::PathBuf;

use anyhow::Result;
use siprec_core::trace::{Call, Row};

use super::options::Options;
use super::reader::{self, Item, Reader};
#[cfg(feature = "api")]
use super::server::Fetched;
use crate::capture::segments_of_folders;

/// What is read, as often as it is wanted.
pub(super) struct Input {
    /// Captures and journals, in the order of their time.
    pub(super) files: Vec<PathBuf>,
    #[cfg(feature = "api")]
    fetched: Option<Fetched>,
}

impl Input {
    pub(super) fn open(options: &Options) -> Result<Self> {
        let files = reader::by_time(segments_of_folders(&options.files)?);
        #[cfg(feature = "api")]
        let fetched = options.server.as_ref().map(|server| Fetched::of(server, options)).transpose()?;
        Ok(Self {
            files,
            #[cfg(feature = "api")]
            fetched,
        })
    }

    /// Gives `sink` all of it; what could not be read whole, in words.
    pub(super) fn read(&self, reader: &mut Reader, sink: &mut dyn FnMut(Item<'_>)) -> Vec<String> {
        let mut failures = Vec::new();
        for path in &self.files {
            if let Err(error) = reader.read(path, sink) {
                failures.push(format!("{}: {error:#}", path.display()));
            }
        }
        #[cfg(feature = "api")]
        failures.extend(self.fetched.iter().flat_map(|fetched| fetched.read(reader, sink)));
        failures
    }

    /// What a server says of a call that goes on, beside its signalling.
    pub(super) fn told(&self, call: &Call) -> Vec<Row> {
        #[cfg(feature = "api")]
        let told = self.fetched.as_ref().map(|fetched| fetched.rows(&call.id)).unwrap_or_default();
        #[cfg(not(feature = "api"))]
        let told = {
            let _ = call;
            Vec::new()
        };
        told
    }

    /// The same as JSON.
    pub(super) fn line(&self, call: &Call) -> Option<serde_json::Value> {
        #[cfg(feature = "api")]
        let line = self.fetched.as_ref().and_then(|fetched| fetched.line(&call.id));
        #[cfg(not(feature = "api"))]
        let line = {
            let _ = call;
            None
        };
        line
    }
}
