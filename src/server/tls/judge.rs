//! Whether a peer's certificate is accepted, and if not, why not: one judge a connection, so that what it saw can be
//! told in the log.
//!
//! ```text
//! certificate -> pinned? -> yes: accepted
//!                       \-> chain up to an anchor, in its time -> a name that is allowed -> accepted
//! ```

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use siprec_core::sip::PeerCertificate;
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{Certificate, fingerprint};
use crate::config::Pin;

/// id-kp-sipDomain (RFC 5924), as DER has it.
const SIP_DOMAIN: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 20];

/// By what peers are judged.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) provider: Arc<CryptoProvider>,
    /// Who vouches for peers.
    pub(super) anchors: Arc<[TrustAnchor<'static>]>,
    /// `server.tls.client_ca_file` names them: whoever they vouch for is a peer of ours.
    pub(super) anchors_are_ours: bool,
    pub(super) names: Vec<String>,
    pub(super) pins: Vec<Pin>,
    /// A client without a certificate stays outside.
    pub(super) mandatory: bool,
    /// A server may show whatever it likes.
    pub(super) lenient: bool,
}

/// A server that we connect to: its certificate is to be for its address, or for the name that it was called by.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub(super) address: IpAddr,
    pub(super) name: Option<String>,
}

impl Called {
    fn is(&self, peer: &PeerCertificate) -> bool {
        self.name.as_ref().map_or_else(|| peer.is_for(&self.address.to_string()), |name| peer.is_for(name))
    }
}

/// Judges one peer.
#[derive(Debug)]
pub(super) struct Judge {
    rules: Arc<Rules>,
    /// The server that we connect to; none for a client.
    server: Option<Called>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    accepted: Option<PeerCertificate>,
    /// Why it was not.
    refused: Option<String>,
}

impl Judge {
    /// Of who connects to us.
    pub(super) fn of_client(rules: Arc<Rules>) -> Self {
        Self { rules, server: None, seen: Mutex::default() }
    }

    /// Of whom we connect to.
    pub(super) fn of_server(rules: Arc<Rules>, called: Called) -> Self {
        Self { rules, server: Some(called), seen: Mutex::default() }
    }

    /// The certificate that was accepted.
    pub(super) fn accepted(&self) -> Option<PeerCertificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).accepted.take()
    }

    /// Why a certificate was refused.
    pub(super) fn refused(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).refused.take()
    }

    fn judge(&self, own: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let read = Certificate::read(own);
        let pinned = self.rules.pins.contains(&Pin(fingerprint(own)));
        let verdict = match &read {
            _ if pinned => Ok(()),
            Some(certificate) => self.chain_and_name(own, chain, certificate, now),
            None => Err((CertificateError::BadEncoding, "its certificate is no X.509".to_owned())),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Ok(()) => {
                let unread = || PeerCertificate { fingerprint_sha256: fingerprint(own), names: Vec::new() };
                seen.accepted = Some(read.map_or_else(unread, |certificate| certificate.peer));
                Ok(())
            }
            // Whoever it is: what it says of itself counts for nothing.
            Err(_) if self.server.is_some() && self.rules.lenient => Ok(()),
            Err((error, why)) => {
                seen.refused = Some(why);
                Err(Error::InvalidCertificate(error))
            }
        }
    }

    fn chain_and_name(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        certificate: &Certificate,
        now: UnixTime,
    ) -> Result<(), (CertificateError, String)> {
        if let Err(error) = self.chain(own, chain, now) {
            return Err(self.explain(&error, certificate));
        }
        let allowed = &self.rules.names;
        let name = self.server.as_ref().and_then(|called| called.name.as_deref());
        let is_itself = self.server.as_ref().is_some_and(|called| called.is(&certificate.peer));
        let is_named = allowed.iter().any(|name| certificate.peer.is_for(name));
        // Whom we called by an address may be anyone that our own CA vouches for; whom by a name, is to be that one.
        let is_any_of_ours = self.server.is_none() || (self.rules.anchors_are_ours && name.is_none());
        if is_named || (allowed.is_empty() && (is_itself || is_any_of_ours)) {
            return Ok(());
        }
        let wanted = match name {
            Some(name) if allowed.is_empty() => format!("not for {name}, by which it was called"),
            _ if allowed.is_empty() => "for none of server.tls.allowed_names (which is empty)".to_owned(),
            _ => format!("for none of server.tls.allowed_names ({})", allowed.join(" ")),
        };
        let why = format!("its certificate is {wanted}: {certificate}");
        Err((CertificateError::ApplicationVerificationFailure, why))
    }

    /// Whether one of our anchors vouches for it. SBCs show certificates made for servers or for clients alike (RFC
    /// 5922 7.1 asks for neither), or for SIP (RFC 5924).
    fn chain(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let own = EndEntityCert::try_from(own)?;
        let algorithms = self.rules.provider.signature_verification_algorithms.all;
        let usages = [KeyUsage::client_auth(), KeyUsage::server_auth(), KeyUsage::required_if_present(SIP_DOMAIN)];
        let mut last = webpki::Error::UnknownIssuer;
        for usage in usages {
            match own.verify_for_usage(algorithms, &self.rules.anchors, chain, now, usage, None, None) {
                Ok(_) => return Ok(()),
                Err(error @ webpki::Error::RequiredEkuNotFoundContext(_)) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "not an enum of ours, and open to more")]
    fn explain(&self, error: &webpki::Error, certificate: &Certificate) -> (CertificateError, String) {
        let pin = || format!("to accept it all the same, put its SHA-256 into server.tls.pins: {certificate}");
        // A chain that fails for a date fails as "expired", be it the peer's own or its CA's.
        match error {
            webpki::Error::CertExpired { .. } => {
                let (from, to) = (certificate.not_before, certificate.not_after);
                let text =
                    format!("its certificate has expired (valid from {from} to {to}; or its CA's has): {certificate}");
                (CertificateError::Expired, text)
            }
            webpki::Error::CertNotValidYet { .. } => {
                let from = certificate.not_before;
                let text =
                    format!("its certificate is not valid before {from} (are both clocks right?): {certificate}");
                (CertificateError::NotValidYet, text)
            }
            webpki::Error::UnknownIssuer => {
                let whose =
                    if self.rules.anchors_are_ours { "server.tls.client_ca_file" } else { "this machine's CAs" };
                let text = format!("none of {whose} vouches for its certificate; {}", pin());
                (CertificateError::UnknownIssuer, text)
            }
            webpki::Error::CaUsedAsEndEntity => {
                (CertificateError::BadEncoding, format!("its certificate is a CA's own; {}", pin()))
            }
            webpki::Error::RequiredEkuNotFoundContext(_) => {
                let text = format!("its certificate is for neither clients nor servers nor SIP; {}", pin());
                (CertificateError::InvalidPurpose, text)
            }
            other => (CertificateError::BadEncoding, format!("its certificate is not valid ({other}); {}", pin())),
        }
    }
}

impl ClientCertVerifier for Judge {
    fn client_auth_mandatory(&self) -> bool {
        self.rules.mandatory
    }

    /// None: a peer that has a certificate shows it, whoever issued it; pinned ones need no CA that we could name.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(own, chain, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.rules.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.rules.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rules.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(own, chain, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, own, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(self)
    }
}
