//! Samples become a file's octets, block by block: WAV, FLAC, Opus in Ogg.
//!
//! ```text
//! begin -> header, take ... take -> audio, finish -> the rest, and what of the header was not known before
//! ```
//!
//! Integers only, but for Opus: the same samples give the same octets. What is held in memory is a frame.

mod flac;
mod g711;
mod ogg;
mod opus;

use siprec_core::render::{FileCoding, FilePlan, wav};

use self::flac::Flac;
pub(crate) use self::g711::Law;
use self::opus::Opus;

pub(super) use self::flac::{crc8, crc16};

/// Text that stands in a file beside its audio, where the format has a place for it: name and value, as in Vorbis comments.
pub(crate) type Tags = [(&'static str, String)];

/// Writes one file.
#[derive(Debug)]
pub(crate) struct Encoder {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Wav { header: Vec<u8>, law: Option<Box<Law>>, padding: u64 },
    Flac(Box<Flac>),
    Opus(Box<Opus>),
}

/// Octets that replace what was written at the file's beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Encoder {
    /// The encoder of `file`.
    pub(crate) fn new(file: &FilePlan, tags: &Tags) -> Self {
        let wav = |law: Option<Law>| Form::Wav {
            header: file.wav().header(),
            law: law.map(Box::new),
            padding: file.wav().padding(),
        };
        let form = match file.coding {
            FileCoding::Pcm16 => wav(None),
            FileCoding::ALaw => wav(Some(Law::a())),
            FileCoding::MuLaw => wav(Some(Law::mu())),
            FileCoding::Flac => Form::Flac(Box::new(Flac::new(file, tags))),
            FileCoding::Opus => Form::Opus(Box::new(Opus::new(file, tags))),
        };
        Self { form }
    }

    /// Appends what stands before the audio.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Wav { header, .. } => out.extend_from_slice(header),
            Form::Flac(flac) => flac.begin(out),
            Form::Opus(opus) => opus.begin(out),
        }
    }

    /// Takes the next samples, interleaved, and appends what they become.
    pub(crate) fn take(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Wav { law: None, .. } => wav::append_samples(out, samples),
            Form::Wav { law: Some(law), .. } => law.append(samples, out),
            Form::Flac(flac) => flac.take(samples, out),
            Form::Opus(opus) => opus.take(samples, out),
        }
    }

    /// Appends what remains; says what is to be written over the beginning.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> Option<Patch> {
        match self.form {
            Form::Wav { padding, .. } => {
                out.extend((0..padding).map(|_| 0));
                None
            }
            Form::Flac(flac) => Some(flac.finish(out)),
            Form::Opus(opus) => {
                opus.finish(out);
                None
            }
        }
    }
}

/// A Vorbis comment's body: vendor and tags (as in FLAC and in RFC 7845 5.2).
fn comments(tags: &Tags) -> Vec<u8> {
    let mut out = Vec::new();
    let mut text = |text: &str| {
        out.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        out.extend(text.as_bytes());
    };
    text(concat!("siprec ", env!("CARGO_PKG_VERSION")));
    let lines: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let count = u32::try_from(lines.len()).unwrap_or(0);
    let mut rest = Vec::new();
    for line in &lines {
        rest.extend(u32::try_from(line.len()).unwrap_or(0).to_le_bytes());
        rest.extend(line.as_bytes());
    }
    out.extend(count.to_le_bytes());
    out.extend(rest);
    out
}
