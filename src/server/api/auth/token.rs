//! A bearer token: a JWT (RFC 7519) with a signature (RFC 7515), judged as RFC 8725 asks. What the token says about how it is to
//! be verified counts for nothing, but which of the issuer's keys it names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};
use siprec_core::time::Wall;

use super::jwks::Key;
use super::refusal::{Reason, Refusal};
use crate::config::{OAuth2Config, TokenAlgorithm};

/// A longer token is not read.
const MAX_TOKEN: usize = 8 << 10;
/// Names of users that are written down are cut beyond so many characters.
const MAX_NAME: usize = 128;
/// Roles of a token that are looked at.
const MAX_ROLES: usize = 256;
/// Where roles are, unless the configuration says it.
const ROLES: [&str; 4] = ["roles", "realm_access.roles", "scope", "scp"];

/// A token whose form is right; nothing of it is proven.
#[derive(Debug)]
pub(super) struct Unproven<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    token: &'a str,
}

/// Who has a token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// When the token is worth nothing any more.
    pub(super) expires: Wall,
    pub(super) roles: Vec<String>,
}

impl<'a> Unproven<'a> {
    /// Reads the head of a token.
    pub(super) fn read(token: &'a str, oauth2: &OAuth2Config) -> Result<Self, Refusal> {
        let malformed = || Refusal::new(Reason::Malformed, "the token is no signed JWT");
        if token.len() > MAX_TOKEN {
            return Err(Refusal::new(Reason::Malformed, "the token is longer than 8 KiB"));
        }
        let head = token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok()).ok_or_else(malformed)?;
        let fields: Map<String, Value> = serde_json::from_slice(&head).map_err(|_| malformed())?;
        if fields.contains_key("crit") {
            return Err(Refusal::new(
                Reason::Malformed,
                "the token asks for an extension (crit) that is not known here",
            ));
        }
        // Before the head as a whole: `none` is no algorithm that the library would name.
        let named = fields.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = oauth2.algorithms.iter().map(|ours| algorithm(*ours)).find(|ours| format!("{ours:?}") == named);
        let wrong = || Refusal::new(Reason::Algorithm, "the token's algorithm is none of auth.oauth2.algorithms");
        let algorithm = algorithm.ok_or_else(wrong)?;
        let header: Header = jsonwebtoken::decode_header(token).map_err(|_| malformed())?;
        if token.split('.').count() != 3 || header.alg != algorithm {
            return Err(malformed());
        }
        Ok(Self { algorithm, key_id: header.kid, token })
    }

    /// Verifies it by a key of the issuer's, at `now` (seconds since 1970).
    pub(super) fn verify(&self, key: &Key, oauth2: &OAuth2Config, now: i64) -> Result<User, Refusal> {
        let forged = || Refusal::new(Reason::Signature, "the token's signature is not its issuer's");
        let (message, signature) = self.token.rsplit_once('.').ok_or_else(forged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| forged())?;
        if !key.verifies(self.algorithm, message.as_bytes(), &signature) {
            return Err(forged());
        }
        let claims = message.rsplit_once('.').and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims = claims.and_then(|claims| serde_json::from_slice::<Map<String, Value>>(&claims).ok());
        let claims = claims.ok_or_else(|| Refusal::new(Reason::Malformed, "the token has no claims"))?;
        judge(&claims, oauth2, now)
    }
}

fn algorithm(ours: TokenAlgorithm) -> Algorithm {
    match ours {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// Whether the claims of a token that is its issuer's are for us, and for now.
fn judge(claims: &Map<String, Value>, oauth2: &OAuth2Config, now: i64) -> Result<User, Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_ours = |wanted: &Option<String>, found: &str| wanted.as_deref() == Some(found);
    if !text("iss").is_some_and(|issuer| is_ours(&oauth2.issuer, issuer)) {
        return Err(Refusal::new(Reason::Issuer, "the token is of another issuer"));
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => is_ours(&oauth2.audience, audience),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(|one| is_ours(&oauth2.audience, one)),
        _ => false,
    };
    if !is_for_us {
        return Err(Refusal::new(Reason::Audience, "the token is for another service"));
    }
    let leeway = i64::try_from(oauth2.leeway.0.as_secs()).unwrap_or(i64::MAX);
    // RFC 7519 2: a number, which need not be whole.
    let seconds = |claim: &Value| claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds as i64));
    let Some(expires) = claims.get("exp").and_then(seconds) else {
        return Err(Refusal::new(Reason::Malformed, "the token does not say when it expires"));
    };
    if expires.saturating_add(leeway) <= now {
        return Err(Refusal::new(Reason::Expired, "the token has expired"));
    }
    match claims.get("nbf").map(|claim| seconds(claim).ok_or(())) {
        Some(Err(())) => return Err(Refusal::new(Reason::Malformed, "the token's nbf is no time")),
        Some(Ok(begins)) if begins > now.saturating_add(leeway) => {
            return Err(Refusal::new(Reason::NotYet, "the token is not valid yet"));
        }
        _ => {}
    }
    let nameless = || Refusal::new(Reason::Malformed, "the token does not say whose it is (sub)");
    let expires = Wall(expires.saturating_add(leeway).saturating_mul(1_000_000_000));
    Ok(User { name: name(claims).ok_or_else(nameless)?, expires, roles: roles(claims, oauth2.roles_claim.as_deref()) })
}

/// Who it is, for the audit log: the name that people know, and the one that stays.
fn name(claims: &Map<String, Value>) -> Option<String> {
    let text = |name: &&str| claims.get(*name).and_then(Value::as_str).map(printable).filter(|text| !text.is_empty());
    let lasting = ["sub", "client_id", "azp"].iter().find_map(&text)?;
    let known = text(&"preferred_username").filter(|known| *known != lasting);
    Some(known.map_or(lasting.clone(), |known| format!("{known} ({lasting})")))
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

/// The roles that a token names: a list, or words with blanks between (RFC 8693 4.2).
fn roles(claims: &Map<String, Value>, at: Option<&str>) -> Vec<String> {
    let found = at.map_or_else(|| ROLES.iter().find_map(|path| claim(claims, path)), |path| claim(claims, path));
    match found {
        Some(Value::String(words)) => words.split_whitespace().take(MAX_ROLES).map(str::to_owned).collect(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).take(MAX_ROLES).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// A claim by its name (which may be a URL), or by names with dots between.
fn claim<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        claim(claims.get(first)?.as_object()?, rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_795_403_601;

    fn oauth2() -> OAuth2Config {
        OAuth2Config { issuer: Some("https://a".into()), audience: Some("siprec".into()), ..OAuth2Config::default() }
    }

    fn judged(change: Value) -> Result<User, Reason> {
        let mut claims = json!({"iss": "https://a", "aud": "siprec", "sub": "u1", "exp": NOW + 60, "roles": ["agent"]});
        let object = claims.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap().clone() {
            if value.is_null() { drop(object.remove(&name)) } else { drop(object.insert(name, value)) }
        }
        judge(object, &oauth2(), NOW).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn claims_have_to_be_for_us_and_for_now() {
        assert_eq!(judged(json!({})).unwrap().expires, Wall((NOW + 90) * 1_000_000_000), "with the leeway");
        let user = ("u1".to_owned(), vec!["agent".to_owned()]);
        for good in [
            json!({}),
            json!({"aud": ["other", "siprec"]}),
            json!({"exp": NOW - 29}),
            json!({"exp": 1_795_403_661.5}),
            json!({"nbf": NOW + 30}),
        ] {
            assert_eq!(judged(good.clone()).map(|user| (user.name, user.roles)), Ok(user.clone()), "{good}");
        }
        for (bad, reason) in [
            (json!({"iss": "https://a/"}), Reason::Issuer),
            (json!({"iss": ["https://a"]}), Reason::Issuer),
            (json!({"iss": null}), Reason::Issuer),
            (json!({"aud": "siprec2"}), Reason::Audience),
            (json!({"aud": []}), Reason::Audience),
            (json!({"aud": {"siprec": 1}}), Reason::Audience),
            (json!({"aud": null}), Reason::Audience),
            (json!({"exp": NOW - 30}), Reason::Expired),
            (json!({"exp": i64::MIN}), Reason::Expired),
            (json!({"exp": null}), Reason::Malformed),
            (json!({"exp": "2999"}), Reason::Malformed),
            (json!({"nbf": NOW + 31}), Reason::NotYet),
            (json!({"nbf": "now"}), Reason::Malformed),
            (json!({"sub": null}), Reason::Malformed),
            (json!({"sub": ""}), Reason::Malformed),
        ] {
            assert_eq!(judged(bad.clone()), Err(reason), "{bad}");
        }
    }

    #[test]
    fn roles_are_where_issuers_put_them() {
        let of = |claims: Value, at: Option<&str>| roles(claims.as_object().unwrap(), at).join(" ");
        assert_eq!(of(json!({"roles": ["a", 7, "b"], "scope": "admin"}), None), "a b", "the first that is there");
        assert_eq!(of(json!({"realm_access": {"roles": ["a"]}, "scope": "openid"}), None), "a");
        assert_eq!(of(json!({"scope": "openid agent"}), None), "openid agent");
        assert_eq!(of(json!({"scp": ["agent"]}), None), "agent");
        let nested = json!({"roles": ["x"], "resource_access": {"siprec": {"roles": ["a"]}}, "https://e.com/r": "b"});
        assert_eq!(of(nested.clone(), Some("resource_access.siprec.roles")), "a");
        assert_eq!(of(nested.clone(), Some("https://e.com/r")), "b");
        assert_eq!(of(nested, Some("nowhere.roles")), "", "no other is looked at");
        assert_eq!(of(json!({"roles": {"admin": true}}), None), "");
    }

    #[test]
    fn a_name_cannot_break_a_line() {
        let of = |claims: Value| name(claims.as_object().unwrap());
        assert_eq!(of(json!({"sub": "17", "preferred_username": "alice"})).as_deref(), Some("alice (17)"));
        assert_eq!(of(json!({"sub": "a\nb\u{1b}[31m"})).as_deref(), Some("ab[31m"));
        assert_eq!(of(json!({"client_id": "nightly"})).as_deref(), Some("nightly"));
        assert_eq!(of(json!({"preferred_username": "alice"})), None, "that may be anybody's next");
    }

    #[test]
    fn heads_that_ask_for_something_else_are_refused_before_any_key_is_looked_for() {
        let read = |head: &str| {
            let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(head));
            Unproven::read(&token, &oauth2()).map(|unproven| unproven.key_id).map_err(|refusal| refusal.reason)
        };
        assert_eq!(
            read(r#"{"alg": "RS256", "kid": "k", "jku": "https://evil", "x5u": "https://evil"}"#),
            Ok(Some("k".into()))
        );
        for head in ["none", "None", "nOnE", "", "HS256", "HS512", "RS512", "RS1"] {
            assert_eq!(read(&format!(r#"{{"alg": "{head}"}}"#)), Err(Reason::Algorithm), "{head}");
        }
        assert_eq!(read("{}"), Err(Reason::Algorithm));
        assert_eq!(read(r#"{"alg": "RS256", "crit": ["b64"], "b64": false}"#), Err(Reason::Malformed));
        assert_eq!(read("[]"), Err(Reason::Malformed));
        assert_eq!(read(&"[".repeat(4000)), Err(Reason::Malformed));
        for text in ["", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30.e30.e30", &"a".repeat(9000)] {
            assert!(Unproven::read(text, &oauth2()).is_err(), "{text}");
        }
    }
}
