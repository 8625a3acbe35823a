//! Requests to other servers: HTTPS by rustls with ring and the machine's own CAs, no redirects.

use std::error::Error;
use std::time::Duration;

/// A client whose requests take no longer than `timeout`.
///
/// # Errors
/// The machine's CAs cannot be read.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // Another part of the process has installed it already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none());
    builder.user_agent(concat!("siprec/", env!("CARGO_PKG_VERSION"))).build()
}

/// What is wrong, with its causes; the URL is left out, since it may hold a secret.
pub(crate) fn words(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be reached"
    } else {
        "the request came to nothing"
    };
    let (mut words, mut cause) = (kind.to_owned(), error.source());
    while let Some(why) = cause {
        words = format!("{words}: {why}");
        cause = why.source();
    }
    words
}
