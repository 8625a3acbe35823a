//! What a server answers of a session that goes on, as far as `tui` and `trace` show it. A field that an older or a newer server
//! lacks is empty, not an error; an address that cannot be read is none.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Deserializer};
use siprec_core::sip::Transport;
use siprec_core::time::Wall;

use crate::archive::catalog::Person;
use crate::archive::selection::date_time;

/// A session that is being recorded.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) call_id: String,
    pub(crate) started_at: Option<String>,
    /// None of a session that was begun over the API.
    pub(crate) src: Option<String>,
    pub(crate) transport: String,
    pub(crate) peer: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) paused: bool,
    pub(crate) pause_ends_at: Option<String>,
    pub(crate) caller: Option<Person>,
    pub(crate) callee: Option<Person>,
    pub(crate) tags: Vec<String>,
    pub(crate) recordings: Vec<OpenRecording>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) alarms: Vec<RaisedAlarm>,
}

/// A recording that has begun and not ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct OpenRecording {
    pub(crate) id: String,
    pub(crate) communication_session: Option<String>,
}

/// A stream of a session.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    pub(crate) number: u16,
    pub(crate) label: Option<String>,
    pub(crate) media: String,
    pub(crate) codecs: Vec<String>,
    #[serde(deserialize_with = "address")]
    pub(crate) local: Option<SocketAddr>,
    #[serde(deserialize_with = "address")]
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) srtp: bool,
    pub(crate) suite: Option<String>,
    pub(crate) paused: Option<String>,
    pub(crate) last_packet_at: Option<String>,
    pub(crate) speakers: Vec<Person>,
}

/// An alarm as it stands with its session.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RaisedAlarm {
    pub(crate) alarm: String,
    pub(crate) stream: Option<u16>,
    pub(crate) since: String,
}

/// SIP messages of a session.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Signalling {
    pub(crate) messages: Vec<Message>,
    pub(crate) left_out: usize,
}

/// A SIP message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Message {
    pub(crate) at: String,
    pub(crate) transport: String,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) message: String,
}

impl Message {
    /// When it was seen.
    ///
    /// # Errors
    /// What the server says is no time.
    pub(crate) fn at(&self) -> Result<Wall> {
        date_time(&self.at).with_context(|| format!("the server says `{}`, which is no time", self.at))
    }

    /// As far as the message can be read.
    #[cfg(feature = "api")]
    pub(crate) fn call_id(&self) -> Option<String> {
        siprec_core::sip::Message::parse_datagram(self.message.as_bytes()).ok()?.call_id().map(str::to_owned)
    }

    /// UDP, where the server names another than we know.
    pub(crate) fn transport(&self) -> Transport {
        let known = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let named = |known: &Transport| known.to_string().eq_ignore_ascii_case(&self.transport);
        known.into_iter().find(named).unwrap_or(Transport::Udp)
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let told = Option::<String>::deserialize(deserializer)?;
    Ok(told.and_then(|told| told.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_server_lacks_or_says_otherwise_is_empty() {
        let session: Session = serde_json::from_str(
            r#"{"id": "a", "streams": [{"number": 1, "local": "here", "remote": "192.0.2.1:4000"}], "new": 1}"#,
        )
        .unwrap();
        assert_eq!((session.id.as_str(), session.streams.len(), session.vendor), ("a", 1, None));
        assert_eq!(session.streams[0].local, None);
        assert_eq!(session.streams[0].remote, "192.0.2.1:4000".parse().ok());
        let message = |transport: &str| Message {
            at: String::new(),
            transport: transport.into(),
            from: ([192, 0, 2, 1], 5060).into(),
            to: ([192, 0, 2, 2], 5060).into(),
            message: String::new(),
        };
        let transports = ["tls", "TCP", "pigeon"].map(|name| message(name).transport());
        assert_eq!(transports, [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert!(message("udp").at().unwrap_err().to_string().contains("no time"));
    }
}
