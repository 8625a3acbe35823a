//! Cisco's recorders' dialects of before SIPREC, read as the RFC 7865 document that says the same.
//!
//! - Network-based recording (a gateway forks): `X-Cisco-Recording-Participant: sip:1000@h;media-index="0"`, one a party,
//!   with the m-line that carries its voice.
//! - Built-in bridge (a phone forks, CUCM signals): no SDP in the INVITE, and in From's URI `x-nearend` or `x-farend`
//!   (whose voice this dialog brings), `x-refci` (the call), `x-nearendaddr`, `x-farendaddr`. Two dialogs a call, which
//!   are joined into one recording (`session/joined.rs`): [`Bridge`] says which belong together.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::limits::MAX_M_LINES;
use crate::sdp::Description;
use crate::sip::NameAddr;
use crate::sip::message::Message;

/// The type of what was translated. Its form is ours, so deviations in it are nobody's.
pub(super) const TRANSLATED: &str = "application/rs-metadata+xml;translated";

/// The parameter that names a bridge's call.
const CALL: &str = "x-refci";

/// A metadata body: its type, and it.
type Part = (String, Vec<u8>);

/// Whose voice a dialog of a phone's bridge brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Of who has the phone.
    Near,
    /// Of who talks with them.
    Far,
}

impl End {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }

    /// The participant, and the first label of the streams.
    fn names(self) -> (&'static str, usize) {
        match self {
            Self::Near => ("near-end", 1),
            Self::Far => ("far-end", 2),
        }
    }
}

/// One of the two dialogs that a phone's built-in bridge makes of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bridge {
    /// Cluster, call and phone: the same in both.
    pub call: String,
    /// Which of the two.
    pub end: End,
}

impl Bridge {
    /// Reads From. None for a bridge that does not name the call: nothing says what its dialog belongs to.
    pub fn of(message: &Message) -> Option<Self> {
        // Hardly any has it: what is asked of every INVITE must not cost a parse.
        let value = message.header("From")?;
        value.as_bytes().windows(CALL.len()).find(|window| window.eq_ignore_ascii_case(CALL.as_bytes()))?;
        let from = NameAddr::parse(value).ok()?;
        let call = from.anywhere(CALL).filter(|call| !call.is_empty())?;
        let cluster = from.anywhere("x-nearendclusterid").unwrap_or(&from.uri.host);
        let device = from.anywhere("x-nearenddevice").unwrap_or_default();
        Some(Self { call: format!("{cluster} {call} {device}"), end: end_of(&from)? })
    }
}

fn end_of(from: &NameAddr) -> Option<End> {
    let has = |name: &str| from.anywhere(name).is_some();
    if has("x-nearend") { Some(End::Near) } else { has("x-farend").then_some(End::Far) }
}

/// What a request says about who is heard, if it says so in one of these dialects. `is_beside`: another dialog tells of
/// the rest of the call, which is to stay as it is.
pub(super) fn metadata(message: &Message, sdp: Option<&[u8]>, is_beside: bool) -> Option<Part> {
    let mode = if is_beside { "partial" } else { "complete" };
    let document = built_in_bridge(message, mode).or_else(|| network_based(message, sdp))?;
    Some((TRANSLATED.to_string(), document.into_bytes()))
}

/// Somebody, and the stream that carries their voice.
struct Voice {
    /// The participant's.
    id: String,
    aor: String,
    /// The stream's label.
    stream: Option<String>,
}

fn built_in_bridge(message: &Message, mode: &str) -> Option<String> {
    let from = NameAddr::parse(message.header("From")?).ok()?;
    // CUCM writes them into the URI; where the brackets are lost, they are the field's.
    let get = |name: &str| from.anywhere(name);
    let heard = end_of(&from)?;
    let host = &from.uri.host;
    let own = from.uri.user.as_deref().unwrap_or_default();
    let aor =
        |address: &str| if address.contains('@') { format!("sip:{address}") } else { format!("sip:{address}@{host}") };
    let far_address = get("x-farendaddr").filter(|address| !address.is_empty()).unwrap_or("unknown");
    let voice = |end: End, address: &str| {
        let (id, label) = end.names();
        Voice { id: id.to_string(), aor: aor(address), stream: (end == heard).then(|| label.to_string()) }
    };
    let near_address = get("x-nearendaddr").filter(|address| !address.is_empty()).unwrap_or(own);
    let voices = [voice(End::Near, near_address), voice(End::Far, far_address)];
    let cluster = get("x-nearendclusterid").unwrap_or(host);
    let session = get("x-refci").map(|call| format!("{call}@{cluster}"));
    Some(document(mode, &session.unwrap_or_else(|| fallback_session(message)), &voices))
}

fn network_based(message: &Message, sdp: Option<&[u8]>) -> Option<String> {
    let mut by_line: BTreeMap<usize, String> = BTreeMap::new();
    for (place, field) in message.headers.fields("X-Cisco-Recording-Participant").take(MAX_M_LINES).enumerate() {
        let (uri, rest) = field.value.split_once(';').unwrap_or((&field.value, ""));
        let index = rest.split(';').find_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("media-index").then(|| value.trim().trim_matches('"').parse().ok())?
        });
        let aor = uri.trim().trim_matches(['<', '>']).to_string();
        by_line.insert(index.filter(|index| *index < MAX_M_LINES).unwrap_or(place), aor);
    }
    if by_line.is_empty() {
        return None;
    }
    let description = sdp.and_then(|sdp| Description::parse(sdp).ok());
    let named = |line: usize| description.as_ref()?.media.get(line)?.label.clone();
    let label = |line: usize| Some(named(line).unwrap_or_else(|| own_label(message, line)));
    let voice = |(line, aor): (usize, String)| Voice { id: aor.clone(), aor, stream: label(line) };
    let voices: Vec<Voice> = by_line.into_iter().map(voice).collect();
    Some(document("complete", &fallback_session(message), &voices))
}

/// What an m-line is called by us whose SRC has not given it a label.
pub(super) fn own_label(message: &Message, line: usize) -> String {
    let from = message.header("From").and_then(|from| NameAddr::parse(from).ok());
    let end = from.and_then(|from| end_of(&from)).unwrap_or(End::Near);
    (line + end.names().1).to_string()
}

/// The call, where the dialect gives no name: it lives as long as the dialog.
fn fallback_session(message: &Message) -> String {
    let guid = message.header("Cisco-Guid").or_else(|| message.call_id());
    guid.unwrap_or_default().to_string()
}

/// A complete snapshot (RFC 7865 6.1). Who is named first is the caller for want of better knowledge.
fn document(mode: &str, session: &str, voices: &[Voice]) -> String {
    let session = escaped(session);
    let mut xml = format!(
        "<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>{mode}</datamode>\
         <session session_id=\"{session}\"/>"
    );
    for voice in voices {
        let (id, aor) = (escaped(&voice.id), escaped(&voice.aor));
        xml += &format!(
            "<participant participant_id=\"{id}\"><nameID aor=\"{aor}\"/></participant>\
             <participantsessionassoc participant_id=\"{id}\" session_id=\"{session}\"/>"
        );
    }
    for voice in voices {
        let Some(label) = &voice.stream else { continue };
        let (id, label) = (escaped(&voice.id), escaped(label));
        xml += &format!(
            "<stream stream_id=\"stream-{label}\" session_id=\"{session}\"><label>{label}</label></stream>\
             <participantstreamassoc participant_id=\"{id}\"><send>stream-{label}</send></participantstreamassoc>"
        );
    }
    xml + "</recording>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Snapshot, parse};
    use crate::sip::Method;
    use crate::time::Wall;

    fn snapshot(message: &Message, sdp: Option<&str>) -> Option<Snapshot> {
        let (content_type, body) = metadata(message, sdp.map(str::as_bytes), false)?;
        let parsed = parse(&content_type, &body);
        let mut snapshot = Snapshot::default();
        let late = snapshot.apply(&parsed.document.unwrap(), Wall(1));
        assert!(late.is_empty(), "{late:?}");
        Some(snapshot)
    }

    fn senders(snapshot: &Snapshot, label: &str) -> Vec<String> {
        snapshot.senders(label).iter().map(|p| p.names[0].aor.clone()).collect()
    }

    const PARAMS: &str = "x-refci=38960750;x-nearendclusterid=cluster;x-nearenddevice=SEP00;x-nearendaddr=9110001;\
                          x-farendrefci=38960749;x-farendclusterid=cluster;x-farenddevice=SEP01;x-farendaddr=9110006";

    #[test]
    fn a_bridges_dialogs_are_of_one_call_and_bring_a_voice_each() {
        let from = |end: &str| format!("<sip:9110001@10.48.32.90;{end};{PARAMS}>;tag=73601~713e");
        let of = |end: &str| {
            let message = Message::request(Method::Invite, "sip:r@h").with("From", from(end));
            (snapshot(&message, None).unwrap(), Bridge::of(&message).unwrap())
        };
        let ((near, one), (far, two)) = (of("x-nearend"), of("x-farend"));
        assert_eq!(Bridge { end: one.end.other(), ..one }, two);
        assert_eq!(senders(&near, "1"), ["sip:9110001@10.48.32.90"]);
        assert_eq!(senders(&far, "2"), ["sip:9110006@10.48.32.90"]);
        assert_eq!((near.streams.len(), far.streams.len()), (1, 1));
        for snapshot in [&near, &far] {
            assert_eq!(snapshot.sessions[0].id, "38960750@cluster");
            assert_eq!(snapshot.participants.len(), 2);
        }
    }

    #[test]
    fn an_older_bridge_names_itself_by_its_user_part() {
        let from = "<sip:2000@ucm1;x-nearend;x-refci=ci2;x-farendrefci=ci1;x-farendaddr=1000>;tag=1";
        let message = Message::request(Method::Invite, "sip:r@h").with("From", from);
        assert_eq!(senders(&snapshot(&message, None).unwrap(), "1"), ["sip:2000@ucm1"]);
    }

    #[test]
    fn a_gateways_participants_have_their_m_lines() {
        let message = Message::request(Method::Invite, "sip:r@h")
            .with("Cisco-Guid", "1-2-3-4")
            .with("X-Cisco-Recording-Participant", "sip:10000@10.42.30.32;media-index=\"1\"")
            .with("X-Cisco-Recording-Participant", "sip:708090@10.42.30.5;media-index=\"0\"");
        let sdp = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=label:a\r\nm=audio 4002 RTP/AVP 0\r\na=label:b\r\n";
        let labelled = snapshot(&message, Some(sdp)).unwrap();
        assert_eq!(senders(&labelled, "a"), ["sip:708090@10.42.30.5"]);
        assert_eq!(senders(&labelled, "b"), ["sip:10000@10.42.30.32"]);
        assert_eq!(labelled.sessions[0].id, "1-2-3-4");
        let bare = snapshot(&message, None).unwrap();
        assert_eq!(senders(&bare, "2"), ["sip:10000@10.42.30.32"]);
    }

    #[test]
    fn what_a_stranger_writes_stays_text() {
        let message = Message::request(Method::Invite, "sip:r@h")
            .with("Cisco-Guid", "\"/><x>&")
            .with("X-Cisco-Recording-Participant", "sip:<a&b>\"@h;media-index=\"99999999999999999999\"");
        assert_eq!(snapshot(&message, None).unwrap().sessions[0].id, "\"/><x>&");
        let plain = Message::request(Method::Invite, "sip:r@h").with("From", "<sip:a@b>");
        assert!(metadata(&plain, None, false).is_none() && Bridge::of(&plain).is_none());
    }
}
