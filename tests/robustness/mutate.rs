//! Mutations that know what they spoil: most leave the message good enough to be read further.

use support::Rng;

const NUMBERS: [&str; 10] =
    ["0", "-1", "1", "255", "65535", "65536", "4294967295", "4294967296", "99999999999999999999", "1e9"];
const TEXTS: [&str; 12] = [
    "",
    " ",
    "\t",
    "\0",
    "%00",
    "\u{feff}",
    "<![CDATA[",
    "<!DOCTYPE a [<!ENTITY b \"b\">]>",
    "&b;",
    "--",
    "\r\n\r\n",
    "\"",
];

/// Spoils a message: the body more often than the head.
pub fn sip(message: &[u8], rng: &mut Rng) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).into_owned();
    let (head, body) = split(&text);
    let (mut head, mut body) = (head.to_owned(), body.to_owned());
    for _ in 0..=rng.below(3) {
        if !body.is_empty() && rng.below(10) < 7 {
            body = spoil(&body, rng);
        } else {
            head = spoil_head(&head, rng);
        }
    }
    let mut out = fit_length(&head, body.len(), rng).into_bytes();
    out.extend_from_slice(body.as_bytes());
    if rng.below(20) == 0 {
        flip(&mut out, rng);
    }
    out.truncate(65_000);
    out
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find("\r\n\r\n").map(|n| n + 4).or_else(|| text.find("\n\n").map(|n| n + 2));
    text.split_at(end.unwrap_or(text.len()))
}

/// The right Content-Length, or seldom a wrong one: what cannot be framed goes no deeper.
fn fit_length(head: &str, length: usize, rng: &mut Rng) -> String {
    let told = if rng.below(25) == 0 { (*rng.pick(&NUMBERS)).to_owned() } else { length.to_string() };
    head.split_inclusive('\n')
        .map(|line| {
            let name = line.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
            let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
            if name == "content-length" || name == "l" {
                format!("Content-Length: {told}{end}")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

/// SDP and XML are both lines, numbers, names and delimiters.
fn spoil(text: &str, rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => lines(text, rng, |lines, at, _| drop(lines.remove(at))),
        1 => lines(text, rng, |lines, at, _| lines.insert(at, lines[at].clone())),
        2 => lines(text, rng, |lines, at, rng| {
            let other = rng.below(lines.len());
            lines.swap(at, other);
        }),
        3 => number(text, rng),
        4 => insert(text, rng, |rng| (*rng.pick(&TEXTS)).to_owned()),
        5 => insert(text, rng, |rng| "A".repeat(1 + rng.below(9000))),
        6 => insert(text, rng, |rng| "<x a='b'>".repeat(1 + rng.below(600))),
        7 => cut(text, rng),
        8 => text.replacen(['<', '=', ':', ' '], "", 1 + rng.below(4)),
        9 => lines(text, rng, |lines, at, rng| lines[at] = lines[at].chars().rev().skip(rng.below(4)).collect()),
        10 => text.replace("\r\n", if rng.below(2) == 0 { "\n" } else { "\r" }),
        _ => lines(text, rng, |lines, at, rng| {
            let copy = lines[at].clone();
            lines.extend(std::iter::repeat_n(copy, rng.below(300)));
        }),
    }
}

/// The lines a server needs to answer are spoiled less often.
fn spoil_head(head: &str, rng: &mut Rng) -> String {
    let (first, rest) = head.split_at(head.find('\n').map_or(head.len(), |n| n + 1));
    let (fields, end) = rest.split_at(rest.trim_end_matches(['\r', '\n']).len());
    let fields = if rng.below(8) == 0 {
        spoil(fields, rng)
    } else {
        lines(fields, rng, |lines, at, rng| {
            let vital = ["via", "from", "to", "call-id", "cseq", "v", "f", "t", "i"];
            let name = lines[at].split(':').next().unwrap_or("").trim().to_ascii_lowercase();
            if !vital.contains(&name.as_str()) || rng.below(6) == 0 {
                lines[at] = spoil(&lines[at], rng).replace(['\r', '\n'], " ");
            } else if rng.below(2) == 0 {
                lines[at] = lines[at].replacen(": ", ":\r\n ", 1);
            }
        })
    };
    let first = if rng.below(30) == 0 { spoil(first, rng) } else { first.to_owned() };
    format!("{first}{fields}{end}")
}

fn lines(text: &str, rng: &mut Rng, what: impl FnOnce(&mut Vec<String>, usize, &mut Rng)) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let at = rng.below(lines.len());
    what(&mut lines, at, rng);
    lines.join("\n")
}

/// Another number where there was one.
fn number(text: &str, rng: &mut Rng) -> String {
    let starts: Vec<usize> = text
        .char_indices()
        .zip(std::iter::once(' ').chain(text.chars()))
        .filter(|((_, c), before)| c.is_ascii_digit() && !before.is_ascii_digit())
        .map(|((at, _), _)| at)
        .collect();
    if starts.is_empty() {
        return text.to_owned();
    }
    let at = *rng.pick(&starts);
    let end = text[at..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| at + n);
    format!("{}{}{}", &text[..at], rng.pick(&NUMBERS), &text[end..])
}

fn insert(text: &str, rng: &mut Rng, what: impl FnOnce(&mut Rng) -> String) -> String {
    let at = boundary(text, rng);
    format!("{}{}{}", &text[..at], what(rng), &text[at..])
}

fn cut(text: &str, rng: &mut Rng) -> String {
    let (a, b) = (boundary(text, rng), boundary(text, rng));
    match rng.below(3) {
        0 => text[..a].to_owned(),
        _ => format!("{}{}", &text[..a.min(b)], &text[a.max(b)..]),
    }
}

fn boundary(text: &str, rng: &mut Rng) -> usize {
    let mut at = rng.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    for _ in 0..=rng.below(6) {
        let at = rng.below(bytes.len());
        bytes[at] ^= 1 << rng.below(8);
    }
}

/// RTP with whatever can be wrong with RTP (RFC 3550 5.1, 5.3.1, A.1).
#[allow(clippy::cast_possible_truncation, reason = "random bits")]
pub fn rtp(rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![0x80, 8];
    out.extend((rng.number() as u16).to_be_bytes());
    out.extend((rng.number() as u32).to_be_bytes());
    out.extend((rng.number() as u32 & 7).to_be_bytes());
    out.extend(std::iter::repeat_n(0xD5, rng.below(400)));
    match rng.below(10) {
        0 => out.truncate(rng.below(14)),
        // More contributing sources than there are bytes.
        1 => out[0] |= 15,
        // An extension that is longer than the packet.
        2 => {
            out[0] |= 0x10;
            out.extend([0xBE, 0xDE, 0xFF, 0xFF]);
        }
        // Padding that is longer than the packet, or none.
        3 => {
            out[0] |= 0x20;
            let count = *rng.pick(&[0u8, 1, 255]);
            out.push(count);
        }
        4 => out[0] = rng.number() as u8,
        5 => out[1] = rng.number() as u8,
        6 => out.resize(12 + rng.below(60_000), 0x55),
        7 => out.extend((0..rng.below(64)).map(|_| rng.number() as u8)),
        8 => flip(&mut out, rng),
        _ => {}
    }
    out
}

/// RTCP with whatever can be wrong with RTCP (RFC 3550 6.4, A.2).
#[allow(clippy::cast_possible_truncation, reason = "random bits")]
pub fn rtcp(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=rng.below(4) {
        let kind = *rng.pick(&[200u8, 201, 202, 203, 204, 205, 206, 207, 192, 255]);
        let words = rng.below(24);
        let told = if rng.below(4) == 0 { rng.number() as u16 } else { words as u16 };
        out.extend([0x80 | (rng.below(32) as u8), kind]);
        out.extend(told.to_be_bytes());
        out.extend((0..words * 4).map(|_| rng.number() as u8));
    }
    match rng.below(5) {
        0 => out.truncate(rng.below(out.len() + 1)),
        1 => flip(&mut out, rng),
        2 => out[0] ^= 0xE0,
        _ => {}
    }
    out
}
