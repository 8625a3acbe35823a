//! What was found that names people, machines and places: the first pass fills it, the second replaces it everywhere.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Different originals of one run. Beyond that a run is to be refused, not done by halves.
pub const MAX_ORIGINALS: usize = 500_000;
/// Octets of the longest that is kept; what is longer is replaced where it stands, and not looked for elsewhere.
pub(super) const MAX_ORIGINAL: usize = 512;

/// What an original is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Digits of a telephone number or of what looks like one, without what separates them.
    Number,
    /// The user of an address, where it is no number.
    User,
    /// The name of a machine or domain.
    Host,
    /// The name of a person or an organisation.
    Name,
    /// A word of a name.
    Word,
}

/// All originals of a run.
#[derive(Debug, Default)]
pub struct Originals {
    found: BTreeMap<(Kind, Vec<u8>), usize>,
    addresses: BTreeSet<IpAddr>,
    is_full: bool,
}

impl Originals {
    /// Takes notice of one, in its one form (see [`canonical`]).
    pub(super) fn note(&mut self, kind: Kind, form: Vec<u8>) {
        if form.is_empty() || form.len() > MAX_ORIGINAL || self.found.contains_key(&(kind, form.clone())) {
            return;
        }
        if self.found.len() >= MAX_ORIGINALS {
            self.is_full = true;
            return;
        }
        let place = self.found.len();
        self.found.insert((kind, form), place);
    }

    /// Takes notice of an address.
    pub fn note_address(&mut self, address: IpAddr) {
        if self.addresses.len() >= MAX_ORIGINALS {
            self.is_full = true;
            return;
        }
        self.addresses.insert(address.to_canonical());
    }

    /// There were more than [`MAX_ORIGINALS`]: what came later is not known.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.found.keys().filter(|(found, _)| *found == kind).count()
    }

    /// Each with its kind, in the order in which they were found; texts in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut all: Vec<_> = self.found.iter().collect();
        all.sort_by_key(|(_, place)| **place);
        all.into_iter().map(|((kind, form), _)| (*kind, form.as_slice()))
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// Whether a number is among them.
    pub(super) fn has_number(&self, digits: &[u8]) -> bool {
        self.found.contains_key(&(Kind::Number, digits.to_vec()))
    }

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
}

/// The one form of an original: the digits of a number, all else without blanks at its ends and in lower case.
pub(super) fn canonical(kind: Kind, text: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Number => text.iter().copied().filter(u8::is_ascii_digit).collect(),
        Kind::User | Kind::Host | Kind::Name | Kind::Word => {
            String::from_utf8_lossy(text).trim().to_lowercase().into_bytes()
        }
    }
}
