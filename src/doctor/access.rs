//! Who may use the API: by what they show who they are, and whether that can work.

use siprec_core::time::Wall;

use super::check::Check;
use crate::config::{ApiKey, AuthConfig, AuthProvider, Config};
use crate::wall;

const AREA: &str = "api";
const SOON_NS: i64 = 14 * 86_400 * 1_000_000_000;

/// `issuer`: how many keys the issuer of tokens has, or why they cannot be had.
pub(super) fn examine(config: &Config, issuer: Option<Result<usize, String>>) -> Vec<Check> {
    let api = &config.api;
    if !api.enabled {
        return vec![Check::ok(AREA, "api", "off (api.enabled)")];
    }
    let is_local = api.address.ip.is_some_and(|ip| ip.is_loopback());
    let mut checks = vec![ways(&config.auth, is_local), in_clear(is_local, api.tls.enabled)];
    checks.extend(issuer.map(|keys| issuer_of_tokens(config.auth.oauth2.issuer.as_deref().unwrap_or_default(), keys)));
    checks.extend(config.auth.api_keys.iter().filter_map(|key| expiry(key, wall::now())));
    checks
}

fn ways(auth: &AuthConfig, is_local: bool) -> Check {
    const SUBJECT: &str = "authentication";
    if auth.is_open() {
        let seen = "nobody is asked who they are: it is for this machine alone";
        return if is_local {
            Check::ok(AREA, SUBJECT, seen)
        } else {
            let remedy = "set auth.provider or auth.api_keys, or api.address to 127.0.0.1";
            Check::failed(AREA, SUBJECT, "nobody is asked who they are, at an address that others reach", remedy)
        };
    }
    let tokens = (auth.provider == AuthProvider::Oauth2).then(|| "tokens".to_owned());
    let keys = (!auth.api_keys.is_empty()).then(|| format!("{} API keys", auth.api_keys.len()));
    let certificates = (!auth.certificates.is_empty()).then(|| format!("{} certificates", auth.certificates.len()));
    let all: Vec<String> = tokens.into_iter().chain(keys).chain(certificates).collect();
    Check::ok(AREA, SUBJECT, format!("by {}, with {} roles", all.join(", "), auth.roles.len()))
}

fn in_clear(is_local: bool, tls: bool) -> Check {
    const SUBJECT: &str = "transport";
    match (is_local, tls) {
        (_, true) => Check::ok(AREA, SUBJECT, "HTTPS"),
        (true, false) => Check::ok(AREA, SUBJECT, "HTTP, within this machine"),
        (false, false) => Check::warning(
            AREA,
            SUBJECT,
            "HTTP at an address that others reach: tokens and recordings can be read on the way",
            "set api.tls, or put a proxy with TLS before it and api.address to 127.0.0.1",
        ),
    }
}

fn issuer_of_tokens(url: &str, keys: Result<usize, String>) -> Check {
    let subject = format!("issuer {url}");
    match keys {
        Ok(0) => Check::failed(
            AREA,
            subject,
            "it has no key that can be used",
            "look at its JWKS and at auth.oauth2.algorithms",
        ),
        Ok(keys) => Check::ok(AREA, subject, format!("it answers, and has {keys} keys")),
        Err(why) => Check::failed(
            AREA,
            subject,
            format!("its keys cannot be had: {why}"),
            "nobody with a token is let in: correct auth.oauth2.issuer, or let this machine reach it",
        ),
    }
}

fn expiry(key: &ApiKey, now: Wall) -> Option<Check> {
    let ends = key.expires.as_ref()?.0;
    let subject = format!("API key {}", key.name);
    let remedy = "make another: siprec config key new, and put its row into auth.api_keys";
    if ends <= now {
        return Some(Check::warning(AREA, subject, format!("it is refused since {ends}"), remedy));
    }
    let soon = ends.0.saturating_sub(now.0) < SOON_NS;
    soon.then(|| Check::warning(AREA, subject, format!("it is refused from {ends} on"), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict::{Failed, Ok as Fine, Warning};

    fn config(yaml: &str) -> Config {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn worst(yaml: &str) -> super::super::Verdict {
        examine(&config(yaml), None).into_iter().map(|check| check.verdict).max().unwrap()
    }

    #[test]
    fn an_open_api_is_for_this_machine_and_one_in_clear_is_warned_of() {
        assert_eq!(worst("{}"), Fine);
        assert_eq!(worst("api: {enabled: false}"), Fine);
        assert_eq!(worst("api: {address: ':8080'}"), Failed);
        let keys = format!("auth: {{api_keys: [{{name: a, sha256: '{}', roles: [r]}}]}}", "5e".repeat(32));
        assert_eq!(worst(&format!("{{api: {{address: ':8080'}}, {keys}}}")), Warning);
        assert_eq!(worst(&format!("{{api: {{address: ':8080', tls: {{enabled: true}}}}, {keys}}}")), Fine);
    }

    #[test]
    fn an_issuer_that_does_not_answer_fails() {
        assert_eq!(issuer_of_tokens("https://a", Ok(2)).verdict, Fine);
        assert_eq!(issuer_of_tokens("https://a", Ok(0)).verdict, Failed);
        assert!(issuer_of_tokens("https://a", Err("no such host".into())).seen.ends_with("no such host"));
    }

    #[test]
    fn a_key_is_told_of_before_it_ends_and_after_it() {
        let row = |expires: &str| {
            format!("auth: {{api_keys: [{{name: a, sha256: '{}', roles: [r], expires: {expires}}}]}}", "5e".repeat(32))
        };
        let of = |expires: &str, now: &str| {
            let now = crate::archive::selection::moment(now, crate::archive::selection::Bound::Since, Wall(0)).unwrap();
            expiry(&config(&row(expires)).auth.api_keys[0], now).map(|check| check.verdict)
        };
        assert_eq!(of("2027-01-31", "2026-11-01"), None);
        assert_eq!(of("2027-01-31", "2027-01-25"), Some(Warning));
        assert_eq!(of("2027-01-31", "2027-03-01"), Some(Warning));
    }
}
