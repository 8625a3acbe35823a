//! One webhook's requests: signed, some at a time, and again until they are taken.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use ring::hmac;

use super::Webhooks;
use super::queue::Item;
use crate::archive::recordings::hexadecimal;
use crate::config::WebhookConfig;
use crate::{https, wall};

/// Requests under way at one time, each of another recording.
const AT_ONCE: usize = 8;
/// Events that are fetched in one go.
const FETCHED: usize = 64;
/// How long is waited after the first that fails, doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(3600);
/// A queue that cannot be read is looked at again then.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Of an answer that refuses, so much is told.
const TOLD: usize = 200;

pub(super) struct Sender {
    hooks: Arc<Webhooks>,
    place: usize,
    client: reqwest::Client,
    key: hmac::Key,
}

impl Sender {
    pub(super) fn new(hooks: Arc<Webhooks>, place: usize) -> anyhow::Result<Self> {
        let hook = hooks.hooks.get(place).context("no such webhook")?;
        let client = https::client(hook.timeout.0)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, hook.secret.reveal().as_bytes());
        Ok(Self { hooks, place, client, key })
    }

    fn hook(&self) -> &WebhookConfig {
        &self.hooks.hooks[self.place]
    }

    /// Tells what is due, for ever.
    pub(super) async fn run(self) {
        loop {
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(%error, webhook = self.hook().name, "the queue of webhooks cannot be used; tried again");
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = self.hooks.wakes[self.place].notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Tells what is due now; how long nothing is due then.
    async fn turn(&self) -> anyhow::Result<Duration> {
        let name = self.hook().name.clone();
        let queue = Arc::clone(&self.hooks.queue);
        let looked = tokio::task::spawn_blocking(move || {
            queue.trim(&name)?;
            Ok::<_, rusqlite::Error>((queue.due(&name, wall::now_ms(), FETCHED)?, queue.next_due(&name)?))
        });
        let (due, next) = looked.await??;
        if due.is_empty() {
            let wait = next.map_or(LOOK_AGAIN.as_millis() as i64 * 120, |next| (next - wall::now_ms()).max(100));
            return Ok(Duration::from_millis(wait.unsigned_abs()));
        }
        // Each is of another recording: the queue sees to that.
        let told = futures_util::stream::iter(due).map(|item| self.tell(item)).buffer_unordered(AT_ONCE);
        let results: Vec<anyhow::Result<()>> = told.collect().await;
        results.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(Duration::ZERO)
    }

    async fn tell(&self, item: Item) -> anyhow::Result<()> {
        let outcome = self.post(&item).await;
        let (queue, now) = (Arc::clone(&self.hooks.queue), wall::now_ms());
        let hook = self.hook();
        let Err(error) = outcome else { return Ok(tokio::task::spawn_blocking(move || queue.taken(item.id)).await??) };
        let wait = FIRST_WAIT.saturating_mul(1 << item.attempts.min(16)).min(LAST_WAIT);
        let due = now + i64::try_from(wait.as_millis()).unwrap_or(0);
        let is_over = due - item.queued_ms > i64::try_from(hook.give_up_after.0.as_millis()).unwrap_or(i64::MAX);
        if is_over {
            tracing::error!(
                webhook = hook.name,
                kind = item.kind,
                error,
                "a webhook has not taken an event: it is given up"
            );
        } else {
            tracing::warn!(webhook = hook.name, kind = item.kind, error, again_in = ?wait, "a webhook does not take an event");
        }
        let due = (!is_over).then_some(due);
        Ok(tokio::task::spawn_blocking(move || queue.failed(&item, &error, due)).await??)
    }

    async fn post(&self, item: &Item) -> Result<(), String> {
        let seconds = wall::now_ms() / 1_000;
        let signed = hmac::sign(&self.key, format!("{seconds}.{}", item.body).as_bytes());
        let request = self
            .client
            .post(&self.hook().url)
            .header("Content-Type", "application/json")
            .header("Siprec-Event", &item.kind)
            .header("Siprec-Delivery", item.id.to_string())
            .header("Siprec-Signature", format!("t={seconds},v1={}", hexadecimal(signed.as_ref())))
            .body(item.body.clone());
        // What is wrong may hold the URL, which may hold a secret.
        let answer = request.send().await.map_err(|error| https::words(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = begin_of(answer).await;
        let said: String = said.chars().take(TOLD).filter(|c| !c.is_control()).collect();
        Err(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") })
    }
}

/// What an answer says first; it may go on for ever.
async fn begin_of(mut answer: reqwest::Response) -> String {
    let mut octets = Vec::new();
    while octets.len() < 4 * TOLD
        && let Ok(Some(more)) = answer.chunk().await
    {
        octets.extend_from_slice(&more);
    }
    String::from_utf8_lossy(&octets).into_owned()
}
