//! `siprec replay --to`: the client side. Calls of a file or made-up ones, as a session recording client sends them.
//!
//! ```text
//! found, made -> Calls -> Driver (one thread: the core's Client, SIP sockets, what is due) -> Tally -> Report
//!                            \-> Order -> media workers (threads of their own: RTP, RTCP) -> Played -/
//! ```

mod calls;
mod driver;
mod found;
mod legs;
mod links;
mod made;
mod media;
mod options;
mod pacing;
mod sound;
mod srv;
mod stream;
mod tally;
mod tls;

pub use options::{Codec, Impairments, Options, Sound, Tls};

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use siprec_core::seed::{Random, Seed};
use siprec_core::sip::{Transport, Uri};

use self::calls::Calls;
use self::driver::Driver;
use self::found::Finder;
use crate::archive::disk::{Disk as _, Reading};
use crate::archive::node;
use crate::archive::sealed::{SealedDisk, is_sealed};
use crate::capture::{Capture, Decoder, segments_of_folders, session_of};
use crate::config::SealConfig;
use crate::sealing;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 1 << 20;

/// The server.
struct Target {
    uri: Uri,
    /// What carries the signalling, where the address says so.
    transport: Option<Transport>,
}

/// Makes the calls, and prints what became of them.
///
/// # Errors
/// If a file cannot be read, the server not be reached, or a call failed.
pub fn run(options: Options) -> anyhow::Result<()> {
    let target = target(&options.to)?;
    let seed = match options.seed {
        Some(seed) => {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_be_bytes());
            Seed(bytes)
        }
        None => node::fresh_seed()?,
    };
    let mut random = Random::new(seed);
    let calls = if options.files.is_empty() {
        Calls::Made(sound::payloads(&options.sound, options.codec, usize::from(options.legs))?)
    } else {
        Calls::Found(read(&options, &mut random)?)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let json = options.json;
    let (report, failed) = runtime.block_on(Driver::drive(options, target, calls, random))?;
    report.print(json)?;
    if failed > 0 {
        bail!("{failed} {} failed", if failed == 1 { "call" } else { "calls" });
    }
    Ok(())
}

fn target(text: &str) -> anyhow::Result<Target> {
    let whole = if text.contains("sip:") || text.contains("sips:") { text.to_owned() } else { format!("sip:{text}") };
    let uri = Uri::parse(&whole).ok().filter(|uri| uri.is_sip() && uri.headers.is_none() && !uri.host.is_empty());
    let uri = uri.with_context(|| format!("--to {text}: not a SIP address such as sip:192.0.2.1:5060"))?;
    let said = uri.scheme == "sips" || uri.params.has("transport");
    let transport = said.then(|| uri.transport());
    Ok(Target { uri, transport })
}

fn read(options: &Options, random: &mut Random) -> anyhow::Result<Vec<found::Found>> {
    let mut finder = Finder::default();
    let mut sealed = None;
    for path in segments_of_folders(&options.files)? {
        let opened = open(&path, &options.seal, &mut sealed);
        opened.and_then(|opened| file(opened, &mut finder)).with_context(|| path.display().to_string())?;
    }
    let found = finder.calls(random);
    if found.is_empty() {
        bail!("no call in it: neither SIP nor RTP (is SIP encrypted, or in another capture?)");
    }
    if options.srtp.is_some() && found.iter().any(|call| call.secure) {
        bail!("the file's media is SRTP already and is sent under its own keys: leave out --srtp");
    }
    if found.iter().flat_map(|call| &call.lines).any(|line| line.proto.contains("TLS") || line.formats.is_empty()) {
        bail!("a stream without a payload type that can be offered, or under DTLS: its key is not in the file");
    }
    Ok(found)
}

/// A file, opened if it is sealed. The master keys are fetched for the first that is: a command of the operator's may give them.
fn open(
    path: &Path,
    seal: &SealConfig,
    sealed: &mut Option<Arc<SealedDisk>>,
) -> anyhow::Result<Box<dyn std::io::Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    if !is_sealed(path) {
        return Ok(Box::new(File::open(path).context("cannot be opened")?));
    }
    let disk = match sealed.take() {
        Some(disk) => disk,
        None => sealing::reading_disk(seal)?,
    };
    let opened = disk.open_read(path).context("is sealed");
    *sealed = Some(disk);
    Ok(Box::new(Reading::of(opened?)))
}

fn file(file: Box<dyn std::io::Read>, finder: &mut Finder) -> anyhow::Result<()> {
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    if session_of(&mut file)?.is_some() {
        return finder.journal(file);
    }
    let mut decoder = Decoder::default();
    for frame in Capture::open(file)? {
        if let Some(packet) = decoder.decode(&frame?) {
            finder.packet(packet);
        }
    }
    Ok(())
}
