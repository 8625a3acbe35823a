//! What was done, for whoever sends the file on.

use std::fmt;

use serde::Serialize;
use siprec_core::anonymise::{Kind, Originals};

/// What an anonymised capture holds, and what it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// SIP messages written.
    pub messages: u64,
    /// RTP packets written.
    pub rtp: u64,
    /// RTCP packets written.
    pub rtcp: u64,
    /// Of both, those that were opened with the keys of the signalling, and protected under others.
    pub protected_anew: u64,
    /// Of both, those of SRTP that no key opened: their payload is zeros, and they authenticate no more.
    pub zeroed: u64,
    /// Bodies, and parts of bodies, that could not be read: zeros, too.
    pub blanked_bodies: u64,
    /// Different numbers that were replaced.
    pub numbers: usize,
    /// Names of people and organisations.
    pub names: usize,
    /// Users of addresses that are no numbers.
    pub users: usize,
    /// Names of hosts.
    pub hosts: usize,
    /// Addresses of IP.
    pub addresses: usize,
    /// What is not in the file.
    pub left_out: LeftOut,
}

/// Packets and segments that nobody can read, and that are left out therefore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// Segments of TCP connections that speak TLS.
    pub tls: u64,
    /// Datagrams of DTLS.
    pub dtls: u64,
    /// Segments of other TCP connections without SIP.
    pub tcp: u64,
    /// Other datagrams (STUN, DNS, T.38 ...).
    pub datagrams: u64,
    /// SRTP that was there twice, or too late for its window.
    pub repeated: u64,
    /// What became too long for a datagram.
    pub too_long: u64,
}

impl LeftOut {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.tls + self.dtls + self.tcp + self.datagrams + self.repeated + self.too_long
    }
}

impl Report {
    pub(super) fn of(originals: &Originals) -> Self {
        Self {
            numbers: originals.count(Kind::Number),
            names: originals.count(Kind::Name),
            users: originals.count(Kind::User),
            hosts: originals.count(Kind::Host),
            addresses: originals.addresses().count(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, rtp, rtcp, numbers, names, users, hosts, addresses, left_out, .. } = self;
        write!(
            f,
            "{messages} SIP messages, {rtp} RTP and {rtcp} RTCP packets; replaced: {numbers} numbers, {names} names, "
        )?;
        write!(f, "{users} users, {hosts} hosts, {addresses} addresses")?;
        if self.protected_anew > 0 {
            write!(f, "\n{} packets of SRTP are protected under the keys that the file tells", self.protected_anew)?;
        }
        if self.zeroed > 0 {
            write!(f, "\n{} packets of SRTP could not be opened with the keys of the signalling: zeros", self.zeroed)?;
        }
        if self.blanked_bodies > 0 {
            write!(f, "\n{} bodies could not be read: zeros", self.blanked_bodies)?;
        }
        if left_out.total() > 0 {
            write!(f, "\nleft out, as it cannot be read:")?;
            let LeftOut { tls, dtls, tcp, datagrams, repeated, too_long } = left_out;
            let kinds = [
                (tls, "segments of TLS"),
                (dtls, "datagrams of DTLS"),
                (tcp, "segments of TCP without SIP"),
                (datagrams, "other datagrams"),
                (repeated, "repeated packets of SRTP"),
                (too_long, "packets that became too long"),
            ];
            for (n, (count, kind)) in kinds.into_iter().filter(|(count, _)| **count > 0).enumerate() {
                write!(f, "{} {count} {kind}", if n > 0 { "," } else { "" })?;
            }
        }
        Ok(())
    }
}
