//! Bytes to text: byte order mark, `charset` parameter, XML declaration, and what to do when all of them lie.

use alloc::borrow::Cow;
use alloc::string::String;

use super::entities::windows_1252;
use crate::deviation::{Deviations, codes, quote};

/// How bytes become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Windows1252,
    Utf16 { big: bool },
}

/// The body as text. The `charset` parameter of the content type outranks the declaration (RFC 7865 5.1, RFC 7303
/// section 3); a byte order mark outranks both. Bytes that are not UTF-8 are taken as windows-1252, and so is what is
/// called ISO-8859-1: a wrong name is better than none.
pub(super) fn decode<'a>(content_type: &str, body: &'a [u8], deviations: &mut Deviations) -> Cow<'a, str> {
    let (encoding, body) = match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => (Encoding::Utf8, rest),
        [0xfe, 0xff, rest @ ..] => (Encoding::Utf16 { big: true }, rest),
        [0xff, 0xfe, rest @ ..] => (Encoding::Utf16 { big: false }, rest),
        // Without a mark, the first `<` tells (XML 1.0 F.1).
        [0, b'<', ..] => (Encoding::Utf16 { big: true }, body),
        [b'<', 0, ..] => (Encoding::Utf16 { big: false }, body),
        _ => (declared(content_type, body, deviations), body),
    };
    match encoding {
        Encoding::Utf8 => utf8(body, deviations),
        Encoding::Windows1252 => Cow::Owned(body.iter().map(|b| windows_1252(*b)).collect()),
        Encoding::Utf16 { big } => Cow::Owned(utf16(body, big, deviations)),
    }
}

fn declared(content_type: &str, body: &[u8], deviations: &mut Deviations) -> Encoding {
    let head = body.get(..body.len().min(200)).unwrap_or(body);
    // A declaration is ASCII.
    let head = core::str::from_utf8(head).unwrap_or_else(|error| {
        head.get(..error.valid_up_to()).and_then(|valid| core::str::from_utf8(valid).ok()).unwrap_or_default()
    });
    let head = head.trim_start();
    let declaration = head.strip_prefix("<?xml").and_then(|rest| rest.split("?>").next());
    let in_xml = declaration.and_then(|d| parameter(d, "encoding"));
    let named = parameter(content_type, "charset").or(in_xml);
    match named.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "utf-8" | "utf8" | "us-ascii" | "ascii") => Encoding::Utf8,
        Some(
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "windows-1252" | "cp1252"
            | "iso-8859-15",
        ) => Encoding::Windows1252,
        // Whoever can read "UTF-16" here as single bytes has not sent UTF-16.
        Some("utf-16" | "utf-16le" | "utf-16be") if declaration.is_some() => Encoding::Utf8,
        Some("utf-16" | "utf-16be") => Encoding::Utf16 { big: true },
        Some("utf-16le") => Encoding::Utf16 { big: false },
        Some(other) => {
            deviations.add(&codes::UNKNOWN_ENCODING, format_args!("encoding {}", quote(other)));
            Encoding::Utf8
        }
    }
}

/// The value of `name=value`, quoted or not, wherever it stands.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(name)?;
    let rest = text.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..)?.split(quote).next(),
        Some(_) | None => rest.split([';', ' ', '\t', '?', '>']).next(),
    }
}

fn utf8<'a>(body: &'a [u8], deviations: &mut Deviations) -> Cow<'a, str> {
    if let Ok(text) = core::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    deviations.add(&codes::BAD_UTF_8, format_args!("bytes that are not UTF-8 are read as windows-1252"));
    let mut out = String::with_capacity(body.len() + 16);
    for chunk in body.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|b| windows_1252(*b)));
    }
    Cow::Owned(out)
}

fn utf16(body: &[u8], big: bool, deviations: &mut Deviations) -> String {
    deviations.add(&codes::UTF_16, format_args!("the document is UTF-16"));
    let (pairs, _) = body.as_chunks::<2>();
    let units = pairs.iter().map(|pair| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) });
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content_type: &str, body: &[u8]) -> (String, usize) {
        let mut deviations = Deviations::default();
        let text = decode(content_type, body, &mut deviations).into_owned();
        (text, deviations.0.len())
    }

    #[test]
    fn the_stronger_word_wins() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>";
        assert!(text("x/y", latin).0.contains('\u{e9}'));
        let utf8 = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\u{e9}</a>".as_bytes();
        assert!(text("x/y;charset=\"UTF-8\"", utf8).0.contains(">\u{e9}<"));
        assert_eq!(text("x/y; charset=iso-8859-1", b"\xef\xbb\xbf\xc3\xa9"), ("\u{e9}".into(), 0));
    }

    #[test]
    fn lies_are_forgiven_and_told() {
        assert_eq!(text("x/y", b"caf\xe9 \xc3\xa9"), ("caf\u{e9} \u{e9}".into(), 1));
        assert_eq!(text("x/y;charset=klingon", b"a"), ("a".into(), 1));
        assert_eq!(text("x/y", b"O\x92Neill \x96 \x80"), ("O\u{2019}Neill \u{2013} \u{20ac}".into(), 1));
        assert_eq!(text("x/y;charset=Windows-1252", b"\x8aefcov\xe1"), ("\u{160}efcov\u{e1}".into(), 0));
        assert_eq!(text("x/y", b"\xff\xfe<\0a\0"), ("<a".into(), 1));
    }
}
