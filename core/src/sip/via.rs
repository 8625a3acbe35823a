//! `Via` (RFC 3261 20.42, RFC 3581): where a response goes.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::Transport;
use super::params::{Params, separator_at};
use super::uri::{UriError, host_ip, split_host_port};

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
        let end = separator_at(text, b';').unwrap_or(text.len());
        let (head, params) = text.split_at(end);
        let mut pieces = head.splitn(3, '/').map(str::trim);
        let (Some(name), Some(version), Some(rest)) = (pieces.next(), pieces.next(), pieces.next()) else {
            return Err(UriError::NoScheme);
        };
        let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(UriError::BadHost)?;
        if name.is_empty() || version.is_empty() || transport.is_empty() {
            return Err(UriError::NoScheme);
        }
        let sent_by = sent_by.trim();
        let blanks = [' ', '\t'];
        let sent_by =
            if sent_by.contains(blanks) { Cow::Owned(sent_by.replace(blanks, "")) } else { Cow::Borrowed(sent_by) };
        let (host, port) = split_host_port(&sent_by)?;
        Ok(Self {
            protocol: alloc::format!("{name}/{version}"),
            transport: String::from(transport),
            host: String::from(host),
            port,
            params: Params::parse(params),
        })
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
        let asked = self.params.has("rport");
        let says_so = host_ip(&self.host).is_some_and(|host| unmapped(host) == ip);
        let mut changed = self.params.remove("received");
        if asked {
            self.params.remove("rport");
        }
        if asked || !says_so {
            self.params.push("received", format_args!("{ip}"));
            changed = true;
        }
        if asked {
            self.params.push("rport", format_args!("{}", source.port()));
        }
        changed
    }

    /// Where a response goes, once stamped, when there is no connection to send it on (RFC 3261 18.2.2, RFC 3581 4).
    /// `None` only where sent-by is a name and nothing was stamped.
    pub fn response_address(&self, transport: Transport) -> Option<SocketAddr> {
        let sent_by_port = self.port.unwrap_or_else(|| transport.default_port());
        let received = self.params.get("received").and_then(host_ip);
        if transport == Transport::Udp {
            if let Some(maddr) = self.params.get("maddr").and_then(host_ip) {
                return Some(SocketAddr::new(maddr, sent_by_port));
            }
            if let (Some(ip), Some(port)) = (received, self.params.get("rport").and_then(|p| p.parse().ok())) {
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

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.protocol, self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
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
