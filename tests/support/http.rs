//! A client of the API: HTTP/1.1 by hand, a connection a request, so that nothing is mended on its way.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer that takes longer is a fault.
const WITHIN: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header field; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The body, as JSON, of an answer that has to have this status.
    #[track_caller]
    pub fn must(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// What a problem document says is wrong.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.field("content-type"), "application/problem+json", "{self:?}");
        let problem = self.must(status);
        assert_eq!(problem["status"], status, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Whom we ask, and as whom.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    /// By what name it is called.
    pub host: String,
    /// Sent with each request.
    pub fields: Vec<(String, String)>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), fields: Vec::new() }
    }

    /// The same address, called by a name.
    pub fn named(address: SocketAddr, host: &str) -> Self {
        Self { host: host.into(), ..Self::new(address) }
    }

    /// The same, with a field in each request.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut fields = self.fields.clone();
        fields.push((name.into(), value.into()));
        Self { fields, ..self.clone() }
    }

    #[must_use]
    pub fn bearer(&self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, b"")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body.as_bytes())
    }

    /// A request, and its answer.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub fn try_ask(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        self.fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if !body.is_empty() {
            if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                head.push_str("Content-Type: application/json\r\n");
            }
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect_timeout(&self.address, WITHIN)?;
        stream.set_read_timeout(Some(WITHIN))?;
        stream.write_all(&[head.as_bytes(), body].concat())?;
        read(&mut BufReader::new(stream), method == "HEAD")
    }
}

/// Reads an answer.
pub fn read(from: &mut impl BufRead, is_head: bool) -> std::io::Result<Answer> {
    let bad = |what: &str| std::io::Error::other(what.to_owned());
    let mut line = || -> std::io::Result<String> {
        let mut text = String::new();
        from.read_line(&mut text)?;
        Ok(text.trim_end().to_owned())
    };
    let status = line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| bad("no status"))?;
    let mut fields = Vec::new();
    loop {
        let text = line()?;
        let Some((name, value)) = text.split_once(':') else { break };
        fields.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, fields, body: Vec::new() };
    if is_head || status == 304 || status == 101 {
        return Ok(answer);
    }
    if answer.field("transfer-encoding") == "chunked" {
        loop {
            let mut size = String::new();
            from.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| bad("no chunk"))?;
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(answer);
            }
            answer.body.extend_from_slice(&chunk[..size]);
        }
    }
    match answer.field("content-length").parse() {
        Ok(length) => {
            answer.body = vec![0; length];
            from.read_exact(&mut answer.body)?;
        }
        Err(_) => {
            from.read_to_end(&mut answer.body)?;
        }
    }
    Ok(answer)
}

/// A WebSocket of the API.
pub struct Socket(tungstenite::WebSocket<TcpStream>);

/// What comes on one.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Text(Value),
    Binary(Vec<u8>),
    Closed,
}

impl Client {
    /// Opens a WebSocket; the status of an answer that opens none.
    pub fn websocket(&self, path: &str) -> Result<Socket, u16> {
        let stream = TcpStream::connect_timeout(&self.address, WITHIN).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        let mut request = tungstenite::http::Request::get(format!("ws://{}{path}", self.address))
            .header("Host", self.address.to_string())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key());
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        match tungstenite::client(request.body(()).unwrap(), stream) {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

impl Socket {
    pub fn say(&mut self, text: &str) {
        self.0.send(tungstenite::Message::text(text)).unwrap();
    }

    /// The next frame that is not the protocol's own.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        loop {
            match self.0.read() {
                Ok(tungstenite::Message::Text(text)) => return Frame::Text(serde_json::from_str(&text).unwrap()),
                Ok(tungstenite::Message::Binary(octets)) => return Frame::Binary(octets.to_vec()),
                Ok(tungstenite::Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => return Frame::Closed,
                Ok(_) => {}
                Err(error) => panic!("the socket broke: {error}"),
            }
        }
    }

    /// Texts until one is as wanted, that one included.
    #[track_caller]
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut texts = Vec::new();
        loop {
            match self.frame() {
                Frame::Text(text) => texts.push(text),
                Frame::Binary(_) => {}
                Frame::Closed => panic!("closed after {texts:?}"),
            }
            if texts.last().is_some_and(&wanted) {
                return texts;
            }
        }
    }
}
