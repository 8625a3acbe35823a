//! The configuration's promises: the shipped sample equals the defaults, and the file of the product's guide is valid as it
//! stands.

use siprec::config::{Config, EXAMPLE, LogFormat, LogOutput, Severity, Sources, StorageKind, notices};
use std::collections::BTreeSet;
use std::path::Path;

fn load(text: &str) -> siprec::config::Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).expect("a file");
    Sources { file: Some(file), ..Sources::default() }.load().unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn the_shipped_sample_equals_the_defaults() {
    assert_eq!(load(EXAMPLE).config, Config::default());
}

/// Keys of a tree, dotted.
fn keys(prefix: &str, value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(section) => section.iter().for_each(|(name, value)| keys(&format!("{prefix}{name}."), value, found)),
        None => drop(found.insert(prefix.trim_end_matches('.').to_string())),
    }
}

#[test]
fn the_shipped_sample_names_every_key() {
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    keys("", &serde_saphyr::from_str(EXAMPLE).expect("YAML"), &mut shown);
    keys("", &serde_json::to_value(Config::default()).expect("a tree"), &mut known);
    assert_eq!(shown, known);
}

/// "Basic Configuration", "Advanced Options" and "Access Control" of the guide.
const GUIDE: &str = r#"
# config.yaml
server:
  address: ":5060"
  max_connections: 10000
  tls:
    enabled: true
    cert_file: "/etc/siprec/cert.pem"
    key_file: "/etc/siprec/key.pem"
media:
  port_range: "10000-20000"
  buffer_size: 160
  codecs:
    - G.711
    - G.729
    - opus
storage:
  type: "s3"
  retention_days: 90
  s3:
    bucket: "call-recordings"
    region: "us-east-1"
    encryption: true
metadata:
  type: "postgresql"
  connection: "postgres://user:pass@localhost/siprec"
logging:
  level: "info"
  format: "json"
  output: "/var/log/siprec/siprec.log"
cluster:
  enabled: false
# Role-based access control configuration
auth:
  provider: "oauth2"
  oauth2:
    issuer: "https://auth.company.com"
    audience: "siprec-api"
  roles:
    - name: "admin"
      permissions: ["read", "write", "delete", "manage"]
    - name: "supervisor"
      permissions: ["read", "write", "export"]
    - name: "agent"
      permissions: ["read"]
  ip_whitelist:
    - "10.0.0.0/8"
    - "192.168.0.0/16"
"#;

#[test]
fn the_guides_file_is_valid_and_means_what_it_says() {
    let config = load(GUIDE).config;
    assert_eq!((config.server.address.ip, config.server.address.port), (None, 5060));
    assert_eq!(config.server.max_connections, 10_000);
    assert_eq!(config.server.tls.cert_file.as_deref(), Some(Path::new("/etc/siprec/cert.pem")));
    assert_eq!((config.media.port_range.first, config.media.port_range.last), (10_000, 20_000));
    let encodings: Vec<&str> = config.media.codecs.iter().flat_map(siprec::config::Codec::encodings).collect();
    assert_eq!(encodings, ["PCMU", "PCMA", "G729", "opus"]);
    assert_eq!((config.storage.kind, config.storage.retention_days), (StorageKind::S3, 90));
    assert_eq!(config.storage.s3.bucket.as_deref(), Some("call-recordings"));
    assert_eq!(config.metadata.connection.expect("a connection").reveal(), "postgres://user:pass@localhost/siprec");
    assert_eq!(config.logging.format, LogFormat::Json);
    assert_eq!(config.logging.output, LogOutput::File("/var/log/siprec/siprec.log".into()));
    assert_eq!(config.auth.roles.iter().map(|role| role.permissions.len()).collect::<Vec<_>>(), [4, 3, 1]);
    assert!(config.auth.ip_whitelist[1].contains("192.168.7.7".parse().expect("an address")));
}

#[test]
fn what_the_guides_file_wants_and_this_version_lacks_is_said_one_line_each() {
    let loaded = load(GUIDE);
    let said: Vec<(Severity, String)> = notices(&loaded)
        .into_iter()
        .map(|notice| (notice.severity, notice.text.split(':').next().unwrap_or_default().to_string()))
        .collect();
    let wanted = [
        (Severity::Warning, "media.port_range"),
        // Of the guide's own silence: it names no peer.
        (Severity::Warning, "peers"),
    ];
    assert_eq!(said, wanted.map(|(severity, key)| (severity, key.to_string())));
    assert!(notices(&loaded).iter().all(|notice| !notice.text.contains('\n')));
}
