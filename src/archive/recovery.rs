//! What is to be done about a recording at start: one table over all that can be found of it.
//!
//! A recording leaves a journal, then audio and sidecar, then a row in the catalog, and last its journal is put away. A
//! crash can come between any two of these, and a disk, an operator or a restored backup can bring the other
//! combinations. So each has its row below; the compiler sees to it that none is missing. Pure: others look and do.

/// What the journal says of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// There is none: it was deleted after its time, or lost.
    None,
    /// In `live`, the session has a checkpoint, and the recording has not ended.
    Live,
    /// In `live`, and the recording or its session has ended.
    Ended,
    /// In `live`, not ended, and without a checkpoint that can be read: the session cannot go on.
    Torn,
    /// In its day's folder: the session was finished.
    PutAway,
}

/// What there is of audio and sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Nothing.
    Absent,
    /// Only files under temporary names, or audio without its sidecar: a rendering was cut off.
    Temporary,
    /// The sidecar and all files that it names.
    Present,
}

/// What the catalog says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// Nothing.
    Absent,
    /// There is a row.
    Present,
}

/// What is done with the session that the recording is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForSession {
    /// Its ports are bound and its dialog is known again.
    Resume,
    /// When all of its recordings are done, its journal is put away.
    PutAway,
    /// Nothing.
    Leave,
}

/// What is done with the recording itself, after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForRecording {
    /// Audio, sidecar and row are made from the journal.
    Render,
    /// A row is made from the sidecar.
    Adopt,
    /// The row is kept and says that there are no files here: they were released to a target, or are lost.
    MarkAway,
    /// Nothing.
    Leave,
}

/// What is to be done, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Files under temporary names are removed.
    pub clean: bool,
    /// The session.
    pub session: ForSession,
    /// The recording.
    pub recording: ForRecording,
}

/// The table.
pub fn action(journal: Journal, files: Files, row: Row) -> Action {
    use ForRecording as Recording;
    use ForSession as Session;
    let (session, recording) = match (journal, files, row) {
        // Nothing but a name.
        (Journal::None, Files::Absent | Files::Temporary, Row::Absent) => (Session::Leave, Recording::Leave),
        (Journal::None, Files::Absent | Files::Temporary, Row::Present) => (Session::Leave, Recording::MarkAway),
        // The catalog was lost or restored from a backup; journals are not kept for ever.
        (Journal::None, Files::Present, Row::Absent) => (Session::Leave, Recording::Adopt),
        (Journal::None, Files::Present, Row::Present) => (Session::Leave, Recording::Leave),

        // It goes on. Files of a recording that has not ended cannot be of all of it: the journal is the truth, and the
        // rendering at its end replaces them and their row.
        (Journal::Live, Files::Absent | Files::Temporary | Files::Present, Row::Absent | Row::Present) => {
            (Session::Resume, Recording::Leave)
        }

        // It ended before the crash, or while we were away; or what there is of it is all there will be.
        (Journal::Ended | Journal::Torn, Files::Absent | Files::Temporary, Row::Absent | Row::Present) => {
            (Session::PutAway, Recording::Render)
        }
        (Journal::Ended, Files::Present, Row::Absent) => (Session::PutAway, Recording::Adopt),
        (Journal::Ended, Files::Present, Row::Present) => (Session::PutAway, Recording::Leave),
        // It had not ended, so it was not rendered as a whole.
        (Journal::Torn, Files::Present, Row::Absent | Row::Present) => (Session::PutAway, Recording::Render),

        // The journal is put away last: what is missing was lost since, and can be made again.
        (Journal::PutAway, Files::Absent | Files::Temporary, Row::Absent) => (Session::Leave, Recording::Render),
        // As with no journal: files that every target has are released.
        (Journal::PutAway, Files::Absent, Row::Present) => (Session::Leave, Recording::MarkAway),
        (Journal::PutAway, Files::Temporary, Row::Present) => (Session::Leave, Recording::Render),
        (Journal::PutAway, Files::Present, Row::Absent) => (Session::Leave, Recording::Adopt),
        (Journal::PutAway, Files::Present, Row::Present) => (Session::Leave, Recording::Leave),
    };
    Action { clean: files == Files::Temporary, session, recording }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNALS: [Journal; 5] = [Journal::None, Journal::Live, Journal::Ended, Journal::Torn, Journal::PutAway];
    const FILES: [Files; 3] = [Files::Absent, Files::Temporary, Files::Present];
    const ROWS: [Row; 2] = [Row::Absent, Row::Present];

    /// What is found at the next start, if all of the action is done.
    fn after(action: Action, journal: Journal, files: Files, row: Row) -> (Journal, Files, Row) {
        let files = if action.clean { Files::Absent } else { files };
        let journal = match action.session {
            ForSession::PutAway => Journal::PutAway,
            ForSession::Resume | ForSession::Leave => journal,
        };
        match action.recording {
            ForRecording::Render => (journal, Files::Present, Row::Present),
            ForRecording::Adopt => (journal, files, Row::Present),
            ForRecording::MarkAway | ForRecording::Leave => (journal, files, row),
        }
    }

    fn all() -> impl Iterator<Item = (Journal, Files, Row)> {
        JOURNALS.into_iter().flat_map(|j| FILES.into_iter().flat_map(move |f| ROWS.into_iter().map(move |r| (j, f, r))))
    }

    #[test]
    fn every_combination_loses_nothing_and_comes_to_rest() {
        let mut count = 0;
        for (journal, files, row) in all() {
            count += 1;
            let found = format!("{journal:?}, {files:?}, {row:?}");
            let done = action(journal, files, row);
            assert_eq!(done.clean, files == Files::Temporary, "{found}");
            assert_eq!(done.session == ForSession::Resume, journal == Journal::Live, "{found}");
            let (journal_then, files_then, row_then) = after(done, journal, files, row);
            assert_ne!(files_then, Files::Temporary, "{found}");
            // A journal is put away only with whole files and a row.
            if done.session == ForSession::PutAway {
                assert_eq!((files_then, row_then), (Files::Present, Row::Present), "{found}");
            }
            // Whatever there is can be found in the catalog, unless it goes on.
            if files == Files::Present && journal != Journal::Live {
                assert_eq!((files_then, row_then), (Files::Present, Row::Present), "{found}");
            }
            // Rendering needs a journal.
            assert!(done.recording != ForRecording::Render || journal != Journal::None, "{found}");
            // Done once is enough: the next start finds nothing to do.
            let again = action(journal_then, files_then, row_then);
            let rest = if row_then == Row::Present && files_then == Files::Absent && journal != Journal::Live {
                ForRecording::MarkAway
            } else {
                ForRecording::Leave
            };
            assert_eq!(again.recording, rest, "{found}");
            assert!(!again.clean && again.session != ForSession::PutAway, "{found}");
        }
        assert_eq!(count, 30);
    }

    #[test]
    fn a_crash_between_any_two_steps_of_finishing_ends_as_without_it() {
        // Temporary files, audio without sidecar, files, row, journal put away: the steps of a rendering, in order.
        let steps = [
            (Journal::Ended, Files::Absent, Row::Absent),
            (Journal::Ended, Files::Temporary, Row::Absent),
            (Journal::Ended, Files::Present, Row::Absent),
            (Journal::Ended, Files::Present, Row::Present),
            (Journal::PutAway, Files::Present, Row::Present),
        ];
        for (journal, files, row) in steps {
            let done = after(action(journal, files, row), journal, files, row);
            assert_eq!(done, (Journal::PutAway, Files::Present, Row::Present));
        }
    }
}
