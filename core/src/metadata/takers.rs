//! Which recordings take what is heard on a line: those of its communication session, and what no session has goes to
//! whoever it is likeliest of, so that all of it is in a recording.

use alloc::vec::Vec;

use super::snapshot::{Snapshot, Stream};

/// Whose a line is.
#[derive(Debug, PartialEq, Eq)]
enum Owner<'s> {
    /// Sessions that go on.
    Sessions(Vec<&'s str>),
    /// The last one it carried, which is over.
    Over(&'s str),
    /// No document has said.
    Unknown,
}

impl Snapshot {
    /// For each of the m-lines with these `labels`, the places in `open` of the recordings that take what arrives on it.
    /// `open` are the communication sessions of the recordings that take anything; none: the recording session's own.
    ///
    /// A session that is over keeps its lines until another has them. A line that belongs to no recording's session goes
    /// to those that have no line of their own (an SRC that reuses a stream need not say so again), else to the recording
    /// session's own recording. An empty list: nobody takes it.
    pub fn takers(&self, labels: &[Option<&str>], open: &[Option<&str>]) -> Vec<Vec<usize>> {
        let streams = self.streams_of_lines(labels);
        let owners: Vec<Owner<'_>> =
            streams.iter().zip(labels).map(|(stream, label)| self.owner(*stream, *label)).collect();
        let has_line = |id: &str| owners.iter().any(|owner| matches!(owner, Owner::Sessions(all) if all.contains(&id)));
        let places = |is_meant: &dyn Fn(Option<&str>) -> bool| -> Vec<usize> {
            open.iter().enumerate().filter(|(_, session)| is_meant(**session)).map(|(place, _)| place).collect()
        };
        let without_line = places(&|session| session.is_some_and(|id| !self.is_over(id) && !has_line(id)));
        let going_on = places(&|session| session.is_some_and(|id| !self.is_over(id)));
        let over = places(&|session| session.is_some_and(|id| self.is_over(id)));
        let own = places(&|session| session.is_none());
        let of = |owner: &Owner<'_>| {
            let first = match owner {
                Owner::Sessions(sessions) => places(&|session| session.is_some_and(|id| sessions.contains(&id))),
                Owner::Over(last) if without_line.is_empty() => places(&|session| session == Some(*last)),
                Owner::Over(_) => Vec::new(),
                Owner::Unknown if going_on.is_empty() => over.clone(),
                Owner::Unknown => going_on.clone(),
            };
            [&first, &without_line, &own].into_iter().find(|places| !places.is_empty()).cloned().unwrap_or_default()
        };
        owners.iter().map(of).collect()
    }

    fn owner<'s>(&'s self, stream: Option<&'s Stream>, label: Option<&str>) -> Owner<'s> {
        if let Some(last) = self.last_session(stream, label)
            && self.is_over(last)
        {
            return Owner::Over(last);
        }
        match self.sessions_of(stream) {
            sessions if sessions.is_empty() => Owner::Unknown,
            sessions => Owner::Sessions(sessions),
        }
    }

    /// The session that the line's stream is in, or was in last; a stream that has ended is known by the label.
    fn last_session<'s>(&'s self, stream: Option<&'s Stream>, label: Option<&str>) -> Option<&'s str> {
        if let Some(stream) = stream {
            return stream.binding()?.session.as_deref();
        }
        let bindings = self.streams.iter().filter_map(Stream::binding);
        let same = bindings.filter(|binding| label.is_some() && binding.label.as_deref() == label);
        same.max_by_key(|binding| binding.interval.from)?.session.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::metadata::document;
    use crate::time::Wall;

    /// Documents folded one after another.
    fn snapshot(documents: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (second, elements) in documents.iter().enumerate() {
            snapshot.apply(&document("partial", elements), Wall(second as i64 * 1_000_000_000));
        }
        snapshot
    }

    fn session(id: &str, labels: &[&str]) -> String {
        let stream =
            |label: &&str| format!("<stream stream_id='s{label}' session_id='{id}'><label>{label}</label></stream>");
        format!("<session session_id='{id}'/>") + &labels.iter().map(stream).collect::<String>()
    }

    fn over(id: &str) -> String {
        format!("<session session_id='{id}'><stop-time>2026-11-23T00:00:00Z</stop-time></session>")
    }

    const LINES: [Option<&str>; 2] = [Some("1"), Some("2")];

    #[test]
    fn each_session_has_its_own_lines() {
        let both = snapshot(&[&(session("a", &["1"]) + &session("b", &["2"]))]);
        assert_eq!(both.takers(&LINES, &[Some("a"), Some("b")]), [[0], [1]]);
        // Whose recording is not open goes to the recording session's own, if there is one.
        assert_eq!(both.takers(&LINES, &[Some("a"), None]), [[0], [1]]);
        assert_eq!(both.takers(&LINES, &[Some("a")]), [vec![0], vec![]]);
    }

    #[test]
    fn a_session_that_is_over_keeps_its_lines_beside_another() {
        let both = snapshot(&[&(session("a", &["1"]) + &session("b", &["2"])), &over("a")]);
        assert_eq!(both.takers(&LINES, &[Some("a"), Some("b")]), [[0], [1]]);
        // Its recording is closed: the other has a line of its own, and this is not it.
        assert_eq!(both.takers(&LINES, &[Some("b")]), [vec![], vec![0]]);
        assert_eq!(both.takers(&LINES, &[Some("b"), None]), [[1], [0]]);
        let alone = snapshot(&[&session("a", &["1", "2"]), &over("a")]);
        assert_eq!(alone.takers(&LINES, &[Some("a")]), [[0], [0]]);
    }

    #[test]
    fn a_session_that_takes_over_lines_has_them_at_once() {
        let said = snapshot(&[&session("a", &["1", "2"]), &(over("a") + &session("b", &["1", "2"]))]);
        assert_eq!(said.takers(&LINES, &[Some("a"), Some("b")]), [[1], [1]]);
        let unsaid = snapshot(&[&session("a", &["1", "2"]), &(over("a") + &session("b", &[]))]);
        assert_eq!(unsaid.takers(&LINES, &[Some("a"), Some("b")]), [[1], [1]]);
    }

    #[test]
    fn what_no_document_speaks_of_is_everybodys() {
        let both = snapshot(&[&(session("a", &[]) + &session("b", &[]))]);
        assert_eq!(both.takers(&LINES, &[Some("a"), Some("b")]), [[0, 1], [0, 1]]);
        assert_eq!(Snapshot::default().takers(&LINES, &[None]), [[0], [0]]);
        let ended = snapshot(&[&session("a", &[]), &over("a")]);
        assert_eq!(ended.takers(&LINES, &[Some("a"), None]), [[0], [0]]);
        assert_eq!(ended.takers(&LINES, &[None]), [[0], [0]]);
    }
}
