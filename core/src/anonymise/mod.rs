//! Anonymising: numbers, names, addresses and audio of a capture replaced consistently, in two passes.
//!
//! ```text
//! messages, reports, addresses -> Survey -> Originals -> (seed) -> Anonymiser
//! the same again --------------------------------------------------/ -> what can be shown to others
//! ```
//! Both passes walk over the same octets in the same way (`walk`): what is broken is walked over, too. What is of the protocol
//! stays; what is found to be a number, a user, a host, a name or an address becomes another; all else is swept for whatever
//! was found anywhere in the run, in each way of writing it. Without the seed, which is nowhere kept, nothing leads back.

mod addresses;
mod body;
mod codings;
mod digits;
mod disguise;
mod ids;
mod keyed;
mod media;
mod message;
mod originals;
mod scan;
mod sdp;
mod sweep;
#[cfg(test)]
mod tests;
mod uri;
mod walk;
mod words;
mod xml;

pub use originals::{Kind, MAX_ORIGINALS, Originals};

use alloc::vec::Vec;
use core::net::IpAddr;

use self::disguise::Disguise;
use self::walk::{Pass, Walk};
use crate::sdp::crypto::{InlineKey, MasterKey};
use crate::seed::Seed;

/// What other secrets are drawn for.
const SECRET: &[u8] = b"secret";

/// The first pass: shown all of a run, it knows what is to be replaced.
#[derive(Debug, Default)]
pub struct Survey {
    originals: Originals,
}

impl Survey {
    /// Takes notice of a SIP message.
    pub fn message(&mut self, bytes: &[u8]) {
        let mut walk = Walk::new(Pass::Survey(&mut self.originals));
        message::message(&mut walk, bytes);
    }

    /// Takes notice of a plain RTCP packet.
    pub fn report(&mut self, bytes: &[u8]) {
        media::report(&mut Walk::new(Pass::Survey(&mut self.originals)), bytes);
    }

    /// Takes notice of an address that packets come from or go to.
    pub fn address(&mut self, address: IpAddr) {
        self.originals.note_address(address);
    }

    /// What was found so far.
    pub fn originals(&self) -> &Originals {
        &self.originals
    }
}

/// A message that can be shown to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anonymised {
    /// Its octets.
    pub bytes: Vec<u8>,
    /// Bodies, and parts of bodies, that could not be read, and are zeros.
    pub blanked: usize,
}

/// The second pass: the same for the same original, wherever it stands.
#[derive(Debug)]
pub struct Anonymiser {
    disguise: Disguise,
}

impl Anonymiser {
    /// Of a run whose first pass is over. The same seed makes the same of the same run.
    pub fn new(survey: Survey, seed: Seed) -> Self {
        Self { disguise: Disguise::new(&survey.originals, seed) }
    }

    /// A SIP message; its lengths are right where they were.
    pub fn message(&self, bytes: &[u8]) -> Anonymised {
        let mut walk = Walk::new(Pass::Write(&self.disguise));
        let other = digits::others(&walk, bytes);
        message::message(&mut walk, other.as_deref().unwrap_or(bytes));
        let blanked = walk.blanked;
        Anonymised { bytes: walk.finish(), blanked }
    }

    /// A plain RTCP packet.
    pub fn report(&self, bytes: &[u8]) -> Vec<u8> {
        let mut walk = Walk::new(Pass::Write(&self.disguise));
        media::report(&mut walk, bytes);
        walk.finish()
    }

    /// Makes a plain RTP packet say nothing: silence where `encoding` (of SDP's rtpmap) is known, zeros else; keys that were
    /// pressed become others. Its length stays.
    pub fn silence(&self, packet: &mut [u8], encoding: Option<&str>) {
        media::silence(&self.disguise.keyed, packet, encoding);
    }

    /// An address that packets come from or go to.
    pub fn address(&self, address: IpAddr) -> IpAddr {
        self.disguise.address(address)
    }

    /// The key of SRTP that the written session description tells instead of `key`.
    pub fn key(&self, key: &InlineKey) -> Option<InlineKey> {
        let octets = self.disguise.keyed.as_long(SECRET, key.key.octets());
        let other = MasterKey::new(key.key.suite(), &octets)?;
        Some(InlineKey { key: other, lifetime: key.lifetime, mki: key.mki.clone() })
    }
}
