//! API keys: made, shown once, known by their hash.

use sha2::{Digest as _, Sha256};
use siprec_core::time::Wall;

use super::refusal::{Reason, Refusal};
use crate::config::{ApiKey, KEY_PREFIX};

/// Whose key it is.
pub(super) fn owner<'a>(key: &str, rows: &'a [ApiKey], now: Wall) -> Result<&'a ApiKey, Refusal> {
    let hash: [u8; 32] = Sha256::digest(key).into();
    // All rows are looked at, whichever it is.
    let found = rows.iter().fold(None, |found, row| if is_same(&row.sha256.0, &hash) { Some(row) } else { found });
    let row = found.ok_or_else(|| Refusal::new(Reason::ApiKey, "the API key is none of auth.api_keys"))?;
    match row.expires {
        Some(expires) if expires.0 <= now => Err(Refusal::new(Reason::Expired, "the API key has expired")),
        _ => Ok(row),
    }
}

/// Whether a text says of itself that it is a key of ours.
pub(super) fn is_key(text: &str) -> bool {
    text.starts_with(KEY_PREFIX)
}

/// In the same time wherever they differ.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Expiry, KeyHash};

    #[test]
    fn a_key_is_known_by_its_hash_until_it_expires() {
        let row = |name: &str, key: &str, expires| ApiKey {
            name: name.into(),
            sha256: KeyHash(Sha256::digest(key).into()),
            roles: Vec::new(),
            expires,
        };
        let rows = [row("a", "siprec_a", None), row("b", "siprec_b", Some(Expiry(Wall(100))))];
        let owner = |key: &str, now| owner(key, &rows, Wall(now)).map(|row| row.name.clone()).map_err(|no| no.reason);
        assert_eq!(owner("siprec_a", 1_000), Ok("a".into()));
        assert_eq!((owner("siprec_b", 99), owner("siprec_b", 100)), (Ok("b".into()), Err(Reason::Expired)));
        for wrong in ["", "siprec_", "siprec_A", "siprec_a ", "a"] {
            assert_eq!(owner(wrong, 0), Err(Reason::ApiKey), "{wrong}");
        }
    }
}
