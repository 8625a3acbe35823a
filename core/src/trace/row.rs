//! Rows of cells with styles: what a terminal, a text file or a picture shows, and none of them is told how.

use alloc::string::String;
use alloc::vec::Vec;

/// What a cell is, by which whoever shows it chooses a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text.
    Plain,
    /// A heading.
    Heading,
    /// A moment.
    Time,
    /// A host above its lifeline.
    Host,
    /// A lifeline.
    Lifeline,
    /// A request.
    Request,
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx, 5xx, 6xx.
    Failure,
    /// RTP.
    Media,
    /// What is new in the metadata.
    Added,
    /// What is over in it.
    Removed,
    /// What is otherwise in it.
    Changed,
    /// A fault.
    Warning,
    /// What the eye may pass over.
    Faint,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Nothing of the capture's.
    None,
    /// A message, by its place.
    Message(usize),
    /// A stream, by its place.
    Stream(usize),
}

/// A piece of a row in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// What it is.
    pub style: Style,
}

/// A line of cells, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The cells.
    pub cells: Vec<Cell>,
    /// What it is about.
    pub subject: Subject,
}

impl Row {
    /// Of no cells.
    pub fn about(subject: Subject) -> Self {
        Self { cells: Vec::new(), subject }
    }

    /// Of one cell.
    pub fn of(text: impl Into<String>, style: Style) -> Self {
        Self::about(Subject::None).with(text, style)
    }

    /// With one more cell.
    #[must_use]
    pub fn with(mut self, text: impl Into<String>, style: Style) -> Self {
        self.cells.push(Cell { text: text.into(), style });
        self
    }

    /// Its text, without styles.
    pub fn text(&self) -> String {
        self.cells.iter().map(|cell| cell.text.as_str()).collect()
    }
}
