//! WAV with 16-bit samples or G.711. Its header is the one that its sheet leads to, to the octet.

use std::io::{self, Read as _};

use siprec_core::codec::{ALAW, MULAW};
use siprec_core::render::{FileCoding, FilePlan, FileSheet};

use super::damaged;
use crate::archive::disk::Reading;

/// Octets that are read at a time.
const BLOCK: usize = 128 * 1024;

/// Reads a WAV file.
#[derive(Debug)]
pub(super) struct Wav {
    input: Reading,
    coding: FileCoding,
    /// Octets of samples still to come, and what pads them.
    left: u64,
    padding: u64,
    block: Vec<u8>,
}

impl Wav {
    pub(super) fn open(sheet: &FileSheet, mut input: Reading) -> io::Result<Self> {
        let format = FilePlan::recoded(sheet, sheet.coding).wav();
        let header = format.header();
        let mut found = vec![0; header.len()];
        input.read_exact(&mut found).map_err(|_| damaged("it ends within its header"))?;
        if found != header {
            return Err(damaged("its header is not the one that its sheet leads to"));
        }
        let (left, padding) = (format.data_bytes(), format.padding());
        Ok(Self { input, coding: sheet.coding, left, padding, block: vec![0; BLOCK] })
    }

    pub(super) fn next(&mut self, samples: &mut Vec<i16>) -> io::Result<bool> {
        if self.left == 0 {
            return self.end();
        }
        let want = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        let Some(octets) = self.block.get_mut(..want) else { return Ok(false) };
        let is_short = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        self.input
            .read_exact(octets)
            .map_err(|error| if is_short(&error) { damaged("it ends within its samples") } else { error })?;
        self.left -= want as u64;
        match self.coding {
            FileCoding::ALaw => samples.extend(octets.iter().map(|octet| ALAW[usize::from(*octet)])),
            FileCoding::MuLaw => samples.extend(octets.iter().map(|octet| MULAW[usize::from(*octet)])),
            FileCoding::Pcm16 | FileCoding::Flac | FileCoding::Opus => {
                let pairs = octets.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
                samples.extend(pairs.map(i16::from_le_bytes));
            }
        }
        Ok(true)
    }

    /// Nothing follows but what pads it.
    fn end(&mut self) -> io::Result<bool> {
        let mut rest = Vec::new();
        self.input.by_ref().take(self.padding + 1).read_to_end(&mut rest)?;
        if rest.len() as u64 == self.padding && rest.iter().all(|octet| *octet == 0) {
            self.padding = 0;
            return Ok(false);
        }
        Err(damaged("it does not end where its samples do"))
    }
}
