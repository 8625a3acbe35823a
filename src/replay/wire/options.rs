//! What `replay --to` is told by its caller.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use siprec_core::sdp::crypto::Suite;
use siprec_core::sip::digest::Password;

use crate::config::SealConfig;

/// What `replay --to` is told by its caller.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server: `sip:host:port`, `;transport=tcp`, `sips:host`.
    pub to: String,
    /// Captures and journals whose calls are played; none: calls are made up.
    pub files: Vec<PathBuf>,
    /// What opens sealed journals among them; nobody asks for a master key before one is met.
    pub seal: SealConfig,
    /// What is said where there is no file.
    pub sound: Sound,
    /// How it is coded.
    pub codec: Codec,
    /// Streams of a made-up call.
    pub legs: u16,
    /// How many calls; with a file: how many times its calls are made in turn. `None`: each of the file's once.
    pub calls: Option<u64>,
    /// Calls begun a second.
    pub rate: f64,
    /// How long a call lasts once it is answered; `None`: 10 s, or as long as in the file.
    pub duration: Option<Duration>,
    /// How many times as fast as life.
    pub speed: f64,
    /// Hold: from when on after the answer, and for how long.
    pub hold: Option<(Duration, Duration)>,
    /// When after the answer the second participant leaves and another comes.
    pub transfer: Option<Duration>,
    /// What is done to the packets.
    pub impairments: Impairments,
    /// Media is sent under a key of ours, told in the session description.
    pub srtp: Option<Suite>,
    /// Whom we say we are when asked.
    pub login: Option<(String, Password)>,
    /// TLS.
    pub tls: Tls,
    /// The address that is sent from.
    pub local: Option<IpAddr>,
    /// What all random things are drawn from; `None`: fresh ones.
    pub seed: Option<u64>,
    /// Threads that send media.
    pub threads: usize,
    /// One JSON object instead of a table.
    pub json: bool,
    /// Whether progress is shown, on standard error.
    pub progress: bool,
}

/// What a made-up call says, a leg each; where there are more legs, again from the first.
#[derive(Debug, Clone, PartialEq)]
pub enum Sound {
    /// Tones, Hz.
    Tones(Vec<u32>),
    /// WAV files, over and over.
    Files(Vec<PathBuf>),
}

/// How a made-up call is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// 16-bit linear, 8 kHz.
    L16,
}

/// What is done to packets on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairments {
    /// Packets that are not sent, of 1.
    pub loss: f64,
    /// Delays up to this, in order.
    pub jitter: Duration,
    /// Packets that are sent behind the next one, of 1.
    pub reorder: f64,
    /// The sender's clock is fast by so much, parts per million.
    pub skew_ppm: f64,
}

/// How the server's certificate is looked at, and ours.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// CAs; the machine's own where absent.
    pub ca: Option<PathBuf>,
    /// Any certificate is taken.
    pub insecure: bool,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}
