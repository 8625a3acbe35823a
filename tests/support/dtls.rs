//! A peer of DTLS-SRTP that owes nothing to the server's code: OpenSSL or GStreamer shakes hands through a relay, which makes
//! all of a leg come from one port; what a [`super::studio::Speech`] says in clear is protected there by webrtc-srtp.

use super::src::lock;
use super::{TempDir, becomes_true, until};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

/// OpenSSL's name for `use_srtp`, webrtc-srtp's for the same, octets of key and of salt.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    pub profile: ProtectionProfile,
    pub key: usize,
    pub salt: usize,
}

pub const CM_80: Profile =
    Profile { name: "SRTP_AES128_CM_SHA1_80", profile: ProtectionProfile::Aes128CmHmacSha1_80, key: 16, salt: 14 };
pub const GCM_128: Profile =
    Profile { name: "SRTP_AEAD_AES_128_GCM", profile: ProtectionProfile::AeadAes128Gcm, key: 16, salt: 12 };
pub const GCM_256: Profile =
    Profile { name: "SRTP_AEAD_AES_256_GCM", profile: ProtectionProfile::AeadAes256Gcm, key: 32, salt: 12 };

/// How long a handshake may take on a busy machine.
const SHAKEN_WITHIN: Duration = Duration::from_secs(20);

/// A certificate with its key, made by openssl, in a folder.
#[derive(Clone)]
pub struct Certificate {
    dir: Arc<TempDir>,
    /// As `a=fingerprint` has it.
    pub fingerprint: String,
}

impl Certificate {
    /// With a key of P-256.
    pub fn generate() -> Self {
        Self::with_key("EC -pkeyopt ec_paramgen_curve:P-256")
    }

    /// `RSA -pkeyopt rsa_keygen_bits:2048`, and so on.
    pub fn with_key(key: &str) -> Self {
        let dir = TempDir::new("dtls-peer");
        let told = openssl(
            dir.path(),
            &format!("req -x509 -nodes -days 2 -subj /CN=src -keyout key.pem -out cert.pem -newkey {key}"),
        );
        assert!(dir.path().join("cert.pem").exists(), "{told}");
        let fingerprint = fingerprint_of(&dir.path().join("cert.pem"));
        Self { dir: Arc::new(dir), fingerprint }
    }

    /// Both in one text.
    pub fn pem(&self) -> String {
        ["cert.pem", "key.pem"].map(|file| std::fs::read_to_string(self.dir.path().join(file)).unwrap()).concat()
    }
}

/// What openssl says of a certificate in a PEM file: `sha-256 AB:CD:..`.
pub fn fingerprint_of(pem: &Path) -> String {
    let told = openssl(Path::new("."), &format!("x509 -noout -fingerprint -sha256 -in {}", pem.display()));
    let (_, digits) = told.trim().split_once('=').unwrap_or_else(|| panic!("no fingerprint: {told}"));
    format!("sha-256 {digits}")
}

fn openssl(dir: &Path, arguments: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(dir).stderr(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("openssl is needed (make peers): {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One leg's way to the server, both ways, from one port.
pub struct Relay(Arc<Inner>);

struct Inner {
    /// Where the peer's program and the speaker send to.
    front: UdpSocket,
    /// Where all of it leaves from.
    back: UdpSocket,
    server: SocketAddr,
    /// Where the server's datagrams of DTLS go: whoever sent the last, unless it is said.
    program: Mutex<Option<SocketAddr>>,
    is_fixed: bool,
    /// What protects the speaker's packets; until there is something, they are lost.
    ours: Mutex<Option<Context>>,
    /// What the server sends of SRTCP.
    reports: Mutex<Vec<Vec<u8>>>,
    srtp: AtomicU32,
    is_over: AtomicBool,
}

impl Relay {
    /// To `server`, from a program that listens where it sends from.
    pub fn new(server: SocketAddr) -> Self {
        Self::start(server, None)
    }

    /// From a program that listens elsewhere.
    pub fn answering(server: SocketAddr, program: SocketAddr) -> Self {
        Self::start(server, Some(program))
    }

    fn start(server: SocketAddr, program: Option<SocketAddr>) -> Self {
        let bind = || {
            let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            socket
        };
        let inner = Arc::new(Inner {
            front: bind(),
            back: bind(),
            server,
            program: Mutex::new(program),
            is_fixed: program.is_some(),
            ours: Mutex::default(),
            reports: Mutex::default(),
            srtp: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        });
        for run in [Inner::outwards, Inner::inwards] {
            let inner = Arc::clone(&inner);
            std::thread::spawn(move || {
                while !inner.is_over.load(Ordering::Relaxed) {
                    run(&inner);
                }
            });
        }
        Self(inner)
    }

    /// Where programs and speakers send to.
    pub fn front(&self) -> SocketAddr {
        self.0.front.local_addr().unwrap()
    }

    /// What is said in clear from now on is protected with these keys.
    pub fn protect(&self, keys: &Keys) {
        *lock(&self.0.ours) = Some(context(&keys.client, keys.profile));
    }

    /// The server's reports up to now, made plain with its keys.
    pub fn reports(&self, keys: &Keys) -> Vec<Result<Vec<u8>, String>> {
        let mut theirs = context(&keys.server, keys.profile);
        let told = lock(&self.0.reports).clone();
        told.iter().map(|r| theirs.decrypt_rtcp(r).map(|r| r.to_vec()).map_err(|e| e.to_string())).collect()
    }

    /// Packets of media that were sent on.
    pub fn sent(&self) -> u32 {
        self.0.srtp.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

impl Inner {
    fn outwards(&self) {
        let mut buffer = [0; 4096];
        let Ok((length, from)) = self.front.recv_from(&mut buffer) else { return };
        let datagram = &buffer[..length];
        if is_dtls(datagram) {
            if !self.is_fixed {
                *lock(&self.program) = Some(from);
            }
            let _ = self.back.send_to(datagram, self.server);
            return;
        }
        self.srtp.fetch_add(1, Ordering::Relaxed);
        if self.is_fixed {
            let _ = self.back.send_to(datagram, self.server);
        } else if let Some(ours) = lock(&self.ours).as_mut() {
            let is_rtcp = datagram.get(1).is_some_and(|kind| (200..=207).contains(kind));
            let sealed = if is_rtcp { ours.encrypt_rtcp(datagram) } else { ours.encrypt_rtp(datagram) };
            let _ = self.back.send_to(&sealed.unwrap(), self.server);
        }
    }

    fn inwards(&self) {
        let mut buffer = [0; 4096];
        let Ok((length, _)) = self.back.recv_from(&mut buffer) else { return };
        if !is_dtls(&buffer[..length]) {
            lock(&self.reports).push(buffer[..length].to_vec());
        }
        if let Some(program) = lock(&self.program).filter(|_| is_dtls(&buffer[..length]) || self.is_fixed) {
            let _ = self.front.send_to(&buffer[..length], program);
        }
    }
}

/// RFC 7983 7.
fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..=63).contains(first))
}

/// What a handshake gave the peer: key and salt of both ends.
#[derive(Clone)]
pub struct Keys {
    pub profile: Profile,
    client: (Vec<u8>, Vec<u8>),
    server: (Vec<u8>, Vec<u8>),
}

impl Keys {
    /// What the peer protects with.
    pub fn secret(&self) -> &[u8] {
        &self.client.0
    }

    /// Of what an exporter told (RFC 5764 4.2).
    fn new(profile: Profile, material: &[u8]) -> Self {
        let Profile { key, salt, .. } = profile;
        assert_eq!(material.len(), 2 * (key + salt));
        let (keys, salts) = material.split_at(2 * key);
        let client = (keys[..key].to_vec(), salts[..salt].to_vec());
        let server = (keys[key..].to_vec(), salts[salt..].to_vec());
        Self { profile, client, server }
    }
}

fn context((key, salt): &(Vec<u8>, Vec<u8>), profile: Profile) -> Context {
    let (rtp, rtcp) = (srtp_replay_protection(64), srtcp_replay_protection(64));
    Context::new(key, salt, profile.profile, Some(rtp), Some(rtcp)).unwrap()
}

/// A program that runs until it is dropped.
pub struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `openssl s_client`, which shakes hands.
pub struct OpenSsl {
    _program: Program,
    said: Arc<Mutex<Vec<String>>>,
    profile: Profile,
}

impl OpenSsl {
    /// What it exports once it is done.
    pub fn keys(&self, within: Duration) -> Option<Keys> {
        let length = 2 * (self.profile.key + self.profile.salt);
        let exported = || {
            let said = lock(&self.said);
            let line = said.iter().find_map(|line| line.trim().strip_prefix("Keying material: ").map(str::to_owned));
            line.filter(|digits| digits.len() == 2 * length)
        };
        let digits = until(within, exported)?;
        let octet = |n: usize| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap();
        Some(Keys::new(self.profile, &(0..length).map(octet).collect::<Vec<u8>>()))
    }

    /// The same, or a failed test.
    #[track_caller]
    pub fn must_have_keys(&self) -> Keys {
        self.keys(SHAKEN_WITHIN).unwrap_or_else(|| panic!("openssl exported no keys: {:?}", lock(&self.said)))
    }
}

/// `openssl s_client` shakes hands through `relay`; it must be kept for as long as it should not vanish.
pub fn openssl_client(relay: &Relay, own: &Certificate, profile: Profile) -> OpenSsl {
    let length = 2 * (profile.key + profile.salt);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-dtls1_2", "-ign_eof", "-connect", &relay.front().to_string()]);
    command.args(["-cert", "cert.pem", "-key", "key.pem", "-use_srtp", profile.name]);
    command.args(["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length.to_string()]);
    command.current_dir(own.dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("openssl is needed (make peers): {error}"));
    let said = Arc::new(Mutex::new(Vec::new()));
    let (out, into) = (child.stdout.take().unwrap(), Arc::clone(&said));
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            lock(&into).push(line);
        }
    });
    OpenSsl { _program: Program(child), said, profile }
}

/// GStreamer says a tone of `hertz` as PCMA, under DTLS-SRTP that it begins itself, through a relay to `server`.
pub fn gstreamer(server: SocketAddr, own: &Certificate, hertz: u32) -> (Program, Relay) {
    // What GStreamer receives on is told to it by number.
    let listens = SocketAddr::new(server.ip(), super::ports::single());
    let relay = Relay::answering(server, listens);
    let front = relay.front();
    let (host, port) = (front.ip(), front.port());
    let pipeline = format!(
        "dtlssrtpdec name=dec pem=\"{}\" connection-id=leg dec.rtp_src ! fakesink async=false dec.rtcp_src ! fakesink async=false \
         udpsrc address={host} port={} ! dec.sink \
         dtlssrtpenc name=enc connection-id=leg is-client=true enc.src ! udpsink host={host} port={port} sync=false async=false \
         audiotestsrc is-live=true freq={hertz} volume=0.5 samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 \
         ! alawenc ! rtppcmapay min-ptime=20000000 max-ptime=20000000 ! enc.rtp_sink_0",
        own.pem(),
        listens.port()
    );
    let mut command = Command::new("gst-launch-1.0");
    // The pipeline is one argument a word, but the certificate's lines belong together.
    let (before, rest) = pipeline.split_once("pem=").unwrap();
    let (pem, after) = rest.split_once("\" ").unwrap();
    command.arg("-q").args(before.split_whitespace()).arg(format!("pem={pem}\"")).args(after.split_whitespace());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    (Program(child.unwrap_or_else(|error| panic!("gst-launch-1.0 is needed (make peers): {error}"))), relay)
}

/// Waits until GStreamer has sent so many packets of media.
#[track_caller]
pub fn wait_for_media(relay: &Relay, packets: u32) {
    assert!(becomes_true(Duration::from_secs(60), || relay.sent() >= packets), "only {} packets", relay.sent());
}
