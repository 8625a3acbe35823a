//! What to take of an offer. Pure: same offer and policy, same decision.
//!
//! Every m-line is decided on its own and in its place (RFC 3264 6); only if nothing at all can be recorded is the
//! offer refused. The same judgement reads the SRC's answer to an offer of ours, which looks the same from here.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

use super::crypto::{self, Crypto, CryptoPolicy};
use super::dtls::{DtlsError, Theirs, is_dtls};
use super::feedback::Feedback;
use super::fingerprint::{Fingerprint, HashFunction};
use super::payload::{is_known_audio, is_supplementary, matches_policy};
use super::{Description, Direction, Format, Host, Media};

/// What we like and what we take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerPolicy {
    /// Codecs in order of preference, by encoding name; `G.711` means both laws.
    pub codecs: Vec<String>,
    /// Take nothing but [`AnswerPolicy::codecs`]. Else every codec that has a name is captured.
    pub codecs_strict: bool,
    /// Media that are recorded: `audio`, `text`, `video`.
    pub accept_media: Vec<String>,
    /// Plain RTP is not taken.
    #[serde(default)]
    pub require_srtp: bool,
    /// The offer came over signalling that anybody can read, and keys in it (RFC 4568 6.1) count as known to anybody.
    #[serde(default)]
    pub clear_keys_refused: bool,
    /// Which `a=crypto` lines are taken.
    #[serde(default)]
    pub srtp: CryptoPolicy,
    /// Our certificate's, where DTLS-SRTP is spoken.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
}

impl Default for AnswerPolicy {
    fn default() -> Self {
        Self {
            codecs: ["PCMA", "PCMU"].map(ToString::to_string).to_vec(),
            codecs_strict: false,
            accept_media: ["audio", "text"].map(ToString::to_string).to_vec(),
            require_srtp: false,
            clear_keys_refused: false,
            srtp: CryptoPolicy::default(),
            fingerprint: None,
        }
    }
}

impl AnswerPolicy {
    /// For who answers dry: as if we had a certificate, where it does not matter which.
    #[must_use]
    pub fn with_any_certificate(mut self) -> Self {
        self.fingerprint.get_or_insert_with(|| Fingerprint::of(HashFunction::Sha256, b""));
        self
    }
}

/// What becomes of each m-line, in the offer's order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decision {
    /// One for each m-line of the offer. A peer that breaks RFC 3264 8 and sends fewer than before has removed
    /// the streams beyond the last.
    pub media: Vec<Decided>,
}

/// What becomes of one m-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Its index, from 0.
    pub m_line: u16,
    /// `audio`, `video` ...
    pub kind: String,
    /// `a=label`, as offered.
    pub label: Option<String>,
    /// How it is received, if it is.
    pub accepted: Option<Accepted>,
    /// Why it is not.
    pub reason_if_not: Option<NotRecorded>,
}

impl Decided {
    /// Why nothing of it is kept for now, or for good until its m-line is used again.
    pub fn paused(&self) -> Option<PauseKind> {
        match (&self.accepted, &self.reason_if_not) {
            (Some(accepted), _) => accepted.paused,
            (None, Some(NotRecorded::ZeroPort)) => Some(PauseKind::ZeroPort),
            (None, _) => None,
        }
    }
}

/// A stream that is received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The offer's payload types, in our order of preference; DTMF and comfort noise last.
    pub formats: Arc<[Format]>,
    /// `recvonly` or `inactive`: we never send.
    pub direction: Direction,
    /// Why nothing of it is kept, if so.
    pub paused: Option<PauseKind>,
    /// The offer's, echoed.
    pub proto: String,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// Where the peer says it is, if it names an address.
    pub remote: Option<SocketAddr>,
    /// Where its RTCP is (RFC 3605, RFC 5761, else the next port).
    pub remote_rtcp: Option<SocketAddr>,
    /// The `a=crypto` line that is taken (RFC 4568), on RTP/SAVP and RTP/SAVPF. It holds keys, so it is never written down.
    #[serde(skip)]
    pub crypto: Option<Crypto>,
    /// What DTLS protects it, if that does.
    #[serde(default)]
    pub dtls: Option<Theirs>,
    /// How a whole picture may be asked for.
    #[serde(default)]
    pub feedback: Feedback,
}

/// How an SRC pauses a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseKind {
    /// `a=inactive` (or an offer that only receives).
    Inactive,
    /// `c=0.0.0.0` (RFC 3264 8.4).
    ZeroAddress,
    /// Port 0: closed until the m-line is used again.
    ZeroPort,
}

/// Why an m-line is answered with port 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotRecorded {
    /// It was offered with port 0.
    ZeroPort,
    /// Its m= line cannot be read.
    Unreadable,
    /// We do not record such media.
    Media(String),
    /// A transport that is not spoken here.
    Proto(String),
    /// Secure RTP without keys that we could use; the transport, and what is wrong with its keys.
    Secure(String),
    /// DTLS-SRTP that cannot be shaken hands for.
    Dtls(DtlsError),
    /// Plain RTP, where only SRTP may be taken.
    Plain(String),
    /// Secure RTP whose keys came over signalling that anybody can read.
    ClearKeys(String),
    /// No format that the policy takes; those offered.
    Codec(String),
}

impl fmt::Display for NotRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroPort => f.write_str("offered with port 0"),
            Self::Unreadable => f.write_str("its m= line cannot be read"),
            Self::Media(kind) => write!(f, "{kind} is not recorded"),
            Self::Proto(proto) => write!(f, "the transport {proto} is not supported"),
            Self::Secure(proto) => write!(f, "no a=crypto line that can be taken for {proto}"),
            Self::Dtls(why) => write!(f, "no DTLS-SRTP: {why}"),
            Self::Plain(proto) => write!(f, "{proto} is plain, and SRTP is required (require_srtp)"),
            Self::ClearKeys(proto) => write!(
                f,
                "the keys of {proto} came over signalling without TLS, where anybody can read them (sdes_over_clear)"
            ),
            Self::Codec(offered) => write!(f, "no codec that we take among those offered ({offered})"),
        }
    }
}

/// An offer that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SIP status.
    pub status: u16,
    /// Why, in words: for a Warning header and the log.
    pub reason: String,
}

/// Decides every m-line of an offer.
///
/// # Errors
/// 488 if something was offered and nothing of it can be recorded (RFC 3264 6.1). An offer without m-lines, or with
/// all ports 0, is no reason to refuse.
pub fn decide(offer: &Description, policy: &AnswerPolicy) -> Result<Decision, Refusal> {
    let Decision { media } = decide_each(offer, policy);
    let wanted: Vec<&NotRecorded> =
        media.iter().filter_map(|d| d.reason_if_not.as_ref()).filter(|why| **why != NotRecorded::ZeroPort).collect();
    if let (Some(why), true) = (wanted.first(), media.iter().all(|d| d.accepted.is_none())) {
        return Err(Refusal { status: 488, reason: why.to_string() });
    }
    Ok(Decision { media })
}

/// Decides every m-line and refuses nothing: for an answer to an offer of ours, which may reject all of it.
pub fn decide_each(offer: &Description, policy: &AnswerPolicy) -> Decision {
    Decision { media: (0u16..).zip(&offer.media).map(|(m_line, m)| decide_media(m_line, m, policy)).collect() }
}

fn decide_media(m_line: u16, media: &Media, policy: &AnswerPolicy) -> Decided {
    let (accepted, reason_if_not) = match accept(media, policy) {
        Ok(accepted) => (Some(accepted), None),
        Err(why) => (None, Some(why)),
    };
    Decided { m_line, kind: media.kind.clone(), label: media.label.clone(), accepted, reason_if_not }
}

fn accept(media: &Media, policy: &AnswerPolicy) -> Result<Accepted, NotRecorded> {
    if media.unreadable {
        return Err(NotRecorded::Unreadable);
    }
    if media.port == 0 {
        return Err(NotRecorded::ZeroPort);
    }
    if !policy.accept_media.iter().any(|kind| kind.eq_ignore_ascii_case(&media.kind)) {
        return Err(NotRecorded::Media(media.kind.clone()));
    }
    // On plain RTP, `a=crypto` has no meaning (RFC 4568 6) and is not looked at.
    let mut crypto = None;
    match media.proto.to_ascii_uppercase().as_str() {
        "RTP/AVP" | "RTP/AVPF" if policy.require_srtp => return Err(NotRecorded::Plain(media.proto.clone())),
        "RTP/AVP" | "RTP/AVPF" => {}
        proto if is_dtls(proto) && policy.fingerprint.is_some() => {}
        proto if proto.contains("/SAVP") && policy.clear_keys_refused && !media.crypto.is_empty() => {
            return Err(NotRecorded::ClearKeys(media.proto.clone()));
        }
        "RTP/SAVP" | "RTP/SAVPF" => crypto = Some(agreed(media, policy)?),
        proto if proto.contains("/SAVP") => return Err(NotRecorded::Secure(media.proto.clone())),
        _ => return Err(NotRecorded::Proto(media.proto.clone())),
    }
    let formats = choose(media, policy);
    if formats.is_empty() {
        return Err(NotRecorded::Codec(offered(media)));
    }
    let (direction, paused) = direction(media);
    let remote = remote(media);
    let dtls = is_dtls(&media.proto).then(|| Theirs::read(&media.dtls)).transpose().map_err(NotRecorded::Dtls)?;
    Ok(Accepted {
        dtls,
        formats: formats.into(),
        direction,
        paused,
        proto: media.proto.clone(),
        rtcp_mux: media.rtcp_mux,
        remote,
        remote_rtcp: remote_rtcp(media, remote),
        crypto,
        feedback: Feedback::offered(media),
    })
}

/// The line to accept of those offered; else why there is none: of the first, since that is the one that its peer likes best.
fn agreed(media: &Media, policy: &AnswerPolicy) -> Result<Crypto, NotRecorded> {
    crypto::choose(&media.crypto, &policy.srtp).ok_or_else(|| {
        let why = media.crypto.first().and_then(|line| policy.srtp.judge(line.as_ref()).err());
        NotRecorded::Secure(why.map_or_else(|| media.proto.clone(), |why| format!("{}: {why}", media.proto)))
    })
}

/// The formats we take, best first, then what goes beside them; where we prefer none of them, in the offer's order (RFC
/// 3264 6.1). Empty if there is no codec among them. The policy's codecs are of audio: of pictures and text, all that is
/// offered is kept as it comes.
fn choose(media: &Media, policy: &AnswerPolicy) -> Vec<Format> {
    let offered = media.formats.as_slice();
    if media.kind != "audio" {
        return offered.to_vec();
    }
    let rank = |f: &Format| policy.codecs.iter().position(|name| matches_policy(name, &f.encoding));
    let mut codecs: Vec<&Format> = offered
        .iter()
        .filter(|f| rank(f).is_some() || (!policy.codecs_strict && is_known_audio(&f.encoding)))
        .filter(|f| !is_supplementary(&f.encoding))
        .collect();
    if codecs.is_empty() {
        return Vec::new();
    }
    if !codecs.iter().any(|f| rank(f).is_some()) {
        let is_taken = |f: &&Format| is_supplementary(&f.encoding) || is_known_audio(&f.encoding);
        return offered.iter().filter(is_taken).cloned().collect();
    }
    codecs.sort_by_key(|f| rank(f).unwrap_or(usize::MAX));
    let beside = offered.iter().filter(|f| is_supplementary(&f.encoding));
    codecs.into_iter().chain(beside).cloned().collect()
}

fn offered(media: &Media) -> String {
    let names = media.formats_raw.iter().map(|raw| {
        let named = media.formats.iter().find(|f| f.payload_type.to_string() == *raw);
        named.map_or_else(|| raw.clone(), |f| f.encoding.to_string())
    });
    names.collect::<Vec<_>>().join(", ")
}

/// What we answer (RFC 3264 6.1), and whether it is a pause. The direction answered follows the attribute only; a
/// zero address pauses as well, but is answered as if it were not there.
fn direction(media: &Media) -> (Direction, Option<PauseKind>) {
    match media.direction {
        Direction::Inactive | Direction::RecvOnly => (Direction::Inactive, Some(PauseKind::Inactive)),
        Direction::SendOnly | Direction::SendRecv => {
            let zero = media.host.as_ref().is_some_and(Host::is_zero);
            (Direction::RecvOnly, zero.then_some(PauseKind::ZeroAddress))
        }
    }
}

fn remote(media: &Media) -> Option<SocketAddr> {
    let address = media.connection.filter(|address| !address.is_unspecified())?;
    Some(SocketAddr::new(address, media.port))
}

fn remote_rtcp(media: &Media, remote: Option<SocketAddr>) -> Option<SocketAddr> {
    if media.rtcp_mux {
        return remote;
    }
    match media.rtcp {
        Some((port, address)) => {
            let address = address.filter(|a| !a.is_unspecified()).or(remote.map(|r| r.ip()))?;
            Some(SocketAddr::new(address, port))
        }
        None => remote.and_then(|r| Some(SocketAddr::new(r.ip(), r.port().checked_add(1)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::dtls::Setup;

    fn offer(media: &str) -> Description {
        Description::parse(alloc::format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{media}").as_bytes()).unwrap()
    }

    fn one(media: &str) -> Decided {
        let mut decision = decide(&offer(media), &AnswerPolicy::default()).unwrap();
        assert_eq!(decision.media.len(), 1);
        decision.media.remove(0)
    }

    fn payload_types(decided: &Decided) -> Vec<u8> {
        decided.accepted.as_ref().unwrap().formats.iter().map(|f| f.payload_type).collect()
    }

    #[test]
    fn our_preference_their_numbers() {
        let media = "m=audio 4000 RTP/AVP 101 18 111 13 0 8 98\r\na=rtpmap:101 telephone-event/8000\r\n\
            a=rtpmap:111 opus/48000/2\r\na=rtpmap:98 x-new/8000\r\n";
        assert_eq!(payload_types(&one(media)), [8, 0, 18, 111, 101, 13]);
        let whatever = AnswerPolicy { codecs: Vec::new(), ..AnswerPolicy::default() };
        let decision = decide(&offer(media), &whatever).unwrap();
        assert_eq!(payload_types(&decision.media[0]), [101, 18, 111, 13, 0, 8], "the offer's, where we have none");
        let both = AnswerPolicy { codecs: ["G.711".into()].to_vec(), ..AnswerPolicy::default() };
        let decision = decide(&offer(media), &both).unwrap();
        assert_eq!(payload_types(&decision.media[0]), [0, 8, 18, 111, 101, 13], "both laws are one preference");
        let strict = AnswerPolicy { codecs_strict: true, codecs: ["opus".into()].to_vec(), ..AnswerPolicy::default() };
        let decision = decide(&offer(media), &strict).unwrap();
        assert_eq!(payload_types(&decision.media[0]), [111, 101, 13]);
    }

    #[test]
    fn directions_are_those_of_a_receiver() {
        use Direction::{Inactive, RecvOnly};
        for (said, answered, paused) in [
            ("", RecvOnly, None),
            ("a=sendrecv\r\n", RecvOnly, None),
            ("a=sendonly\r\n", RecvOnly, None),
            ("a=recvonly\r\n", Inactive, Some(PauseKind::Inactive)),
            ("a=inactive\r\n", Inactive, Some(PauseKind::Inactive)),
            ("c=IN IP4 0.0.0.0\r\n", RecvOnly, Some(PauseKind::ZeroAddress)),
            ("c=IN IP6 ::\r\na=inactive\r\n", Inactive, Some(PauseKind::Inactive)),
        ] {
            let accepted = one(&alloc::format!("m=audio 4000 RTP/AVP 0\r\n{said}")).accepted.unwrap();
            assert_eq!((accepted.direction, accepted.paused), (answered, paused), "{said}");
        }
    }

    #[test]
    fn rtcp_is_where_the_offer_says() {
        let rtcp = |a: &str| one(&alloc::format!("m=audio 4000 RTP/AVP 0\r\n{a}")).accepted.unwrap().remote_rtcp;
        assert_eq!(rtcp(""), "192.0.2.1:4001".parse().ok());
        assert_eq!(rtcp("a=rtcp:4009\r\n"), "192.0.2.1:4009".parse().ok());
        assert_eq!(rtcp("a=rtcp:4009 IN IP6 2001:db8::1\r\n"), "[2001:db8::1]:4009".parse().ok());
        assert_eq!(rtcp("a=rtcp:4009\r\na=rtcp-mux\r\n"), "192.0.2.1:4000".parse().ok());
        assert_eq!(rtcp("c=IN IP4 0.0.0.0\r\n"), None);
        assert_eq!(one("m=audio 65535 RTP/AVP 0\r\n").accepted.unwrap().remote_rtcp, None);
    }

    #[test]
    fn each_line_has_its_own_reason() {
        let media = "m=audio 1 RTP/AVP 0\r\nm=video 2 RTP/AVPF 96\r\nm=audio 0 RTP/AVP 0\r\nm=audio 3 RTP/SAVP 0\r\n\
            m=application 4 UDP/BFCP *\r\nm=audio 5 RTP/AVPF 8\r\nm=audio 6 RTP/AVP 101\r\n\
            a=rtpmap:101 telephone-event/8000\r\nm=audio 7 UDP/AUDIO 0\r\n";
        let decision = decide(&offer(media), &AnswerPolicy::default()).unwrap();
        let whys: Vec<_> = decision.media.iter().map(|d| d.reason_if_not.clone()).collect();
        let expected = [
            None,
            Some(NotRecorded::Media("video".into())),
            Some(NotRecorded::ZeroPort),
            Some(NotRecorded::Secure("RTP/SAVP".into())),
            Some(NotRecorded::Media("application".into())),
            None,
            Some(NotRecorded::Codec("telephone-event".into())),
            Some(NotRecorded::Proto("UDP/AUDIO".into())),
        ];
        assert_eq!(whys, expected);
        assert_eq!(decision.media[2].paused(), Some(PauseKind::ZeroPort));
        assert_eq!(decision.media[5].accepted.as_ref().unwrap().proto, "RTP/AVPF");
    }

    #[test]
    fn plain_media_and_keys_in_the_clear_are_refused_where_that_is_the_rule() {
        let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
        let media = alloc::format!("m=audio 1 RTP/AVP 0\r\nm=audio 3 RTP/SAVP 0\r\n{keys}m=audio 5 RTP/SAVP 0\r\n");
        let why = |policy: &AnswerPolicy, line: usize| {
            decide(&offer(&media), policy)
                .map(|d| d.media[line].reason_if_not.clone())
                .map_err(|refusal| refusal.reason)
        };
        let clear = AnswerPolicy { clear_keys_refused: true, ..AnswerPolicy::default() };
        assert_eq!(why(&clear, 0), Ok(None));
        assert_eq!(why(&clear, 1), Ok(Some(NotRecorded::ClearKeys("RTP/SAVP".into()))));
        assert_eq!(why(&clear, 2), Ok(Some(NotRecorded::Secure("RTP/SAVP".into()))), "no key was shown");
        let secure = AnswerPolicy { require_srtp: true, ..AnswerPolicy::default() };
        let plain = decide(&offer("m=audio 1 RTP/AVP 0\r\n"), &secure).map_err(|refusal| refusal.reason);
        assert_eq!(plain, Err("RTP/AVP is plain, and SRTP is required (require_srtp)".into()));
        assert_eq!((why(&secure, 0), why(&secure, 1)), (Ok(Some(NotRecorded::Plain("RTP/AVP".into()))), Ok(None)));
    }

    #[test]
    fn one_line_of_those_offered_is_taken_by_policy_or_it_is_said_why_none_is() {
        use crate::sdp::crypto::{Strength, Suite};
        let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let lines = alloc::format!(
            "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{key}\r\na=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
        );
        let on = |proto: &str, policy: &AnswerPolicy| {
            decide_each(&offer(&alloc::format!("m=audio 1 {proto} 0\r\n{lines}")), policy).media.remove(0)
        };
        let policy = |srtp| AnswerPolicy { srtp, ..AnswerPolicy::default() };
        let taken = |proto: &str, srtp| on(proto, &policy(srtp)).accepted.unwrap().crypto.map(|crypto| crypto.tag);
        assert_eq!(taken("RTP/SAVP", CryptoPolicy::default()), Some(1));
        let strong = CryptoPolicy { minimum: Strength::Bits128, ..CryptoPolicy::default() };
        assert_eq!(taken("RTP/SAVPF", strong), Some(7));
        assert_eq!(taken("RTP/AVP", CryptoPolicy::default()), None, "on plain RTP they mean nothing");
        let other = CryptoPolicy { preference: [Suite::AeadAes256Gcm].to_vec(), ..CryptoPolicy::default() };
        let why = on("RTP/SAVP", &policy(other)).reason_if_not.unwrap();
        assert_eq!(why.to_string(), "no a=crypto line that can be taken for RTP/SAVP: suite not allowed here");
        let shown = alloc::format!("{:?}", offer(&alloc::format!("m=audio 1 RTP/SAVP 0\r\n{lines}")));
        assert!(shown.contains("HMAC_SHA1_80 inline:xxxx") && !shown.contains(key), "{shown}");
    }

    #[test]
    fn dtls_is_taken_where_we_have_a_certificate_and_the_peer_has_named_its_own() {
        use crate::sdp::fingerprint::HashFunction;
        let ours = Fingerprint::of(HashFunction::Sha256, b"ours");
        let policy = AnswerPolicy {
            fingerprint: Some(ours),
            require_srtp: true,
            clear_keys_refused: true,
            ..AnswerPolicy::default()
        };
        let theirs = Fingerprint::of(HashFunction::Sha256, b"theirs");
        let line = "m=audio 4 UDP/TLS/RTP/SAVPF 8\r\n";
        let dtls = |sdp: &str, policy: &AnswerPolicy| {
            decide_each(&offer(sdp), policy).media.remove(0).accepted.map(|accepted| accepted.dtls.unwrap())
        };
        let by_session = alloc::format!("a=fingerprint:{theirs}\r\na=setup:active\r\n{line}a=setup:passive\r\n");
        let taken = dtls(&by_session, &policy).unwrap();
        assert_eq!(taken.fingerprints, core::slice::from_ref(&theirs));
        assert_eq!(taken.setup.map(Setup::as_str), Some("passive"), "the m-line's word counts more than the session's");
        assert_eq!(dtls(&by_session, &AnswerPolicy::default()), None);
        let why = |sdp: &str| decide(&offer(sdp), &policy).map(|_| ()).map_err(|refusal| refusal.reason);
        assert_eq!(why(line), Err("no DTLS-SRTP: there is no a=fingerprint".into()));
        let held = alloc::format!("{line}a=fingerprint:{theirs}\r\na=setup:holdconn\r\n");
        assert_eq!(why(&held), Err("no DTLS-SRTP: its a=setup is neither actpass, active nor passive".into()));
    }

    #[test]
    fn refuses_only_if_something_was_wanted_and_nothing_can_be() {
        let status = |media: &str| decide(&offer(media), &AnswerPolicy::default()).map_err(|r| r.status);
        assert!(status("").is_ok());
        assert!(status("m=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\n").is_ok());
        assert_eq!(status("m=audio 0 RTP/AVP 0\r\nm=video 9 RTP/AVP 96\r\n"), Err(488));
        assert_eq!(status("m=audio 9 RTP/AVP 98 101\r\na=rtpmap:98 x-proprietary/8000\r\n"), Err(488));
        assert_eq!(status("m=audio 9 RTP/AVP 99\r\n"), Err(488));
    }
}
