//! Pages for people: one answer each, with how it looks and what it runs inside. Their policy names both by digest, so a browser runs
//! nothing else, and asks nobody but this server.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::state::Served;

/// A page.
#[derive(Debug)]
struct Page {
    text: String,
    policy: HeaderValue,
}

/// Draws the OpenAPI document, and tries what it tells of.
static DOCS: LazyLock<Page> = LazyLock::new(|| {
    Page::new(
        "siprec API",
        include_str!("page/docs.html"),
        &[include_str!("page/look.css"), include_str!("page/docs.css")],
        &[include_str!("page/asking.js"), include_str!("page/docs.js")],
    )
});

/// Recordings found and played, and sessions listened to. It holds no data: it asks the API, as whoever signs in.
static LISTENING: LazyLock<Page> = LazyLock::new(|| {
    Page::new(
        "siprec",
        include_str!("page/listening.html"),
        &[include_str!("page/look.css"), include_str!("page/listening.css")],
        &[
            include_str!("page/asking.js"),
            include_str!("page/saying.js"),
            include_str!("page/signing.js"),
            include_str!("page/recordings.js"),
            include_str!("page/recording.js"),
            include_str!("page/wave.js"),
            include_str!("page/player.js"),
            include_str!("page/live.js"),
            include_str!("page/listening.js"),
        ],
    )
});

pub(super) fn routes() -> Router<Arc<Served>> {
    Router::new().route("/", get(async || &*LISTENING)).route("/docs", get(async || &*DOCS))
}

impl Page {
    fn new(title: &str, body: &str, styles: &[&str], scripts: &[&str]) -> Self {
        // A blank icon of its own: else each browser asks for one at /favicon.ico.
        const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                            <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n";
        let (style, script) = (styles.concat(), scripts.concat());
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; media-src 'self' blob:; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            source(&style),
            source(&script)
        );
        let text = format!(
            "{HEAD}<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}<script>{script}</script>\n</body>\n</html>\n"
        );
        // Digests and words of ours: there is nothing in it that a header field may not hold.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { text, policy }
    }
}

impl IntoResponse for &'static Page {
    fn into_response(self) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let fields = [(header::CONTENT_TYPE, html), (header::CONTENT_SECURITY_POLICY, self.policy.clone())];
        (fields, self.text.as_str()).into_response()
    }
}

/// What is allowed, by its digest (CSP 3, 2.3.1).
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_what_it_runs_and_needs_nobody_else() {
        for page in [&*LISTENING, &*DOCS] {
            let policy = page.policy.to_str().unwrap();
            assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
            for (from, to) in [("<style>", "</style>"), ("<script>", "</script>")] {
                assert_eq!((page.text.matches(from).count(), page.text.matches(to).count()), (1, 1), "{from}");
                let inside = page.text.split_once(from).unwrap().1.split_once(to).unwrap().0;
                assert!(policy.contains(&source(inside)), "{from}");
            }
            for other in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                " style=",
                " onclick=",
            ] {
                assert!(!page.text.contains(other), "{other}");
            }
        }
    }
}
