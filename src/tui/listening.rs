//! A session's audio as it comes (`/ws/stream`), into a file or a named pipe. No sound device: what plays is at the other end of the
//! pipe (`mkfifo call; aplay call`).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};

use super::event::Told;
use super::link::Teller;
use crate::api_client::ApiClient;
use crate::https;

const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// The server asks every 20 s whether somebody is there.
const QUIET: Duration = Duration::from_secs(60);
/// Before the audio of a frame: its number and its time.
const FRAME_HEAD: usize = 12;
/// Frames that whoever reads the pipe may be behind: ten seconds. What is older is lost to it.
const BEHIND: usize = 500;
/// How often it is told how much there was.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a WebSocket goes over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Listens until the session is over, or nobody reads any more.
pub(super) async fn listen(api: &ApiClient, session: &str, path: &Path, teller: &Teller) -> Result<Told> {
    let url = Url::parse(&format!("{}/ws/stream", api.url())).context("--server")?;
    let connected = timeout(CONNECTED_WITHIN, connect(&url)).await.context("it does not answer in time")??;
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    let address = url.as_str().split_once("://").map(|(_, rest)| format!("{scheme}://{rest}")).unwrap_or_default();
    let mut request = address.into_client_request()?;
    if let Some(token) = api.token() {
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).context("--token")?;
        request.headers_mut().insert("authorization", bearer);
    }
    let upgraded = tokio_tungstenite::client_async(request, connected).await;
    let mut socket = match upgraded {
        Ok((socket, _)) => socket,
        Err(tungstenite::Error::Http(answer)) => bail!("{} says {}", api.url(), answer.status()),
        Err(error) => return Err(error.into()),
    };
    let is_wav = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("wav"));
    let format = if is_wav { "wav" } else { "pcm16" };
    let say = serde_json::json!({ "action": "subscribe", "session_id": session, "format": format });
    socket.send(Message::text(say.to_string())).await?;
    let writing = Writing::begin(path)?;
    let (mut octets, mut told) = (0_u64, Instant::now());
    loop {
        match timeout(QUIET, socket.next()).await.context("nothing comes any more")? {
            Some(Ok(Message::Binary(frame))) => {
                let audio = frame.get(FRAME_HEAD..).unwrap_or_default();
                octets += audio.len() as u64;
                if !writing.take(audio)? {
                    return Ok(Told::HeardOut(format!("nobody reads {} any more", path.display())));
                }
                if told.elapsed() >= TOLD_EVERY {
                    told = Instant::now();
                    teller.tell(Told::Heard(octets));
                }
            }
            Some(Ok(Message::Text(text))) => {
                let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                match said.get("type").and_then(serde_json::Value::as_str) {
                    Some("ended") => break,
                    Some("error") => {
                        bail!(
                            "{}",
                            said.get("detail").and_then(serde_json::Value::as_str).unwrap_or("it cannot be heard")
                        )
                    }
                    Some(_) | None => {}
                }
            }
            Some(Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed)) | None => break,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(Told::HeardOut(format!("the session is over: {octets} octets in {}", path.display())))
}

async fn connect(url: &Url) -> Result<Box<dyn Wire>> {
    let host = url.host_str().context("--server names no host")?;
    // An address of IPv6 stands in brackets there.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().context("--server names no port")?;
    let stream = TcpStream::connect((host.as_str(), port)).await.with_context(|| url.to_string())?;
    if url.scheme() != "https" {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host).context("--server names no host")?;
    Ok(Box::new(https::connector()?.connect(name, stream).await?))
}

/// A thread that writes: a pipe that nobody reads holds up nobody but it.
struct Writing {
    pieces: mpsc::SyncSender<Vec<u8>>,
    failed: Arc<std::sync::OnceLock<String>>,
}

impl Writing {
    /// A file is made anew, and must not be there; a pipe waits for who reads it.
    fn begin(path: &Path) -> Result<Self> {
        use std::os::unix::fs::FileTypeExt as _;
        let is_pipe =
            std::fs::metadata(path).is_ok_and(|known| !known.file_type().is_file() && known.file_type().is_fifo());
        let file = if is_pipe {
            None
        } else {
            Some(std::fs::File::create_new(path).with_context(|| path.display().to_string())?)
        };
        let (pieces, taken) = mpsc::sync_channel::<Vec<u8>>(BEHIND);
        let failed = Arc::new(std::sync::OnceLock::new());
        let (tell, path): (_, PathBuf) = (Arc::clone(&failed), path.to_owned());
        let write = move || {
            let written = (|| {
                let mut file = match file {
                    Some(file) => file,
                    None => std::fs::OpenOptions::new().write(true).open(&path)?,
                };
                taken.iter().try_for_each(|piece| file.write_all(&piece))
            })();
            if let Err(error) = written {
                let _ = tell.set(format!("{}: {error}", path.display()));
            }
        };
        std::thread::Builder::new().name("listening".into()).spawn(write)?;
        Ok(Self { pieces, failed })
    }

    /// Whether it is still written.
    fn take(&self, audio: &[u8]) -> Result<bool> {
        match self.pieces.try_send(audio.to_vec()) {
            Ok(()) | Err(mpsc::TrySendError::Full(_)) => Ok(true),
            Err(mpsc::TrySendError::Disconnected(_)) => match self.failed.get() {
                Some(why) if !why.contains("Broken pipe") => bail!("{why}"),
                Some(_) | None => Ok(false),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        std::fs::write(&path, "kept").unwrap();
        assert!(Writing::begin(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        let other = folder.path().join("other");
        let writing = Writing::begin(&other).unwrap();
        assert!(writing.take(b"abc").unwrap());
        drop(writing);
        while std::fs::read(&other).unwrap() != b"abc" {
            std::thread::yield_now();
        }
    }
}
