//! `tracing`: traces of recording sessions, for a collector.

use serde::{Deserialize, Serialize};

use super::model::Config;
use super::values::Secret;

/// Where traces are to be posted, where the endpoint has no path (OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// `tracing`: where traces go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracingConfig {
    /// A collector that takes OTLP over HTTP; none: no traces.
    pub otlp_endpoint: Option<String>,
    /// Headers of each request: what the collector knows us by.
    pub otlp_headers: Vec<HeaderConfig>,
}

/// A row of `tracing.otlp_headers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderConfig {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: Secret,
}

impl TracingConfig {
    /// Where to post, if traces are wanted.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let endpoint = self.otlp_endpoint.as_deref()?;
        let is_bare = |(_, rest): (&str, &str)| !rest.trim_end_matches('/').contains(['/', '?']);
        let bare = endpoint.split_once("://").is_some_and(is_bare);
        Some(if bare { format!("{}{PATH}", endpoint.trim_end_matches('/')) } else { endpoint.to_owned() })
    }
}

impl Config {
    /// What of `tracing` cannot be.
    pub(super) fn tracing_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(endpoint) = &self.tracing.otlp_endpoint else { return faults };
        let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            faults.push(format!(
                "tracing.otlp_endpoint: `{endpoint}` is no URL: write http://127.0.0.1:4318, where a collector takes OTLP over HTTP"
            ));
        }
        if !self.api.enabled {
            faults.push("tracing.otlp_endpoint: the API's threads send traces: set api.enabled: true".to_owned());
        }
        if !cfg!(feature = "otlp") {
            faults.push("tracing.otlp_endpoint: this siprec was built without the feature `otlp`".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_the_usual_one() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example.com/", "https://otel.example.com/v1/traces"),
            ("https://otel.example.com/otlp/v1/traces", "https://otel.example.com/otlp/v1/traces"),
            ("https://otel.example.com/?site=1", "https://otel.example.com/?site=1"),
        ] {
            let config = TracingConfig { otlp_endpoint: Some(endpoint.into()), ..TracingConfig::default() };
            assert_eq!(config.url().as_deref(), Some(url));
        }
        assert_eq!(TracingConfig::default().url(), None);
    }

    #[test]
    fn what_is_no_url_is_said() {
        let mut config = Config::default();
        assert!(config.tracing_faults().is_empty());
        for endpoint in ["127.0.0.1:4318", "http://", "grpc://otel:4317", "http://otel example"] {
            config.tracing.otlp_endpoint = Some(endpoint.into());
            assert!(config.tracing_faults()[0].contains("is no URL"), "{endpoint}");
        }
    }
}
