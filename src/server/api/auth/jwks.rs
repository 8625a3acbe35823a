//! The keys of an issuer (RFC 7517), and whether a signature is one of theirs. A key fits one kind of signature only, whatever a
//! token says of itself, and none is a secret: so a public key is never taken for one of HMAC's.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

/// Keys of a set that are looked at.
const MAX_KEYS: usize = 64;

/// The keys of an issuer that we can verify by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys(Vec<Key>);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, where the issuer says so.
    only: Option<String>,
    public: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Keys {
    /// Reads a set. Keys of kinds that are unknown here are left out; a set of none but those is an error.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set =
            serde_json::from_slice(text).map_err(|error| format!("what is there is no set of keys: {error}"))?;
        let keys = set.keys.into_iter().take(MAX_KEYS).filter_map(|key| Key::of(&serde_json::from_value(key).ok()?));
        let keys: Vec<Key> = keys.collect();
        if keys.is_empty() {
            return Err("there is no key for signatures (RSA, P-256, P-384 or Ed25519) in its set".to_owned());
        }
        Ok(Self(keys))
    }

    /// The key by which a token is verified that names `id`; of one that names none, the only one of its kind.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fit = self.0.iter().filter(|key| key.fits(algorithm));
        match id {
            Some(id) => fit.find(|key| key.id.as_deref() == Some(id)),
            None => fit.next().filter(|_| fit.next().is_none()),
        }
    }

    /// Their ids, for the log.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|key| key.id.as_deref().unwrap_or("(without id)")).collect()
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|wanted| *wanted != PublicKeyUse::Signature) {
            return None;
        }
        let decoded = DecodingKey::from_jwk(jwk).ok()?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
        let public = match (&jwk.algorithm, decoded.kind()) {
            (AlgorithmParameters::RSA(_), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                Public::Rsa { n: n.clone(), e: e.clone() }
            }
            (AlgorithmParameters::EllipticCurve(key), DecodingKeyKind::SecretOrDer(point)) => match key.curve {
                EllipticCurve::P256 => Public::P256(point.clone()),
                EllipticCurve::P384 => Public::P384(point.clone()),
                _ => return None,
            },
            (AlgorithmParameters::OctetKeyPair(key), DecodingKeyKind::SecretOrDer(x)) => match key.curve {
                EllipticCurve::Ed25519 => Public::Ed25519(x.clone()),
                _ => return None,
            },
            _ => return None,
        };
        let only = common.key_algorithm.map(|algorithm| algorithm.to_string());
        Some(Self { id: common.key_id.clone(), only, public })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let is_only = self.only.as_ref().is_none_or(|only| *only == format!("{algorithm:?}"));
        is_only && (self.rsa(algorithm).is_some() || self.curve(algorithm).is_some())
    }

    /// Whether `signature` is this key's, over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if let Some((n, e, parameters)) = self.rsa(algorithm) {
            return RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok();
        }
        let verified = |(key, algorithm)| UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok();
        self.curve(algorithm).is_some_and(verified)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
    fn rsa(&self, algorithm: Algorithm) -> Option<(&[u8], &[u8], &'static RsaParameters)> {
        let Public::Rsa { n, e } = &self.public else { return None };
        let parameters = match algorithm {
            Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        };
        Some((n, e, parameters))
    }

    fn curve(&self, algorithm: Algorithm) -> Option<(&[u8], &'static dyn VerificationAlgorithm)> {
        match (&self.public, algorithm) {
            (Public::P256(point), Algorithm::ES256) => Some((point, &signature::ECDSA_P256_SHA256_FIXED)),
            (Public::P384(point), Algorithm::ES384) => Some((point, &signature::ECDSA_P384_SHA384_FIXED)),
            (Public::Ed25519(x), Algorithm::EdDSA) => Some((x, &signature::ED25519)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_keys_for_signatures_are_taken_and_each_fits_its_own_kind() {
        let set = br#"{"keys": [
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "EC", "kid": "sealing", "use": "enc", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "kid": "other", "crv": "secp256k1", "x": "AA", "y": "AA"},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA"},
            {"kty": "EC", "kid": "es", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "RSA", "kid": "rs", "alg": "RS256", "n": "AA", "e": "AQAB"},
            {"kty": "of the future", "kid": "new"}, {}]}"#;
        let keys = Keys::read(set).unwrap();
        assert_eq!(keys.ids(), ["ed", "es", "rs"]);
        let all = [
            Algorithm::HS256,
            Algorithm::RS256,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
        ];
        let fit =
            |id| all.into_iter().filter(|algorithm| keys.find(Some(id), *algorithm).is_some()).collect::<Vec<_>>();
        assert_eq!(fit("ed"), [Algorithm::EdDSA]);
        assert_eq!(fit("es"), [Algorithm::ES256]);
        assert_eq!(fit("rs"), [Algorithm::RS256], "the issuer says what it is for");
        assert!(keys.find(None, Algorithm::EdDSA).is_some() && keys.find(None, Algorithm::HS256).is_none());
        for bad in ["{}", "[]", r#"{"keys": []}"#, r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#, "\u{0}"] {
            assert!(Keys::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
