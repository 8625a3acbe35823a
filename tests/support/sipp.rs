//! SIPp as a second, foreign SRC: its scenario lies in `testdata/sipp`, its audio is made here.

use super::ports;
use super::voice::{PACKET, Voice};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// SIPp listens, and ends, within.
const SOON: Duration = Duration::from_secs(20);

/// Packets of `pictures.pcap`.
const PICTURES: u16 = 25;

/// Whether SIPp is there; says so loudly if not.
pub fn present() -> bool {
    let there = Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        super::lacking("sipp (Debian: sip-tester) is not installed");
    }
    there
}

/// A run of SIPp.
pub struct Run {
    pub calls: u32,
    /// Calls a second.
    pub rate: u32,
    /// Packets of audio a call.
    pub packets: u32,
    /// Whose voice: all calls of the run speak alike.
    pub voice: usize,
    pub tcp: bool,
}

/// What carries SIPp's signalling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Udp,
    Tcp,
}

impl Carrier {
    /// SIPp's name of it: one socket for all calls.
    fn flag(self) -> &'static str {
        match self {
            Self::Udp => "u1",
            Self::Tcp => "t1",
        }
    }
}

/// Plays `testdata/sipp/NAME.xml` so many times; gives what SIPp said when a call failed.
pub fn play(name: &str, server: SocketAddr, carrier: Carrier, calls: u32, scratch: &Path) -> Result<(), String> {
    write_media(scratch);
    let mut command = command(name, server.ip(), carrier, scratch);
    command.arg(server.to_string()).args(["-p", &ports::single().to_string(), "-m", &calls.to_string(), "-r", "1"]);
    run(command, scratch)
}

/// Runs `testdata/sipp/record.xml`; gives what SIPp said when a call failed.
pub fn record(server: SocketAddr, run_of: &Run, scratch: &Path) -> Result<(), String> {
    // The scenario names it, and SIPp looks for it where it runs.
    let audio = scratch.join("voice.alaw");
    let samples = run_of.packets * PACKET;
    std::fs::write(&audio, Voice::new(run_of.voice, 0, samples).samples(0, samples)).unwrap();
    let length = Duration::from_millis(20) * run_of.packets + Duration::from_millis(100);
    let carrier = if run_of.tcp { Carrier::Tcp } else { Carrier::Udp };
    let mut command = command("record", server.ip(), carrier, scratch);
    command.arg(server.to_string()).args(["-m", &run_of.calls.to_string(), "-r", &run_of.rate.to_string()]);
    command.args(["-d", &length.as_millis().to_string()]);
    run(command, scratch)
}

/// SIPp as the one that is called, for one call.
pub struct Called {
    sipp: Child,
    scratch: PathBuf,
}

impl Called {
    /// An address for it.
    pub fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], ports::single()))
    }

    /// Plays `testdata/sipp/NAME.xml` at `at` to the first who calls; listens when this returns. Its Contact is `contact`,
    /// host, port and transport.
    #[track_caller]
    pub fn start(name: &str, carrier: Carrier, at: SocketAddr, contact: &str, scratch: &Path) -> Self {
        write_media(scratch);
        let mut command = command(name, at.ip(), carrier, scratch);
        command.args(["-p", &at.port().to_string(), "-m", "1", "-key", "contact", contact]);
        let screen = std::fs::File::create(scratch.join("screen")).unwrap();
        let sipp = command.stdin(Stdio::null()).stdout(screen).stderr(Stdio::null()).spawn().unwrap();
        let mut called = Self { sipp, scratch: scratch.into() };
        let listens = listens_soon(&mut called.sipp, at, carrier);
        assert!(listens, "SIPp does not listen: {}", told(scratch));
        called
    }

    /// Waits for its end; what it said when it was not content.
    pub fn content(mut self) -> Result<(), String> {
        let ended = super::becomes_true(SOON, || self.sipp.try_wait().unwrap().is_some());
        if ended && self.sipp.wait().unwrap().success() { Ok(()) } else { Err(told(&self.scratch)) }
    }
}

/// Whether `sipp` comes to listen there: asked without a message, which it would take for a call.
pub fn listens_soon(sipp: &mut Child, at: SocketAddr, carrier: Carrier) -> bool {
    let mut ended = false;
    super::becomes_true(SOON, || {
        ended = sipp.try_wait().unwrap().is_some();
        ended || is_listened_on(at, carrier)
    }) && !ended
}

fn is_listened_on(at: SocketAddr, carrier: Carrier) -> bool {
    // The kernel's number of a UDP socket that has no peer, and of a TCP socket that listens.
    let (table, state) = if carrier == Carrier::Udp { ("udp", "07") } else { ("tcp", "0A") };
    let port = format!(":{:04X}", at.port());
    std::fs::read_to_string(Path::new("/proc/net").join(table)).unwrap().lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        matches!(fields[..], [_, own, _, now] if own.ends_with(&port) && now == state)
    })
}

impl Drop for Called {
    fn drop(&mut self) {
        let _ = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}

/// Four seconds of a voice and one of pictures, for scenarios that name the files.
fn write_media(scratch: &Path) {
    let samples = 200 * PACKET;
    std::fs::write(scratch.join("voice.alaw"), Voice::new(0, 0, samples).samples(0, samples)).unwrap();
    std::fs::write(scratch.join("pictures.pcap"), pictures()).unwrap();
}

/// A capture of [`PICTURES`] packets of RTP with H.264 in them, one every 40 ms: SIPp sends what it has behind its
/// Ethernet and IP headers, to ports of its own.
fn pictures() -> Vec<u8> {
    const UDP_LENGTH: u16 = 8 + 12 + 900;
    let mut out: Vec<u8> = Vec::new();
    for word in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, 1_u32] {
        out.extend(word.to_le_bytes());
    }
    for number in 0..PICTURES {
        let length = 14 + 20 + u32::from(UDP_LENGTH);
        for word in [1, u32::from(number) * 40_000, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        out.extend([0x45, 0]);
        out.extend((20 + UDP_LENGTH).to_be_bytes());
        out.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        for field in [40_000, 40_002, UDP_LENGTH, 0] {
            out.extend(field.to_be_bytes());
        }
        // A whole picture first (NAL unit type 5), others after it.
        out.extend([0x80, 0x80 | 96]);
        out.extend(number.to_be_bytes());
        out.extend((u32::from(number) * 3_600).to_be_bytes());
        out.extend([0, 0, 0x47, 0x11, if number == 0 { 0x65 } else { 0x41 }]);
        out.extend([0x55; 899]);
    }
    out
}

fn command(name: &str, ip: IpAddr, carrier: Carrier, scratch: &Path) -> Command {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../testdata/sipp/{name}.xml"));
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(scenario)
        .args(["-i", &ip.to_string(), "-t", carrier.flag()])
        .args(["-nostdin", "-trace_err", "-timeout", "60s", "-timeout_error"])
        .current_dir(scratch);
    command
}

fn run(mut command: Command, scratch: &Path) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("sipp: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = told(scratch);
    let screen = String::from_utf8_lossy(&output.stdout);
    let last: Vec<&str> = screen.lines().rev().take(40).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{}: {told}\n{}\n{}", output.status, String::from_utf8_lossy(&output.stderr), last.join("\n")))
}

/// What SIPp wrote of its errors.
fn told(scratch: &Path) -> String {
    let errors = super::files_below(scratch).into_iter().filter(|p| p.to_string_lossy().contains("errors.log"));
    errors.map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect()
}
