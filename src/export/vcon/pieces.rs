//! A vCon as text with audio between: written without being held, and found again in a file that is there.

use std::io::{Read, Write};

use anyhow::Result;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use base64::read::DecoderReader;
use siprec_core::render::Sidecar;

use super::encoding::Encoding;
use crate::export::digest::{BLOCK, Digested};

/// One after another they are the vCon.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// The file of this index in the sheet, base64url without padding.
    Audio(usize),
}

/// Told which file to write, and where to.
pub(super) type WriteAudio<'a> = &'a mut dyn FnMut(usize, &mut dyn Write) -> Result<()>;

/// Octets that so many take in base64 without padding.
pub(super) fn encoded_length(octets: u64) -> u64 {
    octets / 3 * 4 + [0, 2, 3].get((octets % 3) as usize).copied().unwrap_or_default()
}

impl Pieces {
    /// Adds text.
    pub(super) fn text(&mut self, more: &[u8]) {
        match self.0.last_mut() {
            Some(Piece::Text(text)) => text.extend_from_slice(more),
            Some(Piece::Audio(_)) | None => self.0.push(Piece::Text(more.to_vec())),
        }
    }

    /// Adds a file's audio.
    pub(super) fn audio(&mut self, index: usize) {
        self.0.push(Piece::Audio(index));
    }

    /// All of it, in octets; files as long as the sheet says.
    pub(super) fn length(&self, sidecar: &Sidecar) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len() as u64,
            Piece::Audio(index) => encoded_length(sidecar.files.get(*index).map_or(0, |file| file.bytes)),
        };
        self.0.iter().map(length).sum()
    }

    /// Writes it; `audio` is asked for each file.
    pub(super) fn write(&self, out: &mut dyn Write, audio: WriteAudio<'_>) -> Result<()> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Audio(index) => {
                    let mut encoder = Encoding::new(&mut *out);
                    audio(*index, &mut encoder)?;
                    encoder.finish()?;
                }
            }
        }
        Ok(())
    }

    /// Whether `input` is it, the audio by the SHA-256 that the sheet gives, and nothing more.
    pub(super) fn is_in(&self, input: &mut dyn Read, sidecar: &Sidecar) -> bool {
        let mut more = [0];
        self.0.iter().all(|piece| is_next(piece, input, sidecar)) && matches!(input.read(&mut more), Ok(0))
    }
}

fn is_next(piece: &Piece, input: &mut dyn Read, sidecar: &Sidecar) -> bool {
    let index = match piece {
        Piece::Text(text) => {
            let mut found = vec![0; text.len()];
            return input.read_exact(&mut found).is_ok() && found == *text;
        }
        Piece::Audio(index) => *index,
    };
    let Some(file) = sidecar.files.get(index) else { return false };
    let mut audio = DecoderReader::new(input.take(encoded_length(file.bytes)), &BASE64_URL_SAFE_NO_PAD);
    let (mut digested, mut block) = (Digested::default(), vec![0; BLOCK]);
    loop {
        match audio.read(&mut block) {
            Ok(0) => break,
            Ok(count) => digested.take(block.get(..count).unwrap_or_default()),
            Err(_) => return false,
        }
    }
    let (bytes, sha256) = digested.finish();
    bytes == file.bytes && sha256.eq_ignore_ascii_case(&file.sha256)
}
