//! What a sender does: skew, silence, late legs, pauses, codecs, new sources.

use alloc::vec::Vec;

use super::call::{Call, Item, LEAD, Leg, MS, RECORDING, SECOND, ZERO, address, clicks, format, stream};
use crate::entry::{Event, PauseCause, PortIndex, SourceChange, Stream};
use crate::render::{ChannelLevels, ChannelName, Levels, SilenceCause, State};

fn all(_: i64) -> bool {
    true
}

#[test]
fn a_clean_call_is_its_packets_to_the_sample() {
    let mut call = Call::new();
    let legs = [Leg::new(0), Leg::new(1)];
    for leg in &legs {
        call.add(leg.packets(0, 500));
    }
    let done = call.render(10 * SECOND + 60 * MS);
    assert_eq!(done.milliseconds(), 10_040);
    for (channel, leg) in legs.iter().enumerate() {
        done.assert_clicks(channel, leg, 10, 70_000, all);
    }
    let sheet = &done.plan.sidecar;
    assert_eq!((sheet.proof.packets_received, sheet.proof.packets_expected, sheet.proof.packets_lost), (1000, 1000, 0));
    assert!(sheet.proof.gaps.is_empty() && sheet.proof.silences.is_empty() && sheet.proof.findings.is_empty());
    assert_eq!((sheet.state, sheet.files[0].frames), (State::Complete, 80_320));
    assert_eq!(sheet.streams[0].channel, ChannelName::Left);
    assert_eq!((sheet.streams[1].channel, sheet.streams[1].codecs[0].as_str()), (ChannelName::Right, "PCMA/8000"));
    let decoded = done.files[0][640..].iter().step_by(2).filter(|&&sample| sample.unsigned_abs() > 8).count();
    assert_eq!(decoded, clicks(10).len() * 80, "every sample as it was sent");
}

#[test]
fn a_fast_clock_bends_nothing() {
    for skew in [200, -200] {
        let mut call = Call::new();
        let legs = [Leg { skew, ..Leg::new(0) }, Leg::new(1)];
        for leg in &legs {
            call.add(leg.packets(0, 3_000));
        }
        let done = call.render(61 * SECOND);
        done.assert_clicks(0, &legs[0], 60, 500_000, all);
        done.assert_clicks(1, &legs[1], 60, 70_000, all);
    }
}

#[test]
fn four_hours_of_skew_stay_within_a_millisecond() {
    let mut call = Call::new();
    let hours = 4 * 3600 * 50;
    let legs = [Leg { skew: 200, every: 25, ..Leg::new(0) }, Leg { skew: -150, every: 25, ..Leg::new(1) }];
    for leg in &legs {
        call.add(leg.packets(0, hours));
    }
    let done = call.render(4 * 3600 * SECOND + 5 * SECOND);
    for (channel, leg) in legs.iter().enumerate() {
        let onsets = done.onsets(channel);
        let begun: Vec<i64> = clicks(4 * 3600).into_iter().filter(|click| click / 160 % 25 == 0).collect();
        assert!(begun.len() > 500);
        for click in begun {
            let at = leg.heard_at(click);
            let off = onsets.iter().map(|onset| (onset - at).abs()).min().unwrap_or(i64::MAX);
            assert!(off < MS, "the click at {} s is {off} ns off", (at - ZERO) / SECOND);
        }
    }
}

#[test]
fn a_late_leg_comes_in_where_it_did() {
    let mut call = Call::new();
    let legs = [Leg::new(0), Leg::new(1)];
    call.add(legs[0].packets(0, 500));
    call.add(legs[1].packets(365, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(1, &legs[1], 10, 70_000, |click| click >= 365 * 160);
    let silence = &done.plan.sidecar.proof.silences[0];
    assert_eq!((silence.cause, silence.from_ms, silence.to_ms), (SilenceCause::NotStarted, 0, 7_340));
    assert_eq!(silence.label.as_deref(), Some("2"));
}

#[test]
fn silence_is_as_long_as_it_was() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    let before = leg.packets(0, 100);
    let after = Leg { sequence: leg.sequence.wrapping_add(100), ..leg.clone() }.packets(150, 500);
    call.add(before);
    call.add(after);
    call.add(Leg::new(1).packets(0, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &leg, 10, 70_000, |click| !(100 * 160..150 * 160).contains(&click));
    let proof = &done.plan.sidecar.proof;
    let silence = &proof.silences[0];
    assert_eq!((silence.cause, silence.from_ms, silence.to_ms), (SilenceCause::Dtx, 2_040, 3_040));
    assert_eq!((proof.silences.len(), proof.packets_lost), (1, 0));
}

#[test]
fn timestamps_held_in_a_pause_do_not_shorten_it() {
    for held in [false, true] {
        let mut call = Call::new();
        let leg = Leg::new(0);
        call.add(leg.packets(0, 100));
        let away = if held { 150 * 160 } else { 0 };
        let timestamp = leg.timestamp.wrapping_sub(away);
        // Sequence numbers ran on during the pause.
        let sequence = leg.sequence.wrapping_add(250);
        call.add(Leg { sequence, timestamp, ..leg.clone() }.packets(250, 500));
        call.pause(0, 2 * SECOND + LEAD, Some(PauseCause::Inactive));
        call.pause(0, 5 * SECOND, None);
        call.add(Leg::new(1).packets(0, 500));
        let done = call.render(10 * SECOND + 60 * MS);
        done.assert_clicks(0, &leg, 10, 70_000, |click| !(100 * 160..250 * 160).contains(&click));
        let proof = &done.plan.sidecar.proof;
        let pause = &proof.pauses[0];
        assert_eq!((pause.from_ms, pause.to_ms, pause.cause), (2_040, 5_000, PauseCause::Inactive));
        assert_eq!((proof.packets_lost, proof.silences.len(), proof.gaps.len()), (0, 0, 0));
    }
}

#[test]
fn a_hold_until_the_bye_keeps_its_length() {
    let mut call = Call::new();
    for leg in [Leg::new(0), Leg::new(1)] {
        call.pause(leg.port, 2 * SECOND, Some(PauseCause::ZeroAddress));
        call.add(leg.packets(0, 95));
    }
    assert_eq!(call.render(30 * SECOND).milliseconds(), 30_000);
}

#[test]
fn a_new_source_goes_on_in_its_place() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    let next = Leg { ssrc: 0xfeed, sequence: 17, timestamp: 99, ..leg.clone() };
    call.add(leg.packets(0, 200));
    call.add(next.packets(200, 500));
    call.add(Leg::new(1).packets(0, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &leg, 10, 70_000, all);
    let stream = &done.plan.sidecar.streams[0];
    assert_eq!((stream.sources.len(), stream.sources[1].change), (2, SourceChange::NewSsrc));
    assert_eq!((done.files.len(), done.plan.sidecar.proof.packets_lost), (1, 0));
}

#[test]
fn timestamps_that_begin_anew_are_followed() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    let next = Leg { sequence: leg.sequence.wrapping_add(200), timestamp: 0x4000_0000, ..leg.clone() };
    call.add(leg.packets(0, 200));
    call.add(next.packets(200, 500));
    call.add(Leg::new(1).packets(0, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &leg, 10, 70_000, all);
}

#[test]
fn two_sources_on_one_line_are_two_channels() {
    let mut call = Call::new();
    call.items.retain(|(_, item)| !alloc::format!("{item:?}").contains("PortIndex(1)"));
    let legs = [Leg::new(0), Leg { ssrc: 0xbeef, ..Leg::new(0) }];
    call.add(legs[0].packets(0, 500));
    call.add(legs[1].packets(100, 500).into_iter().map(|(at, item)| (at + MS, item)).collect());
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &legs[0], 10, 70_000, all);
    assert_eq!(done.onsets(1).len(), clicks(10).iter().filter(|&&click| click >= 16_000).count());
}

#[test]
fn a_stranger_is_kept_out() {
    let mut call = Call::new();
    let stranger = Leg { ssrc: 0xbad, ..Leg::new(0) };
    let change = SourceChange::Stranger;
    call.event(LEAD, Event::Source { port: PortIndex(0), ssrc: 0xbad, from: address(66, 4000), change });
    call.add(stranger.packets(0, 500).into_iter().map(|(at, item)| (at + 333 * MS, item)).collect());
    let legs = [Leg::new(0), Leg::new(1)];
    for leg in &legs {
        call.add(leg.packets(0, 500));
    }
    let done = call.render(10 * SECOND + 60 * MS);
    done.assert_clicks(0, &legs[0], 10, 70_000, all);
    assert_eq!(done.files.len(), 2);
    assert_eq!(done.onsets_of(1, 0).len(), clicks(10).len());
    assert!(done.findings().contains("source 00000bad at 192.0.2.66:4000 sent 485 packets"), "{}", done.findings());
}

#[test]
fn one_line_alone_is_mono() {
    let mut call = Call::new();
    call.items.retain(|(_, item)| !alloc::format!("{item:?}").contains("PortIndex(1)"));
    call.add(Leg::new(0).packets(0, 250));
    let done = call.render(5 * SECOND + 60 * MS);
    assert_eq!(done.onsets(0), done.onsets(1));
    assert_eq!(done.plan.sidecar.streams[0].channel, ChannelName::Both);
    assert!(done.findings().contains("mixed"));
}

#[test]
fn codecs_change_in_mid_call_and_rates_are_mixed() {
    let mut call = Call::new();
    let leg = Leg::new(0);
    call.add(leg.packets(0, 200));
    let wide = format(97, "L16", 16_000);
    call.event(4 * SECOND, Event::Stream(Stream { formats: [wide].into(), ..stream(0) }));
    let mut sent = Leg { sequence: leg.sequence.wrapping_add(200), payload_type: 97, ..leg.clone() }.packets(200, 500);
    for (k, (_, item)) in (0_u32..).zip(&mut sent) {
        let super::call::Item::Packet { bytes, .. } = item else { continue };
        bytes[4..8].copy_from_slice(&(k * 320).to_be_bytes());
        let law = bytes.split_off(12);
        bytes.extend(law.iter().flat_map(|&code| crate::codec::ALAW[usize::from(code)].to_be_bytes().repeat(2)));
    }
    call.add(sent);
    call.add(Leg::new(1).packets(0, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    assert_eq!(done.plan.files[0].sample_rate, 16_000);
    done.assert_clicks(0, &leg, 10, 130_000, all);
    done.assert_clicks(1, &Leg::new(1), 10, 130_000, all);
    assert_eq!(done.plan.sidecar.streams[0].codecs, ["PCMA/8000", "L16/16000"]);
}

#[test]
fn a_later_recording_of_the_session_begins_at_its_own_time() {
    let mut call = Call::new();
    for (_, item) in &mut call.items {
        if let super::call::Item::Event(Event::RecordingStarted { recording, .. }) = item {
            *recording = crate::seed::RecordingId(1);
        }
    }
    call.event(3 * SECOND, Event::RecordingStarted { recording: RECORDING, communication_session: None });
    let leg = Leg::new(0);
    call.add(leg.packets(0, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    assert_eq!((done.milliseconds(), done.plan.sidecar.proof.packets_received), (7_040, 352));
    let late: Vec<i64> = done.onsets(0).iter().map(|onset| onset + 3 * SECOND).collect();
    let wanted: Vec<i64> =
        clicks(10).iter().map(|&click| leg.heard_at(click)).filter(|&at| at > ZERO + 3 * SECOND).collect();
    assert_eq!(late.len(), wanted.len());
    assert!(late.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 70_000));
}

#[test]
fn the_sheet_says_how_it_sounds_and_who_is_heard() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 600));
    call.add(Leg::new(1).packets(0, 600));
    let mut done = call.render(12 * SECOND);
    let quality = done.plan.sidecar.streams[0].sources[0].quality.clone().unwrap();
    assert_eq!((quality.mos_hundredths, quality.codec.as_str()), (441, "G.711 (Ie 0, Bpl 25.1)"));
    let one_way = |talk_ms: [u64; 2]| Levels {
        channels: [ChannelName::Left, ChannelName::Right]
            .into_iter()
            .zip(talk_ms)
            .map(|(channel, talk_ms)| ChannelLevels {
                channel,
                peak_dbfs: None,
                talk_dbfs: None,
                talk_ms,
                clipped_samples: 0,
            })
            .collect(),
        both_talk_ms: 0,
        silence_ms: 0,
        alike_percent: Some(0),
        tones: Default::default(),
    };
    let plan = &mut done.plan;
    let mut told = |levels: Levels| {
        plan.sidecar.proof.findings.clear();
        plan.heard(0, &levels);
        plan.sidecar.proof.findings.join("; ")
    };
    assert_eq!(told(one_way([11_000, 3_000])), "");
    assert_eq!(told(one_way([11_000, 0])), "one-way audio: nobody is heard on label 2, though packets came");
    assert!(told(one_way([0, 0])).starts_with("nobody is heard on label 1, though packets came; nobody"));
    let alike = Levels { alike_percent: Some(99), ..one_way([9_000, 9_000]) };
    assert_eq!(told(alike), "label 1 and label 2 hold the same audio: the legs are not separate");
    let mut clipped = one_way([1_000, 1_000]);
    clipped.channels[0].clipped_samples = 41;
    assert_eq!(told(clipped), "label 1 is clipped: it was too loud before it came here");
}

#[test]
fn digits_are_listed_once_each_with_their_time() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 200));
    let event = |sequence: u16, code: u8, duration: u16| {
        let mut bytes = alloc::vec![0x80, 101];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend((u32::from(code) * 8_000).to_be_bytes());
        bytes.extend([0, 0, 0x10, 1, code, 0x0a]);
        bytes.extend(duration.to_be_bytes());
        Item::Packet { port: 1, bytes }
    };
    let at = |ms: i64| ZERO + LEAD + ms * MS;
    call.add(alloc::vec![
        (at(1_000), event(1, 5, 160)),
        (at(1_020), event(2, 5, 320)),
        (at(1_040), event(3, 5, 320)),
        (at(2_000), event(4, 11, 800)),
        (at(3_000), event(5, 255, 400)),
        (at(3_500), event(6, 32, 400)),
    ]);
    let digits = call.render(5 * SECOND).plan.sidecar.digits;
    let told: Vec<_> = digits.iter().map(|d| (d.digit.as_deref(), d.at_ms, d.duration_ms)).collect();
    let lead = u64::try_from(LEAD / MS).unwrap();
    assert_eq!(told, [(Some("5"), 1_000 + lead, 40), (Some("#"), 2_000 + lead, 100), (None, 3_000 + lead, 50)]);
    assert!(digits.iter().all(|d| d.label.as_deref() == Some("2") && !d.by_info));
}
