//! The configuration: what can be set, where it comes from, and what cannot be right.
//!
//! ```text
//! file, environment, flags -> Sources::load -> Loaded { config, origins } -> notices
//! ```

mod alarms;
mod api;
mod auth;
mod auth_rules;
mod dscp;
mod layers;
mod model;
pub(crate) mod nearest;
mod notices;
mod peers;
mod rules;
mod seal;
mod show;
mod srtp;
mod storage;
mod tls;
mod values;
mod tracing;
mod webhook;
mod yaml;

pub use alarms::AlarmsConfig;
pub use api::{ApiConfig, ApiTlsConfig, WebOrigin};
pub use auth::{
    ApiKey, AuthConfig, AuthProvider, CertificateRow, Expiry, KEY_PREFIX, KeyHash, OAuth2Config, Permission, Role,
    TokenAlgorithm,
};
#[cfg(any(feature = "api", feature = "tui"))]
pub(crate) use auth_rules::is_safe as is_safe_source;
pub use dscp::Dscp;
pub use layers::{Fault, Faults, Flag, Loaded, Origin, Sources};
pub use model::{
    ArchiveConfig, CatalogKind, ClusterConfig, Config, Dtmf, LogFormat, LogLevel, LoggingConfig, MediaConfig,
    MetadataConfig, RecordingConfig, ServerConfig, SessionTimersConfig, SheetDetail,
};
pub use notices::{Notice, Severity, notices};
pub use peers::{
    DigestAlgorithm, Peer, RateLimit, Refusal, Scanners, SipAuthConfig, SipUri, SipUser, Strictness, Unknown,
};
pub use seal::SealConfig;
pub use show::{digest, show_json, show_text};
pub use srtp::{MinimumBits, SrtpConfig, SrtpSuite};
pub use storage::{
    AzureConfig, FolderConfig, GcsConfig, KeepLocal, LockMode, RetentionRule, S3Config, StorageConfig, StorageKind,
    TargetConfig,
};
pub use tls::{ClientAuth, Pin, TlsConfig, TlsVersion};
pub use tracing::{HeaderConfig, TracingConfig};
pub use values::{ByteSize, Codec, Invalid, ListenAddress, LogOutput, Network, PortRange, Secret, Span};
pub use webhook::WebhookConfig;

/// The shipped sample: every key at its default, explained.
pub const EXAMPLE: &str = include_str!("../../siprec.example.yaml");
