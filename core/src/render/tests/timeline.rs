//! The timeline over hours: clocks that run away, a network that jitters and loses, holds; and layouts of one call.

use alloc::vec::Vec;

use super::call::{Call, Leg, MS, SECOND, ZERO, clicks};
use crate::entry::PauseCause;
use crate::render::{ChannelName, FileCoding, FileFormat, Layout, Rendition};

const HOURS: i64 = 4;
/// Of the sender's packets one in so many is sent: hours in seconds of test.
const EVERY: i64 = 25;
/// As promised at 30 ms of jitter.
const TOLERANCE: i64 = 5 * MS;

#[test]
fn four_hours_of_skew_jitter_loss_and_a_hold_stay_within_five_milliseconds() {
    let hold = (2 * 3600 * SECOND, 2 * 3600 * SECOND + 60 * SECOND);
    let mut call = Call::new();
    let leg = |port, skew| Leg { skew, jitter: 30 * MS, every: EVERY, ..Leg::new(port) };
    let legs = [leg(0, 200), leg(1, -200)];
    let kept = |number: usize, at: i64| number % 50 != 7 && !(hold.0..hold.1).contains(&(at - ZERO));
    for leg in &legs {
        let sent = leg.packets(0, HOURS * 3600 * 50).into_iter().enumerate();
        call.add(sent.filter(|(number, (at, _))| kept(*number, *at)).map(|(_, packet)| packet).collect());
    }
    for port in 0..2 {
        call.pause(port, hold.0, Some(PauseCause::Inactive));
        call.pause(port, hold.1, None);
    }
    let done = call.render(HOURS * 3600 * SECOND + 5 * SECOND);
    for (channel, leg) in legs.iter().enumerate() {
        let onsets = done.onsets(channel);
        // Clicks whose beginning lies in a packet that was sent and kept.
        let heard = |click: &i64| {
            let at = leg.heard_at(*click) - ZERO;
            let number = usize::try_from(click / 160 / EVERY).unwrap();
            click / 160 % EVERY == 0 && number % 50 != 7 && !(hold.0 - SECOND..hold.1 + SECOND).contains(&at)
        };
        let wanted: Vec<i64> = clicks(HOURS * 3600).into_iter().filter(heard).collect();
        assert!(wanted.len() > 500, "{}", wanted.len());
        let off = |click: &i64| onsets.iter().map(|onset| (onset - leg.heard_at(*click)).abs()).min().unwrap();
        let worst = wanted.iter().map(off).max().unwrap();
        assert!(worst <= TOLERANCE, "leg {channel} is {worst} ns off at worst");
    }
}

#[test]
fn a_layout_moves_voices_and_no_sample_in_time() {
    let mut call = Call::new();
    for port in 0..2 {
        call.add(Leg::new(port).packets(i64::from(port) * 30, 300));
    }
    let as_is = |layout, format| call.clone().render_as(Rendition { layout, format });
    let stereo = as_is(Layout::Stereo, FileFormat::Wav);
    let side = |side: usize| stereo.files[0].iter().skip(side).step_by(2).copied().collect::<Vec<i16>>();

    let separate = as_is(Layout::Separate, FileFormat::WavG711);
    assert_eq!(separate.files, [side(0), side(1)]);
    let sheet = &separate.plan.sidecar;
    assert!(sheet.files.iter().all(|file| file.channels == 1 && file.coding == FileCoding::ALaw));
    assert_eq!(sheet.streams[1].file, Some(1));
    assert_eq!(
        (sheet.files[1].voices[0].label.as_deref(), sheet.files[1].voices[0].channel),
        (Some("2"), ChannelName::Mono)
    );
    assert!(sheet.files[1].name.ends_with("-2.wav"));

    let mono = as_is(Layout::Mono, FileFormat::WavG711);
    let sum: Vec<i16> = side(0).iter().zip(side(1)).map(|(left, right)| left.saturating_add(right)).collect();
    assert_eq!(mono.files, [sum]);
    assert_eq!(mono.plan.sidecar.files[0].coding, FileCoding::Pcm16);
    assert!(mono.findings().contains("several voices added up"), "{}", mono.findings());
    assert!(stereo.findings().is_empty());
}

#[test]
fn opus_has_a_rate_that_its_encoder_takes_and_names_tell_the_format() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 100));
    let opus = call.clone().render_as(Rendition { layout: Layout::Stereo, format: FileFormat::Opus });
    let file = &opus.plan.files[0];
    assert_eq!((file.sample_rate, file.coding), (8_000, FileCoding::Opus));
    assert!(file.name.ends_with(".opus"));
    let flac = call.render_as(Rendition { layout: Layout::Separate, format: FileFormat::Flac });
    assert!(flac.plan.files.iter().all(|file| file.name.ends_with(".flac")));
}
