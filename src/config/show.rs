//! The configuration in effect, each value with its source. Secrets are masked by their type.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

use super::layers::{Loaded, leaves};

/// A line a key: `server.address: ":5060"   # default`. It is YAML in no section, for reading and `grep`.
pub fn show_text(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = leaves(&loaded.config)
        .iter()
        .map(|(key, value)| (format!("{key}: {value}"), loaded.origin(key).to_string()))
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, (line, origin)| {
        let _ = writeln!(text, "{line:width$}  # {origin}");
        text
    })
}

/// The same for machines: `{"server.address": {"value": ":5060", "source": "default"}, ...}`.
pub fn show_json(loaded: &Loaded) -> Value {
    let entry = |(key, value): (String, Value)| {
        let source = loaded.origin(&key).to_string();
        (key, json!({ "value": value, "source": source }))
    };
    Value::Object(leaves(&loaded.config).into_iter().map(entry).collect::<Map<_, _>>())
}

/// SHA-256 in hexadecimal of all values in effect, secrets masked: another one is another configuration. It is that of a line
/// `key: value` a key, as [`show_text`] prints them, without their sources.
pub fn digest(loaded: &Loaded) -> String {
    let lines: String = leaves(&loaded.config).iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    Sha256::digest(lines).iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Sources};

    #[test]
    fn values_come_with_their_source_and_secrets_masked() {
        let flags = [("metadata.connection", "postgres://u:hunter2@db/x"), ("server.address", ":5070")];
        let flag =
            |(key, value): (&str, &str)| Flag { name: format!("--set {key}"), key: key.into(), value: value.into() };
        let loaded = Sources { flags: flags.map(flag).to_vec(), ..Sources::default() }.load().unwrap();
        let text = show_text(&loaded);
        assert!(!text.contains("hunter2"), "{text}");
        let line = |key: &str| {
            text.lines().find(|line| line.starts_with(key)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("server.address"), "server.address: \":5070\" # --set server.address");
        assert_eq!(line("media.port_range"), "media.port_range: \"10000-20000\" # default");
        assert_eq!(line("metadata.connection"), "metadata.connection: \"********\" # --set metadata.connection");
        assert_eq!(show_json(&loaded)["server.address"], json!({"value": ":5070", "source": "--set server.address"}));
    }
}
