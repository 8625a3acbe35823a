//! The m-lines of the newest description that the SRC sent, and which of them we answered with a port.

use alloc::string::String;
use alloc::vec::Vec;

use crate::deviation::{Deviation, Deviations, codes, quote};
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
    /// `video RTP/AVP H264/90000`.
    words: String,
}

/// A line whose port is not 0.
#[derive(Debug)]
pub(super) struct OpenLine<'l> {
    pub(super) m_line: u16,
    pub(super) label: Option<&'l str>,
}

impl Lines {
    /// The SRC describes its lines, in a message of this CSeq.
    pub(super) fn described(&mut self, cseq: Option<u32>, description: Description) {
        let line = |media: Media| Line { words: words(&media), is_open: media.port != 0, label: media.label };
        self.cseq = cseq;
        self.lines = description.media.into_iter().map(line).collect();
    }

    /// We answer; yields what of an offer is not recorded (RFC 3264 6).
    pub(super) fn answered(&self, cseq: Option<u32>, answer: &Description) -> Vec<Deviation> {
        let mut deviations = Deviations::default();
        if self.cseq != cseq {
            return deviations.0;
        }
        let pairs = self.lines.iter().zip(&answer.media).enumerate();
        for (place, (line, _)) in pairs.filter(|(_, (line, ours))| line.is_open && ours.port == 0) {
            let told = format_args!("m-line {} ({}) was answered with port 0", place + 1, quote(&line.words));
            deviations.add(&codes::MEDIA_NOT_RECORDED, told);
        }
        deviations.0
    }

    /// Labels of all lines.
    pub(super) fn labels(&self) -> Vec<Option<&str>> {
        self.lines.iter().map(|line| line.label.as_deref()).collect()
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
