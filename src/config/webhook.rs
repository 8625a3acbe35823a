//! `webhooks`: whom the server tells of what happens.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::model::Config;
use super::values::{MASK, Secret, Span};

/// A row of `webhooks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What it is called.
    pub name: String,
    /// Where it is: `https://`, or `http://`. Shown without its path and query, which are a secret of many services.
    #[serde(serialize_with = "host_alone")]
    pub url: String,
    /// What its requests are signed with.
    pub secret: Secret,
    /// What it is told of: beginnings of kinds.
    #[serde(default = "kinds")]
    pub events: Vec<String>,
    /// It has to answer by then.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// What it has not taken after so long is given up, and listed.
    #[serde(default = "give_up_after")]
    pub give_up_after: Span,
}

fn host_alone<S: serde::Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A name and password stand before the host.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_all = rest.trim_end_matches('/') == host;
    serializer
        .collect_str(&format_args!("{scheme}://{host}{}", if is_all { String::new() } else { format!("/{MASK}") }))
}

fn kinds() -> Vec<String> {
    vec!["recording.".to_owned(), "session.alarm".to_owned(), "server.alarm".to_owned()]
}

fn timeout() -> Span {
    Span(Duration::from_secs(10))
}

fn give_up_after() -> Span {
    Span(Duration::from_secs(3 * 86_400))
}

impl Config {
    /// What of the webhooks cannot be.
    pub(super) fn webhook_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, hook) in self.webhooks.iter().enumerate() {
            let is_url = ["https://", "http://"]
                .iter()
                .any(|scheme| hook.url.len() > scheme.len() && hook.url.starts_with(scheme));
            if !is_url || hook.url.chars().any(char::is_whitespace) {
                faults.push(format!("webhooks[{place}].url: `{}` is no URL: write https://host/path", hook.url));
            }
            if hook.name.trim().is_empty() || self.webhooks.iter().take(place).any(|other| other.name == hook.name) {
                faults.push(format!("webhooks[{place}].name: give each a name of its own"));
            }
            if hook.secret.reveal().len() < 16 {
                faults.push(format!(
                    "webhooks[{place}].secret: give 16 characters or more, as `openssl rand -hex 32` makes them"
                ));
            }
        }
        if !self.webhooks.is_empty() && !self.api.enabled {
            faults.push("webhooks: the API sends them: set api.enabled: true".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_of_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("https://example.com/T0/B0/secret", "https://example.com/********"),
            ("http://ann:secret@example.com?key=secret", "http://example.com/********"),
        ] {
            let made = host_alone(url, serde_json::value::Serializer);
            assert_eq!(made.ok(), Some(serde_json::Value::from(shown)), "{url}");
        }
    }
}
