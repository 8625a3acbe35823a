//! What the operator's configuration lets the core decide.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::admission::Guard;
use super::peers::{Asker, Peer, Rules};
use super::session_timer::SessionTimers;
use crate::media::Digits;
use crate::sdp::AnswerPolicy;
use crate::sip::digest::Realm;

/// How the server treats everybody, and some peers otherwise.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `Server` and `User-Agent`: `siprec/0.1.0`.
    pub product: String,
    /// Version of siprec, for the journal.
    pub version: String,
    /// The machine's boot, for the journal.
    pub boot: String,
    /// What of the configuration a journal keeps.
    pub journalled_config: Arc<serde_json::Value>,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// Silence on a stream that is worth an alarm.
    pub rtp_timeout: Duration,
    /// What is kept of digits.
    pub digits: Digits,
    /// How offers are answered.
    pub answer: AnswerPolicy,
    /// Host (and port) to put into Contact instead of the address that was reached.
    pub advertised_signalling: Option<String>,
    /// The same for TLS, which has a port of its own.
    pub advertised_tls: Option<String>,
    /// What holds for whom no row is about.
    pub rules: Rules,
    /// The table of peers, first match.
    pub peers: Vec<Peer>,
    /// Who is heard at all, and how often.
    pub guard: Guard,
    /// As whom peers may authenticate.
    pub realm: Realm,
    /// What OPTIONS is answered by a server that takes no new calls.
    pub health: Health,
    /// A silent SRC is asked whether it is there. (Nobody is, in a replay.)
    /// How session timers are dealt with.
    pub session_timers: SessionTimers,
    /// Requests are made of an SRC: whether a silent one is there, refreshes, snapshots. (Nobody is, in a replay.)
    pub probes: bool,
    /// Messages from streams are told as they come together, for a trace.
    pub show_framed: bool,
    /// Replay: in-dialog requests are known by Call-ID and the SRC's tag alone, since another server chose ours.
    pub adopt_foreign_tags: bool,
}

/// What OPTIONS outside of a dialog is answered: SBCs take a server out of service by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// While the server drains.
    pub draining: u16,
    /// While it is full, or its disk is.
    pub full: u16,
}

impl Default for Health {
    fn default() -> Self {
        Self { draining: 503, full: 200 }
    }
}

/// That of a server without configuration, which asks nothing of anybody.
impl Default for Policy {
    fn default() -> Self {
        Self {
            product: concat!("siprec/", env!("CARGO_PKG_VERSION")).into(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot: String::new(),
            journalled_config: Arc::default(),
            max_sessions: usize::MAX,
            rtp_timeout: Duration::from_secs(30),
            digits: Digits::Keep,
            answer: AnswerPolicy::default(),
            advertised_signalling: None,
            advertised_tls: None,
            rules: Rules::default(),
            peers: Vec::new(),
            guard: Guard::default(),
            realm: Realm::default(),
            health: Health::default(),
            session_timers: SessionTimers::default(),
            probes: false,
            show_framed: false,
            adopt_foreign_tags: false,
        }
    }
}

impl Policy {
    /// The first row that is about `asker`.
    pub fn peer_for(&self, asker: &Asker<'_>) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.who.is(asker))
    }

    /// What holds for the peer called `name`; the server's own rules where there is none (any more).
    pub fn rules_of(&self, name: Option<&str>) -> &Rules {
        let peer = name.and_then(|name| self.peers.iter().find(|peer| peer.name == name));
        peer.map_or(&self.rules, |peer| &peer.rules)
    }

    /// Replay: whoever is in a capture was let in by the server that it is of, or is there to be looked at.
    pub fn let_everybody_in(&mut self) {
        self.guard = Guard::default();
        for rules in self.peers.iter_mut().map(|peer| &mut peer.rules).chain([&mut self.rules]) {
            *rules = Rules {
                allow: true,
                legacy: true,
                require_tls: false,
                sdes_over_clear: true,
                digest: None,
                max_sessions: None,
                ..rules.clone()
            };
        }
    }
}
