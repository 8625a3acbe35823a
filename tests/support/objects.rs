//! Real object stores on ports of their own: moto (S3) and Azurite, and a relay that spoils what goes through it.

use super::src::body::{BASE64, base64};
use super::{TempDir, becomes_true, lacking, pause, ports};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::spawn;
use std::time::Duration;

/// Azurite's well-known account.
pub const AZURE_ACCOUNT: &str = "devstoreaccount1";
pub const AZURE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A process that ends with the test.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn tools() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| super::server::binary().ancestors().nth(2).unwrap().into());
    target.join("tools/storage")
}

/// The interpreter that has their libraries, of `.ci/storage/requirements.txt`.
pub fn python() -> PathBuf {
    tools().join("python/bin/python")
}

pub(super) fn start(program: impl AsRef<Path>, args: &[&str], port: u16) -> Option<Process> {
    let path = tools().join(program);
    if !path.exists() {
        lacking(&format!("{} is not there: run `make peers`", path.display()));
        return None;
    }
    let child = Command::new(&path).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let process = Process(child);
    let answers = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    assert!(becomes_true(Duration::from_secs(60), answers), "{} does not start", path.display());
    Some(process)
}

/// What an HTTP server said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The texts of all elements of that name.
    fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let tag = format!("<{name}>");
        let pieces = text.split(&tag).skip(1);
        pieces.filter_map(|piece| Some(piece.split_once("</")?.0.to_owned())).collect()
    }
}

/// One request over a connection of its own.
fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask_with(port, method, path, headers, b"")
}

/// One that has a body.
pub(super) fn ask_with(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(&[format!("{request}\r\n").as_bytes(), body].concat()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = all[end + 4..].to_vec();
    if headers.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status, headers, body }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

/// Objects are their owner's: moto wants to see credentials, and takes any.
const OWNER: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
);

/// An S3 server with a bucket `recs`.
#[derive(Debug)]
pub struct S3 {
    pub port: u16,
    _process: Process,
}

impl S3 {
    /// None where it is not installed and may be lacking.
    pub fn start() -> Option<Self> {
        let s3 = Self::start_on(ports::single())?;
        s3.make_bucket();
        Some(s3)
    }

    /// Without its bucket.
    pub fn start_on(port: u16) -> Option<Self> {
        let process = start("python/bin/moto_server", &["-H", "127.0.0.1", "-p", &port.to_string()], port)?;
        Some(Self { port, _process: process })
    }

    pub fn make_bucket(&self) {
        let made = ask(self.port, "PUT", "/recs", &[OWNER]);
        assert_eq!(made.status, 200, "{}", made.text());
    }

    /// A bucket whose objects can be locked.
    pub fn make_locking_bucket(&self, name: &str) {
        let made = ask(self.port, "PUT", &format!("/{name}"), &[OWNER, ("x-amz-bucket-object-lock-enabled", "true")]);
        assert_eq!(made.status, 200, "{}", made.text());
    }

    /// `--set` arguments that make it the storage.
    pub fn settings(&self) -> Vec<String> {
        Self::settings_at(self.port)
    }

    pub fn settings_at(port: u16) -> Vec<String> {
        vec![
            "storage.type=s3".into(),
            "storage.s3.bucket=recs".into(),
            "storage.s3.region=us-east-1".into(),
            format!("storage.s3.endpoint=http://127.0.0.1:{port}"),
            "storage.s3.path_style=true".into(),
            "storage.s3.access_key=AKIDEXAMPLE".into(),
            "storage.s3.secret_key=secret-of-a-test".into(),
        ]
    }

    /// All objects by key.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let keys = self.keys();
        keys.into_iter()
            .map(|key| (key.clone(), ask(self.port, "GET", &format!("/recs/{key}"), &[OWNER]).body))
            .collect()
    }

    pub fn keys(&self) -> Vec<String> {
        let listed = ask(self.port, "GET", "/recs?list-type=2&max-keys=1000", &[OWNER]);
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.elements("Key")
    }

    /// Somebody else's content under a key.
    pub fn overwrite(&self, key: &str, content: &[u8]) {
        let (name, value) = OWNER;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let head = format!(
            "PUT /recs/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{name}: {value}\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        stream.write_all(&[head.as_bytes(), content].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Somebody removes an object.
    pub fn remove(&self, key: &str) {
        let gone = ask(self.port, "DELETE", &format!("/recs/{key}"), &[OWNER]);
        assert_eq!(gone.status, 204, "{}", gone.text());
    }

    /// Versions of objects: more than there are objects where one was stored twice.
    pub fn turn_versions_on(&self) {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let head = format!(
            "PUT /recs?versioning HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    pub fn versions(&self) -> usize {
        ask(self.port, "GET", "/recs?versions&max-keys=1000", &[OWNER]).elements("VersionId").len()
    }

    /// Objects of several parts that nobody completed.
    pub fn uploads(&self) -> Vec<String> {
        let listed = ask(self.port, "GET", "/recs?uploads", &[OWNER]);
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.elements("UploadId")
    }

    /// What is said of an object, in lower case.
    pub fn head(&self, bucket: &str, key: &str) -> String {
        ask(self.port, "HEAD", &format!("/{bucket}/{key}"), &[OWNER]).headers
    }
}

/// Azurite with a container `recs`.
#[derive(Debug)]
pub struct Azure {
    pub port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Azure {
    pub fn start() -> Option<Self> {
        let (port, folder) = (ports::single(), TempDir::new("azurite"));
        let (number, location) = (port.to_string(), folder.path().display().to_string());
        let args = ["--blobHost", "127.0.0.1", "--blobPort", &number, "--location", &location];
        let quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"];
        let process = start("node_modules/.bin/azurite-blob", &[&args[..], &quiet[..]].concat(), port)?;
        let azure = Self { port, _process: process, _folder: folder };
        let made = azure.ask("PUT", "recs", &[("restype", "container")]);
        assert_eq!(made.status, 201, "{}", made.text());
        Some(azure)
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{AZURE_ACCOUNT}", self.port)
    }

    /// The names of all blobs.
    pub fn blobs(&self) -> Vec<String> {
        let listed = self.ask("GET", "recs", &[("comp", "list"), ("restype", "container")]);
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.elements("Name")
    }

    /// How many states of blobs there are: blobs, snapshots, and blobs of which there are parts alone.
    pub fn states(&self) -> usize {
        let query = [("comp", "list"), ("include", "snapshots,uncommittedblobs"), ("restype", "container")];
        let listed = self.ask("GET", "recs", &query);
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.elements("Name").len()
    }

    /// Keeps a blob as it is now.
    pub fn snapshot(&self, name: &str) {
        let made = self.ask("PUT", &format!("recs/{name}"), &[("comp", "snapshot")]);
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// A part of a blob that is not made of it.
    pub fn part(&self, name: &str) {
        let sent = self.ask_with("PUT", &format!("recs/{name}"), &[("blockid", "AAAA"), ("comp", "block")], b"part");
        assert_eq!(sent.status, 201, "{}", sent.text());
    }

    /// Somebody else's content under a name.
    pub fn overwrite(&self, name: &str, content: &[u8]) {
        let put = self.ask_with("PUT", &format!("recs/{name}"), &[], content);
        assert_eq!(put.status, 201, "{}", put.text());
    }

    /// Somebody removes a blob.
    pub fn remove(&self, name: &str) {
        let gone = self.ask("DELETE", &format!("recs/{name}"), &[]);
        assert_eq!(gone.status, 202, "{}", gone.text());
    }

    pub fn blob(&self, name: &str) -> Vec<u8> {
        self.ask("GET", &format!("recs/{name}"), &[]).body
    }

    /// A request signed with the account's key (Azure Storage, "Authorize with Shared Key"); `query` sorted by name.
    fn ask(&self, method: &str, path: &str, query: &[(&str, &str)]) -> Answer {
        self.ask_with(method, path, query, b"")
    }

    fn ask_with(&self, method: &str, path: &str, query: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let date = "Sun, 29 Nov 2026 08:00:00 GMT";
        let mut resource = format!("/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{path}");
        for (name, value) in query {
            resource.push_str(&format!("\n{name}:{value}"));
        }
        // A blob of its own, where it is no part of one.
        let is_blob = method == "PUT" && query.is_empty();
        let kind = if is_blob { "x-ms-blob-type:BlockBlob\n" } else { "" };
        let told = format!("{kind}x-ms-date:{date}\nx-ms-version:2021-08-06");
        let text = format!("{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{told}\n{resource}");
        let signature = base64(&hmac_sha256(&unbase64(AZURE_KEY), text.as_bytes()));
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let authorization = format!("SharedKey {AZURE_ACCOUNT}:{signature}");
        let mut headers = vec![("x-ms-date", date), ("x-ms-version", "2021-08-06"), ("Authorization", &*authorization)];
        headers.extend(is_blob.then_some(("x-ms-blob-type", "BlockBlob")));
        ask_with(self.port, method, &format!("/{AZURE_ACCOUNT}/{path}{query}"), &headers, body)
    }
}

/// RFC 2104 over SHA-256.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8| block.map(|octet| octet ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn unbase64(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let digit = |c: &u8| u32::try_from(BASE64.iter().position(|known| known == c).unwrap()).unwrap();
        let bits = four.iter().map(digit).fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        octets.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    octets
}

/// What a container of Amazon's asks for its credentials, as a URL.
pub fn container_credentials() -> String {
    let answer = r#"{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"secret-of-a-test","Token":"token-of-a-test","Expiration":"2099-01-01T00:00:00Z"}"#;
    format!("http://{}/", answering(answer))
}

/// What a machine of Google's asks for its tokens, as `GCE_METADATA_HOST` has it.
pub fn google_metadata() -> String {
    answering(r#"{"access_token":"token-of-a-test","expires_in":3600,"token_type":"Bearer"}"#).to_string()
}

/// A server that answers everything so.
fn answering(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    address
}

/// How a connection is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// It is not.
    No,
    /// It ends after so many octets to the server.
    Reset(usize),
    /// The server's answer never arrives: the connection ends instead.
    AnswerLost,
    /// What is sent is answered by 500 and goes nowhere.
    Failing,
    /// So many octets every 10 ms.
    Slow(usize),
    /// Nothing happens for so long; then it ends.
    Hangs(Duration),
}

/// Relays connections to a server, spoiling the first ones, one after the other, as told.
pub struct Relay {
    pub port: u16,
    connections: Arc<AtomicU32>,
}

impl Relay {
    pub fn start(to: u16, spoils: Vec<Spoil>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicU32>::default();
        let count = Arc::clone(&connections);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst) as usize;
                let spoil = spoils.get(number).copied().unwrap_or(Spoil::No);
                spawn(move || relay(stream, to, spoil));
            }
        });
        Self { port, connections }
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }
}

fn relay(client: TcpStream, to: u16, spoil: Spoil) {
    let mut from_client = client.try_clone().unwrap();
    match spoil {
        Spoil::Hangs(time) => return pause(time),
        Spoil::Failing => {
            let mut head = [0; 65536];
            let _ = from_client.read(&mut head);
            let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = (&client).write_all(answer.as_bytes());
            // What is still sent is taken, so that the answer is not lost with the connection.
            let _ = client.shutdown(std::net::Shutdown::Write);
            while matches!(from_client.read(&mut head), Ok(1..)) {}
            return;
        }
        Spoil::No | Spoil::Reset(_) | Spoil::AnswerLost | Spoil::Slow(_) => {}
    }
    let Ok(server) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, to))) else { return };
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = spawn(move || {
        if spoil == Spoil::AnswerLost {
            let _ = from_server.read(&mut [0; 1]);
            let _ = to_client.shutdown(std::net::Shutdown::Both);
        } else {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(std::net::Shutdown::Write);
        }
    });
    let (mut buffer, mut sent) = (vec![0; 65536], 0);
    let piece = if let Spoil::Slow(octets) = spoil { octets } else { buffer.len() };
    while let Ok(read @ 1..) = from_client.read(&mut buffer[..piece]) {
        if matches!(spoil, Spoil::Slow(_)) {
            pause(Duration::from_millis(10));
        }
        sent += read;
        if matches!(spoil, Spoil::Reset(most) if sent > most) || (&server).write_all(&buffer[..read]).is_err() {
            let _ = client.shutdown(std::net::Shutdown::Both);
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}
