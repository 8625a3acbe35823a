//! What a server answers of its sessions, as rows of a trace.

use std::net::SocketAddr;

use serde::Deserialize;
use siprec_core::trace::{Row, Style, clock};

use super::seconds::Second;
use crate::api_answers::{RaisedAlarm, Session, Stream};
use crate::archive::catalog::Person;
use crate::archive::selection::date_time;

/// Sessions that go on.
#[derive(Debug, Deserialize)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<serde_json::Value>,
}

impl Session {
    /// What the server knows beside the signalling: a row of the session, one of each stream and each alarm; of `seconds`, those of
    /// its streams.
    pub(super) fn rows(&self, seconds: &[Second]) -> Vec<Row> {
        let since = self.started_at.as_deref().map(|at| format!(", recorded since {}", short(at))).unwrap_or_default();
        let peer = self.peer.as_deref().map(|peer| format!(", peer {peer}")).unwrap_or_default();
        let mut rows =
            vec![Row::of("  ", Style::Plain).with(format!("Server: session {}{since}{peer}", self.id), Style::Plain)];
        if self.paused {
            let until = self.pause_ends_at.as_deref().map(|at| format!(" until {}", short(at))).unwrap_or_default();
            rows.push(Row::of(format!("    ! paused by an operator{until}: nothing of it is kept"), Style::Warning));
        }
        rows.extend(self.recordings.iter().map(|recording| {
            let of = recording.communication_session.as_deref();
            let of = of.map(|session| format!(" of communication session {session}")).unwrap_or_default();
            Row::of(format!("    recording {}{of}", recording.id), Style::Plain)
        }));
        for stream in &self.streams {
            rows.push(stream.row());
            let is_of_it = |second: &&Second| second.session == self.id && second.stream == stream.number;
            let second = seconds.iter().find(is_of_it);
            rows.extend(second.map(|second| Row::of(format!("      {}", second.words()), Style::Media)));
        }
        rows.extend(self.alarms.iter().map(RaisedAlarm::row));
        rows
    }

    /// Who is in it, by what is known of each.
    pub(super) fn people(&self) -> impl Iterator<Item = &Person> {
        let speakers = self.streams.iter().flat_map(|stream| &stream.speakers);
        [&self.caller, &self.callee].into_iter().flatten().chain(speakers)
    }
}

impl Stream {
    fn row(&self) -> Row {
        let label = self.label.as_deref().map(|label| format!("  label {label}")).unwrap_or_default();
        let codec = self.codecs.first().map_or(self.media.as_str(), String::as_str);
        let srtp = match (&self.suite, self.srtp) {
            (Some(suite), _) => format!("  SRTP {suite}"),
            (None, true) => "  SRTP".to_owned(),
            (None, false) => String::new(),
        };
        let place = |end: Option<SocketAddr>| end.map_or_else(|| "?".to_owned(), |end| end.to_string());
        let (from, to) = (place(self.remote), place(self.local));
        let text = format!("    stream {}{label}  {codec}{srtp}  {from} > {to}", self.number);
        let heard = match (&self.paused, &self.last_packet_at) {
            (Some(why), _) => format!("  paused ({why})"),
            // It is the moment from which packets are awaited, where none came.
            (None, Some(at)) => format!("  last packet {} (or awaited since)", short(at)),
            (None, None) => String::new(),
        };
        Row::of(text, Style::Media).with(heard, Style::Faint)
    }
}

impl RaisedAlarm {
    fn row(&self) -> Row {
        let of = self.stream.map(|stream| format!(" on stream {stream}")).unwrap_or_default();
        Row::of(format!("    ! {}{of} since {}", self.alarm, short(&self.since)), Style::Warning)
    }
}

/// The clock of a time that the server writes.
fn short(at: &str) -> String {
    date_time(at).map_or_else(|| at.to_owned(), clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_a_session_is_shown_and_what_it_does_not_say_is_no_error() {
        let session: Session = serde_json::from_value(serde_json::json!({
            "id": "s", "call_id": "c", "started_at": "2026-11-30T10:31:02.123Z", "peer": "sbc", "paused": true, "new": 1,
            "streams": [{"number": 1, "label": "a", "codecs": ["PCMA"], "local": "192.0.2.2:10000",
                         "last_packet_at": "2026-11-30T10:31:04.500Z"}],
            "alarms": [{"alarm": "no_rtp", "stream": 1, "since": "2026-11-30T10:31:03Z"}],
        }))
        .unwrap();
        let second = Second { session: "s".into(), stream: 1, packets: 50, ..Second::default() };
        let rows: Vec<String> = session.rows(&[second]).iter().map(Row::text).collect();
        let wanted = [
            "  Server: session s, recorded since 10:31:02.123, peer sbc",
            "    ! paused by an operator: nothing of it is kept",
            "    stream 1  label a  PCMA  ? > 192.0.2.2:10000  last packet 10:31:04.500 (or awaited since)",
            "      in the last second 50 packets, 0 lost, jitter 0.0 ms",
            "    ! no_rtp on stream 1 since 10:31:03.000",
        ];
        assert_eq!(rows, wanted);
        assert!(Session::default().rows(&[])[0].text().contains("session"));
    }
}
