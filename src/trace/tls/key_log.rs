//! Key logs in the NSS format (draft-ietf-tls-keylogfile): a label, the client's random, a secret.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead};

use zeroize::Zeroizing;

/// TLS 1.2: the master secret.
pub(super) const CLIENT_RANDOM: &str = "CLIENT_RANDOM";
/// TLS 1.3.
pub(super) const CLIENT_EARLY: &str = "CLIENT_EARLY_TRAFFIC_SECRET";
/// TLS 1.3.
pub(super) const CLIENT_HANDSHAKE: &str = "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
/// TLS 1.3.
pub(super) const SERVER_HANDSHAKE: &str = "SERVER_HANDSHAKE_TRAFFIC_SECRET";
/// TLS 1.3.
pub(super) const CLIENT_TRAFFIC: &str = "CLIENT_TRAFFIC_SECRET_0";
/// TLS 1.3.
pub(super) const SERVER_TRAFFIC: &str = "SERVER_TRAFFIC_SECRET_0";
const LABELS: [&str; 6] =
    [CLIENT_RANDOM, CLIENT_EARLY, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT_TRAFFIC, SERVER_TRAFFIC];

/// Octets of the longest line: a label and twice 64 hexadecimal digits at most, with room for comments.
const MAX_LINE: u64 = 4_096;

/// The keys of any number of connections.
#[derive(Default)]
pub struct KeyLog {
    secrets: HashMap<(&'static str, [u8; 32]), Zeroizing<Vec<u8>>>,
}

/// Why a key log cannot be read.
#[derive(Debug)]
pub enum KeyLogError {
    /// The file.
    Read(io::Error),
    /// No line of it is a line of a key log; the first that is neither empty nor a comment, counted from 1.
    NotAKeyLog {
        /// Which line.
        line: usize,
    },
}

impl fmt::Display for KeyLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot be read: {error}"),
            Self::NotAKeyLog { line } => write!(
                f,
                "line {line}: not a line of a key log (LABEL, client random, secret, in hexadecimal digits; \
                 SSLKEYLOGFILE makes such files)"
            ),
        }
    }
}

impl std::error::Error for KeyLogError {}

impl KeyLog {
    /// Reads a log. Labels that are not known, and lines that are cut off as a log is still written, are passed over.
    ///
    /// # Errors
    /// The file cannot be read, or nothing in it is of a key log.
    pub fn read(mut file: impl BufRead) -> Result<Self, KeyLogError> {
        let mut log = Self::default();
        let (mut line, mut number, mut first_wrong, mut has_right) = (Vec::new(), 0, None, false);
        loop {
            line.clear();
            let taken = io::Read::take(&mut file, MAX_LINE).read_until(b'\n', &mut line).map_err(KeyLogError::Read)?;
            if taken == 0 {
                break;
            }
            number += 1;
            let text = line.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            match log.line(text) {
                Some(()) => has_right = true,
                None => first_wrong = first_wrong.or(Some(number)),
            }
        }
        match first_wrong {
            Some(line) if !has_right => Err(KeyLogError::NotAKeyLog { line }),
            Some(_) | None => Ok(log),
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
        let random: [u8; 32] = hex(random)?.as_slice().try_into().ok()?;
        let secret = hex(secret)?;
        let known = LABELS.into_iter().find(|known| known.as_bytes() == label);
        if let Some(label) = known {
            self.secrets.insert((label, random), secret);
        }
        Some(())
    }

    pub(super) fn secret(&self, label: &'static str, random: &[u8; 32]) -> Option<&[u8]> {
        self.secrets.get(&(label, *random)).map(|secret| secret.as_slice())
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLog({} secrets)", self.secrets.len())
    }
}

fn hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let octets: Option<Vec<u8>> = pairs.iter().map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    octets.filter(|octets| rest.is_empty() && !octets.is_empty()).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_kind_are_read() {
        let random = "0a".repeat(32);
        let text = format!(
            "# made by hand\n\nCLIENT_RANDOM {random} {}\r\nEXPORTER_SECRET {random} 00ff\nSERVER_TRAFFIC_SECRET_0 {random} 00f",
            "AB".repeat(48)
        );
        let log = KeyLog::read(text.as_bytes()).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(log.secret(CLIENT_RANDOM, &[10; 32]), Some(&[0xab; 48][..]));
        assert_eq!(log.secret(SERVER_TRAFFIC, &[10; 32]), None);
        assert!(KeyLog::read(&b""[..]).unwrap().is_empty());
        let error = KeyLog::read(&b"# x\nINVITE sip:a@b SIP/2.0\n"[..]).unwrap_err();
        assert!(error.to_string().starts_with("line 2: not a line of a key log"), "{error}");
        assert!(KeyLog::read(&[0xff; 20_000][..]).is_err());
    }
}
