//! `From`, `To`, `Contact`, `Route` values (RFC 3261 20.10, 25.1): a display name, a URI, parameters.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

use super::params::{Params, find};
use super::uri::{Uri, UriError};
use crate::text::{find as find_byte, split_once};

/// A URI with a display name before it and parameters behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// The name to show, quotes and escapes taken off.
    pub display: Option<String>,
    /// Whom or where.
    pub uri: Uri,
    /// Parameters of the header (`tag`, `expires`, `+sip.src`), not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// Takes a value apart, and bears what peers get wrong: a bracket that is not closed (then all is the URI), one
    /// opened twice, blanks around the URI, commas in a display name, no brackets at all (then parameters are the
    /// header's, RFC 3261 20).
    pub fn parse(value: &str) -> Result<Self, UriError> {
        let parts = Parts::of(value);
        let uri = Uri::parse(parts.uri)?;
        let display = (!parts.display.is_empty()).then(|| unescape(parts.display));
        Ok(Self { display, uri, params: Params::parse(parts.params) })
    }

    /// Parameter `name`, wherever it was put: behind the brackets, or by mistake inside them (`<sip:a@b;+sip.src>`).
    pub fn anywhere(&self, name: &str) -> Option<&str> {
        self.params.get(name).or_else(|| self.uri.params.get(name))
    }

    /// The `tag`.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            f.write_str("\"")?;
            for c in display.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            f.write_str("\" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// A value's three parts as they stand in it.
pub(super) struct Parts<'a> {
    /// With its quotes.
    pub(super) display: &'a str,
    /// Without its brackets.
    pub(super) uri: &'a str,
    /// From the first `;` on.
    pub(super) params: &'a str,
    /// Quotes and brackets are balanced, and the URI touches its brackets (RFC 4475 3.1.2.6, 3.1.2.14).
    pub(super) well_formed: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn of(value: &'a str) -> Self {
        let value = value.trim_ascii();
        let name_end = if value.starts_with('"') { quoted_end(value) } else { Some(0) };
        let (name, rest) = value.split_at(name_end.unwrap_or(0));
        let Some(open) = find_byte(rest, b'<') else {
            let (uri, params) = split_once(value, b';').unwrap_or((value, ""));
            let well_formed = name.is_empty() && name_end.is_some();
            return Self { display: "", uri: uri.trim_ascii(), params, well_formed };
        };
        let display = value.get(..name.len() + open).unwrap_or("").trim_ascii();
        let inside = rest.get(open + 1..).unwrap_or("");
        let bare = inside.trim_start_matches(['<', ' ', '\t']);
        let (uri, params, closed) = match split_once(bare, b'>') {
            Some((uri, params)) => (uri, params.trim_end_matches('>'), true),
            None => (bare, "", false),
        };
        let touches = bare.len() == inside.len() && uri.trim_ascii_end() == uri;
        Self { display, uri: uri.trim_ascii(), params, well_formed: name_end.is_some() && closed && touches }
    }

    /// The `tag` parameter.
    pub(super) fn tag(&self) -> Option<&'a str> {
        find(self.params, "tag").filter(|tag| !tag.is_empty())
    }
}

/// Length of the quoted string that `text` begins with; `None` if it never ends.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            return Some(at + 1);
        }
    }
    None
}

fn unescape(display: &str) -> String {
    let Some(inner) = display.strip_prefix('"') else { return String::from(display) };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn parsed(value: &str) -> NameAddr {
        NameAddr::parse(value).unwrap()
    }

    #[test]
    fn names_lose_their_quotes_and_get_them_back() {
        let value = "\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com> ; tag = 98asjd8";
        let address = parsed(value);
        assert_eq!(address.display.as_deref(), Some("J Rosenberg \\\""));
        assert_eq!(address.tag(), Some("98asjd8"));
        assert_eq!(parsed(&address.to_string()), NameAddr { params: Params::parse("tag = 98asjd8"), ..address });
        assert_eq!(parsed("caller<sip:caller@example.com>;tag=323").display.as_deref(), Some("caller"));
        assert_eq!(parsed("\"x\"<sip:a@b>").display.as_deref(), Some("x"));
    }

    #[test]
    fn without_brackets_parameters_are_the_headers() {
        let address = parsed("sip:+19725552222@gw1.example.net;unknownparam;tag=1");
        assert!(address.params.has("unknownparam") && address.uri.params.is_empty());
        assert_eq!(address.tag(), Some("1"));
    }

    #[test]
    fn slips_of_peers_are_borne() {
        let address = parsed("<sip:u@192.0.2.1:5060;+sip.src");
        assert_eq!((address.uri.port, address.anywhere("+sip.src")), (Some(5060), Some("")));
        let address = parsed("<<sip:127.0.0.1:5060>;+sip.src>");
        assert_eq!((address.uri.host.as_str(), address.params.get("+sip.src")), ("127.0.0.1", Some("")));
        let address = parsed("Watson, Thomas < sip:t.watson@example.org >");
        assert_eq!(address.uri.user.as_deref(), Some("t.watson"));
        assert!(parsed("<sip:a@b>; +sip.src").params.has("+sip.src"));
    }

    #[test]
    fn what_is_malformed_is_known() {
        for value in ["\"Mr. J. User <sip:j.user@example.com>", "< sip:a@b>", "<sip:a@b >", "<sip:a@b", "\"a\""] {
            assert!(!Parts::of(value).well_formed, "{value}");
        }
        for value in ["sip:a@b;tag=x", "\"a < b\" <sip:a@b>", "Watson, T <sip:a@b>;tag=\"<\""] {
            assert!(Parts::of(value).well_formed, "{value}");
        }
        assert!(NameAddr::parse("\"<\"").is_err());
    }
}
