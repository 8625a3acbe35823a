//! How packets are marked for the network's queues (RFC 2474).

use std::fmt;
use std::str::FromStr;

use super::values::{Invalid, text_value};

/// Code points that have names (RFC 2474 4.2.2.1, RFC 2597 6, RFC 3246, RFC 5865, RFC 8622).
const NAMED: [(&str, u8); 23] = [
    ("CS0", 0),
    ("CS1", 8),
    ("CS2", 16),
    ("CS3", 24),
    ("CS4", 32),
    ("CS5", 40),
    ("CS6", 48),
    ("CS7", 56),
    ("AF11", 10),
    ("AF12", 12),
    ("AF13", 14),
    ("AF21", 18),
    ("AF22", 20),
    ("AF23", 22),
    ("AF31", 26),
    ("AF32", 28),
    ("AF33", 30),
    ("AF41", 34),
    ("AF42", 36),
    ("AF43", 38),
    ("VA", 44),
    ("EF", 46),
    ("LE", 1),
];
const LARGEST: u8 = 63;

/// A differentiated services code point, 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dscp(u8);

impl Dscp {
    /// The octet of the IP header that holds it: IPv4's TOS, IPv6's traffic class.
    pub fn octet(self) -> u8 {
        self.0 << 2
    }
}

impl FromStr for Dscp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, point)| *point);
        named.or_else(|| text.parse().ok().filter(|point| *point <= LARGEST)).map(Self).ok_or_else(|| {
            Invalid::because(format!(
                "`{text}` is no code point: write a name (CS3, AF31, EF) or a number from 0 to 63"
            ))
        })
    }
}

impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, point)| *point == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

text_value!(Dscp, "a code point, as CS3, EF or 46");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_the_same_points() {
        let octet = |text: &str| text.parse::<Dscp>().map(Dscp::octet);
        assert_eq!((octet("EF"), octet("46"), octet("cs3")), (Ok(0xb8), Ok(0xb8), Ok(0x60)));
        assert_eq!("46".parse::<Dscp>().unwrap().to_string(), "EF");
        assert_eq!("47".parse::<Dscp>().unwrap().to_string(), "47");
        for text in ["64", "-1", "EF1", ""] {
            assert!(octet(text).is_err(), "{text}");
        }
    }
}
