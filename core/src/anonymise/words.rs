//! Words that are nobody's: terms of the protocols, and what stands where a name is withheld.

/// Where a name or a user is withheld, this is written (RFC 3323 4.1, RFC 3325, and what gateways say).
const WITHHELD: [&str; 10] =
    ["anonymous", "unavailable", "unknown", "restricted", "private", "withheld", "asserted-identity", "-", "*", "null"];

/// Words that stand in messages for other reasons than that somebody is called so: replaced where an address or a name is,
/// not elsewhere.
const TERMS: [&str; 66] = [
    "accept",
    "active",
    "agent",
    "application",
    "audio",
    "branch",
    "call",
    "callee",
    "caller",
    "calling",
    "called",
    "client",
    "complete",
    "conference",
    "contact",
    "content",
    "crypto",
    "data",
    "default",
    "dialog",
    "direction",
    "example",
    "extension",
    "false",
    "from",
    "group",
    "host",
    "inactive",
    "info",
    "invite",
    "label",
    "local",
    "media",
    "message",
    "mixed",
    "mode",
    "name",
    "none",
    "number",
    "office",
    "operator",
    "part",
    "participant",
    "partial",
    "phone",
    "proxy",
    "queue",
    "record",
    "recorder",
    "recording",
    "recvonly",
    "remote",
    "sendonly",
    "sendrecv",
    "separate",
    "server",
    "service",
    "session",
    "siprec",
    "stream",
    "support",
    "test",
    "this",
    "true",
    "unique",
    "user",
];

/// Names of sessions (`s=`) that say nothing.
const SESSION_NAMES: [&str; 8] = ["-", "sip call", "call", "session", "siprec", "sip media capabilities", "talk", "."];

/// Endings of names of files and of terms with dots, which are no domains.
const NO_DOMAINS: [&str; 12] =
    ["xml", "js", "conf", "txt", "wav", "pcap", "src", "instance", "json", "html", "so", "lua"];

/// The last label of hosts that are nobody's (RFC 6761).
const NOBODYS_DOMAINS: [&str; 2] = ["invalid", "localhost"];

/// Shorter words are in too many others.
pub(super) const MIN_WORD: usize = 4;

fn is_among(words: &[&str], text: &[u8]) -> bool {
    words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(text.trim_ascii()))
}

/// Whether the text says that there is no name.
pub(super) fn is_withheld(text: &[u8]) -> bool {
    text.trim_ascii().is_empty() || is_among(&WITHHELD, text)
}

/// Whether a word may be looked for in text, since it stands there for one reason only.
pub(super) fn is_telling(word: &[u8]) -> bool {
    word.len() >= MIN_WORD && !is_among(&TERMS, word) && !is_withheld(word)
}

/// Whether the name of a session says nothing.
pub(super) fn is_plain_session_name(text: &[u8]) -> bool {
    text.trim_ascii().is_empty() || is_among(&SESSION_NAMES, text)
}

/// Whether nobody's machine is called so.
pub(super) fn is_nobodys_host(host: &[u8]) -> bool {
    let last = host.strip_suffix(b".").unwrap_or(host).rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    is_among(&NOBODYS_DOMAINS, last)
}

/// Whether a word with dots in it is the name of a machine.
pub(super) fn is_like_host(word: &[u8]) -> bool {
    let mut labels = word.split(|byte| *byte == b'.');
    let last = labels.next_back().unwrap_or_default();
    let is_label = |label: &[u8]| {
        !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let mut others = labels.peekable();
    others.peek().is_some()
        && others.all(is_label)
        && (2..=24).contains(&last.len())
        && last.iter().all(u8::is_ascii_alphabetic)
        && !is_among(&NO_DOMAINS, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_told_from_names() {
        assert!(is_telling(b"alice") && !is_telling(b"Session") && !is_telling(b"src") && !is_telling(b"anonymous"));
        assert!(is_withheld(b" Anonymous ") && is_withheld(b"") && !is_withheld(b"Ann"));
        assert!(
            is_nobodys_host(b"anonymous.invalid") && is_nobodys_host(b"localhost") && !is_nobodys_host(b"a.example")
        );
        assert!(is_like_host(b"sbc1.customer.com") && is_like_host(b"a-b_c.de"));
        for other in [&b"sip.src"[..], b"12.5", b"localhost", b"a..b", b"b2b.123", b".com", b"a b.com"] {
            assert!(!is_like_host(other), "{}", other.escape_ascii());
        }
    }
}
