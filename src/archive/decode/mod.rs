//! A finished file's samples, block by block: of WAV and FLAC as siprec writes them, the way back from `encode`.
//!
//! What is not as it was written is an error, never a sample: headers, checksums, lengths and digests are all compared.

mod flac;
mod wav;

use std::io;

use sha2::{Digest as _, Sha256};
use siprec_core::render::wav::append_samples;
use siprec_core::render::{FileCoding, FileSheet};

use self::flac::Flac;
use self::wav::Wav;
use super::disk::Reading;
use super::recordings::hexadecimal;

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Decoder {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Wav(Wav),
    Flac(Box<Flac>),
}

impl Decoder {
    /// The decoder of the file that `sheet` tells of, which `input` reads; none of one whose samples are not kept exactly.
    ///
    /// # Errors
    /// The disk's; `InvalidData` where it does not begin as the sheet says.
    pub(crate) fn open(sheet: &FileSheet, input: Reading) -> io::Result<Option<Self>> {
        let form = match sheet.coding {
            FileCoding::Pcm16 | FileCoding::ALaw | FileCoding::MuLaw => Form::Wav(Wav::open(sheet, input)?),
            FileCoding::Flac => Form::Flac(Box::new(Flac::open(sheet, input)?)),
            FileCoding::Opus => return Ok(None),
        };
        Ok(Some(Self { form }))
    }

    /// Puts the next samples into `samples`, interleaved, in place of what is there; none at the end.
    ///
    /// # Errors
    /// The disk's; `InvalidData` where it is damaged, at the latest at its end.
    pub(super) fn next(&mut self, samples: &mut Vec<i16>) -> io::Result<bool> {
        samples.clear();
        match &mut self.form {
            Form::Wav(wav) => wav.next(samples),
            Form::Flac(flac) => flac.next(samples),
        }
    }

    /// Gives all samples to `take`; their SHA-256 in hexadecimal, as 16 bits each, the least octet first.
    ///
    /// # Errors
    /// Those of the disk; `InvalidData` where it is damaged, at the latest at its end; and those of `take`.
    pub(crate) fn each(&mut self, take: &mut dyn FnMut(&[i16]) -> io::Result<()>) -> io::Result<String> {
        let (mut hash, mut samples, mut octets) = (Sha256::new(), Vec::new(), Vec::new());
        while self.next(&mut samples)? {
            octets.clear();
            append_samples(&mut octets, &samples);
            hash.update(&octets);
            take(&samples)?;
        }
        Ok(hexadecimal(&hash.finalize()))
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::disk::{Disk as _, FakeDisk};
    use crate::archive::encode::Encoder;
    use siprec_core::render::FilePlan;
    use std::path::Path;

    pub(super) fn sheet(coding: FileCoding, channels: u16, frames: u64) -> FileSheet {
        let json = serde_json::json!({
            "name": "1.wav", "bytes": 0, "sha256": "", "format": coding.format(), "coding": coding, "sample_rate": 8000,
            "channels": channels, "frames": frames
        });
        serde_json::from_value(json).unwrap()
    }

    /// The file of these samples.
    fn encoded(coding: FileCoding, channels: u16, samples: &[i16]) -> (FileSheet, Vec<u8>) {
        let sheet = sheet(coding, channels, (samples.len() / usize::from(channels)) as u64);
        let (mut encoder, mut out) = (Encoder::new(&FilePlan::recoded(&sheet, coding), &[]), Vec::new());
        encoder.begin(&mut out);
        samples.chunks(1000).for_each(|part| encoder.take(part, &mut out));
        if let Some(patch) = encoder.finish(&mut out) {
            let at = patch.offset as usize;
            out[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        (sheet, out)
    }

    fn decoded(sheet: &FileSheet, octets: &[u8]) -> io::Result<Vec<i16>> {
        let disk = FakeDisk::new(0);
        let file = disk.create_new(Path::new("1")).unwrap();
        file.write_at(0, octets).unwrap();
        let mut decoder = Decoder::open(sheet, Reading::of(file))?.expect("a form that keeps samples");
        let (mut all, mut some) = (Vec::new(), Vec::new());
        while decoder.next(&mut some)? {
            all.extend_from_slice(&some);
        }
        Ok(all)
    }

    /// Speech-like, loud, constant, noise, and extremes: each kind of subframe and of stereo.
    fn sounds(channels: usize) -> Vec<Vec<i16>> {
        let mut state = 1_u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16 as i16
        };
        let wave = |n: usize, side: usize| ((n as f64 * (0.03 + side as f64 * 0.011)).sin() * 9000.0) as i16;
        let frames = 9_001;
        let each = |f: &mut dyn FnMut(usize, usize) -> i16| -> Vec<i16> {
            (0..frames).flat_map(|n| (0..channels).map(move |side| (n, side))).map(|(n, side)| f(n, side)).collect()
        };
        vec![
            Vec::new(),
            each(&mut |_, _| 0),
            each(&mut |n, side| wave(n, side)),
            each(&mut |n, _| wave(n, 0)),
            each(&mut |n, side| wave(n, 0).wrapping_add(side as i16 * 3)),
            each(&mut |_, _| noise()),
            each(&mut |n, side| if (n + side) % 2 == 0 { i16::MAX } else { i16::MIN }),
            each(&mut |n, side| if n / 300 % 2 == side { 0 } else { wave(n, side) / 8 * 8 }),
        ]
    }

    #[test]
    fn what_was_encoded_comes_back_to_the_sample() {
        for channels in [1_u16, 2] {
            for (index, samples) in sounds(usize::from(channels)).iter().enumerate() {
                for coding in [FileCoding::Pcm16, FileCoding::Flac] {
                    let (sheet, octets) = encoded(coding, channels, samples);
                    let back = decoded(&sheet, &octets).unwrap();
                    assert!(back == *samples, "{coding:?}, {channels} channels, sound {index}");
                }
            }
        }
    }

    #[test]
    fn g711_comes_back_as_its_values() {
        for (coding, values) in
            [(FileCoding::ALaw, &siprec_core::codec::ALAW), (FileCoding::MuLaw, &siprec_core::codec::MULAW)]
        {
            let (sheet, octets) = encoded(coding, 1, values);
            assert_eq!(decoded(&sheet, &octets).unwrap(), values, "{coding:?}");
        }
    }

    #[test]
    fn no_octet_may_change_and_none_may_lack() {
        let samples = &sounds(2)[2][..600];
        for coding in [FileCoding::Pcm16, FileCoding::Flac] {
            let (sheet, octets) = encoded(coding, 2, samples);
            for cut in [1, octets.len() / 2, octets.len() - 1] {
                assert!(decoded(&sheet, &octets[..cut]).is_err(), "{coding:?}, {cut} octets");
            }
            assert!(decoded(&sheet, &[&octets[..], &[0]].concat()).is_err(), "{coding:?}, one more");
        }
        let (sheet, octets) = encoded(FileCoding::Pcm16, 2, samples);
        for at in 0..44 {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(decoded(&sheet, &changed).is_err(), "octet {at} of the header");
        }
        let (sheet, octets) = encoded(FileCoding::Flac, 2, samples);
        // Text beside the audio is nobody's to check here.
        let comments = 42 + 4 + usize::from(octets[45]);
        for at in (0..octets.len()).filter(|at| !(42..comments).contains(at)) {
            let mut changed = octets.clone();
            changed[at] ^= 0x10;
            let got = decoded(&sheet, &changed);
            // Sizes of blocks and frames in STREAMINFO say nothing of the samples.
            assert!(got.is_err() || (8..18).contains(&at), "octet {at}");
        }
    }

    #[test]
    fn opus_is_none_of_those() {
        let sheet = sheet(FileCoding::Opus, 1, 0);
        let file = FakeDisk::new(0).create_new(Path::new("1")).unwrap();
        assert!(Decoder::open(&sheet, Reading::of(file)).unwrap().is_none());
    }
}
