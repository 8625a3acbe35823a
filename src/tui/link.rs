//! The one thread that talks with the server: questions and orders go in, what comes of them goes to the terminal as events.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::answers::{Alarms, Peers, Sessions};
use super::event::{Ask, Event, Order, Told};
use super::{feed, listening};
use crate::api_client::ApiClient;
use crate::https;

/// An answer that takes longer does not come.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// A file of which nothing comes for so long does not come.
const QUIET: Duration = Duration::from_secs(60);

/// Tells the terminal what comes. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Teller(mpsc::Sender<Event>);

impl Teller {
    pub(super) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }

    pub(super) fn tell(&self, told: Told) {
        self.send(Event::Told(told));
    }

    pub(super) fn send(&self, event: Event) {
        // A terminal that is gone need not be told.
        let _ = self.0.send(event);
    }
}

/// The way to the server.
#[derive(Debug)]
pub(super) struct Link {
    api: ApiClient,
    teller: Teller,
    runtime: Runtime,
    listening: Option<AbortHandle>,
}

impl Link {
    /// Follows what happens from now on.
    pub(super) fn start(api: ApiClient, teller: Teller) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(feed::follow(api.clone(), teller.clone()));
        Ok(Self { api, teller, runtime, listening: None })
    }

    /// Where other work of the terminal's may run.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Asks; the answer comes as an event.
    pub(super) fn ask(&mut self, ask: Ask) {
        let (api, teller) = (self.api.clone(), self.teller.clone());
        let is_listening = matches!(ask, Ask::Listen(..));
        if matches!(ask, Ask::StopListening) {
            if let Some(listening) = self.listening.take() {
                listening.abort();
            }
            return teller.tell(Told::HeardOut("nothing is listened to any more".to_owned()));
        }
        let task = self.runtime.spawn(async move {
            let told = match answer(&api, &ask, &teller).await {
                Ok(told) => told,
                Err(error) => Told::Failed(ask, format!("{error:#}")),
            };
            teller.tell(told);
        });
        if is_listening {
            self.listening = Some(task.abort_handle());
        }
    }
}

async fn answer(api: &ApiClient, ask: &Ask, teller: &Teller) -> Result<Told> {
    Ok(match ask {
        Ask::Sessions => Told::Sessions(get::<Sessions>(api, "/api/v1/sessions", &[]).await?.sessions),
        Ask::Signalling(id) => {
            Told::Signalling(id.clone(), get(api, &format!("/api/v1/sessions/{id}/sip"), &[]).await?)
        }
        Ask::Alarms => Told::Alarms(get::<Alarms>(api, "/api/v1/alarms", &[]).await?.alarms),
        Ask::Peers => Told::Peers(get::<Peers>(api, "/api/v1/peers", &[]).await?.peers),
        Ask::Metrics => Told::Metrics(send(api, Method::GET, "/metrics", &[], None).await?),
        Ask::Ports => {
            let config: serde_json::Value = get(api, "/api/v1/config", &[]).await?;
            let range = config.get("media.port_range").and_then(|key| key.get("value")?.as_str());
            Told::Ports(range.unwrap_or_default().to_owned())
        }
        Ask::Page(number, query, after) => {
            const ROWS: &str = "100";
            let mut query = query.clone();
            query.push(("limit", ROWS.to_owned()));
            query.extend(after.clone().map(|after| ("after", after)));
            Told::Page(*number, get(api, "/api/v1/recordings", &query).await?)
        }
        Ask::Sheet(id) => Told::Sheet(id.clone(), get(api, &format!("/api/v1/recordings/{id}/proof"), &[]).await?),
        Ask::Peaks(id, points) => {
            let query = [("points", points.to_string())];
            match get(api, &format!("/api/v1/recordings/{id}/peaks"), &query).await {
                Ok(peaks) => Told::Peaks(id.clone(), peaks),
                Err(error) => Told::NoPeaks(id.clone(), format!("{error:#}")),
            }
        }
        Ask::Order(order, id) => ordered(api, *order, id).await?,
        Ask::Acknowledge(id) => {
            let path = format!("/api/v1/alarms/{}/acknowledge", segment(id));
            send(api, Method::POST, &path, &[], None).await?;
            Told::Done("acknowledged: others see that you are at it".to_owned())
        }
        Ask::Tag(id, tag, is_added) => {
            let done = tagged(api, &format!("/api/v1/recordings/{id}"), tag, *is_added).await?;
            Told::Tagged(id.clone(), tag.clone(), *is_added, done.to_owned())
        }
        Ask::TagSession(id, tag, is_added) => {
            Told::Done(tagged(api, &format!("/api/v1/sessions/{id}"), tag, *is_added).await?.to_owned())
        }
        Ask::SaveAudio(id, path) => {
            let octets = save(api, id, path).await?;
            Told::Done(format!("saved to {} ({octets} octets)", path.display()))
        }
        Ask::Listen(session, ear) => listening::listen(api, session, ear, teller).await?,
        Ask::StopListening => Told::HeardOut(String::new()),
    })
}

async fn ordered(api: &ApiClient, order: Order, id: &str) -> Result<Told> {
    send(api, Method::POST, &format!("/api/v1/sessions/{id}/{}", order.path()), &[], None).await?;
    Ok(Told::Done(order.done().to_owned()))
}

/// Gives what is at `path` a tag, or takes one away; what it came to.
async fn tagged(api: &ApiClient, path: &str, tag: &str, is_added: bool) -> Result<&'static str> {
    let (field, done) = if is_added { ("add_tags", "tagged") } else { ("remove_tags", "the tag is gone") };
    send(api, Method::PATCH, path, &[], Some(serde_json::json!({ field: [tag] }))).await?;
    Ok(done)
}

async fn get<T: DeserializeOwned>(api: &ApiClient, path: &str, query: &[(&str, String)]) -> Result<T> {
    let text = send(api, Method::GET, path, query, None).await?;
    serde_json::from_str(&text).with_context(|| format!("{}: what it says at {path} cannot be read", api.url()))
}

async fn send(
    api: &ApiClient,
    method: Method,
    path: &str,
    query: &[(&str, String)],
    body: Option<serde_json::Value>,
) -> Result<String> {
    let request = api.request(method, path, query).timeout(ANSWERED_WITHIN);
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    let answer = api.judged(request.send().await).await?;
    answer.text().await.map_err(|error| anyhow::anyhow!("{}: {}", api.url(), https::words(&error)))
}

/// A recording's audio, to a file that is not there yet; how many octets it has.
async fn save(api: &ApiClient, id: &str, path: &Path) -> Result<u64> {
    let query = [("download", "true".to_owned())];
    let request = api.request(Method::GET, &format!("/api/v1/recordings/{id}/audio"), &query);
    let mut pieces = api.judged(request.send().await).await?.bytes_stream();
    let mut file = File::create_new(path).with_context(|| path.display().to_string())?;
    let saved = async {
        let mut octets = 0;
        while let Some(piece) = tokio::time::timeout(QUIET, pieces.next()).await.context("nothing comes any more")? {
            let piece = piece.map_err(|error| anyhow::anyhow!("it broke off: {}", https::words(&error)))?;
            file.write_all(&piece)?;
            octets += piece.len() as u64;
        }
        file.sync_all()?;
        Ok(octets)
    };
    let saved: Result<u64> = saved.await;
    if saved.is_err() {
        // Half a file would be taken for a whole one.
        let _ = std::fs::remove_file(path);
    }
    saved.with_context(|| path.display().to_string())
}

/// A text as one part of a path (RFC 3986 3.3).
fn segment(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarms_id_is_one_part_of_the_path() {
        assert_eq!(segment("storage_late-far"), "storage_late-far");
        assert_eq!(segment("peer_silent-a/b ?\u{e4}"), "peer_silent-a%2Fb%20%3F%C3%A4");
    }
}
