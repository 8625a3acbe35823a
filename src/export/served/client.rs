//! A running server's API, asked with patience.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde::Deserialize;
use siprec_core::seed::RecordingId;
use tokio::runtime::Runtime;

use crate::api_client::ApiClient;
use crate::archive::catalog::{Filter, Row};
use crate::export::place::Writing;
use crate::export::stop::Stop;
use crate::https;

/// Rows of a page.
const PAGE: u64 = 500;
/// Nothing that comes for so long is no download any more.
const QUIET: Duration = Duration::from_secs(60);
/// A request that a busy server refuses is tried so often.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A server.
#[derive(Debug)]
pub(super) struct Client {
    api: ApiClient,
    runtime: Runtime,
    stop: Stop,
    /// What says nothing for so long says nothing any more.
    quiet: Duration,
}

/// What a server answers, and a field of it.
pub(super) struct Answer {
    pub(super) octets: Vec<u8>,
    pub(super) signature: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    recordings: Vec<Row>,
    next: Option<String>,
}

impl Client {
    pub(super) fn new(url: &str, token: Option<String>, stop: Stop) -> Result<Self> {
        let api = ApiClient::new(url, token)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { api, runtime, stop, quiet: QUIET })
    }

    /// What ends all of it.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// A page of the recordings that `filter` means, after that of `after`; and where the next one begins.
    pub(super) fn page(&self, filter: &Filter, after: Option<&str>) -> Result<(Vec<Row>, Option<String>)> {
        if let [id] = filter.ids[..] {
            return Ok((vec![self.row(id)?], None));
        }
        let mut query = filter.query();
        query.push(("limit", PAGE.to_string()));
        query.extend(after.map(|after| ("after", after.to_owned())));
        let answer = self.get("recordings", &query)?;
        let page: Page = serde_json::from_slice(&answer.octets).context("the server's list cannot be read")?;
        Ok((page.recordings, page.next))
    }

    /// One recording.
    pub(super) fn row(&self, id: RecordingId) -> Result<Row> {
        let answer = self.get(&format!("recordings/{id}"), &[])?;
        serde_json::from_slice(&answer.octets).context("what the server says of it cannot be read")
    }

    /// Something small.
    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Answer> {
        let got = async {
            let answer = self.ask(path, query).await?;
            let signature = answer.headers().get("siprec-signature").and_then(|value| value.to_str().ok());
            let signature = signature.map(str::to_owned);
            let octets = self.answered(answer.bytes()).await?.map_err(|error| anyhow::anyhow!(https::words(&error)))?;
            Ok(Answer { octets: octets.to_vec(), signature })
        };
        self.runtime.block_on(self.stop.or(got))
    }

    /// Something large, as it comes; `done` is told of its octets.
    pub(super) fn download(
        &self,
        (path, query): (&str, &[(&str, String)]),
        out: &mut Writing,
        done: &mut dyn FnMut(u64),
    ) -> Result<()> {
        use std::io::Write as _;
        let got = async {
            let answer = self.ask(path, query).await?;
            let mut pieces = answer.bytes_stream();
            loop {
                match tokio::time::timeout(self.quiet, pieces.next()).await {
                    Ok(Some(Ok(piece))) => {
                        out.write_all(&piece)?;
                        done(piece.len() as u64);
                    }
                    Ok(Some(Err(error))) => bail!("the download broke off: {}", https::words(&error)),
                    Ok(None) => return Ok(()),
                    Err(_) => bail!("the download broke off: nothing came for {:?}", self.quiet),
                }
            }
        };
        self.runtime.block_on(self.stop.or(got))
    }

    /// Asks again where a server is busy.
    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<reqwest::Response> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.answered(self.ask_once(path, query)).await? {
                Ok(answer) if [429, 503].contains(&answer.status().as_u16()) => {}
                Err(error) if error.is_connect() || error.is_timeout() => {}
                other => return self.api.judged(other).await,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        let last = self.answered(self.ask_once(path, query)).await?;
        self.api.judged(last).await
    }

    /// What comes within [`Client::quiet`].
    async fn answered<T>(&self, answer: impl Future<Output = T>) -> Result<T> {
        let quiet = self.quiet;
        tokio::time::timeout(quiet, answer).await.map_err(|_| {
            anyhow::anyhow!(
                "{} took the request and has not answered for {quiet:?}: is it a siprec's API?",
                self.api.url()
            )
        })
    }

    async fn ask_once(&self, path: &str, query: &[(&str, String)]) -> reqwest::Result<reqwest::Response> {
        self.api.request(Method::GET, &format!("/api/v1/{path}"), query).send().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let mut client = Client::new(&url, None, Stop::new().0).unwrap();
        client.quiet = Duration::from_millis(50);
        let error = client.get("recordings", &[]).err().unwrap().to_string();
        assert!(error.contains("has not answered for 50ms"), "{error}");
    }
}
