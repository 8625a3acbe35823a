//! How much faster than life a capture is replayed: a call of two legs of G.711 from the pcap to the WAV, its SHA-256,
//! the journal, the sheet and the catalog's row, by the program itself.
//!
//! ```text
//! cargo bench --bench replay -- [SECONDS OF TALK] [FOLDER]
//! ```
//! Budget: 5,000 times, on one core. The benchmark fails where an hour takes longer.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use siprec_core::journal::datagram;

/// Times life.
const BUDGET: u64 = 5_000;
const HOUR: u64 = 3_600;
const RUNS: usize = 3;
const PACKETS_A_SECOND: u64 = 50;
const SAMPLES: usize = 160;
const SRC: &str = "192.0.2.1:5060";
const SRS: &str = "192.0.2.2:5060";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let seconds: u64 = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(HOUR);
    let folder = arguments.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("siprec-bench-replay-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let done = measure(&folder, seconds);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn measure(folder: &Path, seconds: u64) -> anyhow::Result<()> {
    let capture = folder.join("call.pcap");
    write_capture(&capture, seconds)?;
    println!("a capture of {seconds} s, two legs of G.711, {} MB:", std::fs::metadata(&capture)?.len() >> 20);
    let mut best = 0;
    for run in 0..RUNS {
        let data = folder.join(run.to_string());
        let (began, cpu_before) = (Instant::now(), children_micros()?);
        let made = Command::new(env!("CARGO_BIN_EXE_siprec"))
            .arg("replay")
            .arg(&capture)
            .arg("--data-dir")
            .arg(&data)
            .stdout(Stdio::piped())
            .output()?;
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        ensure!(
            made.status.success() && told.contains("1 recording"),
            "{told}{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let (took, cpu) = (began.elapsed(), children_micros()? - cpu_before);
        let times = seconds * 1_000_000 / cpu.max(1);
        println!("  {took:?}, {} ms of CPU: {times} times life a core", cpu / 1000);
        best = best.max(times);
        std::fs::remove_dir_all(&data)?;
    }
    ensure!(seconds < HOUR || best >= BUDGET, "the budget is {BUDGET} times life");
    Ok(())
}

fn children_micros() -> anyhow::Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).context("no time")
}

/// A classic pcap: INVITE, 200, ACK, two legs, BYE, 200.
fn write_capture(path: &Path, seconds: u64) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    // Nanoseconds; version 2.4; no zone; as long as need be; link type 101, raw IP.
    out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
    for field in [4u32 << 16 | 2, 0, 0, 65_575, 101] {
        out.write_all(&field.to_le_bytes())?;
    }
    let ms = 1_000_000;
    let end = seconds * 1_000 * ms;
    let answer = format!("Content-Type: application/sdp\r\n\r\n{}", sdp("192.0.2.2", 10_000, "recvonly"));
    put(&mut out, 0, SRC, SRS, invite().as_bytes())?;
    put(&mut out, ms, SRS, SRC, response("1 INVITE", &answer).as_bytes())?;
    put(&mut out, 2 * ms, SRC, SRS, request("ACK", 1, "\r\n").as_bytes())?;
    let mut packet = vec![0xd5; 12 + SAMPLES];
    for number in 0..seconds * PACKETS_A_SECOND {
        for leg in 0..2u16 {
            let sequence = u16::try_from(number & 0xffff)?;
            let timestamp = u32::try_from((number * SAMPLES as u64) & 0xffff_ffff)?;
            packet[..2].copy_from_slice(&[0x80, 8]);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
            packet[8..12].copy_from_slice(&(0x5150 + u32::from(leg)).to_be_bytes());
            // Something to decode that is no constant.
            for (n, sample) in packet[12..].iter_mut().enumerate() {
                *sample = ((n as u64 * 7 + number * 13) & 0xff) as u8 ^ 0x55;
            }
            let (from, to) = (40_000 + 2 * leg, 10_000 + 2 * leg);
            let (from, to) = (format!("192.0.2.1:{from}"), format!("192.0.2.2:{to}"));
            put(&mut out, 3 * ms + number * 20 * ms, &from, &to, &packet)?;
        }
    }
    put(&mut out, end, SRC, SRS, request("BYE", 2, "Content-Length: 0\r\n\r\n").as_bytes())?;
    put(&mut out, end + ms, SRS, SRC, response("2 BYE", "Content-Length: 0\r\n\r\n").as_bytes())?;
    Ok(out.flush()?)
}

fn put(out: &mut impl Write, at: u64, from: &str, to: &str, payload: &[u8]) -> anyhow::Result<()> {
    const START_S: u64 = 1_790_000_000;
    let (from, to): (SocketAddr, SocketAddr) = (from.parse()?, to.parse()?);
    let mut bytes = Vec::with_capacity(payload.len() + 64);
    datagram(&mut bytes, from, to, payload);
    let length = u32::try_from(bytes.len())?;
    for field in [u32::try_from(START_S + at / 1_000_000_000)?, u32::try_from(at % 1_000_000_000)?, length, length] {
        out.write_all(&field.to_le_bytes())?;
    }
    Ok(out.write_all(&bytes)?)
}

fn sdp(address: &str, port: u16, direction: &str) -> String {
    let leg = |port, label| format!("m=audio {port} RTP/AVP 8\r\na=label:{label}\r\na={direction}\r\n");
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{}{}",
        leg(port, 1),
        leg(port + 2, 2)
    )
}

fn dialog(method_and_number: &str, to_tag: &str) -> String {
    format!(
        "Via: SIP/2.0/UDP {SRC};branch=z9hG4bK{}\r\nFrom: <sip:src@example.com>;tag=a\r\nTo: <sip:srs@example.com>{to_tag}\r\n\
         Call-ID: an-hour@example.com\r\nCSeq: {method_and_number}\r\nMax-Forwards: 70\r\n",
        method_and_number.replace(' ', "")
    )
}

fn invite() -> String {
    format!(
        "INVITE sip:srs@{SRS} SIP/2.0\r\n{}Contact: <sip:src@{SRC}>;+sip.src\r\nRequire: siprec\r\n\
         Content-Type: application/sdp\r\n\r\n{}",
        dialog("1 INVITE", ""),
        sdp("192.0.2.1", 40_000, "sendonly")
    )
}

fn request(method: &str, number: u32, rest: &str) -> String {
    format!("{method} sip:srs@{SRS} SIP/2.0\r\n{}{rest}", dialog(&format!("{number} {method}"), ";tag=b"))
}

fn response(method_and_number: &str, rest: &str) -> String {
    let contact = format!("Contact: <sip:srs@{SRS}>;+sip.srs\r\n");
    format!("SIP/2.0 200 OK\r\n{}{contact}{rest}", dialog(method_and_number, ";tag=b"))
}
