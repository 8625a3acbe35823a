//! The lines of a description (RFC 8866 5): where they end and what their letters are, whatever ends them.

use alloc::borrow::Cow;
use alloc::string::String;
use core::net::IpAddr;

use crate::text::find_any;

/// The text of a body: without byte order mark and NUL bytes; octets that are no UTF-8 are replaced.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    let text = core::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Cow::Owned(text.replace('\0', ""));
    }
    text
}

/// The lines of a text, ended by CRLF, LF or CR, without their ends.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text.trim_start_matches('\u{feff}'));
    core::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = find_any(text.as_bytes(), [b'\r', b'\n']) else {
            rest = None;
            return Some(text);
        };
        let is_pair = text.as_bytes().get(end..end + 2) == Some(b"\r\n");
        rest = text.get(end + if is_pair { 2 } else { 1 }..);
        text.get(..end)
    })
}

/// `x=value`, with blanks around the letter forgiven.
pub(crate) fn letter(line: &str) -> Option<(char, &str)> {
    if let [letter @ b'a'..=b'z', b'=', ..] = line.as_bytes() {
        return Some((char::from(*letter), line.get(2..)?));
    }
    let (letter, value) = line.split_once('=')?;
    let mut letters = letter.trim().chars();
    let first = letters.next().filter(char::is_ascii_alphabetic)?;
    letters.next().is_none().then_some((first.to_ascii_lowercase(), value))
}

/// The lines that are a description's: up to an empty line behind which no other line of it stands. (Blank lines
/// between its lines come of line ends that were made two.)
pub(crate) fn of_description(text: &str) -> impl Iterator<Item = Option<(char, &str)>> {
    let (mut has_begun, mut is_behind_blank) = (false, false);
    lines(text).map_while(move |line| {
        let line = line.trim_ascii_end();
        let found = letter(line);
        if line.is_empty() {
            is_behind_blank = has_begun;
            return Some(None);
        }
        if is_behind_blank && found.is_none_or(|(letter, _)| letter == 'v') {
            return None;
        }
        has_begun |= found.is_some();
        Some(found)
    })
}

/// The address in an `o=` line, where it has one that somebody can be reached at (RFC 8866 5.2).
pub(super) fn origin_address(value: &str) -> Option<IpAddr> {
    let last = value.split_ascii_whitespace().nth(5)?;
    last.parse().ok().filter(|address: &IpAddr| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn any_line_end_ends_a_line() {
        assert_eq!(lines("a\r\nb\nc\rd\r\r\n").collect::<Vec<_>>(), ["a", "b", "c", "d", "", ""]);
        assert_eq!(lines("\u{feff}").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn what_follows_an_empty_line_is_another_text_unless_it_goes_on_as_before() {
        let letters = |text: &str| of_description(text).flatten().map(|(letter, _)| letter).collect::<String>();
        assert_eq!(letters("\r\n\nv=0\r\r\no=x\r\r\nm=a\r\r\na=b"), "voma");
        assert_eq!(letters("v=0\n\njunk\nm=a"), "v");
        assert_eq!(letters("v=0\n\nv=0\nm=a"), "v");
        assert_eq!(letters("hello\nV = 0\nx\n\ta=b\n<a b='c'/>"), "va");
    }
}
