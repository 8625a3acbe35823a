//! Texts searched and numbers written without the machinery of `core::str::pattern` and `core::fmt`, which costs more
//! than the work on texts as short as those of a message.

use alloc::string::String;
use core::fmt::Write;
use core::net::IpAddr;

/// As many octets are looked through in words of eight: a search by SIMD costs more to begin than they do.
const SHORT: usize = 32;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// Where `byte`, which is ASCII, first stands.
#[inline]
pub(crate) fn find(text: &str, byte: u8) -> Option<usize> {
    find_any(text.as_bytes(), [byte])
}

/// Where the first of `any` stands: fast for three at most.
#[inline]
pub(crate) fn find_any<const N: usize>(bytes: &[u8], any: [u8; N]) -> Option<usize> {
    let (words, rest) = bytes.get(..SHORT).unwrap_or(bytes).as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest octet that is marked is one of them; those above it may be marked for nothing.
        let marked = any.iter().fold(0, |marked, byte| {
            let differs = word ^ (LOW_BITS * u64::from(*byte));
            marked | (differs.wrapping_sub(LOW_BITS) & !differs & HIGH_BITS)
        });
        if marked != 0 {
            return Some(n * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    let from = words.len() * 8;
    if bytes.len() <= SHORT {
        return rest.iter().position(|byte| any.contains(byte)).map(|at| from + at);
    }
    let long = bytes.get(from..)?;
    let found = match any.as_slice() {
        [one] => memchr::memchr(*one, long),
        [one, other] => memchr::memchr2(*one, *other, long),
        [one, other, third] => memchr::memchr3(*one, *other, *third, long),
        _ => long.iter().position(|byte| any.contains(byte)),
    };
    found.map(|at| from + at)
}

/// What stands before and behind the first `byte`, which is ASCII.
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find(text, byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Whether `line` begins with `prefix`, in whatever case.
pub(crate) fn starts_with(line: &[u8], prefix: &[u8]) -> bool {
    line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Where `needle` first stands in `line`, in whatever case.
pub(crate) fn position(line: &[u8], needle: &[u8]) -> Option<usize> {
    line.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

/// Adds `number` in decimal digits.
pub(crate) fn push_number(out: &mut String, number: u64) {
    // The largest has 20 digits.
    let (mut digits, mut left, mut start) = ([0_u8; 20], number, 20);
    loop {
        start -= 1;
        if let Some(digit) = digits.get_mut(start) {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.push_str(digits.get(start..).and_then(|digits| core::str::from_utf8(digits).ok()).unwrap_or_default());
}

/// Adds an address as `IpAddr` shows itself.
pub(crate) fn push_ip(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            for (place, octet) in v4.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push('.');
                }
                push_number(out, u64::from(octet));
            }
        }
        IpAddr::V6(v6) => {
            // Memory takes all that is written to it.
            let _ = write!(out, "{v6}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_do_what_the_standard_library_does(text in "a{0,60}[ab:é ]{0,9}", number: u64, ip: IpAddr) {
            prop_assert_eq!(split_once(&text, b':'), text.split_once(':'));
            prop_assert_eq!(find(&text, b':'), text.find(':'));
            let bytes = text.as_bytes();
            prop_assert_eq!(find_any(bytes, [b'b', b':']), text.find(['b', ':']));
            prop_assert_eq!(find_any(bytes, [b'b', 0xa9, b':']), bytes.iter().position(|b| b"b\xa9:".contains(b)));
            let mut out = "x".to_string();
            push_number(&mut out, number);
            push_ip(&mut out, ip);
            prop_assert_eq!(out, alloc::format!("x{number}{ip}"));
        }
    }

    #[test]
    fn the_ends_of_numbers() {
        for number in [0, 9, 10, u64::MAX] {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }
}
