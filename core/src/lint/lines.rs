//! The SDP of an offer line by line: what only its text tells.

use alloc::string::String;
use alloc::vec::Vec;

use crate::deviation::{Deviations, codes};
use crate::sdp::Media;
use crate::sdp::lines::{lines, of_description, text};

/// What occurs so often is not named more often.
const MAX_NAMED: usize = 8;

pub(super) fn inspect(sdp: &[u8], deviations: &mut Deviations) {
    octets(sdp, deviations);
    let text = text(sdp);
    let (mut letters, mut odd, mut attributes) = (Vec::new(), Vec::new(), Vec::new());
    let mut has_blanks = false;
    for line in of_description(&text) {
        let Some((letter, value)) = line else { continue };
        letters.push(letter);
        has_blanks |= has_surplus_blanks(letter, value);
        if !is_well_formed(letter, value.trim_ascii()) {
            odd.push(letter);
        }
        if letter == 'a'
            && let Some(name) = malformed_attribute(value)
        {
            attributes.push(name);
        }
    }
    let mut each = of_description(&text).zip(lines(&text));
    if each.any(|(found, line)| found.is_none() && !line.trim_ascii().is_empty()) {
        odd.push('?');
    }
    for (wanted, code) in [
        ('v', &codes::SDP_NO_VERSION),
        ('o', &codes::SDP_NO_ORIGIN),
        ('s', &codes::SDP_NO_NAME),
        ('t', &codes::SDP_NO_TIMING),
    ] {
        if !letters.contains(&wanted) {
            deviations.add(code, format_args!("there is no {wanted}= line"));
        }
    }
    if has_blanks {
        deviations.add(&codes::SDP_BLANKS, format_args!("blanks where a line has none, or tabs in place of blanks"));
    }
    odd.truncate(MAX_NAMED);
    if !odd.is_empty() {
        // Without their values: keys and numbers of parties stand in them.
        let named: Vec<String> = odd.iter().map(|letter| alloc::format!("{letter}=")).collect();
        deviations.add(&codes::SDP_LINE, format_args!("lines that cannot be read as they stand: {}", named.join(" ")));
    }
    attributes.truncate(MAX_NAMED);
    if !attributes.is_empty() {
        deviations
            .add(&codes::SDP_ATTRIBUTE, format_args!("attributes that cannot be read: {}", attributes.join(", ")));
    }
}

/// What one m-line says of itself.
pub(super) fn media(number: usize, media: &Media, deviations: &mut Deviations) {
    if media.unreadable {
        deviations.add(&codes::SDP_MEDIA_LINE, format_args!("m-line {number} cannot be read"));
    }
    let labels = media.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case("label")).count();
    if labels > 1 {
        deviations.add(&codes::LABEL_REPEATED, format_args!("m-line {number} has {labels} labels"));
    }
}

fn octets(sdp: &[u8], deviations: &mut Deviations) {
    let without_pairs = sdp.split_inclusive(|byte| *byte == b'\n').any(|line| {
        let text = line.strip_suffix(b"\r\n");
        text.is_none_or(|text| memchr::memchr(b'\r', text).is_some())
    });
    if without_pairs {
        deviations.add(&codes::SDP_LINE_ENDS, format_args!("lines of the SDP do not end with CRLF"));
    }
    if memchr::memchr(0, sdp).is_some() {
        deviations.add(&codes::NUL_BYTES, format_args!("a NUL byte stands in the SDP"));
    }
    if core::str::from_utf8(sdp).is_err() {
        deviations.add(&codes::SDP_TEXT, format_args!("octets of the SDP are no UTF-8"));
    }
}

/// Whether blanks stand where the grammar has none. Free text may have them.
fn has_surplus_blanks(letter: char, value: &str) -> bool {
    match letter {
        's' | 'i' | 'u' | 'e' | 'p' => false,
        'a' => value.starts_with([' ', '\t']),
        _ => value.starts_with(' ') || value.contains('\t') || value.contains("  "),
    }
}

/// Whether a line can be read as RFC 8866 5 has it. Of letters that are unknown nobody knows.
fn is_well_formed(letter: char, value: &str) -> bool {
    let words: Vec<&str> = value.split_ascii_whitespace().take(MAX_NAMED).collect();
    let is_network = |net: &str, family: &str| net == "IN" && matches!(family, "IP4" | "IP6");
    match (letter, words.as_slice()) {
        ('v', words) => words == ["0"],
        ('o', [_, id, version, net, family, _]) => is_number(id) && is_number(version) && is_network(net, family),
        ('o', _) => false,
        ('c', [net, family, _]) => is_network(net, family),
        ('c', _) => false,
        ('t', [start, stop]) => is_number(start) && is_number(stop),
        ('t', _) => false,
        ('r', words) => words.len() >= 3 && words.iter().all(|word| is_time(word)),
        ('z', words) => words.len() >= 2 && words.iter().all(|word| is_time(word)),
        ('b', [one]) => one.split_once(':').is_some_and(|(kind, number)| !kind.is_empty() && is_number(number)),
        ('b', _) => false,
        ('k', _) => {
            let method = value.split(':').next().unwrap_or_default();
            matches!(method, "prompt" | "clear" | "base64" | "uri")
        }
        ('a', _) => !value.is_empty() && !value.starts_with(':'),
        ('m', [_, port, _, formats @ ..]) => {
            let count = port.split_once('/').map_or("1", |(_, count)| count);
            is_number(count) && formats.iter().all(|format| !format.contains(','))
        }
        ('m', _) => true,
        (_, _) => true,
    }
}

/// The name of an attribute that a recorder would read, if its value cannot be read.
fn malformed_attribute(value: &str) -> Option<&'static str> {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    let mut words = value.split_ascii_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let known = ["rtpmap", "fmtp", "label", "ptime", "rtcp", "candidate"];
    let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let is_good = match name {
        "rtpmap" => is_number(first) && second.split_once('/').is_some_and(|(name, _)| !name.is_empty()),
        "fmtp" => is_number(first) && !second.is_empty(),
        "ptime" => first.starts_with(|digit: char| digit.is_ascii_digit()),
        "rtcp" => first.parse().is_ok_and(|port: u16| port != 0),
        // RFC 8839 5.1: foundation, component, transport, priority, address, port, `typ`, type.
        "candidate" => value.split_ascii_whitespace().count() >= 8,
        _ => !value.is_empty(),
    };
    (!is_good).then_some(name)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 8866 5.10: a number with a unit perhaps.
fn is_time(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    is_number(word.strip_suffix(['d', 'h', 'm', 's']).unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nr=7d 1h 0 25h\r\n\
        z=2882844526 -1h 2898848070 0\r\nb=AS:64\r\nk=prompt\r\ny=?\r\nm=audio 4000/2 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
        a=label:1\r\na=ptime:20\r\na=rtcp:4001\r\na=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\na=sendonly\r\n";

    fn codes_of(text: &[u8]) -> Vec<String> {
        let mut deviations = Deviations::default();
        inspect(text, &mut deviations);
        deviations.0.into_iter().map(|deviation| deviation.code).collect()
    }

    #[test]
    fn each_oddity_of_a_line_is_named() {
        assert_eq!(codes_of(GOOD.as_bytes()), Vec::<String>::new());
        for (from, to, code) in [
            ("v=0\r\n", "", "sdp-no-version"),
            ("o=- 1 1 IN IP4 192.0.2.1\r\n", "", "sdp-no-origin"),
            ("s=-\r\n", "", "sdp-no-name"),
            ("t=0 0\r\n", "", "sdp-no-timing"),
            ("v=0", "v=1", "sdp-line"),
            ("o=- 1 1", "o=- x 1", "sdp-line"),
            ("c=IN IP4 192.0.2.1", "c=192.0.2.1", "sdp-line"),
            ("t=0 0", "t=0", "sdp-line"),
            ("r=7d", "r=never", "sdp-line"),
            ("z=2882844526 -1h", "z=x -1h", "sdp-line"),
            ("b=AS:64", "b=AS:lots", "sdp-line"),
            ("k=prompt", "k=", "sdp-line"),
            ("y=?", "no letter", "sdp-line"),
            ("4000/2", "4000/x", "sdp-line"),
            ("a=sendonly", "a=", "sdp-line"),
            ("m=audio", "m= audio", "sdp-blanks"),
            ("m=audio ", "m=audio\t", "sdp-blanks"),
            ("a=label", "a= label", "sdp-blanks"),
            ("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 PCMU", "sdp-attribute"),
            ("a=label:1", "a=label:", "sdp-attribute"),
            ("a=sendonly", "a=fmtp:0", "sdp-attribute"),
            ("a=candidate:1 1", "a=candidate:1", "sdp-attribute"),
            ("\r\n", "\n", "sdp-line-ends"),
            ("\r\n", "\r", "sdp-line-ends"),
            ("\r\n", "\r\r\n", "sdp-line-ends"),
            ("a=label", "a=\0label", "nul-bytes"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(codes_of(GOOD.replace(from, to).as_bytes()), [code], "{to:?}");
        }
        assert_eq!(codes_of(&[GOOD.as_bytes(), b"i=\xff\r\n"].concat()), ["sdp-text"]);
    }
}
