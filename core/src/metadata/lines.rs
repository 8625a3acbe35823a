//! Which stream each m-line carries: by its label (RFC 7865 6.7), and what labels leave over by its place.

use alloc::vec::Vec;

use super::snapshot::{Participant, Snapshot, Stream};

impl Snapshot {
    /// The stream that goes on on each of the open m-lines, whose labels these are in their order.
    ///
    /// A label counts first. Lines and streams that find nobody so (of no label, of one that the other side does not
    /// have, of one that is there twice) are matched by their order where they are as many: any other guess would be one.
    pub fn streams_of_lines(&self, labels: &[Option<&str>]) -> Vec<Option<&Stream>> {
        let mut free: Vec<&Stream> = self.streams.iter().filter(|stream| stream.is_active()).collect();
        let by_label = |label: &Option<&str>| {
            let place = free.iter().position(|stream| label.is_some() && stream.label() == *label)?;
            Some(free.remove(place))
        };
        let mut found: Vec<Option<&Stream>> = labels.iter().map(by_label).collect();
        if found.iter().filter(|stream| stream.is_none()).count() == free.len() {
            let open = found.iter_mut().filter(|stream| stream.is_none());
            open.zip(free).for_each(|(line, stream)| *line = Some(stream));
        }
        found
    }

    /// Who sends on each of the open m-lines now, several on a mixed one.
    ///
    /// Where no document has described any stream, the participants in the lines' places are taken if they are as many.
    pub fn senders_of_lines(&self, labels: &[Option<&str>]) -> Vec<Vec<&Participant>> {
        if self.streams.is_empty() {
            let present: Vec<&Participant> = self.participants.iter().filter(|p| p.is_present()).collect();
            let is_whole = present.len() == labels.len();
            let sender = |place| present.get(place).filter(|_| is_whole).copied().into_iter().collect();
            return (0..labels.len()).map(sender).collect();
        }
        let senders = |(stream, label): (Option<&Stream>, &Option<&str>)| match (stream, label) {
            (Some(stream), _) => self.senders_of(stream),
            (None, Some(label)) => self.senders(label),
            (None, None) => Vec::new(),
        };
        self.streams_of_lines(labels).into_iter().zip(labels).map(senders).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::metadata::{Snapshot, parse};
    use crate::time::Wall;

    /// Participants `a`, `b` ... of whom each sends on the stream with the label in its place.
    fn call(labels: &[Option<&str>]) -> Snapshot {
        let person = |id: char| format!("<participant participant_id='{id}'><nameID aor='sip:{id}@h'/></participant>");
        let stream = |id: char, label: Option<&str>| {
            let label = label.map(|label| format!("<label>{label}</label>")).unwrap_or_default();
            format!("<stream stream_id='s{id}' session_id='cs'>{label}</stream>")
        };
        let sends = |id: char| {
            format!("<participantstreamassoc participant_id='{id}'><send>s{id}</send></participantstreamassoc>")
        };
        let ids = || ('a'..='z').take(labels.len());
        let elements: String =
            ids().map(person).chain(ids().zip(labels).map(|(id, label)| stream(id, *label))).collect();
        told(&(elements + &ids().map(sends).collect::<String>()))
    }

    fn told(elements: &str) -> Snapshot {
        let xml = format!(
            "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>complete</datamode><session session_id='cs'/>{elements}</recording>"
        );
        let mut snapshot = Snapshot::default();
        snapshot.apply(&parse("application/rs-metadata+xml", xml.as_bytes()).document.unwrap(), Wall(1));
        snapshot
    }

    fn senders(snapshot: &Snapshot, labels: &[Option<&str>]) -> String {
        let lines = snapshot.senders_of_lines(labels);
        let line =
            |people: &Vec<&super::Participant>| people.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join("+");
        lines.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    type Labels = &'static [Option<&'static str>];

    #[test]
    fn a_label_counts_first_and_what_is_left_is_matched_by_its_order() {
        let cases: [(Labels, Labels, &str); 8] = [
            (&[Some("1"), Some("2")], &[Some("2"), Some("1")], "b a"),
            // None on either side, on one line, on one stream.
            (&[None, None], &[Some("1"), Some("2")], "a b"),
            (&[Some("1"), Some("2")], &[Some("2"), None], "b a"),
            (&[None, Some("1")], &[Some("1"), Some("2")], "b a"),
            // Disjoint, and twice.
            (&[Some("x"), Some("y")], &[Some("1"), Some("2")], "a b"),
            (&[Some("1"), Some("1")], &[Some("1"), Some("2")], "a b"),
            // Two lines of a label (sound and picture) are of who sends on it.
            (&[Some("1")], &[Some("1"), Some("1")], "a a"),
            // Not as many: nobody is guessed.
            (&[Some("x"), Some("y"), Some("z")], &[Some("1"), Some("2")], " "),
        ];
        for (streams, lines, expected) in cases {
            assert_eq!(senders(&call(streams), lines), expected, "{streams:?} {lines:?}");
        }
    }

    #[test]
    fn without_any_stream_the_participants_are_in_the_order_of_the_lines() {
        let people = "<participant participant_id='a'/><participant participant_id='b'/>";
        let snapshot = told(people);
        assert_eq!(senders(&snapshot, &[Some("1"), None]), "a b");
        assert_eq!(senders(&snapshot, &[Some("1")]), "");
    }
}
