//! RTP and RTCP: nobody is heard, no key that was pressed is told, no source is described by its name.

use alloc::vec::Vec;

use super::keyed::Keyed;
use super::scan::{VALUE, text};
use super::walk::Walk;
use crate::rtp::packet::{HEADER_LENGTH, u16_at};

/// What silence is in a codec whose octets are samples; of the others, what a decoder makes least of.
const SILENCE: [(&str, u8); 6] =
    [("PCMU", 0xff), ("PCMA", 0xd5), ("G722", 0xfa), ("L16", 0), ("L8", 0x80), ("CN", 0x7f)];
/// Codecs whose payload begins with an octet that tells how to read the rest.
const WITH_HEAD: [&str; 5] = ["OPUS", "AMR", "AMR-WB", "EVS", "RED"];
/// Octets of an event (RFC 4733 2.3).
const EVENT: usize = 4;
const EVENT_DIGITS: u8 = 10;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const APPLICATION: u8 = 204;
const SDES_END: u8 = 0;
const SDES_TOOL: u8 = 6;

/// Replaces what an RTP packet carries, at equal length. `encoding`: as SDP names it, if that is known.
pub(super) fn silence(keyed: &Keyed, packet: &mut [u8], encoding: Option<&str>) {
    let Some(first) = packet.first().copied() else { return };
    let csrcs_end = HEADER_LENGTH + usize::from(first & 0x0f) * 4;
    let mut start = csrcs_end;
    if first & 0x10 != 0 {
        let words = u16_at(packet, csrcs_end + 2).map_or(0, usize::from);
        start = csrcs_end + 4 + words * 4;
        // Elements of an extension may describe the source (RFC 7941): padding (RFC 8285 4.2) tells nothing.
        let end = start.min(packet.len());
        packet.get_mut(csrcs_end + 4..end).unwrap_or_default().fill(0);
    }
    let padding = if first & 0x20 != 0 { packet.last().map_or(0, |count| usize::from(*count)) } else { 0 };
    let end = packet.len().saturating_sub(padding);
    let press = [packet.get(8..12).unwrap_or_default(), packet.get(4..8).unwrap_or_default()].concat();
    let (payload_end, count_at) = (end.max(start), packet.len().saturating_sub(1));
    if let Some(filling) = packet.get_mut(payload_end..count_at).filter(|_| padding > 0) {
        filling.fill(0);
    }
    let Some(payload) = packet.get_mut(start..end) else { return };
    let is = |name: &str| encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(name));
    if is("telephone-event") {
        events(keyed, payload, &press);
        return;
    }
    let kept = usize::from(WITH_HEAD.into_iter().any(is)).min(payload.len());
    let fill = SILENCE.into_iter().find(|(name, _)| is(name)).map_or(0, |(_, fill)| fill);
    payload.get_mut(kept..).unwrap_or_default().fill(fill);
}

/// Packets of one press have one timestamp: it becomes one other digit.
fn events(keyed: &Keyed, payload: &mut [u8], press: &[u8]) {
    let mut nth = 0_u8;
    for event in payload.chunks_mut(EVENT) {
        if let Some(code) = event.first_mut().filter(|code| **code < EVENT_DIGITS) {
            *code = keyed.digit(*code, &[press, &[nth]].concat());
        }
        nth = nth.wrapping_add(1);
    }
}

/// Walks over a compound of RTCP packets; what is behind the last whole one is left out.
pub(super) fn report(walk: &mut Walk<'_>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(length) = u16_at(rest, 2).map(|words| (usize::from(words) + 1) * 4) {
        let Some((packet, after)) = rest.split_at_checked(length) else { return };
        match packet.get(1) {
            Some(&SOURCE_DESCRIPTION) => description(walk, packet),
            Some(&GOODBYE) => goodbye(walk, packet),
            // Four letters name it; what it holds, only its makers know.
            Some(&APPLICATION) => {
                let (head, data) = packet.split_at(packet.len().min(12));
                walk.keep(head);
                let zeros: Vec<u8> = data.iter().map(|_| 0).collect();
                walk.keep(&zeros);
            }
            _ => walk.keep(packet),
        }
        rest = after;
    }
}

/// BYE without the reason in words.
fn goodbye(walk: &mut Walk<'_>, packet: &[u8]) {
    let count = packet.first().map_or(0, |first| first & 0x1f);
    let sources = packet.get(4..4 + usize::from(count) * 4).unwrap_or_default();
    packet_of(walk, 0x80 | count, GOODBYE, sources);
}

fn packet_of(walk: &mut Walk<'_>, first: u8, kind: u8, body: &[u8]) {
    let words = u16::try_from(body.len() / 4).unwrap_or(u16::MAX);
    walk.keep(&[first, kind]);
    walk.keep(&words.to_be_bytes());
    walk.keep(body);
}

/// SDES (RFC 3550 6.5): chunks of a source and its items, each chunk filled up to 32 bits.
fn description(walk: &mut Walk<'_>, packet: &[u8]) {
    let first = packet.first().copied().unwrap_or(0x80);
    let mut rest = packet.get(4..).unwrap_or_default();
    let (mut body, mut count) = (Vec::new(), 0_u8);
    while count < first & 0x1f {
        let Some((source, mut items)) = rest.split_at_checked(4) else { break };
        body.extend_from_slice(source);
        let whole = items.len();
        while let [kind, tail @ ..] = items {
            if *kind == SDES_END {
                break;
            }
            let Some((length, tail)) = tail.split_first() else { break };
            let Some((shown, after)) = tail.split_at_checked(usize::from(*length)) else { break };
            item(walk, *kind, shown, &mut body);
            items = after;
        }
        let used = whole - items.len();
        // At least one zero ends the chunk.
        let filled = (used / 4 + 1) * 4;
        rest = rest.get(4 + filled..).unwrap_or_default();
        body.resize((body.len() / 4 + 1) * 4, 0);
        count += 1;
    }
    packet_of(walk, 0x80 | count, SOURCE_DESCRIPTION, &body);
}

fn item(walk: &mut Walk<'_>, kind: u8, shown: &[u8], out: &mut Vec<u8>) {
    let other = match kind {
        // Other than the others it is no person's; it may tell a machine, though.
        SDES_TOOL => walk.within(|inner| text(inner, shown, VALUE)),
        1 => {
            walk.within(|inner| text(inner, shown, VALUE));
            let octets = walk.octets(b"cname", shown);
            let digits = super::codings::to_hex(&octets, b"a");
            Some(digits.get(..shown.len()).unwrap_or_default().to_vec())
        }
        2 => walk.within(|inner| super::scan::name(inner, shown)),
        3 | 4 => walk.within(|inner| text(inner, shown, super::scan::NUMBER)),
        _ => Some(b"removed".to_vec()),
    };
    let mut other = other.unwrap_or_default();
    other.truncate(usize::from(u8::MAX));
    out.push(kind);
    out.push(u8::try_from(other.len()).unwrap_or(u8::MAX));
    out.extend(other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymise::{Anonymiser, Survey};
    use crate::rtp::{Packet, rtcp};
    use crate::seed::Seed;

    #[test]
    fn descriptions_of_sources_are_replaced_and_the_compound_is_whole() {
        let mut bytes = Vec::new();
        rtcp::encode_receiver_report(&mut bytes, 7, core::iter::empty());
        rtcp::encode_description(&mut bytes, 7, "alice@192.0.2.77");
        let named = [0x81, 202, 0, 4, 0, 0, 0, 7, 2, 5, b'A', b'l', b'i', b'c', b'e', 0, 0, 0, 0, 0];
        bytes.extend(named);
        rtcp::encode_goodbye(&mut bytes, 7);
        let mut survey = Survey::default();
        survey.report(&bytes);
        let other = Anonymiser::new(survey, Seed([3; 32])).report(&bytes);
        assert_eq!(rtcp::parse(&other).unwrap().count(), 4, "{}", other.escape_ascii());
        for original in [&b"alice"[..], b"Alice", b"192.0.2.77"] {
            assert!(!other.windows(original.len()).any(|part| part == original));
        }
        assert!(other.windows(8).any(|part| part == b"Person 1"));
        // What is cut costs itself only.
        for end in 0..bytes.len() {
            let mut survey = Survey::default();
            survey.report(&bytes[..end]);
            Anonymiser::new(survey, Seed([3; 32])).report(&bytes[..end]);
        }
    }

    #[test]
    fn audio_is_silence_and_digits_are_others() {
        let keyed = Keyed::new(Seed([3; 32]));
        let head = [0x90, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0];
        let mut packet = [&head[..], &[1, 2, 3]].concat();
        silence(&keyed, &mut packet, Some("pcma"));
        let plain = Packet::parse(&packet).unwrap();
        assert_eq!((plain.payload, plain.extension.unwrap().data), (&[0xd5; 3][..], &[0; 4][..]));
        let press = |payload: &[u8], timestamp| {
            let mut packet = [&[0x80, 101, 0, 1, 0, 0, 0, timestamp, 0, 0, 0, 7][..], payload].concat();
            silence(&keyed, &mut packet, Some("telephone-event"));
            packet[12..].to_vec()
        };
        let (begin, end) = (press(&[5, 0x0a, 0, 80], 9), press(&[5, 0x8a, 3, 0x20], 9));
        assert_eq!((begin[0], &begin[1..], &end[1..]), (end[0], &[0x0a, 0, 80][..], &[0x8a, 3, 0x20][..]));
        assert!(begin[0] < 10 && begin[0] != 5);
        assert!((0..9).map(|at| press(&[5, 0, 0, 0], at)[0]).any(|digit| digit != begin[0]), "each press for itself");
        for packet in [&mut [0x80][..], &mut [0xff; 13], &mut [0xb0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 255, 255]] {
            silence(&keyed, packet, None);
        }
    }
}
