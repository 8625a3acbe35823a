//! `Via` (RFC 3261 20.42, RFC 3581): where a response goes.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::Transport;
use super::params::{Params, separator_at};
use super::uri::{UriError, host_ip, split_host_port};
use crate::text::{push_ip, push_number, split_once};

/// What a branch made by RFC 3261's rules begins with (8.1.1.7).
pub(super) const COOKIE: &str = "z9hG4bK";

/// One hop that a request took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `SIP/2.0`, without blanks.
    pub protocol: String,
    /// `UDP`, `TCP`, `TLS`, or any other token.
    pub transport: String,
    /// The sent-by host, IPv6 in its brackets.
    pub host: String,
    /// The sent-by port, where one is named.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` ...
    pub params: Params,
}

impl Via {
    /// Takes one element of a Via header apart.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let pieces = Pieces::of(text)?;
        let (host, port) = split_host_port(&pieces.sent_by)?;
        let protocol = [pieces.name, "/", pieces.version].concat();
        let (transport, host) = (String::from(pieces.transport), String::from(host));
        Ok(Self { protocol, transport, host, port, params: Params::parse(pieces.params) })
    }

    /// Whether [`Via::parse`] can take it apart.
    pub(super) fn is_valid(text: &str) -> bool {
        Pieces::of(text).is_ok_and(|pieces| split_host_port(&pieces.sent_by).is_ok())
    }

    /// The branch, if it has one.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, if it names a transaction alone (RFC 3261 17.2.3): made with the cookie, and more than the cookie
    /// (RFC 4475 3.2.1).
    pub fn rfc3261_branch(&self) -> Option<&str> {
        let is_cookie = |b: &&str| b.get(..COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE));
        self.branch().filter(|b| b.len() > COOKIE.len()).filter(is_cookie)
    }

    /// Notes where the request really came from: `received` when asked for `rport` or when sent-by does not say it
    /// (RFC 3261 18.2.1), and the port into an `rport` (RFC 3581 4). Whether that changed anything.
    pub fn stamp(&mut self, source: SocketAddr) -> bool {
        let ip = unmapped(source.ip());
        let says_so = host_ip(&self.host).is_some_and(|host| unmapped(host) == ip);
        let [received, asked] = self.params.remove_each(["received", "rport"]);
        if asked || !says_so {
            push_ip(self.params.add("received"), ip);
        }
        if asked {
            push_number(self.params.add("rport"), u64::from(source.port()));
        }
        received || asked || !says_so
    }

    /// Where a response goes, once stamped, when there is no connection to send it on (RFC 3261 18.2.2, RFC 3581 4).
    /// `None` only where sent-by is a name and nothing was stamped.
    pub fn response_address(&self, transport: Transport) -> Option<SocketAddr> {
        let sent_by_port = self.port.unwrap_or_else(|| transport.default_port());
        let [received, maddr, rport] = self.params.get_each(["received", "maddr", "rport"]);
        let received = received.and_then(host_ip);
        if transport == Transport::Udp {
            if let Some(maddr) = maddr.and_then(host_ip) {
                return Some(SocketAddr::new(maddr, sent_by_port));
            }
            if let (Some(ip), Some(port)) = (received, rport.and_then(|p| p.parse().ok())) {
                return Some(SocketAddr::new(ip, port));
            }
        }
        Some(SocketAddr::new(received.or_else(|| host_ip(&self.host))?, sent_by_port))
    }
}

/// An IPv4 address that a dual-stack socket shows as IPv6, as IPv4.
fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// An element as it stands, parameters with their first `;`.
struct Pieces<'a> {
    name: &'a str,
    version: &'a str,
    transport: &'a str,
    sent_by: Cow<'a, str>,
    params: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str) -> Result<Self, UriError> {
        let end = separator_at(text, b';').unwrap_or(text.len());
        let (head, params) = text.split_at(end);
        let (name, rest) = split_once(head, b'/').ok_or(UriError::NoScheme)?;
        let (version, rest) = split_once(rest, b'/').ok_or(UriError::NoScheme)?;
        let (name, version, rest) = (name.trim_ascii(), version.trim_ascii(), rest.trim_ascii());
        let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
        let blank = rest.bytes().position(is_blank).ok_or(UriError::BadHost)?;
        let (transport, sent_by) = rest.split_at(blank);
        if name.is_empty() || version.is_empty() || transport.is_empty() {
            return Err(UriError::NoScheme);
        }
        let sent_by = sent_by.trim_ascii();
        let sent_by = if sent_by.bytes().any(is_blank) {
            Cow::Owned(sent_by.replace([' ', '\t'], ""))
        } else {
            Cow::Borrowed(sent_by)
        };
        Ok(Self { name, version, transport, sent_by, params })
    }
}

impl Via {
    /// Adds it to `out`, as it goes on the wire.
    pub(super) fn write(&self, out: &mut String) {
        for piece in [&*self.protocol, "/", &*self.transport, " ", &*self.host] {
            out.push_str(piece);
        }
        if let Some(port) = self.port {
            out.push(':');
            push_number(out, u64::from(port));
        }
        self.params.write(out);
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn blanks_may_stand_anywhere() {
        let via = Via::parse("SIP  / 2.0  / TCP     spindle.example.com : 5070  ; branch  =   z9hG4bK9ikj8  ").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com:5070;branch  =   z9hG4bK9ikj8");
        assert_eq!(via.rfc3261_branch(), Some("z9hG4bK9ikj8"));
        let via = Via::parse("SIP/2.0/UDP [2001:db8::9]:5060;branch=x").unwrap();
        assert_eq!((via.host.as_str(), via.port, via.rfc3261_branch()), ("[2001:db8::9]", Some(5060), None));
        assert_eq!(Via::parse("SIP/2.0/UDP a;branch=z9hG4bK").unwrap().rfc3261_branch(), None);
    }

    #[test]
    fn broken_ones_are_errors() {
        for text in ["", ";", "SIP/2.0/UDP", "SIP/2.0 a", "/2.0/UDP a", "SIP/2.0/UDP a:b", "SIP/2.0/UDP ;branch=x"] {
            assert!(Via::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_source_is_stamped_where_sent_by_does_not_say_it() {
        let stamped = |text: &str| {
            let mut via = Via::parse(text).unwrap();
            via.stamp(address("192.0.2.1:4444"));
            via.params.to_string()
        };
        assert_eq!(stamped("SIP/2.0/UDP 192.0.2.1;branch=a"), ";branch=a");
        assert_eq!(stamped("SIP/2.0/UDP 192.0.2.2;received=10.0.0.1"), ";received=192.0.2.1");
        assert_eq!(stamped("SIP/2.0/UDP example.com"), ";received=192.0.2.1");
        assert_eq!(stamped("SIP/2.0/UDP 192.0.2.1;rport"), ";received=192.0.2.1;rport=4444");
        let mut via = Via::parse("SIP/2.0/UDP 192.0.2.1").unwrap();
        via.stamp(address("[::ffff:192.0.2.1]:5060"));
        assert!(via.params.is_empty());
    }

    #[test]
    fn responses_go_where_the_rfcs_say() {
        let to = |text: &str, transport| {
            let mut via = Via::parse(text).unwrap();
            via.stamp(address("192.0.2.1:4444"));
            via.response_address(transport)
        };
        assert_eq!(to("SIP/2.0/UDP a.example:5070;rport", Transport::Udp), Some(address("192.0.2.1:4444")));
        assert_eq!(to("SIP/2.0/UDP a.example:5070", Transport::Udp), Some(address("192.0.2.1:5070")));
        assert_eq!(to("SIP/2.0/UDP 192.0.2.1", Transport::Udp), Some(address("192.0.2.1:5060")));
        assert_eq!(to("SIP/2.0/UDP a.example;maddr=192.0.2.9;rport", Transport::Udp), Some(address("192.0.2.9:5060")));
        assert_eq!(to("SIP/2.0/TLS a.example;rport", Transport::Tls), Some(address("192.0.2.1:5061")));
        assert_eq!(to("SIP/2.0/TCP a.example:5080;rport", Transport::Tcp), Some(address("192.0.2.1:5080")));
    }
}
