//! What shows a running server who asks.

/// The variable that has a token.
const VARIABLE: &str = "SIPREC_TOKEN";

/// The token that was given, or the environment's, which other users do not see.
pub(super) fn token(given: Option<String>) -> Option<String> {
    given.or_else(|| std::env::var(VARIABLE).ok()).filter(|token| !token.is_empty())
}
