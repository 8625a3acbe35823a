//! Real-time text (RFC 4103, T.140): what was typed, line by line, with what redundancy (RFC 2198) brings once more.

use alloc::string::String;
use alloc::vec::Vec;

use super::order::Place;
use super::sheet::TextSheet;
use super::track::Heard;
use crate::entry::PortIndex;

/// Lines of a recording, and characters of all of them.
const MAX_LINES: usize = 10_000;
const MAX_BYTES: usize = 1 << 20;
/// Characters of a line.
const MAX_LINE_BYTES: usize = 4_096;
/// Sources that type.
const MAX_SOURCES: usize = 64;
/// Generations of redundancy (RFC 4103 4.2 has two).
const MAX_GENERATIONS: usize = 8;
/// A line ends when nothing was typed for so long.
const PAUSE_NS: i64 = 10_000_000_000;
/// What stands for text that is lost (T.140 Addendum 1).
const LOST: char = char::REPLACEMENT_CHARACTER;

/// What was typed, up to the last entry.
#[derive(Debug, Default)]
pub(super) struct Text {
    lines: Vec<Line>,
    /// By source: its line at hand, and when it last typed.
    at_hand: Vec<(usize, Option<usize>, i64)>,
    bytes: usize,
}

#[derive(Debug)]
struct Line {
    at: i64,
    port: PortIndex,
    text: String,
}

impl Text {
    /// Takes a packet of text; `is_redundant` says that it is one of RFC 2198.
    pub(super) fn packet(&mut self, at: i64, port: PortIndex, heard: &Heard<'_>, is_redundant: bool) {
        let blocks = if is_redundant { redundant(heard.payload) } else { alloc::vec![heard.payload] };
        let Some((primary, before)) = blocks.split_last() else { return };
        let missing = match heard.place {
            Place::Next { missing } => usize::try_from(missing).unwrap_or(usize::MAX),
            Place::First | Place::Restart => 0,
            // What it brought was brought once more since, or is marked as lost.
            Place::Late | Place::Duplicate => return,
        };
        let known = before.len().min(missing);
        if missing > known {
            self.type_in(at, port, heard.source, LOST);
        }
        for block in before.iter().skip(before.len() - known).chain([primary]) {
            for character in String::from_utf8_lossy(block).chars() {
                self.type_in(at, port, heard.source, character);
            }
        }
    }

    /// The lines in order of time.
    pub(super) fn sheets(
        &self,
        ms: impl Fn(i64) -> u64,
        label: impl Fn(PortIndex) -> Option<String>,
    ) -> Vec<TextSheet> {
        let lines = self.lines.iter().filter(|line| !line.text.is_empty());
        lines.map(|line| TextSheet { at_ms: ms(line.at), label: label(line.port), text: line.text.clone() }).collect()
    }

    fn type_in(&mut self, at: i64, port: PortIndex, source: usize, character: char) {
        let known = self.at_hand.iter().position(|(known, _, _)| *known == source);
        let hand = match known {
            Some(hand) => hand,
            None if self.at_hand.len() < MAX_SOURCES => {
                self.at_hand.push((source, None, at));
                self.at_hand.len() - 1
            }
            None => return,
        };
        let Some((_, line, last)) = self.at_hand.get_mut(hand) else { return };
        if at.saturating_sub(core::mem::replace(last, at)) > PAUSE_NS {
            *line = None;
        }
        match character {
            // T.140 8: a byte order mark, the bell and escapes are no text.
            '\u{feff}' | '\u{7}' | '\u{1b}' => {}
            '\r' | '\n' | '\u{2028}' | '\u{2029}' => *line = None,
            '\u{8}' => {
                let line = line.and_then(|line| self.lines.get_mut(line));
                self.bytes -= line.and_then(|line| line.text.pop()).map_or(0, char::len_utf8);
            }
            character => {
                if self.bytes >= MAX_BYTES {
                    return;
                }
                let full = |line: usize| self.lines.get(line).is_none_or(|line| line.text.len() >= MAX_LINE_BYTES);
                let index = match line.filter(|&line| !full(line)) {
                    Some(index) => index,
                    None if self.lines.len() < MAX_LINES => {
                        self.lines.push(Line { at, port, text: String::new() });
                        self.lines.len() - 1
                    }
                    None => return,
                };
                *line = Some(index);
                if let Some(line) = self.lines.get_mut(index) {
                    line.text.push(character);
                    self.bytes += character.len_utf8();
                }
            }
        }
    }
}

/// The blocks of a packet of RFC 2198 3, oldest first, the primary last; none of one that is cut.
fn redundant(payload: &[u8]) -> Vec<&[u8]> {
    let (mut lengths, mut rest) = (Vec::new(), payload);
    loop {
        match rest {
            [head, tail @ ..] if head & 0x80 == 0 => {
                rest = tail;
                break;
            }
            // Payload type, 14 bits of time, 10 bits of length.
            [_, _, high, low, tail @ ..] if lengths.len() < MAX_GENERATIONS => {
                lengths.push(usize::from(high & 3) << 8 | usize::from(*low));
                rest = tail;
            }
            _ => return Vec::new(),
        }
    }
    let mut blocks = Vec::new();
    for length in lengths {
        let Some((block, tail)) = rest.split_at_checked(length) else { return Vec::new() };
        blocks.push(block);
        rest = tail;
    }
    blocks.push(rest);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn heard(sequence: i64, missing: Option<u64>, payload: &[u8]) -> Heard<'_> {
        let place = missing.map_or(Place::Late, |missing| Place::Next { missing });
        Heard {
            source: 0,
            sequence,
            place,
            format: Some(0),
            timestamp: 0,
            clock_rate: 1_000,
            is_event: false,
            payload,
            audio: None,
            noise: None,
        }
    }

    fn lines(text: &Text) -> Vec<(u64, String)> {
        let ms = |at: i64| u64::try_from(at / 1_000_000).unwrap();
        text.sheets(ms, |_| None).into_iter().map(|line| (line.at_ms, line.text)).collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_pauses_and_what_was_erased_is_gone() {
        let mut text = Text::default();
        let mut typed = |second: i64, characters: &str| {
            text.packet(second * SECOND, PortIndex(0), &heard(second, Some(0), characters.as_bytes()), false);
        };
        typed(0, "\u{feff}Hellp\u{8}");
        typed(1, "o\r\nhow are");
        typed(2, " you");
        typed(30, "?");
        assert_eq!(lines(&text), [(0, "Hello".into()), (1_000, "how are you".into()), (30_000, "?".into())]);
    }

    #[test]
    fn what_is_lost_comes_once_more_or_is_marked() {
        let mut text = Text::default();
        // Two generations of one character, then the new one: 98 is t140, 100 red.
        let packet = |two: u8, one: u8, new: u8| [0x80 | 98, 0, 0, 1, 0x80 | 98, 0, 0, 1, 98, two, one, new];
        let mut take = |sequence, missing, payload: &[u8]| {
            text.packet(0, PortIndex(0), &heard(sequence, missing, payload), true);
        };
        take(0, Some(0), &packet(b'.', b'.', b'a'));
        take(3, Some(2), &packet(b'b', b'c', b'd'));
        take(2, None, &packet(b'a', b'b', b'c'));
        take(7, Some(3), &packet(b'f', b'g', b'h'));
        take(8, Some(0), &[0x80 | 98, 0, 3]);
        assert_eq!(lines(&text), [(0, "abcd\u{fffd}fgh".into())]);
    }
}
