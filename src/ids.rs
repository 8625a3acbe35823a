//! Ids of what a running server has, for shells that complete them: asked once, quickly, and nothing where nobody answers.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;

use crate::api_client::ApiClient;
use crate::archive::catalog::Person;
use crate::config::{Config, is_safe_source};

/// Somebody waits with a finger on the tabulator key.
const PATIENCE: Duration = Duration::from_millis(800);
/// As many as a screen has use for.
const MOST: usize = 100;

/// What has ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The latest recordings.
    Recordings,
    /// What is being recorded.
    Sessions,
}

/// An id, and a few words that tell it from others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) words: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(alias = "recordings", alias = "sessions")]
    all: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    started_at: Option<String>,
    #[serde(default)]
    caller: Option<Person>,
    #[serde(default)]
    callee: Option<Person>,
}

/// Where the API of the server is that `config` is of, from this machine.
pub(crate) fn url_of(config: &Config) -> String {
    let scheme = if config.api.tls.enabled { "https" } else { "http" };
    let port = config.api.address.port;
    match config.api.address.ip.filter(|ip| !ip.is_unspecified()) {
        Some(ip) => format!("{scheme}://{}", std::net::SocketAddr::new(ip, port)),
        None => format!("{scheme}://127.0.0.1:{port}"),
    }
}

/// What the server at `url` has; none where it does not answer at once, or not so.
pub(crate) fn of_server(kind: Kind, url: &str, token: Option<&str>) -> Option<Vec<Known>> {
    // Whoever sees a token on its way can use it.
    let token = token.filter(|_| is_safe_source(url));
    let api = ApiClient::new(url, token.map(str::to_owned)).ok()?;
    let request = match kind {
        Kind::Recordings => api.request(Method::GET, "/api/v1/recordings", &[("limit", MOST.to_string())]),
        Kind::Sessions => api.request(Method::GET, "/api/v1/sessions", &[]),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = runtime
        .block_on(async { request.timeout(PATIENCE).send().await.ok()?.error_for_status().ok()?.bytes().await.ok() })?;
    read(&answer)
}

fn read(answer: &[u8]) -> Option<Vec<Known>> {
    let listed: Listed = serde_json::from_slice(answer).ok()?;
    Some(listed.all.into_iter().take(MOST).map(Known::from).collect())
}

impl From<Item> for Known {
    fn from(item: Item) -> Self {
        let Item { id, started_at, caller, callee } = item;
        let people: Vec<&str> = [&caller, &callee].into_iter().flatten().map(Person::label).collect();
        let start: String = started_at.unwrap_or_default().chars().take("2026-11-23T09:30".len()).collect();
        let words = format!("{} {}", start.replace('T', " "), people.join(" - "));
        // A shell reads what is printed: one line each, the id before a tabulator.
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned();
        Self { id: plain(&id), words: plain(&words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_kinds_are_read_and_nothing_of_them_reaches_the_shell() {
        let recordings = br#"{"recordings": [{"id": "a", "started_at": "2026-11-23T09:30:01.5Z", "caller": {"aor": "sip:1@x", "name": "An\nn"},
            "callee": {"aor": "sip:2@x"}, "bytes": 7}], "next": null}"#;
        let known = read(recordings).unwrap();
        assert_eq!(known, [Known { id: "a".into(), words: "2026-11-23 09:30 Ann - 2@x".into() }]);
        let sessions = br#"{"sessions": [{"id": "b", "caller": {"aor": "sip:1@x", "name": null}, "callee": null}]}"#;
        assert_eq!(read(sessions).unwrap(), [Known { id: "b".into(), words: "1@x".into() }]);
        assert_eq!(read(b"<html>"), None);
    }

    #[test]
    fn the_server_of_a_configuration_is_asked_where_it_listens() {
        let url = |yaml: &str| url_of(&serde_saphyr::from_str(yaml).unwrap());
        assert_eq!(url("{}"), "http://127.0.0.1:8080");
        assert_eq!(url("api: {address: ':9090', tls: {enabled: true}}"), "https://127.0.0.1:9090");
        assert_eq!(url("api: {address: '[2001:db8::1]:80'}"), "http://[2001:db8::1]:80");
        assert_eq!(of_server(Kind::Sessions, "http://127.0.0.1:1", None), None);
    }
}
