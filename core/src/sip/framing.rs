//! Messages out of a stream (RFC 3261 18.3, 7.5; RFC 5626 3.5.1): cut by Content-Length, however the bytes arrive.
//!
//! Memory is bounded by [`MAX_MESSAGE`] and the largest piece pushed, if frames are taken after each push. Time is
//! linear in the bytes: what was looked at is not looked at again.

use alloc::vec::Vec;

use super::message::{MAX_MESSAGE, ParseError};
use super::parse::{Head, NO_LENGTH, TOO_LARGE};

/// What a stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of one message, for [`Message::parse_datagram`](super::Message::parse_datagram).
    Message(Vec<u8>),
    /// A double CRLF between messages: one CRLF is to be sent at once (RFC 5626 4.4.1).
    Ping,
    /// The stream cannot be followed any further: answer if it can be answered, then close. Nothing comes after it.
    Broken(ParseError),
}

/// One stream's bytes, waiting to be whole messages.
#[derive(Debug, Clone, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    /// How far the end of its head was looked for.
    looked: usize,
    /// Its length, once its head is whole.
    length: Option<usize>,
    broken: bool,
}

impl Framer {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes in, in any portions. Call [`Framer::next`] until `None` after each.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        if self.start > 0 {
            // What is left is less than one message, and is moved once a push at most.
            self.buffer.drain(..self.start);
            self.looked = self.looked.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the rest of their message; a caller closes streams that keep some for long.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The next frame, if it is whole.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end at the first None; this goes on")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        if self.length.is_none() {
            if let Some(ping) = self.skip_line_ends() {
                return Some(ping);
            }
            let Some(head) = self.find_head() else {
                return (self.pending() > MAX_MESSAGE).then(|| self.refuse_oversize());
            };
            let head_len = head.len;
            match head.content_length {
                Ok(Some(body)) if head_len.saturating_add(body) <= MAX_MESSAGE => self.length = Some(head_len + body),
                Ok(Some(_)) => return Some(self.break_off(head.refuse(TOO_LARGE))),
                Ok(None) => return Some(self.break_off(head.refuse(NO_LENGTH))),
                Err(fault) => return Some(self.break_off(head.refuse(fault))),
            }
        }
        let end = self.start + self.length?;
        let message = self.buffer.get(self.start..end)?.to_vec();
        self.start = end;
        self.looked = end;
        self.length = None;
        Some(Frame::Message(message))
    }

    /// Passes over line ends before a message (RFC 3261 7.5); two CRLFs are a ping.
    fn skip_line_ends(&mut self) -> Option<Frame> {
        loop {
            let step = match self.buffer.get(self.start..).unwrap_or_default() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.start += 4;
                    return Some(Frame::Ping);
                }
                // Not yet known what they are.
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return None,
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => return None,
            };
            self.start += step;
        }
    }

    /// The head of the message at `start`, once its empty line is there.
    fn find_head(&mut self) -> Option<Head> {
        let mut at = self.looked.max(self.start);
        loop {
            let rest = self.buffer.get(at..).unwrap_or_default();
            let Some(line_end) = rest.iter().position(|&byte| byte == b'\n') else {
                self.looked = self.buffer.len();
                return None;
            };
            let after = at + line_end + 1;
            let blank = match self.buffer.get(after..).unwrap_or_default() {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                // The line end has to be looked at again, with what follows it.
                [] | [b'\r'] => {
                    self.looked = after - 1;
                    return None;
                }
                _ => {
                    at = after;
                    continue;
                }
            };
            let end = after + blank;
            if end - self.start > MAX_MESSAGE {
                self.looked = end;
                return None;
            }
            return self.buffer.get(self.start..end).map(Head::read);
        }
    }

    fn refuse_oversize(&mut self) -> Frame {
        let head = Head::read(self.buffer.get(self.start..self.start + MAX_MESSAGE).unwrap_or_default());
        self.break_off(head.refuse(TOO_LARGE))
    }

    fn break_off(&mut self, error: ParseError) -> Frame {
        self.broken = true;
        self.buffer = Vec::new();
        self.start = 0;
        Frame::Broken(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Message;
    use alloc::format;
    use alloc::string::String;

    fn options(body: &str) -> String {
        let head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:f@b>;tag=1\r\n\
                    To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn frames(bytes: &[u8], step: usize) -> Vec<Frame> {
        let mut framer = Framer::new();
        let mut found = Vec::new();
        for piece in bytes.chunks(step) {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                found.push(frame);
            }
        }
        found
    }

    #[test]
    fn splits_do_not_matter() {
        let (first, second) = (options("v=0\r\n\r\n\r\nx"), options(""));
        let stream = format!("\r\n{first}\r\n\r\n\r\n{second}\n{first}\r\n\r\n");
        let message = |text: &String| Frame::Message(text.clone().into_bytes());
        let expected = [message(&first), Frame::Ping, message(&second), message(&first), Frame::Ping];
        for step in [1, 2, 3, 7, 64, 10_000] {
            assert_eq!(frames(stream.as_bytes(), step), expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_message_without_length_breaks_the_stream_and_can_be_answered() {
        let text = options("").replace("Content-Length: 0\r\n", "");
        let found = frames(format!("{text}{}", options("")).as_bytes(), 5);
        let [Frame::Broken(error)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((error.status, error.section), (400, "RFC 3261 18.3"));
        assert!(error.answerable.is_some());
    }

    #[test]
    fn lengths_are_bounded() {
        let long = options("").replace("Content-Length: 0", "Content-Length: 99999999999999999999999");
        let found = frames(long.as_bytes(), 100);
        assert!(matches!(found.as_slice(), [Frame::Broken(ParseError { status: 513, answerable: Some(_), .. })]));
        let endless = format!("{}X: {}", options("").trim_end(), "y".repeat(100_000));
        let found = frames(endless.as_bytes(), 1000);
        assert!(matches!(found.as_slice(), [Frame::Broken(ParseError { status: 513, .. })]));
        let mut framer = Framer::new();
        for _ in 0..100 {
            framer.push(&[b'a'; 10_000]);
            while framer.next().is_some() {}
        }
        assert!(framer.buffer.len() <= MAX_MESSAGE);
    }

    #[test]
    fn what_was_given_out_is_not_kept() {
        let message = options("");
        let mut framer = Framer::new();
        for _ in 0..50 {
            framer.push(message.as_bytes());
            assert_eq!(framer.pending(), message.len());
            assert!(matches!(framer.next(), Some(Frame::Message(_))));
            assert_eq!(framer.pending(), 0);
        }
        framer.push(&message.as_bytes()[..20]);
        assert_eq!((framer.next(), framer.pending(), framer.buffer.len()), (None, 20, 20));
    }

    #[test]
    fn the_largest_message_passes_and_one_byte_more_does_not() {
        let fill = |length: usize| {
            let body = |n: usize| options(&"y".repeat(n));
            let head = body(10_000).len() - 10_000;
            body(length - head)
        };
        assert!(matches!(frames(fill(MAX_MESSAGE).as_bytes(), 4096).as_slice(), [Frame::Message(_)]));
        assert!(matches!(frames(fill(MAX_MESSAGE + 1).as_bytes(), 4096)[0], Frame::Broken(_)));
        // Behind another message, its own head says who is refused.
        let found = frames((options("") + &fill(MAX_MESSAGE + 1)).as_bytes(), 2 * MAX_MESSAGE);
        let [Frame::Message(_), Frame::Broken(ParseError { answerable: Some(_), .. })] = found.as_slice() else {
            panic!("{found:?}")
        };
        let endless = [b'a'; MAX_MESSAGE + 1];
        assert_eq!(frames(&endless[..MAX_MESSAGE], MAX_MESSAGE), []);
        assert_eq!(frames(&endless, MAX_MESSAGE + 1).len(), 1);
    }

    #[test]
    fn another_protocol_is_broken_off_without_an_answer() {
        let found = frames(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100);
        assert!(matches!(found.as_slice(), [Frame::Broken(ParseError { answerable: None, .. })]));
    }

    #[test]
    fn bare_line_feeds_end_a_head() {
        let text = options("abc").replace("\r\n", "\n");
        let found = frames(text.as_bytes(), 1);
        let [Frame::Message(bytes)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(Message::parse_datagram(bytes).unwrap().body, b"abc");
    }
}
