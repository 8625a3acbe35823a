//! What others make of a capture or a journal: tshark's word on packets, losses and errors; tcpdump to make captures.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Whether the tools are there; says so loudly if not.
pub fn present() -> bool {
    for tool in ["tshark", "tcpdump"] {
        if Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            super::lacking(&format!("{tool} is not installed"));
            return false;
        }
    }
    true
}

fn tshark(file: &Path, sip: u16, args: &[&str]) -> String {
    let out = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("udp.port=={sip},sip"), "-d", &format!("tcp.port=={sip},sip"), "-n"])
        .args(["-o", "tcp.reassemble_out_of_order:TRUE"])
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "tshark {args:?} {}: {errors}", file.display());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// One row of `rtp,streams`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpStream {
    pub ssrc: u32,
    pub packets: u64,
    pub lost: i64,
}

/// The RTP streams as tshark counts them.
pub fn rtp_streams(file: &Path, sip: u16) -> Vec<RtpStream> {
    let text = tshark(file, sip, &["-q", "-z", "rtp,streams"]);
    text.lines().filter_map(row).collect()
}

/// Start, end, source, port, destination, port, SSRC, payload, packets, lost (share) ...
fn row(line: &str) -> Option<RtpStream> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|w| w.starts_with("0x"))?;
    let ssrc = u32::from_str_radix(words[at].strip_prefix("0x")?, 16).ok()?;
    // The payload's name may have blanks ("g711A", "ITU-T G.711 PCMA"): the counts are the first two numbers after it.
    let mut numbers = words[at + 1..].iter().filter_map(|w| w.parse::<i64>().ok());
    Some(RtpStream { ssrc, packets: u64::try_from(numbers.next()?).ok()?, lost: numbers.next()? })
}

/// Frames that tshark cannot dissect, and expert notes of severity error.
pub fn complaints(file: &Path, sip: u16) -> Vec<String> {
    let filter = "_ws.malformed or _ws.expert.severity == error";
    let text = tshark(file, sip, &["-Y", filter, "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"]);
    text.lines().map(str::to_owned).collect()
}

/// Of the frames that the filter takes: those that tshark cannot dissect, and expert notes of warning and error.
pub fn doubts(file: &Path, sip: u16, of: &str) -> Vec<String> {
    let filter = format!("({of}) and (_ws.malformed or _ws.expert.severity >= warning)");
    let text = tshark(file, sip, &["-Y", &filter, "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"]);
    text.lines().map(str::to_owned).collect()
}

/// SIP requests and responses tshark sees, in order.
pub fn sip_lines(file: &Path, sip: u16) -> Vec<String> {
    let fields = ["-Y", "sip", "-T", "fields", "-e", "sip.Request-Line", "-e", "sip.Status-Line"];
    tshark(file, sip, &fields).lines().map(|l| l.trim().to_owned()).collect()
}

/// A capture of loopback that is being made.
pub struct Capture {
    child: Option<Child>,
    pub file: PathBuf,
}

impl Capture {
    /// Captures what a filter says, until stopped.
    pub fn start(file: &Path, filter: &str) -> Self {
        // One of before would look as if this one had begun.
        let _ = std::fs::remove_file(file);
        let child = Command::new("tcpdump")
            .args(["-i", "lo", "-n", "-U", "-s", "0", "-B", "16384", "--immediate-mode", "-w"])
            .arg(file)
            .arg(filter)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut capture = Self { child: Some(child), file: file.into() };
        let running = super::becomes_true(Duration::from_secs(10), || {
            capture.child.as_mut().is_some_and(|c| c.try_wait().unwrap().is_some()) || capture.begun()
        });
        assert!(running && capture.begun(), "tcpdump did not start: capturing on lo needs the right to do so");
        capture
    }

    /// The file's header is written once the socket listens.
    fn begun(&self) -> bool {
        std::fs::metadata(&self.file).is_ok_and(|m| m.len() >= 24)
    }

    /// Ends it; the file is whole when this returns. `None`: the capture itself lost packets and proves nothing.
    pub fn stop(mut self) -> Option<PathBuf> {
        // What is under way is written first.
        super::pause(Duration::from_millis(300));
        let child = self.child.take().unwrap();
        super::process::signal(child.id(), libc::SIGINT);
        let said = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let whole = said.lines().any(|l| l.trim() == "0 packets dropped by kernel");
        if !whole {
            eprintln!("tcpdump: {said}");
        }
        whole.then(|| self.file.clone())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
