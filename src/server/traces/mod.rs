//! Traces of recording sessions, for a collector that takes OTLP over HTTP.
//!
//! ```text
//! Live -> Story: what has begun -> spans of what has ended -> Outgoing -> POST, some a second
//! ```
//! A trace is a recording session: its id is the session's without dashes, so that who has one has the other. A collector that
//! is gone costs traces, and nothing else.

mod outgoing;
mod story;

use std::sync::Arc;

use self::outgoing::Outgoing;
use self::story::Story;
use super::live::{Watch, Watched};
use crate::config::Config;

/// Who makes and sends them.
#[derive(Debug)]
pub(super) struct Traces {
    story: Story,
    outgoing: Arc<Outgoing>,
}

impl Traces {
    /// Those that `config` wants, of the node called `node`; none, where it wants none.
    ///
    /// # Errors
    /// The exporter cannot be made: its endpoint or a header is no such thing.
    pub(super) fn new(config: &Config, node: &str) -> anyhow::Result<Option<Self>> {
        let Some(outgoing) = Outgoing::new(&config.tracing, node)? else { return Ok(None) };
        let targets = config.storage.all_targets().len();
        Ok(Some(Self { story: Story::new(targets), outgoing: Arc::new(outgoing) }))
    }

    /// Tells of what happens, until the server stops.
    pub(super) async fn run(mut self, mut watch: Watch) {
        tokio::spawn(Arc::clone(&self.outgoing).send());
        loop {
            match watch.next().await {
                Watched::Told(told) => {
                    self.story.take(&told);
                    self.outgoing.add(self.story.ended());
                }
                Watched::Missed(count) => tracing::warn!(count, "events were missed: traces lack them"),
                Watched::Over => return,
            }
        }
    }
}
