//! How much faster than life each codec is decoded, and a call of it rendered, on one core.
//!
//! ```text
//! cargo bench --bench codecs
//! ```
//! Payloads are random octets (for Opus behind a true first octet): a decoder's work hardly depends on what is said. What is rendered
//! is a call with one speaker, from entries in memory to samples: both passes, without files.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::convert::Infallible;
use std::time::Instant;

use siprec_core::codec::{Coding, Decoder};
use siprec_core::entry::{Digits, EndCause, Entry, Event, Kind, PortIndex, Stream};
use siprec_core::render::{self, Rendition};
use siprec_core::sdp::Format;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

const PACKETS: u32 = 20_000;
const PACKET_MS: u32 = 20;
/// Packets of the call that is rendered: five minutes.
const RENDERED: u32 = 15_000;
const SECOND: i64 = 1_000_000_000;
const BEGAN: i64 = 1_790_000_000 * SECOND;
const RECORDING: RecordingId = RecordingId(1);

struct Row {
    name: &'static str,
    encoding: &'static str,
    clock_rate: u32,
    octets: usize,
    /// The first octet.
    toc: Option<u8>,
}

const fn row(name: &'static str, encoding: &'static str, clock_rate: u32, octets: usize, toc: Option<u8>) -> Row {
    Row { name, encoding, clock_rate, octets, toc }
}

const ROWS: [Row; 11] = [
    row("G.711", "PCMA", 8_000, 160, None),
    row("L16, 16 kHz", "L16", 16_000, 640, None),
    row("L16, 44.1 kHz", "L16", 44_100, 1_764, None),
    row("G.722", "G722", 8_000, 160, None),
    row("GSM full rate", "GSM", 8_000, 33, Some(0xd5)),
    row("G.729", "G729", 8_000, 20, None),
    row("iLBC, 20 ms", "iLBC", 8_000, 38, None),
    row("Opus, SILK 8 kHz", "opus", 48_000, 40, Some(1 << 3)),
    row("Opus, SILK 16 kHz", "opus", 48_000, 60, Some(9 << 3)),
    row("Opus, hybrid", "opus", 48_000, 80, Some(15 << 3)),
    row("Opus, CELT 48 kHz", "opus", 48_000, 160, Some(31 << 3)),
];

fn main() {
    for row in &ROWS {
        let format = Format {
            payload_type: 96,
            encoding: row.encoding.into(),
            clock_rate: row.clock_rate,
            channels: 1,
            fmtp: None,
        };
        let payloads = payloads(row);
        let Coding::Audio(decoder) = Coding::of(&format) else { continue };
        let decoded = decode(decoder, &payloads);
        let rendered = render(&format, &payloads);
        let times = |micros: f64| f64::from(PACKET_MS) * 1_000.0 / micros;
        println!(
            "{:18} a packet of 20 ms: decoded in {decoded:7.2} us, {:8.0} times life; rendered in {rendered:7.2} us, {:6.0} times life",
            row.name,
            times(decoded),
            times(rendered)
        );
    }
}

fn payloads(row: &Row) -> Vec<Vec<u8>> {
    let mut seed = 1_u32;
    let mut octet = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    let mut payload = |_| {
        let mut payload: Vec<u8> = (0..row.octets).map(|_| octet()).collect();
        payload[0] = row.toc.unwrap_or(payload[0]);
        if row.encoding == "iLBC" {
            // A start state, and no frame that is marked as empty.
            payload[2] |= 0b0000_0100;
            payload[row.octets - 1] &= !1;
        }
        payload
    };
    (0..256).map(&mut payload).collect()
}

/// Microseconds a packet.
fn decode(decoder: Decoder, payloads: &[Vec<u8>]) -> f64 {
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
    micros(began, PACKETS)
}

/// Microseconds a packet of a whole call.
fn render(format: &Format, payloads: &[Vec<u8>]) -> f64 {
    let journal = |take: &mut dyn FnMut(&Entry<'_>)| -> Result<(), Infallible> {
        read(format, payloads, take);
        Ok(())
    };
    let (began, mut sum) = (Instant::now(), 0_usize);
    let Ok(plan) = render::plan(RECORDING, Rendition::default(), |take| journal(take));
    for pass in 0..plan.passes() {
        let Ok(_) = render::mix(
            &plan,
            pass,
            |take| journal(take),
            |_: usize, block: &[i16]| {
                sum += std::hint::black_box(block).len();
                Ok(())
            },
        );
    }
    std::hint::black_box(sum);
    micros(began, RENDERED)
}

fn micros(began: Instant, packets: u32) -> f64 {
    began.elapsed().as_secs_f64() * 1_000_000.0 / f64::from(packets)
}

/// A call of one line, as its journal would tell it.
fn read(format: &Format, payloads: &[Vec<u8>], take: &mut dyn FnMut(&Entry<'_>)) {
    let mut event = |at: i64, event: Event| take(&Entry { at: Wall(BEGAN + at), kind: Kind::Event(event) });
    event(
        0,
        Event::Stream(Stream {
            port: PortIndex(0),
            m_line: 0,
            label: Some("1".to_owned()),
            media: "audio".into(),
            formats: [format.clone()].into(),
            local: ([192, 0, 2, 1], 10_000).into(),
            local_rtcp: ([192, 0, 2, 1], 10_001).into(),
            remote: None,
            paused: None,
            digits: Digits::Keep,
        }),
    );
    event(0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    event(0, Event::Answered);
    let (from, to) = (([192, 0, 2, 9], 4_000).into(), ([192, 0, 2, 1], 10_000).into());
    let ticks = format.clock_rate / (1_000 / PACKET_MS);
    let mut packet = Vec::new();
    for (k, payload) in (0..RENDERED).zip(payloads.iter().cycle()) {
        packet.clear();
        packet.extend([0x80, format.payload_type]);
        packet.extend(u16::try_from(k & 0xffff).unwrap_or(0).to_be_bytes());
        packet.extend((k * ticks).to_be_bytes());
        packet.extend(7_u32.to_be_bytes());
        packet.extend(payload);
        let kind = Kind::Rtp { port: PortIndex(0), from, to, packet: &packet, protected: None };
        take(&Entry { at: Wall(BEGAN + i64::from(k) * SECOND / 50), kind });
    }
    let end = i64::from(RENDERED) * SECOND / 50;
    let mut event = |event: Event| take(&Entry { at: Wall(BEGAN + end), kind: Kind::Event(event) });
    event(Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
    event(Event::Ended { cause: EndCause::Bye });
}
