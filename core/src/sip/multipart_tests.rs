//! Bodies of several parts.

use super::*;
use alloc::format;
use proptest::prelude::*;
use proptest::{collection, sample};

fn bodies(content_type: &str, body: &str) -> Vec<(String, String)> {
    let found = parts(content_type, body.as_bytes()).unwrap();
    found.into_iter().map(|p| (p.content_type, String::from_utf8(p.body).unwrap())).collect()
}

fn pair(content_type: &str, body: &str) -> (String, String) {
    (content_type.to_owned(), body.to_owned())
}

#[test]
fn text_around_and_blanks_behind_delimiters_are_nothing() {
    let body = "\r\nThis is MIME.\r\n--b \t\r\nContent-Type:application/sdp\r\nContent-Length: 9999\r\n\r\nv=0\r\n\r\n\
                --b\r\nContent-Type: application/rs-metadata+xml; x=y\r\n\r\n<a/>\r\n--b-- \r\n--b\r\n\r\nnot this";
    let expected = [pair("application/sdp", "v=0\r\n"), pair("application/rs-metadata+xml; x=y", "<a/>")];
    assert_eq!(bodies("multipart/mixed; boundary=b", body), expected);
    assert_eq!(bodies("Multipart/Mixed;foo=bar;BOUNDARY=\"b\" ", &body.replace("\r\n", "\n"))[1], expected[1]);
}

#[test]
fn a_line_that_begins_like_a_delimiter_is_text() {
    let body = "--foo\r\n\r\n--foobar\r\n--foo--bar\r\n --foo\r\nx--foo\r\n--foo--\r\n";
    assert_eq!(
        bodies("multipart/mixed;boundary=foo", body),
        [pair("text/plain", "--foobar\r\n--foo--bar\r\n --foo\r\nx--foo")]
    );
}

#[test]
fn the_last_part_need_not_be_closed() {
    let body = "--b\r\nContent-Type: a/b\r\n\r\none\r\n--b\r\nno header here\r\nline\r\n";
    assert_eq!(
        bodies("multipart/mixed;boundary=b", body),
        [pair("a/b", "one"), pair("text/plain", "no header here\r\nline\r\n")]
    );
    assert_eq!(bodies("multipart/mixed;boundary=b", "--b\r\nContent-Type: a/b\r\n\r\none\r\n--b").len(), 2);
    assert_eq!(
        bodies("multipart/mixed;boundary=b", "--b\r\n\r\n--b\r\n--b--"),
        [pair("text/plain", ""), pair("text/plain", "")]
    );
}

#[test]
fn quoted_boundaries_have_any_character() {
    let body = "--a b=;\"c\r\n\r\nx\r\n--a b=;\"c--";
    assert_eq!(bodies("multipart/mixed; x=\";boundary=no\"; boundary=\"a b=;\\\"c\"", body), [pair("text/plain", "x")]);
}

#[test]
fn nested_parts_come_in_their_place() {
    let body = "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n\
                --bb--\r\n--b\r\nContent-Type: multipart/mixed\r\n\r\nno boundary\r\n--b--";
    let expected = [pair("text/plain", "one"), pair("text/plain", "two"), pair("multipart/mixed", "no boundary")];
    assert_eq!(bodies("multipart/mixed;boundary=b", body), expected);
}

#[test]
fn transfer_encodings_are_undone() {
    let body = "--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\nPGE+w7\r\n48L2E+Cg==\r\n\
                --b\r\nContent-Transfer-Encoding:\r\n quoted-printable\r\n\r\na=3D=C3=\r\n=bc=zz=\r\n--b--";
    let found = bodies("multipart/mixed;boundary=b", body);
    assert_eq!(found[0].1, "<a>þ</a>\n");
    assert_eq!(found[1].1, "a=ü=zz=");
}

#[test]
fn header_fields_of_a_part_are_read() {
    let body =
        "--b\r\nContent-Disposition: signal;\r\n handling=Optional\r\nContent-ID: <x@y>\r\nc: a/b\r\n\r\n\r\n--b--";
    let found = parts("multipart/mixed;boundary=b", body.as_bytes()).unwrap();
    assert!(!found[0].is_required() && found[0].is("A/B"));
    assert_eq!(found[0].content_id.as_deref(), Some("x@y"));
    assert_eq!(found[0].disposition.as_deref(), Some("signal; handling=Optional"));
    assert!(found[0].body.is_empty());
}

#[test]
fn a_body_that_is_no_multipart_is_one_part() {
    assert_eq!(bodies(" application/rs-metadata ", "<a/>"), [pair("application/rs-metadata", "<a/>")]);
    assert_eq!(bodies("application/sdp", ""), []);
    assert!(is_understood("Application/SDP;charset=x") && !is_understood("application/sdpx"));
}

#[test]
fn what_cannot_be_cut_is_an_error() {
    let of = |content_type: &str, body: &str| parts(content_type, body.as_bytes());
    assert_eq!(of("multipart/mixed", "-b\r\nx--b\r\n"), Err(MultipartError::NoBoundary));
    assert_eq!(of("multipart/mixed;boundary=", "--  \r\n"), Err(MultipartError::NoBoundary));
    assert_eq!(of("multipart/mixed;boundary=b", "--c\r\n"), Err(MultipartError::NoDelimiter));
    assert_eq!(of("multipart/mixed;boundary=b", ""), Err(MultipartError::NoDelimiter));
    let long = format!("multipart/mixed;boundary={}", "b".repeat(MAX_BOUNDARY + 1));
    assert_eq!(of(&long, "--b"), Err(MultipartError::LongBoundary));
    let many = "--b\r\n\r\nx\r\n".repeat(MAX_PARTS);
    assert_eq!(of("multipart/mixed;boundary=b", &many).map(|parts| parts.len()), Ok(MAX_PARTS));
    let many = "--b\r\n\r\nx\r\n".repeat(MAX_PARTS + 1);
    assert_eq!(of("multipart/mixed;boundary=b", &many), Err(MultipartError::TooManyParts));
}

#[test]
fn a_boundary_is_found_that_is_not_named_as_the_body_has_it() {
    let body = "--Bo'und\r\nContent-Type: a/b\r\n\r\none\r\n--Bo'und\r\n\r\n--bo'und\r\n--Bo'und--\r\n";
    let expected = [pair("a/b", "one"), pair("text/plain", "--bo'und")];
    for (parameter, flaw) in [
        (";boundary=Bo'und", None),
        (";boundary=\"Bo'und\"", None),
        (";boundary='Bo'und'", Some(BoundaryFlaw::Quotes)),
        (";boundary=BO'UND", Some(BoundaryFlaw::Case)),
        (";boundary='BO'UND'", Some(BoundaryFlaw::Case)),
    ] {
        let content_type = format!("multipart/mixed{parameter}");
        assert_eq!(bodies(&content_type, body), expected, "{parameter}");
        assert_eq!(pieces(&content_type, body.as_bytes()).map(|found| found.flaw).ok(), Some(flaw), "{parameter}");
    }
    // Quotation marks that the body has as well are a part of it.
    assert_eq!(bodies("multipart/mixed;boundary='b'", "--'b'\r\n\r\n--b\r\n--'b'--"), [pair("text/plain", "--b")]);
    let other = |boundary: &str| parts(&format!("multipart/mixed;boundary={boundary}"), body.as_bytes());
    for boundary in ["Bo'un", "Bo'undx", "''", "'"] {
        assert_eq!(other(boundary).unwrap().len(), 2, "{boundary}");
    }
}

#[test]
fn a_boundary_that_is_named_wrongly_is_what_the_first_delimiter_has_and_one_must_be_named() {
    let body = "made by -- nobody\r\n--\r\n-- sig\r\nx\r\n--b c \r\nContent-Type: a/b\r\n\r\none\r\n--b c\r\n\r\n--d\r\n\r\n--b c--\r\n";
    let expected = [pair("a/b", "one"), pair("text/plain", "--d\r\n")];
    for (content_type, flaw) in
        [(UNNAMED, BoundaryFlaw::Unnamed), ("multipart/mixed;boundary=other", BoundaryFlaw::Other)]
    {
        for body in [body.to_owned(), body.replace("\r\n", "\n").replace("--d\n", "--d\r\n")] {
            assert_eq!(bodies(content_type, &body)[0], expected[0], "{content_type}");
            assert_eq!(pieces(content_type, body.as_bytes()).unwrap().flaw, Some(flaw), "{content_type}");
        }
        assert_eq!(bodies(content_type, body), expected, "{content_type}");
    }
    for content_type in
        ["multipart/mixed", "Multipart/Mixed;", "multipart/mixed;charset=utf-8", "multipart/mixed;boundary="]
    {
        let found = pieces(content_type, body.as_bytes()).map(|found| found.boundary);
        assert_eq!(found, Err(MultipartError::NoBoundary), "{content_type}");
    }
}

#[test]
fn a_body_and_a_part_are_known_by_what_they_hold() {
    let message = |content_type: &str, body: &str| {
        let text = format!("INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{content_type}\r\n{body}");
        Message::parse_datagram(text.as_bytes()).unwrap()
    };
    let whole = |content_type: &str, body: &str| {
        let found = message(content_type, body).parts().unwrap();
        (found.len(), found[0].is_sdp())
    };
    let multipart = "\r\n--b\r\n\r\n\u{feff}v=0\r\n--b\r\nContent-Type: application/sdp\r\n\r\n<r/>\r\n--b--";
    for content_type in ["", "c: application/sdp\r\n", "c: text/plain\r\n", "c: multipart\r\n"] {
        assert_eq!(whole(content_type, multipart), (2, true), "{content_type}");
        assert_eq!(whole(content_type, "\0\r\nv=0\r\n"), (1, true), "{content_type}");
        let parts = message(content_type, multipart).parts().unwrap();
        assert!(!parts[1].is_sdp(), "XML is none, whatever its type");
        let xml = message(content_type, "<recording/>").parts().unwrap();
        assert!(!xml[0].is_sdp() && &*xml[0].body == b"<recording/>", "{content_type}");
    }
    assert_eq!(whole("c: application/sdp\r\n", "o=- 1 1 IN IP4 h\r\n"), (1, true), "its type is believed");
    assert_eq!(whole("c: text/plain\r\n", "-- \r\nAnn: hello\r\n"), (1, false));
    assert_eq!(message("c: multipart/mixed\r\n", "hello").parts(), Err(MultipartError::NoBoundary));
}

#[test]
fn what_is_compressed_is_known_by_its_coding_and_not_taken_apart() {
    let body = "--b\r\nContent-Encoding: gzip\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\nx\r\n\
                --b\r\nContent-Encoding: Identity\r\n\r\ny\r\n--b--";
    let found = parts("multipart/mixed;boundary=b", body.as_bytes()).unwrap();
    let codings: Vec<_> = found.iter().map(|part| part.coding.as_deref()).collect();
    assert_eq!(codings, [Some("gzip"), None]);
    assert!(found[0].is("multipart/mixed"));
    let message = |head: &str, body: &str| {
        let text = format!("INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n{head}\r\n{body}");
        Message::parse_datagram(text.as_bytes()).unwrap()
    };
    let whole = message("e: identity, gzip\r\nContent-Type: a/b\r\nContent-Disposition: x\r\n", "y");
    let part = whole.parts().unwrap().remove(0);
    assert_eq!(
        (part.coding.as_deref(), part.disposition.as_deref(), &*part.body),
        (Some("gzip"), Some("x"), &b"y"[..])
    );
    assert_eq!(message("", "\r\nv=0").parts().unwrap()[0].content_type, "application/sdp");
    assert_eq!(message("", "<v=0").parts().unwrap()[0].content_type, "");
    assert_eq!(message("", "").parts(), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn nothing_is_in_the_parts_that_is_not_in_the_body(
        named in sample::select(&["", ";boundary=b", ";boundary='b'", ";boundary=B", ";boundary=\"b b\""]),
        pieces in collection::vec(sample::select(PIECES), 0..60),
    ) {
        let body = pieces.concat();
        let content_type = format!("multipart/mixed{named}");
        let Ok(found) = parts(&content_type, body.as_bytes()) else { return Ok(()) };
        prop_assert!(found.len() <= MAX_PARTS);
        prop_assert!(found.iter().map(|part| part.body.len()).sum::<usize>() <= body.len());
        prop_assert!(found.iter().all(|part| body.contains(&*String::from_utf8_lossy(&part.body))));
        prop_assert!(super::super::survey::survey(&content_type, body.as_bytes()).is_ok());
    }
}

const PIECES: &[&str] = &[
    "--b",
    "--B",
    "--'b'",
    "--b b",
    "--",
    "-",
    "\r\n",
    "\n",
    " ",
    "x",
    ":",
    "Content-Type: multipart/mixed",
    ";boundary=b",
    ";boundary='B'",
    "Content-Encoding: gzip",
];

#[test]
fn nesting_ends() {
    let mut body = "x".to_owned();
    for depth in (0..20).rev() {
        body = format!("--b{depth}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n{body}", depth + 1);
    }
    let found = parts("multipart/mixed;boundary=b0", body.as_bytes()).unwrap();
    assert_eq!((found.len(), found[0].is("multipart/mixed")), (1, true));
}
