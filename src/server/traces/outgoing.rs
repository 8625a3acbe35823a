//! Spans on their way to the collector.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::Notify;

use crate::config::TracingConfig;
use crate::https;

/// Spans that wait; beyond them the oldest are lost.
const MAX_WAITING: usize = 8_192;
/// Of one request.
const MAX_BATCH: usize = 512;
/// What ends within this time goes together; it grows by twice while the collector is gone.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A request may take so long.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What waits, and by what it is sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    exporter: Otlp,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: VecDeque<SpanData>,
    /// Since the last ones that were sent.
    lost: u64,
}

impl Outgoing {
    /// To the collector of `config`; none, where there is none.
    pub(super) fn new(config: &TracingConfig, node: &str) -> anyhow::Result<Option<Self>> {
        let Some(url) = config.url() else { return Ok(None) };
        let headers: HashMap<String, String> =
            config.otlp_headers.iter().map(|header| (header.name.clone(), header.value.reveal().to_owned())).collect();
        let made = Otlp::builder()
            .with_http()
            .with_endpoint(url)
            .with_headers(headers)
            .with_timeout(TIMEOUT)
            .with_http_client(https::client(TIMEOUT)?)
            .build();
        let mut exporter = made.context("tracing: traces cannot be sent there (otlp_endpoint, otlp_headers)")?;
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", "siprec"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", node.to_owned()),
        ]);
        exporter.set_resource(&resource.build());
        Ok(Some(Self { exporter, waiting: Mutex::default(), wake: Notify::new() }))
    }

    /// Takes what has ended.
    pub(super) fn add(&self, spans: Vec<SpanData>) {
        if spans.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.spans.extend(spans);
        while waiting.spans.len() > MAX_WAITING {
            waiting.spans.pop_front();
            waiting.lost += 1;
        }
        self.wake.notify_one();
    }

    /// Sends, for as long as it is polled.
    pub(super) async fn send(self: std::sync::Arc<Self>) {
        let mut pause = PAUSE;
        loop {
            self.wake.notified().await;
            tokio::time::sleep(pause).await;
            while let Some(batch) = self.batch() {
                match self.exporter.export(batch.clone()).await {
                    Ok(()) => {
                        if pause > PAUSE {
                            tracing::info!("traces: the collector takes them again");
                        }
                        pause = PAUSE;
                    }
                    Err(error) => {
                        if pause == PAUSE {
                            tracing::warn!(%error, "traces: the collector takes none (tracing.otlp_endpoint): they wait");
                        }
                        self.put_back(batch);
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        self.wake.notify_one();
                        break;
                    }
                }
            }
        }
    }

    fn batch(&self) -> Option<Vec<SpanData>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = std::mem::take(&mut waiting.lost);
        if lost > 0 {
            tracing::warn!(lost, "traces: spans were lost, the collector did not take them for too long");
        }
        let count = waiting.spans.len().min(MAX_BATCH);
        (count > 0).then(|| waiting.spans.drain(..count).collect())
    }

    fn put_back(&self, batch: Vec<SpanData>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        batch.into_iter().rev().for_each(|span| waiting.spans.push_front(span));
    }
}
