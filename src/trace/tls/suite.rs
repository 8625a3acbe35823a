//! Cipher suites by their numbers (IANA's registry).

use ring::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305, NONCE_LEN};
use ring::{hkdf, hmac};

/// How records are sealed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cipher {
    /// AES-GCM or ChaCha20-Poly1305; of its nonce, so many octets are sent in TLS 1.2.
    Aead { algorithm: &'static Algorithm, explicit: usize },
    /// AES-CCM: octets of the key, and of the tag.
    Ccm { key: usize, tag: usize },
    /// AES in CBC mode: octets of the key; and what the authentication code is.
    Cbc { key: usize, mac: &'static hmac::Algorithm },
}

/// RFC 5288 3.
const GCM_128: Cipher = Cipher::Aead { algorithm: &AES_128_GCM, explicit: 8 };
const GCM_256: Cipher = Cipher::Aead { algorithm: &AES_256_GCM, explicit: 8 };
/// RFC 7905 2.
const CHACHA20: Cipher = Cipher::Aead { algorithm: &CHACHA20_POLY1305, explicit: 0 };
/// RFC 6655 3 and 4.
const CCM_128: Cipher = Cipher::Ccm { key: 16, tag: 16 };
const CCM_256: Cipher = Cipher::Ccm { key: 32, tag: 16 };
const CCM_8_128: Cipher = Cipher::Ccm { key: 16, tag: 8 };
const CCM_8_256: Cipher = Cipher::Ccm { key: 32, tag: 8 };
/// RFC 5246 A.5.
const CBC_128: Cipher = Cipher::Cbc { key: 16, mac: &hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY };
const CBC_256: Cipher = Cipher::Cbc { key: 32, mac: &hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY };
const CBC_128_SHA256: Cipher = Cipher::Cbc { key: 16, mac: &hmac::HMAC_SHA256 };
const CBC_256_SHA256: Cipher = Cipher::Cbc { key: 32, mac: &hmac::HMAC_SHA256 };
/// RFC 5289 3.1.
const CBC_256_SHA384: Cipher = Cipher::Cbc { key: 32, mac: &hmac::HMAC_SHA384 };

/// Those that we open: TLS 1.3 first, then 1.2 by ciphers.
static SUITES: [(u16, &str, Cipher); 44] = [
    (0x1301, "TLS_AES_128_GCM_SHA256", GCM_128),
    (0x1302, "TLS_AES_256_GCM_SHA384", GCM_256),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256", CHACHA20),
    (0x1304, "TLS_AES_128_CCM_SHA256", CCM_128),
    (0x1305, "TLS_AES_128_CCM_8_SHA256", CCM_8_128),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", GCM_128),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384", GCM_256),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", GCM_128),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", GCM_256),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", GCM_128),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", GCM_256),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", GCM_128),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", GCM_256),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CHACHA20),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CHACHA20),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CHACHA20),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", CBC_128),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", CBC_128),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", CBC_256),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", CBC_256),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256", CBC_128_SHA256),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256", CBC_256_SHA256),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", CBC_128_SHA256),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", CBC_256_SHA256),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", CBC_128),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", CBC_256),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", CBC_128),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", CBC_256),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", CBC_128_SHA256),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", CBC_256_SHA384),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", CBC_128_SHA256),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", CBC_256_SHA384),
    (0xc09c, "TLS_RSA_WITH_AES_128_CCM", CCM_128),
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM", CCM_256),
    (0xc09e, "TLS_DHE_RSA_WITH_AES_128_CCM", CCM_128),
    (0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM", CCM_256),
    (0xc0a0, "TLS_RSA_WITH_AES_128_CCM_8", CCM_8_128),
    (0xc0a1, "TLS_RSA_WITH_AES_256_CCM_8", CCM_8_256),
    (0xc0a2, "TLS_DHE_RSA_WITH_AES_128_CCM_8", CCM_8_128),
    (0xc0a3, "TLS_DHE_RSA_WITH_AES_256_CCM_8", CCM_8_256),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", CCM_128),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", CCM_256),
    (0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", CCM_8_128),
    (0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", CCM_8_256),
];

/// Those that we do not open, and that are met all the same.
const OTHERS: [(u16, &str); 12] = [
    (0x0001, "TLS_RSA_WITH_NULL_MD5"),
    (0x0002, "TLS_RSA_WITH_NULL_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x003b, "TLS_RSA_WITH_NULL_SHA256"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
];

/// A suite that we open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) cipher: Cipher,
}

impl Suite {
    /// What a number is in TLS 1.2 or 1.3, if we open it.
    pub(super) fn known(number: u16, is_13: bool) -> Option<Self> {
        let of_version = |number: u16| (number >> 8 == 0x13) == is_13;
        let found = SUITES.iter().find(|(known, ..)| *known == number && of_version(number));
        found.map(|(_, name, cipher)| Self { name, cipher: *cipher })
    }

    /// What keys are derived with: SHA-384 where the suite's name says so, else SHA-256, also where it says SHA
    /// (RFC 5246 5).
    fn is_sha384(self) -> bool {
        self.name.ends_with("_SHA384")
    }

    pub(super) fn hkdf(self) -> hkdf::Algorithm {
        if self.is_sha384() { hkdf::HKDF_SHA384 } else { hkdf::HKDF_SHA256 }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        if self.is_sha384() { hmac::HMAC_SHA384 } else { hmac::HMAC_SHA256 }
    }
}

impl Cipher {
    pub(super) fn key_length(self) -> usize {
        match self {
            Self::Aead { algorithm, .. } => algorithm.key_len(),
            Self::Ccm { key, .. } | Self::Cbc { key, .. } => key,
        }
    }

    /// TLS 1.2: octets of the key for authentication codes, as many as those have (RFC 5246 A.6).
    pub(super) fn mac_key_length(self) -> usize {
        match self {
            Self::Aead { .. } | Self::Ccm { .. } => 0,
            Self::Cbc { mac, .. } => mac.digest_algorithm().output_len(),
        }
    }

    /// TLS 1.2: octets of the nonce that are sent with each record.
    pub(super) fn explicit_length(self) -> usize {
        match self {
            Self::Aead { explicit, .. } => explicit,
            Self::Ccm { .. } => 8,
            Self::Cbc { .. } => 0,
        }
    }

    /// TLS 1.2: octets of the nonce that are made with the keys.
    pub(super) fn implicit_length(self) -> usize {
        match self {
            Self::Aead { .. } | Self::Ccm { .. } => NONCE_LEN - self.explicit_length(),
            Self::Cbc { .. } => 0,
        }
    }
}

/// What a suite that we do not open is called.
pub(super) fn name(number: u16) -> String {
    let known = OTHERS.iter().find(|(other, _)| *other == number);
    known.map_or_else(|| format!("{number:#06x}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_what_its_name_says() {
        for (number, name, cipher) in &SUITES {
            let twins = SUITES.iter().filter(|(other, other_name, _)| other == number || other_name == name);
            assert_eq!(twins.count(), 1, "{name}");
            let is_13 = !name.contains("_WITH_");
            assert!(Suite::known(*number, is_13).is_some() && Suite::known(*number, !is_13).is_none(), "{name}");
            let key = if name.contains("AES_128") { 16 } else { 32 };
            assert_eq!(cipher.key_length(), key, "{name}");
            let (mac, mode) = match cipher {
                Cipher::Aead { explicit: 0, .. } => (0, "_CHACHA20_POLY1305_"),
                Cipher::Aead { .. } => (0, "_GCM_"),
                Cipher::Ccm { tag: 8, .. } => (0, "_CCM_8"),
                Cipher::Ccm { .. } => (0, "_CCM"),
                Cipher::Cbc { .. } if name.ends_with("_SHA384") => (48, "_CBC_"),
                Cipher::Cbc { .. } if name.ends_with("_SHA256") => (32, "_CBC_"),
                Cipher::Cbc { .. } => (20, "_CBC_SHA"),
            };
            assert!(cipher.mac_key_length() == mac && name.contains(mode), "{name}");
        }
        assert!(OTHERS.iter().all(|(other, _)| SUITES.iter().all(|(known, ..)| known != other)));
        assert_eq!((name(0x000a), name(0xfefe)), ("TLS_RSA_WITH_3DES_EDE_CBC_SHA".to_owned(), "0xfefe".to_owned()));
    }
}
