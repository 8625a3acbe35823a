//! What cannot be right about who may use the API: contradictions among `api` and `auth`.

use std::collections::BTreeSet;

use super::api::ApiConfig;
use super::auth::{AuthConfig, AuthProvider, CertificateRow};
use super::model::Config;
use super::notices::{Notice, error, warning};
use super::tls::ClientAuth;

/// All of them.
pub(super) fn contradictions(config: &Config, found: &mut Vec<Notice>) {
    let (api, auth) = (&config.api, &config.auth);
    if api.enabled {
        found.extend(open_fault(api, auth).map(|text| error(&text)));
        found.extend(tls_faults(config).map(error));
        found.extend(in_clear(api, auth).map(warning));
    }
    issuer(auth, found);
    roles(auth, found);
    rows(auth, found);
}

/// What of the API would let anybody in.
fn open_fault(api: &ApiConfig, auth: &AuthConfig) -> Option<String> {
    let is_near = api.address.ip.is_some_and(|ip| ip.is_loopback());
    (auth.is_open() && !is_near).then(|| {
        format!(
            "api.address: {} can be reached from other machines, and auth.provider: none lets everybody in: set \
             api.address to 127.0.0.1:{} and put a proxy before it, or set auth.provider, auth.api_keys or \
             auth.certificates, or api.enabled: false",
            api.address, api.address.port
        )
    })
}

fn in_clear(api: &ApiConfig, auth: &AuthConfig) -> Option<String> {
    let is_near = api.address.ip.is_some_and(|ip| ip.is_loopback());
    (!api.tls.enabled && !is_near && !auth.is_open()).then(|| {
        format!(
            "api.tls.enabled: false: who reads along on the way to {} has the tokens and keys of its users: set it to true, or \
             api.address to 127.0.0.1:{} behind a proxy with TLS",
            api.address, api.address.port
        )
    })
}

fn tls_faults(config: &Config) -> impl Iterator<Item = &'static str> {
    let tls = config.api_tls();
    let asks = tls.enabled && tls.client_auth != ClientAuth::None;
    let faults = [
        (
            tls.enabled && tls.cert_file.is_none(),
            "api.tls.cert_file: HTTPS needs a certificate: name the PEM file with its chain",
        ),
        (
            tls.enabled && tls.key_file.is_none(),
            "api.tls.key_file: HTTPS needs the certificate's private key: name its PEM file",
        ),
        (
            asks && tls.client_ca_file.is_none() && tls.pins.is_empty(),
            "api.tls.client_auth: no client certificate could be accepted: set api.tls.client_ca_file (who issues them), or \
             name them by fingerprint in auth.certificates",
        ),
        (
            !config.auth.certificates.is_empty() && !asks,
            "auth.certificates: nobody is asked for a certificate: set api.tls.enabled: true and api.tls.client_auth: \
             required, or optional beside tokens and keys",
        ),
    ];
    faults.into_iter().filter_map(|(is_so, text)| is_so.then_some(text))
}

fn issuer(auth: &AuthConfig, found: &mut Vec<Notice>) {
    let oauth2 = &auth.oauth2;
    if auth.provider == AuthProvider::None {
        if oauth2.issuer.is_some() {
            found.push(warning("auth.oauth2: has no effect as long as auth.provider is none: set it to oauth2".into()));
        }
        return;
    }
    match &oauth2.issuer {
        None => found.push(error("auth.oauth2.issuer: whose tokens? Name its URL, as https://auth.example.com")),
        Some(url) if !is_safe(url) => found.push(error(&format!(
            "auth.oauth2.issuer: {url}: has to be an https:// URL without ? and #: over http anybody on the way could \
             put in keys of their own (http://127.0.0.1 and http://localhost are taken)"
        ))),
        Some(_) => {}
    }
    if oauth2.audience.is_none() {
        found.push(error(
            "auth.oauth2.audience: without it a token that the issuer made for any other service would be let in: name \
             what stands in `aud` of tokens for this server",
        ));
    }
    if oauth2.algorithms.is_empty() {
        found.push(error("auth.oauth2.algorithms: is empty, so no token could be let in"));
    }
}

/// Whether keys can be fetched from there without anybody else having a say.
pub(crate) fn is_safe(url: &str) -> bool {
    let host = |rest: &str| {
        let authority = rest.split('/').next().unwrap_or_default();
        let bare = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        bare.map_or(authority, |(host, _)| host).to_owned()
    };
    let is_plain = !url.contains(['?', '#', '@', '\\', ' ']);
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => is_plain && !host(rest).is_empty(),
        (None, Some(rest)) => is_plain && is_loopback(&host(rest)),
        (None, None) => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn roles(auth: &AuthConfig, found: &mut Vec<Notice>) {
    if !auth.is_open() && auth.roles.is_empty() {
        found.push(error(
            "auth.roles: is empty, so nobody may do anything: name them, as roles: [{name: admin, permissions: [read, \
             write, delete, export, manage]}]",
        ));
    }
    let mut known = BTreeSet::new();
    for role in &auth.roles {
        if !known.insert(role.name.as_str()) {
            found.push(error(&format!("auth.roles: there are two called `{}`: make them one", role.name)));
        }
    }
    let of_keys = auth.api_keys.iter().map(|key| (format!("auth.api_keys: {}", key.name), &key.roles));
    let of_certificates =
        auth.certificates.iter().map(|row| (format!("auth.certificates: {}", called(row)), &row.roles));
    for (whose, roles) in of_keys.chain(of_certificates) {
        for role in roles.iter().filter(|role| !known.contains(role.as_str())) {
            let hint = super::nearest::did_you_mean(role, known.iter().copied());
            found.push(error(&format!("{whose}: `{role}` is none of auth.roles{hint}")));
        }
    }
}

fn rows(auth: &AuthConfig, found: &mut Vec<Notice>) {
    for (index, key) in auth.api_keys.iter().enumerate() {
        let earlier = || auth.api_keys.iter().take(index);
        if key.name.trim().is_empty() {
            found.push(error("auth.api_keys: one has no name: the audit log would not say who it was"));
        }
        if earlier().any(|other| other.name == key.name) {
            found.push(error(&format!(
                "auth.api_keys: there are two called `{}`: give each a name of its own",
                key.name
            )));
        }
        if earlier().any(|other| other.sha256 == key.sha256) {
            found.push(error(&format!("auth.api_keys: `{}` is another's key: make one of its own", key.name)));
        }
    }
    for row in &auth.certificates {
        if row.name.is_none() == row.fingerprint.is_none() {
            found.push(error(&format!(
                "auth.certificates: {}: give a name that the certificate is for, or its fingerprint, one of both",
                called(row)
            )));
        }
    }
}

fn called(row: &CertificateRow) -> String {
    let fingerprint = row.fingerprint.map(|pin| pin.to_string());
    row.name.clone().or(fingerprint).unwrap_or_else(|| "a row".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut found = Vec::new();
        contradictions(&config, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    const ROLES: &str = "roles: [{name: admin, permissions: [read]}]";

    #[test]
    fn what_contradicts_is_told() {
        let hash = "ab".repeat(32);
        let key = format!("api_keys: [{{name: k, sha256: {hash}, roles: [admin]}}]");
        let pinned = format!("certificates: [{{fingerprint: \"{hash}\", roles: [admin]}}]");
        let tls = "api: {tls: {enabled: true, cert_file: c, key_file: k, client_auth: required}}";
        for (yaml, start) in [
            ("api: {address: ':8080'}".to_owned(), "error: api.address: :8080 can be reached"),
            (format!("{{api: {{address: ':8080'}}, auth: {{{key}, {ROLES}}}}}"), "warning: api.tls.enabled: false"),
            ("api: {tls: {enabled: true, key_file: k}}".into(), "error: api.tls.cert_file"),
            ("api: {tls: {enabled: true, cert_file: c}}".into(), "error: api.tls.key_file"),
            (tls.into(), "error: api.tls.client_auth: no client certificate"),
            (format!("auth: {{{pinned}, {ROLES}}}"), "error: auth.certificates: nobody is asked"),
            ("auth: {oauth2: {issuer: 'https://a'}}".into(), "warning: auth.oauth2: has no effect"),
            (
                format!("auth: {{provider: oauth2, oauth2: {{audience: a}}, {ROLES}}}"),
                "error: auth.oauth2.issuer: whose",
            ),
            (
                format!("auth: {{provider: oauth2, oauth2: {{issuer: 'https://a'}}, {ROLES}}}"),
                "error: auth.oauth2.audience",
            ),
            (
                format!("auth: {{provider: oauth2, oauth2: {{issuer: 'http://a', audience: a}}, {ROLES}}}"),
                "error: auth.oauth2.issuer: http://a: has to be",
            ),
            (
                format!("auth: {{{key}, roles: [{{name: admim, permissions: []}}]}}"),
                "error: auth.api_keys: k: `admin` is none",
            ),
            (format!("auth: {{{ROLES}, certificates: [{{roles: [admin]}}]}}"), "error: auth.certificates: "),
        ] {
            let lines = said(&yaml);
            assert!(lines.first().is_some_and(|line| line.starts_with(start)), "{yaml}: {lines:?}");
        }
        assert!(said("{}").is_empty());
        assert!(said(&format!("auth: {{{key}, {ROLES}}}")).is_empty());
        let mutual = tls.replace("required", "required, client_ca_file: ca");
        let rows = "certificates: [{name: desk, roles: [admin]}]";
        assert!(said(&format!("{{{mutual}, auth: {{{rows}, {ROLES}}}}}")).is_empty());
        let twice = format!(
            "auth: {{{ROLES}, api_keys: [{{name: k, sha256: {hash}, roles: []}}, {{name: k, sha256: {hash}, roles: []}}]}}"
        );
        assert_eq!(said(&twice).len(), 2, "{:?}", said(&twice));
        assert!(said(&format!("auth: {{{key}}}"))[0].starts_with("error: auth.roles: is empty"));
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for url in [
            "https://a.example.com",
            "https://a:8443/realms/x",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1/x",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://a",
            "http://127.0.0.1.evil.com",
            "http://localhost@evil.com",
            "ftp://localhost",
            "https://",
            "https://a?b",
            "a",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
