//! base64url without padding, on its way. (That of the base64 crate gives up where what it writes to is another of its kind and
//! takes less than it was given.)

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Octets that are encoded at a time, whole threes.
const STEP: usize = 48 * 1024;

/// Encodes what is written to it.
pub(super) struct Encoding<'w> {
    out: &'w mut dyn Write,
    /// Octets that do not make three yet, or a step.
    waiting: Vec<u8>,
    text: String,
}

impl<'w> Encoding<'w> {
    /// Writes to `out`.
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self { out, waiting: Vec::with_capacity(STEP), text: String::new() }
    }

    fn encode(&mut self) -> io::Result<()> {
        self.text.clear();
        BASE64_URL_SAFE_NO_PAD.encode_string(&self.waiting, &mut self.text);
        self.waiting.clear();
        self.out.write_all(self.text.as_bytes())
    }

    /// Writes the rest. Without it the end is missing.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.encode()
    }
}

impl Write for Encoding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (now, _) = bytes.split_at(bytes.len().min(STEP - self.waiting.len()));
        self.waiting.extend_from_slice(now);
        if self.waiting.len() == STEP {
            self.encode()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
