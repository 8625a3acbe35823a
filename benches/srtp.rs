//! What SRTP costs: a packet of 172 octets (20 ms of G.711) protected and made plain in each suite, and what a forger costs. CPU
//! time of the process.
//!
//! ```text
//! cargo bench --bench srtp -- [PACKETS]
//! ```

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::time::ClockId;
use siprec_core::entry::{PortIndex, Stream};
use siprec_core::media::{Digits, Port, PortSettings, Protection};
use siprec_core::sdp::crypto::{Encryption, InlineKey, MasterKey, Suite};
use siprec_core::seed::{Random, Seed};
use siprec_core::srtp::{Receiver, Sender, SenderState, SrtpError};
use siprec_core::time::{Monotonic, Now, Wall};

const PACKETS: u32 = 1_000_000;
/// Packets in a round: as many as stay in the cache, so that the memory is not what is measured.
const ROUND: u32 = 1_000;
const SPEECH: usize = 160;
const LONGEST_TRAILER: usize = 16;

fn main() -> Result<(), SrtpError> {
    let packets = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(PACKETS);
    println!("a port: {} ns a packet, plain", port(None, packets));
    for suite in Suite::ALL {
        let key = MasterKey::draw(suite, &mut Random::new(Seed([1; 32]))).into();
        let (protect, unprotect) = both_ways(&key, packets)?;
        let (known, unknown) = (forged(&key, true, packets / 10)?, forged(&key, false, packets / 100)?);
        let port = port(Some(&key), packets);
        println!(
            "{suite:<24} port {port:>4} ns, protect {protect:>4} ns, unprotect {unprotect:>4} ns; forged: of a known source {known:>4} ns, of \
             an unknown one before the first packet {unknown:>6} ns"
        );
    }
    Ok(())
}

/// The CPU time this process has used: what else the machine does is not in it.
fn cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().map_or(Duration::ZERO, Duration::from)
}

/// A packet with room for its tag.
fn rtp(ssrc: u32, number: u32) -> Vec<u8> {
    let mut packet = Vec::with_capacity(12 + SPEECH + LONGEST_TRAILER);
    packet.extend([0x80, 8]);
    packet.extend(((number & 0xffff) as u16).to_be_bytes());
    packet.extend((number.wrapping_mul(160)).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(12 + SPEECH, 0xd5);
    packet
}

/// Nanoseconds a packet, protected and made plain.
fn both_ways(key: &InlineKey, packets: u32) -> Result<(u128, u128), SrtpError> {
    let Some(mut sender) = Sender::new(key, Encryption::default()) else { return Ok((0, 0)) };
    let mut receiver = Receiver::new(std::slice::from_ref(key), Encryption::default());
    let (mut protect, mut unprotect) = (0, 0);
    for round in 0..packets / ROUND {
        let mut sent: Vec<_> = (0..ROUND).map(|number| rtp(1, round * ROUND + number)).collect();
        let began = cpu();
        for packet in &mut sent {
            sender.protect(black_box(packet))?;
        }
        protect += cpu().saturating_sub(began).as_nanos();
        let began = cpu();
        for packet in &mut sent {
            black_box(receiver.unprotect(black_box(packet))?);
        }
        unprotect += cpu().saturating_sub(began).as_nanos();
    }
    let done = u128::from((packets / ROUND).max(1) * ROUND);
    Ok((protect / done, unprotect / done))
}

/// Nanoseconds a packet in a port, from datagram to what is written down.
fn port(key: Option<&InlineKey>, packets: u32) -> u128 {
    let sender = SenderState { reserved: 256 };
    let secure = |key: &InlineKey| Arc::new(Protection::new(vec![key.clone()], None, Encryption::default(), sender));
    let (from, to) = (SocketAddr::from(([192, 0, 2, 1], 4000)), SocketAddr::from(([192, 0, 2, 9], 10_000)));
    let stream = Stream {
        port: PortIndex(0),
        m_line: 0,
        label: None,
        media: "audio".into(),
        formats: [].into(),
        local: to,
        local_rtcp: to,
        remote: Some(from),
        paused: None,
        digits: Digits::Keep,
    };
    let settings = PortSettings {
        stream,
        ssrc: 9,
        cname: "srs".into(),
        remote_rtcp: None,
        rtcp_mux: true,
        seed: 1,
        dtls: false,
        feedback: siprec_core::sdp::Feedback::default(),
        srtp: key.map(secure),
    };
    let mut port = Port::new(settings, Now { monotonic: Monotonic(0), wall: Wall(0) });
    let mut sender = key.and_then(|key| Sender::new(key, Encryption::default()));
    let mut used = 0;
    for round in 0..packets / ROUND {
        let mut sent: Vec<_> = (0..ROUND).map(|number| rtp(1, round * ROUND + number)).collect();
        if let Some(sender) = &mut sender {
            sent.iter_mut().for_each(|packet| _ = sender.protect(packet));
        }
        let began = cpu();
        for (number, packet) in (0_i64..).zip(&sent) {
            let at = Wall((i64::from(round * ROUND) + number) * 20_000_000);
            let verdict = port.handle_rtp(at, from, black_box(packet));
            black_box(port.kept(verdict, false, from, packet));
        }
        used += cpu().saturating_sub(began).as_nanos();
    }
    used / u128::from((packets / ROUND).max(1) * ROUND)
}

/// Nanoseconds to refuse a packet that nobody with the key made.
fn forged(key: &InlineKey, known: bool, packets: u32) -> Result<u128, SrtpError> {
    let Some(mut sender) = Sender::new(key, Encryption::default()) else { return Ok(0) };
    let mut receiver = Receiver::new(std::slice::from_ref(key), Encryption::default());
    for number in 0..if known { 2 } else { 0 } {
        let mut packet = rtp(1, number);
        sender.protect(&mut packet)?;
        receiver.unprotect(&mut packet)?;
    }
    let mut packet = rtp(1, 2);
    packet.resize(12 + SPEECH + LONGEST_TRAILER, 7);
    let began = cpu();
    for _ in 0..packets {
        let _ = black_box(receiver.unprotect(black_box(&mut packet)));
    }
    Ok(cpu().saturating_sub(began).as_nanos() / u128::from(packets.max(1)))
}
