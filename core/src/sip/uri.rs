//! URIs (RFC 3261 19.1, RFC 3966), and the values built of them: addresses and Via.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use serde::{Deserialize, Serialize};

pub use super::address::NameAddr;
pub use super::params::Params;
pub use super::via::Via;

use super::Transport;
use crate::text::{find, split_once};

/// A URI. `sip` and `sips` are taken apart; a `tel` has its number in `user` and no host; of any other scheme all
/// that follows the colon is in `host`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uri {
    /// Lower case.
    pub scheme: String,
    /// All before the `@`, a password included, escapes as they came; a telephone number.
    pub user: Option<String>,
    /// A name or address, IPv6 in its brackets.
    pub host: String,
    /// The port, where one is named.
    pub port: Option<u16>,
    /// `;transport=tcp;lr` ...
    pub params: Params,
    /// What follows the `?`.
    pub headers: Option<String>,
}

/// Why a text is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriError {
    /// There is no `scheme:`.
    NoScheme,
    /// A blank, bracket or control character is in it.
    BadCharacter,
    /// The host is missing, or is not one.
    BadHost,
    /// The port is not a number up to 65535.
    BadPort,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScheme => "the URI has no scheme",
            Self::BadCharacter => "the URI has a character that may not be in it",
            Self::BadHost => "the URI has no valid host",
            Self::BadPort => "the URI's port is not a port",
        })
    }
}

impl core::error::Error for UriError {}

impl Uri {
    /// Takes a URI apart. Unknown parameters and unescaped characters of the user part are borne.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let pieces = Pieces::of(text)?;
        Ok(Self {
            scheme: pieces.scheme.to_ascii_lowercase(),
            user: pieces.user.map(ToOwned::to_owned),
            host: pieces.host.to_owned(),
            port: pieces.port,
            params: Params::parse(pieces.params),
            headers: pieces.headers.map(ToOwned::to_owned),
        })
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        self.scheme == "sip" || self.scheme == "sips"
    }

    /// The host, if it is an address and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        host_ip(&self.host)
    }

    /// What carries a request to it: TLS for `sips`, else `transport=`, else UDP (RFC 3263 4.1 without DNS).
    pub fn transport(&self) -> Transport {
        let named = self.params.get("transport").unwrap_or("");
        if self.scheme == "sips" || named.eq_ignore_ascii_case("tls") {
            Transport::Tls
        } else if named.eq_ignore_ascii_case("tcp") {
            Transport::Tcp
        } else {
            Transport::Udp
        }
    }

    /// Where a request to it goes, if its host (or `maddr`) is an address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let ip = self.params.get("maddr").and_then(host_ip).or_else(|| self.ip())?;
        Some(SocketAddr::new(ip, self.port.unwrap_or_else(|| self.transport().default_port())))
    }
}

/// A URI's parts as they stand in it.
#[derive(Default)]
pub(super) struct Pieces<'a> {
    /// In whatever case.
    pub(super) scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
    pub(super) headers: Option<&'a str>,
}

impl<'a> Pieces<'a> {
    /// See [`Uri::parse`].
    pub(super) fn of(text: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = split_once(text, b':').ok_or(UriError::NoScheme)?;
        let first_is_letter = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !first_is_letter || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(UriError::NoScheme);
        }
        if text.bytes().any(|b| b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"')) {
            return Err(UriError::BadCharacter);
        }
        if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = split_once(rest, b';').unwrap_or((rest, ""));
            return Ok(Self { scheme, user: Some(number), params, ..Self::default() });
        }
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return Ok(Self { scheme, host: rest, ..Self::default() });
        }
        // The user part may hold `;` and `?` (RFC 4475 3.1.1.9), so the `@` comes first.
        let (user, rest) = split_once(rest, b'@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (rest, headers) = split_once(rest, b'?').map_or((rest, None), |(rest, headers)| (rest, Some(headers)));
        let (host_port, params) = split_once(rest, b';').unwrap_or((rest, ""));
        let (host, port) = split_host_port(host_port)?;
        Ok(Self { scheme, user, host, port, params, headers })
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(super) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = match find(text, b']') {
        Some(at) => text.split_at(at + 1),
        None => find(text, b':').map_or((text, ""), |at| text.split_at(at)),
    };
    let valid = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').is_some_and(|inner| v6(inner).is_some()),
        None => !host.is_empty() && host.bytes().all(|b| !matches!(b, b'[' | b']' | b',' | b';' | b'/' | b'@' | b'"')),
    };
    if !valid {
        return Err(UriError::BadHost);
    }
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| UriError::BadPort)?)
        }
        Some(_) => return Err(UriError::BadPort),
        None if port.is_empty() => None,
        None => return Err(UriError::BadHost),
    };
    Ok((host, port))
}

/// The address that a host is, if it is not a name.
pub(super) fn host_ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().or_else(|| v6(bare).map(IpAddr::V6))
}

/// An IPv6 address; also with the third colon before an IPv4 part that RFC 3261's grammar lets through (RFC 5118 4.10).
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (left, right) = text.split_once(":::")?;
        right.contains('.').then(|| alloc::format!("{left}::{right}").parse().ok())?
    })
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if !self.host.is_empty() {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_users_semicolons_are_the_users() {
        let text = "sip:user;par=u%40example.net@example.com:5070;lr?x=y";
        let uri = Uri::parse(text).unwrap();
        assert_eq!(uri.user.as_deref(), Some("user;par=u%40example.net"));
        assert_eq!((uri.host.as_str(), uri.port), ("example.com", Some(5070)));
        assert!(uri.params.has("lr"));
        assert_eq!(uri.headers.as_deref(), Some("x=y"));
        assert_eq!(uri.to_string(), text);
    }

    #[test]
    fn addresses_and_transports() {
        let uri = Uri::parse("sips:[2001:db8::1];transport=tcp").unwrap();
        assert_eq!(uri.transport(), Transport::Tls);
        assert_eq!(uri.socket_addr(), Some("[2001:db8::1]:5061".parse().unwrap()));
        let uri = Uri::parse("sip:a@example.com:5070;maddr=192.0.2.1;transport=TCP").unwrap();
        assert_eq!(uri.socket_addr(), Some("192.0.2.1:5070".parse().unwrap()));
        assert_eq!(uri.transport(), Transport::Tcp);
        assert_eq!(Uri::parse("sip:example.com").unwrap().socket_addr(), None);
    }

    #[test]
    fn other_schemes_are_kept() {
        let uri = Uri::parse("tel:+1-555;phone-context=example.com").unwrap();
        assert_eq!(uri.user.as_deref(), Some("+1-555"));
        assert_eq!(uri.params.get("phone-context"), Some("example.com"));
        assert_eq!(uri.to_string(), "tel:+1-555;phone-context=example.com");
        assert_eq!(Uri::parse("soap.beep://127.0.2.103:3002").unwrap().host, "//127.0.2.103:3002");
    }

    #[test]
    fn what_is_no_uri_is_an_error() {
        for (text, error) in [
            ("example", UriError::NoScheme),
            ("1a:b", UriError::NoScheme),
            ("sip:", UriError::BadHost),
            ("sip:a@[::g]", UriError::BadHost),
            ("sip:a@b:c", UriError::BadPort),
            ("sip:a@b:65536", UriError::BadPort),
            ("sip:a @b", UriError::BadCharacter),
            ("sip:a@b>", UriError::BadCharacter),
        ] {
            assert_eq!(Uri::parse(text), Err(error), "{text}");
        }
    }
}
