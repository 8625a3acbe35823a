//! The flags of `siprec replay --to`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use siprec_core::sdp::crypto::Suite;
use siprec_core::sip::digest::Password;

use crate::config::{SealConfig, Span};
use crate::replay::wire::{Codec, Impairments, Options, Sound, Tls};

/// Where the password is looked for.
const PASSWORD: &str = "SIPREC_REPLAY_PASSWORD";
/// A password's file is no longer.
const MAX_PASSWORD: u64 = 4096;
/// Streams of one made-up call.
const MAX_LEGS: i64 = 32;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "To a server")]
pub(super) struct Wire {
    /// Play to this server as a session recording client: sip:HOST:PORT, sip:HOST;transport=tcp, sips:HOST
    #[arg(long, value_name = "URI")]
    pub(super) to: Option<String>,
    /// Without FILE: say these tones, Hz, a leg each
    #[arg(long, value_name = "HZ", value_delimiter = ',', default_value = "440,620", value_parser = clap::value_parser!(u32).range(1..4000), requires = "to")]
    tone: Vec<u32>,
    /// Without FILE: say these WAV files over and over, a leg each
    #[arg(long, value_name = "FILE", value_delimiter = ',', conflicts_with = "tone", requires = "to")]
    wav: Vec<PathBuf>,
    /// Without FILE: how it is coded
    #[arg(long, value_name = "NAME", default_value = "pcma", value_parser = ["pcma", "pcmu", "l16"], requires = "to")]
    codec: String,
    /// Without FILE: streams of a call
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=MAX_LEGS), requires = "to")]
    legs: u16,
    /// Make so many calls; those of FILE in turn [default: 1, or each of FILE once]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "to")]
    calls: Option<u64>,
    /// Begin so many calls a second
    #[arg(long, value_name = "R", default_value = "10", value_parser = positive, requires = "to")]
    rate: f64,
    /// End a call so long after its answer: 90, 30s, 5m [default: 10s, or as in FILE]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "to")]
    duration: Option<Duration>,
    /// Play so many times as fast as life
    #[arg(long, value_name = "X", default_value = "1", value_parser = positive, requires = "to")]
    speed: f64,
    /// Without FILE: hold a call so long after its answer, for so long: 3s,2s
    #[arg(long, value_name = "AT,FOR", value_delimiter = ',', num_args = 1, value_parser = time, requires = "to")]
    hold: Vec<Duration>,
    /// Without FILE: another participant comes for the last one, so long after the answer (a metadata update)
    #[arg(long, value_name = "AT", value_parser = time, requires = "to")]
    transfer: Option<Duration>,
    /// Leave out so many of 100 packets
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, requires = "to")]
    loss: f64,
    /// Delay packets by up to this, in order: 30ms
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time, requires = "to")]
    jitter: Duration,
    /// Send so many of 100 packets behind the next one
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent, requires = "to")]
    reorder: f64,
    /// Let the sender's clock be fast by so many parts per million, or slow: -50
    #[arg(long, value_name = "PPM", default_value = "0", allow_negative_numbers = true, requires = "to")]
    skew: f64,
    /// Send SRTP under keys of our own (SDES): AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM ...
    #[arg(long, value_name = "SUITE", value_parser = suite, requires = "to")]
    srtp: Option<Suite>,
    /// Answer challenges (401, 407) as this user; the password from --password-file or $SIPREC_REPLAY_PASSWORD
    #[arg(long, value_name = "NAME", requires = "to")]
    user: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Judge the server's certificate by these CAs (PEM) instead of the machine's
    #[arg(long, value_name = "FILE", requires = "to")]
    tls_ca: Option<PathBuf>,
    /// Take any certificate: for tests only
    #[arg(long, conflicts_with = "tls_ca", requires = "to")]
    tls_insecure: bool,
    /// Show the server this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Send from this address
    #[arg(long, value_name = "IP", requires = "to")]
    local: Option<IpAddr>,
    /// Draw all that is random from this number: tags, keys, losses come again
    #[arg(long, value_name = "N", requires = "to")]
    seed: Option<u64>,
    /// Threads that send media: one for each 100,000 packets a second
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), requires = "to")]
    threads: u16,
}

impl Wire {
    /// What they come to, for the server at `to`.
    pub(super) fn options(
        self,
        to: String,
        files: Vec<PathBuf>,
        seal: SealConfig,
        json: bool,
        progress: bool,
    ) -> anyhow::Result<Options> {
        let hold = match self.hold[..] {
            [] => None,
            [at, length] => Some((at, length)),
            _ => bail!("--hold: write it as 3s,2s: when, and for how long"),
        };
        let made_only = hold.is_some() || self.transfer.is_some() || !self.wav.is_empty();
        if !files.is_empty() && made_only {
            bail!("--hold, --transfer and --wav are for calls that are made up: leave out the file, which has its own");
        }
        let login = match self.user {
            Some(user) => Some((user, password(self.password_file.as_deref())?)),
            None => None,
        };
        Ok(Options {
            to,
            files,
            seal,
            sound: if self.wav.is_empty() { Sound::Tones(self.tone) } else { Sound::Files(self.wav) },
            codec: match self.codec.as_str() {
                "pcmu" => Codec::Pcmu,
                "l16" => Codec::L16,
                _ => Codec::Pcma,
            },
            legs: self.legs,
            calls: self.calls,
            rate: self.rate,
            duration: self.duration,
            speed: self.speed,
            hold,
            transfer: self.transfer,
            impairments: Impairments {
                loss: self.loss,
                jitter: self.jitter,
                reorder: self.reorder,
                skew_ppm: self.skew,
            },
            srtp: self.srtp,
            login,
            tls: Tls { ca: self.tls_ca, insecure: self.tls_insecure, identity: self.tls_cert.zip(self.tls_key) },
            local: self.local,
            seed: self.seed,
            threads: usize::from(self.threads),
            json,
            progress,
        })
    }
}

/// A secret has no place on a command line, where everybody on the machine can read it.
fn password(file: Option<&Path>) -> anyhow::Result<Password> {
    use std::io::Read as _;
    if let Some(file) = file {
        let mut text = String::new();
        let open = std::fs::File::open(file).with_context(|| file.display().to_string())?;
        open.take(MAX_PASSWORD).read_to_string(&mut text).with_context(|| file.display().to_string())?;
        return Ok(Password::new(text.lines().next().unwrap_or("")));
    }
    let from_environment = std::env::var(PASSWORD);
    from_environment
        .map(Password::new)
        .ok()
        .with_context(|| format!("--user: set ${PASSWORD}, or name a --password-file"))
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && (1e-3..=1e6).contains(number));
    number.ok_or_else(|| "a number from 0.001 to 1000000".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok().filter(|number: &f64| (0.0..=100.0).contains(number));
    number.map(|number| number / 100.0).ok_or_else(|| "a number from 0 to 100".to_owned())
}

/// Seconds, or a length of time as the configuration has them.
fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    text.parse::<Span>().map(|span| span.0).map_err(|_| "write it as 90, 500ms, 30s or 5m".to_owned())
}

fn suite(text: &str) -> Result<Suite, String> {
    const NAMES: [&str; 5] = [
        "AES_CM_128_HMAC_SHA1_80",
        "AES_CM_128_HMAC_SHA1_32",
        "AES_256_CM_HMAC_SHA1_80",
        "AEAD_AES_128_GCM",
        "AEAD_AES_256_GCM",
    ];
    Suite::from_name(text).ok_or_else(|| format!("one of {}", NAMES.join(", ")))
}
