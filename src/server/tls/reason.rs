//! Why a handshake failed, in words for whoever has to mend it.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::config::TlsVersion;

/// The first byte of a TLS record that begins a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What somebody speaks who does not speak TLS, by the first bytes; `None` for TLS.
pub(super) fn not_tls(first: &[u8]) -> Option<&'static str> {
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
    match *first.first()? {
        HANDSHAKE_RECORD => None,
        _ if has(b" HTTP/") || begins(&["GET ", "HEAD ", "POST ", "PUT ", "PRI * "]) => {
            Some("it speaks HTTP: this port is for SIP over TLS")
        }
        _ if has(b"SIP/2.0") || begins(&SIP_METHODS) || first.starts_with(b"\r\n") => {
            Some("it speaks SIP without TLS: set its transport to TLS, or point it at server.address")
        }
        byte if byte & 0x80 != 0 && first.get(2) == Some(&1) => Some("it speaks SSL 2, which nobody should any more"),
        _ => Some("what it sent is not TLS"),
    }
}

/// The newest version that a client speaks, where that is older than any of ours: its hello says so in the clear
/// (RFC 5246 7.4.1.2; newer ones say 1.2 there, whatever else they speak).
pub(super) fn too_old(first: &[u8]) -> Option<&'static str> {
    match first.get(9..11)? {
        [3, 0] => Some("SSL 3"),
        [3, 1] => Some("TLS 1.0"),
        [3, 2] => Some("TLS 1.1"),
        _ => None,
    }
}

/// Why there is no connection to a client that speaks nothing newer than `version`.
pub(super) fn of_old(version: &str, oldest: TlsVersion) -> String {
    format!("no version in common: the other side speaks {version} at best; {}", ours(oldest))
}

const SIP_METHODS: [&str; 9] =
    ["INVITE ", "OPTIONS ", "REGISTER ", "BYE ", "ACK ", "CANCEL ", "UPDATE ", "MESSAGE ", "SUBSCRIBE "];

/// Why a handshake failed. `refused` is what our own judge had to say of the peer's certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
pub(super) fn of(error: &io::Error, refused: Option<String>, oldest: TlsVersion) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(why)) => refused.unwrap_or_else(|| of_certificate(why)),
        Some(error) => of_tls(error, oldest),
        None => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "it hung up in the middle of the handshake (if it does not trust our certificate, its log says so)"
                    .into()
            }
            _ => error.to_string(),
        },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::BadSignature => "it does not have the key of the certificate that it shows".into(),
        other => format!("its certificate cannot be used: {other}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
fn of_tls(error: &Error, oldest: TlsVersion) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "it showed no certificate, and server.tls.client_auth is required: give it one, or set optional".into()
        }
        Error::AlertReceived(alert) => format!("it sent the alert {alert:?}: {}", meaning(*alert)),
        Error::PeerIncompatible(why) => of_incompatible(why, oldest),
        Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => {
            format!("no version in common: {}", ours(oldest))
        }
        Error::InvalidMessage(why) => format!("what it sent is not TLS, or damaged ({why:?})"),
        Error::DecryptError => "its records cannot be decrypted: something on the way changes them".into(),
        Error::PeerMisbehaved(why) => format!("it breaks the rules of TLS ({why:?})"),
        other => other.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
fn of_incompatible(why: &PeerIncompatible, oldest: TlsVersion) -> String {
    match why {
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => format!("no version in common: {}", ours(oldest)),
        PeerIncompatible::NoCipherSuitesInCommon => {
            "no cipher suite in common: it must offer ECDHE with AES-GCM or ChaCha20-Poly1305, and one for our kind of \
             key (CBC and RSA key exchange are not spoken here)"
                .into()
        }
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => {
            "no key exchange in common: it must offer ECDHE with X25519, P-256 or P-384 (RSA key exchange is not spoken \
             here)"
                .into()
        }
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "no signature algorithm in common: it must offer SHA-256 with ECDSA or RSA".into()
        }
        PeerIncompatible::ExtendedMasterSecretExtensionRequired => {
            "it does not know the extended master secret (RFC 7627): it needs an update".into()
        }
        other => format!("it cannot be spoken with: {other:?}"),
    }
}

fn ours(oldest: TlsVersion) -> &'static str {
    match oldest {
        TlsVersion::V1_2 => "siprec speaks TLS 1.2 and 1.3",
        TlsVersion::V1_3 => "siprec speaks TLS 1.3 only (server.tls.min_version)",
    }
}

/// What a peer wants to say with its alert (RFC 8446 6.2).
#[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
pub(super) fn meaning(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => {
            "it does not know who issued our certificate: install that CA there, and put the whole chain into \
             server.tls.cert_file"
        }
        AlertDescription::CertificateExpired => "to it our certificate has expired: renew it, and look at its clock",
        AlertDescription::CertificateRevoked => "our certificate has been revoked: renew it",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            "it does not accept our certificate: look at its name (it must be the one that the peer connects to), its chain \
             and its kind of key"
        }
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it wants a certificate of ours: server.tls.cert_file is what it is shown"
        }
        AlertDescription::ProtocolVersion => "it speaks no version of TLS that we do",
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "no cipher suite, group or signature algorithm suits both sides"
        }
        AlertDescription::DecryptError => "a signature or key did not fit: something on the way changes messages",
        AlertDescription::InternalError => "something failed there: its log says what",
        AlertDescription::UserCanceled | AlertDescription::CloseNotify => "it gave up",
        _ => "RFC 8446 6.2 says what that means",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(error: Error) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, error)
    }

    #[test]
    fn who_speaks_something_else_is_told_by_what_it_speaks() {
        let says = |bytes: &[u8]| not_tls(bytes).unwrap_or("TLS");
        assert_eq!(says(&[0x16, 3, 1, 2, 0]), "TLS");
        assert!(says(b"INVITE sip:srs@b SIP/2.0\r\n").contains("SIP without TLS"));
        assert!(says(b"SIP/2.0 200 OK\r\n").contains("SIP without TLS"));
        assert!(says(b"\r\n\r\n").contains("SIP without TLS"), "a keep-alive");
        assert!(says(b"GET / HTTP/1.1\r\n").contains("HTTP"));
        assert_eq!(too_old(&[0x16, 3, 1, 0, 99, 1, 0, 0, 95, 3, 2, 7]), Some("TLS 1.1"));
        assert_eq!(too_old(&[0x16, 3, 1, 0, 99, 1, 0, 0, 95, 3, 3, 7]), None);
        assert!(says(&[0x80, 0x2e, 1, 0, 2]).contains("SSL 2"));
        assert!(says(&[0, 1, 2]).contains("not TLS"));
    }

    #[test]
    fn every_failure_has_a_remedy() {
        let old = TlsVersion::V1_2;
        let certificate = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(of(&io(certificate), Some("the judge".into()), old), "the judge");
        let alert = of(&io(Error::AlertReceived(AlertDescription::UnknownCA)), None, old);
        assert!(alert.contains("UnknownCA: it does not know who issued our certificate"), "{alert}");
        let version = of(&io(PeerIncompatible::SupportedVersionsExtensionRequired.into()), None, TlsVersion::V1_3);
        assert!(version.contains("server.tls.min_version"), "{version}");
        assert!(of(&io(Error::NoCertificatesPresented), None, old).contains("client_auth is required"));
        assert!(of(&ErrorKind::UnexpectedEof.into(), None, old).contains("hung up"));
    }
}
