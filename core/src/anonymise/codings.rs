//! Texts within texts: hexadecimal digits, base64, percent signs, entities.

use alloc::string::String;
use alloc::vec::Vec;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Octets of a line of MIME's base64 (RFC 2045 6.8).
const MIME_LINE: usize = 76;

/// The octets that hexadecimal digits stand for; `None` for other characters and half octets.
pub(super) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let octet = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

/// Hexadecimal digits, in capitals if `like` has any.
pub(super) fn to_hex(octets: &[u8], like: &[u8]) -> Vec<u8> {
    let capitals = like.iter().any(u8::is_ascii_uppercase);
    let digit = |value: u8| {
        let digit = HEX.get(usize::from(value)).copied().unwrap_or(b'0');
        if capitals { digit.to_ascii_uppercase() } else { digit }
    };
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0f)]).collect()
}

/// The octets of base64, in either alphabet (RFC 4648 4, 5), with or without padding.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut octets = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    for group in digits.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0_u32;
        for digit in group {
            let plain = match digit {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            bits = bits << 6 | u32::try_from(BASE64.iter().position(|known| *known == plain)?).ok()?;
        }
        bits <<= 6 * (4 - group.len());
        octets.extend(bits.to_be_bytes().into_iter().skip(1).take(group.len() - 1));
    }
    Some(octets)
}

/// Base64 in the alphabet of `like`, padded if that is, or needed none.
pub(super) fn to_base64(octets: &[u8], like: &[u8]) -> Vec<u8> {
    let is_url = like.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let padded = like.ends_with(b"=") || like.len().is_multiple_of(4);
    let mut text = Vec::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (n, octet)| bits | u32::from(*octet) << (16 - 8 * n));
        for n in 0..4_usize {
            if n > group.len() {
                text.extend(padded.then_some(b'='));
                continue;
            }
            let digit = BASE64.get((bits >> (18 - 6 * n) & 63) as usize).copied().unwrap_or(b'A');
            text.push(match digit {
                b'+' if is_url => b'-',
                b'/' if is_url => b'_',
                other => other,
            });
        }
    }
    text
}

/// Base64 in lines, as a body has it.
pub(super) fn to_mime_base64(octets: &[u8]) -> Vec<u8> {
    let text = to_base64(octets, b"====");
    text.chunks(MIME_LINE).flat_map(|line| line.iter().copied().chain(*b"\r\n")).collect()
}

/// Without percent signs (RFC 3986 2.1); `None` where there is nothing to decode.
pub(super) fn from_percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut rest, mut found) = (text, false);
    while let [first, after @ ..] = rest {
        let octet = if *first == b'%' { after.get(..2).and_then(from_hex) } else { None };
        if let Some(octet) = octet {
            out.extend(octet);
            rest = after.get(2..).unwrap_or_default();
            found = true;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    found.then_some(out)
}

/// With percent signs for whatever is not unreserved (RFC 3986 2.3).
pub(super) fn to_percent(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for octet in octets {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(octet) {
            out.push(*octet);
        } else {
            out.push(b'%');
            out.extend(to_hex(&[*octet], b"A"));
        }
    }
    out
}

/// Lines of quoted-printable (RFC 2045 6.7).
pub(super) fn to_quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut column = 0;
    for octet in octets {
        if *octet == b'\n' || *octet == b'\r' {
            out.push(*octet);
            column = 0;
            continue;
        }
        if column > MIME_LINE - 4 {
            out.extend(*b"=\r\n");
            column = 0;
        }
        if (b' '..=b'~').contains(octet) && *octet != b'=' {
            out.push(*octet);
            column += 1;
        } else {
            out.push(b'=');
            out.extend(to_hex(&[*octet], b"A"));
            column += 3;
        }
    }
    out
}

/// The five entities of XML, and characters by number, read; anything else stays as it is.
pub(super) fn from_entities(text: &[u8]) -> Vec<u8> {
    /// `&#x10FFFF;`
    const LONGEST: usize = 10;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let end = after.iter().take(LONGEST).position(|byte| *byte == b';').filter(|_| *first == b'&');
        let read = end.and_then(|end| Some((entity(after.get(..end)?)?, after.get(end + 1..)?)));
        if let Some((character, behind)) = read {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn entity(name: &[u8]) -> Option<char> {
    let number = |digits: &[u8], base| u32::from_str_radix(core::str::from_utf8(digits).ok()?, base).ok();
    match name {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(number(digits, 16)?),
        [b'#', digits @ ..] => char::from_u32(number(digits, 10)?),
        _ => None,
    }
}

/// With entities for what is markup.
pub(super) fn to_entities(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            other => out.push(*other),
        }
    }
    out
}

/// A text of ISO 8859-1, if `text` can be one.
pub(super) fn to_latin_1(text: &[u8]) -> Option<Vec<u8>> {
    let text: String = core::str::from_utf8(text).ok()?.into();
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// Whether all of it can be read as text.
pub(super) fn is_printable(octets: &[u8]) -> bool {
    !octets.is_empty()
        && core::str::from_utf8(octets).is_ok_and(|text| text.chars().all(|c| !c.is_control() || "\t\r\n".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(from_hex(&to_hex(&octets, b"A")).unwrap(), octets.clone());
            prop_assert_eq!(from_base64(&to_base64(&octets, b"====")).unwrap(), octets.clone());
            prop_assert_eq!(from_base64(&to_base64(&octets, b"ab_")).unwrap(), octets.clone());
            prop_assert_eq!(from_percent(&to_percent(&octets)).unwrap_or_else(|| octets.clone()), octets.clone());
            prop_assert_eq!(from_entities(&to_entities(&octets)), octets);
        }
    }

    #[test]
    fn codings_read_what_others_wrote() {
        assert_eq!(from_hex(b"2B34 9"), None);
        assert_eq!(from_hex(b"2B3439").unwrap(), b"+49");
        assert_eq!(from_base64(b"QWxpY2U=").unwrap(), b"Alice");
        assert_eq!(from_base64(b"A"), None);
        assert_eq!(from_percent(b"%2B49%zz%").unwrap(), b"+49%zz%");
        assert_eq!(from_entities(b"Tom &amp; Jerry &#x3c;b&#62; &nbsp;&"), b"Tom & Jerry <b> &nbsp;&");
        assert_eq!(to_quoted_printable(b"a=b\xc3\r\n"), b"a=3Db=C3\r\n");
    }
}
