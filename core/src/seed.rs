//! Randomness that is passed in: one seed a session, kept in its journal, so that a replay makes the same ids.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// 32 bytes from which a session draws all that must be unpredictable: tags, branches, SSRCs, ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Draws from a [`Seed`], in an order that only the caller decides.
#[derive(Debug, Clone)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// A generator at its start.
    pub fn new(seed: Seed) -> Self {
        Self(ChaCha12Rng::from_seed(seed.0))
    }

    /// A seed for something that lives on its own (a session of a server).
    pub fn seed(&mut self) -> Seed {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        Seed(bytes)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits, as an SSRC needs them.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 16 hexadecimal digits: 64 bits, for tags and branches (RFC 3261 19.3 asks for 32).
    pub fn token(&mut self) -> String {
        alloc::format!("{:016x}", self.next_u64())
    }
}

/// Hexadecimal digits, and where the dashes of a UUID stand.
const DIGITS: &[u8; 16] = b"0123456789abcdef";
const DASHES: [usize; 4] = [8, 13, 18, 23];

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// A version 7 UUID (RFC 9562 5.7): ids sort by the time of their making.
            pub fn new(at: Wall, random: &mut Random) -> Self {
                let millis = u128::try_from(at.0 / 1_000_000).unwrap_or(0) & 0xffff_ffff_ffff;
                let a = u128::from(random.next_u64() & 0x0fff);
                let b = u128::from(random.next_u64() >> 2);
                Self(millis << 80 | 7 << 76 | a << 64 | 0b10 << 62 | b)
            }

            /// When it was made, to the millisecond.
            pub fn made_at(self) -> Wall {
                Wall(i64::try_from(self.0 >> 80).unwrap_or(0) * 1_000_000)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [b'-'; 36];
                let mut rest = self.0;
                for place in text.iter_mut().enumerate().rev().filter(|(at, _)| !DASHES.contains(at)).map(|(_, c)| c) {
                    *place = DIGITS[(rest & 0xf) as usize];
                    rest >>= 4;
                }
                f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let ok = text.len() == 36 && DASHES.iter().all(|&i| text.as_bytes()[i] == b'-');
                let hex: String = text.chars().filter(|&c| c != '-').collect();
                if !ok || hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(NotAnId);
                }
                u128::from_str_radix(&hex, 16).map(Self).map_err(|_| NotAnId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A recording session: one SIPREC dialog, one journal.
    SessionId
}
id! {
    /// A recording: one communication session as recorded in one recording session.
    RecordingId
}

/// The text is not 36 characters of UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: 8-4-4-4-12 hexadecimal digits are expected")
    }
}

impl Serialize for Seed {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let digit = |nibble: u8| DIGITS[usize::from(nibble & 0xf)];
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte)];
        }
        s.serialize_str(core::str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(serde::de::Error::custom("a seed is 64 hexadecimal digits"));
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = core::str::from_utf8(pair).map_err(serde::de::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(serde::de::Error::custom)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_same_seed_draws_the_same() {
        let (mut a, mut b) = (Random::new(Seed([7; 32])), Random::new(Seed([7; 32])));
        assert_eq!(a.token(), b.token());
        assert_eq!(a.seed(), b.seed());
        assert_ne!(a.token(), Random::new(Seed([8; 32])).token());
    }

    #[test]
    fn ids_are_version_7_uuids_that_sort_by_time() {
        let mut random = Random::new(Seed([1; 32]));
        let early = RecordingId::new(Wall(1_700_000_000_000_000_000), &mut random);
        let late = RecordingId::new(Wall(1_700_000_000_001_000_000), &mut random);
        assert!(early < late);
        let text = early.to_string();
        assert_eq!(text.as_bytes()[14], b'7');
        assert_eq!(text.parse(), Ok(early));
        assert_eq!("zz".parse::<RecordingId>(), Err(NotAnId));
        assert_eq!("é".repeat(18).parse::<RecordingId>(), Err(NotAnId));
    }

    #[test]
    fn a_seed_survives_json() {
        let seed = Seed([0xa5; 32]);
        let text = serde_json::to_string(&seed).unwrap();
        assert_eq!(serde_json::from_str::<Seed>(&text).unwrap(), seed);
    }
}
