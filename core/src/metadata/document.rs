//! One metadata document as it was sent, dialects already read as what they mean.
//!
//! Times are kept as written: SRCs' clocks are not to be trusted, ours tells when.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::text::{find, find_any, split_once};

/// `datamode` (RFC 7865 5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataMode {
    /// All there is now.
    #[default]
    Complete,
    /// What has changed.
    Partial,
}

/// How the document says things.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dialect {
    /// Local name of the root: `recording`, `recording_metadata`.
    pub root: String,
    /// Namespace of the root.
    pub namespace: String,
    /// `send` and `recv` stand inside `participant`.
    pub sends_in_participants: bool,
    /// Prefix of the root's name, where it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Other namespaces that the root declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<String>,
}

/// A metadata document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Document {
    /// Complete or partial.
    pub mode: DataMode,
    /// The document does not say which: complete is what that means.
    #[serde(default)]
    pub mode_is_left_out: bool,
    /// How it says things.
    pub dialect: Dialect,
    /// Groups of communication sessions.
    pub groups: Vec<Group>,
    /// Communication sessions.
    pub sessions: Vec<SessionElement>,
    /// Participants.
    pub participants: Vec<ParticipantElement>,
    /// Streams.
    pub streams: Vec<StreamElement>,
    /// Sessions of this recording session.
    pub session_recordings: Vec<SessionRecordingAssoc>,
    /// Participants of sessions.
    pub participant_sessions: Vec<ParticipantSessionAssoc>,
    /// Who sends and receives what.
    pub participant_streams: Vec<ParticipantStreamAssoc>,
    /// Vendors' data beside the elements above.
    pub extensions: Vec<Extension>,
}

/// `group` (RFC 7865 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Group {
    /// `group_id`.
    pub id: String,
    /// `associate-time`.
    pub associated: Option<String>,
    /// `disassociate-time`.
    pub disassociated: Option<String>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `session` (RFC 7865 6.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionElement {
    /// `session_id`.
    pub id: String,
    /// `sipSessionID` values, without white space.
    pub sip_session_ids: Vec<String>,
    /// Why it ended.
    pub reasons: Vec<Reason>,
    /// `group-ref`.
    pub group: Option<String>,
    /// `start-time`.
    pub started: Option<String>,
    /// `stop-time`: it is over.
    pub stopped: Option<String>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `reason` (RFC 7865 6.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `protocol`, `SIP` where it is absent.
    pub protocol: String,
    /// `cause`.
    pub cause: String,
    /// The text.
    pub text: String,
}

/// `participant` (RFC 7865 6.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParticipantElement {
    /// `participant_id`.
    pub id: String,
    /// Its names.
    pub names: Vec<NameId>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `nameID`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NameId {
    /// Address of record, as sent.
    pub aor: String,
    /// The same in one form for all vendors, for searching: `alice@example.com`, `+15551234567`.
    pub normalised: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// Its `xml:lang`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
}

impl NameId {
    /// A name with its normalised address.
    pub fn new(aor: &str, display: Option<String>, lang: Option<String>) -> Self {
        Self { aor: aor.to_string(), normalised: normalise(aor), display, lang }
    }
}

/// `stream` (RFC 7865 6.7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamElement {
    /// `stream_id`.
    pub id: String,
    /// `session_id`.
    pub session: Option<String>,
    /// `label`, as in the SDP.
    pub label: Option<String>,
    /// `mode` of the drafts: `mixed`, `separate`.
    pub mode: Option<String>,
    /// `disassociate-time` of the drafts.
    pub disassociated: Option<String>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `sessionrecordingassoc` (RFC 7865 6.4).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionRecordingAssoc {
    /// `session_id`.
    pub session: String,
    /// `associate-time`.
    pub associated: Option<String>,
    /// `disassociate-time`: recorded here no more.
    pub disassociated: Option<String>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `participantsessionassoc` (RFC 7865 6.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParticipantSessionAssoc {
    /// `participant_id`.
    pub participant: String,
    /// `session_id`; empty where the document does not say.
    pub session: String,
    /// `associate-time`.
    pub associated: Option<String>,
    /// `disassociate-time`: left.
    pub disassociated: Option<String>,
    /// `param` elements: name and value.
    pub params: Vec<(String, String)>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// `participantstreamassoc` (RFC 7865 6.8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParticipantStreamAssoc {
    /// `participant_id`.
    pub participant: String,
    /// Ids of the streams it contributes to.
    pub send: Vec<String>,
    /// Ids of the streams it receives.
    pub recv: Vec<String>,
    /// `associate-time`.
    pub associated: Option<String>,
    /// `disassociate-time`.
    pub disassociated: Option<String>,
    /// Vendors' data.
    pub extensions: Vec<Extension>,
}

/// What a vendor adds (RFC 7865 5.1.1): kept, not understood.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extension {
    /// Local name of its element.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Other namespaces in it: those that it declares, and its elements'.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// The id it names as its parent, where it does.
    pub parent: Option<String>,
    /// The element, verbatim.
    pub xml: String,
    /// Its texts by path of local names (`broadWorksRecordingMetadata/userID`) and its attributes (`.../@version`).
    /// `extensiondata` itself is left out of the path.
    pub fields: Vec<(String, String)>,
}

impl Extension {
    /// The value of the first field whose last path element is `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(path, _)| path.rsplit('/').next() == Some(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One form of an address for all vendors: no scheme, no parameters, no port, no brackets; the host in lower case.
/// `sip:Alice@Example.com:5060;user=phone` -> `Alice@example.com`; `tel:+1-555-0100` -> `+15550100`.
fn normalise(aor: &str) -> String {
    let inner = match (find(aor, b'<'), aor.bytes().rposition(|byte| byte == b'>')) {
        (Some(from), Some(to)) if from < to => aor.get(from + 1..to).unwrap_or(aor),
        (_, _) => aor,
    };
    let trimmed = inner.trim();
    let (scheme, rest) = match split_once(trimmed, b':') {
        Some((scheme, rest)) if ["sip", "sips", "tel"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => (scheme, rest),
        Some(_) | None => ("", trimmed),
    };
    let bare = |part: &str| find_any(part.as_bytes(), [b';', b'?']).unwrap_or(part.len());
    match split_once(rest, b'@') {
        Some((user, host)) => {
            let user = user.get(..bare(user)).unwrap_or(user);
            let host = host.get(..bare(host)).unwrap_or(host);
            let host = match host.rsplit_once(':') {
                Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
                Some(_) | None => host,
            };
            let mut normalised = [user, "@", host].concat();
            if let Some(host) = normalised.get_mut(user.len() + 1..) {
                host.make_ascii_lowercase();
            }
            normalised
        }
        None if scheme.eq_ignore_ascii_case("tel") => {
            let number = rest.get(..bare(rest)).unwrap_or(rest);
            number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect()
        }
        None => rest.get(..bare(rest)).unwrap_or(rest).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        for (aor, expected) in [
            ("sip:Alice@Example.COM", "Alice@example.com"),
            ("sips:alice@example.com:5061;user=phone", "alice@example.com"),
            ("5550101@198.51.100.62", "5550101@198.51.100.62"),
            ("sip:5550101;noa=national@198.51.100.62", "5550101@198.51.100.62"),
            ("tel:+1-555-0100;ext=2", "+15550100"),
            ("8638254725", "8638254725"),
            ("sip:8638254725", "8638254725"),
            ("\"Bob\" <sip:bob@[2001:DB8::1]:5060>", "bob@[2001:db8::1]"),
            ("198.51.100.62", "198.51.100.62"),
            ("", ""),
            ("<>", ""),
        ] {
            assert_eq!(normalise(aor), expected, "{aor}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_last_name() {
        let fields = [("a/b/callingParty".to_string(), "true".to_string())].to_vec();
        let extension = Extension { fields, ..Extension::default() };
        assert_eq!(extension.field("callingParty"), Some("true"));
        assert_eq!(extension.field("b"), None);
    }
}
