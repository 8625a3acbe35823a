//! What a request shows of who sends it: a bearer token, an API key. Twice is once too often (RFC 6750 2).

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use super::api_key::is_key;
use super::refusal::{Reason, Refusal};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// In a query: for what browsers open without letting a page set header fields.
const IN_QUERY: &str = "access_token";
/// Routes of WebSockets and of event streams.
const OPENED_BY_BROWSERS: [&str; 2] = ["/ws/", "/api/v1/events"];

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials<'a> {
    Nothing,
    Token(&'a str),
    Key(&'a str),
}

/// Finds them. `route` is the path of the route as it is declared.
pub(super) fn shown<'a>(
    fields: &'a HeaderMap,
    (method, uri): (&Method, &'a Uri),
    route: &str,
) -> Result<Credentials<'a>, Refusal> {
    let mut found = Vec::new();
    for value in fields.get_all(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") || rest.trim().is_empty() {
            return Err(Refusal::new(
                Reason::Malformed,
                "Authorization: send `Bearer TOKEN`; no other scheme is known here",
            ));
        }
        found.push(either(rest.trim()));
    }
    for value in fields.get_all(&API_KEY) {
        found.push(Credentials::Key(value.to_str().unwrap_or_default().trim()));
    }
    if is_for_query(method, route) {
        found.extend(in_query(uri).map(either));
    }
    match found.as_slice() {
        [] => Ok(Credentials::Nothing),
        [one] => Ok(*one),
        _ => Err(Refusal::new(Reason::Malformed, "send one token, or one key, and send it once")),
    }
}

/// The same address without a token in it: it is for nobody behind the guard.
pub(super) fn without_token(uri: &Uri) -> Option<Uri> {
    in_query(uri)?;
    let kept: Vec<&str> = parameters(uri).filter(|(name, _)| *name != IN_QUERY).map(|(_, whole)| whole).collect();
    let path = if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).ok()
}

fn either(text: &str) -> Credentials<'_> {
    if is_key(text) { Credentials::Key(text) } else { Credentials::Token(text) }
}

fn is_for_query(method: &Method, route: &str) -> bool {
    method == Method::GET && OPENED_BY_BROWSERS.iter().any(|begin| route.starts_with(begin))
}

/// Tokens and keys are of letters, digits, `-`, `_` and `.`: nothing of them is ever written otherwise.
fn in_query(uri: &Uri) -> Option<&str> {
    let whole = parameters(uri).find(|(name, _)| *name == IN_QUERY)?.1;
    Some(whole.split_once('=').map_or("", |(_, value)| value))
}

fn parameters(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    let query = uri.query().unwrap_or_default();
    query.split('&').filter(|whole| !whole.is_empty()).map(|whole| (whole.split('=').next().unwrap_or_default(), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &str)], method: &Method, path: &str, route: &str) -> Result<String, Reason> {
        let map = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let map: HeaderMap = map.collect();
        let uri: Uri = path.parse().unwrap();
        shown(&map, (method, &uri), route).map(|found| format!("{found:?}")).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_token_or_a_key_is_found_where_it_may_be() {
        let get = |fields: &[(&'static str, &str)], path: &str, route: &str| of(fields, &Method::GET, path, route);
        assert_eq!(get(&[("authorization", "bearer  a.b.c")], "/x", "/x").unwrap(), "Token(\"a.b.c\")");
        assert_eq!(get(&[("authorization", "Bearer siprec_k")], "/x", "/x").unwrap(), "Key(\"siprec_k\")");
        assert_eq!(get(&[("x-api-key", "k")], "/x", "/x").unwrap(), "Key(\"k\")");
        assert_eq!(get(&[], "/x?access_token=a.b.c", "/x").unwrap(), "Nothing");
        assert_eq!(get(&[], "/ws/live?a=1&access_token=a.b.c", "/ws/live").unwrap(), "Token(\"a.b.c\")");
        assert_eq!(get(&[], "/api/v1/events?access_token=siprec_k", "/api/v1/events").unwrap(), "Key(\"siprec_k\")");
        let posted = of(&[], &Method::POST, "/ws/live?access_token=a.b.c", "/ws/live");
        assert_eq!(posted.unwrap(), "Nothing");
    }

    #[test]
    fn what_is_shown_twice_or_in_another_way_is_refused() {
        for fields in [
            &[("authorization", "Basic dTpw")][..],
            &[("authorization", "Bearer")],
            &[("authorization", "a.b.c")],
            &[("authorization", "Bearer a"), ("x-api-key", "siprec_k")],
        ] {
            assert_eq!(of(fields, &Method::GET, "/x", "/x"), Err(Reason::Malformed), "{fields:?}");
        }
        let both = of(&[("authorization", "Bearer a")], &Method::GET, "/ws/x?access_token=b", "/ws/x");
        assert_eq!(both, Err(Reason::Malformed));
    }

    #[test]
    fn a_token_goes_no_further_than_the_guard() {
        let stripped = |path: &str| without_token(&path.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(stripped("/ws/x?a=1&access_token=s&b=2").as_deref(), Some("/ws/x?a=1&b=2"));
        assert_eq!(stripped("/ws/x?access_token=s").as_deref(), Some("/ws/x"));
        assert_eq!(stripped("/ws/x?a=1"), None);
    }
}
