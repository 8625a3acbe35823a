//! From the operator's configuration to what the core decides by.

use siprec_core::media::Digits;
use siprec_core::render::Detail;
use siprec_core::sdp::AnswerPolicy;
use siprec_core::session::{self, DigestUsers, Guard, Health, Manner, Pattern, Policy, Rules, SessionTimers, Who};
use siprec_core::sip::digest::{Algorithm, Password, Realm, User};

use crate::archive::catalog::{Address, BadAddress};
use crate::config::{
    CatalogKind, Config, DigestAlgorithm, Dtmf, Network, Peer, Refusal, Scanners, ServerConfig, SessionTimersConfig,
    SheetDetail, SipAuthConfig, SipUser, Span, SrtpConfig, Strictness, Unknown,
};

/// This build, as it calls itself in SIP and in journals.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The address of the SRC that the server is itself, for sessions without SIP. It is nobody's (RFC 7600), and nothing is sent there.
pub const OWN_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 0, 8);

/// The core's policy under `config`, on a machine whose boot is called `boot`.
pub fn policy(config: &Config, boot: &str) -> Policy {
    let advertised = |port: u16| {
        config.server.advertised_address.map(|address| std::net::SocketAddr::new(address, port).to_string())
    };
    // By the name that the operator gave: G.711 prefers none of its two laws, so the offer's order stands.
    let codecs = config.media.codecs.iter().map(ToString::to_string).collect();
    Policy {
        product: format!("siprec/{VERSION}"),
        version: VERSION.to_owned(),
        boot: boot.to_owned(),
        journalled_config: journalled(config).into(),
        max_sessions: usize::try_from(config.server.max_connections).unwrap_or(usize::MAX),
        rtp_timeout: config.media.rtp_timeout.0,
        digits: digits(config.media.dtmf),
        answer: AnswerPolicy {
            codecs,
            codecs_strict: config.media.codecs_strict,
            accept_media: config.media.record.iter().map(|medium| medium.as_str().to_owned()).collect(),
            ..AnswerPolicy::default()
        },
        advertised_signalling: advertised(config.server.address.port),
        advertised_tls: advertised(config.server.tls.address.port),
        rules: rules(config),
        peers: std::iter::once(own()).chain(config.peers.iter().map(|row| peer(row, config))).collect(),
        guard: guard(&config.server),
        realm: realm(&config.auth.sip),
        health: Health { draining: config.server.options_when_draining, full: config.server.options_when_full },
        session_timers: session_timers(config.server.session_timers),
        probes: true,
        show_framed: false,
        adopt_foreign_tags: false,
    }
}

/// Where PostgreSQL is, if it is to have the catalog.
pub fn catalog_address(config: &Config) -> Result<Option<Address>, BadAddress> {
    match config.metadata.kind {
        CatalogKind::Sqlite => Ok(None),
        CatalogKind::Postgresql => {
            config.metadata.connection.as_ref().map_or("", |connection| connection.reveal()).parse().map(Some)
        }
    }
}

/// What of the configuration bears on what a session is: kept in its journal.
fn journalled(config: &Config) -> serde_json::Value {
    let codecs: Vec<String> = config.media.codecs.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "media.record": config.media.record,
        "media.codecs": codecs,
        "media.dtmf": config.media.dtmf,
        "media.codecs_strict": config.media.codecs_strict,
        "media.rtp_timeout_ms": u64::try_from(config.media.rtp_timeout.0.as_millis()).unwrap_or(u64::MAX),
    })
}

/// What holds for everybody.
fn rules(config: &Config) -> Rules {
    let server = &config.server;
    Rules {
        allow: true,
        require_tls: server.require_tls,
        require_srtp: config.media.require_srtp,
        sdes_over_clear: config.media.sdes_over_clear,
        srtp: config.media.srtp.policy(),
        digest: server.digest.then_some(DigestUsers::Any),
        strict_siprec: server.siprec == Strictness::Strict,
        strict_dialogs: server.strict_dialogs,
        legacy: false,
        refusal: refusal(&server.refusal),
        max_sessions: None,
        requests_per_second: limit(server.rate_limit.peer),
        tags: Vec::new(),
    }
}

/// What holds for the SRC that the server is itself: who may begin a session is the API's affair.
fn own() -> session::Peer {
    let who = Who { networks: vec![session::Network { address: OWN_ADDRESS.into(), prefix: 32 }], ..Who::default() };
    session::Peer { name: "api".to_owned(), who, rules: Rules::default() }
}

/// A row, with all that it leaves out.
fn peer(row: &Peer, config: &Config) -> session::Peer {
    let general = rules(config);
    let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
    let users = match row.digest_users.as_slice() {
        [] => DigestUsers::Any,
        named => DigestUsers::Named(named.to_vec()),
    };
    session::Peer {
        name: row.called(),
        who: Who {
            networks: networks(&row.address),
            certificate_names: patterns(&row.certificate_name),
            fingerprints: row.certificate_fingerprint.iter().map(|fingerprint| fingerprint.0).collect(),
            user_agents: patterns(&row.user_agent),
        },
        rules: Rules {
            allow: row.allow,
            require_tls: row.require_tls.unwrap_or(general.require_tls),
            require_srtp: row.require_srtp.unwrap_or(general.require_srtp),
            sdes_over_clear: row.sdes_over_clear.unwrap_or(general.sdes_over_clear),
            srtp: row.srtp.as_ref().map_or(general.srtp, SrtpConfig::policy),
            digest: row.digest.unwrap_or(general.digest.is_some()).then_some(users),
            strict_siprec: row.siprec.map_or(general.strict_siprec, |siprec| siprec == Strictness::Strict),
            strict_dialogs: row.strict_dialogs.unwrap_or(general.strict_dialogs),
            legacy: row.legacy,
            refusal: row.refusal.as_ref().map_or(general.refusal, refusal),
            max_sessions: row.max_sessions.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            requests_per_second: row.rate_limit.map_or(general.requests_per_second, limit),
            tags: row.tags.iter().map(ToString::to_string).collect(),
        },
    }
}

fn guard(server: &ServerConfig) -> Guard {
    Guard {
        allowed: networks(&server.allowed_peers),
        unknown: match server.unknown_peers {
            Unknown::Accept => Manner::Accept,
            Unknown::Refuse => Manner::Refuse,
            Unknown::Silent => Manner::Silent,
        },
        scanners: match server.scanners {
            Scanners::Refuse => Manner::Refuse,
            Scanners::Silent => Manner::Silent,
        },
        unknown_per_second: limit(server.rate_limit.unknown),
        unknown_together_per_second: limit(server.rate_limit.unknown_together),
    }
}

/// Where those are who are known by their address: nobody else's crowd may keep them out.
pub(crate) fn known_networks(config: &Config) -> Vec<session::Network> {
    let rows = config.peers.iter().filter(|row| row.allow).flat_map(|row| networks(&row.address));
    networks(&config.server.allowed_peers).into_iter().chain(rows).collect()
}

fn realm(sip: &SipAuthConfig) -> Realm {
    let algorithm = |algorithm: &DigestAlgorithm| match algorithm {
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Sha512256 => Algorithm::Sha512256,
        DigestAlgorithm::Md5 => Algorithm::Md5,
    };
    let user = |user: &SipUser| User { name: user.name.clone(), password: Password::new(user.password.reveal()) };
    Realm {
        name: sip.realm.clone(),
        algorithms: sip.algorithms.iter().map(algorithm).collect(),
        users: sip.users.iter().map(user).collect(),
        nonce_lifetime: sip.nonce_lifetime.0,
    }
}

fn networks(networks: &[Network]) -> Vec<session::Network> {
    networks.iter().map(|n| session::Network { address: n.address, prefix: n.prefix }).collect()
}

/// 0 is no limit.
fn limit(per_second: u32) -> Option<u32> {
    (per_second > 0).then_some(per_second)
}

fn refusal(refusal: &Refusal) -> session::Refusal {
    let seconds = refusal.retry_after.map(|after| u32::try_from(after.0.as_secs()).unwrap_or(u32::MAX));
    let contact = refusal.contact.as_ref().map(ToString::to_string);
    session::Refusal { status: refusal.status, retry_after_seconds: seconds, contact }
}

/// What sheets do not tell, in the core's words.
pub fn details(left_out: &[SheetDetail]) -> Vec<Detail> {
    let detail = |detail: &SheetDetail| match detail {
        SheetDetail::Names => Detail::Names,
        SheetDetail::Addresses => Detail::Addresses,
        SheetDetail::CallIds => Detail::CallIds,
        SheetDetail::Metadata => Detail::Metadata,
    };
    left_out.iter().map(detail).collect()
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
