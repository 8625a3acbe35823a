//! What cannot be right about who may record, and how: contradictions among `peers`, `server`, `media` and `auth.sip`; and, by
//! rules of their own, about sealing and about who may use the API.

use super::model::Config;
use super::notices::{Notice, error, warning};
use super::peers::{Peer, Refusal, Unknown};

/// All of them.
pub(super) fn contradictions(config: &Config) -> Vec<Notice> {
    let mut found = Vec::new();
    allow_list(config, &mut found);
    digest(config, &mut found);
    media(config, &mut found);
    super::auth_rules::contradictions(config, &mut found);
    super::seal::contradictions(config, &mut found);
    refusal("server.refusal", &config.server.refusal, &mut found);
    for (index, peer) in config.peers.iter().enumerate() {
        row(config, index, peer, &mut found);
    }
    found
}

fn allow_list(config: &Config, found: &mut Vec<Notice>) {
    let server = &config.server;
    if !server.allowed_peers.is_empty() && server.unknown_peers == Unknown::Accept {
        found.push(error(
            "server.allowed_peers: keeps nobody out as long as server.unknown_peers is accept: set that to refuse or silent",
        ));
    }
    let known = !server.allowed_peers.is_empty() || config.peers.iter().any(|peer| peer.allow && peer.is_proven());
    if server.unknown_peers != Unknown::Accept && !known {
        found.push(error(
            "server.unknown_peers: keeps everybody out: name the SBCs in server.allowed_peers or peers (by address or \
             certificate: a user_agent alone proves nothing)",
        ));
    }
}

fn digest(config: &Config, found: &mut Vec<Notice>) {
    let rows = || config.peers.iter().filter(|peer| peer.digest.unwrap_or(config.server.digest));
    if !config.server.digest && rows().next().is_none() {
        return;
    }
    let sip = &config.auth.sip;
    if sip.users.is_empty() || sip.algorithms.is_empty() {
        let what = if sip.users.is_empty() { "users" } else { "algorithms" };
        found.push(error(&format!("auth.sip.{what}: is empty, and digest is asked for: nobody can record")));
    }
    for name in rows().flat_map(|peer| &peer.digest_users) {
        if !sip.users.iter().any(|user| user.name == *name) {
            found.push(error(&format!("peers: digest_users names `{name}`, who is not in auth.sip.users")));
        }
    }
    let in_clear = (config.server.digest && !config.server.require_tls)
        || rows().any(|peer| !peer.require_tls.unwrap_or(config.server.require_tls));
    if in_clear {
        found.push(warning(
            "digest: without require_tls, credentials prove who calls, but whoever reads along hears the call, and can \
             try passwords against what he read; use long random ones"
                .into(),
        ));
    }
}

fn media(config: &Config, found: &mut Vec<Notice>) {
    if config.media.record.is_empty() {
        found.push(error("media.record: is empty, so nothing could be recorded: name audio, text or video"));
    }
    let rows = config.peers.iter().filter_map(|peer| Some((peer.called(), peer.srtp.as_ref()?)));
    let all = std::iter::once((String::from("media"), &config.media.srtp)).chain(rows);
    for (whose, _) in all.filter(|(_, srtp)| !srtp.allows_any()) {
        found.push(error(&format!(
            "{whose}: srtp: none of its suites resists minimum_bits: every SRTP stream is refused"
        )));
    }
    let offers_in_clear = |tls: bool, srtp: bool, sdes: bool| srtp && !tls && !sdes;
    let general = (config.server.require_tls, config.media.require_srtp, config.media.sdes_over_clear);
    let blocked = |peer: &Peer| {
        offers_in_clear(
            peer.require_tls.unwrap_or(general.0),
            peer.require_srtp.unwrap_or(general.1),
            peer.sdes_over_clear.unwrap_or(general.2),
        )
    };
    if offers_in_clear(general.0, general.1, general.2) || config.peers.iter().any(blocked) {
        found.push(warning(
            "require_srtp: without TLS, keys are not taken (sdes_over_clear), so calls over UDP and TCP are refused with 488"
                .into(),
        ));
    }
    let opted_in = config.media.sdes_over_clear || config.peers.iter().any(|peer| peer.sdes_over_clear == Some(true));
    if opted_in {
        found.push(warning(
            "sdes_over_clear: SRTP keys are taken from signalling without TLS: whoever reads that can hear the calls"
                .into(),
        ));
    }
}

fn refusal(key: &str, refusal: &Refusal, found: &mut Vec<Notice>) {
    let moved = (300..400).contains(&refusal.status);
    if moved && refusal.contact.is_none() {
        let status = refusal.status;
        found.push(error(&format!("{key}: status {status} needs a contact: the server to try instead")));
    }
    if !moved && refusal.contact.is_some() {
        found.push(warning(format!("{key}: contact has no effect with status {}: set status: 302", refusal.status)));
    }
}

fn row(config: &Config, index: usize, peer: &Peer, found: &mut Vec<Notice>) {
    let called = peer.called();
    let key = if called.is_empty() { format!("peers[{index}]") } else { format!("peers: {called}") };
    if !peer.names_somebody() {
        found.push(error(&format!(
            "{key}: is about nobody: give it an address, certificate_name, certificate_fingerprint or user_agent"
        )));
    }
    if config.peers.iter().take(index).any(|earlier| earlier.called() == called) {
        found.push(error(&format!("{key}: there are two of this name: give each one of its own")));
    }
    let trusting = peer.legacy || peer.digest == Some(false) || peer.require_tls == Some(false);
    if peer.allow && trusting && peer.names_somebody() && !peer.is_proven() {
        found.push(warning(format!(
            "{key}: is known by its user_agent alone, which anybody can write: what the row allows, it allows to all"
        )));
    }
    let by_certificate = !peer.certificate_name.is_empty() || !peer.certificate_fingerprint.is_empty();
    if by_certificate && !config.server.tls.enabled {
        found.push(warning(format!("{key}: nobody shows a certificate as long as server.tls.enabled is false")));
    }
    if let Some(own) = &peer.refusal {
        refusal(&format!("{key}: refusal"), own, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a file of these lines, up to the first colon-blank.
    fn said(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        contradictions(&config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_contradicts_is_told() {
        for (yaml, start) in [
            ("server: {allowed_peers: [10.0.0.0/8]}", "error: server.allowed_peers: keeps nobody out"),
            ("server: {unknown_peers: silent}", "error: server.unknown_peers: keeps everybody out"),
            ("media: {require_srtp: true}", "warning: require_srtp: without TLS, keys are not taken"),
            (
                "media: {srtp: {suites: [AES_CM_128_HMAC_SHA1_32], minimum_bits: 128}}",
                "error: media: srtp: none of its suites",
            ),
            (
                "peers: [{address: 10.0.0.1, require_srtp: true}]",
                "warning: require_srtp: without TLS, keys are not taken",
            ),
            ("media: {record: []}", "error: media.record: is empty"),
            ("media: {sdes_over_clear: true}", "warning: sdes_over_clear: SRTP keys are taken"),
            ("server: {refusal: {status: 302}}", "error: server.refusal: status 302 needs a contact"),
            (
                "peers: [{address: 10.0.0.1, refusal: {contact: 'sip:b'}}]",
                "warning: peers: 10.0.0.1: refusal: contact has no effect",
            ),
            ("peers: [{legacy: true}]", "error: peers[0]: is about nobody"),
            ("peers: [{user_agent: x, legacy: true}]", "warning: peers: x: is known by its user_agent alone"),
            ("peers: [{certificate_name: x}]", "warning: peers: x: nobody shows a certificate"),
            ("peers: [{address: 10.0.0.1, name: a}, {address: 10.0.0.2, name: a}]", "error: peers: a: there are two"),
        ] {
            let lines = said(yaml);
            assert!(lines.len() == 1 && lines[0].starts_with(start), "{yaml}: {lines:?}");
        }
        assert!(said("{}").is_empty());
        assert!(said("{server: {unknown_peers: silent}, peers: [{address: 10.0.0.1}]}").is_empty());
    }

    #[test]
    fn digest_needs_users_and_is_better_under_tls() {
        let users = "auth: {sip: {users: [{name: a, password: b}]}}";
        assert!(said("server: {digest: true}")[0].starts_with("error: auth.sip.users: is empty"));
        let lines = said(&format!("{{server: {{digest: true}}, {users}}}"));
        assert!(lines.len() == 1 && lines[0].starts_with("warning: digest: without require_tls"), "{lines:?}");
        let row = format!("{{peers: [{{address: 10.0.0.1, digest: true, digest_users: c}}], {users}}}");
        assert!(said(&row)[0].starts_with("error: peers: digest_users names `c`"));
    }
}
