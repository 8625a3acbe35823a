//! What codecs ask of rendering: order, loss, noise, clocks that are not what was said, changes in mid-stream.

use alloc::vec::Vec;

use super::call::{Call, Item, LEAD, Leg, MS, SECOND, ZERO, format, stream};
use crate::entry::{Event, PauseCause, Stream};
use crate::render::{ChannelLevels, ChannelName, Levels, Tone};
use crate::sdp::Format;

/// A call in which the first leg may use `formats`, from the beginning.
fn call_of(formats: &[Format]) -> Call {
    let mut call = Call::new();
    call.event(-MS, Event::Stream(Stream { formats: formats.into(), ..stream(0) }));
    call
}

/// Packets of 20 ms with `octets` each, of a voice-like pattern; sequence numbers go on from `leg`'s.
fn packets(leg: &Leg, from: i64, to: i64, octets: usize, ticks: u32) -> Vec<(i64, Item)> {
    let mut sent = leg.packets(from, to);
    for (k, (_, item)) in (u32::try_from(from).unwrap()..).zip(&mut sent) {
        let Item::Packet { bytes, .. } = item else { continue };
        bytes[4..8].copy_from_slice(&(k * ticks).to_be_bytes());
        bytes.truncate(12);
        bytes.extend((0..octets).map(|n| ((n * 37 + k as usize * 11) % 251) as u8));
        if octets.is_multiple_of(33) {
            bytes[12] = 0xd0 | bytes[12] & 0x0f;
        }
    }
    sent
}

/// A tone of 200 Hz as A-law, in packets of 20 ms.
fn tone(leg: &Leg, from: i64, to: i64) -> Vec<(i64, Item)> {
    let period: Vec<u8> = (0..40_i16)
        .map(|n| {
            let wanted = if n < 20 { n * 800 - 8_000 } else { 24_000 - n * 800 };
            let nearest = |code: &u8| (i32::from(crate::codec::ALAW[usize::from(*code)]) - i32::from(wanted)).abs();
            (0..=255).min_by_key(nearest).unwrap()
        })
        .collect();
    let mut sent = leg.packets(from, to);
    for (_, item) in &mut sent {
        let Item::Packet { bytes, .. } = item else { continue };
        bytes.truncate(12);
        bytes.extend(period.iter().cycle().take(160));
    }
    sent
}

/// The left channel's samples that a sender's packets `from` to `to` are heard at.
fn heard(file: &[i16], rate: usize, from: usize, to: usize) -> Vec<i16> {
    let lead = usize::try_from(LEAD / MS).unwrap() + 20;
    let at = |packet: usize| (packet * 20 + lead) * rate / 1_000 * 2;
    file[at(from)..at(to)].iter().step_by(2).copied().collect()
}

fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
}

#[test]
fn what_remembers_is_decoded_in_order_however_it_arrives() {
    for (pt, name, octets, ticks) in
        [(9, "G722", 160, 160), (3, "GSM", 33, 160), (18, "G729", 20, 160), (97, "iLBC", 38, 160)]
    {
        let leg = Leg { payload_type: pt, ..Leg::new(0) };
        let in_order = packets(&leg, 0, 400, octets, ticks);
        let mut mixed_up = in_order.clone();
        for (k, (at, _)) in mixed_up.iter_mut().enumerate() {
            *at += match k {
                50 => 25 * MS,
                100 => 600 * MS,
                200..205 => 1_900 * MS,
                _ => 0,
            };
        }
        mixed_up.push(mixed_up[60].clone());
        let render = |sent: Vec<(i64, Item)>| {
            let mut call = call_of(&[format(pt, name, 8_000)]);
            call.add(sent);
            call.add(Leg::new(1).packets(0, 400));
            call.render(9 * SECOND)
        };
        let (clean, other) = (render(in_order), render(mixed_up));
        assert!(peak(&clean.files[0]) > 500, "{name} is heard");
        assert!(clean.files[0] == other.files[0], "{name}: late packets are used");
        let source = &other.plan.sidecar.streams[0].sources[0];
        assert_eq!((source.concealed_ms, source.lost, source.duplicates), (0, 0, 1), "{name}");
    }
}

#[test]
fn short_loss_is_made_up_and_told() {
    let (pcma, gsm) = (Leg::new(0), Leg { payload_type: 3, ..Leg::new(0) });
    for (leg, sent) in [(&pcma, tone(&pcma, 0, 300)), (&gsm, packets(&gsm, 0, 300, 33, 160))] {
        let lost = [50..51, 100..103, 150..160];
        let mut call = call_of(&[format(3, "GSM", 8_000), format(8, "PCMA", 8_000)]);
        call.add((0..).zip(sent).filter(|(k, _)| !lost.iter().any(|lost| lost.contains(k))).map(|(_, p)| p).collect());
        let done = call.render(7 * SECOND);
        let file = &done.files[0];
        let level = peak(&heard(file, 8_000, 20, 40));
        for lost in [50, 100] {
            let made = peak(&heard(file, 8_000, lost, lost + 1));
            assert!(made > level / 3, "{}: {made} of {level} at {lost}", leg.payload_type);
        }
        // Of ten packets, three are made up, and these fade.
        assert!(peak(&heard(file, 8_000, 150, 151)) > level / 3 && peak(&heard(file, 8_000, 153, 159)) == 0);
        let source = &done.plan.sidecar.streams[0].sources[0];
        assert_eq!((source.lost, source.concealed_ms), (14, 20 + 60 + 60));
    }
}

#[test]
fn a_tone_goes_on_through_a_lost_packet() {
    let leg = Leg::new(0);
    let render = |lost: usize| {
        let mut call = Call::new();
        call.add(tone(&leg, 0, 200).into_iter().enumerate().filter(|(k, _)| *k != lost).map(|(_, p)| p).collect());
        heard(&call.render(5 * SECOND).files[0], 8_000, 90, 110)
    };
    let (whole, made) = (render(usize::MAX), render(100));
    let worst = whole.iter().zip(&made).map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap();
    assert!(worst < 3_500, "{worst} of 8000");
    assert_eq!(whole[..150], made[..150]);
}

#[test]
fn nothing_is_made_up_where_nothing_was_sent() {
    let leg = Leg::new(0);
    // Discontinuous transmission, with and without a lost packet at its end; then a pause.
    let mut call = Call::new();
    call.add(tone(&leg, 0, 100));
    call.add(tone(&Leg { sequence: leg.sequence.wrapping_add(100), ..leg.clone() }, 150, 200));
    call.add(tone(&Leg { sequence: leg.sequence.wrapping_add(151), ..leg.clone() }, 250, 300));
    call.pause(0, 6 * SECOND + 50 * MS, Some(PauseCause::Inactive));
    call.pause(0, 6 * SECOND + 70 * MS, None);
    call.add(tone(&Leg { sequence: leg.sequence.wrapping_add(203), ..leg.clone() }, 302, 350));
    let done = call.render(8 * SECOND);
    for silent in [100..149, 200..249, 300..301] {
        assert_eq!(peak(&heard(&done.files[0], 8_000, silent.start, silent.end)), 0, "{silent:?}");
    }
    assert_eq!(done.plan.sidecar.streams[0].sources[0].concealed_ms, 0);
}

#[test]
fn comfort_noise_is_heard_until_speech_or_a_pause() {
    let leg = Leg::new(0);
    let describe = |packet: i64, sequence: u16, level: u8| {
        let mut sent = Leg { sequence: leg.sequence.wrapping_add(sequence), payload_type: 13, ..leg.clone() }
            .packets(packet, packet + 1);
        if let Item::Packet { bytes, .. } = &mut sent[0].1 {
            bytes.truncate(12);
            bytes.push(level);
        }
        sent
    };
    let mut call = Call::new();
    call.add(tone(&leg, 0, 100));
    call.add(describe(100, 100, 40));
    call.add(describe(400, 101, 60));
    call.add(tone(&Leg { sequence: leg.sequence.wrapping_add(102), ..leg.clone() }, 600, 700));
    call.add(describe(700, 202, 40));
    call.pause(0, 15 * SECOND, Some(PauseCause::Inactive));
    call.add(Leg::new(1).packets(0, 1_000));
    let done = call.render(20 * SECOND);
    let file = &done.files[0];
    let mean = |from: usize, to: usize| {
        let samples = heard(file, 8_000, from, to);
        samples.iter().map(|s| u32::from(s.unsigned_abs())).sum::<u32>() / u32::try_from(samples.len()).unwrap()
    };
    // -40 dBov is 328, of which noise has 0.8 as its mean; -60 dBov is 33.
    assert!((230..300).contains(&mean(101, 399)), "{}", mean(101, 399));
    assert!((22..32).contains(&mean(401, 599)), "{}", mean(401, 599));
    assert!(mean(600, 700) > 2_000 && mean(701, 745) > 200);
    assert_eq!(mean(755, 990), 0, "a pause is silent");
}

/// Rendering it took hours, and what was said before was lost under it.
#[test]
fn comfort_noise_of_days_before_the_call_follows_what_was_said() {
    let leg = Leg::new(0);
    let mut call = Call::new();
    call.add(tone(&leg, 0, 100));
    let days = u32::try_from(i32::MAX).unwrap();
    for n in 0..60 {
        let sequence = leg.sequence.wrapping_add(100 + n);
        let noise = Leg { sequence, timestamp: leg.timestamp.wrapping_sub(days), payload_type: 13, ..leg.clone() };
        call.add(noise.packets(100 + i64::from(n), 101 + i64::from(n)));
    }
    call.add(tone(&Leg { sequence: leg.sequence.wrapping_add(160), ..leg.clone() }, 160, 200));
    call.add(Leg { payload_type: 11, ..Leg::new(1) }.packets(0, 10));
    let done = call.render(5 * SECOND);
    assert_eq!(done.plan.files[0].sample_rate, 44_100);
    let peaks: Vec<u16> = (0..198).map(|k| peak(&heard(&done.files[0], 44_100, k, k + 1))).collect();
    let is_spoken = |peak: &u16| *peak > 2_000;
    assert!(peaks[..99].iter().chain(&peaks[160..]).all(is_spoken), "{peaks:?}");
    assert!(peaks[100..158].iter().all(|peak| (1..50).contains(peak)), "{peaks:?}");
}

#[test]
fn a_clock_that_is_not_what_was_announced_is_found() {
    for announced in [8_000, 16_000] {
        for ticks in [160, 320] {
            let leg = Leg { payload_type: 96, ..Leg::new(0) };
            let mut call = call_of(&[format(96, "G722", announced)]);
            call.add(packets(&leg, 0, 400, 160, ticks));
            let done = call.render(8 * SECOND + 60 * MS);
            assert_eq!(done.plan.files[0].sample_rate, 16_000);
            let file = &done.files[0];
            let name = alloc::format!("{announced} announced, {ticks} ticks a packet");
            let loud = (50..399).filter(|&k| peak(&heard(file, 16_000, k, k + 1)) > 500).count();
            assert_eq!(loud, 349, "{name}");
            let duration = done.plan.sidecar.duration_ms;
            assert!((8_000..8_070).contains(&duration), "{name}: {duration} ms");
            assert_eq!(done.plan.sidecar.streams[0].sources[0].concealed_ms, 0, "{name}");
        }
    }
}

#[test]
fn a_source_changes_its_codec_and_a_number_its_meaning() {
    let leg = Leg::new(0);
    let mut call = call_of(&[format(8, "PCMA", 8_000), format(9, "g722", 8_000), format(97, "GSM", 8_000)]);
    call.add(tone(&leg, 0, 100));
    let then =
        |payload_type, packets: u16| Leg { payload_type, sequence: leg.sequence.wrapping_add(packets), ..leg.clone() };
    let on = |mut sent: Vec<(i64, Item)>, first: u32| {
        for (k, (_, item)) in (first..).zip(&mut sent) {
            let Item::Packet { bytes, .. } = item else { continue };
            bytes[4..8].copy_from_slice(&leg.timestamp.wrapping_add(k * 160).to_be_bytes());
        }
        sent
    };
    call.add(on(packets(&then(9, 100), 100, 200, 160, 160), 100));
    call.add(on(packets(&then(97, 200), 200, 300, 33, 160), 200));
    let renamed = [format(8, "PCMA", 8_000), format(97, "g722", 8_000)];
    call.event(6 * SECOND + 30 * MS, Event::Stream(Stream { formats: renamed.into(), ..stream(0) }));
    call.add(on(packets(&then(97, 300), 300, 400, 160, 160), 300));
    call.add(tone(&then(8, 400), 400, 500));
    let done = call.render(10 * SECOND + 60 * MS);
    let sheet = &done.plan.sidecar;
    assert_eq!(sheet.streams[0].codecs, ["PCMA/8000", "g722/8000", "GSM/8000"]);
    assert_eq!((sheet.files[0].sample_rate, sheet.proof.packets_lost), (16_000, 0));
    let silent = (2..499).filter(|&k| peak(&heard(&done.files[0], 16_000, k, k + 1)) == 0).count();
    assert_eq!((silent, sheet.streams[0].sources[0].concealed_ms), (0, 0));
}

#[test]
fn keys_in_the_audio_are_listed_unless_they_were_told() {
    let mut call = Call::new();
    call.add(Leg::new(0).packets(0, 300));
    call.add(Leg::new(1).packets(0, 300));
    let event = |sequence: u16, code: u8| {
        let mut bytes = alloc::vec![0x80, 101];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend((u32::from(code) * 8_000).to_be_bytes());
        bytes.extend([0, 0, 0x10, 1, code, 0x8a, 3, 0x20]);
        Item::Packet { port: 1, bytes }
    };
    call.add(alloc::vec![(ZERO + 2 * SECOND, event(1, 5))]);
    let mut plan = call.render(6 * SECOND).plan;
    let told = |digit, at_ms| Tone { digit, at_ms, duration_ms: 80 };
    let silent = |channel| ChannelLevels { channel, peak_dbfs: None, talk_dbfs: None, talk_ms: 1, clipped_samples: 0 };
    let levels = Levels {
        channels: [ChannelName::Left, ChannelName::Right].map(silent).into(),
        both_talk_ms: 0,
        silence_ms: 0,
        alike_percent: None,
        tones: [alloc::vec![told('7', 1_000)], alloc::vec![told('5', 2_100), told('5', 4_000)]],
    };
    let mut masked = plan.clone();
    plan.heard(0, &levels);
    let list = |sidecar: &crate::render::Sidecar| -> Vec<_> {
        let digits = sidecar.digits.iter();
        digits.map(|d| (d.at_ms, d.digit.clone(), d.label.clone().unwrap(), d.in_band)).collect()
    };
    let of = |digit: &str| Some(alloc::string::String::from(digit));
    assert_eq!(
        list(&plan.sidecar),
        [(1_000, of("7"), "1".into(), true), (2_000, of("5"), "2".into(), false), (4_000, of("5"), "2".into(), true)]
    );
    masked.sidecar.digits[0].digit = None;
    masked.heard(0, &levels);
    assert!(masked.sidecar.digits.iter().all(|digit| digit.digit.is_none()), "{:?}", masked.sidecar.digits);
}

#[test]
fn what_was_typed_stands_in_the_sheet() {
    let mut call = Call::new();
    call.event(
        -MS,
        Event::Stream(Stream {
            media: "text".into(),
            formats: [format(98, "t140", 1_000), format(100, "red", 1_000)].into(),
            ..stream(1)
        }),
    );
    call.add(tone(&Leg::new(0), 0, 200));
    let typed = |sequence: u16, at: i64, payload: &[u8]| {
        let mut bytes = alloc::vec![0x80, 100];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend((u32::from(sequence) * 300).to_be_bytes());
        bytes.extend([0, 0, 0x10, 1]);
        bytes.extend([0xe2, 4, 0xb0, 2, 98]);
        bytes.extend(payload);
        (ZERO + at, Item::Packet { port: 1, bytes })
    };
    call.add(
        alloc::vec![typed(1, SECOND, b"  Hi"), typed(3, 2 * SECOND, b" t!!"), typed(4, 3 * SECOND, b"!!\r\nbye"),],
    );
    let sheet = call.render(5 * SECOND).plan.sidecar;
    let lines: Vec<_> = sheet.text.iter().map(|line| (line.at_ms, line.text.as_str(), line.label.as_deref())).collect();
    assert_eq!(lines, [(1_000, "Hi t!!", Some("2")), (3_000, "bye", Some("2"))]);
    assert!(sheet.streams[1].why_not.as_deref().unwrap().contains("what was typed"));
}
