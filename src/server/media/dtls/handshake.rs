//! One handshake with one peer, without sockets or clocks: datagrams and moments in; datagrams, then master keys out.
//!
//! The peer's certificate is held against its fingerprints as soon as it is shown: who shows another gets no further
//! message, and no key ever leaves here (RFC 5763 5).

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dimpl::{CertificateError, Config, Dtls, Error, Output, SecurityError, SrtpProfile};
use siprec_core::sdp::crypto::{MasterKey, Suite};
use siprec_core::sdp::dtls::Role;
use siprec_core::sdp::fingerprint::{Fingerprint, HashFunction, verifies};

use super::identity::Identity;

/// More than any record that dimpl makes: it keeps datagrams below its MTU.
const DATAGRAM: usize = 2_048;
/// The longest certificate that is taken.
const CERTIFICATE: usize = 16_384;
/// Octets of a random (RFC 5246 7.4.1.2).
const RANDOM: usize = 32;

/// What a handshake yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// What the peer protects with.
    pub theirs: MasterKey,
    /// What we protect with.
    pub ours: MasterKey,
    /// The DTLS version, for the log.
    pub version: &'static str,
}

/// Why a handshake came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The certificate is not one that the description names: its fingerprint.
    Certificate(Fingerprint),
    /// No certificate, or none with a key that we know: the peer was told that ECDSA with P-256 or P-384 is needed.
    NoCertificate,
    /// The peer offers no SRTP profile that we have.
    NoProfile,
    /// The peer does not know the extended master secret (RFC 7627).
    NoExtendedMasterSecret,
    /// No cipher suite in common.
    NoCipher,
    /// The peer did not answer in time.
    Timeout,
    /// It broke the protocol.
    Protocol(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(shown) => {
                write!(f, "it showed a certificate that its SDP does not name: {shown}")
            }
            Self::NoCertificate => f.write_str(
                "it showed no certificate that can be used: one with an ECDSA key (P-256 or P-384) is needed",
            ),
            Self::NoProfile => f.write_str(
                "it offers none of SRTP_AEAD_AES_256_GCM, SRTP_AEAD_AES_128_GCM and SRTP_AES128_CM_HMAC_SHA1_80",
            ),
            Self::NoExtendedMasterSecret => f.write_str("it does not know the extended master secret (RFC 7627)"),
            Self::NoCipher => f.write_str("it offers no cipher suite of ECDHE-ECDSA with AES-GCM"),
            Self::Timeout => f.write_str("it did not answer in time"),
            Self::Protocol(why) => f.write_str(why),
        }
    }
}

/// What an event made of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on, or nothing came of the event.
    Going,
    /// It is done. The handshake is kept for a while: a peer that missed our last message repeats its own.
    Done(Box<Keys>),
}

/// A handshake.
pub(super) struct Handshake {
    dtls: Dtls,
    role: Role,
    fingerprints: Vec<Fingerprint>,
    due: Option<Instant>,
    is_verified: bool,
    is_connected: bool,
    is_done: bool,
    buffer: Vec<u8>,
}

impl Handshake {
    /// Begins one; as a client, its first message comes of the first [`Handshake::tick`].
    pub(super) fn new(
        config: &Arc<Config>,
        identity: &Identity,
        role: Role,
        fingerprints: Vec<Fingerprint>,
        now: Instant,
    ) -> Self {
        let mut dtls = Dtls::new_auto(Arc::clone(config), identity.certificate.clone(), now);
        dtls.set_active(role == Role::Client);
        Self {
            dtls,
            role,
            fingerprints,
            due: None,
            is_verified: false,
            is_connected: false,
            is_done: false,
            buffer: vec![0; DATAGRAM],
        }
    }

    /// A datagram of the peer's.
    ///
    /// # Errors
    /// The handshake is over without keys: drop it.
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        send: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, Refused> {
        let went = self.dtls.handle_timeout(now).and_then(|()| self.dtls.handle_packet(datagram));
        self.went(went, send)
    }

    /// Time has passed: repeats what was not answered.
    ///
    /// # Errors
    /// The handshake is over without keys: drop it.
    pub(super) fn tick(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, Refused> {
        let went = self.dtls.handle_timeout(now);
        self.went(went, send)
    }

    /// When [`Handshake::tick`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What dimpl has to send leaves even where it gives up: alerts are among it.
    fn went(&mut self, went: Result<(), Error>, send: &mut dyn FnMut(&[u8])) -> Result<Progress, Refused> {
        let progress = self.poll(send)?;
        went.map(|()| progress).map_err(|error| refused(&error))
    }

    fn poll(&mut self, send: &mut dyn FnMut(&[u8])) -> Result<Progress, Refused> {
        let mut keys = None;
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(datagram) => send(datagram),
                Output::BufferTooSmall { needed } if needed <= CERTIFICATE => self.buffer.resize(needed, 0),
                Output::BufferTooSmall { .. } => return Err(Refused::Protocol("its certificate is too long".into())),
                Output::PeerCert(certificate) => {
                    if !verifies(&self.fingerprints, certificate) {
                        return Err(Refused::Certificate(Fingerprint::of(HashFunction::Sha256, certificate)));
                    }
                    self.is_verified = true;
                }
                Output::KeyingMaterial(material, profile) => {
                    let version = self.version();
                    keys = split(self.role, profile, &material, version);
                }
                Output::Connected => self.is_connected = true,
                Output::Timeout(at) => {
                    self.due = Some(at);
                    break;
                }
                // A peer has nothing to say inside of DTLS, and its goodbye ends no media: BYE does.
                Output::ApplicationData(_) | Output::CloseNotify => {}
                _ => {}
            }
        }
        if !self.is_connected || self.is_done {
            return Ok(Progress::Going);
        }
        // Connected without a certificate that was seen here cannot be: our configuration demands one.
        match keys.filter(|_| self.is_verified) {
            Some(keys) => {
                self.is_done = true;
                Ok(Progress::Done(Box::new(keys)))
            }
            None => Err(if self.is_verified { Refused::NoProfile } else { Refused::NoCertificate }),
        }
    }

    fn version(&self) -> &'static str {
        match self.dtls.protocol_version() {
            Some(version) if version == dimpl::ProtocolVersion::DTLS1_3 => "DTLS 1.3",
            Some(_) | None => "DTLS 1.2",
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("dtls", &self.dtls).field("is_done", &self.is_done).finish_non_exhaustive()
    }
}

/// Keys of client and server, then salts of both (RFC 5764 4.2).
fn split(role: Role, profile: SrtpProfile, material: &[u8], version: &'static str) -> Option<Keys> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = (suite.key_length(), suite.salt_length());
    let (keys, salts) = material.split_at_checked(2 * key)?;
    let (client_key, server_key) = keys.split_at_checked(key)?;
    let (client_salt, server_salt) = salts.split_at_checked(salt)?;
    let client = MasterKey::from_parts(suite, client_key, client_salt)?;
    let server = MasterKey::from_parts(suite, server_key, server_salt)?;
    let (theirs, ours) = match role {
        Role::Server => (client, server),
        Role::Client => (server, client),
    };
    Some(Keys { theirs, ours, version })
}

fn refused(error: &Error) -> Refused {
    use CertificateError::{NoClientCertificateReceived, NoServerCertificateReceived};
    use SecurityError::{ExtendedMasterSecretNotNegotiated, NoMutuallyAcceptableCipherSuite};
    if let Error::CertificateError(NoClientCertificateReceived | NoServerCertificateReceived) = error {
        Refused::NoCertificate
    } else if let Error::SecurityError(ExtendedMasterSecretNotNegotiated) = error {
        Refused::NoExtendedMasterSecret
    } else if let Error::SecurityError(NoMutuallyAcceptableCipherSuite) = error {
        Refused::NoCipher
    } else if let Error::Timeout(_) = error {
        Refused::Timeout
    } else {
        Refused::Protocol(error.to_string())
    }
}

/// Whether a datagram is DTLS (RFC 7983 7).
pub fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..=63).contains(first))
}

/// The client's random, where a datagram begins with a ClientHello (RFC 6347 4.2.2): a client that begins anew is told
/// by it from one that repeats itself, with a cookie or without.
pub(super) fn client_hello(datagram: &[u8]) -> Option<[u8; RANDOM]> {
    /// Of the record, and of the handshake message behind it.
    const HEADERS: usize = 13 + 12;
    let is_handshake = datagram.first() == Some(&22) && datagram.get(3..5) == Some(&[0, 0]);
    let is_first = datagram.get(13) == Some(&1) && datagram.get(19..22) == Some(&[0, 0, 0]);
    let random = datagram.get(HEADERS + 2..HEADERS + 2 + RANDOM)?;
    (is_handshake && is_first).then(|| random.try_into().ok()).flatten()
}
