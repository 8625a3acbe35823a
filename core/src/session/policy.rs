//! What the operator's configuration lets the core decide.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::session_timer::SessionTimers;
use crate::media::Digits;
use crate::sdp::AnswerPolicy;

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
    pub journalled_config: serde_json::Value,
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
    /// What is said over capacity where the peer has no say of its own.
    pub refusal: Refusal,
    /// Exceptions by address, first match.
    pub peers: Vec<Peer>,
    /// How session timers are dealt with.
    pub session_timers: SessionTimers,
    /// Requests are made of an SRC: whether a silent one is there, refreshes, snapshots. (Nobody is, in a replay.)
    pub probes: bool,
    /// Messages from streams are told as they come together, for a trace.
    pub show_framed: bool,
    /// Replay: in-dialog requests are known by Call-ID and the SRC's tag alone, since another server chose ours.
    pub adopt_foreign_tags: bool,
}

/// How an INVITE is refused over capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// Retry-After, seconds. Left out where there is none: it can black out a whole site.
    pub retry_after_seconds: Option<u32>,
}

/// What is different for one peer.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Network address.
    pub network: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
    /// What it is told over capacity.
    pub refusal: Option<Refusal>,
    /// Ordinary INVITEs (no SIPREC in them) are recorded as well.
    pub legacy: bool,
    /// Its dialogs end as the RFCs have it, though RTP may flow: by a missed refresh or ACK, or a 481.
    pub strict_dialogs: bool,
}

impl Peer {
    /// Whether the peer's network holds `address`.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(n), IpAddr::V4(a)) => {
                leading(u128::from(u32::from(n)) << 96, self.prefix)
                    == leading(u128::from(u32::from(a)) << 96, self.prefix)
            }
            (IpAddr::V6(n), IpAddr::V6(a)) => {
                leading(u128::from(n), self.prefix) == leading(u128::from(a), self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn leading(bits: u128, prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        1..=127 => bits >> (128 - u32::from(prefix)),
        128.. => bits,
    }
}

impl Policy {
    /// The exception that holds for `address`, if any.
    pub fn peer(&self, address: IpAddr) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.holds(address))
    }

    /// What this peer is told over capacity.
    pub fn refusal_for(&self, address: IpAddr) -> Refusal {
        self.peer(address).and_then(|peer| peer.refusal).unwrap_or(self.refusal)
    }

    /// Whether a fault of this peer's signalling ends its sessions even while RTP flows.
    pub fn strict_dialogs(&self, address: IpAddr) -> bool {
        self.peer(address).is_some_and(|peer| peer.strict_dialogs)
    }

    /// Whether this peer's ordinary INVITEs are recorded.
    pub fn is_legacy(&self, address: IpAddr) -> bool {
        self.peer(address).is_some_and(|peer| peer.legacy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_network() {
        let peer = |network: &str, prefix| Peer {
            network: network.parse().unwrap(),
            prefix,
            refusal: None,
            legacy: false,
            strict_dialogs: false,
        };
        assert!(peer("10.0.0.0", 8).holds("10.200.1.1".parse().unwrap()));
        assert!(!peer("10.0.0.0", 8).holds("11.0.0.1".parse().unwrap()));
        assert!(peer("0.0.0.0", 0).holds("192.0.2.1".parse().unwrap()));
        assert!(!peer("0.0.0.0", 0).holds("::1".parse().unwrap()));
        assert!(peer("2001:db8::", 32).holds("2001:db8:5::1".parse().unwrap()));
        assert!(peer("192.0.2.7", 32).holds("192.0.2.7".parse().unwrap()));
        assert!(!peer("192.0.2.7", 32).holds("192.0.2.8".parse().unwrap()));
    }
}
