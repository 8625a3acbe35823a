//! A call of four hours takes no more memory to render than one of minutes: what is allocated is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use siprec_core::entry::{EndCause, Entry, Event, Kind, PortIndex, Stream};
use siprec_core::render::{self, Rendition};
use siprec_core::sdp::Format;
use siprec_core::seed::RecordingId;
use siprec_core::time::Wall;

/// Two legs of a call of any length, the samples that still may change, and what is remembered of clocks.
const MOST: usize = 4 << 20;
const SECOND: i64 = 1_000_000_000;
const BEGAN: i64 = 1_790_000_000 * SECOND;
const RECORDING: RecordingId = RecordingId(1);

/// Counts what is held, and the most of it.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// What is held is counted of one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

// SAFETY: all is left to the system's allocator; the counters are atomic and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn stream(port: u16) -> Stream {
    let format = Format { payload_type: 8, encoding: "PCMA".into(), clock_rate: 8_000, channels: 1, fmtp: None };
    Stream {
        port: PortIndex(port),
        m_line: port,
        label: Some(port.to_string()),
        media: "audio".into(),
        formats: [format].into(),
        local: ([192, 0, 2, 1], 10_000 + 2 * port).into(),
        local_rtcp: ([192, 0, 2, 1], 10_001 + 2 * port).into(),
        remote: None,
        paused: None,
        digits: siprec_core::entry::Digits::Keep,
    }
}

/// A call as its journal would tell it, made while it is read: one clock is exact, the other is 60 ppm slow and each tenth of
/// its packets is lost.
fn read(seconds: i64, take: &mut dyn FnMut(&Entry<'_>)) -> Result<(), Infallible> {
    let mut event = |at: i64, event: Event| take(&Entry { at: Wall(BEGAN + at), kind: Kind::Event(event) });
    event(0, Event::Stream(stream(0)));
    event(0, Event::Stream(stream(1)));
    event(0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    event(0, Event::Answered);
    let (from, to) = (([192, 0, 2, 9], 4_000).into(), ([192, 0, 2, 1], 10_000).into());
    let mut packet = [0xd5; 172];
    for k in 0..seconds * 50 {
        for port in 0..2_u16 {
            if port == 1 && (k % 10 == 3 || k % 5 != 0 && k > 50_000) {
                continue;
            }
            packet[..2].copy_from_slice(&[0x80, 8]);
            packet[2..4].copy_from_slice(&u16::try_from(k & 0xffff).unwrap_or(0).to_be_bytes());
            packet[4..8].copy_from_slice(&u32::try_from((k * 160) & 0xffff_ffff).unwrap_or(0).to_be_bytes());
            packet[8..12].copy_from_slice(&u32::from(port).to_be_bytes());
            let at = k * SECOND / 50;
            let at = if port == 1 { at + at / 1_000_000 * 60 } else { at };
            let kind = Kind::Rtp { port: PortIndex(port), from, to, packet: &packet, protected: None };
            take(&Entry { at: Wall(BEGAN + at + i64::from(port)), kind });
        }
    }
    let mut event = |event: Event| take(&Entry { at: Wall(BEGAN + seconds * SECOND), kind: Kind::Event(event) });
    event(Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
    event(Event::Ended { cause: EndCause::Bye });
    Ok(())
}

/// A source whose decoder remembers: its format, what a packet of 20 ms holds, and its clock's ticks of 20 ms.
type Source = (Format, &'static [u8], i64);

/// G.722, and SILK of Opus.
fn remembering() -> [Source; 2] {
    let g722 = Format { payload_type: 9, encoding: "G722".into(), clock_rate: 8_000, channels: 1, fmtp: None };
    let opus = Format { payload_type: 96, encoding: "opus".into(), clock_rate: 48_000, channels: 2, fmtp: None };
    [(g722, &[0xd2; 160], 160), (opus, &[0x08, 0x5a, 0x93, 0x1c, 0xe7, 0x44, 0x20, 0x8b, 0x6f, 0x31], 960)]
}

/// A call in which each minute of talk is followed by three in which nothing is sent.
fn read_remembering(seconds: i64, take: &mut dyn FnMut(&Entry<'_>)) -> Result<(), Infallible> {
    let mut event = |at: i64, event: Event| take(&Entry { at: Wall(BEGAN + at), kind: Kind::Event(event) });
    let sources = remembering();
    for (port, (format, _, _)) in (0..).zip(&sources) {
        event(0, Event::Stream(Stream { formats: [format.clone()].into(), ..stream(port) }));
    }
    event(0, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    event(0, Event::Answered);
    let (from, to) = (([192, 0, 2, 9], 4_000).into(), ([192, 0, 2, 1], 10_000).into());
    let mut sequence = 0_u16;
    for k in (0..seconds * 50).filter(|k| k / 3_000 % 4 == 0) {
        sequence = sequence.wrapping_add(1);
        for (port, (format, payload, ticks)) in (0_u16..).zip(&sources) {
            let mut packet = vec![0x80, format.payload_type];
            packet.extend(sequence.to_be_bytes());
            packet.extend(u32::try_from((k * ticks) & 0xffff_ffff).unwrap_or(0).to_be_bytes());
            packet.extend(u32::from(port).to_be_bytes());
            packet.extend_from_slice(payload);
            let kind = Kind::Rtp { port: PortIndex(port), from, to, packet: &packet, protected: None };
            take(&Entry { at: Wall(BEGAN + k * SECOND / 50 + i64::from(port)), kind });
        }
    }
    let mut event = |event: Event| take(&Entry { at: Wall(BEGAN + seconds * SECOND), kind: Kind::Event(event) });
    event(Event::RecordingEnded { recording: RECORDING, cause: EndCause::Bye });
    event(Event::Ended { cause: EndCause::Bye });
    Ok(())
}

/// Reads a call of so many seconds.
type Read = fn(i64, &mut dyn FnMut(&Entry<'_>)) -> Result<(), Infallible>;

/// The most that rendering held, and the frames it made.
fn peak(read: Read, seconds: i64) -> (usize, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut frames = 0;
    let plan = match render::plan(RECORDING, Rendition::default(), |take| read(seconds, take)) {
        Ok(plan) => plan,
        Err(never) => match never {},
    };
    for pass in 0..plan.passes() {
        let count = |_: usize, block: &[i16]| {
            frames += block.len() / 2;
            Ok(())
        };
        match render::mix(&plan, pass, |take| read(seconds, take), count) {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }
    (PEAK.load(Ordering::Relaxed) - before, frames)
}

#[test]
fn four_hours_take_no_more_memory_than_minutes() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (minutes, _) = peak(read, 5 * 60);
    let (hours, frames) = peak(read, 4 * 3600);
    assert!(frames.abs_diff(4 * 3600 * 8_000) < 16_000, "{frames}");
    println!("five minutes: {} KiB, four hours: {} KiB", minutes >> 10, hours >> 10);
    assert!(hours < MOST, "{hours} bytes");
    assert!(hours < minutes + (1 << 20), "{minutes} bytes for five minutes, {hours} for four hours");
}

#[test]
fn four_hours_of_codecs_that_remember_take_no_more_memory_than_minutes() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (minutes, _) = peak(read_remembering, 5 * 60);
    let (hours, frames) = peak(read_remembering, 4 * 3600);
    println!("five minutes: {} KiB, four hours: {} KiB, {frames} frames", minutes >> 10, hours >> 10);
    assert!(frames > 4 * 3600 * 15_000, "of G.722's rate: {frames}");
    assert!(hours < 2 * MOST, "{hours} bytes");
    assert!(hours < minutes + (1 << 20), "{minutes} bytes for five minutes, {hours} for four hours");
}
