//! One form for each kind of id, however a vendor writes it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

/// Octets kept of one value.
const MAX_VALUE: usize = 256;
/// Hexadecimal digits of a UCID: node (4), sequence (4), seconds since 1970 (8).
const UCID_DIGITS: usize = 16;
/// A UCID as Avaya's own reports show it: five, five and ten decimal digits.
const UCID_DECIMALS: usize = 20;
/// Element of Avaya's user-to-user data that holds a UCID.
const UUI_UCID: u8 = 0xfa;

/// What kind of id a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// Avaya's universal call id, in hexadecimal or decimal digits.
    Ucid,
    /// The same, and nothing where it is none.
    OnlyUcid,
    /// User-to-User (RFC 7433) whose content is Avaya's: the UCID among it.
    UserToUser,
    /// Cisco's 128 bits: four decimal numbers, or hexadecimal digits with whatever between them.
    Guid,
    /// A Session-ID (RFC 7989): both ends' halves, the null one left out.
    SipSession,
    /// A place in a row: kept, but no link between recordings.
    Ordinal,
}

impl Form {
    /// Takes the ids out of `value`.
    pub(super) fn read(self, value: &str, found: &mut dyn FnMut(String)) {
        let value = value.trim();
        let value = value.get(..value.floor_char_boundary(MAX_VALUE)).unwrap_or(value);
        match self {
            Self::Text | Self::Ordinal => filled(value, found),
            Self::Ucid => match ucid(bare(value)) {
                Some(ucid) => found(ucid),
                None => filled(bare(value), found),
            },
            Self::OnlyUcid => ucid(value).into_iter().for_each(found),
            Self::UserToUser => ucid_in(bare(value)).into_iter().for_each(found),
            Self::Guid => match guid(value) {
                Some(guid) => found(guid),
                None => filled(value, found),
            },
            Self::SipSession => {
                let (local, params) = value.split_once(';').unwrap_or((value, ""));
                let remote = params.split(';').find_map(|p| p.trim().strip_prefix("remote="));
                for half in [Some(local), remote].into_iter().flatten().map(str::trim) {
                    if half.bytes().any(|byte| byte != b'0') {
                        found(if is_hex(half) { half.to_ascii_lowercase() } else { half.to_string() });
                    }
                }
            }
        }
    }
}

/// All ways in which the catalog may have written the id that somebody types.
pub fn search_forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let mut add = |form: String| {
        let form = form.to_lowercase();
        if !form.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    };
    for form in [Form::Text, Form::OnlyUcid, Form::UserToUser, Form::SipSession] {
        form.read(value, &mut add);
    }
    guid(value.trim()).into_iter().for_each(&mut add);
    forms
}

fn filled(value: &str, found: &mut dyn FnMut(String)) {
    if !value.is_empty() {
        found(value.to_string());
    }
}

/// Without parameters: `00FA08...;encoding=hex`.
fn bare(value: &str) -> &str {
    value.split(';').next().unwrap_or(value).trim()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A UCID in twenty decimal digits.
fn ucid(value: &str) -> Option<String> {
    if value.len() == UCID_DECIMALS && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.to_string());
    }
    if value.len() == UCID_DIGITS && is_hex(value) {
        return decimals(value);
    }
    ucid_in(value)
}

/// Where the UCID stands in Avaya's user-to-user data: an optional protocol octet, then elements of identifier, length,
/// content.
pub(crate) fn avaya_ucid(value: &str) -> Option<Range<usize>> {
    if !is_hex(value) || !value.len().is_multiple_of(2) {
        return None;
    }
    let octet = |at: usize| value.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let mut at = if octet(0)? == UUI_UCID { 0 } else { 2 };
    while let (Some(element), Some(length)) = (octet(at), octet(at + 2)) {
        let digits = usize::from(length) * 2;
        if element == UUI_UCID && digits == UCID_DIGITS {
            return (at + 4 + digits <= value.len()).then_some(at + 4..at + 4 + digits);
        }
        at += 4 + digits;
    }
    None
}

fn ucid_in(value: &str) -> Option<String> {
    decimals(value.get(avaya_ucid(value)?)?)
}

fn decimals(hex: &str) -> Option<String> {
    let number = |from: usize, to: usize| u32::from_str_radix(hex.get(from..to)?, 16).ok();
    Some(format!("{:05}{:05}{:010}", number(0, 4)?, number(4, 8)?, number(8, 16)?))
}

/// 32 hexadecimal digits in lower case.
fn guid(value: &str) -> Option<String> {
    let inner = value.trim_start_matches('{').trim_end_matches('}');
    let pieces: Vec<&str> = inner.split('-').collect();
    if let [_, _, _, _] = pieces.as_slice()
        && pieces.iter().all(|piece| piece.len() <= 10 && piece.bytes().all(|byte| byte.is_ascii_digit()))
        && let Some(numbers) = pieces.iter().map(|piece| piece.parse::<u32>().ok()).collect::<Option<Vec<u32>>>()
        // Four times eight digits can be either; all-decimal hexadecimal is the rarer.
        && pieces.iter().any(|piece| piece.len() != 8)
    {
        return Some(numbers.iter().map(|number| format!("{number:08x}")).collect());
    }
    let digits: String = pieces.concat().to_ascii_lowercase();
    (digits.len() == 32 && is_hex(&digits)).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, value: &str) -> Vec<String> {
        let mut found = Vec::new();
        form.read(value, &mut |id| found.push(id));
        found
    }

    #[test]
    fn a_ucid_is_the_same_however_it_is_written() {
        let decimal = "00001000071487015674";
        for value in ["00FA080001000758A20EFA;encoding=hex", "00fa080001000758a20efa", "04FA080001000758A20EFA"] {
            assert_eq!(read(Form::UserToUser, value), [decimal], "{value}");
        }
        // With ASAI data before and behind it.
        assert_eq!(read(Form::UserToUser, "00C802ABCDFA080001000758A20EFAC801FF;encoding=hex"), [decimal]);
        for value in ["FA080001000758A20EFA", "0001000758A20EFA", " 00FA080001000758A20EFA ", decimal] {
            assert_eq!(read(Form::Ucid, value), [decimal], "{value}");
        }
        assert_eq!(read(Form::Ucid, "UCID-12345"), ["UCID-12345"]);
        for other in ["54657374;encoding=hex", "hello", "", "00FA09", "00FA08000100", "0"] {
            assert_eq!(read(Form::UserToUser, other), [""; 0], "{other}");
            assert_eq!(read(Form::OnlyUcid, other), [""; 0], "{other}");
        }
    }

    #[test]
    fn a_guid_is_the_same_however_it_is_written() {
        let digits = "91036128574411e789f9d0ff56c3c658";
        for value in [
            "2432917800-1464078823-2314850559-1455670872",
            "91036128-574411E7-89F9D0FF-56C3C658",
            "{91036128-5744-11e7-89f9-d0ff56c3c658}",
            "91036128574411E789F9D0FF56C3C658",
        ] {
            assert_eq!(read(Form::Guid, value), [digits], "{value}");
        }
        assert_eq!(read(Form::Guid, "no guid"), ["no guid"]);
        assert_eq!(read(Form::Guid, "12345678-12345678-12345678-12345678"), ["12345678123456781234567812345678"]);
        assert_eq!(read(Form::Guid, "4294967296-1-1-1"), ["4294967296-1-1-1"], "33 bits");
    }

    #[test]
    fn a_session_id_has_two_halves() {
        let value = "AB30317f1a784dc48ff824d0d3715d86 ;remote=47755a9de7794ba387653f2099600ef2;x=y";
        let halves = ["ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2"];
        assert_eq!(read(Form::SipSession, value), halves);
        let null = "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000";
        assert_eq!(read(Form::SipSession, null), [halves[0]]);
        assert_eq!(read(Form::SipSession, "Call@host"), ["Call@host"]);
        assert_eq!(read(Form::SipSession, ""), [""; 0]);
    }

    #[test]
    fn what_is_typed_is_found_in_each_form() {
        assert!(search_forms(" 00FA080001000758A20EFA ").contains(&"00001000071487015674".to_string()));
        assert!(search_forms("FA080001000758a20efa").contains(&"00001000071487015674".to_string()));
        assert!(
            search_forms("2432917800-1464078823-2314850559-1455670872")
                .contains(&"91036128574411e789f9d0ff56c3c658".to_string())
        );
        assert_eq!(search_forms("Tracking-1@Host"), ["tracking-1@host"]);
        assert_eq!(search_forms("  "), [""; 0]);
    }

    #[test]
    fn values_are_bounded() {
        let long = "é".repeat(1000);
        assert_eq!(read(Form::Text, &long)[0].len(), MAX_VALUE);
    }
}
