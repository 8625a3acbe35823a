//! Cipher suites by their numbers (IANA's registry).

use ring::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305};
use ring::{hkdf, hmac};

/// A suite that we open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suite {
    pub(super) cipher: &'static Algorithm,
    pub(super) is_sha384: bool,
    /// TLS 1.2: octets of the nonce that are sent (RFC 5288 3), none with ChaCha20 (RFC 7905 2).
    pub(super) explicit: usize,
}

impl Suite {
    /// What a number is in TLS 1.2 or 1.3, if we open it.
    pub(super) fn known(number: u16, is_13: bool) -> Option<Self> {
        let (cipher, is_sha384) = match (number, is_13) {
            (0x1301, true) => (&AES_128_GCM, false),
            (0x1302, true) => (&AES_256_GCM, true),
            (0x1303, true) => (&CHACHA20_POLY1305, false),
            // RSA, DHE-RSA, ECDHE-ECDSA, ECDHE-RSA.
            (0x009c | 0x009e | 0xc02b | 0xc02f, false) => (&AES_128_GCM, false),
            (0x009d | 0x009f | 0xc02c | 0xc030, false) => (&AES_256_GCM, true),
            (0xcca8..=0xccaa, false) => (&CHACHA20_POLY1305, false),
            _ => return None,
        };
        let explicit = if is_13 || cipher == &CHACHA20_POLY1305 { 0 } else { 8 };
        Some(Self { cipher, is_sha384, explicit })
    }

    pub(super) fn hkdf(self) -> hkdf::Algorithm {
        if self.is_sha384 { hkdf::HKDF_SHA384 } else { hkdf::HKDF_SHA256 }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        if self.is_sha384 { hmac::HMAC_SHA384 } else { hmac::HMAC_SHA256 }
    }
}

/// What a suite that we do not open is called.
pub(super) fn name(number: u16) -> String {
    let known = match number {
        0x0005 => "TLS_RSA_WITH_RC4_128_SHA",
        0x000a => "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        0x002f => "TLS_RSA_WITH_AES_128_CBC_SHA",
        0x0033 => "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
        0x0035 => "TLS_RSA_WITH_AES_256_CBC_SHA",
        0x0039 => "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
        0x003c => "TLS_RSA_WITH_AES_128_CBC_SHA256",
        0x003d => "TLS_RSA_WITH_AES_256_CBC_SHA256",
        0x0067 => "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
        0x006b => "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
        0x1304 => "TLS_AES_128_CCM_SHA256",
        0x1305 => "TLS_AES_128_CCM_8_SHA256",
        0xc009 => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        0xc00a => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        0xc013 => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        0xc014 => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        0xc023 => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        0xc024 => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
        0xc027 => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        0xc028 => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        _ => "",
    };
    if known.is_empty() { format!("{number:#06x}") } else { known.to_owned() }
}
