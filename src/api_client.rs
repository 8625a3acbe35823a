//! A running server's API as this program's own shells ask it: whom a token is shown to, and what a refusal says.
//!
//! How patiently it is asked is for whoever asks.

use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::{Method, Response};
use serde::Deserialize;

use crate::config::is_safe_source;
use crate::https;

/// An answer may take as long as this as a whole; what is quiet for too long is for whoever reads it.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// The words of a refusal are waited for so long.
const SAID_WITHIN: Duration = Duration::from_secs(10);
/// Of an answer that is no success, so many characters are read.
const TOLD: usize = 2_000;

/// A server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ApiClient {
    url: String,
    token: Option<String>,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl ApiClient {
    /// The server at `url` (`http://127.0.0.1:8080`), asked with `token` where there is one.
    ///
    /// # Errors
    /// It is no URL, the token would go in clear to another machine, or the machine's CAs cannot be read.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        anyhow::ensure!(is_http, "--server: `{url}` is no URL: write http://127.0.0.1:8080 or https://srs.example.com");
        anyhow::ensure!(
            token.is_none() || is_safe_source(&url),
            "--token: {url} is no https: URL of a host (https://srs.example.com), and whoever sees the token on its way can use it"
        );
        Ok(Self { url, token, client: https::client(LONGEST)? })
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What shows who asks.
    #[cfg(feature = "tui")]
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request for `path` (`/api/v1/sessions`), not yet sent.
    pub(crate) fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(query);
        let pairs = pairs.finish();
        let mark = if pairs.is_empty() { "" } else { "?" };
        let request = self.client.request(method, format!("{}{path}{mark}{pairs}", self.url));
        self.token.iter().fold(request, |request, token| request.bearer_auth(token))
    }

    /// A success, or what the server says is wrong.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub(crate) async fn judged(&self, answer: reqwest::Result<Response>) -> Result<Response> {
        let answer = answer.map_err(|error| anyhow::anyhow!("{}: {}", self.url, https::words(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        // Without its words it is still refused.
        let text = tokio::time::timeout(SAID_WITHIN, answer.text()).await.ok().and_then(Result::ok).unwrap_or_default();
        let text: String = text.chars().take(TOLD).collect();
        let said = serde_json::from_str::<Problem>(&text).map_or_else(|_| String::new(), |problem| problem.detail);
        match status.as_u16() {
            401 => bail!("{} wants to know who asks: give --token, or SIPREC_TOKEN ({said})", self.url),
            _ => bail!("{} says {status}: {said}", self.url),
        }
    }
}
