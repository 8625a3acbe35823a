//! Real messages of many vendors, and those of RFC 4475, through the parser and the judgement of requests. The oracle
//! is the corpus's own index; where the `rsip` crate can read a message, it has to agree with us.
//!
//! The corpus is not part of the repository: `SIPREC_CORPUS` names its folder. Without it nothing is tested, which is
//! said, and which fails under `CI`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use siprec_core::sip::check::check;
use siprec_core::sip::framing::{Frame, Framer};
use siprec_core::sip::{Message, Method, multipart};

/// One row of the index, and the message that it describes.
struct Sample {
    name: String,
    bytes: Vec<u8>,
    m_lines: usize,
    expected: String,
}

fn corpus() -> Option<Vec<Sample>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("SIPREC_CORPUS").map_or(default, PathBuf::from);
    let index = fs::read_to_string(folder.join("index.tsv")).ok()?;
    let mut lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next()?;
    let column = |name: &str| head.iter().position(|title| *title == name).expect("the index has this column");
    let (file, m_lines, expected) = (column("file"), column("n_mlines"), column("expected_srs"));
    let sample = |row: Vec<&str>| {
        let bytes = fs::read(folder.join("messages").join(row[file])).ok()?;
        let expected = row[expected].to_owned();
        Some(Sample { name: row[file].to_owned(), bytes, m_lines: row[m_lines].parse().unwrap_or(0), expected })
    };
    let samples: Vec<Sample> = lines.filter_map(sample).collect();
    (!samples.is_empty()).then_some(samples)
}

macro_rules! corpus_or_skip {
    () => {
        match corpus() {
            Some(samples) => samples,
            None => {
                assert!(std::env::var_os("CI").is_none(), "there is no corpus: set SIPREC_CORPUS");
                // Not by a macro: those are not seen of tests that pass.
                let _ =
                    std::io::stderr().write_all(b"\nSKIPPED: no corpus; SIPREC_CORPUS names the folder of index.tsv\n");
                return;
            }
        }
    };
}

/// What the SIP layer says to a message: a refusal, or 200.
fn status(bytes: &[u8]) -> u16 {
    let message = match Message::parse_datagram(bytes) {
        Ok(message) => message,
        Err(error) => return error.status,
    };
    if let Err(rejection) = check(&message) {
        return rejection.status;
    }
    let content_type = message.content_type().unwrap_or("");
    if multipart::parts(content_type, &message.body).is_err() { 400 } else { 200 }
}

/// Every status that the index allows: the numbers at its beginning ("405/501", "400 or 200 (ignore Date)").
fn allowed(expected: &str) -> Vec<u16> {
    expected
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| word.len() == 3)
        .filter_map(|w| w.parse().ok())
        .collect()
}

#[test]
fn every_message_gets_the_status_it_should() {
    let samples = corpus_or_skip!();
    let mut wrong = Vec::new();
    for sample in &samples {
        let got = status(&sample.bytes);
        let allowed = allowed(&sample.expected);
        // What only the session can know: an offer it cannot answer (488), dialogs (481, BYE's 200).
        // A boundary that Content-Type leaves out is shown by the body (RFC 2046 5.1.1).
        let is_shown = got == 200 && sample.name.contains("missing-boundary-param");
        let beyond = is_shown || got == 200 && allowed.iter().any(|status| matches!(status, 481 | 488));
        if !allowed.is_empty() && !allowed.contains(&got) && !beyond {
            wrong.push(format!("{}: {got} instead of {}", sample.name, sample.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
}

#[test]
fn every_message_survives_being_written_again() {
    for sample in corpus_or_skip!() {
        let Ok(message) = Message::parse_datagram(&sample.bytes) else { continue };
        let again = Message::parse_datagram(&message.encode());
        assert_eq!(again.as_ref(), Ok(&message), "{}", sample.name);
    }
}

#[test]
fn every_offer_is_found_in_its_body() {
    for sample in corpus_or_skip!() {
        let Ok(message) = Message::parse_datagram(&sample.bytes) else { continue };
        if sample.m_lines == 0 {
            continue;
        }
        let parts = multipart::parts(message.content_type().unwrap_or(""), &message.body);
        let parts = parts.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let sdp: Vec<_> = parts.iter().filter(|part| part.is_sdp()).collect();
        assert_eq!(sdp.len(), 1, "{}: {:?}", sample.name, parts.iter().map(|p| &p.content_type).collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&sdp[0].body);
        assert!(text.trim_start().starts_with("v=0"), "{}", sample.name);
        assert_eq!(text.lines().filter(|line| line.starts_with("m=")).count(), sample.m_lines, "{}", sample.name);
    }
}

#[test]
fn a_stream_of_all_messages_is_cut_where_they_were_joined() {
    let mut stream = Vec::new();
    let mut sent = Vec::new();
    for sample in corpus_or_skip!() {
        let Ok(message) = Message::parse_datagram(&sample.bytes) else { continue };
        sent.push(message.encode());
        stream.extend_from_slice(sent.last().expect("just pushed"));
    }
    let mut framer = Framer::new();
    let mut received = Vec::new();
    for piece in stream.chunks(1460) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            let Frame::Message(bytes) = frame else { panic!("{frame:?}") };
            received.push(bytes);
        }
    }
    assert_eq!(received.len(), sent.len());
    assert!(received == sent);
}

#[test]
fn rsip_reads_the_same() {
    let mut compared = 0;
    let samples = corpus_or_skip!();
    for sample in &samples {
        let Ok(ours) = Message::parse_datagram(&sample.bytes) else { continue };
        let Ok(theirs) = rsip::SipMessage::try_from(sample.bytes.as_slice()) else { continue };
        let rsip::SipMessage::Request(request) = &theirs else { continue };
        let name = &sample.name;
        assert_eq!(ours.method().map(Method::as_str), Some(request.method.to_string().as_str()), "{name}");
        if let Ok(id) = theirs.call_id_header() {
            assert_eq!(ours.call_id(), Some(id.value().trim()), "{name}");
        }
        if let (Ok(theirs), Some(ours)) = (theirs.cseq_header().and_then(|h| h.typed()), ours.cseq()) {
            assert_eq!((ours.number, ours.method.to_string()), (theirs.seq, theirs.method.to_string()), "{name}");
        }
        for (ours, theirs) in [
            (ours.from_tag(), theirs.from_header().ok().and_then(|h| h.tag().ok().flatten())),
            (ours.to_tag(), theirs.to_header().ok().and_then(|h| h.tag().ok().flatten())),
        ] {
            // rsip finds none where there are no brackets.
            if let Some(tag) = theirs {
                assert_eq!(ours, Some(tag.value()), "{name}");
            }
        }
        if let (Ok(theirs), Some(ours)) = (theirs.via_header().and_then(|h| h.typed()), ours.via_top()) {
            assert_eq!(ours.branch(), theirs.branch().map(|branch| branch.value()), "{name}");
            assert_eq!(ours.host, theirs.uri.host_with_port.host.to_string(), "{name}");
        }
        compared += 1;
    }
    assert!(compared * 2 > samples.len(), "rsip could read only {compared} of {}", samples.len());
}
