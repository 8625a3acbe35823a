//! How much faster than life each codec is decoded, on one core.
//!
//! ```text
//! cargo bench --bench codecs
//! ```
//! Payloads are random octets (for Opus behind a true first octet): a decoder's work hardly depends on what is said.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::time::Instant;

use siprec_core::codec::{Coding, Decoder};
use siprec_core::sdp::Format;

const PACKETS: u32 = 20_000;
const PACKET_MS: f64 = 20.0;

fn main() {
    let rows: [(&str, &str, u32, usize, Option<u8>); 8] = [
        ("G.711", "PCMA", 8_000, 160, None),
        ("G.722", "G722", 8_000, 160, None),
        ("GSM full rate", "GSM", 8_000, 33, None),
        ("G.729", "G729", 8_000, 20, None),
        ("Opus, SILK 8 kHz", "opus", 48_000, 40, Some(1 << 3)),
        ("Opus, SILK 16 kHz", "opus", 48_000, 60, Some(9 << 3)),
        ("Opus, hybrid", "opus", 48_000, 80, Some(15 << 3)),
        ("Opus, CELT 48 kHz", "opus", 48_000, 160, Some(31 << 3)),
    ];
    for (name, encoding, clock_rate, octets, toc) in rows {
        let format = Format { payload_type: 96, encoding: encoding.into(), clock_rate, channels: 1, fmtp: None };
        let Coding::Audio(decoder) = Coding::of(&format) else { continue };
        let micros = measure(decoder, octets, toc);
        println!("{name:18} {micros:7.2} us a packet of 20 ms, {:8.0} times life", PACKET_MS * 1_000.0 / micros);
    }
}

/// Microseconds a packet.
fn measure(decoder: Decoder, octets: usize, toc: Option<u8>) -> f64 {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut seed = 1_u32;
    for _ in 0..256 {
        let mut payload: Vec<u8> = (0..octets)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed.to_be_bytes()[0]
            })
            .collect();
        if let Some(toc) = toc {
            payload[0] = toc;
        }
        payloads.push(payload);
    }
    let (mut state, mut out) = (decoder.state(48_000), Vec::new());
    let (began, mut sum) = (Instant::now(), 0_usize);
    for payload in payloads.iter().cycle().take(PACKETS as usize) {
        out.clear();
        match &mut state {
            Some(state) => state.decode(payload, &mut out),
            None => decoder.decode(payload, &mut out),
        }
        sum += std::hint::black_box(&out).len();
    }
    assert!(sum > 0, "nothing was decoded");
    began.elapsed().as_secs_f64() * 1_000_000.0 / f64::from(PACKETS)
}
