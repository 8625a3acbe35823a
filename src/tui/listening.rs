//! A session's audio as it comes (`/ws/stream`): to a program that plays it, into a file or a named pipe.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

use super::event::{Ear, Told};
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
/// Octets of what a player complains of.
const MOST_SAID: u64 = 4 << 10;
/// How often it is told how much there was.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What a WebSocket goes over.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Listens until the session is over, or nobody reads any more.
pub(super) async fn listen(api: &ApiClient, session: &str, ear: &Ear, teller: &Teller) -> Result<Told> {
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
    let is_wav = match ear {
        Ear::File(path) => path.extension().is_some_and(|end| end.eq_ignore_ascii_case("wav")),
        Ear::Player(_) => true,
    };
    let format = if is_wav { "wav" } else { "pcm16" };
    let say = serde_json::json!({ "action": "subscribe", "session_id": session, "format": format });
    socket.send(Message::text(say.to_string())).await?;
    let writing = Writing::begin(ear)?;
    let (mut octets, mut told) = (0_u64, Instant::now());
    loop {
        match timeout(QUIET, socket.next()).await.context("nothing comes any more")? {
            Some(Ok(Message::Binary(frame))) => {
                let audio = frame.get(FRAME_HEAD..).unwrap_or_default();
                octets += audio.len() as u64;
                if !writing.take(audio)? {
                    return Ok(Told::HeardOut(nobody_hears(ear)));
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
    Ok(Told::HeardOut(match ear {
        Ear::File(path) => format!("the session is over: {octets} octets in {}", path.display()),
        Ear::Player(_) => "the session is over".to_owned(),
    }))
}

fn nobody_hears(ear: &Ear) -> String {
    match ear {
        Ear::File(path) => format!("nobody reads {} any more", path.display()),
        Ear::Player(_) => format!("{ear} has ended"),
    }
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
    fn begin(ear: &Ear) -> Result<Self> {
        let mut sink = match ear {
            Ear::Player(words) => Sink::Player(player(words)?),
            Ear::File(path) if is_pipe(path) => Sink::Pipe(path.clone()),
            Ear::File(path) => Sink::File(std::fs::File::create_new(path).with_context(|| path.display().to_string())?),
        };
        let (pieces, taken) = mpsc::sync_channel::<Vec<u8>>(BEHIND);
        let failed = Arc::new(std::sync::OnceLock::new());
        let (tell, name) = (Arc::clone(&failed), ear.to_string());
        let write = move || {
            if let Err(error) = sink.write(&taken) {
                let _ = tell.set(format!("{name}: {error}"));
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

/// Where it is written.
enum Sink {
    File(std::fs::File),
    /// It is opened when somebody reads it.
    Pipe(PathBuf),
    Player(Child),
}

impl Sink {
    fn write(&mut self, taken: &mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
        match self {
            Self::File(file) => taken.iter().try_for_each(|piece| file.write_all(&piece)),
            Self::Pipe(path) => {
                let mut pipe = std::fs::OpenOptions::new().write(true).open(path)?;
                taken.iter().try_for_each(|piece| pipe.write_all(&piece))
            }
            Self::Player(child) => {
                let mut input = child.stdin.take();
                let written =
                    taken.iter().try_for_each(|piece| input.as_mut().map_or(Ok(()), |input| input.write_all(&piece)));
                drop(input);
                let mut said = String::new();
                if let Some(errors) = &mut child.stderr {
                    errors.by_ref().take(MOST_SAID).read_to_string(&mut said)?;
                    std::io::copy(errors, &mut std::io::sink())?;
                }
                match (child.wait()?.success(), said.lines().next()) {
                    (true, _) => written,
                    (false, Some(line)) => Err(std::io::Error::other(line.trim().to_owned())),
                    (false, None) => Err(std::io::Error::other("it failed, and does not say why")),
                }
            }
        }
    }
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|known| known.file_type().is_fifo())
}

/// The screen is ours: what it says on it would be drawn over.
fn player(words: &[String]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("a program is not named behind |")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("{program} cannot be started"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        std::fs::write(&path, "kept").unwrap();
        assert!(Writing::begin(&Ear::File(path.clone())).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        let other = folder.path().join("other");
        let writing = Writing::begin(&Ear::File(other.clone())).unwrap();
        assert!(writing.take(b"abc").unwrap());
        drop(writing);
        while std::fs::read(&other).unwrap() != b"abc" {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_player_gets_what_comes_and_is_quoted_where_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let heard = folder.path().join("heard");
        let ear = |line: &str| Ear::of(line);
        let writing = Writing::begin(&ear(&format!("| tee {}", heard.display()))).unwrap();
        assert!(writing.take(b"abc").unwrap());
        drop(writing);
        while std::fs::read(&heard).unwrap_or_default() != b"abc" {
            std::thread::yield_now();
        }
        assert!(
            Writing::begin(&ear("| no-such-player-here -"))
                .is_err_and(|error| error.to_string().contains("no-such-player"))
        );
        let writing = Writing::begin(&ear("| ls /no-such-folder")).unwrap();
        let said = loop {
            // It may have ended before or after it was written to.
            match writing.take(b"abc") {
                Ok(true) => std::thread::yield_now(),
                Ok(false) => panic!("it is not told why"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(said.starts_with("ls: ") && said.contains("no-such-folder"), "{said}");
        assert_eq!(ear("call.wav"), Ear::File("call.wav".into()));
        assert_eq!(ear("|"), Ear::File("|".into()));
    }
}
