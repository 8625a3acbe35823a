//! The issuer of tokens: where its keys are (OpenID Connect Discovery 1.0 4), fetched once, kept, and fetched again when they are
//! old or a token names one that is not among them. While the issuer is down the keys of before count on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::jwks::{Key, Keys};
use crate::config::{OAuth2Config, is_safe_source};

/// Below the issuer's URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// An issuer that does not answer by then is down.
const WITHIN: Duration = Duration::from_secs(5);
/// Longer answers are not read.
const MAX_ANSWER: usize = 256 << 10;
/// Tokens of unknown keys have the keys fetched again no more often than this: anybody can name a key that is not there.
const UNKNOWN_APART: Duration = Duration::from_secs(10);
/// An issuer that failed is tried again after so long.
const FAILED_APART: Duration = Duration::from_secs(2);
/// The same, where there are keys of before.
const REFRESH_APART: Duration = Duration::from_secs(30);

/// An issuer, and what is known of its keys.
#[derive(Debug)]
pub(super) struct Issuer {
    url: String,
    keys_for: Duration,
    client: reqwest::Client,
    known: Mutex<Known>,
    /// One fetches at a time; others wait for what comes of it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<Keys>>,
    /// When they came.
    fetched: Option<Instant>,
    unknown: Pace,
    first: Pace,
    refresh: Pace,
}

/// How many keys the issuer that `oauth2` names has; it is asked once.
///
/// # Errors
/// Why they cannot be had, in words.
pub fn keys_of_issuer(oauth2: &OAuth2Config) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let issuer = Issuer::new(oauth2).map_err(|error| error.to_string())?;
    let keys = runtime.map_err(|error| error.to_string())?.block_on(issuer.fetch())?;
    Ok(keys.ids().len())
}

/// What is done no more often than so.
#[derive(Debug, Default)]
struct Pace(Option<Instant>);

impl Pace {
    fn may(&mut self, apart: Duration, now: Instant) -> bool {
        let may = self.0.is_none_or(|last| now.saturating_duration_since(last) >= apart);
        if may {
            self.0 = Some(now);
        }
        may
    }
}

/// Why no key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has none of that name.
    Unknown,
    /// The issuer was never reached.
    Unreachable,
}

impl Issuer {
    /// The issuer that `oauth2` names. Nothing is fetched yet.
    pub(super) fn new(oauth2: &OAuth2Config) -> Result<Self, reqwest::Error> {
        // Who was first wins: it is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = oauth2.issuer.clone().unwrap_or_default();
        // An answer from elsewhere than was asked is nobody's.
        let client =
            reqwest::Client::builder().timeout(WITHIN).redirect(reqwest::redirect::Policy::none()).user_agent("siprec");
        let client = if url.starts_with("http://") { client.no_proxy() } else { client };
        Ok(Self {
            url,
            keys_for: oauth2.keys_for.0,
            client: client.build()?,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Whether it is the one that `oauth2` names.
    pub(super) fn is(&self, oauth2: &OAuth2Config) -> bool {
        oauth2.issuer.as_ref() == Some(&self.url) && oauth2.keys_for.0 == self.keys_for
    }

    /// The key that a token names.
    pub(super) async fn key(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<Key, NoKey> {
        let now = Instant::now();
        let find = |keys: &Keys| keys.find(id, algorithm).cloned();
        let Some(keys) = self.keys() else {
            let keys = self.fetch_once(|known| known.first.may(FAILED_APART, now), None).await;
            return keys.map_or(Err(NoKey::Unreachable), |keys| find(&keys).ok_or(NoKey::Unknown));
        };
        self.refresh_if_old(now);
        if let Some(key) = find(&keys) {
            return Ok(key);
        }
        let newer = self.fetch_once(|known| known.unknown.may(UNKNOWN_APART, now), Some(&keys)).await;
        newer.and_then(|keys| find(&keys)).ok_or(NoKey::Unknown)
    }

    /// Has the keys at hand before anybody asks, so that the log says at start whether they can be had.
    pub(super) async fn warm(self: Arc<Self>) {
        let now = Instant::now();
        self.fetch_once(|known| known.first.may(FAILED_APART, now), None).await;
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.lock().keys.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh_if_old(self: &Arc<Self>, now: Instant) {
        let mut known = self.lock();
        let is_old = known.fetched.is_some_and(|at| now.saturating_duration_since(at) >= self.keys_for);
        if is_old && known.refresh.may(REFRESH_APART, now) {
            let issuer = Arc::clone(self);
            tokio::spawn(async move { issuer.fetch_once(|_| true, issuer.keys().as_ref()).await });
        }
    }

    /// Fetches the keys if nobody has meanwhile, and if `may`; what is known then. `before` are those that did not do.
    async fn fetch_once(&self, may: impl FnOnce(&mut Known) -> bool, before: Option<&Arc<Keys>>) -> Option<Arc<Keys>> {
        let _turn = self.turn.lock().await;
        let now_known = self.keys();
        let is_newer = now_known.as_ref().is_some_and(|keys| before.is_none_or(|before| !Arc::ptr_eq(before, keys)));
        if is_newer || !may(&mut self.lock()) {
            return now_known;
        }
        match self.fetch().await {
            Ok(keys) => {
                let is_other = now_known.as_deref() != Some(&keys);
                if is_other {
                    tracing::info!(issuer = self.url, keys = ?keys.ids(), "the issuer's keys are here");
                }
                let keys = Arc::new(keys);
                let mut known = self.lock();
                known.fetched = Some(Instant::now());
                known.keys = Some(Arc::clone(&keys));
                Some(keys)
            }
            Err(why) => {
                let meanwhile =
                    if now_known.is_some() { "those of before count on" } else { "nobody with a token is let in" };
                tracing::warn!(issuer = self.url, "the issuer's keys cannot be fetched, {meanwhile}: {why}");
                now_known
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, String> {
        #[derive(Deserialize)]
        struct Discovered {
            issuer: String,
            jwks_uri: String,
        }
        let text = self.ask(&format!("{}{DISCOVERY}", self.url.trim_end_matches('/'))).await?;
        let found: Discovered = serde_json::from_slice(&text)
            .map_err(|error| format!("{DISCOVERY} is no document of an issuer: {error}"))?;
        if found.issuer != self.url {
            let said: String = found.issuer.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(format!("it calls itself {said}: if that is right, write auth.oauth2.issuer so"));
        }
        if !is_safe_source(&found.jwks_uri) {
            return Err("its jwks_uri is no https:// URL".to_owned());
        }
        Keys::read(&self.ask(&found.jwks_uri).await?)
    }

    async fn ask(&self, url: &str) -> Result<Vec<u8>, String> {
        let failed = |error: reqwest::Error| {
            // The library's own words leave out what lies beneath: refused, no such host, a certificate.
            let mut words = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(beneath) = cause {
                words = format!("{words}: {beneath}");
                cause = beneath.source();
            }
            words
        };
        let mut answer = self.client.get(url).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{url} is answered with {}", answer.status()));
        }
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_ANSWER {
                return Err(format!("{url} is longer than 256 KiB"));
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_its_pace_is_not_done_more_often() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let mut at = |seconds| pace.may(UNKNOWN_APART, begun + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(9), at(10), at(19), at(20)], [true, false, false, true, false, true]);
    }
}
