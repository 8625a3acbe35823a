//! `storage`: where finished recordings are stored beside the data directory, under which keys, and how they are kept here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::values::{Invalid, Secret, Span, text_value};
use crate::archive::notes::Tag;
use crate::archive::storage::KeyTemplate;

/// `storage`: where finished recordings go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// The target.
    #[serde(rename = "type")]
    pub kind: StorageKind,
    /// What a recording's files are called in a target.
    pub key: KeyTemplate,
    /// How long audio stays in the data directory once all targets have it.
    pub keep_local: KeepLocal,
    /// Files, or parts of large ones, that are sent to a target at one time.
    pub uploads: u16,
    /// The folder of `type: local`; none: the data directory alone.
    pub local: FolderConfig,
    /// The bucket of `type: s3`.
    pub s3: S3Config,
    /// The container of `type: azure`.
    pub azure: AzureConfig,
    /// The bucket of `type: gcs`.
    pub gcs: GcsConfig,
    /// Further targets: every recording goes to each.
    pub targets: Vec<TargetConfig>,
    /// Days after its end when a recording is deleted, here and in all targets; 0: never.
    pub retention_days: u32,
    /// Rules for some: the first that fits a recording counts in place of `retention_days`.
    pub retention: Vec<RetentionRule>,
}

/// One of `storage.retention`: what all must be true of a recording, and how long it is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionRule {
    /// Days after its end; 0: for ever.
    pub days: Option<u32>,
    /// It has this tag.
    pub tag: Option<Tag>,
    /// Part of the address, name or number of anybody who took part.
    pub participant: Option<String>,
    /// The same of who called.
    pub caller: Option<String>,
    /// The same of who was called.
    pub callee: Option<String>,
    /// The label of a stream.
    pub label: Option<String>,
    /// Who made the SRC.
    pub vendor: Option<String>,
}

impl RetentionRule {
    fn fault(&self) -> Option<&'static str> {
        let Self { days, tag, participant, caller, callee, label, vendor } = self;
        let has_condition =
            tag.is_some() || [participant, caller, callee, label, vendor].into_iter().any(Option::is_some);
        match (days, has_condition) {
            (None, _) => Some("days: for how long? 0 is for ever"),
            (Some(_), false) => Some(
                "it fits every recording: say which (tag, participant, caller, callee, label, vendor), or set storage.retention_days",
            ),
            (Some(_), true) => None,
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            kind: StorageKind::Local,
            key: KeyTemplate::default(),
            keep_local: KeepLocal::For(Span(Duration::from_secs(7 * 86_400))),
            uploads: 4,
            local: FolderConfig::default(),
            s3: S3Config::default(),
            azure: AzureConfig::default(),
            gcs: GcsConfig::default(),
            targets: Vec::new(),
            retention_days: 90,
            retention: Vec::new(),
        }
    }
}

impl StorageConfig {
    /// All targets beside the data directory: `storage` itself, then `storage.targets`; each with a name.
    pub fn all_targets(&self) -> Vec<TargetConfig> {
        let itself =
            Some(self.itself()).filter(|itself| itself.kind != StorageKind::Local || self.local.path.is_some());
        let named = |row: TargetConfig| TargetConfig { name: Some(row.called()), ..row };
        itself.into_iter().chain(self.targets.iter().cloned()).map(named).collect()
    }

    /// `storage` as the row of a target.
    pub fn itself(&self) -> TargetConfig {
        TargetConfig {
            name: None,
            kind: self.kind,
            key: None,
            local: self.local.clone(),
            s3: self.s3.clone(),
            azure: self.azure.clone(),
            gcs: self.gcs.clone(),
        }
    }

    /// What cannot be right: the key, and what to do about it.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        let own = self.all_targets().len() - self.targets.len();
        for (index, target) in self.all_targets().iter().enumerate() {
            let at = if index < own { "storage".to_owned() } else { format!("storage.targets[{}]", index - own) };
            found.extend(target.lacking().map(|(key, what)| format!("{at}.{key}: {what}")));
            if !names.insert(target.called()) {
                found.push(format!(
                    "{at}.name: two targets are called \"{}\": give each a name of its own",
                    target.called()
                ));
            }
        }
        for (index, rule) in self.retention.iter().enumerate() {
            found.extend(rule.fault().map(|what| format!("storage.retention[{index}]: {what}")));
        }
        if self.uploads == 0 {
            found.push("storage.uploads: nothing would ever be stored: set it to 1 or more".to_owned());
        }
        found
    }
}

/// One of `storage.targets`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetConfig {
    /// Its name in receipts and in the log; none: its kind.
    pub name: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: StorageKind,
    /// `storage.key`, for this target.
    pub key: Option<KeyTemplate>,
    /// The folder of `type: local`.
    pub local: FolderConfig,
    /// The bucket of `type: s3`.
    pub s3: S3Config,
    /// The container of `type: azure`.
    pub azure: AzureConfig,
    /// The bucket of `type: gcs`.
    pub gcs: GcsConfig,
}

impl TargetConfig {
    /// Its name.
    pub fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.kind.as_str().to_owned())
    }

    /// Where it stores: kind, bucket or account or folder, and container.
    pub fn place(&self) -> (StorageKind, Option<&Path>, Option<&str>) {
        let (first, second) = match self.kind {
            StorageKind::Local => (self.local.path.as_deref(), None),
            StorageKind::S3 => (self.s3.bucket.as_ref().map(Path::new), None),
            StorageKind::Azure => (self.azure.account.as_ref().map(Path::new), self.azure.container.as_deref()),
            StorageKind::Gcs => (self.gcs.bucket.as_ref().map(Path::new), None),
        };
        (self.kind, first, second)
    }

    /// A key that must be there and is not, and what to do.
    fn lacking(&self) -> Option<(&'static str, &'static str)> {
        let missing = |is_missing: bool, key, what| is_missing.then_some((key, what));
        match self.kind {
            StorageKind::Local => {
                missing(self.local.path.is_none(), "local.path", "which folder? Name one on another disk or a share")
            }
            StorageKind::S3 => missing(self.s3.bucket.is_none(), "s3.bucket", "which bucket? It must exist already")
                .or_else(|| {
                    let without = self.s3.region.is_none() && self.s3.endpoint.is_none();
                    missing(without, "s3.region", "which region? For a server of your own, set s3.endpoint")
                })
                .or_else(|| {
                    let half = self.s3.access_key.is_some() != self.s3.secret_key.is_some();
                    missing(half, "s3.access_key", "is of use only with s3.secret_key: set both or neither")
                })
                .or_else(|| {
                    let unlocked = self.s3.lock_mode.is_none() && self.s3.lock_days > 0;
                    missing(
                        unlocked,
                        "s3.lock_mode",
                        "is not set: set it to governance or compliance, or lock_days to 0",
                    )
                })
                .or_else(|| {
                    let forever = self.s3.lock_mode.is_some() && self.s3.lock_days == 0;
                    missing(forever, "s3.lock_days", "for how many days are recordings locked?")
                }),
            StorageKind::Azure => missing(self.azure.account.is_none(), "azure.account", "which storage account?")
                .or_else(|| missing(self.azure.container.is_none(), "azure.container", "which container?")),
            StorageKind::Gcs => missing(self.gcs.bucket.is_none(), "gcs.bucket", "which bucket?"),
        }
    }
}

/// Kinds of storage target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A folder; without one the data directory alone.
    #[default]
    Local,
    /// An S3 bucket.
    S3,
    /// An Azure container.
    Azure,
    /// A Google Cloud Storage bucket.
    Gcs,
}

impl StorageKind {
    /// As the configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Gcs => "gcs",
        }
    }
}

/// `local` of a target: a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FolderConfig {
    /// Where; on another disk, or a share that is mounted.
    pub path: Option<PathBuf>,
}

/// `s3` of a target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// The bucket's name.
    pub bucket: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// A server other than Amazon's, as a URL.
    pub endpoint: Option<String>,
    /// The bucket stands in the path, not in the host name.
    pub path_style: bool,
    /// Whether the bucket encrypts what it stores.
    pub encryption: bool,
    /// With which key of AWS KMS; none: the bucket's own.
    pub kms_key: Option<String>,
    /// `STANDARD_IA`, `GLACIER_IR` ...; none: the bucket's default.
    pub storage_class: Option<String>,
    /// How objects are locked against deletion.
    pub lock_mode: Option<LockMode>,
    /// For how many days.
    pub lock_days: u32,
    /// Credentials; none: the usual AWS variables, files and the machine's role.
    pub access_key: Option<Secret>,
    /// Their secret half.
    pub secret_key: Option<Secret>,
    /// The token of temporary ones.
    pub session_token: Option<Secret>,
    /// The section of the AWS credentials file.
    pub profile: Option<String>,
}

/// Object lock of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Who has the right to may unlock.
    Governance,
    /// Nobody may.
    Compliance,
}

/// `azure` of a target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AzureConfig {
    /// The storage account.
    pub account: Option<String>,
    /// The container's name.
    pub container: Option<String>,
    /// A server other than Azure's, as a URL that ends with the account.
    pub endpoint: Option<String>,
    /// The account's key; none, and no SAS: the machine's identity.
    pub access_key: Option<Secret>,
    /// A shared access signature, as `sv=…&sig=…`.
    pub sas: Option<Secret>,
}

/// `gcs` of a target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GcsConfig {
    /// The bucket's name.
    pub bucket: Option<String>,
    /// A server other than Google's, as a URL.
    pub endpoint: Option<String>,
    /// The JSON of a service account; none: the application default credentials.
    pub service_account: Option<Secret>,
}

/// `forever`, or a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepLocal {
    /// Local audio is never released.
    Forever,
    /// It is released after so long.
    For(Span),
}

impl FromStr for KeepLocal {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "forever" { Ok(Self::Forever) } else { text.parse().map(Self::For) }
    }
}

impl fmt::Display for KeepLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::For(span) => span.fmt(f),
        }
    }
}

text_value!(KeyTemplate, "a key, as \"{yyyy}/{mm}/{dd}/{id}\"");
text_value!(KeepLocal, "a length of time, as \"7d\", or \"forever\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_a_name_is_called_by_its_kind_and_two_of_a_name_are_a_fault() {
        let bucket = |name: &str| S3Config {
            bucket: Some(name.to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..S3Config::default()
        };
        let further = TargetConfig { kind: StorageKind::S3, s3: bucket("b"), ..TargetConfig::default() };
        let mut config = StorageConfig {
            kind: StorageKind::S3,
            s3: bucket("a"),
            targets: vec![further],
            ..StorageConfig::default()
        };
        assert_eq!(
            config.faults(),
            ["storage.targets[0].name: two targets are called \"s3\": give each a name of its own"]
        );
        config.targets[0].name = Some("far".to_owned());
        assert!(config.faults().is_empty());
        let names: Vec<String> = config.all_targets().iter().map(TargetConfig::called).collect();
        assert_eq!(names, ["s3", "far"]);
        config.targets[0].s3.lock_days = 3;
        assert!(config.faults()[0].starts_with("storage.targets[0].s3.lock_mode: is not set"));
    }

    #[test]
    fn what_a_kind_needs_is_asked_for() {
        for (kind, asked) in [
            (StorageKind::S3, "storage.s3.bucket: which bucket?"),
            (StorageKind::Azure, "storage.azure.account: which storage account?"),
            (StorageKind::Gcs, "storage.gcs.bucket: which bucket?"),
        ] {
            let faults = StorageConfig { kind, ..StorageConfig::default() }.faults();
            assert!(faults.len() == 1 && faults[0].starts_with(asked), "{faults:?}");
        }
        assert!(StorageConfig::default().faults().is_empty());
        assert!(StorageConfig::default().all_targets().is_empty());
    }

    #[test]
    fn local_audio_is_kept_for_a_time_or_for_ever() {
        for text in ["forever", "7d", "0s"] {
            assert_eq!(text.parse::<KeepLocal>().map(|kept| kept.to_string()), Ok(text.to_owned()));
        }
        assert!("always".parse::<KeepLocal>().is_err());
    }
}
