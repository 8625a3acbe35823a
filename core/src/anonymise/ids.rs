//! Ids of calls in the forms that vendors write them in: what stands for one is the same in each form, so that recordings
//! that belonged together still do.

use alloc::string::String;
use alloc::vec::Vec;

use super::codings::to_hex;
use super::walk::Walk;
use crate::vendor;

/// Hexadecimal digits of a GUID or half a Session-ID (RFC 7989).
const GUID_DIGITS: usize = 32;
/// Hexadecimal digits of a UCID.
const UCID_DIGITS: usize = 16;
/// Decimal digits of a UCID: five, five and ten.
const UCID_DECIMALS: usize = 20;
/// Decimal digits of 32 bits.
const WORD_DECIMALS: usize = 10;

/// Writes what stands for `word` if it is such an id.
pub(super) fn id(walk: &mut Walk<'_>, word: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(word) else { return false };
    let other = guid(walk, text).or_else(|| four_numbers(walk, text)).or_else(|| ucid(walk, text));
    let other = other.or_else(|| avaya(walk, text));
    other.inspect(|other| walk.keep(other)).is_some()
}

/// Groups of eight hexadecimal digits, each turned into others.
fn words(walk: &Walk<'_>, digits: &str, like: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len());
    for group in digits.as_bytes().chunks(8) {
        let word = u32::from_str_radix(core::str::from_utf8(group).ok()?, 16).ok()?;
        // Nothing is nothing: the null UUID of RFC 7989 5.
        let other = if word == 0 { 0 } else { walk.word(word) };
        out.extend(to_hex(&other.to_be_bytes(), like));
    }
    Some(out)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 32 hexadecimal digits, with dashes wherever.
fn guid(walk: &Walk<'_>, text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != GUID_DIGITS || !is_hex(&digits) || text.len() > GUID_DIGITS + 4 {
        return None;
    }
    let mut others = words(walk, &digits, text.as_bytes())?.into_iter();
    Some(text.bytes().map(|byte| if byte == b'-' { byte } else { others.next().unwrap_or(b'0') }).collect())
}

/// Cisco's: four decimal numbers.
fn four_numbers(walk: &Walk<'_>, text: &str) -> Option<Vec<u8>> {
    let groups: Vec<&str> = text.split('-').collect();
    let is_number =
        |group: &&str| (1..=WORD_DECIMALS).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit());
    if groups.len() != 4 || !groups.iter().all(is_number) || !groups.iter().any(|group| group.len() > 8) {
        return None;
    }
    let numbers: Option<Vec<u32>> = groups.iter().map(|group| group.parse().ok()).collect();
    let others: Vec<String> = numbers?.into_iter().map(|number| alloc::format!("{}", walk.word(number))).collect();
    Some(others.join("-").into_bytes())
}

/// Avaya's, in hexadecimal or decimal digits.
fn ucid(walk: &Walk<'_>, text: &str) -> Option<Vec<u8>> {
    if text.len() == UCID_DIGITS && is_hex(text) && !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return ucid_digits(walk, text);
    }
    if text.len() != UCID_DECIMALS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let node: u16 = text.get(..5)?.parse().ok()?;
    let sequence: u16 = text.get(5..10)?.parse().ok()?;
    let seconds: u32 = text.get(10..)?.parse().ok()?;
    let other = ucid_digits(walk, &alloc::format!("{node:04x}{sequence:04x}{seconds:08x}"))?;
    let other = core::str::from_utf8(&other).ok()?;
    let number = |from: usize, to: usize| u32::from_str_radix(other.get(from..to)?, 16).ok();
    Some(alloc::format!("{:05}{:05}{:010}", number(0, 4)?, number(4, 8)?, number(8, 16)?).into_bytes())
}

fn ucid_digits(walk: &Walk<'_>, digits: &str) -> Option<Vec<u8>> {
    words(walk, &digits.to_ascii_lowercase(), digits.as_bytes())
}

/// Avaya's in user-to-user data; what else stands there is for others.
fn avaya(walk: &mut Walk<'_>, text: &str) -> Option<Vec<u8>> {
    let place = vendor::avaya_ucid(text)?;
    let other = ucid_digits(walk, text.get(place.clone())?)?;
    let around = |walk: &mut Walk<'_>, digits: &str| match super::scan::hex(walk, digits.as_bytes()) {
        Some(other) => other,
        None => digits.as_bytes().to_vec(),
    };
    let mut out = around(walk, text.get(..place.start)?);
    out.extend(other);
    out.extend(around(walk, text.get(place.end..)?));
    Some(out)
}
