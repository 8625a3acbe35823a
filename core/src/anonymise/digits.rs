//! Keys that a message tells of, as INFO does: other keys, at equal length.

use alloc::vec::Vec;

use super::walk::Walk;
use crate::media::dtmf::{KeyBody, KeyForm, key_bodies};

/// Octets of a line's name: `Signal=`, `d=`, `digits =`.
const NAMES: [&str; 4] = ["signal", "d", "d_1", "digits"];
/// Codes of RFC 4733 that are digits.
const DIGITS: u8 = 10;

/// The message with other keys; as it is where it tells of none.
pub(super) fn others(walk: &Walk<'_>, message: &[u8]) -> Option<Vec<u8>> {
    let bodies = key_bodies(message);
    if bodies.is_empty() {
        return None;
    }
    let mut out = message.to_vec();
    for KeyBody { form, octets } in bodies {
        let press = message.get(..octets.start).unwrap_or_default();
        let body = out.get_mut(octets).unwrap_or_default();
        match form {
            KeyForm::Event => {
                if let Some(code) = body.first_mut().filter(|code| **code < DIGITS) {
                    *code = walk.digit(*code, press);
                }
            }
            KeyForm::Opaque => body.iter_mut().for_each(|octet| *octet = b'0'),
            KeyForm::Relay | KeyForm::Bare | KeyForm::Nortel => lines(walk, form, press, body),
        }
    }
    Some(out)
}

fn lines(walk: &Walk<'_>, form: KeyForm, press: &[u8], body: &mut [u8]) {
    for line in body.split_mut(|byte| *byte == b'\n') {
        let equals = line.iter().position(|byte| *byte == b'=');
        let tells = match equals {
            Some(at) => {
                let name = line.get(..at).unwrap_or_default().trim_ascii();
                NAMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
            }
            None => form == KeyForm::Bare,
        };
        let from = equals.map_or(0, |at| at + 1);
        let value = line.get_mut(from..).filter(|_| tells).unwrap_or_default();
        // Two digits in one line are a code of RFC 4733 (`10` is the star), or several keys.
        let is_code = value.trim_ascii().len() == 2 && value.trim_ascii().starts_with(b"1");
        for (n, digit) in value.iter_mut().filter(|byte| byte.is_ascii_digit()).enumerate() {
            if !is_code {
                let at = [press, &n.to_be_bytes()].concat();
                *digit = b'0' + walk.digit(*digit - b'0', &at);
            }
        }
    }
}
