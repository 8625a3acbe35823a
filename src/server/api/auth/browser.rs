//! What browsers do on behalf of pages that are not ours. A page of any site can have a browser send requests to where its user is
//! let in without a token: by standing at this machine, or by a certificate.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::refusal::{Reason, Refusal};
use crate::config::WebOrigin;

/// What a page may do that is let in.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE");
const FIELDS: HeaderValue = HeaderValue::from_static(
    "Authorization, X-API-Key, Content-Type, Accept, Range, If-Range, If-None-Match, Last-Event-ID, Idempotency-Key",
);
/// What it may see of an answer, beside what is always seen.
const SHOWN: HeaderValue = HeaderValue::from_static(
    "ETag, Link, Accept-Ranges, Content-Range, Content-Disposition, Retry-After, Siprec-Signature, WWW-Authenticate",
);
/// For so many seconds a browser need not ask again whether it may.
const ASKED_AGAIN: HeaderValue = HeaderValue::from_static("600");

/// The page that asks, where it is one of `cors`.
pub(super) fn admitted(fields: &HeaderMap, cors: &[WebOrigin]) -> Option<HeaderValue> {
    let origin = fields.get(header::ORIGIN)?;
    cors.iter().any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(origin.as_bytes())).then(|| origin.clone())
}

/// The answer to a browser that asks whether a page may ask (Fetch standard 4.8), if it does.
pub(super) fn preflight(method: &Method, fields: &HeaderMap) -> Option<Response> {
    let asks = method == Method::OPTIONS && fields.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, FIELDS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, ASKED_AGAIN);
        response
    })
}

/// Lets the page see the answer.
pub(super) fn show(origin: HeaderValue, response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// Refuses what a page of another site sends where nobody shows a token. `host` is whom the request is for.
pub(super) fn refuse_others(fields: &HeaderMap, host: &str, cors: &[WebOrigin]) -> Result<(), Refusal> {
    let Some(origin) = fields.get(header::ORIGIN) else { return Ok(()) };
    let text = origin.to_str().unwrap_or_default();
    let is_own = text.split_once("://").is_some_and(|(_, theirs)| theirs.eq_ignore_ascii_case(host));
    if is_own || admitted(fields, cors).is_some() {
        return Ok(());
    }
    Err(Refusal::new(Reason::OtherSite, "a page of another site asks: api.cors names those that may"))
}

/// Refuses an open API to who calls this machine by a name: a site's owner can have that name lead here (DNS rebinding), and then
/// its pages are of the same site as the API.
pub(super) fn refuse_names(host: &str) -> Result<(), Refusal> {
    let bare = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(bare, _)| bare);
    let address = bare.trim_start_matches('[').trim_end_matches(']');
    let is_safe = bare.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok();
    is_safe.then_some(()).ok_or_else(|| {
        Refusal::new(
            Reason::OtherSite,
            "an API without authentication answers to 127.0.0.1 and localhost, by no other name: set auth, or have the proxy \
             before it send `Host: localhost`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_kept_out_unless_they_are_named() {
        let cors: Vec<WebOrigin> = vec!["https://desk.example.com".parse().unwrap()];
        let asks = |origin: &str| {
            let fields = HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
            refuse_others(&fields, "localhost:8080", &cors).is_ok()
        };
        assert!(asks("http://localhost:8080") && asks("https://desk.example.com"));
        for origin in ["https://evil.com", "http://localhost:3000", "null", "https://desk.example.com.evil.com", ""] {
            assert!(!asks(origin), "{origin}");
        }
        assert!(refuse_others(&HeaderMap::new(), "localhost:8080", &cors).is_ok(), "no browser");
    }

    #[test]
    fn an_open_api_has_no_name() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7"] {
            assert!(refuse_names(host).is_ok(), "{host}");
        }
        for host in ["evil.com", "evil.com:8080", "127.0.0.1.evil.com", "", "localhost.evil.com:80"] {
            assert!(refuse_names(host).is_err(), "{host}");
        }
    }
}
