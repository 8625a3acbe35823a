//! Who may use the API.
//!
//! ```text
//! request -> credentials -> token (by the issuer's keys) | api key | certificate | nobody -> roles -> grants -> guard
//! ```
//! Whatever is refused is counted by its reason, and told in the audit log within bounds.

mod api_key;
mod browser;
mod credentials;
mod document;
mod entries;
mod grants;
mod issuer;
mod jwks;
mod rate;
mod refusal;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use siprec_core::seed::RecordingId;
use siprec_core::session::site;
use siprec_core::sip::PeerCertificate;
use siprec_core::time::Wall;

use self::credentials::Credentials;
pub(super) use self::document::Guarded;
use self::entries::Entries;
pub(super) use self::grants::{Grants, Scope};
pub use self::issuer::keys_of_issuer;
use self::issuer::{Issuer, NoKey};
use self::rate::Rates;
use self::refusal::Refusals;
pub(super) use self::refusal::{Reason, Refusal};
use self::token::Unproven;
use crate::archive::audit::Origin;
use crate::config::{AuthConfig, AuthProvider, CertificateRow, Config, WebOrigin};
use crate::server::auditing::Pen;
use crate::wall;

/// What is not told when it is refused is told this often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
const SECOND_NS: i64 = 1_000_000_000;

/// Who asks, as far as is proven.
#[derive(Debug)]
pub(super) struct Identity {
    /// As the audit log has it.
    pub(super) who: String,
    pub(super) grants: Grants,
    /// Until when that is proven; none: until somebody takes it back.
    pub(super) expires: Option<Wall>,
    way: Way,
}

/// By what they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By nothing: the API is open.
    Nothing,
    Token,
    Key,
    Certificate,
}

/// Whose requests are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counted {
    Caller(String),
    /// Of who is not known; of IPv6 a /64.
    Site(IpAddr),
    /// The same, of what is for everybody: who guesses tokens does not keep health checks from their answer.
    Open(IpAddr),
}

/// Lets callers in, and counts whom it does not.
#[derive(Debug)]
pub(in crate::server) struct Auth {
    pen: Pen,
    issuer: Mutex<Option<Arc<Issuer>>>,
    rates: Rates<Counted>,
    entries: Entries,
    refusals: Refusals,
}

impl Auth {
    pub(in crate::server) fn new(pen: Pen) -> Self {
        let (issuer, rates, entries, refusals) = Default::default();
        Self { pen, issuer, rates, entries, refusals }
    }

    /// How many were refused, by reason.
    pub(super) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Who sends a request to `route`.
    pub(super) async fn identify(&self, request: &Parts, route: &str, auth: &AuthConfig) -> Result<Identity, Refusal> {
        if auth.is_open() {
            return Ok(Identity {
                who: "API user".to_owned(),
                grants: Grants::all(),
                expires: None,
                way: Way::Nothing,
            });
        }
        let of = |who: String, roles: &[String], expires, way| Identity {
            who,
            grants: Grants::of(roles, &auth.roles),
            expires,
            way,
        };
        match credentials::shown(&request.headers, (&request.method, &request.uri), route)? {
            Credentials::Key(key) => {
                let row = api_key::owner(key, &auth.api_keys, wall::now())?;
                Ok(of(format!("key {}", row.name), &row.roles, row.expires.map(|expires| expires.0), Way::Key))
            }
            Credentials::Token(_) if auth.provider == AuthProvider::None => Err(Refusal::new(
                Reason::ApiKey,
                "tokens are not taken here (auth.provider); API keys begin with siprec_",
            )),
            Credentials::Token(token) => {
                let user = self.user(token, auth).await?;
                Ok(of(format!("user {}", user.name), &user.roles, Some(user.expires), Way::Token))
            }
            Credentials::Nothing => {
                let certificate = request.extensions.get::<PeerCertificate>();
                certificate.map(|certificate| of_certificate(certificate, auth)).ok_or_else(|| {
                    Refusal::new(
                        Reason::NoCredentials,
                        "say who you are: send `Authorization: Bearer TOKEN`, or an API key as X-API-Key",
                    )
                })
            }
        }
    }

    async fn user(&self, token: &str, auth: &AuthConfig) -> Result<token::User, Refusal> {
        let unproven = Unproven::read(token, &auth.oauth2)?;
        let unreachable = || {
            let refusal =
                Refusal::new(Reason::NoKeys, "the issuer of tokens cannot be reached: the server's log says why");
            refusal.after(Duration::from_secs(5))
        };
        let issuer = self.issuer(auth).ok_or_else(unreachable)?;
        let key = issuer.key(unproven.key_id.as_deref(), unproven.algorithm).await.map_err(|why| match why {
            NoKey::Unknown => Refusal::new(Reason::UnknownKey, "the token is signed by no key of its issuer"),
            NoKey::Unreachable => unreachable(),
        })?;
        unproven.verify(&key, &auth.oauth2, wall::now().0 / SECOND_NS)
    }

    /// The issuer of the configuration in force; with another one, keys are fetched anew.
    fn issuer(&self, auth: &AuthConfig) -> Option<Arc<Issuer>> {
        let mut issuer = self.issuer.lock().unwrap_or_else(PoisonError::into_inner);
        if !issuer.as_ref().is_some_and(|issuer| issuer.is(&auth.oauth2)) {
            let made = Issuer::new(&auth.oauth2);
            *issuer = made.inspect_err(|error| tracing::error!(%error, "auth.oauth2.issuer")).ok().map(Arc::new);
        }
        issuer.clone()
    }

    /// Counts a request of a caller.
    pub(super) fn count_caller(&self, identity: &Identity, from: SocketAddr, rate: u32) -> Result<(), Refusal> {
        match identity.way {
            Way::Nothing => self.count_stranger(from, rate),
            Way::Token | Way::Key | Way::Certificate => self.count(Counted::Caller(identity.who.clone()), rate),
        }
    }

    /// Counts a request of who is not known.
    pub(super) fn count_stranger(&self, from: SocketAddr, rate: u32) -> Result<(), Refusal> {
        self.count(Counted::Site(site(from.ip())), rate)
    }

    /// Counts a request for what is for everybody.
    pub(super) fn count_open(&self, from: SocketAddr, rate: u32) -> Result<(), Refusal> {
        self.count(Counted::Open(site(from.ip())), rate)
    }

    fn count(&self, counted: Counted, rate: u32) -> Result<(), Refusal> {
        self.rates.count(counted, rate, Instant::now()).map_err(|wait| {
            Refusal::new(Reason::TooMany, format!("more than {rate} requests a second (api.rate_limit)")).after(wait)
        })
    }

    /// A caller was let in.
    pub(super) fn came(&self, identity: &Identity, from: SocketAddr) {
        let way = match identity.way {
            Way::Nothing => return,
            Way::Token => "token",
            Way::Key => "api_key",
            Way::Certificate => "certificate",
        };
        let origin = Origin { who: identity.who.clone(), from: from.ip().to_canonical().to_string() };
        if let Some(act) = self.entries.came(&origin, way, Instant::now()) {
            self.pen.tell(act);
        }
    }

    /// Whether a caller begins to hear a recording: a player asks for it in many parts, in whatever order.
    pub(super) fn begins_to_hear(&self, origin: &Origin, recording: RecordingId) -> bool {
        self.entries.begins_to_hear(origin, recording, Instant::now())
    }

    /// A request was refused.
    pub(super) fn refused(&self, refusal: &Refusal, known: Option<&str>, from: SocketAddr) {
        self.refusals.count(refusal.reason);
        let who = known.unwrap_or("unknown").to_owned();
        let origin = Origin { who, from: from.ip().to_canonical().to_string() };
        let reason = refusal.reason.name();
        tracing::debug!(reason, from = origin.from, "the API: refused");
        if let Some(act) = self.entries.refused(refusal, &self.refusals, &origin, Instant::now()) {
            tracing::warn!(reason, from = origin.from, "the API: refused; more of this kind are told once a minute");
            self.pen.tell(act);
        }
    }

    /// Has the issuer's keys at hand, then tells what was not told, for ever.
    pub(super) async fn watch(self: Arc<Self>, config: Arc<crate::config::Loaded>) {
        let auth = &config.config.auth;
        if auth.provider == AuthProvider::Oauth2
            && let Some(issuer) = self.issuer(auth)
        {
            issuer.warm().await;
        }
        drop(config);
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        loop {
            ticks.tick().await;
            for (reason, count) in self.entries.rest(&self.refusals, Instant::now()) {
                tracing::warn!(reason = reason.name(), count, "the API: refused in the last minutes");
                self.pen.tell(entries::act(reason, count));
            }
        }
    }
}

fn of_certificate(certificate: &PeerCertificate, auth: &AuthConfig) -> Identity {
    let is_pinned = |row: &&CertificateRow| row.fingerprint.is_some_and(|pin| pin.0 == certificate.fingerprint_sha256);
    let is_named = |row: &&CertificateRow| row.name.as_ref().is_some_and(|name| certificate.is_for(name));
    let rows = &auth.certificates;
    // What names itself is let in by its fingerprint: nobody vouches for the names that it has.
    let ours: Vec<_> = match rows.iter().any(|row| is_pinned(&row)) {
        true => rows.iter().filter(is_pinned).collect(),
        false => rows.iter().filter(is_named).collect(),
    };
    let roles: Vec<String> = ours.into_iter().flat_map(|row| row.roles.iter().cloned()).collect();
    let called = certificate.names.first().cloned().unwrap_or_else(|| certificate.fingerprint());
    let grants = Grants::of(&roles, &auth.roles);
    Identity { who: format!("certificate {called}"), grants, expires: None, way: Way::Certificate }
}

impl Identity {
    /// Refuses what a page of another site has a browser send in the caller's name.
    pub(super) fn refuse_other_sites(&self, request: &Parts, config: &Config) -> Result<(), Refusal> {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| request.uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
        match self.way {
            Way::Token | Way::Key => Ok(()),
            Way::Certificate => browser::refuse_others(&request.headers, host, &config.api.cors),
            Way::Nothing => {
                browser::refuse_others(&request.headers, host, &config.api.cors)?;
                browser::refuse_names(host)
            }
        }
    }
}

/// The page that asks, where it may, and the answer to a browser that only wants to know whether it may.
pub(super) fn page(request: &Parts, cors: &[WebOrigin]) -> (Option<HeaderValue>, Option<Response>) {
    let origin = browser::admitted(&request.headers, cors);
    let answer = if origin.is_some() { browser::preflight(&request.method, &request.headers) } else { None };
    (origin, answer)
}

/// Lets a page see an answer.
pub(super) fn show_page(origin: Option<HeaderValue>, response: &mut Response) {
    if let Some(origin) = origin {
        browser::show(origin, response);
    }
}

/// The address of a request without the token in it, if there is one.
pub(super) fn without_token(uri: &Uri) -> Option<Uri> {
    credentials::without_token(uri)
}
