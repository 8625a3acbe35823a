//! Master keys and what marks a packet as theirs. What is secret here is wiped when dropped and never printed.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

use super::Suite;
use crate::seed::Random;

/// Octets of the longest key and salt: 256 bits and 112 bits.
const MAX_KEY_AND_SALT: usize = 46;
/// Octets of the longest MKI (RFC 4568 6.1).
pub const MAX_MKI_LENGTH: usize = 128;
/// Decimal digits of the greatest number that fits there.
const MAX_MKI_DIGITS: usize = 309;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A master key with its master salt, and the suite they are for.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    octets: Zeroizing<[u8; MAX_KEY_AND_SALT]>,
}

impl MasterKey {
    /// From a key with its salt behind it; `None` where the suite wants another length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        let mut octets = Zeroizing::new([0; MAX_KEY_AND_SALT]);
        let room = octets.get_mut(..suite.key_length() + suite.salt_length())?;
        if room.len() != key_and_salt.len() {
            return None;
        }
        room.copy_from_slice(key_and_salt);
        Some(Self { suite, octets })
    }

    /// From a key and its salt apart, as DTLS-SRTP yields them (RFC 5764 4.2).
    pub fn from_parts(suite: Suite, key: &[u8], salt: &[u8]) -> Option<Self> {
        let mut octets = Zeroizing::new([0; MAX_KEY_AND_SALT]);
        let length = key.len().checked_add(salt.len())?;
        let room = octets.get_mut(..length).filter(|_| key.len() == suite.key_length())?;
        room.iter_mut().zip(key.iter().chain(salt)).for_each(|(octet, part)| *octet = *part);
        Self::new(suite, octets.get(..length)?)
    }

    /// A fresh one. The seed behind `random` is the key's whole strength.
    pub fn draw(suite: Suite, random: &mut Random) -> Self {
        let mut octets = Zeroizing::new([0; MAX_KEY_AND_SALT]);
        let length = suite.key_length() + suite.salt_length();
        for octets in octets.get_mut(..length).unwrap_or_default().chunks_mut(8) {
            let drawn = Zeroizing::new(random.next_u64().to_be_bytes());
            octets.iter_mut().zip(drawn.iter()).for_each(|(octet, drawn)| *octet = *drawn);
        }
        Self { suite, octets }
    }

    /// From base64 (RFC 4568 6.1): `=` at the end is discarded, be it too many or too few. `None` where it is no base64
    /// or has another length than the suite wants.
    pub fn from_base64(suite: Suite, text: &str) -> Option<Self> {
        let mut octets = Zeroizing::new([0; MAX_KEY_AND_SALT + 2]);
        let digits = text.trim_end_matches('=').as_bytes();
        let mut length = 0;
        for digits in digits.chunks(4) {
            let mut group = 0_u32;
            for digit in digits {
                let value = BASE64.iter().position(|known| known == digit)?;
                group = group << 6 | u32::try_from(value).ok()?;
            }
            let count = digits.len() * 3 / 4;
            group <<= 6 * (4 - digits.len());
            for (octet, value) in
                octets.get_mut(length..length + count)?.iter_mut().zip(group.to_be_bytes().iter().skip(1))
            {
                *octet = *value;
            }
            // A single digit is six bits: no octet.
            if count == 0 {
                return None;
            }
            length += count;
        }
        Self::new(suite, octets.get(..length)?)
    }

    /// As base64, padded.
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_AND_SALT.div_ceil(3) * 4));
        for octets in self.octets().chunks(3) {
            let group =
                octets.iter().enumerate().fold(0, |group, (n, octet)| group | u32::from(*octet) << (16 - 8 * n));
            for n in 0..4 {
                let digit = BASE64.get((group >> (18 - 6 * n) & 63) as usize).filter(|_| n <= octets.len());
                text.push(digit.map_or('=', |digit| char::from(*digit)));
            }
        }
        text
    }

    /// The suite it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key and the salt behind it, to be kept where keys are kept.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.suite.key_length() + self.suite.salt_length()).unwrap_or_default()
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.octets().get(..self.suite.key_length()).unwrap_or_default()
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        self.octets().get(self.suite.key_length()..).unwrap_or_default()
    }
}

impl PartialEq for MasterKey {
    /// Takes the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        let difference = self.octets.iter().zip(other.octets.iter()).fold(0, |all, (a, b)| all | (a ^ b));
        self.suite == other.suite && difference == 0
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, ..)", self.suite)
    }
}

/// A master key identifier (RFC 3711 3.1): as many octets of each packet as its length says, big-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mki(Vec<u8>);

impl Mki {
    /// From `value:length` (RFC 4568 6.1); `None` where the value does not fit, or either is no decimal number without
    /// leading zeroes.
    pub fn parse(text: &str) -> Option<Self> {
        let (value, length) = text.split_once(':')?;
        let length = usize::try_from(decimal(length)?).ok().filter(|length| (1..=MAX_MKI_LENGTH).contains(length))?;
        if !is_decimal(value) || value.len() > MAX_MKI_DIGITS {
            return None;
        }
        let mut octets = vec![0_u8; length];
        for digit in value.bytes() {
            let mut carry = u16::from(digit - b'0');
            for octet in octets.iter_mut().rev() {
                let product = u16::from(*octet) * 10 + carry;
                *octet = (product & 0xff) as u8;
                carry = product >> 8;
            }
            if carry > 0 {
                return None;
            }
        }
        Some(Self(octets))
    }

    /// As it stands in a packet.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Mki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.clone();
        let mut digits = Vec::new();
        while digits.is_empty() || rest.iter().any(|octet| *octet > 0) {
            let remainder = rest.iter_mut().fold(0_u16, |remainder, octet| {
                let part = remainder << 8 | u16::from(*octet);
                *octet = (part / 10) as u8;
                part % 10
            });
            digits.push(remainder);
        }
        digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"))?;
        write!(f, ":{}", self.0.len())
    }
}

/// A decimal number without leading zeroes.
pub(super) fn decimal(text: &str) -> Option<u64> {
    Some(text).filter(|text| is_decimal(text))?.parse().ok()
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}
