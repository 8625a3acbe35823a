//! A session's SIP messages as the ladder of `siprec trace`: made when the server answers something else than before, laid out when
//! the width is another.

use siprec_core::trace::{Filter, Row, Sequence, Story, Style, Subject, Trace, Traced, ladder};

use super::scroll::Scroll;
use crate::api_answers::Signalling;

/// The messages of a session.
#[derive(Debug)]
pub(super) struct Ladder {
    answered: Signalling,
    story: Story,
    width: usize,
    pub(super) scroll: Scroll,
}

impl Default for Ladder {
    fn default() -> Self {
        let story = Trace::default().finish();
        Self { answered: Signalling::default(), story, width: 0, scroll: Scroll::default() }
    }
}

impl Ladder {
    /// Takes the server's answer. Which message is chosen stays, though older ones may be left out now.
    pub(super) fn take(&mut self, answered: Signalling) {
        if answered == self.answered {
            return;
        }
        let story = told(&answered);
        let chosen = self.message().and_then(|chosen| {
            let is_same = |other: &Traced| (other.at, &other.bytes) == (chosen.at, &chosen.bytes);
            story.messages.iter().position(is_same).map(Subject::Message)
        });
        (self.story, self.answered) = (story, answered);
        self.scroll.replace(self.rows());
        match chosen {
            Some(chosen) if chosen != self.scroll.subject() => self.scroll.choose(chosen),
            Some(_) => {}
            None => self.scroll.choose_first(),
        }
    }

    /// Has this room from now on.
    pub(super) fn fit(&mut self, width: u16, height: u16) {
        let width = usize::from(width);
        if std::mem::replace(&mut self.width, width) != width {
            self.scroll.replace(self.rows());
        }
        self.scroll.fit(usize::from(height));
    }

    /// The message that the chosen row is about.
    pub(super) fn message(&self) -> Option<&Traced> {
        let Subject::Message(place) = self.scroll.subject() else { return None };
        self.story.messages.get(place)
    }

    fn rows(&self) -> Vec<Row> {
        let everything = Filter::default();
        let calls = everything.calls(&self.story);
        let mut rows = Vec::new();
        if self.answered.left_out > 0 {
            let text = format!("{} older messages are left out", self.answered.left_out);
            rows.push(Row::of(text, Style::Faint));
        }
        rows.extend(ladder(&Sequence::of(&self.story, &calls, &everything), self.width));
        for unreadable in &self.story.unreadable {
            let text = format!("a message from {} cannot be read: {}", unreadable.from, unreadable.reason);
            rows.push(Row::of(text, Style::Warning));
        }
        rows
    }
}

fn told(answered: &Signalling) -> Story {
    let mut trace = Trace::default();
    for message in &answered.messages {
        // What a newer server says otherwise is left out.
        let Ok(at) = message.at() else { continue };
        trace.message(at, message.transport(), message.from, message.to, message.message.as_bytes());
    }
    trace.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_answers::Message;
    use crate::archive::selection::date_time;
    use siprec_core::sip::Transport;

    fn answer(from: u32, to: u32) -> Signalling {
        let message = |number: u32| {
            let text = format!(
                "OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nFrom: <sip:a@h>;tag=1\r\n\
                 To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: {number} OPTIONS\r\n\r\n"
            );
            Message {
                at: format!("2026-11-30T09:00:{number:02}.000Z"),
                transport: "tls".into(),
                from: ([192, 0, 2, 1], 5061).into(),
                to: ([192, 0, 2, 2], 5061).into(),
                message: text,
            }
        };
        Signalling { messages: (from..to).map(message).collect(), left_out: usize::try_from(from).unwrap() }
    }

    #[test]
    fn the_message_that_is_chosen_stays_when_older_ones_are_left_out() {
        let mut ladder = Ladder::default();
        ladder.fit(80, 20);
        ladder.take(answer(0, 10));
        assert_eq!(ladder.message().map(|message| message.at), date_time("2026-11-30T09:00:00Z"));
        (0..7).for_each(|_| assert!(ladder.scroll.key("j", 20)));
        let chosen = ladder.message().map(|message| (message.at, message.transport));
        assert_eq!(chosen, date_time("2026-11-30T09:00:07Z").map(|at| (at, Transport::Tls)));
        ladder.take(answer(4, 14));
        assert_eq!(ladder.message().map(|message| (message.at, message.transport)), chosen);
        assert!(ladder.scroll.seen(20).any(|(_, row)| row.text() == "4 older messages are left out"));
        ladder.take(answer(9, 19));
        assert_eq!(ladder.message().map(|message| message.at), date_time("2026-11-30T09:00:09Z"), "it is gone");
    }

    #[test]
    fn it_is_laid_out_for_the_width_that_it_has() {
        let mut ladder = Ladder::default();
        ladder.fit(80, 20);
        ladder.take(answer(0, 3));
        (0..2).for_each(|_| assert!(ladder.scroll.key("j", 20)));
        let (chosen, narrow) = (ladder.scroll.subject(), ladder.scroll.is_wider(80));
        ladder.fit(120, 20);
        assert_eq!((narrow, ladder.scroll.is_wider(80), ladder.scroll.subject()), (false, true, chosen));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_same_answer_is_not_read_again() {
        let mut signalling = answer(0, 2);
        signalling.messages[1].message = "OPTIONS sip:b@h SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n".into();
        let mut ladder = Ladder::default();
        ladder.fit(80, 20);
        ladder.take(signalling.clone());
        let rows = |ladder: &Ladder| ladder.scroll.seen(20).map(|(_, row)| row.text()).collect::<Vec<_>>();
        assert!(rows(&ladder).iter().any(|row| row.contains("cannot be read: no Call-ID")), "{:?}", rows(&ladder));
        let before = ladder.story.messages.as_ptr();
        ladder.take(signalling);
        assert_eq!(ladder.story.messages.as_ptr(), before);
    }
}
