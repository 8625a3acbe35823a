//! Why a request is refused: as its sender is told (RFC 6750 3), and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::problem::Problem;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Reason {
    NoCredentials,
    Malformed,
    Algorithm,
    UnknownKey,
    Signature,
    Expired,
    NotYet,
    Issuer,
    Audience,
    ApiKey,
    NoKeys,
    Permission,
    Address,
    OtherSite,
    TooMany,
}

impl Reason {
    pub(super) const ALL: [Self; 15] = [
        Self::NoCredentials,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
        Self::ApiKey,
        Self::NoKeys,
        Self::Permission,
        Self::Address,
        Self::OtherSite,
        Self::TooMany,
    ];

    /// Its name in the audit log; scripts look for them.
    pub(in crate::server) fn name(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::ApiKey => "api_key",
            Self::NoKeys => "no_issuer_keys",
            Self::Permission => "permission",
            Self::Address => "address",
            Self::OtherSite => "other_site",
            Self::TooMany => "too_many",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NoCredentials
            | Self::Malformed
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Expired
            | Self::NotYet
            | Self::Issuer
            | Self::Audience
            | Self::ApiKey => StatusCode::UNAUTHORIZED,
            Self::Permission | Self::Address | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server::api) struct Refusal {
    pub(super) reason: Reason,
    /// What is wrong and what to do; nothing of what was sent.
    detail: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(in crate::server::api) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None }
    }

    /// It is of use to ask again after so long.
    #[must_use]
    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.reason.status();
        let challenge = match (self.reason, status) {
            // Who has sent nothing has done nothing wrong (RFC 6750 3.1).
            (Reason::NoCredentials, _) => Some("Bearer realm=\"siprec\"".to_owned()),
            (_, StatusCode::UNAUTHORIZED) => {
                Some(format!("Bearer realm=\"siprec\", error=\"invalid_token\", error_description=\"{}\"", self.detail))
            }
            (Reason::Permission, _) => Some("Bearer realm=\"siprec\", error=\"insufficient_scope\"".to_owned()),
            _ => None,
        };
        let mut response = Problem::new(status, self.detail).into_response();
        let fields = response.headers_mut();
        if let Some(value) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            fields.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            fields.insert(header::RETRY_AFTER, wait.as_secs_f64().ceil().max(1.0).to_string().parse().unwrap_or(ONE));
        }
        response
    }
}

const ONE: HeaderValue = HeaderValue::from_static("1");

/// How many were refused since the start, by reason.
#[derive(Debug, Default)]
pub(in crate::server) struct Refusals([AtomicU64; Reason::ALL.len()]);

impl Refusals {
    pub(super) fn count(&self, reason: Reason) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each reason's.
    pub(in crate::server) fn all(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.0.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_counter() {
        let refusals = Refusals::default();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            (0..=index).for_each(|_| refusals.count(reason));
        }
        assert!(refusals.all().zip(1..).all(|((_, count), wanted)| count == wanted));
    }

    #[test]
    fn who_sent_nothing_is_challenged_and_who_sent_rubbish_is_told() {
        let field = |refusal: Refusal, name| {
            refusal.into_response().headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let nothing = field(Refusal::new(Reason::NoCredentials, "x"), header::WWW_AUTHENTICATE).unwrap();
        assert!(!nothing.contains("error"), "{nothing}");
        let expired = field(Refusal::new(Reason::Expired, "it has expired"), header::WWW_AUTHENTICATE).unwrap();
        assert!(expired.contains("error=\"invalid_token\", error_description=\"it has expired\""), "{expired}");
        assert!(field(Refusal::new(Reason::Address, "x"), header::WWW_AUTHENTICATE).is_none());
        let slow = Refusal::new(Reason::TooMany, "x").after(Duration::from_millis(1200));
        assert_eq!(field(slow, header::RETRY_AFTER).as_deref(), Some("2"));
    }
}
