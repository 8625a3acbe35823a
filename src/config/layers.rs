//! The layers of the configuration, each laid on the one before:
//!
//! ```text
//! defaults < file < environment SIPREC_SERVER__ADDRESS < --set server.address=... and other flags
//! ```
//!
//! A layer is a list of settings. Each is tried on the whole as it stands; one that does not fit is at fault, and its
//! place (file and line, variable, flag) is told with it. All faults are collected, not just the first.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::model::Config;
use super::nearest;
use super::yaml::{self, Node, Placed};

/// Variables with this prefix and a double underscore are settings: `SIPREC_SERVER__ADDRESS`.
const ENVIRONMENT_PREFIX: &str = "SIPREC_";
/// A configuration file is not larger; a journal given by mistake is.
const MAX_FILE: u64 = 1 << 20;

/// Where the layers come from. Kept, so that a reload reads them again.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The YAML file.
    pub file: Option<PathBuf>,
    /// The environment: names and values.
    pub environment: Vec<(String, String)>,
    /// Flags, in order.
    pub flags: Vec<Flag>,
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag as the user wrote it, for messages: `--data-dir`.
    pub name: String,
    /// The key it sets.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// siprec's own.
    Default,
    /// A line of a file.
    File(PathBuf, u64),
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// What is wrong with a setting, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place; none for a file that cannot be read.
    pub origin: Option<Origin>,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Everything that is wrong with a configuration: one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// The layers, laid on each other.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The result.
    pub config: Config,
    /// Where each value that is not a default comes from.
    pub origins: BTreeMap<String, Origin>,
    /// Variables that look like settings and are none.
    pub(super) near_variables: Vec<String>,
}

impl Loaded {
    /// A configuration that a program made.
    pub fn of(config: Config) -> Self {
        Self { config, origins: BTreeMap::new(), near_variables: Vec::new() }
    }

    /// Where the value of `key` comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Whether someone set `key`, be it to its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }
}

impl Sources {
    /// The sources of this process: its environment, and what its command line gave.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { file, environment, flags }
    }

    /// Reads all layers.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn load(&self) -> Result<Loaded, Faults> {
        let mut layers = Layers::new(&self.environment);
        if let Some(path) = &self.file {
            layers.add_file(path);
        }
        layers.add_environment();
        for flag in &self.flags {
            layers.add_text(&flag.key, &flag.value, Origin::Flag(flag.name.clone()));
        }
        layers.finish()
    }
}

/// The known keys and their defaults: the leaves of the default configuration.
pub(super) fn leaves(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect("", &serde_json::to_value(config).unwrap_or_default(), &mut found);
    found
}

fn collect(prefix: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    if let Value::Object(section) = value {
        for (name, value) in section {
            collect(&join(prefix, name), value, found);
        }
    } else {
        found.insert(prefix.to_string(), value.clone());
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") }
}

struct Layers<'a> {
    environment: &'a [(String, String)],
    defaults: BTreeMap<String, Value>,
    tree: Value,
    config: Config,
    origins: BTreeMap<String, Origin>,
    near_variables: Vec<String>,
    faults: Vec<Fault>,
}

impl<'a> Layers<'a> {
    fn new(environment: &'a [(String, String)]) -> Self {
        let config = Config::default();
        Self {
            environment,
            defaults: leaves(&config),
            tree: serde_json::to_value(&config).unwrap_or_default(),
            config,
            origins: BTreeMap::new(),
            near_variables: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn finish(self) -> Result<Loaded, Faults> {
        if self.faults.is_empty() {
            Ok(Loaded { config: self.config, origins: self.origins, near_variables: self.near_variables })
        } else {
            Err(Faults(self.faults))
        }
    }

    fn fault(&mut self, origin: Option<Origin>, text: String) {
        self.faults.push(Fault { origin, text });
    }

    fn add_file(&mut self, path: &Path) {
        let text = match read_small(path, MAX_FILE) {
            Ok(text) => text,
            Err(why) => return self.fault(None, format!("cannot read {}: {why}", path.display())),
        };
        match yaml::read(&text) {
            Err(error) => {
                let origin = Origin::File(path.to_path_buf(), error.line.unwrap_or(1));
                self.fault(Some(origin), format!("not valid YAML: {}", error.text));
            }
            Ok(root) => self.add_section(path, "", &root),
        }
    }

    fn add_section(&mut self, path: &Path, prefix: &str, section: &Placed) {
        let keys = match &section.node {
            Node::Map(keys) => keys,
            Node::Scalar(Value::Null) => return,
            Node::Scalar(_) | Node::List(_) => {
                let whose = if prefix.is_empty() { "the file".into() } else { format!("`{prefix}`") };
                let origin = Origin::File(path.to_path_buf(), section.line);
                return self.fault(Some(origin), format!("{whose} is a section: its keys stand under it, indented"));
            }
        };
        for key in keys {
            let name = join(prefix, &key.name);
            let origin = Origin::File(path.to_path_buf(), key.line);
            if self.defaults.contains_key(&name) {
                self.add_placed(path, &name, &key.value, origin);
            } else if self.is_section(&name) {
                self.add_section(path, &name, &key.value);
            } else {
                self.unknown(&name, origin);
            }
        }
    }

    /// Sets a value of the file. Of a list, the first item that does not fit is at fault.
    fn add_placed(&mut self, path: &Path, key: &str, value: &Placed, origin: Origin) {
        if let Node::List(items) = &value.node {
            for (index, item) in items.iter().enumerate() {
                let upto = items.iter().take(index + 1).map(Placed::to_value).collect();
                if let Err(why) = self.try_on(key, Value::Array(upto)) {
                    let origin = Origin::File(path.to_path_buf(), item.line);
                    return self.fault(Some(origin), format!("{key}: {why}"));
                }
            }
        }
        self.add(key, value.to_value(), origin);
    }

    fn add_environment(&mut self) {
        for (name, value) in self.environment {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = rest.to_ascii_lowercase().replace("__", ".");
            if rest.contains("__") || self.defaults.contains_key(&key) {
                self.add_text(&key, value, Origin::Environment(name.clone()));
            } else if let Some(known) = self.defaults.keys().find(|known| known.replace('.', "_") == key) {
                // Not an error: orchestrators set names of their own, as SIPREC_PORT for a service called siprec.
                let variable = known.to_ascii_uppercase().replace('.', "__");
                let text =
                    format!("environment {name} is not read: write {ENVIRONMENT_PREFIX}{variable} to set {known}");
                self.near_variables.push(text);
            }
        }
    }

    /// Sets a value given as text; the key's default says which kind of value the text is.
    fn add_text(&mut self, key: &str, text: &str, origin: Origin) {
        let Some(default) = self.defaults.get(key) else {
            if self.is_section(key) {
                return self.fault(Some(origin), format!("`{key}` is a section: set one of its keys"));
            }
            return self.unknown(key, origin);
        };
        let value = match default {
            Value::Null if text.is_empty() => Ok(Value::Null),
            Value::Null | Value::String(_) | Value::Object(_) => Ok(text.into()),
            Value::Bool(_) | Value::Number(_) => yaml::read(text).map(|read| read.to_value()),
            Value::Array(_) if text.trim_start().starts_with('[') => yaml::read(text).map(|read| read.to_value()),
            Value::Array(_) => Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()),
        };
        match value {
            Ok(value) => self.add(key, value, origin),
            Err(error) => self.fault(Some(origin), format!("{key}: {}", error.text)),
        }
    }

    fn add(&mut self, key: &str, value: Value, origin: Origin) {
        // `key:` with nothing after it leaves the default.
        if value.is_null() && self.defaults.get(key).is_some_and(|default| !default.is_null()) {
            return;
        }
        match self.try_on(key, value) {
            Ok((tree, config)) => {
                self.tree = tree;
                self.config = config;
                self.origins.insert(key.to_string(), origin);
            }
            Err(why) => self.fault(Some(origin), format!("{key}: {why}")),
        }
    }

    /// The whole with `key` set to `value`, if that fits.
    fn try_on(&self, key: &str, mut value: Value) -> Result<(Value, Config), String> {
        let mut revealed = Vec::new();
        self.resolve(&mut value, &mut revealed)?;
        let mut tree = self.tree.clone();
        let place = key.split('.').try_fold(&mut tree, |section, name| section.get_mut(name)).ok_or("no such key")?;
        *place = value;
        match serde_json::from_value(tree.clone()) {
            Ok(config) => Ok((tree, config)),
            Err(error) => Err(explain(&error.to_string(), &revealed)),
        }
    }

    /// Puts in what `${ENV_NAME}` and `file:/path` stand for. What was put in is told, to be kept out of messages.
    fn resolve(&self, value: &mut Value, revealed: &mut Vec<String>) -> Result<(), String> {
        match value {
            Value::String(text) => {
                if let Some(resolved) = self.resolve_text(text)? {
                    revealed.push(resolved.clone());
                    *text = resolved;
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.resolve(item, revealed)),
            Value::Object(section) => section.values_mut().try_for_each(|item| self.resolve(item, revealed)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn resolve_text(&self, text: &str) -> Result<Option<String>, String> {
        if text.starts_with("file:/") && !text.starts_with("file://") {
            let path = Path::new(text.trim_start_matches("file:"));
            let content = read_small(path, MAX_FILE).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
            return Ok(Some(content.trim_end_matches(['\r', '\n']).to_string()));
        }
        let mut rest = text;
        let mut resolved = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or_else(|| "`${` without its `}`".to_string())?;
            let (_, value) = self
                .environment
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| format!("the environment has no {name}"))?;
            resolved.push_str(before);
            resolved.push_str(value);
            rest = tail;
        }
        resolved.push_str(rest);
        Ok((rest.len() != text.len()).then_some(resolved))
    }

    fn is_section(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.defaults.keys().any(|key| key.starts_with(&prefix))
    }

    fn unknown(&mut self, key: &str, origin: Origin) {
        let hint = nearest::did_you_mean(key, self.defaults.keys().map(String::as_str));
        self.fault(Some(origin), format!("unknown key `{key}`{hint}"));
    }
}

/// The message for the user: the nearest of the expected names where some are listed, and no secret.
fn explain(message: &str, revealed: &[String]) -> String {
    let mut text = message.to_string();
    if message.starts_with("unknown ") {
        let mut quoted = message.split('`').skip(1).step_by(2);
        if let Some(given) = quoted.next() {
            text.push_str(&nearest::did_you_mean(given, quoted));
        }
    }
    for secret in revealed.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), super::values::MASK);
    }
    text
}

fn read_small(path: &Path, limit: u64) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > limit {
        return Err(format!("{size} bytes are too many for it"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn with(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, Faults> {
        with_file("", environment, flags)
    }

    fn with_file(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, Faults> {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let flag = |(key, value): &(&str, &str)| Flag {
            name: format!("--set {key}"),
            key: (*key).to_string(),
            value: (*value).to_string(),
        };
        let sources = Sources {
            file: Some(file.path().to_path_buf()),
            environment: environment.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect(),
            flags: flags.iter().map(flag).collect(),
        };
        sources.load()
    }

    /// The faults, without the folder and name of the file.
    fn faults(result: Result<Loaded, Faults>) -> Vec<String> {
        let line = |fault: &Fault| match &fault.origin {
            Some(Origin::File(_, line)) => format!("{line}: {}", fault.text),
            _ => fault.to_string(),
        };
        result.expect_err("faults").0.iter().map(line).collect()
    }

    #[test]
    fn later_layers_win() {
        let file = "server:\n  address: \":5061\"\n  max_connections: 10\nmedia:\n  port_range: \"20000-30000\"\n";
        let environment = [("SIPREC_SERVER__ADDRESS", ":5062"), ("SIPREC_SERVER__MAX_CONNECTIONS", "20")];
        let loaded = with_file(file, &environment, &[("server.address", ":5063")]).unwrap();
        assert_eq!(loaded.config.server.address.port, 5063);
        assert_eq!(loaded.config.server.max_connections, 20);
        assert_eq!(loaded.config.media.port_range.first, 20_000);
        assert_eq!(loaded.origin("server.address"), Origin::Flag("--set server.address".into()));
        assert_eq!(loaded.origin("media.codecs"), Origin::Default);
        assert!(matches!(loaded.origin("media.port_range"), Origin::File(_, 5)));
    }

    #[test]
    fn every_fault_is_told_with_its_place_and_the_nearest_key() {
        let file = "server:\n  adress: \":5060\"\nmedia:\n  rtp_timeout: 30\n  codecs: [G.711,\n    G711]\nlogging:\n  level: inof\ncolour: red\nstorage: 3\n";
        let found =
            faults(with_file(file, &[("SIPREC_MEDIA__PORTRANGE", "1-2")], &[("server.tls.enabled", "perhaps")]));
        assert_eq!(
            found,
            [
                "2: unknown key `server.adress`: did you mean `server.address`?",
                "4: media.rtp_timeout: `30` is no length of time: write it as 500ms, 30s, 5m, 12h or 7d",
                "6: media.codecs: `G711` is no codec siprec knows: did you mean `G.711`?",
                "8: logging.level: unknown variant `inof`, expected one of `off`, `error`, `warn`, `warning`, `info`, `debug`, `trace`: did you mean `info`?",
                "9: unknown key `colour`",
                "10: `storage` is a section: its keys stand under it, indented",
                "environment SIPREC_MEDIA__PORTRANGE: unknown key `media.portrange`: did you mean `media.port_range`?",
                "--set server.tls.enabled: server.tls.enabled: invalid type: string \"perhaps\", expected a boolean",
            ]
        );
    }

    #[test]
    fn texts_become_what_the_key_is() {
        let environment = [("SIPREC_MEDIA__CODECS", "PCMA, opus"), ("SIPREC_SERVER__ADVERTISED_ADDRESS", "192.0.2.1")];
        let flags = [("peers", "[{address: 10.0.0.0/8, refusal: {status: 486}}]"), ("media.codecs_strict", "true")];
        let config = with(&environment, &flags).unwrap().config;
        assert_eq!(config.media.codecs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["PCMA", "opus"]);
        assert_eq!(config.server.advertised_address, Some("192.0.2.1".parse().unwrap()));
        assert!(config.media.codecs_strict);
        assert_eq!(config.peers[0].refusal.as_ref().map(|r| r.status), Some(486));
    }

    #[test]
    fn secrets_come_from_the_environment_or_a_file_and_stay_out_of_messages() {
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret.write_all(b"postgres://u:hunter2@db/siprec\n").unwrap();
        let by_file = format!("file:{}", secret.path().display());
        let loaded = with(&[], &[("metadata.connection", &by_file)]).unwrap();
        assert_eq!(loaded.config.metadata.connection.unwrap().reveal(), "postgres://u:hunter2@db/siprec");

        let environment = [("PW", "hunter2")];
        let loaded = with(&environment, &[("metadata.connection", "postgres://u:${PW}@db/siprec")]).unwrap();
        assert_eq!(loaded.config.metadata.connection.unwrap().reveal(), "postgres://u:hunter2@db/siprec");

        let shown = faults(with(&environment, &[("server.address", "${PW}"), ("media.port_range", "${NONE}")]));
        assert!(shown[0].contains("********") && !shown[0].contains("hunter2"), "{}", shown[0]);
        assert_eq!(shown[1], "--set media.port_range: media.port_range: the environment has no NONE");
    }

    #[test]
    fn other_variables_are_left_alone() {
        let environment = [("SIPREC_PORT", "tcp://10.0.0.1:5060"), ("SIPREC_SERVER_ADDRESS", ":1"), ("HOME", "/root")];
        let loaded = with(&environment, &[]).unwrap();
        assert_eq!(loaded.config, Config::default());
        assert_eq!(
            loaded.near_variables,
            ["environment SIPREC_SERVER_ADDRESS is not read: write SIPREC_SERVER__ADDRESS to set server.address"]
        );
    }

    #[test]
    fn a_section_without_keys_changes_nothing() {
        assert_eq!(with_file("server:\nmedia:\n  codecs:\n", &[], &[]).unwrap().config, Config::default());
    }

    #[test]
    fn a_file_that_is_no_yaml_names_the_line() {
        let found = faults(with_file("server:\n  address: \":5060\n", &[], &[]));
        assert!(found[0].contains(": not valid YAML: "), "{}", found[0]);
    }
}
