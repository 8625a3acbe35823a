//! Values with a unit or a form of their own: what parses is right, and what does not says how to write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// `Deserialize` by `FromStr` (a bare number is read as its digits) and `Serialize` by `Display`.
macro_rules! text_value {
    ($type:ty, $expecting:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

pub(super) use text_value;

/// Why a text is no value of its kind, and how to write one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub(super) String);

impl Invalid {
    pub(super) fn because(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// Where to listen: `:5060` (all addresses, IPv4 and IPv6), `192.0.2.1:5060` or `[2001:db8::1]:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// One address of this machine; none for all of them.
    pub ip: Option<IpAddr>,
    /// The port; 0 lets the kernel choose.
    pub port: u16,
}

impl FromStr for ListenAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid(format!("`{text}` is no address to listen on: write \":5060\" or \"192.0.2.1:5060\""));
        if let Some(port) = text.strip_prefix(':') {
            return Ok(Self { ip: None, port: port.parse().map_err(|_| wrong())? });
        }
        let address: std::net::SocketAddr = text.parse().map_err(|_| wrong())?;
        Ok(Self { ip: Some(address.ip()), port: address.port() })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            None => write!(f, ":{}", self.port),
            Some(ip) => write!(f, "{}", std::net::SocketAddr::new(ip, self.port)),
        }
    }
}

text_value!(ListenAddress, "an address to listen on, as \":5060\"");

/// A length of time: `20ms`, `30s`, `5m`, `12h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const SPAN_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let millis = with_unit(text, &SPAN_UNITS)
            .ok_or_else(|| Invalid(format!("`{text}` is no length of time: write it as 500ms, 30s, 5m, 12h or 7d")))?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = SPAN_UNITS.iter().rev().find(|(_, size)| millis % size == 0).unwrap_or(&SPAN_UNITS[0]);
        if millis == 0 { f.write_str("0s") } else { write!(f, "{}{unit}", millis / size) }
    }
}

text_value!(Span, "a length of time, as \"30s\"");

/// A number of bytes: `512B`, `64KiB`, `100MB`, `1GiB` ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        with_unit(text, &SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| Invalid(format!("`{text}` is no size: write it as 512MiB, 1GiB or 500MB")))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(unit.1);
        let (unit, size) = SIZE_UNITS.iter().rev().find(fits).unwrap_or(&SIZE_UNITS[0]);
        write!(f, "{}{unit}", self.0 / size)
    }
}

text_value!(ByteSize, "a size, as \"1GiB\"");

/// The whole number before one of `units`, times that unit.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// UDP ports from the first to the last, both included: `10000-20000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

/// A session with caller and callee takes two streams, and a stream an RTP and an RTCP port (RFC 3550 11).
const PORTS_A_SESSION: u32 = 4;

impl PortRange {
    /// How many sessions of two legs it carries on one address: pairs begin at even ports.
    pub fn two_leg_sessions(self) -> u32 {
        let first_even = u32::from(self.first).next_multiple_of(2);
        (u32::from(self.last) + 1).saturating_sub(first_even) / PORTS_A_SESSION
    }

    /// The last port a range from `first` needs to carry `sessions` sessions of two legs.
    pub fn last_port_for(first: u16, sessions: u32) -> u32 {
        (u32::from(first).next_multiple_of(2) + sessions.saturating_mul(PORTS_A_SESSION)).saturating_sub(1)
    }
}

impl FromStr for PortRange {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |why: &str| Invalid(format!("`{text}` is no range of ports ({why}): write it as \"10000-20000\""));
        let (first, last) = text.split_once('-').ok_or_else(|| wrong("no dash"))?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong("ports are 1 to 65535"));
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first == 0 || range.last <= range.first {
            return Err(wrong("the first must be at least 1 and less than the last"));
        }
        if range.two_leg_sessions() == 0 {
            return Err(wrong("a session of two legs takes four ports"));
        }
        Ok(range)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

text_value!(PortRange, "a range of ports, as \"10000-20000\"");

/// Addresses with a common prefix: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its lowest address.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether `ip` lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(self, ip: IpAddr) -> bool {
        let differ = match (self.address, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        differ >= u32::from(self.prefix)
    }
}

impl FromStr for Network {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid(format!("`{text}` is no network: write it as \"10.0.0.0/8\" or \"192.0.2.1\""));
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
        if prefix > bits { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == bits { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

text_value!(Network, "a network, as \"10.0.0.0/8\"");

/// A codec by its registered encoding name (RFC 3551 and its successors), or `G.711` for both of its laws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec(String);

/// The names that can be preferred. What is not among them is recorded all the same, after these.
const CODECS: [&str; 20] = [
    "G.711",
    "PCMA",
    "PCMU",
    "L16",
    "G.722",
    "G722",
    "G.729",
    "G729",
    "G723",
    "G726-32",
    "opus",
    "iLBC",
    "GSM",
    "speex",
    "SILK",
    "AMR",
    "AMR-WB",
    "EVS",
    "telephone-event",
    "CN",
];

impl Codec {
    /// The encoding names it stands for, as SDP writes them.
    pub fn encodings(&self) -> Vec<&str> {
        match self.0.as_str() {
            "G.711" => vec!["PCMU", "PCMA"],
            "G.722" => vec!["G722"],
            "G.729" => vec!["G729"],
            other => vec![other],
        }
    }
}

impl FromStr for Codec {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = CODECS.iter().find(|name| name.eq_ignore_ascii_case(text));
        known.map(|name| Self((*name).to_string())).ok_or_else(|| {
            let hint = super::nearest::did_you_mean(text, CODECS.iter().copied());
            Invalid(format!("`{text}` is no codec siprec knows{hint}"))
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Codec, "the name of a codec, as \"G.711\"");

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(std::path::PathBuf),
}

impl FromStr for LogOutput {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(match text {
            "" => return Err(Invalid("write stderr, stdout or the path of a file".into())),
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
}

impl fmt::Display for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

text_value!(LogOutput, "stderr, stdout or the path of a file");

/// A value that is never printed: passwords, and URLs that hold one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is printed instead of a secret.
pub(super) const MASK: &str = "********";

impl Secret {
    /// The value itself, for who must present it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(Self(text.to_string()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

text_value!(Secret, "a text");

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T: FromStr<Err = Invalid> + fmt::Display>(text: &str) {
        assert_eq!(text.parse::<T>().map(|v| v.to_string()), Ok(text.to_string()));
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in [":5060", "192.0.2.1:5060", "[2001:db8::1]:5061", ":0"] {
            same::<ListenAddress>(text);
        }
        for text in ["20ms", "30s", "5m", "12h", "7d", "0s"] {
            same::<Span>(text);
        }
        for text in ["1GiB", "512MiB", "100MB", "0B"] {
            same::<ByteSize>(text);
        }
        same::<PortRange>("10000-20000");
        same::<Network>("10.0.0.0/8");
        same::<Network>("2001:db8::1");
        same::<LogOutput>("/var/log/siprec/siprec.log");
        same::<LogOutput>("stderr");
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in ["5060", ":70000", "localhost:5060", "::1:5060", ":", ""] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
        for text in ["30", "s", "1.5s", "-1s", "30 apples", "99999999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["10000", "20000-10000", "0-100", "1-70000", "10000-10002"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
        for text in ["10.0.0.0/33", "ten/8", "::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert_eq!(
            "G711".parse::<Codec>().unwrap_err().to_string(),
            "`G711` is no codec siprec knows: did you mean `G.711`?"
        );
    }

    #[test]
    fn a_range_counts_even_pairs_only() {
        let sessions = |text: &str| text.parse::<PortRange>().unwrap().two_leg_sessions();
        assert_eq!(sessions("10000-20000"), 2_500);
        assert_eq!(sessions("10000-10003"), 1);
        assert_eq!(sessions("10001-10005"), 1);
        assert_eq!(PortRange::last_port_for(10_000, 2_500), 19_999);
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("a00::1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret: Secret = "hunter2".parse().unwrap();
        assert_eq!(
            format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()),
            "******** ******** \"********\""
        );
        assert_eq!(secret.reveal(), "hunter2");
    }
}
