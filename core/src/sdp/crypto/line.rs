//! The value of an `a=crypto` attribute as it came: never shown with its keys.

use alloc::string::{String, ToString};
use core::fmt;
use core::mem;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroize;

/// What a key's characters become where a line is shown or written.
const BLANK: &str = "x";

/// The value of an `a=crypto` attribute. [`AsRef`] gives it as it is; whatever shows or writes it gets it without its keys.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct CryptoLine(String);

impl CryptoLine {
    /// Without its keys, at equal length.
    pub fn blanked(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        let mut pieces = self.0.split_inclusive("inline:");
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let end = piece.find(['|', ';', ' ', '\t']).unwrap_or(piece.len());
            let (key, rest) = piece.split_at(end);
            // Padding tells the length of the key, which its suite's name tells anyway.
            key.chars().for_each(|digit| out.push_str(if digit == '=' { "=" } else { BLANK }));
            out.push_str(rest);
        }
        out
    }
}

impl From<&str> for CryptoLine {
    fn from(value: &str) -> Self {
        Self(value.to_string())
    }
}

impl AsRef<str> for CryptoLine {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.blanked())
    }
}

impl Serialize for CryptoLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.blanked())
    }
}

impl Drop for CryptoLine {
    fn drop(&mut self) {
        mem::take(&mut self.0).zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_line_is_shown_and_written_without_its_keys() {
        let line = CryptoLine::from("1 AEAD_AES_128_GCM inline:c2VjcmV0==|2^20|1:4;inline:bW9yZQ==|2:4 WSH=64");
        let blank = "1 AEAD_AES_128_GCM inline:xxxxxxxx==|2^20|1:4;inline:xxxxxx==|2:4 WSH=64";
        assert_eq!(format!("{line:?}"), blank);
        assert_eq!(serde_json::to_string(&line).unwrap(), format!("\"{blank}\""));
        assert!(line.as_ref().contains("c2VjcmV0"));
    }
}
