//! From the operator's configuration to what the core decides by.

use siprec_core::media::Digits;
use siprec_core::sdp::AnswerPolicy;
use siprec_core::session::{self, Policy, SessionTimers};

use crate::config::{Config, Dtmf, Peer, Refusal, SessionTimersConfig, Span};

/// This build, as it calls itself in SIP and in journals.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The core's policy under `config`, on a machine whose boot is called `boot`.
pub fn policy(config: &Config, boot: &str) -> Policy {
    let codecs = config.media.codecs.iter().flat_map(|codec| codec.encodings()).map(str::to_owned).collect();
    Policy {
        product: format!("siprec/{VERSION}"),
        version: VERSION.to_owned(),
        boot: boot.to_owned(),
        journalled_config: journalled(config),
        max_sessions: usize::try_from(config.server.max_connections).unwrap_or(usize::MAX),
        rtp_timeout: config.media.rtp_timeout.0,
        digits: digits(config.media.dtmf),
        answer: AnswerPolicy { codecs, codecs_strict: config.media.codecs_strict, ..AnswerPolicy::default() },
        advertised_signalling: config
            .server
            .advertised_address
            .map(|address| std::net::SocketAddr::new(address, config.server.address.port).to_string()),
        refusal: refusal(config.server.refusal),
        peers: config.peers.iter().map(peer).collect(),
        session_timers: session_timers(config.server.session_timers),
        probes: true,
        show_framed: false,
        adopt_foreign_tags: false,
    }
}

/// What of the configuration bears on what a session is: kept in its journal.
fn journalled(config: &Config) -> serde_json::Value {
    let codecs: Vec<String> = config.media.codecs.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "media.codecs": codecs,
        "media.dtmf": config.media.dtmf,
        "media.codecs_strict": config.media.codecs_strict,
        "media.rtp_timeout_ms": u64::try_from(config.media.rtp_timeout.0.as_millis()).unwrap_or(u64::MAX),
    })
}

fn peer(peer: &Peer) -> session::Peer {
    session::Peer {
        network: peer.address.address,
        prefix: peer.address.prefix,
        refusal: peer.refusal.map(refusal),
        legacy: peer.legacy,
        strict_dialogs: peer.strict_dialogs,
    }
}

/// What of digits is kept, in the core's words.
pub fn digits(dtmf: Dtmf) -> Digits {
    match dtmf {
        Dtmf::Keep => Digits::Keep,
        Dtmf::Mask => Digits::Mask,
        Dtmf::Drop => Digits::Drop,
    }
}

fn session_timers(timers: SessionTimersConfig) -> SessionTimers {
    let seconds = |span: Span| u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX);
    SessionTimers { min_se: seconds(timers.min_se), interval: timers.interval.map(seconds) }
}

fn refusal(refusal: Refusal) -> session::Refusal {
    let seconds = refusal.retry_after.map(|after| u32::try_from(after.0.as_secs()).unwrap_or(u32::MAX));
    session::Refusal { status: refusal.status, retry_after_seconds: seconds }
}
