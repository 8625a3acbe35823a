//! A running server's API, asked with patience.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use reqwest::header::IF_NONE_MATCH;
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use siprec_core::seed::RecordingId;
use tokio::runtime::Runtime;

use crate::api_client::ApiClient;
use crate::archive::catalog::{Filter, Row};
use crate::archive::finish::RENDITION_FIELD;
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
/// What a server renders is asked for so often.
const ASKED: Duration = Duration::from_secs(1);
/// What a server has not rendered by then it does not render.
const RENDERED_WITHIN: Duration = Duration::from_secs(3600);

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

/// What a server answers who asks for something that it renders.
pub(super) enum Rendered {
    /// Its octets.
    Octets(Vec<u8>),
    /// It is what whoever asks has.
    Same,
    /// It cannot be rendered any more, and why.
    Gone(String),
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
        let got = async { self.take(self.ask(path, query).await?, out, done).await };
        self.runtime.block_on(self.stop.or(got))
    }

    /// Something small that the server renders, unless `tag` is that of what would come.
    pub(super) fn rendered(&self, from: (&str, &[(&str, String)]), tag: Option<&str>) -> Result<Rendered> {
        let got = async {
            let answer = self.ask_rendered(from, tag).await?;
            match answer.status() {
                StatusCode::NOT_MODIFIED => Ok(Rendered::Same),
                StatusCode::GONE => {
                    let refused = self.api.judged(Ok(answer)).await.err();
                    Ok(Rendered::Gone(refused.map(|error| error.to_string()).unwrap_or_default()))
                }
                _ => {
                    let octets = self.answered(answer.bytes()).await?;
                    Ok(Rendered::Octets(octets.map_err(|error| anyhow::anyhow!(https::words(&error)))?.to_vec()))
                }
            }
        };
        self.runtime.block_on(self.stop.or(got))
    }

    /// Something large that the server renders, as it comes; `done` is told of its octets.
    pub(super) fn download_rendered(
        &self,
        from: (&str, &[(&str, String)]),
        out: &mut Writing,
        done: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let got = async {
            let answer = self.ask_rendered(from, None).await?;
            self.take(self.api.judged(Ok(answer)).await?, out, done).await
        };
        self.runtime.block_on(self.stop.or(got))
    }

    async fn take(&self, answer: Response, out: &mut Writing, done: &mut dyn FnMut(u64)) -> Result<()> {
        use std::io::Write as _;
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
    }

    /// Asks until it is rendered: a success, or that it is the same, or gone.
    async fn ask_rendered(&self, (path, query): (&str, &[(&str, String)]), tag: Option<&str>) -> Result<Response> {
        let made = async {
            loop {
                let answer = self.ask_patiently(path, query, tag).await?;
                let status = answer.as_ref().map(Response::status).unwrap_or_default();
                match status {
                    // One of before refuses parameters that it does not know, or does as if they were not there.
                    StatusCode::BAD_REQUEST => {
                        return Err(self.older(&self.api.judged(answer).await.err().context("it refuses")?.to_string()));
                    }
                    StatusCode::ACCEPTED => tokio::time::sleep(ASKED).await,
                    StatusCode::NOT_MODIFIED | StatusCode::GONE => return Ok(answer?),
                    _ => {
                        let answer = self.api.judged(answer).await?;
                        return match answer.headers().contains_key(RENDITION_FIELD) {
                            true => Ok(answer),
                            false => Err(self.older(&format!("its answer has no {RENDITION_FIELD}"))),
                        };
                    }
                }
            }
        };
        let made = tokio::time::timeout(RENDERED_WITHIN, made).await;
        made.unwrap_or_else(|_| bail!("{} has not rendered it within {RENDERED_WITHIN:?}", self.api.url()))
    }

    fn older(&self, said: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "{} is of a version that does not render over its API ({said}): upgrade it, run this beside its data directory, or copy \
             recordings as they are, without --as",
            self.api.url()
        )
    }

    async fn ask(&self, path: &str, query: &[(&str, String)]) -> Result<Response> {
        self.api.judged(self.ask_patiently(path, query, None).await?).await
    }

    /// Asks again where a server is busy.
    async fn ask_patiently(
        &self,
        path: &str,
        query: &[(&str, String)],
        tag: Option<&str>,
    ) -> Result<reqwest::Result<Response>> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.answered(self.ask_once(path, query, tag)).await? {
                Ok(answer) if [429, 503].contains(&answer.status().as_u16()) => {}
                Err(error) if error.is_connect() || error.is_timeout() => {}
                other => return Ok(other),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.answered(self.ask_once(path, query, tag)).await
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

    async fn ask_once(&self, path: &str, query: &[(&str, String)], tag: Option<&str>) -> reqwest::Result<Response> {
        let request = self.api.request(Method::GET, &format!("/api/v1/{path}"), query);
        tag.iter().fold(request, |request, tag| request.header(IF_NONE_MATCH, format!("\"{tag}\""))).send().await
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

    /// Answers one request of each text with it, whatever is asked.
    fn answering(texts: Vec<&'static str>) -> Client {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for text in texts {
                let (mut peer, _) = listener.accept().unwrap();
                assert!(peer.read(&mut [0; 4096]).unwrap() > 0);
                peer.write_all(text.as_bytes()).unwrap();
            }
        });
        Client::new(&url, None, Stop::new().0).unwrap()
    }

    /// Both are what the version before renderings answered: one route refused parameters that it did not know, the other did not look.
    #[test]
    fn a_server_that_cannot_render_is_not_believed() {
        let ignores = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        let refuses = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 98\r\n\r\n\
            {\"title\":\"Bad Request\",\"status\":400,\"detail\":\"the query: unknown field `layout`, expected `file`\"} ";
        for (answer, said) in [(ignores, "has no siprec-rendition"), (refuses, "unknown field `layout`")] {
            let error = answering(vec![answer]).rendered(("recordings/x/proof", &[]), None).err().unwrap().to_string();
            assert!(error.contains(said) && error.contains("upgrade it"), "{error}");
        }
    }

    #[test]
    fn what_is_being_rendered_is_asked_for_again() {
        let later = "HTTP/1.1 202 Accepted\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        let made = "HTTP/1.1 200 OK\r\nconnection: close\r\nsiprec-rendition: x\r\ncontent-length: 2\r\n\r\n{}";
        let rendered = answering(vec![later, made]).rendered(("recordings/x/proof", &[]), None).unwrap();
        assert!(matches!(rendered, Rendered::Octets(octets) if octets == b"{}"));
    }
}
