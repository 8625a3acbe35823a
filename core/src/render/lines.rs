//! The m-lines of the newest description that the SRC sent, and which of them we answered with a port.

use alloc::string::String;
use alloc::vec::Vec;

use crate::deviation::{Deviation, Deviations, codes, quote};
use crate::lint::DescribedLine;
use crate::sdp::{Description, Media};

/// Formats that are named of a line that is not recorded.
const MAX_FORMATS: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// CSeq of the request that brought them.
    cseq: Option<u32>,
}

#[derive(Debug)]
struct Line {
    label: Option<String>,
    is_open: bool,
    is_sending: bool,
    /// `video RTP/AVP H264/90000`.
    words: String,
}

impl Line {
    fn of(media: &Media) -> Self {
        let DescribedLine { label, is_open, is_sending } = DescribedLine::of(media);
        Self { label: label.map(String::from), is_open, is_sending, words: words(media) }
    }

    fn described(&self) -> DescribedLine<'_> {
        DescribedLine { label: self.label.as_deref(), is_open: self.is_open, is_sending: self.is_sending }
    }
}

/// A line whose port is not 0.
#[derive(Debug)]
pub(super) struct OpenLine<'l> {
    pub(super) m_line: u16,
    pub(super) label: Option<&'l str>,
}

impl Lines {
    /// The SRC describes its lines, in a message of this CSeq.
    pub(super) fn described(&mut self, cseq: Option<u32>, description: &Description) {
        self.cseq = cseq;
        self.lines = description.media.iter().map(Line::of).collect();
    }

    /// Whether a message of this CSeq answers the newest description.
    pub(super) fn is_answered_by(&self, cseq: Option<u32>) -> bool {
        self.cseq == cseq
    }

    /// We answer; yields what of an offer is not recorded (RFC 3264 6).
    pub(super) fn answered(&self, cseq: Option<u32>, answer: &Description) -> Vec<Deviation> {
        let mut deviations = Deviations::default();
        if !self.is_answered_by(cseq) {
            return deviations.0;
        }
        let pairs = self.lines.iter().zip(&answer.media).enumerate();
        for (place, (line, _)) in pairs.filter(|(_, (line, ours))| line.is_open && ours.port == 0) {
            let told = format_args!("m-line {} ({}) was answered with port 0", place + 1, quote(&line.words));
            deviations.add(&codes::MEDIA_NOT_RECORDED, told);
        }
        deviations.0
    }

    /// All lines, as they were described.
    pub(super) fn all(&self) -> Vec<DescribedLine<'_>> {
        self.lines.iter().map(Line::described).collect()
    }

    /// Those that are open.
    pub(super) fn open(&self) -> Vec<OpenLine<'_>> {
        let open = (0..).zip(&self.lines).filter(|(_, line)| line.is_open);
        open.map(|(m_line, line)| OpenLine { m_line, label: line.label.as_deref() }).collect()
    }
}

fn words(media: &Media) -> String {
    let mut words = alloc::format!("{} {}", media.kind, media.proto);
    for raw in media.formats_raw.iter().take(MAX_FORMATS) {
        let known = raw.parse().ok().and_then(|pt: u8| media.formats.iter().find(|format| format.payload_type == pt));
        match known {
            Some(format) => words += &alloc::format!(" {}/{}", format.encoding, format.clock_rate),
            None => words += &alloc::format!(" {raw}"),
        }
    }
    words
}
