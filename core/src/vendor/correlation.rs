//! What vendors call the call: ids out of header fields, URI parameters and extension data, each into a field of one
//! name and one form, so that recordings that belong together find each other.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::forms::Form;
use crate::metadata::{Extension, Snapshot};
use crate::sip::{Message, NameAddr, Params};

/// Values kept of one field.
pub const MAX_VALUES: usize = 32;

/// Where an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A header field of a request, or one that extension data repeats (`<header label="...">`).
    Header(&'static str),
    /// A parameter in a header field's value.
    HeaderParam(&'static str, &'static str),
    /// A parameter of From, of its URI or behind it.
    FromParam(&'static str),
    /// Text in extension data: the end of its path of local names.
    Element(&'static str),
    /// All texts in extension data below an element.
    Below(&'static str),
    /// `session_id`.
    SessionId,
    /// `sipSessionID`.
    SipSessionId,
    /// `group-ref`.
    Group,
}

/// Place, field, form.
type Rule = (Place, &'static str, Form);

const RULES: &[Rule] = &[
    (Place::Group, "group", Form::Text),
    (Place::SipSessionId, "sip_session_id", Form::SipSession),
    (Place::Header("Session-ID"), "sip_session_id", Form::SipSession),
    (Place::HeaderParam("P-Charging-Vector", "icid-value"), "icid", Form::Text),
    // Avaya, and those who pass its id on.
    (Place::Header("User-to-User"), "ucid", Form::UserToUser),
    (Place::Header("X-UCID"), "ucid", Form::Ucid),
    (Place::Header("X-Avaya-UCID"), "ucid", Form::Ucid),
    (Place::Header("X-ISR-UCID"), "ucid", Form::Ucid),
    (Place::Element("ucid"), "ucid", Form::Ucid),
    (Place::Element("AvayaUCID"), "ucid", Form::Ucid),
    (Place::SessionId, "ucid", Form::OnlyUcid),
    // Cisco.
    (Place::Header("Cisco-Guid"), "cisco_guid", Form::Guid),
    (Place::Header("Cisco-Gucid"), "cisco_gucid", Form::Text),
    (Place::FromParam("x-nearendguid"), "cisco_guid", Form::Guid),
    (Place::FromParam("x-farendguid"), "cisco_guid", Form::Guid),
    (Place::FromParam("x-refci"), "cisco_refci", Form::Text),
    (Place::FromParam("x-farendrefci"), "cisco_refci", Form::Text),
    (Place::FromParam("x-sessionid"), "sip_session_id", Form::SipSession),
    // BroadWorks and Webex.
    (Place::Header("X-BroadWorks-Correlation-Info"), "broadworks_tracking", Form::Text),
    (Place::Element("extTrackingID"), "broadworks_tracking", Form::Text),
    (Place::Element("newExtTrackingID"), "broadworks_tracking", Form::Text),
    (Place::Element("broadWorksRecordingMetadata/callID"), "broadworks_call", Form::Text),
    // Genesys, and those who pass its id on.
    (Place::Header("X-Genesys-CallUUID"), "genesys_uuid", Form::Text),
    (Place::Header("Genesys-UUID"), "genesys_uuid", Form::Text),
    (Place::Element("GenesysUUID"), "genesys_uuid", Form::Text),
    // Metaswitch names the numbers of a call, its group and its system in elements of its own.
    (Place::Below("metaswitchRecordingMetadata"), "metaswitch", Form::Text),
    // Ribbon.
    (Place::Element("callData/gcid"), "ribbon_gcid", Form::Text),
    (Place::Element("callData/callid"), "sip_call_id", Form::Text),
    // jambonz.
    (Place::Header("X-Call-Sid"), "jambonz_call_sid", Form::Text),
    (Place::Element("callsid"), "jambonz_call_sid", Form::Text),
    (Place::Element("recordingid"), "jambonz_recording", Form::Text),
    // NetSapiens: a call goes on in a new session of the same group, with the next number.
    (Place::Element("netsapiensExtension/groupSeq"), "group_sequence", Form::Ordinal),
    (Place::Element("netsapiensExtension/xferredGroupID"), "group", Form::Text),
    (Place::Element("netsapiensExtension/xferredSessionID"), "sip_session_id", Form::SipSession),
    // Clouds.
    (Place::Header("X-Twilio-CallSid"), "twilio_call_sid", Form::Text),
];

/// Whether recordings are looked for by the values of `field`. By fields of a later siprec they are.
pub fn is_searched(field: &str) -> bool {
    !RULES.iter().any(|(_, name, form)| *name == field && *form == Form::Ordinal)
}

/// Whether two recordings with the same value of `field` belong together. What merely stands somewhere below an element is
/// about a call (its subscriber, its group, its type) and names none.
pub fn links(field: &str) -> bool {
    is_searched(field) && !RULES.iter().any(|(place, name, _)| *name == field && matches!(place, Place::Below(_)))
}

/// A call's ids: by field, each value once, in order of appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallIds(BTreeMap<String, Vec<String>>);

impl CallIds {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of `field`.
    pub fn get(&self, field: &str) -> &[String] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// Field and value, each pair once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(field, values)| values.iter().map(move |value| (field.as_str(), value.as_str())))
    }

    /// Takes all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (field, value) in other.iter() {
            self.add(field, value.to_string());
        }
    }

    /// Takes what a request from the SRC tells.
    pub fn message(&mut self, message: &Message) {
        let mut from = None;
        for (place, field, form) in RULES {
            let mut add = |value: String| self.add(field, value);
            match place {
                Place::Header(name) => {
                    message.headers.fields(name).for_each(|header| form.read(&header.value, &mut add));
                }
                Place::HeaderParam(name, param) => {
                    for header in message.headers.fields(name) {
                        if let Some(value) = Params::parse(&header.value).get(param) {
                            form.read(value, &mut add);
                        }
                    }
                }
                Place::FromParam(param) => {
                    let from = from.get_or_insert_with(|| message.from());
                    if let Some(value) = from.as_ref().and_then(|from: &NameAddr| from.anywhere(param)) {
                        form.read(value, &mut add);
                    }
                }
                Place::Element(_) | Place::Below(_) | Place::SessionId | Place::SipSessionId | Place::Group => {}
            }
        }
    }

    /// Takes what the metadata tells of `session`; of everything, where none is named.
    pub fn snapshot(&mut self, snapshot: &Snapshot, session: Option<&str>) {
        let ours = |id: &str| session.is_none_or(|session| session == id);
        for known in snapshot.sessions.iter().filter(|s| ours(&s.id)) {
            for (place, field, form) in RULES {
                let mut add = |value: String| self.add(field, value);
                match place {
                    Place::SessionId => form.read(&known.id, &mut add),
                    Place::SipSessionId => known.sip_session_ids.iter().for_each(|id| form.read(id, &mut add)),
                    Place::Group => known.group.iter().for_each(|id| form.read(id, &mut add)),
                    Place::Header(_)
                    | Place::HeaderParam(..)
                    | Place::FromParam(_)
                    | Place::Element(_)
                    | Place::Below(_) => {}
                }
            }
            known.extensions.iter().for_each(|extension| self.extension(extension));
            let group = known.group.as_deref();
            for group in snapshot.groups.iter().filter(|g| Some(g.id.as_str()) == group) {
                group.extensions.iter().for_each(|extension| self.extension(extension));
            }
        }
        let people = match session {
            Some(session) => snapshot.participants_of(session),
            None => snapshot.participants.iter().collect(),
        };
        for participant in people {
            participant.extensions.iter().for_each(|extension| self.extension(extension));
        }
        let about = snapshot.extensions.iter().filter(|extension| snapshot.is_about(extension, session));
        about.for_each(|extension| self.extension(extension));
    }

    fn extension(&mut self, extension: &Extension) {
        let mut label: Option<(&str, &str)> = None;
        for (path, value) in &extension.fields {
            if let Some(header) = path.strip_suffix("/@label").or_else(|| path.strip_suffix("/@name"))
                && ends_with(header, "header")
            {
                label = Some((header, value.trim()));
                continue;
            }
            let repeated = label.filter(|(header, _)| path.starts_with(header)).map(|(_, name)| name);
            for (place, field, form) in RULES {
                let fits = match place {
                    Place::Element(end) => ends_with(path, end),
                    Place::Below(element) => path.split('/').any(|name| name.eq_ignore_ascii_case(element)),
                    Place::Header(name) => repeated.is_some_and(|repeated| repeated.eq_ignore_ascii_case(name)),
                    Place::HeaderParam(..)
                    | Place::FromParam(_)
                    | Place::SessionId
                    | Place::SipSessionId
                    | Place::Group => false,
                };
                if fits && !path.contains('@') {
                    form.read(value, &mut |value| self.add(field, value));
                }
            }
        }
    }

    fn add(&mut self, field: &str, value: String) {
        if let Some(values) = self.0.get_mut(field) {
            if values.len() < MAX_VALUES && !values.contains(&value) {
                values.push(value);
            }
        } else {
            self.0.insert(field.to_string(), [value].into());
        }
    }
}

/// Whether the last names of `path` are those of `end`; case does not matter.
fn ends_with(path: &str, end: &str) -> bool {
    let Some(start) = path.len().checked_sub(end.len()) else { return false };
    let whole = start == 0 || path.as_bytes().get(start - 1) == Some(&b'/');
    whole && path.as_bytes().get(start..).is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
#[path = "correlation_tests.rs"]
mod tests;
