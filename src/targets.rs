//! From the operator's configuration to storage targets.

use std::sync::Arc;

use anyhow::Context as _;

use crate::archive::outbox::{Named, Settings};
use crate::archive::storage::{FolderTarget, Target};
use crate::config::{Config, KeepLocal, StorageKind, TargetConfig};

/// What the outbox works by; none where there is no target beside the data directory.
///
/// # Errors
/// A target that cannot be: the key, and what is wrong with it. No target is asked for anything.
pub fn outbox(config: &Config) -> anyhow::Result<Option<Settings>> {
    let storage = &config.storage;
    let targets = targets(config)?;
    if targets.is_empty() {
        return Ok(None);
    }
    let keep_local = match storage.keep_local {
        KeepLocal::Forever => None,
        KeepLocal::For(span) => Some(span.0),
    };
    let uploads = usize::from(storage.uploads);
    Ok(Some(Settings { targets, keep_local, uploads, min_free: config.archive.min_free.0 }))
}

/// All targets beside the data directory.
///
/// # Errors
/// As [`outbox`].
pub fn targets(config: &Config) -> anyhow::Result<Vec<Arc<Named>>> {
    let named = |row: &TargetConfig| {
        let name = row.called();
        let target = target(row).with_context(|| format!("storage target \"{name}\""))?;
        let key = row.key.clone().unwrap_or_else(|| config.storage.key.clone());
        Ok(Arc::new(Named { name, key, target }))
    };
    config.storage.all_targets().iter().map(named).collect()
}

/// What `s3://bucket/prefix`, `az://account/container/prefix` or `gs://bucket/prefix` names, with the settings of the target
/// that has this bucket in the configuration, or else those of `storage`; and the prefix. None of what is no such URL.
///
/// # Errors
/// A URL without its bucket, or settings that cannot be.
pub fn of_url(config: &Config, url: &str) -> anyhow::Result<Option<(Box<dyn Target>, String)>> {
    let Some((scheme, rest)) = url.split_once("://") else { return Ok(None) };
    let kind = match scheme {
        "s3" => StorageKind::S3,
        "az" => StorageKind::Azure,
        "gs" => StorageKind::Gcs,
        _ => anyhow::bail!("{scheme}:// is nowhere to export to: there are s3://, az:// and gs://, folders, and -"),
    };
    let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
    anyhow::ensure!(!first.is_empty(), "{url}: it names no bucket");
    let (second, prefix) = match kind {
        StorageKind::Azure => rest.split_once('/').unwrap_or((rest, "")),
        StorageKind::Local | StorageKind::S3 | StorageKind::Gcs => ("", rest),
    };
    anyhow::ensure!(kind != StorageKind::Azure || !second.is_empty(), "{url}: az://ACCOUNT/CONTAINER/...");
    let mut itself = config.storage.itself();
    itself.kind = kind;
    itself.s3.bucket = Some(first.to_owned());
    itself.gcs.bucket = Some(first.to_owned());
    itself.azure.account = Some(first.to_owned());
    itself.azure.container = Some(second.to_owned());
    let rows = config.storage.all_targets();
    let known = rows.iter().find(|row| row.place() == itself.place());
    let target = target(known.unwrap_or(&itself)).with_context(|| url.to_owned())?;
    Ok(Some((target, prefix.trim_matches('/').to_owned())))
}

fn target(row: &TargetConfig) -> anyhow::Result<Box<dyn Target>> {
    match row.kind {
        StorageKind::Local => {
            let path = row.local.path.clone().context("local.path: which folder?")?;
            Ok(Box::new(FolderTarget::new(path)))
        }
        StorageKind::S3 | StorageKind::Azure | StorageKind::Gcs => cloud(row),
    }
}

#[cfg(not(feature = "cloud"))]
fn cloud(row: &TargetConfig) -> anyhow::Result<Box<dyn Target>> {
    anyhow::bail!("{}: this siprec was built without the feature `cloud`", row.kind.as_str())
}

#[cfg(feature = "cloud")]
fn cloud(row: &TargetConfig) -> anyhow::Result<Box<dyn Target>> {
    use crate::archive::storage::{AzureSettings, CloudTarget, GcsSettings, S3Target};

    // Who was first wins: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match row.kind {
        StorageKind::Azure => Ok(Box::new(CloudTarget::azure(&AzureSettings {
            account: row.azure.account.clone().unwrap_or_default(),
            container: row.azure.container.clone().unwrap_or_default(),
            endpoint: row.azure.endpoint.clone(),
            access_key: row.azure.access_key.as_ref().map(secret),
            sas: row.azure.sas.as_ref().map(secret),
        })?)),
        StorageKind::Gcs => Ok(Box::new(CloudTarget::gcs(&GcsSettings {
            bucket: row.gcs.bucket.clone().unwrap_or_default(),
            endpoint: row.gcs.endpoint.clone(),
            service_account: row.gcs.service_account.as_ref().map(secret),
        })?)),
        StorageKind::Local | StorageKind::S3 => Ok(Box::new(S3Target::new(s3(row)))),
    }
}

#[cfg(feature = "cloud")]
fn secret(value: &crate::config::Secret) -> zeroize::Zeroizing<String> {
    zeroize::Zeroizing::new(value.reveal().to_owned())
}

#[cfg(feature = "cloud")]
fn s3(row: &TargetConfig) -> crate::archive::storage::S3Settings {
    use crate::config::LockMode;

    let s3 = &row.s3;
    let mut headers = Vec::new();
    match &s3.kms_key {
        Some(key) => headers.extend([
            ("x-amz-server-side-encryption", "aws:kms".to_owned()),
            ("x-amz-server-side-encryption-aws-kms-key-id", key.clone()),
        ]),
        None if s3.encryption => headers.push(("x-amz-server-side-encryption", "AES256".to_owned())),
        None => {}
    }
    headers.extend(s3.storage_class.iter().map(|class| ("x-amz-storage-class", class.clone())));
    let mode = s3.lock_mode.map(|mode| match mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    });
    headers.extend(mode.map(|mode| ("x-amz-object-lock-mode", mode.to_owned())));
    let pair = s3.access_key.as_ref().zip(s3.secret_key.as_ref());
    let credentials =
        pair.map(|(id, key)| (id.reveal().to_owned(), secret(key), s3.session_token.as_ref().map(secret)));
    crate::archive::storage::S3Settings {
        bucket: s3.bucket.clone().unwrap_or_default(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        path_style: s3.path_style,
        headers,
        lock_days: s3.lock_days,
        credentials,
        profile: s3.profile.clone(),
    }
}
