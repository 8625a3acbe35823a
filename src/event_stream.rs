//! Server-sent events of a running server, line by line, however they are cut on their way.

use anyhow::Result;

/// A longer line is no event: seconds of twenty thousand streams are a tenth of it.
const MAX_LINE: usize = 64 << 20;

/// Lines of a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes a piece, and gives `line` what is whole.
    ///
    /// # Errors
    /// A line has no end, or those of `line`.
    pub(crate) fn take(&mut self, piece: &[u8], line: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let mut parts = piece.split(|octet| *octet == b'\n');
        // The last part has no end yet.
        let mut part = parts.next().unwrap_or_default();
        for next in parts {
            self.begun.extend_from_slice(part);
            let taken = std::str::from_utf8(&self.begun).map_or(Ok(()), |text| line(text.trim_end_matches('\r')));
            self.begun.clear();
            taken?;
            part = next;
        }
        self.begun.extend_from_slice(part);
        anyhow::ensure!(self.begun.len() <= MAX_LINE, "the server sends an event without an end");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = b"id: a\ndata: {\"x\": 1}\r\n\n:\nda";
        for size in [1, 3, 7, 100] {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines
                    .take(piece, &mut |line| {
                        seen.push(line.to_owned());
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(seen, ["id: a", "data: {\"x\": 1}", "", ":"], "{size}");
            assert_eq!(lines.begun, b"da");
        }
    }
}
