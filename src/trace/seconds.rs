//! What a moment brings on the streams of a running server: figures that it makes each second while somebody asks for them.

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::api_client::ApiClient;
use crate::event_stream::Lines;

/// A second is known once the next one begins, and each worker of the server has its own.
const LISTEN_FOR: Duration = Duration::from_millis(3_500);

/// A second of a stream, as the server says it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Second {
    pub(super) session: String,
    pub(super) stream: u16,
    pub(super) packets: u64,
    pub(super) lost: u64,
    pub(super) jitter_us: u32,
    pub(super) mos: Option<f64>,
    pub(super) level_dbfs: Option<i16>,
    pub(super) talks: Option<bool>,
}

#[derive(Deserialize)]
struct Quality {
    streams: Vec<Second>,
}

/// The last second of each stream, once there has been one.
///
/// # Errors
/// The server refuses, or is gone.
pub(super) async fn listen(api: &ApiClient) -> Result<Vec<Second>> {
    let until = Instant::now() + LISTEN_FOR;
    let mut found: Vec<Second> = Vec::new();
    let request = api.request(Method::GET, "/api/v1/events", &[("quality", "true".to_owned())]);
    let Ok(sent) = timeout_at(until, request.send()).await else { return Ok(found) };
    let (mut pieces, mut lines) = (api.judged(sent).await?.bytes_stream(), Lines::default());
    while let Ok(Some(Ok(piece))) = timeout_at(until, pieces.next()).await {
        lines.take(&piece, &mut |line| {
            let told = line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Quality>(data).ok());
            for second in told.into_iter().flat_map(|quality| quality.streams) {
                found.retain(|known| (&known.session, known.stream) != (&second.session, second.stream));
                found.push(second);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

impl Second {
    /// In words: `in the last second 50 packets, 0 lost, jitter 0.2 ms, MOS 4.41, -20 dBFS, talk`.
    pub(super) fn words(&self) -> String {
        let (ms, tenths) = (self.jitter_us / 1_000, self.jitter_us % 1_000 / 100);
        let mut text =
            format!("in the last second {} packets, {} lost, jitter {ms}.{tenths} ms", self.packets, self.lost);
        text.extend(self.mos.map(|mos| format!(", MOS {mos:.2}")));
        text.extend(self.level_dbfs.map(|level| format!(", {level} dBFS")));
        text.push_str(if self.talks == Some(true) { ", talk" } else { "" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_told_in_words_and_what_is_not_known_is_left_out() {
        let second = |json: &str| serde_json::from_str::<Second>(json).unwrap().words();
        let all = r#"{"session": "s", "stream": 1, "packets": 50, "lost": 2, "jitter_us": 2345, "mos": 4.409, "level_dbfs": -20, "talks": true}"#;
        assert_eq!(second(all), "in the last second 50 packets, 2 lost, jitter 2.3 ms, MOS 4.41, -20 dBFS, talk");
        assert_eq!(second("{}"), "in the last second 0 packets, 0 lost, jitter 0.0 ms");
    }
}
