//! The configuration: what can be set, where it comes from, and what cannot be right.
//!
//! ```text
//! file, environment, flags -> Sources::load -> Loaded { config, origins } -> notices
//! ```

mod dscp;
mod layers;
mod model;
mod nearest;
mod notices;
mod peers;
mod rules;
mod show;
mod srtp;
mod tls;
mod values;
mod yaml;

pub use dscp::Dscp;
pub use layers::{Fault, Faults, Flag, Loaded, Origin, Sources};
pub use model::{
    ArchiveConfig, AuthConfig, AuthProvider, CatalogKind, ClusterConfig, Config, Dtmf, LogFormat, LogLevel,
    LoggingConfig, MediaConfig, MetadataConfig, OAuth2Config, Permission, RecordingConfig, Role, S3Config,
    ServerConfig, SessionTimersConfig, SheetDetail, StorageConfig, StorageKind,
};
pub use notices::{Notice, Severity, notices};
pub use peers::{
    DigestAlgorithm, Peer, RateLimit, Refusal, Scanners, SipAuthConfig, SipUri, SipUser, Strictness, Unknown,
};
pub use show::{show_json, show_text};
pub use srtp::{MinimumBits, SrtpConfig, SrtpSuite};
pub use tls::{ClientAuth, Pin, TlsConfig, TlsVersion};
pub use values::{ByteSize, Codec, Invalid, ListenAddress, LogOutput, Network, PortRange, Secret, Span};

/// The shipped sample: every key at its default, explained.
pub const EXAMPLE: &str = include_str!("../../siprec.example.yaml");
