//! How a multipart body is written, beside what it says: what a linter tells of, and no reader needs.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::header::Header;
use super::multipart::{BoundaryFlaw, Line, MultipartError, judge, pieces, read_fields};

/// The shape of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Octets before the first delimiter.
    pub preamble: usize,
    /// Blanks stand behind a delimiter.
    pub is_padded: bool,
    /// Content-Type does not name the boundary as the body has it.
    pub flaw: Option<BoundaryFlaw>,
    /// The closing delimiter is there.
    pub is_closed: bool,
    /// The parts of the outermost level, in order.
    pub parts: Vec<SurveyedPart>,
}

/// The shape of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedPart {
    /// As written.
    pub content_type: Option<String>,
    /// As written.
    pub disposition: Option<String>,
    /// Its Content-Length, as written.
    pub length: Option<String>,
    /// Its Content-Transfer-Encoding, as written.
    pub encoding: Option<String>,
    /// Octets of its content.
    pub octets: usize,
}

/// Looks at a multipart body.
///
/// # Errors
/// What [`super::multipart::parts`] fails with.
pub fn survey(content_type: &str, body: &[u8]) -> Result<Survey, MultipartError> {
    let cut = pieces(content_type, body)?;
    let boundary = cut.boundary;
    let mut found = Survey { flaw: cut.flaw, parts: cut.pieces.into_iter().map(part).collect(), ..Survey::default() };
    let mut delimiters = 0;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let kind = judge(boundary.as_bytes(), line);
        if kind != Line::Text {
            delimiters += 1;
            if delimiters == 1 {
                found.preamble = at;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            found.is_padded |= text.last().is_some_and(u8::is_ascii_whitespace);
        }
        at += line.len();
        if kind == Line::Close {
            found.is_closed = true;
            break;
        }
    }
    Ok(found)
}

fn part(piece: &[u8]) -> SurveyedPart {
    let (fields, content) = read_fields(piece);
    let value = |name: &str| fields.iter().find(|field: &&Header| field.name == name).map(|field| field.value.clone());
    SurveyedPart {
        content_type: value("Content-Type"),
        disposition: value("Content-Disposition"),
        length: fields
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case("Content-Length"))
            .map(|f| f.value.trim().to_owned()),
        encoding: value("Content-Transfer-Encoding"),
        octets: content.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_body() {
        let body = b"\r\n--b \r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\none\r\n--b\r\n\r\ntwo\r\n";
        let found = survey("multipart/mixed;boundary=b", body).unwrap();
        assert_eq!((found.preamble, found.is_padded, found.is_closed), (2, true, false));
        assert_eq!(found.parts[0].length.as_deref(), Some("9"));
        assert_eq!((found.parts[0].octets, found.parts[1].octets), (3, 5));
        assert_eq!(found.parts[1].content_type, None);
        let found = survey("multipart/mixed;boundary=b", b"--b\r\nX: y\r\n\r\none\r\n--b--").unwrap();
        assert_eq!((found.preamble, found.is_padded, found.is_closed, found.parts.len()), (0, false, true, 1));
        assert_eq!(survey("multipart/mixed", b""), Err(MultipartError::NoBoundary));
    }
}
