//! The configuration as types. Each default is stated once, in a `Default` here; `siprec.example.yaml` shows them all.

use serde::{Deserialize, Serialize};
use siprec_core::render::{FileFormat, Layout, Rendition};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::archive::recompress::Compression;

use super::alarms::AlarmsConfig;
use super::api::ApiConfig;
use super::auth::AuthConfig;
use super::dscp::Dscp;
use super::peers::{Peer, RateLimit, Refusal, Scanners, Strictness, Unknown};
use super::seal::SealConfig;
use super::srtp::SrtpConfig;
use super::storage::StorageConfig;
use super::tls::TlsConfig;
use super::tracing::TracingConfig;
use super::values::{ByteSize, Codec, ListenAddress, LogOutput, Network, PortRange, Secret, Span};
use super::webhook::WebhookConfig;

/// All of siprec's configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// SIP.
    pub server: ServerConfig,
    /// RTP and SDP.
    pub media: MediaConfig,
    /// Where finished recordings go.
    pub storage: StorageConfig,
    /// The catalog.
    pub metadata: MetadataConfig,
    /// The data directory.
    pub archive: ArchiveConfig,
    /// Making recordings from journals.
    pub recording: RecordingConfig,
    /// The log.
    pub logging: LoggingConfig,
    /// REST and WebSocket.
    pub api: ApiConfig,
    /// Whom the server tells of what happens.
    pub webhooks: Vec<WebhookConfig>,
    /// Traces of recording sessions.
    pub tracing: TracingConfig,
    /// From when on what is watched of the server is an alarm.
    pub alarms: AlarmsConfig,
    /// Several machines as one.
    pub cluster: ClusterConfig,
    /// Who may use the API.
    pub auth: AuthConfig,
    /// What differs from one SRC to another; the first that matches counts.
    pub peers: Vec<Peer>,
}

/// `server`: SIP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where SIP is received, on UDP and TCP.
    pub address: ListenAddress,
    /// What Contact names; none: the address the SRC reached.
    pub advertised_address: Option<IpAddr>,
    /// The mark of the SIP that we send.
    pub dscp: Dscp,
    /// Recording sessions at one time.
    pub max_connections: u32,
    /// What is answered over capacity.
    pub refusal: Refusal,
    /// Addresses that may send SIP beside those of `peers`.
    pub allowed_peers: Vec<Network>,
    /// What becomes of all others.
    pub unknown_peers: Unknown,
    /// What becomes of tools that look for what they can break into.
    pub scanners: Scanners,
    /// How many new requests a sender may make.
    pub rate_limit: RateLimit,
    /// An INVITE must carry credentials of one of `auth.sip.users`.
    pub digest: bool,
    /// How exactly an INVITE must be what RFC 7866 says.
    pub siprec: Strictness,
    /// A timer, a missing ACK or a 481 ends a call although its audio flows.
    pub strict_dialogs: bool,
    /// What OPTIONS is answered while the server drains.
    #[serde(deserialize_with = "health_status")]
    pub options_when_draining: u16,
    /// What OPTIONS is answered while the server or its disk is full.
    #[serde(deserialize_with = "health_status")]
    pub options_when_full: u16,
    /// Session timers (RFC 4028).
    pub session_timers: SessionTimersConfig,
    /// SIP over TLS.
    pub tls: TlsConfig,
    /// Whether requests over UDP and TCP are refused.
    pub require_tls: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            address: ListenAddress { ip: None, port: 5060 },
            advertised_address: None,
            dscp: Dscp::default(),
            max_connections: 10_000,
            refusal: Refusal::default(),
            allowed_peers: Vec::new(),
            unknown_peers: Unknown::Accept,
            scanners: Scanners::Silent,
            rate_limit: RateLimit::default(),
            digest: false,
            siprec: Strictness::Lenient,
            strict_dialogs: false,
            options_when_draining: 503,
            options_when_full: 200,
            session_timers: SessionTimersConfig::default(),
            tls: TlsConfig::default(),
            require_tls: false,
        }
    }
}

/// `server.session_timers`: by when a session is over unless it is refreshed (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionTimersConfig {
    /// Shorter intervals are refused with 422; 90 s at least.
    #[serde(deserialize_with = "session_interval")]
    pub min_se: Span,
    /// Asked of SRCs that support session timers and name no interval; none: nothing is asked.
    #[serde(deserialize_with = "optional_session_interval")]
    pub interval: Option<Span>,
}

impl Default for SessionTimersConfig {
    fn default() -> Self {
        Self { min_se: Span(Duration::from_secs(90)), interval: None }
    }
}

/// `media`: RTP and SDP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// The ports RTP and RTCP are received on.
    pub port_range: PortRange,
    /// What `c=` names; none: the address the SRC reached.
    pub advertised_address: Option<IpAddr>,
    /// What is recorded of an offer; other m-lines are answered with port 0.
    pub record: Vec<Medium>,
    /// The answer's order of preference among what is offered.
    pub codecs: Vec<Codec>,
    /// Whether codecs that are not listed are refused; otherwise they come last.
    pub codecs_strict: bool,
    /// How long a stream may be silent before it is alarmed and its SRC probed.
    pub rtp_timeout: Span,
    /// Media under SRTP only.
    pub require_srtp: bool,
    /// SRTP keys in SDP are taken from signalling without TLS, where anybody can read them.
    pub sdes_over_clear: bool,
    /// Which keys of SRTP are taken, and which of them first.
    pub srtp: SrtpConfig,
    /// Packets a stream may be out of order by, as the product's guide counts them.
    pub buffer_size: u32,
    /// Threads that receive media; 0: one a core.
    pub workers: u16,
    /// The mark of the RTCP that we send.
    pub dscp: Dscp,
    /// What is kept of digits that come as telephone events or by INFO.
    pub dtmf: Dtmf,
}

/// Kinds of m-lines that can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// Rendered, where there is a decoder.
    Audio,
    /// Real-time text (RFC 4103): line by line in the sheet.
    Text,
    /// Kept as it comes, for `siprec export --as pcap`.
    Video,
}

impl Medium {
    /// As an m-line names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Video => "video",
        }
    }
}

/// What is kept of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtmf {
    /// All of it.
    Keep,
    /// When keys were pressed, not which.
    Mask,
    /// Nothing but the headers of the packets.
    Drop,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            port_range: PortRange { first: 10_000, last: 20_000 },
            advertised_address: None,
            record: vec![Medium::Audio, Medium::Text],
            codecs: ["G.711", "L16", "G.722", "opus", "G.729", "GSM", "iLBC"]
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            codecs_strict: false,
            rtp_timeout: Span(Duration::from_secs(30)),
            require_srtp: false,
            sdes_over_clear: false,
            srtp: SrtpConfig::default(),
            buffer_size: 160,
            workers: 0,
            dscp: Dscp::default(),
            dtmf: Dtmf::Keep,
        }
    }
}

/// `metadata`: the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetadataConfig {
    /// The catalog's database.
    #[serde(rename = "type")]
    pub kind: CatalogKind,
    /// How to reach it, for `type: postgresql`.
    pub connection: Option<Secret>,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        Self { kind: CatalogKind::Sqlite, connection: None }
    }
}

/// Kinds of catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogKind {
    /// Embedded, in the data directory.
    Sqlite,
    /// A server's, shared.
    Postgresql,
}

/// `archive`: the data directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Where journals, recordings and the catalog lie.
    pub data_dir: PathBuf,
    /// New sessions are refused when less room than this is left on the disk.
    pub min_free: ByteSize,
    /// How long a journal is kept after its recordings are stored.
    pub keep_journal: Span,
    /// How long after its end a recording's WAV files are replaced by smaller ones; none: never.
    #[serde(deserialize_with = "optional_age")]
    pub recompress_after: Option<Span>,
    /// What they become.
    pub recompress_to: Compression,
    /// The zone of dates made for people; paths and sheets are in UTC.
    pub time_zone: String,
    /// What of a call stands in no proof sheet and in no row of the catalog.
    pub leave_out: Vec<SheetDetail>,
    /// Encryption at rest.
    pub seal: SealConfig,
}

/// What can be left out of proof sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SheetDetail {
    /// Display names.
    Names,
    /// Addresses of record, and ids that may be numbers.
    Addresses,
    /// What vendors call the call.
    CallIds,
    /// The metadata as received.
    Metadata,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            data_dir: "./siprec-data".into(),
            min_free: ByteSize(1 << 30),
            keep_journal: Span(Duration::from_secs(7 * 86_400)),
            recompress_after: None,
            recompress_to: Compression::Flac,
            time_zone: "UTC".into(),
            leave_out: Vec::new(),
            seal: SealConfig::default(),
        }
    }
}

/// `recording`: making recordings from journals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingConfig {
    /// How voices are laid out in files.
    pub layout: Layout,
    /// In what form files are written.
    pub format: FileFormat,
    /// Recordings rendered at one time.
    pub render_workers: u16,
}

impl RecordingConfig {
    /// Layout and format.
    pub fn rendition(&self) -> Rendition {
        Rendition { layout: self.layout, format: self.format }
    }
}

impl Default for RecordingConfig {
    fn default() -> Self {
        Self { layout: Layout::Stereo, format: FileFormat::Wav, render_workers: 1 }
    }
}

/// `logging`: the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// The least that is written.
    pub level: LogLevel,
    /// Text for people, JSON for machines.
    pub format: LogFormat,
    /// `stderr`, `stdout` or a file.
    pub output: LogOutput,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text, output: LogOutput::Stderr }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what may go wrong.
    #[serde(alias = "warning")]
    Warn,
    /// And what an operator would tell a colleague.
    Info,
    /// And what an engineer wants to know.
    Debug,
    /// And every packet.
    Trace,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `cluster`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// Whether this machine is one of several.
    pub enabled: bool,
}

fn session_interval<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span.0 >= Duration::from_secs(90) {
        Ok(span)
    } else {
        Err(serde::de::Error::custom(format!("{span} is too short: RFC 4028 allows no less than 90s")))
    }
}

fn optional_session_interval<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    #[derive(Deserialize)]
    struct Interval(#[serde(deserialize_with = "session_interval")] Span);
    Ok(Option::<Interval>::deserialize(deserializer)?.map(|Interval(span)| span))
}

/// A length of time; `never` is as good as nothing.
pub(super) fn optional_age<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Age {
        Never(Never),
        After(Span),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Never {
        Never,
    }
    match Option::<Age>::deserialize(deserializer)? {
        Some(Age::After(span)) => Ok(Some(span)),
        Some(Age::Never(Never::Never)) | None => Ok(None),
    }
}

fn health_status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if status == 200 || (400..700).contains(&status) {
        Ok(status)
    } else {
        Err(serde::de::Error::custom(format!(
            "{status} tells an SBC nothing: write 200 for \"in service\", 503 for \"not\""
        )))
    }
}
