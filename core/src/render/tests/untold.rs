//! Digits that must not be told (`media.dtmf`): neither the sheet nor the audio of a rendering does.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::f64::consts::TAU;

use super::call::{Call, Item, Leg, MS, Rendered, SECOND, format, stream};
use crate::entry::{Digits, Event, SegmentHeader, Stream};
use crate::seed::{Seed, SessionId};
use crate::time::{Monotonic, Wall};

/// A voice of 300 Hz that presses 9, from 2 s on for 100 ms, and 3 by an event at 4 s.
fn pressed(digits: Digits, configured: Option<&str>) -> Rendered {
    let mut call = Call::new();
    if let Some(dtmf) = configured {
        let header = SegmentHeader {
            version: String::new(),
            format: 1,
            session: SessionId(1),
            segment: 1,
            seed: Seed([0; 32]),
            anchor: (Monotonic(0), Wall(0)),
            boot: String::new(),
            config: Arc::new(serde_json::json!({ "media.dtmf": dtmf })),
        };
        call.event(-3 * MS, Event::Segment(header));
    }
    let formats = [format(96, "L16", 8_000), format(101, "telephone-event", 8_000)];
    call.event(-MS, Event::Stream(Stream { formats: formats.into(), digits, ..stream(0) }));
    let mut sent = Leg { payload_type: 96, ..Leg::new(0) }.packets(0, 300);
    for (k, (_, item)) in sent.iter_mut().enumerate() {
        let Item::Packet { bytes, .. } = item else { continue };
        bytes.truncate(12);
        for n in k * 160..(k + 1) * 160 {
            let wave = |hertz: f64| (n as f64 * hertz / 8_000.0 * TAU).sin() * 4_000.0;
            let is_key = (16_000..16_800).contains(&n);
            let sample = if is_key { wave(852.0) + wave(1_477.0) } else { wave(300.0) };
            bytes.extend((sample as i16).to_be_bytes());
        }
        if k == 200 {
            bytes[1] = 101;
            bytes.truncate(12);
            bytes.extend([3, 0x8a, 3, 0x20]);
        }
    }
    call.add(sent);
    call.render(7 * SECOND)
}

/// The loudest sample of the left channel between two moments, ms after the first packet's sound.
fn peak(done: &Rendered, from: usize, to: usize) -> u16 {
    let frames = done.files[0].chunks_exact(2).skip((40 + from) * 8).take((to - from) * 8);
    frames.map(|frame| frame[0].unsigned_abs()).max().unwrap()
}

fn listed(done: &mut Rendered) -> Vec<(Option<String>, bool)> {
    let mut mute = super::super::Mute::new(8_000);
    let mut levels = super::super::Meter::new(8_000).finish();
    mute.take(&done.files[0]);
    levels.tones = mute.tones();
    done.plan.heard(0, &levels);
    done.plan.sidecar.digits.iter().map(|digit| (digit.digit.clone(), digit.in_band)).collect()
}

#[test]
fn kept_they_are_told_and_heard() {
    let mut done = pressed(Digits::Keep, Some("keep"));
    assert!(peak(&done, 2_020, 2_090) > 6_000);
    assert_eq!(listed(&mut done), [(Some("9".into()), true), (Some("3".into()), false)]);
    assert!(!done.findings().contains("media.dtmf"));
}

#[test]
fn by_the_streams_settings_or_the_segments_configuration_they_are_neither_told_nor_heard() {
    for (digits, configured, name) in [
        (Digits::Mask, Some("keep"), "mask"),
        (Digits::Drop, None, "drop"),
        (Digits::Keep, Some("drop"), "drop"),
        (Digits::Mask, Some("drop"), "drop"),
    ] {
        let done = pressed(digits, configured);
        assert_eq!(peak(&done, 2_000, 2_100), 0, "{digits:?} {configured:?}");
        assert!(peak(&done, 1_900, 1_970) > 3_500 && peak(&done, 2_140, 2_200) > 3_500, "the voice beside it stays");
        let told = &done.plan.sidecar.digits;
        assert_eq!((told.len(), told[0].digit.as_deref()), (1, None), "that one was pressed, and when");
        let finding = alloc::format!(
            "media.dtmf: {name}: tones of keys are muted in the audio wherever they are found; the journal holds the audio as it came"
        );
        assert!(done.findings().contains(&finding), "{}", done.findings());
    }
}
