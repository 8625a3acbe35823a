//! DTLS-SRTP in SDP (RFC 5763, RFC 8842): who begins the handshake, whose certificate it must show, and whether an
//! exchange of descriptions keeps an association or asks for another.
//!
//! ```text
//! an m-line's attributes -> Theirs::read -> Association::agree(before) -> the shell's handshake -> master keys
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use super::DtlsAttributes;
use super::fingerprint::{Fingerprint, FingerprintError, HashFunction, MAX_FINGERPRINTS, verifies};
use crate::seed::Random;

/// Letters of a `tls-id` (RFC 8842 4).
const TLS_ID_LETTERS: core::ops::RangeInclusive<usize> = 20..=255;

/// The transports that say DTLS-SRTP (RFC 5764 8, and as some peers write it).
pub fn is_dtls(proto: &str) -> bool {
    ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"].iter().any(|known| known.eq_ignore_ascii_case(proto))
}

/// `a=setup` (RFC 4145 4): who begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Setup {
    /// Who writes it begins.
    Active,
    /// Who writes it waits.
    Passive,
    /// Who answers chooses.
    ActPass,
    /// Nobody begins; not for DTLS (RFC 8842 5).
    HoldConn,
}

impl Setup {
    const ALL: [Self; 4] = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setup| setup.as_str().eq_ignore_ascii_case(name.trim()))
    }
}

/// Our part in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// We begin, because the peer insists on waiting.
    Client,
    /// We wait: through its NAT a peer reaches us, we may not reach it.
    Server,
}

impl Role {
    /// What our answer says.
    pub fn setup(self) -> Setup {
        match self {
            Self::Client => Setup::Active,
            Self::Server => Setup::Passive,
        }
    }
}

/// Why an m-line's DTLS cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtlsError {
    /// No `a=fingerprint`, for the m-line or for the session.
    NoFingerprint,
    /// Not one that can be read.
    Fingerprint,
    /// None but of hash functions that are forbidden or unknown.
    Hash,
    /// `a=setup:holdconn`, or another word that names no role.
    Setup,
    /// Both ends want to begin, or both to wait.
    Roles,
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFingerprint => "there is no a=fingerprint",
            Self::Fingerprint => "its a=fingerprint cannot be read",
            Self::Hash => "its a=fingerprint has no hash function that may be used (SHA-256 is what all know)",
            Self::Setup => "its a=setup is neither actpass, active nor passive",
            Self::Roles => "its a=setup leaves nobody, or both, to begin",
        })
    }
}

/// What a peer's description says of DTLS for one m-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theirs {
    /// The certificates that it may show.
    pub fingerprints: Vec<Fingerprint>,
    /// Who begins; `None` where nothing is said.
    pub setup: Option<Setup>,
    /// Names the association (RFC 8842 4), with ours beside it.
    pub tls_id: Option<String>,
}

impl Theirs {
    /// Reads an m-line's attributes. Fingerprints that cannot be used are passed over as long as one can; a malformed `tls-id` counts as none.
    ///
    /// # Errors
    /// [`DtlsError`].
    pub fn read(attributes: &DtlsAttributes) -> Result<Self, DtlsError> {
        let (mut usable, mut why) = (Vec::new(), DtlsError::NoFingerprint);
        for value in attributes.fingerprints.iter().take(MAX_FINGERPRINTS) {
            match Fingerprint::parse(value) {
                Ok(fingerprint) => usable.push(fingerprint),
                Err(FingerprintError::UnknownHash) => why = DtlsError::Hash,
                Err(FingerprintError::Malformed) => why = DtlsError::Fingerprint,
            }
        }
        if usable.is_empty() {
            return Err(why);
        }
        let setup = match attributes.setup.as_deref().map(Setup::from_name) {
            None => None,
            Some(Some(Setup::HoldConn) | None) => return Err(DtlsError::Setup),
            Some(setup) => setup,
        };
        Ok(Self { fingerprints: usable, setup, tls_id: attributes.tls_id.as_deref().and_then(checked_tls_id) })
    }

    /// Whether nothing stronger than SHA-1 vouches for its certificate.
    pub fn is_weak(&self) -> bool {
        self.fingerprints.iter().all(|fingerprint| fingerprint.hash() == HashFunction::Sha1)
    }

    /// Our part, if this is an offer. A role that was agreed on is kept where the choice is ours (RFC 8842 5.3).
    fn role_of_answerer(&self, before: Option<Role>) -> Role {
        match self.setup {
            Some(Setup::Passive) => Role::Client,
            Some(Setup::ActPass) => before.unwrap_or(Role::Server),
            // Where an offer says nothing, it means `active` (RFC 4145 4).
            Some(Setup::Active | Setup::HoldConn) | None => Role::Server,
        }
    }

    /// Our part, if this answers our `actpass`.
    fn role_of_offerer(&self) -> Result<Role, DtlsError> {
        match self.setup {
            Some(Setup::Active) => Ok(Role::Server),
            // Where an answer says nothing, it means `passive` (RFC 4145 4).
            Some(Setup::Passive) | None => Ok(Role::Client),
            Some(Setup::ActPass | Setup::HoldConn) => Err(DtlsError::Roles),
        }
    }
}

/// Which side's description settles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// They offer, we answer.
    Answerer,
    /// We offered `actpass`, they answer.
    Offerer,
}

/// A DTLS association as it was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// Counts the associations of a stream, from 0: another number asks for another handshake.
    pub number: u32,
    /// Our part.
    pub role: Role,
    /// The certificates that the peer may show.
    pub fingerprints: Vec<Fingerprint>,
    /// Theirs.
    #[serde(default)]
    pub their_tls_id: Option<String>,
    /// Ours; only where they have one (RFC 8842 5.3).
    #[serde(default)]
    pub our_tls_id: Option<String>,
    /// Where they said they were.
    #[serde(default)]
    remote: Option<SocketAddr>,
}

impl Association {
    /// What an exchange of descriptions makes of the association of `before`: the same, or the next (RFC 8842 3.1, 4).
    ///
    /// # Errors
    /// Where an answer to our offer leaves the roles open.
    pub fn agree(
        before: Option<&Self>,
        theirs: &Theirs,
        side: Side,
        remote: Option<SocketAddr>,
        random: &mut Random,
    ) -> Result<Self, DtlsError> {
        let role = match side {
            Side::Answerer => theirs.role_of_answerer(before.map(|before| before.role)),
            Side::Offerer => theirs.role_of_offerer()?,
        };
        if let Some(same) = before.filter(|before| before.goes_on(theirs, role, remote)) {
            return Ok(Self { remote: remote.or(same.remote), ..same.clone() });
        }
        Ok(Self {
            number: before.map_or(0, |before| before.number.wrapping_add(1)),
            role,
            fingerprints: theirs.fingerprints.clone(),
            their_tls_id: theirs.tls_id.clone(),
            our_tls_id: theirs.tls_id.as_ref().map(|_| own_tls_id(random)),
            remote,
        })
    }

    /// A moved address asks for another association only where no `tls-id` says otherwise (RFC 8842 4).
    fn goes_on(&self, theirs: &Theirs, role: Role, remote: Option<SocketAddr>) -> bool {
        let named = self.their_tls_id.is_some() && theirs.tls_id.is_some();
        let moved = !named && remote.is_some() && self.remote.is_some() && remote != self.remote;
        self.role == role && self.has_same_fingerprints(theirs) && self.their_tls_id == theirs.tls_id && !moved
    }

    /// In any order.
    fn has_same_fingerprints(&self, theirs: &Theirs) -> bool {
        let (ours, theirs) = (&self.fingerprints, &theirs.fingerprints);
        ours.iter().all(|f| theirs.contains(f)) && theirs.iter().all(|f| ours.contains(f))
    }

    /// Whether the peer may show this certificate (in DER).
    pub fn verifies(&self, certificate: &[u8]) -> bool {
        verifies(&self.fingerprints, certificate)
    }
}

/// What a description of ours says of DTLS for one m-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDtls {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// What an answer says; an offer of ours says `actpass` (RFC 8842 5.2, 5.5).
    pub role: Role,
    /// Names the association, where the peer names it too.
    pub tls_id: Option<String>,
}

impl OwnDtls {
    /// The attributes, as lines without their ends.
    pub(super) fn lines(&self, side: Side) -> Vec<String> {
        let setup = match side {
            Side::Answerer => self.role.setup(),
            Side::Offerer => Setup::ActPass,
        };
        let mut lines = Vec::from([
            alloc::format!("a=fingerprint:{}", self.fingerprint),
            alloc::format!("a=setup:{}", setup.as_str()),
        ]);
        lines.extend(self.tls_id.iter().map(|id| alloc::format!("a=tls-id:{id}")));
        lines
    }
}

/// A fresh `tls-id`: 120 bits of randomness are asked for (RFC 8842 4), and a token has 64.
fn own_tls_id(random: &mut Random) -> String {
    alloc::format!("{:016x}{:016x}", random.next_u64(), random.next_u64())
}

fn checked_tls_id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_letter = |c: u8| c.is_ascii_alphanumeric() || b"+/-_".contains(&c);
    (TLS_ID_LETTERS.contains(&text.len()) && text.bytes().all(is_letter)).then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    const ID: &str = "abc3de65cddef001be82";

    fn random() -> Random {
        Random::new(Seed([7; 32]))
    }

    fn fingerprint(certificate: &str) -> String {
        Fingerprint::of(HashFunction::Sha256, certificate.as_bytes()).to_string()
    }

    fn read(fingerprints: &[&str], setup: Option<&str>, tls_id: Option<&str>) -> Result<Theirs, DtlsError> {
        let owned = |text: Option<&str>| text.map(ToString::to_string);
        let fingerprints = fingerprints.iter().map(ToString::to_string).collect();
        Theirs::read(&DtlsAttributes { fingerprints, setup: owned(setup), tls_id: owned(tls_id) })
    }

    fn theirs(certificate: &str, setup: &str, tls_id: Option<&str>) -> Theirs {
        read(&[&fingerprint(certificate)], Some(setup), tls_id).unwrap()
    }

    fn agree(before: Option<&Association>, theirs: &Theirs, remote: &str) -> Association {
        Association::agree(before, theirs, Side::Answerer, remote.parse().ok(), &mut random()).unwrap()
    }

    #[test]
    fn we_wait_wherever_we_may() {
        let role = |setup: Option<&str>| {
            let theirs = read(&[&fingerprint("a")], setup, None).unwrap();
            agree(None, &theirs, "").role.setup().as_str()
        };
        assert_eq!(role(Some("actpass")), "passive");
        assert_eq!(role(Some("ACTIVE")), "passive");
        assert_eq!(role(Some("passive")), "active");
        assert_eq!(role(None), "passive");
    }

    #[test]
    fn an_answer_to_our_offer_must_settle_it() {
        let role = |setup: Option<&str>| {
            let theirs = read(&[&fingerprint("a")], setup, None).unwrap();
            Association::agree(None, &theirs, Side::Offerer, None, &mut random()).map(|agreed| agreed.role)
        };
        assert_eq!(role(Some("active")), Ok(Role::Server));
        assert_eq!(role(Some("passive")), Ok(Role::Client));
        assert_eq!(role(None), Ok(Role::Client));
        assert_eq!(role(Some("actpass")), Err(DtlsError::Roles));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let why = |fingerprints: &[&str], setup| read(fingerprints, setup, None).map(|_| ());
        let good = fingerprint("a");
        assert_eq!(why(&[], None), Err(DtlsError::NoFingerprint));
        assert_eq!(why(&["sha-256 00"], None), Err(DtlsError::Fingerprint));
        assert_eq!(why(&["md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"], None), Err(DtlsError::Hash));
        assert_eq!(why(&[&good], Some("holdconn")), Err(DtlsError::Setup));
        assert_eq!(why(&[&good], Some("both")), Err(DtlsError::Setup));
        assert_eq!(why(&["sha-256 00", &good], Some("actpass")), Ok(()));
        let weak = Fingerprint::of(HashFunction::Sha1, b"a").to_string();
        assert!(read(&[&weak], None, None).unwrap().is_weak());
        assert!(!read(&[&weak, &good], None, None).unwrap().is_weak());
    }

    #[test]
    fn the_same_description_keeps_the_association() {
        let first = agree(None, &theirs("a", "actpass", Some(ID)), "192.0.2.1:4000");
        assert_eq!(first.our_tls_id.as_ref().map(String::len), Some(32));
        let again = agree(Some(&first), &theirs("a", "actpass", Some(ID)), "192.0.2.2:5000");
        assert_eq!((again.number, &again.our_tls_id), (0, &first.our_tls_id), "tls-id speaks, not the address");
    }

    #[test]
    fn whatever_changes_asks_for_another() {
        let first = agree(None, &theirs("a", "actpass", Some(ID)), "192.0.2.1:4000");
        let other_id = "0000000000000000000000";
        for (what, changed) in [
            ("certificate", theirs("b", "actpass", Some(ID))),
            ("tls-id", theirs("a", "actpass", Some(other_id))),
            ("no tls-id", theirs("a", "actpass", None)),
            ("role", theirs("a", "passive", Some(ID))),
        ] {
            let mut random = Random::new(Seed([8; 32]));
            let remote = "192.0.2.1:4000".parse().ok();
            let next = Association::agree(Some(&first), &changed, Side::Answerer, remote, &mut random).unwrap();
            assert_eq!(next.number, 1, "{what}");
            assert_ne!(next.our_tls_id, first.our_tls_id, "{what}");
        }
    }

    #[test]
    fn without_tls_id_a_move_asks_for_another() {
        let first = agree(None, &theirs("a", "active", None), "192.0.2.1:4000");
        assert_eq!(first.our_tls_id, None, "no tls-id for who has none");
        assert_eq!(agree(Some(&first), &theirs("a", "actpass", None), "192.0.2.1:4000").number, 0);
        assert_eq!(agree(Some(&first), &theirs("a", "active", None), "").number, 0, "a hold moves nothing");
        assert_eq!(agree(Some(&first), &theirs("a", "active", None), "192.0.2.1:4002").number, 1);
    }

    #[test]
    fn a_role_once_taken_is_kept() {
        let first = agree(None, &theirs("a", "passive", None), "");
        assert_eq!(
            (first.role, agree(Some(&first), &theirs("a", "actpass", None), "").role),
            (Role::Client, Role::Client)
        );
        assert!(first.verifies(b"a") && !first.verifies(b"b"));
    }

    #[test]
    fn malformed_tls_ids_count_as_none() {
        for (text, kept) in [(ID, true), ("short", false), ("abc3de65cddef001be82;x", false), (&"a".repeat(256), false)]
        {
            assert_eq!(theirs("a", "active", Some(text)).tls_id.is_some(), kept, "{text}");
        }
    }

    #[test]
    fn transports_by_name() {
        assert!(is_dtls("UDP/TLS/RTP/SAVPF") && is_dtls("udp/tls/rtp/savp"));
        assert!(!is_dtls("RTP/SAVP") && !is_dtls("TCP/TLS/RTP/SAVP") && !is_dtls("RTP/SAVPF"));
    }
}
