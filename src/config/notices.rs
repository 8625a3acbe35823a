//! What an operator is told about a configuration that can be read: what this version does not do yet, and what
//! cannot add up. An error where going on in silence would betray the operator, else a warning; each names a remedy.

use std::fmt;

use siprec_core::render::FileFormat;

use crate::archive::catalog::Address;
use crate::archive::recompress::Compression;

use super::layers::Loaded;
use super::model::{CatalogKind, Config, Dtmf};
use super::peers::{Peer, Unknown};
use super::rules;
use super::tls::ClientAuth;
use super::values::PortRange;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// siprec runs, but not as written.
    Warning,
    /// siprec does not start so.
    Error,
}

/// One line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is.
    pub severity: Severity,
    /// The key it is about, its value, what that means and what to do.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Severity::Warning => write!(f, "warning: {}", self.text),
            Severity::Error => write!(f, "error: {}", self.text),
        }
    }
}

/// All that is to be said about `loaded`, errors first.
pub fn notices(loaded: &Loaded) -> Vec<Notice> {
    let config = &loaded.config;
    let mut found: Vec<Notice> = not_available_errors(config);
    found.extend(catalog_error(config));
    found.extend(config.tracing_faults().iter().map(|fault| error(fault)));
    found.extend(config.webhook_faults().iter().map(|fault| error(fault)));
    found.extend(config.storage.faults().iter().map(|fault| error(fault)));
    found.extend(tls_errors(config).into_iter().map(error));
    found.extend(tls_warnings(config).into_iter().map(|text| warning(text.into())));
    found.extend(loaded.near_variables.iter().cloned().map(warning));
    let mut contradictions = rules::contradictions(config);
    contradictions.sort_by_key(|notice| notice.severity == Severity::Warning);
    found.extend(contradictions);
    found.extend(not_available_warnings(loaded));
    found.extend(recompression(config));
    found.extend(sums(config));
    found.extend(nobody_named(config));
    found
}

pub(super) fn warning(text: String) -> Notice {
    Notice { severity: Severity::Warning, text }
}

pub(super) fn error(text: &str) -> Notice {
    Notice { severity: Severity::Error, text: text.into() }
}

/// What an operator relies on, and what is not there.
fn not_available_errors(config: &Config) -> Vec<Notice> {
    let mut found = Vec::new();
    if config.cluster.enabled {
        found.push(error(
            "cluster.enabled: clustering is not available in this version: set it to false, and share calls among \
             servers at the SBC",
        ));
    }
    found
}

/// What siprec can run without, as long as it says so.
fn not_available_warnings(loaded: &Loaded) -> Vec<Notice> {
    let config = &loaded.config;
    let mut found = Vec::new();
    let mut say = |condition: bool, text: String| {
        if condition {
            found.push(warning(text));
        }
    };
    say(
        config.media.buffer_size != 160,
        "media.buffer_size: has no effect: each packet is written as it comes, and put in order when a recording is made; \
         leave it out"
            .into(),
    );
    let dtmf = if config.media.dtmf == Dtmf::Mask { "mask" } else { "drop" };
    say(
        config.media.dtmf != Dtmf::Keep,
        format!(
            "media.dtmf: {dtmf}: tones of keys in the audio are muted in recordings, where they are found; journals and live \
             listening have the audio as it came: archive.keep_journal says for how long journals are there"
        ),
    );
    say(config.archive.time_zone != "UTC", "archive.time_zone: dates are in UTC in this version; leave it out".into());
    found
}

/// A catalog that could never be reached.
fn catalog_error(config: &Config) -> Option<Notice> {
    let connection = config.metadata.connection.as_ref().map_or("", |connection| connection.reveal());
    let is_shared = config.metadata.kind == CatalogKind::Postgresql;
    let why = connection.parse::<Address>().err().filter(|_| is_shared)?;
    Some(error(&format!("metadata.connection: {why}")))
}

/// What of TLS would lock everybody out, or lacks a file.
fn tls_errors(config: &Config) -> Vec<&'static str> {
    let tls = config.tls();
    let mut found = Vec::new();
    let mut say = |condition: bool, text: &'static str| {
        if condition {
            found.push(text);
        }
    };
    say(
        config.server.require_tls && !tls.enabled,
        "server.require_tls: nobody can connect while server.tls.enabled is false: set it to true",
    );
    say(
        !tls.enabled && config.peers.iter().any(|peer| peer.require_tls == Some(true)),
        "peers: require_tls shuts a peer out while server.tls.enabled is false: set it to true",
    );
    if !tls.enabled {
        return found;
    }
    say(tls.cert_file.is_none(), "server.tls.cert_file: TLS needs a certificate: name the PEM file with its chain");
    say(tls.key_file.is_none(), "server.tls.key_file: TLS needs the certificate's private key: name its PEM file");
    say(
        tls.client_auth != ClientAuth::None && tls.client_ca_file.is_none() && tls.pins.is_empty(),
        "server.tls.client_auth: no client certificate could be accepted: set server.tls.client_ca_file (who issues them) \
         or server.tls.pins (their fingerprints)",
    );
    say(
        config.server.address.port != 0 && tls.address.port == config.server.address.port,
        "server.tls.address: server.address listens on the same port: give TLS one of its own, as \":5061\"",
    );
    found
}

fn tls_warnings(config: &Config) -> Vec<&'static str> {
    let tls = &config.server.tls;
    let restricts = !tls.allowed_names.is_empty() || !tls.pins.is_empty();
    let wildcard = tls.allowed_names.iter().any(|name| name.contains('*'));
    let mut found = Vec::new();
    if tls.enabled && restricts && tls.client_auth == ClientAuth::None {
        found.push(
            "server.tls.client_auth: none asks nobody for a certificate, so allowed_names and pins keep nobody out: set \
             it to required",
        );
    }
    let by_certificate = |peer: &Peer| !peer.certificate_name.is_empty() || !peer.certificate_fingerprint.is_empty();
    if (!tls.enabled || tls.client_auth == ClientAuth::None) && config.peers.iter().any(by_certificate) {
        found.push(
            "peers: a row that knows its peer by a certificate fits nobody: set server.tls.enabled: true and \
             server.tls.client_auth: required, or optional",
        );
    }
    if wildcard {
        found.push("server.tls.allowed_names: a wildcard matches nothing (RFC 5922 7.2): write whole names");
    }
    found
}

/// What comes of `archive.recompress_after`.
fn recompression(config: &Config) -> Option<Notice> {
    let after = config.archive.recompress_after?;
    let format = match config.recording.format {
        FileFormat::Wav | FileFormat::WavG711 if config.archive.recompress_to == Compression::Opus => {
            return Some(warning(format!(
                "archive.recompress_to: opus is lossy: {after} after its end the samples of a recording are gone, and its proof \
                 sheet says so; set it to flac to keep them"
            )));
        }
        FileFormat::Wav | FileFormat::WavG711 => return None,
        FileFormat::Flac => "flac",
        FileFormat::Opus => "opus",
    };
    Some(warning(format!(
        "archive.recompress_after: with recording.format: {format} there is nothing to do, but for recordings that were made as \
         WAV: leave it out once those are done"
    )))
}

/// What cannot add up.
fn sums(config: &Config) -> Vec<Notice> {
    let range = config.media.port_range;
    let (carried, wanted) = (range.two_leg_sessions(), config.server.max_connections);
    if carried >= wanted {
        return Vec::new();
    }
    let last = PortRange::last_port_for(range.first, wanted);
    let remedy = if last <= u32::from(u16::MAX) {
        format!("set media.port_range: \"{}-{last}\" or server.max_connections: {carried}", range.first)
    } else {
        format!("set server.max_connections: {carried}, or share the calls among several servers")
    };
    vec![warning(format!(
        "media.port_range: {range} carries {carried} sessions of two legs, less than server.max_connections: {wanted}; {remedy}"
    ))]
}

/// While no SBC is known from anybody else, what strangers send counts against all.
fn nobody_named(config: &Config) -> Option<Notice> {
    let server = &config.server;
    let is_reachable = server.address.ip.is_none_or(|ip| !ip.is_loopback());
    let is_open =
        server.unknown_peers == Unknown::Accept && !config.peers.iter().any(|peer| peer.allow && peer.is_proven());
    (is_reachable && is_open).then(|| {
        let limit = match server.rate_limit.unknown_together {
            0 => String::new(),
            limit => format!(", and all senders share {limit} new requests a second"),
        };
        warning(format!(
            "peers: names nobody: whoever reaches {} can have a recording made{limit}; name your SBCs, as \
             peers: [{{address: 192.0.2.10}}]",
            server.address
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Sources};

    /// On loopback, unless the settings say otherwise.
    fn said(settings: &[(&str, &str)]) -> Vec<String> {
        let settings = [&[("server.address", "127.0.0.1:5060")], settings].concat();
        let flag =
            |(key, value): &(&str, &str)| Flag { name: "--set".into(), key: (*key).into(), value: (*value).into() };
        let sources = Sources { flags: settings.iter().map(flag).collect(), ..Sources::default() };
        notices(&sources.load().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ports_that_carry_too_little_are_told_with_a_remedy() {
        assert_eq!(
            said(&[]),
            ["warning: media.port_range: 10000-20000 carries 2500 sessions of two legs, less than \
              server.max_connections: 10000; set media.port_range: \"10000-49999\" or server.max_connections: 2500"]
        );
        assert!(said(&[("server.max_connections", "2500")]).is_empty());
        assert!(said(&[("media.port_range", "10000-49999")]).is_empty());
        let far = said(&[("server.max_connections", "20000")]);
        assert!(
            far[0].ends_with("set server.max_connections: 2500, or share the calls among several servers"),
            "{far:?}"
        );
    }

    #[test]
    fn what_recompression_costs_or_has_to_do_is_said() {
        let quiet = ("server.max_connections", "100");
        let after = ("archive.recompress_after", "30d");
        assert_eq!(said(&[quiet, after]), [""; 0]);
        assert_eq!(said(&[quiet, ("archive.recompress_after", "never")]), [""; 0]);
        let opus = said(&[quiet, after, ("archive.recompress_to", "opus")]);
        assert!(
            opus.len() == 1 && opus[0].starts_with("warning: archive.recompress_to: opus is lossy: 30d after"),
            "{opus:?}"
        );
        assert_eq!(said(&[quiet, ("archive.recompress_to", "opus")]), [""; 0], "nothing is recompressed");
        let flac = said(&[quiet, after, ("recording.format", "flac")]);
        assert!(flac.len() == 1 && flac[0].contains("recording.format: flac there is nothing to do"), "{flac:?}");
        assert_eq!(said(&[quiet, after, ("recording.format", "wav-g711")]), [""; 0]);
    }

    #[test]
    fn a_server_that_knows_nobody_is_told_what_that_means() {
        let open = [("server.max_connections", "100"), ("server.address", ":5060")];
        let lines = said(&open);
        assert_eq!(
            lines,
            [
                "warning: peers: names nobody: whoever reaches :5060 can have a recording made, and all senders share 1000 \
              new requests a second; name your SBCs, as peers: [{address: 192.0.2.10}]"
            ]
        );
        let with = |setting: (&'static str, &'static str)| said(&[open[0], open[1], setting]);
        assert!(!with(("server.rate_limit.unknown_together", "0"))[0].contains("a second"));
        assert!(with(("peers", "[{address: 192.0.2.10}]")).is_empty());
        assert_eq!(with(("peers", "[{user_agent: x}]")).len(), 1, "anybody can call himself so");
    }

    #[test]
    fn tls_that_cannot_work_is_said_at_once() {
        let on = ("server.tls.enabled", "true");
        let cert = ("server.tls.cert_file", "cert.pem");
        let key = ("server.tls.key_file", "key.pem");
        let quiet = ("server.max_connections", "100");
        assert!(said(&[quiet, on, cert, key]).is_empty());
        assert!(said(&[quiet, on, key])[0].starts_with("error: server.tls.cert_file: "));
        assert!(said(&[quiet, on, cert])[0].starts_with("error: server.tls.key_file: "));
        let blind = said(&[quiet, on, cert, key, ("server.tls.client_auth", "required")]);
        assert!(blind[0].starts_with("error: server.tls.client_auth: "), "{blind:?}");
        let same = said(&[quiet, on, cert, key, ("server.tls.address", ":5060")]);
        assert!(same[0].starts_with("error: server.tls.address: "), "{same:?}");
        let row = format!("[{{certificate_fingerprint: \"{}\"}}]", "AB".repeat(32));
        let fits_nobody = said(&[quiet, on, cert, key, ("peers", &row)]);
        assert!(fits_nobody.iter().any(|text| text.starts_with("warning: peers: a row")), "{fits_nobody:?}");
        let required = ("server.tls.client_auth", "required");
        assert!(said(&[quiet, on, cert, key, required, ("peers", &row)]).is_empty(), "the row is a pin");
        let shut_out = said(&[quiet, ("peers", "[{address: 192.0.2.1, require_tls: true}]")]);
        assert!(shut_out[0].starts_with("error: peers: require_tls"), "{shut_out:?}");
        let open = said(&[quiet, on, cert, key, ("server.tls.allowed_names", "sbc.example.com")]);
        assert!(open[0].starts_with("warning: server.tls.client_auth: none"), "{open:?}");
    }

    #[test]
    fn what_is_not_there_yet_is_said() {
        let quiet = ("server.max_connections", "100");
        for (key, value, severity) in [
            ("server.require_tls", "true", "error"),
            ("server.tls.allowed_names", "*.example.com", "warning"),
            ("cluster.enabled", "true", "error"),
            ("storage.type", "s3", "error"),
            ("storage.uploads", "0", "error"),
            ("metadata.type", "postgresql", "error"),
            ("media.buffer_size", "64", "warning"),
            ("archive.time_zone", "Europe/Berlin", "warning"),
        ] {
            let lines = said(&[quiet, (key, value)]);
            assert_eq!(lines.len(), 1, "{key}: {lines:?}");
            let section = key.split('.').next().unwrap();
            assert!(lines[0].starts_with(&format!("{severity}: {section}")), "{key}: {lines:?}");
        }
    }
}
