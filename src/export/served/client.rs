//! A running server's API, asked with patience.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use serde::Deserialize;
use siprec_core::seed::RecordingId;
use tokio::runtime::Runtime;

use crate::archive::catalog::{Filter, Row};
use crate::config::is_safe_source;
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
/// Of an answer that is no success, so much is read.
const TOLD: usize = 2_000;

/// A server.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    token: Option<String>,
    client: reqwest::Client,
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

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Client {
    pub(super) fn new(url: &str, token: Option<String>, stop: Stop) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        anyhow::ensure!(is_http, "--server: `{url}` is no URL: write http://127.0.0.1:8080 or https://srs.example.com");
        anyhow::ensure!(
            token.is_none() || is_safe_source(&url),
            "--token: {url} is no https: URL of a host (https://srs.example.com), and whoever sees the token on its way can use it"
        );
        // As long as it takes: what is quiet for too long ends by itself.
        let client = https::client(Duration::from_secs(7 * 86_400))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { url, token, client, runtime, stop, quiet: QUIET })
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
                other => return self.judged(other).await,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        let last = self.answered(self.ask_once(path, query)).await?;
        self.judged(last).await
    }

    /// What comes within [`Client::quiet`].
    async fn answered<T>(&self, answer: impl Future<Output = T>) -> Result<T> {
        let quiet = self.quiet;
        tokio::time::timeout(quiet, answer).await.map_err(|_| {
            anyhow::anyhow!("{} took the request and has not answered for {quiet:?}: is it a siprec's API?", self.url)
        })
    }

    async fn ask_once(&self, path: &str, query: &[(&str, String)]) -> reqwest::Result<reqwest::Response> {
        let mut query = query.iter().fold(form_urlencoded(), |mut query, (name, value)| {
            query.append_pair(name, value);
            query
        });
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let request = self.client.get(format!("{}/api/v1/{path}{mark}{query}", self.url));
        let request = self.token.iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await
    }

    async fn judged(&self, answer: reqwest::Result<reqwest::Response>) -> Result<reqwest::Response> {
        let answer = answer.map_err(|error| anyhow::anyhow!("{}: {}", self.url, https::words(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = self.answered(answer.text()).await?.unwrap_or_default();
        let text: String = text.chars().take(TOLD).collect();
        let said = serde_json::from_str::<Problem>(&text).map_or_else(|_| String::new(), |problem| problem.detail);
        match status.as_u16() {
            401 => bail!("{} wants to know who asks: give --token, or SIPREC_TOKEN ({said})", self.url),
            _ => bail!("{} says {status}: {said}", self.url),
        }
    }
}

fn form_urlencoded() -> form_urlencoded::Serializer<'static, String> {
    form_urlencoded::Serializer::new(String::new())
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
