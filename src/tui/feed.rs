//! What happens in the server, as it happens (`/api/v1/events`): followed for as long as the terminal is there, and begun again by
//! itself where it breaks off.
//!
//! Server-sent events over the API's own client, not `/ws/events`: the same events, the same TLS, nothing besides.

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::StreamExt as _;
use reqwest::Method;
use tokio::time::{sleep, timeout};

use super::answers::{Happened, Quality};
use super::event::Told;
use super::link::Teller;
use crate::api_client::ApiClient;
use crate::event_stream::Lines;
use crate::https;

/// The server asks every 20 s whether somebody is there: what is quiet for longer is gone.
const QUIET: Duration = Duration::from_secs(60);
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Between tries.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The id before the first event: the server sends all that it remembers.
const BEFORE_ALL: &str = "0-0";

/// Follows for ever.
pub(super) async fn follow(api: ApiClient, teller: Teller) {
    let mut last = BEFORE_ALL.to_owned();
    let mut wait = FIRST_WAIT;
    loop {
        let mut is_connected = false;
        let ended = follow_once(&api, &teller, &mut last, &mut is_connected).await;
        if is_connected {
            wait = FIRST_WAIT;
        }
        let why = match ended {
            Ok(()) => "the server ended the connection".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        teller.tell(Told::Lost(why, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn follow_once(api: &ApiClient, teller: &Teller, last: &mut String, is_connected: &mut bool) -> Result<()> {
    let query = [("quality", "true".to_owned()), ("after", last.clone())];
    let sent = timeout(ANSWERED_WITHIN, api.request(Method::GET, "/api/v1/events", &query).send()).await;
    let Ok(answer) = sent else { bail!("{}: it does not answer in time", api.url()) };
    let mut pieces = api.judged(answer).await?.bytes_stream();
    *is_connected = true;
    teller.tell(Told::Connected);
    let mut lines = Lines::default();
    loop {
        match timeout(QUIET, pieces.next()).await {
            Ok(Some(Ok(piece))) => lines.take(&piece, &mut |line| {
                tell(line, last, teller);
                Ok(())
            })?,
            Ok(Some(Err(error))) => bail!("{}: {}", api.url(), https::words(&error)),
            Ok(None) => return Ok(()),
            Err(_) => bail!("{}: nothing came for {} s", api.url(), QUIET.as_secs()),
        }
    }
}

/// Tells what a line says; what cannot be read says nothing.
fn tell(line: &str, last: &mut String, teller: &Teller) {
    let Some(data) = line.strip_prefix("data:") else { return };
    if let Ok(Quality { streams }) = serde_json::from_str(data) {
        return teller.tell(Told::Seconds(streams));
    }
    let Ok(event) = serde_json::from_str::<Happened>(data) else { return };
    if event.kind == "missed" {
        return teller.tell(Told::Missed);
    }
    if !event.id.is_empty() {
        last.clone_from(&event.id);
    }
    teller.tell(Told::Happened(Box::new(event)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::event::Event;

    #[test]
    fn events_seconds_and_gaps_are_told_apart() {
        let (teller, told) = Teller::new();
        let mut last = String::new();
        for line in [
            r#"data: {"id": "r-7", "at": "x", "type": "session.started", "session": "s", "streams": 2}"#,
            r#"data: {"id": "r-8", "at": "x", "type": "quality", "streams": [{"session": "s", "stream": 1, "packets": 50}]}"#,
            r#"data: {"type": "missed", "events": null}"#,
            "event: session.started",
            "data: junk",
        ] {
            tell(line, &mut last, &teller);
        }
        drop(teller);
        let told: Vec<Event> = told.into_iter().collect();
        assert_eq!(last, "r-7");
        assert_eq!(told.len(), 3, "{told:?}");
        let Event::Told(Told::Happened(event)) = &told[0] else { panic!("{told:?}") };
        assert_eq!((event.kind.as_str(), event.text("streams").as_str()), ("session.started", "2"));
        assert!(matches!(&told[1], Event::Told(Told::Seconds(seconds)) if seconds[0].packets == 50));
        assert!(matches!(told[2], Event::Told(Told::Missed)));
    }
}
