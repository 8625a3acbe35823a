//! What is known of a peer by the certificate that it showed (mutual TLS, RFC 5922).

use alloc::string::String;
use alloc::vec::Vec;

/// A peer's certificate, as far as decisions need it. The handshake that proved it is the shell's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of its DER form.
    pub fingerprint_sha256: [u8; 32],
    /// The names that it is for: subject alternative names, else the common name.
    pub names: Vec<String>,
}
