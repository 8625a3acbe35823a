//! TLS for the tests: a CA and what it issues, a stream that may be under TLS, and `openssl s_client` as a stranger.

use super::src::lock;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, KeyLog, RootCertStore, ServerConfig,
    ServerConnection,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A private CA.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    /// The name of its file, and before those of its certificates.
    name: String,
    dir: PathBuf,
}

/// A certificate with its key, in files.
#[derive(Debug, Clone)]
pub struct Identity {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// As `server.tls.pins` takes it.
    pub fingerprint: String,
}

/// What a certificate is to be.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    pub common_name: Option<&'a str>,
    pub dns: &'a [&'a str],
    /// `sip:` URIs.
    pub uris: &'a [&'a str],
    /// Years of validity; 2001 to 2099.
    pub years: Option<(i32, i32)>,
    /// Days that are left.
    pub days_left: Option<u32>,
}

impl Ca {
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let ca = Self { issuer: Issuer::new(params, key), pem, name: name.into(), dir: dir.into() };
        std::fs::write(ca.file(), &ca.pem).unwrap();
        ca
    }

    /// Its certificate.
    pub fn file(&self) -> PathBuf {
        self.dir.join(format!("{}.pem", self.name))
    }

    /// A certificate of this CA's, into files called `name`.
    pub fn issue(&self, name: &str, wanted: &Wanted<'_>) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params(wanted).signed_by(&key, &self.issuer).unwrap();
        Identity::write(&self.dir, name, &certificate, &key)
    }
}

impl Identity {
    /// One that nobody vouches for.
    pub fn self_signed(dir: &Path, name: &str, wanted: &Wanted<'_>) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(wanted).self_signed(&key).unwrap();
        Self::write(dir, name, &certificate, &key)
    }

    fn write(dir: &Path, name: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let (cert, key_file) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let pairs: Vec<String> = Sha256::digest(certificate.der()).iter().map(|b| format!("{b:02X}")).collect();
        Self { cert, key: key_file, fingerprint: pairs.join(":") }
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(&self.cert).unwrap().map(Result::unwrap).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).unwrap()
    }
}

fn params(wanted: &Wanted<'_>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = wanted.common_name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let dns = wanted.dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
    let uris = wanted.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
    params.subject_alt_names = dns.chain(uris).collect();
    let (from, to) = wanted.years.unwrap_or((2001, 2099));
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    if let Some(days) = wanted.days_left {
        params.not_after = (std::time::SystemTime::now() + Duration::from_secs(u64::from(days) * 86_400)).into();
    }
    params
}

/// What an SRC needs for TLS: as a client, and as a server for what the SRS connects.
#[derive(Debug, Clone)]
pub struct Ends {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Ends {
    /// With a certificate of its own; it accepts any of the server's.
    pub fn with(own: &Identity) -> Self {
        let provider = Arc::new(ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Credulous(provider.clone())))
            .with_client_auth_cert(own.chain(), own.private_key())
            .unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(own.chain(), own.private_key())
            .unwrap();
        Self { client: Arc::new(client), server: Arc::new(server) }
    }

    /// [`Ends::with`]; who connects must show a certificate of the CA's.
    pub fn mutual(own: &Identity, ca: &Ca) -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(own.chain(), own.private_key())
            .unwrap();
        Self { server: Arc::new(server), ..Self::with(own) }
    }

    /// Its sessions' secrets go to `file`, with which tshark reads them.
    #[must_use]
    pub fn logged(self, file: &Path) -> Self {
        let log = Arc::new(Secrets(Mutex::new(File::create(file).unwrap())));
        let (mut client, mut server) = (Arc::unwrap_or_clone(self.client), Arc::unwrap_or_clone(self.server));
        client.key_log = log.clone();
        server.key_log = log;
        Self { client: Arc::new(client), server: Arc::new(server) }
    }
}

/// A file of TLS secrets, in the lines that NSS made up.
#[derive(Debug)]
struct Secrets(Mutex<File>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        writeln!(lock(&self.0), "{label} {} {}", hex(client_random), hex(secret)).unwrap();
    }
}

/// A stream, in clear or under TLS.
pub enum Pipe {
    Plain(TcpStream),
    Tls { tcp: TcpStream, tls: Arc<Mutex<Connection>> },
}

impl Pipe {
    /// Shakes hands with a server.
    pub fn client(mut tcp: TcpStream, ends: &Ends) -> io::Result<Self> {
        let name = ServerName::from(tcp.peer_addr()?.ip());
        let mut tls = ClientConnection::new(ends.client.clone(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self::Tls { tcp, tls: Arc::new(Mutex::new(tls.into())) })
    }

    /// Shakes hands with a client.
    pub fn server(mut tcp: TcpStream, ends: &Ends) -> io::Result<Self> {
        let mut tls = ServerConnection::new(ends.server.clone()).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self::Tls { tcp, tls: Arc::new(Mutex::new(tls.into())) })
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Plain(tcp) => Self::Plain(tcp.try_clone()?),
            Self::Tls { tcp, tls } => Self::Tls { tcp: tcp.try_clone()?, tls: tls.clone() },
        })
    }

    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) | Self::Tls { tcp, .. } => tcp,
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (tcp, tls) = match self {
            Self::Plain(tcp) => return tcp.read(buffer),
            Self::Tls { tcp, tls } => (tcp, tls),
        };
        let mut raw = [0; 16 << 10];
        loop {
            match lock(tls).reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            // Not under the lock: others write meanwhile.
            let length = tcp.read(&mut raw)?;
            if length == 0 {
                return Ok(0);
            }
            let (mut records, mut tls) = (&raw[..length], lock(tls));
            while !records.is_empty() {
                tls.read_tls(&mut records)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            while tls.wants_write() {
                tls.write_tls(tcp)?;
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls { tcp, tls } => {
                let mut tls = lock(tls);
                let length = tls.writer().write(bytes)?;
                while tls.wants_write() {
                    tls.write_tls(tcp)?;
                }
                Ok(length)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whatever the server shows is believed.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _own: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that a server shows to `own`, as it is sent; nothing where they do not come to shake hands.
pub fn certificate_of(server: SocketAddr, own: &Identity) -> Option<Vec<u8>> {
    let pipe = Pipe::client(TcpStream::connect(server).ok()?, &Ends::with(own)).ok()?;
    let Pipe::Tls { tls, .. } = pipe else { return None };
    lock(&tls).peer_certificates()?.first().map(|certificate| certificate.to_vec())
}

/// A health check, for [`openssl`].
pub fn options(server: SocketAddr) -> String {
    format!(
        "OPTIONS sip:srs@{server} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKo;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=a\r\nTo: <sip:srs@{server}>\r\nCall-ID: o@a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// `openssl s_client`: sends `request`, and gives all that it printed once it saw a response or was hung up on.
pub fn openssl(server: SocketAddr, options: &[&str], request: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &server.to_string(), "-ign_eof"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl (make test installs it)");
    // Where the handshake fails, nobody reads it.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let errors = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || io::read_to_string(errors).unwrap_or_default());
    let (mut output, mut said, mut buffer) = (child.stdout.take().unwrap(), Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = output.read(&mut buffer) {
        said.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&said);
        if text.find("SIP/2.0 ").is_some_and(|at| text[at..].contains("\r\n\r\n")) {
            break;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    format!("{}{}", String::from_utf8_lossy(&said), errors.join().unwrap())
}

/// A TCP port whose connections go on to `server` under TLS: for those who speak none (Debian's SIPp).
pub fn tunnel(server: SocketAddr, ends: Ends) -> SocketAddr {
    let listener = TcpListener::bind((server.ip(), 0)).unwrap();
    let local = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            join(Pipe::Plain(near), Pipe::client(TcpStream::connect(server).unwrap(), &ends).unwrap());
        }
    });
    local
}

/// A TLS port whose connections go on to `client` in clear: for those who speak none and are called.
pub fn terminator(client: SocketAddr, ends: Ends) -> SocketAddr {
    let listener = TcpListener::bind((client.ip(), 0)).unwrap();
    let local = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for far in listener.incoming().map_while(Result::ok) {
            join(Pipe::server(far, &ends).unwrap(), Pipe::Plain(TcpStream::connect(client).unwrap()));
        }
    });
    local
}

/// What comes from one goes to the other, both ways.
fn join(one: Pipe, other: Pipe) {
    let (one_too, other_too) = (one.try_clone().unwrap(), other.try_clone().unwrap());
    std::thread::spawn(move || pump(one, other));
    std::thread::spawn(move || pump(other_too, one_too));
}

/// Carries on until one side is closed.
fn pump(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
